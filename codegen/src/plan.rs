//! The plan of a converter: one rule for every bit of every target type, and a fate for every
//! bit of every source type.
//!
//! A plan is data. It is made from two layouts, a state map and overrides ([`Plan::make`]), held
//! against the layouts by [`crate::coverage`], and written out as Rust by [`crate::emit`]; none
//! of the three knows how the others work.

mod auto;
mod behind;
mod builder;
mod decision;
mod declared;
mod fates;
mod finding;
mod flags;
mod human;
mod meanings;
mod numbers;
mod objects;
mod open;
mod pair;
mod prepared;
mod reason;
mod reset;
mod spans;
mod zero;

pub use builder::Made;
pub(crate) use builder::Needs;
pub use finding::{Candidate, Declaration, FlagChange, Undecided, Why};
pub use pair::{Pair, Side};
pub(crate) use prepared::Prepared;
pub use reason::{Clause, Reason};
pub use zero::other_than_zero;

use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Fingerprint, TypeId};
use kernel_structs::state::SymbolPlace;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Everything that a converter between two layouts does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Name of the converter, such as `convert-2.4.36.8-2.4.36.9`.
    pub converter: String,
    /// Kernel family.
    pub family: String,
    /// Name of the machine, as in `releases.toml`.
    pub machine: String,
    /// The layout read.
    pub from: Node,
    /// The layout written.
    pub to: Node,
    /// The pid and comm of a task under the layout read; `None` for a family in which nothing is one.
    pub task: Option<TaskLabel>,
    /// The types, by name: those of objects, and those nested in them that have rules of their
    /// own.
    pub types: BTreeMap<String, TypePlan>,
}

/// A layout at one end of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The release that the converter is named after.
    pub release: String,
    /// Name of the layout in `releases.toml`.
    pub layout: String,
    /// Fingerprint of the saved types.
    #[serde(serialize_with = "as_text")]
    pub fingerprint: Fingerprint,
}

/// Where the pid and comm of a task lie. Offsets in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskLabel {
    /// The type of a task.
    pub ty: String,
    /// Offset of the 32-bit pid.
    pub pid: u64,
    /// Offset of the name.
    pub comm: u64,
    /// Length of the name.
    pub comm_len: u64,
}

/// What is done with one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypePlan {
    /// Name of the type: a tag, a typedef, an element type (`file *`), or the path to a
    /// structure without a name.
    pub name: String,
    /// The type under both layouts; `None` for an element type that is a scalar.
    #[serde(skip)]
    pub ids: Option<(TypeId, TypeId)>,
    /// Size of a value read, in bytes.
    pub from_size: u64,
    /// Size of a value written, in bytes.
    pub to_size: u64,
    /// Whether values are objects of an image, or elements that an object ends in, and not only
    /// parts of other types.
    pub object: bool,
    /// Bytes of memory that belong to an object, if more than its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extent: Option<u64>,
    /// Whether objects can end before or behind the end of the type, as they say themselves.
    pub open: bool,
    /// Where an object ends, in bytes from the start of its owner, if that is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_end: Option<u64>,
    /// The type of the object right behind which an object lies, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// The structure inside of an object that is, under the other layout, the object right behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_behind: Option<PartBehind>,
    /// What is written, by target offset.
    pub fields: Vec<FieldPlan>,
    /// What is read and has no place in the target, by source offset.
    pub drops: Vec<FieldPlan>,
    /// Source bits that belong to no member.
    pub padding: Vec<Bits>,
    /// Where bytes that something can point at went, by source offset, adjacent ones merged.
    pub spans: Vec<Span>,
}

/// A structure inside of an object under one layout that is an object under the other, right behind
/// that one. Its member has [`Action::Make`] or [`Action::Fold`], and no place on the other side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartBehind {
    /// The way to it from the object around it.
    #[serde(serialize_with = "as_text")]
    pub path: FieldPath,
    /// Its name in [`Plan::types`].
    pub ty: String,
    /// Whether the old layout has it inside, so that an object is made of it.
    pub made: bool,
    /// Where it begins from the start of the old object around it, in bytes.
    pub from: u64,
    /// Where it begins from the start of the new object, in bytes.
    pub to: u64,
    /// The bits of the old object that are not zero exactly where there is one.
    pub when: Bits,
}

/// A range of bits from the start of a value.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bits {
    /// First bit.
    pub offset: u64,
    /// Number of bits.
    pub len: u64,
}

/// Bytes that moved together. All in bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First byte in the old value.
    pub from: u64,
    /// First byte in the new value.
    pub to: u64,
    /// Number of bytes.
    pub len: u64,
}

