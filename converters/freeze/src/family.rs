//! What has to be known of a kernel family beyond its state map.

use crate::error::Flaw;
use crate::source::{FileOf, Mapping};
use kconv_image::{Clocks, CoreNote, KernelAddr, Resource, ResourceId, Value};

/// How a family names resources, tells time and keeps registers.
pub(crate) trait Family {
    /// Has the image keep the files that programs are made of, with what is in them. That is to be said before
    /// anything is named.
    fn keep_programs(&mut self) {}

    /// The resource that a pointer in a saved object means.
    fn resource(&mut self, reference: &Reference<'_>) -> Result<ResourceId, Flaw>;

    /// A resource in the place of one that cannot be carried.
    fn not_carried(&mut self, at: KernelAddr) -> ResourceId;

    /// Resources that no saved object points at. What cannot be described is passed to `refuse`
    /// with the object through which it was found.
    fn unbound_resources(&mut self, refuse: &mut dyn FnMut(usize, Flaw));

    /// Passes to `refuse` what stands in no saved object although it is state, with the object
    /// and the field that tell.
    fn unsaved_state(&self, refuse: &mut dyn FnMut(usize, &str, Flaw));

    /// All resources named so far, as an image has them.
    fn resources(&self) -> Vec<Resource>;

    /// The clocks at the freeze; `hz` is the tick rate.
    fn clocks(&self, hz: u32) -> Result<Clocks, Flaw>;

    /// Facts that a thaw or a reader needs.
    fn facts(&self) -> Result<Vec<(String, Value)>, Flaw>;

    /// What is mapped in the address space of the `mm_struct` that is object `mm`, by ascending
    /// address.
    fn mappings(&self, mm: usize) -> Result<Vec<Mapping>, Flaw>;

    /// The files that tasks have open or mapped and that are in memory alone, unless they are
    /// programs or libraries, which their build IDs tell; and those that programs are made of, if they are to be
    /// kept.
    fn files_to_save(&self) -> Result<Vec<FileToSave>, Flaw> {
        Ok(Vec::new())
    }

    /// The files on disks that tasks have mapped shared and may have written, with their names.
    fn files_to_sync(&self) -> Result<Vec<(String, FileOf)>, Flaw> {
        Ok(Vec::new())
    }

    /// The standard core notes of all tasks with user registers, in their order.
    fn core_notes(&self) -> Result<Vec<CoreNote>, Flaw>;
}

/// A file of which the image has what is in it.
pub(crate) struct FileToSave {
    /// What an image has of it. Files of several names are several resources.
    pub(crate) resource: ResourceId,
    /// The inode, by which its names are known to be those of one file.
    pub(crate) inode: KernelAddr,
    /// What it is called.
    pub(crate) name: String,
    /// Whether it is there for the programs that have it mapped, and need not be the only such file.
    pub(crate) is_kept: bool,
    /// How it is reached.
    pub(crate) file: FileOf,
    /// Where it is mapped shared.
    pub(crate) mapped: Vec<MappedPart>,
}

/// A part of a file that is mapped shared.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct MappedPart {
    /// The `mm_struct`, an object.
    pub(crate) mm: usize,
    /// First address.
    pub(crate) start: u64,
    /// First address after it.
    pub(crate) end: u64,
    /// Offset in the file of what is at `start`, in bytes.
    pub(crate) offset: u64,
    /// `PF_R`, `PF_W` and `PF_X` of ELF.
    pub(crate) access: u32,
}

/// A pointer to something outside the image.
pub(crate) struct Reference<'r> {
    /// The kind that the state map gives it.
    pub(crate) kind: &'r str,
    pub(crate) at: KernelAddr,
    /// The mount beside it, where the rule names one.
    pub(crate) mount: Option<KernelAddr>,
}
