//! What is repeated is as sound as what it is made of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_bench::linux6;
use kconv_bench::repeat::RepeatError;
use kconv_bench::suite::{SuiteError, many};
use kconv_image::{Head, Image, ObjectId, PageOf, UserAddr};
use kconv_tests::{convert, image, kconv, objects, of_type};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LINUX_6: &str = "6.1.0-47-amd64";

/// An image of Linux 6, in a folder.
fn linux_6(folder: &Path) -> PathBuf {
    let made = folder.join("linux-6.img");
    linux6::write(LINUX_6, &made).unwrap();
    made
}

fn tasks(head: &Head) -> usize {
    of_type(head, "task_struct").count()
}

fn verify(image: &Path) {
    let ran = kconv(&["verify".as_ref(), image.as_os_str()]);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
}

/// Three copies of an image are sound, and go to another kernel and back.
fn three(source: &Path, [from, to]: [&str; 2], folder: &Path) {
    let path = folder.join("three.img");
    let one = Image::open(source).unwrap();
    let each = tasks(one.head());
    let written = many(source, 2 * each as u64 + 1, &path).unwrap();
    assert_eq!(written, 3 * each as u64, "whole copies");
    let three = Image::open(&path).unwrap();
    assert_eq!(tasks(three.head()), 3 * each);
    assert_eq!(three.head().objects.len(), 3 * one.head().objects.len());
    assert_eq!(three.head().pages(), 3 * one.head().pages());
    verify(&path);
    let there = folder.join("there.img");
    convert(from, to, &path, &there);
    verify(&there);
    let back = folder.join("back.img");
    convert(to, from, &there, &back);
    let back = Image::open(&back).unwrap();
    assert_eq!(back.head().objects, three.head().objects);
    assert_eq!(back.head().slots, three.head().slots);
    for (index, (came, went)) in objects(&back).iter().zip(&objects(&three)).enumerate() {
        let ty = three.head().type_name(&three.head().objects[index]);
        let differ: Vec<usize> = (0..went.len())
            .filter(|at| came[*at] != went[*at])
            .collect();
        assert!(differ.is_empty(), "{ty}, object {index}: bytes {differ:?}");
    }
    assert_eq!(back.page_digest(), three.page_digest());
}

#[test]
fn three_copies_of_2_4_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    three(&image("smp"), ["2.4.36", "2.4.37"], folder.path());
}

#[test]
fn three_copies_of_linux_6_go_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let source = linux_6(folder.path());
    three(&source, [LINUX_6, "6.12.117+deb12-amd64"], folder.path());
}

#[test]
fn one_copy_is_the_image_itself() {
    let folder = tempfile::tempdir().unwrap();
    let one = folder.path().join("one.img");
    for source in [image("up"), image("smp"), linux_6(folder.path())] {
        many(&source, 1, &one).unwrap();
        let [before, after] = [&source, &one].map(|path| std::fs::read(path).unwrap());
        assert!(before == after, "{}", source.display());
    }
}

/// The tasks that the ring of `next_task` leads through, from the first of a copy.
fn ring(image: &Image, first: usize, next_task: usize) -> BTreeSet<usize> {
    let all = objects(image);
    let mut seen = BTreeSet::new();
    let mut at = first;
    while seen.insert(at) {
        let number: [u8; 4] = all[at][next_task..next_task + 4].try_into().unwrap();
        let address = kconv_image::KernelAddr(u32::from_le_bytes(number).into());
        let (found, into) = image.find(address).unwrap();
        assert_eq!(into, 0);
        at = found.0 as usize;
    }
    seen
}

#[test]
fn pointers_of_a_copy_lead_into_that_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("three.img");
    many(&image("smp"), 3 * 22, &path).unwrap();
    let three = Image::open(&path).unwrap();
    let registry = kernel_structs::releases::Registry::builtin().unwrap();
    let release = registry.release("2.4.36-smp", None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let (_, task) = layout.composite("task_struct").unwrap();
    let mut members = task.members.iter();
    let next = members.find(|member| member.name.as_deref() == Some("next_task"));
    let next_task = next.unwrap().offset.byte().0 as usize;
    let each = three.head().objects.len() / 3;
    let all: Vec<ObjectId> = of_type(three.head(), "task_struct").collect();
    for copy in 0..3 {
        let own = (copy * each)..((copy + 1) * each);
        let own: BTreeSet<usize> = all
            .iter()
            .map(|id| id.0 as usize)
            .filter(|id| own.contains(id))
            .collect();
        let first = *own.first().unwrap();
        assert_eq!(ring(&three, first, next_task), own, "copy {copy}");
    }
}

#[test]
fn each_copy_has_the_pages_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.img");
    let source = linux_6(folder.path());
    many(&source, 16, &path).unwrap();
    let [one, two] = [&source, &path].map(|path| Image::open(path).unwrap());
    let spaces = &one.head().address_spaces;
    let mut different = BTreeSet::new();
    for (space, copy) in spaces
        .iter()
        .zip(&two.head().address_spaces[spaces.len()..])
    {
        for run in &space.runs {
            let UserAddr(start) = run.start;
            let [page, copied] = [(&one, space.mm), (&two, copy.mm)]
                .map(|(image, mm)| image.read_page(mm, UserAddr(start)).unwrap().unwrap());
            let of = PageOf::Memory(space.mm, run.start);
            assert!(page == copied, "{of}");
            different.insert(page);
        }
    }
    assert!(different.len() > 1, "pages that are alike prove nothing");
}

fn why(refused: Result<u64, SuiteError>) -> RepeatError {
    match refused {
        Err(SuiteError::Repeat { source, .. }) => *source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_converted_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let converted = folder.path().join("converted.img");
    convert("2.4.36", "2.4.37", &image("smp"), &converted);
    let refused = many(&converted, 100, &folder.path().join("out.img"));
    let why = why(refused);
    assert!(matches!(why, RepeatError::Converted), "{why:?}");
}

#[test]
fn what_the_machine_cannot_address_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    let refused = many(&image("smp"), 10_000_000, &out);
    let why = why(refused);
    assert!(matches!(why, RepeatError::NoRoom { .. }), "{why:?}");
    assert!(!out.exists());
}
