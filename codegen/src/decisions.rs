//! Where decisions are: in a project, or in this program.

use crate::overrides::FOLDER;
use crate::pending::PREFIX;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the build script packed.
mod packed {
    include!(concat!(env!("OUT_DIR"), "/decisions.rs"));
}

/// A folder with the decisions of all families and the functions that they call.
pub enum Decisions {
    /// That of a project.
    Project(PathBuf),
    /// One that this program made of what it was built with; it goes with this.
    Builtin(TempDir),
}

impl Decisions {
    /// Those of the project whose steps are in the folder `converters`, or, if there is no such folder, those that this
    /// program was built with.
    ///
    /// # Errors
    /// If these cannot be written to a folder.
    pub fn find(converters: &Path) -> io::Result<Decisions> {
        let folder = converters.join(FOLDER);
        match folder.is_dir() {
            true => Ok(Decisions::Project(folder)),
            false => Decisions::builtin(),
        }
    }

    fn builtin() -> io::Result<Decisions> {
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
        for (name, text) in packed::FILES {
            let path = folder.path().join(name);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(path, text)?;
        }
        Ok(Decisions::Builtin(folder))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        match self {
            Decisions::Project(folder) => folder,
            Decisions::Builtin(folder) => folder.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::overrides::Changes;
    use kernel_structs::releases::Registry;

    /// What is packed is what the project has: the same decisions are held between any two layouts.
    #[test]
    fn the_decisions_of_the_project_are_packed() {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
        let project = Decisions::find(&project).unwrap();
        assert!(matches!(project, Decisions::Project(_)));
        let nowhere = Decisions::find(Path::new("/nowhere")).unwrap();
        assert!(matches!(nowhere, Decisions::Builtin(_)));
        let registry = Registry::builtin().unwrap();
        let ends = ["6.1.0-47-amd64", "6.12.117+deb12-amd64"].map(|name| {
            let release = registry.release(name, None, None).unwrap();
            registry.layout(&release.layout).unwrap()
        });
        let held = |decisions: &Decisions| {
            let changes = Changes::read(decisions.folder(), "linux-6").unwrap();
            format!("{:?}", changes.between(&ends[0], &ends[1]))
        };
        assert_eq!(held(&project), held(&nowhere));
        assert!(held(&nowhere).len() > 10_000);
    }
}
