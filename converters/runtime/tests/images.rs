//! Images there and back: what is carried, kept, put back and refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::{
    A, B, BROKEN, CARRIED, CARRYING, FEWER, GROWING, MEANING, OF_TASK, SAME, SHIFTING, Sample,
    TICKS, TO_A, TO_B, TO_TICKS, bytes, changed, converted, job, kernel, number, task, to_a, to_b,
};
use kconv_image::{Fingerprint, SlotTarget};
use kconv_image::{Head, Image, KernelAddr, ObjectId, Slot, SymbolId};
use kconv_runtime::chain::way;
use kconv_runtime::convert::{convert, convert_without_pages};
use kconv_runtime::error::ConvertError;
use kconv_runtime::finding::{Finding, Problem};
use kconv_runtime::placement::PlacementError;
use kconv_runtime::report::Report;
use kconv_runtime::table::Converter;

fn findings<T>(result: Result<T, ConvertError>) -> Vec<Finding> {
    match result {
        Err(ConvertError::Refused(findings)) => findings,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("nothing was refused"),
    }
}

/// What was refused, which is one value.
fn refused<T>(result: Result<T, ConvertError>) -> (String, Problem) {
    let [finding] = <[_; 1]>::try_from(findings(result)).unwrap();
    (finding.field, finding.problem)
}

fn kept(head: &Head) -> Vec<(u32, &str, &[u8], &[u8])> {
    let entries = head.remainder.iter();
    let entry = entries.map(|entry| (entry.object.0, &*entry.field, &*entry.bytes, &*entry.mask));
    entry.collect()
}

#[test]
fn what_goes_comes_back_and_nothing_beside_it_changes() {
    let mut sample = Sample::of(A);
    sample.bytes[0][task::BITS] = 0b1010_0110;
    sample.bytes[0][task::PADDING + 1] = 9;
    sample.set(0, task::RESET, 6);
    sample.set(0, task::GONE, 77);
    let image = sample.image();
    let (there, done) = to_b(&image).unwrap();
    let expected: [(u32, &str, &[u8], &[u8]); 4] = [
        (0, "low", &[0b110], &[0b111]),
        (0, "(padding)", &[0, 9, 0], &[0xff; 3]),
        (0, "lock", &[6, 0, 0, 0], &[0xff; 4]),
        (0, "gone", &[77, 0, 0, 0], &[0xff; 4]),
    ];
    assert_eq!(kept(there.head()), expected);
    let step = there.head().provenance.last().unwrap();
    assert_eq!((step.kept, step.restored), (4, 0));
    assert_eq!((done.report.kept, done.report.restored), (4, 0));
    assert_eq!(number(&there, 0, task::RESET), 5);
    assert_eq!(there.head().freeze(), image.head().freeze());

    // The five bits that both have changed in the meantime.
    let there = changed(&there, |there| there.bytes[0][task::BITS] = 0b0101_1000);
    let (back, done) = to_a(&there).unwrap();
    let mut expected = sample.bytes[0].clone();
    expected[task::BITS] = 0b0101_1110;
    assert_eq!(bytes(&back, 0), expected);
    assert_eq!(kept(back.head()), []);
    let step = back.head().provenance.last().unwrap();
    assert_eq!((step.kept, step.restored), (0, 4));
    assert_eq!((done.report.kept, done.report.restored), (0, 4));
    assert_eq!(back.head().freeze(), image.head().freeze());
}

#[test]
fn what_is_kept_of_a_field_that_was_reset_on_the_way_back_is_of_that_layout() {
    let image = Sample::of(A).image();
    let (there, _) = to_b(&image).unwrap();
    let there = changed(&there, |there| there.set(0, task::RESET, 8));
    let (back, _) = to_a(&there).unwrap();
    assert_eq!(number(&back, 0, task::RESET), 5);
    let entry = &back.head().remainder[0];
    assert_eq!(
        (entry.step, &*back.head().kept_on(entry).layout),
        (1, B.layout)
    );
    // It belongs to `b`: a way back within `a` leaves it alone.
    let (same, _) = converted(&back, &[&SAME], kernel(A, "a1")).unwrap();
    assert_eq!(number(&same, 0, task::RESET), 5);
    assert_eq!(kept(same.head()).len(), 1);
    // Going to `b` once more puts it back there.
    let (again, _) = to_b(&back).unwrap();
    assert_eq!(number(&again, 0, task::RESET), 8);
    assert_eq!(kept(again.head()), []);
}

