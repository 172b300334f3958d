//! Contents of files that are in memory alone, or that programs are made of: read once for each file, whoever has
//! it mapped.

use crate::error::{Finding, Flaw, Place};
use crate::family::{FileToSave, MappedPart};
use crate::source::{FileOf, MemorySource, ReadError};
use kconv_image::{
    ContentRun, Contents, Digest, KernelAddr, PAGE_SIZE, PageRun, ResourceId, UserAddr,
};
use std::collections::{BTreeMap, BTreeSet};

/// How much is read at a time.
const CHUNK: u64 = 1 << 20;

/// What was in files, and where it is mapped.
#[derive(Default)]
pub(crate) struct Saved {
    /// By file, at positions one after another from the beginning of the page area.
    pub(crate) contents: Vec<Contents>,
    /// How each file is read.
    pub(crate) files: BTreeMap<ResourceId, FileOf>,
    /// Length of all contents in the page area, in bytes.
    pub(crate) length: u64,
    /// The pages of mappings that are pages of these files, by `mm_struct`, ascending.
    pub(crate) mapped: BTreeMap<usize, Vec<PageRun>>,
    /// The mappings that are covered, by `mm_struct` and first address.
    covered: BTreeSet<(usize, u64)>,
}

impl Saved {
    /// Whether all that is to be saved of a mapping is saved with its file.
    pub(crate) fn covers(&self, mm: usize, start: u64) -> bool {
        self.covered.contains(&(mm, start))
    }
}

/// Looks what is in `files`. Of a source that cannot be asked nothing is known.
pub(crate) fn contents(
    source: &dyn MemorySource,
    files: Vec<FileToSave>,
    findings: &mut Vec<Finding>,
) -> Saved {
    let mut saved = Saved::default();
    let mut inodes: BTreeMap<KernelAddr, Vec<ContentRun>> = BTreeMap::new();
    // Of the files that are kept for programs, by what is in them: nobody can tell one from its copy.
    let mut kept: BTreeMap<Digest, Vec<ContentRun>> = BTreeMap::new();
    for file in files {
        let runs = match inodes.get(&file.inode) {
            // Another name of the same file.
            Some(runs) => Ok(Some(runs.clone())),
            None => runs(source, &file.file, saved.length).map(|found| {
                let found = found?;
                Some(match file.is_kept {
                    true => kept.entry(found.digest()).or_insert(found.runs).clone(),
                    false => found.runs,
                })
            }),
        };
        let runs = match runs {
            Ok(Some(runs)) => runs,
            Ok(None) => continue,
            Err(error) => {
                let flaw = Flaw::File {
                    name: file.name,
                    step: "read",
                    source: error,
                };
                findings.push(Finding {
                    place: Place::default(),
                    flaw,
                });
                continue;
            }
        };
        if let Some(last) = runs.last() {
            saved.length = saved.length.max(last.position + last.pages * PAGE_SIZE);
        }
        for part in &file.mapped {
            saved.covered.insert((part.mm, part.start));
            let pages = saved.mapped.entry(part.mm).or_default();
            pages.extend(runs.iter().filter_map(|run| within(part, run)));
        }
        saved.files.insert(file.resource, file.file);
        inodes.insert(file.inode, runs.clone());
        saved.contents.push(Contents {
            resource: file.resource,
            runs,
        });
    }
    for pages in saved.mapped.values_mut() {
        pages.sort_unstable_by_key(|run| run.start);
    }
    saved
}

/// What was found in a file.
struct Found {
    runs: Vec<ContentRun>,
    /// The offset of each page, and its digest.
    pages: Vec<u8>,
}

impl Found {
    fn digest(&self) -> Digest {
        Digest::of(&self.pages)
    }
}

