//! A copy of the source tree. The user's own tree is only ever read.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of a source tree.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// git does not say which files there are.
    #[error("`git ls-files` in {}: {message}; the sources have to be a git checkout", path.display())]
    Git {
        /// Where it was asked.
        path: PathBuf,
        /// What it said.
        message: String,
    },
}

impl Tree {
    /// Makes `to` a copy of what git knows or would add of `from`, changes that are not committed
    /// included. Files that are already the same are left alone, so that what was built of them
    /// stays good.
    ///
    /// # Errors
    /// [`TreeError`]; the copy is then not to be used.
    pub fn copy(from: &Path, to: &Path) -> Result<Tree, TreeError> {
        let files = listed(from)?;
        for file in &files {
            let (source, target) = (from.join(file), to.join(file));
            // One that was deleted and not committed.
            if source.symlink_metadata().is_err() {
                continue;
            }
            same(&source, &target).map_err(|error| TreeError::Io {
                path: target.clone(),
                error,
            })?;
        }
        let is_gone = |file: &PathBuf| !files.contains(file) || !from.join(file).exists();
        let (files_there, folders) = everything(to)?;
        for file in files_there.into_iter().filter(is_gone) {
            let path = to.join(file);
            fs::remove_file(&path).map_err(|error| TreeError::Io { path, error })?;
        }
        // git knows no empty folders, and a step is known by its folder. Those inside come first.
        for folder in folders.into_iter().rev() {
            let path = to.join(folder);
            match fs::remove_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
                    return Err(TreeError::Io { path, error });
                }
                _ => {}
            }
        }
        Ok(Tree {
            root: to.to_owned(),
        })
    }

    /// Where the copy is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file of the copy.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(&self, file: &Path) -> Result<String, TreeError> {
        let path = self.root.join(file);
        fs::read_to_string(&path).map_err(|error| TreeError::Io { path, error })
    }

    /// Changes a file of the copy. cargo sees by its time that it is another.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, file: &Path, text: &str) -> Result<(), TreeError> {
        let path = self.root.join(file);
        fs::write(&path, text).map_err(|error| TreeError::Io { path, error })
    }
}

/// The files that git knows in `root`, and those that it would add.
fn listed(root: &Path) -> Result<BTreeSet<PathBuf>, TreeError> {
    let fail = |message: String| TreeError::Git {
        path: root.to_owned(),
        message,
    };
    let output = Command::new("git")
        .current_dir(root)
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.split('\0').filter(|name| !name.is_empty());
    Ok(names.map(PathBuf::from).collect())
}

/// Makes `target` the same as `source`, a file or a link.
fn same(source: &Path, target: &Path) -> io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    if source.symlink_metadata()?.is_symlink() {
        let leads_to = fs::read_link(source)?;
        if fs::read_link(target).ok().as_ref() == Some(&leads_to) {
            return Ok(());
        }
        if target.symlink_metadata().is_ok() {
            fs::remove_file(target)?;
        }
        return std::os::unix::fs::symlink(leads_to, target);
    }
    let is_same = target.symlink_metadata().is_ok_and(|there| there.is_file())
        && fs::read(target)? == fs::read(source)?;
    if is_same {
        return fs::set_permissions(target, source.metadata()?.permissions());
    }
    if target.symlink_metadata().is_ok() {
        fs::remove_file(target)?;
    }
    // Contents and permissions; the time is that of now, which is what cargo goes by.
    fs::copy(source, target).map(drop)
}

/// Every file below `root`, and every folder behind the one that it is in, from there.
fn everything(root: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), TreeError> {
    let (mut files, mut all) = (Vec::new(), Vec::new());
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let fail = |error| TreeError::Io {
            path: path.clone(),
            error,
        };
        for entry in fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = folder.join(entry.file_name());
            match entry.file_type().map_err(fail)?.is_dir() {
                true => {
                    all.push(name.clone());
                    folders.push(name);
                }
                false => files.push(name),
            }
        }
    }
    Ok((files, all))
}
