//! Open files, and where a task stands in the tree of files.

use crate::model::number;
use crate::raw::hex;
use crate::values::{number_of, path_of, value_json};
use crate::view::symbol_text;
use kconv_image::{ObjectId, Resource, Value};
use kconv_objects::{FieldError, Saved};
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

pub(super) fn files(task: &Saved<'_>) -> Result<Files, FieldError> {
    let mut shown = Files {
        cwd: None,
        root: None,
        umask: None,
        max_fds: None,
        open_fds: BTreeMap::new(),
    };
    if let Some(fs) = task.follow("fs")? {
        shown.cwd = fs.resource("pwd.dentry")?.and_then(path_of);
        shown.root = fs.resource("root.dentry")?.and_then(path_of);
        shown.umask = Some(format!("{:#o}", fs.unsigned("umask")?));
    }
    if let Some(files) = task.follow("files")?
        && let Some(table) = files.follow("fdt")?
    {
        shown.max_fds = Some(table.unsigned("max_fds")?);
        shown.open_fds = open_files(&table, files.id())?;
    }
    Ok(shown)
}

fn open_files(table: &Saved<'_>, files: ObjectId) -> Result<BTreeMap<u64, OpenFile>, FieldError> {
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
        let resource = file.resource("f_path.dentry")?;
        let mount = file.resource("f_path.mnt")?;
        let shown = OpenFile {
            file: hex(at),
            path: resource.and_then(path_of),
            kind: resource.map(|resource| resource.kind.clone()),
            pos: file.signed("f_pos")?,
            flags: format!("{:#o}", file.unsigned("f_flags")?),
            close_on_exec: closes[(fd / 8) as usize] >> (fd % 8) & 1 == 1,
            fop: file.symbol("f_op")?.map(symbol_text),
            device: resource.and_then(|resource| resource.text("device").map(str::to_owned)),
            inode: resource.and_then(|resource| number_of(resource, "inode")),
            mount: mount.and_then(|mount| number_of(mount, "id")),
            owner: owner(&file)?,
            locks: locks(&file, files),
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
fn locks(file: &Saved<'_>, files: ObjectId) -> Vec<serde_json::Value> {
    let (file_itself, table) = (Value::Object(file.id()), Value::Object(files));
    let through = Some(&file_itself);
    let owners = [through, Some(&table)];
    let is_own = |resource: &&Resource| {
        resource.kind == "file-lock"
            && resource.get("file") == through
            && owners.contains(&resource.get("owner"))
    };
    let resources = file.objects().head().resources.iter().filter(is_own);
    resources
        .map(|lock| {
            let attributes = ["style", "type", "flags", "start", "end", "pid"].into_iter();
            attributes
                .filter_map(|name| Some((name.to_owned(), value_json(lock.get(name)?))))
                .collect()
        })
        .collect()
}
