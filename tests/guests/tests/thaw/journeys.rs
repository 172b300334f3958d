//! From one kernel into the other by kexec, and the other way.

use super::{
    LIMIT, PROGRAMS, convert, freeze, initramfs, machine, mount, number, thaw, uninterrupted,
};
use kconv_guests::{Guest, Kernel};

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

/// What the programs wrote to files of their own, which go.
fn written(guest: &mut Guest) -> String {
    let files = "/disk/python.log /disk/text.xz";
    guest
        .run(&format!("cat {files} | busybox sha256sum; rm {files}"))
        .unwrap()
}

fn journey(from: &Kernel, to: &Kernel) {
    let (machine, _folder) = machine();
    let mut guest = machine.boot(from, initramfs()).unwrap();
    mount(&mut guest);
    guest
        .run(
            "seq 100000 >/disk/data; truncate -s 400M /disk/data; seq 1000 >>/disk/data; \
             seq 300000 >/disk/text",
        )
        .unwrap();
    let expected = PROGRAMS.each_ref().map(|program| match program.name {
        "sum" | "python" | "xz" => guest.attempt(program.command, LIMIT).unwrap().stdout,
        _ => uninterrupted(program.command),
    });
    let written = written(&mut guest);
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
    assert_eq!(self::written(&mut guest), written);
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
