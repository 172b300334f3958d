//! Who descends from whom: the seed, and from it all processes.

use super::vdso::Vdso;
use super::{Body, Made, failed};
use crate::error::{CallError, ThawError};
use crate::plan::{Plan, Process};
use crate::remote::{Ground, Remote, TASK_SIZE};
use crate::sys;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::os::unix::fs::FileExt;

/// Makes all processes, without their memory.
pub(super) fn make<'p>(
    plan: &'p Plan,
    made: &mut Made,
) -> Result<(Vec<Body<'p>>, Vdso), ThawError> {
    let first = plan.processes[0].pid;
    let pid =
        sys::seed().map_err(|error| failed(first, "the seed")(CallError::new("fork", error)))?;
    made.note(pid);
    let (seed, vdso) = strip(pid, plan).map_err(failed(first, "the seed"))?;
    let mut tree = Tree {
        plan,
        made,
        remotes: plan.processes.iter().map(|_| None).collect(),
    };
    for (index, process) in plan.processes.iter().enumerate() {
        if process.parent.is_none() {
            tree.grow(&seed, index)?;
        }
    }
    let remotes = std::mem::take(&mut tree.remotes);
    let mut bodies = Vec::new();
    // A group has to have its leader before it has members.
    for leads in [true, false] {
        for (process, remote) in plan.processes.iter().zip(&remotes) {
            if let Some(remote) = remote
                && (process.group == process.pid) == leads
            {
                group(plan, process, remote).map_err(failed(process.pid, "its process group"))?;
            }
        }
    }
    for (process, remote) in plan.processes.iter().zip(remotes) {
        let Some(remote) = remote else {
            continue;
        };
        if let Some(status) = process.ended {
            finish_ended(&remote, status).map_err(failed(process.pid, "its end"))?;
            made.end(remote.pid);
            continue;
        }
        let memory = remote.memory().map_err(failed(process.pid, "its memory"))?;
        bodies.push(Body {
            process,
            threads: vec![remote],
            memory,
        });
    }
    made.end(pid);
    Ok((bodies, vdso))
}

/// Takes hold of the seed, gives it ground, and takes all else away.
fn strip(pid: Pid, plan: &Plan) -> Result<(Remote, Vdso), CallError> {
    Remote::seize(pid)?;
    sys::set_blocked(pid, u64::MAX).map_err(|error| CallError::new("ptrace", error))?;
    let ground = ground(pid, plan)?;
    let seed = Remote::at(pid, ground)?;
    let memory = seed.memory()?;
    memory
        .write_all_at(&Ground::CODE, ground.start)
        .map_err(|error| CallError::io("pwrite", &error))?;
    // The C library's area goes with the rest of the memory; the kernel would miss it.
    let (area, length, signature) =
        sys::rseq(pid).map_err(|error| CallError::new("ptrace", error))?;
    if area != 0 {
        const UNREGISTER: u64 = 1;
        let arguments = [area, length.into(), UNREGISTER, signature.into()];
        seed.call("rseq", libc::SYS_rseq, &arguments)?;
    }
    let vdso = Vdso::find()?;
    vdso.move_to(&seed, vdso.start(), ground.vdso())?;
    for (start, end) in [
        (0, ground.start),
        (ground.start + Ground::SIZE, ground.vdso()),
        (ground.vdso() + vdso.size(), TASK_SIZE),
    ] {
        seed.call("munmap", libc::SYS_munmap, &[start, end - start])?;
    }
    Ok((seed, vdso))
}

/// Finds a place where no process of the plan, nor the seed, has anything, and maps it.
fn ground(pid: Pid, plan: &Plan) -> Result<Ground, CallError> {
    const STEP: u64 = 1 << 30;
    let is_free = |start: u64| {
        let end = start + Ground::ROOM;
        let spaces = plan.processes.iter().filter_map(|one| one.memory.as_ref());
        spaces.into_iter().all(|memory| {
            let mappings = memory.mappings.iter().map(|one| (one.start, one.end));
            let mut all = mappings.chain(memory.vdso);
            // Some distance, for the stack may grow.
            all.all(|(from, to)| to <= start || from >= end + STEP)
        })
    };
    let mut error = CallError::new("mmap", Errno::ENOMEM);
    let places = (1..64).map(|step| step * 16 * STEP);
    for start in places.filter(|start| is_free(*start)) {
        let access = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
        let arguments = [
            start,
            Ground::SIZE,
            access as u64,
            flags as u64,
            u64::MAX,
            0,
        ];
        match Remote::first_call(pid, &arguments) {
            Ok(_) => return Ok(Ground { start }),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

struct Tree<'p, 'm> {
    plan: &'p Plan,
    made: &'m mut Made,
    remotes: Vec<Option<Remote>>,
}

impl Tree<'_, '_> {
    /// Makes process `index` as a child of `parent`, with all that descends from it.
    fn grow(&mut self, parent: &Remote, index: usize) -> Result<(), ThawError> {
        let process = &self.plan.processes[index];
        let step = failed(process.pid, "making it");
        let remote = clone(parent, process).map_err(&step)?;
        self.made.note(remote.pid);
        let children: Vec<usize> = (0..self.plan.processes.len())
            .filter(|child| self.plan.processes[*child].parent == Some(index))
            .collect();
        // Those of another session were born before this one began its own.
        let before = |child: &&usize| self.plan.processes[**child].session != process.session;
        if process.session == process.pid {
            for child in children.iter().filter(before) {
                self.grow(&remote, *child)?;
            }
            remote
                .call("setsid", libc::SYS_setsid, &[])
                .map_err(&step)?;
            for child in children.iter().filter(|child| !before(child)) {
                self.grow(&remote, *child)?;
            }
        } else {
            for child in &children {
                self.grow(&remote, *child)?;
            }
        }
        self.remotes[index] = Some(remote);
        Ok(())
    }
}

/// Has `parent` make a child with the number of `process`.
fn clone(parent: &Remote, process: &Process) -> Result<Remote, CallError> {
    let memory = parent.memory()?;
    let made = parent.make_numbered(&memory, 0, process.exit_signal.max(0) as u64, process.pid)?;
    Remote::at(made, parent.ground())
}

/// Puts a process into its group, if that is one of those that are made.
fn group(plan: &Plan, process: &Process, remote: &Remote) -> Result<(), CallError> {
    let is_made = plan.processes.iter().any(|one| one.pid == process.group);
    if !is_made || process.session == process.pid {
        return Ok(());
    }
    let group = process.group as u64;
    remote
        .call("setpgid", libc::SYS_setpgid, &[0, group])
        .map(drop)
}

/// Ends a process the way it had ended.
fn finish_ended(remote: &Remote, status: i32) -> Result<(), CallError> {
    match status & 0x7f {
        0 => remote.exit((status >> 8 & 0xff) as u64),
        signal => remote.exit_by(signal),
    }
}
