//! Descriptors: which process has what open under which number.

use super::Linux6;
use crate::error::Fault;
use kconv_image::KernelAddr;
use kernel_structs_bits::little_endian;
use std::collections::BTreeSet;

/// The most descriptors that are believed: `NR_OPEN` (`include/linux/fs.h`).
const MAX_DESCRIPTORS: u64 = 1 << 20;

/// A descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// The task that has it; of the threads that share a table, the first.
    pub(super) task: usize,
    /// Its number.
    pub(super) number: usize,
    /// The open file, an object.
    pub(super) file: usize,
}

impl Linux6<'_> {
    /// The descriptors of all tasks; those that threads share stand once for each process.
    pub(super) fn descriptors(&self) -> Result<Vec<Descriptor>, Fault> {
        let mut seen = BTreeSet::new();
        let mut all = Vec::new();
        for task in 0..self.walked.tasks {
            let view = self.walked.view(task)?;
            let Some(files) = view.pointer("files")? else {
                continue;
            };
            if seen.insert((view.signed("tgid")?, files)) {
                self.descriptors_in(task, files, &mut all)?;
            }
        }
        Ok(all)
    }

    /// The descriptors in the `files_struct` at `files`.
    fn descriptors_in(
        &self,
        task: usize,
        files: KernelAddr,
        all: &mut Vec<Descriptor>,
    ) -> Result<(), Fault> {
        let memory = self.walked.memory;
        let Some(table) = memory.read("files_struct", files)?.pointer("fdt")? else {
            return Ok(());
        };
        let table = memory.read("fdtable", table)?;
        let Some(array) = table.pointer("fd")? else {
            return Ok(());
        };
        let count = table.unsigned("max_fds")?.min(MAX_DESCRIPTORS);
        let pointers = memory.bytes(array, 8 * count)?;
        for (number, pointer) in pointers.chunks_exact(8).enumerate() {
            let at = KernelAddr(little_endian(pointer));
            if let Some(file) = self.walked.object_at("file", at) {
                all.push(Descriptor { task, number, file });
            }
        }
        Ok(())
    }
}
