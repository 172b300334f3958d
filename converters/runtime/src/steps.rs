//! A chain of converters over the objects of one image: where each object lies in every step,
//! and how one is taken through a step.

use crate::at::At;
use crate::bits;
use crate::context::{Context, Namer, Old, Outcome, Pointer, Referrer};
use crate::error::ConvertError;
use crate::item::{Item, Setting, Standing, items};
use crate::names::Names;
use crate::open::{copy_behind, whole};
use crate::parts::{Changes, Link};
use crate::placement::{Lengths, Map, PlacedTail};
use crate::table::{Converter, Function};
use kconv_image::{
    Head, Image, ImageError, KernelId, Object, ObjectId, Remainder, Slot, SlotTarget, Symbol,
    SymbolId, TaskName, TypeIx,
};
use kconv_rules::{Bits, Part, PartKind, StepRules};
use kernel_structs_bits::little_endian;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The steps of a conversion.
pub(crate) struct Steps<'a> {
    image: &'a Image,
    chain: &'a [&'static Converter],
    /// What each step does, without its functions.
    rules: Vec<StepRules>,
    pub(crate) maps: Vec<Map>,
    /// What converts one value of a type: by step and number of the type.
    functions: Vec<Vec<Option<Function>>>,
    /// Types whose objects a step leaves as the step before has made them: by step and number of the type.
    settled: Vec<Vec<bool>>,
    names: &'a Names,
    /// The kernels that the steps lead to.
    pub(crate) kernels: Vec<KernelId>,
    /// Names of the types that objects have in any step: those of the image come first.
    types: Vec<String>,
    /// Indices of the image's remainder entries, by object.
    kept: Vec<usize>,
    /// Who points where: by step and pointer.
    referrers: RefCell<BTreeMap<(usize, Pointer), Referrers>>,
}

/// Objects by the address that they point at: numbers of an image, which can be made to collide in a table of hashes.
type Referrers = BTreeMap<u64, Rc<[Referrer]>>;

