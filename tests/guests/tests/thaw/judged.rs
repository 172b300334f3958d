//! What could not be thawed is told when it is frozen, and what is wrong with one process is its own
//! matter.

use super::{ended, initramfs, machine, mount, number, uninterrupted};
use kconv_guests::{Guest, Kernel};

const COUNTER: &str = "counter 400000000";

#[test]
fn one_list_says_what_is_carried_and_what_is_wrong_with_one_process_is_its_own() {
    let kernel = Kernel::newest("6.12").unwrap();
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&kernel, initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    stop_signals(&mut guest);
    guest.power_off().unwrap();
}

/// A SIGSTOP that waits: one more for a process that is stopped already, and one for a process whose
/// cgroup is frozen. Both are stopped after the thaw, until SIGCONT comes.
fn stop_signals(guest: &mut Guest) {
    let expected = uninterrupted(COUNTER);
    let group = "/sys/fs/cgroup/held";
    let stopped = "until grep -q 'State:.*T' /proc/$pid/status; do usleep 10000; done";
    for (name, stop) in [
        (
            "twice",
            format!(
                "kill -STOP $pid; {stopped}; kill -STOP $pid; \
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
            "pid={pid}; kconv thaw /disk/{name}.img && {stopped} && kill -CONT $pid"
        ));
        println!("{name}: {}", said.unwrap());
        assert_eq!(ended(guest, name, pid), expected);
    }
}
