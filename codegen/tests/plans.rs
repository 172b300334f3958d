//! A plan as data does what the page does that is generated of the same plan.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod planned;
mod world;

use kconv_image::{Image, KernelId, ObjectId, Slot, SlotTarget, SymbolId};
use kconv_plans::Checked;
use kconv_runtime::context::Outcome;
use kconv_runtime::convert::{Job, convert};
use kconv_runtime::table::{Converter, TypeConverter};
use kernel_structs::releases::Registry;
use planned::{Planned, pages};
use std::collections::BTreeSet;
use std::path::Path;
use world::World;

/// Numbers that look random, and are the same on every run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// One object of every saved type, as a converter reads them; those that lie behind others, behind them.
fn objects(planned: &Planned) -> Vec<(&'static str, u64, u32)> {
    let converter = planned.compiled;
    let of_objects = converter
        .types()
        .filter(|ty| converter.function(ty.name).is_some());
    let (behind, apart): (Vec<&TypeConverter>, Vec<_>) =
        of_objects.partition(|ty| ty.behind.is_some());
    let mut objects = Vec::new();
    let mut address = 0xc100_0000;
    for ty in apart {
        objects.push((ty.name, address, 0));
        address += u64::from(ty.from_size).next_multiple_of(0x1_0000);
    }
    for ty in behind {
        let owner = objects
            .iter()
            .position(|(owner, ..)| Some(*owner) == ty.behind);
        let owner = owner.unwrap();
        let size = converter.find(objects[owner].0).unwrap().from_size;
        objects.push((ty.name, objects[owner].1 + u64::from(size), owner as u32));
    }
    objects
}

const SYMBOLS: [&str; 6] = [
    "arch_get_unmapped_area",
    "arch_get_unmapped_area_topdown",
    "futex_wait_restart",
    "do_no_restart_syscall",
    "init_user_ns",
    "other",
];

/// Bytes of an object: random, mostly zero, or words that a kernel could have there, by `kind`.
fn bytes(numbers: &mut Numbers, world: &World, size: usize, width: usize, kind: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    match kind {
        0 => {}
        1 => bytes
            .iter_mut()
            .for_each(|byte| *byte = numbers.next() as u8),
        2 => {
            for _ in 0..1 + size / 64 {
                let place = numbers.below(size);
                bytes[place] = numbers.next() as u8;
            }
        }
        _ => {
            for word in bytes.chunks_exact_mut(width) {
                let object = numbers.below(world.len());
                let number = match numbers.below(10) {
                    0..4 => 0,
                    4 => numbers.next() % 8,
                    5 => numbers.next() % 4096,
                    6 => world.old(object),
                    7 => world.old(object) + 8 * (numbers.next() % 64),
                    8 => u64::MAX,
                    _ => 1 << numbers.below(64),
                };
                word.copy_from_slice(&number.to_le_bytes()[..width]);
            }
        }
    }
    bytes
}

/// What a conversion left behind, whatever order its lines have.
fn told(outcome: &Outcome) -> Vec<String> {
    let symbols = SYMBOLS.iter().map(|name| ((*name).to_owned(), 0));
    let made = outcome.symbols.iter();
    let symbols: Vec<(String, u64)> = symbols
        .chain(made.map(|symbol| (symbol.name.clone(), symbol.offset)))
        .collect();
    let mut told: Vec<String> = Vec::new();
    told.extend(
        outcome
            .findings
            .iter()
            .map(|finding| format!("{finding:?} {finding}")),
    );
    told.extend(outcome.remainder.iter().map(|kept| format!("{kept:?}")));
    told.extend(outcome.faults.iter().cloned());
    told.extend(outcome.slots.iter().map(|slot| match slot.target {
        SlotTarget::Symbol(id) => format!(
            "{} at {} {:?}",
            slot.offset, slot.object.0, symbols[id.0 as usize]
        ),
        SlotTarget::Resource(id) => format!("{} at {} resource {id:?}", slot.offset, slot.object.0),
    }));
    told.sort();
    told
}

fn pairs_alike(planned: &Planned, read: &'static Converter, samples: usize) -> usize {
    let compiled = planned.compiled;
    let objects = objects(planned);
    let world = |converter| World::new(converter, &objects).with_symbols(&SYMBOLS);
    let (mut one, mut other) = (world(compiled), world(read));
    let width = usize::from(compiled.machine.pointer_size());
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let sizes: Vec<usize> = objects
        .iter()
        .map(|(ty, ..)| compiled.find(ty).unwrap().from_size as usize)
        .collect();
    let mut compared = 0;
    for sample in 0..samples {
        for (object, size) in sizes.iter().enumerate() {
            let content = bytes(&mut numbers, &one, *size, width, 3);
            one.bytes.insert(object as u32, content.clone());
            other.bytes.insert(object as u32, content);
        }
        for (object, (ty, ..)) in objects.iter().enumerate() {
            let old = bytes(&mut numbers, &one, sizes[object], width, sample % 6);
            let mut slots = Vec::new();
            for offset in (0..sizes[object] as u32).step_by(width) {
                if numbers.below(3) == 0 {
                    slots.push(Slot {
                        object: ObjectId(object as u32),
                        offset,
                        target: SlotTarget::Symbol(SymbolId(numbers.below(SYMBOLS.len()) as u32)),
                    });
                }
            }
            let (new, left) = one.convert(object, &old, &slots);
            let (read_new, read_left) = other.convert(object, &old, &slots);
            let what = format!(
                "{} {}: {ty}, sample {sample}",
                compiled.from.layout, compiled.to.layout
            );
            let differs = new.iter().zip(&read_new).position(|(a, b)| a != b);
            assert_eq!(told(&left), told(&read_left), "{what}");
            assert_eq!((differs, new.len()), (None, read_new.len()), "{what}");
            compared += 1;
        }
    }
    compared
}

