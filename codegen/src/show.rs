//! Plans, diffs and findings as text for a terminal.

use crate::coverage::Account;
use crate::diff::{ChangeKind, TypeDiff};
use crate::generate::Findings;
use crate::overrides::ChangeFinding;
use crate::plan::{Declaration, FieldPlan, Place, Plan, Undecided};
use kconv_rules::{RuleKind, Source};
use std::fmt::Write;
use std::path::Path;

/// A diff, type by type.
pub fn diff(types: &[TypeDiff]) -> String {
    let mut text = String::new();
    for ty in types {
        let sizes = match ty.from_size == ty.to_size {
            true => format!("{} bytes", ty.to_size),
            false => format!("{} -> {} bytes", ty.from_size, ty.to_size),
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "{} ({sizes})", ty.ty);
        for change in &ty.changes {
            let _ = match (&change.old, &change.new) {
                (Some(old), Some(new)) if change.kind == ChangeKind::Moved => {
                    let (was, is) = (place(old.offset_bits), place(new.offset_bits));
                    writeln!(text, "  moved         {}: {was} -> {is}", change.field)
                }
                (Some(old), Some(new)) => {
                    writeln!(
                        text,
                        "  {:13} {}: {old} -> {new}",
                        change.kind.name(),
                        change.field
                    )
                }
                (old, new) => {
                    let side = old.as_ref().or(new.as_ref()).map(ToString::to_string);
                    let side = side.unwrap_or_default();
                    writeln!(text, "  {:13} {}: {side}", change.kind.name(), change.field)
                }
            };
        }
        text.push('\n');
    }
    text
}

fn place(bits: u64) -> String {
    match bits % 8 {
        0 => (bits / 8).to_string(),
        bit => format!("{}:{bit}", bits / 8),
    }
}

/// A plan, field by field.
pub fn plan(plan: &Plan) -> String {
    let mut text = format!(
        "{}: {} -> {}\n",
        plan.converter, plan.from.layout, plan.to.layout
    );
    for ty in plan.types.values() {
        let _ = writeln!(
            text,
            "\n{} ({} -> {} bytes)",
            ty.name, ty.from_size, ty.to_size
        );
        for field in ty
            .fields
            .iter()
            .filter(|field| field.rule != RuleKind::Padding)
        {
            field_line(&mut text, field);
        }
        for field in &ty.drops {
            field_line(&mut text, field);
        }
    }
    text
}

fn field_line(text: &mut String, field: &FieldPlan) {
    let spot = |spot: &Option<Place>| match spot {
        Some(at) => place(at.bits.offset),
        None => "-".to_owned(),
    };
    let name = match field.path.is_empty() {
        true => "(each)".to_owned(),
        false => field.path.to_string(),
    };
    let from_to = format!("{} -> {}", spot(&field.from), spot(&field.to));
    let by = match field.source {
        Source::Automatic => "",
        Source::StateMap => "state map: ",
        Source::Override => "override: ",
    };
    let line = format!(
        "  {name:28} {:12} {from_to:16} {by}{}",
        field.rule.name(),
        field.reason
    );
    let _ = writeln!(text, "{}", line.trim_end());
}

/// The account of every bit of a plan.
pub fn coverage(accounts: &[Account]) -> String {
    let mut text = String::new();
    for account in accounts {
        let _ = writeln!(
            text,
            "{}: {} bits written, {} bits accounted for",
            account.ty, account.to_bits, account.from_bits
        );
        for (rule, (written, read)) in &account.rules {
            let _ = writeln!(text, "  {rule:12} {written:>7} written {read:>7} read");
        }
    }
    text
}

/// Undecided fields, all together, with what a person can write about each: what is the same between several pairs,
/// such as those of all flavours, once.
pub fn undecided(fields: &[((String, String), Undecided)]) -> String {
    type Of<'f> = (&'f Undecided, Vec<&'f (String, String)>);
    let mut alike: Vec<Of<'_>> = Vec::new();
    for (pair, undecided) in fields {
        let is_same = |(known, _): &&mut Of<'_>| {
            let is = |side: &Option<Declaration>| side.as_ref().map(|side| side.declared.clone());
            let said =
                |one: &Undecided| (one.to_string(), one.advice(), is(&one.old), is(&one.new));
            said(known) == said(undecided)
        };
        match alike.iter_mut().find(is_same) {
            Some((_, pairs)) => pairs.push(pair),
            None => alike.push((undecided, vec![pair])),
        }
    }
    let mut text = String::new();
    for (undecided, pairs) in alike {
        let between = pairs.iter().map(|(from, to)| match from == to {
            true => format!("between releases of {from}"),
            false => format!("{from} -> {to}"),
        });
        let between = between.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "undecided ({between}): {undecided}");
        // Where it lies differs between the pairs; what it is hardly does.
        let first = match pairs.len() {
            1 => "",
            _ => " (in the first)",
        };
        if let Some(old) = &undecided.old {
            let _ = writeln!(text, "  was: {old}{first}");
        }
        if let Some(new) = &undecided.new {
            let _ = writeln!(text, "  is:  {new}{first}");
        }
        for candidate in &undecided.candidates {
            let percent = (candidate.likeness * 100.0).round();
            let _ = writeln!(
                text,
                "  perhaps a rename: {} ({percent}% alike)",
                candidate.field
            );
        }
        let _ = writeln!(text, "  {}", undecided.advice());
    }
    text
}

/// What is wrong with the decisions of a family, which are in `folder`.
pub fn changes(folder: &str, findings: &[ChangeFinding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "{}", finding.within(Path::new(folder)));
    }
    text
}

/// All that is wrong with a crate's decisions, which are in `file`.
pub fn findings(file: &str, findings: &Findings) -> String {
    let mut text = String::new();
    for finding in &findings.overrides {
        let _ = writeln!(text, "{file}:{}: {}", finding.line, finding.problem);
    }
    // The decisions of a pair are in several files; between releases of one layout there is the map alone.
    let (alone, pairs): (Vec<_>, Vec<_>) = findings.undecided.iter().cloned().partition(is_alone);
    if !alone.is_empty() {
        let _ = writeln!(text, "{file}: it leaves fields undecided");
    }
    text.push_str(&undecided(&alone));
    text.push_str(&undecided(&pairs));
    text
}

fn is_alone(((from, to), _): &((String, String), Undecided)) -> bool {
    from == to
}
