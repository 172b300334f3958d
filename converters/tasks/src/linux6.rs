//! A task of Linux 6 put together from its objects, with all that `/proc` shows and what it does
//! not. Kernel sources are cited by file and function; they read the same in 6.1 and 6.12 unless
//! a release is named.

mod credentials;
mod files;
mod identity;
mod memory;
mod scheduling;
pub(crate) mod show;
mod signals;
mod system_calls;
mod timers;
mod user;

use crate::error::TasksError;
use crate::model;
use crate::raw::hex;
use kconv_image::core_notes::NT_PRSTATUS;
use kconv_image::{AddressSpace, ObjectId};
use kconv_objects::{FieldError, Objects, Saved};
use kconv_resources::linux6::{Resource, Resources};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// One task: a thread.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    #[serde(skip)]
    pub(crate) id: ObjectId,
    pub(crate) addr: String,
    #[serde(flatten)]
    pub(crate) identity: identity::Identity,
    #[serde(flatten)]
    pub(crate) credentials: credentials::Credentials,
    #[serde(flatten)]
    pub(crate) scheduling: scheduling::Scheduling,
    #[serde(flatten)]
    pub(crate) signals: signals::Signals,
    pub(crate) timers: timers::Timers,
    pub(crate) rlim: Vec<[u64; 2]>,
    #[serde(flatten)]
    pub(crate) user: user::UserState,
    #[serde(flatten)]
    pub(crate) files: files::Files,
    pub(crate) mm: Option<memory::Mm>,
}

/// What belongs to a structure without a pointer leading there.
struct Belongings<'a> {
    /// User registers by task.
    registers: BTreeMap<ObjectId, Saved<'a>>,
    /// User pages by `mm_struct`.
    spaces: BTreeMap<ObjectId, &'a AddressSpace>,
    /// Mappings by the address of their `mm_struct`, and tasks likewise.
    vmas: BTreeMap<u64, Vec<Saved<'a>>>,
    users: BTreeMap<u64, Vec<Saved<'a>>>,
    /// First threads by the address of the thread that is their parent.
    children: BTreeMap<u64, Vec<Saved<'a>>>,
    /// Timers by the address of their `signal_struct`.
    timers: BTreeMap<u64, Vec<Saved<'a>>>,
    /// Parents by task, as numbers.
    parents: BTreeMap<i64, i64>,
    /// What they have outside of the image.
    resources: Resources,
}

impl<'a> Belongings<'a> {
    fn new(objects: &'a Objects<'a>) -> Result<Belongings<'a>, TasksError> {
        let by = |ty: &str, field: &str| -> Result<BTreeMap<u64, Vec<Saved<'a>>>, FieldError> {
            let mut found: BTreeMap<u64, Vec<Saved<'a>>> = BTreeMap::new();
            for object in objects.of_type(ty)? {
                let owner = object.unsigned(field)?;
                found.entry(owner).or_default().push(object);
            }
            Ok(found)
        };
        let head = objects.head();
        let resources = Resources::read(&head.resources);
        if let Some((_, error)) = resources.errors().next() {
            return Err(error.clone().into());
        }
        let mut children = by("task_struct", "real_parent")?;
        for threads in children.values_mut() {
            let mut first = Vec::new();
            for thread in threads.iter() {
                if thread.signed("pid")? == thread.signed("tgid")? {
                    first.push(*thread);
                }
            }
            *threads = first;
        }
        let registers = objects.of_type("pt_regs")?.into_iter();
        Ok(Belongings {
            registers: registers
                .map(|registers| (head.object(registers.id()).owner, registers))
                .collect(),
            spaces: head
                .address_spaces
                .iter()
                .map(|space| (space.mm, space))
                .collect(),
            vmas: by("vm_area_struct", "vm_mm")?,
            users: by("task_struct", "mm")?,
            children,
            timers: by("k_itimer", "it_signal")?,
            parents: parents(objects),
            resources,
        })
    }
}

/// The numbers of the tasks and their parents that the core notes have: `pr_pid` and `pr_ppid` of
/// `struct elf_prstatus` of x86-64.
fn parents(objects: &Objects<'_>) -> BTreeMap<i64, i64> {
    let notes = objects.head().core_notes.iter();
    let notes = notes.filter(|note| note.owner == "CORE" && note.kind == NT_PRSTATUS);
    notes
        .filter_map(|note| {
            let number = |at: usize| {
                let bytes = note.bytes.get(at..at + 4)?.first_chunk()?;
                Some(i64::from(i32::from_le_bytes(*bytes)))
            };
            Some((number(32)?, number(36)?))
        })
        .collect()
}

/// Gives `take` each task whose place among them is in `which`, in the order of the image.
///
/// # Errors
/// A field that the layout does not have, an object that is too short, or a resource that is not what it should be.
pub(crate) fn each_task(
    objects: &Objects<'_>,
    which: Range<usize>,
    take: &mut dyn FnMut(Task),
) -> Result<(), TasksError> {
    let belongings = Belongings::new(objects)?;
    let tasks = objects.of_type("task_struct")?.into_iter();
    for fields in tasks.take(which.end).skip(which.start) {
        take(task(&fields, &belongings)?);
    }
    Ok(())
}

fn task(fields: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Task, FieldError> {
    let mm = fields.follow("mm")?;
    Ok(Task {
        id: fields.id(),
        addr: hex(fields.at().0),
        identity: identity::identity(fields, belongings)?,
        credentials: credentials::credentials(fields, &belongings.resources)?,
        scheduling: scheduling::scheduling(fields)?,
        signals: signals::signals(fields)?,
        timers: timers::timers(fields, belongings)?,
        rlim: limits(fields)?,
        user: user::user_state(fields, belongings)?,
        files: files::files(fields, &belongings.resources)?,
        mm: mm
            .map(|mm| memory::address_space(&mm, belongings))
            .transpose()?,
    })
}

/// Soft and hard limits by number of the resource.
fn limits(task: &Saved<'_>) -> Result<Vec<[u64; 2]>, FieldError> {
    let limits = model::limits(&task.required("signal")?)?;
    Ok(limits
        .iter()
        .map(|limit| [limit.soft, limit.hard])
        .collect())
}

/// The resource that the pointer at `path` stands for.
fn resource<'r>(
    of: &Saved<'_>,
    path: &str,
    resources: &'r Resources,
) -> Result<Option<&'r Resource>, FieldError> {
    Ok(of.resource_id(path)?.and_then(|id| resources.get(id)))
}

/// The path of the resource that the pointer at `path` stands for.
fn path_at(
    of: &Saved<'_>,
    path: &str,
    resources: &Resources,
) -> Result<Option<String>, FieldError> {
    let resource = resource(of, path, resources)?;
    Ok(resource.and_then(Resource::path).map(str::to_owned))
}

/// The number at `path`, in hexadecimal.
fn hex_at(of: &Saved<'_>, path: &str) -> Result<String, FieldError> {
    Ok(hex(of.unsigned(path)?))
}

/// The same reading of several fields, by name.
fn each<T, const N: usize>(
    names: [&'static str; N],
    read: impl Fn(&str) -> Result<T, FieldError>,
) -> Result<BTreeMap<&'static str, T>, FieldError> {
    names
        .into_iter()
        .map(|name| Ok((name, read(name)?)))
        .collect()
}
