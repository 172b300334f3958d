//! Files and folders that have to be there.

use super::found::Obstacles;
use super::pipes;
use crate::attributes::number;
use crate::contents::{difference, folder_of};
use crate::logs::{appended, is_same};
use crate::plan::Plan;
use crate::used::{Copies, Policy, in_memory, users};
use kconv_codes::Code;
use kconv_image::{Contents, Escaped, Head, Image, PAGE_SIZE, Resource, ResourceId, Value};
use kconv_machine::{KEPT, KEPT_COPY};
use nix::sys::statfs::statfs;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Where dpkg lists the files of the packages that are installed.
const PACKAGES: &str = "/var/lib/dpkg/info";

/// RAMFS_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC (`include/uapi/linux/magic.h`).
const IN_MEMORY: [i128; 3] = [0x8584_58f6, 0x0102_1994, 0x794c_7630];

const SAME_FILE: &str =
    "put the file back as it was, with its time; nobody may change it meanwhile";

const SAME_PLACE: &str =
    "mount there what was mounted, and take away what was mounted over it since";

const SAME_PROGRAM: &str = "put the very program or library there, as by installing the version of its package again: the task reads from it what it did not change; a freeze with --with-programs keeps it in the image";

const SAME_CONTENTS: &str =
    "remove the file, and the thaw makes it as it was; if others use it, stop them first";

