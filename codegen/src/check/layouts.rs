//! Two finished layouts beside a patch, or without one: what the patch does in truth.

use super::change::{Change, Grade, Kind, Shown};
use super::project::Project;
use super::report::Finding;
use super::saved::Saved;
use super::verdict::Verdict;
use crate::ctype::{self, Shape};
use crate::diff::{self, ChangeKind, TypeDiff};
use crate::overrides::{FlagDecision, Override, Overrides};
use crate::plan::{Declaration, Made, Undecided, Why};
use kernel_structs::layout::{FieldPath, Layout, UnknownType};
use std::collections::{BTreeMap, BTreeSet};

/// Two layouts, with the plan between them.
pub struct Layouts<'a> {
    /// The layout before.
    pub from: &'a Layout,
    /// The layout after.
    pub to: &'a Layout,
    /// The plan between the two.
    pub made: &'a Made,
    /// The decisions that it was made with.
    pub overrides: &'a Overrides,
}

/// What the layouts say of one field.
struct Known<'a> {
    kind: ChangeKind,
    old: Option<&'a Declaration>,
    new: Option<&'a Declaration>,
}

/// Holds the findings of a patch against the layouts, and adds what the patch does not show. Where a
/// decision stands that the plan was made with, `project` knows.
pub(super) fn confirm(
    layouts: &Layouts<'_>,
    saved: &Saved<'_>,
    project: &Project,
    findings: &mut Vec<Finding>,
    uses: &dyn Fn(&str) -> Vec<String>,
) -> Result<(), UnknownType> {
    let has_both =
        |name: &&str| layouts.from.find(name).is_some() && layouts.to.find(name).is_some();
    let types: Vec<&str> = saved
        .map
        .saved_types()
        .into_iter()
        .filter(has_both)
        .collect();
    let diffs = genuine(
        layouts.from,
        layouts.to,
        diff::by_field(layouts.from, layouts.to, &types)?,
    );
    let unions = unions(layouts, &diffs);
    let known = changes(&diffs);
    let open: BTreeMap<(&str, &str), &Undecided> = layouts
        .made
        .undecided
        .iter()
        .map(|open| ((open.ty.as_str(), open.field.as_str()), open))
        .collect();
    let in_contract = |finding: &Finding| {
        let name = split(&finding.subject).0;
        saved.contract_of(name, &finding.file).is_some()
    };
    for finding in findings.iter_mut() {
        // Layouts know neither texts nor versions.
        if in_contract(finding) {
            continue;
        }
        // What a file without its text says of constants nobody sees in the layouts.
        if matches!(finding.kind, Kind::Unnamed | Kind::Incomplete) {
            finding.verdict = Verdict::Nothing {
                why: "what changed of saved types the two layouts tell".to_owned(),
            };
        }
    }
    let mut told: Vec<(String, String)> = Vec::new();
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.grade == Grade::Layout)
    {
        let (ty, field) = split(&finding.subject);
        let mut about = vec![(ty.to_owned(), field.to_owned())];
        about.extend(uses(&finding.subject).iter().map(|user| {
            let (ty, field) = split(user);
            (ty.to_owned(), field.to_owned())
        }));
        if !finding.was.is_empty() {
            about.push((ty.to_owned(), finding.was.clone()));
        }
        let fits = |key: &(&str, &str)| {
            about.iter().any(|(ty, field)| {
                let inside =
                    key.1 == field || field.is_empty() || field.starts_with(&format!("{}.", key.1));
                // A structure without a name is known by the way to it, in which a patch does not have
                // the names that unnamed unions are given.
                let outer = field.rsplit_once('.').map_or("", |path| path.0);
                let way = format!("{ty}.{outer}");
                let nested = as_declared(key.0) == way.trim_end_matches('.')
                    && Some(key.1) == field.rsplit('.').next();
                let member = field.split('.').next().unwrap_or(field);
                let in_union = unions
                    .get(key)
                    .is_some_and(|members| members.contains(member));
                key.0 == ty && (inside || in_union) || nested
            })
        };
        let confirmed: Vec<(&str, &str)> = known.keys().copied().filter(fits).collect();
        told.extend(
            confirmed
                .iter()
                .map(|(ty, field)| ((*ty).to_owned(), (*field).to_owned())),
        );
        let undecided: Vec<&Undecided> = open
            .iter()
            .filter(|(key, _)| fits(key))
            .map(|(_, open)| *open)
            .collect();
        let resized = diffs
            .iter()
            .any(|diff| diff.ty == ty && diff.from_size != diff.to_size);
        if in_contract(finding) {
            // Of a format that these layouts have they tell what did not change.
            let known = |layout: &Layout| layout.find(ty).is_some();
            let known = known(layouts.from) && known(layouts.to) && saved.get(ty).is_some();
            if known && confirmed.is_empty() && undecided.is_empty() && !resized {
                finding.verdict = Verdict::Nothing {
                    why: "the two layouts do not differ here".to_owned(),
                };
            }
            continue;
        }
        finding.verdict = match (undecided.first(), &finding.verdict) {
            (Some(open), verdict) if verdict.is_open() => {
                told.push((open.ty.clone(), open.field.clone()));
                continue;
            }
            (Some(open), _) => {
                told.push((open.ty.clone(), open.field.clone()));
                Verdict::Undecided {
                    help: open.advice(),
                }
            }
            (None, _) if confirmed.is_empty() && !(finding.kind == Kind::Moved && resized) => {
                Verdict::Nothing {
                    why: "the two layouts do not differ here".to_owned(),
                }
            }
            (None, verdict) if verdict.is_open() => {
                let (ty, field) = confirmed.first().copied().unwrap_or((ty, field));
                decided(layouts, project, ty, field)
            }
            (None, verdict) => verdict.clone(),
        };
    }
    let is_told = |ty: &str, field: &str| told.iter().any(|told| told.0 == ty && told.1 == field);
    for ((ty, field), known) in &known {
        if follows(known.kind) || is_told(ty, field) {
            continue;
        }
        let verdict = match open.get(&(*ty, *field)) {
            Some(open) => Verdict::Undecided {
                help: open.advice(),
            },
            None => decided(layouts, project, ty, field),
        };
        findings.push(Finding::new(
            change(ty, field, kind(known.kind), known),
            verdict,
        ));
    }
    findings.extend(decided_flags(layouts, project, &open));
    for ((ty, field), open) in &open {
        let known_as = known.get(&(*ty, *field)).map(|known| known.kind);
        // What is open although both sides have it alike is the converter's, not the patch's.
        let declared = |side: &Option<Declaration>| side.as_ref().map(|side| side.declared.clone());
        let flags = matches!(open.why, Why::FlagsDiffer { .. });
        let alike = open.old.is_some() && declared(&open.old) == declared(&open.new);
        let said = match known_as {
            Some(kind) => !(flags && follows(kind)),
            None => alike && !flags,
        };
        let said = said || is_told(ty, field);
        if !said {
            let sides = Known {
                kind: ChangeKind::Type,
                old: open.old.as_ref(),
                new: open.new.as_ref(),
            };
            let kind = match open.why {
                Why::Added | Why::UnnamedUnion { appears: true, .. } => Kind::Added,
                Why::Removed | Why::UnnamedUnion { appears: false, .. } => Kind::Removed,
                Why::NoSuchType { .. } => Kind::TypeRemoved,
                Why::FlagsDiffer { .. } => Kind::Flags,
                _ => Kind::Retyped,
            };
            let verdict = Verdict::Undecided {
                help: open.advice(),
            };
            let mut change = change(ty, field, kind, &sides);
            if flags {
                change.detail = open.why.to_string();
            }
            findings.push(Finding::new(change, verdict));
        }
    }
    Ok(())
}

