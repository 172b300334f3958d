//! From memory to an image.

use crate::account::in_order;
use crate::contents::{self, Saved};
use crate::error::{Fault, Finding, Flaw, FreezeError, Place};
use crate::families::Known;
use crate::family::Family;
use crate::judge::Judge;
use crate::memory::Memory;
use crate::pages;
use crate::slots::{Slots, slots};
use crate::source::{Mapping, MemorySource, ReadError};
use crate::walk::{Selection, Walked, walk};
use kconv_image::{
    AddressSpace, Contents, CoreNote, Digest, Hashing, Head, Identity, Image, ImageWriter,
    KernelId, Machine, Object, ObjectId, PAGE_SIZE, PageOf, PageSource, TakenImage, TypeIx,
};
use kconv_objects::{FieldError, Names};
use kconv_resources::any;
use kernel_structs::layout::Layout;
use kernel_structs::state::StateMap;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

/// How often tasks are walked once more because signals came meanwhile. A timer sends none while its last one
/// waits, so that it takes others who send all the time to come to that.
const WALKS: u32 = 20;

/// The kernel that is frozen.
pub struct Kernel<'a> {
    /// How its structures are laid out.
    pub layout: &'a Layout,
    /// What of them is saved.
    pub map: &'a StateMap,
    /// The machine.
    pub machine: Machine,
    /// Its name and the fingerprint of `layout`.
    pub id: KernelId,
    /// Ticks a second, if the release is registered with them.
    pub hz: Option<u32>,
}

/// What an image was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The release of the kernel.
    pub release: String,
    /// The digest of the image's head, which identifies it.
    pub digest: Option<Digest>,
    /// Number of tasks.
    pub tasks: usize,
    /// Number of objects by type, tasks included.
    pub objects: BTreeMap<String, usize>,
    /// Bytes of all objects.
    pub object_bytes: u64,
    /// Number of user pages.
    pub pages: u64,
    /// Number of distinct symbols that pointers mean.
    pub symbols: usize,
    /// Number of resources by kind.
    pub resources: BTreeMap<String, usize>,
    /// Number of distinct files that are kept because programs are made of them.
    pub programs: usize,
    /// Bytes of their pages.
    pub program_bytes: u64,
    /// Controlling terminals, with their sessions: the tasks can be thawed there alone.
    pub terminals: Vec<(String, i64)>,
}

/// What is frozen, who judges it, and where it goes.
pub struct Order<'a> {
    /// The tasks.
    pub selection: &'a Selection,
    /// Whether the image is to have the files that their programs are made of.
    pub keeps_programs: bool,
    /// Who says what of them could not be thawed.
    pub judge: &'a mut Judge<'a>,
    /// Where the image is made.
    pub destination: &'a Path,
}

/// What is special to tasks that run, and were stopped.
pub(crate) struct OfRunning<'a> {
    /// Those that do not stand still, and are refused for that.
    pub(crate) moving: Vec<Moving>,
    /// What else was found of them.
    pub(crate) found: Vec<Finding>,
    /// Whether they run on when the image is made, so that the sooner all of them is read the better.
    pub(crate) run_on: bool,
    /// Called when nothing of the tasks is read any more, and the image is not yet whole.
    pub(crate) all_read: &'a mut dyn FnMut(),
}

/// A process of which a thread does not stand still: its memory may change while it is read.
pub(crate) struct Moving {
    pub(crate) process: i64,
    pub(crate) thread: i64,
    pub(crate) flaw: Flaw,
}

/// Saves the tasks that `source` has and `order` asks for in an image.
///
/// What cannot be carried, or could not be thawed, is refused before any page of user memory is read.
///
/// # Errors
/// If anything that the state map saves cannot be saved; then there is no image, and what was at
/// the destination stays. Findings are collected and returned together, causes first.
pub fn freeze(
    source: &dyn MemorySource,
    kernel: &Kernel<'_>,
    order: Order<'_>,
) -> Result<Summary, FreezeError> {
    let nothing = OfRunning {
        moving: Vec::new(),
        found: Vec::new(),
        run_on: false,
        all_read: &mut || {},
    };
    freeze_of_running(source, kernel, order, nothing)
}

