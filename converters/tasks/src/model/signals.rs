//! Signals: what waits, what is blocked, what is done about them.

use kconv_objects::{FieldError, Saved, Structure};

/// How many bytes of a `siginfo_t` the kernel keeps; the others are zero (`include/linux/signal_types.h`:
/// kernel_siginfo).
const KEPT: usize = 48;

/// Signals of a thread. A set of signals has bit 0 for signal 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// Blocked.
    pub blocked: u64,
    /// Blocked in place of these as soon as the call is over that the thread is in (`kernel/signal.c`:
    /// set_user_sigmask, restore_saved_sigmask); `None` unless that call has a set of its own.
    pub blocked_after_call: Option<u64>,
    /// Those that wait for the thread alone.
    pub pending: Pending,
    /// Where handlers run that ask for it.
    pub stack: AlternateStack,
}

/// Signals that wait (`struct sigpending`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// All of them.
    pub set: u64,
    /// What came with those for which there was room, the oldest first. The kernel takes a signal back by
    /// its bit in the set alone.
    pub queue: Vec<SignalInfo>,
}

/// A stack of sigaltstack(2).
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct AlternateStack {
    /// Where it begins.
    pub start: u64,
    /// Its size in bytes; 0 if there is none.
    pub size: u64,
    /// SS_ flags.
    pub flags: u32,
}

/// An action of a signal, as `rt_sigaction` takes it.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Handler, 0 for the default, 1 to ignore.
    pub handler: u64,
    /// SA_ flags.
    pub flags: u64,
    /// Where the handler returns to.
    pub restorer: u64,
    /// Blocked meanwhile.
    pub mask: u64,
}

/// What came with a signal: the first 48 bytes of `siginfo_t`, which programs see as they are
/// (`include/uapi/asm-generic/siginfo.h`).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct SignalInfo(pub [u8; KEPT]);

impl Signals {
    /// Those of a thread.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of(task: &Saved<'_>) -> Result<Signals, FieldError> {
        Signals::in_task(task, Pending::of(task, "pending")?)
    }

    /// Those of the thread of a `task_struct`, for which these wait.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn in_task<B: AsRef<[u8]>>(
        task: &Structure<'_, B>,
        pending: Pending,
    ) -> Result<Signals, FieldError> {
        Ok(Signals {
            blocked: task.unsigned("blocked.sig[0]")?,
            blocked_after_call: match task.unsigned("restore_sigmask")? {
                0 => None,
                _ => Some(task.unsigned("saved_sigmask.sig[0]")?),
            },
            pending,
            stack: AlternateStack {
                start: task.unsigned("sas_ss_sp")?,
                size: task.unsigned("sas_ss_size")?,
                flags: task.unsigned("sas_ss_flags")? as u32,
            },
        })
    }
}

impl Pending {
    /// Those in the `sigpending` at `path` of a task or its `signal_struct`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn of(owner: &Saved<'_>, path: &str) -> Result<Pending, FieldError> {
        let queue = owner.list(&format!("{path}.list"), "sigqueue", "list")?;
        let queue = queue.iter().map(|entry| SignalInfo::of(entry));
        Pending::in_owner(owner, path, queue.collect::<Result<_, _>>()?)
    }

    /// Those in the `sigpending` at `path`, with what is in its queue.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn in_owner<B: AsRef<[u8]>>(
        owner: &Structure<'_, B>,
        path: &str,
        queue: Vec<SignalInfo>,
    ) -> Result<Pending, FieldError> {
        let set = owner.unsigned(&format!("{path}.signal.sig[0]"))?;
        Ok(Pending { set, queue })
    }

    /// The signal that a thread which blocks `blocked` takes next, and what came with it
    /// (`kernel/signal.c`: next_signal, collect_signal). Of one that was not queued the number alone is
    /// known.
    pub fn next(&self, blocked: u64) -> Option<SignalInfo> {
        let ready = self.set & !blocked;
        let first = match ready & SYNCHRONOUS {
            0 => ready,
            synchronous => synchronous,
        };
        if first == 0 {
            return None;
        }
        let number = first.trailing_zeros() as i32 + 1;
        let mut queue = self.queue.iter();
        let queued = queue.find(|info| info.number() == number).copied();
        Some(queued.unwrap_or_else(|| SignalInfo::bare(number)))
    }
}

/// The actions of all signals, that of signal 1 first.
///
/// # Errors
/// If they cannot be read.
pub fn actions(sighand: &Saved<'_>) -> Result<Vec<Action>, FieldError> {
    let actions = sighand.elements("action")?;
    let action = |action: &Structure<'_, &[u8]>| {
        Ok(Action {
            handler: action.unsigned("sa.sa_handler")?,
            flags: action.unsigned("sa.sa_flags")?,
            restorer: action.unsigned("sa.sa_restorer")?,
            mask: action.unsigned("sa.sa_mask.sig[0]")?,
        })
    };
    actions.iter().map(action).collect()
}

