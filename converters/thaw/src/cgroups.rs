//! Cgroups: a process goes on in the one of the same path, if there is one, and else in that of kconv.

use crate::dropped::Dropped;
use crate::plan::{Plan, Process};
use kconv_codes::Code;
use kconv_image::{Head, Resource, Value};
use kconv_machine::{cgroup_limits, cgroup_root};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The cgroup of a process at the freeze: its path, and what limited it, by file, if that was known.
struct Cgroup<'r> {
    path: &'r str,
    limits: Option<BTreeMap<String, String>>,
}

impl<'r> Cgroup<'r> {
    fn of(process: &Process, head: &'r Head) -> Option<Cgroup<'r>> {
        let resource = head.resources.get(process.cgroup?.0 as usize)?;
        Some(Cgroup {
            path: resource.text("path")?,
            limits: limits(resource),
        })
    }

    /// Its folder, below `root`.
    fn folder(&self, root: &Path) -> PathBuf {
        root.join(self.path.trim_start_matches('/'))
    }
}

fn limits(resource: &Resource) -> Option<BTreeMap<String, String>> {
    let Some(Value::List(limits)) = resource.get("limits") else {
        return None;
    };
    let limit = |limit: &Value| match limit {
        Value::List(parts) => match parts.as_slice() {
            [Value::Text(file), Value::Text(text)] => Some((file.clone(), text.clone())),
            _ => None,
        },
        _ => None,
    };
    limits.iter().map(limit).collect()
}

/// The file that puts a process into the cgroup it was in; `None` if there is no such cgroup.
pub(crate) fn file_to_join(process: &Process, head: &Head) -> Option<PathBuf> {
    let folder = Cgroup::of(process, head)?.folder(&cgroup_root()?);
    let file = folder.join("cgroup.procs");
    file.exists().then_some(file)
}

/// The file that puts a process into the cgroup of kconv; `None` if there are no cgroups.
pub(crate) fn file_of_own() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    Some(cgroup_root()?.join(path_of_own(&own)?).join("cgroup.procs"))
}

/// The path of the cgroup below the root, by `/proc/PID/cgroup` (cgroups(7)).
fn path_of_own(cgroups: &str) -> Option<&str> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(path.trim_start_matches('/'))
}

/// A cgroup in which a process would stand still at once: its folder.
pub(crate) fn frozen(process: &Process, head: &Head) -> Option<PathBuf> {
    let folder = Cgroup::of(process, head)?.folder(&cgroup_root()?);
    let is_frozen = fs::read_to_string(folder.join("cgroup.freeze"));
    is_frozen
        .is_ok_and(|text| text.trim_end() == "1")
        .then_some(folder)
}

/// What the processes do not have of the cgroups that they were in.
pub(crate) fn dropped(plan: &Plan, head: &Head) -> Vec<Dropped> {
    let root = cgroup_root();
    let of_process = |process: &Process| {
        let was = Cgroup::of(process, head)?;
        let is = root.as_ref().filter(|root| was.folder(root).is_dir());
        let is = is.map(|root| cgroup_limits(root, was.path));
        let (what, instead) = differs(&was, is.as_ref())?;
        Some(Dropped {
            code: match is {
                Some(_) => Code::CgroupLimits,
                None => Code::CgroupMissing,
            },
            task: Some(process.pid),
            what,
            instead,
        })
    };
    plan.processes.iter().filter_map(of_process).collect()
}

/// How a cgroup differs from the one of its path with the limits `is`, if there is one.
fn differs(was: &Cgroup<'_>, is: Option<&BTreeMap<String, String>>) -> Option<(String, String)> {
    let path = was.path;
    let Some(is) = is else {
        let what = match &was.limits {
            Some(limits) => format!("cgroup {path} ({})", list(limits)),
            None => format!("cgroup {path} (its limits are not in the image)"),
        };
        return Some((what, "that of kconv".to_owned()));
    };
    let Some(limits) = &was.limits else {
        let what = format!("limits of cgroup {path}, which are not in the image");
        return Some((what, list(is)));
    };
    (limits != is).then(|| {
        (
            format!("limits of cgroup {path}: {}", list(limits)),
            list(is),
        )
    })
}

fn list(limits: &BTreeMap<String, String>) -> String {
    match limits.is_empty() {
        true => "no limits".to_owned(),
        false => {
            let limits = limits.iter().map(|(file, text)| format!("{file} = {text}"));
            limits.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(limits: Option<&str>, is: Option<&str>) -> Option<String> {
        let of = |limit: &str| match limit {
            "" => BTreeMap::new(),
            limit => [("/a/pids.max".to_owned(), limit.to_owned())].into(),
        };
        let was = Cgroup {
            path: "/a",
            limits: limits.map(of),
        };
        let (what, instead) = differs(&was, is.map(of).as_ref())?;
        Some(format!("{what}: {instead}"))
    }

    #[test]
    fn the_own_cgroup_is_that_of_the_unified_hierarchy() {
        assert_eq!(path_of_own("2:cpu:/a\n0::/b/c\n"), Some("b/c"));
        assert_eq!(path_of_own("0::/\n"), Some(""));
        assert_eq!(path_of_own("1:name=systemd:/a\n"), None);
    }

    #[test]
    fn another_cgroup_is_told_with_the_limits_of_both() {
        assert_eq!(text(Some("50"), Some("50")), None);
        assert_eq!(text(Some(""), Some("")), None);
        for (was, is, told) in [
            (
                Some("50"),
                None,
                "cgroup /a (/a/pids.max = 50): that of kconv",
            ),
            (Some(""), None, "cgroup /a (no limits): that of kconv"),
            (
                Some("50"),
                Some("60"),
                "limits of cgroup /a: /a/pids.max = 50: /a/pids.max = 60",
            ),
            (
                Some(""),
                Some("60"),
                "limits of cgroup /a: no limits: /a/pids.max = 60",
            ),
            (
                None,
                None,
                "cgroup /a (its limits are not in the image): that of kconv",
            ),
            (
                None,
                Some(""),
                "limits of cgroup /a, which are not in the image: no limits",
            ),
        ] {
            assert_eq!(text(was, is).as_deref(), Some(told));
        }
    }
}
