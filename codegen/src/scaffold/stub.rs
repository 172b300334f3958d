//! The text of a new step's `step.toml`, and of the decisions that it waits for.
//!
//! A proposed decision is commented out with one `#` per line, and what is known of its field with
//! two: without the first `#` of every line the block is TOML.

use super::hunks::{Evidence, Touch, Wanted};
use super::{Open, Proposal, Selection};
use crate::ctype::{self, ScalarKind, Shape};
use crate::overrides::FlagDirection;
use crate::plan::{Declaration, FlagChange, Undecided, Why, other_than_zero};
use crate::steps;
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use kernel_structs::state::{Policy, Rule, StateMap};
use std::collections::BTreeMap;
use std::fmt::Write;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// Name of the converter of a step.
pub(super) fn converter(selection: &Selection<'_>) -> String {
    steps::converter_name(&selection.from, &selection.to)
}

pub(super) fn step(selection: &Selection<'_>, map: &StateMap) -> String {
    let mut text = format!("# From {} to {}.\n\n", selection.from, selection.to);
    let converter = converter(selection);
    let _ = writeln!(text, "converter = {converter:?}\nfamily = {:?}", map.family);
    text.push_str(&pairs(selection));
    text
}

/// The entries of its pairs.
pub(super) fn pairs(selection: &Selection<'_>) -> String {
    let mut text = String::new();
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
    text
}

/// For every undecided field an entry that a person completes, by the name of the family's file
/// that it is for.
pub(super) fn proposals(
    selection: &Selection<'_>,
    map: &StateMap,
    open: &[Open],
    evidence: &BTreeMap<Wanted, Evidence>,
) -> Vec<Proposal> {
    let of_open = |open: &Open| {
        let field = &open.pairs[0].1;
        let wanted = wanted(field);
        Proposal {
            known: known(selection, map, open),
            evidence: evidence.get(&wanted).map(of_patch).unwrap_or_default(),
            entry: entry(selection, map, field),
            file: format!("{}.toml", wanted.ty),
        }
    };
    open.iter().map(of_open).collect()
}

/// What is known of a field without a patch.
fn known(selection: &Selection<'_>, map: &StateMap, open: &Open) -> String {
    let mut text = String::new();
    let several = selection.pairs.len() > 1;
    let field = &open.pairs[0].1;
    note(&mut text, &field.to_string());
    for (module, undecided) in &open.pairs {
        let label = if several {
            format!(" ({module})")
        } else {
            String::new()
        };
        for (side, declaration) in [("was", &undecided.old), ("is", &undecided.new)] {
            match declaration {
                Some(declaration) => note(&mut text, &format!("  {side}{label}: {declaration}")),
                None if !undecided.field.is_empty() => {
                    note(&mut text, &format!("  {side}{label}: not there"));
                }
                None => {}
            }
        }
    }
    context(&mut text, selection, map, field);
    for candidate in &field.candidates {
        let percent = (candidate.likeness * 100.0).round();
        note(
            &mut text,
            &format!("  perhaps a rename: {} ({percent}% alike)", candidate.field),
        );
    }
    if !is_for_overrides(field) {
        note(&mut text, &format!("  {}", field.advice()));
    }
    text
}

/// What a patch says of a field.
fn of_patch(evidence: &Evidence) -> String {
    let mut text = String::new();
    for hunk in &evidence.hunks {
        let what = match hunk.touch {
            Touch::Member => "changes this member",
            Touch::Structure => "changes the structure",
            Touch::Name => "has the name elsewhere",
        };
        note(
            &mut text,
            &format!("  patch, line {}: {} ({what})", hunk.line, hunk.file),
        );
        for line in &hunk.text {
            note(&mut text, &format!("    {line}"));
        }
    }
    if evidence.more > 0 {
        note(
            &mut text,
            &format!("  and {} more hunks of the patch", evidence.more),
        );
    }
    text
}

/// Whether a new override can decide a field: its name has no blanks, no state map is to be completed, and no
/// decision that is there to be corrected.
fn is_for_overrides(field: &Undecided) -> bool {
    let has_blanks = |name: &str| name.contains(char::is_whitespace);
    let named = !field.field.is_empty() && !has_blanks(&field.ty) && !has_blanks(&field.field);
    named && !field.why.is_for_state_map() && !field.why.is_wrong_decision()
}

