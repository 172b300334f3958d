//! Between releases of one layout: what the state map says of a member is done there as well, and
//! what a step forth kept is put back on the way back only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

use kconv_image::{Image, Object, ObjectId};
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Problem;
use kconv_runtime::table::Converter;
use kernel_structs::layout::{FieldPath, Layout, Leaf, Step, leaves};
use kernel_structs::releases::Registry;
use kernel_structs::state::{Policy, Rule, StateMap};
use std::path::Path;
use world::{World, through};

/// The rule of the outermost member on the way to a scalar of which the map says anything.
fn rule<'a>(map: &'a StateMap, layout: &Layout, ty: &str, leaf: &Leaf) -> Option<&'a Rule> {
    let root = layout.find(ty).unwrap();
    let mut owner = root;
    let steps = leaf.path.steps();
    (0..steps.len()).find_map(|index| {
        let path = FieldPath::from(steps[..=index].to_vec());
        let here = layout.resolve(root, &path).unwrap().ty;
        let names = layout.names(owner);
        owner = here;
        let Step::Member(name) = &steps[index] else {
            return None;
        };
        let names = if names.is_empty() { vec![ty] } else { names };
        let rule = map.member_rule(layout, &names, name, here);
        rule.map(|(rule, _)| rule)
    })
}

/// One object of every saved type.
fn world(converter: &'static Converter, map: &StateMap, layout: &Layout) -> World {
    let mut objects = Vec::new();
    let mut address = 0xc100_0000;
    let size = |ty| {
        let found = converter.find(ty).filter(|ty| ty.convert.is_some())?;
        Some(u64::from(found.from_size))
    };
    let (behind, apart): (Vec<&str>, _) = map
        .saved_types()
        .into_iter()
        .partition(|ty| map.behind(layout, ty).is_some());
    for ty in apart {
        if let Some(size) = size(ty) {
            objects.push((ty, address, 0));
            address += size.next_multiple_of(0x1_0000);
        }
    }
    for ty in behind {
        let owner = map.behind(layout, ty).unwrap().owner.as_str();
        let index = objects.iter().position(|(ty, ..)| *ty == owner).unwrap();
        let end = objects[index].1 + size(owner).unwrap();
        objects.push((ty, end, index as u32));
    }
    World::new(converter, &objects)
}

/// Every scalar that the state map resets, set to a value that is the initial one of nothing.
#[test]
fn resets_are_reset_and_what_may_not_be_lost_is_refused() {
    let registry = Registry::builtin().unwrap();
    let (mut strict_ones, mut kept_ones) = (Vec::new(), 0);
    for entry in registry.layouts() {
        let map = registry.state_map(&entry.family).unwrap();
        let layout = map.live(&registry.layout(&entry.id).unwrap());
        let converter = kconv_steps::identity(&entry.id.0).unwrap();
        assert_eq!(converter.from, converter.to);
        assert!(converter.changed.is_empty());
        let world = world(converter, &map, &layout);
        for object in 0..world.len() {
            let ty = world.ty(object);
            let size = converter.find(ty).unwrap().from_size as usize;
            for leaf in leaves(&layout, layout.find(ty).unwrap(), 100_000).unwrap() {
                let Some(Rule {
                    policy: Policy::Reset { strict, .. },
                    reason,
                    ..
                }) = rule(&map, &layout, ty, &leaf)
                else {
                    continue;
                };
                if leaf.bit_field || leaf.in_union {
                    continue;
                }
                let place = leaf.offset.byte().0 as usize..;
                let place = place.start..place.start + (leaf.size.0 / 8) as usize;
                let mut old = vec![0; size];
                old[place.clone()].fill(0x5a);
                let (new, outcome) = world.convert(object, &old, &[]);
                let field = leaf.path.to_string();
                let what = format!("{}: {ty}.{field}", entry.id.0);
                let mut findings = outcome.findings.iter();
                // An array of structures is held against its initial value, and kept, as a whole.
                let within = |whole: &str| {
                    let rest = field.strip_prefix(whole);
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
                };
                let found = findings.find(|finding| within(&finding.field));
                let mut kept = outcome.remainder.iter();
                let kept = kept.find(|kept| within(&kept.field));
                if *strict {
                    let found = found.unwrap_or_else(|| panic!("{what} is not refused"));
                    let Problem::NotInitial { reason: told, .. } = found.problem else {
                        panic!("{what}: {found:?}");
                    };
                    assert_eq!(told, reason, "{what}");
                    strict_ones.push(what.clone());
                } else {
                    assert!(found.is_none(), "{what}: {found:?}");
                    let kept = kept.unwrap_or_else(|| panic!("{what} is not kept"));
                    let start = place.start - kept.offset as usize;
                    let bytes = &kept.bytes[start..start + place.len()];
                    assert_eq!(bytes, &old[place.clone()], "{what}");
                    kept_ones += 1;
                }
                assert_ne!(new[place.clone()], old[place], "{what}");
            }
        }
    }
    let of_2_4 = String::from("2.4.36.9-i386-up: task_struct.scm_work_list");
    assert!(strict_ones.contains(&of_2_4), "{strict_ones:#?}");
    assert!(strict_ones.len() > 100, "{}", strict_ones.len());
    assert!(kept_ones > 1000, "{kept_ones}");
}

