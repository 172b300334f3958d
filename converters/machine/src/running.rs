//! The kernel that runs: how its structures lie, from what it says of itself.

use crate::identify::{Identified, IdentifyError, identify, identify_build};
use crate::notes::{build_id_of, notes};
use kernel_structs::releases::Registry;
use std::fs;
use std::io;

const BTF: &str = "/sys/kernel/btf/vmlinux";
const RELEASE: &str = "/proc/sys/kernel/osrelease";
const NOTES: &str = "/sys/kernel/notes";
const LAST_CAPABILITY: &str = "/proc/sys/kernel/cap_last_cap";
const CPUINFO: &str = "/proc/cpuinfo";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Why the running kernel is not known.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// Only root may read the file.
    #[error("{path} may not be read: root privileges (CAP_SYS_RAWIO, CAP_SYSLOG) are missing")]
    Privileges {
        /// The file.
        path: &'static str,
    },
    /// The kernel hides it from root too.
    #[error("{path} may not be read: the kernel is locked down (lockdown=confidentiality)")]
    Lockdown {
        /// The file.
        path: &'static str,
    },
    /// The kernel was built without something.
    #[error(
        "{path} is not there: the kernel was built without {option}, or /proc or /sys is not mounted"
    )]
    Absent {
        /// The file.
        path: &'static str,
        /// The option that makes it.
        option: &'static str,
    },
    /// A file of the kernel's cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody knows how the kernel's structures lie.
    #[error(transparent)]
    Identify(#[from] IdentifyError),
}

impl MachineError {
    /// Why a file of the kernel's, which `option` makes, cannot be opened.
    pub fn unopened(path: &'static str, option: &'static str, source: io::Error) -> MachineError {
        match source.kind() {
            io::ErrorKind::NotFound => MachineError::Absent { path, option },
            io::ErrorKind::PermissionDenied => {
                let lockdown = fs::read_to_string(LOCKDOWN).unwrap_or_default();
                match lockdown.contains("[confidentiality]") {
                    true => MachineError::Lockdown { path },
                    false => MachineError::Privileges { path },
                }
            }
            _ => MachineError::Io { path, source },
        }
    }

    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            MachineError::Privileges { .. } => "run kconv as root; in a container, outside of it",
            MachineError::Lockdown { .. } => {
                "boot with lockdown=integrity or without Secure Boot, or freeze from a dump of the machine"
            }
            MachineError::Absent { .. } => {
                "mount /proc and /sys, or use a kernel with this option; Debian's have it"
            }
            MachineError::Io { .. } => "see that /proc and /sys are those of this machine",
            MachineError::Identify(error) => error.advice(),
        }
    }
}

/// What `uname -r` prints.
///
/// # Errors
/// If the kernel does not say.
pub fn running_release() -> Result<String, MachineError> {
    let release = fs::read_to_string(RELEASE);
    let release = release.map_err(|e| MachineError::unopened(RELEASE, "CONFIG_SYSCTL", e))?;
    Ok(release.trim_end().to_owned())
}

/// The number of the last capability that the running kernel knows (`kernel/sysctl.c`: cap_last_cap).
///
/// # Errors
/// If the kernel does not say.
pub fn last_capability() -> Result<u32, MachineError> {
    let unread = |source| MachineError::unopened(LAST_CAPABILITY, "CONFIG_SYSCTL", source);
    let text = fs::read_to_string(LAST_CAPABILITY).map_err(unread)?;
    // Sets of capabilities have 64 bits (`include/uapi/linux/capability.h`: _LINUX_CAPABILITY_U32S_3).
    let number = text.trim_end().parse().ok().filter(|number| *number < 64);
    number.ok_or_else(|| unread(io::ErrorKind::InvalidData.into()))
}

/// Whether page tables have five levels.
///
/// # Errors
/// If the kernel does not say.
pub fn has_five_levels() -> Result<bool, MachineError> {
    let text = fs::read_to_string(CPUINFO);
    let text = text.map_err(|e| MachineError::unopened(CPUINFO, "CONFIG_PROC_FS", e))?;
    Ok(are_five(&text))
}

