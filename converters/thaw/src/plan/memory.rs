//! Address spaces.

use super::controls::memory_controls;
use super::files::file_index;
use super::model::{Mapping, Memory, OpenFile};
use crate::view::{DecodeError, Place, View, number};
use kconv_image::{PAGE_SIZE, Value};
use kernel_structs_bits::little_endian;
use std::collections::BTreeMap;

/// Fields of `mm_struct` in the order of `struct prctl_mm_map` (`include/uapi/linux/prctl.h`).
const MARKS: [&str; 11] = [
    "start_code",
    "end_code",
    "start_data",
    "end_data",
    "start_brk",
    "brk",
    "start_stack",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
];

/// The VMAs of each address space, by the address of its `mm_struct`.
pub(super) type Vmas = BTreeMap<u64, Vec<Place>>;

/// All VMAs of the image.
pub(super) fn vmas(view: &View<'_>) -> Result<Vmas, DecodeError> {
    let mut vmas = Vmas::new();
    for vma in view.of_type("vm_area_struct")? {
        let mm = view.unsigned(vma, "vm_mm")?;
        vmas.entry(mm).or_default().push(vma);
    }
    Ok(vmas)
}
/// The bits of a protection key in `vm_area_struct.vm_flags`, from the lowest on; the CPU has four
/// (`arch/x86/include/asm/pkeys.h`: vma_pkey).
const KEY_BITS: [&str; 4] = [
    "VM_PKEY_BIT0",
    "VM_PKEY_BIT1",
    "VM_PKEY_BIT2",
    "VM_PKEY_BIT3",
];

/// The memory that an `mm_struct` describes.
pub(super) fn memory(
    view: &View<'_>,
    files: &[OpenFile],
    vmas: &Vmas,
    mm: Place,
) -> Result<Memory, DecodeError> {
    let special = special(view, mm);
    let mut mappings = Vec::new();
    for vma in vmas.get(&view.address(mm).0).into_iter().flatten() {
        let mapping = mapping(view, files, *vma)?;
        if view.symbol(*vma, "vm_ops")? != Some("special_mapping_vmops") {
            mappings.push(mapping);
        }
    }
    mappings.sort_by_key(|mapping| mapping.start);
    let mut marks = [0; 11];
    for (mark, field) in marks.iter_mut().zip(MARKS) {
        *mark = view.unsigned(mm, field)?;
    }
    Ok(Memory {
        mm: mm.object,
        mappings,
        marks,
        auxv: view.field(mm, "saved_auxv")?.to_vec(),
        program: file_index(view, files, mm, "exe_file")?,
        vdso: special,
        flags: view.unsigned(mm, "flags")?,
        controls: memory_controls(view, mm)?,
        keys: keys(view, mm)?,
        ldt: ldt(view, mm)?,
    })
}

/// The LDT of an `mm_struct`, if a program has written one.
fn ldt(view: &View<'_>, mm: Place) -> Result<Vec<u64>, DecodeError> {
    const DESCRIPTOR: u64 = 8;
    // LDT_ENTRIES (arch/x86/include/uapi/asm/ldt.h).
    const MOST: u64 = 8192;
    let Some(ldt) = view.follow(mm, "context.ldt", "ldt_struct")? else {
        return Ok(Vec::new());
    };
    let count = view.unsigned(ldt, "nr_entries")?;
    if count > MOST {
        return Err(view.absurd(ldt, "nr_entries", count, "an LDT has 8192 entries at most"));
    }
    let entries = view.bytes_at(ldt, "entries", DESCRIPTOR * count)?;
    let entries = entries.chunks_exact(DESCRIPTOR as usize);
    Ok(entries.map(little_endian).collect())
}

/// The protection keys that a program was given. The one for memory that may only be executed is the
/// kernel's, and given again with that memory.
fn keys(view: &View<'_>, mm: Place) -> Result<u32, DecodeError> {
    let keys = view.unsigned(mm, "context.pkey_allocation_map")? as u32;
    Ok(match view.int(mm, "context.execute_only_pkey")? {
        key @ 1..=15 => keys & !(1 << key),
        _ => keys,
    })
}

fn mapping(view: &View<'_>, files: &[OpenFile], vma: Place) -> Result<Mapping, DecodeError> {
    let (start, end) = (
        view.unsigned(vma, "vm_start")?,
        view.unsigned(vma, "vm_end")?,
    );
    if !start.is_multiple_of(PAGE_SIZE) || !end.is_multiple_of(PAGE_SIZE) || start >= end {
        return Err(view.absurd(vma, "vm_end", end, "a mapping is one or more whole pages"));
    }
    let file = file_index(view, files, vma, "vm_file")?;
    let flags = view.unsigned(vma, "vm_flags")?;
    let has = |name: &str| {
        view.constant(name)
            .is_some_and(|bit| flags & bit as u64 != 0)
    };
    let bits = KEY_BITS.iter().enumerate();
    Ok(Mapping {
        start,
        end,
        flags,
        key: bits
            .map(|(place, name)| u32::from(has(name)) << place)
            .sum(),
        sealed: has("VM_SEALED"),
        droppable: has("VM_DROPPABLE"),
        offset: match file {
            Some(_) => view.unsigned(vma, "vm_pgoff")?.saturating_mul(PAGE_SIZE),
            None => 0,
        },
        file,
        policy: super::thread::memory_policy(view, vma, "vm_policy")?,
    })
}

/// Where the code is that the kernel maps into each program.
fn special(view: &View<'_>, mm: Place) -> Option<(u64, u64)> {
    let resources = view.image.head().resources.iter();
    let mut vdso = resources.filter(|resource| {
        resource.kind == "vdso" && resource.get("mm") == Some(&Value::Object(mm.object))
    });
    let vdso = vdso.next()?;
    let (start, end) = (number(vdso, "start")? as u64, number(vdso, "end")? as u64);
    // The code of no kernel is larger.
    let sound = start.is_multiple_of(PAGE_SIZE) && end.checked_sub(start)? <= 1 << 20;
    sound.then_some((start, end))
}
