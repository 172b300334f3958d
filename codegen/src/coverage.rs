//! The proof that a plan is total: every bit of a target type is written exactly once, every bit
//! of a source type has exactly one fate.
//!
//! The proof looks at a finished plan and at the layouts, not at how the plan was made: it would
//! find a mistake of the planner. Emission refuses a plan with findings.

use crate::ctype::{Shape, shape};
use crate::plan::{Action, Bits, FieldPlan, Place, Plan, TypePlan};
use kconv_rules::{PartKind, RuleKind};
use kernel_structs::layout::{self, Layout, TypeId, leaves};
use kernel_structs::units::{BitOffset, BitSize};
use std::collections::BTreeMap;
use thiserror::Error;

/// More scalars than any type of a kernel has.
const MOST_LEAVES: usize = 1 << 20;

/// Something that a plan leaves out or does twice.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CoverageFinding {
    /// Target bits that no rule writes.
    #[error("{ty}: no rule writes {bits}")]
    NotWritten {
        /// The type.
        ty: String,
        /// The bits.
        bits: Bits,
    },
    /// Target bits that two rules write.
    #[error("{ty}: both {first} and {second} write {bits}")]
    WrittenTwice {
        /// The type.
        ty: String,
        /// The field that comes first.
        first: String,
        /// The other one.
        second: String,
        /// The bits.
        bits: Bits,
    },
    /// Source bits of which nothing is said.
    #[error("{ty}: nothing says what becomes of {bits}")]
    NoFate {
        /// The type.
        ty: String,
        /// The bits.
        bits: Bits,
    },
    /// Source bits with two fates.
    #[error("{ty}: both {first} and {second} dispose of {bits}")]
    TwoFates {
        /// The type.
        ty: String,
        /// The field that comes first.
        first: String,
        /// The other one.
        second: String,
        /// The bits.
        bits: Bits,
    },
    /// A field that ends outside its type.
    #[error("{ty}.{field}: {bits} end past the {size} bytes of the type")]
    PastEnd {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The bits.
        bits: Bits,
        /// Size of the type.
        size: u64,
    },
    /// Bits taken for padding that hold a scalar.
    #[error("{ty}: {bits} are taken for padding, but hold {field}")]
    NotPadding {
        /// The type.
        ty: String,
        /// The bits.
        bits: Bits,
        /// What they hold.
        field: String,
    },
    /// A type whose size is not that of the layout.
    #[error("{ty}: planned with {planned} bytes, but the layout has {found}")]
    WrongSize {
        /// The type.
        ty: String,
        /// Size in the plan.
        planned: u64,
        /// Size in the layout.
        found: u64,
    },
    /// An action that does not fit the field's places.
    #[error("{ty}.{field}: `{rule}` does not fit the places of the field")]
    Misfit {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The rule.
        rule: &'static str,
    },
    /// A rule that goes on in a type without a plan.
    #[error("{ty}.{field}: there is no plan for {nested}")]
    NoNested {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The type without a plan.
        nested: String,
    },
}

impl std::fmt::Display for Bits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last = self.end().saturating_sub(1);
        let place = |bit: u64| format!("{}:{}", bit / 8, bit % 8);
        write!(f, "bits {} to {}", place(self.offset), place(last))
    }
}

/// Holds `plan` against the layouts it is for. Returns everything that is wrong; nothing if every
/// bit is accounted for.
pub fn check(plan: &Plan, old: &Layout, new: &Layout) -> Vec<CoverageFinding> {
    let mut findings = Vec::new();
    for ty in plan.types.values() {
        check_sizes(ty, old, new, &mut findings);
        for field in ty.fields.iter().chain(&ty.drops) {
            check_action(plan, (old, new), ty, field, &mut findings);
        }
        check_targets(ty, &mut findings);
        check_sources(ty, &mut findings);
        if let Some((old_id, new_id)) = ty.ids {
            let padding = ty
                .fields
                .iter()
                .filter(|field| field.rule == RuleKind::Padding);
            let written = padding.filter_map(|field| Some(field.to.as_ref()?.bits));
            check_padding(ty, new, new_id, written.collect(), &mut findings);
            check_padding(ty, old, old_id, ty.padding.clone(), &mut findings);
        }
    }
    findings
}

