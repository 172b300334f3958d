//! Images of Linux 6 made for a test: objects whose members are set by name.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a part of several tests"
)]

use kconv_image::{
    Clocks, Head, Identity, Image, ImageWriter, KernelAddr, KernelId, Object, ObjectId, PageSource,
    Resource, Slot, SlotTarget, Symbol, TypeIx,
};
use kconv_runtime::convert::{Job, convert};
use kconv_runtime::error::ConvertError;
use kconv_runtime::table::{Converter, Node};
use kernel_structs::layout::{FieldPath, Layout};
use kernel_structs::releases::{LayoutId, Registry};
use kernel_structs::state::StateMap;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, OnceLock};

/// A layout, with unions as the state map sees them; it is read once.
pub fn layout(name: &str) -> &'static Layout {
    static LAYOUTS: Mutex<BTreeMap<String, &'static Layout>> = Mutex::new(BTreeMap::new());
    let mut layouts = LAYOUTS.lock().unwrap();
    layouts.entry(name.to_owned()).or_insert_with(|| {
        let registry = Registry::builtin().unwrap();
        let layout = registry.layout(&LayoutId(name.to_owned())).unwrap();
        Box::leak(Box::new(state_map().live(&layout)))
    })
}

pub fn state_map() -> &'static StateMap {
    static MAP: OnceLock<StateMap> = OnceLock::new();
    MAP.get_or_init(|| Registry::builtin().unwrap().state_map("linux-6").unwrap())
}

/// The only converter of a step.
pub fn step(name: &str) -> &'static Converter {
    let flavours = ["-cloud-", "-rt-"];
    let standard = |end: &Node| !flavours.iter().any(|flavour| end.release.contains(flavour));
    let mut all = kconv_steps::called(name);
    all.retain(|converter| standard(&converter.from) && standard(&converter.to));
    let [converter] = all.try_into().unwrap();
    converter
}

/// An image in the making. Object 0 is a task, which owns all the others.
pub struct Sample {
    layout: &'static Layout,
    head: Head,
    bytes: Vec<Vec<u8>>,
    next: u64,
}

impl Sample {
    /// An image of the kernel that `converter` reads.
    pub fn of(converter: &'static Converter) -> Sample {
        let kernel = kernel(&converter.from);
        let mut sample = Sample {
            layout: layout(converter.from.layout),
            head: Head {
                identity: Identity {
                    machine: converter.machine,
                    family: converter.family.to_owned(),
                    kernel: kernel.clone(),
                    origin: kernel,
                },
                types: Vec::new(),
                objects: Vec::new(),
                symbols: Vec::new(),
                resources: Vec::new(),
                slots: Vec::new(),
                clocks: Clocks::default(),
                facts: Vec::new(),
                remainder: Vec::new(),
                provenance: Vec::new(),
                address_spaces: Vec::new(),
                contents: Vec::new(),
                core_notes: Vec::new(),
            },
            bytes: Vec::new(),
            next: 0xffff_8881_0000_0000,
        };
        sample.add("task_struct");
        sample
    }

    /// Adds an object of `sizeof` bytes, right behind the one before.
    pub fn add(&mut self, ty: &str) -> usize {
        let size = self.layout.size_of(self.layout.find(ty).unwrap()).unwrap();
        self.add_longer(ty, size.0 as usize)
    }

    /// Adds an object of another size.
    pub fn add_longer(&mut self, ty: &str, size: usize) -> usize {
        let known = self.head.types.iter().position(|known| known == ty);
        let index = known.unwrap_or_else(|| {
            self.head.types.push(ty.to_owned());
            self.head.types.len() - 1
        });
        // Kernel objects are aligned, but the next one leaves no room to grow.
        let address = KernelAddr(self.next);
        self.next += (size as u64).next_multiple_of(8);
        self.head.objects.push(Object {
            ty: TypeIx(index as u32),
            count: 1,
            size: size as u64,
            address,
            home: address,
            owner: ObjectId(0),
            part_of: None,
        });
        self.bytes.push(vec![0; size]);
        let object = self.bytes.len() - 1;
        if ty == "task_struct" {
            // It traces nobody: the list leads back to its head.
            let traced = self.place(object, "ptraced");
            for link in ["ptraced.next", "ptraced.prev"] {
                self.set(object, link, traced);
            }
        }
        object
    }

    /// Adds an object that is folded into another, `before` bytes into it.
    pub fn fold(&mut self, ty: &str, owner: usize, before: u64) {
        self.add(ty);
        self.bytes.pop();
        let folded = self.head.objects.len() - 1;
        let address = self.address(owner) + before;
        self.head.objects[folded].address = KernelAddr(address);
        self.head.objects[folded].part_of = Some(ObjectId(owner as u32));
    }

    /// Where an object lies.
    pub fn address(&self, object: usize) -> u64 {
        self.head.objects[object].address.0
    }

    /// Where a member lies.
    pub fn place(&self, object: usize, path: &str) -> u64 {
        self.address(object) + self.offset(object, path) as u64
    }

    pub fn bytes_mut(&mut self, object: usize) -> &mut Vec<u8> {
        &mut self.bytes[object]
    }

    fn offset(&self, object: usize, path: &str) -> usize {
        offset(self.layout, &self.head, object, path).0
    }

