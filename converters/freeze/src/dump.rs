//! A sparse dump of kernel memory in a directory.
//!
//! | file | what it holds |
//! |---|---|
//! | `index.json` | `meta`: what kernel it was; `objects`: address and size of every object and its place in `objects.bin`, and the symbol it lies at; `pages`: address space, address, and place in `pages.bin` of every user page |
//! | `objects.bin` | the bytes of the objects; objects may overlap |
//! | `pages.bin` | the user pages, 4096 bytes each |
//! | `symbols.json` | optional: what addresses in the kernel image mean, as `symbol` or `symbol+0xoffset` |
//! | `System.map` | optional, and as good: the symbols of the kernel image, as `nm -n` lists them |
//!
//! Everything is checked when the dump is opened. Memory is proportional to the size of the files, of which most has to
//! be there.

use crate::source::{MemorySource, PresentPage, ReadError, Space};
use crate::symbols::SystemMap;
use kconv_image::{KernelAddr, PAGE_SIZE, UserAddr};
use kconv_resources::Source;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Beginnings of the configuration lines that decide what the saved state looks like.
const TELLING_CONFIG: [&str; 8] = [
    "CONFIG_M386",
    "CONFIG_M486",
    "CONFIG_M586",
    "CONFIG_M686",
    "CONFIG_MK",
    "CONFIG_SMP",
    "CONFIG_HIGHMEM",
    "CONFIG_MATH_EMULATION",
];

/// A dump, opened.
#[derive(Debug)]
pub struct Dump {
    meta: Meta,
    objects: Vec<u8>,
    pages: Vec<u8>,
    /// What is in `objects`, by address, not overlapping.
    spans: Vec<Span>,
    /// Sizes of the objects as they were dumped, by address: the smallest at each.
    sizes: BTreeMap<u64, u64>,
    /// Types of the objects, and the sizes of those that the dump has of them.
    types: BTreeSet<(String, u64)>,
    /// Places in `pages`, by address space and address.
    page_places: BTreeMap<(KernelAddr, UserAddr), usize>,
    symbols: BTreeMap<String, KernelAddr>,
    names: BTreeMap<KernelAddr, (String, u64)>,
    /// The symbols of a `System.map`, if there is one.
    system_map: Option<SystemMap>,
    /// First byte, size, symbol and offset of the objects in the kernel image.
    statics: BTreeMap<KernelAddr, (u64, String, u64)>,
}

/// Bytes that lie side by side in memory and in `objects.bin`.
#[derive(Copy, Clone, Debug)]
struct Span {
    start: u64,
    size: u64,
    place: usize,
}

/// A dump that cannot be used, and why.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A file cannot be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not JSON of the expected shape.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A text that should be an address is none.
    #[error("{}: {place}: `{found}` is no address such as 0xc0100000", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
        /// The text.
        found: String,
    },
    /// A text that should name a place in the kernel image does not.
    #[error("{}: {place}: `{found}` is no symbol such as schedule+0x19b", path.display())]
    Symbol {
        /// The file.
        path: PathBuf,
        /// The entry.
        place: String,
        /// The text.
        found: String,
    },
    /// A line of a `System.map` is none.
    #[error("{}:{line}: `{found}` is no line such as `c0105000 T _stext`", path.display())]
    SystemMap {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// The line.
        found: String,
    },
    /// One symbol at two places.
    #[error("{}: {place}: {name} is at {first} and at {second}", path.display())]
    SymbolMoved {
        /// The file.
        path: PathBuf,
        /// The later entry.
        place: String,
        /// The symbol.
        name: String,
        /// Where earlier entries have it.
        first: KernelAddr,
        /// Where this entry has it.
        second: KernelAddr,
    },
    /// An entry lies outside its file.
    #[error("{}: {place}: {size} bytes at {offset} are past the end of {file} ({length} bytes)", path.display())]
    Outside {
        /// The index.
        path: PathBuf,
        /// The entry.
        place: String,
        /// The file that the entry refers to.
        file: &'static str,
        /// Where the bytes should begin.
        offset: u64,
        /// How many.
        size: u64,
        /// How many bytes the file has.
        length: usize,
    },
    /// An object passes the end of the address space.
    #[error("{}: {place}: {size} bytes at {at} pass the end of memory", path.display())]
    Wraps {
        /// The index.
        path: PathBuf,
        /// The entry.
        place: String,
        /// Where it begins.
        at: KernelAddr,
        /// Its size.
        size: u64,
    },
    /// A page does not begin at a page's address, or is there twice.
    #[error("{}: {place}: page {at} of address space {mm} is {flaw}", path.display())]
    Page {
        /// The index.
        path: PathBuf,
        /// The entry.
        place: String,
        /// The address space.
        mm: KernelAddr,
        /// Its address.
        at: UserAddr,
        /// What is wrong with it.
        flaw: &'static str,
    },
}

