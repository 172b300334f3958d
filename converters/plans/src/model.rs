//! What a file of a plan holds.
//!
//! Offsets and lengths are in bytes from the start of a value, unless they are of [`Bits`]. `old` is
//! always in a value of the layout read, `new` in one of the layout written.

use kconv_rules::{RuleKind, Source};
use serde::{Deserialize, Serialize};

/// Everything that a converter between two layouts does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Plan {
    /// The version of the format.
    pub kconv_plan: u32,
    /// Name and version of the tool that wrote it.
    pub tool: String,
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
    /// How a finding names a task; absent if no task is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskLabel>,
    /// Why rules are what they are, each reason once.
    pub reasons: Vec<String>,
    /// The types. One that is nested in another stands before it.
    pub types: Vec<Type>,
}

/// A layout at one end of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Node {
    /// The release that the converter is named after.
    pub release: String,
    /// Name of the layout.
    pub layout: String,
    /// Fingerprint of the saved types: 64 hexadecimal digits.
    pub fingerprint: String,
}

/// Where a task keeps pid and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TaskLabel {
    /// The type of a task.
    pub ty: String,
    /// Offset of the 32-bit pid.
    pub pid: u32,
    /// Offset of the name.
    pub comm: u32,
    /// Length of the name.
    pub comm_len: u32,
}

/// What is done with one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Type {
    /// Name of the type.
    pub name: String,
    /// Size of a value read.
    pub from_size: u32,
    /// Size of a value written.
    pub to_size: u32,
    /// Whether there can be objects of the type, and not only values inside others.
    #[serde(default, skip_serializing_if = "is_false")]
    pub object: bool,
    /// Bytes of memory that belong to an object, if more than its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extent: Option<u32>,
    /// Where an object ends, from the start of its owner, if that is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor_end: Option<u32>,
    /// The type of the object right behind which an object lies, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// The flexible array that an object ends in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Whether an object can end before or behind the end of its type.
    #[serde(default, skip_serializing_if = "is_false")]
    pub open: bool,
    /// Structures inside a value that are objects under the other layout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Where bytes that something can point at went: old offset, new offset, length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<(u32, u32, u32)>,
    /// Bits of the old value that belong to no member.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub padding: Vec<Bits>,
    /// What is written and what is dropped.
    pub fields: Vec<Field>,
}

/// A range of bits from the start of a value: the first, and how many.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bits(pub u32, pub u32);

/// A flexible array at the end of an object; see `kconv_rules::Tail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tail {
    /// Its name.
    pub field: String,
    /// Type of the elements.
    pub element: String,
    /// Where it begins in the old object.
    pub from: u32,
    /// Where it begins in the new object.
    pub to: u32,
    /// The integer that says how many elements there are.
    pub count: Bits,
    /// What is added to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub add: u32,
}

/// A structure that is an object under the other layout; see `kconv_rules::Part`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Name of the structure and of the pointer.
    pub field: String,
    /// Type of the object.
    pub ty: String,
    /// Where the structure or the pointer is in the old value.
    pub from: u32,
    /// Where the pointer or the structure is in the new value.
    pub to: u32,
    /// Whether the old value has the structure, so that an object is made of it.
    pub made: bool,
    /// Of an object right behind the value, the bits that are not zero where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Bits>,
    /// Whether objects of the type exist that are part of no other.
    #[serde(default, skip_serializing_if = "is_false")]
    pub alone: bool,
}

/// What is done with one field, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Field {
    /// Path of the field: in the new type, or in the old one for a dropped field.
    pub path: String,
    /// Its path in the old type, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The rule.
    pub rule: RuleKind,
    /// The type whose rules go on inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// How many values of that type there are, or elements that the rule is applied to.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub times: u32,
    /// Who decided.
    #[serde(default = "automatic", skip_serializing_if = "is_automatic")]
    pub by: Source,
    /// Why: a number of one of the reasons, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<u32>,
    /// The change in the kernel's source behind the decision.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
    /// What is done; several things for bytes that do not lie side by side, nothing where another
    /// field's line or the engine does it.
    #[serde(rename = "do", default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}

/// One thing that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Line {
    /// How findings name the place; absent for the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
    /// What becomes of the value.
    pub act: Act,
}

/// A place under both layouts: its name, and its old and its new offset. That of a layout which does not have
/// it is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place(pub String, pub u32, pub u32);

/// An integer: its offset, and what it is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number(pub u32, pub Kind);

/// An array: its offset, the number of its elements, and the size of one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array(pub u32, pub u32, pub u32);

/// Integers: offset, number, and what each is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Numbers(pub u32, pub u32, pub Kind);

/// A symbol of the kernel image, and bytes past it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol(pub String, pub u64);

/// What an integer is as it is stored, little-endian and unaligned.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One byte.
    U8,
    /// One byte, signed.
    I8,
    /// Two bytes.
    U16,
    /// Two bytes, signed.
    I16,
    /// Four bytes.
    U32,
    /// Four bytes, signed.
    I32,
    /// Eight bytes.
    U64,
    /// Eight bytes, signed.
    I64,
}

