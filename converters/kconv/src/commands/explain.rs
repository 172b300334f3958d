//! `kconv explain TYPE.FIELD FROM TO`

use crate::arguments::Explain;
use crate::failure::Failure;
use crate::releases::Known;
use crate::style::{FAINT, HEADING};
use kconv_runtime::report::{FlatRule, flat_rules};
use kconv_runtime::table::{Bits, Converter, Source};
use kernel_structs::nearest;
use serde_json::json;
use std::io::Write;

/// What one converter does with the field.
struct Explanation {
    converter: &'static Converter,
    flat: FlatRule,
}

pub(crate) fn run(arguments: &Explain) -> Result<(), Failure> {
    let Some((ty, field)) = arguments.field.split_once('.') else {
        return Err(Failure::NotAField {
            given: arguments.field.clone(),
        });
    };
    let known = Known::new()?;
    let route = &arguments.route;
    let mut out = anstream::stdout().lock();
    let mut shown = Vec::new();
    for (from, to) in known.pairs(&route.from, &route.to)? {
        let chain = known.chain(from, to)?;
        let found: Vec<_> = chain
            .iter()
            .flat_map(|converter| explanations(converter, ty, field))
            .collect();
        if found.is_empty() && !chain.is_empty() {
            return Err(Failure::NoRule {
                field: arguments.field.clone(),
                from: from.name.clone(),
                to: to.name.clone(),
                nearest: nearest_field(&chain, ty, field),
            });
        }
        if route.json {
            let rules: Vec<_> = found.iter().map(to_json).collect();
            shown.push(json!({ "from": from.name, "to": to.name, "rules": rules }));
            continue;
        }
        writeln!(out, "{HEADING}{} -> {}{HEADING:#}", from.name, to.name)?;
        if chain.is_empty() {
            writeln!(
                out,
                "  same layout ({}): every field is carried",
                from.layout.0
            )?;
        }
        for explanation in &found {
            print(&mut out, &arguments.field, explanation)?;
        }
    }
    if route.json {
        writeln!(out, "{:#}", json!(shown))?;
    }
    Ok(())
}

/// The rules for `field` of `ty`, and for what is inside it.
fn explanations(converter: &'static Converter, ty: &str, field: &str) -> Vec<Explanation> {
    let Some(ty) = converter.find(ty) else {
        return Vec::new();
    };
    let rules = flat_rules(converter, ty);
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
    chosen
        .into_iter()
        .map(|flat| Explanation {
            converter,
            flat: flat.clone(),
        })
        .collect()
}

fn nearest_field(chain: &[&'static Converter], ty: &str, field: &str) -> String {
    let fields = chain
        .iter()
        .filter_map(|converter| Some((converter, converter.find(ty)?)))
        .flat_map(|(converter, ty)| flat_rules(converter, ty))
        .map(|flat| flat.path);
    let candidates: Vec<String> = fields.collect();
    if candidates.is_empty() {
        let types = chain.iter().flat_map(|converter| converter.types);
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

fn place(bits: Option<Bits>) -> String {
    match bits {
        None => String::from("(none)"),
        Some(Bits { offset, len }) if offset % 8 == 0 && len % 8 == 0 => {
            format!("offset {}, {} bytes", offset / 8, len / 8)
        }
        Some(Bits { offset, len }) => {
            format!("offset {}, bit {}, {len} bits", offset / 8, offset % 8)
        }
    }
}

fn source(source: Source) -> &'static str {
    match source {
        Source::Automatic => "automatic: nothing else is possible",
        Source::StateMap => "state map of the family",
        Source::Override => "override of the converter",
    }
}

fn print(out: &mut impl Write, field: &str, explained: &Explanation) -> std::io::Result<()> {
    let FlatRule { rule, from, to, .. } = &explained.flat;
    writeln!(
        out,
        "  {field}: {} by {}",
        rule.rule.name(),
        explained.converter.name
    )?;
    if !rule.from_type.is_empty() {
        writeln!(out, "    before   {} ({})", rule.from_type, place(*from))?;
    }
    if !rule.to_type.is_empty() {
        writeln!(out, "    after    {} ({})", rule.to_type, place(*to))?;
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
    let FlatRule {
        path,
        rule,
        from,
        to,
    } = &explained.flat;
    json!({
        "converter": explained.converter.name,
        "field": path,
        "rule": rule.rule,
        "from": from,
        "to": to,
        "from_type": rule.from_type,
        "to_type": rule.to_type,
        "nested": rule.nested,
        "times": rule.times,
        "source": rule.source,
        "reason": rule.reason,
        "evidence": rule.evidence,
    })
}
