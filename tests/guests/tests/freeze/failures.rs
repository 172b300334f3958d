//! A freeze that fails or is killed leaves the tasks running and no half image.

use super::{LIMIT, command, freeze, pids_and_names, refused, verified, wait_for_tasks};
use kconv_guests::Guest;
use kconv_image::{Image, ObjectId};
use kconv_resources::Kind;
use kconv_resources::linux6::Resource;

const THREADS: &str = "threads 4 1000000000";
const GROUP: &str = "/sys/fs/cgroup/frozen";

/// One busy task, frozen, and frozen in vain, many times.
pub(crate) fn of_a_busy_task(guest: &mut Guest) {
    let pid = guest.start(THREADS, "/tmp/threads").unwrap();
    wait_for_tasks(guest, &pid.to_string(), &["threads"; 5]);
    ten_in_a_row(guest, pid);
    full(guest, pid);
    killed(guest, pid);
    as_a_cgroup(guest, pid);
    nobody_escapes(guest);
    nobody_is_in_the_vdso(guest);
    guest.run(&format!("kill -9 {pid}")).unwrap();
}

/// All threads run, and nobody traces them.
fn runs(guest: &mut Guest, pid: u32) {
    let said = guest
        .run(&format!(
            "cat /proc/{pid}/task/*/status | grep -c 'TracerPid:.0$'; \
             a=$(cut -d' ' -f14,15 /proc/{pid}/stat); b=$a; \
             while [ \"$a\" = \"$b\" ]; do usleep 50000; b=$(cut -d' ' -f14,15 /proc/{pid}/stat); done; \
             echo runs"
        ))
        .unwrap();
    assert_eq!(said, "5\nruns\n");
}

fn ten_in_a_row(guest: &mut Guest, pid: u32) {
    let mut pauses = Vec::new();
    for _ in 0..10 {
        guest.run("rm -f /tmp/busy.img").unwrap();
        pauses.push(freeze(guest, &pid.to_string(), "/tmp/busy.img"));
        let image = verified(guest, "/tmp/busy.img");
        let names: Vec<String> = pids_and_names(&image).into_values().collect();
        assert_eq!(names, ["threads"; 5]);
    }
    println!("ten pauses of a busy task, in ms: {pauses:?}");
    runs(guest, pid);
}

/// Threads that are nearly always in the code that the kernel maps into each program: another
/// kernel has other code there, so none is frozen in the middle of it.
fn nobody_is_in_the_vdso(guest: &mut Guest) {
    let clocks = guest.start("clocks 4 1000000000000", "/tmp/clocks");
    let clocks = clocks.unwrap();
    wait_for_tasks(guest, &clocks.to_string(), &["clocks"; 5]);
    for round in 0..5 {
        guest.run("rm -f /tmp/clocks.img").unwrap();
        let pause = freeze(guest, &clocks.to_string(), "/tmp/clocks.img");
        let image = Image::from_bytes(guest.get("/tmp/clocks.img").unwrap()).unwrap();
        let at = instructions(&image);
        println!("clocks {round}: {pause} ms, {at:x?}");
        assert_eq!(at.len(), 5);
        let head = image.head();
        let mut resources = head.resources.iter().map(Resource::read);
        let vdso = resources.find_map(|one| match one.unwrap() {
            Resource::Vdso(vdso) => Some(vdso.start..vdso.end),
            _ => None,
        });
        let vdso = vdso.unwrap();
        assert!(at.iter().all(|at| !vdso.contains(at)), "{vdso:x?}");
    }
    guest.run(&format!("kill -9 {clocks}")).unwrap();
}

/// Where the threads of an image go on.
fn instructions(image: &Image) -> Vec<u64> {
    // Of `struct pt_regs`, in bytes (arch/x86/include/asm/ptrace.h); programs see it through ptrace.
    const IP: usize = 128;
    let head = image.head();
    let objects = (0..).map(ObjectId).zip(&head.objects);
    let of_type = objects.filter(|(_, object)| head.type_name(object) == "pt_regs");
    let registers = of_type.map(|(id, _)| {
        let mut bytes = Vec::new();
        image.read_object(id, &mut bytes).unwrap();
        u64::from_le_bytes(bytes[IP..IP + 8].try_into().unwrap())
    });
    registers.collect()
}

/// A disk that is full.
fn full(guest: &mut Guest, pid: u32) {
    guest
        .run("mkdir -p /small && mount -t tmpfs -o size=64k small /small")
        .unwrap();
    let output = refused(guest, &pid.to_string(), "/small/image");
    assert_eq!(output.code, 2, "{output:?}");
    assert!(
        output.stderr.contains("No space left on device"),
        "{output:?}"
    );
    assert_eq!(guest.run("ls -A /small; umount /small").unwrap(), "");
    runs(guest, pid);
}

/// kconv is killed at many points: while it reads, while it stops threads, while it writes.
fn killed(guest: &mut Guest, pid: u32) {
    let (mut none, mut whole) = (0, 0);
    for (point, after) in [0, 10, 40, 80, 140, 400].into_iter().enumerate() {
        let folder = format!("/tmp/killed{point}");
        // Most of the time passes before anything is stopped.
        let when = match point {
            0 => "sleep 1".to_owned(),
            _ => format!(
                "while kill -0 $! && grep -q 'TracerPid:.0$' /proc/{pid}/status; do :; done; \
                 usleep {after}000"
            ),
        };
        let chosen = command(&pid.to_string(), "image");
        guest
            .run(&format!(
                "mkdir {folder}; cd {folder}; (sh -c '{chosen}' >/dev/null) & {when}; \
                 kill -9 $!; wait $!; true"
            ))
            .unwrap();
        runs(guest, pid);
        match guest.run(&format!("test -e {folder}/image")) {
            Ok(_) => {
                verified(guest, &format!("{folder}/image"));
                whole += 1;
            }
            Err(_) => none += 1,
        }
        guest.run(&format!("rm -r {folder}")).unwrap();
    }
    println!("killed: {none} times no image, {whole} times a whole one");
    assert!(none > 1);
}

