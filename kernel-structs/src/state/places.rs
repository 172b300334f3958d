//! The places in the values of a type, each with the rules of the state map that hold for it.
//!
//! This is the one way through a type under a state map: what checks the map, freezes, verifies an
//! image or looks at a patch visits places, and decides at each whether to look inside.

use super::{Policy, Rule, StateMap};
use crate::layout::{Composite, Layout, Type, TypeId};
use crate::units::{BitOffset, BitSize};
use std::fmt::Write;

/// A member of a structure in the value, or an element of an array in it.
#[derive(Debug)]
pub struct Place<'w, 'a> {
    /// The way to it from the start of the value: `sigpending.list`, `fd[3]`; `fd[]` for the
    /// elements of an array of which one is looked at for all.
    pub path: &'w str,
    /// First bit, from the start of the value.
    pub offset: BitOffset,
    /// Width, if it is a bit-field.
    pub bit_field: Option<BitSize>,
    /// Its type, as it is declared.
    pub ty: TypeId,
    /// Name of the member that it is, or that it is in an array of; empty if that has none.
    pub member: &'w str,
    /// Whether it is an element of an array, and not the member itself.
    pub is_element: bool,
    /// The structure that it is a member of.
    pub owner: &'w Owner<'a>,
    /// The rules that hold for it, the outermost first: a rule for a value is one for all that is
    /// inside.
    pub rules: &'w [Governing<'a>],
}

impl<'a> Place<'_, 'a> {
    /// The rule that decides: the outermost.
    pub fn rule(&self) -> Option<&'a Rule> {
        self.rules.first().map(|governing| governing.rule)
    }

    /// The rule that holds for it and for nothing around it; elements have none.
    pub fn own(&self) -> Option<&Governing<'a>> {
        let last = self.rules.last();
        last.filter(|rule| !self.is_element && rule.path == self.path.len())
    }

    /// The way to the value that the deciding rule is for, of elements of which this is one or is
    /// in one; `path` where there is no rule.
    pub fn decided(&self) -> &str {
        let end = self.rules.first().map(|governing| governing.path);
        &self.path[..end.unwrap_or(self.path.len())]
    }
}

/// A rule, and where it stands.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Governing<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// Where the state map has it.
    pub from: RuleFrom<'a>,
    /// Length of the path to the value that it is for.
    path: usize,
}

/// Where a state map has a rule.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RuleFrom<'a> {
    /// `[type.TYPE.fields]`, under the name of the member.
    Member {
        /// The type.
        ty: &'a str,
        /// The member.
        member: &'a str,
    },
    /// `[type.TYPE]`, for all values of the type.
    Type {
        /// The type.
        ty: &'a str,
    },
}

/// A structure or union in the value. One without a name is a part of what it is in: its members
/// are members of that.
#[derive(Clone, Debug)]
pub struct Owner<'a> {
    /// Its type, as it is declared.
    pub ty: TypeId,
    /// Where it begins, from the start of the value.
    pub base: BitOffset,
    /// The way to it from the start of the value.
    pub path: String,
    /// Names of its type, the outermost first ([`Layout::names`]); if that has none, of the nearest
    /// type around it that has.
    pub names: Vec<&'a str>,
    /// The way to it from there; empty if its type has a name.
    pub inside: String,
}

impl Owner<'_> {
    /// The names that its type itself goes by.
    pub fn own_names(&self) -> &[&str] {
        match self.inside.is_empty() {
            true => &self.names,
            false => &[],
        }
    }

    /// How people and state maps call it: `task_struct`, `mm_struct.rss_stat`.
    pub fn shown(&self) -> String {
        let name = self.names.first().copied().unwrap_or_default();
        match self.inside.as_str() {
            "" => name.to_owned(),
            inside => format!("{name}.{inside}"),
        }
    }
}

/// Where to go from a place.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Go {
    /// To the next; what is inside is not looked at.
    Past,
    /// Inside: to the members of a structure, or to every element of an array.
    Inside,
    /// As `Inside`, but of an array to one element for all, also if it has none.
    Element,
}

/// Looks at places.
pub trait Visit<'a> {
    /// What ends the visit.
    type Error;

    /// Begins a structure for which no rule holds as a whole.
    fn structure(&mut self, _owner: &Owner<'a>) {}

    /// Looks at a place. Of members, those of one without a name are shown in its stead, unless it
    /// has a rule of its own.
    ///
    /// # Errors
    /// Whatever ends the visit.
    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Self::Error>;
}

impl StateMap {
    /// Shows all places in a value of type `ty` to `visitor`, in the order of their declaration.
    ///
    /// # Errors
    /// The first of the visitor.
    pub fn visit<'a, V: Visit<'a>>(
        &'a self,
        layout: &'a Layout,
        ty: TypeId,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let mut walk = Walk {
            map: self,
            layout,
            visitor,
            path: String::new(),
            rules: Vec::new(),
        };
        let root = Owner {
            ty,
            base: BitOffset(0),
            path: String::new(),
            names: layout.names(ty),
            inside: String::new(),
        };
        walk.inside(Go::Inside, ty, BitOffset(0), "", &root)
    }

