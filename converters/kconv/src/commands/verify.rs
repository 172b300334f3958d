//! `kconv verify IMAGE`

use crate::arguments::Verify;
use crate::failure::Failure;
use crate::releases::Known;
use crate::soundness;
use kconv_image::{Fault, Image, ImageError};
use kconv_tasks::View;
use serde_json::json;
use std::io::Write;

pub(crate) fn run(arguments: &Verify) -> Result<(), Failure> {
    let findings = match Image::open(&arguments.image) {
        Ok(image) => of_image(image)?,
        Err(error) if is_unreadable(&error) => return Err(error.into()),
        Err(error) => vec![error.to_string()],
    };
    let mut out = anstream::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", json!({ "findings": findings }))?;
        return match findings.len() {
            0 => Ok(()),
            count => Err(Failure::Reported { count }),
        };
    }
    if !findings.is_empty() {
        return Err(Failure::Findings {
            image: arguments.image.clone(),
            findings,
        });
    }
    if !arguments.quiet {
        writeln!(
            out,
            "{}: whole; every digest, object and pointer is in order",
            arguments.image.display()
        )?;
    }
    Ok(())
}

/// Whether the file is not an image at all, as opposed to a broken one.
fn is_unreadable(error: &ImageError) -> bool {
    matches!(
        error.fault,
        Fault::Open(_)
            | Fault::Read { .. }
            | Fault::NotAFile
            | Fault::NotElf { .. }
            | Fault::NotACore { .. }
            | Fault::NotAnImage
            | Fault::Machine { .. }
            | Fault::Endianness { .. }
            | Fault::Version { .. }
    )
}

fn of_image(image: Image) -> Result<Vec<String>, Failure> {
    let findings: Vec<String> = image
        .verify(kconv_image::Verify::Everything)
        .iter()
        .map(ToString::to_string)
        .collect();
    if !findings.is_empty() {
        return Ok(findings);
    }
    let known = Known::new()?;
    let layout = known.layout_of(&image)?;
    let map = known.registry.state_map(&image.head().identity.family)?;
    let mut findings = soundness::resources(image.head());
    findings.extend(soundness::check(&View::new(&image, &layout, &map)?, &map));
    Ok(findings)
}
