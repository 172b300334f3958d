//! Chains of converters that make objects and fold them: a chain does what its steps do, a longer
//! way leads to the same image as a shorter one, and every way back leads home.
//!
//! Four kernels, made up: in A and B a file has a request inside, at another place in each; in C
//! and D the request is an object, with a pointer back at its file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::{
    Clocks, Head, Identity, Image, ImageWriter, KernelAddr, KernelId, Machine, Object, ObjectId,
    PageSource, TypeIx,
};
use kconv_runtime::convert::{Job, convert};
use kconv_runtime::prelude::*;
use proptest::prelude::*;

/// Where each kernel has the members: `a`, request or pointer, `b`, and the size of a file; `who`,
/// `n`, the pointer back, and the size of a request.
#[derive(Copy, Clone)]
struct Kernel {
    name: &'static str,
    file: [usize; 4],
    request: [usize; 4],
}

const NOWHERE: usize = usize::MAX;
const A: Kernel = kernel("a", [0, 8, 24, 32], [0, 8, NOWHERE, 16]);
const B: Kernel = kernel("b", [32, 16, 8, 40], [0, 8, NOWHERE, 16]);
const C: Kernel = kernel("c", [0, 8, 16, 24], [8, 16, 0, 24]);
const D: Kernel = kernel("d", [8, 0, 16, 72], [32, 0, 16, 40]);

const fn kernel(name: &'static str, file: [usize; 4], request: [usize; 4]) -> Kernel {
    Kernel {
        name,
        file,
        request,
    }
}

impl Kernel {
    const fn inside(&self) -> bool {
        self.request[2] == NOWHERE
    }
}

fn word(bytes: &[u8], at: usize) -> U64 {
    kconv_runtime::bits::bytemuck::pod_read_unaligned::<U64>(&bytes[at..at + 8])
}

fn put(bytes: &mut [u8], at: usize, value: U64) {
    bytes[at..at + 8].copy_from_slice(value.as_bytes());
}

fn file(cx: &mut Context<'_>, at: &At<'_>, [from, to]: [Kernel; 2], old: &[u8], new: &mut [u8]) {
    new.fill(0);
    for member in [0, 2] {
        put(new, to.file[member], word(old, from.file[member]));
    }
    let (was, is) = (from.file[1], to.file[1]);
    let at = at.field("request", was, is);
    match (from.inside(), to.inside()) {
        (true, true) => request(
            cx,
            &at,
            [from, to],
            &old[was..was + 16],
            &mut new[is..is + 16],
        ),
        (true, false) => put(new, is, cx.make(&at, &old[was..was + 16])),
        (false, true) => cx.fold(&at, word(old, was), &mut new[is..is + 16]),
        (false, false) => put(new, is, cx.follow(&at, word(old, was))),
    }
}

fn request(cx: &mut Context<'_>, at: &At<'_>, [from, to]: [Kernel; 2], old: &[u8], new: &mut [u8]) {
    new.fill(0);
    let place = |member: usize| at.field("member", from.request[member], to.request[member]);
    put(
        new,
        to.request[0],
        cx.within_required(&place(0), word(old, from.request[0])),
    );
    put(new, to.request[1], word(old, from.request[1]));
    match (from.inside(), to.inside()) {
        (true, false) => put(
            new,
            to.request[2],
            cx.container(&at.field("of", 0, to.request[2])),
        ),
        (false, true) => cx.drop_container(
            &at.field("of", from.request[2], 0),
            word(old, from.request[2]),
        ),
        (false, false) => {
            put(
                new,
                to.request[2],
                cx.within_required(&place(2), word(old, from.request[2])),
            );
        }
        (true, true) => {}
    }
}

const fn node(kernel: &Kernel) -> Node {
    Node {
        layout: kernel.name,
        release: kernel.name,
        fingerprint: Fingerprint([kernel.name.as_bytes()[0]; 32]),
    }
}

fn leak<T>(values: Vec<T>) -> &'static [T] {
    Vec::leak(values)
}

fn spans(from: &[(usize, usize)]) -> &'static [Span] {
    let span = |(from, to): &(usize, usize)| Span {
        from: *from as u32,
        to: *to as u32,
        len: 8,
    };
    let mut spans: Vec<Span> = from.iter().map(span).collect();
    spans.sort_by_key(|span| span.from);
    leak(spans)
}

