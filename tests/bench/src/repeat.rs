//! Images of any number of tasks, out of one.
//!
//! The objects of an image are repeated, each copy at addresses of its own. Pointers between the objects of one copy
//! move along with it, so that a copy is as sound as what it is a copy of; symbols stay what they are, and so do
//! resources, which many tasks share on a machine as well, but for those that name objects. Each copy has pages of
//! its own. Numbers are not changed: a pid is that of one task in each copy.
//!
//! Memory: one copy, and what the writer of images keeps of all of them, which is the head.

mod moves;
mod words;

use kconv_image::{
    AddressSpace, Contents, Head, Image, ImageError, ImageWriter, KernelAddr, Object, ObjectId,
    PAGE_SIZE, PageOf, PageRun, PageSource, Resource, ResourceId, Slot, SlotTarget, Value,
    WriteError,
};
use kernel_structs::layout::Layout;
use kernel_structs::state::StateMap;
use moves::{Block, Moves};
use std::io;
use std::num::NonZeroU32;
use std::path::Path;
use words::{Edge, Words};

/// Why an image cannot be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The new one cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// An image that was converted: its objects lie where the sizes of others have put them, and say so of two
    /// kernels.
    #[error("it has been converted; repeat the image of the freeze")]
    Converted,
    /// There is no task in it.
    #[error("it has no task")]
    NoTask,
    /// More objects, or resources, than the format can number.
    #[error("{copies} copies have more objects or resources than an image can number")]
    TooMany {
        /// How many copies were asked for.
        copies: u32,
    },
    /// The addresses of the machine do not suffice.
    #[error(
        "{copies} copies of {bytes} bytes of kernel memory each are more than the machine can address"
    )]
    NoRoom {
        /// How many copies were asked for.
        copies: u32,
        /// What one of them takes, in bytes.
        bytes: u64,
    },
}

/// What the objects of an image mean.
#[derive(Copy, Clone)]
pub struct Meaning<'m> {
    /// The layout that they have.
    pub layout: &'m Layout,
    /// The state map of their family.
    pub map: &'m StateMap,
}

impl Meaning<'_> {
    /// How many tasks an image has: objects of the type that the state map begins with.
    pub fn tasks(&self, head: &Head) -> u64 {
        let root = self.map.roots.first().map(|root| root.ty.as_str());
        let objects = head.objects.iter();
        let tasks = objects.filter(|object| Some(head.type_name(object)) == root);
        tasks.count() as u64
    }

    /// How many copies of an image have `tasks` tasks or, where these are no whole copies, a few more.
    ///
    /// # Errors
    /// If it has none, or would be of more objects than can be numbered.
    pub fn copies(&self, head: &Head, tasks: u64) -> Result<NonZeroU32, RepeatError> {
        let each = self.tasks(head);
        if each == 0 {
            return Err(RepeatError::NoTask);
        }
        let copies = tasks.max(1).div_ceil(each);
        let copies = u32::try_from(copies).ok().and_then(NonZeroU32::new);
        copies.ok_or(RepeatError::TooMany { copies: u32::MAX })
    }
}

/// Writes an image of so many copies of the objects of `image` to `to`. The first of them is at the addresses that
/// these have, so that an image of one copy is the image itself.
///
/// # Errors
/// [`RepeatError`]
pub fn repeat(
    image: &Image,
    meaning: Meaning<'_>,
    copies: NonZeroU32,
    to: &Path,
) -> Result<(), RepeatError> {
    let head = image.head();
    let is_part = head.objects.iter().any(|object| object.part_of.is_some());
    if is_part || !head.provenance.is_empty() || !head.remainder.is_empty() {
        return Err(RepeatError::Converted);
    }
    let moves = moves(head, meaning, copies)?;
    let mut copy = OneCopy::read(image, meaning, &moves)?;
    let pages = Pages::of(head);
    let repeated = repeated(head, &moves, pages, copies)?;

    let machine = head.identity.machine;
    let mut writer = ImageWriter::create(to, machine, &repeated.objects, repeated.page_index())?;
    for number in 0..copies.get() {
        if number > 0 {
            copy.move_to(moves.base(number));
        }
        for object in &copy.objects {
            writer.object(object)?;
        }
    }
    let each = head.objects.len() as u32;
    let mut next = |first: PageOf, into: &mut [u8]| read_pages(image, each, first, into);
    writer.finish(&repeated, PageSource::Stream(&mut next))?;
    Ok(())
}

