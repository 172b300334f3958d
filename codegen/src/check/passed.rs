//! Lines of a format that nothing was read out of: in a header whose every declaration counts, what is
//! not understood is unknown, and not nothing.

use super::declare::{self, is_guard};
use super::lex::{Lexer, Piece};
use crate::patch::Sign;

/// The changed lines of one file that could matter, as far as they have been looked at.
#[derive(Default)]
pub(super) struct Passed {
    /// Lines of one kind that follow on one another.
    run: Vec<String>,
    sign: Option<Sign>,
    /// The line of the patch at which the run begins.
    at: u64,
    /// Lines that are gone, until it is known what came in their place, and the first of them that
    /// could matter.
    gone: Option<(Vec<String>, Option<First>)>,
    first: Option<First>,
}

/// A line that could matter: its text, the line of the patch at which those around it begin, and whether
/// it is new.
pub(super) type First = (String, u64, bool);

/// What begins a definition.
const NEW: [&str; 8] = [
    "struct ", "union ", "enum ", "typedef ", "static ", "extern ", "#define ", "#if",
];

impl Passed {
    /// Looks at a line of the patch, the one with the number `line`.
    pub(super) fn line(&mut self, sign: Sign, text: &str, line: u64) {
        if self.sign != Some(sign) {
            self.end_run();
            (self.sign, self.at) = (Some(sign), line);
        }
        if sign != Sign::Context {
            self.run.push(text.trim().to_owned());
        }
    }

    /// Ends a hunk.
    pub(super) fn end(&mut self) {
        self.end_run();
        self.settle();
    }

    /// The first line that could matter.
    pub(super) fn first(mut self) -> Option<First> {
        self.end();
        self.first
    }

    /// Ends the lines that follow on one another.
    fn end_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        let first = self.matters(&run);
        match self.sign.take() {
            Some(Sign::Removed) => self.gone = Some((run, first)),
            // What is written otherwise is the same.
            Some(Sign::Added)
                if self
                    .gone
                    .as_ref()
                    .is_some_and(|(gone, _)| alike(gone, &run)) =>
            {
                self.gone = None;
            }
            Some(Sign::Added) => {
                self.settle();
                self.first = self.first.take().or(first);
            }
            Some(Sign::Context) | None => self.settle(),
        }
    }

    fn settle(&mut self) {
        let gone = self.gone.take().and_then(|(_, first)| first);
        self.first = self.first.take().or(gone);
    }

    /// The first line of a run that could matter.
    fn matters(&self, run: &[String]) -> Option<First> {
        let first = run.iter().find(|line| !is_inert(line))?;
        let count = |brace: char| {
            run.iter()
                .flat_map(|line| line.chars())
                .filter(|c| *c == brace)
                .count()
        };
        // Both sides of a whole definition are read.
        let begins = NEW.iter().any(|new| first.starts_with(new));
        let whole = begins && count('{') == count('}') && !first.contains("__attribute__");
        (!whole).then(|| (first.clone(), self.at, self.sign == Some(Sign::Added)))
    }
}

/// Whether two runs of lines declare the same, each in its way to write it.
fn alike(old: &[String], new: &[String]) -> bool {
    let plain = |lines: &[String]| -> String {
        let (mut lexer, mut text) = (Lexer::default(), String::new());
        for line in lines {
            lexer.line(line, &mut |piece| match piece {
                Piece::Token(token) => {
                    text.push_str(declare::integer(token).unwrap_or(token));
                    text.push(' ');
                }
                Piece::Directive { text: all, .. } => text.push_str(all),
                Piece::Comment(_) => {}
            });
        }
        text.replace("__attribute__ ( ( packed ) )", "__packed")
            .replace("__attribute__ ( ( __packed__ ) )", "__packed")
    };
    plain(old) == plain(new)
}

/// Whether a line says nothing of a format whatever is around it: comments, headers that are included and
/// what is checked when the kernel is compiled.
fn is_inert(line: &str) -> bool {
    let guard = |line: &str| line.split_whitespace().nth(1).is_some_and(is_guard);
    line.is_empty()
        || line.starts_with('*')
        || line.starts_with("/*")
        || line.starts_with("//")
        || line.starts_with("#include")
        || line.starts_with("#endif")
        || line.starts_with("static_assert(")
        || (line.starts_with("#ifndef ") || line.starts_with("#define ")) && guard(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(lines: &[(Sign, &str)]) -> Option<String> {
        let mut passed = Passed::default();
        for (line, (sign, text)) in (1..).zip(lines) {
            passed.line(*sign, text, line);
        }
        passed.first().map(|(text, ..)| text)
    }

    #[test]
    fn what_could_matter_is_found() {
        use Sign::{Added, Context, Removed};
        for lines in [
            &[(Added, "#pragma pack(1)"), (Context, "struct s {")][..],
            &[(Context, "	u64 a:3;"), (Added, "	u64 :0;")],
            &[
                (Removed, "	     F_SEAL_EXEC)"),
                (Added, "	     F_SEAL_EXEC | F_SEAL_NEW)"),
            ],
            &[(Added, "#undef __packed")],
            &[
                (Removed, "struct s {"),
                (Added, "struct __attribute__((x)) s {"),
            ],
            &[(Added, "struct s {")],
        ] {
            assert!(first(lines).is_some(), "{lines:?}");
        }
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        use Sign::{Added, Removed};
        for lines in [
            &[
                (Removed, " * one"),
                (Added, " * two"),
                (Added, "	/* three */"),
            ][..],
            &[
                (Removed, "#include <a.h>"),
                (Added, "#include <b.h>"),
                (Added, ""),
            ],
            &[
                (Added, "/** x */"),
                (Added, "struct s {"),
                (Added, "	u64 a;"),
                (Added, "} __packed;"),
            ],
            &[(Added, "static_assert(sizeof(struct s) == 8);")],
            &[
                (Removed, "#define _LINUX_S_H"),
                (Added, "#define _LINUX_T_H_"),
            ],
            &[
                (Added, "static inline void f(void)"),
                (Added, "{"),
                (Added, "}"),
            ],
        ] {
            assert_eq!(first(lines), None, "{lines:?}");
        }
    }
}
