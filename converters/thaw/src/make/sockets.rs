//! Pairs of sockets (socketpair(2)), with what waited to be received.

use crate::call::CallError;
use crate::sys;
use kconv_resources::linux6::{PairedSocket, Queue, Resource, Resources, SocketType};
use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force, socket_recv_buffer_size,
    socket_send_buffer_size,
};
use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketFlags, send, shutdown, socketpair};
use rustix::process::{getegid, geteuid};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

/// What a packet takes beside what is in it, in bytes, and more (`include/linux/skbuff.h`: SKB_TRUESIZE).
const PACKET: usize = 4096;

/// The sockets that are made so far.
pub(super) struct Sockets<'p> {
    known: BTreeMap<u64, &'p PairedSocket>,
    /// Those that nobody has asked for yet.
    made: BTreeMap<u64, OwnedFd>,
}

impl<'p> Sockets<'p> {
    pub(super) fn of(resources: &'p Resources) -> Sockets<'p> {
        let known = resources.iter().filter_map(|(_, resource)| match resource {
            Resource::PairedSocket(socket) => Some((socket.inode, socket)),
            _ => None,
        });
        Sockets {
            known: known.collect(),
            made: BTreeMap::new(),
        }
    }

    /// One of a pair. The first that is asked for makes both; of one that was closed the other end is closed again.
    pub(super) fn end(&mut self, was: &PairedSocket) -> Result<OwnedFd, CallError> {
        if let Some(made) = self.made.remove(&was.inode) {
            return Ok(made);
        }
        let [own, other] = pair(was)?;
        let peer = was.peer.and_then(|peer| self.known.get(&peer));
        // What waits at one was sent by the other, before that was shut.
        fill(&other, &was.queue)?;
        if let Some(peer) = peer {
            fill(&own, &peer.queue)?;
            set_up(&other, peer)?;
        }
        set_up(&own, was)?;
        if let Some(peer) = was.peer {
            self.made.insert(peer, other);
        }
        Ok(own)
    }
}

fn failed(call: &'static str) -> impl Fn(Errno) -> CallError {
    move |error| CallError::io(call, &error.into())
}

/// A pair, made by who had made it: that is whom SO_PEERCRED tells.
fn pair(was: &PairedSocket) -> Result<[OwnedFd; 2], CallError> {
    let make = || {
        let socket_type = match was.socket_type {
            SocketType::Stream => rustix::net::SocketType::STREAM,
            SocketType::Datagram => rustix::net::SocketType::DGRAM,
            SocketType::Packets => rustix::net::SocketType::SEQPACKET,
        };
        let made = socketpair(AddressFamily::UNIX, socket_type, SocketFlags::CLOEXEC, None);
        made.map_err(failed("socketpair"))
    };
    let (own, other) = as_user([was.made_by_uid, was.made_by_gid], make)??;
    Ok([own, other])
}

/// Does something as another effective user and group, which this thread alone is then.
fn as_user<T>([user, group]: [u32; 2], act: impl FnOnce() -> T) -> Result<T, CallError> {
    let own = [geteuid().as_raw(), getegid().as_raw()];
    let is_known = user != u32::MAX && group != u32::MAX;
    if !is_known || [user, group] == own {
        return Ok(act());
    }
    let set = |call: i64, name, id: u32| {
        // -1: as it is.
        let arguments = [u64::MAX, id.into(), u64::MAX, 0, 0];
        let set = sys::call(call, arguments);
        set.map(drop).map_err(|error| CallError::new(name, error))
    };
    set(libc::SYS_setresgid, "setresgid", group)?;
    let done = set(libc::SYS_setresuid, "setresuid", user).map(|()| act());
    set(libc::SYS_setresuid, "setresuid", own[0])?;
    set(libc::SYS_setresgid, "setresgid", own[1])?;
    done
}

/// Gives a socket its owner and what it has room for, and shuts the ways that were shut.
fn set_up(socket: &OwnedFd, was: &PairedSocket) -> Result<(), CallError> {
    std::os::unix::fs::fchown(socket, Some(was.uid), Some(was.gid))
        .map_err(|error| CallError::io("fchown", &error))?;
    fchmod(socket, Mode::from_raw_mode(was.mode)).map_err(failed("fchmod"))?;
    let failed_to_set = failed("setsockopt");
    let [send, receive] = [was.send_buffer, was.receive_buffer].map(|size| size as usize);
    // The kernel doubles what it is told (net/core/sock.c: sk_setsockopt).
    if socket_send_buffer_size(socket).map_err(&failed_to_set)? != send {
        set_socket_send_buffer_size_force(socket, send / 2).map_err(&failed_to_set)?;
    }
    if socket_recv_buffer_size(socket).map_err(&failed_to_set)? != receive {
        set_socket_recv_buffer_size_force(socket, receive / 2).map_err(&failed_to_set)?;
    }
    let how = match was.shut & 3 {
        0 => return Ok(()),
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        _ => Shutdown::Both,
    };
    shutdown(socket, how).map_err(failed("shutdown"))
}

/// Sends what is to wait at the other end.
fn fill(from: &OwnedFd, queue: &Queue) -> Result<(), CallError> {
    if queue.content.is_empty() && queue.packets.is_empty() {
        return Ok(());
    }
    let room = queue.content.len().saturating_mul(2);
    let room = room.saturating_add((queue.packets.len() + 64) * PACKET);
    set_socket_send_buffer_size_force(from, room).map_err(failed("setsockopt(SO_SNDBUF)"))?;
    // What does not fit must not make kconv wait.
    let put = |bytes: &[u8]| {
        let sent = send(from, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
        sent.map_err(failed("send"))
    };
    let mut rest = queue.content.as_slice();
    if queue.packets.is_empty() {
        while !rest.is_empty() {
            let sent = put(rest)?;
            rest = &rest[sent.min(rest.len())..];
        }
    }
    for length in &queue.packets {
        let (packet, after) = rest.split_at((*length as usize).min(rest.len()));
        put(packet)?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    // Root alone gives a socket more room than the machine allows, and is another user: others are asked nothing.
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing;
    use rustix::net::sockopt;
    use rustix::net::{RecvFlags, recv};
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    fn queue(packets: &[&[u8]], is_stream: bool) -> Queue {
        let lengths = packets.iter().map(|packet| packet.len() as u64);
        Queue {
            content: packets.concat(),
            packets: if is_stream {
                Vec::new()
            } else {
                lengths.collect()
            },
        }
    }

    fn received(socket: &OwnedFd) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 1 << 20];
        let (_, length) = recv(socket, &mut bytes, RecvFlags::DONTWAIT).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }

    #[test]
    fn both_have_what_waited_in_the_packets_that_it_came_in() {
        if !geteuid().is_root() {
            return;
        }
        let long = vec![7; 300_000];
        for socket_type in [
            SocketType::Stream,
            SocketType::Datagram,
            SocketType::Packets,
        ] {
            let is_stream = socket_type == SocketType::Stream;
            let first: &[&[u8]] = &[b"one", &long, b"three"];
            let second: &[&[u8]] = match is_stream {
                true => &[b"back"],
                false => &[b"", b"back", b""],
            };
            let one = testing::paired_socket(1, Some(2), socket_type, queue(first, is_stream));
            let two = testing::paired_socket(2, Some(1), socket_type, queue(second, is_stream));
            let resources: Resources = [&one, &two]
                .map(|one| Resource::PairedSocket(one.clone()))
                .into_iter()
                .collect();
            let mut sockets = Sockets::of(&resources);
            let made = [sockets.end(&one).unwrap(), sockets.end(&two).unwrap()];
            assert!(sockets.made.is_empty());
            for (socket, packets) in made.iter().zip([first, second]) {
                let kind = match socket_type {
                    SocketType::Stream => rustix::net::SocketType::STREAM,
                    SocketType::Datagram => rustix::net::SocketType::DGRAM,
                    SocketType::Packets => rustix::net::SocketType::SEQPACKET,
                };
                assert_eq!(sockopt::socket_type(socket).unwrap(), kind);
                assert_eq!(socket_send_buffer_size(socket).unwrap(), 500_000);
                assert_eq!(socket_recv_buffer_size(socket).unwrap(), 300_000);
                let waited = match is_stream {
                    true => vec![packets.concat()],
                    false => packets.iter().map(|packet| packet.to_vec()).collect(),
                };
                for packet in waited {
                    assert_eq!(received(socket), Some(packet));
                }
                assert_eq!(received(socket), None);
            }
        }
    }

    #[test]
    fn what_was_shut_or_closed_is_that_again() {
        if !geteuid().is_root() {
            return;
        }
        let stream = SocketType::Stream;
        let mut one = testing::paired_socket(1, Some(2), stream, queue(&[b"left"], true));
        let mut two = testing::paired_socket(2, Some(1), stream, Queue::default());
        (one.shut, two.shut) = (1, 2);
        let resources: Resources = [&one, &two]
            .map(|one| Resource::PairedSocket(one.clone()))
            .into_iter()
            .collect();
        let mut sockets = Sockets::of(&resources);
        let [one, two] = [sockets.end(&one).unwrap(), sockets.end(&two).unwrap()];
        assert_eq!(received(&one).as_deref(), Some(&b"left"[..]));
        // The end, and not that there is nothing yet.
        assert_eq!(received(&one).as_deref(), Some(&b""[..]));
        assert_eq!(received(&two), None);
        let sent = send(&two, b"x", SendFlags::NOSIGNAL);
        assert_eq!(sent, Err(Errno::PIPE));
        assert_eq!(send(&one, b"x", SendFlags::NOSIGNAL), Ok(1));

        let mut alone = testing::paired_socket(1, None, stream, queue(&[b"left"], true));
        alone.shut = 3;
        let none = Resources::default();
        let alone = Sockets::of(&none).end(&alone).unwrap();
        assert_eq!(received(&alone).as_deref(), Some(&b"left"[..]));
        assert_eq!(received(&alone).as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_pair_is_of_whoever_made_it() {
        if !geteuid().is_root() {
            return;
        }
        let own = [geteuid().as_raw(), getegid().as_raw()];
        let mut was = testing::paired_socket(1, None, SocketType::Stream, Queue::default());
        was.made_by_uid = own[0] + 1000;
        was.made_by_gid = own[1] + 500;
        was.uid = own[0] + 1000;
        let none = Resources::default();
        let made = Sockets::of(&none).end(&was).unwrap();
        let peer = sockopt::socket_peercred(&made).unwrap();
        assert_eq!(peer.uid.as_raw(), was.made_by_uid);
        assert_eq!(peer.gid.as_raw(), was.made_by_gid);
        assert_eq!([geteuid().as_raw(), getegid().as_raw()], own);
        assert_eq!(File::from(made).metadata().unwrap().uid(), was.uid);
    }
}
