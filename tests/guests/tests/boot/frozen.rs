//! Every reading of a guest's /proc agrees with what `kconv inspect --json` says of the image of its
//! tasks, as they were frozen and after a conversion; and what /proc does not show is as the program
//! has set it.

use super::{LIMIT, checked_parts};
use kconv_guests::compare::compare;
use kconv_guests::proc::Proc;
use kconv_guests::{Guest, static_kconv};
use kconv_image::{Image, ObjectId};
use kconv_overrides::linux_6::futex;
use kernel_structs::layout::FieldPath;
use kernel_structs::releases::{LayoutId, Registry};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Parts of the program's state of which `compare` knows all that /proc says.
pub(super) const PARTS: &str =
    "signals files process memory timers family sleeps scheduling threads registers";

/// Freezes the program with all state, brings the image to the kernel `to`, and holds both against
/// what the running kernel says.
pub(super) fn frozen(guest: &mut Guest, to: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (image, converted) = (folder.path().join("image"), folder.path().join("converted"));
    let mut seen = Vec::new();
    let (verdict, wrong) = checked_parts(guest, "/tmp/frozen", PARTS, |guest, pid| {
        let before = family(guest, pid);
        let freeze = format!("kconv freeze {pid} --tree -o /tmp/image");
        let output = guest.attempt(&freeze, 3 * LIMIT).unwrap();
        assert_eq!(output.code, 0, "{output:?}");
        seen = before.into_iter().zip(family(guest, pid)).collect();
    });
    assert!(verdict.starts_with("ok, "), "{verdict} {wrong:#?}");
    std::fs::write(&image, guest.get("/tmp/image").unwrap()).unwrap();
    guest.run("rm -r /tmp/frozen /tmp/image").unwrap();

    let from = guest.release().to_owned();
    let inspected = inspect(&image);
    agrees(&from, &seen, &inspected);
    set_by_the_program(&inspected);
    flags_of_futexes(&image);
    let (image_text, converted_text) = (image.to_str().unwrap(), converted.to_str().unwrap());
    kconv(&[&from, to, image_text, "-o", converted_text]);
    let mut carried = inspect(&converted);
    set_by_the_program(&carried);
    flags_of_futexes(&converted);
    left_out(&inspected, &mut carried);
    agrees(&format!("{from}, converted to {to}"), &seen, &carried);
}

/// What /proc says of a process and of its children.
fn family(guest: &mut Guest, pid: u32) -> Vec<Proc> {
    let first = guest.proc(pid).unwrap();
    let children: Vec<u32> = first
        .threads
        .values()
        .flat_map(|thread| thread.children.clone())
        .collect();
    let mut all = vec![first];
    // What has ended is a zombie, of which most of /proc is empty.
    for child in children {
        all.extend(guest.proc(child).ok());
    }
    assert!(all.len() > 3, "{} processes", all.len());
    all
}

/// The pages that threads of 6.1 keep to themselves, which its /proc leaves out, are in the counters
/// once an image is converted.
fn left_out(frozen: &Value, carried: &mut Value) {
    let frozen = frozen["tasks"].as_array().unwrap();
    for task in carried["tasks"].as_array_mut().unwrap() {
        let before = frozen.iter().find(|before| before["pid"] == task["pid"]);
        let before = &before.unwrap()["mm"]["rss_cached"];
        if task["mm"].is_object() && before.is_array() {
            task["mm"]["rss_cached"] = before.clone();
        }
    }
}

fn agrees(what: &str, seen: &[(Proc, Proc)], inspected: &Value) {
    let (mut checks, mut wrong) = (0, Vec::new());
    for (before, later) in seen {
        let comparison = compare(before, later, inspected);
        checks += comparison.checks;
        wrong.extend(comparison.wrong);
    }
    println!("{what}: {checks} readings of /proc hold");
    assert!(
        wrong.is_empty(),
        "{what}: {} of {checks}: {wrong:#?}",
        wrong.len()
    );
    assert!(checks > 5000, "{what}: {checks}");
}

