//! Dumps that makedumpfile or QEMU compressed page by page (makedumpfile:
//! `IMPLEMENTATION`, "diskdump_mod.h"; QEMU: `dump/dump.c`).
//!
//! Blocks of the size of a page: a header, a sub-header, two bitmaps of all pages (those of the
//! machine, those in the file), then a descriptor for each page in the file. The flattened form,
//! which can be written to a pipe, is a sequence of pieces, each with its place in the file.

use crate::physical::Physical;
use crate::source::ReadError;
use kconv_image::{KernelAddr, PAGE_SIZE};
use kconv_machine::{data, read_some};
use kernel_structs_bits::little_endian;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::iter;
use std::ops::Range;

const SIGNATURE: &[u8; 8] = b"KDUMP   ";
const FLATTENED: &[u8; 16] = b"makedumpfile\0\0\0\0";
const FLATTENED_HEADER: u64 = 4096;

/// How a page is compressed (`DUMP_DH_COMPRESSED_*`).
const ZLIB: u64 = 0x1;
const LZO: u64 = 0x2;
const SNAPPY: u64 = 0x4;
const ZSTD: u64 = 0x20;

/// Bytes of a descriptor.
const DESCRIPTOR: u64 = 24;

/// The largest window that a compressed page may ask for, in bytes; it needs none larger than itself.
const MAX_WINDOW: u64 = 1 << 20;

/// The most pieces of a flattened file, and the most pages of a machine: 64 TiB.
const MAX_PIECES: usize = 1 << 26;
const MAX_PAGES: u64 = 1 << 34;

/// What is wrong with a compressed dump.
#[derive(Debug, thiserror::Error)]
pub enum KdumpError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("this is neither an ELF core file nor a compressed dump (kdump)")]
    Other,
    /// Its headers contradict themselves.
    #[error("the header says {count} {what}, which cannot be")]
    Header {
        /// What it says.
        what: &'static str,
        /// The number.
        count: u64,
    },
}

impl KdumpError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            KdumpError::Io(_) => "name a file that can be read",
            KdumpError::Other => {
                "name a dump of a whole machine: /proc/vmcore, makedumpfile's, or QEMU's dump-guest-memory"
            }
            KdumpError::Header { .. } => "the file is damaged; dump the machine again",
        }
    }
}

/// A compressed dump.
pub(super) struct Kdump {
    file: Pieces,
    /// Parts of the second bitmap that have a page, by their number.
    bitmap: BTreeMap<u64, Part>,
    descriptors: u64,
    vmcoreinfo: Option<Vec<u8>>,
    /// The page read last.
    last: RefCell<Option<(u64, Vec<u8>)>>,
}

/// A part of a bitmap: [`PART`] bytes of it.
struct Part {
    bits: Vec<u8>,
    /// How many pages in the file come before those of each word.
    before: Vec<u64>,
}

/// Bytes of a part of a bitmap, and the pages that it is of.
const PART: u64 = 4096;
const PART_PAGES: u64 = 8 * PART;

