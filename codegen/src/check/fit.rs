//! Where a hunk fits in a file that is there, by the rules of GNU patch 2.7.6 (`locate_hunk`, and
//! "Applying Imperfect Patches" of its manual).
//!
//! - A hunk is expected at the line of its heading, moved as the hunk before it was.
//! - If it does not fit there, it is at the nearest line where it does; of two equally near ones, at
//!   that further down. It does not lie before the last change of the hunk before it; where it is
//!   expected there, its context may.
//! - Only if it fits nowhere, the outermost line of its context is left out of the comparison, then
//!   two: fuzz 1 and 2. Where there is more context on one side, that goes first.
//! - A hunk that has less context before its changes than behind them, and begins at line 1, is at
//!   the beginning of the file; one that has less behind them is at its end.
//!
//! In two things it differs: white space at the ends of lines does not count, and what fits nowhere by
//! these rules, but is at the very line where it is expected, is there, with whatever context.

use super::source::Text;
use crate::patch::{Body, Sign};

/// The most fuzz, as of `patch` without `-F`.
pub(super) const FUZZ: i64 = 2;

/// Where a hunk fits.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Line of the file, from 1, of the hunk's first one.
    pub(super) line: u64,
    /// Lines further down than its heading says.
    pub(super) offset: i64,
    /// Lines of context at each end that may differ.
    pub(super) fuzz: i64,
}

/// Why a hunk does not fit.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Line of the file, from 1, at which it would be expected to fit.
    pub(super) line: u64,
    /// The line of the hunk that differs there, from 0; `None` if it is the hunk before that is in the
    /// way.
    pub(super) differs: Option<usize>,
}

/// The hunks of one file, one behind the other.
#[derive(Default)]
pub(super) struct Fits {
    /// Lines further down than its heading says that the last hunk was.
    offset: i64,
    /// The line of the file behind which the last change of the last hunk is.
    frozen: i64,
}

/// The old side of a hunk in a file. Lines are from 1; they may lie before the file and behind it.
struct Search<'a> {
    text: &'a Text,
    old: Vec<&'a [u8]>,
    /// Lines of context before the first change and behind the last.
    context: [i64; 2],
    /// The line of its heading.
    stated: i64,
    expected: i64,
    frozen: i64,
}

impl Fits {
    /// Looks for the place of the next hunk, whose heading says line `start`.
    pub(super) fn find(
        &mut self,
        hunk: &Body<Sign>,
        start: u64,
        text: &Text,
    ) -> Result<Fit, Misfit> {
        // No file has as many lines, so that nothing is lost.
        let stated = i64::try_from(start)
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4);
        let old = hunk.iter().filter(|line| line.mark != Sign::Added);
        let changes = |line: &Sign| *line != Sign::Context;
        let signs: Vec<Sign> = hunk.iter().map(|line| line.mark).collect();
        let before = signs.iter().position(changes).unwrap_or(signs.len());
        let behind = signs.iter().rev().position(changes).unwrap_or(signs.len());
        let search = Search {
            text,
            old: old.map(|line| line.text).collect(),
            context: [before as i64, behind as i64],
            stated,
            expected: stated + self.offset,
            frozen: self.frozen,
        };
        let (line, fuzz) = search.anywhere().ok_or_else(|| search.misfit())?;
        if !search.old.is_empty() {
            self.offset += line - search.expected;
        }
        if before < signs.len() {
            self.frozen = line - 1 + search.lines() - search.context[1];
        }
        Ok(Fit {
            line: line.max(1) as u64,
            offset: line - stated,
            fuzz,
        })
    }
}

