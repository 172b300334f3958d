//! Every converter among the kernels of Linux 6, held against the layouts and its own way back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use kconv_codegen::overrides::Changes;
use kconv_image::{ObjectId, Slot, SlotTarget, SymbolId};
use kconv_runtime::context::Outcome;
use kconv_runtime::table::{Converter, PartKind};
use kernel_structs::layout::{FieldPath, Layout, Leaf, LeafKind, Step, leaves};
use kernel_structs::releases::Registry;
use kernel_structs::state::{Policy, StateMap};
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;
use world::{RandomObject, World};

const SYMBOLS: [&str; 4] = [
    "arch_get_unmapped_area",
    "arch_get_unmapped_area_topdown",
    "futex_wait_restart",
    "do_no_restart_syscall",
];

static REGISTRY: LazyLock<&Registry> = LazyLock::new(|| Registry::builtin().unwrap());
static MAP: LazyLock<StateMap> = LazyLock::new(|| REGISTRY.state_map("linux-6").unwrap());
static LAYOUTS: LazyLock<BTreeMap<&str, Layout>> = LazyLock::new(|| {
    let all = REGISTRY.layouts().filter(|entry| entry.family == "linux-6");
    all.map(|entry| (entry.id.0.as_str(), REGISTRY.layout(&entry.id).unwrap()))
        .collect()
});

/// Every converter, with the one back; and what is done between releases of one layout, which is its
/// own way back, for one layout of each version.
fn directions() -> Vec<[&'static Converter; 2]> {
    let mut all = kconv_steps::all().to_vec();
    all.retain(|converter| converter.family == "linux-6");
    let back = |there: &Converter| {
        let ends = (there.to.layout, there.from.layout);
        let mut found = all.iter().filter(|c| (c.from.layout, c.to.layout) == ends);
        let back = found
            .next()
            .unwrap_or_else(|| panic!("no way back for {}", there.name));
        assert!(found.next().is_none(), "two ways back for {}", there.name);
        *back
    };
    let mut directions: Vec<_> = all.iter().map(|there| [*there, back(there)]).collect();
    for layout in [
        "6.1.0-47-amd64",
        "6.12.117+deb12-amd64",
        "7.3.4+deb13-amd64",
    ] {
        directions.push([kconv_steps::identity(layout).unwrap(); 2]);
    }
    directions
}

/// The converter from 6.1 to 6.12, and the one back.
fn between_versions() -> [&'static Converter; 2] {
    let mut all = directions();
    all.retain(|[there, _]| {
        there.from.layout == "6.1.0-55-amd64" && there.to.layout.starts_with("6.12.")
    });
    let [direction] = all.try_into().unwrap();
    direction
}

/// Whether a converter leads from one series to another.
fn crosses(converter: &Converter) -> bool {
    let version = |layout: &str| layout.split('.').nth(1).unwrap().to_owned();
    version(converter.from.layout) != version(converter.to.layout)
}

fn layout(name: &str) -> &'static Layout {
    &LAYOUTS[name]
}

/// Two objects of every saved type, with room to grow for neither.
fn world(converter: &'static Converter) -> World {
    let mut objects = Vec::new();
    let mut address = 0xffff_8881_0000_0000;
    let layout = layout(converter.from.layout);
    let size = |ty: &str| u64::from(converter.find(ty).unwrap().from_size);
    let saved = MAP.saved_in(layout);
    // What lies right behind another object goes with it: trailing.rs has a conversion of both.
    let alone = saved.iter().filter(|ty| MAP.behind(layout, ty).is_none());
    // One of a type that the other kernel has not is refused: the last test.
    for ty in alone.filter(|ty| converter.find(ty).is_some()) {
        for _ in 0..2 {
            objects.push((*ty, address, 0));
            address += size(ty).next_multiple_of(64);
        }
    }
    World::new(converter, &objects).with_symbols(&SYMBOLS)
}

fn object_of(world: &World, ty: &str) -> usize {
    (0..world.len())
        .find(|object| world.ty(*object) == ty)
        .unwrap()
}