/// What is said of types and fields, whatever order the rules have.
fn tables(converter: &Converter, ty: &TypeConverter) -> Vec<String> {
    let rules = &ty.rules;
    let mut rows: Vec<String> = rules.rules().map(|rule| format!("{rule:?}")).collect();
    rows.sort();
    rows.push(format!(
        "{} {} {} {:?} {:?} {:?} {:?} {} {:?} {:?} {:?} {}",
        rules.name,
        rules.from_size,
        rules.to_size,
        rules.extent,
        rules.anchor,
        rules.behind,
        rules.tail,
        rules.open,
        rules.parts,
        rules.spans,
        rules.padding,
        converter.function(rules.name).is_some(),
    ));
    rows
}

#[test]
fn a_plan_that_is_read_says_and_does_what_its_page_does() {
    let registry = Registry::builtin().unwrap();
    let mut compared = 0;
    let mut families = BTreeSet::new();
    let number = pages(
        registry,
        |_, _, _| true,
        |planned| {
            let (compiled, read) = (planned.compiled, planned.read());
            let what = format!("{} {}", compiled.from.layout, compiled.to.layout);
            assert_eq!((read.from, read.to), (compiled.from, compiled.to));
            assert_eq!(
                (read.name, read.tool, read.family),
                (compiled.name, compiled.tool, compiled.family)
            );
            assert_eq!(read.machine, compiled.machine);
            assert_eq!(format!("{:?}", read.task), format!("{:?}", compiled.task));
            for ty in read.types() {
                let known = compiled
                    .find(ty.name)
                    .unwrap_or_else(|| panic!("{what}: {}", ty.name));
                assert_eq!(
                    tables(read, ty),
                    tables(compiled, known),
                    "{what}: {}",
                    ty.name
                );
            }
            // What is only ever nested need not be in both.
            let missing = compiled
                .types()
                .find(|ty| compiled.function(ty.name).is_some() && read.find(ty.name).is_none());
            assert!(missing.is_none(), "{what}: {missing:?}");
            compared += pairs_alike(&planned, read, 6);
            families.insert(planned.family.clone());
        },
    );
    assert!(families.len() >= 3 && number >= 90, "{families:?} {number}");
    assert!(compared > 10_000, "{compared}");
}

/// A file says all of a plan.
#[test]
fn what_is_written_is_what_is_read() {
    let registry = Registry::builtin().unwrap();
    let number = pages(
        registry,
        |family, _, _| family == "linux-2.4",
        |planned| {
            let read = kconv_plans::read(planned.text.as_bytes()).unwrap();
            assert_eq!(read.plan(), &planned.data);
            assert_eq!(kconv_plans::write(read.plan()).unwrap(), planned.text);
            assert_eq!(Checked::of(planned.data).unwrap(), read);
        },
    );
    assert!(number > 0);
}

/// The tasks of a real kernel.
#[test]
fn real_images_come_out_the_same_to_the_byte() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/images");
    let images = ["2.4.36-i386-up.img", "2.4.36-i386-smp.img"].map(|name| images.join(name));
    let images = images.map(|path| Image::open(&path).unwrap());
    let registry = Registry::builtin().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut converted = 0;
    pages(
        registry,
        |family, _, _| family == "linux-2.4",
        |planned| {
            let (compiled, read) = (planned.compiled, planned.read());
            for image in &images {
                if image.head().identity.kernel.layout != compiled.from.layout {
                    continue;
                }
                let written = [compiled, read].map(|converter| {
                    let path = folder.path().join("converted.img");
                    let job = Job {
                        chain: vec![converter],
                        target: KernelId {
                            release: converter.to.release.to_owned(),
                            layout: converter.to.layout.to_owned(),
                            fingerprint: converter.to.fingerprint,
                            build_id: Vec::new(),
                        },
                        tool: String::from("test"),
                        signers: Vec::new(),
                    };
                    convert(image, &job, Some(&path), &mut |_, _| {}).unwrap();
                    std::fs::read(&path).unwrap()
                });
                assert!(written[0] == written[1], "{}", compiled.to.layout);
                converted += 1;
            }
        },
    );
    assert!(converted >= 2, "{converted}");
}
