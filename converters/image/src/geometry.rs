//! Where everything lies in the file.
//!
//! ```text
//! ELF header, program headers | objects | notes | zeros up to a page | pages
//! ```
//!
//! All of it follows from the object index and the page runs, so that reader and writer share
//! this one computation.

use crate::Flaw;
use crate::elf::{self, PF_R, PF_W, PT_LOAD, PT_NOTE, Segment};
use crate::model::{Machine, Object, PAGE_SIZE, PageIndex, folded_into};

/// Every object begins at a multiple of this in the file.
pub(crate) const OBJECT_ALIGN: u64 = 16;

/// Where head, objects and notes begin, and the segments that will describe objects and pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    machine: Machine,
    /// Where each object begins in the file; a folded one begins in another.
    positions: Vec<u64>,
    /// Where the objects area begins and ends.
    area: (u64, u64),
    /// Page runs; their offsets are still relative to the page area.
    runs: Vec<Segment>,
    /// Objects; their offsets are final.
    objects: Vec<Segment>,
    /// Length of the page area.
    page_bytes: u64,
}

/// What is known once the notes are as long as they will be.
pub(crate) struct Complete {
    /// The bytes up to the objects area.
    pub(crate) head: Vec<u8>,
    /// Where the page area begins.
    pub(crate) pages: u64,
    /// Length of the file.
    pub(crate) end: u64,
}

impl Geometry {
    /// Places objects of these sizes and pages of these runs.
    ///
    /// # Errors
    ///
    /// If the file would be larger than its ELF class can say.
    pub(crate) fn new(
        machine: Machine,
        objects: &[Object],
        pages: PageIndex<'_>,
    ) -> Result<Geometry, Flaw> {
        let page_bytes = pages.bytes().ok_or(Flaw::FileSize)?;
        let mut runs = Vec::new();
        for run in pages.address_spaces.iter().flat_map(|space| &space.runs) {
            let size = run.pages.checked_mul(PAGE_SIZE).ok_or(Flaw::FileSize)?;
            runs.push(Segment {
                kind: PT_LOAD,
                flags: run.access,
                offset: run.position,
                address: run.start.0,
                file_size: size,
                memory_size: size,
                align: PAGE_SIZE,
            });
        }

        // The size of the head is needed to place the objects, and depends on how many of them
        // merge; so they are first placed relative to the objects area.
        let mut relative = 0_u64;
        let mut positions = Vec::with_capacity(objects.len());
        let mut loads: Vec<Segment> = Vec::with_capacity(objects.len());
        for object in objects {
            if folded_into(objects, object).is_some() {
                positions.push(0);
                continue;
            }
            let next = relative
                .checked_add(object.size)
                .and_then(|end| end.checked_next_multiple_of(OBJECT_ALIGN))
                .ok_or(Flaw::FileSize)?;
            positions.push(relative);
            match loads.last_mut() {
                Some(last) if adjoins(last, object, relative) => {
                    last.file_size += object.size;
                    last.memory_size += object.size;
                }
                _ => loads.push(Segment {
                    kind: PT_LOAD,
                    flags: PF_R | PF_W,
                    offset: relative,
                    address: object.address.0,
                    file_size: object.size,
                    memory_size: object.size,
                    align: 1,
                }),
            }
            relative = next;
        }
        for (index, object) in objects.iter().enumerate() {
            if let Some(around) = folded_into(objects, object) {
                let around = around.0 as usize;
                let before = object.address.0 - objects[around].address.0;
                positions[index] = positions[around].saturating_add(before);
            }
        }

        let start = elf::head_length(machine, 1 + (runs.len() + loads.len()) as u64);
        let end = start
            .checked_add(relative)
            .and_then(|end| end.checked_add(page_bytes))
            .ok_or(Flaw::FileSize)?;
        check_size(machine, end)?;
        for position in &mut positions {
            *position = position.saturating_add(start);
        }
        loads.iter_mut().for_each(|load| load.offset += start);
        Ok(Geometry {
            machine,
            positions,
            area: (start, start + relative),
            runs,
            objects: loads,
            page_bytes,
        })
    }

    /// Where object `index` begins.
    pub(crate) fn object(&self, index: usize) -> u64 {
        self.positions[index]
    }

    /// Where the objects area begins.
    pub(crate) fn objects(&self) -> u64 {
        self.area.0
    }

    /// Where the notes begin: the end of the objects area.
    pub(crate) fn notes(&self) -> u64 {
        self.area.1
    }

    /// Length of the page area.
    pub(crate) fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// The rest of the layout, for notes of this length.
    ///
    /// # Errors
    ///
    /// If the file would be larger than its ELF class can say.
    pub(crate) fn complete(&self, note_bytes: u64) -> Result<Complete, Flaw> {
        let pages = self
            .notes()
            .checked_add(note_bytes)
            .and_then(|end| end.checked_next_multiple_of(PAGE_SIZE))
            .ok_or(Flaw::FileSize)?;
        let end = pages.checked_add(self.page_bytes).ok_or(Flaw::FileSize)?;
        check_size(self.machine, end)?;

        let mut segments = Vec::with_capacity(1 + self.runs.len() + self.objects.len());
        segments.push(Segment {
            kind: PT_NOTE,
            flags: 0,
            offset: self.notes(),
            address: 0,
            file_size: note_bytes,
            memory_size: 0,
            align: 4,
        });
        segments.extend(self.runs.iter().map(|run| Segment {
            offset: pages + run.offset,
            ..*run
        }));
        segments.extend(&self.objects);
        Ok(Complete {
            head: elf::head(self.machine, &segments),
            pages,
            end,
        })
    }
}

/// Whether `object`, at `position`, continues `load` in the file and in memory alike.
fn adjoins(load: &Segment, object: &Object, position: u64) -> bool {
    load.offset + load.file_size == position
        && load.address.checked_add(load.file_size) == Some(object.address.0)
}

fn check_size(machine: Machine, bytes: u64) -> Result<(), Flaw> {
    let limit = match machine {
        Machine::I386 => u64::from(u32::MAX),
        Machine::X86_64 => i64::MAX as u64,
    };
    if bytes > limit {
        return Err(Flaw::FileSize);
    }
    Ok(())
}