/// The pages of a file that are not zero, which are to come into the page area from `position` on.
fn runs(
    source: &dyn MemorySource,
    file: &FileOf,
    mut position: u64,
) -> Result<Option<Found>, ReadError> {
    let Some(data) = source.data_of(file) else {
        return Ok(None);
    };
    let mut runs: Vec<ContentRun> = Vec::new();
    let mut pages = Vec::new();
    let mut buffer = vec![0; CHUNK as usize];
    // The first page that was not looked at.
    let mut next = 0;
    for range in data? {
        let start = (range.start / PAGE_SIZE * PAGE_SIZE).max(next);
        let end = range.end.next_multiple_of(PAGE_SIZE);
        let mut at = start;
        while at < end {
            let size = (end - at).min(CHUNK);
            let bytes = &mut buffer[..size as usize];
            source.read_file(file, at, bytes)?;
            for (number, page) in (0..).zip(bytes.chunks_exact(PAGE_SIZE as usize)) {
                if page.iter().all(|byte| *byte == 0) {
                    continue;
                }
                let offset = at + number * PAGE_SIZE;
                pages.extend(offset.to_le_bytes());
                pages.extend(Digest::of(page).0);
                match runs.last_mut() {
                    Some(run) if run.offset + run.pages * PAGE_SIZE == offset => run.pages += 1,
                    _ => runs.push(ContentRun {
                        offset,
                        pages: 1,
                        position,
                    }),
                }
                position += PAGE_SIZE;
            }
            at += size;
        }
        next = next.max(end);
    }
    Ok(Some(Found { runs, pages }))
}

