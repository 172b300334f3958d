//! Rules as Rust: what is said of a type, and of each field.

use super::EmitError;
use super::reasons::Reasons;
use crate::plan::{Action, Bits, FieldPlan, PartBehind, Plan, TypePlan};
use kconv_rules::{PartKind, RuleKind, Source};
use std::fmt::Write;

/// The rule for a field, with its reason as `reasons` names it.
pub(super) fn rule(
    ty: &TypePlan,
    field: &FieldPlan,
    reasons: &Reasons,
) -> Result<String, EmitError> {
    // Where a field is, the layouts say; so to move it is to carry it.
    let kind = match field.rule {
        RuleKind::Move => RuleKind::Carry,
        kind => kind,
    };
    let mut text = format!("RuleKind::{kind:?}.of({:?})", field.path.to_string());
    let (nested, times) = nested(&field.action);
    // Writing to a string cannot fail.
    if let Some(old) = &field.old_path {
        let _ = write!(text, ".was({:?})", old.to_string());
    }
    if let Some(nested) = nested {
        let _ = write!(text, ".inside({nested:?})");
    }
    if times != 1 {
        let _ = write!(text, ".times({})", small(ty, times)?);
    }
    match field.source {
        Source::Automatic => {}
        Source::StateMap => {
            let _ = write!(text, ".by_map({})", reasons.expression(&field.reason));
        }
        Source::Override => {
            let _ = write!(text, ".by_override({})", reasons.expression(&field.reason));
        }
    }
    if !field.evidence.is_empty() {
        let _ = write!(text, ".evidence({:?})", field.evidence);
    }
    Ok(text)
}

/// What is said of a type, with the names of its groups of rules, as the value of a `TypeConverter`
/// that calls `function`. Lines are indented by four spaces.
pub(super) fn type_converter(
    plan: &Plan,
    ty: &TypePlan,
    groups: &str,
    function: &str,
) -> Result<String, EmitError> {
    let number = |value: u64| small(ty, value);
    let mut text = String::from("TypeConverter {\n        rules: TypeRules {\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "            {name}: {value},");
    };
    line("name", &format!("{:?}", ty.name));
    line("from_size", &number(ty.from_size)?.to_string());
    line("to_size", &number(ty.to_size)?.to_string());
    if let Some(extent) = ty.extent {
        line("extent", &format!("Some({})", number(extent)?));
    }
    if let Some(end) = ty.anchor_end {
        line(
            "anchor",
            &format!("Some(Anchor {{ end: {} }})", number(end)?),
        );
    }
    if let Some(owner) = &ty.behind {
        line("behind", &format!("Some({owner:?})"));
    }
    if let Some(tail) = ty.fields.iter().find_map(|field| tail(ty, field)) {
        line("tail", &format!("Some({})", tail?));
    }
    if ty.open {
        line("open", "true");
    }
    let parts = ty.fields.iter().filter_map(|field| part(ty, field));
    let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
    if let Some(part) = &ty.part_behind {
        parts.push(part_behind(ty, part)?);
    }
    if !parts.is_empty() {
        line("parts", &format!("&[{}]", parts.join(", ")));
    }
    let mut spans = Vec::new();
    for span in &ty.spans {
        let (from, to, len) = (number(span.from)?, number(span.to)?, number(span.len)?);
        spans.push(format!("Span::new({from}, {to}, {len})"));
    }
    line("spans", &format!("&[{}]", spans.join(", ")));
    let padding = padding_inside(plan, ty)
        .into_iter()
        .map(|run| bits(ty, run))
        .collect::<Result<Vec<_>, _>>()?;
    if !padding.is_empty() {
        line("padding", &format!("&[{}]", padding.join(", ")));
    }
    line("groups", groups);
    text.push_str("            ..TypeRules::PLAIN\n        },\n");
    let convert = match ty.object {
        true => format!("Some(|cx, at, old, new| cx.typed(at, old, new, {function}))"),
        false => "None".to_owned(),
    };
    let _ = write!(text, "        convert: {convert},\n    }}");
    Ok(text)
}

