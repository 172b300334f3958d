//! The account of a conversion: what was carried, what was reset or dropped and why, what was
//! kept for the way back.

use crate::names::Names;
use crate::steps::Steps;
use crate::table::Converter;
use kconv_image::{Head, Object, Remainder, TypeIx};
use kconv_rules::{Flat, RuleKind, Source, TypeRules, flat, rule_counts, without_indices};
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole account; `kconv --report` writes it as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Release of the image before.
    pub from: String,
    /// Release of the image after.
    pub to: String,
    /// The converters, in order.
    pub chain: Vec<String>,
    /// The tasks.
    pub tasks: Vec<TaskAccount>,
    /// The objects, by type.
    pub objects: Vec<ObjectAccount>,
    /// Number of fields written, by rule.
    pub fields: BTreeMap<&'static str, u64>,
    /// Fields that do not have the old field's value, and why.
    pub changed: Vec<FieldAccount>,
    /// Number of values put into the remainder.
    pub kept: u64,
    /// Number of values taken back out of the remainder.
    pub restored: u64,
    /// Number of pointers that stand for a symbol of the kernel.
    pub symbols: u64,
    /// Number of pointers that stand for an outside resource.
    pub resources: u64,
    /// Number of objects whose address changed.
    pub moved: u64,
    /// Number of pages of user memory, which are copied as they are.
    pub pages: u64,
}

/// A task.
#[derive(Clone, Debug, Serialize)]
pub struct TaskAccount {
    /// Its pid.
    pub pid: i32,
    /// Its name.
    pub comm: String,
}

/// The objects of one type.
#[derive(Clone, Debug, Serialize)]
pub struct ObjectAccount {
    /// The type.
    #[serde(rename = "type")]
    pub ty: String,
    /// How many.
    pub count: u64,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes after.
    pub bytes_after: u64,
}

/// A field that was reset, dropped, or decided by an override.
#[derive(Clone, Debug, Serialize)]
pub struct FieldAccount {
    /// The converter.
    pub converter: &'static str,
    /// Type and path: `task_struct.pgd`.
    pub field: String,
    /// The rule.
    pub rule: RuleKind,
    /// Who decided.
    pub source: Source,
    /// Why.
    pub reason: &'static str,
    /// In how many objects.
    pub objects: u64,
    /// How many old values were not at their initial value and are kept.
    pub kept: u64,
}

impl Report {
    pub(crate) fn new(
        old: &Head,
        new: &Head,
        chain: &[&'static Converter],
        all: &Steps<'_>,
        names: &Names,
    ) -> Report {
        let mut by_type: BTreeMap<&str, ObjectAccount> = BTreeMap::new();
        fn account<'a, 'b>(
            by_type: &'b mut BTreeMap<&'a str, ObjectAccount>,
            name: &'a str,
        ) -> &'b mut ObjectAccount {
            by_type.entry(name).or_insert_with(|| ObjectAccount {
                ty: name.to_owned(),
                count: 0,
                bytes_before: 0,
                bytes_after: 0,
            })
        }
        let whole = |head: &Head, object: &Object| head.folded_into(object).is_none();
        for object in old.objects.iter().filter(|object| whole(old, object)) {
            let account = account(&mut by_type, old.type_name(object));
            account.count += 1;
            account.bytes_before += object.size;
        }
        for (index, object) in new.objects.iter().enumerate() {
            let before = old.objects.get(index).filter(|before| whole(old, before));
            if whole(new, object) {
                let account = account(&mut by_type, new.type_name(object));
                account.count += u64::from(before.is_none());
                account.bytes_after += object.size;
            }
        }
        let steps = &new.provenance[old.provenance.len()..];
        let kept: u64 = steps.iter().map(|step| step.kept).sum();
        // What this conversion put aside stands behind what was there before.
        let before = |entry: &Remainder| (entry.step as usize) < old.provenance.len();
        let made = &new.remainder[new.remainder.partition_point(before)..];
        let mut fields = BTreeMap::new();
        let mut changed = Vec::new();
        for (index, (converter, map)) in chain.iter().zip(&all.maps).enumerate() {
            for (name, count) in map.values() {
                if let Some(ty) = converter.find(name) {
                    let find = |name: &str| converter.rules_of(name);
                    for (rule, number) in rule_counts(&find, ty) {
                        *fields.entry(rule.name()).or_default() += number * count;
                    }
                }
            }
            let number = all.number(index);
            let made = made.iter().filter(|entry| entry.step == number);
            changed.extend(changes(converter, old, &made.collect::<Vec<_>>(), &by_type));
        }
        // What a conversion made and took away again has no place of its own.
        let made = |head: &Head, object: &Object| {
            object.part_of.is_some() && head.folded_into(object).is_none()
        };
        let moved = old
            .objects
            .iter()
            .zip(&new.objects)
            .filter(|(a, b)| !made(old, a) && !made(new, b));
        Report {
            from: old.identity.kernel.release.clone(),
            to: new.identity.kernel.release.clone(),
            chain: chain.iter().map(|c| c.name.to_owned()).collect(),
            tasks: names
                .tasks
                .iter()
                .map(|(_, pid, comm)| TaskAccount {
                    pid: *pid,
                    comm: comm.clone(),
                })
                .collect(),
            objects: by_type.into_values().collect(),
            fields,
            changed,
            kept,
            restored: steps.iter().map(|step| step.restored).sum(),
            symbols: count_slots(new, |t| matches!(t, kconv_image::SlotTarget::Symbol(_))),
            resources: count_slots(new, |t| matches!(t, kconv_image::SlotTarget::Resource(_))),
            moved: moved.filter(|(a, b)| a.address != b.address).count() as u64,
            pages: new.pages(),
        }
    }
}

