//! How much memory a thaw fills.

use crate::plan::Plan;
use crate::used::users;
use kconv_image::{Head, PAGE_SIZE};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Pages that come into memory.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Bytes of files in memory that are not there.
    files: u64,
    /// Bytes of memory of processes' own.
    own: u64,
    /// How much of that several had in common, but for the first of them.
    pub(crate) in_common: u64,
}

impl Filled {
    /// What is to be filled for a plan.
    pub(crate) fn by(plan: &Plan, head: &Head) -> Filled {
        let used = users(plan);
        let mut filled = Filled::default();
        // By their beginning: where the pages of files are.
        let mut of_files = BTreeMap::new();
        for contents in &head.contents {
            let resource = head.resources.get(contents.resource.0 as usize);
            let path = resource.and_then(|resource| resource.text("path"));
            let is_there = path.is_some_and(|path| Path::new(path).exists());
            for run in &contents.runs {
                let (start, bytes) = (run.position, run.pages * PAGE_SIZE);
                // Other names of the file have the same pages.
                let known = of_files.insert(start, start + bytes);
                if !is_there && used.contains_key(&contents.resource) && known.is_none() {
                    filled.files += bytes;
                }
            }
        }
        let memories: BTreeSet<_> = plan
            .processes
            .iter()
            .filter_map(|process| process.memory.as_ref().map(|memory| memory.mm))
            .collect();
        let spaces = head.address_spaces.iter();
        let spaces = spaces.filter(|space| memories.contains(&space.mm));
        let mut own: Vec<(u64, u64)> = spaces
            .flat_map(|space| &space.runs)
            .map(|run| (run.position, run.position + run.pages * PAGE_SIZE))
            .filter(|(start, end)| {
                let around = of_files.range(..=start).next_back();
                around.is_none_or(|(_, last)| end > last)
            })
            .collect();
        own.sort_unstable();
        let mut done = 0;
        for (start, end) in own {
            filled.own += end - start;
            filled.in_common += done.clamp(start, end) - start;
            done = end.max(done);
        }
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
    use crate::plan::{Descriptor, Memory, OpenFile, Process};
    use crate::testing;
    use kconv_image::{
        AddressSpace, ContentRun, Contents, ObjectId, PageRun, ResourceId, UserAddr, Value,
    };

    #[test]
    fn shared_memory_counts_once_and_what_is_there_does_not() {
        let run = |position, pages| PageRun {
            start: UserAddr(0x1000),
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
        let (memory, mut there) = (
            testing::resource("shared-memory"),
            testing::resource("file"),
        );
        there.attributes = vec![("path".to_owned(), Value::Text("/".to_owned()))];
        let mut head = testing::head(vec![memory, there]);
        head.contents = vec![contents(0, 0, 3), contents(1, 3, 5)];
        // Two that share the memory and the file, and one that is not wanted.
        head.address_spaces = vec![
            space(1, vec![run(0, 3), run(3, 5), run(8, 1)]),
            // It has the page behind, too, and has not written to it since it was born.
            space(2, vec![run(1, 2), run(8, 1), run(9, 2)]),
            space(3, vec![run(11, 100)]),
        ];
        let process = |pid, mm| Process {
            memory: Some(Memory {
                mm: ObjectId(mm),
                mappings: Vec::new(),
                marks: [0; 11],
                auxv: Vec::new(),
                program: None,
                vdso: None,
                flags: 0,
                controls: Default::default(),
                keys: Default::default(),
                ldt: Vec::new(),
            }),
            descriptors: [0, 1]
                .map(|file| Descriptor {
                    number: file as i32,
                    file,
                    close_on_exec: false,
                })
                .to_vec(),
            ..Process::bare(pid, None)
        };
        let file = |resource| OpenFile {
            object: ObjectId(9),
            resource: ResourceId(resource),
            flags: 0,
            position: 0,
            owner: None,
        };
        let plan = Plan {
            processes: vec![process(5, 1), process(6, 2)],
            files: vec![file(0), file(1)],
            ..Plan::default()
        };
        let filled = Filled::by(&plan, &head);
        let expected = Filled {
            files: 3 * PAGE_SIZE,
            own: (1 + 1 + 2) * PAGE_SIZE,
            in_common: PAGE_SIZE,
        };
        assert_eq!(filled, expected);
        assert_eq!(filled.bytes(), 7 * PAGE_SIZE);
    }
}
