//! Paths to members: `pending.signal.sig[0]`.

use super::{Composite, Layout, Member, Type, TypeId};
use crate::nearest::nearest;
use crate::units::{BitOffset, BitSize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The way from a value to something inside it. The empty path is the value itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldPath {
    steps: Vec<Step>,
}

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// To the member of this name. Members of anonymous members are reached directly.
    Member(String),
    /// To the element of this index.
    Element(u64),
}

/// Where a [`FieldPath`] leads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The type found there, typedefs included.
    pub ty: TypeId,
    /// Its place, from the start of the value the path began at.
    pub offset: BitOffset,
    /// Its width if it is a bit-field.
    pub bit_field: Option<BitSize>,
}

/// Why a text is no path, or a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// The text is not `name`, `[number]`, `path.name` or `path[number]`.
    #[error("`{text}` is no field path: {expected} expected at `{rest}`")]
    Syntax {
        /// The whole text.
        text: String,
        /// What should stand there.
        expected: &'static str,
        /// The text from there on.
        rest: String,
    },
    /// A structure or union has no such member.
    #[error("{owner} has no member `{member}`{}", suggestion(nearest))]
    UnknownMember {
        /// The type and the path so far.
        owner: String,
        /// The name not found.
        member: String,
        /// The most similar name that it has.
        nearest: Option<String>,
    },
    /// An array has fewer elements.
    #[error("`{path}` has {count} elements; there is no [{index}]")]
    IndexPastEnd {
        /// The path so far.
        path: FieldPath,
        /// The index asked for.
        index: u64,
        /// The number of elements.
        count: u64,
    },
    /// A member is asked of something that has none.
    #[error("`{path}` is neither a struct nor a union; it has no member `{member}`")]
    NotComposite {
        /// The path so far.
        path: FieldPath,
        /// The name asked for.
        member: String,
    },
    /// An element is asked of something that is no array.
    #[error("`{path}` is no array; it has no [{index}]")]
    NotArray {
        /// The path so far.
        path: FieldPath,
        /// The index asked for.
        index: u64,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("; the nearest is `{name}`"),
        None => String::new(),
    }
}

impl FieldPath {
    /// Reads `a.b[1].c`, `[1].a` or the empty path.
    ///
    /// # Errors
    /// [`PathError::Syntax`].
    pub fn parse(text: &str) -> Result<FieldPath, PathError> {
        let error = |expected, rest: &str| PathError::Syntax {
            text: text.to_owned(),
            expected,
            rest: rest.to_owned(),
        };
        let mut path = FieldPath::default();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('[') {
                let (number, after) = after
                    .split_once(']')
                    .ok_or_else(|| error("a closing bracket", rest))?;
                let plain = number.bytes().all(|byte| byte.is_ascii_digit());
                let index = number.parse().ok().filter(|_| plain);
                path.steps.push(Step::Element(
                    index.ok_or_else(|| error("a number", number))?,
                ));
                rest = after;
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) if !path.steps.is_empty() => name,
                    None if path.steps.is_empty() => rest,
                    _ => return Err(error("a member", rest)),
                };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 || name[..end].contains(|c: char| c.is_whitespace() || c == ']') {
                    return Err(error("a name", name));
                }
                path.steps.push(Step::Member(name[..end].to_owned()));
                rest = &name[end..];
            }
        }
        Ok(path)
    }

    /// The steps, outermost first.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether this is the path to the value itself.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The path to member `name` of what this path leads to.
    pub fn member(&self, name: &str) -> FieldPath {
        self.then(Step::Member(name.to_owned()))
    }

    /// The path to element `index` of what this path leads to.
    pub fn element(&self, index: u64) -> FieldPath {
        self.then(Step::Element(index))
    }

    fn then(&self, step: Step) -> FieldPath {
        let mut steps = self.steps.clone();
        steps.push(step);
        FieldPath { steps }
    }
}

impl FromStr for FieldPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<FieldPath, PathError> {
        FieldPath::parse(text)
    }
}

