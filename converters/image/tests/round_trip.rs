//! What is written is read again, whatever it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Sample, sample, sample_with_contents};
use kconv_image::{
    AddressSpace, Clocks, CoreNote, Fingerprint, Head, Identity, Image, ImageWriter, KernelAddr,
    KernelId, Machine, Object, ObjectId, PageRun, PageSource, Remainder, Resource, ResourceId,
    Slot, SlotTarget, Step, Symbol, SymbolId, TypeIx, UserAddr, Value, Verify,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    "[a-z_\u{e4}\u{1F427}]{0,9}"
}

fn kernel() -> impl Strategy<Value = KernelId> {
    (text(), text(), any::<[u8; 32]>(), vec(any::<u8>(), 0..21)).prop_map(
        |(release, layout, fingerprint, build_id)| KernelId {
            release,
            layout,
            fingerprint: Fingerprint(fingerprint),
            build_id,
        },
    )
}

fn value(objects: u32, resources: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::Unsigned),
        any::<i64>().prop_map(Value::Signed),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
        (0..objects).prop_map(|object| Value::Object(ObjectId(object))),
        (0..resources).prop_map(|resource| Value::Resource(ResourceId(resource))),
    ];
    leaf.prop_recursive(3, 12, 4, |value| vec(value, 0..4).prop_map(Value::List))
}

/// Object sizes and the room left behind each.
fn places() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let gap = prop_oneof![Just(0_u64), Just(16), 1_u64..100];
    vec((1_u64..200, gap), 1..20)
}

/// Pages of runs and the room left behind each, of each address space.
fn spaces() -> impl Strategy<Value = Vec<Vec<(u64, u64, u32)>>> {
    vec(vec((1_u64..4, 0_u64..3, 0_u32..8), 0..4), 0..4)
}

fn objects(machine: Machine, places: &[(u64, u64)], tasks: &[prop::sample::Index]) -> Vec<Object> {
    let mut address = match machine {
        Machine::I386 => 0xc000_0000,
        Machine::X86_64 => 0xffff_8000_0000_0000,
    };
    let mut objects = Vec::new();
    for (number, &(size, gap)) in (0_u32..).zip(places) {
        // A task owns itself; each object belongs to a task at or before it.
        let task = tasks[number as usize].index(number as usize + 1) as u32;
        let owner = if task == number || number == 0 {
            number
        } else {
            let before: &Object = &objects[task as usize];
            before.owner.0
        };
        objects.push(Object {
            ty: TypeIx(number % 2),
            // Sizes that no other number divides have one element.
            count: (1..=number + 1)
                .rfind(|count| size.is_multiple_of(u64::from(*count)))
                .unwrap_or(1),
            size,
            address: KernelAddr(address),
            home: KernelAddr(address / 2),
            owner: ObjectId(owner),
            part_of: None,
        });
        address += size + gap;
    }
    objects
}

fn address_spaces(spaces: &[Vec<(u64, u64, u32)>], objects: usize) -> Vec<AddressSpace> {
    let mut position = 0;
    (0..)
        .zip(spaces)
        .take(objects)
        .map(|(mm, runs)| {
            let mut start = 0x1000;
            let runs = runs.iter().map(|&(pages, gap, access)| {
                let run = PageRun {
                    start: UserAddr(start),
                    pages,
                    access,
                    position,
                };
                position += pages * 4096;
                start += (pages + gap) * 4096;
                run
            });
            AddressSpace {
                mm: ObjectId(mm),
                runs: runs.collect(),
            }
        })
        .collect()
}

