//! Sockets: what they are, in words, and those that are connected with the journal.

use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::source::Peer;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr};
use kconv_resources::linux6::{JOURNAL, JournalStream, Resource};
use std::io;

/// `include/linux/socket.h`.
const AF_UNIX: u64 = 1;

impl Linux6<'_> {
    /// The socket that an inode is of, if it is one of those that are carried.
    pub(super) fn socket_file(&self, inode: &View<'_>) -> Result<Resource, Flaw> {
        let peer = self.peer_of(inode)?;
        if let Some(stream) = self.journal_stream(inode, peer.as_ref())? {
            return Ok(Resource::JournalStream(stream));
        }
        let (code, what) = self.socket(inode, peer)?;
        if code == Code::FdSocketUnix
            && let Some(socket) = self.paired(inode, &what)?
        {
            return Ok(Resource::PairedSocket(socket));
        }
        Err(not_carried(code, what))
    }

    /// Family and protocol of a socket.
    fn family_of(&self, inode: &View<'_>) -> Result<(u64, u64), Fault> {
        let memory = self.walked.memory;
        let socket = KernelAddr(inode.at().0.wrapping_sub(self.inode_in_socket()?));
        let sock = memory.read("socket", socket)?.address("sk")?;
        let sock = memory.read("sock", sock)?;
        let protocol = sock.unsigned("sk_protocol")?;
        Ok((sock.unsigned("__sk_common.skc_family")?, protocol))
    }

    /// How far behind a `socket` its inode is, in bytes: `struct socket_alloc` has one behind the other, aligned to a word
    /// (`include/net/sock.h`: SOCKET_I, SOCK_INODE).
    pub(super) fn inode_in_socket(&self) -> Result<u64, Fault> {
        let memory = self.walked.memory;
        let id = memory.names.find("socket")?;
        let size = memory.layout().size_of(id).map_or(0, |size| size.0);
        Ok(size.next_multiple_of(8))
    }

    /// What a socket of AF_UNIX is connected with, or why that cannot be told; `None` of others, and where nobody can
    /// be asked.
    fn peer_of(&self, inode: &View<'_>) -> Result<Option<io::Result<Peer>>, Fault> {
        if !matches!(self.family_of(inode), Ok((AF_UNIX, _))) {
            return Ok(None);
        }
        Ok(self.walked.memory.source.peer_of(inode.unsigned("i_ino")?))
    }

    /// The stream to the journal that a socket is, if it is one: connected with it, and with nothing left to be read.
    fn journal_stream(
        &self,
        inode: &View<'_>,
        peer: Option<&io::Result<Peer>>,
    ) -> Result<Option<JournalStream>, Flaw> {
        let Some(Ok(peer)) = peer else {
            return Ok(None);
        };
        // A way that is shut for writing is one that nobody gave to a service.
        let is_usual = peer.is_stream && peer.unread == 0 && peer.shut & 2 == 0;
        if !is_usual || peer.path.as_deref() != Some(JOURNAL) {
            return Ok(None);
        }
        let number = inode.unsigned("i_ino")?;
        match self.walked.memory.source.journal_stream(number, peer) {
            Some(Ok(stream)) => Ok(Some(stream)),
            Some(Err(error)) => {
                let what = format!("a stream to the journal (inode {number}; {error})");
                Err(not_carried(Code::FdSocketUnix, what))
            }
            None => Ok(None),
        }
    }

    /// What a socket is, in words (`include/linux/socket.h`: AF_*).
    fn socket(
        &self,
        inode: &View<'_>,
        peer: Option<io::Result<Peer>>,
    ) -> Result<(Code, String), Fault> {
        let number = inode.unsigned("i_ino")?;
        let Ok((family, protocol)) = self.family_of(inode) else {
            return Ok((Code::FdSocketOther, format!("a socket (inode {number})")));
        };
        let mut what = format!("a socket ({}, inode {number}", address_family(family));
        match peer {
            Some(Ok(Peer {
                path: Some(path), ..
            })) => what.push_str(&format!(", connected with {}", Escaped(&path))),
            Some(Ok(Peer {
                inode: Some(other), ..
            })) => what.push_str(&format!(", connected with inode {other}")),
            Some(Ok(_)) => what.push_str(", not connected"),
            Some(Err(error)) => what.push_str(&format!("; of its peer the kernel says: {error}")),
            None => {}
        }
        what.push(')');
        Ok((kind_of_socket(family, protocol), what))
    }
}

/// What a socket is, by its family (`include/linux/socket.h`) and protocol
/// (`include/uapi/linux/in.h`).
fn kind_of_socket(family: u64, protocol: u64) -> Code {
    match (family, protocol) {
        (AF_UNIX, _) => Code::FdSocketUnix,
        (2 | 10, 6) => Code::FdSocketTcp,
        (2 | 10, 17) => Code::FdSocketUdp,
        (2 | 10, _) => Code::FdSocketInet,
        (16, _) => Code::FdSocketNetlink,
        _ => Code::FdSocketOther,
    }
}

fn address_family(number: u64) -> String {
    let name = match number {
        AF_UNIX => "unix",
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        38 => "alg",
        40 => "vsock",
        _ => return format!("family {number}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::kind_of_socket;
    use kconv_codes::Code;

    #[test]
    fn a_socket_is_told_by_family_and_protocol() {
        for (family, protocol, code) in [
            (1, 0, Code::FdSocketUnix),
            (2, 6, Code::FdSocketTcp),
            (10, 6, Code::FdSocketTcp),
            (2, 17, Code::FdSocketUdp),
            (2, 1, Code::FdSocketInet),
            (16, 6, Code::FdSocketNetlink),
            (17, 6, Code::FdSocketOther),
        ] {
            assert_eq!(
                kind_of_socket(family, protocol),
                code,
                "{family} {protocol}"
            );
        }
    }
}