fn plain(name: &'static str, from: usize, to: usize) -> TypeRules {
    TypeRules {
        name,
        from_size: from as u32,
        to_size: to as u32,
        ..TypeRules::PLAIN
    }
}

macro_rules! converter {
    ($from:ident, $to:ident) => {{
        let (from, to) = ($from, $to);
        let mut members = vec![(from.file[0], to.file[0]), (from.file[2], to.file[2])];
        let mut parts = Vec::new();
        if from.inside() == to.inside() {
            // What a request inside begins with is reset, as a lock is: nothing can point at it.
            let first = if from.inside() { 8 } else { 0 };
            members.push((from.file[1] + first, to.file[1] + first));
        } else {
            parts.push(Part {
                field: "request",
                ty: "request",
                from: from.file[1] as u32,
                to: to.file[1] as u32,
                kind: match from.inside() {
                    true => PartKind::Made,
                    false => PartKind::Folded,
                },
                behind: None,
                alone: false,
            });
        }
        let types = vec![
            TypeConverter {
                rules: TypeRules {
                    parts: leak(parts),
                    spans: spans(&members),
                    ..plain("file", from.file[3], to.file[3])
                },
                convert: Some(|cx, at, old, new| file(cx, at, [$from, $to], old, new)),
            },
            TypeConverter {
                rules: TypeRules {
                    spans: spans(&[
                        (from.request[0], to.request[0]),
                        (from.request[1], to.request[1]),
                    ]),
                    ..plain("request", from.request[3], to.request[3])
                },
                convert: Some(|cx, at, old, new| request(cx, at, [$from, $to], old, new)),
            },
        ];
        let converter: &'static Converter = Box::leak(Box::new(Converter {
            name: concat!(stringify!($from), stringify!($to)),
            tool: "test",
            family: "test",
            machine: Machine::X86_64,
            from: node(&$from),
            to: node(&$to),
            task: Some(TaskLabel {
                ty: "task",
                pid: 0,
                comm: 0,
                comm_len: 0,
            }),
            changed: leak(types),
            carried: &[],
            gone: &[],
            read: &[],
        }));
        converter
    }};
}

fn id(node: &Node) -> KernelId {
    KernelId {
        release: node.release.to_owned(),
        layout: node.layout.to_owned(),
        fingerprint: node.fingerprint,
        build_id: Vec::new(),
    }
}

/// An image of `kernel`: a file for each entry, with a request that points at the file of the number
/// given. Objects have no room to grow.
fn image(kernel: Kernel, requests: &[Option<(usize, u64)>]) -> Image {
    let (mut objects, mut bytes) = (Vec::new(), Vec::new());
    let mut next = 0xffff_8881_0000_0000;
    let mut add = |ty: u32, size: usize| {
        objects.push(Object {
            ty: TypeIx(ty),
            count: 1,
            size: size as u64,
            address: KernelAddr(next),
            home: KernelAddr(next),
            owner: ObjectId(0),
            part_of: None,
        });
        bytes.push(vec![0; size]);
        next += size as u64;
        objects.len() - 1
    };
    let files: Vec<usize> = requests.iter().map(|_| add(0, kernel.file[3])).collect();
    let apart: Vec<Option<usize>> = requests
        .iter()
        .map(|request| {
            let apart = request.is_some() && !kernel.inside();
            apart.then(|| add(1, kernel.request[3]))
        })
        .collect();
    for ((file, apart), said) in files.iter().zip(&apart).zip(requests) {
        let tag = U64::new(*file as u64 + 1);
        put(&mut bytes[*file], kernel.file[0], tag);
        put(&mut bytes[*file], kernel.file[2], tag);
        let Some((who, n)) = said else {
            continue;
        };
        let (owner, start) = match apart {
            Some(request) => {
                let address = U64::new(objects[*request].address.0);
                put(&mut bytes[*file], kernel.file[1], address);
                let back = U64::new(objects[*file].address.0);
                put(&mut bytes[*request], kernel.request[2], back);
                (*request, 0)
            }
            None => (*file, kernel.file[1]),
        };
        // The second member of a file is nowhere the first thing in it: a pointer there would look
        // like one at the file.
        let who = objects[files[who % files.len()]].address.0 + kernel.file[2] as u64;
        put(&mut bytes[owner], start + kernel.request[0], U64::new(who));
        put(&mut bytes[owner], start + kernel.request[1], U64::new(*n));
    }
    let types = match kernel.inside() {
        true => vec!["file".to_owned()],
        false => vec!["file".to_owned(), "request".to_owned()],
    };
    write(&node(&kernel), types, objects, &bytes)
}

