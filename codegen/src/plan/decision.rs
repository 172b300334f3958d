//! Decisions before they have a place in a type's plan.

use super::{Action, Reason};
use crate::ctype::Field;
use crate::overrides::Override;
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, TypeId};

/// What happens to one member, in one part or, where a rule is told member by member, in several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) source: Source,
    pub(super) reason: Reason,
    pub(super) evidence: String,
    pub(super) parts: Vec<Part>,
}

/// What is decided of one field, before it has a place in the type's plan.
pub(super) struct Decided<'a, 'f> {
    /// The entry that decides it, if one does.
    pub(super) entry: Option<&'a Override>,
    /// The new field, or the old one where there is no new one.
    pub(super) field: &'f Field,
    /// What is done.
    pub(super) decision: Decision,
}

/// A value under one layout. Offsets are in bits from the start of the type that is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) path: FieldPath,
    pub(super) ty: TypeId,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) bit_field: bool,
}

/// One rule of a [`Decision`]. At least one of `from` and `to` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) rule: RuleKind,
    pub(super) action: Action,
    pub(super) from: Option<Value>,
    pub(super) to: Option<Value>,
}

impl Value {
    /// The member `field` of a type, as a value.
    pub(super) fn of(field: &Field) -> Value {
        Value {
            path: field.path(),
            ty: field.ty,
            offset: field.offset,
            len: field.len,
            bit_field: field.bit_field,
        }
    }

    /// The number inside, of type `ty`, of a structure that is no more than a wrapper.
    pub(super) fn wrapped(&self, path: &FieldPath, ty: TypeId) -> Value {
        let steps = self.path.steps().iter().chain(path.steps());
        Value {
            path: steps.cloned().collect::<Vec<_>>().into(),
            ty,
            ..self.clone()
        }
    }

    /// The member `field` of this structure.
    pub(super) fn member(&self, field: &Field) -> Value {
        Value {
            path: self.path.member(&field.name),
            ty: field.ty,
            offset: self.offset + field.offset,
            len: field.len,
            bit_field: field.bit_field,
        }
    }
}

impl Decision {
    /// A decision of the generator's own.
    pub(super) fn automatic(parts: Vec<Part>) -> Decision {
        Decision {
            source: Source::Automatic,
            reason: Reason::default(),
            evidence: String::new(),
            parts,
        }
    }

    /// A decision of the state map.
    pub(super) fn state_map(reason: &str, parts: Vec<Part>) -> Decision {
        Decision {
            source: Source::StateMap,
            reason: Reason::one(reason),
            evidence: String::new(),
            parts,
        }
    }
}
