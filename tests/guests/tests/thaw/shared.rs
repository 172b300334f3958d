//! Memory that processes share, and files that are nowhere but in memory: they come back on the same
//! kernel, over a change of kernel and after a cold boot, to all who had them.

use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

#[test]
fn what_was_shared_is_shared_again() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    up(&mut guest);
    // While the files are still there, and while they are not.
    for name in ["there", "gone"] {
        let pid = frozen(&mut guest, name);
        if name == "gone" {
            guest.run("rm /dev/shm/*").unwrap();
        }
        thawed(&mut guest, name, pid);
    }
    let next = frozen(&mut guest, "next");
    convert(&mut guest, "next", &old, &new);
    guest.run("sync; umount /disk").unwrap();
    guest.kexec(&new, initramfs()).unwrap();
    up(&mut guest);
    in_the_way(&mut guest, "next", next);
    thawed(&mut guest, "next", next);
    let cold = frozen(&mut guest, "cold");
    guest.power_off().unwrap();
    let mut guest = machine.boot(&new, initramfs()).unwrap();
    up(&mut guest);
    thawed(&mut guest, "cold", cold);
    guest.power_off().unwrap();
}

fn up(guest: &mut Guest) {
    mount(guest);
    number(guest, 20_000);
}

fn frozen(guest: &mut Guest, name: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    guest.run(&format!("mkdir /disk/{name}")).unwrap();
    let command = format!("state /disk/{name} shared");
    let pid = guest.start(&command, &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    let said = guest.run(&format!(
        "kconv freeze --tree --kill {pid} -o /disk/{name}.img && stat -c %s /disk/{name}.img"
    ));
    let said = said.unwrap();
    println!("{said}");
    // A file of 1 GiB with one page in it, memory that three mappings have, and 3 MiB of which parent and
    // child have all pages but two in common.
    let size: u64 = said.lines().last().unwrap().trim().parse().unwrap();
    assert!(size < 4 << 20, "{size}");
    pid
}

fn thawed(guest: &mut Guest, name: &str, pid: u32) {
    let said = guest
        .run(&format!("kconv thaw -v /disk/{name}.img"))
        .unwrap();
    println!("{said}");
    assert!(!said.contains("contents of"), "{said}");
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    let out = format!("/disk/{name}.out");
    guest.says(pid, &out, " checks", LIMIT).unwrap();
    let verdict = guest.run(&format!("tail -n +2 {out}")).unwrap();
    println!("{verdict}");
    assert!(verdict.starts_with("ok, "), "{verdict}");
}

/// A file of the same name and size is not the file, and nothing is left of a thaw that is refused.
fn in_the_way(guest: &mut Guest, name: &str, pid: u32) {
    let file = format!("/dev/shm/state-{pid}");
    guest.run(&format!("truncate -s 20580 {file}")).unwrap();
    let command = format!("kconv thaw /disk/{name}.img");
    let output = guest.attempt(&command, LIMIT).unwrap();
    assert_eq!(output.code, 1, "{output:?}");
    let told = format!(
        "regular file {file} (recognised by its contents): found other contents from byte 0 on, \
         expected those at the freeze"
    );
    let said = output.stdout + &output.stderr;
    assert!(said.contains(&told), "{said}");
    guest.run(&format!("rm {file}")).unwrap();
    assert_eq!(guest.run("ls /dev/shm").unwrap(), "");
    guest.run("umount /dev/shm && rmdir /dev/shm").unwrap();
    let output = guest.attempt(&command, LIMIT).unwrap();
    let said = output.stdout + &output.stderr;
    let told = format!("regular file {file}: found no folder /dev/shm to make it in, expected one");
    assert!(said.contains(&told), "{said}");
    guest
        .run("mkdir /dev/shm && mount -t tmpfs shm /dev/shm")
        .unwrap();
}
