//! `kconv explain TYPE.FIELD FROM TO`

use crate::arguments::Explain;
use crate::failure::Failure;
use crate::releases::Known;
use crate::style::{FAINT, HEADING};
use kconv_rules::{Flat, RuleKind, Source, StepRules, flat};
use kernel_structs::layout::{FieldPath, Layout, Step, Type};
use kernel_structs::nearest;
use serde_json::json;
use std::io::Write;

/// What one step does with the field.
struct Explanation {
    /// Name of the step's converter.
    converter: &'static str,
    flat: Flat,
    /// The field under the layout read, if the rule reads one.
    before: Option<Declared>,
    /// The field under the layout written, if the rule writes one.
    after: Option<Declared>,
}

/// How and where a layout has a field.
#[derive(serde::Serialize)]
struct Declared {
    #[serde(rename = "type")]
    ty: String,
    /// First bit.
    offset: u64,
    /// Number of bits.
    len: u64,
}

pub(crate) fn run(arguments: &Explain) -> Result<(), Failure> {
    // A release in the field's place, as other commands take it, has a dot as well.
    let is_name = |ty: &str| !ty.starts_with(|c: char| c.is_ascii_digit());
    let named = arguments.field.split_once('.');
    let Some((ty, field)) = named.filter(|(ty, _)| is_name(ty)) else {
        return Err(Failure::NotAField {
            given: arguments.field.clone(),
        });
    };
    let known = Known::new()?;
    let route = &arguments.route;
    let mut out = anstream::stdout().lock();
    let mut shown = Vec::new();
    for (from, to) in known.pairs(&route.from, &route.to)? {
        let steps = known.rules(from, to)?;
        let mut found = Vec::new();
        for step in &steps {
            let layouts = [known.live(step.from)?, known.live(step.to)?];
            found.extend(explanations(step, &layouts, ty, field));
        }
        if found.is_empty() {
            return Err(Failure::NoRule {
                field: arguments.field.clone(),
                from: from.name.clone(),
                to: to.name.clone(),
                nearest: nearest_field(&steps, ty, field),
            });
        }
        if route.json {
            let rules: Vec<_> = found.iter().map(to_json).collect();
            shown.push(json!({ "from": from.name, "to": to.name, "rules": rules }));
            continue;
        }
        writeln!(out, "{HEADING}{} -> {}{HEADING:#}", from.name, to.name)?;
        for explanation in &found {
            print(&mut out, &arguments.field, explanation)?;
        }
    }
    if route.json {
        writeln!(out, "{:#}", json!(shown))?;
    }
    Ok(())
}

/// The rules of a type and of what is nested in it.
fn rules(step: &StepRules, ty: &str) -> Vec<Flat> {
    let find = |name: &str| step.find(name);
    find(ty).map_or_else(Vec::new, |ty| flat(&find, ty))
}

/// The rules for `field` of `ty`, or for what it is a part of.
fn explanations(
    step: &StepRules,
    layouts: &[Layout; 2],
    ty: &str,
    field: &str,
) -> Vec<Explanation> {
    let rules = rules(step, ty);
    let exact: Vec<_> = rules.iter().filter(|flat| flat.path == field).collect();
    let chosen = if exact.is_empty() {
        // A part of something that is carried whole has the rule of the whole.
        let around = rules
            .iter()
            .filter(|flat| {
                field
                    .strip_prefix(flat.path.as_str())
                    .is_some_and(|rest| rest.starts_with(['.', '[']))
            })
            .max_by_key(|flat| flat.path.len());
        around.into_iter().collect()
    } else {
        exact
    };
    let mut explained = Vec::new();
    for flat in chosen {
        let reads = !matches!(flat.rule.rule, RuleKind::Init | RuleKind::Padding);
        let writes = !matches!(flat.rule.rule, RuleKind::Drop | RuleKind::Padding);
        let before = reads.then(|| declared(&layouts[0], ty, &flat.old_path));
        let after = writes.then(|| declared(&layouts[1], ty, &flat.path));
        explained.push(Explanation {
            converter: step.name,
            flat: flat.clone(),
            before: before.flatten(),
            after: after.flatten(),
        });
    }
    explained
}

