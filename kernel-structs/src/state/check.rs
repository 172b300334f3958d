//! A state map held against a layout: nothing stale, no pointer without a policy.

mod refusals;
mod sizes;
mod walking;

use super::arms::has_arm;
use super::tail::{self, NoTail};
use super::unnamed::key;
use super::watch;
use super::{
    Derived, DerivedPlace, Go, Initial, Number, Place, Policy, Rule, StateMap, Tail, Visit, derived,
};
use crate::layout::{FieldPath, Layout, Type, TypeId};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;

/// Something in a state map that does not fit a layout.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateFinding {
    /// A type that no layout has.
    NoSuchType {
        /// The type.
        ty: String,
    },
    /// A rule for a member that the type does not have.
    NoSuchField {
        /// The type.
        ty: String,
        /// The member.
        field: String,
    },
    /// A rule for a path: what holds for a member stands with the type that it is a member of.
    PathRule {
        /// The table of the map, such as `type.task_struct.fields`.
        table: String,
        /// The path.
        path: String,
        /// The type that has its last member, if a layout has the path.
        of: Option<String>,
    },
    /// An initial value of a member that no layout has.
    NoSuchInitial {
        /// The type.
        ty: String,
        /// The member.
        member: String,
    },
    /// An initial value that is the number of a constant which no layout stores.
    NoSuchConstant {
        /// The table of the map, such as `type.task_struct.fields`.
        table: String,
        /// The member, or the entry.
        member: String,
        /// The constant.
        constant: String,
    },
    /// An initial value that depends on how a member is declared, in a way that no layout has.
    NotDeclared {
        /// The table of the map.
        table: String,
        /// The member, or the entry.
        member: String,
        /// The member that is declared, as `type.member`.
        declared: String,
    },
    /// An initial value for a type as which no layout declares the member that it depends on.
    NoSuchDeclaration {
        /// The table of the map.
        table: String,
        /// The member, or the entry.
        member: String,
        /// The member that is declared, as `type.member`.
        declared: String,
        /// The type.
        ty: String,
        /// As what layouts declare it.
        known: Vec<String>,
    },
    /// A pointer nobody said anything about.
    NoPolicy {
        /// The type it is in.
        ty: String,
        /// The member.
        field: String,
        /// The type of the pointer.
        declared: String,
    },
    /// A watched constant is said to size a member that the type does not have.
    NoSuchSized {
        /// The type.
        ty: String,
        /// The member.
        field: String,
    },
    /// A watched constant, or a pattern of some, of which no layout has the value.
    NoConstants {
        /// The name or pattern.
        pattern: String,
    },
    /// A refused flag that no layout has, or that is not watched for the field.
    NoSuchFlag {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The constant.
        flag: String,
    },
    /// An arm that is in no unnamed union of the type.
    NoSuchArm {
        /// The type.
        ty: String,
        /// The member.
        member: String,
    },
    /// `tail` names a member that is not the flexible array at the end of a saved type, or a
    /// count that is no integer of it.
    NoTail {
        /// The type.
        ty: String,
        /// The member named.
        member: String,
        /// What it is not.
        what: &'static str,
    },
    /// A saved type ends in an array without a length, and nobody says what becomes of its elements.
    OpenEnd {
        /// The type.
        ty: String,
        /// The array.
        member: String,
    },
    /// A root or a derived object is not of a saved type, or does not belong to one.
    NotSaved {
        /// The type.
        ty: String,
        /// The entry that names it.
        entry: &'static str,
    },
    /// A word of the walk stands at, or names, a member that it does not fit.
    Misfit {
        /// The table of the map, such as `type.sigpending.containers`.
        table: String,
        /// The member.
        member: String,
        /// What it has to be.
        expected: &'static str,
    },
    /// A number of bytes that no memory of a kernel has there.
    Size {
        /// The entry, as messages name it.
        entry: String,
        /// The key.
        key: &'static str,
        /// What it says.
        said: u64,
        /// What it has to be.
        expected: String,
    },
    /// `ring` names a member that does not lead to an object of the same type.
    NoRing {
        /// The type.
        ty: String,
        /// The member.
        field: String,
    },
    /// `count` or `mount` names a member that the type does not have.
    NoSuchSibling {
        /// The type.
        ty: String,
        /// The member with the rule.
        field: String,
        /// The member named in it.
        sibling: String,
    },
}

