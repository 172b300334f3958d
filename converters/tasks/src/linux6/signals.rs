//! Signals: what waits, what is blocked, what is done about them.

use super::hex_at;
use kconv_objects::{FieldError, Saved};
use serde::Serialize;
use std::collections::BTreeMap;

/// `SIG_IGN` (`include/uapi/asm-generic/signal-defs.h`).
const SIG_IGN: u64 = 1;

/// Signals of a task and of its process.
#[derive(Debug, Serialize)]
pub(crate) struct Signals {
    pub(crate) blocked: Vec<String>,
    /// To be blocked again after the system call that blocks others (sigsuspend), if it is
    /// interrupted.
    pub(crate) saved_mask: Option<Vec<String>>,
    pub(crate) pending: Vec<String>,
    pub(crate) pending_queue: Vec<QueuedSignal>,
    /// Of the process.
    pub(crate) shared_pending: Vec<String>,
    pub(crate) shared_pending_queue: Vec<QueuedSignal>,
    pub(crate) alternate_stack: AlternateStack,
    /// Signals whose action is SIG_IGN, and those with a handler.
    pub(crate) ignored: String,
    pub(crate) caught: String,
    pub(crate) sigactions: BTreeMap<usize, SigAction>,
}

/// An entry of a queue.
#[derive(Debug, Serialize)]
pub(crate) struct QueuedSignal {
    pub(crate) signo: i64,
    pub(crate) errno: i64,
    pub(crate) code: i64,
    /// Sender and value of a signal that somebody sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender: Option<Sender>,
    /// The timer that sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timer: Option<SenderTimer>,
    /// Address of a fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
}

/// Who sent a signal.
#[derive(Debug, Serialize)]
pub(crate) struct Sender {
    pub(crate) pid: i64,
    pub(crate) uid: u64,
    pub(crate) value: String,
}

/// A timer of timer_create that sent a signal.
#[derive(Debug, Serialize)]
pub(crate) struct SenderTimer {
    pub(crate) id: i64,
    pub(crate) overrun: i64,
    pub(crate) value: String,
}

/// Where handlers run that ask for it.
#[derive(Debug, Serialize)]
pub(crate) struct AlternateStack {
    pub(crate) start: String,
    pub(crate) size: u64,
    pub(crate) flags: String,
}

/// What is done about a signal.
#[derive(Debug, Serialize)]
pub(crate) struct SigAction {
    #[serde(skip)]
    address: u64,
    pub(crate) handler: String,
    pub(crate) flags: String,
    pub(crate) restorer: String,
    pub(crate) mask: Vec<String>,
}

pub(super) fn signals(task: &Saved<'_>) -> Result<Signals, FieldError> {
    let signal = task.follow("signal")?;
    let set = |fields: &Saved<'_>, path: &str| -> Result<Vec<String>, FieldError> {
        Ok(fields.numbers(path)?.iter().map(wide).collect())
    };
    let shared = |signal: Option<Saved<'_>>| match signal {
        Some(signal) => Ok((
            set(&signal, "shared_pending.signal.sig")?,
            queue(&signal, "shared_pending.list")?,
        )),
        None => Ok::<_, FieldError>((Vec::new(), Vec::new())),
    };
    let (shared_pending, shared_pending_queue) = shared(signal)?;
    let sigactions = match task.follow("sighand")? {
        Some(sighand) => actions(&sighand)?,
        None => BTreeMap::new(),
    };
    let with = |wanted: fn(u64) -> bool| {
        let signals = sigactions
            .iter()
            .filter(|(_, action)| wanted(action.address));
        wide(&signals.fold(0, |bits, (signal, _)| bits | 1 << (signal - 1)))
    };
    let is_saved = task.unsigned("restore_sigmask")? != 0;
    Ok(Signals {
        blocked: set(task, "blocked.sig")?,
        saved_mask: is_saved
            .then(|| set(task, "saved_sigmask.sig"))
            .transpose()?,
        pending: set(task, "pending.signal.sig")?,
        pending_queue: queue(task, "pending.list")?,
        shared_pending,
        shared_pending_queue,
        alternate_stack: AlternateStack {
            start: hex_at(task, "sas_ss_sp")?,
            size: task.unsigned("sas_ss_size")?,
            flags: hex_at(task, "sas_ss_flags")?,
        },
        ignored: with(|handler| handler == SIG_IGN),
        caught: with(|handler| handler > SIG_IGN),
        sigactions,
    })
}

fn wide(word: &u64) -> String {
    format!("{word:#018x}")
}

fn queue(owner: &Saved<'_>, list: &str) -> Result<Vec<QueuedSignal>, FieldError> {
    let queued = owner.list(list, "sigqueue", "list")?;
    queued.iter().map(queued_signal).collect()
}

fn queued_signal(entry: &Saved<'_>) -> Result<QueuedSignal, FieldError> {
    let field = |name: &str| format!("info.{name}");
    let code = entry.signed(&field("si_code"))?;
    let signo = entry.signed(&field("si_signo"))?;
    // include/uapi/asm-generic/siginfo.h: what a process sends has a code of 0 or below, what the
    // kernel says of a fault is of these signals and above it (kernel/signal.c: siginfo_layout).
    const FAULTS: [i64; 5] = [4, 5, 7, 8, 11];
    const SI_TIMER: i64 = -2;
    let is_fault = code > 0 && code != 0x80 && FAULTS.contains(&signo);
    Ok(QueuedSignal {
        signo,
        errno: entry.signed(&field("si_errno"))?,
        code,
        timer: match code == SI_TIMER {
            true => Some(SenderTimer {
                id: entry.signed(&field("_sifields._timer._tid"))?,
                overrun: entry.signed(&field("_sifields._timer._overrun"))?,
                value: hex_at(entry, &field("_sifields._timer._sigval.sival_ptr"))?,
            }),
            false => None,
        },
        sender: match code <= 0 && code != SI_TIMER {
            true => Some(Sender {
                pid: entry.signed(&field("_sifields._rt._pid"))?,
                uid: entry.unsigned(&field("_sifields._rt._uid"))?,
                value: hex_at(entry, &field("_sifields._rt._sigval.sival_ptr"))?,
            }),
            false => None,
        },
        address: match is_fault {
            true => Some(hex_at(entry, &field("_sifields._sigfault._addr"))?),
            false => None,
        },
    })
}

/// All actions but those that are as at the start of a process.
fn actions(sighand: &Saved<'_>) -> Result<BTreeMap<usize, SigAction>, FieldError> {
    let mut actions = BTreeMap::new();
    for (index, action) in sighand.elements("action")?.iter().enumerate() {
        let number = |name: &str| action.unsigned(name);
        let (handler, flags) = (number("sa.sa_handler")?, number("sa.sa_flags")?);
        let restorer = number("sa.sa_restorer")?;
        let mask = action.numbers("sa.sa_mask.sig")?;
        let default = handler == 0 && flags == 0 && restorer == 0;
        if !default || mask.iter().any(|word| *word != 0) {
            let action = SigAction {
                address: handler,
                handler: wide(&handler),
                flags: format!("{flags:#010x}"),
                restorer: wide(&restorer),
                mask: mask.iter().map(wide).collect(),
            };
            actions.insert(index + 1, action);
        }
    }
    Ok(actions)
}
