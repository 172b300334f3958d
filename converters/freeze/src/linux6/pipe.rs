//! Pipes, with what is in them, and who has their ends.

use super::files::file_type;
use super::machine::symbol;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use kconv_codes::Code;
use kconv_image::{Escaped, KernelAddr, PAGE_SIZE};
use kconv_resources::linux6::PipeState;
use kernel_structs_bits::little_endian;
use std::collections::BTreeMap;

/// The most buffers of a pipe: `pipe-max-size` is at most 2^31 bytes (`fs/pipe.c`:
/// round_pipe_size), and what is read here at most 64 MiB.
const MAX_BUFFERS: u64 = 1 << 14;

/// The buffer is a packet of its own (`include/linux/pipe_fs_i.h`: PIPE_BUF_FLAG_PACKET).
const PACKET: u64 = 8;

/// Bits of `file.f_mode` (`include/linux/fs.h`): FMODE_READ, FMODE_WRITE, FMODE_PATH.
const READ: u64 = 1;
const WRITE: u64 = 2;
const PATH: u64 = 0x4000;

/// A pipe and those of its ends that are open files of the tasks.
struct Ends {
    /// One of the open files, an object.
    file: usize,
    readers: u64,
    writers: u64,
}

impl Linux6<'_> {
    /// Pipes and FIFOs that somebody else has an end of, too: what is in them, and who waits for
    /// whom, is not the tasks' alone.
    pub(super) fn pipe_ends(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) -> Result<(), Fault> {
        let memory = self.walked.memory;
        let mut pipes: BTreeMap<KernelAddr, Ends> = BTreeMap::new();
        for file in self.walked.objects_of("file") {
            let view = self.walked.view(file)?;
            let mode = view.unsigned("f_mode")?;
            let Some(dentry) = view.pointer("f_path.dentry")?.filter(|_| mode & PATH == 0) else {
                continue;
            };
            let Some(inode) = memory.read("dentry", dentry)?.pointer("d_inode")? else {
                continue;
            };
            if file_type(memory.read("inode", inode)?.unsigned("i_mode")?) == "fifo" {
                let ends = pipes.entry(inode).or_insert(Ends {
                    file,
                    readers: 0,
                    writers: 0,
                });
                ends.readers += mode & READ;
                ends.writers += (mode & WRITE) / WRITE;
            }
        }
        for (inode, ends) in pipes {
            let inode = memory.read("inode", inode)?;
            let Some(pipe) = inode.pointer("i_pipe")? else {
                continue;
            };
            let pipe = memory.read("pipe_inode_info", pipe)?;
            for (inside, field, other) in [
                (ends.readers, "readers", "read from"),
                (ends.writers, "writers", "written to"),
            ] {
                let all = pipe.unsigned(field)?;
                if all > inside {
                    let pipe = self.name_of_pipe(ends.file, &inode)?;
                    let count = all - inside;
                    refuse(
                        ends.file,
                        "f_path.dentry",
                        Flaw::OtherEnd { pipe, other, count },
                    );
                }
            }
        }
        Ok(())
    }

    /// A FIFO by its path, a pipe by its number.
    fn name_of_pipe(&self, file: usize, inode: &View<'_>) -> Result<String, Fault> {
        let view = self.walked.view(file)?;
        let place = (view.pointer("f_path.dentry")?, view.pointer("f_path.mnt")?);
        match (self.file_system_of(inode)?.as_str(), place) {
            ("pipefs", _) | (_, (None, _) | (_, None)) => {
                Ok(format!("pipe {}", inode.unsigned("i_ino")?))
            }
            (_, (Some(dentry), Some(mount))) => {
                let path = self.location(dentry, mount)?.path;
                Ok(format!("FIFO {}", Escaped(&path)))
            }
        }
    }

    /// What is known of the pipe at `pipe` (`fs/pipe.c`: pipe_read).
    pub(super) fn pipe_state(&self, pipe: KernelAddr) -> Result<PipeState, Flaw> {
        let memory = self.walked.memory;
        let pipe = memory.read("pipe_inode_info", pipe)?;
        let buffers = pipe.unsigned("ring_size")?;
        let (tail, head) = (pipe.unsigned("tail")?, pipe.unsigned("head")?);
        // Both count on without end, in 32 bits.
        let filled = u64::from((head as u32).wrapping_sub(tail as u32));
        if filled > buffers || buffers > MAX_BUFFERS || !buffers.is_power_of_two() {
            return Err(Flaw::Count {
                member: "head - tail".to_owned(),
                count: filled as i64,
                unit: "buffers",
                limit: buffers.min(MAX_BUFFERS),
            });
        }
        let base = pipe.address("bufs")?;
        let id = memory.names.find("pipe_buffer")?;
        let size = memory.layout().size_of(id).map_or(0, |size| size.0);
        let (mut content, mut packets) = (Vec::new(), Vec::new());
        for number in 0..filled {
            let index = (tail + number) & (buffers - 1);
            let at = KernelAddr(base.0.wrapping_add(index * size));
            let buffer = memory.read("pipe_buffer", at)?;
            let (offset, length) = (buffer.unsigned("offset")?, buffer.unsigned("len")?);
            if offset.saturating_add(length) > PAGE_SIZE {
                return Err(Flaw::Count {
                    member: "offset + len".to_owned(),
                    count: offset.saturating_add(length) as i64,
                    unit: "bytes",
                    limit: PAGE_SIZE,
                });
            }
            let page = self.page(buffer.address("page")?)?;
            content.extend(memory.bytes(KernelAddr(page.0.wrapping_add(offset)), length)?);
            if buffer.unsigned("flags")? & PACKET != 0 {
                packets.push(length);
            }
        }
        // Which bytes are packets an image does not tell, and a thaw writes them in one way.
        let packed: u64 = packets.iter().sum();
        if packed != 0 && packed != content.len() as u64 {
            let what = "a pipe with packets (O_DIRECT) and with bytes that belong to none";
            return Err(not_carried(Code::FdPipeMixed, what.to_owned()));
        }
        Ok(PipeState {
            readers: pipe.unsigned("readers")?,
            writers: pipe.unsigned("writers")?,
            buffers,
            content,
            packets,
        })
    }

    /// Where the page is that a `struct page` stands for (`arch/x86/include/asm/page_64.h`,
    /// `include/asm-generic/memory_model.h`: page_to_pfn, __va; `struct page`s lie in order at
    /// vmemmap_base, all memory at page_offset_base).
    pub(super) fn page(&self, page: KernelAddr) -> Result<KernelAddr, Fault> {
        let memory = self.walked.memory;
        let variable = |name: &str| -> Result<u64, Fault> {
            Ok(little_endian(&memory.bytes(symbol(memory, name)?, 8)?))
        };
        let id = memory.names.find("page")?;
        let size = memory.layout().size_of(id).map_or(1, |size| size.0.max(1));
        let number = page.0.wrapping_sub(variable("vmemmap_base")?) / size;
        let at = variable("page_offset_base")?.wrapping_add(number.wrapping_mul(PAGE_SIZE));
        Ok(KernelAddr(at))
    }
}
