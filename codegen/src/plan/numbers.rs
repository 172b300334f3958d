//! What overrides decide about numbers: another unit, sums, values of elements; and which numbers nobody
//! can decide about, because they count.

use super::Action;
use super::auto::elements;
use super::builder::{Owner, Planner, Which};
use super::decision::{Part, Value};
use crate::ctype::{self, Field, Scalar, ScalarKind, Shape, fits};
use crate::overrides::{OverrideAction, OverrideProblem};
use kconv_rules::RuleKind;
use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::state::{Number, Policy};

/// What an action gives for a field.
pub(super) type Parts = Result<Vec<Part>, OverrideProblem>;

impl Planner<'_> {
    /// A number in another unit.
    pub(super) fn scaled(
        &self,
        (multiply, divide, add): (i64, i64, i64),
        own: Option<&Field>,
        field: &Field,
    ) -> Parts {
        let action = match add {
            0 => Action::Scale { multiply, divide },
            add => Action::Offset {
                multiply,
                divide,
                add,
            },
        };
        let parts = self.on_numbers("scale", RuleKind::Scale, &action, own, field)?;
        let (Some(was), Some(is)) = (
            own.and_then(|own| range(self.layout(Which::Old), own)),
            range(self.layout(Which::New), field),
        ) else {
            return Ok(parts);
        };
        let scale = |number: i128| {
            let product = number.saturating_mul(multiply.into());
            (product / i128::from(divide.max(1))).saturating_add(add.into())
        };
        // What it makes of the numbers that there were ascends with them.
        match scale(was.0) <= is.1 && scale(was.1) >= is.0 {
            true => Ok(parts),
            false => Err(OverrideProblem::ScaleDoesNotFit {
                was: own.map_or_else(String::new, |own| {
                    ctype::declared(self.layout(Which::Old), own)
                }),
                declared: ctype::declared(self.layout(Which::New), field),
            }),
        }
    }

    /// An action on a number, perhaps in a structure around it, or on each number of an array.
    pub(super) fn on_numbers(
        &self,
        name: &'static str,
        rule: RuleKind,
        action: &Action,
        own: Option<&Field>,
        field: &Field,
    ) -> Parts {
        let own = own.ok_or(OverrideProblem::NeedsBoth { action: name })?;
        let action = action.clone();
        let [was, is] = [(Which::Old, own), (Which::New, field)].map(|(which, field)| {
            let value = Value::of(field);
            match ctype::wrapped_number(self.layout(which), field.ty) {
                Some((path, ty)) => value.wrapped(&path, ty),
                None => value,
            }
        });
        if was.path != Value::of(own).path || is.path != Value::of(field).path {
            return self.on_wrapped(
                name,
                Part {
                    rule,
                    action,
                    from: Some(was),
                    to: Some(is),
                },
            );
        }
        let number = |which: Which, field: &Field| {
            let mut ty = field.ty;
            let mut count = None;
            let layout = self.layout(which);
            if let Shape::Array {
                element,
                count: number,
            } = ctype::shape(layout, ty)
            {
                (ty, count) = (element, Some(number));
            }
            match ctype::shape(layout, ty) {
                Shape::Scalar(s) if s.kind == ScalarKind::Number && !field.bit_field => Ok(count),
                _ => Err(OverrideProblem::WrongType {
                    action: name,
                    declared: ctype::declared(layout, field),
                    needs: "an integer, or an array of them",
                }),
            }
        };
        let counts = (number(Which::Old, own)?, number(Which::New, field)?);
        let (rule, action) = match counts {
            (None, None) => (rule, action),
            (Some(old), Some(new)) if old == new => elements((rule, action), old, new),
            _ => {
                return Err(OverrideProblem::WrongType {
                    action: name,
                    declared: ctype::declared(self.layout(Which::New), field),
                    needs: "as many elements before as after",
                });
            }
        };
        Ok(both(rule, action, own, field))
    }

    /// An action on two numbers of which one, or both, are in a structure around them.
    fn on_wrapped(&self, name: &'static str, part: Part) -> Parts {
        for (which, value) in [(Which::Old, &part.from), (Which::New, &part.to)] {
            let Some(value) = value else { continue };
            let layout = self.layout(which);
            let shape = ctype::shape(layout, value.ty);
            let number = matches!(shape, Shape::Scalar(s) if s.kind == ScalarKind::Number);
            if !number || value.bit_field {
                return Err(OverrideProblem::WrongType {
                    action: name,
                    declared: layout.type_name(value.ty),
                    needs: "an integer, or an array of them",
                });
            }
        }
        Ok(vec![part])
    }

    /// An array whose elements without counterpart have a stated value.
    pub(super) fn rest(
        &mut self,
        owner: &Owner,
        value: i64,
        own: Option<&Field>,
        field: &Field,
    ) -> Parts {
        let own = own.ok_or(OverrideProblem::NeedsBoth { action: "rest" })?;
        if let Some(parts) = self.all_rest(value, own, field) {
            return parts;
        }
        let fallback = format!("{}.{}", owner.name, field.name);
        let ruled = self.values(&Value::of(own), &Value::of(field), &fallback);
        match ruled {
            Ok((rule, Action::Elements { each, old, new, .. })) if old != new => {
                let (which, longer) = match new > old {
                    true => (Which::New, field),
                    false => (Which::Old, own),
                };
                self.holds_rest(which, longer, value)?;
                let action = Action::Elements {
                    each,
                    old,
                    new,
                    rest: value,
                };
                Ok(both(rule, action, own, field))
            }
            _ => Err(OverrideProblem::WrongType {
                action: "rest",
                declared: ctype::declared(self.layout(Which::New), field),
                needs: "an array of numbers that is longer or shorter than before",
            }),
        }
    }

    /// An array of which one side has no elements: all that the other has are without counterpart. `None` if
    /// it is no such array.
    fn all_rest(&self, value: i64, own: &Field, field: &Field) -> Option<Parts> {
        let count = |which: Which, field: &Field| match ctype::shape(self.layout(which), field.ty) {
            Shape::Array { count, .. } => Some(count),
            _ => None,
        };
        let (which, array) = match (count(Which::Old, own)?, count(Which::New, field)?) {
            (0, 1..) => (Which::New, field),
            (1.., 0) => (Which::Old, own),
            _ => return None,
        };
        if let Err(problem) = self.holds_rest(which, array, value) {
            return Some(Err(problem));
        }
        let array_of = Some(Value::of(array));
        let (action, from, to) = match which {
            Which::Old => {
                let drop = Action::Drop {
                    initial: value,
                    strict: false,
                };
                (drop, array_of, None)
            }
            Which::New if value == 0 => (Action::Zero, None, array_of),
            Which::New => {
                return Some(Err(OverrideProblem::WrongType {
                    action: "rest",
                    declared: ctype::declared(self.layout(which), array),
                    needs: "the value 0, or a `call` in its place, where there were no elements",
                }));
            }
        };
        Some(Ok(vec![Part {
            rule: RuleKind::Array,
            action,
            from,
            to,
        }]))
    }

    /// What a member counts that an action would give another number, and cannot: what is counted stays
    /// as much as it was.
    pub(super) fn undecidable_count(
        &self,
        owner: &Owner,
        action: &OverrideAction,
        own: Option<&Field>,
        field: &Field,
    ) -> Option<String> {
        let decides = match action {
            OverrideAction::Init(_)
            | OverrideAction::Scale { .. }
            | OverrideAction::MergeSum
            | OverrideAction::Rest { .. } => own.is_some(),
            OverrideAction::Call(_) => self.counts_tail(owner, &field.name),
            _ => false,
        };
        decides.then(|| self.counts(owner, &field.name)).flatten()
    }

    /// What the state map says that a member tells the number or the size of.
    fn counts(&self, owner: &Owner, member: &str) -> Option<String> {
        let tells = |number: &Number| matches!(number, Number::Member(name) if name == member);
        let types = owner.names.iter().flatten();
        types.into_iter().find_map(|name| {
            let entry = self.pair.map.types.get(name)?;
            let tail = entry.tail.as_ref().filter(|tail| tail.count == member);
            let size = entry.size.as_ref().filter(|size| tells(&size.of));
            let counted = entry.fields.iter().find(|(_, rule)| match &rule.policy {
                Policy::Follow(follow) => {
                    follow.count.as_ref().is_some_and(|count| tells(&count.of))
                }
                _ => false,
            });
            let of_tail = tail.map(|tail| tail.member.clone());
            of_tail
                .or_else(|| size.map(|_| "the object".to_owned()))
                .or_else(|| counted.map(|(field, _)| field.clone()))
        })
    }

    /// Whether a member tells how many elements there are behind an object.
    fn counts_tail(&self, owner: &Owner, member: &str) -> bool {
        let mut types = owner.names.iter().flatten();
        types.any(|name| {
            let entry = self.pair.map.types.get(name);
            let tail = entry.and_then(|entry| entry.tail.as_ref());
            tail.is_some_and(|tail| tail.count == member)
        })
    }

    /// That elements of an array can have a value.
    fn holds_rest(&self, which: Which, array: &Field, value: i64) -> Result<(), OverrideProblem> {
        let layout = self.layout(which);
        let element = match ctype::shape(layout, array.ty) {
            Shape::Array { element, .. } => element,
            _ => array.ty,
        };
        match ctype::shape(layout, element) {
            Shape::Scalar(scalar) if is_value(scalar, 8 * scalar.bytes, value) => Ok(()),
            _ => Err(OverrideProblem::NumberDoesNotFit {
                key: "rest",
                number: value,
                declared: layout.type_name(element),
            }),
        }
    }

    pub(super) fn sum(&self, own: Option<&Field>, field: &Field) -> Parts {
        let own = own.ok_or(OverrideProblem::NeedsBoth { action: "merge" })?;
        let is_number = |which: Which, ty| {
            let shape = ctype::shape(self.layout(which), ty);
            matches!(shape, Shape::Scalar(s) if s.kind == ScalarKind::Number)
        };
        let wrong = |which: Which, field: &Field, needs| {
            Err(OverrideProblem::WrongType {
                action: "merge",
                declared: ctype::declared(self.layout(which), field),
                needs,
            })
        };
        let before = match ctype::shape(self.layout(Which::Old), own.ty) {
            Shape::Array { element, count } if count > 1 && is_number(Which::Old, element) => count,
            _ => return wrong(Which::Old, own, "an old array of several integers"),
        };
        match ctype::shape(self.layout(Which::New), field.ty) {
            Shape::Array { element, count }
                if (1..before).contains(&count) && is_number(Which::New, element) => {}
            _ if is_number(Which::New, field.ty) && !field.bit_field => {}
            _ => {
                return wrong(
                    Which::New,
                    field,
                    "one new integer, or fewer than there were",
                );
            }
        }
        Ok(both(RuleKind::Merge, Action::Sum, own, field))
    }
}

