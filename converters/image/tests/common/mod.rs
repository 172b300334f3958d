//! Images to test with.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::Range;
use std::path::Path;

use kconv_image::core_notes::{
    I386Registers, Ids, ProcessInfo, Registers, Status, TimeVal, X86_64Registers, auxv, prpsinfo,
    prstatus,
};
use kconv_image::{
    AddressSpace, Clocks, ContentRun, Contents, Fingerprint, Head, Identity, Image, ImageWriter,
    KernelAddr, KernelId, Machine, Object, ObjectId, PageRun, PageSource, Remainder, Resource,
    ResourceId, Slot, SlotTarget, Step, Symbol, SymbolId, TypeIx, UserAddr, Value, WriteError,
};

/// A head with the bytes of its objects and pages.
#[derive(Clone, Debug)]
pub struct Sample {
    pub head: Head,
    pub objects: Vec<Vec<u8>>,
    /// In the order of the page area.
    pub pages: Vec<[u8; 4096]>,
}

impl Sample {
    /// Writes the image to `path`.
    pub fn write(&self, path: &Path) -> Result<(), WriteError> {
        let head = &self.head;
        let mut writer = ImageWriter::create(
            path,
            head.identity.machine,
            &head.objects,
            head.page_index(),
        )?;
        for bytes in &self.objects {
            writer.object(bytes)?;
        }
        let mut pages = self.pages.iter();
        writer.finish(
            head,
            PageSource::Stream(&mut |_, into| {
                for page in into.chunks_exact_mut(4096) {
                    page.copy_from_slice(pages.next().unwrap());
                }
                Ok(())
            }),
        )?;
        Ok(())
    }

    /// The bytes of the image.
    pub fn bytes(&self) -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sample.img");
        self.write(&path).unwrap();
        std::fs::read(path).unwrap()
    }

    /// What the writer says of the image.
    pub fn refusal(&self) -> String {
        let directory = tempfile::tempdir().unwrap();
        let error = self.write(&directory.path().join("out.img")).unwrap_err();
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "a refused image leaves nothing");
        let text = format!("{error}\n{}", error.advice());
        text.replace(directory.path().to_str().unwrap(), "DIR")
    }
}

/// What the reader says of an image.
pub fn fault(bytes: Vec<u8>) -> String {
    match Image::from_bytes(bytes) {
        Ok(_) => panic!("the image is taken for good"),
        Err(error) => format!("{error}\n{}", error.advice()),
    }
}

/// Stack pointer of the first thread of [`sample`] on i386.
pub const I386_STACK: u32 = 0xbfff_f7c0;
/// Stack pointer of the first thread of [`sample`] on x86-64.
pub const X86_64_STACK: u64 = 0x7fff_ffff_e7c0;

/// Two tasks, with something in every part.
pub fn sample(machine: Machine) -> Sample {
    let base = match machine {
        Machine::I386 => 0xc100_0000,
        Machine::X86_64 => 0xffff_8880_0100_0000,
    };
    let object = |ty, size, offset, owner| Object {
        ty: TypeIx(ty),
        count: 1,
        size,
        address: KernelAddr(base + offset),
        home: KernelAddr(base + offset),
        owner: ObjectId(owner),
        part_of: None,
    };
    // 0 and 1 adjoin in memory and in the file; 5 adjoins 4 in memory alone.
    let objects = vec![
        object(0, 160, 0x2000, 0),
        object(1, 48, 0x20a0, 0),
        object(0, 160, 0x1000, 2),
        object(1, 48, 0x4000, 2),
        object(2, 20, 0x5000, 2),
        object(2, 20, 0x5014, 2),
    ];
    let bytes = (0_u8..)
        .zip(&objects)
        .map(|(number, object)| {
            (0..object.size)
                .map(|at| number.wrapping_mul(37) ^ at as u8)
                .collect()
        })
        .collect();
    let head = Head {
        identity: identity(machine),
        types: ["task_struct", "mm_struct", "vm_area_struct"]
            .map(str::to_owned)
            .to_vec(),
        objects,
        symbols: vec![
            Symbol {
                name: "ret_from_fork".to_owned(),
                offset: 0,
                origin: KernelAddr(base - 0x8000),
            },
            Symbol {
                name: "ext2_file_operations".to_owned(),
                offset: 8,
                origin: KernelAddr(base - 0x4000),
            },
        ],
        resources: resources(base),
        slots: vec![
            slot(0, 8, SlotTarget::Symbol(SymbolId(1))),
            slot(0, 16, SlotTarget::Resource(ResourceId(0))),
            slot(3, 40, SlotTarget::Symbol(SymbolId(0))),
        ],
        clocks: Clocks {
            hz: 100,
            jiffies: 4_294_907_296,
            realtime_seconds: -1,
            realtime_nanoseconds: 999_999_999,
            boottime_nanoseconds: 600_000_000_000,
        },
        facts: vec![
            ("hostname".to_owned(), Value::Text("gr\u{fc}n".to_owned())),
            ("init_task".to_owned(), Value::Object(ObjectId(0))),
        ],
        remainder: vec![Remainder {
            step: 0,
            object: ObjectId(2),
            offset: 1432,
            field: "scm_work_list".into(),
            mask: [0xff, 0xff, 0xff, 0x0f].into(),
            bytes: [1, 2, 3, 4].into(),
        }],
        provenance: vec![Step {
            converter: "convert-2.4.36.8-2.4.36.9".to_owned(),
            version: "0.1.0".to_owned(),
            from: kernel("2.4.36.8-up", 3),
            to: kernel("2.4.36.9-up", 4),
            objects: 6,
            fields: 200,
            kept: 1,
            restored: 0,
            signers: Vec::new(),
        }],
        address_spaces: address_spaces(machine),
        contents: Vec::new(),
        core_notes: core_notes(machine),
    };
    Sample {
        head,
        objects: bytes,
        pages: (1..=5).map(page).collect(),
    }
}

