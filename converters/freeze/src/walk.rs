//! The walk: from the roots of the state map to every object that the tasks own.
//!
//! Order of the objects: first the tasks, in the order of the ring they are on; then, task by
//! task, what was first reached through it, breadth first, pointers of one object in the order of
//! their declaration, elements of its lists and trees after those, derived objects last. The order
//! depends on nothing but the memory read, so that two freezes of one memory give the same image.
//!
//! Objects never overlap. A pointer that leads into an object found before, at a part of the
//! right type, makes no object: `files_struct.fd` leads to `fd_array` inside most of the time.
//!
//! Whatever the memory holds, the walk ends: every object is read once, and the number of
//! objects, of tasks and of array elements has a limit.

mod alive;
mod containers;
mod maple;
mod roots;
mod sizes;
#[cfg(test)]
mod tests;

pub use roots::Selection;
pub(crate) use roots::{TaskAddress, task_addresses};

use crate::error::{Fault, Finding, Flaw, Place};
use crate::memory::{Memory, View, readable};
use crate::places::{self, SavedType, SavedTypes, Shape, holds};
use crate::source::{Mapping, ReadError, Space};
use kconv_image::{KernelAddr, TaskName};
use kconv_objects::{FieldAt, FieldError, Structure};
use kernel_structs::state::{Derived, DerivedPlace, Follow, Policy, StateMap};
use kernel_structs_bits::little_endian;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

/// The most tasks there can be: `PID_MAX_LIMIT` of 64-bit kernels (`include/linux/threads.h`).
const MAX_TASKS: usize = 1 << 22;

/// The most elements an array can have: `NR_OPEN`, the most descriptors a process can have
/// (`include/linux/fs.h`), and more than anything else has.
const MAX_ELEMENTS: u64 = 1 << 20;

/// The most objects that are saved.
const MAX_OBJECTS: usize = 1 << 24;

/// An object that was reached.
pub(crate) struct Saved {
    /// Index of its type.
    pub(crate) ty: usize,
    pub(crate) count: u32,
    pub(crate) at: KernelAddr,
    /// Index of the task through which it was first reached.
    pub(crate) owner: usize,
    pub(crate) bytes: Vec<u8>,
}

/// What the walk found.
pub(crate) struct Walked<'a> {
    pub(crate) memory: Memory<'a>,
    pub(crate) map: &'a StateMap,
    pub(crate) types: SavedTypes<'a>,
    pub(crate) objects: Vec<Saved>,
    /// How many of the objects, from the first on, are tasks.
    pub(crate) tasks: usize,
    by_address: BTreeMap<KernelAddr, usize>,
    /// The objects of each type, in their order.
    by_type: BTreeMap<usize, Vec<usize>>,
    /// Arrays inside other objects whose elements were looked at: address, type, number.
    inside: BTreeSet<(KernelAddr, usize, u32)>,
    pub(crate) findings: Vec<Finding>,
}

/// Values side by side in an object: the whole of it, or an array inside.
struct Span {
    object: usize,
    /// Where in the object, in bytes.
    start: u64,
    ty: usize,
    count: u32,
}

/// Walks from the roots of `map` that `selection` takes.
pub(crate) fn walk<'a>(memory: Memory<'a>, map: &'a StateMap, selection: &Selection) -> Walked<'a> {
    let mut walked = Walked::new(memory, map);
    if let Err(finding) = walked.roots(selection) {
        walked.findings.push(*finding);
        return walked;
    }
    walked.tasks = walked.objects.len();
    for task in 0..walked.tasks {
        walked.reach_from(task);
    }
    walked
}

