//! A plan as data: what a generated page does, for an interpreter.
//!
//! Both are made from the same plan, rule by rule. What is written here is what the lines of
//! [`super::lines`] do, with numbers in the place of names of Rust; a test holds the two against each
//! other for every pair of layouts that there is a page for.

use super::tables::{nested, padding_inside, small};
use super::views::{Which, unit_start};
use super::{EmitError, TOOL};
use crate::coverage;
use crate::ctype::{self, Scalar, Shape};
use crate::plan::{
    Action, Argument, Bits, FieldPlan, Flags, Meaning, MemberOffset, Place, Plan, TypePlan,
};
use kconv_plans::FORMAT_VERSION;
use kconv_plans::model::{self as data, Act, By, Each, Kind, Line, Number, Rest, Run};
use kconv_rules::{RuleKind, Source};
use kernel_structs::layout::{FieldPath, Layout, Step, TypeId};
use kernel_structs::state::SymbolPlace;
use std::collections::BTreeMap;

/// The plan as data. `layouts` are those that it reads and writes, with each union as its arm in
/// use.
///
/// # Errors
/// If the plan is not total, or has a rule that is no data.
pub fn data(plan: &Plan, layouts: [&Layout; 2]) -> Result<data::Plan, EmitError> {
    let findings = coverage::check(plan, layouts[0], layouts[1]);
    if !findings.is_empty() {
        return Err(EmitError::NotTotal(findings));
    }
    let names = inner_first(plan);
    let mut all = Data {
        plan,
        layouts,
        numbers: names.iter().copied().zip(0..).collect(),
        reasons: Vec::new(),
        by_text: BTreeMap::new(),
    };
    let types = names.iter().map(|name| all.ty(&plan.types[*name]));
    let types = types.collect::<Result<Vec<_>, _>>()?;
    let task = match &plan.task {
        None => None,
        Some(task) => {
            let number = |value: u64| {
                u32::try_from(value).map_err(|_| EmitError::TooLarge {
                    ty: task.ty.clone(),
                    value,
                })
            };
            Some(data::TaskLabel {
                ty: task.ty.clone(),
                pid: number(task.pid)?,
                comm: number(task.comm)?,
                comm_len: number(task.comm_len)?,
            })
        }
    };
    let node = |node: &crate::plan::Node| data::Node {
        release: node.release.clone(),
        layout: node.layout.clone(),
        fingerprint: node.fingerprint.to_string(),
    };
    Ok(data::Plan {
        kconv_plan: FORMAT_VERSION,
        tool: TOOL.to_owned(),
        converter: plan.converter.clone(),
        family: plan.family.clone(),
        machine: plan.machine.clone(),
        from: node(&plan.from),
        to: node(&plan.to),
        task,
        reasons: all.reasons,
        types,
    })
}

/// Names of the types of a plan: those that are nested in another, that are elements at its end, and that
/// come out of it or go into it, before it.
fn inner_first(plan: &Plan) -> Vec<&str> {
    fn inner(action: &Action) -> Option<&str> {
        match action {
            Action::Recurse { ty }
            | Action::Tail { ty, .. }
            | Action::Make { ty }
            | Action::Fold { ty, .. } => Some(ty),
            Action::Elements { each, .. } => inner(each),
            _ => None,
        }
    }
    fn visit<'a>(plan: &'a Plan, name: &'a str, order: &mut Vec<&'a str>) {
        let Some(ty) = plan.types.get(name).filter(|_| !order.contains(&name)) else {
            return;
        };
        let fields = ty.fields.iter().chain(&ty.drops);
        let fields = fields.filter_map(|field| inner(&field.action));
        for name in fields.chain(ty.part_behind.as_ref().map(|part| part.ty.as_str())) {
            visit(plan, name, order);
        }
        order.push(&ty.name);
    }
    let mut order = Vec::new();
    for name in plan.types.keys() {
        visit(plan, name, &mut order);
    }
    order
}

