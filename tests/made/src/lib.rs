//! Images made by hand, of any layout: objects whose fields are set by name.
//!
//! - [`Made`]: an image that comes about, object by object.
//! - [`Process`]: a process of Linux 6 in it, with all that a process has.
//! - [`packed`]: kernels and packages, byte by byte.
//!
//! It knows layouts and the format of images, and none of the crates that read tasks, so that those can be
//! tested with what it makes. What a test asks for and the layout does not have is a panic.
#![forbid(unsafe_code)]
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a test that asks for what is not there has to fail"
)]

pub mod packed;
mod process;

pub use process::Process;

use kconv_image::{
    Clocks, CoreNote, Head, Identity, Image, ImageWriter, KernelAddr, KernelId, Machine, Object,
    ObjectId, PageSource, Remainder, Resource, ResourceId, Slot, SlotTarget, Symbol, SymbolId,
    TypeIx,
};
use kconv_resources::linux6::{self, File, FileType, Inode, Mount, Place};
use kconv_resources::{Device, FileSize, Kind};
use kernel_structs::layout::{FieldPath, Layout, Resolved, Type, TypeId};
use kernel_structs::units::BitOffset;
use kernel_structs_bits as bits;

/// Where the first object lies, and how far the next from there.
const FIRST: u64 = 0xffff_8880_0100_0000;
const APART: u64 = 0x1_0000;

/// An image of one layout that comes about.
pub struct Made<'l> {
    layout: &'l Layout,
    family: String,
    objects: Vec<One>,
    symbols: Vec<Symbol>,
    resources: Vec<Resource>,
    slots: Vec<Slot>,
    /// What conversions have kept of the objects.
    pub remainder: Vec<Remainder>,
    /// Its core notes.
    pub core_notes: Vec<CoreNote>,
}

/// An object of it.
struct One {
    ty: String,
    id: Option<TypeId>,
    count: u32,
    bytes: Vec<u8>,
    owner: u32,
    address: u64,
}

/// The number of an object.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct At(u32);

impl At {
    /// As the image has it.
    pub fn id(self) -> ObjectId {
        ObjectId(self.0)
    }
}

impl<'l> Made<'l> {
    /// An image without objects, of a kernel of this family.
    pub fn new(layout: &'l Layout, family: &str) -> Made<'l> {
        Made {
            layout,
            family: family.to_owned(),
            objects: Vec::new(),
            symbols: Vec::new(),
            resources: Vec::new(),
            slots: Vec::new(),
            remainder: Vec::new(),
            core_notes: Vec::new(),
        }
    }

    /// The layout.
    pub fn layout(&self) -> &'l Layout {
        self.layout
    }

    /// A structure, all zero, which owns itself.
    pub fn object(&mut self, ty: &str) -> At {
        self.object_with_tail(ty, 0)
    }

    /// As [`Made::object`], with so many bytes behind it: the elements of the flexible array that it ends
    /// in.
    pub fn object_with_tail(&mut self, ty: &str, tail: usize) -> At {
        let id = self.layout.find(ty);
        let id = id.unwrap_or_else(|| panic!("the layout has no {ty}"));
        let size = self.layout.size_of(id).expect("a structure has a size").0;
        self.push(ty, Some(id), 1, vec![0; size as usize + tail])
    }

    /// A structure, all zero, right behind an object, whose it is.
    pub fn object_behind(&mut self, owner: At, ty: &str) -> At {
        let at = self.object(ty);
        let before = &self.objects[owner.0 as usize];
        let address = before.address + before.bytes.len() as u64;
        let object = &mut self.objects[at.0 as usize];
        object.address = address;
        object.owner = owner.0;
        at
    }

    /// An array of what has no fields: `file *`, `unsigned long`.
    pub fn array(&mut self, ty: &str, count: u32, bytes: Vec<u8>) -> At {
        self.push(ty, None, count, bytes)
    }

    fn push(&mut self, ty: &str, id: Option<TypeId>, count: u32, bytes: Vec<u8>) -> At {
        let number = self.objects.len() as u32;
        self.objects.push(One {
            ty: ty.to_owned(),
            id,
            count,
            bytes,
            owner: number,
            address: FIRST + APART * u64::from(number),
        });
        At(number)
    }

    /// Size of a structure.
    pub fn size_of(&self, ty: &str) -> usize {
        let size = self.layout.find(ty).and_then(|id| self.layout.size_of(id));
        size.unwrap_or_else(|| panic!("the layout has no {ty}")).0 as usize
    }

    /// Gives an object so many bytes, those that are new zero.
    pub fn resize(&mut self, at: At, size: usize) {
        self.objects[at.0 as usize].bytes.resize(size, 0);
    }

    /// Says through which task an object was reached.
    pub fn owned_by(&mut self, at: At, task: At) {
        self.objects[at.0 as usize].owner = task.0;
    }

    /// The address of an object.
    pub fn address(&self, at: At) -> u64 {
        self.objects[at.0 as usize].address
    }

