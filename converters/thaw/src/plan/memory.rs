//! Address spaces.

use super::files::index_of;
use super::model::{Mapping, Memory};
use crate::decode::DecodeError;
#[cfg(test)]
use kconv_image::ObjectId;
use kconv_image::PAGE_SIZE;
use kconv_objects::{Objects, Saved};
use kconv_resources::linux6::{Resource, Resources};
use kconv_tasks::model::{self, MemoryControls, OpenFile, Space};
use std::collections::BTreeMap;

/// The VMAs of each address space, by the address of its `mm_struct`.
pub(super) type Vmas<'v> = BTreeMap<u64, Vec<Saved<'v>>>;

/// All VMAs of the image.
pub(super) fn vmas<'v>(objects: &'v Objects<'v>) -> Result<Vmas<'v>, DecodeError> {
    let mut vmas = Vmas::new();
    for vma in objects.of_type("vm_area_struct")? {
        let mm = vma.unsigned("vm_mm")?;
        vmas.entry(mm).or_default().push(vma);
    }
    Ok(vmas)
}

#[cfg(test)]
impl Mapping {
    /// Memory of its own, of which nothing else is known.
    pub(crate) fn bare(start: u64, end: u64, flags: u64) -> Mapping {
        Mapping {
            start,
            end,
            flags,
            key: 0,
            sealed: false,
            droppable: false,
            offset: 0,
            file: None,
            policy: None,
        }
    }
}

#[cfg(test)]
impl Memory {
    /// A memory of these mappings, of which nothing else is known.
    pub(crate) fn bare(mm: ObjectId, mappings: Vec<Mapping>) -> Memory {
        Memory {
            mm,
            mappings,
            bounds: Default::default(),
            auxv: Vec::new(),
            program: None,
            vdso: None,
            flags: 0,
            new_mappings: 0,
            controls: Default::default(),
            keys: 0,
            ldt: Vec::new(),
        }
    }
}

/// The memory that an `mm_struct` describes.
pub(super) fn memory(
    files: &[OpenFile],
    resources: &Resources,
    vmas: &Vmas,
    mm: Saved<'_>,
) -> Result<Memory, DecodeError> {
    let special = special(resources, mm);
    let mut mappings = Vec::new();
    for vma in vmas.get(&mm.at().0).into_iter().flatten() {
        let of = model::Mapping::of(vma)?;
        // Those are the kernel's, which maps its own.
        if !of.special {
            mappings.push(mapping(files, of));
        }
    }
    mappings.sort_by_key(|mapping| mapping.start);
    let own = Space::of(&mm)?;
    Ok(Memory {
        mm: mm.id(),
        mappings,
        bounds: own.bounds,
        auxv: own.auxv,
        program: own.program.and_then(|file| index_of(files, file)),
        vdso: special,
        flags: own.flags,
        new_mappings: own.new_mappings,
        controls: MemoryControls::of(&mm)?,
        keys: own.keys,
        ldt: own.segments,
    })
}

fn mapping(files: &[OpenFile], of: model::Mapping) -> Mapping {
    let file = of.file.and_then(|file| index_of(files, file));
    Mapping {
        start: of.start,
        end: of.end,
        flags: of.flags,
        key: of.key,
        sealed: of.sealed,
        droppable: of.droppable,
        // One without a file begins nowhere.
        offset: match file {
            Some(_) => of.page_offset.saturating_mul(PAGE_SIZE),
            None => 0,
        },
        file,
        policy: of.policy,
    }
}

/// Where the code is that the kernel maps into each program.
fn special(resources: &Resources, mm: Saved<'_>) -> Option<(u64, u64)> {
    let mut vdso = resources.iter().filter_map(|(_, resource)| match resource {
        Resource::Vdso(special) if special.mm == mm.id() => Some(special),
        _ => None,
    });
    let vdso = vdso.next()?;
    let (start, end) = (vdso.start, vdso.end);
    // The code of no kernel is larger.
    let sound = start.is_multiple_of(PAGE_SIZE) && end.checked_sub(start)? <= 1 << 20;
    sound.then_some((start, end))
}
