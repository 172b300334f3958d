//! Nobody leads whoever writes an image to another file. Links of others are made by root alone, so that without
//! root these tests only see what a caller's own links do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use common::sample;
use insta::assert_snapshot;
use kconv_image::{Image, Machine, Temporary, remove_file};

/// Somebody who is not root.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Tries to write, and to remove, what `path` leads to. What is said of it, which has to be the same; nothing has
/// happened to `file`.
fn refused(path: &Path, file: &Path, directory: &Path) -> String {
    let before = fs::read(file).unwrap();
    let error = sample(Machine::I386).write(path).unwrap_err();
    let said = format!("{error}\n{}", error.advice());
    let removed = remove_file(path).unwrap_err();
    assert_eq!(removed.to_string(), error.to_string());
    assert_eq!(fs::read(file).unwrap(), before);
    let report = Temporary::create(path).unwrap_err();
    assert_eq!(report.to_string(), error.to_string());
    said.replace(directory.to_str().unwrap(), "DIR")
}

#[test]
fn a_link_of_another_is_not_followed() {
    if !is_root() {
        return println!("not tried: only root gives a link to another");
    }
    let directory = tempfile::tempdir().unwrap();
    let sticky = directory.path().join("sticky");
    let file = directory.path().join("root");
    fs::create_dir(&sticky).unwrap();
    fs::write(&file, "of root").unwrap();
    let link = sticky.join("out.img");
    symlink(&file, &link).unwrap();
    lchown(&link, Some(NOBODY), Some(NOBODY)).unwrap();
    for bits in [0o1777, 0o755] {
        mode(&sticky, bits);
        let said = refused(&link, &file, directory.path());
        assert!(said.contains("user 65534 owns it"), "{bits:o}: {said}");
    }
    assert_snapshot!(refused(&link, &file, directory.path()), @"
    DIR/sticky/out.img: the symbolic link DIR/sticky/out.img is not followed: user 65534 owns it
    name the file itself that is to be written, and write where nobody else may
    ");
    // Nor one that leads to a folder on the way, or by way of a link that could be followed.
    let folder = sticky.join("folder");
    symlink(directory.path(), &folder).unwrap();
    lchown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    let said = refused(&folder.join("root"), &file, directory.path());
    assert!(said.contains("link DIR/sticky/folder is not"), "{said}");
    let own = directory.path().join("own");
    symlink("sticky/out.img", &own).unwrap();
    let said = refused(&own, &file, directory.path());
    assert!(said.contains("link DIR/sticky/out.img is not"), "{said}");
}

/// Whose it is says nothing where others may take it away and put another there.
#[test]
fn a_link_where_all_may_write_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let open = directory.path().join("open");
    let file = directory.path().join("file");
    fs::create_dir(&open).unwrap();
    fs::write(&file, "mine").unwrap();
    symlink(&file, open.join("out.img")).unwrap();
    insta::allow_duplicates! {
        for bits in [0o1777, 0o777] {
            mode(&open, bits);
            assert_snapshot!(refused(&open.join("out.img"), &file, directory.path()), @"
            DIR/open/out.img: the symbolic link DIR/open/out.img is not followed: all may write to the folder that it is in
            name the file itself that is to be written, and write where nobody else may
            ");
        }
    }
    mode(&open, 0o755);
    sample(Machine::I386).write(&open.join("out.img")).unwrap();
    assert!(Image::open(&file).is_ok());
}

/// A file there is replaced, as its owner could do.
#[test]
fn what_is_no_link_is_written_where_all_may_write() {
    let directory = tempfile::tempdir().unwrap();
    mode(directory.path(), 0o1777);
    let path = directory.path().join("out.img");
    fs::write(&path, "old").unwrap();
    sample(Machine::I386).write(&path).unwrap();
    assert!(Image::open(&path).is_ok());
    remove_file(&path).unwrap();
    assert!(!path.exists());
    remove_file(&path).unwrap();
    remove_file(&directory.path().join("none/out.img")).unwrap();
}

#[test]
fn own_links_lead_on_until_they_go_round() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    symlink("a/b", at("folder")).unwrap();
    symlink("../../folder/../b/./real.img", at("a/b/out.img")).unwrap();
    fs::write(at("a/b/real.img"), "old").unwrap();
    sample(Machine::I386).write(&at("folder/out.img")).unwrap();
    assert!(Image::open(&at("a/b/real.img")).is_ok());
    assert!(
        fs::symlink_metadata(at("a/b/out.img"))
            .unwrap()
            .is_symlink()
    );
    symlink("round", at("round")).unwrap();
    let error = sample(Machine::I386).write(&at("round/x.img")).unwrap_err();
    assert!(error.to_string().contains("Too many levels"), "{error}");
}

/// What is in the place of a folder by the time that the file gets its name does not matter.
#[test]
fn a_file_stays_in_the_folder_that_it_was_made_in() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("mine")).unwrap();
    fs::create_dir(at("other")).unwrap();
    fs::write(at("other/a"), "other").unwrap();
    let temporary = Temporary::create(&at("mine/a")).unwrap();
    fs::rename(at("mine"), at("moved")).unwrap();
    symlink("other", at("mine")).unwrap();
    temporary.publish().unwrap();
    assert!(at("moved/a").exists());
    assert_eq!(fs::read(at("other/a")).unwrap(), b"other");
}

/// Nothing more is asked of the folders on the way than to be passed.
#[test]
fn folders_on_the_way_need_not_be_readable() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("passed/in")).unwrap();
    mode(&at("passed"), 0o111);
    sample(Machine::I386).write(&at("passed/in/a.img")).unwrap();
    mode(&at("passed"), 0o755);
}
