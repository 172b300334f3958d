//! One line of a conversion function: what a rule looks like in Rust.
//!
//! A line stands in a function, or in the group of lines that several functions share, which is a
//! macro. So the parameters of the function are written as `ŋcx`, `ŋat`, `ŋold` and `ŋnew`, and
//! what is outside as `ŋrt`, `ŋviews` and `ŋcarry`; [`super::text`] puts the names in. No name in C
//! begins with that letter.

use super::names::{ident, literal};
use super::views::{Part, Structs, Which, scalar_type, scalar_value};
use crate::ctype::{self, Scalar, Shape};
use crate::plan::{Action, Argument, FieldPlan, Flags, Meaning, MemberOffset, Place, TypePlan};
use kernel_structs::layout::{FieldPath, Step};
use kernel_structs::state::SymbolPlace;
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

/// Writes the lines of one function.
pub(super) struct Lines<'a> {
    pub(super) structs: &'a Structs<'a>,
    pub(super) ty: &'a TypePlan,
    /// The function for values of a type of the plan, by its name.
    pub(super) functions: &'a dyn Fn(&str) -> Option<TokenStream>,
    /// Where functions that overrides name are.
    pub(super) overrides: &'a TokenStream,
}

/// The layouts that a place is looked up in.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Sides {
    Both,
    Old,
    New,
}

