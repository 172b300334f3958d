//! From one kernel into the other by kexec, and the other way; and out of the same images after a
//! cold boot.

use super::{
    LIMIT, PROGRAMS, convert, freeze, initramfs, machine, mount, number, thaw, uninterrupted,
};
use kconv_guests::{Guest, Kernel, Machine};

/// Parts of the program that checks its own state from inside. All there are, each by itself, are
/// those of `parts`.
const STATE: &str =
    "registers signals timers sleeps process files family scheduling threads fifos locked";

/// Has the program set its state, and freezes it.
pub(super) fn freeze_state(guest: &mut Guest) -> u32 {
    let command = format!("state /disk/state {STATE}");
    guest.run("mkdir /disk/state").unwrap();
    let pid = guest.start(&command, "/disk/state.out").unwrap();
    guest.says(pid, "/disk/state.out", "ready", LIMIT).unwrap();
    guest
        .run(&format!(
            "kconv freeze --tree --kill {pid} -o /disk/state.img"
        ))
        .unwrap();
    pid
}

/// Has it check its state.
pub(super) fn check_state(guest: &mut Guest, pid: u32) -> String {
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest
        .says(pid, "/disk/state.out", " checks", LIMIT)
        .unwrap();
    guest.run("tail -n +2 /disk/state.out").unwrap()
}

/// What the programs wrote to files of their own, which go.
fn written(guest: &mut Guest) -> String {
    let files = "/disk/python.log /disk/text.xz";
    guest
        .run(&format!("cat {files} | busybox sha256sum; rm {files}"))
        .unwrap()
}

/// What has been frozen, and what it has to come to.
struct Frozen {
    pids: [u32; PROGRAMS.len()],
    expected: [String; PROGRAMS.len()],
    written: String,
    state: u32,
}

/// By kexec, and after a cold boot.
fn journey(from: &Kernel, to: &Kernel) {
    journey_on(Machine::default(), from, to);
}

fn journey_on(kind: Machine, from: &Kernel, to: &Kernel) {
    let (with_disk, folder) = machine();
    let machine = Machine {
        disks: with_disk.disks,
        ..kind
    };
    let mut guest = machine.boot(from, initramfs()).unwrap();
    mount(&mut guest);
    let frozen = freeze_all(&mut guest, from, to);
    guest.run("umount /disk").unwrap();
    // As it is now, for another boot.
    let another = folder.path().join("another");
    std::fs::copy(&machine.disks[0], &another).unwrap();

    guest.kexec(to, initramfs()).unwrap();
    thaw_all(&mut guest, &frozen);
    guest.power_off().unwrap();

    let machine = Machine {
        disks: vec![another],
        ..machine
    };
    let mut guest = machine.boot(to, initramfs()).unwrap();
    thaw_all(&mut guest, &frozen);
    guest.power_off().unwrap();
}

/// Freezes all programs in their middle, and converts them.
fn freeze_all(guest: &mut Guest, from: &Kernel, to: &Kernel) -> Frozen {
    guest
        .run(
            "seq 100000 >/disk/data; truncate -s 120M /disk/data; seq 1000 >>/disk/data; \
             seq 150000 >/disk/text",
        )
        .unwrap();
    let expected = PROGRAMS.each_ref().map(|program| match program.name {
        "sum" | "python" | "xz" => guest.attempt(program.command, LIMIT).unwrap().stdout,
        _ => uninterrupted(program.command),
    });
    let written = written(guest);
    number(guest, 20_000);
    let pids = PROGRAMS.each_ref().map(|program| {
        let pid = freeze(guest, program);
        convert(guest, program.name, from, to);
        pid
    });
    let state = freeze_state(guest);
    convert(guest, "state", from, to);
    Frozen {
        pids,
        expected,
        written,
        state,
    }
}

/// Lets all of them run on to their ends.
fn thaw_all(guest: &mut Guest, frozen: &Frozen) {
    mount(guest);
    let pids = frozen.pids.iter().zip(&frozen.expected);
    for (program, (pid, expected)) in PROGRAMS.iter().zip(pids) {
        assert_eq!(
            &thaw(guest, program.name, *pid),
            expected,
            "{}",
            program.name
        );
    }
    assert_eq!(written(guest), frozen.written);
    guest.run("kconv thaw /disk/state.img").unwrap();
    let verdict = check_state(guest, frozen.state);
    println!("{verdict}");
    assert!(verdict.starts_with("ok, "), "{verdict}");
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
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored the_kernel_before"]
fn programs_go_back_to_the_kernel_before() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    journey(&new, &old);
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_7"]
fn programs_live_on_under_linux_7() {
    if let Some(newest) = Kernel::linux_7().unwrap() {
        journey(&Kernel::newest("6.12").unwrap(), &newest);
    }
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_7"]
fn programs_go_back_from_linux_7() {
    if let Some(newest) = Kernel::linux_7().unwrap() {
        journey(&newest, &Kernel::oldest("6.1").unwrap());
    }
}

/// What an administrator of Debian 11 has in front of him.
#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_5_10"]
fn programs_live_on_from_linux_5_10() {
    if let Some(old) = Kernel::linux_5_10().unwrap() {
        journey(&old, &Kernel::oldest("6.1").unwrap());
    }
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_5_10"]
fn programs_go_back_to_linux_5_10() {
    if let Some(old) = Kernel::linux_5_10().unwrap() {
        let newer = Kernel::newest("6.12").unwrap();
        refuses_to_start(&newer, &old);
        journey_on(with_four_levels(Machine::default()), &newer, &old);
    }
}

/// A machine without 5-level paging, which 5.10 is built without.
pub(super) fn with_four_levels(machine: Machine) -> Machine {
    let cpu = format!("{},-la57", machine.cpu);
    Machine { cpu, ..machine }
}

/// With 5-level paging on, kexec of such a kernel would reset the machine.
fn refuses_to_start(running: &Kernel, older: &Kernel) {
    let (machine, _folder) = machine();
    let mut guest = machine.boot(running, initramfs()).unwrap();
    mount(&mut guest);
    let pid = guest.start("sleep 1000", "/disk/sleep.out").unwrap();
    let vmlinuz = std::fs::read(&older.vmlinuz).unwrap();
    guest.put("/disk/vmlinuz", &vmlinuz, 0o600).unwrap();
    let command = format!(
        "kconv upgrade --kernel /disk/vmlinuz --initrd /disk/vmlinuz --queue /disk/queue {pid}"
    );
    let refused = guest.attempt(&command, LIMIT).unwrap();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert_ne!(refused.code, 0, "{told}");
    assert!(told.contains("built without 5-level paging"), "{told}");
    assert!(told.contains("--start reboot"), "{told}");
    guest.run(&format!("test -d /proc/{pid}")).unwrap();
    guest.power_off().unwrap();
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_5_10"]
fn programs_go_from_linux_5_10_to_linux_7() {
    let pair = (Kernel::linux_5_10().unwrap(), Kernel::linux_7().unwrap());
    if let (Some(old), Some(newest)) = pair {
        journey(&old, &newest);
    }
}
