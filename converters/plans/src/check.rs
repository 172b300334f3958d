//! Whether everything in a plan fits everything else.
//!
//! Whoever carries out a plan reads and writes values by its offsets, goes from type to type by its
//! numbers, and makes room by its sizes. What is held here is that all of these stay inside the value, that
//! every new bit is written exactly once, and that no way leads from a type back to itself.

use crate::error::{PlanError, Problem};
use crate::model::{
    Act, Argument, Array, Bits, By, Call, Each, Field, Kind, Line, Number, Numbers, Part, Place,
    Plan, Rest, Run, Tail, Type,
};
use crate::{FORMAT_VERSION, LARGEST_TYPE, MOST_LINES, MOST_NESTED};
use std::collections::{BTreeMap, BTreeSet};

/// Holds the parts of a plan against one another.
pub(crate) fn check(plan: &Plan) -> Result<(), PlanError> {
    head(plan)?;
    let mut known = Known::default();
    for (index, ty) in plan.types.iter().enumerate() {
        let found = Ty {
            plan,
            known: &known,
            ty,
        }
        .check();
        let found = found.map_err(|(place, problem)| PlanError::Type {
            index,
            ty: ty.name.clone(),
            place,
            problem,
        })?;
        known.nests.push(found);
        known.by_name.insert(&ty.name, index);
    }
    // An object that lies behind another can stand before it.
    for (index, ty) in plan.types.iter().enumerate() {
        let missing = ty.behind.as_ref();
        if let Some(owner) = missing.filter(|owner| !known.by_name.contains_key(owner.as_str())) {
            return Err(PlanError::Type {
                index,
                ty: ty.name.clone(),
                place: String::from("behind"),
                problem: Problem::NoType { ty: owner.clone() },
            });
        }
    }
    if let Some(task) = &plan.task {
        let index = known.by_name.get(task.ty.as_str()).copied();
        let size = index.map_or(0, |index| plan.types[index].from_size);
        let end = u64::from(task.comm) + u64::from(task.comm_len);
        if end.max(u64::from(task.pid) + 4) > u64::from(size) {
            return Err(PlanError::Head {
                place: String::from("task"),
                found: format!("in `{}`, up to byte {end}", task.ty),
                expected: "a type of the plan that has pid and name",
            });
        }
    }
    Ok(())
}

fn head(plan: &Plan) -> Result<(), PlanError> {
    if plan.kconv_plan != FORMAT_VERSION {
        return Err(PlanError::Version {
            found: plan.kconv_plan,
            expected: FORMAT_VERSION,
        });
    }
    let wrong = |place: &str, found: &str, expected| PlanError::Head {
        place: place.to_owned(),
        found: format!("{found:?}"),
        expected,
    };
    let names = [
        ("converter", &plan.converter),
        ("family", &plan.family),
        ("from.layout", &plan.from.layout),
        ("from.release", &plan.from.release),
        ("to.layout", &plan.to.layout),
        ("to.release", &plan.to.release),
    ];
    for (place, name) in names {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(wrong(place, name, "a name"));
        }
    }
    for (place, node) in [("from", &plan.from), ("to", &plan.to)] {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = &node.fingerprint;
        if digits.len() != 64 || !digits.bytes().all(is_digit) {
            let place = format!("{place}.fingerprint");
            return Err(wrong(&place, digits, "64 hexadecimal digits in lower case"));
        }
    }
    Ok(())
}

/// The types before one.
#[derive(Default)]
struct Known<'a> {
    by_name: BTreeMap<&'a str, usize>,
    nests: Vec<Nest>,
}

/// What is inside of a type.
#[derive(Copy, Clone)]
struct Nest {
    /// How many types are inside one another, itself included.
    depth: u32,
    /// How many lines one value takes, those of values inside included.
    lines: u64,
}

impl Nest {
    /// Adds so many values of a type inside.
    fn add(&mut self, inner: Nest, times: u64) {
        self.depth = self.depth.max(inner.depth.saturating_add(1));
        self.lines = self.lines.saturating_add(inner.lines.saturating_mul(times));
    }
}

