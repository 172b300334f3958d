//! Folders with keys, images with signatures.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_trust::{Config, MachineKey, Signatures, Standing, Verdict};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is the configuration of a machine, and has its images.
pub struct Machine {
    pub folder: tempfile::TempDir,
}

impl Machine {
    /// One without a key.
    pub fn new() -> Machine {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("etc/trusted.d")).unwrap();
        Machine { folder }
    }

    /// One with a key of its own.
    pub fn with_key() -> Machine {
        let machine = Machine::new();
        MachineKey::generate(&machine.etc(), "here").unwrap();
        machine
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn etc(&self) -> PathBuf {
        self.path("etc")
    }

    /// Writes a file into the configuration.
    pub fn configure(&self, name: &str, text: impl AsRef<[u8]>) {
        write(&self.etc().join(name), text, 0o644);
    }

    pub fn config(&self) -> Config {
        Config::read(Some(&self.etc())).unwrap()
    }

    /// What a configuration that cannot be used says, and advises.
    pub fn refused(&self) -> String {
        let error = Config::read(Some(&self.etc())).err().unwrap();
        let text = format!("{error}\n{}", error.advice());
        text.replace(self.folder.path().to_str().unwrap(), "DIR")
    }

    /// Puts an image there.
    pub fn image(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        write(&path, bytes, 0o600);
        path
    }

    /// Signs it with the machine's key.
    pub fn sign(&self, image: &Path) -> Vec<PathBuf> {
        let key = self.config().machine_key().unwrap().unwrap();
        sign(&key, image)
    }

    /// What is known of the signatures of an image.
    pub fn verdicts(&self, image: &Path) -> Vec<Verdict> {
        let mut passing = Signatures::beside(image).unwrap().begin();
        for bytes in fs::read(image).unwrap().chunks(100) {
            passing.take(bytes);
        }
        passing.end(&self.config())
    }

    /// Whether they hold, one after another.
    pub fn standings(&self, image: &Path) -> Vec<Standing> {
        let verdicts = self.verdicts(image).into_iter();
        verdicts.map(|verdict| verdict.standing).collect()
    }
}

pub fn sign(key: &MachineKey, image: &Path) -> Vec<PathBuf> {
    let mut signing = key.begin().unwrap();
    for bytes in fs::read(image).unwrap().chunks(77) {
        signing.take(bytes);
    }
    let mut places = Vec::new();
    for (place, text) in signing.end(image).unwrap() {
        fs::write(&place, text).unwrap();
        places.push(place);
    }
    places
}

pub fn write(path: &Path, text: impl AsRef<[u8]>, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A path with something behind its whole name.
pub fn named(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Runs a program, which has to succeed.
pub fn run(command: &mut Command) -> Output {
    let ran = command.output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{command:?}: {said}");
    ran
}

/// A key of ssh, made by ssh-keygen.
pub fn ssh_key(path: &Path, comment: &str) {
    let mut keygen = Command::new("ssh-keygen");
    run(keygen
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(path));
}

/// Signs an image with ssh-keygen.
pub fn ssh_sign(key: &Path, namespace: &str, image: &Path) {
    let _ = fs::remove_file(named(image, ".sig"));
    let mut keygen = Command::new("ssh-keygen");
    run(keygen
        .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
        .arg(key)
        .arg(image));
}
