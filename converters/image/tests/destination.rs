//! Where an image goes: whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use common::{Sample, sample};
use insta::assert_snapshot;
use kconv_image::{Image, ImageWriter, Machine, PageSource, WriteError};

fn text(error: &WriteError, directory: &Path) -> String {
    let text = format!("{error}\n{}", error.advice());
    text.replace(directory.to_str().unwrap(), "DIR")
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn start(path: &Path, sample: &Sample) -> ImageWriter {
    let head = &sample.head;
    ImageWriter::create(path, Machine::I386, &head.objects, head.page_index()).unwrap()
}

#[test]
fn only_the_owner_may_read_an_image() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.img");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    sample(Machine::I386).write(&path).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(names(directory.path()), ["a.img"]);
}

#[test]
fn a_name_without_a_directory_is_in_the_current_one() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "writes_a_bare_name", "--ignored"])
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(directory.path()), ["bare.img"]);
}

#[test]
#[ignore = "run by another test, in a directory of its own"]
fn writes_a_bare_name() {
    sample(Machine::I386).write(Path::new("bare.img")).unwrap();
}

#[test]
fn a_symbolic_link_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (link, file) = (directory.path().join("link"), directory.path().join("file"));
    fs::write(&file, "old").unwrap();
    symlink("file", &link).unwrap();
    sample(Machine::I386).write(&link).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(Image::open(&file).is_ok());
}

#[test]
fn an_image_dropped_unfinished_leaves_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.img");
    fs::write(&path, "old").unwrap();
    let sample = sample(Machine::I386);
    let mut writer = start(&path, &sample);
    writer.object(&sample.objects[0]).unwrap();
    drop(writer);
    assert_eq!(names(directory.path()), ["a.img"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
}

#[test]
fn a_sealed_image_can_be_read_before_it_is_published() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.img");
    fs::write(&path, "old").unwrap();
    let sample = sample(Machine::I386);
    let seal = || {
        let mut writer = start(&path, &sample);
        for bytes in &sample.objects {
            writer.object(bytes).unwrap();
        }
        let pages = &mut |_, _: &mut [u8]| Ok(());
        writer
            .seal(&sample.head, PageSource::Stream(pages))
            .unwrap()
    };
    let sealed = seal();
    let image = sealed.open().unwrap();
    assert_eq!(image.head(), &sample.head);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    drop(sealed);
    assert_eq!(names(directory.path()), ["a.img"]);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    seal().publish().unwrap();
    assert_eq!(names(directory.path()), ["a.img"]);
    assert_eq!(Image::open(&path).unwrap().digest(), image.digest());
}

#[test]
fn the_output_may_take_the_place_of_the_input() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.img");
    let sample = sample(Machine::I386);
    sample.write(&path).unwrap();
    let before = fs::read(&path).unwrap();
    let image = Image::open(&path).unwrap();
    let mut writer = start(&path, &sample);
    for bytes in &sample.objects {
        writer.object(bytes).unwrap();
    }
    let pages = PageSource::Copy { from: &image };
    writer.finish(&sample.head, pages).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn an_input_that_is_cut_meanwhile_is_not_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.img");
    let sample = sample(Machine::I386);
    sample.write(&path).unwrap();
    let image = Image::open(&path).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(0x5000).unwrap();
    let mut writer = start(&directory.path().join("out.img"), &sample);
    for bytes in &sample.objects {
        writer.object(bytes).unwrap();
    }
    let error = writer
        .finish(&sample.head, PageSource::Copy { from: &image })
        .unwrap_err();
    assert_eq!(names(directory.path()), ["in.img"]);
    assert_snapshot!(text(&error, directory.path()), @"
    cannot copy user pages: DIR/in.img: cannot read 4096 bytes at 0x5000: failed to fill whole buffer
    check the disk and the file system that hold the image
    ");
}

/// Whoever copies an image finds a page that was damaged; its digest is not handed on unseen.
#[test]
fn a_page_that_is_damaged_is_not_copied() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in.img");
    let sample = sample(Machine::I386);
    sample.write(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let (first, length) = Image::open(&path).unwrap().page_area();
    for at in (first.0..first.0 + length).step_by(4093) {
        let mut damaged = whole.clone();
        damaged[at as usize] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        for image in [
            Image::open(&path).unwrap(),
            Image::from_bytes(damaged).unwrap(),
        ] {
            let mut writer = start(&directory.path().join("out.img"), &sample);
            for bytes in &sample.objects {
                writer.object(bytes).unwrap();
            }
            let error = writer
                .finish(&sample.head, PageSource::Copy { from: &image })
                .unwrap_err();
            assert!(
                error.to_string().contains("the user pages are damaged"),
                "{at:#x}: {error}"
            );
            assert_eq!(names(directory.path()), ["in.img"]);
        }
    }
}

/// What is said of a destination in a directory prepared by `prepare`.
fn refused(prepare: impl FnOnce(&Path) -> std::path::PathBuf) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = prepare(directory.path());
    let before = names(directory.path());
    let error = sample(Machine::I386).write(&path).unwrap_err();
    assert_eq!(names(directory.path()), before);
    text(&error, directory.path())
}

