//! What most of several processes have at an address.

use super::pages::{Extent, Pages, Piece, side_by_side};
use std::cmp::Ordering;

/// Pages, each with how many more have it than have others: what is left of a vote by majority, to which
/// more can be added (Boyer and Moore).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes(Vec<Vote>);

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Vote {
    piece: Piece,
    more: u32,
}

impl Extent for Vote {
    fn extent(&self) -> (u64, u64) {
        self.piece.extent()
    }
}

impl Votes {
    /// One vote for each of these.
    pub(super) fn of(pages: &Pages) -> Votes {
        let pieces = pages.pieces().iter();
        Votes(
            pieces
                .map(|piece| Vote {
                    piece: *piece,
                    more: 1,
                })
                .collect(),
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These votes and others. Where both are as many, these win.
    pub(super) fn and(&self, others: &Votes) -> Votes {
        let mut all = Vec::new();
        for part in side_by_side(&self.0, &others.0) {
            let cut = |vote: &Vote| Vote {
                piece: vote.piece.part(part.start, part.end),
                more: vote.more,
            };
            all.extend(match (part.first.map(cut), part.second.map(cut)) {
                (Some(one), Some(other)) => Some(one.against(other)),
                (one, other) => one.or(other),
            });
        }
        Votes(all)
    }

    /// Those within ranges, which are given by address.
    pub(super) fn within(&self, ranges: &[(u64, u64)]) -> Votes {
        let parts = side_by_side(&self.0, ranges);
        let inside = parts.filter(|part| part.second.is_some());
        let cut = inside.filter_map(|part| {
            let vote = part.first?;
            let piece = vote.piece.part(part.start, part.end);
            Some(Vote { piece, ..*vote })
        });
        Votes(cut.collect())
    }

    /// What has won, by address.
    pub(super) fn pages(&self) -> Pages {
        self.0.iter().map(|vote| vote.piece).collect()
    }
}

impl Vote {
    fn against(self, other: Vote) -> Vote {
        if self.piece == other.piece {
            let more = self.more.saturating_add(other.more);
            return Vote { more, ..self };
        }
        let (winner, loser) = match self.more.cmp(&other.more) {
            Ordering::Less => (other, self),
            Ordering::Equal | Ordering::Greater => (self, other),
        };
        Vote {
            more: winner.more - loser.more,
            ..winner
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(position: u64) -> Votes {
        let piece = Piece {
            start: 10,
            end: 14,
            position,
        };
        Votes::of(&[piece].into_iter().collect())
    }

    fn winner(votes: &Votes) -> Vec<(u64, u64, u64)> {
        let pages = votes.pages();
        let pieces = pages.pieces().iter();
        pieces
            .map(|piece| (piece.start, piece.end, piece.position))
            .collect()
    }

    #[test]
    fn the_majority_wins_whatever_the_order() {
        let (one, other) = (votes(100), votes(200));
        let mut all = one.clone();
        for next in [&other, &one, &other, &other] {
            all = all.and(next);
        }
        assert_eq!(winner(&all), [(10, 14, 200)]);
        let pair = other.and(&other);
        assert_eq!(winner(&one.and(&pair)), [(10, 14, 200)]);
        assert_eq!(winner(&pair.and(&one)), [(10, 14, 200)]);
        assert_eq!(winner(&one.and(&other)), [(10, 14, 100)]);
    }

    #[test]
    fn votes_are_counted_page_by_page() {
        let all = votes(100).within(&[(10, 12)]).and(&votes(200));
        assert_eq!(winner(&all), [(10, 12, 100), (12, 14, 202)]);
        assert!(all.within(&[(20, 30)]).is_empty());
    }
}
