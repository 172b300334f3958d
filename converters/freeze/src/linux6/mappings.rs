//! What is mapped where, and whose memory it is.

use super::files::file_type;
use super::{Linux6, not_carried, object_id};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::source::{Content, Mapping};
use crate::walk::Walked;
use kconv_codes::Code;
use kconv_image::{KernelAddr, PAGE_SIZE, UserAddr};
use kconv_resources::Kind;
use kconv_resources::linux6::Resource;
use std::collections::BTreeMap;

/// Bits of `vm_area_struct.vm_flags` (`include/linux/mm.h`).
const VM_READ: u64 = 1;
const VM_WRITE: u64 = 2;
const VM_EXEC: u64 = 4;
const VM_SHARED: u64 = 8;
const VM_PFNMAP: u64 = 0x400;
const VM_IO: u64 = 0x4000;
const VM_MIXEDMAP: u64 = 0x1000_0000;

/// A mapping that the kernel makes itself (`arch/x86/entry/vdso/vma.c`).
#[derive(Copy, Clone, PartialEq, Eq)]
enum Special {
    /// Code for the program to call.
    Vdso,
    /// What that code reads: clocks of this boot.
    Vvar,
}

/// The VMAs of each address space, which are objects, by the address of its `mm_struct` and their own first
/// address.
pub(super) type Vmas = BTreeMap<u64, Vec<usize>>;

/// All VMAs of the image.
fn all_vmas(walked: &Walked<'_>) -> Result<Vmas, Fault> {
    let mut vmas: BTreeMap<u64, Vec<(u64, usize)>> = BTreeMap::new();
    for vma in walked.objects_of("vm_area_struct") {
        let view = walked.view(vma)?;
        let of_mm = vmas.entry(view.unsigned("vm_mm")?).or_default();
        of_mm.push((view.unsigned("vm_start")?, vma));
    }
    let ordered = |mut of_mm: Vec<(u64, usize)>| {
        of_mm.sort_unstable();
        of_mm.into_iter().map(|(_, vma)| vma).collect()
    };
    let vmas = vmas.into_iter();
    Ok(vmas.map(|(mm, of_mm)| (mm, ordered(of_mm))).collect())
}

