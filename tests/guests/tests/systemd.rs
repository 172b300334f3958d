//! Upgrades of a whole Debian with systemd: services go on as the services they are, started by a kernel that has just
//! been booted, and nothing starts a copy of them; what was none goes on in a scope.
//!
//! A Debian is installed into a file for it, with debootstrap: `tests/systemd` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_guests::{Guest, Initramfs, Kernel, LIMIT, Machine, static_kconv};
use std::path::{Path, PathBuf};
use std::process::Command;

const KCONV: &str = "/usr/local/bin/kconv";

/// How many children a job has, so that many numbers side by side are carried.
const CHILDREN: usize = 60;

/// Below the number of the first of them, and above those of the threads that a kernel makes before anything else runs.
const FIRST: u32 = 200;

/// How many services a slice has.
const BATCH: usize = 10;

/// A service as services are: it is enabled, started again when it ends, and says things to the journal.
const WRITER: &str = "[Service]\nExecStartPre=/bin/sh -c 'echo prepared'\nExecStart=/usr/local/bin/writer /srv/writer\n\
                      ExecStopPost=/bin/sh -c 'echo over >>/srv/writer/over'\n\
                      Restart=always\nRestartSec=0\nMemoryMax=64M\nTasksMax=20\nUser=daemon\nStateDirectory=writer\n\
                      [Install]\nWantedBy=multi-user.target\n";

/// Others, which a thaw is refused of.
const WAITING: &str = "[Service]\nExecStart=/usr/local/bin/writer /srv/%p\nStandardOutput=null\nRestart=always\n\
                       [Install]\nWantedBy=multi-user.target\n";

/// What a timer starts.
const COMMAND: &str = "[Service]\nType=oneshot\nExecStart=/usr/local/bin/writer /srv/command\n\
                       StandardOutput=append:/srv/said-by-command\n";

/// What the guest is driven by, as one of its services.
const AGENT: &str = "[Service]\nExecStart=/usr/local/bin/agent\nStandardOutput=journal+console\n\
                     [Install]\nWantedBy=multi-user.target\n";

/// Into the Debian on the disk.
const INIT: &str = "#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
modules=/lib/modules/$(uname -r)
while read -r module; do
    insmod \"$modules/$module\"
done <\"$modules/load\"
mkdir -p /debian
mount -t ext4 /dev/vda /debian || exec sh
umount /proc /sys
mount --move /dev /debian/dev
exec switch_root /debian /sbin/init
";

