//! Hunks of context diffs (`diff -c`, `-crp`), as those of a unified diff.
//!
//! ```text
//! *** linux-2.4.0/include/linux/sched.h   Thu Jan  4 22:00:00 2001
//! --- linux/include/linux/sched.h         Fri Jan  5 22:00:00 2001
//! *************** struct task_struct {
//! *** 52,54 ****
//! --- 52,55 ----
//!         int prio;
//! +       int fresh;
//!         int static_prio;
//!         int normal_prio;
//! ```
//!
//! A hunk has its old lines, then its new ones; a side on which nothing is removed or added is left
//! out, and has the unchanged lines of the other (POSIX, `diff`, "Diff -c or -C Output Format"). Both
//! are kept until they are one sequence, [`LARGEST_HUNK`] bytes at most. They have to agree: what is
//! unchanged on one side and not on the other is an error with its line.
//!
//! [`LARGEST_HUNK`]: super::LARGEST_HUNK

use super::{Body, Heading, PatchError, Reader, Sign, shown};
use std::io::BufRead;

const OLD: &str = "`*** FIRST,LAST ****`";
const NEW: &str = "`--- FIRST,LAST ----`";

/// What stands before a line of one side.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Mark {
    /// Nothing: both sides have it.
    Context,
    /// `-` or `+`: the other side has nothing in its place.
    Alone,
    /// `!`: the other side has something else in its place.
    Changed,
}

/// The lines of one side as its heading has them.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Range {
    first: u64,
    last: Option<u64>,
}

impl Range {
    /// The range between `open` and `close`.
    fn read(line: &[u8], open: &str, close: &str) -> Option<Range> {
        let line = std::str::from_utf8(line.trim_ascii_end()).ok()?;
        let range = line.strip_prefix(open)?.strip_suffix(close)?;
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse::<u64>().ok().filter(|_| digits)?;
            // The line behind the last one has a number, too.
            number.checked_add(2).map(|_| number)
        };
        let (first, last) = match range.split_once(',') {
            Some((first, last)) => (number(first)?, Some(number(last)?)),
            None => (number(range)?, None),
        };
        let in_order = last.is_none_or(|last| first <= last && (first > 0 || last == 0));
        in_order.then_some(Range { first, last })
    }

    /// Lines at most. One number is that of the only line, or of the line before none.
    fn most(self) -> u64 {
        match (self.first, self.last) {
            (0, _) => 0,
            (_, None) => 1,
            (first, Some(last)) => last - first + 1,
        }
    }

    fn may_have(self, lines: u64) -> bool {
        lines == self.most() || lines == 0 && self.last.is_none()
    }

    /// The first line, or the one behind the place, of a side with `lines` lines.
    fn start(self, lines: u64) -> u64 {
        self.first + u64::from(lines == 0)
    }

    /// As a unified diff has it.
    fn unified(self, lines: u64) -> String {
        match lines {
            1 => self.first.to_string(),
            _ => format!("{},{lines}", self.first),
        }
    }
}

/// What stands behind the fifteen stars that begin a hunk.
pub(super) fn section(line: &[u8]) -> Option<&[u8]> {
    let rest = line.trim_ascii_end().strip_prefix(b"***************")?;
    matches!(rest.first(), None | Some(b' ')).then(|| rest.trim_ascii())
}

/// Whether the line is the heading of an old side.
pub(super) fn is_range(line: &[u8]) -> bool {
    Range::read(line, "*** ", " ****").is_some()
}

/// A hunk and its place.
pub(super) struct ContextHunk {
    pub(super) heading: Heading,
    pub(super) body: Body<Sign>,
    /// Whether the file has nothing before and after, by the number 0 in place of a line's.
    pub(super) nothing: [bool; 2],
}

