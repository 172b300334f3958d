//! Reading the fields of a note, with nothing taken on trust.

use crate::Fault;
use crate::model::FileOffset;

/// A position in the descriptor of a note.
///
/// Contract: no panic, and no allocation that is not covered by bytes that are there.
pub(super) struct Cursor<'a> {
    note: &'static str,
    /// What is left of the descriptor.
    rest: &'a [u8],
    /// Where that begins in the file.
    offset: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(note: &'static str, descriptor: &'a [u8], offset: u64) -> Cursor<'a> {
        Cursor {
            note,
            rest: descriptor,
            offset,
        }
    }

    pub(super) fn note(&self) -> &'static str {
        self.note
    }

    pub(super) fn offset(&self) -> FileOffset {
        FileOffset(self.offset)
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.ends(length));
        };
        self.rest = rest;
        self.offset += length as u64;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some((bytes, rest)) = self.rest.split_first_chunk() else {
            return Err(self.ends(N));
        };
        self.rest = rest;
        self.offset += N as u64;
        Ok(*bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn counted(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.u32()?;
        self.bytes(length as usize)
    }

    pub(super) fn text(&mut self) -> Result<String, Fault> {
        self.borrowed_text().map(str::to_owned)
    }

    /// A text, as it stands in the file.
    pub(super) fn borrowed_text(&mut self) -> Result<&'a str, Fault> {
        let offset = self.offset();
        let bytes = self.counted()?;
        std::str::from_utf8(bytes).map_err(|_| Fault::Text {
            note: self.note,
            offset,
        })
    }

    /// A count and as many elements, of at least `least` bytes each.
    pub(super) fn list<T>(
        &mut self,
        least: usize,
        mut each: impl FnMut(&mut Cursor<'a>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let offset = self.offset();
        let count = self.u32()?;
        let room = self.rest.len() / least;
        if count as usize > room {
            return Err(Fault::Count {
                note: self.note,
                offset,
                count,
                left: self.rest.len() as u64,
                room: room as u64,
            });
        }
        let mut items = Vec::with_capacity(count as usize);
        for _ in 0..count {
            items.push(each(self)?);
        }
        Ok(items)
    }

    /// Makes sure that nothing is left.
    pub(super) fn end(self) -> Result<(), Fault> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Fault::NoteRest {
            note: self.note,
            offset: self.offset(),
            left: self.rest.len() as u64,
        })
    }

    fn ends(&self, needed: usize) -> Fault {
        Fault::NoteEnds {
            note: self.note,
            offset: self.offset(),
            needed: needed as u64,
            left: self.rest.len() as u64,
        }
    }
}
