//! Open files. kconv itself opens each of them, once, under a number that no task uses: whatever it
//! makes inherits them, and so shares those that were shared.

use super::credentials;
use super::events;
use super::journal;
use super::limits;
use super::numbers::Numbers;
use super::pipes::Pipes;
use super::programs;
use super::restored::{Restored, failed};
use super::sockets::Sockets;
use crate::call::CallError;
use crate::contents::{self, MadeFiles};
use crate::dropped::WITH_POSITION;
use crate::error::ThawError;
use crate::memfd;
use crate::obstacle::copies;
use crate::open::{self, open_with};
use crate::plan::{FileOwner, Folders, Lock, LockStyle, OpenFile, Plan};
use crate::remote::Remote;
use crate::sys;
use crate::used::is_of_a_task;
use kconv_image::{Escaped, Image, PAGE_SIZE, ResourceId};
use kconv_resources::linux6::{self, FileType, Place, Resource};
use kconv_resources::{Device, Kind};
use nix::errno::Errno;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Flags that fcntl(2), F_SETFL sets.
const SETTABLE: i32 =
    libc::O_APPEND | libc::O_NONBLOCK | libc::O_DIRECT | libc::O_NOATIME | libc::O_ASYNC;

/// The files that kconv has opened.
pub(crate) struct Kept {
    /// By index of the plan; `None` for a file of `/proc/PID`, which is not there yet.
    files: Vec<Option<OwnedFd>>,
    /// Which are memory without a name.
    memory: Vec<bool>,
    folders: BTreeMap<ResourceId, OwnedFd>,
    /// Which of these are the root that everybody has.
    roots: BTreeSet<ResourceId>,
    /// Which numbers they have.
    numbers: Numbers,
}

impl Kept {
    /// Opens everything that the plan names. What was in memory alone and is not there is made first.
    pub(crate) fn open(
        plan: &Plan,
        image: &Image,
        made: &mut MadeFiles,
    ) -> Result<Kept, ThawError> {
        let head = image.head();
        let first = plan.processes[0].pid;
        let descriptors = plan.processes.iter().flat_map(|one| &one.descriptors);
        let watched = plan.watches.iter();
        let watched = watched.map(|watch| u64::from(watch.descriptor));
        let taken = descriptors.map(|open| open.number as u64);
        let taken: BTreeSet<u64> = taken.chain(watched).collect();
        let folders = plan
            .processes
            .iter()
            .map(|one| 2 * one.threads.len() as u64);
        let folders: u64 = folders.sum();
        let numbers = Numbers::among(&taken, 3 * plan.files.len() as u64 + folders + 64);
        let highest = taken.last().copied().unwrap_or(0);
        limits::have_files(numbers.end.max(highest + 1))
            .map_err(failed(first, "room for open files"))?;
        let copies = copies(plan, head, Some(image));
        let mut opener = Opener {
            image,
            start: numbers.start,
            nameless: BTreeMap::new(),
            pipes: Pipes::default(),
            sockets: Sockets::of(&plan.resources),
            programs: BTreeMap::new(),
        };
        let mut kept = Kept {
            files: Vec::new(),
            memory: Vec::new(),
            folders: BTreeMap::new(),
            roots: BTreeSet::new(),
            numbers,
        };
        let own = plan.processes.iter().map(|process| process.pid).collect();
        for file in &plan.files {
            // What cannot be understood is an obstacle, and found before.
            let resource = plan.resources.get(file.resource);
            let resource = resource.ok_or_else(|| {
                failed(first, "its open files")(unknown("a resource that is not understood"))
            })?;
            let name = Escaped(resource.name());
            let step = format!("opening {name}");
            let opened = match resource {
                Resource::File(of) if is_of_a_task(of, &own) => None,
                Resource::File(of) if copies.contains_key(&file.resource) => {
                    let step = format!("making a copy of {name}");
                    let copy = opener.copy(file.resource, of);
                    Some(copy.map_err(failed(first, &step))?)
                }
                other => {
                    if let Resource::File(of) = other {
                        let step = format!("making {name}");
                        made.make(image, file.resource, of)
                            .map_err(failed(first, &step))?;
                    }
                    Some(opener.open(file, other).map_err(failed(first, &step))?)
                }
            };
            kept.files.push(opened);
            let is_memory = matches!(resource, Resource::SharedMemory(_));
            kept.memory.push(is_memory);
        }
        for thread in plan.processes.iter().flat_map(|process| &process.threads) {
            for id in [thread.folders.root, thread.folders.working] {
                if let Entry::Vacant(none) = kept.folders.entry(id) {
                    let folder = plan.resources.file(id).ok_or_else(|| {
                        let error = unknown("a resource that is no folder");
                        failed(thread.tid, "its root and working directory")(error)
                    })?;
                    let path = &folder.path;
                    if path == "/" {
                        kept.roots.insert(id);
                    }
                    let step = format!("opening {}", Escaped(path));
                    let folder = opener.folder(path).map_err(failed(thread.tid, &step))?;
                    none.insert(folder);
                }
            }
        }
        Ok(kept)
    }

