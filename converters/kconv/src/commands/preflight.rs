//! `kconv preflight IMAGE TO`

use super::{TOOL, job};
use crate::arguments::{Format, Preflight};
use crate::failure::Failure;
use crate::releases::Known;
use kconv_image::Head;
use kconv_runtime::convert::convert;
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::Finding;
use kconv_runtime::report::Report;
use serde_json::{Value, json};
use std::io::Write;

pub(crate) fn run(arguments: &Preflight) -> Result<(), Failure> {
    let known = Known::new()?;
    let image = super::open(&arguments.image)?;
    let from = known.of_image(&image)?;
    let to = known.for_image(&arguments.to, &image)?;
    let job = job(known.converters(from, to)?, known.kernel(to)?);
    let outcome = convert(&image, &job, None, &mut |_, _| ());
    let mut out = anstream::stdout().lock();
    match (outcome, arguments.format) {
        (Ok(converted), Format::Text) => text(&mut out, &converted.report)?,
        (Ok(converted), Format::Json) => {
            let objects = objects(image.head(), &converted.head);
            let report = converted.report;
            let shown = json!({ "report": report, "objects": objects, "findings": [] });
            writeln!(out, "{shown:#}")?;
        }
        (Ok(_), Format::Sarif) => writeln!(out, "{:#}", sarif(arguments, &[]))?,
        (Err(ConvertError::Refused(findings)), Format::Json) => {
            let shown: Vec<_> = findings
                .iter()
                .map(|finding| {
                    json!({
                        "finding": finding,
                        "message": finding.to_string(),
                        "advice": finding.advice(),
                    })
                })
                .collect();
            writeln!(
                out,
                "{:#}",
                json!({ "report": null, "objects": null, "findings": shown })
            )?;
            return Err(Failure::Reported {
                count: findings.len(),
            });
        }
        (Err(ConvertError::Refused(findings)), Format::Sarif) => {
            writeln!(out, "{:#}", sarif(arguments, &findings))?;
            return Err(Failure::Reported {
                count: findings.len(),
            });
        }
        (Err(error), _) => return Err(error.into()),
    }
    Ok(())
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
fn sarif(arguments: &Preflight, findings: &[Finding]) -> Value {
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule.name()).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "ruleId": finding.rule.name(),
                "level": "error",
                "message": { "text": format!("{finding}. {}", finding.advice()) },
                "locations": [{
                    "physicalLocation": {
                        "artifactLocation": { "uri": arguments.image.to_string_lossy() },
                    },
                    "logicalLocations": [{
                        "fullyQualifiedName":
                            format!("{}: {}: {}", finding.task, finding.object, finding.field),
                        "kind": "member",
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
