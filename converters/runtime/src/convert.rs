//! Runs a chain of converters over an image.
//!
//! Objects stream through: one is read, taken through all steps in two buffers that are used
//! again for the next, and appended to the output. User pages are copied by the kernel. Nothing
//! reaches the destination before all of it is written, read back and found right.

use crate::at::At;
use crate::bits;
use crate::context::{Context, Namer, Outcome};
use crate::finding::Finding;
use crate::placement::{Lengths, Map, PlacedTail, PlacementError};
use crate::report::Report;
use crate::table::{Bits, Converter};
use kconv_image::{
    Head, Identity, Image, ImageError, ImageWriter, KernelAddr, KernelId, Object, ObjectId,
    PageSource, Remainder, Slot, SlotTarget, Step, Symbol, Verify, WriteError,
};
use std::collections::BTreeSet;
use std::path::Path;

/// What a conversion is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The converters, in order; none if only the name of the kernel changes.
    pub chain: Vec<&'static Converter>,
    /// The kernel the image is to be for.
    pub target: KernelId,
    /// Name and version of the tool, for the provenance.
    pub tool: String,
}

/// An image converted.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The account.
    pub report: Report,
    /// All of the new image but the bytes of its objects and pages.
    pub head: Head,
}

/// Why an image was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The image is of another kernel than the chain begins with.
    #[error(
        "the image is of {found} (layout {found_fingerprint}), but {converter} reads {expected} (layout {expected_fingerprint})"
    )]
    WrongKernel {
        /// Release and layout node of the image.
        found: String,
        /// The beginning of its fingerprint.
        found_fingerprint: String,
        /// The converter.
        converter: String,
        /// The layout node it reads.
        expected: String,
        /// The beginning of its fingerprint.
        expected_fingerprint: String,
    },
    /// The image is of another machine or family than the converter.
    #[error("the image is of {found}, but {converter} converts {expected}")]
    WrongMachine {
        /// Family and machine of the image.
        found: String,
        /// The converter.
        converter: &'static str,
        /// Its family and machine.
        expected: String,
    },
    /// An object that the converter does not fit.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// Values that cannot be carried.
    #[error("{} values cannot be carried; nothing was written", .0.len())]
    Refused(Vec<Finding>),
    /// The image cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The result cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The account of a conversion cannot be written.
    #[error("{}: the report cannot be written: {error}", path.display())]
    Report {
        /// Where it was to go.
        path: std::path::PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// What was read back is not what was written.
    #[error("the image written reads back differently: {what}")]
    ReadBack {
        /// What differs.
        what: &'static str,
    },
    /// A converter broke its own rules.
    #[error("{0}; this is a fault of the converter, please report it")]
    Fault(String),
}

impl ConvertError {
    /// What can be done about it.
    pub fn advice(&self) -> &'static str {
        match self {
            ConvertError::WrongKernel { .. } | ConvertError::WrongMachine { .. } => {
                "name the kernel the image is of (`kconv inspect IMAGE`), or convert it step by step (`kconv path FROM TO`)"
            }
            ConvertError::Placement(_) => {
                "check the image with `kconv verify`; if it is sound, please report this"
            }
            ConvertError::Refused(_) => "see each finding",
            ConvertError::Image(error) => error.advice(),
            ConvertError::Write(error) => error.advice(),
            ConvertError::Report { .. } => {
                "the image itself is converted and complete; name another file for the report"
            }
            ConvertError::ReadBack { .. } => "check the disk and the memory of this machine",
            ConvertError::Fault(_) => "the image was not touched",
        }
    }
}

