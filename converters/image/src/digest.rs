//! BLAKE3 digests of the parts of an image.

use std::fmt;

/// A BLAKE3 digest of a part of an image.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl From<blake3::Hash> for Digest {
    fn from(hash: blake3::Hash) -> Self {
        Digest(*hash.as_bytes())
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        blake3::hash(bytes).into()
    }

    /// The digest of a head: everything before the objects, and the notes up to this digest.
    pub(crate) fn of_head(head: &[u8], notes: &[u8]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(head);
        hasher.update(notes);
        hasher.finalize().into()
    }
}
