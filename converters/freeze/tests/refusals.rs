//! Damaged dumps: each is refused, by the name of the place, and there is no image.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod frozen;

use frozen::{Frozen, dump, image};
use kconv_freeze::{OfDump, anything, freeze_dump};
use kconv_image::ObjectId;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const NAME: &str = "2.4.36-i386-up";

/// A copy of a dump that a test damages.
struct Damaged {
    directory: TempDir,
    index: Value,
    objects: Vec<u8>,
    /// The processes that are frozen; none are all.
    wanted: Vec<i32>,
    /// What the dump gives unless it is damaged, to find places by name.
    sound: Frozen,
}

impl Damaged {
    fn new() -> Damaged {
        let index = fs::read(dump(NAME).join("index.json")).unwrap();
        Damaged {
            directory: tempfile::tempdir().unwrap(),
            index: serde_json::from_slice(&index).unwrap(),
            objects: fs::read(dump(NAME).join("objects.bin")).unwrap(),
            wanted: Vec::new(),
            sound: Frozen::open(&image(NAME)),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn task(&self, pid: i128) -> ObjectId {
        let tasks = self.sound.of_type("task_struct");
        tasks
            .into_iter()
            .find(|task| self.sound.number(*task, "pid") == pid)
            .unwrap()
    }

    /// The object that a field of a task leads to.
    fn of_task(&self, pid: i128, field: &str) -> ObjectId {
        self.sound
            .at(self.sound.pointer(self.task(pid), field))
            .unwrap()
    }

    fn address(&self, object: ObjectId) -> u64 {
        self.sound.head().object(object).address.0
    }

    /// Writes `value` into the four bytes of a field, in every dumped object that has them.
    fn set(&mut self, object: ObjectId, field: &str, value: u32) {
        let at = self.address(object) + self.sound.offset(object, field);
        self.set_at(at, value);
    }

    fn set_at(&mut self, at: u64, value: u32) {
        let mut places = Vec::new();
        for entry in self.index["objects"].as_array().unwrap() {
            let start = u64::from_str_radix(&entry["addr"].as_str().unwrap()[2..], 16).unwrap();
            let size = entry["size"].as_u64().unwrap();
            if start <= at && at + 4 <= start + size {
                places.push((entry["offset"].as_u64().unwrap() + at - start) as usize);
            }
        }
        assert!(!places.is_empty());
        for place in places {
            self.objects[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
    }

    /// Takes out every dumped object that begins at `at`.
    fn remove(&mut self, at: u64) {
        let at = json!(format!("{at:#x}"));
        let objects = self.index["objects"].as_array_mut().unwrap();
        let before = objects.len();
        objects.retain(|entry| entry["addr"] != at);
        assert_ne!(before, objects.len());
    }

    /// What the freeze says, and its advice.
    fn refused(&self) -> String {
        fs::write(self.file("index.json"), self.index.to_string()).unwrap();
        fs::write(self.file("objects.bin"), &self.objects).unwrap();
        for name in ["pages.bin", "symbols.json"] {
            if !self.file(name).exists() {
                fs::copy(dump(NAME).join(name), self.file(name)).unwrap();
            }
        }
        let made = self.file("image");
        let before = fs::read_dir(self.directory.path()).unwrap().count();
        let wanted = OfDump {
            processes: &self.wanted,
            ..OfDump::default()
        };
        let error = freeze_dump(self.directory.path(), &wanted, &mut anything, &made).unwrap_err();
        let left = fs::read_dir(self.directory.path()).unwrap().count();
        assert_eq!(left, before, "no image and no part of one");
        let place = self.directory.path().display().to_string();
        error.to_string().replace(&place, "DUMP")
    }
}

#[test]
fn an_undamaged_copy_is_not_refused() {
    let damaged = Damaged::new();
    fs::write(damaged.file("index.json"), damaged.index.to_string()).unwrap();
    fs::write(damaged.file("objects.bin"), &damaged.objects).unwrap();
    for name in ["pages.bin", "symbols.json"] {
        fs::copy(dump(NAME).join(name), damaged.file(name)).unwrap();
    }
    let made = damaged.file("image");
    freeze_dump(
        damaged.directory.path(),
        &OfDump::default(),
        &mut anything,
        &made,
    )
    .unwrap();
    assert!(fs::read(made).unwrap() == fs::read(image(NAME)).unwrap());
}

#[test]
fn objects_that_are_missing_are_all_named() {
    let mut damaged = Damaged::new();
    damaged.remove(damaged.address(damaged.of_task(7, "mm")));
    damaged.remove(damaged.address(damaged.of_task(13, "fs")));
    insta::assert_snapshot!(damaged.refused(), @r"
    task 7 (alpha): task_struct at 0xc10a6000, field mm = 0xc10af120: 144 bytes at 0xc10af120 are not in memory, or not in the dump
    task 13 (delta): task_struct at 0xc1ee4000, field fs = 0xc10a5280: 32 bytes at 0xc10a5280 are not in memory, or not in the dump
    ");
}

#[test]
fn a_ring_that_leads_back_into_its_middle() {
    let mut damaged = Damaged::new();
    let (from, to) = (damaged.task(9), damaged.address(damaged.task(5)) as u32);
    damaged.set(from, "next_task", to);
    insta::assert_snapshot!(damaged.refused(), @"task 9 (bravo): task_struct at 0xc1efe000, field next_task = 0xc1074000: the ring leads back to an object that is not its first, 0xc01a8000");
}

#[test]
fn a_ring_that_ends() {
    let mut damaged = Damaged::new();
    damaged.set(damaged.task(21), "next_task", 0);
    insta::assert_snapshot!(damaged.refused(), @"task 21 (hotel): task_struct at 0xc1f94000, field next_task = 0x0: the ring ends here; it should lead back to 0xc01a8000");
}

#[test]
fn a_ring_that_leaves_memory() {
    let mut damaged = Damaged::new();
    damaged.set(damaged.task(21), "next_task", 0xffff_ff00);
    insta::assert_snapshot!(damaged.refused(), @"task 21 (hotel): task_struct at 0xc1f94000, field next_task = 0xffffff00: 1440 bytes at 0xffffff00 are not in memory, or not in the dump");
}

#[test]
fn mappings_that_loop() {
    let mut damaged = Damaged::new();
    let first = damaged
        .sound
        .at(damaged.sound.pointer(damaged.of_task(7, "mm"), "mmap"))
        .unwrap();
    let second = damaged
        .sound
        .at(damaged.sound.pointer(first, "vm_next"))
        .unwrap();
    let to = damaged.address(first) as u32;
    damaged.set(second, "vm_next", to);
    insta::assert_snapshot!(damaged.refused(), @"task 7 (alpha): vm_area_struct at 0xc10ad2a0, field vm_next = 0xc10ad300: the list leads to an object that is already on a list");
}

#[test]
fn mappings_of_two_address_spaces_on_one_list() {
    let mut damaged = Damaged::new();
    let other = damaged.sound.pointer(damaged.of_task(13, "mm"), "mmap") as u32;
    let first = damaged
        .sound
        .at(damaged.sound.pointer(damaged.of_task(14, "mm"), "mmap"))
        .unwrap();
    damaged.set(first, "vm_next", other);
    insta::assert_snapshot!(damaged.refused(), @"task 14 (echo): vm_area_struct at 0xc10ade40, field vm_next = 0xc10adcc0: the list leads to an object that is already on a list");
}

#[test]
fn signals_that_loop() {
    let mut damaged = Damaged::new();
    let first = damaged.of_task(7, "pending.head");
    let to = damaged.address(first) as u32;
    damaged.set(first, "next", to);
    insta::assert_snapshot!(damaged.refused(), @"task 7 (alpha): sigqueue at 0xc1fd00a0, field next = 0xc1fd00a0: the list leads to an object that is already on a list");
}

#[test]
fn an_absurd_number_of_descriptors() {
    let mut damaged = Damaged::new();
    damaged.set(damaged.of_task(7, "files"), "max_fds", 0x7fff_ffff);
    damaged.set(damaged.of_task(13, "files"), "max_fdset", 0xffff_ffff);
    insta::assert_snapshot!(damaged.refused(), @r"
    task 7 (alpha): files_struct at 0xc10bd1e0, field fd = 0xc1ebe800: max_fds says 2147483647 elements, and 1048576 are the most there can be
    task 13 (delta): files_struct at 0xc10bd860, field close_on_exec = 0xc10bd87c: max_fdset says -1 bits, and 1048576 are the most there can be
    task 13 (delta): files_struct at 0xc10bd860, field open_fds = 0xc10bd8fc: max_fdset says -1 bits, and 1048576 are the most there can be
    ");
}

#[test]
fn more_descriptors_than_the_array_in_place_has() {
    let mut damaged = Damaged::new();
    damaged.set(damaged.of_task(13, "files"), "max_fds", 33);
    insta::assert_snapshot!(damaged.refused(), @"task 13 (delta): files_struct at 0xc10bd860, field fd = 0xc10bd97c: file * of 132 bytes would overlap files_struct at 0xc10bd860");
}

#[test]
fn a_pointer_into_the_middle_of_another_object() {
    let mut damaged = Damaged::new();
    let to = damaged.address(damaged.of_task(8, "fs")) as u32 + 4;
    damaged.set(damaged.task(13), "fs", to);
    insta::assert_snapshot!(damaged.refused(), @"task 13 (delta): task_struct at 0xc1ee4000, field fs = 0xc10a5204: fs_struct of 32 bytes would overlap fs_struct at 0xc10a5200");
}

#[test]
fn a_pointer_to_no_symbol() {
    let mut damaged = Damaged::new();
    damaged.set(damaged.task(13), "thread.eip", 0xc010_0001);
    damaged.set(damaged.task(14), "notifier", 0xc280_0000);
    insta::assert_snapshot!(damaged.refused(), @r"
    task 13 (delta): task_struct at 0xc1ee4000, field thread.eip = 0xc0100001: this should point into the kernel image, but no known symbol is there
    task 14 (echo): task_struct at 0xc109a000, field notifier = 0xc2800000: this should point into the kernel image, but no known symbol is there
    ");
}

#[test]
fn directories_that_loop() {
    let mut damaged = Damaged::new();
    // /tmp becomes the directory that holds itself: its root is mounted on itself.
    let fs = damaged.of_task(7, "fs");
    let (mount, root) = (
        damaged.sound.pointer(fs, "pwdmnt"),
        damaged.sound.pointer(fs, "pwd"),
    );
    let ext2 = damaged.sound.pointer(damaged.of_task(1, "fs"), "pwdmnt");
    const MNT_PARENT: u64 = 8;
    const MNT_MOUNTPOINT: u64 = 12;
    const MNT_ROOT: u64 = 16;
    damaged.set_at(mount + MNT_MOUNTPOINT, root as u32);
    damaged.set_at(mount + MNT_PARENT, ext2 as u32);
    damaged.set_at(ext2 + MNT_ROOT, root as u32);
    damaged.set_at(ext2 + MNT_MOUNTPOINT, root as u32);
    damaged.set_at(ext2 + MNT_PARENT, mount as u32);
    let said = damaged.refused();
    insta::assert_snapshot!(said.lines().next().unwrap(), @"task 0 (swapper): fs_struct at 0xc019ea80, field root = 0xc1ed26a0: the chain of directories from 0xc1ed26a0 has more than 4096 links");
}

#[test]
fn floating_point_registers_still_in_the_cpu() {
    let mut damaged = Damaged::new();
    let flags = damaged.sound.number(damaged.task(21), "flags") as u32;
    damaged.set(damaged.task(21), "flags", flags | 0x0010_0000);
    insta::assert_snapshot!(damaged.refused(), @"task 21 (hotel): task_struct at 0xc1f94000, field flags: the floating-point registers are in the CPU, and what memory has of them is stale");
}

#[test]
fn a_page_that_no_mapping_covers() {
    let mut damaged = Damaged::new();
    let page = &mut damaged.index["pages"][0];
    page["vaddr"] = json!("0x70000000");
    insta::assert_snapshot!(damaged.refused(), @"task 1 (init): mm_struct at 0xc10af080: page 0x70000000 is present, but no mapping covers it");
}

#[test]
fn no_symbol_to_begin_at() {
    let mut damaged = Damaged::new();
    fs::write(damaged.file("symbols.json"), "{}").unwrap();
    for entry in damaged.index["objects"].as_array_mut().unwrap() {
        entry["symbol"] = Value::Null;
    }
    insta::assert_snapshot!(damaged.refused(), @"task_struct: the symbol init_task_union, where the walk starts, is not known");
}

#[test]
fn an_index_that_leads_out_of_its_files() {
    let mut damaged = Damaged::new();
    damaged.index["objects"][3]["size"] = json!(u64::MAX);
    insta::assert_snapshot!(damaged.refused(), @"DUMP/index.json: objects[3]: 18446744073709551615 bytes at 10048 are past the end of objects.bin (306992 bytes)");
    damaged.index["objects"][3]["size"] = json!(16);
    damaged.index["objects"][3]["addr"] = json!("0xfffffffffffffff8");
    insta::assert_snapshot!(damaged.refused(), @"DUMP/index.json: objects[3]: 16 bytes at 0xfffffffffffffff8 pass the end of memory");
    damaged.index["objects"][3]["addr"] = json!("twelve");
    insta::assert_snapshot!(damaged.refused(), @"DUMP/index.json: objects[3]: `twelve` is no address such as 0xc0100000");
    damaged.index["objects"][3] = damaged.index["objects"][2].clone();
    damaged.index["pages"][0]["offset"] = json!(282_623);
    insta::assert_snapshot!(damaged.refused(), @"DUMP/index.json: pages[0]: 4096 bytes at 282623 are past the end of pages.bin (282624 bytes)");
}

#[test]
fn a_page_twice() {
    let mut damaged = Damaged::new();
    let page = damaged.index["pages"][0].clone();
    damaged.index["pages"].as_array_mut().unwrap().push(page);
    insta::assert_snapshot!(damaged.refused(), @"DUMP/index.json: pages[69]: page 0x8048000 of address space 0xc10af080 is there twice");
}

#[test]
fn symbols_that_contradict_the_index() {
    let damaged = Damaged::new();
    let symbols = json!({ "0xc0200000": "init_task_union+0x3c" });
    fs::write(damaged.file("symbols.json"), symbols.to_string()).unwrap();
    insta::assert_snapshot!(damaged.refused(), @"DUMP/symbols.json: 0xc0200000: init_task_union is at 0xc01a8000 and at 0xc01fffc4");
}

#[test]
fn what_is_no_dump() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let error =
        freeze_dump(directory.path(), &OfDump::default(), &mut anything, &made).unwrap_err();
    assert!(
        error.to_string().contains("index.json: cannot read"),
        "{error}"
    );
    assert_eq!(
        error.advice(),
        "a dump is a directory with index.json, objects.bin and pages.bin"
    );
}

/// A dump of an smp kernel under the name of the one for one processor: its objects are of the
/// wrong size, and the release that they are of is named.
#[test]
fn objects_that_are_larger_than_the_releases() {
    let mut damaged = Damaged::new();
    for entry in damaged.index["objects"].as_array_mut().unwrap() {
        if entry["type"] == "struct vm_area_struct" {
            entry["size"] = json!(64);
        }
    }
    insta::assert_snapshot!(damaged.refused(), @"DUMP: this is not the memory of 2.4.36-up: struct vm_area_struct has 64 bytes in the dump, and 68 in the release");
    let directory = tempfile::tempdir().unwrap();
    for name in ["index.json", "objects.bin", "pages.bin", "symbols.json"] {
        fs::copy(
            dump("2.4.36-i386-smp").join(name),
            directory.path().join(name),
        )
        .unwrap();
    }
    let index = directory.path().join("index.json");
    let mut text: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    text["meta"]["smp"] = json!(false);
    text["meta"]["config"] = json!([]);
    fs::write(&index, text.to_string()).unwrap();
    let made = directory.path().join("image");
    let error =
        freeze_dump(directory.path(), &OfDump::default(), &mut anything, &made).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("struct task_struct has 1696 bytes in the dump, and 1440 in the release"),
        "{said}"
    );
    insta::assert_snapshot!(error.advice(), @"the dump's objects are as large as those of 2.4.36.8-smp; name the release that was running");
    assert!(!made.exists());
}

#[test]
fn a_configuration_that_contradicts_the_dump() {
    let mut damaged = Damaged::new();
    let config = damaged.index["meta"]["config"].as_array_mut().unwrap();
    config.push(json!("CONFIG_SMP=y"));
    insta::assert_snapshot!(damaged.refused(), @"DUMP: this is not the memory of 2.4.36-up: CONFIG_SMP is y in the dump, and n in the release");
    // No 2.4 has another HZ on this machine, whatever the table of releases says of it.
    let mut damaged = Damaged::new();
    damaged.index["meta"]["HZ"] = json!(1000);
    insta::assert_snapshot!(damaged.refused(), @"DUMP: this is not the memory of 2.4.36-up: HZ is 1000 in the dump, and 100 in the release");
}

#[test]
fn tasks_that_have_no_numbers_of_their_own() {
    let mut damaged = Damaged::new();
    let (bravo, init) = (damaged.task(9), damaged.task(1));
    damaged.set(bravo, "pid", 0x9000);
    insta::assert_snapshot!(damaged.refused(), @"task 36864 (bravo): task_struct at 0xc1efe000, field pid: 36864 is no number of a task; they are 1 to 32768");
    damaged.set(bravo, "pid", 7);
    insta::assert_snapshot!(damaged.refused(), @"task 7 (bravo): task_struct at 0xc1efe000, field pid: another task has the number 7, too");
    damaged.set(bravo, "pid", 9);
    damaged.set(init, "pid", 0);
    insta::assert_snapshot!(damaged.refused(), @"task 0 (init): task_struct at 0xc1ec4000, field pid: 0 is no number of a task; they are 1 to 32768");
    damaged.set(init, "pid", 1);
    let first = damaged.task(0);
    damaged.set(first, "pid", 0xffff_ffff);
    insta::assert_snapshot!(damaged.refused(), @"task -1 (swapper): task_struct at 0xc01a8000, field pid: the first task has number -1, and the idle task has 0");
}

/// The ring is gone around also if a few tasks of it are wanted.
#[test]
fn a_ring_that_ends_behind_the_chosen_task() {
    let mut damaged = Damaged::new();
    let last = damaged.task(21);
    damaged.set(last, "next_task", 0);
    damaged.wanted = vec![7];
    insta::assert_snapshot!(damaged.refused(), @"task 21 (hotel): task_struct at 0xc1f94000, field next_task = 0x0: the ring ends here; it should lead back to 0xc01a8000");
}

#[test]
fn a_process_that_is_not_in_the_dump() {
    let mut damaged = Damaged::new();
    damaged.wanted = vec![7, 4711];
    insta::assert_snapshot!(damaged.refused(), @"there is no process 4711");
}

#[test]
fn a_system_map_of_another_kernel() {
    let damaged = Damaged::new();
    let map = damaged.file("System.map");
    fs::write(&map, "c0105000 T _stext\nc0190000 D init_task_union\n").unwrap();
    insta::assert_snapshot!(damaged.refused(), @"DUMP/System.map: it is of another kernel: init_task_union is at 0xc01a8000 and at 0xc0190000");
    fs::write(&map, "c0105000 T _stext\nnonsense\n").unwrap();
    insta::assert_snapshot!(damaged.refused(), @"DUMP/System.map:2: `nonsense` is no line such as `c0105000 T _stext`");
}
