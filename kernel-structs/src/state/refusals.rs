//! What a freeze refuses: state of saved fields that an image has no place for, or that no thaw makes
//! again, with the words and the code of the refusal.
//!
//! A rule with `policy = "refuse"` refuses every value but the initial one; an entry
//! `[[type.NAME.refuse]]` refuses bits of a field that is carried otherwise. Whoever looks at objects
//! asks [`StateMap::refused_places`] once for each type, and [`RefusedPlace::found`] for each value.

use super::error::{StateError, bad_value, reason};
use super::{Go, Initial, Owner, Place, Policy, RuleFrom, StateMap, Unit, Visit};
use crate::layout::{FieldPath, Layout, Step, Type, TypeId};
use crate::nearest::nearest;
use crate::units::BitSize;
use kconv_codes::Code;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// What a freeze says where it refuses something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code of the refusal.
    pub code: Code,
    /// What cannot be carried. `{member}` stands for the number in that member of the same structure.
    pub what: String,
}

/// Bits of a field that a freeze refuses, while the others are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedFlags {
    /// The way to the field from the type with the entry.
    pub field: String,
    /// The constants; a layout that does not have one has no such bit.
    pub flags: Vec<String>,
    /// What is said if one of them is set.
    pub refusal: Refusal,
    /// Why they are refused.
    pub reason: String,
}

/// A place in the values of a type at which something is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPlace<'a> {
    /// The way to it from the start of the value.
    pub path: String,
    /// What is said.
    pub refusal: &'a Refusal,
    /// The constants whose bits are refused; none if it is any value but the initial one.
    pub flags: &'a [String],
    /// First bit, and how many there are.
    bits: (u64, u64),
    /// Whether they are one number, or a pointer.
    is_number: bool,
    is: Is,
    words: Vec<Word>,
}

/// What is refused at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    /// Any bit that is set.
    NotZero,
    /// Any number but this one.
    Not(u64),
    /// A list that does not lead back to its own head.
    NotEmpty,
    /// A number with one of these bits.
    With(u64),
}

/// A part of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Text(String),
    /// A member: where it is in the value, and how many bytes it has.
    Number(usize, usize),
}

/// Something that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The value of the field, if it is one number.
    pub value: Option<u64>,
    /// What it is.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRefuse {
    field: String,
    flags: Vec<String>,
    code: String,
    what: String,
    reason: String,
}

/// An entry of `[[type.NAME.refuse]]`.
pub(super) fn flags(ty: &str, raw: RawRefuse) -> Result<RefusedFlags, StateError> {
    let place = format!("[[type.{ty}.refuse]] {}", raw.field);
    if raw.flags.is_empty() {
        return Err(bad_value(&place, "flags", "[]", "names of constants"));
    }
    Ok(RefusedFlags {
        refusal: refusal(&place, &raw.code, raw.what)?,
        reason: reason(|| place, raw.reason)?,
        field: raw.field,
        flags: raw.flags,
    })
}

/// What the entry at `place` says.
pub(super) fn refusal(place: &str, code: &str, what: String) -> Result<Refusal, StateError> {
    let codes = || Code::ALL.iter().map(|code| code.name());
    let Some(code) = Code::named(code) else {
        return Err(StateError::UnknownCode {
            place: place.to_owned(),
            found: code.to_owned(),
            nearest: nearest(code, codes()).map(str::to_owned),
        });
    };
    if what.trim().is_empty() || split(&what).is_none() {
        let expected = "what cannot be carried, with each `{` closed";
        return Err(bad_value(place, "what", &what, expected));
    }
    Ok(Refusal { code, what })
}

/// The texts and the members that `what` is made of, in turn, a text first; none if a brace is not
/// closed.
fn split(what: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = what;
    while let Some((text, after)) = rest.split_once('{') {
        let (member, after) = after.split_once('}')?;
        parts.extend([text, member]);
        rest = after;
    }
    parts.push(rest);
    Some(parts)
}

impl Policy {
    /// What a freeze says of any other value than the initial one, if it refuses that.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Policy::Reset { refusal, .. } => refusal.as_ref(),
            _ => None,
        }
    }
}

impl Refusal {
    /// The members that its words name.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let parts = split(&self.what).unwrap_or_default();
        parts.into_iter().skip(1).step_by(2)
    }
}