impl DumpError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            DumpError::Read { .. } => {
                "a dump is a directory with index.json, objects.bin and pages.bin"
            }
            DumpError::SystemMap { .. } => {
                "give the System.map of the very kernel that was running; it lies in /boot, or where the kernel was built"
            }
            _ => "the dump is damaged or incomplete; copy or take it again",
        }
    }
}

#[derive(Deserialize)]
struct Index {
    meta: Meta,
    objects: Vec<ObjectEntry>,
    pages: Vec<PageEntry>,
}

/// What a dump says of its kernel.
#[derive(Clone, Debug, Deserialize)]
pub struct Meta {
    /// The release, such as `2.4.36`.
    pub kernel: String,
    /// The machine, such as `i386`.
    pub arch: String,
    /// Whether the kernel was built for several processors.
    pub smp: bool,
    /// Name of the processor model.
    #[serde(default)]
    pub cpu: Option<String>,
    /// Bytes of memory.
    #[serde(default)]
    pub mem: Option<u64>,
    /// Ticks a second.
    #[serde(rename = "HZ")]
    pub hz: u32,
    /// Lines of the kernel's configuration.
    #[serde(default)]
    pub config: Vec<String>,
    /// Bytes of a `task_struct`.
    #[serde(default)]
    pub task_size: Option<u64>,
}

#[derive(Deserialize)]
struct ObjectEntry {
    addr: String,
    size: u64,
    offset: u64,
    symbol: Option<String>,
    /// Its type as C has it, such as `struct task_struct`.
    #[serde(rename = "type")]
    ty: Option<String>,
}

#[derive(Deserialize)]
struct PageEntry {
    mm: String,
    vaddr: String,
    offset: u64,
}

impl Dump {
    /// Opens the dump in `directory`.
    ///
    /// # Errors
    /// If a file cannot be read, or the index does not fit the others.
    pub fn open(directory: &Path) -> Result<Dump, DumpError> {
        let index_path = directory.join("index.json");
        let index: Index = json(&index_path)?;
        let mut dump = Dump {
            meta: index.meta,
            objects: bytes(&directory.join("objects.bin"))?,
            pages: bytes(&directory.join("pages.bin"))?,
            spans: Vec::new(),
            sizes: BTreeMap::new(),
            types: BTreeSet::new(),
            page_places: BTreeMap::new(),
            symbols: BTreeMap::new(),
            names: BTreeMap::new(),
            system_map: None,
            statics: BTreeMap::new(),
        };
        let task = dump.meta.task_size;
        let task = task.map(|size| ("struct task_struct".to_owned(), size));
        dump.types.extend(task);
        dump.add_objects(&index_path, &index.objects)?;
        dump.add_pages(&index_path, &index.pages)?;
        let symbols_path = directory.join("symbols.json");
        if symbols_path.exists() {
            let symbols: BTreeMap<String, String> = json(&symbols_path)?;
            for (address, name) in &symbols {
                let at = KernelAddr(number(&symbols_path, address, address)?);
                let symbol = dump.add_symbol(&symbols_path, address, at, name)?;
                dump.names.insert(at, symbol);
            }
        }
        let map_path = directory.join("System.map");
        if map_path.exists() {
            dump.add_system_map(&map_path)?;
        }
        Ok(dump)
    }

