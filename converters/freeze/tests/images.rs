//! The committed images are what the committed dumps give.
#![allow(clippy::unwrap_used)]

mod frozen;

use frozen::{DUMPS, Frozen, dump, freeze_in_ticks, image};
use kconv_freeze::{Dump, OfDump, anything, freeze_dump};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn the_committed_images_are_made_of_the_committed_dumps() {
    let directory = tempfile::tempdir().unwrap();
    for name in DUMPS {
        let made = directory.path().join(name);
        freeze_dump(&dump(name), &OfDump::default(), &mut anything, &made).unwrap();
        assert!(
            fs::read(&made).unwrap() == fs::read(image(name)).unwrap(),
            "tests/images/{name}.img is out of date; make it with \
             `cargo run -p kconv-freeze --example freeze-dump -- tests/dumps/{name} tests/images/{name}.img`"
        );
    }
}

/// A dump that is said to be of `release`.
fn of(release: &str) -> OfDump<'_> {
    OfDump {
        release: Some(release),
        ..OfDump::default()
    }
}

#[test]
fn the_release_can_be_named_and_is_held_against_the_dump() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let summary = freeze_dump(
        &dump("2.4.36-i386-up"),
        &of("2.4.36-up"),
        &mut anything,
        &made,
    )
    .unwrap();
    assert_eq!((summary.tasks, summary.pages), (22, 69));
    fs::remove_file(&made).unwrap();
    let error = freeze_dump(
        &dump("2.4.36-i386-up"),
        &of("2.4.36-smp"),
        &mut anything,
        &made,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the dump is of 2.4.36 i386 up, not of 2.4.36-smp (2.4.36 i386 smp)")
    );
    let error =
        freeze_dump(&dump("2.4.36-i386-up"), &of("2.4.37"), &mut anything, &made).unwrap_err();
    assert!(error.to_string().contains("not of 2.4.37-up"));
    assert!(!made.exists());
}

/// Of a dump of a whole machine the tasks that are wanted are taken, and what they have alone.
#[test]
fn tasks_are_chosen_out_of_a_dump() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let wanted = OfDump {
        processes: &[7, 21],
        ..OfDump::default()
    };
    freeze_dump(&dump("2.4.36-i386-up"), &wanted, &mut anything, &made).unwrap();
    let frozen = Frozen::open(&made);
    let tasks = frozen.of_type("task_struct");
    let pids: Vec<i128> = tasks
        .iter()
        .map(|task| frozen.number(*task, "pid"))
        .collect();
    assert_eq!(pids, [7, 21]);
    let whole = Frozen::open(&image("2.4.36-i386-up"));
    let (few, all) = (
        frozen.of_type("vm_area_struct"),
        whole.of_type("vm_area_struct"),
    );
    assert!(!few.is_empty() && few.len() < all.len());
}

/// The symbols of a kernel can be those of its `System.map`, in the dump's folder or elsewhere, and
/// the image is the same to the byte.
#[test]
fn a_system_map_serves_as_the_file_of_symbols() {
    for name in DUMPS {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for part in ["objects.bin", "pages.bin"] {
            fs::copy(dump(name).join(part), file(part)).unwrap();
        }
        let read = |part: &str| -> Value {
            serde_json::from_slice(&fs::read(dump(name).join(part)).unwrap()).unwrap()
        };
        let mut index = read("index.json");
        let number = |text: &str| u64::from_str_radix(&text[2..], 16).unwrap();
        let mut symbols: BTreeMap<u64, String> = BTreeMap::new();
        let mut add = |at: &str, text: &str| {
            let (name, offset) = text.split_once('+').unwrap_or((text, "0x0"));
            symbols.insert(number(at) - number(offset), name.to_owned());
        };
        for (at, text) in read("symbols.json").as_object().unwrap() {
            add(at, text.as_str().unwrap());
        }
        for object in index["objects"].as_array_mut().unwrap() {
            if let Some(text) = object["symbol"].take().as_str() {
                add(object["addr"].as_str().unwrap(), text);
            }
        }
        let end = number(index["meta"]["end"].as_str().unwrap());
        symbols.insert(end, "_end".to_owned());
        let lines = symbols
            .iter()
            .map(|(at, name)| format!("{at:08x} D {name}\n"));
        let map: String = lines.collect();
        fs::write(file("index.json"), index.to_string()).unwrap();
        let frozen = |wanted: &OfDump<'_>| {
            let made = file("image");
            freeze_dump(directory.path(), wanted, &mut anything, &made).unwrap();
            let bytes = fs::read(&made).unwrap();
            fs::remove_file(&made).unwrap();
            bytes
        };
        let expected = fs::read(image(name)).unwrap();
        let elsewhere = tempfile::NamedTempFile::new().unwrap();
        fs::write(elsewhere.path(), &map).unwrap();
        let wanted = OfDump {
            system_map: Some(elsewhere.path()),
            ..OfDump::default()
        };
        assert!(frozen(&wanted) == expected, "{name}");
        fs::write(file("System.map"), &map).unwrap();
        assert!(frozen(&OfDump::default()) == expected, "{name}");
    }
}

/// A kernel that counts in other ticks than the release that it calls itself is not that release.
#[test]
fn ticks_are_held_against_the_release() {
    let directory = tempfile::tempdir().unwrap();
    let source = Dump::open(&dump("2.4.36-i386-up")).unwrap();
    let made = directory.path().join("image");
    let error = freeze_in_ticks(&source, Some(1000), &mut anything, &made).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the kernel has 100 ticks a second, and 2.4.36-up has 1000"
    );
    assert!(!made.exists());
}