/// The sample, with who had signed it before it was converted.
#[allow(dead_code, reason = "not every test has it")]
pub fn sample_with_signers(machine: Machine) -> Sample {
    let mut sample = sample_with_contents(machine);
    let signers = ["SHA256:abc", "SHA256:de"];
    sample.head.provenance[0].signers = signers.map(str::to_owned).to_vec();
    sample
}

/// The sample with what was in a file, of which the second task maps the second page.
#[allow(dead_code, reason = "not every test has it")]
pub fn sample_with_contents(machine: Machine) -> Sample {
    let mut sample = sample(machine);
    let run = |offset, position| ContentRun {
        offset,
        pages: 1,
        position,
    };
    sample.head.contents = vec![Contents {
        resource: ResourceId(0),
        runs: vec![run(0, 0), run(0x3000, 0x1000)],
    }];
    let spaces = &mut sample.head.address_spaces;
    for run in spaces.iter_mut().flat_map(|space| &mut space.runs) {
        run.position += 0x2000;
    }
    let shared = PageRun {
        start: UserAddr(0x1000_0000),
        pages: 1,
        access: 6,
        position: 0x1000,
    };
    spaces[1].runs.insert(1, shared);
    sample.pages.splice(0..0, [page(6), page(7)]);
    sample
}

fn identity(machine: Machine) -> Identity {
    Identity {
        machine,
        family: "linux-2.4".to_owned(),
        kernel: kernel("2.4.36.9-up", 4),
        origin: kernel("2.4.36.8-up", 3),
    }
}

fn kernel(release: &str, fingerprint: u8) -> KernelId {
    KernelId {
        release: release.to_owned(),
        layout: "linux-2.4-i386-up".to_owned(),
        fingerprint: Fingerprint([fingerprint; 32]),
        build_id: vec![0xab; usize::from(fingerprint)],
    }
}

fn resources(base: u64) -> Vec<Resource> {
    let path = Value::Text("/etc/motd".to_owned());
    let nested = Value::List(vec![
        Value::Unsigned(u64::MAX),
        Value::Signed(i64::MIN),
        Value::Bytes(vec![0, 255]),
        Value::List(vec![]),
    ]);
    vec![
        Resource {
            kind: "file".to_owned(),
            origin: KernelAddr(base + 0x9000),
            attributes: vec![("path".to_owned(), path), ("misc".to_owned(), nested)],
        },
        Resource {
            kind: "pipe".to_owned(),
            origin: KernelAddr(0),
            attributes: vec![("peer".to_owned(), Value::Resource(ResourceId(0)))],
        },
    ]
}

fn slot(object: u32, offset: u32, target: SlotTarget) -> Slot {
    Slot {
        object: ObjectId(object),
        offset,
        target,
    }
}

fn address_spaces(machine: Machine) -> Vec<AddressSpace> {
    let stack = match machine {
        Machine::I386 => 0xbfff_e000,
        Machine::X86_64 => 0x7fff_ffff_d000,
    };
    let run = |start, pages, access, position| PageRun {
        start: UserAddr(start),
        pages,
        access,
        position,
    };
    // Both have the same addresses, as tasks do.
    vec![
        AddressSpace {
            mm: ObjectId(1),
            runs: vec![run(0x0804_8000, 1, 5, 0), run(stack, 2, 6, 0x1000)],
        },
        AddressSpace {
            mm: ObjectId(3),
            runs: vec![run(0x0804_8000, 1, 5, 0x3000), run(stack, 1, 6, 0x4000)],
        },
    ]
}

/// A page of words that say where they stand, in page `number`.
fn page(number: u8) -> [u8; 4096] {
    let mut page = [0; 4096];
    for (at, word) in page.chunks_exact_mut(4).enumerate() {
        let value = u32::from(number) << 24 | (at * 4) as u32;
        word.copy_from_slice(&value.to_le_bytes());
    }
    page
}

