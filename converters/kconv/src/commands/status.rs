//! `kconv status`

use super::queued;
use crate::arguments::Status;
use crate::failure::Failure;
use crate::told;
use kconv_image::Escaped;
use kconv_queue::{Entry, Queue, State};
use serde_json::json;
use std::io::{self, Write};

pub(crate) fn run(arguments: &Status) -> Result<(), Failure> {
    let queue = Queue::new(&arguments.queue.folder);
    let (entries, errors) = queue.readable()?;
    let out = &mut anstream::stdout().lock();
    if arguments.json {
        let all = entries.iter().map(|entry| {
            json!({ "upgrade": entry.name(), "frozen": entry.frozen(), "next": entry.next(), "record": entry.record })
        });
        let all = all.collect::<Vec<_>>();
        serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
        writeln!(out)?;
    } else if entries.is_empty() && errors.is_empty() {
        let folder = queue.folder().display();
        writeln!(out, "{folder}: no upgrade was begun here")?;
    } else {
        for entry in &entries {
            print(out, entry)?;
        }
    }
    out.flush()?;
    queued::readable(errors)
}

/// An upgrade in a line, and what to do about it.
fn print(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    let (name, record) = (entry.name(), &entry.record);
    let state = match &record.state {
        State::Frozen => "frozen",
        State::Converted => "converted",
        State::Refused { .. } => "refused",
        State::Replaced { .. } => "replaced",
        State::Thawed { .. } => "thawed",
    };
    write!(out, "{name}  {state:<9} {} -> {}", record.from, record.to)?;
    let unit = record.unit.as_ref().map(|unit| unit.name.clone());
    let tasks = record.tasks.iter();
    let tasks = tasks.map(|task| (task.pid, task.comm.as_str()));
    let tasks = (!record.tasks.is_empty()).then(|| told::tasks(tasks));
    let who: Vec<String> = unit.into_iter().chain(tasks).collect();
    if !who.is_empty() {
        write!(out, ": {}", who.join(", "))?;
    }
    writeln!(out)?;
    match &record.state {
        State::Frozen => writeln!(
            out,
            "   it is under way, or was broken off before anybody was killed; then `kconv forget {name}` removes it"
        ),
        State::Converted => writeln!(out, "   `kconv retry {name}` thaws it"),
        State::Refused { kernel, why } => {
            for line in why {
                writeln!(out, "   {}", Escaped(line))?;
            }
            writeln!(
                out,
                "   refused on {kernel}; `kconv retry {name}` tries it again, and `kconv forget {name}` gives it up"
            )
        }
        State::Replaced { kernel, why } => {
            for line in why {
                writeln!(out, "   {}", Escaped(line))?;
            }
            writeln!(
                out,
                "   refused on {kernel}, and started afresh; the images are kept until `kconv forget {name}`"
            )
        }
        State::Thawed { kernel, after } => {
            let after = *after as f64 / 1000.0;
            writeln!(out, "   went on on {kernel} after {after:.1} s")?;
            match entry.is_settled() {
                true => Ok(()),
                false => writeln!(
                    out,
                    "   its images are still there, and its unit may have the settings of its thaw; `kconv retry {name}` ends that"
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_queue::{IfRefused, Record, Task, Unit};
    use std::path::Path;

    #[test]
    fn each_upgrade_is_told_with_what_to_do_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(&folder.path().join("queue"));
        assert_eq!(queue.folder().parent(), Some(Path::new(folder.path())));
        let kernel = || "6.12.117+deb12-amd64".to_owned();
        let why = vec![
            "obstacle: a\nb".to_owned(),
            "one thing is in the way".to_owned(),
        ];
        let unit = || Unit {
            name: "redis.service".to_owned(),
            main: 4711,
            pid_file: None,
            files: Vec::new(),
            boot: String::new(),
            if_refused: IfRefused::Fresh,
            wish: None,
        };
        let mut out = Vec::new();
        for (state, tasks) in [
            (State::Frozen, 0),
            (State::Converted, 7),
            (
                State::Refused {
                    kernel: kernel(),
                    why: why.clone(),
                },
                1,
            ),
            (
                State::Replaced {
                    kernel: kernel(),
                    why,
                },
                1,
            ),
            (
                State::Thawed {
                    kernel: kernel(),
                    after: 41_234,
                },
                2,
            ),
        ] {
            let mut entry = queue
                .begin(Record::new("6.1.0-47-amd64", &kernel()))
                .unwrap();
            let task = |pid| Task {
                pid,
                comm: "co\nunter".to_owned(),
            };
            entry.record.tasks = (4711..4711 + tasks).map(task).collect();
            entry.record.unit = Some(unit()).filter(|_| tasks == 1);
            entry.record.state = state;
            print(&mut out, &entry).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }
}
