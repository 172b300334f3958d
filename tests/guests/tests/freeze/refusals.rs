//! What a freeze refuses, it refuses by name: all of it at once, and the tasks run on.

use super::{LIMIT, refused};
use kconv_guests::Guest;

/// What a process has that cannot be carried, as `refused` calls it, and what is said of it.
const KINDS: [(&str, &[&str]); 68] = [
    ("socket", &["a socket (unix, inode "]),
    ("inet", &["a socket (inet, inode "]),
    ("netlink", &["a socket (netlink, inode "]),
    ("eventfd", &["an eventfd that the kernel itself adds to"]),
    (
        "epoll",
        &["an epoll that waits at a file that no task of the image has open, added as descriptor "],
    ),
    (
        "timerfd",
        &["a timerfd that wakes the machine up (clock 9)"],
    ),
    ("signalfd", &["a signalfd that others have open as well"]),
    ("inotify", &["anon_inode:inotify cannot"]),
    ("pidfd", &["pidf"]),
    (
        "pair-rights",
        &[") with descriptors that wait to be received (SCM_RIGHTS) cannot"],
    ),
    ("pair-option", &[") with SO_PASSCRED"]),
    (
        "pair-parted",
        &["is not with the tasks, cannot be carried [fd.socket.unix]"],
    ),
    (
        "memfd",
        &["/memfd:memory, which others have as well, cannot"],
    ),
    (
        "memfd-sealed",
        &["/memfd:sealed, which is sealed against writing (F_ADD_SEALS) and mapped shared at 0x"],
    ),
    ("mqueue", &["queue of mqueue, which has no path"]),
    ("perf", &["anon_inode:[perf_event] cannot"]),
    ("unlinked", &["/tmp/unlinked, which was unlinked"]),
    ("lines", &["/tmp/two\\nrefused: lines, which was unlinked"]),
    ("latin", &["xe4tin, a name that is not UTF-8, cannot"]),
    ("directory", &["/tmp/removed, which was unlinked"]),
    ("device", &["the device /dev/rtc0 ("]),
    ("device-mapping", &["a mapping of a device at 0x"]),
    ("hugetlb", &["a mapping of hugetlbfs at 0x"]),
    ("shm", &["SYSV00000000 of tmpfs, which has no path"]),
    ("io_uring", &["anon_inode:[io_uring] cannot"]),
    ("sqpoll", &["anon_inode:[io_uring] cannot"]),
    ("aio", &["an asynchronous I/O context (io_setup)"]),
    (
        "userfaultfd",
        &["anon_inode:[userfaultfd] cannot", "a userfaultfd cannot"],
    ),
    ("lease", &["a lease on a file"]),
    (
        "packets",
        &["a pipe with packets (O_DIRECT) and with bytes that belong to none cannot be carried"],
    ),
    (
        "sem-undo",
        &["an adjustment of System V semaphores (SEM_UNDO)"],
    ),
    ("breakpoint", &["a breakpoint that a tracer set"]),
    ("uprobe", &["a uprobe in the program"]),
    ("listener", &["a seccomp filter with a listener"]),
    ("uts", &["a uts namespace of its own ("]),
    ("ipc", &["an ipc namespace of its own ("]),
    ("net", &["a net namespace of its own ("]),
    ("mount", &["a mount namespace of its own ("]),
    ("cgroup", &["a cgroup namespace of its own ("]),
    (
        "time",
        &["a time namespace that only the next child will be in"],
    ),
    ("pid", &["a pid namespace of its own ("]),
    ("user", &["a user namespace of its own ("]),
    (
        "pty-master",
        &["the master of a pseudo-terminal (/dev/ptmx)"],
    ),
    ("terminal", &[NOT_ITS_TERMINAL]),
    (
        "terminal-of-another",
        &[NOT_ITS_TERMINAL, "the controlling terminal pts"],
    ),
    ("terminal-leader", &["the controlling terminal pts"]),
    ("terminal-hung-up", &["which was hung up, cannot"]),
    (
        "mounted-over",
        &["/tmp/over, over which something else was mounted, cannot"],
    ),
    (
        "file-mounted-over",
        &["/tmp/over.file, over which something else was mounted, cannot"],
    ),
    (
        "descriptor-of-memory",
        &["descriptor 3, memory shared without a file that was opened by its mapping"],
    ),
    (
        "signals-of-another",
        &[
            "whose signals go to process ",
            ", which is not frozen with it, cannot",
        ],
    ),
    (
        "dispatch",
        &["a dispatch of all system calls, without a selector"],
    ),
    (
        "memory-of-another",
        &["memory (CLONE_VM) shared with process "],
    ),
    (
        "files-of-another",
        &["a descriptor table (CLONE_FILES) shared with process "],
    ),
    (
        "folders-of-another",
        &["root, working directory and umask (CLONE_FS) shared with process "],
    ),
    (
        "priority-of-another",
        &["an I/O priority (CLONE_IO) shared with process "],
    ),
    (
        "label",
        &["the label :refused:unconfined of a security module cannot"],
    ),
    (
        "segments",
        &["segments of a thread's own (set_thread_area)"],
    ),
    (
        "ipc-wait",
        &["msgrcv, which waits by a System V identifier"],
    ),
    (
        "proc-of-another",
        &["directory /proc/1: found one about a task that is not in the image"],
    ),
    (
        "proc-folder",
        &[
            "working directory: found /proc/",
            ", expected one outside of /proc/PID",
        ],
    ),
    (
        "notify",
        &["directory /tmp/notified: found a signal at its changes (F_NOTIFY)"],
    ),
    (
        "pressure",
        &["/proc/pressure/memory: found a trigger for pressure"],
    ),
    (
        "pressure-of-cgroup",
        &["/sys/fs/cgroup/cpu.pressure: found a trigger for pressure"],
    ),
    ("landlock", &["a sandbox of Landlock cannot"]),
    ("terminal-path", &[NOT_ITS_TERMINAL]),
    (
        "pipe-reader",
        &["is read from by others, who are not frozen"],
    ),
    (
        "fifo-ends",
        &[
            "FIFO /tmp/refused.fifo is read from by others",
            "FIFO /tmp/refused.fifo is written to by others",
        ],
    ),
];

