//! A kill leaves no trace: who shares robust mutexes with a task that was frozen and killed sees them held,
//! and the task lets go of them when it was thawed.

use super::{LIMIT, freeze, refused};
use kconv_guests::Guest;

pub(crate) fn seen_by_nobody(guest: &mut Guest) {
    guest
        .run("mkdir /shm; mount -t tmpfs shm /shm; mkdir /disk/robust")
        .unwrap();
    for file in ["/disk/robust/lock", "/shm/lock"] {
        let (owner, waiter) = a_held_mutex_stays_held(guest, file);
        lets_go(guest, owner, waiter);
    }
    let (owner, waiter) = a_held_mutex_stays_held(guest, "/shm/other");
    guest.run(&format!("kill -9 {owner}")).unwrap();
    // Its end is told as it would have been: EOWNERDEAD.
    told(guest, waiter, &["130", "130"]);
    for (how, what) in [
        ("shared", "a list of robust futexes in shared memory"),
        ("cleared", "a word in shared memory that is cleared"),
    ] {
        let file = format!("/disk/robust/{how}");
        let pid = ready(guest, &format!("robust {how} {file}"), &file);
        not_killed(guest, pid, what);
    }
    for (how, what) in [
        (
            "child",
            ", which is not frozen and is sent signal 10 at its parent's death,",
        ),
        (
            "stopped",
            ", which is stopped, and which nobody in its session would be left to continue,",
        ),
        ("flock", "a file lock for which process "),
        ("posix", "a file lock for which process "),
    ] {
        let file = format!("/disk/robust/seen.{how}");
        let pid = ready(guest, &format!("seen {how} {file}"), &file);
        not_killed(guest, pid, what);
    }
    seen_meanwhile(guest);
    has_ended(guest);
    let owner = ready(guest, "robust own /shm/inherit inherit", "/tmp/own");
    let waiter = waiting(guest, "/shm/inherit");
    not_killed(guest, owner, "a futex with priority inheritance");
    told(guest, waiter, &["130", "130"]);
}

/// When the freeze is over, so is what it killed, whatever keeps it from its end.
fn has_ended(guest: &mut Guest) {
    let pid = ready(guest, "spent", "/tmp/spent");
    freeze(guest, &format!("--kill {pid}"), "/tmp/spent.img");
    let left = guest.run(&format!(
        "ls /proc/{pid}/task 2>/dev/null | grep -vx {pid}; true"
    ));
    assert_eq!(left.unwrap(), "");
}

/// Starts a program that says when it is ready.
fn ready(guest: &mut Guest, command: &str, name: &str) -> u32 {
    let out = format!("{name}.out");
    let pid = guest.start(command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    pid
}

/// A process that waits for the mutexes in `file`, with two threads, of which the first awaits the end.
fn waiting(guest: &mut Guest, file: &str) -> u32 {
    let pid = ready(guest, &format!("robust wait {file}"), "/disk/robust/wait");
    let threads = format!("cat /proc/{pid}/task/*/syscall");
    guest
        .run(&format!(
            "until [ $({threads} | grep -c '^202 ') = 3 ]; do usleep 20000; done; sync"
        ))
        .unwrap();
    pid
}

/// Gives the owner, which was thawed, and the waiter.
fn a_held_mutex_stays_held(guest: &mut Guest, file: &str) -> (u32, u32) {
    let owner = ready(guest, &format!("robust own {file}"), "/disk/robust/own");
    let waiter = waiting(guest, file);
    let state = format!("stat -c '%y %s' {file}; sha256sum {file}");
    let before = guest.run(&state).unwrap();
    let image = "/disk/robust/image";
    freeze(guest, &format!("--kill {owner}"), image);
    let gone = format!("while [ -d /proc/{owner}/fd ]; do usleep 20000; done; {state}");
    assert_eq!(guest.run(&gone).unwrap(), before);
    let said = guest.run("cat /disk/robust/wait.out").unwrap();
    assert_eq!(said, "ready\n", "{file}");

    guest.run(&format!("kconv thaw {image}")).unwrap();
    guest.run(&format!("rm {image}")).unwrap();
    (owner, waiter)
}

/// The owner unlocks both mutexes, each thread when it gets a signal.
fn lets_go(guest: &mut Guest, owner: u32, waiter: u32) {
    for text in ["unlock 0", "done"] {
        guest.run(&format!("kill -USR1 {owner}")).unwrap();
        let out = "/disk/robust/own.out";
        guest.says(owner, out, text, LIMIT).unwrap();
    }
    told(guest, waiter, &["0", "0"]);
}

/// The waiter ends, and was told this when it got the mutexes.
fn told(guest: &mut Guest, waiter: u32, codes: &[&str]) {
    let out = "/disk/robust/wait.out";
    guest.says(waiter, out, "done", LIMIT).unwrap();
    let codes: String = codes.iter().map(|code| format!("lock {code}\n")).collect();
    let said = guest.run(&format!("cat {out}")).unwrap();
    assert_eq!(said, format!("ready\n{codes}done\n"));
}

/// Somebody begins to wait for a lock when it was looked at who does, and while memory is written.
fn seen_meanwhile(guest: &mut Guest) {
    let (file, image) = ("/disk/robust/held", "/disk/robust/image");
    let pid = ready(guest, &format!("seen held {file}"), file);
    let command = format!(
        "kconv freeze --kill {pid} -o {image} & kconv=$!; \
         while [ -d /proc/$kconv/fd ] && ! ls -l /proc/$kconv/fd 2>/dev/null | grep -q '/disk/robust/#'; do :; done; \
         kill -STOP $kconv; \
         [ -e {image} ] && echo late; seen waits {file} & waiter=$!; \
         until grep -q ' -> .* '$waiter' ' /proc/locks; do usleep 10000; done; kill -CONT $kconv; \
         wait $kconv; code=$?; kill $waiter; exit $code"
    );
    let said = guest.attempt(&command, LIMIT).unwrap();
    println!("{}", said.stderr);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""), "{said:?}");
    for text in [
        "a file lock for which process ",
        "error: one thing keeps them from being killed unseen, which began while the image was written; the tasks run on",
    ] {
        assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    }
    guest
        .run(&format!(
            "[ -d /proc/{pid}/fd ] && grep -q 'TracerPid:.0' /proc/{pid}/status && rm {image}; \
             kill {pid}"
        ))
        .unwrap();
}

/// What is refused only where it would be killed. It is killed in the end.
fn not_killed(guest: &mut Guest, pid: u32, what: &str) {
    let image = "/disk/robust/image";
    let said = refused(guest, &format!("--kill {pid}"), image);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.stderr.contains(what), "{}", said.stderr);
    freeze(guest, &pid.to_string(), image);
    guest.run(&format!("rm {image}; kill {pid}")).unwrap();
}
