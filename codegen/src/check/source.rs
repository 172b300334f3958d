//! Files beside a patch, and why a check cannot be made.

use crate::patch::{LONGEST, PatchError};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The patch cannot be read.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// One of several patches cannot be checked.
    #[error("{patch}: {error}")]
    Of {
        /// What the patch is called.
        patch: String,
        /// Why.
        error: Box<CheckError>,
    },
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The tree is not the one that the patch is for.
    #[error(
        "line {patch_line}: {} does not have this line at {line}: `{expected}` is expected, and {} is there; nor does the hunk fit elsewhere in the file, or with fuzz; --old has to be the tree before the patch: name that one, give the patches between the two before this one, or leave --old out",
        path.display(),
        there.as_ref().map_or_else(|| "the end of the file".to_owned(), |there| format!("`{there}`"))
    )]
    NotTheTree {
        /// Line of the patch.
        patch_line: u64,
        /// The file of the tree.
        path: PathBuf,
        /// Its line.
        line: u64,
        /// What the patch has there.
        expected: String,
        /// What the file has; `None` behind its end.
        there: Option<String>,
    },
    /// A hunk is for lines that the hunk before it changes.
    #[error(
        "line {patch_line}: this hunk changes {} at {line}, where the hunk before it has already changed something; the hunks of a file have to follow each other",
        path.display()
    )]
    Overlap {
        /// Line of the patch.
        patch_line: u64,
        /// The file of the tree.
        path: PathBuf,
        /// Its line.
        line: u64,
    },
    /// A file of the tree is larger than any that people wrote.
    #[error(
        "{}: larger than the {} MiB that are read of one file; check the patch without --old",
        path.display(), LARGEST_FILE >> 20
    )]
    LargeFile {
        /// The file.
        path: PathBuf,
    },
    /// A layout lacks a saved type.
    #[error(transparent)]
    Type(#[from] kernel_structs::layout::UnknownType),
    /// The tree is no kernel source.
    #[error("{}: no `include` here; give the top of a kernel's source or headers", path.display())]
    NoTree {
        /// The folder.
        path: PathBuf,
    },
    /// What trees say cannot be written.
    #[error("what the trees say of saved types cannot be written: {0}")]
    Written(#[from] toml::ser::Error),
}

impl CheckError {
    pub(super) fn io(path: &Path, error: io::Error) -> CheckError {
        CheckError::Io {
            path: path.to_owned(),
            error,
        }
    }
}

/// Bytes of a file of the tree that a patch changes; it is kept as a whole. The largest of Linux, of
/// registers of a graphics card, has less than 20 MB.
const LARGEST_FILE: u64 = 32 << 20;

/// A file, kept so that hunks can be looked for in it.
#[derive(Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<u32>,
}

impl Text {
    pub(super) fn open(path: &Path) -> Result<Text, CheckError> {
        let file = File::open(path).map_err(|error| CheckError::io(path, error))?;
        let mut bytes = Vec::new();
        let read = file.take(LARGEST_FILE + 1).read_to_end(&mut bytes);
        match read.map_err(|error| CheckError::io(path, error))? as u64 {
            ..=LARGEST_FILE => Ok(Text::new(bytes)),
            _ => Err(CheckError::LargeFile {
                path: path.to_owned(),
            }),
        }
    }

    pub(super) fn new(mut bytes: Vec<u8>) -> Text {
        if bytes.last().is_some_and(|last| *last != b'\n') {
            bytes.push(b'\n');
        }
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let ends = ends.map(|(at, _)| at as u32).collect();
        Text { bytes, ends }
    }

    /// Number of lines.
    pub(super) fn len(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The line with this number, from 1, without its end, and cut at [`LONGEST`] bytes.
    pub(super) fn line(&self, number: u64) -> Option<&[u8]> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        let end = *self.ends.get(at)? as usize;
        let before = at.checked_sub(1).and_then(|at| self.ends.get(at));
        let start = before.map_or(0, |end| *end as usize + 1);
        Some(&self.bytes[start..end.min(start + LONGEST)])
    }
}

/// The lines of a file, each cut at [`LONGEST`] bytes.
pub(super) struct Lines {
    path: PathBuf,
    input: BufReader<File>,
    bytes: Vec<u8>,
    text: String,
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Lines, CheckError> {
        let file = File::open(path).map_err(|error| CheckError::io(path, error))?;
        Ok(Lines {
            path: path.to_owned(),
            input: BufReader::with_capacity(64 * 1024, file),
            bytes: Vec::new(),
            text: String::new(),
            number: 0,
        })
    }

    /// The next line and its number, from 1.
    pub(super) fn next_line(&mut self) -> Result<Option<(&str, u64)>, CheckError> {
        self.bytes.clear();
        let failed = |path: &Path, error| CheckError::io(path, error);
        let mut part = (&mut self.input).take(LONGEST as u64);
        let read = part.read_until(b'\n', &mut self.bytes);
        if read.map_err(|error| failed(&self.path, error))? == 0 {
            return Ok(None);
        }
        if self.bytes.last() == Some(&b'\n') {
            self.bytes.pop();
        } else if self.bytes.len() >= LONGEST {
            let skipped = self.input.skip_until(b'\n');
            skipped.map_err(|error| failed(&self.path, error))?;
        }
        self.number += 1;
        self.text.clear();
        self.text.push_str(&String::from_utf8_lossy(&self.bytes));
        Ok(Some((&self.text, self.number)))
    }
}

/// Whether the file at `path` is a header that the whole kernel can include: what is saved is declared in
/// such ones.
pub(super) fn is_shared_header(path: &str) -> bool {
    path.ends_with(".h") && (path.starts_with("include/") || path.starts_with("arch/"))
}

/// Whether the file at `path` is for other machines than `machines`.
pub(super) fn is_foreign(path: &str, machines: &[String]) -> bool {
    let own = |folder: &str| {
        machines.iter().any(|machine| match machine.as_str() {
            "amd64" | "x86_64" => matches!(folder, "x86" | "x86_64"),
            "i386" => matches!(folder, "x86" | "i386"),
            machine => folder == machine,
        })
    };
    let folder = |rest: &str| rest.split('/').next().unwrap_or("").to_owned();
    if let Some(rest) = path.strip_prefix("arch/") {
        return rest.contains('/') && !own(&folder(rest));
    }
    let asm = path.strip_prefix("include/asm-").map(folder);
    asm.is_some_and(|machine| machine != "generic" && !own(&machine))
}
