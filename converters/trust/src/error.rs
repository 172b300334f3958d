//! What is wrong with keys, policy and the files they are in.

use std::io;
use std::path::PathBuf;

/// Why keys or policy cannot be used, or a signature cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is something else than a file.
    #[error("{}: is no regular file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// It is too long for what it should be.
    #[error("{}: has more than {most} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How many it may have.
        most: u64,
    },
    /// It belongs to somebody else.
    #[error("{}: belongs to user {found}, expected {expected}", path.display())]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// Who may own it.
        expected: String,
    },
    /// Others may do with it what its owner alone may.
    #[error("{}: has mode {found:04o}: others than its owner may {what} it", path.display())]
    Mode {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        found: u32,
        /// Read or write.
        what: &'static str,
    },
    /// A key cannot be understood.
    #[error("{}{}: {what}", path.display(), line.map_or(String::new(), |line| format!(", line {line}")))]
    Key {
        /// The file.
        path: PathBuf,
        /// The line, where a file has several keys.
        line: Option<usize>,
        /// What is wrong with it.
        what: String,
    },
    /// The policy cannot be understood.
    #[error("{}: {text}", path.display())]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        text: String,
    },
    /// The policy has a signer that there is no key of.
    #[error("{}: a signer has key `{key}`, and no key that is trusted is that; these are: {known}", path.display())]
    NoSuchKey {
        /// The policy.
        path: PathBuf,
        /// What it names.
        key: String,
        /// What there is.
        known: String,
    },
    /// A key would be overwritten.
    #[error("{}: is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// OpenPGP could not do it.
    #[error("{}: OpenPGP: {what}", path.display())]
    OpenPgp {
        /// The key.
        path: PathBuf,
        /// What it said.
        what: String,
    },
}

impl TrustError {
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> TrustError {
        TrustError::File {
            path: path.into(),
            source,
        }
    }

    /// What the user can do about it.
    pub fn advice(&self) -> String {
        match self {
            TrustError::File { .. } => {
                "see whether it is there and may be read; `--config DIR` names another folder than /etc/kconv"
                    .to_owned()
            }
            TrustError::NotAFile { path } => {
                format!("put a file there, and no link: {}", path.display())
            }
            TrustError::TooLong { .. } => "see whether it is the right file".to_owned(),
            TrustError::Owner { path, .. } => {
                format!("see who put it there; then: chown root {}", path.display())
            }
            TrustError::Mode { path, what, .. } => {
                let mode = match *what {
                    "read" => "go=",
                    _ => "go-w",
                };
                format!(
                    "see what was done with it; then: chmod {mode} {}",
                    path.display()
                )
            }
            TrustError::Key { .. } => {
                "keys are lines of ssh (`ssh-ed25519 AAAA… comment`, or those of allowed_signers), or OpenPGP \
                 certificates (`gpg --export --armor`)"
                    .to_owned()
            }
            TrustError::Policy { .. } => "the book's chapter \"Trust\" has all that it can say".to_owned(),
            TrustError::NoSuchKey { .. } => {
                "remove the entry, or put the key into trusted.d; `ssh-keygen -l -f FILE` and `gpg --show-keys` \
                 tell what a key is called"
                    .to_owned()
            }
            TrustError::Exists { path } => format!(
                "it signs what this machine freezes; if it is to go, move it away: {}",
                path.display()
            ),
            TrustError::OpenPgp { .. } => {
                "use a key without a passphrase that can sign, or sign with gpg itself: gpg --detach-sign --armor"
                    .to_owned()
            }
        }
    }
}