impl Lines<'_> {
    /// The line for a field; `None` if the rule has no form for it, empty if nothing is to be
    /// done.
    pub(super) fn line(&self, field: &FieldPlan) -> Option<TokenStream> {
        let path = &field.path;
        let old_path = field.old_path.as_ref().unwrap_or(path);
        let old = || access(&quote!(ŋold), old_path, &field.from);
        let new = || place(&quote!(ŋnew), path);
        let line = match &field.action {
            Action::Drop { initial, strict } => {
                return self.drop_line(field, *initial, *strict);
            }
            Action::DropLink { head, strict } => {
                let (old, at) = (old(), self.at(path, path, Sides::Old));
                let head = self.at(head, head, Sides::Old);
                return Some(match strict {
                    true => quote!(ŋcx.drop_link_strict(#at, #head, #old);),
                    false => quote!(ŋcx.drop_link(#at, #head, #old);),
                });
            }
            Action::DropSymbol { symbol, strict } => {
                let (old, at) = (old(), self.at(path, path, Sides::Old));
                let symbol = match symbol {
                    Some(symbol) => {
                        let symbol = symbol_tokens(symbol);
                        quote!(Some(#symbol))
                    }
                    None => quote!(None),
                };
                return Some(match strict {
                    true => quote!(ŋcx.drop_symbol_strict(#at, #old, #symbol);),
                    false => quote!(ŋcx.drop_symbol(#at, #old, #symbol);),
                });
            }
            Action::Used { .. } => return Some(TokenStream::new()),
            Action::Recurse { ty } => {
                let function = (self.functions)(ty)?;
                let (at, old, new) = (self.at(old_path, path, Sides::Both), old(), new());
                return Some(quote!(#function(ŋcx, #at, &#old, &mut #new);));
            }
            Action::Elements {
                each,
                old: count,
                new: new_count,
                rest,
            } => {
                return self.elements(field, each, *count, *new_count, *rest);
            }
            // The runtime makes the one of the other, by what is said of the object around them.
            Action::Make { .. } if field.to.is_none() => return Some(TokenStream::new()),
            Action::Fold { .. } if field.from.is_none() => return self.zero(field),
            Action::Make { .. } => {
                let at = self.at(old_path, path, Sides::Both);
                let old = old();
                quote!(ŋcx.make(#at, #old.as_bytes()))
            }
            Action::Fold { .. } => {
                let at = self.at(old_path, path, Sides::Both);
                let (old, new) = (old(), new());
                return Some(quote!(ŋcx.fold(#at, #old, #new.as_mut_bytes());));
            }
            Action::ContainerAddress => {
                let at = self.at(path, path, Sides::New);
                quote!(ŋcx.container(#at))
            }
            Action::DropContainer => {
                let at = self.at(path, path, Sides::Old);
                let old = old();
                return Some(quote!(ŋcx.drop_container(#at, #old);));
            }
            // The runtime converts the elements, one after the other.
            Action::Tail { at, .. } => {
                let start = literal(at.1);
                return Some(match field.to.as_ref()?.bits.len {
                    0 => TokenStream::new(),
                    _ => quote!(ŋnew.as_mut_bytes()[#start..].fill(0);),
                });
            }
            Action::Zero => return self.zero(field),
            Action::BitField => return self.bit_field(field),
            Action::Copy => match self.same_type(field) {
                true => old(),
                // One structure by two typedefs.
                false => {
                    let (old, new) = (old(), new());
                    return Some(quote!(#new.as_mut_bytes().copy_from_slice(#old.as_bytes());));
                }
            },
            Action::Sum => {
                let (at, old) = (self.at(old_path, path, Sides::Both), old());
                match self.shape(Which::New, &field.to)? {
                    Shape::Array { count: 1, .. } => quote!([ŋcx.sum(#at, &#old)]),
                    Shape::Array { .. } => quote!(ŋcx.merge(#at, &#old)),
                    _ => quote!(ŋcx.sum(#at, &#old)),
                }
            }
            Action::Call {
                function,
                arguments,
                offsets,
                constants,
                ends: _,
            } => {
                let (function, overrides) = (format_ident!("{function}"), self.overrides);
                let sides = if field.from.is_some() {
                    Sides::Both
                } else {
                    Sides::New
                };
                let at = self.at(old_path, path, sides);
                let arguments = arguments.iter().map(argument);
                let offsets = self.offsets(offsets).into_iter();
                let constants = constants_of(constants).into_iter();
                quote!(#overrides::#function(
                    ŋcx, #at #(, #arguments)* #(, #offsets)* #(, #constants)*
                ))
            }
            Action::Set { value } => {
                if field.to.as_ref()?.bit_field {
                    let value = Literal::i64_unsuffixed(*value);
                    quote!(#value)
                } else {
                    scalar_value(self.scalar(Which::New, &field.to)?, *value)
                }
            }
            Action::OwnAddress { of } => {
                let at = self.at(of, of, Sides::New);
                quote!(ŋcx.own_address(#at))
            }
            Action::SetSymbol { symbol } => {
                let (at, symbol) = (self.at(path, path, Sides::New), symbol_tokens(symbol));
                quote!(ŋcx.at_symbol(#at, #symbol))
            }
            Action::ObjectAddress => quote!(ŋcx.own_address(&At::object())),
            Action::Link { head } | Action::EmptyLink { head, .. } => {
                let (at, old) = (self.at(old_path, path, Sides::Both), old());
                let old_head = if field.old_path.is_some() {
                    parent(old_path)
                } else {
                    head.clone()
                };
                let head = self.at(&old_head, head, Sides::Both);
                match &field.action {
                    Action::Link { .. } => quote!(ŋcx.link(#at, #head, #old)),
                    Action::EmptyLink { strict: true, .. } => {
                        quote!(ŋcx.empty_link_strict(#at, #head, #old))
                    }
                    _ => quote!(ŋcx.empty_link(#at, #head, #old)),
                }
            }
            Action::Flags(flags) => {
                let (at, old) = (self.at(old_path, path, Sides::Both), old());
                self.flags(flags, &at, &old)
            }
            action => {
                let (at, old) = (self.at(old_path, path, Sides::Both), old());
                scalar_rule(action, &quote!(ŋcx), &at, &old)?
            }
        };
        let new = new();
        Some(match &field.to {
            Some(to) if to.bit_field => set(path, &line)?,
            _ => quote!(#new = #line;),
        })
    }

    /// The flags of a field by name, and those of which functions of people say whether they are
    /// set.
    fn flags(&self, flags: &Flags, at: &TokenStream, old: &TokenStream) -> TokenStream {
        let table = flag_table(flags);
        if flags.called.is_empty() {
            return quote!(ŋcx.flags(#at, #old, &#table));
        }
        let overrides = self.overrides;
        let called = flags.called.iter().map(|called| {
            let function = format_ident!("{}", called.function);
            let (from, to) = (hex(called.from), hex(called.to));
            let arguments = called.arguments.iter().map(argument);
            let offsets = self.offsets(&called.offsets).into_iter();
            let constants = constants_of(&called.constants).into_iter();
            quote! {
                (
                    #from,
                    #to,
                    #overrides::#function(
                        ŋcx, #at, Flags::is_set(#old, #from)
                        #(, #arguments)* #(, #offsets)* #(, #constants)*
                    ),
                )
            }
        });
        quote! {{
            let called = [#(#called),*];
            ŋcx.flags_and(#at, #old, &#table, &called)
        }}
    }

    /// The offsets that a function of people is given, in one array; `None` if it is given none.
    fn offsets(&self, offsets: &[MemberOffset]) -> Option<TokenStream> {
        let all = offsets.iter().map(|offset| self.offset(offset));
        (!offsets.is_empty()).then(|| quote!([#(#all),*]))
    }

    /// Where a member of some type lies, in bytes.
    fn offset(&self, offset: &MemberOffset) -> TokenStream {
        let which = if offset.new { Which::New } else { Which::Old };
        let shape = self.structs.shape(which, offset.ty);
        let has = |name: &str| {
            let mut parts = shape.iter().flat_map(|shape| &shape.parts);
            parts.any(|part| matches!(part, Part::Member { name: own, .. } if own == name))
        };
        match offset.member.steps() {
            [Step::Member(name)] if has(name) => {
                let (ty, name) = (self.structs.rust_type(which, offset.ty), ident(name));
                quote!(core::mem::offset_of!(#ty, #name))
            }
            // Structures in Rust have no members of unions.
            _ => {
                let bytes = literal(offset.bytes);
                quote!(#bytes)
            }
        }
    }

    /// Whether a field has the same type in Rust before and after.
    fn same_type(&self, field: &FieldPlan) -> bool {
        let text = |which: Which, place: &Option<Place>| {
            let ty = place.as_ref()?.ty?;
            Some(self.structs.rust_type(which, ty).to_string())
        };
        text(Which::Old, &field.from) == text(Which::New, &field.to)
    }

    fn drop_line(&self, field: &FieldPlan, initial: i64, strict: bool) -> Option<TokenStream> {
        let path = &field.path;
        let from = field.from.as_ref()?;
        let old = access(&quote!(ŋold), path, &field.from);
        let initial = Literal::i64_unsuffixed(initial);
        if from.bit_field {
            let name = path.to_string();
            let (offset, len) = (literal(from.bits.offset), literal(from.bits.len));
            let bits = quote!(Bits { offset: #offset, len: #len });
            return Some(match strict {
                true => quote!(ŋcx.drop_bit_field(ŋat, #name, #bits, #old, #initial);),
                false => quote! {
                    if #old != #initial {
                        ŋcx.keep_bits(ŋat, #name, ŋold.as_bytes(), #bits);
                    }
                },
            });
        }
        let at = self.at(path, path, Sides::Old);
        let scalar = self.scalar(Which::Old, &field.from);
        Some(match (strict, scalar) {
            (true, Some(_)) => quote!(ŋcx.drop_strict(#at, #old, #initial);),
            (true, None) => quote!(ŋcx.drop_zero(#at, #old.as_bytes());),
            (false, Some(scalar)) => {
                let Action::Drop { initial, .. } = field.action else {
                    return None;
                };
                let initial = match (scalar.bytes, scalar.signed) {
                    // Without a type it would be four bytes, which are never those of the field.
                    (1, false) => {
                        let initial = Literal::u8_suffixed(initial as u8);
                        quote!(#initial)
                    }
                    (1, true) => {
                        let initial = Literal::i8_suffixed(initial as i8);
                        quote!((#initial))
                    }
                    _ => scalar_value(scalar, initial),
                };
                quote!(ŋcx.drop_kept(#at, #old.as_bytes(), #initial.as_bytes());)
            }
            (false, None) => {
                let len = literal(from.bits.len / 8);
                quote!(ŋcx.drop_kept(#at, #old.as_bytes(), &[0; #len]);)
            }
        })
    }

    fn bit_field(&self, field: &FieldPlan) -> Option<TokenStream> {
        let (from, to) = (field.from.as_ref()?, field.to.as_ref()?);
        let old_path = field.old_path.as_ref().unwrap_or(&field.path);
        let at = self.at(old_path, &field.path, Sides::Both);
        let old = access(&quote!(ŋold), old_path, &field.from);
        let value = if from.bit_field {
            old
        } else {
            match self.scalar(Which::Old, &field.from)?.bytes {
                1 => quote!(i128::from(#old)),
                _ => quote!(i128::from(#old.get())),
            }
        };
        if to.bit_field {
            let (width, signed) = (
                literal(to.bits.len),
                self.scalar(Which::New, &field.to)?.signed,
            );
            return set(
                &field.path,
                &quote!(ŋcx.bit_field(#at, #value, #width, #signed)),
            );
        }
        let new = place(&quote!(ŋnew), &field.path);
        Some(quote!(#new = ŋcx.integer(#at, #value);))
    }

    fn zero(&self, field: &FieldPlan) -> Option<TokenStream> {
        let new = place(&quote!(ŋnew), &field.path);
        Some(match self.scalar(Which::New, &field.to) {
            Some(scalar) => {
                let zero = scalar_value(scalar, 0);
                quote!(#new = #zero;)
            }
            None => quote!(#new.as_mut_bytes().fill(0);),
        })
    }

    /// Lines for two arrays.
    fn elements(
        &self,
        field: &FieldPlan,
        each: &Action,
        count: u64,
        new_count: u64,
        rest: i64,
    ) -> Option<TokenStream> {
        if (count, new_count) == (0, 0) {
            return Some(TokenStream::new());
        }
        let old_path = field.old_path.as_ref().unwrap_or(&field.path);
        let at = self.at(old_path, &field.path, Sides::Both);
        let old = place(&quote!(ŋold), old_path);
        let new = place(&quote!(ŋnew), &field.path);
        let common = literal(count.min(new_count));
        let carried = match each {
            Action::Copy if count < new_count => quote!(#new[..#common].copy_from_slice(&#old);),
            Action::Copy if count > new_count => quote!(#new.copy_from_slice(&#old[..#common]);),
            Action::Copy => quote!(#new = #old;),
            Action::Recurse { ty } => {
                let function = (self.functions)(ty)?;
                quote!(ŋcx.each(#at, &#old, &mut #new, #function);)
            }
            each => {
                let closure = self.element_closure(each)?;
                quote!(ŋcx.each(#at, &#old, &mut #new, #closure);)
            }
        };
        let left_over = if count > new_count {
            let initial = Literal::i64_unsuffixed(rest);
            quote!(ŋcx.cut(#at, &#old, #common, #initial);)
        } else if count < new_count {
            let Some(Shape::Array { element, .. }) = self.shape(Which::New, &field.to) else {
                return None;
            };
            match ctype::shape(self.structs.layout(Which::New), element) {
                Shape::Scalar(scalar) => {
                    let value = scalar_value(scalar, rest);
                    quote!(#new[#common..].fill(#value);)
                }
                _ => quote!(#new[#common..].as_mut_bytes().fill(0);),
            }
        } else {
            TokenStream::new()
        };
        Some(quote!(#carried #left_over))
    }

    /// What is done with one element of an array, as a closure.
    fn element_closure(&self, each: &Action) -> Option<TokenStream> {
        let body = match each {
            Action::Recurse { ty } => {
                let function = (self.functions)(ty)?;
                quote!(#function(cx, at, old, new))
            }
            Action::Elements { each, old, new, .. } if old == new => {
                let inner = match &**each {
                    Action::Recurse { ty } => (self.functions)(ty)?,
                    each => self.element_closure(each)?,
                };
                quote!(cx.each(at, old, new, #inner))
            }
            Action::Elements { .. } => return None,
            each => {
                let value = scalar_rule(each, &quote!(cx), &quote!(at), &quote!(*old))?;
                quote!(*new = #value)
            }
        };
        Some(quote!(|cx, at, old, new| #body))
    }

    fn shape(&self, which: Which, place: &Option<Place>) -> Option<Shape<'_>> {
        Some(ctype::shape(
            self.structs.layout(which),
            place.as_ref()?.ty?,
        ))
    }

    fn scalar(&self, which: Which, place: &Option<Place>) -> Option<Scalar> {
        match self.shape(which, place)? {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Where a field is, as the runtime is told.
    fn at(&self, old: &FieldPath, new: &FieldPath, sides: Sides) -> TokenStream {
        if new.is_empty() {
            return quote!(ŋat);
        }
        let names = (short_names(old), short_names(new));
        let bits = [(Which::Old, old), (Which::New, new)]
            .iter()
            .any(|(which, path)| {
                let absent = match which {
                    Which::Old => sides == Sides::New,
                    Which::New => sides == Sides::Old,
                };
                !absent && self.unit(*which, path).is_some()
            });
        if let ((Some(was), Some(is)), false) = (names, bits) {
            let (was, is): (Vec<_>, Vec<_>) = (
                was.into_iter().map(ident).collect(),
                is.into_iter().map(ident).collect(),
            );
            match (sides, was == is) {
                (Sides::Both, true) => return quote!(&ŋrt::at!(ŋat.#(#is).*)),
                (Sides::Old, _) => return quote!(&ŋrt::at!(ŋat.#(#was).*, old)),
                (Sides::New, _) => return quote!(&ŋrt::at!(ŋat.#(#is).*, new)),
                (Sides::Both, false) if was.len() == 1 && is.len() == 1 => {
                    return quote!(&ŋrt::at!(ŋat.#(#was)* => #(#is)*));
                }
                _ => {}
            }
        }
        if let Some(at) = self.at_element(old, new, sides) {
            return at;
        }
        let offset = |which: Which, path: &FieldPath| {
            let name = if which == Which::Old {
                quote!(Old)
            } else {
                quote!(New)
            };
            if let Some(offset) = self.offset_in_array(which, &name, path) {
                return offset;
            }
            let mut steps: Vec<_> = path.steps().iter().map(step).collect();
            if let Some(unit) = self.unit(which, path) {
                steps.pop();
                steps.push(unit);
            }
            quote!(core::mem::offset_of!(#name, #(#steps).*))
        };
        let text = match sides {
            Sides::Old => old.to_string(),
            _ => new.to_string(),
        };
        let old = if sides == Sides::New {
            quote!(0)
        } else {
            offset(Which::Old, old)
        };
        let new = if sides == Sides::Old {
            quote!(0)
        } else {
            offset(Which::New, new)
        };
        quote!(&ŋat.field(#text, #old, #new))
    }

    /// Where a place is that is in an element of an array, step by step. `None` if no element is on
    /// the way, or the way is another one on the two sides.
    fn at_element(&self, old: &FieldPath, new: &FieldPath, sides: Sides) -> Option<TokenStream> {
        let both = sides == Sides::Both;
        let path = if sides == Sides::Old { old } else { new };
        let has_element = path.steps().iter().any(|step| member(step).is_none());
        if !has_element || (both && old != new) {
            return None;
        }
        let ids = self.ty.ids?;
        let mut at = quote!(ŋat);
        let mut bases = (quote!(Old), quote!(New));
        let steps = path.steps();
        let mut start = 0;
        while start < steps.len() {
            let members = steps[start..].iter().map_while(member);
            let names: Vec<&str> = members.collect();
            if !names.is_empty() {
                let text = names.join(".");
                let inside: Vec<_> = names.iter().map(|name| ident(name)).collect();
                let offset = |absent: Sides, base: &TokenStream| match sides == absent {
                    true => quote!(0),
                    false => quote!(core::mem::offset_of!(#base, #(#inside).*)),
                };
                let (old, new) = (offset(Sides::New, &bases.0), offset(Sides::Old, &bases.1));
                at = quote!(#at.field(#text, #old, #new));
                start += names.len();
            }
            let Some(Step::Element(number)) = steps.get(start) else {
                continue;
            };
            start += 1;
            let so_far = FieldPath::from(steps[..start].to_vec());
            let element = |which: Which, root| {
                let found = self.structs.layout(which).lookup(root, &so_far)?;
                Some(self.structs.rust_type(which, found.ty))
            };
            let size = |absent: Sides, ty: &TokenStream| match sides == absent {
                true => quote!(0),
                false => quote!(size_of::<#ty>()),
            };
            if sides != Sides::New {
                bases.0 = element(Which::Old, ids.0)?;
            }
            if sides != Sides::Old {
                bases.1 = element(Which::New, ids.1)?;
            }
            let (old, new) = (size(Sides::New, &bases.0), size(Sides::Old, &bases.1));
            let number = literal(*number);
            at = quote!(#at.index(#number, #old, #new));
        }
        Some(quote!(&#at))
    }

    /// Where a place is that is in an element of an array: the sum of the offsets of members and
    /// elements on the way. `None` if no element is on the way.
    fn offset_in_array(
        &self,
        which: Which,
        name: &TokenStream,
        path: &FieldPath,
    ) -> Option<TokenStream> {
        let ids = self.ty.ids?;
        let root = if which == Which::Old { ids.0 } else { ids.1 };
        let layout = self.structs.layout(which);
        let mut terms = Vec::new();
        let (mut base, mut members) = (name.clone(), Vec::new());
        for (index, each) in path.steps().iter().enumerate() {
            let Step::Element(number) = each else {
                members.push(step(each));
                continue;
            };
            if !members.is_empty() {
                terms.push(quote!(core::mem::offset_of!(#base, #(#members).*)));
                members.clear();
            }
            let before = FieldPath::from(path.steps()[..=index].to_vec());
            let element = layout.lookup(root, &before)?.ty;
            base = self.structs.rust_type(which, element);
            match number {
                0 => {}
                1 => terms.push(quote!(core::mem::size_of::<#base>())),
                _ => {
                    let number = literal(*number);
                    terms.push(quote!(#number * core::mem::size_of::<#base>()));
                }
            }
        }
        if terms.is_empty() {
            return None;
        }
        if !members.is_empty() {
            terms.push(quote!(core::mem::offset_of!(#base, #(#members).*)));
        }
        Some(quote!(#(#terms)+*))
    }

    /// The storage unit of a bit-field of the type itself.
    fn unit(&self, which: Which, path: &FieldPath) -> Option<TokenStream> {
        let [Step::Member(name)] = path.steps() else {
            return None;
        };
        let ids = self.ty.ids?;
        let id = if which == Which::Old { ids.0 } else { ids.1 };
        let shape = self.structs.shape(which, id)?;
        shape.unit_of(name).map(|(unit, _)| {
            let unit = ident(unit);
            quote!(#unit)
        })
    }

    /// Type of a value of the function's type.
    pub(super) fn value_type(&self, which: Which) -> Option<TokenStream> {
        if let Some((old, new)) = self.ty.ids {
            let id = if which == Which::Old { old } else { new };
            return Some(self.structs.rust_type(which, id));
        }
        let field = self.ty.fields.first()?;
        let place = if which == Which::Old {
            &field.from
        } else {
            &field.to
        };
        let place = place.as_ref()?;
        if let Some(ty) = place.ty {
            return Some(self.structs.rust_type(which, ty));
        }
        let layout = self.structs.layout(which);
        ctype::element_scalar(layout, &place.declared).map(scalar_type)
    }
}

/// The rules for one scalar.
fn scalar_rule(
    action: &Action,
    cx: &TokenStream,
    at: &TokenStream,
    old: &TokenStream,
) -> Option<TokenStream> {
    Some(match action {
        Action::Copy => quote!(#old),
        Action::Widen => quote!(#cx.widen(#old)),
        Action::Narrow => quote!(#cx.narrow(#at, #old)),
        Action::Pointer { meaning } => {
            let method = format_ident!(
                "{}",
                match meaning {
                    Meaning::Follow => "follow",
                    Meaning::Within => "within",
                    Meaning::WithinRequired => "within_required",
                    Meaning::LinkRequired => "link_required",
                    Meaning::Stack => "stack",
                    Meaning::Symbol => "symbol",
                    Meaning::Resource => "resource",
                }
            );
            quote!(#cx.#method(#at, #old))
        }
        Action::Reset { initial, strict } => {
            let initial = Literal::i64_unsuffixed(*initial);
            match strict {
                true => quote!(#cx.reset_strict(#at, #old, #initial)),
                false => quote!(#cx.reset(#at, #old, #initial)),
            }
        }
        Action::ResetSymbol { symbol, strict } => {
            let symbol = symbol_tokens(symbol);
            match strict {
                true => quote!(#cx.reset_symbol_strict(#at, #old, #symbol)),
                false => quote!(#cx.reset_symbol(#at, #old, #symbol)),
            }
        }
        Action::Enumerator { table } => {
            let rows = table.iter().map(|(from, to)| {
                let (from, to) = (Literal::i64_unsuffixed(*from), Literal::i64_unsuffixed(*to));
                quote!((#from, #to))
            });
            quote!(#cx.enumerator(#at, #old, &[#(#rows),*]))
        }
        Action::Scale { multiply, divide } => {
            let (multiply, divide) = (
                Literal::i64_unsuffixed(*multiply),
                Literal::i64_unsuffixed(*divide),
            );
            quote!(#cx.scale(#at, #old, #multiply, #divide))
        }
        Action::Offset {
            multiply,
            divide,
            add,
        } => {
            let numbers = [multiply, divide, add].map(|number| Literal::i64_unsuffixed(*number));
            let [multiply, divide, add] = numbers;
            quote!(#cx.offset(#at, #old, (#multiply, #divide), #add))
        }
        _ => return None,
    })
}

/// What a function of people is given: an old field, or whether a flag of one is set.
fn argument(argument: &Argument) -> TokenStream {
    let field = place(&quote!(ŋold), &argument.field);
    match argument.flag {
        None => quote!(&#field),
        Some(mask) => {
            let mask = hex(mask);
            quote!(Flags::is_set(#field, #mask))
        }
    }
}

/// The constants that a function of people is given, in one array; `None` if it is given none.
fn constants_of(constants: &[u64]) -> Option<TokenStream> {
    let all = constants
        .iter()
        .map(|value| Literal::u64_unsuffixed(*value));
    (!constants.is_empty()).then(|| quote!([#(#all),*]))
}

/// Number of fields of the runtime's `Flags`.
const FLAG_FIELDS: usize = 6;

/// The value of the runtime's `Flags`. What is empty is left out.
fn flag_table(flags: &Flags) -> TokenStream {
    let mut fields = Vec::new();
    for (name, mask) in [
        ("same", flags.same),
        ("dropped", flags.dropped),
        ("elsewhere", flags.elsewhere),
    ] {
        if mask != 0 {
            let (name, mask) = (format_ident!("{name}"), hex(mask));
            fields.push(quote!(#name: #mask));
        }
    }
    let pairs = |pairs: &[(u64, u64)]| {
        let rows = pairs.iter().map(|(from, to)| {
            let (from, to) = (hex(*from), hex(*to));
            quote!((#from, #to))
        });
        quote!(&[#(#rows),*])
    };
    for (name, table) in [("moved", &flags.moved), ("together", &flags.together)] {
        if !table.is_empty() {
            let (name, table) = (format_ident!("{name}"), pairs(table));
            fields.push(quote!(#name: #table));
        }
    }
    if !flags.refused.is_empty() {
        let rows = flags.refused.iter().map(|(name, mask)| {
            let mask = hex(*mask);
            quote!((#name, #mask))
        });
        fields.push(quote!(refused: &[#(#rows),*]));
    }
    // Where all are there nothing is left to be as in `NONE`.
    let rest = (fields.len() < FLAG_FIELDS).then(|| quote!(..Flags::NONE));
    quote!(Flags { #(#fields,)* #rest })
}

/// A mask, as people read it.
fn hex(mask: u64) -> TokenStream {
    // A hexadecimal number is always a literal.
    format!("{mask:#x}").parse().unwrap_or_default()
}

/// A symbol, as the runtime is told.
fn symbol_tokens(symbol: &SymbolPlace) -> TokenStream {
    let (name, offset) = (&symbol.name, Literal::u64_unsuffixed(symbol.offset));
    quote!((#name, #offset))
}

/// A value that is read: a field, or a bit-field through its getter.
fn access(base: &TokenStream, path: &FieldPath, at: &Option<Place>) -> TokenStream {
    let value = place(base, path);
    match at {
        Some(place) if place.bit_field => quote!(#value()),
        _ => value,
    }
}

/// A place in a value.
pub(super) fn place(base: &TokenStream, path: &FieldPath) -> TokenStream {
    if path.is_empty() {
        return quote!(*#base);
    }
    let mut tokens = base.clone();
    for each in path.steps() {
        match each {
            Step::Member(name) => {
                let name = ident(name);
                tokens = quote!(#tokens.#name);
            }
            Step::Element(index) => {
                let index = literal(*index);
                tokens = quote!(#tokens[#index]);
            }
        }
    }
    tokens
}

/// A call of a bit-field's setter.
fn set(path: &FieldPath, value: &TokenStream) -> Option<TokenStream> {
    let Some(Step::Member(name)) = path.steps().last() else {
        return None;
    };
    let owner = parent(path);
    let owner = if owner.is_empty() {
        quote!(ŋnew)
    } else {
        place(&quote!(ŋnew), &owner)
    };
    let setter = format_ident!("set_{name}");
    Some(quote!(#owner.#setter(#value);))
}

/// The path without its last step.
fn parent(path: &FieldPath) -> FieldPath {
    let steps = path.steps();
    FieldPath::from(steps[..steps.len().saturating_sub(1)].to_vec())
}

fn member(step: &Step) -> Option<&str> {
    match step {
        Step::Member(name) => Some(name),
        Step::Element(_) => None,
    }
}

fn step(step: &Step) -> TokenStream {
    match step {
        Step::Member(name) => {
            let name = ident(name);
            quote!(#name)
        }
        Step::Element(index) => {
            let index = literal(*index);
            quote!(#index)
        }
    }
}

/// The members of a path, if `at!` can name them: no elements, and no keywords, whose names it
/// would get wrong.
fn short_names(path: &FieldPath) -> Option<Vec<&str>> {
    let mut names = path.steps().iter().map(member);
    names.try_fold(Vec::new(), |mut names, name| {
        names.push(name.filter(|name| ident(name) == name)?);
        Some(names)
    })
}