#[test]
fn between_releases_of_one_layout_only_the_way_back_restores() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    let on = |image: &Image, release| converted(image, &[&SAME], kernel(A, release)).unwrap().0;
    let next = on(&sample.image(), "a2");
    assert_eq!(number(&next, 0, task::RESET), 5);
    let third = on(&next, "a3");
    assert_eq!(number(&third, 0, task::RESET), 5);
    assert_eq!(kept(third.head()).len(), 1);
    let home = on(&third, "a1");
    assert_eq!(number(&home, 0, task::RESET), 6);
    assert_eq!(kept(home.head()), []);
}

#[test]
fn what_was_reset_between_releases_stays_reset_when_the_image_was_away() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    sample.set(0, task::GONE, 77);
    let next = converted(&sample.image(), &[&SAME], kernel(A, "a2"))
        .unwrap()
        .0;
    let (there, _) = to_b(&next).unwrap();
    let (back, _) = converted(&there, &[&TO_A], kernel(A, "a2")).unwrap();
    assert_eq!(bytes(&back, 0), bytes(&next, 0));
    assert_eq!(back.head().remainder, next.head().remainder);
    let (home, _) = converted(&back, &[&SAME], kernel(A, "a1")).unwrap();
    assert_eq!(bytes(&home, 0), sample.bytes[0]);
    assert_eq!(kept(home.head()), []);
}

/// What was kept on one release comes to another of its layout as it would have without having been
/// away: what is carried between them does, and what is reset does not.
#[test]
fn by_way_of_the_release_that_it_came_from_an_image_goes_to_others_of_the_layout() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    sample.set(0, task::GONE, 77);
    let image = sample.image();
    let (direct, _) = converted(&image, &[&SAME], kernel(A, "a2")).unwrap();
    let (there, _) = to_b(&image).unwrap();
    let to = |image: &Image, release| {
        let target = kernel(A, release);
        let chain = match &*image.head().identity.kernel.layout {
            "a" => Vec::new(),
            _ => vec![&TO_A],
        };
        let way = way(image.head(), chain, Some(&SAME), &target);
        converted(image, &way, target).unwrap().0
    };
    let back = to(&there, "a2");
    assert_eq!(
        (number(&back, 0, task::GONE), number(&back, 0, task::RESET)),
        (77, 5)
    );
    assert_eq!(bytes(&back, 0), bytes(&direct, 0));
    assert_eq!(kept(back.head()), kept(direct.head()));
    let steps = back.head().provenance.iter();
    let names: Vec<&str> = steps.map(|step| &*step.to.release).collect();
    assert_eq!(names, ["b1", "a1", "a2"]);
    assert_eq!(bytes(&to(&back, "a1"), 0), sample.bytes[0]);
    // There is no way round where the image goes on, is back already, or nothing was kept.
    let names = |image: &Image, release| -> Vec<&str> {
        let way = way(image.head(), vec![&TO_A], Some(&SAME), &kernel(A, release));
        way.iter().map(|converter| converter.name).collect()
    };
    assert_eq!(names(&there, "a2"), ["b-a", "a-a"]);
    assert_eq!(names(&there, "a1"), ["b-a"]);
    let (plain, _) = to_b(&Sample::of(A).image()).unwrap();
    assert_eq!(names(&plain, "a2"), ["b-a"]);
    let third = to(&direct, "a3");
    assert_eq!(third.head().provenance.len(), 2);
}

