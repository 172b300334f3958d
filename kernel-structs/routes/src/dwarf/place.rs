//! Where entries are.

use super::attribute::Entry;
use super::error::DwarfError;
use super::index;
use super::sections::Reader;
use gimli::{DwAt, Unit, UnitOffset};
use std::rc::Rc;

/// An entry: the unit it is in, and its offset there.
#[derive(Clone)]
pub(super) struct Place<'a> {
    pub(super) unit: Rc<Unit<Reader<'a>>>,
    pub(super) entry: UnitOffset<usize>,
}

impl Place<'_> {
    /// Its offset in `.debug_info`.
    pub(super) fn at(&self) -> usize {
        index::start(&self.unit.header) + self.entry.0
    }

    /// That `entry`, which is here, lacks an attribute.
    pub(super) fn lacks(&self, entry: &Entry<'_>, attribute: DwAt) -> DwarfError {
        DwarfError::Missing {
            at: self.at(),
            tag: entry.tag(),
            attribute,
        }
    }
}
