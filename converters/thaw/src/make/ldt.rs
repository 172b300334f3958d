//! Segments of a process's own (LDT).

use crate::call::CallError;
use crate::remote::Remote;
use nix::errno::Errno;
use std::fs::File;

/// modify_ldt(2): write an entry, with all that `struct user_desc` says of it.
const WRITE: u64 = 0x11;
/// `struct user_desc` (`arch/x86/include/uapi/asm/ldt.h`), in bytes.
const SIZE: u64 = 16;

/// Writes the entries that are not empty, and the last, which tells how many there are.
pub(super) fn make(remote: &Remote, memory: &File, entries: &[u64]) -> Result<(), CallError> {
    let last = entries.len().saturating_sub(1);
    for (index, entry) in entries.iter().enumerate() {
        if *entry == 0 && index != last {
            continue;
        }
        let words = described(index as u32, *entry);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = remote.put(memory, &bytes)?;
        let arguments = [WRITE, at, SIZE];
        // It returns an `int`, without a sign beyond that (arch/x86/kernel/ldt.c: sys_modify_ldt).
        match remote.call("modify_ldt", libc::SYS_modify_ldt, &arguments)? as i32 {
            0 => {}
            error => {
                let error = Errno::from_raw(error.wrapping_neg());
                return Err(CallError::new("modify_ldt", error));
            }
        }
    }
    Ok(())
}

/// The `user_desc` of an entry: its number, base, limit, and bits. Where they are in the CPU's
/// descriptor: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 3, section 3.4.5.
fn described(index: u32, entry: u64) -> [u32; 4] {
    let bits = |first: u32, count: u32| (entry >> first) as u32 & ((1 << count) - 1);
    let base = bits(16, 16) | bits(32, 8) << 16 | bits(56, 8) << 24;
    let limit = bits(0, 16) | bits(48, 4) << 16;
    let (kind, present) = (bits(40, 4), bits(47, 1));
    let (free, wide, pages) = (bits(52, 1), bits(54, 1), bits(55, 1));
    // Data may be written, code read: the sense of this bit is the other way round.
    let read_or_execute_only = (kind >> 1 & 1) ^ 1;
    let contents = kind >> 2;
    let flags = wide
        | contents << 1
        | read_or_execute_only << 3
        | pages << 4
        | (present ^ 1) << 5
        | free << 6;
    [index, base, limit, flags]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_described() {
        // Base 0x12345000, limit 0xabc pages, 32 bits, writable data, free bit set.
        let words = described(3, 0x12d0_f334_5000_0abc);
        assert_eq!(words, [3, 0x1234_5000, 0xabc, 0b101_0001]);
        // What the kernel takes for an empty one (LDT_empty).
        assert_eq!(described(9, 0), [9, 0, 0, 0b10_1000]);
    }
}