    /// The number under which a file to be mapped is open.
    pub(crate) fn mapped(&self, file: usize) -> Result<u64, CallError> {
        match self.files.get(file) {
            Some(Some(fd)) => Ok(fd.as_raw_fd() as u64),
            _ => Err(CallError::new("mmap", Errno::EBADF)),
        }
    }

    /// A file that is open; `None` for one of `/proc/PID`.
    pub(super) fn opened(&self, file: usize) -> Option<BorrowedFd<'_>> {
        self.files.get(file)?.as_ref().map(OwnedFd::as_fd)
    }

    /// Whether a file is memory without a name.
    pub(crate) fn is_memory(&self, file: usize) -> bool {
        self.memory.get(file).copied().unwrap_or(false)
    }
}

struct Opener<'i> {
    image: &'i Image,
    /// The lowest number of a file.
    start: u64,
    /// The files without a name that were made so far, by device and inode at the freeze.
    nameless: BTreeMap<(Device, u64), File>,
    pipes: Pipes,
    sockets: Sockets<'i>,
    /// The copies of programs and libraries that were made so far.
    programs: BTreeMap<ResourceId, OwnedFd>,
}

impl Opener<'_> {
    fn open(&mut self, file: &OpenFile, resource: &Resource) -> Result<OwnedFd, CallError> {
        let is_open = file.flags as i32 & libc::O_PATH == 0;
        // Pipes are opened, streams connected, and what has no name is made, without their flags.
        let (opened, is_bare) = match resource {
            Resource::Pipe(pipe) => (self.pipes.end(file, pipe)?, true),
            Resource::JournalStream(stream) => (journal::stream(stream)?, true),
            Resource::PairedSocket(was) => (self.sockets.end(was)?, true),
            Resource::EventFd(was) => (events::eventfd(was)?, true),
            Resource::TimerFd(was) => (events::timerfd(was)?, true),
            Resource::SignalFd(was) => (events::signalfd(was)?, true),
            Resource::Epoll(_) => (events::epoll()?, true),
            Resource::SharedMemory(memory) => {
                let size = memory.inode.size.bytes();
                (self.shared_memory(file, size)?, false)
            }
            Resource::File(of) if of.is_nameless() => (self.nameless(file, of)?, false),
            Resource::File(of) => match &of.file_type {
                FileType::Fifo(Some(state)) if is_open => {
                    (self.pipes.named(file, of, state)?, true)
                }
                FileType::Fifo(None) if is_open => {
                    return Err(unknown(
                        "a FIFO of which the image does not tell what is in it",
                    ));
                }
                FileType::Fifo(_)
                | FileType::Regular
                | FileType::Directory
                | FileType::SymbolicLink
                | FileType::CharacterDevice(_)
                | FileType::BlockDevice(_) => (path(file, of)?, false),
            },
            other => return Err(unknown(other.kind())),
        };
        let high = self.lift(opened)?;
        let set = file.flags as i32 & SETTABLE & !libc::O_ASYNC;
        if is_bare {
            let arguments = [
                high.as_raw_fd() as u64,
                libc::F_SETFL as u64,
                set as u64,
                0,
                0,
            ];
            sys::call(libc::SYS_fcntl, arguments)
                .map_err(|error| CallError::new("fcntl(F_SETFL)", error))?;
        }
        let has_position = matches!(
            resource,
            Resource::File(linux6::File {
                file_type: FileType::Regular | FileType::Directory | FileType::BlockDevice(_),
                ..
            })
        ) || matches!(
            resource,
            Resource::File(linux6::File {
                file_type: FileType::CharacterDevice(device),
                ..
            }) if WITH_POSITION.contains(device)
        );
        if has_position && file.position != 0 && is_open {
            let position = SeekFrom::Start(file.position as u64);
            File::from(
                high.try_clone()
                    .map_err(|error| CallError::io("dup", &error))?,
            )
            .seek(position)
            .map_err(|error| CallError::io("lseek", &error))?;
        }
        Ok(high)
    }

    /// Gives an open file a number that no task uses.
    fn lift(&self, file: OwnedFd) -> Result<OwnedFd, CallError> {
        let arguments = [
            file.as_raw_fd() as u64,
            libc::F_DUPFD as u64,
            self.start,
            0,
            0,
        ];
        let high = sys::call(libc::SYS_fcntl, arguments)
            .map_err(|error| CallError::new("fcntl(F_DUPFD)", error))?;
        Ok(sys::owned(high as i32))
    }

    /// Memory without a name: what a mapping of it leads to can be opened.
    fn shared_memory(&self, file: &OpenFile, size: u64) -> Result<OwnedFd, CallError> {
        let size = size.max(1).next_multiple_of(PAGE_SIZE);
        let start =
            sys::shared_memory(size as usize).map_err(|error| CallError::new("mmap", error))?;
        let path = format!("/proc/self/map_files/{start:x}-{:x}", start + size);
        let opened = File::from(open_with(&path, libc::O_RDWR)?);
        if let Some(contents) = self.image.head().contents_of(file.resource) {
            contents::fill(self.image, contents, &opened)?;
        }
        Ok(opened.into())
    }

    /// A file without a name, opened once more.
    fn nameless(&mut self, file: &OpenFile, was: &linux6::File) -> Result<OwnedFd, CallError> {
        let made = match self.nameless.entry((was.inode.device, was.inode.inode)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(none) => {
                let contents = self.image.head().contents_of(file.resource);
                let contents =
                    contents.ok_or_else(|| unknown("a file without a name and what is in it"))?;
                none.insert(match was.place {
                    Place::Memfd { seals } => memfd::again(self.image, contents, (was, seals))?,
                    _ => contents::unlinked(self.image, contents, was)?,
                })
            }
        };
        let path = format!("/proc/self/fd/{}", made.as_raw_fd());
        // What leads there is a link, and what was said when it was made (O_TMPFILE) has O_DIRECTORY in it.
        let flags = open::again(file) & !(libc::O_NOFOLLOW | libc::O_DIRECTORY);
        open_with(&path, flags | libc::O_NOCTTY)
    }

    /// A copy of a file that is mapped, for one more who has it open.
    fn copy(&mut self, id: ResourceId, was: &linux6::File) -> Result<OwnedFd, CallError> {
        let copy = match self.programs.entry(id) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(none) => none.insert(programs::copy(self.image, id, was)?),
        };
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let opened = open_with(&path, libc::O_RDONLY)?;
        self.lift(opened)
    }

    fn folder(&self, path: &str) -> Result<OwnedFd, CallError> {
        self.lift(open_with(path, libc::O_PATH | libc::O_DIRECTORY)?)
    }
}

