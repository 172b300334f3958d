//! What converters do, as data: for each type its sizes, where its bytes went, and one rule for
//! each field.
//!
//! Nothing here converts anything. The generator writes these values, the engine runs beside them,
//! and whoever explains a conversion reads them. A rule has no offsets: where a field is, the
//! layout says, so that releases whose structures only moved share their rules.
#![forbid(unsafe_code)]

mod flat;
#[doc(hidden)]
pub mod joined;
mod rule;
mod step;

pub use flat::{Flat, flat, reason_of, rule_counts, without_indices};
pub use rule::{FieldRule, RuleKind, Source};
pub use step::StepRules;

use serde::Serialize;

/// What is done with one type.
#[derive(Debug)]
pub struct TypeRules {
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
    /// The type of the object right behind which an object lies, if it does: it begins where the
    /// other one ends, and moves with it.
    pub behind: Option<&'static str>,
    /// The flexible array that an object of the type ends in.
    pub tail: Option<Tail>,
    /// Whether an object can end before or behind the end of its type: within the last of `spans`,
    /// or in bytes that are carried behind it. Under the layout that has a part as an object right
    /// behind it, it ends where its type does, and the object behind it can end elsewhere.
    pub open: bool,
    /// Structures inside a value that are objects of their own under the other layout.
    pub parts: &'static [Part],
    /// Where bytes that something can point at went, sorted by `from`.
    pub spans: &'static [Span],
    /// Bits of the old value that belong to no member, of it or of a value inside it, which are
    /// kept if they are not zero.
    pub padding: &'static [Bits],
    /// One rule for every field written and one for every field dropped, in groups: those that
    /// other releases have too, then the type's own.
    pub groups: &'static [&'static [FieldRule]],
}

impl TypeRules {
    /// What generated tables say of a type by leaving it out.
    pub const PLAIN: TypeRules = TypeRules {
        name: "",
        from_size: 0,
        to_size: 0,
        extent: None,
        anchor: None,
        behind: None,
        tail: None,
        open: false,
        parts: &[],
        spans: &[],
        padding: &[],
        groups: &[],
    };

    /// The rules of all groups.
    pub fn rules(&self) -> impl Iterator<Item = &'static FieldRule> + use<> {
        self.groups.iter().flat_map(|group| group.iter())
    }
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
    /// Type of the elements; it has rules of its own.
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

/// A structure inside a value that is, under the other layout, an object: one that a pointer in its
/// place leads to, or one that lies right behind the value. Offsets in bytes.
#[derive(Copy, Clone, Debug)]
pub struct Part {
    /// Name of the structure and of the pointer; of a structure inside of another, the path to it.
    pub field: &'static str,
    /// Type of the object; it has rules of its own.
    pub ty: &'static str,
    /// Where the structure or the pointer is in the old value; the end of the value, if the object
    /// lies there.
    pub from: u32,
    /// Where the pointer or the structure is in the new value; the end of the value, if the object
    /// lies there.
    pub to: u32,
    /// Which of the two is the old one.
    pub kind: PartKind,
    /// Of an object that lies right behind the value, and that no pointer tells of: the bits of the
    /// old value that are not zero exactly where there is one.
    pub behind: Option<Bits>,
    /// Whether objects of the type exist that are part of no other, under either layout: a signal that is queued, beside that
    /// of a timer.
    pub alone: bool,
}

impl TypeRules {
    /// The part of a value that is, under the other layout, the object right behind it.
    pub fn part_behind(&self) -> Option<&'static Part> {
        self.parts.iter().find(|part| part.behind.is_some())
    }
}

/// What becomes of a [`Part`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// The old value has the structure. It becomes an object if it says anything, or if the value says
    /// that there is one right behind it.
    Made,
    /// The old value has the pointer, or the object right behind it. The object becomes a structure
    /// in the value.
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

impl Span {
    /// `len` bytes from byte `from` of the old value, at byte `to` of the new one.
    pub const fn new(from: u32, to: u32, len: u32) -> Span {
        Span { from, to, len }
    }
}

/// A range of bits.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bits {
    /// First bit, from the start of the value.
    pub offset: u32,
    /// Number of bits.
    pub len: u32,
}

impl Bits {
    /// `len` bits from bit `offset` of a value.
    pub const fn new(offset: u32, len: u32) -> Bits {
        Bits { offset, len }
    }
}
