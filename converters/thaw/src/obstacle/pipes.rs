//! Pipes and FIFOs: they can be made as they were if nobody else has an end of them.

use super::found::Obstacles;
use crate::plan::{OpenFile, Plan};
use kconv_codes::Code;
use kconv_image::{Escaped, ResourceId};
use kconv_resources::linux6::{File, FileType, Pipe, PipeState, Resource};
use kconv_resources::{ADVICE, Device};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells a pipe from others: FIFOs have several names, and a name is a resource.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Identity {
    Pipe(u64),
    Fifo(Device, u64),
}

impl Identity {
    /// That of a resource which is a pipe or a FIFO.
    fn of(resource: &Resource) -> Option<Identity> {
        match resource {
            Resource::Pipe(pipe) => Some(Identity::Pipe(pipe.inode)),
            Resource::File(file) if file.is_fifo() => {
                Some(Identity::Fifo(file.inode.device, file.inode.inode))
            }
            _ => None,
        }
    }
}

/// Whether a file was opened, and not its path alone (O_PATH).
fn is_open(file: &OpenFile) -> bool {
    file.flags & libc::O_PATH as u32 == 0
}

/// Whether a file is a FIFO that an open file of the plan has open.
pub(super) fn is_opened_fifo(plan: &Plan, id: ResourceId, file: &File) -> bool {
    let mut files = plan.files.iter();
    file.is_fifo() && files.any(|file| file.resource == id && is_open(file))
}

/// How many of the open files of a pipe have one of these ways of access.
fn ends(plan: &Plan, pipe: Identity, access: [i32; 2]) -> u64 {
    let own = plan.files.iter().filter(|file| {
        let resource = plan.resources.get(file.resource);
        resource.and_then(Identity::of) == Some(pipe)
    });
    let mode = |file: &&OpenFile| access.contains(&(file.flags as i32 & libc::O_ACCMODE));
    own.filter(|file| is_open(file)).filter(mode).count() as u64
}

/// That all ends of a pipe are in the image.
pub(super) fn check_pipe(task: i32, pipe: &Pipe, plan: &Plan, found: &mut Obstacles<'_>) {
    let name = format!("pipe {}", pipe.inode);
    let identity = Identity::Pipe(pipe.inode);
    check(task, &name, identity, &pipe.state, plan, found);
}

/// That all ends of a FIFO that a task has open are in the image.
pub(super) fn check_fifo(task: i32, fifo: &File, plan: &Plan, found: &mut Obstacles<'_>) {
    let name = format!("FIFO {}", Escaped(&fifo.path));
    let identity = Identity::Fifo(fifo.inode.device, fifo.inode.inode);
    match &fifo.file_type {
        FileType::Fifo(Some(state)) => check(task, &name, identity, state, plan, found),
        _ => found.add(
            Code::FdPipeUnknown,
            Some(task),
            name,
            "an image that does not tell who has it open",
            "one that does",
            ADVICE,
        ),
    }
}

fn check(
    task: i32,
    name: &str,
    identity: Identity,
    state: &PipeState,
    plan: &Plan,
    found: &mut Obstacles<'_>,
) {
    for (what, all, access) in [
        ("readers", state.readers, [libc::O_RDONLY, libc::O_RDWR]),
        ("writers", state.writers, [libc::O_WRONLY, libc::O_RDWR]),
    ] {
        let inside = ends(plan, identity, access);
        if all > inside {
            found.add(
                Code::FdPipeEnd,
                Some(task),
                name,
                format!("{inside} {what} in the image"),
                all.to_string(),
                "freeze the process at the other end with it (`kconv freeze --tree`)",
            );
        }
    }
}

/// That nobody here has a FIFO open but the tasks, which are `own`: what is in it would be theirs, and
/// the tasks' theirs. While the tasks are being frozen they have it themselves.
pub(super) fn check_others(task: i32, fifo: &File, own: &BTreeSet<i32>, found: &mut Obstacles<'_>) {
    let path = &fifo.path;
    if let Some(process) = opener(Path::new("/proc"), Path::new(path), own) {
        found.add(
            Code::FdFifoOpen,
            Some(task),
            format!("FIFO {}", Escaped(path)),
            format!("process {process}, which has it open"),
            "nobody",
            "end that process, or let it close the FIFO, until the program is thawed",
        );
    }
}

/// A process, none of `own`, that has a file open; `processes` is where the kernel tells of them.
fn opener(processes: &Path, path: &Path, own: &BTreeSet<i32>) -> Option<i32> {
    let wanted = fs::metadata(path).ok()?;
    let is_it = |descriptor: fs::DirEntry| {
        let found = fs::metadata(descriptor.path());
        found.is_ok_and(|found| (found.dev(), found.ino()) == (wanted.dev(), wanted.ino()))
    };
    let pids = fs::read_dir(processes).ok()?.flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.find(|pid: &i32| {
        if own.contains(pid) {
            return false;
        }
        let descriptors = fs::read_dir(processes.join(format!("{pid}/fd")));
        descriptors.is_ok_and(|descriptors| descriptors.flatten().any(is_it))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What /proc would tell of two processes is told by a folder like it: in /proc itself a program that
    /// another test starts has our descriptors for a moment.
    #[test]
    fn who_has_a_file_open_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("file"), folder.path().join("other"));
        for file in [&path, &other] {
            fs::write(file, "").unwrap();
        }
        let processes = folder.path().join("proc");
        for (process, file) in [("1", &other), ("25", &path), ("self", &path)] {
            let descriptors = processes.join(process).join("fd");
            fs::create_dir_all(&descriptors).unwrap();
            std::os::unix::fs::symlink(file, descriptors.join("3")).unwrap();
        }
        let nobody = BTreeSet::new();
        assert_eq!(opener(&processes, &path, &nobody), Some(25));
        assert_eq!(opener(&processes, &path, &BTreeSet::from([25])), None);
        let none = folder.path().join("none");
        assert_eq!(opener(&processes, &none, &nobody), None);
    }
}
