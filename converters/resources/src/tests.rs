//! That each kind is written and read alike, that nothing of it may be missing or something else, and that the book lists it all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::attributes::Part;
use crate::sample::{Sampled, Seed};
use crate::{Kind, ReadFrom, Source, linux6, linux24};
use kconv_image::{KernelAddr, Resource, Value};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Attributes as images have them.
type Attributes = Vec<(String, Value)>;

/// Something else than `value`.
fn another(value: &Value) -> Value {
    match value {
        // The one value that is of no attribute's type.
        Value::List(_) => Value::Bytes(vec![1]),
        _ => Value::List(vec![Value::List(vec![Value::Unsigned(7)])]),
    }
}

/// One of each kind of a family: what is written is read back, and no attribute can be taken away, changed, given twice or added.
fn check<K: Sampled>(seed: u64) {
    for kind in K::KINDS {
        let source = &mut Seed(seed);
        let sample = K::sample(kind, source);
        let origin = KernelAddr(source.number());
        let written = sample.write(origin);
        assert_eq!(written.kind, *kind);
        assert_eq!(written.origin, origin);
        assert_eq!(K::read(&written), Ok(sample));
        for (place, (name, value)) in written.attributes.iter().enumerate() {
            let with = |change: &dyn Fn(&mut Attributes)| {
                let mut changed = written.clone();
                change(&mut changed.attributes);
                K::read(&changed)
            };
            let without = with(&|all| drop(all.remove(place)));
            match without {
                // What absence means is in the documentation of the field: it is something else.
                Ok(read) if K::optional(kind).contains(&name.as_str()) => {
                    assert_ne!(read.write(origin), written, "{kind} without {name}");
                }
                Err(_) if K::optional(kind).contains(&name.as_str()) => {}
                Ok(read) => panic!("{kind} without {name} is {read:?}"),
                Err(error) => {
                    assert_eq!(error.attribute.as_ref(), Some(name), "{kind}: {error}");
                    assert_eq!(error.found, "none", "{kind}: {error}");
                }
            }
            let mistyped = with(&|all| all[place].1 = another(value)).unwrap_err();
            assert_eq!(
                mistyped.attribute.as_ref(),
                Some(name),
                "{kind}: {mistyped}"
            );
            let twice = with(&|all| all.push((name.clone(), another(value)))).unwrap_err();
            assert_eq!(twice.attribute.as_ref(), Some(name), "{kind}: {twice}");
            assert_eq!(twice.found, "two values", "{kind}: {twice}");
        }
        let mut more = written.clone();
        more.attributes.push(("new".to_owned(), Value::Unsigned(1)));
        let unknown = K::read(&more).unwrap_err();
        assert_eq!(
            unknown.attribute.as_deref(),
            Some("new"),
            "{kind}: {unknown}"
        );
    }
}

/// What the machine is known by is read as strictly, among other facts.
fn check_machine<M>(
    machine: &M,
    facts: Attributes,
    read: impl Fn(&[(String, Value)]) -> Result<M, crate::ResourceError>,
) where
    M: PartialEq + std::fmt::Debug,
{
    let mut more = facts.clone();
    more.push(("source".to_owned(), Value::Text("a dump".to_owned())));
    assert_eq!(read(&more).as_ref(), Ok(machine));
    for (place, (name, value)) in facts.iter().enumerate() {
        let mut without = more.clone();
        without.remove(place);
        let error = read(&without).unwrap_err();
        assert_eq!(
            (error.attribute.as_ref(), error.found.as_str()),
            (Some(name), "none")
        );
        assert!(error.resource.ends_with("of the machine"), "{error}");
        let mut changed = more.clone();
        changed[place].1 = another(value);
        assert_eq!(read(&changed).unwrap_err().attribute.as_ref(), Some(name));
    }
}