    /// The object of the same type that was made last before this one.
    pub fn before(&self, at: At) -> Option<At> {
        let ty = &self.objects[at.0 as usize].ty;
        let mut earlier = self.objects[..at.0 as usize].iter();
        let place = earlier.rposition(|object| object.ty == *ty)?;
        Some(At(place as u32))
    }

    /// Whether objects of this type have this field.
    pub fn has(&self, ty: &str, path: &str) -> bool {
        let path = FieldPath::parse(path).ok();
        let found = path.and_then(|path| self.layout.resolve(self.layout.find(ty)?, &path).ok());
        found.is_some()
    }

    fn place(&self, at: At, path: &str) -> Resolved {
        let object = &self.objects[at.0 as usize];
        let id = object
            .id
            .unwrap_or_else(|| panic!("{} has no fields", object.ty));
        let found = path.split('|').find_map(|path| {
            let path = FieldPath::parse(path).ok()?;
            self.layout.resolve(id, &path).ok()
        });
        found.unwrap_or_else(|| panic!("{} has no {path}", object.ty))
    }

    /// Where a field begins, in bytes from the start of the object; of `a|b`, the first that there is.
    pub fn offset(&self, at: At, path: &str) -> u64 {
        self.place(at, path).offset.byte().0
    }

    /// Sets a number.
    pub fn set(&mut self, at: At, path: &str, number: u64) {
        let place = self.place(at, path);
        let size = self.layout.size_of(place.ty).map_or(0, |size| size.0);
        let width = place.bit_field.map_or(8 * size, |width| width.0);
        assert!((1..=64).contains(&width), "{path} is no number");
        let bytes = &mut self.objects[at.0 as usize].bytes;
        bits::set(bytes, place.offset.0 as u32, width as u32, number.into());
    }

    /// A number that was set, of a field of whole bytes.
    pub fn get(&self, at: At, path: &str) -> u64 {
        let place = self.place(at, path);
        let size = self.layout.size_of(place.ty).map_or(0, |size| size.0);
        let start = place.offset.byte().0 as usize;
        bits::little_endian(&self.raw(at)[start..start + size as usize])
    }

