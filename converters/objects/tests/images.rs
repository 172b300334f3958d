//! The way from one object of an image to the next.
#![allow(clippy::unwrap_used)]

mod common;

use common::{FD, MM, Parts, SIGNALS, TASK};
use kconv_image::{KernelAddr, ObjectId, Remainder, ResourceId};
use kconv_objects::{FieldError, Objects, Saved};

fn with<T>(parts: &Parts, read: impl FnOnce(&Saved<'_>, &Objects<'_>) -> T) -> T {
    let (image, layout) = (parts.image(), common::layout());
    let objects = Objects::new(&image, &layout).unwrap();
    let task = objects.of_type("task").unwrap()[0];
    read(&task, &objects)
}

/// A task with a number put in at `at`.
fn changed(at: usize, number: u64) -> Parts {
    let mut parts = Parts::default();
    parts.task[at..at + 8].copy_from_slice(&number.to_le_bytes());
    parts
}

fn error_of<T>(read: Result<T, FieldError>) -> String {
    match read {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn objects_are_found_by_type_and_address() {
    with(&Parts::default(), |task, objects| {
        assert_eq!((task.at(), task.id()), (KernelAddr(TASK), ObjectId(0)));
        assert_eq!(task.int("pid"), Ok(-7));
        assert_eq!(objects.ids_of("signal"), [ObjectId(2)]);
        assert_eq!(objects.ids_of("vma"), []);
        assert!(objects.of_type("vma").unwrap().is_empty());
        assert_eq!(objects.object_at(SIGNALS + 24), Some((ObjectId(2), 24)));
        assert_eq!(
            (objects.object_at(0), objects.object_at(TASK - 1)),
            (None, None)
        );
        // An array of pointers has no fields.
        assert_eq!(objects.ty(ObjectId(3)), None);
        assert!(error_of(objects.object(ObjectId(3)).map(|_| ())).contains("no type file *"));
    });
}

#[test]
fn a_pointer_leads_to_the_structure_that_it_is_declared_to() {
    with(&Parts::default(), |task, _| {
        let mm = task.follow("mm").unwrap().unwrap();
        assert_eq!(
            (mm.at(), mm.unsigned("flags")),
            (KernelAddr(MM), Ok(0x1234))
        );
        assert_eq!(task.required("mm").unwrap().id(), ObjectId(1));
        assert!(error_of(task.follow("stack")).contains("expected a pointer at a structure"));
        assert!(error_of(task.follow("pid")).contains("found an integer"));
    });
    // Into the structure of that type that is a part of another.
    with(&changed(24, TASK + 64), |task, _| {
        let own = task.required("mm").unwrap();
        assert_eq!((own.id(), own.at()), (ObjectId(0), KernelAddr(TASK + 64)));
    });
}

#[test]
fn a_pointer_at_nothing_is_none_and_at_something_else_an_error() {
    for nothing in [0, 0xffff_8880_dead_0000] {
        with(&changed(24, nothing), |task, _| {
            assert!(task.follow("mm").unwrap().is_none());
            let text = error_of(task.required("mm"));
            let told = format!(
                "task.mm at 0xffff888000001000: found {nothing:#x}, where nothing was saved, expected \
                 the address of mm"
            );
            assert_eq!(text, told);
        });
    }
    for (other, found) in [
        (SIGNALS, "signal"),
        (MM + 8, "mm+8"),
        (FD, "file *"),
        (TASK + 8, "task+8"),
    ] {
        with(&changed(24, other), |task, _| {
            let told = format!(
                "task.mm at 0xffff888000001000: found the address of {found}, expected that of mm"
            );
            assert_eq!(error_of(task.follow("mm")), told);
        });
    }
}

#[test]
fn a_list_has_all_of_its_elements_or_is_an_error() {
    let numbers = |task: &Saved<'_>| -> Result<Vec<i32>, FieldError> {
        let signals = task.list("pending", "signal", "list")?;
        signals.iter().map(|signal| signal.int("number")).collect()
    };
    with(&Parts::default(), |task, _| {
        assert_eq!(numbers(task), Ok(vec![10, 12]));
    });
    with(&changed(48, TASK + 48), |task, _| {
        assert_eq!(numbers(task), Ok(Vec::new()));
    });
    // Not a shorter list, but none.
    for lost in [0, 0xffff_8880_dead_0000] {
        let mut parts = Parts::default();
        parts.signals[..8].copy_from_slice(&u64::to_le_bytes(lost));
        with(&parts, |task, _| {
            let error = numbers(task).unwrap_err();
            assert!(matches!(error, FieldError::Dangling { .. }), "{error}");
        });
    }
    with(&changed(48, MM), |task, _| {
        let error = numbers(task).unwrap_err();
        assert!(matches!(error, FieldError::OtherType { .. }), "{error}");
    });
    let mut parts = Parts::default();
    parts.signals[24..32].copy_from_slice(&SIGNALS.to_le_bytes());
    with(&parts, |task, _| {
        let error = numbers(task).unwrap_err();
        let first = KernelAddr(SIGNALS);
        assert!(
            matches!(&error, FieldError::Endless { again, .. } if *again == first),
            "{error}"
        );
    });
}

/// The links of a list, taken for a chain of pointers: it ends where one is null.
#[test]
fn chains_end_or_are_none() {
    let length = |task: &Saved<'_>| Ok(task.chain("pending.next", "next")?.len());
    let mut parts = Parts::default();
    parts.signals[24..32].copy_from_slice(&0u64.to_le_bytes());
    with(&parts, |task, _| assert_eq!(length(task), Ok(2)));
    with(&Parts::default(), |task, _| {
        let error: FieldError = length(task).unwrap_err();
        let again = KernelAddr(SIGNALS);
        assert!(
            matches!(&error, FieldError::Endless { again: found, .. } if *found == again),
            "{error}"
        );
    });
    parts.signals[24..32].copy_from_slice(&MM.to_le_bytes());
    with(&parts, |task, _| {
        let error = length(task).unwrap_err();
        assert!(matches!(error, FieldError::OtherType { .. }), "{error}");
    });
}

#[test]
fn memory_behind_a_pointer_is_there_or_an_error() {
    with(&changed(24, FD), |task, _| {
        assert_eq!(task.bytes_at("mm", 24).unwrap().len(), 24);
        assert_eq!(
            error_of(task.bytes_at("mm", 25)),
            "task.mm at 0xffff888000001000: found an end after 24 bytes, expected 25 bytes at least"
        );
        assert!(task.bytes_at("mm", u64::MAX).is_err());
        assert_eq!(task.all_at("mm").unwrap().len(), 24);
    });
    with(&changed(24, FD + 8), |task, _| {
        assert_eq!(task.bytes_at("mm", 8).unwrap(), TASK.to_le_bytes());
        assert!(matches!(
            task.all_at("mm"),
            Err(FieldError::OtherType { .. })
        ));
    });
    with(&changed(24, 0), |task, _| {
        assert!(matches!(
            task.bytes_at("mm", 0),
            Err(FieldError::Dangling { .. })
        ));
    });
}

#[test]
fn parts_and_flexible_arrays_are_structures_of_the_object() {
    with(&Parts::default(), |task, _| {
        let pending = task.part("pending").unwrap();
        assert_eq!(pending.at(), KernelAddr(TASK + 48));
        assert_eq!(pending.pointer("next"), Ok(Some(KernelAddr(SIGNALS))));
        let groups = task.flexible("groups", 2).unwrap();
        let numbers: Vec<u64> = groups.iter().map(|one| one.unsigned("").unwrap()).collect();
        assert_eq!(numbers, [5, 6]);
        assert!(matches!(
            task.flexible("groups", 3),
            Err(FieldError::PastEnd { .. })
        ));
    });
}

#[test]
fn symbols_and_resources_are_told_from_one_another_and_by_place() {
    with(&Parts::default(), |task, _| {
        assert_eq!(task.symbol("stack").unwrap().unwrap().offset, 4);
        assert_eq!(task.symbol_name("stack"), Ok(Some("ops")));
        assert_eq!(task.resource_id("stack"), Ok(None));
        assert_eq!(task.resource_id("words[0]"), Ok(Some(ResourceId(0))));
        assert_eq!(task.resource("words[0]").unwrap().unwrap().kind, "file");
        assert_eq!(task.symbol("words[0]").unwrap(), None);
        assert_eq!(task.resource_id("words[1]"), Ok(None));
        // In a part, the place counts from the start of the object.
        let own = task.part("own").unwrap();
        assert_eq!(own.resource_id("flags"), Ok(Some(ResourceId(0))));
        assert_eq!(own.resource_id("count.users"), Ok(None));
    });
}

#[test]
fn what_was_reset_is_known_to_have_been_set() {
    let mut parts = changed(64, 0);
    let kept = |object, field: &str, byte| Remainder {
        object: ObjectId(object),
        field: field.into(),
        bytes: [0, byte].into(),
        step: 0,
        offset: 64,
        mask: [0xff; 2].into(),
    };
    let was_set = |parts: &Parts| with(parts, |task, _| task.was_set("own.flags").unwrap());
    assert!(!was_set(&parts));
    parts.kept = vec![
        kept(0, "own.flags", 0),
        kept(0, "own.count", 1),
        kept(1, "own.flags", 1),
    ];
    assert!(!was_set(&parts));
    parts.kept = vec![kept(0, "own.flags", 1)];
    assert!(was_set(&parts));
    assert!(was_set(&changed(64, 1)));
}

#[test]
fn what_lies_right_behind_an_object_is_of_the_type_that_is_asked_for() {
    with(&Parts::default(), |task, _| {
        let mm = task.required("mm").unwrap();
        let behind = mm.right_behind("signal").unwrap().unwrap();
        assert_eq!(
            (behind.at(), behind.int("number")),
            (KernelAddr(SIGNALS), Ok(10))
        );
        assert!(mm.right_behind("mm").unwrap().is_none());
        assert!(task.right_behind("mm").unwrap().is_none());
    });
}
