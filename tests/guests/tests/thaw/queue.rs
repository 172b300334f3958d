//! What upgrades leave in their queue: it is thawed on the kernel that was started, on the one that ran before, and on a
//! third one; what is refused stays, and says why.

use super::{
    HURRY, LIMIT, Program, ended, freeze, initramfs, machine, mount, number, uninterrupted,
};
use kconv_guests::{Guest, Kernel, Output};

const QUEUE: &str = "--queue /disk/queue";

const PROGRAMS: [Program; 3] = [
    Program {
        name: "counted",
        command: "counter 1500000000",
        tree: false,
    },
    Program {
        name: "returned",
        command: "counter 1600000000",
        tree: false,
    },
    Program {
        name: "elsewhere",
        command: "counter 1700000000",
        tree: false,
    },
];

/// As an upgrade from `from` to `to` leaves it when the machine ends before the thaw.
fn left(guest: &mut Guest, upgrade: u32, name: &str, pid: u32, [from, to]: [&str; 2]) {
    let record = format!(
        "{{\"format\":1,\"from\":\"{from}\",\"to\":\"{to}\",\"tasks\":[{{\"pid\":{pid},\"comm\":\"counter\"}}],\"stopped\":0,\"state\":\"converted\"}}"
    );
    let folder = format!("/disk/queue/{upgrade}");
    guest
        .run(&format!(
            "mkdir -m 700 -p {folder} && mv /disk/{name}.img {folder}/frozen.img && chmod 600 {folder}/frozen.img"
        ))
        .unwrap();
    let path = format!("{folder}/upgrade.json");
    guest.put(&path, record.as_bytes(), 0o600).unwrap();
}

fn said(guest: &mut Guest, command: &str) -> Output {
    let said = guest.attempt(command, LIMIT).unwrap();
    println!("{command}: {}\n{}{}", said.code, said.stdout, said.stderr);
    said
}

/// That the program of an upgrade goes on, and ends with what it says when nobody interrupts it.
fn ends(guest: &mut Guest, program: &Program, pid: u32) {
    guest.run(HURRY).unwrap();
    let said = ended(guest, program.name, pid);
    assert_eq!(said, uninterrupted(program.command), "{}", program.name);
}

