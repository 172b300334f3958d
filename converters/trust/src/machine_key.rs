//! The key with which this machine signs what it freezes and converts.

use crate::TrustError;
use crate::files::{self, Guard};
use crate::ssh::{self, PrivateKey};
use crate::verdict::beside;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest, Sha512};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A private key. With OpenPGP one of ed25519 is both: a key of ssh, and the same as a key of OpenPGP, if a
/// certificate lies beside it.
pub struct MachineKey {
    key: Key,
    #[cfg(feature = "openpgp")]
    path: PathBuf,
}

enum Key {
    Ssh {
        key: PrivateKey,
        #[cfg(feature = "openpgp")]
        openpgp: Option<Box<crate::openpgp::SecretKey>>,
    },
    #[cfg(feature = "openpgp")]
    OpenPgp(Box<crate::openpgp::SecretKey>),
}

/// What a new key is.
pub struct Made {
    /// What ssh-keygen calls it.
    pub fingerprint: String,
    /// What gpg calls it, if this program has OpenPGP.
    pub openpgp: Option<String>,
    /// The files that were written: the private key, and its public halves.
    pub files: Vec<PathBuf>,
}

impl MachineKey {
    /// The file of the private key.
    pub const PRIVATE: &str = "machine.key";
    /// That of the public key, as a line of ssh.
    pub const PUBLIC: &str = "machine.pub";
    /// That of the same key as an OpenPGP certificate.
    pub const CERTIFICATE: &str = "machine.asc";

    /// Makes a key in `folder`, which is made if it is not there, for a machine of this name.
    ///
    /// # Errors
    /// If there is one already, or it cannot be written.
    pub fn generate(folder: &Path, machine: &str) -> Result<Made, TrustError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)
            .map_err(|error| TrustError::file(folder, error))?;
        let names = [Self::PRIVATE, Self::PUBLIC, Self::CERTIFICATE];
        let [private, public, certificate] = names.map(|name| folder.join(name));
        for path in [&private, &public, &certificate] {
            if path.symlink_metadata().is_ok() {
                return Err(TrustError::Exists { path: path.clone() });
            }
        }
        let check = random(&private)?;
        let key = PrivateKey::from_seed(random(&private)?, format!("kconv@{machine}"));
        write_new(&private, 0o600, &key.file(u32::from_ne_bytes(check)))?;
        write_new(&public, 0o644, &key.public().line(&key.comment))?;
        let made = Made {
            fingerprint: key.public().fingerprint(),
            openpgp: None,
            files: vec![private, public],
        };
        also_openpgp(&key, machine, certificate, made)
    }

    /// The key in a file, if that is there.
    ///
    /// # Errors
    /// If it cannot be understood, or others may read it.
    pub fn read(path: &Path) -> Result<Option<MachineKey>, TrustError> {
        let Some(bytes) = files::read(path, Guard::Secret)? else {
            return Ok(None);
        };
        let wrong = |what: String| TrustError::Key {
            path: path.to_owned(),
            line: None,
            what,
        };
        let key = match std::str::from_utf8(&bytes) {
            Ok(text) if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") => {
                let key = PrivateKey::parse(text).map_err(wrong)?;
                Key::Ssh {
                    #[cfg(feature = "openpgp")]
                    openpgp: openpgp_half(&key, path)?,
                    key,
                }
            }
            _ => openpgp(&bytes).map_err(wrong)?,
        };
        Ok(Some(MachineKey {
            key,
            #[cfg(feature = "openpgp")]
            path: path.to_owned(),
        }))
    }

    /// What it is called.
    pub fn fingerprint(&self) -> String {
        match &self.key {
            Key::Ssh { key, .. } => key.public().fingerprint(),
            #[cfg(feature = "openpgp")]
            Key::OpenPgp(key) => key.fingerprint(),
        }
    }

    /// Begins to take the bytes of an image.
    ///
    /// # Errors
    /// If OpenPGP cannot sign with the key.
    pub fn begin(&self) -> Result<Signing<'_>, TrustError> {
        Ok(match &self.key {
            Key::Ssh {
                key,
                #[cfg(feature = "openpgp")]
                openpgp,
            } => Signing {
                ssh: Some((key, Sha512::new())),
                #[cfg(feature = "openpgp")]
                openpgp: openpgp.as_ref().map(|key| self.with(key)).transpose()?,
            },
            #[cfg(feature = "openpgp")]
            Key::OpenPgp(key) => Signing {
                ssh: None,
                openpgp: Some(self.with(key)?),
            },
        })
    }

    #[cfg(feature = "openpgp")]
    fn with<'a>(
        &self,
        key: &'a crate::openpgp::SecretKey,
    ) -> Result<crate::openpgp::Signing<'a>, TrustError> {
        let begun = key.begin(crate::times::now());
        begun.map_err(|what| TrustError::OpenPgp {
            path: self.path.clone(),
            what,
        })
    }
}

