//! Where bytes that something can point at went.

use super::{Action, Bits, FieldPlan, Plan, Span};
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
        if let Action::Call {
            ends: Some(old), ..
        } = &field.action
        {
            spans.extend(field.to.as_ref().map(|new| last_bytes(*old, new.bits)));
        } else if let Some((from, to)) = places(field) {
            let sizes = (from.1, to.1);
            collect(plan, &field.action, (from.0, to.0), sizes, &mut spans, done);
        }
    }
    let spans = merge(spans);
    done.insert(name.to_owned(), spans.clone());
    spans
}

/// The last bytes of a value, which are those of another.
fn last_bytes(old: Bits, new: Bits) -> Span {
    let len = old.len.min(new.len);
    let start = |bits: Bits| (bits.offset + bits.len - len) / 8;
    Span {
        from: start(old),
        to: start(new),
        len: len / 8,
    }
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
    use super::super::{Node, Place, Reason, TaskLabel};
    use super::*;
    use kconv_rules::{RuleKind, Source};
    use kernel_structs::layout::{FieldPath, Fingerprint};

    fn span(from: u64, to: u64, len: u64) -> Span {
        Span { from, to, len }
    }

    fn field(from: (u64, u64, bool), to: (u64, u64, bool)) -> FieldPlan {
        let place = |(offset, len, bit_field)| {
            Some(Place {
                bits: Bits { offset, len },
                declared: String::from("int"),
                ty: None,
                bit_field,
            })
        };
        FieldPlan {
            path: FieldPath::default(),
            old_path: None,
            rule: RuleKind::BitField,
            action: Action::BitField,
            from: place(from),
            to: place(to),
            source: Source::Automatic,
            reason: Reason::default(),
            evidence: String::new(),
        }
    }

    #[test]
    fn nothing_points_at_a_bit_field() {
        let (whole, bits) = ((64, 32, false), (8, 8, true));
        assert_eq!(places(&field(whole, whole)), Some(((8, 4), (8, 4))));
        assert_eq!(places(&field(whole, bits)), None);
        assert_eq!(places(&field(bits, whole)), None);
        assert_eq!(places(&field(bits, bits)), None);
    }

    #[test]
    fn what_ends_alike_moves_with_its_end() {
        let bits = |offset: u64, len: u64| Bits {
            offset: 8 * offset,
            len: 8 * len,
        };
        assert_eq!(
            last_bytes(bits(64, 4096), bits(64, 4160)),
            span(64, 128, 4096)
        );
        assert_eq!(
            last_bytes(bits(64, 4160), bits(64, 4096)),
            span(128, 64, 4096)
        );
    }

    #[test]
    fn a_span_is_what_both_sides_have() {
        let node = || Node {
            release: String::new(),
            layout: String::new(),
            fingerprint: Fingerprint([0; 32]),
        };
        let plan = Plan {
            converter: String::new(),
            family: String::new(),
            machine: String::new(),
            from: node(),
            to: node(),
            task: Some(TaskLabel {
                ty: String::new(),
                pid: 0,
                comm: 0,
                comm_len: 0,
            }),
            types: BTreeMap::new(),
        };
        let spans = |action: &Action, sizes| {
            let mut spans = Vec::new();
            collect(
                &plan,
                action,
                (4, 8),
                sizes,
                &mut spans,
                &mut BTreeMap::new(),
            );
            merge(spans)
        };
        assert_eq!(spans(&Action::Widen, (2, 4)), [span(4, 8, 2)]);
        assert_eq!(spans(&Action::Narrow, (4, 2)), [span(4, 8, 2)]);
        let elements = |old, new| Action::Elements {
            each: Box::new(Action::Widen),
            old,
            new,
            rest: 0,
        };
        let both = [span(4, 8, 2), span(6, 12, 2)];
        assert_eq!(spans(&elements(2, 2), (4, 8)), both);
        assert_eq!(spans(&elements(2, 3), (4, 12)), both);
        assert_eq!(spans(&elements(3, 2), (6, 8)), both);
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
