//! Images of Linux 6, made by hand for every registered layout, taken to every other layout that is more
//! than one step away: in one conversion, and in as many as there are steps. Both give the same, and so
//! does the way back, which ends where the image began.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod planned;

use kconv_image::{Head, Image, KernelId, Object, ObjectId};
use kconv_made::{At, Made, Process};
use kconv_runtime::chain::{find_chain, find_way};
use kconv_runtime::convert::{Job, convert_without_pages};
use kconv_runtime::error::ConvertError;
use kconv_runtime::table::{Converter, Node};
use kernel_structs::layout::{FieldPath, Layout, Leaf, leaves};
use kernel_structs::releases::{LayoutEntry, LayoutId, Registry};
use std::collections::BTreeSet;

fn kernel(node: &Node) -> KernelId {
    KernelId {
        release: node.release.to_owned(),
        layout: node.layout.to_owned(),
        fingerprint: node.fingerprint,
        build_id: Vec::new(),
    }
}

/// The objects of an image in the making, by their addresses.
struct Objects(Vec<(u64, At)>);

/// A process with files, mappings, timers and a signal that waits, each of whose numbers is another.
fn made(layout: &Layout) -> (Made<'_>, Objects) {
    let mut made = Made::new(layout, "linux-6");
    let process = Process::filled(&mut made, 300);
    let mut objects = vec![
        process.task,
        process.signal,
        process.sighand,
        process.cred,
        process.groups,
        process.mm,
        process.files,
        process.table,
        process.fs,
        process.registers,
        process.pid,
    ];
    objects.extend(process.fpu);
    for number in 0..2 {
        let start = 0x1000 * (1 + 4 * number);
        objects.push(process.mapping(&mut made, start, start + 0x2000, 0x73));
        let file = file(&mut made, process.task, number == 0);
        process.open(&mut made, number as u32, file[0], number == 1);
        objects.extend(file);
    }
    let timers = [(); 2].map(|()| made.object("k_itimer"));
    timers_of(&mut made, &process, timers);
    objects.extend(timers);
    objects.push(process.queue(&mut made, true, &[10; 48]));

    // What is not a number of its own.
    made.list(process.task, "ptraced", &[], "");
    made.point(process.task, "group_leader", process.task);
    made.list(
        process.signal,
        "thread_head",
        &[process.task],
        "thread_node",
    );
    for (selector, with_fred, number) in [("cs", "csx", 0x33), ("ss", "ssx", 0x2b)] {
        let wide = made.has("pt_regs", with_fred);
        let path = if wide { with_fred } else { selector };
        made.set(process.registers, path, number);
    }
    if made.has("task_struct", "thread_group") {
        made.list(process.task, "thread_group", &[], "");
    }
    if made.has("mm_struct", "pasid") {
        made.set(process.mm, "pasid", 0xffff_ffff);
    }
    // 6.12 has a flag for it.
    let path = "get_unmapped_area";
    if made.has("mm_struct", path) {
        made.set(process.mm, path, 0xffff_ffff_8100_0000);
        made.symbol(process.mm, path, "arch_get_unmapped_area_topdown");
    }
    let objects = objects.into_iter().map(|at| (made.address(at), at));
    let objects = Objects(objects.collect());
    (made, objects)
}

/// An open file, and who gets signals of it if somebody does.
fn file(made: &mut Made<'_>, task: At, signals: bool) -> Vec<At> {
    let file = made.object("file");
    made.set(file, "f_pos", 77);
    made.owned_by(file, task);
    if !signals {
        return vec![file];
    }
    if made.has("file", "f_owner.signum") {
        made.set(file, "f_owner.signum", 29);
        return vec![file];
    }
    let owner = made.object("fown_struct");
    made.set(owner, "signum", 29);
    made.point(owner, "file", file);
    made.point(file, "f_owner", owner);
    made.owned_by(owner, task);
    vec![file, owner]
}

/// Timers of a process, the newest first: a ring under 6.1, a chain under 6.12.
fn timers_of(made: &mut Made<'_>, process: &Process, timers: [At; 2]) {
    for timer in timers {
        made.point(timer, "it_signal", process.signal);
        made.set(timer, "it_id", made.address(timer) >> 12 & 0xff);
        made.owned_by(timer, process.task);
        // PIDTYPE_TGID, as is SIGEV_SIGNAL's, which 0 is.
        if made.has("k_itimer", "it_pid_type") {
            made.set(timer, "it_pid_type", 1);
        }
    }
    if !made.has("signal_struct", "posix_timers.first") {
        made.list(process.signal, "posix_timers", &timers, "list");
        return;
    }
    let place = |made: &Made<'_>, at: At, path: &str| made.address(at) + made.offset(at, path);
    let links = timers.map(|timer| place(made, timer, "list"));
    let head = place(made, process.signal, "posix_timers.first");
    made.set(process.signal, "posix_timers.first", links[0]);
    made.set(timers[0], "list.next", links[1]);
    made.set(timers[0], "list.pprev", head);
    made.set(timers[1], "list.pprev", links[0]);
}

