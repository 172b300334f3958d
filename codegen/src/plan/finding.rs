//! What a plan leaves open.

use crate::ctype::{self, Field};
use crate::overrides::FlagDirection;
use kernel_structs::layout::Layout;
use std::fmt;

/// A field for which neither an override, nor the state map, nor an automatic rule says what
/// happens.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Undecided {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// The field; empty if the type as a whole is meant.
    pub field: String,
    /// What is open about it.
    pub why: Why,
    /// The field under the layout read.
    pub old: Option<Declaration>,
    /// The field under the layout written.
    pub new: Option<Declaration>,
    /// Fields of the other side that could be this one under another name, likeliest first.
    pub candidates: Vec<Candidate>,
}

/// How a field is declared.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Declaration {
    /// Its type.
    pub declared: String,
    /// First bit in its structure.
    pub offset_bits: u64,
    /// Number of bits.
    pub size_bits: u64,
}

/// A possible other name of a field.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Candidate {
    /// The name.
    pub field: String,
    /// How alike name and type are: 0 (not at all) to 1 (the same).
    pub likeness: f32,
}

/// A flag that is another one under the two layouts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FlagChange {
    /// Name of the constant.
    pub name: String,
    /// Its bits under the layout read; 0 if that has it not.
    pub was: u64,
    /// Its bits under the layout written; 0 if that has it not.
    pub is: u64,
}

impl Declaration {
    /// That of a field of a layout.
    pub(super) fn of(layout: &Layout, field: &Field) -> Declaration {
        Declaration {
            declared: ctype::declared(layout, field),
            offset_bits: field.offset,
            size_bits: field.len,
        }
    }
}

impl FlagChange {
    /// What happens to it.
    pub fn direction(&self) -> FlagDirection {
        match (self.was, self.is) {
            (0, _) => FlagDirection::Appears,
            (_, 0) => FlagDirection::Disappears,
            _ => FlagDirection::Renumbered,
        }
    }
}

/// What is open about a field.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Why {
    /// Only the new layout has it.
    Added,
    /// Only the old layout has it.
    Removed,
    /// Its type is another one.
    TypeChanged,
    /// It is a union, and the two sides differ.
    UnionChanged,
    /// It is or holds a pointer of which the state map says nothing.
    NoPolicy,
    /// The state map says different things of the two sides.
    MeaningChanged {
        /// The policy of the old field.
        old: &'static str,
        /// The policy of the new field.
        new: &'static str,
    },
    /// The state map's policy cannot be applied to a value of this type.
    PolicyDoesNotFit {
        /// The policy.
        policy: &'static str,
    },
    /// It is reset as a whole, and nothing says the initial value of a member that only the new
    /// side has.
    NoInitial {
        /// The member.
        member: String,
    },
    /// It is a union without a name, which only one side has: its members may be on the other side
    /// without it.
    UnnamedUnion {
        /// The first of its members.
        first: String,
        /// Whether it is the new side that has it.
        appears: bool,
    },
    /// Elements of an array have no counterpart, and no single number is their initial value.
    ElementsLeftOver,
    /// It is an array that objects of its type go on with behind the type's end, and the elements
    /// are others.
    BehindChanged,
    /// It says by the state map which elements of an array are meant, and the new layout's has fewer.
    FewerElements {
        /// The array, as `type.member`.
        array: String,
        /// How many the old layout has.
        was: u64,
        /// How many the new one has.
        is: u64,
    },
    /// An old enumerator's value has two names, which are two values now.
    EnumeratorSplit {
        /// One of the names.
        name: String,
    },
    /// Its bits mean something else under the two layouts.
    FlagsDiffer {
        /// What differs.
        flags: Vec<FlagChange>,
    },
    /// The state map says of one side only what its bits mean.
    MeaningOnOneSide,
    /// Its values are made of constants that are known of one layout only.
    NoConstants {
        /// Name of the other layout.
        layout: String,
    },
    /// Its initial value is a constant that a layout does not have.
    NoConstant {
        /// The constant.
        name: String,
    },
    /// Its initial value depends on how a member is declared, and a layout declares that in a way
    /// that the state map does not know.
    DeclaredOtherwise {
        /// The member.
        member: String,
    },
    /// The state map gives it an initial value that it cannot hold.
    InitialDoesNotFit {
        /// The number.
        number: i64,
    },
    /// A decision about one of its flags cannot be carried out.
    Flag {
        /// The flag.
        name: String,
        /// Where the decision stands.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// It is too large for anything a kernel has.
    TooLarge {
        /// The largest size that is planned, in bytes.
        largest: u64,
    },
    /// A layout has no such type, although it is saved.
    NoSuchType {
        /// Name of the layout.
        layout: String,
    },
    /// Objects of the type lie right behind others under one layout, and under the other these have
    /// no member that is known to be the same: nothing makes the one of the other.
    NotBehind {
        /// The type of the others.
        owner: Option<String>,
        /// The layout under which they lie behind.
        layout: String,
    },
    /// The state map's root type has no `pid` of 32 bits or no character array `comm`, by which
    /// findings name a task.
    NoTaskLabel,
    /// An override cannot be carried out.
    Override {
        /// Line in the file.
        line: usize,
        /// The file, from the project's folder on.
        file: String,
        /// What is wrong.
        problem: String,
    },
}

