//! The order in which findings are told: causes first, and what is wrong only because of one of them
//! is counted with it and not told.

use crate::error::{Finding, Flaw};
use std::collections::{BTreeMap, BTreeSet};

/// Findings as they are told.
pub(crate) fn in_order(findings: Vec<Finding>) -> Vec<Finding> {
    let mut told = with_consequences(findings);
    told.sort_by_key(|finding| !finding.flaw.is_cause());
    told
}

fn with_consequences(findings: Vec<Finding>) -> Vec<Finding> {
    let namespaces: BTreeSet<u64> = findings.iter().filter_map(own_mounts).collect();
    let waits = |finding: &Finding| match &finding.flaw {
        Flaw::WaitsInVfork { .. } => pid(finding),
        _ => None,
    };
    let in_vfork: BTreeSet<i64> = findings.iter().filter_map(waits).collect();
    let is_known = |finding: &&Finding| !matches!(finding.flaw, Flaw::NotThawed(_));
    let explained: BTreeSet<i64> = findings.iter().filter(is_known).filter_map(pid).collect();

    let (mut reached, mut threads) = (BTreeMap::new(), BTreeMap::new());
    let mut told: Vec<Finding> = Vec::new();
    for finding in findings {
        let is_consequence = match &finding.flaw {
            Flaw::InNamespace { number, .. } if namespaces.contains(number) => {
                *reached.entry(*number).or_insert(0) += 1;
                true
            }
            Flaw::Traced { process, .. } => {
                let count = threads.entry(*process).or_insert(0);
                *count += 1;
                *count > 1
            }
            Flaw::Stuck { .. } => pid(&finding).is_some_and(|pid| in_vfork.contains(&pid)),
            Flaw::NotThawed(judgement) if judgement.is_unclear => {
                let mut tasks = judgement.tasks.iter();
                match judgement.tasks.is_empty() {
                    true => !explained.is_empty(),
                    false => tasks.any(|task| explained.contains(&task.pid)),
                }
            }
            _ => false,
        };
        if !is_consequence {
            told.push(finding);
        }
    }
    for finding in &mut told {
        match &mut finding.flaw {
            // Of several tasks in one namespace the first answers for what is in it.
            Flaw::Namespace { number, with, .. } => *with = reached.remove(number).unwrap_or(0),
            Flaw::Traced {
                process,
                threads: all,
                ..
            } => *all = threads.get(process).copied().unwrap_or(1),
            _ => {}
        }
    }
    told
}

fn pid(finding: &Finding) -> Option<i64> {
    finding.place.task.as_ref().map(|task| task.pid)
}

/// The number of the mount namespace that a finding is about.
fn own_mounts(finding: &Finding) -> Option<u64> {
    match &finding.flaw {
        Flaw::Namespace { kind, number, .. } if kind == "mount" => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Place;
    use crate::judge::Judgement;
    use kconv_codes::Code;
    use kconv_image::TaskName;

    fn finding(pid: i64, flaw: Flaw) -> Finding {
        let task = TaskName {
            pid,
            comm: "sh\n".to_owned(),
        };
        let place = Place {
            task: Some(task),
            ty: "file".to_owned(),
            ..Place::default()
        };
        Finding { place, flaw }
    }

    fn namespace(kind: &str, number: u64) -> Flaw {
        Flaw::Namespace {
            kind: kind.to_owned(),
            number,
            with: 0,
        }
    }

    fn inside(path: &str, number: u64) -> Flaw {
        Flaw::InNamespace {
            path: path.to_owned(),
            number,
        }
    }

    fn traced(process: i64) -> Flaw {
        Flaw::Traced {
            process,
            tracer: Some(TaskName {
                pid: 99,
                comm: "gdb".to_owned(),
            }),
            threads: 1,
        }
    }

    fn told(findings: Vec<Finding>) -> Vec<String> {
        in_order(findings).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_namespace_comes_first_and_has_what_is_in_it_with_it() {
        let socket = Flaw::NotCarried {
            code: Code::FdSocketTcp,
            what: "a socket".to_owned(),
        };
        let mut findings = vec![finding(5, socket)];
        for number in 0..105 {
            findings.push(finding(5, inside(&format!("/x/{number}"), 40)));
        }
        findings.push(finding(5, namespace("mount", 40)));
        findings.push(finding(6, inside("/elsewhere\n", 41)));
        assert_eq!(
            told(findings),
            [
                "task 5 (sh\\n): file: a mount namespace of its own (40) cannot be carried, and with \
                 it 105 files, folders and mappings",
                "task 5 (sh\\n): file: a socket cannot be carried",
                "task 6 (sh\\n): file: /elsewhere\\n in mount namespace 41 cannot be carried",
            ]
        );
        // Another kind of namespace with that number does not answer for files.
        let findings = vec![
            finding(5, inside("/x", 40)),
            finding(5, namespace("uts", 40)),
        ];
        assert_eq!(told(findings).len(), 2);
    }

    #[test]
    fn threads_of_a_traced_process_are_counted() {
        let findings = [7, 8, 9].map(|pid| finding(pid, traced(7)));
        let mut findings = Vec::from(findings);
        findings.push(finding(17, traced(17)));
        let traced = "being traced by task 99 (gdb) cannot be carried";
        assert_eq!(
            told(findings),
            [
                format!("task 7 (sh\\n): file: {traced} (3 threads)"),
                format!("task 17 (sh\\n): file: {traced}"),
            ]
        );
    }

    #[test]
    fn who_waits_in_a_vfork_is_not_called_stuck_as_well() {
        let child = TaskName {
            pid: 8,
            comm: "sh".to_owned(),
        };
        let findings = vec![
            finding(7, Flaw::Stuck { state: 'D' }),
            finding(9, Flaw::Stuck { state: 'D' }),
            finding(7, Flaw::WaitsInVfork { child }),
        ];
        assert_eq!(
            told(findings),
            [
                "task 9 (sh\\n): file: it does not stop (state D); it waits inside the kernel",
                "task 7 (sh\\n): file: it waits in a vfork until its child, task 8 (sh), calls execve \
                 or ends",
            ]
        );
    }

    #[test]
    fn what_is_not_understood_of_a_task_is_explained_by_what_is_known_of_it() {
        let unclear = |tasks: &[i64]| {
            let task = |pid: &i64| TaskName {
                pid: *pid,
                comm: String::new(),
            };
            Flaw::NotThawed(Box::new(Judgement {
                code: Code::ImageState,
                tasks: tasks.iter().map(task).collect(),
                object: "its state".to_owned(),
                field: None,
                text: "its state".to_owned(),
                advice: String::new(),
                is_unclear: true,
            }))
        };
        let everywhere = |flaw| Finding {
            place: Place::default(),
            flaw,
        };
        let findings = vec![
            finding(5, namespace("uts", 3)),
            everywhere(unclear(&[5])),
            everywhere(unclear(&[6])),
            everywhere(unclear(&[])),
        ];
        let lines = told(findings);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "task 6: its state");
        let alone = vec![everywhere(unclear(&[]))];
        assert_eq!(told(alone), ["its state"]);
    }
}
