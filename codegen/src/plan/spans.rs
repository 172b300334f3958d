//! Where bytes that something can point at went.

use super::{Action, FieldPlan, Plan, Span};
use std::collections::BTreeMap;

/// Fills the span tables of all types of `plan`.
pub(super) fn fill(plan: &mut Plan) {
    let names: Vec<String> = plan.types.keys().cloned().collect();
    let mut done: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for name in &names {
        spans_of(plan, name, &mut done);
    }
    for (name, spans) in done {
        if let Some(ty) = plan.types.get_mut(&name) {
            ty.spans = spans;
        }
    }
}

fn spans_of(plan: &Plan, name: &str, done: &mut BTreeMap<String, Vec<Span>>) -> Vec<Span> {
    if let Some(spans) = done.get(name) {
        return spans.clone();
    }
    let mut spans = Vec::new();
    for field in plan.types.get(name).iter().flat_map(|ty| &ty.fields) {
        if let Some((from, to)) = places(field) {
            let sizes = (from.1, to.1);
            collect(plan, &field.action, (from.0, to.0), sizes, &mut spans, done);
        }
    }
    let spans = merge(spans);
    done.insert(name.to_owned(), spans.clone());
    spans
}

/// First byte and number of bytes of a field, before and after; nothing can point at a bit-field.
fn places(field: &FieldPlan) -> Option<((u64, u64), (u64, u64))> {
    let (from, to) = (field.from.as_ref()?, field.to.as_ref()?);
    let bytes = |bits: super::Bits| (bits.offset / 8, bits.len / 8);
    (!from.bit_field && !to.bit_field).then(|| (bytes(from.bits), bytes(to.bits)))
}

/// Adds the spans of a value that was at `at.0` and is at `at.1`, with the given sizes.
fn collect(
    plan: &Plan,
    action: &Action,
    at: (u64, u64),
    sizes: (u64, u64),
    spans: &mut Vec<Span>,
    done: &mut BTreeMap<String, Vec<Span>>,
) {
    match action {
        Action::Recurse { ty } => {
            for span in spans_of(plan, ty, done) {
                spans.push(Span {
                    from: at.0 + span.from,
                    to: at.1 + span.to,
                    len: span.len,
                });
            }
        }
        Action::Elements { each, old, new, .. } => {
            let sizes = (sizes.0.checked_div(*old), sizes.1.checked_div(*new));
            let (Some(old_size), Some(new_size)) = sizes else {
                return;
            };
            for index in 0..*old.min(new) {
                let at = (at.0 + index * old_size, at.1 + index * new_size);
                collect(plan, each, at, (old_size, new_size), spans, done);
            }
        }
        // What pointed into the structure points into the object, and the other way round; that
        // is for the object's own spans to say.
        Action::Make { .. } | Action::Fold { .. } => {}
        _ => spans.push(Span {
            from: at.0,
            to: at.1,
            len: sizes.0.min(sizes.1),
        }),
    }
}

/// Sorts spans and makes one of neighbours that moved together.
fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| span.len > 0);
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.from + last.len == span.from && last.to + last.len == span.to => {
                last.len += span.len;
            }
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(from: u64, to: u64, len: u64) -> Span {
        Span { from, to, len }
    }

    #[test]
    fn neighbours_merge_only_if_they_moved_together() {
        let spans = vec![
            span(8, 12, 4),
            span(0, 0, 4),
            span(4, 4, 4),
            span(12, 16, 0),
        ];
        assert_eq!(merge(spans), [span(0, 0, 8), span(8, 12, 4)]);
        assert_eq!(merge(vec![span(0, 4, 4), span(4, 0, 4)]).len(), 2);
    }
}
