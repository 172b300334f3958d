//! Unified and context diffs, read as a stream.
//!
//! The reader knows what `git format-patch`, mboxes of it, `git diff` and `diff -u`, `-ur` and
//! `-urN` write: renames, copies, modes, new and deleted files, binary files, quoted paths, CRLF,
//! `\ No newline`; and the same of `diff -c`. It hands out one line at a time and keeps two, each
//! cut at [`LONGEST`] bytes, and of a context diff one hunk of [`LARGEST_HUNK`], so that memory does
//! not grow with the patch. Text around the diffs is passed over. What cannot be a diff that
//! somebody could apply is an error with its line. Mails that are encoded, and their attachments,
//! are decoded on the way.
//!
//! Of the crates that parse diffs the best one, `flickzeug` 0.6, reads all of this, too, and names
//! the line of an error; but it wants the patch in memory as a whole (43 MB for the 18 MB, 16919
//! hunks in 4594 files, between the header packages of Debian's 6.1.170 and 6.12.117), as do
//! `unidiff` 0.4 (158 MB), `patch` 0.7, which panics at a rename, and `gitpatch` 0.7, which takes
//! 17 s and finds no hunk behind a rename. `diffy` 0.5 stops at the second file.

mod body;
mod context;
mod mail;
mod names;
pub mod open;

pub use body::{Body, BodyLine, LARGEST_HUNK};

use mail::Lines;
use names::{differing, git_names, kernel_path, name_of, names_empty_blob};
use std::io::BufRead;

/// Bytes kept of one line. What is longer is no C that people wrote.
pub const LONGEST: usize = 64 * 1024;

/// Why a patch cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is compressed, by something that is not unpacked here.
    #[error("the patch is compressed; unpack it first")]
    Compressed,
    /// It is text of two bytes a character, or no text at all.
    #[error("line {line}: a zero byte; a patch is plain text")]
    NotText {
        /// The line, from 1.
        line: u64,
    },
    /// A mail whose lines are not those of the patch, and of which nobody here knows how they come out.
    #[error(
        "line {line}: the mail is encoded as {encoding}, and only quoted-printable and base64 are decoded; save the patch with `b4`, or take `git format-patch`"
    )]
    Encoded {
        /// The line, from 1.
        line: u64,
        /// The encoding it names.
        encoding: String,
    },
    /// Nothing in it is a hunk.
    #[error("no hunk of a unified or context diff is in it")]
    NoHunks,
    /// Another form of diff.
    #[error("line {line}: this is a {what}, and a unified diff is needed; make it with {how}")]
    OtherForm {
        /// The line, from 1.
        line: u64,
        /// Its form.
        what: &'static str,
        /// What makes the right one.
        how: &'static str,
    },
    /// A hunk's heading cannot be read.
    #[error("line {line}: `{text}` is no heading of a hunk")]
    Heading {
        /// The line, from 1.
        line: u64,
        /// What stands there.
        text: String,
    },
    /// A hunk whose file is not known.
    #[error(
        "line {line}: a hunk before any `---` and `+++`, or `***` and `---`, that name its file"
    )]
    NoFile {
        /// The line, from 1.
        line: u64,
    },
    /// Another line than the form of the diff has there.
    #[error("line {line}: {what} is expected, and this is `{text}`")]
    Expected {
        /// The line, from 1.
        line: u64,
        /// What it has to be.
        what: &'static str,
        /// What stands there.
        text: String,
    },
    /// The old and the new lines of a context diff's hunk are not of one change.
    #[error("line {line}: the two sides of the hunk do not belong together: {what}")]
    Sides {
        /// The line at which they part, from 1.
        line: u64,
        /// What they do not agree in.
        what: &'static str,
    },
    /// A hunk that has to be kept and is too large for it.
    #[error(
        "line {line}: the hunk is larger than the {} MiB that are kept of one", LARGEST_HUNK >> 20
    )]
    LargeHunk {
        /// The first line too many, from 1.
        line: u64,
    },
    /// The names of a file, and nothing of what changes in it: the patch is cut there.
    #[error("line {line}: the patch ends behind the names of a file, before its first hunk")]
    NamesAlone {
        /// The line of the names, from 1.
        line: u64,
    },
    /// A hunk has fewer lines than its heading says.
    #[error("line {line}: the hunk ends before its heading, on line {heading}, says")]
    Short {
        /// The line at which it ends, from 1.
        line: u64,
        /// Line of its heading.
        heading: u64,
    },
    /// A hunk has more lines than its heading says.
    #[error(
        "line {line}: the hunk goes on after its heading, on line {heading}, says that it ends"
    )]
    Long {
        /// The first line too many, from 1.
        line: u64,
        /// Line of its heading.
        heading: u64,
    },
    /// The patch cannot be read to its end.
    #[error("line {line}: {error}")]
    Io {
        /// The line, from 1.
        line: u64,
        /// What the system said.
        error: String,
    },
}

