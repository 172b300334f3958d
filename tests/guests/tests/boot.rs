//! Guests come up, answer, go over into another kernel, and can be dumped; and the programs that are
//! to be frozen in them run there, when nobody interrupts them, to the output that they must have
//! when somebody does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "boot/debugger.rs"]
mod debugger;
#[path = "boot/frozen.rs"]
mod frozen;

use debugger::debugger;
use frozen::{PARTS, frozen};
use kconv_archive::Error as Archive;
use kconv_guests::compare::compare;
use kconv_guests::proc::{Proc, Syscall};
use kconv_guests::{Error, Guest, Initramfs, Kernel, LIMIT, Machine, static_kconv};
use object::{Object, ObjectSegment};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// What both tests run from.
fn initramfs() -> &'static Initramfs {
    static MADE: OnceLock<Initramfs> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut initramfs = Initramfs::new().unwrap();
        initramfs.python().unwrap();
        for program in ["/usr/bin/xz", "/usr/bin/sha256sum"] {
            initramfs.program(Path::new(program)).unwrap();
        }
        let kconv = static_kconv().unwrap();
        initramfs.add("/bin/kconv", &kconv, 0o755).unwrap();
        initramfs
    })
}

/// An empty ext4 file system in a file.
fn disk(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    file.set_len(64 << 20).unwrap();
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

#[test]
fn a_machine_goes_over_into_the_next_kernel() {
    let (oldest, newest) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk, with a comma");
    disk(&image);
    let machine = Machine {
        disks: vec![image],
        ..Machine::default()
    };
    let mut guest = machine.boot(&oldest, initramfs()).unwrap();
    assert_eq!(
        guest.run("uname -r").unwrap().trim(),
        guest.release().to_owned()
    );
    commands(&mut guest);
    files(&mut guest);
    let outputs = programs(&mut guest);
    state(&mut guest);
    stopped(&mut guest);
    gathered(&mut guest);
    frozen(&mut guest, &newest.release);
    debugger(&mut guest, &newest.release);
    guest
        .run("mkdir /disk && mount -t ext4 /dev/vda /disk && echo kept >/disk/file && umount /disk")
        .unwrap();
    dump(&mut guest, &folder.path().join("vmcore"));

    guest.kexec(&newest, initramfs()).unwrap();
    assert_eq!(guest.release(), newest.release);
    assert_eq!(programs(&mut guest), outputs);
    state(&mut guest);
    stopped(&mut guest);
    frozen(&mut guest, &oldest.release);
    debugger(&mut guest, &oldest.release);
    let kept = guest.run("mkdir /disk && mount -t ext4 /dev/vda /disk && cat /disk/file");
    assert_eq!(kept.unwrap(), "kept\n");
    guest.power_off().unwrap();
}

#[test]
fn the_newest_kernel_boots_and_its_end_is_told() {
    let newest = Kernel::newest("6.12").unwrap();
    let mut guest = Machine::default().boot(&newest, initramfs()).unwrap();
    noticed(&mut guest);
    gathered(&mut guest);
    // What only this kernel has.
    let (verdict, _) = checked_parts(&mut guest, "/tmp/guarded", "guarded", |_, _| ());
    assert!(verdict.starts_with("ok, "), "{verdict}");
    let error = guest.run("echo c >/proc/sysrq-trigger").unwrap_err();
    let Error::Guest { problem, console } = error else {
        panic!("{error}");
    };
    assert!(problem.contains("went away"), "{problem}");
    assert!(console.contains("Kernel panic"), "{console}");
}

#[test]
fn a_kernel_that_cannot_be_had_is_told() {
    let error = Kernel::named("linux-image-6.1.0-0-amd64").unwrap_err();
    assert!(
        matches!(error, Error::Archive(Archive::Download { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("Unable to locate package"));
    let error = Kernel::newest("5.99").unwrap_err();
    assert!(
        matches!(
            error,
            Error::Archive(Archive::NoKernel { offered: 1.., .. })
        ),
        "{error}"
    );
}

#[test]
fn a_kernel_that_does_not_come_up_is_told() {
    let machine = Machine {
        command_line: "rdinit=/not/there".to_owned(),
        ..Machine::default()
    };
    let oldest = Kernel::oldest("6.1").unwrap();
    let error = machine.boot(&oldest, initramfs()).unwrap_err().to_string();
    assert!(error.contains("did not come up"), "{error}");
    assert!(error.contains("Unable to mount root fs"), "{error}");
}

/// Exit codes, both outputs, and a command that does not end.
fn commands(guest: &mut Guest) {
    let output = guest
        .attempt("echo out; echo err >&2; exit 3", LIMIT)
        .unwrap();
    assert_eq!(
        (output.code, output.stdout, output.stderr),
        (3, "out\n".to_owned(), "err\n".to_owned())
    );
    assert_eq!(guest.attempt("kill -9 $$", LIMIT).unwrap().code, 128 + 9);
    let error = guest.run("echo said before; false").unwrap_err();
    assert!(error.to_string().contains("said before"), "{error}");
    let error = guest.attempt("echo begun; sleep 100", Duration::from_secs(1));
    let Err(Error::TimeLimit { stdout, .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(stdout, "begun\n");
    // What is left in the background neither holds the command up nor ends with it.
    let pid = guest.start("sleep 1000", "/tmp/sleep").unwrap();
    guest.run(&format!("kill {pid}")).unwrap();
    let version = guest.run("kconv --version").unwrap();
    assert!(version.starts_with("kconv "), "{version}");
}

fn files(guest: &mut Guest) {
    let bytes: Vec<u8> = (0..3_000_001u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    guest.put("/tmp/put", &bytes, 0o640).unwrap();
    assert_eq!(guest.get("/tmp/put").unwrap(), bytes);
    let mode = guest.run("stat -c '%a %s' /tmp/put").unwrap();
    assert_eq!(mode, "640 3000001\n");
    // A file of /proc does not know its size.
    let version = guest.get("/proc/version").unwrap();
    assert!(version.starts_with(b"Linux version 6."));
    let error = guest.get("/not/there").unwrap_err();
    assert!(error.to_string().contains("/not/there: No such file"));
    guest.put("/not/there", b"x", 0o600).unwrap_err();
}

/// What the programs print.
fn programs(guest: &mut Guest) -> [String; 6] {
    let outputs = [
        "threads 4 300",
        "pipeline 20",
        "counter 20000000",
        "python3 -c 'import json, hashlib; d = [str(i * i) for i in range(20000)]; \
         print(hashlib.sha256(json.dumps(d).encode()).hexdigest(), sum(map(int, d)))'",
        "seq 20000 >/tmp/seq; /usr/bin/xz -9 -c /tmp/seq >/tmp/seq.xz; \
         /usr/bin/xz -dc /tmp/seq.xz | cmp - /tmp/seq && sha256sum /tmp/seq.xz",
        "seq 300000 >/tmp/seq; busybox sha256sum /tmp/seq",
    ]
    .map(|command| guest.run(command).unwrap());
    let [threads, pipeline, counter, ..] = &outputs;
    assert_eq!(threads, "821fe1fbbfcfdef3\n");
    assert_eq!(pipeline, "20 blocks b5032d931ec8ef22\n");
    assert_eq!(counter, "20000000 turns 7abae2d0a1937501\n");
    outputs
}

/// The program with all state finds it as it was set.
fn state(guest: &mut Guest) {
    let (verdict, _) = checked(guest, "/tmp/state", |_, _| ());
    let checks = verdict
        .strip_prefix("ok, ")
        .and_then(|rest| rest.strip_suffix(" checks"));
    let checks: u32 = checks.expect(&verdict).parse().unwrap();
    assert!(checks > 1000, "{verdict}");
    let (verdict, _) = checked_parts(guest, "/tmp/asked", "requests", |_, _| ());
    assert!(verdict.starts_with("ok, "), "{verdict}");
}

/// The program with all state, and one that computes, do not notice that they stood still.
fn stopped(guest: &mut Guest) {
    let (verdict, _) = checked(guest, "/tmp/stopped", still);
    assert!(verdict.starts_with("ok, "), "{verdict}");
    let pid = guest.start("threads 4 1000", "/tmp/threads").unwrap();
    for _ in 0..3 {
        still(guest, pid);
    }
    let sum = guest.run(&format!(
        "while [ -d /proc/{pid}/fd ]; do usleep 10000; done; cat /tmp/threads"
    ));
    assert_eq!(sum.unwrap(), "27dfa94bcbde4bb0\n");
}

/// Has a process stand still for a moment, where it happens to be.
fn still(guest: &mut Guest, pid: u32) {
    guest
        .run(&format!(
            "group=/sys/fs/cgroup/{pid}; mkdir -p $group; echo {pid} >$group/cgroup.procs; \
             echo 1 >$group/cgroup.freeze; \
             until grep -q 'frozen 1' $group/cgroup.events; do usleep 1000; done; \
             usleep 50000; echo 0 >$group/cgroup.freeze"
        ))
        .unwrap();
}

/// Starts the program, lets `meanwhile` happen to it, and gives its verdict and what it found.
fn checked(
    guest: &mut Guest,
    folder: &str,
    meanwhile: impl FnOnce(&mut Guest, u32),
) -> (String, Vec<String>) {
    checked_parts(guest, folder, "", meanwhile)
}

/// As [`checked`], with some `parts` of the state alone.
fn checked_parts(
    guest: &mut Guest,
    folder: &str,
    parts: &str,
    meanwhile: impl FnOnce(&mut Guest, u32),
) -> (String, Vec<String>) {
    let out = format!("{folder}.out");
    guest.run(&format!("mkdir {folder}")).unwrap();
    let pid = guest
        .start(&format!("state {folder} {parts}"), &out)
        .unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    meanwhile(guest, pid);
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest.says(pid, &out, " checks", LIMIT).unwrap();
    let said = guest.run(&format!("cat {out}")).unwrap();
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    println!("{said}");
    (lines.pop().unwrap(), lines.split_off(1))
}

/// The program finds what was changed behind its back.
fn noticed(guest: &mut Guest) {
    let (verdict, wrong) = checked(guest, "/tmp/changed", |guest, pid| {
        guest
            .run(&format!(
                "renice 3 -p {pid}; echo 5 >/proc/{pid}/oom_score_adj; kill -URG {pid}; \
                 kill -36 {pid}; truncate -s 0 /tmp/changed/plain"
            ))
            .unwrap();
    });
    assert!(verdict.starts_with("WRONG, "), "{verdict}");
    for finding in ["nice: 0x3", "oom_score_adj: 0x5", "bytes of a file"] {
        assert!(
            wrong.iter().any(|line| line.contains(finding)),
            "{wrong:#?}"
        );
    }
}

/// What /proc says of the program is read whole.
fn gathered(guest: &mut Guest) {
    let (verdict, _) = checked_parts(guest, "/tmp/gathered", PARTS, |guest, pid| {
        let proc = guest.proc(pid).unwrap();
        println!(
            "{} threads, {} mappings, {} files, {} timers",
            proc.threads.len(),
            proc.mappings.len(),
            proc.files.len(),
            proc.timers.len()
        );
        known(&proc);
        assert!(proc.threads.len() > 25);
        assert!(proc.mappings.len() > 50);
        assert!(proc.files.len() > 20);
        assert_eq!(proc.files[&11].position, 4097);
        assert_eq!(proc.files[&11].flags & 0o2000003, 0o2000002);
        assert!(
            proc.files[&11]
                .more
                .iter()
                .any(|line| line.contains("POSIX"))
        );
        assert_eq!(proc.limits.len(), 16);
        assert_eq!(proc.limits[7], [3998, 4000]);
        assert_eq!(proc.timers.len(), 10);
        assert_eq!(proc.cmdline[..2], ["state", "/tmp/gathered"]);
        assert_eq!(proc.links["cwd"], "/tmp/gathered/cwd");
        assert_eq!(proc.values["oom_score_adj"], "-321");
        let names: Vec<&str> = proc
            .threads
            .values()
            .map(|thread| thread.status["Name"].as_str())
            .collect();
        assert!(names.contains(&"round robin"), "{names:?}");
        // In sigsuspend (130), all of them but those that spin.
        assert!(matches!(
            proc.threads[&pid].syscall,
            Syscall::Inside { number: 130, .. }
        ));
    });
    assert!(verdict.starts_with("ok, "), "{verdict}");
}

/// Every reading of this kernel's /proc is one that a comparison knows, though nothing here is what it
/// should be.
fn known(proc: &Proc) {
    let tasks: Vec<Value> = proc
        .threads
        .keys()
        .map(|tid| json!({ "pid": tid }))
        .collect();
    let comparison = compare(proc, proc, &json!({ "tasks": tasks }));
    println!("{} readings to check", comparison.checks);
    assert!(comparison.checks > 2000);
    let unknown: Vec<&String> = comparison
        .wrong
        .iter()
        .filter(|line| line.contains("not known"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
}

/// A dump is an ELF core file with the guest's memory and its kernel's VMCOREINFO.
fn dump(guest: &mut Guest, file: &Path) {
    guest.dump(file).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let elf = object::File::parse(bytes.as_slice()).unwrap();
    assert_eq!(elf.kind(), object::ObjectKind::Core);
    let memory: u64 = elf.segments().map(|segment| segment.size()).sum();
    assert!(memory >= 1 << 30, "{memory} bytes of memory");
    let head = &bytes[..1 << 20];
    let release = format!("OSRELEASE={}", guest.release());
    assert!(
        head.windows(release.len())
            .any(|window| window == release.as_bytes()),
        "no VMCOREINFO"
    );
}
