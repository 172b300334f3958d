//! Heads of images, and resources, for tests.
#![allow(clippy::unwrap_used)]

use kconv_image::{
    Clocks, Fingerprint, Head, Identity, KernelAddr, KernelId, PAGE_SIZE, ResourceId,
};
use kconv_resources::linux6::{
    self, Cpu, File, FileType, Inode, JournalStream, Machine, Mount, PairedSocket, Pipe, PipeState,
    Place, Queue, Resource, SharedMemory, SocketType, Suspended, Terminal,
};
use kconv_resources::{Bytes, Device, FileSize, Kind};

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
            machine: kconv_image::Machine::X86_64,
            family: linux6::FAMILY.to_owned(),
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
        facts: machine().facts(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        contents: Vec::new(),
        core_notes: Vec::new(),
        resources: resources
            .iter()
            .map(|one| one.write(KernelAddr(0)))
            .collect(),
    }
}

/// What an image of this machine would say of it.
fn machine() -> Machine {
    Machine {
        page_size: PAGE_SIZE,
        suspended: Suspended { nanoseconds: 0 },
        cpu: Cpu {
            family: 6,
            vendor: 0,
            model: 1,
            stepping: 1,
            capabilities: Vec::new(),
        },
    }
}

/// A regular file on a disk, seen through the mount that is the first resource.
pub(crate) fn file(path: &str) -> File {
    File {
        path: path.to_owned(),
        file_type: FileType::Regular,
        inode: inode(),
        place: Place::Mounted {
            mount: ResourceId(0),
            is_kept: false,
        },
        build_id: None,
    }
}

fn inode() -> Inode {
    Inode {
        mode: 0o644,
        inode: 7,
        device: Device { major: 8, minor: 1 },
        links: 1,
        uid: 0,
        gid: 0,
        size: size(0),
        mtime: 0,
        mtime_nanoseconds: 0,
        file_system: "ext4".to_owned(),
    }
}

/// The size of a file.
pub(crate) fn size(bytes: u64) -> FileSize {
    FileSize::new(bytes as i64).unwrap()
}

/// A mount of a file system of this kind.
pub(crate) fn mount(magic: u64) -> Resource {
    Resource::Mount(Mount {
        path: "/".to_owned(),
        is_internal: false,
        id: 1,
        device_name: None,
        device: Device { major: 8, minor: 1 },
        file_system: "ext4".to_owned(),
        magic,
        flags: 0,
        super_block_flags: 0,
    })
}

/// Memory without a name.
pub(crate) fn shared_memory() -> Resource {
    Resource::SharedMemory(SharedMemory { inode: inode() })
}

/// A stream to the journal.
pub(crate) fn journal_stream() -> JournalStream {
    JournalStream {
        inode: 7,
        is_shut_for_reading: true,
        identifier: Some("job".to_owned()),
        unit: Some("job.service".to_owned()),
        priority: 30,
        has_level_prefix: true,
        to_syslog: false,
        to_kmsg: false,
        to_console: true,
    }
}

/// One of a pair of sockets.
pub(crate) fn paired_socket(
    inode: u64,
    peer: Option<u64>,
    socket_type: SocketType,
    queue: Queue,
) -> PairedSocket {
    PairedSocket {
        inode,
        peer,
        socket_type,
        uid: 0,
        gid: 0,
        mode: 0o777,
        shut: 0,
        send_buffer: 500_000,
        receive_buffer: 300_000,
        made_by: 5,
        made_by_uid: 0,
        made_by_gid: 0,
        queue,
    }
}

/// A controlling terminal.
pub(crate) fn terminal(name: &str, minor: u32) -> Resource {
    Resource::Terminal(Terminal {
        driver: None,
        driver_prefix: None,
        name: name.to_owned(),
        device: Device { major: 136, minor },
        index: minor.into(),
        pgrp: 0,
        session: 0,
        rows: 24,
        columns: 80,
        termios: Bytes(Vec::new()),
    })
}

/// A pipe of root's.
pub(crate) fn pipe(inode: u64, state: PipeState) -> Pipe {
    Pipe {
        inode,
        mode: 0o600,
        uid: 0,
        gid: 0,
        state,
    }
}

/// What is in a pipe of two pages that one reads from and `writers` write to.
pub(crate) fn pipe_state(writers: u64, content: &[u8]) -> PipeState {
    PipeState {
        readers: 1,
        writers,
        buffers: 2,
        content: content.to_vec(),
        packets: Vec::new(),
    }
}
