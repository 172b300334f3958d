//! Sockets that have no name.

use crate::attributes::{Part, Reader, Together, Writer};
use crate::error::ResourceError;
#[cfg(test)]
use crate::sample::Seed;
use crate::values::Bytes;

words! {
    /// How bytes are carried (socket(2)).
    pub enum SocketType {
        /// As a stream (SOCK_STREAM).
        Stream = "stream",
        /// In packets, which need no connection (SOCK_DGRAM).
        Datagram = "datagram",
        /// In packets, over a connection (SOCK_SEQPACKET).
        Packets = "seqpacket",
    }
}

attributes! {
    /// One of two sockets that are connected with each other and have no name (socketpair(2), `net/unix/af_unix.c`).
    pub struct PairedSocket {
        /// Its number.
        inode: u64 = "inode",
        /// The number of the other one. `None` if that is closed.
        peer: Option<u64> = "peer",
        /// How bytes are carried.
        socket_type: SocketType = "type",
        /// Its owner.
        uid: u32 = "uid",
        /// Its group.
        gid: u32 = "gid",
        /// Bits of access, without type.
        mode: u32 = "mode",
        /// Which ways are shut (`include/net/sock.h`: RCV_SHUTDOWN is 1, SEND_SHUTDOWN is 2).
        shut: u32 = "shut",
        /// How much may wait that it has sent, in bytes, as SO_SNDBUF tells it.
        send_buffer: u64 = "send-buffer",
        /// How much may wait to be received, in bytes, as SO_RCVBUF tells it.
        receive_buffer: u64 = "receive-buffer",
        /// The process that SO_PEERCRED tells: the one that made both. 0 if there is none.
        made_by: i32 = "made-by",
        /// Its user then.
        made_by_uid: u32 = "made-by-uid",
        /// Its group then.
        made_by_gid: u32 = "made-by-gid",
        /// What waits to be received.
        queue: Queue = ..,
    }
}

/// What waits to be received from a socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// All bytes.
    pub content: Vec<u8>,
    /// The lengths of the packets that they came in, in bytes; none of a stream.
    pub packets: Vec<u64>,
}

impl Together for Queue {
    const NAMES: &'static [&'static str] = &["queued", "content", "packets"];
}

impl Part for Queue {
    fn read(from: &Reader<'_>) -> Result<Queue, ResourceError> {
        let queued: u64 = from.required("queued")?;
        let content = match queued {
            0 => Bytes::default(),
            _ => from.required("content")?,
        };
        if content.0.len() as u64 != queued {
            let found = format!("{} bytes", content.0.len());
            let expected = format!("as many as `queued`, {queued}");
            return Err(from.wrong("content", found, expected));
        }
        let packets: Vec<u64> = from.optional("packets")?.unwrap_or_default();
        let mut lengths = packets.iter();
        let packed = lengths.try_fold(0u64, |sum, length| sum.checked_add(*length));
        if !packets.is_empty() && packed != Some(queued) {
            let found = packed.map_or("packets of too much".to_owned(), |packed| {
                format!("packets of {packed} bytes")
            });
            let expected = format!("packets of all {queued}, or none");
            return Err(from.wrong("packets", found, expected));
        }
        Ok(Queue {
            content: content.0,
            packets,
        })
    }

    fn write(&self, to: &mut Writer) {
        to.put("queued", &(self.content.len() as u64));
        if !self.content.is_empty() {
            to.put("content", &Bytes(self.content.clone()));
        }
        if !self.packets.is_empty() {
            to.put("packets", &self.packets);
        }
    }

    #[cfg(test)]
    fn optional(names: &mut Vec<&'static str>) {
        names.push("packets");
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Queue {
        let content = source.list(|source| source.number() as u8);
        let packets = match source.flip() {
            true => content.iter().map(|_| 1).collect(),
            false => Vec::new(),
        };
        Queue { content, packets }
    }
}