impl StateFinding {
    /// The entry of the map that it is about, as messages name it.
    fn place(&self) -> String {
        match self {
            StateFinding::NoSuchType { ty } | StateFinding::NoPolicy { ty, .. } => {
                format!("[type.{}]", key(ty))
            }
            StateFinding::NoSuchField { ty, field }
            | StateFinding::NoSuchSibling { ty, field, .. } => {
                format!("[type.{}.fields] {field}", key(ty))
            }
            StateFinding::NoSuchInitial { ty, member } => {
                format!("[type.{}.fields] {member}", key(ty))
            }
            StateFinding::PathRule { table, path, .. } => format!("[{table}] {path}"),
            StateFinding::NoSuchSized { ty, field } => format!("[[watch]] {ty}.{field}"),
            StateFinding::NoConstants { pattern } => format!("[[watch]] {pattern}"),
            StateFinding::NoSuchArm { ty, member } => format!("[type.{ty}.arms] {member}"),
            StateFinding::NoSuchFlag { ty, field, .. } => format!("[[type.{ty}.refuse]] {field}"),
            StateFinding::NoTail { ty, .. } => format!("[type.{ty}.tail]"),
            StateFinding::OpenEnd { ty, .. } => format!("[type.{}]", key(ty)),
            StateFinding::NotSaved { ty, entry } => format!("[[{entry}]] {ty}"),
            StateFinding::Misfit { table, member, .. }
            | StateFinding::NoSuchConstant { table, member, .. }
            | StateFinding::NotDeclared { table, member, .. }
            | StateFinding::NoSuchDeclaration { table, member, .. } => {
                format!("[{table}] {member}")
            }
            StateFinding::NoRing { field, .. } => format!("[[root]] {field}"),
            StateFinding::Size { entry, key, .. } if entry.starts_with("[type.") => {
                format!("{entry} {key}")
            }
            StateFinding::Size { entry, .. } => entry.clone(),
        }
    }
}