const NOT_ITS_TERMINAL: &str = ", which is not the controlling terminal of the process, cannot";

/// Starts `refused`, and gives its number and that of its second process.
fn start(guest: &mut Guest, kinds: &str) -> (u32, u32) {
    let output = format!("/tmp/refused-{}", kinds.replace(' ', "-"));
    // A uprobe needs a program on a disk.
    guest
        .start(&format!("/disk/refused {kinds}"), &output)
        .unwrap();
    guest.wait_for(&output, "", LIMIT).unwrap();
    let said = guest.run(&format!("cat {output}")).unwrap();
    assert!(said.starts_with("ready "), "{said}");
    let mut numbers = said.split_whitespace().skip(1);
    let mut number = || numbers.next().unwrap().parse().unwrap();
    (number(), number())
}

pub(crate) fn by_name(guest: &mut Guest) {
    guest
        .run(
            "mount -t tracefs tracefs /sys/kernel/tracing; echo 2 >/proc/sys/vm/nr_hugepages; \
              cp /bin/refused /disk/refused; \
              mount -t securityfs securityfs /sys/kernel/security; \
              mkdir /sys/kernel/security/apparmor/policy/namespaces/refused && \
              mkdir -p /sys/fs/cgroup/refused/part && \
              echo threaded >/sys/fs/cgroup/refused/part/cgroup.type",
        )
        .unwrap();
    // A task of each kind: who has them all could not have some of them.
    let mut tasks = Vec::new();
    for (kind, _) in KINDS {
        tasks.push(start(guest, kind).0);
    }
    // What is said of a thread that is not the first.
    let apart = [
        "files-of-a-thread",
        "login-of-a-thread",
        "cgroup-of-a-thread",
    ]
    .map(|kind| start(guest, kind).0);
    // With a child that has ended, and with processes that share their memory.
    let (of_core, dumped) = start(guest, "core-dump");
    let (of_pair, other_of_pair) = start(guest, "memory-of-another");
    let (tracer, _) = start(guest, "tracing");
    let (of_vfork, waiting) = start(guest, "vfork");
    let (many, _) = start(guest, "socket inotify aio uts");
    let traced = guest
        .run(&format!("cat /proc/{tracer}/task/{tracer}/children"))
        .unwrap();
    let traced: u32 = traced.trim().parse().unwrap();
    let mut all: Vec<String> = tasks.iter().map(u32::to_string).collect();
    let more = [
        tracer,
        traced,
        of_vfork,
        waiting,
        many,
        of_core,
        dumped,
        of_pair,
        other_of_pair,
    ];
    all.extend(more.iter().chain(&apart).map(u32::to_string));
    let chosen = format!("{} --report /tmp/refused.json", all.join(" "));
    let output = refused(guest, &chosen, "/tmp/refused.img");
    println!("{}", output.stderr);
    assert_eq!(output.code, 1, "{output:?}");
    let said = |pid: u32, what: &str| {
        let name = match what.contains("lines") {
            true => "two\\nlines",
            false => "refused",
        };
        let task = format!("refused: task {pid} ({name}): ");
        let mut lines = output.stderr.lines();
        lines.any(|line| line.starts_with(&task) && line.contains(what))
    };
    for (pid, (kind, expected)) in tasks.iter().zip(KINDS) {
        for what in expected {
            assert!(said(*pid, what), "{kind} of {pid}: {what}");
        }
    }
    let mut lines = output.stderr.lines();
    assert!(lines.any(|line| line.contains("(iou-sqp-") && line.contains("a worker of io_uring")));
    for what in [
        "a descriptor table (CLONE_FILES) of a thread that is not that of its process",
        "a login user that is not that of its process",
        "a cgroup of a thread that is not that of its process",
    ] {
        assert!(output.stderr.contains(what), "{what}");
    }
    assert!(said(dumped, "a child that ended with a core dump"));
    let text = format!("memory (CLONE_VM) shared with process {of_pair} cannot");
    assert!(said(other_of_pair, &text));
    assert!(said(tracer, "tracing other tasks cannot"));
    let by = format!("being traced by task {tracer} (refused) cannot be carried");
    assert!(said(traced, &by));
    // Who waits in a vfork is not stopped, and is not called stuck.
    let child = format!("it waits in a vfork until its child, task {of_vfork} (refused), calls");
    assert!(said(waiting, &child));
    assert!(!said(waiting, "does not stop") && !said(waiting, "being traced"));
    let parent = format!("vfork: found process {waiting} waiting until this child");
    assert!(said(of_vfork, &parent));
    causes_first(&output.stderr);
    reported(guest, &output.stderr);
    for what in ["a socket", "inotify", "(io_setup)", "a uts namespace"] {
        assert!(said(many, what), "{what}");
    }
    // They run on, and wait again.
    let living = [
        &tracer,
        &of_vfork,
        &many,
        &of_core,
        &of_pair,
        &other_of_pair,
    ];
    for pid in tasks.iter().chain(living) {
        let file = format!("/proc/{pid}/status");
        guest.wait_for(&file, "S (sleeping)", LIMIT).unwrap();
    }
    one_alone(guest, tracer, traced, waiting);
    let all = all.join(" ");
    guest
        .run(&format!("kill {all}; echo 0 >/proc/sys/vm/nr_hugepages"))
        .unwrap();
}