impl Search<'_> {
    fn lines(&self) -> i64 {
        self.old.len() as i64
    }

    /// The nearest line, with the least fuzz.
    fn anywhere(&self) -> Option<(i64, i64)> {
        let free = self.expected - 1 + self.context[0] >= self.frozen;
        let expected = free.then_some((self.expected, 0));
        if self.old.is_empty() {
            return expected;
        }
        let most = self.context[0].max(self.context[1]);
        let fits = (0..=FUZZ.min(most)).find_map(|fuzz| {
            let ignored = self.context.map(|context| fuzz + context - most);
            self.nearest(ignored).map(|line| (line, fuzz))
        });
        fits.or_else(|| expected.filter(|_| self.matches(self.expected, [0; 2])))
    }

    /// The nearest line without regard to so many lines at the two ends of the hunk; where the number
    /// is less than none, the end of the hunk is that of the file.
    fn nearest(&self, ignored: [i64; 2]) -> Option<i64> {
        let [before, behind] = ignored.map(|lines| lines.max(0));
        // Only from where it is expected on may its context be lines that were changed.
        let reaching = self.frozen + 1 - (self.context[0] - before);
        let first = (self.frozen + 1).min(self.expected.max(reaching));
        let last = self.text.len() as i64 - (self.lines() - behind) + 1;
        let (mut first, mut last) = (first.max(1), last);
        if ignored[0] < 0 && self.stated <= 1 {
            last = last.min(1);
        }
        if ignored[1] < 0 {
            first = first.max(last);
        }
        let fits =
            |line: &i64| (first..=last).contains(line) && self.matches(*line, [before, behind]);
        // Lines that are further away are beyond both ends.
        let nearest = (first - self.expected).max(self.expected - last).max(0);
        let furthest = (last - self.expected).max(self.expected - first);
        let near =
            (nearest..=furthest).flat_map(|away| [self.expected + away, self.expected - away]);
        near.into_iter().find(fits)
    }

    fn matches(&self, line: i64, [before, behind]: [i64; 2]) -> bool {
        let compared = before.max(0)..self.lines() - behind;
        compared.into_iter().all(|at| self.has(line, at))
    }

    /// Whether the file has the line of the hunk at `at`, from 0, if its first one is at `line`.
    fn has(&self, line: i64, at: i64) -> bool {
        let there = u64::try_from(line + at).ok();
        let there = there.and_then(|line| self.text.line(line));
        there.is_some_and(|there| same(there, self.old[at as usize]))
    }

    fn misfit(&self) -> Misfit {
        let differs = (0..self.lines()).find(|at| !self.has(self.expected, *at));
        Misfit {
            line: self.expected.max(1) as u64,
            differs: differs.map(|at| at as usize),
        }
    }
}

/// Whether a line of a file is that of a patch, of which the sign may have cost the last bytes.
fn same(there: &[u8], line: &[u8]) -> bool {
    const LONG: usize = crate::patch::LONGEST - 2;
    let cut = |text: &[u8]| text.len().min(LONG);
    there[..cut(there)].trim_ascii_end() == line[..cut(line)].trim_ascii_end()
}

/// What is to be told of the hunks of a file that do not fit where they say.
#[derive(Default)]
pub(super) struct Told {
    /// The first and the last hunk of those in a row of which the same is to be told.
    rows: Vec<(u64, u64, String)>,
    more: u64,
}

impl Told {
    /// Rows told of one file.
    const ROWS: usize = 12;

    /// Takes where the hunk with this number, from 1, is.
    pub(super) fn take(&mut self, number: u64, fit: Fit) {
        let lines = |count: u64| if count == 1 { "line" } else { "lines" };
        let count = fit.offset.unsigned_abs();
        let place = match fit.offset {
            0 => String::new(),
            1.. => format!(" {count} {} further down", lines(count)),
            _ => format!(" {count} {} further up", lines(count)),
        };
        let fuzz = match fit.fuzz {
            0 => String::new(),
            fuzz => format!(" with fuzz {fuzz}"),
        };
        let what = place + &fuzz;
        if what.is_empty() {
            return;
        }
        let room = self.rows.len() < Self::ROWS;
        match self.rows.last_mut() {
            Some((_, last, same)) if *same == what && *last + 1 == number => *last = number,
            _ if room => self.rows.push((number, number, what)),
            _ => self.more += 1,
        }
    }

