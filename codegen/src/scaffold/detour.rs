//! Pairs that a new step needs not have: a flavour of one kernel whose layout on the other side is that
//! of another flavour, to which a step leads already.

use super::Selection;
use crate::generate::GenerateError;
use crate::identifier::version;
use crate::routes::Routes;
use std::path::PathBuf;

/// A pair of releases that a step does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The release converted from.
    pub from: String,
    /// The release converted to.
    pub to: String,
    /// The step that leads, with another pair of the new one, from the one to the other.
    pub step: PathBuf,
}

/// Takes the pairs out of `selection` for which a step and another pair of it do what a conversion of
/// their own would, to the bit. Of two that could stand for each other the first stays.
///
/// # Errors
/// If a layout or a decision cannot be read.
pub fn without_detours(
    selection: &mut Selection<'_>,
    routes: &Routes<'_>,
) -> Result<Vec<LeftOut>, GenerateError> {
    let mut left_out = Vec::new();
    for index in (0..selection.pairs.len()).rev() {
        let names = |index: usize| {
            let pair = &selection.pairs[index];
            (&*pair.from.release.name, &*pair.to.release.name)
        };
        let mut found = None;
        for other in (0..selection.pairs.len()).filter(|other| *other != index) {
            if let Some(edge) = routes.detour(names(index), names(other))? {
                let (from, to) = names(index);
                found = Some(LeftOut {
                    from: from.to_owned(),
                    to: to.to_owned(),
                    step: edge.dir.clone(),
                });
                break;
            }
        }
        if let Some(found) = found {
            left_out.push(found);
            selection.pairs.remove(index);
        }
    }
    if let ([pair], false) = (selection.pairs.as_mut_slice(), left_out.is_empty()) {
        pair.module = version(&pair.from.release.arch);
    }
    left_out.reverse();
    Ok(left_out)
}
