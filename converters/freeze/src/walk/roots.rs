//! Where the walk starts: the tasks on the ring, and the threads of each.

use super::{MAX_TASKS, Walked};
use crate::error::{Fault, Finding, Flaw, Place};
use crate::memory::Memory;
use kconv_image::KernelAddr;
use kconv_objects::{FieldError, Names};
use kernel_structs::layout::{Type, TypeId};
use kernel_structs::state::{Root, StateMap, Threads};
use std::collections::BTreeSet;

/// How often the ring of a running kernel is gone through until it comes back to its beginning:
/// tasks come and go while it is read.
const ATTEMPTS: usize = 20;

/// Which of the roots are walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// The processes of these ids (`task_struct.tgid`), with all their threads.
    Processes(BTreeSet<i64>),
}

type Refusal = Box<Finding>;

/// A task, before anything else is read.
pub(crate) struct TaskAddress {
    pub(crate) at: KernelAddr,
    pub(crate) pid: i64,
    /// Its number, for a finding.
    pub(crate) place: Place,
}

/// Where the tasks of `selection` lie.
pub(crate) fn task_addresses(
    memory: Memory<'_>,
    map: &StateMap,
    selection: &Selection,
) -> Result<Vec<TaskAddress>, Refusal> {
    let mut walked = Walked::new(memory, map);
    walked.roots(selection)?;
    let mut tasks = Vec::new();
    for (task, saved) in walked.objects.iter().enumerate() {
        let pid = walked.view(task).and_then(|view| Ok(view.signed("pid")?));
        let pid = pid.map_err(|fault| {
            let place = walked.place(task, "pid".to_owned(), None);
            refuse(place, fault.into())
        })?;
        let place = walked.place(task, "pid".to_owned(), None);
        tasks.push(TaskAddress {
            at: saved.at,
            pid,
            place,
        });
    }
    Ok(tasks)
}

/// An object on a ring, and where it was found.
struct Found {
    ty: usize,
    at: KernelAddr,
    bytes: Vec<u8>,
}

impl<'a> Walked<'a> {
    /// Reads the roots, and what is on their rings.
    pub(super) fn roots(&mut self, selection: &Selection) -> Result<(), Refusal> {
        let attempts = match self.memory.source.is_running() {
            true => ATTEMPTS,
            false => 1,
        };
        for attempt in 1..=attempts {
            let read: Result<(), Refusal> = self
                .map
                .roots
                .iter()
                .try_for_each(|root| self.ring(root, selection));
            match read.and_then(|()| self.all_found(selection)) {
                Ok(()) => break,
                Err(finding) if attempt == attempts => return Err(finding),
                Err(_) => {
                    self.objects.clear();
                    self.by_address.clear();
                }
            }
        }
        Ok(())
    }

    /// Reads a root, and what is on its ring.
    fn ring(&mut self, root: &'a Root, selection: &Selection) -> Result<(), Refusal> {
        let place = |at, field: &str, value| Place {
            ty: root.ty.clone(),
            at,
            field: field.to_owned(),
            value,
            ..Place::default()
        };
        let symbol = &root.symbol;
        let first = self.memory.source.symbol(symbol).ok_or_else(|| {
            let symbol = symbol.clone();
            refuse(place(None, "", None), Flaw::NoRoot { symbol })
        })?;
        let ty = self.types.find(&root.ty);
        let ty = ty.map_err(|bad| refuse(place(Some(first), &bad.path, None), bad.flaw))?;
        let link = root.ring.as_deref().map(|ring| self.link(&root.ty, ring));
        let link = link.transpose().map_err(|fault| {
            let field = root.ring.as_deref().unwrap_or_default();
            refuse(place(Some(first), field, None), fault.into())
        })?;
        let mut seen = BTreeSet::from([first]);
        let (mut from, mut at) = (place(Some(first), "", None), first);
        loop {
            let bytes = self.bytes(ty, 1, at);
            let bytes = bytes.map_err(|flaw| refuse(from.clone(), flaw))?;
            let (next, selected) = {
                let view = self.memory.view(&root.ty, at, &bytes);
                let view = view.map_err(|fault| refuse(from.clone(), fault.into()))?;
                from = place(Some(at), "", None);
                from.task = super::name_of(&view);
                let failed = |error: FieldError| refuse(from.clone(), error.into());
                let selected = match selection {
                    Selection::All => true,
                    Selection::Processes(ids) => {
                        ids.contains(&view.signed("tgid").map_err(failed)?)
                    }
                };
                let next = link.as_ref().map(|link| view.unsigned(&link.path));
                let next = next.transpose().map_err(failed)?;
                if let Some(link) = &link {
                    from.field.clone_from(&link.path);
                }
                (next, selected)
            };
            if selected {
                let found = Found { ty, at, bytes };
                self.root(root, found)
                    .map_err(|flaw| refuse(from.clone(), flaw))?;
            }
            let Some(next) = next else {
                return Ok(());
            };
            from.value = Some(next);
            if next == 0 {
                return Err(refuse(from, Flaw::EndOfRing { first }));
            }
            // A list_head leads to a list_head inside the next object.
            let back = link.as_ref().map_or(0, |link| link.back);
            at = match next.checked_sub(back) {
                Some(at) => KernelAddr(at),
                None => return Err(refuse(from, Flaw::OpenRing { first })),
            };
            if at == first {
                return Ok(());
            }
            if seen.len() >= MAX_TASKS {
                return Err(refuse(from, Flaw::LongRing { limit: MAX_TASKS }));
            }
            if !seen.insert(at) {
                return Err(refuse(from, Flaw::OpenRing { first }));
            }
        }
    }

