//! `kconv inspect IMAGE`

use crate::arguments::Inspect;
use crate::failure::Failure;
use crate::inspect::tasks::Tasks;
use crate::inspect::values::value_json;
use crate::inspect::view::{View, symbol_text};
use crate::inspect::{raw, show};
use crate::releases::Known;
use kconv_image::ObjectId;
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(arguments: &Inspect) -> Result<(), Failure> {
    let image = super::open(&arguments.image)?;
    let known = Known::new()?;
    let layout = known.layout_of(&image)?;
    let map = known.registry.state_map(&image.head().identity.family)?;
    let view = View::new(&image, &layout, &map)?;
    let mut out = std::io::BufWriter::new(anstream::stdout().lock());
    if let Some(ty) = &arguments.ty {
        let ids = view.objects.ids_of(ty);
        if ids.is_empty() {
            return Err(Failure::NoType {
                image: arguments.image.clone(),
                ty: ty.clone(),
                known: view.objects.head().types.join(", "),
            });
        }
        objects(&mut out, &view, ids, arguments.json)?;
    } else if let Some(address) = arguments.object {
        let Some((id, _)) = view.objects.object_at(address) else {
            return Err(Failure::NoObject {
                image: arguments.image.clone(),
                address,
            });
        };
        objects(&mut out, &view, &[id], arguments.json)?;
    } else {
        tasks(&mut out, &view, arguments)?;
    }
    Ok(out.flush()?)
}

fn tasks(out: &mut impl Write, view: &View<'_>, arguments: &Inspect) -> Result<(), Failure> {
    let mut tasks = Tasks::of(view)?;
    if let Some(pid) = arguments.task {
        let known: Vec<_> = tasks.rows().iter().map(|row| row.pid.to_string()).collect();
        tasks.keep(i64::from(pid));
        if tasks.rows().is_empty() {
            return Err(Failure::NoTask {
                image: arguments.image.clone(),
                pid,
                known: known.join(", "),
            });
        }
    }
    if arguments.json {
        let mut shown = match arguments.task {
            Some(_) => json!({}),
            None => image(view),
        };
        shown["tasks"] = tasks.json();
        writeln!(out, "{shown:#}")?;
    } else if arguments.task.is_some() {
        tasks.show(out, view.objects.head())?;
    } else {
        show::list(out, view.objects.head(), &tasks.rows())?;
    }
    Ok(())
}

fn objects(
    out: &mut impl Write,
    view: &View<'_>,
    ids: &[ObjectId],
    as_json: bool,
) -> Result<(), Failure> {
    let shown: Vec<Value> = ids.iter().map(|id| raw::object(view, *id)).collect();
    if as_json {
        writeln!(out, "{:#}", json!(shown))?;
        return Ok(());
    }
    for object in &shown {
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        writeln!(
            out,
            "{} at {} ({} bytes)",
            text("type"),
            text("address"),
            object["size"]
        )?;
        tree(out, &object["fields"], 1)?;
    }
    Ok(())
}

/// Prints fields one a line, nested ones indented.
fn tree(out: &mut impl Write, fields: &Value, depth: usize) -> std::io::Result<()> {
    let indent = "  ".repeat(depth);
    let Value::Object(map) = fields else {
        return writeln!(out, "{indent}{}", leaf(fields));
    };
    for (name, value) in map {
        match value {
            Value::Object(inner) if !inner.contains_key("value") => {
                writeln!(out, "{indent}{name}")?;
                tree(out, value, depth + 1)?;
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                for (index, element) in elements.iter().enumerate() {
                    match element {
                        Value::Object(inner) if !inner.contains_key("value") => {
                            writeln!(out, "{indent}{name}[{index}]")?;
                            tree(out, element, depth + 1)?;
                        }
                        element => writeln!(out, "{indent}{name}[{index}] = {}", leaf(element))?,
                    }
                }
            }
            value => writeln!(out, "{indent}{name} = {}", leaf(value))?,
        }
    }
    Ok(())
}

/// One value: a pointer with what it means behind its number.
fn leaf(value: &Value) -> String {
    let Value::Object(pointer) = value else {
        return match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
    };
    let number = pointer["value"].as_str().unwrap_or_default();
    let meaning = ["symbol", "to", "named"]
        .into_iter()
        .find_map(|key| pointer.get(key)?.as_str())
        .unwrap_or("?");
    format!("{number} ({meaning})")
}

/// Everything but the tasks.
fn image(view: &View<'_>) -> Value {
    let head = view.objects.head();
    let identity = &head.identity;
    let kernel = |kernel: &kconv_image::KernelId| {
        json!({
            "release": kernel.release,
            "layout": kernel.layout,
            "fingerprint": kernel.fingerprint.to_string(),
            "build_id": value_json(&kconv_image::Value::Bytes(kernel.build_id.clone())),
        })
    };
    let facts: serde_json::Map<_, _> = head
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), value_json(value)))
        .collect();
    let resources: Vec<_> = head
        .resources
        .iter()
        .map(|resource| {
            let attributes: serde_json::Map<_, _> = resource
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), value_json(value)))
                .collect();
            json!({ "kind": resource.kind, "attributes": attributes })
        })
        .collect();
    let provenance: Vec<_> = head
        .provenance
        .iter()
        .map(|step| {
            json!({
                "converter": step.converter,
                "tool": step.version,
                "from": kernel(&step.from),
                "to": kernel(&step.to),
                "objects": step.objects,
                "fields": step.fields,
                "kept": step.kept,
                "restored": step.restored,
            })
        })
        .collect();
    json!({
        "image": {
            "family": identity.family,
            "machine": identity.machine.name(),
            "kernel": kernel(&identity.kernel),
            "origin": kernel(&identity.origin),
            "fingerprint": identity.kernel.fingerprint.to_string(),
        },
        "clocks": {
            "hz": head.clocks.hz,
            "jiffies": head.clocks.jiffies,
            "realtime_seconds": head.clocks.realtime_seconds,
            "realtime_nanoseconds": head.clocks.realtime_nanoseconds,
            "boottime_nanoseconds": head.clocks.boottime_nanoseconds,
        },
        "facts": facts,
        "symbols": head.symbols.iter().map(symbol_text).collect::<Vec<_>>(),
        "resources": resources,
        "remainder": head.remainder.len(),
        "provenance": provenance,
    })
}
