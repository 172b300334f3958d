//! Pages of an address space, by address, with their positions in the image.

use std::iter;

/// Something that reaches from one address to another.
pub(crate) trait Extent {
    /// First address, and past the last.
    fn extent(&self) -> (u64, u64);
}

impl Extent for (u64, u64) {
    fn extent(&self) -> (u64, u64) {
        *self
    }
}

/// Pages that follow each other in memory and in the image.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First address.
    pub(crate) start: u64,
    /// Past the last.
    pub(crate) end: u64,
    /// Where the first is, in bytes from the beginning of the page area.
    pub(crate) position: u64,
}

impl Extent for Piece {
    fn extent(&self) -> (u64, u64) {
        (self.start, self.end)
    }
}

impl Piece {
    /// How far its address is from its position in the image.
    pub(super) fn distance(self) -> u64 {
        self.start.wrapping_sub(self.position)
    }

    /// The part between two addresses of it.
    pub(super) fn part(self, start: u64, end: u64) -> Piece {
        let position = self.position + (start - self.start);
        Piece {
            start,
            end,
            position,
        }
    }
}

/// Pages, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages(Vec<Piece>);

impl FromIterator<Piece> for Pages {
    /// Of pieces by ascending address.
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Pages {
        let mut all: Vec<Piece> = Vec::new();
        for piece in pieces {
            match all.last_mut() {
                Some(last)
                    if last.end == piece.start
                        && last.position + (last.end - last.start) == piece.position =>
                {
                    last.end = piece.end;
                }
                _ => all.push(piece),
            }
        }
        Pages(all)
    }
}

impl Pages {
    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.iter().map(|piece| piece.end - piece.start).sum()
    }

    /// Whether there are any between two addresses.
    pub(crate) fn has_any(&self, (start, end): (u64, u64)) -> bool {
        let after = self.0.partition_point(|piece| piece.end <= start);
        self.0.get(after).is_some_and(|piece| piece.start < end)
    }

    /// Those within ranges, which are given by address.
    pub(crate) fn within(&self, ranges: &[impl Extent]) -> Pages {
        let parts = side_by_side(&self.0, ranges);
        let inside = parts.filter(|part| part.second.is_some());
        inside.filter_map(|part| part.piece()).collect()
    }

    /// Those outside of ranges, which are given by address.
    pub(crate) fn outside(&self, ranges: &[impl Extent]) -> Pages {
        let parts = side_by_side(&self.0, ranges);
        let outside = parts.filter(|part| part.second.is_none());
        outside.filter_map(|part| part.piece()).collect()
    }

    /// Those that are at the same address in `other`, and the same there.
    pub(crate) fn in_common(&self, other: &Pages) -> Pages {
        let parts = side_by_side(&self.0, &other.0);
        let same = parts.filter(|part| part.other_piece() == part.piece());
        same.filter_map(|part| part.piece()).collect()
    }

    /// These, and those of `other` where there are none.
    pub(crate) fn over(&self, other: &Pages) -> Pages {
        let parts = side_by_side(&self.0, &other.0);
        parts
            .filter_map(|part| part.piece().or(part.other_piece()))
            .collect()
    }

    /// What has to be written where these are for `wanted` to be there.
    pub(crate) fn to_write(&self, wanted: &Pages) -> Pages {
        let parts = side_by_side(&wanted.0, &self.0);
        let other = parts.filter(|part| part.other_piece() != part.piece());
        other.filter_map(|part| part.piece()).collect()
    }

    /// What has to be taken away where these are for nothing but `wanted` to be there. Ranges with nothing
    /// between them are one.
    pub(crate) fn to_drop(&self, wanted: &Pages) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for part in side_by_side(&self.0, &wanted.0) {
            if part.first.is_none() || part.second.is_some() {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.1 == part.start => last.1 = part.end,
                _ => ranges.push((part.start, part.end)),
            }
        }
        ranges
    }
}

/// What is between two addresses, of two lists.
pub(super) struct Part<'a, A, B> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) first: Option<&'a A>,
    pub(super) second: Option<&'a B>,
}

