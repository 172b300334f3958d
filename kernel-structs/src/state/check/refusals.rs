//! What a freeze refuses held against the layouts: every entry refuses something in some saved type.

use super::StateFinding;
use crate::layout::{FieldPath, Layout};
use crate::state::{Refusal, StateMap};
use std::collections::BTreeSet;

impl StateMap {
    /// Holds what is refused against the types: what no freeze would look at, or cannot say, is told.
    pub(super) fn check_refused(&self, layouts: &[&Layout], findings: &mut BTreeSet<StateFinding>) {
        let mut reached = BTreeSet::new();
        for layout in layouts {
            let layout = &self.live(layout);
            for name in self.saved_in(layout) {
                if let Some(id) = layout.find(name) {
                    reached.extend(self.refusing_entries(layout, id));
                }
            }
        }
        for (name, entry) in &self.types {
            let of_fields = entry.fields.iter().filter_map(|(field, rule)| {
                let refusal = rule.policy.refusal()?;
                Some((format!("type.{name}.fields"), field, refusal))
            });
            let of_flags = entry.refused.iter().map(|flags| {
                let table = format!("[type.{name}.refuse]");
                (table, &flags.field, &flags.refusal)
            });
            for flags in &entry.refused {
                let is_bit = |flag: &&String| {
                    layouts.iter().any(|layout| {
                        let names = std::slice::from_ref(*flag);
                        let id = layout.find(name);
                        id.is_some_and(|id| self.mask(layout, id, &flags.field, names) != 0)
                    })
                };
                for flag in flags.flags.iter().filter(|flag| !is_bit(flag)) {
                    findings.insert(StateFinding::NoSuchFlag {
                        ty: name.clone(),
                        field: flags.field.clone(),
                        flag: flag.clone(),
                    });
                }
            }
            for (table, field, refusal) in of_fields.chain(of_flags) {
                let mut misfit = |expected| {
                    findings.insert(StateFinding::Misfit {
                        table: table.clone(),
                        member: field.clone(),
                        expected,
                    });
                };
                if !reached.contains(&(table.clone(), field.clone())) {
                    misfit(match table.starts_with('[') {
                        true => "field of a saved type, made of the constants,",
                        false => "field of a saved type, with an initial value to compare with,",
                    });
                }
                if !layouts.iter().any(|layout| can_say(layout, name, refusal)) {
                    misfit("members that its words name");
                }
            }
        }
    }
}

/// Whether the type `name` has the members that are named by what is said.
fn can_say(layout: &Layout, name: &str, refusal: &Refusal) -> bool {
    let has = |member: &str| {
        let path = FieldPath::parse(member)
            .ok()
            .filter(|path| !path.is_empty());
        let found = layout.find(name).zip(path);
        found.is_some_and(|(id, path)| layout.lookup(id, &path).is_some())
    };
    refusal.members().all(has)
}
