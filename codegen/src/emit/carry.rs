//! What happens to types that both sides have alike: functions and rules, each distinct one once.
//!
//! Every layout has a plan to itself. Types whose functions, rules and places read the same in the
//! plans of several layouts have one [`Carried`]. The entries of those that do not are cut into
//! [`Group`]s: entries that are in the same functions stand together, once.

use super::EmitError;
use super::entry::Entry;
use super::functions::function;
use super::group::{Group, SMALLEST_GROUP};
use super::names::{ident, module_name, version};
use super::reasons::Reasons;
use super::tables::type_converter;
use super::text::{Names, named};
use super::views::{Structs, Views};
use super::written::Written;
use crate::plan::{Action, Plan, TypePlan};
use kernel_structs::state::Watch;
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What is carried in a family.
pub(super) struct Carry {
    /// By name in the plans.
    types: BTreeMap<String, Carries>,
}

/// All that is done with one type, whatever its layout.
#[derive(Default)]
struct Carries {
    carried: Vec<Carried>,
    groups: Vec<Group>,
    /// By layout, place in `carried`.
    of: BTreeMap<usize, usize>,
}

/// What is done with a type where both sides have it alike.
struct Carried {
    name: String,
    layouts: Vec<String>,
    value_type: TokenStream,
    entries: Vec<Entry>,
    /// The value of the type's `TypeConverter`, where it names its groups and its function.
    table: String,
    /// Whether there are objects of the type.
    object: bool,
}

/// Stands in a table for what is known when it is written down.
const GROUPS: &str = "ŋgroups";
const FUNCTION: &str = "ŋfunction";

impl Carry {
    /// From the plan of each layout to itself. Fields whose values are made of constants stand by
    /// themselves, in no group: where a constant changes, theirs is the one line that does.
    pub(super) fn collect(
        views: &Views<'_>,
        layouts: &[&str],
        plans: &[Plan],
        watch: &Watch,
        reasons: &Reasons,
    ) -> Result<Carry, EmitError> {
        let mut carry = Carry {
            types: BTreeMap::new(),
        };
        for (layout, plan) in plans.iter().enumerate() {
            let structs = Structs {
                views,
                pair: [layout, layout],
            };
            for name in nested_first(plan) {
                let ty = &plan.types[name];
                carry.add(layout, layouts[layout], plan, ty, &structs, reasons)?;
            }
        }
        for (name, carries) in &mut carry.types {
            carries.cut(&|entry| is_made_of_constants(watch, name, entry));
        }
        Ok(carry)
    }

    fn add(
        &mut self,
        layout: usize,
        id: &str,
        plan: &Plan,
        ty: &TypePlan,
        structs: &Structs<'_>,
        reasons: &Reasons,
    ) -> Result<(), EmitError> {
        let functions = |name: &str| self.function_of(layout, name);
        // People decide about changes, and here is none.
        let made = function(ty, structs, &functions, &quote!(ŋoverrides), reasons)?;
        let table = type_converter(plan, ty, GROUPS, FUNCTION)?;
        let alike = |carried: &Carried| {
            let texts = carried.entries.iter().map(|entry| &entry.text);
            carried.table == table
                && carried.value_type.to_string() == made.new_type.to_string()
                && texts.eq(made.entries.iter().map(|entry| &entry.text))
        };
        let carries = self.types.entry(ty.name.clone()).or_default();
        let known = carries.carried.iter().position(alike);
        let place = known.unwrap_or(carries.carried.len());
        match known {
            Some(known) => carries.carried[known].layouts.push(id.to_owned()),
            None => carries.carried.push(Carried {
                name: version(id),
                layouts: vec![id.to_owned()],
                value_type: made.new_type,
                entries: made.entries,
                table,
                object: ty.object,
            }),
        }
        carries.of.insert(layout, place);
        Ok(())
    }