impl<R: BufRead> Reader<R> {
    /// Reads the hunk that begins with the stars at which the reader is.
    pub(super) fn read_context_hunk(&mut self) -> Result<ContextHunk, PatchError> {
        let (start, section) = (self.number, section(&self.line).unwrap_or_default());
        let section = String::from_utf8_lossy(section).into_owned();
        self.heading = start;
        self.advance_inside()?;
        let old = Range::read(&self.line, "*** ", " ****").ok_or_else(|| self.expected(OLD))?;
        let (before, new) = self.old_side(old)?;
        let after = match self.leaves_new_out(&before, new)? {
            true => Body::default(),
            false => self.new_side(new)?,
        };
        let mut body = Body::default();
        merge(&before, &after, start, &mut body)?;
        let count = |without| body.iter().filter(|line| line.mark != without).count() as u64;
        let (olds, news) = (count(Sign::Added), count(Sign::Removed));
        let changed = body.iter().any(|line| line.mark != Sign::Context);
        if !changed || !old.may_have(olds) || !new.may_have(news) {
            return Err(self.short());
        }
        let ranges = format!("@@ -{} +{} @@", old.unified(olds), new.unified(news));
        let text = shown(format!("{ranges} {section}").as_bytes());
        Ok(ContextHunk {
            heading: Heading {
                line: start,
                text,
                old_start: old.start(olds),
                new_start: new.start(news),
                section,
            },
            body,
            nothing: [old.first == 0, new.first == 0],
        })
    }

    fn expected(&self, what: &'static str) -> PatchError {
        PatchError::Expected {
            line: self.number,
            what,
            text: shown(&self.line),
        }
    }

    /// Goes to the next line, which belongs to the hunk.
    fn advance_inside(&mut self) -> Result<(), PatchError> {
        match self.advance_to(true)? {
            true => Ok(()),
            false => Err(self.short()),
        }
    }

    /// The lines up to the heading of the new side, and its range.
    fn old_side(&mut self, old: Range) -> Result<(Body<Mark>, Range), PatchError> {
        let mut side = Body::default();
        loop {
            self.advance_inside()?;
            if let Some(new) = Range::read(&self.line, "--- ", " ----") {
                return Ok((side, new));
            }
            if self.line.starts_with(b"\\") {
                continue;
            }
            let full = side.len() as u64 >= old.most();
            if full || self.line.starts_with(b"--- ") {
                return Err(self.expected(NEW));
            }
            self.keep(&mut side, b'-')?;
        }
    }

    fn new_side(&mut self, new: Range) -> Result<Body<Mark>, PatchError> {
        let mut side = Body::default();
        while (side.len() as u64) < new.most() {
            self.advance_inside()?;
            if !self.line.starts_with(b"\\") {
                self.keep(&mut side, b'+')?;
            }
        }
        Ok(side)
    }

    /// Adds the line to its side, on which those of the side alone begin with `alone`.
    fn keep(&self, side: &mut Body<Mark>, alone: u8) -> Result<(), PatchError> {
        let (mark, text) = match self.line.as_slice() {
            [b' ', b' ', text @ ..] => (Mark::Context, text),
            [b'!', b' ', text @ ..] => (Mark::Changed, text),
            [sign, b' ', text @ ..] if *sign == alone => (Mark::Alone, text),
            // Of an empty line a mail program took the spaces.
            line => match line.trim_ascii_end() {
                [] => (Mark::Context, &[][..]),
                b"!" => (Mark::Changed, &[][..]),
                [sign] if *sign == alone => (Mark::Alone, &[][..]),
                _ => return Err(self.short()),
            },
        };
        side.push(mark, text, self.number)
    }

    /// Whether nothing follows for the new side, because nothing is added on it.
    fn leaves_new_out(&mut self, before: &Body<Mark>, new: Range) -> Result<bool, PatchError> {
        let changed = before.iter().any(|line| line.mark == Mark::Changed);
        let mut unchanged = before.iter().filter(|line| line.mark == Mark::Context);
        let first = unchanged.next().map(|line| line.text.to_vec());
        let count = unchanged.count() as u64 + u64::from(first.is_some());
        if before.is_empty() || changed || !new.may_have(count) {
            return Ok(false);
        }
        let next = self.peek()?.unwrap_or_default();
        // Some programs write it all the same.
        Ok(match first {
            Some(first) => next.strip_prefix(b"  ").is_none_or(|next| next != first),
            None => !next.starts_with(b"+ "),
        })
    }
}

