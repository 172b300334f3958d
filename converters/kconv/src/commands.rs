//! One module for each command: it reads arguments, calls the library and prints.

pub(crate) mod check;
pub(crate) mod convert;
pub(crate) mod explain;
pub(crate) mod forget;
pub(crate) mod freeze;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod list;
pub(crate) mod path;
pub(crate) mod preflight;
mod queued;
pub(crate) mod reserve;
pub(crate) mod retry;
pub(crate) mod sign;
pub(crate) mod status;
pub(crate) mod thaw;
pub(crate) mod unit;
pub(crate) mod upgrade;
pub(crate) mod verify;

use kconv_image::{Holes, Image, ImageFile};
use kconv_runtime::convert::Job;
use kconv_runtime::table::Converter;
use std::path::Path;

/// Name and version of this tool, for the provenance of images.
pub(crate) const TOOL: &str = concat!("kconv ", env!("CARGO_PKG_VERSION"));

/// The job that takes an image to `target` by `chain`; nobody has signed the image.
pub(crate) fn job(chain: Vec<&'static Converter>, target: kconv_image::KernelId) -> Job {
    Job {
        chain,
        target,
        tool: TOOL.to_owned(),
        signers: Vec::new(),
    }
}

/// Opens an image.
pub(crate) fn open(path: &Path, holes: Holes) -> Result<Image, crate::failure::Failure> {
    Ok(Image::of_file(ImageFile::open_with(path, holes)?)?)
}
