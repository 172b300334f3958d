//! Whole conversions of the images of really running 2.4.36 kernels.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{Image, SlotTarget};
use kconv_tests::{altered, convert, image, inspect, kconv, objects, of_type, with_work_list};
use kernel_structs::layout::{Layout, padding};
use kernel_structs::releases::Registry;
use std::path::Path;

fn layout(release: &str) -> Layout {
    let registry = Registry::builtin().unwrap();
    let release = registry.release(release, None, None).unwrap().clone();
    registry.layout(&release.layout).unwrap()
}

/// Converts `from` through all of `releases`, each step a conversion of its own, and returns the
/// last image.
fn through(folder: &Path, from: &Path, releases: &[&str]) -> std::path::PathBuf {
    let mut image = from.to_owned();
    for (index, pair) in releases.windows(2).enumerate() {
        let out = folder.join(format!("{index}-{}.img", pair[1]));
        convert(pair[0], pair[1], &image, &out);
        image = out;
    }
    image
}

/// Both images have the same objects at the same places with the same bytes and pointers.
fn assert_same_objects(a: &Path, b: &Path) {
    let (a, b) = (Image::open(a).unwrap(), Image::open(b).unwrap());
    assert_eq!(a.head().objects, b.head().objects);
    assert_eq!(a.head().slots, b.head().slots);
    for (index, (one, other)) in objects(&a).iter().zip(&objects(&b)).enumerate() {
        let object = &a.head().objects[index];
        let name = a.head().type_name(object);
        let differ: Vec<usize> = (0..one.len().max(other.len()))
            .filter(|at| one.get(*at) != other.get(*at))
            .collect();
        assert!(
            differ.is_empty(),
            "{name} at {}: bytes {differ:?}",
            object.address
        );
    }
}

fn there_and_back(flavour: &str, releases: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let back = through(folder.path(), &image(flavour), releases);
    assert_same_objects(&image(flavour), &back);
    let head = Image::open(&back).unwrap().head().clone();
    assert!(head.identity.is_at_origin());
    assert_eq!(head.remainder, [], "everything kept was put back");
}

#[test]
fn up_to_2_4_37_and_back_gives_the_first_objects_byte_for_byte() {
    there_and_back("up", &["2.4.36", "2.4.37", "2.4.36"]);
}

#[test]
fn smp_to_2_4_37_and_back_gives_the_first_objects_byte_for_byte() {
    there_and_back("smp", &["2.4.36", "2.4.37", "2.4.36"]);
}

#[test]
fn up_to_smp_and_back_gives_the_first_objects_byte_for_byte() {
    there_and_back("up", &["2.4.36", "2.4.36-smp", "2.4.36-up"]);
}

#[test]
fn smp_to_up_and_back_gives_the_first_objects_byte_for_byte() {
    there_and_back("smp", &["2.4.36", "2.4.36-up", "2.4.36-smp"]);
}

#[test]
fn the_long_way_round_gives_the_first_objects_byte_for_byte() {
    there_and_back(
        "up",
        &[
            "2.4.36",
            "2.4.37.11",
            "2.4.37-smp",
            "2.4.32-smp",
            "2.4.36-up",
        ],
    );
}

#[test]
fn a_chain_gives_what_a_direct_conversion_gives() {
    for (flavour, steps, direct) in [
        (
            "up",
            &["2.4.36", "2.4.36-smp", "2.4.37-smp"][..],
            ["2.4.36", "2.4.37-smp"],
        ),
        (
            "up",
            &["2.4.36", "2.4.36.8", "2.4.36.9", "2.4.37"],
            ["2.4.36", "2.4.37"],
        ),
        (
            "smp",
            &["2.4.36", "2.4.37", "2.4.37-up"],
            ["2.4.36", "2.4.37-up"],
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let by_steps = through(folder.path(), &image(flavour), steps);
        let other = tempfile::tempdir().unwrap();
        let at_once = through(other.path(), &image(flavour), &direct);
        assert_same_objects(&by_steps, &at_once);
    }
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let outs = ["a.img", "b.img"].map(|name| folder.path().join(name));
    for out in &outs {
        convert("2.4.36", "2.4.37", &image("up"), out);
    }
    let [a, b] = outs.map(|out| std::fs::read(out).unwrap());
    assert!(a == b);
}

#[test]
fn the_input_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let before = std::fs::read(image("smp")).unwrap();
    convert(
        "2.4.36",
        "2.4.37",
        &image("smp"),
        &folder.path().join("out.img"),
    );
    assert!(before == std::fs::read(image("smp")).unwrap());
}