impl From<Vec<Step>> for FieldPath {
    fn from(steps: Vec<Step>) -> FieldPath {
        FieldPath { steps }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            match step {
                Step::Member(name) if position == 0 => f.write_str(name)?,
                Step::Member(name) => write!(f, ".{name}")?,
                Step::Element(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl Layout {
    /// What `path` leads to from a value of type `root`. Pointers are not followed.
    ///
    /// # Errors
    /// All but [`PathError::Syntax`].
    pub fn resolve(&self, root: TypeId, path: &FieldPath) -> Result<Resolved, PathError> {
        self.walk(root, path)
            .map_err(|position| self.missed(root, path, position))
    }

    /// As [`Layout::resolve`], where it does not matter why there is nothing: a name like the missing
    /// one is not looked for.
    pub fn lookup(&self, root: TypeId, path: &FieldPath) -> Option<Resolved> {
        self.walk(root, path).ok()
    }

    /// What `path` leads to, or the first of its steps that leads nowhere.
    fn walk(&self, root: TypeId, path: &FieldPath) -> Result<Resolved, usize> {
        let mut found = Resolved {
            ty: root,
            offset: BitOffset(0),
            bit_field: None,
        };
        for (position, step) in path.steps.iter().enumerate() {
            found = self.step(&found, step).ok_or(position)?;
        }
        Ok(found)
    }

    fn step(&self, from: &Resolved, step: &Step) -> Option<Resolved> {
        // Inside the root: a layout has no member past its composite's end.
        let at = |offset: u64| BitOffset(from.offset.0 + offset);
        match (step, self.get(self.strip(from.ty))) {
            (Step::Member(name), Type::Composite(composite)) => {
                let (offset, member) = self.member(composite, name)?;
                Some(Resolved {
                    ty: member.ty,
                    offset: at(offset.0),
                    bit_field: member.bit_field,
                })
            }
            (Step::Element(index), Type::Array { element, count }) if index < count => {
                let size = self.size_of(*element).map_or(0, |size| size.0);
                Some(Resolved {
                    ty: *element,
                    offset: at(index * size * 8),
                    bit_field: None,
                })
            }
            _ => None,
        }
    }

    /// Why the step of `path` at `position`, the first that does, leads nowhere.
    fn missed(&self, root: TypeId, path: &FieldPath, position: usize) -> PathError {
        let so_far = FieldPath {
            steps: path.steps[..position].to_vec(),
        };
        let ty = self.walk(root, &so_far).map_or(root, |found| found.ty);
        match (&path.steps[position], self.get(self.strip(ty))) {
            (Step::Member(name), Type::Composite(composite)) => PathError::UnknownMember {
                owner: self.owner(root, &so_far),
                member: name.clone(),
                nearest: nearest(name, self.member_names(composite)).map(String::from),
            },
            (Step::Member(name), _) => PathError::NotComposite {
                path: so_far,
                member: name.clone(),
            },
            (Step::Element(index), Type::Array { count, .. }) => PathError::IndexPastEnd {
                path: so_far,
                index: *index,
                count: *count,
            },
            (Step::Element(index), _) => PathError::NotArray {
                path: so_far,
                index: *index,
            },
        }
    }

    /// The member `name` of a composite or of its anonymous members, and where it begins.
    pub fn member<'a>(
        &'a self,
        composite: &'a Composite,
        name: &str,
    ) -> Option<(BitOffset, &'a Member)> {
        let is_it = |member: &&Member| member.name.as_deref() == Some(name);
        let mut own = composite.members.iter();
        match own.find(is_it) {
            Some(member) => Some((member.offset, member)),
            None => {
                let mut all = self.flat_members(composite).into_iter();
                all.find(|(_, member)| is_it(member))
            }
        }
    }

    /// Names of the members of a composite and of its anonymous members.
    fn member_names<'a>(&'a self, composite: &'a Composite) -> impl Iterator<Item = &'a str> {
        let members = self.flat_members(composite).into_iter();
        members.filter_map(|(_, member)| member.name.as_deref())
    }

    /// The members of a composite, anonymous ones replaced by their own members, with their
    /// offsets from the start of `composite`, in the order of their declaration.
    pub fn flat_members<'a>(&'a self, composite: &'a Composite) -> Vec<(BitOffset, &'a Member)> {
        let mut flat = Vec::new();
        // A layout has no anonymous member with a name in it twice; what is left to guard
        // against is nothing nested in nothing.
        let mut seen = BTreeSet::new();
        self.flatten(composite, BitOffset(0), &mut seen, &mut flat);
        flat
    }

    fn flatten<'a>(
        &'a self,
        composite: &'a Composite,
        base: BitOffset,
        seen: &mut BTreeSet<TypeId>,
        flat: &mut Vec<(BitOffset, &'a Member)>,
    ) {
        for member in &composite.members {
            let offset = BitOffset(base.0 + member.offset.0);
            let inner = self.strip(member.ty);
            match (&member.name, self.get(inner)) {
                (None, Type::Composite(composite)) => {
                    if seen.insert(inner) {
                        self.flatten(composite, offset, seen, flat);
                    }
                }
                _ => flat.push((offset, member)),
            }
        }
    }

    /// Whether a value of type `id` can have a pointer in it: it is one, or a structure, or an array
    /// of those.
    pub fn can_hold_pointers(&self, mut id: TypeId) -> bool {
        loop {
            match self.get(self.strip(id)) {
                Type::Array { element, .. } => id = *element,
                Type::Composite(_) | Type::Pointer { .. } => return true,
                _ => return false,
            }
        }
    }

    fn owner(&self, root: TypeId, path: &FieldPath) -> String {
        let name = self.names(root).first().copied().unwrap_or("the type");
        match path.steps.first() {
            None => name.to_owned(),
            Some(Step::Member(_)) => format!("{name}.{path}"),
            Some(Step::Element(_)) => format!("{name}{path}"),
        }
    }
}
