//! The digest of many bytes, made by several threads: BLAKE3 is a tree, and its branches can be made apart
//! (the BLAKE3 paper, section 2.1).

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::Digest;

/// Length of the branch that is made at once, in bytes: a power of two, and of so much work that a thread is worth it.
pub(crate) const BRANCH: u64 = 4 << 20;

/// How much is read at a time: what the processor keeps at hand, and enough for BLAKE3 to work on as many
/// parts at once as it can.
const CHUNK: u64 = 1 << 18;

/// More threads read no faster from one file.
const MOST_THREADS: usize = 16;

/// The digest of `length` bytes, which `read` fills in from an offset on. Memory: a quarter of a megabyte for each CPU.
///
/// # Errors
/// What `read` says of the earliest bytes that it cannot fill in.
pub(crate) fn digest<E: Send>(
    length: u64,
    read: &(impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync),
) -> Result<Digest, E> {
    of_branches(length, &|start, length, hasher| {
        let mut buffer = vec![0; CHUNK.min(length) as usize];
        let mut done = 0;
        while done < length {
            let step = &mut buffer[..CHUNK.min(length - done) as usize];
            read(start + done, step)?;
            hasher.update(step);
            done += step.len() as u64;
        }
        Ok(())
    })
}

/// Fills `bytes` with `read`, and gives their digest.
///
/// # Errors
/// As [`digest`].
pub(crate) fn fill<E: Send>(
    bytes: &mut [u8],
    read: &(impl Fn(u64, &mut [u8]) -> Result<(), E> + Sync),
) -> Result<Digest, E> {
    let length = bytes.len() as u64;
    let branches: Vec<Mutex<&mut [u8]>> =
        bytes.chunks_mut(BRANCH as usize).map(Mutex::new).collect();
    of_branches(length, &|start, _, hasher| {
        let Some(branch) = branches.get((start / BRANCH) as usize) else {
            return Ok(());
        };
        // Each is taken once.
        let mut branch = branch.lock().unwrap_or_else(|error| error.into_inner());
        let mut at = start;
        for step in branch.chunks_mut(CHUNK as usize) {
            read(at, step)?;
            hasher.update(step);
            at += step.len() as u64;
        }
        Ok(())
    })
}

/// The digest of `length` bytes: `branch` gives a hasher those from an offset on, so many.
fn of_branches<E: Send>(
    length: u64,
    branch: &(impl Fn(u64, u64, &mut blake3::Hasher) -> Result<(), E> + Sync),
) -> Result<Digest, E> {
    let branches = length.div_ceil(BRANCH);
    if branches < 2 {
        let mut hasher = blake3::Hasher::new();
        branch(0, length, &mut hasher)?;
        return Ok(hasher.finalize().into());
    }
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut made = Vec::new();
        // They are taken in order, so that of two that fail the earlier is always begun.
        while !failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= branches {
                break;
            }
            let start = number * BRANCH;
            let mut hasher = blake3::Hasher::new();
            hasher.set_input_offset(start);
            let given = branch(start, BRANCH.min(length - start), &mut hasher);
            failed.fetch_or(given.is_err(), Ordering::Relaxed);
            made.push((number, given.map(|()| hasher.finalize_non_root())));
        }
        made
    };
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let more = cpus.min(MOST_THREADS).min(branches as usize) - 1;
    let mut made = thread::scope(|scope| {
        // Where there can be no more threads, this one does it all.
        let threads: Vec<_> = (0..more)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut made = work();
        for thread in threads {
            let others = thread.join();
            made.extend(others.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        made
    });
    made.sort_unstable_by_key(|(number, _)| *number);
    let values = made.into_iter().map(|(_, value)| value);
    let values: Vec<ChainingValue> = values.collect::<Result<_, E>>()?;
    let (left, right) = sides(&values, length);
    Ok(merge_subtrees_root(&left, &right, Mode::Hash).into())
}

/// The two branches at the root of a tree of `length` bytes, more than one of `values`.
fn sides(values: &[ChainingValue], length: u64) -> (ChainingValue, ChainingValue) {
    let left = left_subtree_len(length);
    let (before, after) = values.split_at((left / BRANCH) as usize);
    (merged(before, left), merged(after, length - left))
}

fn merged(values: &[ChainingValue], length: u64) -> ChainingValue {
    if let [one] = values {
        return *one;
    }
    let (left, right) = sides(values, length);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pattern(length: u64) -> Vec<u8> {
        let number = |at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
        (0..length).map(number).collect()
    }

    #[test]
    fn branches_come_to_the_digest_of_the_whole() {
        for length in [
            0,
            1,
            CHUNK + 1,
            BRANCH - 1,
            BRANCH,
            BRANCH + 1,
            2 * BRANCH,
            3 * BRANCH + 5,
            5 * BRANCH + 1024,
        ] {
            let bytes = pattern(length);
            let read = |at: u64, into: &mut [u8]| {
                into.copy_from_slice(&bytes[at as usize..][..into.len()]);
                Ok::<(), ()>(())
            };
            let expected = Digest::of(&bytes);
            assert_eq!(digest(length, &read).unwrap(), expected, "{length}");
            let mut filled = vec![0; length as usize];
            assert_eq!(fill(&mut filled, &read).unwrap(), expected, "{length}");
            assert!(filled == bytes, "{length}");
        }
    }

    #[test]
    fn the_earliest_failure_is_told() {
        let bad = [BRANCH + 7, 3 * BRANCH, 6 * BRANCH - 1];
        for _ in 0..20 {
            let read = |at: u64, into: &mut [u8]| {
                let end = at + into.len() as u64;
                match bad.iter().find(|bad| (at..end).contains(bad)) {
                    Some(bad) => Err(*bad),
                    None => Ok(()),
                }
            };
            assert_eq!(digest(6 * BRANCH, &read).unwrap_err(), bad[0]);
            let mut bytes = vec![0; 6 * BRANCH as usize];
            assert_eq!(fill(&mut bytes, &read).unwrap_err(), bad[0]);
        }
    }
}
