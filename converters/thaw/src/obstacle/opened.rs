//! Whether files that are there can be opened, mapped and locked as they were.

use super::found::Obstacles;
use crate::call::CallError;
use crate::contents::{folder_of, without_a_name};
use crate::open::{self, open_with};
use crate::plan::{Lock, LockStyle, OpenFile, Plan, Process};
use crate::used::{Copies, is_of_a_task, users};
use crate::vm_flags::VM_EXEC;
use kconv_codes::Code;
use kconv_image::Escaped;
use kconv_resources::linux6::{File, FileType};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{AccessFlags, eaccess};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;

/// What the processes have open and mapped, and is neither of `/proc` nor taken from the image.
pub(super) fn check(plan: &Plan, copies: &Copies, found: &mut Obstacles<'_>) {
    nameless(plan, found);
    for (index, open, was) in files(plan, copies) {
        match again(open, was) {
            Ok(opened) => {
                mounted(index, was, plan, found);
                locks(index, &opened, (open, was), plan, found);
            }
            Err(error) => unopened(index, (open, was), error, plan, found),
        }
    }
}

/// The same while the tasks that were frozen still have it open. Nothing is opened, which others can be told of
/// (inotify(7): IN_CLOSE_WRITE), and the locks are their own.
pub(super) fn standing(plan: &Plan, copies: &Copies, found: &mut Obstacles<'_>) {
    for (index, open, was) in files(plan, copies) {
        match could_be_opened(open, was) {
            Ok(()) => mounted(index, was, plan, found),
            Err(error) => unopened(index, (open, was), error, plan, found),
        }
    }
}

/// Whether files can be made where there were some that have no name any more.
fn nameless(plan: &Plan, found: &mut Obstacles<'_>) {
    for (id, tasks) in users(plan) {
        let file = plan.resources.file(id).filter(|file| file.is_unlinked());
        // That there is no folder is told already.
        let file = file.filter(|file| folder_of(&file.path).is_dir());
        let made = file.map(|file| (file, without_a_name(file)));
        if let Some((file, Err(error))) = made {
            for task in tasks {
                found.add(
                    Code::FdUnlinked,
                    Some(task),
                    format!("regular file {}, which was unlinked", Escaped(&file.path)),
                    format!("a folder in which none is made without a name ({error})"),
                    "one in which files can be made (open(2), O_TMPFILE)",
                    "mount there what was mounted, to be written to",
                );
            }
        }
    }
}

/// The open files that a thaw opens by their paths, each with its place in the plan.
fn files<'p>(
    plan: &'p Plan,
    copies: &Copies,
) -> impl Iterator<Item = (usize, &'p OpenFile, &'p File)> {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    let files = plan.files.iter().enumerate();
    files.filter_map(move |(index, open)| {
        let was = plan.resources.file(open.resource)?;
        // To open a device may do something to it.
        let is_harmless = matches!(was.file_type, FileType::Regular | FileType::Directory);
        // What is not there, or is something else, is told already.
        let is_there = fs::symlink_metadata(&was.path).is_ok();
        let is_made = was.is_nameless() || copies.contains_key(&open.resource);
        let is_taken = is_of_a_task(was, &own) || is_made;
        (is_harmless && is_there && !is_taken).then_some((index, open, was))
    })
}

fn unopened(
    index: usize,
    (open, was): (&OpenFile, &File),
    error: Errno,
    plan: &Plan,
    found: &mut Obstacles<'_>,
) {
    let name = format!("{} {}", was.file_type.name(), Escaped(&was.path));
    for process in plan.processes.iter().filter(|one| uses(one, index)) {
        found.add(
            Code::FileOpen,
            Some(process.pid),
            &name,
            format!("one that {} ({error})", refused(open)),
            "one that can be opened as it was",
            advice(error),
        );
    }
}

/// Whether programs can be executed from where a file is.
fn mounted(index: usize, was: &File, plan: &Plan, found: &mut Obstacles<'_>) {
    let name = format!("{} {}", was.file_type.name(), Escaped(&was.path));
    let flags = statvfs(was.path.as_str()).map(|system| system.flags());
    let is_noexec = flags.is_ok_and(|flags| flags.contains(FsFlags::ST_NOEXEC));
    for process in plan.processes.iter().filter(|_| is_noexec) {
        if executes(process, index) {
            found.add(
                Code::FileNoexec,
                Some(process.pid),
                &name,
                "a file system that is mounted with noexec",
                "one from which programs are executed",
                "mount it with exec (mount -o remount,exec)",
            );
        }
    }
}