impl<'a> Steps<'a> {
    /// Finds out which objects there are in every step, and where they lie.
    pub(crate) fn new(
        image: &'a Image,
        chain: &'a [&'static Converter],
        names: &'a Names,
        target: &KernelId,
    ) -> Result<Steps<'a>, ConvertError> {
        let head = image.head();
        let mut types = head.types.clone();
        for part in chain.iter().flat_map(|c| c.types()).flat_map(|ty| ty.parts) {
            if !types.iter().any(|known| known == part.ty) {
                types.push(part.ty.to_owned());
            }
        }
        let mut kept: Vec<usize> = (0..head.remainder.len()).collect();
        kept.sort_by_key(|index| head.remainder[*index].object);
        let mut steps = Steps {
            image,
            chain,
            rules: chain.iter().map(|converter| converter.rules()).collect(),
            maps: Vec::with_capacity(chain.len()),
            functions: chain
                .iter()
                .map(|converter| of_types(converter, &types))
                .collect(),
            settled: Vec::with_capacity(chain.len()),
            names,
            kernels: kernels(head, chain, target),
            types,
            kept,
            referrers: RefCell::default(),
        };
        let mut lengths = lengths(image, chain)?;
        let mut items = items(head);
        for (step, converter) in chain.iter().enumerate() {
            let bytes = |id| Ok::<_, ImageError>(steps.before(step, id)?.bytes);
            let rules = &steps.rules[step];
            let changes = Changes::find(steps.setting(), &items, rules, bytes)?;
            lengths.hand_on(steps.setting(), &items, &changes, rules);
            let map = Map::step(steps.setting(), items, changes, &lengths, rules)?;
            if step == 0 {
                map.check_sizes(head)?;
            }
            items = map.items();
            let settled = match step {
                0 => vec![false; steps.types.len()],
                _ => settled(converter, &steps.types, &map),
            };
            steps.settled.push(settled);
            steps.maps.push(map);
        }
        Ok(steps)
    }

    /// The number that `step` has in the provenance of the image that is made.
    pub(crate) fn number(&self, step: usize) -> u32 {
        // Both are numbers of elements in memory, and an image has no more than fit in a u32.
        (self.image.head().provenance.len() + step) as u32
    }

    /// What converts one value of the type of `object` in `step`.
    fn function(&self, step: usize, object: &Object) -> Option<Function> {
        self.functions[step][object.ty.0 as usize]
    }

    fn setting(&self) -> Setting<'_> {
        Setting {
            machine: self.image.head().identity.machine,
            types: &self.types,
        }
    }

    /// The objects after the last step, those that are no more included.
    pub(crate) fn last(&self) -> Vec<Item> {
        match self.maps.last() {
            Some(map) => map.items(),
            None => items(self.image.head()),
        }
    }

    /// Names of the types of the `objects` of the last step. A type goes with its last object if
    /// the object does.
    pub(crate) fn last_types(&self, objects: &[Object]) -> Vec<String> {
        let head = self.image.head();
        let mut types = self.types.clone();
        while let Some(last) = types.len().checked_sub(1) {
            let is_last = |object: &Object| object.ty == TypeIx(last as u32);
            let went = last >= head.types.len() || head.objects.iter().any(is_last);
            if !went || objects.iter().any(is_last) {
                break;
            }
            types.pop();
        }
        types
    }

    /// The entries of the image's remainder for `object`.
    fn kept_of(&self, object: ObjectId) -> &[usize] {
        let of = |index: &usize| self.image.head().remainder[*index].object;
        let first = self.kept.partition_point(|index| of(index) < object);
        let last = self.kept.partition_point(|index| of(index) <= object);
        &self.kept[first..last]
    }

    /// An object as it goes into `step`.
    fn before(&self, step: usize, id: ObjectId) -> Result<Old, ImageError> {
        let head = self.image.head();
        let mut old = Old::default();
        if (id.0 as usize) < head.objects.len() {
            self.image.read_object(id, &mut old.bytes)?;
            old.slots.extend_from_slice(head.slots_of(id));
        }
        for step in 0..step {
            // What is found and kept on the way is told when the object's own turn comes.
            self.step(step, id, &mut old, &mut Outcome::default(), &mut |_| {})?;
        }
        Ok(old)
    }

    /// The objects with a pointer, as they go into `step`, by where it leads.
    fn all_referrers(&self, step: usize, of: &Pointer) -> Referrers {
        let width = usize::from(self.setting().machine.pointer_size());
        let map = &self.maps[step];
        let (part, length) = (of.part.0 as usize, of.part.1 as usize);
        let mut referrers = BTreeMap::<u64, Vec<Referrer>>::new();
        for object in map.whole_of_type(of.ty) {
            let Ok(old) = self.before(step, object) else {
                continue;
            };
            let start = of.at as usize;
            if let Some(pointer) = old.bytes.get(start..start + width) {
                let part = old.bytes.iter().skip(part).take(length);
                let referrer = Referrer {
                    object,
                    part: part.copied().collect(),
                };
                let all = referrers.entry(little_endian(pointer)).or_default();
                all.push(referrer);
            }
        }
        let shared = |(to, all): (u64, Vec<Referrer>)| (to, all.into());
        referrers.into_iter().map(shared).collect()
    }

    /// Takes one object through `step`; `restored` is called with every entry of the image's
    /// remainder that is put back. Nothing is left of an object that is not whole afterwards.
    ///
    /// What a step has made is as every other step between layouts that have the type alike makes it, so
    /// that it is left as it is (see [`settled`]), unless something was put back since.
    pub(crate) fn step(
        &self,
        step: usize,
        id: ObjectId,
        object: &mut Old,
        outcome: &mut Outcome,
        restored: &mut dyn FnMut(usize),
    ) -> Result<(), ImageError> {
        let map = &self.maps[step];
        let described = (&self.rules[step], self.number(step));
        // Later steps may make more objects than this one knows.
        let standing = map.standing(id).unwrap_or((Standing::Gone, Standing::Gone));
        let namer = Objects { steps: self, step };
        let mut new = std::mem::take(&mut object.spare);
        new.clear();
        outcome.slots.clear();
        match standing {
            (Standing::Whole, Standing::Whole) if object.is_made && self.is_settled(step, id) => {
                std::mem::swap(&mut new, &mut object.bytes);
                std::mem::swap(&mut outcome.slots, &mut object.slots);
            }
            (Standing::Whole, Standing::Whole) => {
                let slots = &object.slots;
                let mut context = Context::new(described, map, id, slots, &namer, outcome);
                self.one_object(step, &mut context, id, &object.bytes, &mut new);
                if map.is_left_over(id) {
                    context.no_container();
                }
            }
            (_, Standing::Whole) => {
                if let Some(link) = map.changes.made.get(&id) {
                    let old = self.before(step, link.owner)?;
                    let slots = &old.slots;
                    let mut context =
                        Context::new(described, map, link.owner, slots, &namer, outcome).into(id);
                    self.part(step, &mut context, id, link, &old.bytes, &mut new);
                }
            }
            _ => {}
        }
        object.spare = std::mem::replace(&mut object.bytes, new);
        object.is_made = true;
        std::mem::swap(&mut object.slots, &mut outcome.slots);
        object.slots.sort_unstable_by_key(|slot| slot.offset);
        // To go on is no way back, even to a kernel with the same layout: what was kept stays kept.
        let head = self.image.head();
        if standing.1.is_whole() {
            for index in self.kept_of(id) {
                let entry = &head.remainder[*index];
                let stood_here = head.kept_on(entry).is_release(&self.kernels[step]);
                if stood_here && restore(entry, &mut object.bytes) {
                    restore_name(entry, head, &mut object.slots);
                    restored(*index);
                    object.is_made = false;
                }
            }
        }
        Ok(())
    }

    /// Whether `step` leaves an object as the step before has made it.
    fn is_settled(&self, step: usize, id: ObjectId) -> bool {
        let map = &self.maps[step];
        self.settled[step][map.object(id).ty.0 as usize] && !map.is_left_over(id)
    }

    /// Takes one object from `old` to `new` through one converter.
    fn one_object(
        &self,
        step: usize,
        context: &mut Context<'_>,
        id: ObjectId,
        old: &[u8],
        new: &mut Vec<u8>,
    ) {
        let map = &self.maps[step];
        let (ty, object) = (map.ty(id), map.object(id));
        let count = object.count;
        let Some(convert) = self.function(step, object) else {
            return;
        };
        let (from, to) = (ty.from_size as usize, ty.to_size as usize);
        let whole = match ty.open {
            true => whole(old, from),
            false => Cow::Borrowed(old),
        };
        let new_size = map.new_size(id) as usize;
        new.clear();
        new.resize(new_size.max(count as usize * to), 0);
        let object = At::object();
        for index in 0..count as usize {
            let element;
            let at = if count == 1 {
                &object
            } else {
                element = object.index(index, from, to);
                &element
            };
            let old = &whole[index * from..(index + 1) * from];
            convert.call(context, at, old, &mut new[index * to..(index + 1) * to]);
            context.keep_padding(at, old, ty.padding);
        }
        if let Some(part) = ty.part_behind() {
            self.part_behind(step, context, id, part, old, new);
        }
        if let Some(tail) = map.tail(id)
            && let Some(convert) = self.chain[step].function(tail.element.name)
        {
            elements(context, convert, tail, old, new);
        }
        if ty.open {
            new.truncate(new_size);
            copy_behind((old, from), (new, to));
        }
    }

    /// What the object `id` has as a part under one layout and right behind it under the other: makes
    /// the part, or keeps what there is of it where there is no object for it.
    fn part_behind(
        &self,
        step: usize,
        context: &mut Context<'_>,
        id: ObjectId,
        part: &Part,
        old: &[u8],
        new: &mut [u8],
    ) {
        let map = &self.maps[step];
        let object = At::object();
        match part.kind {
            PartKind::Made if map.changes.of(id, part.kind, part.from).is_some() => {}
            PartKind::Made => {
                let left = old.get(part.from as usize..).unwrap_or_default();
                if left.iter().any(|byte| *byte != 0) {
                    context.keep(&object.field(part.field, part.from as usize, 0), left);
                }
            }
            PartKind::Folded => {
                let at = object.field(part.field, 0, part.to as usize);
                match map.changes.of(id, part.kind, part.to) {
                    Some(folded) => context.fold_behind(&at, folded, new),
                    None if map.changes.missing.contains(&id) => context.not_behind(&at, part.ty),
                    None => {}
                }
            }
        }
    }

    /// Makes the object `id` of a part of another, whose old bytes are `owner`.
    fn part(
        &self,
        step: usize,
        context: &mut Context<'_>,
        id: ObjectId,
        link: &Link,
        owner: &[u8],
        new: &mut Vec<u8>,
    ) {
        let map = &self.maps[step];
        let ty = map.ty(id);
        let start = link.from as usize;
        let (from, to) = (ty.from_size as usize, ty.to_size as usize);
        let old = match ty.open {
            true => owner.get(start..),
            false => owner.get(start..start + from),
        };
        let (Some(convert), Some(old)) = (self.function(step, map.object(id)), old) else {
            return;
        };
        let whole = whole(old, from);
        let new_size = map.new_size(id) as usize;
        new.resize(new_size.max(to), 0);
        let object = At::object();
        let at = object.field(link.part.field, start, 0);
        convert.call(context, &at, &whole[..from], &mut new[..to]);
        context.keep_padding(&at, &whole, ty.padding);
        if ty.open {
            new.truncate(new_size);
            copy_behind((old, from), (new, to));
        }
    }
}