prop_compose! {
    /// The parts that say what the image is and was.
    fn story()(
        family in text(),
        kernel in kernel(),
        origin in kernel(),
        clocks in any::<(u32, u64, i64, u32, u64)>(),
        steps in vec((text(), text(), self::kernel(), self::kernel(), any::<[u64; 4]>(), vec(text(), 0..3)), 0..3),
        notes in vec(("CORE|LINUX|X", any::<u32>(), vec(any::<u8>(), 0..9)), 0..3),
    ) -> (Identity, Clocks, Vec<Step>, Vec<CoreNote>) {
        let (hz, jiffies, realtime_seconds, realtime_nanoseconds, boottime_nanoseconds) = clocks;
        let provenance = steps.into_iter().map(|(converter, version, from, to, counts, signers)| {
            let [objects, fields, kept, restored] = counts;
            Step { converter, version, from, to, objects, fields, kept, restored, signers }
        });
        let core_notes = notes
            .into_iter()
            .map(|(owner, kind, bytes)| CoreNote { owner, kind, bytes });
        (
            Identity { machine: Machine::I386, family, kernel, origin },
            Clocks { hz, jiffies, realtime_seconds, realtime_nanoseconds, boottime_nanoseconds },
            provenance.collect(),
            core_notes.collect(),
        )
    }
}

prop_compose! {
    /// The parts that refer to objects.
    fn references(objects: u32, resources: u32)(
        slots in prop::collection::btree_map(
            (0..objects, 0_u32..200),
            (any::<bool>(), any::<prop::sample::Index>()),
            0..30,
        ),
        symbols in vec((text(), any::<u64>(), any::<u64>()), 1..4),
        attributes in vec(
            (text(), any::<u64>(), vec((text(), value(objects, resources)), 0..4)),
            resources as usize,
        ),
        facts in vec((text(), value(objects, resources)), 0..4),
        remainder in vec(
            (any::<prop::sample::Index>(), 0..objects, any::<u32>(), text(), vec(any::<(u8, u8)>(), 0..9)),
            0..4,
        ),
    ) -> (Vec<Slot>, Vec<Symbol>, Vec<Resource>, Vec<(String, Value)>, Vec<Remainder>) {
        let slots = slots.into_iter().map(|((object, offset), (symbol, index))| {
            let target = match symbol {
                true => SlotTarget::Symbol(SymbolId(index.index(symbols.len()) as u32)),
                false => SlotTarget::Resource(ResourceId(index.index(resources as usize) as u32)),
            };
            Slot { object: ObjectId(object), offset, target }
        });
        let slots = slots.collect();
        let symbols = symbols.into_iter().map(|(name, offset, origin)| {
            Symbol { name, offset, origin: KernelAddr(origin) }
        });
        let resources = attributes.into_iter().map(|(kind, origin, attributes)| {
            Resource { kind, origin: KernelAddr(origin), attributes }
        });
        let remainder = remainder.into_iter().map(|(step, object, offset, field, pairs)| {
            Remainder {
                // One of as many steps as there are, which is for the others to say.
                step: step.index(u32::MAX as usize) as u32,
                object: ObjectId(object),
                offset,
                field: field.into(),
                mask: pairs.iter().map(|pair| pair.0).collect(),
                bytes: pairs.iter().map(|pair| pair.0 & pair.1).collect(),
            }
        });
        (slots, symbols.collect(), resources.collect(), facts, remainder.collect())
    }
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (places(), 1_u32..4).prop_flat_map(|(places, resources)| {
        let count = places.len() as u32;
        (
            any::<bool>(),
            Just(places),
            vec(any::<prop::sample::Index>(), count as usize),
            spaces(),
            story(),
            references(count, resources),
            any::<u8>(),
        )
            .prop_map(|(wide, places, tasks, spaces, story, references, seed)| {
                let machine = if wide { Machine::X86_64 } else { Machine::I386 };
                let (mut identity, clocks, provenance, core_notes) = story;
                identity.machine = machine;
                let (mut slots, symbols, resources, facts, mut remainder) = references;
                for entry in &mut remainder {
                    entry.step %= u32::max(provenance.len() as u32, 1);
                }
                remainder.sort_by_key(Remainder::place);
                if provenance.is_empty() {
                    remainder.clear();
                }
                let objects = objects(machine, &places, &tasks);
                let pointer = u64::from(machine.pointer_size());
                slots.retain(|slot| {
                    u64::from(slot.offset) + pointer <= objects[slot.object.0 as usize].size
                });
                let bytes = objects
                    .iter()
                    .map(|object| (0..object.size).map(|at| seed ^ at as u8).collect());
                let bytes = bytes.collect();
                let address_spaces = address_spaces(&spaces, objects.len());
                let pages: u64 = address_spaces
                    .iter()
                    .flat_map(|space| &space.runs)
                    .map(|run| run.pages)
                    .sum();
                Sample {
                    head: Head {
                        identity,
                        types: vec!["task_struct".to_owned(), "file *".to_owned()],
                        objects,
                        symbols,
                        resources,
                        slots,
                        clocks,
                        facts,
                        remainder,
                        provenance,
                        address_spaces,
                        contents: Vec::new(),
                        core_notes,
                    },
                    objects: bytes,
                    pages: (0..pages).map(|page| [seed ^ page as u8; 4096]).collect(),
                }
            })
    })
}