/// As [`freeze`], of tasks that were stopped.
pub(crate) fn freeze_of_running(
    source: &dyn MemorySource,
    kernel: &Kernel<'_>,
    order: Order<'_>,
    of_running: OfRunning<'_>,
) -> Result<Summary, FreezeError> {
    let family = Known::named(&kernel.map.family)?;
    let machine = kernel.machine;
    if !kernel
        .map
        .machines
        .iter()
        .any(|name| name == machine.name())
    {
        let family = kernel.map.family.clone();
        return Err(FreezeError::Machine {
            family,
            machine: machine.name(),
        });
    }
    // Where one member of a union alone can be in use, the others are not walked.
    let layout = &kernel.map.live(kernel.layout);
    let names = Names::new(layout);
    let memory = Memory {
        source,
        names: &names,
    };
    let hz = source
        .tick_rate()
        .or_else(|| family.tick_rate(memory))
        .filter(|hz| *hz > 0)
        .ok_or(FreezeError::NoTickRate)?;
    let expected = kernel.hz.or(family.fixed_tick_rate());
    if let Some(expected) = expected.filter(|expected| *expected != hz) {
        return Err(FreezeError::OtherTicks {
            release: kernel.id.release.clone(),
            found: hz,
            expected,
        });
    }
    let mut walked = walk(memory, kernel.map, order.selection);
    for _ in 0..WALKS {
        if !(source.is_running() && walked.signals_came()) {
            break;
        }
        walked = walk(memory, kernel.map, order.selection);
    }
    let mut findings = std::mem::take(&mut walked.findings);
    let refused = |findings| Err(FreezeError::Refused(in_order(findings)));
    if walked.tasks == 0 {
        return refused(findings);
    }
    findings.extend(family.settle(&mut walked));
    findings.extend(crate::refused::refused(&mut walked));
    let described = family.of(&walked).and_then(|mut family| {
        if order.keeps_programs {
            family.keep_programs();
        }
        describe(&walked, family, hz, kernel, &mut findings)
    });
    add_moving(&walked, of_running.moving, &mut findings);
    findings.extend(of_running.found);
    let mut described = match described {
        Ok(described) => described,
        // What is wrong with one object explains it, if there is such a thing.
        Err(_) if !findings.is_empty() => return refused(findings),
        Err(flaw) => {
            let place = walked.place(0, String::new(), None);
            return refused(vec![Finding { place, flaw }]);
        }
    };
    if findings.iter().all(|finding| finding.flaw.is_of_state()) {
        let objects = walked.objects.iter().map(|saved| saved.bytes.as_slice());
        let image = Image::without_pages(&described.head, objects)?;
        let judgements = (order.judge)(&image, kernel.layout)?;
        findings.extend(judgements.into_iter().map(|judgement| Finding {
            place: Place::default(),
            flaw: Flaw::NotThawed(Box::new(judgement)),
        }));
    }
    let mut saved = Saved::default();
    if findings.is_empty() {
        match described.family.files_to_save() {
            Ok(files) => saved = contents::contents(source, files, &mut findings),
            Err(flaw) => findings.push(Finding {
                place: walked.place(0, String::new(), None),
                flaw,
            }),
        }
        described.head.contents.clone_from(&saved.contents);
    }
    if findings.is_empty() {
        let mappings = &described.mappings;
        let spaces = pages::address_spaces(&walked, mappings, &saved, &mut findings);
        described.head.address_spaces = spaces;
    }
    if findings.is_empty() {
        match core_notes(&walked, &*described.family) {
            Ok(notes) => described.head.core_notes = notes,
            Err(flaw) => findings.push(Finding {
                place: walked.place(0, String::new(), None),
                flaw,
            }),
        }
    }
    if !findings.is_empty() {
        return refused(findings);
    }
    sync(source, &*described.family)?;
    let hashing = match of_running.run_on {
        true => Hashing::Afterwards,
        false => Hashing::Meanwhile,
    };
    let taken = take(&walked, &described.head, &saved, order.destination, hashing)?;
    (of_running.all_read)();
    Ok(Summary {
        digest: Some(taken.finish()?),
        ..summary(&walked, &described.head)
    })
}

