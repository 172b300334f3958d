//! Programs live through a change of kernel: frozen on one, converted, thawed on the next, they end
//! with the very output that they have when nobody interrupts them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_guests::{Guest, Initramfs, Kernel, Machine, static_kconv};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Long enough for anything here, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(120);

fn initramfs() -> &'static Initramfs {
    static MADE: OnceLock<Initramfs> = OnceLock::new();
    MADE.get_or_init(|| {
        let mut initramfs = Initramfs::new().unwrap();
        let kconv = static_kconv().unwrap();
        initramfs.add("/bin/kconv", &kconv, 0o755).unwrap();
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

fn mount(guest: &mut Guest) {
    guest
        .run("mkdir -p /disk && mount -t ext4 /dev/vda /disk")
        .unwrap();
}

/// A program that is interrupted in the middle.
struct Program {
    name: &'static str,
    command: &'static str,
    /// Whether its descendants are frozen with it.
    tree: bool,
}

const PROGRAMS: [Program; 4] = [
    Program {
        name: "sum",
        command: "busybox sha256sum /disk/data",
        tree: false,
    },
    Program {
        name: "counter",
        command: "counter 8000000000",
        tree: false,
    },
    Program {
        name: "threads",
        command: "threads 4 60000",
        tree: false,
    },
    Program {
        name: "pipeline",
        command: "pipeline 3000",
        tree: true,
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
    let pid = guest.start(command, &out).unwrap();
    let tree = if *tree { "--tree" } else { "" };
    let said = guest
        .run(&format!(
            "usleep 200000; nice -n -19 kconv freeze {tree} --kill {pid} -o /disk/{name}.img; \
             test ! -s {out}"
        ))
        .unwrap();
    println!("{name}: {said}");
    pid
}

/// Lets the program of an image run on to its end, and gives what it wrote.
fn thaw(guest: &mut Guest, name: &str, pid: u32) -> String {
    let said = guest.run(&format!("kconv thaw /disk/{name}.img")).unwrap();
    println!("{name}: {said}");
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

/// Parts of the program that checks its own state from inside. Of what the others set (memory that
/// is locked, seccomp filters, an LDT) not everything is carried.
const STATE: &str = "registers signals timers sleeps process files family scheduling";

/// Has the program set its state, and freezes it.
fn freeze_state(guest: &mut Guest) -> u32 {
    let command = format!("state /disk/state {STATE}");
    guest.run("mkdir /disk/state").unwrap();
    let pid = guest.start(&command, "/disk/state.out").unwrap();
    guest.wait_for("/disk/state.out", "ready", LIMIT).unwrap();
    guest
        .run(&format!(
            "kconv freeze --tree --kill {pid} -o /disk/state.img"
        ))
        .unwrap();
    pid
}

/// Has it check its state.
fn check_state(guest: &mut Guest, pid: u32) -> String {
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest.wait_for("/disk/state.out", " checks", LIMIT).unwrap();
    guest.run("tail -n +2 /disk/state.out").unwrap()
}

fn journey(from: &Kernel, to: &Kernel) {
    let (machine, _folder) = machine();
    let mut guest = machine.boot(from, initramfs()).unwrap();
    mount(&mut guest);
    guest
        .run("seq 100000 >/disk/data; truncate -s 300M /disk/data; seq 1000 >>/disk/data")
        .unwrap();
    let expected =
        PROGRAMS
            .each_ref()
            .map(|program| match program.command.starts_with("busybox") {
                true => guest.attempt(program.command, LIMIT).unwrap().stdout,
                false => uninterrupted(program.command),
            });
    number(&mut guest, 20_000);
    let pids = PROGRAMS.each_ref().map(|program| {
        let pid = freeze(&mut guest, program);
        convert(&mut guest, program.name, from, to);
        pid
    });
    let state = freeze_state(&mut guest);
    convert(&mut guest, "state", from, to);
    guest.run("umount /disk").unwrap();

    guest.kexec(to, initramfs()).unwrap();
    mount(&mut guest);
    for ((program, pid), expected) in PROGRAMS.iter().zip(pids).zip(expected) {
        assert_eq!(
            thaw(&mut guest, program.name, pid),
            expected,
            "{}",
            program.name
        );
    }
    guest.run("kconv thaw /disk/state.img").unwrap();
    let verdict = check_state(&mut guest, state);
    println!("{verdict}");
    assert!(verdict.starts_with("ok, "), "{verdict}");
    guest.power_off().unwrap();
}

#[test]
fn programs_live_on_under_the_next_kernel() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    journey(&old, &new);
}

#[test]
fn programs_go_back_to_the_kernel_before() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    journey(&new, &old);
}
