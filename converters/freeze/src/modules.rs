//! What the kernel's modules provide: each keeps a table of its symbols beside itself
//! (`kernel/module/kallsyms.c`: add_kallsyms, module_get_kallsym).
//!
//! A module whose table cannot be read is left out: whatever points into it is then refused by
//! the place that does.

use crate::error::Fault;
use crate::memory::Memory;
use crate::source::MemorySource;
use crate::symbols::Symbols;
use kconv_image::{KernelAddr, PAGE_SIZE};
use kconv_objects::Names;
use kernel_structs::layout::Layout;
use kernel_structs_bits::little_endian;
use std::collections::BTreeSet;

/// The types by which modules and their tables are found (`include/linux/module.h`).
pub(crate) const TYPES: [&str; 2] = ["module", "mod_kallsyms"];

/// The most modules, and the most symbols of all of them. Debian's largest have ten thousand.
const MAX_MODULES: usize = 1 << 12;
const MAX_SYMBOLS: u64 = 1 << 22;

/// The longest name (`include/linux/kallsyms.h`: KSYM_NAME_LEN).
const LONGEST_NAME: u64 = 512;

/// An `Elf64_Sym`: `st_name` at 0, `st_value` at 8.
const SYMBOL: usize = 24;

/// Adds the symbols of all modules to those of the kernel, whose types `layout` has.
pub(crate) fn add(source: &dyn MemorySource, layout: &Layout, symbols: &mut Symbols) {
    let Some(head) = symbols.symbol("modules") else {
        return;
    };
    let names = Names::new(layout);
    let memory = Memory {
        source,
        names: &names,
    };
    let into = names
        .find("module")
        .and_then(|ty| names.offset_in(ty, "list"));
    let (Ok(first), Ok(into)) = (memory.bytes(head, 8), into) else {
        return;
    };
    let mut next = little_endian(&first);
    let mut left = MAX_SYMBOLS;
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([head.0]);
    while seen.insert(next) && seen.len() <= MAX_MODULES {
        let module = memory.read("module", KernelAddr(next.wrapping_sub(into)));
        let Ok(module) = module else {
            break;
        };
        if let Ok(Some(table)) = module.pointer("kallsyms") {
            // See above: what is missing is refused where it is needed.
            let _ = add_table(memory, table, &mut left, &mut found);
        }
        match module.unsigned("list.next") {
            Ok(following) => next = following,
            Err(_) => break,
        }
    }
    symbols.set_modules(found);
}

/// Adds the addresses and names of one module's table, at most `left` of them.
fn add_table(
    memory: Memory<'_>,
    at: KernelAddr,
    left: &mut u64,
    found: &mut Vec<(u64, String)>,
) -> Result<(), Fault> {
    let table = memory.read("mod_kallsyms", at)?;
    let count = table.unsigned("num_symtab")?.min(*left);
    *left -= count;
    let (Some(start), Some(names)) = (table.pointer("symtab")?, table.pointer("strtab")?) else {
        return Ok(());
    };
    let bytes = memory.bytes(start, count * SYMBOL as u64)?;
    let entries = bytes.chunks_exact(SYMBOL).map(|entry| {
        let (name, value) = (little_endian(&entry[..4]), little_endian(&entry[8..16]));
        (name, value)
    });
    let last = entries.clone().map(|(name, _)| name).max().unwrap_or(0);
    let names = readable_from(
        memory,
        names,
        (last + LONGEST_NAME).min(count * LONGEST_NAME),
    );
    for (name, value) in entries {
        let rest = names.get(name as usize..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0);
        let name = end.and_then(|end| str::from_utf8(&rest[..end]).ok());
        if let Some(name) = name.filter(|name| !name.is_empty())
            && value != 0
        {
            found.push((value, name.to_owned()));
        }
    }
    Ok(())
}

/// What can be read from `at` on, at most `size` bytes: the names end somewhere before.
fn readable_from(memory: Memory<'_>, at: KernelAddr, size: u64) -> Vec<u8> {
    let mut read = Vec::new();
    while (read.len() as u64) < size {
        let here = at.0.wrapping_add(read.len() as u64);
        let piece = (PAGE_SIZE - here % PAGE_SIZE).min(size - read.len() as u64);
        match memory.bytes(KernelAddr(here), piece) {
            Ok(bytes) => read.extend(bytes),
            Err(_) => break,
        }
    }
    read
}
