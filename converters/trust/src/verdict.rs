//! What is said of a signature.

use crate::Reason;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is known of one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The file that has it.
    pub place: PathBuf,
    /// The key, by what ssh-keygen or gpg calls it; empty if that is not known.
    pub key: String,
    /// Whose the key is, if it is trusted.
    pub signer: Option<String>,
    /// When it was made, where a signature says that: those of ssh do not.
    pub made: Option<String>,
    /// Whether it holds.
    pub standing: Standing,
}

impl Verdict {
    /// Of a signature whose key is not known.
    pub(crate) fn keyless(place: PathBuf, standing: Standing) -> Verdict {
        Verdict {
            place,
            key: String::new(),
            signer: None,
            made: None,
            standing,
        }
    }
}

/// Whether a signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is one of these bytes, by a key that is trusted.
    Trusted,
    /// Nothing is wrong with it, as far as that can be told; but it says nothing here.
    Unknown(Reason),
    /// It is wrong. Whoever put it there, the image is not to be used.
    Bad(Reason),
}

/// Where a signature of an image lies.
pub(crate) fn beside(image: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(image);
    name.push(ending);
    PathBuf::from(name)
}
