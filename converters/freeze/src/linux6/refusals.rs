//! State of a task that an image has no place for.

use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};

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
        if let Err(fault) = self.of_descriptors(refuse) {
            refuse(0, "files", fault.into());
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
        self.terminals(&descriptors, refuse)?;
        self.pipe_ends(refuse)
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
            refuse(task, "ptrace", not_carried("being traced"));
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
}