/// Opens a file by its path.
fn path(file: &OpenFile, of: &linux6::File) -> Result<OwnedFd, CallError> {
    // A link itself was opened with O_NOFOLLOW, which is among the flags that it kept.
    open_with(&of.path, open::again(file) | libc::O_NOCTTY)
}

/// That something cannot be opened that no obstacle was found in.
fn unknown(what: &str) -> CallError {
    CallError::Result {
        call: "open",
        problem: format!("found {what}, expected something that can be opened"),
    }
}

/// Takes from a process what it has open besides what kconv has for it.
pub(super) fn leave(restored: &Restored<'_>, kept: &Kept) -> Result<(), CallError> {
    kept.numbers.close_outside(restored.first())
}

/// Gives a process, which has nothing else open, its descriptors, its root and its working directory.
pub(super) fn install(restored: &Restored<'_>, plan: &Plan, kept: &Kept) -> Result<(), CallError> {
    let remote = restored.first();
    for open in &restored.process.descriptors {
        let flags = match open.close_on_exec {
            true => libc::O_CLOEXEC as u64,
            false => 0,
        };
        let number = open.number as u64;
        let from = match &kept.files[open.file] {
            Some(file) => file.as_raw_fd() as u64,
            None => {
                let file = &plan.files[open.file];
                let of = plan.resources.file(file.resource);
                let of = of.ok_or_else(|| unknown("a resource that is no file"))?;
                open_in(restored, kept.numbers.start, file, of)?
            }
        };
        remote.call("dup3", libc::SYS_dup3, &[from, number, flags])?;
    }
    match restored.process.threads.first() {
        Some(thread) => enter(remote, &restored.memory, kept, &thread.folders),
        None => Ok(()),
    }
}

