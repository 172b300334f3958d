//! Kernel-private values: written as their initial value, whatever they were.

use super::Action;
use super::auto::elements;
use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part, Value};
use super::finding::Why;
use crate::ctype::{self, Field, ScalarKind, Shape};
use kconv_rules::RuleKind;
use kernel_structs::layout::{FieldPath, TypeId};
use kernel_structs::state::{Initial, Policy, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// A structure and its members.
pub(super) type Members<'f> = (Value, &'f [Field]);

/// How a value is reset.
#[derive(Copy, Clone)]
struct How<'i> {
    /// The initial value.
    initial: &'i Initial,
    /// Whether any other value stops the conversion.
    strict: bool,
    /// Whether the old layout has nothing like the value, so that nobody can have meant it who said
    /// nothing of it.
    unheard_of: bool,
}

impl<'i> How<'i> {
    fn new(initial: &'i Initial, strict: bool) -> How<'i> {
        How {
            initial,
            strict,
            unheard_of: false,
        }
    }
}

const MISFIT: Why = Why::PolicyDoesNotFit { policy: "reset" };

impl Planner<'_> {
    /// The function of a type that is reset wherever it stands, for a value or for each element
    /// of an array; `None` for anything else.
    pub(super) fn reset_function(
        &mut self,
        old: &Value,
        new: &Value,
        fallback: &str,
    ) -> Option<Action> {
        self.reset_function_of(old.ty, new.ty, fallback)
    }

    fn reset_function_of(&mut self, old: TypeId, new: TypeId, fallback: &str) -> Option<Action> {
        let shapes = (
            ctype::shape(self.layout(Which::Old), old),
            ctype::shape(self.layout(Which::New), new),
        );
        match shapes {
            (Shape::Struct(..), Shape::Struct(..)) => {
                self.reset_of((old, new))?;
                let names = [(Which::Old, old), (Which::New, new)]
                    .map(|(which, ty)| ctype::type_name(self.layout(which), ty));
                if names[0] != names[1] {
                    return None;
                }
                Some(Action::Recurse {
                    ty: self.plan_type(old, new, fallback),
                })
            }
            (
                Shape::Array {
                    element: was,
                    count: old_count,
                },
                Shape::Array {
                    element: is,
                    count: new_count,
                },
            ) if old_count == new_count => {
                let each = self.reset_function_of(was, is, fallback)?;
                Some(elements((RuleKind::Reset, each), old_count, new_count).1)
            }
            _ => None,
        }
    }

    /// Decides the members of a type that is reset wherever it stands.
    pub(super) fn reset_members(
        &mut self,
        owner: &Owner,
        rule: &Rule,
        initial: &Initial,
        old: &[Field],
        new: &[Field],
    ) -> Vec<Decision> {
        let strict = matches!(rule.policy, Policy::Reset { strict: true, .. });
        // The value itself: its members begin where it begins.
        let whole = Value {
            path: FieldPath::default(),
            ty: TypeId::VOID,
            offset: 0,
            len: 0,
            bit_field: false,
        };
        let mut parts = Vec::new();
        let sides = (Some((whole.clone(), old)), Some((whole, new)));
        match self.reset_struct(sides, How::new(initial, strict), &mut parts) {
            Ok(()) => vec![Decision::state_map(&rule.reason, parts)],
            Err(why) => {
                self.open_type(&owner.name, why);
                Vec::new()
            }
        }
    }

    /// Resets one value, which one side or both have.
    pub(super) fn reset_value(
        &mut self,
        old: Option<Value>,
        new: Option<Value>,
        initial: &Initial,
        strict: bool,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        self.reset_as(old, new, How::new(initial, strict), parts)
    }