/// What was decided for one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldPlan {
    /// Path of the field in its type: of the new type, or of the old one for a dropped field.
    #[serde(serialize_with = "as_text")]
    pub path: FieldPath,
    /// Path in the old type, where it is another.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "as_optional_text"
    )]
    pub old_path: Option<FieldPath>,
    /// The rule.
    pub rule: RuleKind,
    /// How it is carried out.
    pub action: Action,
    /// Where the value was.
    pub from: Option<Place>,
    /// Where the value is.
    pub to: Option<Place>,
    /// Who decided.
    pub source: Source,
    /// Why; empty where the rule says it all.
    #[serde(skip_serializing_if = "Reason::is_empty")]
    pub reason: Reason,
    /// The change in the kernel's source behind the decision; empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}

/// A field under one layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its bits.
    pub bits: Bits,
    /// How it is declared.
    pub declared: String,
    /// Its type; `None` for padding and for element types.
    #[serde(skip)]
    pub ty: Option<TypeId>,
    /// Whether it is a bit-field.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bit_field: bool,
}

/// How a rule is carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// The value as it is.
    Copy,
    /// The same number in a type that holds all of them.
    Widen,
    /// The same number, if the new type holds it.
    Narrow,
    /// A pointer, by its meaning.
    Pointer {
        /// The meaning.
        meaning: Meaning,
    },
    /// A link of a ring of saved objects.
    Link {
        /// Path of the ring's head in the type.
        #[serde(serialize_with = "as_text")]
        head: FieldPath,
    },
    /// A link of a kernel-private list, which becomes empty.
    EmptyLink {
        /// Path of the list's head in the type.
        #[serde(serialize_with = "as_text")]
        head: FieldPath,
        /// Whether a list that is not empty stops the conversion.
        strict: bool,
    },
    /// The initial value.
    Reset {
        /// The value.
        initial: i64,
        /// Whether any other old value stops the conversion.
        strict: bool,
    },
    /// The address of a symbol of the kernel image.
    ResetSymbol {
        /// The symbol.
        #[serde(serialize_with = "as_text")]
        symbol: SymbolPlace,
        /// Whether any other old value stops the conversion.
        strict: bool,
    },
    /// A bit-field, if the new one holds its value.
    BitField,
    /// An enumerator.
    Enumerator {
        /// Old and new values.
        table: Vec<(i64, i64)>,
    },
    /// The function of another type.
    Recurse {
        /// Its name in [`Plan::types`].
        ty: String,
    },
    /// Each element of an array.
    Elements {
        /// What is done with each.
        each: Box<Action>,
        /// Number of elements read.
        old: u64,
        /// Number of elements written.
        new: u64,
        /// What elements without counterpart are, or have to be.
        rest: i64,
    },
    /// Each element of the flexible array that the object ends in. The field's places are what
    /// `sizeof` has of it.
    Tail {
        /// Type of the elements, in [`Plan::types`].
        ty: String,
        /// Path of the member that says how many there are.
        #[serde(serialize_with = "as_text")]
        count: FieldPath,
        /// What is added to it.
        add: u64,
        /// First byte of the array, before and after.
        at: (u64, u64),
    },
    /// The sum of an array, in its place or in that of its first element. Of elements that have
    /// counterparts, the others are in that sum.
    Sum,
    /// Another unit.
    Scale {
        /// Multiplied by this,
        multiply: i64,
        /// then divided by this.
        divide: i64,
    },
    /// Another unit, counted from another number.
    Offset {
        /// Multiplied by this,
        multiply: i64,
        /// divided by this,
        divide: i64,
        /// and this is added.
        add: i64,
    },
    /// Flags by name.
    Flags(Flags),
    /// What a function in the converter's crate makes of old fields.
    Call {
        /// Its name.
        function: String,
        /// The old fields it is given, and flags of such.
        arguments: Vec<Argument>,
        /// The offsets it is given, behind them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        offsets: Vec<MemberOffset>,
        /// The values of constants that it is given, behind them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        constants: Vec<u64>,
        /// The old field whose last bytes are those of the new one, each at its place.
        #[serde(skip_serializing_if = "Option::is_none")]
        ends: Option<Bits>,
    },
    /// A number.
    Set {
        /// The number.
        value: i64,
    },
    /// The address of a symbol of the kernel image, in a value that is new.
    SetSymbol {
        /// The symbol.
        #[serde(serialize_with = "as_text")]
        symbol: SymbolPlace,
    },
    /// Zero in every byte.
    Zero,
    /// The address of a place in the new value.
    OwnAddress {
        /// The place.
        #[serde(serialize_with = "as_text")]
        of: FieldPath,
    },
    /// The address of the object.
    ObjectAddress,
    /// The address of the object that this one was a part of.
    ContainerAddress,
    /// A structure becomes an object of its own, which the new field points at; without a new field, one
    /// that lies right behind the object that the structure was in.
    Make {
        /// Its name in [`Plan::types`].
        ty: String,
    },
    /// The object that the old field points at becomes a structure; without an old field, the one that
    /// lies right behind the object that gets the structure.
    Fold {
        /// Its name in [`Plan::types`].
        ty: String,
        /// Whether objects of the type exist that are part of no other.
        alone: bool,
    },
    /// Nothing is written: the pointer has to lead to what the object becomes a part of.
    DropContainer,
    /// Nothing is written; the value is kept unless it is initial.
    Drop {
        /// The initial value, of every scalar in the field.
        initial: i64,
        /// Whether any other value stops the conversion instead.
        strict: bool,
    },
    /// Nothing is written; a link is kept unless its list is empty.
    DropLink {
        /// Path of the list's head in the old type.
        #[serde(serialize_with = "as_text")]
        head: FieldPath,
        /// Whether a list that is not empty stops the conversion instead.
        strict: bool,
    },
    /// Nothing is written; a pointer into the kernel image is kept unless it is at its initial
    /// symbol.
    DropSymbol {
        /// The symbol; `None` if the pointer is null initially.
        #[serde(serialize_with = "as_optional_text")]
        symbol: Option<SymbolPlace>,
        /// Whether any other value stops the conversion instead.
        strict: bool,
    },
    /// Nothing is written here: another rule reads the value.
    Used {
        /// Path of the new field that does.
        #[serde(serialize_with = "as_text")]
        by: FieldPath,
    },
}

