//! The tables of the runtime, one row a line.

use super::structs::sanitized;
use super::{EmitError, TOOL};
use crate::plan::{Action, Bits, FieldPlan, Place, Plan, TypePlan};
use kconv_runtime::table::{PartKind, Source};
use std::fmt::Write;

/// The text of all tables.
pub(super) fn tables(plan: &Plan) -> Result<String, EmitError> {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_converter(plan, &mut text)?;
    for ty in plan.types.values() {
        let _ = write_rules(ty, &mut text)?;
    }
    Ok(text)
}

fn write_converter(plan: &Plan, text: &mut String) -> Result<std::fmt::Result, EmitError> {
    let machine = match plan.machine.as_str() {
        "i386" => "I386",
        "amd64" => "X86_64",
        machine => {
            return Err(EmitError::NoMachine {
                machine: machine.to_owned(),
            });
        }
    };
    let mut types = String::new();
    for ty in plan.types.values() {
        type_row(plan, ty, &mut types)?;
    }
    Ok(write!(
        text,
        "\
/// What the converter is, for the runtime.
pub static CONVERTER: Converter = Converter {{
    name: {name:?},
    tool: {TOOL:?},
    family: {family:?},
    machine: Machine::{machine},
    from: Node {{
        layout: {from_layout:?},
        release: {from_release:?},
        // {from_fingerprint}
        fingerprint: Fingerprint({from_bytes}),
    }},
    to: Node {{
        layout: {to_layout:?},
        release: {to_release:?},
        // {to_fingerprint}
        fingerprint: Fingerprint({to_bytes}),
    }},
    task: TaskLabel {{ ty: {task:?}, pid: {pid}, comm: {comm}, comm_len: {comm_len} }},
    types: &[
{types}    ],
}};
",
        name = plan.converter,
        family = plan.family,
        from_layout = plan.from.layout,
        from_release = plan.from.release,
        from_fingerprint = plan.from.fingerprint,
        from_bytes = bytes(&plan.from.fingerprint.0),
        to_layout = plan.to.layout,
        to_release = plan.to.release,
        to_fingerprint = plan.to.fingerprint,
        to_bytes = bytes(&plan.to.fingerprint.0),
        task = plan.task.ty,
        pid = plan.task.pid,
        comm = plan.task.comm,
        comm_len = plan.task.comm_len,
    ))
}

fn bytes(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    format!("[{}]", numbers.join(", "))
}

/// Source bits of a value that belong to no member, of it or of a value inside it.
fn padding_inside(plan: &Plan, ty: &TypePlan) -> Vec<Bits> {
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

fn type_row(plan: &Plan, ty: &TypePlan, text: &mut String) -> Result<(), EmitError> {
    let function = sanitized(&ty.name);
    let number = |value: u64| small(ty, value);
    let extent = match ty.extent {
        Some(extent) => format!("Some({})", number(extent)?),
        None => "None".to_owned(),
    };
    let anchor = match ty.anchor_end {
        Some(end) => format!("Some(Anchor {{ end: {} }})", number(end)?),
        None => "None".to_owned(),
    };
    let convert = match ty.object {
        true => format!("Some(|cx, at, old, new| cx.typed(at, old, new, {function}))"),
        false => "None".to_owned(),
    };
    let tail = match ty.fields.iter().find_map(|field| tail(ty, field)) {
        Some(tail) => format!("Some({})", tail?),
        None => "None".to_owned(),
    };
    let parts = ty.fields.iter().filter_map(|field| part(ty, field));
    let parts = parts.collect::<Result<Vec<_>, _>>()?.join(", ");
    let mut spans = String::new();
    for span in &ty.spans {
        let (from, to, len) = (number(span.from)?, number(span.to)?, number(span.len)?);
        // Writing to a string cannot fail.
        let _ = write!(spans, "Span {{ from: {from}, to: {to}, len: {len} }}, ");
    }
    let padding = padding_inside(plan, ty)
        .into_iter()
        .map(|run| bits(ty, run))
        .collect::<Result<Vec<_>, _>>()?;
    let (from_size, to_size) = (number(ty.from_size)?, number(ty.to_size)?);
    let _ = write!(
        text,
        "        TypeConverter {{
            name: {name:?},
            from_size: {from_size},
            to_size: {to_size},
            extent: {extent},
            anchor: {anchor},
            tail: {tail},
            open: {open},
            parts: &[{parts}],
            convert: {convert},
            spans: &[{spans}],
            padding: &[{padding}],
            rules: &{rules},
        }},
",
        name = ty.name,
        open = ty.open,
        spans = spans.trim_end_matches(", "),
        padding = padding.join(", "),
        rules = rules_name(ty),
    );
    Ok(())
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
    let (kind, part) = match &field.action {
        Action::Make { ty } => (PartKind::Made, ty),
        Action::Fold { ty } => (PartKind::Folded, ty),
        _ => return None,
    };
    let (from, to) = (field.from.as_ref()?, field.to.as_ref()?);
    let row = || {
        let from = small(ty, from.bits.offset / 8)?;
        let to = small(ty, to.bits.offset / 8)?;
        let name = field.path.to_string();
        Ok(format!(
            "Part {{ field: {name:?}, ty: {part:?}, from: {from}, to: {to}, kind: PartKind::{kind:?} }}"
        ))
    };
    Some(row())
}