impl fmt::Display for StateFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateFinding::NoSuchType { ty } => write!(
                f,
                "[type.{}]: no layout has such a type; remove the entry or correct its name",
                key(ty)
            ),
            StateFinding::NoSuchField { ty, field } => write!(
                f,
                "[type.{}.fields] {field}: the layout's {ty} has no such member; remove the rule or correct its name",
                key(ty)
            ),
            StateFinding::PathRule { table, path, of } => {
                let last = path.rsplit('.').next().unwrap_or(path);
                let of = of.as_deref().unwrap_or("TYPE");
                write!(
                    f,
                    "[{table}] {path}: a path, for which nothing looks here; say it of the member `{last}` of the type that has it, under [type.{}.…]",
                    key(of)
                )
            }
            StateFinding::NoSuchInitial { ty, member } => write!(
                f,
                "[type.{ty}] initial: no layout's {ty} has a member `{member}`; remove it or correct its name"
            ),
            StateFinding::NoSuchConstant {
                table,
                member,
                constant,
            } => write!(
                f,
                "[{table}] {member}: no layout has a constant {constant} that a [[watch]] entry names; correct its name, or watch it"
            ),
            StateFinding::NotDeclared {
                table,
                member,
                declared,
            } => write!(
                f,
                "[{table}] {member}: no layout has a member {declared} of one of the types that `declared` names; correct its name, or the types"
            ),
            StateFinding::NoSuchDeclaration {
                table,
                member,
                declared,
                ty,
                known,
            } => write!(
                f,
                "[{table}] {member}: no layout declares {declared} as `{ty}`, but as `{}`; correct the type, or write `{ty}?` if only kernels that are not stored do",
                known.join("`, `")
            ),
            StateFinding::NoPolicy {
                ty,
                field,
                declared,
            } => write!(
                f,
                "{ty}.{field} is a pointer ({declared}) without a policy; say under [type.{}.fields] what it means",
                key(ty)
            ),
            StateFinding::NoSuchSized { ty, field } => write!(
                f,
                "[[watch]]: no layout has {ty}.{field}; remove it or correct its name"
            ),
            StateFinding::NoConstants { pattern } => write!(
                f,
                "[[watch]] {pattern}: no layout has the value of such a constant, so that nothing is known by it; correct the name, or give the layouts their constants with `kconv-gen layout constants`"
            ),
            StateFinding::NoSuchFlag { ty, field, flag } => write!(
                f,
                "[[type.{ty}.refuse]] {field}: no layout has a constant {flag} that a [[watch]] entry says it is made of; correct its name, or watch it"
            ),
            StateFinding::NoSuchArm { ty, member } => write!(
                f,
                "[type.{ty}.arms] {member}: no unnamed union of {ty} has such a member; remove the arm or correct its name"
            ),
            StateFinding::NotSaved { ty, entry } => write!(
                f,
                "[[{entry}]] names {ty}, which is not saved; add [type.{ty}] or correct the name"
            ),
            StateFinding::NoRing { ty, field } => write!(
                f,
                "[[root]] ring: the layout's {ty} has no member `{field}` that points at another {ty} or is a list_head"
            ),
            StateFinding::Misfit {
                table,
                member,
                expected,
            } => write!(f, "[{table}] {member}: the layout has no {expected} there"),
            StateFinding::Size {
                entry,
                key,
                said,
                expected,
            } => write!(
                f,
                "{entry} {key}: {said} bytes, which have to be {expected}"
            ),
            StateFinding::OpenEnd { ty, member } => write!(
                f,
                "[type.{}] ends in `{member}`, an array without a length: say with `tail` how many elements it has, or under [type.{}.fields] what it means",
                key(ty),
                key(ty)
            ),
            StateFinding::NoTail { ty, member, what } => {
                write!(f, "[type.{ty}] tail: the layout's `{member}` is not {what}")
            }
            StateFinding::NoSuchSibling { ty, field, sibling } => write!(
                f,
                "[type.{ty}.fields] {field}: names `{sibling}`, which the layout's {ty} does not have"
            ),
        }
    }
}

/// The type, in a layout, of which the last member of `path` is one.
fn owner_of((layout, id): &(&Layout, TypeId), path: &str) -> Option<String> {
    let (outer, _) = path.rsplit_once('.')?;
    let outer = layout.lookup(*id, &FieldPath::parse(outer).ok()?)?;
    let names = layout.names(layout.strip(outer.ty));
    names.first().map(|name| (*name).to_owned())
}

impl StateMap {
    /// The line of the map's file that `finding` is about, from 1.
    pub fn line_of(&self, finding: &StateFinding) -> usize {
        self.lines.line(&finding.place())
    }

    /// Holds the map against `layout`. Rules for members that exist in some releases of a family
    /// only are not stale as long as one of `layouts` has them.
    ///
    /// Returns all findings, sorted; none if the map fits.
    pub fn check(&self, layouts: &[&Layout]) -> Vec<StateFinding> {
        let mut findings = BTreeSet::new();
        self.check_entries(layouts, &mut findings);
        self.check_starts(layouts, &mut findings);
        self.check_watched(layouts, &mut findings);
        self.check_refused(layouts, &mut findings);
        for layout in layouts {
            let layout = &self.live(layout);
            let mut pointers = Pointers {
                layout,
                seen: BTreeSet::new(),
                findings: &mut findings,
            };
            for name in self.saved_types() {
                if let Some(id) = layout.find(name)
                    && pointers.seen.insert(layout.strip(id))
                {
                    let Ok(()) = self.visit(layout, id, &mut pointers);
                }
            }
        }
        findings.into_iter().collect()
    }

