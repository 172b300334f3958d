//! Processes and threads as `/proc` lists them.

use crate::source::Standing;
use kconv_image::TaskName;
use kconv_machine::TaskStat;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::ops::Range;

/// The name of a task.
pub(super) fn name(task: i32) -> TaskName {
    let comm = fs::read(format!("/proc/{task}/comm")).unwrap_or_default();
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    TaskName {
        pid: task.into(),
        comm: String::from_utf8_lossy(comm).into_owned(),
    }
}

/// Whether a thread belongs to the kernel and has no user mode.
pub(super) fn is_of_kernel(thread: i32) -> bool {
    TaskStat::of(&thread.to_string()).is_some_and(|stat| stat.is_of_kernel())
}

/// The threads of a process.
pub(super) fn threads(process: i32) -> io::Result<Vec<i32>> {
    numbers(&format!("/proc/{process}/task"))
}

/// What confines a thread, as `/proc/PID/task/TID` tells it (proc_pid_attr(5), cgroups(7)).
pub(super) fn standing(process: i64, thread: i64) -> Standing {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/task/{thread}/{file}"));
    // Where no module labels tasks it cannot be read, or is empty.
    let label = |file: &str| {
        let text = read(file).unwrap_or_default();
        let text = text.trim_end_matches(['\0', '\n']);
        (!text.is_empty()).then(|| text.to_owned())
    };
    Standing {
        label: label("attr/current"),
        label_of_execve: label("attr/exec"),
        cgroups: cgroups_v1(&read("cgroup").unwrap_or_default()),
    }
}

/// The hierarchies of version 1 in `/proc/PID/cgroup`, which are numbered from 1 on.
fn cgroups_v1(lines: &str) -> Vec<String> {
    let hierarchies = lines.lines().filter_map(|line| line.split_once(':'));
    hierarchies
        .filter(|(number, _)| *number != "0")
        .map(|(_, hierarchy)| hierarchy.to_owned())
        .collect()
}

/// Where a process has the code that the kernel maps into each program; `None` if it has none.
pub(super) fn vdso(process: i32) -> Option<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps")).ok()?;
    let line = maps.lines().find(|line| line.ends_with(" [vdso]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(address(start)?..address(end)?)
}

/// A mapping, as `/proc/PID/maps` has it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether the program may read, write or execute it: on x86 it can read what it may do any of these
    /// with.
    pub(super) is_accessible: bool,
    pub(super) is_writable: bool,
    /// Whether others see what is written there.
    pub(super) is_shared: bool,
}

/// What is mapped in a process, by ascending address.
pub(super) fn mappings(process: i32) -> io::Result<Vec<Mapped>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let mapped = maps.lines().map(parse_mapping).collect::<Option<_>>();
    mapped.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Reads a line of `/proc/PID/maps`.
fn parse_mapping(line: &str) -> Option<Mapped> {
    let mut fields = line.split(' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    let [read, write, execute, shared] = fields.next()?.as_bytes() else {
        return None;
    };
    Some(Mapped {
        start: address(start)?,
        end: address(end)?,
        is_accessible: [read, write, execute].iter().any(|may| **may != b'-'),
        is_writable: *write == b'w',
        is_shared: *shared == b's',
    })
}

/// `processes` and all that descend from them, as it is at this moment.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn with_descendants(processes: &BTreeSet<i32>) -> io::Result<BTreeSet<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (process, stat) in all()? {
        children.entry(stat.parent).or_default().push(process);
    }
    let mut found = BTreeSet::new();
    let mut open: Vec<i32> = processes.iter().copied().collect();
    while let Some(process) = open.pop() {
        if found.insert(process) {
            open.extend(children.get(&process).into_iter().flatten());
        }
    }
    Ok(found)
}

/// All processes that there are.
pub(super) fn all() -> io::Result<BTreeMap<i32, TaskStat>> {
    let processes = numbers("/proc")?.into_iter();
    Ok(processes
        .filter_map(|process| Some((process, TaskStat::of(&process.to_string())?)))
        .collect())
}

/// Names in a folder that are numbers, ascending.
fn numbers(folder: &str) -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder)? {
        numbers.extend(
            entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok()),
        );
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    #[test]
    fn hierarchies_of_version_1_are_numbered() {
        let lines = "5:cpu,cpuacct:/a:b\n1:name=systemd:/init.scope\n0::/init.scope\n";
        let expected = ["cpu,cpuacct:/a:b", "name=systemd:/init.scope"];
        assert_eq!(super::cgroups_v1(lines), expected);
    }

    use super::*;

    #[test]
    fn the_vdso_is_executable_memory() {
        let vdso = vdso(std::process::id() as i32).unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = format!("{:x}-{:x} r-xp", vdso.start, vdso.end);
        assert!(maps.contains(&line), "{line}: {maps}");
        assert_eq!(super::vdso(i32::MAX), None);
    }

    #[test]
    fn what_is_mapped_is_told_with_who_sees_it() {
        let private = "7f0000000000-7f0000001000 -w-p 00000000 00:00 0 ";
        let expected = Mapped {
            start: 0x7f00_0000_0000,
            end: 0x7f00_0000_1000,
            is_accessible: true,
            is_writable: true,
            is_shared: false,
        };
        assert_eq!(parse_mapping(private), Some(expected));
        let shared = parse_mapping("1000-2000 r--s 00000000 fe:00 12 /a b").unwrap();
        assert!(shared.is_shared && shared.is_accessible && !shared.is_writable);
        let reserved = parse_mapping("1000-2000 ---p 00000000 00:00 0").unwrap();
        assert!(!reserved.is_accessible);
        assert_eq!(parse_mapping("1000-2000"), None);
        assert!(!mappings(std::process::id() as i32).unwrap().is_empty());
    }
}