impl Kdump {
    pub(super) fn open(file: File) -> Result<Kdump, KdumpError> {
        let file = Pieces::open(file)?;
        let mut header = [0; 464];
        file.read(0, &mut header).map_err(|_| KdumpError::Other)?;
        if header[..8] != *SIGNATURE {
            return Err(KdumpError::Other);
        }
        // After the signature, the version and six names of 65 bytes, aligned, and two times of
        // 64 bits: status, block size, blocks of the sub-header, blocks of the bitmaps, and the
        // number of pages in 32 bits.
        let number = |at: usize| little_endian(&header[at..at + 4]);
        let version = number(8);
        let (block, sub, bitmap) = (number(428), number(432), number(436));
        if block != PAGE_SIZE {
            let what = "bytes of a block";
            return Err(KdumpError::Header { what, count: block });
        }
        let mut second = [0; 120];
        file.read(block, &mut second)?;
        let word = |at: usize| little_endian(&second[at..at + 8]);
        let pages = match version {
            6.. => word(96),
            _ => number(440),
        };
        let size = bitmap * block / 2;
        if pages > MAX_PAGES || size * 8 < pages {
            let what = "pages";
            return Err(KdumpError::Header { what, count: pages });
        }
        let size_of_file = file.length()?;
        let bytes = pages.div_ceil(8);
        let start = (1 + sub) * block + size;
        if start.saturating_add(bytes) > size_of_file {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let (bitmap_parts, there) = parts(&file, start, bytes)?;
        let descriptors = (1 + sub + bitmap) * block;
        // Each page that is there has a descriptor.
        if there > size_of_file.saturating_sub(descriptors) / DESCRIPTOR {
            let what = "pages in the file";
            return Err(KdumpError::Header { what, count: there });
        }
        let (at, length) = (word(32), word(40));
        let vmcoreinfo = match length {
            1..=65536 => {
                let mut bytes = vec![0; length as usize];
                file.read(at, &mut bytes)?;
                Some(bytes)
            }
            _ => None,
        };
        Ok(Kdump {
            file,
            bitmap: bitmap_parts,
            descriptors,
            vmcoreinfo,
            last: RefCell::default(),
        })
    }

    pub(super) fn vmcoreinfo(&self) -> Option<Vec<u8>> {
        self.vmcoreinfo.clone()
    }

    /// How many pages in the file come before `page`; `None` if that is not in it.
    fn position(&self, page: u64) -> Option<u64> {
        let part = self.bitmap.get(&(page / PART_PAGES))?;
        let word = (page % PART_PAGES / 64) as usize;
        let bits = part.bits.chunks(8).nth(word).map(little_endian)?;
        if bits >> (page % 64) & 1 == 0 {
            return None;
        }
        let below = bits & ((1 << (page % 64)) - 1);
        Some(part.before[word] + u64::from(below.count_ones()))
    }

    fn page(&self, page: u64) -> Result<Vec<u8>, ReadError> {
        let missing = ReadError::Missing {
            at: KernelAddr(page * PAGE_SIZE),
            size: PAGE_SIZE,
        };
        let position = self.position(page).ok_or(missing)?;
        let mut descriptor = [0; DESCRIPTOR as usize];
        let at = self.descriptors + DESCRIPTOR * position;
        self.file.read(at, &mut descriptor)?;
        let at = little_endian(&descriptor[..8]);
        let size = little_endian(&descriptor[8..12]);
        let flags = little_endian(&descriptor[12..16]);
        // What does not get shorter is not compressed.
        if size == 0 || size > PAGE_SIZE {
            return Err(damaged("a page has an impossible size").into());
        }
        let mut bytes = vec![0; size as usize];
        self.file.read(at, &mut bytes)?;
        Ok(unpack(flags, bytes)?)
    }
}

/// The parts of a bitmap of `bytes` bytes at `start` that have a page, and how many pages they have. Holes of the file, and pages
/// that are not in it, take no memory.
fn parts(file: &Pieces, start: u64, bytes: u64) -> io::Result<(BTreeMap<u64, Part>, u64)> {
    let mut parts = BTreeMap::new();
    let mut count = 0;
    let mut bits = vec![0; PART as usize];
    let is_hole = file.holes(start, bytes);
    for number in (0..bytes.div_ceil(PART)).filter(|number| !is_hole(number * PART)) {
        let at = number * PART;
        bits.resize(PART.min(bytes - at) as usize, 0);
        file.read(start + at, &mut bits)?;
        if bits.iter().all(|byte| *byte == 0) {
            continue;
        }
        let mut before = Vec::with_capacity(bits.len().div_ceil(8));
        for word in bits.chunks(8) {
            before.push(count);
            count += u64::from(little_endian(word).count_ones());
        }
        let bits = bits.clone();
        parts.insert(number, Part { bits, before });
    }
    Ok((parts, count))
}

fn unpack(flags: u64, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let page = match flags & (ZLIB | LZO | SNAPPY | ZSTD) {
        0 => bytes,
        ZLIB => at_most_a_page(flate2::read::ZlibDecoder::new(&bytes[..]))?,
        SNAPPY => {
            let length = snap::raw::decompress_len(&bytes).map_err(damaged)?;
            if length as u64 > PAGE_SIZE {
                return Err(damaged("a page is longer than a page"));
            }
            let mut decoder = snap::raw::Decoder::new();
            decoder.decompress_vec(&bytes).map_err(damaged)?
        }
        ZSTD => {
            let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(
                &bytes[..],
                MAX_WINDOW,
            );
            at_most_a_page(decoder.map_err(damaged)?)?
        }
        LZO => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the dump is compressed with LZO, which is not known here; compress it anew with `makedumpfile -c` (zlib), -p (snappy) or -z (zstd)",
            ));
        }
        _ => return Err(damaged("a page is compressed in two ways")),
    };
    match page.len() as u64 {
        PAGE_SIZE => Ok(page),
        _ => Err(damaged("a page is shorter than a page")),
    }
}