/// Source bits of a value that belong to no member, of it or of a value inside it.
pub(super) fn padding_inside(plan: &Plan, ty: &TypePlan) -> Vec<Bits> {
    let mut runs = ty.padding.clone();
    for field in &ty.fields {
        let (mut action, mut count) = (&field.action, 1);
        while let Action::Elements { each, old, .. } = action {
            (action, count) = (each.as_ref(), count * old);
        }
        let Action::Recurse { ty: nested } = action else {
            continue;
        };
        if let (Some(nested), Some(from)) = (plan.types.get(nested), &field.from) {
            let inside = padding_inside(plan, nested);
            for index in 0..count {
                let start = from.bits.offset + 8 * nested.from_size * index;
                runs.extend(inside.iter().map(|run| Bits {
                    offset: start + run.offset,
                    len: run.len,
                }));
            }
        }
    }
    runs.sort_unstable();
    runs
}

/// The row for the flexible array that objects of a type end in.
fn tail(ty: &TypePlan, field: &FieldPlan) -> Option<Result<String, EmitError>> {
    let Action::Tail {
        ty: element,
        count,
        add,
        at,
    } = &field.action
    else {
        return None;
    };
    let count = ty.fields.iter().find(|field| field.path == *count)?;
    let row = |count: Bits| {
        let (from, to) = (small(ty, at.0)?, small(ty, at.1)?);
        let (count, add) = (bits(ty, count)?, small(ty, *add)?);
        let name = field.path.to_string();
        Ok(format!(
            "Tail {{ field: {name:?}, element: {element:?}, from: {from}, to: {to}, count: {count}, add: {add} }}"
        ))
    };
    Some(row(count.from.as_ref()?.bits))
}

/// The row for a structure that is an object under the other layout.
fn part(ty: &TypePlan, field: &FieldPlan) -> Option<Result<String, EmitError>> {
    let (kind, part, alone) = match &field.action {
        Action::Make { ty } => (PartKind::Made, ty, false),
        Action::Fold { ty, alone } => (PartKind::Folded, ty, *alone),
        _ => return None,
    };
    let (from, to) = (field.from.as_ref()?, field.to.as_ref()?);
    let row = || {
        let from = small(ty, from.bits.offset / 8)?;
        let to = small(ty, to.bits.offset / 8)?;
        let name = field.path.to_string();
        Ok(format!(
            "Part {{ field: {name:?}, ty: {part:?}, from: {from}, to: {to}, kind: PartKind::{kind:?}, behind: None, alone: {alone} }}"
        ))
    };
    Some(row())
}

/// The row for a structure that is the object right behind this one under the other layout.
fn part_behind(ty: &TypePlan, part: &PartBehind) -> Result<String, EmitError> {
    let kind = match part.made {
        true => PartKind::Made,
        false => PartKind::Folded,
    };
    let (from, to, when) = (
        small(ty, part.from)?,
        small(ty, part.to)?,
        bits(ty, part.when)?,
    );
    let (name, of) = (part.path.to_string(), &part.ty);
    Ok(format!(
        "Part {{ field: {name:?}, ty: {of:?}, from: {from}, to: {to}, kind: PartKind::{kind:?}, behind: Some({when}), alone: false }}"
    ))
}

/// The type whose rules go on in a field, and how many values of it there are; without one, the
/// number of elements that the rule is applied to.
pub(super) fn nested(action: &Action) -> (Option<&str>, u64) {
    match action {
        Action::Recurse { ty } => (Some(ty), 1),
        // How many there are is another number for each object.
        Action::Tail { ty, .. } => (Some(ty), 0),
        Action::Elements { each, old, new, .. } => {
            let (nested, times) = nested(each);
            (nested, times * old.min(new))
        }
        _ => (None, 1),
    }
}

fn bits(ty: &TypePlan, bits: Bits) -> Result<String, EmitError> {
    let (offset, len) = (small(ty, bits.offset)?, small(ty, bits.len)?);
    Ok(format!("Bits::new({offset}, {len})"))
}

pub(super) fn small(ty: &TypePlan, value: u64) -> Result<u32, EmitError> {
    u32::try_from(value).map_err(|_| EmitError::TooLarge {
        ty: ty.name.clone(),
        value,
    })
}
