//! Pairs of sockets without names (socketpair(2)), with what waits to be received. They are read as the kernel's own
//! types have them.

use super::descriptors::Descriptor;
use super::events::references;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::{Memory, View};
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kconv_resources::linux6::{PairedSocket, Queue, Resource, SocketType};
use std::collections::{BTreeMap, BTreeSet};

/// The types that are read of it as the kernel itself tells them, besides what they contain.
pub(super) const TYPES: [&str; 7] = [
    "socket",
    "unix_sock",
    "sk_buff",
    "skb_shared_info",
    "unix_skb_parms",
    "bio_vec",
    "sock_flags",
];

/// The most packets that wait for one socket, and the most bytes: what one may send at a time is bounded by memory alone.
const MAX_PACKETS: usize = 1 << 16;
const MAX_BYTES: u64 = 1 << 26;

/// The most pieces of a packet (`include/linux/skbuff.h`: MAX_SKB_FRAGS).
const MAX_PIECES: u64 = 64;

/// `include/net/tcp_states.h`: TCP_ESTABLISHED.
const ESTABLISHED: u64 = 1;

/// Values of a `sock` that no option has changed (`net/core/sock.c`: sock_init_data), those that not all kernels have
/// among them.
const USUAL: [(&str, i64, &str); 21] = [
    ("sk_peek_off", -1, "SO_PEEK_OFF"),
    ("sk_rcvlowat", 1, "SO_RCVLOWAT"),
    ("sk_rcvtimeo", i64::MAX, "SO_RCVTIMEO"),
    ("sk_sndtimeo", i64::MAX, "SO_SNDTIMEO"),
    ("sk_priority", 0, "SO_PRIORITY"),
    ("sk_mark", 0, "SO_MARK"),
    ("sk_tsflags", 0, "SO_TIMESTAMPING"),
    ("sk_reserved_mem", 0, "SO_RESERVE_MEM"),
    ("sk_err", 0, "an error that nobody was told"),
    ("sk_ll_usec", 0, "SO_BUSY_POLL"),
    ("sk_prefer_busy_poll", 0, "SO_PREFER_BUSY_POLL"),
    ("sk_max_pacing_rate", -1, "SO_MAX_PACING_RATE"),
    ("sk_no_check_tx", 0, "SO_NO_CHECK"),
    ("__sk_common.skc_reuse", 0, "SO_REUSEADDR"),
    ("__sk_common.skc_reuseport", 0, "SO_REUSEPORT"),
    ("__sk_common.skc_bound_dev_if", 0, "SO_BINDTODEVICE"),
    ("__sk_common.skc_incoming_cpu", -1, "SO_INCOMING_CPU"),
    ("sk_scm_credentials", 0, "SO_PASSCRED"),
    ("sk_scm_security", 0, "SO_PASSSEC"),
    ("sk_scm_pidfd", 0, "SO_PASSPIDFD"),
    ("sk_scm_rights", 1, "SO_PASSRIGHTS"),
];

/// Bits of `socket.flags` (`include/linux/net.h`): SOCK_PASSCRED, SOCK_PASSSEC, SOCK_PASSPIDFD. Where `sk_scm_credentials`
/// is, it has their place.
const PASSES: u64 = 1 << 3 | 1 << 4 | 1 << 7;