/// The report has each refusal of the screen, in its words, once for each task.
fn reported(guest: &mut Guest, said: &str) {
    let report = guest.get("/tmp/refused.json").unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["outcome"], "refused");
    let findings = report["findings"].as_array().unwrap();
    let of = |finding: &serde_json::Value| {
        let text = finding["text"].as_str().unwrap();
        format!("{text} [{}]", finding["code"].as_str().unwrap())
    };
    let lines = || said.lines().filter(|line| line.starts_with("refused: "));
    // What a thaw on this machine would lack is a warning: no reason to refuse, and told when nothing is.
    let refused = |finding: &&serde_json::Value| finding["severity"] == "refused";
    for finding in findings.iter().filter(refused) {
        let text = of(finding);
        assert!(lines().any(|line| line.ends_with(&text)), "{finding:#}");
    }
    for line in lines() {
        let is_reported = |one| line.ends_with(&of(one));
        assert!(findings.iter().any(is_reported), "{line}");
    }
    assert!(findings.len() >= lines().count());
    for (code, text) in [
        ("fd.socket.unix", "a socket (unix, inode "),
        // What protocol a socket has the text does not say.
        ("fd.socket.tcp", "a socket (inet, inode "),
        ("fd.socket.netlink", "a socket (netlink, inode "),
        ("fd.anonymous", "anon_inode:inotify"),
        ("fd.events", "an eventfd that the kernel"),
        ("fd.unlinked", "/tmp/unlinked, which was unlinked"),
        ("mm.aio", "an asynchronous I/O context"),
        ("task.traced", "being traced by"),
        ("task.vfork", "it waits in a vfork"),
        ("namespace.own", "a mount namespace of its own"),
    ] {
        let has = |finding: &&serde_json::Value| finding["text"].as_str().unwrap().contains(text);
        let found = findings.iter().find(has).unwrap();
        assert_eq!(found["code"], code, "{found:#}");
        assert!(found["task"]["pid"].is_u64(), "{found:#}");
    }
}

