//! What a thread of a program has in the CPU, and what the kernel keeps of it for the program.

use super::Belongings;
use super::system_calls;
use super::{each, hex_at};
use crate::model::{ARGUMENTS, AX, Controls, Registers, fpstate};
use crate::raw::hex;
use crate::view::symbol_text;
use kconv_objects::{FieldError, Saved};
use kernel_structs_bits::little_endian;
use serde::Serialize;
use std::collections::BTreeMap;

/// State of a thread in user mode.
#[derive(Debug, Serialize)]
pub(crate) struct UserState {
    /// `null` for a task that has none: a kernel thread, a zombie.
    pub(crate) pt_regs: Option<BTreeMap<&'static str, String>>,
    /// The system call that it is in.
    pub(crate) system_call: Option<SystemCall>,
    /// How an interrupted system call goes on.
    pub(crate) restart: Option<String>,
    pub(crate) thread: BTreeMap<&'static str, String>,
    /// Base and limit of the segments of set_thread_area, as descriptors.
    pub(crate) tls: Vec<String>,
    pub(crate) fpu: BTreeMap<&'static str, String>,
    pub(crate) robust_list: String,
    pub(crate) rseq: Rseq,
    pub(crate) set_child_tid: String,
    pub(crate) clear_child_tid: String,
    /// Of syscall user dispatch; `null` while it is off.
    pub(crate) dispatch: Option<BTreeMap<&'static str, String>>,
    pub(crate) parent_exec_id: u64,
    pub(crate) self_exec_id: u64,
}

/// A system call that was interrupted or waits.
#[derive(Debug, Serialize)]
pub(crate) struct SystemCall {
    pub(crate) number: u64,
    pub(crate) name: Option<&'static str>,
    pub(crate) arguments: Vec<String>,
    /// How it goes on, if it was interrupted.
    pub(crate) interrupted: Option<&'static str>,
}

/// Registration of restartable sequences.
#[derive(Debug, Serialize)]
pub(crate) struct Rseq {
    pub(crate) area: String,
    pub(crate) signature: String,
    /// `null` in 6.1, where all areas are of one size.
    pub(crate) size: Option<u64>,
}

pub(super) fn user_state(
    task: &Saved<'_>,
    belongings: &Belongings<'_>,
) -> Result<UserState, FieldError> {
    let registers = match belongings.registers.get(&task.id()) {
        Some(registers) => Some(Registers::of(registers, task)?),
        None => None,
    };
    let mut thread = each(
        ["fsbase", "gsbase", "fsindex", "gsindex", "ds", "es"],
        |field| hex_at(task, &format!("thread.{field}")),
    )?;
    for (name, field) in [
        ("cr2", "thread.cr2"),
        ("trap", "thread.trap_nr"),
        ("error_code", "thread.error_code"),
        ("iopl", "thread.iopl_emul"),
        ("dr6", "thread.virtual_dr6"),
        ("dr7", "thread.ptrace_dr7"),
    ] {
        thread.insert(name, hex_at(task, field)?);
    }
    // 5.10 has it in the register state alone.
    if task.has("thread.pkru") {
        thread.insert("pkru", hex_at(task, "thread.pkru")?);
    }
    // Of shadow stacks, which 6.1 does not know.
    if task.has("thread.features") {
        thread.insert("features", hex_at(task, "thread.features")?);
        thread.insert("features_locked", hex_at(task, "thread.features_locked")?);
        thread.insert("shadow_stack", hex_at(task, "thread.shstk.base")?);
        thread.insert("shadow_stack_size", hex_at(task, "thread.shstk.size")?);
    }
    let fpu = match fpstate(task)? {
        Some(state) => each(
            ["size", "user_size", "xfeatures", "user_xfeatures", "xfd"],
            |field| hex_at(&state, field),
        )?,
        None => BTreeMap::new(),
    };
    let dispatch = Controls::of(task)?.dispatch.filter(|_| registers.is_some());
    let dispatch = dispatch.map(|dispatch| {
        BTreeMap::from([
            ("selector", hex(dispatch.selector)),
            ("offset", hex(dispatch.start)),
            ("len", hex(dispatch.length)),
        ])
    });
    Ok(UserState {
        pt_regs: registers.as_ref().map(|registers| {
            let named = registers.general();
            let named = named.map(|(name, value)| (name, format!("{value:#018x}")));
            named.collect()
        }),
        system_call: registers.as_ref().and_then(system_call),
        restart: task.symbol("restart_block.fn")?.map(symbol_text),
        thread,
        tls: segments(task)?,
        fpu,
        robust_list: hex_at(task, "futex.robust_list|robust_list")?,
        rseq: Rseq {
            area: hex_at(task, "rseq.usrptr|rseq")?,
            signature: hex_at(task, "rseq.sig|rseq_sig")?,
            size: task.optional("rseq.len|rseq_len")?,
        },
        set_child_tid: hex_at(task, "set_child_tid")?,
        clear_child_tid: hex_at(task, "clear_child_tid")?,
        dispatch,
        parent_exec_id: task.unsigned("parent_exec_id")?,
        self_exec_id: task.unsigned("self_exec_id")?,
    })
}

/// The system call in the registers.
fn system_call(registers: &Registers) -> Option<SystemCall> {
    let number = registers.system_call()?;
    let values = &registers.values;
    // include/linux/errno.h.
    let interrupted = match values[AX].wrapping_neg() {
        512 => Some("ERESTARTSYS"),
        513 => Some("ERESTARTNOINTR"),
        514 => Some("ERESTARTNOHAND"),
        516 => Some("ERESTART_RESTARTBLOCK"),
        _ => None,
    };
    Some(SystemCall {
        number,
        name: system_calls::name(number),
        arguments: ARGUMENTS.map(|place| hex(values[place])).to_vec(),
        interrupted,
    })
}

/// The descriptors of set_thread_area that are not empty.
fn segments(task: &Saved<'_>) -> Result<Vec<String>, FieldError> {
    let mut segments = Vec::new();
    for segment in task.elements("thread.tls_array")? {
        let descriptor = little_endian(segment.bytes("")?);
        if descriptor != 0 {
            segments.push(hex(descriptor));
        }
    }
    Ok(segments)
}
