//! The account of an upgrade on the screen.

use crate::commands::{convert, freeze};
use crate::report::Account;
use crate::told::{self, Severity, Told, count};
use kconv_codes::Code;
use kconv_freeze::Summary;
use kconv_queue::Entry;
use kconv_runtime::report::Report;
use serde_json::json;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// What is told of an upgrade before the next kernel starts.
pub(super) struct Shown<'a> {
    pub(super) carried: &'a [Carried],
    /// The next kernel: its release and file.
    pub(super) kernel: (&'a str, &'a Path),
    /// What becomes of it.
    pub(super) starts: &'static str,
    pub(super) who_thaws: String,
    pub(super) dry_run: bool,
}

/// What was carried of a group.
pub(super) struct Carried {
    pub(super) summary: Summary,
    pub(super) pause: Duration,
    pub(super) report: Report,
    /// What a thaw does not make as it was.
    pub(super) dropped: Vec<Told>,
    /// What waits for the thaw.
    pub(super) entry: Entry,
}

impl Carried {
    /// Adds it to an account.
    pub(super) fn tell(&self, account: &mut Account) {
        let unit = self.entry.record.unit.as_ref();
        account.figures.clear();
        account.image = Some(self.entry.next());
        freeze::figures(account, &self.summary, Some(self.pause));
        account.told.extend(self.dropped.iter().cloned());
        account.converted(self.report.clone());
        account.jobs.push(json!({
            "upgrade": self.entry.name(),
            "unit": unit.map(|unit| &unit.name),
            "image": self.entry.next(),
            "figures": account.figures,
            "conversion": account.conversion,
        }));
        if account.jobs.len() > 1 {
            // Each has its own.
            account.figures.clear();
            account.conversion = None;
            account.image = None;
        }
    }

    /// What is dropped and reset: of what the tasks had, and of fields.
    fn told(&self) -> impl Iterator<Item = Told> {
        let fields = self.report.changed.iter().filter_map(Told::field);
        self.dropped.iter().cloned().chain(fields)
    }

    /// The tasks, and the service that they are.
    fn who(&self) -> String {
        let tasks = self.report.tasks.iter();
        let tasks = told::tasks(tasks.map(|task| (task.pid, task.comm.as_str())));
        match &self.entry.record.unit {
            Some(unit) => format!("{}, {tasks}", unit.name),
            None => tasks,
        }
    }
}