    fn check_entries(&self, layouts: &[&Layout], findings: &mut BTreeSet<StateFinding>) {
        for (name, entry) in &self.types {
            let places: Vec<_> = layouts
                .iter()
                .filter_map(|layout| Some((*layout, StateMap::type_of_entry(layout, name)?)))
                .collect();
            if places.is_empty() {
                findings.insert(StateFinding::NoSuchType { ty: name.clone() });
                continue;
            }
            self.check_walking(name, entry, &places, findings);
            sizes::check_extent(name, entry, &places, findings);
            if let Some(tail) = &entry.tail {
                findings.extend(tail_findings(name, entry.saved, tail, &places));
            }
            let said = |member: &str| {
                let tail = entry.tail.as_ref();
                entry.fields.contains_key(member) || tail.is_some_and(|tail| tail.member == member)
            };
            for (layout, id) in places.iter().filter(|_| entry.saved) {
                if let Some(member) = tail::open_end(layout, *id).filter(|member| !said(member)) {
                    findings.insert(StateFinding::OpenEnd {
                        ty: name.clone(),
                        member: member.to_owned(),
                    });
                }
            }
            for member in entry.arms.keys() {
                if !places
                    .iter()
                    .any(|(layout, id)| has_arm(layout, *id, member))
                {
                    findings.insert(StateFinding::NoSuchArm {
                        ty: name.clone(),
                        member: member.clone(),
                    });
                }
            }
            let has = |field: &str| {
                places.iter().any(|(layout, id)| {
                    FieldPath::parse(field).is_ok_and(|path| layout.lookup(*id, &path).is_some())
                })
            };
            let table = format!("type.{}", key(name));
            let rules = entry.rule.iter().map(|rule| (&table, "initial", rule));
            let fields = format!("{table}.fields");
            let of_fields = entry.fields.iter();
            let of_fields = of_fields.map(|(field, rule)| (&fields, field.as_str(), rule));
            for (table, member, rule) in rules.chain(of_fields) {
                if let Policy::Reset {
                    initial: Some(initial),
                    ..
                } = &rule.policy
                {
                    check_numbers((table, member), initial, layouts, findings);
                }
            }
            if let Some(rule) = &entry.rule {
                for member in named(rule).filter(|member| !has(member)) {
                    findings.insert(StateFinding::NoSuchInitial {
                        ty: name.clone(),
                        member: member.clone(),
                    });
                }
            }
            let keyed = [
                ("fields", entry.fields.keys().collect::<Vec<_>>()),
                ("indexes", entry.indexes.keys().collect()),
            ];
            for (table, members) in keyed {
                for path in members.into_iter().filter(|member| member.contains('.')) {
                    findings.insert(StateFinding::PathRule {
                        table: format!("type.{}.{table}", key(name)),
                        path: path.clone(),
                        of: places.iter().find_map(|place| owner_of(place, path)),
                    });
                }
            }
            for (field, rule) in &entry.fields {
                for member in named(rule) {
                    let member = format!("{field}.{member}");
                    if !has(&member) {
                        findings.insert(StateFinding::NoSuchInitial {
                            ty: name.clone(),
                            member,
                        });
                    }
                }
                if !has(field) {
                    findings.insert(StateFinding::NoSuchField {
                        ty: name.clone(),
                        field: field.clone(),
                    });
                }
                self.check_use(name, field, rule, &places, findings);
                let sibling = match &rule.policy {
                    Policy::Follow(follow) => match follow.count.as_ref().map(|count| &count.of) {
                        Some(Number::Member(member)) => Some(member),
                        _ => None,
                    },
                    Policy::Resource { mount, .. } => mount.as_ref(),
                    _ => None,
                };
                if let Some(sibling) = sibling.filter(|sibling| !has(sibling)) {
                    findings.insert(StateFinding::NoSuchSibling {
                        ty: name.clone(),
                        field: field.clone(),
                        sibling: sibling.clone(),
                    });
                }
            }
        }
    }

