//! `kconv reserve`

use super::queued;
use crate::arguments::Reserve;
use crate::failure::Failure;
use crate::held;
use kconv_queue::{Entry, Queue, QueueError};
use std::fs;
use std::io::{self, Write};

/// The number that was given last: the next process has the first free one above (`kernel/pid.c`: alloc_pid;
/// pid_namespaces(7)).
const LAST: &str = "/proc/sys/kernel/ns_last_pid";

/// Numbers end below it.
const END: &str = "/proc/sys/kernel/pid_max";

pub(crate) fn run(arguments: &Reserve) -> Result<(), Failure> {
    let (entries, errors) = Queue::new(&arguments.queue.folder).readable()?;
    let (last, end) = (number(LAST)?, number(END)?);
    let said = match above(&entries, last, end) {
        None => "no number has to be left free".to_owned(),
        Some(highest) => {
            fs::write(LAST, highest.to_string()).map_err(|source| failed(LAST, source))?;
            format!("numbers up to {highest} are left to the tasks that wait for their thaw")
        }
    };
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        writeln!(out, "{said}")?;
        out.flush()?;
    }
    let waiting = entries.iter().filter(|entry| entry.record.state.waits());
    held::hold(waiting)?;
    queued::readable(errors)
}

/// What the last number has to be, so that all that come are above those of the tasks that wait; `None` if they are
/// already, if nothing waits, or if no number would be left.
fn above(entries: &[Entry], last: i32, end: i32) -> Option<i32> {
    let waiting = entries.iter().filter(|entry| entry.record.state.waits());
    let tasks = waiting.flat_map(|entry| &entry.record.tasks);
    let highest = tasks.map(|task| task.pid).max()?;
    (highest > last && highest < end - 1).then_some(highest)
}

fn number(path: &str) -> Result<i32, Failure> {
    let text = fs::read_to_string(path).map_err(|source| failed(path, source))?;
    let number = text.trim().parse();
    number.map_err(|_| failed(path, io::ErrorKind::InvalidData.into()))
}

fn failed(path: &str, source: io::Error) -> Failure {
    Failure::Queue(QueueError::Io {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_queue::{Record, State, Task};

    #[test]
    fn numbers_go_on_above_those_of_all_that_wait() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(folder.path());
        let entry = |state: State, pids: &[i32]| {
            let mut entry = queue.begin(Record::new("a", "b")).unwrap();
            let task = |pid: &i32| Task {
                pid: *pid,
                comm: "sh".to_owned(),
            };
            entry.record.tasks = pids.iter().map(task).collect();
            entry.record.state = state;
            entry
        };
        let thawed = State::Thawed {
            kernel: "b".to_owned(),
            after: 1,
        };
        let refused = State::Refused {
            kernel: "b".to_owned(),
            why: Vec::new(),
        };
        let entries = [
            entry(thawed, &[9000]),
            entry(State::Converted, &[251, 460]),
            entry(refused, &[300]),
            entry(State::Frozen, &[8000]),
        ];
        assert_eq!(above(&entries, 100, 32768), Some(460));
        assert_eq!(above(&entries[2..], 100, 32768), Some(300));
        // They are above already; or nothing waits; or there would be no number left.
        assert_eq!(above(&entries, 460, 32768), None);
        assert_eq!(above(&entries[..1], 100, 32768), None);
        assert_eq!(above(&entries, 100, 461), None);
    }
}
