//! Linux 2.4: what is outside of the saved objects, and how the CPU's state is kept.
//!
//! Kernel sources are cited by file and function; they read the same from 2.4.32 to 2.4.37.11.

mod files;
mod floating_point;
mod ipc;
mod locks;
mod machine;
mod notes;
mod terminal;

use crate::error::{Fault, Flaw};
use crate::family::{Family, Reference};
use crate::resources::Resources;
use crate::source::Mapping;
use crate::walk::Walked;
use kconv_image::{Clocks, CoreNote, KernelAddr, ObjectId, ResourceId, Value};
use kconv_resources::linux24::Resource;
use std::collections::BTreeSet;

/// The task used the FPU since it was switched in, so that its registers are still there
/// (`include/linux/sched.h`; `arch/i386/kernel/i387.c`: save_init_fpu clears it).
const PF_USEDFPU: u64 = 0x0010_0000;

/// Linux 2.4 on i386.
pub(crate) struct Linux24<'w> {
    walked: &'w Walked<'w>,
    resources: Resources<Resource>,
    /// The mounts at which the namespaces of the tasks begin.
    namespace_roots: BTreeSet<KernelAddr>,
}

impl<'w> Linux24<'w> {
    pub(crate) fn new(walked: &'w Walked<'w>) -> Result<Linux24<'w>, Flaw> {
        let mut namespaces = BTreeSet::new();
        for task in 0..walked.tasks {
            namespaces.extend(walked.view(task)?.pointer("namespace")?);
        }
        let mut namespace_roots = BTreeSet::new();
        for at in namespaces {
            namespace_roots.extend(walked.memory.read("namespace", at)?.pointer("root")?);
        }
        Ok(Linux24 {
            walked,
            resources: Resources::new(),
            namespace_roots,
        })
    }

    /// The pid of a task.
    fn pid(&self, task: usize) -> Result<i64, Fault> {
        Ok(self.walked.view(task)?.signed("pid")?)
    }

    /// The tasks of which `field` points at `at`, of which there may be many (threads).
    fn tasks_with(&self, field: &str, at: KernelAddr) -> Result<Vec<usize>, Fault> {
        let mut tasks = Vec::new();
        for task in 0..self.walked.tasks {
            if self.walked.view(task)?.pointer(field)? == Some(at) {
                tasks.push(task);
            }
        }
        Ok(tasks)
    }
}

impl Family for Linux24<'_> {
    fn resource(&mut self, reference: &Reference<'_>) -> Result<ResourceId, Flaw> {
        let Reference { kind, at, mount } = *reference;
        if let Some(id) = self.resources.known(kind, at, mount) {
            return Ok(id);
        }
        let resource = match kind {
            "file" => self.file(at, mount)?,
            "mount" => Resource::Mount(self.mount(at)?),
            "namespace" => Resource::Namespace(self.namespace(at)?),
            "tty" => Resource::Terminal(self.tty(at)?),
            "sem-undo" => Resource::SemUndo(self.sem_undo(at)?),
            "vfork" => Resource::Vfork(self.vfork(at)?),
            _ => {
                return Err(Flaw::UnknownKind {
                    kind: kind.to_owned(),
                });
            }
        };
        Ok(self.resources.add(kind, at, mount, resource))
    }

    fn not_carried(&mut self, at: KernelAddr) -> ResourceId {
        self.resources.not_carried(at)
    }

    fn unbound_resources(&mut self, refuse: &mut dyn FnMut(usize, Flaw)) {
        let walked = self.walked;
        for file in walked.objects_of("file") {
            if let Err(flaw) = self.file_locks(file) {
                refuse(file, flaw);
            }
        }
    }

    fn unsaved_state(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) {
        for task in 0..self.walked.tasks {
            let flags = self
                .walked
                .view(task)
                .and_then(|view| Ok(view.unsigned("flags")?));
            match flags {
                Ok(flags) if flags & PF_USEDFPU == 0 => {}
                Ok(_) => refuse(task, "flags", Flaw::InTheCpu),
                Err(fault) => refuse(task, "flags", fault.into()),
            }
        }
    }

    fn resources(&self) -> Vec<kconv_image::Resource> {
        self.resources.written()
    }

    fn clocks(&self, hz: u32) -> Result<Clocks, Flaw> {
        Ok(machine::clocks(self.walked.memory, hz)?)
    }

    fn facts(&self) -> Result<Vec<(String, Value)>, Flaw> {
        Ok(machine::machine(self.walked.memory)?.facts())
    }

    fn mappings(&self, mm: usize) -> Result<Vec<Mapping>, Flaw> {
        Ok(self.vmas(mm)?)
    }

    fn core_notes(&self) -> Result<Vec<CoreNote>, Flaw> {
        Ok(self.notes()?)
    }
}

fn object_id(object: usize) -> ObjectId {
    ObjectId(object as u32)
}
