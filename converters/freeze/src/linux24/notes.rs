//! The standard core notes: what a debugger shows of the tasks.

use super::Linux24;
use super::floating_point::fsave_from_fxsave;
use super::machine;
use crate::error::Fault;
use crate::memory::View;
use crate::source::{Content, Mapping, Space};
use kconv_image::core_notes::{
    I386Registers, Ids, MappedFile, ProcessInfo, Registers, Status, TimeVal, auxv, i386_fpregset,
    mapped_files, prpsinfo, prstatus, prxfpreg,
};
use kconv_image::{CoreNote, KernelAddr, Machine, PAGE_SIZE, UserAddr};
use kernel_structs_bits::little_endian;

/// The most mappings of an address space: `max_map_count` is 65536 unless it was raised.
const MAX_VMAS: usize = 1 << 24;

/// How much of a command line a core note keeps (`ELF_PRARGSZ` and its NUL).
const ARGUMENTS: u64 = 79;

/// The most words looked at on a stack for the auxiliary vector, which comes after arguments and
/// environment.
const MAX_STACK_WORDS: u64 = 1 << 16;

/// The most entries of an auxiliary vector; the kernel writes less than 20.
const MAX_AUXV: usize = 64;

/// Bits of `vm_area_struct.vm_flags` (`include/linux/mm.h`).
const VM_READ: u64 = 1;
const VM_WRITE: u64 = 2;
const VM_EXEC: u64 = 4;