/// Where the objects of each copy lie.
fn moves(head: &Head, meaning: Meaning<'_>, copies: NonZeroU32) -> Result<Moves, RepeatError> {
    let extent = |object: &Object| {
        let ty = meaning.layout.find(head.type_name(object))?;
        let entry = meaning.map.type_entry(&meaning.layout.names(ty))?;
        entry.extent
    };
    let blocks = head.objects.iter().map(|object| {
        let extent = extent(object);
        Block {
            start: object.address.0,
            bytes: extent.unwrap_or(0).max(object.size),
            // A kernel finds the task of a stack by the address alone.
            align: extent.unwrap_or(moves::ALIGN),
        }
    });
    Moves::new(blocks.collect(), head.identity.machine, copies)
}

/// The objects of one copy.
struct OneCopy {
    objects: Vec<Vec<u8>>,
    words: Vec<Word>,
    pointer_size: usize,
}

/// A pointer in one of the objects, into one of them.
struct Word {
    object: usize,
    at: usize,
    /// Where it leads to, in bytes from where a copy begins.
    to: u64,
}

impl OneCopy {
    /// The objects as they are.
    fn read(image: &Image, meaning: Meaning<'_>, moves: &Moves) -> Result<OneCopy, RepeatError> {
        let head = image.head();
        let pointer_size = usize::from(head.identity.machine.pointer_size());
        let of_types = Words::of_types(&head.types, meaning);
        let mut copy = OneCopy {
            objects: Vec::with_capacity(head.objects.len()),
            words: Vec::new(),
            pointer_size,
        };
        let mut objects = image.objects();
        while let Some((id, bytes)) = objects.next_object()? {
            let object = head.object(id);
            let words = &of_types[object.ty.0 as usize];
            words.each(object.count, bytes, |at, edge| {
                let Some(number) = bytes.get(at..at + pointer_size) else {
                    return;
                };
                let number = number.iter().rev();
                let number = number.fold(0, |number, byte| number << 8 | u64::from(*byte));
                let to = match edge {
                    Edge::Out => moves.inside(number),
                    Edge::In => moves.inside_or_behind(number, object.address.0),
                };
                if let Some(to) = to {
                    let object = id.0 as usize;
                    copy.words.push(Word { object, at, to });
                }
            });
            copy.objects.push(bytes.to_vec());
        }
        Ok(copy)
    }

    /// Has all pointers lead to where the objects lie if the copy begins at `base`.
    fn move_to(&mut self, base: u64) {
        for Word { object, at, to } in &self.words {
            let number = (base + to).to_le_bytes();
            let place = &mut self.objects[*object][*at..][..self.pointer_size];
            place.copy_from_slice(&number[..self.pointer_size]);
        }
    }
}

/// How the page area is laid out: pages of files come first and are there once, those of tasks once for each copy.
#[derive(Copy, Clone)]
struct Pages {
    /// Length of the pages of files, in bytes.
    of_files: u64,
    /// Length of the pages of the tasks of one copy, in bytes.
    of_tasks: u64,
}

impl Pages {
    fn of(head: &Head) -> Pages {
        let runs = head.contents.iter().flat_map(|contents| &contents.runs);
        let ends = runs.map(|run| run.position + run.pages * PAGE_SIZE);
        let of_files = ends.max().unwrap_or(0);
        Pages {
            of_files,
            of_tasks: (head.pages() * PAGE_SIZE).saturating_sub(of_files),
        }
    }

    fn position(self, copy: u32, position: u64) -> u64 {
        match position < self.of_files {
            true => position,
            false => position + u64::from(copy) * self.of_tasks,
        }
    }
}

/// The head of `copies` copies.
fn repeated(
    head: &Head,
    moves: &Moves,
    pages: Pages,
    copies: NonZeroU32,
) -> Result<Head, RepeatError> {
    let copies = copies.get();
    let numbers = Numbers::of(head, copies)?;
    let mut all = Head {
        // Lists of a million are not made twice.
        objects: Vec::with_capacity(head.objects.len() * copies as usize),
        slots: Vec::with_capacity(head.slots.len() * copies as usize),
        resources: head.resources.clone(),
        contents: head.contents.clone(),
        address_spaces: Vec::with_capacity(head.address_spaces.len() * copies as usize),
        core_notes: Vec::with_capacity(head.core_notes.len() * copies as usize),
        ..head.clone()
    };
    for copy in 0..copies {
        all.objects.extend(head.objects.iter().map(|object| {
            let address = match (copy, moves.inside(object.address.0)) {
                (0, _) | (_, None) => object.address,
                (copy, Some(inside)) => KernelAddr(moves.base(copy) + inside),
            };
            Object {
                address,
                home: address,
                owner: numbers.object(copy, object.owner),
                ..object.clone()
            }
        }));
        all.slots.extend(head.slots.iter().map(|slot| Slot {
            object: numbers.object(copy, slot.object),
            target: match slot.target {
                SlotTarget::Resource(id) => SlotTarget::Resource(numbers.resource(copy, id)),
                symbol @ SlotTarget::Symbol(_) => symbol,
            },
            ..*slot
        }));
        let spaces = head.address_spaces.iter();
        all.address_spaces.extend(spaces.map(|space| {
            AddressSpace {
                mm: numbers.object(copy, space.mm),
                runs: space
                    .runs
                    .iter()
                    .map(|run| PageRun {
                        position: pages.position(copy, run.position),
                        ..*run
                    })
                    .collect(),
            }
        }));
        all.core_notes.extend(head.core_notes.iter().cloned());
        if copy > 0 {
            let own = numbers.own.iter().map(|id| &head.resources[id.0 as usize]);
            all.resources.extend(own.map(|resource| {
                Resource {
                    attributes: resource
                        .attributes
                        .iter()
                        .map(|(name, value)| (name.clone(), numbers.value(copy, value)))
                        .collect(),
                    ..resource.clone()
                }
            }));
            let own = head.contents.iter();
            let own = own.filter(|contents| numbers.own.contains(&contents.resource));
            all.contents.extend(own.map(|contents| Contents {
                resource: numbers.resource(copy, contents.resource),
                ..contents.clone()
            }));
        }
    }
    Ok(all)
}