    /// Holds what a derived object is told by against all layouts: some layout has each member that
    /// tells, and what lies right behind another object lies behind one that ends somewhere and is
    /// found by itself.
    fn check_derived(
        &self,
        layouts: &[&Layout],
        derived: &Derived,
        findings: &mut BTreeSet<StateFinding>,
    ) {
        let mut misfit = |member: &str, expected| {
            findings.insert(StateFinding::Misfit {
                table: "[derived]".to_owned(),
                member: member.to_owned(),
                expected,
            });
        };
        for name in derived.conditions() {
            if !layouts.iter().any(|layout| derived::member(layout, name)) {
                misfit(name, "member of this name");
            }
        }
        if derived.place == DerivedPlace::Behind {
            if !self.roots.iter().any(|root| root.ty == derived.owner) {
                misfit(&derived.owner, "root, which a trailing object is found by,");
            }
            let owner = self.types.get(&derived.owner);
            if owner.is_some_and(|owner| owner.tail.is_some() || owner.extent.is_some()) {
                misfit(&derived.owner, "end to lie behind");
            }
        }
    }

    /// What is said of a pointer holds where the member is one; that some layout has to have.
    fn check_use(
        &self,
        name: &str,
        field: &str,
        rule: &Rule,
        places: &[(&Layout, TypeId)],
        findings: &mut BTreeSet<StateFinding>,
    ) {
        let found = places.iter().filter_map(|(layout, id)| {
            let path = FieldPath::parse(field).ok()?;
            Some((*layout, layout.lookup(*id, &path)?.ty))
        });
        let found: Vec<(&Layout, TypeId)> = found.collect();
        let nowhere = |fits: &dyn Fn(&Layout, TypeId) -> bool| {
            !found.is_empty() && !found.iter().any(|(layout, ty)| fits(layout, *ty))
        };
        let mut misfit = |expected| {
            findings.insert(StateFinding::Misfit {
                table: format!("type.{name}.fields"),
                member: field.to_owned(),
                expected,
            });
        };
        if nowhere(&|layout, ty| rule.policy.is_for(layout, ty)) {
            misfit("pointer or number, as its policy wants it,");
        }
        if let Policy::Reset {
            initial: Some(initial),
            ..
        } = &rule.policy
            && nowhere(&|layout, ty| can_be(layout, ty, initial))
        {
            misfit("value that can have its `initial`");
        }
    }

    /// Holds the members that watched constants size against the types.
    fn check_watched(&self, layouts: &[&Layout], findings: &mut BTreeSet<StateFinding>) {
        let sizes = self.watch.entries.iter().flat_map(|entry| &entry.sizes);
        let made = self
            .watch
            .meanings()
            .flat_map(|(_, meaning)| &meaning.fields);
        let stored: BTreeSet<&str> = layouts
            .iter()
            .flat_map(|layout| layout.enumerators().map(|(name, _)| name))
            .collect();
        for (entry, _) in self.watch.meanings() {
            for pattern in &entry.constants {
                if !stored.iter().any(|name| watch::fits(pattern, name)) {
                    findings.insert(StateFinding::NoConstants {
                        pattern: pattern.clone(),
                    });
                }
            }
        }
        for (ty, field) in sizes.chain(made).filter_map(|sized| sized.split_once('.')) {
            let has = |layout: &&Layout| {
                let path = FieldPath::parse(field).ok();
                let found = layout.find(ty).zip(path);
                found.is_some_and(|(id, path)| layout.lookup(id, &path).is_some())
            };
            if !layouts.iter().any(has) {
                findings.insert(StateFinding::NoSuchSized {
                    ty: ty.to_owned(),
                    field: field.to_owned(),
                });
            }
        }
    }

