//! A dump of the machine and the running machine give the same objects of the same tasks, which
//! the freezer of their cgroup holds meanwhile.

use super::{LIMIT, freeze, kconv, wait_for_tasks};
use kconv_guests::Guest;
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::releases::{LayoutId, Registry};
use kernel_structs::state::{Policy, StateMap};
use object::{Object, ObjectSegment};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

const GROUP: &str = "/sys/fs/cgroup/dumped";

/// Fields that differ, with all that is in them, and why, beside those that the state map has made
/// anew. What is live was looked at later, and its threads were woken once, to go from the stop of
/// their cgroup into that of their tracer.
const OTHERWISE: [(&str, &[&str]); 5] = [
    (
        "the stop itself, which a live freeze leaves out",
        &["__state", "frozen", "jobctl"],
    ),
    (
        "that a signal may be there, as at each stop",
        &["thread_info.flags", "rseq_event_mask"],
    ),
    (
        "the scheduler counts and places a task that it woke",
        &[
            "acct_rss_mem1",
            "acct_timexpd",
            "acct_vm_mem1",
            "nivcsw",
            "nvcsw",
            "prev_cputime",
            "rt",
            "sched_info",
            "sched_remote_wakeup",
            "se",
            "stime",
            "wakee_flips",
        ],
    ),
    (
        "neighbours in lists, some of which have come or gone",
        &["sibling", "tasks"],
    ),
    (
        "references that come and go with other tasks and with kconv, which has files of /proc open and \
         reads memory",
        &[
            "group_info.usage",
            "mm_struct.mm_count",
            "mm_struct.mm_users",
            "mm_struct.rss_stat",
            "nsproxy.count",
            "pid.count",
            "rcu_users",
            "usage",
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

/// Tells fields that the state map has made anew at every thaw, so that nothing is lost with their
/// values.
struct MadeAnew {
    map: StateMap,
    layout: Layout,
}

impl MadeAnew {
    fn of(image: &Path) -> MadeAnew {
        let image = kconv_image::Image::open(image).unwrap();
        let registry = Registry::builtin().unwrap();
        let identity = &image.head().identity;
        let layout = LayoutId(identity.kernel.layout.clone());
        MadeAnew {
            map: registry.state_map(&identity.family).unwrap(),
            layout: registry.layout(&layout).unwrap(),
        }
    }

    /// Whether `found`, a path that begins with the type, is such a field or a part of one.
    fn has(&self, found: &str) -> bool {
        let (ty, path) = found.split_once('.').unwrap();
        let root = self.layout.find(ty).unwrap();
        let mut owner = root;
        let ends = path.match_indices('.').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let step = &path[..end];
            let Ok(resolved) = FieldPath::parse(step)
                .map_err(drop)
                .and_then(|path| self.layout.resolve(root, &path).map_err(drop))
            else {
                return false;
            };
            let name = step.rsplit('.').next().unwrap();
            let name = name.split('[').next().unwrap();
            let names = self.layout.names(owner);
            let rule = self
                .map
                .member_rule(&self.layout, &names, name, resolved.ty);
            if let Some((rule, _)) = rule {
                return matches!(rule.policy, Policy::Reset { .. });
            }
            owner = resolved.ty;
        }
        false
    }
}

pub(crate) fn as_alive(guest: &mut Guest, folder: &Path) {
    guest
        .run("seq 3000000 >/disk/large; mkdir /disk/here")
        .unwrap();
    let programs = [
        "busybox sha256sum /disk/large /disk/large /disk/large /disk/large /disk/large",
        "threads 3 100000000",
        "pipeline 1000000",
        "sh -c 'cd /disk/here; trap : USR1; echo ready; read never <>/tmp/never'",
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
    let processes = format!("$(cat {GROUP}/cgroup.procs)");
    let mut names = vec!["busybox", "sh"];
    names.extend(["threads"; 4]);
    names.extend(["pipeline"; 3]);
    wait_for_tasks(guest, &processes, &names);
    guest.wait_for("/tmp/dumped3", "ready", LIMIT).unwrap();
    guest
        .run(&format!(
            "echo 1 >{GROUP}/cgroup.freeze; \
             until grep -q 'frozen 1' {GROUP}/cgroup.events; do usleep 1000; done"
        ))
        .unwrap();
    let pids = guest.run(&format!("cat {GROUP}/cgroup.procs")).unwrap();
    let vdsos = guest
        .run(&format!(
            "for pid in $(cat {GROUP}/cgroup.procs); do grep vdso /proc/$pid/maps; done"
        ))
        .unwrap();
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
    command.args(["freeze", "-v"]).args(pids.split_whitespace());
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
    let anew = MadeAnew::of(&alive);
    differences.retain(|field, _| !anew.has(field));
    let state = differences.len();
    differences.retain(|field, _| !is_otherwise(field));
    println!("{compared} values compared; {all} fields differ, {state} of them not made anew");
    assert!(compared > 5000);
    assert!(differences.is_empty(), "{differences:#?}");
    // Of the vDSO a dump has what was called, and a live freeze all.
    let vdsos: Vec<u64> = vdsos
        .lines()
        .map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap())
        .collect();
    assert_eq!(vdsos.len(), pids.split_whitespace().count());
    let [alive, dumped] = [&alive, &dumped].map(|image| {
        let mut memory = memory(image);
        memory.retain(|(at, _)| {
            !vdsos
                .iter()
                .any(|start| (*start..start + 0x2000).contains(at))
        });
        memory
    });
    let bytes: usize = alive.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes > 100 << 12, "{bytes} bytes of memory");
    assert!(alive == dumped, "the pages of memory differ");
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

/// The user pages of an image: addresses, and what is there. Which of them make one segment depends on
/// what is known of those that several address spaces have.
fn memory(image: &Path) -> Vec<(u64, Vec<u8>)> {
    let bytes = std::fs::read(image).unwrap();
    let elf = object::File::parse(bytes.as_slice()).unwrap();
    let segments = elf
        .segments()
        .filter(|segment| segment.address() >> 47 == 0);
    let pages = segments.flat_map(|segment| {
        let pages = segment.data().unwrap().chunks(4096);
        let addresses = (segment.address()..).step_by(4096);
        addresses.zip(pages).map(|(at, page)| (at, page.to_vec()))
    });
    pages.collect()
}
