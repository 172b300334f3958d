//! State that is easily forgotten, each kind of it: it comes back on the same kernel and on the next.

use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

/// Parts of the program that checks its own state from inside.
const PARTS: &str =
    "fifos opened ended relations requests keyed stops events unlinked memfds pairs";

#[test]
fn what_a_task_was_given_is_given_back() {
    let old = Kernel::oldest("6.1").unwrap();
    given_back(&old, &Kernel::newest("6.12").unwrap());
}

#[test]
#[ignore = "minutes more than a run of all tests has: cargo test -p kconv-guests -- --ignored linux_7"]
fn what_a_task_was_given_is_given_back_under_linux_7() {
    if let Some(newest) = Kernel::linux_7().unwrap() {
        given_back(&Kernel::newest("6.12").unwrap(), &newest);
    }
}

fn given_back(old: &Kernel, new: &Kernel) {
    let (machine, _folder) = machine();
    let mut guest = machine.boot(old, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    a_job_has_the_terminal_of_its_shell(&mut guest);
    limit(&mut guest);
    // Each of them once, for what is thawed has to have been frozen right after it was set.
    let on_the_same = freeze_parts(&mut guest, "same", PARTS);
    in_the_way(&mut guest);
    let (said, cgroup) = check_parts(&mut guest, "same", on_the_same);
    assert!(!said.contains("cgroup"), "{said}");
    assert_eq!(cgroup, "0::/kept");
    let on_the_next = freeze_parts(&mut guest, "next", PARTS);
    convert(&mut guest, "next", old, new);
    let event_loop = freeze_loop(&mut guest);
    convert(&mut guest, "loop", old, new);
    guest.run("umount /disk").unwrap();
    guest.kexec(new, initramfs()).unwrap();
    mount(&mut guest);
    let (said, cgroup) = check_parts(&mut guest, "next", on_the_next);
    assert!(
        said.contains("cgroup /kept (/kept/pids.max = 50): that of kconv"),
        "{said}"
    );
    assert_eq!(cgroup, "0::/");
    check_loop(&mut guest, event_loop);
    // What the older kernel does not know.
    limit(&mut guest);
    let guarded = freeze_parts(&mut guest, "guarded", "guarded");
    guest.run("echo 60 >/sys/fs/cgroup/kept/pids.max").unwrap();
    let (said, cgroup) = check_parts(&mut guest, "guarded", guarded);
    assert!(
        said.contains("limits of cgroup /kept: /kept/pids.max = 50: /kept/pids.max = 60"),
        "{said}"
    );
    assert_eq!(cgroup, "0::/kept");
    let on_the_new = freeze_parts(&mut guest, "new", PARTS);
    check_parts(&mut guest, "new", on_the_new);
    guest.power_off().unwrap();
}

/// What is not as it was, and is put back.
fn in_the_way(guest: &mut Guest) {
    for (before, after, expected) in [
        (
            "mount -t tmpfs over /disk/same",
            "umount /disk/same",
            "directory /disk/same: found a file system of another kind (0x1021994), expected a file \
             system ext4",
        ),
        (
            "mv /disk/same /disk/moved; mkdir /disk/same",
            "rmdir /disk/same; mv /disk/moved /disk/same",
            "directory /disk/same: found inode ",
        ),
        (
            "chattr +i /disk/same.out",
            "chattr -i /disk/same.out",
            "regular file /disk/same.out: found one that cannot be opened to be written (EPERM",
        ),
        (
            "sleep 1000 <>/disk/same/both.fifo & sleep=$!",
            "kill $sleep",
            "FIFO /disk/same/both.fifo: found process ",
        ),
        (
            "echo 1 >/sys/fs/cgroup/kept/cgroup.freeze",
            "echo 0 >/sys/fs/cgroup/kept/cgroup.freeze",
            "cgroup /sys/fs/cgroup/kept: found frozen",
        ),
    ] {
        let thaw = format!("{before}; kconv thaw --dry-run /disk/same.img; echo $?; {after}");
        let said = guest.attempt(&thaw, LIMIT).unwrap();
        assert_eq!(said.stdout, "1\n", "{before}: {said:?}");
        assert!(said.stderr.contains(expected), "{before}: {}", said.stderr);
    }
}

/// A cgroup with a limit.
fn limit(guest: &mut Guest) {
    guest
        .run("mkdir /sys/fs/cgroup/kept && echo 50 >/sys/fs/cgroup/kept/pids.max")
        .unwrap();
}

/// Has a program set the parts of its state, and freezes it.
fn freeze_parts(guest: &mut Guest, name: &str, parts: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    guest.run(&format!("mkdir /disk/{name}")).unwrap();
    let command = format!(
        "sh -c 'echo $$ >/sys/fs/cgroup/kept/cgroup.procs; exec state /disk/{name} {parts}'"
    );
    let pid = guest.start(&command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    let freeze = format!("kconv freeze --tree --kill {pid} -o /disk/{name}.img");
    println!("{}", guest.run(&freeze).unwrap());
    pid
}

/// Thaws it, and has it check them. Gives what kconv said, and the cgroup that it is in.
fn check_parts(guest: &mut Guest, name: &str, pid: u32) -> (String, String) {
    let said = guest
        .run(&format!("kconv thaw -v /disk/{name}.img"))
        .unwrap();
    println!("{said}");
    if name != "guarded" {
        for told in [
            "its parent, which had looked at that, is told of it again [signal.stop-told]",
            "its parent, which had not looked at that, is not told of it [signal.stop-told]",
        ] {
            assert_eq!(said.matches(told).count(), 1, "{told}: {said}");
        }
    }
    let ask = format!("cat /proc/{pid}/cgroup; kill -USR1 {pid}");
    let cgroup = guest.run(&ask).unwrap();
    let out = format!("/disk/{name}.out");
    guest.says(pid, &out, " checks", LIMIT).unwrap();
    let verdict = guest.run(&format!("tail -n +2 {out}")).unwrap();
    println!("{verdict}");
    assert!(verdict.starts_with("ok, "), "{verdict}");
    (said, cgroup.trim().to_owned())
}

/// Freezes a program that waits in an event loop.
fn freeze_loop(guest: &mut Guest) -> u32 {
    let command = "python3 /bin/loop.py";
    let pid = guest.start(command, "/disk/loop.out").unwrap();
    guest.says(pid, "/disk/loop.out", "ready", LIMIT).unwrap();
    let freeze = format!("kconv freeze --kill {pid} -o /disk/loop.img");
    println!("{}", guest.run(&freeze).unwrap());
    pid
}

/// Thaws it, and has it end.
fn check_loop(guest: &mut Guest, pid: u32) {
    println!("{}", guest.run("kconv thaw /disk/loop.img").unwrap());
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest.says(pid, "/disk/loop.out", "done", LIMIT).unwrap();
    let said = guest.run("cat /disk/loop.out").unwrap();
    assert_eq!(
        said,
        "ready\ndone [b'BEFORE\\n', b'AFTER\\n'] ['by a thread'] True\n"
    );
}

/// A job goes on in the session that it was started in, at that terminal and at no other.
fn a_job_has_the_terminal_of_its_shell(guest: &mut Guest) {
    let script = "\
        job /disk/job.out & job=$!; \
        until grep -qs ready /disk/job.out; do usleep 20000; done; \
        export NO_COLOR=1; \
        kconv freeze --kill $job -o /disk/job.img && wait $job; \
        setsid kconv thaw /disk/job.img; echo elsewhere: $?; \
        kconv thaw /disk/job.img; echo here: $?; \
        kill -USR1 $job; \
        until grep -qs -e ok -e WRONG /disk/job.out; do usleep 20000; done";
    guest.put("/tmp/script", script.as_bytes(), 0o644).unwrap();
    let said = guest
        .attempt("terminal '. /tmp/script'", LIMIT)
        .unwrap()
        .stdout;
    println!("{said}");
    let verdict = guest.run("cat /disk/job.out").unwrap();
    println!("{verdict}");
    for text in [
        "terminal  pts0 of session ",
        "to be thawed there, as long as that is there",
        "controlling terminal pts0: found kconv in session ",
        "without a terminal, expected kconv in session ",
        "with terminal 136:0",
        "one thing is in the way; nothing was made",
        "elsewhere: 1",
        "here: 0",
        "from standard output",
        "from /dev/tty",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    assert!(verdict.ends_with("ok\n"), "{verdict}");
}
