//! What a compiler has to be told of a kernel family's headers.

use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How the headers of a kernel family are read: a file `profiles/FAMILY.toml` of this crate
/// ([`Profile::builtin`]), or another of the same form.
///
/// Paths begin with the name of a part of a [`Tree`]: `source/`, `build/` or `builtin/`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Name of the family, such as `linux-6`.
    pub family: String,
    /// The machine, as clang names it: `x86_64-linux-gnu` or `i386-linux-gnu`.
    pub target: String,
    /// Flags of the compiler that change what it sees.
    pub flags: Vec<String>,
    /// Flags that some kernels of the family were compiled with: each is given if the Makefile at
    /// the top of the source names it.
    pub makefile_flags: Vec<String>,
    /// Options of the configuration whose values are flags that the kernel was compiled with, such as
    /// `CONFIG_CC_MS_EXTENSIONS`: a kernel without the option is compiled without them.
    #[serde(default)]
    pub config_flags: Vec<String>,
    /// Macros, as `NAME` or `NAME=VALUE`.
    pub defines: Vec<String>,
    /// Folders that are searched for headers, in this order; no others are. One with a `?` behind it is
    /// searched if the tree says where it is, for what only some kernels of the family include.
    pub include: Vec<String>,
    /// Headers that are read before all others, by path.
    pub preinclude: Vec<String>,
    /// Headers to read, as in `#include <…>`.
    pub headers: Vec<String>,
    /// Types to describe, with everything they contain; with a `?` behind its name one that not all
    /// kernels of the family have.
    pub types: Vec<String>,
}

/// Where the headers of a kernel are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The source (Debian: `linux-headers-*-common`).
    pub source: PathBuf,
    /// What was built and configured (Debian: `linux-headers-*-amd64`). The same folder as the
    /// source if the kernel was built there.
    pub build: PathBuf,
    /// The compiler's own headers, such as `stdarg.h`, which kernels before 5.15 use: gcc names
    /// the folder with `gcc -print-file-name=include`.
    pub builtin: Option<PathBuf>,
}

/// What is wrong with a profile, or with a tree for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProfileError {
    /// The text is no profile.
    #[error("this is no profile: {0}")]
    Syntax(String),
    /// A path begins with none of the parts of a tree.
    #[error("`{0}` begins with none of source/, build/ and builtin/")]
    Part(String),
    /// The profile needs the compiler's own headers, and the tree does not say where they are.
    #[error("`{0}`: it is not known where the compiler's own headers are")]
    NoBuiltin(String),
    /// A folder or file of the tree does not exist.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// The Makefile of the tree cannot be read.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Makefile(PathBuf, String),
    /// A header of the tree cannot be read.
    #[error("{} cannot be read: {}", .0.display(), .1)]
    Unreadable(PathBuf, String),
}

/// The configuration as Kbuild reads it, in the folder of the build.
const CONFIGURATION: &str = "include/config/auto.conf";

// The files in `profiles`, by the names of the families: `PROFILES`.
include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

impl Profile {
    /// Parses a profile.
    ///
    /// # Errors
    /// If the text is no TOML, or has an unknown key or lacks one.
    pub fn parse(text: &str) -> Result<Profile, ProfileError> {
        toml::from_str(text).map_err(|error| ProfileError::Syntax(error.to_string()))
    }

    /// The profile of a kernel family that is part of this crate, if there is one.
    ///
    /// # Errors
    /// If the profile breaks a rule of profiles.
    pub fn builtin(family: &str) -> Result<Option<Profile>, ProfileError> {
        let mut known = PROFILES.iter();
        let text = known.find(|(name, _)| *name == family);
        text.map(|(_, text)| Profile::parse(text)).transpose()
    }

