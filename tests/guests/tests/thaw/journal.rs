//! A service's output goes to the journal again, on the next kernel.

use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel};

/// Says something, waits until it may go on, and says more, by both of its descriptors.
const SERVICE: &str = "journal --service job job.service sh -c \
                       'echo begun; while [ ! -e /disk/go ]; do :; done; echo over >&2; echo out'";
const BEGINNING: &str = "job|job.service|30|1|0|0|0\n";

fn start_journal(guest: &mut Guest, file: &str) {
    guest
        .start(&format!("journal {file}"), "/run/journal.out")
        .unwrap();
    guest
        .run("until [ -S /run/systemd/journal/stdout ]; do usleep 20000; done")
        .unwrap();
}

#[test]
fn a_service_writes_to_the_journal_of_the_next_kernel() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    start_journal(&mut guest, "/run/before");
    let pid = guest.start(SERVICE, "/disk/none").unwrap();
    guest.says(pid, "/run/before", "begun", LIMIT).unwrap();
    // Of one that the journal has not noted nobody knows how it began.
    guest
        .run(&format!(
            "cd /run/systemd/journal && mv streams away && mkdir streams && \
             ! kconv freeze --kill {pid} -o /disk/job.img 2>/disk/said && \
             rmdir streams && mv away streams"
        ))
        .unwrap();
    let said = guest.run("cat /disk/said").unwrap();
    assert!(said.contains("a stream to the journal (inode "), "{said}");
    let frozen = guest
        .run(&format!("kconv freeze --kill {pid} -o /disk/job.img"))
        .unwrap();
    println!("{frozen}");
    convert(&mut guest, "job", &old, &new);
    let before = guest.run("cat /run/before").unwrap();
    assert_eq!(before, format!("{BEGINNING}begun\n"));
    guest.run("umount /disk").unwrap();

    guest.kexec(&new, initramfs()).unwrap();
    mount(&mut guest);
    guest
        .run("! kconv thaw /disk/job.img 2>/disk/said")
        .unwrap();
    let said = guest.run("cat /disk/said").unwrap();
    assert!(
        said.contains("/run/systemd/journal/stdout: found "),
        "{said}"
    );
    start_journal(&mut guest, "/run/after");
    let thawed = guest.run("kconv thaw -v /disk/job.img").unwrap();
    assert!(thawed.contains("JOURNAL_STREAM"), "{thawed}");
    guest.run("touch /disk/go").unwrap();
    guest.says(pid, "/run/after", "out", LIMIT).unwrap();
    let after = guest.run("cat /run/after").unwrap();
    assert_eq!(after, format!("{BEGINNING}over\nout\n"));
    guest.power_off().unwrap();
}
