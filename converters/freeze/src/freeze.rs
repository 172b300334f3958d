//! From memory to an image.

use crate::error::{Fault, Finding, Flaw, FreezeError};
use crate::families::Known;
use crate::family::Family;
use crate::memory::Memory;
use crate::pages;
use crate::slots::{Slots, slots};
use crate::source::{MemorySource, ReadError};
use crate::walk::{Selection, Walked, walk};
use kconv_image::{
    AddressSpace, CoreNote, Head, Identity, ImageWriter, KernelId, Machine, Object, ObjectId,
    PageSource, TypeIx, Value,
};
use kernel_structs::layout::Layout;
use kernel_structs::state::StateMap;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

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
    /// Controlling terminals, with their sessions: the tasks can be thawed there alone.
    pub terminals: Vec<(String, i64)>,
}

/// Saves the tasks of `selection` that `source` has in an image at `destination`.
///
/// # Errors
/// If anything that the state map saves cannot be saved; then there is no image, and what was at
/// `destination` stays. Findings are collected and returned together.
pub fn freeze(
    source: &dyn MemorySource,
    kernel: &Kernel<'_>,
    selection: &Selection,
    destination: &Path,
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
    let memory = Memory { source, layout };
    let hz = source
        .tick_rate()
        .or_else(|| crate::linux6::tick_rate(memory))
        .filter(|hz| *hz > 0)
        .ok_or(FreezeError::NoTickRate)?;
    if let Some(expected) = kernel.hz.filter(|expected| *expected != hz) {
        return Err(FreezeError::OtherTicks {
            release: kernel.id.release.clone(),
            found: hz,
            expected,
        });
    }
    let mut walked = walk(memory, kernel.map, selection);
    let mut findings = std::mem::take(&mut walked.findings);
    if walked.tasks == 0 {
        return Err(FreezeError::Refused(findings));
    }
    let head = match family.of(&walked) {
        Ok(family) => describe(&walked, family, hz, kernel, &mut findings),
        Err(flaw) => Err(flaw),
    };
    let head = match head {
        Ok(head) if findings.is_empty() => head,
        Ok(_) => return Err(FreezeError::Refused(findings)),
        // What is wrong with one object explains it, if there is such a thing.
        Err(_) if !findings.is_empty() => return Err(FreezeError::Refused(findings)),
        Err(flaw) => {
            let place = walked.place(0, String::new(), None);
            return Err(FreezeError::Refused(vec![Finding { place, flaw }]));
        }
    };
    write(&walked, &head, destination)?;
    Ok(summary(&walked, &head))
}

/// The image without its bytes. What is in `findings` afterwards makes it worthless.
///
/// # Errors
/// A flaw that is not of one object.
fn describe<'w>(
    walked: &'w Walked<'w>,
    mut family: Box<dyn Family + 'w>,
    hz: u32,
    kernel: &Kernel<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Head, Flaw> {
    let mut address_spaces = Vec::new();
    // A page seems to be stray where the mappings could not be reached.
    if findings.is_empty() {
        address_spaces = pages::address_spaces(walked, &*family, findings);
    }
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
    facts.extend(walked.memory.source.facts());
    Ok(Head {
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
        core_notes: core_notes(walked, &*family)?,
        resources: family.into_resources().into_list(),
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

fn write(walked: &Walked<'_>, head: &Head, destination: &Path) -> Result<(), FreezeError> {
    let machine = head.identity.machine;
    let mut writer =
        ImageWriter::create(destination, machine, &head.objects, &head.address_spaces)?;
    for saved in &walked.objects {
        writer.object(&saved.bytes)?;
    }
    let source = walked.memory.source;
    let mut page = |mm: ObjectId, at, into: &mut [u8; 4096]| {
        let space = walked.space(mm.0 as usize, &[]);
        source
            .read_page(&space, at, into)
            .map_err(|error| match error {
                ReadError::Io(error) => error,
                missing => io::Error::other(missing),
            })
    };
    writer.finish(head, PageSource::Stream(&mut page))?;
    Ok(())
}

fn summary(walked: &Walked<'_>, head: &Head) -> Summary {
    let mut summary = Summary {
        tasks: walked.tasks,
        object_bytes: head.objects.iter().map(|object| object.size).sum(),
        pages: number_of_pages(&head.address_spaces),
        symbols: head.symbols.len(),
        ..Summary::default()
    };
    for object in &head.objects {
        *summary
            .objects
            .entry(head.type_name(object).to_owned())
            .or_default() += 1;
    }
    for resource in &head.resources {
        *summary.resources.entry(resource.kind.clone()).or_default() += 1;
        if let ("tty", Some(name), Some(Value::Signed(session))) = (
            resource.kind.as_str(),
            resource.text("name"),
            resource.get("session"),
        ) {
            summary.terminals.push((name.to_owned(), *session));
        }
    }
    summary
}

fn number_of_pages(spaces: &[AddressSpace]) -> u64 {
    spaces
        .iter()
        .flat_map(|space| &space.runs)
        .map(|run| run.pages)
        .sum()
}

impl From<ReadError> for Flaw {
    fn from(error: ReadError) -> Flaw {
        Flaw::Fault(Fault::Read(error))
    }
}