/// Whether nobody is in the way of a file's locks; `opened` is the file, opened as it was.
fn locks(
    index: usize,
    opened: &OwnedFd,
    (open, was): (&OpenFile, &File),
    plan: &Plan,
    found: &mut Obstacles<'_>,
) {
    let name = format!("{} {}", was.file_type.name(), Escaped(&was.path));
    for process in &plan.processes {
        let locks = process.locks.iter().filter(|lock| lock.file == index);
        for holder in locks.filter_map(|lock| holder(lock, opened, open, was)) {
            found.add(
                Code::FdLockHeld,
                Some(process.pid),
                format!("lock on {name}"),
                format!("{holder}, which holds one"),
                "nobody in the way",
                "end it, or let it give up the lock, until the program is thawed",
            );
        }
    }
}

/// Opens a file as a thaw will.
fn again(open: &OpenFile, was: &File) -> Result<OwnedFd, Errno> {
    // A lease that somebody has is not waited for.
    let flags = open::again(open) | libc::O_NONBLOCK | libc::O_NOCTTY;
    open_with(&was.path, flags).map_err(|error| match error {
        CallError::Refused { error, .. } => error,
        _ => Errno::EIO,
    })
}

/// What open(2) would say of a file to a thaw, found without opening it.
fn could_be_opened(open: &OpenFile, was: &File) -> Result<(), Errno> {
    let flags = open::again(open);
    if flags & libc::O_PATH != 0 {
        return Ok(());
    }
    let (access, writes) = match flags & libc::O_ACCMODE {
        libc::O_RDONLY => (AccessFlags::R_OK, false),
        libc::O_WRONLY => (AccessFlags::W_OK, true),
        _ => (AccessFlags::R_OK | AccessFlags::W_OK, true),
    };
    // Of an immutable file this says EPERM (fs/namei.c: inode_permission).
    eaccess(was.path.as_str(), access)?;
    // Of one that can only be appended to open(2) says it alone (fs/namei.c: may_open).
    if writes && flags & libc::O_APPEND == 0 && is_append_only(&was.path) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// Whether nothing but the end of a file can be written (chattr(1): a). A file system that does not say has none.
fn is_append_only(path: &str) -> bool {
    let asked = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    asked.is_ok_and(|said| said.stx_attributes.contains(StatxAttributes::APPEND))
}

fn refused(open: &OpenFile) -> &'static str {
    match open.flags as i32 & libc::O_ACCMODE {
        libc::O_RDONLY => "cannot be opened to be read",
        _ => "cannot be opened to be written",
    }
}

fn advice(error: Errno) -> &'static str {
    match error {
        Errno::EPERM => {
            "take from it what keeps even root from writing (lsattr and chattr: immutable, append-only)"
        }
        Errno::EROFS => "mount its file system to be written (mount -o remount,rw)",
        Errno::EAGAIN => "let whoever has a lease on it give it up",
        _ => "see why root cannot open it",
    }
}

/// Whether a process has the open file under a number, or mapped.
fn uses(process: &Process, index: usize) -> bool {
    let mut descriptors = process.descriptors.iter();
    descriptors.any(|open| open.file == index)
        || process.memory.as_ref().is_some_and(|memory| {
            let mut mappings = memory.mappings.iter();
            memory.program == Some(index) || mappings.any(|one| one.file == Some(index))
        })
}

/// Whether a process executes what is in the open file.
fn executes(process: &Process, index: usize) -> bool {
    process.memory.as_ref().is_some_and(|memory| {
        let mut mappings = memory.mappings.iter();
        memory.program == Some(index)
            || mappings.any(|one| one.file == Some(index) && one.flags & VM_EXEC != 0)
    })
}

