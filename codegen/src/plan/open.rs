//! Leaving fields open, with what a person needs to decide them.

use super::builder::{Owner, Planner, Which};
use super::finding::{Candidate, Declaration, Undecided, Why};
use crate::ctype::{self, Field};
use similar::TextDiff;

impl Planner<'_> {
    /// Leaves a field open.
    pub(super) fn open_field(
        &mut self,
        owner: &Owner,
        why: Why,
        old: Option<&Field>,
        new: Option<&Field>,
        all_old: &[Field],
        all_new: &[Field],
    ) {
        let candidates = match (&why, old, new) {
            (Why::Added, _, Some(field)) => {
                self.candidates((Which::New, field), (Which::Old, all_old), all_new)
            }
            (Why::Removed, Some(field), _) => {
                self.candidates((Which::Old, field), (Which::New, all_new), all_old)
            }
            _ => Vec::new(),
        };
        let declaration = |which: Which, field: &Field| Declaration::of(self.layout(which), field);
        let name = old.or(new).map_or("", |field| field.name.as_str());
        let declarations = (
            old.map(|f| declaration(Which::Old, f)),
            new.map(|f| declaration(Which::New, f)),
        );
        self.open(&owner.name, name, why, declarations.0, declarations.1);
        if let Some(last) = self.undecided.last_mut() {
            last.candidates = candidates;
        }
    }

    /// Leaves a type as a whole open.
    pub(super) fn open_type(&mut self, ty: &str, why: Why) {
        self.open(ty, "", why, None, None);
    }

    pub(super) fn open(
        &mut self,
        ty: &str,
        field: &str,
        why: Why,
        old: Option<Declaration>,
        new: Option<Declaration>,
    ) {
        let open = Undecided {
            ty: ty.to_owned(),
            field: field.to_owned(),
            why,
            old,
            new,
            candidates: Vec::new(),
        };
        // What is wrong with one decision may show in both of its actions.
        let same = |known: &Undecided| {
            known.ty == open.ty && known.field == open.field && known.why == open.why
        };
        if !self.undecided.iter().any(same) {
            self.undecided.push(open);
        }
    }

    /// Fields of the other side that this side does not have, and that look like `field`.
    fn candidates(
        &self,
        (which, field): (Which, &Field),
        (other, others): (Which, &[Field]),
        own: &[Field],
    ) -> Vec<Candidate> {
        let text = |which: Which, field: &Field| ctype::declared(self.layout(which), field);
        let declared = text(which, field);
        // The name says three times as much as the type.
        let likeness = |candidate: &Field| {
            let names = TextDiff::from_chars(field.name.as_str(), candidate.name.as_str()).ratio();
            let is = text(other, candidate);
            let types = TextDiff::from_chars(&declared, &is).ratio();
            (3.0 * names + types) / 4.0
        };
        let mut candidates: Vec<Candidate> = others
            .iter()
            .filter(|other| !own.iter().any(|own| own.name == other.name))
            .map(|candidate| Candidate {
                field: candidate.name.clone(),
                likeness: likeness(candidate),
            })
            .filter(|candidate| candidate.likeness >= 0.5)
            .collect();
        candidates.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
        candidates.truncate(3);
        candidates
    }
}
