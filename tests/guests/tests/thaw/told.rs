//! What a thaw cannot make as it was, and does without: each is told with its code, before anything is made
//! and behind it, and the rest comes back.

use super::{LIMIT, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

/// Codes, with words of what is told.
const TOLD: [(&str, &str); 4] = [
    ("fd.position", "how far directory /proc was read"),
    (
        "task.exit-signal",
        "SIGCHLD to its parent at its end, for that called execve since it was made: signal 28, as it was made",
    ),
    (
        "task.parent-thread",
        " as who made it, at whose end it is sent a signal: the first thread of that process",
    ),
    (
        "session.other",
        ", which somebody has who is not in the image: ",
    ),
];

#[test]
fn what_is_not_made_again_is_told() {
    let (machine, _folder) = machine();
    let kernel = Kernel::newest("6.12").unwrap();
    let mut guest = machine.boot(&kernel, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    // In a session that goes on without it.
    let command = "setsid sh -c 'told & wait; sleep 100000'";
    guest.start(command, "/disk/told.out").unwrap();
    guest.wait_for("/disk/told.out", "ready", LIMIT).unwrap();
    let pid = guest.run("cut -d' ' -f2 /disk/told.out").unwrap();
    let pid = pid.trim();
    let image = "/disk/told.img";
    guest
        .run(&format!("kconv freeze --tree --kill {pid} -o {image}"))
        .unwrap();
    let dry = told(&mut guest, &format!("kconv thaw --dry-run -v {image}"));
    let thawed = told(&mut guest, &format!("kconv thaw -v {image}"));
    for (code, text) in TOLD {
        let line = |said: &str| {
            let mut lines = said.lines();
            lines.any(|line| line.contains(text) && line.ends_with(&format!("[{code}]")))
        };
        assert!(line(&thawed), "{code}: {thawed}");
        // In whose session it will be, kconv knows when it is there.
        assert!(line(&dry) || code == "session.other", "{code}: {dry}");
    }
    // It is there, with its thread, whose child is that of the first one now.
    let there = format!(
        "cat /proc/{pid}/comm; wc -w </proc/{pid}/task/{pid}/children; ls /proc/{pid}/task | wc -l"
    );
    assert_eq!(guest.run(&there).unwrap(), "exe\n2\n2\n");
    a_daemon_stays_in_its_session(&mut guest);
    a_cpu_that_is_not_there_is_in_the_way(&mut guest);
    guest.power_off().unwrap();
}

/// Who began the session, and the group, of a daemon has ended.
fn a_daemon_stays_in_its_session(guest: &mut Guest) {
    let started = "mkdir /disk/daemon; setsid sh -c 'state /disk/daemon fifos </dev/null >/disk/daemon.out 2>&1 &'";
    guest.run(started).unwrap();
    guest.wait_for("/disk/daemon.out", "ready", LIMIT).unwrap();
    let pid = guest.run("cut -d' ' -f2 /disk/daemon.out").unwrap();
    let pid = pid.trim();
    // Its number, its group and its session.
    let relations = format!("set -- $(cat /proc/{pid}/stat) && echo $1 $5 $6");
    let before = guest.run(&relations).unwrap();
    let of: Vec<&str> = before.split_whitespace().collect();
    assert!(of[0] == pid && of[1] == of[2] && of[1] != pid, "{before}");
    let image = "/disk/daemon.img";
    let said = told(
        guest,
        &format!("kconv freeze --kill {pid} -o {image} && kconv thaw -v {image}"),
    );
    assert!(!said.contains("session.other"), "{said}");
    assert_eq!(guest.run(&relations).unwrap(), before);
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest
        .wait_for("/disk/daemon.out", " checks", LIMIT)
        .unwrap();
    let verdict = guest.run("tail -n +2 /disk/daemon.out").unwrap();
    assert!(verdict.starts_with("ok, "), "{verdict}");
}

fn a_cpu_that_is_not_there_is_in_the_way(guest: &mut Guest) {
    let pid = guest
        .start("taskset 2 sleep 100000", "/disk/cpu.out")
        .unwrap();
    guest
        .wait_for(&format!("/proc/{pid}/comm"), "sleep", LIMIT)
        .unwrap();
    let image = "/disk/cpu.img";
    guest
        .run(&format!("kconv freeze --kill {pid} -o {image}"))
        .unwrap();
    let online = "/sys/devices/system/cpu/cpu1/online";
    let thaw =
        format!("echo 0 >{online}; kconv thaw {image}; code=$?; echo 1 >{online}; exit $code");
    let refused = guest.attempt(&thaw, LIMIT).unwrap();
    assert_eq!(refused.code, 1, "{refused:?}");
    let text = "CPUs to run on: found none but 0, expected one of 1 [machine.cpus]";
    assert!(refused.stderr.contains(text), "{refused:?}");
    guest.run(&format!("kconv thaw {image}")).unwrap();
    let allowed = guest.run(&format!("grep Cpus_allowed_list /proc/{pid}/status"));
    assert_eq!(allowed.unwrap(), "Cpus_allowed_list:\t1\n");
}

fn told(guest: &mut Guest, command: &str) -> String {
    let said = guest.run(command).unwrap();
    println!("{said}");
    said
}
