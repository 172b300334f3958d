#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

/// What the fixtures hold: relative calls and jumps, which the x86 filter of xz rewrites. Made by
/// `gzip -9n`, `xz --check=crc32 --x86 --lzma2=dict=1MiB`, `zstd -19`, `lz4 -l -9` and
/// `xz --format=lzma`, all but gzip with the size appended as the kernel's build does.
fn plain() -> Vec<u8> {
    let mut plain = b"\x7fELF".to_vec();
    for i in 0..600u32 {
        plain.push(0xe8);
        plain.extend(i.to_le_bytes());
        plain.extend([0x90, 0xe9]);
        plain.extend((u32::MAX - i * 7).to_le_bytes());
        plain.extend(b"mov");
    }
    plain
}

const PACKED: [(Compression, &[u8]); 5] = [
    (
        Compression::Gzip,
        include_bytes!("../../../tests/fixtures/payload/gzip"),
    ),
    (
        Compression::Xz,
        include_bytes!("../../../tests/fixtures/payload/xz"),
    ),
    (
        Compression::Zstd,
        include_bytes!("../../../tests/fixtures/payload/zstd"),
    ),
    (
        Compression::Lz4,
        include_bytes!("../../../tests/fixtures/payload/lz4"),
    ),
    (
        Compression::Lzma,
        include_bytes!("../../../tests/fixtures/payload/lzma"),
    ),
];

#[test]
fn every_compression_unpacks_with_the_size_behind_it() {
    for (compression, packed) in PACKED {
        assert_eq!(Compression::detect(packed).unwrap(), compression);
        let unpacked = compression.unpack(packed, ByteSize(8404)).unwrap();
        assert!(unpacked == plain(), "{compression}");
    }
}

#[test]
fn the_limit_holds_to_the_byte() {
    for (compression, packed) in PACKED {
        let error = compression.unpack(packed, ByteSize(8403)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the {compression} payload unpacks to more than 8403 bytes")
        );
    }
}

#[test]
fn a_cut_payload_is_damaged() {
    for (compression, packed) in PACKED {
        let error = compression
            .unpack(&packed[..packed.len() / 2], ByteSize(1 << 20))
            .unwrap_err();
        assert!(
            matches!(error, KernelError::Damaged { .. }),
            "{compression}: {error}"
        );
    }
}

#[test]
fn flipped_bits_give_an_error_or_bytes_and_never_a_panic() {
    for (compression, packed) in PACKED {
        for at in 0..packed.len() {
            let mut damaged = packed.to_vec();
            damaged[at] ^= 0x55;
            if let Ok(unpacked) = compression.unpack(&damaged, ByteSize(1 << 20)) {
                assert!(unpacked.len() <= 1 << 20);
            }
        }
    }
}

/// Each block is unpacked into memory that is made before it is known how much of it is needed.
#[test]
fn many_small_blocks_cost_no_more_than_they_have() {
    let mut payload = vec![0x02, 0x21, 0x4c, 0x18];
    for _ in 0..1 << 18 {
        // A block of one byte: a sequence of no literals.
        payload.extend([1, 0, 0, 0, 0]);
    }
    let begin = std::time::Instant::now();
    let unpacked = Compression::Lz4.unpack(&payload, ByteSize(1 << 20));
    assert_eq!(unpacked.unwrap(), b"");
    // With 8 MiB for each it was minutes.
    let spent = begin.elapsed().as_secs();
    assert!(spent < 10, "{spent} s");
}

/// The most that a block can unpack to is taken: a run of zeros of 8 MiB.
#[test]
fn a_block_of_one_long_run_is_unpacked() {
    let plain = vec![0; 8 << 20];
    let packed = lz4_flex::block::compress(&plain);
    let mut payload = vec![0x02, 0x21, 0x4c, 0x18];
    payload.extend((packed.len() as u32).to_le_bytes());
    payload.extend(&packed);
    let unpacked = Compression::Lz4
        .unpack(&payload, ByteSize(1 << 24))
        .unwrap();
    assert!(unpacked == plain);
}