/// The plan on its way to data.
struct Data<'a> {
    plan: &'a Plan,
    layouts: [&'a Layout; 2],
    /// Types by name.
    numbers: BTreeMap<&'a str, u32>,
    reasons: Vec<String>,
    by_text: BTreeMap<String, u32>,
}

impl Data<'_> {
    fn ty(&mut self, ty: &TypePlan) -> Result<data::Type, EmitError> {
        let mut fields = Vec::new();
        for field in ty.fields.iter().chain(&ty.drops) {
            fields.push(self.field(ty, field)?);
        }
        let number = |value: u64| small(ty, value);
        let optional = |value: Option<u64>| value.map(number).transpose();
        let mut spans = Vec::new();
        for span in &ty.spans {
            spans.push((number(span.from)?, number(span.to)?, number(span.len)?));
        }
        let padding = padding_inside(self.plan, ty).into_iter();
        let padding = padding.map(|run| bits(ty, run));
        let mut parts = Vec::new();
        for field in &ty.fields {
            parts.extend(part(ty, field)?);
        }
        if let Some(behind) = &ty.part_behind {
            parts.push(data::Part {
                field: behind.path.to_string(),
                ty: behind.ty.clone(),
                from: number(behind.from)?,
                to: number(behind.to)?,
                made: behind.made,
                behind: Some(bits(ty, behind.when)?),
                alone: false,
            });
        }
        let mut tail = None;
        for field in &ty.fields {
            tail = tail.or(self::tail(ty, field)?);
        }
        Ok(data::Type {
            name: ty.name.clone(),
            from_size: number(ty.from_size)?,
            to_size: number(ty.to_size)?,
            object: ty.object,
            extent: optional(ty.extent)?,
            anchor_end: optional(ty.anchor_end)?,
            behind: ty.behind.clone(),
            tail,
            open: ty.open,
            parts,
            spans,
            padding: padding.collect::<Result<_, _>>()?,
            fields,
        })
    }

    fn field(&mut self, ty: &TypePlan, field: &FieldPlan) -> Result<data::Field, EmitError> {
        let of = Of {
            all: self,
            ty,
            field,
        };
        let lines = match field.rule {
            RuleKind::Padding => of.zero()?,
            _ => of.lines()?,
        };
        let (inside, times) = nested(&field.action);
        let kind = match field.rule {
            RuleKind::Move => RuleKind::Carry,
            kind => kind,
        };
        let is_said = field.source != Source::Automatic && !field.reason.is_empty();
        let reason = is_said.then(|| self.reason(field.reason.to_string()));
        Ok(data::Field {
            path: field.path.to_string(),
            was: field.old_path.as_ref().map(ToString::to_string),
            rule: kind,
            inside: inside.map(str::to_owned),
            times: small(ty, times)?,
            by: field.source,
            reason,
            evidence: field.evidence.clone(),
            lines,
        })
    }

    /// The number of a reason.
    fn reason(&mut self, text: String) -> u32 {
        let next = self.reasons.len() as u32;
        let reasons = &mut self.reasons;
        *self.by_text.entry(text).or_insert_with_key(|text| {
            reasons.push(text.clone());
            next
        })
    }
}

fn bits(ty: &TypePlan, bits: Bits) -> Result<data::Bits, EmitError> {
    Ok(data::Bits(small(ty, bits.offset)?, small(ty, bits.len)?))
}

/// The flexible array that objects end in, if the field is it.
fn tail(ty: &TypePlan, field: &FieldPlan) -> Result<Option<data::Tail>, EmitError> {
    let Action::Tail {
        ty: element,
        count,
        add,
        at,
    } = &field.action
    else {
        return Ok(None);
    };
    let counting = ty.fields.iter().find(|field| field.path == *count);
    let Some(place) = counting.and_then(|field| field.from.as_ref()) else {
        return Ok(None);
    };
    Ok(Some(data::Tail {
        field: field.path.to_string(),
        element: element.clone(),
        from: small(ty, at.0)?,
        to: small(ty, at.1)?,
        count: bits(ty, place.bits)?,
        add: small(ty, *add)?,
    }))
}

