//! Files and folders that have to be there.

use super::found::Obstacles;
use super::pipes;
use crate::contents::{difference, folder_of};
use crate::plan::Plan;
use crate::used::{Policy, in_memory, users};
use crate::view::number;
use kconv_codes::Code;
use kconv_image::{Contents, Escaped, Head, Image, PAGE_SIZE, Resource, Value};
use nix::sys::statfs::statfs;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// RAMFS_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC (`include/uapi/linux/magic.h`).
const IN_MEMORY: [i128; 3] = [0x8584_58f6, 0x0102_1994, 0x794c_7630];

const SAME_FILE: &str =
    "put the file back as it was, with its time; nobody may change it meanwhile";

const SAME_PLACE: &str =
    "mount there what was mounted, and take away what was mounted over it since";

const SAME_PROGRAM: &str =
    "put the very program or library there: the task reads from it what it did not change";

const SAME_CONTENTS: &str =
    "remove the file, and the thaw makes it as it was; if others use it, stop them first";

/// Holds what the processes use against what is there. With the `image` contents are compared.
pub(super) fn check(plan: &Plan, head: &Head, image: Option<&Image>, found: &mut Obstacles<'_>) {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    for (id, tasks) in users(plan) {
        let Some(resource) = head.resources.get(id.0 as usize) else {
            continue;
        };
        if resource.kind == "file" && !is_of_a_task(resource, &own) {
            let is_in_memory = in_memory(resource.text("file-system").unwrap_or_default());
            let contents = head.contents_of(id).filter(|_| is_in_memory);
            let contents = image.zip(contents);
            file(
                resource,
                head,
                contents,
                &mut |code, what, is, was, advice| {
                    for task in &tasks {
                        found.add(code, Some(*task), what, is, was, advice);
                    }
                },
            );
            if pipes::is_opened_fifo(plan, id, resource) {
                for task in &tasks {
                    pipes::check_others(*task, resource, &own, found);
                }
            }
        }
    }
}

/// Whether a file is one of `/proc/PID` of a task that is yet to be made.
pub(crate) fn is_of_a_task(resource: &Resource, own: &BTreeSet<i32>) -> bool {
    let path = resource.text("path").unwrap_or_default();
    let mut parts = path.split('/').skip(1);
    let pid = match (parts.next(), parts.next()) {
        (Some("proc"), Some(pid)) => pid.parse().ok(),
        _ => None,
    };
    pid.is_some_and(|pid| own.contains(&pid))
}

/// Takes what is in the way of a file: kind, what, found, expected, advice.
type Add<'a> = dyn FnMut(Code, &str, &str, &str, &'static str) + 'a;

