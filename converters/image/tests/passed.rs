//! An image whose bytes were all seen before it is parsed: what is read of it later is what was seen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use common::{Sample, patched_of, sample, sample_with_signers};
use kconv_image::{Fault, Image, ImageFile, ImageWriter, Machine, PageSource, Verify, WriteError};

/// Bytes whose digest is kept together, by the book.
const BLOCK: u64 = 65536;

/// The sample with enough pages for several blocks, each page filled with its number.
fn large() -> Sample {
    let mut sample = sample(Machine::X86_64);
    let number = |of: u64| u8::try_from(of % 251).unwrap();
    let pages = sample.pages.len() as u64;
    sample.head.address_spaces.truncate(1);
    let run = &mut sample.head.address_spaces[0].runs;
    run.truncate(1);
    run[0].pages = 16 * pages;
    run[0].position = 0;
    sample.pages = (0..16 * pages).map(|page| [number(page); 4096]).collect();
    sample
}

fn passed(path: &Path) -> Image {
    let file = ImageFile::open(path).unwrap();
    Image::of_passed(file.pass(&mut |_| {}).unwrap()).unwrap()
}

fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

#[test]
fn every_byte_is_seen_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    large().write(&path).unwrap();
    let mut seen = Vec::new();
    let file = ImageFile::open(&path).unwrap();
    let file = file
        .pass(&mut |bytes| seen.extend_from_slice(bytes))
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() as u64 > 4 * BLOCK, "several blocks");
    assert_eq!(seen, bytes);
    let image = Image::of_passed(file).unwrap();
    assert!(image.verify(Verify::Everything).is_empty());
    assert_eq!(image.digest(), Image::from_bytes(bytes).unwrap().digest());
}

#[test]
fn a_byte_that_is_changed_after_the_pass_is_not_given_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    large().write(&path).unwrap();
    let file = open(&path);
    let image = passed(&path);
    let space = &image.head().address_spaces[0];
    let page = |image: &Image, number: u64| {
        let at = kconv_image::UserAddr(space.runs[0].start.0 + number * 4096);
        image.read_page(space.mm, at)
    };
    let start = image.page_area().0.0;
    // The last page of a block, the first of the next, and the last of the file.
    let last = space.runs[0].pages - 1;
    let cut = (2 * BLOCK - start) / 4096;
    for number in [cut - 1, cut, last] {
        // One that has not read the block yet, and so does not know it from memory.
        let image = passed(&path);
        let at = start + number * 4096 + 4095;
        flip(&file, at);
        let found = page(&image, number).map(|_| "a page that was changed");
        let error = found.unwrap_err();
        let block = at / BLOCK * BLOCK;
        let Fault::Changed { offset, end } = &error.fault else {
            panic!("{error}");
        };
        assert!(
            offset.0 == block && end.0 <= block + BLOCK && end.0 > at,
            "{error}"
        );
        let said = "were changed after their signature was checked";
        assert!(error.to_string().contains(said), "{error}");
        // What was not changed is there, and so is what is as it was again.
        let other = if number == last { cut } else { last };
        let filled = u8::try_from(other % 251).unwrap();
        assert!(page(&image, other).unwrap() == Some([filled; 4096]));
        flip(&file, at);
        assert!(page(&image, number).unwrap().is_some());
    }
}

#[test]
fn what_was_read_is_not_read_again_for_each_piece() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    large().write(&path).unwrap();
    let image = passed(&path);
    let object = kconv_image::ObjectId(0);
    let mut before = Vec::new();
    image.read_object(object, &mut before).unwrap();
    flip(&open(&path), image.object_area(object).unwrap().0.0);
    // Its block is in memory, as it was in the pass.
    let mut after = Vec::new();
    image.read_object(object, &mut after).unwrap();
    assert_eq!(before, after);
}

#[test]
fn what_is_appended_after_the_pass_does_not_belong_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    large().write(&path).unwrap();
    let file = ImageFile::open(&path).unwrap().pass(&mut |_| {}).unwrap();
    let mut end = OpenOptions::new().append(true).open(&path).unwrap();
    end.write_all(&[7; 100_000]).unwrap();
    let image = Image::of_passed(file).unwrap();
    assert!(image.verify(Verify::Everything).is_empty());
    // And what is cut off is missed.
    large().write(&path).unwrap();
    let image = passed(&path);
    open(&path).set_len(image.page_area().0.0 + 4096).unwrap();
    let findings = image.verify(Verify::Everything);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(matches!(
        findings[0].fault,
        Fault::Read { .. } | Fault::Changed { .. }
    ));
}

#[test]
fn pages_that_are_changed_after_the_pass_are_not_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("image"), folder.path().join("copy"));
    let sample = large();
    sample.write(&path).unwrap();
    let image = passed(&path);
    let copied = |image: &Image| {
        let head = &sample.head;
        let mut writer =
            ImageWriter::create(&copy, Machine::X86_64, &head.objects, head.page_index()).unwrap();
        for bytes in &sample.objects {
            writer.object(bytes).unwrap();
        }
        writer.finish(head, PageSource::Copy { from: image })
    };
    assert_eq!(copied(&image).unwrap(), image.digest());
    fs::remove_file(&copy).unwrap();
    let image = passed(&path);
    let (start, length) = image.page_area();
    flip(&open(&path), start.0 + length / 2);
    let error = copied(&image).unwrap_err();
    assert!(
        matches!(&error, WriteError::Source { source } if matches!(source.fault, Fault::Changed { .. })),
        "{error}"
    );
    assert!(!copy.exists());
}

#[test]
fn the_signers_of_steps_are_written_in_one_way() {
    let sample = sample_with_signers(Machine::I386);
    let with = |at: usize, patch: &[u8]| Image::from_bytes(patched_of(&sample, 0xe, at, patch));
    let fault = |at: usize, patch: &[u8]| with(at, patch).err();
    assert!(fault(0, &[]).is_none());
    // A list of one step, number 0, with two signers.
    for (at, patch, what) in [
        (0, [0, 0, 0, 0], "0 is no number of steps"),
        (4, [1, 0, 0, 0], "1 is no number of a step"),
        (8, [0, 0, 0, 0], "0 is no number of signers"),
        (8, [3, 0, 0, 0], "are wanted"),
        (0, [2, 0, 0, 0], "are wanted"),
        (0, [255, 255, 255, 255], "a list of 4294967295 elements"),
    ] {
        let error = fault(at, &patch).unwrap().to_string();
        assert!(error.contains(what), "{error}");
        assert!(error.contains("SIGNERS"), "{error}");
    }
    let image = with(0, &[]).unwrap();
    assert_eq!(
        image.head().provenance[0].signers,
        ["SHA256:abc", "SHA256:de"]
    );
}