#[test]
#[ignore = "installs a Debian; tests/systemd runs it"]
fn services_live_through_upgrades_as_services() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let mut initramfs = Initramfs::new().unwrap();
    initramfs.file("/init", INIT.as_bytes().to_vec(), 0o755);
    let folder = tempfile::tempdir().unwrap();
    let disk = debian(folder.path(), &initramfs, [&old, &new]);
    let machine = Machine {
        disks: vec![disk],
        ..Machine::default()
    };
    let mut guest = machine.boot(&old, &initramfs).unwrap();
    println!("{}", guest.run("systemctl --version | head -n 1").unwrap());
    let before = begun(&mut guest);

    // One that cannot go on as that is told before anything is frozen.
    let upgrade = |kernel: &str, words: &str| {
        format!("{KCONV} upgrade --kernel /boot/{kernel} --initrd /boot/{kernel}.initrd {words}")
    };
    let refused = guest
        .attempt(&upgrade("new", "--unit writer --unit none"), LIMIT)
        .unwrap();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("[unit.not-enabled]"), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("none.service: systemd knows no such service")
    );
    guest.run("systemctl enable kconv-thaw").unwrap();

    // Nor can one whose file the boot removes.
    guest
        .run("systemd-run --quiet --unit wiped -p StandardOutput=null /usr/local/bin/writer /tmp/wiped; sleep 1")
        .unwrap();
    let wiped = guest
        .attempt(&upgrade("new", "--unit wiped"), LIMIT)
        .unwrap();
    assert_eq!(wiped.code, 1, "{wiped:?}");
    let turns =
        "regular file /tmp/wiped/turns, which the boot removes, by /usr/lib/tmpfiles.d/tmp.conf";
    assert!(wiped.stderr.contains(turns), "{wiped:?}");
    writes(&mut guest, "/tmp/wiped", "1");
    guest.run("systemctl stop wiped").unwrap();

    // By kexec; PIDs are those of a service, or are said not to be.
    let job = &before.job;
    let words = format!("--unit writer --unit command.service --slice batch {job}");
    let partly = guest.attempt(&upgrade("new", &words), LIMIT).unwrap();
    assert!(partly.stderr.contains("[unit.partly]"), "{partly:?}");
    let dry = upgrade("new", &format!("--dry-run --tree {words}"));
    let dry = guest.attempt(&dry, LIMIT).unwrap();
    println!("{}{}", dry.stdout, dry.stderr);
    assert_eq!(dry.code, 0);
    assert!(
        dry.stdout
            .contains("frozen    writer.service, 1 task: writer")
    );
    let left = "ls /var/lib/kconv/queue /run/systemd/system";
    assert!(!guest.run(left).unwrap().contains("writer"));
    let upgrade_all = upgrade("new", &format!("--tree {words}"));
    if let Err(error) = guest.leaves(&upgrade_all, "/srv/upgrade", &new) {
        let said = guest.run("journalctl -b -n 50");
        panic!("{error}\n{}", said.unwrap_or_default());
    }
    println!("{}", guest.run("cat /srv/upgrade").unwrap());
    before.hold(&mut guest, 0);

    // Back by a cold boot, into a scope what no service is to be.
    let asleep = "systemd-run --quiet --scope --unit odd setsid sleep 100000 </dev/null >/dev/null 2>&1 & \
                  group=/sys/fs/cgroup/system.slice/odd.scope/cgroup.procs; \
                  until grep -q . $group 2>/dev/null; do sleep 0.1; done; sleep 2; cat $group";
    let sleeper = guest.run(asleep).unwrap();
    let sleeper = sleeper.trim();
    let waits = main_of(&mut guest, "waits");
    let words = "--start none --unit writer --unit command --unit job --slice batch --unit waits";
    println!("{}", guest.run(&upgrade("old", words)).unwrap());
    let words = "--start none --unit afresh --if-refused fresh";
    println!("{}", guest.run(&upgrade("old", words)).unwrap());
    let words = format!("--start none --no-units {sleeper}");
    println!("{}", guest.run(&upgrade("old", &words)).unwrap());
    // Nothing starts a copy, and nobody but an administrator has it thawed here.
    let here = guest.attempt("systemctl start writer", LIMIT).unwrap();
    assert_ne!(here.code, 0);
    assert_eq!(
        guest
            .run("systemctl is-active writer || true")
            .unwrap()
            .trim(),
        "failed"
    );
    guest
        .run("mv /srv/waits /srv/was; mv /srv/afresh /srv/fresh; sync")
        .unwrap();
    guest.power_off().unwrap();
    let mut guest = machine.boot(&old, &initramfs).unwrap();
    before.hold(&mut guest, 4);
    let scope = guest.run(&format!("cat /proc/{sleeper}/cgroup")).unwrap();
    assert!(scope.contains("/system.slice/kconv-"), "{scope}");
    of_refused(&mut guest, &waits);
    before.end(&mut guest);

    // The power is cut when the tasks are killed, and the kernel that ran is booted again.
    let main = main_of(&mut guest, "afresh");
    let words = "--start none --unit afresh";
    println!("{}", guest.run(&upgrade("new", words)).unwrap());
    drop(guest);
    let mut guest = machine.boot(&old, &initramfs).unwrap();
    settled(&mut guest);
    assert_eq!(main_of(&mut guest, "afresh"), main);
    writes(&mut guest, "/srv/afresh", "1");
    guest.power_off().unwrap();
}

