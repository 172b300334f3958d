//! Why a kernel is not imported.

use crate::emit::NameClash;
use crate::scaffold::SelectError;
use kernel_structs::btf::WriteError;
use kernel_structs::layout::{Fingerprint, MinimiseError};
use kernel_structs::releases::{FamilyError, LayoutId, RegistryError};
use std::fmt;

/// Why a kernel cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// No state map says what is saved of such a kernel.
    #[error(transparent)]
    NoFamily(#[from] FamilyError),
    /// The kernel has not all that the state map names.
    #[error(
        "kernel-structs/state/{family}.toml asks for what this kernel lacks: {}; where kernels of the family lack it, the map says so",
        .lacking.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    Lacks {
        /// The family.
        family: String,
        /// All that is lacking.
        lacking: Vec<MinimiseError>,
    },
    /// The state map does not say of the layout what it has to.
    #[error("{}", .0.join("\n"))]
    Unfit(Vec<String>),
    /// The name, the version or the flavour is none that a file can be named after.
    #[error(
        "`{name}` is no {what} of a release; letters, digits and `.+-_~` make one, {longest} of them at most"
    )]
    Name {
        /// What it was to be.
        what: &'static str,
        /// The name.
        name: String,
        /// How many characters it can have.
        longest: usize,
    },
    /// A flavour that is another one only as it is spelt: two that nobody tells apart.
    #[error(
        "the flavour `{known}` is known, and `{flavour}` would be another one; give it as it is known"
    )]
    Spelling {
        /// The flavour.
        flavour: String,
        /// The one that is known.
        known: String,
    },
    /// The file of the layout is another layout's.
    #[error("layouts/{file} is there already, as the file of the layout {layout}")]
    Taken {
        /// The file.
        file: String,
        /// The layout that has it.
        layout: LayoutId,
    },
    /// The table knows another kernel by that name.
    #[error(
        "releases.toml has another {name}, with the {what} {known}, not {found}; builds of one name are told apart by hand, with a `name` of their own and one `uname`"
    )]
    Another {
        /// The name.
        name: String,
        /// What differs.
        what: &'static str,
        /// As the table has it.
        known: String,
        /// As the kernel has it.
        found: String,
    },
    /// Nothing says what bits of saved values mean.
    #[error(
        "what bits of saved values mean is not in a kernel's image: the constants of {name} are needed, from its headers; give the folder or the packages with --headers, or say --constants-of RELEASE if it has those of another"
    )]
    NoConstants {
        /// The kernel.
        name: String,
    },
    /// A registered kernel has other constants than its layout.
    #[error(
        "{name} is registered with other constants: {}; if they are right, `kconv-gen layout constants` stores them",
        .differing.join(", ")
    )]
    OtherConstants {
        /// The kernel.
        name: String,
        /// What differs.
        differing: Vec<String>,
    },
    /// The kernel has another layout than the release that is registered by its name.
    #[error(transparent)]
    OtherLayout(Box<OtherLayout>),
    /// The layout is renewed with the release that it is of.
    #[error(
        "the state map asks for what the stored layout {layout} does not have; it is of {first}, so import that first, and then {name}"
    )]
    OfAnother {
        /// The kernel.
        name: String,
        /// The layout.
        layout: LayoutId,
        /// The release that it is of.
        first: String,
    },
    /// An entry of the table is not in the form in which it can be changed.
    #[error(
        "releases.toml: the entry of {name} is not found by its lines; give each of its keys a line of its own, `id` or `name` first"
    )]
    NoEntry {
        /// The layout or the release.
        name: String,
    },
    /// The steps cannot be read.
    #[error("{}: {error}", path.display())]
    Steps {
        /// A folder or file of one.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The table with the kernel added, or the layout, breaks a rule.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Members of the layout have one name in generated code.
    #[error("the layout cannot be stored: {}; the names of generated code have to change first", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Names(Vec<NameClash>),
    /// The layout cannot be stored.
    #[error("the layout cannot be stored: {0}")]
    Store(#[from] WriteError),
    /// What is undecided cannot be said.
    #[error(transparent)]
    Status(#[from] SelectError),
}

/// All that is known to be wrong with a kernel, the cause before what follows from it.
#[derive(Debug)]
pub struct Refusals(pub Vec<ImportError>);

impl<E: Into<ImportError>> From<E> for Refusals {
    fn from(error: E) -> Refusals {
        Refusals(vec![error.into()])
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let errors: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&errors.join("\n"))
    }
}

/// A kernel whose layout is another one than that of the release that is registered by its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OtherLayout {
    /// The release.
    pub release: String,
    /// The layout that it is registered with.
    pub layout: LayoutId,
    /// The fingerprint of that.
    pub known: Fingerprint,
    /// The fingerprint of the kernel's layout.
    pub found: Fingerprint,
    /// The types that differ.
    pub differing: Vec<String>,
    /// The other releases that have the registered layout.
    pub releases: Vec<String>,
    /// The folders of the steps from it or to it.
    pub steps: Vec<String>,
}

impl fmt::Display for OtherLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        writeln!(
            f,
            "{} is registered with another layout than this one; nothing was written",
            self.release
        )?;
        writeln!(f, "  registered: {}, {}", self.layout, self.known)?;
        writeln!(f, "  this one: {}", self.found)?;
        writeln!(f, "  types that differ: {}", list(&self.differing))?;
        writeln!(
            f,
            "  other releases with {}: {}",
            self.layout,
            list(&self.releases)
        )?;
        writeln!(f, "  steps from or to it: {}", list(&self.steps))?;
        write!(
            f,
            "If it is another kernel, add it under a name of its own (`kconv-gen layout add FILE --release NAME`). If what is registered is wrong, say --replace: {}",
            match self.releases.is_empty() {
                true => "the stored layout is replaced by this one",
                false => "the release gets this layout, and the other releases keep theirs",
            }
        )
    }
}