/// Holds what the processes use against what is there. With the `image` contents are compared.
/// `copies` are taken from the image.
pub(super) fn check(
    plan: &Plan,
    head: &Head,
    image: Option<&Image>,
    copies: &Copies,
    found: &mut Obstacles<'_>,
) {
    let own: BTreeSet<i32> = plan.processes.iter().map(|process| process.pid).collect();
    let appended = appended(plan);
    for (id, tasks) in users(plan) {
        let Some(resource) = head.resources.get(id.0 as usize) else {
            continue;
        };
        if resource.kind == "file" && !is_of_a_task(resource, &own) && !copies.contains_key(&id) {
            let contents = image.zip(contents_to_find(id, resource, head));
            file(
                resource,
                head,
                contents,
                appended.contains(&id),
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

/// How a file that the tasks had differs from what is there now, in words; `None` if it is that.
pub(crate) fn difference_of(
    id: ResourceId,
    resource: &Resource,
    head: &Head,
    image: Option<&Image>,
) -> Option<String> {
    let mut first = None;
    let contents = image.zip(contents_to_find(id, resource, head));
    file(resource, head, contents, false, &mut |_, _, is, was, _| {
        first.get_or_insert_with(|| format!("found {is}, expected {was}"));
    });
    first
}

/// The contents that a file is recognised by, if it is: that it is kept for programs does not make them that.
fn contents_to_find<'h>(
    id: ResourceId,
    resource: &Resource,
    head: &'h Head,
) -> Option<&'h Contents> {
    let is_in_memory = in_memory(resource.text("file-system").unwrap_or_default());
    let is_known_otherwise = match resource.text(KEPT) {
        None => false,
        Some(KEPT_COPY) => resource.get("build-id").is_some(),
        Some(_) => true,
    };
    let contents = head.contents_of(id);
    contents.filter(|_| is_in_memory && !is_known_otherwise)
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
    is_log: bool,
    add: &mut Add<'_>,
) {
    let path = resource.text("path").unwrap_or_default();
    let expected = resource.text("type").unwrap_or_default();
    let policy = Policy::of(resource.text("file-system").unwrap_or_default());
    let name = format!("{expected} {}", Escaped(path));
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && contents.is_some()
                && resource.get(KEPT).is_none() =>
        {
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
    if is_log && is_same(resource, &metadata) {
        return;
    }
    regular_file(resource, &metadata, contents, &name, add);
}

/// Holds a regular file against that which the tasks had.
fn regular_file(
    resource: &Resource,
    metadata: &fs::Metadata,
    contents: Option<(&Image, &Contents)>,
    name: &str,
    add: &mut Add<'_>,
) {
    let path = resource.text("path").unwrap_or_default();
    let policy = Policy::of(resource.text("file-system").unwrap_or_default());
    let build_id = match resource.get("build-id") {
        Some(Value::Bytes(id)) => Some(id),
        _ => None,
    };
    let how = policy.name(build_id.is_some(), contents.is_some());
    let name = format!("{name} (recognised {how})");
    let stamps = stamps(resource, metadata, policy);
    let is_that_very_file = policy != Policy::Contents && stamps.is_empty();
    let size = number(resource, "size");
    let is_as_long = size.is_none_or(|size| size == i128::from(metadata.size()));
    let mut differences = Vec::new();
    if let Some(size) = size.filter(|_| !is_as_long) {
        let is = metadata.size();
        differences.push((format!("size {is}"), format!("size {size}")));
    }
    // A program that was installed anew has another inode and another time.
    if build_id.is_none() {
        differences.extend(stamps);
    }
    let advice = match (contents, build_id) {
        (Some(_), _) => SAME_CONTENTS,
        (None, Some(_)) => SAME_PROGRAM,
        (None, None) => SAME_FILE,
    };
    for (is, was) in differences {
        add(Code::FileChanged, &name, &is, &was, advice);
    }
    if let Some((image, contents)) = contents.filter(|_| is_as_long) {
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
    if let Some(was) = build_id.filter(|_| !is_that_very_file) {
        let is = first_page(path).and_then(|page| kconv_machine::build_id(&page));
        if is.as_ref() != Some(was) {
            let is = is.map_or("none".to_owned(), |id| hexadecimal(&id));
            let package = package_of(path, Path::new(PACKAGES));
            let package = package.map(|name| format!(" (package {name})"));
            let is = format!("build ID {is}{}", package.unwrap_or_default());
            let was = format!("build ID {}", hexadecimal(was));
            add(Code::FileBuildId, &name, &is, &was, SAME_PROGRAM);
        }
    }
}

/// What tells a file on a disk from one that was put in its place: what is found and what was, where
/// that differs.
fn stamps(resource: &Resource, metadata: &fs::Metadata, policy: Policy) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut compare = |what: &str, is: i128, was: Option<i128>| {
        if let Some(was) = was.filter(|was| *was != is) {
            found.push((format!("{what} {is}"), format!("{what} {was}")));
        }
    };
    let recorded = |name: &str| number(resource, name);
    if policy == Policy::Inode {
        compare("inode", i128::from(metadata.ino()), recorded("inode"));
    }
    if matches!(policy, Policy::Inode | Policy::Time) {
        let time = |seconds: i128, nanoseconds: i128| seconds * 1_000_000_000 + nanoseconds;
        let was = recorded("mtime").zip(recorded("mtime-nanoseconds"));
        compare(
            "time of the last change",
            time(metadata.mtime().into(), metadata.mtime_nsec().into()),
            was.map(|(seconds, nanoseconds)| time(seconds, nanoseconds)),
        );
    }
    found
}

/// The package that the file at `path` is of, by the lists in the folder `lists` (dpkg-query(1)). They
/// may have it without the `/usr` that a link of the root leads to.
fn package_of(path: &str, lists: &Path) -> Option<String> {
    let names = [Some(path), path.strip_prefix("/usr")];
    let has_it = |list: &str| list.lines().any(|line| names.contains(&Some(line)));
    fs::read_dir(lists).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_suffix(".list")?;
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        has_it(&fs::read_to_string(entry.path()).ok()?).then(|| name.to_owned())
    })
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
        // No path led to it, and so to no file system.
        _ if resource.text(KEPT) == Some(KEPT_COPY) => return None,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::{head, resource};

    /// What is said of a file that is there, of which the image has these attributes beside its path.
    fn said(path: &Path, attributes: &[(&str, Value)]) -> Vec<String> {
        let magic = statfs(path).unwrap().filesystem_type().0;
        let mut mount = resource("mount");
        let magic = Value::Unsigned(magic.unsigned_abs());
        mount.attributes.push(("magic".to_owned(), magic));
        let mut file = resource("file");
        let text = |text: &str| Value::Text(text.to_owned());
        let common = [
            ("path", text(path.to_str().unwrap())),
            ("type", text("regular file")),
            ("file-system", text("ext4")),
            ("mount", Value::Resource(ResourceId(0))),
        ];
        let all = common.iter().chain(attributes);
        let all = all.map(|(name, value)| ((*name).to_owned(), value.clone()));
        file.attributes = all.collect();
        let head = head(vec![mount]);
        let mut said = Vec::new();
        super::file(&file, &head, None, false, &mut |_, _, is, was, _| {
            said.push(format!("{is}, not {was}"));
        });
        said
    }

    /// A program that was installed anew, with another inode and time, is the program.
    #[test]
    fn a_program_is_the_same_by_its_build_id() {
        let path = std::env::current_exe().unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let is = kconv_machine::build_id(&first_page(path.to_str().unwrap()).unwrap()).unwrap();
        let attributes = |size: u64, id: Option<Vec<u8>>| {
            let mut attributes = vec![
                ("size", Value::Unsigned(size)),
                ("inode", Value::Unsigned(metadata.ino() + 1)),
                ("mtime", Value::Signed(metadata.mtime() - 1)),
                ("mtime-nanoseconds", Value::Unsigned(0)),
            ];
            attributes.extend(id.map(|id| ("build-id", Value::Bytes(id))));
            attributes
        };
        let size = metadata.size();
        let none: [String; 0] = [];
        assert_eq!(said(&path, &attributes(size, Some(is.clone()))), none);
        let longer = said(&path, &attributes(size + 1, Some(is.clone())));
        assert_eq!(longer, [format!("size {size}, not size {}", size + 1)]);
        let other = said(&path, &attributes(size, Some(vec![0xab; 2])));
        let found = hexadecimal(&is);
        assert_eq!(other, [format!("build ID {found}, not build ID abab")]);
        // What is no program has nothing but these.
        let plain = said(&path, &attributes(size, None));
        assert!(plain[0].starts_with("inode "), "{plain:?}");
        assert!(
            plain[1].starts_with("time of the last change "),
            "{plain:?}"
        );
        assert_eq!(plain.len(), 2);
    }

    #[test]
    fn a_file_is_of_the_package_that_lists_it() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("libc6:amd64.list", "/.\n/lib\n/lib/libc.so.6\n");
        put("libc6:amd64.md5sums", "/bin/sh");
        put("python3.list", "/usr/bin/python3\n");
        let of = |path: &str| package_of(path, folder.path());
        assert_eq!(of("/usr/lib/libc.so.6").as_deref(), Some("libc6"));
        assert_eq!(of("/lib/libc.so.6").as_deref(), Some("libc6"));
        assert_eq!(of("/usr/bin/python3").as_deref(), Some("python3"));
        assert_eq!(of("/bin/sh"), None);
        assert_eq!(package_of("/bin/sh", Path::new("/nowhere")), None);
    }
}
