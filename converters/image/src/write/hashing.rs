//! The digest of the page area, made of what is in the file: by a thread while more of it is written, or
//! afterwards.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::Hashing;
use crate::{Digest, tree};

/// How much is read at a time: what the processor keeps at hand, and enough for BLAKE3 to work on as many
/// parts at once as it can.
const CHUNK: usize = 1 << 18;

/// From how many bytes on a thread is worth its start.
const WORTH_A_THREAD: u64 = 1 << 20;

/// The digest of a part of a file.
pub(super) struct Hasher {
    file: File,
    start: u64,
    /// The end of what is written.
    end: u64,
    thread: Option<(Sender<u64>, JoinHandle<io::Result<Digest>>)>,
}

impl Hasher {
    /// Begins with the digest of what comes to `start` of `file`, which is about `length` bytes.
    ///
    /// # Errors
    /// If the file cannot be opened once more.
    pub(super) fn start(file: &File, start: u64, length: u64, when: Hashing) -> io::Result<Hasher> {
        let several = || std::thread::available_parallelism().is_ok_and(|count| count.get() > 1);
        let thread = match when {
            Hashing::Meanwhile if length >= WORTH_A_THREAD && several() => {
                thread(file.try_clone()?, start)
            }
            Hashing::Meanwhile | Hashing::Afterwards => None,
        };
        Ok(Hasher {
            file: file.try_clone()?,
            start,
            end: start,
            thread,
        })
    }

    /// All before `end`, a place in the file, is written.
    pub(super) fn written_to(&mut self, end: u64) {
        self.end = end;
        if let Some((ends, _)) = &self.thread {
            // A thread that has ended says why when it is asked for the digest.
            let _ = ends.send(end);
        }
    }

    /// The digest of all that is written.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn finish(self) -> io::Result<Digest> {
        match self.thread {
            Some((ends, thread)) => {
                drop(ends);
                let died = |_| io::Error::other("the thread that makes the digest has died");
                thread.join().map_err(died)?
            }
            None => {
                let read = |at, into: &mut [u8]| self.file.read_exact_at(into, self.start + at);
                tree::digest(self.end - self.start, &read)
            }
        }
    }
}

/// `None` if there can be no thread.
fn thread(file: File, start: u64) -> Option<(Sender<u64>, JoinHandle<io::Result<Digest>>)> {
    let (ends, received): (_, Receiver<u64>) = channel();
    let thread = std::thread::Builder::new().spawn(move || digest(&file, start, received));
    Some((ends, thread.ok()?))
}

/// The digest of what is in `file` from `start` to the last of `ends`, which are places to which all is written.
///
/// # Errors
/// If it cannot be read.
fn digest(file: &File, start: u64, ends: impl IntoIterator<Item = u64>) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    let mut at = start;
    for end in ends {
        while at < end {
            let step = (end - at).min(CHUNK as u64) as usize;
            file.read_exact_at(&mut buffer[..step], at)?;
            hasher.update(&buffer[..step]);
            at += step as u64;
        }
    }
    Ok(hasher.finalize().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// With a thread, if there can be one, and without.
    const WAYS: [(u64, Hashing); 3] = [
        (1 << 30, Hashing::Meanwhile),
        (4096, Hashing::Meanwhile),
        (1 << 30, Hashing::Afterwards),
    ];

    #[test]
    fn the_digest_is_that_of_what_was_written_in_whatever_pieces() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3_000_000_u32)
            .map(|number| (number / 7) as u8)
            .collect();
        file.write_all_at(&bytes, 0).unwrap();
        for (start, ends) in [
            (0, vec![4096, 4096, 2_000_000, 3_000_000]),
            (8192, vec![1_500_000]),
            (8192, vec![]),
        ] {
            let last = ends.last().copied().unwrap_or(start) as usize;
            let expected = Digest::of(&bytes[start as usize..last]);
            for (length, when) in WAYS {
                let mut hashing = Hasher::start(&file, start, length, when).unwrap();
                for end in &ends {
                    hashing.written_to(*end);
                }
                assert_eq!(
                    hashing.finish().unwrap(),
                    expected,
                    "{start} {ends:?} {length} {when:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_there_has_no_digest() {
        for (length, when) in WAYS {
            let file = tempfile::tempfile().unwrap();
            file.set_len(4096).unwrap();
            let mut hashing = Hasher::start(&file, 0, length, when).unwrap();
            hashing.written_to(8192);
            let error = hashing.finish().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