    /// Holds roots and derived objects against the types they name.
    fn check_starts(&self, layouts: &[&Layout], findings: &mut BTreeSet<StateFinding>) {
        let saved = self.saved_types();
        let named = self.roots.iter().map(|root| (&root.ty, "root"));
        let derived = self.derived.iter();
        let named = named.chain(derived.flat_map(|d| [(&d.ty, "derived"), (&d.owner, "derived")]));
        for (ty, entry) in named {
            if !saved.contains(&ty.as_str()) {
                findings.insert(StateFinding::NotSaved {
                    ty: ty.clone(),
                    entry,
                });
            }
        }
        for derived in &self.derived {
            self.check_derived(layouts, derived, findings);
        }
        for layout in layouts {
            let there = self.derived.iter().filter(|derived| derived.holds(layout));
            for derived in there {
                walking::check_base(layout, derived, findings);
                sizes::check_end(layout, derived, self.types.get(&derived.owner), findings);
                let owner = layout.find(&derived.owner);
                let when = FieldPath::parse(&derived.when);
                let found = owner
                    .zip(when.ok())
                    .map(|(id, path)| layout.resolve(id, &path));
                if !matches!(found, Some(Ok(_))) {
                    findings.insert(StateFinding::NoSuchField {
                        ty: derived.owner.clone(),
                        field: derived.when.clone(),
                    });
                }
            }
            for root in &self.roots {
                walking::check_threads(layout, root, findings);
                if let Some(ring) = &root.ring
                    && !leads_to_its_like(layout, &root.ty, ring)
                {
                    findings.insert(StateFinding::NoRing {
                        ty: root.ty.clone(),
                        field: ring.clone(),
                    });
                }
            }
        }
    }
}

/// Finds the pointers that no rule holds for. A type is looked at once.
struct Pointers<'l, 'f> {
    layout: &'l Layout,
    seen: BTreeSet<TypeId>,
    findings: &'f mut BTreeSet<StateFinding>,
}

impl<'a> Visit<'a> for Pointers<'_, '_> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        if place.rule().is_some() {
            return Ok(Go::Past);
        }
        let layout = self.layout;
        let mut element = layout.strip(place.ty);
        while let Type::Array { element: inner, .. } = layout.get(element) {
            element = layout.strip(*inner);
        }
        Ok(match layout.get(element) {
            Type::Pointer { .. } => {
                self.findings.insert(StateFinding::NoPolicy {
                    ty: place.owner.shown(),
                    field: place.member.to_owned(),
                    declared: layout.canonical_type(place.ty),
                });
                Go::Past
            }
            // One without a name is another in each place.
            Type::Composite(_) if element == layout.strip(place.ty) => {
                match layout.names(place.ty).is_empty() || self.seen.insert(element) {
                    true => Go::Inside,
                    false => Go::Past,
                }
            }
            Type::Composite(_) => Go::Element,
            _ => Go::Past,
        })
    }
}

/// The members that a rule says the initial values of, and that some layout has to have.
fn named(rule: &Rule) -> impl Iterator<Item = &String> {
    let initial = match &rule.policy {
        Policy::Reset { initial, .. } => initial.as_ref(),
        _ => None,
    };
    let values: Vec<&Initial> = match initial {
        Some(Initial::Declared(declared)) => declared.values.values().collect(),
        initial => initial.into_iter().collect(),
    };
    let members = values.into_iter().filter_map(|initial| match initial {
        Initial::Members(members) => Some(members.keys()),
        _ => None,
    });
    let members = members.flatten();
    members.filter(|member| !member.ends_with('?'))
}

