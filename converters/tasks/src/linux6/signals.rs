//! Signals: what waits, what is blocked, what is done about them.

use crate::model::{self, Action, Pending, SignalInfo};
use crate::raw::hex;
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
    let own = model::Signals::of(task)?;
    let shared = Pending::of(&task.required("signal")?, "shared_pending")?;
    // A thread that is no more has none (kernel/exit.c: __exit_signal).
    let sigactions = match task.follow("sighand")? {
        Some(sighand) => actions(&model::actions(&sighand)?),
        None => BTreeMap::new(),
    };
    let with = |wanted: fn(u64) -> bool| {
        let signals = sigactions
            .iter()
            .filter(|(_, action)| wanted(action.address));
        wide(signals.fold(0, |bits, (signal, _)| bits | 1 << (signal - 1)))
    };
    Ok(Signals {
        blocked: words(own.blocked),
        saved_mask: own.blocked_after_call.map(words),
        pending: words(own.pending.set),
        pending_queue: own.pending.queue.iter().map(queued_signal).collect(),
        shared_pending: words(shared.set),
        shared_pending_queue: shared.queue.iter().map(queued_signal).collect(),
        alternate_stack: AlternateStack {
            start: hex(own.stack.start),
            size: own.stack.size,
            flags: hex(own.stack.flags.into()),
        },
        ignored: with(|handler| handler == SIG_IGN),
        caught: with(|handler| handler > SIG_IGN),
        sigactions,
    })
}

fn wide(word: u64) -> String {
    format!("{word:#018x}")
}

/// A set of signals, which is one word.
fn words(set: u64) -> Vec<String> {
    vec![wide(set)]
}

fn queued_signal(info: &SignalInfo) -> QueuedSignal {
    QueuedSignal {
        signo: info.number().into(),
        errno: info.errno().into(),
        code: info.code().into(),
        timer: info.of_timer().map(|id| SenderTimer {
            id: id.into(),
            overrun: info.overrun().into(),
            value: hex(info.value()),
        }),
        sender: info.sender().map(|(pid, uid)| Sender {
            pid: pid.into(),
            uid: uid.into(),
            value: hex(info.value()),
        }),
        address: info.address().map(hex),
    }
}

/// All actions but those that are as at the start of a process.
fn actions(all: &[Action]) -> BTreeMap<usize, SigAction> {
    let set = (1..).zip(all);
    let set = set.filter(|(_, action)| **action != Action::default());
    let shown = |(number, action): (usize, &Action)| {
        let action = SigAction {
            address: action.handler,
            handler: wide(action.handler),
            flags: format!("{:#010x}", action.flags),
            restorer: wide(action.restorer),
            mask: words(action.mask),
        };
        (number, action)
    };
    set.map(shown).collect()
}