/// The scalars of a type by path, without those of an open array at its end: elements are converted one
/// by one (tails.rs), though the type `pid` of 5.10 has the first of them itself.
fn scalars(layout: &Layout, ty: &str) -> BTreeMap<String, Leaf> {
    let id = layout.find(ty).unwrap();
    let ends = MAP
        .tail(layout, id)
        .map_or(u64::MAX, |tail| 8 * tail.offset);
    leaves(layout, id, 100_000)
        .unwrap()
        .into_iter()
        .filter(|leaf| leaf.offset.0 < ends)
        .map(|leaf| (leaf.path.to_string(), leaf))
        .collect()
}

/// Whether the state map says anything of a scalar but that it is data.
fn has_rule(layout: &Layout, ty: &str, leaf: &Leaf) -> bool {
    let root = layout.find(ty).unwrap();
    let mut owner = root;
    let steps = leaf.path.steps();
    (0..steps.len()).any(|index| {
        let path = FieldPath::from(steps[..=index].to_vec());
        let here = layout.resolve(root, &path).unwrap().ty;
        let names = layout.names(owner);
        owner = here;
        let Step::Member(name) = &steps[index] else {
            return false;
        };
        let names = if names.is_empty() { vec![ty] } else { names };
        let rule = MAP.member_rule(layout, &names, name, here);
        rule.is_some_and(|(rule, _)| !matches!(rule.policy, Policy::Carry | Policy::User))
    })
}

