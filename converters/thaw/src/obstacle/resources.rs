//! Files and folders that have to be there.

use super::found::Obstacles;
use super::pipes;
use crate::contents::{difference, folder_of};
use crate::logs::{appended, is_same};
use crate::plan::Plan;
use crate::used::{Copies, Policy, in_memory, is_of_a_task, users};
use kconv_codes::Code;
use kconv_image::{Contents, Escaped, Head, Image, PAGE_SIZE, ResourceId};
use kconv_resources::linux6::{File, FileType, Inode, JOURNAL, Place, Resource, Resources};
use nix::sys::statfs::statfs;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

/// Where dpkg lists the files of the packages that are installed.
const PACKAGES: &str = "/var/lib/dpkg/info";

/// RAMFS_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC (`include/uapi/linux/magic.h`).
const IN_MEMORY: [u64; 3] = [0x8584_58f6, 0x0102_1994, 0x794c_7630];

const SAME_FILE: &str =
    "put the file back as it was, with its time (touch -d); nobody may change it meanwhile";

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
        let was = match plan.resources.get(id) {
            Some(Resource::File(file)) => file,
            Some(Resource::JournalStream(_)) => {
                for task in &tasks {
                    journal(*task, Path::new(JOURNAL), found);
                }
                continue;
            }
            _ => continue,
        };
        if !is_of_a_task(was, &own) && !copies.contains_key(&id) {
            let contents = image.zip(contents_to_find(id, was, head));
            file(
                was,
                &plan.resources,
                contents,
                appended.contains(&id),
                &mut |code, what, is, was, advice| {
                    for task in &tasks {
                        found.add(code, Some(*task), what, is, was, advice);
                    }
                },
            );
            if pipes::is_opened_fifo(plan, id, was) {
                for task in &tasks {
                    pipes::check_others(*task, was, &own, found);
                }
            }
        }
    }
}

/// Whether there is somebody at `socket` who takes streams for the journal.
fn journal(task: i32, socket: &Path, found: &mut Obstacles<'_>) {
    let is = match fs::metadata(socket) {
        Ok(of) if of.file_type().is_socket() => return,
        Ok(_) => "no socket".to_owned(),
        Err(error) => error.to_string(),
    };
    found.add(
        Code::FdJournal,
        Some(task),
        socket.display().to_string(),
        is,
        "the socket of the journal, to which the program writes",
        "have the journal listen (systemctl start systemd-journald.socket)",
    );
}

/// How a file that the tasks had differs from what is there now, in words; `None` if it is that.
pub(crate) fn difference_of(
    id: ResourceId,
    was: &File,
    plan: &Plan,
    head: &Head,
    image: Option<&Image>,
) -> Option<String> {
    let mut first = None;
    let contents = image.zip(contents_to_find(id, was, head));
    let resources = &plan.resources;
    file(was, resources, contents, false, &mut |_, _, is, was, _| {
        first.get_or_insert_with(|| format!("found {is}, expected {was}"));
    });
    first
}

/// The contents that a file is recognised by, if it is: that it is kept for programs does not make them that.
fn contents_to_find<'h>(id: ResourceId, was: &File, head: &'h Head) -> Option<&'h Contents> {
    let is_in_memory = in_memory(&was.inode.file_system);
    let is_known_otherwise = match was.place {
        Place::Mounted { is_kept, .. } => is_kept,
        Place::Copy => was.build_id.is_some(),
        Place::Unlinked { .. } | Place::Memfd { .. } => true,
    };
    let contents = head.contents_of(id);
    contents.filter(|_| is_in_memory && !is_known_otherwise)
}

/// Takes what is in the way of a file: kind, what, found, expected, advice.
type Add<'a> = dyn FnMut(Code, &str, &str, &str, &'static str) + 'a;

