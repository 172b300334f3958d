//! Trees of processes that share memory and open files at random come back as they were: by what each of them
//! finds, by what kcmp(2) says of any two of their descriptors, and by what they take of memory together.

use super::forked::together;
use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

const SEEDS: u32 = 6;

#[test]
fn random_trees_share_what_they_shared() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    guest.run("mkdir /disk/files").unwrap();
    let mut rest = Vec::new();
    for seed in 1..=SEEDS {
        let tree = Tree::freeze(&mut guest, seed);
        if seed % 2 == 0 {
            tree.thaw(&mut guest);
        } else {
            convert(&mut guest, &format!("tree-{seed}"), &old, &new);
            rest.push(tree);
        }
    }
    guest.run("sync; umount /disk").unwrap();
    guest.kexec(&new, initramfs()).unwrap();
    mount(&mut guest);
    for tree in rest {
        tree.thaw(&mut guest);
    }
    guest.power_off().unwrap();
}

struct Tree {
    seed: u32,
    root: u32,
    /// All of them, as a shell takes them.
    pids: String,
    /// What they take together, in KiB.
    memory: u64,
}

impl Tree {
    fn freeze(guest: &mut Guest, seed: u32) -> Tree {
        let out = format!("/disk/tree-{seed}.out");
        let root = guest
            .start(&format!("tree {seed} /disk/files"), &out)
            .unwrap();
        guest.says(root, &out, "ready", LIMIT).unwrap();
        let line = guest.run(&format!("cat {out}")).unwrap();
        let pids = line.trim().strip_prefix("ready ").unwrap().to_owned();
        assert!(pids.split(' ').count() >= 4, "{pids}");
        let memory = together(guest, &pids);
        let image = format!("/disk/tree-{seed}.img");
        // A freeze that lets them run on is not to be seen either.
        guest
            .run(&format!(
                "kconv freeze --tree {root} -o /disk/running.img && rm /disk/running.img"
            ))
            .unwrap();
        let said = guest.run(&format!("kconv freeze --tree --kill {root} -o {image}"));
        println!("seed {seed}, {pids}: {}", said.unwrap());
        Tree {
            seed,
            root,
            pids,
            memory,
        }
    }

    fn thaw(&self, guest: &mut Guest) {
        let seed = self.seed;
        let said = guest.run(&format!("kconv thaw -v /disk/tree-{seed}.img"));
        let said = said.unwrap();
        println!("seed {seed}: {said}");
        let memory = together(guest, &self.pids);
        let told = again(&said);
        println!(
            "{} KiB before, {memory} KiB after, {told} KiB told",
            self.memory
        );
        assert!(memory * 10 <= (self.memory + told) * 11, "seed {seed}");
        guest.run(&format!("kill -USR1 {}", self.root)).unwrap();
        let out = format!("/disk/tree-{seed}.out");
        let end = format!("while [ -d /proc/{}/fd ]; do usleep 20000; done", self.root);
        guest.attempt(&end, LIMIT).unwrap();
        let verdict = guest.run(&format!("tail -n +2 {out}")).unwrap();
        assert_eq!(verdict, "ok\n", "seed {seed}");
    }
}

/// How much memory a thaw says that it makes more than once, in KiB.
fn again(said: &str) -> u64 {
    let told = said.lines().find_map(|line| {
        let (before, _) = line.split_once(" KiB more in memory")?;
        before.rsplit(' ').next()
    });
    told.map_or(0, |told| told.parse().unwrap())
}
