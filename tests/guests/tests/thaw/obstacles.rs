//! Everything that can be missing or in the way after a cold boot is said before anything is made;
//! what fails half way leaves nothing; and images with one wrong field give programs that are wrong.

use super::mutation::Mutant;
use super::{
    HURRY, LIMIT, PROGRAMS, Program, convert, ended, freeze, initramfs, machine, mount, number,
    thaw, uninterrupted,
};
use kconv_guests::{Guest, Kernel, Machine};
use kconv_image::ObjectId;

fn program(name: &str) -> &'static Program {
    PROGRAMS.iter().find(|one| one.name == name).unwrap()
}

/// Has the program of a name set some of its state, and freezes it.
fn freeze_state(guest: &mut Guest, name: &str, parts: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    guest.run(&format!("mkdir /disk/{name}")).unwrap();
    let pid = guest
        .start(&format!("state /disk/{name} {parts}"), &out)
        .unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    guest
        .run(&format!("kconv freeze --kill {pid} -o /disk/{name}.img"))
        .unwrap();
    pid
}

/// Freezes a program that says when it is ready.
fn freeze_ready(guest: &mut Guest, name: &str, command: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    let pid = guest.start(command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    guest
        .run(&format!("kconv freeze --kill {pid} -o /disk/{name}.img"))
        .unwrap();
    pid
}

/// After `before`, a thaw is refused for reasons that have `texts` in them, and nothing was made.
/// `after` puts everything back.
fn refused(guest: &mut Guest, before: &str, thaw: &str, texts: &[&str], after: &str) {
    guest.run(before).unwrap();
    // All that images have here are numbered from 20000 on.
    let tasks = "ls -d /proc/20??? 2>/dev/null; true";
    let count = guest.run(tasks).unwrap();
    let said = guest.attempt(thaw, LIMIT).unwrap();
    println!("# {thaw}\n{}", said.stderr);
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    for text in texts {
        assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    }
    assert!(said.stderr.contains("nothing was made"), "{}", said.stderr);
    assert_eq!(guest.run(tasks).unwrap(), count);
    guest.run(after).unwrap();
}

#[test]
fn what_is_in_the_way_is_told_and_what_is_wrong_shows() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    mount(&mut guest);
    guest
        .run("seq 100000 >/disk/data; truncate -s 400M /disk/data; seq 1000 >>/disk/data")
        .unwrap();
    number(&mut guest, 20_000);
    let [sum, counter, pipeline] =
        ["sum", "counter", "pipeline"].map(|name| freeze(&mut guest, program(name)));
    let signals = freeze_state(&mut guest, "signals", "signals");
    freeze_state(&mut guest, "threads", "threads");
    freeze_ready(&mut guest, "handler", "handler");
    let far = freeze_ready(&mut guest, "far", "far");
    guest.run("cp /bin/far /disk/program").unwrap();
    let installed = freeze_ready(&mut guest, "installed", "/disk/program");
    let appends = "sh -c 'exec far >>/disk/log.out 2>&1'";
    let log = freeze_ready(&mut guest, "log", appends);
    guest.run("cp /disk/counter.img /disk/old.img").unwrap();
    for name in [
        "sum",
        "counter",
        "pipeline",
        "signals",
        "threads",
        "handler",
        "far",
        "installed",
        "log",
    ] {
        convert(&mut guest, name, &old, &new);
    }
    guest.run("umount /disk").unwrap();
    guest.power_off().unwrap();

    lesser_machine(&machine, &new);
    let mut guest = machine.boot(&new, initramfs()).unwrap();
    mount(&mut guest);
    guest.run(HURRY).unwrap();
    let said = guest.attempt("kconv thaw /disk/old.img", LIMIT).unwrap();
    assert_eq!(said.code, 2, "{}", said.stderr);
    let command = format!("kconv {} {} /disk/old.img", old.release, new.release);
    assert!(said.stderr.contains(&command), "{}", said.stderr);
    far_addresses(&mut guest, far);
    obstacles(&mut guest, sum, counter);
    other_files(&mut guest, counter);
    installed_anew(&mut guest, installed);
    grown(&mut guest, log);
    of_kconv_itself(&mut guest);
    half_way(&mut guest, pipeline);
    mutants(&mut guest, sum, counter, signals);
    guest.power_off().unwrap();
}

