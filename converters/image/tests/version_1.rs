//! Images of version 1 of the format, in which a kept value names the layout that it stood in. They are
//! made here as that version had them, note by note.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Sample, fault, note, note_area, objects_start, reseal, sample};
use insta::assert_snapshot;
use kconv_image::{Fingerprint, Image, Machine, Remainder, Step};

/// The sample as version 1 has it: its kept values stood in `layouts`.
fn version_1(sample: &Sample, layouts: &[Fingerprint]) -> Vec<u8> {
    let mut bytes = sample.bytes();
    let mut descriptor = (layouts.len() as u32).to_le_bytes().to_vec();
    for (kept, layout) in sample.head.remainder.iter().zip(layouts) {
        descriptor.extend(layout.0);
        descriptor.extend(kept.object.0.to_le_bytes());
        descriptor.extend(kept.offset.to_le_bytes());
        for part in [kept.field.as_bytes(), &kept.mask] {
            descriptor.extend((part.len() as u32).to_le_bytes());
            descriptor.extend(part);
        }
        descriptor.extend(&kept.bytes);
    }
    let (area, old) = (note_area(&bytes), note(&bytes, 9));
    let size = (descriptor.len() as u32).to_le_bytes();
    bytes[old.start - 16..old.start - 12].copy_from_slice(&size);
    bytes[area.start + 20..area.start + 24].copy_from_slice(&1_u32.to_le_bytes());
    descriptor.resize(descriptor.len().next_multiple_of(4), 0);
    let rest = old.start + old.len().next_multiple_of(4)..area.end;
    let notes = [&bytes[area.start..old.start], &descriptor, &bytes[rest]].concat();
    // What the notes have become longer by is taken from the padding behind them.
    let end = area.start + notes.len();
    assert_eq!(end.next_multiple_of(4096), area.end.next_multiple_of(4096));
    bytes[area.start..end].copy_from_slice(&notes);
    // `p_filesz` of the first program header.
    let (at, width) = match sample.head.identity.machine {
        Machine::I386 => (52 + 16, 4),
        Machine::X86_64 => (64 + 32, 8),
    };
    bytes[at..at + width].copy_from_slice(&(notes.len() as u64).to_le_bytes()[..width]);
    let start = objects_start(&bytes);
    reseal(&mut bytes, &(area.start..end), start);
    bytes
}

/// A conversion between layouts of which both names and fingerprints begin with these.
fn step(sample: &Sample, from: u8, to: u8, kept: u64) -> Step {
    let mut step = sample.head.provenance[0].clone();
    for (kernel, name) in [(&mut step.from, from), (&mut step.to, to)] {
        kernel.layout = name.to_string();
        kernel.fingerprint = Fingerprint([name; 32]);
    }
    Step { kept, ..step }
}

/// The sample after conversions, with as many kept values as there are `layouts`, and as version 1
/// has it.
fn after(steps: &[(u8, u8, u64)], layouts: &[u8]) -> Vec<u8> {
    let mut sample = sample(Machine::X86_64);
    let kept = sample.head.remainder[0].clone();
    let steps = steps.iter();
    let steps = steps.map(|(from, to, kept)| step(&sample, *from, *to, *kept));
    sample.head.provenance = steps.collect();
    let each = (0..layouts.len() as u32).map(|offset| Remainder {
        offset,
        ..kept.clone()
    });
    sample.head.remainder = each.collect();
    let layouts: Vec<Fingerprint> = layouts.iter().map(|one| Fingerprint([*one; 32])).collect();
    version_1(&sample, &layouts)
}

/// Step and offset of what was kept.
fn kept(bytes: Vec<u8>) -> Vec<(u32, u32)> {
    let image = Image::from_bytes(bytes).unwrap();
    let kept = image.head().remainder.iter();
    kept.map(|kept| (kept.step, kept.offset)).collect()
}

#[test]
fn an_image_of_version_1_reads_like_one_of_today() {
    for machine in [Machine::I386, Machine::X86_64] {
        let sample = sample(machine);
        let from = sample.head.provenance[0].from.fingerprint;
        let image = Image::from_bytes(version_1(&sample, &[from])).unwrap();
        assert_eq!(image.head(), &sample.head);
        assert!(image.verify(kconv_image::Verify::Everything).is_empty());
    }
}

#[test]
fn a_kept_value_is_of_the_conversion_from_its_layout() {
    let bytes = after(&[(1, 2, 1), (2, 3, 2)], &[2, 1, 2]);
    assert_eq!(kept(bytes), [(0, 1), (1, 0), (1, 2)]);
    // Back on the layout, all was put back that was kept there before.
    let bytes = after(&[(1, 2, 1), (2, 1, 0), (1, 2, 1)], &[1]);
    assert_eq!(kept(bytes), [(2, 0)]);
    // From a conversion that kept nothing nothing is left.
    let bytes = after(&[(1, 1, 0), (1, 2, 1)], &[1]);
    assert_eq!(kept(bytes), [(1, 0)]);
}

#[test]
fn a_kept_value_that_two_conversions_can_have_kept_is_refused() {
    let bytes = after(&[(1, 1, 1), (1, 2, 1)], &[1]);
    assert_snapshot!(fault(bytes), @"
    <memory>: remainder 0 is of the layout 0101010101010101010101010101010101010101010101010101010101010101, and 2 conversions can have kept it; version 1 of the format does not say which
    use a kconv of the release that wrote the image, or freeze the tasks again with this one
    ");
    let bytes = after(&[(1, 2, 1)], &[1, 7]);
    assert_snapshot!(fault(bytes), @"
    <memory>: remainder 1 is of the layout 0707070707070707070707070707070707070707070707070707070707070707, and 0 conversions can have kept it; version 1 of the format does not say which
    use a kconv of the release that wrote the image, or freeze the tasks again with this one
    ");
}
