//! What a program asked the kernel to be told of, through a file that does not say so.

use super::found::{NOT_YET, Obstacles};
use crate::plan::{OpenFile, Plan};
use kconv_codes::Code;
use kconv_image::Escaped;
use kconv_resources::linux6::{File, FileType};

/// Looks at all open files.
pub(super) fn check(plan: &Plan, found: &mut Obstacles<'_>) {
    for process in &plan.processes {
        for open in process.descriptors.iter().map(|one| &plan.files[one.file]) {
            let file = plan.resources.file(open.resource);
            if let Some((file, (code, what))) =
                file.and_then(|file| Some((file, asked(open, file)?)))
            {
                let name = format!("{} {}", file.file_type.name(), Escaped(&file.path));
                found.add(code, Some(process.pid), name, what, "none", NOT_YET);
            }
        }
    }
}

/// What is asked for with an open file.
fn asked(open: &OpenFile, file: &File) -> Option<(Code, &'static str)> {
    let writes = open.flags as i32 & libc::O_ACCMODE != libc::O_RDONLY;
    // Nothing else is written there (Documentation/accounting/psi.rst).
    if writes && takes_triggers(file) {
        return Some((Code::FdPressure, "a trigger for pressure"));
    }
    // Signals of a directory are those of fcntl(2), F_NOTIFY, which sets who gets them (fs/notify/dnotify/dnotify.c:
    // fcntl_dirnotify); it has no others.
    let is_owned = open.owner.is_some_and(|owner| owner.pid != 0);
    let is_notified = matches!(file.file_type, FileType::Directory) && is_owned;
    is_notified.then_some((Code::FdNotify, "a signal at its changes (F_NOTIFY)"))
}

/// Whether a file has triggers written to it, wherever its file system is mounted (`kernel/sched/psi.c`: psi_proc_init;
/// `kernel/cgroup/cgroup.c`: cgroup_psi_files). Beside those of cgroups lies one that has pressure counted at all.
fn takes_triggers(file: &File) -> bool {
    let is_one = |name: &str| matches!(name, "cpu" | "io" | "memory" | "irq");
    let mut names = file.path.rsplit('/');
    let name = names.next().unwrap_or_default();
    match file.inode.file_system.as_str() {
        "proc" => is_one(name) && names.next() == Some("pressure"),
        "cgroup2" => name.strip_suffix(".pressure").is_some_and(is_one),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use kconv_image::{ObjectId, ResourceId};
    use kconv_tasks::model::FileOwner;

    #[test]
    fn triggers_of_pressure_and_signals_of_directories_are_known() {
        let open = |flags: i32, owner| OpenFile {
            object: ObjectId(1),
            resource: ResourceId(0),
            flags: flags as u32,
            position: 0,
            owner,
            write_hint: 0,
        };
        let file = |path: &str, file_system: &str, file_type| {
            let mut file = File {
                file_type,
                ..testing::file(path)
            };
            file.inode.file_system = file_system.to_owned();
            file
        };
        let code = |open, file| asked(&open, &file).map(|(code, _)| code);
        let regular = |path, file_system| file(path, file_system, FileType::Regular);
        let memory = || regular("/proc/pressure/memory", "proc");
        assert_eq!(code(open(libc::O_RDONLY, None), memory()), None);
        assert_eq!(
            code(open(libc::O_RDWR, None), memory()),
            Some(Code::FdPressure)
        );
        let of_cgroup = regular("/sys/fs/cgroup/a/cpu.pressure", "cgroup2");
        assert_eq!(
            code(open(libc::O_WRONLY, None), of_cgroup),
            Some(Code::FdPressure)
        );
        let of_root = regular("/srv/root/proc/pressure/irq", "proc");
        assert_eq!(
            code(open(libc::O_RDWR, None), of_root),
            Some(Code::FdPressure)
        );
        // What has it counted at all, and what only has such a name.
        for (path, file_system) in [
            ("/sys/fs/cgroup/a/cgroup.pressure", "cgroup2"),
            ("/sys/fs/cgroup/pressure/memory", "cgroup2"),
            ("/proc/sys/memory", "proc"),
            ("/srv/pressure/memory", "ext4"),
        ] {
            let other = regular(path, file_system);
            assert_eq!(code(open(libc::O_WRONLY, None), other), None, "{path}");
        }
        let of_disk = regular("/srv/cpu.pressure", "ext4");
        assert_eq!(code(open(libc::O_WRONLY, None), of_disk), None);
        let owner = |pid| FileOwner {
            kind: 1,
            pid,
            users: [0; 2],
            signal: 0,
        };
        let folder = || file("/srv", "ext4", FileType::Directory);
        assert_eq!(code(open(0, None), folder()), None);
        assert_eq!(code(open(0, Some(owner(0))), folder()), None);
        assert_eq!(
            code(open(0, Some(owner(7))), folder()),
            Some(Code::FdNotify)
        );
        assert_eq!(code(open(0, Some(owner(7))), memory()), None);
    }
}
