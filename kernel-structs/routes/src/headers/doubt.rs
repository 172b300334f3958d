//! What this route is not sure of.

use kernel_structs::units::{BitOffset, BitSize, ByteOffset, ByteSize};
use std::fmt;

/// Something that two ways of knowing do not agree on, or that could not be checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// The C rules put a member elsewhere than clang. Clang's place was taken.
    Offset {
        /// The structure.
        ty: String,
        /// The member.
        member: String,
        /// Where clang puts it.
        clang: ByteOffset,
        /// Where the rules put it.
        rules: ByteOffset,
    },
    /// The C rules give a type another size than clang. Clang's was taken.
    Size {
        /// The structure or union.
        ty: String,
        /// What clang says.
        clang: ByteSize,
        /// What the rules say.
        rules: ByteSize,
    },
    /// The C rules give a type another alignment than clang, in bytes. Clang's was taken.
    Alignment {
        /// The structure or union.
        ty: String,
        /// What clang says.
        clang: u64,
        /// What the rules say.
        rules: u64,
    },
    /// A bit-field lies where no rule puts it: past its unit, or across its type's storage.
    BitField {
        /// The structure.
        ty: String,
        /// The member.
        member: String,
        /// Where it lies, from the start of the structure.
        offset: BitOffset,
        /// How wide it is.
        width: BitSize,
    },
    /// bindgen could not describe a type, which therefore has no members.
    Opaque {
        /// The structure or union.
        ty: String,
    },
    /// There is no assertion for a type that has members.
    Unasserted {
        /// The structure or union.
        ty: String,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Offset {
                ty,
                member,
                clang,
                rules,
            } => write!(
                f,
                "{ty}.{member} is at {clang} by clang, at {rules} by the C rules"
            ),
            Doubt::Size { ty, clang, rules } => {
                write!(f, "{ty} has {clang} bytes by clang, {rules} by the C rules")
            }
            Doubt::Alignment { ty, clang, rules } => {
                write!(
                    f,
                    "{ty} is aligned at {clang} by clang, at {rules} by the C rules"
                )
            }
            Doubt::BitField {
                ty,
                member,
                offset,
                width,
            } => write!(
                f,
                "{ty}.{member}, {} bits at {offset}, lies where no rule puts it",
                width.0
            ),
            Doubt::Opaque { ty } => write!(f, "{ty} is opaque to bindgen"),
            Doubt::Unasserted { ty } => write!(f, "{ty} has no assertions"),
        }
    }
}
