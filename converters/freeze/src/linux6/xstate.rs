//! Where the components of register state lie on this CPU: the kernel keeps the places of the standard
//! form in arrays of its own (`arch/x86/kernel/fpu/xstate.c`: xstate_offsets, xstate_sizes,
//! xstate_flags), because CPUs differ.

use super::machine::symbol;
use crate::error::Fault;
use crate::memory::Memory;
use kconv_machine::{XSAVE_COMPONENTS, XsaveComponents};
use kernel_structs_bits::little_endian;

/// Reads the kernel's arrays.
pub(super) fn components(memory: Memory<'_>) -> Result<XsaveComponents, Fault> {
    let array = |name: &str| -> Result<Vec<usize>, Fault> {
        let bytes = memory.bytes(symbol(memory, name)?, 4 * XSAVE_COMPONENTS as u64)?;
        let words = bytes.chunks_exact(4);
        Ok(words.map(|word| little_endian(word) as usize).collect())
    };
    // XSTATE_FLAG_ALIGNED64
    const ALIGNED: usize = 2;
    let flags = array("xstate_flags")?.into_iter();
    Ok(XsaveComponents {
        offsets: array("xstate_offsets")?,
        sizes: array("xstate_sizes")?,
        aligned: flags.map(|flags| flags & ALIGNED != 0).collect(),
    })
}
