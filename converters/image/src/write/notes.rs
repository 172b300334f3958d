//! Writing the notes. Mirrors `read/notes.rs`.

use crate::model::{
    AddressSpace, Clocks, Contents, Head, Identity, KernelId, Object, Remainder, Resource, Slot,
    SlotTarget, Step, Symbol, Value,
};
use crate::notes::{DIGEST_BYTES, NOTE_ALIGN, Note, OWNER, tag, target};
use crate::{FORMAT_VERSION, Flaw};

/// The note area for `head`, with zeros for the digests at its end.
pub(super) fn encode(head: &Head) -> Result<Vec<u8>, Flaw> {
    let mut area = Vec::new();
    append(&mut area, Note::Identity, |out| {
        identity(out, &head.identity)
    })?;
    for note in &head.core_notes {
        append_raw(&mut area, &note.owner, note.kind, &note.bytes)?;
    }
    append(&mut area, Note::Types, |out| {
        out.list(&head.types, |out, name| out.text(name))
    })?;
    append(&mut area, Note::Objects, |out| {
        out.list(&head.objects, object)
    })?;
    append(&mut area, Note::Symbols, |out| {
        out.list(&head.symbols, symbol)
    })?;
    append(&mut area, Note::Resources, |out| {
        out.list(&head.resources, resource)
    })?;
    append(&mut area, Note::Slots, |out| out.list(&head.slots, slot))?;
    append(&mut area, Note::Clocks, |out| clocks(out, &head.clocks))?;
    append(&mut area, Note::Facts, |out| {
        out.list(&head.facts, named_value)
    })?;
    append(&mut area, Note::Remainder, |out| {
        out.list(&head.remainder, remainder)
    })?;
    append(&mut area, Note::Provenance, |out| {
        out.list(&head.provenance, step)
    })?;
    append(&mut area, Note::AddressSpaces, |out| {
        out.list(&head.address_spaces, address_space)
    })?;
    if !head.contents.is_empty() {
        append(&mut area, Note::Contents, |out| {
            out.list(&head.contents, contents)
        })?;
    }
    let signed: Vec<_> = (0..)
        .zip(&head.provenance)
        .filter(|(_, step)| !step.signers.is_empty())
        .collect();
    if !signed.is_empty() {
        append(&mut area, Note::Signers, |out| {
            out.list(&signed, |out, (number, step)| {
                out.u32(*number);
                out.list(&step.signers, |out, signer| out.text(signer))
            })
        })?;
    }
    append(&mut area, Note::Digest, |out| {
        out.bytes(&[0; DIGEST_BYTES]);
        Ok(())
    })?;
    Ok(area)
}

fn identity(out: &mut Descriptor, identity: &Identity) -> Result<(), Flaw> {
    out.u32(FORMAT_VERSION);
    out.text(&identity.family)?;
    kernel(out, &identity.kernel)?;
    kernel(out, &identity.origin)
}

fn kernel(out: &mut Descriptor, kernel: &KernelId) -> Result<(), Flaw> {
    out.text(&kernel.release)?;
    out.text(&kernel.layout)?;
    out.bytes(&kernel.fingerprint.0);
    out.counted(&kernel.build_id)
}

fn object(out: &mut Descriptor, object: &Object) -> Result<(), Flaw> {
    out.u32(object.ty.0);
    out.u32(object.count);
    out.u64(object.size);
    out.u64(object.address.0);
    out.u64(object.home.0);
    out.u32(object.owner.0);
    // The number was checked to be below that of the objects, which is a u32.
    out.u32(
        object
            .part_of
            .map_or(0, |object| object.0.saturating_add(1)),
    );
    Ok(())
}

fn symbol(out: &mut Descriptor, symbol: &Symbol) -> Result<(), Flaw> {
    out.text(&symbol.name)?;
    out.u64(symbol.offset);
    out.u64(symbol.origin.0);
    Ok(())
}

fn resource(out: &mut Descriptor, resource: &Resource) -> Result<(), Flaw> {
    out.text(&resource.kind)?;
    out.u64(resource.origin.0);
    out.list(&resource.attributes, named_value)
}

fn slot(out: &mut Descriptor, slot: &Slot) -> Result<(), Flaw> {
    let (kind, index) = match slot.target {
        SlotTarget::Symbol(symbol) => (target::SYMBOL, symbol.0),
        SlotTarget::Resource(resource) => (target::RESOURCE, resource.0),
    };
    out.u32(slot.object.0);
    out.u32(slot.offset);
    out.u32(kind);
    out.u32(index);
    Ok(())
}

