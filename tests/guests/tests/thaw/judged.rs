//! What could not be thawed is told when it is frozen, before anything is lost; and what is wrong with
//! one process is its own matter.

use super::mutation::Mutant;
use super::{LIMIT, ended, initramfs, machine, mount, number, uninterrupted};
use kconv_guests::{Guest, Kernel, Output};

const COUNTER: &str = "counter 400000000";
const PIPELINE: &str = "pipeline 300";

/// Waits until a process is stopped.
const STOPPED: &str = "until grep -q 'State:.*T' /proc/$pid/status; do [ -d /proc/$pid/fd ] || \
                       exit 9; usleep 10000; done";

#[test]
fn one_list_says_what_is_carried_and_what_is_wrong_with_one_process_is_its_own() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&new, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    stop_signals(&mut guest);
    stopped_job(&mut guest);
    refused_when_frozen(&mut guest, &old);
    refused_before_a_reboot(&mut guest, &old);
    some_of_an_image(&mut guest);
    guest.power_off().unwrap();
}

/// A SIGSTOP that waits: one more for a process that is stopped already, and one for a process whose
/// cgroup is frozen. Both are stopped after the thaw, until SIGCONT comes.
fn stop_signals(guest: &mut Guest) {
    let expected = uninterrupted(COUNTER);
    let group = "/sys/fs/cgroup/held";
    for (name, stop) in [
        (
            "twice",
            format!(
                "kill -STOP $pid; {STOPPED}; kill -STOP $pid; \
                 kconv freeze --kill $pid -o /disk/twice.img"
            ),
        ),
        (
            "held",
            format!(
                "mkdir {group}; echo $pid >{group}/cgroup.procs; echo 1 >{group}/cgroup.freeze; \
                 until grep -q 'frozen 1' {group}/cgroup.events; do usleep 10000; done; \
                 kill -STOP $pid; kconv freeze --kill --cgroup {group} -o /disk/held.img && \
                 echo 0 >{group}/cgroup.freeze"
            ),
        ),
    ] {
        let out = format!("/disk/{name}.out");
        let pid = guest.start(COUNTER, &out).unwrap();
        let said = guest.run(&format!(
            "pid={pid}; until grep -qx counter /proc/$pid/comm; do usleep 10000; done; {stop} && \
             while [ -d /proc/$pid/fd ]; do usleep 10000; done; \
             kconv inspect /disk/{name}.img --task $pid"
        ));
        let said = said.unwrap();
        assert!(said.contains("SIGSTOP") || said.contains(" 19"), "{said}");
        let said = guest.run(&format!(
            "pid={pid}; kconv thaw /disk/{name}.img && {STOPPED} && kill -CONT $pid"
        ));
        println!("{name}: {}", said.unwrap());
        assert_eq!(ended(guest, name, pid), expected);
    }
}

/// A job that the terminal's signal has stopped, without the shell that started it: its group is orphaned
/// after the thaw, in which that signal would not stop it.
fn stopped_job(guest: &mut Guest) {
    let shell = "import os, time\n\
                 pid = os.fork()\n\
                 if pid == 0:\n    \
                     os.setpgid(0, 0)\n    \
                     os.execlp('counter', *'COUNTER'.split())\n\
                 open('/tmp/job', 'w').write(str(pid))\n\
                 print('ready', flush=True)\n\
                 time.sleep(1000)\n";
    let shell = shell.replace("COUNTER", COUNTER);
    guest.put("/tmp/shell.py", shell.as_bytes(), 0o644).unwrap();
    let shell = ready(guest, "job", "setsid python3 /tmp/shell.py");
    let job = guest.run("cat /tmp/job").unwrap();
    let said = guest
        .run(&format!(
            "pid={job}; until grep -qx counter /proc/$pid/comm; do usleep 10000; done; \
             kill -TSTP $pid; {STOPPED}; kconv freeze --kill $pid -o /disk/job.img && \
             kill -9 {shell}; while [ -d /proc/$pid/fd ]; do usleep 10000; done; \
             kconv thaw /disk/job.img && {STOPPED} && kill -CONT $pid"
        ))
        .unwrap();
    println!("{said}");
    let expected = format!("ready\n{}", uninterrupted(COUNTER));
    assert_eq!(ended(guest, "job", job.parse().unwrap()), expected);
}