/// A machine that lacks what programs had: instructions, registers, addresses.
fn lesser_machine(machine: &Machine, kernel: &Kernel) {
    let machine = Machine {
        cpu: format!("{},-avx2", Machine::default().cpu),
        command_line: "noxsave no5lvl".to_owned(),
        ..machine.clone()
    };
    let mut guest = machine.boot(kernel, initramfs()).unwrap();
    mount(&mut guest);
    let texts = [
        "register state (XCR0): found 0x3",
        "the CPU: found no avx2, expected avx2",
    ];
    let thaw = "kconv thaw --dry-run /disk/counter.img";
    refused(&mut guest, ":", thaw, &texts, ":");
    let texts =
        ["memory at 0x10000000000000-0x10000000002000: found addresses up to 0x7ffffffff000"];
    let thaw = "kconv thaw --dry-run /disk/far.img";
    refused(&mut guest, ":", thaw, &texts, ":");
    guest.run("umount /disk").unwrap();
    guest.power_off().unwrap();
}

/// Memory that only page tables of five levels reach.
fn far_addresses(guest: &mut Guest, far: u32) {
    guest.run("kconv thaw /disk/far.img").unwrap();
    guest.run(&format!("kill -USR1 {far}")).unwrap();
    assert_eq!(ended(guest, "far", far), "ready\nright\n");
}

fn obstacles(guest: &mut Guest, sum: u32, counter: u32) {
    let (thaw_sum, thaw_counter) = ("kconv thaw /disk/sum.img", "kconv thaw /disk/counter.img");
    let dry = guest.run("kconv thaw --dry-run /disk/counter.img").unwrap();
    assert!(dry.contains("nothing is in the way"), "{dry}");

    let before = counter - 1;
    refused(
        guest,
        &format!(
            "echo {before} >/proc/sys/kernel/ns_last_pid; sleep 1000 & \
             echo 3000 >/proc/sys/kernel/ns_last_pid; test $! = {counter}"
        ),
        thaw_counter,
        &[&format!("number {counter}: found in use: sleep")],
        &format!("kill {counter}; while [ -d /proc/{counter} ]; do usleep 10000; done"),
    );
    let back = "rm -rf /disk/sum.out; mv /disk/kept /disk/sum.out";
    let task = format!("task {sum} (busybox): regular file /disk/sum.out");
    refused(
        guest,
        "mv /disk/sum.out /disk/kept",
        thaw_sum,
        &[&format!("{task}: found nothing of this name")],
        "mv /disk/kept /disk/sum.out",
    );
    refused(
        guest,
        "mv /disk/sum.out /disk/kept; mkdir /disk/sum.out",
        thaw_sum,
        &[&format!(
            "{task}: found a directory, expected a regular file"
        )],
        back,
    );
    // Everything that is wrong with it at once.
    refused(
        guest,
        "mv /disk/sum.out /disk/kept; echo more >/disk/sum.out",
        thaw_sum,
        &[
            &format!("{task} (recognised by inode, size and time): found size 5, expected size 0"),
            "found inode",
            "found time of the last change",
            "error: 3 things are in the way",
        ],
        back,
    );
    // With some of these no other program can be run meanwhile: all is in one shell.
    let thaw_threads = "kconv thaw /disk/threads.img";
    for (file, value, thaw, text) in [
        (
            "vm/max_map_count",
            25,
            thaw_threads,
            "vm.max_map_count: found 25, expected at least",
        ),
        (
            "fs/nr_open",
            2048,
            thaw_counter,
            "fs.nr_open: found 2048, expected at least 4096",
        ),
        (
            "kernel/pid_max",
            10_000,
            thaw_counter,
            "kernel.pid_max: found 10000, expected more than",
        ),
        (
            "vm/mmap_min_addr",
            8_388_608,
            thaw_counter,
            "found vm.mmap_min_addr = 0x800000, expected at most",
        ),
    ] {
        let file = format!("/proc/sys/{file}");
        let thaw = format!(
            "was=$(cat {file}); echo {value} >{file}; {thaw}; code=$?; echo $was >{file}; exit $code"
        );
        refused(guest, ":", &thaw, &[text], ":");
    }
    let texts = ["the vDSO: found a handler of a signal that returns into the old one"];
    refused(guest, ":", "kconv thaw /disk/handler.img", &texts, ":");
}