impl RefusedPlace<'_> {
    /// The first byte behind it, from the start of the value.
    pub fn end(&self) -> u64 {
        (self.bits.0 + self.bits.1).div_ceil(8)
    }

    /// What is refused of the value that is `bytes`, which lie at `at`. Bytes that are not there refuse
    /// nothing.
    pub fn found(&self, bytes: &[u8], at: u64) -> Option<Refused> {
        let start = self.bits.0 / 8;
        let whole = bytes.get(start as usize..self.end() as usize)?;
        let number = (self.bits.1 <= 64).then(|| {
            let shifted = little_endian(whole) >> (self.bits.0 % 8);
            match self.bits.1 {
                64 => shifted as u64,
                width => shifted as u64 & ((1 << width) - 1),
            }
        });
        let refused = match (&self.is, number) {
            (Is::NotZero, Some(number)) => number != 0,
            (Is::NotZero, None) => whole.iter().any(|byte| *byte != 0),
            (Is::Not(initial), number) => number != Some(*initial),
            (Is::NotEmpty, _) => {
                let word = &whole[..whole.len() / 2];
                little_endian(word) as u64 != at.wrapping_add(start)
            }
            (Is::With(mask), number) => number.is_some_and(|number| number & mask != 0),
        };
        let word = |word: &Word| match word {
            Word::Text(text) => text.clone(),
            Word::Number(start, size) => match bytes.get(*start..start + size) {
                Some(bytes) => format!("{:#x}", little_endian(bytes)),
                None => "?".to_owned(),
            },
        };
        refused.then(|| Refused {
            value: number.filter(|_| self.is_number),
            what: self.words.iter().map(word).collect(),
        })
    }
}

impl RefusedPlace<'_> {
    /// Gives the field its initial value in `bytes`, which lie at `at`, as if nothing had been refused.
    /// Bits that are refused in a field that is carried stay.
    pub fn reset(&self, bytes: &mut [u8], at: u64) {
        let start = self.bits.0 / 8;
        let Some(whole) = bytes.get_mut(start as usize..self.end() as usize) else {
            return;
        };
        match self.is {
            Is::With(_) => {}
            Is::NotEmpty => {
                let own = at.wrapping_add(start).to_le_bytes();
                let word = whole.len() / 2;
                for (index, byte) in whole.iter_mut().enumerate() {
                    *byte = own.get(index % word.max(1)).copied().unwrap_or(0);
                }
            }
            Is::NotZero | Is::Not(_) => {
                let initial = match self.is {
                    Is::Not(number) => number,
                    _ => 0,
                };
                for bit in 0..self.bits.1 {
                    let place = self.bits.0 % 8 + bit;
                    let is_set = bit < 64 && initial >> bit & 1 == 1;
                    let byte = &mut whole[(place / 8) as usize];
                    *byte = *byte & !(1 << (place % 8)) | u8::from(is_set) << (place % 8);
                }
            }
        }
    }
}

fn little_endian(bytes: &[u8]) -> u128 {
    let bytes = bytes.iter().take(16).rev();
    bytes.fold(0, |number, byte| number << 8 | u128::from(*byte))
}

impl StateMap {
    /// The places in values of type `ty` at which something is refused. Where a rule holds for what is
    /// around a place, that decides, and nothing inside is refused.
    pub fn refused_places<'a>(&'a self, layout: &'a Layout, ty: TypeId) -> Vec<RefusedPlace<'a>> {
        self.search_refused(layout, ty).found
    }

    /// The entries that refuse something in values of type `ty`, as messages name them.
    pub(super) fn refusing_entries(
        &self,
        layout: &Layout,
        ty: TypeId,
    ) -> BTreeSet<(String, String)> {
        self.search_refused(layout, ty).reached
    }

    fn search_refused<'a>(&'a self, layout: &'a Layout, ty: TypeId) -> Search<'a> {
        let mut search = Search {
            map: self,
            layout,
            found: Vec::new(),
            reached: BTreeSet::new(),
        };
        let Ok(()) = self.visit(layout, ty, &mut search);
        search
    }

    /// The bits of `field` of the type `ty` that the constants `names` stand for; 0 if the layout has
    /// none of them, or nobody says what the field is made of.
    pub(super) fn mask(&self, layout: &Layout, ty: TypeId, field: &str, names: &[String]) -> u64 {
        let Some(field) = innermost(layout, ty, field) else {
            return 0;
        };
        let mut mask = 0;
        for name in names {
            let mut meanings = self.watch.of_field(&field);
            let unit = meanings.find(|(entry, _)| entry.watches(name));
            let unit = unit.map(|(_, meaning)| meaning.unit);
            mask |= match (unit, layout.constant(name)) {
                (Some(Unit::Masks), Some(bits)) => bits as u64,
                (Some(Unit::Bits), Some(bit)) if (0..64).contains(&bit) => 1 << bit,
                _ => 0,
            };
        }
        mask
    }
}

/// The member at `path` in a value of type `ty`, as watched fields are named: by the type that it is a
/// member of.
fn innermost(layout: &Layout, ty: TypeId, path: &str) -> Option<String> {
    let path = FieldPath::parse(path).ok()?;
    let (last, outer) = path.steps().split_last()?;
    let owner = layout.resolve(ty, &FieldPath::from(outer.to_vec())).ok()?;
    match last {
        Step::Member(member) => Some(format!("{}.{member}", layout.names(owner.ty).last()?)),
        Step::Element(_) => None,
    }
}

