//! Definitions before and after, held against each other.

use super::change::{Change, Kind, Shown};
use super::item::{Constant, Member, Place, Pragma, TypeDef, TypeKind, Typedef};
use super::number;
use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn change(kind: Kind, ty: &str, field: &str, file: &str) -> Change {
    Change {
        kind,
        ty: ty.to_owned(),
        field: field.to_owned(),
        was: String::new(),
        file: file.to_owned(),
        old: None,
        new: None,
        condition: String::new(),
        detail: String::new(),
    }
}

/// The value of an enumerator, where something other than the patch tells it.
pub(super) type Known<'k> = &'k dyn Fn(&str) -> Option<i128>;

/// What differs between two definitions of one type.
pub(super) fn types(old: &TypeDef, new: &TypeDef, file: &str, known: Known<'_>) -> Vec<Change> {
    let mut found = match old.kind {
        TypeKind::Enum => enumerators(old, new, file, known),
        _ => members(old, new, file),
    };
    let whole = |kind, was: &str, is: &str| Change {
        old: Some(Shown::new(was, &old.place)),
        new: Some(Shown::new(is, &new.place)),
        ..change(kind, &new.name, "", file)
    };
    if old.kind != new.kind {
        found.push(whole(Kind::Retyped, keyword(old.kind), keyword(new.kind)));
    }
    // Attributes stand behind the brace; where a hunk has that line, both sides have it.
    if old.placed != new.placed {
        let shown = |def: &TypeDef| {
            let end = def.end.as_ref().unwrap_or(&def.place);
            Some(Shown::new(&def.placed, end))
        };
        found.push(Change {
            old: shown(old),
            new: shown(new),
            ..change(Kind::Realigned, &new.name, "", file)
        });
    }
    // Where the heading of a hunk alone tells of a type, nothing tells what is around it.
    let heads = old.place.line != 0 && new.place.line != 0;
    if heads && old.condition != new.condition {
        found.push(whole(Kind::Condition, &old.condition, &new.condition));
    }
    found
}

/// Pragmas that one side has otherwise, or at another place.
pub(super) fn pragmas(old: &[Pragma], new: &[Pragma], file: &str) -> Vec<Change> {
    let shown = |pragma: Option<&Pragma>| {
        let (text, place) = pragma.map(|pragma| (&pragma.text, &pragma.place))?;
        Some(Shown::new(text, place))
    };
    let each = 0..old.len().max(new.len());
    each.map(|at| (old.get(at), new.get(at)))
        .map(|(old, new)| Change {
            old: shown(old),
            new: shown(new),
            ..change(
                Kind::Build,
                new.or(old).map_or("", |one| &one.text),
                "",
                file,
            )
        })
        .collect()
}

fn keyword(kind: TypeKind) -> &'static str {
    match kind {
        TypeKind::Struct => "struct",
        TypeKind::Union => "union",
        TypeKind::Enum => "enum",
    }
}

/// Members by name; of several of one name, as of the branches of a condition, by their number.
fn keys(members: &[Member]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    members
        .iter()
        .map(|member| {
            let count = counts.entry(member.name.as_str()).or_default();
            *count += 1;
            (member.name.as_str(), *count)
        })
        .collect()
}

