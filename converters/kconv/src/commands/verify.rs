//! `kconv verify IMAGE…`

use crate::arguments::Verify;
use crate::exit;
use crate::failure::Failure;
use crate::soundness;
use kconv_image::{Escaped, Holes, Image, ImageFile};
use kconv_trust::{Config, Signatures, Standing, Verdict};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// What there is to say of an image.
struct Verified {
    findings: Vec<String>,
    signatures: Vec<Verdict>,
}

pub(crate) fn run(arguments: &Verify, config: Option<&Path>) -> Result<(), Failure> {
    let config = Config::read(config)?;
    let holes = arguments.sparse.holes();
    let mut failures = Vec::new();
    let mut all = Vec::new();
    for image in &arguments.images {
        let verified = verified(image, holes, &config);
        if arguments.json {
            all.push(as_json(image, &verified));
        }
        let failure = match verified {
            Err(failure) => failure,
            Ok(Verified { findings, .. }) if !findings.is_empty() => match arguments.json {
                true => Failure::Reported {
                    count: findings.len(),
                },
                false => Failure::Findings {
                    image: image.clone(),
                    findings,
                },
            },
            Ok(verified) => {
                if !arguments.quiet && !arguments.json {
                    print(&mut anstream::stdout().lock(), image, &verified)?;
                }
                continue;
            }
        };
        if arguments.images.len() > 1 {
            failure.print();
        }
        failures.push(failure);
    }
    if arguments.json {
        writeln!(anstream::stdout().lock(), "{:#}", json!(all))?;
    }
    match (failures.len(), arguments.images.len()) {
        (0, _) => Ok(()),
        (1, 1) => failures.pop().map_or(Ok(()), Err),
        (failed, all) => {
            let codes = failures.iter().map(Failure::exit_code);
            Err(Failure::OfImages {
                failed,
                all,
                code: codes.max().unwrap_or(exit::FINDINGS),
            })
        }
    }
}

fn verified(path: &Path, holes: Holes, config: &Config) -> Result<Verified, Failure> {
    let file = ImageFile::open_with(path, holes)?;
    let found = Signatures::beside(path)?;
    let (image, signatures) = match found.is_empty() {
        // What claims to be long and is no image is not read to its end.
        true => (Image::of_file(file), Vec::new()),
        false => {
            let mut passing = found.begin();
            let file = file.pass(&mut |bytes| passing.take(bytes))?;
            (Image::of_passed(file), passing.end(config))
        }
    };
    let mut findings = match image {
        Ok(image) => soundness::of_image(&image, kconv_image::Verify::Everything)?,
        Err(error) if exit::is_unreadable(&error) => return Err(error.into()),
        Err(error) => vec![error.to_string()],
    };
    findings.extend(signatures.iter().filter_map(finding));
    Ok(Verified {
        findings,
        signatures,
    })
}

/// An image in which nothing is wrong.
fn print(out: &mut impl Write, image: &Path, verified: &Verified) -> io::Result<()> {
    writeln!(
        out,
        "{}: whole; every digest, object and pointer is in order",
        image.display()
    )?;
    for signature in &verified.signatures {
        writeln!(out, "{}", said(signature))?;
    }
    if verified.signatures.is_empty() {
        writeln!(out, "nobody signed it")?;
    }
    Ok(())
}

fn as_json(image: &Path, verified: &Result<Verified, Failure>) -> Value {
    let image = image.to_string_lossy();
    match verified {
        Ok(Verified {
            findings,
            signatures,
        }) => {
            let signatures: Vec<Value> = signatures.iter().map(shown).collect();
            json!({ "image": image, "findings": findings, "signatures": signatures })
        }
        Err(failure) => json!({ "image": image, "error": failure.text() }),
    }
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
