//! Detached signatures.

use super::armor::{Dearmored, packets};
use super::certificate::{Certificate, Issuer, letters, said};
use crate::verdict::{Standing, Verdict};
use crate::{Reason, times};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    Packet, PacketParser, PacketTrait, Signature, SignatureConfig, SignatureType,
    SignatureVersionSpecific, Subpacket, SubpacketData,
};
use pgp::types::KeyDetails;
use std::path::PathBuf;

/// How many signatures are looked at; each hashes the image for itself.
const MOST: usize = 16;

/// The bytes of an image pass by, to be held against the signatures in a file.
pub(crate) struct Passing {
    place: PathBuf,
    each: Vec<Result<One, Reason>>,
}

struct One {
    signature: Signature,
    hasher: Box<dyn digest::DynDigest + Send>,
}

impl Passing {
    /// Understands the signatures in a file.
    pub(crate) fn begin(place: PathBuf, bytes: &[u8]) -> Passing {
        Passing {
            place,
            each: parse_all(bytes),
        }
    }

    /// Takes the next bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for one in self.each.iter_mut().flatten() {
            one.hasher.update(bytes);
        }
    }

    /// What is known of each.
    pub(crate) fn end(self, keys: &[(&str, &Certificate)], now: u64) -> Vec<Verdict> {
        let place = self.place;
        let verdict = |found: Result<One, Reason>| match found {
            Ok(one) => one.verdict(place.clone(), keys, now),
            Err(reason) => Verdict::keyless(place.clone(), Standing::Bad(reason)),
        };
        self.each.into_iter().map(verdict).collect()
    }
}

fn parse_all(bytes: &[u8]) -> Vec<Result<One, Reason>> {
    if bytes.is_empty() {
        return vec![Err(Reason::Empty)];
    }
    let bytes = match packets(bytes, "SIGNATURE") {
        Ok(Dearmored::Packets(bytes)) => bytes,
        Ok(Dearmored::Trailing(at)) => return vec![Err(Reason::Trailing(at))],
        Err(what) => return vec![Err(Reason::Malformed(what))],
    };
    let mut all = Vec::new();
    let mut written = Vec::new();
    for packet in PacketParser::new(&bytes[..]) {
        let one = match packet {
            Ok(Packet::Signature(signature)) if all.len() < MOST => {
                // What is read back is what was there: there is one way to write it.
                match signature.to_writer_with_header(&mut written) {
                    Ok(()) => One::new(signature),
                    Err(error) => Err(Reason::Malformed(said(error))),
                }
            }
            Ok(Packet::Signature(_)) => Err(Reason::Malformed(format!(
                "there are more than {MOST} signatures"
            ))),
            Ok(_) if all.is_empty() => Err(Reason::Malformed(
                "it is OpenPGP, but no signature".to_owned(),
            )),
            Ok(_) => Err(Reason::Trailing(written.len())),
            Err(error) => Err(Reason::Malformed(said(error))),
        };
        let ends = one.is_err();
        all.push(one);
        if ends {
            return all;
        }
    }
    match all.is_empty() || written != bytes {
        true => vec![Err(Reason::Malformed(
            "it is not written as a signature is".to_owned(),
        ))],
        false => all,
    }
}

impl One {
    fn new(signature: Signature) -> Result<One, Reason> {
        let unsupported = |what: String| Reason::Unsupported { what };
        let config = known(&signature)?;
        let mut hasher = config
            .hash_alg
            .new_hasher()
            .map_err(|_| unsupported(format!("hash {}", config.hash_alg)))?;
        match &config.version_specific {
            SignatureVersionSpecific::V4 => {}
            SignatureVersionSpecific::V6 { salt } => {
                if config.hash_alg.salt_len() != Some(salt.len()) {
                    return Err(Reason::Malformed("its salt has a wrong length".to_owned()));
                }
                hasher.update(salt);
            }
            _ => return Err(unsupported("a signature of version 2, 3 or 5".to_owned())),
        }
        if config.typ != SignatureType::Binary {
            return Err(unsupported(format!("a signature of type {:?}", config.typ)));
        }
        match config.hash_alg {
            HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512 => {}
            weak => return Err(Reason::Weak(weak.to_string())),
        }
        if let Some(field) = config.hashed_subpackets().find(|field| is_unknown(field)) {
            let what = format!("a critical field {:?}", field.typ());
            return Err(unsupported(what));
        }
        // What is not signed can only say who signed, in one way.
        let says_who = |field: &Subpacket| {
            !field.is_critical
                && matches!(
                    field.data,
                    SubpacketData::IssuerKeyId(_) | SubpacketData::IssuerFingerprint(_)
                )
        };
        if !config.unhashed_subpackets().all(says_who) {
            return Err(Reason::Malformed(
                "it has a field that is not signed".to_owned(),
            ));
        }
        Ok(One { signature, hasher })
    }

