//! Open files, descriptors, and locks.

use super::model::{Descriptor, FileOwner, Lock, LockStyle, OpenFile, Process};
use crate::decode::DecodeError;
use kconv_image::ObjectId;
use kconv_objects::{Objects, Saved};
use kconv_resources::linux6::{self, LockType, Resource, Resources};
use kernel_structs_bits::little_endian;
use std::collections::BTreeMap;

/// The most descriptors that are believed (`fs/file.c`: sysctl_nr_open_max).
const MAX_DESCRIPTORS: u64 = 0x7fff_ffc0;

/// All open files, in the order of the image.
pub(super) fn open_files(objects: &Objects<'_>) -> Result<Vec<OpenFile>, DecodeError> {
    let files = objects.of_type("file")?;
    files.into_iter().map(|file| open_file(file)).collect()
}

fn open_file(file: Saved<'_>) -> Result<OpenFile, DecodeError> {
    let path = "f_path.dentry";
    let resource = file.resource_id(path)?;
    Ok(OpenFile {
        object: file.id(),
        resource: resource
            .ok_or_else(|| file.absurd(path, 0, "an open file is something that was opened"))?,
        flags: file.unsigned("f_flags")? as u32,
        position: file.signed("f_pos")?,
        owner: owner(file)?,
    })
}

/// Who gets the signals of a file: a part of it in 6.1, an object of its own in 6.12.
fn owner(file: Saved<'_>) -> Result<Option<FileOwner>, DecodeError> {
    let owner = match file.has("f_owner.pid") {
        true => Some(file.part("f_owner")?),
        false => file.follow("f_owner")?,
    };
    let Some(owner) = owner else {
        return Ok(None);
    };
    let signal = owner.int("signum")?;
    let pid = owner.follow("pid")?;
    let kind = owner.unsigned("pid_type")? as u32;
    let pid = match pid {
        Some(pid) => kconv_tasks::model::number(&pid)?,
        None => 0,
    };
    let user = |name: &str| Ok::<u32, DecodeError>(owner.unsigned(name)? as u32);
    let users = [user("uid.val")?, user("euid.val")?];
    let is_set = pid != 0 || signal != 0 || users != [0; 2];
    Ok(is_set.then_some(FileOwner {
        kind,
        pid,
        signal,
        users,
    }))
}

/// Index of the open file that is this object.
pub(super) fn index_of(files: &[OpenFile], object: ObjectId) -> Option<usize> {
    // They are in the order of the image.
    files.binary_search_by_key(&object, |file| file.object).ok()
}

/// The descriptors of a `files_struct`.
pub(super) fn descriptors(
    files: &[OpenFile],
    table: Saved<'_>,
) -> Result<Vec<Descriptor>, DecodeError> {
    let table = table.required("fdt")?;
    let most = table.unsigned("max_fds")?;
    if most > MAX_DESCRIPTORS {
        return Err(table
            .absurd("max_fds", most, "there are not so many descriptors")
            .into());
    }
    let pointers = table.bytes_at("fd", 8 * most)?;
    let close = table.bytes_at("close_on_exec", most.div_ceil(64) * 8)?;
    let mut found = Vec::new();
    for (index, pointer) in pointers.chunks_exact(8).enumerate() {
        let address = little_endian(pointer);
        if address == 0 {
            continue;
        }
        let file = table
            .objects()
            .object_at(address)
            .and_then(|(object, _)| index_of(files, object));
        found.push(Descriptor {
            number: index as i32,
            file: file.ok_or_else(|| {
                table.absurd(
                    "fd",
                    index as u64,
                    "the descriptor's file is not in the image",
                )
            })?,
            close_on_exec: close[index / 8] >> (index % 8) & 1 == 1,
        });
    }
    Ok(found)
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