/// Who decided a field between the two layouts: a person, in an entry for it or for the field that
/// reads it, or the plan by itself.
fn decided(layouts: &Layouts<'_>, project: &Project, ty: &str, field: &str) -> Verdict {
    let (made, subject) = (layouts.made, format!("{ty}.{field}"));
    let entries = || {
        let all = layouts.overrides.entries.iter();
        all.filter(|entry| made.needed.contains(&entry.index))
    };
    let is_own = |entry: &&Override| entry.field == subject;
    let reads = |entry: &&Override| {
        let of_type = entry.field.split_once('.').is_some_and(|own| own.0 == ty);
        of_type && entry.action.reads().contains(&field)
    };
    match entries().find(is_own).or_else(|| entries().find(reads)) {
        Some(entry) => Verdict::Decided {
            by: project.place_of(entry),
            reason: entry.reason.clone(),
        },
        None => Verdict::Decided {
            by: "the plan between the two layouts".to_owned(),
            reason: String::new(),
        },
    }
}

/// The fields whose bits mean something else under the two layouts, and of which every bit that does
/// is decided; one finding for each. Nothing in a declaration shows them.
fn decided_flags(
    layouts: &Layouts<'_>,
    project: &Project,
    open: &BTreeMap<(&str, &str), &Undecided>,
) -> Vec<Finding> {
    let mut fields: BTreeMap<(&str, &str), Vec<&FlagDecision>> = BTreeMap::new();
    for index in &layouts.made.needed_flags {
        if let Some(decision) = layouts.overrides.flags.get(*index) {
            fields
                .entry(split(&decision.field))
                .or_default()
                .push(decision);
        }
    }
    fields.retain(|field, _| !open.contains_key(field));
    let finding = |((ty, field), decisions): ((&str, &str), Vec<&FlagDecision>)| {
        let joined = |words: BTreeSet<String>| words.into_iter().collect::<Vec<_>>().join(", ");
        let names = decisions.iter();
        let names = names.map(|one| format!("{} {}", one.name, one.direction));
        let places = decisions.iter().map(|one| project.place_of_flag(one));
        let reasons: BTreeSet<&str> = decisions.iter().map(|one| one.reason.as_str()).collect();
        let verdict = Verdict::Decided {
            by: joined(places.collect()),
            reason: Vec::from_iter(reasons).join("; "),
        };
        let sides = Known {
            kind: ChangeKind::Type,
            old: None,
            new: None,
        };
        let change = Change {
            detail: joined(names.collect()),
            ..change(ty, field, Kind::Flags, &sides)
        };
        Finding::new(change, verdict)
    };
    fields.into_iter().map(finding).collect()
}