/// Adds that processes do not stand still. What could not be made sense of in their memory may be
/// because of that.
fn add_moving(walked: &Walked<'_>, moving: Vec<Moving>, findings: &mut Vec<Finding>) {
    let processes: BTreeSet<i64> = moving.iter().map(|one| one.process).collect();
    let number = |task: usize, field: &str| walked.view(task).ok()?.signed(field).ok();
    let tasks = || (0..walked.tasks).filter_map(|task| Some((task, number(task, "pid")?)));
    let of_moving: BTreeSet<i64> = tasks()
        .filter(|(task, _)| number(*task, "tgid").is_some_and(|id| processes.contains(&id)))
        .map(|(_, pid)| pid)
        .collect();
    findings.retain(|finding| {
        let task = finding.place.task.as_ref();
        finding.flaw.is_of_state() || !task.is_some_and(|task| of_moving.contains(&task.pid))
    });
    for Moving {
        process,
        thread,
        flaw,
    } in moving
    {
        // The kernel's memory says so of a thread that is traced, unless its tracer let it go.
        let told = |known: &Finding| match (&known.flaw, &flaw) {
            (Flaw::Traced { process: known, .. }, Flaw::Traced { .. }) => *known == process,
            _ => false,
        };
        if !findings.iter().any(told) {
            let task = tasks().find(|(_, pid)| *pid == thread);
            let place = match task {
                Some((task, _)) => walked.place(task, String::new(), None),
                None => Place::default(),
            };
            findings.push(Finding { place, flaw });
        }
    }
}

/// An image but for its bytes and what stands in user memory.
struct Described<'w> {
    head: Head,
    family: Box<dyn Family + 'w>,
    /// What is mapped in the address space of each `mm_struct`.
    mappings: Vec<(usize, Vec<Mapping>)>,
}

/// Describes an image. What is in `findings` afterwards makes it worthless.
///
/// # Errors
/// A flaw that is not of one object.
fn describe<'w>(
    walked: &'w Walked<'w>,
    mut family: Box<dyn Family + 'w>,
    hz: u32,
    kernel: &Kernel<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Described<'w>, Flaw> {
    let mut mappings = Vec::new();
    // What could not be reached explains why mappings do not make sense.
    let is_sound = findings.iter().all(|finding| finding.flaw.is_of_state());
    for mm in walked.objects_of("mm_struct").filter(|_| is_sound) {
        match family.mappings(mm) {
            Ok(of_mm) => mappings.push((mm, of_mm)),
            Err(flaw) => findings.push(Finding {
                place: walked.place(mm, String::new(), None),
                flaw,
            }),
        }
    }
    let empty = |(mm, _): &(usize, Vec<Mapping>)| AddressSpace {
        mm: ObjectId(*mm as u32),
        runs: Vec::new(),
    };
    let address_spaces = mappings.iter().map(empty).collect();
    let Slots {
        slots,
        symbols,
        findings: found,
        ..
    } = slots(walked, &mut *family);
    findings.extend(found);
    family.unbound_resources(&mut |object, flaw| {
        findings.push(Finding {
            place: walked.place(object, String::new(), None),
            flaw,
        });
    });
    family.unsaved_state(&mut |object, field, flaw| {
        findings.push(Finding {
            place: walked.place(object, field.to_owned(), None),
            flaw,
        });
    });
    let mut facts = family.facts()?;
    facts.extend(walked.memory.source.facts().facts());
    let head = Head {
        identity: Identity {
            machine: kernel.machine,
            family: kernel.map.family.clone(),
            kernel: kernel.id.clone(),
            origin: kernel.id.clone(),
        },
        types: walked.types.names(),
        objects: objects(walked),
        symbols,
        slots,
        clocks: family.clocks(hz)?,
        facts,
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces,
        contents: Vec::new(),
        core_notes: Vec::new(),
        resources: family.resources(),
    };
    Ok(Described {
        head,
        family,
        mappings,
    })
}

fn core_notes(walked: &Walked<'_>, family: &dyn Family) -> Result<Vec<CoreNote>, Flaw> {
    let mut notes = family.core_notes()?;
    notes.extend(walked.memory.source.vmcoreinfo().map(|bytes| CoreNote {
        owner: "VMCOREINFO".to_owned(),
        kind: 0,
        bytes,
    }));
    Ok(notes)
}