/// The bytes of an image pass by, to be signed.
pub struct Signing<'a> {
    ssh: Option<(&'a PrivateKey, Sha512)>,
    #[cfg(feature = "openpgp")]
    openpgp: Option<crate::openpgp::Signing<'a>>,
}

impl Signing<'_> {
    /// Takes the next bytes.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Some((_, hasher)) = &mut self.ssh {
            hasher.update(bytes);
        }
        #[cfg(feature = "openpgp")]
        if let Some(signing) = &mut self.openpgp {
            signing.take(bytes);
        }
    }

    /// The signatures, each with the file that it belongs into.
    ///
    /// # Errors
    /// If OpenPGP does not make one.
    pub fn end(self, image: &Path) -> Result<Vec<(PathBuf, String)>, TrustError> {
        let mut all = Vec::new();
        if let Some((key, hasher)) = self.ssh {
            let digest = hasher.finalize();
            all.push((beside(image, ".sig"), ssh::sign(key, digest.as_slice())));
        }
        #[cfg(feature = "openpgp")]
        if let Some(signing) = self.openpgp {
            let path = beside(image, ".asc");
            match signing.end() {
                Ok(text) => all.push((path, text)),
                Err(what) => return Err(TrustError::OpenPgp { path, what }),
            }
        }
        Ok(all)
    }
}

#[cfg(feature = "openpgp")]
fn openpgp(bytes: &[u8]) -> Result<Key, String> {
    let key = crate::openpgp::SecretKey::parse(bytes)?;
    Ok(Key::OpenPgp(Box::new(key)))
}

#[cfg(not(feature = "openpgp"))]
fn openpgp(bytes: &[u8]) -> Result<Key, String> {
    let is_openpgp = bytes.first().is_some_and(|first| first & 0x80 != 0)
        || bytes.starts_with(b"-----BEGIN PGP PRIVATE KEY BLOCK-----");
    Err(match is_openpgp {
        true => "is a key of OpenPGP, without which this kconv was built: install it with converters/install, or build \
                 it with `--features openpgp`"
            .to_owned(),
        false => "is no private key of OpenSSH".to_owned(),
    })
}

/// The same key of OpenPGP, if its certificate lies beside it: that has the time which is part of its name.
#[cfg(feature = "openpgp")]
fn openpgp_half(
    key: &PrivateKey,
    path: &Path,
) -> Result<Option<Box<crate::openpgp::SecretKey>>, TrustError> {
    let certificate = path.with_extension("asc");
    let Some(bytes) = files::read(&certificate, Guard::OwnersAlone)? else {
        return Ok(None);
    };
    match crate::openpgp::SecretKey::of_certificate(key.seed(), &bytes) {
        Ok(half) => Ok(Some(Box::new(half))),
        Err(what) => Err(TrustError::Key {
            path: certificate,
            line: None,
            what,
        }),
    }
}

/// The same key as one of OpenPGP: its certificate.
#[cfg(feature = "openpgp")]
fn also_openpgp(
    key: &PrivateKey,
    machine: &str,
    path: PathBuf,
    mut made: Made,
) -> Result<Made, TrustError> {
    let user = format!("kconv on {machine}");
    let generated = crate::openpgp::SecretKey::generate(key.seed(), &user, crate::times::now());
    let (key, text) = generated.map_err(|what| TrustError::OpenPgp {
        path: path.clone(),
        what,
    })?;
    write_new(&path, 0o644, &text)?;
    made.openpgp = Some(key.fingerprint());
    made.files.push(path);
    Ok(made)
}

#[cfg(not(feature = "openpgp"))]
fn also_openpgp(_: &PrivateKey, _: &str, _: PathBuf, made: Made) -> Result<Made, TrustError> {
    Ok(made)
}

fn random<const N: usize>(path: &Path) -> Result<[u8; N], TrustError> {
    let mut bytes = [0; N];
    // As many as this are given whole once the kernel has any (getrandom(2)).
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(got) if got == N => Ok(bytes),
        Ok(_) => Err(TrustError::file(path, io::ErrorKind::Interrupted.into())),
        Err(error) => Err(TrustError::file(path, error.into())),
    }
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), TrustError> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => TrustError::Exists {
            path: path.to_owned(),
        },
        _ => TrustError::file(path, error),
    })
}
