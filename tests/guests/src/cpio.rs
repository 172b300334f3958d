//! A writer for cpio archives of the kind "newc", which the kernel unpacks into its first file
//! system (Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! The same entries give the same bytes: no times, no owners, numbers by position.

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Folder,
    File { contents: Vec<u8>, mode: u32 },
    Link { target: String },
}

/// The archive of `entries` (path without leading slash, entry), folders before what is in them.
pub(crate) fn archive<'a>(entries: impl Iterator<Item = (&'a str, &'a Entry)>) -> Vec<u8> {
    let mut archive = Vec::new();
    for (number, (path, entry)) in (1..).zip(entries) {
        let (mode, contents): (u32, &[u8]) = match entry {
            Entry::Folder => (0o040755, &[]),
            Entry::File { contents, mode } => (0o100000 | mode, contents),
            Entry::Link { target } => (0o120777, target.as_bytes()),
        };
        append(&mut archive, number, mode, path, contents);
    }
    append(&mut archive, 0, 0, "TRAILER!!!", &[]);
    archive
}

fn append(archive: &mut Vec<u8>, inode: u32, mode: u32, path: &str, contents: &[u8]) {
    let (user, group, links, time) = (0, 0, 1, 0);
    let (major, minor, device_major, device_minor, checksum) = (0, 0, 0, 0, 0);
    let fields = [
        inode,
        mode,
        user,
        group,
        links,
        time,
        contents.len() as u32,
        major,
        minor,
        device_major,
        device_minor,
        path.len() as u32 + 1,
        checksum,
    ];
    archive.extend_from_slice(b"070701");
    for field in fields {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(path.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(contents);
    pad(archive);
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::{Entry, archive};

    #[test]
    fn an_archive_to_the_byte() {
        let file = Entry::File {
            contents: b"hello".to_vec(),
            mode: 0o644,
        };
        let bytes = archive([("d", &Entry::Folder), ("d/f", &file)].into_iter());
        let text = String::from_utf8(bytes).unwrap().replace('\0', ".");
        let zeros = |n: usize| "0".repeat(8 * n);
        let folder = format!(
            "07070100000001000041ed{}00000001{}00000002{}d.",
            zeros(2),
            zeros(6),
            zeros(1)
        );
        let file = format!(
            "07070100000002000081a4{}00000001{}00000005{}00000004{}d/f...hello...",
            zeros(2),
            zeros(1),
            zeros(4),
            zeros(1)
        );
        let end = format!(
            "070701{}00000001{}0000000b{}TRAILER!!!....",
            zeros(4),
            zeros(6),
            zeros(1)
        );
        assert_eq!(text, format!("{folder}{file}{end}"));
    }
}