/// An image of these objects.
fn write(kernel: &Node, types: Vec<String>, objects: Vec<Object>, bytes: &[Vec<u8>]) -> Image {
    let kernel = id(kernel);
    let head = Head {
        identity: Identity {
            machine: Machine::X86_64,
            family: "test".to_owned(),
            kernel: kernel.clone(),
            origin: kernel,
        },
        types,
        objects,
        symbols: Vec::new(),
        resources: Vec::new(),
        slots: Vec::new(),
        clocks: Clocks::default(),
        facts: Vec::new(),
        remainder: Vec::new(),
        provenance: Vec::new(),
        address_spaces: Vec::new(),
        contents: Vec::new(),
        core_notes: Vec::new(),
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sample.img");
    let mut writer =
        ImageWriter::create(&path, Machine::X86_64, &head.objects, head.page_index()).unwrap();
    for bytes in bytes {
        writer.object(bytes).unwrap();
    }
    writer
        .finish(&head, PageSource::Stream(&mut |_, _| Ok(())))
        .unwrap();
    Image::open(&path).unwrap()
}

fn through(image: &Image, chain: &[&'static Converter]) -> Image {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("converted.img");
    let job = Job {
        chain: chain.to_vec(),
        target: id(&chain.last().unwrap().to),
        tool: "test".to_owned(),
        signers: Vec::new(),
    };
    convert(image, &job, Some(&path), &mut |_, _| {}).unwrap();
    Image::open(&path).unwrap()
}

/// Objects, where they lie and lay, and their bytes.
fn content(image: &Image) -> Vec<(String, Object, Vec<u8>)> {
    let head = image.head();
    let content = |(object, id): (&Object, u32)| {
        let mut bytes = Vec::new();
        image.read_object(ObjectId(id), &mut bytes).unwrap();
        (head.type_name(object).to_owned(), object.clone(), bytes)
    };
    head.objects.iter().zip(0..).map(content).collect()
}

/// As [`content`], without the numbers of the objects and with types by name.
fn by_address(image: &Image) -> Vec<(u64, u64, String, Vec<u8>)> {
    let mut all: Vec<_> = content(image)
        .into_iter()
        .map(|(ty, object, bytes)| (object.address.0, object.home.0, ty, bytes))
        .collect();
    all.sort();
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_leads_to_the_same_image_and_home(
        requests in proptest::collection::vec(proptest::option::of((0..8usize, any::<u64>())), 1..8),
    ) {
        let [ab, bc, cd] = [converter!(A, B), converter!(B, C), converter!(C, D)];
        let [dc, cb, ba] = [converter!(D, C), converter!(C, B), converter!(B, A)];
        let [ac, ad, bd] = [converter!(A, C), converter!(A, D), converter!(B, D)];
        let [ca, da, db] = [converter!(C, A), converter!(D, A), converter!(D, B)];

        for (origin, ways, back) in [
            (
                A,
                [vec![ab, bc, cd], vec![ab, bd], vec![ac, cd], vec![ad]],
                [vec![dc, cb, ba], vec![dc, ca], vec![db, ba], vec![da]],
            ),
            (
                D,
                [vec![dc, cb, ba], vec![dc, ca], vec![db, ba], vec![da]],
                [vec![ab, bc, cd], vec![ab, bd], vec![ac, cd], vec![ad]],
            ),
        ] {
            let image = image(origin, &requests);
            let there = through(&image, ways.last().unwrap());
            for way in &ways {
                prop_assert_eq!(by_address(&through(&image, way)), by_address(&there));
                // A chain in one run is its steps one after the other.
                let mut stepped = through(&image, &way[..1]);
                for step in &way[1..] {
                    stepped = through(&stepped, &[*step]);
                }
                prop_assert_eq!(content(&stepped), content(&through(&image, way)));
                for way in &back {
                    let home = through(&stepped, way);
                    prop_assert_eq!(content(&home), content(&image));
                    prop_assert_eq!(&home.head().types, &image.head().types);
                }
            }
        }
    }
}

/// A type that ends in bytes, of which its `sizeof` has some, and in half words in the other kernel.
fn counted(from: [usize; 2], to: [usize; 2], name: [&'static str; 2]) -> &'static Converter {
    let [was, is] = [from, to].map(|[size, _]| if size == 8 { 1 } else { 2 });
    let tail = Tail {
        field: "bytes",
        element: "element",
        from: from[1] as u32,
        to: to[1] as u32,
        count: Bits { offset: 0, len: 32 },
        add: 0,
    };
    let types = vec![
        TypeConverter {
            rules: TypeRules {
                tail: Some(tail),
                ..plain("counted", from[0], to[0])
            },
            convert: Some(|_, _, old, new| {
                new.fill(0);
                new[..4].copy_from_slice(&old[..4]);
            }),
        },
        TypeConverter {
            rules: plain("element", was, is),
            convert: Some(|cx, at, old, new| {
                let number = old
                    .iter()
                    .rev()
                    .fold(0, |n, byte| n << 8 | u16::from(*byte));
                match new.len() {
                    2 => new.copy_from_slice(&number.to_le_bytes()),
                    _ => match u8::try_from(number) {
                        Ok(byte) => new[0] = byte,
                        Err(_) => cx.refuse_call(at, number.to_string(), "is more than a byte"),
                    },
                }
            }),
        },
    ];
    let node = |layout: &'static str| Node {
        layout,
        release: layout,
        fingerprint: Fingerprint([layout.as_bytes()[0]; 32]),
    };
    Box::leak(Box::new(Converter {
        name: name[0],
        tool: "test",
        family: "test",
        machine: Machine::X86_64,
        from: node(name[0]),
        to: node(name[1]),
        task: Some(TaskLabel {
            ty: "task",
            pid: 0,
            comm: 0,
            comm_len: 0,
        }),
        changed: leak(types),
        carried: &[],
        gone: &[],
        read: &[],
    }))
}

/// `sizeof` is 8 and the bytes begin at 5, or 16 and the half words at 6: what is left of it behind
/// a short array comes back as well.
#[test]
fn an_array_that_ends_before_its_type_does_comes_back() {
    let (narrow, wide) = ([8, 5], [16, 6]);
    for ([from, to], names, step) in [
        ([narrow, wide], ["narrow", "wide"], 1),
        ([wide, narrow], ["wide", "narrow"], 2),
    ] {
        let (there, again) = (
            counted(from, to, names),
            counted(to, from, [names[1], names[0]]),
        );
        for count in 0..24usize {
            let size = from[0].max(from[1] + step * count);
            let mut bytes = vec![0; size];
            bytes[..4].copy_from_slice(&(count as u32).to_le_bytes());
            for (index, byte) in bytes[from[1]..].iter_mut().enumerate() {
                // Half words have nothing in their upper byte, but what is behind them has.
                let upper = step == 2 && index % 2 == 1 && index < step * count;
                *byte = if upper { 0 } else { 100 + index as u8 };
            }
            let object = Object {
                ty: TypeIx(0),
                count: 1,
                size: size as u64,
                address: KernelAddr(0xffff_8881_0000_0000),
                home: KernelAddr(0xffff_8881_0000_0000),
                owner: ObjectId(0),
                part_of: None,
            };
            let types = vec!["counted".to_owned()];
            let image = write(&there.from, types, vec![object], &[bytes]);
            let new = through(&image, &[there]);
            let other = 3 - step;
            let size = to[0].max(to[1] + other * count);
            let (_, object, bytes) = content(&new).remove(0);
            assert_eq!((object.size, bytes.len()), (size as u64, size));
            for index in 0..count {
                assert_eq!(
                    usize::from(bytes[to[1] + other * index]),
                    100 + step * index
                );
            }
            assert_eq!(content(&through(&new, &[again])), content(&image));
        }
    }
}