impl<B> Part<'_, Piece, B> {
    /// That of the first.
    fn piece(&self) -> Option<Piece> {
        self.first.map(|piece| piece.part(self.start, self.end))
    }
}

impl<A> Part<'_, A, Piece> {
    /// That of the second.
    fn other_piece(&self) -> Option<Piece> {
        self.second.map(|piece| piece.part(self.start, self.end))
    }
}

/// Two lists by address side by side, cut where one of either begins or ends, without what is in neither.
pub(super) fn side_by_side<'a, A: Extent, B: Extent>(
    mut first: &'a [A],
    mut second: &'a [B],
) -> impl Iterator<Item = Part<'a, A, B>> {
    let mut at = 0;
    iter::from_fn(move || {
        let (mut now, mut next) = ((None, None), (None, None));
        while let Some(one) = first.first() {
            let (start, end) = one.extent();
            if end > at {
                (now.0, next.0) = (Some(one), Some((start, end)));
                break;
            }
            first = &first[1..];
        }
        while let Some(one) = second.first() {
            let (start, end) = one.extent();
            if end > at {
                (now.1, next.1) = (Some(one), Some((start, end)));
                break;
            }
            second = &second[1..];
        }
        let starts = [next.0, next.1].into_iter().flatten();
        let start = starts.map(|(start, _)| start.max(at)).min()?;
        let bounds = [next.0, next.1].into_iter().flatten();
        let bound = |(from, to): (u64, u64)| if from <= start { to } else { from };
        let end = bounds.map(bound).min()?;
        at = end;
        let has = |range: Option<(u64, u64)>| range.is_some_and(|(from, _)| from <= start);
        Some(Part {
            start,
            end,
            first: now.0.filter(|_| has(next.0)),
            second: now.1.filter(|_| has(next.1)),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(pieces: &[(u64, u64, u64)]) -> Pages {
        let piece = |(start, end, position): &(u64, u64, u64)| Piece {
            start: *start,
            end: *end,
            position: *position,
        };
        pieces.iter().map(piece).collect()
    }

    #[test]
    fn pieces_that_follow_each_other_in_memory_and_image_are_one() {
        assert_eq!(pages(&[(1, 3, 7), (3, 4, 9)]), pages(&[(1, 4, 7)]));
        assert_eq!(pages(&[(1, 3, 7), (3, 4, 8)]).pieces().len(), 2);
        assert_eq!(pages(&[(1, 3, 7), (4, 5, 9)]).bytes(), 3);
    }

    #[test]
    fn pages_are_cut_where_ranges_are() {
        let all = pages(&[(1, 5, 10), (7, 9, 30)]);
        let ranges = [(0, 2), (3, 8)];
        assert_eq!(
            all.within(&ranges),
            pages(&[(1, 2, 10), (3, 5, 12), (7, 8, 30)])
        );
        assert_eq!(all.outside(&ranges), pages(&[(2, 3, 11), (8, 9, 31)]));
        assert_eq!(all.outside(&[(0, 100)]), Pages::default());
    }

    #[test]
    fn what_is_the_same_what_is_written_and_what_is_dropped() {
        let is = pages(&[(1, 5, 10), (7, 9, 30)]);
        let wanted = pages(&[(0, 2, 9), (3, 4, 50), (4, 5, 13), (8, 10, 31)]);
        assert_eq!(
            is.in_common(&wanted),
            pages(&[(1, 2, 10), (4, 5, 13), (8, 9, 31)])
        );
        assert_eq!(
            is.to_write(&wanted),
            pages(&[(0, 1, 9), (3, 4, 50), (9, 10, 32)])
        );
        assert_eq!(is.to_drop(&wanted), [(2, 3), (7, 8)]);
        assert_eq!(is.over(&wanted), pages(&[(0, 5, 9), (7, 10, 30)]));
        let both = [(1, 2, 1), (2, 3, 9)];
        assert_eq!(pages(&both).to_drop(&Pages::default()), [(1, 3)]);
    }
}
