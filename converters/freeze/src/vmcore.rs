//! The memory of a machine in a file: an ELF core as `/proc/vmcore` and QEMU's
//! `dump-guest-memory` give it, or one that makedumpfile compressed (kdump).
//!
//! Such a file has physical memory. Virtual addresses are found through the kernel's own page
//! tables, symbols in its own table of symbols, types in its own type information; where those
//! are, the kernel's `VMCOREINFO` tells.

mod kdump;

pub use kdump::KdumpError;

use crate::elf::{self, ElfError};
use crate::error::FreezeError;
use crate::freeze::{Kernel, Order, Summary, freeze};
use crate::judge::Judge;
use crate::kallsyms;
use crate::modules;
use crate::paging::{Leaf, PageTables};
use crate::physical::{Physical, Segments};
use crate::source::{Content, MemorySource, PresentPage, ReadError, Space};
use crate::symbols::Symbols;
use crate::vmcoreinfo::Info;
use crate::walk::Selection;
use kconv_image::{KernelAddr, Machine, PAGE_SIZE, UserAddr};
use kconv_machine::{IdentifyError, identify};
use kconv_resources::{ReadFrom, Source};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The most bytes of type information: Debian's kernels have 5 MiB.
const MAX_BTF: u64 = 1 << 28;

/// A dump of a machine that gave no image, and why.
#[derive(Debug, thiserror::Error)]
pub enum VmcoreError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is no core file.
    #[error("{}: {source}", path.display())]
    Elf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ElfError,
    },
    /// The file is damaged, or compressed in a way that is not known here.
    #[error("{}: {source}", path.display())]
    Kdump {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: KdumpError,
    },
    /// The kernel's description of itself is neither in the notes nor in memory.
    #[error("{}: the dump has no VMCOREINFO of a kernel", path.display())]
    NoInfo {
        /// The file.
        path: PathBuf,
    },
    /// The description lacks something.
    #[error("{}: the VMCOREINFO of the kernel lacks {key}", path.display())]
    Lacks {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
    /// Something that the description points at is not in the dump.
    #[error("{}: {what} of the kernel cannot be read: {source}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
        /// Why.
        source: ReadError,
    },
    /// The kernel's table of symbols makes no sense.
    #[error("{}: the kernel's table of symbols is damaged, or of another form", path.display())]
    Symbols {
        /// The file.
        path: PathBuf,
    },
    /// The kernel's description of itself and its type information are of two kernels.
    #[error(
        "{}: the types in the dump are not those of the kernel that calls itself {release}: {}",
        path.display(),
        other.join("; ")
    )]
    OtherTypes {
        /// The file.
        path: PathBuf,
        /// What the kernel calls itself.
        release: String,
        /// What the types have otherwise, by type and member.
        other: Vec<String>,
    },
    /// Nobody knows how the kernel's structures lie.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
    /// The freeze failed.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
}

impl VmcoreError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            VmcoreError::Io { .. } => "name a file that can be read",
            VmcoreError::Elf { .. } => {
                "name a dump of a whole machine: /proc/vmcore, makedumpfile's, or QEMU's dump-guest-memory"
            }
            VmcoreError::Kdump { source, .. } => source.advice(),
            VmcoreError::NoInfo { .. } => {
                "dump all memory of the machine, and not the memory of one process"
            }
            VmcoreError::Lacks { .. } => "dump a kernel of Linux 6.1 or later with CONFIG_KALLSYMS",
            VmcoreError::Missing { .. } => {
                "dump all memory: leave out no kernel pages (makedumpfile -d 0 to 31 keep them)"
            }
            VmcoreError::Symbols { .. } | VmcoreError::OtherTypes { .. } => {
                "dump the machine again"
            }
            VmcoreError::Identify(error) => error.advice(),
            VmcoreError::Freeze(error) => error.advice(),
        }
    }
}