/// A changed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileChange {
    /// Its path before, from the top of the kernel tree; `None` for a new file.
    pub old: Option<String>,
    /// Its path after; `None` for a deleted file.
    pub new: Option<String>,
    /// Line of the patch at which it begins, from 1.
    pub line: u64,
    /// The patch has it as binary, so that no hunks follow.
    pub binary: bool,
    /// By git's `index` line there was nothing in it before.
    pub was_empty: bool,
}

impl FileChange {
    /// The path by which people know the file.
    pub fn path(&self) -> &str {
        self.new.as_deref().or(self.old.as_deref()).unwrap_or("")
    }

    /// Takes away the name of a side on which there is no file: `diff -N` has its name, `dated` as
    /// the beginning of time, with `nothing` in it. Where both are dated so, the files are.
    fn without(&mut self, dated: [bool; 2], nothing: [bool; 2]) {
        match dated {
            [true, false] if nothing[0] => self.old = None,
            [false, true] if nothing[1] => self.new = None,
            _ => {}
        }
    }
}

/// Where a hunk belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Line of the patch, from 1.
    pub line: u64,
    /// The heading as it stands; of a context diff as a unified one has it.
    pub text: String,
    /// First line in the old file.
    pub old_start: u64,
    /// First line in the new file.
    pub new_start: u64,
    /// What stands behind the ranges: the line before the hunk that begins in the first column.
    pub section: String,
}

/// What a line of a hunk is.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// In both files.
    Context,
    /// In the old file only.
    Removed,
    /// In the new file only.
    Added,
}

/// What the reader comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A file begins. Hunks need not follow: its mode or name alone may have changed.
    File(FileChange),
    /// A hunk begins.
    Hunk(Heading),
    /// A line of the hunk.
    Line {
        /// What it is.
        sign: Sign,
        /// Its text, without the sign and the line's end.
        text: &'a [u8],
        /// Line of the patch, from 1.
        line: u64,
    },
    /// A file that only one of two trees has and that is not in the patch (`Only in`).
    NotInPatch,
}

impl<'a> From<BodyLine<'a, Sign>> for Event<'a> {
    fn from(line: BodyLine<'a, Sign>) -> Self {
        Event::Line {
            sign: line.mark,
            text: line.text,
            line: line.line,
        }
    }
}

impl Event<'_> {
    /// What it is in the patch that takes this one back.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Event::File(file) => Event::File(FileChange {
                old: file.new,
                new: file.old,
                was_empty: false,
                ..file
            }),
            Event::Hunk(heading) => Event::Hunk(Heading {
                old_start: heading.new_start,
                new_start: heading.old_start,
                ..heading
            }),
            Event::Line { sign, text, line } => {
                let sign = match sign {
                    Sign::Context => Sign::Context,
                    Sign::Removed => Sign::Added,
                    Sign::Added => Sign::Removed,
                };
                Event::Line { sign, text, line }
            }
            Event::NotInPatch => Event::NotInPatch,
        }
    }
}

/// Reads a patch.
pub struct Reader<R> {
    input: Lines<R>,
    line: Vec<u8>,
    number: u64,
    next: Option<Vec<u8>>,
    spare: Vec<u8>,
    /// The file of hunks to come.
    file: FileChange,
    /// A file with a git header whose names are not yet said.
    pending: Option<FileChange>,
    has_file: bool,
    /// The names of a context diff's file, if the lines just before are these.
    named: Option<Named>,
    /// The hunks to come are those of a context diff.
    context: bool,
    /// What is to be handed out of such a hunk.
    kept: Kept,
    mail: bool,
    hunk: Option<(u64, u64)>,
    heading: u64,
    /// The line of the names of a file of which no hunk was read.
    bare: Option<u64>,
    /// The last line belonged to a hunk.
    just_ended: bool,
    seen: bool,
    hunks: u64,
    text: bool,
}

/// `*** OLD` and, below it, `--- NEW`.
struct Named {
    file: FileChange,
    /// Whether a side has the date of a file that is not there.
    absent: [bool; 2],
    /// Both are read.
    whole: bool,
    last: u64,
}

