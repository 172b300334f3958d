//! What was measured on.

use std::fmt;
use std::fs;

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Name of its CPU.
    pub cpu: String,
    /// How many CPUs this process may use.
    pub cpus: usize,
    /// Memory, in bytes.
    pub memory: u64,
    /// What `uname -r` prints.
    pub kernel: String,
    /// The file system of a folder, as the kernel mounted it.
    pub file_system: String,
    /// How many tasks ran or waited for the disk, on average over the last minute (proc_loadavg(5)).
    pub load: String,
}

impl Machine {
    /// This one, with the file system that `folder` lies on. What cannot be found out is said to be unknown.
    pub fn here(folder: &std::path::Path) -> Machine {
        let unknown = || String::from("unknown");
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = value(&read("/proc/cpuinfo"), "model name");
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        let kernel = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().filter(|load| !load.is_empty());
        Machine {
            load: load.map_or_else(unknown, str::to_owned),
            cpu: cpu.unwrap_or_else(unknown),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kib.unwrap_or(0) * 1024,
            kernel: kernel.trim().to_owned(),
            file_system: file_system(&read("/proc/mounts"), folder).unwrap_or_else(unknown),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory as f64 / f64::from(1 << 30);
        let Machine {
            cpu,
            cpus,
            kernel,
            file_system,
            load,
            ..
        } = self;
        write!(
            f,
            "{cpu}, {cpus} CPUs, {gib:.0} GiB of memory, Linux {kernel}, files on {file_system}, with a load of {load} before"
        )
    }
}

/// The first value of a name in a file of `/proc` with a line for each.
fn value(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| found.trim() == name)?;
    Some(value.trim().to_owned())
}

/// The type of the file system that a folder lies on: that of the longest mount point above it, and of those the
/// last, which hides the others (proc_pid_mounts(5)).
fn file_system(mounts: &str, folder: &std::path::Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut parts = line.split(' ').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let above = mounts.filter(|(point, _)| folder.starts_with(point));
    let found = above.max_by_key(|(point, _)| point.len())?;
    Some(found.1.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_folder_lies_on_what_is_mounted_nearest_above_it_and_last() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp xfs rw 0 0\nx /tmpfoo nfs rw 0 0";
        let of = |folder: &str| file_system(mounts, Path::new(folder));
        assert_eq!(of("/tmp/a").as_deref(), Some("xfs"));
        assert_eq!(of("/home").as_deref(), Some("ext4"));
        assert_eq!(file_system("", Path::new("/home")), None);
    }
}