fn core_notes(machine: Machine) -> Vec<kconv_image::CoreNote> {
    let mut notes = Vec::new();
    for pid in [4711, 4712] {
        let ids = Ids {
            pid,
            ppid: 1,
            pgrp: 4711,
            sid: 1,
        };
        notes.push(prstatus(&status(machine, ids)));
        if pid == 4711 {
            let info = ProcessInfo {
                state_letter: b'S',
                name: b"alpha".to_vec(),
                arguments: b"alpha --role one".to_vec(),
                ids,
                ..ProcessInfo::default()
            };
            notes.push(prpsinfo(machine, &info));
            notes.push(auxv(machine, &[(6, 4096)]));
        }
    }
    notes
}

fn status(machine: Machine, ids: Ids) -> Status {
    let pid = ids.pid as u32;
    Status {
        signal: 19,
        code: 0,
        errno: 0,
        pending: 0,
        blocked: 0x1_0000,
        ids,
        user_time: TimeVal {
            seconds: 3,
            microseconds: 250_000,
        },
        system_time: TimeVal::default(),
        children_user_time: TimeVal::default(),
        children_system_time: TimeVal::default(),
        registers: match machine {
            Machine::I386 => Registers::I386(I386Registers {
                ebx: 0xb,
                ecx: 0xc,
                edx: 0xd,
                esi: 0x51,
                edi: 0xd1,
                ebp: I386_STACK + 0x40,
                eax: pid,
                ds: 0x2b,
                es: 0x2b,
                fs: 0,
                gs: 0x7,
                orig_eax: 0x66,
                eip: 0x0804_8123,
                cs: 0x23,
                eflags: 0x246,
                esp: I386_STACK,
                ss: 0x2b,
            }),
            Machine::X86_64 => Registers::X86_64(X86_64Registers {
                r15: 0xf15,
                r8: 0xf08,
                rax: pid.into(),
                rip: 0x0804_8123,
                cs: 0x33,
                eflags: 0x246,
                rsp: X86_64_STACK,
                ss: 0x2b,
                fs_base: 0x7fff_f7d8_0740,
                ..X86_64Registers::default()
            }),
        },
        has_floating_point: false,
    }
}

/// A program header of an image.
struct Segment {
    kind: u32,
    offset: usize,
    size: usize,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn segments(bytes: &[u8]) -> Vec<Segment> {
    let (header, size, count) = match bytes[4] {
        1 => (52, 32, u16::from_le_bytes([bytes[44], bytes[45]])),
        _ => (64, 56, u16::from_le_bytes([bytes[56], bytes[57]])),
    };
    (0..usize::from(count))
        .map(|number| {
            let at = header + number * size;
            let (offset, length) = match bytes[4] {
                1 => (u32_at(bytes, at + 4).into(), u32_at(bytes, at + 16).into()),
                _ => (u64_at(bytes, at + 8), u64_at(bytes, at + 32)),
            };
            Segment {
                kind: u32_at(bytes, at),
                offset: offset as usize,
                size: length as usize,
            }
        })
        .collect()
}

/// The note area of a sound image.
pub fn note_area(bytes: &[u8]) -> Range<usize> {
    let note = &segments(bytes)[0];
    assert_eq!(note.kind, 4);
    note.offset..note.offset + note.size
}

/// Where the objects area of a sound image of fewer than 65535 segments begins.
pub fn objects_start(bytes: &[u8]) -> usize {
    let count = segments(bytes).len();
    let end = match bytes[4] {
        1 => 52 + 32 * count,
        _ => 64 + 56 * count,
    };
    end.next_multiple_of(16)
}

/// The descriptor of the KCONV note with the number `kind`.
pub fn note(bytes: &[u8], kind: u32) -> Range<usize> {
    let area = note_area(bytes);
    let mut at = area.start;
    while at < area.end {
        let name = u32_at(bytes, at) as usize;
        let size = u32_at(bytes, at + 4) as usize;
        let descriptor = at + 12 + name.next_multiple_of(4);
        if u32_at(bytes, at + 8) == 0x4b43_0000 + kind {
            return descriptor..descriptor + size;
        }
        at = descriptor + size.next_multiple_of(4);
    }
    panic!("no KCONV note {kind}");
}

/// Makes the head digest right again after an edit that left the note area where it was.
pub fn reseal(bytes: &mut [u8], area: &Range<usize>, objects_start: usize) {
    let digest = area.end - 32;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..objects_start]);
    hasher.update(&bytes[area.start..digest]);
    bytes[digest..area.end].copy_from_slice(hasher.finalize().as_bytes());
}

/// The i386 sample with `patch` put at byte `at` of KCONV note `kind`, and sealed again.
pub fn patched(kind: u32, at: usize, patch: &[u8]) -> Vec<u8> {
    patched_of(&sample(Machine::I386), kind, at, patch)
}

/// The same of any sample.
pub fn patched_of(sample: &Sample, kind: u32, at: usize, patch: &[u8]) -> Vec<u8> {
    let mut bytes = sample.bytes();
    let area = note_area(&bytes);
    let start = objects_start(&bytes);
    let place = note(&bytes, kind).start + at;
    bytes[place..place + patch.len()].copy_from_slice(patch);
    reseal(&mut bytes, &area, start);
    bytes
}