#[derive(Default)]
struct Kept {
    heading: Option<Heading>,
    body: Body<Sign>,
    next: usize,
}

impl<R: BufRead> Reader<R> {
    /// A reader of `input`.
    pub fn new(input: R) -> Reader<R> {
        Reader {
            input: Lines::new(input),
            line: Vec::new(),
            number: 0,
            next: None,
            spare: Vec::new(),
            file: FileChange::default(),
            pending: None,
            has_file: false,
            named: None,
            context: false,
            kept: Kept::default(),
            mail: false,
            hunk: None,
            heading: 0,
            bare: None,
            just_ended: false,
            seen: false,
            hunks: 0,
            text: false,
        }
    }

    /// Hunks read so far.
    pub fn hunks(&self) -> u64 {
        self.hunks
    }

    /// The next event; `None` at the end of the patch. An input without a byte is an empty patch.
    ///
    /// # Errors
    /// [`PatchError`]; the reader is then of no more use.
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, PatchError> {
        if let Some(heading) = self.kept.heading.take() {
            return Ok(Some(Event::Hunk(heading)));
        }
        if self.kept.next < self.kept.body.len() {
            self.kept.next += 1;
            return Ok(self.kept.body.get(self.kept.next - 1).map(Event::from));
        }
        loop {
            if let Some((old, new)) = self.hunk {
                if old == 0 && new == 0 {
                    self.hunk = None;
                    self.just_ended = true;
                    continue;
                }
                if !self.advance()? {
                    return Err(self.short());
                }
                if let Some(sign) = self.hunk_line(old, new)? {
                    let text = match self.line.first() {
                        Some(b' ' | b'+' | b'-') => &self.line[1..],
                        _ => &self.line[..],
                    };
                    let line = self.number;
                    return Ok(Some(Event::Line { sign, text, line }));
                }
                continue;
            }
            if !self.advance()? {
                return self.end();
            }
            if let Some(event) = self.outside()? {
                return Ok(Some(event));
            }
        }
    }

