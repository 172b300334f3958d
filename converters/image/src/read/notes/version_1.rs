//! What version 1 of the format has otherwise: a kept value names the layout in which it stood, and not
//! the conversion that kept it.

use super::{Cursor, Fault, Fields, least};
use crate::model::{Fingerprint, Head, Remainder, Step};

/// The version.
pub(super) const VERSION: u32 = 1;

/// Reads the kept values, and the layout of each into `layouts`.
pub(super) fn remainder(
    cursor: &mut Cursor<'_>,
    layouts: &mut Vec<Fingerprint>,
) -> Result<Vec<Remainder>, Fault> {
    let more = size_of::<Fingerprint>() - size_of::<u32>();
    let mut fields = Fields::new();
    cursor.list(least::REMAINDER + more, |cursor| {
        layouts.push(Fingerprint(cursor.array()?));
        super::remainder(cursor, 0, &mut fields)
    })
}

/// Finds the conversion that kept each of the values, of which the first is of the first of
/// `layouts`; of an image of a later version there are none.
pub(super) fn find_steps(head: &mut Head, layouts: &[Fingerprint]) -> Result<(), Fault> {
    for (entry, layout) in layouts.iter().enumerate() {
        let keepers = keepers(&head.provenance, *layout);
        let [step] = keepers[..] else {
            return Err(Fault::KeptBy {
                entry,
                layout: *layout,
                steps: keepers.len(),
            });
        };
        head.remainder[entry].step = step;
    }
    if !layouts.is_empty() {
        head.remainder.sort_by_key(Remainder::place);
    }
    Ok(())
}

/// The conversions that kept values of the layout with this fingerprint, and after which some can be
/// left: a conversion to that layout from another put all back that there was.
fn keepers(provenance: &[Step], layout: Fingerprint) -> Vec<u32> {
    let came_back =
        |step: &Step| step.to.fingerprint == layout && step.from.layout != step.to.layout;
    let first = provenance
        .iter()
        .rposition(came_back)
        .map_or(0, |last| last + 1);
    let later = (0..).zip(provenance).skip(first);
    let kept = later.filter(|(_, step)| step.from.fingerprint == layout && step.kept > 0);
    kept.map(|(number, _)| number).collect()
}
