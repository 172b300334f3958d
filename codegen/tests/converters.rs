//! The committed converters, held against a reader that shares no code with what made them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod reader;
mod world;

use kconv_image::{ObjectId, Slot, SlotTarget, SymbolId};
use kconv_runtime::context::Outcome;
use kconv_runtime::table::{Converter, Span, TypeConverter, TypeRules};
use kernel_structs::releases::{LayoutId, Registry};
use kernel_structs::state::StateMap;
use proptest::test_runner::{Config, TestRunner};
use reader::{Decided, Place, Reader, Use};
use world::{RandomObject, World};

const WORK_LIST: &str = "task_struct.scm_work_list";

/// Every committed converter of the family, with what people decided for it.
fn converters() -> Vec<(&'static Converter, Vec<(&'static str, Decided)>)> {
    let one_processor = vec![
        ("task_struct.per_cpu_utime", Decided::Sum),
        ("task_struct.per_cpu_stime", Decided::Sum),
        ("task_struct.processor", Decided::Is(0)),
        ("task_struct.cpus_runnable", Decided::Is(0xffff_ffff)),
        ("task_struct.cpus_allowed", Decided::WithFirstBit),
    ];
    let steps = [
        ("2.4.36.8-2.4.36.9", vec![(WORK_LIST, Decided::Zero)]),
        ("2.4.36.9-2.4.36.8", vec![(WORK_LIST, Decided::MustBeZero)]),
        (
            "2.4.36-up-2.4.36-smp",
            vec![("task_struct.cpus_runnable", Decided::Is(0xffff_ffff))],
        ),
        ("2.4.36-smp-2.4.36-up", one_processor),
    ];
    let mut all = Vec::new();
    for (step, decided) in steps {
        for converter in kconv_steps::called(&format!("convert-{step}")) {
            all.push((converter, decided.clone()));
        }
    }
    let family = kconv_steps::all().iter();
    let family = family.filter(|converter| converter.family == "linux-2.4");
    assert_eq!(all.len(), family.count());
    // And between releases of each layout, where nobody has decided anything.
    for entry in Registry::builtin().unwrap().layouts() {
        if entry.family == "linux-2.4" {
            all.push((kconv_steps::identity(&entry.id.0).unwrap(), Vec::new()));
        }
    }
    all
}

fn state_map(registry: &Registry) -> StateMap {
    registry.state_map("linux-2.4").unwrap()
}

fn reader(converter: &Converter, decided: &[(&str, Decided)]) -> Reader {
    let registry = Registry::builtin().unwrap();
    let layout = |name: &str| registry.layout(&LayoutId(name.to_owned())).unwrap();
    let (old, new) = (layout(converter.from.layout), layout(converter.to.layout));
    Reader::new(&old, &new, &state_map(registry), decided)
}

/// Two objects of every saved structure. Each is in the other's way if it grows; a task has its
/// stack behind it, with its registers at the end.
fn world(converter: &'static Converter) -> World {
    let map = state_map(Registry::builtin().unwrap());
    let mut objects = vec![
        ("task_struct", 0xc100_0000, 0),
        ("task_struct", 0xc100_2000, 1),
        ("pt_regs", 0xc100_1fc4, 0),
        ("pt_regs", 0xc100_3fc4, 1),
    ];
    let mut address = 0xc200_0000;
    for ty in map.saved_types() {
        if !matches!(ty, "task_struct" | "pt_regs") {
            let size = u64::from(converter.find(ty).unwrap().from_size);
            for owner in [0, 1] {
                objects.push((ty, address, owner));
                address += size;
            }
        }
    }
    World::new(converter, &objects)
}

fn places(world: &World) -> Vec<Place> {
    let place = |object: usize| Place {
        ty: world.ty(object).to_owned(),
        old: world.old(object),
        new: world.new_address(object),
    };
    (0..world.len()).map(place).collect()
}