impl Kind {
    /// Number of bytes.
    pub const fn size(self) -> u32 {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 => 2,
            Kind::U32 | Kind::I32 => 4,
            Kind::U64 | Kind::I64 => 8,
        }
    }

    /// Whether it can be below zero.
    pub const fn is_signed(self) -> bool {
        matches!(self, Kind::I8 | Kind::I16 | Kind::I32 | Kind::I64)
    }

    /// Whether it holds every value of `other`.
    pub const fn holds_all_of(self, other: Kind) -> bool {
        match (self.is_signed(), other.is_signed()) {
            (true, true) | (false, false) => self.size() >= other.size(),
            (true, false) => self.size() > other.size(),
            (false, true) => false,
        }
    }
}

/// What is done with bytes of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// New bits are zero.
    Zero(Bits),
    /// Bytes are copied: old offset, new offset, and how many.
    Copy(u32, u32, u32),
    /// An integer becomes another.
    Number {
        /// The old one.
        old: Number,
        /// The new one.
        new: Number,
        /// How.
        by: By,
    },
    /// Flags by name.
    Flags {
        /// The old ones.
        old: Number,
        /// The new ones.
        new: Number,
        /// What becomes of each.
        flags: Flags,
    },
    /// A value of another type: its place among the types, which is before this one's.
    Inside {
        /// The type.
        ty: u32,
        /// The old value's offset.
        old: u32,
        /// The new value's offset.
        new: u32,
    },
    /// Elements by index, as many as both arrays have.
    Each {
        /// The old ones.
        old: Array,
        /// The new ones.
        new: Array,
        /// What is done with each.
        each: Each,
        /// What becomes of those that one array has alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rest: Option<Rest>,
    },
    /// The sum of integers, or as many of them as there is room for, the first of which gets the sum of the
    /// others as well.
    Sum {
        /// The old ones.
        old: Numbers,
        /// The new ones.
        new: Numbers,
    },
    /// A bit-field becomes another, or an integer, or the other way round.
    Bits {
        /// The old one.
        old: Run,
        /// The new one.
        new: Run,
    },
    /// A number in every value: of the new integer as many of its bytes as that has.
    Set {
        /// The new integer.
        new: Number,
        /// The number.
        value: i64,
    },
    /// As [`Act::Set`], in a bit-field.
    SetBits {
        /// The new bits.
        new: Bits,
        /// The number, of which the lowest bits count.
        value: i64,
    },
    /// The address of the place that the line is about.
    OwnAddress {
        /// Where it is written.
        new: Number,
    },
    /// The address of the object.
    ObjectAddress {
        /// Where it is written.
        new: Number,
    },
    /// The address of the object that this one was a part of.
    Container {
        /// Where it is written.
        new: Number,
    },
    /// The pointer has to lead to what the object becomes a part of.
    DropContainer {
        /// The pointer.
        old: Number,
    },
    /// The address of a symbol in a pointer that is new.
    SetSymbol {
        /// The pointer.
        new: Number,
        /// The symbol.
        symbol: Symbol,
    },
    /// A structure becomes an object that a pointer leads to.
    Make {
        /// The old structure: offset and size.
        old: (u32, u32),
        /// The pointer.
        new: Number,
    },
    /// The object that a pointer leads to becomes a structure.
    Fold {
        /// The pointer.
        old: Number,
        /// The new structure: offset and size.
        new: (u32, u32),
    },
    /// A link of a ring of saved objects.
    Link {
        /// The old link.
        old: Number,
        /// The new link.
        new: Number,
        /// The head of the ring.
        head: Place,
    },
    /// A link of a kernel-private list, which becomes empty.
    EmptyLink {
        /// The old link.
        old: Number,
        /// The new link.
        new: Number,
        /// The head of the list.
        head: Place,
        /// Whether a list that is not empty stops the conversion.
        strict: bool,
    },
    /// A link that is no more.
    DropLink {
        /// The link.
        old: Number,
        /// The head of the list.
        head: Place,
        /// Whether a list that is not empty stops the conversion.
        strict: bool,
    },
    /// A pointer into the kernel image that is no more.
    DropSymbol {
        /// The pointer.
        old: Number,
        /// Where it is initially; absent if it is null.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        symbol: Option<Symbol>,
        /// Whether any other value stops the conversion.
        strict: bool,
    },
    /// An integer that is no more.
    Drop {
        /// The integer.
        old: Number,
        /// Its initial value.
        initial: i64,
        /// Whether any other value stops the conversion.
        strict: bool,
    },
    /// Bytes that are no more, and are zero initially.
    DropBytes {
        /// Offset and number.
        old: (u32, u32),
        /// Whether another byte stops the conversion.
        strict: bool,
    },
    /// A bit-field that is no more.
    DropBits {
        /// Its bits.
        old: Bits,
        /// Whether it can be below zero.
        signed: bool,
        /// Its name.
        name: String,
        /// Its initial value.
        initial: i64,
        /// Whether any other value stops the conversion.
        strict: bool,
    },
    /// What a function of people makes of old fields.
    Call {
        /// The function, and what it is given.
        call: Call,
        /// Where its result is written: offset and size.
        new: (u32, u32),
    },
}