/// Number of fields each step of `chain` writes.
pub(crate) fn fields_written(chain: &[&'static Converter], steps: &Steps<'_>) -> Vec<u64> {
    let each = chain.iter().zip(&steps.maps);
    each.map(|(converter, map)| {
        let values = map.values().into_iter();
        values
            .filter_map(|(name, count)| Some((converter.find(name)?, count)))
            .map(|(ty, count)| {
                let find = |name: &str| converter.rules_of(name);
                rule_counts(&find, ty).values().sum::<u64>() * count
            })
            .sum()
    })
    .collect()
}

fn count_slots(head: &Head, wanted: impl Fn(kconv_image::SlotTarget) -> bool) -> u64 {
    head.slots.iter().filter(|slot| wanted(slot.target)).count() as u64
}

/// The rules of `ty` and of what is nested in it.
fn rules_inside(converter: &'static Converter, ty: &'static TypeRules) -> Vec<Flat> {
    flat(&|name| converter.rules_of(name), ty)
}

fn changes(
    converter: &'static Converter,
    old: &Head,
    made: &[&Remainder],
    objects: &BTreeMap<&str, ObjectAccount>,
) -> Vec<FieldAccount> {
    let kept = kept_by_field(old, made);
    let none = BTreeMap::new();
    let mut changed = Vec::new();
    for (name, account) in objects {
        let Some(ty) = converter.find(name) else {
            continue;
        };
        let kept = kept.get(name).unwrap_or(&none);
        for Flat { path, rule, .. } in rules_inside(converter, ty) {
            let told = matches!(rule.rule, RuleKind::Reset | RuleKind::Drop | RuleKind::Init)
                || rule.source == Source::Override;
            if !told || rule.nested.is_some() {
                continue;
            }
            changed.push(FieldAccount {
                converter: converter.name,
                field: format!("{name}.{path}"),
                rule: rule.rule,
                source: rule.source,
                reason: rule.reason,
                objects: account.count,
                kept: kept
                    .iter()
                    .filter(|(field, _)| is_in(field, &path))
                    .map(|(_, number)| number)
                    .sum(),
            });
        }
    }
    changed
}

/// How many values were kept, by type and by the path of the field without indices. There are many values and few fields:
/// those of one field have its path in common.
fn kept_by_field<'h>(
    old: &'h Head,
    made: &[&'h Remainder],
) -> BTreeMap<&'h str, BTreeMap<String, u64>> {
    let mut fields: FxHashMap<(TypeIx, *const u8), (&str, u64)> = FxHashMap::default();
    for entry in made {
        if let Some(object) = old.objects.get(entry.object.0 as usize) {
            let field = (object.ty, entry.field.as_ptr());
            fields.entry(field).or_insert((&entry.field, 0)).1 += 1;
        }
    }
    let mut kept: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for ((ty, _), (field, number)) in fields {
        let of_type = kept.entry(&old.types[ty.0 as usize]).or_default();
        *of_type.entry(without_indices(field)).or_default() += number;
    }
    kept
}

/// Whether `field` is `path` or inside it.
fn is_in(field: &str, path: &str) -> bool {
    field
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_value_counts_for_the_field_it_is_in() {
        assert!(is_in("wait_chldexit.lock", "wait_chldexit"));
        assert!(!is_in("fd_array2", "fd_array"));
    }
}