/// Whether a value of a type can have an initial value, by what it is alone.
fn can_be(layout: &Layout, ty: TypeId, initial: &Initial) -> bool {
    match (layout.get(layout.strip(ty)), initial) {
        (Type::Array { element, .. }, _) => can_be(layout, *element, initial),
        (Type::Pointer { .. }, Initial::Null | Initial::Nowhere) => true,
        (_, Initial::Null | Initial::Nowhere) => false,
        (_, Initial::Declared(declared)) => {
            // That a layout has none is told where the declarations are looked at.
            let said = declared.under(layout);
            said.is_none_or(|initial| can_be(layout, ty, initial))
        }
        (Type::Composite(_), _) => true,
        (_, Initial::EmptyList) => false,
        _ => true,
    }
}

/// Holds the numbers that an initial value has from layouts against these, of which some has to have each.
fn check_numbers(
    (table, member): (&str, &str),
    initial: &Initial,
    layouts: &[&Layout],
    findings: &mut BTreeSet<StateFinding>,
) {
    let some_has = |number: &dyn Fn(&Layout) -> bool| layouts.iter().any(|layout| number(layout));
    match initial {
        Initial::Constant(constant) if !some_has(&|of| of.constant(constant).is_some()) => {
            findings.insert(StateFinding::NoSuchConstant {
                table: table.to_owned(),
                member: member.to_owned(),
                constant: constant.clone(),
            });
        }
        Initial::Declared(declared) if !some_has(&|of| declared.under(of).is_some()) => {
            findings.insert(StateFinding::NotDeclared {
                table: table.to_owned(),
                member: member.to_owned(),
                declared: declared.member.clone(),
            });
        }
        Initial::Declared(declared) => {
            let known: BTreeSet<String> = layouts.iter().filter_map(|of| declared.ty(of)).collect();
            for ty in declared.values.keys() {
                if !ty.ends_with('?') && !known.contains(ty) {
                    findings.insert(StateFinding::NoSuchDeclaration {
                        table: table.to_owned(),
                        member: member.to_owned(),
                        declared: declared.member.clone(),
                        ty: ty.clone(),
                        known: known.iter().cloned().collect(),
                    });
                }
            }
            for initial in declared.values.values() {
                check_numbers((table, member), initial, layouts, findings);
            }
        }
        Initial::Members(members) => {
            // What perhaps no stored layout has may have its number from there, too.
            let stored = members.iter().filter(|(path, _)| !path.ends_with('?'));
            for (_, initial) in stored {
                check_numbers((table, member), initial, layouts, findings);
            }
        }
        _ => {}
    }
}

/// What is wrong with the tail of the type `name` under any layout that has the type.
fn tail_findings(
    name: &str,
    saved: bool,
    tail: &Tail,
    places: &[(&Layout, TypeId)],
) -> BTreeSet<StateFinding> {
    let finding = |member: &str, what| StateFinding::NoTail {
        ty: name.to_owned(),
        member: member.to_owned(),
        what,
    };
    let wrong = places
        .iter()
        .filter_map(|(layout, id)| match tail::place(layout, *id, tail) {
            Ok(_) if saved => None,
            Ok(_) => Some(finding(
                &tail.member,
                "the end of an object: the type is not saved",
            )),
            Err(NoTail::Member) => Some(finding(&tail.member, "a flexible array at its end")),
            Err(NoTail::Count) => Some(finding(&tail.count, "an integer that counts elements")),
        });
    wrong.collect()
}

/// Whether member `field` of `ty` is a pointer to a `ty`, or a `list_head`.
fn leads_to_its_like(layout: &Layout, ty: &str, field: &str) -> bool {
    let Some(id) = layout.find(ty) else {
        return false;
    };
    let Ok(found) = FieldPath::parse(field).and_then(|path| layout.resolve(id, &path)) else {
        return false;
    };
    match layout.get(layout.strip(found.ty)) {
        Type::Pointer { target } => layout.names(*target).contains(&ty),
        _ => layout.names(found.ty).contains(&"list_head"),
    }
}
