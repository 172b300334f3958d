//! The standard core notes: what a debugger shows of the tasks.

use super::Linux6;
use super::xstate::components;
use crate::error::{Fault, Flaw};
use crate::memory::View;
use crate::source::Space;
use kconv_image::core_notes::{
    Ids, MappedFile, NT_X86_XSTATE, ProcessInfo, Registers, Status, TimeVal, X86_64Registers, auxv,
    mapped_files, prpsinfo, prstatus, siginfo, x86_64_fpregset,
};
use kconv_image::{CoreNote, Machine, PAGE_SIZE, UserAddr};
use kconv_machine::{XsaveComponents, xsave_standard_form};
use kconv_objects::FieldError;
use kernel_structs_bits::little_endian;

/// How much of a command line a core note keeps (`ELF_PRARGSZ` and its NUL).
const ARGUMENTS: u64 = 79;

/// Numbers of `signal_struct.pids` (`include/linux/pid.h`: enum pid_type).
const PIDTYPE_PGID: usize = 2;
const PIDTYPE_SID: usize = 3;

/// `MAX_RT_PRIO + 20`: the priority of nice 0 (`include/linux/sched/prio.h`: DEFAULT_PRIO).
const DEFAULT_PRIO: i64 = 120;

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

    fn status(&self, task: &View<'_>, registers: &View<'_>) -> Result<Status, Fault> {
        let register = |name: &str| registers.unsigned(name);
        let time = |nanoseconds: u64| TimeVal {
            seconds: nanoseconds / 1_000_000_000,
            microseconds: (nanoseconds % 1_000_000_000 / 1000) as u32,
        };
        let memory = self.walked.memory;
        let signal = match task.pointer("signal")? {
            Some(signal) => Some(memory.read("signal_struct", signal)?),
            None => None,
        };
        let of_process = |path: &str| -> Result<u64, FieldError> {
            signal
                .as_ref()
                .map_or(Ok(0), |signal| signal.unsigned(path))
        };
        let id = |number: usize| -> Result<i32, Fault> {
            let pid = signal.as_ref().map_or(Ok(None), |signal| {
                signal.pointer(&format!("pids[{number}]"))
            })?;
            Ok(self.pid_number(pid)? as i32)
        };
        let parent = match task.pointer("real_parent")? {
            Some(parent) => memory.read("task_struct", parent)?.signed("tgid")?,
            None => 0,
        };
        Ok(Status {
            signal: 0,
            code: 0,
            errno: 0,
            pending: task.unsigned("pending.signal.sig[0]")?,
            blocked: task.unsigned("blocked.sig[0]")?,
            ids: Ids {
                pid: task.signed("pid")? as i32,
                ppid: parent as i32,
                pgrp: id(PIDTYPE_PGID)?,
                sid: id(PIDTYPE_SID)?,
            },
            user_time: time(task.unsigned("utime")?),
            system_time: time(task.unsigned("stime")?),
            children_user_time: time(of_process("cutime")?),
            children_system_time: time(of_process("cstime")?),
            registers: Registers::X86_64(X86_64Registers {
                r15: register("r15")?,
                r14: register("r14")?,
                r13: register("r13")?,
                r12: register("r12")?,
                rbp: register("bp")?,
                rbx: register("bx")?,
                r11: register("r11")?,
                r10: register("r10")?,
                r9: register("r9")?,
                r8: register("r8")?,
                rax: register("ax")?,
                rcx: register("cx")?,
                rdx: register("dx")?,
                rsi: register("si")?,
                rdi: register("di")?,
                orig_rax: register("orig_ax")?,
                rip: register("ip")?,
                cs: register("cs|csx")? & 0xffff,
                eflags: register("flags")?,
                rsp: register("sp")?,
                ss: register("ss|ssx")? & 0xffff,
                fs_base: task.unsigned("thread.fsbase")?,
                gs_base: task.unsigned("thread.gsbase")?,
                ds: task.unsigned("thread.ds")?,
                es: task.unsigned("thread.es")?,
                fs: task.unsigned("thread.fsindex")?,
                gs: task.unsigned("thread.gsindex")?,
            }),
            has_floating_point: false,
        })
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
        let mut notes = Vec::new();
        notes.extend(area.first_chunk::<512>().map(x86_64_fpregset));
        let user = state.unsigned("user_xfeatures")?;
        let pkru = view.unsigned("thread.pkru")? as u32;
        notes.extend(
            xsave_standard_form(components, area, user, pkru).map(|bytes| CoreNote {
                owner: "LINUX".to_owned(),
                kind: NT_X86_XSTATE,
                bytes,
            }),
        );
        Ok(notes)
    }

    fn process_notes(&self, task: &View<'_>, status: &Status) -> Result<Vec<CoreNote>, Fault> {
        let state = task.unsigned("__state")?;
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
        let cred = task.pointer("cred")?;
        let cred = cred.and_then(|at| self.walked.object_at("cred", at));
        let id = |path: &str| -> Result<u32, Fault> {
            let cred = cred.map(|cred| self.walked.view(cred)).transpose()?;
            cred.map_or(Ok(0), |cred| Ok(cred.unsigned(path)? as u32))
        };
        let info = ProcessInfo {
            state: number as u8,
            state_letter: letter,
            zombie: letter == b'Z',
            nice: (task.signed("static_prio")? - DEFAULT_PRIO) as i8,
            flags: task.unsigned("flags")?,
            uid: id("uid.val")?,
            gid: id("gid.val")?,
            ids: status.ids,
            name: task.text("comm")?.to_vec(),
            arguments: self.arguments(mm, &view)?,
        };
        let mut notes = vec![prpsinfo(Machine::X86_64, &info)];
        notes.push(auxv(Machine::X86_64, &auxiliary_vector(&view)?));
        let files = self.mapped_files(mm)?;
        if !files.is_empty() {
            notes.push(mapped_files(Machine::X86_64, &files));
        }
        Ok(notes)
    }

    /// The command line, as far as it is in memory.
    fn arguments(&self, object: usize, mm: &View<'_>) -> Result<Vec<u8>, Fault> {
        let (start, end) = (mm.unsigned("arg_start")?, mm.unsigned("arg_end")?);
        let end = end.min(start.saturating_add(ARGUMENTS));
        let space: Space<'_> = self.walked.space(object, &[]);
        let mut arguments = Vec::new();
        let mut page = [0; PAGE_SIZE as usize];
        let mut at = start;
        while at < end {
            let base = UserAddr(at - at % PAGE_SIZE);
            let source = self.walked.memory.source;
            if source.read_page(&space, base, &mut page).is_err() {
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

/// The auxiliary vector, which the kernel keeps (`fs/proc/base.c`: proc_pid_auxv).
fn auxiliary_vector(mm: &View<'_>) -> Result<Vec<(u64, u64)>, Fault> {
    let mut entries = Vec::new();
    for pair in mm.bytes("saved_auxv")?.chunks_exact(16) {
        let entry = (little_endian(&pair[..8]), little_endian(&pair[8..]));
        entries.push(entry);
        if entry.0 == 0 {
            break;
        }
    }
    Ok(entries)
}
