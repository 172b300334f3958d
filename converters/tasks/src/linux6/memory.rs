//! An address space: its bounds, its counters, its mappings.

use super::Belongings;
use super::each;
use super::resource;
use crate::model::{self, Bounds, Mapping, MemoryControls, Space};
use crate::raw::hex;
use crate::values::present;
use crate::view::symbol_text;
use kconv_image::{AddressSpace, ObjectId, PAGE_SIZE, UserAddr};
use kconv_objects::{FieldError, Saved};
use kconv_resources::Kind;
use kconv_resources::linux6::{Resource, Resources};
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
    let own = Space::of(mm)?;
    let pages = belongings.spaces.get(&mm.id()).copied();
    let filter = own.flags >> MMF_DUMP_FILTER_SHIFT & MMF_DUMP_FILTER_MASK;
    let cached = cached(mm, belongings)?;
    let mut vmas = Vec::new();
    let resources = &belongings.resources;
    for vma in belongings.vmas.get(&mm.at().0).into_iter().flatten() {
        let mapping = Mapping::of(vma)?;
        let shown = shown((vma, &mapping), (mm, &own.bounds), pages, resources)?;
        vmas.push((mapping.start, shown));
    }
    vmas.sort_by_key(|(start, _)| *start);
    Ok(Mm {
        addr: hex(mm.at().0),
        counts: counts(mm, &own.bounds, cached)?,
        rss_cached: cached,
        flags: hex(own.flags),
        dumpable: own.flags & MMF_DUMPABLE_MASK,
        coredump_filter: hex(filter),
        thp_enabled: own.flags >> MMF_DISABLE_THP & 1 == 0,
        exe: match own.program {
            Some(exe) => {
                let opened = resource_of(mm, exe, resources)?;
                opened.and_then(Resource::path).map(str::to_owned)
            }
            None => None,
        },
        cmdline: strings(mm, own.bounds.arg_start, own.bounds.arg_end),
        environ: strings(mm, own.bounds.env_start, own.bounds.env_end),
        auxv: own.auxiliary_vector(),
        membarrier: hex(MemoryControls::of(mm)?.barriers),
        vdso: hex(mm.unsigned("context.vdso")?),
        binfmt: mm.symbol("binfmt")?.map(symbol_text),
        ldt_entries: own.segments.len() as u64,
        vmas: vmas.into_iter().map(|(_, vma)| vma).collect(),
    })
}

/// What a `struct file` is of.
fn resource_of<'r>(
    near: &Saved<'_>,
    file: ObjectId,
    resources: &'r Resources,
) -> Result<Option<&'r Resource>, FieldError> {
    resource(&near.objects().object(file)?, "f_path.dentry", resources)
}

fn counts(
    mm: &Saved<'_>,
    bounds: &Bounds,
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
        "mmap_base",
        "task_size",
        "def_flags",
    ];
    let mut counts = each(names, |field| mm.unsigned(field))?;
    counts.extend(Bounds::NAMES.into_iter().zip(bounds.in_order()));
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

fn shown(
    (vma, mapping): (&Saved<'_>, &Mapping),
    (mm, bounds): (&Saved<'_>, &Bounds),
    pages: Option<&AddressSpace>,
    resources: &Resources,
) -> Result<Vma, FieldError> {
    let model::Mapping {
        start, end, flags, ..
    } = *mapping;
    let opened = match mapping.file {
        Some(file) => resource_of(vma, file, resources)?,
        None => None,
    };
    let permissions = [(1, 'r'), (2, 'w'), (4, 'x')]
        .map(|(bit, letter)| if flags & bit != 0 { letter } else { '-' })
        .into_iter()
        .chain([if flags & 8 != 0 { 's' } else { 'p' }]);
    Ok(Vma {
        addr: hex(vma.at().0),
        start: hex(start),
        end: hex(end),
        permissions: permissions.collect(),
        flags: hex(flags),
        pgoff: mapping.page_offset,
        path: match mapping.file {
            Some(_) => opened.and_then(Resource::path).map(str::to_owned),
            None => name((vma, mapping), (mm, bounds), resources)?,
        },
        kind: opened.map(|opened| opened.kind().to_owned()),
        device: opened
            .and_then(Resource::device)
            .map(|device| device.to_string()),
        inode: opened.and_then(Resource::inode),
        ops: vma.symbol("vm_ops")?.map(symbol_text),
        present_pages: pages.map_or(0, |pages| present(pages, start, end)),
    })
}

/// What `/proc/PID/maps` calls a mapping without a file (`fs/proc/task_mmu.c`: show_map_vma, 6.1;
/// get_vma_name, 6.12).
fn name(
    (vma, mapping): (&Saved<'_>, &Mapping),
    (mm, bounds): (&Saved<'_>, &Bounds),
    resources: &Resources,
) -> Result<Option<String>, FieldError> {
    let (start, end) = (mapping.start, mapping.end);
    let mut special = resources.iter().filter(|(_, resource)| match resource {
        Resource::Vdso(special) | Resource::Vvar(special) => {
            special.start == start && special.mm == mm.id()
        }
        _ => false,
    });
    if let Some((_, special)) = special.next() {
        return Ok(Some(format!("[{}]", special.kind())));
    }
    if vma.symbol("vm_ops")?.is_some() {
        return Ok(None);
    }
    Ok(if start < bounds.brk && end > bounds.start_brk {
        Some(String::from("[heap]"))
    } else if (start..=end).contains(&bounds.start_stack) {
        Some(String::from("[stack]"))
    } else {
        None
    })
}

/// The NUL-closed texts in user memory from one bound to another, as far as they were saved.
fn strings(mm: &Saved<'_>, start: u64, end: u64) -> Vec<String> {
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
    texts
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}
