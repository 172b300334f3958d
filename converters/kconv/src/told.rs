//! What is not carried, as it is told: on the screen and in a report in the same words.

use crate::style;
use anstyle::Style;
use kconv_codes::Code;
use kconv_image::{Escaped, TaskName, TaskNames};
use kconv_rules::RuleKind;
use kconv_runtime::report::FieldAccount;
use kconv_thaw::{Dropped, LeftOut, Obstacle};
use serde_json::{Value, json};
use std::fmt;
use std::io::Write;

/// What becomes of something that is not carried.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// It stops a freeze or a conversion.
    Refused,
    /// It stops a thaw.
    Obstacle,
    /// It would stop a thaw on this machine as it is now.
    Warning,
    /// It is not as it was afterwards, or not there.
    Dropped,
    /// It is at its initial value afterwards.
    Reset,
    /// It is a process that was not chosen.
    LeftOut,
}

impl Severity {
    /// The word for it, on the screen and in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Severity::Refused => "refused",
            Severity::Obstacle => "obstacle",
            Severity::Warning => "warning",
            Severity::Dropped => "dropped",
            Severity::Reset => "reset",
            Severity::LeftOut => "left-out",
        }
    }

    fn style(self) -> Style {
        match self {
            Severity::Refused | Severity::Obstacle => style::ERROR,
            Severity::Warning => style::WARNING,
            Severity::Dropped | Severity::Reset | Severity::LeftOut => style::FAINT,
        }
    }
}

/// One thing that is not carried.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) severity: Severity,
    pub(crate) code: Code,
    /// The tasks; none if it is all of them.
    pub(crate) tasks: Vec<TaskName>,
    /// The kernel object, or what of the tasks it is.
    pub(crate) object: Option<String>,
    /// The field of the object.
    pub(crate) field: Option<String>,
    /// All of it but the tasks.
    pub(crate) text: String,
    /// What the user can do about it.
    pub(crate) advice: Option<String>,
}

impl Told {
    /// What a freeze refuses.
    pub(crate) fn frozen(finding: &kconv_freeze::Finding) -> Told {
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let place = &finding.place;
        let (object, field) = match &finding.flaw {
            kconv_freeze::Flaw::NotThawed(judgement) => {
                (filled(&judgement.object), judgement.field.clone())
            }
            _ => (filled(&place.object()), filled(&place.field)),
        };
        Told {
            severity: Severity::Refused,
            code: finding.flaw.code(),
            tasks: finding.tasks().to_vec(),
            object,
            field,
            text: finding.text(),
            advice: Some(finding.advice().to_owned()),
        }
    }

    /// What a conversion refuses.
    pub(crate) fn converted(finding: &kconv_runtime::finding::Finding) -> Told {
        Told {
            severity: Severity::Refused,
            code: finding.problem.code(),
            tasks: finding.task.iter().cloned().collect(),
            object: Some(finding.object.clone()),
            field: Some(finding.field.clone()),
            text: finding.text(),
            advice: Some(finding.advice().to_owned()),
        }
    }

    /// What is in the way of a thaw.
    pub(crate) fn obstacle(obstacle: &Obstacle) -> Told {
        Told {
            severity: Severity::Obstacle,
            code: obstacle.code,
            tasks: obstacle.tasks.clone(),
            object: Some(obstacle.resource.clone()),
            field: None,
            text: obstacle.text(),
            advice: Some(obstacle.advice.to_owned()),
        }
    }

    /// What would be in the way of a thaw on this machine.
    pub(crate) fn lacking(obstacle: &Obstacle) -> Told {
        let told = Told::obstacle(obstacle);
        Told {
            severity: Severity::Warning,
            ..told
        }
    }

    /// A process that a freeze killed, and that has not ended yet.
    pub(crate) fn lingers(process: &TaskName) -> Told {
        Told {
            severity: Severity::Warning,
            code: Code::TaskLingers,
            tasks: vec![process.clone()],
            object: None,
            field: None,
            text: "killed, and has not ended yet".to_owned(),
            advice: Some("wait until it is gone before it is thawed".to_owned()),
        }
    }

