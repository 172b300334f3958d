//! Linux 6: what is outside of the saved objects, and how the CPU's state is kept.
//!
//! Kernel sources are cited by file and function; they read the same in 6.1 and 6.12 unless a
//! release is named.

mod confinement;
mod descriptors;
mod dumpable;
mod events;
mod files;
mod in_memory;
mod locks;
mod machine;
mod mappings;
mod memfd;
mod names;
mod notes;
mod owners;
mod paired;
mod pipe;
mod programs;
mod refusals;
mod seccomp;
mod sharing;
mod signal_info;
mod socket;
mod terminal;
mod unlinked;
mod works;
mod xstate;

pub(crate) use dumpable::note as note_dumpable;
pub(crate) use machine::tick_rate;
#[cfg(test)]
pub(crate) use refusals::bounds;
pub(crate) use works::leave_out_own;

use crate::error::{Fault, Flaw};
use crate::family::{Family, FileToSave, Reference};
use crate::resources::Resources;
use crate::source::{FileOf, Mapping};
use crate::walk::Walked;
use kconv_codes::Code;
use kconv_image::{Clocks, CoreNote, KernelAddr, ObjectId, ResourceId, Value};
use kconv_objects::Names;
use kconv_resources::linux6::Resource;
use kconv_resources::{Bare, Device};
use mappings::Vmas;
use std::cell::OnceCell;
use unlinked::Held;

/// The types that are read and of which nothing is saved, but those that all layouts have.
pub(crate) fn own_types() -> Vec<&'static str> {
    [
        &events::TYPES[..],
        &memfd::TYPES,
        &paired::TYPES,
        &unlinked::TYPES,
    ]
    .concat()
}

/// Size of a kernel stack (`arch/x86/include/asm/page_64_types.h`, without KASAN).
const THREAD_SIZE: u64 = 16384;

/// Linux 6 on x86-64.
pub(crate) struct Linux6<'w> {
    walked: &'w Walked<'w>,
    resources: Resources<Resource>,
    /// The VMAs of each address space, once they were asked for.
    vmas: OnceCell<Vmas>,
    /// The mounts that the first tasks see.
    mount_namespace: Option<KernelAddr>,
    /// Whether the image has the files that programs are made of.
    keeps_programs: bool,
    /// How tasks have files, once that was asked for.
    held: OnceCell<Held>,
    /// The types of what is read and of which nothing is saved, as the kernel itself tells them, if it does.
    own_types: Option<Names<'w>>,
}

impl<'w> Linux6<'w> {
    pub(crate) fn new(walked: &'w Walked<'w>) -> Result<Linux6<'w>, Flaw> {
        let memory = walked.memory;
        let first = memory.source.symbol("init_nsproxy");
        let first = first.ok_or_else(|| Fault::NoSymbol {
            name: "init_nsproxy".to_owned(),
        })?;
        Ok(Linux6 {
            walked,
            resources: Resources::new(),
            vmas: OnceCell::new(),
            mount_namespace: memory.read("nsproxy", first)?.pointer("mnt_ns")?,
            keeps_programs: false,
            held: OnceCell::new(),
            own_types: memory.source.types().map(Names::new),
        })
    }

    /// The task in whose kernel stack `at` lies (`include/linux/sched/task_stack.h`:
    /// task_stack_page).
    fn task_with_stack_around(&self, at: KernelAddr) -> Result<Option<usize>, Fault> {
        for task in 0..self.walked.tasks {
            let stack = self.walked.view(task)?.unsigned("stack")?;
            if at
                .0
                .checked_sub(stack)
                .is_some_and(|into| into < THREAD_SIZE)
            {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    /// The number of a `struct pid` in the first PID namespace (`kernel/pid.c`: pid_nr).
    fn pid_number(&self, pid: Option<KernelAddr>) -> Result<i64, Fault> {
        let Some(pid) = pid else {
            return Ok(0);
        };
        let at = self.walked.memory.read("pid", pid)?.address_of("numbers")?;
        // `nr` is the first member of a upid.
        let number = self.walked.memory.bytes(at, 4)?;
        Ok(kernel_structs_bits::little_endian(&number) as i64)
    }
}

impl Family for Linux6<'_> {
    fn keep_programs(&mut self) {
        self.keeps_programs = true;
    }

    fn resource(&mut self, reference: &Reference<'_>) -> Result<ResourceId, Flaw> {
        let Reference { kind, at, mount } = *reference;
        if let Some(id) = self.resources.known(kind, at, mount) {
            return Ok(id);
        }
        let resource = match kind {
            "file" => self.file(at, mount)?,
            "mount" => Resource::Mount(self.mount(at)?),
            "tty" => Resource::Terminal(self.tty(at)?),
            "cgroup" => Resource::Cgroup(self.cgroup(at)?),
            "keyring" => Resource::Keyring(self.keyring(at)?),
            // What the security modules keep for a subject is theirs alone; that there is something is
            // all that can be told from outside.
            "security-label" => Resource::SecurityLabel(Bare),
            "sem-undo" => {
                self.no_sem_undo(at)?;
                Resource::SemUndo(Bare)
            }
            "vfork" => Resource::Vfork(self.vfork(at)?),
            "seccomp-filter" => Resource::SeccompFilter(self.seccomp_filter(at)?),
            _ => match kind.strip_suffix("-namespace") {
                Some(namespace) => self.namespace(namespace, at)?,
                None => {
                    return Err(Flaw::UnknownKind {
                        kind: kind.to_owned(),
                    });
                }
            },
        };
        Ok(self.resources.add(kind, at, mount, resource))
    }

    fn not_carried(&mut self, at: KernelAddr) -> ResourceId {
        self.resources.not_carried(at)
    }

    fn unbound_resources(&mut self, refuse: &mut dyn FnMut(usize, Flaw)) {
        let walked = self.walked;
        for file in walked.objects_of("file") {
            let named = self.file_locks(file);
            if let Err(flaw) = named.and_then(|()| self.epoll_watches(file)) {
                refuse(file, flaw);
            }
        }
        for mm in walked.objects_of("mm_struct") {
            let named = self.special_mappings(mm);
            if let Err(fault) = named.and_then(|()| self.build_ids(mm)) {
                refuse(mm, fault.into());
            }
        }
        if let Err(fault) = self.mark_kept() {
            refuse(0, fault.into());
        }
    }

    fn unsaved_state(&self, refuse: &mut dyn FnMut(usize, &str, Flaw)) {
        self.refusals(refuse);
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
        Ok(self.mappings_of(mm)?)
    }

    fn files_to_save(&self) -> Result<Vec<FileToSave>, Flaw> {
        Ok(self.to_save()?)
    }

    fn files_to_sync(&self) -> Result<Vec<(String, FileOf)>, Flaw> {
        Ok(self.to_sync()?)
    }

    fn core_notes(&self) -> Result<Vec<CoreNote>, Flaw> {
        self.notes()
    }
}

fn not_carried(code: Code, what: impl Into<String>) -> Flaw {
    Flaw::NotCarried {
        code,
        what: what.into(),
    }
}

fn object_id(object: usize) -> ObjectId {
    ObjectId(object as u32)
}

/// A `dev_t` as major and minor number (`include/linux/kdev_t.h`: 20 bits of minor).
fn device(number: u64) -> Device {
    Device {
        major: (number >> 20) as u32,
        minor: number as u32 & 0xf_ffff,
    }
}
