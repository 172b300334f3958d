//! An address space: its bounds, its counters, its mappings.

use super::Belongings;
use super::each;
use super::hex_at;
use crate::raw::hex;
use crate::values::{number_of, path_of, present};
use crate::view::symbol_text;
use kconv_image::{AddressSpace, PAGE_SIZE, UserAddr};
use kconv_objects::{FieldError, Saved};
use serde::Serialize;
use std::collections::BTreeMap;

/// Longest command line or environment that is shown.
const MOST_TEXT: u64 = 1 << 20;

/// Bits of `mm_struct.flags` (`include/linux/sched/coredump.h`).
const MMF_DUMPABLE_MASK: u64 = 3;
const MMF_DUMP_FILTER_SHIFT: u32 = 2;
const MMF_DUMP_FILTER_MASK: u64 = 0x1ff;
const MMF_DISABLE_THP: u32 = 24;

/// An address space.
#[derive(Debug, Serialize)]
pub(crate) struct Mm {
    pub(crate) addr: String,
    /// Bounds are addresses, sizes are in pages.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// Of the resident pages, those that threads have not yet added to the counters: of files,
    /// anonymous, swapped out, shared memory. `null` in 6.12, which has nothing of the kind.
    pub(crate) rss_cached: Option<[i64; 4]>,
    pub(crate) flags: String,
    pub(crate) dumpable: u64,
    pub(crate) coredump_filter: String,
    pub(crate) thp_enabled: bool,
    pub(crate) exe: Option<String>,
    pub(crate) cmdline: Vec<String>,
    pub(crate) environ: Vec<String>,
    /// Types and values without the closing AT_NULL.
    pub(crate) auxv: Vec<[u64; 2]>,
    pub(crate) membarrier: String,
    pub(crate) vdso: String,
    pub(crate) binfmt: Option<String>,
    pub(crate) ldt_entries: u64,
    pub(crate) vmas: Vec<Vma>,
}

/// A mapping.
#[derive(Debug, Serialize)]
pub(crate) struct Vma {
    pub(crate) addr: String,
    pub(crate) start: String,
    pub(crate) end: String,
    /// As in `/proc/PID/maps`.
    pub(crate) permissions: String,
    pub(crate) flags: String,
    /// In pages.
    pub(crate) pgoff: u64,
    /// Of the file, or what the kernel calls it: `[heap]`.
    pub(crate) path: Option<String>,
    /// What the file is: `file`, `shared-memory`.
    pub(crate) kind: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) inode: Option<u64>,
    pub(crate) ops: Option<String>,
    pub(crate) present_pages: u64,
}

pub(super) fn address_space(mm: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Mm, FieldError> {
    let space = belongings.spaces.get(&mm.id()).copied();
    let flags = mm.unsigned("flags")?;
    let filter = flags >> MMF_DUMP_FILTER_SHIFT & MMF_DUMP_FILTER_MASK;
    let exe = mm.follow("exe_file")?;
    let mut auxv = Vec::new();
    for pair in mm.numbers("saved_auxv")?.chunks_exact(2) {
        if pair[0] == 0 {
            break;
        }
        auxv.push([pair[0], pair[1]]);
    }
    let cached = cached(mm, belongings)?;
    let own = belongings.vmas.get(&mm.at().0).into_iter().flatten();
    let mut vmas = Vec::new();
    for vma in own {
        vmas.push((vma.unsigned("vm_start")?, mapping(vma, mm, space)?));
    }
    vmas.sort_by_key(|(start, _)| *start);
    Ok(Mm {
        addr: hex(mm.at().0),
        counts: counts(mm, cached)?,
        rss_cached: cached,
        flags: hex(flags),
        dumpable: flags & MMF_DUMPABLE_MASK,
        coredump_filter: hex(filter),
        thp_enabled: flags >> MMF_DISABLE_THP & 1 == 0,
        exe: match exe {
            Some(exe) => exe.resource("f_path.dentry")?.and_then(path_of),
            None => None,
        },
        cmdline: strings(mm, "arg_start", "arg_end")?,
        environ: strings(mm, "env_start", "env_end")?,
        auxv,
        membarrier: hex_at(mm, "membarrier_state.counter")?,
        vdso: hex_at(mm, "context.vdso")?,
        binfmt: mm.symbol("binfmt")?.map(symbol_text),
        ldt_entries: match mm.follow("context.ldt")? {
            Some(ldt) => ldt.unsigned("nr_entries")?,
            None => 0,
        },
        vmas: vmas.into_iter().map(|(_, vma)| vma).collect(),
    })
}

fn counts(
    mm: &Saved<'_>,
    cached: Option<[i64; 4]>,
) -> Result<BTreeMap<&'static str, u64>, FieldError> {
    let names = [
        "map_count",
        "total_vm",
        "locked_vm",
        "data_vm",
        "exec_vm",
        "stack_vm",
        "hiwater_vm",
        "hiwater_rss",
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
        "mmap_base",
        "task_size",
        "def_flags",
    ];
    let mut counts = each(names, |field| mm.unsigned(field))?;
    for (name, field) in [
        ("mm_users", "mm_users.counter"),
        ("mm_count", "mm_count.counter"),
        ("pinned_vm", "pinned_vm.counter"),
        ("hugetlb", "hugetlb_usage.counter"),
        ("page_table_bytes", "pgtables_bytes.counter"),
    ] {
        counts.insert(name, mm.unsigned(field)?);
    }
    let resident = resident(mm, cached)?;
    let [file, anonymous, _, shared] = resident;
    let total = file.saturating_add(anonymous).saturating_add(shared);
    for (name, pages) in ["rss_file", "rss_anon", "swap", "rss_shmem"]
        .into_iter()
        .zip(resident)
        .chain([("rss", total)])
    {
        counts.insert(name, pages.max(0) as u64);
    }
    Ok(counts)
}

