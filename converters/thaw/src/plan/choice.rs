//! Which processes of an image are made, and what becomes of those whose parents, children and pipes
//! are not.

use super::model::{Plan, Process, Severed, Watch};
use kconv_codes::Code;
use kconv_image::{ResourceId, TaskName};
use kconv_resources::linux6::Resource;
use std::collections::{BTreeMap, BTreeSet};

/// Which processes are made. A child that has ended comes with its parent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// These alone.
    Only(BTreeSet<i32>),
    /// All but these.
    Except(BTreeSet<i32>),
}

/// A choice that an image does not offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The image has no such process.
    #[error("the image has no process {pid}; it has {}", numbers(known))]
    NoProcess {
        /// What was named.
        pid: i32,
        /// The processes that it has.
        known: Vec<i32>,
    },
    /// The number is that of a thread.
    #[error(
        "{tid} is a thread of process {pid}, which is made with all of its threads or not at all"
    )]
    Thread {
        /// What was named.
        tid: i32,
        /// Its process.
        pid: i32,
    },
    /// Nobody is made.
    #[error("all processes of the image are left out")]
    Nothing,
}

/// A process that is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The process.
    pub task: TaskName,
    /// Its parent, if that is made.
    pub parent: Option<TaskName>,
}

impl LeftOut {
    /// Its kind, whichever process it is.
    pub fn code(&self) -> Code {
        Code::TaskLeftOut
    }

    /// What becomes of it, without the task.
    pub fn text(&self) -> String {
        match &self.parent {
            None => "it is not made".to_owned(),
            Some(parent) => format!("it is not made, and {parent} will miss this child"),
        }
    }
}

fn numbers(of: &[i32]) -> String {
    let numbers: Vec<String> = of.iter().map(i32::to_string).collect();
    numbers.join(", ")
}

impl Plan {
    /// The plan for the processes of `choice` alone, and those that are left out.
    pub(crate) fn choose(&self, choice: &Choice) -> Result<(Plan, Vec<LeftOut>), ChoiceError> {
        self.offers(choice)?;
        let kept = self.kept(choice);
        if !kept.contains(&true) {
            return Err(ChoiceError::Nothing);
        }
        let is_kept = |index: usize| kept.get(index) == Some(&true);
        let all = || self.processes.iter().enumerate();
        let left_out = all().filter(|(index, _)| !is_kept(*index));
        let left_out = left_out.map(|(_, process)| LeftOut {
            task: self.task(process.pid),
            parent: process
                .parent
                .filter(|parent| is_kept(*parent))
                .map(|parent| self.task(self.processes[parent].pid)),
        });
        let mut plan = Plan {
            processes: Vec::new(),
            files: Vec::new(),
            watches: Vec::new(),
            frozen: self.frozen,
            severed: self.severed.clone(),
            resources: self.resources.clone(),
        };
        plan.severed.extend(self.severed(&kept));
        let mut places = BTreeMap::new();
        for (index, process) in all().filter(|(index, _)| is_kept(*index)) {
            places.insert(index, plan.processes.len());
            let parent = process.parent.and_then(|parent| places.get(&parent));
            plan.processes.push(Process {
                parent: parent.copied(),
                ..process.clone()
            });
        }
        plan.take_files(self);
        Ok((plan, left_out.collect()))
    }

    /// Whether the processes that are named are there.
    fn offers(&self, choice: &Choice) -> Result<(), ChoiceError> {
        let named = match choice {
            Choice::All => return Ok(()),
            Choice::Only(named) | Choice::Except(named) => named,
        };
        for pid in named {
            if self.processes.iter().any(|process| process.pid == *pid) {
                continue;
            }
            let of_thread = |process: &&Process| {
                let mut threads = process.threads.iter();
                threads.any(|thread| thread.tid == *pid)
            };
            return Err(match self.processes.iter().find(of_thread) {
                Some(process) => ChoiceError::Thread {
                    tid: *pid,
                    pid: process.pid,
                },
                None => ChoiceError::NoProcess {
                    pid: *pid,
                    known: self.processes.iter().map(|process| process.pid).collect(),
                },
            });
        }
        Ok(())
    }

