//! Descriptors, open files, and who gets their signals.

use super::number;
use kconv_image::{ObjectId, ResourceId};
use kconv_objects::{FieldError, Saved};
use kernel_structs_bits::little_endian;

/// The most descriptors that are believed (`fs/file.c`: sysctl_nr_open_max).
const MAX_DESCRIPTORS: u64 = 0x7fff_ffc0;

/// An open file (`struct file`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFile {
    /// The object.
    pub object: ObjectId,
    /// What was opened.
    pub resource: ResourceId,
    /// Flags of open.
    pub flags: u32,
    /// Position.
    pub position: i64,
    /// Who gets signals of it.
    pub owner: Option<FileOwner>,
    /// How long what is written will live, as fcntl(2) has it: F_SET_FILE_RW_HINT. 0, which is not set, where the
    /// kernel has it with the inode alone.
    pub write_hint: u64,
}

/// Who gets the signals of an open file (fcntl(2), F_SETOWN_EX, F_SETSIG).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct FileOwner {
    /// What the number is of: 0 a thread, 1 a process, 2 a process group.
    pub kind: u32,
    /// The number; 0 if it is nobody's.
    pub pid: i32,
    /// The signal; 0 for SIGIO.
    pub signal: i32,
    /// Real and effective user of who asked for it, in whose name the signals are sent.
    pub users: [u32; 2],
}

/// A descriptor.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its number.
    pub number: i32,
    /// The `struct file`, an object.
    pub file: ObjectId,
    /// Whether execve closes it.
    pub close_on_exec: bool,
}

/// A table of descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// How many it has room for.
    pub room: u64,
    /// Those that are open, by number.
    pub open: Vec<Descriptor>,
}

impl OpenFile {
    /// What a `struct file` says.
    ///
    /// # Errors
    /// If it cannot be read, or is of nothing.
    pub fn of(file: &Saved<'_>) -> Result<OpenFile, FieldError> {
        let path = "f_path.dentry";
        let resource = file.resource_id(path)?;
        Ok(OpenFile {
            object: file.id(),
            resource: resource
                .ok_or_else(|| file.absurd(path, 0, "an open file is something that was opened"))?,
            flags: file.unsigned("f_flags")? as u32,
            position: file.signed("f_pos")?,
            owner: owner(file)?,
            write_hint: match file.has("f_write_hint") {
                true => file.unsigned("f_write_hint")?,
                false => 0,
            },
        })
    }
}

/// Who gets the signals of a file: a part of it in 6.1, an object of its own in 6.12.
fn owner(file: &Saved<'_>) -> Result<Option<FileOwner>, FieldError> {
    let owner = match file.has("f_owner.pid") {
        true => Some(file.part("f_owner")?),
        false => file.follow("f_owner")?,
    };
    let Some(owner) = owner else {
        return Ok(None);
    };
    let user = |name: &str| owner.unsigned(name).map(|user| user as u32);
    let owner = FileOwner {
        kind: owner.unsigned("pid_type")? as u32,
        pid: match owner.follow("pid")? {
            Some(pid) => number(&pid)?,
            None => 0,
        },
        signal: owner.int("signum")?,
        users: [user("uid.val")?, user("euid.val")?],
    };
    let is_set = owner.pid != 0 || owner.signal != 0 || owner.users != [0; 2];
    Ok(is_set.then_some(owner))
}

impl Descriptors {
    /// Those of a `files_struct`.
    ///
    /// # Errors
    /// If they cannot be read, or one leads to no file of the image.
    pub fn of(files: &Saved<'_>) -> Result<Descriptors, FieldError> {
        let table = files.required("fdt")?;
        let room = table.unsigned("max_fds")?;
        if room > MAX_DESCRIPTORS {
            return Err(table.absurd("max_fds", room, "there are not so many descriptors"));
        }
        let pointers = table.bytes_at("fd", 8 * room)?;
        let close = table.bytes_at("close_on_exec", room.div_ceil(64) * 8)?;
        let mut open = Vec::new();
        for (index, pointer) in pointers.chunks_exact(8).enumerate() {
            let address = little_endian(pointer);
            if address == 0 {
                continue;
            }
            let objects = table.objects();
            let file = objects
                .object_at(address)
                .filter(|(object, into)| *into == 0 && objects.type_name(*object) == "file");
            let (file, _) = file.ok_or_else(|| {
                let expected = "the descriptor's file is not in the image";
                table.absurd("fd", index as u64, expected)
            })?;
            open.push(Descriptor {
                number: index as i32,
                file,
                close_on_exec: close[index / 8] >> (index % 8) & 1 == 1,
            });
        }
        Ok(Descriptors { room, open })
    }
}