impl Linux24<'_> {
    /// The VMAs of the `mm_struct` that is object `mm`, in the order of their list.
    fn vma_objects(&self, mm: usize) -> Result<Vec<usize>, Fault> {
        let mut vmas = Vec::new();
        let mut next = self.walked.view(mm)?.pointer("mmap")?;
        // What the walk could not reach was refused by it.
        while let Some(vma) = next.and_then(|at| self.walked.object_at("vm_area_struct", at)) {
            if vmas.len() >= MAX_VMAS {
                let at = self.walked.objects[mm].at;
                return Err(Fault::Chain {
                    what: "mappings",
                    at,
                    limit: MAX_VMAS,
                });
            }
            vmas.push(vma);
            next = self.walked.view(vma)?.pointer("vm_next")?;
        }
        Ok(vmas)
    }

    /// What is mapped in the address space of object `mm`.
    pub(super) fn vmas(&self, mm: usize) -> Result<Vec<Mapping>, Fault> {
        let mut mappings = Vec::new();
        for vma in self.vma_objects(mm)? {
            let vma = self.walked.view(vma)?;
            let flags = vma.unsigned("vm_flags")?;
            let access = [(VM_EXEC, 1), (VM_WRITE, 2), (VM_READ, 4)];
            let access = access.iter().filter(|(flag, _)| flags & flag != 0);
            mappings.push(Mapping {
                start: vma.unsigned("vm_start")?,
                end: vma.unsigned("vm_end")?,
                access: access.map(|(_, bit)| bit).sum(),
                content: Content::Own,
            });
        }
        Ok(mappings)
    }

    /// The notes of all tasks that have user registers. The process of the first comes with all
    /// that a debugger asks of a process: it takes a core file for one process, and shows the
    /// others as its threads.
    pub(super) fn notes(&self) -> Result<Vec<CoreNote>, Fault> {
        let mut notes = Vec::new();
        for (number, registers) in self.walked.objects_of("pt_regs").enumerate() {
            let task_number = self.walked.objects[registers].owner;
            let task = self.walked.view(task_number)?;
            let floating_point = self.floating_point(&task)?;
            let mut status = self.status(&task, &self.walked.view(registers)?)?;
            status.has_floating_point = !floating_point.is_empty();
            notes.push(prstatus(&status));
            if number == 0 {
                notes.extend(self.process_notes(&task, &status)?);
            }
            notes.extend(floating_point);
        }
        Ok(notes)
    }

    fn status(&self, task: &View<'_>, registers: &View<'_>) -> Result<Status, Fault> {
        let register = |name: &str| registers.unsigned(name).map(|value| value as u32);
        let hz = u64::from(self.walked.memory.source.tick_rate().unwrap_or(1).max(1));
        let time = |name: &str| {
            let ticks = task.unsigned(&format!("times.tms_{name}"))?;
            let microseconds = ((ticks % hz) * 1_000_000 / hz) as u32;
            Ok::<_, Fault>(TimeVal {
                seconds: ticks / hz,
                microseconds,
            })
        };
        let number = |name: &str| task.signed(name).map(|value| value as i32);
        let parent = task.pointer("p_pptr")?;
        let parent = parent.and_then(|at| self.walked.object_at("task_struct", at));
        let ppid = parent
            .map(|parent| self.pid(parent))
            .transpose()?
            .unwrap_or(0);
        let signals =
            |name: &str| -> Result<u64, Fault> { Ok(little_endian(&task.bytes(name)?[..8])) };
        Ok(Status {
            signal: 0,
            code: 0,
            errno: 0,
            pending: signals("pending.signal.sig")?,
            blocked: signals("blocked.sig")?,
            ids: Ids {
                pid: number("pid")?,
                ppid: ppid as i32,
                pgrp: number("pgrp")?,
                sid: number("session")?,
            },
            user_time: time("utime")?,
            system_time: time("stime")?,
            children_user_time: time("cutime")?,
            children_system_time: time("cstime")?,
            registers: Registers::I386(I386Registers {
                ebx: register("ebx")?,
                ecx: register("ecx")?,
                edx: register("edx")?,
                esi: register("esi")?,
                edi: register("edi")?,
                ebp: register("ebp")?,
                eax: register("eax")?,
                ds: register("xds")?,
                es: register("xes")?,
                fs: task.unsigned("thread.fs")? as u32,
                gs: task.unsigned("thread.gs")? as u32,
                orig_eax: register("orig_eax")?,
                eip: register("eip")?,
                cs: register("xcs")?,
                eflags: register("eflags")?,
                esp: register("esp")?,
                ss: register("xss")?,
            }),
            has_floating_point: false,
        })
    }

    /// None if the task never used the FPU, or the machine has none.
    fn floating_point(&self, task: &View<'_>) -> Result<Vec<CoreNote>, Fault> {
        let memory = self.walked.memory;
        if task.unsigned("used_math")? == 0 || !machine::has_fpu(memory)? {
            return Ok(Vec::new());
        }
        if machine::has_fxsr(memory)? {
            let area = task.bytes("thread.i387.fxsave")?.first_chunk::<512>();
            let notes = area.map(|area| [i386_fpregset(&fsave_from_fxsave(area)), prxfpreg(area)]);
            return Ok(notes.into_iter().flatten().collect());
        }
        let area = task.bytes("thread.i387.fsave")?.first_chunk::<108>();
        Ok(area.map(i386_fpregset).into_iter().collect())
    }

    fn process_notes(&self, task: &View<'_>, status: &Status) -> Result<Vec<CoreNote>, Fault> {
        let state = task.unsigned("state")?;
        let number = if state == 0 {
            0
        } else {
            state.trailing_zeros() + 1
        };
        let letter = b"RSDZT".get(number as usize).copied().unwrap_or(b'.');
        let mm = task.pointer("mm")?;
        let mm = mm.and_then(|at| self.walked.object_at("mm_struct", at));
        let Some(mm) = mm else {
            return Ok(Vec::new());
        };
        let view = self.walked.view(mm)?;
        let info = ProcessInfo {
            state: number as u8,
            state_letter: letter,
            zombie: letter == b'Z',
            nice: task.signed("nice")? as i8,
            flags: task.unsigned("flags")?,
            uid: task.unsigned("uid")? as u32,
            gid: task.unsigned("gid")? as u32,
            ids: status.ids,
            name: task.text("comm")?.to_vec(),
            arguments: self.arguments(&view)?,
        };
        let mut notes = vec![prpsinfo(Machine::I386, &info)];
        let vector = self.auxiliary_vector(view.at(), view.unsigned("start_stack")?);
        notes.extend(vector.map(|entries| auxv(Machine::I386, &entries)));
        let files = self.mapped_files(mm)?;
        if !files.is_empty() {
            notes.push(mapped_files(Machine::I386, &files));
        }
        Ok(notes)
    }

    /// The command line, as far as it is in memory.
    fn arguments(&self, mm: &View<'_>) -> Result<Vec<u8>, Fault> {
        let (start, end) = (mm.unsigned("arg_start")?, mm.unsigned("arg_end")?);
        let mut arguments = Vec::new();
        for at in start..end.min(start.saturating_add(ARGUMENTS)) {
            let Some([byte]) = self.user(mm.at(), at) else {
                break;
            };
            arguments.push(if byte == 0 { b' ' } else { byte });
        }
        Ok(arguments)
    }

    /// The auxiliary vector, which lies on the stack behind number and pointers of the arguments
    /// and the pointers of the environment (System V ABI, Intel386 Supplement, "Process stack").
    /// `None` if it is not in memory or the program has written over it.
    fn auxiliary_vector(&self, mm: KernelAddr, stack: u64) -> Option<Vec<(u64, u64)>> {
        let word = |number: u64| -> Option<u64> {
            self.user(mm, stack.checked_add(4 * number)?)
                .map(u32::from_le_bytes)
                .map(u64::from)
        };
        let arguments = word(0).filter(|count| *count < MAX_STACK_WORDS)?;
        let mut at = arguments + 2;
        while word(at)? != 0 {
            at += 1;
            if at > MAX_STACK_WORDS {
                return None;
            }
        }
        let mut entries = Vec::new();
        for _ in 0..MAX_AUXV {
            let entry = (word(at + 1)?, word(at + 2)?);
            entries.push(entry);
            at += 2;
            if entry.0 == 0 {
                return Some(entries);
            }
        }
        None
    }

    /// `N` bytes of user memory.
    fn user<const N: usize>(&self, mm: KernelAddr, at: u64) -> Option<[u8; N]> {
        let mut found = [0; N];
        let mut page = [0; PAGE_SIZE as usize];
        for (at, byte) in (at..at.checked_add(N as u64)?).zip(&mut found) {
            let start = UserAddr(at - at % PAGE_SIZE);
            self.walked
                .memory
                .source
                .read_pages(&Space::of(mm), start, &mut page)
                .ok()?;
            *byte = page[(at % PAGE_SIZE) as usize];
        }
        Some(found)
    }

    fn mapped_files(&self, mm: usize) -> Result<Vec<MappedFile>, Fault> {
        let mut files = Vec::new();
        for vma in self.vma_objects(mm)? {
            let vma = self.walked.view(vma)?;
            let file = vma.pointer("vm_file")?;
            let Some(file) = file.and_then(|at| self.walked.object_at("file", at)) else {
                continue;
            };
            let file = self.walked.view(file)?;
            if let (Some(dentry), Some(mount)) =
                (file.pointer("f_dentry")?, file.pointer("f_vfsmnt")?)
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
