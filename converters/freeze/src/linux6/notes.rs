//! The standard core notes: what a debugger shows of the tasks.

use super::Linux6;
use super::xstate::components;
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::source::Space;
use kconv_image::core_notes::{
    Ids, MappedFile, NT_X86_XSTATE, ProcessInfo, Registers, Status, TimeVal, auxv, mapped_files,
    prpsinfo, prstatus, siginfo, x86_64_fpregset,
};
use kconv_image::{CoreNote, Machine, PAGE_SIZE, UserAddr};
use kconv_machine::{XsaveComponents, xsave_standard_form, xsave_user_components};
use kconv_tasks::model::{
    self, Bounds, Common, Credentials, Identity, PIDTYPE_PGID, PIDTYPE_SID, Signals,
};

/// How much of a command line a core note keeps (`ELF_PRARGSZ` and its NUL).
const ARGUMENTS: u64 = 79;

impl Linux6<'_> {
    /// The notes of all threads that have user registers. The process of the first comes with all
    /// that a debugger asks of a process: it takes a core file for one process, and shows the
    /// others as its threads.
    pub(super) fn notes(&self) -> Result<Vec<CoreNote>, Flaw> {
        let mut notes = Vec::new();
        let components = components(self.walked.memory)?;
        for (number, registers) in self.walked.objects_of("pt_regs").enumerate() {
            let task_number = self.walked.objects[registers].owner;
            let task = self.walked.view(task_number)?;
            let floating_point = self.floating_point(task_number, &components)?;
            let mut status = self.status(&task, &self.walked.view(registers)?)?;
            status.has_floating_point = !floating_point.is_empty();
            notes.push(prstatus(&status));
            if number == 0 {
                notes.extend(self.process_notes(&task, &status)?);
            }
            notes.push(siginfo(&self.signal_info(&task)?));
            notes.extend(floating_point);
        }
        Ok(notes)
    }

    fn status(&self, task: &View<'_>, registers: &View<'_>) -> Result<Status, Flaw> {
        let time = |nanoseconds: u64| TimeVal {
            seconds: nanoseconds / 1_000_000_000,
            microseconds: (nanoseconds % 1_000_000_000 / 1000) as u32,
        };
        let memory = self.walked.memory;
        let parent = match task.pointer("real_parent")? {
            Some(parent) => Some(memory.read("task_struct", parent)?.int("tgid")?),
            None => None,
        };
        let identity = Identity::in_task(task, parent)?;
        let signal = memory.read("signal_struct", task.address("signal")?)?;
        let related = |kind: usize| -> Result<Option<i32>, Fault> {
            match signal.pointer(&format!("pids[{kind}]"))? {
                Some(pid) => Ok(Some(self.pid_number(Some(pid))? as i32)),
                None => Ok(None),
            }
        };
        let (group, session) = (related(PIDTYPE_PGID)?, related(PIDTYPE_SID)?);
        let common = Common::in_signal(&signal, group, session)?;
        let signals = Signals::in_task(task, self.pending(task, "pending")?)?;
        let registers = model::Registers::of(registers, task)?;
        Ok(Status {
            signal: 0,
            code: 0,
            errno: 0,
            pending: signals.pending.set,
            // fs/binfmt_elf.c: fill_prstatus.
            blocked: signals.blocked,
            ids: Ids {
                pid: identity.tid,
                ppid: identity.parent.unwrap_or(0),
                pgrp: common.group.unwrap_or(0),
                sid: common.session.unwrap_or(0),
            },
            user_time: time(task.unsigned("utime")?),
            system_time: time(task.unsigned("stime")?),
            children_user_time: time(signal.unsigned("cutime")?),
            children_system_time: time(signal.unsigned("cstime")?),
            registers: Registers::X86_64(registers.noted()),
            has_floating_point: false,
        })
    }

    /// Who a task is (fs/binfmt_elf.c: fill_psinfo). Groups are in no note.
    pub(super) fn credentials(&self, task: &View<'_>) -> Result<Credentials, Fault> {
        let cred = self
            .walked
            .memory
            .read("cred", task.address("real_cred")?)?;
        Ok(Credentials::in_cred(&cred, Vec::new())?)
    }

    /// The register state that `fpu.fpstate` leads to, which is in the fpu or an object. The fpu is
    /// in the task, or from 6.16 on behind it (arch/x86/include/asm/processor.h: x86_task_fpu).
    fn floating_point(
        &self,
        task: usize,
        components: &XsaveComponents,
    ) -> Result<Vec<CoreNote>, Fault> {
        let walked = self.walked;
        let view = walked.view(task)?;
        const AREA: &str = "thread.fpu.state";
        if view.has(AREA) {
            let area = view.bytes_to_end(AREA)?;
            let user = xsave_user_components(area);
            let standard = xsave_standard_form(components, area, user, None);
            return Ok(register_notes(area, standard));
        }
        let (fpu, path) = match walked.right_behind(task, "fpu") {
            Some(fpu) => (fpu, "fpstate"),
            None => (task, "thread.fpu.fpstate"),
        };
        let Some(at) = walked.view(fpu)?.pointer(path)? else {
            return Ok(Vec::new());
        };
        let object = walked.object_at("fpstate", at).unwrap_or(fpu);
        let saved = &walked.objects[object];
        let start = at.0.wrapping_sub(saved.at.0) as usize;
        let Some(bytes) = saved.bytes.get(start..) else {
            return Ok(Vec::new());
        };
        let state = walked.memory.view("fpstate", at, bytes)?;
        let registers = walked.offset_of("fpstate", "regs")? as usize;
        let area = bytes.get(registers..).unwrap_or_default();
        let user = state.unsigned("user_xfeatures")?;
        let pkru = view.unsigned("thread.pkru")? as u32;
        let standard = xsave_standard_form(components, area, user, Some(pkru));
        Ok(register_notes(area, standard))
    }

    fn process_notes(&self, task: &View<'_>, status: &Status) -> Result<Vec<CoreNote>, Fault> {
        let state = task.unsigned("__state|state")?;
        let number = if state == 0 {
            0
        } else {
            state.trailing_zeros() + 1
        };
        let letter = b"RSDTtXZPI".get(number as usize).copied().unwrap_or(b'.');
        let mm = task.pointer("mm")?;
        let mm = mm.and_then(|at| self.walked.object_at("mm_struct", at));
        let Some(mm) = mm else {
            return Ok(Vec::new());
        };
        let view = self.walked.view(mm)?;
        let credentials = self.credentials(task)?;
        let info = ProcessInfo {
            state: number as u8,
            state_letter: letter,
            zombie: letter == b'Z',
            nice: model::nice(task)? as i8,
            flags: task.unsigned("flags")?,
            uid: credentials.users[0],
            gid: credentials.groups[0],
            ids: status.ids,
            name: task.text("comm")?.to_vec(),
            arguments: self.arguments(mm, &view)?,
        };
        let mut notes = vec![prpsinfo(Machine::X86_64, &info)];
        let entries = model::auxiliary_vector(view.bytes("saved_auxv")?).into_iter();
        let entries: Vec<_> = entries.map(|[ty, value]| (ty, value)).collect();
        notes.push(auxv(Machine::X86_64, &entries));
        let files = self.mapped_files(mm)?;
        if !files.is_empty() {
            notes.push(mapped_files(Machine::X86_64, &files));
        }
        Ok(notes)
    }

    /// The command line, as far as it is in memory.
    fn arguments(&self, object: usize, mm: &View<'_>) -> Result<Vec<u8>, Fault> {
        let bounds = Bounds::of(mm)?;
        let (start, end) = (bounds.arg_start, bounds.arg_end);
        let end = end.min(start.saturating_add(ARGUMENTS));
        let space: Space<'_> = self.walked.space(object, &[]);
        let mut arguments = Vec::new();
        let mut page = [0; PAGE_SIZE as usize];
        let mut at = start;
        while at < end {
            let base = UserAddr(at - at % PAGE_SIZE);
            let source = self.walked.memory.source;
            if source.read_pages(&space, base, &mut page).is_err() {
                break;
            }
            let from = (at % PAGE_SIZE) as usize;
            let count = (end - at).min(PAGE_SIZE - at % PAGE_SIZE) as usize;
            let text = page[from..from + count].iter();
            arguments.extend(text.map(|byte| if *byte == 0 { b' ' } else { *byte }));
            at += count as u64;
        }
        Ok(arguments)
    }

    fn mapped_files(&self, mm: usize) -> Result<Vec<MappedFile>, Fault> {
        let mut files = Vec::new();
        for vma in self.vmas(mm)? {
            let file = vma.pointer("vm_file")?;
            let Some(file) = file.and_then(|at| self.walked.object_at("file", at)) else {
                continue;
            };
            let file = self.walked.view(file)?;
            if let (Some(dentry), Some(mount)) =
                (file.pointer("f_path.dentry")?, file.pointer("f_path.mnt")?)
            {
                files.push(MappedFile {
                    start: vma.unsigned("vm_start")?,
                    end: vma.unsigned("vm_end")?,
                    page_offset: vma.unsigned("vm_pgoff")?,
                    path: self.location(dentry, mount)?.path.into_bytes(),
                });
            }
        }
        Ok(files)
    }
}

