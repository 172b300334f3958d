//! A dump of the machine and the running machine give the same objects of the same tasks, which
//! the freezer of their cgroup holds meanwhile.

use super::{freeze, kconv};
use kconv_guests::Guest;
use object::{Object, ObjectSegment};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const GROUP: &str = "/sys/fs/cgroup/dumped";

/// Fields that differ, with all that is in them, and why. What is live was looked at later, and its
/// threads were woken once, to go from the stop of their cgroup into that of their tracer.
const OTHERWISE: [(&str, &[&str]); 6] = [
    (
        "the stop itself, which a live freeze leaves out",
        &["__state", "frozen", "jobctl"],
    ),
    (
        "where the kernel stack ends at each stop, and that a signal may be there",
        &["thread.sp", "thread_info.flags", "rseq_event_mask"],
    ),
    (
        "the scheduler counts and places a task that it woke",
        &[
            "acct_rss_mem1",
            "acct_timexpd",
            "acct_vm_mem1",
            "cid_work",
            "last_mm_cid",
            "migrate_from_cpu",
            "nivcsw",
            "nvcsw",
            "prev_cputime",
            "recent_used_cpu",
            "sched_info",
            "sched_remote_wakeup",
            "se",
            "stime",
            "thread_info.cpu",
            "wake_cpu",
        ],
    ),
    (
        "what the scheduler, RCU and their watchdogs note for themselves, on run queues or on the way there",
        &[
            "last_switch_count",
            "wakee_flip_decay_ts",
            "wakee_flips",
            "last_switch_time",
            "last_wakee",
            "mm_cid",
            "node_stamp",
            "numa_scan_seq",
            "numa_work",
            "on_cpu",
            "on_rq",
            "psi_flags",
            "pushable_dl_tasks",
            "pushable_tasks",
            "rcu_node_entry",
            "rcu_read_unlock_special",
            "rcu_tasks_holdout",
            "rcu_tasks_holdout_list",
            "rcu_tasks_idle_cpu",
            "rcu_tasks_nvcsw",
            "rcu_users",
            "rt",
            "tick_dep_mask",
            "trc_blkd_cpu",
            "trc_blkd_node",
            "trc_holdout_list",
            "trc_ipi_to_cpu",
            "trc_reader_special",
            "usage",
            "wake_entry",
            "wake_q",
        ],
    ),
    (
        "neighbours in lists and trees, some of which have come or gone",
        &["sibling", "tasks"],
    ),
    (
        "references, and neighbours, that come and go with other tasks and with kconv, which has files of \
         /proc open and reads memory",
        &[
            "group_info.usage",
            "mm_struct.lru_gen",
            "mm_struct.mm_count",
            "mm_struct.mm_users",
            "mm_struct.rss_stat",
            "nsproxy.count",
            "pid.count",
            "pid.inodes",
            "signal_struct.exec_update_lock",
            "user_struct.__count",
        ],
    ),
];

/// Whether a field, of a task if no type stands before it, is one of those.
fn is_otherwise(found: &str) -> bool {
    let names = OTHERWISE.iter().flat_map(|(_, fields)| fields.iter());
    names.into_iter().any(|field| {
        let of_task = found.strip_prefix("task_struct.");
        let rest = found.strip_prefix(field);
        let rest = rest.or_else(|| of_task?.strip_prefix(field));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

pub(crate) fn as_alive(guest: &mut Guest, folder: &Path) {
    guest
        .run("seq 3000000 >/disk/large; mkdir /disk/here")
        .unwrap();
    let programs = [
        "busybox sha256sum /disk/large /disk/large /disk/large /disk/large /disk/large",
        "threads 3 100000000",
        "pipeline 1000000",
        "sh -c 'cd /disk/here; trap : USR1; read never <>/tmp/never'",
    ];
    guest
        .run(&format!("mkfifo /tmp/never; mkdir {GROUP}"))
        .unwrap();
    for (index, program) in programs.iter().enumerate() {
        // What a process forks is in its cgroup.
        let script = format!("sh -c \"echo \\$\\$ >{GROUP}/cgroup.procs; exec {program}\"");
        guest
            .start(&script, &format!("/tmp/dumped{index}"))
            .unwrap();
    }
    guest
        .run(&format!(
            "sleep 1; echo 1 >{GROUP}/cgroup.freeze; \
             until grep -q 'frozen 1' {GROUP}/cgroup.events; do usleep 1000; done"
        ))
        .unwrap();
    let pids = guest.run(&format!("cat {GROUP}/cgroup.procs")).unwrap();
    let core = folder.join("core");
    guest.dump(&core).unwrap();
    freeze(guest, &format!("--cgroup {GROUP}"), "/tmp/alive.img");
    let alive = folder.join("alive.img");
    std::fs::write(&alive, guest.get("/tmp/alive.img").unwrap()).unwrap();
    guest
        .run(&format!(
            "echo 1 >{GROUP}/cgroup.kill; echo 0 >{GROUP}/cgroup.freeze"
        ))
        .unwrap();

    let dumped = folder.join("dumped.img");
    let mut command = Command::new(kconv());
    command.arg("freeze").args(pids.split_whitespace());
    command.arg("--core").arg(&core).arg("-o").arg(&dumped);
    let output = command.output().unwrap();
    std::fs::remove_file(&core).unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    println!("{said}");
    let types = said
        .lines()
        .find(|line| line.starts_with("objects"))
        .unwrap();
    let types = types.split_once(": ").unwrap().1;
    let (mut compared, mut differences) = (0, BTreeMap::new());
    for of_type in types.split(", ") {
        let ty = of_type.split_once(' ').unwrap().1;
        let (alive, dumped) = (values(&alive, ty), values(&dumped, ty));
        for place in alive.keys().chain(dumped.keys()).collect::<BTreeSet<_>>() {
            compared += 1;
            let [alive, dumped] = [&alive, &dumped].map(|values| values.get(place));
            if alive != dumped {
                let field = place.split_once(' ').unwrap().1;
                let found = format!("{place}: {alive:?} alive, {dumped:?} dumped");
                differences.entry(format!("{ty}.{field}")).or_insert(found);
            }
        }
    }
    let all = differences.len();
    differences.retain(|field, _| !is_otherwise(field));
    println!("{compared} values compared; {all} fields differ");
    assert!(compared > 5000);
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(memory(&alive), memory(&dumped));
}

/// Every field of every object of a type, by the object's address and its path.
fn values(image: &Path, ty: &str) -> BTreeMap<String, String> {
    let mut command = Command::new(kconv());
    command
        .arg("inspect")
        .arg(image)
        .args(["--type", ty, "--json"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{ty}: {output:?}");
    let objects: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for object in objects.as_array().unwrap() {
        let at = object["address"].as_str().unwrap();
        flatten(&object["fields"], &format!("{at} "), &mut found);
    }
    found
}

fn flatten(value: &Value, place: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let dot = if place.ends_with(' ') { "" } else { "." };
                flatten(field, &format!("{place}{dot}{name}"), found);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                flatten(element, &format!("{place}[{index}]"), found);
            }
        }
        other => {
            found.insert(place.to_owned(), other.to_string());
        }
    }
}

/// The user pages of an image: addresses, and what is there.
fn memory(image: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(image).unwrap();
    let elf = object::File::parse(bytes.as_slice()).unwrap();
    let segments = elf
        .segments()
        .filter(|segment| segment.address() >> 47 == 0);
    segments
        .map(|segment| (segment.address(), segment.data().unwrap().to_vec()))
        .collect()
}