/// Who holds a lock, if anybody, that keeps this one from being set; `opened` is the file, opened as it was.
fn holder(lock: &Lock, opened: &OwnedFd, open: &OpenFile, was: &File) -> Option<String> {
    if lock.style == LockStyle::Flock {
        let kind = match lock.exclusive {
            true => FlockArg::LockExclusiveNonblock,
            false => FlockArg::LockSharedNonblock,
        };
        // One opened anew, which is closed again with its lock.
        let other = again(open, was).ok()?;
        let locked = Flock::lock(other, kind);
        return locked.is_err().then(|| "some process".to_owned());
    }
    let kind = match lock.exclusive {
        true => libc::F_WRLCK,
        false => libc::F_RDLCK,
    };
    let mut asked = libc::flock {
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: lock.start,
        l_len: lock.length,
        l_pid: 0,
    };
    fcntl(opened, FcntlArg::F_GETLK(&mut asked)).ok()?;
    match (i32::from(asked.l_type), asked.l_pid) {
        (libc::F_UNLCK, _) => None,
        // That of an open file is nobody's.
        (_, -1) => Some("some process".to_owned()),
        (_, pid) => Some(format!("process {pid}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::obstacle::ObstacleOf;
    use crate::plan::{Descriptor, Mapping, Memory};
    use crate::testing;
    use kconv_image::{ObjectId, ResourceId};
    use kconv_resources::linux6::Resource;

    /// What is told of a process that has a file open, with a lock on it, and executes it.
    fn told(path: &str, flags: i32, lock: Option<LockStyle>, is_program: bool) -> Vec<String> {
        let mapping = Mapping {
            file: is_program.then_some(0),
            ..Mapping::bare(0x1000, 0x2000, VM_EXEC)
        };
        let mut process = Process {
            memory: Some(Memory::bare(ObjectId(1), vec![mapping])),
            descriptors: vec![Descriptor {
                number: 3,
                file: 0,
                close_on_exec: false,
            }],
            ..Process::bare(7, None)
        };
        process.locks.extend(lock.map(|style| Lock {
            file: 0,
            style,
            exclusive: true,
            start: 5,
            length: 5,
            pid: 7,
        }));
        let resources = vec![Resource::File(testing::file(path))];
        let plan = Plan {
            processes: vec![process],
            files: vec![OpenFile {
                object: ObjectId(2),
                resource: ResourceId(0),
                flags: flags as u32,
                position: 0,
                owner: None,
                write_hint: 0,
            }],
            resources: resources.into_iter().collect(),
            ..Plan::default()
        };
        let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
        check(&plan, &Copies::new(), &mut found);
        let found = found.into_list().into_iter();
        found
            .map(|one| format!("{} [{}]", one.text(), one.code.name()))
            .collect()
    }

    #[test]
    fn a_file_that_cannot_be_opened_as_it_was_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let path = path.to_str().unwrap();
        fs::write(path, "text").unwrap();
        assert_eq!(told(path, libc::O_RDWR, None, false), [""; 0]);
        // What keeps root from it as well.
        let flags = libc::O_RDWR | libc::O_DIRECTORY;
        let said = told(path, flags, None, false);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with(&format!(
            "regular file {path}: found one that cannot be opened to be written (ENOTDIR"
        )));
        assert!(said[0].ends_with(" [file.open]"), "{said:?}");
        // One that is not there is for others to tell.
        fs::remove_file(path).unwrap();
        assert_eq!(told(path, libc::O_RDWR, None, false), [""; 0]);
    }

    #[test]
    fn a_lock_that_somebody_has_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "text and more").unwrap();
        let name = path.to_str().unwrap();
        let of = |style| told(name, libc::O_RDWR, Some(style), false);
        assert_eq!(of(LockStyle::Flock), [""; 0]);
        assert_eq!(of(LockStyle::OpenFile), [""; 0]);
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let is_open = file.try_clone().unwrap();
        let lock = Flock::lock(file, FlockArg::LockShared).ok().unwrap();
        let said = format!(
            "lock on regular file {name}: found some process, which holds one, expected nobody in the way [fd.lock.held]"
        );
        assert_eq!(of(LockStyle::Flock), std::slice::from_ref(&said));
        assert_eq!(of(LockStyle::OpenFile), [""; 0]);
        drop(lock);
        let bytes = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: 9,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&is_open, FcntlArg::F_OFD_SETLK(&bytes)).unwrap();
        assert_eq!(of(LockStyle::Process), [said]);
        let other = libc::flock {
            l_start: 10,
            ..bytes
        };
        let none = libc::flock {
            l_type: libc::F_UNLCK as i16,
            ..bytes
        };
        fcntl(&is_open, FcntlArg::F_OFD_SETLK(&none)).unwrap();
        fcntl(&is_open, FcntlArg::F_OFD_SETLK(&other)).unwrap();
        assert_eq!(of(LockStyle::Process), [""; 0]);
    }

    #[test]
    fn what_is_mapped_to_be_executed_is_executed_and_so_is_the_program() {
        let mapped = |flags| {
            let mapping = Mapping {
                file: Some(0),
                ..Mapping::bare(0x1000, 0x2000, flags)
            };
            Process {
                memory: Some(Memory::bare(ObjectId(1), vec![mapping])),
                ..Process::bare(7, None)
            }
        };
        assert!(executes(&mapped(VM_EXEC), 0));
        assert!(!executes(&mapped(VM_EXEC), 1));
        assert!(!executes(&mapped(0), 0));
        let mut program = mapped(0);
        program.memory.as_mut().unwrap().program = Some(0);
        assert!(executes(&program, 0));
    }

    /// `/proc` is mounted with noexec wherever there is care.
    #[test]
    fn what_is_executed_may_not_lie_where_nothing_is() {
        let flags = statvfs("/proc/version").unwrap().flags();
        let expected = match flags.contains(FsFlags::ST_NOEXEC) {
            true => 1,
            false => 0,
        };
        assert_eq!(
            told("/proc/version", libc::O_RDONLY, None, true).len(),
            expected
        );
        assert_eq!(told("/proc/version", libc::O_RDONLY, None, false), [""; 0]);
    }
}
