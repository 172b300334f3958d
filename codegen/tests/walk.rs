//! Which rule of the state map holds for a place is one question: what the plan of a layout to itself
//! decides is what the walk through the layout shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::family::{Family, families};
use kconv_codegen::overrides::Overrides;
use kconv_codegen::plan::{Pair, Plan, TypePlan};
use kconv_rules::Source;
use kernel_structs::layout::{CompositeKind, Layout, Step, Type, TypeId};
use kernel_structs::releases::Registry;
use kernel_structs::state::{Go, Place, Policy, Visit};
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Holds each place against the plan.
struct Held<'p> {
    plan: &'p Plan,
    layout: &'p Layout,
    seen: BTreeSet<TypeId>,
    with_rule: usize,
    without: usize,
    wrong: Vec<String>,
}

impl Held<'_> {
    /// The plan of the structure that a place is in.
    fn owner(&self, place: &Place<'_, '_>) -> Option<&TypePlan> {
        let names = place.owner.own_names().iter();
        let mut names = names
            .map(|name| (*name).to_owned())
            .chain([place.owner.shown()]);
        names.find_map(|name| self.plan.types.get(&name))
    }
}

impl<'a> Visit<'a> for Held<'_> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        let rule = place.rule();
        let of_member = self.owner(place).map(|ty| {
            let fields = ty.fields.iter().filter(|field| {
                let first = field.path.steps().first();
                matches!(first, Some(Step::Member(name)) if name == place.member)
            });
            let told = fields.map(|field| (field.source, field.reason.to_string()));
            told.collect::<Vec<_>>()
        });
        // Of a union the plan knows no members.
        let of_member = of_member.unwrap_or_default();
        if !place.is_element && !of_member.is_empty() {
            let expected = match rule {
                Some(rule) => (Source::StateMap, rule.reason.clone()),
                None => (Source::Automatic, String::new()),
            };
            // A structure around a number is carried whatever is said of it.
            let carried = rule.is_some_and(|rule| rule.policy == Policy::Carry)
                && of_member
                    .iter()
                    .all(|(source, _)| *source == Source::Automatic);
            if !carried && !of_member.iter().all(|told| *told == expected) {
                let owner = place.owner.shown();
                let line = format!("{owner}.{}: {expected:?}, {of_member:?}", place.member);
                self.wrong.push(line);
            }
            match rule {
                Some(_) => self.with_rule += 1,
                None => self.without += 1,
            }
        }
        if rule.is_some() {
            return Ok(Go::Past);
        }
        let inner = self.layout.strip(place.ty);
        Ok(match self.layout.get(inner) {
            Type::Composite(composite) if composite.kind == CompositeKind::Union => Go::Past,
            Type::Composite(composite) if composite.name.is_some() => {
                match self.seen.insert(inner) {
                    true => Go::Inside,
                    false => Go::Past,
                }
            }
            Type::Composite(_) => Go::Inside,
            Type::Array { .. } => Go::Element,
            _ => Go::Past,
        })
    }
}

#[test]
fn a_plan_decides_by_the_rules_that_the_walk_shows() {
    let registry = Registry::builtin().unwrap();
    for name in families(registry) {
        let family = Family::read(registry, &name).unwrap();
        let ends = [&family.layouts[0], family.layouts.last().unwrap()];
        for stored in ends {
            let made = Plan::make(&Pair {
                converter: "identity",
                machine: &stored.machine,
                from: stored.side(),
                to: stored.side(),
                map: &family.map,
                overrides: &Overrides::default(),
            });
            let mut held = Held {
                plan: &made.plan,
                layout: &stored.live,
                seen: BTreeSet::new(),
                with_rule: 0,
                without: 0,
                wrong: Vec::new(),
            };
            for saved in family.map.saved_in(&stored.live) {
                let id = stored.live.find(saved).unwrap();
                if held.seen.insert(stored.live.strip(id)) {
                    let Ok(()) = family.map.visit(&stored.live, id, &mut held);
                }
            }
            assert_eq!(held.wrong, [""; 0], "{}", stored.id);
            let counts = (held.with_rule, held.without);
            // Formats that kernels hand on are no more than some numbers.
            let least = match family.map.roots.is_empty() {
                true => (0, 10),
                false => (50, 100),
            };
            assert!(
                counts.0 > least.0 && counts.1 > least.1,
                "{}: {counts:?}",
                stored.id
            );
        }
    }
}
