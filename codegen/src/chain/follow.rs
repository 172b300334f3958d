//! Where each bit of an object goes in one plan.

use super::number::{First, Made};
use crate::plan::{Action, Argument, Bits, FieldPlan, Flags, Plan, TypePlan};
use kconv_rules::RuleKind;
use kernel_structs::layout::{FieldPath, Step};
use std::collections::BTreeMap;

/// Some bits of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Type of the object.
    pub(super) ty: String,
    /// The bits, from its start.
    pub(super) bits: Bits,
}

impl Spot {
    pub(super) fn new(ty: &str, bits: Bits) -> Spot {
        Spot {
            ty: ty.to_owned(),
            bits,
        }
    }

    pub(super) fn has(&self, part: &Spot) -> bool {
        self.ty == part.ty
            && self.bits.offset <= part.bits.offset
            && part.bits.end() <= self.bits.end()
    }

    pub(super) fn meets(&self, other: &Spot) -> bool {
        self.ty == other.ty
            && self.bits.offset < other.bits.end()
            && other.bits.offset < self.bits.end()
    }
}

/// What a plan does with every scalar of every object, structures inside opened up.
pub struct Opened<'a> {
    /// By type.
    types: BTreeMap<&'a str, Entries<'a>>,
    /// Objects of a type that become a part of others: which, and where.
    folded: BTreeMap<&'a str, Vec<(&'a str, Bits)>>,
}

/// What is done with the objects of one type.
struct Entries<'a> {
    /// In the order of the bits read.
    all: Vec<Entry<'a>>,
    /// The most bits that one reads.
    longest: u64,
}

/// One scalar, or a run of them that is copied.
struct Entry<'a> {
    /// The bits read; `None` where a new field begins.
    from: Option<Bits>,
    /// The bits written, and the type of the object that they are in.
    to: Option<(&'a str, Bits)>,
    /// Path from the object.
    path: String,
    field: &'a FieldPlan,
    action: &'a Action,
    how: How<'a>,
}

/// Bits of an old object of which something is made.
pub(super) struct Read<'f, 'a> {
    opened: &'f Opened<'a>,
    entry: &'f Entry<'a>,
    /// The bits.
    pub(super) from: Bits,
}

/// Where some bits go.
pub(super) struct Went<'a> {
    /// The places, in order and with neighbours joined; none if the bits are not carried. With how
    /// the value there is made, where it is not made bit by bit.
    pub(super) places: Vec<(Spot, Option<Made<'a>>)>,
    /// Whether some of the bits cannot be set, because no flag has them: those that are stop a
    /// conversion.
    pub(super) stopped: bool,
}

impl Went<'_> {
    /// The places alone.
    pub(super) fn spots(&self) -> impl Iterator<Item = &Spot> {
        self.places.iter().map(|(spot, _)| spot)
    }
}

/// How the bits written follow from those read.
#[derive(Copy, Clone)]
enum How<'a> {
    /// Each from its own.
    BitByBit,
    /// All from all.
    Whole,
    /// By the names of flags.
    ByName(&'a Flags),
    /// From the flags in a mask only.
    OfFlag(u64),
    /// Not at all: a first value, or no field any more.
    Not,
}

/// The way to a structure from the object that it is in.
#[derive(Clone)]
struct Base<'a> {
    from: u64,
    to: u64,
    /// Type of the object written.
    owner: &'a str,
    path: String,
}

