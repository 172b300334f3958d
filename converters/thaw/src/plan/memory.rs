//! Address spaces.

use super::controls::memory_controls;
use super::files::file_index;
use super::model::{Mapping, Memory, OpenFile};
use crate::attributes::number;
use crate::decode::DecodeError;
use kconv_image::{PAGE_SIZE, Value};
use kconv_objects::{Objects, Saved};
use kconv_tasks::model::MemoryPolicy;
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
    files: &[OpenFile],
    vmas: &Vmas,
    mm: Saved<'_>,
) -> Result<Memory, DecodeError> {
    let special = special(mm);
    let mut mappings = Vec::new();
    for vma in vmas.get(&mm.at().0).into_iter().flatten() {
        let mapping = mapping(files, *vma)?;
        if vma.symbol_name("vm_ops")? != Some("special_mapping_vmops") {
            mappings.push(mapping);
        }
    }
    mappings.sort_by_key(|mapping| mapping.start);
    let mut marks = [0; 11];
    for (mark, field) in marks.iter_mut().zip(MARKS) {
        *mark = mm.unsigned(field)?;
    }
    Ok(Memory {
        mm: mm.id(),
        mappings,
        marks,
        auxv: mm.bytes("saved_auxv")?.to_vec(),
        program: file_index(files, mm, "exe_file")?,
        vdso: special,
        flags: mm.unsigned("flags")?,
        controls: memory_controls(mm)?,
        keys: keys(mm)?,
        ldt: ldt(mm)?,
    })
}

/// The LDT of an `mm_struct`, if a program has written one.
fn ldt(mm: Saved<'_>) -> Result<Vec<u64>, DecodeError> {
    const DESCRIPTOR: u64 = 8;
    // LDT_ENTRIES (arch/x86/include/uapi/asm/ldt.h).
    const MOST: u64 = 8192;
    let Some(ldt) = mm.follow("context.ldt")? else {
        return Ok(Vec::new());
    };
    let count = ldt.unsigned("nr_entries")?;
    if count > MOST {
        return Err(ldt
            .absurd("nr_entries", count, "an LDT has 8192 entries at most")
            .into());
    }
    let entries = ldt.bytes_at("entries", DESCRIPTOR * count)?;
    let entries = entries.chunks_exact(DESCRIPTOR as usize);
    Ok(entries.map(little_endian).collect())
}

/// The protection keys that a program was given. The one for memory that may only be executed is the
/// kernel's, and given again with that memory.
fn keys(mm: Saved<'_>) -> Result<u32, DecodeError> {
    let keys = mm.unsigned("context.pkey_allocation_map")? as u32;
    Ok(match mm.int("context.execute_only_pkey")? {
        key @ 1..=15 => keys & !(1 << key),
        _ => keys,
    })
}

fn mapping(files: &[OpenFile], vma: Saved<'_>) -> Result<Mapping, DecodeError> {
    let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
    if !start.is_multiple_of(PAGE_SIZE) || !end.is_multiple_of(PAGE_SIZE) || start >= end {
        return Err(vma
            .absurd("vm_end", end, "a mapping is one or more whole pages")
            .into());
    }
    let file = file_index(files, vma, "vm_file")?;
    let flags = vma.unsigned("vm_flags")?;
    let has = |name: &str| {
        vma.names()
            .constant(name)
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
            Some(_) => vma.unsigned("vm_pgoff")?.saturating_mul(PAGE_SIZE),
            None => 0,
        },
        file,
        policy: MemoryPolicy::of(&vma, "vm_policy")?,
    })
}

/// Where the code is that the kernel maps into each program.
fn special(mm: Saved<'_>) -> Option<(u64, u64)> {
    let resources = mm.objects().head().resources.iter();
    let mut vdso = resources.filter(|resource| {
        resource.kind == "vdso" && resource.get("mm") == Some(&Value::Object(mm.id()))
    });
    let vdso = vdso.next()?;
    let (start, end) = (number(vdso, "start")? as u64, number(vdso, "end")? as u64);
    // The code of no kernel is larger.
    let sound = start.is_multiple_of(PAGE_SIZE) && end.checked_sub(start)? <= 1 << 20;
    sound.then_some((start, end))
}