fn at_most_a_page(decoder: impl Read) -> io::Result<Vec<u8>> {
    let mut page = Vec::with_capacity(PAGE_SIZE as usize);
    decoder.take(PAGE_SIZE + 1).read_to_end(&mut page)?;
    Ok(page)
}

fn damaged(what: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

impl Physical for Kdump {
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), ReadError> {
        let number = at / PAGE_SIZE;
        let mut last = self.last.borrow_mut();
        if last.as_ref().is_none_or(|(known, _)| *known != number) {
            *last = Some((number, self.page(number)?));
        }
        let from = (at % PAGE_SIZE) as usize;
        let bytes = last
            .as_ref()
            .and_then(|(_, page)| page.get(from..from + into.len()));
        let size = into.len() as u64;
        into.copy_from_slice(bytes.ok_or(ReadError::Missing {
            at: KernelAddr(at),
            size,
        })?);
        Ok(())
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let ranges = self.bitmap.keys().map(|number| {
            let first = number * PART_PAGES * PAGE_SIZE;
            (first, first + PART_PAGES * PAGE_SIZE)
        });
        ranges.collect()
    }
}

/// A file, or the pieces of a flattened one.
struct Pieces {
    file: File,
    /// Place, size and where it really is, by place; `None` for a file that is as it is.
    pieces: Option<Vec<(u64, u64, u64)>>,
}

impl Pieces {
    fn open(file: File) -> Result<Pieces, KdumpError> {
        let mut start = [0; 16];
        let flattened = read_some(&file, &mut start, 0)? == start.len() && start == *FLATTENED;
        if !flattened {
            return Ok(Pieces { file, pieces: None });
        }
        let mut pieces = Vec::new();
        let mut at = FLATTENED_HEADER;
        loop {
            let mut header = [0; 16];
            if read_some(&file, &mut header, at)? < header.len() {
                break;
            }
            let number = |at: usize| {
                header[at..at + 8]
                    .iter()
                    .fold(0i64, |n, byte| n << 8 | i64::from(*byte))
            };
            let (place, size) = (number(0), number(8));
            // The last piece has -1 for both.
            let (Ok(place), Ok(size)) = (u64::try_from(place), u64::try_from(size)) else {
                break;
            };
            at += 16;
            pieces.push((place, size, at));
            let what = "pieces";
            if size == 0 || pieces.len() > MAX_PIECES {
                return Err(KdumpError::Header {
                    what,
                    count: pieces.len() as u64,
                });
            }
            at = at.saturating_add(size);
        }
        // A later piece replaces an earlier one at the same place; both are kept in order.
        pieces.sort_by_key(|piece| piece.0);
        Ok(Pieces {
            file,
            pieces: Some(pieces),
        })
    }

