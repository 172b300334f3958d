//! A made-up set of objects to run a converter on.

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
    Slot, SlotTarget, Symbol, SymbolId, TaskName, TypeIx,
};
use kconv_rules::StepRules;
use kconv_runtime::at::At;
use kconv_runtime::chain::way;
use kconv_runtime::context::{Context, Namer, Old, Outcome};
use kconv_runtime::convert::{Job, convert};
use kconv_runtime::error::ConvertError;
use kconv_runtime::placement::{Lengths, Map};
use kconv_runtime::table::Converter;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Objects, and where they lie before and after a conversion.
pub struct World {
    pub converter: &'static Converter,
    rules: StepRules,
    head: Head,
    map: Map,
    /// The bytes of objects that others may be asked about.
    pub bytes: BTreeMap<u32, Vec<u8>>,
}

struct Names<'a>(&'a World);

impl Namer for Names<'_> {
    fn task(&self, object: ObjectId) -> Option<TaskName> {
        Some(TaskName {
            pid: i64::from(object.0),
            comm: String::new(),
        })
    }

    fn object(&self, object: ObjectId) -> String {
        format!("object {}", object.0)
    }

    fn convert(
        &self,
        context: &mut Context<'_>,
        object: ObjectId,
        at: &At<'_>,
        old: &[u8],
        new: &mut [u8],
    ) {
        let World { converter, .. } = self.0;
        let convert = converter.function(self.0.ty(object.0 as usize)).unwrap();
        convert.call(context, at, old, new);
    }

    fn symbols(&self) -> &[Symbol] {
        &self.0.head.symbols
    }

    fn old(&self, object: ObjectId) -> Option<Old> {
        let bytes = self.0.bytes.get(&object.0)?.clone();
        Some(Old::new(bytes, Vec::new()))
    }
}

impl World {
    /// One element each of the given types, at the given addresses, owned by the given objects.
    pub fn new(converter: &'static Converter, objects: &[(&str, u64, u32)]) -> World {
        let kernel = KernelId {
            release: converter.from.release.to_owned(),
            layout: converter.from.layout.to_owned(),
            fingerprint: converter.from.fingerprint,
            build_id: Vec::new(),
        };
        let mut types: Vec<String> = Vec::new();
        let objects: Vec<Object> = objects
            .iter()
            .map(|(ty, address, owner)| {
                let known = types.iter().position(|known| known == ty);
                let index = known.unwrap_or_else(|| {
                    types.push((*ty).to_owned());
                    types.len() - 1
                });
                Object {
                    ty: TypeIx(index as u32),
                    count: 1,
                    size: u64::from(converter.find(ty).unwrap().from_size),
                    address: KernelAddr(*address),
                    home: KernelAddr(*address),
                    owner: ObjectId(*owner),
                    part_of: None,
                }
            })
            .collect();
        let head = Head {
            identity: Identity {
                machine: converter.machine,
                family: converter.family.to_owned(),
                kernel: kernel.clone(),
                origin: kernel,
            },
            types,
            objects,
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
        };
        let addresses: Vec<KernelAddr> = head.objects.iter().map(|object| object.address).collect();
        let rules = converter.rules();
        let map = Map::new(&head, &addresses, &Lengths::default(), &rules).unwrap();
        World {
            converter,
            rules,
            head,
            map,
            bytes: BTreeMap::new(),
        }
    }

    /// The same objects, one of them an array of this many elements.
    pub fn with_count(mut self, object: usize, count: u32) -> World {
        let object = &mut self.head.objects[object];
        object.size *= u64::from(count);
        object.count = count;
        let addresses: Vec<KernelAddr> = self.head.objects.iter().map(|o| o.address).collect();
        let lengths = Lengths::default();
        self.map = Map::new(&self.head, &addresses, &lengths, &self.rules).unwrap();
        self
    }

    /// The same objects, one of them of another size than its type. Only an image of them can be
    /// converted.
    pub fn with_size(mut self, object: usize, size: u64) -> World {
        self.head.objects[object].size = size;
        self
    }

    /// An image of the objects, with these bytes.
    pub fn image(&self, bytes: &[Vec<u8>]) -> Image {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("world.img");
        let machine = self.head.identity.machine;
        let mut writer =
            ImageWriter::create(&path, machine, &self.head.objects, self.head.page_index())
                .unwrap();
        for bytes in bytes {
            writer.object(bytes).unwrap();
        }
        let pages = PageSource::Stream(&mut |_, _| Ok(()));
        writer.finish(&self.head, pages).unwrap();
        Image::open(&path).unwrap()
    }

