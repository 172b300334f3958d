//! The rules of a step: what a converter between two layouts does, without the functions that do
//! it.

use crate::TypeRules;
use std::collections::BTreeMap;

/// What one converter does with every type that it knows.
#[derive(Clone, Debug)]
pub struct StepRules {
    /// Name of the converter, such as `convert-2.4.36.8-2.4.36.9`.
    pub name: &'static str,
    /// The layout it reads: name of a node in `releases.toml`.
    pub from: &'static str,
    /// The layout it writes.
    pub to: &'static str,
    types: Vec<Known>,
    /// Places in `types`.
    by_name: BTreeMap<&'static str, usize>,
}

/// A type of a step.
#[derive(Copy, Clone, Debug)]
struct Known {
    rules: &'static TypeRules,
    /// Whether there can be objects of the type, and not only values inside others.
    of_objects: bool,
}

impl StepRules {
    /// The step `name` from one layout to another, so far without types.
    pub fn new(name: &'static str, [from, to]: [&'static str; 2]) -> StepRules {
        StepRules {
            name,
            from,
            to,
            types: Vec::new(),
            by_name: BTreeMap::new(),
        }
    }

    /// Adds a type, unless there is one of its name: `of_objects` tells whether there can be objects
    /// of it.
    pub fn add(&mut self, rules: &'static TypeRules, of_objects: bool) {
        self.by_name.entry(rules.name).or_insert_with(|| {
            self.types.push(Known { rules, of_objects });
            self.types.len() - 1
        });
    }

    fn known(&self, name: &str) -> Option<&Known> {
        self.by_name.get(name).map(|index| &self.types[*index])
    }

    /// The rules of the type `name`.
    pub fn find(&self, name: &str) -> Option<&'static TypeRules> {
        self.known(name).map(|known| known.rules)
    }

    /// As [`StepRules::find`], of a type that there can be objects of.
    pub fn of_object(&self, name: &str) -> Option<&'static TypeRules> {
        let known = self.known(name).filter(|known| known.of_objects);
        known.map(|known| known.rules)
    }

    /// The rules of all types, in the order in which they were added.
    pub fn types(&self) -> impl Iterator<Item = &'static TypeRules> + use<'_> {
        self.types.iter().map(|known| known.rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_only_ever_nested_has_rules_and_no_objects() {
        static INNER: TypeRules = TypeRules {
            name: "inner",
            ..TypeRules::PLAIN
        };
        static OUTER: TypeRules = TypeRules {
            name: "outer",
            ..TypeRules::PLAIN
        };
        let mut step = StepRules::new("convert-a-b", ["a", "b"]);
        step.add(&OUTER, true);
        step.add(&INNER, false);
        step.add(&OUTER, false);
        let names: Vec<&str> = step.types().map(|ty| ty.name).collect();
        assert_eq!(names, ["outer", "inner"]);
        assert_eq!(step.find("inner").map(|ty| ty.name), Some("inner"));
        assert!(step.of_object("inner").is_none());
        assert_eq!(step.of_object("outer").map(|ty| ty.name), Some("outer"));
        assert!(step.find("other").is_none());
    }
}
