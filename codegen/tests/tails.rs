//! Objects that are longer than their type: the numbers of a process in its PID namespaces, and
//! supplementary groups.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sample;

use kconv_runtime::table::Converter;
use proptest::prelude::*;
use sample::{Sample, assert_same, bytes, get, layout, state_map, through};

fn directions() -> [[&'static Converter; 2]; 2] {
    let [forth, back] = ["convert-6.1.192-6.12.117", "convert-6.12.117-6.1.192"].map(sample::step);
    [[forth, back], [back, forth]]
}

/// `sizeof` a type with a tail, and the size of one element.
fn sizes(converter: &Converter, ty: &str) -> (usize, usize) {
    let layout = layout(converter.from.layout);
    let tail = state_map().tail(layout, layout.find(ty).unwrap()).unwrap();
    (tail.offset as usize, tail.element_size as usize)
}

/// A pid with these numbers, each in a namespace of its own.
fn pid(sample: &mut Sample, converter: &Converter, numbers: &[u32]) -> usize {
    let (start, step) = sizes(converter, "pid");
    let pid = sample.add_longer("pid", start + step * numbers.len());
    sample.set(pid, "level", numbers.len() as u64 - 1);
    for (index, number) in numbers.iter().enumerate() {
        let place = start + step * index;
        // Also what lies between the number and the namespace comes back.
        let word = u64::from(*number) << 32 | u64::from(*number);
        sample.bytes_mut(pid)[place..place + 8].copy_from_slice(&word.to_le_bytes());
        let namespace = 0xffff_8880_0000_1000 + 64 * index as u64;
        sample.resource(pid, place + 8, "pid-namespace", namespace);
    }
    pid
}

fn groups(sample: &mut Sample, converter: &Converter, gids: &[u32]) -> usize {
    let (start, step) = sizes(converter, "group_info");
    let groups = sample.add_longer("group_info", start + step * gids.len());
    sample.set(groups, "ngroups", gids.len() as u64);
    for (index, gid) in gids.iter().enumerate() {
        let place = start + step * index;
        sample.bytes_mut(groups)[place..place + 4].copy_from_slice(&gid.to_le_bytes());
    }
    groups
}

fn elements(image: &kconv_image::Image, object: usize, start: usize, step: usize) -> Vec<u32> {
    let bytes = bytes(image, object);
    let each = bytes[start..].chunks_exact(step);
    each.map(|element| u32::from_le_bytes(element[..4].try_into().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However long they are, all elements arrive, pointers into them lead to the same element,
    /// and the way back gives the image again.
    #[test]
    fn elements_arrive_and_come_back(
        numbers in proptest::collection::vec(proptest::collection::vec(1..u32::MAX, 1..33), 1..5),
        gids in proptest::collection::vec(proptest::collection::vec(any::<u32>(), 0..200), 1..4),
        into in any::<proptest::sample::Index>(),
    ) {
        for [there, again] in directions() {
            let mut sample = Sample::of(there);
            let pids: Vec<usize> = numbers.iter().map(|n| pid(&mut sample, there, n)).collect();
            let sets: Vec<usize> = gids.iter().map(|g| groups(&mut sample, there, g)).collect();
            let process = sample.add("signal_struct");
            let (start, step) = sizes(there, "pid");
            let last = numbers.len() - 1;
            let byte = into.index(step * numbers[last].len());
            // Nothing points between the members of an element.
            let byte = if byte % step < 8 { byte - byte % step } else { byte };
            let target = sample.address(pids[last]) + (start + byte) as u64;
            sample.set(process, "pids[3]", target);

            let mut image = sample.image();
            if image.head().identity.kernel.layout.contains("6.1.") {
                let head = sample.place(process, "posix_timers");
                sample.set(process, "posix_timers.next", head);
                sample.set(process, "posix_timers.prev", head);
                image = sample.image();
            }
            let new = through(&image, &[there]).unwrap();
            let (new_start, new_step) = sizes(again, "pid");
            for (pid, numbers) in pids.iter().zip(&numbers) {
                prop_assert_eq!(&elements(&new, *pid, new_start, new_step), numbers);
                prop_assert_eq!(get(&new, *pid, "level") + 1, numbers.len() as u64);
            }
            let (group_start, group_step) = sizes(again, "group_info");
            for (set, gids) in sets.iter().zip(&gids) {
                prop_assert_eq!(&elements(&new, *set, group_start, group_step), gids);
            }
            let address = new.head().objects[pids[last]].address.0;
            let moved = address + (new_start + byte) as u64;
            prop_assert_eq!(get(&new, process, "pids[3]"), moved);
            assert_same(&through(&new, &[again]).unwrap(), &image);
        }
    }
}

/// A count that is not that of the object stops everything: which bytes are elements is unknown.
#[test]
fn a_count_is_held_against_the_length_of_the_object() {
    let there = directions()[0][0];
    for (ty, member, count) in [
        ("pid", "level", 2),
        ("pid", "level", u32::MAX),
        ("group_info", "ngroups", u32::MAX),
    ] {
        let mut sample = Sample::of(there);
        let object = match ty {
            "pid" => pid(&mut sample, there, &[7, 8]),
            _ => groups(&mut sample, there, &[1]),
        };
        sample.set(object, member, u64::from(count));
        let error = through(&sample.image(), &[there]).err().unwrap();
        let text = error.to_string();
        assert!(text.contains(&format!("({ty}) has")), "{text}");
    }
}
