//! The signatures of an image: what lies beside it is read first, then the image passes once, then it is known what
//! holds.

use crate::files::{self, Guard};
use crate::ssh::{self, Hash, SshSignature};
use crate::verdict::{Standing, Verdict, beside};
use crate::{Config, Reason, TrustError, times};
use sha2::{Digest, Sha256, Sha512};
use std::path::{Path, PathBuf};

/// The signatures that lie beside an image. Nothing of them is believed.
pub struct Signatures {
    ssh: Option<(PathBuf, Vec<u8>)>,
    openpgp: Option<(PathBuf, Vec<u8>)>,
}

impl Signatures {
    /// Where those of an image lie, of ssh and of OpenPGP: beside it, with an ending behind its whole name.
    pub fn places(image: &Path) -> [PathBuf; 2] {
        [".sig", ".asc"].map(|ending| beside(image, ending))
    }

    /// Reads those that lie beside an image.
    ///
    /// # Errors
    /// If one is there and cannot be read.
    pub fn beside(image: &Path) -> Result<Signatures, TrustError> {
        let [ssh, openpgp] = Signatures::places(image);
        let read = |path: PathBuf| -> Result<_, TrustError> {
            Ok(files::read(&path, Guard::None)?.map(|bytes| (path, bytes)))
        };
        Ok(Signatures {
            ssh: read(ssh)?,
            openpgp: read(openpgp)?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ssh.is_none() && self.openpgp.is_none()
    }

    /// Understands them, and begins to take the bytes of the image.
    pub fn begin(self) -> Passing {
        let (place, bytes) = self.ssh.unwrap_or_default();
        let each = match place.as_os_str().is_empty() {
            true => Vec::new(),
            false => ssh::parse_all(&bytes),
        };
        let has = |hash| {
            let mut all = each.iter().filter_map(|one| one.as_ref().ok());
            all.any(|signature| signature.hash == hash)
        };
        Passing {
            sha256: has(Hash::Sha256).then(Sha256::new),
            sha512: has(Hash::Sha512).then(Sha512::new),
            #[cfg(feature = "openpgp")]
            openpgp: self
                .openpgp
                .map(|(place, bytes)| crate::openpgp::Passing::begin(place, &bytes)),
            #[cfg(not(feature = "openpgp"))]
            openpgp: self.openpgp.map(|(place, _)| place),
            ssh: (place, each),
        }
    }
}

/// The bytes of an image pass by.
pub struct Passing {
    ssh: (PathBuf, Vec<Result<SshSignature, Reason>>),
    sha256: Option<Sha256>,
    sha512: Option<Sha512>,
    #[cfg(feature = "openpgp")]
    openpgp: Option<crate::openpgp::Passing>,
    #[cfg(not(feature = "openpgp"))]
    openpgp: Option<PathBuf>,
}

impl Passing {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Some(hasher) = &mut self.sha256 {
            hasher.update(bytes);
        }
        if let Some(hasher) = &mut self.sha512 {
            hasher.update(bytes);
        }
        #[cfg(feature = "openpgp")]
        if let Some(passing) = &mut self.openpgp {
            passing.take(bytes);
        }
    }

    /// What is known of each signature, by the keys of this machine.
    pub fn end(self, config: &Config) -> Vec<Verdict> {
        let now = times::now();
        let digests = [
            self.sha256.map(|hasher| hasher.finalize().to_vec()),
            self.sha512.map(|hasher| hasher.finalize().to_vec()),
        ];
        let digest = |hash| match hash {
            Hash::Sha256 => digests[0].as_deref(),
            Hash::Sha512 => digests[1].as_deref(),
        };
        let (place, each) = self.ssh;
        let verdict = |found: Result<SshSignature, Reason>| match found {
            Ok(signature) => {
                let digest = digest(signature.hash).unwrap_or_default();
                of_ssh(place.clone(), &signature, digest, config, now)
            }
            Err(reason) => Verdict::keyless(place.clone(), Standing::Bad(reason)),
        };
        let mut all: Vec<Verdict> = each.into_iter().map(verdict).collect();
        #[cfg(feature = "openpgp")]
        if let Some(passing) = self.openpgp {
            let keys = config.keys().iter();
            let certificates: Vec<_> = keys
                .filter_map(|key| Some((key.name.as_str(), key.certificate()?)))
                .collect();
            all.extend(passing.end(&certificates, now));
        }
        #[cfg(not(feature = "openpgp"))]
        if let Some(place) = self.openpgp {
            all.push(Verdict::keyless(
                place,
                Standing::Unknown(Reason::NoOpenPgp),
            ));
        }
        all
    }
}

fn of_ssh(
    place: PathBuf,
    signature: &SshSignature,
    digest: &[u8],
    config: &Config,
    now: u64,
) -> Verdict {
    // A key may stand in several lines; one that holds is enough.
    let mut signer = None;
    let mut standing = Standing::Unknown(Reason::UnknownKey);
    for key in config.keys() {
        match key.ssh(&signature.key, now) {
            Some(valid) if standing != Standing::Trusted => {
                signer = Some(key.name.clone());
                standing = valid.map_or_else(Standing::Bad, |()| Standing::Trusted);
            }
            _ => {}
        }
    }
    // Whoever's key it is: a signature of something else is wrong.
    if let Err(reason) = signature.check(digest) {
        standing = Standing::Bad(reason);
    }
    Verdict {
        place,
        key: signature.key.fingerprint(),
        signer,
        made: None,
        standing,
    }
}
