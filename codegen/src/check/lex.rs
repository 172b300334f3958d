//! C as tokens, line by line.
//!
//! The lexer keeps what goes on from one line to the next: an open comment, and a directive that
//! a backslash continues. A hunk may begin in the middle of a comment; a line that begins like
//! the inside of a kernel comment (` * text`) is taken as one. Nothing here can fail.

/// A piece of a line.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A name, a keyword, a number, a string or one punctuation mark.
    Token(&'a str),
    /// The inside of a comment.
    Comment(&'a str),
    /// A preprocessor directive, or one more line of it, without comments.
    Directive {
        /// Its text.
        text: &'a str,
        /// Whether it began on an earlier line.
        continued: bool,
        /// Whether it goes on in the next line.
        goes_on: bool,
    },
}

/// What is open at the end of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Lexer {
    comment: bool,
    /// The open comment began behind a directive, and says nothing of a declaration.
    of_directive: bool,
    directive: bool,
    scratch: String,
}

impl Lexer {
    /// Forgets what is open, and looks whether `line`, the first of a hunk, is inside a comment.
    pub(super) fn start(&mut self, first: &str) {
        (self.directive, self.of_directive) = (false, false);
        let text = first.trim_start();
        let rest = text.strip_prefix('*');
        let ends = |c: char| c.is_whitespace() || c == '/';
        self.comment = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(ends));
    }

    /// Whether the next line begins inside of a comment.
    pub(super) fn goes_on(&self) -> bool {
        self.comment
    }

    /// Hands the pieces of `line` to `take`, in order.
    pub(super) fn line(&mut self, line: &str, take: &mut dyn FnMut(Piece<'_>)) {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let starts = !self.comment && line.trim_start().starts_with('#');
        if self.directive || starts {
            let continued = self.directive;
            let goes_on = line.trim_end().ends_with('\\');
            let mut text = std::mem::take(&mut self.scratch);
            text.clear();
            self.pieces(
                line.trim_end().trim_end_matches('\\'),
                &mut |piece| match piece {
                    Piece::Token(token) => {
                        if !text.is_empty() {
                            text.push(' ');
                        }
                        text.push_str(token);
                    }
                    // `#endif /* CONFIG_SMP */` is no comment of a member beside it.
                    Piece::Comment(_) | Piece::Directive { .. } => {}
                },
            );
            self.of_directive = self.comment;
            self.directive = goes_on;
            take(Piece::Directive {
                text: &text,
                continued,
                goes_on,
            });
            self.scratch = text;
            return;
        }
        self.pieces(line, take);
    }

    fn pieces(&mut self, line: &str, take: &mut dyn FnMut(Piece<'_>)) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            if self.comment {
                let end = line[at..].find("*/");
                let text = &line[at..end.map_or(line.len(), |end| at + end)];
                if !text.trim().is_empty() && !self.of_directive {
                    take(Piece::Comment(text.trim()));
                }
                self.comment = end.is_none();
                self.of_directive &= self.comment;
                at = end.map_or(line.len(), |end| at + end + 2);
                continue;
            }
            let byte = bytes[at];
            let rest = &line[at..];
            let length = match byte {
                byte if byte.is_ascii_whitespace() => {
                    at += 1;
                    continue;
                }
                b'/' if rest.starts_with("/*") => {
                    self.comment = true;
                    at += 2;
                    continue;
                }
                b'/' if rest.starts_with("//") => {
                    take(Piece::Comment(rest[2..].trim()));
                    return;
                }
                b'"' | b'\'' => quoted(rest.as_bytes()),
                byte if is_word(byte) => rest.bytes().take_while(|byte| is_word(*byte)).count(),
                b'<' | b'>' | b'&' | b'|' | b'=' if rest[1..].starts_with(byte as char) => 2,
                b'-' if rest.starts_with("->") => 2,
                b'<' | b'>' | b'!' | b'=' if rest[1..].starts_with('=') => 2,
                _ => 1,
            };
            // Lines are valid UTF-8; only a cut inside a quotation could fall into a character.
            let mut end = (at + length).min(line.len());
            while !line.is_char_boundary(end) {
                end += 1;
            }
            take(Piece::Token(&line[at..end]));
            at = end;
        }
    }
}

/// Whether `byte` can be in a name or number. Bytes of other scripts are in no C name; they stay
/// together.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Length of a string or character at the start of `text`; to its end if nothing closes it.
fn quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == text[0] => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Whether `token` is a name or a keyword.
pub(super) fn is_name(token: &str) -> bool {
    token
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}