/// What a function of people is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Argument {
    /// An old field.
    #[serde(serialize_with = "as_text")]
    pub field: FieldPath,
    /// The bits of it that are meant, if it is whether a flag is set that is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<u64>,
}

/// Where a member of a type lies, which a function of people is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberOffset {
    /// Whether the new layout is meant.
    pub new: bool,
    /// Name of the type.
    pub of: String,
    /// The type, in that layout.
    #[serde(skip)]
    pub ty: TypeId,
    /// The member.
    #[serde(serialize_with = "as_text")]
    pub member: FieldPath,
    /// Its offset, in bytes.
    pub bytes: u64,
}

/// What becomes of the bits of a field, by the names that they have under both layouts. All numbers
/// are masks. Bits that are in none of them have no name under the old layout, and stop the
/// conversion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// Bits that mean the same in both.
    pub same: u64,
    /// Bits with another number: before, and after.
    pub moved: Vec<(u64, u64)>,
    /// Bits that are left out and kept.
    pub dropped: u64,
    /// Bits that another field says.
    pub elsewhere: u64,
    /// Bits that stop the conversion, with their names.
    pub refused: Vec<(String, u64)>,
    /// Where all of the first are set they mean something that is left out, and so are the second.
    pub together: Vec<(u64, u64)>,
    /// Bits of which a function of people says whether they are set.
    pub called: Vec<CalledFlag>,
}

/// A flag of which a function of people says whether it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CalledFlag {
    /// Its name.
    pub function: String,
    /// Its bits before; 0 if the old layout has no such flag.
    pub from: u64,
    /// Its bits after; 0 if the new layout has no such flag.
    pub to: u64,
    /// The old fields that the function is given.
    pub arguments: Vec<Argument>,
    /// The offsets it is given, behind them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<MemberOffset>,
    /// The values of constants that it is given, behind them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constants: Vec<u64>,
}

/// What a pointer means.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Meaning {
    /// A saved object.
    Follow,
    /// A place in a saved object, null if it was not saved.
    Within,
    /// A place in a saved object, which has to be there.
    WithinRequired,
    /// A link of a list of saved objects, or a head, which has to be there: a member, though it be the first of its object.
    LinkRequired,
    /// A place on the kernel stack.
    Stack,
    /// A place in the kernel image.
    Symbol,
    /// Something outside the image.
    Resource,
}

impl Plan {
    /// The names of all fields that an override can be for, as `type.field`.
    pub fn field_names(&self) -> impl Iterator<Item = String> {
        self.types.values().flat_map(|ty| {
            let fields = ty
                .fields
                .iter()
                .filter(|field| field.rule != RuleKind::Padding);
            let dropped = ty.drops.iter();
            fields
                .chain(dropped)
                .map(|field| format!("{}.{}", ty.name, field.path))
        })
    }
}

impl Bits {
    /// The bit after the last.
    pub fn end(self) -> u64 {
        self.offset + self.len
    }
}

/// The path by which padding is named.
pub(crate) fn padding_path() -> FieldPath {
    FieldPath::default().member("(padding)")
}

fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn as_optional_text<T: std::fmt::Display, S: Serializer>(
    value: &Option<T>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}
