//! Reading the notes. Mirrors `write/notes.rs`.

mod version_1;

use super::cursor::Cursor;
use crate::Fault;
use crate::model::{
    AddressSpace, Clocks, ContentRun, Contents, CoreNote, FileOffset, Fingerprint, Head, Identity,
    KernelAddr, KernelId, Machine, Object, ObjectId, PageRun, Remainder, Resource, ResourceId,
    Slot, SlotTarget, Step, Symbol, SymbolId, TypeIx, UserAddr, Value,
};
use crate::notes::{
    DIGEST_BYTES, MAX_VALUE_DEPTH, NOTE_ALIGN, NOTE_HEADER, Note, OWNER, least, tag, target,
};
use std::collections::HashMap;
use std::sync::Arc;

/// Reads a note area of an image of `version` that lies at `offset` in the file. The version was
/// checked before.
pub(super) fn decode(
    area: &[u8],
    offset: u64,
    machine: Machine,
    version: u32,
) -> Result<Head, Fault> {
    let mut notes = Notes { area, offset };
    let identity = notes.part(Note::Identity, |cursor| identity(cursor, machine))?;
    let core_notes = core_notes(&mut notes)?;
    let mut layouts = Vec::new();
    let mut head = Head {
        identity,
        core_notes,
        types: notes.part(Note::Types, |cursor| {
            cursor.list(least::STRING, Cursor::text)
        })?,
        objects: notes.part(Note::Objects, |cursor| cursor.list(least::OBJECT, object))?,
        symbols: notes.part(Note::Symbols, |cursor| cursor.list(least::SYMBOL, symbol))?,
        resources: notes.part(Note::Resources, |cursor| {
            cursor.list(least::RESOURCE, resource)
        })?,
        slots: notes.part(Note::Slots, |cursor| cursor.list(least::SLOT, slot))?,
        clocks: notes.part(Note::Clocks, clocks)?,
        facts: notes.part(Note::Facts, |cursor| {
            cursor.list(least::NAMED_VALUE, named_value)
        })?,
        remainder: notes.part(Note::Remainder, |cursor| {
            if version == version_1::VERSION {
                return version_1::remainder(cursor, &mut layouts);
            }
            let mut fields = Fields::new();
            cursor.list(least::REMAINDER, |cursor| {
                let step = cursor.u32()?;
                remainder(cursor, step, &mut fields)
            })
        })?,
        provenance: notes.part(Note::Provenance, |cursor| cursor.list(least::STEP, step))?,
        address_spaces: notes.part(Note::AddressSpaces, |cursor| {
            cursor.list(least::ADDRESS_SPACE, address_space)
        })?,
        contents: contents(&mut notes)?,
    };
    signers(&mut notes, &mut head.provenance)?;
    version_1::find_steps(&mut head, &layouts)?;
    let _digests: [u8; DIGEST_BYTES] = notes.part(Note::Digest, Cursor::array)?;
    if !notes.area.is_empty() {
        return Err(Fault::NoteRest {
            note: Note::Digest.name(),
            offset: FileOffset(notes.offset),
            left: notes.area.len() as u64,
        });
    }
    Ok(head)
}

fn core_notes(notes: &mut Notes<'_>) -> Result<Vec<CoreNote>, Fault> {
    let mut found = Vec::new();
    loop {
        let mut ahead = Notes { ..*notes };
        let note = ahead.next()?;
        if note.owner == OWNER {
            return Ok(found);
        }
        found.push(CoreNote {
            owner: note.owner.to_owned(),
            kind: note.kind,
            bytes: note.descriptor.to_vec(),
        });
        *notes = ahead;
    }
}

fn identity(cursor: &mut Cursor<'_>, machine: Machine) -> Result<Identity, Fault> {
    let _version = cursor.u32()?;
    Ok(Identity {
        machine,
        family: cursor.text()?,
        kernel: kernel(cursor)?,
        origin: kernel(cursor)?,
    })
}

fn kernel(cursor: &mut Cursor<'_>) -> Result<KernelId, Fault> {
    Ok(KernelId {
        release: cursor.text()?,
        layout: cursor.text()?,
        fingerprint: Fingerprint(cursor.array()?),
        build_id: cursor.counted()?.to_vec(),
    })
}

fn object(cursor: &mut Cursor<'_>) -> Result<Object, Fault> {
    Ok(Object {
        ty: TypeIx(cursor.u32()?),
        count: cursor.u32()?,
        size: cursor.u64()?,
        address: KernelAddr(cursor.u64()?),
        home: KernelAddr(cursor.u64()?),
        owner: ObjectId(cursor.u32()?),
        part_of: cursor.u32()?.checked_sub(1).map(ObjectId),
    })
}

fn symbol(cursor: &mut Cursor<'_>) -> Result<Symbol, Fault> {
    Ok(Symbol {
        name: cursor.text()?,
        offset: cursor.u64()?,
        origin: KernelAddr(cursor.u64()?),
    })
}

