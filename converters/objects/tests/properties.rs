//! Reading by name against the layout's own list of what a type has and where.
#![allow(clippy::unwrap_used)]

use kconv_image::KernelAddr;
use kconv_objects::{Names, Structure};
use kernel_structs::layout::{LeafKind, leaves};
use kernel_structs::releases::Registry;
use proptest::prelude::*;
use std::sync::LazyLock;

/// It reads each layout once, for all cases.
static REGISTRY: LazyLock<&Registry> = LazyLock::new(|| Registry::builtin().unwrap());

/// Bits `first` to `first + width` of `bytes`, one at a time.
fn bits(bytes: &[u8], first: u64, width: u64) -> u64 {
    (0..width).rev().fold(0, |number, bit| {
        let at = first + bit;
        number << 1 | u64::from(bytes[(at / 8) as usize] >> (at % 8) & 1)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Every scalar of a saved type of a real kernel is where the layout has it, as wide, and with its
    /// sign; and one byte less than it takes is an error.
    #[test]
    fn every_scalar_is_read_from_its_place(
        layout in any::<prop::sample::Index>(),
        ty in any::<prop::sample::Index>(),
        seed in any::<u64>(),
        chosen in prop::collection::vec(any::<prop::sample::Index>(), 32),
    ) {
        let registry = &*REGISTRY;
        let entries: Vec<_> = registry.layouts().collect();
        let entry = layout.get(&entries);
        let layout = registry.layout(&entry.id).unwrap();
        let map = registry.state_map(&entry.family).unwrap();
        let saved: Vec<_> = map
            .types
            .iter()
            .filter(|(name, entry)| entry.saved && layout.find(name).is_some())
            .collect();
        let name = ty.get(&saved).0;
        let names = Names::new(&layout);
        let id = names.find(name).unwrap();
        let size = names.size_of(name).unwrap();
        let bytes: Vec<u8> = (0..size)
            .scan(seed, |state, _| {
                *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                Some((*state >> 56) as u8)
            })
            .collect();
        let whole = Structure::new(&names, id, KernelAddr(0x1000), bytes.as_slice());
        let all = leaves(&layout, id, 1 << 20).unwrap();
        prop_assume!(!all.is_empty());
        for leaf in chosen.iter().map(|index| index.get(&all)) {
            let path = leaf.path.to_string();
            let width = leaf.size.0;
            if leaf.kind == LeafKind::Float || width > 64 {
                prop_assert!(whole.number(&path).is_err());
                continue;
            }
            let raw = bits(&bytes, leaf.offset.0, width);
            let unused = 64 - width as u32;
            let extended = ((raw << unused) as i64 >> unused) as u64;
            prop_assert_eq!(whole.unsigned(&path), Ok(raw), "{}.{}", name, path);
            let found = whole.signed(&path).unwrap() as u64;
            match leaf.kind {
                LeafKind::Signed => prop_assert_eq!(found, extended, "{}.{}", name, path),
                LeafKind::Unsigned | LeafKind::Bool | LeafKind::Pointer(_) => {
                    prop_assert_eq!(found, raw, "{}.{}", name, path);
                }
                // Signed or not, as the compiler has it.
                LeafKind::Char | LeafKind::Enum(_) | LeafKind::Float => {
                    prop_assert!(found == raw || found == extended, "{}.{}", name, path);
                }
            }
            prop_assert_eq!(whole.offset_of(&path).unwrap(), leaf.offset.0 / 8);
            let end = (leaf.offset.0 + width).div_ceil(8) as usize;
            let short = Structure::new(&names, id, KernelAddr(0x1000), &bytes[..end - 1]);
            prop_assert!(short.unsigned(&path).is_err(), "{}.{}", name, path);
            let exact = Structure::new(&names, id, KernelAddr(0x1000), &bytes[..end]);
            prop_assert_eq!(exact.unsigned(&path), Ok(raw), "{}.{}", name, path);
        }
    }

    /// Whatever is asked for, there is an answer.
    #[test]
    fn no_path_and_no_bytes_panic(
        path in "[a-z_.\\[\\]0-9|]{0,24}",
        bytes in prop::collection::vec(any::<u8>(), 0..128),
        count in any::<u64>(),
    ) {
        let registry = &*REGISTRY;
        let entry = registry.layouts().next().unwrap();
        let layout = registry.layout(&entry.id).unwrap();
        let names = Names::new(&layout);
        let id = names.find("task_struct").unwrap();
        for path in [path.as_str(), "comm", "pending", "rlim", ""] {
            let task = Structure::new(&names, id, KernelAddr(u64::MAX - 8), bytes.as_slice());
            let _ = (task.number(path), task.text(path), task.address_of(path));
            let _ = (task.bytes_from(path, count), task.numbers(path));
            let _ = task.elements_of(path, count).map(|elements| elements.len());
        }
    }
}
