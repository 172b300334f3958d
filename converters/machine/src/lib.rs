//! What a freeze and a thaw both know of the machine they run on: which kernel it is and how that
//! kernel's structures lie, what its cgroups limit, whose terminals its devices are, how its CPU keeps
//! registers, what programs are known by, what its tasks are.
//!
//! It reads and says; it neither saves nor makes anything.
#![forbid(unsafe_code)]

mod cgroups;
mod copies;
mod files;
mod identify;
mod interrupted;
mod line;
mod notes;
mod running;
mod task_stat;
mod xstate;

pub use cgroups::{cgroup_limits, cgroup_of, cgroup_root};
pub use copies::{name_of_copy, path_of_copy};
pub use files::{data, read_some, whole};
pub use identify::{Identified, IdentifyError, identify, identify_build};
pub use interrupted::Interruptible;
pub use line::Line;
pub use notes::{Note, build_id, build_id_of, notes};
pub use running::{
    MachineError, has_five_levels, identify_running, last_capability, running_release,
    running_types,
};
pub use task_stat::{TaskStat, highest_of_boot};
pub use xstate::{XSAVE_COMPONENTS, XsaveComponents, xsave_standard_form, xsave_user_components};
