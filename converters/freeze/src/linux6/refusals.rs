//! State of a task that an image has no place for, and that more than one field tells: what a field alone tells, the
//! state map refuses.

use super::{Linux6, THREAD_SIZE, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::walk::name_of;
use kconv_codes::Code;
use kconv_image::TaskName;
use kconv_tasks::model::Controls;

/// A bit of `signal_struct.flags` (`include/linux/sched/signal.h`).
const SIGNAL_GROUP_EXIT: u64 = 4;

/// A bit of a wait status (wait(2), WCOREDUMP).
const CORE_DUMPED: u64 = 0x80;

impl Linux6<'_> {
    /// Everything about the tasks themselves that cannot be carried.
    pub(crate) fn refusals(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) {
        for task in 0..self.walked.tasks {
            if let Err(fault) = self.refusals_of(task, refuse) {
                refuse(task, "", fault.into());
            }
        }
        if let Err(fault) = self.of_descriptors(refuse) {
            refuse(0, "files", fault.into());
        }
        if let Err(fault) = self.sharing(refuse) {
            refuse(0, "", fault.into());
        }
        if let Err(fault) = self.time_namespaces(refuse) {
            refuse(0, "nsproxy", fault.into());
        }
        for mm in self.walked.objects_of("mm_struct") {
            match self.foreign_mappings(mm) {
                Ok(flaws) => flaws.into_iter().for_each(|flaw| refuse(mm, "mm_mt", flaw)),
                Err(fault) => refuse(mm, "mm_mt", fault.into()),
            }
        }
    }

    /// What processes have open that cannot be carried.
    fn of_descriptors(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) -> Result<(), Fault> {
        let descriptors = self.descriptors()?;
        for open in &descriptors {
            let file = &self.walked.objects[open.file];
            if self.is_shared_memory(file.at)? {
                let what = format!(
                    "descriptor {}, memory shared without a file that was opened by its mapping,",
                    open.number
                );
                refuse(open.task, "files", not_carried(Code::FdSharedMemory, what));
            }
        }
        self.uses_of_copies(refuse)?;
        self.signals_of_files(&descriptors, refuse)?;
        self.terminals(&descriptors, refuse)?;
        self.shared_events(&descriptors, refuse)?;
        self.nameless_elsewhere(&descriptors, refuse)?;
        self.sealed_memfds(refuse)?;
        self.parted_sockets(&descriptors, refuse)?;
        self.pipe_ends(refuse)
    }

    fn refusals_of(
        &self,
        task: usize,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let view = self.walked.view(task)?;
        if view.unsigned("ptrace")? != 0 {
            // kernel/ptrace.c: ptrace_link makes the tracer the parent.
            let tracer = match view.pointer("parent")? {
                Some(tracer) => name_of(&self.walked.memory.read("task_struct", tracer)?),
                None => None,
            };
            let flaw = Flaw::Traced {
                process: view.signed("tgid")?,
                tracer,
                threads: 1,
            };
            refuse(task, "ptrace", flaw);
        }
        if let Some(child) = self.vforked(&view)? {
            refuse(task, "children", Flaw::WaitsInVfork { child });
        }
        self.requests(task, &view, refuse)?;
        self.ended(task, &view, refuse)?;
        self.confinement(task, &view, refuse)?;
        // Registers are saved when a task is switched out (arch/x86/include/asm/fpu/sched.h:
        // switch_fpu_prepare).
        if view.unsigned("on_cpu")? != 0 {
            refuse(task, "on_cpu", Flaw::InTheCpu);
        }
        Ok(())
    }

    /// What a task has asked the kernel for that it cannot be given again.
    fn requests(
        &self,
        task: usize,
        view: &View<'_>,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let dispatch = Controls::of(view)?.dispatch;
        // The thaw makes calls in the task, and needs a byte that lets them pass.
        if dispatch.is_some_and(|dispatch| dispatch.selector == 0) {
            let what = "a dispatch of all system calls, without a selector";
            let flaw = not_carried(Code::TaskSyscallDispatch, what);
            refuse(task, "syscall_dispatch", flaw);
        }
        for field in bounds(view)? {
            let what = "a bound of its CPU utilization (sched_setattr)";
            refuse(task, field, not_carried(Code::TaskUtilization, what));
        }
        if let Some(leader) = view.pointer("group_leader")? {
            let leader = self.walked.memory.read("task_struct", leader)?;
            let field = "loginuid.val";
            if leader.unsigned(field)? != view.unsigned(field)? {
                let what = "a login user that is not that of its process";
                refuse(task, field, not_carried(Code::TaskLoginUser, what));
            }
        }
        Ok(())
    }

    /// What of a task that has ended a parent could not be told again.
    fn ended(
        &self,
        task: usize,
        view: &View<'_>,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        if view.unsigned("exit_state")? == 0 || view.signed("pid")? != view.signed("tgid")? {
            return Ok(());
        }
        let Some(signal) = view.pointer("signal")? else {
            return Ok(());
        };
        let signal = self.walked.memory.read("signal_struct", signal)?;
        let code = match signal.unsigned("flags")? & SIGNAL_GROUP_EXIT {
            0 => view.unsigned("exit_code")?,
            _ => signal.unsigned("group_exit_code")?,
        };
        if code & CORE_DUMPED != 0 {
            let what =
                "a child that ended with a core dump, and that its parent has not looked at,";
            refuse(task, "exit_code", not_carried(Code::TaskCoreDump, what));
        }
        Ok(())
    }

    /// The child for which a task waits in a vfork (`kernel/fork.c`: kernel_clone): the completion
    /// that it leads to lies on the parent's stack.
    fn vforked(&self, parent: &View<'_>) -> Result<Option<TaskName>, Fault> {
        let memory = self.walked.memory;
        let stack = parent.unsigned("stack")?;
        let stack = stack..stack.saturating_add(THREAD_SIZE);
        let link = self.walked.offset_of("task_struct", "sibling")?;
        let head = parent.address_of("children")?;
        // One that is not stopped may have children and lose them meanwhile.
        let children = self
            .walked
            .list(head, parent.pointer("children.next")?, link);
        for child in children.unwrap_or_default() {
            let child = memory.read("task_struct", child)?;
            if stack.contains(&child.unsigned("vfork_done")?) {
                return Ok(name_of(&child));
            }
        }
        Ok(None)
    }
}

/// Which bounds of its CPU utilization a task asked for: the lowest and the highest (7.2
/// `kernel/sched/syscalls.c`: __setscheduler_uclamp).
pub(crate) fn bounds(task: &View<'_>) -> Result<Vec<&'static str>, Fault> {
    let mut asked = Vec::new();
    for field in ["uclamp_req[0].user_defined", "uclamp_req[1].user_defined"] {
        if task.optional(field)?.is_some_and(|asked| asked != 0) {
            asked.push(field);
        }
    }
    Ok(asked)
}
