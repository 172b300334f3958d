//! Who signed an image, and whether that is enough.
//!
//! An image is a process with its privileges in a file. What says that it is what a freeze wrote is a detached
//! signature over all of its bytes: `image.sig`, as `ssh-keygen -Y sign` makes it, and `image.asc`, of OpenPGP
//! (with the feature `openpgp`).
//!
//! - [`Signatures`]: those that lie beside an image; one pass over it checks all of them.
//! - [`Config`]: the folder with the machine's own key, the keys that are trusted, and the policy.
//! - [`MachineKey`]: makes signatures.
//! - [`nobody_else_writes`]: whether a file and its folder are the owner's alone.
//!
//! It knows neither images nor tasks: bytes are shown to it, and the numbers of users are asked of it.
//!
//! Contract of all parsers here: whatever the bytes are, an error or a value, no panic, and memory in
//! proportion to the file, of which [`MOST`] bytes are read at most.
#![forbid(unsafe_code)]

mod check;
mod config;
mod error;
mod files;
mod lines;
mod machine_key;
#[cfg(feature = "openpgp")]
mod openpgp;
mod place;
mod policy;
mod reason;
mod ssh;
mod times;
mod trusted;
mod verdict;

pub use check::{Passing, Signatures};
pub use config::{Config, DEFAULT_FOLDER};
pub use error::TrustError;
pub use files::MOST;
pub use machine_key::{MachineKey, Made, Signing};
pub use place::{Elsewhere, nobody_else_writes};
pub use policy::{Ids, Policy, Rule};
pub use reason::Reason;
pub use trusted::TrustedKey;
pub use verdict::{Standing, Verdict};

/// What signatures of ssh-keygen are made for (`-n`): one that was made for mail or for a commit is none for
/// an image.
pub const NAMESPACE: &str = "kconv-image";

/// Whether OpenPGP is known here.
pub const HAS_OPENPGP: bool = cfg!(feature = "openpgp");
