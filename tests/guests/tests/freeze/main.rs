//! Tasks of guests are frozen while they compute: they run on to the right result, the images are
//! good, and what cannot be frozen is refused by name. A boot serves several checks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check;
mod failures;
mod memory;
mod programs;
mod refusals;
mod robust;
mod vmcore;

use kconv_guests::{Guest, Initramfs, Kernel, LIMIT, Machine, Output, static_kconv};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What is asked of a kernel that has booted; the disk of the guest is in the folder.
type Check = fn(&mut Guest, &Path);

/// Tasks that are frozen go on, and are good images.
const FROZEN: &[Check] = &[|guest, _| programs::run_on(guest)];

/// They are seen from outside as they are, and go on whatever befalls the freeze.
const SEEN: &[Check] = &[|guest, _| failures::of_a_busy_task(guest), vmcore::as_alive];

/// What cannot be frozen is refused, and what can be is what it was.
const KEPT: &[Check] = &[
    |guest, _| refusals::by_name(guest),
    |guest, _| memory::of_all_kinds(guest),
    |guest, _| robust::seen_by_nobody(guest),
    |guest, _| check::of_what_can_be(guest),
];

#[test]
fn tasks_of_6_12() {
    checks(&Kernel::newest("6.12").unwrap(), FROZEN);
}

#[test]
fn tasks_of_6_12_from_outside() {
    checks(&Kernel::newest("6.12").unwrap(), SEEN);
}

#[test]
fn what_tasks_of_6_12_have() {
    checks(&Kernel::newest("6.12").unwrap(), KEPT);
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored of_6_1"]
fn tasks_of_6_1() {
    all_checks(&Kernel::oldest("6.1").unwrap());
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_7"]
fn tasks_of_linux_7() {
    if let Some(newest) = Kernel::linux_7().unwrap() {
        all_checks(&newest);
    }
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_5_10"]
fn tasks_of_linux_5_10() {
    if let Some(newest) = Kernel::linux_5_10().unwrap() {
        all_checks(&newest);
    }
}

fn all_checks(kernel: &Kernel) {
    checks(kernel, &[FROZEN, SEEN, KEPT].concat());
}

fn checks(kernel: &Kernel, checks: &[Check]) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    file_system(&disk);
    let machine = Machine {
        disks: vec![disk],
        ..Machine::default()
    };
    let mut guest = machine.boot(kernel, initramfs()).unwrap();
    guest
        .run("mkdir /disk; mount -t ext4 /dev/vda /disk")
        .unwrap();
    for check in checks {
        check(&mut guest, folder.path());
    }
    guest.power_off().unwrap();
}

/// An empty ext4 file system in a file.
fn file_system(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(96 << 20).unwrap();
    let mut mke2fs = Command::new("/sbin/mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4"]).arg(path);
    assert!(mke2fs.status().unwrap().success());
}

/// The program, which runs in the guests and here.
fn kconv() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| static_kconv().unwrap())
}

/// What the guests run from.
fn initramfs() -> &'static Initramfs {
    static MADE: OnceLock<Initramfs> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut initramfs = Initramfs::new().unwrap();
        initramfs.python().unwrap();
        initramfs.program(Path::new("/usr/bin/xz")).unwrap();
        initramfs.add("/bin/kconv", kconv(), 0o755).unwrap();
        initramfs
    })
}

/// `kconv freeze`, ahead of the programs that compute meanwhile.
fn command(chosen: &str, image: &str) -> String {
    format!("renice -n -19 -p $$; exec kconv freeze {chosen} -o {image}")
}

/// Freezes what `chosen` says into `image`, which has to succeed, and gives the pause in milliseconds.
fn freeze(guest: &mut Guest, chosen: &str, image: &str) -> f64 {
    let said = guest.attempt(&command(chosen, image), LIMIT);
    let said = said.unwrap();
    assert_eq!((said.code, said.stderr.as_str()), (0, ""), "{said:?}");
    let pause = said.stdout.lines().find_map(|line| {
        let rest = line.strip_prefix("pause")?;
        rest.trim().strip_suffix(" ms")?.parse().ok()
    });
    pause.unwrap_or_else(|| panic!("{}", said.stdout))
}

/// What `kconv` says of an image that it verified.
fn verified(guest: &mut Guest, image: &str) -> Value {
    guest.run(&format!("kconv verify {image}")).unwrap();
    let said = guest.run(&format!("kconv inspect --json {image}")).unwrap();
    serde_json::from_str(&said).unwrap()
}

/// The names of an image's tasks by their numbers.
fn pids_and_names(image: &Value) -> BTreeMap<u64, String> {
    let tasks = image["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| {
            let name = task["comm"].as_str().unwrap().to_owned();
            (task["pid"].as_u64().unwrap(), name)
        })
        .collect()
}

/// Waits until the tasks of processes, as a shell has their numbers, have these names: what was
/// just started is still a shell, or without its threads and children.
fn wait_for_tasks(guest: &mut Guest, processes: &str, names: &[&str]) {
    let mut names = names.to_vec();
    names.sort_unstable();
    let command = format!(
        "until test \"$(for process in {processes}; do cat /proc/$process/task/*/comm; done \
         2>/dev/null | sort | tr '\\n' ' ')\" = '{} '; do usleep 20000; done",
        names.join(" ")
    );
    let output = guest.attempt(&command, LIMIT).unwrap();
    assert_eq!(output.code, 0, "{output:?}");
}

/// A freeze that has to fail, without an image.
fn refused(guest: &mut Guest, chosen: &str, image: &str) -> Output {
    let output = guest.attempt(&command(chosen, image), LIMIT);
    let output = output.unwrap();
    assert_ne!(output.code, 0, "{output:?}");
    guest.run(&format!("! test -e {image}")).unwrap();
    output
}