fn file(
    was: &File,
    resources: &Resources,
    contents: Option<(&Image, &Contents)>,
    is_log: bool,
    add: &mut Add<'_>,
) {
    let path = was.path.as_str();
    let expected = was.file_type.name();
    let policy = Policy::of(&was.inode.file_system);
    let name = format!("{expected} {}", Escaped(path));
    match was.place {
        Place::Unlinked { .. } => return place_to_make(&name, was, resources, add),
        Place::Memfd { .. } => return,
        Place::Mounted { .. } | Place::Copy => {}
    }
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && contents.is_some() && !was.is_kept() =>
        {
            place_to_make(&name, was, resources, add);
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
    if let Some(number) = was.device_number() {
        let (major, minor) = (libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
        let is = format!("{major}:{minor}");
        let number = number.to_string();
        if is != number {
            let advice = "see that the device has the number it had";
            add(Code::FileDevice, &name, &is, &number, advice);
        }
        return;
    }
    // What a link leads to is another file, perhaps on another file system.
    let kind = match was.file_type {
        FileType::SymbolicLink => None,
        _ => other_file_system(path, was, resources),
    };
    if let Some(kind) = kind {
        let was = format!("a file system {}", was.inode.file_system);
        add(Code::FileSystem, &name, &kind, &was, SAME_PLACE);
        return;
    }
    if !was.is_regular() && policy == Policy::Inode && was.inode.inode != metadata.ino() {
        let is = format!("inode {}", metadata.ino());
        let was = format!("inode {}", was.inode.inode);
        add(Code::FileSystem, &name, &is, &was, SAME_PLACE);
        return;
    }
    if !was.is_regular() || policy == Policy::Name && contents.is_none() {
        return;
    }
    if is_log && is_same(was, &metadata) {
        return;
    }
    regular_file(was, &metadata, contents, &name, add);
}

/// Holds a regular file against that which the tasks had.
fn regular_file(
    was: &File,
    metadata: &fs::Metadata,
    contents: Option<(&Image, &Contents)>,
    name: &str,
    add: &mut Add<'_>,
) {
    let path = was.path.as_str();
    let policy = Policy::of(&was.inode.file_system);
    let build_id = was.build_id.as_ref();
    let how = policy.name(build_id.is_some(), contents.is_some());
    let name = format!("{name} (recognised {how})");
    let stamps = stamps(&was.inode, metadata, policy);
    let is_that_very_file = policy != Policy::Contents && stamps.is_empty();
    let size = was.inode.size.bytes();
    let is_as_long = size == metadata.size();
    let mut differences = Vec::new();
    if !is_as_long {
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
fn stamps(inode: &Inode, metadata: &fs::Metadata, policy: Policy) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut compare = |what: &str, is: String, was: String| {
        if is != was {
            found.push((format!("{what} {is}"), format!("{what} {was}")));
        }
    };
    if policy == Policy::Inode {
        compare("inode", metadata.ino().to_string(), inode.inode.to_string());
    }
    if matches!(policy, Policy::Inode | Policy::Time) {
        compare(
            "time of the last change",
            moment(metadata.mtime(), metadata.mtime_nsec()),
            moment(inode.mtime, inode.mtime_nanoseconds.into()),
        );
    }
    found
}

/// A time since 1970 as touch(1) takes it, to the nanosecond.
fn moment(seconds: i64, nanoseconds: i64) -> String {
    /// The end of the year 9999, behind which there is no such form.
    const END: u64 = 253_402_300_800;
    match (u64::try_from(seconds), u32::try_from(nanoseconds)) {
        (Ok(seconds @ ..END), Ok(nanoseconds @ ..1_000_000_000)) => {
            let since = Duration::new(seconds, nanoseconds);
            humantime::format_rfc3339_nanos(UNIX_EPOCH + since).to_string()
        }
        _ => format!("{seconds} s and {nanoseconds} ns since 1970"),
    }
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
fn place_to_make(name: &str, was: &File, resources: &Resources, add: &mut Add<'_>) {
    let folder = folder_of(&was.path).to_string_lossy();
    let shown = Escaped(&folder);
    if !folder_of(&was.path).is_dir() {
        let is = format!("no folder {shown} to make it in");
        let advice = "make the folder, or mount the file system that has it";
        add(Code::FileFolder, name, &is, "one", advice);
    } else if let Some(kind) = other_file_system(&folder, was, resources) {
        let is = format!("{kind} at {shown}");
        let was = format!("a file system {}", was.inode.file_system);
        add(Code::FileSystem, name, &is, &was, SAME_PLACE);
    }
}

/// What kind of file system is at `path`, if it is not of the kind that the file was on. Those in
/// memory stand for each other, as a boot fills them anew.
fn other_file_system(path: &str, file: &File, resources: &Resources) -> Option<String> {
    // No path led to a copy, and so to no file system. What is wrong with a mount is told of that.
    let was = resources.mount_of(file)?.magic;
    let is = statfs(path)
        .ok()
        .map(|found| found.filesystem_type().0 as u64);
    match is {
        Some(is) if is == was || IN_MEMORY.contains(&is) && IN_MEMORY.contains(&was) => None,
        Some(is) => Some(format!("a file system of another kind ({is:#x})")),
        None => Some("no file system".to_owned()),
    }
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
    use crate::testing;

    /// What is said of a file that is there.
    fn said(file: &File) -> Vec<String> {
        let magic = statfs(file.path.as_str()).unwrap().filesystem_type().0;
        let resources = [testing::mount(magic as u64)].into_iter().collect();
        let mut said = Vec::new();
        super::file(file, &resources, None, false, &mut |_, _, is, was, _| {
            said.push(format!("{is}, not {was}"));
        });
        said
    }

    #[test]
    fn a_journal_has_to_listen() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("stdout");
        let told = || {
            let plan = Plan::default();
            let mut found = Obstacles::of(&plan, super::super::ObstacleOf::Machine);
            journal(7, &socket, &mut found);
            let all = found.into_list().into_iter();
            all.map(|one| one.to_string()).collect::<Vec<_>>()
        };
        assert!(told()[0].contains("No such file"), "{:?}", told());
        fs::write(&socket, "").unwrap();
        assert!(
            told()[0].contains("found no socket, expected "),
            "{:?}",
            told()
        );
        fs::remove_file(&socket).unwrap();
        let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(told(), [""; 0]);
    }

    /// A program that was installed anew, with another inode and time, is the program.
    #[test]
    fn a_program_is_the_same_by_its_build_id() {
        let path = std::env::current_exe().unwrap();
        let metadata = fs::metadata(&path).unwrap();
        let is = kconv_machine::build_id(&first_page(path.to_str().unwrap()).unwrap()).unwrap();
        let program = |size: u64, build_id: Option<Vec<u8>>| {
            let mut program = testing::file(path.to_str().unwrap());
            program.inode.size = testing::size(size);
            program.inode.inode = metadata.ino() + 1;
            program.inode.mtime = metadata.mtime() - 1;
            File {
                build_id,
                ..program
            }
        };
        let size = metadata.size();
        let none: [String; 0] = [];
        assert_eq!(said(&program(size, Some(is.clone()))), none);
        let longer = said(&program(size + 1, Some(is.clone())));
        assert_eq!(longer, [format!("size {size}, not size {}", size + 1)]);
        let other = said(&program(size, Some(vec![0xab; 2])));
        let found = hexadecimal(&is);
        assert_eq!(other, [format!("build ID {found}, not build ID abab")]);
        // What is no program has nothing but these.
        let plain = said(&program(size, None));
        assert!(plain[0].starts_with("inode "), "{plain:?}");
        assert!(
            plain[1].starts_with("time of the last change "),
            "{plain:?}"
        );
        assert_eq!(plain.len(), 2);
    }

    #[test]
    fn a_time_is_told_as_it_can_be_set() {
        let times = [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_824_216, 801_000_007, "2026-11-28T00:03:36.801000007Z"),
            // What there is no such form of.
            (-1, 5, "-1 s and 5 ns since 1970"),
            (253_402_300_800, 0, "253402300800 s and 0 ns since 1970"),
            (1, 1_000_000_000, "1 s and 1000000000 ns since 1970"),
        ];
        for (seconds, nanoseconds, said) in times {
            assert_eq!(moment(seconds, nanoseconds), said);
        }
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
