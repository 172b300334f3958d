//! The reasons of a family's rules, each once: rules name them.
//!
//! They are those of the state map and of the decisions about changes, whoever uses them, so that a
//! new step adds none. What a step alone decided stands in its own tables.

use super::names::{ident, module_name, sanitized};
use crate::overrides::Changes;
use crate::plan::{Clause, Reason};
use kernel_structs::state::StateMap;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a rule of a whole type is called among those of its members.
const WHOLE: &str = "WHOLE";

/// The reasons of a family.
pub(super) struct Reasons {
    /// By module, each with its name, in the order of the module.
    modules: BTreeMap<String, Vec<(String, String)>>,
    /// Module and name, by text.
    paths: BTreeMap<String, (String, String)>,
}

impl Reasons {
    /// Those of a state map and of the decisions of its family.
    pub(super) fn collect(map: &StateMap, changes: &Changes) -> Reasons {
        let mut reasons = Reasons {
            modules: BTreeMap::new(),
            paths: BTreeMap::new(),
        };
        for (ty, entry) in &map.types {
            if let Some(rule) = &entry.rule {
                reasons.add(ty, WHOLE, &rule.reason);
            }
            for (field, rule) in &entry.fields {
                reasons.add(ty, field, &rule.reason);
            }
        }
        for (element, rule) in &map.elements {
            reasons.add(element, WHOLE, &rule.reason);
        }
        for derived in &map.derived {
            reasons.add(&derived.ty, WHOLE, &derived.reason);
        }
        for change in &changes.entries {
            let field = change.fields.first().map_or("", String::as_str);
            let (ty, member) = field.split_once('.').unwrap_or((field, WHOLE));
            for directed in &change.directions {
                reasons.add(ty, member, &directed.reason);
            }
        }
        for flag in &changes.flags {
            let ty = flag.field.split('.').next().unwrap_or_default();
            reasons.add(ty, &flag.name, &flag.reason);
        }
        reasons
    }

    fn add(&mut self, ty: &str, name: &str, text: &str) {
        if self.paths.contains_key(text) {
            return;
        }
        let module = module_name(ty);
        let base = match sanitized(name).to_uppercase() {
            // A constant of this name has none.
            name if name == "_" => String::from("__"),
            name => name,
        };
        let numbered = (2..).map(|number| format!("{base}_{number}"));
        let mut names = std::iter::once(base.clone()).chain(numbered);
        let of_module = self.modules.entry(module.clone()).or_default();
        let is_free = |name: &String| of_module.iter().all(|(taken, _)| taken != name);
        let name = names.find(is_free).unwrap_or(base);
        of_module.push((name.clone(), text.to_owned()));
        self.paths.insert(text.to_owned(), (module, name));
    }

    /// A reason as an expression in Rust.
    pub(super) fn expression(&self, reason: &Reason) -> String {
        match reason.clauses() {
            [] => String::from("\"\""),
            [Clause { about, text }] if about.is_empty() => self.text(text),
            clauses => {
                let mut parts = Vec::new();
                for (index, Clause { about, text }) in clauses.iter().enumerate() {
                    let then = if index == 0 { "" } else { "; " };
                    parts.push(format!("{:?}", format!("{then}{}: ", about.join(", "))));
                    parts.push(self.text(text));
                }
                format!("joined!({})", parts.join(", "))
            }
        }
    }

    fn text(&self, text: &str) -> String {
        match self.paths.get(text) {
            Some((module, name)) => {
                format!("ŋcarry::reasons::{}::{name}", ident(module))
            }
            None => format!("{text:?}"),
        }
    }

    /// The modules with the constants.
    pub(super) fn modules(&self) -> String {
        let mut text = String::new();
        for (module, constants) in &self.modules {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\npub mod {} {{", ident(module));
            for (name, reason) in constants {
                let _ = writeln!(text, "    pub const {name}: &str = {reason:?};");
            }
            text.push_str("}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const MAP: &str = "
family = \"f\"
machines = [\"i386\"]

[type.lock]
policy = \"reset\"
reason = \"nobody holds it\"

[type.s]
saved = true

[type.s.fields]
a = { policy = \"reset\", reason = \"nobody holds it\" }
_ = { policy = \"carry\", reason = \"a \\\"count\\\"\" }
b = { policy = \"carry\", reason = \"a number\" }
B = { policy = \"carry\", reason = \"another number\" }
";

    #[test]
    fn every_reason_stands_once_under_a_name_of_its_own() {
        let map = StateMap::parse(MAP).unwrap();
        let reasons = Reasons::collect(&map, &Changes::default());
        let expected = "
pub mod lock {
    pub const WHOLE: &str = \"nobody holds it\";
}

pub mod s {
    pub const B: &str = \"another number\";
    pub const __: &str = \"a \\\"count\\\"\";
    pub const B_2: &str = \"a number\";
}
";
        assert_eq!(reasons.modules(), expected);
        let one = |text| reasons.expression(&Reason::one(text));
        assert_eq!(one("nobody holds it"), "ŋcarry::reasons::lock::WHOLE");
        assert_eq!(one("a number"), "ŋcarry::reasons::s::B_2");
        assert_eq!(one("of a step"), "\"of a step\"");
    }

    #[test]
    fn reasons_of_constants_are_joined() {
        let map = StateMap::parse(MAP).unwrap();
        let reasons = Reasons::collect(&map, &Changes::default());
        let several = Reason::of_constants([("X", "a number"), ("Y", "own"), ("Z", "a number")]);
        assert_eq!(
            reasons.expression(&several),
            "joined!(\"X, Z: \", ŋcarry::reasons::s::B_2, \"; Y: \", \"own\")"
        );
    }
}
