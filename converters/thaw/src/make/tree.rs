//! Who descends from whom: the stub process, and from it all processes.

use super::memory::{self, Sources};
use super::restored::{Made, Restored, failed, prctl};
use super::{blank, cgroup, credentials};
use crate::call::CallError;
use crate::error::ThawError;
use crate::inheritance::{Birth, Inheritance};
use crate::obstacle::{Holder, numbers_in_use};
use crate::plan::{Ended, Plan, Process, Seccomp};
use crate::remote::{Remote, TASK_SIZE, Trampoline};
use crate::sys;
use crate::vdso::Vdso;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;

/// Makes all processes, with what they have in common of their memory and no more of it.
pub(super) fn make<'p>(
    plan: &'p Plan,
    inheritance: &'p Inheritance,
    sources: &Sources<'_>,
    made: &mut Made,
) -> Result<(Vec<Restored<'p>>, Vdso), ThawError> {
    let first = plan.processes[0].pid;
    let pid = sys::stub()
        .map_err(|error| failed(first, "the stub process")(CallError::new("fork", error)))?;
    made.note(pid);
    let (stub, vdso) = strip(pid, plan).map_err(failed(first, "the stub process"))?;
    let mut tree = Tree {
        plan,
        births: &inheritance.births,
        sources,
        made,
        used: numbers_in_use(),
        remotes: plan.processes.iter().map(|_| None).collect(),
        leaders: BTreeMap::new(),
    };
    for (index, process) in plan.processes.iter().enumerate() {
        if process.parent.is_none() {
            tree.lead(&stub, process.session)?;
            let leader = tree.leaders.remove(&process.session);
            tree.grow(leader.as_ref().unwrap_or(&stub), index)?;
            tree.leaders
                .extend(leader.map(|leader| (process.session, leader)));
        }
    }
    let groups = tree.group_leaders()?;
    let leaders: Vec<Pid> = tree.leaders.values().map(|leader| leader.pid).collect();
    let remotes = std::mem::take(&mut tree.remotes);
    let mut processes = Vec::new();
    // A group has to have its leader before it has members.
    for leads in [true, false] {
        for (process, remote) in plan.processes.iter().zip(&remotes) {
            if let Some(remote) = remote
                && (process.group == process.pid) == leads
            {
                let is_made = groups.contains(&process.group);
                group(process, remote, is_made)
                    .map_err(failed(process.pid, "its process group"))?;
            }
        }
    }
    let births = plan.processes.iter().zip(&inheritance.births);
    for ((process, birth), remote) in births.zip(remotes) {
        let Some(remote) = remote else {
            continue;
        };
        if let Some(ended) = &process.ended {
            finish_ended(&remote, ended).map_err(failed(process.pid, "its end"))?;
            made.end(remote.pid);
            continue;
        }
        let memory = remote.memory().map_err(failed(process.pid, "its memory"))?;
        processes.push(Restored {
            process,
            birth,
            threads: vec![remote],
            memory,
        });
    }
    for helper in leaders.into_iter().chain([pid]) {
        made.end(helper);
    }
    for group in groups {
        if !plan.processes.iter().any(|process| process.pid == group) {
            made.end(Pid::from_raw(group));
        }
    }
    Ok((processes, vdso))
}

/// Takes hold of the stub, gives it a trampoline, and takes all else away.
fn strip(pid: Pid, plan: &Plan) -> Result<(Remote, Vdso), CallError> {
    let threads = plan.processes.iter().flat_map(|process| &process.threads);
    let any_filters = threads.into_iter().any(|one| one.seccomp != Seccomp::Off);
    Remote::seize(pid, any_filters)?;
    sys::set_blocked(pid, u64::MAX).map_err(|error| CallError::new("ptrace", error))?;
    let trampoline = trampoline(pid, plan)?;
    let stub = Remote::at(pid, trampoline)?;
    let memory = stub.memory()?;
    memory
        .write_all_at(&Trampoline::CODE, trampoline.start)
        .map_err(|error| CallError::io("pwrite", &error))?;
    // The C library's area goes with the rest of the memory; the kernel would miss it.
    let (area, length, signature) =
        sys::rseq(pid).map_err(|error| CallError::new("ptrace", error))?;
    if area != 0 {
        const UNREGISTER: u64 = 1;
        let arguments = [area, length.into(), UNREGISTER, signature.into()];
        stub.call("rseq", libc::SYS_rseq, &arguments)?;
    }
    let vdso = Vdso::find()?;
    vdso.move_to(&stub, vdso.start(), trampoline.vdso())?;
    for (start, end) in [
        (0, trampoline.start),
        (trampoline.start + Trampoline::SIZE, trampoline.vdso()),
        (trampoline.vdso() + vdso.size(), TASK_SIZE),
    ] {
        stub.call("munmap", libc::SYS_munmap, &[start, end - start])?;
    }
    blank::make(&stub, &memory)?;
    Ok((stub, vdso))
}

/// Finds a place where no process of the plan, nor the stub, has anything, and maps it.
fn trampoline(pid: Pid, plan: &Plan) -> Result<Trampoline, CallError> {
    const STEP: u64 = 1 << 30;
    let is_free = |start: u64| {
        let end = start + Trampoline::ROOM;
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
            Trampoline::SIZE,
            access as u64,
            flags as u64,
            u64::MAX,
            0,
        ];
        match Remote::first_call(pid, &arguments) {
            Ok(_) => return Ok(Trampoline { start }),
            Err(refused) => error = refused,
        }
    }
    Err(error)
}