/// The numbers that objects and resources have in each copy.
struct Numbers {
    objects: u32,
    resources: u32,
    /// Resources that each copy has of its own, because they name objects, or resources that do.
    own: Vec<ResourceId>,
}

impl Numbers {
    fn of(head: &Head, copies: u32) -> Result<Numbers, RepeatError> {
        let too_many = RepeatError::TooMany { copies };
        let mut own: Vec<ResourceId> = Vec::new();
        loop {
            let ids = (0..).map(ResourceId).zip(&head.resources);
            let found = ids.filter(|(_, resource)| {
                let values = resource.attributes.iter();
                values.into_iter().any(|(_, value)| names_own(value, &own))
            });
            let found: Vec<ResourceId> = found.map(|(id, _)| id).collect();
            if found == own {
                break;
            }
            own = found;
        }
        let all = |each: usize| (each as u64).checked_mul(u64::from(copies));
        let objects = all(head.objects.len());
        let resources = all(own.len()).and_then(|all| all.checked_add(head.resources.len() as u64));
        match [objects, resources].map(|all| all.and_then(|all| u32::try_from(all).ok())) {
            [Some(_), Some(_)] => Ok(Numbers {
                objects: head.objects.len() as u32,
                resources: head.resources.len() as u32,
                own,
            }),
            _ => Err(too_many),
        }
    }

    fn object(&self, copy: u32, id: ObjectId) -> ObjectId {
        ObjectId(copy * self.objects + id.0)
    }

    fn resource(&self, copy: u32, id: ResourceId) -> ResourceId {
        match (copy, self.own.binary_search(&id)) {
            (0, _) | (_, Err(_)) => id,
            (copy, Ok(place)) => {
                let before = (copy - 1) * self.own.len() as u32;
                ResourceId(self.resources + before + place as u32)
            }
        }
    }

    fn value(&self, copy: u32, value: &Value) -> Value {
        match value {
            Value::Object(id) => Value::Object(self.object(copy, *id)),
            Value::Resource(id) => Value::Resource(self.resource(copy, *id)),
            Value::List(values) => {
                Value::List(values.iter().map(|value| self.value(copy, value)).collect())
            }
            Value::Unsigned(_) | Value::Signed(_) | Value::Text(_) | Value::Bytes(_) => {
                value.clone()
            }
        }
    }
}

/// Whether a value names an object, or one of these resources.
fn names_own(value: &Value, own: &[ResourceId]) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Resource(id) => own.contains(id),
        Value::List(values) => values.iter().any(|value| names_own(value, own)),
        Value::Unsigned(_) | Value::Signed(_) | Value::Text(_) | Value::Bytes(_) => false,
    }
}

/// Fills in pages of any copy from those of `image`, which has `objects` objects.
fn read_pages(image: &Image, objects: u32, first: PageOf, into: &mut [u8]) -> io::Result<()> {
    let missing = || io::Error::other("the image has no such page");
    match first {
        PageOf::Memory(mm, start) => {
            let mm = ObjectId(mm.0 % objects);
            for (number, page) in (0..).zip(into.chunks_exact_mut(PAGE_SIZE as usize)) {
                let mut address = start;
                address.0 += number * PAGE_SIZE;
                let found = image.read_page(mm, address).map_err(io::Error::other)?;
                page.copy_from_slice(&found.ok_or_else(missing)?);
            }
            Ok(())
        }
        // Copies of files lie where the first lies, which is written once.
        PageOf::File(resource, offset) => {
            let contents = image.head().contents_of(resource).ok_or_else(missing)?;
            let read = image.read_contents(contents, offset, into);
            read.map_err(io::Error::other)
        }
    }
}
