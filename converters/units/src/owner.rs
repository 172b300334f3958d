//! The unit that a control group is of.

use kconv_machine::cgroup_of;

/// What a task is of, by its control group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A service of the system, by its name.
    Service(String),
    /// Something else: a scope, a session, a unit of a user's own systemd, or no unit.
    Other,
}

/// What is in the control group `path`, such as `/system.slice/redis.service`.
///
/// The first part that is no slice is the unit, and what is below is its own (`src/basic/cgroup-util.c`: cg_path_get_unit). A
/// name that would be taken for a file of the kernel's has an underscore before it (cg_unescape). What the systemd of
/// a user starts is no service of the system's.
pub(crate) fn owner(path: &str) -> Owner {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let unit = parts.find(|part| !part.ends_with(".slice"));
    match unit.map(|unit| unit.strip_prefix('_').unwrap_or(unit)) {
        Some(unit) if unit.ends_with(".service") && !unit.starts_with("user@") => {
            Owner::Service(unit.to_owned())
        }
        _ => Owner::Other,
    }
}

/// What the process `pid` is of; `None` if it is gone, or there are no control groups of version 2.
pub fn owner_of(pid: i32) -> Option<Owner> {
    cgroup_of(&pid.to_string()).map(|path| owner(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_of_a_group_is_the_first_part_that_is_no_slice() {
        let service = |name: &str| Owner::Service(name.to_owned());
        for (path, is) in [
            ("/system.slice/redis.service", service("redis.service")),
            (
                "/system.slice/system-getty.slice/getty@tty1.service",
                service("getty@tty1.service"),
            ),
            ("/batch.slice/a.service/own/below", service("a.service")),
            ("/system.slice/_cpu.service", service("cpu.service")),
            (
                "/system.slice/dev-a\\x2db.service",
                service("dev-a\\x2db.service"),
            ),
            ("/", Owner::Other),
            ("/init.scope", Owner::Other),
            ("/user.slice/user-0.slice/session-3.scope", Owner::Other),
            (
                "/user.slice/user-0.slice/user@0.service/app.slice/a.service",
                Owner::Other,
            ),
            ("/machine/a.service", Owner::Other),
        ] {
            assert_eq!(owner(path), is, "{path}");
        }
    }
}