/// A cgroup as a whole, thawed whatever happens to the freeze.
fn as_a_cgroup(guest: &mut Guest, pid: u32) {
    guest
        .run(&format!(
            "mkdir -p {GROUP}/below {GROUP}.empty; echo {pid} >{GROUP}/below/cgroup.procs"
        ))
        .unwrap();
    let fork = "sh -c 'while :; do (:); done'";
    let forking = guest.start(fork, "/tmp/forking").unwrap();
    guest
        .run(&format!("echo {forking} >{GROUP}/cgroup.procs"))
        .unwrap();
    let chosen = format!("--cgroup {GROUP}");
    for _ in 0..2 {
        let pause = freeze(guest, &chosen, "/tmp/cgroup.img");
        let image = verified(guest, "/tmp/cgroup.img");
        let names: Vec<String> = pids_and_names(&image).into_values().collect();
        println!(
            "{} tasks of a cgroup stood still for {pause} ms",
            names.len()
        );
        assert_eq!(names.iter().filter(|name| *name == "threads").count(), 5);
        assert!(names.iter().any(|name| name == "sh"), "{names:?}");
        thawed(guest, pid);
    }
    // A freeze that is refused, and one that is ended.
    let socket = guest.start("refused socket", "/tmp/socket").unwrap();
    guest.says(socket, "/tmp/socket", "ready", LIMIT).unwrap();
    guest
        .run(&format!("echo {socket} >{GROUP}/below/cgroup.procs"))
        .unwrap();
    let output = refused(guest, &chosen, "/tmp/refused.img");
    assert!(output.stderr.contains("a socket (unix"), "{output:?}");
    thawed(guest, pid);
    guest.run(&format!("kill {socket}")).unwrap();
    let freeze = command(&chosen, "/tmp/ended.img");
    guest
        .run(&format!(
            "(sh -c '{freeze}' >/dev/null) & while kill -0 $! && ! grep -q 1 {GROUP}/cgroup.freeze; \
             do :; done; kill -TERM $!; wait $!; true"
        ))
        .unwrap();
    thawed(guest, pid);
    // Who is frozen by somebody else stays so.
    guest
        .run(&format!(
            "echo 1 >{GROUP}/cgroup.freeze; \
             until grep -q 'frozen 1' {GROUP}/cgroup.events; do usleep 1000; done"
        ))
        .unwrap();
    super::freeze(guest, &chosen, "/tmp/cgroup.img");
    verified(guest, "/tmp/cgroup.img");
    let frozen = guest.run(&format!("cat {GROUP}/cgroup.freeze"));
    assert_eq!(frozen.unwrap(), "1\n");
    // Those who were let go come to this stop by themselves.
    guest
        .wait_for(&format!("{GROUP}/cgroup.events"), "frozen 1", LIMIT)
        .unwrap();
    guest
        .run(&format!("echo 0 >{GROUP}/cgroup.freeze; kill -9 {forking}"))
        .unwrap();
    runs(guest, pid);
    for (path, expected) in [
        (
            format!("{GROUP}.empty"),
            "there are no processes in the cgroup",
        ),
        (
            "/sys/fs/cgroup".to_owned(),
            "is no cgroup that can be frozen",
        ),
        ("/tmp".to_owned(), "is no cgroup that can be frozen"),
    ] {
        let output = refused(guest, &format!("--cgroup {path}"), "/tmp/none.img");
        assert!(output.stderr.contains(expected), "{output:?}");
    }
}

/// Processes that fork and end without end are caught by the freezer, every one of them.
fn nobody_escapes(guest: &mut Guest) {
    guest.run(&format!("mkdir {GROUP}.runaway")).unwrap();
    for which in 0..3 {
        let join = format!("echo \\$\\$ >{GROUP}.runaway/cgroup.procs");
        let script = format!("sh -c \"{join}; exec runaway\"");
        let output = format!("/tmp/runaway{which}");
        guest.start(&script, &output).unwrap();
        guest.wait_for(&output, "ready", LIMIT).unwrap();
    }
    let chosen = format!("--kill --cgroup {GROUP}.runaway");
    freeze(guest, &chosen, "/tmp/runaway.img");
    let image = verified(guest, "/tmp/runaway.img");
    let names: Vec<String> = pids_and_names(&image).into_values().collect();
    println!("caught: {names:?}");
    assert!(names.len() >= 3 && names.iter().all(|name| name == "runaway"));
    // Who escaped would be there for ever.
    let events = format!("{GROUP}.runaway/cgroup.events");
    guest.wait_for(&events, "populated 0", LIMIT).unwrap();
}

fn thawed(guest: &mut Guest, pid: u32) {
    let said = guest.run(&format!("cat {GROUP}/cgroup.freeze")).unwrap();
    assert_eq!(said, "0\n");
    runs(guest, pid);
}