/// Starts a program, and waits until it says that it is ready.
fn ready(guest: &mut Guest, name: &str, command: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    let pid = guest.start(command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    pid
}

/// A command that is refused for reasons that have `texts` in them.
fn refused(guest: &mut Guest, command: &str, texts: &[String]) -> Output {
    let said = guest.attempt(command, LIMIT).unwrap();
    println!("# {command}\n{}", said.stderr);
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    for text in texts {
        assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    }
    said
}

/// What only the thaw used to refuse, when the tasks had been killed.
fn refused_when_frozen(guest: &mut Guest, next: &Kernel) {
    let terminal = ready(
        guest,
        "terminal",
        "sh -c 'exec setsid -c sh -c \"exec handler </dev/null\" </dev/ttyS0'",
    );
    let ended = ready(guest, "first", "refused leader");
    let half = guest.start("pipeline 1000000", "/disk/half.out").unwrap();
    let orphans = "setsid sh -c '(sleep 1000 & echo $! >/tmp/orphan); echo ready; exec sleep 1000'";
    let leader = ready(guest, "leader", orphans);
    let orphan = guest
        .run(&format!(
            "until grep -qx sleep /proc/{leader}/comm && \
             [ $(wc -w </proc/{half}/task/{half}/children) = 2 ]; do usleep 20000; done; \
             cat /tmp/orphan"
        ))
        .unwrap();
    let orphan: u32 = orphan.trim().parse().unwrap();
    let sound = ready(guest, "sound", "handler");
    let all = [terminal, ended, half, leader, orphan, sound];
    let pids = all.map(|pid| pid.to_string()).join(" ");
    let told = [
        format!("refused: task {terminal} (handler): controlling terminal: found ttyS0"),
        format!("refused: task {ended} (refused): first thread: found one that ended before"),
        format!("refused: task {half} (pipeline): pipe "),
        format!(
            "refused: task {orphan} (sleep): session: found that of task {leader} (sleep), which is \
             no ancestor"
        ),
        "cannot be saved; no image was written".to_owned(),
    ];
    let freeze = format!("kconv freeze --kill {pids} -o /disk/never.img");
    let said = refused(guest, &freeze, &told);
    assert!(
        !said.stderr.contains(&format!("task {sound} ")),
        "{}",
        said.stderr
    );
    // An upgrade asks for the kernel that it leads to.
    for (path, contents) in [
        ("/tmp/vmlinuz", std::fs::read(&next.vmlinuz).unwrap()),
        ("/tmp/initrd", initramfs().archive(next).unwrap()),
    ] {
        guest.put(path, &contents, 0o600).unwrap();
    }
    let upgrade = "kconv upgrade --kernel /tmp/vmlinuz --initrd /tmp/initrd --queue /disk/upgrades";
    refused(guest, &format!("{upgrade} {pids}"), &told);
    // What stands in memory is known when it has been read, and before anybody is killed.
    let returns = format!(
        "obstacle: task {sound} (handler): the vDSO: found a handler of a signal that returns into"
    );
    refused(guest, &format!("{upgrade} {sound}"), &[returns]);
    // Nobody was killed, nobody is traced, and nothing was written.
    let left = guest
        .run(&format!(
            "for pid in {pids}; do grep TracerPid /proc/$pid/status; \
             done; ls -A /disk | grep never; ls -A /disk/upgrades; true"
        ))
        .unwrap();
    assert_eq!(left, "TracerPid:\t0\n".repeat(all.len()));
    guest.run(&format!("kill -9 {pids}")).unwrap();
    lacking(guest, upgrade);
}

/// What this machine lacks for a thaw is a warning where tasks run on. Where they are to be killed it is refused,
/// unless they are killed anyway: it may be there where the image is thawed.
fn lacking(guest: &mut Guest, upgrade: &str) {
    const OUT: &str = "/disk/lacking.out";
    // A program of the disk, which can be mounted in other ways.
    let program = "echo $$ >/sys/fs/cgroup/slow/cgroup.procs; cp /bin/counter /disk/lacking && exec /disk/lacking 3000000000";
    let pid = guest.start(&format!("sh -c '{program}'"), OUT).unwrap();
    let wait = format!("until grep -qx lacking /proc/{pid}/comm; do usleep 10000; done");
    guest.run(&wait).unwrap();
    let image = "/disk/lacking.img";
    let refused_kill = format!("kconv freeze --kill {pid} -o {image}");
    let files = "/proc/sys/fs/nr_open";
    let lacks = [
        (
            format!("echo 1024 >{files}"),
            format!("echo 1048576 >{files}"),
            "fs.nr_open: found 1024, expected at least 4096 [limit.files]".to_owned(),
            "set it higher with sysctl",
        ),
        (
            format!("chattr +i {OUT}"),
            format!("chattr -i {OUT}"),
            format!(
                "regular file {OUT}: found one that cannot be opened to be written (EPERM: Operation not \
                 permitted), expected one that can be opened as it was [file.open]"
            ),
            "take from it what keeps even root from writing (lsattr and chattr: immutable, append-only)",
        ),
        (
            format!("chattr +a {OUT}"),
            format!("chattr -a {OUT}"),
            format!("regular file {OUT}: found one that cannot be opened to be written (EPERM"),
            "take from it what keeps even root from writing (lsattr and chattr: immutable, append-only)",
        ),
        (
            "mount -o remount,noexec /disk".to_owned(),
            "mount -o remount,exec /disk".to_owned(),
            "regular file /disk/lacking: found a file system that is mounted with noexec, expected one \
             from which programs are executed [file.noexec]"
                .to_owned(),
            "mount it with exec (mount -o remount,exec)",
        ),
    ];
    for (before, after, text, advice) in &lacks {
        let mut said = |command: &str| {
            let command = format!("{before}; {command}; code=$?; {after}; exit $code");
            let said = guest.attempt(&command, LIMIT).unwrap();
            println!("# {command}\n{}", said.stderr);
            said
        };
        let warned = said(&format!("kconv freeze {pid} -o {image} && rm {image}"));
        assert_eq!(warned.code, 0, "{warned:?}");
        let warning = format!(
            "warning: a thaw on this machine would be refused: task {pid} (lacking): {text}"
        );
        for part in [&warning, *advice] {
            assert!(warned.stderr.contains(part), "{part}: {warned:?}");
        }
        for command in [&refused_kill, &format!("{upgrade} {pid}")] {
            let refused = said(command);
            assert_eq!(refused.code, 1, "{refused:?}");
            let told = format!("refused: task {pid} (lacking): {text}");
            for part in [&told, *advice, "cannot be saved; no image was written"] {
                assert!(refused.stderr.contains(part), "{part}: {refused:?}");
            }
            let anyway = refused.stderr.contains("; --anyway kills it without\n");
            assert_eq!(anyway, command == &refused_kill, "{refused:?}");
        }
    }
    let (before, after, text, _) = &lacks[1];
    let gone = format!("while [ -d /proc/{pid}/fd ]; do usleep 10000; done");
    let killed = guest
        .attempt(
            &format!("{before} && {refused_kill} --anyway && {gone} && kconv thaw {image}"),
            LIMIT,
        )
        .unwrap();
    assert_eq!(killed.code, 1, "{killed:?}");
    for word in [
        "warning: a thaw on this machine would be refused",
        "obstacle",
    ] {
        let told = format!("{word}: task {pid} (lacking): {text}");
        assert!(killed.stderr.contains(&told), "{told}: {killed:?}");
    }
    guest
        .run(&format!(
            "{after} && kconv thaw {image} && rm {image} && echo {pid} >/sys/fs/cgroup/cgroup.procs"
        ))
        .unwrap();
    assert_eq!(
        ended(guest, "lacking", pid),
        uninterrupted("counter 3000000000")
    );
}

/// The same is asked of an image before a reboot.
fn refused_before_a_reboot(guest: &mut Guest, next: &Kernel) {
    let mut mutant = Mutant::new(guest.get("/disk/twice.img").unwrap());
    let registers = mutant.objects("pt_regs")[0];
    // USER32_CS (arch/x86/include/asm/segment.h).
    mutant.set(registers, "pt_regs", "cs", 0x23);
    let mutant = mutant.finish();
    guest.put("/disk/mutant.img", &mutant, 0o600).unwrap();
    let next = &next.release;
    let sound = guest.run(&format!("kconv preflight /disk/twice.img {next}"));
    assert!(sound.unwrap().contains("nothing stands in the way"));
    let text = "the processor's mode: found 32-bit code, expected none";
    let told = format!("(counter): {text} [task.32-bit]");
    let preflight = format!("kconv preflight /disk/mutant.img {next}");
    let said = refused(guest, &preflight, std::slice::from_ref(&told));
    assert!(
        said.stderr.contains("one thing is in the way of a thaw"),
        "{said:?}"
    );
    for format in ["json", "sarif"] {
        let said = guest.attempt(&format!("{preflight} --format {format}"), LIMIT);
        let said = said.unwrap();
        assert_eq!(said.code, 1, "{said:?}");
        let said: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
        if format == "json" {
            let finding = &said["findings"][0];
            assert_eq!(finding["text"], text, "{said:#}");
            assert_eq!(finding["code"], "task.32-bit", "{said:#}");
            assert_eq!(finding["task"]["comm"], "counter", "{said:#}");
        } else {
            let message = &said["runs"][0]["results"][0]["message"]["text"];
            assert!(message.as_str().unwrap().contains(&told), "{said:#}");
        }
    }
    guest.run("rm /disk/mutant.img").unwrap();
}

/// An image of five processes, of which one lacks its folder: the others are made without it, and it
/// when the folder is there again.
fn some_of_an_image(guest: &mut Guest) {
    let start = |guest: &mut Guest, name: &str, command: &str| {
        let slowly = format!("sh -c 'echo $$ >/sys/fs/cgroup/slow/cgroup.procs; {command}'");
        guest.start(&slowly, &format!("/disk/{name}.out")).unwrap()
    };
    let counter = start(guest, "counter", &format!("exec {COUNTER}"));
    let lost = start(
        guest,
        "lost",
        &format!("mkdir /tmp/gone; cd /tmp/gone; exec {COUNTER}"),
    );
    let pipeline = start(guest, "pipeline", &format!("exec {PIPELINE}"));
    let child = guest
        .run(&format!(
            "until grep -qx counter /proc/{lost}/comm && grep -qx counter /proc/{counter}/comm && \
             [ $(wc -w </proc/{pipeline}/task/{pipeline}/children) = 2 ]; do usleep 20000; done; \
             cut -d' ' -f1 /proc/{pipeline}/task/{pipeline}/children"
        ))
        .unwrap();
    let child = child.trim();
    guest
        .run(&format!(
            "kconv freeze --tree --kill {counter} {lost} {pipeline} -o /disk/all.img && \
             rmdir /tmp/gone; while [ -d /proc/{counter}/fd ] || [ -d /proc/{lost}/fd ] || \
             [ -d /proc/{pipeline}/fd ] || [ -d /proc/{child}/fd ]; do usleep 10000; done"
        ))
        .unwrap();
    let thaw = "kconv thaw /disk/all.img";
    let missing =
        format!("obstacle: task {lost} (counter): directory /tmp/gone: found nothing of this name");
    let apart = format!("`kconv thaw --except {lost}` makes the other 4 processes");
    refused(guest, thaw, &[missing.clone(), apart]);
    refused(guest, &format!("{thaw} --only {lost}"), &[missing]);
    // A pipe with an end in a process that is left out.
    let pipe = format!("task {child} (pipeline): pipe ");
    refused(guest, &format!("{thaw} --only {child}"), &[pipe]);
    let said = guest.attempt(&format!("{thaw} --only 1"), LIMIT).unwrap();
    assert_eq!(said.code, 2, "{said:?}");
    let expected = "the image has no process 1; it has ";
    assert!(said.stderr.contains(expected), "{said:?}");
    let said = guest.run(&format!("{thaw} -v --except {lost}")).unwrap();
    println!("{said}");
    assert!(
        said.contains(&format!(
            "left-out  task {lost} (counter): it is not made [task.left-out]\n"
        )),
        "{said}"
    );
    assert!(said.contains("in 4 processes"), "{said}");
    guest
        .run(&format!(
            "! test -e /proc/{lost} && mkdir /tmp/gone && {thaw} --only {lost}"
        ))
        .unwrap();
    let expected = uninterrupted(COUNTER);
    assert_eq!(ended(guest, "counter", counter), expected);
    assert_eq!(ended(guest, "lost", lost), expected);
    assert_eq!(ended(guest, "pipeline", pipeline), uninterrupted(PIPELINE));
}