impl<'a> Opened<'a> {
    /// The plan, opened up.
    pub fn of(plan: &'a Plan) -> Opened<'a> {
        let mut opened = Opened {
            types: BTreeMap::new(),
            folded: BTreeMap::new(),
        };
        for ty in plan.types.values().filter(|ty| ty.object) {
            let base = Base {
                from: 0,
                to: 0,
                owner: &ty.name,
                path: String::new(),
            };
            let mut entries = Vec::new();
            opened.open(plan, ty, &base, &mut entries);
            entries.sort_by_key(|entry| entry.from);
            let lengths = entries.iter().filter_map(|entry| Some(entry.from?.len));
            let longest = lengths.max().unwrap_or(0);
            let entries = Entries {
                all: entries,
                longest,
            };
            opened.types.insert(&ty.name, entries);
        }
        opened
    }

    fn open(
        &mut self,
        plan: &'a Plan,
        ty: &'a TypePlan,
        base: &Base<'a>,
        entries: &mut Vec<Entry<'a>>,
    ) {
        for field in ty.fields.iter().chain(&ty.drops) {
            let path = field.old_path.as_ref().unwrap_or(&field.path);
            let inside = Base {
                path: joined(&base.path, path),
                ..base.clone()
            };
            let from = field
                .from
                .as_ref()
                .map(|place| moved(place.bits, base.from));
            let to = field.to.as_ref().map(|place| moved(place.bits, base.to));
            self.action(plan, field, &field.action, (from, to), &inside, entries);
            for (argument, to) in read_by(field) {
                for bits in named(ty, &argument.field) {
                    entries.push(Entry {
                        from: Some(moved(bits, base.from)),
                        to: Some((base.owner, moved(to, base.to))),
                        path: joined(&base.path, &argument.field),
                        field,
                        action: &field.action,
                        how: argument.flag.map_or(How::Whole, How::OfFlag),
                    });
                }
            }
        }
    }

    fn action(
        &mut self,
        plan: &'a Plan,
        field: &'a FieldPlan,
        action: &'a Action,
        (from, to): (Option<Bits>, Option<Bits>),
        base: &Base<'a>,
        entries: &mut Vec<Entry<'a>>,
    ) {
        let nested = |ty: &str| plan.types.get(ty);
        match (action, from, to) {
            (Action::Recurse { ty }, _, _) => {
                let Some(ty) = nested(ty) else { return };
                let inside = Base {
                    from: from.map_or(0, |bits| bits.offset),
                    to: to.map_or(0, |bits| bits.offset),
                    ..base.clone()
                };
                self.open(plan, ty, &inside, entries);
                return;
            }
            (Action::Make { ty }, Some(from), _) => {
                let Some(ty) = nested(ty) else { return };
                let inside = Base {
                    from: from.offset,
                    to: 0,
                    owner: &ty.name,
                    ..base.clone()
                };
                self.open(plan, ty, &inside, entries);
                return;
            }
            (Action::Fold { ty, .. }, _, Some(to)) => {
                let Some(ty) = nested(ty) else { return };
                let places = self.folded.entry(&ty.name).or_default();
                places.push((base.owner, to));
                return;
            }
            // The elements are objects of their own.
            (Action::Tail { .. }, _, _) => return,
            (Action::Elements { each, old, new, .. }, Some(from), Some(to))
                if !(**each == Action::Copy && from.len * new == to.len * old) =>
            {
                let element = |all: Bits, count: u64, index: u64| {
                    let len = all.len.checked_div(count).unwrap_or(0);
                    (index < count).then_some(Bits {
                        offset: all.offset + index * len,
                        len,
                    })
                };
                for index in 0..*old.max(new) {
                    let inside = Base {
                        path: format!("{}[{index}]", base.path),
                        ..base.clone()
                    };
                    let places = (element(from, *old, index), element(to, *new, index));
                    self.action(plan, field, each, places, &inside, entries);
                }
                return;
            }
            _ => {}
        }
        let how = match (from, to) {
            (Some(_), Some(_)) => how(action),
            _ => How::Not,
        };
        entries.push(Entry {
            from,
            to: to.map(|to| (base.owner, to)),
            path: base.path.clone(),
            field,
            action,
            how,
        });
    }

    /// What is made of the bits of objects of type `ty`, as far as it is made of them.
    pub(super) fn read(&self, ty: &str) -> impl Iterator<Item = Read<'_, 'a>> {
        let entries = self.types.get(ty).into_iter().flat_map(|ty| &ty.all);
        entries.filter_map(|entry| match (entry.how, entry.from, entry.to) {
            (How::Not, ..) | (_, None, _) | (.., None) => None,
            (_, Some(from), Some(_)) => Some(Read {
                opened: self,
                entry,
                from,
            }),
        })
    }

    /// The bits of objects of type `ty` that nothing is made of, and the fields they are.
    pub(super) fn unread(&self, ty: &str) -> Vec<(Bits, &str)> {
        let read: Vec<Bits> = self.read(ty).map(|read| read.from).collect();
        let meets = |bits: Bits| {
            let met = |read: &Bits| read.offset < bits.end() && bits.offset < read.end();
            read.iter().any(met)
        };
        let entries = self.types.get(ty).into_iter().flat_map(|ty| &ty.all);
        let unread = entries.filter(|entry| matches!(entry.how, How::Not));
        let places = unread.filter_map(|entry| Some((entry.from?, entry.path.as_str())));
        places.filter(|(bits, _)| !meets(*bits)).collect()
    }

    /// The bits of new objects that get a first value: type, bits, path and action.
    pub(super) fn first_values(&self) -> impl Iterator<Item = (&'a str, Bits, &String, First<'a>)> {
        let entries = self.types.values().flat_map(|ty| &ty.all);
        entries.filter_map(|entry| {
            let (ty, bits) = entry.to?;
            let padding = entry.field.rule == RuleKind::Padding;
            let first = First::of(entry.action).filter(|_| !padding)?;
            Some((ty, bits, &entry.path, first))
        })
    }

    /// Where `spot` goes.
    pub(super) fn forward(&self, spot: &Spot) -> Went<'a> {
        let mut found = Vec::new();
        let mut stopped = false;
        if let Some(entries) = self.types.get(spot.ty.as_str()) {
            let before = |entry: &Entry<'_>| {
                let end = |from: Bits| from.offset + entries.longest;
                entry.from.is_none_or(|from| end(from) <= spot.bits.offset)
            };
            let start = entries.all.partition_point(before);
            for entry in &entries.all[start..] {
                let Some(from) = entry.from else { continue };
                if from.offset >= spot.bits.end() {
                    break;
                }
                let Some((ty, to)) = entry.to else { continue };
                let first = from.offset.max(spot.bits.offset);
                let end = from.end().min(spot.bits.end());
                if first >= end {
                    continue;
                }
                let read = first - from.offset..end - from.offset;
                stopped |= entry.how.stops(read.clone());
                for bits in entry.how.forward(read, to) {
                    found.push((Spot::new(ty, bits), entry.made()));
                }
            }
        }
        Went {
            places: self.inside(found),
            stopped,
        }
    }

    /// `places`, those in objects that became a part of others in these, in order and with
    /// neighbours joined.
    fn inside<T: Copy + PartialEq>(&self, places: Vec<(Spot, T)>) -> Vec<(Spot, T)> {
        let mut all = Vec::new();
        for (spot, with) in places {
            match self.folded.get(spot.ty.as_str()) {
                None => all.push((spot, with)),
                Some(places) => all.extend(
                    places
                        .iter()
                        .map(|(owner, to)| (Spot::new(owner, moved(spot.bits, to.offset)), with)),
                ),
            }
        }
        joined_spots(all)
    }
}

