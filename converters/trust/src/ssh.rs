//! What OpenSSH calls keys and signatures: ed25519, which every ssh-keygen has.

mod keys;
mod signature;
mod wire;

pub(crate) use keys::{PrivateKey, PublicKey};
pub(crate) use signature::{Hash, SshSignature, parse_all, sign};