fn resource(cursor: &mut Cursor<'_>) -> Result<Resource, Fault> {
    Ok(Resource {
        kind: cursor.text()?,
        origin: KernelAddr(cursor.u64()?),
        attributes: cursor.list(least::NAMED_VALUE, named_value)?,
    })
}

fn slot(cursor: &mut Cursor<'_>) -> Result<Slot, Fault> {
    let object = ObjectId(cursor.u32()?);
    let offset = cursor.u32()?;
    let kind_at = cursor.offset();
    let kind = cursor.u32()?;
    let index = cursor.u32()?;
    let target = match kind {
        target::SYMBOL => SlotTarget::Symbol(SymbolId(index)),
        target::RESOURCE => SlotTarget::Resource(ResourceId(index)),
        found => return Err(unknown(cursor, kind_at, "kind of slot target", found)),
    };
    Ok(Slot {
        object,
        offset,
        target,
    })
}

fn clocks(cursor: &mut Cursor<'_>) -> Result<Clocks, Fault> {
    Ok(Clocks {
        hz: cursor.u32()?,
        realtime_nanoseconds: cursor.u32()?,
        jiffies: cursor.u64()?,
        realtime_seconds: i64::from_le_bytes(cursor.array()?),
        boottime_nanoseconds: cursor.u64()?,
    })
}

/// Paths that entries of one field share.
type Fields<'a> = HashMap<&'a str, Arc<str>>;

/// What follows the number of the step.
fn remainder<'a>(
    cursor: &mut Cursor<'a>,
    step: u32,
    fields: &mut Fields<'a>,
) -> Result<Remainder, Fault> {
    let object = ObjectId(cursor.u32()?);
    let offset = cursor.u32()?;
    let field = cursor.borrowed_text()?;
    let field = Arc::clone(fields.entry(field).or_insert_with(|| field.into()));
    let mask: Box<[u8]> = cursor.counted()?.into();
    let bytes = cursor.bytes(mask.len())?.into();
    Ok(Remainder {
        step,
        object,
        offset,
        field,
        mask,
        bytes,
    })
}

fn step(cursor: &mut Cursor<'_>) -> Result<Step, Fault> {
    Ok(Step {
        converter: cursor.text()?,
        version: cursor.text()?,
        from: kernel(cursor)?,
        to: kernel(cursor)?,
        objects: cursor.u64()?,
        fields: cursor.u64()?,
        kept: cursor.u64()?,
        restored: cursor.u64()?,
        signers: Vec::new(),
    })
}

/// Whose signatures images had that were converted. Where nobody signed there is no note.
fn signers(notes: &mut Notes<'_>, steps: &mut [Step]) -> Result<(), Fault> {
    let mut ahead = Notes { ..*notes };
    let note = ahead.next()?;
    if note.owner != OWNER || note.kind != Note::Signers as u32 {
        return Ok(());
    }
    notes.part(Note::Signers, |cursor| {
        let offset = cursor.offset();
        let mut least = 0;
        let signed = cursor.list(least::SIGNERS, |cursor| {
            let offset = cursor.offset();
            let number = cursor.u32()?;
            // They ascend, and each has somebody: there is one way to write them.
            let step = match steps.get_mut(number as usize) {
                Some(step) if number >= least => step,
                _ => return Err(unknown(cursor, offset, "number of a step", number)),
            };
            least = number.saturating_add(1);
            let offset = cursor.offset();
            step.signers = cursor.list(least::STRING, Cursor::text)?;
            match step.signers.is_empty() {
                true => Err(unknown(cursor, offset, "number of signers", 0)),
                false => Ok(()),
            }
        })?;
        match signed.is_empty() {
            true => Err(unknown(cursor, offset, "number of steps", 0)),
            false => Ok(()),
        }
    })
}

fn address_space(cursor: &mut Cursor<'_>) -> Result<AddressSpace, Fault> {
    Ok(AddressSpace {
        mm: ObjectId(cursor.u32()?),
        runs: cursor.list(least::RUN, |cursor| {
            Ok(PageRun {
                start: UserAddr(cursor.u64()?),
                pages: cursor.u64()?,
                position: cursor.u64()?,
                access: cursor.u32()?,
            })
        })?,
    })
}

/// What was in files. Where there are none there is no note.
fn contents(notes: &mut Notes<'_>) -> Result<Vec<Contents>, Fault> {
    let mut ahead = Notes { ..*notes };
    let note = ahead.next()?;
    if note.owner != OWNER || note.kind != Note::Contents as u32 {
        return Ok(Vec::new());
    }
    notes.part(Note::Contents, |cursor| {
        let offset = cursor.offset();
        let found = cursor.list(least::CONTENTS, contents_of)?;
        match found.is_empty() {
            true => Err(unknown(cursor, offset, "number of files", 0)),
            false => Ok(found),
        }
    })
}

