//! The resources named so far, each once.

use crate::judge::NOT_CARRIED;
use kconv_image::{KernelAddr, Resource, ResourceId, Value};
use std::collections::BTreeMap;

/// What stands for a resource on the frozen kernel: the kind of the pointer, the kernel object,
/// and the mount it is seen through (0 if none).
type Key = (String, KernelAddr, KernelAddr);

/// A list of resources that can be asked what it already has.
#[derive(Default)]
pub(crate) struct Resources {
    list: Vec<Resource>,
    known: BTreeMap<Key, ResourceId>,
}

impl Resources {
    /// The resource that was put in for these, if any.
    pub(crate) fn known(
        &self,
        kind: &str,
        at: KernelAddr,
        mount: Option<KernelAddr>,
    ) -> Option<ResourceId> {
        self.known.get(&key(kind, at, mount)).copied()
    }

    /// Adds a resource. `kind` is what a pointer called it; what it turned out to be stands in
    /// `resource`.
    pub(crate) fn add(
        &mut self,
        kind: &str,
        mount: Option<KernelAddr>,
        resource: Resource,
    ) -> ResourceId {
        let id = ResourceId(self.list.len() as u32);
        self.known.insert(key(kind, resource.origin, mount), id);
        self.list.push(resource);
        id
    }

    /// The resource in the place of one that cannot be carried.
    pub(crate) fn not_carried(&mut self, at: KernelAddr) -> ResourceId {
        self.known(NOT_CARRIED, at, None).unwrap_or_else(|| {
            let resource = Attributes::default().resource(NOT_CARRIED, at);
            self.add(NOT_CARRIED, None, resource)
        })
    }

    /// Adds an attribute to a resource, unless it has one of this name.
    pub(crate) fn describe(&mut self, id: ResourceId, name: &str, value: Value) {
        if let Some(resource) = self.list.get_mut(id.0 as usize)
            && resource.get(name).is_none()
        {
            resource.attributes.push((name.to_owned(), value));
        }
    }

    pub(crate) fn list(&self) -> &[Resource] {
        &self.list
    }
}

fn key(kind: &str, at: KernelAddr, mount: Option<KernelAddr>) -> Key {
    (kind.to_owned(), at, mount.unwrap_or_default())
}

/// Attributes of a resource in the making.
#[derive(Default)]
pub(crate) struct Attributes(pub(crate) Vec<(String, Value)>);

impl Attributes {
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }

    pub(crate) fn text(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, Value::Text(value.into()));
    }

    pub(crate) fn unsigned(&mut self, name: &str, value: u64) {
        self.put(name, Value::Unsigned(value));
    }

    pub(crate) fn signed(&mut self, name: &str, value: i64) {
        self.put(name, Value::Signed(value));
    }

    pub(crate) fn resource(self, kind: &str, origin: KernelAddr) -> Resource {
        Resource {
            kind: kind.to_owned(),
            origin,
            attributes: self.0,
        }
    }
}
