//! Physical memory in a file.

use crate::elf::Load;
use crate::source::ReadError;
use kconv_image::KernelAddr;
use kconv_machine::read_some;
use std::fs::File;

/// Memory by physical address.
pub(crate) trait Physical {
    /// Fills `into` from the memory at `at`, within one page.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError>;

    /// First and last page number plus one of what there may be.
    fn ranges(&self) -> Vec<(u64, u64)>;
}

/// Physical memory in the segments of an ELF file.
pub(crate) struct Segments {
    file: File,
    /// By physical address.
    loads: Vec<Load>,
}

impl Segments {
    pub(crate) fn new(file: File, mut loads: Vec<Load>) -> Segments {
        loads.sort_by_key(|load| load.phys);
        Segments { file, loads }
    }
}

impl Physical for Segments {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        let missing = || ReadError::Missing {
            at: KernelAddr(at),
            size,
        };
        // Segments can overlap: the kernel's image has one of its own.
        let after = self.loads.partition_point(|load| load.phys <= at);
        let fits = |load: &&Load| size <= load.size.saturating_sub(at - load.phys);
        let load = self.loads[..after].iter().rev().find(fits);
        let load = load.ok_or_else(missing)?;
        let read = read_some(&self.file, into, load.offset + (at - load.phys))?;
        match read == into.len() {
            true => Ok(()),
            false => Err(missing()),
        }
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let range = |load: &Load| (load.phys, load.phys.saturating_add(load.size));
        self.loads.iter().map(range).collect()
    }
}
