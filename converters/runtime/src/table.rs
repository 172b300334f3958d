//! The tables of a generated converter: what it converts, and by which rule each field.
//!
//! They are constants, so that `kconv explain`, the report and the search for a chain need not
//! run the converter.

use crate::at::At;
use crate::context::Context;
use kconv_image::model::{Fingerprint, Machine};
use serde::Serialize;

/// One converter: everything needed to carry objects from one layout to another.
#[derive(Debug)]
pub struct Converter {
    /// Its name, such as `convert-2.4.36.8-2.4.36.9`.
    pub name: &'static str,
    /// Name and version of the tool that generated it.
    pub tool: &'static str,
    /// Kernel family.
    pub family: &'static str,
    /// Machine.
    pub machine: Machine,
    /// The layout it reads.
    pub from: Node,
    /// The layout it writes.
    pub to: Node,
    /// How a finding names a task, under the layout it reads.
    pub task: TaskLabel,
    /// The types, sorted by name: those of objects, and those nested in them.
    pub types: &'static [TypeConverter],
}

impl Converter {
    /// The table of the type `name`.
    pub fn find(&self, name: &str) -> Option<&'static TypeConverter> {
        self.types
            .binary_search_by(|ty| ty.name.cmp(name))
            .ok()
            .map(|index| &self.types[index])
    }
}

/// A layout, as a node of the graph of releases.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name of the node in `releases.toml`.
    pub layout: &'static str,
    /// The release that the converter is named after, among those that have the layout:
    /// `2.4.36.9-up`. A stand-alone converter writes images of this one.
    pub release: &'static str,
    /// Fingerprint of its saved types.
    pub fingerprint: Fingerprint,
}

/// Where a task keeps what people call it by. Offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct TaskLabel {
    /// The type of a task.
    pub ty: &'static str,
    /// Offset of the 32-bit pid.
    pub pid: u32,
    /// Offset of the name.
    pub comm: u32,
    /// Length of the name.
    pub comm_len: u32,
}

/// The function that converts one value of a type from old bytes to new.
pub type ConvertFn = fn(&mut Context<'_>, &At<'_>, &[u8], &mut [u8]);

/// What a converter does with one type.
#[derive(Debug)]
pub struct TypeConverter {
    /// Name of the type: a tag, a typedef, or an element type (`file *`).
    pub name: &'static str,
    /// Size of one value under the layout read, in bytes.
    pub from_size: u32,
    /// Size of one value under the layout written, in bytes.
    pub to_size: u32,
    /// Bytes of memory that belong to an object of the type, if more than its size.
    pub extent: Option<u32>,
    /// Where the object lies, if that is not its own choice.
    pub anchor: Option<Anchor>,
    /// The flexible array that an object of the type ends in.
    pub tail: Option<Tail>,
    /// Whether an object can end before or behind the end of its type: within the last of `spans`,
    /// or in bytes that are carried behind it.
    pub open: bool,
    /// Structures inside a value that are objects of their own under the other layout.
    pub parts: &'static [Part],
    /// Converts one value; `None` for a type that is only ever nested.
    pub convert: Option<ConvertFn>,
    /// Where bytes that something can point at went, sorted by `from`.
    pub spans: &'static [Span],
    /// Bits of the old value that belong to no member, of it or of a value inside it, which are
    /// kept if they are not zero.
    pub padding: &'static [Bits],
    /// One rule for every field written, then one for every field dropped.
    pub rules: &'static [FieldRule],
}

/// An object that lies at a fixed place behind its owner.
#[derive(Copy, Clone, Debug)]
pub struct Anchor {
    /// Where it ends, in bytes from the start of the owner.
    pub end: u32,
}

/// A flexible array at the end of an object. Offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct Tail {
    /// Its name.
    pub field: &'static str,
    /// Type of the elements; it has a table of its own.
    pub element: &'static str,
    /// Where it begins in the old object.
    pub from: u32,
    /// Where it begins in the new object.
    pub to: u32,
    /// The integer that says how many elements there are, in the old object. It is the same
    /// number in the new one.
    pub count: Bits,
    /// What is added to it.
    pub add: u32,
}

/// A structure inside a value that is, under the other layout, an object which a pointer in its
/// place leads to. Offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct Part {
    /// Name of the structure and of the pointer.
    pub field: &'static str,
    /// Type of the object; it has a table of its own.
    pub ty: &'static str,
    /// Where the structure or the pointer is in the old value.
    pub from: u32,
    /// Where the pointer or the structure is in the new value.
    pub to: u32,
    /// Which of the two is the old one.
    pub kind: PartKind,
}

/// What becomes of a [`Part`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// The old value has the structure. If it says anything, it becomes an object.
    Made,
    /// The old value has the pointer. Its object becomes a structure in the value.
    Folded,
}