/// What only moved follows from what changed before it.
fn follows(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Moved | ChangeKind::Inside)
}

/// The way to a structure without a name, without the names that unnamed unions on it are given.
fn as_declared(way: &str) -> String {
    let (ty, inner) = way.split_once('.').unwrap_or((way, ""));
    let named = inner.split('.').filter(|name| !name.starts_with("union_"));
    let parts: Vec<&str> = std::iter::once(ty).chain(named).collect();
    parts.join(".").trim_end_matches('.').to_owned()
}

/// Leaves out what is no change of a type but of a field that has another type now: `list_head`
/// held against the `hlist_head` that took its place, also if that is a new type; and a field whose
/// type lies as it did, under a tag that it did not have before.
pub fn genuine(from: &Layout, to: &Layout, diffs: Vec<TypeDiff>) -> Vec<TypeDiff> {
    let own = |found: &TypeDiff| {
        if from.find(&found.ty).is_none() || to.find(&found.ty).is_none() {
            // The way to a structure without a name is no name that a layout has.
            return found.ty.contains('.');
        }
        let own = diff::by_field(from, to, &[&found.ty]).unwrap_or_default();
        own.iter().any(|own| own == found)
    };
    let mut found: Vec<TypeDiff> = diffs.into_iter().filter(own).collect();
    for ty in &mut found {
        let is_same = |change: &diff::Change| {
            let text = |side: &Option<Declaration>| side.as_ref().map(|side| side.declared.clone());
            let alike = change.kind == ChangeKind::Type && text(&change.old) == text(&change.new);
            let was = inside(from, &ty.ty, &change.field);
            alike && was.is_some() && was == inside(to, &ty.ty, &change.field)
        };
        let changes = std::mem::take(&mut ty.changes).into_iter();
        ty.changes = changes.filter(|change| !is_same(change)).collect();
    }
    found
}