    /// The arguments that make clang see what the kernel's compiler saw.
    ///
    /// # Errors
    /// If a folder or file of the tree is missing.
    pub fn arguments(&self, tree: &Tree) -> Result<Vec<String>, ProfileError> {
        let mut arguments = vec![format!("--target={}", self.target), "-nostdinc".to_owned()];
        arguments.extend(self.flags.iter().cloned());
        if !self.makefile_flags.is_empty() {
            let makefile = tree.resolve("source/Makefile")?;
            let text = fs::read_to_string(&makefile)
                .map_err(|error| ProfileError::Makefile(makefile, error.to_string()))?;
            let named = |flag: &&String| text.split_whitespace().any(|word| word == *flag);
            arguments.extend(self.makefile_flags.iter().filter(named).cloned());
        }
        arguments.extend(self.configured(tree)?);
        arguments.extend(self.defines.iter().map(|define| format!("-D{define}")));
        for folder in self.folders(tree)? {
            arguments.push(format!("-I{}", folder.display()));
        }
        for header in &self.preinclude {
            arguments.push("-include".to_owned());
            arguments.push(tree.resolve(header)?.display().to_string());
        }
        Ok(arguments)
    }

    /// The folders that are searched for headers.
    pub(super) fn folders(&self, tree: &Tree) -> Result<Vec<PathBuf>, ProfileError> {
        let mut folders = Vec::new();
        for folder in &self.include {
            let (path, optional) = match folder.strip_suffix('?') {
                Some(path) => (path, true),
                None => (folder.as_str(), false),
            };
            match tree.resolve(path) {
                Err(ProfileError::NoBuiltin(_) | ProfileError::Missing(_)) if optional => {}
                resolved => folders.push(resolved?),
            }
        }
        Ok(folders)
    }

    /// The values of the options that are flags of the compiler. A string may be in quotation marks, which later
    /// kernels leave out in this file (`scripts/kconfig/confdata.c`).
    fn configured(&self, tree: &Tree) -> Result<Vec<String>, ProfileError> {
        let file = tree.build.join(CONFIGURATION);
        if self.config_flags.is_empty() || !file.is_file() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&file)
            .map_err(|error| ProfileError::Unreadable(file, error.to_string()))?;
        let value = |option: &String| {
            text.lines()
                .find_map(|line| line.strip_prefix(option.as_str())?.strip_prefix('='))
        };
        let flags = self.config_flags.iter().filter_map(value);
        let words = flags.flat_map(|flags| flags.trim_matches('"').split_whitespace());
        Ok(words.map(str::to_owned).collect())
    }

    /// The file that includes all headers.
    pub fn program(&self) -> String {
        self.headers
            .iter()
            .map(|header| format!("#include <{header}>\n"))
            .collect()
    }
}

impl Tree {
    /// The tree of a folder in which a kernel was built or configured. Where its Makefile says
    /// nothing but to include that of another folder, as in Debian's `linux-headers-*-amd64`, the
    /// source is there, or in a folder of that name beside this one.
    ///
    /// # Errors
    /// If the folder has no Makefile that can be read.
    pub fn of(build: &Path) -> Result<Tree, ProfileError> {
        let makefile = build.join("Makefile");
        let text = fs::read_to_string(&makefile)
            .map_err(|error| ProfileError::Makefile(makefile, error.to_string()))?;
        let included = text
            .lines()
            .find_map(|line| {
                line.strip_prefix("include ")?
                    .trim()
                    .strip_suffix("/Makefile")
            })
            .map(Path::new)
            .filter(|folder| folder.is_absolute());
        let Some(included) = included else {
            return Ok(Tree::one(build));
        };
        let beside = included
            .file_name()
            .map(|name| build.join("..").join(name))
            .filter(|folder| folder.is_dir());
        Ok(Tree {
            source: beside.unwrap_or_else(|| included.to_owned()),
            build: build.to_owned(),
            builtin: None,
        })
    }

