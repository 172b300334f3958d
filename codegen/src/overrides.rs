//! Overrides: what people decided where no rule does, with their reasons.
//!
//! A decision belongs to the change of a field, and to a family of kernels: [`Changes`] reads them
//! and says which hold between two layouts, [`Family::check`](crate::family::Family::check) holds them
//! against all layouts at once.
//! `step.toml` of a step's folder names the pairs of releases that the step converts
//! between, and may decide what this one step needs and no other:
//!
//! ```toml
//! converter = "convert-2.4.36.8-2.4.36.9"
//! family = "linux-2.4"
//!
//! [[pair]]
//! module = "i386_up"
//! from = "2.4.36.8-up"
//! from_fingerprint = "…"
//! to = "2.4.36.9-up"
//! to_fingerprint = "…"
//!
//! [[override]]
//! field = "task_struct.fresh"
//! init = "null"
//! reason = "…"
//! ```
//!
//! All files are read strictly: an unknown key, an entry with no action or with two, an attribute
//! without its action and a reason that cites no source are errors, and so are ([`crate::needed`]) an entry that no
//! pair has a field for and one that changes nothing. All errors are reported at once, but for
//! what is not TOML of this shape, where the first stops the reader.

mod action;
mod changes;
mod condition;
mod flags;
mod functions;
mod name;
mod parse;
mod problem;
mod reason;
mod signature;

pub use changes::{CONVERTERS, Change, ChangeFinding, Changes, ChangesError, Directed, FOLDER};
pub use condition::{Condition, When};
pub(crate) use condition::{elements, is_there};
pub use flags::{FlagDecision, FlagFate};
pub use parse::parse;
pub use problem::{OverrideFinding, OverrideProblem};
pub(crate) use signature::{Seen, Signature};

use kernel_structs::layout::Fingerprint;
use kernel_structs::state::SymbolPlace;
use std::fmt;

/// A `step.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverridesFile {
    /// Name of the converter.
    pub converter: String,
    /// Kernel family.
    pub family: String,
    /// The pairs of releases.
    pub pairs: Vec<PairEntry>,
    /// The decisions.
    pub overrides: Overrides,
}

/// A pair of releases that a crate converts between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairEntry {
    /// Line in the file.
    pub line: usize,
    /// Name of the generated module.
    pub module: String,
    /// The release converted from.
    pub from: String,
    /// Fingerprint of its layout when the decisions were made.
    pub from_fingerprint: Fingerprint,
    /// The release converted to.
    pub to: String,
    /// Fingerprint of its layout when the decisions were made.
    pub to_fingerprint: Fingerprint,
}

/// The decisions of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// In the order of the file.
    pub entries: Vec<Override>,
    /// What is decided of flags by name, in both directions.
    pub flags: Vec<FlagDecision>,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Place in [`Overrides::entries`].
    pub index: usize,
    /// Line in the file.
    pub line: usize,
    /// The change that it comes from; `None` for an entry of a step's own.
    pub origin: Option<Origin>,
    /// The field: `type.member`.
    pub field: String,
    /// What is done.
    pub action: OverrideAction,
    /// Why.
    pub reason: String,
    /// The change in the kernel's source behind it; empty where there is none.
    pub evidence: String,
    /// What the way back gives the field, where this drops it: nothing is lost with that value.
    pub back: Option<Init>,
}

/// Where a decision stands that belongs to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Place in [`Changes::entries`].
    pub change: usize,
    /// Which way the change is gone.
    pub direction: Direction,
    /// Name of the file, in the family's folder.
    pub file: String,
}

/// Which way a change is gone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To a layout that has the field, from one that has not.
    Appears,
    /// To a layout that has not the field, from one that has.
    Disappears,
    /// To a layout that fulfils the one condition, from one that fulfils the other.
    ToOne,
    /// The other way.
    ToOther,
    /// To a layout of which the array has fewer elements.
    Fewer,
    /// The other way.
    More,
}

/// What happens to a flag from one layout to another.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlagDirection {
    /// Only the new layout has it.
    Appears,
    /// Only the old layout has it.
    Disappears,
    /// It has another number.
    Renumbered,
    /// Any of them, or nothing: it is not carried, whichever of the layouts has it.
    Reset,
}

/// What an override does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OverrideAction {
    /// The field had another name.
    Rename {
        /// Its name in the old type.
        old: String,
    },
    /// A new field gets a stated value.
    Init(Init),
    /// An old field has no place any more.
    Drop {
        /// Whether any other value than the initial one stops the conversion.
        only_if_initial: bool,
    },
    /// An old pointer leads back to what its object becomes a part of.
    DropContainer,
    /// A structure becomes an object of its own, and the field a pointer at it.
    Make {
        /// Type of the structure.
        ty: String,
    },
    /// The object that the old pointer leads to becomes a structure in its place.
    Fold {
        /// Type of the object.
        ty: String,
    },
    /// Another unit.
    Scale {
        /// Multiplied by this,
        multiply: i64,
        /// then divided by this.
        divide: i64,
        /// What is added at last.
        offset: i64,
        /// The old field; the one of the same name if nothing is said.
        from: Option<String>,
    },
    /// An array that becomes the sum of its elements.
    MergeSum,
    /// Elements of an array that have no counterpart have a stated value.
    Rest {
        /// The value.
        value: i64,
    },
    /// A function of people.
    Call(Function),
}

