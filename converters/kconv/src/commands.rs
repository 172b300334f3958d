//! One module for each command: it reads arguments, calls the library and prints.

pub(crate) mod convert;
pub(crate) mod explain;
pub(crate) mod freeze;
pub(crate) mod inspect;
pub(crate) mod keygen;
pub(crate) mod path;
pub(crate) mod preflight;
pub(crate) mod sign;
pub(crate) mod thaw;
pub(crate) mod upgrade;
pub(crate) mod verify;

use kconv_image::{Holes, Image, ImageFile, remove_file};
use kconv_runtime::convert::Job;
use kconv_runtime::error::ConvertError;
use kconv_runtime::table::Converter;
use kconv_trust::Signatures;
use std::path::{Path, PathBuf};

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

/// Where the image as it was frozen is kept: should the next kernel not start, it is the one that
/// the running kernel can thaw.
pub(crate) fn beside(image: &Path, release: &str) -> PathBuf {
    let mut name = image.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{release}"));
    image.with_file_name(name)
}

/// Removes images and their signatures, as far as they are there.
pub(crate) fn remove(images: &[&Path]) -> Result<(), crate::failure::Failure> {
    for image in images {
        let signatures = Signatures::places(image);
        for path in [*image]
            .into_iter()
            .chain(signatures.iter().map(PathBuf::as_path))
        {
            remove_file(path).map_err(ConvertError::from)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_an_upgrade_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("upgrade.img");
        let frozen = beside(&image, "6.1.0-47-amd64");
        assert_eq!(frozen, folder.path().join("upgrade.img.6.1.0-47-amd64"));
        let all = [
            "upgrade.img",
            "upgrade.img.sig",
            "upgrade.img.asc",
            "upgrade.img.6.1.0-47-amd64",
            "upgrade.img.6.1.0-47-amd64.sig",
        ];
        for name in all.into_iter().chain(["upgrade.img.mine"]) {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        remove(&[&image, &frozen]).unwrap();
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["upgrade.img.mine"]);
        remove(&[&image, &frozen]).unwrap();
    }
}