/// The image, of the kernel `kernel`.
fn image(made: &Made<'_>, kernel: KernelId) -> Image {
    let image = made.image();
    let mut head = image.head().clone();
    head.identity.kernel = kernel.clone();
    head.identity.origin = kernel;
    let objects = content(&image).into_iter().map(|(_, bytes)| bytes);
    let objects: Vec<_> = objects.collect();
    Image::without_pages(&head, objects.iter().map(Vec::as_slice)).unwrap()
}

/// Objects that have bytes of their own, and these.
fn content(image: &Image) -> Vec<(Object, Vec<u8>)> {
    let head = image.head();
    let whole = head.objects.iter().zip(0..);
    let whole = whole.filter(|(object, _)| head.folded_into(object).is_none());
    let read = whole.map(|(object, id)| {
        let mut bytes = Vec::new();
        image.read_object(ObjectId(id), &mut bytes).unwrap();
        (object.clone(), bytes)
    });
    read.collect()
}

fn to(
    image: &Image,
    chain: &[&'static Converter],
    target: KernelId,
) -> Result<Image, ConvertError> {
    let job = Job {
        chain: chain.to_vec(),
        target,
        tool: String::from("test"),
        signers: Vec::new(),
    };
    convert_without_pages(image, &job).map(|(_, image)| image)
}

/// Takes an image through a chain, one conversion for each step. On the way back it goes by the
/// kernels that it came by.
fn step_by_step(image: &Image, chain: &[&'static Converter], target: &KernelId) -> Image {
    let mut reached: Option<Image> = None;
    for (index, step) in chain.iter().enumerate() {
        let image = reached.as_ref().unwrap_or(image);
        let been = image.head().last_on(step.to.layout, step.to.fingerprint);
        let next = match index + 1 == chain.len() {
            true => target.clone(),
            false => been.cloned().unwrap_or_else(|| kernel(&step.to)),
        };
        reached = Some(to(image, &[*step], next).unwrap());
    }
    reached.unwrap()
}

/// All that two images say but for how they were converted.
#[track_caller]
fn assert_alike(one: &Image, other: &Image) {
    let without_steps = |image: &Image| Head {
        provenance: Vec::new(),
        ..image.head().clone()
    };
    let (a, b) = (without_steps(one), without_steps(other));
    assert_eq!(a.identity, b.identity);
    assert_eq!(a.objects, b.objects);
    assert_eq!(a.slots, b.slots);
    assert_eq!(a.remainder, b.remainder);
    assert!(a == b, "{a:#?} {b:#?}");
    let name = |object: &Object| a.type_name(object).to_owned();
    for ((object, old), (_, new)) in content(one).iter().zip(content(other)) {
        let differs = old.iter().zip(&new).position(|(old, new)| old != new);
        assert_eq!((differs, old.len()), (None, new.len()), "{}", name(object));
    }
}

/// The path under the layout read of a field that another is called now.
fn old_path(converter: &Converter, ty: &str, field: &str) -> Option<String> {
    let find = |name: &str| converter.rules_of(name);
    let fields = kconv_rules::flat(&find, find(ty)?).into_iter();
    let mut called = fields.filter(|flat| flat.path == field);
    called.next().map(|flat| flat.old_path)
}

/// Clears what stops a conversion of `made` through `chain`, which no kernel has: numbers above the last
/// capability, flags without a name. Returns the fields.
fn calm(made: &mut Made<'_>, objects: &Objects, chain: &[&'static Converter]) -> BTreeSet<String> {
    let mut cleared = BTreeSet::new();
    // What an earlier step stops at hides what a later one does.
    for _ in 0..=chain.len() {
        let before = image(made, kernel(&chain[0].from));
        let findings = match to(&before, chain, kernel(&chain.last().unwrap().to)) {
            Ok(_) => return cleared,
            Err(ConvertError::Refused(findings)) => findings,
            Err(error) => panic!("{error}"),
        };
        for finding in findings {
            let (ty, address) = finding.object.split_once(" at 0x").unwrap();
            let address = u64::from_str_radix(address, 16).unwrap();
            let found = objects.0.iter().find(|(start, _)| *start == address);
            let layout = made.layout();
            let lookup = |text: &str| {
                let path = FieldPath::parse(text).unwrap();
                layout.lookup(layout.find(ty).unwrap(), &path)
            };
            let there = lookup(&finding.field).map(|field| (finding.field.clone(), field));
            let there = there.or_else(|| {
                let was = old_path(chain[0], ty, &finding.field)?;
                Some((was.clone(), lookup(&was)?))
            });
            let (path, field) = there.unwrap_or_else(|| panic!("{finding}"));
            let name = format!("{ty}.{path}");
            match (found, field.bit_field) {
                (Some((_, at)), Some(_)) => made.set(*at, &path, 0),
                (Some((_, at)), None) => {
                    let size = layout.size_of(field.ty).unwrap().0 as usize;
                    let start = field.offset.byte().0 as usize;
                    made.put_raw(*at, start, &vec![0; size]);
                }
                (None, _) => panic!("{finding}"),
            }
            cleared.insert(name);
        }
    }
    panic!("{cleared:#?} is not enough");
}

/// The fields of two values of a type that differ.
fn differing(layout: &Layout, ty: &str, one: &[u8], other: &[u8]) -> Vec<String> {
    let Some(id) = layout.find(ty) else {
        return Vec::new();
    };
    let all = leaves(layout, id, 100_000).unwrap().into_iter();
    let place = |leaf: &Leaf| {
        (leaf.offset.0 / 8) as usize..(leaf.offset.0 + leaf.size.0).div_ceil(8) as usize
    };
    let differ = all.filter(|leaf| one.get(place(leaf)) != other.get(place(leaf)));
    let told = differ.map(|leaf| {
        format!(
            "{}: {:x?} {:x?}",
            leaf.path,
            &one[place(&leaf)],
            &other[place(&leaf)]
        )
    });
    told.collect()
}

/// For every two layouts with others between them.
#[test]
fn a_direct_conversion_gives_what_its_steps_give_and_so_does_the_way_back() {
    let registry = Registry::builtin().unwrap();
    let all = registry.layouts();
    let all: Vec<&LayoutEntry> = all.filter(|entry| entry.family == "linux-6").collect();
    let mut pairs = 0;
    for from in &all {
        let layout = registry.layout(&from.id).unwrap();
        let (mut made, objects) = made(&layout);
        let way = |from: &LayoutEntry, to: &LayoutEntry| {
            find_chain(kconv_steps::all(), &from.id.0, &to.id.0).unwrap()
        };
        let far = all.iter().filter(|to| way(from, to).len() > 1);
        let far: Vec<&LayoutEntry> = far.copied().collect();
        let cleared = far
            .iter()
            .map(|to| calm(&mut made, &objects, &way(from, to)));
        let cleared: BTreeSet<String> = cleared.flatten().collect();
        // Of some thousand.
        assert!(cleared.len() < 60, "{cleared:#?}");
        for there in far {
            let chain = way(from, there);
            let before = image(&made, kernel(&chain[0].from));
            let target = kernel(&chain.last().unwrap().to);
            let after = to(&before, &chain, target.clone()).unwrap();
            assert_alike(&after, &step_by_step(&before, &chain, &target));

            let home = before.head().identity.kernel.clone();
            let back = find_way(kconv_steps::all(), after.head(), &home).unwrap();
            let again = to(&after, &back, home.clone()).unwrap();
            assert_alike(&again, &step_by_step(&after, &back, &home));
            assert_eq!(again.head().objects, before.head().objects);
            for ((object, bytes), (_, were)) in content(&again).iter().zip(content(&before)) {
                let ty = before.head().type_name(object);
                assert_eq!(
                    differing(&layout, ty, bytes, &were),
                    [""; 0],
                    "{}",
                    there.id.0
                );
                assert!(*bytes == were, "{} {object:?}", there.id.0);
            }
            pairs += 1;
        }
    }
    assert!(pairs >= 208, "{pairs}");
}

/// What was refused, whatever order the lines have.
fn refused(result: Result<Image, ConvertError>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(ConvertError::Refused(findings)) => {
            let mut told: Vec<String> = findings.iter().map(ToString::to_string).collect();
            told.sort();
            told
        }
        Err(error) => panic!("{error}"),
    }
}

