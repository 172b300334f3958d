//! What the reader does not take, in its own words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{fault, note, note_area, objects_start, patched, reseal, sample};
use insta::assert_snapshot;
use kconv_image::{Image, Machine, ObjectId, Verify};

/// What the reader says of the i386 sample with `patch` at byte `at`, digests not made right.
fn edited(at: usize, patch: &[u8]) -> String {
    let mut bytes = sample(Machine::I386).bytes();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    fault(bytes)
}

/// Likewise, digests made right.
fn resealed(at: usize, patch: &[u8]) -> String {
    let mut bytes = sample(Machine::I386).bytes();
    let area = note_area(&bytes);
    let start = objects_start(&bytes);
    bytes[at..at + patch.len()].copy_from_slice(patch);
    reseal(&mut bytes, &area, start);
    fault(bytes)
}

#[test]
fn an_empty_file() {
    assert_snapshot!(fault(Vec::new()), @"
    <memory>: not an ELF file: begins with [], not with 7f 45 4c 46
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn a_shell_script() {
    assert_snapshot!(fault(b"#!/bin/sh\n".to_vec()), @"
    <memory>: not an ELF file: begins with [23, 21, 2f, 62], not with 7f 45 4c 46
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn nothing_but_an_elf_magic() {
    assert_snapshot!(fault(b"\x7fELF\x01\x01\x01".to_vec()), @"
    <memory>: truncated: the file is 7 bytes long, but the ELF header would end at 52
    fetch the image again from where it was made, and compare the lengths
    ");
}

#[test]
fn the_test_program_itself() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert_snapshot!(fault(program), @"
    <memory>: ELF type 3; images have 4, a core file
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn big_endian() {
    assert_snapshot!(edited(5, &[2]), @"
    <memory>: ELF data encoding 2; images have 1, little-endian
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn class_of_another_machine() {
    assert_snapshot!(edited(4, &[2]), @"
    <memory>: ELF class 2 with machine 3; images have class 1 with 3 (i386) or class 2 with 62 (x86-64)
    this program knows tasks of i386 and x86-64 kernels alone
    ");
}

#[test]
fn core_file_of_an_arm_machine() {
    assert_snapshot!(edited(18, &[40]), @"
    <memory>: ELF class 1 with machine 40; images have class 1 with 3 (i386) or class 2 with 62 (x86-64)
    this program knows tasks of i386 and x86-64 kernels alone
    ");
}

#[test]
fn core_file_without_notes_first() {
    assert_snapshot!(edited(52, &[1]), @"
    <memory>: a core file, but not an image: its first note is not a KCONV identity
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn core_file_of_a_kernel() {
    // Its first note is NT_PRSTATUS of CORE.
    let mut bytes = sample(Machine::I386).bytes();
    let area = note_area(&bytes);
    bytes[area.start..area.start + 20]
        .copy_from_slice(b"\x05\0\0\0\x90\0\0\0\x01\0\0\0CORE\0\0\0\0");
    assert_snapshot!(fault(bytes), @"
    <memory>: a core file, but not an image: its first note is not a KCONV identity
    is this an image? `kconv freeze` makes them
    ");
}

#[test]
fn unknown_version() {
    // The digest is not even looked at.
    let area = note_area(&sample(Machine::I386).bytes());
    assert_snapshot!(edited(area.start + 20, &[3]), @"
    <memory>: image format version 3; this program reads versions 1 to 2
    use a kconv of the release that wrote the image, or freeze the tasks again with this one
    ");
}

#[test]
fn unknown_version_of_a_file_without_anything_else() {
    let mut bytes = sample(Machine::I386).bytes();
    let area = note_area(&bytes);
    bytes[area.start + 20] = 9;
    bytes[area.start + 24..].fill(0x55);
    assert_snapshot!(fault(bytes), @"
    <memory>: image format version 9; this program reads versions 1 to 2
    use a kconv of the release that wrote the image, or freeze the tasks again with this one
    ");
}

#[test]
fn cut_in_the_program_headers() {
    let mut bytes = sample(Machine::I386).bytes();
    bytes.truncate(80);
    assert_snapshot!(fault(bytes), @"
    <memory>: truncated: the file is 80 bytes long, but the ELF header and the first program header would end at 84
    fetch the image again from where it was made, and compare the lengths
    ");
}

#[test]
fn cut_in_the_objects() {
    let mut bytes = sample(Machine::I386).bytes();
    bytes.truncate(0x200);
    assert_snapshot!(fault(bytes), @"
    <memory>: truncated: the file is 512 bytes long, but the notes would end at 2912
    fetch the image again from where it was made, and compare the lengths
    ");
}

#[test]
fn cut_in_the_pages() {
    let mut bytes = sample(Machine::I386).bytes();
    bytes.truncate(bytes.len() - 1);
    assert_snapshot!(fault(bytes), @"
    <memory>: truncated: the file is 24575 bytes long, but the pages would end at 24576
    fetch the image again from where it was made, and compare the lengths
    ");
}

#[test]
fn one_byte_too_many() {
    let mut bytes = sample(Machine::I386).bytes();
    bytes.push(0);
    assert_snapshot!(fault(bytes), @"
    <memory>: the file is 24577 bytes long, but the image ends at 24576
    fetch the image again from where it was made, and compare the lengths
    ");
}

#[test]
fn damaged_notes() {
    let area = note_area(&sample(Machine::I386).bytes());
    assert_snapshot!(edited(area.start + 30, b"x"), @"
    <memory>: the headers and the notes are damaged: BLAKE3 9db63c0a873ac5d0fcb7061af51d529ada958d812c93fc6bc167d190d7a87941, recorded is 215e6f632f99cc1ad23beac90bb7a14074778901dfacc403ff789db2a61d0efa
    the image was damaged or edited after it was written; use another copy
    ");
}

#[test]
fn damaged_program_headers() {
    assert_snapshot!(edited(0x60, &[0xff]), @"
    <memory>: the headers and the notes are damaged: BLAKE3 707fc6d6003863dde7c471c466219d26c0cdcb67b53aeadd317444ffd6147551, recorded is 215e6f632f99cc1ad23beac90bb7a14074778901dfacc403ff789db2a61d0efa
    the image was damaged or edited after it was written; use another copy
    ");
}

#[test]
fn damaged_objects_and_pages_are_found_together() {
    let mut bytes = sample(Machine::I386).bytes();
    bytes[0x180] ^= 1;
    *bytes.last_mut().unwrap() ^= 1;
    let image = Image::from_bytes(bytes).unwrap();
    let messages = |depth| {
        let findings = image.verify(depth);
        let lines = findings
            .iter()
            .map(|finding| format!("{finding}\n{}\n", finding.advice()));
        lines.collect::<String>()
    };
    assert_snapshot!(messages(Verify::Objects), @"
    <memory>: the objects are damaged: BLAKE3 da063a35e3efa7374d5f9b714a02dd974b2b000cc42ed2e809f995c7d9b06626, recorded is bd5d34a13cc0bb5b230c7098c6071e5a4a139b059515b89e7b8c834b5e3461dc
    the image was damaged or edited after it was written; use another copy
    ");
    assert_snapshot!(messages(Verify::Everything), @"
    <memory>: the objects are damaged: BLAKE3 da063a35e3efa7374d5f9b714a02dd974b2b000cc42ed2e809f995c7d9b06626, recorded is bd5d34a13cc0bb5b230c7098c6071e5a4a139b059515b89e7b8c834b5e3461dc
    the image was damaged or edited after it was written; use another copy
    <memory>: the user pages are damaged: BLAKE3 212eb650c605c5d9aa3a8a27729268b45dfa5e3ac0398d2259cf693a4755e6af, recorded is 72dad0444a6f35f9adf4125877846503b27ec2b8df9b65b8a268cb80dc4b9e02
    the image was damaged or edited after it was written; use another copy
    ");
}

#[test]
fn damaged_padding_before_the_pages() {
    assert_snapshot!(edited(0xfff, &[1]), @"
    <memory>: padding at 0xfff is 01, not 00
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn elf_header_that_disagrees() {
    assert_snapshot!(resealed(36, &[1]), @"
    <memory>: the ELF header at 0x24 disagrees with the object index: 01 instead of 00
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn segment_that_disagrees_with_the_index() {
    // p_vaddr of the first segment.
    assert_snapshot!(resealed(52 + 32 + 8, &[1]), @"
    <memory>: a program header at 0x5c disagrees with the object index: 01 instead of 00
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn notes_inside_the_program_headers() {
    assert_snapshot!(edited(44, &[0xfe, 0xff]), @"
    <memory>: the notes begin at 0x360, before the end of the program headers at 0x200000
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn fewer_segments_than_the_index_makes() {
    let mut bytes = sample(Machine::I386).bytes();
    let area = note_area(&bytes);
    bytes[44] -= 1;
    reseal(&mut bytes, &area, 0x160);
    assert_snapshot!(fault(bytes), @"
    <memory>: the objects begin at 0x160, but by the object index at 0x180
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn notes_that_begin_too_early() {
    // One object less in the index, and the head is one segment too long.
    assert_snapshot!(with_size_of_last_object(4), @"
    <memory>: the notes begin at 0x360, but by the object index at 0x350
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

/// The sample with another size in the record of its last object.
fn with_size_of_last_object(size: u8) -> String {
    fault(patched(3, 4 + 5 * 40 + 8, &[size]))
}

#[test]
fn objects_that_leave_no_room_for_the_notes() {
    assert_snapshot!(with_size_of_last_object(255), @"
    <memory>: the notes begin at 0x360, but by the object index at 0x440
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn type_list_longer_than_its_note() {
    assert_snapshot!(fault(patched(2, 0, &[0xff, 0xff, 0xff, 0xff])), @"
    <memory>: TYPES at 0x62c: a list of 4294967295 elements, but 46 bytes hold at most 11
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn type_list_shorter_than_its_note() {
    assert_snapshot!(fault(patched(2, 0, &[2])), @"
    <memory>: TYPES at 0x64c: 18 bytes are left after the last field
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn note_that_goes_on_for_a_byte() {
    assert_snapshot!(fault(patched(2, 32, &[13])), @"
    <memory>: TYPES at 0x65d: 1 bytes are left after the last field
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn string_longer_than_its_note() {
    assert_snapshot!(fault(patched(2, 4, &[0, 1])), @"
    <memory>: TYPES at 0x634: 256 bytes are wanted, 42 are left in the note
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn string_that_is_not_utf8() {
    assert_snapshot!(fault(patched(2, 8, &[0xff])), @"
    <memory>: TYPES at 0x630: the string is not UTF-8
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn object_that_is_a_part_of_itself() {
    assert_snapshot!(fault(patched(3, 40, &[1])), @"
    <memory>: object 0 is a part of object 0, which is a part itself
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn object_that_is_a_part_of_an_unknown_one() {
    assert_snapshot!(fault(patched(3, 40, &[9])), @"
    <memory>: object 0 refers to part 8; there are 6, numbered from 0
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn object_of_an_unknown_type() {
    assert_snapshot!(fault(patched(3, 4, &[7])), @"
    <memory>: object 0 refers to type 7; there are 3, numbered from 0
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn objects_that_overlap() {
    // The second is put 1 byte into the first.
    assert_snapshot!(fault(patched(3, 4 + 40 + 16, &[1])), @"
    <memory>: objects 0 and 1 overlap at 0xc1002001
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn slot_target_of_an_unknown_kind() {
    assert_snapshot!(fault(patched(6, 4 + 8, &[2])), @"
    <memory>: SLOTS at 0x87c: 2 is no kind of slot target
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn value_of_an_unknown_kind() {
    // The first fact: its name, `hostname`, takes 12 bytes.
    assert_snapshot!(fault(patched(8, 4 + 12, &[8])), @"
    <memory>: FACTS at 0x8fc: 8 is no kind of value
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn values_nested_too_deep() {
    let mut deep = sample(Machine::I386);
    let room = kconv_image::Value::Bytes(vec![0; 100]);
    deep.head.facts[0].1 = room;
    let mut bytes = deep.bytes();
    let area = note_area(&bytes);
    let start = objects_start(&bytes);
    let value = note(&bytes, 8).start + 4 + 12;
    for depth in 0..20 {
        bytes[value + depth * 5..][..5].copy_from_slice(&[7, 1, 0, 0, 0]);
    }
    reseal(&mut bytes, &area, start);
    assert_snapshot!(fault(bytes), @"
    <memory>: FACTS at 0x94c: lists nested too deep
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn note_in_the_place_of_another() {
    let bytes = sample(Machine::I386).bytes();
    let types = note(&bytes, 2).start;
    assert_snapshot!(resealed(types - 12, &[3]), @"
    <memory>: the note at 0x618 is KCONV 0x4b430003; here belongs TYPES
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn note_longer_than_the_note_area() {
    let bytes = sample(Machine::I386).bytes();
    let types = note(&bytes, 2).start;
    assert_snapshot!(resealed(types - 16, &[0xff, 0xff, 0xff, 0xff]), @"
    <memory>: the note at 0x618 needs 4294967316 bytes; the note area has 1352 left
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn note_with_padding_that_is_not_zero() {
    let bytes = sample(Machine::I386).bytes();
    let types = note(&bytes, 2).start;
    assert_snapshot!(resealed(types - 1, &[1]), @"
    <memory>: padding at 0x62b is 01, not 00
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn note_whose_owner_is_not_closed() {
    let bytes = sample(Machine::I386).bytes();
    let types = note(&bytes, 2).start;
    assert_snapshot!(resealed(types - 3, b"S"), @"
    <memory>: the owner of the note at 0x618 is not text closed by one NUL
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}

#[test]
fn object_that_is_not_there() {
    let image = Image::from_bytes(sample(Machine::I386).bytes()).unwrap();
    let error = image.read_object(ObjectId(6), &mut Vec::new()).unwrap_err();
    assert_snapshot!(format!("{error}\n{}", error.advice()), @"
    <memory>: there is no object 6: the image has 6
    `kconv inspect` lists the objects of an image
    ");
}

#[test]
fn note_after_the_digest() {
    let mut bytes = sample(Machine::I386).bytes();
    let mut area = note_area(&bytes);
    let start = objects_start(&bytes);
    // There is room for a second DIGEST note before the pages.
    bytes.copy_within(area.end - 116..area.end, area.end);
    area.end += 116;
    let length = (area.len() as u32).to_le_bytes();
    bytes[52 + 16..52 + 20].copy_from_slice(&length);
    reseal(&mut bytes, &area, start);
    assert_snapshot!(fault(bytes), @"
    <memory>: DIGEST at 0xb60: 116 bytes are left after the last field
    the program that wrote this image broke the format: report it to its makers, with this message
    ");
}
