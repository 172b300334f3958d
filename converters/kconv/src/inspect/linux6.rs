//! A task of Linux 6 put together from its objects, with all that `/proc` shows and what it does
//! not. Kernel sources are cited by file and function; they read the same in 6.1 and 6.12 unless
//! a release is named.

mod credentials;
mod fields;
mod files;
mod identity;
mod memory;
mod scheduling;
pub(super) mod show;
mod signals;
mod system_calls;
mod timers;
mod user;

use super::error::FieldError;
use super::raw::hex;
use super::view::View;
use fields::Fields;
use kconv_image::core_notes::NT_PRSTATUS;
use kconv_image::{AddressSpace, ObjectId};
use serde::Serialize;
use std::collections::BTreeMap;

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
    registers: BTreeMap<ObjectId, ObjectId>,
    /// User pages by `mm_struct`.
    spaces: BTreeMap<ObjectId, &'a AddressSpace>,
    /// Mappings by the address of their `mm_struct`, and tasks likewise.
    vmas: BTreeMap<u64, Vec<ObjectId>>,
    users: BTreeMap<u64, Vec<ObjectId>>,
    /// Timers by the address of their `signal_struct`.
    timers: BTreeMap<u64, Vec<ObjectId>>,
    /// Parents by task, as numbers.
    parents: BTreeMap<i64, i64>,
}

impl<'a> Belongings<'a> {
    fn new(view: &'a View) -> Result<Belongings<'a>, FieldError> {
        let by = |ty: &str, field: &str| -> Result<BTreeMap<u64, Vec<ObjectId>>, FieldError> {
            let mut found: BTreeMap<u64, Vec<ObjectId>> = BTreeMap::new();
            for id in view.of_type(ty) {
                let owner = Fields::of(view, id)?.unsigned(field)?;
                found.entry(owner).or_default().push(id);
            }
            Ok(found)
        };
        Ok(Belongings {
            registers: view
                .of_type("pt_regs")
                .map(|id| (view.head().object(id).owner, id))
                .collect(),
            spaces: view
                .head()
                .address_spaces
                .iter()
                .map(|space| (space.mm, space))
                .collect(),
            vmas: by("vm_area_struct", "vm_mm")?,
            users: by("task_struct", "mm")?,
            timers: by("k_itimer", "it_signal")?,
            parents: parents(view),
        })
    }
}

/// The numbers of the tasks and their parents that the core notes have: `pr_pid` and `pr_ppid` of
/// `struct elf_prstatus` of x86-64.
fn parents(view: &View) -> BTreeMap<i64, i64> {
    let notes = view.head().core_notes.iter();
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

/// All tasks, in the order of the image.
///
/// # Errors
/// A field that the layout does not have, or an object that is too short.
pub(crate) fn tasks(view: &View) -> Result<Vec<Task>, FieldError> {
    let belongings = Belongings::new(view)?;
    view.of_type("task_struct")
        .map(|id| task(view, &belongings, id))
        .collect()
}

fn task(view: &View, belongings: &Belongings<'_>, id: ObjectId) -> Result<Task, FieldError> {
    let fields = Fields::of(view, id)?;
    let mm = fields.follow("mm")?;
    Ok(Task {
        id,
        addr: hex(fields.address()),
        identity: identity::identity(&fields, belongings)?,
        credentials: credentials::credentials(&fields)?,
        scheduling: scheduling::scheduling(&fields)?,
        signals: signals::signals(&fields)?,
        timers: timers::timers(&fields, belongings)?,
        rlim: limits(&fields)?,
        user: user::user_state(&fields, belongings)?,
        files: files::files(&fields)?,
        mm: mm
            .map(|mm| memory::address_space(&mm, belongings))
            .transpose()?,
    })
}

/// Soft and hard limits by number of the resource.
fn limits(task: &Fields<'_>) -> Result<Vec<[u64; 2]>, FieldError> {
    let Some(signal) = task.follow("signal")? else {
        return Ok(Vec::new());
    };
    (0..)
        .take_while(|index| signal.has(&format!("rlim[{index}]")))
        .map(|index| {
            Ok([
                signal.unsigned(&format!("rlim[{index}].rlim_cur"))?,
                signal.unsigned(&format!("rlim[{index}].rlim_max"))?,
            ])
        })
        .collect()
}
