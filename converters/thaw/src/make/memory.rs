//! The memory of a process: its mappings, what is in them, and the marks that the kernel keeps.

use super::body::Body;
use super::files::Kept;
use super::ldt;
use crate::call::CallError;
use crate::plan::{Mapping, Memory, Plan};
use crate::remote::Remote;
use crate::vdso::Vdso;
use kconv_image::{Image, PAGE_SIZE};
use nix::errno::Errno;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Bits of `vm_area_struct.vm_flags` (`include/linux/mm.h`; 6.1 and 6.12 number them alike).
const VM_READ: u64 = 0x1;
const VM_WRITE: u64 = 0x2;
const VM_EXEC: u64 = 0x4;
const VM_SHARED: u64 = 0x8;
const VM_MAYSHARE: u64 = 0x80;
const VM_GROWSDOWN: u64 = 0x100;
const VM_LOCKED: u64 = 0x2000;
const VM_LOCKONFAULT: u64 = 0x8_0000;
const VM_ACCOUNT: u64 = 0x10_0000;
const VM_NORESERVE: u64 = 0x20_0000;

/// Flags that madvise sets, and what it is told.
const ADVICE: [(u64, i32); 8] = [
    (0x8000, libc::MADV_SEQUENTIAL),
    (0x1_0000, libc::MADV_RANDOM),
    (0x2_0000, libc::MADV_DONTFORK),
    (0x200_0000, libc::MADV_WIPEONFORK),
    (0x400_0000, libc::MADV_DONTDUMP),
    (0x2000_0000, libc::MADV_HUGEPAGE),
    (0x4000_0000, libc::MADV_NOHUGEPAGE),
    (0x8000_0000, libc::MADV_MERGEABLE),
];

/// How much memory is filled at a time.
const CHUNK: u64 = 1 << 20;

/// Makes the memory of a process. `pages` is the image.
pub(super) fn make(
    body: &Body<'_>,
    plan: &Plan,
    image: &Image,
    pages: &File,
    kept: &Kept,
    vdso: &Vdso,
) -> Result<(), CallError> {
    let (Some(memory), remote) = (&body.process.memory, body.first()) else {
        return Ok(());
    };
    for mapping in &memory.mappings {
        map(remote, mapping, kept)?;
    }
    vdso.place(body.first(), &body.memory, image, memory)?;
    fill(&body.memory, memory, plan, image, pages)?;
    allocate_keys(remote, memory)?;
    for mapping in &memory.mappings {
        advise(body, mapping)?;
    }
    ldt::make(remote, &body.memory, &memory.ldt)?;
    marks(body, memory, kept)
}

fn access(mapping: &Mapping) -> u64 {
    [
        (VM_READ, libc::PROT_READ),
        (VM_WRITE, libc::PROT_WRITE),
        (VM_EXEC, libc::PROT_EXEC),
    ]
    .into_iter()
    .filter(|(flag, _)| mapping.flags & flag != 0)
    .map(|(_, access)| access as u64)
    .sum()
}

/// Access for as long as the mapping is filled. Memory that nobody may write now but somebody did is
/// the program's own, and accounted as such, because it could be written once.
fn access_at_first(mapping: &Mapping, kept: &Kept) -> u64 {
    let is_memory = mapping.file.is_some_and(|file| kept.is_memory(file));
    match mapping.flags & VM_ACCOUNT != 0 || is_memory {
        true => access(mapping) | libc::PROT_WRITE as u64,
        false => access(mapping),
    }
}

fn map(remote: &Remote, mapping: &Mapping, kept: &Kept) -> Result<(), CallError> {
    let mut flags = libc::MAP_FIXED_NOREPLACE;
    // linux/mman.h
    const MAP_DROPPABLE: i32 = 8;
    flags |= match mapping.flags & VM_MAYSHARE {
        _ if mapping.droppable => MAP_DROPPABLE,
        0 => libc::MAP_PRIVATE,
        _ => libc::MAP_SHARED,
    };
    let fd = match mapping.file {
        Some(file) => kept.mapped(file)?,
        None => {
            flags |= libc::MAP_ANONYMOUS;
            u64::MAX
        }
    };
    for (flag, option) in [
        (VM_GROWSDOWN, libc::MAP_GROWSDOWN),
        (VM_NORESERVE, libc::MAP_NORESERVE),
    ] {
        if mapping.flags & flag != 0 {
            flags |= option;
        }
    }
    let arguments = [
        mapping.start,
        mapping.end - mapping.start,
        access_at_first(mapping, kept),
        flags as u64,
        fd,
        mapping.offset,
    ];
    remote.call("mmap", libc::SYS_mmap, &arguments)?;
    Ok(())
}

