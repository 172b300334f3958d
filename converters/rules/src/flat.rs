//! Rules seen from the type of an object, those of nested types included.

use crate::{FieldRule, RuleKind, TypeRules};
use std::collections::BTreeMap;

/// A rule as seen from the type of an object.
#[derive(Clone, Debug)]
pub struct Flat {
    /// Path from that type: of the new type, or of the old one for a dropped field.
    pub path: String,
    /// Path in the old type.
    pub old_path: String,
    /// The rule.
    pub rule: &'static FieldRule,
}

/// The rules of `ty` and of the types nested in it, which `find` finds by name.
pub fn flat(
    find: &dyn Fn(&str) -> Option<&'static TypeRules>,
    ty: &'static TypeRules,
) -> Vec<Flat> {
    let mut flattened = Vec::new();
    for rule in ty.rules() {
        let old_field = match rule.old_field {
            "" => rule.field,
            old => old,
        };
        flattened.push(Flat {
            path: rule.field.to_owned(),
            old_path: old_field.to_owned(),
            rule,
        });
        let Some(nested) = rule.nested.and_then(find) else {
            continue;
        };
        for inner in flat(find, nested) {
            flattened.push(Flat {
                path: format!("{}.{}", rule.field, inner.path),
                old_path: format!("{old_field}.{}", inner.old_path),
                rule: inner.rule,
            });
        }
    }
    flattened
}

/// Number of fields one value of `ty` has, by rule, those of nested types included.
pub fn rule_counts(
    find: &dyn Fn(&str) -> Option<&'static TypeRules>,
    ty: &TypeRules,
) -> BTreeMap<RuleKind, u64> {
    let mut counts = BTreeMap::new();
    for rule in ty.rules() {
        match rule.nested.and_then(find) {
            Some(nested) => {
                for (kind, number) in rule_counts(find, nested) {
                    *counts.entry(kind).or_default() += number * u64::from(rule.times);
                }
            }
            None => *counts.entry(rule.rule).or_default() += 1,
        }
    }
    counts
}

/// Why `rule` is the rule of the field at `path` of a value of type `ty`; empty if there is no such
/// field.
///
/// A member can be dropped, and another of its name be new: then the rule tells which of the two is
/// meant. Where no member is called so, one that was called so is.
pub fn reason_of(
    find: &dyn Fn(&str) -> Option<&'static TypeRules>,
    ty: &'static TypeRules,
    rule: RuleKind,
    path: &str,
) -> &'static str {
    let path = without_indices(path);
    let rules = flat(find, ty);
    let is = |flat: &&Flat| without_indices(&flat.path) == path;
    let was = |flat: &&Flat| without_indices(&flat.old_path) == path;
    let by_rule = rules.iter().find(|flat| is(flat) && flat.rule.rule == rule);
    let found = by_rule
        .or_else(|| rules.iter().find(is))
        .or_else(|| rules.iter().find(was));
    found.map_or("", |flat| flat.rule.reason)
}