    /// Tasks with numbers up to `highest`, which the next kernel may have given before a thaw can have them.
    pub(crate) fn numbers_of_boot(tasks: Vec<TaskName>, highest: i32) -> Told {
        Told {
            severity: Severity::Warning,
            code: Code::PidBoot,
            tasks,
            object: None,
            field: None,
            text: format!(
                "numbers up to {highest} are given as a kernel boots: if a thread of the next one has one of these, the \
                 thaw is refused"
            ),
            advice: Some(
                "if it is, `kconv retry` some minutes after the boot; or start the programs once more now, which \
                 gives them higher numbers"
                    .to_owned(),
            ),
        }
    }

    /// What a thaw does not make as it was; `task` says what the task of a number is called.
    pub(crate) fn dropped(dropped: &Dropped, task: impl Fn(i32) -> TaskName) -> Told {
        Told {
            severity: Severity::Dropped,
            code: dropped.code,
            tasks: dropped.task.map(task).into_iter().collect(),
            object: Some(dropped.what.clone()),
            field: None,
            text: dropped.text(),
            advice: None,
        }
    }

    /// A process that is not thawed.
    pub(crate) fn left_out(left_out: &LeftOut) -> Told {
        Told {
            severity: Severity::LeftOut,
            code: left_out.code(),
            tasks: vec![left_out.task.clone()],
            object: None,
            field: None,
            text: left_out.text(),
            advice: None,
        }
    }

    /// What a conversion drops or resets although it says something; nothing of a field that it carries,
    /// or that is at its initial value in all objects.
    pub(crate) fn field(account: &FieldAccount) -> Option<Told> {
        let (severity, code) = match account.rule {
            _ if account.kept == 0 => return None,
            RuleKind::Reset => (Severity::Reset, Code::FieldReset),
            RuleKind::Drop => (Severity::Dropped, Code::FieldDrop),
            _ => return None,
        };
        let FieldAccount {
            converter,
            field,
            objects,
            kept,
            reason,
            ..
        } = account;
        let (ty, member) = field.split_once('.').unwrap_or((field, ""));
        Some(Told {
            severity,
            code,
            tasks: Vec::new(),
            object: Some(ty.to_owned()),
            field: Some(member.to_owned()),
            text: format!(
                "{field} of {objects}, {kept} kept for the way back: {reason} [{converter}]"
            ),
            advice: None,
        })
    }

    /// Prints it, with its advice.
    pub(crate) fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        let (word, advice) = (self.severity.style(), style::ADVICE);
        let name = self.severity.name();
        let before = match (self.severity, self.code) {
            // It is about the machine that the tasks leave.
            (Severity::Warning, Code::TaskLingers | Code::PidBoot) => "",
            (Severity::Warning, _) => "a thaw on this machine would be refused: ",
            _ => "",
        };
        writeln!(out, "{word}{name}{word:#}: {before}{self}")?;
        match &self.advice {
            Some(text) => writeln!(out, "  {advice}= {text}{advice:#}"),
            None => Ok(()),
        }
    }

    /// It in a report: once for each task, or once if it is of none.
    pub(crate) fn json(&self) -> Vec<Value> {
        let of = |task: Option<&TaskName>| {
            json!({
                "code": self.code.name(),
                "severity": self.severity.name(),
                "task": task.map(|task| json!({ "pid": task.pid, "comm": task.comm })),
                "object": self.object,
                "field": self.field,
                "text": self.text,
                "advice": self.advice,
            })
        };
        match self.tasks.as_slice() {
            [] => vec![of(None)],
            tasks => tasks.iter().map(|task| of(Some(task))).collect(),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{} [{}]", TaskNames(&self.tasks), self.text, self.code)
    }
}

/// How many of what is told is of a severity.
pub(crate) fn count(told: &[Told], severity: Severity) -> usize {
    told.iter().filter(|one| one.severity == severity).count()
}

/// How many tasks are named; of more it is said how many.
const NAMED: usize = 5;