    fn reset_as(
        &mut self,
        old: Option<Value>,
        new: Option<Value>,
        how: How<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        let How {
            initial, strict, ..
        } = how;
        let is_pointer = |which: Which, value: &Value| {
            let shape = ctype::shape(self.layout(which), value.ty);
            matches!(shape, Shape::Scalar(scalar) if scalar.kind == ScalarKind::Pointer)
        };
        let pointers = old.iter().all(|value| is_pointer(Which::Old, value))
            && new.iter().all(|value| is_pointer(Which::New, value));
        if *initial == Initial::Null && !pointers {
            return Err(MISFIT);
        }
        // What a number was said of was a number; now it may be in a structure around it.
        if matches!(initial, Initial::Value(_)) {
            let sides = [(Which::Old, &old), (Which::New, &new)].map(|(which, value)| {
                let value = value.as_ref()?;
                let wrapped = ctype::wrapped_number(self.layout(which), value.ty);
                Some(wrapped.map_or_else(|| value.clone(), |(path, ty)| value.wrapped(&path, ty)))
            });
            let [was, is] = sides;
            if was != old || is != new {
                return self.reset_as(was, is, how, parts);
            }
        }
        let (old_layout, new_layout) = (self.layout(Which::Old), self.layout(Which::New));
        let was = old.as_ref().map(|value| ctype::shape(old_layout, value.ty));
        let is = new.as_ref().map(|value| ctype::shape(new_layout, value.ty));
        let bit_field = old.iter().chain(&new).any(|value| value.bit_field);
        match (was, is) {
            (None, None) => Ok(()),
            (Some(Shape::Struct(_, was)), Some(Shape::Struct(_, is))) => {
                let fields = (
                    ctype::fields(old_layout, was),
                    ctype::fields(new_layout, is),
                );
                let old = old.map(|value| (value, fields.0.as_slice()));
                let new = new.map(|value| (value, fields.1.as_slice()));
                self.reset_struct((old, new), how, parts)
            }
            (Some(Shape::Struct(_, was)), None) => {
                let fields = ctype::fields(old_layout, was);
                let old = old.map(|value| (value, fields.as_slice()));
                self.reset_struct((old, None), how, parts)
            }
            (None, Some(Shape::Struct(_, is))) => {
                let fields = ctype::fields(new_layout, is);
                let new = new.map(|value| (value, fields.as_slice()));
                self.reset_struct((None, new), how, parts)
            }
            (Some(Shape::Scalar(_)) | None, Some(Shape::Scalar(_)) | None)
                if *initial == Initial::OwnAddress && !bit_field =>
            {
                parts.extend(own_address(old, new, strict));
                Ok(())
            }
            (Some(Shape::Scalar(_) | Shape::Enum(_)), Some(Shape::Scalar(_) | Shape::Enum(_)))
                if !bit_field =>
            {
                let initial = number(initial)?;
                let action = Action::Reset { initial, strict };
                parts.push(Part {
                    rule: RuleKind::Reset,
                    action,
                    from: old,
                    to: new,
                });
                Ok(())
            }
            (Some(Shape::Array { .. }), _) | (_, Some(Shape::Array { .. }))
                if matches!(initial, Initial::Value(_) | Initial::Null) =>
            {
                Err(MISFIT)
            }
            (
                Some(Shape::Array {
                    element: was,
                    count: old_count,
                }),
                Some(Shape::Array {
                    element: is,
                    count: new_count,
                }),
            ) if old_count == new_count && self.scalars(was, is) => {
                let initial = number(initial)?;
                let each = Action::Reset { initial, strict };
                let (rule, action) = elements((RuleKind::Reset, each), old_count, new_count);
                parts.push(Part {
                    rule,
                    action,
                    from: old,
                    to: new,
                });
                Ok(())
            }
            (Some(_), Some(_)) => {
                self.reset_as(None, new, how, parts)?;
                self.reset_as(old, None, how, parts)
            }
            (None, Some(shape)) => {
                let value = number(initial)?;
                if self.has_initial_elements(Which::New, new.as_ref(), initial) {
                    return Err(MISFIT);
                }
                let action = match shape {
                    Shape::Scalar(_) | Shape::Enum(_) => Action::Set { value },
                    _ if value == 0 => Action::Zero,
                    _ => return Err(MISFIT),
                };
                parts.push(Part {
                    rule: RuleKind::Reset,
                    action,
                    from: None,
                    to: new,
                });
                Ok(())
            }
            (Some(shape), None) => {
                if self.has_initial_elements(Which::Old, old.as_ref(), initial) {
                    return Err(MISFIT);
                }
                let initial = number(initial)?;
                if initial != 0 && !matches!(shape, Shape::Scalar(_) | Shape::Enum(_)) {
                    return Err(MISFIT);
                }
                let action = Action::Drop { initial, strict };
                parts.push(Part {
                    rule: RuleKind::Drop,
                    action,
                    from: old,
                    to: None,
                });
                Ok(())
            }
        }
    }