fn prepare(sample: &RandomObject, reader: &Reader, places: &[Place]) -> (Vec<u8>, Vec<Slot>) {
    let mut bytes = sample.bytes.clone();
    let mut slots = Vec::new();
    let own = &places[sample.object];
    for (index, (offset, used)) in reader.pointers(&own.ty).into_iter().enumerate() {
        let (kind, target, number) = sample.choices[index % sample.choices.len()];
        let target = &places[(target + index) % places.len()];
        let into = u64::from(number) % reader.old_size(&target.ty);
        let value = match (used, kind % 5) {
            (_, 0) => 0,
            (Use::Object | Use::Reset, 1) => target.old,
            (Use::Object, 2) => target.old + into,
            (Use::Object, 3) => {
                let task = &places[number as usize % 2];
                task.old + u64::from(number / 2) % reader.old_size(&task.ty)
            }
            // A list that is empty: one of its links leads to the other, or to itself.
            (Use::Reset, 2) => own.old + u64::from(offset - offset % 8 * (number % 2)),
            (Use::Stack, 1 | 2) => own.old + u64::from(number) % 8193,
            (Use::Name, 1 | 2) => {
                let target = SlotTarget::Symbol(SymbolId(number));
                slots.push(Slot {
                    object: ObjectId(sample.object as u32),
                    offset,
                    target,
                });
                u64::from(number)
            }
            _ => continue,
        };
        bytes[offset as usize..offset as usize + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
    slots.sort_by_key(|slot| slot.offset);
    (bytes, slots)
}

/// Runs random objects of every type through `converter` and hands each result to `judge`.
fn run(
    converter: &'static Converter,
    decided: &[(&str, Decided)],
    cases: u32,
    judge: impl Fn(&Reader, &[Place], &RandomObject, &[u8], &[Slot], (Vec<u8>, Outcome)),
) {
    let reader = reader(converter, decided);
    let world = world(converter);
    let places = places(&world);
    let sizes: Vec<usize> = places
        .iter()
        .map(|place| reader.old_size(&place.ty) as usize)
        .collect();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&RandomObject::any(sizes), |sample| {
            let (bytes, slots) = prepare(&sample, &reader, &places);
            let result = world.convert(sample.object, &bytes, &slots);
            judge(&reader, &places, &sample, &bytes, &slots, result);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_field_of_random_objects_is_what_it_must_be() {
    for (converter, decided) in converters() {
        run(
            converter,
            &decided,
            300,
            |reader, places, sample, old, slots, (new, outcome)| {
                let wrong = reader.compare(places, sample.object, old, slots, (&new, &outcome));
                assert!(
                    wrong.is_empty(),
                    "{} {}: {wrong:#?}",
                    converter.from.layout,
                    places[sample.object].ty
                );
            },
        );
    }
}

#[test]
fn objects_that_grow_move_and_are_still_found() {
    let (converter, _) = converters()
        .into_iter()
        .find(|(c, _)| c.name.ends_with("-smp"))
        .unwrap();
    let world = world(converter);
    let moved = places(&world)
        .iter()
        .filter(|place| place.old != place.new)
        .count();
    assert!(moved > 5, "{moved}");
}

/// Whether the reader finds fault with `converter` in any of `cases` random objects.
fn is_caught(
    converter: &'static Converter,
    decided: &[(&str, Decided)],
    mutate: impl Fn(&str, &mut Vec<u8>),
) -> bool {
    let caught = std::cell::Cell::new(false);
    run(
        converter,
        decided,
        400,
        |reader, places, sample, old, slots, (mut new, outcome)| {
            if caught.get() {
                return;
            }
            mutate(&places[sample.object].ty, &mut new);
            let wrong = reader.compare(places, sample.object, old, slots, (&new, &outcome));
            caught.set(!wrong.is_empty());
        },
    );
    caught.get()
}

/// Every scalar of every type: a change of its lowest or highest bit is noticed.
#[test]
fn no_field_escapes_the_reader() {
    for (converter, decided) in converters() {
        let reader = reader(converter, &decided);
        let world = world(converter);
        let places = places(&world);
        // Objects come in pairs of one type.
        for (object, place) in places.iter().enumerate().step_by(2) {
            let old = vec![0; reader.old_size(&place.ty) as usize];
            let (new, outcome) = world.convert(object, &old, &[]);
            for (path, leaf) in reader.new_scalars(&place.ty) {
                for bit in [leaf.offset.0, leaf.offset.0 + leaf.size.0 - 1] {
                    let mut mutant = new.clone();
                    mutant[(bit / 8) as usize] ^= 1 << (bit % 8);
                    let wrong = reader.compare(&places, object, &old, &[], (&mutant, &outcome));
                    assert!(!wrong.is_empty(), "{}.{path}", place.ty);
                }
            }
        }
    }
}

#[test]
fn two_fields_that_are_swapped_are_caught() {
    let (converter, decided) = converters().swap_remove(0);
    let swap = |ty: &str, new: &mut Vec<u8>| {
        if ty == "task_struct" {
            let (uid, euid) = (300, 304);
            for byte in 0..4 {
                new.swap(uid + byte, euid + byte);
            }
        }
    };
    assert!(is_caught(converter, &decided, swap));
}

#[test]
fn a_field_that_is_cut_to_half_its_width_is_caught() {
    let (converter, decided) = converters().swap_remove(0);
    let cut = |ty: &str, new: &mut Vec<u8>| {
        if ty == "file" {
            // f_pos has 64 bits.
            new[36..40].fill(0);
        }
    };
    assert!(is_caught(converter, &decided, cut));
}

#[test]
fn a_sign_that_is_lost_is_caught() {
    let (converter, decided) = converters().swap_remove(0);
    // did_exec is one signed bit of byte 120; as a number it is -1, and not 1 beside zeros.
    let unsigned = |ty: &str, new: &mut Vec<u8>| {
        if ty == "task_struct" {
            new[120] = (new[120] & 1) << 1 | (new[120] & 2) >> 1;
        }
    };
    assert!(is_caught(converter, &decided, unsigned));
}

#[test]
fn a_field_at_the_wrong_offset_is_caught() {
    let (converter, decided) = converters().swap_remove(2);
    let shift = |ty: &str, new: &mut Vec<u8>| {
        if ty == "mm_struct" {
            new.copy_within(56..100, 60);
        }
    };
    assert!(is_caught(converter, &decided, shift));
}

/// A converter with other span tables.
fn with_spans(
    converter: &Converter,
    ty: &str,
    change: impl Fn(&mut Vec<Span>),
) -> &'static Converter {
    let mut types: Vec<TypeConverter> = converter
        .types()
        .map(|old| {
            let mut spans = old.spans.to_vec();
            if old.name == ty {
                change(&mut spans);
            }
            TypeConverter {
                rules: TypeRules {
                    spans: Vec::leak(spans),
                    ..old.rules
                },
                convert: old.convert,
            }
        })
        .collect();
    types.sort_by_key(|ty| ty.name);
    Box::leak(Box::new(Converter {
        changed: Vec::leak(types),
        carried: &[],
        gone: &[],
        read: &[],
        ..*converter
    }))
}

/// Whether the reader finds fault with where `converter` sends a pointer (`p_pptr` of the first
/// task) at any byte of any object.
fn misplaces_a_pointer(converter: &'static Converter, decided: &[(&str, Decided)]) -> bool {
    const P_PPTR: usize = 152;
    let reader = reader(converter, decided);
    let world = world(converter);
    let places = places(&world);
    let mut old = vec![0; reader.old_size("task_struct") as usize];
    places
        .iter()
        .filter(|place| place.ty == "task_struct" || place.ty == "mm_struct")
        .any(|place| {
            (0..reader.old_size(&place.ty)).any(|into| {
                let address = (place.old + into) as u32;
                old[P_PPTR..P_PPTR + 4].copy_from_slice(&address.to_le_bytes());
                let (new, outcome) = world.convert(0, &old, &[]);
                !reader
                    .compare(&places, 0, &old, &[], (&new, &outcome))
                    .is_empty()
            })
        })
}

#[test]
fn spans_that_are_wrong_are_caught() {
    let (converter, decided) = converters()
        .into_iter()
        .find(|(c, _)| c.name.ends_with("-smp"))
        .unwrap();
    assert!(!misplaces_a_pointer(
        with_spans(converter, "task_struct", |_| {}),
        &decided
    ));
    type Mutant<'a> = &'a dyn Fn(&mut Vec<Span>);
    let mutants: [Mutant<'_>; 6] = [
        &|spans| spans[1].to += 4,
        &|spans| spans[2].from += 4,
        &|spans| spans[0].len -= 1,
        &|spans| spans[5].len += 1,
        &|spans| {
            spans.pop();
        },
        &|spans| {
            let (a, b) = (spans[2].to, spans[3].to);
            (spans[2].to, spans[3].to) = (b, a);
        },
    ];
    for (number, mutant) in mutants.iter().enumerate() {
        let mutant = with_spans(converter, "task_struct", mutant);
        assert!(misplaces_a_pointer(mutant, &decided), "mutant {number}");
    }
    let mutant = with_spans(converter, "mm_struct", |spans| spans[0].to += 1);
    assert!(misplaces_a_pointer(mutant, &decided));
}
