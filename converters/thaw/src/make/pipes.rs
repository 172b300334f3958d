//! Pipes and FIFOs, with what was in them.

use crate::call::CallError;
use crate::open::open_with;
use crate::plan::OpenFile;
use crate::sys;
use kconv_image::ResourceId;
use kconv_resources::Device;
use kconv_resources::linux6::{File as Fifo, Pipe, PipeState};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

/// The pipes that are made so far.
#[derive(Default)]
pub(super) struct Pipes {
    pipes: BTreeMap<ResourceId, Made>,
    /// By device and inode: one can be reached by several names. Open for both ends as long as there
    /// are others to be opened, which so need not wait for each other.
    named: BTreeMap<(Device, u64), Option<OwnedFd>>,
}

struct Made {
    /// For reading, and for writing.
    ends: [OwnedFd; 2],
    /// Which of them an open file of the plan is already.
    taken: [bool; 2],
}

impl Pipes {
    /// An end of a pipe: the first of each kind is the pipe's own, a further one is opened anew.
    pub(super) fn end(&mut self, file: &OpenFile, was: &Pipe) -> Result<OwnedFd, CallError> {
        let pipe = match self.pipes.entry(file.resource) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(none) => none.insert(Made {
                ends: make(was)?,
                taken: [false; 2],
            }),
        };
        let access = file.flags as i32 & libc::O_ACCMODE;
        let end = usize::from(access == libc::O_WRONLY);
        if access != libc::O_RDWR && !pipe.taken[end] {
            pipe.taken[end] = true;
            let own = pipe.ends[end].try_clone();
            return own.map_err(|error| CallError::io("dup", &error));
        }
        let path = format!("/proc/self/fd/{}", pipe.ends[end].as_raw_fd());
        open_with(&path, access | libc::O_NONBLOCK)
    }

    /// An end of a FIFO, which is filled when the first is opened.
    pub(super) fn named(
        &mut self,
        file: &OpenFile,
        fifo: &Fifo,
        state: &PipeState,
    ) -> Result<OwnedFd, CallError> {
        let path = &fifo.path;
        let key = (fifo.inode.device, fifo.inode.inode);
        let is_first = !self.named.contains_key(&key);
        // One that has had no writer yet does not tell its readers that the last has gone (fs/pipe.c:
        // fifo_open), and so nobody is to be one without need.
        let is_quiet = state.writers == 0 && state.content.is_empty();
        if is_first {
            let both = match is_quiet {
                true => None,
                false => Some(open_with(path, libc::O_RDWR | libc::O_NONBLOCK)?),
            };
            self.named
                .insert(key, both.as_ref().map(clone).transpose()?);
            if let Some(both) = &both {
                fill(both.as_fd(), state)?;
            }
        }
        let access = file.flags as i32 & libc::O_ACCMODE;
        let end = open_with(path, access | libc::O_NONBLOCK)?;
        if is_first && is_quiet {
            fill(end.as_fd(), state)?;
        }
        Ok(end)
    }
}

fn clone(file: &OwnedFd) -> Result<OwnedFd, CallError> {
    file.try_clone()
        .map_err(|error| CallError::io("dup", &error))
}

/// A pipe with what was in it, and who it belongs to.
fn make(was: &Pipe) -> Result<[OwnedFd; 2], CallError> {
    let (read, write) = std::io::pipe().map_err(|error| CallError::io("pipe", &error))?;
    let (read, write) = (OwnedFd::from(read), OwnedFd::from(write));
    fill(write.as_fd(), &was.state)?;
    std::os::unix::fs::fchown(&read, Some(was.uid), Some(was.gid))
        .map_err(|error| CallError::io("fchown", &error))?;
    let read = File::from(read);
    read.set_permissions(Permissions::from_mode(was.mode))
        .map_err(|error| CallError::io("fchmod", &error))?;
    Ok([read.into(), write])
}

