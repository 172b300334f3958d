//! Programs that compute run on after a freeze to the result they have without one.

use super::{LIMIT, freeze, pids_and_names, verified, wait_for_tasks};
use kconv_guests::Guest;

/// What the programs work on, in files of the guest, and a cgroup that has half of a CPU: they are
/// not to end before kconv, which runs beside them, has read what it needs to know of the kernel.
const INPUTS: &str = "seq 7000000 >/tmp/large; seq 150000 >/tmp/numbers; cd /sys/fs/cgroup; \
                      echo +cpu >cgroup.subtree_control; mkdir slow; echo 50000 100000 >slow/cpu.max";

/// Commands, and the names of their threads.
const PROGRAMS: [(&str, &[&str]); 5] = [
    (
        "busybox sha256sum $(yes /tmp/large | head -n 4)",
        &["busybox"],
    ),
    ("/usr/bin/xz -9 -c /tmp/numbers", &["xz"]),
    (
        "python3 -c 'import hashlib; d = [b\"\"] * 1000; f = hashlib.sha256; \
         d = [d.append(f(d[-1] + d.pop(i % 999)).digest()) or d[-1] for i in range(250000)]; \
         print(f(repr(d).encode()).hexdigest())'",
        &["python3"],
    ),
    ("threads 4 40000", &["threads"; 5]),
    ("pipeline 2000", &["pipeline"; 3]),
];

/// All of them at once, frozen together.
pub(crate) fn run_on(guest: &mut Guest) {
    guest.run(INPUTS).unwrap();
    let together: String = PROGRAMS
        .iter()
        .enumerate()
        .map(|(index, (command, _))| format!("{command} >/tmp/expected{index} & "))
        .collect();
    let undisturbed = guest.attempt(&format!("{together}wait"), LIMIT).unwrap();
    assert_eq!((undisturbed.code, undisturbed.stderr.as_str()), (0, ""));
    let mut pids = Vec::new();
    for (index, (command, _)) in PROGRAMS.iter().enumerate() {
        let script = format!("echo $$ >/sys/fs/cgroup/slow/cgroup.procs; exec {command}");
        let file = format!("/tmp/script{index}");
        guest.put(&file, script.as_bytes(), 0o600).unwrap();
        let pid = guest.start(&format!("sh {file}"), &format!("/tmp/result{index}"));
        pids.push(pid.unwrap().to_string());
    }
    let mut expected: Vec<&str> = PROGRAMS
        .iter()
        .flat_map(|(_, names)| names.iter().copied())
        .collect();
    expected.sort();
    wait_for_tasks(guest, "$(cat /sys/fs/cgroup/slow/cgroup.procs)", &expected);
    let reading = format!("/proc/{}/fdinfo/3", pids[0]);
    let begun = format!("until grep -qs 'pos:.[1-9]' {reading}; do usleep 20000; done");
    guest.run(&begun).unwrap();
    let chosen = format!("--tree {}", pids.join(" "));
    let pause = freeze(guest, &chosen, "/tmp/programs.img");
    let position = guest.run(&format!("grep pos: {reading}"));
    guest.run("echo max >/sys/fs/cgroup/slow/cpu.max").unwrap();
    let image = verified(guest, "/tmp/programs.img");
    let mut names: Vec<String> = pids_and_names(&image).into_values().collect();
    names.sort();
    let position = position.unwrap();
    println!(
        "{} tasks stood still for {pause} ms, {position}",
        names.len()
    );
    let position = position.trim().strip_prefix("pos:\t").unwrap();
    assert!((1..54_888_896).contains(&position.parse::<u64>().unwrap()));
    assert_eq!(names, expected);
    for (index, pid) in pids.iter().enumerate() {
        let ended = format!(
            "while test -e /proc/{pid}/exe; do usleep 20000; done; \
             cmp /tmp/result{index} /tmp/expected{index}"
        );
        let output = guest.attempt(&ended, LIMIT).unwrap();
        assert_eq!(output.code, 0, "{}: {output:?}", PROGRAMS[index].0);
    }
}