fn objects(walked: &Walked<'_>) -> Vec<Object> {
    let object = |saved: &crate::walk::Saved| Object {
        ty: TypeIx(saved.ty as u32),
        count: saved.count,
        size: saved.bytes.len() as u64,
        address: saved.at,
        home: saved.at,
        owner: ObjectId(saved.owner as u32),
        part_of: None,
    };
    walked.objects.iter().map(object).collect()
}

/// Has what tasks wrote to mapped files be on their disks: an image counts on it.
fn sync(source: &dyn MemorySource, family: &dyn Family) -> Result<(), FreezeError> {
    let files = family.files_to_sync();
    let files = files.map_err(|flaw| {
        let place = Place::default();
        FreezeError::Refused(vec![Finding { place, flaw }])
    })?;
    let failed = |(name, file): (String, _)| {
        let error = source.sync(&file)?.err()?;
        let (place, step) = (Place::default(), "brought to its disk");
        let flaw = Flaw::File {
            name,
            step,
            source: error.into(),
        };
        Some(Finding { place, flaw })
    };
    let findings: Vec<Finding> = files.into_iter().filter_map(failed).collect();
    match findings.is_empty() {
        true => Ok(()),
        false => Err(FreezeError::Refused(findings)),
    }
}

/// Has all that is read of the tasks in the file.
fn take(
    walked: &Walked<'_>,
    head: &Head,
    saved: &Saved,
    destination: &Path,
    hashing: Hashing,
) -> Result<TakenImage, FreezeError> {
    let machine = head.identity.machine;
    let mut writer = ImageWriter::create(destination, machine, &head.objects, head.page_index())?;
    for saved in &walked.objects {
        writer.object(&saved.bytes)?;
    }
    let source = walked.memory.source;
    let mut pages = |of: PageOf, into: &mut [u8]| {
        let read = match of {
            PageOf::Memory(mm, at) => {
                let space = walked.space(mm.0 as usize, &[]);
                source.read_pages(&space, at, into)
            }
            PageOf::File(resource, offset) => match saved.files.get(&resource) {
                Some(file) => source.read_file(file, offset, into),
                None => Err(ReadError::Io(io::ErrorKind::NotFound.into())),
            },
        };
        read.map_err(|error| match error {
            ReadError::Io(error) => error,
            missing => io::Error::other(missing),
        })
    };
    Ok(writer.take(head, PageSource::Stream(&mut pages), hashing)?)
}

fn summary(walked: &Walked<'_>, head: &Head) -> Summary {
    let mut summary = Summary {
        release: head.identity.kernel.release.clone(),
        tasks: walked.tasks,
        object_bytes: head.objects.iter().map(|object| object.size).sum(),
        pages: head.pages(),
        symbols: head.symbols.len(),
        ..Summary::default()
    };
    for object in &head.objects {
        *summary
            .objects
            .entry(head.type_name(object).to_owned())
            .or_default() += 1;
    }
    let (programs, bytes) = kept(head);
    (summary.programs, summary.program_bytes) = (programs, bytes);
    for resource in &head.resources {
        *summary.resources.entry(resource.kind.clone()).or_default() += 1;
        summary.terminals.extend(any::terminal(head, resource));
    }
    summary
}

/// How many files an image keeps because programs are made of them, and how many bytes these have.
fn kept(head: &Head) -> (usize, u64) {
    let is_kept = |contents: &&Contents| {
        let resource = head.resources.get(contents.resource.0 as usize);
        resource.is_some_and(|resource| any::is_kept(head, resource))
    };
    let mut known = BTreeSet::new();
    let distinct = head.contents.iter().filter(is_kept).filter(|contents| {
        let positions: Vec<u64> = contents.runs.iter().map(|run| run.position).collect();
        known.insert(positions)
    });
    distinct.fold((0, 0), |(files, bytes), contents| {
        let pages: u64 = contents.runs.iter().map(|run| run.pages).sum();
        (files + 1, bytes + pages * PAGE_SIZE)
    })
}

impl From<ReadError> for Flaw {
    fn from(error: ReadError) -> Flaw {
        Flaw::Fault(Fault::Read(error))
    }
}

impl From<FieldError> for Flaw {
    fn from(error: FieldError) -> Flaw {
        Flaw::Fault(Fault::Field(error))
    }
}