/// Bytes that moved together.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte in the old value.
    pub from: u32,
    /// First byte in the new value.
    pub to: u32,
    /// Number of bytes.
    pub len: u32,
}

/// A range of bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bits {
    /// First bit, from the start of the value.
    pub offset: u32,
    /// Number of bits.
    pub len: u32,
}

/// What was decided for one field, for people to read.
#[derive(Debug)]
pub struct FieldRule {
    /// Path of the field in its type: of the new type, or of the old one for a dropped field.
    pub field: &'static str,
    /// The rule.
    pub rule: RuleKind,
    /// Where the field was; `None` for a new one.
    pub from: Option<Bits>,
    /// Where the field is; `None` for a dropped one.
    pub to: Option<Bits>,
    /// How the old field was declared; empty for a new one.
    pub from_type: &'static str,
    /// How the new field is declared; empty for a dropped one.
    pub to_type: &'static str,
    /// The type whose rules go on inside this field, if there is one.
    pub nested: Option<&'static str>,
    /// How many values of `nested` there are, or how many elements the rule is applied to.
    pub times: u32,
    /// Who decided.
    pub source: Source,
    /// Why: the reason of the override or of the state map; empty where the rule says it all.
    pub reason: &'static str,
    /// The patch hunk or commit behind the decision; empty where there is none.
    pub evidence: &'static str,
}

impl FieldRule {
    /// What tables say of a rule by leaving it out.
    pub const PLAIN: FieldRule = FieldRule {
        field: "",
        rule: RuleKind::Carry,
        from: None,
        to: None,
        from_type: "",
        to_type: "",
        nested: None,
        times: 1,
        source: Source::Automatic,
        reason: "",
        evidence: "",
    };
}

/// Who decided on a rule.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The generator, because nothing else was possible.
    Automatic,
    /// The state map of the family.
    StateMap,
    /// An override in the converter's crate.
    Override,
}

/// The rules by which a field is written or dropped.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// Same place, same type: copied.
    Carry,
    /// Same type at another place: copied.
    Move,
    /// A longer integer.
    Widen,
    /// A shorter integer or one of another sign; a value that does not fit is refused.
    Narrow,
    /// An enumeration, by the names of its enumerators.
    EnumByName,
    /// Elements by index, for arrays of different length.
    Array,
    /// A structure with a change inside.
    Recurse,
    /// A bit-field.
    BitField,
    /// A union that is the same on both sides.
    Union,
    /// A pointer whose target is saved.
    Follow,
    /// A pointer into a saved object.
    Within,
    /// A pointer into the task's own kernel stack.
    Stack,
    /// A pointer into the kernel image.
    Symbol,
    /// An address of the task's own memory.
    User,
    /// A pointer to an outside resource.
    Resource,
    /// Kernel-private; written as its initial value.
    Reset,
    /// Bytes between members: written as zero.
    Padding,
    /// By override: the field had another name.
    Rename,
    /// By override: a new field gets a stated value.
    Init,
    /// A field that is no more.
    Drop,
    /// By override: another unit.
    Scale,
    /// By override: bits or enumerators by name.
    Remap,
    /// By override: one value becomes several.
    Split,
    /// By override: several values become one.
    Merge,
    /// By override: a structure becomes an object that a pointer leads to.
    Make,
    /// By override: the object that a pointer leads to becomes a structure.
    Fold,
    /// By override: a function in the converter's crate.
    Call,
}

impl RuleKind {
    /// The word for it in reports and in the book.
    pub const fn name(self) -> &'static str {
        match self {
            RuleKind::Carry => "carry",
            RuleKind::Move => "move",
            RuleKind::Widen => "widen",
            RuleKind::Narrow => "narrow",
            RuleKind::EnumByName => "enum-by-name",
            RuleKind::Array => "array",
            RuleKind::Recurse => "recurse",
            RuleKind::BitField => "bit-field",
            RuleKind::Union => "union",
            RuleKind::Follow => "follow",
            RuleKind::Within => "within",
            RuleKind::Stack => "stack",
            RuleKind::Symbol => "symbol",
            RuleKind::User => "user",
            RuleKind::Resource => "resource",
            RuleKind::Reset => "reset",
            RuleKind::Padding => "padding",
            RuleKind::Rename => "rename",
            RuleKind::Init => "init",
            RuleKind::Drop => "drop",
            RuleKind::Scale => "scale",
            RuleKind::Remap => "remap",
            RuleKind::Split => "split",
            RuleKind::Merge => "merge",
            RuleKind::Make => "make",
            RuleKind::Fold => "fold",
            RuleKind::Call => "call",
        }
    }
}