    fn verdict(self, place: PathBuf, keys: &[(&str, &Certificate)], now: u64) -> Verdict {
        let One {
            signature,
            mut hasher,
        } = self;
        let created = signature.created().map(|at| u64::from(at.as_secs()));
        let names: Vec<String> = signature
            .issuer_fingerprint()
            .iter()
            .map(|name| letters(name.as_bytes()))
            .chain(
                signature
                    .issuer_key_id()
                    .iter()
                    .map(|name| letters(name.as_ref())),
            )
            .collect();
        let mut verdict = Verdict {
            place,
            key: names.first().cloned().unwrap_or_default(),
            signer: None,
            made: created.map(times::text),
            standing: Standing::Unknown(Reason::UnknownKey),
        };
        let is_named = |key: &dyn KeyDetails| {
            let id = key.legacy_key_id();
            let print = key.fingerprint();
            !names.is_empty()
                && signature.issuer_key_id().iter().all(|found| **found == id)
                && signature
                    .issuer_fingerprint()
                    .iter()
                    .all(|found| **found == print)
        };
        let issuer = keys.iter().find_map(|(name, certificate)| {
            let issuer = certificate.issuer(is_named, now)?;
            Some((name, certificate.fingerprint(), issuer))
        });
        if let Some((name, fingerprint, issuer)) = issuer {
            verdict.signer = Some((*name).to_owned());
            // By the key that stands in trusted.d, which a policy can name, whichever subkey it was.
            verdict.key = fingerprint;
            let held = holds(&signature, &mut hasher, &issuer)
                .and_then(|()| in_time(&signature, &issuer, now));
            verdict.standing = match held {
                Ok(()) => match issuer.valid {
                    Ok(()) => Standing::Trusted,
                    Err(reason) => Standing::Bad(reason),
                },
                // A clock that is wrong is no reason to refuse what another signature vouches for.
                Err(reason @ Reason::NotYet(_)) => Standing::Unknown(reason),
                Err(reason) => Standing::Bad(reason),
            };
        }
        verdict
    }
}

/// The parts of a signature, if it is of a version whose parts are known.
fn known(signature: &Signature) -> Result<&SignatureConfig, Reason> {
    signature.config().ok_or_else(|| Reason::Unsupported {
        what: format!("a signature of version {:?}", signature.version()),
    })
}

/// Whether who does not understand it may not accept the signature (RFC 9580, section 5.2.3.7).
fn is_unknown(field: &Subpacket) -> bool {
    field.is_critical
        && matches!(
            field.data,
            SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..)
        )
}

/// Whether it is one of the bytes that were hashed, by this key (RFC 9580, section 5.2.4).
fn holds(
    signature: &Signature,
    hasher: &mut Box<dyn digest::DynDigest + Send>,
    issuer: &Issuer<'_>,
) -> Result<(), Reason> {
    let config = known(signature)?;
    let trailer = config
        .hash_signature_data(hasher)
        .and_then(|length| config.trailer(length));
    hasher.update(&trailer.map_err(|error| Reason::Malformed(said(error)))?);
    let hash = hasher.finalize_reset();
    let begins = signature
        .signed_hash_value()
        .is_some_and(|begin| hash.starts_with(&begin));
    let verified = signature
        .signature()
        .is_some_and(|found| issuer.key.verify(config.hash_alg, &hash, found).is_ok());
    match begins && verified {
        true => Ok(()),
        false => Err(Reason::DoesNotFit),
    }
}

/// That it was made while its key was there, is not of the future, and has not expired.
fn in_time(signature: &Signature, issuer: &Issuer<'_>, now: u64) -> Result<(), Reason> {
    let Some(made) = signature.created().map(|at| u64::from(at.as_secs())) else {
        return Err(Reason::Malformed(
            "it does not say when it was made".to_owned(),
        ));
    };
    if made < u64::from(issuer.key.created_at().as_secs()) {
        return Err(Reason::Malformed("it was made before its key".to_owned()));
    }
    if made > now {
        return Err(Reason::NotYet(times::text(made)));
    }
    match signature
        .signature_expiration_time()
        .map(|time| u64::from(time.as_secs()))
    {
        Some(time) if time > 0 && made + time <= now => {
            Err(Reason::Expired(times::text(made + time)))
        }
        _ => Ok(()),
    }
}