/// Has a thread be where it was.
pub(super) fn enter(
    remote: &Remote,
    memory: &File,
    kept: &Kept,
    folders: &Folders,
) -> Result<(), CallError> {
    let change = |id: ResourceId| -> Result<(), CallError> {
        let Some(folder) = kept.folders.get(&id) else {
            return Err(CallError::new("fchdir", Errno::EBADF));
        };
        let arguments = [folder.as_raw_fd() as u64];
        remote.call("fchdir", libc::SYS_fchdir, &arguments)?;
        Ok(())
    };
    if !kept.roots.contains(&folders.root) {
        change(folders.root)?;
        let here = remote.put(memory, b".\0")?;
        remote.call("chroot", libc::SYS_chroot, &[here])?;
    }
    change(folders.working)?;
    remote.call("umask", libc::SYS_umask, &[folders.umask.into()])?;
    Ok(())
}

/// Takes from a process what kconv had open, now that it has its own, and sets its locks.
pub(super) fn settle(restored: &Restored<'_>, kept: &Kept) -> Result<(), CallError> {
    kept.numbers.close_within(restored.first())?;
    for lock in &restored.process.locks {
        set_lock(restored, lock)?;
    }
    Ok(())
}

/// Opens a file of `/proc/PID` in the process, now that there is one, under a number from `start` on:
/// what is left of those is closed.
fn open_in(
    restored: &Restored<'_>,
    start: u64,
    file: &OpenFile,
    of: &linux6::File,
) -> Result<u64, CallError> {
    let remote = restored.first();
    let mut path = of.path.as_bytes().to_vec();
    path.push(0);
    let at = remote.put(&restored.memory, &path)?;
    let flags = open::again(file) as u64;
    let here = libc::AT_FDCWD as u64;
    let opened = remote.call("openat", libc::SYS_openat, &[here, at, flags, 0])? as u64;
    if file.position != 0 {
        let position = file.position as u64;
        remote.call("lseek", libc::SYS_lseek, &[opened, position, 0])?;
    }
    let arguments = [opened, libc::F_DUPFD as u64, start];
    let high = remote.call("fcntl(F_DUPFD)", libc::SYS_fcntl, &arguments)?;
    remote.call("close", libc::SYS_close, &[opened])?;
    Ok(high as u64)
}