/// What has no file in /proc; programs/state sets it.
fn set_by_the_program(inspected: &Value) {
    let tasks = inspected["tasks"].as_array().unwrap();
    let named = |name: &str| {
        let task = tasks.iter().find(|task| task["comm"] == name);
        task.unwrap_or_else(|| panic!("{name} is not in the image"))
    };
    let first = named("state of all");
    assert_eq!(first["alternate_stack"]["size"], 65536);
    assert_eq!(first["timers"]["real"]["interval"], 17_000_000_000u64);
    assert_eq!(
        first["timers"]["profiling"]["interval"],
        3_600_000_000_000u64
    );
    assert!(first["timers"]["virtual_time"]["expires"].as_u64().unwrap() > 5_000_000_000_000);
    let armed = first["timers"]["posix"].as_array().unwrap().iter();
    assert_eq!(armed.filter(|timer| timer["armed"] == true).count(), 8);
    assert_eq!(first["rseq"]["signature"], "0x53053053");
    for address in [
        &first["rseq"]["area"],
        &first["robust_list"],
        &first["clear_child_tid"],
        &first["thread"]["fsbase"],
    ] {
        assert_ne!(*address, "0x0");
    }
    let owner = &first["open_fds"]["11"]["owner"];
    assert_eq!(
        (&owner["pid"], &owner["signal"]),
        (&first["pid"], &Value::from(35))
    );
    for (thread, call, interrupted) in [
        ("state of all", "rt_sigsuspend", "ERESTARTNOHAND"),
        ("futex", "futex", "ERESTART_RESTARTBLOCK"),
        ("futex_realtime", "futex", "ERESTART_RESTARTBLOCK"),
        ("poll", "poll", "ERESTART_RESTARTBLOCK"),
        ("pause", "pause", "ERESTARTNOHAND"),
        ("read", "read", "ERESTARTSYS"),
    ] {
        let system_call = &named(thread)["system_call"];
        assert_eq!(system_call["name"], call, "{thread}");
        assert_eq!(system_call["interrupted"], interrupted, "{thread}");
    }
}

/// The flags of two waits for a futex, which the kernel of an image numbers as the decisions about them
/// say: one for memory that may be shared, with a time that passes, and one for the program's own
/// memory, until a time of the clock that is set.
fn flags_of_futexes(image: &Path) {
    let image = Image::open(image).unwrap();
    let head = image.head();
    let registry = Registry::builtin().unwrap();
    let kernel = LayoutId(head.identity.kernel.layout.clone());
    let layout = registry.layout(&kernel).unwrap();
    let place = |ty: &str, path: &str| {
        let path = FieldPath::parse(path).unwrap();
        layout.lookup(layout.find(ty)?, &path)
    };
    let offset = |path: &str| place("task_struct", path).unwrap().offset.byte().0 as usize;
    // What stands for 6.7 and later in the decision.
    let flags = match place("sched_dl_entity", "dl_server") {
        None => [
            futex::of_6_1::FLAGS_HAS_TIMEOUT | futex::of_6_1::FLAGS_SHARED,
            futex::of_6_1::FLAGS_HAS_TIMEOUT | futex::of_6_1::FLAGS_CLOCKRT,
        ],
        Some(_) => [futex::of_6_7::FLAGS_SHARED, futex::of_6_7::FLAGS_CLOCKRT]
            .map(|one| one | futex::of_6_7::FLAGS_HAS_TIMEOUT | futex::of_6_7::FLAGS_SIZE_32),
    };
    let (comm, found) = (offset("comm"), offset("restart_block.futex.flags"));
    for (name, expected) in ["futex", "futex_realtime"].into_iter().zip(flags) {
        let tasks = (0..).map(ObjectId).zip(&head.objects);
        let tasks = tasks.filter(|(_, object)| head.type_name(object) == "task_struct");
        let mut tasks = tasks.map(|(id, _)| {
            let mut bytes = Vec::new();
            image.read_object(id, &mut bytes).unwrap();
            bytes
        });
        let called =
            |task: &Vec<u8>| task[comm..].split(|byte| *byte == 0).next() == Some(name.as_bytes());
        let task = tasks.find(called).unwrap_or_else(|| panic!("no {name}"));
        let flags = u32::from_le_bytes(task[found..found + 4].try_into().unwrap());
        assert_eq!(u64::from(flags), expected, "{}: {name}", kernel.0);
    }
}

/// Runs the `kconv` that guests have.
pub(super) fn kconv(arguments: &[&str]) -> Vec<u8> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| static_kconv().unwrap());
    let ran = Command::new(program).args(arguments).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {ran:?}");
    ran.stdout
}

/// What `kconv inspect --json` says of an image, which is sound.
fn inspect(image: &Path) -> Value {
    kconv(&["verify", image.to_str().unwrap()]);
    serde_json::from_slice(&kconv(&["inspect", image.to_str().unwrap(), "--json"])).unwrap()
}
