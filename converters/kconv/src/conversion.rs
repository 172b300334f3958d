//! From one image to another, by whatever name this program was called.

use crate::both::both;
use crate::failure::Failure;
use crate::report::Account;
use crate::soundness;
use crate::trust;
use kconv_image::{Image, Verify};
use kconv_runtime::convert::{Job, convert, make};
use kconv_runtime::report::Report;
use kconv_trust::MachineKey;
use std::path::{Path, PathBuf};

/// Converts the image to a file, and signs that if there is a key. Returns the report and where the signatures are.
///
/// Whether the image means what it says ([`sound`]) is found out meanwhile: it takes as long as the conversion.
pub(crate) fn write(
    image: &Image,
    job: &Job,
    (output, key): (&Path, Option<&MachineKey>),
    account: &mut Account,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Report, Vec<PathBuf>), Failure> {
    account.keeps(&[output])?;
    account.image = Some(output.to_owned());
    if same_file(image.path(), output) {
        return Err(Failure::SameFile {
            output: output.to_owned(),
        });
    }
    let (findings, made) = both(&|| soundness::of_image(image, Verify::Objects), || {
        make(image, job, output, progress)
    });
    let (findings, made) = (findings?, made?);
    if !findings.is_empty() {
        return Err(unsound(image, findings));
    }
    let converted = made.publish()?;
    account.converted(converted.report.clone());
    let signed = trust::seal(output, converted.digest, key)?;
    Ok((converted.report, signed))
}

/// That an image means what it says: a list that never ends, or an array that is shorter than it is counted, is not handed on.
/// Of what a conversion refuses by itself it says more.
pub(crate) fn sound(image: &Image, job: &Job) -> Result<(), Failure> {
    let findings = soundness::of_image(image, Verify::Objects)?;
    if findings.is_empty() {
        return Ok(());
    }
    convert(image, job, None, &mut |_, _| {})?;
    Err(unsound(image, findings))
}

fn unsound(image: &Image, findings: Vec<String>) -> Failure {
    Failure::Findings {
        image: image.path().to_owned(),
        findings,
    }
}

fn same_file(image: &Path, output: &Path) -> bool {
    match (image.canonicalize(), output.canonicalize()) {
        (Ok(image), Ok(output)) => image == output,
        _ => false,
    }
}

/// The image's own name with the release it is converted to before its ending, beside it.
pub(crate) fn default_output(image: &Path, release: &str) -> PathBuf {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let name = match image.extension() {
        Some(extension) => format!("{stem}.{release}.{}", extension.to_string_lossy()),
        None => format!("{stem}.{release}"),
    };
    image.with_file_name(name)
}