fn check_sizes(ty: &TypePlan, old: &Layout, new: &Layout, findings: &mut Vec<CoverageFinding>) {
    let Some((old_id, new_id)) = ty.ids else {
        return;
    };
    for (layout, id, planned) in [(old, old_id, ty.from_size), (new, new_id, ty.to_size)] {
        let found = layout.size_of(id).map_or(0, |size| size.0);
        if found != planned {
            findings.push(CoverageFinding::WrongSize {
                ty: ty.name.clone(),
                planned,
                found,
            });
        }
    }
}

/// An action says nothing of a bit unless it has the places it works on.
fn check_action(
    plan: &Plan,
    layouts: (&Layout, &Layout),
    ty: &TypePlan,
    field: &FieldPlan,
    findings: &mut Vec<CoverageFinding>,
) {
    let from = field.from.as_ref().map(|place| place.bits.len);
    let to = field.to.as_ref().map(|place| place.bits.len);
    let mut nested_missing = None;
    let fits = match (&field.action, from, to) {
        (Action::Copy, Some(from), Some(to)) => from == to && same_inside(layouts, field),
        (Action::Recurse { .. } | Action::Elements { .. }, Some(from), Some(to)) => {
            action_fits(plan, &field.action, from, to, &mut nested_missing)
                && (!copies(&field.action) || same_inside(layouts, field))
        }
        (Action::Make { ty: part }, Some(from), Some(to)) => {
            let inside = |part: &TypePlan| part.from_size * 8 == from && to == pointer(layouts.1);
            part_fits(plan, ty, part, inside, &mut nested_missing)
        }
        (Action::Fold { ty: part, .. }, Some(from), Some(to)) => {
            let inside = |part: &TypePlan| part.to_size * 8 == to && from == pointer(layouts.0);
            part_fits(plan, ty, part, inside, &mut nested_missing)
        }
        (Action::Make { ty: part }, Some(from), None) => {
            let inside = |part: &TypePlan| part.from_size * 8 == from;
            behind_fits(plan, PartKind::Made, part, inside, &mut nested_missing)
        }
        (Action::Fold { ty: part, .. }, None, Some(to)) => {
            let inside = |part: &TypePlan| part.to_size * 8 == to;
            behind_fits(plan, PartKind::Folded, part, inside, &mut nested_missing)
        }
        // Only what a conversion makes has something that it was a part of, and only what it folds
        // has something that it becomes a part of.
        (Action::ContainerAddress, None, Some(to)) => {
            to == pointer(layouts.1) && becomes(plan, ty, PartKind::Made)
        }
        (Action::DropContainer, Some(from), None) => {
            from == pointer(layouts.0) && becomes(plan, ty, PartKind::Folded)
        }
        (Action::Tail { .. }, Some(from), Some(to)) => {
            tail_fits(plan, layouts, ty, field, (from, to), &mut nested_missing)
        }
        (Action::SetSymbol { .. }, None, Some(to)) => to == pointer(layouts.1),
        (Action::DropSymbol { .. }, Some(from), None) => from == pointer(layouts.0),
        (Action::ResetSymbol { .. }, Some(from), Some(to)) => {
            from == pointer(layouts.0) && to == pointer(layouts.1)
        }
        (
            Action::Set { .. }
            | Action::Zero
            | Action::OwnAddress { .. }
            | Action::ObjectAddress
            | Action::Call { .. },
            None,
            Some(_),
        ) => true,
        (Action::Drop { .. } | Action::DropLink { .. } | Action::Used { .. }, Some(_), None) => {
            true
        }
        (
            Action::Widen
            | Action::Narrow
            | Action::Pointer { .. }
            | Action::Link { .. }
            | Action::EmptyLink { .. }
            | Action::Reset { .. }
            | Action::BitField
            | Action::Enumerator { .. }
            | Action::Sum
            | Action::Scale { .. }
            | Action::Offset { .. }
            | Action::Flags(_)
            | Action::Call { .. },
            Some(_),
            Some(_),
        ) => true,
        _ => false,
    };
    if let Some(nested) = nested_missing {
        let field = field.path.to_string();
        findings.push(CoverageFinding::NoNested {
            ty: ty.name.clone(),
            field,
            nested,
        });
    } else if !fits {
        findings.push(CoverageFinding::Misfit {
            ty: ty.name.clone(),
            field: field.path.to_string(),
            rule: field.rule.name(),
        });
    }
}

