//! Files that claim more than is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{note_area, sample};
use insta::assert_snapshot;
use kconv_image::{Holes, Image, ImageFile, Machine};

/// The start of a sample whose notes claim `notes` bytes, in a file of that length and `more` that is a hole from there on.
fn claiming(notes: u64, more: u64) -> (tempfile::TempDir, PathBuf) {
    // A file system that tells its holes.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("a.img");
    let mut bytes = sample(Machine::X86_64).bytes();
    let start = note_area(&bytes).start;
    // p_filesz of the first program header.
    bytes[64 + 32..64 + 40].copy_from_slice(&notes.to_le_bytes());
    let file = File::create(&path).unwrap();
    file.write_all_at(&bytes[..start + 64], 0).unwrap();
    file.set_len(start as u64 + notes + more).unwrap();
    (folder, path)
}

fn said(path: &Path, holes: Holes) -> String {
    let opened = ImageFile::open_with(path, holes).and_then(Image::of_file);
    let error = opened.err().unwrap();
    let folder = path.parent().unwrap().to_str().unwrap();
    format!("{error}\n{}", error.advice()).replace(folder, "DIR")
}

#[test]
fn notes_that_are_a_hole() {
    let (_folder, path) = claiming(1 << 40, 0);
    assert_snapshot!(said(&path, Holes::Few), @"
    DIR/a.img: the notes would end at 1099511628880, but 4096 bytes of the file are there, and the rest is holes
    if it is a real image that was copied to few blocks, say --sparse, or copy it without holes
    ");
    let error = Image::open(&path).err().unwrap();
    assert!(error.to_string().contains("holes"), "{error}");
}

/// Some are taken: a file system keeps blocks of zeros as it likes.
#[test]
fn notes_that_are_a_hole_no_longer_than_what_is_read_of_any_file() {
    let (_folder, path) = claiming(8 << 20, 0);
    assert!(said(&path, Holes::Few).contains("are damaged"));
    let (_folder, path) = claiming(40 << 20, 0);
    assert!(said(&path, Holes::Few).contains("holes"));
    assert!(said(&path, Holes::Any).contains("are damaged"));
}

/// What is hashed for a signature is held against what is there before.
#[test]
fn a_file_that_is_a_hole_is_not_gone_through() {
    let (_folder, path) = claiming(1 << 10, 1 << 50);
    let mut seen = 0;
    let passed = ImageFile::open(&path)
        .unwrap()
        .pass(&mut |bytes| seen += bytes.len());
    let error = passed.err().unwrap();
    assert!(
        error
            .to_string()
            .contains("the file would end at 1125899906844"),
        "{error}"
    );
    assert_eq!(seen, 0);
}

#[test]
fn an_image_that_was_copied_without_its_zeros_is_one() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = folder.path().join("a.img");
    let bytes = sample(Machine::X86_64).bytes();
    let file = File::create(&path).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (number, block) in bytes.chunks(4096).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, number as u64 * 4096).unwrap();
        }
    }
    let image = Image::open(&path).unwrap();
    assert!(image.verify(kconv_image::Verify::Everything).is_empty());
}
