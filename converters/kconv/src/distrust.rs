//! Why an image is not believed.

use kconv_trust::{Standing, Verdict};
use std::fmt;

/// Why an image is not used.
#[derive(Debug)]
pub(crate) enum Distrust {
    /// Signatures that are wrong, or say nothing here.
    Signatures(Vec<Verdict>),
    /// There is none, and the policy asks for one.
    Unsigned,
    /// There is none, and others could have written it.
    Elsewhere(kconv_trust::Elsewhere),
    /// Who signed it may not have such tasks made.
    Bounds { signer: String, tasks: Vec<String> },
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Distrust::Signatures(verdicts) => {
                let wrong = verdicts
                    .iter()
                    .filter_map(|verdict| match &verdict.standing {
                        Standing::Trusted => None,
                        Standing::Unknown(reason) | Standing::Bad(reason) => {
                            Some((verdict, reason))
                        }
                    });
                for (number, (verdict, reason)) in wrong.enumerate() {
                    let separator = if number > 0 { "; " } else { "" };
                    write!(f, "{separator}{}", verdict.place.display())?;
                    if !verdict.key.is_empty() {
                        write!(f, " (key {})", verdict.key)?;
                    }
                    write!(f, ": {reason}")?;
                }
                Ok(())
            }
            Distrust::Unsigned => {
                f.write_str("it is not signed, and policy.toml asks for a signature")
            }
            Distrust::Elsewhere(why) => write!(f, "it is not signed, and {why}"),
            Distrust::Bounds { signer, tasks } => write!(
                f,
                "policy.toml does not let key {signer} have such tasks made: {}",
                tasks.join(", ")
            ),
        }
    }
}

impl Distrust {
    /// What the user can do about it.
    pub(crate) fn advice(&self) -> String {
        match self {
            Distrust::Signatures(verdicts) => {
                let reason = verdicts.iter().find_map(|verdict| match &verdict.standing {
                    Standing::Bad(reason) => Some(reason),
                    _ => None,
                });
                let unknown = || {
                    verdicts.iter().find_map(|verdict| match &verdict.standing {
                        Standing::Unknown(reason) => Some(reason),
                        _ => None,
                    })
                };
                let reason = reason.or_else(unknown);
                reason.map_or("", kconv_trust::Reason::advice).to_owned()
            }
            Distrust::Unsigned => "sign it: kconv sign IMAGE".to_owned(),
            Distrust::Elsewhere(_) => {
                "if you know what is in it: move it to a folder that root alone writes to and give it to root, sign it \
                 with `kconv sign`, or say --trust-file"
                    .to_owned()
            }
            Distrust::Bounds { .. } => "have the image signed by who may have them made".to_owned(),
        }
    }
}
