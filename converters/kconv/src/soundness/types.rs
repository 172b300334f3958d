//! What holds for all objects of a type, found once for each type of an image.

use kernel_structs::layout::Layout;
use kernel_structs::state::{Policy, StateMap};

/// What holds for all objects of a type.
pub(super) struct OfType<'m> {
    /// Size of one value, in bytes; `None` for what has none.
    pub(super) size: Option<u64>,
    /// Whether objects can be shorter or longer than the type.
    pub(super) has_own_size: bool,
    /// The type of the objects right behind which these lie.
    pub(super) behind: Option<&'m str>,
    /// What is done with the elements of an array of pointers.
    pub(super) elements: Option<&'m Policy>,
}

impl<'m> OfType<'m> {
    /// What holds for objects of the type `name` under `layout`.
    pub(super) fn new(layout: &Layout, map: &'m StateMap, name: &str) -> OfType<'m> {
        let behind = map.behind(layout, name);
        let is_sized = |name: &str| {
            let entry = map.types.get(name);
            entry.is_some_and(|entry| entry.size.is_some())
        };
        OfType {
            size: match layout.find(name) {
                Some(ty) => layout.size_of(ty).map(|size| size.0),
                None => Some(u64::from(layout.target().pointer_size)),
            },
            // What lies right behind another object has what is left of that one's memory.
            has_own_size: match behind {
                Some(derived) => is_sized(&derived.owner),
                None => is_sized(name) && map.follower(layout, name).is_none(),
            },
            behind: behind.map(|derived| derived.owner.as_str()),
            elements: map.elements.get(name).map(|rule| &rule.policy),
        }
    }
}
