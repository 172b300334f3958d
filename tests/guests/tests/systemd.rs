//! An upgrade of a whole Debian with systemd: `kconv upgrade` ends its services and starts the next
//! kernel, and there the unit that `converters/install` installs thaws what was frozen, into a scope of its own.
//!
//! A Debian is installed into a file for it, with debootstrap: `tests/systemd` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_guests::{Guest, Initramfs, Kernel, LIMIT, Machine, static_kconv};
use std::path::{Path, PathBuf};
use std::process::Command;

const JOB: &str = "/usr/local/bin/counter 12000000000";

/// It, in the middle of children, so that many numbers side by side are carried.
const CHILDREN: usize = 60;

/// Below the number of the first of them, and above those of the threads that a kernel makes before anything else runs.
const FIRST: u32 = 200;

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
fn a_service_lives_through_an_upgrade() {
    let (from, to) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let mut initramfs = Initramfs::new().unwrap();
    initramfs.file("/init", INIT.as_bytes().to_vec(), 0o755);
    let folder = tempfile::tempdir().unwrap();
    let disk = debian(folder.path(), &initramfs, &to);
    let machine = Machine {
        disks: vec![disk],
        ..Machine::default()
    };
    let mut guest = machine.boot(&from, &initramfs).unwrap();
    println!("{}", guest.run("systemctl --version | head -n 1").unwrap());
    guest.run("systemctl enable kconv-thaw").unwrap();
    // With the numbers that the first services of a boot have.
    guest
        .run(&format!(
            "echo {FIRST} >/proc/sys/kernel/ns_last_pid; \
             systemd-run --unit job -p StandardOutput=file:/root/turns /usr/local/bin/job"
        ))
        .unwrap();
    let pid = guest.run("systemctl show --property MainPID --value job");
    let pid = pid.unwrap().trim().to_owned();
    let upgrade = format!(
        "/usr/local/bin/kconv upgrade --kernel /boot/vmlinuz --initrd /boot/initrd --tree {pid}"
    );
    guest.start(&upgrade, "/root/upgrade.log").unwrap();
    if let Err(error) = guest.arrives(&to) {
        let said = guest.run("cat /root/upgrade.log");
        panic!("{}{error}", said.unwrap_or_default());
    }
    println!("{}", guest.run("cat /root/upgrade.log").unwrap());
    let unit = "until systemctl is-active kconv-thaw; do \
                ! systemctl is-failed kconv-thaw || break; sleep 1; done; \
                systemctl status --no-pager kconv-thaw";
    let status = guest.attempt(unit, LIMIT).unwrap();
    println!("{}", status.stdout);
    assert_eq!(status.code, 0, "{status:?}");
    // It has a scope of its own, and stopping or restarting the unit that thawed it does not end it.
    let cgroup = |guest: &mut Guest| guest.run(&format!("cat /proc/{pid}/cgroup")).unwrap();
    let scope = "0::/system.slice/kconv-1.scope";
    assert_eq!(cgroup(&mut guest).trim(), scope);
    let again = guest.run(
        "systemctl restart kconv-thaw && systemctl stop kconv-thaw; /usr/local/bin/kconv status",
    );
    println!("{}", again.unwrap());
    assert_eq!(cgroup(&mut guest).trim(), scope);
    let active = guest.run("systemctl is-active kconv-1.scope").unwrap();
    assert_eq!(active.trim(), "active");
    let left = "ls /var/lib/kconv/queue/1; cat /root/turns";
    assert_eq!(guest.run(left).unwrap(), "upgrade.json\n");
    let ended = format!("while [ -d /proc/{pid}/fd ]; do sleep 0.2; done; cat /root/turns");
    let turns = guest.attempt(&ended, LIMIT).unwrap().stdout;
    assert_eq!(turns, guest.attempt(JOB, LIMIT).unwrap().stdout);
}

/// A file system with a Debian, kconv and its unit, and the next kernel.
fn debian(folder: &Path, initramfs: &Initramfs, next: &Kernel) -> PathBuf {
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
    for program in ["agent", "counter"] {
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
    ] {
        let unit = unit.replace("@PREFIX@", "/usr/local");
        let path = format!("usr/local/lib/systemd/system/{name}");
        put(&path, unit.as_bytes(), 0o644);
    }
    put("etc/systemd/system/agent.service", AGENT.as_bytes(), 0o644);
    let wants = root.join("etc/systemd/system/multi-user.target.wants");
    std::fs::create_dir_all(&wants).unwrap();
    std::os::unix::fs::symlink("../agent.service", wants.join("agent.service")).unwrap();
    let job = format!(
        "#!/bin/sh\nfor child in $(seq {CHILDREN}); do sleep 100000 >/dev/null & done\nexec {JOB}\n"
    );
    put("usr/local/bin/job", job.as_bytes(), 0o755);
    put(
        "boot/vmlinuz",
        &std::fs::read(&next.vmlinuz).unwrap(),
        0o644,
    );
    put("boot/initrd", &initramfs.archive(next).unwrap(), 0o644);

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