/// A type under the check.
struct Ty<'a> {
    plan: &'a Plan,
    known: &'a Known<'a>,
    ty: &'a Type,
}

/// What is wrong, and where in the type.
type Wrong = (String, Problem);

/// Bits of a new value that one line writes: the first, and that behind the last.
type Written = (u64, u64);

impl Ty<'_> {
    /// What is inside of it.
    fn check(&self) -> Result<Nest, Wrong> {
        let at = |place: &str| {
            let place = place.to_owned();
            move |problem| (place.clone(), problem)
        };
        let ty = self.ty;
        if self.known.by_name.contains_key(ty.name.as_str()) {
            return Err(at("name")(Problem::Order { what: "types" }));
        }
        let sizes = [
            ("from-size", Some(ty.from_size)),
            ("to-size", Some(ty.to_size)),
            ("extent", ty.extent),
            ("anchor-end", ty.anchor_end),
        ];
        for (place, size) in sizes {
            if let Some(size) = size.filter(|size| *size > LARGEST_TYPE) {
                return Err(at(place)(Problem::TooLarge {
                    found: u64::from(size),
                    most: u64::from(LARGEST_TYPE),
                }));
            }
        }
        let mut nest = Nest { depth: 1, lines: 1 };
        if let Some(tail) = &ty.tail {
            self.tail(tail, &mut nest).map_err(at("tail"))?;
        }
        for (index, part) in ty.parts.iter().enumerate() {
            let place = format!("parts[{index}]");
            self.part(part, &mut nest).map_err(at(&place))?;
        }
        self.spans().map_err(at("spans"))?;
        for (index, bits) in ty.padding.iter().enumerate() {
            let place = format!("padding[{index}]");
            self.old_bits(*bits).map_err(at(&place))?;
        }
        let mut written = Vec::new();
        let mut tails = 0;
        for field in &ty.fields {
            let place = format!("field {}", field.path);
            self.field(field, &mut nest, &mut tails, &mut written)
                .map_err(at(&place))?;
        }
        all_once(written, u64::from(ty.to_size) * 8).map_err(at("fields"))?;
        if nest.depth > MOST_NESTED {
            return Err(at("fields")(Problem::Nested { most: MOST_NESTED }));
        }
        if nest.lines > MOST_LINES {
            return Err(at("fields")(Problem::TooLarge {
                found: nest.lines,
                most: MOST_LINES,
            }));
        }
        Ok(nest)
    }

    /// The type `name`, which stands before this one.
    fn named(&self, name: &str, nest: &mut Nest) -> Result<&Type, Problem> {
        let index = self.known.by_name.get(name);
        let index = *index.ok_or_else(|| Problem::NoType {
            ty: format!("`{name}` before this one"),
        })?;
        nest.add(self.known.nests[index], 1);
        Ok(&self.plan.types[index])
    }

    /// The type of this number, so many values of which are inside of this one.
    fn inside(&self, number: u32, times: u64, nest: &mut Nest) -> Result<&Type, Problem> {
        let known = self.known.nests.get(number as usize);
        let known = *known.ok_or(Problem::NotBefore { ty: number })?;
        nest.add(known, times);
        let ty = &self.plan.types[number as usize];
        match ty.tail {
            None => Ok(ty),
            Some(_) => Err(Problem::Contradicts {
                what: "a value inside another ends in no flexible array",
            }),
        }
    }

    fn tail(&self, tail: &Tail, nest: &mut Nest) -> Result<(), Problem> {
        let element = self.named(&tail.element, nest)?;
        if element.from_size == 0 || element.to_size == 0 {
            let ty = element.name.clone();
            return Err(Problem::Empty { ty });
        }
        if element.tail.is_some() {
            return Err(Problem::Contradicts {
                what: "an element of a flexible array ends in none itself",
            });
        }
        self.in_old(tail.from, 0)?;
        self.in_new(tail.to, 0)?;
        width(tail.count)?;
        self.old_bits(tail.count)
    }

    fn part(&self, part: &Part, nest: &mut Nest) -> Result<(), Problem> {
        let inner = self.named(&part.ty, nest)?;
        // The structure is on the one side, a pointer or the end of the value on the other.
        if part.made {
            let len = part.behind.map_or(inner.from_size, |_| 0);
            self.in_old(part.from, len)?;
            self.in_new(part.to, 0)?;
        } else {
            let len = part.behind.map_or(inner.to_size, |_| 0);
            self.in_old(part.from, 0)?;
            self.in_new(part.to, len)?;
        }
        match part.behind {
            Some(bits) => self.old_bits(bits),
            None => Ok(()),
        }
    }

    fn spans(&self) -> Result<(), Problem> {
        let mut end = 0;
        for (from, to, len) in &self.ty.spans {
            if *from < end || *len == 0 {
                return Err(Problem::Order { what: "spans" });
            }
            self.in_old(*from, *len)?;
            self.in_new(*to, *len)?;
            end = from + len;
        }
        Ok(())
    }

    fn field(
        &self,
        field: &Field,
        nest: &mut Nest,
        tails: &mut u32,
        written: &mut Vec<Written>,
    ) -> Result<(), Problem> {
        if let Some(reason) = field.reason
            && reason as usize >= self.plan.reasons.len()
        {
            return Err(Problem::NoReason { reason });
        }
        let mut inside = BTreeSet::new();
        nest.lines = nest.lines.saturating_add(1 + field.lines.len() as u64);
        for line in &field.lines {
            if let Some(Place(_, old, new)) = &line.at {
                self.in_old(*old, 0)?;
                self.in_new(*new, 0)?;
            }
            self.line(line, nest, &mut inside, written)?;
        }
        // Reports go on by the rules of what is named here, as often as it is.
        let Some(name) = &field.inside else {
            return Ok(());
        };
        let is_tail = self.ty.tail.as_ref().is_some_and(|tail| {
            (&tail.field, &tail.element, field.times) == (&field.path, name, 0)
        });
        *tails += u32::from(is_tail);
        let is_inside = inside.iter().any(|index: &u32| {
            let ty = self.plan.types.get(*index as usize);
            ty.is_some_and(|ty| ty.name == *name)
        });
        match is_inside || is_tail && *tails == 1 {
            true => Ok(()),
            false => Err(Problem::Contradicts {
                what: "no line goes on in the type that is inside",
            }),
        }
    }

    fn line(
        &self,
        line: &Line,
        nest: &mut Nest,
        inside: &mut BTreeSet<u32>,
        written: &mut Vec<Written>,
    ) -> Result<(), Problem> {
        let mut writes = |start: u32, len: u32| {
            let first = u64::from(start) * 8;
            written.push((first, first + u64::from(len) * 8));
            self.in_new(start, len)
        };
        match &line.act {
            Act::Zero(bits) => {
                self.new_bits(*bits)?;
                written.push(range(*bits));
                Ok(())
            }
            Act::Copy(old, new, len) => {
                self.in_old(*old, *len)?;
                writes(*new, *len)
            }
            Act::Number { old, new, by } => {
                conversion(old.1, new.1, by)?;
                self.in_old(old.0, old.1.size())?;
                writes(new.0, new.1.size())
            }
            Act::Flags { old, new, flags } => {
                self.in_old(old.0, old.1.size())?;
                for called in &flags.called {
                    self.call(&called.call)?;
                }
                writes(new.0, new.1.size())
            }
            Act::Inside { ty, old, new } => {
                let inner = self.inside(*ty, 1, nest)?;
                inside.insert(*ty);
                self.in_old(*old, inner.from_size)?;
                writes(*new, inner.to_size)
            }
            Act::Each {
                old,
                new,
                each,
                rest,
            } => {
                let times = u64::from(old.1.min(new.1));
                self.each((old.2, new.2), each, (times, nest), inside)?;
                left_over(old, new, rest.as_ref())?;
                self.in_old(old.0, area(*old)?)?;
                writes(new.0, area(*new)?)
            }
            Act::Sum { old, new } => {
                let area = |of: &Numbers| area(Array(of.0, of.1, of.2.size()));
                self.in_old(old.0, area(old)?)?;
                writes(new.0, area(new)?)
            }
            Act::Bits { old, new } => {
                match old {
                    Run::Number(number) => self.in_old(number.0, number.1.size())?,
                    Run::Unsigned(bits) | Run::Signed(bits) => {
                        width(*bits)?;
                        self.old_bits(*bits)?;
                    }
                }
                match new {
                    Run::Number(number) => writes(number.0, number.1.size()),
                    Run::Unsigned(bits) | Run::Signed(bits) => {
                        width(*bits)?;
                        written.push(range(*bits));
                        self.new_bits(*bits)
                    }
                }
            }
            Act::SetBits { new, .. } => {
                width(*new)?;
                written.push(range(*new));
                self.new_bits(*new)
            }
            Act::Set { new, .. }
            | Act::OwnAddress { new }
            | Act::ObjectAddress { new }
            | Act::Container { new }
            | Act::SetSymbol { new, .. } => writes(new.0, new.1.size()),
            Act::DropContainer { old } | Act::DropSymbol { old, .. } | Act::Drop { old, .. } => {
                self.in_old(old.0, old.1.size())
            }
            Act::Make { old, new } => {
                self.in_old(old.0, old.1)?;
                writes(new.0, new.1.size())
            }
            Act::Fold { old, new } => {
                self.in_old(old.0, old.1.size())?;
                writes(new.0, new.1)
            }
            Act::Link { old, new, head } | Act::EmptyLink { old, new, head, .. } => {
                same(*old, *new)?;
                self.in_old(head.1, 0)?;
                self.in_new(head.2, 0)?;
                self.in_old(old.0, old.1.size())?;
                writes(new.0, new.1.size())
            }
            Act::DropLink { old, head, .. } => {
                self.in_old(head.1, 0)?;
                self.in_old(old.0, old.1.size())
            }
            Act::DropBytes { old, .. } => self.in_old(old.0, old.1),
            Act::DropBits { old, .. } => {
                width(*old)?;
                self.old_bits(*old)
            }
            Act::Call { call, new } => {
                self.call(call)?;
                writes(new.0, new.1)
            }
        }
    }

    /// What is done with each element, of these sizes under both layouts.
    fn each(
        &self,
        (from, to): (u32, u32),
        each: &Each,
        (times, nest): (u64, &mut Nest),
        inside: &mut BTreeSet<u32>,
    ) -> Result<(), Problem> {
        // An element of a number or of bytes is a line as well.
        nest.lines = nest.lines.saturating_add(times);
        match each {
            Each::Copy => sizes(from, to),
            Each::Number { old, new, by } => {
                sizes(from, old.size())?;
                sizes(to, new.size())?;
                conversion(*old, *new, by)
            }
            Each::Inside(ty) => {
                let inner = self.inside(*ty, times, nest)?;
                inside.insert(*ty);
                sizes(from, inner.from_size)?;
                sizes(to, inner.to_size)
            }
            Each::Array {
                count,
                old,
                new,
                each,
            } => {
                sizes(from, area(Array(0, *count, *old))?)?;
                sizes(to, area(Array(0, *count, *new))?)?;
                let times = times.saturating_mul(u64::from(*count));
                self.each((*old, *new), each, (times, nest), inside)
            }
        }
    }

    fn call(&self, call: &Call) -> Result<(), Problem> {
        for argument in &call.arguments {
            match argument {
                Argument::Field(offset, size) => self.in_old(*offset, *size)?,
                Argument::Flag(number, _) => self.in_old(number.0, number.1.size())?,
            }
        }
        Ok(())
    }

    fn in_old(&self, start: u32, len: u32) -> Result<(), Problem> {
        bounds(false, (start, len), 8, self.ty.from_size)
    }

    fn in_new(&self, start: u32, len: u32) -> Result<(), Problem> {
        bounds(true, (start, len), 8, self.ty.to_size)
    }

    fn old_bits(&self, bits: Bits) -> Result<(), Problem> {
        bounds(false, (bits.0, bits.1), 1, self.ty.from_size)
    }

    fn new_bits(&self, bits: Bits) -> Result<(), Problem> {
        bounds(true, (bits.0, bits.1), 1, self.ty.to_size)
    }
}