/// Where the next kernel is not started after all.
#[test]
#[ignore = "installs a Debian; tests/systemd runs it"]
fn what_was_killed_is_brought_back_on_the_kernel_that_runs() {
    let kernels = ["6.1", "6.12"].map(|series| Kernel::newest(series).unwrap());
    let [old, new] = &kernels;
    let mut initramfs = Initramfs::new().unwrap();
    initramfs.file("/init", INIT.as_bytes().to_vec(), 0o755);
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine {
        disks: vec![debian(folder.path(), &initramfs, [old, new])],
        ..Machine::default()
    };
    let mut guest = machine.boot(old, &initramfs).unwrap();
    guest
        .run("systemctl enable kconv-thaw; until [ -s /srv/writer/turns ]; do sleep 0.2; done")
        .unwrap();
    let scope = "systemd-run --quiet --scope --unit odd setsid sleep 100000 </dev/null >/dev/null 2>&1 & \
                 group=/sys/fs/cgroup/system.slice/odd.scope/cgroup.procs; \
                 until grep -q . $group 2>/dev/null; do sleep 0.1; done; sleep 2; cat $group";
    let sleeper = guest.run(scope).unwrap();
    let sleeper = sleeper.trim();
    let main = main_of(&mut guest, "writer");
    let upgrade = format!(
        "{KCONV} upgrade --start none --kernel /boot/new --initrd /boot/new.initrd --unit writer {sleeper}"
    );
    println!("{}", guest.run(&upgrade).unwrap());
    // Nobody but an administrator has it thawed here, and nothing starts a copy.
    let refused = guest.attempt("systemctl start writer", LIMIT).unwrap();
    assert_ne!(refused.code, 0);
    let retry = format!("{KCONV} retry --no-block");
    let refused = guest.attempt(&retry, LIMIT).unwrap();
    println!("{}{}", refused.stdout, refused.stderr);
    assert!(
        refused
            .stderr
            .contains("upgrade 1: waits for the next kernel")
    );
    let there = guest.run(&format!("cat /proc/{sleeper}/cgroup")).unwrap();
    assert_eq!(there.trim(), "0::/system.slice/kconv-2.scope");
    let said = guest.run(&format!("{KCONV} retry 1")).unwrap();
    println!("{said}");
    assert!(said.ends_with("as writer.service\n"), "{said}");
    let gone = "for try in $(seq 100); do [ -z \"$(systemctl show -P DropInPaths writer)\" ] && break; sleep 0.2; done; \
                systemctl show -P DropInPaths writer; ls /var/lib/kconv/queue/1";
    assert_eq!(guest.run(gone).unwrap(), "\nupgrade.json\n");
    assert_eq!(main_of(&mut guest, "writer"), main);
    writes(&mut guest, "/srv/writer", "1");
    guest.power_off().unwrap();
}

/// What runs, by the numbers of the main processes.
struct Before {
    /// Services that are carried each time, and their main processes.
    services: Vec<(String, String)>,
    job: String,
}

/// Starts it.
fn begun(guest: &mut Guest) -> Before {
    for number in 1..=BATCH {
        let run = format!(
            "systemd-run --quiet --unit batch-{number} --slice batch.slice \
             -p StandardOutput=null -p Restart=always /usr/local/bin/writer /srv/batch-{number}"
        );
        guest.run(&run).unwrap();
    }
    guest.run("systemctl start command.timer").unwrap();
    let active = "until systemctl is-active --quiet writer && [ -s /srv/writer/turns ]; do sleep 0.1; done; \
                  until [ \"$(systemctl show -P SubState command)\" = start ]; do sleep 0.1; done";
    guest.attempt(active, LIMIT).unwrap();
    // With the numbers that the first services of a boot have.
    guest
        .run(&format!(
            "echo {FIRST} >/proc/sys/kernel/ns_last_pid; \
             systemd-run --quiet --unit job -p StandardOutput=file:/srv/said-by-job /usr/local/bin/job"
        ))
        .unwrap();
    let mut names = ["writer", "command", "job"].map(str::to_owned).to_vec();
    names.extend((1..=BATCH).map(|number| format!("batch-{number}")));
    let services = names.into_iter().map(|name| {
        let main = main_of(guest, &name);
        (name, main)
    });
    let services: Vec<(String, String)> = services.collect();
    let job = services.iter().find(|(name, _)| name == "job").unwrap();
    let job = job.1.clone();
    Before { services, job }
}

