//! What the writer does not take, in its own words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Sample, sample, sample_with_contents};
use insta::assert_snapshot;
use kconv_image::{
    ContentRun, Digest, Image, ImageWriter, KernelAddr, Machine, ObjectId, PageOf, PageSource,
    ResourceId, SlotTarget, SymbolId, TypeIx, UserAddr, Value,
};

/// What the writer says of the sample after `edit`.
fn refused(edit: impl FnOnce(&mut Sample)) -> String {
    let mut sample = sample(Machine::I386);
    edit(&mut sample);
    sample.refusal()
}

#[test]
fn object_of_an_unknown_type() {
    assert_snapshot!(refused(|sample| sample.head.objects[1].ty = TypeIx(3)), @"
    DIR/out.img: object 1 refers to type 3; there are 3, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_of_an_unknown_owner() {
    assert_snapshot!(refused(|sample| sample.head.objects[1].owner = ObjectId(6)), @"
    DIR/out.img: object 1 refers to owner 6; there are 6, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_whose_owner_is_no_task() {
    assert_snapshot!(refused(|sample| sample.head.objects[5].owner = ObjectId(4)), @"
    DIR/out.img: object 5 is owned by object 4, which does not own itself
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_before_its_owner() {
    assert_snapshot!(refused(|sample| sample.head.objects[1].owner = ObjectId(2)), @"
    DIR/out.img: object 1 comes before its owner, object 2
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_that_ends_outside_of_what_it_is_folded_into() {
    assert_snapshot!(refused(|sample| {
        let (owner, part) = (sample.head.objects[0].clone(), &mut sample.head.objects[1]);
        part.address = KernelAddr(owner.address.0 + owner.size - 8);
        part.part_of = Some(ObjectId(0));
        sample.objects.remove(1);
    }), @"
    DIR/out.img: object 1 of 48 bytes begins in object 0 and ends outside of it
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_that_is_a_part_of_a_part() {
    assert_snapshot!(refused(|sample| {
        sample.head.objects[1].part_of = Some(ObjectId(0));
        sample.head.objects[3].part_of = Some(ObjectId(1));
    }), @"
    DIR/out.img: object 3 is a part of object 1, which is a part itself
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slot_of_a_folded_object() {
    assert_snapshot!(refused(|sample| {
        let owner = sample.head.objects[0].clone();
        sample.head.objects[3].address = owner.address;
        sample.head.objects[3].part_of = Some(ObjectId(0));
        sample.objects.remove(3);
    }), @"
    DIR/out.img: slot 2 belongs to object 3, which is folded and has no bytes of its own
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_without_bytes() {
    assert_snapshot!(refused(|sample| {
        sample.head.objects[4].size = 0;
        sample.objects[4].clear();
    }), @"
    DIR/out.img: object 4 has 0 bytes and 1 elements; neither may be 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_without_elements() {
    assert_snapshot!(refused(|sample| sample.head.objects[4].count = 0), @"
    DIR/out.img: object 4 has 20 bytes and 0 elements; neither may be 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_whose_bytes_are_no_number_of_elements() {
    assert_snapshot!(refused(|sample| sample.head.objects[4].count = 3), @"
    DIR/out.img: object 4 has 20 bytes, which are no 3 elements of one size
    this is a fault of kconv: please report it
    ");
}

/// A null pointer would lead to it, and a conversion put it back there.
#[test]
fn object_at_zero() {
    let zero = KernelAddr(0);
    assert_snapshot!(refused(|sample| sample.head.objects[4].address = zero), @"
    DIR/out.img: object 4 of 20 bytes lies at 0, now or at the freeze
    this is a fault of kconv: please report it
    ");
    assert_snapshot!(refused(|sample| sample.head.objects[4].home = zero), @"
    DIR/out.img: object 4 of 20 bytes lies at 0, now or at the freeze
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_that_is_not_at_home_on_the_kernel_of_the_freeze() {
    let home = KernelAddr(0xc200_0000);
    let at_origin = |sample: &mut Sample| {
        sample.head.identity.kernel = sample.head.identity.origin.clone();
        sample
            .head
            .objects
            .iter_mut()
            .for_each(|object| object.home = object.address);
    };
    let mut whole = sample(Machine::I386);
    at_origin(&mut whole);
    assert!(Image::from_bytes(whole.bytes()).is_ok());
    assert_snapshot!(refused(|sample| {
        at_origin(sample);
        sample.head.objects[4].home = home;
    }), @"
    DIR/out.img: object 4 lies at 0xc1005000, but at 0xc2000000 at the freeze, and is of the same kernel
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_past_the_end_of_memory() {
    let address = KernelAddr(0xffff_ffed);
    assert_snapshot!(refused(|sample| sample.head.objects[4].address = address), @"
    DIR/out.img: object 4 of 20 bytes at 0xffffffed does not fit the address space
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_at_the_end_of_memory_is_taken() {
    let mut sample = sample(Machine::I386);
    sample.head.objects[4].address = KernelAddr(0xffff_ffec);
    assert!(Image::from_bytes(sample.bytes()).is_ok());
}

#[test]
fn object_from_past_the_end_of_memory() {
    let home = KernelAddr(0x1_0000_0000);
    assert_snapshot!(refused(|sample| sample.head.objects[4].home = home), @"
    DIR/out.img: object 4 of 20 bytes at 0x100000000 does not fit the address space
    this is a fault of kconv: please report it
    ");
}

#[test]
fn objects_that_overlap_by_a_byte() {
    let address = KernelAddr(0xc100_5013);
    assert_snapshot!(refused(|sample| sample.head.objects[5].address = address), @"
    DIR/out.img: objects 4 and 5 overlap at 0xc1005013
    this is a fault of kconv: please report it
    ");
}

#[test]
fn objects_at_one_address() {
    let address = KernelAddr(0xc100_1000);
    assert_snapshot!(refused(|sample| sample.head.objects[0].address = address), @"
    DIR/out.img: objects 0 and 2 overlap at 0xc1001000
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slot_of_an_unknown_object() {
    assert_snapshot!(refused(|sample| sample.head.slots[2].object = ObjectId(6)), @"
    DIR/out.img: slot 2 refers to object 6; there are 6, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slot_that_leaves_its_object() {
    assert_snapshot!(refused(|sample| sample.head.slots[2].offset = 45), @"
    DIR/out.img: slot 2 at byte 45 does not lie in object 3 of 48 bytes
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slot_of_an_unknown_symbol() {
    let target = SlotTarget::Symbol(SymbolId(2));
    assert_snapshot!(refused(|sample| sample.head.slots[0].target = target), @"
    DIR/out.img: slot 0 refers to symbol 2; there are 2, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slot_of_an_unknown_resource() {
    let target = SlotTarget::Resource(ResourceId(2));
    assert_snapshot!(refused(|sample| sample.head.slots[0].target = target), @"
    DIR/out.img: slot 0 refers to resource 2; there are 2, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slots_out_of_order() {
    assert_snapshot!(refused(|sample| sample.head.slots.swap(0, 1)), @"
    DIR/out.img: slot 1 does not come after slot 0 by object and offset
    this is a fault of kconv: please report it
    ");
}

#[test]
fn slots_at_one_place() {
    assert_snapshot!(refused(|sample| sample.head.slots[1].offset = 8), @"
    DIR/out.img: slot 1 does not come after slot 0 by object and offset
    this is a fault of kconv: please report it
    ");
}

#[test]
fn remainder_of_an_unknown_object() {
    let object = ObjectId(u32::MAX);
    assert_snapshot!(refused(|sample| sample.head.remainder[0].object = object), @"
    DIR/out.img: remainder 0 refers to object 4294967295; there are 6, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn remainder_of_an_unknown_step() {
    assert_snapshot!(refused(|sample| sample.head.remainder[0].step = 1), @"
    DIR/out.img: remainder 0 refers to step 1; there are 1, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn remainders_out_of_order() {
    assert_snapshot!(
        refused(|sample| {
            let mut second = sample.head.remainder[0].clone();
            second.offset -= 1;
            sample.head.remainder.push(second);
        }),
        @"
    DIR/out.img: remainder 1 comes before remainder 0 by step, object and offset
    this is a fault of kconv: please report it
    "
    );
}

#[test]
fn remainder_with_a_short_mask() {
    assert_snapshot!(refused(|sample| sample.head.remainder[0].mask = [0xff; 3].into()), @"
    DIR/out.img: remainder 0 has 3 bytes of mask for 4 bytes
    this is a fault of kconv: please report it
    ");
}

#[test]
fn remainder_with_bits_outside_its_mask() {
    assert_snapshot!(refused(|sample| sample.head.remainder[0].bytes[3] = 0x10), @"
    DIR/out.img: remainder 0 has bits outside its mask in byte 3
    this is a fault of kconv: please report it
    ");
}

#[test]
fn fact_about_an_unknown_object() {
    let value = Value::Object(ObjectId(6));
    assert_snapshot!(refused(|sample| sample.head.facts[1].1 = value), @"
    DIR/out.img: fact 1 refers to object 6; there are 6, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn resource_that_names_an_unknown_resource() {
    let value = Value::List(vec![Value::Resource(ResourceId(2))]);
    assert_snapshot!(refused(|sample| sample.head.resources[1].attributes[0].1 = value), @"
    DIR/out.img: resource 1 refers to resource 2; there are 2, numbered from 0
    this is a fault of kconv: please report it
    ");
}

fn nested(depth: u32) -> Value {
    (1..depth).fold(Value::List(Vec::new()), |value, _| Value::List(vec![value]))
}

#[test]
fn values_nested_too_deep() {
    assert_snapshot!(refused(|sample| sample.head.facts[0].1 = nested(17)), @"
    DIR/out.img: fact 0 has a value nested deeper than 16
    this is a fault of kconv: please report it
    ");
}

#[test]
fn values_nested_as_deep_as_allowed() {
    let mut sample = sample(Machine::I386);
    sample.head.facts[0].1 = nested(16);
    let image = Image::from_bytes(sample.bytes()).unwrap();
    assert_eq!(image.head().facts[0].1, nested(16));
}

#[test]
fn address_space_of_an_unknown_object() {
    assert_snapshot!(refused(|sample| sample.head.address_spaces[1].mm = ObjectId(6)), @"
    DIR/out.img: address space 1 refers to object 6; there are 6, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn two_address_spaces_of_one_object() {
    assert_snapshot!(refused(|sample| sample.head.address_spaces[1].mm = ObjectId(1)), @"
    DIR/out.img: address space 1 is the second of object 1
    this is a fault of kconv: please report it
    ");
}

#[test]
fn run_without_pages() {
    assert_snapshot!(refused(|sample| sample.head.address_spaces[1].runs[0].pages = 0), @"
    DIR/out.img: run 0 of address space 1 has no pages
    this is a fault of kconv: please report it
    ");
}

#[test]
fn run_inside_a_page() {
    let start = UserAddr(0x0804_8001);
    assert_snapshot!(refused(|sample| sample.head.address_spaces[1].runs[0].start = start), @"
    DIR/out.img: run 0 of address space 1, at 0x8048001 and position 0x3000, is not aligned to pages
    this is a fault of kconv: please report it
    ");
}

#[test]
fn run_at_an_odd_position() {
    assert_snapshot!(refused(|sample| sample.head.address_spaces[1].runs[0].position = 1), @"
    DIR/out.img: run 0 of address space 1, at 0x8048000 and position 0x1, is not aligned to pages
    this is a fault of kconv: please report it
    ");
}

#[test]
fn run_past_the_end_of_memory() {
    let start = UserAddr(0xffff_f000);
    assert_snapshot!(refused(|sample| sample.head.address_spaces[0].runs[1].start = start), @"
    DIR/out.img: run 1 of address space 0, 2 pages at 0xfffff000, does not fit the address space
    this is a fault of kconv: please report it
    ");
}

#[test]
fn runs_out_of_order() {
    let start = UserAddr(0x0804_8000);
    assert_snapshot!(refused(|sample| sample.head.address_spaces[0].runs[1].start = start), @"
    DIR/out.img: run 1 of address space 0, at 0x8048000, does not come after the run before it
    this is a fault of kconv: please report it
    ");
}

#[test]
fn run_with_an_unknown_access() {
    assert_snapshot!(refused(|sample| sample.head.address_spaces[0].runs[0].access = 8), @"
    DIR/out.img: run 0 of address space 0 has access 0x8, of which only bits 0 to 2 exist
    this is a fault of kconv: please report it
    ");
}

#[test]
fn core_note_with_our_name() {
    assert_snapshot!(refused(|sample| sample.head.core_notes[0].owner = "KCONV".into()), @r#"
    DIR/out.img: core note 0 is owned by "KCONV", which is not the name of another owner
    this is a fault of kconv: please report it
    "#);
}

#[test]
fn core_note_without_a_name() {
    assert_snapshot!(refused(|sample| sample.head.core_notes[0].owner.clear()), @r#"
    DIR/out.img: core note 0 is owned by "", which is not the name of another owner
    this is a fault of kconv: please report it
    "#);
}

#[test]
fn core_note_with_a_name_of_two_words() {
    assert_snapshot!(refused(|sample| sample.head.core_notes[0].owner = "CO RE".into()), @r#"
    DIR/out.img: core note 0 is owned by "CO RE", which is not the name of another owner
    this is a fault of kconv: please report it
    "#);
}

#[test]
fn more_pages_than_a_32_bit_file_has_room_for() {
    let position = 0xffff_f000;
    assert_snapshot!(refused(|sample| {
        sample.head.address_spaces[1].runs[1].position = position;
    }), @"
    DIR/out.img: objects and pages are too large for a file of this ELF class
    freeze fewer tasks into one image
    ");
}

#[test]
fn streamed_runs_that_leave_a_gap() {
    let position = 0x5000;
    assert_snapshot!(refused(|sample| {
        sample.head.address_spaces[1].runs[1].position = position;
    }), @"
    DIR/out.img: the page at 0xbfffe000 of the address space of object 3 has position 0x5000, but comes at 0x4000
    this is a fault of kconv: please report it
    ");
}

#[test]
fn object_of_another_size_than_declared() {
    assert_snapshot!(refused(|sample| sample.objects[1].push(0)), @"
    DIR/out.img: object 1 is 49 bytes long, but was declared as 48
    this is a fault of kconv: please report it
    ");
    assert_snapshot!(refused(|sample| sample.objects[1].truncate(47)), @"
    DIR/out.img: object 1 is 47 bytes long, but was declared as 48
    this is a fault of kconv: please report it
    ");
}

#[test]
fn one_object_too_many() {
    assert_snapshot!(refused(|sample| sample.objects.push(vec![0; 16])), @"
    DIR/out.img: object 6 is 16 bytes long, but was not declared
    this is a fault of kconv: please report it
    ");
}

#[test]
fn one_object_too_few() {
    assert_snapshot!(refused(|sample| sample.objects.truncate(5)), @"
    DIR/out.img: 5 of 6 objects were given
    this is a fault of kconv: please report it
    ");
}

/// What the writer says if the image ends otherwise than it began.
fn refused_at_the_end(
    edit: impl FnOnce(&mut Sample),
    finish: impl FnOnce(ImageWriter, &Sample) -> Result<Digest, kconv_image::WriteError>,
) -> String {
    let mut sample = sample(Machine::I386);
    let directory = tempfile::tempdir().unwrap();
    let head = &sample.head;
    let mut writer = ImageWriter::create(
        &directory.path().join("out.img"),
        Machine::I386,
        &head.objects,
        head.page_index(),
    )
    .unwrap();
    for bytes in &sample.objects {
        writer.object(bytes).unwrap();
    }
    edit(&mut sample);
    let error = finish(writer, &sample).unwrap_err();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    let text = format!("{error}\n{}", error.advice());
    text.replace(directory.path().to_str().unwrap(), "DIR")
}

/// What the writer says of the sample with contents after `edit`.
fn refused_contents(edit: impl FnOnce(&mut Sample)) -> String {
    let mut sample = sample_with_contents(Machine::I386);
    edit(&mut sample);
    sample.refusal()
}

#[test]
fn contents_of_what_is_not_there() {
    assert_snapshot!(refused_contents(|sample| sample.head.contents[0].resource = ResourceId(2)), @"
    DIR/out.img: contents 0 refers to resource 2; there are 2, numbered from 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn contents_of_one_file_twice() {
    assert_snapshot!(refused_contents(|sample| {
        let again = sample.head.contents[0].clone();
        sample.head.contents.push(again);
    }), @"
    DIR/out.img: contents 1 are the second of resource 0
    this is a fault of kconv: please report it
    ");
}

#[test]
fn runs_of_contents_that_are_out_of_order() {
    assert_snapshot!(refused_contents(|sample| sample.head.contents[0].runs[1].offset = 0), @"
    DIR/out.img: run 1 of contents 0, 1 pages at 0x0 and position 0x1000, is empty, not aligned to pages, out of order or beyond what a file can have
    this is a fault of kconv: please report it
    ");
}

#[test]
fn runs_of_contents_without_pages_off_a_page_or_beyond_all_files() {
    let refused = |edit: &dyn Fn(&mut ContentRun)| {
        refused_contents(|sample| edit(&mut sample.head.contents[0].runs[1]))
    };
    assert_snapshot!(refused(&|run| run.pages = 0), @"
    DIR/out.img: run 1 of contents 0, 0 pages at 0x3000 and position 0x1000, is empty, not aligned to pages, out of order or beyond what a file can have
    this is a fault of kconv: please report it
    ");
    assert_snapshot!(refused(&|run| run.offset = 0x3001), @"
    DIR/out.img: run 1 of contents 0, 1 pages at 0x3001 and position 0x1000, is empty, not aligned to pages, out of order or beyond what a file can have
    this is a fault of kconv: please report it
    ");
    assert_snapshot!(refused(&|run| run.position = 0x1001), @"
    DIR/out.img: run 1 of contents 0, 1 pages at 0x3000 and position 0x1001, is empty, not aligned to pages, out of order or beyond what a file can have
    this is a fault of kconv: please report it
    ");
    assert_snapshot!(refused(&|run| run.offset = 1 << 63), @"
    DIR/out.img: run 1 of contents 0, 1 pages at 0x8000000000000000 and position 0x1000, is empty, not aligned to pages, out of order or beyond what a file can have
    this is a fault of kconv: please report it
    ");
}

#[test]
fn contents_that_do_not_follow_one_another() {
    assert_snapshot!(refused_contents(|sample| sample.head.contents[0].runs[1].position = 0x2000), @"
    DIR/out.img: the page at 0x3000 of the file that is resource 0 has position 0x2000, but comes at 0x1000
    this is a fault of kconv: please report it
    ");
}

#[test]
fn an_object_that_moved_meanwhile() {
    assert_snapshot!(refused_at_the_end(
        |sample| sample.head.objects[2].address = KernelAddr(0xc200_0000),
        |writer, sample| writer.finish(&sample.head, PageSource::Stream(&mut |_, _| Ok(()))),
    ), @"
    DIR/out.img: the head has other objects or page runs than the image was started with
    this is a fault of kconv: please report it
    ");
}

#[test]
fn a_page_that_cannot_be_had() {
    assert_snapshot!(refused_at_the_end(
        |_| {},
        |writer, sample| {
            writer.finish(
                &sample.head,
                PageSource::Stream(&mut |of, into| match of {
                    PageOf::Memory(_, UserAddr(first))
                        if (first..first + into.len() as u64).contains(&0xbfff_f000) =>
                    {
                        Err(std::io::Error::other("the task is gone"))
                    }
                    _ => Ok(()),
                }),
            )
        },
    ), @"
    cannot get the page at 0xbffff000 of the address space of object 1: the task is gone
    check the source of the pages, and start again
    ");
}

#[test]
fn pages_of_another_image() {
    let mut other = sample(Machine::I386);
    other.head.address_spaces.truncate(1);
    other.pages.truncate(3);
    let other = Image::from_bytes(other.bytes()).unwrap();
    assert_snapshot!(refused_at_the_end(
        |_| {},
        |writer, sample| writer.finish(&sample.head, PageSource::Copy { from: &other }),
    ), @"
    DIR/out.img: the page runs take 20480 bytes, the page area to copy has 12288
    this is a fault of kconv: please report it
    ");
}
