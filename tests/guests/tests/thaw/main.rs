//! Programs live through a change of kernel: frozen on one, converted, thawed on the next, they end
//! with the very output that they have when nobody interrupts them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod clocks;
mod forked;
mod grand_tour;
mod journal;
mod journeys;
mod judged;
mod kinds;
mod mutation;
mod obstacles;
mod once;
mod parts;
mod patched;
mod queue;
mod random;
mod shared;
mod told;

use kconv_guests::{Guest, Initramfs, Kernel, LIMIT, Machine, static_kconv};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

fn initramfs() -> &'static Initramfs {
    static MADE: OnceLock<Initramfs> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut initramfs = Initramfs::new().unwrap();
        let kconv = static_kconv().unwrap();
        initramfs.add("/bin/kconv", &kconv, 0o755).unwrap();
        initramfs.python().unwrap();
        initramfs.program(Path::new("/usr/bin/xz")).unwrap();
        let script = include_bytes!("compute.py").to_vec();
        initramfs.file("/bin/compute.py", script, 0o644);
        let script = include_bytes!("loop.py").to_vec();
        initramfs.file("/bin/loop.py", script, 0o644);
        initramfs
    })
}

/// A machine with a disk that outlives its kernels, and what holds that.
fn machine() -> (Machine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let file = std::fs::File::create(&disk).unwrap();
    file.set_len(1 << 30).unwrap();
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(&disk)
        .status();
    assert!(made.unwrap().success());
    let machine = Machine {
        disks: vec![disk],
        ..Machine::default()
    };
    (machine, folder)
}

/// Mounts the disk, and makes a cgroup in which programs get a tenth of a CPU.
fn mount(guest: &mut Guest) {
    guest
        .run(
            "mkdir -p /disk && mount -t ext4 /dev/vda /disk && cd /sys/fs/cgroup && \
             echo +cpu +pids >cgroup.subtree_control && mkdir slow && \
             echo '10000 100000' >slow/cpu.max",
        )
        .unwrap();
}

/// Lets what is in that cgroup have as much as it can.
const HURRY: &str = "echo max >/sys/fs/cgroup/slow/cpu.max";

/// A program that is interrupted in the middle.
struct Program {
    name: &'static str,
    command: &'static str,
    /// Whether its descendants are frozen with it.
    tree: bool,
}

const PROGRAMS: [Program; 7] = [
    Program {
        name: "sum",
        command: "busybox sha256sum /disk/data",
        tree: false,
    },
    Program {
        name: "counter",
        command: "counter 1000000000",
        tree: false,
    },
    Program {
        name: "threads",
        command: "threads 4 5000",
        tree: false,
    },
    Program {
        name: "pipeline",
        command: "pipeline 1200",
        tree: true,
    },
    Program {
        name: "clocks",
        command: "clocks 3 30000000",
        tree: false,
    },
    Program {
        name: "python",
        command: "python3 /bin/compute.py /disk/python.log 200",
        tree: false,
    },
    Program {
        name: "xz",
        command: "/usr/bin/xz -9 --keep /disk/text",
        tree: false,
    },
];

/// Starts a program, freezes it in its middle, and ends it. Returns its number.
fn freeze(guest: &mut Guest, program: &Program) -> u32 {
    let Program {
        name,
        command,
        tree,
    } = program;
    let out = format!("/disk/{name}.out");
    // Slowly, lest it be over before kconv, which needs seconds on an emulated machine, has begun.
    let slowly = format!(
        "sh -c 'echo 10000 >/sys/fs/cgroup/slow/cpu.max; echo $$ >/sys/fs/cgroup/slow/cgroup.procs; exec {command}'"
    );
    let pid = guest.start(&slowly, &out).unwrap();
    let tree = if *tree { "--tree" } else { "" };
    let program = command.split(' ').next().unwrap();
    let program = program.rsplit('/').next().unwrap();
    // Where the host is busy, to start may take as many ticks as are waited for.
    let children = if program == "pipeline" { 2 } else { 0 };
    let said = guest
        .run(&format!(
            "until grep -qx {program} /proc/{pid}/comm; do usleep 20000; done; \
             until [ $(wc -w </proc/{pid}/task/{pid}/children) -ge {children} ]; do \
             usleep 20000; done; \
             until set -- $(cat /proc/{pid}/stat) && [ $((${{14}} + ${{15}})) -ge 12 ]; do \
             usleep 20000; done; \
             kconv freeze {tree} --kill {pid} -o /disk/{name}.img && test ! -s {out}"
        ))
        .unwrap();
    println!("{name}: {said}");
    pid
}

/// Lets the program of an image run on to its end, and gives what it wrote.
fn thaw(guest: &mut Guest, name: &str, pid: u32) -> String {
    let said = guest.run(&format!("kconv thaw /disk/{name}.img")).unwrap();
    println!("{name}: {said}");
    // All that is dropped is counted; -v tells it.
    assert!((5..=8).contains(&said.lines().count()), "{said}");
    assert!(said.contains("\ndropped   "), "{said}");
    guest.run(HURRY).unwrap();
    ended(guest, name, pid)
}

/// Waits for the end of a program, and gives what it wrote.
fn ended(guest: &mut Guest, name: &str, pid: u32) -> String {
    let end = format!("while [ -d /proc/{pid}/fd ]; do usleep 20000; done; cat /disk/{name}.out");
    let output = guest.attempt(&end, LIMIT).unwrap();
    assert_eq!(output.code, 0, "{}", output.stderr);
    output.stdout
}

/// What a program of this crate writes when nobody interrupts it, on the host, which is faster.
fn uninterrupted(command: &str) -> String {
    let (name, arguments) = command.split_once(' ').unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join(name);
    let source = format!("{}/programs/{name}.c", env!("CARGO_MANIFEST_DIR"));
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", "-pthread", "-o"])
        .arg(&program)
        .arg(source);
    assert!(gcc.status().unwrap().success());
    let output = Command::new(program)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn convert(guest: &mut Guest, name: &str, from: &Kernel, to: &Kernel) {
    let (from, to) = (&from.release, &to.release);
    guest
        .run(&format!(
            "kconv -q {from} {to} /disk/{name}.img -o /disk/{name}.new && \
             mv /disk/{name}.new /disk/{name}.img"
        ))
        .unwrap();
}

/// Numbers that no other process has, whatever the kernel.
fn number(guest: &mut Guest, from: u32) {
    guest
        .run(&format!("echo {from} >/proc/sys/kernel/ns_last_pid"))
        .unwrap();
}
