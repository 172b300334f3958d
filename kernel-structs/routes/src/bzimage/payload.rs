//! The compressed kernel: every compression of `CONFIG_KERNEL_*` but bzip2 and lzo.
//!
//! The kernel's build appends the size of the unpacked kernel to most formats
//! (`scripts/Makefile.lib`: `size_append`), so that bytes after the end of a stream are no error.

use super::compression::Compression;
use super::error::KernelError;
use kernel_structs::units::ByteSize;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;
use std::io::{self, Read};

/// The largest dictionary or window that a stream may ask for, in bytes. The kernel's build uses
/// 32 MiB for xz and 128 MiB for zstd (`scripts/Makefile.lib`: `zstd22 --ultra`).
pub const DICTIONARY_LIMIT: u64 = 128 << 20;

impl Compression {
    /// The compression of a payload by its first bytes, as in `lib/decompress.c`.
    ///
    /// # Errors
    /// If no known compression begins like it.
    pub fn detect(payload: &[u8]) -> Result<Compression, KernelError> {
        Ok(match payload {
            [0x1f, 0x8b | 0x9e, ..] => Compression::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            [0x02, 0x21, 0x4c, 0x18, ..] => Compression::Lz4,
            [0x5d, 0x00, 0x00, ..] => Compression::Lzma,
            _ => {
                return Err(KernelError::UnknownCompression {
                    found: payload.iter().take(8).copied().collect(),
                    hint: match payload {
                        [b'B', b'Z', b'h', ..] => "bzip2, which is not unpacked here",
                        [0x89, b'L', b'Z', b'O', ..] => "lzo, which is not unpacked here",
                        _ => "no known compression",
                    },
                });
            }
        })
    }

    /// Unpacks `payload`, to at most `limit` bytes.
    ///
    /// # Errors
    /// If the payload is damaged or unpacks to more.
    pub fn unpack(self, payload: &[u8], limit: ByteSize) -> Result<Vec<u8>, KernelError> {
        let unpacked = match self.stream(payload) {
            Some(stream) => stream.and_then(|stream| bounded(stream, limit)),
            None => lz4_legacy(payload, limit),
        };
        match unpacked {
            Ok(Some(unpacked)) => Ok(unpacked),
            Ok(None) => Err(KernelError::TooLarge {
                compression: self,
                limit: limit.0,
            }),
            Err(source) => Err(KernelError::Damaged {
                compression: self,
                source,
            }),
        }
    }

    /// Unpacks `payload` as it is read; `None` for lz4, whose legacy frame is unpacked whole.
    ///
    /// # Errors
    /// If the payload is damaged at its beginning. What is damaged later is an error of the reads.
    pub(crate) fn stream<'a>(self, payload: &'a [u8]) -> Option<io::Result<Box<dyn Read + 'a>>> {
        let kibibytes = (DICTIONARY_LIMIT >> 10) as u32 + 1024;
        let stream: io::Result<Box<dyn Read + 'a>> = match self {
            Compression::Gzip => Ok(Box::new(flate2::read::GzDecoder::new(payload))),
            Compression::Xz => Ok(Box::new(XzReader::new_mem_limit(payload, false, kibibytes))),
            Compression::Zstd => {
                StreamingDecoder::new_with_max_window_size(payload, DICTIONARY_LIMIT)
                    .map(|stream| Box::new(stream) as Box<dyn Read + 'a>)
                    .map_err(io::Error::other)
            }
            Compression::Lz4 => return None,
            Compression::Lzma => LzmaReader::new_mem_limit(payload, kibibytes, None)
                .map(|stream| Box::new(stream) as Box<dyn Read + 'a>),
        };
        Some(stream)
    }
}

/// Everything that `stream` has; `None` if that is more than `limit`.
fn bounded(stream: impl Read, limit: ByteSize) -> io::Result<Option<Vec<u8>>> {
    let mut unpacked = Vec::new();
    let read = stream
        .take(limit.0.saturating_add(1))
        .read_to_end(&mut unpacked)?;
    Ok(Some(unpacked).filter(|_| read as u64 <= limit.0))
}

/// The legacy frame: a magic number, then blocks of a length and its bytes, each of which unpacks
/// to at most 8 MiB (`lz4_Frame_format.md`: "Legacy frame").
fn lz4_legacy(payload: &[u8], limit: ByteSize) -> io::Result<Option<Vec<u8>>> {
    const BLOCK: usize = 8 << 20;
    let mut unpacked = Vec::new();
    let mut rest = payload.get(4..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        // Another frame may follow, and at the end there is the size that the build appended,
        // which no block is left for.
        if u32::from_le_bytes([0x02, 0x21, 0x4c, 0x18]) as usize == length {
            rest = after;
            continue;
        }
        if after.is_empty() {
            break;
        }
        let block = after.get(..length).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!(
                    "a block of {length} bytes, {} bytes before the end",
                    after.len()
                ),
            )
        })?;
        // A byte is at most 255 of the unpacked block, whose memory is made before it is known how much of it
        // is needed (lz4_Block_format.md: "The end of block condition", and lengths of 255 a byte).
        let most = length.saturating_mul(255).saturating_add(64).min(BLOCK);
        let block = lz4_flex::block::decompress(block, most)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        unpacked.extend_from_slice(&block);
        if unpacked.len() as u64 > limit.0 {
            return Ok(None);
        }
        rest = &after[length..];
    }
    Ok(Some(unpacked))
}

#[cfg(test)]
mod tests;