struct Tree<'p, 'm> {
    plan: &'p Plan,
    /// The memory of the processes.
    births: &'p [Birth],
    sources: &'m Sources<'m>,
    made: &'m mut Made,
    /// Numbers that others have.
    used: BTreeMap<i32, Holder>,
    remotes: Vec<Option<Remote>>,
    /// Stand-ins for leaders of sessions that are not in the image, by number.
    leaders: BTreeMap<i32, Remote>,
}

impl Tree<'_, '_> {
    fn has(&self, pid: i32) -> bool {
        self.plan.processes.iter().any(|process| process.pid == pid)
    }

    /// Makes a session whose leader is not in the image: a stand-in begins it, and ends when all are
    /// in it. If the number belongs to somebody else, those who are made stay in kconv's session.
    fn lead(&mut self, stub: &Remote, session: i32) -> Result<(), ThawError> {
        // The first two sessions are the kernel's own and that of the first process.
        if session <= 1
            || self.has(session)
            || self.leaders.contains_key(&session)
            || self.used.contains_key(&session)
        {
            return Ok(());
        }
        let step = failed(session, "its session");
        let leader = clone(stub, 0, 0, session).map_err(&step)?;
        self.made.note(leader.pid);
        leader
            .call("setsid", libc::SYS_setsid, &[])
            .map_err(&step)?;
        self.leaders.insert(session, leader);
        Ok(())
    }

    /// Makes stand-ins for the leaders of process groups that are not in the image. Returns the
    /// groups that there are.
    fn group_leaders(&mut self) -> Result<BTreeSet<i32>, ThawError> {
        let mut groups = BTreeSet::new();
        for (index, process) in self.plan.processes.iter().enumerate() {
            let group = process.group;
            if groups.contains(&group) || self.has(group) || self.leaders.contains_key(&group) {
                groups.insert(group);
                continue;
            }
            // As a brother of the first process of the family, and so in its session.
            let mut first = index;
            while let Some(parent) = self.plan.processes[first].parent {
                first = parent;
            }
            let same = self.plan.processes[first].session == process.session;
            let Some(remote) = self.remotes[first].as_ref().filter(|_| same) else {
                continue;
            };
            if group <= 1 || self.used.contains_key(&group) {
                continue;
            }
            let step = failed(group, "its process group");
            let leader = clone(remote, libc::CLONE_PARENT, 0, group).map_err(&step)?;
            self.made.note(leader.pid);
            leader
                .call("setpgid", libc::SYS_setpgid, &[0, 0])
                .map_err(&step)?;
            groups.insert(group);
        }
        Ok(groups)
    }

    /// Makes process `index` as a child of `parent`, with all that descends from it.
    fn grow(&mut self, parent: &Remote, index: usize) -> Result<(), ThawError> {
        let process = &self.plan.processes[index];
        let step = failed(process.pid, "making it");
        let signal = process.exit_signal.max(0);
        let remote = clone(parent, 0, signal, process.pid).map_err(&step)?;
        self.made.note(remote.pid);
        self.stage(process, &self.births[index], &remote)
            .map_err(failed(process.pid, "its memory"))?;
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

    /// Has a process that was just made have what it has in common with its parent, and with its children,
    /// before it has any.
    fn stage(&self, process: &Process, birth: &Birth, remote: &Remote) -> Result<(), CallError> {
        memory::part(remote, birth)?;
        match &process.memory {
            Some(memory) if birth.stages() => cgroup::within(process, &self.plan.resources, || {
                memory::stage(remote, memory, birth, self.sources)
            }),
            _ => Ok(()),
        }
    }
}

/// Has `parent` make a child with a number.
fn clone(parent: &Remote, flags: i32, signal: i32, number: i32) -> Result<Remote, CallError> {
    let memory = parent.memory()?;
    let made = parent.make_numbered(&memory, flags as u64, signal as u64, number)?;
    Remote::at(made, parent.trampoline())
}

/// Puts a process into its group. If nobody has made that, it may be one of kconv's own session.
fn group(process: &Process, remote: &Remote, is_made: bool) -> Result<(), CallError> {
    if process.session == process.pid {
        return Ok(());
    }
    let group = process.group as u64;
    let joined = remote.call("setpgid", libc::SYS_setpgid, &[0, group]);
    match is_made {
        true => joined.map(drop),
        false => Ok(()),
    }
}

/// Ends a process the way it had ended, as who it was.
fn finish_ended(remote: &Remote, ended: &Ended) -> Result<(), CallError> {
    let memory = remote.memory()?;
    let mut name = ended.name.clone();
    name.push(0);
    let at = remote.put(&memory, &name)?;
    prctl(remote, "prctl(PR_SET_NAME)", libc::PR_SET_NAME, at)?;
    credentials::identify(remote, &memory, &ended.credentials)?;
    match ended.status & 0x7f {
        0 => remote.exit((ended.status >> 8 & 0xff) as u64),
        signal => remote.exit_by(signal),
    }
}
