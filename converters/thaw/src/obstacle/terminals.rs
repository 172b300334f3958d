//! Terminals. The tasks inherit that of kconv, and nobody else's is theirs: not even one of the
//! same number.

use super::found::Obstacles;
use crate::plan::{Plan, Process};
use kconv_codes::Code;
use kconv_image::Escaped;
use kconv_machine::{Line, TaskStat};
use kconv_resources::Device;
use kconv_resources::linux6::{File, Resource, Terminal};
use nix::sys::termios::tcgetsid;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;

const ADVICE: &str =
    "run `kconv thaw` in the shell that the program was started from, as long as that is there";

/// The session of a process and its controlling terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    number: i32,
    terminal: Option<Device>,
}

impl Session {
    fn of(stat: TaskStat) -> Session {
        // include/linux/kdev_t.h: new_encode_dev.
        let device = stat.terminal;
        let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xf_ff00);
        Session {
            number: stat.session,
            terminal: (device != 0).then_some(Device { major, minor }),
        }
    }

    fn text(&self) -> String {
        match &self.terminal {
            Some(terminal) => format!("session {} with terminal {terminal}", self.number),
            None => format!("session {} without a terminal", self.number),
        }
    }
}

pub(super) fn check(plan: &Plan, found: &mut Obstacles<'_>) {
    let own = TaskStat::of("self").map(Session::of);
    for process in &plan.processes {
        let terminal = process.controlling_terminal;
        let terminal = terminal.and_then(|id| match plan.resources.get(id)? {
            Resource::Terminal(terminal) => Some(terminal),
            _ => None,
        });
        let ids = (process.pid, process.session);
        // What it has open of a terminal that is not there is lost with that.
        if terminal.is_some_and(|terminal| !controlling(ids, terminal, own.as_ref(), found)) {
            continue;
        }
        for descriptor in &process.descriptors {
            let resource = plan.files[descriptor.file].resource;
            if let Some(file) = plan.resources.file(resource) {
                opened(process, descriptor.number, file, terminal, found);
            }
        }
    }
}

/// That kconv is in the session, at the terminal of a process. Returns whether it is. No thaw makes
/// one that of who leads a session, which is for `image` to say.
fn controlling(
    (pid, session): (i32, i32),
    terminal: &Terminal,
    own: Option<&Session>,
    found: &mut Obstacles<'_>,
) -> bool {
    let wanted = Session {
        number: session,
        terminal: Some(terminal.device),
    };
    // kconv makes no terminal that of a session.
    let is_there = own == Some(&wanted) && session != pid;
    if !is_there {
        let name = Escaped(&terminal.name);
        found.add(
            Code::TerminalSession,
            Some(pid),
            format!("controlling terminal {name}"),
            own.map_or_else(
                || "none".to_owned(),
                |own| format!("kconv in {}", own.text()),
            ),
            format!("kconv in {}", wanted.text()),
            ADVICE,
        );
    }
    is_there
}

/// That a terminal which a process has open is its controlling terminal.
fn opened(
    process: &Process,
    number: i32,
    file: &File,
    terminal: Option<&Terminal>,
    found: &mut Obstacles<'_>,
) {
    let Some(device) = file.device_number() else {
        return;
    };
    let own = terminal.map(|terminal| terminal.device);
    let path = &file.path;
    let is_own = match Line::at(device.major, device.minor) {
        Line::No | Line::Master | Line::OfMachine => return,
        Line::Controlling => terminal.is_some(),
        // One of another devpts may have the number.
        Line::Pseudo => own == Some(device) && is_terminal_of(path, process.session),
    };
    if !is_own {
        found.add(
            Code::TerminalForeign,
            Some(process.pid),
            format!("descriptor {number}, terminal {}", Escaped(path)),
            "one that is not the controlling terminal of the process",
            "its controlling terminal",
            "freeze the program without it: start it with its input and output in files",
        );
    }
}

/// Whether the terminal at `path` is the controlling terminal of this process, in that session.
fn is_terminal_of(path: &str, session: i32) -> bool {
    const UNOBTRUSIVE: i32 = libc::O_NOCTTY | libc::O_NONBLOCK;
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(UNOBTRUSIVE)
        .open(path);
    // Of no other terminal does the kernel tell the session (drivers/tty/tty_jobctrl.c: tiocgsid).
    let leader = opened.ok().and_then(|terminal| tcgetsid(terminal).ok());
    leader.is_some_and(|leader| leader.as_raw() == session)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::found::ObstacleOf;
    use super::*;
    use crate::testing;

    #[test]
    fn a_session_has_the_terminal_whose_number_is_put_together_so() {
        let of = |terminal| {
            let mut stat = TaskStat::of("self").unwrap();
            (stat.session, stat.terminal) = (790, terminal);
            Session::of(stat)
        };
        assert_eq!(of(34816).text(), "session 790 with terminal 136:0");
        // The 300th has bits on both sides of those of the major number.
        let number = 300 & 0xff | 136 << 8 | (300 & !0xff) << 12;
        assert_eq!(of(number).terminal.unwrap().to_string(), "136:300");
        assert_eq!(of(0).text(), "session 790 without a terminal");
    }

    #[test]
    fn a_file_is_no_controlling_terminal() {
        assert!(!is_terminal_of("/dev/null", 1));
        assert!(!is_terminal_of("/no/such/terminal", 1));
    }

    #[test]
    fn a_terminal_of_the_same_number_is_not_enough() {
        let Resource::Terminal(terminal) = testing::terminal("pts0", 0) else {
            unreachable!();
        };
        let own = |number: i32, minor: Option<u32>| Session {
            number,
            terminal: minor.map(|minor| Device { major: 136, minor }),
        };
        let obstacles = |own: &Session| {
            let plan = Plan::default();
            let mut found = Obstacles::of(&plan, ObstacleOf::Machine);
            controlling((20, 10), &terminal, Some(own), &mut found);
            found.into_list().len()
        };
        assert_eq!(obstacles(&own(10, Some(0))), 0);
        assert_eq!(obstacles(&own(11, Some(0))), 1);
        assert_eq!(obstacles(&own(10, Some(1))), 1);
        assert_eq!(obstacles(&own(10, None)), 1);
    }
}