#[test]
fn what_waits_is_thawed_on_whichever_kernel_runs() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    mount(&mut guest);
    let low = guest.start("sleep 10000", "/disk/low.out").unwrap();
    number(&mut guest, 20_000);
    let status = format!("kconv status {QUEUE}");
    let none = "/disk/queue: no upgrade was begun here\n";
    assert_eq!(said(&mut guest, &status).stdout, none);

    let [counted, returned, elsewhere] = &PROGRAMS;
    let releases = |to: &'static str| [old.release.as_str(), to];
    // The kernel that ran before was booted again.
    let pid = freeze(&mut guest, returned);
    left(&mut guest, 1, returned.name, pid, releases("6.12.0-never"));
    let retried = said(&mut guest, &format!("kconv retry {QUEUE}"));
    assert_eq!(retried.code, 0, "{retried:?}");
    assert!(retried.stdout.starts_with("upgrade 1: thawed after "));
    assert!(
        retried
            .stdout
            .ends_with(&format!(": 1 task: counter ({pid})\n"))
    );
    ends(&mut guest, returned, pid);
    let shown = said(&mut guest, &status).stdout;
    assert!(shown.contains("1  thawed    "), "{shown}");
    let left_over = guest.run("ls /disk/queue/1").unwrap();
    assert_eq!(left_over, "upgrade.json\n");
    // What was thawed is not thawed again.
    let retried = said(&mut guest, &format!("kconv retry {QUEUE}"));
    assert_eq!(
        (retried.code, retried.stdout.as_str()),
        (0, "nothing waits to be thawed\n")
    );

    // Another kernel will be booted than the one that was meant.
    let away = freeze(&mut guest, elsewhere);
    left(
        &mut guest,
        2,
        elsewhere.name,
        away,
        releases("6.12.0-never"),
    );
    // And here the machine ended before anybody was killed.
    guest.run("mkdir -m 700 /disk/queue/3").unwrap();
    let begun = "{\"format\":1,\"from\":\"a\",\"to\":\"b\",\"tasks\":[],\"stopped\":0,\"state\":\"frozen\"}";
    guest
        .put("/disk/queue/3/upgrade.json", begun.as_bytes(), 0o600)
        .unwrap();

    let slowly = format!(
        "sh -c 'echo 10000 >/sys/fs/cgroup/slow/cpu.max; echo $$ >/sys/fs/cgroup/slow/cgroup.procs; exec {}'",
        counted.command
    );
    let pid = guest.start(&slowly, "/disk/counted.out").unwrap();
    guest
        .run(&format!(
            "until grep -qx counter /proc/{pid}/comm; do usleep 20000; done"
        ))
        .unwrap();
    for (path, contents) in [
        ("/tmp/vmlinuz", std::fs::read(&new.vmlinuz).unwrap()),
        ("/tmp/initrd", initramfs().archive(&new).unwrap()),
    ] {
        guest.put(path, &contents, 0o600).unwrap();
    }
    let upgrade = format!("kconv upgrade --kernel /tmp/vmlinuz --initrd /tmp/initrd {QUEUE} {pid}");
    let tried = said(&mut guest, &format!("{upgrade} --dry-run"));
    assert_eq!(tried.code, 0, "{tried:?}");
    assert!(!tried.stderr.contains("pid.boot"), "{tried:?}");
    let warned = said(&mut guest, &format!("{upgrade} {low} --dry-run"));
    assert_eq!(warned.code, 0, "{warned:?}");
    let warning =
        format!("warning: task {low} (sleep): numbers up to 299 are given as a kernel boots");
    assert!(warned.stderr.contains(&warning), "{warned:?}");
    // The one that was thawed has left with it, and of itself nothing is there.
    assert_eq!(guest.run("ls /disk/queue").unwrap(), "2\n3\n");
    guest
        .leaves(&upgrade, "/disk/upgrade.log", &new)
        .unwrap_or_else(|error| panic!("{error}"));
    mount(&mut guest);
    let log = guest.run("cat /disk/upgrade.log").unwrap();
    println!("{log}");
    assert!(log.contains("queue     upgrade 4: /disk/queue/4/next.img"));
    let retry = format!("run `kconv retry {QUEUE}` there");
    assert!(log.contains(&retry), "{log}");

    // One is refused, and keeps none of the others.
    guest.run("mv /disk/counted.out /disk/away").unwrap();
    let retried = said(&mut guest, &format!("kconv retry {QUEUE}"));
    assert_eq!(retried.code, 1, "{retried:?}");
    assert!(retried.stdout.starts_with("upgrade 2: thawed after "));
    let missing = "/disk/counted.out";
    assert!(retried.stderr.contains(missing), "{retried:?}");
    let told = "error: upgrade 4 was not thawed and stays in the queue\n";
    assert!(retried.stderr.contains(told), "{retried:?}");
    let shown = said(&mut guest, &status).stdout;
    for part in ["2  thawed    ", "3  frozen    ", "4  refused   ", missing] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    ends(&mut guest, elsewhere, away);
    guest.run("mv /disk/away /disk/counted.out").unwrap();
    let retried = said(&mut guest, &format!("kconv retry {QUEUE} 4"));
    assert_eq!(retried.code, 0, "{retried:?}");
    ends(&mut guest, counted, pid);

    let json = guest.run(&format!("{status} --json")).unwrap();
    let all: serde_json::Value = serde_json::from_str(&json).unwrap();
    let thawed = &all[2]["record"]["state"]["thawed"];
    assert_eq!(thawed["kernel"], new.release.as_str());
    let after = thawed["after"].as_u64().unwrap();
    assert!((1000..600_000).contains(&after), "{after} ms");
    let forgotten = said(&mut guest, &format!("kconv forget {QUEUE} 3 7"));
    assert_eq!(forgotten.code, 2, "{forgotten:?}");
    assert!(
        forgotten
            .stderr
            .contains("there is no upgrade 7 here; there are 2, 3, 4")
    );
    guest.run(&format!("kconv forget {QUEUE} 3")).unwrap();
    assert_eq!(guest.run("ls /disk/queue").unwrap(), "2\n4\n");
    guest.power_off().unwrap();
}
