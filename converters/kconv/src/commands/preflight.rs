//! `kconv preflight IMAGE TO`

use super::{TOOL, job};
use crate::arguments::{Format, Preflight};
use crate::conversion;
use crate::failure::Failure;
use crate::judge;
use crate::releases::Known;
use crate::report::Account;
use crate::told::Told;
use kconv_codes::Code;
use kconv_image::{Head, TaskNames, Verify};
use kconv_runtime::error::ConvertError;
use kconv_runtime::report::Report;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;

pub(crate) fn run(arguments: &Preflight) -> Result<(), Failure> {
    let known = Known::new()?;
    let image = super::open(&arguments.image, arguments.sparse.holes())?;
    // A conversion would find the same when it copies the pages.
    if let Some(error) = image.verify(Verify::Everything).into_iter().next() {
        return Err(error.into());
    }
    let from = known.of_image(&image)?;
    let to = known.for_image(&arguments.to, &image)?;
    let job = job(known.way(&image, &to)?, known.kernel(&to)?);
    let layout = known.registry.layout(&to.layout)?;
    let (converted, refused) = match judge::converted(&image, &job, &layout, |_| Vec::new()) {
        Ok((converted, mut obstacles)) => {
            conversion::sound(&image, &job)?;
            for obstacle in judge::memory(&image, &job, &known.layout_of(&image)?)? {
                if !obstacles.contains(&obstacle) {
                    obstacles.push(obstacle);
                }
            }
            let refused = match obstacles.is_empty() {
                true => None,
                false => Some(Failure::NotThawable(obstacles)),
            };
            (Some(converted), refused)
        }
        Err(refused @ Failure::Convert(ConvertError::Refused(_))) => (None, Some(refused)),
        Err(error) => return Err(error),
    };
    let mut out = anstream::stdout().lock();
    match (arguments.format, converted) {
        (Format::Text, converted) => {
            if let Some(refused) = refused {
                return Err(refused);
            }
            if let Some(converted) = converted {
                text(&mut out, &converted.report)?;
            }
            return Ok(());
        }
        (Format::Json, converted) => {
            let mut account = Account::begin("preflight", None, &[])?;
            account.kernels = [from, to].map(|release| Some(release.name.clone()));
            account.image = Some(arguments.image.clone());
            let objects = converted.map(|converted| {
                account.converted(converted.report);
                objects(image.head(), &converted.head)
            });
            let mut shown = account.json(refused.as_ref());
            shown["objects"] = json!(objects);
            writeln!(out, "{shown:#}")?;
        }
        (Format::Sarif, _) => {
            let told = refused.as_ref().map(Failure::told).unwrap_or_default();
            writeln!(out, "{:#}", sarif(arguments, &told))?;
        }
    }
    match refused.map_or(0, |refused| refused.told().len()) {
        0 => Ok(()),
        count => Err(Failure::Reported { count }),
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
fn sarif(arguments: &Preflight, told: &[Told]) -> Value {
    let codes: BTreeSet<Code> = told.iter().map(|one| one.code).collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| json!({ "id": code.name(), "shortDescription": { "text": code.meaning() } }))
        .collect();
    let results: Vec<Value> = told.iter().map(|one| result(arguments, one)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kconv",
                "version": TOOL.trim_start_matches("kconv "),
                "rules": rules,
            }},
            "results": results,
        }],
    })
}

fn result(arguments: &Preflight, told: &Told) -> Value {
    let advice = told.advice.as_deref().unwrap_or_default();
    let place = [told.object.as_deref(), told.field.as_deref()];
    let place = place.into_iter().flatten().collect::<Vec<_>>().join(": ");
    let kind = match told.field {
        Some(_) => "member",
        None => "resource",
    };
    json!({
        "ruleId": told.code.name(),
        "level": "error",
        "message": { "text": format!("{told}. {advice}") },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": arguments.image.to_string_lossy() },
            },
            "logicalLocations": [{
                "fullyQualifiedName": format!("{}{place}", TaskNames(&told.tasks)),
                "kind": kind,
            }],
        }],
    })
}
