//! Files to which the processes only append, as programs do to their logs: others may have gone on
//! writing there meanwhile, and what is written next comes behind that.

use crate::dropped::Dropped;
use crate::plan::Plan;
use crate::used::{Policy, users};
use kconv_codes::Code;
use kconv_image::{Escaped, ResourceId};
use kconv_resources::linux6::File;
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

/// The files of which the processes have nothing but descriptors that append and do not read
/// (open(2), O_APPEND, O_WRONLY).
pub(crate) fn appended(plan: &Plan) -> BTreeSet<ResourceId> {
    let appends = |flags: u32| {
        flags as i32 & (libc::O_ACCMODE | libc::O_APPEND | libc::O_PATH)
            == libc::O_WRONLY | libc::O_APPEND
    };
    let (some, others): (Vec<_>, Vec<_>) = plan.files.iter().partition(|file| appends(file.flags));
    let mut appended: BTreeSet<ResourceId> = some.iter().map(|file| file.resource).collect();
    for file in others {
        appended.remove(&file.resource);
    }
    let memories = plan.processes.iter().filter_map(|one| one.memory.as_ref());
    for memory in memories {
        let mapped = memory.mappings.iter().filter_map(|mapping| mapping.file);
        for file in mapped.chain(memory.program) {
            appended.remove(&plan.files[file].resource);
        }
    }
    appended
}

/// Whether a file of which this is known is the one that it was, and perhaps longer.
pub(crate) fn is_same(file: &File, metadata: &Metadata) -> bool {
    let is_it = match Policy::of(&file.inode.file_system) {
        Policy::Inode => file.inode.inode == metadata.ino(),
        Policy::Time => true,
        Policy::Contents | Policy::Name => false,
    };
    is_it && growth(file, metadata).is_some()
}

/// How many bytes longer it is; `None` if it is shorter.
fn growth(file: &File, metadata: &Metadata) -> Option<u64> {
    metadata.size().checked_sub(file.inode.size.bytes())
}

/// Files of that kind that are longer than at the freeze.
pub(crate) fn dropped(plan: &Plan) -> Vec<Dropped> {
    let appended = appended(plan);
    let of_file = |(id, tasks): (ResourceId, BTreeSet<i32>)| {
        let file = plan.resources.file(id).filter(|file| !file.is_nameless())?;
        let metadata = fs::symlink_metadata(&file.path).ok()?;
        let is_log = metadata.is_file() && is_same(file, &metadata);
        let growth = growth(file, &metadata).filter(|growth| is_log && *growth > 0)?;
        Some(Dropped {
            code: Code::FileGrown,
            task: tasks.first().copied(),
            what: format!("the end of {}, to which it appends", Escaped(&file.path)),
            instead: format!("{growth} bytes further on, for others wrote there"),
        })
    };
    let users = users(plan).into_iter();
    let logs = users.filter(|(id, _)| appended.contains(id));
    logs.filter_map(of_file).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::{Descriptor, OpenFile, Process};
    use crate::testing;
    use kconv_image::ObjectId;
    use kconv_resources::linux6::Resource;
    use std::path::Path;

    const LOG: i32 = libc::O_WRONLY | libc::O_APPEND;

    fn plan(flags: &[i32]) -> Plan {
        let files = flags.iter().map(|flags| OpenFile {
            object: ObjectId(0),
            resource: ResourceId(0),
            flags: *flags as u32,
            position: 0,
            owner: None,
            write_hint: 0,
        });
        let descriptors = (0..flags.len()).map(|file| Descriptor {
            number: file as i32,
            file,
            close_on_exec: false,
        });
        let process = Process {
            descriptors: descriptors.collect(),
            ..Process::bare(7, None)
        };
        Plan {
            processes: vec![process],
            files: files.collect(),
            ..Plan::default()
        }
    }

    fn log(path: &Path, size: u64, file_system: &str) -> File {
        let mut log = testing::file(path.to_str().unwrap());
        log.inode.file_system = file_system.to_owned();
        log.inode.inode = fs::metadata(path).unwrap().ino();
        log.inode.size = testing::size(size);
        log
    }

    #[test]
    fn only_what_does_nothing_but_append_is_a_log() {
        let is_log = |flags: &[i32]| !appended(&plan(flags)).is_empty();
        assert!(is_log(&[LOG]));
        assert!(is_log(&[LOG | libc::O_NONBLOCK, LOG]));
        for other in [
            libc::O_WRONLY,
            libc::O_RDWR | libc::O_APPEND,
            libc::O_APPEND,
        ] {
            assert!(!is_log(&[other]), "{other:#o}");
            assert!(!is_log(&[LOG, other]), "{other:#o}");
        }
    }

    #[test]
    fn a_log_may_be_longer_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a\nlog");
        fs::write(&path, "0123456789").unwrap();
        let told = |flags: &[i32], size, file_system| {
            let mut plan = plan(flags);
            let log = Resource::File(log(&path, size, file_system));
            plan.resources = [log].into_iter().collect();
            dropped(&plan)
        };
        let grown = told(&[LOG], 4, "ext4");
        assert_eq!(grown.len(), 1);
        assert_eq!((grown[0].task, grown[0].code), (Some(7), Code::FileGrown));
        assert_eq!(
            grown[0].instead,
            "6 bytes further on, for others wrote there"
        );
        assert!(grown[0].what.contains("a\\nlog"), "{}", grown[0].what);
        for (flags, size, file_system) in [
            (LOG, 10, "ext4"),
            (LOG, 11, "ext4"),
            (libc::O_WRONLY, 4, "ext4"),
            (LOG, 4, "tmpfs"),
        ] {
            assert_eq!(told(&[flags], size, file_system), []);
        }
        let metadata = fs::metadata(&path).unwrap();
        assert!(is_same(&log(&path, 4, "ext4"), &metadata));
        assert!(is_same(&log(&path, 10, "overlay"), &metadata));
        assert!(!is_same(&log(&path, 11, "ext4"), &metadata));
        let mut other = log(&path, 4, "ext4");
        other.inode.inode += 1;
        assert!(!is_same(&other, &metadata));
    }
}
