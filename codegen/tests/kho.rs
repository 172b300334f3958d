//! What one kernel hands on to another, taken from one version of its format to the next: held against
//! bytes that are written by hand, as the headers of each version say (include/linux/kho/abi/).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{Image, KernelId, ObjectId};
use kconv_made::Made;
use kconv_runtime::chain::find_chain;
use kconv_runtime::convert::{Job, convert_without_pages};
use kconv_runtime::table::Node;
use kernel_structs::releases::{LayoutId, Registry};

/// Some objects of one version: type and bytes.
type Objects = Vec<(&'static str, Vec<u8>)>;

fn image(version: &str, objects: &Objects) -> Image {
    let registry = Registry::builtin().unwrap();
    let id = LayoutId(version.to_owned());
    let entry = registry.layout_entry(&id).unwrap();
    let layout = registry.layout(&id).unwrap();
    let mut made = Made::new(&layout, "kho");
    for (ty, bytes) in objects {
        assert_eq!(made.size_of(ty), bytes.len(), "{ty} of {version}");
        let at = made.object(ty);
        made.put_raw(at, 0, bytes);
    }
    let mut head = made.image().head().clone();
    head.identity.kernel = KernelId {
        release: version.to_owned(),
        layout: version.to_owned(),
        fingerprint: kconv_image::Fingerprint(entry.fingerprint.0),
        build_id: Vec::new(),
    };
    head.identity.origin = head.identity.kernel.clone();
    let bytes = objects.iter().map(|(_, bytes)| bytes.as_slice());
    Image::without_pages(&head, bytes).unwrap()
}

/// The objects of the image, taken to another version; or why they cannot be.
fn converted(image: &Image, to: &str) -> Result<(Image, Objects), String> {
    let from = &image.head().identity.kernel.layout;
    let chain = find_chain(kconv_steps::all(), from, to).unwrap();
    let Node {
        release,
        layout,
        fingerprint,
    } = chain.last().unwrap().to;
    let target = KernelId {
        release: release.to_owned(),
        layout: layout.to_owned(),
        fingerprint,
        build_id: Vec::new(),
    };
    let job = Job {
        chain,
        target,
        tool: String::from("test"),
        signers: Vec::new(),
    };
    let (_, image) = convert_without_pages(image, &job).map_err(|error| format!("{error:?}"))?;
    let head = image.head();
    let types = ["luo_session_ser", "memfd_luo_folio_ser", "memfd_luo_ser"];
    let objects = head.objects.iter().zip(0..).map(|(object, id)| {
        let mut bytes = Vec::new();
        image.read_object(ObjectId(id), &mut bytes).unwrap();
        let name = head.type_name(object);
        let ty = types.into_iter().find(|ty| *ty == name);
        (ty.unwrap(), bytes)
    });
    let objects = objects.collect();
    Ok((image, objects))
}

/// Numbers of 64 bits, one behind the other.
fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn session(name: &str, files: &[u64]) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(64, 0);
    bytes.extend(words(files));
    bytes
}

/// The area that holds the folios: where it begins, 3 pages, flags 1 and order 0.
const AREA: [u64; 2] = [0x1_2345_6000, 3 | 1 << 32];

/// memfd-v1: position, size, number of folios, area. memfd-v2: seals and flags before the number.
fn memfd(version: u32, seals: u64) -> Vec<u8> {
    let (position, size, folios) = (0x123, 0x5000, 5);
    match version {
        1 => words(&[position, size, folios, AREA[0], AREA[1]]),
        _ => words(&[position, size, seals, folios, AREA[0], AREA[1]]),
    }
}

/// A frame of 52 bits and flags of 12, and the index in the file.
fn folio(frame: u64, flags: u64, index: u64) -> Vec<u8> {
    words(&[frame | flags << 52, index])
}

#[test]
fn a_memfd_goes_to_the_second_version_and_back() {
    let folios = [folio(0xf_ffff_ffff_ffff, 3, 0), folio(1, 1, u64::MAX)];
    let with = |memfd: Vec<u8>| -> Objects {
        let folios = folios.iter().cloned();
        let folios = folios.map(|folio| ("memfd_luo_folio_ser", folio));
        folios.chain([("memfd_luo_ser", memfd)]).collect()
    };
    let first = image("kho-session2", &with(memfd(1, 0)));
    let (second, objects) = converted(&first, "kho-luo5").unwrap();
    assert_eq!(objects, with(memfd(2, 0)));
    let (_, objects) = converted(&second, "kho-session2").unwrap();
    assert_eq!(objects, with(memfd(1, 0)));
    // The first version has no place for seals, and for flags that nobody knows no more.
    for seals in [0x8, 1 << 32] {
        let sealed = image("kho-luo5", &with(memfd(2, seals)));
        let error = converted(&sealed, "kho-session2").err().unwrap();
        assert!(error.contains("memfd_luo_ser"), "{error}");
    }
}

#[test]
fn a_session_gets_files_and_loses_none() {
    let of = |files: &[u64]| vec![("luo_session_ser", session("web", files))];
    let first = image("kho-session1", &of(&[]));
    let (second, objects) = converted(&first, "kho-session2").unwrap();
    assert_eq!(objects, of(&[0, 0]));
    let (_, objects) = converted(&second, "kho-luo5").unwrap();
    assert_eq!(objects, of(&[0, 0]));
    let (_, objects) = converted(&second, "kho-session1").unwrap();
    assert_eq!(objects, of(&[]));
    // An address of files, which lie otherwise or have no place, and a number of files without one.
    for (from, to, files) in [
        ("kho-session2", "kho-session1", [0x1000, 2]),
        ("kho-session2", "kho-session1", [0, 2]),
        ("kho-session2", "kho-luo5", [0x1000, 2]),
        ("kho-luo5", "kho-session2", [0x1000, 2]),
        ("kho-luo5", "kho-session1", [0x1000, 2]),
    ] {
        let error = converted(&image(from, &of(&files)), to).err().unwrap();
        assert!(error.contains("luo_"), "{from} -> {to}: {error}");
    }
}