    /// Tells of the parts of `bytes` bytes at `start`, by where they begin there, whether they are nothing but a hole.
    fn holes(&self, start: u64, bytes: u64) -> impl Fn(u64) -> bool + use<> {
        let all = || iter::once(0..u64::MAX).collect();
        let there: Vec<Range<u64>> = match &self.pieces {
            // What cannot be asked has no holes.
            None => data(&self.file).unwrap_or_else(|_| all()),
            Some(_) => all(),
        };
        move |at: u64| {
            let from = start.saturating_add(at);
            let to = from.saturating_add(PART.min(bytes.saturating_sub(at)));
            let first = there.partition_point(|range| range.end <= from);
            there.get(first).is_none_or(|range| range.start >= to)
        }
    }

    /// Bytes of the file that it is, or that is put together.
    fn length(&self) -> io::Result<u64> {
        let end = |piece: &(u64, u64, u64)| piece.0.saturating_add(piece.1);
        match &self.pieces {
            None => Ok(self.file.metadata()?.len()),
            Some(pieces) => Ok(pieces.iter().map(end).max().unwrap_or(0)),
        }
    }

    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let Some(pieces) = &self.pieces else {
            return match read_some(&self.file, into, at)? == into.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        };
        let mut done = 0;
        while done < into.len() {
            let place = at + done as u64;
            let after = pieces.partition_point(|piece| piece.0 <= place);
            let found = pieces[..after]
                .iter()
                .rev()
                .take(16)
                .find(|(start, size, _)| place - start < *size);
            let (start, size, real) = found.ok_or(io::ErrorKind::UnexpectedEof)?;
            let skip = place - start;
            let part = (size - skip).min((into.len() - done) as u64) as usize;
            if read_some(&self.file, &mut into[done..done + part], real + skip)? < part {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            done += part;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    #[test]
    fn pages_are_unpacked_whatever_packed_them() {
        let page: Vec<u8> = (0..PAGE_SIZE).map(|byte| (byte / 100) as u8).collect();
        assert_eq!(unpack(0, page.clone()).unwrap(), page);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&page).unwrap();
        assert_eq!(unpack(ZLIB, zlib.finish().unwrap()).unwrap(), page);
        let snappy = snap::raw::Encoder::new().compress_vec(&page).unwrap();
        assert_eq!(unpack(SNAPPY, snappy).unwrap(), page);
        let zstd = ruzstd::encoding::compress_to_vec(
            &page[..],
            ruzstd::encoding::CompressionLevel::Uncompressed,
        );
        assert_eq!(unpack(ZSTD, zstd).unwrap(), page);
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for flags in [ZLIB, SNAPPY, ZSTD] {
            assert!(unpack(flags, vec![0xff; 100]).is_err());
        }
        assert!(unpack(0, vec![0; 100]).is_err());
        let lzo = unpack(LZO, vec![0; 100]).unwrap_err();
        assert!(lzo.to_string().contains("LZO"));
        let long = vec![0; 2 * PAGE_SIZE as usize];
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&long).unwrap();
        assert!(unpack(ZLIB, zlib.finish().unwrap()).is_err());
    }

