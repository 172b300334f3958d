//! Hunks of a patch that speak of a field: evidence for a person, never a decision.
//!
//! The reader knows unified diffs as `diff -u` and `git diff` write them. It looks at each line
//! once and keeps at most [`KEPT`] hunks of [`LINES`] lines per field, whatever the patch; what is
//! left out is counted. It knows no C: a structure begins where a line says `struct name {`, or
//! where the heading of a hunk does, and ends at a brace in the first column. So a hunk can be
//! missed or be about something else of the same name.

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

/// Why a patch is no evidence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is not text.
    #[error("the patch is compressed; unpack it first")]
    Compressed,
    /// Nothing in it is a hunk.
    #[error("no hunk of a unified diff is in it")]
    NoHunks,
    /// A hunk's heading cannot be read.
    #[error("line {line}: `{text}` is no heading of a hunk")]
    Heading {
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
    /// A hunk has fewer lines than its heading says.
    #[error("line {line}: the hunk ends before its heading says")]
    Short {
        /// The line, from 1.
        line: usize,
    },
}

/// Looks for hunks that touch each of `wanted`. Fields that none touches are left out.
///
/// # Errors
/// If `patch` is not a unified diff to its end.
pub fn find(patch: &[u8], wanted: &[Wanted]) -> Result<BTreeMap<Wanted, Evidence>, PatchError> {
    const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"];
    if COMPRESSED.iter().any(|magic| patch.starts_with(magic)) {
        return Err(PatchError::Compressed);
    }
    let mut found: BTreeMap<Wanted, Evidence> = BTreeMap::new();
    let mut by_word: BTreeMap<&[u8], Vec<&Wanted>> = BTreeMap::new();
    let mut by_type: BTreeMap<&[u8], Vec<&Wanted>> = BTreeMap::new();
    for field in wanted {
        by_type.entry(field.ty.as_bytes()).or_default().push(field);
        if !field.member.is_empty() {
            let name = by_word.entry(field.member.as_bytes()).or_default();
            name.push(field);
        }
    }
    let mut lines = patch.split(|byte| *byte == b'\n').zip(1..).peekable();
    let (mut file, mut hunks) = (String::new(), 0usize);
    while let Some((line, number)) = lines.next() {
        if let Some(name) = line.strip_prefix(b"--- ").or(line.strip_prefix(b"+++ ")) {
            let name = shown(name.split(|byte| *byte == b'\t').next().unwrap_or(name));
            // A removed file is `/dev/null` on its new side.
            if name != "/dev/null" {
                file = name
                    .split_once('/')
                    .map_or(name.as_str(), |(_, rest)| rest)
                    .to_owned();
            }
            continue;
        }
        if !line.starts_with(b"@@ ") {
            continue;
        }
        hunks += 1;
        let (mut old, mut new, section) = heading(line).ok_or_else(|| PatchError::Heading {
            line: number,
            text: shown(line),
        })?;
        let mut body = Vec::new();
        while old > 0 || new > 0 {
            let Some((line, _)) = lines.next() else {
                return Err(PatchError::Short { line: number });
            };
            let (was, is) = match line.first() {
                // An empty line of context, of which a mail program took the space.
                Some(b' ' | b'\r') | None => (1, 1),
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                Some(b'\\') => (0, 0),
                _ => return Err(PatchError::Short { line: number }),
            };
            if was > old || is > new {
                return Err(PatchError::Short { line: number });
            }
            (old, new) = (old - was, new - is);
            body.push(line);
        }
        for (field, touch) in touched(section, &body, &by_word, &by_type) {
            let evidence = found.entry(field.clone()).or_default();
            let place = evidence.hunks.partition_point(|kept| kept.touch >= touch);
            if place >= KEPT {
                evidence.more += 1;
                continue;
            }
            let hunk = Hunk {
                touch,
                file: file.clone(),
                line: number,
                text: excerpt(line, &body, field),
            };
            evidence.hunks.insert(place, hunk);
            if evidence.hunks.len() > KEPT {
                evidence.hunks.pop();
                evidence.more += 1;
            }
        }
    }
    match hunks {
        0 => Err(PatchError::NoHunks),
        _ => Ok(found),
    }
}

/// Numbers of old and new lines, and what follows: `@@ -1,6 +1,7 @@ struct s {`.
fn heading(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let rest = line.strip_prefix(b"@@ -")?;
    let end = rest.windows(3).position(|window| window == b" @@")?;
    let ranges = std::str::from_utf8(&rest[..end]).ok()?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((start, count)) => start.parse::<u64>().and(count.parse()).ok(),
        None => range.parse::<u64>().ok().map(|_| 1),
    };
    Some((count(old)?, count(new)?, &rest[end + 3..]))
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
