//! State that the state map says is refused, found by what the map says of it alone.

use crate::error::{Fault, Finding, Flaw};
use crate::walk::Walked;

/// What is refused in the objects, in their order. They look as if it were not there afterwards, so that
/// who judges the image does not tell of it again.
pub(crate) fn refused(walked: &mut Walked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in 0..walked.objects.len() {
        let ty = walked.types.get(walked.objects[object].ty);
        if ty.refused.is_empty() {
            continue;
        }
        for index in 0..u64::from(walked.objects[object].count) {
            let start = index * ty.size;
            for place in &ty.refused {
                let last = start + place.end() - 1;
                let there = walked.number(object, last, 1, &place.path);
                let saved = &mut walked.objects[object];
                let at = saved.at.0.wrapping_add(start);
                let bytes = saved.bytes.get_mut(start as usize..).unwrap_or_default();
                let (value, flaw) = match (there, place.found(bytes, at)) {
                    (Err(error), _) => (None, Fault::from(error).into()),
                    (Ok(_), None) => continue,
                    (Ok(_), Some(refused)) => {
                        place.reset(bytes, at);
                        let (code, what) = (place.refusal.code, refused.what);
                        (refused.value, Flaw::NotCarried { code, what })
                    }
                };
                let place = walked.place(object, place.path.clone(), value);
                findings.push(Finding { place, flaw });
            }
        }
    }
    findings
}
