//! The objects of an image between two steps.

use kconv_image::model::{Head, Machine, Object};

/// An object between two steps, with the address it has there.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) object: Object,
    pub(crate) standing: Standing,
}

/// How an object stands between two steps.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has bytes of its own.
    Whole,
    /// Its bytes are a part of another's.
    Folded,
    /// It does not exist: not yet, or no longer.
    Gone,
}

impl Standing {
    pub(crate) fn is_whole(self) -> bool {
        self == Standing::Whole
    }

    pub(crate) fn is_folded(self) -> bool {
        self == Standing::Folded
    }
}

/// The objects of an image as it is.
pub(crate) fn items(head: &Head) -> Vec<Item> {
    let standing = |object: &Object| match head.folded_into(object) {
        Some(_) => Standing::Folded,
        None => Standing::Whole,
    };
    let item = |object: &Object| Item {
        object: object.clone(),
        standing: standing(object),
    };
    head.objects.iter().map(item).collect()
}

/// What all steps have in common.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) machine: Machine,
    /// Names of the types that objects have in any step.
    pub(crate) types: &'a [String],
}

impl<'a> Setting<'a> {
    pub(crate) fn type_name(&self, object: &Object) -> &'a str {
        &self.types[object.ty.0 as usize]
    }
}