/// Objects, and their bytes.
fn content(image: &Image) -> Vec<(Object, Vec<u8>)> {
    let objects = image.head().objects.iter().zip(0..);
    let read = objects.map(|(object, id)| {
        let mut bytes = Vec::new();
        image.read_object(ObjectId(id), &mut bytes).unwrap();
        (object.clone(), bytes)
    });
    read.collect()
}

/// The tasks of a real 2.4.36, which has its layout in common with what came before and after it.
fn real() -> (Image, [&'static Converter; 1]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/images/2.4.36-i386-up.img");
    let image = Image::open(&path).unwrap();
    let layout = &image.head().identity.kernel.layout;
    let identity = kconv_steps::identity(layout).unwrap();
    (image, [identity])
}

#[test]
fn going_on_leaves_what_was_kept_and_going_back_puts_it_back() {
    let (a, identity) = real();
    let home = a.head().identity.kernel.release.clone();
    assert_eq!(a.head().remainder, []);
    let b = through(&a, &identity, "2.4.36.8-up").unwrap();
    let kept = &b.head().remainder;
    assert!(kept.len() > 100, "{}", kept.len());
    assert_ne!(content(&b), content(&a));

    let c = through(&b, &identity, "2.4.35-up").unwrap();
    assert_eq!(content(&c), content(&b));
    assert_eq!(&c.head().remainder, kept);
    let steps = &c.head().provenance;
    assert_eq!(
        steps.iter().map(|step| step.restored).collect::<Vec<_>>(),
        [0, 0]
    );
    assert_eq!((steps[0].kept, steps[1].kept), (kept.len() as u64, 0));

    for away in [&b, &c] {
        let again = through(away, &identity, &home).unwrap();
        assert_eq!(content(&again), content(&a));
        assert_eq!(again.head().remainder, []);
        let last = again.head().provenance.last().unwrap();
        assert_eq!((last.restored, last.kept), (kept.len() as u64, 0));
    }
}

/// The same when the way leads through another layout.
#[test]
fn a_step_to_another_layout_and_back_puts_back_what_it_kept() {
    let (a, identity) = real();
    let home = a.head().identity.kernel.release.clone();
    let step = |name: &str, like: &str| {
        let all = kconv_steps::called(name).into_iter();
        let mut like = all.filter(|converter| converter.from.layout.ends_with(like));
        like.next().unwrap()
    };
    let forth = step("convert-2.4.36.8-2.4.36.9", "-up");
    let back = step("convert-2.4.36.9-2.4.36.8", "-up");
    let b = through(&a, &identity, "2.4.36.8-up").unwrap();
    let c = through(&b, &[forth], "2.4.36.9-up").unwrap();
    let d = through(
        &c,
        &[kconv_steps::identity(forth.to.layout).unwrap()],
        "2.4.37-up",
    )
    .unwrap();
    assert_eq!(content(&d), content(&c));
    assert_eq!(d.head().remainder, c.head().remainder);
    let again = through(&d, &[back], &home).unwrap();
    assert_eq!(content(&again), content(&a));
    assert_eq!(again.head().remainder, []);
}

/// A task that is releasing descriptors in flight cannot go to the next release of its own layout
/// either.
#[test]
fn a_strict_reset_that_is_set_stops_a_step_between_releases() {
    let (image, _) = real();
    let forth = kconv_steps::called("convert-2.4.36.8-2.4.36.9");
    let up = |converter: &&&'static Converter| converter.from.layout.ends_with("-up");
    let forth = *forth.iter().find(up).unwrap();
    let new = through(&image, &[forth], "2.4.36.9-up").unwrap();
    let layout = &new.head().identity.kernel.layout;
    assert_eq!(layout, "2.4.36.9-i386-up");
    let identity = kconv_steps::identity(layout).unwrap();
    through(&new, &[identity], "2.4.37-up").unwrap();

    let world = World::new(identity, &[("task_struct", 0xc100_0000, 0)]);
    let size = identity.find("task_struct").unwrap().from_size as usize;
    let mut bytes = vec![0; size];
    // The member is at byte 1432.
    bytes[1432..1436].copy_from_slice(&0xc100_1f00u32.to_le_bytes());
    let refused = through(&world.image(&[bytes]), &[identity], "2.4.37-up");
    let Err(ConvertError::Refused(findings)) = refused else {
        panic!("it was not refused");
    };
    let fields: Vec<&str> = findings.iter().map(|f| f.field.as_str()).collect();
    assert_eq!(fields, ["scm_work_list"]);
    let told = findings[0].problem.to_string();
    assert!(told.contains("net/core/scm.c: __scm_destroy"), "{told}");
}
