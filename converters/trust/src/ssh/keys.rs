//! Keys: one line for the public half (sshd(8), AUTHORIZED_KEYS), PROTOCOL.key of OpenSSH for the private one.

use super::wire::{self, Reader, armor, dearmor};
use base64ct::{Base64, Base64Unpadded, Encoding};
use ed25519_compact::{KeyPair, Seed};
use sha2::{Digest, Sha256};

/// The one kind of key that is known here.
pub(crate) const KIND: &str = "ssh-ed25519";

const PRIVATE: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A public key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(pub(crate) [u8; 32]);

impl PublicKey {
    /// As it stands in signatures and lines (RFC 8709, section 4).
    pub(crate) fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        wire::string(&mut blob, KIND.as_bytes());
        wire::string(&mut blob, &self.0);
        blob
    }

    /// The key in a blob.
    pub(crate) fn from_blob(blob: &[u8]) -> Result<PublicKey, String> {
        let mut reader = Reader(blob);
        reader.expect(KIND, "the kind of the key")?;
        let key = PublicKey(reader.array("the key")?);
        reader.end()?;
        Ok(key)
    }

    /// What `ssh-keygen -l` calls it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.blob());
        format!(
            "SHA256:{}",
            Base64Unpadded::encode_string(digest.as_slice())
        )
    }

    /// A line of a `.pub` file.
    pub(crate) fn line(&self, comment: &str) -> String {
        format!("{KIND} {} {comment}\n", Base64::encode_string(&self.blob()))
    }

    /// Whether it made this signature of this message.
    pub(crate) fn verifies(&self, message: &[u8], signature: [u8; 64]) -> bool {
        ed25519_compact::PublicKey::new(self.0)
            .verify(message, &ed25519_compact::Signature::new(signature))
            .is_ok()
    }
}

/// A private key.
pub(crate) struct PrivateKey {
    pair: KeyPair,
    /// Whose it is.
    pub(crate) comment: String,
}

impl PrivateKey {
    /// The key of a seed.
    pub(crate) fn from_seed(seed: [u8; 32], comment: String) -> PrivateKey {
        PrivateKey {
            pair: KeyPair::from_seed(Seed::new(seed)),
            comment,
        }
    }

    /// Its public half.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey(*self.pair.pk)
    }

    /// What all of it comes from.
    #[cfg(feature = "openpgp")]
    pub(crate) fn seed(&self) -> [u8; 32] {
        *self.pair.sk.seed()
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        *self.pair.sk.sign(message, None)
    }

    /// The file that ssh-keygen reads, without a passphrase. `check` is any number.
    pub(crate) fn file(&self, check: u32) -> String {
        let public = self.public();
        let mut secret = Vec::new();
        secret.extend(check.to_be_bytes());
        secret.extend(check.to_be_bytes());
        wire::string(&mut secret, KIND.as_bytes());
        wire::string(&mut secret, &public.0);
        wire::string(&mut secret, &*self.pair.sk);
        wire::string(&mut secret, self.comment.as_bytes());
        secret.extend((1..).take(secret.len().next_multiple_of(8) - secret.len()));

        let mut bytes = MAGIC.to_vec();
        wire::string(&mut bytes, b"none");
        wire::string(&mut bytes, b"none");
        wire::string(&mut bytes, b"");
        bytes.extend(1_u32.to_be_bytes());
        wire::string(&mut bytes, &public.blob());
        wire::string(&mut bytes, &secret);
        armor(&bytes, PRIVATE)
    }

    /// The key in such a file.
    pub(crate) fn parse(text: &str) -> Result<PrivateKey, String> {
        let (bytes, rest) = dearmor(text, PRIVATE)?;
        if !rest.is_empty() {
            return Err("something stands behind the key".to_owned());
        }
        let bytes = bytes
            .strip_prefix(MAGIC)
            .ok_or("it does not begin with `openssh-key-v1`")?;
        let mut reader = Reader(bytes);
        let cipher = reader.string()?;
        if cipher != b"none" {
            return Err(format!(
                "it has a passphrase (cipher {}); a key that is used unattended has none",
                wire::printable(cipher)
            ));
        }
        reader.expect("none", "the derivation of the passphrase")?;
        reader.expect("", "the options of the derivation")?;
        match reader.u32()? {
            1 => {}
            number => return Err(format!("it holds {number} keys, expected 1")),
        }
        let public = PublicKey::from_blob(reader.string()?)?;
        let secret = reader.string()?;
        reader.end()?;

        let mut reader = Reader(secret);
        if reader.u32()? != reader.u32()? {
            return Err("its check numbers differ: it is damaged".to_owned());
        }
        reader.expect(KIND, "the kind of the key")?;
        let again: [u8; 32] = reader.array("the public key")?;
        let secret: [u8; 64] = reader.array("the private key")?;
        let comment = String::from_utf8_lossy(reader.string()?).into_owned();
        let expected: Vec<u8> = (1..).take(reader.0.len()).collect();
        if reader.0.len() >= 8 || reader.0 != expected {
            return Err("its padding is not 1, 2, 3, …: it is damaged".to_owned());
        }
        let (seed, third) = secret.split_at(32);
        let mut own = [0; 32];
        own.copy_from_slice(seed);
        let key = PrivateKey::from_seed(own, comment);
        // A private half that is not that of the public one would give itself away (RFC 8032, 8.): the
        // public key is part of what is signed.
        match [&again[..], third, &key.public().0[..]] == [&public.0[..]; 3] {
            true => Ok(key),
            false => Err("its two halves do not belong together: it is damaged".to_owned()),
        }
    }
}