/// Fills every bit of every object that belongs to no member, by the layout of `release`.
fn fill_padding(from: &Path, to: &Path, layout: &Layout, byte: u8) {
    altered(from, to, |head, bytes| {
        for (index, object) in head.objects.iter().enumerate() {
            let Some(ty) = layout.find(head.type_name(object)) else {
                continue;
            };
            let size = layout.size_of(ty).unwrap().0;
            for element in 0..u64::from(object.count) {
                for (offset, len) in padding(layout, ty, 1 << 20).unwrap() {
                    for bit in offset.0..offset.0 + len.0 {
                        let at = (element * size + bit / 8) as usize;
                        let mask = 1 << (bit % 8);
                        bytes[index][at] = bytes[index][at] & !mask | byte & mask;
                    }
                }
            }
        }
    });
}

#[test]
fn scm_work_list_is_null_even_where_old_padding_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let filled = folder.path().join("filled.img");
    fill_padding(&image("up"), &filled, &layout("2.4.36-up"), 0xa5);
    // It lies where the old task_struct has padding, and that is filled now.
    let before = Image::open(&filled).unwrap();
    for id in of_type(before.head(), "task_struct") {
        let mut task = Vec::new();
        before.read_object(id, &mut task).unwrap();
        assert_eq!(task[1432..1440], [0xa5; 8]);
    }

    let out = folder.path().join("out.img");
    convert("2.4.36", "2.4.37", &filled, &out);
    let after = Image::open(&out).unwrap();
    let tasks: Vec<_> = of_type(after.head(), "task_struct").collect();
    assert_eq!(tasks.len(), 22);
    for id in tasks {
        let mut task = Vec::new();
        after.read_object(id, &mut task).unwrap();
        assert_eq!(task[1432..1440], [0; 8]);
    }

    let back = folder.path().join("back.img");
    convert("2.4.37", "2.4.36", &out, &back);
    assert_same_objects(&filled, &back);
}

#[test]
fn filled_padding_survives_the_way_to_smp_and_back() {
    for (flavour, there) in [("up", "2.4.37-smp"), ("smp", "2.4.37-up")] {
        let folder = tempfile::tempdir().unwrap();
        let filled = folder.path().join("filled.img");
        let own = format!("2.4.36-{flavour}");
        fill_padding(&image(flavour), &filled, &layout(&own), 0xa5);
        let back = through(folder.path(), &filled, &[&own, there, &own]);
        assert_same_objects(&filled, &back);
    }
}

#[test]
fn task_struct_grows_on_smp() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    convert("2.4.36", "2.4.37", &image("smp"), &out);
    let sizes = |path: &Path| -> Vec<u64> {
        let head = Image::open(path).unwrap().head().clone();
        of_type(&head, "task_struct")
            .map(|id| head.object(id).size)
            .collect()
    };
    assert_eq!(sizes(&image("smp")), [1696; 23]);
    assert_eq!(sizes(&out), [1712; 23]);
    for task in inspect(&out, &[])["tasks"].as_array().unwrap() {
        assert_eq!(task["scm_work_list"], "0x0", "{}", task["comm"]);
    }
}