struct Search<'a> {
    map: &'a StateMap,
    layout: &'a Layout,
    found: Vec<RefusedPlace<'a>>,
    /// The table and the member of each entry that refuses something in the type.
    reached: BTreeSet<(String, String)>,
}

impl<'a> Search<'a> {
    /// What is said, with the members that it names looked up in the structure `owner`.
    fn words(&self, refusal: &Refusal, owner: &Owner<'_>) -> Vec<Word> {
        let parts = split(&refusal.what).unwrap_or_default();
        let word = |(index, part): (usize, &str)| {
            if index % 2 == 0 {
                return Word::Text(part.to_owned());
            }
            let number = || {
                let path = FieldPath::parse(part).ok()?;
                let found = self.layout.resolve(owner.ty, &path).ok()?;
                let size = self.layout.size_of(found.ty)?.0 as usize;
                let start = (owner.base.byte().0 + found.offset.byte().0) as usize;
                Some(Word::Number(start, size))
            };
            number().unwrap_or_else(|| Word::Text(format!("{{{part}}}")))
        };
        parts.into_iter().enumerate().map(word).collect()
    }

    /// Whether values of type `ty` have parts.
    fn is_composite(&self, ty: TypeId) -> bool {
        let ty = self.layout.get(self.layout.strip(ty));
        matches!(ty, Type::Composite(_) | Type::Array { .. })
    }

    fn width(&self, ty: TypeId, bit_field: Option<BitSize>) -> u64 {
        let size = || self.layout.size_of(ty).map_or(0, |size| 8 * size.0);
        bit_field.map_or_else(size, |bits| bits.0)
    }

    /// What is refused of a value of type `ty`, of `width` bits, whose initial value is `initial`; none
    /// if that cannot be told from its bytes.
    fn is(&self, ty: TypeId, width: u64, initial: Option<&Initial>) -> Option<Is> {
        let own = || self.map.initial(self.layout, ty);
        let initial = initial.cloned().unwrap_or_else(own);
        match initial {
            Initial::Null | Initial::Zero | Initial::Default => Some(Is::NotZero),
            Initial::Value(number) if !self.is_composite(ty) => {
                let mask = u64::MAX >> (64 - width.clamp(1, 64));
                Some(Is::Not(number as u64 & mask))
            }
            Initial::EmptyList => Some(Is::NotEmpty),
            _ => None,
        }
    }
}

impl<'a> Visit<'a> for Search<'a> {
    type Error = Infallible;

    fn structure(&mut self, owner: &Owner<'a>) {
        let map = self.map;
        for name in owner.own_names() {
            let entry = map.types.get(*name);
            for flags in entry.into_iter().flat_map(|entry| &entry.refused) {
                let path = FieldPath::parse(&flags.field).ok();
                let found = path.and_then(|path| self.layout.resolve(owner.ty, &path).ok());
                let mask = map.mask(self.layout, owner.ty, &flags.field, &flags.flags);
                let Some(found) = found.filter(|_| mask != 0) else {
                    continue;
                };
                let width = self.width(found.ty, found.bit_field);
                let table = format!("[type.{name}.refuse]");
                self.reached.insert((table, flags.field.clone()));
                let path = match owner.path.as_str() {
                    "" => flags.field.clone(),
                    outer => format!("{outer}.{}", flags.field),
                };
                self.found.push(RefusedPlace {
                    path,
                    refusal: &flags.refusal,
                    flags: &flags.flags,
                    bits: (owner.base.0 + found.offset.0, width),
                    is_number: true,
                    is: Is::With(mask),
                    words: self.words(&flags.refusal, owner),
                });
            }
        }
    }

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        let Some(rule) = place.rule() else {
            let parts = match self.layout.get(self.layout.strip(place.ty)) {
                Type::Composite(_) => true,
                // A long array of numbers is not looked at one by one.
                Type::Array { element, .. } => self.is_composite(*element),
                _ => false,
            };
            return Ok(if parts { Go::Inside } else { Go::Past });
        };
        let width = self.width(place.ty, place.bit_field);
        if let Policy::Reset {
            initial,
            refusal: Some(refusal),
            ..
        } = &rule.policy
            && let Some(is) = self.is(place.ty, width, initial.as_ref())
            && width != 0
        {
            if let Some(RuleFrom::Member { ty, member }) = place.rules.first().map(|rule| rule.from)
            {
                self.reached
                    .insert((format!("type.{ty}.fields"), member.to_owned()));
            }
            self.found.push(RefusedPlace {
                path: place.path.to_owned(),
                refusal,
                flags: &[],
                bits: (place.offset.0, width),
                is_number: !self.is_composite(place.ty),
                is,
                words: self.words(refusal, place.owner),
            });
        }
        Ok(Go::Past)
    }
}

#[cfg(test)]
mod tests;
