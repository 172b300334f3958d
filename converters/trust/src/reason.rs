//! Why a signature is not good.

/// Why a signature is refused, or cannot be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// It is no signature.
    #[error("is no signature that can be read: {0}")]
    Malformed(String),
    /// Something stands behind it.
    #[error("something stands behind the signature, at byte {0}")]
    Trailing(usize),
    /// There is nothing in the file.
    #[error("the file of the signature is empty")]
    Empty,
    /// It was made over other bytes, or by another key than it says, or was edited.
    #[error(
        "does not fit: the image was changed after it was signed, or it is the signature of another file"
    )]
    DoesNotFit,
    /// It was made for something else than images.
    #[error("was made for `{found}`, not for `{expected}`")]
    Namespace {
        /// What it was made for.
        found: String,
        /// What images are signed for.
        expected: &'static str,
    },
    /// Its kind is not known here.
    #[error("{what} is not known here")]
    Unsupported {
        /// The algorithm, version or kind.
        what: String,
    },
    /// This program has no OpenPGP.
    #[error("this kconv was built without OpenPGP")]
    NoOpenPgp,
    /// Nobody here trusts the key.
    #[error("its key is not trusted here")]
    UnknownKey,
    /// The signature itself has expired.
    #[error("the signature expired on {0}")]
    Expired(String),
    /// It was made in what is still to come.
    #[error("the signature was made on {0}, which is still to come by the clock of this machine")]
    NotYet(String),
    /// The key has expired.
    #[error("the key expired on {0}")]
    KeyExpired(String),
    /// The line of the key is not valid yet.
    #[error("the key is not valid before {0}")]
    KeyNotYet(String),
    /// Its owner revoked the key.
    #[error("the key was revoked")]
    KeyRevoked,
    /// The key is there for other things.
    #[error("the key is not one that signs")]
    KeyDoesNotSign,
    /// The hash is one that can be forged.
    #[error("its hash {0} is too weak")]
    Weak(String),
}

impl Reason {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Reason::Malformed(_) | Reason::Trailing(_) | Reason::Empty => {
                "fetch the signature again from where it was made, or sign the image anew"
            }
            Reason::DoesNotFit => {
                "fetch image and signature again from where they were made, and find out who changed them"
            }
            Reason::Namespace { .. } => "sign with `ssh-keygen -Y sign -n kconv-image`",
            Reason::Unsupported { .. } => {
                "sign with an ed25519 key, or with `kconv sign`, which does"
            }
            Reason::NoOpenPgp => {
                "install kconv with converters/install, or build it with `--features openpgp`; or sign the image \
                 with `kconv sign`, or ssh-keygen, as well"
            }
            Reason::UnknownKey => {
                "if you know whose key it is, put its public half into trusted.d of /etc/kconv; or say --trust-file"
            }
            Reason::Expired(_) | Reason::KeyExpired(_) | Reason::KeyNotYet(_) => {
                "sign the image anew with a key that is valid"
            }
            Reason::NotYet(_) => "set the clock of this machine",
            Reason::KeyRevoked => "find out why the key was revoked before you sign the image anew",
            Reason::KeyDoesNotSign | Reason::Weak(_) => {
                "sign the image anew, with a key that signs and SHA-256 or better"
            }
        }
    }
}
