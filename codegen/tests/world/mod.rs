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
    Clocks, Head, Identity, KernelAddr, KernelId, Machine, Object, ObjectId, Slot, TypeIx,
};
use kconv_runtime::at::At;
use kconv_runtime::context::{Context, Namer, Outcome};
use kconv_runtime::placement::Map;
use kconv_runtime::table::Converter;

/// Objects, and where they lie before and after a conversion.
pub struct World {
    pub converter: &'static Converter,
    head: Head,
    map: Map,
}

struct Names;

impl Namer for Names {
    fn task(&self, object: ObjectId) -> String {
        format!("task of {}", object.0)
    }

    fn object(&self, object: ObjectId) -> String {
        format!("object {}", object.0)
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
                }
            })
            .collect();
        let head = Head {
            identity: Identity {
                machine: Machine::I386,
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
            core_notes: Vec::new(),
        };
        let addresses: Vec<KernelAddr> = head.objects.iter().map(|object| object.address).collect();
        let map = Map::new(&head, &addresses, converter).unwrap();
        World {
            converter,
            head,
            map,
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
        let mut cx = Context::new(self.converter, &self.map, id, slots, &Names, &mut outcome);
        let convert = ty.convert.unwrap();
        convert(&mut cx, &At::object(), old, &mut new);
        (new, outcome)
    }
}
