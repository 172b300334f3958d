//! Overrides that have rotted: nothing has their field any more, or nothing needs them.

use crate::overrides::{OverrideFinding, OverrideProblem, Overrides};
use crate::plan::Made;
use kernel_structs::nearest::nearest;
use std::collections::BTreeSet;

/// The entries that do nothing in any of the plans made with them.
///
/// An entry with an error of its own is not stale; the plan reports it.
pub fn stale(overrides: &Overrides, made: &[&Made]) -> Vec<OverrideFinding> {
    let known: BTreeSet<&str> = made
        .iter()
        .flat_map(|made| made.known.iter().map(String::as_str))
        .collect();
    let types: BTreeSet<&str> = made
        .iter()
        .flat_map(|made| made.plan.types.keys().map(String::as_str))
        .collect();
    let needed: BTreeSet<usize> = made.iter().flat_map(|made| made.needed.clone()).collect();
    let mut findings = Vec::new();
    for entry in &overrides.entries {
        let field = entry.field.clone();
        // What has another unit has it in every step, and on the way back.
        if entry.action.unit().is_some() {
            findings.push(OverrideFinding {
                line: entry.line,
                problem: OverrideProblem::UnitOfStep { field },
            });
            continue;
        }
        let problem = if known.contains(field.as_str()) {
            match needed.contains(&entry.index) {
                true => continue,
                false => OverrideProblem::NotNeeded { field },
            }
        } else {
            let of_type = |ty: &&&str| {
                field
                    .strip_prefix(**ty)
                    .is_some_and(|rest| rest.starts_with('.'))
            };
            match types.iter().find(of_type) {
                Some(_) => OverrideProblem::UnknownField {
                    nearest: nearest(&field, known.iter().copied()).map(String::from),
                    field,
                },
                None => {
                    let ty = field.split('.').next().unwrap_or_default().to_owned();
                    OverrideProblem::UnknownType {
                        nearest: nearest(&ty, types.iter().copied()).map(String::from),
                        ty,
                        field,
                    }
                }
            }
        };
        findings.push(OverrideFinding {
            line: entry.line,
            problem,
        });
    }
    findings
}