    /// Sets bytes from where a field begins.
    pub fn put(&mut self, at: At, path: &str, bytes: &[u8]) {
        let start = self.offset(at, path) as usize;
        self.objects[at.0 as usize].bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// The bytes of an object.
    pub fn raw(&self, at: At) -> &[u8] {
        &self.objects[at.0 as usize].bytes
    }

    /// Sets bytes so far into an object.
    pub fn put_raw(&mut self, at: At, start: usize, bytes: &[u8]) {
        self.objects[at.0 as usize].bytes[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Sets a pointer at the start of an object.
    pub fn point(&mut self, at: At, path: &str, to: At) {
        self.set(at, path, self.address(to));
    }

    /// Links the list that begins at `path` through the `link` of each element and back. Of none, it is
    /// empty.
    pub fn list(&mut self, at: At, path: &str, elements: &[At], link: &str) {
        let head = self.address(at) + self.offset(at, path);
        let mut places = vec![(at, path.to_owned(), head)];
        for element in elements {
            let place = self.address(*element) + self.offset(*element, link);
            places.push((*element, link.to_owned(), place));
        }
        for (index, (of, path, _)) in places.iter().enumerate() {
            let next = places[(index + 1) % places.len()].2;
            let before = places[(index + places.len() - 1) % places.len()].2;
            self.set(*of, &format!("{path}.next"), next);
            self.set(*of, &format!("{path}.prev"), before);
        }
    }

    /// Has a pointer stand for a symbol.
    pub fn symbol(&mut self, at: At, path: &str, name: &str) {
        let id = SymbolId(self.symbols.len() as u32);
        self.symbols.push(Symbol {
            name: name.to_owned(),
            offset: 0,
            origin: KernelAddr(0xffff_ffff_8100_0000),
        });
        self.slot(at, path, SlotTarget::Symbol(id));
    }

    /// A resource.
    pub fn resource(&mut self, resource: &linux6::Resource) -> ResourceId {
        let id = ResourceId(self.resources.len() as u32);
        self.resources.push(resource.write(KernelAddr(0)));
        id
    }

    /// A file of this path with the number `inode`, on a mount of its own.
    pub fn file(&mut self, path: &str, file_type: FileType, inode: u64) -> ResourceId {
        let (device, file_system) = (Device { major: 8, minor: 1 }, "ext4".to_owned());
        let mount = self.resource(&linux6::Resource::Mount(Mount {
            path: "/".to_owned(),
            is_internal: false,
            id: 21,
            device_name: Some("/dev/sda1".to_owned()),
            device,
            file_system: file_system.clone(),
            magic: 0xef53,
            flags: 0,
            super_block_flags: 0,
        }));
        let inode = Inode {
            mode: 0o644,
            inode,
            device,
            links: 1,
            uid: 0,
            gid: 0,
            size: FileSize::new(0).expect("no file is shorter than that"),
            mtime: 0,
            mtime_nanoseconds: 0,
            file_system,
        };
        self.resource(&linux6::Resource::File(File {
            path: path.to_owned(),
            file_type,
            inode,
            place: Place::Mounted {
                mount,
                is_kept: false,
            },
            build_id: None,
        }))
    }

    /// Has a pointer stand for a resource.
    pub fn stand_for(&mut self, at: At, path: &str, resource: ResourceId) {
        self.slot(at, path, SlotTarget::Resource(resource));
    }

    fn slot(&mut self, at: At, path: &str, target: SlotTarget) {
        let offset = self.offset(at, path) as u32;
        let object = at.id();
        self.slots
            .retain(|slot| (slot.object, slot.offset) != (object, offset));
        self.slots.push(Slot {
            object,
            offset,
            target,
        });
    }

    /// Sets every number of an object to one that comes of its path and of nothing else, so that what is
    /// read from elsewhere is another number, and the same of every layout. Pointers stay null, and a `bool` is true.
    pub fn fill(&mut self, at: At) {
        let object = &self.objects[at.0 as usize];
        let id = object
            .id
            .unwrap_or_else(|| panic!("{} has no fields", object.ty));
        let mut numbers = Vec::new();
        let root = object.ty.clone();
        self.leaves(id, BitOffset(0), &root, &mut numbers);
        let bytes = &mut self.objects[at.0 as usize].bytes;
        for (offset, width, number) in numbers {
            bits::set(bytes, offset.0 as u32, width as u32, number.into());
        }
    }

    fn leaves(
        &self,
        ty: TypeId,
        start: BitOffset,
        path: &str,
        into: &mut Vec<(BitOffset, u64, u64)>,
    ) {
        let layout = self.layout;
        let size = layout.size_of(ty).map_or(0, |size| size.0);
        match layout.get(layout.strip(ty)) {
            Type::Composite(composite) => {
                for (offset, member) in layout.flat_members(composite) {
                    let name = member.name.as_deref().unwrap_or_default();
                    let path = format!("{path}.{name}");
                    let at = BitOffset(start.0 + offset.0);
                    match member.bit_field {
                        Some(width) => into.push((at, width.0, number_of(&path))),
                        None => self.leaves(member.ty, at, &path, into),
                    }
                }
            }
            Type::Array { element, count } => {
                let size = layout.size_of(*element).map_or(0, |size| size.0);
                for index in 0..*count {
                    let at = BitOffset(start.0 + 8 * index * size);
                    self.leaves(*element, at, &format!("{path}[{index}]"), into);
                }
            }
            // No other value is one.
            Type::Int(int) if int.boolean => into.push((start, 8 * size, 1)),
            Type::Int(_) | Type::Enum(_) if (1..=8).contains(&size) => {
                into.push((start, 8 * size, number_of(path)));
            }
            _ => {}
        }
    }

    /// The image.
    pub fn image(&self) -> Image {
        let mut types: Vec<String> = Vec::new();
        let mut objects = Vec::new();
        for one in &self.objects {
            let known = types.iter().position(|ty| *ty == one.ty);
            let ty = known.unwrap_or_else(|| {
                types.push(one.ty.clone());
                types.len() - 1
            });
            objects.push(Object {
                ty: TypeIx(ty as u32),
                count: one.count,
                size: one.bytes.len() as u64,
                address: KernelAddr(one.address),
                home: KernelAddr(one.address),
                owner: ObjectId(one.owner),
                part_of: None,
            });
        }
        let kernel = KernelId {
            release: "made".to_owned(),
            layout: "made".to_owned(),
            fingerprint: kconv_image::Fingerprint([0; 32]),
            build_id: Vec::new(),
        };
        let mut slots = self.slots.clone();
        slots.sort_by_key(|slot| (slot.object, slot.offset));
        let machine = match self.layout.target().pointer_size {
            4 => Machine::I386,
            _ => Machine::X86_64,
        };
        let head = Head {
            identity: Identity {
                machine,
                family: self.family.clone(),
                kernel: kernel.clone(),
                origin: kernel,
            },
            types,
            objects,
            symbols: self.symbols.clone(),
            resources: self.resources.clone(),
            slots,
            clocks: Clocks {
                hz: 250,
                ..Clocks::default()
            },
            facts: Vec::new(),
            remainder: self.remainder.clone(),
            provenance: Vec::new(),
            address_spaces: Vec::new(),
            contents: Vec::new(),
            core_notes: self.core_notes.clone(),
        };
        let folder = tempfile::tempdir().expect("there is a folder for files of tests");
        let path = folder.path().join("image");
        let writer = ImageWriter::create(&path, machine, &head.objects, head.page_index());
        let mut writer = writer.expect("objects do not overlap");
        for one in &self.objects {
            writer.object(&one.bytes).expect("an object is written");
        }
        let written = writer.finish(&head, PageSource::Stream(&mut |_, _| Ok(())));
        written.expect("the head is as the format has it");
        Image::open(&path).expect("what was written is read")
    }
}

/// A number for a path (FNV-1a), none of whose low bytes is zero.
fn number_of(path: &str) -> u64 {
    let number = path.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    number | 0x0101_0101_0101_0101
}