proptest! {
    #[test]
    fn the_machine_is_read_as_it_was_written_and_not_without_any_fact(seed: u64) {
        let source = &mut Seed(seed);
        let machine = linux6::Machine::sample(source);
        check_machine(&machine, machine.facts(), linux6::Machine::read);
        let machine = linux24::Machine::sample(source);
        check_machine(&machine, machine.facts(), linux24::Machine::read);
    }


    #[test]
    fn every_kind_is_read_as_it_was_written_and_not_without_any_attribute(seed: u64) {
        check::<linux6::Resource>(seed);
        check::<linux24::Resource>(seed);
    }
}

fn resource(kind: &str, attributes: &[(&str, Value)]) -> Resource {
    let attributes = attributes.iter();
    Resource {
        kind: kind.to_owned(),
        origin: KernelAddr(0),
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    }
}

fn error_of(resource: &Resource) -> String {
    linux6::Resource::read(resource).unwrap_err().to_string()
}

#[test]
fn an_error_names_resource_attribute_found_and_expected() {
    let number = Value::Unsigned;
    let pipe = [
        ("inode", number(77)),
        ("mode", number(0o600)),
        ("uid", number(0)),
        ("gid", number(0)),
        ("readers", number(1)),
        ("writers", Value::Text("two\n".to_owned())),
        ("buffers", number(16)),
        ("buffered", number(0)),
    ];
    assert_eq!(
        error_of(&resource("pipe", &pipe)),
        "attribute `writers` of pipe 77: found the text `two\\n`, expected an unsigned number"
    );
    assert_eq!(
        error_of(&resource("pipe", &pipe[..4])),
        "attribute `buffered` of pipe 77: found none, expected an unsigned number"
    );
    let file = [
        ("path", Value::Text("/etc/a\nb".to_owned())),
        ("type", Value::Text("socket".to_owned())),
    ];
    assert_eq!(
        error_of(&resource("file", &file)),
        "attribute `type` of file /etc/a\\nb: found the text `socket`, expected one of regular file, \
         directory, symbolic link, fifo, character device, block device"
    );
    assert_eq!(
        error_of(&resource("so\x1bcket", &[])),
        "so\\u{1b}cket: found a resource of the kind so\\u{1b}cket, expected one that this version of \
         kconv knows"
    );
}

#[test]
fn what_is_in_a_pipe_is_as_long_as_it_says() {
    let pipe = |buffered, content: &[u8], packets: &[u64]| {
        let packets = packets.iter().map(|one| Value::Unsigned(*one)).collect();
        let number = Value::Unsigned;
        resource(
            "pipe",
            &[
                ("inode", number(77)),
                ("mode", number(0o600)),
                ("uid", number(0)),
                ("gid", number(0)),
                ("readers", number(1)),
                ("writers", number(1)),
                ("buffers", number(16)),
                ("buffered", number(buffered)),
                ("content", Value::Bytes(content.to_vec())),
                ("packets", Value::List(packets)),
            ],
        )
    };
    let read = |one| {
        linux6::Resource::read(&one)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(pipe(3, b"abc", &[1, 2])), Ok(()));
    let said = "attribute `content` of pipe 77: found 3 bytes, expected as many as `buffered`, 4";
    assert_eq!(read(pipe(4, b"abc", &[])), Err(said.to_owned()));
    for (packets, found) in [
        (&[2, 2][..], "packets of 4 bytes"),
        (&[1], "packets of 1 bytes"),
        (&[u64::MAX, 4], "packets of too much"),
    ] {
        let said = format!(
            "attribute `packets` of pipe 77: found {found}, expected packets of all 3, or none"
        );
        assert_eq!(read(pipe(3, b"abc", packets)), Err(said));
    }
}