impl Shown<'_> {
    /// Prints what is killed, what of it is carried, which kernel starts, and who thaws; behind it what
    /// was saved and what became of every field, if it is to be `whole`.
    pub(super) fn print(&self, out: &mut impl Write, whole: bool) -> io::Result<()> {
        let Shown {
            carried,
            kernel: (release, file),
            starts,
            ..
        } = self;
        let killed = match self.dry_run {
            true => "frozen",
            false => "killed",
        };
        for one in *carried {
            writeln!(out, "{killed}    {}", one.who())?;
        }
        self.sums(out)?;
        for one in carried.iter().filter(|_| !self.dry_run) {
            let (name, next) = (one.entry.name(), one.entry.next());
            writeln!(out, "queue     upgrade {name}: {}", next.display())?;
        }
        writeln!(out, "kernel    {release} {starts} ({})", file.display())?;
        writeln!(out, "thaw      {}", self.who_thaws)?;
        for one in carried.iter().filter(|_| whole) {
            writeln!(out)?;
            freeze::print(out, &one.summary, None, true)?;
            let state = one.dropped.iter();
            for one in state.filter(|one| one.severity == Severity::Dropped) {
                writeln!(out, "{:<9} {one}", one.severity.name())?;
            }
            writeln!(out)?;
            convert::print(out, &one.report, &one.entry.next())?;
        }
        match self.dry_run {
            true => writeln!(out, "dry run   the tasks run on; the images were removed"),
            false => Ok(()),
        }
    }

    /// What there is of all groups together.
    fn sums(&self, out: &mut impl Write) -> io::Result<()> {
        let carried = self.carried;
        let objects = carried.iter().flat_map(|one| one.summary.objects.values());
        let objects: usize = objects.sum();
        let pages: u64 = carried.iter().map(|one| one.summary.pages).sum();
        let programs: usize = carried.iter().map(|one| one.summary.programs).sum();
        let programs = match programs {
            0 => String::new(),
            files => format!(", {files} files of programs"),
        };
        let pause = carried.iter().map(|one| one.pause).max();
        writeln!(
            out,
            "saved     {objects} objects, {pages} pages{programs}; the tasks stood still for {:.1} ms",
            pause.unwrap_or_default().as_secs_f64() * 1000.0
        )?;
        let fields = carried.iter().flat_map(|one| one.report.fields.values());
        let fields: u64 = fields.sum();
        if let Some(Report { from, to, .. }) = carried.first().map(|one| &one.report) {
            writeln!(out, "converted {from} -> {to}: {fields} fields")?;
        }
        let told: Vec<Told> = carried.iter().flat_map(Carried::told).collect();
        let dropped = told.iter().filter(|one| one.severity == Severity::Dropped);
        let (fields, state): (Vec<&Told>, Vec<&Told>) =
            dropped.partition(|one| one.code == Code::FieldDrop);
        writeln!(
            out,
            "dropped   {} of what the tasks had, and {} of the fields; {} are reset (-v or --report FILE \
             says what)",
            state.len(),
            fields.len(),
            count(&told, Severity::Reset),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_queue::{IfRefused, Queue, Record, Unit};
    use kconv_rules::{RuleKind, Source};
    use kconv_runtime::report::{FieldAccount, TaskAccount};

    /// What was carried of a group.
    fn carried(queue: &Queue) -> Carried {
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
        let dropped = vec![Told {
            severity: Severity::Dropped,
            code: Code::TaskStartTime,
            tasks: Vec::new(),
            object: None,
            field: None,
            text: "start times: the moment of the thaw".to_owned(),
            advice: None,
        }];
        let entry = queue.begin(Record::new("6.1.0-51-amd64", "6.12.117+deb12-amd64"));
        Carried {
            summary,
            pause: Duration::from_micros(12_340),
            report,
            dropped,
            entry: entry.unwrap(),
        }
    }

    fn printed(dry_run: bool, whole: bool) -> String {
        shown(dry_run, whole, |queue| vec![carried(queue)])
    }

    fn shown(dry_run: bool, whole: bool, of: impl Fn(&Queue) -> Vec<Carried>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let shown = Shown {
            carried: &of(&Queue::new(folder.path())),
            kernel: ("6.12.117+deb12-amd64", Path::new("/boot/vmlinuz")),
            starts: match dry_run {
                true => "would start",
                false => "starts now",
            },
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

    /// A service, and processes that are of none.
    fn two(queue: &Queue) -> Vec<Carried> {
        let mut service = carried(queue);
        service.pause *= 2;
        service.entry.record.unit = Some(Unit {
            name: "redis.service".to_owned(),
            main: 4711,
            pid_file: None,
            files: Vec::new(),
            boot: String::new(),
            if_refused: IfRefused::Wait,
            wish: None,
        });
        vec![service, carried(queue)]
    }

    #[test]
    fn of_several_groups_each_is_told_and_the_rest_of_all() {
        insta::assert_snapshot!("an_upgrade_of_two", shown(false, false, two));
    }

    #[test]
    fn a_report_has_each_of_several_groups() {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(folder.path());
        let mut account = Account::begin("upgrade", None, &[]).unwrap();
        let [service, other] = two(&queue).try_into().ok().unwrap();
        service.tell(&mut account);
        let one = account.json(None);
        assert_eq!(one["figures"], one["jobs"][0]["figures"]);
        assert_eq!(one["conversion"], one["jobs"][0]["conversion"]);
        other.tell(&mut account);
        let both = account.json(None);
        assert_eq!(both["image"], serde_json::Value::Null);
        assert_eq!(both["conversion"], serde_json::Value::Null);
        assert_eq!(both["figures"], json!({}));
        let jobs = &both["jobs"];
        assert_eq!(jobs[0], one["jobs"][0]);
        assert_eq!(
            (&jobs[0]["unit"], &jobs[0]["upgrade"]),
            (&json!("redis.service"), &json!("1"))
        );
        assert_eq!(
            (&jobs[1]["unit"], &jobs[1]["upgrade"]),
            (&json!(null), &json!("2"))
        );
        assert_eq!(jobs[1]["figures"]["tasks"], 6);
        assert_eq!(jobs[0]["figures"]["pause-seconds"], 0.02468);
    }
}