    /// Takes the symbols of the kernel image from a `System.map`, besides those that the dump has.
    ///
    /// # Errors
    /// If it cannot be read, or has a symbol elsewhere than the dump has it: then it is that of
    /// another kernel.
    pub fn add_system_map(&mut self, path: &Path) -> Result<(), DumpError> {
        let map = SystemMap::parse(&String::from_utf8_lossy(&bytes(path)?));
        let map = map.map_err(|(line, found)| DumpError::SystemMap {
            path: path.to_owned(),
            line,
            found,
        })?;
        for (name, first) in &self.symbols {
            if let Some(second) = map.symbol(name).filter(|second| second != first) {
                return Err(DumpError::SymbolMoved {
                    path: path.to_owned(),
                    place: "it is of another kernel".to_owned(),
                    name: name.clone(),
                    first: *first,
                    second,
                });
            }
        }
        self.system_map = Some(map);
        Ok(())
    }

    /// Types of the dumped objects as C has them, with the sizes that objects of them have.
    pub(crate) fn sizes(&self) -> &BTreeSet<(String, u64)> {
        &self.types
    }

    /// What the dump says of its kernel.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    fn add_objects(&mut self, path: &Path, entries: &[ObjectEntry]) -> Result<(), DumpError> {
        let mut spans = Vec::with_capacity(entries.len());
        for (number_of, entry) in entries.iter().enumerate() {
            let place = format!("objects[{number_of}]");
            let start = number(path, &place, &entry.addr)?;
            let size = entry.size;
            let length = self.objects.len();
            let at = within(path, &place, "objects.bin", entry.offset, size, length)?;
            if start.checked_add(size).is_none() {
                return Err(DumpError::Wraps {
                    path: path.to_owned(),
                    place,
                    at: KernelAddr(start),
                    size,
                });
            }
            if let Some(name) = &entry.symbol {
                let (name, offset) = self.add_symbol(path, &place, KernelAddr(start), name)?;
                let known = self
                    .statics
                    .get(&KernelAddr(start))
                    .map_or(0, |known| known.0);
                if size > known {
                    self.statics.insert(KernelAddr(start), (size, name, offset));
                }
            }
            let composite = |ty: &&String| ty.starts_with("struct ") || ty.starts_with("union ");
            let ty = entry.ty.as_ref().filter(composite);
            self.types.extend(ty.map(|ty| (ty.clone(), size)));
            let smallest = self.sizes.entry(start).or_insert(size);
            *smallest = size.min(*smallest);
            spans.push(Span {
                start,
                size,
                place: at,
            });
        }
        // Parts of an object have entries too; the whole of it answers for them.
        let mut end = 0;
        self.statics.retain(|at, (size, _, _)| {
            let new = at.0 + *size > end;
            end = end.max(at.0 + *size);
            new
        });
        spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.size)));
        let mut end = 0;
        for span in spans {
            let known = end.max(span.start) - span.start;
            if known < span.size {
                end = span.start + span.size;
                self.spans.push(Span {
                    start: span.start + known,
                    size: span.size - known,
                    place: span.place + known as usize,
                });
            }
        }
        Ok(())
    }

    fn add_pages(&mut self, path: &Path, entries: &[PageEntry]) -> Result<(), DumpError> {
        for (number_of, entry) in entries.iter().enumerate() {
            let place = format!("pages[{number_of}]");
            let mm = KernelAddr(number(path, &place, &entry.mm)?);
            let at = UserAddr(number(path, &place, &entry.vaddr)?);
            let length = self.pages.len();
            let offset = within(path, &place, "pages.bin", entry.offset, PAGE_SIZE, length)?;
            let flaw = if at.0.is_multiple_of(PAGE_SIZE) {
                let before = self.page_places.insert((mm, at), offset);
                before.map(|_| "there twice")
            } else {
                Some("not at a multiple of 4096")
            };
            if let Some(flaw) = flaw {
                return Err(DumpError::Page {
                    path: path.to_owned(),
                    place,
                    mm,
                    at,
                    flaw,
                });
            }
        }
        Ok(())
    }

    /// Takes down that `at` is what `text` names, and returns its parts.
    fn add_symbol(
        &mut self,
        path: &Path,
        place: &str,
        at: KernelAddr,
        text: &str,
    ) -> Result<(String, u64), DumpError> {
        let bad = || DumpError::Symbol {
            path: path.to_owned(),
            place: place.to_owned(),
            found: text.to_owned(),
        };
        let (name, offset) = match text.split_once('+') {
            None => (text, 0),
            Some((name, offset)) => (name, hexadecimal(offset).ok_or_else(bad)?),
        };
        let base =
            at.0.checked_sub(offset)
                .filter(|_| !name.is_empty())
                .ok_or_else(bad)?;
        let first = *self
            .symbols
            .entry(name.to_owned())
            .or_insert(KernelAddr(base));
        if first.0 != base {
            return Err(DumpError::SymbolMoved {
                path: path.to_owned(),
                place: place.to_owned(),
                name: name.to_owned(),
                first,
                second: KernelAddr(base),
            });
        }
        Ok((name.to_owned(), offset))
    }

    /// The bytes from `at` to the end of what lies side by side with it.
    fn rest_of_span(&self, at: u64) -> Option<&[u8]> {
        let after = self.spans.partition_point(|span| span.start <= at);
        let span = self.spans[..after].last()?;
        let skip = at - span.start;
        (skip < span.size).then(|| {
            let from = span.place + skip as usize;
            &self.objects[from..span.place + span.size as usize]
        })
    }
}

