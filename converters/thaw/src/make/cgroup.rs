//! The cgroup of a process in the making.

use crate::call::CallError;
use crate::cgroups::{file_of_own, file_to_join};
use crate::plan::Process;
use kconv_resources::linux6::Resources;
use std::path::Path;

/// Puts a process into the cgroup it was in, if that is there, before it has memory, which is charged to
/// the cgroup.
pub(super) fn join(process: &Process, resources: &Resources) -> Result<(), CallError> {
    file_to_join(process, resources).map_or(Ok(()), |file| put(process, &file))
}

/// Does something with a process in the cgroup it was in. Its children are made in that of kconv: the
/// limit to the number of processes there is not for them.
pub(super) fn within<T>(
    process: &Process,
    resources: &Resources,
    make: impl FnOnce() -> Result<T, CallError>,
) -> Result<T, CallError> {
    let Some((into, back)) = file_to_join(process, resources).zip(file_of_own()) else {
        return make();
    };
    put(process, &into)?;
    let made = make()?;
    put(process, &back)?;
    Ok(made)
}

fn put(process: &Process, file: &Path) -> Result<(), CallError> {
    std::fs::write(file, process.pid.to_string())
        .map_err(|error| CallError::io("write(cgroup.procs)", &error))
}