fn objects_of(image: &Image) -> Vec<Vec<u8>> {
    let mut stream = image.objects();
    let mut objects = Vec::new();
    while let Some((id, bytes)) = stream.next_object().unwrap() {
        assert_eq!(id.0 as usize, objects.len());
        objects.push(bytes.to_vec());
    }
    objects
}

fn pages_of(image: &Image) -> Vec<[u8; 4096]> {
    let mut pages = Vec::new();
    for space in &image.head().address_spaces {
        for run in &space.runs {
            for page in 0..run.pages {
                // Any address in a page leads to it.
                let address = UserAddr(run.start.0 + page * 4096 + page * 5 % 4096);
                pages.push(image.read_page(space.mm, address).unwrap().unwrap());
            }
        }
    }
    pages
}

/// The image again, with its pages copied.
fn copied(image: &Image) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("copy.img");
    let head = image.head();
    let machine = head.identity.machine;
    let mut writer = ImageWriter::create(&path, machine, &head.objects, head.page_index()).unwrap();
    for bytes in objects_of(image) {
        writer.object(&bytes).unwrap();
    }
    writer
        .finish(head, PageSource::Copy { from: image })
        .unwrap();
    std::fs::read(path).unwrap()
}

fn comes_back(sample: &Sample) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("an.img");
    sample.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(sample.bytes(), bytes, "the same parts, the same bytes");

    let from_file = Image::open(&path).unwrap();
    let from_memory = Image::from_bytes(bytes.clone()).unwrap();
    for image in [&from_file, &from_memory] {
        assert_eq!(image.head(), &sample.head);
        assert!(image.verify(Verify::Everything).is_empty());
        assert_eq!(objects_of(image), sample.objects);
        assert_eq!(pages_of(image), sample.pages);
        assert!(copied(image) == bytes, "a copy is the same");
    }
    let mut one = Vec::new();
    for (number, object) in (0..).zip(&sample.head.objects) {
        let id = ObjectId(number);
        from_file.read_object(id, &mut one).unwrap();
        assert_eq!(one, sample.objects[number as usize]);
        let last = KernelAddr(object.address.0 + object.size - 1);
        assert_eq!(from_file.find(object.address), Some((id, 0)));
        assert_eq!(from_file.find(last), Some((id, object.size - 1)));
        let after = KernelAddr(last.0 + 1);
        let next = sample
            .head
            .objects
            .iter()
            .position(|object| object.address == after);
        let expected = next.map(|next| (ObjectId(next as u32), 0));
        assert_eq!(from_file.find(after), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_image_comes_back(sample in any_sample()) {
        comes_back(&sample);
    }
}

#[test]
fn the_i386_sample_comes_back() {
    comes_back(&sample(Machine::I386));
}

#[test]
fn the_x86_64_sample_comes_back() {
    comes_back(&sample(Machine::X86_64));
}

#[test]
fn contents_of_files_come_back() {
    for machine in [Machine::I386, Machine::X86_64] {
        let sample = sample_with_contents(machine);
        assert_eq!(sample.head.pages(), 7);
        let image = Image::from_bytes(sample.bytes()).unwrap();
        assert_eq!(image.head(), &sample.head);
        assert!(image.verify(Verify::Everything).is_empty());
        // One page, saved once, is where it is mapped as well.
        let mapped = image.read_page(ObjectId(3), UserAddr(0x1000_0000));
        assert_eq!(mapped.unwrap().unwrap(), sample.pages[1]);
        let private = image.read_page(ObjectId(1), UserAddr(0x0804_8000));
        assert_eq!(private.unwrap().unwrap(), sample.pages[2]);
        assert_eq!(copied(&image), sample.bytes());
        // From the middle of a page over a hole into the next, and behind the last.
        let contents = &image.head().contents[0];
        let mut file = vec![0; 6 * 4096];
        file[..4096].copy_from_slice(&sample.pages[0]);
        file[3 * 4096..][..4096].copy_from_slice(&sample.pages[1]);
        for (from, length) in [
            (0, file.len()),
            (100, 4 * 4096),
            (3 * 4096 + 8, 16),
            (4096, 8192),
        ] {
            let mut part = vec![1; length];
            image
                .read_contents(contents, from as u64, &mut part)
                .unwrap();
            assert!(part == file[from..][..length], "{length} bytes at {from}");
        }
    }
}

#[test]
fn images_whose_last_pages_are_those_of_a_file_come_back() {
    let mut sample = sample_with_contents(Machine::X86_64);
    // The last of them is mapped, and nothing else is.
    sample.head.address_spaces[0].runs.clear();
    sample.head.address_spaces[1]
        .runs
        .retain(|run| run.position == 0x1000);
    sample.pages.truncate(2);
    let image = Image::from_bytes(sample.bytes()).unwrap();
    assert_eq!(image.head(), &sample.head);
    assert_eq!(image.page_area().1, 2 * 4096);
    // And when nothing is mapped, the contents alone say how many pages there are.
    sample.head.address_spaces[1].runs.clear();
    let image = Image::from_bytes(sample.bytes()).unwrap();
    assert_eq!(image.head(), &sample.head);
    assert_eq!(image.page_area().1, 2 * 4096);
}

#[test]
fn an_image_of_nothing_comes_back() {
    let mut sample = sample(Machine::I386);
    let head = &mut sample.head;
    head.objects.clear();
    head.slots.clear();
    head.facts.clear();
    head.remainder.clear();
    head.address_spaces.clear();
    sample.objects.clear();
    sample.pages.clear();
    comes_back(&sample);
    assert_eq!(sample.bytes().len(), 4096);
}

/// Objects larger and smaller than what is read and written at once.
#[test]
fn large_objects_come_back() {
    let mut sample = sample(Machine::X86_64);
    let mut address = 0xffff_8881_0000_0000;
    for size in [3 << 20, 1, (1 << 20) - 8, (1 << 20) + 8, 100_000] {
        sample.head.objects.push(Object {
            ty: TypeIx(0),
            count: 1,
            size,
            address: KernelAddr(address),
            home: KernelAddr(address),
            owner: ObjectId(0),
            part_of: None,
        });
        let bytes = (0..size).map(|at| ((at / 7) ^ size) as u8).collect();
        sample.objects.push(bytes);
        address += size;
    }
    comes_back(&sample);
}

/// Folded objects have no bytes of their own, wherever in the index they and their owners are.
#[test]
fn a_folded_object_has_the_bytes_of_what_it_lies_in() {
    for machine in [Machine::I386, Machine::X86_64] {
        let mut sample = sample(machine);
        let owner = sample.head.objects[0].clone();
        let fold = |before: u64, size: u64| Object {
            ty: TypeIx(1),
            count: 1,
            size,
            address: KernelAddr(owner.address.0 + before),
            home: KernelAddr(owner.home.0 + 0x10_0000 + before),
            owner: ObjectId(0),
            part_of: Some(ObjectId(0)),
        };
        sample.head.objects.push(fold(8, 32));
        // It is read from a window that begins behind its owner.
        let far = Object {
            address: KernelAddr(owner.address.0 + 0x20_0000),
            home: KernelAddr(owner.home.0 + 0x20_0000),
            size: 2 << 20,
            ..owner.clone()
        };
        sample.head.objects.push(far);
        sample.objects.push(vec![0x5a; 2 << 20]);
        sample.head.objects.push(fold(0, owner.size));
        // Made of a part of its owner: an object like any other.
        let made = Object {
            address: KernelAddr(owner.address.0 + 0x40_0000),
            home: owner.home,
            part_of: Some(ObjectId(0)),
            ..fold(0, 20)
        };
        sample.head.objects.push(made);
        sample.objects.push(vec![0xa5; 20]);

        let image = Image::from_bytes(sample.bytes()).unwrap();
        assert_eq!(image.head(), &sample.head);
        assert!(image.verify(Verify::Everything).is_empty());
        let around = &sample.objects[0];
        let expected = [&around[8..40], &[0x5a; 2 << 20], &around[..], &[0xa5; 20]];
        let mut stream = image.objects();
        let mut streamed = Vec::new();
        while let Some((_, bytes)) = stream.next_object().unwrap() {
            streamed.push(bytes.to_vec());
        }
        let mut bytes = Vec::new();
        for (number, expected) in (6..).zip(expected) {
            image.read_object(ObjectId(number), &mut bytes).unwrap();
            assert!(bytes == expected && streamed[number as usize] == expected);
        }
        // An address in both belongs to the one that has the bytes.
        let found = image.find(KernelAddr(owner.address.0 + 9));
        assert_eq!(found, Some((ObjectId(0), 9)));
        let folded = |index: usize| image.head().folded_into(&image.head().objects[index]);
        assert_eq!(
            [6, 8, 9].map(folded),
            [Some(ObjectId(0)), Some(ObjectId(0)), None]
        );
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let image = Image::from_bytes(sample(Machine::I386).bytes()).unwrap();
    assert_eq!(image.find(KernelAddr(0)), None);
    assert_eq!(image.find(KernelAddr(0xc100_0fff)), None);
    assert_eq!(image.find(KernelAddr(u64::MAX)), None);
    let page = |mm, address| {
        let mm = ObjectId(mm);
        image.read_page(mm, UserAddr(address)).unwrap().is_some()
    };
    assert!(page(1, 0x0804_8fff));
    assert!(!page(1, 0x0804_9000), "after a run");
    assert!(!page(1, 0x0804_7fff), "before the first run");
    assert!(page(1, 0xbfff_f000), "second page of a run");
    assert!(!page(3, 0xbfff_f000), "another task has but one");
    assert!(!page(0, 0x0804_8000), "not an mm");
}

#[test]
fn an_image_without_pages_is_the_same_but_for_them() {
    for machine in [Machine::I386, Machine::X86_64] {
        let Sample { head, objects, .. } = sample(machine);
        let whole = objects.iter().map(Vec::as_slice);
        let image = Image::without_pages(&head, whole.clone()).unwrap();
        assert!(image.verify(Verify::Everything).is_empty());
        let mut stream = image.objects();
        for bytes in &objects {
            assert_eq!(stream.next_object().unwrap().unwrap().1, bytes.as_slice());
        }
        assert!(
            head.address_spaces
                .iter()
                .any(|space| !space.runs.is_empty())
        );
        let mut expected = head.clone();
        for space in &mut expected.address_spaces {
            space.runs.clear();
        }
        assert!(*image.head() == expected);

        let refused = |objects: &mut dyn Iterator<Item = &[u8]>| {
            Image::without_pages(&head, objects)
                .map(drop)
                .unwrap_err()
                .to_string()
        };
        let count = objects.len();
        assert_eq!(
            refused(&mut whole.clone().skip(1)),
            format!(
                "<memory>: object 0 is {} bytes long, but was declared as {}",
                objects[1].len(),
                objects[0].len()
            )
        );
        assert_eq!(
            refused(&mut whole.clone().take(count - 1)),
            format!("<memory>: {} of {count} objects were given", count - 1)
        );
        assert_eq!(
            refused(&mut whole.chain([&[7_u8][..]])),
            format!("<memory>: object {count} is 1 bytes long, but was not declared")
        );
    }
}
