//! Structures of one kernel that are objects of the other: who gets signals of a file is a part of
//! the file in 6.1, and allocated when somebody asks in 6.12.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sample;

use kconv_image::{Image, ObjectId};
use kconv_runtime::table::Converter;
use proptest::prelude::*;
use sample::{Sample, assert_same, get, refusals, through};

fn forth() -> &'static Converter {
    sample::step("convert-6.1.192-6.12.117")
}

fn back() -> &'static Converter {
    sample::step("convert-6.12.117-6.1.192")
}

/// What a file says of who gets its signals.
#[derive(Clone, Debug)]
struct Request {
    pid: Option<usize>,
    pid_type: u64,
    uid: u32,
    signum: u32,
    lock: u32,
}

fn request() -> impl Strategy<Value = Request> {
    let lock = prop_oneof![4 => Just(0), 1 => any::<u32>()];
    (
        proptest::option::of(0..3usize),
        0..4u64,
        any::<u32>(),
        0..65u32,
        lock,
    )
        .prop_map(|(pid, pid_type, uid, signum, lock)| Request {
            pid,
            pid_type,
            uid,
            signum,
            lock,
        })
}

/// An image with files, and what it takes to find them.
struct Made {
    sample: Sample,
    files: Vec<usize>,
}

fn make(converter: &'static Converter, requests: &[Option<Request>]) -> Made {
    let mut sample = Sample::of(converter);
    let inside = converter.from.layout == forth().from.layout;
    let mut files = Vec::new();
    let pids: Vec<usize> = (0..3)
        .map(|_| {
            let size = converter.find("pid").unwrap().from_size as usize;
            sample.add_longer("pid", size + 16)
        })
        .collect();
    for request in requests {
        let file = sample.add("file");
        files.push(file);
        sample.set(file, "f_flags", 0o2000 + file as u64);
        let Some(request) = request else {
            continue;
        };
        let (owner, path) = match inside {
            true => (file, "f_owner."),
            false => {
                let owner = sample.add("fown_struct");
                let (file_at, owner_at) = (sample.address(file), sample.address(owner));
                sample.set(file, "f_owner", owner_at);
                sample.set(owner, "file", file_at);
                (owner, "")
            }
        };
        let pid = request.pid.map_or(0, |pid| sample.address(pids[pid]));
        for (member, value) in [
            ("pid", pid),
            ("pid_type", request.pid_type),
            ("uid.val", u64::from(request.uid)),
            ("euid.val", u64::from(request.uid / 2)),
            ("signum", u64::from(request.signum)),
            ("lock.raw_lock.cnts.counter", u64::from(request.lock)),
        ] {
            sample.set(owner, &format!("{path}{member}"), value);
        }
    }
    Made { sample, files }
}

/// Asserts that the files of `image` say what they were made to say.
#[track_caller]
fn assert_says(image: &Image, files: &[usize], requests: &[Option<Request>]) {
    let inside = image.head().identity.kernel.layout == forth().from.layout;
    for (file, request) in files.iter().zip(requests) {
        let (owner, path) = match inside {
            true => (*file, "f_owner."),
            false => {
                let pointer = get(image, *file, "f_owner");
                let Some(_) = request else {
                    assert_eq!(pointer, 0);
                    continue;
                };
                if pointer == 0 {
                    // The file says nothing, so that nothing was allocated for it.
                    assert!(request.as_ref().is_some_and(is_nothing));
                    continue;
                }
                let address = kconv_image::KernelAddr(pointer);
                let (ObjectId(owner), 0) = image.find(address).unwrap() else {
                    panic!("not at the object");
                };
                let file_at = image.head().objects[*file].address.0;
                assert_eq!(get(image, owner as usize, "file"), file_at);
                (owner as usize, "")
            }
        };
        let said = |member: &str| get(image, owner, &format!("{path}{member}"));
        let Some(request) = request else {
            for member in ["pid", "pid_type", "uid.val", "euid.val", "signum"] {
                assert_eq!(said(member), 0, "{member}");
            }
            continue;
        };
        // Three pids come first.
        let pid = request
            .pid
            .map_or(0, |pid| image.head().objects[1 + pid].address.0);
        assert_eq!(said("pid"), pid);
        assert_eq!(said("pid_type"), request.pid_type);
        assert_eq!(said("uid.val"), u64::from(request.uid));
        assert_eq!(said("euid.val"), u64::from(request.uid / 2));
        assert_eq!(said("signum"), u64::from(request.signum));
    }
}