/// Images that were frozen before this crate was have these attributes in this order, and a FIFO had its inode twice.
#[test]
fn attributes_stand_in_the_order_in_which_images_have_them() {
    let names = |resource: &linux6::Resource| {
        let attributes = resource.attributes().into_iter();
        attributes
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let source = &mut Seed(1);
    let file = |file_type, place, id: Option<Vec<u8>>| linux6::File {
        path: "/a".to_owned(),
        file_type,
        inode: Part::sample(&mut Seed(2)),
        place,
        build_id: id,
    };
    let mounted = |is_kept| linux6::Place::Mounted {
        mount: kconv_image::ResourceId(0),
        is_kept,
    };
    let state = linux6::PipeState {
        readers: 1,
        writers: 1,
        buffers: 16,
        content: b"ab".to_vec(),
        packets: vec![1, 1],
    };
    let id = Some(vec![1]);
    let regular = linux6::FileType::Regular;
    let device = linux6::FileType::CharacterDevice(crate::Device { major: 1, minor: 3 });
    let fifo = linux6::FileType::Fifo(Some(state));
    for (one, expected) in [
        (
            file(regular.clone(), mounted(true), id.clone()),
            "path type mode inode device links uid gid size mtime mtime-nanoseconds file-system mount \
             build-id kept",
        ),
        (
            file(regular, linux6::Place::Copy, id),
            "path type kept mode inode device links uid gid size mtime mtime-nanoseconds file-system \
             build-id",
        ),
        (
            file(device, mounted(false), None),
            "path type mode inode device rdev links uid gid size mtime mtime-nanoseconds file-system \
             mount",
        ),
        (
            file(fifo.clone(), mounted(false), None),
            "path type mode inode device links uid gid size mtime mtime-nanoseconds file-system readers \
             writers buffers buffered content packets mount",
        ),
    ] {
        assert_eq!(names(&linux6::Resource::File(one)), expected);
    }
    for (kind, expected) in [
        (
            "tty",
            "driver driver-prefix name device index pgrp session rows columns termios",
        ),
        ("cgroup", "limits path"),
        (
            "time-namespace",
            "inode initial monotonic-offset-nanoseconds boottime-offset-nanoseconds",
        ),
    ] {
        let mut all = (0..200).map(|_| names(&linux6::Resource::sample(kind, source)));
        assert!(all.any(|one| one == expected), "{kind}");
    }
    let mut old = linux6::Resource::File(file(fifo, mounted(false), None)).write(KernelAddr(1));
    let inode = old.attributes[3].clone();
    assert_eq!(inode.0, "inode");
    old.attributes.insert(12, inode);
    assert!(linux6::Resource::read(&old).is_ok());
}

#[test]
fn a_file_is_seen_through_a_mount() {
    let mount = linux6::Resource::sample("mount", &mut Seed(1));
    let mut file = linux6::Resource::sample("file", &mut Seed(1));
    if let linux6::Resource::File(file) = &mut file {
        file.path = "/a".to_owned();
        file.place = linux6::Place::Mounted {
            mount: kconv_image::ResourceId(0),
            is_kept: false,
        };
    }
    let all = |first: &linux6::Resource| {
        let all = [first, &file].map(|one| one.write(KernelAddr(0)));
        linux6::Resources::read(&all)
    };
    assert_eq!(all(&mount).errors().count(), 0);
    let pipe = linux6::Resource::sample("pipe", &mut Seed(1));
    let read = all(&pipe);
    let errors: Vec<_> = read
        .errors()
        .map(|(id, error)| (id.0, error.to_string()))
        .collect();
    let said = "attribute `mount` of file /a: found a resource of the kind pipe, expected a mount";
    assert_eq!(errors, [(1, said.to_owned())]);
    assert_eq!(read.iter().count(), 1);
}

/// The attributes of each kind, as the book lists them: kind, attribute, value, and whether it is always there.
fn listed<K: Sampled>() -> BTreeMap<(String, String), (String, &'static str)> {
    let mut rows: BTreeMap<(String, String), (BTreeSet<&'static str>, usize)> = BTreeMap::new();
    const SAMPLES: usize = 300;
    let source = &mut Seed(1);
    for kind in K::KINDS {
        for _ in 0..SAMPLES {
            for (name, value) in K::sample(kind, source).attributes() {
                let (values, count) = rows.entry(((*kind).to_owned(), name)).or_default();
                values.insert(type_of(&value));
                *count += 1;
            }
        }
    }
    let rows = rows.into_iter();
    rows.map(|(key, (values, count))| {
        let values: Vec<&str> = values.into_iter().collect();
        let when = if count == SAMPLES { "always" } else { "some" };
        (key, (values.join(" or "), when))
    })
    .collect()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Unsigned(_) => "u64",
        Value::Signed(_) => "i64",
        Value::Text(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Object(_) => "object",
        Value::Resource(_) => "resource",
        Value::List(_) => "list",
    }
}

/// The tables of a part of the book: below each heading with a kind the rows of attribute, value, when, and meaning.
fn tables(part: &str) -> BTreeMap<(String, String), (String, &'static str)> {
    let mut rows = BTreeMap::new();
    let mut kinds: Vec<String> = Vec::new();
    for line in part.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            let words = heading.split('`').skip(1).step_by(2);
            kinds = words.map(str::to_owned).collect();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, value, when, meaning, ""] = cells[..] else {
            continue;
        };
        let Some(name) = name.strip_prefix('`') else {
            continue;
        };
        assert!(!meaning.is_empty(), "{line}");
        assert!(
            !when.is_empty(),
            "{line}: say `always`, or when it is there"
        );
        for kind in &kinds {
            let key = (kind.clone(), name.trim_end_matches('`').to_owned());
            let when = if when == "always" { "always" } else { "some" };
            let row = (value.to_owned(), when);
            assert_eq!(rows.insert(key, row), None, "{kind}: {line}");
        }
    }
    rows
}

