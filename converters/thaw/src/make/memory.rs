//! The memory of a process: its mappings, what is in them, and the bounds that the kernel keeps.

use super::files::Kept;
use super::ldt;
use super::locks;
use super::pages::Store;
use super::restored::Restored;
use crate::call::CallError;
use crate::inheritance::Birth;
use crate::plan::{Mapping, Memory};
use crate::remote::Remote;
use crate::vdso::Vdso;
use crate::vm_flags::{
    VM_ACCOUNT, VM_EXEC, VM_GROWSDOWN, VM_MAYSHARE, VM_NORESERVE, VM_READ, VM_WRITE,
};
use kconv_image::Image;
use nix::errno::Errno;

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

/// What memory is made of.
pub(super) struct Sources<'a> {
    pub(super) image: &'a Image,
    pub(super) pages: Store,
    /// The files that are mapped.
    pub(super) kept: &'a Kept,
}

/// Takes from a process that has just been made what it does not have in common with its parent.
pub(super) fn part(remote: &Remote, birth: &Birth) -> Result<(), CallError> {
    for (start, end) in &birth.given_away {
        remote.call("munmap", libc::SYS_munmap, &[*start, end - start])?;
    }
    Ok(())
}

/// Makes what a process and its children have in common, before it has any.
pub(super) fn stage(
    remote: &Remote,
    memory: &Memory,
    birth: &Birth,
    sources: &Sources<'_>,
) -> Result<(), CallError> {
    for index in &birth.early {
        map(remote, &memory.mappings[*index], sources.kept)?;
    }
    let own = remote.memory()?;
    sources
        .pages
        .settle(remote, &own, &birth.born, &birth.staged)?;
    for index in &birth.locked_early {
        let mapping = &memory.mappings[*index];
        // What may be written when it is locked becomes the process's own, to the last page.
        let arguments = [mapping.start, mapping.end - mapping.start, access(mapping)];
        remote.call("mprotect", libc::SYS_mprotect, &arguments)?;
        locks::lock(remote, mapping)?;
    }
    Ok(())
}

/// Makes the memory of a process, as far as it is not there.
pub(super) fn make(
    restored: &Restored<'_>,
    sources: &Sources<'_>,
    vdso: &Vdso,
) -> Result<(), CallError> {
    let (Some(memory), remote) = (&restored.process.memory, restored.first()) else {
        return Ok(());
    };
    let birth = restored.birth;
    for (index, mapping) in memory.mappings.iter().enumerate() {
        if !birth.has(index) {
            map(remote, mapping, sources.kept)?;
        }
    }
    vdso.place(restored.first(), &restored.memory, sources.image, memory)?;
    sources
        .pages
        .settle(remote, &restored.memory, &birth.staged, &birth.own)?;
    allocate_keys(remote, memory)?;
    for (index, mapping) in memory.mappings.iter().enumerate() {
        advise(restored, mapping)?;
        if !birth.locked_early.contains(&index) {
            locks::lock(remote, mapping)?;
        }
        bind(restored, mapping)?;
    }
    locks::check(restored.process.pid, memory)?;
    ldt::make(remote, &restored.memory, &memory.ldt)?;
    bounds(restored, memory, sources.kept)
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

/// Final access and advice.
fn advise(restored: &Restored<'_>, mapping: &Mapping) -> Result<(), CallError> {
    let remote = restored.first();
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
    Ok(())
}

/// The memory policy.
fn bind(restored: &Restored<'_>, mapping: &Mapping) -> Result<(), CallError> {
    let remote = restored.first();
    let (start, size) = (mapping.start, mapping.end - mapping.start);
    if let Some(policy) = &mapping.policy {
        let at = remote.put(&restored.memory, &policy.nodes)?;
        let bits = 8 * policy.nodes.len() as u64;
        let arguments = [start, size, policy.mode.into(), at, bits, 0];
        remote.call("mbind", libc::SYS_mbind, &arguments)?;
        if let Some(home) = policy.home_node {
            let arguments = [start, size, home.into(), 0];
            let number = libc::SYS_set_mempolicy_home_node;
            remote.call("set_mempolicy_home_node", number, &arguments)?;
        }
    }
    Ok(())
}

/// Where code, heap, stack and arguments are, the auxiliary vector, and which program it is
/// (prctl(2), PR_SET_MM_MAP).
fn bounds(restored: &Restored<'_>, memory: &Memory, kept: &Kept) -> Result<(), CallError> {
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP: u64 = 14;
    /// sizeof(struct prctl_mm_map).
    const SIZE: u64 = 104;
    let remote = restored.first();
    let program = match memory.program {
        Some(file) => kept.mapped(file)? as u32,
        None => u32::MAX,
    };
    let auxv = remote.trampoline().data() + SIZE;
    let length = u32::try_from(memory.auxv.len());
    let length = length.map_err(|_| CallError::new("prctl", Errno::E2BIG))?;
    let mut bytes: Vec<u8> = memory
        .bounds
        .in_order()
        .iter()
        .chain([&auxv])
        .flat_map(|word| word.to_le_bytes())
        .collect();
    bytes.extend(length.to_le_bytes());
    bytes.extend(program.to_le_bytes());
    bytes.extend(&memory.auxv);
    let at = remote.put(&restored.memory, &bytes)?;
    let arguments = [PR_SET_MM, PR_SET_MM_MAP, at, SIZE, 0];
    remote.call("prctl(PR_SET_MM_MAP)", libc::SYS_prctl, &arguments)?;
    Ok(())
}
