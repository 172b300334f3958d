//! Heads of images for tests.

use kconv_image::{Clocks, Fingerprint, Head, Identity, KernelAddr, KernelId, Machine, Resource};

/// A head with these resources and nothing else.
pub(crate) fn head(resources: Vec<Resource>) -> Head {
    let kernel = KernelId {
        release: String::new(),
        layout: String::new(),
        fingerprint: Fingerprint([0; 32]),
        build_id: Vec::new(),
    };
    Head {
        identity: Identity {
            machine: Machine::X86_64,
            family: crate::FAMILY.to_owned(),
            kernel: kernel.clone(),
            origin: kernel,
        },
        types: Vec::new(),
        objects: Vec::new(),
        symbols: Vec::new(),
        slots: Vec::new(),
        clocks: Clocks {
            hz: 250,
            jiffies: 0,
            realtime_seconds: 0,
            realtime_nanoseconds: 0,
            boottime_nanoseconds: 0,
        },
        facts: Vec::new(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        contents: Vec::new(),
        core_notes: Vec::new(),
        resources,
    }
}

/// A resource of a kind, of which nothing else is known.
pub(crate) fn resource(kind: &str) -> Resource {
    Resource {
        kind: kind.to_owned(),
        origin: KernelAddr(0),
        attributes: Vec::new(),
    }
}
