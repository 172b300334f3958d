//! Pipes, with a name and without.

use crate::attributes::{Part, Reader, Together, Writer};
use crate::error::ResourceError;
#[cfg(test)]
use crate::sample::Seed;
use crate::values::Bytes;

attributes! {
    /// A pipe without a name (`fs/pipe.c`: pipefs).
    pub struct Pipe {
        /// Its number.
        inode: u64 = "inode",
        /// Bits of access, without type: who may open it anew by `/proc/PID/fd`.
        mode: u32 = "mode",
        /// Its owner.
        uid: u32 = "uid",
        /// Its group.
        gid: u32 = "gid",
        /// What is in it, and who has it open.
        state: PipeState = ..,
    }
}

/// What is in a pipe, and how many have it open (`include/linux/pipe_fs_i.h`: struct pipe_inode_info).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipeState {
    /// Open files that read from it.
    pub readers: u64,
    /// Open files that write to it.
    pub writers: u64,
    /// How many pages it can hold.
    pub buffers: u64,
    /// What is in it.
    pub content: Vec<u8>,
    /// The lengths of the packets that this was written as (pipe(2), O_DIRECT); none if it is no packets.
    pub packets: Vec<u64>,
}

impl Together for PipeState {
    const NAMES: &'static [&'static str] = &[
        "readers", "writers", "buffers", "buffered", "content", "packets",
    ];
}

impl Part for PipeState {
    fn read(from: &Reader<'_>) -> Result<PipeState, ResourceError> {
        let buffered: u64 = from.required("buffered")?;
        let content = match buffered {
            0 => Bytes::default(),
            _ => from.required("content")?,
        };
        if content.0.len() as u64 != buffered {
            let found = format!("{} bytes", content.0.len());
            return Err(from.wrong(
                "content",
                found,
                format!("as many as `buffered`, {buffered}"),
            ));
        }
        let packets: Vec<u64> = from.optional("packets")?.unwrap_or_default();
        let packed = packets
            .iter()
            .try_fold(0u64, |sum, length| sum.checked_add(*length));
        if !packets.is_empty() && packed != Some(buffered) {
            let found = packed.map_or("packets of too much".to_owned(), |packed| {
                format!("packets of {packed} bytes")
            });
            let expected = format!("packets of all {buffered}, or none");
            return Err(from.wrong("packets", found, expected));
        }
        Ok(PipeState {
            readers: from.required("readers")?,
            writers: from.required("writers")?,
            buffers: from.required("buffers")?,
            content: content.0,
            packets,
        })
    }

    fn write(&self, to: &mut Writer) {
        to.put("readers", &self.readers);
        to.put("writers", &self.writers);
        to.put("buffers", &self.buffers);
        to.put("buffered", &(self.content.len() as u64));
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
    fn sample(source: &mut Seed) -> PipeState {
        let content = source.list(|source| source.number() as u8);
        let packets = match source.flip() {
            true => content.iter().map(|_| 1).collect(),
            false => Vec::new(),
        };
        PipeState {
            readers: source.number(),
            writers: source.number(),
            buffers: source.number(),
            content,
            packets,
        }
    }
}
