//! State of a task that an image has no place for.

use super::{Linux6, THREAD_SIZE, not_carried};
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::walk::name_of;
use kconv_image::TaskName;

/// Bits of `task_struct.flags` (`include/linux/sched.h`).
const PF_IO_WORKER: u64 = 0x10;
const PF_KTHREAD: u64 = 0x20_0000;

impl Linux6<'_> {
    /// Everything about the tasks themselves that cannot be carried.
    pub(super) fn refusals(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) {
        for task in 0..self.walked.tasks {
            if let Err(fault) = self.refusals_of(task, refuse) {
                refuse(task, "", fault.into());
            }
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

    fn refusals_of(
        &self,
        task: usize,
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let view = self.walked.view(task)?;
        let flags = view.unsigned("flags")?;
        if flags & PF_KTHREAD != 0 {
            refuse(task, "flags", not_carried("a thread of the kernel"));
            return Ok(());
        }
        if flags & PF_IO_WORKER != 0 {
            refuse(task, "flags", not_carried("a worker of io_uring"));
        }
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
        let traced = view.address_of("ptraced")?;
        if view.pointer("ptraced.next")? != Some(traced) {
            refuse(task, "ptraced", not_carried("tracing other tasks"));
        }
        // Registers are saved when a task is switched out (arch/x86/include/asm/fpu/sched.h:
        // switch_fpu_prepare).
        if view.unsigned("on_cpu")? != 0 {
            refuse(task, "on_cpu", Flaw::InTheCpu);
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