impl<'a> Walked<'a> {
    fn new(memory: Memory<'a>, map: &'a StateMap) -> Walked<'a> {
        Walked {
            memory,
            map,
            types: SavedTypes::new(memory.layout(), map),
            objects: Vec::new(),
            tasks: 0,
            by_address: BTreeMap::new(),
            by_type: BTreeMap::new(),
            inside: BTreeSet::new(),
            findings: Vec::new(),
        }
    }

    /// Whether a signal came for one of the tasks since it was read. Timers go on while their tasks stand still: one
    /// that was read later would be one that has expired, and its signal would be nowhere.
    pub(crate) fn signals_came(&self) -> bool {
        let waiting = [
            ("task_struct", "pending"),
            ("signal_struct", "shared_pending"),
        ];
        waiting.into_iter().any(|(ty, field)| {
            self.objects_of(ty).any(|object| {
                let was = self.view(object).ok().and_then(|view| {
                    let was = view.bytes(field).ok()?.to_vec();
                    Some((view.address_of(field).ok()?, was))
                });
                was.is_some_and(|(at, was)| {
                    let is = self.memory.bytes(at, was.len() as u64);
                    is.is_ok_and(|is| is[..] != was[..])
                })
            })
        })
    }

    /// Everything that is first reached through `task`.
    fn reach_from(&mut self, task: usize) {
        let mut queue = VecDeque::from([self.whole(task)]);
        while let Some(span) = queue.pop_front() {
            let ty = self.types.get(span.ty);
            for index in 0..span.count {
                let start = span.start + u64::from(index) * ty.size;
                let bytes = self.objects[span.object].bytes.get(start as usize..);
                for (offset, place) in ty.places_in(bytes.unwrap_or_default()) {
                    if let Policy::Follow(follow) = &place.rule.policy {
                        let at = Pointer {
                            span: &span,
                            index,
                            start: start + offset - place.offset,
                            ty: &ty,
                            place,
                        };
                        let found = self.follow(&at, follow, task);
                        self.enqueue(found, &mut queue, |walked, value| {
                            walked.place(span.object, at.path(), value)
                        });
                    }
                }
            }
            for index in 0..span.count {
                for head in &ty.containers {
                    let start = span.start + u64::from(index) * ty.size;
                    self.contents(&span, start, head, task, &mut queue);
                }
            }
            let (map, layout) = (self.map, self.memory.layout());
            for derived in map
                .derived
                .iter()
                .filter(|derived| derived.owner == ty.name && derived.holds(layout))
            {
                let found = self.derive(&span, derived, task);
                self.enqueue(found, &mut queue, |walked, _| {
                    walked.place(span.object, derived.when.clone(), None)
                });
            }
        }
    }

    fn enqueue(
        &mut self,
        found: Result<Option<Span>, (Option<u64>, Flaw)>,
        queue: &mut VecDeque<Span>,
        place: impl Fn(&Self, Option<u64>) -> Place,
    ) {
        match found {
            Ok(span) => queue.extend(span),
            Err((value, flaw)) => {
                let place = place(self, value);
                self.findings.push(Finding { place, flaw });
            }
        }
    }

    /// What a pointer leads to, if that was not found before. An error comes with the value of
    /// the field at fault.
    fn follow(
        &mut self,
        pointer: &Pointer<'_, 'a>,
        follow: &Follow,
        task: usize,
    ) -> Result<Option<Span>, (Option<u64>, Flaw)> {
        let word = self.memory.layout().target().pointer_size;
        let value = self
            .number(
                pointer.span.object,
                pointer.start + pointer.place.offset,
                word,
                &pointer.place.path,
            )
            .map_err(|error| (None, Fault::from(error).into()))?;
        let failed = |flaw| (Some(value), flaw);
        if value == 0 {
            return Ok(None);
        }
        let (ty, count) = match &follow.element {
            Some(element) => {
                let ty = self.types.find(element).map_err(|bad| failed(bad.flaw))?;
                let count = self
                    .count(pointer, follow, self.types.get(ty).size)
                    .map_err(failed)?;
                (ty, count)
            }
            None => {
                let saved =
                    |name: &&String| self.map.types.get(*name).is_some_and(|entry| entry.saved);
                let target = &pointer.place.target;
                let name = target.iter().find(saved).ok_or_else(|| {
                    let ty = target.first().map_or("it", String::as_str).to_owned();
                    failed(Flaw::NotSaved { ty })
                })?;
                (self.types.find(name).map_err(|bad| failed(bad.flaw))?, 1)
            }
        };
        if count == 0 {
            return Ok(None);
        }
        let at = KernelAddr(value);
        // A type that leads to itself is a list, and an object is on a list once.
        if ty == pointer.span.ty && self.by_address.contains_key(&at) {
            return Err(failed(Flaw::Loop));
        }
        self.reach(ty, count, at, task).map_err(failed)
    }

    /// The object that `derived` says belongs to the object that `span` is.
    fn derive(
        &mut self,
        span: &Span,
        derived: &Derived,
        task: usize,
    ) -> Result<Option<Span>, (Option<u64>, Flaw)> {
        let nothing = |flaw| (None, flaw);
        let failed = |error: FieldError| nothing(error.into());
        let owner = self.view(span.object);
        let owner = owner.map_err(|fault| nothing(fault.into()))?;
        if owner.unsigned(&derived.when).map_err(failed)? == 0 {
            return Ok(None);
        }
        let (base, end) = match &derived.place {
            DerivedPlace::Ends { base: None, end } => (owner.at(), Some(*end)),
            DerivedPlace::Ends {
                base: Some(base),
                end,
            } => (
                KernelAddr(owner.unsigned(base).map_err(failed)?),
                Some(*end),
            ),
            DerivedPlace::Behind => (owner.at(), None),
        };
        let ty = self
            .types
            .find(&derived.ty)
            .map_err(|bad| nothing(bad.flaw))?;
        // What ends somewhere begins its size before; what lies behind begins where its owner ends.
        let (reach, back) = match end {
            Some(end) => (end, self.types.get(ty).size),
            None => (self.types.get(span.ty).size, 0),
        };
        let past = ReadError::Missing {
            at: base,
            size: reach,
        };
        let at = base
            .checked_add(reach)
            .and_then(|end| end.0.checked_sub(back));
        let at = at.ok_or_else(|| nothing(Fault::from(past).into()))?;
        self.reach(ty, 1, KernelAddr(at), task).map_err(nothing)
    }

    /// `count` values of type `ty` at `at`: an object read now, an array inside one, or nothing
    /// that was not found before.
    fn reach(
        &mut self,
        ty: usize,
        count: u32,
        at: KernelAddr,
        task: usize,
    ) -> Result<Option<Span>, Flaw> {
        let wanted = self.types.get(ty);
        let size = self.size(&wanted, count, at)?;
        let overlap = |other: &Saved, types: &SavedTypes<'_>| Flaw::Overlap {
            ty: wanted.name.clone(),
            size,
            other: types.get(other.ty).name.clone(),
            at: other.at,
        };
        if let Some((start, number)) = self.by_address.range(..=at).next_back() {
            let (start, number) = (*start, *number);
            let other = &self.objects[number];
            let offset = at.0 - start.0;
            if offset == 0 && other.ty == ty && other.count == count {
                return Ok(None);
            }
            if offset < other.bytes.len() as u64 {
                if !self.is_inside(other, offset, &wanted, wanted.size * u64::from(count)) {
                    return Err(overlap(other, &self.types));
                }
                let new = self.inside.insert((at, ty, count));
                return Ok(new.then_some(Span {
                    object: number,
                    start: offset,
                    ty,
                    count,
                }));
            }
        }
        let end = at
            .checked_add(size)
            .ok_or(ReadError::Missing { at, size })
            .map_err(Fault::from)?;
        if let Some((_, number)) = self.by_address.range(at..end).next() {
            return Err(overlap(&self.objects[*number], &self.types));
        }
        self.add(ty, count, at, task)?;
        Ok(Some(self.whole(self.objects.len() - 1)))
    }

    /// Whether `size` bytes of `wanted` are part of the object `other`, `offset` bytes in.
    fn is_inside(&self, other: &Saved, offset: u64, wanted: &SavedType<'_>, size: u64) -> bool {
        let ty = self.types.get(other.ty);
        match ty.shape {
            Shape::Named(id) => holds(self.memory.layout(), id, offset % ty.size, wanted, size),
            _ => false,
        }
    }

    /// Reads an object that was not found before.
    fn add(&mut self, ty: usize, count: u32, at: KernelAddr, owner: usize) -> Result<(), Flaw> {
        if self.objects.len() >= MAX_OBJECTS {
            return Err(Flaw::TooManyObjects { limit: MAX_OBJECTS });
        }
        let bytes = self.bytes(ty, count, at)?;
        self.push(ty, count, at, owner, bytes);
        Ok(())
    }

    fn push(&mut self, ty: usize, count: u32, at: KernelAddr, owner: usize, bytes: Vec<u8>) {
        let number = self.objects.len();
        self.by_address.insert(at, number);
        self.by_type.entry(ty).or_default().push(number);
        self.objects.push(Saved {
            ty,
            count,
            at,
            owner,
            bytes,
        });
    }

    fn whole(&self, object: usize) -> Span {
        let Saved { ty, count, .. } = self.objects[object];
        Span {
            object,
            start: 0,
            ty,
            count,
        }
    }

    /// The number of `width` bytes at `offset` of an object, the field at `path` of its type. An object can
    /// be shorter than its type: its allocation ends where what this CPU needs does.
    pub(crate) fn number(
        &self,
        object: usize,
        offset: u64,
        width: u8,
        path: &str,
    ) -> Result<u64, FieldError> {
        let saved = &self.objects[object];
        let end = offset.saturating_add(u64::from(width));
        let bytes = saved.bytes.get(offset as usize..end as usize);
        let past_end = || FieldError::PastEnd {
            field: Box::new(FieldAt {
                ty: self.types.get(saved.ty).name.clone(),
                path: path.to_owned(),
                at: Some(saved.at),
            }),
            found: saved.bytes.len() as u64,
            expected: end,
        };
        bytes.map(little_endian).ok_or_else(past_end)
    }

    /// The bytes of `count` values of type `ty` at `at`, without what in them is not alive.
    fn bytes(&self, ty: usize, count: u32, at: KernelAddr) -> Result<Vec<u8>, Flaw> {
        let ty = self.types.get(ty);
        let size = self.size(&ty, count, at)?;
        let mut bytes = self.memory.bytes(at, size)?;
        for (index, value) in bytes.chunks_mut(ty.size as usize).enumerate() {
            if index >= count as usize {
                break;
            }
            let at = KernelAddr(at.0 + index as u64 * ty.size);
            alive::apply(&ty.edits, self.memory, at, value)?;
        }
        Ok(bytes)
    }

    /// The object, which is a structure, for reading.
    pub(crate) fn view(&self, object: usize) -> Result<View<'_>, Fault> {
        let saved = &self.objects[object];
        self.memory
            .view(&self.types.get(saved.ty).name, saved.at, &saved.bytes)
    }

    /// The structure that `place` is a member of, in the value that begins `start` bytes into `object`.
    pub(crate) fn around(
        &self,
        object: usize,
        start: u64,
        place: &places::Place<'_>,
    ) -> Result<View<'_>, Fault> {
        let (owner, base) = place.owner.ok_or_else(|| FieldError::NoType {
            ty: "that the elements of an array of pointers are members of".to_owned(),
        })?;
        let saved = &self.objects[object];
        let (at, size) = (saved.at, start.saturating_add(base));
        let at = at
            .checked_add(size)
            .ok_or(ReadError::Missing { at, size })?;
        let bytes = saved.bytes.get(size as usize..).unwrap_or_default();
        let bytes = Cow::Borrowed(bytes);
        Ok(Structure::new(self.memory.names, owner, at, bytes))
    }

    /// The object that begins at `at`, if it is a structure of type `ty`.
    pub(crate) fn object_at(&self, ty: &str, at: KernelAddr) -> Option<usize> {
        let number = *self.by_address.get(&at)?;
        (self.types.get(self.objects[number].ty).name == ty).then_some(number)
    }

    /// The object of type `ty` that begins where `object` ends.
    pub(crate) fn right_behind(&self, object: usize, ty: &str) -> Option<usize> {
        let saved = &self.objects[object];
        let end = saved.at.checked_add(saved.bytes.len() as u64)?;
        self.object_at(ty, end)
    }

    /// The objects of type `ty`, in their order.
    pub(crate) fn objects_of(&self, ty: &str) -> impl Iterator<Item = usize> + '_ {
        let of_type = self.types.known(ty).and_then(|ty| self.by_type.get(&ty));
        of_type.into_iter().flatten().copied()
    }

    /// The task in whose memory, kernel stack included, `at` lies.
    pub(crate) fn task_around(&self, at: KernelAddr) -> Option<usize> {
        (0..self.tasks).find(|task| {
            let saved = &self.objects[*task];
            let name = &self.types.get(saved.ty).name;
            let extent = self.map.types.get(name).and_then(|entry| entry.extent);
            let size = extent.unwrap_or(saved.bytes.len() as u64);
            at.0.checked_sub(saved.at.0)
                .is_some_and(|offset| offset < size)
        })
    }

    /// The address space of the `mm_struct` that is object `mm`, with `mappings` in it.
    pub(crate) fn space<'m>(&self, mm: usize, mappings: &'m [Mapping]) -> Space<'m> {
        let owner = self.view(self.objects[mm].owner);
        // A process whose first thread has ended is known by the others.
        let process = owner.and_then(|task| Ok(task.signed("pid")?));
        let tables = self.view(mm).and_then(|mm| Ok(mm.pointer("pgd")?));
        Space {
            mm: self.objects[mm].at,
            process: process.unwrap_or(0),
            page_tables: tables.unwrap_or(None),
            mappings,
        }
    }

    /// The field `field` of `object`, for a finding.
    pub(crate) fn place(&self, object: usize, field: String, value: Option<u64>) -> Place {
        let saved = &self.objects[object];
        Place {
            task: self.task_name(saved.owner),
            ty: self.types.get(saved.ty).name.clone(),
            at: Some(saved.at),
            field,
            value,
        }
    }

    fn task_name(&self, task: usize) -> Option<TaskName> {
        name_of(&self.view(task).ok()?)
    }
}

/// The task that `view` is of.
pub(crate) fn name_of(view: &View<'_>) -> Option<TaskName> {
    Some(TaskName {
        pid: view.signed("pid").ok()?,
        comm: readable(view.text("comm").ok()?),
    })
}

/// A pointer that is followed.
struct Pointer<'s, 'a> {
    span: &'s Span,
    /// Which of the values of the span it is in.
    index: u32,
    /// Where that value begins in the object.
    start: u64,
    ty: &'s Rc<SavedType<'a>>,
    place: &'s places::Place<'a>,
}

impl Pointer<'_, '_> {
    /// The way to it from the values of the span.
    fn path(&self) -> String {
        let path = &self.place.path;
        match &self.ty.shape {
            Shape::Named(_) if self.span.count == 1 => path.clone(),
            Shape::Named(_) => format!("[{}].{path}", self.index),
            _ => format!("[{}]", self.index),
        }
    }
}