/// Whether so many units of so many bits from the unit `start` on are in a value of `size` bytes.
fn bounds(new: bool, (start, len): (u32, u32), unit: u64, size: u32) -> Result<(), Problem> {
    let end = (u64::from(start) + u64::from(len)) * unit;
    let size = u64::from(size) * 8;
    match end <= size {
        true => Ok(()),
        false => Err(Problem::Outside { new, end, size }),
    }
}

fn range(bits: Bits) -> Written {
    let start = u64::from(bits.0);
    (start, start + u64::from(bits.1))
}

/// That every bit of a value of so many bits is in one of the ranges, and in one alone.
fn all_once(mut written: Vec<Written>, size: u64) -> Result<(), Problem> {
    written.sort_unstable();
    let mut end = 0;
    for (start, after) in written.into_iter().filter(|(start, after)| start < after) {
        if start < end {
            return Err(Problem::Twice { bit: start });
        }
        if start > end {
            return Err(Problem::Never {
                bit: end,
                end: start,
            });
        }
        end = after;
    }
    match end == size {
        true => Ok(()),
        false => Err(Problem::Never {
            bit: end,
            end: size,
        }),
    }
}

fn width(bits: Bits) -> Result<(), Problem> {
    match (1..=64).contains(&bits.1) {
        true => Ok(()),
        false => Err(Problem::Width { bits: bits.1 }),
    }
}

