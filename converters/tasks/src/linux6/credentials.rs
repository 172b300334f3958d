//! What a task may do.

use super::resource;
use crate::model;
use crate::raw::hex;
use kconv_objects::{FieldError, Saved};
use kconv_resources::linux6::{Resource, Resources};
use serde::Serialize;
use std::collections::BTreeMap;

/// Bits of `task_struct.atomic_flags` (`include/linux/sched.h`: PFA_*).
const ATOMIC_FLAGS: [(&str, u32); 8] = [
    ("no_new_privs", 0),
    ("spread_page", 1),
    ("spread_slab", 2),
    ("spec_ssb_disable", 3),
    ("spec_ssb_force_disable", 4),
    ("spec_ib_disable", 5),
    ("spec_ib_force_disable", 6),
    ("spec_ssb_noexec", 7),
];

/// Identities and capabilities, and what limits them.
#[derive(Debug, Serialize)]
pub(crate) struct Credentials {
    /// Real, effective, saved, of the file system.
    pub(crate) uid: [u64; 4],
    pub(crate) gid: [u64; 4],
    pub(crate) groups: Vec<u64>,
    pub(crate) cap: BTreeMap<&'static str, String>,
    pub(crate) securebits: String,
    pub(crate) no_new_privs: bool,
    /// Those of the other atomic flags that are set.
    pub(crate) atomic_flags: Vec<&'static str>,
    pub(crate) seccomp: u64,
    pub(crate) seccomp_filters: i64,
    /// Serial numbers.
    pub(crate) keyrings: BTreeMap<&'static str, i64>,
}

pub(super) fn credentials(
    task: &Saved<'_>,
    resources: &Resources,
) -> Result<Credentials, FieldError> {
    let own = model::Credentials::of(task)?;
    let flags = task.unsigned("atomic_flags")?;
    let set = |(name, bit): &(&'static str, u32)| (flags >> bit & 1 != 0).then_some(*name);
    let wide = |bits: u64| format!("{bits:#018x}");
    let capabilities = own.capabilities;
    Ok(Credentials {
        uid: own.users.map(u64::from),
        gid: own.groups.map(u64::from),
        groups: own.supplementary.iter().copied().map(u64::from).collect(),
        cap: BTreeMap::from([
            ("effective", wide(capabilities.effective)),
            ("inheritable", wide(capabilities.inheritable)),
            ("permitted", wide(capabilities.permitted)),
            ("bounding", wide(capabilities.bounding)),
            ("ambient", wide(capabilities.ambient)),
        ]),
        securebits: hex(own.secure_bits.into()),
        no_new_privs: flags & 1 != 0,
        atomic_flags: ATOMIC_FLAGS[1..].iter().filter_map(set).collect(),
        seccomp: model::Seccomp::of(task)?.mode(),
        seccomp_filters: task.signed("seccomp.filter_count.counter")?,
        keyrings: keyrings(&task.required("real_cred")?, resources)?,
    })
}

fn keyrings(
    cred: &Saved<'_>,
    resources: &Resources,
) -> Result<BTreeMap<&'static str, i64>, FieldError> {
    let mut keyrings = BTreeMap::new();
    for (name, field) in [
        ("session", "session_keyring"),
        ("process", "process_keyring"),
        ("thread", "thread_keyring"),
    ] {
        if let Some(Resource::Keyring(keyring)) = resource(cred, field, resources)? {
            keyrings.insert(name, keyring.serial);
        }
    }
    Ok(keyrings)
}