    /// Adds an object of a ring and its threads.
    fn root(&mut self, root: &'a Root, found: Found) -> Result<(), Flaw> {
        let Found { ty, at, bytes } = found;
        let threads = match &root.threads {
            None => Vec::new(),
            Some(threads) => self.threads(&root.ty, threads, at, &bytes)?,
        };
        self.push(ty, 1, at, self.objects.len(), bytes);
        for thread in threads.into_iter().filter(|thread| *thread != at) {
            if self.by_address.contains_key(&thread) {
                return Err(Flaw::Loop);
            }
            if self.objects.len() >= MAX_TASKS {
                return Err(Flaw::LongRing { limit: MAX_TASKS });
            }
            let bytes = self.bytes(ty, 1, thread)?;
            self.push(ty, 1, thread, self.objects.len(), bytes);
        }
        Ok(())
    }

    /// The objects on the list that `threads` says begins in the object at `at`.
    fn threads(
        &self,
        ty: &str,
        threads: &Threads,
        at: KernelAddr,
        bytes: &[u8],
    ) -> Result<Vec<KernelAddr>, Flaw> {
        let names = self.memory.names;
        let mut view = self.memory.view(ty, at, bytes)?;
        let mut steps = threads.head.split('.').peekable();
        let mut path = String::new();
        while let Some(step) = steps.next() {
            path = match path.as_str() {
                "" => step.to_owned(),
                path => format!("{path}.{step}"),
            };
            let target = pointee(names, view.type_id(), &path);
            if let Some(target) = target.filter(|_| steps.peek().is_some()) {
                let Some(next) = view.pointer(&path)? else {
                    return Ok(Vec::new());
                };
                view = self.memory.read_id(target, next)?;
                path.clear();
            }
        }
        let offset = self.link(ty, &threads.link)?.back;
        let head = view.address_of(&path)?;
        self.list(head, view.pointer(&format!("{path}.next"))?, offset)
    }

    /// How member `ring` of `ty` leads to the next object.
    fn link(&self, ty: &str, ring: &str) -> Result<Link, Fault> {
        let layout = self.memory.layout();
        let id = self.memory.names.find(ty)?;
        let found = self.memory.names.place(id, ring)?;
        let embedded = layout.names(found.ty).contains(&"list_head");
        Ok(match embedded {
            true => Link {
                path: format!("{ring}.next"),
                back: found.offset.byte().0,
            },
            false => Link {
                path: ring.to_owned(),
                back: 0,
            },
        })
    }

    /// An error if a process that should be walked was not found.
    fn all_found(&self, selection: &Selection) -> Result<(), Refusal> {
        let Selection::Processes(ids) = selection else {
            return Ok(());
        };
        let mut found = BTreeSet::new();
        for task in 0..self.objects.len() {
            let id = self.view(task).and_then(|view| Ok(view.signed("tgid")?));
            found.extend(id.ok());
        }
        match ids.difference(&found).next() {
            None => Ok(()),
            Some(pid) => Err(refuse(Place::default(), Flaw::NoProcess { pid: *pid })),
        }
    }
}

/// How one object of a ring leads to the next.
struct Link {
    /// The pointer.
    path: String,
    /// How far into the next object it leads, in bytes.
    back: u64,
}

fn pointee(names: &Names<'_>, ty: TypeId, path: &str) -> Option<TypeId> {
    let found = names.place(ty, path).ok()?;
    match names.layout().get(names.layout().strip(found.ty)) {
        Type::Pointer { target } => Some(*target),
        _ => None,
    }
}

fn refuse(place: Place, flaw: Flaw) -> Refusal {
    Box::new(Finding { place, flaw })
}