/// The kernels that the steps of `chain` lead to, the last to `target`. On the way the image goes
/// through the kernel with that layout that it has been on last, so that what was kept there is put
/// back; through the one that the step is named after if it has been on none.
fn kernels(head: &Head, chain: &[&'static Converter], target: &KernelId) -> Vec<KernelId> {
    let on_the_way = |converter: &&'static Converter| {
        let node = converter.to;
        let been = head.last_on(node.layout, node.fingerprint);
        been.cloned().unwrap_or_else(|| KernelId {
            release: node.release.to_owned(),
            layout: node.layout.to_owned(),
            fingerprint: node.fingerprint,
            build_id: Vec::new(),
        })
    };
    let mut kernels: Vec<KernelId> = chain.iter().map(on_the_way).collect();
    if let Some(last) = kernels.last_mut() {
        last.clone_from(target);
    }
    kernels
}

/// What converts one value of each of `types`.
fn of_types(converter: &Converter, types: &[String]) -> Vec<Option<Function>> {
    types.iter().map(|ty| converter.function(ty)).collect()
}

/// Types whose objects come out of a step as they came out of the one before: both layouts have the type alike, so that
/// what is reset, named and kept of it was so then; and no pointer at anything leads elsewhere than before, because
/// every object stays where it is and every place in it where it was.
fn settled(converter: &Converter, types: &[String], map: &Map) -> Vec<bool> {
    let mut is_there = vec![false; types.len()];
    for ty in map.types() {
        is_there[ty.0 as usize] = true;
    }
    let there = types.iter().zip(is_there).filter(|(_, there)| *there);
    let is_still = map.is_still() && there.into_iter().all(|(ty, _)| converter.keeps_places(ty));
    let is_settled = |ty: &String| is_still && converter.is_carried(ty);
    types.iter().map(is_settled).collect()
}