/// Gives a pipe the size it had, and what was in it; `into` is left not to wait.
fn fill(into: BorrowedFd<'_>, state: &PipeState) -> Result<(), CallError> {
    let descriptor = into.as_raw_fd() as u64;
    let control = |command: i32, argument: u64| {
        sys::call(
            libc::SYS_fcntl,
            [descriptor, command as u64, argument, 0, 0],
        )
    };
    let flags = |flags: i32| {
        let set = control(libc::F_SETFL, flags as u64);
        set.map_err(|error| CallError::new("fcntl(F_SETFL)", error))
    };
    // What does not fit must not make kconv wait.
    flags(libc::O_NONBLOCK)?;
    control(libc::F_SETPIPE_SZ, state.buffers.saturating_mul(4096))
        .map_err(|error| CallError::new("fcntl(F_SETPIPE_SZ)", error))?;
    if state.content.is_empty() {
        return Ok(());
    }
    let into = into.try_clone_to_owned();
    let mut into = File::from(into.map_err(|error| CallError::io("dup", &error))?);
    let mut put = |bytes: &[u8]| {
        into.write_all(bytes)
            .map_err(|error| CallError::io("write", &error))
    };
    if state.packets.is_empty() {
        return put(&state.content);
    }
    flags(libc::O_NONBLOCK | libc::O_DIRECT)?;
    let mut rest = state.content.as_slice();
    for length in &state.packets {
        let (packet, after) = rest.split_at((*length as usize).min(rest.len()));
        put(packet)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use kconv_image::ObjectId;
    use kconv_resources::linux6::FileType;
    use std::io::{ErrorKind, Read};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn fifo(path: &Path, writers: u64, content: &[u8]) -> Fifo {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
        Fifo {
            file_type: FileType::Fifo(Some(testing::pipe_state(writers, content))),
            ..testing::file(path.to_str().unwrap())
        }
    }

    fn named(pipes: &mut Pipes, access: i32, fifo: &Fifo) -> OwnedFd {
        let FileType::Fifo(Some(state)) = &fifo.file_type else {
            unreachable!();
        };
        pipes.named(&file(access), fifo, state).unwrap()
    }

    fn file(access: i32) -> OpenFile {
        OpenFile {
            object: ObjectId(0),
            resource: ResourceId(0),
            flags: access as u32,
            position: 0,
            owner: None,
            write_hint: 0,
        }
    }

    /// What is read until the last writer has gone. A program that another test of this process starts
    /// has our descriptors until it is executed, and so is a writer for a moment.
    fn to_the_end(mut from: File) -> Vec<u8> {
        let end = Instant::now() + Duration::from_secs(30);
        let mut bytes = Vec::new();
        while let Err(error) = from.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(Instant::now() < end, "a writer is left");
            std::thread::sleep(Duration::from_millis(1));
        }
        bytes
    }

    #[test]
    fn every_end_of_a_pipe_is_whose_it_was() {
        let own = std::fs::metadata("/proc/self").unwrap();
        // Root alone can give something away.
        let away = if own.uid() == 0 { 1000 } else { 0 };
        let was = Pipe {
            inode: 77,
            mode: 0o640,
            uid: own.uid() + away,
            gid: own.gid() + away / 2,
            state: testing::pipe_state(1, b"hello"),
        };
        let mut pipes = Pipes::default();
        for access in [libc::O_RDONLY, libc::O_WRONLY, libc::O_WRONLY] {
            let end = pipes.end(&file(access), &was).unwrap();
            let found = File::from(end).metadata().unwrap();
            assert_eq!(
                (found.mode() & 0o7777, found.uid(), found.gid()),
                (was.mode, was.uid, was.gid)
            );
        }
    }

    #[test]
    fn ends_of_a_fifo_do_not_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let resource = fifo(&folder.path().join("fifo"), 1, b"hello");
        for order in [
            [libc::O_RDONLY, libc::O_WRONLY],
            [libc::O_WRONLY, libc::O_RDONLY],
        ] {
            let mut pipes = Pipes::default();
            let ends = order.map(|access| named(&mut pipes, access, &resource));
            drop(pipes);
            let [first, second] = ends.map(File::from);
            let (mut read, write) = match order[0] {
                libc::O_RDONLY => (first, second),
                _ => (second, first),
            };
            let mut bytes = [0; 16];
            assert_eq!(read.read(&mut bytes).unwrap(), 5);
            // A writer is there, and then none.
            assert!(read.read(&mut bytes).is_err());
            drop(write);
            assert_eq!(to_the_end(read), b"");
        }
    }

    #[test]
    fn a_fifo_without_a_writer_keeps_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("full", &b"left"[..]), ("empty", b"")] {
            let resource = fifo(&folder.path().join(name), 0, content);
            let mut pipes = Pipes::default();
            let read = named(&mut pipes, libc::O_RDONLY, &resource);
            drop(pipes);
            assert_eq!(to_the_end(File::from(read)), content);
        }
    }
}
