//! `kconv verify IMAGE`

use crate::arguments::Verify;
use crate::failure::Failure;
use crate::soundness;
use kconv_image::{Escaped, Fault, Image, ImageError, ImageFile};
use kconv_trust::{Config, Signatures, Standing, Verdict};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(arguments: &Verify, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::read(config)?;
    let file = ImageFile::open_with(&arguments.image, arguments.sparse.holes())?;
    let found = Signatures::beside(&arguments.image)?;
    let (image, signatures) = match found.is_empty() {
        // What claims to be long and is no image is not read to its end.
        true => (Image::of_file(file), Vec::new()),
        false => {
            let mut passing = found.begin();
            let file = file.pass(&mut |bytes| passing.take(bytes))?;
            (Image::of_passed(file), passing.end(&config))
        }
    };
    let mut findings = match image {
        Ok(image) => soundness::of_image(&image, kconv_image::Verify::Everything)?,
        Err(error) if is_unreadable(&error) => return Err(error.into()),
        Err(error) => vec![error.to_string()],
    };
    findings.extend(signatures.iter().filter_map(finding));
    let mut out = anstream::stdout().lock();
    if arguments.json {
        writeln!(
            out,
            "{:#}",
            json!({ "findings": findings, "signatures": signatures.iter().map(shown).collect::<Vec<_>>() })
        )?;
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
        for signature in &signatures {
            writeln!(out, "{}", said(signature))?;
        }
        if signatures.is_empty() {
            writeln!(out, "nobody signed it")?;
        }
    }
    Ok(())
}

/// What is wrong with a signature; nothing, if a key that is trusted made it.
fn finding(of: &Verdict) -> Option<String> {
    match &of.standing {
        Standing::Trusted => None,
        Standing::Unknown(reason) | Standing::Bad(reason) => {
            let key = match of.key.as_str() {
                "" => String::new(),
                key => format!(" (key {key})"),
            };
            Some(format!("{}{key}: {reason}", of.place.display()))
        }
    }
}

/// A signature that holds.
fn said(of: &Verdict) -> String {
    let signer = of.signer.as_deref().unwrap_or_default();
    let made = match &of.made {
        Some(made) => format!(", on {made}"),
        None => String::new(),
    };
    format!(
        "{}: signed by {} (key {}){made}, who is trusted here",
        of.place.display(),
        Escaped(signer),
        of.key
    )
}

fn shown(of: &Verdict) -> Value {
    let (standing, reason) = match &of.standing {
        Standing::Trusted => ("trusted", None),
        Standing::Unknown(reason) => ("unknown", Some(reason.to_string())),
        Standing::Bad(reason) => ("bad", Some(reason.to_string())),
    };
    json!({
        "file": of.place.to_string_lossy(),
        "key": of.key,
        "signer": of.signer,
        "made": of.made,
        "standing": standing,
        "reason": reason,
    })
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