    fn end(&mut self) -> Result<Option<Event<'_>>, PatchError> {
        if let Some(file) = self.pending.take() {
            return Ok(Some(Event::File(file)));
        }
        if let Some(line) = self.bare {
            return Err(PatchError::NamesAlone { line });
        }
        match self.text && !self.seen {
            true => Err(PatchError::NoHunks),
            false => Ok(None),
        }
    }

    fn short(&self) -> PatchError {
        PatchError::Short {
            line: self.number,
            heading: self.heading,
        }
    }

    /// Takes the line as one of the hunk; `None` for a remark between lines.
    fn hunk_line(&mut self, old: u64, new: u64) -> Result<Option<Sign>, PatchError> {
        let (sign, was, is) = match self.line.first() {
            // An empty line of context, of which a mail program took the space.
            Some(b' ' | b'\r') | None => (Sign::Context, 1, 1),
            Some(b'-') => (Sign::Removed, 1, 0),
            Some(b'+') => (Sign::Added, 0, 1),
            Some(b'\\') => return Ok(None),
            _ => return Err(self.short()),
        };
        if was > old || is > new {
            return Err(self.short());
        }
        self.hunk = Some((old - was, new - is));
        Ok(Some(sign))
    }

    /// A line outside of hunks.
    fn outside(&mut self) -> Result<Option<Event<'static>>, PatchError> {
        let just_ended = std::mem::take(&mut self.just_ended);
        let line = self.line.trim_ascii_end();
        self.text |= !line.is_empty();
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            let file = FileChange {
                line: self.number,
                ..git_names(names)
            };
            self.seen = true;
            (self.has_file, self.context) = (false, false);
            let before = self.pending.replace(file);
            return Ok(before.map(Event::File));
        }
        if let Some(file) = &mut self.pending {
            if let Some(name) = line.strip_prefix(b"rename from ") {
                file.old = Some(kernel_path(name, false));
            } else if let Some(name) = line
                .strip_prefix(b"rename to ")
                .or(line.strip_prefix(b"copy to "))
            {
                file.new = Some(kernel_path(name, false));
            } else if let Some(name) = line.strip_prefix(b"copy from ") {
                file.old = Some(kernel_path(name, false));
            } else if line.starts_with(b"new file mode ") {
                file.old = None;
            } else if line.starts_with(b"deleted file mode ") {
                file.new = None;
            } else if let Some(blobs) = line.strip_prefix(b"index ") {
                file.was_empty = names_empty_blob(blobs);
            }
        }
        if line.starts_with(b"--- ") && self.names_file()? {
            let ((old, gone), line) = (name_of(&self.line[4..]), self.number);
            self.advance()?;
            let (new, goes) = name_of(&self.line[4..]);
            let mut file = FileChange {
                old,
                new,
                line,
                ..FileChange::default()
            };
            if let Some((old, new, _)) = self.peek()?.and_then(ranges) {
                file.without([gone, goes], [old == (0, 0), new == (0, 0)]);
            }
            self.file = file;
            self.bare = Some(line);
            self.pending = None;
            (self.seen, self.has_file, self.context) = (true, true, false);
            return Ok(Some(Event::File(self.file.clone())));
        }
        if context::section(&self.line).is_some() {
            let named = self.named.take();
            let named = named.filter(|named| named.whole && named.last + 1 == self.number);
            if named.is_some() || self.context {
                return self.open_context_hunk(named).map(Some);
            }
            // Stars may be those of a text.
            if !self.mail && self.peek()?.is_some_and(context::is_range) {
                return Err(PatchError::NoFile { line: self.number });
            }
        }
        self.names_context_file();
        let line = self.line.trim_ascii_end();
        if line.starts_with(b"@@@ ") && (self.has_file || !self.mail) {
            return Err(PatchError::OtherForm {
                line: self.number,
                what: "combined diff of a merge",
                how: "`git diff MERGE^1 MERGE`",
            });
        }
        if line.starts_with(b"@@ ") || line.starts_with(b"@@-") {
            if self.has_file {
                self.bare = None;
                return self.open_hunk().map(Some);
            }
            // In the text of a mail it is a quotation.
            if !self.mail {
                return Err(PatchError::NoFile { line: self.number });
            }
        }
        let goes_on = matches!(line.first(), Some(b'+')) || line.starts_with(b"-\t");
        let goes_on = goes_on || self.context && line.starts_with(b"! ");
        if just_ended && goes_on && !line.starts_with(b"+++ ") {
            return Err(PatchError::Long {
                line: self.number,
                heading: self.heading,
            });
        }
        if line.starts_with(b"From ") || line.starts_with(b"Subject: ") {
            (self.mail, self.has_file, self.context) = (true, false, false);
            // What the text of the mail says is not about the file before it.
            return Ok(self.pending.take().map(Event::File));
        }
        let binary = line.strip_prefix(b"Binary files ");
        if binary.is_some() || line == b"GIT binary patch" {
            self.seen = true;
            self.bare = None;
            let quoted = self.mail && !self.has_file && !self.context;
            (self.has_file, self.context) = (false, false);
            let named = binary.map(|names| FileChange {
                line: self.number,
                binary: true,
                ..differing(names)
            });
            match (&mut self.pending, named) {
                // A plain `diff` says so without a heading.
                (Some(file), Some(named)) if named.path() != file.path() => {
                    return Ok(self.pending.replace(named).map(Event::File));
                }
                (Some(file), _) => file.binary = true,
                (None, Some(named)) if !quoted => return Ok(Some(Event::File(named))),
                (None, _) => {}
            }
        }
        if line.starts_with(b"Only in ") {
            self.seen = true;
            return Ok(Some(Event::NotInPatch));
        }
        Ok(None)
    }

    fn open_hunk(&mut self) -> Result<Event<'static>, PatchError> {
        let refused = || PatchError::Heading {
            line: self.number,
            text: shown(&self.line),
        };
        let (old, new, section) = ranges(&self.line).ok_or_else(refused)?;
        self.hunk = Some((old.1, new.1));
        self.heading = self.number;
        self.hunks += 1;
        Ok(Event::Hunk(Heading {
            line: self.number,
            text: shown(&self.line),
            // Of a side without a line it is the line before.
            old_start: old.0 + u64::from(old.1 == 0),
            new_start: new.0 + u64::from(new.1 == 0),
            section: String::from_utf8_lossy(section).trim().to_owned(),
        }))
    }

    /// Takes the line as one of the two that name the file of a context diff.
    fn names_context_file(&mut self) {
        let before = self.named.take();
        if let Some(name) = self.line.strip_prefix(b"*** ") {
            let (old, gone) = name_of(name);
            self.named = Some(Named {
                file: FileChange {
                    old,
                    line: self.number,
                    ..FileChange::default()
                },
                absent: [gone, false],
                whole: false,
                last: self.number,
            });
        } else if let Some(name) = self.line.strip_prefix(b"--- ")
            && let Some(mut named) = before.filter(|named| named.last + 1 == self.number)
        {
            (named.file.new, named.absent[1]) = name_of(name);
            (named.whole, named.last) = (true, self.number);
            self.named = Some(named);
        }
    }

    /// Reads a hunk of a context diff, the first of a file that is `named`.
    fn open_context_hunk(&mut self, named: Option<Named>) -> Result<Event<'static>, PatchError> {
        let hunk = self.read_context_hunk()?;
        self.kept.body = hunk.body;
        self.kept.next = 0;
        self.hunks += 1;
        self.just_ended = true;
        let Some(Named {
            mut file, absent, ..
        }) = named
        else {
            return Ok(Event::Hunk(hunk.heading));
        };
        self.kept.heading = Some(hunk.heading);
        file.without(absent, hunk.nothing);
        self.file = file;
        self.pending = None;
        (self.seen, self.has_file, self.context) = (true, false, true);
        Ok(Event::File(self.file.clone()))
    }

    /// Whether the line after this one begins with `+++`.
    fn names_file(&mut self) -> Result<bool, PatchError> {
        Ok(self.peek()?.is_some_and(|next| next.starts_with(b"+++ ")))
    }

    fn peek(&mut self) -> Result<Option<&[u8]>, PatchError> {
        if self.next.is_none() {
            let mut line = std::mem::take(&mut self.spare);
            if self.read(&mut line)? {
                self.next = Some(line);
            }
        }
        Ok(self.next.as_deref())
    }

    /// Goes to the next line; `false` at the end.
    fn advance(&mut self) -> Result<bool, PatchError> {
        self.advance_to(self.hunk.is_some())
    }

    /// Goes to the next line, which is `in_hunk` or not.
    fn advance_to(&mut self, in_hunk: bool) -> Result<bool, PatchError> {
        match self.next.take() {
            Some(next) => self.spare = std::mem::replace(&mut self.line, next),
            None => {
                let mut line = std::mem::take(&mut self.line);
                let more = self.read(&mut line)?;
                self.line = line;
                if !more {
                    return Ok(false);
                }
            }
        }
        self.number += 1;
        if self.number == 1 {
            const COMPRESSED: [&[u8]; 4] =
                [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
            if COMPRESSED.iter().any(|magic| self.line.starts_with(magic)) {
                return Err(PatchError::Compressed);
            }
        }
        if self.line.contains(&0) && !in_hunk {
            return Err(PatchError::NotText { line: self.number });
        }
        Ok(true)
    }

    fn read(&mut self, line: &mut Vec<u8>) -> Result<bool, PatchError> {
        let at = self.number + 1;
        let read = self.input.next_line(line);
        if let Some(encoding) = self.input.unknown_encoding() {
            return Err(PatchError::Encoded { line: at, encoding });
        }
        read.map_err(|error| PatchError::Io {
            line: at,
            error: error.to_string(),
        })
    }
}

