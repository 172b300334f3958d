//! What an image says, independent of how it is written down.

use crate::digest::Digest;
use std::fmt;
use std::sync::Arc;

/// An address in the memory of the saved kernel.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelAddr(pub u64);

/// An address in the memory of a saved task.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserAddr(pub u64);

/// A position in the image file, in bytes.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileOffset(pub u64);

/// Bytes in a page of user memory; also the alignment of pages in the file.
pub const PAGE_SIZE: u64 = 4096;

impl fmt::Display for KernelAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for UserAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for FileOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl UserAddr {
    /// The page here and those that follow it, to the end of the address space.
    pub fn pages(self) -> impl Iterator<Item = UserAddr> {
        std::iter::successors(Some(self), |at| at.0.checked_add(PAGE_SIZE).map(UserAddr))
    }
}

impl KernelAddr {
    /// The address `bytes` further on, or `None` past the end of the address space.
    pub fn checked_add(self, bytes: u64) -> Option<KernelAddr> {
        self.0.checked_add(bytes).map(KernelAddr)
    }
}

/// The machine of the saved kernel, which decides the ELF class.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// 32-bit x86: ELFCLASS32, EM_386.
    I386,
    /// 64-bit x86: ELFCLASS64, EM_X86_64.
    X86_64,
}

impl Machine {
    /// Size of a pointer in bytes.
    pub const fn pointer_size(self) -> u8 {
        match self {
            Machine::I386 => 4,
            Machine::X86_64 => 8,
        }
    }

    /// The name used in `releases.toml` and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Machine::I386 => "i386",
            Machine::X86_64 => "amd64",
        }
    }
}

/// BLAKE3 over the canonical form of a layout's saved types.
///
/// The same value as `kernel_structs::layout::Fingerprint`, as bytes: this crate does not know
/// layouts.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint with these 64 hexadecimal digits, for constants.
    ///
    /// # Panics
    /// If they are not that; in a constant it does not compile.
    #[allow(clippy::panic, reason = "only constants are made like this")]
    pub const fn from_hex(digits: &str) -> Fingerprint {
        const fn digit(of: u8) -> u8 {
            match of {
                b'0'..=b'9' => of - b'0',
                b'a'..=b'f' => of - b'a' + 10,
                _ => panic!("a fingerprint has hexadecimal digits in lower case"),
            }
        }
        let digits = digits.as_bytes();
        assert!(digits.len() == 64, "a fingerprint has 64 digits");
        let mut bytes = [0; 32];
        let mut index = 0;
        while index < bytes.len() {
            bytes[index] = digit(digits[2 * index]) << 4 | digit(digits[2 * index + 1]);
            index += 1;
        }
        Fingerprint(bytes)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// One kernel, as an image names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelId {
    /// Name of the release in `releases.toml`, such as `2.4.36-up` or `6.1.0-47-amd64`.
    pub release: String,
    /// Name of the layout node in `releases.toml`. Two nodes can share a fingerprint where a
    /// meaning changed under an unchanged layout.
    pub layout: String,
    /// Fingerprint of that layout.
    pub fingerprint: Fingerprint,
    /// The kernel's build id; empty where the kernel has none (2.4).
    pub build_id: Vec<u8>,
}

impl KernelId {
    /// Whether both are one release. The build id says no more: whoever names a kernel by its
    /// layout does not know it.
    pub fn is_release(&self, other: &KernelId) -> bool {
        (&self.release, &self.layout, self.fingerprint)
            == (&other.release, &other.layout, other.fingerprint)
    }
}

/// Who the image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The machine.
    pub machine: Machine,
    /// The kernel family, which names the state map: `linux-2.4`, `linux-6`.
    pub family: String,
    /// The kernel whose layout the objects have now.
    pub kernel: KernelId,
    /// The kernel that was running at the freeze. Numbers of symbols and resources are its own.
    pub origin: KernelId,
}

impl Identity {
    /// Whether the objects are in the state of the very kernel they were frozen on, so that the
    /// numbers in symbol and resource pointers are right.
    pub fn is_at_origin(&self) -> bool {
        self.kernel == self.origin
    }
}

/// Index of an object in [`Head::objects`]. Stable across conversions: a conversion keeps the
/// order of the objects and adds those it creates at the end.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// Index in [`Head::symbols`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolId(pub u32);

/// Index in [`Head::resources`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u32);