/// The notes with the registers of `area`, which `standard` has in the standard form.
fn register_notes(area: &[u8], standard: Option<Vec<u8>>) -> Vec<CoreNote> {
    let mut notes = Vec::new();
    notes.extend(area.first_chunk::<512>().map(x86_64_fpregset));
    notes.extend(standard.map(|bytes| CoreNote {
        owner: "LINUX".to_owned(),
        kind: NT_X86_XSTATE,
        bytes,
    }));
    notes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use kconv_image::KernelAddr;
    use kconv_objects::{Names, Structure};
    use kconv_tasks::model::{Pending, SignalInfo};
    use kernel_structs::releases::Registry;

    /// What notes are made of is in the layouts that tasks are read with: without the members of unions that
    /// are not alive.
    #[test]
    fn a_task_can_be_decoded_with_what_is_alive_of_its_layout() {
        let registry = Registry::builtin().unwrap();
        let map = registry.state_map("linux-6").unwrap();
        for kernel in ["6.1.0-50-amd64", "6.12.117+deb12-amd64"] {
            let release = registry.release(kernel, None, None).unwrap();
            let layout = map.live(&registry.layout(&release.layout).unwrap());
            let names = Names::new(&layout);
            let read = |ty: &str, byte: u8| {
                let size = names.size_of(ty).unwrap() as usize;
                let (id, at) = (names.find(ty).unwrap(), KernelAddr(0x1000));
                Structure::new(&names, id, at, vec![byte; size])
            };
            let task = read("task_struct", 1);
            let identity = Identity::in_task(&task, Some(7)).unwrap();
            assert_eq!((identity.tid, identity.parent), (0x0101_0101, Some(7)));
            let signal = read("signal_struct", 2);
            let common = Common::in_signal(&signal, Some(8), None).unwrap();
            assert_eq!(
                (common.group_exit_code, common.group),
                (0x0202_0202, Some(8))
            );
            let signals = Signals::in_task(&task, Pending::default()).unwrap();
            assert_eq!(signals.blocked, 0x0101_0101_0101_0101);
            let pending = Pending::in_owner(&signal, "shared_pending", Vec::new()).unwrap();
            assert_eq!(pending.set, 0x0202_0202_0202_0202);
            let info = SignalInfo::of(&read("sigqueue", 3)).unwrap();
            assert_eq!(info.number(), 0x0303_0303);
            let registers = model::Registers::of(&read("pt_regs", 4), &task).unwrap();
            let noted = registers.noted();
            assert_eq!((noted.cs, noted.ss, noted.gs), (0x0404, 0x0404, 0x0101));
            let credentials = Credentials::in_cred(&read("cred", 5), Vec::new()).unwrap();
            assert_eq!(credentials.users[0], 0x0505_0505);
            let bounds = Bounds::of(&read("mm_struct", 6)).unwrap();
            assert_eq!(bounds.arg_start, 0x0606_0606_0606_0606);
            assert_eq!(model::nice(&task).unwrap(), 0x0101_0101 - 120);
        }
    }
}
