//! The numbers of bytes that a state map says, held against a layout.

use super::StateFinding;
use crate::layout::{Layout, TypeId};
use crate::state::{Derived, DerivedPlace, TypeEntry};
use std::collections::BTreeSet;

type Findings = BTreeSet<StateFinding>;

/// The memory that belongs to an object is no smaller than the object, in every layout that has it.
pub(super) fn check_extent(
    name: &str,
    entry: &TypeEntry,
    places: &[(&Layout, TypeId)],
    findings: &mut Findings,
) {
    let sizes = places.iter().filter_map(|(layout, id)| layout.size_of(*id));
    let largest = sizes.map(|size| size.0).max();
    if let (Some(said), Some(size)) = (entry.extent, largest)
        && said < size
    {
        findings.insert(StateFinding::Size {
            entry: format!("[type.{name}]"),
            key: "extent",
            said,
            expected: format!("{size} or more: a {name} alone has that many"),
        });
    }
}

/// An object that ends somewhere has room before that, lies where the machine's words do, and is
/// behind its owner, in the memory that is the owner's, where it lies by that.
pub(super) fn check_end(
    layout: &Layout,
    derived: &Derived,
    owner: Option<&TypeEntry>,
    findings: &mut Findings,
) {
    let DerivedPlace::Ends { base, end } = &derived.place else {
        return;
    };
    let size = |ty: &str| Some(layout.size_of(layout.find(ty)?)?.0);
    let Some(own) = size(&derived.ty) else {
        return;
    };
    let before = match base {
        Some(_) => 0,
        None => size(&derived.owner).unwrap_or(0),
    };
    let least = before.saturating_add(own);
    let extent = owner.and_then(|owner| owner.extent);
    let most = extent.filter(|_| base.is_none());
    let word = u64::from(layout.target().pointer_size).max(1);
    let expected = if *end < least {
        let behind = match base {
            Some(_) => String::new(),
            None => format!(", behind a {}", derived.owner),
        };
        format!("{least} or more: a {} has to end there{behind}", derived.ty)
    } else if let Some(most) = most.filter(|most| end > most) {
        format!("{most} at most, the extent of {}", derived.owner)
    } else if end % word != 0 {
        format!("a multiple of {word}, the size of a word")
    } else {
        return;
    };
    findings.insert(StateFinding::Size {
        entry: format!("[[derived]] {}", derived.ty),
        key: "end",
        said: *end,
        expected,
    });
}