    fn scalars(&self, old: TypeId, new: TypeId) -> bool {
        let scalar = |which: Which, ty: TypeId| {
            matches!(
                ctype::shape(self.layout(which), ty),
                Shape::Scalar(_) | Shape::Enum(_)
            )
        };
        scalar(Which::Old, old) && scalar(Which::New, new)
    }

    /// Whether the elements of an array have an initial value of their own, which is not zero.
    fn has_initial_elements(&self, which: Which, value: Option<&Value>, initial: &Initial) -> bool {
        let layout = self.layout(which);
        let Some(mut ty) = value
            .map(|value| value.ty)
            .filter(|_| *initial == Initial::Default)
        else {
            return false;
        };
        while let Shape::Array { element, .. } = ctype::shape(layout, ty) {
            ty = element;
        }
        self.pair.map.initial(layout, ty) != Initial::Default
    }

    /// Resets a structure, member by member.
    fn reset_struct(
        &mut self,
        (old, new): (Option<Members<'_>>, Option<Members<'_>>),
        how: How<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        match how.initial {
            Initial::EmptyList => return empty_list(old, new, how.strict, parts),
            // A number, a null or an address is not what a structure is.
            Initial::Value(_) | Initial::Null | Initial::OwnAddress => return Err(MISFIT),
            Initial::Default | Initial::Zero | Initial::Members(_) => {}
        }
        let (old_fields, new_fields) = (
            old.as_ref().map_or(&[][..], |old| old.1),
            new.as_ref().map_or(&[][..], |new| new.1),
        );
        let known = match (&old, &new) {
            (None, Some((value, _))) if !how.unheard_of => self.known_members(value.ty),
            _ => None,
        };
        for field in new_fields {
            let was = old_fields.iter().find(|old| old.name == field.name);
            let was = was.and_then(|was| old.as_ref().map(|(value, _)| value.member(was)));
            let is = new.as_ref().map(|(value, _)| value.member(field));
            let unheard_of = match (&old, &known) {
                (Some(_), _) => was.is_none(),
                (None, Some(known)) => !known.contains(&field.name),
                (None, None) => how.unheard_of,
            };
            let said = inner_initial(how.initial, &field.name);
            let how = How {
                initial: &said,
                unheard_of,
                ..how
            };
            self.reset_member(was, is, how, parts)?;
        }
        for field in old_fields {
            if !new_fields.iter().any(|new| new.name == field.name) {
                let was = old.as_ref().map(|(value, _)| value.member(field));
                let said = inner_initial(how.initial, &field.name);
                let how = How {
                    initial: &said,
                    unheard_of: false,
                    ..how
                };
                self.reset_member(was, None, how, parts)?;
            }
        }
        Ok(())
    }

    /// The members that the old layout's structure has of the name that `ty` has in the new one;
    /// `None` if there is no such structure, or it has no name.
    fn known_members(&self, ty: TypeId) -> Option<BTreeSet<String>> {
        let name = ctype::type_name(self.layout(Which::New), ty)?;
        let layout = self.layout(Which::Old);
        match ctype::shape(layout, layout.find(name)?) {
            Shape::Struct(_, composite) => {
                let fields = ctype::fields(layout, composite).into_iter();
                Some(fields.map(|field| field.name).collect())
            }
            _ => None,
        }
    }

    fn reset_member(
        &mut self,
        old: Option<Value>,
        new: Option<Value>,
        how: How<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        if old.iter().chain(&new).all(|value| value.len == 0) {
            return Ok(());
        }
        let silent = *how.initial == Initial::Default;
        if silent
            && !how.strict
            && let (Some(was), Some(is)) = (&old, &new)
            && let Some(action) = self.reset_function(was, is, &is.path.to_string())
        {
            parts.push(Part {
                rule: RuleKind::Reset,
                action,
                from: old,
                to: new,
            });
            return Ok(());
        }
        let unheard_of = how.unheard_of && !self.is_told_by_type(new.as_ref());
        if unheard_of
            && silent
            && let Some(value) = &new
            && !matches!(
                ctype::shape(self.layout(Which::New), value.ty),
                Shape::Struct(..)
            )
        {
            return Err(Why::NoInitial {
                member: value.path.to_string(),
            });
        }
        let initial = self.own_initial(how.initial.clone(), &old, &new);
        let how = How {
            initial: &initial,
            unheard_of,
            ..how
        };
        self.reset_as(old, new, how, parts)
    }

