//! Whether the machine has the memory that the tasks take.

use super::found::Obstacles;
use crate::plan::Plan;
use crate::used::users;
use kconv_image::{Head, PAGE_SIZE};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

pub(super) fn check(plan: &Plan, head: &Head, found: &mut Obstacles<'_>) {
    let needed = needed(plan, head);
    let there = fs::read_to_string("/proc/meminfo").ok();
    if let Some(there) = there.and_then(|text| available(&text))
        && needed > there
    {
        found.add(
            None,
            "memory",
            format!("{} MiB available", there >> 20),
            format!("{} MiB", needed.div_ceil(1 << 20)),
            "end other programs, or add memory to swap to",
        );
    }
}

/// Bytes of memory that are to be filled: what processes share once, and files that are there already
/// not at all.
fn needed(plan: &Plan, head: &Head) -> u64 {
    let spaces: BTreeSet<_> = plan
        .processes
        .iter()
        .filter_map(|process| process.memory.as_ref().map(|memory| memory.mm))
        .collect();
    let spaces = head
        .address_spaces
        .iter()
        .filter(|space| spaces.contains(&space.mm));
    let used = users(plan);
    let (mut filled, mut there) = (Vec::new(), Vec::new());
    for contents in &head.contents {
        let resource = head.resources.get(contents.resource.0 as usize);
        let path = resource.and_then(|resource| resource.text("path"));
        let is_there = path.is_some_and(|path| Path::new(path).exists());
        let into = match is_there || !used.contains_key(&contents.resource) {
            true => &mut there,
            false => &mut filled,
        };
        into.extend(contents.runs.iter().map(|run| (run.position, run.pages)));
    }
    filled.extend(
        spaces
            .flat_map(|space| &space.runs)
            .map(|run| (run.position, run.pages))
            .filter(|run| !within(run, &there)),
    );
    filled.sort_unstable();
    let (mut bytes, mut done) = (0, 0);
    for (position, pages) in filled {
        let end = position + pages * PAGE_SIZE;
        bytes += end.saturating_sub(position.max(done));
        done = done.max(end);
    }
    bytes
}

/// Whether a run of pages is a part of one of those.
fn within((position, pages): &(u64, u64), those: &[(u64, u64)]) -> bool {
    let end = position + pages * PAGE_SIZE;
    those
        .iter()
        .any(|(first, count)| first <= position && end <= first + count * PAGE_SIZE)
}

/// Bytes that can be had without ending programs (`Documentation/filesystems/proc.rst`, meminfo).
fn available(meminfo: &str) -> Option<u64> {
    let kilobytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.trim().strip_suffix("kB")?.trim();
        number.parse::<u64>().ok()
    };
    let swap = kilobytes("SwapFree:").unwrap_or(0);
    Some((kilobytes("MemAvailable:")? + swap) << 10)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::Descriptor;
    use crate::plan::{Memory, OpenFile, Process};
    use crate::testing;
    use kconv_image::{
        AddressSpace, ContentRun, Contents, ObjectId, PageRun, ResourceId, UserAddr, Value,
    };

    #[test]
    fn what_is_available_is_what_is_free_and_can_be_swapped() {
        let text = "MemTotal:  100 kB\nMemAvailable:     50 kB\nSwapFree:  7 kB\n";
        assert_eq!(available(text), Some(57 << 10));
        assert_eq!(available("MemAvailable: 50 kB\n"), Some(50 << 10));
        assert_eq!(available("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn shared_pages_count_once_and_what_is_there_does_not() {
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
            space(2, vec![run(1, 2), run(9, 2)]),
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
        assert_eq!(needed(&plan, &head), (3 + 1 + 2) * PAGE_SIZE);
    }
}
