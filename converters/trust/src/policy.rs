//! What signatures are asked for, and which signers may thaw whose tasks.

use crate::files::{self, Guard};
use crate::{TrustError, TrustedKey};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::fmt;
use std::path::Path;

/// The policy: `policy.toml`.
///
/// ```toml
/// [thaw]
/// require-signature = true
/// once = true
///
/// [convert]
/// require-signature = false
///
/// [[signer]]
/// key = "SHA256:…"
/// uids = [1000, "2000-2999"]
/// gids = [1000, "2000-2999"]
/// ```
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Of a thaw.
    #[serde(default)]
    pub thaw: ThawRule,
    /// Of a conversion.
    #[serde(default)]
    pub convert: Rule,
    #[serde(default, rename = "signer")]
    signers: Vec<Signer>,
}

/// What is asked for.
#[derive(Copy, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// Whether a signature of a trusted key is, whoever owns the image and whatever the command line says.
    pub require_signature: bool,
}

/// What is asked for of a thaw.
#[derive(Copy, Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ThawRule {
    /// Whether a signature of a trusted key is, whoever owns the image and whatever the command line says.
    pub require_signature: bool,
    /// Whether a process of an image is made once, unless the command line says that it is to be made again.
    pub once: bool,
}

impl Default for ThawRule {
    fn default() -> ThawRule {
        ThawRule {
            require_signature: false,
            once: true,
        }
    }
}

/// A key that is trusted for some.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signer {
    key: String,
    uids: Ids,
    gids: Ids,
}

/// Some users, or groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ids(Vec<(u32, u32)>);

impl Ids {
    /// Whether one is among them.
    pub fn has(&self, id: u32) -> bool {
        self.0
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&id))
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ids, D::Error> {
        let ranges = Vec::<Range>::deserialize(from)?;
        Ok(Ids(ranges.into_iter().map(|range| range.0).collect()))
    }
}

/// The first and the last of them.
struct Range((u32, u32));

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Range, D::Error> {
        struct OfRange;
        impl Visitor<'_> for OfRange {
            type Value = Range;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a range such as \"1000-1999\"")
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<Range, E> {
                let id = u32::try_from(id);
                let id = id.map_err(|_| {
                    E::invalid_value(
                        Unexpected::Other("a number below 0 or above 4294967295"),
                        &self,
                    )
                })?;
                Ok(Range((id, id)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Range, E> {
                let ends = text
                    .split_once('-')
                    .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
                match ends {
                    Some((first, last)) if first <= last => Ok(Range((first, last))),
                    _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(OfRange)
    }
}

impl Policy {
    /// The policy in a file; where there is none, no signature is asked for and no signer is bound.
    pub(crate) fn read(path: &Path, keys: &[TrustedKey]) -> Result<Policy, TrustError> {
        let Some(bytes) = files::read(path, Guard::OwnersAlone)? else {
            return Ok(Policy::default());
        };
        let wrong = |text: String| TrustError::Policy {
            path: path.to_owned(),
            text,
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is no text".to_owned()))?;
        let policy: Policy =
            toml::from_str(text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))?;
        // Without OpenPGP what its certificates are called is not known.
        let all_are_read = keys.iter().all(|key| !key.fingerprint.is_empty());
        for (number, signer) in policy.signers.iter().enumerate() {
            let is_it = |key: &&TrustedKey| key.fingerprint == signer.key;
            if all_are_read && !keys.iter().any(|key| is_it(&key)) {
                let known = keys.iter().map(|key| key.fingerprint.as_str());
                return Err(TrustError::NoSuchKey {
                    path: path.to_owned(),
                    key: signer.key.clone(),
                    known: match keys.is_empty() {
                        true => "none".to_owned(),
                        false => known.collect::<Vec<_>>().join(", "),
                    },
                });
            }
            if policy.signers[..number]
                .iter()
                .any(|other| other.key == signer.key)
            {
                return Err(wrong(format!("key `{}` has two entries", signer.key)));
            }
        }
        Ok(policy)
    }

    /// Whose tasks a key may thaw: users and groups; `None` if it may all.
    pub fn bounds(&self, fingerprint: &str) -> Option<(&Ids, &Ids)> {
        let signer = self.signers.iter().find(|signer| signer.key == fingerprint);
        signer.map(|signer| (&signer.uids, &signer.gids))
    }
}
