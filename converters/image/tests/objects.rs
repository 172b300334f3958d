//! All objects of an image, read at once or one after another, are what their digest says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Sample, sample};
use kconv_image::{Fault, Image, ImageError, KernelAddr, Machine, Object, ObjectId, TypeIx};
use proptest::prelude::*;

/// Longer than what is read at once, and not a multiple of what objects are aligned to.
const LONG: usize = (1 << 20) + 5;

/// The sample with objects of these lengths besides.
fn with(lengths: &[usize]) -> Sample {
    let mut sample = sample(Machine::X86_64);
    let mut address = 0xffff_8880_4000_0000;
    for (number, length) in lengths.iter().enumerate() {
        sample.head.objects.push(Object {
            ty: TypeIx(0),
            count: 1,
            size: *length as u64,
            address: KernelAddr(address),
            home: KernelAddr(address),
            owner: ObjectId(0),
            part_of: None,
        });
        address += 16 * (*length as u64);
        let bytes = (0..*length).map(|at| (at * 7 + number) as u8);
        sample.objects.push(bytes.collect());
    }
    sample
}

/// What reading one after another gives, `some` of them, and then the end.
fn stream(image: &Image, some: usize) -> Result<Vec<Vec<u8>>, ImageError> {
    let mut objects = image.objects();
    let mut read = Vec::new();
    while read.len() < some
        && let Some((_, bytes)) = objects.next_object()?
    {
        read.push(bytes.to_vec());
    }
    objects.end()?;
    Ok(read)
}

fn is_damage(error: &ImageError) -> bool {
    matches!(
        &error.fault,
        Fault::Digest {
            part: "the objects",
            ..
        }
    )
}

#[test]
fn objects_of_all_lengths_are_read_and_held_against_their_digest() {
    for lengths in [
        vec![],
        vec![1],
        vec![LONG],
        vec![3, LONG, LONG, 8, LONG + 11],
        vec![LONG - 5, 16, 5 * LONG, 1],
        vec![4096; 1000],
    ] {
        let sample = with(&lengths);
        let bytes = sample.bytes();
        let image = Image::from_bytes(bytes.clone()).unwrap();
        let all = image.read_objects().unwrap();
        for (id, object) in (0..).map(ObjectId).zip(&sample.objects) {
            assert!(all.get(id) == object.as_slice(), "{lengths:?}: {id:?}");
        }
        for some in [0, 1, 2, usize::MAX] {
            let read = stream(&image, some).unwrap();
            assert!(read == sample.objects[..read.len()], "{lengths:?}");
        }
        // A byte of the last object, wherever reading stops.
        let last = ObjectId(sample.objects.len() as u32 - 1);
        let (start, size) = image.object_area(last).unwrap();
        let mut damaged = bytes;
        damaged[(start.0 + size - 1) as usize] ^= 1;
        let image = Image::from_bytes(damaged).unwrap();
        assert!(is_damage(&image.read_objects().err().unwrap()));
        for some in [0, 1, usize::MAX] {
            assert!(is_damage(&stream(&image, some).unwrap_err()), "{lengths:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_byte_that_changed_is_noticed(
        lengths in prop::collection::vec(1..300_000_usize, 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let sample = with(&lengths);
        let image = Image::from_bytes(sample.bytes()).unwrap();
        let (start, _) = image.object_area(ObjectId(0)).unwrap();
        let last = ObjectId(sample.objects.len() as u32 - 1);
        let (last, size) = image.object_area(last).unwrap();
        let mut damaged = sample.bytes();
        damaged[(start.0 as usize) + at.index((last.0 + size - start.0) as usize)] ^= 0x10;
        let image = Image::from_bytes(damaged).unwrap();
        prop_assert!(is_damage(&stream(&image, usize::MAX).unwrap_err()));
        prop_assert!(is_damage(&image.read_objects().err().unwrap()));
    }
}
