//! What a process is to others, as far as it cannot be made.

use super::Dropped;
use crate::plan::Process;
use kconv_codes::Code;

/// What is known to be dropped before anything is made.
pub(super) fn of(process: &Process) -> impl Iterator<Item = Dropped> {
    let dropped = |code, what: String, instead: String| Dropped {
        code,
        task: Some(process.pid),
        what,
        instead,
    };
    // Who has ended has told its parent already.
    let is_alive = process.ended.is_none();
    let signal = process.tells_sigchld.filter(|_| is_alive).map(|made_with| {
        let what = "SIGCHLD to its parent at its end, for that called execve since it was made";
        let instead = match made_with {
            0 => "nothing, as it was made".to_owned(),
            signal => format!("signal {signal}, as it was made"),
        };
        dropped(Code::TaskExitSignal, what.to_owned(), instead)
    });
    let thread = process.parent_thread.map(|thread| {
        let mut what = format!("thread {thread} as who made it");
        if process
            .threads
            .iter()
            .any(|thread| thread.parent_death != 0)
        {
            what += ", at whose end it is sent a signal";
        }
        let instead = "the first thread of that process".to_owned();
        dropped(Code::TaskParentThread, what, instead)
    });
    let records = process.is_recorded.then(|| {
        let what = "that the auditor records what is typed (audit_tty)".to_owned();
        dropped(Code::TaskAuditTty, what, "not recorded".to_owned())
    });
    [signal, thread, records].into_iter().flatten()
}

/// That a process is not in the session or group it was in; `session` and `group` are those it is in.
pub(crate) fn of_group(process: &Process, session: i32, group: i32) -> Option<Dropped> {
    let (what, instead) = if process.session != session {
        ("session", format!("{session}, that of kconv"))
    } else if process.group != group {
        ("process group", group.to_string())
    } else {
        return None;
    };
    let was = match what {
        "session" => process.session,
        _ => process.group,
    };
    Some(Dropped {
        code: Code::SessionOther,
        task: Some(process.pid),
        what: format!("{what} {was}, which somebody has who is not in the image"),
        instead,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(process: &Process) -> Vec<String> {
        of(process).map(|dropped| dropped.to_string()).collect()
    }

    #[test]
    fn who_is_told_of_an_end_and_by_whom_one_was_made() {
        let bare = || Process::bare(7, Some(0));
        assert_eq!(told(&bare()), [""; 0]);
        let said =
            "task 7: SIGCHLD to its parent at its end, for that called execve since it was made: ";
        for (made_with, instead) in [
            (0, "nothing, as it was made"),
            (10, "signal 10, as it was made"),
        ] {
            let process = Process {
                tells_sigchld: Some(made_with),
                ..bare()
            };
            assert_eq!(told(&process), [format!("{said}{instead}")]);
        }
        let process = Process {
            parent_thread: Some(8),
            is_recorded: true,
            ..bare()
        };
        let said = [
            "task 7: thread 8 as who made it: the first thread of that process",
            "task 7: that the auditor records what is typed (audit_tty): not recorded",
        ];
        assert_eq!(told(&process), said);
    }

    #[test]
    fn another_session_or_group_is_told() {
        let process = Process {
            session: 5,
            group: 6,
            ..Process::bare(7, None)
        };
        assert_eq!(of_group(&process, 5, 6), None);
        let of = |session, group| of_group(&process, session, group).map(|one| one.text());
        let said = "session 5, which somebody has who is not in the image: 9, that of kconv";
        assert_eq!(of(9, 6).as_deref(), Some(said));
        let said = "process group 6, which somebody has who is not in the image: 9";
        assert_eq!(of(5, 9).as_deref(), Some(said));
    }
}