impl<'a> Read<'_, 'a> {
    /// Path of the field, under the old layout.
    pub(super) fn path(&self) -> &str {
        &self.entry.path
    }

    /// Whether every bit has its own place, so that each can be followed.
    pub(super) fn bit_by_bit(&self) -> bool {
        match self.entry.how {
            How::BitByBit | How::ByName(_) => true,
            How::Whole | How::OfFlag(_) | How::Not => false,
        }
    }

    /// Where some of the bits go: nowhere, if nothing is made of them.
    pub(super) fn forward(&self, bits: Bits) -> Went<'a> {
        let read = bits.offset - self.from.offset..bits.end() - self.from.offset;
        let (ty, to) = self.entry.to.unwrap_or(("", bits));
        let stopped = self.entry.how.stops(read.clone());
        let there = self.entry.how.forward(read, to);
        let made = self.entry.made();
        let places = there.into_iter().map(|bits| (Spot::new(ty, bits), made));
        Went {
            places: self.opened.inside(places.collect()),
            stopped,
        }
    }
}

impl<'a> Entry<'a> {
    /// How its value is made, if not bit by bit.
    fn made(&self) -> Option<Made<'a>> {
        match (self.how, self.from, self.to) {
            (How::Whole, Some(from), Some((_, to))) => Some(Made {
                action: self.action,
                from: from.len,
                to: to.len,
            }),
            _ => None,
        }
    }
}

impl How<'_> {
    /// Whether some of the bits `read` have no name, and stop a conversion if they are set.
    fn stops(&self, mut read: std::ops::Range<u64>) -> bool {
        let How::ByName(flags) = self else {
            return false;
        };
        let refused = flags.refused.iter().map(|(_, mask)| *mask);
        let moved = flags.moved.iter().map(|(from, _)| *from);
        let called = flags.called.iter().map(|flag| flag.from);
        let named = flags.same | flags.dropped | flags.elsewhere;
        let known = refused
            .chain(moved)
            .chain(called)
            .fold(named, |all, mask| all | mask);
        read.any(|bit| bit >= 64 || known >> bit & 1 == 0)
    }

    /// Where the bits `read`, counted from the start of a field, go in one that is written at `to`.
    fn forward(&self, read: std::ops::Range<u64>, to: Bits) -> Vec<Bits> {
        let at = |bit: u64| Bits {
            offset: to.offset + bit,
            len: 1,
        };
        let set = |mask: u64| (0..64).filter(move |bit| mask >> bit & 1 != 0);
        match self {
            How::Not => Vec::new(),
            How::Whole => vec![to],
            // Of an array that becomes shorter, the last elements go nowhere.
            How::BitByBit => match read.end.min(to.len).checked_sub(read.start) {
                None | Some(0) => Vec::new(),
                Some(len) => vec![Bits {
                    offset: to.offset + read.start,
                    len,
                }],
            },
            How::OfFlag(mask) => match set(*mask).any(|bit| read.contains(&bit)) {
                true => vec![to],
                false => Vec::new(),
            },
            How::ByName(flags) => {
                let called = flags.called.iter().map(|flag| (flag.from, flag.to));
                let renumbered: Vec<(u64, u64)> =
                    flags.moved.iter().copied().chain(called).collect();
                let mut bits = Vec::new();
                for bit in read {
                    let is_in = |mask: u64| bit < 64 && mask >> bit & 1 != 0;
                    let other = renumbered.iter().filter(|(from, _)| is_in(*from));
                    bits.extend(other.flat_map(|(_, to)| set(*to)).map(at));
                    bits.extend(is_in(flags.same).then(|| at(bit)));
                }
                bits
            }
        }
    }
}