fn pointer(layout: &Layout) -> u64 {
    8 * u64::from(layout.target().pointer_size)
}

/// Whether a part has a plan as an object, every bit of which is accounted for there, and lies in
/// an object. Its bits in `ty` are those of the object; `inside` holds their number against it.
fn part_fits(
    plan: &Plan,
    ty: &TypePlan,
    part: &str,
    inside: impl Fn(&TypePlan) -> bool,
    nested_missing: &mut Option<String>,
) -> bool {
    let Some(part) = plan.types.get(part) else {
        *nested_missing = Some(part.to_owned());
        return true;
    };
    ty.object && part.object && part.ids.is_some() && inside(part)
}

/// As [`part_fits`], of a part without a pointer: an object is said to have it right behind it.
fn behind_fits(
    plan: &Plan,
    kind: PartKind,
    part: &str,
    inside: impl Fn(&TypePlan) -> bool,
    nested_missing: &mut Option<String>,
) -> bool {
    let has_it = |owner: &&TypePlan| {
        let behind = owner.part_behind.as_ref();
        behind.is_some_and(|behind| behind.ty == part && behind.made == (kind == PartKind::Made))
    };
    let mut owners = plan.types.values().filter(has_it);
    owners.any(|owner| part_fits(plan, owner, part, &inside, nested_missing))
}

/// Whether values of `ty` are made out of, or folded into, others.
fn becomes(plan: &Plan, ty: &TypePlan, kind: PartKind) -> bool {
    let fields = plan.types.values().flat_map(|owner| &owner.fields);
    let mut parts = fields.filter_map(|field| match &field.action {
        Action::Make { ty } => Some((PartKind::Made, ty)),
        Action::Fold { ty, .. } => Some((PartKind::Folded, ty)),
        _ => None,
    });
    parts.any(|part| part == (kind, &ty.name))
}

/// Whether the flexible array of a type ends it on both sides, its elements have a plan, and as
/// many of them are written as were read.
fn tail_fits(
    plan: &Plan,
    (old, new): (&Layout, &Layout),
    ty: &TypePlan,
    field: &FieldPlan,
    (from, to): (u64, u64),
    nested_missing: &mut Option<String>,
) -> bool {
    let Action::Tail {
        ty: element,
        count,
        at,
        ..
    } = &field.action
    else {
        return false;
    };
    let Some(nested) = plan.types.get(element) else {
        *nested_missing = Some(element.clone());
        return true;
    };
    let array = |layout: &Layout, place: &Option<Place>, start: u64, end: u64, size: u64| {
        let Some(Place {
            bits, ty: Some(id), ..
        }) = place
        else {
            return false;
        };
        let element = match shape(layout, *id) {
            Shape::Array { element, .. } => layout.size_of(element).map_or(0, |size| size.0),
            _ => 0,
        };
        bits.offset == 8 * start && bits.end() == 8 * end && element == size && size > 0
    };
    // A count that does not fit the new member, or is another number there, would be another
    // length than that of the object.
    let same_number = |field: &&FieldPlan| {
        field.path == *count
            && field.old_path.is_none()
            && matches!(field.action, Action::Copy | Action::Widen | Action::Narrow)
    };
    from + 8 * at.0 == 8 * ty.from_size
        && to + 8 * at.1 == 8 * ty.to_size
        && nested.object
        && array(old, &field.from, at.0, ty.from_size, nested.from_size)
        && array(new, &field.to, at.1, ty.to_size, nested.to_size)
        && ty.fields.iter().filter(same_number).count() == 1
}

