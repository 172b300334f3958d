//! Streams to the journal, connected anew.

use crate::call::CallError;
use kconv_image::Escaped;
use kconv_resources::linux6::{JOURNAL, JournalStream};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size_force, set_socket_timeout};
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, connect, shutdown,
    socket_with,
};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// How long the journal is waited for. It takes streams at once unless it hangs, and then the tasks had better stay frozen.
const PATIENCE: Duration = Duration::from_secs(20);

/// What systemd has it hold before a writer waits, in bytes (systemd, src/basic/constants.h: SNDBUF_SIZE).
const SEND_BUFFER: usize = 8 << 20;

/// Connects a stream that begins as `was` did, from where the journal listens.
pub(super) fn stream(was: &JournalStream) -> Result<OwnedFd, CallError> {
    connected(was, Path::new(JOURNAL))
}

fn connected(was: &JournalStream, at: &Path) -> Result<OwnedFd, CallError> {
    for name in [&was.identifier, &was.unit].into_iter().flatten() {
        if name.contains('\n') {
            return Err(CallError::Result {
                call: "connect",
                problem: format!(
                    "found {} for a stream to the journal, expected a name of one line",
                    Escaped(name)
                ),
            });
        }
    }
    let failed = |call| move |error: Errno| CallError::io(call, &error.into());
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(failed("socket"))?;
    let wait =
        |time| set_socket_timeout(&socket, Timeout::Send, time).map_err(failed("setsockopt"));
    wait(Some(PATIENCE))?;
    let address = SocketAddrUnix::new(at).map_err(failed("connect"))?;
    connect(&socket, &address).map_err(failed("connect"))?;
    if was.is_shut_for_reading {
        shutdown(&socket, Shutdown::Read).map_err(failed("shutdown"))?;
    }
    // Whoever is not root gets what everybody gets.
    let _ = set_socket_send_buffer_size_force(&socket, SEND_BUFFER);
    let mut socket = File::from(socket);
    let written = socket.write_all(header(was).as_bytes());
    written.map_err(|error| CallError::io("write", &error))?;
    let socket = OwnedFd::from(socket);
    set_socket_timeout(&socket, Timeout::Send, None).map_err(failed("setsockopt"))?;
    Ok(socket)
}

/// The lines that a stream begins with (systemd, src/journal/journald-stream.c: stdout_stream_line).
fn header(was: &JournalStream) -> String {
    let name = |name: &Option<String>| name.clone().unwrap_or_default();
    let flag = |flag: bool| if flag { "1" } else { "0" }.to_owned();
    let lines = [
        name(&was.identifier),
        name(&was.unit),
        was.priority.to_string(),
        flag(was.has_level_prefix),
        flag(was.to_syslog),
        flag(was.to_kmsg),
        flag(was.to_console),
    ];
    lines.map(|line| line + "\n").concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::journal_stream;
    use std::io::Read;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn a_stream_begins_as_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout");
        let listener = UnixListener::bind(&path).unwrap();
        let stream = connected(&journal_stream(), &path).unwrap();
        let (mut journal, _) = listener.accept().unwrap();
        let mut stream = UnixStream::from(stream);
        assert_eq!(stream.write_timeout().unwrap(), None);
        stream.write_all(b"said").unwrap();
        // Nothing can be read from it.
        journal.write_all(b"x").unwrap_err();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        drop(stream);
        let mut said = String::new();
        journal.read_to_string(&mut said).unwrap();
        assert_eq!(said, "job\njob.service\n30\n1\n0\n0\n1\nsaid");
        let bare = JournalStream {
            identifier: None,
            unit: None,
            ..journal_stream()
        };
        assert_eq!(header(&bare), "\n\n30\n1\n0\n0\n1\n");
    }

    #[test]
    fn a_journal_that_does_not_listen_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = connected(&journal_stream(), &folder.path().join("stdout")).unwrap_err();
        assert!(error.to_string().starts_with("connect: "), "{error}");
        // Lines of its own would say of what unit it is.
        let two = JournalStream {
            identifier: Some("job\nother.service".to_owned()),
            ..journal_stream()
        };
        let error = connected(&two, &folder.path().join("stdout")).unwrap_err();
        let found = error.to_string();
        assert!(found.contains("job\\nother.service"), "{found}");
    }
}