/// Makes an image at `destination` of the processes `pids` of the machine that was dumped to
/// `path`, with all their threads. It ran a kernel of `registry`, or one that lies like one.
///
/// # Errors
/// If the dump cannot be used or the processes cannot be saved; then there is no image.
pub fn freeze_vmcore(
    registry: &Registry,
    path: &Path,
    pids: &[i32],
    judge: &mut Judge<'_>,
    destination: &Path,
) -> Result<Summary, VmcoreError> {
    let mut dump = Vmcore::open(path)?;
    let btf = dump.btf(path)?;
    let all = kernel_structs::btf::read(&btf).map_err(IdentifyError::from)?;
    let mut symbols = std::mem::take(&mut dump.symbols);
    modules::add(&dump, &all, &mut symbols);
    dump.symbols = symbols;
    let types = dump.types.insert(all);
    let lacks = |key: &str| VmcoreError::Lacks {
        path: path.to_owned(),
        key: key.to_owned(),
    };
    let release = dump
        .info
        .text("OSRELEASE")
        .ok_or_else(|| lacks("OSRELEASE"))?;
    let other = dump.info.mismatches(types);
    if !other.is_empty() {
        return Err(VmcoreError::OtherTypes {
            path: path.to_owned(),
            release: release.to_owned(),
            other,
        });
    }
    let identified = identify(registry, &btf, release, dump.info.build_id())?;
    let kernel = Kernel {
        layout: &identified.layout,
        map: &identified.map,
        machine: Machine::X86_64,
        id: identified.id,
        hz: identified.hz,
    };
    let processes: BTreeSet<i64> = pids.iter().map(|pid| i64::from(*pid)).collect();
    let selection = Selection::Processes(processes);
    let order = Order {
        selection: &selection,
        keeps_programs: false,
        judge,
        destination,
    };
    Ok(freeze(&dump, &kernel, order)?)
}

/// How often page tables are asked for the pages of tasks, for each page of the dump, and besides. A table has 512 entries, and a
/// page may be that of many tasks; but tables that lead to themselves have 2^36 pages in one.
const STEPS: (u64, u64) = (1024, 1 << 18);

/// The memory of a dumped machine.
struct Vmcore {
    physical: Box<dyn Physical>,
    /// How often page tables may still be asked for the pages of tasks.
    steps: Cell<u64>,
    info: Info,
    tables: PageTables,
    symbols: Symbols,
    /// All types of the kernel.
    types: Option<Layout>,
}

impl Vmcore {
    fn open(path: &Path) -> Result<Vmcore, VmcoreError> {
        let io = |source| VmcoreError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let (physical, note): (Box<dyn Physical>, _) = if elf::is_elf(&file).map_err(io)? {
            let core = elf::read(&file).map_err(|source| VmcoreError::Elf {
                path: path.to_owned(),
                source,
            })?;
            let mut notes = core.notes.into_iter();
            let note = notes.find(|note| note.owner == "VMCOREINFO");
            let segments = Segments::new(file, core.loads);
            (Box::new(segments), note.map(|note| note.bytes))
        } else {
            let dump = kdump::Kdump::open(file).map_err(|source| VmcoreError::Kdump {
                path: path.to_owned(),
                source,
            })?;
            let note = dump.vmcoreinfo();
            (Box::new(dump), note)
        };
        let info = match note.map(|note| Info::parse(&note)) {
            Some(info) if info.text("OSRELEASE").is_some() => info,
            _ => Info::find(&*physical).ok_or_else(|| VmcoreError::NoInfo {
                path: path.to_owned(),
            })?,
        };
        let lacks = |key: &str| VmcoreError::Lacks {
            path: path.to_owned(),
            key: key.to_owned(),
        };
        let tables = PageTables::of(&info).map_err(lacks)?;
        let mut dump = Vmcore {
            steps: steps(&*physical),
            physical,
            info,
            tables,
            symbols: Symbols::default(),
            types: None,
        };
        dump.symbols = kallsyms::read(&dump, &dump.info).map_err(|error| match error {
            kallsyms::TableError::Lacks(key) => lacks(key),
            kallsyms::TableError::Read(source) => VmcoreError::Missing {
                path: path.to_owned(),
                what: "the table of symbols",
                source,
            },
            kallsyms::TableError::Damaged => VmcoreError::Symbols {
                path: path.to_owned(),
            },
        })?;
        Ok(dump)
    }