/// The least and the greatest number that a field, its elements or what is in the structures around it can
/// have; `None` if they are no integers.
fn range(layout: &Layout, field: &Field) -> Option<(i128, i128)> {
    let ty = ctype::wrapped_number(layout, field.ty).map_or(field.ty, |(_, ty)| ty);
    let ty = match ctype::shape(layout, ty) {
        Shape::Array { element, .. } => element,
        _ => ty,
    };
    let Shape::Scalar(scalar) = ctype::shape(layout, ty) else {
        return None;
    };
    let bits = u32::try_from(8 * scalar.bytes).ok()?;
    let values = 1_i128.checked_shl(bits)?;
    Some(match (scalar.kind, scalar.signed) {
        (ScalarKind::Bool, _) => (0, 1),
        (_, true) => (-values / 2, values / 2 - 1),
        (_, false) => (0, values - 1),
    })
}

/// Whether a number is a value of a scalar of so many bits.
pub(super) fn is_value(scalar: Scalar, bits: u64, number: i64) -> bool {
    match scalar.kind {
        ScalarKind::Bool => matches!(number, 0 | 1),
        ScalarKind::Number => fits(number, bits, scalar.signed),
        // An address is no number that anybody could know before.
        ScalarKind::Pointer => number == 0,
    }
}

/// Whether a number is an enumerator of an enumeration, or none of them.
pub(super) fn is_enumerator(layout: &Layout, ty: TypeId, number: i64) -> bool {
    let values = match layout.get(layout.strip(ty)) {
        Type::Enum(of) => of.enumerators.as_slice(),
        _ => &[],
    };
    number == 0 || values.iter().any(|(_, value)| *value == i128::from(number))
}

/// One part of a field that both sides have.
pub(super) fn both(rule: RuleKind, action: Action, old: &Field, new: &Field) -> Vec<Part> {
    vec![Part {
        rule,
        action,
        from: Some(Value::of(old)),
        to: Some(Value::of(new)),
    }]
}
