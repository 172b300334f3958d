//! Hunks of a patch that speak of a field: evidence for a person, never a decision.
//!
//! It looks at each line of the patch once and keeps at most [`KEPT`] hunks of [`LINES`] lines per
//! field, whatever the patch; what is left out is counted. It knows no C: a structure begins where a line says `struct name {`, or
//! where the heading of a hunk does, and ends at a brace in the first column. So a hunk can be
//! missed or be about something else of the same name.

use crate::patch::{Event, Heading, PatchError, Reader, Sign};
use std::collections::BTreeMap;

/// Hunks kept for one field.
pub const KEPT: usize = 3;
/// Lines kept of one hunk, with its heading.
pub const LINES: usize = 16;
/// Characters kept of one line.
const WIDTH: usize = 110;

/// A field that hunks are looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Tag of the structure or union.
    pub ty: String,
    /// Name of the member; empty for the type as a whole.
    pub member: String,
}

/// Why a hunk is shown, the strongest last.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// A changed line has the member's name.
    Name,
    /// A changed line stands in the structure.
    Structure,
    /// A changed line stands in the structure and has the member's name.
    Member,
}

/// A hunk that touches a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// Why it is shown.
    pub touch: Touch,
    /// The file changed.
    pub file: String,
    /// Line of the patch at which the hunk begins, from 1.
    pub line: usize,
    /// Its text; a long one is cut to the lines around the changes.
    pub text: Vec<String>,
}

/// What a patch says of a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The hunks that touch it most, in the order of the patch within one [`Touch`].
    pub hunks: Vec<Hunk>,
    /// How many more there are.
    pub more: usize,
}

/// Looks for hunks that touch each of `wanted`. Fields that none touches are left out.
///
/// # Errors
/// If `patch` is not a diff to its end, or has no hunk.
pub fn find(patch: &[u8], wanted: &[Wanted]) -> Result<BTreeMap<Wanted, Evidence>, PatchError> {
    let mut finder = Finder::default();
    for field in wanted {
        let types = finder.by_type.entry(field.ty.as_bytes()).or_default();
        types.push(field);
        if !field.member.is_empty() {
            let name = finder.by_word.entry(field.member.as_bytes()).or_default();
            name.push(field);
        }
    }
    let mut reader = Reader::new(patch);
    let mut file = String::new();
    let mut open: Option<(Heading, Vec<Vec<u8>>)> = None;
    while let Some(event) = reader.next_event()? {
        match event {
            Event::Line { sign, text, .. } => {
                let sign = match sign {
                    Sign::Context => b' ',
                    Sign::Removed => b'-',
                    Sign::Added => b'+',
                };
                if let Some((_, body)) = &mut open {
                    body.push([&[sign], text].concat());
                }
            }
            Event::Hunk(heading) => {
                finder.hunk(&file, open.replace((heading, Vec::new())));
            }
            Event::File(change) => {
                finder.hunk(&file, open.take());
                file = change.path().to_owned();
            }
            Event::NotInPatch => {}
        }
    }
    finder.hunk(&file, open);
    match reader.hunks() {
        0 => Err(PatchError::NoHunks),
        _ => Ok(finder.found),
    }
}

#[derive(Default)]
struct Finder<'a> {
    by_word: BTreeMap<&'a [u8], Vec<&'a Wanted>>,
    by_type: BTreeMap<&'a [u8], Vec<&'a Wanted>>,
    found: BTreeMap<Wanted, Evidence>,
}

impl Finder<'_> {
    fn hunk(&mut self, file: &str, hunk: Option<(Heading, Vec<Vec<u8>>)>) {
        let Some((heading, body)) = hunk else {
            return;
        };
        let body: Vec<&[u8]> = body.iter().map(Vec::as_slice).collect();
        let section = heading.section.as_bytes();
        for (field, touch) in touched(section, &body, &self.by_word, &self.by_type) {
            let evidence = self.found.entry(field.clone()).or_default();
            let place = evidence.hunks.partition_point(|kept| kept.touch >= touch);
            if place >= KEPT {
                evidence.more += 1;
                continue;
            }
            let hunk = Hunk {
                touch,
                file: file.to_owned(),
                line: heading.line as usize,
                text: excerpt(heading.text.as_bytes(), &body, field),
            };
            evidence.hunks.insert(place, hunk);
            if evidence.hunks.len() > KEPT {
                evidence.hunks.pop();
                evidence.more += 1;
            }
        }
    }
}

/// The fields that the changed lines of a hunk touch.
fn touched<'a>(
    section: &[u8],
    body: &[&[u8]],
    by_word: &BTreeMap<&[u8], Vec<&'a Wanted>>,
    by_type: &BTreeMap<&[u8], Vec<&'a Wanted>>,
) -> BTreeMap<&'a Wanted, Touch> {
    let mut touches: BTreeMap<&Wanted, Touch> = BTreeMap::new();
    let mut within: Option<&[u8]> = opened(section);
    for line in body {
        let (sign, text) = line.split_first().map_or((b' ', *line), |(s, t)| (*s, t));
        within = opened(text).or(within);
        if matches!(sign, b'+' | b'-') {
            let fields = within.and_then(|ty| by_type.get(ty));
            for field in fields.into_iter().flatten() {
                raise(&mut touches, field, Touch::Structure);
            }
            for field in words(text).filter_map(|word| by_word.get(word)).flatten() {
                let inside = within == Some(field.ty.as_bytes());
                raise(
                    &mut touches,
                    field,
                    if inside { Touch::Member } else { Touch::Name },
                );
            }
        }
        if text.starts_with(b"}") {
            within = None;
        }
    }
    touches
}

fn raise<'a>(touches: &mut BTreeMap<&'a Wanted, Touch>, field: &'a Wanted, touch: Touch) {
    let known = touches.entry(field).or_insert(touch);
    *known = touch.max(*known);
}

/// The tag of the structure or union whose members begin after `text`.
fn opened(text: &[u8]) -> Option<&[u8]> {
    let mut words = words(text).skip_while(|word| !matches!(*word, b"struct" | b"union"));
    words.next()?;
    let tag = words.next()?;
    text.trim_ascii_end().ends_with(b"{").then_some(tag)
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter(|word| !word.is_empty())
}

/// The heading, and of a long body the lines around the first change that has the name.
fn excerpt(heading: &[u8], body: &[&[u8]], field: &Wanted) -> Vec<String> {
    let changed = |line: &&[u8]| matches!(line.first(), Some(b'+' | b'-'));
    let named = |line: &&[u8]| words(&line[1..]).any(|word| word == field.member.as_bytes());
    let first = body.iter().position(|line| changed(line) && named(line));
    let first = first.or_else(|| body.iter().position(changed)).unwrap_or(0);
    let room = LINES - 2;
    let start = match body.len() <= room {
        true => 0,
        false => first.saturating_sub(4).min(body.len() - room),
    };
    let end = body.len().min(start + room);
    let mut text = vec![shown(heading)];
    text.extend(body[start..end].iter().map(|line| shown(line)));
    if end - start < body.len() {
        text.push(format!("({} more lines)", body.len() - (end - start)));
    }
    text
}

/// A line for people: no control characters, tabs as spaces, not too long.
fn shown(line: &[u8]) -> String {
    // A character has four bytes at most.
    let start = &line[..line.len().min(4 * WIDTH)];
    let text = String::from_utf8_lossy(start);
    let text: String = text
        .trim_end()
        .chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .take(WIDTH)
        .collect();
    text
}
