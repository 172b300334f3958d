//! What must hold between the parts of a head.
//!
//! The writer asks before it completes an image, the reader before it shows one.

use std::collections::HashSet;

use crate::elf::{PF_R, PF_W, PF_X};
use crate::model::{
    AddressSpace, CoreNote, Head, KernelAddr, Machine, Object, ObjectId, PAGE_SIZE, PageRun,
    Remainder, Slot, SlotTarget, UserAddr, Value,
};
use crate::notes::{MAX_VALUE_DEPTH, OWNER};

/// A rule that the parts of a [`Head`] break. Records are numbered from 0, as in the index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// A number refers to something that is not there.
    #[error("{record} {index} refers to {what} {found}; there are {count}, numbered from 0")]
    Reference {
        /// What kind of record refers.
        record: &'static str,
        /// Which of them.
        index: usize,
        /// What kind of thing it refers to.
        what: &'static str,
        /// Which of them.
        found: u32,
        /// How many of them there are.
        count: usize,
    },
    /// An object has no bytes or no elements.
    #[error("object {object} has {size} bytes and {count} elements; neither may be 0")]
    EmptyObject {
        /// The object.
        object: usize,
        /// Its size in bytes.
        size: u64,
        /// Its number of elements.
        count: u32,
    },
    /// The bytes of an object are not a number of elements of one size.
    #[error("object {object} has {size} bytes, which are no {count} elements of one size")]
    ElementSize {
        /// The object.
        object: usize,
        /// Its size in bytes.
        size: u64,
        /// Its number of elements.
        count: u32,
    },
    /// An object lies at 0, where a null pointer leads to.
    #[error("object {object} of {size} bytes lies at 0, now or at the freeze")]
    AtZero {
        /// The object.
        object: usize,
        /// Its size in bytes.
        size: u64,
    },
    /// An object of the kernel that it was frozen on lies elsewhere than at the freeze.
    #[error(
        "object {object} lies at {address}, but at {home} at the freeze, and is of the same kernel"
    )]
    NotAtHome {
        /// The object.
        object: usize,
        /// Where it lies.
        address: KernelAddr,
        /// Where it lay.
        home: KernelAddr,
    },
    /// An object lies outside what the machine can address.
    #[error("object {object} of {size} bytes at {address} does not fit the address space")]
    ObjectAddress {
        /// The object.
        object: usize,
        /// Its present or its first address.
        address: KernelAddr,
        /// Its size in bytes.
        size: u64,
    },
    /// Two objects share bytes of kernel memory.
    #[error("objects {first} and {second} overlap at {address}")]
    Overlap {
        /// The object with the lower address.
        first: usize,
        /// The other.
        second: usize,
        /// The first byte that both hold.
        address: KernelAddr,
    },
    /// The owner of an object is not a task, which is to say, does not own itself.
    #[error("object {object} is owned by object {owner}, which does not own itself")]
    OwnerOfAnother {
        /// The object.
        object: usize,
        /// Its owner.
        owner: u32,
    },
    /// The owner of an object comes after it.
    #[error("object {object} comes before its owner, object {owner}")]
    OwnerLater {
        /// The object.
        object: usize,
        /// Its owner.
        owner: u32,
    },
    /// An object is a part of one that is itself a part, or of itself.
    #[error("object {object} is a part of object {around}, which is a part itself")]
    PartOfPart {
        /// The object.
        object: usize,
        /// What it is a part of.
        around: u32,
    },
    /// An object begins in the one it is a part of, and ends outside.
    #[error("object {object} of {size} bytes begins in object {around} and ends outside of it")]
    PartOutside {
        /// The object.
        object: usize,
        /// Its size.
        size: u64,
        /// What it is a part of.
        around: u32,
    },
    /// A slot's pointer does not lie in its object.
    #[error("slot {slot} at byte {offset} does not lie in object {object} of {size} bytes")]
    SlotOutside {
        /// The slot.
        slot: usize,
        /// Its offset in the object.
        offset: u32,
        /// The object.
        object: u32,
        /// Size of the object.
        size: u64,
    },
    /// A slot of an object whose bytes are those of another, which has the slot.
    #[error("slot {slot} belongs to object {object}, which is folded and has no bytes of its own")]
    SlotOfFolded {
        /// The slot.
        slot: usize,
        /// The object.
        object: u32,
    },
    /// Slots are not ordered by object and offset, or one place has two.
    #[error("slot {slot} does not come after slot {} by object and offset", slot - 1)]
    SlotOrder {
        /// The later of the two slots.
        slot: usize,
    },
    /// Remainders are not ordered by step, object and offset.
    #[error("remainder {entry} comes before remainder {} by step, object and offset", entry - 1)]
    RemainderOrder {
        /// The later of the two entries.
        entry: usize,
    },
    /// Mask and bytes of a remainder differ in length.
    #[error("remainder {entry} has {mask} bytes of mask for {bytes} bytes")]
    RemainderMask {
        /// The entry.
        entry: usize,
        /// Length of the mask.
        mask: usize,
        /// Length of the bytes.
        bytes: usize,
    },
    /// A remainder has bits outside its mask.
    #[error("remainder {entry} has bits outside its mask in byte {byte}")]
    RemainderBits {
        /// The entry.
        entry: usize,
        /// The first such byte of it.
        byte: usize,
    },
    /// Two address spaces of one `mm_struct`.
    #[error("address space {space} is the second of object {mm}")]
    SpaceTwice {
        /// The later address space.
        space: usize,
        /// The `mm_struct`.
        mm: u32,
    },
    /// A page run without pages.
    #[error("run {run} of address space {space} has no pages")]
    EmptyRun {
        /// The address space.
        space: usize,
        /// The run.
        run: usize,
    },
    /// A page run that does not begin at a page, in memory or in the file.
    #[error(
        "run {run} of address space {space}, at {start} and position {position:#x}, is not aligned to pages"
    )]
    RunAlignment {
        /// The address space.
        space: usize,
        /// The run.
        run: usize,
        /// Its address.
        start: UserAddr,
        /// Its position in the page area.
        position: u64,
    },
    /// A page run that leaves what the machine can address.
    #[error(
        "run {run} of address space {space}, {pages} pages at {start}, does not fit the address space"
    )]
    RunAddress {
        /// The address space.
        space: usize,
        /// The run.
        run: usize,
        /// Its address.
        start: UserAddr,
        /// Its number of pages.
        pages: u64,
    },
    /// Page runs that overlap or are not ordered by address.
    #[error(
        "run {run} of address space {space}, at {start}, does not come after the run before it"
    )]
    RunOrder {
        /// The address space.
        space: usize,
        /// The later of the two runs.
        run: usize,
        /// Its address.
        start: UserAddr,
    },
    /// A page run with access bits that ELF does not have.
    #[error(
        "run {run} of address space {space} has access {access:#x}, of which only bits 0 to 2 exist"
    )]
    RunAccess {
        /// The address space.
        space: usize,
        /// The run.
        run: usize,
        /// What it says.
        access: u32,
    },
    /// Contents of one file twice.
    #[error("contents {contents} are the second of resource {resource}")]
    ContentsTwice {
        /// The later of the two.
        contents: usize,
        /// The file.
        resource: u32,
    },
    /// A run of contents that has no pages, is not aligned to pages, does not come after the one before
    /// it, or lies where no file reaches.
    #[error(
        "run {run} of contents {contents}, {pages} pages at {offset:#x} and position {position:#x}, is \
         empty, not aligned to pages, out of order or beyond what a file can have"
    )]
    ContentRun {
        /// The contents.
        contents: usize,
        /// The run.
        run: usize,
        /// Its offset in the file.
        offset: u64,
        /// Its number of pages.
        pages: u64,
        /// Its position in the page area.
        position: u64,
    },
    /// Lists in lists in lists.
    #[error("{record} {index} has a value nested deeper than {MAX_VALUE_DEPTH}")]
    ValueDepth {
        /// What kind of record has it.
        record: &'static str,
        /// Which of them.
        index: usize,
    },
    /// The name of a core note that nobody could read, or that is ours.
    #[error("core note {note} is owned by {owner:?}, which is not the name of another owner")]
    CoreNoteOwner {
        /// The note.
        note: usize,
        /// Its owner.
        owner: String,
    },
    /// A note is longer than ELF can say.
    #[error("a note of {bytes} bytes is longer than ELF can say")]
    NoteSize {
        /// Length of its descriptor.
        bytes: usize,
    },
    /// More records of one kind than a count can say.
    #[error("{count} entries are more than a list can hold")]
    ListSize {
        /// How many.
        count: usize,
    },
    /// The file would be larger than the ELF class of its machine can say.
    #[error("objects and pages are too large for a file of this ELF class")]
    FileSize,
}

