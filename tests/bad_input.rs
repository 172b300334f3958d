//! Bad input of every kind: a clear error with its place and remedy, an exit code that is not
//! zero, and nothing written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::{altered, image, kconv, objects, of_type};
use kernel_structs::releases::Registry;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What a failed run said, with the names of the test's folder taken out, and its exit code.
struct Failed {
    code: i32,
    said: String,
}

/// Converts `from` in a folder of its own, which has to fail and leave nothing behind.
fn refuse(from: &str, to: &str, make: impl FnOnce(&Path) -> PathBuf) -> Failed {
    let folder = tempfile::tempdir().unwrap();
    let input = make(folder.path());
    let before = names(folder.path());
    let out = folder.path().join("out.img");
    let failed = run(
        folder.path(),
        &[
            from.as_ref(),
            to.as_ref(),
            input.as_ref(),
            "-o".as_ref(),
            out.as_ref(),
        ],
    );
    assert_eq!(before, names(folder.path()), "something was left behind");
    failed
}

fn run(folder: &Path, arguments: &[&OsStr]) -> Failed {
    let ran = kconv(arguments);
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(!ran.status.success(), "{said}");
    Failed {
        code: ran.status.code().expect("kconv ended by itself"),
        said: said
            .replace(&folder.display().to_string(), "FOLDER")
            .replace(&kconv_tests::root().display().to_string(), "ROOT"),
    }
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
}