/// Sets a lock, in the process that owns it or has the open file that does.
fn set_lock(restored: &Restored<'_>, lock: &Lock) -> Result<(), CallError> {
    let remote = restored.first();
    let mut descriptors = restored.process.descriptors.iter();
    let Some(open) = descriptors.find(|open| open.file == lock.file) else {
        return Ok(());
    };
    let number = open.number as u64;
    let command = match lock.style {
        LockStyle::Flock => {
            let kind = if lock.exclusive {
                libc::LOCK_EX
            } else {
                libc::LOCK_SH
            };
            let arguments = [number, (kind | libc::LOCK_NB) as u64];
            remote.call("flock", libc::SYS_flock, &arguments)?;
            return Ok(());
        }
        LockStyle::Process => libc::F_SETLK,
        LockStyle::OpenFile => libc::F_OFD_SETLK,
    };
    // struct flock: type and whence, 16 bits each, then in words of 64 start, length, and a pid.
    let kind = if lock.exclusive {
        libc::F_WRLCK
    } else {
        libc::F_RDLCK
    };
    let words = [
        kind as u64 & 0xffff,
        lock.start as u64,
        lock.length as u64,
        0,
    ];
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let at = remote.put(&restored.memory, &bytes)?;
    remote.call(
        "fcntl(F_SETLK)",
        libc::SYS_fcntl,
        &[number, command as u64, at],
    )?;
    Ok(())
}

/// Tells who gets the signals of open files, now that everybody is there, and what the device was told of them.
pub(super) fn own(restored: &Restored<'_>, plan: &Plan) -> Result<(), CallError> {
    // linux/fcntl.h
    const F_SETSIG: u64 = 10;
    const F_SET_FILE_RW_HINT: u64 = 1038;
    let remote = restored.first();
    let mut seen = Vec::new();
    for open in &restored.process.descriptors {
        let file = &plan.files[open.file];
        if seen.contains(&open.file) {
            continue;
        }
        seen.push(open.file);
        let fcntl = |command: u64, argument: u64| {
            let arguments = [open.number as u64, command, argument];
            remote.call("fcntl", libc::SYS_fcntl, &arguments)
        };
        if let Some(owner) = &file.owner {
            set_owner(restored, open.number, owner)?;
            fcntl(F_SETSIG, owner.signal as u64)?;
        }
        if file.flags as i32 & libc::O_ASYNC != 0 {
            fcntl(libc::F_SETFL as u64, (file.flags as i32 & SETTABLE) as u64)?;
        }
        if file.write_hint != 0 {
            let at = remote.put(&restored.memory, &file.write_hint.to_le_bytes())?;
            fcntl(F_SET_FILE_RW_HINT, at)?;
        }
    }
    Ok(())
}

/// Tells who gets the signals of an open file, in the name of the users who had told: whom a signal may
/// be sent to depends on them (fs/fcntl.c: sigio_perm).
fn set_owner(restored: &Restored<'_>, number: i32, owner: &FileOwner) -> Result<(), CallError> {
    const F_SETOWN_EX: u64 = 15;
    let remote = restored.first();
    let is_root = owner.users == [0; 2];
    if !is_root {
        credentials::act_as(remote, owner.users)?;
    }
    let set = |kind: u32, pid: i32| {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(pid.to_le_bytes());
        let at = remote.put(&restored.memory, &bytes)?;
        remote.call("fcntl", libc::SYS_fcntl, &[number as u64, F_SETOWN_EX, at])
    };
    // PIDTYPE_PID, _TGID, _PGID are F_OWNER_TID, _PID, _PGRP.
    let found = match owner.pid {
        0 => Err(CallError::new("fcntl", Errno::ESRCH)),
        pid => set(owner.kind, pid),
    };
    match found {
        // Nobody, or somebody who is not there any more: the users are noted with an owner alone.
        Err(CallError::Refused {
            error: Errno::ESRCH,
            ..
        }) if !is_root => {
            const F_OWNER_PID: u32 = 1;
            set(F_OWNER_PID, restored.process.pid)?;
            set(F_OWNER_PID, 0)?;
        }
        Err(CallError::Refused {
            error: Errno::ESRCH,
            ..
        }) => {}
        other => drop(other?),
    }
    if !is_root {
        credentials::act_as(remote, [0; 2])?;
    }
    Ok(())
}