fn sizes(found: u32, expected: u32) -> Result<(), Problem> {
    match found == expected {
        true => Ok(()),
        false => Err(Problem::Sizes {
            found: u64::from(found),
            expected: u64::from(expected),
        }),
    }
}

/// Bytes of an array.
fn area(array: Array) -> Result<u32, Problem> {
    let bytes = u64::from(array.1) * u64::from(array.2);
    u32::try_from(bytes).map_err(|_| Problem::TooLarge {
        found: bytes,
        most: u64::from(LARGEST_TYPE),
    })
}

fn same(old: Number, new: Number) -> Result<(), Problem> {
    match old.1 == new.1 {
        true => Ok(()),
        false => Err(Problem::Holds {
            what: "a pointer as the old one does",
        }),
    }
}

fn conversion(old: Kind, new: Kind, by: &By) -> Result<(), Problem> {
    match by {
        By::Widen => match new.holds_all_of(old) {
            true => Ok(()),
            false => Err(Problem::Holds {
                what: "every value of the old one",
            }),
        },
        By::Follow
        | By::Within
        | By::WithinRequired
        | By::LinkRequired
        | By::Stack
        | By::Symbol
        | By::Resource
        | By::ResetSymbol { .. } => same(Number(0, old), Number(0, new)),
        By::Narrow | By::Reset { .. } | By::Enumerator(_) | By::Scale { .. } => Ok(()),
    }
}

/// What becomes of the elements that one of two arrays has alone has to be said.
fn left_over(old: &Array, new: &Array, rest: Option<&Rest>) -> Result<(), Problem> {
    match rest {
        None if old.1 == new.1 => Ok(()),
        Some(Rest::Cut(kind, _)) if old.1 > new.1 => sizes(old.2, kind.size()),
        Some(Rest::Fill(kind, _)) if old.1 < new.1 => sizes(new.2, kind.size()),
        Some(Rest::Zero) if old.1 < new.1 => Ok(()),
        _ => Err(Problem::Contradicts {
            what: "what becomes of elements that one side has alone does not fit their numbers",
        }),
    }
}
