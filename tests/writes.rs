//! Every call with which a conversion, or a freeze, writes its image, its report and its signatures fails once, and is where
//! the process ends once, by strace. What was there is then whole, or what is new; nothing else is left that
//! the next run does not remove. And the calls are in the order that this rests on: written, flushed, named,
//! and the name flushed.
//!
//! What is counted on, of the file system, is that a rename is atomic, that fsync(2) makes what a file has last, and the
//! fsync of a folder its names. That an order is kept which nobody asked for is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::{dump, image, kconv, program};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

/// The calls that change a file or a name.
const CALLS: [&str; 9] = [
    "openat",
    "pwrite64",
    "write",
    "copy_file_range",
    "ftruncate",
    "fsync",
    "linkat",
    "renameat",
    "unlinkat",
];

const OLD: &[u8] = b"what was there before";

/// What writes an image.
#[derive(Copy, Clone, Debug)]
enum Writer {
    Convert,
    /// Of a dump.
    Freeze,
}

/// A folder with a key, and one to write into.
struct Place {
    folder: tempfile::TempDir,
    writer: Writer,
}

impl Place {
    fn new(writer: Writer) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let place = Place { folder, writer };
        let made = kconv(&[
            "--config".as_ref(),
            place.at("config").as_os_str(),
            "keygen".as_ref(),
        ]);
        assert!(made.status.success(), "{made:?}");
        place.reset();
        place
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The folder to write into has the old image alone.
    fn reset(&self) {
        let _ = std::fs::remove_dir_all(self.at("to"));
        std::fs::create_dir(self.at("to")).unwrap();
        std::fs::write(self.at("to/out.img"), OLD).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.at("to")).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Writes an image, with the calls traced and `inject` done to some of them. What strace said is in `trace`.
    fn write(&self, inject: &[String]) -> Output {
        let mut command = Command::new("env");
        // Whoever runs the tests may ignore signals, and what it starts ignores them too.
        command
            .args(["--default-signal", "strace"])
            .args(["-f", "-y", "-s", "200", "-o"])
            .arg(self.at("trace"))
            .args(["-e", &format!("trace={}", CALLS.join(","))]);
        for one in inject {
            command.args(["-e", &format!("inject={one}")]);
        }
        command
            .arg(program("kconv"))
            .arg("--config")
            .arg(self.at("config"));
        match self.writer {
            Writer::Convert => command.args(["2.4.36", "2.4.37"]).arg(image("up")),
            Writer::Freeze => command.args(["freeze", "--dump"]).arg(dump("up")),
        };
        command
            .args(["--quiet", "-o"])
            .arg(self.at("to/out.img"))
            .arg("--report")
            .arg(self.at("to/report"))
            .env("NO_COLOR", "1");
        command
            .output()
            .unwrap_or_else(|error| panic!("strace: {error}; install the package strace"))
    }

    fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.at("trace")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Whether the new image is there; if not, it is the old one, and either is whole.
    fn is_new(&self, why: &str) -> bool {
        let path = self.at("to/out.img");
        if std::fs::read(&path).unwrap() == OLD {
            return false;
        }
        let open = kconv_image::Image::open(&path).unwrap_or_else(|error| panic!("{why}: {error}"));
        let findings = open.verify(kconv_image::Verify::Everything);
        assert!(findings.is_empty(), "{why}: {findings:?}");
        true
    }

    /// What is there beside images, reports and signatures.
    fn left(&self) -> Vec<String> {
        let mut names = self.names();
        names.retain(|name| name.starts_with('.'));
        names
    }
}

/// The name of a call, and what it was given.
fn call(line: &str) -> Option<(&str, &str)> {
    let line = line
        .split_once(' ')
        .map_or(line, |(_, rest)| rest)
        .trim_start();
    let (name, rest) = line.split_once('(')?;
    CALLS.contains(&name).then_some((name, rest))
}

/// How often each call was made, up to where the conversion is done.
fn counts(trace: &[String]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for (name, _) in trace.iter().filter_map(|line| call(line)) {
        let name = CALLS.iter().find(|known| **known == name).unwrap();
        *counts.entry(*name).or_default() += 1;
    }
    counts
}

/// `3</tmp/x/to/#77>(deleted)` → `/tmp/x/to/#77`
fn file_of(argument: &str) -> Option<&str> {
    argument
        .split_once('<')?
        .1
        .split_once('>')
        .map(|(path, _)| path)
}