/// Whether elements are carried as they are.
fn copies(action: &Action) -> bool {
    match action {
        Action::Elements { each, .. } => copies(each),
        action => *action == Action::Copy,
    }
}

/// Whether what is carried as it is has its parts at the same places before and after.
fn same_inside((old, new): (&Layout, &Layout), field: &FieldPlan) -> bool {
    let ty = |place: &Option<Place>| place.as_ref().and_then(|place| place.ty);
    let (Some(mut was), Some(mut is)) = (ty(&field.from), ty(&field.to)) else {
        return true;
    };
    loop {
        match (shape(old, was), shape(new, is)) {
            (Shape::Array { element: a, .. }, Shape::Array { element: b, .. }) => {
                (was, is) = (a, b)
            }
            (Shape::Scalar(_), Shape::Scalar(_)) => return true,
            _ => return old.canonical_type(was) == new.canonical_type(is),
        }
    }
}

/// Whether what `action` reads and writes is all of `from` and `to` bits.
fn action_fits(
    plan: &Plan,
    action: &Action,
    from: u64,
    to: u64,
    nested_missing: &mut Option<String>,
) -> bool {
    match action {
        Action::Recurse { ty } => match plan.types.get(ty) {
            Some(nested) => nested.from_size * 8 == from && nested.to_size * 8 == to,
            None => {
                *nested_missing = Some(ty.clone());
                true
            }
        },
        // Nothing is read and nothing written, but what the elements would be has a plan.
        Action::Elements {
            each,
            old: 0,
            new: 0,
            ..
        } => match &**each {
            Action::Recurse { ty } if !plan.types.contains_key(ty) => {
                *nested_missing = Some(ty.clone());
                true
            }
            _ => from == 0 && to == 0,
        },
        Action::Elements { each, old, new, .. } => {
            if *old == 0 || *new == 0 || !from.is_multiple_of(*old) || !to.is_multiple_of(*new) {
                return false;
            }
            action_fits(plan, each, from / old, to / new, nested_missing)
        }
        Action::Copy => from == to,
        _ => from > 0 && to > 0,
    }
}

fn check_targets(ty: &TypePlan, findings: &mut Vec<CoverageFinding>) {
    let written = ty.fields.iter().filter_map(|field| {
        let place = field.to.as_ref()?;
        Some((place.bits, field.path.to_string()))
    });
    let name = || ty.name.clone();
    for fault in faults(written.collect(), ty.to_size) {
        findings.push(match fault {
            Fault::Hole(bits) => CoverageFinding::NotWritten { ty: name(), bits },
            Fault::Overlap(bits, first, second) => CoverageFinding::WrittenTwice {
                ty: name(),
                first,
                second,
                bits,
            },
            Fault::PastEnd(bits, field) => CoverageFinding::PastEnd {
                ty: name(),
                field,
                bits,
                size: ty.to_size,
            },
        });
    }
}

fn check_sources(ty: &TypePlan, findings: &mut Vec<CoverageFinding>) {
    let read = ty.fields.iter().chain(&ty.drops).filter_map(|field| {
        let place = field.from.as_ref()?;
        Some((
            place.bits,
            field.old_path.as_ref().unwrap_or(&field.path).to_string(),
        ))
    });
    let padding = ty
        .padding
        .iter()
        .map(|bits| (*bits, "(padding)".to_owned()));
    let name = || ty.name.clone();
    for fault in faults(read.chain(padding).collect(), ty.from_size) {
        findings.push(match fault {
            Fault::Hole(bits) => CoverageFinding::NoFate { ty: name(), bits },
            Fault::Overlap(bits, first, second) => CoverageFinding::TwoFates {
                ty: name(),
                first,
                second,
                bits,
            },
            Fault::PastEnd(bits, field) => CoverageFinding::PastEnd {
                ty: name(),
                field,
                bits,
                size: ty.from_size,
            },
        });
    }
}