fn members(old: &TypeDef, new: &TypeDef, file: &str) -> Vec<Change> {
    let (was, is) = (keys(&old.members), keys(&new.members));
    let (old_set, new_set): (BTreeSet<_>, BTreeSet<_>) =
        (was.iter().copied().collect(), is.iter().copied().collect());
    let mut found = Vec::new();
    let at = |member: &Member| {
        Some(Shown {
            ty: member.ty.clone(),
            length: member.length.clone(),
            in_union: member.group.contains("union"),
            condition: member.condition.clone(),
            ..Shown::new(&member.text, &member.place)
        })
    };
    let of = |kind: Kind, before: Option<&Member>, after: Option<&Member>| {
        let member = after.or(before);
        Change {
            old: before.and_then(at),
            new: after.and_then(at),
            condition: member.map_or(String::new(), |member| member.condition.clone()),
            ..change(
                kind,
                &new.name,
                member.map_or("", |member| &member.name),
                file,
            )
        }
    };
    for op in capture_diff_slices(Algorithm::Myers, &was, &is) {
        if let DiffOp::Equal { .. } = op {
            continue;
        }
        let gone: Vec<&Member> = op
            .old_range()
            .filter(|at| !new_set.contains(&was[*at]))
            .map(|at| &old.members[at])
            .collect();
        let come: Vec<&Member> = op
            .new_range()
            .filter(|at| !old_set.contains(&is[*at]))
            .map(|at| &new.members[at])
            .collect();
        let (reused, gone, come) = reuses(gone, come);
        for (before, after) in reused {
            found.push(Change {
                was: before.name.clone(),
                ..of(Kind::Reused, Some(before), Some(after))
            });
        }
        let renamed = renames(&gone, &come);
        for (before, after) in &renamed {
            let (before, after) = (gone[*before], come[*after]);
            found.push(Change {
                was: before.name.clone(),
                detail: unit_change(&before.name, &after.name),
                ..of(Kind::Renamed, Some(before), Some(after))
            });
            let besides = differences(before, after).into_iter();
            let besides = besides.filter(|kind| *kind != Kind::Comment);
            found.extend(besides.map(|kind| of(kind, Some(before), Some(after))));
        }
        let left = gone.iter().enumerate();
        let left = left.filter(|(at, _)| !renamed.iter().any(|pair| pair.0 == *at));
        found.extend(left.map(|(_, member)| of(Kind::Removed, Some(member), None)));
        let left = come.iter().enumerate();
        let left = left.filter(|(at, _)| !renamed.iter().any(|pair| pair.1 == *at));
        found.extend(left.map(|(_, member)| Change {
            detail: match member.takes.as_slice() {
                [] => String::new(),
                takes => format!("in the place of {}", takes.join(", ")),
            },
            ..of(Kind::Added, None, Some(member))
        }));
        // What both have and what still is in no run that both have went elsewhere.
        if old.kind != TypeKind::Union {
            for at in op.new_range().filter(|at| old_set.contains(&is[*at])) {
                let after = &new.members[at];
                let before = was.iter().position(|key| *key == is[at]);
                let before = before.map(|at| &old.members[at]);
                found.push(of(Kind::Moved, before, Some(after)));
            }
        }
    }
    for (at, key) in is.iter().enumerate() {
        let Some(before) = was.iter().position(|other| other == key) else {
            continue;
        };
        let (before, after) = (&old.members[before], &new.members[at]);
        let differ = differences(before, after).into_iter();
        found.extend(differ.map(|kind| match kind {
            Kind::Comment => Change {
                old: remarked(before),
                new: remarked(after),
                ..of(kind, Some(before), Some(after))
            },
            kind => of(kind, Some(before), Some(after)),
        }));
    }
    found
}

/// The comment of a member, where it changed; `None` if it has none.
fn remarked(member: &Member) -> Option<Shown> {
    let place = match member.comment_changed {
        true => &member.remark,
        false => &member.place,
    };
    (!member.comment.is_empty()).then(|| Shown {
        condition: member.condition.clone(),
        ..Shown::new(&member.comment, place)
    })
}

/// What differs between two members that are one. None of it hides another: a member may have
/// another type and lose its condition in one line. A comment alone is told by itself.
fn differences(old: &Member, new: &Member) -> Vec<Kind> {
    let mut found = Vec::new();
    if old.ty != new.ty {
        found.push(Kind::Retyped);
    } else if old.length != new.length {
        found.push(Kind::Resized);
    }
    if old.group != new.group {
        found.push(Kind::Regrouped);
    }
    if old.placed != new.placed {
        found.push(Kind::Realigned);
    }
    if old.condition != new.condition {
        found.push(Kind::Condition);
    }
    let commented = old.comment_changed || new.comment_changed;
    if found.is_empty() && old.comment != new.comment && commented {
        found.push(Kind::Comment);
    }
    found
}