    /// A tree in which source and build are one folder.
    pub fn one(folder: &Path) -> Tree {
        Tree {
            source: folder.to_owned(),
            build: folder.to_owned(),
            builtin: None,
        }
    }

    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf, ProfileError> {
        let unknown = || ProfileError::Part(path.to_owned());
        let (part, rest) = path.split_once('/').unwrap_or((path, ""));
        let folder = match part {
            "source" => &self.source,
            "build" => &self.build,
            "builtin" => self
                .builtin
                .as_ref()
                .ok_or_else(|| ProfileError::NoBuiltin(path.to_owned()))?,
            _ => return Err(unknown()),
        };
        let resolved = folder.join(rest);
        match resolved.exists() {
            true => Ok(resolved),
            false => Err(ProfileError::Missing(resolved)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_profiles_of_the_families_known_are_profiles() {
        let families = ["kho", "linux-2.4", "linux-6"];
        assert_eq!(
            PROFILES.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            families
        );
        for (name, _) in PROFILES {
            let profile = Profile::builtin(name).unwrap().unwrap();
            assert_eq!(profile.family, *name);
            let first = match *name {
                "kho" => "memfd_luo_ser",
                _ => "task_struct",
            };
            assert!(profile.types.contains(&first.to_owned()), "{name}");
        }
        assert_eq!(Profile::builtin("linux-9").unwrap(), None);
    }

    #[test]
    fn a_profile_is_read_strictly() {
        let (_, text) = PROFILES[0];
        let text = text.replace("defines", "define");
        let error = Profile::parse(&text).unwrap_err().to_string();
        assert!(error.contains("unknown field `define`"), "{error}");
    }

    /// As 6.19 has it, where the compiler takes a tagged structure for an anonymous member.
    #[test]
    fn flags_that_are_in_the_configuration_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::one(folder.path());
        let mut profile = Profile::parse(
            "family = \"f\"\ntarget = \"x86_64-linux-gnu\"\nflags = []\nmakefile-flags = []\n\
             config-flags = [\"CONFIG_CC_MS_EXTENSIONS\"]\ndefines = []\ninclude = []\n\
             preinclude = []\nheaders = []\ntypes = []\n",
        )
        .unwrap();
        let given = |profile: &Profile| profile.arguments(&tree).unwrap()[2..].join(" ");
        assert_eq!(given(&profile), "");
        fs::create_dir_all(folder.path().join("include/config")).unwrap();
        let text =
            "CONFIG_CC_MS_EXTENSIONS_NOT=\"-x\"\nCONFIG_CC_MS_EXTENSIONS=\"-fms-extensions -y\"\n";
        fs::write(folder.path().join(CONFIGURATION), text).unwrap();
        assert_eq!(given(&profile), "-fms-extensions -y");
        profile.config_flags.clear();
        assert_eq!(given(&profile), "");
    }

    /// 5.10 includes `stdarg.h` of the compiler, and no kernel from 5.15 on does.
    #[test]
    fn a_folder_that_not_all_kernels_need_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::one(folder.path());
        let mut profile = Profile::builtin("linux-6").unwrap().unwrap();
        profile.include = vec!["source/".to_owned(), "builtin/?".to_owned()];
        assert_eq!(profile.folders(&tree).unwrap(), [folder.path()]);
        tree.builtin = Some(folder.path().join("missing"));
        assert_eq!(profile.folders(&tree).unwrap().len(), 1);
        tree.builtin = Some(folder.path().to_owned());
        assert_eq!(profile.folders(&tree).unwrap().len(), 2);
        profile.include = vec!["elsewhere/?".to_owned()];
        assert!(profile.folders(&tree).is_err());
    }

    #[test]
    fn a_tree_that_lacks_something_is_refused() {
        let tree = Tree::one(Path::new("/nowhere"));
        let error = |path| tree.resolve(path).unwrap_err().to_string();
        assert_eq!(error("source/include"), "/nowhere/include does not exist");
        assert_eq!(
            error("elsewhere/include"),
            "`elsewhere/include` begins with none of source/, build/ and builtin/"
        );
        assert_eq!(
            error("builtin"),
            "`builtin`: it is not known where the compiler's own headers are"
        );
    }
}