fn written(bytes: &[u8]) -> impl FnOnce(&Path) -> PathBuf + '_ {
    move |folder| {
        let path = folder.join("in.img");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn bytes() -> Vec<u8> {
    std::fs::read(image("up")).unwrap()
}

#[test]
fn a_file_that_is_not_there() {
    let failed = refuse("2.4.36", "2.4.37", |folder| folder.join("missing.img"));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

/// Names in the wrong order are told from releases that nobody knows.
#[test]
fn a_file_in_the_place_of_a_release() {
    let failed = refuse("2.4.36", "missing.img", |_| image("up"));
    assert_eq!(failed.code, 2);
    assert!(
        failed
            .said
            .starts_with("error: missing.img: there is no such file\n"),
        "{}",
        failed.said
    );
    let failed = refuse("2.4.36", image("up").to_str().unwrap(), |_| image("up"));
    assert_eq!(failed.code, 2);
    assert!(
        failed
            .said
            .contains(": a file, where a release has to be named\n"),
        "{}",
        failed.said
    );
}

fn said(arguments: &[&str]) -> String {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    let failed = run(Path::new("/nonexistent"), &arguments);
    assert_eq!(failed.code, 2, "{}", failed.said);
    failed.said
}

#[test]
fn a_command_that_is_mistyped() {
    for (word, meant) in [("frezze", "freeze"), ("verfy", "verify"), ("lits", "list")] {
        let expected = format!(
            "error: there is no command `{word}`\n  = did you mean `kconv {meant}`? `kconv --help` shows all\n"
        );
        assert_eq!(said(&[word]), expected);
        assert_eq!(said(&[word, "12"]), expected);
        assert_eq!(said(&[word, "12", "--tree"]), expected);
    }
    insta::assert_snapshot!(said(&["restore", "tasks.img"]), @r"
    error: there is no command `restore`
      = `kconv --help` shows all commands
    ");
    // What can be a release is one.
    assert!(said(&["2.4.36"]).contains("were not provided"));
}

#[test]
fn a_series_of_releases() {
    let up = image("up");
    let up = up.to_str().unwrap();
    insta::assert_snapshot!(said(&["2.4", "2.4", up]), @r"
    error: `2.4` can be any of 88 releases; the newest are 2.4.37.11-up, 2.4.37.11-smp, 2.4.37.10-up
      = name one of them; `kconv list 2.4` shows all
    ");
    let series = said(&["path", "2.4.36", "6.1"]);
    assert!(
        series.starts_with("error: `6.1` can be any of "),
        "{series}"
    );
    // The one that nobody knows is to blame, and not the one that is of several flavours.
    let unknown = "error: there is no release `6.13`\n  = `kconv list` shows all releases\n";
    assert_eq!(said(&["path", "6.1.192", "6.13"]), unknown);
    assert_eq!(said(&["path", "6.13", "6.1.192"]), unknown);
    assert_eq!(said(&["list", "6.13"]), unknown);
    // Neither is it the machine that somebody mistook.
    insta::assert_snapshot!(said(&["6.1", "6.12", up]), @r"
    error: ROOT/tests/images/2.4.36-i386-up.img: the image is of 2.4.36-up, not of 6.1
      = run `kconv 2.4.36-up TO IMAGE`
    ");
    // There is a 2.4.36, which is not 2.4.36.8.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.img");
    kconv_tests::convert("2.4.36", "2.4.36.8", &image("up"), &other);
    let refused = said(&["2.4.36", "2.4.37", other.to_str().unwrap()]);
    assert!(
        refused.contains("the image is of 2.4.36.8-up, not of 2.4.36-up"),
        "{refused}"
    );
}

#[test]
fn a_folder() {
    let failed = refuse("2.4.36", "2.4.37", Path::to_owned);
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_empty_file() {
    let failed = refuse("2.4.36", "2.4.37", written(b""));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn a_text() {
    let failed = refuse("2.4.36", "2.4.37", written(b"task_struct 0xc0100000\n"));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn another_elf_file() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let failed = refuse("2.4.36", "2.4.37", written(&program[..4096]));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_image_cut_off_anywhere() {
    let whole = bytes();
    for length in (1..whole.len()).step_by(whole.len() / 40) {
        let failed = refuse("2.4.36", "2.4.37", written(&whole[..length]));
        let cut = tempfile::tempdir().unwrap();
        let path = written(&whole[..length])(cut.path());
        let verified = kconv(&["verify".as_ref(), path.as_os_str()]).status.code();
        assert_eq!(Some(failed.code), verified, "{length}: {}", failed.said);
        assert!(failed.code > 0, "{length}: {}", failed.said);
        assert!(
            failed.said.starts_with("error: FOLDER/in.img: "),
            "{length}: {}",
            failed.said
        );
        assert!(
            failed.said.contains("\n  = "),
            "{length}: no advice: {}",
            failed.said
        );
    }
}

#[test]
fn an_image_with_a_tail() {
    let mut longer = bytes();
    longer.extend_from_slice(b"tail");
    let failed = refuse("2.4.36", "2.4.37", written(&longer));
    assert_eq!(failed.code, 1);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_image_with_a_byte_changed_in_an_object() {
    let mut changed = bytes();
    let object = changed.len() / 4;
    changed[object] ^= 1;
    let failed = refuse("2.4.36", "2.4.37", written(&changed));
    assert_eq!(failed.code, 1, "{}", failed.said);
    assert!(
        failed.said.contains("BLAKE3") || failed.said.contains("digest"),
        "{}",
        failed.said
    );
}

/// Of user pages, too, nothing is handed on that is not what was frozen.
#[test]
fn an_image_with_a_byte_changed_in_a_page() {
    let (start, length) = kconv_image::Image::open(&image("up")).unwrap().page_area();
    for at in (start.0..start.0 + length).step_by(length as usize / 12) {
        let mut changed = bytes();
        changed[at as usize] ^= 0x80;
        let failed = refuse("2.4.36", "2.4.37", written(&changed));
        assert_eq!(failed.code, 1, "{}", failed.said);
        let part = "FOLDER/in.img: the user pages are damaged: BLAKE3 ";
        assert!(failed.said.contains(part), "{}", failed.said);
        let folder = tempfile::tempdir().unwrap();
        let path = written(&changed)(folder.path());
        let arguments = ["preflight".as_ref(), path.as_ref(), "2.4.37".as_ref()];
        let failed = run(folder.path(), &arguments);
        assert_eq!(failed.code, 1, "{}", failed.said);
        assert!(failed.said.contains(part), "{}", failed.said);
    }
}

#[test]
fn a_release_nobody_knows() {
    let failed = refuse("2.4.36", "2.4.38", |_| image("up"));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_image_of_another_release() {
    let failed = refuse("2.4.35", "2.4.37", |_| image("up"));
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_image_whose_layout_is_not_the_one_of_its_release() {
    let failed = refuse("2.4.36", "2.4.37", |folder| {
        let path = folder.join("in.img");
        altered(&image("up"), &path, |head, _| {
            head.identity.kernel.fingerprint.0[0] ^= 1
        });
        path
    });
    assert_eq!(failed.code, 2, "{}", failed.said);
    assert!(failed.said.contains("layout"), "{}", failed.said);
}

/// Fingerprints of kernels of which constants are known once covered the types alone.
#[test]
fn an_image_whose_fingerprint_does_not_say_what_bits_mean() {
    let registry = Registry::builtin().unwrap();
    let release = registry.release("6.1.0-47-amd64", None, None).unwrap();
    let types = registry.layout_entry(&release.layout).unwrap().types;
    let failed = refuse("6.1.170", "6.12.117", |folder| {
        let path = folder.join("in.img");
        altered(&image("up"), &path, |head, _| {
            head.identity.kernel.release = release.name.clone();
            head.identity.kernel.layout = release.layout.0.clone();
            head.identity.kernel.fingerprint.0 = types.0;
        });
        path
    });
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn an_image_of_a_release_that_is_not_registered() {
    let failed = refuse("2.4.36", "2.4.37", |folder| {
        let path = folder.join("in.img");
        altered(&image("up"), &path, |head, _| {
            head.identity.kernel.release = String::from("2.4.36-mine");
            head.identity.kernel.fingerprint.0[0] ^= 1;
        });
        path
    });
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

/// A kernel that somebody built under a name of their own is known by its layout.
#[test]
fn an_image_of_another_name_is_known_by_its_layout() {
    let folder = tempfile::tempdir().unwrap();
    let [own, mine] = ["own.img", "mine.img"].map(|name| folder.path().join(name));
    altered(&image("up"), &own, |_, _| {});
    altered(&image("up"), &mine, |head, _| {
        head.identity.kernel.release = String::from("2.4.36-mine");
        head.identity.origin = head.identity.kernel.clone();
    });
    let run = |arguments: &[&OsStr]| {
        let ran = kconv(arguments);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let converted = |from: &str, image: &Path| {
        let to = image.with_extension("new");
        let (from, option) = (OsStr::new(from), OsStr::new("-o"));
        run(&[from, "2.4.37".as_ref(), image.as_ref(), option, to.as_ref()]);
        objects(&kconv_image::Image::open(&to).unwrap())
    };
    assert_eq!(converted("2.4.36-mine", &mine), converted("2.4.36", &own));
    assert!(run(&["inspect".as_ref(), mine.as_ref()]).contains("2.4.36-mine"));
    run(&["verify".as_ref(), mine.as_ref()]);
    run(&["preflight".as_ref(), mine.as_ref(), "2.4.37".as_ref()]);
}

#[test]
fn a_pointer_to_an_object_that_is_not_saved() {
    let failed = refuse("2.4.36", "2.4.37", |folder| {
        let path = folder.join("in.img");
        altered(&image("up"), &path, |head, bytes| {
            let ids: Vec<_> = of_type(head, "task_struct").collect();
            // task_struct.files of init and of alpha.
            for id in [ids[1], ids[7]] {
                bytes[id.0 as usize][1364..1368].copy_from_slice(&[0xf0, 0xee, 0xdd, 0xcc]);
            }
        });
        path
    });
    assert_eq!(failed.code, 1, "{}", failed.said);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn a_destination_in_a_folder_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("no/such/out.img");
    let image = image("up");
    let arguments = [
        "2.4.36".as_ref(),
        "2.4.37".as_ref(),
        image.as_ref(),
        "-o".as_ref(),
        out.as_ref(),
    ];
    let failed = run(folder.path(), &arguments);
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn a_destination_that_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let image = image("up");
    let arguments = [
        "2.4.36".as_ref(),
        "2.4.37".as_ref(),
        image.as_ref(),
        "-o".as_ref(),
        folder.path().as_ref(),
    ];
    let failed = run(folder.path(), &arguments);
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
}

#[test]
fn a_destination_that_is_the_image() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("in.img");
    std::fs::copy(image("up"), &copy).unwrap();
    let arguments = [
        "2.4.36".as_ref(),
        "2.4.37".as_ref(),
        copy.as_ref(),
        "-o".as_ref(),
        copy.as_ref(),
    ];
    let failed = run(folder.path(), &arguments);
    assert_eq!(failed.code, 2);
    insta::assert_snapshot!(failed.said);
    assert!(bytes() == std::fs::read(&copy).unwrap());
}

#[test]
fn a_disk_that_is_full() {
    // A file size limit does what a full disk does, at the same calls.
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    let program = kconv_tests::program("kconv");
    let ran = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 200; trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(program)
        .args([
            "2.4.36".as_ref(),
            "2.4.37".as_ref(),
            image("up").as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
        ])
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(
        said.contains("out.img") && said.contains("\n  = "),
        "{said}"
    );
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_conversion_killed_at_any_time_leaves_the_old_file_or_the_new_one() {
    let program = kconv_tests::program("kconv");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    let old = b"what was there before";
    let mut outcomes = [0; 2];
    for delay in (0..40).map(|step| std::time::Duration::from_micros(400 * step)) {
        std::fs::write(&out, old).unwrap();
        let mut child = std::process::Command::new(&program)
            .args([
                "2.4.36".as_ref(),
                "2.4.37".as_ref(),
                image("up").as_os_str(),
                "-o".as_ref(),
                out.as_os_str(),
            ])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        child.wait().unwrap();
        let found = std::fs::read(&out).unwrap();
        let whole = found != old;
        outcomes[usize::from(whole)] += 1;
        if whole {
            let verified = kconv(&["verify".as_ref(), out.as_os_str()]);
            assert!(verified.status.success());
        }
    }
    assert!(outcomes[0] > 0, "no conversion was killed before its end");
}

#[test]
fn wrong_usage() {
    for (arguments, part) in [
        (&["2.4.36", "2.4.37"][..], "<IMAGE>"),
        (&["inspect"], "<IMAGE>"),
        (&["--no-such-option"], "--no-such-option"),
        (&["inspect", "x.img", "--object", "seven"], "0xc10a6000"),
    ] {
        let failed = run(
            Path::new("/nonexistent"),
            &arguments.iter().map(OsStr::new).collect::<Vec<_>>(),
        );
        assert_eq!(failed.code, 2, "{}", failed.said);
        assert!(failed.said.contains(part), "{}", failed.said);
    }
}

/// An upgrade whose record is damaged stands in the way of the next one, until somebody throws it away.
#[test]
fn an_upgrade_whose_record_is_damaged_can_be_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let queue = folder.path().join("queue");
    let upgrade = queue.join("7");
    std::fs::create_dir_all(&upgrade).unwrap();
    std::fs::write(upgrade.join("upgrade.json"), "half a rec").unwrap();
    std::fs::write(upgrade.join("next.img"), "an image").unwrap();
    let with = |command: &[&str]| {
        let mut arguments: Vec<&OsStr> = command.iter().map(OsStr::new).collect();
        arguments.extend([OsStr::new("--queue"), queue.as_os_str()]);
        kconv(&arguments)
    };
    let status = with(&["status"]);
    let said = String::from_utf8(status.stderr).unwrap();
    assert!(!status.status.success(), "{said}");
    for part in [
        "7/upgrade.json: not the record of an upgrade",
        "`kconv forget`",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // With a name that there is none of, nothing goes.
    assert!(!with(&["forget", "7", "8"]).status.success());
    assert!(upgrade.join("next.img").exists());
    let forgotten = with(&["forget", "7"]);
    let said = String::from_utf8(forgotten.stderr).unwrap();
    assert!(forgotten.status.success(), "{said}");
    assert!(said.contains("upgrade 7 is gone"), "{said}");
    assert!(!upgrade.exists());
    assert!(with(&["status"]).status.success());
}
