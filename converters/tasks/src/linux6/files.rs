//! Open files, and where a task stands in the tree of files.

use super::{path_at, resource};
use crate::model::number;
use crate::raw::hex;
use crate::view::symbol_text;
use kconv_image::ObjectId;
use kconv_objects::{FieldError, Saved};
use kconv_resources::Kind;
use kconv_resources::linux6::{FileLock, Resource, Resources};
use kernel_structs_bits::little_endian;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most descriptors that there can be (`fs/file.c`: sysctl_nr_open_max).
const MOST_FILES: u64 = 0x7fff_ffc0;

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
    if let Some(fs) = task.follow("fs")? {
        shown.cwd = path_at(&fs, "pwd.dentry", resources)?;
        shown.root = path_at(&fs, "root.dentry", resources)?;
        shown.umask = Some(format!("{:#o}", fs.unsigned("umask")?));
    }
    if let Some(files) = task.follow("files")?
        && let Some(table) = files.follow("fdt")?
    {
        shown.max_fds = Some(table.unsigned("max_fds")?);
        shown.open_fds = open_files(&table, files.id(), resources)?;
    }
    Ok(shown)
}

fn open_files(
    table: &Saved<'_>,
    files: ObjectId,
    resources: &Resources,
) -> Result<BTreeMap<u64, OpenFile>, FieldError> {
    let most = table.unsigned("max_fds")?;
    if most > MOST_FILES {
        return Err(table.absurd("max_fds", most, "there are not so many descriptors"));
    }
    let pointers = table.bytes_at("fd", 8 * most)?.chunks_exact(8);
    let closes = table.bytes_at("close_on_exec", most.div_ceil(64) * 8)?;
    let mut open = BTreeMap::new();
    for (fd, pointer) in (0u64..).zip(pointers) {
        let at = little_endian(pointer);
        let Some((id, 0)) = table.objects().object_at(at) else {
            continue;
        };
        let file = table.objects().object(id)?;
        let opened = resource(&file, "f_path.dentry", resources)?;
        let mount = match resource(&file, "f_path.mnt", resources)? {
            Some(Resource::Mount(mount)) => Some(mount),
            _ => None,
        };
        let shown = OpenFile {
            file: hex(at),
            path: opened.and_then(Resource::path).map(str::to_owned),
            kind: opened.map(|opened| opened.kind().to_owned()),
            pos: file.signed("f_pos")?,
            flags: format!("{:#o}", file.unsigned("f_flags")?),
            close_on_exec: closes[(fd / 8) as usize] >> (fd % 8) & 1 == 1,
            fop: file.symbol("f_op")?.map(symbol_text),
            device: opened
                .and_then(Resource::device)
                .map(|device| device.to_string()),
            inode: opened.and_then(Resource::inode).map(|inode| inode as i64),
            mount: mount.map(|mount| mount.id),
            owner: owner(&file)?,
            locks: locks(&file, files, resources),
        };
        open.insert(fd, shown);
    }
    Ok(open)
}

/// What is embedded in the file in 6.1, and in 6.12 a structure of its own that most files do
/// not have.
fn owner(file: &Saved<'_>) -> Result<Option<Owner>, FieldError> {
    let owner = match file.has("f_owner.pid") {
        true => Some(file.part("f_owner")?),
        false => file.follow("f_owner")?,
    };
    let Some(owner) = owner else {
        return Ok(None);
    };
    let Some(pid) = owner.follow("pid")? else {
        return Ok(None);
    };
    Ok(Some(Owner {
        pid: number(&pid)?.into(),
        kind: owner.signed("pid_type")?,
        signal: owner.signed("signum")?,
    }))
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