/// A mount namespace answers for what is in it, and what is no cause comes behind all that is.
fn causes_first(said: &str) {
    let lines: Vec<&str> = said.lines().collect();
    let refused = |line: &&&str| line.starts_with("refused: ");
    let is_cause = |line: &str| {
        [
            "namespace of its own",
            "being traced by",
            "waits in a vfork",
        ]
        .iter()
        .any(|cause| line.contains(cause))
    };
    let refusals: Vec<&str> = lines.iter().filter(refused).copied().collect();
    let causes = refusals.iter().take_while(|line| is_cause(line)).count();
    assert!(causes >= 10, "{said}");
    assert!(
        !refusals[causes..].iter().any(|line| is_cause(line)),
        "{said}"
    );
    let mounts = lines.iter().find(|line| line.contains("a mount namespace"));
    let mounts = mounts.unwrap();
    let count = mounts
        .split("cannot be carried, and with it ")
        .nth(1)
        .unwrap();
    let count: usize = count.split(' ').next().unwrap().parse().unwrap();
    // Its root and its working directory; what it had open before is elsewhere.
    assert_eq!(count, 2, "{mounts}");
    assert!(!said.contains("in mount namespace"), "{said}");
    // Each refusal has one line and one of advice.
    let rest = lines.iter().filter(|line| !line.starts_with("  = "));
    assert_eq!(rest.count(), refusals.len() + 1, "{said}");
}

/// Who cannot be stopped, alone.
fn one_alone(guest: &mut Guest, tracer: u32, traced: u32, waiting: u32) {
    let output = refused(guest, &traced.to_string(), "/tmp/refused.img");
    let expected = format!("task {traced} (refused): task_struct at 0x");
    assert!(output.stderr.contains(&expected), "{output:?}");
    let expected = format!("being traced by task {tracer} (refused) cannot be carried");
    assert!(output.stderr.contains(&expected), "{output:?}");
    assert_eq!(output.code, 1, "{output:?}");
    let output = refused(guest, &waiting.to_string(), "/tmp/refused.img");
    assert!(
        output
            .stderr
            .contains("it waits in a vfork until its child"),
        "{output:?}"
    );
    assert_eq!(output.code, 1, "{output:?}");
    let output = refused(guest, "2", "/tmp/refused.img");
    assert!(
        output
            .stderr
            .contains("thread 2 is one of the kernel's own"),
        "{output:?}"
    );
    let output = refused(guest, "$$", "/tmp/refused.img");
    assert!(output.stderr.contains("is kconv itself"), "{output:?}");
    let output = refused(guest, "99999", "/tmp/refused.img");
    assert!(
        output.stderr.contains("there is no process 99999"),
        "{output:?}"
    );
}