fn rules_name(ty: &TypePlan) -> String {
    format!("{}_RULES", sanitized(&ty.name).to_uppercase())
}

fn write_rules(ty: &TypePlan, text: &mut String) -> Result<std::fmt::Result, EmitError> {
    let mut rows = String::new();
    let mut number = 0;
    for field in ty.fields.iter().chain(&ty.drops) {
        rows.push_str(&row(ty, field)?);
        number += 1;
    }
    let name = rules_name(ty);
    Ok(write!(
        text,
        "\nstatic {name}: [FieldRule; {number}] = [\n{rows}];\n"
    ))
}

fn row(ty: &TypePlan, field: &FieldPlan) -> Result<String, EmitError> {
    let place = |place: &Option<Place>| match place {
        Some(place) => Ok::<_, EmitError>(format!("Some({})", bits(ty, place.bits)?)),
        None => Ok("None".to_owned()),
    };
    let declared = |place: &Option<Place>| {
        place
            .as_ref()
            .map_or("", |place| place.declared.as_str())
            .to_owned()
    };
    let (nested, times) = nested(&field.action);
    let mut row = format!(
        "    FieldRule {{ field: {:?}, rule: RuleKind::{:?}, from: {}, to: {}, from_type: {:?}, to_type: {:?}",
        field.path.to_string(),
        field.rule,
        place(&field.from)?,
        place(&field.to)?,
        declared(&field.from),
        declared(&field.to),
    );
    // Writing to a string cannot fail.
    if let Some(nested) = nested {
        let _ = write!(row, ", nested: Some({nested:?})");
    }
    if times != 1 {
        let _ = write!(row, ", times: {}", small(ty, times)?);
    }
    if field.source != Source::Automatic {
        let _ = write!(row, ", source: Source::{:?}", field.source);
    }
    if !field.reason.is_empty() {
        let _ = write!(row, ", reason: {:?}", field.reason);
    }
    if !field.evidence.is_empty() {
        let _ = write!(row, ", evidence: {:?}", field.evidence);
    }
    row.push_str(", ..FieldRule::PLAIN },\n");
    Ok(row)
}

/// The type whose rules go on in a field, and how many values of it there are; without one, the
/// number of elements that the rule is applied to.
fn nested(action: &Action) -> (Option<&str>, u64) {
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
    Ok(format!("Bits {{ offset: {offset}, len: {len} }}"))
}

fn small(ty: &TypePlan, value: u64) -> Result<u32, EmitError> {
    u32::try_from(value).map_err(|_| EmitError::TooLarge {
        ty: ty.name.clone(),
        value,
    })
}