/// The members of the structure that a field is, as they lie in it; `None` for another field.
fn inside(layout: &Layout, ty: &str, field: &str) -> Option<Vec<(String, String, u64)>> {
    let path = FieldPath::parse(field).ok()?;
    let field = layout.lookup(layout.find(ty)?, &path)?.ty;
    let Shape::Struct(_, composite) = ctype::shape(layout, field) else {
        return None;
    };
    let fields = ctype::fields(layout, composite).into_iter();
    let lies = fields.map(|field| {
        let spelt = layout.canonical_type(field.ty);
        (field.name, spelt, field.offset)
    });
    Some(lies.collect())
}

/// The members of unnamed unions, by the name that a diff has for the union.
fn unions<'a>(
    layouts: &Layouts<'a>,
    diffs: &'a [TypeDiff],
) -> BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>> {
    let mut unions: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for diff in diffs {
        for layout in [layouts.from, layouts.to] {
            let found = layout.find(&diff.ty).map(|id| ctype::shape(layout, id));
            let Some(Shape::Struct(_, composite) | Shape::Union(_, composite)) = found else {
                continue;
            };
            let fields = ctype::fields(layout, composite);
            for change in diff
                .changes
                .iter()
                .filter(|change| change.field.starts_with("union_"))
            {
                let field = fields.iter().find(|field| field.name == change.field);
                let inner = field.map(|field| ctype::shape(layout, field.ty));
                if let Some(Shape::Union(_, union)) = inner {
                    let members = layout.flat_members(union).into_iter();
                    let names = members.filter_map(|(_, member)| member.name.as_deref());
                    let key = (diff.ty.as_str(), change.field.as_str());
                    unions.entry(key).or_default().extend(names);
                }
            }
        }
    }
    unions
}

/// Changes by type and field.
fn changes(diffs: &[TypeDiff]) -> BTreeMap<(&str, &str), Known<'_>> {
    let all = diffs.iter();
    all.flat_map(|diff| {
        diff.changes.iter().map(|change| {
            let known = Known {
                kind: change.kind,
                old: change.old.as_ref(),
                new: change.new.as_ref(),
            };
            ((diff.ty.as_str(), change.field.as_str()), known)
        })
    })
    .collect()
}

fn split(subject: &str) -> (&str, &str) {
    subject.split_once('.').unwrap_or((subject, ""))
}

fn kind(kind: ChangeKind) -> Kind {
    match kind {
        ChangeKind::Added => Kind::Added,
        ChangeKind::Removed => Kind::Removed,
        ChangeKind::BitField | ChangeKind::ArrayLength => Kind::Resized,
        ChangeKind::Enumerators => Kind::Enumerator,
        ChangeKind::Regrouped => Kind::Regrouped,
        ChangeKind::Moved => Kind::Moved,
        ChangeKind::Integer | ChangeKind::Inside | ChangeKind::Type => Kind::Retyped,
    }
}

fn change(ty: &str, field: &str, kind: Kind, known: &Known<'_>) -> Change {
    let side = |side: Option<&Declaration>| {
        side.map(|side| Shown {
            declared: format!("{} {field}", side.declared),
            ..Shown::default()
        })
    };
    Change {
        kind,
        ty: ty.to_owned(),
        field: field.to_owned(),
        was: String::new(),
        file: String::new(),
        old: side(known.old),
        new: side(known.new),
        condition: String::new(),
        detail: "only the layouts show it".to_owned(),
    }
}