    /// The same objects with these symbols.
    pub fn with_symbols(mut self, names: &[&str]) -> World {
        let symbol = |name: &&str| Symbol {
            name: (*name).to_owned(),
            offset: 0,
            origin: KernelAddr(0xffff_ffff_8100_0000),
        };
        self.head.symbols = names.iter().map(symbol).collect();
        self
    }

    /// The same objects, with symbols of these names, offsets and addresses, and pointers to them:
    /// object, offset there, and number of the symbol.
    pub fn with_names(
        mut self,
        symbols: &[(&str, u64, u64)],
        slots: &[(u32, usize, u32)],
    ) -> World {
        let symbol = |(name, offset, origin): &(&str, u64, u64)| Symbol {
            name: (*name).to_owned(),
            offset: *offset,
            origin: KernelAddr(*origin),
        };
        self.head.symbols = symbols.iter().map(symbol).collect();
        let slot = |(object, offset, symbol): &(u32, usize, u32)| Slot {
            object: ObjectId(*object),
            offset: *offset as u32,
            target: SlotTarget::Symbol(SymbolId(*symbol)),
        };
        self.head.slots = slots.iter().map(slot).collect();
        self.head.slots.sort();
        self
    }

    /// The objects after the conversion, for `converter` to lead them on.
    pub fn after(&self, converter: &'static Converter) -> World {
        let mut head = self.head.clone();
        for (object, address) in head.objects.iter_mut().zip(self.map.addresses()) {
            object.address = address;
        }
        let rules = converter.rules();
        let map = Map::new(&head, &self.map.addresses(), &Lengths::default(), &rules).unwrap();
        World {
            converter,
            rules,
            head,
            map,
            bytes: BTreeMap::new(),
        }
    }

    /// Where an object lay.
    pub fn old(&self, object: usize) -> u64 {
        self.head.objects[object].address.0
    }

    /// Where it lies now.
    pub fn new_address(&self, object: usize) -> u64 {
        self.map.addresses()[object].0
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.head.objects.len()
    }

    /// Name of an object's type.
    pub fn ty(&self, object: usize) -> &str {
        self.head.type_name(&self.head.objects[object])
    }

    /// Converts `old`, the bytes of an object.
    pub fn convert(&self, object: usize, old: &[u8], slots: &[Slot]) -> (Vec<u8>, Outcome) {
        let ty = self.converter.find(self.ty(object)).unwrap();
        // Whatever was there before, every byte is written.
        let mut new = vec![0xa5; ty.to_size as usize];
        let mut outcome = Outcome::default();
        let id = ObjectId(object as u32);
        let names = Names(self);
        let step = (&self.rules, 0);
        let mut cx = Context::new(step, &self.map, id, slots, &names, &mut outcome);
        let convert = self.converter.function(ty.name).unwrap();
        convert.call(&mut cx, &At::object(), old, &mut new);
        (new, outcome)
    }
}

/// Takes an image through a chain of converters to the release `target`.
pub fn through(
    image: &Image,
    chain: &[&'static Converter],
    target: &str,
) -> Result<Image, ConvertError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("converted.img");
    let to = chain.last().unwrap().to;
    let target = KernelId {
        release: target.to_owned(),
        layout: to.layout.to_owned(),
        fingerprint: to.fingerprint,
        build_id: Vec::new(),
    };
    let identity = kconv_steps::identity(to.layout);
    let job = Job {
        chain: way(image.head(), chain.to_vec(), identity, &target),
        target,
        tool: String::from("test"),
        signers: Vec::new(),
    };
    convert(image, &job, Some(&path), &mut |_, _| {})?;
    Ok(Image::open(&path).unwrap())
}

/// An object with random bytes, whose pointers are to lead somewhere more often than chance would
/// have it.
#[derive(Clone, Debug)]
pub struct RandomObject {
    pub object: usize,
    pub bytes: Vec<u8>,
    /// For each pointer in turn: what it is, and two numbers to choose a target by.
    pub choices: Vec<(u8, usize, u32)>,
}

impl RandomObject {
    /// One of the objects with these sizes.
    pub fn any(sizes: Vec<usize>) -> impl Strategy<Value = RandomObject> {
        (0..sizes.len()).prop_flat_map(move |object| {
            let bytes = proptest::collection::vec(any::<u8>(), sizes[object]);
            let choice = (any::<u8>(), 0..sizes.len(), any::<u32>());
            let choices = proptest::collection::vec(choice, 1..64);
            (bytes, choices).prop_map(move |(bytes, choices)| RandomObject {
                object,
                bytes,
                choices,
            })
        })
    }
}
