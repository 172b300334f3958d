//! The lists of faults: `lists/*.toml`, one file for each crate.
//!
//! ```toml
//! package = "kconv-runtime"
//!
//! [[fault]]
//! id = "reset-strict-refuses-nothing"
//! file = "converters/runtime/src/context.rs"
//! find = "self.expect_initial(RuleKind::Reset, at, old, initial);"
//! with = ""
//! breaks = "a value that a strict reset would lose is lost without a word"
//! ```
//!
//! `tests` names the test targets that are run first (`lib` for the unit tests, else a file of
//! `tests/`): a fault that one of them finds is found by the crate, and no other needs to be
//! built. Those that they do not find meet all tests of the crate. Beside `package` it holds for
//! all faults that say nothing of it.
//!
//! A list in `guests/*.toml` is of a crate that works on a running kernel, and has a `judge`: a test of another crate,
//! which runs a machine. Each of its faults names the `part` of the state that is not as it was then, and is found if
//! the test fails with a line that says that something is wrong. There is no other test that it meets.
//!
//! ```toml
//! package = "kconv-thaw"
//!
//! [judge]
//! package = "kconv-guests"
//! target = "thaw"
//! test = "parts::each_part_comes_back_by_itself"
//! ```
//!
//! The files are read strictly, and everything that is wrong with them is reported at once.

use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The test target that stands for the unit tests of a crate.
pub const UNIT_TESTS: &str = "lib";

/// The faults of one crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Name of the crate, as cargo has it.
    pub name: String,
    /// The test that has to find them, if it is not the crate's own tests.
    pub judge: Option<Judge>,
    /// Its faults, in the order of the file.
    pub faults: Vec<Fault>,
}

/// A test in a machine of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// The crate that has it.
    pub package: String,
    /// The test target.
    pub target: String,
    /// Its name.
    pub test: String,
}

/// A change of the source that some test of the crate has to notice.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Its name; no two faults have the same.
    pub id: String,
    /// The file, from the top of the source tree.
    pub file: PathBuf,
    /// The text that is replaced. The file has it exactly once.
    pub find: String,
    /// What it is replaced with.
    pub with: String,
    /// What breaks.
    pub breaks: String,
    /// Test targets that are run before all others; empty to run all at once.
    #[serde(default)]
    pub tests: Vec<String>,
    /// The part of a task's state that is not as it was; of faults with a judge, all of which have one.
    pub part: Option<String>,
    /// The judge's test that finds it, if it is another than that of the list.
    pub test: Option<String>,
    /// Why no test can find it: what it does makes no difference that anybody could see.
    pub survives: Option<String>,
}

/// Something that is wrong with the lists.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A file or the folder cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A list is not TOML, or not the shape of a list.
    #[error("{}: {error}", path.display())]
    Toml {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        error: Box<toml::de::Error>,
    },
    /// A text is empty where one is needed.
    #[error("{id}: `{key}` is empty")]
    Empty {
        /// The fault, or the file if the fault has no name.
        id: String,
        /// The key.
        key: &'static str,
    },
    /// Two faults have one name.
    #[error("{id} is there twice; give one of the two another name")]
    Twice {
        /// The name.
        id: String,
    },
    /// The text to be replaced is not in the file, or there several times.
    #[error(
        "{id}: {} has the text {found} times, which is needed once; take a text that is there and tells the place: `{find}`",
        file.display()
    )]
    Found {
        /// The fault.
        id: String,
        /// The file.
        file: PathBuf,
        /// How often it has the text.
        found: usize,
        /// The text.
        find: String,
    },
    /// The replacement is what it replaces.
    #[error("{id}: the text and its replacement are the same, so that nothing breaks")]
    Same {
        /// The fault.
        id: String,
    },
    /// A fault has a part of the state and no judge, or a judge and no part.
    #[error("{id}: a fault has a `part` if its list has a `judge`, and only then")]
    Part {
        /// The fault.
        id: String,
    },
    /// The fault is asked of a file that is not of the crate.
    #[error("{id}: {} is not in a folder of {package}, whose tests have to find the fault", file.display())]
    Foreign {
        /// The fault.
        id: String,
        /// The file.
        file: PathBuf,
        /// The crate.
        package: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    package: String,
    #[serde(default)]
    tests: Vec<String>,
    judge: Option<Judge>,
    fault: Vec<Fault>,
}