/// On the way to a third layout an image goes through the release that it has been on.
#[test]
fn on_the_way_through_a_layout_what_was_kept_there_is_put_back() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    sample.set(0, task::GONE, 77);
    let elsewhere = kernel(A, "a9");
    sample.head.identity.kernel = elsewhere.clone();
    let (there, _) = to_b(&sample.image()).unwrap();
    let (again, done) = converted(&there, &[&TO_A, &TO_B], kernel(B, "b2")).unwrap();
    let steps = &again.head().provenance;
    assert_eq!(steps[1].to, elsewhere);
    assert_eq!((steps[1].restored, steps[2].kept), (2, 2));
    assert_eq!((done.report.restored, done.report.kept), (2, 2));
    assert_eq!(account(&done.report, "task.gone"), (1, 1));
    assert!(again.head().remainder.iter().all(|entry| entry.step == 2));
}

/// A task is carried again where that could give something else.
#[test]
fn what_a_step_has_made_is_left_as_it_is_where_nothing_can_become_of_it() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    sample.add("item", 0x2000, &[1, 2]);
    sample.add("item", 0x2002, &[3, 4]);
    let image = sample.image();
    let through = |chain: &[&'static Converter]| {
        CARRIED.set(0);
        let (image, _) = converted(&image, chain, kernel(A, "a2")).unwrap();
        let head = image.head();
        assert_eq!(number(&image, 0, task::RESET), 5);
        assert_eq!(kept(head).len(), 1);
        assert_eq!(head.slots.len(), 1);
        assert_eq!(head.provenance.len(), chain.len());
        CARRIED.get()
    };
    assert_eq!(through(&[&CARRYING]), 1);
    assert_eq!(through(&[&CARRYING, &CARRYING, &CARRYING]), 1);
    // Nothing can point elsewhere in what means something else.
    assert_eq!(through(&[&CARRYING, &MEANING, &CARRYING]), 1);
    // A pointer at what went leads nowhere, and one at what moved elsewhere.
    assert_eq!(through(&[&CARRYING, &FEWER, &CARRYING]), 2);
    assert_eq!(through(&[&CARRYING, &GROWING]), 2);
    assert_eq!(through(&[&CARRYING, &SHIFTING]), 2);
    // A step for which it is another type makes it anew, and makes it as well as any.
    assert_eq!(through(&[&CARRYING, &OF_TASK]), 2);
    assert_eq!(through(&[&OF_TASK, &CARRYING]), 1);
}

/// What was put back on the way is of that kernel, and is carried on from there.
#[test]
fn what_was_put_back_is_not_left_as_it_is() {
    let mut sample = Sample::of(A);
    sample.set(0, task::RESET, 6);
    let (there, _) = to_b(&sample.image()).unwrap();
    let (on, done) = converted(&there, &[&TO_A, &CARRYING], kernel(A, "a2")).unwrap();
    assert_eq!(number(&on, 0, task::RESET), 5);
    assert_eq!((done.report.restored, done.report.kept), (1, 1));
}

/// Two layouts alike but for what a number means, such as a time counted in other ticks.
#[test]
fn what_is_kept_of_a_layout_is_not_put_back_into_another_that_looks_alike() {
    let mut sample = Sample::of(A);
    sample.set(0, task::GONE, 77);
    let (there, _) = to_b(&sample.image()).unwrap();
    let (other, _) = converted(&there, &[&TO_TICKS], kernel(TICKS, "t1")).unwrap();
    assert_eq!(number(&other, 0, task::GONE), 0);
    assert_eq!(kept(other.head()).len(), 1);
}

#[test]
fn numbers_of_pointers_into_the_kernel_are_right_at_the_origin_only() {
    let image = Sample::of(A).image();
    assert_eq!(number(&image, 0, task::SYMBOL), 0xc010_0000);
    let (there, done) = to_b(&image).unwrap();
    assert_eq!(number(&there, 0, task::SYMBOL), 0);
    let slot = Slot {
        object: ObjectId(0),
        offset: task::SYMBOL as u32,
        target: SlotTarget::Symbol(SymbolId(0)),
    };
    assert_eq!(there.head().slots, [slot]);
    assert_eq!((done.report.symbols, done.report.resources), (1, 0));
    let (home, _) = to_a(&there).unwrap();
    assert_eq!(number(&home, 0, task::SYMBOL), 0xc010_0000);
    let elsewhere = converted(&there, &[&TO_A], kernel(A, "a2")).unwrap().0;
    assert_eq!(number(&elsewhere, 0, task::SYMBOL), 0);
}

