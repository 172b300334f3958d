//! What sockets of AF_UNIX are connected with, by the kernel's own answer (sock_diag(7)), and what the journal of
//! systemd has noted of its streams.

use crate::source::Peer;
use kconv_resources::linux6::JournalStream;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Where the journal notes each stream that it has, so that they outlive it (systemd,
/// src/journal/journald-stream.c: stdout_stream_save).
const STREAMS: &str = "/run/systemd/journal/streams";

/// Of a message of netlink (netlink(7)), and of one about a socket (`include/uapi/linux/unix_diag.h`: struct
/// unix_diag_msg), in bytes.
const HEADER: usize = 16;
const ABOUT_SOCKET: usize = 16;

/// Types of messages (`include/uapi/linux/sock_diag.h`, `include/uapi/linux/netlink.h`).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;

/// Attributes, and what asks for them (`include/uapi/linux/unix_diag.h`).
const NAME: u16 = 0;
const PEER: u16 = 2;
const QUEUES: u16 = 4;
const SHUTDOWN: u16 = 6;
const SHOW: u32 = 1 | 4 | 0x10;

/// What a socket is connected with.
pub(super) fn peer_of(inode: u64) -> io::Result<Peer> {
    let own = about(inode)?;
    let mut peer = Peer {
        // One that is closed has no number any more (net/unix/diag.c: sk_diag_dump_peer).
        inode: own.word(PEER).filter(|inode| *inode != 0).map(u64::from),
        path: None,
        is_stream: own.kind == 1,
        unread: own.word(QUEUES).unwrap_or(0),
        shut: own
            .attributes
            .get(&SHUTDOWN)
            .map_or(0, |bits| bits.first().copied().unwrap_or(0)),
    };
    if let Some(other) = peer.inode {
        let other = about(other)?;
        // A name that begins with a zero is in no file system (unix(7)).
        let name = other
            .attributes
            .get(&NAME)
            .map(|name| name.split(|byte| *byte == 0));
        let name = name
            .and_then(|mut parts| parts.next())
            .filter(|name| !name.is_empty());
        peer.path = name.map(|name| String::from_utf8_lossy(name).into_owned());
    }
    Ok(peer)
}

/// What the kernel says of a socket.
#[derive(Debug, PartialEq, Eq)]
struct About {
    /// SOCK_STREAM and so on.
    kind: u8,
    attributes: BTreeMap<u16, Vec<u8>>,
}

impl About {
    /// The first word of an attribute.
    fn word(&self, attribute: u16) -> Option<u32> {
        self.attributes
            .get(&attribute)
            .and_then(|bytes| word(bytes, 0))
    }
}

fn about(inode: u64) -> io::Result<About> {
    let inode = u32::try_from(inode).map_err(|_| invalid("the number of a socket has 32 bits"))?;
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    send(&socket, &request(inode), SendFlags::empty())?;
    let mut answer = [0; 1 << 12];
    let (size, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    parse(answer.get(..size).unwrap_or(&answer))
}

/// Asks for one socket (`include/uapi/linux/unix_diag.h`: struct unix_diag_req), whatever its state and its cookie.
fn request(inode: u32) -> Vec<u8> {
    const NLM_F_REQUEST: u16 = 1;
    const AF_UNIX: u8 = 1;
    const LENGTH: u32 = 40;
    let mut bytes = LENGTH.to_ne_bytes().to_vec();
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([AF_UNIX, 0, 0, 0]);
    for number in [u32::MAX, inode, SHOW, u32::MAX, u32::MAX] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

fn parse(answer: &[u8]) -> io::Result<About> {
    let short = || invalid("the kernel's answer about a socket is too short");
    let kind = half(answer, 4).ok_or_else(short)?;
    if kind == NLMSG_ERROR {
        let error = word(answer, HEADER).ok_or_else(short)? as i32;
        return Err(io::Error::from_raw_os_error(error.wrapping_neg()));
    }
    let length = word(answer, 0).ok_or_else(short)? as usize;
    let message = answer.get(HEADER..length).ok_or_else(short)?;
    let kind = *message.get(1).ok_or_else(short)?;
    let mut rest = message.get(ABOUT_SOCKET..).ok_or_else(short)?;
    let mut attributes = BTreeMap::new();
    // struct nlattr: length with these four bytes, and type; the next begins at a multiple of four.
    while let (Some(length), Some(ty)) = (half(rest, 0), half(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length).ok_or_else(short)?;
        attributes.insert(ty, value.to_vec());
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(About { kind, attributes })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The stream of the journal whose own socket has the number `peer`.
pub(super) fn journal_stream(inode: u64, peer: &Peer) -> io::Result<JournalStream> {
    let number = peer.inode.ok_or_else(|| invalid("its journal is gone"))?;
    noted(Path::new(STREAMS), inode, number, peer.shut)
}

/// What is noted in a file that is called by the device and the number of the journal's socket.
fn noted(folder: &Path, inode: u64, peer: u64, shut: u8) -> io::Result<JournalStream> {
    let ending = format!(":{peer}");
    let mut entries = fs::read_dir(folder)?.flatten();
    let is_it = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(&ending);
    let file = entries.find(is_it).ok_or_else(|| {
        let what = format!(
            "the journal has no note of it ({}, *{ending})",
            folder.display()
        );
        io::Error::new(io::ErrorKind::NotFound, what)
    })?;
    let text = fs::read_to_string(file.path())?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let values: BTreeMap<&str, &str> = lines.collect();
    let wrong = |key: &str| {
        let what = format!(
            "{}: {key} is missing, or is none that kconv knows",
            file.path().display()
        );
        invalid(&what)
    };
    let flag = |key: &'static str| match values.get(key) {
        Some(&"0") => Ok(false),
        Some(&"1") => Ok(true),
        _ => Err(wrong(key)),
    };
    let name = |key: &'static str| match values.get(key) {
        // What is escaped there (src/basic/escape.c: cescape) is in the name of no unit that starts.
        Some(name) if name.contains('\\') => Err(wrong(key)),
        name => Ok(name.map(|name| (*name).to_owned())),
    };
    let priority = values.get("PRIORITY").and_then(|text| text.parse().ok());
    Ok(JournalStream {
        inode,
        is_shut_for_reading: shut & 1 != 0,
        identifier: name("IDENTIFIER")?,
        unit: name("UNIT")?,
        priority: priority.ok_or_else(|| wrong("PRIORITY"))?,
        has_level_prefix: flag("LEVEL_PREFIX")?,
        to_syslog: flag("FORWARD_TO_SYSLOG")?,
        to_kmsg: flag("FORWARD_TO_KMSG")?,
        to_console: flag("FORWARD_TO_CONSOLE")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOTE: &str = "# This is private data. Do not parse.\nPRIORITY=30\nLEVEL_PREFIX=1\nFORWARD_TO_SYSLOG=0\n\
                        FORWARD_TO_KMSG=0\nFORWARD_TO_CONSOLE=1\nSTREAM_ID=5f\nIDENTIFIER=job\nUNIT=job.service\n";

    fn note(text: &str) -> io::Result<JournalStream> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("8:77"), text)?;
        noted(folder.path(), 7, 77, 1)
    }

    #[test]
    fn a_stream_is_what_the_journal_has_noted() {
        let expected = JournalStream {
            inode: 7,
            is_shut_for_reading: true,
            identifier: Some("job".to_owned()),
            unit: Some("job.service".to_owned()),
            priority: 30,
            has_level_prefix: true,
            to_syslog: false,
            to_kmsg: false,
            to_console: true,
        };
        assert_eq!(note(NOTE).unwrap(), expected);
        let bare = NOTE.replace("IDENTIFIER=job\nUNIT=job.service\n", "");
        let bare = note(&bare).unwrap();
        assert_eq!((bare.identifier, bare.unit), (None, None));
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        for (from, to, told) in [
            ("PRIORITY=30", "PRIORITY=x", "PRIORITY"),
            ("LEVEL_PREFIX=1\n", "", "LEVEL_PREFIX"),
            (
                "FORWARD_TO_KMSG=0",
                "FORWARD_TO_KMSG=maybe",
                "FORWARD_TO_KMSG",
            ),
            ("UNIT=job", "UNIT=job\\x20", "UNIT"),
        ] {
            let error = note(&NOTE.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("8:177"), NOTE).unwrap();
        let error = noted(folder.path(), 7, 77, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_answer_is_an_error_or_what_is_said_of_a_socket() {
        let message = |ty: u16, payload: &[u8]| {
            let mut bytes = (HEADER as u32 + payload.len() as u32)
                .to_ne_bytes()
                .to_vec();
            bytes.extend(ty.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend(payload);
            bytes
        };
        let error = parse(&message(NLMSG_ERROR, &(-2i32).to_ne_bytes())).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(2));
        let mut payload = vec![1, 1, 1, 0];
        payload.extend([0; 12]);
        for (ty, value) in [
            (PEER, &77u32.to_ne_bytes()[..]),
            (SHUTDOWN, &[1]),
            (NAME, b"/run/x\0"),
        ] {
            payload.extend((4 + value.len() as u16).to_ne_bytes());
            payload.extend(ty.to_ne_bytes());
            payload.extend(value);
            payload.resize(payload.len().next_multiple_of(4), 0);
        }
        let answer = message(SOCK_DIAG_BY_FAMILY, &payload);
        let about = parse(&answer).unwrap();
        assert_eq!((about.kind, about.word(PEER)), (1, Some(77)));
        assert_eq!(about.attributes[&SHUTDOWN], [1]);
        assert_eq!(about.attributes[&NAME], b"/run/x\0");
        for end in 0..answer.len() {
            parse(&answer[..end]).unwrap_err();
        }
    }

    #[test]
    fn the_kernel_tells_who_is_at_the_other_end() {
        use std::io::Write;
        use std::os::fd::AsRawFd;
        use std::os::unix::net::{UnixListener, UnixStream};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"abc").unwrap();
        client.shutdown(std::net::Shutdown::Read).unwrap();
        let number = |fd: i32| {
            let link = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap();
            let text = link.to_str().unwrap().to_owned();
            text["socket:[".len()..text.len() - 1]
                .parse::<u64>()
                .unwrap()
        };
        // A machine need not have the module that answers.
        let Ok(peer) = peer_of(number(client.as_raw_fd())) else {
            return;
        };
        let expected = Peer {
            inode: Some(number(server.as_raw_fd())),
            path: Some(path.to_str().unwrap().to_owned()),
            is_stream: true,
            unread: 3,
            shut: 1,
        };
        assert_eq!(peer, expected);
        drop(server);
        assert_eq!(peer_of(number(client.as_raw_fd())).unwrap().inode, None);
        assert_eq!(
            peer_of(u64::MAX).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
