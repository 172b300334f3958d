//! Damaged and hostile images: an error, never a panic, a hang, or memory out of proportion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command;

use common::{Sample, note_area, objects_start, reseal, sample};
use kconv_image::{Image, Machine, UserAddr, Verify};

/// Makes the test that asks for it run once more, in a process that may map 512 MiB at most:
/// an allocation of what a number in an image pretends ends it.
const LIMITED: &str = "KCONV_TEST_LIMITED";

/// The sample with one page.
fn small(machine: Machine) -> Sample {
    let mut sample = sample(machine);
    sample.head.address_spaces.truncate(1);
    sample.head.address_spaces[0].runs.truncate(1);
    sample.pages.truncate(1);
    sample
}

/// Opens an image and looks at everything in it; whether all of that is without an error.
fn sound(bytes: Vec<u8>) -> bool {
    let Ok(image) = Image::from_bytes(bytes) else {
        return false;
    };
    let mut stream = image.objects();
    while let Some((id, _)) = stream.next_object().unwrap() {
        let object = image.head().object(id);
        assert_eq!(image.find(object.address), Some((id, 0)));
        image.head().type_name(object);
        image.head().slots_of(id);
    }
    for space in &image.head().address_spaces {
        for run in &space.runs {
            assert!(image.read_page(space.mm, run.start).unwrap().is_some());
            let end = UserAddr(run.start.0.wrapping_add(run.pages.wrapping_mul(4096)));
            image.read_page(space.mm, end).unwrap();
        }
    }
    image.verify(Verify::Everything).is_empty()
}

#[test]
fn the_samples_are_sound() {
    for machine in [Machine::I386, Machine::X86_64] {
        assert!(sound(small(machine).bytes()));
    }
}

fn no_truncation_passes(machine: Machine) {
    let bytes = small(machine).bytes();
    for length in 0..bytes.len() {
        let image = Image::from_bytes(bytes[..length].to_vec());
        assert!(image.is_err(), "cut to {length} of {}", bytes.len());
    }
}

#[test]
fn no_truncation_of_an_i386_image_passes() {
    no_truncation_passes(Machine::I386);
}

#[test]
fn no_truncation_of_an_x86_64_image_passes() {
    no_truncation_passes(Machine::X86_64);
}

#[test]
fn no_addition_passes() {
    for more in [1, 4096] {
        let mut bytes = small(Machine::I386).bytes();
        bytes.resize(bytes.len() + more, 0);
        assert!(Image::from_bytes(bytes).is_err());
    }
}

fn no_changed_byte_passes(machine: Machine) {
    let bytes = small(machine).bytes();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(!sound(damaged), "byte {at:#x} changed");
    }
}

#[test]
fn no_changed_byte_of_an_i386_image_passes() {
    no_changed_byte_passes(Machine::I386);
}

#[test]
fn no_changed_byte_of_an_x86_64_image_passes() {
    no_changed_byte_passes(Machine::X86_64);
}

/// Puts extremes in the place of every number before the objects and in the notes, with digests
/// that are right: whoever writes an image can do that.
fn extremes_do_no_harm(machine: Machine) {
    let bytes = small(machine).bytes();
    let area = note_area(&bytes);
    let start = objects_start(&bytes);
    let numbers = [
        0,
        1,
        17,
        0x1000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_f000,
        u32::MAX,
    ];
    let mut sound_ones = 0;
    for at in (0..start - 3).chain(area.start..area.end - 35) {
        for number in numbers {
            let mut hostile = bytes.clone();
            hostile[at..at + 4].copy_from_slice(&number.to_le_bytes());
            reseal(&mut hostile, &area, start);
            sound_ones += usize::from(sound(hostile));
        }
    }
    // Clocks, home addresses and the like may well be extreme.
    assert!(sound_ones > 100, "the digests were not made right");
}

/// Two numbers at once, for lengths of 64 bits.
fn long_extremes_do_no_harm(machine: Machine) {
    let bytes = small(machine).bytes();
    let area = note_area(&bytes);
    let start = objects_start(&bytes);
    let numbers = [
        u64::MAX,
        1 << 63,
        u64::MAX << 12,
        u64::MAX >> 12,
        u64::MAX - 15,
    ];
    for at in (0..start - 7).chain(area.start..area.end - 39) {
        for number in numbers {
            let mut hostile = bytes.clone();
            hostile[at..at + 8].copy_from_slice(&number.to_le_bytes());
            reseal(&mut hostile, &area, start);
            sound(hostile);
        }
    }
}

/// Runs `test` in a process with a memory limit.
fn limited(name: &str, test: impl FnOnce()) {
    if std::env::var_os(LIMITED).is_some() {
        return test();
    }
    let output = Command::new("sh")
        .args(["-c", r#"ulimit -v 524288 && exec "$0" --exact "$1""#])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(LIMITED, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
fn extremes_in_an_i386_image_do_no_harm() {
    limited("extremes_in_an_i386_image_do_no_harm", || {
        extremes_do_no_harm(Machine::I386);
        long_extremes_do_no_harm(Machine::I386);
    });
}

#[test]
fn extremes_in_an_x86_64_image_do_no_harm() {
    limited("extremes_in_an_x86_64_image_do_no_harm", || {
        extremes_do_no_harm(Machine::X86_64);
        long_extremes_do_no_harm(Machine::X86_64);
    });
}
