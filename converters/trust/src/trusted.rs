//! The keys that are trusted.

use crate::files::{self, Guard};
use crate::lines::{self, Line};
use crate::ssh::PublicKey;
use crate::{Reason, TrustError};
use std::path::{Path, PathBuf};

/// A key whose signatures count.
pub struct TrustedKey {
    /// Whose it is: the principal or the comment of its line, the user of its certificate.
    pub name: String,
    /// What ssh-keygen or gpg calls it.
    pub fingerprint: String,
    /// The file that has it.
    pub place: PathBuf,
    pub(crate) kind: KeyKind,
}

pub(crate) enum KeyKind {
    Ssh(Line),
    #[cfg(feature = "openpgp")]
    OpenPgp(Box<crate::openpgp::Certificate>),
    /// An OpenPGP certificate, which this program cannot read.
    #[cfg(not(feature = "openpgp"))]
    Unread,
}

impl TrustedKey {
    /// The certificate, if it is one.
    #[cfg(feature = "openpgp")]
    pub(crate) fn certificate(&self) -> Option<&crate::openpgp::Certificate> {
        match &self.kind {
            KeyKind::OpenPgp(certificate) => Some(certificate),
            KeyKind::Ssh(_) => None,
        }
    }

    /// That this key of ssh may sign images now.
    pub(crate) fn ssh(&self, key: &PublicKey, now: u64) -> Option<Result<(), Reason>> {
        match &self.kind {
            KeyKind::Ssh(line) if line.key == *key => Some(line.valid_at(now)),
            _ => None,
        }
    }
}

/// The keys in the files of a folder, in the order of their names.
pub(crate) fn in_folder(folder: &Path) -> Result<Vec<TrustedKey>, TrustError> {
    let failed = |error| TrustError::file(folder, error);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let metadata = std::fs::symlink_metadata(folder).map_err(failed)?;
    files::guarded(folder, &metadata, Guard::OwnersAlone)?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        all.extend(in_file(&path)?);
    }
    Ok(all)
}

/// The keys in a file, if it is there.
pub(crate) fn in_file(path: &Path) -> Result<Vec<TrustedKey>, TrustError> {
    let Some(bytes) = files::read(path, Guard::OwnersAlone)? else {
        return Ok(Vec::new());
    };
    let is_openpgp = bytes.first().is_some_and(|first| first & 0x80 != 0)
        || bytes.starts_with(b"-----BEGIN PGP PUBLIC KEY BLOCK-----");
    if is_openpgp {
        return certificates(path, &bytes);
    }
    let of = |line: Option<usize>, what: String| TrustError::Key {
        path: path.to_owned(),
        line,
        what,
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| of(None, "is no text".to_owned()))?;
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = lines::parse(line).map_err(|what| of(Some(number + 1), what))?;
        all.extend(line.map(|line| TrustedKey {
            name: match line.name.is_empty() {
                true => stem(path),
                false => line.name.clone(),
            },
            fingerprint: line.key.fingerprint(),
            place: path.to_owned(),
            kind: KeyKind::Ssh(line),
        }));
    }
    Ok(all)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(feature = "openpgp")]
fn certificates(path: &Path, bytes: &[u8]) -> Result<Vec<TrustedKey>, TrustError> {
    let found = crate::openpgp::Certificate::parse_all(bytes).map_err(|what| TrustError::Key {
        path: path.to_owned(),
        line: None,
        what,
    })?;
    let keys = found.into_iter().map(|certificate| TrustedKey {
        name: certificate.name().unwrap_or_else(|| stem(path)),
        fingerprint: certificate.fingerprint(),
        place: path.to_owned(),
        kind: KeyKind::OpenPgp(Box::new(certificate)),
    });
    Ok(keys.collect())
}

/// That it is there is known, and so that a policy may name it is not an error to be made of it.
#[cfg(not(feature = "openpgp"))]
fn certificates(path: &Path, _: &[u8]) -> Result<Vec<TrustedKey>, TrustError> {
    Ok(vec![TrustedKey {
        name: stem(path),
        fingerprint: String::new(),
        place: path.to_owned(),
        kind: KeyKind::Unread,
    }])
}
