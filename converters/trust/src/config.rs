//! The folder of keys and policy.

use crate::files::{self, Guard};
use crate::{MachineKey, Policy, TrustError, TrustedKey, trusted};
use std::path::{Path, PathBuf};

/// Where keys and policy are, if nothing else is said.
pub const DEFAULT_FOLDER: &str = "/etc/kconv";

/// What is trusted on this machine.
pub struct Config {
    folder: PathBuf,
    keys: Vec<TrustedKey>,
    /// What is asked for.
    pub policy: Policy,
}

impl Config {
    /// Reads `folder`, or the default one, which need not be there.
    ///
    /// # Errors
    /// If anything in it cannot be understood, or is somebody's who should not decide.
    pub fn read(folder: Option<&Path>) -> Result<Config, TrustError> {
        let given = folder.is_some();
        let folder = folder.unwrap_or(Path::new(DEFAULT_FOLDER));
        let mut config = Config {
            folder: folder.to_owned(),
            keys: Vec::new(),
            policy: Policy::default(),
        };
        match std::fs::metadata(folder) {
            Ok(metadata) => files::guarded(folder, &metadata, Guard::OwnersAlone)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !given => {
                return Ok(config);
            }
            Err(error) => return Err(TrustError::file(folder, error)),
        }
        // What this machine signed, it trusts.
        for own in [MachineKey::PUBLIC, MachineKey::CERTIFICATE] {
            config.keys.extend(trusted::in_file(&folder.join(own))?);
        }
        config
            .keys
            .extend(trusted::in_folder(&folder.join("trusted.d"))?);
        config.policy = Policy::read(&folder.join("policy.toml"), &config.keys)?;
        Ok(config)
    }

    /// The keys that are trusted.
    pub fn keys(&self) -> &[TrustedKey] {
        &self.keys
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The machine's own key, if it has one.
    ///
    /// # Errors
    /// If it cannot be understood, or others may read it.
    pub fn machine_key(&self) -> Result<Option<MachineKey>, TrustError> {
        MachineKey::read(&self.folder.join(MachineKey::PRIVATE))
    }
}
