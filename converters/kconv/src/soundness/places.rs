//! What is looked at in each value of a type. Where that lies, and what the state map says of it, is the same for
//! all of them, and is collected once.

use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::state::{Go, Initial, Missing, Place, Policy, StateMap, Visit};
use std::convert::Infallible;

/// A word of a value.
pub(super) struct Looked<'m> {
    /// Where it begins in the value, in bytes.
    pub(super) at: u64,
    /// What it is.
    pub(super) word: Word<'m>,
}

/// What is looked at.
pub(super) enum Word<'m> {
    /// A place in a value that is reset, at which a symbol may be.
    Reset,
    /// A pointer that means something.
    Pointer {
        /// The way to it from the start of the value.
        path: String,
        /// Its type.
        ty: TypeId,
        /// The structure that it is in, and where that begins in the value, in bytes.
        owner: (TypeId, u64),
        /// What is done with it.
        policy: &'m Policy,
    },
}

/// The words that are looked at in a value of type `ty`.
pub(super) fn looked_at<'m>(layout: &'m Layout, map: &'m StateMap, ty: TypeId) -> Vec<Looked<'m>> {
    let mut collect = Collect {
        layout,
        map,
        found: Vec::new(),
    };
    let Ok(()) = map.visit(layout, ty, &mut collect);
    collect.found
}

struct Collect<'m> {
    layout: &'m Layout,
    map: &'m StateMap,
    found: Vec<Looked<'m>>,
}

impl<'m> Visit<'m> for Collect<'m> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'm>) -> Result<Go, Infallible> {
        let layout = self.layout;
        let parts = matches!(
            layout.get(layout.strip(place.ty)),
            Type::Composite(_) | Type::Array { .. }
        );
        let Some(rule) = place.rule() else {
            return Ok(match parts && layout.can_hold_pointers(place.ty) {
                true => Go::Inside,
                false => Go::Past,
            });
        };
        let at = place.offset.byte().0;
        match &rule.policy {
            Policy::Reset { initial, .. } => {
                let initial = initial.as_ref().unwrap_or(&Initial::Default);
                let slots = self.map.symbol_slots(layout, place.ty, initial);
                self.found.extend(slots.iter().map(|slot| Looked {
                    at: at + slot.offset,
                    word: Word::Reset,
                }));
                Ok(Go::Past)
            }
            _ if parts => Ok(Go::Inside),
            Policy::Follow(_)
            | Policy::Within {
                missing: Missing::Refuse,
            }
            | Policy::Symbol
            | Policy::Resource { .. } => {
                self.found.push(Looked {
                    at,
                    word: Word::Pointer {
                        path: place.decided().to_owned(),
                        ty: place.ty,
                        owner: (place.owner.ty, place.owner.base.byte().0),
                        policy: &rule.policy,
                    },
                });
                Ok(Go::Past)
            }
            Policy::Carry
            | Policy::Within {
                missing: Missing::Reset,
            }
            | Policy::Stack
            | Policy::User => Ok(Go::Past),
        }
    }
}