type Members<'m> = Vec<&'m Member>;

/// Pairs of what went and what took its place, as a macro or the name of a reserved member says, or gave
/// it back; and what is left of both sides.
fn reuses<'m>(
    gone: Members<'m>,
    come: Members<'m>,
) -> (Vec<(&'m Member, &'m Member)>, Members<'m>, Members<'m>) {
    let mut pairs = Vec::new();
    for (at, after) in come.iter().enumerate() {
        let of_one_place = |before: &&&Member| {
            after.takes.contains(&before.name) || before.takes.contains(&after.name)
        };
        let plain = gone.get(at).filter(|before| is_plain_reuse(before, after));
        if let Some(before) = gone.iter().find(of_one_place).or(plain) {
            pairs.push((*before, *after));
        }
    }
    let is_in = |member: &Member| {
        let same = |(before, after): &(&Member, &Member)| {
            std::ptr::eq(*before, member) || std::ptr::eq(*after, member)
        };
        pairs.iter().any(same)
    };
    let left = |all: Members<'m>| all.into_iter().filter(|member| !is_in(member)).collect();
    let (gone, come) = (left(gone), left(come));
    (pairs, gone, come)
}

/// Whether one of two members at the same place among the others was kept for later, and the other is as
/// large.
fn is_plain_reuse(old: &Member, new: &Member) -> bool {
    let reserved = is_reserved(&old.name) != is_reserved(&new.name);
    let as_large = old.ty == new.ty || size(&old.ty).is_some() && size(&old.ty) == size(&new.ty);
    let alike = old.length == new.length && old.placed == new.placed;
    let around = old.group == new.group && old.condition == new.condition;
    reserved && as_large && alike && around
}

/// Whether a member is there to be used later, by its name: `reserved7`, `__kabi_reserved_1`, `spare`.
fn is_reserved(name: &str) -> bool {
    let number = |c: char| c.is_ascii_digit() || c == '_';
    let word = name.trim_end_matches(number).trim_start_matches('_');
    let last = word.rsplit('_').next().unwrap_or(word);
    matches!(last, "reserved" | "unused" | "spare" | "pad" | "padding")
}

/// What says how large a value of a basic type is, on whatever machine.
fn size(ty: &str) -> Option<&'static str> {
    Some(match ty {
        ty if ty.ends_with('*') => "long",
        "unsigned long" | "long" | "size_t" | "ssize_t" | "uintptr_t" | "atomic_long_t" => "long",
        "unsigned long long" | "long long" | "u64" | "s64" | "atomic64_t" => "64",
        "unsigned int" | "int" | "u32" | "s32" | "atomic_t" | "refcount_t" | "pid_t" => "32",
        "unsigned short" | "short" | "u16" | "s16" => "16",
        "unsigned char" | "signed char" | "char" | "u8" | "s8" | "bool" => "8",
        _ => return None,
    })
}

/// Pairs of what went and what came in one place that are one member under two names.
fn renames(gone: &[&Member], come: &[&Member]) -> Vec<(usize, usize)> {
    let mut pairs = Vec::new();
    if gone.len() * come.len() > 1024 {
        return pairs;
    }
    for (at, old) in gone.iter().enumerate() {
        let like = |(_, new): &(usize, &&Member)| {
            old.ty == new.ty && old.length == new.length && old.group == new.group
        };
        let free = |(to, _): &(usize, &&Member)| !pairs.iter().any(|(_, taken)| taken == to);
        let candidates = come.iter().enumerate().filter(like).filter(free);
        let ratio =
            |new: &Member| TextDiff::from_chars(old.name.as_str(), new.name.as_str()).ratio();
        let best = candidates
            .map(|(to, new)| (ratio(new), to))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let alone = gone.len() == 1 && come.len() == 1;
        if let Some((ratio, to)) = best
            && (ratio >= 0.6 || alone && ratio >= 0.3)
        {
            pairs.push((at, to));
        }
    }
    pairs
}