fn entry(selection: &Selection<'_>, map: &StateMap, field: &Undecided) -> String {
    if !is_for_overrides(field) {
        return String::new();
    }
    let name = format!("{}.{}", field.ty, field.field);
    let lines = match &field.why {
        Why::FlagsDiffer { flags } => flag_decisions(&name, flags),
        _ => {
            let of = match members(selection, map, field).as_slice() {
                [] => format!("field = {name:?}"),
                [one] => format!("field = {one:?}"),
                several => format!("fields = {several:?}"),
            };
            let mut lines = vec!["[[change]]".to_owned(), of];
            lines.extend(change(selection, field, &name));
            lines
        }
    };
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

/// The members of a structure that only one side has, as `type.member.member`, where zeros in all of it would be wrong: those
/// that the state map says nothing of. None for any other field.
fn members(selection: &Selection<'_>, map: &StateMap, field: &Undecided) -> Vec<String> {
    let mut sides = selection.pairs.iter().filter_map(|pair| match field.why {
        Why::Added => Some(&pair.to.layout),
        Why::Removed => Some(&pair.from.layout),
        _ => None,
    });
    let found = sides.find_map(|layout| {
        let ty = resolve(layout, field)?;
        let is_zero = init(layout, layout.strip(ty)) == Some("zero");
        other_than_zero(map, layout, ty).filter(|_| is_zero)?;
        Some((layout, ty))
    });
    let Some((layout, ty)) = found else {
        return Vec::new();
    };
    let Shape::Struct(_, composite) = ctype::shape(layout, ty) else {
        return Vec::new();
    };
    let names = layout.names(ty);
    let fields = ctype::fields(layout, composite).into_iter();
    let open = fields.filter(|member| {
        map.member_rule(layout, &names, &member.name, member.ty)
            .is_none()
    });
    open.map(|member| format!("{}.{}.{}", field.ty, field.field, member.name))
        .collect()
}

/// What becomes of flags, for a person to correct: those that only one side has are left out and
/// kept, the others go by name.
fn flag_decisions(field: &str, flags: &[FlagChange]) -> Vec<String> {
    let of = |renumbered: bool| -> Vec<&str> {
        let is = |flag: &&FlagChange| (flag.direction() == FlagDirection::Renumbered) == renumbered;
        flags
            .iter()
            .filter(is)
            .map(|flag| flag.name.as_str())
            .collect()
    };
    let mut lines = Vec::new();
    for (names, directions) in [
        (
            of(false),
            &[
                "appears = { reason = \"\" }",
                "disappears = { drop = \"always\", reason = \"\" }",
            ][..],
        ),
        (of(true), &["renumbered = { reason = \"\" }"][..]),
    ] {
        if !names.is_empty() {
            lines.push("[[flags]]".to_owned());
            lines.push(format!("field = {field:?}"));
            lines.push(format!("names = {names:?}"));
            lines.extend(directions.iter().map(|line| (*line).to_owned()));
        }
    }
    lines
}

/// The likeliest decision, for a person to correct: one that loses nothing and that no task is
/// refused by.
fn change(selection: &Selection<'_>, field: &Undecided, name: &str) -> Vec<String> {
    let sides = selection
        .pairs
        .iter()
        .map(|pair| (&pair.from.layout, &pair.to.layout));
    let found = |layout: &'_ Layout| Some(layout.strip(resolve(layout, field)?));
    let (appears, disappears) = (
        sides.clone().find_map(|(_, to)| init(to, found(to)?)),
        "drop = \"always\"",
    );
    let directed =
        |direction: &str, action: &str| format!("{direction} = {{ {action}, reason = \"\" }}");
    let by_field = |init: &str| {
        vec![
            directed("appears", &format!("init = {init:?}")),
            directed("disappears", disappears),
        ]
    };
    match &field.why {
        Why::FewerElements { array, .. } => {
            let init = appears.unwrap_or("zero");
            vec![
                format!("elements = {array:?}"),
                directed("fewer", &format!("init = {init:?}, {disappears}")),
            ]
        }
        Why::ElementsLeftOver => {
            let function = super::select::identifier(&format!("{}_{}", field.ty, field.field));
            vec![
                format!("elements = {name:?}"),
                directed("fewer", &format!("call = \"{function}_fewer\"")),
                directed("more", &format!("call = \"{function}_more\"")),
            ]
        }
        Why::Added => by_field(appears.unwrap_or("zero")),
        // What the field is, the layout says that has it: the one read.
        Why::Removed => {
            let init = sides.clone().find_map(|(from, _)| init(from, found(from)?));
            by_field(init.unwrap_or("zero"))
        }
        _ => {
            let function = super::select::identifier(&format!("{}_{}", field.ty, field.field));
            let sides = sides.clone().find_map(|(from, to)| {
                let part = part(
                    name,
                    (from, resolve(from, field)?),
                    (to, resolve(to, field)?),
                );
                part.map(|(name, old_has)| match old_has {
                    true => (format!("has = [{name:?}]"), format!("lacks = [{name:?}]")),
                    false => (format!("lacks = [{name:?}]"), format!("has = [{name:?}]")),
                })
            });
            let declared = |declaration: &Option<Declaration>| {
                let declared = declaration.as_ref().map_or("", |d| d.declared.as_str());
                format!("declared = {{ {name:?} = {declared:?} }}")
            };
            let (was, is) = sides.unwrap_or_else(|| (declared(&field.old), declared(&field.new)));
            // The same entry for the way back.
            let [one, other] = if was < is { [was, is] } else { [is, was] };
            vec![
                format!("one = {{ {one} }}"),
                format!("other = {{ {other} }}"),
                directed("to-one", &format!("call = \"{function}_back\"")),
                directed("to-other", &format!("call = {function:?}")),
            ]
        }
    }
}

/// For two types of `field` that are declared alike and are not: a member that one of them has and the other
/// has not, as `type.member`, or as the way through the field where the type has no name, and whether the old one has it.
fn part(
    field: &str,
    (old, was): (&Layout, TypeId),
    (new, is): (&Layout, TypeId),
) -> Option<(String, bool)> {
    let (old_name, new_name) = (old.type_name(was), new.type_name(is));
    if old_name != new_name {
        return None;
    }
    let names = |layout: &Layout, ty: TypeId| match ctype::shape(layout, ty) {
        Shape::Struct(_, composite) | Shape::Union(_, composite) => {
            let fields = layout.flat_members(composite).into_iter();
            fields
                .filter_map(|(_, member)| member.name.clone())
                .collect()
        }
        _ => Vec::new(),
    };
    let (before, after) = (names(old, was), names(new, is));
    let ty = old.names(was).first().map_or(field, |name| *name);
    let lost = before.iter().find(|name| !after.contains(name));
    let gained = after.iter().find(|name| !before.contains(name));
    match (lost, gained) {
        (Some(name), _) => Some((format!("{ty}.{name}"), true)),
        (None, Some(name)) => Some((format!("{ty}.{name}"), false)),
        (None, None) => None,
    }
}

/// What a new value of a type begins with.
fn init(layout: &Layout, ty: TypeId) -> Option<&'static str> {
    match ctype::shape(layout, ty) {
        Shape::Scalar(scalar) if scalar.kind == ScalarKind::Pointer => Some("null"),
        Shape::Struct(_, composite) if ctype::list_links(layout, composite).is_some() => {
            Some("empty-list")
        }
        _ => Some("zero"),
    }
}

