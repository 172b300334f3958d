//! What a task may do.

use super::hex_at;
use crate::values::number_of;
use kconv_objects::{FieldError, Saved};
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
    pub(crate) seccomp: i64,
    pub(crate) seccomp_filters: i64,
    /// Serial numbers.
    pub(crate) keyrings: BTreeMap<&'static str, i64>,
}

pub(super) fn credentials(task: &Saved<'_>) -> Result<Credentials, FieldError> {
    let flags = task.unsigned("atomic_flags")?;
    let set = |(name, bit): &(&'static str, u32)| (flags >> bit & 1 != 0).then_some(*name);
    let mut shown = Credentials {
        uid: [0; 4],
        gid: [0; 4],
        groups: Vec::new(),
        cap: BTreeMap::new(),
        securebits: String::new(),
        no_new_privs: flags & 1 != 0,
        atomic_flags: ATOMIC_FLAGS[1..].iter().filter_map(set).collect(),
        seccomp: task.signed("seccomp.mode")?,
        seccomp_filters: task.signed("seccomp.filter_count.counter")?,
        keyrings: BTreeMap::new(),
    };
    // What the task acts as, which is what it is to others but inside the kernel.
    let Some(cred) = task.follow("cred")? else {
        return Ok(shown);
    };
    for (place, kind) in ["", "e", "s", "fs"].into_iter().enumerate() {
        shown.uid[place] = cred.unsigned(&format!("{kind}uid.val"))?;
        shown.gid[place] = cred.unsigned(&format!("{kind}gid.val"))?;
    }
    if let Some(groups) = cred.follow("group_info")? {
        let groups = groups.flexible("gid", groups.unsigned("ngroups")?)?;
        let groups = groups.iter().map(|group| group.unsigned("val"));
        shown.groups = groups.collect::<Result<_, _>>()?;
    }
    for (name, field) in [
        ("effective", "cap_effective"),
        ("inheritable", "cap_inheritable"),
        ("permitted", "cap_permitted"),
        ("bounding", "cap_bset"),
        ("ambient", "cap_ambient"),
    ] {
        shown.cap.insert(name, capabilities(&cred, field)?);
    }
    shown.securebits = hex_at(&cred, "securebits")?;
    for (name, field) in [
        ("session", "session_keyring"),
        ("process", "process_keyring"),
        ("thread", "thread_keyring"),
    ] {
        let keyring = cred.resource(field)?;
        if let Some(serial) = keyring.and_then(|keyring| number_of(keyring, "serial")) {
            shown.keyrings.insert(name, serial);
        }
    }
    Ok(shown)
}

/// A set of capabilities, which is two words of 32 bits in 6.1 and one of 64 in 6.12
/// (`include/linux/capability.h`: kernel_cap_t).
fn capabilities(cred: &Saved<'_>, set: &str) -> Result<String, FieldError> {
    let bits = match cred.optional(&format!("{set}.val"))? {
        Some(bits) => bits,
        None => {
            let words = cred.numbers(&format!("{set}.cap"))?;
            words.iter().rev().fold(0, |bits, word| bits << 32 | word)
        }
    };
    Ok(format!("{bits:#018x}"))
}