/// The path of a field as the rules have it: `fd_array` for `fd_array[3]`.
pub fn without_indices(field: &str) -> String {
    let mut plain = String::with_capacity(field.len());
    let mut depth = 0;
    for c in field.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain.trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    static INNER: TypeRules = TypeRules {
        name: "inner",
        groups: &[&[
            RuleKind::Carry.of("a"),
            RuleKind::Reset.of("b").by_map("rebuilt"),
        ]],
        ..TypeRules::PLAIN
    };
    static OUTER: TypeRules = TypeRules {
        name: "outer",
        groups: &[
            &[RuleKind::Carry.of("x")],
            &[RuleKind::Recurse
                .of("is")
                .was("had")
                .inside("inner")
                .times(3)],
        ],
        ..TypeRules::PLAIN
    };

    fn find(name: &str) -> Option<&'static TypeRules> {
        (name == "inner").then_some(&INNER)
    }

    #[test]
    fn rules_of_nested_types_are_told_with_their_path_on_both_sides() {
        let flat = flat(&find, &OUTER);
        let paths: Vec<_> = flat
            .iter()
            .map(|flat| (flat.path.as_str(), flat.old_path.as_str()))
            .collect();
        let expected = [
            ("x", "x"),
            ("is", "had"),
            ("is.a", "had.a"),
            ("is.b", "had.b"),
        ];
        assert_eq!(paths, expected);
    }

    #[test]
    fn the_reason_of_an_element_is_that_of_its_field() {
        let reason = |path| reason_of(&find, &OUTER, RuleKind::Reset, path);
        assert_eq!(reason("is[2].b"), "rebuilt");
        assert_eq!(reason("had[0].b"), "rebuilt");
        assert_eq!(reason("[1].is[2].b"), "rebuilt");
        assert_eq!(reason("had.c"), "");
        assert_eq!(without_indices("fd_array[3]"), "fd_array");
        assert_eq!(without_indices("[4].a"), "a");
    }

    /// `a` was a number and is a pointer now; `c` was called `b`, and another is called `b` now.
    static TAKEN: TypeRules = TypeRules {
        name: "taken",
        groups: &[
            &[
                RuleKind::Init.of("a").by_override("a pointer now"),
                RuleKind::Rename.of("c").was("b").by_override("renamed"),
            ],
            &[
                RuleKind::Init.of("b").by_override("new"),
                RuleKind::Drop.of("a").by_override("a number once"),
            ],
        ],
        ..TypeRules::PLAIN
    };

    #[test]
    fn a_name_that_two_fields_have_is_told_apart_by_the_rule() {
        let reason = |rule, path| reason_of(&find, &TAKEN, rule, path);
        assert_eq!(reason(RuleKind::Init, "a"), "a pointer now");
        assert_eq!(reason(RuleKind::Drop, "a"), "a number once");
        assert_eq!(reason(RuleKind::Narrow, "a"), "a pointer now");
        assert_eq!(reason(RuleKind::Init, "b"), "new");
        assert_eq!(reason(RuleKind::Rename, "b"), "new");
        assert_eq!(reason(RuleKind::Rename, "c"), "renamed");
    }

    #[test]
    fn fields_of_elements_count_as_often_as_there_are_elements() {
        let counts = rule_counts(&find, &OUTER);
        let expected = BTreeMap::from([(RuleKind::Carry, 4), (RuleKind::Reset, 3)]);
        assert_eq!(counts, expected);
    }

    static DEEP: TypeRules = TypeRules {
        name: "deep",
        groups: &[
            &[],
            &[
                RuleKind::Recurse.of("outer").inside("outer").times(2),
                RuleKind::Array.of("numbers").times(5),
                RuleKind::Recurse.of("unknown").inside("no such type"),
            ],
            // How many there are, every object says for itself.
            &[RuleKind::Array.of("tail").inside("inner").times(0)],
        ],
        ..TypeRules::PLAIN
    };

    #[test]
    fn nested_elements_multiply_and_an_array_of_numbers_is_one_field() {
        let find = |name: &str| match name {
            "outer" => Some(&OUTER),
            name => find(name),
        };
        let counts = rule_counts(&find, &DEEP);
        let expected = BTreeMap::from([
            (RuleKind::Carry, 8),
            (RuleKind::Reset, 6),
            (RuleKind::Array, 1),
            (RuleKind::Recurse, 1),
        ]);
        let there: BTreeMap<RuleKind, u64> = counts
            .into_iter()
            .filter(|(_, number)| *number > 0)
            .collect();
        assert_eq!(there, expected);
        let paths: Vec<String> = flat(&find, &DEEP)
            .into_iter()
            .map(|flat| flat.path)
            .collect();
        assert!(paths.contains(&String::from("outer.is.b")), "{paths:?}");
        assert!(paths.contains(&String::from("tail.a")), "{paths:?}");
    }
}