/// Objects by address.
pub(crate) struct AddressIndex {
    /// First address and number of every object, ascending.
    starts: Vec<(KernelAddr, ObjectId)>,
}

impl AddressIndex {
    /// The last object that begins at or below `address`.
    pub(crate) fn at_or_below(&self, address: KernelAddr) -> Option<(KernelAddr, ObjectId)> {
        let after = self.starts.partition_point(|&(start, _)| start <= address);
        self.starts[..after].last().copied()
    }
}

/// Checks everything that can be said of a head without the file it stands in.
pub(crate) fn check(head: &Head) -> Result<AddressIndex, Flaw> {
    let machine = head.identity.machine;
    let index = objects(head, machine)?;
    slots(head, machine)?;
    for (entry, remainder) in head.remainder.iter().enumerate() {
        check_remainder(head, entry, remainder)?;
    }
    address_spaces(head, machine)?;
    contents(head)?;
    for (number, resource) in head.resources.iter().enumerate() {
        for (_, value) in &resource.attributes {
            check_value(head, "resource", number, value, MAX_VALUE_DEPTH)?;
        }
    }
    for (number, (_, value)) in head.facts.iter().enumerate() {
        check_value(head, "fact", number, value, MAX_VALUE_DEPTH)?;
    }
    for (number, note) in head.core_notes.iter().enumerate() {
        check_core_note(number, note)?;
    }
    Ok(index)
}