/// Index in [`Head::types`].
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeIx(pub u32);

/// One saved kernel object: a structure, or an array of structures, pointers or integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its type (of one element, for an array).
    pub ty: TypeIx,
    /// Number of elements; 1 for a structure.
    pub count: u32,
    /// Size in bytes, of all elements.
    pub size: u64,
    /// Where it lies in kernel memory under the present layout.
    pub address: KernelAddr,
    /// Where it lay at the freeze. The present address is a function of this and of the sizes
    /// under the present layout alone, so that going back leads back here.
    pub home: KernelAddr,
    /// The task (a `task_struct`) through which it was first reached; a task owns itself.
    pub owner: ObjectId,
    /// The object that this one was a part of at the freeze, or is a part of now: one kernel has
    /// as a structure in another what the next kernel allocates by itself.
    ///
    /// If the object lies in that one, it is *folded*: its bytes are a part of the other's. If it
    /// does not, a conversion has made it out of a part of the other, whose home is its home.
    pub part_of: Option<ObjectId>,
}

impl Object {
    /// Whether the object begins in `around`.
    pub(crate) fn begins_in(&self, around: &Object) -> bool {
        let before = self.address.0.checked_sub(around.address.0);
        before.is_some_and(|before| before < around.size)
    }
}

/// A name in the kernel image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symbol {
    /// Name of the symbol, as in `/proc/kallsyms`.
    pub name: String,
    /// Bytes past the symbol.
    pub offset: u64,
    /// The address on the origin kernel, offset included.
    pub origin: KernelAddr,
}

/// Something outside the image that has to exist when the tasks are thawed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is: `file`, `pipe`, `socket`, `tty`, `shm`, `sem-undo`, `file-lock`, `namespace`, …
    pub kind: String,
    /// Address of the kernel object that stood for it on the origin kernel; 0 if none did.
    pub origin: KernelAddr,
    /// What is known of it, in the order in which it was learnt.
    pub attributes: Vec<(String, Value)>,
}

/// The value of a resource's attribute or of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number without a sign.
    Unsigned(u64),
    /// A number with a sign.
    Signed(i64),
    /// Text. Bytes of a kernel string that are not UTF-8 are written as `\xNN`.
    Text(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A saved object.
    Object(ObjectId),
    /// Another resource.
    Resource(ResourceId),
    /// Several values.
    List(Vec<Value>),
}

/// A place in an object that holds a pointer to something that is not a saved object.
///
/// On the origin kernel the bytes there are the pointer's number. On every other kernel they
/// are 0, because the number would be wrong; this record says what the pointer means.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The object.
    pub object: ObjectId,
    /// Where in the object, in bytes, under the present layout.
    pub offset: u32,
    /// What the pointer means.
    pub target: SlotTarget,
}

/// What a [`Slot`] means.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SlotTarget {
    /// A place in the kernel image.
    Symbol(SymbolId),
    /// An outside resource.
    Resource(ResourceId),
}

/// The clocks at the freeze.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub struct Clocks {
    /// Ticks a second.
    pub hz: u32,
    /// The kernel's `jiffies`.
    pub jiffies: u64,
    /// CLOCK_REALTIME: seconds since 1970.
    pub realtime_seconds: i64,
    /// CLOCK_REALTIME: nanoseconds of the second.
    pub realtime_nanoseconds: u32,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boottime_nanoseconds: u64,
}

/// A value that a conversion could not keep in the objects, kept here so that the way back
/// restores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remainder {
    /// Number in [`Head::provenance`] of the conversion that kept it. The value stood on the kernel
    /// before that: going back to this very kernel restores it, and nothing else does. Kernels with
    /// one layout do not have one state, for what a kernel keeps for itself is reset between them
    /// too; nor need a value mean the same on layouts with one fingerprint.
    pub step: u32,
    /// The object.
    pub object: ObjectId,
    /// First byte in the object under the layout of that kernel.
    pub offset: u32,
    /// Path of the field from the object's type, such as `wait_chldexit.lock`. An image has some hundred of
    /// them, and of each an entry for every task: they share it.
    pub field: Arc<str>,
    /// For each byte the bits that belong to the field: all ones but for bit-fields. As long as
    /// `bytes`.
    pub mask: Box<[u8]>,
    /// The bytes as they stood; bits outside the mask are 0.
    pub bytes: Box<[u8]>,
}

