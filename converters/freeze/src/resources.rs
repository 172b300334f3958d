//! The resources named so far, each once.

use kconv_image::{KernelAddr, Resource, ResourceId};
use kconv_resources::Kind;
use std::collections::BTreeMap;

/// What stands for a resource on the frozen kernel: the kind of the pointer, the kernel object,
/// and the mount it is seen through (0 if none).
type Key = (String, KernelAddr, KernelAddr);

/// A list of the resources of a family that can be asked what it already has.
pub(crate) struct Resources<R> {
    list: Vec<(KernelAddr, R)>,
    known: BTreeMap<Key, ResourceId>,
}

impl<R: Kind> Resources<R> {
    pub(crate) fn new() -> Resources<R> {
        Resources {
            list: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    /// The resource that was put in for these, if any.
    pub(crate) fn known(
        &self,
        kind: &str,
        at: KernelAddr,
        mount: Option<KernelAddr>,
    ) -> Option<ResourceId> {
        self.known.get(&key(kind, at, mount)).copied()
    }

    /// Adds a resource, for which `at` stands. `kind` is what a pointer called it; what it turned out to be is
    /// `resource`.
    pub(crate) fn add(
        &mut self,
        kind: &str,
        at: KernelAddr,
        mount: Option<KernelAddr>,
        resource: R,
    ) -> ResourceId {
        let id = ResourceId(self.list.len() as u32);
        self.known.insert(key(kind, at, mount), id);
        self.list.push((at, resource));
        id
    }

    /// The resource in the place of one that cannot be carried.
    pub(crate) fn not_carried(&mut self, at: KernelAddr) -> ResourceId {
        let resource = R::not_carried();
        let kind = resource.kind();
        self.known(kind, at, None)
            .unwrap_or_else(|| self.add(kind, at, None, resource))
    }

    /// A resource by its number.
    pub(crate) fn get(&self, id: ResourceId) -> Option<&R> {
        self.list.get(id.0 as usize).map(|(_, resource)| resource)
    }

    /// A resource by its number, to say more of it.
    pub(crate) fn get_mut(&mut self, id: ResourceId) -> Option<&mut R> {
        let found = self.list.get_mut(id.0 as usize);
        found.map(|(_, resource)| resource)
    }

    /// All of them, as an image has them.
    pub(crate) fn written(&self) -> Vec<Resource> {
        let list = self.list.iter();
        list.map(|(at, resource)| resource.write(*at)).collect()
    }
}

fn key(kind: &str, at: KernelAddr, mount: Option<KernelAddr>) -> Key {
    (kind.to_owned(), at, mount.unwrap_or_default())
}
