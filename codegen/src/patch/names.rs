//! The names of files, as diffs have them.

use super::{FileChange, clean};

/// The names behind `diff --git`. They are certain only where both are the same but for the
/// prefix; the lines that follow say better.
pub(super) fn git_names(names: &[u8]) -> FileChange {
    let (old, new) = if names.starts_with(b"\"") {
        let end = names[1..]
            .windows(2)
            .position(|window| window == b"\" ")
            .map_or(names.len(), |end| end + 2);
        names.split_at(end)
    } else {
        names.split_at(names.len() / 2)
    };
    let path = |name: &[u8]| Some(kernel_path(name.trim_ascii(), true));
    FileChange {
        old: path(old),
        new: path(new),
        ..FileChange::default()
    }
}

/// Whether git's `index` line, `OLD..NEW MODE`, names the blob without a byte as the old one.
pub(super) fn names_empty_blob(blobs: &[u8]) -> bool {
    // The names under SHA-1 and under SHA-256 (`git hash-object /dev/null`).
    const EMPTY: [&[u8]; 2] = [
        b"e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
        b"473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
    ];
    let end = blobs.windows(2).position(|two| two == b"..");
    let old = end.map_or(blobs, |end| &blobs[..end]);
    old.len() >= 7 && EMPTY.iter().any(|blob| blob.starts_with(old))
}

/// The names in `Binary files OLD and NEW differ`, behind its first words.
pub(super) fn differing(names: &[u8]) -> FileChange {
    let names = names.strip_suffix(b" differ").unwrap_or(names);
    let both = |at: usize| FileChange {
        old: name_of(&names[..at]).0,
        new: name_of(&names[at + 5..]).0,
        ..FileChange::default()
    };
    let splits = names.windows(5).enumerate();
    let mut splits = splits
        .filter(|(_, word)| *word == b" and ")
        .map(|(at, _)| both(at));
    let one = |file: &FileChange| match (&file.old, &file.new) {
        (Some(old), Some(new)) => old == new,
        _ => true,
    };
    // A name may have the word in it.
    let first = splits.clone().next();
    splits.find(one).or(first).unwrap_or_else(|| FileChange {
        new: name_of(names).0,
        ..FileChange::default()
    })
}

/// The path behind `---`, `+++` or `***`, `None` for `/dev/null`; and whether the date behind it is
/// that of a file that is not there, the beginning of time in whatever zone.
pub(super) fn name_of(text: &[u8]) -> (Option<String>, bool) {
    let text = text.trim_ascii_end();
    let end = text.iter().position(|byte| *byte == b'\t');
    let (name, date) = text.split_at(end.unwrap_or(text.len()));
    let date = String::from_utf8_lossy(date.trim_ascii());
    let words: Vec<&str> = date.split_whitespace().collect();
    let absent = match words.as_slice() {
        // With and without POSIXLY_CORRECT.
        [day, ..] if matches!(*day, "1970-01-01" | "1969-12-31") => true,
        [_, "Jan", "1", _, "1970"] | [_, "Dec", "31", _, "1969"] => true,
        _ => false,
    };
    let path = (name != b"/dev/null").then(|| kernel_path(name, true));
    (path, absent)
}

/// The folders at the top of a kernel tree.
const TOP: [&str; 24] = [
    "Documentation",
    "arch",
    "block",
    "certs",
    "crypto",
    "drivers",
    "fs",
    "include",
    "init",
    "io_uring",
    "ipc",
    "kernel",
    "lib",
    "mm",
    "net",
    "rust",
    "samples",
    "scripts",
    "security",
    "sound",
    "tools",
    "usr",
    "virt",
    "debian",
];

/// A path from the top of the kernel tree, whatever stands before that.
pub(super) fn kernel_path(name: &[u8], prefixed: bool) -> String {
    let name = clean(&unquoted(name));
    let parts: Vec<&str> = name.split('/').collect();
    let top = |part: &&str| TOP.contains(part) && *part != "usr" && *part != "debian";
    let folders = &parts[..parts.len().saturating_sub(1)];
    let start = folders
        .iter()
        .position(top)
        .unwrap_or_else(|| usize::from(prefixed && parts.len() > 1 && !TOP.contains(&parts[0])));
    parts[start..].join("/")
}

/// A name as git quotes it: C's escapes, bytes in octal.
fn unquoted(name: &[u8]) -> String {
    let Some(inner) = name
        .strip_prefix(b"\"")
        .and_then(|name| name.strip_suffix(b"\""))
    else {
        return String::from_utf8_lossy(name).into_owned();
    };
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(digit @ b'0'..=b'3') => {
                let mut value = digit - b'0';
                for _ in 0..2 {
                    if let Some(digit) = rest.next_if(|byte| (b'0'..=b'7').contains(byte)) {
                        value = value * 8 + (digit - b'0');
                    }
                }
                bytes.push(value);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
