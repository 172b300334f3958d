//! The compressions of kernels.

use std::fmt;

/// How a payload is compressed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Compression {
    /// `CONFIG_KERNEL_GZIP`
    Gzip,
    /// `CONFIG_KERNEL_XZ`, with the x86 branch filter.
    Xz,
    /// `CONFIG_KERNEL_ZSTD`
    Zstd,
    /// `CONFIG_KERNEL_LZ4`, the legacy frame.
    Lz4,
    /// `CONFIG_KERNEL_LZMA`
    Lzma,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compression::Gzip => "gzip",
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
            Compression::Lzma => "lzma",
        })
    }
}
