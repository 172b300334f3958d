//! The lines of mails, with what mail programs made of their text undone: quoted-printable and
//! base64 (RFC 2045, 6.7 and 6.8), in a mail of its own, in a mailbox of many, and in attachments.
//!
//! What is no mail goes through as it is. Parts that are neither text nor a patch are left out. The
//! numbers of lines are those of the decoded text. Memory grows with the longest line, up to
//! [`LONGEST`], and with the depth of attachments, up to [`DEPTH`].

use super::LONGEST;
use std::io::{self, BufRead};

/// Parts inside of parts at most.
const DEPTH: usize = 16;

/// The lines of a patch, a mail or a mailbox.
pub(super) struct Lines<R> {
    input: R,
    state: State,
    /// The boundaries of the parts that are open.
    boundaries: Vec<Vec<u8>>,
    /// What the headers that are read say.
    header: Header,
    raw: Vec<u8>,
    /// Decoded bytes without a line's end so far, and how many of the lines in them were taken.
    decoded: Vec<u8>,
    taken: usize,
    base64: (u32, u32),
    after_blank: bool,
    ended: bool,
}

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    /// Text as it is, of a patch or of a mail.
    Plain,
    /// Among headers.
    Headers,
    QuotedPrintable,
    Base64,
    /// A part that is no text.
    Skipped,
}

#[derive(Default)]
struct Header {
    /// The last header, with the lines that go on with it.
    open: Vec<u8>,
    encoding: Option<State>,
    boundary: Option<Vec<u8>>,
    /// Its type is none of a patch.
    other: bool,
    /// An encoding that is not known.
    unknown: Option<String>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Lines<R> {
        Lines {
            input,
            state: State::Headers,
            boundaries: Vec::new(),
            header: Header::default(),
            raw: Vec::new(),
            decoded: Vec::new(),
            taken: 0,
            base64: (0, 0),
            after_blank: true,
            ended: false,
        }
    }

    /// An encoding that the mail names and that nobody decodes here; once.
    pub(super) fn unknown_encoding(&mut self) -> Option<String> {
        self.header.unknown.take()
    }

    /// Reads the next line to `line`, without its end; `false` at the end.
    pub(super) fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        loop {
            if self.take_decoded(line) {
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            let mut raw = std::mem::take(&mut self.raw);
            let more = read_line(&mut self.input, &mut raw)?;
            if !more {
                self.ended = true;
                self.end_encoded();
                self.raw = raw;
                continue;
            }
            let shown = self.line(&raw);
            if shown {
                std::mem::swap(line, &mut raw);
            }
            self.raw = raw;
            if shown {
                return Ok(true);
            }
        }
    }