/// Files that have the name and the size of those at the freeze, and are others.
fn other_files(guest: &mut Guest, counter: u32) {
    let thaw_counter = "kconv thaw /disk/counter.img";
    let program = guest.get("/bin/counter").unwrap();
    let mut other = program.clone();
    // The head of the note: lengths of owner and ID, NT_GNU_BUILD_ID.
    let head = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let note = other.windows(16).position(|bytes| bytes == head).unwrap();
    other[note + 16] ^= 1;
    guest.put("/tmp/other", &other, 0o755).unwrap();
    let texts = [
        &format!(
            "task {counter} (counter): regular file /bin/counter (recognised by size and build ID)"
        ),
        "found build ID",
    ];
    let kept = "mv /bin/counter /tmp/counter && mv /tmp/other /bin/counter";
    let back = "mv /tmp/counter /bin/counter";
    refused(guest, kept, thaw_counter, &texts, back);

    // The shell itself needs that device: all is in one.
    let device = |minor| format!("rm /dev/null; mknod -m 666 /dev/null c 1 {minor}");
    let (other, right) = (device(5), device(3));
    let thaw = format!("{other}; {thaw_counter}; code=$?; {right}; exit $code");
    let texts = ["character device /dev/null: found 1:5, expected 1:3"];
    refused(guest, ":", &thaw, &texts, ":");
}

/// A program on a disk that was installed anew, as by a package of the same version.
fn installed_anew(guest: &mut Guest, pid: u32) {
    let stamps = "stat -c '%i %Y' /disk/program";
    let before = guest.run(stamps).unwrap();
    let anew =
        "cp /disk/program /disk/new; touch -d @1000000000 /disk/new; mv /disk/new /disk/program";
    guest.run(anew).unwrap();
    assert_ne!(guest.run(stamps).unwrap(), before);
    guest.run("kconv thaw /disk/installed.img").unwrap();
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    assert_eq!(ended(guest, "installed", pid), "ready\nright\n");
}

/// A log that others wrote to meanwhile.
fn grown(guest: &mut Guest, pid: u32) {
    guest.run("echo meanwhile >>/disk/log.out").unwrap();
    let said = guest.attempt("kconv thaw -v /disk/log.img", LIMIT).unwrap();
    assert_eq!(said.code, 0, "{}", said.stderr);
    let told = "the end of /disk/log.out, to which it appends: 10 bytes further on";
    let all = format!("{}{}", said.stdout, said.stderr);
    assert!(all.contains(told), "{all}");
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    assert_eq!(ended(guest, "log", pid), "ready\nmeanwhile\nright\n");
}

/// What keeps kconv from making anything.
fn of_kconv_itself(guest: &mut Guest) {
    let thaw = "kconv thaw /disk/counter.img";
    for (kconv, text) in [
        (
            format!("unshare -i {thaw}"),
            "ipc namespace: found one of kconv's own",
        ),
        (
            format!("unshare -U -r {thaw}"),
            "user namespace: found one of kconv's own",
        ),
        (
            format!("setpriv --nnp {thaw}"),
            "kconv itself: found no new privileges, expected none",
        ),
        (
            format!("inherits --for-good {thaw}"),
            "kconv itself: found memory that cannot become executable (PR_SET_MDWE), expected none",
        ),
        (
            format!("inherits --for-good {thaw}"),
            "kconv itself: found secure bits that are locked (PR_SET_SECUREBITS), expected none",
        ),
        (
            "chmod 644 /disk/counter.img; echo user:x:1000:1000::/:/bin/sh >>/etc/passwd; \
             start-stop-daemon -S -c user -x /bin/kconv -- thaw /disk/counter.img"
                .to_owned(),
            "kconv itself: found capabilities 0x0, expected all of them",
        ),
        // No program can be started meanwhile: kconv waits until it is time.
        (
            format!(
                "F=/proc/sys/kernel/threads-max; was=$(cat $F); rm -f /tmp/go; \
                 (until [ -e /tmp/go ]; do :; done; exec {thaw}) & \
                 echo 20 >$F; echo >/tmp/go; wait $!; code=$?; echo $was >$F; exit $code"
            ),
            "kernel.threads-max: found 20, expected at least",
        ),
    ] {
        refused(guest, ":", &kconv, &[text], ":");
    }
}

