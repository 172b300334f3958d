//! The lines of one hunk, kept until all of it is known: a context diff has the old side before the
//! new one, and a tree is asked for the place of the whole.
//!
//! Memory is that of the hunk, and [`LARGEST_HUNK`] at most.

use super::PatchError;

/// Bytes that the lines of one kept hunk may take, 24 for each line among them. The largest file of
/// Linux's includes has a third of it.
pub const LARGEST_HUNK: usize = 16 << 20;

/// Lines with what `M` says of each.
#[derive(Clone, Debug)]
pub struct Body<M> {
    text: Vec<u8>,
    lines: Vec<Kept<M>>,
}

#[derive(Clone, Debug)]
struct Kept<M> {
    mark: M,
    /// Where its text ends; it begins where that of the line before ends.
    end: usize,
    line: u64,
}

/// One line of a [`Body`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct BodyLine<'a, M> {
    /// What it is.
    pub mark: M,
    /// Its text, without the mark and the line's end.
    pub text: &'a [u8],
    /// Line of the patch, from 1.
    pub line: u64,
}

impl<M> Default for Body<M> {
    fn default() -> Self {
        Body {
            text: Vec::new(),
            lines: Vec::new(),
        }
    }
}

impl<M: Copy> Body<M> {
    /// Adds a line.
    ///
    /// # Errors
    /// If the hunk is then larger than [`LARGEST_HUNK`].
    pub fn push(&mut self, mark: M, text: &[u8], line: u64) -> Result<(), PatchError> {
        let end = self.text.len() + text.len();
        if end + (self.lines.len() + 1) * size_of::<Kept<M>>() > LARGEST_HUNK {
            return Err(PatchError::LargeHunk { line });
        }
        self.text.extend_from_slice(text);
        self.lines.push(Kept { mark, end, line });
        Ok(())
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The line at `at`, from 0.
    pub fn get(&self, at: usize) -> Option<BodyLine<'_, M>> {
        let kept = self.lines.get(at)?;
        let before = at.checked_sub(1).and_then(|before| self.lines.get(before));
        let start = before.map_or(0, |before| before.end);
        Some(BodyLine {
            mark: kept.mark,
            text: &self.text[start..kept.end],
            line: kept.line,
        })
    }

    /// All lines.
    pub fn iter(&self) -> impl Iterator<Item = BodyLine<'_, M>> {
        (0..self.len()).map_while(|at| self.get(at))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hunk_is_kept_up_to_its_limit() {
        let mut body = Body::default();
        body.push(b'a', b"one", 4).unwrap();
        body.push(b'b', b"", 5).unwrap();
        let all: Vec<_> = body.iter().map(|line| (line.mark, line.text)).collect();
        assert_eq!(all, [(b'a', &b"one"[..]), (b'b', b"")]);
        let large = vec![0; LARGEST_HUNK - 3 * size_of::<Kept<u8>>() - 3];
        body.push(b'c', &large, 6).unwrap();
        let error = body.push(b'd', b"", 7).unwrap_err();
        assert_eq!(error, PatchError::LargeHunk { line: 7 });
        // Lines without text take memory, too.
        let mut empty = Body::default();
        let mut pushed = (0..).map(|line| empty.push((), b"", line));
        assert!(pushed.any(|one| one.is_err()));
        assert!(empty.len() <= LARGEST_HUNK / 16, "{}", empty.len());
    }
}
