//! Where the components of register state lie on this CPU: the kernel keeps the places of the standard
//! form in arrays of its own (`arch/x86/kernel/fpu/xstate.c`: xstate_offsets, xstate_sizes,
//! xstate_flags), because CPUs differ. 5.10 has no flags, but the places in the compacted form of all
//! components that it uses (xstate_comp_offsets, xfeatures_mask_all), which is the form of every task.

use super::machine::symbol;
use crate::error::Fault;
use crate::memory::Memory;
use kconv_machine::{XSAVE_COMPONENTS, XsaveComponents};
use kernel_structs_bits::little_endian;

/// Components of the legacy region, which are at the same place in both forms.
const LEGACY: usize = 2;
/// Where the first component behind the header begins, in bytes.
const EXTENDED: usize = 512 + 64;

/// Reads the kernel's arrays.
pub(super) fn components(memory: Memory<'_>) -> Result<XsaveComponents, Fault> {
    let array = |name: &str| -> Result<Vec<usize>, Fault> {
        let bytes = memory.bytes(symbol(memory, name)?, 4 * XSAVE_COMPONENTS as u64)?;
        let words = bytes.chunks_exact(4);
        Ok(words.map(|word| little_endian(word) as usize).collect())
    };
    let (offsets, sizes) = (array("xstate_offsets")?, array("xstate_sizes")?);
    let aligned = match memory.source.symbol("xstate_comp_offsets") {
        Some(_) if memory.source.symbol("xstate_flags").is_none() => {
            let mask = memory.bytes(symbol(memory, "xfeatures_mask_all")?, 8)?;
            let places = array("xstate_comp_offsets")?;
            aligned_by_place(&places, &sizes, little_endian(&mask))
        }
        _ => {
            // XSTATE_FLAG_ALIGNED64
            const ALIGNED: usize = 2;
            let flags = array("xstate_flags")?.into_iter();
            flags.map(|flags| flags & ALIGNED != 0).collect()
        }
    };
    Ok(XsaveComponents {
        offsets,
        sizes,
        aligned,
    })
}

/// Which components begin at multiples of 64 bytes, by where they are in the compacted form of the
/// components `used`: one that does not follow at once on the one before it. Of one that does, it does not
/// matter, as there is no other form of it.
fn aligned_by_place(places: &[usize], sizes: &[usize], used: u64) -> Vec<bool> {
    let mut next = EXTENDED;
    let components = places.iter().zip(sizes).enumerate();
    let aligned = components.map(|(number, (place, size))| {
        if number < LEGACY || used >> number & 1 == 0 {
            return false;
        }
        let apart = *place != next;
        next = place.saturating_add(*size);
        apart
    });
    aligned.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_behind_a_gap_is_aligned() {
        // AVX, AVX-512 (three components), protection keys: their sizes on a server CPU.
        let used = 0b10_1110_0111;
        let (mut places, mut sizes) = (vec![usize::MAX; 19], vec![0; 19]);
        for (number, place, size) in [
            (0, 0, 160),
            (1, 160, 256),
            (2, 576, 256),
            (5, 832, 64),
            (6, 896, 512),
            (7, 1408, 1024),
            (9, 2432, 8),
        ] {
            (places[number], sizes[number]) = (place, size);
        }
        assert_eq!(aligned_by_place(&places, &sizes, used), [false; 19]);
        // Behind the eight bytes of the protection keys a component of tiles begins later.
        (places[10], sizes[10]) = (2496, 64);
        let aligned = aligned_by_place(&places, &sizes, used | 1 << 10);
        assert_eq!(aligned.iter().position(|aligned| *aligned), Some(10));
        // What lies behind the end of the kernel's array is of no component.
        assert!(!aligned_by_place(&places, &sizes, used)[10]);
    }
}