/// Makes one sequence of the two sides. A side without a line is as the other, without its changes.
fn merge(
    before: &Body<Mark>,
    after: &Body<Mark>,
    heading: u64,
    body: &mut Body<Sign>,
) -> Result<(), PatchError> {
    let apart = |line, what| PatchError::Sides { line, what };
    let (mut old, mut new) = (0, 0);
    loop {
        let mut changed = [false; 2];
        while let Some(line) = before.get(old).filter(|line| line.mark != Mark::Context) {
            changed[0] |= line.mark == Mark::Changed;
            body.push(Sign::Removed, line.text, line.line)?;
            old += 1;
        }
        while let Some(line) = after.get(new).filter(|line| line.mark != Mark::Context) {
            changed[1] |= line.mark == Mark::Changed;
            body.push(Sign::Added, line.text, line.line)?;
            new += 1;
        }
        let last = body.len().checked_sub(1).and_then(|at| body.get(at));
        let here = last.map_or(heading, |line| line.line);
        if changed[0] != changed[1] {
            return Err(apart(here, "lines with `!` are on one of them alone"));
        }
        let line = match (before.get(old), after.get(new)) {
            (Some(was), Some(is)) if was.text.trim_ascii_end() == is.text.trim_ascii_end() => was,
            (Some(_), Some(is)) => return Err(apart(is.line, "an unchanged line differs")),
            (Some(was), None) if after.is_empty() => was,
            (None, Some(is)) if before.is_empty() => is,
            (Some(one), None) | (None, Some(one)) => {
                return Err(apart(one.line, "an unchanged line is on one of them alone"));
            }
            (None, None) => return Ok(()),
        };
        body.push(Sign::Context, line.text, line.line)?;
        (old, new) = (old + 1, new + 1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::patch::{Event, FileChange};
    use proptest::prelude::*;

    /// All that is read, without the numbers of lines.
    fn events(patch: &str) -> Result<Vec<String>, PatchError> {
        let mut reader = Reader::new(patch.as_bytes());
        let mut all = Vec::new();
        while let Some(event) = reader.next_event()? {
            all.push(match event {
                Event::File(FileChange { old, new, .. }) => format!("{old:?} {new:?}"),
                Event::Hunk(Heading {
                    text,
                    old_start,
                    new_start,
                    section,
                    ..
                }) => format!("{text} {old_start} {new_start} {section}"),
                Event::Line { sign, text, .. } => {
                    format!("{sign:?} {}", String::from_utf8_lossy(text))
                }
                Event::NotInPatch => "only".to_owned(),
            });
        }
        Ok(all)
    }

    fn read(hunk: &str) -> Result<Vec<String>, PatchError> {
        let names =
            "*** a/mm/x.c\tThu Jan  4 22:00:00 2001\n--- b/mm/x.c\tThu Jan  4 22:00:00 2001\n";
        events(&format!("{names}{hunk}"))
    }

    fn refused(hunk: &str) -> PatchError {
        read(hunk).unwrap_err()
    }

    const STARS: &str = "***************\n";

    #[test]
    fn both_sides_are_one_sequence() {
        let hunk = "*************** struct s {\n*** 3,7 ****\n  a\n- b\n  c\n! d\n  e\n--- 3,8 ----\n  a\n  c\n! f\n! g\n  e\n+ h\n";
        assert_eq!(
            read(hunk).unwrap(),
            [
                "Some(\"mm/x.c\") Some(\"mm/x.c\")",
                "@@ -3,5 +3,6 @@ struct s { 3 3 struct s {",
                "Context a",
                "Removed b",
                "Context c",
                "Removed d",
                "Added f",
                "Added g",
                "Context e",
                "Added h",
            ]
        );
    }

    #[test]
    fn a_side_that_is_left_out_is_the_other_without_its_changes() {
        let added = format!("{STARS}*** 3,4 ****\n--- 3,5 ----\n  a\n+ b\n  c\n");
        let lines = ["Context a", "Added b", "Context c"];
        assert_eq!(read(&added).unwrap()[1..][1..], lines);
        let removed = format!("{STARS}*** 3,5 ****\n  a\n- b\n  c\n--- 3,4 ----\n");
        let lines = ["Context a", "Removed b", "Context c"];
        assert_eq!(read(&removed).unwrap()[2..], lines);
        // What follows is not of it, be it an empty line; but a side that is written all the same is.
        let followed = read(&format!("{removed}\nIndex: x\n  text\n")).unwrap();
        assert_eq!(followed, read(&removed).unwrap());
        let written = read(&format!("{removed}  a\n  c\n")).unwrap();
        assert_eq!(written, read(&removed).unwrap());
        // The next hunk has its own numbers.
        let two = read(&format!(
            "{removed}{STARS}*** 9 ****\n--- 8,9 ----\n  x\n+ y\n"
        ))
        .unwrap();
        assert_eq!(two[5..], ["@@ -9 +8,2 @@ 9 8 ", "Context x", "Added y"]);
    }

    #[test]
    fn a_range_of_one_number_has_one_line_or_none() {
        let heading = |hunk: &str| read(&format!("{STARS}{hunk}")).unwrap().swap_remove(1);
        let behind = heading("*** 5 ****\n--- 6 ----\n+ x\n");
        assert_eq!(behind, "@@ -5,0 +6 @@ 6 6 ");
        let gone = heading("*** 5 ****\n- x\n--- 4 ----\n");
        assert_eq!(gone, "@@ -5 +4,0 @@ 5 5 ");
        let other = heading("*** 5 ****\n! x\n--- 5 ----\n! y\n");
        assert_eq!(other, "@@ -5 +5 @@ 5 5 ");
        let new = heading("*** 0 ****\n--- 1,2 ----\n+ x\n+ y\n");
        assert_eq!(new, "@@ -0,0 +1,2 @@ 1 1 ");
    }

    #[test]
    fn a_file_that_is_not_there_is_dated_at_the_beginning() {
        let new = "***************\n*** 0 ****\n--- 1 ----\n+ x\n";
        let gone = "***************\n*** 1 ****\n- x\n--- 0 ----\n";
        let file = |old: &str, new: &str, hunk: &str| {
            let text = format!("*** a/mm/x.c\t{old}\n--- b/mm/x.c\t{new}\n{hunk}");
            events(&text).unwrap().swap_remove(0)
        };
        let day = "Thu Jan  4 22:00:00 2001";
        for never in [
            "Thu Jan  1 01:00:00 1970",
            "Wed Dec 31 19:00:00 1969",
            "1970-01-01 00:00:00.000000000 +0000",
        ] {
            assert_eq!(file(never, day, new), "None Some(\"mm/x.c\")");
            assert_eq!(file(day, never, gone), "Some(\"mm/x.c\") None");
            let both = "Some(\"mm/x.c\") Some(\"mm/x.c\")";
            assert_eq!(file(never, never, new), both);
            assert_eq!(file(day, day, new), both);
            assert_eq!(file(day, never, new), both);
        }
        let null = events(&format!("*** /dev/null\n--- b/mm/x.c\n{new}")).unwrap();
        assert_eq!(null[0], "None Some(\"mm/x.c\")");
        let unified = "--- a/mm/x.c\t1970-01-01 01:00:00.000000000 +0100\n+++ b/mm/x.c\t2001-01-04 22:00:00.0 +0000\n@@ -0,0 +1 @@\n+x\n";
        assert_eq!(events(unified).unwrap()[0], "None Some(\"mm/x.c\")");
        let touched = unified.replace("-0,0 +1 @@\n", "-1 +1,2 @@\n x\n");
        let both = "Some(\"mm/x.c\") Some(\"mm/x.c\")";
        assert_eq!(events(&touched).unwrap()[0], both);
    }

    #[test]
    fn empty_lines_and_ends_of_files_are_as_mails_have_them() {
        let hunk = format!(
            "{STARS}*** 1,4 ****\n\n!\n- \n  b\n\\ No newline at end of file\n--- 1,3 ----\n  \n! c\n  b\n\\ No newline at end of file\n"
        );
        let lines = ["Context ", "Removed ", "Removed ", "Added c", "Context b"];
        assert_eq!(read(&hunk).unwrap()[2..], lines);
        let other = read(&hunk.replace('\n', "\r\n")).unwrap();
        assert_eq!(other[5].trim_end(), "Added c");
        assert_eq!(other.len(), 7);
    }

    #[test]
    fn what_the_sides_do_not_agree_in_is_an_error_with_its_line() {
        let sides = |line, what| PatchError::Sides { line, what };
        assert_eq!(
            refused(&format!(
                "{STARS}*** 1,2 ****\n  a\n! b\n--- 1,2 ----\n  x\n! c\n"
            )),
            sides(8, "an unchanged line differs")
        );
        assert_eq!(
            refused(&format!(
                "{STARS}*** 1,2 ****\n  a\n! b\n--- 1,3 ----\n  a\n! c\n  d\n"
            )),
            sides(10, "an unchanged line is on one of them alone")
        );
        assert_eq!(
            refused(&format!(
                "{STARS}*** 1,3 ****\n  a\n! b\n  d\n--- 1,2 ----\n  a\n! c\n"
            )),
            sides(7, "an unchanged line is on one of them alone")
        );
        assert_eq!(
            refused(&format!(
                "{STARS}*** 1,2 ****\n  a\n! b\n--- 1,2 ----\n  a\n+ c\n"
            )),
            sides(9, "lines with `!` are on one of them alone")
        );
        assert_eq!(
            refused(&format!("{STARS}*** 1,2 ****\n--- 1,2 ----\n  a\n! c\n")),
            sides(7, "lines with `!` are on one of them alone")
        );
    }

    #[test]
    fn what_is_expected_is_said_with_the_line() {
        let expected = |line, what, text: &str| PatchError::Expected {
            line,
            what,
            text: text.to_owned(),
        };
        let short = |line| PatchError::Short { line, heading: 3 };
        assert_eq!(refused(&format!("{STARS}text\n")), expected(4, OLD, "text"));
        for range in [
            "",
            "1",
            "2,1",
            "0,3",
            "1,+2",
            "a,b",
            "1,18446744073709551615",
        ] {
            let line = format!("*** {range} ***");
            assert_eq!(
                refused(&format!("{STARS}{line}\n")),
                expected(4, OLD, &line)
            );
            let line = format!("*** {range} ****");
            let error = refused(&format!("{STARS}{line}\n"));
            let whole = range == "1";
            assert_eq!(
                error,
                if whole {
                    short(4)
                } else {
                    expected(4, OLD, &line)
                }
            );
        }
        let old = format!("{STARS}*** 1,2 ****\n  a\n- b\n");
        assert_eq!(refused(&old), short(6));
        assert_eq!(refused(&format!("{old}  c\n")), expected(7, NEW, "  c"));
        let range = "--- 1,x ----";
        assert_eq!(refused(&format!("{old}{range}\n")), expected(7, NEW, range));
        // Fewer lines than the range has, one without anything before it, and none at all.
        assert_eq!(
            refused(&format!("{STARS}*** 1,3 ****\n  a\n- b\n--- 1 ----\n")),
            short(7)
        );
        assert_eq!(refused(&format!("{STARS}*** 1,3 ****\n  a\nb\n")), short(6));
        assert_eq!(
            refused(&format!("{STARS}*** 1 ****\n--- 1,2 ----\n  a\n")),
            short(6)
        );
        assert_eq!(
            refused(&format!("{STARS}*** 1 ****\n--- 1 ----\n\n")),
            short(6)
        );
        assert_eq!(
            refused(&format!("{STARS}*** 0 ****\n--- 0 ----\n")),
            short(5)
        );
        assert_eq!(
            refused(&format!("{STARS}*** 3 ****\n--- 1,3 ----\n  a\n+ b\n  c\n")),
            short(8)
        );
        let none = format!("{STARS}*** 1,2 ****\n  a\n- b\n--- 0 ----\n");
        assert_eq!(refused(&none), short(7));
        // More lines than it has.
        let added = format!("{STARS}*** 1 ****\n--- 1,2 ----\n  a\n+ b\n");
        let long = PatchError::Long {
            line: 8,
            heading: 3,
        };
        assert_eq!(refused(&format!("{added}+ c\n")), long);
        assert_eq!(refused(&format!("{added}! c\n")), long);
        let nameless = events(&format!("{STARS}*** 1 ****\n")).unwrap_err();
        assert_eq!(nameless, PatchError::NoFile { line: 1 });
    }

    #[test]
    fn stars_in_a_text_are_no_hunk() {
        let hunk = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1 +1 @@\n-a\n+b\n";
        let text = format!("{STARS}*************** A HEADING\n*** a point\n{hunk}");
        assert_eq!(events(&text).unwrap(), events(hunk).unwrap());
        // Names are those of the stars just below them.
        let other = "diff --git a/mm/y.c b/mm/y.c\n";
        let text = format!("*** a/mm/x.c\n--- b/mm/x.c\n{other}{STARS}*** 1 ****\n! a\n");
        assert_eq!(events(&text).unwrap_err(), PatchError::NoFile { line: 4 });
    }

    #[test]
    fn a_series_of_both_forms() {
        let context =
            "*** a/mm/x.c\n--- b/mm/x.c\n***************\n*** 1 ****\n! a\n--- 1 ----\n! b\n";
        let unified = "--- a/mm/x.c\n+++ b/mm/x.c\n@@ -1 +1 @@\n-a\n+b\n";
        let twice = [events(unified).unwrap(), events(unified).unwrap()].concat();
        assert_eq!(events(&format!("{context}{unified}")).unwrap(), twice);
        assert_eq!(events(&format!("{unified}{context}")).unwrap(), twice);
        let mail = "From a Tue\nSubject: b\n\nWords.\n---\n";
        assert_eq!(
            events(&format!("{mail}{context}{mail}{unified}")).unwrap(),
            twice
        );
        // A hunk of the other form has no file.
        let other = format!("{context}@@ -1 +1 @@\n-a\n+b\n");
        assert_eq!(events(&other).unwrap_err(), PatchError::NoFile { line: 8 });
        let other = format!("{unified}{STARS}*** 1 ****\n! a\n");
        assert_eq!(events(&other).unwrap_err(), PatchError::NoFile { line: 6 });
    }

    #[test]
    fn a_hunk_that_is_too_large_is_an_error() {
        let lines = "! a\n".repeat(crate::patch::LARGEST_HUNK / 16);
        let error = refused(&format!("{STARS}*** 1,90000000 ****\n{lines}"));
        assert!(matches!(error, PatchError::LargeHunk { .. }), "{error}");
    }

    /// What is done with lines: kept, removed, added.
    type Edits = Vec<(Vec<String>, Vec<String>, Vec<String>)>;

    /// The same hunk in both forms. `edits` are unchanged lines, removed and added ones.
    fn hunk(edits: &Edits, start: usize) -> Option<(String, String)> {
        let (mut unified, mut old, mut new) = (String::new(), String::new(), String::new());
        let (mut olds, mut news, mut gone, mut come) = (0, 0, 0, 0);
        for (kept, removed, added) in edits {
            let other = !removed.is_empty() && !added.is_empty();
            for line in kept {
                unified += &format!(" {line}\n");
                old += &format!("  {line}\n");
                new += &format!("  {line}\n");
            }
            for line in removed {
                unified += &format!("-{line}\n");
                old += &format!("{} {line}\n", if other { '!' } else { '-' });
            }
            for line in added {
                unified += &format!("+{line}\n");
                new += &format!("{} {line}\n", if other { '!' } else { '+' });
            }
            (gone, come) = (gone + removed.len(), come + added.len());
            olds += kept.len() + removed.len();
            news += kept.len() + added.len();
        }
        let range = |count: usize, joined: &str| match count {
            0 => format!("{}{}", start - 1, if joined == "," { ",0" } else { "" }),
            1 => start.to_string(),
            _ if joined == "," => format!("{start},{count}"),
            _ => format!("{start},{}", start + count - 1),
        };
        unified = format!(
            "@@ -{} +{} @@ f(\n{unified}",
            range(olds, ","),
            range(news, ",")
        );
        let side = |text: String, written: usize| if written == 0 { String::new() } else { text };
        let context = format!(
            "*************** f(\n*** {} ****\n{}--- {} ----\n{}",
            range(olds, "-"),
            side(old, gone),
            range(news, "-"),
            side(new, come)
        );
        (gone + come > 0).then_some((unified, context))
    }

    fn lines(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[-+! ab*]{0,3}x", count)
    }

    proptest! {
        /// Changes with unchanged lines between them are the same in both forms, taken back as well.
        #[test]
        fn both_forms_of_a_change_are_one(
            hunks in prop::collection::vec((prop::collection::vec((lines(1..4), lines(0..3), lines(0..3)), 1..4), lines(0..4), 1usize..99, any::<bool>()), 1..4),
        ) {
            let (mut unified, mut context) = (String::new(), String::new());
            for (mut edits, rest, start, bare) in hunks {
                if bare {
                    edits[0].0.clear();
                }
                edits.push((rest, Vec::new(), Vec::new()));
                let Some((one, other)) = hunk(&edits, start) else {
                    continue;
                };
                unified += &one;
                context += &other;
            }
            prop_assume!(!unified.is_empty());
            let unified = format!("--- a/mm/x.c\n+++ b/mm/x.c\n{unified}");
            let context = format!("*** a/mm/x.c\n--- b/mm/x.c\n{context}");
            prop_assert_eq!(events(&unified).unwrap(), events(&context).unwrap(), "{}", context);
        }

        /// Any lines that look like those of a context diff.
        #[test]
        fn any_lines(lines in prop::collection::vec("([*]{15}|[*]{3} [0-9]{1,2}(,[0-9]{1,2})? [*]{4}|--- [0-9](,[0-9])? ----|[-+! ] a?|[-+! *]{0,4}[0-9]*)", 0..30)) {
            let _ = read(&format!("{STARS}*** 1,3 ****\n{}\n", lines.join("\n")));
        }
    }
}
