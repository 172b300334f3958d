//! The lines of one function, with the rule that each carries out.

use super::EmitError;
use super::entry::Entry;
use super::lines::{Lines, place};
use super::names::literal;
use super::reasons::Reasons;
use super::tables;
use super::text::short;
use super::views::{Part, Shape, Structs, Which};
use crate::ctype;
use crate::plan::{Action, Bits, FieldPlan, TypePlan};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Step};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeSet;

/// A function, not yet written down.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) old_type: TokenStream,
    pub(super) new_type: TokenStream,
    pub(super) entries: Vec<Entry>,
}

/// The function for values of `ty`. `functions` has the paths of those for other types of the plan,
/// `overrides` that of the functions that people wrote, `reasons` the names of what they said.
pub(super) fn function(
    ty: &TypePlan,
    structs: &Structs<'_>,
    functions: &dyn Fn(&str) -> Option<TokenStream>,
    overrides: &TokenStream,
    reasons: &Reasons,
) -> Result<Function, EmitError> {
    let lines = Lines {
        structs,
        ty,
        functions,
        overrides,
    };
    let mut entries = Vec::new();
    let mut units = BTreeSet::new();
    for field in ty.fields.iter().chain(&ty.drops) {
        let no_form = || EmitError::NoForm {
            ty: ty.name.clone(),
            field: field.path.to_string(),
            rule: field.rule.name(),
        };
        let (code, comment) = match (&field.rule, &field.action) {
            (RuleKind::Padding, _) => (
                padding(ty, structs, field).ok_or_else(no_form)?,
                String::new(),
            ),
            (_, Action::Tail { ty, count, add, .. }) => {
                let count = match add {
                    0 => count.to_string(),
                    add => format!("{count} + {add}"),
                };
                let text = format!(
                    "{}: {count} elements at the end, each by `{ty}`",
                    field.path
                );
                (lines.line(field).ok_or_else(no_form)?, text)
            }
            _ => {
                let comment = match field.source {
                    Source::Automatic => String::new(),
                    Source::StateMap => short(&field.reason.to_string()).to_owned(),
                    Source::Override => field.reason.to_string(),
                };
                (lines.line(field).ok_or_else(no_form)?, comment)
            }
        };
        if let Some((unit, clear)) = clear_unit(ty, structs, field, &mut units) {
            entries.push(Entry::new(true, unit, String::new(), clear, String::new()));
        }
        let rule = tables::rule(ty, field, reasons)?;
        let name = field.path.to_string();
        entries.push(Entry {
            is_tail: matches!(field.action, Action::Tail { .. }),
            ..Entry::new(false, name, comment, code, rule)
        });
    }
    let no_structure = || EmitError::NoStructure {
        ty: ty.name.clone(),
    };
    Ok(Function {
        old_type: lines.value_type(Which::Old).ok_or_else(no_structure)?,
        new_type: lines.value_type(Which::New).ok_or_else(no_structure)?,
        entries,
    })
}

/// Before the first bit-field of a storage unit is written, the unit is cleared.
fn clear_unit(
    ty: &TypePlan,
    structs: &Structs<'_>,
    field: &FieldPlan,
    units: &mut BTreeSet<String>,
) -> Option<(String, TokenStream)> {
    let (to, ids) = (field.to.as_ref()?, ty.ids?);
    if !to.bit_field {
        return None;
    }
    let mut id = ids.1;
    let steps = field.path.steps();
    let (last, owner) = match steps.split_last() {
        Some((Step::Member(last), owner)) => (last, owner),
        _ => return None,
    };
    let layout = structs.layout(Which::New);
    for step in owner {
        let path = FieldPath::from(vec![step.clone()]);
        id = layout.lookup(id, &path)?.ty;
    }
    let (unit, len) = structs.shape(Which::New, id)?.unit_of(last)?;
    let path = FieldPath::from(owner.to_vec()).member(unit);
    if !units.insert(path.to_string()) {
        return None;
    }
    let unit = place(&quote!(ŋnew), &path);
    let len = literal(len);
    Some((path.to_string(), quote!(#unit = [0; #len];)))
}

/// Lines that clear the padding of a run of target bits; `None` if bits of the run are neither
/// padding fields nor in a storage unit.
fn padding(ty: &TypePlan, structs: &Structs<'_>, field: &FieldPlan) -> Option<TokenStream> {
    let run = field.to.as_ref()?.bits;
    let shape = structs.shape(Which::New, ty.ids?.1)?;
    let mut spare = Spare {
        structs,
        run,
        cleared: 0,
        lines: TokenStream::new(),
    };
    spare.visit(shape, 0, &FieldPath::default());
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
    fn visit(&mut self, shape: &Shape, base: u64, path: &FieldPath) {
        for part in &shape.parts {
            match part {
                Part::Padding { name, offset, len } => {
                    let common = self.common((base + offset) * 8, len * 8);
                    self.cleared += common;
                    if common > 0 {
                        let name = place(&quote!(ŋnew), &path.member(name));
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
                    let layout = self.structs.views.layout(shape.layout);
                    let size = ctype::size_bits(layout, *ty);
                    let inside = self.common((base + offset) * 8, size) > 0;
                    if let (true, ctype::Shape::Struct(id, _)) = (inside, ctype::shape(layout, *ty))
                        && let Some(inner) = self.structs.views.shape(shape.layout, id)
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