impl Remainder {
    /// What the entries of an image are ordered by; those of one byte have the order in which they
    /// were made.
    pub fn place(&self) -> (u32, ObjectId, u32) {
        (self.step, self.object, self.offset)
    }
}

/// One conversion that an image has been through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Name of the converter, such as `convert-2.4.36.8-2.4.36.9`, or `identity`.
    pub converter: String,
    /// Version of the tool that ran.
    pub version: String,
    /// The kernel before.
    pub from: KernelId,
    /// The kernel after.
    pub to: KernelId,
    /// Number of objects converted.
    pub objects: u64,
    /// Number of fields written.
    pub fields: u64,
    /// Number of values put into the remainder.
    pub kept: u64,
    /// Number of values taken back out of the remainder.
    pub restored: u64,
    /// Who had signed the image before, each by the fingerprint of the key; nobody whom the converting machine
    /// did not trust.
    pub signers: Vec<String>,
}

/// The user pages of one address space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// The `mm_struct` it belongs to.
    pub mm: ObjectId,
    /// Its runs of present pages, by ascending address, not overlapping.
    pub runs: Vec<PageRun>,
}

/// Consecutive pages of user memory.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PageRun {
    /// Address of the first page; page-aligned.
    pub start: UserAddr,
    /// Number of pages.
    pub pages: u64,
    /// Access of the mapping: `PF_R`, `PF_W`, `PF_X` bits of ELF.
    pub access: u32,
    /// Where the first page lies, in bytes from the start of the page area of the file.
    /// Page-aligned.
    pub position: u64,
}

/// What was in a file that is nowhere but in memory, and that tasks had open or mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The file; its `size` says where it ends.
    pub resource: ResourceId,
    /// Its runs of pages that are not zero, by ascending offset, not overlapping.
    pub runs: Vec<ContentRun>,
}

/// Where which pages are in the page area of an image.
#[derive(Copy, Clone, Debug, Default)]
pub struct PageIndex<'a> {
    /// Those of user memory.
    pub address_spaces: &'a [AddressSpace],
    /// Those of files in memory.
    pub contents: &'a [Contents],
}

impl PageIndex<'_> {
    /// Length of the page area, in bytes; `None` if no file is so long.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let spaces = self.address_spaces.iter().flat_map(|space| &space.runs);
        let contents = self.contents.iter().flat_map(|contents| &contents.runs);
        let runs = spaces.map(|run| (run.position, run.pages));
        let mut runs = runs.chain(contents.map(|run| (run.position, run.pages)));
        runs.try_fold(0, |longest, (position, pages)| {
            let end = pages.checked_mul(PAGE_SIZE)?.checked_add(position)?;
            Some(u64::max(longest, end))
        })
    }
}

/// A page of the page area.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PageOf {
    /// At this address of the address space of an `mm_struct`.
    Memory(ObjectId, UserAddr),
    /// At this offset in bytes of a file.
    File(ResourceId, u64),
}

impl PageOf {
    /// The page so many bytes further.
    pub(crate) fn plus(self, bytes: u64) -> PageOf {
        match self {
            PageOf::Memory(mm, address) => PageOf::Memory(mm, UserAddr(address.0 + bytes)),
            PageOf::File(resource, offset) => PageOf::File(resource, offset + bytes),
        }
    }
}

impl std::fmt::Display for PageOf {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PageOf::Memory(mm, address) => {
                write!(
                    out,
                    "the page at {address} of the address space of object {}",
                    mm.0
                )
            }
            PageOf::File(resource, offset) => {
                write!(
                    out,
                    "the page at {offset:#x} of the file that is resource {}",
                    resource.0
                )
            }
        }
    }
}

/// Consecutive pages of a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ContentRun {
    /// Offset of the first page in the file, in bytes; page-aligned.
    pub offset: u64,
    /// Number of pages.
    pub pages: u64,
    /// Where the first page lies, in bytes from the start of the page area of the image.
    /// Page-aligned.
    pub position: u64,
}

/// A standard ELF core note (`CORE` or `LINUX`), as gdb expects it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreNote {
    /// `CORE` or `LINUX`.
    pub owner: String,
    /// `n_type`.
    pub kind: u32,
    /// The descriptor.
    pub bytes: Vec<u8>,
}

