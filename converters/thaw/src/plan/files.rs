//! Open files, descriptors, and locks.

use super::model::{Descriptor, Lock, LockStyle, Process, Watch};
use crate::decode::DecodeError;
use kconv_image::ObjectId;
use kconv_objects::{Objects, Saved};
use kconv_resources::linux6::{self, LockType, Resource, Resources};
use kconv_tasks::model::{self, OpenFile};
use std::collections::BTreeMap;

/// All open files, in the order of the image.
pub(super) fn open_files(objects: &Objects<'_>) -> Result<Vec<OpenFile>, DecodeError> {
    let files = objects.of_type("file")?;
    Ok(files.iter().map(OpenFile::of).collect::<Result<_, _>>()?)
}

/// Index of the open file that is this object.
pub(super) fn index_of(files: &[OpenFile], object: ObjectId) -> Option<usize> {
    // They are in the order of the image.
    files.binary_search_by_key(&object, |file| file.object).ok()
}

/// What the epolls among the open files wait for.
pub(super) fn watches(resources: &Resources, files: &[OpenFile]) -> Vec<Watch> {
    let watches = resources.iter().filter_map(|(_, resource)| match resource {
        Resource::EpollWatch(watch) => Some(watch),
        _ => None,
    });
    watches
        .filter_map(|watch| {
            Some(Watch {
                epoll: index_of(files, watch.epoll)?,
                file: index_of(files, watch.file),
                descriptor: watch.descriptor,
                events: watch.events,
                data: watch.data,
                process: watch.process,
            })
        })
        .collect()
}

/// The descriptors of a `files_struct`.
pub(super) fn descriptors(
    files: &[OpenFile],
    table: Saved<'_>,
) -> Result<Vec<Descriptor>, DecodeError> {
    let descriptors = model::Descriptors::of(&table)?.open.into_iter();
    // What a descriptor leads to is a file of the image.
    Ok(descriptors
        .filter_map(|descriptor| {
            Some(Descriptor {
                number: descriptor.number,
                file: index_of(files, descriptor.file)?,
                close_on_exec: descriptor.close_on_exec,
            })
        })
        .collect())
}

/// Leaves a lock of flock, which is that of an open file, to the process that set it.
pub(super) fn assign_flocks(processes: &mut [Process]) {
    let locks = processes.iter().map(|one| (one.pid, one.locks.as_slice()));
    let setters = setters_of_flocks(locks);
    for process in processes {
        let pid = process.pid;
        process
            .locks
            .retain(|lock| lock.style != LockStyle::Flock || setters.get(&lock.file) == Some(&pid));
    }
}

/// Who of those that have a file is to set the lock of flock on it: who did, or the first of them if that
/// one is not among them.
fn setters_of_flocks<'l>(locks: impl Iterator<Item = (i32, &'l [Lock])>) -> BTreeMap<usize, i32> {
    let mut setters: BTreeMap<usize, i32> = BTreeMap::new();
    for (pid, locks) in locks {
        for lock in locks.iter().filter(|lock| lock.style == LockStyle::Flock) {
            let setter = setters.entry(lock.file).or_insert(pid);
            if lock.pid == pid {
                *setter = pid;
            }
        }
    }
    setters
}

/// The locks of the `files_struct` that is object `table`, and of the open files in `own`.
pub(super) fn locks(
    resources: &Resources,
    files: &[OpenFile],
    table: ObjectId,
    own: impl Fn(usize) -> bool,
) -> Vec<Lock> {
    let locks = resources.iter().filter_map(|(_, resource)| match resource {
        Resource::FileLock(lock) => Some(lock),
        _ => None,
    });
    locks
        .filter_map(|lock| {
            // What is not in the image is somebody else's.
            let file = index_of(files, lock.file.as_ref()?.file)?;
            let owner = lock.owner?;
            let style = match (lock.style, owner == table) {
                (linux6::LockStyle::Posix, true) => LockStyle::Process,
                (linux6::LockStyle::Posix, false) if owner == files[file].object => {
                    LockStyle::OpenFile
                }
                (linux6::LockStyle::Posix, false) => return None,
                (linux6::LockStyle::Flock, _) => LockStyle::Flock,
            };
            if style != LockStyle::Process && !own(file) {
                return None;
            }
            let length = match lock.end {
                // OFFSET_MAX: to the end of the file, wherever that is.
                i64::MAX => 0,
                end => end.saturating_sub(lock.start).saturating_add(1),
            };
            Some(Lock {
                file,
                style,
                exclusive: lock.lock_type == LockType::Write,
                start: lock.start,
                length,
                pid: lock.pid as i32,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flock_is_set_by_who_had_set_it_or_by_the_first_that_has_the_file() {
        let lock = |file: usize, style: LockStyle, pid: i32| Lock {
            file,
            style,
            exclusive: true,
            start: 0,
            length: 0,
            pid,
        };
        let [of_child, of_another] = [(3, 21), (4, 99)].map(|(file, pid)| {
            // A process has its own locks beside them.
            [
                lock(file, LockStyle::Flock, pid),
                lock(file, LockStyle::Process, 20),
            ]
        });
        let both = [of_child, of_another].concat();
        let all = [(20, both.as_slice()), (21, &both)].into_iter();
        assert_eq!(setters_of_flocks(all), [(3, 21), (4, 20)].into());
    }
}