/// A plan that is read from a file does on whole images what its page does.
#[test]
fn plans_that_are_read_convert_images_as_their_pages_do() {
    let registry = Registry::builtin().unwrap();
    let mut something_refused = 0;
    let number = planned::pages(
        registry,
        |family, _, _| family == "linux-6",
        |planned| {
            let (compiled, read) = (planned.compiled, planned.read());
            let what = format!("{} {}", compiled.from.layout, compiled.to.layout);
            let id = LayoutId(compiled.from.layout.to_owned());
            let layout = registry.layout(&id).unwrap();
            let (mut made, objects) = made(&layout);
            let target = kernel(&compiled.to);
            let before = image(&made, kernel(&compiled.from));
            let told = refused(to(&before, &[compiled], target.clone()));
            assert_eq!(
                refused(to(&before, &[read], target.clone())),
                told,
                "{what}"
            );
            something_refused += usize::from(!told.is_empty());

            calm(&mut made, &objects, &[compiled]);
            let before = image(&made, kernel(&compiled.from));
            let page = to(&before, &[compiled], target.clone()).unwrap();
            let data = to(&before, &[read], target).unwrap();
            assert_eq!(page.head(), data.head(), "{what}");
            assert!(content(&page) == content(&data), "{what}");
        },
    );
    assert!(
        number >= 40 && something_refused >= 10,
        "{number} {something_refused}"
    );
}
