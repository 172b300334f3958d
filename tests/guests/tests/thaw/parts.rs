//! Each kind of state by itself, on one kernel: what a thaw leaves out shows in the part that is of this kind. Faults
//! that are planted in the thaw are judged by it (`tests/faults/guests`).

use super::{initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};
use std::time::Duration;

/// Parts of the program that checks its own state from inside.
const PARTS: [&str; 29] = [
    "signals",
    "timers",
    "process",
    "family",
    "relations",
    "files",
    "memory",
    "locked",
    "all-locked",
    "locked-on-fault",
    "sleeps",
    "scheduling",
    "threads",
    "registers",
    "fifos",
    "opened",
    "ended",
    "requests",
    "guarded",
    "keyed",
    "shared",
    "stops",
    "defaults",
    "many",
    "pipes",
    "events",
    "unlinked",
    "memfds",
    "pairs",
];

/// Those of them to be checked, with commas between; all, if it is not set.
const CHOSEN: &str = "KCONV_GUEST_PARTS";

/// Longer than any part takes. One that a fault has hang need not hang for as long as a test may.
const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn each_part_comes_back_by_itself() {
    each_part(&Kernel::newest("6.12").unwrap());
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_7"]
fn each_part_comes_back_by_itself_under_linux_7() {
    if let Some(newest) = Kernel::linux_7().unwrap() {
        each_part(&newest);
    }
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_5_10"]
fn each_part_comes_back_by_itself_under_linux_5_10() {
    if let Some(newest) = Kernel::linux_5_10().unwrap() {
        // What newer kernels can be asked for.
        each_part_but(&newest, &["guarded"]);
    }
}

fn each_part(kernel: &Kernel) {
    each_part_but(kernel, &[]);
}

fn each_part_but(kernel: &Kernel, unknown_to_it: &[&str]) {
    let chosen = std::env::var(CHOSEN).unwrap_or_else(|_| PARTS.join(","));
    let chosen: Vec<&str> = chosen.split(',').collect();
    if let Some(unknown) = chosen.iter().find(|part| !PARTS.contains(part)) {
        panic!("{CHOSEN}: there is no part {unknown}; there are {PARTS:?}");
    }
    let (machine, _folder) = machine();
    let mut guest = machine.boot(kernel, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    guest
        .run("mkdir /sys/fs/cgroup/kept && echo 50 >/sys/fs/cgroup/kept/pids.max")
        .unwrap();
    let wrong: Vec<String> = chosen
        .iter()
        .filter(|part| !unknown_to_it.contains(part))
        .filter_map(|part| check(&mut guest, kernel, part).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    guest.power_off().unwrap();
}

/// Has the program set a part of its state, freezes and thaws it, and has it check that.
fn check(guest: &mut Guest, kernel: &Kernel, part: &str) -> Result<(), String> {
    let out = format!("/disk/{part}.out");
    guest.run(&format!("mkdir /disk/{part}")).unwrap();
    let command = format!(
        "sh -c 'echo $$ >/sys/fs/cgroup/kept/cgroup.procs; exec state /disk/{part} {part}'"
    );
    let pid = guest.start(&command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    let image = format!("/disk/{part}.img");
    guest
        .run(&format!("kconv freeze --tree --kill {pid} -o {image}"))
        .unwrap();
    // By a kconv that has much that nobody of the image had.
    let thaw =
        format!("inherits kconv thaw -v {image}; code=$?; cat /proc/{pid}/cgroup; exit $code");
    let thawed = guest.attempt(&thaw, LIMIT);
    let thawed = thawed.map_err(|error| format!("wrong: {part}: {error}"))?;
    if thawed.code != 0 || !thawed.stdout.ends_with("\n0::/kept\n") {
        return Err(format!("wrong: {part}: {}{}", thawed.stdout, thawed.stderr));
    }
    // A call that has written a part of what it was to write cannot be made to go on.
    if part == "pipes" && !thawed.stdout.contains("a wait in write to be done") {
        return Err(format!("wrong: {part}: {}", thawed.stdout));
    }
    // The call that sets it is of 5.17.
    if part == "memory" && !kernel.release.starts_with("5.10.") {
        home_node(guest, pid)?;
    }
    guest.run(&format!("kill -USR1 {pid}; true")).unwrap();
    let told = guest.says(pid, &out, " checks", LIMIT);
    let verdict = guest.run(&format!("tail -n +2 {out}")).unwrap();
    println!("{part}: {verdict}");
    match told {
        Ok(()) if verdict.starts_with("ok, ") => Ok(()),
        Ok(()) => Err(format!("wrong: {part}: {verdict}")),
        Err(error) => Err(format!("wrong: {part}: {verdict}{error}")),
    }
}

/// What a program can set and nobody can ask for, the next image has: the node from which a policy begins to
/// look.
fn home_node(guest: &mut Guest, pid: u32) -> Result<(), String> {
    let again = format!(
        "kconv freeze --tree {pid} -o /disk/again.img && kconv inspect --type mempolicy /disk/again.img"
    );
    let said = guest.run(&again).unwrap();
    let mut nodes = said.lines().filter(|line| line.contains("home_node"));
    match nodes.next() {
        Some(line) if line.trim_end().ends_with(" 0") => Ok(()),
        _ => Err(format!("wrong: memory: home node of a policy: {said}")),
    }
}
