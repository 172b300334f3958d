//! User memory: which pages of which address space are present, and how they are mapped.

use crate::contents::Saved;
use crate::error::{Finding, Flaw};
use crate::source::{Content, Mapping, PresentPage};
use crate::walk::Walked;
use kconv_image::{AddressSpace, ObjectId, PAGE_SIZE, PageRun, UserAddr};
use std::collections::BTreeMap;

/// The address spaces of the `mm_struct`s that have these `mappings`, in their order: that of the first
/// task with user memory is the first. Neighbouring pages of the same access make a
/// run. Their pages come into the page area behind those of the files that are `saved`.
pub(crate) fn address_spaces(
    walked: &Walked<'_>,
    mappings: &[(usize, Vec<Mapping>)],
    saved: &Saved,
    findings: &mut Vec<Finding>,
) -> Vec<AddressSpace> {
    let mut spaces = Vec::new();
    let mut positions = Positions {
        next: saved.length,
        known: BTreeMap::new(),
    };
    for (mm, mappings) in mappings {
        let mm = *mm;
        let own = own(mm, mappings, saved);
        let mut refuse = |flaw: Flaw| {
            findings.push(Finding {
                place: walked.place(mm, String::new(), None),
                flaw,
            });
        };
        let space = walked.space(mm, &own);
        let pages = match walked.memory.source.pages(&space) {
            Ok(pages) => pages,
            Err(error) => {
                refuse(error.into());
                continue;
            }
        };
        let mut runs = Runs::default();
        for page in pages {
            match access(mappings, page.at) {
                Some(access) => positions.add(page, access, &mut runs),
                None => refuse(Flaw::StrayPage { at: page.at }),
            }
        }
        let mut runs = runs.list;
        runs.extend(saved.mapped.get(&mm).into_iter().flatten());
        runs.sort_unstable_by_key(|run| run.start);
        spaces.push(AddressSpace {
            mm: ObjectId(mm as u32),
            runs,
        });
    }
    spaces
}

/// Where pages come into the page area.
struct Positions {
    /// Where the next one comes.
    next: u64,
    /// Where those are that several address spaces have, by what is in them.
    known: BTreeMap<[u8; 32], u64>,
}

/// The runs of an address space.
#[derive(Default)]
struct Runs {
    list: Vec<PageRun>,
    /// Whether the pages of the last are those of another.
    of_another: bool,
}

impl Positions {
    /// Adds a page to `runs`. One that another address space has is saved once.
    fn add(&mut self, page: PresentPage, access: u32, runs: &mut Runs) {
        let digest = page.digest.map(|digest| digest.0);
        let known = digest.and_then(|digest| self.known.get(&digest).copied());
        let position = known.unwrap_or(self.next);
        if known.is_none() {
            self.next += PAGE_SIZE;
            self.known.extend(digest.map(|digest| (digest, position)));
        }
        let of_another = known.is_some();
        let continues = |run: &PageRun| {
            let bytes = run.pages * PAGE_SIZE;
            run.access == access
                && run.start.0 + bytes == page.at.0
                && run.position + bytes == position
        };
        match runs.list.last_mut() {
            Some(run) if runs.of_another == of_another && continues(run) => run.pages += 1,
            _ => runs.list.push(PageRun {
                start: page.at,
                pages: 1,
                access,
                position,
            }),
        }
        runs.of_another = of_another;
    }
}

/// The mappings, without what is saved with files.
fn own(mm: usize, mappings: &[Mapping], saved: &Saved) -> Vec<Mapping> {
    let mut own = mappings.to_vec();
    for mapping in &mut own {
        if saved.covers(mm, mapping.start) {
            mapping.content = Content::Elsewhere;
        }
    }
    own
}

/// Access of the mapping that covers `page`.
fn access(mappings: &[Mapping], page: UserAddr) -> Option<u32> {
    let after = mappings.partition_point(|mapping| mapping.start <= page.0);
    let mapping = mappings[..after].last()?;
    let end = page.0.checked_add(PAGE_SIZE)?;
    (end <= mapping.end).then_some(mapping.access)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kconv_image::Digest;

    fn page(at: u64, digest: Option<u8>) -> PresentPage {
        PresentPage {
            at: UserAddr(at * PAGE_SIZE),
            digest: digest.map(|byte| Digest([byte; 32])),
        }
    }

    fn run(start: u64, pages: u64, position: u64) -> PageRun {
        PageRun {
            start: UserAddr(start * PAGE_SIZE),
            pages,
            access: 6,
            position: position * PAGE_SIZE,
        }
    }

    #[test]
    fn a_page_that_several_have_is_saved_once() {
        let mut positions = Positions {
            next: 7 * PAGE_SIZE,
            known: BTreeMap::new(),
        };
        let mut runs = |pages: &[PresentPage]| {
            let mut runs = Runs::default();
            for page in pages {
                positions.add(*page, 6, &mut runs);
            }
            runs.list
        };
        let parent = [
            page(1, Some(1)),
            page(2, Some(2)),
            page(3, None),
            page(9, Some(3)),
        ];
        assert_eq!(runs(&parent), [run(1, 3, 7), run(9, 1, 10)]);
        // It has written to the third, and has one of its own behind the last.
        let child = [
            page(1, Some(1)),
            page(2, Some(2)),
            page(3, None),
            page(9, Some(3)),
            page(10, None),
        ];
        assert_eq!(
            runs(&child),
            [run(1, 2, 7), run(3, 1, 11), run(9, 1, 10), run(10, 1, 12)]
        );
        // What is of another and what is not are two runs, though they lie side by side.
        let last = [page(1, Some(4)), page(20, Some(4)), page(21, None)];
        assert_eq!(runs(&last), [run(1, 1, 13), run(20, 1, 13), run(21, 1, 14)]);
    }
}