#[test]
fn a_directory_is_not_replaced() {
    assert_snapshot!(refused(|directory| {
        fs::create_dir(directory.join("a.img")).unwrap();
        directory.join("a.img")
    }), @"
    DIR/a.img: not a regular file, so it is not replaced
    choose the path of a file for the output
    ");
}

#[test]
fn the_root_is_not_replaced() {
    assert_snapshot!(refused(|_| "/".into()), @"
    /: not a regular file, so it is not replaced
    choose the path of a file for the output
    ");
}

#[test]
fn a_device_is_not_replaced() {
    assert_snapshot!(refused(|_| "/dev/null".into()), @"
    /dev/null: not a regular file, so it is not replaced
    choose the path of a file for the output
    ");
}

#[test]
fn a_dangling_link_is_not_followed() {
    assert_snapshot!(refused(|directory| {
        symlink("nowhere", directory.join("a.img")).unwrap();
        directory.join("a.img")
    }), @"
    DIR/a.img: not a regular file, so it is not replaced
    choose the path of a file for the output
    ");
}

#[test]
fn a_directory_that_is_not_there() {
    assert_snapshot!(refused(|directory| directory.join("none/a.img")), @"
    DIR/none: cannot write into this directory: No such file or directory (os error 2)
    create the directory first, or check its name
    ");
}

#[test]
fn a_file_in_the_place_of_the_directory() {
    assert_snapshot!(refused(|directory| {
        fs::write(directory.join("file"), "").unwrap();
        directory.join("file/a.img")
    }), @"
    DIR/file/a.img: cannot write the image: Not a directory (os error 20)
    create the directory first, or check its name
    ");
}

/// A directory in which nobody, root included, can create a file.
#[test]
fn a_directory_that_takes_no_files() {
    assert_snapshot!(refused(|_| "/proc/a.img".into()), @"
    /proc: cannot write into this directory: No such file or directory (os error 2)
    create the directory first, or check its name
    ");
}

/// Where the write fails, a process is to say it, not to die; so it runs apart, with a limit on
/// the size of files and the signal that goes with it ignored.
#[test]
fn a_file_that_may_not_grow() {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 16 && exec "$@""#, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "writes_and_says_what_happens",
            "--ignored",
            "--nocapture",
        ])
        .env("KCONV_TEST_DIRECTORY", directory.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_snapshot!(said(&stdout), @"
    DIR/a.img: cannot write the image: File too large (os error 27)
    raise the file size limit (ulimit -f), or choose a file system for larger files
    ");
    assert!(names(directory.path()).is_empty());
}

/// A full file system, where this machine lets us make one.
#[test]
fn a_file_system_that_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=16k none "$KCONV_TEST_DIRECTORY" || exit 77
        "$@" && ls -A "$KCONV_TEST_DIRECTORY""#;
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "writes_and_says_what_happens",
            "--ignored",
            "--nocapture",
        ])
        .env("KCONV_TEST_DIRECTORY", directory.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.starts_with("unshare: ") {
        // The same path in the writer is taken by `a_file_that_may_not_grow`.
        println!("no file system may be mounted here: {stderr}");
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_snapshot!(said(&stdout), @"
    DIR/a.img: cannot write the image: No space left on device (os error 28)
    free some space there, or choose another file system for the output
    ");
    assert!(!stdout.contains(".kconv-"), "{stdout}");
}

/// What the process before said.
fn said(stdout: &str) -> String {
    let said = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("says: "));
    said.collect::<Vec<_>>().join("\n")
}

#[test]
#[ignore = "run by other tests, in places of their making"]
fn writes_and_says_what_happens() {
    let directory = std::env::var_os("KCONV_TEST_DIRECTORY").unwrap();
    let path = Path::new(&directory).join("a.img");
    let error = sample(Machine::I386).write(&path).unwrap_err();
    println!();
    for line in text(&error, Path::new(&directory)).lines() {
        println!("says: {line}");
    }
}

/// What is said of an image at a path.
fn unopened(path: &Path) -> String {
    let error = Image::open(path).err().unwrap();
    format!("{error}\n{}", error.advice())
}

#[test]
fn a_directory_is_no_image() {
    assert_snapshot!(unopened(Path::new("/")), @"
    /: not a regular file
    give the path of an image file; an image cannot come from a pipe
    ");
}

#[test]
fn a_device_is_no_image() {
    assert_snapshot!(unopened(Path::new("/dev/zero")), @"
    /dev/zero: not a regular file
    give the path of an image file; an image cannot come from a pipe
    ");
}

#[test]
fn an_image_that_is_not_there() {
    assert_snapshot!(unopened(Path::new("/nowhere/a.img")), @"
    /nowhere/a.img: cannot open the image: No such file or directory (os error 2)
    check the name of the image
    ");
}

/// An open that waits for a writer would wait forever.
#[test]
fn a_fifo_is_no_image() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = Image::open(&path).err().unwrap();
    assert!(error.to_string().ends_with("not a regular file"));
}