    /// Whether a value is of a type that is reset wherever it stands.
    fn is_told_by_type(&self, value: Option<&Value>) -> bool {
        let (map, layout) = (self.pair.map, self.layout(Which::New));
        let rule = value.and_then(|value| map.type_rule(layout, value.ty));
        rule.is_some_and(|rule| matches!(rule.policy, Policy::Reset { .. }))
    }

    /// The initial value of a member of which nothing is said: that of its own type.
    fn own_initial(&self, initial: Initial, old: &Option<Value>, new: &Option<Value>) -> Initial {
        match (initial, new, old) {
            (Initial::Default, Some(value), _) => {
                self.pair.map.initial(self.layout(Which::New), value.ty)
            }
            (Initial::Default, None, Some(value)) => {
                self.pair.map.initial(self.layout(Which::Old), value.ty)
            }
            (initial, ..) => initial,
        }
    }
}

/// What `initial` of a structure says of its member `name`.
fn inner_initial(initial: &Initial, name: &str) -> Initial {
    let Initial::Members(members) = initial else {
        return initial.clone();
    };
    // An unnamed union goes by its first member.
    let first = name.strip_prefix("union_");
    let mut names = [Some(name), first].into_iter().flatten();
    let said = names.find_map(|name| {
        let perhaps = || members.get(&format!("{name}?"));
        members.get(name).or_else(perhaps)
    });
    if let Some(said) = said {
        return said.clone();
    }
    let prefix = format!("{name}.");
    let inner: BTreeMap<String, Initial> = members
        .iter()
        .filter_map(|(path, said)| Some((path.strip_prefix(&prefix)?.to_owned(), said.clone())))
        .collect();
    if inner.is_empty() {
        Initial::Default
    } else {
        Initial::Members(inner)
    }
}

/// The initial value of a number.
fn number(initial: &Initial) -> Result<i64, Why> {
    match initial {
        Initial::Default | Initial::Zero | Initial::Null => Ok(0),
        Initial::Value(value) => Ok(*value),
        Initial::EmptyList | Initial::OwnAddress | Initial::Members(_) => Err(MISFIT),
    }
}

/// Both links of a list that becomes empty.
pub(super) fn empty_list(
    old: Option<Members<'_>>,
    new: Option<Members<'_>>,
    strict: bool,
    parts: &mut Vec<Part>,
) -> Result<(), Why> {
    for name in ["next", "prev"] {
        let link = |side: &Option<Members<'_>>| match side {
            Some((value, fields)) => {
                let field = fields
                    .iter()
                    .find(|field| field.name == name)
                    .ok_or(MISFIT)?;
                Ok(Some((value.path.clone(), value.member(field))))
            }
            None => Ok(None),
        };
        parts.extend(link_to(link(&old)?, link(&new)?, strict));
    }
    Ok(())
}

/// A value that becomes its own address.
fn own_address(old: Option<Value>, new: Option<Value>, strict: bool) -> Option<Part> {
    let of_itself = |value: Value| (value.path.clone(), value);
    link_to(old.map(of_itself), new.map(of_itself), strict)
}

/// A value that becomes the address of something in the same object: what that is on each side,
/// with the value.
fn link_to(
    old: Option<(FieldPath, Value)>,
    new: Option<(FieldPath, Value)>,
    strict: bool,
) -> Option<Part> {
    let (rule, action, from, to) = match (old, new) {
        (Some((_, from)), Some((head, to))) => (
            RuleKind::Reset,
            Action::EmptyLink { head, strict },
            Some(from),
            Some(to),
        ),
        (None, Some((of, to))) => (RuleKind::Reset, Action::OwnAddress { of }, None, Some(to)),
        (Some((head, from)), None) => (
            RuleKind::Drop,
            Action::DropLink { head, strict },
            Some(from),
            None,
        ),
        (None, None) => return None,
    };
    Some(Part {
        rule,
        action,
        from,
        to,
    })
}