/// A function of people, and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name in the crate of overrides.
    pub name: String,
    /// Old members of the type, and flags of such as `member:FLAG`; the field of the same name if
    /// nothing is said.
    pub from: Vec<String>,
    /// Members of types, as `type.member`, whose offsets in the old layout it is given.
    pub offsets: Vec<String>,
    /// Members of types whose offsets in the new layout it is given, behind the old ones.
    pub new_offsets: Vec<String>,
    /// Constants whose values in the old layout it is given, behind the offsets. A member, as
    /// `type.member`, is an array, and stands for the number of its elements.
    pub constants: Vec<String>,
    /// Constants whose values in the new layout it is given, behind the old ones.
    pub new_constants: Vec<String>,
    /// The old member whose last bytes are those of what it makes, each at its place: an object that
    /// ends with both may end before its type does.
    pub ends: Option<String>,
    /// How it is declared, once that was looked up.
    pub(crate) signature: Option<Signature>,
}

/// The value of a new field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// A pointer to nothing.
    Null,
    /// Zero in every byte.
    Zero,
    /// A number.
    Value(i64),
    /// A list without entries.
    EmptyList,
    /// The address of the object that the field is in.
    Object,
    /// The address of something in the kernel image.
    Symbol(SymbolPlace),
    /// The address of the object that the one of the field was a part of.
    Container,
}

impl OverrideAction {
    /// The old fields that it names.
    pub fn reads(&self) -> Vec<&str> {
        match self {
            OverrideAction::Rename { old } => vec![old],
            OverrideAction::Call(call) => call.from.iter().map(String::as_str).collect(),
            OverrideAction::Scale { from, .. } => from.iter().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The value of the elements of an array that have no counterpart.
    pub(crate) fn rest(&self) -> Option<i64> {
        match self {
            OverrideAction::Rest { value } => Some(*value),
            _ => None,
        }
    }

    /// What another unit multiplies by, divides by, and adds.
    pub(crate) fn unit(&self) -> Option<(i64, i64, i64)> {
        match self {
            OverrideAction::Scale {
                multiply,
                divide,
                offset,
                ..
            } => Some((*multiply, *divide, *offset)),
            _ => None,
        }
    }

    /// The key for it in a file.
    pub const fn name(&self) -> &'static str {
        match self {
            OverrideAction::Rename { .. } => "rename",
            OverrideAction::Init(_) => "init",
            OverrideAction::Drop { .. } | OverrideAction::DropContainer => "drop",
            OverrideAction::Make { .. } => "make",
            OverrideAction::Fold { .. } => "fold",
            OverrideAction::Scale { .. } => "scale",
            OverrideAction::MergeSum => "merge",
            OverrideAction::Rest { .. } => "rest",
            OverrideAction::Call(_) => "call",
        }
    }
}

impl Overrides {
    /// A step's own decisions and, behind them, those of its family that hold between its two
    /// layouts; with a finding for each field that both decide.
    #[must_use]
    pub fn with(&self, family: Overrides) -> (Overrides, Vec<OverrideFinding>) {
        let mut findings = Vec::new();
        let mut entries = self.entries.clone();
        for mut entry in family.entries {
            let same =
                |own: &&Override| own.field == entry.field && own.is_drop() == entry.is_drop();
            if let Some(own) = self.entries.iter().find(same) {
                findings.push(OverrideFinding {
                    line: own.line,
                    problem: OverrideProblem::DecidedByFamily {
                        place: entry.place(),
                        field: entry.field,
                    },
                });
                continue;
            }
            entry.index = entries.len();
            entries.push(entry);
        }
        let flags = family.flags;
        (Overrides { entries, flags }, findings)
    }
}

impl Override {
    /// Where it stands, for a message: `line 5`, or `line 5 of mm_struct.toml`.
    pub fn place(&self) -> String {
        match &self.origin {
            Some(origin) => format!("line {} of {}", self.line, origin.file),
            None => format!("line {}", self.line),
        }
    }

    /// Whether it is about an old field that goes away.
    pub fn is_drop(&self) -> bool {
        matches!(
            self.action,
            OverrideAction::Drop { .. } | OverrideAction::DropContainer
        )
    }
}

impl fmt::Display for FlagDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FlagDirection::Appears => "appears",
            FlagDirection::Disappears => "disappears",
            FlagDirection::Renumbered => "renumbered",
            FlagDirection::Reset => "reset",
        })
    }
}