impl Why {
    /// Whether the state map has to be completed, which no override can do for it.
    pub fn is_for_state_map(&self) -> bool {
        matches!(
            self,
            Why::NoPolicy
                | Why::MeaningChanged { .. }
                | Why::PolicyDoesNotFit { .. }
                | Why::NoInitial { .. }
                | Why::UnnamedUnion { .. }
                | Why::NoSuchType { .. }
                | Why::NotBehind { .. }
                | Why::NoTaskLabel
                | Why::TooLarge { .. }
                | Why::MeaningOnOneSide
                | Why::NoConstants { .. }
                | Why::NoConstant { .. }
                | Why::DeclaredOtherwise { .. }
                | Why::InitialDoesNotFit { .. }
                | Why::BehindChanged
        )
    }

    /// Whether a decision that is there has to be corrected.
    pub fn is_wrong_decision(&self) -> bool {
        matches!(self, Why::Override { .. } | Why::Flag { .. })
    }
}

impl Undecided {
    /// Whether it is about `field`, written `type.member`.
    pub(crate) fn is_of(&self, field: &str) -> bool {
        let member = field.strip_prefix(self.ty.as_str());
        member.and_then(|member| member.strip_prefix('.')) == Some(self.field.as_str())
    }

    /// Whether what C writes of it is a number on both sides: nothing else has a unit.
    fn is_of_numbers(&self) -> bool {
        let is_number = |of: &Declaration| {
            let of = of.declared.as_str();
            let is_plain = !of.contains(['*', '[']);
            is_plain && !of.starts_with("struct ") && !of.starts_with("union ")
        };
        self.old.iter().chain(&self.new).all(is_number)
    }