fn resolve(layout: &Layout, field: &Undecided) -> Option<kernel_structs::layout::TypeId> {
    let owner = layout.find(&field.ty)?;
    let path = FieldPath::default().member(&field.field);
    Some(layout.lookup(owner, &path)?.ty)
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
    let array = entry.and_then(|entry| entry.indexes.get(&field.field));
    if let Some(index) = array {
        note(
            text,
            &format!("  state map: elements of {}: {}", index.array, index.reason),
        );
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kernel_structs::layout::{
        Composite, CompositeKind, IntType, LayoutBuilder, Member, Target, Type,
    };
    use kernel_structs::units::{BitOffset, ByteSize};

    /// A union with these members, and a tag if it has one.
    fn union(name: Option<&str>, members: &[&str]) -> (Layout, TypeId) {
        let mut builder = LayoutBuilder::new(Target { pointer_size: 8 });
        let int = builder.push(Type::Int(IntType {
            name: "int".to_owned(),
            size: ByteSize(4),
            signed: true,
            character: false,
            boolean: false,
        }));
        let member = |name: &&str| Member {
            name: Some((*name).to_owned()),
            ty: int,
            offset: BitOffset(0),
            bit_field: None,
        };
        let union = builder.push(Type::Composite(Composite {
            kind: CompositeKind::Union,
            name: name.map(str::to_owned),
            size: ByteSize(4),
            members: members.iter().map(member).collect(),
        }));
        (builder.finish().unwrap(), union)
    }

    #[test]
    fn a_type_without_a_name_is_told_by_the_way_through_its_field() {
        let part_of = |name, was: &[&str], is: &[&str]| {
            let ((old, was), (new, is)) = (union(name, was), union(name, is));
            part("s.un", (&old, was), (&new, is))
        };
        let gained = Some(("s.un.c".to_owned(), false));
        assert_eq!(part_of(None, &["a", "b"], &["a", "b", "c"]), gained);
        let lost = Some(("u.b".to_owned(), true));
        assert_eq!(part_of(Some("u"), &["a", "b"], &["a"]), lost);
        assert_eq!(part_of(None, &["a"], &["a"]), None);
    }
}
