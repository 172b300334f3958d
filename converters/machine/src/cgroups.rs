//! Cgroups of version 2 by their folders: what they limit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The files with limits of a cgroup, and what stands in them where nothing is limited
/// (`Documentation/admin-guide/cgroup-v2.rst`).
const LIMITS: [(&str, &str); 20] = [
    ("cpu.idle", "0"),
    ("cpu.max", "max 100000"),
    ("cpu.max.burst", "0"),
    ("cpu.uclamp.max", "max"),
    ("cpu.uclamp.min", "0.00"),
    ("cpu.weight", "100"),
    ("cpuset.cpus", ""),
    ("cpuset.cpus.partition", "member"),
    ("cpuset.mems", ""),
    ("io.max", ""),
    ("io.weight", "default 100"),
    ("memory.high", "max"),
    ("memory.low", "0"),
    ("memory.max", "max"),
    ("memory.min", "0"),
    ("memory.oom.group", "0"),
    ("memory.swap.high", "max"),
    ("memory.swap.max", "max"),
    ("memory.zswap.max", "max"),
    ("pids.max", "max"),
];

/// Where the hierarchy of cgroups of version 2 is mounted; `None` if it is not.
pub fn cgroup_root() -> Option<PathBuf> {
    root_in(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// The cgroup of a process in the hierarchy of version 2, by its path there; `self` is the one that asks. `None` if the
/// process is gone, or in none.
pub fn cgroup_of(process: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    path_in(&text).map(str::to_owned)
}

/// Its path by `/proc/PID/cgroup` (cgroups(7)).
fn path_in(cgroups: &str) -> Option<&str> {
    cgroups.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where it is by `/proc/PID/mountinfo` (proc_pid_mountinfo(5)): the file system's type is the first
/// field behind the hyphen, the mount point the fifth of all.
fn root_in(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system) = line.split_once(" - ")?;
        let is_it = file_system.split(' ').next() == Some("cgroup2");
        is_it.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// What the cgroup `path` and those above it limit, by `PATH/FILE`; `root` is where they are mounted.
pub fn cgroup_limits(root: &Path, path: &str) -> BTreeMap<String, String> {
    let mut limits = BTreeMap::new();
    let mut level = String::new();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        level.push('/');
        level.push_str(name);
        for (file, unlimited) in LIMITS {
            let found = fs::read_to_string(root.join(&level[1..]).join(file));
            if let Ok(found) = found
                && found.trim_end() != unlimited
            {
                limits.insert(format!("{level}/{file}"), found.trim_end().to_owned());
            }
        }
    }
    limits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_hierarchy_is_found_by_its_type() {
        let mounts = "\
            22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            25 22 0:22 / /sys/fs/cgroup rw,nosuid shared:4 - tmpfs tmpfs ro\n\
            26 25 0:23 / /sys/fs/cgroup/unified rw shared:5 - cgroup2 cgroup2 rw\n";
        assert_eq!(
            root_in(mounts).as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified"))
        );
        assert_eq!(root_in(&mounts[..40]), None);
    }

    #[test]
    fn a_cgroup_is_that_of_the_unified_hierarchy() {
        assert_eq!(path_in("2:cpu:/a\n0::/b/c\n"), Some("/b/c"));
        assert_eq!(path_in("0::/\n"), Some("/"));
        assert_eq!(path_in("1:name=systemd:/a\n"), None);
        assert_eq!(cgroup_of("0"), None);
    }

    #[test]
    fn limits_are_those_of_the_whole_path() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("a/pids.max", "50\n");
        put("a/memory.max", "max\n");
        put("a/b/cpu.max", "10000 100000\n");
        put("a/b/cpu.stat", "usage_usec 7\n");
        let limits = cgroup_limits(folder.path(), "/a/b");
        let expected = [("/a/b/cpu.max", "10000 100000"), ("/a/pids.max", "50")];
        let expected = expected.map(|(file, text)| (file.to_owned(), text.to_owned()));
        assert_eq!(limits, expected.into());
        assert!(cgroup_limits(folder.path(), "/").is_empty());
    }
}
