//! Cgroups: a process goes on in the one of the same path, if there is one, and else in that of kconv.

use crate::dropped::Dropped;
use crate::plan::{Plan, Process};
use kconv_codes::Code;
use kconv_machine::{cgroup_limits, cgroup_of, cgroup_root};
use kconv_resources::linux6::{Cgroup, Resource, Resources};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The cgroup of a process at the freeze.
fn cgroup<'r>(process: &Process, resources: &'r Resources) -> Option<&'r Cgroup> {
    match resources.get(process.cgroup?)? {
        Resource::Cgroup(cgroup) => Some(cgroup),
        _ => None,
    }
}

/// Its folder, below `root`.
fn folder(cgroup: &Cgroup, root: &Path) -> PathBuf {
    root.join(cgroup.path.trim_start_matches('/'))
}

/// The file that puts a process into the cgroup it was in; `None` if there is no such cgroup.
pub(crate) fn file_to_join(process: &Process, resources: &Resources) -> Option<PathBuf> {
    let folder = folder(cgroup(process, resources)?, &cgroup_root()?);
    let file = folder.join("cgroup.procs");
    file.exists().then_some(file)
}

/// The file that puts a process into the cgroup of kconv; `None` if there are no cgroups.
pub(crate) fn file_of_own() -> Option<PathBuf> {
    let own = cgroup_of("self")?;
    let folder = cgroup_root()?.join(own.trim_start_matches('/'));
    Some(folder.join("cgroup.procs"))
}

/// A cgroup in which a process would stand still at once: its folder.
pub(crate) fn frozen(process: &Process, resources: &Resources) -> Option<PathBuf> {
    let folder = folder(cgroup(process, resources)?, &cgroup_root()?);
    let is_frozen = fs::read_to_string(folder.join("cgroup.freeze"));
    is_frozen
        .is_ok_and(|text| text.trim_end() == "1")
        .then_some(folder)
}

/// What the processes do not have of the cgroups that they were in.
pub(crate) fn dropped(plan: &Plan) -> Vec<Dropped> {
    let root = cgroup_root();
    let of_process = |process: &Process| {
        let was = cgroup(process, &plan.resources)?;
        let is = root.as_ref().filter(|root| folder(was, root).is_dir());
        let is = is.map(|root| cgroup_limits(root, &was.path));
        let (what, instead) = differs(was, is.as_ref())?;
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
fn differs(was: &Cgroup, is: Option<&BTreeMap<String, String>>) -> Option<(String, String)> {
    let path = &was.path;
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
            path: "/a".to_owned(),
            limits: limits.map(of),
        };
        let (what, instead) = differs(&was, is.map(of).as_ref())?;
        Some(format!("{what}: {instead}"))
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