fn objects(head: &Head, machine: Machine) -> Result<AddressIndex, Flaw> {
    for (number, object) in head.objects.iter().enumerate() {
        check_object(head, machine, number, object)?;
    }
    let mut starts: Vec<_> = (0..)
        .zip(&head.objects)
        // Bytes of a folded object are those of the one it lies in.
        .filter(|(_, object)| head.folded_into(object).is_none())
        .map(|(number, object)| (object.address, ObjectId(number)))
        .collect();
    starts.sort_unstable();
    for pair in starts.windows(2) {
        let [(start, first), (address, second)] = [pair[0], pair[1]];
        if address.0 - start.0 < head.object(first).size {
            return Err(Flaw::Overlap {
                first: first.0 as usize,
                second: second.0 as usize,
                address,
            });
        }
    }
    Ok(AddressIndex { starts })
}

fn check_object(head: &Head, machine: Machine, number: usize, object: &Object) -> Result<(), Flaw> {
    let refers = |what, found, count| refers("object", number, what, found, count);
    refers("type", object.ty.0, head.types.len())?;
    refers("owner", object.owner.0, head.objects.len())?;
    if object.size == 0 || object.count == 0 {
        return Err(Flaw::EmptyObject {
            object: number,
            size: object.size,
            count: object.count,
        });
    }
    if !object.size.is_multiple_of(u64::from(object.count)) {
        return Err(Flaw::ElementSize {
            object: number,
            size: object.size,
            count: object.count,
        });
    }
    if object.address.0 == 0 || object.home.0 == 0 {
        return Err(Flaw::AtZero {
            object: number,
            size: object.size,
        });
    }
    // What is a part has the home of what it is a part of, or one that it left.
    let is_whole = object.part_of.is_none();
    if is_whole && head.identity.is_at_origin() && object.address != object.home {
        return Err(Flaw::NotAtHome {
            object: number,
            address: object.address,
            home: object.home,
        });
    }
    for address in [object.address, object.home] {
        if !fits(machine, address.0, object.size) {
            return Err(Flaw::ObjectAddress {
                object: number,
                address,
                size: object.size,
            });
        }
    }
    if let Some(around) = object.part_of {
        refers("part", around.0, head.objects.len())?;
        let outer = head.object(around);
        if outer.part_of.is_some() {
            return Err(Flaw::PartOfPart {
                object: number,
                around: around.0,
            });
        }
        let room = outer.address.0.saturating_add(outer.size);
        let end = object.address.0.saturating_add(object.size);
        if object.begins_in(outer) && end > room {
            return Err(Flaw::PartOutside {
                object: number,
                size: object.size,
                around: around.0,
            });
        }
    }
    let owner = object.owner.0;
    if head.object(object.owner).owner != object.owner {
        return Err(Flaw::OwnerOfAnother {
            object: number,
            owner,
        });
    }
    if owner as usize > number {
        return Err(Flaw::OwnerLater {
            object: number,
            owner,
        });
    }
    Ok(())
}

