//! What confines tasks from outside: cgroups and security modules.

use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::source::Standing;
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kernel_structs_bits::little_endian;

/// What AppArmor calls a task that it does not confine; others have no such label.
const UNCONFINED: &str = "unconfined";

/// What of `standing` cannot be given to a task by the thaw.
fn confined_by(standing: &Standing) -> Vec<(Code, String)> {
    let mut all = Vec::new();
    if let Some(label) = &standing.label
        && label != UNCONFINED
    {
        let what = format!("the label {label} of a security module");
        all.push((Code::TaskLabel, what));
    }
    if let Some(label) = &standing.label_of_execve {
        let what = format!("the label {label} of a security module, for the next program,");
        all.push((Code::TaskLabel, what));
    }
    // One with a name alone limits nothing (cgroups(7)).
    let hierarchies = standing.cgroups.iter().filter(|one| {
        let (controllers, path) = one.split_once(':').unwrap_or_default();
        !controllers.is_empty() && !controllers.starts_with("name=") && path != "/"
    });
    all.extend(hierarchies.map(|one| {
        let what = format!("the cgroup {one} of version 1");
        (Code::CgroupVersion1, what)
    }));
    all
}

impl Linux6<'_> {
    /// Refuses what confines a task and cannot be given to it again.
    pub(super) fn confinement(
        &self,
        task: usize,
        view: &View<'_>,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        if view.unsigned("exit_state")? != 0 {
            return Ok(());
        }
        let (process, thread) = (view.signed("tgid")?, view.signed("pid")?);
        if let Some(standing) = self.walked.memory.source.standing(process, thread) {
            for (code, what) in confined_by(&standing) {
                refuse(task, "cred", not_carried(code, what));
            }
        }
        if let Some(cred) = view.pointer("cred")?
            && self.has_landlock_domain(cred)?
        {
            refuse(
                task,
                "cred",
                not_carried(Code::TaskLandlock, "a sandbox of Landlock"),
            );
        }
        if let Some(leader) = view.pointer("group_leader")? {
            let leader = self.walked.memory.read("task_struct", leader)?;
            if self.cgroup_of(&leader)? != self.cgroup_of(view)? {
                let what = "a cgroup of a thread that is not that of its process";
                refuse(task, "cgroups", not_carried(Code::CgroupThread, what));
            }
        }
        Ok(())
    }

    fn cgroup_of(&self, task: &View<'_>) -> Result<Option<KernelAddr>, Fault> {
        match task.pointer("cgroups")? {
            Some(set) => Ok(self
                .walked
                .memory
                .read("css_set", set)?
                .pointer("dfl_cgrp")?),
            None => Ok(None),
        }
    }

    /// Whether Landlock confines who has the credentials at `cred` (`security/landlock/cred.h`:
    /// landlock_cred; `include/linux/lsm_hooks.h`: the first member of lsm_blob_sizes says where in
    /// `cred.security` the module has its part, which begins with the domain).
    fn has_landlock_domain(&self, cred: KernelAddr) -> Result<bool, Fault> {
        let memory = self.walked.memory;
        let Some(sizes) = memory.source.symbol("landlock_blob_sizes") else {
            return Ok(false);
        };
        let Some(is_on) = memory.source.symbol("landlock_initialized") else {
            return Ok(false);
        };
        let Some(blob) = memory.read("cred", cred)?.pointer("security")? else {
            return Ok(false);
        };
        if memory.bytes(is_on, 1)? == [0] {
            return Ok(false);
        }
        let into = little_endian(&memory.bytes(sizes, 4)?);
        let domain = memory.bytes(KernelAddr(blob.0.wrapping_add(into)), 8)?;
        Ok(little_endian(&domain) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_confines_is_told_by_name() {
        let standing = |label: Option<&str>, cgroups: &[&str]| Standing {
            label: label.map(str::to_owned),
            label_of_execve: None,
            cgroups: cgroups.iter().map(|one| (*one).to_owned()).collect(),
        };
        let free = ["name=systemd:/init.scope", ":/init.scope", "memory:/"];
        assert!(confined_by(&standing(None, &free)).is_empty());
        assert!(confined_by(&standing(Some("unconfined"), &[])).is_empty());
        let found = confined_by(&standing(Some("dhclient (enforce)"), &["cpu,cpuacct:/a"]));
        let expected = [
            (
                Code::TaskLabel,
                "the label dhclient (enforce) of a security module",
            ),
            (
                Code::CgroupVersion1,
                "the cgroup cpu,cpuacct:/a of version 1",
            ),
        ];
        let expected = expected.map(|(code, what)| (code, what.to_owned()));
        assert_eq!(found, expected);
    }
}