/// All of an image but the bytes of its objects and pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Who the image is.
    pub identity: Identity,
    /// Names of the types of the objects: a structure's tag (`task_struct`), a typedef, or an
    /// element type such as `file *`.
    pub types: Vec<String>,
    /// The objects; tasks come before what they own. Addresses do not overlap.
    pub objects: Vec<Object>,
    /// Symbols that slots refer to.
    pub symbols: Vec<Symbol>,
    /// Resources that slots, and other resources, refer to.
    pub resources: Vec<Resource>,
    /// Pointers to symbols and resources, ordered by object and offset.
    pub slots: Vec<Slot>,
    /// The clocks.
    pub clocks: Clocks,
    /// Facts of the machine and of the freeze that a thaw or a reader needs, by name.
    pub facts: Vec<(String, Value)>,
    /// Values put aside, ordered by step, object and offset.
    pub remainder: Vec<Remainder>,
    /// What happened to the image since the freeze.
    pub provenance: Vec<Step>,
    /// User memory. The address space of the first `NT_PRSTATUS` comes first, so that gdb shows
    /// its memory.
    ///
    /// Pages of a file that is mapped shared are those of `contents`, at the same position.
    pub address_spaces: Vec<AddressSpace>,
    /// Contents of files in memory.
    pub contents: Vec<Contents>,
    /// Standard core notes. They follow the user ABI, which no conversion changes.
    pub core_notes: Vec<CoreNote>,
}

impl Head {
    /// The name of the type of `object`.
    pub fn type_name(&self, object: &Object) -> &str {
        &self.types[object.ty.0 as usize]
    }

    /// The object `id`.
    pub fn object(&self, id: ObjectId) -> &Object {
        &self.objects[id.0 as usize]
    }

    /// The object that `object` is folded into under the present layout.
    pub fn folded_into(&self, object: &Object) -> Option<ObjectId> {
        folded_into(&self.objects, object)
    }

    /// Where which pages are.
    pub fn page_index(&self) -> PageIndex<'_> {
        PageIndex {
            address_spaces: &self.address_spaces,
            contents: &self.contents,
        }
    }

    /// Number of pages of user memory and of contents of files; those that are both count once.
    pub fn pages(&self) -> u64 {
        self.page_index().bytes().unwrap_or(0) / PAGE_SIZE
    }

    /// What was in the file `resource`, if the image has it.
    pub fn contents_of(&self, resource: ResourceId) -> Option<&Contents> {
        self.contents
            .iter()
            .find(|contents| contents.resource == resource)
    }

    /// What tells the freeze from all others: the kernel that ran, and its clocks in nanoseconds. It is the same for an
    /// image, for every conversion of it, and for every other image of what was on the kernel at that moment.
    pub fn freeze(&self) -> Digest {
        let KernelId {
            release,
            fingerprint,
            build_id,
            ..
        } = &self.identity.origin;
        let mut said = Vec::new();
        for part in [release.as_bytes(), &fingerprint.0, build_id] {
            said.extend((part.len() as u64).to_le_bytes());
            said.extend(part);
        }
        let clocks = &self.clocks;
        said.extend(clocks.realtime_seconds.to_le_bytes());
        said.extend(clocks.realtime_nanoseconds.to_le_bytes());
        said.extend(clocks.boottime_nanoseconds.to_le_bytes());
        Digest::of(&said)
    }

    /// The kernel that the value kept in `entry` stood on.
    pub fn kept_on(&self, entry: &Remainder) -> &KernelId {
        &self.provenance[entry.step as usize].from
    }

    /// The kernel with the layout `layout` that the image went on from last, if it has been on one.
    pub fn last_on(&self, layout: &str, fingerprint: Fingerprint) -> Option<&KernelId> {
        let before = self.provenance.iter().rev().map(|step| &step.from);
        let mut with_layout =
            before.filter(|kernel| kernel.layout == layout && kernel.fingerprint == fingerprint);
        with_layout.next()
    }

    /// The slots of `object`, by offset.
    pub fn slots_of(&self, object: ObjectId) -> &[Slot] {
        let start = self.slots.partition_point(|slot| slot.object < object);
        let end = self.slots.partition_point(|slot| slot.object <= object);
        &self.slots[start..end]
    }
}

/// The one of `objects` that `object` is folded into.
pub(crate) fn folded_into(objects: &[Object], object: &Object) -> Option<ObjectId> {
    let around = object.part_of?;
    let owner = objects.get(around.0 as usize)?;
    object.begins_in(owner).then_some(around)
}
