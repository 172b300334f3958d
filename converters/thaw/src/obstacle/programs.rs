//! The files that programs are made of, where the image has them: which of them a thaw takes from it, because what
//! is there now is another.

use super::found::Obstacles;
use super::resources::difference_of;
use crate::memfd;
use crate::plan::Plan;
use crate::used::{Copies, mapped, opened, users};
use kconv_codes::Code;
use kconv_image::{Escaped, Head, Image};
use kconv_machine::name_of_copy;
use kconv_resources::linux6::Place;
use std::collections::BTreeSet;
use std::fs;

/// What is in the way of a memory file that is mapped to be executed (`Documentation/admin-guide/sysctl/vm.rst`).
const SETTING: &str = "/proc/sys/vm/memfd_noexec";

/// The files that are mapped from the image. Before a freeze there is none yet, and it will have what it keeps. What is open as well is not among them: that has to be the file itself.
pub(crate) fn copies(plan: &Plan, head: &Head, image: Option<&Image>) -> Copies {
    let opened: BTreeSet<_> = opened(plan).collect();
    let mapped: BTreeSet<_> = mapped(plan).collect();
    let mut copies = Copies::new();
    for id in users(plan).into_keys() {
        let Some(was) = plan.resources.file(id) else {
            continue;
        };
        let is_kept = was.is_kept() && (image.is_none() || head.contents_of(id).is_some());
        let has_name = name_of_copy(&was.path).is_some();
        if is_kept
            && has_name
            && mapped.contains(&id)
            && !opened.contains(&id)
            && let Some(difference) = difference_of(id, was, plan, head, image)
        {
            copies.insert(id, difference);
        }
    }
    copies
}

/// What keeps this machine from making files in memory that may be executed, if there are any to be made.
pub(super) fn check(plan: &Plan, copies: &Copies, found: &mut Obstacles<'_>) {
    let setting = fs::read_to_string(SETTING).unwrap_or_default();
    if setting.trim() != "2" {
        return;
    }
    for (id, tasks) in users(plan) {
        if let Some(file) = plan.resources.file(id)
            && let Place::Memfd { seals } = file.place
            && memfd::how(file, seals) == memfd::MFD_EXEC
        {
            found.add(
                Code::FdMemfd,
                tasks.first().copied(),
                format!("{}, which may be executed", Escaped(&file.path)),
                "vm.memfd_noexec 2, with which no such file is made",
                "0 or 1",
                "set it lower with sysctl until the thaw is done",
            );
        }
    }
    if !copies.is_empty() {
        found.add(
            Code::MachineKconv,
            None,
            "vm.memfd_noexec",
            "2",
            "0 or 1",
            "set it lower with sysctl: programs that are not there as they were are mapped from memory",
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::{Descriptor, Mapping, Memory, OpenFile, Process};
    use crate::testing;
    use kconv_image::{Contents, ImageWriter, ObjectId, PageSource, ResourceId};
    use kconv_resources::linux6::{File, Resource};

    const KEPT: Place = Place::Mounted {
        mount: ResourceId(1),
        is_kept: true,
    };

    fn file(path: &str, place: Place) -> File {
        File {
            place,
            ..testing::file(path)
        }
    }

    /// A head with one file, whose contents it has if they are `kept`.
    fn head(file: &File, kept: bool) -> Head {
        let mount = testing::mount(0xef53);
        let mut head = testing::head(vec![Resource::File(file.clone()), mount]);
        if kept {
            head.contents.push(Contents {
                resource: ResourceId(0),
                runs: Vec::new(),
            });
        }
        head
    }

    /// A process that has the file mapped, and open if it is `open`.
    fn plan(open: bool, file: &File) -> Plan {
        let mapping = Mapping {
            file: Some(0),
            ..Mapping::bare(4096, 8192, 0)
        };
        let memory = Memory::bare(ObjectId(0), vec![mapping]);
        let descriptor = Descriptor {
            number: 3,
            file: 0,
            close_on_exec: false,
        };
        Plan {
            processes: vec![Process {
                memory: Some(memory),
                descriptors: open.then_some(descriptor).into_iter().collect(),
                ..Process::bare(7, None)
            }],
            files: vec![OpenFile {
                object: ObjectId(0),
                resource: ResourceId(0),
                flags: 0,
                position: 0,
                owner: None,
                write_hint: 0,
            }],
            resources: [Resource::File(file.clone()), testing::mount(0xef53)]
                .into_iter()
                .collect(),
            ..Plan::default()
        }
    }

    #[test]
    fn what_is_not_there_is_taken_from_the_image_if_it_has_it() {
        let gone = |place| file("/nowhere/libc.so.6", place);
        let is_copied = |open, file: &File, kept| {
            let head = head(file, kept);
            !copies(&plan(open, file), &head, None).is_empty()
        };
        for place in [KEPT, Place::Copy] {
            assert!(is_copied(false, &gone(place.clone()), true), "{place:?}");
            // Its descriptor has to lead to the file itself.
            assert!(!is_copied(true, &gone(place.clone()), true), "{place:?}");
        }
        let not_kept = Place::Mounted {
            mount: ResourceId(1),
            is_kept: false,
        };
        assert!(!is_copied(false, &gone(not_kept), true));
        // An image that says so, and does not have it.
        assert!(is_copied(false, &gone(KEPT), false));
        let without = head(&gone(KEPT), false);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        let machine = without.identity.machine;
        let writer = ImageWriter::create(&path, machine, &[], without.page_index()).unwrap();
        let mut none = |_, _: &mut [u8]| Ok(());
        writer
            .finish(&without, PageSource::Stream(&mut none))
            .unwrap();
        let image = Image::open(&path).unwrap();
        let plan = plan(false, &gone(KEPT));
        assert!(copies(&plan, image.head(), Some(&image)).is_empty());
    }

    /// A copy of a copy is the file again when that is there again, by build ID or, of what has none, by what is
    /// in it.
    #[test]
    fn what_is_there_as_it_was_is_taken_from_there() {
        let path = std::env::current_exe().unwrap();
        let page = std::fs::read(&path).unwrap();
        let id = kconv_machine::build_id(&page[..4096]).unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        let said = |size: u64, id: &[u8]| {
            let mut copy = file(path.to_str().unwrap(), Place::Copy);
            copy.inode.file_system = "tmpfs".to_owned();
            copy.inode.size = testing::size(size);
            copy.build_id = Some(id.to_vec());
            let copies = copies(&plan(false, &copy), &head(&copy, true), None);
            copies.into_values().next()
        };
        assert_eq!(said(size, &id), None);
        let other = said(size, &id[1..]).unwrap();
        assert!(other.starts_with("found build ID "), "{other}");
        assert!(said(size + 1, &id).is_some());
    }
}
