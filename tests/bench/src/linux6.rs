//! An image of processes of Linux 6, to be repeated: none is stored, and nobody has to freeze one.

use kconv_image::{
    AddressSpace, Fingerprint, Head, Image, ImageWriter, KernelId, PAGE_SIZE, PageOf, PageRun,
    PageSource, SlotTarget, Symbol, SymbolId, UserAddr, WriteError,
};
use kconv_made::{Made, Process};
use kconv_resources::linux6::{Cpu, FAMILY, FileType, Machine, Suspended};
use kernel_structs::releases::{LookupError, Registry, RegistryError};
use std::path::Path;

/// How many processes there are.
const PROCESSES: u32 = 8;
/// Files that each has open.
const FILES: u32 = 6;
/// Mappings that each has.
const MAPPINGS: u64 = 12;
/// Pages of each mapping that are there: what the image has of a process is half objects, half memory.
const PAGES: u64 = 1;
/// Where the first mapping begins, and how far the next from there.
const START: u64 = 0x40_0000;
const APART: u64 = 0x10_0000;
/// `VM_READ`, `VM_WRITE` and those that a program may set (`include/linux/mm.h`).
const PRIVATE: u64 = 0x73;
/// `INVALID_IOASID` (`include/linux/ioasid.h`).
const NO_PASID: u64 = 0xffff_ffff;
/// Where all symbols of a made image lie.
const SYMBOLS: u64 = 0xffff_ffff_8100_0000;
/// `PF_R` and `PF_W` of ELF.
const READ_WRITE: u32 = 6;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum MadeError {
    /// No release has the name.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The table of releases cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Another family has other objects.
    #[error("{release} is of the family {family}; only processes of {FAMILY} are made")]
    Family {
        /// The release.
        release: String,
        /// Its family.
        family: String,
    },
    /// What was made cannot be read.
    #[error(transparent)]
    Image(#[from] kconv_image::ImageError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes an image of processes of one thread under `release`, each with open files, mappings, pages and a signal that
/// waits.
///
/// # Errors
/// [`MadeError`]
pub fn write(release: &str, to: &Path) -> Result<(), MadeError> {
    let registry = Registry::builtin()?;
    let release = registry.release(release, None, None)?;
    let entry = registry.layout_entry(&release.layout)?;
    if entry.family != FAMILY {
        return Err(MadeError::Family {
            release: release.name.clone(),
            family: entry.family.clone(),
        });
    }
    let layout = registry.layout(&release.layout)?;
    let mut made = Made::new(&layout, FAMILY);
    let mut spaces = Vec::new();
    let mut position = 0;
    for number in 0..PROCESSES {
        let process = process(&mut made, 100 + number);
        let runs = (0..MAPPINGS).map(|mapping| {
            let run = PageRun {
                start: UserAddr(START + mapping * APART),
                pages: PAGES,
                access: READ_WRITE,
                position,
            };
            position += PAGES * PAGE_SIZE;
            run
        });
        spaces.push(AddressSpace {
            mm: process.mm.id(),
            runs: runs.collect(),
        });
    }
    let image = made.image();
    let mut head = image.head().clone();
    let kernel = KernelId {
        release: release.name.clone(),
        layout: release.layout.0.clone(),
        fingerprint: Fingerprint(entry.fingerprint.0),
        build_id: bytes(release.build_id.as_deref().unwrap_or_default()),
    };
    head.identity.kernel = kernel.clone();
    head.identity.origin = kernel;
    head.address_spaces = spaces;
    head.facts = machine().facts();
    once(&mut head);
    let machine = head.identity.machine;
    let mut writer = ImageWriter::create(to, machine, &head.objects, head.page_index())?;
    write_objects(&image, &mut writer)?;
    let mut pages = |first: PageOf, into: &mut [u8]| {
        fill(first, into);
        Ok(())
    };
    writer.finish(&head, PageSource::Stream(&mut pages))?;
    Ok(())
}

/// What hexadecimal digits say.
fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    let pairs = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
    let bytes = pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok());
    bytes.collect()
}

/// Names each symbol once, as a freeze does.
fn once(head: &mut Head) {
    let mut symbols: Vec<Symbol> = Vec::new();
    for slot in &mut head.slots {
        let SlotTarget::Symbol(id) = &mut slot.target else {
            continue;
        };
        let symbol = &head.symbols[id.0 as usize];
        let known = symbols.iter().position(|known| known == symbol);
        let number = known.unwrap_or_else(|| {
            symbols.push(symbol.clone());
            symbols.len() - 1
        });
        *id = SymbolId(number as u32);
    }
    head.symbols = symbols;
}

fn write_objects(image: &Image, writer: &mut ImageWriter) -> Result<(), MadeError> {
    let mut objects = image.objects();
    while let Some((_, bytes)) = objects.next_object()? {
        writer.object(bytes)?;
    }
    Ok(())
}

/// Pages that are neither zero nor alike.
fn fill(first: PageOf, into: &mut [u8]) {
    let (PageOf::Memory(_, UserAddr(start)) | PageOf::File(_, start)) = first;
    for (at, word) in (start..).step_by(8).zip(into.chunks_exact_mut(8)) {
        let number = at.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word.copy_from_slice(&number.to_le_bytes());
    }
}

/// A machine that says no more of itself than it has to.
fn machine() -> Machine {
    Machine {
        page_size: PAGE_SIZE,
        suspended: Suspended { nanoseconds: 0 },
        cpu: Cpu {
            family: 25,
            vendor: 2,
            model: 1,
            stepping: 1,
            capabilities: Vec::new(),
        },
    }
}

fn process(made: &mut Made<'_>, pid: u32) -> Process {
    let process = Process::new(made, pid);
    // What a kernel has of every process, and a conversion asks for.
    made.list(process.task, "ptraced", &[], "");
    made.list(process.signal, "posix_timers", &[], "");
    let thread = [process.task];
    made.list(process.signal, "thread_head", &thread, "thread_node");
    // 6.1 links the threads of a process twice.
    if made.has("task_struct", "thread_group") {
        made.list(process.task, "thread_group", &[], "");
    }
    made.set(process.mm, "pasid", NO_PASID);
    let chooses = "arch_get_unmapped_area_topdown";
    made.set(process.mm, "get_unmapped_area", SYMBOLS);
    made.symbol(process.mm, "get_unmapped_area", chooses);
    for number in 0..FILES {
        let file = made.object("file");
        made.owned_by(file, process.task);
        let path = format!("/var/log/worker-{number}");
        let path = made.file(&path, FileType::Regular, 77 + u64::from(number));
        made.stand_for(file, "f_path.dentry", path);
        process.open(made, number, file, number > 2);
    }
    for number in 0..MAPPINGS {
        let start = START + number * APART;
        process.mapping(made, start, start + PAGES * PAGE_SIZE, PRIVATE);
    }
    // `siginfo_t` of a signal that kill(2) sent: SIGUSR1, of process 1.
    let mut info = [0; 48];
    for (at, number) in [(0, 10), (16, 1)] {
        info[at..at + 4].copy_from_slice(&i32::to_le_bytes(number));
    }
    process.queue(made, true, &info);
    process
}
