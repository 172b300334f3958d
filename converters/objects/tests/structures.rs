//! Fields of a structure in bytes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{TASK, bytes, layout};
use kconv_image::KernelAddr;
use kconv_objects::{FieldError, Names, Structure};
use kernel_structs::layout::Layout;

fn with<T>(bytes: &[u8], read: impl FnOnce(&Structure<'_, &[u8]>) -> T) -> T {
    let layout = layout();
    let names = Names::new(&layout);
    let task = names.find("task").unwrap();
    read(&Structure::new(&names, task, KernelAddr(TASK), bytes))
}

fn error_of<T>(read: Result<T, FieldError>) -> String {
    match read {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_number_has_the_width_and_the_sign_of_its_field() {
    let mut all = bytes(96, &[(16, 0xfffe_0002_8000_ffff), (40, 0xffff_ffff)]);
    all[..4].copy_from_slice(&(-7i32).to_le_bytes());
    // ready is bit 0; level is bits 1 to 5, -3 of five bits being 0b11101.
    all[4] = 0b0011_1011;
    with(&all, |task| {
        let signed = |path| task.signed(path).unwrap();
        let unsigned = |path| task.unsigned(path).unwrap();
        assert_eq!((signed("pid"), task.int("pid").unwrap()), (-7, -7));
        assert_eq!((unsigned("pid"), unsigned("level")), (0xffff_fff9, 0b11101));
        assert_eq!(unsigned("state"), 0xffff_ffff);
        assert_eq!((signed("ready"), signed("level")), (1, -3));
        assert_eq!(
            (signed("parts[0].low"), signed("parts[0].high")),
            (0xffff, -0x8000)
        );
        assert_eq!((signed("parts[1].low"), signed("parts[1].high")), (2, -2));
        assert_eq!(signed("state"), -1);
        assert_eq!(task.pointer("mm").unwrap(), None);
    });
}

#[test]
fn what_the_layout_does_not_have_is_an_error_and_never_a_zero() {
    with(&[0; 96], |task| {
        assert_eq!(
            error_of(task.unsigned("pidd")),
            "task.pidd at 0xffff888000001000: task has no member `pidd`; the nearest is `pid`"
        );
        assert_eq!(
            error_of(task.elements("parts[2]")),
            "task.parts[2] at 0xffff888000001000: `parts` has 2 elements; there is no [2]"
        );
        assert!(error_of(task.unsigned("pid.")).contains("no field path"));
        assert!(!task.has("pidd") && task.has("pid") && task.has("own.count.users"));
        // What only some layouts have is asked for as that.
        assert_eq!(task.optional("pidd"), Ok(None));
        assert_eq!(task.optional("pid"), Ok(Some(0)));
        assert!(task.optional("comm").is_err());
        // The first name that the layout has is meant, and the last one is told of.
        assert_eq!(task.unsigned("pidd|pid"), Ok(0));
        assert_eq!(task.offset_of("mm|stack"), Ok(24));
        assert!(error_of(task.unsigned("pidd|tgid")).contains("no member `tgid`"));
        let error = task.names().find("tusk");
        assert_eq!(
            error_of(error),
            "found no type tusk in the layout, expected exactly one"
        );
    });
}

#[test]
fn a_field_is_read_as_what_it_is() {
    with(&[0; 96], |task| {
        for path in ["comm", "parts", "own", "groups", ""] {
            let error = task.number(path).unwrap_err();
            assert!(matches!(error, FieldError::Kind { .. }), "{path}: {error}");
            assert!(error.is_of_layout());
        }
        assert_eq!(
            error_of(task.unsigned("comm")),
            "task.comm at 0xffff888000001000: found an array, expected a number"
        );
        assert_eq!(
            error_of(task.bytes("level")),
            "task.level at 0xffff888000001000: found a bit-field, expected a field of whole bytes"
        );
        assert!(error_of(task.elements("pid")).contains("found an integer, expected an array"));
        assert!(error_of(task.numbers("parts")).contains("expected an array of numbers"));
    });
}

#[test]
fn a_null_pointer_that_never_is_one_is_an_error() {
    with(&[0; 96], |task| {
        assert_eq!(
            error_of(task.address("mm")),
            "task.mm at 0xffff888000001000: found a null pointer, expected an address"
        );
    });
    with(&bytes(96, &[(24, 0x1000)]), |task| {
        assert_eq!(task.address("mm"), Ok(KernelAddr(0x1000)));
        assert_eq!(task.pointer("mm"), Ok(Some(KernelAddr(0x1000))));
    });
}

#[test]
fn what_lies_behind_the_end_of_the_bytes_is_an_error() {
    let whole = [0xff; 104];
    with(&whole[..40], |task| {
        assert!(task.unsigned("stack").is_ok());
        assert_eq!(
            error_of(task.unsigned("state")),
            "task.state at 0xffff888000001000: found an end after 40 bytes, expected 44 bytes at least"
        );
        assert!(!task.unsigned("state").unwrap_err().is_of_layout());
        assert!(task.bytes("own").is_err() && task.numbers("words").is_err());
        assert!(task.bytes_from("comm", u64::MAX).is_err());
        // A place is of the layout, whether its bytes are there or not.
        assert_eq!(task.offset_of("own.count.users"), Ok(72));
        assert_eq!(task.address_of("own"), Ok(KernelAddr(TASK + 64)));
    });
    with(&whole[..34], |task| {
        assert!(task.unsigned("mm").is_ok() && task.unsigned("stack").is_err());
    });
    with(&whole[..4], |task| {
        assert!(task.unsigned("pid").is_ok() && task.unsigned("ready").is_err());
    });
}

#[test]
fn arrays_are_as_long_as_the_layout_or_the_kernel_says() {
    let mut all = bytes(104, &[(16, 0x0004_0003_0002_0001), (80, 8), (88, 9)]);
    all[96..104].copy_from_slice(&[5, 0, 0, 0, 6, 0, 0, 0]);
    with(&all, |task| {
        let parts = task.elements("parts").unwrap();
        let lows = parts.iter().map(|part| part.unsigned("low").unwrap());
        assert_eq!(lows.collect::<Vec<_>>(), [1, 3]);
        assert_eq!(parts[1].at(), KernelAddr(TASK + 20));
        assert_eq!(task.numbers("words").unwrap(), [8, 9]);
        assert_eq!(task.numbers("groups").unwrap(), []);
        let groups = |count| task.elements_of("groups", count);
        let numbers = groups(2).unwrap();
        let numbers = numbers.iter().map(|group| group.unsigned("").unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), [5, 6]);
        for count in [3, 1 << 40, u64::MAX] {
            let error = groups(count).err().unwrap();
            assert!(matches!(error, FieldError::PastEnd { .. }), "{error}");
        }
    });
}

#[test]
fn text_ends_at_the_first_nul_or_with_its_field() {
    let mut all = vec![0; 96];
    all[8..12].copy_from_slice(b"a\xffb\0");
    with(&all, |task| {
        assert_eq!(task.text("comm").unwrap(), b"a\xffb")
    });
    all[8..20].copy_from_slice(b"abcdefghijkl");
    with(&all, |task| {
        assert_eq!(task.text("comm").unwrap(), b"abcdefgh")
    });
}

#[test]
fn an_answer_is_the_same_the_second_time() {
    let layout: Layout = layout();
    let names = Names::new(&layout);
    let task = names.find("task").unwrap();
    for _ in 0..2 {
        assert_eq!(names.find("task"), Ok(task));
        assert!(names.find("tusk").is_err());
        assert_eq!(names.size_of("task"), Ok(96));
        assert_eq!(names.offset_in(task, "own.flags"), Ok(64));
        assert!(names.offset_in(task, "own.flag").is_err());
        // The same name in another type is another field.
        assert_eq!(names.offset_in(names.find("mm").unwrap(), "flags"), Ok(0));
        assert!(names.offset_in(task, "flags").is_err());
        assert_eq!(
            (names.constant("GONE"), names.constant("LOST")),
            (Some(-1), None)
        );
    }
}
