//! User memory: which pages of which address space are present, and how they are mapped.

use crate::contents::Saved;
use crate::error::{Finding, Flaw};
use crate::source::{Content, Mapping};
use crate::walk::Walked;
use kconv_image::{AddressSpace, ObjectId, PAGE_SIZE, PageRun, UserAddr};

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
    let mut position = saved.length;
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
        let mut runs: Vec<PageRun> = Vec::new();
        for page in pages {
            let Some(access) = access(mappings, page) else {
                refuse(Flaw::StrayPage { at: page });
                continue;
            };
            match runs.last_mut() {
                Some(run)
                    if run.access == access && run.start.0 + run.pages * PAGE_SIZE == page.0 =>
                {
                    run.pages += 1;
                }
                _ => runs.push(PageRun {
                    start: page,
                    pages: 1,
                    access,
                    position,
                }),
            }
            position += PAGE_SIZE;
        }
        runs.extend(saved.mapped.get(&mm).into_iter().flatten());
        runs.sort_by_key(|run| run.start);
        spaces.push(AddressSpace {
            mm: ObjectId(mm as u32),
            runs,
        });
    }
    spaces
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