/// Reads the lists in `folder`, in the order of their names.
///
/// # Errors
/// Everything that is wrong with them, but for what [`applies`] looks at.
pub fn read(folder: &Path) -> Result<Vec<Package>, Vec<ListError>> {
    let fail = |path: &Path, error| {
        vec![ListError::Io {
            path: path.to_owned(),
            error,
        }]
    };
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(|error| fail(folder, error))? {
        let path = entry.map_err(|error| fail(folder, error))?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            paths.insert(path);
        }
    }
    let mut packages = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| fail(&path, error))?;
        match toml::from_str::<RawList>(&text) {
            Ok(raw) => {
                let mut faults = raw.fault;
                for fault in faults.iter_mut().filter(|fault| fault.tests.is_empty()) {
                    fault.tests.clone_from(&raw.tests);
                }
                packages.push(Package {
                    name: raw.package,
                    judge: raw.judge,
                    faults,
                });
            }
            Err(error) => errors.push(ListError::Toml {
                path,
                error: Box::new(error),
            }),
        }
    }
    errors.extend(check(&packages));
    match errors.is_empty() {
        true => Ok(packages),
        false => Err(errors),
    }
}

/// What is wrong with lists, whatever the source tree is.
pub fn check(packages: &[Package]) -> Vec<ListError> {
    let mut errors = Vec::new();
    let mut known = BTreeSet::new();
    let faults = packages.iter().flat_map(|package| {
        let is_judged = package.judge.is_some();
        package.faults.iter().map(move |fault| (fault, is_judged))
    });
    for (fault, is_judged) in faults {
        let has_test = fault.test.is_some();
        if fault.part.is_some() != is_judged || has_test && !is_judged {
            errors.push(ListError::Part {
                id: fault.id.clone(),
            });
        }
        let texts = [
            ("id", &fault.id),
            ("find", &fault.find),
            ("breaks", &fault.breaks),
        ];
        let texts = texts
            .into_iter()
            .chain(fault.survives.iter().map(|survives| ("survives", survives)));
        for (key, _) in texts.filter(|(_, text)| text.trim().is_empty()) {
            errors.push(ListError::Empty {
                id: fault.id.clone(),
                key,
            });
        }
        if !known.insert(&fault.id) {
            errors.push(ListError::Twice {
                id: fault.id.clone(),
            });
        }
        if fault.find == fault.with {
            errors.push(ListError::Same {
                id: fault.id.clone(),
            });
        }
    }
    errors
}

/// Holds all faults against the source tree at `root`: each text has to be there, once, in a file
/// of the crate whose tests have to find the fault.
pub fn applies(packages: &[Package], root: &Path) -> Vec<ListError> {
    let mut errors = Vec::new();
    for package in packages {
        for fault in &package.faults {
            let path = root.join(&fault.file);
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) => {
                    errors.push(ListError::Io { path, error });
                    continue;
                }
            };
            if let Err(error) = fault.planted(&text) {
                errors.push(error);
            }
            if crate_of(root, &fault.file).as_ref() != Some(&package.name) {
                errors.push(ListError::Foreign {
                    id: fault.id.clone(),
                    file: fault.file.clone(),
                    package: package.name.clone(),
                });
            }
        }
    }
    errors
}

impl Fault {
    /// The text of a file with the fault in it.
    ///
    /// # Errors
    /// If the file does not have the text to be replaced exactly once.
    pub fn planted(&self, text: &str) -> Result<String, ListError> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.with, 1)),
            found => Err(ListError::Found {
                id: self.id.clone(),
                file: self.file.clone(),
                found,
                find: self.find.clone(),
            }),
        }
    }
}

/// The crate that a file belongs to: that of the nearest `Cargo.toml` above it.
fn crate_of(root: &Path, file: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct Manifest {
        package: Option<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let manifest = file
        .ancestors()
        .skip(1)
        .map(|folder| root.join(folder).join("Cargo.toml"))
        .find(|manifest| manifest.is_file())?;
    let manifest: Manifest = toml::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    Some(manifest.package?.name)
}