/// A CPU has `la57` among its flags where five levels are on, and not where they could be
/// (`arch/x86/kernel/cpu/common.c`: early_identify_cpu).
fn are_five(cpuinfo: &str) -> bool {
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_ascii_whitespace().any(|flag| flag == "la57"))
}

/// Which kernel is running, and how its structures lie: as one that this program brings by its build id, else as one of
/// `registry` from its own type information.
///
/// # Errors
/// If it has none that can be read, or lies like no layout of `registry`.
pub fn identify_running(registry: &Registry) -> Result<Identified, MachineError> {
    let notes = notes(&fs::read(NOTES).unwrap_or_default());
    let build_id = build_id_of(&notes).unwrap_or_default().to_vec();
    identify_as(registry, &running_release()?, build_id, running_types)
}

/// As [`identify_running`], of a kernel with this name and build id, whose types are asked for if they are needed.
///
/// A kernel that somebody imported here has the layout of another if what is saved lies alike; what is only read may not, and
/// its own types alone tell.
fn identify_as(
    registry: &Registry,
    release: &str,
    build_id: Vec<u8>,
    types: impl FnOnce() -> Result<Vec<u8>, MachineError>,
) -> Result<Identified, MachineError> {
    let own = Registry::builtin().map_err(IdentifyError::Registry)?;
    let known = identify_build(own, release, &build_id).map_err(IdentifyError::Registry)?;
    match known {
        Some(known) => Ok(known),
        None => Ok(identify(registry, &types()?, release, build_id)?),
    }
}

/// The type information (BTF) of the running kernel.
///
/// # Errors
/// If it has none that can be read.
pub fn running_types() -> Result<Vec<u8>, MachineError> {
    fs::read(BTF).map_err(|e| MachineError::unopened(BTF, "CONFIG_DEBUG_INFO_BTF", e))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_bounding_set_ends_where_the_kernel_says() {
        let status = fs::read_to_string("/proc/1/status").unwrap_or_default();
        let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
        let bounding = bounding.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
        let last = last_capability().ok();
        assert!(last.is_some_and(|last| last >= 36), "{last:?}");
        if let (Some(set), Some(last)) = (bounding, last) {
            assert_eq!(set >> last >> 1, 0);
        }
    }

    #[test]
    fn an_imported_kernel_is_read_as_its_own_types_say() {
        let own = Registry::builtin().unwrap();
        let mut known = own.releases().iter();
        let known = known.find(|release| release.build_id.is_some()).unwrap();
        let layout = &known.layout.0;
        let table = format!(
            "[[release]]\nname = \"6.1.999\"\nversion = \"6.1.999\"\narch = \"amd64\"\n\
             flavour = \"standard\"\nlayout = \"{layout}\"\nbuild_id = \"{}\"\n",
            "ab".repeat(20)
        );
        let registry = own.with(&table, BTreeMap::new()).unwrap();
        let asked = |release: &str, build_id: Vec<u8>| {
            let mut asked = false;
            let types = || {
                asked = true;
                Err(MachineError::unopened(
                    BTF,
                    "",
                    io::ErrorKind::NotFound.into(),
                ))
            };
            let found = identify_as(&registry, release, build_id, types);
            assert_eq!(found.is_err(), asked);
            asked
        };
        assert!(asked("6.1.999", vec![0xab; 20]));
        assert!(asked(&known.name, vec![0xab; 20]));
        assert!(!asked(&known.name, known.build_id_bytes()));
    }

    #[test]
    fn five_levels_are_a_flag_of_the_cpu() {
        assert!(are_five("processor\t: 0\nflags\t\t: fpu lm la57 rdpid\n"));
        assert!(!are_five(
            "processor\t: 0\nflags\t\t: fpu lm rdpid\nbugs\t\t: la57\n"
        ));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let error =
            |kind: io::ErrorKind| MachineError::unopened(BTF, "CONFIG_DEBUG_INFO_BTF", kind.into());
        let absent = error(io::ErrorKind::NotFound);
        assert!(absent.to_string().contains("CONFIG_DEBUG_INFO_BTF"));
        let denied = error(io::ErrorKind::PermissionDenied);
        assert!(denied.to_string().contains("may not be read"));
        assert!(matches!(
            error(io::ErrorKind::Other),
            MachineError::Io { .. }
        ));
    }
}
