//! What more than one process has.

use super::pages::{Extent, Pages};
use std::collections::BTreeMap;
use std::mem;

/// Where pages are that more than one has at an address: by how far the address is from the position in
/// the image, so that what is in one list at one address is one page.
pub(super) struct Several(BTreeMap<u64, Vec<(u64, u64)>>);

impl Several {
    pub(super) fn of(all: &[Pages]) -> Several {
        let mut several: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
        for piece in all.iter().flat_map(Pages::pieces) {
            let ranges = several.entry(piece.distance()).or_default();
            ranges.push(piece.extent());
        }
        for ranges in several.values_mut() {
            *ranges = twice(mem::take(ranges));
        }
        Several(several)
    }

    /// Which pages are among them.
    pub(super) fn among(&self, pages: &Pages) -> Pages {
        let parts = pages.pieces().iter().flat_map(|piece| {
            let ranges = self.0.get(&piece.distance());
            let ranges = ranges.map_or(&[][..], Vec::as_slice);
            let after = ranges.partition_point(|(_, end)| *end <= piece.start);
            let near = ranges[after..].iter();
            near.take_while(|(start, _)| *start < piece.end)
                .map(|(start, end)| piece.part(piece.start.max(*start), piece.end.min(*end)))
        });
        parts.collect()
    }
}

/// What is in more than one of these ranges.
fn twice(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut twice: Vec<(u64, u64)> = Vec::new();
    let mut done = 0;
    for (start, end) in ranges {
        let again = end.min(done);
        match twice.last_mut() {
            _ if start >= again => {}
            Some(last) if start <= last.1 => last.1 = last.1.max(again),
            _ => twice.push((start, again)),
        }
        done = end.max(done);
    }
    twice
}

#[cfg(test)]
mod tests {
    use super::super::pages::Piece;
    use super::*;

    #[test]
    fn what_is_in_more_than_one_range_is_found() {
        assert_eq!(twice(vec![(1, 5), (9, 10)]), []);
        assert_eq!(twice(vec![(3, 8), (1, 5), (7, 9)]), [(3, 5), (7, 8)]);
        assert_eq!(
            twice(vec![(1, 9), (2, 4), (3, 6), (8, 12)]),
            [(2, 6), (8, 9)]
        );
        assert_eq!(twice(vec![(1, 3), (1, 3), (1, 3), (3, 4)]), [(1, 3)]);
    }

    #[test]
    fn a_page_at_another_address_is_another() {
        let pages = |start, end, position| -> Pages {
            let piece = Piece {
                start,
                end,
                position,
            };
            [piece].into_iter().collect()
        };
        let all = [pages(10, 20, 0), pages(15, 25, 5), pages(11, 21, 0)];
        let several = Several::of(&all);
        assert_eq!(several.among(&all[0]), pages(15, 20, 5));
        assert_eq!(several.among(&all[1]), pages(15, 20, 5));
        assert_eq!(several.among(&all[2]), Pages::default());
    }
}