fn clocks(out: &mut Descriptor, clocks: &Clocks) -> Result<(), Flaw> {
    out.u32(clocks.hz);
    out.u32(clocks.realtime_nanoseconds);
    out.u64(clocks.jiffies);
    out.bytes(&clocks.realtime_seconds.to_le_bytes());
    out.u64(clocks.boottime_nanoseconds);
    Ok(())
}

fn remainder(out: &mut Descriptor, remainder: &Remainder) -> Result<(), Flaw> {
    out.u32(remainder.step);
    out.u32(remainder.object.0);
    out.u32(remainder.offset);
    out.text(&remainder.field)?;
    // One length for both: the rules say that they are equal.
    out.counted(&remainder.mask)?;
    out.bytes(&remainder.bytes);
    Ok(())
}

fn step(out: &mut Descriptor, step: &Step) -> Result<(), Flaw> {
    out.text(&step.converter)?;
    out.text(&step.version)?;
    kernel(out, &step.from)?;
    kernel(out, &step.to)?;
    for count in [step.objects, step.fields, step.kept, step.restored] {
        out.u64(count);
    }
    Ok(())
}

fn address_space(out: &mut Descriptor, space: &AddressSpace) -> Result<(), Flaw> {
    out.u32(space.mm.0);
    out.list(&space.runs, |out, run| {
        out.u64(run.start.0);
        out.u64(run.pages);
        out.u64(run.position);
        out.u32(run.access);
        Ok(())
    })
}

fn contents(out: &mut Descriptor, contents: &Contents) -> Result<(), Flaw> {
    out.u32(contents.resource.0);
    out.list(&contents.runs, |out, run| {
        out.u64(run.offset);
        out.u64(run.pages);
        out.u64(run.position);
        Ok(())
    })
}

fn named_value(out: &mut Descriptor, (name, of): &(String, Value)) -> Result<(), Flaw> {
    out.text(name)?;
    value(out, of)
}

fn value(out: &mut Descriptor, of: &Value) -> Result<(), Flaw> {
    match of {
        Value::Unsigned(number) => {
            out.u8(tag::UNSIGNED);
            out.u64(*number);
            Ok(())
        }
        Value::Signed(number) => {
            out.u8(tag::SIGNED);
            out.bytes(&number.to_le_bytes());
            Ok(())
        }
        Value::Text(text) => {
            out.u8(tag::TEXT);
            out.text(text)
        }
        Value::Bytes(bytes) => {
            out.u8(tag::BYTES);
            out.counted(bytes)
        }
        Value::Object(object) => {
            out.u8(tag::OBJECT);
            out.u32(object.0);
            Ok(())
        }
        Value::Resource(resource) => {
            out.u8(tag::RESOURCE);
            out.u32(resource.0);
            Ok(())
        }
        Value::List(values) => {
            out.u8(tag::LIST);
            out.list(values, value)
        }
    }
}

/// The descriptor of a note in the making: integers little-endian and unaligned, everything of
/// variable length behind its length or number of elements as a u32.
struct Descriptor(Vec<u8>);

impl Descriptor {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.u32(count(bytes.len())?);
        self.bytes(bytes);
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Flaw> {
        self.counted(text.as_bytes())
    }

    fn list<T>(
        &mut self,
        items: &[T],
        mut each: impl FnMut(&mut Descriptor, &T) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        self.u32(count(items.len())?);
        items.iter().try_for_each(|item| each(self, item))
    }
}

fn count(count: usize) -> Result<u32, Flaw> {
    u32::try_from(count).map_err(|_| Flaw::ListSize { count })
}

fn append(
    area: &mut Vec<u8>,
    note: Note,
    write: impl FnOnce(&mut Descriptor) -> Result<(), Flaw>,
) -> Result<(), Flaw> {
    let mut descriptor = Descriptor(Vec::new());
    write(&mut descriptor)?;
    append_raw(area, OWNER, note as u32, &descriptor.0)
}

/// One note, by elf(5), "Notes (Nhdr)": `n_namesz` counts the NUL, no length counts padding.
fn append_raw(area: &mut Vec<u8>, owner: &str, kind: u32, bytes: &[u8]) -> Result<(), Flaw> {
    let too_long = |_| Flaw::NoteSize { bytes: bytes.len() };
    let name_size = u32::try_from(owner.len() + 1).map_err(too_long)?;
    let size = u32::try_from(bytes.len()).map_err(too_long)?;
    area.extend(name_size.to_le_bytes());
    area.extend(size.to_le_bytes());
    area.extend(kind.to_le_bytes());
    area.extend(owner.as_bytes());
    area.push(0);
    area.resize(area.len().next_multiple_of(NOTE_ALIGN), 0);
    area.extend_from_slice(bytes);
    area.resize(area.len().next_multiple_of(NOTE_ALIGN), 0);
    Ok(())
}