/// Streams the pages of the image into memory. The tracer may write what the program may not. What
/// is mapped of a file that has its contents is there already.
fn fill(
    into: &File,
    memory: &Memory,
    plan: &Plan,
    image: &Image,
    pages: &File,
) -> Result<(), CallError> {
    let has_contents = |at: u64| {
        let after = memory.mappings.partition_point(|one| one.start <= at);
        let mapping = memory.mappings[..after].last();
        let mapping = mapping.filter(|one| at < one.end && one.flags & VM_SHARED != 0);
        let file = mapping.and_then(|mapping| mapping.file);
        file.is_some_and(|file| {
            let resource = plan.files[file].resource;
            image.head().contents_of(resource).is_some()
        })
    };
    let (area, _) = image.page_area();
    let spaces = image.head().address_spaces.iter();
    let runs = spaces
        .filter(|space| space.mm == memory.mm)
        .flat_map(|space| &space.runs)
        .filter(|run| !has_contents(run.start.0));
    let mut buffer = vec![0; CHUNK as usize];
    for run in runs {
        let end = run.start.0 + run.pages * PAGE_SIZE;
        let mut at = run.start.0;
        while at < end {
            let size = (end - at).min(CHUNK);
            let within = |(from, to): (u64, u64)| from <= at && at < to;
            // The code of the kernel of the freeze has been seen to.
            if memory.vdso.is_some_and(within) {
                at += PAGE_SIZE;
                continue;
            }
            let size = memory
                .vdso
                .filter(|(from, _)| at < *from)
                .map_or(size, |(from, _)| size.min(from - at));
            let bytes = &mut buffer[..size as usize];
            let from = area.0 + run.position + (at - run.start.0);
            pages
                .read_exact_at(bytes, from)
                .map_err(|error| CallError::io("pread", &error))?;
            into.write_all_at(bytes, at)
                .map_err(|error| CallError::io("pwrite", &error))?;
            at += size;
        }
    }
    Ok(())
}

/// Gives a process the protection keys that it had: the kernel hands out the lowest that is free, and
/// what it hands out beside them is given back. The first is everybody's.
fn allocate_keys(remote: &Remote, memory: &Memory) -> Result<(), CallError> {
    let highest = match memory.keys >> 1 {
        0 => return Ok(()),
        keys => u32::BITS - keys.leading_zeros(),
    };
    let mut others = Vec::new();
    loop {
        let key = remote.call("pkey_alloc", libc::SYS_pkey_alloc, &[0, 0])? as u32;
        if memory.keys >> key & 1 == 0 {
            others.push(key);
        }
        if key >= highest {
            break;
        }
    }
    for key in others {
        remote.call("pkey_free", libc::SYS_pkey_free, &[key.into()])?;
    }
    Ok(())
}

/// Final access, advice, locks and policy.
fn advise(body: &Body<'_>, mapping: &Mapping) -> Result<(), CallError> {
    let remote = body.first();
    let (start, size) = (mapping.start, mapping.end - mapping.start);
    let access = access(mapping);
    // Memory that may only be executed has a key of the kernel's, which gives it again.
    match mapping.key {
        0 => remote.call("mprotect", libc::SYS_mprotect, &[start, size, access])?,
        _ if access == libc::PROT_EXEC as u64 => {
            remote.call("mprotect", libc::SYS_mprotect, &[start, size, access])?
        }
        key => {
            let arguments = [start, size, access, key.into()];
            remote.call("pkey_mprotect", libc::SYS_pkey_mprotect, &arguments)?
        }
    };
    for (flag, advice) in ADVICE {
        if mapping.flags & flag != 0 {
            let arguments = [start, size, advice as u64];
            remote.call("madvise", libc::SYS_madvise, &arguments)?;
        }
    }
    if mapping.flags & VM_LOCKED != 0 {
        const MLOCK_ONFAULT: u64 = 1;
        let lazily = match mapping.flags & VM_LOCKONFAULT {
            0 => 0,
            _ => MLOCK_ONFAULT,
        };
        remote.call("mlock2", libc::SYS_mlock2, &[start, size, lazily])?;
    }
    if let Some((mode, nodes)) = &mapping.policy {
        let at = remote.put(&body.memory, nodes)?;
        let bits = 8 * nodes.len() as u64;
        let arguments = [start, size, u64::from(*mode), at, bits, 0];
        remote.call("mbind", libc::SYS_mbind, &arguments)?;
    }
    Ok(())
}

/// Where code, heap, stack and arguments are, the auxiliary vector, and which program it is
/// (prctl(2), PR_SET_MM_MAP).
fn marks(body: &Body<'_>, memory: &Memory, kept: &Kept) -> Result<(), CallError> {
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP: u64 = 14;
    /// sizeof(struct prctl_mm_map).
    const SIZE: u64 = 104;
    let remote = body.first();
    let program = match memory.program {
        Some(file) => kept.mapped(file)? as u32,
        None => u32::MAX,
    };
    let auxv = remote.ground().data() + SIZE;
    let length = u32::try_from(memory.auxv.len());
    let length = length.map_err(|_| CallError::new("prctl", Errno::E2BIG))?;
    let mut bytes: Vec<u8> = memory
        .marks
        .iter()
        .chain([&auxv])
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.extend(length.to_le_bytes());
    bytes.extend(program.to_le_bytes());
    bytes.extend(&memory.auxv);
    let at = remote.put(&body.memory, &bytes)?;
    let arguments = [PR_SET_MM, PR_SET_MM_MAP, at, SIZE, 0];
    remote.call("prctl(PR_SET_MM_MAP)", libc::SYS_prctl, &arguments)?;
    Ok(())
}
