//! Images whose digests are right and which do not mean what they say: `kconv verify` finds what is wrong, and
//! `kconv inspect` ends, says little, and says that it is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{Head, Image, ObjectId};
use kconv_tests::{altered, image, kconv, of_type};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The layout of the images.
fn layout() -> Layout {
    let registry = Registry::builtin().unwrap();
    let release = registry.release("2.4.36-up", None, None).unwrap();
    registry.layout(&release.layout).unwrap()
}

/// Where a member begins.
fn offset(layout: &Layout, ty: &str, member: &str) -> usize {
    let (_, composite) = layout.composite(ty).unwrap();
    let mut members = composite.members.iter();
    let found = members.find(|found| found.name.as_deref() == Some(member));
    found.unwrap().offset.byte().0 as usize
}

/// The objects of an image, to be changed.
struct Parts<'a> {
    layout: Layout,
    head: &'a mut Head,
    bytes: &'a mut Vec<Vec<u8>>,
}

impl Parts<'_> {
    fn ids(&self, ty: &str) -> Vec<ObjectId> {
        of_type(self.head, ty).collect()
    }

    fn address(&self, id: ObjectId) -> u32 {
        self.head.object(id).address.0 as u32
    }

    fn get(&self, id: ObjectId, ty: &str, member: &str) -> u32 {
        let at = offset(&self.layout, ty, member);
        u32::from_le_bytes(self.bytes[id.0 as usize][at..at + 4].try_into().unwrap())
    }

    fn set(&mut self, id: ObjectId, ty: &str, member: &str, number: u32) {
        let at = offset(&self.layout, ty, member);
        self.bytes[id.0 as usize][at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
}

/// The image of 2.4.36, changed, with digests that are right.
fn hostile(folder: &Path, change: impl FnOnce(&mut Parts<'_>)) -> PathBuf {
    let path = folder.join("in.img");
    altered(&image("up"), &path, |head, bytes| {
        change(&mut Parts {
            layout: layout(),
            head,
            bytes,
        });
    });
    path
}

/// Runs kconv with at most 1 GiB of memory and 10 s of the CPU: exit code, standard output and standard error.
fn limited(arguments: &[&str], image: &Path) -> (i32, String, String) {
    let (command, options) = arguments.split_first().unwrap();
    let ran = Command::new("sh")
        .args(["-c", "ulimit -v 1048576; ulimit -t 10; exec \"$0\" \"$@\""])
        .arg(kconv_tests::program("kconv"))
        .arg(command)
        .arg(image)
        .args(options)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let [out, error] = [ran.stdout, ran.stderr].map(|text| String::from_utf8(text).unwrap());
    let code = ran.status.code();
    (
        code.unwrap_or_else(|| panic!("{arguments:?}: {:?}: {error}", ran.status)),
        out,
        error,
    )
}

/// What is wrong by `kconv verify`. Every way to look into the image ends soon, and says the same first.
fn found(change: impl FnOnce(&mut Parts<'_>)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = hostile(folder.path(), change);
    let size = std::fs::metadata(&path).unwrap().len() as usize;
    let (code, _, findings) = limited(&["verify"], &path);
    assert_eq!(code, 1, "{findings}");
    let first = findings.lines().next().unwrap();
    let first = first.strip_prefix("finding: ").unwrap().to_owned();
    // Nor is it handed on.
    let there = folder.path().join("there.img");
    let (code, _, error) = limited(&["preflight", "2.4.37"], &path);
    assert!(code != 0 && error.contains("error: "), "{error}");
    let ran = kconv(&[
        "2.4.36".as_ref(),
        "2.4.37".as_ref(),
        path.as_os_str(),
        "-o".as_ref(),
        there.as_os_str(),
    ]);
    assert!(!ran.status.success() && !there.exists(), "{ran:?}");
    let alone = folder.path().join("convert-2.4.36.8-2.4.36.9");
    std::os::unix::fs::symlink(kconv_tests::program("kconv"), &alone).unwrap();
    let ran = Command::new(alone)
        .arg(&path)
        .arg("-o")
        .arg(&there)
        .output();
    let ran = ran.unwrap();
    assert!(!ran.status.success() && !there.exists(), "{ran:?}");
    for options in [
        &["inspect"][..],
        &["inspect", "--json"],
        &["inspect", "--task", "1"],
        &["inspect", "--type", "task_struct"],
        &["inspect", "--type", "files_struct", "--json"],
    ] {
        let (code, shown, error) = limited(options, &path);
        assert_eq!(code, 1, "{options:?}: {error}");
        assert!(error.contains(&first), "{options:?}: {error}");
        assert!(shown.len() < 4 * size, "{options:?}: {} bytes", shown.len());
        if !options.contains(&"--json") {
            let said = shown.lines().next().unwrap();
            assert!(
                said.starts_with("DAMAGED, ") && said.ends_with(&first),
                "{options:?}: {said}"
            );
        }
    }
    first
}

#[test]
fn the_image_itself_is_whole() {
    for flavour in ["up", "smp"] {
        let (code, out, error) = limited(&["inspect"], &image(flavour));
        assert_eq!((code, error.as_str()), (0, ""), "{out}");
        assert!(out.starts_with("2.4.36-"), "{out}");
    }
}

#[test]
fn a_list_of_mappings_that_goes_round() {
    // At itself, and at the one before it.
    for step in [0, 1] {
        let said = found(|parts| {
            let first = parts.ids("mm_struct").into_iter();
            let mut first = first.map(|mm| parts.get(mm, "mm_struct", "mmap"));
            let first = first.find(|mmap| *mmap != 0).unwrap();
            let at = |parts: &Parts<'_>, address| {
                let ids = parts.ids("vm_area_struct").into_iter();
                ids.into_iter()
                    .find(|id| parts.address(*id) == address)
                    .unwrap()
            };
            let first = at(parts, first);
            let second = parts.get(first, "vm_area_struct", "vm_next");
            let from = [first, at(parts, second)][step];
            let to = parts.address(first);
            parts.set(from, "vm_area_struct", "vm_next", to);
        });
        assert!(said.contains("vm_next"), "{said}");
        assert!(said.contains("comes back to itself"), "{said}");
    }
}

#[test]
fn two_lists_that_run_into_one() {
    let said = found(|parts| {
        let next = |parts: &Parts<'_>, id| parts.get(id, "vm_area_struct", "vm_next");
        let all = parts.ids("vm_area_struct").into_iter();
        let linked: Vec<_> = all.filter(|id| next(parts, *id) != 0).collect();
        let (first, last) = (linked[0], *linked.last().unwrap());
        let to = next(parts, first);
        parts.set(last, "vm_area_struct", "vm_next", to);
    });
    assert!(said.contains("so does that of another"), "{said}");
}

#[test]
fn a_count_that_the_array_does_not_have() {
    for number in [0x7fff_ffff, u32::MAX, 257] {
        let said = found(|parts| {
            for id in parts.ids("files_struct") {
                parts.set(id, "files_struct", "max_fds", number);
            }
        });
        assert!(
            said.contains(&format!("counted to lead to {number} elements (file *)")),
            "{said}"
        );
    }
    let said = found(|parts| {
        let id = parts.ids("files_struct")[0];
        parts.set(id, "files_struct", "max_fdset", 1 << 20);
    });
    assert!(said.contains("32768 elements (unsigned long)"), "{said}");
}

#[test]
fn a_pointer_that_leads_to_something_else() {
    let said = found(|parts| {
        let task = parts.ids("task_struct")[1];
        let to = parts.address(parts.ids("vm_area_struct")[0]);
        parts.set(task, "task_struct", "files", to);
    });
    assert!(
        said.ends_with("points at vm_area_struct, not at files_struct"),
        "{said}"
    );
    let said = found(|parts| {
        let task = parts.ids("task_struct")[1];
        let to = parts.get(task, "task_struct", "mm") + 4;
        parts.set(task, "task_struct", "mm", to);
    });
    assert!(
        said.ends_with("points at mm_struct+4, not at mm_struct"),
        "{said}"
    );
}

#[test]
fn mappings_out_of_order() {
    let said = found(|parts| {
        let id = parts.ids("vm_area_struct")[1];
        let end = parts.get(id, "vm_area_struct", "vm_end");
        parts.set(id, "vm_area_struct", "vm_start", end);
    });
    assert!(said.contains("vm_area_struct.vm_end"), "{said}");
    let said = found(|parts| {
        let mm = parts.ids("mm_struct").into_iter();
        let mut mm = mm.filter(|mm| parts.get(*mm, "mm_struct", "map_count") > 1);
        let mm = mm.next().unwrap();
        parts.set(mm, "mm_struct", "map_count", 1);
    });
    assert!(said.contains("map_count"), "{said}");
}

/// Names are what counts; but a number that another reader takes for the pointer must not say something else.
#[test]
fn a_number_that_is_not_that_of_what_is_named() {
    let said = found(|parts| {
        let slot = parts.head.slots[0];
        let (id, at) = (slot.object.0 as usize, slot.offset as usize);
        parts.bytes[id][at] ^= 0x40;
    });
    assert!(
        said.contains("is named, and what it names has 0x"),
        "{said}"
    );
}

#[test]
fn a_number_beside_a_name_on_another_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let [there, path] = ["there.img", "in.img"].map(|name| folder.path().join(name));
    kconv_tests::convert("2.4.36", "2.4.37", &image("up"), &there);
    altered(&there, &path, |head, bytes| {
        let slot = head.slots[0];
        bytes[slot.object.0 as usize][slot.offset as usize] = 1;
    });
    let (code, _, findings) = limited(&["verify"], &path);
    assert_eq!(code, 1, "{findings}");
    assert!(
        findings.contains("0x1 is named, and what it names has 0x0"),
        "{findings}"
    );
    assert!(
        kconv(&["verify".as_ref(), there.as_os_str()])
            .status
            .success()
    );
}

/// What is shown of objects is held against their digest.
#[test]
fn a_byte_changed_in_any_object_is_told_first() {
    let whole = std::fs::read(image("up")).unwrap();
    let open = Image::open(&image("up")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.img");
    for id in (0..open.head().objects.len() as u32).step_by(7) {
        let (start, size) = open.object_area(ObjectId(id)).unwrap();
        let mut changed = whole.clone();
        changed[(start.0 + size / 2) as usize] ^= 4;
        std::fs::write(&path, &changed).unwrap();
        let (code, shown, error) = limited(&["inspect"], &path);
        assert_eq!(code, 1, "{error}");
        assert!(
            shown.starts_with("DAMAGED, 1 findings, the first: "),
            "{shown}"
        );
        assert!(
            shown
                .lines()
                .next()
                .unwrap()
                .contains("the objects are damaged"),
            "{shown}"
        );
        let (code, _, error) = limited(&["inspect", "--json"], &path);
        assert_eq!(code, 1, "{error}");
        assert!(error.contains("is damaged; "), "{error}");
    }
}
