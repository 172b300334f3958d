//! General registers of a thread.

use kconv_image::core_notes::X86_64Registers;
use kconv_objects::{FieldError, Saved, Structure};

/// General registers of the x86-64, in the order of `user_regs_struct`
/// (`arch/x86/include/asm/user_64.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Values by name.
    pub values: [u64; 27],
}

/// Members of `pt_regs` in that order. Selectors are in unions with what the CPU pushes beside them in 6.12
/// (`arch/x86/include/asm/ptrace.h`: pt_regs).
const GENERAL: [&str; 21] = [
    "r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di",
    "orig_ax", "ip", "cs", "flags", "sp", "ss",
];
/// Those of them that are selectors: of 16 bits, whatever was pushed with them.
const SELECTORS: [usize; 2] = [17, 20];
/// What follows: bases and selectors, which `thread_struct` keeps.
const SEGMENTS: [&str; 6] = [
    "thread.fsbase",
    "thread.gsbase",
    "thread.ds",
    "thread.es",
    "thread.fsindex",
    "thread.gsindex",
];

/// Places in [`Registers::values`].
pub const AX: usize = 10;
/// The number of the system call; -1 outside of one (`arch/x86/include/asm/syscall.h`: syscall_get_nr).
pub const ORIG_AX: usize = 15;
/// The next instruction.
pub const IP: usize = 16;
/// Flags.
pub const FLAGS: usize = 18;
/// The stack.
pub const SP: usize = 19;
/// Arguments of a system call: di, si, dx, r10, r8, r9 (`arch/x86/include/asm/syscall.h`:
/// syscall_get_arguments).
pub const ARGUMENTS: [usize; 6] = [14, 13, 12, 7, 9, 8];

/// The `fpstate` with the registers of the FPU and what came after it. The fpu that leads to it is in the task,
/// or from 6.16 on behind it (`arch/x86/include/asm/processor.h`: x86_task_fpu); an image has none of a
/// task without memory then. 5.10 has no `fpstate`, but the registers alone.
///
/// # Errors
/// If it cannot be read.
pub fn fpstate<'a>(task: &Saved<'a>) -> Result<Option<Saved<'a>>, FieldError> {
    match task.right_behind("fpu")? {
        Some(fpu) => fpu.follow("fpstate"),
        None if task.has("thread.fpu.fpstate") => task.follow("thread.fpu.fpstate"),
        None => Ok(None),
    }
}

impl Registers {
    /// Those in a `pt_regs`, and in the task that they are of.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of<R: AsRef<[u8]>, T: AsRef<[u8]>>(
        registers: &Structure<'_, R>,
        task: &Structure<'_, T>,
    ) -> Result<Registers, FieldError> {
        let mut read = Registers::default();
        let (general, segments) = read.values.split_at_mut(GENERAL.len());
        for (value, name) in general.iter_mut().zip(GENERAL) {
            *value = match name {
                // The members of a union of which a state map leaves one.
                "cs" => registers.unsigned("cs|csx")?,
                "ss" => registers.unsigned("ss|ssx")?,
                name => registers.unsigned(name)?,
            };
        }
        for selector in SELECTORS {
            general[selector] &= 0xffff;
        }
        for (value, name) in segments.iter_mut().zip(SEGMENTS) {
            *value = task.unsigned(name)?;
        }
        Ok(read)
    }

    /// The members of `pt_regs`, by name.
    pub fn general(&self) -> impl Iterator<Item = (&'static str, u64)> {
        GENERAL.into_iter().zip(self.values)
    }

    /// The number of the system call that they are in.
    pub fn system_call(&self) -> Option<u64> {
        let number = self.values[ORIG_AX];
        (number as i64 != -1).then_some(number)
    }

    /// As a core note has them.
    pub fn noted(&self) -> X86_64Registers {
        X86_64Registers::from_words(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_where_they_are_looked_for() {
        let named = ARGUMENTS.map(|place| GENERAL[place]);
        assert_eq!(named, ["di", "si", "dx", "r10", "r8", "r9"]);
        let named = [AX, ORIG_AX, IP, SP, FLAGS].map(|place| GENERAL[place]);
        assert_eq!(named, ["ax", "orig_ax", "ip", "sp", "flags"]);
        assert_eq!(SELECTORS.map(|place| GENERAL[place]), ["cs", "ss"]);
    }
}
