//! Pipes and FIFOs, with what was in them.

use super::open::open_with;
use crate::attributes::number;
use crate::call::CallError;
use crate::plan::OpenFile;
use crate::sys;
use kconv_image::{Resource, ResourceId, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The pipes that are made so far.
#[derive(Default)]
pub(super) struct Pipes {
    pipes: BTreeMap<ResourceId, Pipe>,
    /// By device and inode: one can be reached by several names. Open for both ends as long as there
    /// are others to be opened, which so need not wait for each other.
    named: BTreeMap<(String, i128), Option<OwnedFd>>,
}

struct Pipe {
    /// For reading, and for writing.
    ends: [OwnedFd; 2],
    /// Which of them an open file of the plan is already.
    taken: [bool; 2],
}

impl Pipes {
    /// An end of a pipe: the first of each kind is the pipe's own, a further one is opened anew.
    pub(super) fn end(
        &mut self,
        file: &OpenFile,
        resource: &Resource,
    ) -> Result<OwnedFd, CallError> {
        let pipe = match self.pipes.entry(file.resource) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(none) => none.insert(Pipe {
                ends: make(resource)?,
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
        resource: &Resource,
    ) -> Result<OwnedFd, CallError> {
        let path = resource.text("path").unwrap_or_default();
        let device = resource.text("device").unwrap_or_default().to_owned();
        let key = (device, number(resource, "inode").unwrap_or_default());
        let is_first = !self.named.contains_key(&key);
        // One that has had no writer yet does not tell its readers that the last has gone (fs/pipe.c:
        // fifo_open), and so nobody is to be one without need.
        let is_quiet = number(resource, "writers") == Some(0) && content(resource).is_empty();
        if is_first {
            let both = match is_quiet {
                true => None,
                false => Some(open_with(path, libc::O_RDWR | libc::O_NONBLOCK)?),
            };
            self.named
                .insert(key, both.as_ref().map(clone).transpose()?);
            if let Some(both) = &both {
                fill(both.as_fd(), resource)?;
            }
        }
        let access = file.flags as i32 & libc::O_ACCMODE;
        let end = open_with(path, access | libc::O_NONBLOCK)?;
        if is_first && is_quiet {
            fill(end.as_fd(), resource)?;
        }
        Ok(end)
    }
}

fn clone(file: &OwnedFd) -> Result<OwnedFd, CallError> {
    file.try_clone()
        .map_err(|error| CallError::io("dup", &error))
}

/// What was in a pipe.
fn content(resource: &Resource) -> &[u8] {
    match resource.get("content") {
        Some(Value::Bytes(content)) => content,
        _ => &[],
    }
}

/// A pipe with what was in it.
fn make(resource: &Resource) -> Result<[OwnedFd; 2], CallError> {
    let (read, write) = std::io::pipe().map_err(|error| CallError::io("pipe", &error))?;
    let (read, write) = (OwnedFd::from(read), OwnedFd::from(write));
    fill(write.as_fd(), resource)?;
    Ok([read, write])
}

/// Gives a pipe the size it had, and what was in it; `into` is left not to wait.
fn fill(into: BorrowedFd<'_>, resource: &Resource) -> Result<(), CallError> {
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
    if let Some(buffers) = number(resource, "buffers") {
        let size = (buffers as u64).saturating_mul(4096);
        control(libc::F_SETPIPE_SZ, size)
            .map_err(|error| CallError::new("fcntl(F_SETPIPE_SZ)", error))?;
    }
    let content = content(resource);
    if content.is_empty() {
        return Ok(());
    }
    let into = into.try_clone_to_owned();
    let mut into = File::from(into.map_err(|error| CallError::io("dup", &error))?);
    let mut put = |bytes: &[u8]| {
        into.write_all(bytes)
            .map_err(|error| CallError::io("write", &error))
    };
    let Some(Value::List(packets)) = resource.get("packets") else {
        return put(content);
    };
    flags(libc::O_NONBLOCK | libc::O_DIRECT)?;
    let mut rest = content;
    for packet in packets {
        let length = match packet {
            Value::Unsigned(length) => *length as usize,
            _ => 0,
        };
        let (packet, after) = rest.split_at(length.min(rest.len()));
        put(packet)?;
        rest = after;
    }
    put(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use kconv_image::{KernelAddr, ObjectId};
    use std::io::Read;
    use std::path::Path;

    fn fifo(path: &Path, writers: u64, content: &[u8]) -> Resource {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
        let attribute = |name: &str, value: Value| (name.to_owned(), value);
        Resource {
            kind: "file".to_owned(),
            origin: KernelAddr(1),
            attributes: vec![
                attribute("path", Value::Text(path.display().to_string())),
                attribute("device", Value::Text("8:1".to_owned())),
                attribute("inode", Value::Unsigned(7)),
                attribute("writers", Value::Unsigned(writers)),
                attribute("buffers", Value::Unsigned(2)),
                attribute("content", Value::Bytes(content.to_vec())),
            ],
        }
    }

    fn file(access: i32) -> OpenFile {
        OpenFile {
            object: ObjectId(0),
            resource: ResourceId(0),
            flags: access as u32,
            position: 0,
            owner: None,
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
            let ends = order.map(|access| pipes.named(&file(access), &resource).unwrap());
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
            assert_eq!(read.read(&mut bytes).unwrap(), 0);
        }
    }

    #[test]
    fn a_fifo_without_a_writer_keeps_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("full", &b"left"[..]), ("empty", b"")] {
            let resource = fifo(&folder.path().join(name), 0, content);
            let mut pipes = Pipes::default();
            let read = pipes.named(&file(libc::O_RDONLY), &resource).unwrap();
            drop(pipes);
            let mut bytes = Vec::new();
            File::from(read).read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, content);
        }
    }
}
