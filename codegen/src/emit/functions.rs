//! One function per type, one line per field.

use super::EmitError;
use super::lines::{Lines, place};
use super::structs::{Definition, Part, Structs, Which, ident, literal, sanitized};
use super::text::{Comments, short};
use crate::ctype::{self, Shape};
use crate::plan::{Action, Bits, FieldPlan, Plan, TypePlan};
use kconv_runtime::table::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Step};
use proc_macro2::{TokenStream, TokenTree};
use quote::{format_ident, quote};
use std::collections::BTreeSet;

/// The functions of all types, by name.
pub(super) fn functions(
    plan: &Plan,
    structs: &Structs<'_>,
    comments: &mut Comments,
) -> Result<TokenStream, EmitError> {
    let functions = plan
        .types
        .values()
        .map(|ty| function(ty, structs, comments))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(quote!(#(#functions)*))
}

fn function(
    ty: &TypePlan,
    structs: &Structs<'_>,
    comments: &mut Comments,
) -> Result<TokenStream, EmitError> {
    let mut lines = Lines {
        structs,
        ty,
        uses_old: false,
        uses_new: false,
    };
    let mut body = TokenStream::new();
    let mut units = BTreeSet::new();
    let (mut said, mut given) = ("", "");
    for field in ty.fields.iter().chain(&ty.drops) {
        let no_form = || EmitError::NoForm {
            ty: ty.name.clone(),
            field: field.path.to_string(),
            rule: field.rule.name(),
        };
        if field.rule == RuleKind::Padding {
            body.extend(padding(ty, structs, field).ok_or_else(no_form)?);
            continue;
        }
        let line = lines.line(field).ok_or_else(no_form)?;
        if let Action::Tail { ty, count, add, .. } = &field.action {
            let count = match add {
                0 => count.to_string(),
                add => format!("{count} + {add}"),
            };
            let text = format!(
                "{}: {count} elements at the end, each by `{ty}`",
                field.path
            );
            body.extend(comments.statement(&text));
        }
        if line.is_empty() {
            continue;
        }
        let strict = lines.says_reason(field);
        let comment = match field.source {
            // The line itself says why.
            _ if strict => "",
            Source::Automatic => "",
            Source::StateMap => short(&field.reason),
            Source::Override => &field.reason,
        };
        if comment != said {
            body.extend(comments.statement(comment));
        }
        said = comment;
        if strict && given != field.reason {
            given = &field.reason;
            body.extend(quote!(let reason = #given;));
        }
        body.extend(clear_unit(ty, structs, field, &mut units));
        body.extend(line);
    }

    let no_structure = || EmitError::NoStructure {
        ty: ty.name.clone(),
    };
    let old_type = lines.value_type(Which::Old).ok_or_else(no_structure)?;
    let new_type = lines.value_type(Which::New).ok_or_else(no_structure)?;
    let use_old = lines.uses_old.then(|| quote!(use #old_type as Old;));
    let use_new = lines.uses_new.then(|| quote!(use #new_type as New;));
    let parameter = |name: &str| {
        if uses(&body, name) {
            format_ident!("{name}")
        } else {
            format_ident!("_{name}")
        }
    };
    let [cx, at, old, new] = ["cx", "at", "old", "new"].map(parameter);
    let name = ident(&sanitized(&ty.name));
    let doc = match ty.from_size == ty.to_size {
        true => format!(" `{}`, {} bytes.", ty.name, ty.to_size),
        false => format!(
            " `{}`, {} bytes, now {}.",
            ty.name, ty.from_size, ty.to_size
        ),
    };
    Ok(quote! {
        #[doc = #doc]
        pub fn #name(#cx: &mut Context<'_>, #at: &At<'_>, #old: &#old_type, #new: &mut #new_type) {
            #use_old
            #use_new
            #body
        }
    })
}

/// Whether the body of a function uses its parameter `name`.
///
/// `old` and `new` are also words of `at!`, and `new` the name of constructors: as parameters they
/// are followed by a member or dereferenced.
fn uses(code: &TokenStream, name: &str) -> bool {
    let value = name == "old" || name == "new";
    let mut before = ' ';
    let mut tokens = code.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match &token {
            // After a dot it is a member of that name, such as `cx` of the registers.
            TokenTree::Ident(ident) if ident == name && before != '.' => {
                let member =
                    matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '.');
                if !value || member || before == '*' {
                    return true;
                }
            }
            TokenTree::Group(group) if uses(&group.stream(), name) => return true,
            _ => {}
        }
        before = match &token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
    }
    false
}

/// Before the first bit-field of a storage unit is written, the unit is cleared.
fn clear_unit(
    ty: &TypePlan,
    structs: &Structs<'_>,
    field: &FieldPlan,
    units: &mut BTreeSet<String>,
) -> TokenStream {
    let (Some(to), Some(ids)) = (&field.to, ty.ids) else {
        return TokenStream::new();
    };
    if !to.bit_field {
        return TokenStream::new();
    }
    let mut id = ids.1;
    let steps = field.path.steps();
    let (last, owner) = match steps.split_last() {
        Some((Step::Member(last), owner)) => (last, owner),
        _ => return TokenStream::new(),
    };
    let layout = structs.layout(Which::New);
    for step in owner {
        let path = FieldPath::from(vec![step.clone()]);
        match layout.resolve(id, &path) {
            Ok(resolved) => id = resolved.ty,
            Err(_) => return TokenStream::new(),
        }
    }
    let unit = structs.definition(Which::New, id).and_then(|definition| {
        let len = definition.parts.iter().find_map(|part| match part {
            Part::Unit { len, fields, .. } if fields.iter().any(|f| f.name == *last) => Some(*len),
            _ => None,
        })?;
        Some((definition.unit_of(last)?.to_owned(), len))
    });
    let Some((unit, len)) = unit else {
        return TokenStream::new();
    };
    let path = FieldPath::from(owner.to_vec()).member(&unit);
    if !units.insert(path.to_string()) {
        return TokenStream::new();
    }
    let unit = place(&quote!(new), &path);
    let len = literal(len);
    quote!(#unit = [0; #len];)
}

/// Lines that clear the padding of a run of target bits; `None` if bits of the run are neither
/// padding fields nor in a storage unit.
fn padding(ty: &TypePlan, structs: &Structs<'_>, field: &FieldPlan) -> Option<TokenStream> {
    let run = field.to.as_ref()?.bits;
    let definition = structs.definition(Which::New, ty.ids?.1)?;
    let mut spare = Spare {
        structs,
        run,
        cleared: 0,
        lines: TokenStream::new(),
    };
    spare.visit(definition, 0, &FieldPath::default());
    (spare.cleared == run.len).then_some(spare.lines)
}

struct Spare<'a> {
    structs: &'a Structs<'a>,
    run: Bits,
    /// Bits of the run that are accounted for.
    cleared: u64,
    lines: TokenStream,
}

impl Spare<'_> {
    fn visit(&mut self, definition: &Definition, base: u64, path: &FieldPath) {
        for part in &definition.parts {
            match part {
                Part::Padding { name, offset, len } => {
                    let common = self.common((base + offset) * 8, len * 8);
                    self.cleared += common;
                    if common > 0 {
                        let name = place(&quote!(new), &path.member(name));
                        let len = literal(*len);
                        self.lines.extend(quote!(#name = [0; #len];));
                    }
                }
                // A unit is cleared before its first bit-field is written.
                Part::Unit {
                    offset,
                    len,
                    fields,
                    ..
                } => {
                    let held: u64 = fields
                        .iter()
                        .map(|field| self.common(base * 8 + field.offset, field.len))
                        .sum();
                    self.cleared += self.common((base + offset) * 8, len * 8) - held;
                }
                Part::Member { name, offset, ty } => {
                    let layout = self.structs.layout(definition.of);
                    let size = ctype::size_bits(layout, *ty);
                    let inside = self.common((base + offset) * 8, size) > 0;
                    if let (true, Shape::Struct(id, _)) = (inside, ctype::shape(layout, *ty))
                        && let Some(inner) = self.structs.definition(definition.of, id)
                    {
                        self.visit(inner, base + offset, &path.member(name));
                    }
                }
            }
        }
    }

    /// Bits that a range has in common with the run.
    fn common(&self, offset: u64, len: u64) -> u64 {
        let end = self.run.end().min(offset + len);
        end.saturating_sub(self.run.offset.max(offset))
    }
}

impl Definition {
    /// The storage unit of the bit-field `name`.
    pub(super) fn unit_of(&self, name: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Unit {
                name: unit, fields, ..
            } => fields
                .iter()
                .any(|field| field.name == name)
                .then_some(unit.as_str()),
            _ => None,
        })
    }
}