#[test]
fn a_refused_value_stops_the_conversion_and_names_its_task() {
    let mut sample = Sample::of(A);
    sample.set(0, task::STRICT, 1);
    let [finding] = <[_; 1]>::try_from(findings(to_b(&sample.image()))).unwrap();
    assert_eq!(finding.task.unwrap().to_string(), "task 7 (one)");
    assert_eq!(finding.object, "task at 0x1000");
    let problem = Problem::NotInitial {
        initial: String::from("0"),
        reason: "says something",
    };
    assert_eq!((&*finding.field, finding.problem), ("strict", problem));
}

#[test]
fn elements_at_the_end_are_as_many_as_the_object_says() {
    let mut sample = Sample::of(A);
    // One more than the count; the last byte is behind the elements.
    let one = [1, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0, 0, 0, 9];
    let five = [5, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0];
    let (one, five) = (
        sample.add("group", 0x2000, &one),
        sample.add("group", 0x3000, &five),
    );
    let image = sample.image();
    let (there, _) = to_b(&image).unwrap();
    let expected = [1, 0, 0, 0, 0x11, 0x22, 0, 0, 0x33, 0x44, 0, 0];
    assert_eq!(bytes(&there, one), expected);
    assert_eq!(bytes(&there, five).len(), 4 + 6 * 4);
    assert_eq!(bytes(&there, five)[24..], [6, 0, 0, 0]);
    let expected: [(u32, &str, &[u8], &[u8]); 1] = [(1, "(padding)", &[0, 0, 0, 9], &[0xff; 4])];
    assert_eq!(kept(there.head()), expected);
    let (back, _) = to_a(&there).unwrap();
    for object in [one, five] {
        assert_eq!(bytes(&back, object), sample.bytes[object]);
    }
}