impl Linux6<'_> {
    /// The socket that an inode is of, if it is one of a pair; `what` is it in words. `None` of others, and where the
    /// kernel does not tell of its types.
    pub(super) fn paired(
        &self,
        inode: &View<'_>,
        what: &str,
    ) -> Result<Option<PairedSocket>, Flaw> {
        let Some(own) = self.own().filter(|own| own.source.is_running()) else {
            return Ok(None);
        };
        let to_inode = self.inode_in_socket()?;
        let socket = own.read("socket", KernelAddr(inode.at().0.wrapping_sub(to_inode)))?;
        let sock = own.read("unix_sock", socket.address("sk")?)?;
        let Some(peer) = sock.pointer("peer")? else {
            return Ok(None);
        };
        let peer = own.read("unix_sock", peer)?;
        let other = peer.pointer("sk.sk_socket")?;
        let is_pair = peer.pointer("peer")? == Some(sock.at()) || other.is_none();
        if has_name(&sock)? || has_name(&peer)? || !is_pair {
            return Ok(None);
        }
        let socket_type = match sock.unsigned("sk.sk_type")? {
            1 => SocketType::Stream,
            2 => SocketType::Datagram,
            5 => SocketType::Packets,
            _ => return Ok(None),
        };
        let is_connected = sock.unsigned("sk.__sk_common.skc_state")? == ESTABLISHED;
        if socket_type != SocketType::Datagram && !is_connected {
            return Ok(None);
        }
        let with = |how: &str| not_carried(Code::FdSocketUnix, format!("{what} with {how}"));
        if let Some(option) = unusual(own, &sock, &socket)? {
            return Err(with(option));
        }
        let other = match other {
            Some(other) => {
                let inode = KernelAddr(other.0.wrapping_add(to_inode));
                Some(self.walked.memory.read("inode", inode)?.unsigned("i_ino")?)
            }
            None => None,
        };
        let [made_by_uid, made_by_gid] = match sock.pointer("sk.sk_peer_cred")? {
            Some(cred) => {
                let cred = self.walked.memory.read("cred", cred)?;
                [
                    cred.unsigned("euid.val")? as u32,
                    cred.unsigned("egid.val")? as u32,
                ]
            }
            None => [u32::MAX; 2],
        };
        Ok(Some(PairedSocket {
            inode: inode.unsigned("i_ino")?,
            peer: other,
            socket_type,
            uid: inode.unsigned("i_uid.val")? as u32,
            gid: inode.unsigned("i_gid.val")? as u32,
            mode: inode.unsigned("i_mode")? as u32 & 0o7777,
            shut: sock.unsigned("sk.sk_shutdown")? as u32,
            send_buffer: sock.unsigned("sk.sk_sndbuf")?,
            receive_buffer: sock.unsigned("sk.sk_rcvbuf")?,
            made_by: self.pid_number(sock.pointer("sk.sk_peer_pid")?)? as i32,
            made_by_uid,
            made_by_gid,
            queue: self.queue(own, &sock, socket_type, &with)?,
        }))
    }

    /// What waits to be received (`net/unix/af_unix.c`: unix_stream_read_generic, __unix_dgram_recvmsg).
    fn queue(
        &self,
        own: Memory<'_>,
        sock: &View<'_>,
        socket_type: SocketType,
        with: &dyn Fn(&str) -> Flaw,
    ) -> Result<Queue, Flaw> {
        let end = sock.address_of("sk.sk_receive_queue")?;
        let mut next = sock.address("sk.sk_receive_queue.next")?;
        let mut queue = Queue::default();
        for _ in 0..MAX_PACKETS {
            if next == end {
                return Ok(queue);
            }
            let packet = own.read("sk_buff", next)?;
            let about = own.read("unix_skb_parms", packet.address_of("cb")?)?;
            if about.pointer("fp")?.is_some() {
                return Err(with("descriptors that wait to be received (SCM_RIGHTS)"));
            }
            if about.pointer("pid")?.is_some() {
                return Err(with("who has sent what waits (SCM_CREDENTIALS)"));
            }
            let length = packet.unsigned("len")?;
            if length.saturating_add(queue.content.len() as u64) > MAX_BYTES {
                return Err(with("more that waits to be received than 64 MiB"));
            }
            let bytes = self.bytes_of(own, &packet)?;
            match socket_type {
                SocketType::Stream => {
                    let received = about.unsigned("consumed")? as usize;
                    queue
                        .content
                        .extend(bytes.get(received..).unwrap_or_default());
                }
                SocketType::Datagram | SocketType::Packets => {
                    queue.packets.push(bytes.len() as u64);
                    queue.content.extend(bytes);
                }
            }
            next = packet.address("next")?;
        }
        Err(with("more packets than can be read"))
    }

    /// The bytes of a packet (`net/core/skbuff.c`: skb_copy_bits).
    fn bytes_of(&self, own: Memory<'_>, packet: &View<'_>) -> Result<Vec<u8>, Flaw> {
        let (length, in_pieces) = (packet.unsigned("len")?, packet.unsigned("data_len")?);
        let count = |member: &str, count: u64, unit, limit| Flaw::Count {
            member: member.to_owned(),
            count: count as i64,
            unit,
            limit,
        };
        let first = length
            .checked_sub(in_pieces)
            .ok_or_else(|| count("data_len", in_pieces, "bytes", length))?;
        let mut bytes = own.bytes(packet.address("data")?, first)?;
        if in_pieces > 0 {
            // An offset from the head (NET_SKBUFF_DATA_USES_OFFSET).
            let end = packet
                .address("head")?
                .0
                .wrapping_add(packet.unsigned("end")?);
            let shared = own.read("skb_shared_info", KernelAddr(end))?;
            let pieces = shared.unsigned("nr_frags")?;
            if pieces > MAX_PIECES {
                return Err(count("nr_frags", pieces, "pieces", MAX_PIECES));
            }
            // A structure of its own since 6.9.
            let ty = match own.names.find("skb_frag") {
                Ok(_) => "skb_frag",
                Err(_) => "bio_vec",
            };
            let size = own.names.find(ty)?;
            let size = own.layout().size_of(size).map_or(0, |size| size.0);
            let start = shared.address_of("frags")?;
            for number in 0..pieces {
                let at = KernelAddr(start.0.wrapping_add(number * size));
                let piece = own.read(ty, at)?;
                let page = match piece.has("netmem") {
                    true => KernelAddr(piece.unsigned("netmem")?),
                    false => piece.address("bv_page")?,
                };
                let length = piece.unsigned("len|bv_len")?;
                if length > MAX_BYTES {
                    return Err(count("len", length, "bytes", MAX_BYTES));
                }
                // Pages that belong together lie behind each other.
                let at = self.page(page)?.0;
                let at = at.wrapping_add(piece.unsigned("offset|bv_offset")?);
                bytes.extend(own.bytes(KernelAddr(at), length)?);
            }
        }
        if bytes.len() as u64 != length {
            return Err(count("len", length, "bytes", bytes.len() as u64));
        }
        Ok(bytes)
    }

    /// Sockets of which the other one is not with the tasks, or that others have as well.
    pub(super) fn parted_sockets(
        &self,
        descriptors: &[Descriptor],
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let mut own: BTreeMap<usize, (&Descriptor, u64)> = BTreeMap::new();
        for open in descriptors {
            own.entry(open.file).or_insert((open, 0)).1 += 1;
        }
        let mut sockets = Vec::new();
        for (file, (open, count)) in own {
            let view = self.walked.view(file)?;
            if let Some(Resource::PairedSocket(socket)) = self.named(&view)? {
                sockets.push((socket, open, references(&view)? > count));
            }
        }
        let known: BTreeSet<u64> = sockets.iter().map(|(socket, ..)| socket.inode).collect();
        for (socket, open, have_others) in sockets {
            let how = match socket.peer {
                _ if have_others => "which others have open as well".to_owned(),
                Some(peer) if !known.contains(&peer) => {
                    format!("whose other one (inode {peer}) is not with the tasks")
                }
                _ => continue,
            };
            let (number, inode) = (open.number, socket.inode);
            let what =
                format!("descriptor {number}, one of a pair of sockets (inode {inode}), {how},");
            refuse(open.task, "files", not_carried(Code::FdSocketUnix, what));
        }
        Ok(())
    }
}