/// What the objects say of their own length.
fn lengths(image: &Image, chain: &[&'static Converter]) -> Result<Lengths, ConvertError> {
    let head = image.head();
    let mut lengths = Lengths::default();
    let Some(converter) = chain.first() else {
        return Ok(lengths);
    };
    let types: Vec<_> = head.types.iter().map(|name| converter.find(name)).collect();
    let mut bytes = Vec::new();
    for (object, id) in head.objects.iter().zip((0..).map(ObjectId)) {
        let Some(ty) = types[object.ty.0 as usize] else {
            continue;
        };
        // One that has its part right behind it ends where its type does.
        let is_exact = |part: &Part| part.kind == PartKind::Folded;
        if ty.open && !ty.part_behind().is_some_and(is_exact) {
            let surplus = i128::from(object.size) - i128::from(ty.from_size);
            // More than any object has does not pass the check of its size.
            let surplus = i64::try_from(surplus).unwrap_or(0);
            lengths.surplus.insert(id, surplus);
        }
        let Some(tail) = ty.tail else {
            continue;
        };
        image.read_object(id, &mut bytes)?;
        let end = tail.count.offset + tail.count.len;
        if bytes.len() as u64 * 8 >= u64::from(end) {
            let count = bits::get(&bytes, tail.count.offset, tail.count.len, false);
            // More than any object can have do not pass the check of its size.
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            let elements = count.saturating_add(u64::from(tail.add));
            lengths.elements.insert(id, elements);
        }
    }
    Ok(lengths)
}

/// Takes the flexible array at the end of an object from `old` to `new`.
fn elements(
    context: &mut Context<'_>,
    convert: Function,
    tail: PlacedTail,
    old: &[u8],
    new: &mut [u8],
) {
    let ty = tail.element;
    let (from, to) = (ty.from_size as usize, ty.to_size as usize);
    let starts = (tail.at.from as usize, tail.at.to as usize);
    let object = At::object();
    let array = object.field(tail.at.field, starts.0, starts.1);
    // The size of the object was held against the number of elements.
    let count = tail.elements as usize;
    let each = old[starts.0..].chunks_exact(from).take(count);
    let new = new[starts.1..].chunks_exact_mut(to);
    for (index, (old, new)) in each.zip(new).enumerate() {
        let at = array.index(index, from, to);
        convert.call(context, &at, old, new);
        context.keep_padding(&at, old, ty.padding);
    }
    // What `sizeof` has beyond the last element, which fills up to the alignment of the type.
    let end = starts.0 + count * from;
    if end < old.len() {
        let rest = Bits {
            offset: 8 * end as u32,
            len: 8 * (old.len() - end) as u32,
        };
        context.keep_padding(&object, old, &[rest]);
    }
}

/// Puts a kept value back. Returns false if the object has no such place, which only an image
/// that was tampered with can have.
fn restore(entry: &Remainder, bytes: &mut [u8]) -> bool {
    let start = entry.offset as usize;
    let Some(place) = bytes.get_mut(start..start + entry.bytes.len()) else {
        return false;
    };
    for ((byte, kept), mask) in place.iter_mut().zip(&entry.bytes).zip(&entry.mask) {
        *byte = (*byte & !mask) | (kept & mask);
    }
    true
}

/// The name that a pointer put back has, where the conversion has written a symbol: that of its
/// number on the kernel of the freeze, or none.
fn restore_name(entry: &Remainder, head: &Head, slots: &mut Vec<Slot>) {
    let width = usize::from(head.identity.machine.pointer_size());
    let is_symbol = |slot: &Slot| matches!(slot.target, SlotTarget::Symbol(_));
    let here = slots
        .iter()
        .position(|slot| slot.offset == entry.offset && is_symbol(slot));
    let Some(index) = here.filter(|_| entry.bytes.len() == width) else {
        return;
    };
    let bytes = entry.bytes.iter().rev();
    let number = bytes.fold(0, |number, byte| number << 8 | u64::from(*byte));
    let named = |symbol: &Symbol| number != 0 && symbol.origin.0 == number;
    match head.symbols.iter().position(named) {
        Some(symbol) => slots[index].target = SlotTarget::Symbol(SymbolId(symbol as u32)),
        None => drop(slots.remove(index)),
    }
}

/// The objects of an image, on their way into a step.
struct Objects<'a> {
    steps: &'a Steps<'a>,
    step: usize,
}