/// A thaw that fails when some processes are made already.
fn half_way(guest: &mut Guest, pid: u32) {
    let digest = guest.run("sha256sum /disk/pipeline.img").unwrap();
    let said = guest
        .attempt(
            "mkdir /sys/fs/cgroup/few; echo 5 >/sys/fs/cgroup/few/pids.max; \
             sh -c 'echo $$ >/sys/fs/cgroup/few/cgroup.procs; exec kconv thaw /disk/pipeline.img'",
            LIMIT,
        )
        .unwrap();
    println!("{}", said.stderr);
    assert_eq!(said.code, 3, "{}{}", said.stdout, said.stderr);
    let text = ": making it: clone3: EAGAIN";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    // One or two of the three were there already.
    let first = format!("task {pid}:");
    assert!(!said.stderr.contains(&first), "{}", said.stderr);
    let left = guest.run("ls -d /proc/20??? 2>/dev/null; true").unwrap();
    assert_eq!(left, "");
    assert_eq!(
        guest.run("cat /sys/fs/cgroup/few/cgroup.procs").unwrap(),
        ""
    );
    assert_eq!(guest.run("sha256sum /disk/pipeline.img").unwrap(), digest);
    // Nothing is in the way of another attempt.
    let expected = uninterrupted(program("pipeline").command);
    assert_eq!(thaw(guest, "pipeline", pid), expected);
}

/// Thaws an image after a change to it.
fn thaw_mutant(guest: &mut Guest, name: &str, change: impl FnOnce(&mut Mutant)) {
    let mut mutant = Mutant::new(guest.get(&format!("/disk/{name}.img")).unwrap());
    change(&mut mutant);
    guest
        .put("/disk/mutant.img", &mutant.finish(), 0o600)
        .unwrap();
    guest.run("kconv verify /disk/mutant.img").unwrap();
    guest.run("kconv thaw /disk/mutant.img").unwrap();
}

fn mutants(guest: &mut Guest, sum: u32, counter: u32, signals: u32) {
    let stack = |guest: &mut Guest| {
        let maps = guest
            .run(&format!("grep stack /proc/{counter}/maps"))
            .unwrap();
        guest.run(&format!("kill -9 {counter}")).unwrap();
        maps
    };
    thaw_mutant(guest, "counter", |_| ());
    let right = stack(guest);
    thaw_mutant(guest, "counter", |mutant| {
        let ty = "vm_area_struct";
        // VM_GROWSDOWN
        let grows = |id: &ObjectId| mutant.get(*id, ty, "vm_flags") & 0x100 != 0;
        let stack = mutant.objects(ty).into_iter().find(grows).unwrap();
        let start = mutant.get(stack, ty, "vm_start");
        mutant.set(stack, ty, "vm_start", start + 4096);
    });
    let wrong = stack(guest);
    assert_ne!(wrong, right);

    thaw_mutant(guest, "counter", |mutant| {
        let registers = mutant.objects("pt_regs")[0];
        for name in ["ax", "cx", "dx"] {
            let value = mutant.get(registers, "pt_regs", name);
            mutant.set(registers, "pt_regs", name, value ^ 1);
        }
    });
    let wrong = ended(guest, "counter", counter);
    assert_ne!(wrong, uninterrupted(program("counter").command));

    thaw_mutant(guest, "sum", |mutant| {
        let file = mutant.file("/disk/data");
        let position = mutant.get(file, "file", "f_pos");
        mutant.set(file, "file", "f_pos", position + 4096);
    });
    let wrong = ended(guest, "sum", sum);
    let right = guest.run(program("sum").command).unwrap();
    assert_eq!(wrong.len(), right.len());
    assert_ne!(wrong, right);

    thaw_mutant(guest, "signals", |mutant| {
        let task = mutant.objects("task_struct")[0];
        let blocked = mutant.get(task, "task_struct", "saved_sigmask.sig[0]");
        // SIGWINCH
        mutant.set(
            task,
            "task_struct",
            "saved_sigmask.sig[0]",
            blocked ^ 1 << 27,
        );
    });
    guest.run(&format!("kill -USR1 {signals}")).unwrap();
    guest
        .says(signals, "/disk/signals.out", " checks", LIMIT)
        .unwrap();
    let verdict = guest.run("tail -n +2 /disk/signals.out").unwrap();
    assert!(
        verdict.contains("signals: signal 28: blocked is 1"),
        "{verdict}"
    );
    assert!(verdict.contains("WRONG, 1 of"), "{verdict}");
}
