//! The committed dumps and images, read in a way of the tests' own.

#![allow(dead_code, reason = "each test uses its part")]

use kconv_freeze::{FreezeError, Judge, Kernel, MemorySource, Order, Selection, Summary, freeze};
use kconv_image::{
    Fingerprint, Head, Image, KernelAddr, KernelId, Machine, Object, ObjectId, SlotTarget, Value,
};
use kernel_structs::layout::{FieldPath, Layout, Type};
use kernel_structs::releases::Registry;
use std::path::{Path, PathBuf};

/// Names of the dumps in `tests/dumps`, and of the images of them.
pub(crate) const DUMPS: [&str; 2] = ["2.4.36-i386-up", "2.4.36-i386-smp"];

/// The `tests` folder of the workspace.
pub(crate) fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// The directory of a dump.
pub(crate) fn dump(name: &str) -> PathBuf {
    tests().join("dumps").join(name)
}

/// The committed image of a dump.
pub(crate) fn image(name: &str) -> PathBuf {
    tests().join("images").join(format!("{name}.img"))
}

/// What is true of the tasks in a dump, read by other means.
pub(crate) fn facts(name: &str) -> serde_json::Value {
    let text = std::fs::read(dump(name).join("facts.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Freezes all tasks of a source that is the kernel of the dump `2.4.36-i386-up`.
pub(crate) fn freeze_all(
    source: &dyn MemorySource,
    judge: &mut Judge<'_>,
    destination: &Path,
) -> Result<Summary, FreezeError> {
    freeze_in_ticks(source, None, judge, destination)
}

/// As [`freeze_all`], of a kernel that counts in `hz` ticks a second, if not in those of its release.
pub(crate) fn freeze_in_ticks(
    source: &dyn MemorySource,
    hz: Option<u32>,
    judge: &mut Judge<'_>,
    destination: &Path,
) -> Result<Summary, FreezeError> {
    let registry = Registry::builtin().unwrap();
    let release = registry.release("2.4.36-up", None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let map = registry.state_map("linux-2.4").unwrap();
    let kernel = Kernel {
        layout: &layout,
        map: &map,
        machine: Machine::I386,
        id: KernelId {
            release: release.name.clone(),
            layout: release.layout.0.clone(),
            fingerprint: Fingerprint([0; 32]),
            build_id: Vec::new(),
        },
        hz: hz.or(release.hz),
    };
    let order = Order {
        selection: &Selection::All,
        keeps_programs: false,
        judge,
        destination,
    };
    freeze(source, &kernel, order)
}

/// An image and the layout of its objects.
pub(crate) struct Frozen {
    pub(crate) image: Image,
    layout: Layout,
}

impl Frozen {
    pub(crate) fn open(path: &Path) -> Frozen {
        let image = Image::open(path).unwrap();
        let registry = Registry::builtin().unwrap();
        let id = &image.head().identity.kernel;
        let release = registry.release(&id.release, None, None).unwrap();
        let layout = registry.layout(&release.layout).unwrap();
        Frozen { image, layout }
    }

    pub(crate) fn head(&self) -> &Head {
        self.image.head()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (ObjectId, &Object)> {
        (0..).map(ObjectId).zip(&self.head().objects)
    }

    /// The objects of type `ty`.
    pub(crate) fn of_type(&self, ty: &str) -> Vec<ObjectId> {
        let of_type = self
            .ids()
            .filter(|(_, object)| self.head().type_name(object) == ty);
        of_type.map(|(id, _)| id).collect()
    }

    /// The object that begins at `at`.
    pub(crate) fn at(&self, at: u64) -> Option<ObjectId> {
        let (id, offset) = self.image.find(KernelAddr(at))?;
        (offset == 0).then_some(id)
    }

    pub(crate) fn bytes(&self, id: ObjectId) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.image.read_object(id, &mut bytes).unwrap();
        bytes
    }

    fn place(&self, id: ObjectId, path: &str) -> (usize, usize, bool) {
        let head = self.head();
        let ty = self.layout.find(head.type_name(head.object(id))).unwrap();
        let found = self
            .layout
            .resolve(ty, &FieldPath::parse(path).unwrap())
            .unwrap();
        assert_eq!(found.bit_field, None, "{path}");
        let signed = match self.layout.get(self.layout.strip(found.ty)) {
            Type::Int(int) => int.signed,
            _ => false,
        };
        let size = self.layout.size_of(found.ty).unwrap().0;
        (found.offset.byte().0 as usize, size as usize, signed)
    }

    /// Where a field lies in the object, in bytes.
    pub(crate) fn offset(&self, id: ObjectId, path: &str) -> u64 {
        self.place(id, path).0 as u64
    }

    /// The bytes of a field.
    pub(crate) fn slice(&self, id: ObjectId, path: &str) -> Vec<u8> {
        let (start, size, _) = self.place(id, path);
        self.bytes(id)[start..start + size].to_vec()
    }

    /// The number in a field, as its type has it.
    pub(crate) fn number(&self, id: ObjectId, path: &str) -> i128 {
        let (_, size, signed) = self.place(id, path);
        let bytes = self.slice(id, path);
        let value = bytes
            .iter()
            .rev()
            .fold(0i128, |value, byte| value << 8 | i128::from(*byte));
        match signed && value >> (8 * size - 1) != 0 {
            true => value - (1 << (8 * size)),
            false => value,
        }
    }

    /// The address in a field.
    pub(crate) fn pointer(&self, id: ObjectId, path: &str) -> u64 {
        u64::try_from(self.number(id, path)).unwrap()
    }

    /// What the slot at a field means.
    pub(crate) fn slot(&self, id: ObjectId, path: &str) -> Option<SlotTarget> {
        let (start, _, _) = self.place(id, path);
        let slots = self.head().slots_of(id);
        let slot = slots.iter().find(|slot| slot.offset as usize == start);
        slot.map(|slot| slot.target)
    }

    /// The symbol that a field means, as `name` or `name+0xoffset`.
    pub(crate) fn symbol(&self, id: ObjectId, path: &str) -> Option<String> {
        let Some(SlotTarget::Symbol(symbol)) = self.slot(id, path) else {
            return None;
        };
        let symbol = &self.head().symbols[symbol.0 as usize];
        Some(match symbol.offset {
            0 => symbol.name.clone(),
            offset => format!("{}+{offset:#x}", symbol.name),
        })
    }

    /// An attribute of the resource that a field means, if it is text.
    pub(crate) fn resource_text(
        &self,
        id: ObjectId,
        path: &str,
        attribute: &str,
    ) -> Option<String> {
        let Some(SlotTarget::Resource(resource)) = self.slot(id, path) else {
            return None;
        };
        let resource = &self.head().resources[resource.0 as usize];
        let mut attributes = resource.attributes.iter();
        match attributes.find(|(name, _)| name == attribute)? {
            (_, Value::Text(text)) => Some(text.clone()),
            _ => None,
        }
    }
}

/// A value in one line.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Unsigned(value) => format!("{value}"),
        Value::Signed(value) => format!("{value}"),
        Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Value::Object(id) => format!("object {}", id.0),
        Value::Resource(id) => format!("resource {}", id.0),
        Value::List(values) => {
            let values: Vec<_> = values.iter().map(shown).collect();
            format!("[{}]", values.join(" "))
        }
    }
}