/// How the bits that an action writes follow from those of its own field.
fn how(action: &Action) -> How<'_> {
    match action {
        Action::Copy | Action::Elements { .. } => How::BitByBit,
        Action::Flags(flags) => How::ByName(flags),
        Action::Widen
        | Action::Narrow
        | Action::Pointer { .. }
        | Action::Link { .. }
        | Action::BitField
        | Action::Enumerator { .. }
        | Action::Sum
        | Action::Scale { .. }
        | Action::Offset { .. }
        | Action::Call { .. } => How::Whole,
        Action::EmptyLink { .. }
        | Action::Reset { .. }
        | Action::ResetSymbol { .. }
        | Action::Set { .. }
        | Action::SetSymbol { .. }
        | Action::Zero
        | Action::OwnAddress { .. }
        | Action::ObjectAddress
        | Action::ContainerAddress
        | Action::DropContainer
        | Action::Drop { .. }
        | Action::DropLink { .. }
        | Action::DropSymbol { .. }
        | Action::Used { .. }
        // Opened up.
        | Action::Recurse { .. }
        | Action::Make { .. }
        | Action::Fold { .. }
        | Action::Tail { .. } => How::Not,
    }
}

/// The old members that functions of people make a field of, and the bits that they make.
fn read_by(field: &FieldPlan) -> Vec<(&Argument, Bits)> {
    let Some(to) = &field.to else {
        return Vec::new();
    };
    match &field.action {
        Action::Call { arguments, .. } => arguments.iter().map(|each| (each, to.bits)).collect(),
        Action::Flags(flags) => {
            let mut read = Vec::new();
            for flag in &flags.called {
                for bit in (0..64).filter(|bit| flag.to >> bit & 1 != 0) {
                    let bits = Bits {
                        offset: to.bits.offset + bit,
                        len: 1,
                    };
                    read.extend(flag.arguments.iter().map(|each| (each, bits)));
                }
            }
            read
        }
        _ => Vec::new(),
    }
}

/// The bits of the old member at `path`, which may have been planned in parts.
fn named(ty: &TypePlan, path: &FieldPath) -> Vec<Bits> {
    let all = ty.fields.iter().chain(&ty.drops);
    let of_it = all.filter(|field| {
        let old = field.old_path.as_ref().unwrap_or(&field.path);
        old.steps().starts_with(path.steps())
    });
    of_it
        .filter_map(|field| Some(field.from.as_ref()?.bits))
        .collect()
}

fn moved(bits: Bits, by: u64) -> Bits {
    Bits {
        offset: bits.offset + by,
        ..bits
    }
}

fn joined(base: &str, path: &FieldPath) -> String {
    let index = matches!(path.steps().first(), Some(Step::Element(_)) | None);
    match base.is_empty() || index {
        true => format!("{base}{path}"),
        false => format!("{base}.{path}"),
    }
}

/// Places in order; neighbours with the same are one.
pub(super) fn joined_spots<T: PartialEq>(mut places: Vec<(Spot, T)>) -> Vec<(Spot, T)> {
    places.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut joined: Vec<(Spot, T)> = Vec::new();
    for (spot, with) in places {
        match joined.last_mut() {
            Some((last, same))
                if last.ty == spot.ty && last.bits.end() >= spot.bits.offset && *same == with =>
            {
                let end = last.bits.end().max(spot.bits.end());
                last.bits.len = end - last.bits.offset;
            }
            _ => joined.push((spot, with)),
        }
    }
    joined
}