/// Tasks by number and name: `3 tasks: counter (4711), sh (4712), sh (4713)`.
pub(crate) fn tasks<'t>(tasks: impl ExactSizeIterator<Item = (i32, &'t str)>) -> String {
    let all = tasks.len();
    let named = tasks.take(NAMED);
    let named = named.map(|(pid, comm)| format!("{} ({pid})", Escaped(comm)));
    let named = named.collect::<Vec<_>>().join(", ");
    let word = if all == 1 { "task" } else { "tasks" };
    match all.saturating_sub(NAMED) {
        0 => format!("{all} {word}: {named}"),
        more => format!("{all} {word}: {named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kconv_freeze::{Finding, Flaw, Judgement, Place};

    /// An upgrade thaws under another kernel, where nothing is left of a task that was killed here.
    #[test]
    fn a_killed_task_that_lingers_says_nothing_of_a_thaw_on_this_machine() {
        let told = Told::lingers(&TaskName {
            pid: 7,
            comm: "spent".to_owned(),
        });
        let mut written = Vec::new();
        told.write(&mut written).unwrap();
        let written = anstream::adapter::strip_bytes(&written).into_vec();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "warning: task 7 (spent): killed, and has not ended yet [task.lingers]\n  \
             = wait until it is gone before it is thawed\n"
        );
    }

    #[test]
    fn numbers_that_the_next_boot_may_need_are_told_of_all_tasks_at_once() {
        let task = |pid, comm: &str| TaskName {
            pid,
            comm: comm.to_owned(),
        };
        let told = Told::numbers_of_boot(vec![task(124, "busybox"), task(127, "counter")], 299);
        let mut written = Vec::new();
        told.write(&mut written).unwrap();
        let written = anstream::adapter::strip_bytes(&written).into_vec();
        insta::assert_snapshot!(String::from_utf8(written).unwrap(), @r"
        warning: task 124 (busybox), task 127 (counter): numbers up to 299 are given as a kernel boots: if a thread of the next one has one of these, the thaw is refused [pid.boot]
          = if it is, `kconv retry` some minutes after the boot; or start the programs once more now, which gives them higher numbers
        ");
    }

    /// What the freeze knows itself and what it was told by a judge are of one form.
    #[test]
    fn tasks_are_named_once() {
        let task = TaskName {
            pid: 7,
            comm: "sh".to_owned(),
        };
        let place = Place {
            task: Some(task.clone()),
            ty: "file".to_owned(),
            field: "f_op".to_owned(),
            ..Place::default()
        };
        let flaw = Flaw::NotCarried {
            code: Code::FdSocketTcp,
            what: "a socket".to_owned(),
        };
        let judgement = Judgement {
            code: Code::FdPipeEnd,
            tasks: vec![task],
            object: "pipe 471".to_owned(),
            field: None,
            text: "pipe 471: found 0 writers, expected 1".to_owned(),
            advice: "freeze both".to_owned(),
            is_unclear: false,
        };
        let own = Told::frozen(&Finding { place, flaw });
        let judged = Told::frozen(&Finding {
            place: Place::default(),
            flaw: Flaw::NotThawed(Box::new(judgement)),
        });
        for (told, object, field, text) in [
            (
                own,
                "file",
                Some("f_op"),
                "task 7 (sh): file, field f_op: a socket cannot be carried [fd.socket.tcp]",
            ),
            (
                judged,
                "pipe 471",
                None,
                "task 7 (sh): pipe 471: found 0 writers, expected 1 [fd.pipe.end]",
            ),
        ] {
            assert_eq!(told.to_string(), text);
            let shown = told.json();
            assert_eq!(shown.len(), 1);
            assert_eq!(shown[0]["task"], json!({ "pid": 7, "comm": "sh" }));
            assert_eq!(shown[0]["object"], object);
            assert_eq!(shown[0]["field"], json!(field));
            assert!(
                text.contains(shown[0]["text"].as_str().unwrap_or("none")),
                "{text}"
            );
        }
    }
}