/// The pages of `run` that are in `part` of their file, where they are mapped.
fn within(part: &MappedPart, run: &ContentRun) -> Option<PageRun> {
    let length = part.end - part.start;
    let first = run.offset.max(part.offset);
    let end = (run.offset + run.pages * PAGE_SIZE).min(part.offset.saturating_add(length));
    (first < end).then(|| PageRun {
        start: UserAddr(part.start + (first - part.offset)),
        pages: (end - first) / PAGE_SIZE,
        access: part.access,
        position: run.position + (first - run.offset),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::{PresentPage, Space};
    use kconv_resources::Source;
    use std::ops::Range;

    /// Files of a byte for each page, by the number of a descriptor.
    struct Files(Vec<Vec<u8>>);

    impl MemorySource for Files {
        fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
            let size = into.len() as u64;
            Err(ReadError::Missing { at, size })
        }

        fn symbol(&self, _: &str) -> Option<KernelAddr> {
            None
        }

        fn symbolise(&self, _: KernelAddr) -> Option<(String, u64)> {
            None
        }

        fn data_of(&self, file: &FileOf) -> Option<std::io::Result<Vec<Range<u64>>>> {
            let FileOf::Descriptor { number, .. } = file else {
                return None;
            };
            let pages = self.0.get(*number as usize);
            let Some(pages) = pages else {
                return Some(Err(std::io::ErrorKind::NotFound.into()));
            };
            // A page for each 255, and data begins and ends in the middle of pages.
            let holes = pages.split(|byte| *byte == 255);
            let mut at = 0;
            let mut data = Vec::new();
            for part in holes {
                let length = part.len() as u64 * PAGE_SIZE;
                if length > 0 {
                    data.push(at + 5..at + length - 5);
                }
                at += length + PAGE_SIZE;
            }
            Some(Ok(data))
        }

        fn read_file(&self, file: &FileOf, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
            let FileOf::Descriptor { number, .. } = file else {
                return Err(ReadError::Io(std::io::ErrorKind::NotFound.into()));
            };
            let first = (offset / PAGE_SIZE) as usize;
            for (page, into) in (first..).zip(into.chunks_exact_mut(PAGE_SIZE as usize)) {
                into.fill(self.0[*number as usize][page]);
            }
            Ok(())
        }

        fn pages(&self, _: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
            Ok(Vec::new())
        }

        fn read_pages(
            &self,
            space: &Space<'_>,
            at: UserAddr,
            _: &mut [u8],
        ) -> Result<(), ReadError> {
            Err(ReadError::NoPage { mm: space.mm, at })
        }

        fn tick_rate(&self) -> Option<u32> {
            None
        }

        fn facts(&self) -> Source {
            Source::default()
        }
    }

    fn file(number: u32, inode: u64, mapped: Vec<MappedPart>) -> FileToSave {
        FileToSave {
            resource: ResourceId(number),
            inode: KernelAddr(inode),
            name: format!("/dev/shm/{number}"),
            is_kept: false,
            file: FileOf::Descriptor {
                process: 1,
                number: number.into(),
            },
            mapped,
        }
    }

    fn run(offset: u64, pages: u64, position: u64) -> ContentRun {
        ContentRun {
            offset: offset * PAGE_SIZE,
            pages,
            position: position * PAGE_SIZE,
        }
    }

    #[test]
    fn pages_that_are_not_zero_are_saved_one_after_another() {
        let files = Files(vec![vec![1, 2, 0, 3, 255, 4], vec![0, 0], vec![255, 9]]);
        let mut findings = Vec::new();
        let all = vec![
            file(0, 10, Vec::new()),
            file(1, 11, Vec::new()),
            file(2, 12, Vec::new()),
        ];
        let saved = contents(&files, all, &mut findings);
        assert!(findings.is_empty());
        let runs: Vec<_> = saved.contents.iter().map(|one| one.runs.clone()).collect();
        assert_eq!(
            runs,
            [
                vec![run(0, 2, 0), run(3, 1, 2), run(5, 1, 3)],
                vec![],
                vec![run(1, 1, 4)]
            ]
        );
        assert_eq!(saved.length, 5 * PAGE_SIZE);
    }

    #[test]
    fn a_file_of_two_names_is_saved_once() {
        let files = Files(vec![vec![1], vec![1], vec![2]]);
        let all = vec![
            file(0, 10, Vec::new()),
            file(1, 10, Vec::new()),
            file(2, 12, Vec::new()),
        ];
        let saved = contents(&files, all, &mut Vec::new());
        let runs: Vec<_> = saved.contents.iter().map(|one| one.runs.clone()).collect();
        assert_eq!(
            runs,
            [vec![run(0, 1, 0)], vec![run(0, 1, 0)], vec![run(0, 1, 1)]]
        );
    }

    #[test]
    fn files_that_are_kept_are_saved_once_if_they_are_the_same() {
        let files = Files(vec![vec![1, 2], vec![1, 2], vec![255, 1, 2], vec![1, 2]]);
        let kept = |number| FileToSave {
            is_kept: true,
            ..file(number, 10 + u64::from(number), Vec::new())
        };
        // The last is in memory alone: whoever writes to it writes to no other.
        let all = vec![kept(0), kept(1), kept(2), file(3, 13, Vec::new())];
        let saved = contents(&files, all, &mut Vec::new());
        let runs: Vec<_> = saved.contents.iter().map(|one| one.runs.clone()).collect();
        let expected = [
            vec![run(0, 2, 0)],
            vec![run(0, 2, 0)],
            vec![run(1, 2, 2)],
            vec![run(0, 2, 4)],
        ];
        assert_eq!(runs, expected);
        assert_eq!(saved.length, 6 * PAGE_SIZE);
    }

    #[test]
    fn mappings_have_the_pages_of_the_file() {
        let files = Files(vec![vec![255, 1, 2, 3, 0, 4]]);
        let part = |mm, start: u64, end: u64, offset: u64| MappedPart {
            mm,
            start: start * PAGE_SIZE,
            end: end * PAGE_SIZE,
            offset: offset * PAGE_SIZE,
            access: 6,
        };
        let parts = vec![part(7, 100, 102, 2), part(7, 50, 60, 0), part(8, 20, 21, 4)];
        let saved = contents(&files, vec![file(0, 10, parts)], &mut Vec::new());
        let page = |start: u64, pages, position: u64| PageRun {
            start: UserAddr(start * PAGE_SIZE),
            pages,
            access: 6,
            position: position * PAGE_SIZE,
        };
        let expected = [page(51, 3, 0), page(55, 1, 3), page(100, 2, 1)];
        assert_eq!(saved.mapped[&7], expected);
        assert!(saved.mapped[&8].is_empty());
        assert!(saved.covers(8, 20 * PAGE_SIZE) && !saved.covers(8, 100 * PAGE_SIZE));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_what_cannot_be_asked_is_not_known() {
        let mut findings = Vec::new();
        let nobody = FileToSave {
            file: FileOf::Mapping {
                process: 1,
                start: 0,
                end: 1,
            },
            ..file(1, 2, Vec::new())
        };
        let saved = contents(&Files(Vec::new()), vec![nobody], &mut findings);
        assert!(saved.contents.is_empty() && findings.is_empty());
        contents(
            &Files(Vec::new()),
            vec![file(0, 1, Vec::new())],
            &mut findings,
        );
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].flaw.to_string(),
            "/dev/shm/0 cannot be read: entity not found"
        );
    }
}