impl MemorySource for Dump {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        let mut filled = 0;
        while filled < into.len() {
            let rest = at
                .checked_add(filled as u64)
                .and_then(|at| self.rest_of_span(at.0));
            let rest = rest.ok_or(ReadError::Missing { at, size })?;
            let part = rest.len().min(into.len() - filled);
            into[filled..filled + part].copy_from_slice(&rest[..part]);
            filled += part;
        }
        Ok(())
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        let known = self.symbols.get(name).copied();
        known.or_else(|| self.system_map.as_ref()?.symbol(name))
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        if let Some(name) = self.names.get(&at) {
            return Some(name.clone());
        }
        if let Some((start, (size, name, offset))) = self.statics.range(..=at).next_back()
            && at.0 - start.0 < *size
        {
            return Some((name.clone(), offset + (at.0 - start.0)));
        }
        self.system_map.as_ref()?.symbolise(at)
    }

    fn object_size(&self, at: KernelAddr) -> Option<u64> {
        self.sizes.get(&at.0).copied()
    }

    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        let mm = space.mm;
        let all = (mm, UserAddr(0))..=(mm, UserAddr(u64::MAX));
        Ok(self
            .page_places
            .range(all)
            .map(|((_, at), _)| (*at).into())
            .collect())
    }

    fn read_pages(
        &self,
        space: &Space<'_>,
        at: UserAddr,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        let mm = space.mm;
        for (at, page) in at.pages().zip(into.chunks_exact_mut(PAGE_SIZE as usize)) {
            let place = self.page_places.get(&(mm, at));
            let place = *place.ok_or(ReadError::NoPage { mm, at })?;
            page.copy_from_slice(&self.pages[place..place + PAGE_SIZE as usize]);
        }
        Ok(())
    }

    fn tick_rate(&self) -> Option<u32> {
        Some(self.meta.hz)
    }

    fn facts(&self) -> Source {
        let telling = |line: &&String| TELLING_CONFIG.iter().any(|start| line.starts_with(start));
        let config = self.meta.config.iter().filter(telling).cloned();
        Source {
            read: None,
            cpu_model: self.meta.cpu.clone(),
            memory: self.meta.mem,
            configuration: Some(config.collect()),
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, DumpError> {
    kconv_machine::whole(path).map_err(|source| DumpError::Read {
        path: path.to_owned(),
        source,
    })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, DumpError> {
    serde_json::from_slice(&bytes(path)?).map_err(|source| DumpError::Json {
        path: path.to_owned(),
        source,
    })
}

fn hexadecimal(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16).ok().filter(|_| plain)
}

fn number(path: &Path, place: &str, text: &str) -> Result<u64, DumpError> {
    hexadecimal(text).ok_or_else(|| DumpError::Address {
        path: path.to_owned(),
        place: place.to_owned(),
        found: text.to_owned(),
    })
}

/// `offset` as a place in a file of `length` bytes from which `size` bytes can be read.
fn within(
    path: &Path,
    place: &str,
    file: &'static str,
    offset: u64,
    size: u64,
    length: usize,
) -> Result<usize, DumpError> {
    match offset.checked_add(size) {
        Some(end) if end <= length as u64 => Ok(offset as usize),
        _ => Err(DumpError::Outside {
            path: path.to_owned(),
            place: place.to_owned(),
            file,
            offset,
            size,
            length,
        }),
    }
}