/// A unit at the end of a name that became another.
fn unit_change(old: &str, new: &str) -> String {
    const UNITS: [&str; 14] = [
        "ns", "nsec", "us", "usec", "ms", "msec", "msecs", "sec", "secs", "jiffies", "ticks",
        "bytes", "kb", "pages",
    ];
    let unit = |name: &str| {
        let last = name.rsplit('_').next()?;
        UNITS.iter().find(|unit| **unit == last).copied()
    };
    match (unit(old), unit(new)) {
        (Some(was), Some(is)) if was != is => {
            format!("the unit in its name changed from {was} to {is}")
        }
        _ => String::new(),
    }
}

/// The value of each enumerator, where it can be told. Of a part the first value is not known but
/// by `first`, which is asked for the first `asked` enumerators; `start` is the value of the first one if it
/// has no number of its own.
fn values(def: &TypeDef, first: Known<'_>, asked: usize, start: Option<i128>) -> Vec<Option<i128>> {
    let mut known: BTreeMap<&str, i128> = BTreeMap::new();
    let mut next = if def.partial { start } else { Some(0) };
    let mut all = Vec::new();
    for (at, member) in def.members.iter().enumerate() {
        if next.is_none() && at < asked {
            next = first(&member.name);
        }
        let value = match member.length.as_str() {
            "" => next,
            text => number::value(text, &|name| known.get(name).copied()),
        };
        if let Some(value) = value {
            known.insert(&member.name, value);
        }
        next = value.and_then(|value| value.checked_add(1));
        all.push(value);
    }
    all
}

fn enumerators(old: &TypeDef, new: &TypeDef, file: &str, known: Known<'_>) -> Vec<Change> {
    // Up to the first change both sides have the values that are known.
    let both = old.members.iter().zip(&new.members);
    let alike = both.take_while(|(old, new)| old.name == new.name).count();
    let was = values(old, known, old.members.len(), None);
    // What is before both is the same, and so is what the first one follows.
    let counted = old.members.first().filter(|first| first.length.is_empty());
    let start = counted.and_then(|_| was[0]);
    let is = values(new, known, alike, start);
    let names = |def: &TypeDef| -> Vec<String> {
        def.members
            .iter()
            .map(|member| member.name.clone())
            .collect()
    };
    let (old_names, new_names) = (names(old), names(new));
    let mut found = Vec::new();
    let text = |member: &Member, value: Option<i128>| match value {
        Some(value) => format!("{} = {value}", member.name),
        None => member.text.clone(),
    };
    let shown = |member: &Member, value| {
        Some(Shown {
            condition: member.condition.clone(),
            ..Shown::new(&text(member, value), &member.place)
        })
    };
    let of = |member: &Member| Change {
        condition: member.condition.clone(),
        ..change(Kind::Enumerator, &new.name, &member.name, file)
    };
    // In a part, what stands behind an insertion and has no number of its own moves with it.
    let mut shift = 0i64;
    for op in capture_diff_slices(Algorithm::Myers, &old_names, &new_names) {
        if let DiffOp::Equal { .. } = op {
            for (a, b) in op.old_range().zip(op.new_range()) {
                let (before, after) = (&old.members[a], &new.members[b]);
                if !after.length.is_empty() {
                    shift = 0;
                }
                let differs = match (was[a], is[b]) {
                    (Some(was), Some(is)) => was != is,
                    _ => shift != 0 || before.length != after.length,
                };
                if differs {
                    let moved = was[a].map(|was| was + i128::from(shift));
                    let now = is[b].or(moved.filter(|_| after.length.is_empty()));
                    found.push(Change {
                        old: shown(before, was[a]),
                        new: shown(after, now),
                        detail: match (was[a], now) {
                            (None, None) if shift != 0 => format!("renumbered by {shift:+}"),
                            _ => "renumbered".to_owned(),
                        },
                        ..of(after)
                    });
                } else if before.condition != after.condition {
                    // Where it is not, those behind it have other values.
                    found.push(Change {
                        old: shown(before, was[a]),
                        new: shown(after, is[b]),
                        detail: "behind other conditions".to_owned(),
                        ..of(after)
                    });
                } else if before.comment != after.comment
                    && (before.comment_changed || after.comment_changed)
                {
                    found.push(Change {
                        kind: Kind::Comment,
                        old: remarked(before),
                        new: remarked(after),
                        ..of(after)
                    });
                }
            }
            continue;
        }
        for a in op.old_range() {
            let before = &old.members[a];
            if !new_names.contains(&before.name) {
                found.push(Change {
                    old: shown(before, was[a]),
                    detail: "removed".to_owned(),
                    ..of(before)
                });
            }
            shift -= 1;
        }
        for b in op.new_range() {
            let after = &new.members[b];
            match old_names.iter().position(|name| *name == after.name) {
                Some(a) if was[a].is_none() || was[a] != is[b] => found.push(Change {
                    old: shown(&old.members[a], was[a]),
                    new: shown(after, is[b]),
                    detail: "renumbered".to_owned(),
                    ..of(after)
                }),
                Some(_) => {}
                None => found.push(Change {
                    new: shown(after, is[b]),
                    detail: "added".to_owned(),
                    ..of(after)
                }),
            }
            shift += 1;
        }
    }
    found
}

