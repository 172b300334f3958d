//! A second reader, written from the chapter "The image format" of the book alone. It shares no
//! code with the first: not its constants, not its types. Both have to say the same of an image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Write;

use common::{Sample, sample, sample_with_contents, sample_with_signers};
use kconv_image::{Head, KernelId, Machine, ObjectId, SlotTarget, Value};

/// Takes fields from the front of a byte string.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    fn number(&mut self, length: usize) -> u64 {
        let bytes = self.take(length).iter().rev();
        bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn string(&mut self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.number(4);
        self.take(length as usize)
    }

    fn list(&mut self, mut each: impl FnMut(&mut Self)) {
        for _ in 0..self.number(4) {
            each(self);
        }
    }

    fn kernel(&mut self) -> String {
        let (release, layout) = (self.string(), self.string());
        let fingerprint = hex(self.take(32));
        format!("{release} {layout} {fingerprint} {}", hex(self.bytes()))
    }

    fn value(&mut self) -> String {
        match self.number(1) {
            1 => format!("{}", self.number(8)),
            2 => format!("signed {}", self.number(8) as i64),
            3 => format!("{:?}", self.string()),
            4 => hex(self.bytes()),
            5 => format!("object {}", self.number(4)),
            6 => format!("resource {}", self.number(4)),
            7 => {
                let mut values = Vec::new();
                self.list(|fields| values.push(fields.value()));
                format!("[{}]", values.join(", "))
            }
            other => panic!("value {other}"),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads an image by the book and says in words what it holds.
fn read(image: &[u8]) -> String {
    let mut out = String::new();
    assert_eq!(image[..4], *b"\x7fELF");
    let wide = match (image[4], image[18]) {
        (1, 3) => false,
        (2, 62) => true,
        other => panic!("machine {other:?}"),
    };
    let mut header = Fields(&image[if wide { 56 } else { 44 }..]);
    let segments = header.number(2) as usize;
    let (header, program_header) = if wide { (64, 56) } else { (52, 32) };
    let head = (header + segments * program_header).next_multiple_of(16);
    let field = |segment: usize, narrow: usize, place: usize| {
        let start = header + segment * program_header;
        match wide {
            false => Fields(&image[start + narrow..]).number(4),
            true => Fields(&image[start + place..]).number(8),
        }
    };
    let notes_start = field(0, 4, 8) as usize;
    let notes_end = notes_start + field(0, 16, 32) as usize;
    let area = &image[notes_start..notes_end];
    let pages_start = notes_end.next_multiple_of(4096);
    assert_eq!(area[20..24], [2, 0, 0, 0], "version");

    let digests = &area[area.len() - 96..];
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    assert_eq!(digests[..32], hash(&image[head..notes_start]));
    assert_eq!(digests[32..64], hash(&image[pages_start..]));
    let sealed = [&image[..head], &area[..area.len() - 32]].concat();
    assert_eq!(digests[64..], hash(&sealed));

    let mut position = head;
    let mut notes = Fields(area);
    while !notes.0.is_empty() {
        let (name, size) = (notes.number(4) as usize, notes.number(4) as usize);
        let kind = notes.number(4);
        let owner = &notes.take(name.next_multiple_of(4))[..name - 1];
        let mut note = Fields(&notes.take(size.next_multiple_of(4))[..size]);
        if owner != b"KCONV" {
            let owner = String::from_utf8_lossy(owner);
            writeln!(out, "note {owner} {kind:#x} {}", hex(note.0)).unwrap();
            continue;
        }
        match kind {
            0x4b43_0001 => {
                note.number(4);
                writeln!(out, "family {}", note.string()).unwrap();
                writeln!(out, "kernel {}", note.kernel()).unwrap();
                writeln!(out, "origin {}", note.kernel()).unwrap();
            }
            0x4b43_0002 => note.list(|note| writeln!(out, "type {}", note.string()).unwrap()),
            0x4b43_0003 => note.list(|note| {
                let [ty, count] = [(); 2].map(|()| note.number(4));
                let [size, address, home] = [(); 3].map(|()| note.number(8));
                let owner = note.number(4);
                assert_eq!(note.number(4), 0);
                let bytes = hex(&image[position..position + size as usize]);
                position = (position + size as usize).next_multiple_of(16);
                writeln!(
                    out,
                    "object {ty} x{count} {size} {address:#x} {home:#x} {owner} {bytes}"
                )
                .unwrap();
            }),
            0x4b43_0004 => note.list(|note| {
                let name = note.string();
                let [offset, origin] = [(); 2].map(|()| note.number(8));
                writeln!(out, "symbol {name}+{offset} {origin:#x}").unwrap();
            }),
            0x4b43_0005 => note.list(|note| {
                writeln!(out, "resource {} {:#x}", note.string(), note.number(8)).unwrap();
                note.list(|note| writeln!(out, "  {}={}", note.string(), note.value()).unwrap());
            }),
            0x4b43_0006 => note.list(|note| {
                let [object, offset, kind, target] = [(); 4].map(|()| note.number(4));
                let kind = ["symbol", "resource"][kind as usize];
                writeln!(out, "slot {object}+{offset} {kind} {target}").unwrap();
            }),
            0x4b43_0007 => {
                let [hz, nanoseconds] = [(); 2].map(|()| note.number(4));
                let [jiffies, seconds, boottime] = [(); 3].map(|()| note.number(8));
                let seconds = seconds as i64;
                writeln!(
                    out,
                    "clocks {hz} {jiffies} {seconds} {nanoseconds} {boottime}"
                )
                .unwrap();
            }
            0x4b43_0008 => {
                note.list(|note| writeln!(out, "fact {}={}", note.string(), note.value()).unwrap());
            }
            0x4b43_0009 => note.list(|note| {
                let [step, object, offset] = [(); 3].map(|()| note.number(4));
                let (field, mask) = (note.string(), note.bytes());
                let bytes = hex(note.take(mask.len()));
                let mask = hex(mask);
                writeln!(
                    out,
                    "remainder {step} {object}+{offset} {field} {mask} {bytes}"
                )
                .unwrap();
            }),
            0x4b43_000a => note.list(|note| {
                let (converter, version) = (note.string(), note.string());
                let (from, to) = (note.kernel(), note.kernel());
                let counts = [(); 4].map(|()| note.number(8));
                writeln!(out, "step {converter} {version} {from} {to} {counts:?}").unwrap();
            }),
            0x4b43_000b => note.list(|note| {
                let mm = note.number(4);
                note.list(|note| {
                    let [start, pages, position] = [(); 3].map(|()| note.number(8));
                    let access = note.number(4);
                    let from = pages_start + position as usize;
                    let bytes = &image[from..from + pages as usize * 4096];
                    let digest = hex(&hash(bytes));
                    writeln!(
                        out,
                        "run {mm} {start:#x} {pages} {position:#x} {access} {digest}"
                    )
                    .unwrap();
                });
            }),
            0x4b43_000d => note.list(|note| {
                let resource = note.number(4);
                note.list(|note| {
                    let [offset, pages, position] = [(); 3].map(|()| note.number(8));
                    let from = pages_start + position as usize;
                    let bytes = &image[from..from + pages as usize * 4096];
                    let digest = hex(&hash(bytes));
                    writeln!(
                        out,
                        "contents {resource} {offset:#x} {pages} {position:#x} {digest}"
                    )
                    .unwrap();
                });
            }),
            0x4b43_000e => note.list(|note| {
                let step = note.number(4);
                note.list(|note| writeln!(out, "signer {step} {}", note.string()).unwrap());
            }),
            0x4b43_000c => assert_eq!(note.take(96).len(), 96),
            other => panic!("note {other:#x}"),
        }
        assert_eq!(note.0.len(), 0);
    }
    out
}

/// The same words, of what was written.
fn describe(sample: &Sample) -> String {
    let Head {
        identity,
        types,
        objects,
        symbols,
        resources,
        slots,
        clocks,
        facts,
        remainder,
        provenance,
        address_spaces,
        contents,
        core_notes,
    } = &sample.head;
    let mut out = String::new();
    writeln!(out, "family {}", identity.family).unwrap();
    writeln!(out, "kernel {}", kernel(&identity.kernel)).unwrap();
    writeln!(out, "origin {}", kernel(&identity.origin)).unwrap();
    for note in core_notes {
        let bytes = hex(&note.bytes);
        writeln!(out, "note {} {:#x} {bytes}", note.owner, note.kind).unwrap();
    }
    for name in types {
        writeln!(out, "type {name}").unwrap();
    }
    for (object, bytes) in objects.iter().zip(&sample.objects) {
        let (ty, count, size, owner) = (object.ty.0, object.count, object.size, object.owner.0);
        let (address, home, bytes) = (object.address, object.home, hex(bytes));
        writeln!(
            out,
            "object {ty} x{count} {size} {address} {home} {owner} {bytes}"
        )
        .unwrap();
    }
    for symbol in symbols {
        let (name, offset, origin) = (&symbol.name, symbol.offset, symbol.origin);
        writeln!(out, "symbol {name}+{offset} {origin}").unwrap();
    }
    for resource in resources {
        writeln!(out, "resource {} {}", resource.kind, resource.origin).unwrap();
        for (name, of) in &resource.attributes {
            writeln!(out, "  {name}={}", value(of)).unwrap();
        }
    }
    for slot in slots {
        let target = match slot.target {
            SlotTarget::Symbol(symbol) => format!("symbol {}", symbol.0),
            SlotTarget::Resource(resource) => format!("resource {}", resource.0),
        };
        writeln!(out, "slot {}+{} {target}", slot.object.0, slot.offset).unwrap();
    }
    writeln!(
        out,
        "clocks {} {} {} {} {}",
        clocks.hz,
        clocks.jiffies,
        clocks.realtime_seconds,
        clocks.realtime_nanoseconds,
        clocks.boottime_nanoseconds
    )
    .unwrap();
    for (name, of) in facts {
        writeln!(out, "fact {name}={}", value(of)).unwrap();
    }
    for of in remainder {
        let (ObjectId(object), offset, field) = (of.object, of.offset, &of.field);
        let (mask, bytes) = (hex(&of.mask), hex(&of.bytes));
        writeln!(
            out,
            "remainder {} {object}+{offset} {field} {mask} {bytes}",
            of.step
        )
        .unwrap();
    }
    for step in provenance {
        let (from, to) = (kernel(&step.from), kernel(&step.to));
        let counts = [step.objects, step.fields, step.kept, step.restored];
        let (converter, version) = (&step.converter, &step.version);
        writeln!(out, "step {converter} {version} {from} {to} {counts:?}").unwrap();
    }
    for (space, run) in address_spaces
        .iter()
        .flat_map(|space| space.runs.iter().map(move |run| (space, run)))
    {
        let first = (run.position / 4096) as usize;
        let bytes = sample.pages[first..first + run.pages as usize].concat();
        let digest = blake3::hash(&bytes).to_hex();
        let (mm, start, pages) = (space.mm.0, run.start, run.pages);
        let (position, access) = (run.position, run.access);
        writeln!(
            out,
            "run {mm} {start} {pages} {position:#x} {access} {digest}"
        )
        .unwrap();
    }
    for (of, run) in contents
        .iter()
        .flat_map(|of| of.runs.iter().map(move |run| (of.resource, run)))
    {
        let first = (run.position / 4096) as usize;
        let bytes = sample.pages[first..first + run.pages as usize].concat();
        let digest = blake3::hash(&bytes).to_hex();
        let (resource, offset, pages, position) = (of.0, run.offset, run.pages, run.position);
        writeln!(
            out,
            "contents {resource} {offset:#x} {pages} {position:#x} {digest}"
        )
        .unwrap();
    }
    for (number, step) in provenance.iter().enumerate() {
        for signer in &step.signers {
            writeln!(out, "signer {number} {signer}").unwrap();
        }
    }
    out
}

fn kernel(kernel: &KernelId) -> String {
    let build_id = hex(&kernel.build_id);
    format!(
        "{} {} {} {build_id}",
        kernel.release, kernel.layout, kernel.fingerprint
    )
}

fn value(of: &Value) -> String {
    match of {
        Value::Unsigned(number) => format!("{number}"),
        Value::Signed(number) => format!("signed {number}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => hex(bytes),
        Value::Object(object) => format!("object {}", object.0),
        Value::Resource(resource) => format!("resource {}", resource.0),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(value).collect();
            format!("[{}]", values.join(", "))
        }
    }
}

#[test]
fn an_i386_image_reads_by_the_book() {
    let sample = sample(Machine::I386);
    assert_eq!(read(&sample.bytes()), describe(&sample));
}

#[test]
fn contents_of_files_read_as_the_book_says() {
    for machine in [Machine::I386, Machine::X86_64] {
        let sample = sample_with_contents(machine);
        assert_eq!(read(&sample.bytes()), describe(&sample));
    }
}

#[test]
fn signers_read_as_the_book_says() {
    let sample = sample_with_signers(Machine::X86_64);
    let found = read(&sample.bytes());
    assert_eq!(found, describe(&sample));
    assert!(
        found.ends_with("signer 0 SHA256:abc\nsigner 0 SHA256:de\n"),
        "{found}"
    );
}

#[test]
fn an_x86_64_image_reads_by_the_book() {
    let sample = sample(Machine::X86_64);
    assert_eq!(read(&sample.bytes()), describe(&sample));
}

/// Every byte before the objects, by the tables of the book.
#[test]
fn the_head_of_the_file_is_what_the_book_says() {
    let sample = sample(Machine::I386);
    let bytes = sample.bytes();
    let head: Vec<u32> = bytes[..0x180]
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    let notes = bytes.len() - 5 * 4096 - 4096; // they end in the page before the pages
    let note_length = head[13 + 4];
    let objects = 0x180;
    assert!((notes..notes + 4096).contains(&(0x360 + note_length as usize - 1)));
    let mut expected = vec![0x464c_457f, 0x0001_0101, 0, 0];
    expected.extend([0x0003_0004, 1, 0, 52, 0, 0, 0x0020_0034, 10, 0]);
    expected.extend([4, 0x360, 0, 0, note_length, 0, 0, 4]);
    let mut load = |offset: u32, address: u32, size: u32, flags: u32, align: u32| {
        expected.extend([1, offset, address, 0, size, size, flags, align]);
    };
    load(0x1000, 0x0804_8000, 0x1000, 5, 4096);
    load(0x2000, 0xbfff_e000, 0x2000, 6, 4096);
    load(0x4000, 0x0804_8000, 0x1000, 5, 4096);
    load(0x5000, 0xbfff_e000, 0x1000, 6, 4096);
    load(objects, 0xc100_2000, 208, 6, 1);
    load(objects + 208, 0xc100_1000, 160, 6, 1);
    load(objects + 368, 0xc100_4000, 48, 6, 1);
    load(objects + 416, 0xc100_5000, 20, 6, 1);
    load(objects + 448, 0xc100_5014, 20, 6, 1);
    expected.resize(0x180 / 4, 0);
    assert_eq!(head, expected);
}