/// The names of all members that somebody decided about, in either direction.
fn decided(direction: [&Converter; 2]) -> BTreeSet<String> {
    if direction[0].from.layout == direction[0].to.layout {
        return BTreeSet::new();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/overrides");
    let changes = Changes::read(&folder, "linux-6").unwrap();
    let entries = direction.iter().flat_map(|converter| {
        let ends = (layout(converter.from.layout), layout(converter.to.layout));
        changes.between(ends.0, ends.1).entries
    });
    let fields = entries.map(|entry| entry.field);
    let flags = changes.flags.iter().map(|decision| decision.field.clone());
    fields
        .chain(flags)
        .filter_map(|field| Some(field.rsplit_once('.')?.1.to_owned()))
        .collect()
}

/// The bits of `bytes` that a scalar holds.
fn bits(bytes: &[u8], leaf: &Leaf) -> Vec<bool> {
    (leaf.offset.0..leaf.offset.0 + leaf.size.0)
        .map(|bit| bytes[(bit / 8) as usize] >> (bit % 8) & 1 != 0)
        .collect()
}

/// Makes pointers lead somewhere, or be named by slots.
fn prepare(sample: &RandomObject, world: &World, pointers: &[Leaf]) -> (Vec<u8>, Vec<Slot>) {
    let mut bytes = sample.bytes.clone();
    let mut slots: BTreeMap<u32, Slot> = BTreeMap::new();
    for (index, leaf) in pointers.iter().enumerate() {
        let (kind, target, number) = sample.choices[index % sample.choices.len()];
        let offset = leaf.offset.byte().0 as u32;
        let target = (target + index) % world.len();
        let size = world.converter.find(world.ty(target)).unwrap().from_size;
        let value = match kind % 5 {
            0 => 0,
            1 => world.old(target),
            2 => world.old(target) + u64::from(number % size),
            3 => {
                let target = SlotTarget::Symbol(SymbolId(number % SYMBOLS.len() as u32));
                let object = ObjectId(sample.object as u32);
                let slot = Slot {
                    object,
                    offset,
                    target,
                };
                slots.insert(offset, slot);
                0
            }
            _ => continue,
        };
        let place = offset as usize..offset as usize + 8;
        bytes[place].copy_from_slice(&value.to_le_bytes());
    }
    // What becomes an object of its own does so in a conversion of all objects (`parts.rs`), and
    // here there is one: it has nothing to say.
    for part in world.converter.find(world.ty(sample.object)).unwrap().parts {
        if part.kind == PartKind::Made {
            let size = world.converter.find(part.ty).unwrap().from_size as usize;
            let place = part.from as usize..part.from as usize + size;
            slots.retain(|offset, _| !place.contains(&(*offset as usize)));
            bytes[place].fill(0);
        }
    }
    (bytes, slots.into_values().collect())
}

/// Puts back what was kept of the object.
fn restore(bytes: &mut [u8], outcome: &Outcome) {
    for kept in &outcome.remainder {
        let place = &mut bytes[kept.offset as usize..][..kept.bytes.len()];
        for ((byte, kept), mask) in place.iter_mut().zip(&kept.bytes).zip(&kept.mask) {
            *byte = *byte & !mask | kept & mask;
        }
    }
}

/// Runs random objects of every saved type there and back.
fn run(
    [there, again]: [&'static Converter; 2],
    judge: impl Fn(&World, &RandomObject, (&[u8], &[Slot]), (&[u8], &Outcome), (&[u8], &Outcome)),
) {
    let old = layout(there.from.layout);
    let world = world(there);
    let returned = world.after(again).with_symbols(&SYMBOLS);
    let sizes: Vec<usize> = (0..world.len())
        .map(|object| there.find(world.ty(object)).unwrap().from_size as usize)
        .collect();
    let pointers: Vec<Vec<Leaf>> = (0..world.len())
        .map(|object| {
            let all = scalars(old, world.ty(object)).into_values();
            all.filter(|leaf| matches!(leaf.kind, LeafKind::Pointer(_)) && !leaf.in_union)
                .collect()
        })
        .collect();
    // As many as PROPTEST_CASES says: hundreds for each of a hundred converters, if it says nothing.
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&RandomObject::any(sizes), |sample| {
            let (bytes, slots) = prepare(&sample, &world, &pointers[sample.object]);
            let (new, outcome) = world.convert(sample.object, &bytes, &slots);
            let mut moved = outcome.slots.clone();
            moved.sort_by_key(|slot| slot.offset);
            let (mut home, mut second) = returned.convert(sample.object, &new, &moved);
            restore(&mut home, &outcome);
            let ty = there.find(world.ty(sample.object)).unwrap();
            for run in ty.padding {
                for bit in run.offset..run.offset + run.len {
                    let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
                    home[byte] = home[byte] & !mask | bytes[byte] & mask;
                }
            }
            second.faults.extend(outcome.faults.clone());
            judge(
                &world,
                &sample,
                (&bytes, &slots),
                (&new, &outcome),
                (&home, &second),
            );
            Ok(())
        })
        .unwrap();
}

/// Every scalar that both kernels have, and of which nobody says that it is more than a number,
/// has its value in its new place. The arguments of an interrupted system call are in a union, where
/// the flags of one call lie in a number of another.
#[test]
fn what_has_a_counterpart_is_carried() {
    for direction in directions() {
        let decided = decided(direction);
        let layouts = [direction[0].from.layout, direction[0].to.layout];
        let layouts = layouts.map(|name| MAP.live(layout(name)));
        let common: BTreeMap<&str, Vec<(String, Leaf, Leaf)>> = MAP
            .saved_in(layout(direction[0].from.layout))
            .into_iter()
            .filter(|ty| direction[0].find(ty).is_some())
            .map(|ty| {
                let mut new = scalars(&layouts[1], ty);
                let pairs = scalars(&layouts[0], ty).into_iter();
                let pairs = pairs.filter_map(|(path, was)| {
                    let is = new.remove(&path)?;
                    let ruled = has_rule(&layouts[0], ty, &was)
                        || has_rule(&layouts[1], ty, &is)
                        || was.path.steps().iter().any(
                            |step| matches!(step, Step::Member(name) if decided.contains(name)),
                        );
                    let same = was.size == is.size && !matches!(was.kind, LeafKind::Pointer(_));
                    (same && !ruled && !path.contains("restart_block.")).then_some((path, was, is))
                });
                (ty, pairs.collect())
            })
            .collect();
        let all: usize = common.values().map(Vec::len).sum();
        assert!(all > 700, "{all}");
        run(direction, |world, sample, (old, _), (new, outcome), _| {
            for (path, was, is) in &common[world.ty(sample.object)] {
                let refused = outcome
                    .findings
                    .iter()
                    .any(|finding| finding.field == *path);
                assert!(
                    refused || bits(old, was) == bits(new, is),
                    "{}.{path}",
                    world.ty(sample.object)
                );
            }
        });
    }
}

/// What takes more than one object to carry, and so a conversion of a whole image: type, field,
/// and the test that has one.
const ELSEWHERE: [(&str, &str, &str); 5] = [
    ("signal_struct", "posix_timers", "rings.rs"),
    ("k_itimer", "list", "rings.rs"),
    ("task_struct", "thread_group", "rings.rs"),
    // An object that belongs to no file is refused as a whole.
    ("fown_struct", "file", "parts.rs"),
    ("file", "f_owner", "parts.rs"),
];

/// What the other kernel has under another name, and a refusal speaks of so.
const OTHERWISE: [(&str, &str); 6] = [
    ("context.ia32_compat", "context.flags"),
    ("context.flags", "context.ia32_compat"),
    ("state", "__state"),
    ("__state", "state"),
    ("thread.fpu", "thread.fpu.state"),
    ("thread.pkru", "thread.fpu.state"),
];

/// Whatever a way there and back does not give again was refused on one of the two. Bits that
/// belong to no member in use are kept beside the objects, and not by the converter.
#[test]
fn what_is_lost_was_refused_or_kept() {
    for direction in directions() {
        let old = MAP.live(layout(direction[0].from.layout));
        let types = MAP.saved_in(&old).into_iter();
        let types: BTreeMap<&str, Vec<(String, Leaf)>> = types
            .map(|ty| (ty, scalars(&old, ty).into_iter().collect()))
            .collect();
        run(
            direction,
            |world, sample, (bytes, slots), (_, first), (home, second)| {
                assert_eq!(second.faults, Vec::<String>::new());
                let refused: BTreeSet<&str> = first
                    .findings
                    .iter()
                    .chain(&second.findings)
                    .map(|finding| finding.field.as_str())
                    // A pointer into a member that has no place on the way back.
                    .chain(second.remainder.iter().map(|kept| &*kept.field))
                    .collect();
                for slot in &second.slots {
                    let made = first.findings.is_empty() && !slots.contains(slot);
                    assert!(!made, "a slot that was not there: {slot:?}");
                }
                for (path, leaf) in &types[world.ty(sample.object)] {
                    if bits(bytes, leaf) == bits(home, leaf) {
                        continue;
                    }
                    let of = (world.ty(sample.object), path.split('.').next().unwrap());
                    let is = |here: &str| {
                        path.split_at_checked(here.len())
                            .is_some_and(|(start, rest)| {
                                start == here && (rest.is_empty() || rest.starts_with('.'))
                            })
                    };
                    let otherwise = OTHERWISE.iter().filter(|(here, _)| is(here));
                    let otherwise = otherwise.map(|(_, there)| *there);
                    let told = crosses(direction[0])
                        && ELSEWHERE.iter().any(|(ty, field, _)| of == (*ty, *field))
                        || otherwise.into_iter().any(|there| refused.contains(there))
                        || refused.iter().any(|field| {
                            // A finding names a union without a name by its first member.
                            let field = field.split(".union_").next().unwrap();
                            path.starts_with(field) || field.starts_with(path.as_str())
                        });
                    assert!(told, "{}.{path}: {refused:?}", world.ty(sample.object));
                }
            },
        );
    }
}

/// A pointer at any byte of any object comes back to it, or was refused, or does not arrive. The
/// first member of an object is the hard place: a pointer at it looks like one at the object. Of the bytes behind it
/// each converter is given every eighth, which are others than those of the converter before.
#[test]
fn a_pointer_into_an_object_comes_back() {
    for ([there, again], turn) in directions().into_iter().zip((0..8).cycle()) {
        let world = world(there);
        let returned = world.after(again).with_symbols(&SYMBOLS);
        let process = object_of(&world, "signal_struct");
        let old = layout(there.from.layout);
        let field = FieldPath::parse("pids[3]").unwrap();
        let found = old.resolve(old.find("signal_struct").unwrap(), &field);
        let pids = found.unwrap().offset.byte().0 as usize;
        let size = |object: usize| there.find(world.ty(object)).unwrap().from_size;
        for target in (0..world.len()).step_by(2) {
            for place in (0..16).chain((16 + turn..).step_by(8)) {
                if place >= size(target) {
                    break;
                }
                let address = world.old(target) + u64::from(place);
                let mut bytes = vec![0; size(process) as usize];
                bytes[pids..pids + 8].copy_from_slice(&address.to_le_bytes());
                let (new, outcome) = world.convert(process, &bytes, &[]);
                if outcome.findings.iter().any(|f| f.field == "pids[3]") {
                    continue;
                }
                let (mut home, second) = returned.convert(process, &new, &[]);
                restore(&mut home, &outcome);
                let refused = second.findings.iter().any(|f| f.field == "pids[3]");
                assert!(
                    refused || home[pids..pids + 8] == address.to_le_bytes(),
                    "{} + {place}",
                    world.ty(target)
                );
            }
        }
    }
}

/// The timers of a process are a ring under 6.1 and a chain under 6.12; two of them, newest first.
#[test]
fn a_ring_of_timers_becomes_a_chain_and_a_ring_again() {
    let [there, again] = between_versions();
    let world = world(there);
    let process = object_of(&world, "signal_struct");
    let first = object_of(&world, "k_itimer");
    let at = |layout: &str, ty: &str, member: &str| {
        let layout = MAP.live(self::layout(layout));
        let path = FieldPath::parse(member).unwrap();
        let found = layout.resolve(layout.find(ty).unwrap(), &path).unwrap();
        found.offset.byte().0
    };
    let link = |bytes: &mut [u8], place: u64, values: [u64; 2]| {
        for (index, value) in values.into_iter().enumerate() {
            let place = place as usize + 8 * index;
            bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
        }
    };
    let links = |bytes: &[u8], place: u64| {
        [0, 8].map(|index| {
            let place = place as usize + index;
            u64::from_le_bytes(bytes[place..place + 8].try_into().unwrap())
        })
    };
    let size = |object: usize| there.find(world.ty(object)).unwrap().from_size as usize;
    let from = there.from.layout;
    let (head_at, list_at) = (
        at(from, "signal_struct", "posix_timers"),
        at(from, "k_itimer", "list"),
    );
    let signal_at = at(from, "k_itimer", "it_signal");
    let head = world.old(process) + head_at;
    let nodes = [first, first + 1].map(|timer| world.old(timer) + list_at);
    let mut old = [process, first, first + 1].map(|object| vec![0; size(object)]);
    link(&mut old[0], head_at, [nodes[0], nodes[1]]);
    link(&mut old[1], list_at, [nodes[1], head]);
    link(&mut old[2], list_at, [head, nodes[0]]);
    for timer in &mut old[1..] {
        let place = signal_at as usize;
        timer[place..place + 8].copy_from_slice(&world.old(process).to_le_bytes());
    }

    let mut returned = world.after(again).with_symbols(&SYMBOLS);
    let objects = [process, first, first + 1];
    let mut new = Vec::new();
    for (object, old) in objects.iter().zip(&old) {
        let (bytes, outcome) = world.convert(*object, old, &[]);
        let told = |member: &str| outcome.findings.iter().any(|f| f.field == member);
        assert!(
            !told("posix_timers") && !told("list"),
            "{:?}",
            outcome.findings
        );
        returned.bytes.insert(*object as u32, bytes.clone());
        new.push(bytes);
    }
    let to = there.to.layout;
    let (new_head_at, new_list_at) = (
        at(to, "signal_struct", "posix_timers"),
        at(to, "k_itimer", "list"),
    );
    let head = world.new_address(process) + new_head_at;
    let nodes = [first, first + 1].map(|timer| world.new_address(timer) + new_list_at);
    assert_eq!(links(&new[0], new_head_at)[0], nodes[0]);
    assert_eq!(links(&new[1], new_list_at), [nodes[1], head]);
    assert_eq!(links(&new[2], new_list_at), [0, nodes[0]]);

    let places = [head_at, list_at, list_at];
    for ((object, place), (new, old)) in objects.iter().zip(places).zip(new.iter().zip(&old)) {
        let (home, _) = returned.convert(*object, new, &[]);
        assert_eq!(links(&home, place), links(old, place));
    }
}

/// A task, and a state of the FPU, is as long as this CPU needs it: without a place for its last bytes no
/// image of a running kernel could be converted.
#[test]
fn what_may_be_shorter_than_its_type_has_a_place_for_its_end() {
    let mut shorter = 0;
    for [there, _] in directions() {
        let types = there.types().map(|ty| &ty.rules);
        for ty in types.filter(|ty| ty.open && ty.part_behind().is_none()) {
            let ends = ty
                .spans
                .last()
                .map(|last| (last.from + last.len, last.to + last.len));
            let sizes = Some((ty.from_size, ty.to_size));
            assert_eq!(ends, sizes, "{}: {}", there.name, ty.name);
            shorter += 1;
        }
    }
    assert!(shorter > 60, "{shorter}");
}
