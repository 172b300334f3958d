//! OpenPGP (RFC 9580), by rPGP: certificates, detached signatures and keys.
//!
//! rPGP reads packets and does the arithmetic. What counts is decided here, and strictly: a certificate is judged
//! as it stands now, whatever a signature says of when it was made, and a signature is written in one way, so that
//! no byte of it can be changed unseen.

mod armor;
mod certificate;
mod secret;
mod signature;

pub(crate) use certificate::Certificate;
pub(crate) use secret::{SecretKey, Signing};
pub(crate) use signature::Passing;
