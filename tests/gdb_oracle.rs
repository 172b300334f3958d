//! Every scalar of every saved object before and after a conversion, read by gdb.
//!
//! The types are what bpftool makes of the layout file in C, compiled by gcc for i386; gdb opens
//! the image as a core file and reads the objects at their kernel addresses. Nothing of kconv
//! has a part in a value that is compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{Head, Image, ObjectId};
use kconv_tests::{convert, image, root, tool};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// One scalar as gdb read it.
#[derive(Clone, Debug)]
struct Leaf {
    pointer: bool,
    value: i64,
    /// `None` for a bit-field.
    address: Option<i64>,
}

/// The scalars of one object by path.
type Object = BTreeMap<String, Leaf>;

/// All objects of an image.
struct Read {
    head: Head,
    objects: Vec<Object>,
    /// Where scalars lie: object and path.
    places: BTreeMap<i64, (usize, String)>,
}

impl Read {
    fn new(folder: &Path, path: &Path) -> Read {
        let head = Image::open(path).unwrap().head().clone();
        let layout = &head.identity.kernel.layout;
        let types = compiled_types(folder, layout);
        let mut list = String::new();
        for object in &head.objects {
            let name = head.type_name(object);
            writeln!(list, "{name}\t{}\t{}", object.address, object.count).unwrap();
        }
        let (wanted, leaves) = (folder.join("objects"), folder.join("leaves"));
        std::fs::write(&wanted, list).unwrap();
        tool(
            "gdb",
            "gdb",
            Command::new("gdb")
                .args(["--batch", "--nx", "-ex", "set architecture i386", "-ex"])
                .arg(format!("core-file {}", path.display()))
                .arg("-x")
                .arg(root().join("tests/oracle/leaves.py"))
                .arg(types)
                .env("KCONV_OBJECTS", &wanted)
                .env("KCONV_LEAVES", &leaves),
        );
        let text = std::fs::read_to_string(&leaves).unwrap();
        let objects: Vec<Object> = text.lines().map(object).collect();
        assert_eq!(objects.len(), head.objects.len());
        let mut places = BTreeMap::new();
        for (index, object) in objects.iter().enumerate() {
            for (path, leaf) in object {
                if let Some(address) = leaf.address {
                    places.entry(address).or_insert((index, path.clone()));
                }
            }
        }
        Read {
            head,
            objects,
            places,
        }
    }

    /// The object whose bytes hold `address`.
    fn object_at(&self, address: i64) -> Option<usize> {
        self.head.objects.iter().position(|object| {
            let start = object.address.0 as i64;
            (start..start + object.size as i64).contains(&address)
        })
    }
}

fn object(line: &str) -> Object {
    let leaves: Vec<(String, String, i64, Option<i64>)> = serde_json::from_str(line).unwrap();
    leaves
        .into_iter()
        .map(|(kind, path, value, address)| {
            let pointer = kind == "pointer";
            (
                path,
                Leaf {
                    pointer,
                    value,
                    address,
                },
            )
        })
        .collect()
}

/// An object file with the types of a layout file.
fn compiled_types(folder: &Path, layout: &str) -> std::path::PathBuf {
    let btf = root().join(format!("kernel-structs/layouts/{layout}.btf"));
    let header = tool(
        "bpftool",
        "bpftool",
        Command::new("bpftool")
            .args(["btf", "dump", "file"])
            .arg(btf)
            .args(["format", "c"])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    );
    std::fs::write(folder.join("kernel.h"), header.stdout).unwrap();
    let source = folder.join("types.c");
    std::fs::write(&source, "#include \"kernel.h\"\nstruct task_struct *any;\n").unwrap();
    let object = folder.join(format!("{layout}.o"));
    tool(
        "gcc -m32",
        "gcc-multilib",
        Command::new("gcc")
            .args([
                "-m32",
                "-g",
                "-c",
                "-fno-eliminate-unused-debug-types",
                "-o",
            ])
            .arg(&object)
            .arg(&source),
    );
    object
}

/// What became of the scalars.
#[derive(Debug, Default)]
struct Tally {
    equal: usize,
    translated: usize,
    named: usize,
    kept: usize,
    /// Paths that only one side has, without indices.
    gone: BTreeSet<String>,
    new: BTreeSet<String>,
    wrong: Vec<String>,
}