    /// What a person can write to decide it.
    pub fn advice(&self) -> String {
        let field = format!("{}.{}", self.ty, self.field);
        match &self.why {
            Why::Added => format!(
                "add `[[change]] field = \"{field}\"` with `appears`: an `init`, `rename` or `call`, and a reason"
            ),
            Why::Removed => format!(
                "add `[[change]] field = \"{field}\"` with `disappears`: `drop = \"always\"` or `drop = \"only-if-initial\"`, or what it goes `into`, and a reason; or a `rename` on the field that it has become"
            ),
            Why::TypeChanged | Why::UnionChanged => {
                let words = match self.is_of_numbers() {
                    true => "`scale` or `call`",
                    false => "a `call`",
                };
                format!(
                    "add `[[change]] field = \"{field}\"` with two conditions, and for each direction {words}, or an `init` and a `drop`, and a reason"
                )
            }
            Why::ElementsLeftOver => format!(
                "add `[[change]] field = \"{field}\"` with `elements = \"{field}\"`, and for `fewer` and `more` a `call`, or of numbers a `merge` or a `rest`, and a reason"
            ),
            Why::EnumeratorSplit { .. } => format!(
                "add `[[change]] field = \"{field}\"` with two conditions, and for each direction a `call`, and a reason"
            ),
            Why::UnnamedUnion { first, .. } => format!(
                "say in the state map which of its members is in use while a task is saved: `[type.{ty}.arms]` and `{first} = \"why\"`; it is then planned as that member",
                ty = self.ty
            ),
            Why::FlagsDiffer { .. } => format!(
                "add `[[flags]] field = \"{field}\"` with the `names`, what becomes of them where they appear, disappear or are `renumbered`, and a reason"
            ),
            Why::MeaningOnOneSide => {
                format!("add the field to the `fields` of the [[watch]] entry of {field}")
            }
            Why::NoConstants { layout } => format!(
                "give {layout} its constants with `kconv-gen layout constants {layout} --headers FOLDER`"
            ),
            Why::NoConstant { name } => format!(
                "have the layouts store {name}: name it in a [[watch]] entry with `fields`, and give them their constants again"
            ),
            Why::DeclaredOtherwise { member } => format!(
                "say in the state map, in `initial`, what value goes with the type that {member} has"
            ),
            Why::InitialDoesNotFit { .. } => {
                "correct `initial` in the state map: it is a number of the field's own width and sign"
                    .to_owned()
            }
            Why::Flag { .. } => "correct the decision".to_owned(),
            Why::NoInitial { member } => {
                let of = match self.field.is_empty() {
                    true => &self.ty,
                    false => &field,
                };
                format!("say in the state map, in `initial` of {of}, what value `{member}` has")
            }
            Why::PolicyDoesNotFit { policy: "reset" } => match (&self.old, &self.new) {
                (Some(old), Some(new)) if old.declared != new.declared => format!(
                    "say in the state map, for each of the two, what it is initially: `initial = {{ declared = {field:?}, as = {{ {:?} = …, {:?} = … }} }}`",
                    old.declared, new.declared
                ),
                _ => format!("correct the `initial` of {field} in the state map"),
            },
            Why::NoPolicy | Why::MeaningChanged { .. } | Why::PolicyDoesNotFit { .. } => {
                format!("say in the state map what {field} means")
            }
            Why::NotBehind { .. } => format!(
                "an object is made of one member, which the state map names in `lacks` where it says what lies behind, and which is at the end of the other if that has a `size`; decide about {ty} where it is a member, or correct the state map",
                ty = self.ty
            ),
            Why::FewerElements { array, .. } => format!(
                "add `[[change]] field = \"{field}\"` with `elements = \"{array}\"`, and `fewer`: a `call`, or an `init` and a `drop`, and a reason"
            ),
            Why::BehindChanged => format!(
                "say in the state map how many elements there are: a `tail` of {ty} instead of its `size`",
                ty = self.ty
            ),
            Why::NoSuchType { .. } | Why::NoTaskLabel | Why::TooLarge { .. } => {
                "correct the state map, or import the layout again".to_owned()
            }
            Why::Override { .. } => "correct the override".to_owned(),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Added => f.write_str("is new, and nothing says what value it gets"),
            Why::Removed => f.write_str("is no more, and nothing says what becomes of its value"),
            Why::TypeChanged => f.write_str("has another type, and no automatic rule leads there"),
            Why::UnionChanged => {
                f.write_str("is a union that changed; nothing says which member holds")
            }
            Why::NoPolicy => {
                f.write_str("is or holds a pointer of which the state map says nothing")
            }
            Why::MeaningChanged { old, new } => {
                write!(f, "was `{old}` and is `{new}` by the state map")
            }
            Why::PolicyDoesNotFit { policy: "reset" } => f.write_str(
                "is reset by the state map to an `initial` that a value of this type cannot have",
            ),
            Why::PolicyDoesNotFit { policy } => {
                write!(
                    f,
                    "has the policy `{policy}`, which a value of this type cannot follow"
                )
            }
            Why::NoInitial { member } => write!(
                f,
                "is reset, and nothing says the initial value of its new member `{member}`"
            ),
            Why::UnnamedUnion { first, appears } => write!(
                f,
                "is a union without a name, with `{first}` in it, that only the {} layout has",
                if *appears { "new" } else { "old" }
            ),
            Why::ElementsLeftOver => f.write_str(
                "has elements without counterpart whose initial value is not one number",
            ),
            Why::FewerElements { array, was, is } => write!(
                f,
                "says which elements of {array} are meant, of which there were {was} and are {is}"
            ),
            Why::BehindChanged => f.write_str(
                "has elements behind the end of the type that are others, and what is saved there is carried as it is",
            ),
            Why::EnumeratorSplit { name } => write!(
                f,
                "has an old value with two names, one of them {name}, that are two values now"
            ),
            Why::FlagsDiffer { flags } => write!(
                f,
                "has bits that mean something else, and nothing says what becomes of them: {}",
                flags
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ")
            ),
            Why::MeaningOnOneSide => {
                f.write_str("is made of constants by the state map, under one layout only")
            }
            Why::NoConstants { layout } => {
                write!(f, "is made of constants, and none are known of {layout}")
            }
            Why::NoConstant { name } => {
                write!(
                    f,
                    "is {name} initially, a constant that a layout does not have"
                )
            }
            Why::DeclaredOtherwise { member } => {
                write!(
                    f,
                    "has an initial value that follows from the type of {member}, which a layout has not, or with another type"
                )
            }
            Why::InitialDoesNotFit { number } => {
                write!(
                    f,
                    "is {number} initially by the state map, which it cannot hold"
                )
            }
            Why::Flag { name, place, what } => {
                write!(
                    f,
                    "has the flag {name}, which cannot be converted: {what} ({place})"
                )
            }
            Why::TooLarge { largest } => write!(f, "has more than {largest} bytes"),
            Why::NoSuchType { layout } => write!(f, "is saved, but {layout} has no such type"),
            Why::NotBehind { owner, layout } => write!(
                f,
                "is an object right behind {} in {layout}, and not one member of that in the other layout, at its end; nothing makes the one of the other",
                owner.as_deref().unwrap_or("another"),
            ),
            Why::NoTaskLabel => {
                f.write_str("is the root, but has no 32-bit pid and no character array comm")
            }
            Why::Override {
                line,
                file,
                problem,
            } => {
                write!(
                    f,
                    "has an entry on line {line} of {file} that cannot be carried out: {problem}"
                )
            }
        }
    }
}

impl fmt::Display for FlagChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlagChange { name, was, is } = self;
        match self.direction() {
            FlagDirection::Appears => write!(f, "{name} ({is:#x}) is new"),
            FlagDirection::Disappears => write!(f, "{name} ({was:#x}) is no more"),
            FlagDirection::Renumbered | FlagDirection::Reset => {
                write!(f, "{name} was {was:#x} and is {is:#x}")
            }
        }
    }
}

impl fmt::Display for Undecided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => write!(f, "{} {}", self.ty, self.why),
            field => write!(f, "{}.{field} {}", self.ty, self.why),
        }
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (byte, bit) = (self.offset_bits / 8, self.offset_bits % 8);
        write!(f, "{} at {byte}", self.declared)?;
        if bit != 0 {
            write!(f, ":{bit}")?;
        }
        match self.size_bits % 8 {
            0 => write!(f, ", {} bytes", self.size_bits / 8),
            _ => write!(f, ", {} bits", self.size_bits),
        }
    }
}
