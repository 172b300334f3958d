//! Who gets the signals of open files (fcntl(2), F_SETOWN).

use super::descriptors::Descriptor;
use super::{Linux6, not_carried};
use crate::error::{Fault, Flaw};
use kconv_codes::Code;
use kconv_image::KernelAddr;
use std::collections::BTreeSet;

/// Values of `fown_struct.pid_type` (`include/linux/pid_types.h`): PIDTYPE_PID, PIDTYPE_TGID; the third
/// is PIDTYPE_PGID.
const THREAD: u64 = 0;
const PROCESS: u64 = 1;

/// Numbers that the tasks have, and will have again.
#[derive(Default)]
struct Numbers {
    threads: BTreeSet<i64>,
    processes: BTreeSet<i64>,
    groups: BTreeSet<i64>,
}

impl Numbers {
    /// Whether somebody is among the tasks, or the first process, which is who it is after any boot.
    fn have(&self, kind: u64, number: i64) -> bool {
        number == 1
            || match kind {
                THREAD => self.threads.contains(&number),
                PROCESS => self.processes.contains(&number),
                _ => self.groups.contains(&number),
            }
    }
}

impl Linux6<'_> {
    /// Files whose signals go to others than the tasks: whoever has the number at the thaw would get
    /// them.
    pub(super) fn signals_of_files(
        &self,
        descriptors: &[Descriptor],
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let numbers = self.numbers()?;
        for open in descriptors {
            let Some((kind, number)) = self.signalled_by(open.file)? else {
                continue;
            };
            if !numbers.have(kind, number) {
                let whom = match kind {
                    THREAD => "thread",
                    PROCESS => "process",
                    _ => "process group",
                };
                let what = format!(
                    "descriptor {}, whose signals go to {whom} {number}, which is not frozen with it,",
                    open.number
                );
                refuse(open.task, "files", not_carried(Code::FdSignal, what));
            }
        }
        Ok(())
    }

    fn numbers(&self) -> Result<Numbers, Fault> {
        let mut numbers = Numbers::default();
        for task in 0..self.walked.tasks {
            let view = self.walked.view(task)?;
            numbers.threads.insert(view.signed("pid")?);
            numbers.processes.insert(view.signed("tgid")?);
            if let Some(signal) = view.pointer("signal")? {
                let signal = self.walked.memory.read("signal_struct", signal)?;
                let group = self.pid_number(signal.pointer("pids[2]")?)?;
                numbers.groups.insert(group);
            }
        }
        Ok(numbers)
    }

    /// Whom a file sends its signals to, if there still is somebody: the kind and the number.
    fn signalled_by(&self, file: usize) -> Result<Option<(u64, i64)>, Fault> {
        let memory = self.walked.memory;
        let view = self.walked.view(file)?;
        // A part of the file in 6.1, an object of its own in 6.12.
        let (pid, kind) = if self.walked.offset_of("file", "f_owner.pid").is_ok() {
            (
                view.pointer("f_owner.pid")?,
                view.unsigned("f_owner.pid_type")?,
            )
        } else {
            match view.pointer("f_owner")? {
                Some(owner) => {
                    let owner = memory.read("fown_struct", owner)?;
                    (owner.pointer("pid")?, owner.unsigned("pid_type")?)
                }
                None => (None, 0),
            }
        };
        Ok(match pid {
            Some(pid) if self.is_in_use(pid, kind)? => Some((kind, self.pid_number(Some(pid))?)),
            _ => None,
        })
    }

    /// Whether anybody has a number (`kernel/pid.c`: pid_task).
    fn is_in_use(&self, pid: KernelAddr, kind: u64) -> Result<bool, Fault> {
        let pid = self.walked.memory.read("pid", pid)?;
        Ok(pid.pointer(&format!("tasks[{kind}].first"))?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::{Numbers, PROCESS, THREAD};

    #[test]
    fn a_number_is_one_of_its_kind() {
        let numbers = Numbers {
            threads: [20, 21].into(),
            processes: [20].into(),
            groups: [19].into(),
        };
        let group = 2;
        assert!(numbers.have(THREAD, 21) && numbers.have(PROCESS, 20) && numbers.have(group, 19));
        assert!(
            !numbers.have(PROCESS, 21) && !numbers.have(group, 20) && !numbers.have(THREAD, 19)
        );
        assert!(numbers.have(PROCESS, 1));
    }
}
