//! A process is made once of an image.

use super::{LIMIT, initramfs, machine, mount, number};
use kconv_guests::Kernel;

#[test]
fn a_process_is_made_once_of_an_image() {
    let (machine, _folder) = machine();
    let kernel = Kernel::newest("6.12").unwrap();
    let mut guest = machine.boot(&kernel, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    let pid = guest
        .start("busybox sleep 100000", "/disk/once.out")
        .unwrap();
    let freeze = format!(
        "until grep -qs busybox /proc/{pid}/comm; do usleep 20000; done; mkdir /tmp/none; \
         kconv freeze --kill {pid} -o /disk/once.img"
    );
    guest.run(&freeze).unwrap();
    // The policy of guests lets all be made again; here there is none.
    let thaw = "kconv --config /tmp/none thaw /disk/once.img";
    let end = format!("kill -9 {pid}; while [ -d /proc/{pid}/fd ]; do usleep 20000; done");
    let noted = "ls /var/lib/kconv/thawed | wc -l";

    // What is in the way of a thaw leaves no note.
    guest.run("mv /disk/once.out /disk/away").unwrap();
    let refused = guest.attempt(thaw, LIMIT).unwrap();
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(guest.run(noted).unwrap().trim(), "0");
    guest.run("mv /disk/away /disk/once.out").unwrap();

    guest.run(thaw).unwrap();
    assert_eq!(guest.run(noted).unwrap().trim(), "1");
    guest.run(&end).unwrap();
    // Under another name, too.
    guest.run("mv /disk/once.img /disk/other.img").unwrap();
    let thaw = thaw.replace("once.img", "other.img");
    let refused = guest.attempt(&thaw, LIMIT).unwrap();
    println!("{}", refused.stderr);
    assert_eq!(refused.code, 1, "{refused:?}");
    let said = format!("error: /disk/other.img: was thawed before: {pid}\n");
    assert!(refused.stderr.contains(&said), "{refused:?}");
    assert!(refused.stderr.contains("--again"), "{refused:?}");
    let gone = guest.attempt(&format!("test -d /proc/{pid}"), LIMIT);
    assert_eq!(gone.unwrap().code, 1);

    // What it was converted to, there and back, is still of one freeze.
    let there = Kernel::oldest("6.1").unwrap();
    let (here, there) = (&kernel.release, &there.release);
    let convert = format!(
        "cd /disk && kconv {here} {there} other.img -o there.img && kconv {there} {here} there.img -o back.img"
    );
    guest.run(&convert).unwrap();
    let back = thaw.replace("other.img", "back.img");
    let refused = guest.attempt(&back, LIMIT).unwrap();
    let said = format!("error: /disk/back.img: was thawed before: {pid}\n");
    assert!(refused.stderr.contains(&said), "{refused:?}");

    guest.run(&format!("{thaw} --again")).unwrap();
    guest.run(&end).unwrap();
    guest.power_off().unwrap();
}
