//! Which memory a process has from its parent, as fork(2) gives it.
//!
//! Pages that a fork left in common stand once in an image, so that the image says which they are: those
//! that parent and child have at one address, at one position. For a thaw to leave them in common they have
//! to be there when the child is made. A process therefore *stages* pages, in those of its mappings that
//! its children had from it: what most of its descendants have, itself among them, whether it still has
//! that or not. Each child keeps what it wants of its parent's mappings. When all children are made, a
//! process writes and takes away what it does not have of what was staged.
//!
//! All of this is computed before anything is made. Who had a page from somebody who is not made gets one of
//! its own, and so does a child whose mapping reaches beyond that of its parent.

mod pages;
mod several;
mod votes;

use crate::plan::{Mapping, Memory, Plan, Process};
use crate::vm_flags::{VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_MAYSHARE, VM_NORESERVE, VM_SHARED};
use kconv_image::{Head, PAGE_SIZE};
pub(crate) use pages::{Extent, Pages, Piece};
use several::Several;
use std::collections::{BTreeMap, BTreeSet};
use votes::Votes;

/// What is in the memory of a process from its birth to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Birth {
    /// Its mappings that it has from its parent, by index.
    pub(crate) inherited: BTreeSet<usize>,
    /// What it has from its parent beside them, and gives away.
    pub(crate) given_away: Vec<(u64, u64)>,
    /// Pages that it has from its parent, in the mappings that it has from it.
    pub(crate) born: Pages,
    /// Mappings that it makes before its children, by index.
    pub(crate) early: BTreeSet<usize>,
    /// Mappings that are locked before it has children. Later that would give it pages of its own.
    pub(crate) locked_early: BTreeSet<usize>,
    /// Pages that it has when its children are made.
    pub(crate) staged: Pages,
    /// Pages that it has in the end.
    pub(crate) own: Pages,
}

impl Birth {
    /// Whether anything is to be made before its children.
    pub(crate) fn stages(&self) -> bool {
        !self.early.is_empty() || !self.locked_early.is_empty() || self.staged != self.born
    }

    /// Whether a mapping is there when its children have been made.
    pub(crate) fn has(&self, mapping: usize) -> bool {
        self.inherited.contains(&mapping) || self.early.contains(&mapping)
    }

    /// Bytes that are written for it, and which therefore nobody else has.
    pub(crate) fn written(&self) -> u64 {
        let before = self.born.to_write(&self.staged);
        before.bytes() + self.staged.to_write(&self.own).bytes()
    }
}

/// The memory of each process of a plan.
pub(crate) struct Inheritance {
    /// In the order of the processes.
    pub(crate) births: Vec<Birth>,
}

impl Inheritance {
    /// What the processes of a plan can have from each other.
    pub(crate) fn of(plan: &Plan, head: &Head) -> Inheritance {
        let processes = &plan.processes;
        let own: Vec<Pages> = by_space(plan, head);
        let common = in_common(processes, &own);
        // What the children of each want to have from it. A parent comes before its children.
        let mut wanted: Vec<Votes> = processes.iter().map(|_| Votes::default()).collect();
        for (index, process) in processes.iter().enumerate().rev() {
            if let (Some(parent), Some(memory)) = (process.parent, &process.memory)
                && let Some(of_parent) = &processes[parent].memory
            {
                let ranges = ranges(heritable(memory, of_parent).map(|(_, own, _)| own));
                let votes = Votes::of(&common[index]).and(&wanted[index]);
                wanted[parent] = wanted[parent].and(&votes.within(&ranges));
            }
        }
        let mut births: Vec<Birth> = Vec::new();
        let each = processes.iter().zip(own).zip(common.iter().zip(&wanted));
        for ((process, own), (common, wanted)) in each {
            let parent = process.parent.map(|parent| {
                let memory = processes[parent].memory.as_ref();
                (memory, &births[parent])
            });
            let birth = Birth {
                own,
                ..Birth::default()
            };
            births.push(birth.make(process, parent, common, wanted));
        }
        Inheritance { births }
    }
}

impl Birth {
    /// What becomes of it, for a process with a parent: `common` is what others have as well, `wanted` what
    /// those have that descend from it.
    fn make(
        mut self,
        process: &Process,
        parent: Option<(Option<&Memory>, &Birth)>,
        common: &Pages,
        wanted: &Votes,
    ) -> Birth {
        if let Some((Some(of_parent), birth)) = parent {
            self.inherit(process.memory.as_ref(), of_parent, birth, common, wanted);
        }
        self.staged = self.born.clone();
        if let Some(memory) = &process.memory
            && !wanted.is_empty()
        {
            self.stage(memory, common, wanted);
        }
        self
    }

    /// What it has from its parent.
    fn inherit(
        &mut self,
        memory: Option<&Memory>,
        of_parent: &Memory,
        parent: &Birth,
        common: &Pages,
        wanted: &Votes,
    ) {
        let of_use = parent.staged.in_common(common);
        let of_use = of_use.over(&parent.staged.in_common(&wanted.pages()));
        let there = memory.map(|memory| {
            let all = heritable(memory, of_parent);
            let there = all.filter(|(_, _, from)| parent.has(*from));
            let useful = there.filter(|(_, own, _)| of_use.has_any(*own));
            useful.collect::<Vec<_>>()
        });
        let there = there.unwrap_or_default();
        self.inherited = there.iter().map(|(index, _, _)| *index).collect();
        let kept = ranges(there.iter().map(|(_, own, _)| *own));
        self.born = parent.staged.within(&kept);
        let mappings = of_parent.mappings.iter().enumerate();
        let present = mappings.filter(|(index, _)| parent.has(*index));
        let present = present.map(|(_, mapping)| Piece {
            start: mapping.start,
            end: mapping.end,
            position: 0,
        });
        let present: Pages = present.collect();
        let rest = present.outside(&kept);
        self.given_away = rest.to_drop(&Pages::default());
    }