impl Linux6<'_> {
    /// The VMAs of the `mm_struct` that is object `mm`, by ascending address.
    pub(super) fn vmas(&self, mm: usize) -> Result<Vec<View<'_>>, Fault> {
        let all = match self.vmas.get() {
            Some(all) => all,
            None => {
                let all = all_vmas(self.walked)?;
                self.vmas.get_or_init(|| all)
            }
        };
        let vmas = all.get(&self.walked.objects[mm].at.0);
        let vmas = vmas.into_iter().flatten();
        vmas.map(|vma| self.walked.view(*vma)).collect()
    }

    /// What is mapped in the address space of object `mm`.
    pub(super) fn mappings_of(&self, mm: usize) -> Result<Vec<Mapping>, Fault> {
        let mut mappings = Vec::new();
        for vma in self.vmas(mm)? {
            mappings.push(Mapping {
                start: vma.unsigned("vm_start")?,
                end: vma.unsigned("vm_end")?,
                access: access_of(vma.unsigned("vm_flags")?),
                content: self.content(&vma)?,
            });
        }
        Ok(mappings)
    }

    fn content(&self, vma: &View<'_>) -> Result<Content, Fault> {
        let flags = vma.unsigned("vm_flags")?;
        if let Some(special) = self.special(vma)? {
            return Ok(match special {
                // All of it, also what the program has not called yet: a thaw on another kernel
                // leads each function to its new place.
                Special::Vdso => Content::Shared,
                Special::Vvar => Content::Elsewhere,
            });
        }
        if flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP) != 0 {
            return Ok(Content::Elsewhere);
        }
        let file = vma.pointer("vm_file")?;
        Ok(match (file, flags & VM_SHARED != 0) {
            (None, _) => Content::Own,
            (Some(file), true) if self.is_shared_memory(file)? => Content::Shared,
            (Some(_), true) => Content::Elsewhere,
            (Some(_), false) => Content::OfFile,
        })
    }

    /// Whether a file is memory without a name, shared by mapping `/dev/zero` or no file at all
    /// (`mm/shmem.c`: shmem_zero_setup).
    pub(super) fn is_shared_memory(&self, file: KernelAddr) -> Result<bool, Fault> {
        let memory = self.walked.memory;
        let file = memory.read("file", file)?;
        let (Some(dentry), Some(mount)) =
            (file.pointer("f_path.dentry")?, file.pointer("f_path.mnt")?)
        else {
            return Ok(false);
        };
        let view = memory.read("dentry", dentry)?;
        let Some(inode) = view.pointer("d_inode")? else {
            return Ok(false);
        };
        let inode = memory.read("inode", inode)?;
        let regular = file_type(inode.unsigned("i_mode")?) == "regular file";
        if !regular || self.file_system_of(&inode)? != "tmpfs" {
            return Ok(false);
        }
        Ok(self.location(dentry, mount)?.is_shared_memory())
    }

    /// Whether the kernel itself made a mapping: its operations tell, and its name what it is.
    fn special(&self, vma: &View<'_>) -> Result<Option<Special>, Fault> {
        let memory = self.walked.memory;
        let operations = vma.pointer("vm_ops")?;
        let symbol = operations.and_then(|ops| memory.source.symbolise(ops));
        if symbol.is_none_or(|(name, _)| name != "special_mapping_vmops") {
            return Ok(None);
        }
        // struct vm_special_mapping begins with the name.
        let name = match vma.pointer("vm_private_data")? {
            Some(special) => kernel_structs_bits::little_endian(&memory.bytes(special, 8)?),
            None => 0,
        };
        let name = memory.text(KernelAddr(name), 16).unwrap_or_default();
        Ok(Some(match name.as_str() {
            "[vdso]" => Special::Vdso,
            _ => Special::Vvar,
        }))
    }

    /// Names the mappings that the kernel made itself: a thaw finds those of its own kernel.
    pub(super) fn special_mappings(&mut self, mm: usize) -> Result<(), Fault> {
        let mut found = Vec::new();
        for vma in self.vmas(mm)? {
            let kind = match self.special(&vma)? {
                Some(Special::Vdso) => Resource::Vdso,
                Some(Special::Vvar) => Resource::Vvar,
                None => continue,
            };
            let special = kconv_resources::linux6::Special {
                mm: object_id(mm),
                start: vma.unsigned("vm_start")?,
                end: vma.unsigned("vm_end")?,
            };
            found.push((vma.at(), kind(special)));
        }
        for (at, resource) in found {
            self.resources.add(resource.kind(), at, None, resource);
        }
        Ok(())
    }

    /// Notes the build IDs of the programs and libraries that are mapped in the address space of
    /// object `mm`, where their first pages can be read: by these a thaw knows them from others.
    pub(super) fn build_ids(&mut self, mm: usize) -> Result<(), Fault> {
        let memory = self.walked.memory;
        let space = self.walked.space(mm, &[]);
        let mut found = Vec::new();
        for vma in self.vmas(mm)? {
            let Some(file) = vma.pointer("vm_file")? else {
                continue;
            };
            if vma.unsigned("vm_pgoff")? != 0 || vma.unsigned("vm_flags")? & VM_WRITE != 0 {
                continue;
            }
            let path = memory.read("file", file)?;
            let mount = path.pointer("f_path.mnt")?;
            let Some(dentry) = path.pointer("f_path.dentry")? else {
                continue;
            };
            let mut page = [0; PAGE_SIZE as usize];
            let start = UserAddr(vma.unsigned("vm_start")?);
            if let Some(resource) = self.resources.known("file", dentry, mount)
                && memory.source.read_pages(&space, start, &mut page).is_ok()
                && let Some(id) = kconv_machine::build_id(&page)
            {
                found.push((resource, id));
            }
        }
        for (resource, id) in found {
            if let Some(Resource::File(file)) = self.resources.get_mut(resource) {
                file.build_id.get_or_insert(id);
            }
        }
        Ok(())
    }

    /// What in the address space of object `mm` cannot be carried.
    pub(super) fn foreign_mappings(&self, mm: usize) -> Result<Vec<Flaw>, Fault> {
        let mut flaws = Vec::new();
        let view = self.walked.view(mm)?;
        let keys = view.unsigned("context.pkey_allocation_map")?;
        if !keeps_key(keys, view.signed("context.execute_only_pkey")?) {
            flaws.push(not_carried(
                Code::MmProtectionKey,
                "memory that may only be executed, beside protection keys that were given back,",
            ));
        }
        for vma in self.vmas(mm)? {
            let flags = vma.unsigned("vm_flags")?;
            let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
            // What the kernel maps itself has the same flags.
            let is_of_device = flags & (VM_IO | VM_PFNMAP | VM_MIXEDMAP) != 0;
            if is_of_device && self.special(&vma)?.is_none() {
                let what = format!("a mapping of a device at {start:#x}-{end:#x}");
                flaws.push(not_carried(Code::MmDevice, what));
            }
        }
        Ok(flaws)
    }
}

/// What a mapping with these `vm_flags` permits: `PF_R`, `PF_W` and `PF_X` of ELF.
pub(super) fn access_of(flags: u64) -> u32 {
    let access = [(VM_EXEC, 1), (VM_WRITE, 2), (VM_READ, 4)];
    let access = access.iter().filter(|(flag, _)| flags & flag != 0);
    access.map(|(_, bit)| bit).sum()
}

/// Whether the kernel's own protection key, for memory that may only be executed, is the one that it
/// chooses again: the lowest that is free (`arch/x86/mm/pkeys.c`: __execute_only_pkey). Threads have
/// taken what the key permits from themselves by its number.
fn keeps_key(keys: u64, own: i64) -> bool {
    match own {
        1..=15 => (keys & !(1 << own) | 1).trailing_ones() == own as u32,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::keeps_key;

    #[test]
    fn the_key_of_the_kernel_is_the_lowest_that_is_free() {
        assert!(keeps_key(0, 0) && keeps_key(1, -1) && keeps_key(0b11, 1));
        assert!(keeps_key(0b111, 2) && keeps_key(0b1111, 2));
        // The first was given back since.
        assert!(!keeps_key(0b101, 2));
    }
}
