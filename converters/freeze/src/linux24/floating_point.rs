//! Floating-point registers as `fxsave` writes them, brought into the form of `fsave`.
//!
//! Both forms are those of the Intel 64 and IA-32 Architectures Software Developer's Manual,
//! volume 1, sections 8.1.10 (figure "Protected mode x87 FPU state image in memory, 32-bit
//! format") and 10.5.1 ("FXSAVE area").

/// Tags of a register (section 8.1.7).
const VALID: u32 = 0;
const ZERO: u32 = 1;
const SPECIAL: u32 = 2;
const EMPTY: u32 = 3;

/// What `fsave` would have written where `fxsave` wrote `from`.
pub(super) fn fsave_from_fxsave(from: &[u8; 512]) -> [u8; 108] {
    let half = |at: usize| u32::from(u16::from_le_bytes([from[at], from[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let status = half(2);
    let unused = 0xffff_0000;
    let words = [
        half(0) | unused,
        status | unused,
        tags(from, status) | unused,
        word(8),
        half(12) | half(6) << 16,
        word(16),
        half(20) | unused,
    ];
    let mut to = [0; 108];
    for (at, word) in words.iter().enumerate() {
        to[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
    }
    for register in 0..8 {
        let (here, there) = (28 + 10 * register, 32 + 16 * register);
        to[here..here + 10].copy_from_slice(&from[there..there + 10]);
    }
    to
}

/// The tag word, two bits for each physical register. `fxsave` keeps one bit, whether the
/// register is in use; the rest follows from what is in it.
fn tags(from: &[u8; 512], status: u32) -> u32 {
    let top = (status >> 11 & 7) as usize;
    (0..8usize).fold(0, |tags, physical| {
        // The stack's registers are stored from its top on.
        let at = 32 + 16 * ((physical + 8 - top) % 8);
        let register = &from[at..at + 10];
        let exponent = u16::from_le_bytes([register[8], register[9]]) & 0x7fff;
        let tag = if from[4] >> physical & 1 == 0 {
            EMPTY
        } else if exponent == 0 && register[..8] == [0; 8] {
            ZERO
        } else if exponent == 0 || exponent == 0x7fff || register[7] & 0x80 == 0 {
            SPECIAL
        } else {
            VALID
        };
        tags | tag << (2 * physical)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An area with the stack top at physical register 6 and st(0) to st(2) in use: 1.0, 0, NaN.
    fn area() -> [u8; 512] {
        let mut area = [0; 512];
        area[..2].copy_from_slice(&0x037fu16.to_le_bytes());
        area[2..4].copy_from_slice(&(6u16 << 11).to_le_bytes());
        area[4] = 0b1100_0001;
        area[6..8].copy_from_slice(&0x05d9u16.to_le_bytes());
        area[8..12].copy_from_slice(&0x0804_8123u32.to_le_bytes());
        area[12..14].copy_from_slice(&0x23u16.to_le_bytes());
        area[16..20].copy_from_slice(&0xbfff_fe10u32.to_le_bytes());
        area[20..22].copy_from_slice(&0x2bu16.to_le_bytes());
        area[32..42].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
        area[64..74].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x7f]);
        area
    }

    #[test]
    fn tags_follow_the_registers_from_the_top_of_the_stack() {
        let fsave = fsave_from_fxsave(&area());
        let tags = u32::from_le_bytes([fsave[8], fsave[9], fsave[10], fsave[11]]);
        // Physical 6 is st(0) = 1.0, 7 is st(1) = 0, 0 is st(2) = NaN, the others are empty.
        assert_eq!(tags, 0xffff_0000 | 0b01_00_11_11_11_11_11_10);
    }

    #[test]
    fn pointers_and_the_opcode_find_their_places() {
        let fsave = fsave_from_fxsave(&area());
        assert_eq!(fsave[12..16], 0x0804_8123u32.to_le_bytes());
        assert_eq!(fsave[16..20], 0x05d9_0023u32.to_le_bytes());
        assert_eq!(fsave[20..24], 0xbfff_fe10u32.to_le_bytes());
        assert_eq!(fsave[24..28], 0xffff_002bu32.to_le_bytes());
        assert_eq!(fsave[28..38], [0, 0, 0, 0, 0, 0, 0, 0x80, 0xff, 0x3f]);
        assert_eq!(fsave[48..58], [0, 0, 0, 0, 0, 0, 0, 0xc0, 0xff, 0x7f]);
    }
}