type Range = (u64, u64);

/// Start and number of lines of both sides, and what follows: `@@ -1,6 +1,7 @@ struct s {`.
fn ranges(line: &[u8]) -> Option<(Range, Range, &[u8])> {
    let rest = line.strip_prefix(b"@@ -")?;
    let end = rest.windows(3).position(|window| window == b" @@")?;
    let ranges = std::str::from_utf8(&rest[..end]).ok()?;
    let (old, new) = ranges.split_once(" +")?;
    let range = |range: &str| {
        let (start, count) = match range.split_once(',') {
            Some((start, count)) => (start.parse::<u64>().ok()?, count.parse::<u64>().ok()?),
            None => (range.parse::<u64>().ok()?, 1),
        };
        // The last line has a number, too, and the one behind it.
        start.checked_add(count)?.checked_add(1)?;
        Some((start, count))
    };
    Some((range(old)?, range(new)?, &rest[end + 3..]))
}

/// A line for people: no control characters, tabs as they are, not too long.
pub fn shown(line: &[u8]) -> String {
    const WIDTH: usize = 160;
    let start = &line[..line.len().min(4 * WIDTH)];
    let text = clean(&String::from_utf8_lossy(start).replace('\t', " "));
    text.trim_end().chars().take(WIDTH).collect()
}

/// `text` without what a terminal would do something with: control characters, and those that turn
/// the direction of writing around (Unicode Standard Annex #9).
pub fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let one = |c: char| match c {
        c if c.is_control() || turns(c) => '\u{fffd}',
        c => c,
    };
    text.chars().map(one).collect()
}