fn contents_of(cursor: &mut Cursor<'_>) -> Result<Contents, Fault> {
    Ok(Contents {
        resource: ResourceId(cursor.u32()?),
        runs: cursor.list(least::CONTENT_RUN, |cursor| {
            Ok(ContentRun {
                offset: cursor.u64()?,
                pages: cursor.u64()?,
                position: cursor.u64()?,
            })
        })?,
    })
}

fn named_value(cursor: &mut Cursor<'_>) -> Result<(String, Value), Fault> {
    Ok((cursor.text()?, value(cursor, MAX_VALUE_DEPTH)?))
}

fn value(cursor: &mut Cursor<'_>, depth: u32) -> Result<Value, Fault> {
    let offset = cursor.offset();
    let [tag] = cursor.array()?;
    Ok(match tag {
        tag::UNSIGNED => Value::Unsigned(cursor.u64()?),
        tag::SIGNED => Value::Signed(i64::from_le_bytes(cursor.array()?)),
        tag::TEXT => Value::Text(cursor.text()?),
        tag::BYTES => Value::Bytes(cursor.counted()?.to_vec()),
        tag::OBJECT => Value::Object(ObjectId(cursor.u32()?)),
        tag::RESOURCE => Value::Resource(ResourceId(cursor.u32()?)),
        tag::LIST => {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Fault::Depth {
                    note: cursor.note(),
                    offset,
                });
            };
            Value::List(cursor.list(least::VALUE, |cursor| value(cursor, depth))?)
        }
        found => return Err(unknown(cursor, offset, "kind of value", found.into())),
    })
}

fn unknown(cursor: &Cursor<'_>, offset: FileOffset, what: &'static str, found: u32) -> Fault {
    Fault::Unknown {
        note: cursor.note(),
        offset,
        what,
        found,
    }
}

/// The notes that are left of a note area.
struct Notes<'a> {
    area: &'a [u8],
    /// Where they begin in the file.
    offset: u64,
}

/// One note.
struct Raw<'a> {
    /// Where the note begins in the file.
    offset: u64,
    owner: &'a str,
    kind: u32,
    descriptor: &'a [u8],
    /// Where the descriptor begins in the file.
    descriptor_offset: u64,
}

impl<'a> Notes<'a> {
    /// Reads the note that must come next, with `read`, to its end.
    fn part<T>(
        &mut self,
        note: Note,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let raw = self.expect(note)?;
        let mut cursor = Cursor::new(note.name(), raw.descriptor, raw.descriptor_offset);
        let part = read(&mut cursor)?;
        cursor.end()?;
        Ok(part)
    }

    fn expect(&mut self, note: Note) -> Result<Raw<'a>, Fault> {
        let raw = self.next()?;
        if raw.owner != OWNER || raw.kind != note as u32 {
            return Err(Fault::NoteOrder {
                offset: FileOffset(raw.offset),
                found: format!("{} {:#x}", raw.owner, raw.kind),
                expected: note.name(),
            });
        }
        Ok(raw)
    }

    /// The next note, by elf(5), "Notes (Nhdr)".
    fn next(&mut self) -> Result<Raw<'a>, Fault> {
        let start = self.offset;
        let mut cursor = Cursor::new("note", self.area, start);
        let too_short = |needed| Fault::NoteSize {
            offset: FileOffset(start),
            needed,
            left: self.area.len() as u64,
        };
        let mut u32 = || cursor.u32().map_err(|_| too_short(NOTE_HEADER as u64));
        let (name_size, size, kind) = (u32()?, u32()?, u32()?);
        let needed = NOTE_HEADER as u64 + padded(name_size) + padded(size);
        if needed > self.area.len() as u64 {
            return Err(too_short(needed));
        }
        // From here on sizes are known to be those of bytes in memory.
        let (note, rest) = self.area.split_at(needed as usize);
        let (name, descriptor) = note[NOTE_HEADER..].split_at(padded(name_size) as usize);
        let name_offset = start + NOTE_HEADER as u64;
        let descriptor_offset = name_offset + name.len() as u64;
        let owner = zero_after(name, name_size as usize, name_offset)?;
        let descriptor = zero_after(descriptor, size as usize, descriptor_offset)?;
        let owner = owner
            .strip_suffix(&[0])
            .and_then(|owner| std::str::from_utf8(owner).ok())
            .ok_or(Fault::NoteOwner {
                offset: FileOffset(start),
            })?;
        self.area = rest;
        self.offset += needed;
        Ok(Raw {
            offset: start,
            owner,
            kind,
            descriptor,
            descriptor_offset,
        })
    }
}

fn padded(size: u32) -> u64 {
    u64::from(size).next_multiple_of(NOTE_ALIGN as u64)
}

/// The first `size` of `bytes`, which lie at `offset`; the others are padding.
fn zero_after(bytes: &[u8], size: usize, offset: u64) -> Result<&[u8], Fault> {
    let (bytes, padding) = bytes.split_at(size);
    match padding.iter().position(|&byte| byte != 0) {
        None => Ok(bytes),
        Some(at) => Err(Fault::Padding {
            offset: FileOffset(offset + (size + at) as u64),
            found: padding[at],
        }),
    }
}