    /// Sets the scalar `path` of an object.
    pub fn set(&mut self, object: usize, path: &str, value: u64) {
        let (start, size) = offset(self.layout, &self.head, object, path);
        self.bytes[object][start..start + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    /// Makes the pointer at byte `offset` of an object one to a new resource.
    pub fn resource(&mut self, object: usize, offset: usize, kind: &str, number: u64) {
        self.head.resources.push(Resource {
            kind: kind.to_owned(),
            origin: KernelAddr(number),
            attributes: Vec::new(),
        });
        let id = kconv_image::ResourceId(self.head.resources.len() as u32 - 1);
        self.slot(object, offset, SlotTarget::Resource(id), number);
    }

    /// Makes the pointer `path` of an object one to a symbol.
    pub fn symbol(&mut self, object: usize, path: &str, name: &str) {
        let known = self
            .head
            .symbols
            .iter()
            .position(|known| known.name == name);
        let index = known.unwrap_or(self.head.symbols.len());
        let origin = 0xffff_ffff_8100_0000 + 16 * index as u64;
        if known.is_none() {
            self.head.symbols.push(Symbol {
                name: name.to_owned(),
                offset: 0,
                origin: KernelAddr(origin),
            });
        }
        let id = kconv_image::SymbolId(index as u32);
        let offset = self.offset(object, path);
        self.slot(object, offset, SlotTarget::Symbol(id), origin);
    }

    fn slot(&mut self, object: usize, offset: usize, target: SlotTarget, number: u64) {
        self.bytes[object][offset..offset + 8].copy_from_slice(&number.to_le_bytes());
        self.head.slots.push(Slot {
            object: ObjectId(object as u32),
            offset: offset as u32,
            target,
        });
        self.head.slots.sort();
    }

    /// The image.
    pub fn image(&self) -> Image {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sample.img");
        let machine = self.head.identity.machine;
        let mut writer =
            ImageWriter::create(&path, machine, &self.head.objects, self.head.page_index())
                .unwrap();
        for bytes in &self.bytes {
            writer.object(bytes).unwrap();
        }
        let pages = PageSource::Stream(&mut |_, _| Ok(()));
        writer.finish(&self.head, pages).unwrap();
        Image::open(&path).unwrap()
    }
}

fn offset(layout: &Layout, head: &Head, object: usize, path: &str) -> (usize, usize) {
    let ty = layout.find(head.type_name(&head.objects[object])).unwrap();
    let found = layout.resolve(ty, &FieldPath::parse(path).unwrap());
    let found = found.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    let size = layout.size_of(found.ty).unwrap().0 as usize;
    (found.offset.byte().0 as usize, size)
}

fn kernel(node: &Node) -> KernelId {
    KernelId {
        release: node.release.to_owned(),
        layout: node.layout.to_owned(),
        fingerprint: node.fingerprint,
        build_id: Vec::new(),
    }
}

/// Takes an image through a chain of converters.
pub fn through(image: &Image, chain: &[&'static Converter]) -> Result<Image, ConvertError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("converted.img");
    let job = Job {
        chain: chain.to_vec(),
        target: kernel(&chain.last().unwrap().to),
        tool: String::from("test"),
        signers: Vec::new(),
    };
    convert(image, &job, Some(&path), &mut |_, _| {})?;
    Ok(Image::open(&path).unwrap())
}

/// What a conversion is refused for, each as `field: value problem`.
pub fn refusals(image: &Image, chain: &[&'static Converter]) -> Vec<String> {
    match through(image, chain) {
        Ok(_) => Vec::new(),
        Err(ConvertError::Refused(findings)) => findings
            .iter()
            .map(|finding| format!("{}: {} {}", finding.field, finding.value, finding.problem))
            .collect(),
        Err(error) => panic!("{error}"),
    }
}

/// The bytes of an object.
pub fn bytes(image: &Image, object: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    image
        .read_object(ObjectId(object as u32), &mut bytes)
        .unwrap();
    bytes
}

/// The scalar `path` of an object.
pub fn get(image: &Image, object: usize, path: &str) -> u64 {
    let head = image.head();
    let layout = layout(&head.identity.kernel.layout);
    let (start, size) = offset(layout, head, object, path);
    let bytes = bytes(image, object);
    let scalar = bytes[start..start + size].iter().rev();
    scalar.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Asserts that two images have the same objects and say the same of them.
#[track_caller]
pub fn assert_same(left: &Image, right: &Image) {
    fn same<T: PartialEq + Debug>(what: &str, left: &T, right: &T) {
        assert!(left == right, "{what}: {left:?} {right:?}");
    }
    let (a, b) = (left.head(), right.head());
    same("kernel", &a.identity, &b.identity);
    same("types", &a.types, &b.types);
    same("objects", &a.objects, &b.objects);
    same("slots", &a.slots, &b.slots);
    same("resources", &a.resources, &b.resources);
    // What the way back left out of the layout it came from is kept, and does not count here.
    let left_over = |head: &Head| {
        let mut of_kernel = head.remainder.clone();
        of_kernel.retain(|entry| head.kept_on(entry).is_release(&head.identity.kernel));
        of_kernel
    };
    same("remainder", &left_over(a), &left_over(b));
    for object in 0..a.objects.len() {
        let (old, new) = (bytes(left, object), bytes(right, object));
        let differs = old.iter().zip(&new).position(|(old, new)| old != new);
        let name = a.type_name(&a.objects[object]);
        assert_eq!((differs, old.len()), (None, new.len()), "{name} {object}");
    }
}