/// How an integer becomes another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum By {
    /// The same number in a type that holds all of them.
    Widen,
    /// The same number, if the new type holds it.
    Narrow,
    /// A pointer at a saved object.
    Follow,
    /// A pointer at or into a saved object, null if that was not saved.
    Within,
    /// A pointer at or into a saved object, which has to be there.
    WithinRequired,
    /// A pointer at a link of a list of saved objects, or a head, which has to be there.
    LinkRequired,
    /// A pointer into the task's own kernel stack.
    Stack,
    /// A pointer into the kernel image.
    Symbol,
    /// A pointer to an outside resource.
    Resource,
    /// The initial value.
    Reset {
        /// The value.
        initial: i64,
        /// Whether any other old value stops the conversion.
        strict: bool,
    },
    /// The address of a symbol.
    ResetSymbol {
        /// The symbol.
        symbol: Symbol,
        /// Whether any other old value stops the conversion.
        strict: bool,
    },
    /// An enumerator: old and new values.
    Enumerator(Vec<(i64, i64)>),
    /// Another unit, counted from another number.
    Scale {
        /// Multiplied by this,
        multiply: i64,
        /// divided by this,
        divide: i64,
        /// and this is added.
        #[serde(default, skip_serializing_if = "is_none_added")]
        add: i64,
    },
}

/// What is done with each element of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Each {
    /// Copied.
    Copy,
    /// An integer becomes another.
    Number {
        /// What the old one is.
        old: Kind,
        /// What the new one is.
        new: Kind,
        /// How.
        by: By,
    },
    /// A value of another type, by its place among the types.
    Inside(u32),
    /// An array of as many elements on both sides.
    Array {
        /// How many.
        count: u32,
        /// Size of an old element.
        old: u32,
        /// Size of a new element.
        new: u32,
        /// What is done with each of these.
        each: Box<Each>,
    },
}

/// What becomes of elements that one array has alone.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Rest {
    /// Old integers have to be this.
    Cut(Kind, i64),
    /// New integers are this.
    Fill(Kind, i64),
    /// New bytes are zero.
    Zero,
}

/// A bit-field, or an integer in the place of one.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Run {
    /// An integer.
    Number(Number),
    /// A bit-field that is not below zero.
    Unsigned(Bits),
    /// A bit-field.
    Signed(Bits),
}

/// What becomes of the bits of a field, by their names. All numbers are masks; see
/// `kconv_runtime::flags::Flags`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flags {
    /// Bits that mean the same in both.
    #[serde(default, skip_serializing_if = "is_no_mask")]
    pub same: u64,
    /// Bits with another number: before, and after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<(u64, u64)>,
    /// Bits that are left out and kept.
    #[serde(default, skip_serializing_if = "is_no_mask")]
    pub dropped: u64,
    /// Bits that another field says.
    #[serde(default, skip_serializing_if = "is_no_mask")]
    pub elsewhere: u64,
    /// Bits that stop the conversion, with their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<(String, u64)>,
    /// Where all of the first are set, the second are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub together: Vec<(u64, u64)>,
    /// Bits of which a function of people says whether they are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub called: Vec<CalledFlag>,
}

/// A flag of which a function of people says whether it is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CalledFlag {
    /// Its bits before; 0 if the old layout has no such flag.
    pub from: u64,
    /// Its bits after; 0 if the new layout has no such flag.
    pub to: u64,
    /// The function, which is given first whether the flag was set.
    pub call: Call,
}

/// A function of people, by its name among those of the family that are compiled into `kconv`, and what it
/// is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Call {
    /// Its name.
    pub function: String,
    /// Old fields, and flags of such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Argument>,
    /// Offsets of members of other types.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<u32>,
    /// Values of constants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constants: Vec<u64>,
}

/// What a function of people is given.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Argument {
    /// An old field: offset and size.
    Field(u32, u32),
    /// Whether all bits of a mask are set in an old integer.
    Flag(Number, u64),
}

impl Argument {
    /// Whether a flag is given.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Argument::Flag(..))
    }
}

const fn one() -> u32 {
    1
}

const fn automatic() -> Source {
    Source::Automatic
}

fn is_automatic(source: &Source) -> bool {
    *source == Source::Automatic
}

const fn is_one(number: &u32) -> bool {
    *number == 1
}

const fn is_zero(number: &u32) -> bool {
    *number == 0
}

const fn is_none_added(number: &i64) -> bool {
    *number == 0
}

const fn is_no_mask(mask: &u64) -> bool {
    *mask == 0
}

const fn is_false(value: &bool) -> bool {
    !*value
}