fn file(
    resource: &Resource,
    head: &Head,
    contents: Option<(&Image, &Contents)>,
    add: &mut Add<'_>,
) {
    let path = resource.text("path").unwrap_or_default();
    let expected = resource.text("type").unwrap_or_default();
    let policy = Policy::of(resource.text("file-system").unwrap_or_default());
    let name = format!("{expected} {}", Escaped(path));
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound && contents.is_some() => {
            place_to_make(&name, path, resource, head, add);
            return;
        }
        Err(error) => {
            let text = match error.kind() {
                io::ErrorKind::NotFound => "nothing of this name".to_owned(),
                _ => error.to_string(),
            };
            let advice = "put it there, or mount the file system that has it";
            add(
                Code::FileMissing,
                &name,
                &text,
                &format!("a {expected}"),
                advice,
            );
            return;
        }
    };
    let kind = type_of(&metadata);
    if kind != expected {
        add(
            Code::FileType,
            &name,
            &format!("a {kind}"),
            &format!("a {expected}"),
            "put the file there that the program had open",
        );
        return;
    }
    if expected.ends_with("device") {
        let (major, minor) = (libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
        let is = format!("{major}:{minor}");
        let was = resource.text("rdev").unwrap_or_default();
        if is != was {
            let advice = "see that the device has the number it had";
            add(Code::FileDevice, &name, &is, was, advice);
        }
        return;
    }
    let recorded = |name: &str| number(resource, name);
    // What a link leads to is another file, perhaps on another file system.
    let kind = match expected {
        "symbolic link" => None,
        _ => other_file_system(path, resource, head),
    };
    if let Some(kind) = kind {
        let was = resource.text("file-system").unwrap_or_default();
        let was = format!("a file system {was}");
        add(Code::FileSystem, &name, &kind, &was, SAME_PLACE);
        return;
    }
    if expected != "regular file"
        && policy == Policy::Inode
        && recorded("inode") != Some(i128::from(metadata.ino()))
    {
        let was = recorded("inode").map_or_else(|| "none".to_owned(), |inode| inode.to_string());
        let is = format!("inode {}", metadata.ino());
        let was = format!("inode {was}");
        add(Code::FileSystem, &name, &is, &was, SAME_PLACE);
        return;
    }
    if expected != "regular file" || policy == Policy::Name && contents.is_none() {
        return;
    }
    let build_id = match resource.get("build-id") {
        Some(Value::Bytes(id)) => Some(id),
        _ => None,
    };
    let how = policy.name(build_id.is_some(), contents.is_some());
    let name = format!("{name} (recognised {how})");
    let mut differs = |what: &str, is: i128, was: Option<i128>| {
        if was.is_some_and(|was| was != is) {
            let was = was.unwrap_or_default();
            let (is, was) = (format!("{what} {is}"), format!("{what} {was}"));
            let advice = match contents {
                Some(_) => SAME_CONTENTS,
                None => SAME_FILE,
            };
            add(Code::FileChanged, &name, &is, &was, advice);
        }
    };
    differs("size", i128::from(metadata.size()), recorded("size"));
    if policy == Policy::Inode {
        differs("inode", i128::from(metadata.ino()), recorded("inode"));
    }
    if matches!(policy, Policy::Inode | Policy::Time) {
        let time = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
        let was = recorded("mtime").zip(recorded("mtime-nanoseconds"));
        differs(
            "time of the last change",
            time(metadata.mtime().into(), metadata.mtime_nsec().into()),
            was.map(|(seconds, nanoseconds)| time(seconds, nanoseconds)),
        );
    }
    if let Some((image, contents)) = contents
        && recorded("size") == Some(i128::from(metadata.size()))
    {
        let file = fs::File::open(path);
        let found = file.and_then(|file| difference(image, contents, &file, metadata.size()));
        let is = match found {
            Ok(None) => return,
            Ok(Some(byte)) => format!("other contents from byte {byte} on"),
            Err(error) => error.to_string(),
        };
        let was = "those at the freeze";
        add(Code::FileChanged, &name, &is, was, SAME_CONTENTS);
    }
    if let (Policy::Contents, Some(was)) = (policy, build_id) {
        let is = first_page(path).and_then(|page| kconv_machine::build_id(&page));
        if is.as_ref() != Some(was) {
            let is = is.map_or("none".to_owned(), |id| hexadecimal(&id));
            let was = format!("build ID {}", hexadecimal(was));
            let is = format!("build ID {is}");
            add(Code::FileBuildId, &name, &is, &was, SAME_PROGRAM);
        }
    }
}

/// Where a file is to be made that is not there.
fn place_to_make(name: &str, path: &str, resource: &Resource, head: &Head, add: &mut Add<'_>) {
    let folder = folder_of(path).to_string_lossy();
    let shown = Escaped(&folder);
    if !folder_of(path).is_dir() {
        let is = format!("no folder {shown} to make it in");
        let advice = "make the folder, or mount the file system that has it";
        add(Code::FileFolder, name, &is, "one", advice);
    } else if let Some(kind) = other_file_system(&folder, resource, head) {
        let was = resource.text("file-system").unwrap_or_default();
        let is = format!("{kind} at {shown}");
        let was = format!("a file system {was}");
        add(Code::FileSystem, name, &is, &was, SAME_PLACE);
    }
}

/// What kind of file system is at `path`, if it is not of the kind that the file was on. Those in
/// memory stand for each other, as a boot fills them anew.
fn other_file_system(path: &str, resource: &Resource, head: &Head) -> Option<String> {
    let was = match resource.get("mount") {
        Some(Value::Resource(mount)) => head.resources.get(mount.0 as usize),
        _ => None,
    };
    let was = was.and_then(|mount| number(mount, "magic"));
    let is = statfs(path)
        .ok()
        .map(|found| i128::from(found.filesystem_type().0));
    let is_in_memory = |magic: Option<i128>| magic.is_some_and(|one| IN_MEMORY.contains(&one));
    if is == was || is_in_memory(is) && is_in_memory(was) {
        return None;
    }
    Some(match is {
        Some(magic) => format!("a file system of another kind ({magic:#x})"),
        None => "no file system".to_owned(),
    })
}

/// The beginning of a file; `None` if it cannot be read.
fn first_page(path: &str) -> Option<Vec<u8>> {
    let mut page = Vec::new();
    let file = fs::File::open(path).ok()?;
    file.take(PAGE_SIZE).read_to_end(&mut page).ok()?;
    Some(page)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn type_of(metadata: &fs::Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_file() {
        "regular file"
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_char_device() {
        "character device"
    } else if kind.is_block_device() {
        "block device"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_symlink() {
        "symbolic link"
    } else {
        "socket"
    }
}