    /// The rule that stands under the name of the member `member` of a structure that goes by
    /// `owner`; the outermost name that has one counts.
    pub fn own_rule<'a>(
        &'a self,
        owner: &[impl AsRef<str>],
        member: &str,
    ) -> Option<(&'a Rule, RuleFrom<'a>)> {
        owner.iter().find_map(|name| {
            let (ty, entry) = self.types.get_key_value(name.as_ref())?;
            let (member, rule) = entry.fields.get_key_value(member)?;
            Some((rule, RuleFrom::Member { ty, member }))
        })
    }

    /// The rule for member `member`, of type `ty`, of a structure that goes by `owner`: its own or,
    /// where it has none, that of its type; `None` if it is plain data or its parts have to be looked
    /// at. Whoever asks what holds for a place asks this: the walk, and a plan of its pairs.
    ///
    /// For an array the type of its elements counts. What was said of a pointer says nothing of a
    /// structure that another layout has under its name ([`Policy::is_for`]).
    pub fn member_rule<'a>(
        &'a self,
        layout: &Layout,
        owner: &[impl AsRef<str>],
        member: &str,
        ty: TypeId,
    ) -> Option<(&'a Rule, RuleFrom<'a>)> {
        let found = self.own_rule(owner, member);
        // What one release points at and another has inside: there the rules of its members hold.
        let follows = |rule: &Rule| matches!(rule.policy, Policy::Follow(_));
        let found = found.filter(|(rule, _)| !(follows(rule) && is_of_structures(layout, ty)));
        let found = found.filter(|(rule, _)| rule.policy.is_for(layout, ty));
        found.or_else(|| {
            let (ty, rule) = self.named_type_rule(layout, ty)?;
            Some((rule, RuleFrom::Type { ty }))
        })
    }
}

/// Whether a type is a structure or union, or an array of them.
fn is_of_structures(layout: &Layout, mut ty: TypeId) -> bool {
    loop {
        match layout.get(layout.strip(ty)) {
            Type::Array { element, .. } => ty = *element,
            Type::Composite(_) => return true,
            _ => return false,
        }
    }
}

struct Walk<'a, 'v, V> {
    map: &'a StateMap,
    layout: &'a Layout,
    visitor: &'v mut V,
    path: String,
    rules: Vec<Governing<'a>>,
}

impl<'a, V: Visit<'a>> Walk<'a, '_, V> {
    fn members(
        &mut self,
        composite: &'a Composite,
        base: BitOffset,
        owner: &Owner<'a>,
    ) -> Result<(), V::Error> {
        for member in &composite.members {
            let name = member.name.as_deref().unwrap_or("");
            let offset = BitOffset(base.0 + member.offset.0);
            let own = match owner.inside.is_empty() {
                true => (self.map).member_rule(self.layout, &owner.names, name, member.ty),
                false => (self.map).member_rule(self.layout, &[owner.shown()], name, member.ty),
            };
            let inner = self.layout.get(self.layout.strip(member.ty));
            if let (Type::Composite(inner), None, None) = (inner, &member.name, &own) {
                self.members(inner, offset, owner)?;
                continue;
            }
            let before = self.path.len();
            if !name.is_empty() {
                if before != 0 {
                    self.path.push('.');
                }
                self.path.push_str(name);
            }
            let path = self.path.len();
            let rules = self.rules.len();
            let own = own.map(|(rule, from)| Governing { rule, from, path });
            self.rules.extend(own);
            let go = self.visitor.place(&Place {
                path: &self.path,
                offset,
                bit_field: member.bit_field,
                ty: member.ty,
                member: name,
                is_element: false,
                owner,
                rules: &self.rules,
            })?;
            self.inside(go, member.ty, offset, name, owner)?;
            self.rules.truncate(rules);
            self.path.truncate(before);
        }
        Ok(())
    }

    /// Goes on inside the value of type `ty` at `offset`, which is in the member `member` of
    /// `owner`.
    fn inside(
        &mut self,
        go: Go,
        ty: TypeId,
        offset: BitOffset,
        member: &str,
        owner: &Owner<'a>,
    ) -> Result<(), V::Error> {
        if go == Go::Past {
            return Ok(());
        }
        match self.layout.get(self.layout.strip(ty)) {
            Type::Composite(composite) => {
                let mut inner = Owner {
                    ty,
                    base: offset,
                    path: self.path.clone(),
                    names: self.layout.names(ty),
                    inside: String::new(),
                };
                if inner.names.is_empty() {
                    inner.names.clone_from(&owner.names);
                    inner.inside = match (owner.inside.as_str(), member) {
                        (outer, "") => outer.to_owned(),
                        ("", member) => member.to_owned(),
                        (outer, member) => format!("{outer}.{member}"),
                    };
                }
                if self.rules.is_empty() {
                    self.visitor.structure(&inner);
                }
                self.members(composite, offset, &inner)
            }
            Type::Array { element, count } => {
                let one = go == Go::Element;
                let count = if one { 1 } else { *count };
                let size = self.layout.size_of(*element).map_or(0, |size| size.0);
                for index in 0..count {
                    let offset = BitOffset(offset.0 + 8 * index * size);
                    let index = (!one).then_some(index);
                    self.element(index, *element, offset, member, owner)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The element `index` of the array that the path leads to; `None` for one that stands for all.
    fn element(
        &mut self,
        index: Option<u64>,
        ty: TypeId,
        offset: BitOffset,
        member: &str,
        owner: &Owner<'a>,
    ) -> Result<(), V::Error> {
        let before = self.path.len();
        // Writing to a string cannot fail.
        let _ = match index {
            Some(index) => write!(self.path, "[{index}]"),
            None => write!(self.path, "[]"),
        };
        let path = self.path.len();
        // A rule for an array is one for each of its elements.
        let moved = |rules: &mut [Governing<'a>], from, to| {
            let of_array = rules.iter_mut().filter(|rule| rule.path == from);
            of_array.for_each(|rule| rule.path = to);
        };
        moved(&mut self.rules, before, path);
        let go = self.visitor.place(&Place {
            path: &self.path,
            offset,
            bit_field: None,
            ty,
            member,
            is_element: true,
            owner,
            rules: &self.rules,
        })?;
        self.inside(go, ty, offset, member, owner)?;
        moved(&mut self.rules, path, before);
        self.path.truncate(before);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