fn compare(old: &Read, new: &Read) -> Tally {
    let mut tally = Tally::default();
    let kept: BTreeSet<(usize, &str)> = new
        .head
        .remainder
        .iter()
        .map(|entry| (entry.object.0 as usize, &*entry.field))
        .collect();
    let slots: BTreeSet<(usize, i64)> = old
        .head
        .slots
        .iter()
        .map(|slot| (slot.object.0 as usize, i64::from(slot.offset)))
        .collect();
    for (index, before) in old.objects.iter().enumerate() {
        let after = &new.objects[index];
        let object = old.head.object(ObjectId(index as u32));
        let ty = old.head.type_name(object);
        let is_kept = |path: &str| {
            kept.iter().any(|(id, field)| {
                *id == index
                    && path
                        .strip_prefix(field)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        for (path, leaf) in before {
            let what = || format!("{ty} at {}, {path}: was {:#x}", object.address, leaf.value);
            let Some(now) = after.get(path) else {
                tally.gone.insert(format!("{ty}.{}", plain(path)));
                continue;
            };
            let own = |address: i64| address - object.address.0 as i64;
            let named = leaf
                .address
                .is_some_and(|a| slots.contains(&(index, own(a))));
            if named {
                // Its number means nothing to the new kernel; its name stands in the image.
                tally.named += 1;
                if now.value != 0 {
                    tally
                        .wrong
                        .push(format!("{}, still {:#x}", what(), now.value));
                }
            } else if let Some(expected) = moved(old, new, leaf.value).filter(|_| {
                // Integers can hold addresses too, but most only look like it.
                leaf.pointer || leaf.value != now.value
            }) {
                if now.value == expected {
                    tally.translated += 1;
                } else if is_kept(path) {
                    tally.kept += 1;
                } else {
                    let now = now.value;
                    tally
                        .wrong
                        .push(format!("{}, is {now:#x}, not {expected:#x}", what()));
                }
            } else if now.value == leaf.value {
                tally.equal += 1;
            } else if is_kept(path) {
                tally.kept += 1;
            } else if !on_own_stack(old, new, index, leaf.value, now.value) {
                tally
                    .wrong
                    .push(format!("{}, is {:#x}, and not kept", what(), now.value));
            } else {
                tally.translated += 1;
            }
        }
        for path in after.keys().filter(|path| !before.contains_key(*path)) {
            tally.new.insert(format!("{ty}.{}", plain(path)));
        }
    }
    tally
}

/// Where a pointer at `address` has to point now: at the same field of the same object.
fn moved(old: &Read, new: &Read, address: i64) -> Option<i64> {
    let index = old.object_at(address)?;
    if old.head.objects[index].address.0 as i64 == address {
        return Some(new.head.objects[index].address.0 as i64);
    }
    let (index, path) = old.places.get(&address)?;
    new.objects[*index].get(path)?.address
}

/// Whether both values are the same distance into the kernel stack behind a task.
fn on_own_stack(old: &Read, new: &Read, index: usize, before: i64, after: i64) -> bool {
    let start = |read: &Read| read.head.objects[index].address.0 as i64;
    let into = before - start(old);
    (0..=8192).contains(&into) && after - start(new) == into
}

fn plain(path: &str) -> String {
    path.split('.')
        .map(|part| part.split('[').next().unwrap())
        .collect::<Vec<_>>()
        .join(".")
}

fn check(flavour: &str, to: &str) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.img");
    convert("2.4.36", to, &image(flavour), &out);
    let old = Read::new(folder.path(), &image(flavour));
    let new = Read::new(folder.path(), &out);
    let tally = compare(&old, &new);
    assert!(
        tally.wrong.is_empty(),
        "{} of {} scalars are wrong:\n{}",
        tally.wrong.len(),
        old.objects.iter().map(BTreeMap::len).sum::<usize>(),
        tally.wrong.join("\n")
    );
    println!(
        "{flavour} -> {to}: {} equal, {} translated, {} named, {} kept",
        tally.equal, tally.translated, tally.named, tally.kept
    );
    tally
}

fn names(set: &BTreeSet<String>) -> Vec<&str> {
    set.iter().map(String::as_str).collect()
}

#[test]
fn gdb_reads_every_field_of_the_up_image_again_in_2_4_37() {
    let tally = check("up", "2.4.37");
    assert!(tally.equal > 18_000, "{}", tally.equal);
    assert!(tally.translated > 500, "{}", tally.translated);
    assert_eq!(names(&tally.gone), [""; 0]);
    assert_eq!(names(&tally.new), ["task_struct.scm_work_list"]);
}

#[test]
fn gdb_reads_every_field_of_the_smp_image_again_in_2_4_37() {
    let tally = check("smp", "2.4.37");
    assert!(tally.equal > 18_000, "{}", tally.equal);
    assert!(tally.translated > 500, "{}", tally.translated);
    assert_eq!(names(&tally.gone), [""; 0]);
    assert_eq!(names(&tally.new), ["task_struct.scm_work_list"]);
}

#[test]
fn gdb_reads_every_field_of_the_up_image_again_on_smp() {
    let tally = check("up", "2.4.36-smp");
    assert!(tally.equal > 18_000, "{}", tally.equal);
    assert!(tally.translated > 500, "{}", tally.translated);
    // The two configurations count the readers of a semaphore in members of different names.
    assert_eq!(names(&tally.gone), ["mm_struct.mmap_sem.activity"]);
    // An smp kernel has locks where an up kernel has nothing, and a counter for each processor.
    for path in &tally.new {
        let name = path.rsplit('.').next().unwrap();
        assert!(
            [
                "lock",
                "wait_lock",
                "count",
                "per_cpu_utime",
                "per_cpu_stime"
            ]
            .contains(&name),
            "{path}"
        );
    }
    assert!(tally.new.len() > 10);
}