/// The names of all kinds that have a heading.
fn headed(part: &str) -> BTreeSet<&str> {
    let headings = part.lines().filter_map(|line| line.strip_prefix("### "));
    headings
        .flat_map(|heading| heading.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn the_book_lists_every_kind_with_its_attributes() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/resources.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, parts) = page.split_once("\n## Linux 6\n").unwrap();
    let (six, rest) = parts.split_once("\n## Linux 2.4\n").unwrap();
    let (four, _) = rest.split_once("\n## ").unwrap_or((rest, ""));
    assert_eq!(tables(six), listed::<linux6::Resource>(), "Linux 6");
    assert_eq!(tables(four), listed::<linux24::Resource>(), "Linux 2.4");
    assert_eq!(
        headed(six),
        linux6::Resource::KINDS.iter().copied().collect()
    );
    assert_eq!(
        headed(four),
        linux24::Resource::KINDS.iter().copied().collect()
    );
}

#[test]
fn the_book_lists_what_is_known_of_the_machine() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../book/src/resources.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, part) = page.split_once("\n## The machine\n").unwrap();
    let (part, of_source) = part
        .split_once("\n## Where the state comes from\n")
        .unwrap();
    assert_eq!(facts_of(of_source), facts_of_source());
    let mut found: BTreeMap<String, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    let source = &mut Seed(1);
    let six = linux6::Machine::sample(source).facts();
    let four = linux24::Machine::sample(source).facts();
    for (family, facts) in [("Linux 6", six), ("Linux 2.4", four)] {
        for (name, value) in facts {
            let (values, families) = found.entry(name).or_default();
            values.insert(type_of(&value));
            families.insert(family);
        }
    }
    let of = |(name, (values, families)): (String, (BTreeSet<&str>, BTreeSet<&str>))| {
        let values = values.into_iter().collect::<Vec<_>>().join(" or ");
        let families: Vec<&str> = families.into_iter().collect();
        let family = if families.len() == 2 {
            "both"
        } else {
            families[0]
        };
        (name, values, family.to_owned())
    };
    let found: BTreeSet<_> = found.into_iter().map(of).collect();
    assert_eq!(facts_of(part), found);
}