#[test]
fn going_back_is_refused_while_a_task_releases_descriptors_in_flight() {
    for flavour in ["up", "smp"] {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new.img");
        convert("2.4.36", "2.4.37", &image(flavour), &new);
        let busy = folder.path().join("busy.img");
        with_work_list(&new, &busy, &format!("2.4.37-{flavour}"), &[1, 14]);

        let out = folder.path().join("out.img");
        let ran = kconv(&[
            "2.4.37".as_ref(),
            "2.4.36".as_ref(),
            busy.as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
        ]);
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{said}");
        assert!(!out.exists());
        // Task, object, field, value, rule, and what to do: of both tasks at once.
        for part in [
            "task 1 (init)",
            "task 14 (",
            "task_struct at 0x",
            "scm_work_list",
            "rule drop",
        ] {
            assert!(said.contains(part), "`{part}` is not in:\n{said}");
        }
        assert_eq!(said.matches("refused").count(), 2, "{said}");
        assert!(said.contains("freeze it again"), "{said}");
    }
}

#[test]
fn every_ring_that_was_closed_is_closed() {
    for (flavour, to) in [
        ("up", "2.4.37"),
        ("smp", "2.4.37"),
        ("up", "2.4.37-smp"),
        ("smp", "2.4.37-up"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.img");
        convert("2.4.36", to, &image(flavour), &out);
        let tasks = inspect(&out, &["--type", "task_struct"]);
        let tasks = tasks.as_array().unwrap();
        let by_address = |address: &str| {
            tasks
                .iter()
                .find(|task| task["address"] == address)
                .unwrap_or_else(|| panic!("no task at {address}"))
        };
        let value = |pointer: &serde_json::Value| pointer["value"].as_str().unwrap().to_owned();
        for task in tasks {
            let own = task["address"].as_str().unwrap();
            let next = value(&task["fields"]["next_task"]);
            assert_eq!(value(&by_address(&next)["fields"]["prev_task"]), own);
            // A list head reaches the same field of another task, or its own.
            let group = &task["fields"]["thread_group"]["next"]["to"];
            assert!(
                group.as_str().unwrap().starts_with("task_struct+"),
                "{group}"
            );
            let waiters = &task["fields"]["wait_chldexit"]["task_list"];
            assert_eq!(
                waiters["next"], waiters["prev"],
                "an empty list has one end"
            );
        }
        // All tasks are on one ring.
        let first = tasks[0]["address"].as_str().unwrap();
        let mut at = value(&tasks[0]["fields"]["next_task"]);
        let mut steps = 1;
        while at != first {
            at = value(&by_address(&at)["fields"]["next_task"]);
            steps += 1;
            assert!(steps <= tasks.len());
        }
        assert_eq!(steps, tasks.len());
    }
}

#[test]
fn symbols_keep_their_names_and_lose_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    convert("2.4.36", "2.4.37", &image("up"), &out);
    let (before, after) = (
        Image::open(&image("up")).unwrap(),
        Image::open(&out).unwrap(),
    );
    assert_eq!(before.head().symbols, after.head().symbols);
    assert_eq!(before.head().slots.len(), after.head().slots.len());
    let bytes = objects(&after);
    for (old, new) in before.head().slots.iter().zip(&after.head().slots) {
        assert_eq!((old.object, old.target), (new.object, new.target));
        let at = new.offset as usize;
        assert_eq!(bytes[new.object.0 as usize][at..at + 4], [0; 4]);
        assert!(matches!(
            new.target,
            SlotTarget::Symbol(_) | SlotTarget::Resource(_)
        ));
    }
}

#[test]
fn user_pages_are_those_of_the_freeze() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    convert("2.4.36", "2.4.37-smp", &image("up"), &out);
    let (before, after) = (
        Image::open(&image("up")).unwrap(),
        Image::open(&out).unwrap(),
    );
    let mut pages = 0;
    for space in &before.head().address_spaces {
        for run in &space.runs {
            for page in 0..run.pages {
                let address = kconv_image::UserAddr(run.start.0 + 4096 * page);
                let old = before.read_page(space.mm, address).unwrap();
                assert!(old.is_some());
                assert!(old == after.read_page(space.mm, address).unwrap());
                pages += 1;
            }
        }
    }
    assert_eq!(pages, 69);
}
