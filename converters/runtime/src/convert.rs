//! Runs a chain of converters over an image.
//!
//! Objects stream through: one is read, taken through all steps in two buffers that are used
//! again for the next, and appended to the output. User pages are copied by the kernel, and held against their digest. Nothing
//! reaches the destination before all of it is written, read back and found right.

use crate::context::{Old, Outcome};
use crate::error::ConvertError;
use crate::item::{Item, Standing};
use crate::names::Names;
use crate::report::{Report, fields_written};
use crate::steps::Steps;
use crate::table::Converter;
use kconv_image::{
    Digest, Head, Identity, Image, ImageWriter, KernelId, Object, ObjectId, PageSource, Remainder,
    SealedImage, Slot, SlotTarget, Step, Symbol, SymbolId, Verify, WriteError,
};
use std::collections::BTreeMap;
use std::path::Path;

/// What a conversion is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The converters, in order. Between releases of one layout it is the one of that layout to
    /// itself.
    pub chain: Vec<&'static Converter>,
    /// The kernel the image is to be for.
    pub target: KernelId,
    /// Name and version of the tool, for the provenance.
    pub tool: String,
    /// Who signed the image, for the provenance.
    pub signers: Vec<String>,
}

/// An image converted.
#[derive(Clone, Debug)]
pub struct Converted {
    /// The account.
    pub report: Report,
    /// All of the new image but the bytes of its objects and pages.
    pub head: Head,
    /// The digest of its head, if it was written.
    pub digest: Option<Digest>,
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
    match output {
        None => Ok(run(image, job, progress, |_| Ok(Discard))?.0),
        Some(path) => make(image, job, path, progress)?.publish(),
    }
}

/// An image that is converted, on disk and found right, and does not have its name yet. Dropped, it is removed.
pub struct Made {
    converted: Converted,
    sealed: SealedImage,
}

impl Made {
    /// Puts the image in its place.
    ///
    /// # Errors
    /// [`ConvertError`]; the destination is then as it was before.
    pub fn publish(self) -> Result<Converted, ConvertError> {
        self.sealed.publish()?;
        Ok(self.converted)
    }
}

/// Converts `image` to what will be `path`.
///
/// # Errors
/// As [`convert`].
pub fn make(
    image: &Image,
    job: &Job,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, ConvertError> {
    let writer = |end: &Final| {
        let head = image.head();
        let machine = head.identity.machine;
        ImageWriter::create(path, machine, &end.objects, head.page_index())
    };
    let (mut converted, writer) = run(image, job, progress, writer)?;
    let sealed = writer.seal(&converted.head, PageSource::Copy { from: image })?;
    read_back(&sealed.open()?, image, &converted.head)?;
    converted.digest = Some(sealed.digest());
    Ok(Made { converted, sealed })
}

/// Converts `image` without its pages, and gives the result, which is in memory.
///
/// # Errors
/// [`ConvertError`].
pub fn convert_without_pages(image: &Image, job: &Job) -> Result<(Converted, Image), ConvertError> {
    let (done, objects) = run(image, job, &mut |_, _| {}, |_| Ok(Vec::new()))?;
    let made = Image::without_pages(&done.head, objects.iter().map(Vec::as_slice))?;
    Ok((done, made))
}

/// Takes the bytes of converted objects, in their order.
trait TakeObjects {
    fn take(&mut self, bytes: &[u8]) -> Result<(), WriteError>;
}

struct Discard;

impl TakeObjects for Discard {
    fn take(&mut self, _: &[u8]) -> Result<(), WriteError> {
        Ok(())
    }
}

impl TakeObjects for ImageWriter {
    fn take(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.object(bytes)
    }
}

impl TakeObjects for Vec<Vec<u8>> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.push(bytes.to_vec());
        Ok(())
    }
}

/// Converts all objects, which what `taker` makes takes.
fn run<T: TakeObjects>(
    image: &Image,
    job: &Job,
    progress: &mut dyn FnMut(u64, u64),
    taker: impl FnOnce(&Final) -> Result<T, WriteError>,
) -> Result<(Converted, T), ConvertError> {
    check_kernel(&image.head().identity, job)?;
    run_unverified(image, job, progress, taker).map_err(|error| {
        // What is wrong with damaged objects is the damage.
        let damage = image.verify(Verify::Objects).into_iter().next();
        damage.map_or(error, ConvertError::from)
    })
}