/// The structure that is an object under the other layout, if the field is one.
fn part(ty: &TypePlan, field: &FieldPlan) -> Result<Option<data::Part>, EmitError> {
    let (made, of, alone) = match &field.action {
        Action::Make { ty } => (true, ty, false),
        Action::Fold { ty, alone } => (false, ty, *alone),
        _ => return Ok(None),
    };
    let (Some(from), Some(to)) = (&field.from, &field.to) else {
        return Ok(None);
    };
    Ok(Some(data::Part {
        field: field.path.to_string(),
        ty: of.clone(),
        from: small(ty, from.bits.offset / 8)?,
        to: small(ty, to.bits.offset / 8)?,
        made,
        behind: None,
        alone,
    }))
}

/// One field on its way to data.
struct Of<'a> {
    all: &'a Data<'a>,
    ty: &'a TypePlan,
    field: &'a FieldPlan,
}

/// What a path leads to: its first bit and its type, and whether it is a bit-field.
#[derive(Copy, Clone)]
struct Found {
    offset: u64,
    len: u64,
    ty: Option<TypeId>,
}

/// The layouts that a place is looked up in.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Sides {
    Both,
    Old,
    New,
}

impl Of<'_> {
    fn no_data(&self, why: &'static str) -> EmitError {
        EmitError::NoData {
            ty: self.ty.name.clone(),
            field: self.field.path.to_string(),
            rule: self.field.rule.name(),
            why,
        }
    }

    fn small(&self, value: u64) -> Result<u32, EmitError> {
        small(self.ty, value)
    }

    fn layout(&self, which: Which) -> &Layout {
        self.all.layouts[which as usize]
    }

    fn old_path(&self) -> &FieldPath {
        self.field.old_path.as_ref().unwrap_or(&self.field.path)
    }

    /// Where the field was.
    fn from(&self) -> Result<&Place, EmitError> {
        let place = self.field.from.as_ref();
        place.ok_or_else(|| self.no_data("it has no place under the layout read"))
    }

    /// Where it is.
    fn to(&self) -> Result<&Place, EmitError> {
        let place = self.field.to.as_ref();
        place.ok_or_else(|| self.no_data("it has no place under the layout written"))
    }

    /// The lines for the field.
    fn lines(&self) -> Result<Vec<Line>, EmitError> {
        let path = &self.field.path;
        let both = || self.at(self.old_path(), path, Sides::Both);
        let (at, act) = match &self.field.action {
            Action::Used { .. } => return Ok(Vec::new()),
            Action::Make { .. } if self.field.to.is_none() => return Ok(Vec::new()),
            Action::Fold { .. } if self.field.from.is_none() => return self.zero(),
            Action::Zero | Action::Tail { .. } => return self.zero(),
            Action::Drop { initial, strict } => return self.drop(*initial, *strict),
            Action::DropLink { head, strict } => {
                let act = Act::DropLink {
                    old: self.number(Which::Old)?,
                    head: self.head(head, head, Sides::Old)?,
                    strict: *strict,
                };
                (self.at(path, path, Sides::Old)?, act)
            }
            Action::DropSymbol { symbol, strict } => {
                let act = Act::DropSymbol {
                    old: self.number(Which::Old)?,
                    symbol: symbol.as_ref().map(symbol_of),
                    strict: *strict,
                };
                (self.at(path, path, Sides::Old)?, act)
            }
            Action::DropContainer => {
                let old = self.number(Which::Old)?;
                let act = Act::DropContainer { old };
                (self.at(path, path, Sides::Old)?, act)
            }
            Action::Recurse { ty } => {
                let act = Act::Inside {
                    ty: self.type_number(ty)?,
                    old: self.small(self.from()?.bits.offset / 8)?,
                    new: self.small(self.to()?.bits.offset / 8)?,
                };
                (both()?, act)
            }
            Action::Elements {
                each,
                old,
                new,
                rest,
            } => match (old, new) {
                (0, 0) => return Ok(Vec::new()),
                _ => (both()?, self.elements(each, *old, *new, *rest)?),
            },
            Action::Make { .. } => {
                let from = self.from()?.bits;
                let act = Act::Make {
                    old: (self.small(from.offset / 8)?, self.small(from.len / 8)?),
                    new: self.number(Which::New)?,
                };
                (both()?, act)
            }
            Action::Fold { .. } => {
                let to = self.to()?.bits;
                let act = Act::Fold {
                    old: self.number(Which::Old)?,
                    new: (self.small(to.offset / 8)?, self.small(to.len / 8)?),
                };
                (both()?, act)
            }
            Action::ContainerAddress => {
                let new = self.number(Which::New)?;
                let act = Act::Container { new };
                (self.at(path, path, Sides::New)?, act)
            }
            Action::BitField => {
                let (old, new) = (self.run(Which::Old)?, self.run(Which::New)?);
                (both()?, Act::Bits { old, new })
            }
            // Of one width and sign, so that no value is refused.
            Action::Copy if self.from()?.bit_field && self.to()?.bit_field => {
                let (old, new) = (self.run(Which::Old)?, self.run(Which::New)?);
                let is_same = match (old, new) {
                    (Run::Unsigned(old), Run::Unsigned(new)) => old.1 == new.1,
                    (Run::Signed(old), Run::Signed(new)) => old.1 == new.1,
                    _ => false,
                };
                if !is_same {
                    return Err(self.no_data("it is copied, and has another width or sign"));
                }
                (both()?, Act::Bits { old, new })
            }
            Action::Copy => {
                let (from, to) = (self.from()?, self.to()?);
                if from.bit_field || to.bit_field || from.bits.len != to.bits.len {
                    return Err(self.no_data("it is copied, and has another width"));
                }
                if to.bits.len == 0 {
                    return Ok(Vec::new());
                }
                let act = Act::Copy(
                    self.small(from.bits.offset / 8)?,
                    self.small(to.bits.offset / 8)?,
                    self.small(to.bits.len / 8)?,
                );
                (None, act)
            }
            Action::Sum => {
                let (old, new) = (self.numbers(Which::Old)?, self.numbers(Which::New)?);
                (both()?, Act::Sum { old, new })
            }
            Action::Call {
                function,
                arguments,
                offsets,
                constants,
                ends: _,
            } => {
                let to = self.to()?;
                if to.bit_field {
                    return Err(self.no_data("a function of people gives a bit-field"));
                }
                let elements = path.steps().iter().chain(self.old_path().steps());
                if elements
                    .clone()
                    .any(|step| matches!(step, Step::Element(_)))
                {
                    return Err(self.no_data("a function of people gives an element of an array"));
                }
                let act = Act::Call {
                    call: self.call(function, arguments, offsets, constants)?,
                    new: (
                        self.small(to.bits.offset / 8)?,
                        self.small(to.bits.len / 8)?,
                    ),
                };
                let sides = match self.field.from {
                    Some(_) => Sides::Both,
                    None => Sides::New,
                };
                (self.at(self.old_path(), path, sides)?, act)
            }
            Action::Set { value } => {
                let to = self.to()?;
                let act = match to.bit_field {
                    true => Act::SetBits {
                        new: bits(self.ty, to.bits)?,
                        value: *value,
                    },
                    false => Act::Set {
                        new: self.number(Which::New)?,
                        value: *value,
                    },
                };
                (None, act)
            }
            Action::OwnAddress { of } => {
                let new = self.number(Which::New)?;
                (self.at(of, of, Sides::New)?, Act::OwnAddress { new })
            }
            Action::ObjectAddress => {
                let new = self.number(Which::New)?;
                (None, Act::ObjectAddress { new })
            }
            Action::SetSymbol { symbol } => {
                let act = Act::SetSymbol {
                    new: self.number(Which::New)?,
                    symbol: symbol_of(symbol),
                };
                (self.at(path, path, Sides::New)?, act)
            }
            Action::Link { head } | Action::EmptyLink { head, .. } => {
                let old_head = match self.field.old_path {
                    Some(_) => parent(self.old_path()),
                    None => head.clone(),
                };
                let head = self.head(&old_head, head, Sides::Both)?;
                let (old, new) = (self.number(Which::Old)?, self.number(Which::New)?);
                self.one_kind(old.1, new.1)?;
                let act = match &self.field.action {
                    Action::EmptyLink { strict, .. } => Act::EmptyLink {
                        old,
                        new,
                        head,
                        strict: *strict,
                    },
                    _ => Act::Link { old, new, head },
                };
                (both()?, act)
            }
            Action::Flags(flags) => {
                let act = Act::Flags {
                    old: self.number(Which::Old)?,
                    new: self.number(Which::New)?,
                    flags: self.flags(flags)?,
                };
                (both()?, act)
            }
            action => {
                let (old, new) = (self.number(Which::Old)?, self.number(Which::New)?);
                let by = self.by(action, old.1, new.1)?;
                (both()?, Act::Number { old, new, by })
            }
        };
        Ok(vec![Line { at, act }])
    }

    /// The field is zero.
    fn zero(&self) -> Result<Vec<Line>, EmitError> {
        let Some(to) = self.field.to.as_ref().filter(|to| to.bits.len > 0) else {
            return Ok(Vec::new());
        };
        let act = Act::Zero(bits(self.ty, to.bits)?);
        Ok(vec![Line { at: None, act }])
    }

    fn drop(&self, initial: i64, strict: bool) -> Result<Vec<Line>, EmitError> {
        let (path, from) = (&self.field.path, self.from()?);
        let at = self.at(path, path, Sides::Old)?;
        let act = if from.bit_field {
            let scalar = self.scalar(Which::Old);
            Act::DropBits {
                old: bits(self.ty, from.bits)?,
                signed: scalar.is_some_and(|scalar| scalar.signed),
                name: path.to_string(),
                initial,
                strict,
            }
        } else if self.scalar(Which::Old).is_some() {
            let old = self.number(Which::Old)?;
            Act::Drop {
                old,
                initial,
                strict,
            }
        } else {
            let old = (
                self.small(from.bits.offset / 8)?,
                self.small(from.bits.len / 8)?,
            );
            Act::DropBytes { old, strict }
        };
        Ok(vec![Line { at, act }])
    }

    fn elements(
        &self,
        each: &Action,
        count: u64,
        new_count: u64,
        rest: i64,
    ) -> Result<Act, EmitError> {
        let (from, to) = (self.from()?, self.to()?);
        let element = |which: Which, place: &Place| match ctype::shape(
            self.layout(which),
            place.ty.ok_or_else(|| self.no_data("it has no type"))?,
        ) {
            Shape::Array { element, .. } => Ok(element),
            _ => Err(self.no_data("it is no array")),
        };
        let (old_ty, new_ty) = (element(Which::Old, from)?, element(Which::New, to)?);
        let size = |which: Which, ty| self.small(ctype::size_bits(self.layout(which), ty) / 8);
        let (old_size, new_size) = (size(Which::Old, old_ty)?, size(Which::New, new_ty)?);
        let number = |which: Which, ty| match ctype::shape(self.layout(which), ty) {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => Some(kind(scalar)),
            _ => None,
        };
        let rest = if count > new_count {
            let kind = number(Which::Old, old_ty);
            let kind = kind.ok_or_else(|| self.no_data("elements that are cut are no numbers"))?;
            Some(Rest::Cut(kind, rest))
        } else if count < new_count {
            Some(match ctype::shape(self.layout(Which::New), new_ty) {
                Shape::Scalar(scalar) => Rest::Fill(kind(scalar), rest),
                _ => Rest::Zero,
            })
        } else {
            None
        };
        Ok(Act::Each {
            old: data::Array(
                self.small(from.bits.offset / 8)?,
                self.small(count)?,
                old_size,
            ),
            new: data::Array(
                self.small(to.bits.offset / 8)?,
                self.small(new_count)?,
                new_size,
            ),
            each: self.each(each, old_ty, new_ty)?,
            rest,
        })
    }

    /// What is done with one element of these types.
    fn each(&self, each: &Action, old: TypeId, new: TypeId) -> Result<Each, EmitError> {
        let shapes = (
            ctype::shape(self.layout(Which::Old), old),
            ctype::shape(self.layout(Which::New), new),
        );
        Ok(match (each, shapes) {
            (Action::Copy, _) => Each::Copy,
            (Action::Recurse { ty }, _) => Each::Inside(self.type_number(ty)?),
            (
                Action::Elements {
                    each,
                    old: count,
                    new: new_count,
                    ..
                },
                (Shape::Array { element: old, .. }, Shape::Array { element: new, .. }),
            ) if count == new_count => {
                let size = |which, ty| self.small(ctype::size_bits(self.layout(which), ty) / 8);
                Each::Array {
                    count: self.small(*count)?,
                    old: size(Which::Old, old)?,
                    new: size(Which::New, new)?,
                    each: Box::new(self.each(each, old, new)?),
                }
            }
            (
                action,
                (Shape::Scalar(old) | Shape::Enum(old), Shape::Scalar(new) | Shape::Enum(new)),
            ) => {
                let (old, new) = (kind(old), kind(new));
                let by = self.by(action, old, new)?;
                Each::Number { old, new, by }
            }
            _ => return Err(self.no_data("its elements are neither numbers nor of a type")),
        })
    }

    /// How an integer becomes another.
    fn by(&self, action: &Action, old: Kind, new: Kind) -> Result<By, EmitError> {
        Ok(match action {
            Action::Widen => By::Widen,
            Action::Narrow => By::Narrow,
            Action::Pointer { meaning } => {
                self.one_kind(old, new)?;
                match meaning {
                    Meaning::Follow => By::Follow,
                    Meaning::Within => By::Within,
                    Meaning::WithinRequired => By::WithinRequired,
                    Meaning::LinkRequired => By::LinkRequired,
                    Meaning::Stack => By::Stack,
                    Meaning::Symbol => By::Symbol,
                    Meaning::Resource => By::Resource,
                }
            }
            Action::Reset { initial, strict } => By::Reset {
                initial: *initial,
                strict: *strict,
            },
            Action::ResetSymbol { symbol, strict } => {
                self.one_kind(old, new)?;
                By::ResetSymbol {
                    symbol: symbol_of(symbol),
                    strict: *strict,
                }
            }
            Action::Enumerator { table } => By::Enumerator(table.clone()),
            Action::Scale { multiply, divide } => By::Scale {
                multiply: *multiply,
                divide: *divide,
                add: 0,
            },
            Action::Offset {
                multiply,
                divide,
                add,
            } => By::Scale {
                multiply: *multiply,
                divide: *divide,
                add: *add,
            },
            _ => return Err(self.no_data("this is done with no number")),
        })
    }

    fn one_kind(&self, old: Kind, new: Kind) -> Result<(), EmitError> {
        match old == new {
            true => Ok(()),
            false => Err(self.no_data("a pointer has another width or sign")),
        }
    }

    fn flags(&self, flags: &Flags) -> Result<data::Flags, EmitError> {
        let called = flags.called.iter().map(|called| {
            Ok(data::CalledFlag {
                from: called.from,
                to: called.to,
                call: self.call(
                    &called.function,
                    &called.arguments,
                    &called.offsets,
                    &called.constants,
                )?,
            })
        });
        Ok(data::Flags {
            same: flags.same,
            moved: flags.moved.clone(),
            dropped: flags.dropped,
            elsewhere: flags.elsewhere,
            refused: flags.refused.clone(),
            together: flags.together.clone(),
            called: called.collect::<Result<_, EmitError>>()?,
        })
    }

    fn call(
        &self,
        function: &str,
        arguments: &[Argument],
        offsets: &[MemberOffset],
        constants: &[u64],
    ) -> Result<data::Call, EmitError> {
        let mut given = Vec::new();
        for argument in arguments {
            let found = self.found(Which::Old, &argument.field)?;
            let offset = self.small(found.offset / 8)?;
            given.push(match argument.flag {
                None => data::Argument::Field(offset, self.small(found.len / 8)?),
                Some(mask) => {
                    let ty = found.ty.map(|ty| ctype::shape(self.layout(Which::Old), ty));
                    let Some(Shape::Scalar(scalar) | Shape::Enum(scalar)) = ty else {
                        return Err(self.no_data("a flag is asked for of what is no number"));
                    };
                    data::Argument::Flag(Number(offset, kind(scalar)), mask)
                }
            });
        }
        // The interpreter hands over answers before fields, as all functions take them.
        if given
            .windows(2)
            .any(|two| !two[0].is_flag() && two[1].is_flag())
        {
            return Err(self.no_data("a function of people takes a flag behind a field"));
        }
        let offsets = offsets.iter().map(|offset| self.small(offset.bytes));
        Ok(data::Call {
            function: function.to_owned(),
            arguments: given,
            offsets: offsets.collect::<Result<_, _>>()?,
            constants: constants.to_vec(),
        })
    }

    fn type_number(&self, name: &str) -> Result<u32, EmitError> {
        let number = self.all.numbers.get(name).copied();
        number.ok_or_else(|| EmitError::NoStructure {
            ty: name.to_owned(),
        })
    }

    fn place(&self, which: Which) -> Result<&Place, EmitError> {
        match which {
            Which::Old => self.from(),
            Which::New => self.to(),
        }
    }

    /// What the field is as an integer, if it is one.
    fn scalar(&self, which: Which) -> Option<Scalar> {
        let place = self.place(which).ok()?;
        let layout = self.layout(which);
        match place.ty {
            None => ctype::element_scalar(layout, &place.declared),
            Some(ty) => match ctype::shape(layout, ty) {
                Shape::Scalar(scalar) | Shape::Enum(scalar) => Some(scalar),
                _ => None,
            },
        }
    }

    /// The field as an integer.
    fn number(&self, which: Which) -> Result<Number, EmitError> {
        let place = self.place(which)?;
        match self.scalar(which) {
            Some(scalar) if !place.bit_field => {
                Ok(Number(self.small(place.bits.offset / 8)?, kind(scalar)))
            }
            _ => Err(self.no_data("it is no integer")),
        }
    }

    /// The field as integers: an array, or one.
    fn numbers(&self, which: Which) -> Result<data::Numbers, EmitError> {
        let place = self.place(which)?;
        let layout = self.layout(which);
        let ty = place.ty.ok_or_else(|| self.no_data("it has no type"))?;
        let (element, count) = match ctype::shape(layout, ty) {
            Shape::Array { element, count } => (element, count),
            _ => (ty, 1),
        };
        match ctype::shape(layout, element) {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => Ok(data::Numbers(
                self.small(place.bits.offset / 8)?,
                self.small(count)?,
                kind(scalar),
            )),
            _ => Err(self.no_data("what is added up are no numbers")),
        }
    }

    /// The field as a bit-field, or as an integer in the place of one.
    fn run(&self, which: Which) -> Result<Run, EmitError> {
        let place = self.place(which)?;
        if !place.bit_field {
            return Ok(Run::Number(self.number(which)?));
        }
        let run = bits(self.ty, place.bits)?;
        let is_signed = self.scalar(which).is_some_and(|scalar| scalar.signed);
        Ok(match is_signed {
            true => Run::Signed(run),
            false => Run::Unsigned(run),
        })
    }

    /// What a path leads to, by the names that members have in generated code.
    fn found(&self, which: Which, path: &FieldPath) -> Result<Found, EmitError> {
        let nowhere = || self.no_data("it names a place that the layout has not");
        let layout = self.layout(which);
        let ids = self.ty.ids;
        let mut found = Found {
            offset: 0,
            len: match which {
                Which::Old => self.ty.from_size * 8,
                Which::New => self.ty.to_size * 8,
            },
            ty: ids.map(|ids| if which == Which::Old { ids.0 } else { ids.1 }),
        };
        for step in path.steps() {
            let shape = found.ty.map(|ty| ctype::shape(layout, ty));
            match (step, shape) {
                (Step::Member(name), Some(Shape::Struct(_, composite))) => {
                    let fields = ctype::fields(layout, composite);
                    let field = fields.into_iter().find(|field| field.name == *name);
                    let field = field.ok_or_else(nowhere)?;
                    found = Found {
                        offset: found.offset + field.offset,
                        len: field.len,
                        ty: Some(field.ty),
                    };
                }
                (Step::Element(index), Some(Shape::Array { element, .. })) => {
                    let size = ctype::size_bits(layout, element);
                    found = Found {
                        offset: found.offset + index * size,
                        len: size,
                        ty: Some(element),
                    };
                }
                _ => return Err(nowhere()),
            }
        }
        Ok(found)
    }

    /// Bytes from the start of the value to a place; to the storage unit of a bit-field.
    fn offset(&self, which: Which, path: &FieldPath) -> Result<u32, EmitError> {
        if let ([Step::Member(name)], Some(ids)) = (path.steps(), self.ty.ids) {
            let id = if which == Which::Old { ids.0 } else { ids.1 };
            let layout = self.layout(which);
            if let Shape::Struct(_, composite) = ctype::shape(layout, id)
                && let Some(start) = unit_start(layout, composite, name)
            {
                return self.small(start);
            }
        }
        self.small(self.found(which, path)?.offset / 8)
    }

    /// How the engine is told of a place; `None` for the value itself.
    fn at(
        &self,
        old: &FieldPath,
        new: &FieldPath,
        sides: Sides,
    ) -> Result<Option<data::Place>, EmitError> {
        if new.is_empty() {
            return Ok(None);
        }
        let name = match sides {
            Sides::Old => old.to_string(),
            Sides::Both | Sides::New => new.to_string(),
        };
        let old = match sides {
            Sides::New => 0,
            Sides::Both | Sides::Old => self.offset(Which::Old, old)?,
        };
        let new = match sides {
            Sides::Old => 0,
            Sides::Both | Sides::New => self.offset(Which::New, new)?,
        };
        Ok(Some(data::Place(name, old, new)))
    }

    /// As [`Of::at`], of the head of a list, which is not the value itself unless it is all of it.
    fn head(
        &self,
        old: &FieldPath,
        new: &FieldPath,
        sides: Sides,
    ) -> Result<data::Place, EmitError> {
        let at = self.at(old, new, sides)?;
        Ok(at.unwrap_or_else(|| data::Place(String::new(), 0, 0)))
    }
}

fn symbol_of(symbol: &SymbolPlace) -> data::Symbol {
    data::Symbol(symbol.name.clone(), symbol.offset)
}

/// The path without its last step.
fn parent(path: &FieldPath) -> FieldPath {
    let steps = path.steps();
    FieldPath::from(steps[..steps.len().saturating_sub(1)].to_vec())
}

fn kind(scalar: Scalar) -> Kind {
    match (scalar.bytes, scalar.signed) {
        (1, false) => Kind::U8,
        (1, true) => Kind::I8,
        (2, false) => Kind::U16,
        (2, true) => Kind::I16,
        (4, false) => Kind::U32,
        (4, true) => Kind::I32,
        (_, false) => Kind::U64,
        (_, true) => Kind::I64,
    }
}