impl Namer for Objects<'_> {
    fn task(&self, object: ObjectId) -> Option<TaskName> {
        let owner = self.steps.maps[self.step].object(object).owner;
        let tasks = &self.steps.names.tasks;
        let index = tasks.binary_search_by_key(&owner, |task| task.0);
        index.ok().map(|index| {
            let (_, pid, comm) = &tasks[index];
            TaskName {
                pid: i64::from(*pid),
                comm: comm.clone(),
            }
        })
    }

    fn object(&self, object: ObjectId) -> String {
        let head = self.steps.image.head();
        let object = match head.objects.get(object.0 as usize) {
            Some(object) => object,
            // It was made on the way, and lies where the step before has put it.
            None => self.steps.maps[self.step].object(object),
        };
        let name = self.steps.setting().type_name(object);
        format!("{name} at {}", object.address)
    }

    fn convert(
        &self,
        context: &mut Context<'_>,
        object: ObjectId,
        at: &At<'_>,
        old: &[u8],
        new: &mut [u8],
    ) {
        let object = self.steps.maps[self.step].object(object);
        if let Some(convert) = self.steps.function(self.step, object) {
            convert.call(context, at, old, new);
        }
    }

    fn symbols(&self) -> &[Symbol] {
        &self.steps.image.head().symbols
    }

    fn referrers(&self, pointer: &Pointer, address: u64) -> Rc<[Referrer]> {
        let known = |known: &Referrers| known.get(&address).cloned().unwrap_or_default();
        let place = (self.step, pointer.clone());
        if let Some(all) = self.steps.referrers.borrow().get(&place) {
            return known(all);
        }
        // Objects are converted for this, whose functions may ask the same.
        let all = self.steps.all_referrers(self.step, pointer);
        let found = known(&all);
        self.steps.referrers.borrow_mut().insert(place, all);
        found
    }

    fn old(&self, object: ObjectId) -> Option<Old> {
        self.steps.before(self.step, object).ok()
    }
}
