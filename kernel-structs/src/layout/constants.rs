//! The numbers of constants that values of saved fields are made of.
//!
//! Most of them are macros of which no type information knows. A stored layout has them as the
//! enumerators of an enumeration of its own, so that the file stays plain BTF that other tools
//! read. Enumerators that a saved type has anyhow are not there twice.

use super::{EnumType, Layout, Type, TypeId};
use crate::units::ByteSize;
use std::collections::BTreeMap;

/// Tag of the enumeration that holds the constants of a stored layout.
pub const CONSTANTS: &str = "kconv_constants";

impl Layout {
    /// Whether the layout has constants of its own.
    pub fn has_constants(&self) -> bool {
        self.enums.contains_key(CONSTANTS)
    }

    /// The layout with `constants` in place of those that it has.
    #[must_use]
    pub fn with_constants(mut self, constants: &BTreeMap<String, i128>) -> Layout {
        let enumerators = constants.iter().map(|(name, value)| (name.clone(), *value));
        let ty = Type::Enum(EnumType {
            name: Some(CONSTANTS.to_owned()),
            size: ByteSize(8),
            signed: constants.values().any(|value| *value < 0),
            enumerators: enumerators.collect(),
        });
        let own = self.enums.get(CONSTANTS).and_then(|ids| ids.first());
        match own.copied() {
            Some(id) => self.types[id.0 as usize] = ty,
            None if constants.is_empty() => {}
            None => {
                let id = TypeId(u32::try_from(self.types.len()).unwrap_or(u32::MAX));
                self.types.push(ty);
                self.enums.insert(CONSTANTS.to_owned(), vec![id]);
            }
        }
        self
    }

    /// The constants of a stored layout, by name.
    pub fn constants(&self) -> BTreeMap<&str, i128> {
        let ids = self.enums.get(CONSTANTS).into_iter().flatten();
        let enumerators = ids.flat_map(|id| self.enumerators_of(*id));
        enumerators.collect()
    }

    /// The value of the constant or enumerator `name`, if exactly one value is known of it.
    pub fn constant(&self, name: &str) -> Option<i128> {
        let mut values = self.enumerators().filter(|(known, _)| *known == name);
        let (_, value) = values.next()?;
        values.all(|(_, other)| other == value).then_some(value)
    }

    /// The enumerators of all enumerations, those of [`CONSTANTS`] included.
    pub fn enumerators(&self) -> impl Iterator<Item = (&str, i128)> {
        self.types().flat_map(|(id, _)| self.enumerators_of(id))
    }

    fn enumerators_of(&self, id: TypeId) -> impl Iterator<Item = (&str, i128)> {
        let enumerators = match self.get(id) {
            Type::Enum(e) => e.enumerators.as_slice(),
            _ => &[],
        };
        enumerators
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
    }
}
