//! A certificate: who may sign for it, and until when.

use super::armor::{Dearmored, packets};
use crate::{Reason, times};
use pgp::composed::{Deserializable, SignedPublicKey};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Tag, VerifyingKey};

/// What an RSA key of 2048 bits takes: two lengths, the modulus, and an exponent of a byte at least.
const SMALLEST_RSA: usize = 2 + 256 + 2 + 1;

/// An OpenPGP certificate.
pub(crate) struct Certificate {
    key: SignedPublicKey,
}

/// A key that made a signature, and what stands against it.
pub(super) struct Issuer<'a> {
    pub(super) key: &'a dyn VerifyingKey,
    pub(super) valid: Result<(), Reason>,
}

impl Certificate {
    /// The certificates in a file.
    pub(crate) fn parse_all(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
        let bytes = match packets(bytes, "PUBLIC KEY BLOCK")? {
            Dearmored::Packets(bytes) => bytes,
            Dearmored::Trailing(at) => {
                return Err(format!(
                    "something stands behind the certificate, at byte {at}"
                ));
            }
        };
        let found = SignedPublicKey::from_bytes_many(&bytes[..]).map_err(said)?;
        let mut all = Vec::new();
        for key in found {
            all.push(Certificate {
                key: key.map_err(said)?,
            });
        }
        match all.is_empty() {
            true => Err("there is no certificate in it".to_owned()),
            false => Ok(all),
        }
    }

    /// What gpg calls it.
    pub(crate) fn fingerprint(&self) -> String {
        hexadecimal(&self.key)
    }

    /// Its first user.
    pub(crate) fn name(&self) -> Option<String> {
        let user = self.key.details.users.first()?;
        Some(String::from_utf8_lossy(user.id.id()).into_owned())
    }

    /// The key of it that is named by all that a signature says of who made it.
    pub(super) fn issuer(
        &self,
        is_named: impl Fn(&dyn KeyDetails) -> bool,
        now: u64,
    ) -> Option<Issuer<'_>> {
        let primary = &self.key.primary_key;
        let of_primary = || match self.revoked() {
            true => Err(Reason::KeyRevoked),
            false => self.primary(now),
        };
        if is_named(primary) {
            return Some(Issuer {
                key: primary,
                valid: of_primary().and_then(|newest| {
                    usable(primary)?;
                    signs(newest)
                }),
            });
        }
        let mut subkeys = self.key.public_subkeys.iter();
        let subkey = subkeys.find(|subkey| is_named(&subkey.key))?;
        Some(Issuer {
            key: &subkey.key,
            // A subkey is worth what the key is that bound it.
            valid: of_primary().and_then(|_| {
                usable(&subkey.key)?;
                self.subkey(subkey, now)
            }),
        })
    }

    /// Whether its owner took it back. A revocation that does not verify counts as one: nobody has a reason to keep a
    /// certificate with it.
    fn revoked(&self) -> bool {
        !self.key.details.revocation_signatures.is_empty()
    }

    /// The newest that the key says of itself, if it holds now.
    fn primary(&self, now: u64) -> Result<&Signature, Reason> {
        let primary = &self.key.primary_key;
        let details = &self.key.details;
        let direct = details
            .direct_signatures
            .iter()
            .filter(|signature| signature.verify_key(primary).is_ok());
        let of_users = details.users.iter().flat_map(|user| {
            let of_user = user.signatures.iter();
            of_user.filter(|signature| {
                signature.typ() != Some(SignatureType::CertRevocation)
                    && signature
                        .verify_certification(primary, Tag::UserId, &user.id)
                        .is_ok()
            })
        });
        let newest = direct
            .chain(of_users)
            .filter(|signature| created(signature) <= now)
            .max_by_key(|signature| created(signature))
            .ok_or_else(|| {
                Reason::Malformed("its certificate does not vouch for itself".to_owned())
            })?;
        lasts(primary, newest, now)?;
        Ok(newest)
    }

    fn subkey(&self, subkey: &pgp::composed::SignedPublicSubKey, now: u64) -> Result<(), Reason> {
        let primary = &self.key.primary_key;
        let is_revoked =
            |signature: &Signature| signature.typ() == Some(SignatureType::SubkeyRevocation);
        if subkey.signatures.iter().any(is_revoked) {
            return Err(Reason::KeyRevoked);
        }
        let newest = subkey
            .signatures
            .iter()
            .filter(|signature| {
                signature.typ() == Some(SignatureType::SubkeyBinding)
                    && created(signature) <= now
                    && signature
                        .verify_subkey_binding(primary, &subkey.key)
                        .is_ok()
            })
            .max_by_key(|signature| created(signature))
            .ok_or_else(|| Reason::Malformed("its subkey is not bound to its key".to_owned()))?;
        lasts(&subkey.key, newest, now)?;
        signs(newest)?;
        // Without this, anybody could bind somebody else's signing key to his own (RFC 9580, 5.2.1.9).
        let agreed = newest.embedded_signature().is_some_and(|back| {
            back.verify_primary_key_binding(&subkey.key, primary)
                .is_ok()
        });
        match agreed {
            true => Ok(()),
            false => Err(Reason::Malformed(
                "its subkey does not agree to be one".to_owned(),
            )),
        }
    }
}

fn created(signature: &Signature) -> u64 {
    signature.created().map_or(0, |at| u64::from(at.as_secs()))
}

/// That what a signature says of how long a key lasts is not over.
fn lasts(key: &impl KeyDetails, signature: &Signature, now: u64) -> Result<(), Reason> {
    let Some(time) = signature
        .key_expiration_time()
        .filter(|time| time.as_secs() > 0)
    else {
        return Ok(());
    };
    let end = u64::from(key.created_at().as_secs()) + u64::from(time.as_secs());
    match now < end {
        true => Ok(()),
        false => Err(Reason::KeyExpired(times::text(end))),
    }
}

fn signs(signature: &Signature) -> Result<(), Reason> {
    match signature.key_flags().sign() {
        true => Ok(()),
        false => Err(Reason::KeyDoesNotSign),
    }
}

/// That the key is of a kind that is known here and cannot be broken.
fn usable(key: &impl KeyDetails) -> Result<(), Reason> {
    match key.algorithm() {
        PublicKeyAlgorithm::EdDSALegacy | PublicKeyAlgorithm::Ed25519 => Ok(()),
        PublicKeyAlgorithm::RSA | PublicKeyAlgorithm::RSASign => {
            match key.public_params().write_len() >= SMALLEST_RSA {
                true => Ok(()),
                false => Err(Reason::Weak("an RSA key of less than 2048 bits".to_owned())),
            }
        }
        other => Err(Reason::Unsupported {
            what: format!("a key of kind {other:?}"),
        }),
    }
}

/// What rPGP says, without what it knows of itself.
pub(super) fn said(error: pgp::errors::Error) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The fingerprint of a key as gpg prints it.
pub(super) fn hexadecimal(key: &(impl KeyDetails + ?Sized)) -> String {
    letters(key.fingerprint().as_bytes())
}

/// Bytes as gpg prints those of a key.
pub(super) fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
