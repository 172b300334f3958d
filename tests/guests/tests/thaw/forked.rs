//! Memory that a fork left in common until one writes is in common again: what a family takes together is
//! what it took before.

use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

/// What the family has in common.
const MIB: u64 = 32;

/// What a thaw makes more than once in this family: an area that the parent has given away and eight
/// children still have, one of them with a child that has it from it; and one that a child has moved.
const AGAIN: &str = "some are there more than once, 512 KiB more in memory";

#[test]
fn what_a_fork_left_in_common_is_in_common_again() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    up(&mut guest);
    for huge_pages in ["never", "always"] {
        let family = Family::start(&mut guest, huge_pages);
        let size = family.freeze(&mut guest, "first");
        family.thaw(&mut guest, "first", true);
        assert_eq!(
            charged(&mut guest) >> 20,
            MIB,
            "what the parent's cgroup has"
        );
        // Its pages are told in common as before.
        let again = family.freeze(&mut guest, "second");
        assert!(again.abs_diff(size) < size / 50, "{size} {again}");
        family.thaw(&mut guest, "second", false);
        family.ends(&mut guest);
    }
    let family = Family::start(&mut guest, "never");
    family.freeze(&mut guest, "next");
    convert(&mut guest, "next", &old, &new);
    guest.run("sync; umount /disk").unwrap();
    guest.kexec(&new, initramfs()).unwrap();
    up(&mut guest);
    family.thaw(&mut guest, "next", true);
    family.ends(&mut guest);
    guest.power_off().unwrap();
}

/// With a cgroup that is not for all of the family.
fn up(guest: &mut Guest) {
    mount(guest);
    number(guest, 20_000);
    guest
        .run(
            "cd /sys/fs/cgroup && echo +memory >cgroup.subtree_control && mkdir alone && \
             echo 2 >alone/pids.max",
        )
        .unwrap();
}

/// Bytes of memory that the cgroup of the parent is charged for.
fn charged(guest: &mut Guest) -> u64 {
    let said = guest.run("cat /sys/fs/cgroup/alone/memory.current");
    said.unwrap().trim().parse().unwrap()
}

struct Family {
    parent: u32,
    /// All of them, as a shell takes them.
    pids: String,
    /// What they take together, in KiB.
    memory: u64,
}

impl Family {
    fn start(guest: &mut Guest, huge_pages: &str) -> Family {
        let setting = "/sys/kernel/mm/transparent_hugepage/enabled";
        guest.run(&format!("echo {huge_pages} >{setting}")).unwrap();
        let out = "/disk/forked.out";
        let parent = guest.start(&format!("forked {MIB}"), out).unwrap();
        guest.says(parent, out, "ready", LIMIT).unwrap();
        let line = guest.run(&format!("cat {out}")).unwrap();
        let pids = line.trim().strip_prefix("ready ").unwrap().to_owned();
        assert_eq!(pids.split(' ').count(), 10, "{pids}");
        let join = format!("echo {parent} >/sys/fs/cgroup/alone/cgroup.procs");
        guest.run(&join).unwrap();
        let memory = together(guest, &pids);
        // It is what it is to be: each process alone would take more than all of them do.
        assert!((MIB..MIB + 4).contains(&(memory >> 10)), "{memory} KiB");
        Family {
            parent,
            pids,
            memory,
        }
    }

    /// Freezes and kills it. Returns the size of the image.
    fn freeze(&self, guest: &mut Guest, name: &str) -> u64 {
        let said = guest.run(&format!(
            "kconv freeze --tree --kill {} -o /disk/{name}.img && stat -c %s /disk/{name}.img",
            self.parent
        ));
        let said = said.unwrap();
        println!("{said}");
        said.lines().last().unwrap().trim().parse().unwrap()
    }

    /// Thaws it, and looks at what it takes. What the first thaw makes more than once is not in common any
    /// more at the next.
    fn thaw(&self, guest: &mut Guest, name: &str, is_first: bool) {
        let said = guest
            .run(&format!("kconv thaw -v /disk/{name}.img"))
            .unwrap();
        println!("{said}");
        assert_eq!(said.contains(AGAIN), is_first, "{said}");
        assert_eq!(said.contains("in common"), is_first, "{said}");
        let memory = together(guest, &self.pids);
        println!("{} KiB before, {memory} KiB after", self.memory);
        assert!(memory * 10 <= self.memory * 11, "{} {memory}", self.memory);
    }

    /// Has it check what it has, and end.
    fn ends(&self, guest: &mut Guest) {
        let out = "/disk/forked.out";
        guest.run(&format!("kill -USR1 {}", self.parent)).unwrap();
        let end = format!(
            "while [ -d /proc/{}/fd ]; do usleep 20000; done",
            self.parent
        );
        guest.attempt(&end, LIMIT).unwrap();
        let verdict = guest.run(&format!("tail -n +2 {out}")).unwrap();
        assert_eq!(verdict, "ok\n");
    }
}

/// What processes take together, in KiB: of a page that several have, each counts its part
/// (`Documentation/filesystems/proc.rst`, smaps).
pub(super) fn together(guest: &mut Guest, pids: &str) -> u64 {
    let parts = guest.run(&format!(
        "for pid in {pids}; do grep ^Pss: /proc/$pid/smaps_rollup || exit 1; done"
    ));
    let parts = parts.unwrap();
    let kilobytes = parts
        .lines()
        .map(|line| line.split_whitespace().nth(1).unwrap());
    kilobytes.map(|number| number.parse::<u64>().unwrap()).sum()
}