    /// The kernel's type information, which lies in its image.
    fn btf(&self, path: &Path) -> Result<Vec<u8>, VmcoreError> {
        let symbol = |name: &str| {
            self.symbols.symbol(name).ok_or_else(|| VmcoreError::Lacks {
                path: path.to_owned(),
                key: format!("the symbol {name}, which CONFIG_DEBUG_INFO_BTF makes"),
            })
        };
        let (start, stop) = (symbol("__start_BTF")?, symbol("__stop_BTF")?);
        let size = stop.0.saturating_sub(start.0).min(MAX_BTF);
        let mut bytes = vec![0; size as usize];
        self.read(start, &mut bytes)
            .map_err(|source| VmcoreError::Missing {
                path: path.to_owned(),
                what: "the type information (BTF)",
                source,
            })?;
        Ok(bytes)
    }

    /// The physical page of user memory at `at`.
    fn user_page(&self, space: &Space<'_>, at: UserAddr) -> Result<Option<u64>, ReadError> {
        match self.user_leaf(space, at.0)? {
            Leaf::Page { physical, .. } => Ok(Some(physical & !(PAGE_SIZE - 1))),
            Leaf::Swapped => Err(ReadError::Swapped { mm: space.mm, at }),
            Leaf::Nothing { .. } => Ok(None),
        }
    }

    fn user_leaf(&self, space: &Space<'_>, at: u64) -> Result<Leaf, ReadError> {
        let missing = ReadError::NoPage {
            mm: space.mm,
            at: UserAddr(at),
        };
        let root = space.page_tables.ok_or(missing)?;
        let root = self.tables.root_of(&*self.physical, root)?;
        self.tables.walk(&*self.physical, root, at)
    }

    /// Whether the page at a physical address is a task's own, and not one of a file
    /// (`include/linux/page-flags.h`: PageAnon).
    fn is_anonymous(&self, physical: u64) -> Result<bool, ReadError> {
        // struct page of 6.1 and 6.12 on x86-64.
        const SIZE: u64 = 64;
        const MAPPING: u64 = 24;
        const COMPOUND_HEAD: u64 = 8;
        const ANONYMOUS: u64 = 1;
        let Some(base) = self.symbols.symbol("vmemmap_base") else {
            return Ok(true);
        };
        let base = self.word(base.0)?;
        let mut page = base.wrapping_add(physical / PAGE_SIZE * SIZE);
        let head = self.word(page.wrapping_add(COMPOUND_HEAD))?;
        if head & 1 != 0 {
            page = head - 1;
        }
        Ok(self.word(page.wrapping_add(MAPPING))? & ANONYMOUS != 0)
    }

    fn word(&self, at: u64) -> Result<u64, ReadError> {
        let mut word = [0; 8];
        self.read(KernelAddr(at), &mut word)?;
        Ok(u64::from_le_bytes(word))
    }
}

/// How often page tables of tasks are asked, at most, in this memory.
fn steps(physical: &dyn Physical) -> Cell<u64> {
    let ranges = physical.ranges().into_iter();
    let bytes = ranges.fold(0u64, |sum, (from, to)| {
        sum.saturating_add(to.saturating_sub(from))
    });
    let pages = bytes / PAGE_SIZE;
    Cell::new(pages.saturating_mul(STEPS.0).saturating_add(STEPS.1))
}

