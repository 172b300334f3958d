//! When and where a thread runs.

use kconv_objects::{FieldError, Saved, Structure};

/// `MAX_RT_PRIO + 20`: the priority of nice 0 (`include/linux/sched/prio.h`: DEFAULT_PRIO).
const DEFAULT_PRIO: i32 = 120;

/// Policy and priority of a thread, and the processors it may run on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// SCHED_OTHER and so on.
    pub policy: u32,
    /// Whether children start with the default.
    pub reset_on_fork: bool,
    /// Nice value.
    pub nice: i32,
    /// Priority of SCHED_FIFO and SCHED_RR.
    pub priority: u32,
    /// Parameters of SCHED_DEADLINE; they mean nothing with another policy.
    pub deadline: Deadline,
    /// The slice that was asked for, in nanoseconds; `None` if none was, or the kernel grants none
    /// (6.12 `kernel/sched/syscalls.c`: __setparam_fair).
    pub slice: Option<u64>,
    /// CPUs that it may run on, one bit each.
    pub allowed: Vec<u8>,
    /// CPUs that it asked for, if it did.
    pub wanted: Option<Vec<u8>>,
    /// Slack of its timers, in nanoseconds, and what PR_SET_TIMERSLACK makes of 0.
    pub timer_slack: [u64; 2],
    /// Class and priority of its I/O, if it has ever done any.
    pub io_priority: Option<u32>,
    /// Its memory policy, if one was set.
    pub memory_policy: Option<MemoryPolicy>,
}

/// Parameters of SCHED_DEADLINE.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Deadline {
    /// Run time in each period, in nanoseconds.
    pub runtime: u64,
    /// From the beginning of a period, in nanoseconds.
    pub deadline: u64,
    /// In nanoseconds.
    pub period: u64,
    /// SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN.
    pub flags: u64,
    /// Whether it ran for longer and is still to be told, at the next tick in which it runs
    /// (`kernel/time/posix-cpu-timers.c`: check_dl_overrun).
    pub overran: bool,
}

/// From which nodes memory comes (set_mempolicy(2), mbind(2)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPolicy {
    /// The mode, with the flags of the caller.
    pub mode: u32,
    /// Nodes, one bit each: as they were given where the mode says that they are kept so.
    pub nodes: Vec<u8>,
    /// The node from which it begins to look (set_mempolicy_home_node(2)), if one was said. That of a
    /// task has none.
    pub home_node: Option<u32>,
}

/// Priority by the field `static_prio` of a task.
///
/// # Errors
/// If it cannot be read.
pub fn nice<B: AsRef<[u8]>>(task: &Structure<'_, B>) -> Result<i32, FieldError> {
    Ok(task.int("static_prio")?.wrapping_sub(DEFAULT_PRIO))
}

impl Scheduling {
    /// That of a task.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(task: &Saved<'_>) -> Result<Scheduling, FieldError> {
        let asked = task.optional("se.custom_slice")?;
        let wanted = task.optional("user_cpus_ptr")?;
        Ok(Scheduling {
            policy: task.unsigned("policy")? as u32,
            reset_on_fork: task.unsigned("sched_reset_on_fork")? != 0,
            nice: nice(task)?,
            priority: task.unsigned("rt_priority")? as u32,
            deadline: Deadline {
                runtime: task.unsigned("dl.dl_runtime")?,
                deadline: task.unsigned("dl.dl_deadline")?,
                period: task.unsigned("dl.dl_period")?,
                flags: task.unsigned("dl.flags")?,
                overran: task.unsigned("dl.dl_overrun")? != 0,
            },
            slice: match asked {
                Some(1..) => Some(task.unsigned("se.slice")?),
                Some(0) | None => None,
            },
            allowed: task.bytes("cpus_mask")?.to_vec(),
            // As long as the machine has CPUs.
            wanted: match wanted {
                Some(1..) => Some(task.all_at("user_cpus_ptr")?.to_vec()),
                Some(0) | None => None,
            },
            timer_slack: [
                task.unsigned("timer_slack_ns")?,
                task.unsigned("default_timer_slack_ns")?,
            ],
            io_priority: match task.follow("io_context")? {
                Some(context) => Some(context.unsigned("ioprio")? as u32),
                None => None,
            },
            memory_policy: MemoryPolicy::of(task, "mempolicy")?,
        })
    }
}

impl MemoryPolicy {
    /// The one that the pointer at `path` leads to.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(place: &Saved<'_>, path: &str) -> Result<Option<MemoryPolicy>, FieldError> {
        // MPOL_MODE_FLAGS (include/uapi/linux/mempolicy.h); with STATIC and RELATIVE the nodes stand as
        // they were given.
        const MODE_FLAGS: u32 = 0xe000;
        const AS_GIVEN: u32 = 0xc000;
        // MPOL_PREFERRED and MPOL_LOCAL; 5.10 has MPOL_F_LOCAL beside the former.
        const PREFERRED: u32 = 1;
        const LOCAL: u32 = 4;
        const LOCAL_FLAG: u32 = 2;
        let Some(policy) = place.follow(path)? else {
            return Ok(None);
        };
        let mut mode = policy.unsigned("mode")? as u32;
        let all_flags = policy.unsigned("flags")? as u32;
        let flags = all_flags & MODE_FLAGS;
        let mut nodes = match flags & AS_GIVEN {
            // 5.10 has a preferred node in the place of the set, by its number.
            0 if policy.has("v") => policy.bytes("v")?.to_vec(),
            0 => policy.bytes("nodes")?.to_vec(),
            _ => policy.bytes("w.user_nodemask")?.to_vec(),
        };
        if policy.has("v") && mode == PREFERRED {
            if flags & AS_GIVEN == 0 {
                let node = usize::from(nodes[0]) | usize::from(nodes[1]) << 8;
                nodes.fill(0);
                if let Some(byte) = nodes.get_mut(node / 8) {
                    *byte = 1 << (node % 8);
                }
            }
            if all_flags & LOCAL_FLAG != 0 {
                mode = LOCAL;
                nodes.fill(0);
            }
        }
        // NUMA_NO_NODE is -1 (include/linux/numa.h).
        let home_node = match policy.has("home_node") {
            true => u32::try_from(policy.int("home_node")?).ok(),
            false => None,
        };
        Ok(Some(MemoryPolicy {
            mode: mode | flags,
            nodes,
            home_node,
        }))
    }
}