fn slots(head: &Head, machine: Machine) -> Result<(), Flaw> {
    let mut last: Option<Slot> = None;
    for (number, slot) in head.slots.iter().enumerate() {
        let refers = |what, found, count| refers("slot", number, what, found, count);
        refers("object", slot.object.0, head.objects.len())?;
        if head.folded_into(head.object(slot.object)).is_some() {
            return Err(Flaw::SlotOfFolded {
                slot: number,
                object: slot.object.0,
            });
        }
        let size = head.object(slot.object).size;
        if u64::from(slot.offset) + u64::from(machine.pointer_size()) > size {
            return Err(Flaw::SlotOutside {
                slot: number,
                offset: slot.offset,
                object: slot.object.0,
                size,
            });
        }
        match slot.target {
            SlotTarget::Symbol(symbol) => refers("symbol", symbol.0, head.symbols.len())?,
            SlotTarget::Resource(resource) => {
                refers("resource", resource.0, head.resources.len())?;
            }
        }
        let place = (slot.object, slot.offset);
        if last.is_some_and(|last| (last.object, last.offset) >= place) {
            return Err(Flaw::SlotOrder { slot: number });
        }
        last = Some(*slot);
    }
    Ok(())
}

fn check_remainder(head: &Head, entry: usize, remainder: &Remainder) -> Result<(), Flaw> {
    let objects = head.objects.len();
    refers("remainder", entry, "object", remainder.object.0, objects)?;
    let steps = head.provenance.len();
    refers("remainder", entry, "step", remainder.step, steps)?;
    let before = entry.checked_sub(1).map(|before| &head.remainder[before]);
    if before.is_some_and(|before| before.place() > remainder.place()) {
        return Err(Flaw::RemainderOrder { entry });
    }
    if remainder.mask.len() != remainder.bytes.len() {
        return Err(Flaw::RemainderMask {
            entry,
            mask: remainder.mask.len(),
            bytes: remainder.bytes.len(),
        });
    }
    let outside = remainder
        .bytes
        .iter()
        .zip(&remainder.mask)
        .position(|(byte, mask)| byte & !mask != 0);
    match outside {
        Some(byte) => Err(Flaw::RemainderBits { entry, byte }),
        None => Ok(()),
    }
}

fn address_spaces(head: &Head, machine: Machine) -> Result<(), Flaw> {
    let mut seen = HashSet::new();
    for (number, space) in head.address_spaces.iter().enumerate() {
        let objects = head.objects.len();
        refers("address space", number, "object", space.mm.0, objects)?;
        if !seen.insert(space.mm) {
            return Err(Flaw::SpaceTwice {
                space: number,
                mm: space.mm.0,
            });
        }
        runs(machine, number, space)?;
    }
    Ok(())
}

