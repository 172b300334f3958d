//! The committed images are what the committed dumps give.
#![allow(clippy::unwrap_used)]

mod frozen;

use frozen::{DUMPS, dump, image};
use kconv_freeze::freeze_dump;
use std::fs;

#[test]
fn the_committed_images_are_made_of_the_committed_dumps() {
    let directory = tempfile::tempdir().unwrap();
    for name in DUMPS {
        let made = directory.path().join(name);
        freeze_dump(&dump(name), None, &made).unwrap();
        assert!(
            fs::read(&made).unwrap() == fs::read(image(name)).unwrap(),
            "tests/images/{name}.img is out of date; make it with \
             `cargo run -p kconv-freeze --example freeze-dump -- tests/dumps/{name} tests/images/{name}.img`"
        );
    }
}

#[test]
fn the_release_can_be_named_and_is_held_against_the_dump() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let summary = freeze_dump(&dump("2.4.36-i386-up"), Some("2.4.36-up"), &made).unwrap();
    assert_eq!((summary.tasks, summary.pages), (22, 69));
    fs::remove_file(&made).unwrap();
    let error = freeze_dump(&dump("2.4.36-i386-up"), Some("2.4.36-smp"), &made).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the dump is of 2.4.36 i386 up, not of 2.4.36-smp (2.4.36 i386 smp)")
    );
    let error = freeze_dump(&dump("2.4.36-i386-up"), Some("2.4.37"), &made).unwrap_err();
    assert!(error.to_string().contains("not of 2.4.37-up"));
    assert!(!made.exists());
}