/// How the layout has the field at `path` of a value of type `ty`.
fn declared(layout: &Layout, ty: &str, path: &str) -> Option<Declared> {
    let mut id = layout.find(ty)?;
    let (mut offset, mut width) = (0, None);
    let path: FieldPath = path.parse().ok()?;
    for step in path.steps() {
        // Of several values in a row the first is shown.
        if let (Step::Member(_), Type::Array { element, .. }) = (step, layout.get(layout.strip(id)))
        {
            id = *element;
        }
        let found = layout
            .resolve(id, &FieldPath::from(vec![step.clone()]))
            .ok()?;
        offset += found.offset.0;
        (id, width) = (found.ty, found.bit_field);
    }
    let name = layout.type_name(id);
    let (ty, len) = match width {
        Some(width) => (format!("{name}:{}", width.0), width.0),
        None => (name, layout.size_of(id).map_or(0, |size| size.0 * 8)),
    };
    Some(Declared { ty, offset, len })
}

fn nearest_field(steps: &[StepRules], ty: &str, field: &str) -> String {
    let fields = steps.iter().flat_map(|step| rules(step, ty));
    let candidates: Vec<String> = fields.map(|flat| flat.path).collect();
    if candidates.is_empty() {
        let types = steps.iter().flat_map(StepRules::types);
        let types: Vec<&str> = types.map(|ty| ty.name).collect();
        return match nearest::nearest(ty, types.iter().copied()) {
            Some(name) => format!("; did you mean type `{name}`?"),
            None => String::new(),
        };
    }
    match nearest::nearest(field, candidates.iter().map(String::as_str)) {
        Some(name) => format!("; did you mean `{ty}.{name}`?"),
        None => String::new(),
    }
}

fn place(field: &Declared) -> String {
    let Declared { offset, len, .. } = field;
    if offset % 8 == 0 && len % 8 == 0 {
        return format!("offset {}, {} bytes", offset / 8, len / 8);
    }
    format!("offset {}, bit {}, {len} bits", offset / 8, offset % 8)
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Automatic => "automatic: nothing else is possible",
        Source::StateMap => "state map of the family",
        Source::Override => "override",
    }
}

fn print(out: &mut impl Write, field: &str, explained: &Explanation) -> std::io::Result<()> {
    let rule = explained.flat.rule;
    writeln!(
        out,
        "  {field}: {} by {}",
        rule.rule.name(),
        explained.converter
    )?;
    if let Some(before) = &explained.before {
        writeln!(out, "    before   {} ({})", before.ty, place(before))?;
    }
    if let Some(after) = &explained.after {
        writeln!(out, "    after    {} ({})", after.ty, place(after))?;
    }
    writeln!(out, "    decided  {}", source(rule.source))?;
    if !rule.reason.is_empty() {
        writeln!(out, "    reason   {}", rule.reason)?;
    }
    if !rule.evidence.is_empty() {
        writeln!(out, "    evidence {}", rule.evidence)?;
    }
    if let Some(nested) = rule.nested {
        writeln!(
            out,
            "    {FAINT}goes on inside: `kconv explain {nested}.FIELD …`{FAINT:#}"
        )?;
    }
    Ok(())
}

fn to_json(explained: &Explanation) -> serde_json::Value {
    let Flat { path, rule, .. } = &explained.flat;
    json!({
        "converter": explained.converter,
        "field": path,
        "rule": rule.rule,
        "before": explained.before,
        "after": explained.after,
        "nested": rule.nested,
        "times": rule.times,
        "source": rule.source,
        "reason": rule.reason,
        "evidence": rule.evidence,
    })
}