impl Before {
    /// That all of it is what it was, and that no images are left but those of what a thaw was refused of.
    fn hold(&self, guest: &mut Guest, images_left: usize) {
        settled(guest);
        for (name, main) in &self.services {
            let service = format!("{name}.service");
            let said = guest.run(&format!(
                "for what in MainPID ActiveState SubState DropInPaths; do systemctl show -P $what {name}; done; cat /proc/{main}/cgroup"
            ));
            let slice = match name.starts_with("batch") {
                true => "batch.slice",
                false => "system.slice",
            };
            let expected = format!("{main}\nactive\nrunning\n\n0::/{slice}/{service}");
            let said = said.unwrap();
            let said: Vec<&str> = said.trim().split('\n').collect();
            assert_eq!(said.join("\n"), expected, "{name}");
            one_writer(guest, name);
        }
        let of = |guest: &mut Guest, what: &str| {
            let said = guest.run(&format!("systemctl show -P {what} writer"));
            said.unwrap().trim().to_owned()
        };
        for (what, is) in [
            ("Type", "simple"),
            ("Restart", "always"),
            ("MemoryMax", "67108864"),
            ("TasksMax", "20"),
        ] {
            assert_eq!(of(guest, what), is, "{what}");
        }
        let said = "journalctl -b -u writer -o cat _SYSTEMD_UNIT=writer.service | grep -c '^turn'";
        let turns = format!(
            "for try in $(seq 100); do [ $({said}) -gt 1 ] && break; sleep 0.2; done; {said}"
        );
        let turns: u32 = guest.run(&turns).unwrap().trim().parse().unwrap();
        assert!(turns > 1);
        // Stopping and restarting what thawed them ends nobody.
        guest
            .run("systemctl restart kconv-thaw; systemctl stop kconv-thaw")
            .unwrap();
        assert_eq!(of(guest, "ActiveState"), "active");
        assert_eq!(
            guest
                .run("cat /srv/writer/over 2>/dev/null || true")
                .unwrap(),
            ""
        );
        let images = guest.run("ls /var/lib/kconv/queue/*/*.img 2>/dev/null | wc -l");
        assert_eq!(images.unwrap().trim(), images_left.to_string());
    }

    /// They end, and begin again, as services do.
    fn end(&self, guest: &mut Guest) {
        let main = "systemctl show -P MainPID writer";
        let first = guest.run(main).unwrap();
        let again = format!("kill -KILL {}; sleep 3; {main}", first.trim());
        let second = guest.run(&again).unwrap();
        assert_ne!(second, first);
        assert_eq!(
            guest.run("systemctl is-active writer").unwrap().trim(),
            "active"
        );
        guest.run("systemctl restart writer batch-1").unwrap();
        assert_ne!(guest.run(main).unwrap(), second);
        guest.run("systemctl stop writer batch-2").unwrap();
        for (name, pid) in [("writer", first.trim()), ("batch-2", self.main("batch-2"))] {
            let there = guest
                .run(&format!("ls -d /proc/{pid} 2>/dev/null || true"))
                .unwrap();
            assert_eq!(there, "", "{name}");
        }
        let over = guest.run("cat /srv/writer/over").unwrap();
        assert_eq!(over, "over\n".repeat(3));
        for name in ["command", "job"] {
            let main = self.main(name);
            let ended = format!(
                "touch /srv/{name}/end; while [ -d /proc/{main}/fd ]; do sleep 0.1; done; \
                 systemctl show -P Result {name}; tail -n 1 /srv/said-by-{name}"
            );
            let ended = guest.run(&ended).unwrap();
            assert_eq!(ended, "success\nthe end\n", "{name}");
        }
    }

    fn main(&self, of: &str) -> &str {
        let found = self.services.iter().find(|(name, _)| name == of);
        &found.unwrap().1
    }
}

/// A service whose file is gone waits until that is mended; or is started afresh, where that is what was asked for.
fn of_refused(guest: &mut Guest, main: &str) {
    let status = guest.run(&format!("{KCONV} status")).unwrap();
    println!("{status}");
    let states = "systemctl is-active waits afresh || true";
    assert_eq!(guest.run(states).unwrap(), "failed\nactive\n");
    one_writer(guest, "afresh");
    assert!(
        guest
            .run("ls /srv/waits 2>/dev/null || true")
            .unwrap()
            .is_empty()
    );
    guest
        .run("rm -rf /srv/waits; mv /srv/was /srv/waits; systemctl start waits")
        .unwrap();
    // It was not carried by the first upgrade.
    writes(guest, "/srv/waits", "2");
    assert_eq!(main_of(guest, "waits"), main);
}

/// Waits until nothing waits, and shows what became of it.
fn settled(guest: &mut Guest) {
    let settled = format!(
        "for try in $(seq 300); do {KCONV} status | grep -q ' converted ' || break; sleep 0.2; done; sleep 2; \
         {KCONV} status; systemctl --no-pager status kconv-thaw; journalctl -b --no-pager -o cat -t kconv; \
         systemctl --no-pager --failed"
    );
    let said = guest.attempt(&settled, LIMIT).unwrap();
    println!("{}{}", said.stdout, said.stderr);
}