impl MemorySource for Vmcore {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        let mut done = 0;
        while done < size {
            let missing = ReadError::Missing { at, size };
            let Some(place) = at.checked_add(done) else {
                return Err(missing);
            };
            let physical = self.tables.translate(&*self.physical, place.0)?;
            let physical = physical.ok_or(missing)?;
            let part = (PAGE_SIZE - place.0 % PAGE_SIZE).min(size - done);
            let into = &mut into[done as usize..(done + part) as usize];
            self.physical.read(physical, into)?;
            done += part;
        }
        Ok(())
    }

    fn types(&self) -> Option<&Layout> {
        self.types.as_ref()
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.symbols.symbol(name)
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        self.symbols.symbolise(at)
    }

    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        let mut found = Vec::new();
        let mut page = [0; PAGE_SIZE as usize];
        for mapping in space.mappings {
            if mapping.content == Content::Elsewhere {
                continue;
            }
            let mut at = mapping.start;
            while at < mapping.end {
                let steps = self.steps.get().checked_sub(1).ok_or_else(|| {
                    let what = "page tables of tasks lead to more than the dump can have";
                    io::Error::new(io::ErrorKind::InvalidData, what)
                })?;
                self.steps.set(steps);
                match self.user_leaf(space, at)? {
                    Leaf::Nothing { skip } => {
                        at = (at & !(skip - 1)).saturating_add(skip);
                        continue;
                    }
                    Leaf::Swapped => {
                        let (mm, at) = (space.mm, UserAddr(at));
                        return Err(ReadError::Swapped { mm, at });
                    }
                    Leaf::Page { physical } => {
                        self.physical.read(physical & !(PAGE_SIZE - 1), &mut page)?;
                        let saved = match mapping.content {
                            Content::OfFile => self.is_anonymous(physical)?,
                            _ => page.iter().any(|byte| *byte != 0),
                        };
                        if saved {
                            found.push(UserAddr(at).into());
                        }
                    }
                }
                at += PAGE_SIZE;
            }
        }
        Ok(found)
    }

    fn read_pages(
        &self,
        space: &Space<'_>,
        at: UserAddr,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        for (at, into) in at.pages().zip(into.chunks_exact_mut(PAGE_SIZE as usize)) {
            let page = self.user_page(space, at)?;
            let page = page.ok_or(ReadError::NoPage { mm: space.mm, at })?;
            self.physical.read(page, into)?;
        }
        Ok(())
    }

    fn tick_rate(&self) -> Option<u32> {
        None
    }

    fn vmcoreinfo(&self) -> Option<Vec<u8>> {
        Some(self.info.bytes().to_vec())
    }

    fn facts(&self) -> Source {
        Source::read_from(ReadFrom::MachineDump)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::source::Mapping;
    use std::os::unix::fs::FileExt;

    /// Memory of one page, each word of which is an entry that leads to the page itself.
    fn round() -> Vmcore {
        let file = tempfile::tempfile().unwrap();
        let table: Vec<u8> = 0x1007u64.to_le_bytes().repeat(512);
        file.write_all_at(&table, 0).unwrap();
        let load = elf::Load {
            virt: 0,
            phys: 0x1000,
            offset: 0,
            size: PAGE_SIZE,
        };
        let physical: Box<dyn Physical> = Box::new(Segments::new(file, vec![load]));
        Vmcore {
            steps: steps(&*physical),
            physical,
            info: Info::parse(b""),
            tables: PageTables::new(0xffff_ffff_8000_1000, 0, false, 0),
            symbols: Symbols::default(),
            types: None,
        }
    }

    #[test]
    fn page_tables_that_lead_to_themselves_are_not_followed_for_ever() {
        let mapped = |end| {
            let mapping = Mapping {
                start: 0,
                end,
                access: 6,
                content: Content::Own,
            };
            let space = Space {
                page_tables: Some(KernelAddr(0xffff_ffff_8000_1000)),
                mappings: &[mapping],
                ..Space::of(KernelAddr(0x1000))
            };
            round().pages(&space).map(|pages| pages.len())
        };
        assert_eq!(mapped(100 * PAGE_SIZE).unwrap(), 100);
        let error = mapped(1 << 47).unwrap_err();
        assert!(
            error.to_string().contains("more than the dump can have"),
            "{error}"
        );
    }
}
