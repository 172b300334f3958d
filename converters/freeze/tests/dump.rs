//! What a dump answers where its objects overlap, touch, or leave gaps.
#![allow(clippy::unwrap_used)]

use kconv_freeze::{Dump, MemorySource};
use kconv_image::KernelAddr;
use serde_json::{Value, json};
use std::fs;

/// A dump whose `objects.bin` is the numbers from 0 on.
fn dump(objects: Value, symbols: Value) -> Dump {
    let directory = tempfile::tempdir().unwrap();
    let index = json!({
        "meta": { "kernel": "2.4.36", "arch": "i386", "smp": false, "HZ": 100 },
        "objects": objects,
        "pages": [],
    });
    fs::write(directory.path().join("index.json"), index.to_string()).unwrap();
    fs::write(
        directory.path().join("objects.bin"),
        (0..64).collect::<Vec<u8>>(),
    )
    .unwrap();
    fs::write(directory.path().join("pages.bin"), []).unwrap();
    fs::write(directory.path().join("symbols.json"), symbols.to_string()).unwrap();
    Dump::open(directory.path()).unwrap()
}

fn object(addr: &str, size: u64, offset: u64) -> Value {
    json!({ "type": "t", "addr": addr, "size": size, "offset": offset, "symbol": null })
}

fn read<const N: usize>(dump: &Dump, at: u64) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    dump.read(KernelAddr(at), &mut bytes).ok().map(|()| bytes)
}

#[test]
fn a_read_goes_on_into_the_neighbour() {
    let dump = dump(
        json!([object("0x1004", 4, 32), object("0x1000", 4, 8)]),
        json!({}),
    );
    assert_eq!(read(&dump, 0x1002), Some([10, 11, 32, 33]));
    assert_eq!(
        read::<8>(&dump, 0x1000),
        Some([8, 9, 10, 11, 32, 33, 34, 35])
    );
    assert_eq!(read::<4>(&dump, 0x1006), None);
    assert_eq!(read::<1>(&dump, 0xfff), None);
}

#[test]
fn a_read_goes_on_where_an_object_ends_inside_or_behind_another() {
    // An object inside a larger one, and one that begins in it and ends behind it.
    let objects = json!([
        object("0x1000", 8, 0),
        object("0x1000", 2, 40),
        object("0x1002", 2, 2),
        object("0x1006", 6, 6),
    ]);
    let dump = dump(objects, json!({}));
    assert_eq!(
        read(&dump, 0x1000),
        Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    );
    assert_eq!(read::<2>(&dump, 0x100b), None);
    assert_eq!(dump.object_size(KernelAddr(0x1000)), Some(2));
    assert_eq!(dump.object_size(KernelAddr(0x1001)), None);
}

#[test]
fn a_gap_is_not_bridged() {
    let dump = dump(
        json!([object("0x1000", 4, 0), object("0x1005", 4, 4)]),
        json!({}),
    );
    assert_eq!(read::<6>(&dump, 0x1000), None);
    assert_eq!(read(&dump, 0x1005), Some([4, 5, 6, 7]));
}

#[test]
fn symbols_come_from_objects_and_from_the_table() {
    let objects = json!([
        { "addr": "0xc0001000", "size": 16, "offset": 0, "symbol": "init_task_union" },
        { "addr": "0xc0001004", "size": 4, "offset": 4, "symbol": "init_task_union+0x4" },
    ]);
    let dump = dump(objects, json!({ "0xc0002010": "schedule+0x10" }));
    let name = |at| dump.symbolise(KernelAddr(at));
    assert_eq!(
        dump.symbol("init_task_union"),
        Some(KernelAddr(0xc000_1000))
    );
    assert_eq!(dump.symbol("schedule"), Some(KernelAddr(0xc000_2000)));
    assert_eq!(name(0xc000_1006), Some(("init_task_union".to_owned(), 6)));
    assert_eq!(name(0xc000_100c), Some(("init_task_union".to_owned(), 12)));
    assert_eq!(name(0xc000_1010), None);
    assert_eq!(name(0xc000_2010), Some(("schedule".to_owned(), 0x10)));
    // How long schedule() is, nobody said.
    assert_eq!(name(0xc000_2011), None);
}