fn runs(machine: Machine, space: usize, of: &AddressSpace) -> Result<(), Flaw> {
    let mut last: Option<&PageRun> = None;
    for (number, run) in of.runs.iter().enumerate() {
        let start = run.start;
        if run.pages == 0 {
            return Err(Flaw::EmptyRun { space, run: number });
        }
        if !start.0.is_multiple_of(PAGE_SIZE) || !run.position.is_multiple_of(PAGE_SIZE) {
            return Err(Flaw::RunAlignment {
                space,
                run: number,
                start,
                position: run.position,
            });
        }
        let bytes = run.pages.checked_mul(PAGE_SIZE);
        if !bytes.is_some_and(|bytes| fits(machine, start.0, bytes)) {
            return Err(Flaw::RunAddress {
                space,
                run: number,
                start,
                pages: run.pages,
            });
        }
        if run.access & !(PF_R | PF_W | PF_X) != 0 {
            return Err(Flaw::RunAccess {
                space,
                run: number,
                access: run.access,
            });
        }
        // The run before was checked to fit, so this can reach, but not pass, the end of u64.
        let before = last.map(|last| last.start.0 + (last.pages * PAGE_SIZE - 1));
        if before.is_some_and(|last_byte| start.0 <= last_byte) {
            return Err(Flaw::RunOrder {
                space,
                run: number,
                start,
            });
        }
        last = Some(run);
    }
    Ok(())
}

fn contents(head: &Head) -> Result<(), Flaw> {
    // The offset of a file is an `loff_t`.
    const LONGEST: u64 = i64::MAX as u64;
    let mut seen = HashSet::new();
    for (number, contents) in head.contents.iter().enumerate() {
        let resource = contents.resource.0;
        refers(
            "contents",
            number,
            "resource",
            resource,
            head.resources.len(),
        )?;
        if !seen.insert(resource) {
            return Err(Flaw::ContentsTwice {
                contents: number,
                resource,
            });
        }
        let mut before = 0;
        for (run, of) in contents.runs.iter().enumerate() {
            let bytes = of.pages.checked_mul(PAGE_SIZE);
            let end = bytes.and_then(|bytes| of.offset.checked_add(bytes));
            let is_aligned =
                of.offset.is_multiple_of(PAGE_SIZE) && of.position.is_multiple_of(PAGE_SIZE);
            match end.filter(|end| *end <= LONGEST && of.pages > 0 && of.offset >= before) {
                Some(end) if is_aligned => before = end,
                _ => {
                    return Err(Flaw::ContentRun {
                        contents: number,
                        run,
                        offset: of.offset,
                        pages: of.pages,
                        position: of.position,
                    });
                }
            }
        }
    }
    Ok(())
}

fn check_value(
    head: &Head,
    record: &'static str,
    index: usize,
    value: &Value,
    depth: u32,
) -> Result<(), Flaw> {
    match value {
        Value::Object(object) => refers(record, index, "object", object.0, head.objects.len()),
        Value::Resource(resource) => {
            refers(record, index, "resource", resource.0, head.resources.len())
        }
        Value::List(values) => {
            let Some(depth) = depth.checked_sub(1) else {
                return Err(Flaw::ValueDepth { record, index });
            };
            values
                .iter()
                .try_for_each(|value| check_value(head, record, index, value, depth))
        }
        Value::Unsigned(_) | Value::Signed(_) | Value::Text(_) | Value::Bytes(_) => Ok(()),
    }
}

fn check_core_note(note: usize, core_note: &CoreNote) -> Result<(), Flaw> {
    let owner = &core_note.owner;
    if owner.is_empty() || owner == OWNER || !owner.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Flaw::CoreNoteOwner {
            note,
            owner: owner.clone(),
        });
    }
    Ok(())
}

fn refers(
    record: &'static str,
    index: usize,
    what: &'static str,
    found: u32,
    count: usize,
) -> Result<(), Flaw> {
    if found as usize >= count {
        return Err(Flaw::Reference {
            record,
            index,
            what,
            found,
            count,
        });
    }
    Ok(())
}

/// Whether `size` bytes, at least one, at `start` lie within what the machine can address.
fn fits(machine: Machine, start: u64, size: u64) -> bool {
    let last = match machine {
        Machine::I386 => u64::from(u32::MAX),
        Machine::X86_64 => u64::MAX,
    };
    start.checked_add(size - 1).is_some_and(|end| end <= last)
}
