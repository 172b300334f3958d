//! A diff in few words, ready to be shown: changes by kind, and both declarations row by row.

use super::{ChangeKind, Remark, TypeDiff};
use crate::plan::Declaration;
use serde::Serialize;
use similar::{Algorithm, DiffOp, TextDiff, capture_diff_slices};
use std::collections::BTreeMap;

/// The least likeness of a possible rename, in percent.
const ALIKE: u8 = 60;
/// Pairs of names compared at most for one type.
const PAIRS: usize = 4096;

/// What became of a field.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Only the new type has it.
    Added,
    /// Only the old type has it.
    Removed,
    /// One side's name looks like one of the other side: a guess.
    Renamed,
    /// The same type at another place.
    Moved,
    /// The same type, but inside of an anonymous union now, or outside of one.
    Regrouped,
    /// An integer, bit-field or array of another size.
    Resized,
    /// Another type.
    Retyped,
    /// A structure or union with changes of its own.
    Inside,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 8] = [
        Kind::Added,
        Kind::Removed,
        Kind::Renamed,
        Kind::Moved,
        Kind::Regrouped,
        Kind::Resized,
        Kind::Retyped,
        Kind::Inside,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Added => "added",
            Kind::Removed => "removed",
            Kind::Renamed => "renamed?",
            Kind::Moved => "moved",
            Kind::Regrouped => "regrouped",
            Kind::Resized => "resized",
            Kind::Retyped => "retyped",
            Kind::Inside => "inside",
        }
    }
}

/// A type with its changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeView {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Its size before, in bytes.
    pub from_size: u64,
    /// Its size after, in bytes.
    pub to_size: u64,
    /// Its changed fields.
    pub changes: Vec<Changed>,
    /// All fields of both sides, in order.
    #[serde(skip)]
    pub rows: Vec<Row>,
}

/// A changed field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// Its name; the old one of a removed field.
    pub field: String,
    /// What became of it.
    pub kind: Kind,
    /// What changed, more closely.
    pub detail: ChangeKind,
    /// The name of the other side that it may have, and how alike the two are in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub perhaps: Option<(String, u8)>,
    /// Which anonymous union the field is in, where that is new or no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<Remark>,
    /// The field before.
    pub old: Option<Declaration>,
    /// The field after.
    pub new: Option<Declaration>,
}

/// One line of both declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The old field.
    pub old: Option<(String, Declaration)>,
    /// The new field.
    pub new: Option<(String, Declaration)>,
    /// What became of it; `None` if nothing.
    pub kind: Option<Kind>,
    /// The name of the other side that it may have, and how alike the two are in percent.
    pub perhaps: Option<(String, u8)>,
    /// Which anonymous union the field is in, where that is new or no more.
    pub remark: Option<Remark>,
}

/// What is shown as one line of both declarations.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A row.
    Row(&'a Row),
    /// Several rows of fields that all moved by the same number of bits, and did nothing else.
    Moved(&'a [Row], i64),
}

impl TypeView {
    /// The rows as they are shown, each line with the index of its first row.
    pub fn lines(&self) -> Vec<(usize, Line<'_>)> {
        let mut lines = Vec::new();
        let mut at = 0;
        while let Some(row) = self.rows.get(at) {
            let by = row.moved();
            let alike = self.rows[at..].iter();
            let count = alike.take_while(|row| by.is_some() && row.moved() == by);
            match (by, count.count()) {
                (Some(by), count @ 2..) => {
                    lines.push((at, Line::Moved(&self.rows[at..at + count], by)));
                    at += count;
                }
                _ => {
                    lines.push((at, Line::Row(row)));
                    at += 1;
                }
            }
        }
        lines
    }
}

impl Line<'_> {
    /// What became of the field, or fields; `None` if nothing.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Line::Row(row) => row.kind,
            Line::Moved(..) => Some(Kind::Moved),
        }
    }

    /// `84 members +8: state … signal`, of several rows.
    pub fn summary(&self) -> Option<String> {
        let Line::Moved(rows, by) = self else {
            return None;
        };
        let name = |row: &Row| row.new.as_ref().map(|(name, _)| name.clone());
        let ends = rows.first().and_then(name).zip(rows.last().and_then(name));
        let (first, last) = ends.unwrap_or_default();
        let sign = if *by < 0 { '-' } else { '+' };
        let by = by.unsigned_abs();
        let by = match by % 8 {
            0 => (by / 8).to_string(),
            _ => format!("{by} bits"),
        };
        let to = if rows.len() == 2 { "and" } else { "to" };
        Some(format!(
            "{} members {sign}{by}: {first} {to} {last}",
            rows.len()
        ))
    }
}

impl Row {
    /// By how many bits the field moved, if that is all it did.
    fn moved(&self) -> Option<i64> {
        match (self.kind, &self.old, &self.new) {
            (Some(Kind::Moved), Some((_, old)), Some((_, new))) => {
                Some(new.offset_bits as i64 - old.offset_bits as i64)
            }
            _ => None,
        }
    }
}