/// Signals that are taken before all others: ILL, TRAP, BUS, FPE, SEGV, SYS (`kernel/signal.c`:
/// SYNCHRONOUS_MASK).
const SYNCHRONOUS: u64 = 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30;
/// `si_code` of a signal of a timer of timer_create.
const SI_TIMER: i32 = -2;
/// `si_code` of what the kernel sends without saying more.
const SI_KERNEL: i32 = 0x80;
/// Signals whose `siginfo_t` has the address of a fault: ILL, TRAP, BUS, FPE, SEGV (`kernel/signal.c`:
/// siginfo_layout).
const FAULTS: [i32; 5] = [4, 5, 7, 8, 11];

impl SignalInfo {
    /// What a `sigqueue` has.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of<B: AsRef<[u8]>>(entry: &Structure<'_, B>) -> Result<SignalInfo, FieldError> {
        let saved = entry.bytes("info")?;
        let kept = saved.first_chunk::<KEPT>();
        let size = saved.len() as u64;
        let short = || entry.absurd("info", size, "a kernel_siginfo has 48 bytes");
        Ok(SignalInfo(*kept.ok_or_else(short)?))
    }

    /// That of a signal of which the number alone is known.
    pub fn bare(number: i32) -> SignalInfo {
        let mut info = [0; KEPT];
        info[..4].copy_from_slice(&number.to_le_bytes());
        SignalInfo(info)
    }

    /// The signal's number.
    pub fn number(&self) -> i32 {
        self.word(0)
    }

    /// `si_errno`.
    pub fn errno(&self) -> i32 {
        self.word(4)
    }

    /// `si_code`.
    pub fn code(&self) -> i32 {
        self.word(8)
    }

    /// The number of the timer of timer_create that it comes from.
    pub fn of_timer(&self) -> Option<i32> {
        (self.code() == SI_TIMER).then(|| self.word(16))
    }

    /// How often that timer had expired again meanwhile (`si_overrun`).
    pub fn overrun(&self) -> i32 {
        self.word(20)
    }

    /// Process and user that sent it.
    pub fn sender(&self) -> Option<(i32, u32)> {
        let sent = self.code() <= 0 && self.code() != SI_TIMER;
        sent.then(|| (self.word(16), self.word(20) as u32))
    }

    /// The value of a signal that a process or a timer sent (`si_value`).
    pub fn value(&self) -> u64 {
        self.long(24)
    }

    /// The address of a fault (`si_addr`).
    pub fn address(&self) -> Option<u64> {
        let by_kernel = self.code() > 0 && self.code() != SI_KERNEL;
        (by_kernel && FAULTS.contains(&self.number())).then(|| self.long(16))
    }

    /// Whether no thread can block it: it is taken as soon as one of the process runs in user mode
    /// (`kernel/signal.c`: set_current_blocked, SIG_KERNEL_ONLY_MASK).
    pub fn is_unblockable(&self) -> bool {
        const SIGKILL: i32 = 9;
        const SIGSTOP: i32 = 19;
        matches!(self.number(), SIGKILL | SIGSTOP)
    }

    fn word(&self, at: usize) -> i32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[at..at + 4]);
        i32::from_le_bytes(bytes)
    }

    fn long(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_block_is_told_from_what_waits() {
        for number in 1..=64 {
            let expected = number == 9 || number == 19;
            let found = SignalInfo::bare(number).is_unblockable();
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn a_fault_is_taken_first_and_what_is_blocked_not() {
        let mut queued = SignalInfo::bare(11);
        queued.0[16] = 7;
        let pending = Pending {
            set: 1 << 1 | 1 << 10 | 1 << 33,
            queue: vec![SignalInfo::bare(34), queued, SignalInfo::bare(11)],
        };
        assert_eq!(pending.next(0), Some(queued));
        assert_eq!(pending.next(1 << 10), Some(SignalInfo::bare(2)));
        assert_eq!(pending.next(1 << 10 | 1 << 1), Some(SignalInfo::bare(34)));
        assert_eq!(pending.next(u64::MAX), None);
    }

    #[test]
    fn what_came_with_a_signal_is_as_its_code_says() {
        let info = |number: i32, code: i32| {
            let mut info = SignalInfo::bare(number);
            info.0[8..12].copy_from_slice(&code.to_le_bytes());
            info.0[16..20].copy_from_slice(&3i32.to_le_bytes());
            info.0[20..24].copy_from_slice(&5i32.to_le_bytes());
            info
        };
        let (sent, timer, fault) = (info(34, -1), info(34, -2), info(11, 1));
        assert_eq!((sent.sender(), timer.sender()), (Some((3, 5)), None));
        assert_eq!((sent.of_timer(), timer.of_timer()), (None, Some(3)));
        assert_eq!((timer.overrun(), fault.sender()), (5, None));
        assert_eq!(fault.address(), Some(5 << 32 | 3));
        // By the kernel, of no address; and one that a process claims.
        assert_eq!(info(11, 0x80).address(), None);
        assert_eq!(info(11, 0).address(), None);
    }
}
