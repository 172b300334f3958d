//! Between which layouts a change lies: what a decision's condition says of them.

use super::name::{is_field, is_identifier};
use super::{Direction, OverrideProblem};
use crate::ctype::{self, Shape};
use kernel_structs::layout::{FieldPath, Layout, Resolved};
use serde::Deserialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Between which layouts a change lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Between those that have the field and those that do not.
    Field,
    /// Between those that fulfil the one and those that fulfil the other.
    Told {
        /// The one.
        one: Condition,
        /// The other.
        other: Condition,
    },
    /// Between those of which an array has different numbers of elements.
    Elements {
        /// The array, as `type.member`.
        array: String,
    },
}

/// What a layout has. All of it has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Members that it has, as `type.member`, and types and constants.
    pub has: Vec<String>,
    /// Members that it has not, perhaps because it has not the type, and types and constants.
    pub lacks: Vec<String>,
    /// How members that it has are declared.
    pub declared: BTreeMap<String, String>,
    /// The values of constants that it has.
    pub values: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCondition {
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    declared: BTreeMap<String, String>,
    #[serde(default)]
    values: BTreeMap<String, i64>,
}

/// The conditions of an entry, as they are written.
pub(super) struct Stated {
    pub(super) one: Option<RawCondition>,
    pub(super) other: Option<RawCondition>,
    pub(super) elements: Option<String>,
}

impl Stated {
    /// What they say, in an entry with these directions. `field` is for messages.
    pub(super) fn when(
        self,
        field: &str,
        directions: &[Direction],
    ) -> Result<When, Vec<OverrideProblem>> {
        let field = field.to_owned();
        let all_of = |kind: [Direction; 2]| {
            !directions.is_empty() && directions.iter().all(|one| kind.contains(one))
        };
        match (self.one, self.other, self.elements) {
            (None, None, None) if directions.is_empty() => {
                let expected = "`appears` or `disappears`, `one` and `other` with `to-one` or `to-other`, or `elements` with `fewer` or `more`,";
                Err(vec![OverrideProblem::NoDirection { field, expected }])
            }
            (None, None, None) if all_of([Direction::Appears, Direction::Disappears]) => {
                Ok(When::Field)
            }
            (Some(one), Some(other), None) if all_of([Direction::ToOne, Direction::ToOther]) => {
                let (one, other) = (Condition::from(one), Condition::from(other));
                let problems: Vec<OverrideProblem> = [&one, &other]
                    .into_iter()
                    .flat_map(|condition| condition.problems(&field))
                    .collect();
                match problems.is_empty() {
                    true => Ok(When::Told { one, other }),
                    false => Err(problems),
                }
            }
            (None, None, Some(array)) if all_of([Direction::Fewer, Direction::More]) => {
                match is_field(&array) {
                    true => Ok(When::Elements { array }),
                    false => Err(vec![OverrideProblem::BadElements {
                        field,
                        found: array,
                    }]),
                }
            }
            _ => Err(vec![OverrideProblem::MixedDirections { field }]),
        }
    }
}

impl From<RawCondition> for Condition {
    fn from(raw: RawCondition) -> Condition {
        Condition {
            has: raw.has,
            lacks: raw.lacks,
            declared: raw.declared,
            values: raw.values,
        }
    }
}

impl When {
    /// Which way the change of `field` is gone from one layout to another; `None` if it does not lie
    /// between the two.
    pub(super) fn direction(&self, field: &str, from: &Layout, to: &Layout) -> Option<Direction> {
        let ends = [from, to];
        match self {
            When::Field => match ends.map(|layout| member(layout, field).is_some()) {
                [false, true] => Some(Direction::Appears),
                [true, false] => Some(Direction::Disappears),
                [true, true] | [false, false] => None,
            },
            When::Told { one, other } => {
                let is_one = |layout: &Layout| match (one.holds(layout), other.holds(layout)) {
                    (true, false) => Some(true),
                    (false, true) => Some(false),
                    (true, true) | (false, false) => None,
                };
                match ends.map(is_one) {
                    [Some(false), Some(true)] => Some(Direction::ToOne),
                    [Some(true), Some(false)] => Some(Direction::ToOther),
                    _ => None,
                }
            }
            When::Elements { array } => {
                let [was, is] = ends.map(|layout| elements(layout, array));
                match is?.cmp(&was?) {
                    Ordering::Less => Some(Direction::Fewer),
                    Ordering::Greater => Some(Direction::More),
                    Ordering::Equal => None,
                }
            }
        }
    }

