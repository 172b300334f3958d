//! The text of a new step's `step.toml`.
//!
//! In it an entry is commented out with one `#` per line, and what is known of its
//! field with two: without the first `#` of every line the block is TOML.

use super::hunks::{Evidence, Touch, Wanted};
use super::{Open, Selection};
use crate::plan::{Undecided, Why};
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::state::{Policy, Rule, StateMap};
use std::collections::BTreeMap;
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// Name of the converter of a step.
pub(super) fn converter(selection: &Selection<'_>) -> String {
    format!("convert-{}-{}", selection.from, selection.to)
}

pub(super) fn step(
    selection: &Selection<'_>,
    map: &StateMap,
    open: &[Open],
    evidence: &BTreeMap<Wanted, Evidence>,
) -> String {
    let mut text = format!("# From {} to {}.\n\n", selection.from, selection.to);
    let converter = converter(selection);
    let _ = writeln!(text, "converter = {converter:?}\nfamily = {:?}", map.family);
    for pair in &selection.pairs {
        let _ = write!(
            text,
            "\n[[pair]]\nmodule = {:?}\nfrom = {:?}\nfrom_fingerprint = \"{}\"\nto = {:?}\nto_fingerprint = \"{}\"\n",
            pair.module,
            pair.from.release.name,
            pair.from.fingerprint,
            pair.to.release.name,
            pair.to.fingerprint
        );
    }
    if !open.is_empty() {
        let fields = match open.len() {
            1 => "1 field is".to_owned(),
            n => format!("{n} fields are"),
        };
        let _ = write!(
            text,
            "\n# {fields} undecided. For each: take the first `#` from its lines, correct the\n\
             # action, say in `reason` why it is right and in `evidence` what in the kernel's source\n\
             # decides it. Hunks and likeness are hints, not decisions.\n"
        );
    }
    for open in open {
        text.push('\n');
        entry(&mut text, selection, map, open, evidence);
    }
    text
}

fn entry(
    text: &mut String,
    selection: &Selection<'_>,
    map: &StateMap,
    open: &Open,
    evidence: &BTreeMap<Wanted, Evidence>,
) {
    let several = selection.pairs.len() > 1;
    let field = &open.pairs[0].1;
    note(text, &field.to_string());
    for (module, undecided) in &open.pairs {
        let label = if several {
            format!(" ({module})")
        } else {
            String::new()
        };
        for (side, declaration) in [("was", &undecided.old), ("is", &undecided.new)] {
            match declaration {
                Some(declaration) => note(text, &format!("  {side}{label}: {declaration}")),
                None if !undecided.field.is_empty() => {
                    note(text, &format!("  {side}{label}: not there"));
                }
                None => {}
            }
        }
    }
    context(text, selection, map, field);
    for candidate in &field.candidates {
        let percent = (candidate.likeness * 100.0).round();
        note(
            text,
            &format!("  perhaps a rename: {} ({percent}% alike)", candidate.field),
        );
    }
    if let Some(evidence) = evidence.get(&wanted(field)) {
        for hunk in &evidence.hunks {
            let what = match hunk.touch {
                Touch::Member => "changes this member",
                Touch::Structure => "changes the structure",
                Touch::Name => "has the name elsewhere",
            };
            note(
                text,
                &format!("  patch, line {}: {} ({what})", hunk.line, hunk.file),
            );
            for line in &hunk.text {
                note(text, &format!("    {line}"));
            }
        }
        if evidence.more > 0 {
            note(
                text,
                &format!("  and {} more hunks of the patch", evidence.more),
            );
        }
    }
    let name = format!("{}.{}", field.ty, field.field);
    // An override names a member without blanks.
    if by_state_map(&field.why) || field.field.is_empty() || name.contains(char::is_whitespace) {
        note(text, &format!("  {}", field.advice()));
        return;
    }
    let action = action(selection, open);
    let _ = writeln!(
        text,
        "# [[override]]\n# field = {name:?}\n# {action}\n# reason = \"\"\n# evidence = \"\""
    );
}

/// Whether the state map has to be completed, which no override can do for it.
fn by_state_map(why: &Why) -> bool {
    matches!(
        why,
        Why::NoPolicy
            | Why::MeaningChanged { .. }
            | Why::PolicyDoesNotFit { .. }
            | Why::NoSuchType { .. }
            | Why::NoTaskLabel
            | Why::TooLarge { .. }
    )
}

/// The likeliest action, for a person to correct.
fn action(selection: &Selection<'_>, open: &Open) -> String {
    let field = &open.pairs[0].1;
    match field.why {
        Why::Added => {
            let declared = field.new.as_ref().map_or("", |new| new.declared.as_str());
            let resolved = selection
                .pairs
                .iter()
                .find_map(|pair| resolve(&pair.to.layout, field).map(|ty| (&pair.to.layout, ty)));
            let pointer = resolved.is_some_and(|(layout, ty)| {
                let inner = layout.get(layout.strip(ty));
                matches!(inner, kernel_structs::layout::Type::Pointer { .. })
            });
            match () {
                () if declared == "struct list_head" => "init = \"empty-list\"".to_owned(),
                () if pointer => "init = \"null\"".to_owned(),
                () => "init = \"zero\"".to_owned(),
            }
        }
        Why::Removed => "drop = \"only-if-initial\"".to_owned(),
        Why::ElementsLeftOver => "merge = \"sum\"".to_owned(),
        _ => {
            let function = super::select::identifier(&format!("{}_{}", field.ty, field.field));
            format!("call = {function:?}")
        }
    }
}

fn resolve(layout: &Layout, field: &Undecided) -> Option<kernel_structs::layout::TypeId> {
    let owner = layout.find(&field.ty)?;
    let path = FieldPath::default().member(&field.field);
    Some(layout.resolve(owner, &path).ok()?.ty)
}

/// What the state map says of the field, and of the type it is in.
fn context(text: &mut String, selection: &Selection<'_>, map: &StateMap, field: &Undecided) {
    let entry = map.types.get(&field.ty);
    let of_field = entry.and_then(|entry| entry.fields.get(&field.field));
    let of_type = || {
        selection.pairs.iter().find_map(|pair| {
            [&pair.to.layout, &pair.from.layout]
                .into_iter()
                .find_map(|layout| map.type_rule(layout, resolve(layout, field)?))
        })
    };
    let rule = match (of_field, of_type()) {
        (Some(rule), _) => format!("{}: {}", policy(rule), rule.reason),
        (None, Some(rule)) => format!("of its type, {}: {}", policy(rule), rule.reason),
        (None, None) => "nothing of this field".to_owned(),
    };
    note(text, &format!("  state map: {rule}"));
    if entry.is_some_and(|entry| entry.saved) {
        note(
            text,
            &format!("  state map: {} is saved as an object of its own", field.ty),
        );
    }
}

fn policy(rule: &Rule) -> String {
    match rule.policy {
        Policy::Reset { strict: true, .. } => "reset, strict".to_owned(),
        _ => rule.policy.name().to_owned(),
    }
}

/// A line of evidence. It stays a comment when the block is uncommented.
fn note(text: &mut String, line: &str) {
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    let _ = writeln!(text, "{}", format!("## {clean}").trim_end());
}

/// What to look for in a patch for a field: the path to a structure without a name begins with a
/// structure that has one.
pub(super) fn wanted(field: &Undecided) -> Wanted {
    let tag = field.ty.split(['.', ' ', '[']).next().unwrap_or(&field.ty);
    let member = field.field.strip_prefix("union_").unwrap_or(&field.field);
    Wanted {
        ty: tag.to_owned(),
        member: member.to_owned(),
    }
}