/// The number of the main process of a service.
fn main_of(guest: &mut Guest, name: &str) -> String {
    let main = guest.run(&format!("systemctl show -P MainPID {name}"));
    main.unwrap().trim().to_owned()
}

/// That a service was started once, and its file has one writer, who writes.
fn one_writer(guest: &mut Guest, name: &str) {
    writes(guest, &format!("/srv/{name}"), "1");
}

/// That the file of a service has one writer, who writes, and that it was started so often.
fn writes(guest: &mut Guest, name: &str, started: &str) {
    let said = guest.run(&format!(
        "wc -l <{name}/starts; cat {name}/wrong 2>/dev/null; wc -l <{name}/turns; sleep 0.5; wc -l <{name}/turns"
    ));
    let said = said.unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let [starts, before, after] = lines[..] else {
        panic!("{name}: {said}");
    };
    assert_eq!(starts.trim(), started, "{name}");
    assert_ne!(before, after, "{name}");
}

/// A file system with a Debian, kconv and its units, both kernels, and services.
fn debian(folder: &Path, initramfs: &Initramfs, [old, new]: [&Kernel; 2]) -> PathBuf {
    let root = folder.join("root");
    let targets = run(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
        "Codename: bookworm",
    ]));
    let archive = targets.lines().next().expect("apt knows no Debian 12");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=systemd-sysv", "bookworm"]);
    run(debootstrap.arg(&root).arg(archive));

    let put = |path: &str, contents: &[u8], mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    };
    put(
        "usr/local/bin/kconv",
        &std::fs::read(static_kconv().unwrap()).unwrap(),
        0o755,
    );
    for program in ["agent", "writer"] {
        let contents = initramfs.contents(&format!("/bin/{program}")).unwrap();
        put(&format!("usr/local/bin/{program}"), contents, 0o755);
    }
    // As converters/install does.
    for (name, unit) in [
        (
            "kconv-thaw.service",
            include_str!("../../../converters/kconv/systemd/kconv-thaw.service"),
        ),
        (
            "kconv-reserve.service",
            include_str!("../../../converters/kconv/systemd/kconv-reserve.service"),
        ),
        (
            "kconv-hold.service",
            include_str!("../../../converters/kconv/systemd/kconv-hold.service"),
        ),
    ] {
        let unit = unit.replace("@PREFIX@", "/usr/local");
        let path = format!("usr/local/lib/systemd/system/{name}");
        put(&path, unit.as_bytes(), 0o644);
    }
    let timer = "[Timer]\nOnActiveSec=0\n";
    for (name, unit) in [
        ("agent.service", AGENT),
        ("writer.service", WRITER),
        ("waits.service", WAITING),
        ("afresh.service", WAITING),
        ("command.service", COMMAND),
        ("command.timer", timer),
    ] {
        put(
            &format!("etc/systemd/system/{name}"),
            unit.as_bytes(),
            0o644,
        );
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    for name in ["agent", "writer", "waits", "afresh"] {
        let name = format!("{name}.service");
        std::os::unix::fs::symlink(format!("../{name}"), wants.join(&name)).unwrap();
    }
    // What a service of another user writes to.
    std::fs::create_dir_all(root.join("srv/writer")).unwrap();
    run(Command::new("chown")
        .arg("1:1")
        .arg(root.join("srv/writer")));
    let job = format!(
        "#!/bin/sh\nfor child in $(seq {CHILDREN}); do sleep 100000 >/dev/null & done\nexec /usr/local/bin/writer /srv/job\n"
    );
    put("usr/local/bin/job", job.as_bytes(), 0o755);
    for (name, kernel) in [("old", old), ("new", new)] {
        let vmlinuz = std::fs::read(&kernel.vmlinuz).unwrap();
        put(&format!("boot/{name}"), &vmlinuz, 0o644);
        let archive = initramfs.archive(kernel).unwrap();
        put(&format!("boot/{name}.initrd"), &archive, 0o644);
    }

    let disk = folder.join("disk");
    std::fs::File::create(&disk)
        .and_then(|file| file.set_len(2 << 30))
        .unwrap();
    let mut mke2fs = Command::new("/sbin/mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4", "-d"]);
    run(mke2fs.arg(&root).arg(&disk));
    disk
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{errors}");
    said
}