/// Makes a view of a diff.
pub fn view(diff: &TypeDiff) -> TypeView {
    let renames = renames(diff);
    let changes: Vec<Changed> = diff
        .changes
        .iter()
        .map(|change| {
            let size = |side: &Option<Declaration>| side.as_ref().map(|side| side.size_bits);
            let perhaps = renames.get(&(change.field.as_str(), change.kind)).cloned();
            let kind = match change.kind {
                ChangeKind::Added | ChangeKind::Removed if perhaps.is_some() => Kind::Renamed,
                ChangeKind::Added => Kind::Added,
                ChangeKind::Removed => Kind::Removed,
                ChangeKind::Moved => Kind::Moved,
                ChangeKind::Regrouped => Kind::Regrouped,
                ChangeKind::Inside => Kind::Inside,
                ChangeKind::Enumerators | ChangeKind::Type => Kind::Retyped,
                _ if size(&change.old) == size(&change.new) => Kind::Retyped,
                ChangeKind::BitField | ChangeKind::ArrayLength | ChangeKind::Integer => {
                    Kind::Resized
                }
            };
            Changed {
                field: change.field.clone(),
                kind,
                detail: change.kind,
                perhaps,
                remark: change.remark.clone(),
                old: change.old.clone(),
                new: change.new.clone(),
            }
        })
        .collect();
    TypeView {
        ty: diff.ty.clone(),
        from_size: diff.from_size,
        to_size: diff.to_size,
        rows: rows(diff, &changes),
        changes,
    }
}

/// The number of changes of each kind.
pub fn counts(views: &[TypeView]) -> BTreeMap<Kind, usize> {
    let mut counts = BTreeMap::new();
    for change in views.iter().flat_map(|view| &view.changes) {
        *counts.entry(change.kind).or_default() += 1;
    }
    counts
}

/// Removed and added fields that look alike, each in one pair at most, the most alike first.
fn renames(diff: &TypeDiff) -> BTreeMap<(&str, ChangeKind), (String, u8)> {
    let of = |kind: ChangeKind| {
        diff.changes
            .iter()
            .filter(move |change| change.kind == kind)
    };
    let (removed, added) = (of(ChangeKind::Removed), of(ChangeKind::Added));
    let mut renames = BTreeMap::new();
    if removed.clone().count() * added.clone().count() > PAIRS {
        return renames;
    }
    let text = |name: &str, side: &Option<Declaration>| {
        let declared = side.as_ref().map_or("", |side| side.declared.as_str());
        format!("{declared} {name}")
    };
    let mut pairs = Vec::new();
    for old in removed {
        let was = text(&old.field, &old.old);
        for new in added.clone() {
            let ratio = TextDiff::from_chars(&was, text(&new.field, &new.new)).ratio();
            let percent = (ratio * 100.0).round() as u8;
            if percent >= ALIKE {
                pairs.push((percent, old.field.as_str(), new.field.as_str()));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    for (percent, old, new) in pairs {
        let (was, is) = ((old, ChangeKind::Removed), (new, ChangeKind::Added));
        if !renames.contains_key(&was) && !renames.contains_key(&is) {
            renames.insert(was, (new.to_owned(), percent));
            renames.insert(is, (old.to_owned(), percent));
        }
    }
    renames
}

fn rows(diff: &TypeDiff, changes: &[Changed]) -> Vec<Row> {
    let names = |fields: &[(String, Declaration)]| -> Vec<String> {
        fields.iter().map(|(name, _)| name.clone()).collect()
    };
    let (old, new) = (names(&diff.old_fields), names(&diff.new_fields));
    let changed: BTreeMap<(&str, bool), &Changed> = changes
        .iter()
        .map(|change| ((change.field.as_str(), change.new.is_none()), change))
        .collect();
    let row = |old: Option<usize>, new: Option<usize>| {
        let old = old.map(|at| diff.old_fields[at].clone());
        let new = new.map(|at| diff.new_fields[at].clone());
        let name = new
            .as_ref()
            .or(old.as_ref())
            .map_or("", |(name, _)| name.as_str());
        let change = changed
            .get(&(name, false))
            .or_else(|| changed.get(&(name, true)));
        Row {
            kind: change.map(|change| change.kind),
            perhaps: change.and_then(|change| change.perhaps.clone()),
            remark: change.and_then(|change| change.remark.clone()),
            old,
            new,
        }
    };
    let mut rows = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &old, &new) {
        if let DiffOp::Equal { .. } = op {
            let both = op.old_range().zip(op.new_range());
            rows.extend(both.map(|(old, new)| row(Some(old), Some(new))));
        } else {
            rows.extend(op.old_range().map(|old| row(Some(old), None)));
            rows.extend(op.new_range().map(|new| row(None, Some(new))));
        }
    }
    rows
}