    /// Takes one decoded line.
    fn take_decoded(&mut self, line: &mut Vec<u8>) -> bool {
        let rest = &self.decoded[self.taken..];
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                line.extend_from_slice(&rest[..end.min(LONGEST)]);
                self.taken += end + 1;
                true
            }
            None => {
                self.decoded.drain(..self.taken);
                self.taken = 0;
                false
            }
        }
    }

    /// Takes one line as it stands; whether it is to be handed out.
    fn line(&mut self, raw: &[u8]) -> bool {
        let blank = raw.trim_ascii().is_empty();
        let after_blank = std::mem::replace(&mut self.after_blank, blank);
        // The next mail of a mailbox.
        if after_blank && raw.starts_with(b"From ") && !matches!(self.state, State::Headers) {
            self.end_encoded();
            self.boundaries.clear();
            self.begin_headers();
            return self.decoded.is_empty() || {
                self.decoded.extend_from_slice(raw);
                self.decoded.push(b'\n');
                false
            };
        }
        if let Some(depth) = self.boundary(raw) {
            let last = raw.trim_ascii_end().ends_with(b"--");
            self.end_encoded();
            self.boundaries.truncate(depth + usize::from(!last));
            if last {
                self.state = State::Plain;
            } else {
                self.begin_headers();
            }
            return false;
        }
        match self.state {
            State::Plain => true,
            State::Headers => {
                self.header_line(raw, blank);
                true
            }
            State::Skipped => false,
            State::QuotedPrintable => {
                self.quoted_printable(raw);
                false
            }
            State::Base64 => {
                self.base64(raw);
                false
            }
        }
    }

    fn begin_headers(&mut self) {
        self.state = State::Headers;
        let unknown = self.header.unknown.take();
        self.header = Header {
            unknown,
            ..Header::default()
        };
    }

    /// The place of the boundary that `raw` is, among those that are open.
    fn boundary(&self, raw: &[u8]) -> Option<usize> {
        let name = raw.trim_ascii_end().strip_prefix(b"--")?;
        let is_it =
            |boundary: &Vec<u8>| name == boundary || name.strip_suffix(b"--") == Some(boundary);
        self.boundaries.iter().rposition(is_it)
    }

    fn header_line(&mut self, raw: &[u8], blank: bool) {
        let folded = raw.starts_with(b" ") || raw.starts_with(b"\t");
        if folded && !blank {
            let room = LONGEST.saturating_sub(self.header.open.len());
            self.header
                .open
                .extend_from_slice(&raw[..raw.len().min(room)]);
            return;
        }
        self.end_header();
        if blank {
            self.end_headers();
            return;
        }
        let name = raw.iter().position(|byte| *byte == b':');
        let is_header = name.is_some_and(|end| {
            let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
            end > 0 && raw[..end].iter().all(word)
        });
        // A patch without a mail has none.
        if !is_header && !raw.starts_with(b"From ") && !raw.starts_with(b">From ") {
            self.state = State::Plain;
            return;
        }
        self.header.open.extend_from_slice(raw);
    }

    /// Takes what a header with all of its lines says.
    fn end_header(&mut self) {
        let open = std::mem::take(&mut self.header.open);
        let text = String::from_utf8_lossy(&open);
        let Some((name, value)) = text.split_once(':') else {
            return;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-transfer-encoding" => match value.to_ascii_lowercase().as_str() {
                "quoted-printable" => self.header.encoding = Some(State::QuotedPrintable),
                "base64" => self.header.encoding = Some(State::Base64),
                "" | "7bit" | "8bit" | "binary" => {}
                other => self.header.unknown = Some(other.to_owned()),
            },
            "content-type" => {
                let lower = value.to_ascii_lowercase();
                let kind = lower.split(';').next().unwrap_or("").trim();
                if kind.starts_with("multipart/") {
                    let parameters = value.split(';').skip(1).map(str::trim);
                    let boundary = parameters
                        .filter_map(|one| one.split_once('='))
                        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"));
                    let boundary = boundary.map(|(_, value)| value.trim().trim_matches('"'));
                    self.header.boundary = boundary.map(|name| name.as_bytes().to_vec());
                }
                let patch = ["text/plain", "text/x-patch", "text/x-diff", "application/"];
                let holds = patch.iter().any(|start| kind.starts_with(start));
                let inner = kind.starts_with("multipart/") || kind.starts_with("message/");
                self.header.other = !holds && !inner && !kind.is_empty();
            }
            _ => {}
        }
    }

    /// The empty line behind headers.
    fn end_headers(&mut self) {
        let header = std::mem::take(&mut self.header);
        self.header.unknown = header.unknown;
        if let Some(boundary) = header.boundary.filter(|_| self.boundaries.len() < DEPTH) {
            self.boundaries.push(boundary);
        }
        self.state = match header.encoding {
            // What is no text hides no patch.
            _ if header.other => State::Skipped,
            Some(encoding) => encoding,
            None => State::Plain,
        };
    }

    fn quoted_printable(&mut self, raw: &[u8]) {
        // A line longer than any of C is cut, as one of a patch is.
        let room = LONGEST.saturating_sub(self.decoded.len());
        let line = raw.trim_ascii_end();
        let (line, soft) = match line.strip_suffix(b"=") {
            Some(line) => (line, true),
            None => (line, false),
        };
        let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
        let mut at = 0;
        let start = self.decoded.len();
        while at < line.len() && self.decoded.len() - start < room {
            let escaped = digit(line.get(at + 1)).zip(digit(line.get(at + 2)));
            match escaped.filter(|_| line[at] == b'=') {
                Some((high, low)) => {
                    self.decoded.push((high * 16 + low) as u8);
                    at += 3;
                }
                None => {
                    self.decoded.push(line[at]);
                    at += 1;
                }
            }
        }
        if !soft {
            self.decoded.push(b'\n');
        }
    }

    fn base64(&mut self, raw: &[u8]) {
        let room = LONGEST.saturating_sub(self.decoded.len());
        let start = self.decoded.len();
        for byte in raw {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => continue,
            };
            let (bits, count) = (self.base64.0 << 6 | u32::from(value), self.base64.1 + 6);
            self.base64 = (bits, count);
            if count >= 8 {
                let byte = (bits >> (count - 8)) as u8;
                self.base64 = (bits & ((1 << (count - 8)) - 1), count - 8);
                // A byte that ends a line is kept of one that is cut, too.
                if byte == b'\n' || self.decoded.len() - start < room {
                    self.decoded.push(byte);
                }
            }
        }
    }

    /// The end of an encoded text: its last line may have no end.
    fn end_encoded(&mut self) {
        self.base64 = (0, 0);
        let encoded = matches!(self.state, State::QuotedPrintable | State::Base64);
        if encoded && self.decoded.len() > self.taken && !self.decoded.ends_with(b"\n") {
            self.decoded.push(b'\n');
        }
    }
}

/// Reads a line to `line`, without its end, cut at [`LONGEST`] bytes; `false` at the end.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = match input.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = LONGEST.saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}
