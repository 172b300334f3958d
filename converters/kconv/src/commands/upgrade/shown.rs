//! The account of an upgrade on the screen.

use crate::commands::{convert, freeze};
use crate::told::{self, Severity, Told, count};
use kconv_codes::Code;
use kconv_freeze::Summary;
use kconv_queue::Entry;
use kconv_runtime::report::Report;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// What is told of an upgrade before the next kernel starts.
pub(super) struct Shown<'a> {
    pub(super) summary: &'a Summary,
    pub(super) pause: Duration,
    pub(super) report: &'a Report,
    pub(super) told: &'a [Told],
    pub(super) entry: &'a Entry,
    /// The next kernel: its release and file.
    pub(super) kernel: (&'a str, &'a Path),
    pub(super) who_thaws: String,
    pub(super) dry_run: bool,
}

impl Shown<'_> {
    /// Prints what is killed, what of it is carried, which kernel starts, and who thaws; behind it what
    /// was saved and what became of every field, if it is to be `whole`.
    pub(super) fn print(&self, out: &mut impl Write, whole: bool) -> io::Result<()> {
        let Shown {
            summary,
            report,
            kernel: (release, file),
            ..
        } = self;
        let (killed, starts) = match self.dry_run {
            true => ("frozen", "would start"),
            false => ("killed", "starts now"),
        };
        let tasks = report.tasks.iter();
        let tasks = told::tasks(tasks.map(|task| (task.pid, task.comm.as_str())));
        writeln!(out, "{killed}    {tasks}")?;
        let objects: usize = summary.objects.values().sum();
        let programs = match summary.programs {
            0 => String::new(),
            files => format!(", {files} files of programs"),
        };
        writeln!(
            out,
            "saved     {objects} objects, {} pages{programs}; the tasks stood still for {:.1} ms",
            summary.pages,
            self.pause.as_secs_f64() * 1000.0
        )?;
        let fields: u64 = report.fields.values().sum();
        writeln!(
            out,
            "converted {} -> {}: {fields} fields",
            report.from, report.to
        )?;
        let (fields, state): (Vec<&Told>, Vec<&Told>) = (self.told.iter())
            .filter(|one| one.severity == Severity::Dropped)
            .partition(|one| one.code == Code::FieldDrop);
        writeln!(
            out,
            "dropped   {} of what the tasks had, and {} of the fields; {} are reset (-v or --report FILE \
             says what)",
            state.len(),
            fields.len(),
            count(self.told, Severity::Reset),
        )?;
        if !self.dry_run {
            let next = self.entry.next();
            let name = self.entry.name();
            writeln!(out, "queue     upgrade {name}: {}", next.display())?;
        }
        writeln!(out, "kernel    {release} {starts} ({})", file.display())?;
        writeln!(out, "thaw      {}", self.who_thaws)?;
        if whole {
            writeln!(out)?;
            freeze::print(out, summary, None, true)?;
            for one in state {
                writeln!(out, "{:<9} {one}", one.severity.name())?;
            }
            writeln!(out)?;
            convert::print(out, report, &self.entry.next())?;
        }
        match self.dry_run {
            true => writeln!(out, "dry run   the tasks run on; the images were removed"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_queue::{Queue, Record};
    use kconv_rules::{RuleKind, Source};
    use kconv_runtime::report::{FieldAccount, TaskAccount};

    fn printed(dry_run: bool, whole: bool) -> String {
        let task = |pid| TaskAccount {
            pid,
            comm: "co\nunter".to_owned(),
        };
        let field = |field: &str, rule| FieldAccount {
            converter: "convert-6.1.192-6.12.117",
            field: field.to_owned(),
            rule,
            source: Source::StateMap,
            reason: "rebuilt by whoever keeps it",
            objects: 6,
            kept: 1,
        };
        let report = Report {
            from: "6.1.0-51-amd64".to_owned(),
            to: "6.12.117+deb12-amd64".to_owned(),
            chain: vec!["convert-6.1.192-6.12.117".to_owned()],
            tasks: (4711..4717).map(task).collect(),
            objects: Vec::new(),
            fields: [("carry", 5000), ("reset", 700)].into(),
            changed: vec![
                field("task_struct.run_list", RuleKind::Reset),
                field("mm_struct.pgd", RuleKind::Reset),
                field("mm_struct.mmap", RuleKind::Drop),
                FieldAccount {
                    kept: 0,
                    ..field("task_struct.pi_lock", RuleKind::Reset)
                },
                field("task_struct.user_dumpable", RuleKind::Init),
            ],
            kept: 3,
            restored: 0,
            symbols: 4,
            resources: 5,
            moved: 1,
            pages: 69,
        };
        let summary = Summary {
            digest: None,
            release: "6.1.0-51-amd64".to_owned(),
            tasks: 6,
            objects: [("task_struct".to_owned(), 6), ("file".to_owned(), 3)].into(),
            object_bytes: 50_000,
            pages: 69,
            symbols: 4,
            resources: [("file".to_owned(), 3)].into(),
            programs: 2,
            program_bytes: 70_000,
            terminals: Vec::new(),
        };
        let mut told: Vec<Told> = report.changed.iter().filter_map(Told::field).collect();
        told.push(Told {
            severity: Severity::Dropped,
            code: Code::TaskStartTime,
            tasks: Vec::new(),
            object: None,
            field: None,
            text: "start times: the moment of the thaw".to_owned(),
            advice: None,
        });
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(folder.path());
        let entry = queue.begin(Record::new("6.1.0-51-amd64", "6.12.117+deb12-amd64"));
        let shown = Shown {
            summary: &summary,
            pause: Duration::from_micros(12_340),
            report: &report,
            told: &told,
            entry: &entry.unwrap(),
            kernel: ("6.12.117+deb12-amd64", Path::new("/boot/vmlinuz")),
            who_thaws: "kconv-thaw.service, which is enabled, thaws them there".to_owned(),
            dry_run,
        };
        let mut out = Vec::new();
        shown.print(&mut out, whole).unwrap();
        let text = String::from_utf8(out).unwrap();
        let text = anstream::adapter::strip_str(&text).to_string();
        text.replace(folder.path().to_str().unwrap(), "/var/lib/kconv/queue")
    }

    #[test]
    fn the_account_of_an_upgrade_is_short_unless_it_is_asked_for_whole() {
        for short in [printed(false, false), printed(true, false)] {
            assert!((5..=8).contains(&short.lines().count()), "{short}");
        }
        insta::assert_snapshot!("an_upgrade", printed(false, false));
        insta::assert_snapshot!("a_dry_run_of_an_upgrade", printed(true, false));
        insta::assert_snapshot!("an_upgrade_whole", printed(false, true));
    }
}