/// The rows of a table of facts: name, value, and family or when.
fn facts_of(part: &str) -> BTreeSet<(String, String, String)> {
    let rows = part.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let ["", name, value, when, meaning, ""] = cells[..] else {
            return None;
        };
        let name = name.strip_prefix('`')?.trim_end_matches('`');
        assert!(!meaning.is_empty(), "{line}");
        Some((name.to_owned(), value.to_owned(), when.to_owned()))
    });
    rows.collect()
}

/// All facts of where the state of an image comes from, as the book has to have them.
fn facts_of_source() -> BTreeSet<(String, String, String)> {
    let source = Source {
        read: Some(ReadFrom::MachineDump),
        cpu_model: Some("a CPU".to_owned()),
        memory: Some(1),
        configuration: Some(Vec::new()),
    };
    let when = [
        "unless it was a dump of objects",
        "if a dump of objects notes it",
        "if a dump of objects notes it",
        "of a dump of objects",
    ];
    let facts = source.facts().into_iter().zip(when);
    facts
        .map(|((name, value), when)| (name, type_of(&value).to_owned(), when.to_owned()))
        .collect()
}

#[test]
fn where_the_state_comes_from_is_read_as_it_was_written_and_of_no_other_type() {
    for seed in 0..64 {
        let source: Source = crate::attributes::Part::sample(&mut Seed(seed));
        let facts = source.facts();
        let mut more = linux24::Machine::sample(&mut Seed(seed)).facts();
        more.extend(facts.clone());
        assert_eq!(Source::read(&more), Ok(source));
        for place in more.len() - facts.len()..more.len() {
            let mut changed = more.clone();
            changed[place].1 = another(&changed[place].1);
            let error = Source::read(&changed).unwrap_err();
            assert_eq!(error.attribute.as_ref(), Some(&changed[place].0));
            assert!(
                error.resource.ends_with("the source of the image"),
                "{error}"
            );
        }
    }
    // What nobody reads from is none.
    let unknown = [("source".to_owned(), Value::Text("a tape".to_owned()))];
    let error = Source::read(&unknown).unwrap_err().to_string();
    assert!(
        error.ends_with("expected one of running kernel, dump of a machine"),
        "{error}"
    );
}

#[test]
fn a_value_that_cannot_be_is_an_error() {
    let with = |name: &str, value: Value| {
        let mut file = linux6::Resource::sample("shared-memory", &mut Seed(1)).write(KernelAddr(0));
        let place = file
            .attributes
            .iter()
            .position(|(key, _)| key == name)
            .unwrap();
        file.attributes[place].1 = value;
        linux6::Resource::read(&file)
            .map(drop)
            .map_err(|error| error.attribute.unwrap())
    };
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(with("size", Value::Signed(i64::MAX)), Ok(()));
    assert_eq!(with("size", Value::Signed(-1)), Err("size".to_owned()));
    assert_eq!(with("uid", Value::Unsigned(u32::MAX.into())), Ok(()));
    assert_eq!(with("uid", Value::Unsigned(1 << 32)), Err("uid".to_owned()));
    assert_eq!(with("device", text("8:1")), Ok(()));
    for device in ["", "8", "8:", "+8:1", "08:1", "8:1:2", "4294967296:0"] {
        assert_eq!(
            with("device", text(device)),
            Err("device".to_owned()),
            "{device}"
        );
    }
    let mut namespace =
        linux6::Resource::sample("net-namespace", &mut Seed(1)).write(KernelAddr(0));
    namespace.attributes[1].1 = Value::Unsigned(2);
    assert_eq!(
        error_of(&namespace),
        format!(
            "attribute `initial` of net-namespace {}: found the unsigned number 2, expected the unsigned \
             number 0 or 1",
            match namespace.attributes[0].1 {
                Value::Unsigned(number) => number,
                _ => unreachable!(),
            }
        )
    );
}