    /// What it stages for its children.
    fn stage(&mut self, memory: &Memory, common: &Pages, wanted: &Votes) {
        let asked = wanted.pages();
        let concerned: Vec<usize> = (0..memory.mappings.len())
            .filter(|index| asked.has_any(memory.mappings[*index].extent()))
            .collect();
        let is_locked = |index: &usize| memory.mappings[*index].flags & VM_LOCKED != 0;
        let (locked, free): (Vec<usize>, Vec<usize>) =
            concerned.iter().partition(|one| is_locked(one));
        let extents = |indexes: &[usize]| {
            ranges(indexes.iter().map(|index| memory.mappings[*index].extent()))
        };
        let votes = Votes::of(&common.within(asked.pieces())).and(wanted);
        let chosen = votes.within(&extents(&free)).pages();
        // All of what is locked is there, and nothing can be taken away from it.
        let whole = self.own.within(&extents(&locked));
        let below = self.born.outside(&extents(&locked));
        // What it has from its parent and keeps it is not to lose.
        let kept = self.born.in_common(&self.own);
        self.staged = kept.over(&whole).over(&chosen).over(&below);
        self.early = concerned
            .into_iter()
            .filter(|index| {
                let extent = memory.mappings[*index].extent();
                !self.inherited.contains(index) && self.staged.has_any(extent)
            })
            .collect();
        let there = locked.into_iter().filter(|index| self.has(*index));
        self.locked_early = there.collect();
    }
}

impl Extent for Mapping {
    fn extent(&self) -> (u64, u64) {
        (self.start, self.end)
    }
}

/// Ranges by address.
fn ranges(ranges: impl Iterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    ranges.collect()
}

/// The pages that each process has in the end of those in the image; not those of files that have their
/// contents, nor the code of the kernel of the freeze.
fn by_space(plan: &Plan, head: &Head) -> Vec<Pages> {
    let spaces = head.address_spaces.iter();
    let spaces: BTreeMap<_, _> = spaces.map(|space| (space.mm, &space.runs)).collect();
    let of_process = |process: &Process| {
        let memory = process.memory.as_ref()?;
        let runs = spaces.get(&memory.mm)?.iter().map(|run| Piece {
            start: run.start.0,
            end: run.start.0 + run.pages * PAGE_SIZE,
            position: run.position,
        });
        let has_contents = |mapping: &&Mapping| {
            let file = mapping.file.filter(|_| mapping.flags & VM_SHARED != 0);
            let resource = file.map(|file| plan.files[file].resource);
            resource.is_some_and(|resource| head.contents_of(resource).is_some())
        };
        let elsewhere = memory.mappings.iter().filter(has_contents);
        let elsewhere = ranges(elsewhere.map(Extent::extent));
        let vdso: Vec<_> = memory.vdso.into_iter().collect();
        let pages: Pages = runs.collect();
        Some(pages.outside(&elsewhere).outside(&vdso))
    };
    let processes = plan.processes.iter();
    processes
        .map(|process| of_process(process).unwrap_or_default())
        .collect()
}

/// Those pages of each process, in mappings that can be had from a parent, that others have as well.
fn in_common(processes: &[Process], own: &[Pages]) -> Vec<Pages> {
    let private: Vec<Pages> = processes
        .iter()
        .zip(own)
        .map(|(process, own)| {
            let memory = process.memory.iter();
            let mappings = memory.flat_map(|memory| &memory.mappings);
            let private = mappings.filter(|mapping| is_private(mapping));
            own.within(&ranges(private.map(Extent::extent)))
        })
        .collect();
    let several = Several::of(&private);
    private.iter().map(|pages| several.among(pages)).collect()
}

fn is_private(mapping: &Mapping) -> bool {
    mapping.flags & (VM_SHARED | VM_MAYSHARE) == 0 && !mapping.droppable
}

/// The mappings of a process that can be parts of those of its parent: by index, with what they reach over,
/// and the index of the parent's.
fn heritable<'m>(
    memory: &'m Memory,
    of_parent: &'m Memory,
) -> impl Iterator<Item = (usize, (u64, u64), usize)> + 'm {
    let own = memory.mappings.iter().enumerate();
    own.filter_map(|(index, mapping)| {
        let mappings = &of_parent.mappings;
        let after = mappings.partition_point(|one| one.start <= mapping.start);
        let from = after.checked_sub(1)?;
        let is_part = is_part(mapping, &mappings[from]);
        is_part.then_some((index, mapping.extent(), from))
    })
}

/// Whether a mapping can be a part of another process's: what mmap(2) is told of both is the same. All else
/// can be set later.
fn is_part(mapping: &Mapping, of: &Mapping) -> bool {
    const AS_MAPPED: u64 = VM_GROWSDOWN | VM_ACCOUNT | VM_NORESERVE;
    is_private(mapping)
        && is_private(of)
        && of.start <= mapping.start
        && mapping.end <= of.end
        && mapping.flags & AS_MAPPED == of.flags & AS_MAPPED
        && mapping.file == of.file
        && (mapping.file.is_none()
            || mapping.offset.checked_sub(of.offset) == Some(mapping.start - of.start))
}

#[cfg(test)]
mod tests;
