//! Open files, and where a task stands in the tree of files.

use super::resource;
use crate::model::{self, Descriptors, FileOwner, Folders};
use crate::raw::hex;
use crate::view::symbol_text;
use kconv_image::ObjectId;
use kconv_objects::{FieldError, Saved};
use kconv_resources::Kind;
use kconv_resources::linux6::{FileLock, Resource, Resources};
use serde::Serialize;
use std::collections::BTreeMap;

/// Files of a task.
#[derive(Debug, Serialize)]
pub(crate) struct Files {
    pub(crate) cwd: Option<String>,
    pub(crate) root: Option<String>,
    pub(crate) umask: Option<String>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) open_fds: BTreeMap<u64, OpenFile>,
}

/// An open file.
#[derive(Debug, Serialize)]
pub(crate) struct OpenFile {
    pub(crate) file: String,
    pub(crate) path: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) pos: i64,
    pub(crate) flags: String,
    pub(crate) close_on_exec: bool,
    pub(crate) fop: Option<String>,
    pub(crate) device: Option<String>,
    pub(crate) inode: Option<i64>,
    /// Number of the mount.
    pub(crate) mount: Option<i64>,
    /// Who gets signals of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Owner>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) locks: Vec<serde_json::Value>,
}

/// The owner of a file: fcntl(2), F_SETOWN and F_SETSIG.
#[derive(Debug, Serialize)]
pub(crate) struct Owner {
    pub(crate) pid: i64,
    pub(crate) kind: i64,
    pub(crate) signal: i64,
}

pub(super) fn files(task: &Saved<'_>, resources: &Resources) -> Result<Files, FieldError> {
    let mut shown = Files {
        cwd: None,
        root: None,
        umask: None,
        max_fds: None,
        open_fds: BTreeMap::new(),
    };
    if let Some(folders) = Folders::of(task)? {
        let path = |id| {
            resources
                .get(id)
                .and_then(Resource::path)
                .map(str::to_owned)
        };
        shown.cwd = path(folders.working);
        shown.root = path(folders.root);
        shown.umask = Some(format!("{:#o}", folders.umask));
    }
    if let Some(files) = task.follow("files")? {
        let descriptors = Descriptors::of(&files)?;
        shown.max_fds = Some(descriptors.room);
        shown.open_fds = open_files(&files, &descriptors, resources)?;
    }
    Ok(shown)
}

fn open_files(
    files: &Saved<'_>,
    descriptors: &Descriptors,
    resources: &Resources,
) -> Result<BTreeMap<u64, OpenFile>, FieldError> {
    let mut open = BTreeMap::new();
    for descriptor in &descriptors.open {
        let file = files.objects().object(descriptor.file)?;
        let own = model::OpenFile::of(&file)?;
        let opened = resources.get(own.resource);
        let mount = match resource(&file, "f_path.mnt", resources)? {
            Some(Resource::Mount(mount)) => Some(mount),
            _ => None,
        };
        let shown = OpenFile {
            file: hex(file.at().0),
            path: opened.and_then(Resource::path).map(str::to_owned),
            kind: opened.map(|opened| opened.kind().to_owned()),
            pos: own.position,
            flags: format!("{:#o}", own.flags),
            close_on_exec: descriptor.close_on_exec,
            fop: file.symbol("f_op")?.map(symbol_text),
            device: opened
                .and_then(Resource::device)
                .map(|device| device.to_string()),
            inode: opened.and_then(Resource::inode).map(|inode| inode as i64),
            mount: mount.map(|mount| mount.id),
            owner: own.owner.filter(|owner| owner.pid != 0).map(Owner::of),
            locks: locks(&file, files.id(), resources),
        };
        open.insert(descriptor.number as u64, shown);
    }
    Ok(open)
}

impl Owner {
    fn of(owner: FileOwner) -> Owner {
        Owner {
            pid: owner.pid.into(),
            kind: owner.kind.into(),
            signal: owner.signal.into(),
        }
    }
}

/// Locks that were taken through the file, by it or by the descriptor table `files`
/// (`fs/locks.c`: __show_fd_locks).
fn locks(file: &Saved<'_>, files: ObjectId, resources: &Resources) -> Vec<serde_json::Value> {
    let owners = [file.id(), files];
    let own = resources.iter().filter_map(|(_, resource)| match resource {
        Resource::FileLock(lock) => Some(lock),
        _ => None,
    });
    let own = own.filter(|lock| {
        let through = lock.file.as_ref().map(|locked| locked.file);
        through == Some(file.id()) && lock.owner.is_some_and(|owner| owners.contains(&owner))
    });
    own.map(shown).collect()
}

fn shown(lock: &FileLock) -> serde_json::Value {
    serde_json::json!({
        "style": lock.style.name(),
        "type": lock.lock_type.name(),
        "flags": lock.flags,
        "start": lock.start,
        "end": lock.end,
        "pid": lock.pid,
    })
}