/// Pages by kind: MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES (`include/linux/mm.h`:
/// get_mm_counter). What the counters of 6.12 keep by CPU is in them here.
fn resident(mm: &Saved<'_>, cached: Option<[i64; 4]>) -> Result<[i64; 4], FieldError> {
    let mut pages = cached.unwrap_or_default();
    for (kind, pages) in pages.iter_mut().enumerate() {
        let counter = format!("rss_stat[{kind}].count|rss_stat.count[{kind}].counter");
        *pages = pages.saturating_add(mm.signed(&counter)?);
    }
    Ok(pages)
}

/// What the threads of an address space keep to themselves for a while (6.1 `mm/memory.c`:
/// add_mm_counter_fast).
fn cached(mm: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Option<[i64; 4]>, FieldError> {
    let mut all = None;
    for task in belongings.users.get(&mm.at().0).into_iter().flatten() {
        if task.has("rss_stat") {
            let pages = all.get_or_insert([0i64; 4]);
            for (kind, pages) in pages.iter_mut().enumerate() {
                let own = task.signed(&format!("rss_stat.count[{kind}]"))?;
                *pages = pages.saturating_add(own);
            }
        }
    }
    Ok(all)
}

fn mapping(
    vma: &Saved<'_>,
    mm: &Saved<'_>,
    space: Option<&AddressSpace>,
) -> Result<Vma, FieldError> {
    let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
    let flags = vma.unsigned("vm_flags")?;
    let file = vma.follow("vm_file")?;
    let resource = match file {
        Some(file) => file.resource("f_path.dentry")?,
        None => None,
    };
    let permissions = [(1, 'r'), (2, 'w'), (4, 'x')]
        .map(|(bit, letter)| if flags & bit != 0 { letter } else { '-' })
        .into_iter()
        .chain([if flags & 8 != 0 { 's' } else { 'p' }]);
    Ok(Vma {
        addr: hex(vma.at().0),
        start: format!("{start:#x}"),
        end: format!("{end:#x}"),
        permissions: permissions.collect(),
        flags: hex(flags),
        pgoff: vma.unsigned("vm_pgoff")?,
        path: match file {
            Some(_) => resource.and_then(path_of),
            None => name(vma, mm, start, end)?,
        },
        kind: resource.map(|resource| resource.kind.clone()),
        device: resource.and_then(|resource| resource.text("device").map(str::to_owned)),
        inode: resource
            .and_then(|resource| number_of(resource, "inode"))
            .map(|inode| inode as u64),
        ops: vma.symbol("vm_ops")?.map(symbol_text),
        present_pages: space.map_or(0, |space| present(space, start, end)),
    })
}

/// What `/proc/PID/maps` calls a mapping without a file (`fs/proc/task_mmu.c`: show_map_vma, 6.1;
/// get_vma_name, 6.12).
fn name(
    vma: &Saved<'_>,
    mm: &Saved<'_>,
    start: u64,
    end: u64,
) -> Result<Option<String>, FieldError> {
    let special = mm.objects().head().resources.iter().find(|resource| {
        matches!(resource.kind.as_str(), "vdso" | "vvar")
            && number_of(resource, "start") == Some(start as i64)
            && resource.get("mm") == Some(&kconv_image::Value::Object(mm.id()))
    });
    if let Some(special) = special {
        return Ok(Some(format!("[{}]", special.kind)));
    }
    if vma.symbol("vm_ops")?.is_some() {
        return Ok(None);
    }
    let stack = mm.unsigned("start_stack")?;
    Ok(
        if start < mm.unsigned("brk")? && end > mm.unsigned("start_brk")? {
            Some(String::from("[heap]"))
        } else if (start..=end).contains(&stack) {
            Some(String::from("[stack]"))
        } else {
            None
        },
    )
}

/// The NUL-closed texts in user memory from one bound to another, as far as they were saved.
fn strings(mm: &Saved<'_>, from: &str, to: &str) -> Result<Vec<String>, FieldError> {
    let (start, end) = (mm.unsigned(from)?, mm.unsigned(to)?);
    let end = end.min(start.saturating_add(MOST_TEXT));
    let mut bytes = Vec::new();
    let mut at = start;
    while at < end {
        let base = at - at % PAGE_SIZE;
        let Ok(Some(page)) = mm.objects().image().read_page(mm.id(), UserAddr(base)) else {
            break;
        };
        let upto = end.min(base.saturating_add(PAGE_SIZE));
        bytes.extend_from_slice(&page[(at - base) as usize..(upto - base) as usize]);
        at = upto;
    }
    let text = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let texts = text.split(|byte| *byte == 0);
    Ok(texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect())
}
