//! What stops a conversion, said so that somebody can act on it.

use kconv_codes::Code;
use kconv_image::{TaskName, TaskNames};
use kconv_rules::RuleKind;
use std::fmt;

/// A value that a conversion cannot carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The converter that met it.
    pub converter: String,
    /// The task the object belongs to.
    pub task: Option<TaskName>,
    /// The object: type and address.
    pub object: String,
    /// Path of the field from the object's type.
    pub field: String,
    /// The value found, as a person would write it.
    pub value: String,
    /// The rule that refused it.
    pub rule: RuleKind,
    /// What is wrong.
    pub problem: Problem,
}

/// Why a value cannot be carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An integer that the new field cannot hold.
    OutOfRange {
        /// Smallest value of the new field.
        least: i128,
        /// Largest value of the new field.
        most: i128,
    },
    /// A pointer at something that is not in the image.
    NotSaved,
    /// A pointer at a place inside an object that the new layout does not have.
    NoSuchPlace {
        /// The object pointed into: type and address.
        target: String,
        /// Offset in it, in bytes.
        offset: u64,
    },
    /// A pointer that is neither null nor known as a symbol or resource.
    Unnamed,
    /// A field that is dropped or reset although it says something.
    NotInitial {
        /// The value that would have been lost nothing by.
        initial: String,
        /// Why the field is dropped or reset.
        reason: &'static str,
    },
    /// An enumerator that the new kernel does not have.
    NoSuchEnumerator,
    /// Flags that the new kernel does not have.
    NoSuchFlag {
        /// Those that have a name in the old kernel.
        names: Vec<&'static str>,
        /// Bits that have no name in the old kernel.
        bits: u64,
    },
    /// A pointer at an object that is to be folded into the one that points at it, and that another
    /// points at too.
    Shared {
        /// The object pointed at: type and address.
        target: String,
    },
    /// A pointer at something that is no object of the type that is to be folded.
    NotAPart {
        /// The type.
        ty: &'static str,
    },
    /// The end of an object right behind which there has to be another that is to be folded, and is
    /// none.
    NotBehind {
        /// The type of the other.
        ty: &'static str,
    },
    /// An object that the new layout has inside another, and that no other points at.
    NoContainer,
    /// A pointer from a part to what it is a part of that leads elsewhere.
    OtherContainer {
        /// Where it would have to lead.
        expected: u64,
    },
    /// A function of the converter refused the value.
    Refused {
        /// What it said.
        why: &'static str,
    },
}

impl Problem {
    /// What kind it is of.
    pub fn code(&self) -> Code {
        match self {
            Problem::OutOfRange { .. } => Code::ValueRange,
            Problem::NotSaved => Code::PointerUnsaved,
            Problem::NoSuchPlace { .. } => Code::PointerPlace,
            Problem::Unnamed => Code::PointerUnnamed,
            Problem::NotInitial { .. } => Code::ValueLost,
            Problem::NoSuchEnumerator => Code::ValueEnumerator,
            Problem::NoSuchFlag { .. } => Code::ValueFlag,
            Problem::Shared { .. } => Code::PartShared,
            Problem::NotAPart { .. } | Problem::NotBehind { .. } => Code::PartType,
            Problem::NoContainer => Code::PartContainer,
            Problem::OtherContainer { .. } => Code::PartBack,
            Problem::Refused { .. } => Code::ValueOverride,
        }
    }
}

impl Finding {
    /// What it is, without the task.
    pub fn text(&self) -> String {
        let Finding {
            object,
            field,
            value,
            problem,
            converter,
            ..
        } = self;
        let rule = self.rule.name();
        format!("{object}, {field}: {value} {problem} [rule {rule}, {converter}]")
    }

    /// What the user or the maintainer can do about it.
    pub fn advice(&self) -> &'static str {
        match &self.problem {
            Problem::OutOfRange { .. } => {
                "let the task give the value up before the freeze, or add an override that says what it becomes"
            }
            Problem::NotSaved | Problem::NoSuchPlace { .. } => {
                "freeze the tasks that share the target together with this one"
            }
            Problem::Unnamed => {
                "freeze again with the symbols of the running kernel at hand; the image does not say what this pointer means"
            }
            Problem::NotInitial { .. } => {
                "let the task finish what it is doing, then freeze it again; or leave this task out of the set"
            }
            Problem::NoSuchEnumerator | Problem::NoSuchFlag { .. } => {
                "let the task give up what the new kernel does not have, or leave it out of the set"
            }
            Problem::Shared { .. }
            | Problem::NotAPart { .. }
            | Problem::NotBehind { .. }
            | Problem::NoContainer
            | Problem::OtherContainer { .. } => {
                "check the image with `kconv verify`: no kernel has this"
            }
            Problem::Refused { .. } => {
                "see the function's documentation in the converter's overrides.rs"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::OutOfRange { least, most } => {
                write!(f, "does not fit: the new field holds {least} to {most}")
            }
            Problem::NotSaved => f.write_str("points at something that is not in the image"),
            Problem::NoSuchPlace { target, offset } => write!(
                f,
                "points {offset} bytes into {target}, where the new layout has nothing that corresponds"
            ),
            Problem::Unnamed => {
                f.write_str("is neither null nor known as a symbol or a resource of the image")
            }
            Problem::NotInitial { initial, reason } => {
                write!(
                    f,
                    "would be lost: only {initial} can be left out ({reason})"
                )
            }
            Problem::NoSuchEnumerator => f.write_str("has no enumerator in the new kernel"),
            Problem::NoSuchFlag { names, bits: 0 } => {
                write!(f, "has {}, which the new kernel does not have", names.join(" and "))
            }
            Problem::NoSuchFlag { names, bits } => {
                write!(f, "has bits {bits:#x}, which have no name in the old kernel")?;
                match names.as_slice() {
                    [] => Ok(()),
                    names => write!(f, ", and {}, which the new one does not have", names.join(" and ")),
                }
            }
            Problem::Shared { target } => write!(
                f,
                "points at {target}, which another object points at too; the new layout has it inside of one of them"
            ),
            Problem::NotAPart { ty } => write!(f, "points at no saved {ty}"),
            Problem::NotBehind { ty } => {
                write!(f, "is where a {ty} has to begin, and none is in the image")
            }
            Problem::NoContainer => f.write_str(
                "belongs to no object of the image; the new layout has it only inside of another object",
            ),
            Problem::OtherContainer { expected } => {
                write!(f, "does not point at the object it belongs to, {expected:#x}")
            }
            Problem::Refused { why } => f.write_str(why),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tasks = self.task.as_slice();
        write!(f, "{}{}", TaskNames(tasks), self.text())
    }
}