    /// Path of the function for values of the type `name` of a layout.
    pub(super) fn function_of(&self, layout: usize, name: &str) -> Option<TokenStream> {
        let carried = self.carried(layout, name)?;
        let module = ident(&module_name(name));
        let function = ident(&format!("v{}", carried.name));
        Some(quote!(ŋcarry::#module::#function))
    }

    fn carried(&self, layout: usize, name: &str) -> Option<&Carried> {
        let carries = self.types.get(name)?;
        Some(&carries.carried[*carries.of.get(&layout)?])
    }

    /// Whether values of the type `name` of a layout are carried by these entries and this table.
    pub(super) fn is(&self, layout: usize, name: &str, entries: &[Entry], table: &str) -> bool {
        self.carried(layout, name).is_some_and(|carried| {
            let texts = carried.entries.iter().map(|entry| &entry.text);
            carried.table == table && texts.eq(entries.iter().map(|entry| &entry.text))
        })
    }

    /// Whether values of the type `name` of a layout are carried with this entry.
    pub(super) fn has(&self, layout: usize, name: &str, entry: &Entry) -> bool {
        self.carried(layout, name).is_some_and(|carried| {
            let mut entries = carried.entries.iter();
            entries.any(|carried| carried.text == entry.text)
        })
    }

    /// Whether both layouts carry values of the type `name` alike.
    pub(super) fn alike(&self, old: usize, new: usize, name: &str) -> bool {
        let place = |layout| self.types.get(name)?.of.get(&layout).copied();
        place(old).is_some() && place(old) == place(new)
    }

    /// The table of a type as it is compared: without the names of groups and function.
    pub(super) fn table(plan: &Plan, ty: &TypePlan) -> Result<String, EmitError> {
        type_converter(plan, ty, GROUPS, FUNCTION)
    }

    /// The groups of the type `name`.
    pub(super) fn groups(&self, name: &str) -> &[Group] {
        self.types.get(name).map_or(&[], |carries| &carries.groups)
    }

    /// Modules, each with its text. `macros` is what the names of this family's macros begin with,
    /// `names` the paths in a function and in a macro.
    pub(super) fn modules(
        &self,
        macros: &str,
        [in_function, in_macro]: [&Names<'_>; 2],
    ) -> Result<BTreeMap<String, String>, EmitError> {
        let mut modules: BTreeMap<String, String> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for (name, carries) in &self.types {
            let module = module_name(name);
            let text = modules.entry(module.clone()).or_default();
            for group in &carries.groups {
                let exported = exported_name(&[macros, &module, &group.name], &mut taken);
                text.push_str(&group.text(&exported, [in_function, in_macro])?);
            }
            for carried in &carries.carried {
                text.push_str(&carries.text(carried, name, in_function)?);
            }
        }
        Ok(modules)
    }

    /// The types of the objects of a layout, sorted by name.
    pub(super) fn objects(&self, layout: usize) -> impl Iterator<Item = &str> {
        let types = self.types.iter();
        types.filter_map(move |(name, carries)| {
            let carried = &carries.carried[*carries.of.get(&layout)?];
            carried.object.then_some(name.as_str())
        })
    }

    /// What the types of a layout are carried by: their paths, by name of the type.
    pub(super) fn list(&self, layout: usize) -> Vec<(&str, String)> {
        let of_layout = |(name, carries): (&'_ String, &'_ Carries)| {
            let carried = &carries.carried[*carries.of.get(&layout)?];
            Some(format!(
                "{}::V{}",
                ident(&module_name(name)),
                carried.name.to_uppercase()
            ))
        };
        let types = self.types.iter();
        types
            .filter_map(|(name, carries)| Some((name.as_str(), of_layout((name, carries))?)))
            .collect()
    }
}

/// The name of a macro, made of `parts`, that none of the crate's macros has: they are all in one
/// scope, and the same name can be made of other parts.
fn exported_name(parts: &[&str], taken: &mut BTreeSet<String>) -> String {
    let mut name = format!("__{}", parts.join("_"));
    while !taken.insert(name.clone()) {
        name.push('_');
    }
    name
}

/// Names of the types of a plan, those that are nested in another before it.
pub(super) fn nested_first(plan: &Plan) -> Vec<&str> {
    fn inner(action: &Action) -> Option<&str> {
        match action {
            Action::Recurse { ty } => Some(ty),
            Action::Elements { each, .. } => inner(each),
            _ => None,
        }
    }
    fn visit<'a>(plan: &'a Plan, name: &'a str, order: &mut Vec<&'a str>) {
        let Some(ty) = plan.types.get(name).filter(|_| !order.contains(&name)) else {
            return;
        };
        for nested in ty.fields.iter().filter_map(|field| inner(&field.action)) {
            visit(plan, nested, order);
        }
        order.push(&ty.name);
    }
    let mut order = Vec::new();
    for name in plan.types.keys() {
        visit(plan, name, &mut order);
    }
    order
}

fn is_made_of_constants(watch: &Watch, ty: &str, entry: &Entry) -> bool {
    let field = format!("{ty}.{}", entry.field);
    watch.of_field(&field).next().is_some()
}

impl Carries {
    /// Finds the groups. Entries that stand `apart` are in none.
    fn cut(&mut self, apart: &dyn Fn(&Entry) -> bool) {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut order: Vec<&Entry> = Vec::new();
        for (index, carried) in self.carried.iter().enumerate() {
            for entry in &carried.entries {
                let of = members.entry(&entry.text).or_default();
                if of.is_empty() {
                    order.push(entry);
                }
                of.push(index);
            }
        }
        let mut groups: Vec<Group> = Vec::new();
        for entry in order {
            let of = &members[entry.text.as_str()];
            // Twice in one function: its place is not its own.
            let twice = of.windows(2).any(|pair| pair[0] == pair[1]);
            if of.len() < 2 || twice || apart(entry) {
                continue;
            }
            let like = |group: &&mut Group| {
                group.members == *of && group.entries.iter().all(|e| e.first == entry.first)
            };
            match groups.iter_mut().find(like) {
                Some(group) => group.entries.push(entry.clone()),
                None => groups.push(Group {
                    name: String::new(),
                    entries: vec![entry.clone()],
                    members: of.clone(),
                }),
            }
        }
        groups.retain(|group| group.entries.len() >= SMALLEST_GROUP);
        let all = self.carried.len();
        let mut taken = BTreeSet::new();
        for group in &mut groups {
            group.name = group.free_name(group.members.len() == all, &taken);
            taken.insert(group.name.to_uppercase());
        }
        self.groups = groups;
    }

    fn text(&self, carried: &Carried, ty: &str, names: &Names<'_>) -> Result<String, EmitError> {
        let place = self.carried.iter().position(|of| of.name == carried.name);
        let groups: Vec<&Group> = self
            .groups
            .iter()
            .filter(|group| place.is_some_and(|place| group.members.contains(&place)))
            .collect();
        let function = format!("v{}", carried.name);
        let mut text = format!("\n/// {}.\n", carried.layouts.join(", "));
        let written = Written {
            function: &function,
            types: [&carried.value_type, &carried.value_type],
            entries: &carried.entries,
            groups: &groups,
            path: "",
        };
        text.push_str(&written.function(&written.body(4)?));
        let table = carried
            .table
            .replace(GROUPS, &written.rules())
            .replace(FUNCTION, &function);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n/// `{ty}`, {}.\npub static V{}: TypeConverter = {};\n",
            carried.layouts.join(", "),
            carried.name.to_uppercase(),
            table.replace("\n    ", "\n"),
        );
        Ok(named(&text, names))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::family::{Family, families};
    use crate::overrides::Changes;
    use kernel_structs::releases::Registry;

    /// The functions that each entry is in, and the groups.
    #[test]
    fn macros_of_other_parts_have_other_names() {
        let mut taken = BTreeSet::new();
        let mut name = |module, group| exported_name(&["linux", module, group], &mut taken);
        assert_eq!(name("a", "with_b_with_c"), "__linux_a_with_b_with_c");
        assert_eq!(name("a_with_b", "with_c"), "__linux_a_with_b_with_c_");
        assert_eq!(name("a_with_b", "with_c_"), "__linux_a_with_b_with_c__");
    }

    #[test]
    fn an_entry_that_several_functions_have_stands_in_one_group() {
        let registry = Registry::builtin().unwrap();
        let (mut grouped, mut left) = (0, 0);
        for family in families(registry) {
            let family = Family::read(registry, &family).unwrap();
            let house = family.house(&Changes::default()).unwrap();
            for (name, carries) in &house.carry.types {
                let names: BTreeSet<String> = carries
                    .groups
                    .iter()
                    .map(|group| group.name.to_uppercase())
                    .collect();
                assert_eq!(names.len(), carries.groups.len(), "{name}: {names:?}");

                let mut functions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
                for (index, carried) in carries.carried.iter().enumerate() {
                    for entry in &carried.entries {
                        functions.entry(&entry.text).or_default().push(index);
                    }
                }
                let all = carries.carried.iter().flat_map(|carried| &carried.entries);
                let apart: BTreeSet<&str> = all
                    .filter(|entry| is_made_of_constants(&family.map.watch, name, entry))
                    .map(|entry| entry.text.as_str())
                    .collect();
                // Few entries of the same functions are not worth a group.
                let mut few: BTreeMap<(bool, &[usize]), usize> = BTreeMap::new();
                for (text, of) in &functions {
                    let groups = carries.groups.iter().filter(|group| {
                        let mut entries = group.entries.iter();
                        entries.any(|entry| entry.text == *text)
                    });
                    let groups: Vec<&Group> = groups.collect();
                    let twice = of.windows(2).any(|pair| pair[0] == pair[1]);
                    match groups.as_slice() {
                        [group] => {
                            assert_eq!(group.members, *of, "{name}: {text}");
                            grouped += 1;
                        }
                        [] if apart.contains(text) => {}
                        [] if of.len() > 1 && !twice => {
                            let first = text.starts_with("true");
                            *few.entry((first, of)).or_default() += 1;
                            left += 1;
                        }
                        [] => {}
                        _ => panic!("{name}: in several groups: {text}"),
                    }
                }
                for (functions, number) in few {
                    assert!(number < SMALLEST_GROUP, "{name}: {functions:?}");
                }
            }
        }
        // Each series has a few entries of its own in a type.
        assert!(grouped > 500 && left < grouped / 5, "{grouped}, {left}");
    }

    /// A function says what its entries say, whether in its own lines or in those of its groups.
    #[test]
    fn groups_and_lines_are_all_entries() {
        let registry = Registry::builtin().unwrap();
        for family in families(registry) {
            let family = Family::read(registry, &family).unwrap();
            let house = family.house(&Changes::default()).unwrap();
            for (name, carries) in &house.carry.types {
                for (place, carried) in carries.carried.iter().enumerate() {
                    let groups = carries.groups.iter();
                    let groups: Vec<&Group> = groups
                        .filter(|group| group.members.contains(&place))
                        .collect();
                    let written = Written {
                        function: "f",
                        types: [&carried.value_type, &carried.value_type],
                        entries: &carried.entries,
                        groups: &groups,
                        path: "",
                    };
                    let left = [written.left(true), written.left(false)].concat();
                    let mut said: Vec<&str> =
                        left.iter().map(|entry| entry.text.as_str()).collect();
                    for group in &groups {
                        said.extend(group.entries.iter().map(|entry| entry.text.as_str()));
                    }
                    let mut all: Vec<&str> =
                        carried.entries.iter().map(|e| e.text.as_str()).collect();
                    said.sort_unstable();
                    all.sort_unstable();
                    assert!(said == all, "{name}, {}", carried.name);
                }
            }
        }
    }
}
