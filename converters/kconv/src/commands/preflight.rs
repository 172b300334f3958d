//! `kconv preflight IMAGE TO`

use super::{TOOL, job};
use crate::arguments::{Format, Preflight};
use crate::failure::Failure;
use crate::judge;
use crate::releases::Known;
use kconv_image::Head;
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Finding;
use kconv_runtime::report::Report;
use kconv_thaw::Obstacle;
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(arguments: &Preflight) -> Result<(), Failure> {
    let known = Known::new()?;
    let image = super::open(&arguments.image)?;
    let from = known.of_image(&image)?;
    let to = known.for_image(&arguments.to, &image)?;
    let job = job(known.converters(from, to)?, known.kernel(to)?);
    let layout = known.registry.layout(&to.layout)?;
    let (converted, findings) = match judge::converted(&image, &job, &layout) {
        Ok((converted, mut obstacles)) => {
            for obstacle in judge::memory(&image, &job, &known.layout_of(&image)?)? {
                if !obstacles.contains(&obstacle) {
                    obstacles.push(obstacle);
                }
            }
            let findings: Vec<Against> = obstacles.into_iter().map(Against::Thaw).collect();
            (Some(converted), findings)
        }
        Err(Failure::Convert(ConvertError::Refused(findings))) => (
            None,
            findings.into_iter().map(Against::Conversion).collect(),
        ),
        Err(error) => return Err(error),
    };
    let mut out = anstream::stdout().lock();
    match (arguments.format, converted) {
        (Format::Text, Some(converted)) if findings.is_empty() => {
            text(&mut out, &converted.report)?;
        }
        (Format::Text, _) => return Err(refused(findings)),
        (Format::Json, converted) => {
            let (report, objects) = match &converted {
                Some(converted) => {
                    let objects = objects(image.head(), &converted.head);
                    (json!(converted.report), json!(objects))
                }
                None => (Value::Null, Value::Null),
            };
            let shown: Vec<Value> = findings.iter().map(Against::json).collect();
            let shown = json!({ "report": report, "objects": objects, "findings": shown });
            writeln!(out, "{shown:#}")?;
        }
        (Format::Sarif, _) => writeln!(out, "{:#}", sarif(arguments, &findings))?,
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(Failure::Reported { count }),
    }
}

/// What is said against an image.
enum Against {
    /// It cannot be converted.
    Conversion(Finding),
    /// What it would be converted to cannot be thawed.
    Thaw(Obstacle),
}

/// What is said against an image, all of it by a conversion or all of it by a thaw.
fn refused(findings: Vec<Against>) -> Failure {
    let (mut conversion, mut obstacles) = (Vec::new(), Vec::new());
    for finding in findings {
        match finding {
            Against::Conversion(finding) => conversion.push(finding),
            Against::Thaw(obstacle) => obstacles.push(obstacle),
        }
    }
    match obstacles.is_empty() {
        true => ConvertError::Refused(conversion).into(),
        false => Failure::NotThawable(obstacles),
    }
}

impl Against {
    /// The rule that it breaks; of a thaw it is one.
    fn rule(&self) -> &'static str {
        match self {
            Against::Conversion(finding) => finding.rule.name(),
            Against::Thaw(_) => "thaw",
        }
    }

    fn message(&self) -> String {
        match self {
            Against::Conversion(finding) => finding.to_string(),
            Against::Thaw(obstacle) => obstacle.to_string(),
        }
    }

    fn advice(&self) -> &str {
        match self {
            Against::Conversion(finding) => finding.advice(),
            Against::Thaw(obstacle) => obstacle.advice,
        }
    }

    /// Object and field, or what could not be thawed of which tasks.
    fn place(&self) -> (String, &'static str) {
        match self {
            Against::Conversion(finding) => {
                let Finding {
                    task,
                    object,
                    field,
                    ..
                } = finding;
                (format!("{task}: {object}: {field}"), "member")
            }
            Against::Thaw(obstacle) => {
                let tasks = obstacle.tasks.iter().map(ToString::to_string);
                let tasks = tasks.collect::<Vec<_>>().join(", ");
                (format!("{tasks}: {}", obstacle.resource), "resource")
            }
        }
    }

    fn json(&self) -> Value {
        let finding = match self {
            Against::Conversion(finding) => json!(finding),
            Against::Thaw(obstacle) => json!({
                "tasks": obstacle.tasks.iter().map(|task| task.pid).collect::<Vec<_>>(),
                "resource": obstacle.resource,
                "found": obstacle.found,
                "expected": obstacle.expected,
            }),
        };
        json!({
            "rule": self.rule(),
            "finding": finding,
            "message": self.message(),
            "advice": self.advice(),
        })
    }
}

fn text(out: &mut impl Write, report: &Report) -> std::io::Result<()> {
    writeln!(
        out,
        "{} -> {}: nothing stands in the way",
        report.from, report.to
    )?;
    for account in &report.objects {
        writeln!(
            out,
            "  {:>6} {:<16} {:>9} -> {} bytes",
            account.count, account.ty, account.bytes_before, account.bytes_after
        )?;
    }
    writeln!(
        out,
        "  {} values would be kept for the way back, {} restored",
        report.kept, report.restored
    )
}

/// What would become of every object.
fn objects(old: &Head, new: &Head) -> Vec<Value> {
    let mut kept = vec![0u64; new.objects.len()];
    for entry in &new.remainder {
        kept[entry.object.0 as usize] += 1;
    }
    old.objects
        .iter()
        .zip(&new.objects)
        .zip(kept)
        .map(|((before, after), kept)| {
            json!({
                "type": old.type_name(before),
                "owner": old.object(before.owner).address.to_string(),
                "address": before.address.to_string(),
                "new_address": after.address.to_string(),
                "size": before.size,
                "new_size": after.size,
                "kept": kept,
            })
        })
        .collect()
}

/// SARIF 2.1.0: one result for each finding. An image has no lines, so that the place of a
/// result is the image with the object and field as a logical location.
fn sarif(arguments: &Preflight, findings: &[Against]) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(Against::rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| {
            let (place, kind) = finding.place();
            json!({
                "ruleId": finding.rule(),
                "level": "error",
                "message": { "text": format!("{}. {}", finding.message(), finding.advice()) },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": arguments.image.to_string_lossy() },
                    },
                    "logicalLocations": [{
                        "fullyQualifiedName": place,
                        "kind": kind,
                    }],
                }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kconv",
                "version": TOOL.trim_start_matches("kconv "),
                "rules": rules.iter().map(|rule| json!({ "id": rule })).collect::<Vec<_>>(),
            }},
            "results": results,
        }],
    })
}