/// Whether a socket was bound to a name.
fn has_name(sock: &View<'_>) -> Result<bool, Fault> {
    Ok(sock.pointer("addr")?.is_some() || sock.pointer("path.dentry")?.is_some())
}

/// The first thing that a socket has and would not have again, in words.
fn unusual(
    own: Memory<'_>,
    sock: &View<'_>,
    socket: &View<'_>,
) -> Result<Option<&'static str>, Fault> {
    for (field, usual, option) in USUAL {
        let path = format!("sk.{field}");
        if sock.has(&path) && sock.signed(&path)? != usual {
            return Ok(Some(option));
        }
    }
    if !sock.has("sk.sk_scm_credentials") && socket.unsigned("flags")? & PASSES != 0 {
        return Ok(Some("SO_PASSCRED, SO_PASSSEC or SO_PASSPIDFD"));
    }
    for (field, what) in [
        ("sk.sk_filter", "SO_ATTACH_FILTER"),
        ("sk.sk_bpf_storage", "storage of BPF programs"),
        ("sk.sk_user_data", "a map of BPF programs"),
        ("sk.sk_reuseport_cb", "SO_ATTACH_REUSEPORT_EBPF"),
        ("oob_skb", "a byte out of band (MSG_OOB)"),
    ] {
        if sock.has(field) && sock.pointer(field)?.is_some() {
            return Ok(Some(what));
        }
    }
    for (field, what) in [
        ("recvmsg_inq", "SO_INQ"),
        ("scm_rights_notrunc", "SO_RIGHTS_NOTRUNC"),
    ] {
        if sock.optional(field)?.unwrap_or(0) != 0 {
            return Ok(Some(what));
        }
    }
    // What it has from the start, and what F_SETFL sets.
    let bit = |name: &str| match own.names.constant(name) {
        Some(bit @ 0..64) => 1 << bit,
        _ => 0u64,
    };
    let known = bit("SOCK_ZAPPED") | bit("SOCK_FASYNC");
    let flags = sock.unsigned("sk.__sk_common.skc_flags")?;
    Ok((flags & !known != 0).then_some("options (SO_LINGER, SO_TIMESTAMP or others)"))
}