    /// Which of the processes are made.
    fn kept(&self, choice: &Choice) -> Vec<bool> {
        let mut kept: Vec<bool> = Vec::new();
        for process in &self.processes {
            let parent = process.parent.map(|parent| kept[parent]);
            let pid = &process.pid;
            kept.push(match (choice, &process.ended) {
                (Choice::All, _) => true,
                (Choice::Only(named), None) => named.contains(pid),
                (Choice::Only(_), Some(_)) => parent == Some(true),
                (Choice::Except(named), None) => !named.contains(pid),
                (Choice::Except(named), Some(_)) => !named.contains(pid) && parent != Some(false),
            });
        }
        kept
    }

    /// What those that are made share with those that are not, and cannot be without: a pipe with an
    /// end outside is told by its ends.
    fn severed(&self, kept: &[bool]) -> Vec<Severed> {
        let split = |made: bool| -> Vec<(&Process, BTreeSet<ResourceId>)> {
            let all = self.processes.iter().zip(kept);
            all.filter(|(_, kept)| **kept == made)
                .map(|(process, _)| (process, self.shared_memory(process)))
                .collect()
        };
        let (made, left) = (split(true), split(false));
        let mut severed = Vec::new();
        for (process, parts) in &made {
            for (other, parts_of_other) in &left {
                let mm = |process: &Process| process.memory.as_ref().map(|memory| memory.mm);
                let mut shared = |what, shares: bool| {
                    if shares {
                        severed.push(Severed {
                            pid: process.pid,
                            what,
                            with: self.task(other.pid),
                        });
                    }
                };
                let same_memory = mm(process).is_some() && mm(process) == mm(other);
                shared("memory", same_memory);
                let same_table = process.table.is_some() && process.table == other.table;
                shared("open files", same_table);
                shared(
                    "what an event loop waits with",
                    self.share(process, other, is_of_events),
                );
                let is_socket = |resource: &Resource| matches!(resource, Resource::PairedSocket(_));
                shared("a socket", self.share(process, other, is_socket));
                let meets = !parts.is_disjoint(parts_of_other);
                shared("a part of its memory", meets && !same_memory);
            }
        }
        severed
    }

    /// Whether two processes have something open that would be apart if it were made twice.
    fn share(&self, process: &Process, other: &Process, is: impl Fn(&Resource) -> bool) -> bool {
        let files = |process: &Process| -> BTreeSet<usize> {
            let files = process.descriptors.iter().map(|open| open.file);
            files
                .filter(|file| {
                    let resource = self.resources.get(self.files[*file].resource);
                    resource.is_some_and(&is)
                })
                .collect()
        };
        !files(process).is_disjoint(&files(other))
    }

    /// The memory without a name that a process maps and shares.
    fn shared_memory(&self, process: &Process) -> BTreeSet<ResourceId> {
        let memory = process.memory.iter().flat_map(|memory| &memory.mappings);
        let files = memory.filter_map(|mapping| self.files.get(mapping.file?));
        let resources = files.map(|file| file.resource);
        resources
            .filter(|id| {
                let resource = self.resources.get(*id);
                matches!(resource, Some(Resource::SharedMemory(_)))
            })
            .collect()
    }

    /// Takes the open files that the processes use out of the plan `from`.
    fn take_files(&mut self, from: &Plan) {
        let mut places = BTreeMap::new();
        let files = &mut self.files;
        let mut take = |file: &mut usize| {
            let place = places.entry(*file).or_insert_with(|| {
                files.push(from.files[*file].clone());
                files.len() - 1
            });
            *file = *place;
        };
        for process in &mut self.processes {
            for open in &mut process.descriptors {
                take(&mut open.file);
            }
            for lock in &mut process.locks {
                take(&mut lock.file);
            }
            if let Some(memory) = &mut process.memory {
                memory.program.iter_mut().for_each(&mut take);
                let mappings = memory.mappings.iter_mut();
                mappings
                    .filter_map(|mapping| mapping.file.as_mut())
                    .for_each(&mut take);
            }
        }
        for watch in &from.watches {
            if let Some(epoll) = places.get(&watch.epoll) {
                self.watches.push(Watch {
                    epoll: *epoll,
                    file: watch.file.and_then(|file| places.get(&file).copied()),
                    ..*watch
                });
            }
        }
    }
}

/// Whether something is what event loops wait with.
fn is_of_events(resource: &Resource) -> bool {
    matches!(
        resource,
        Resource::EventFd(_) | Resource::TimerFd(_) | Resource::SignalFd(_) | Resource::Epoll(_)
    )
}

#[cfg(test)]
mod tests;