    /// What of it none of `layouts` fulfils, so that the change of `field` lies between no two of
    /// them; `None` if each of its parts has some.
    pub(crate) fn unmet(&self, field: &str, layouts: &[&Layout]) -> Option<String> {
        match self {
            When::Field => {
                let has = |layout: &&&Layout| member(layout, field).is_some();
                match layouts.iter().filter(has).count() {
                    0 => Some(format!("no layout has {field}")),
                    all if all == layouts.len() => Some(format!("every layout has {field}")),
                    _ => None,
                }
            }
            When::Told { one, other } => {
                let unmet = |name: &str, condition: &Condition| {
                    let why = condition.unmet(layouts)?;
                    Some(format!("no layout fulfils `{name}`: {why}"))
                };
                let alone = |one: &Condition, other: &Condition| {
                    let mut fulfil = layouts.iter().filter(|layout| one.holds(layout));
                    fulfil.any(|layout| !other.holds(layout))
                };
                let both = |name: &str, other: &str| {
                    format!("every layout that fulfils `{name}` fulfils `{other}` as well")
                };
                unmet("one", one)
                    .or_else(|| unmet("other", other))
                    .or_else(|| (!alone(one, other)).then(|| both("one", "other")))
                    .or_else(|| (!alone(other, one)).then(|| both("other", "one")))
            }
            When::Elements { array } => {
                let numbers: BTreeSet<u64> = layouts
                    .iter()
                    .filter_map(|layout| elements(layout, array))
                    .collect();
                match (numbers.len(), numbers.first()) {
                    (0, _) => Some(format!("no layout has an array {array}")),
                    (1, Some(number)) => {
                        Some(format!("{array} has {number} elements in every layout"))
                    }
                    _ => None,
                }
            }
        }
    }

    /// The members, types and constants that it names beside the field.
    pub(crate) fn names(&self) -> Vec<&String> {
        match self {
            When::Field => Vec::new(),
            When::Told { one, other } => one.names().chain(other.names()).collect(),
            When::Elements { array } => vec![array],
        }
    }
}

impl Condition {
    /// Whether `layout` is like this.
    pub fn holds(&self, layout: &Layout) -> bool {
        self.has.iter().all(|name| is_there(layout, name))
            && !self.lacks.iter().any(|name| is_there(layout, name))
            && self.declared.iter().all(|(name, declared)| {
                member(layout, name).is_some_and(|found| layout.type_name(found.ty) == *declared)
            })
            && self
                .values
                .iter()
                .all(|(name, value)| layout.constant(name) == Some(i128::from(*value)))
    }

    /// What of it none of `layouts` fulfils; `None` if some layout fulfils all of it.
    fn unmet(&self, layouts: &[&Layout]) -> Option<String> {
        let some = |fulfils: &dyn Fn(&Layout) -> bool| layouts.iter().any(|layout| fulfils(layout));
        let listed = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join("`, `");
        for name in &self.has {
            if !some(&|layout| is_there(layout, name)) {
                return Some(format!("none has {name}"));
            }
        }
        for name in &self.lacks {
            if !some(&|layout| !is_there(layout, name)) {
                return Some(format!("all have {name}"));
            }
        }
        for (name, declared) in &self.declared {
            let type_of =
                |layout: &Layout| member(layout, name).map(|found| layout.type_name(found.ty));
            if !some(&|layout| type_of(layout).as_ref() == Some(declared)) {
                let all = layouts
                    .iter()
                    .filter_map(|layout| type_of(layout))
                    .collect();
                return Some(format!("{name} is declared `{}`", listed(all)));
            }
        }
        for (name, value) in &self.values {
            let value = i128::from(*value);
            if !some(&|layout| layout.constant(name) == Some(value)) {
                let known = layouts.iter().filter_map(|layout| layout.constant(name));
                let all = known.map(|known| known.to_string()).collect();
                return Some(format!("{name} is `{}`", listed(all)));
            }
        }
        (!some(&|layout| self.holds(layout))).then(|| "none has all of it".to_owned())
    }

    /// The members, types and constants that it names.
    fn names(&self) -> impl Iterator<Item = &String> {
        let listed = self.has.iter().chain(&self.lacks);
        listed.chain(self.declared.keys()).chain(self.values.keys())
    }

    /// That it says nothing, or names what is no name.
    fn problems(&self, field: &str) -> Vec<OverrideProblem> {
        let bad = |found: String| OverrideProblem::BadCondition {
            field: field.to_owned(),
            found,
        };
        if self.names().next().is_none() {
            return vec![bad("nothing".to_owned())];
        }
        let constant = |name: &str| !name.contains('.') && is_identifier(name);
        let wrong = |name: &&String| match name {
            name if self.declared.contains_key(*name) => !is_field(name),
            name if self.values.contains_key(*name) => !constant(name),
            name => !is_field(name) && !constant(name),
        };
        let names = self.names().filter(wrong);
        names.map(|name| bad(format!("`{name}`"))).collect()
    }
}

/// Whether a layout has the member, the type or the constant `name`.
pub(crate) fn is_there(layout: &Layout, name: &str) -> bool {
    match name.contains('.') {
        true => member(layout, name).is_some(),
        false => layout.constant(name).is_some() || layout.has(name),
    }
}

/// How many elements the array `name`, written `type.member`, of a layout has.
pub(crate) fn elements(layout: &Layout, name: &str) -> Option<u64> {
    match ctype::shape(layout, member(layout, name)?.ty) {
        Shape::Array { count, .. } => Some(count),
        _ => None,
    }
}

/// The member `name`, written `type.member`, of a layout.
fn member(layout: &Layout, name: &str) -> Option<Resolved> {
    let (ty, member) = name.split_once('.')?;
    let path = FieldPath::parse(member).ok()?;
    layout.lookup(layout.find(ty)?, &path)
}
