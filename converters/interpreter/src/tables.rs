//! What a plan says of its types, as the engine has it.

use kconv_plans::model::{Bits as RunOfBits, Field, Plan, Type};
use kconv_rules::{Anchor, Bits, FieldRule, Part, PartKind, RuleKind, Span, Tail, TypeRules};

/// The rules of a type.
pub(crate) fn rules(plan: &'static Plan, ty: &'static Type) -> TypeRules {
    let spans = ty
        .spans
        .iter()
        .map(|(from, to, len)| Span::new(*from, *to, *len));
    let parts = ty.parts.iter().map(|part| Part {
        field: &part.field,
        ty: &part.ty,
        from: part.from,
        to: part.to,
        kind: match part.made {
            true => PartKind::Made,
            false => PartKind::Folded,
        },
        behind: part.behind.map(bits),
        alone: part.alone,
    });
    let rules = ty.fields.iter().map(|field| rule(plan, field));
    let rules: &'static [FieldRule] = kept(rules.collect());
    TypeRules {
        name: &ty.name,
        from_size: ty.from_size,
        to_size: ty.to_size,
        extent: ty.extent,
        anchor: ty.anchor_end.map(|end| Anchor { end }),
        behind: ty.behind.as_deref(),
        tail: ty.tail.as_ref().map(|tail| Tail {
            field: &tail.field,
            element: &tail.element,
            from: tail.from,
            to: tail.to,
            count: bits(tail.count),
            add: tail.add,
        }),
        open: ty.open,
        parts: kept(parts.collect()),
        spans: kept(spans.collect()),
        padding: kept(ty.padding.iter().copied().map(bits).collect()),
        groups: kept(vec![rules]),
    }
}

/// Values that stay as long as the program runs.
pub(crate) fn kept<T>(values: Vec<T>) -> &'static [T] {
    Box::leak(values.into_boxed_slice())
}

fn bits(bits: RunOfBits) -> Bits {
    Bits::new(bits.0, bits.1)
}

fn rule(plan: &'static Plan, field: &'static Field) -> FieldRule {
    let reason = field
        .reason
        .and_then(|reason| plan.reasons.get(reason as usize));
    // As in generated tables, where to move is to carry.
    let kind = match field.rule {
        RuleKind::Move => RuleKind::Carry,
        kind => kind,
    };
    FieldRule {
        old_field: field.was.as_deref().unwrap_or_default(),
        nested: field.inside.as_deref(),
        times: field.times,
        source: field.by,
        reason: reason.map_or("", String::as_str),
        evidence: &field.evidence,
        ..kind.of(&field.path)
    }
}