    /// A dump of four pages, of which pages 1 and 3 are there.
    fn dump() -> Vec<u8> {
        let mut file = vec![0; 6 * PAGE_SIZE as usize];
        file[..8].copy_from_slice(SIGNATURE);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        for (at, value) in [(8, 6u32), (428, 4096), (432, 1), (436, 2)] {
            put(at, &value.to_le_bytes());
        }
        put(4096 + 96, &4u64.to_le_bytes());
        put(3 * 4096, &[0b1010]);
        for (index, place) in [(0, 4 * 4096 + 100u64), (1, 5 * 4096)] {
            let at = 4 * 4096 + 24 * index;
            put(at, &place.to_le_bytes());
        }
        let zlib = |byte: u8| {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&[byte; 4096]).unwrap();
            encoder.finish().unwrap()
        };
        for (index, byte) in [(0, 1), (1, 3)] {
            let packed = zlib(byte);
            let at = 4 * 4096 + 24 * index;
            put(at + 8, &(packed.len() as u32).to_le_bytes());
            put(at + 12, &1u32.to_le_bytes());
            let place = if index == 0 { 4 * 4096 + 100 } else { 5 * 4096 };
            put(place, &packed);
        }
        file
    }

    fn opened(bytes: &[u8]) -> Result<Kdump, KdumpError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Kdump::open(file)
    }

    fn check(dump: &Kdump) {
        let mut bytes = [0; 8];
        for (page, byte) in [(1, 1), (3, 3)] {
            dump.read(page * PAGE_SIZE + 16, &mut bytes).unwrap();
            assert_eq!(bytes, [byte; 8]);
        }
        for page in [0, 2, 4, 1 << 40] {
            assert!(dump.read(page * PAGE_SIZE, &mut bytes).is_err());
        }
    }

    #[test]
    fn pages_are_found_by_their_number() {
        check(&opened(&dump()).unwrap());
    }

    #[test]
    fn a_flattened_dump_is_put_together() {
        let plain = dump();
        let mut flattened = FLATTENED.to_vec();
        flattened.resize(4096, 0);
        // Pieces in any order.
        for (start, end) in [(8192, plain.len()), (0, 100), (100, 8192)] {
            flattened.extend((start as u64).to_be_bytes());
            flattened.extend(((end - start) as u64).to_be_bytes());
            flattened.extend(&plain[start..end]);
        }
        flattened.extend([0xff; 16]);
        check(&opened(&flattened).unwrap());
    }

    /// What it claims costs neither memory nor time.
    #[test]
    fn a_dump_that_claims_2_to_the_34_pages_is_looked_at_as_far_as_it_goes() {
        let pages = 1u64 << 34;
        let blocks = (pages / 8 / 4096 * 2) as u32;
        let with = |set: &[u64]| {
            let mut file = tempfile::tempfile_in("/dev/shm").unwrap();
            let mut head = dump();
            head.truncate(2 * 4096);
            head[436..440].copy_from_slice(&blocks.to_le_bytes());
            head[4096 + 96..4096 + 104].copy_from_slice(&pages.to_le_bytes());
            file.write_all(&head).unwrap();
            use std::os::unix::fs::FileExt;
            for page in set {
                let at = 2 * 4096 + pages / 8 + page / 8;
                file.write_all_at(&[1 << (page % 8)], at).unwrap();
            }
            file.set_len((2 + u64::from(blocks)) * 4096 + 24 * 2)
                .unwrap();
            Kdump::open(file)
        };
        let dump = with(&[7, pages - 1]).unwrap();
        assert_eq!(dump.position(7), Some(0));
        assert_eq!(dump.position(pages - 1), Some(1));
        assert_eq!(dump.position(8), None);
        let size: u64 = dump.ranges().iter().map(|(from, to)| to - from).sum();
        assert_eq!(size, 2 * PART_PAGES * PAGE_SIZE);
        // More pages than there are descriptors for.
        let error = with(&[1, 10, 20]).err().unwrap();
        assert!(error.to_string().contains("3 pages in the file"), "{error}");
    }

    #[test]
    fn damage_is_an_error() {
        let whole = dump();
        for length in (0..3 * 4096).step_by(511) {
            assert!(opened(&whole[..length]).is_err(), "{length}");
        }
        for (at, value) in [(0, b'X'), (428, 1), (4096 + 100, 1), (4096 + 103, 0x7f)] {
            let mut other = whole.clone();
            other[at] = value;
            assert!(opened(&other).is_err(), "{at}");
        }
    }
}