#[test]
fn an_object_with_few_elements_is_as_long_as_its_type() {
    let mut sample = Sample::of(B);
    let object = sample.add("group", 0x2000, &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let (there, _) = to_a(&sample.image()).unwrap();
    assert_eq!(bytes(&there, object), [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_follows_an_open_type_is_carried_as_it_is() {
    let mut sample = Sample::of(A);
    let long = sample.add("open", 0x2000, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let short = sample.add("open", 0x3000, &[1, 2, 3, 4, 5, 6]);
    let image = sample.image();
    let (there, _) = to_b(&image).unwrap();
    let expected = [1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 7, 8, 9, 10];
    assert_eq!(bytes(&there, long), expected);
    assert_eq!(bytes(&there, short), expected[..10]);
    let (back, _) = to_a(&there).unwrap();
    for object in [long, short] {
        assert_eq!(bytes(&back, object), sample.bytes[object]);
    }
}

#[test]
fn objects_of_other_sizes_and_arrays_of_tails_are_no_objects_of_the_layout() {
    for size in [task::SIZE + 4, task::SIZE - 4] {
        let mut sample = Sample::of(A);
        sample.add("task", 0x2000, &vec![0; size]);
        let error = to_b(&sample.image()).err().unwrap();
        let wrong = matches!(
            error,
            ConvertError::Placement(PlacementError::WrongSize { expected: 28, .. })
        );
        assert!(wrong, "{size}: {error}");
    }
    let mut sample = Sample::of(A);
    let object = sample.add("group", 0x2000, &[0; 24]);
    sample.head.objects[object].count = 2;
    let error = to_b(&sample.image()).err().unwrap();
    let wrong = matches!(
        error,
        ConvertError::Placement(PlacementError::ArrayOfTails { count: 2, .. })
    );
    assert!(wrong, "{error}");
}

#[test]
fn an_image_of_another_kernel_is_not_converted() {
    let wrong = |change: &dyn Fn(&mut Sample), target| {
        let mut sample = Sample::of(A);
        change(&mut sample);
        converted(&sample.image(), &[&TO_B], target).err().unwrap()
    };
    let fits = || kernel(B, "b1");
    let error = wrong(
        &|sample| sample.head.identity.kernel.fingerprint = Fingerprint([0xc; 32]),
        fits(),
    );
    assert!(matches!(error, ConvertError::WrongKernel { .. }), "{error}");
    let error = wrong(
        &|sample| sample.head.identity.kernel.layout = String::from("c"),
        fits(),
    );
    assert!(matches!(error, ConvertError::WrongKernel { .. }), "{error}");
    let error = wrong(
        &|sample| sample.head.identity.family = String::from("other"),
        fits(),
    );
    assert!(
        matches!(error, ConvertError::WrongMachine { .. }),
        "{error}"
    );
    let error = wrong(&|_| {}, kernel(A, "a1"));
    assert!(matches!(error, ConvertError::WrongKernel { .. }), "{error}");
}

#[test]
fn a_damaged_object_is_not_converted() {
    let folder = tempfile::tempdir().unwrap();
    let image = Sample::of(A).image();
    let (start, _) = image.object_area(ObjectId(0)).unwrap();
    let path = folder.path().join("image");
    let job = job(&[&SAME], kernel(A, "a2"));
    convert(&image, &job, Some(&path), &mut |_, _| {}).unwrap();
    let mut file = std::fs::read(&path).unwrap();
    file[start.0 as usize] ^= 1;
    let damaged = Image::from_bytes(file).unwrap();
    let error = converted(&damaged, &[&TO_B], kernel(B, "b1"))
        .err()
        .unwrap();
    assert!(matches!(error, ConvertError::Image(_)), "{error}");
}

#[test]
fn a_function_that_does_not_fit_its_rules_is_a_fault_of_ours() {
    let image = Sample::of(A).image();
    let error = converted(&image, &[&BROKEN], kernel(A, "a2"))
        .err()
        .unwrap();
    assert!(matches!(error, ConvertError::Fault(_)), "{error}");
}

// --- structures that become objects, and objects that become structures ----------------------

/// An image of `a` with an owner whose part says 9.
fn with_part() -> (Sample, usize) {
    let mut sample = Sample::of(A);
    let owner = sample.add("owner", 0x2000, &[1, 0, 0, 0, 9, 0, 0, 0]);
    (sample, owner)
}

#[test]
fn a_structure_becomes_an_object_and_a_structure_again() {
    let (mut sample, owner) = with_part();
    let empty = sample.add("owner", 0x3000, &[2, 0, 0, 0, 0, 0, 0, 0]);
    let image = sample.image();
    let (there, done) = to_b(&image).unwrap();
    let head = there.head();
    assert_eq!(head.objects.len(), 4);
    let made = head.objects.last().unwrap();
    assert_eq!(u64::from(number(&there, owner, 4)), made.address.0);
    assert_eq!(made.part_of, Some(ObjectId(owner as u32)));
    assert_eq!((number(&there, 3, 0), number(&there, 3, 4)), (0x2000, 9));
    assert_eq!(number(&there, empty, 4), 0);
    let parts = done.report.objects.iter().find(|of| of.ty == "part");
    assert_eq!(parts.unwrap().count, 1);

    let (back, _) = to_a(&there).unwrap();
    assert_eq!(back.head().objects, image.head().objects);
    for object in [owner, empty] {
        assert_eq!(bytes(&back, object), sample.bytes[object]);
    }
}

#[test]
fn a_part_that_two_point_at_is_part_of_neither() {
    let mut sample = Sample::of(B);
    for address in [0x2000, 0x3000, 0x3100] {
        sample.add("owner", address, &[0, 0, 0, 0, 0, 0x40, 0, 0]);
    }
    sample.add("part", 0x4000, &[0, 0x20, 0, 0, 9, 0, 0, 0]);
    let shared = findings(to_a(&sample.image()));
    let shared: Vec<_> = shared.iter().map(|finding| &finding.problem).collect();
    let target = String::from("part at 0x4000");
    assert!(shared.contains(&&Problem::Shared { target }), "{shared:?}");
    assert_eq!(shared.len(), 3);
}

#[test]
fn a_part_made_of_one_object_does_not_become_part_of_another() {
    let (mut sample, owner) = with_part();
    let other = sample.add("owner", 0x3000, &[2, 0, 0, 0, 0, 0, 0, 0]);
    let (there, _) = to_b(&sample.image()).unwrap();
    let pointer = number(&there, owner, 4);
    let swapped = changed(&there, |there| {
        there.set(owner, 4, 0);
        there.set(other, 4, pointer);
        there.set(3, 0, 0x3000);
    });
    let problems = findings(to_a(&swapped));
    let problems: Vec<_> = problems.iter().map(|finding| &finding.problem).collect();
    let other = Problem::NotAPart { ty: "part" };
    assert_eq!(problems, [&other, &Problem::NoContainer]);
}

#[test]
fn a_part_needs_its_own_container() {
    // In `a` no part is an object of its own.
    let mut sample = Sample::of(A);
    sample.add("part", 0x4000, &[9, 0, 0, 0]);
    let (field, problem) = refused(to_b(&sample.image()));
    assert_eq!((&*field, problem), ("back", Problem::NoContainer));

    let (sample, _) = with_part();
    let (there, _) = to_b(&sample.image()).unwrap();
    let elsewhere = changed(&there, |there| there.set(2, 0, 0x1000));
    let (field, problem) = refused(to_a(&elsewhere));
    let expected = Problem::OtherContainer { expected: 0x2000 };
    assert_eq!((&*field, problem), ("back", expected));
}

// --- the account -------------------------------------------------------------------------------

fn account(done: &Report, field: &str) -> (u64, u64) {
    let changed = done.changed.iter().find(|changed| changed.field == field);
    let changed = changed.unwrap_or_else(|| panic!("nothing is said of {field}"));
    (changed.objects, changed.kept)
}

#[test]
fn the_account_counts_objects_fields_and_what_was_kept() {
    let mut sample = Sample::of(A);
    let task = sample.bytes[0].clone();
    let second = sample.add("task", 0x1000 + 28, &task);
    sample.head.slots.push(Slot {
        object: ObjectId(second as u32),
        ..sample.head.slots[0]
    });
    sample.set(0, task::GONE, 1);
    // It outgrows its place.
    let open = sample.add("open", 0x2000, &[0; 8]);
    let behind = sample.add("open", 0x2008, &[0; 8]);
    let (there, done) = to_b(&sample.image()).unwrap();
    let report = &done.report;
    assert_eq!(report.tasks.len(), 2);
    let of = |ty: &str| {
        let account = report.objects.iter().find(|of| of.ty == ty).unwrap();
        (account.count, account.bytes_before, account.bytes_after)
    };
    assert_eq!(of("task"), (2, 56, 40));
    assert_eq!(of("open"), (2, 16, 24));
    // Three carried fields and four dropped or reset ones for each task, two and one for each of the others.
    assert_eq!(report.fields["carry"], 2 * 3 + 2 * 2);
    assert_eq!(report.fields["drop"], 2 * 3 + 2);
    assert_eq!(there.head().provenance[0].fields, 2 * 8 + 2 * 3);
    assert_eq!(account(report, "task.gone"), (2, 1));
    assert_eq!(account(report, "task.lock"), (2, 0));
    assert_eq!(account(report, "open.gone"), (2, 0));
    let at = |object: usize| there.head().objects[object].address;
    assert_eq!(at(behind), KernelAddr(0x2008));
    assert!(at(open) > at(behind));
    assert_eq!(report.moved, 1);
}

#[test]
fn a_conversion_without_pages_gives_the_same_objects_and_findings() {
    let image = Sample::of(A).image();
    let (written, done) = to_b(&image).unwrap();
    let to_b = job(&[&TO_B], kernel(B, B.release));
    let (same, made) = convert_without_pages(&image, &to_b).unwrap();
    assert!(same.head == done.head);
    assert!(made.head() == written.head());
    for object in 0..made.head().objects.len() {
        assert_eq!(bytes(&made, object), bytes(&written, object));
    }
    // What is refused is refused alike.
    let broken = job(&[&BROKEN], kernel(B, B.release));
    let faults = [
        convert(&image, &broken, None, &mut |_, _| {}).map(drop),
        convert_without_pages(&image, &broken).map(drop),
    ];
    let [first, second] = faults.map(|result| result.unwrap_err().to_string());
    assert_eq!(first, second);
}