    /// The remark about the file at `path`, if there is one to make.
    pub(super) fn remark(&self, path: &str) -> Option<String> {
        let row = |(first, last, what): &(u64, u64, String)| match last - first {
            0 => format!("hunk {first} fits{what}"),
            _ => format!("hunks {first} to {last} fit{what}"),
        };
        let mut rows: Vec<String> = self.rows.iter().map(row).collect();
        if self.more > 0 {
            rows.push(format!("{} more", self.more));
        }
        (!rows.is_empty()).then(|| format!("{path}: {}", rows.join("; ")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A hunk of lines that begin with a space, `-` or `+`, each of one word.
    fn hunk(lines: &str) -> Body<Sign> {
        let mut body = Body::default();
        for (line, number) in lines.split_inclusive('\n').zip(1..) {
            let sign = match line.as_bytes()[0] {
                b'-' => Sign::Removed,
                b'+' => Sign::Added,
                _ => Sign::Context,
            };
            let text = line[1..].trim_end_matches('\n');
            body.push(sign, text.as_bytes(), number).unwrap();
        }
        body
    }

    fn text(lines: &str) -> Text {
        Text::new(lines.replace(' ', "\n").into_bytes())
    }

    /// Line, offset and fuzz.
    fn fits(hunks: &[(u64, &str)], lines: &str) -> Vec<Result<(u64, i64, i64), Misfit>> {
        let (mut fits, text) = (Fits::default(), text(lines));
        let one = |(start, lines): &(u64, &str)| {
            let fit = fits.find(&hunk(lines), *start, &text)?;
            Ok((fit.line, fit.offset, fit.fuzz))
        };
        hunks.iter().map(one).collect()
    }

    fn fit(start: u64, lines: &str, text: &str) -> Result<(u64, i64, i64), Misfit> {
        fits(&[(start, lines)], text).swap_remove(0)
    }

    const A: &str = " a\n+x\n b\n";

    #[test]
    fn the_nearest_place_of_several_is_taken() {
        assert_eq!(fit(3, A, "a b a b a b"), Ok((3, 0, 0)));
        assert_eq!(fit(4, A, "a b . . . a b"), Ok((6, 2, 0)));
        assert_eq!(fit(3, A, "a b . . . a b"), Ok((1, -2, 0)));
        // Of two equally near ones that further down; one beyond the file is not looked at.
        assert_eq!(fit(4, A, "a b . . . . a b"), Ok((7, 3, 0)));
        assert_eq!(fit(99, A, "a b . a b"), Ok((4, -95, 0)));
        assert_eq!(fit(u64::MAX, A, "a b . a b").unwrap().0, 4);
        assert_eq!(fit(0, A, ". a b"), Ok((2, 2, 0)));
        let bare = "-a\n-b\n";
        assert!(fit(1, bare, "").is_err());
        assert_eq!(
            fit(1, bare, "a  b"),
            Err(Misfit {
                line: 1,
                differs: Some(1)
            })
        );
    }

    #[test]
    fn a_hunk_is_expected_where_the_one_before_it_was_moved_to() {
        let b = " c\n+y\n d\n";
        let lines = "c d . a b c d . . c d";
        // Without the first hunk's three lines the nearest place would be line 6.
        assert_eq!(fit(6, b, lines), Ok((6, 0, 0)));
        assert_eq!(
            fits(&[(1, A), (7, b)], lines),
            [Ok((4, 3, 0)), Ok((10, 3, 0))]
        );
        // It is not before the last change of that one, but may have its lines as context.
        assert_eq!(fits(&[(4, A), (1, b)], lines)[1], Ok((6, 5, 0)));
        let next = " b\n-c\n d\n";
        assert_eq!(fits(&[(4, A), (5, next)], lines)[1], Ok((5, 0, 0)));
        let again = "-a\n b\n";
        assert!(fits(&[(4, A), (4, again)], lines)[1].is_err());
        let behind = "-b\n";
        assert_eq!(fits(&[(4, A), (5, behind)], lines)[1], Ok((5, 0, 0)));
    }

    #[test]
    fn fuzz_leaves_out_the_outermost_context() {
        let three = " a\n b\n c\n-x\n d\n e\n f\n";
        let at = |lines: &str| fit(1, three, lines).map(|(line, _, fuzz)| (line, fuzz));
        assert_eq!(at("a b c x d e f"), Ok((1, 0)));
        assert_eq!(at(". b c x d e f"), Ok((1, 1)));
        assert_eq!(at("a b c x d e ."), Ok((1, 1)));
        assert_eq!(at(". . c x d . ."), Ok((1, 2)));
        assert!(at("a b . x d e f").is_err());
        assert!(at("a b c . d e f").is_err());
        // What is left out need not be there at the end; a place without fuzz goes before a nearer one.
        assert_eq!(at("a b c x d"), Ok((1, 2)));
        assert_eq!(at(". b c x d e . a b c x d e f"), Ok((8, 0)));
        // No context, no fuzz; and the longer context goes first.
        assert!(fit(1, "-x\n", "y").is_err());
        assert_eq!(fit(2, " a\n b\n-x\n c\n", ". . b x c"), Ok((2, 0, 1)));
        assert_eq!(fit(2, " a\n b\n-x\n c\n", ". a b x d"), Ok((2, 0, 2)));
        assert_eq!(
            fit(2, " a\n-x\n", "b y"),
            Err(Misfit {
                line: 2,
                differs: Some(0)
            })
        );
    }

    #[test]
    fn less_context_on_one_side_is_an_end_of_the_file() {
        let first = "+x\n a\n b\n c\n";
        assert_eq!(fit(1, first, "a b c a b c"), Ok((1, 0, 0)));
        assert!(fit(1, first, ". a b c").is_err());
        // At another line than the first it may be anywhere.
        assert_eq!(fit(2, first, ". . a b c"), Ok((3, 1, 0)));
        let last = " a\n b\n c\n+x\n";
        assert_eq!(fit(1, last, ". a b c . a b c"), Ok((6, 5, 0)));
        assert!(fit(1, last, ". a b c .").is_err());
        // With as much fuzz as there is more context it is free again.
        let one = " a\n b\n-x\n c\n";
        assert_eq!(fit(1, one, ". a b x c ."), Ok((2, 1, 1)));
        // What would fit nowhere may be at its very line without regard to that.
        assert_eq!(fit(2, last, ". a b c ."), Ok((2, 0, 0)));
    }

    #[test]
    fn a_hunk_without_an_old_line_is_where_it_says() {
        assert_eq!(
            fits(&[(3, A), (5, "+y\n")], "a b . a b"),
            [Ok((4, 1, 0)), Ok((6, 1, 0))]
        );
        let early = fits(&[(3, "-.\n"), (2, "+y\n")], "a b . a b");
        assert_eq!(
            early[1],
            Err(Misfit {
                line: 2,
                differs: None
            })
        );
    }

    #[test]
    fn white_space_at_the_end_of_a_line_and_what_is_cut_do_not_count() {
        assert_eq!(fit(1, A, "a\t\r b\r"), Ok((1, 0, 0)));
        let long = "y".repeat(crate::patch::LONGEST);
        let cut = format!("-{}\n", &long[1..]);
        assert_eq!(fit(1, &cut, &long), Ok((1, 0, 0)));
    }

    #[test]
    fn hunks_in_a_row_are_told_together() {
        let fit = |offset, fuzz| Fit {
            line: 1,
            offset,
            fuzz,
        };
        let mut told = Told::default();
        assert_eq!(told.remark("a.h"), None);
        let all = [
            (0, 0),
            (3, 0),
            (3, 0),
            (3, 1),
            (-1, 0),
            (0, 2),
            (0, 0),
            (0, 2),
        ];
        for ((offset, fuzz), number) in all.into_iter().zip(1..) {
            told.take(number, fit(offset, fuzz));
        }
        assert_eq!(
            told.remark("a.h").unwrap(),
            "a.h: hunks 2 to 3 fit 3 lines further down; hunk 4 fits 3 lines further down with fuzz 1; hunk 5 fits 1 line further up; hunk 6 fits with fuzz 2; hunk 8 fits with fuzz 2"
        );
        for number in 9..40 {
            told.take(number, fit(number as i64, 0));
        }
        assert!(told.remark("a.h").unwrap().ends_with("; 24 more"));
    }
}