enum Fault {
    Hole(Bits),
    Overlap(Bits, String, String),
    PastEnd(Bits, String),
}

/// What is wrong with `parts` as a partition of a value of `size` bytes.
fn faults(mut parts: Vec<(Bits, String)>, size: u64) -> Vec<Fault> {
    let mut faults = Vec::new();
    parts.retain(|(bits, _)| bits.len > 0);
    parts.sort();
    let mut end = 0;
    let mut last = String::new();
    for (bits, name) in parts {
        if bits.offset > end {
            faults.push(Fault::Hole(Bits {
                offset: end,
                len: bits.offset - end,
            }));
        }
        if bits.offset < end {
            let overlap = Bits {
                offset: bits.offset,
                len: end.min(bits.end()) - bits.offset,
            };
            faults.push(Fault::Overlap(overlap, last.clone(), name.clone()));
        }
        if bits.end() > size * 8 {
            faults.push(Fault::PastEnd(bits, name.clone()));
        }
        if bits.end() > end {
            end = bits.end();
            last = name;
        }
    }
    if end < size * 8 {
        faults.push(Fault::Hole(Bits {
            offset: end,
            len: size * 8 - end,
        }));
    }
    faults
}

fn check_padding(
    ty: &TypePlan,
    layout: &Layout,
    id: TypeId,
    padding: Vec<Bits>,
    findings: &mut Vec<CoverageFinding>,
) {
    if padding.is_empty() {
        return;
    }
    let unproved = |bits: Bits| CoverageFinding::NotPadding {
        ty: ty.name.clone(),
        bits,
        // Too many to be proved is not proved.
        field: format!("one of more than {MOST_LEAVES} scalars"),
    };
    let Ok(holes) = layout::padding(layout, id, MOST_LEAVES) else {
        findings.extend(padding.first().map(|bits| unproved(*bits)));
        return;
    };
    for bits in padding {
        let in_hole = |(start, len): &(BitOffset, BitSize)| {
            start.0 <= bits.offset && bits.end() <= start.0 + len.0
        };
        if holes.iter().any(in_hole) {
            continue;
        }
        // Only what is wrong is told by the way to it.
        let Ok(leaves) = leaves(layout, id, MOST_LEAVES) else {
            findings.push(unproved(bits));
            continue;
        };
        let held = leaves
            .iter()
            .find(|leaf| leaf.offset.0 < bits.end() && bits.offset < leaf.offset.0 + leaf.size.0);
        if let Some(leaf) = held {
            findings.push(CoverageFinding::NotPadding {
                ty: ty.name.clone(),
                bits,
                field: leaf.path.to_string(),
            });
        }
    }
}

/// How many bits of a type each rule writes, and how many of the old type it disposes of.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Account {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bits of the target type.
    pub to_bits: u64,
    /// Bits of the source type.
    pub from_bits: u64,
    /// By rule: bits written, bits disposed of.
    pub rules: BTreeMap<&'static str, (u64, u64)>,
}

/// The account of every type of a plan.
pub fn accounts(plan: &Plan) -> Vec<Account> {
    let mut accounts = Vec::new();
    for ty in plan.types.values() {
        let mut rules: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for field in ty.fields.iter().chain(&ty.drops) {
            let entry = rules.entry(field.rule.name()).or_default();
            entry.0 += field.to.as_ref().map_or(0, |place| place.bits.len);
            entry.1 += field.from.as_ref().map_or(0, |place| place.bits.len);
        }
        let padding: u64 = ty.padding.iter().map(|bits| bits.len).sum();
        if padding > 0 {
            rules.entry(RuleKind::Padding.name()).or_default().1 += padding;
        }
        accounts.push(Account {
            ty: ty.name.clone(),
            to_bits: ty.to_size * 8,
            from_bits: ty.from_size * 8,
            rules,
        });
    }
    accounts
}