/// Converts `image` and writes the result to `output`; with no `output` everything but the
/// writing is done.
///
/// `progress` is called now and then with the number of objects done and the number of all.
///
/// # Errors
/// [`ConvertError`]; the destination is then as it was before.
pub fn convert(
    image: &Image,
    job: &Job,
    output: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Converted, ConvertError> {
    let head = image.head();
    check_kernel(&head.identity, job)?;
    if let Some(error) = image.verify(Verify::Objects).into_iter().next() {
        return Err(error.into());
    }
    let lengths = lengths(image, &job.chain)?;
    let maps = maps(head, &lengths, &job.chain)?;
    let objects = final_objects(head, &maps);

    let mut writer = match output {
        Some(path) => Some(ImageWriter::create(
            path,
            head.identity.machine,
            &objects,
            &head.address_spaces,
        )?),
        None => None,
    };
    let done = stream(image, job, &maps, writer.as_mut(), progress)?;
    let new_head = new_head(head, job, objects, done.outcome, &done.restored);
    let report = Report::new(head, &new_head, job, &done.names);
    if let Some(writer) = writer {
        let sealed = writer.seal(&new_head, PageSource::Copy { from: image })?;
        read_back(&Image::open(sealed.path())?, image, &new_head)?;
        sealed.publish()?;
    }
    Ok(Converted {
        report,
        head: new_head,
    })
}

fn check_kernel(identity: &Identity, job: &Job) -> Result<(), ConvertError> {
    let mut kernel = (identity.kernel.layout.as_str(), identity.kernel.fingerprint);
    for converter in &job.chain {
        if identity.machine != converter.machine || identity.family != converter.family {
            return Err(ConvertError::WrongMachine {
                found: format!("{}, {}", identity.family, identity.machine.name()),
                converter: converter.name,
                expected: format!("{}, {}", converter.family, converter.machine.name()),
            });
        }
        let expected = (converter.from.layout, converter.from.fingerprint);
        if kernel != expected {
            return Err(wrong_kernel(identity, kernel, converter.name, expected));
        }
        kernel = (converter.to.layout, converter.to.fingerprint);
    }
    let target = (job.target.layout.as_str(), job.target.fingerprint);
    if kernel != target {
        return Err(wrong_kernel(identity, kernel, &job.target.release, target));
    }
    Ok(())
}

fn wrong_kernel(
    identity: &Identity,
    (layout, fingerprint): (&str, kconv_image::Fingerprint),
    converter: &str,
    expected: (&str, kconv_image::Fingerprint),
) -> ConvertError {
    ConvertError::WrongKernel {
        found: format!("{}, {layout}", identity.kernel.release),
        found_fingerprint: beginning(fingerprint),
        converter: converter.to_owned(),
        expected: expected.0.to_owned(),
        expected_fingerprint: beginning(expected.1),
    }
}

/// As much of a fingerprint as tells it from any other.
fn beginning(fingerprint: kconv_image::Fingerprint) -> String {
    fingerprint.to_string().chars().take(16).collect()
}

/// What the objects say of their own length.
fn lengths(image: &Image, chain: &[&'static Converter]) -> Result<Lengths, ConvertError> {
    let head = image.head();
    let mut lengths = Lengths::default();
    let Some(converter) = chain.first() else {
        return Ok(lengths);
    };
    let mut bytes = Vec::new();
    for (object, id) in head.objects.iter().zip((0..).map(ObjectId)) {
        let Some(ty) = converter.find(head.type_name(object)) else {
            continue;
        };
        if ty.open {
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
            lengths
                .elements
                .insert(id, count.saturating_add(u64::from(tail.add)));
        }
    }
    Ok(lengths)
}

fn maps(
    head: &Head,
    lengths: &Lengths,
    chain: &[&'static Converter],
) -> Result<Vec<Map>, PlacementError> {
    let mut addresses: Vec<KernelAddr> = head.objects.iter().map(|o| o.address).collect();
    let mut maps: Vec<Map> = Vec::with_capacity(chain.len());
    for converter in chain {
        let map = Map::new(head, &addresses, lengths, converter)?;
        if maps.is_empty() {
            map.check_sizes(head)?;
        }
        addresses = map.addresses();
        maps.push(map);
    }
    Ok(maps)
}

fn final_objects(head: &Head, maps: &[Map]) -> Vec<Object> {
    let Some(last) = maps.last() else {
        return head.objects.clone();
    };
    let ids = (0..).map(ObjectId);
    head.objects
        .iter()
        .zip(ids)
        .map(|(object, id)| Object {
            address: last.new_address(id),
            size: last.new_size(id),
            ..object.clone()
        })
        .collect()
}

/// What streaming the objects gave.
struct Done {
    outcome: Outcome,
    /// Indices of the image's remainder entries that were put back.
    restored: BTreeSet<usize>,
    names: Names,
}

fn stream(
    image: &Image,
    job: &Job,
    maps: &[Map],
    mut writer: Option<&mut ImageWriter>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Done, ConvertError> {
    let head = image.head();
    let names = Names::read(image, &job.chain)?;
    let mut kept: Vec<usize> = (0..head.remainder.len()).collect();
    kept.sort_by_key(|index| head.remainder[*index].object);
    let at_origin = job.target == head.identity.origin;
    let pointer_size = usize::from(head.identity.machine.pointer_size());
    let total = head.objects.len() as u64;

    let mut outcome = Outcome::default();
    let mut final_slots = Vec::with_capacity(head.slots.len());
    let mut restored = BTreeSet::new();
    let (mut bytes, mut next) = (Vec::new(), Vec::new());
    let mut slots: Vec<Slot> = Vec::new();
    let mut objects = image.objects();
    while let Some((id, stored)) = objects.next_object()? {
        if id.0 % 4096 == 0 {
            progress(u64::from(id.0), total);
        }
        bytes.clear();
        bytes.extend_from_slice(stored);
        slots.clear();
        slots.extend_from_slice(head.slots_of(id));
        let first = kept.partition_point(|index| head.remainder[*index].object < id);
        let last = kept.partition_point(|index| head.remainder[*index].object <= id);
        for (step, (converter, map)) in job.chain.iter().zip(maps).enumerate() {
            outcome.slots.clear();
            let namer = Objects {
                image,
                names: &names,
                chain: &job.chain[..step],
                maps,
            };
            let mut context = Context::new(converter, map, id, &slots, &namer, &mut outcome);
            one_object(
                &mut context,
                map,
                id,
                head.object(id).count,
                &bytes,
                &mut next,
            );
            std::mem::swap(&mut bytes, &mut next);
            std::mem::swap(&mut slots, &mut outcome.slots);
            slots.sort_by_key(|slot| slot.offset);
            for index in &kept[first..last] {
                let entry = &head.remainder[*index];
                if entry.layout == converter.to.fingerprint && restore(entry, &mut bytes) {
                    restored.insert(*index);
                }
            }
        }
        for slot in &slots {
            let number = if at_origin { origin(head, *slot) } else { 0 };
            let start = slot.offset as usize;
            if let Some(place) = bytes.get_mut(start..start + pointer_size) {
                place.copy_from_slice(&number.to_le_bytes()[..pointer_size]);
            }
        }
        final_slots.extend_from_slice(&slots);
        if let Some(writer) = writer
            .as_deref_mut()
            .filter(|_| outcome.findings.is_empty())
        {
            writer.object(&bytes)?;
        }
    }
    progress(total, total);
    if let Some(fault) = outcome.faults.first() {
        return Err(ConvertError::Fault(fault.clone()));
    }
    if !outcome.findings.is_empty() {
        return Err(ConvertError::Refused(outcome.findings));
    }
    outcome.slots = final_slots;
    Ok(Done {
        outcome,
        restored,
        names,
    })
}

/// Takes one object from `old` to `new` through one converter.
fn one_object(
    context: &mut Context<'_>,
    map: &Map,
    id: ObjectId,
    count: u32,
    old: &[u8],
    new: &mut Vec<u8>,
) {
    let ty = map.ty(id);
    let Some(convert) = ty.convert else {
        return;
    };
    let (from, to) = (ty.from_size as usize, ty.to_size as usize);
    // An object that ends before its type does has zeros there, which no conversion changes.
    let padded;
    let mut whole = old;
    if ty.open && old.len() < from {
        padded = [old, &vec![0; from - old.len()]].concat();
        whole = &padded;
    }
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
        convert(context, at, old, &mut new[index * to..(index + 1) * to]);
        context.keep_padding(at, old, ty.padding);
    }
    if let Some(tail) = map.tail(id) {
        elements(context, tail, old, new);
    }
    if ty.open {
        new.truncate(new_size);
        if let (Some(behind), Some(place)) = (old.get(from..), new.get_mut(to..)) {
            place.copy_from_slice(behind);
        }
    }
}

/// Takes the flexible array at the end of an object from `old` to `new`.
fn elements(context: &mut Context<'_>, tail: PlacedTail, old: &[u8], new: &mut [u8]) {
    let ty = tail.element;
    let Some(convert) = ty.convert else {
        return;
    };
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
        convert(context, &at, old, new);
        context.keep_padding(&at, old, ty.padding);
    }
    // What `sizeof` has beyond the last element, which fills up to the alignment of the type.
    let end = (starts.0 + count * from) as u32;
    let len = (old.len() as u32).saturating_sub(end);
    let rest = Bits {
        offset: 8 * end,
        len: 8 * len,
    };
    if len > 0 {
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

/// The number of a pointer on the origin kernel; 0 for a symbol that it did not name.
fn origin(head: &Head, slot: Slot) -> u64 {
    match slot.target {
        SlotTarget::Symbol(id) => {
            let symbol = head.symbols.get(id.0 as usize);
            symbol.map_or(0, |symbol| symbol.origin.0)
        }
        SlotTarget::Resource(id) => head.resources[id.0 as usize].origin.0,
    }
}

fn new_head(
    head: &Head,
    job: &Job,
    objects: Vec<Object>,
    outcome: Outcome,
    restored: &BTreeSet<usize>,
) -> Head {
    let fields = crate::report::fields_written(head, &job.chain);
    let mut steps: Vec<Step> = Vec::new();
    let mut from = head.identity.kernel.clone();
    for (index, converter) in job.chain.iter().enumerate() {
        let to = if index + 1 == job.chain.len() {
            job.target.clone()
        } else {
            KernelId {
                release: converter.to.release.to_owned(),
                layout: converter.to.layout.to_owned(),
                fingerprint: converter.to.fingerprint,
                build_id: Vec::new(),
            }
        };
        let kept = |layout| {
            let made = outcome
                .remainder
                .iter()
                .filter(|entry| entry.layout == layout);
            made.count() as u64
        };
        let put_back = |layout| {
            let of_layout = |index: &&usize| head.remainder[**index].layout == layout;
            restored.iter().filter(of_layout).count() as u64
        };
        steps.push(Step {
            converter: converter.name.to_owned(),
            version: job.tool.clone(),
            from,
            to: to.clone(),
            objects: objects.len() as u64,
            fields: fields.get(index).copied().unwrap_or(0),
            kept: kept(converter.from.fingerprint),
            restored: put_back(converter.to.fingerprint),
        });
        from = to;
    }
    if job.chain.is_empty() {
        steps.push(Step {
            converter: String::from("identity"),
            version: job.tool.clone(),
            from,
            to: job.target.clone(),
            objects: objects.len() as u64,
            fields: 0,
            kept: 0,
            restored: 0,
        });
    }
    let left = head
        .remainder
        .iter()
        .enumerate()
        .filter(|(index, _)| !restored.contains(index))
        .map(|(_, entry)| entry.clone());
    Head {
        identity: Identity {
            kernel: job.target.clone(),
            ..head.identity.clone()
        },
        types: head.types.clone(),
        objects,
        symbols: head
            .symbols
            .iter()
            .cloned()
            .chain(outcome.symbols)
            .collect(),
        resources: head.resources.clone(),
        slots: outcome.slots,
        clocks: head.clocks,
        facts: head.facts.clone(),
        remainder: left.chain(outcome.remainder).collect(),
        provenance: head.provenance.iter().cloned().chain(steps).collect(),
        address_spaces: head.address_spaces.clone(),
        core_notes: head.core_notes.clone(),
    }
}

fn read_back(written: &Image, image: &Image, expected: &Head) -> Result<(), ConvertError> {
    if written.head() != expected {
        return Err(ConvertError::ReadBack {
            what: "the index is not the one that was written",
        });
    }
    if written.page_digest() != image.page_digest() || written.page_area().1 != image.page_area().1
    {
        return Err(ConvertError::ReadBack {
            what: "the user pages are not those of the image converted",
        });
    }
    match written.verify(Verify::Objects).into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// What people call the tasks of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// Tasks by object: pid and name, by ascending object id.
    pub(crate) tasks: Vec<(ObjectId, i32, String)>,
}

impl Names {
    fn read(image: &Image, chain: &[&'static Converter]) -> Result<Names, ImageError> {
        let Some(label) = chain.first().map(|converter| converter.task) else {
            return Ok(Names::default());
        };
        let head = image.head();
        let mut tasks = Vec::new();
        let mut bytes = Vec::new();
        for (object, id) in head.objects.iter().zip((0..).map(ObjectId)) {
            if head.type_name(object) != label.ty {
                continue;
            }
            image.read_object(id, &mut bytes)?;
            let comm = label.comm as usize;
            let (Some(pid), Some(comm)) = (
                bytes
                    .get(label.pid as usize..)
                    .and_then(<[u8]>::first_chunk),
                bytes.get(comm..comm + label.comm_len as usize),
            ) else {
                continue;
            };
            let comm = comm.split(|byte| *byte == 0).next().unwrap_or_default();
            let comm = comm.escape_ascii().to_string();
            tasks.push((id, i32::from_le_bytes(*pid), comm));
        }
        Ok(Names { tasks })
    }
}

/// The objects of an image, on their way through the steps before one.
struct Objects<'a> {
    image: &'a Image,
    names: &'a Names,
    /// The steps before.
    chain: &'a [&'static Converter],
    maps: &'a [Map],
}

impl Namer for Objects<'_> {
    fn task(&self, object: ObjectId) -> String {
        let owner = self.image.head().object(object).owner;
        match self.names.tasks.binary_search_by_key(&owner, |task| task.0) {
            Ok(index) => {
                let (_, pid, comm) = &self.names.tasks[index];
                format!("task {pid} ({comm})")
            }
            Err(_) => String::from("no task"),
        }
    }

    fn object(&self, object: ObjectId) -> String {
        let head = self.image.head();
        let object = head.object(object);
        format!("{} at {}", head.type_name(object), object.address)
    }

    fn symbols(&self) -> &[Symbol] {
        &self.image.head().symbols
    }

    fn old_bytes(&self, object: ObjectId) -> Option<Vec<u8>> {
        let head = self.image.head();
        let mut bytes = Vec::new();
        self.image.read_object(object, &mut bytes).ok()?;
        let mut slots = head.slots_of(object).to_vec();
        for (step, (converter, map)) in self.chain.iter().zip(self.maps).enumerate() {
            let namer = Objects {
                chain: &self.chain[..step],
                ..*self
            };
            // What is found and kept on the way is told when the object's own turn comes.
            let mut outcome = Outcome::default();
            let mut context = Context::new(converter, map, object, &slots, &namer, &mut outcome);
            let mut next = Vec::new();
            let count = head.object(object).count;
            one_object(&mut context, map, object, count, &bytes, &mut next);
            let of_step = |entry: &&Remainder| {
                entry.object == object && entry.layout == converter.to.fingerprint
            };
            for entry in head.remainder.iter().filter(of_step) {
                restore(entry, &mut next);
            }
            bytes = next;
            slots = outcome.slots;
            slots.sort_by_key(|slot| slot.offset);
        }
        Some(bytes)
    }
}
