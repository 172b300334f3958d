//! Whatever stands in memory, a freeze ends: with an image that is sound, or with findings.
#![allow(clippy::unwrap_used, clippy::panic)]

mod frozen;

use frozen::{DUMPS, dump};
use kconv_freeze::{FreezeDumpError, FreezeError, OfDump, anything, freeze_dump};
use kconv_image::{Image, Verify};
use std::fs;

/// Random numbers, the same ones every time (Steele and others, "Fast splittable pseudorandom
/// number generators", 2014: SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}

#[test]
fn damaged_memory_never_ends_in_anything_but_an_image_or_findings() {
    let (mut images, mut refusals) = (0, 0);
    for name in DUMPS {
        let directory = tempfile::tempdir().unwrap();
        for file in ["index.json", "pages.bin", "symbols.json"] {
            fs::copy(dump(name).join(file), directory.path().join(file)).unwrap();
        }
        let objects = fs::read(dump(name).join("objects.bin")).unwrap();
        let words = objects.len() / 4;
        let word = |at: usize| <[u8; 4]>::try_from(&objects[4 * at..4 * at + 4]).unwrap();
        let made = directory.path().join("image");
        for seed in 0..60 {
            let mut random = Random(seed);
            let mut damaged = objects.clone();
            for _ in 0..1 + random.below(200) {
                // Values that stand elsewhere in memory are the hardest: many are pointers.
                let value = match random.below(4) {
                    0 => [random.below(256) as u8; 4],
                    _ => word(random.below(words)),
                };
                let at = 4 * random.below(words);
                damaged[at..at + 4].copy_from_slice(&value);
            }
            fs::write(directory.path().join("objects.bin"), &damaged).unwrap();
            match freeze_dump(directory.path(), &OfDump::default(), &mut anything, &made) {
                Ok(_) => {
                    let image = Image::open(&made).unwrap();
                    assert!(
                        image.verify(Verify::Everything).is_empty(),
                        "{name}, seed {seed}"
                    );
                    images += 1;
                }
                Err(FreezeDumpError::Freeze(FreezeError::Refused(findings))) => {
                    assert!(!findings.is_empty(), "{name}, seed {seed}");
                    refusals += 1;
                }
                Err(error) => panic!("{name}, seed {seed}: {error}"),
            }
        }
    }
    assert!(
        images > 0 && refusals > 0,
        "{images} images, {refusals} refusals"
    );
}