fn is_nothing(request: &Request) -> bool {
    let Request {
        pid,
        pid_type,
        uid,
        signum,
        lock,
    } = request;
    pid.is_none() && (*pid_type, *uid, *signum, *lock) == (0, 0, 0, 0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the files say arrives, comes back byte for byte, and arrives the same once more.
    #[test]
    fn requests_arrive_and_come_back(
        requests in proptest::collection::vec(proptest::option::of(request()), 1..9),
    ) {
        for [there, again] in [[forth(), back()], [back(), forth()]] {
            let Made { sample, files } = make(there, &requests);
            let image = sample.image();
            assert_says(&image, &files, &requests);
            let new = through(&image, &[there]).unwrap();
            assert_says(&new, &files, &requests);
            let home = through(&new, &[again]).unwrap();
            assert_same(&home, &image);
            assert_same(&through(&home, &[there]).unwrap(), &new);
        }
    }
}

fn plain() -> Option<Request> {
    Some(Request {
        pid: Some(1),
        pid_type: 1,
        uid: 1000,
        signum: 29,
        lock: 0,
    })
}

#[test]
fn an_object_is_made_at_the_end_and_goes_without_a_trace() {
    let image = make(forth(), &[None, plain()]).sample.image();
    let new = through(&image, &[forth()]).unwrap();
    let (old, made) = (image.head(), new.head());
    assert_eq!(made.objects.len(), old.objects.len() + 1);
    let object = made.objects.last().unwrap();
    assert_eq!(made.type_name(object), "fown_struct");
    assert_eq!(object.part_of, Some(ObjectId(5)));
    assert_eq!(object.home, old.objects[5].home);
    let end = made.objects[..made.objects.len() - 1].iter();
    assert!(end.map(|object| object.address).max() < Some(object.address));
    let home = through(&new, &[back()]).unwrap();
    assert_eq!(home.head().types, old.types);
}

#[test]
fn an_object_that_was_there_is_folded_and_keeps_its_number() {
    let image = make(back(), &[plain(), None]).sample.image();
    let new = through(&image, &[back()]).unwrap();
    let (old, folded) = (image.head(), new.head());
    assert_eq!(folded.objects.len(), old.objects.len());
    let object = &folded.objects[5];
    assert_eq!(folded.folded_into(object), Some(ObjectId(4)));
    assert_eq!(object.home, old.objects[5].home);
    let inside = sample::bytes(&new, 5);
    assert_eq!(inside.len(), 32);
    assert_eq!(&sample::bytes(&new, 4)[112..144], inside);
}

#[test]
fn a_pointer_into_the_structure_leads_into_the_object() {
    let Made { mut sample, files } = make(forth(), &[plain(), None]);
    let place = sample.place(files[0], "f_owner.signum");
    // Nothing of a task points there; any pointer that is followed to a place inside will do.
    let process = sample.add("signal_struct");
    let head = sample.place(process, "posix_timers");
    sample.set(process, "posix_timers.next", head);
    sample.set(process, "posix_timers.prev", head);
    sample.set(process, "pids[3]", place);
    let image = sample.image();
    let new = through(&image, &[forth()]).unwrap();
    let owner = get(&new, files[0], "f_owner");
    assert_eq!(get(&new, process, "pids[3]"), owner + 36);
    assert_same(&through(&new, &[back()]).unwrap(), &image);
}

#[test]
fn two_files_with_one_owner_are_refused() {
    let Made { mut sample, files } = make(back(), &[plain(), None]);
    let shared = sample.address(files[0] + 1);
    sample.set(files[1], "f_owner", shared);
    let told = refusals(&sample.image(), &[back()]);
    assert_eq!(told.len(), 2, "{told:?}");
    for told in told {
        assert!(
            told.starts_with("f_owner: ") && told.contains("which another object points at too"),
            "{told}"
        );
    }
}

#[test]
fn what_no_file_points_at_is_refused() {
    let Made { mut sample, files } = make(back(), &[plain(), None]);
    sample.set(files[0], "f_owner", 0);
    let told = refusals(&sample.image(), &[back()]);
    let told = told.concat();
    assert!(told.contains("belongs to no object of the image"), "{told}");
}

#[test]
fn a_pointer_at_something_else_is_refused() {
    let Made { mut sample, files } = make(back(), &[None, plain()]);
    let other = sample.address(files[1]);
    sample.set(files[0], "f_owner", other);
    let told = refusals(&sample.image(), &[back()]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("points at no saved fown_struct"),
        "{told:?}"
    );
}

#[test]
fn an_owner_that_leads_back_elsewhere_is_refused() {
    let Made { mut sample, files } = make(back(), &[plain(), None]);
    let other = sample.address(files[1]);
    sample.set(files[0] + 1, "file", other);
    let told = refusals(&sample.image(), &[back()]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("file: ")
            && told[0].contains("does not point at the object it belongs to"),
        "{told:?}"
    );
}

#[test]
fn a_pid_that_is_not_in_the_image_is_refused_on_both_ways() {
    let Made { mut sample, files } = make(forth(), &[plain()]);
    sample.set(files[0], "f_owner.pid", 0xffff_8880_dead_0000);
    let told = refusals(&sample.image(), &[forth()]);
    assert_eq!(
        told,
        ["f_owner.pid: 0xffff8880dead0000 points at something that is not in the image"]
    );
    let Made { mut sample, files } = make(back(), &[plain()]);
    sample.set(files[0] + 1, "pid", 0xffff_8880_dead_0000);
    let told = refusals(&sample.image(), &[back()]);
    assert_eq!(
        told,
        ["pid: 0xffff8880dead0000 points at something that is not in the image"]
    );
}

/// Only a damaged image has this: an object folded into a place that is no structure of its type.
#[test]
fn an_object_that_is_folded_into_nothing_stops_the_conversion() {
    for before in [0u64, 8, 113] {
        let Made { mut sample, files } = make(forth(), &[plain()]);
        sample.fold("fown_struct", files[0], before);
        let error = through(&sample.image(), &[forth()]).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("knows no such part"), "{text}");
    }
    // At the right place, and a second one at the same.
    let Made { mut sample, files } = make(forth(), &[plain()]);
    sample.fold("fown_struct", files[0], 112);
    assert_eq!(refusals(&sample.image(), &[forth()]), Vec::<String>::new());
    sample.fold("fown_struct", files[0], 112);
    assert!(through(&sample.image(), &[forth()]).is_err());
}