#[test]
fn all_is_written_then_flushed_then_named_and_then_the_name_is_flushed() {
    in_order(Writer::Convert);
    in_order(Writer::Freeze);
}

fn in_order(writer: Writer) {
    let place = Place::new(writer);
    let ran = place.write(&[]);
    assert!(ran.status.success(), "{ran:?}");
    let trace = place.trace();
    let calls: Vec<(&str, &str)> = trace.iter().filter_map(|line| call(line)).collect();
    let folder = place.at("to").display().to_string();
    let mut named = Vec::new();
    for (at, (_, arguments)) in calls
        .iter()
        .enumerate()
        .filter(|(_, (name, _))| *name == "renameat")
    {
        let parts: Vec<&str> = arguments.split('"').collect();
        let (temporary, name) = (parts[1], parts[3]);
        named.push(name);
        let linked = (0..at).rev().find(|at| {
            calls[*at].0 == "linkat" && calls[*at].1.contains(&format!("\"{temporary}\""))
        });
        let linked = linked.unwrap_or_else(|| panic!("{name} had no name before: {trace:#?}"));
        let number = calls[linked].1.split('"').nth(1).unwrap();
        let number = number.strip_prefix("/proc/self/fd/").unwrap();
        let begins = format!("{number}<{folder}/#");
        // What the number stood for last.
        let own = (0..linked)
            .rev()
            .find(|at| calls[*at].1.starts_with(&begins))
            .unwrap();
        let file = file_of(calls[own].1).unwrap();
        let of_file = |at: &usize| calls[*at].1.contains(&format!("<{file}>"));
        let writes = ["pwrite64", "write", "ftruncate", "copy_file_range"];
        let written = (0..calls.len())
            .filter(of_file)
            .rfind(|at| writes.contains(&calls[*at].0))
            .unwrap_or_else(|| panic!("{name}: nothing was written: {trace:#?}"));
        let flushed = (written..linked)
            .filter(of_file)
            .find(|at| calls[*at].0 == "fsync");
        assert!(
            flushed.is_some(),
            "{name} is not flushed before it is named: {trace:#?}"
        );
        let after = calls[at + 1..].iter().find(|(name, _)| *name == "fsync");
        let after = after.and_then(|(_, arguments)| file_of(arguments));
        assert_eq!(
            after,
            Some(folder.as_str()),
            "{name}: the folder is not flushed"
        );
    }
    named.sort_unstable();
    assert!(named.starts_with(&["out.img"]), "{named:?}");
    assert!(
        named.contains(&"out.img.sig") && named.contains(&"report"),
        "{named:?}"
    );
    assert!(place.is_new("nothing failed"));
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn every_call_of_a_conversion_fails_once() {
    each_fails(Writer::Convert);
}

#[test]
fn every_call_of_a_freeze_fails_once() {
    each_fails(Writer::Freeze);
}

fn each_fails(writer: Writer) {
    let place = Place::new(writer);
    place.write(&[]);
    let counts = counts(&place.trace());
    let mut outcomes = [0; 2];
    let mut not_durable = 0;
    for (name, count) in counts {
        if ["openat", "unlinkat"].contains(&name) {
            continue;
        }
        for (number, error) in
            (1..=count).flat_map(|number| ["EIO", "ENOSPC"].map(|error| (number, error)))
        {
            let why = format!("{name}:error={error}:when={number}");
            place.reset();
            let ran = place.write(std::slice::from_ref(&why));
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            let is_new = place.is_new(&why);
            outcomes[usize::from(is_new)] += 1;
            not_durable += usize::from(said.contains("may not be there after a crash"));
            assert_eq!(place.left(), [""; 0], "{why}: {said}");
            assert!(!ran.status.success(), "{why}: nobody said that it failed");
            assert!(said.contains("error: "), "{why}: {said}");
            // What is said of the image is what is so.
            let kept = said.contains("cannot write the image") && !said.contains("out.img.sig");
            if kept && said.contains("to/out.img: ") {
                assert!(!is_new, "{why}: {said}");
            }
            if said.contains("to/out.img: the new file is in its place") {
                assert!(is_new, "{why}: {said}");
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 5), "{outcomes:?}");
    assert!(not_durable > 1, "no folder failed to be flushed");
}

#[test]
fn every_call_of_a_conversion_is_the_last_once() {
    each_is_last(Writer::Convert);
}

#[test]
fn every_call_of_a_freeze_is_the_last_once() {
    each_is_last(Writer::Freeze);
}

fn each_is_last(writer: Writer) {
    let place = Place::new(writer);
    place.write(&[]);
    let counts = counts(&place.trace());
    let mut outcomes = [0; 2];
    let mut leftovers = 0;
    for (name, count) in counts {
        if ["openat", "unlinkat"].contains(&name) {
            continue;
        }
        for number in 1..=count {
            for signal in ["TERM", "INT", "HUP", "XFSZ", "KILL"] {
                let why = format!("{name}:signal=SIG{signal}:when={number}");
                place.reset();
                let ran = place.write(std::slice::from_ref(&why));
                assert!(!ran.status.success(), "{why}");
                outcomes[usize::from(place.is_new(&why))] += 1;
                let left = place.left();
                // A name is there between these two alone.
                let between = ["linkat", "renameat"].contains(&name);
                assert!(left.is_empty() || between, "{why}: {left:?}");
                leftovers += left.len();
                if !left.is_empty() {
                    let ran = place.write(&[]);
                    assert!(ran.status.success(), "{why}: {ran:?}");
                    assert_eq!(place.left(), [""; 0], "{why}: not removed");
                }
            }
        }
    }
    assert!(outcomes.iter().all(|count| *count > 20), "{outcomes:?}");
    assert!(leftovers > 0, "nothing was ever left between two names");
}

/// Where files have a name from their beginning, as on file systems that know no others, the next conversion removes
/// what one that was killed has left.
#[test]
fn a_file_that_had_a_name_is_left_and_then_removed() {
    let place = Place::new(Writer::Convert);
    place.write(&[]);
    let trace = place.trace();
    let opened = trace
        .iter()
        .filter_map(|line| call(line))
        .filter(|(name, _)| *name == "openat");
    let unnamed: Vec<usize> = (1..)
        .zip(opened)
        .filter(|(_, (_, arguments))| arguments.contains("O_TMPFILE"))
        .map(|(number, _)| number)
        .collect();
    // The report and the image are begun before anything is written.
    assert!(unnamed.len() > 2, "{trace:#?}");
    place.reset();
    // The second is the image, after the one more open that a name takes.
    let refused = |number: usize| format!("openat:error=EOPNOTSUPP:when={number}");
    let inject = [
        refused(unnamed[1]),
        String::from("pwrite64:signal=SIGKILL:when=1"),
    ];
    let ran = place.write(&inject);
    assert!(!ran.status.success());
    assert!(!place.is_new("killed"));
    let left = place.left();
    assert!(
        left.len() == 1 && left[0].starts_with(".out.img.kconv-"),
        "{left:?}: {:#?}",
        place.trace()
    );
    let ran = place.write(&[]);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(place.left(), [""; 0]);
    // And all goes as well there.
    place.reset();
    let ran = place.write(&inject[..1]);
    assert!(ran.status.success(), "{ran:?}");
    assert!(place.is_new("named"));
    assert_eq!(place.left(), [""; 0]);
}

#[test]
fn a_report_and_an_image_are_not_led_to_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for folder in ["sticky", "config"] {
        std::fs::create_dir(at(folder)).unwrap();
    }
    set_mode(&at("sticky"), 0o1777);
    for name in ["out.img", "report"] {
        std::fs::write(at(name), OLD).unwrap();
        std::os::unix::fs::symlink(at(name), at("sticky").join(name)).unwrap();
    }
    let run = |out: &Path, report: &Path| {
        let ran = kconv(&[
            "--config".as_ref(),
            at("config").as_os_str(),
            "2.4.36".as_ref(),
            "2.4.37".as_ref(),
            image("up").as_os_str(),
            "-o".as_ref(),
            out.as_os_str(),
            "--report".as_ref(),
            report.as_os_str(),
        ]);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains("is not followed: all may write to"), "{said}");
        for name in ["out.img", "report"] {
            assert_eq!(std::fs::read(at(name)).unwrap(), OLD, "{said}");
        }
    };
    run(&at("sticky/out.img"), &at("fresh"));
    run(&at("fresh.img"), &at("sticky/report"));
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