/// The same, of objects that are not yet held against their digest.
fn run_unverified<T: TakeObjects>(
    image: &Image,
    job: &Job,
    progress: &mut dyn FnMut(u64, u64),
    taker: impl FnOnce(&Final) -> Result<T, WriteError>,
) -> Result<(Converted, T), ConvertError> {
    let head = image.head();
    let names = Names::read(image, &job.chain)?;
    let steps = Steps::new(image, &job.chain, &names, &job.target)?;
    let end = Final::of(&steps);
    let mut taker = taker(&end)?;
    let done = stream(image, job, &steps, &mut taker, progress)?;
    let head = new_head(head, job, end, done, &steps);
    let report = Report::new(image.head(), &head, &job.chain, &steps, &names);
    let converted = Converted {
        report,
        head,
        digest: None,
    };
    Ok((converted, taker))
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

/// What streaming the objects gave.
struct Done {
    outcome: Outcome,
    /// Indices of the image's remainder entries that were put back, each with the step that did.
    restored: BTreeMap<usize, usize>,
}

fn stream(
    image: &Image,
    job: &Job,
    steps: &Steps<'_>,
    taker: &mut dyn TakeObjects,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Done, ConvertError> {
    let head = image.head();
    let at_origin = job.target == head.identity.origin;
    let pointer_size = usize::from(head.identity.machine.pointer_size());
    let last = steps.last();
    let total = last.len() as u64;

    let mut outcome = Outcome::default();
    let mut final_slots = Vec::with_capacity(head.slots.len());
    let mut restored = BTreeMap::new();
    let mut object = Old::default();
    let mut objects = image.objects();
    for (item, id) in last.iter().zip((0..).map(ObjectId)) {
        if id.0 % 4096 == 0 {
            progress(u64::from(id.0), total);
        }
        object.bytes.clear();
        object.slots.clear();
        object.is_made = false;
        if let Some((id, stored)) = objects.next_object()? {
            object.bytes.extend_from_slice(stored);
            object.slots.extend_from_slice(head.slots_of(id));
        }
        for step in 0..job.chain.len() {
            let mut put_back = |index| {
                restored.insert(index, step);
            };
            steps.step(step, id, &mut object, &mut outcome, &mut put_back)?;
        }
        if !item.standing.is_whole() {
            continue;
        }
        for slot in &object.slots {
            let number = if at_origin { origin(head, *slot) } else { 0 };
            let start = slot.offset as usize;
            if let Some(place) = object.bytes.get_mut(start..start + pointer_size) {
                place.copy_from_slice(&number.to_le_bytes()[..pointer_size]);
            }
        }
        final_slots.extend_from_slice(&object.slots);
        if outcome.findings.is_empty() {
            taker.take(&object.bytes)?;
        }
    }
    objects.end()?;
    progress(total, total);
    if let Some(fault) = outcome.faults.first() {
        return Err(ConvertError::Fault(fault.clone()));
    }
    if !outcome.findings.is_empty() {
        return Err(ConvertError::Refused(outcome.findings));
    }
    outcome.slots = final_slots;
    Ok(Done { outcome, restored })
}

/// The objects after a conversion, and the numbers that they have there.
struct Final {
    objects: Vec<Object>,
    types: Vec<String>,
    /// By number in the steps; `None` for an object that is no more.
    numbers: Vec<Option<ObjectId>>,
}

impl Final {
    fn of(steps: &Steps<'_>) -> Final {
        let last = steps.last();
        let mut next = 0;
        let number = |item: &Item| {
            let id = ObjectId(next);
            (item.standing != Standing::Gone).then(|| {
                next += 1;
                id
            })
        };
        let numbers: Vec<Option<ObjectId>> = last.iter().map(number).collect();
        let here = last
            .into_iter()
            .filter(|item| item.standing != Standing::Gone);
        let objects: Vec<Object> = here
            .map(|item| Object {
                part_of: item.object.part_of.and_then(|id| numbers[id.0 as usize]),
                ..item.object
            })
            .collect();
        Final {
            types: steps.last_types(&objects),
            objects,
            numbers,
        }
    }

    fn number(&self, id: ObjectId) -> Option<ObjectId> {
        self.numbers.get(id.0 as usize).copied().flatten()
    }

    /// The same entry, of the object by its new number.
    fn remainder(&self, entry: Remainder) -> Option<Remainder> {
        Some(Remainder {
            object: self.number(entry.object)?,
            ..entry
        })
    }
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

fn new_head(head: &Head, job: &Job, end: Final, done: Done, all: &Steps<'_>) -> Head {
    let Done { outcome, restored } = done;
    let kept_values = outcome.remainder.into_iter();
    let kept_values = kept_values.filter_map(|entry| end.remainder(entry));
    let kept_values: Vec<Remainder> = kept_values.collect();
    let fields = fields_written(&job.chain, all);
    let mut steps: Vec<Step> = Vec::new();
    let mut from = head.identity.kernel.clone();
    for (index, converter) in job.chain.iter().enumerate() {
        let to = all.kernels[index].clone();
        let number = all.number(index);
        let kept = kept_values.iter().filter(|entry| entry.step == number);
        let put_back = restored.values().filter(|step| **step == index);
        steps.push(Step {
            converter: converter.name.to_owned(),
            version: job.tool.clone(),
            from,
            to: to.clone(),
            objects: end.objects.len() as u64,
            fields: fields.get(index).copied().unwrap_or(0),
            kept: kept.count() as u64,
            restored: put_back.count() as u64,
            signers: match index {
                0 => job.signers.clone(),
                _ => Vec::new(),
            },
        });
        from = to;
    }
    let left = head
        .remainder
        .iter()
        .enumerate()
        .filter(|(index, _)| !restored.contains_key(index))
        .filter_map(|(_, entry)| end.remainder(entry.clone()));
    let mut remainder: Vec<Remainder> = left.collect();
    // With nothing left of before, the entries stay where they are.
    match remainder.is_empty() {
        true => remainder = kept_values,
        false => remainder.extend(kept_values),
    }
    // Whatever order the lines of the functions have.
    remainder.sort_by_key(Remainder::place);
    let (symbols, numbers) = in_order(outcome.symbols, head.symbols.len());
    let slots = outcome.slots.iter().filter_map(|slot| {
        let object = end.number(slot.object)?;
        let target = match slot.target {
            SlotTarget::Symbol(id) => SlotTarget::Symbol(numbers.get(&id).copied().unwrap_or(id)),
            resource @ SlotTarget::Resource(_) => resource,
        };
        Some(Slot {
            object,
            target,
            ..*slot
        })
    });
    Head {
        identity: Identity {
            kernel: job.target.clone(),
            ..head.identity.clone()
        },
        slots: slots.collect(),
        remainder,
        types: end.types,
        objects: end.objects,
        symbols: head.symbols.iter().cloned().chain(symbols).collect(),
        resources: head.resources.clone(),
        clocks: head.clocks,
        facts: head.facts.clone(),
        provenance: head.provenance.iter().cloned().chain(steps).collect(),
        address_spaces: head.address_spaces.clone(),
        contents: head.contents.clone(),
        core_notes: head.core_notes.clone(),
    }
}

/// The symbols that a conversion made, by name and not as the lines of functions came to them, and of each
/// number that they had the one that they have now; `known` symbols have numbers before them.
fn in_order(made: Vec<Symbol>, known: usize) -> (Vec<Symbol>, BTreeMap<SymbolId, SymbolId>) {
    let id = |index: usize| SymbolId((known + index) as u32);
    let mut sorted: Vec<(usize, Symbol)> = made.into_iter().enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| (&a.name, a.offset).cmp(&(&b.name, b.offset)));
    let numbers = sorted.iter().enumerate();
    let numbers = numbers.map(|(new, (old, _))| (id(*old), id(new)));
    let numbers = numbers.collect();
    let symbols = sorted.into_iter().map(|(_, symbol)| symbol);
    (symbols.collect(), numbers)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use kconv_image::{
        AddressSpace, Clocks, Fingerprint, KernelAddr, Machine, PageRun, TypeIx, UserAddr,
    };

    /// One object with one page, every byte of which is `fill`.
    fn image(fill: u8) -> Image {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let kernel = KernelId {
            release: String::from("a"),
            layout: String::from("a"),
            fingerprint: Fingerprint([0; 32]),
            build_id: Vec::new(),
        };
        let head = Head {
            identity: Identity {
                machine: Machine::I386,
                family: String::from("test"),
                origin: kernel.clone(),
                kernel,
            },
            types: vec![String::from("mm")],
            objects: vec![Object {
                ty: TypeIx(0),
                count: 1,
                size: 4,
                address: KernelAddr(0x1000),
                home: KernelAddr(0x1000),
                owner: ObjectId(0),
                part_of: None,
            }],
            symbols: Vec::new(),
            resources: Vec::new(),
            slots: Vec::new(),
            clocks: Clocks::default(),
            facts: Vec::new(),
            remainder: Vec::new(),
            provenance: Vec::new(),
            address_spaces: vec![AddressSpace {
                mm: ObjectId(0),
                runs: vec![PageRun {
                    start: UserAddr(0x8000),
                    pages: 1,
                    access: 4,
                    position: 0,
                }],
            }],
            contents: Vec::new(),
            core_notes: Vec::new(),
        };
        let pages = head.page_index();
        let mut writer = ImageWriter::create(&path, Machine::I386, &head.objects, pages).unwrap();
        writer.object(&[1, 2, 3, 4]).unwrap();
        let mut page = |_, page: &mut [u8]| {
            page.fill(fill);
            Ok(())
        };
        writer.finish(&head, PageSource::Stream(&mut page)).unwrap();
        Image::from_bytes(std::fs::read(&path).unwrap()).unwrap()
    }

    #[test]
    fn what_is_read_back_has_to_be_what_was_written() {
        let (written, from) = (image(1), image(1));
        let head = written.head().clone();
        read_back(&written, &from, &head).unwrap();
        let mut other = head.clone();
        other.clocks.jiffies = 1;
        let error = read_back(&written, &from, &other).unwrap_err();
        assert!(error.to_string().contains("the index"), "{error}");
        let error = read_back(&written, &image(2), &head).unwrap_err();
        assert!(error.to_string().contains("the user pages"), "{error}");
    }
}
