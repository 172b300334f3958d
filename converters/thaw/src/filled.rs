//! How much memory a thaw fills.

use crate::inheritance::{Birth, Inheritance};
use crate::plan::Plan;
use crate::used::{Copies, in_memory, users};
use kconv_image::{Head, PAGE_SIZE};
use kconv_resources::linux6::File;
use std::collections::BTreeSet;
use std::path::Path;

/// Pages that come into memory.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Bytes of files in memory that are not there.
    files: u64,
    /// Bytes of memory of processes' own.
    own: u64,
    /// How much of that is there again, though its processes had it in common.
    pub(crate) in_common: u64,
}

impl Filled {
    /// What is to be filled for a plan, of which `copies` are taken from the image.
    pub(crate) fn by(plan: &Plan, head: &Head, copies: &Copies) -> Filled {
        let used = users(plan);
        let mut filled = Filled::default();
        // Other names of a file have the same pages; each copy of a program is one of its own.
        let mut known = BTreeSet::new();
        for contents in &head.contents {
            let file = plan.resources.file(contents.resource);
            let path = file.map(|file| file.path.as_str());
            let is_kept = file.is_some_and(File::is_kept);
            let is_there = match file {
                Some(file) if file.is_nameless() => !in_memory(&file.inode.file_system),
                _ if is_kept => !copies.contains_key(&contents.resource),
                _ => path.is_some_and(|path| Path::new(path).exists()),
            };
            for run in &contents.runs {
                let is_new = known.insert((run.position, path.filter(|_| is_kept)));
                if !is_there && used.contains_key(&contents.resource) && is_new {
                    filled.files += run.pages * PAGE_SIZE;
                }
            }
        }
        let births = Inheritance::of(plan, head).births;
        let memories = plan.processes.iter().filter_map(|one| one.memory.as_ref());
        // The code of the kernel of the freeze, which may have to stay.
        let codes = memories.filter_map(|memory| memory.vdso);
        let codes: u64 = codes.map(|(start, end)| end - start).sum();
        let written: u64 = births.iter().map(Birth::written).sum();
        let mut distinct: Vec<(u64, u64)> = births
            .iter()
            .flat_map(|birth| birth.own.pieces())
            .map(|piece| (piece.position, piece.position + (piece.end - piece.start)))
            .collect();
        distinct.sort_unstable();
        let (mut done, mut bytes) = (0, 0);
        for (start, end) in distinct {
            bytes += end.max(done) - start.max(done);
            done = end.max(done);
        }
        filled.own = written + codes;
        filled.in_common = written - bytes;
        filled
    }

    /// All of it, in bytes.
    pub(crate) fn bytes(self) -> u64 {
        self.files + self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Descriptor, Mapping, Memory, OpenFile, Process};
    use crate::testing;
    use crate::vm_flags::VM_SHARED;
    use kconv_image::{
        AddressSpace, ContentRun, Contents, ObjectId, PageRun, ResourceId, UserAddr,
    };
    use kconv_resources::linux6::Resource;

    #[test]
    fn shared_memory_counts_once_and_what_is_there_does_not() {
        let run = |start, position, pages| PageRun {
            start: UserAddr(start * PAGE_SIZE),
            pages,
            access: 6,
            position: position * PAGE_SIZE,
        };
        let space = |mm, runs| AddressSpace {
            mm: ObjectId(mm),
            runs,
        };
        let contents = |resource, position, pages| Contents {
            resource: ResourceId(resource),
            runs: vec![ContentRun {
                offset: 0,
                pages,
                position: position * PAGE_SIZE,
            }],
        };
        let there = Resource::File(testing::file("/"));
        let resources = [testing::shared_memory(), there];
        let mut head = testing::head(resources.to_vec());
        head.contents = vec![contents(0, 0, 3), contents(1, 3, 5)];
        // Two that share the memory and the file, and one that is not wanted.
        head.address_spaces = vec![
            space(1, vec![run(0, 0, 3), run(8, 3, 5), run(16, 8, 2)]),
            // It has the pages behind, too, and has not written to one of them since it was born.
            space(2, vec![run(0, 1, 2), run(16, 8, 1), run(17, 10, 2)]),
            space(3, vec![run(0, 12, 100)]),
        ];
        let mapping = |start, flags, file| Mapping {
            file,
            ..Mapping::bare(start * PAGE_SIZE, (start + 8) * PAGE_SIZE, flags)
        };
        let process = |pid, mm, parent| Process {
            memory: Some(Memory::bare(
                ObjectId(mm),
                vec![
                    mapping(0, VM_SHARED, Some(0)),
                    mapping(8, VM_SHARED, Some(1)),
                    mapping(16, 0, None),
                ],
            )),
            descriptors: [0, 1]
                .map(|file| Descriptor {
                    number: file as i32,
                    file,
                    close_on_exec: false,
                })
                .to_vec(),
            ..Process::bare(pid, parent)
        };
        let file = |resource| OpenFile {
            object: ObjectId(9),
            resource: ResourceId(resource),
            flags: 0,
            position: 0,
            owner: None,
            write_hint: 0,
        };
        let filled = |parent| {
            let plan = Plan {
                processes: vec![process(5, 1, None), process(6, 2, parent)],
                files: vec![file(0), file(1)],
                resources: resources.iter().cloned().collect(),
                ..Plan::default()
            };
            Filled::by(&plan, &head, &Copies::new())
        };
        let of_child = Filled {
            files: 3 * PAGE_SIZE,
            own: (2 + 2) * PAGE_SIZE,
            in_common: 0,
        };
        assert_eq!(filled(Some(0)), of_child);
        assert_eq!(of_child.bytes(), 7 * PAGE_SIZE);
        // The one that they had it from is not there.
        let of_orphan = Filled {
            own: (2 + 3) * PAGE_SIZE,
            in_common: PAGE_SIZE,
            ..of_child
        };
        assert_eq!(filled(None), of_orphan);
    }
}