/// What differs between two typedefs of one name.
pub(super) fn typedefs(old: &Typedef, new: &Typedef, file: &str) -> Option<Change> {
    (old.text != new.text).then(|| Change {
        old: Some(Shown {
            condition: old.condition.clone(),
            ..Shown::new(&old.text, &old.place)
        }),
        new: Some(Shown {
            condition: new.condition.clone(),
            ..Shown::new(&new.text, &new.place)
        }),
        condition: new.condition.clone(),
        ..change(Kind::Typedef, &new.name, "", file)
    })
}

/// A typedef that became a structure of its own, or the other way round.
pub(super) fn retyped(
    name: &str,
    (was, before): (&str, &Place),
    (is, after): (&str, &Place),
    file: &str,
) -> Change {
    Change {
        old: Some(Shown::new(was, before)),
        new: Some(Shown::new(is, after)),
        ..change(Kind::Typedef, name, "", file)
    }
}

/// What differs between two definitions of one constant.
pub(super) fn constants(old: &Constant, new: &Constant, file: &str) -> Option<Change> {
    let none = |_: &str| None;
    let (was, is) = (
        number::value(&old.body, &none),
        number::value(&new.body, &none),
    );
    let same = old.body == new.body || was.is_some() && was == is;
    (!same).then(|| Change {
        old: Some(constant_shown(old)),
        new: Some(constant_shown(new)),
        condition: new.condition.clone(),
        ..change(Kind::ConstantRenumbered, &new.name, "", file)
    })
}

fn constant_shown(constant: &Constant) -> Shown {
    Shown {
        condition: constant.condition.clone(),
        ..Shown::new(
            &format!("{} {}", constant.name, constant.body),
            &constant.place,
        )
    }
}

/// A constant that only one side has.
pub(super) fn one_constant(constant: &Constant, added: bool, file: &str) -> Change {
    let shown = Some(constant_shown(constant));
    let condition = constant.condition.clone();
    match added {
        true => Change {
            new: shown,
            condition,
            ..change(Kind::ConstantAdded, &constant.name, "", file)
        },
        false => Change {
            old: shown,
            condition,
            ..change(Kind::ConstantRemoved, &constant.name, "", file)
        },
    }
}

/// A definition that only one side has.
pub(super) fn one_type(name: &str, place: &Place, kind: Kind, file: &str) -> Change {
    let shown = Some(Shown::new(name, place));
    match kind {
        Kind::TypeRemoved => Change {
            old: shown,
            ..change(kind, name, "", file)
        },
        kind => Change {
            new: shown,
            ..change(kind, name, "", file)
        },
    }
}
