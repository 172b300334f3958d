//! Kernel-private values: written as their initial value, whatever they were.

use super::Action;
use super::auto::elements;
use super::builder::{Owner, Planner, Which};
use super::decision::{Decision, Part, Value};
use super::finding::Why;
use crate::ctype::{self, Field, ScalarKind, Shape, fits};
use kconv_rules::RuleKind;
use kernel_structs::layout::{FieldPath, Layout, TypeId};
use kernel_structs::state::{Initial, Policy, Rule, SymbolPlace};
use std::collections::BTreeSet;

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

/// Longer arrays are not told element by element; what the kernel has in an object is shorter.
const MOST_ELEMENTS: u64 = 256;

/// Numbers below it, of either sign, are no addresses.
const NO_ADDRESS: u64 = 4096;

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
        if matches!(how.initial, Initial::Constant(_) | Initial::Declared(_)) {
            return self.reset_by_layout(old, new, how, parts);
        }
        let How {
            initial, strict, ..
        } = how;
        let is_pointer = |which: Which, value: &Value| {
            let shape = ctype::shape(self.layout(which), value.ty);
            matches!(shape, Shape::Scalar(scalar) if scalar.kind == ScalarKind::Pointer)
        };
        let pointers = old.iter().all(|value| is_pointer(Which::Old, value))
            && new.iter().all(|value| is_pointer(Which::New, value));
        if matches!(initial, Initial::Null | Initial::Nowhere) && !pointers {
            return Err(MISFIT);
        }
        if let Initial::Symbol(symbol) = initial {
            parts.extend(self.at_symbol(old, new, symbol, strict)?);
            return Ok(());
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
        for (value, shape) in [(&old, &was), (&new, &is)] {
            if let (Initial::Value(number), Some(value), Some(shape)) = (initial, value, shape)
                && !holds(shape, value, *number)
            {
                return Err(Why::InitialDoesNotFit { number: *number });
            }
        }
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
                if matches!(
                    initial,
                    Initial::Value(_) | Initial::Null | Initial::Nowhere
                ) =>
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
            (was, is)
                if is_array(&was)
                    && is_array(&is)
                    && (self.has_initial_elements(Which::Old, old.as_ref(), initial)
                        || self.has_initial_elements(Which::New, new.as_ref(), initial)) =>
            {
                self.reset_elements(old.as_ref(), new.as_ref(), how, parts)
            }
            (Some(_), Some(_)) => {
                self.reset_as(None, new, how, parts)?;
                self.reset_as(old, None, how, parts)
            }
            (None, Some(shape)) => {
                let value = number(initial)?;
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

    /// Resets a value whose initial one may be another under the two layouts: then the new value
    /// gets its own, and the old one is held against its own.
    fn reset_by_layout(
        &mut self,
        old: Option<Value>,
        new: Option<Value>,
        how: How<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        let said = |which: Which| self.initial_under(self.layout(which), how.initial);
        let was = old.as_ref().map(|_| said(Which::Old)).transpose()?;
        let is = new.as_ref().map(|_| said(Which::New)).transpose()?;
        match (was, is) {
            (Some(was), Some(is)) if was != is => {
                let of = |initial| How { initial, ..how };
                // Of a structure that the old layout has not here, nothing is known but what is said.
                let said = How {
                    unheard_of: true,
                    ..of(&is)
                };
                self.reset_as(None, new, said, parts)?;
                self.reset_as(old, None, of(&was), parts)
            }
            (was, is) => match was.or(is) {
                Some(initial) => {
                    let how = How {
                        initial: &initial,
                        ..how
                    };
                    self.reset_as(old, new, how, parts)
                }
                None => Ok(()),
            },
        }
    }

    /// The initial value that a layout has for one that depends on it.
    fn initial_under(&self, layout: &Layout, initial: &Initial) -> Result<Initial, Why> {
        match initial {
            Initial::Constant(name) => {
                let value = layout.constant(name);
                let value = value.and_then(|value| i64::try_from(value).ok());
                let value = value.ok_or_else(|| Why::NoConstant { name: name.clone() })?;
                Ok(Initial::Value(value))
            }
            Initial::Declared(declared) => match declared.under(layout) {
                Some(initial) => self.initial_under(layout, initial),
                None => Err(Why::DeclaredOtherwise {
                    member: declared.member.clone(),
                }),
            },
            initial => Ok(initial.clone()),
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

    /// Whether the elements of an array have an initial value that is not zero: of their own, or
    /// because a word is said of each. Numbers are told as an array.
    fn has_initial_elements(&self, which: Which, value: Option<&Value>, initial: &Initial) -> bool {
        let layout = self.layout(which);
        let Some(mut ty) = value.map(|value| value.ty) else {
            return false;
        };
        if !matches!(ctype::shape(layout, ty), Shape::Array { .. }) {
            return false;
        }
        while let Shape::Array { element, .. } = ctype::shape(layout, ty) {
            ty = element;
        }
        let own = || self.pair.map.initial(layout, ty) != Initial::Default;
        match initial {
            Initial::Default => own(),
            Initial::EmptyList | Initial::OwnAddress | Initial::Members(_) => {
                matches!(ctype::shape(layout, ty), Shape::Struct(..))
            }
            Initial::Zero
            | Initial::Null
            | Initial::Nowhere
            | Initial::Value(_)
            | Initial::Constant(_)
            | Initial::Declared(_)
            | Initial::Symbol(_) => false,
        }
    }

    /// Resets an array of which not all elements have a counterpart, or none: those that both sides
    /// have by the function of their type, if it has one, and the others one by one.
    fn reset_elements(
        &mut self,
        old: Option<&Value>,
        new: Option<&Value>,
        how: How<'_>,
        parts: &mut Vec<Part>,
    ) -> Result<(), Why> {
        let (was, is) = (
            old.map_or(Ok(Vec::new()), |value| self.elements_of(Which::Old, value))?,
            new.map_or(Ok(Vec::new()), |value| self.elements_of(Which::New, value))?,
        );
        let element = match (is.first(), was.first()) {
            (Some(value), _) => self.pair.map.initial(self.layout(Which::New), value.ty),
            (None, Some(value)) => self.pair.map.initial(self.layout(Which::Old), value.ty),
            (None, None) => return Ok(()),
        };
        // What the type says of itself need not be said of the member.
        let how = match *how.initial == element {
            true => How {
                initial: &Initial::Default,
                ..how
            },
            false => how,
        };
        let alike = self.reset_alike((old, &was), (new, &is), how);
        let told = alike.as_ref().map_or(0, |(common, _)| *common);
        parts.extend(alike.map(|(_, part)| part));
        for index in told..was.len().max(is.len()) {
            let element = (was.get(index).cloned(), is.get(index).cloned());
            self.reset_member(element.0, element.1, how, parts)?;
        }
        Ok(())
    }

    /// The elements that both of two arrays have, and their number, if their type has a function
    /// that resets them.
    fn reset_alike(
        &mut self,
        (old, was): (Option<&Value>, &[Value]),
        (new, is): (Option<&Value>, &[Value]),
        how: How<'_>,
    ) -> Option<(usize, Part)> {
        let (old, new) = (old?, new?);
        let (first_old, first_new) = (was.first()?, is.first()?);
        if how.strict || *how.initial != Initial::Default {
            return None;
        }
        let each = self.reset_function(first_old, first_new, &new.path.to_string())?;
        let common = was.len().min(is.len());
        let part_of = |array: &Value, element: &Value| Value {
            len: common as u64 * element.len,
            ..array.clone()
        };
        let (rule, action) = elements((RuleKind::Reset, each), common as u64, common as u64);
        let part = Part {
            rule,
            action,
            from: Some(part_of(old, first_old)),
            to: Some(part_of(new, first_new)),
        };
        Some((common, part))
    }

    /// The elements of an array that is told one by one.
    fn elements_of(&self, which: Which, array: &Value) -> Result<Vec<Value>, Why> {
        let layout = self.layout(which);
        let Shape::Array { element, count } = ctype::shape(layout, array.ty) else {
            return Err(MISFIT);
        };
        if count > MOST_ELEMENTS {
            return Err(MISFIT);
        }
        let len = ctype::size_bits(layout, element);
        let one = |index: u64| Value {
            path: array.path.element(index),
            ty: element,
            offset: array.offset + index * len,
            len,
            bit_field: false,
        };
        Ok((0..count).map(one).collect())
    }

    /// A pointer that is at a symbol.
    fn at_symbol(
        &self,
        old: Option<Value>,
        new: Option<Value>,
        symbol: &SymbolPlace,
        strict: bool,
    ) -> Result<Option<Part>, Why> {
        let sides = [(Which::Old, &old), (Which::New, &new)];
        let wrong = |(which, value): (Which, &Option<Value>)| {
            let value = value.as_ref();
            value.is_some_and(|value| {
                !ctype::holds_pointer(self.layout(which), value.ty, value.bit_field)
            })
        };
        if sides.into_iter().any(wrong) {
            return Err(MISFIT);
        }
        let symbol = symbol.clone();
        let (rule, action) = match (&old, &new) {
            (Some(_), Some(_)) => (RuleKind::Reset, Action::ResetSymbol { symbol, strict }),
            (None, Some(_)) => (RuleKind::Reset, Action::SetSymbol { symbol }),
            (Some(_), None) => {
                let symbol = Some(symbol);
                (RuleKind::Drop, Action::DropSymbol { symbol, strict })
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Part {
            rule,
            action,
            from: old,
            to: new,
        }))
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
            Initial::Value(_)
            | Initial::Constant(_)
            | Initial::Declared(_)
            | Initial::Null
            | Initial::Nowhere
            | Initial::OwnAddress
            | Initial::Symbol(_) => return Err(MISFIT),
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
            let said = how.initial.of_member(&field.name);
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
                let said = how.initial.of_member(&field.name);
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

/// Whether a value can be this number.
fn holds(shape: &Shape<'_>, value: &Value, number: i64) -> bool {
    match shape {
        Shape::Scalar(scalar) | Shape::Enum(scalar) => match scalar.kind {
            ScalarKind::Number => fits(number, value.len, scalar.signed),
            ScalarKind::Bool => matches!(number, 0 | 1),
            // An address is no number that anybody could know before. What lies in the first page or the last is
            // none: a flag in its place, or an error.
            ScalarKind::Pointer => number.unsigned_abs() < NO_ADDRESS,
        },
        _ => true,
    }
}

/// Whether a side is an array, or is not there.
fn is_array(shape: &Option<Shape<'_>>) -> bool {
    matches!(shape, None | Some(Shape::Array { .. }))
}

/// The initial value of a number.
fn number(initial: &Initial) -> Result<i64, Why> {
    match initial {
        Initial::Default | Initial::Zero | Initial::Null => Ok(0),
        Initial::Value(value) => Ok(*value),
        Initial::Nowhere => Ok(-1),
        // What depends on the layout has become a number before.
        Initial::EmptyList
        | Initial::OwnAddress
        | Initial::Constant(_)
        | Initial::Declared(_)
        | Initial::Symbol(_)
        | Initial::Members(_) => Err(MISFIT),
    }
}

/// Both links of a list that becomes empty.
pub(super) fn empty_list(
    old: Option<Members<'_>>,
    new: Option<Members<'_>>,
    strict: bool,
    parts: &mut Vec<Part>,
) -> Result<(), Why> {
    let new_fields = new.as_ref().map_or(&[][..], |new| new.1);
    let links = |field: &&Field| matches!(field.name.as_str(), "next" | "prev");
    if let Some(other) = new_fields.iter().find(|field| !links(field)) {
        return Err(Why::NoInitial {
            member: other.name.clone(),
        });
    }
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
