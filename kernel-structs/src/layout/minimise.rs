//! A layout reduced to what is needed of it.
//!
//! What is kept keeps its offsets and sizes. What is only pointed at becomes a forward
//! declaration, so that the canonical form of the kept types stays as it is and C made of the
//! layout still compiles. The order of the types depends on the names in [`Keep`] and on the
//! structure of the types, not on the order they had; reducing a reduced layout changes nothing.

use super::{
    Composite, FieldPath, Layout, LayoutBuilder, LayoutError, Member, PathError, Step, Type,
    TypeId, UnknownType,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use thiserror::Error;

/// What is needed of a layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Types needed with everything they contain by value, by tag or typedef name.
    pub whole: Vec<String>,
    /// Structures and unions of which some members are needed, with the paths to those. `a|b`
    /// stands for whichever of the paths there are, of which there has to be one.
    pub partial: BTreeMap<String, Vec<String>>,
}

/// Why a layout cannot be reduced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MinimiseError {
    /// A type to be kept is not there.
    #[error(transparent)]
    UnknownType(#[from] UnknownType),
    /// A member to be kept is not there.
    #[error("{ty}: {source}")]
    UnknownMember {
        /// The type it is asked of.
        ty: String,
        /// What is wrong with the path to it.
        source: PathError,
    },
    /// What is kept makes no layout. This does not happen to a layout that is one.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Layout {
    /// What of `keep` the layout has, and all that it lacks, for those who ask before [`Layout::minimise`],
    /// which ends with the first of it.
    pub fn available(&self, mut keep: Keep) -> (Keep, Vec<MinimiseError>) {
        let mut lacking = Vec::new();
        let mut has = |name: &str| match self.require(name) {
            Ok(_) => true,
            Err(error) => {
                lacking.push(error.into());
                false
            }
        };
        keep.whole.retain(|name| has(name));
        keep.partial.retain(|name, _| has(name));
        for (name, paths) in &mut keep.partial {
            let Ok(id) = self.require(name) else {
                continue;
            };
            paths.retain(|text| match self.missing(id, text) {
                None => true,
                Some(source) => {
                    let ty = name.clone();
                    let error = MinimiseError::UnknownMember { ty, source };
                    // Paths into one member lack the same.
                    if !lacking.contains(&error) {
                        lacking.push(error);
                    }
                    false
                }
            });
        }
        (keep, lacking)
    }

    /// Why none of the paths in `text`, of which one would do, is in the type.
    fn missing(&self, id: TypeId, text: &str) -> Option<PathError> {
        let mut missing = None;
        for text in text.split('|') {
            match FieldPath::parse(text).and_then(|path| self.resolve(id, &path)) {
                Ok(_) => return None,
                Err(error) => missing = Some(error),
            }
        }
        missing
    }

    /// The layout with nothing but what `keep` asks for.
    ///
    /// Function types lose their parameters; typedefs and qualifiers stay.
    ///
    /// # Errors
    /// If a type or member to be kept is not there.
    pub fn minimise(&self, keep: &Keep) -> Result<Layout, MinimiseError> {
        let mut marks = Marks {
            layout: self,
            kept: BTreeMap::new(),
        };
        let mut roots = BTreeMap::new();
        for name in &keep.whole {
            let id = self.require(name)?;
            roots.insert(name, id);
            marks.whole(id);
        }
        for (name, paths) in &keep.partial {
            let id = self.require(name)?;
            roots.insert(name, id);
            marks.partial(id);
            for text in paths {
                let unknown = |source| MinimiseError::UnknownMember {
                    ty: name.clone(),
                    source,
                };
                let mut missing = None;
                let mut found = false;
                for text in text.split('|') {
                    let path = FieldPath::parse(text).map_err(unknown)?;
                    match self.resolve(id, &path) {
                        Ok(_) => {
                            found = true;
                            marks.path(id, path.steps());
                        }
                        Err(error) => missing = Some(error),
                    }
                }
                if let Some(error) = missing.filter(|_| !found) {
                    return Err(unknown(error));
                }
            }
        }
        let mut emit = Emit {
            layout: self,
            tags: marks.kept.keys().filter_map(|id| self.tag(*id)).collect(),
            kept: marks.kept,
            builder: LayoutBuilder::new(self.target),
            interned: HashMap::new(),
            composites: BTreeMap::new(),
            pending: VecDeque::new(),
        };
        for id in roots.into_values() {
            emit.ty(id);
        }
        emit.members();
        Ok(emit.builder.finish()?)
    }

    /// The one that stands for all identical descriptions of a composite.
    fn first_of_tag(&self, id: TypeId) -> TypeId {
        match self
            .tag(id)
            .and_then(|tag| self.composites.get(tag))
            .map(Vec::as_slice)
        {
            Some([first]) => *first,
            _ => id,
        }
    }

    fn tag(&self, id: TypeId) -> Option<&str> {
        match self.get(id) {
            Type::Composite(composite) => composite.name.as_deref(),
            _ => None,
        }
    }
}

/// The composites to keep, and which of their members.
struct Marks<'a> {
    layout: &'a Layout,
    kept: BTreeMap<TypeId, Members>,
}

enum Members {
    All,
    /// By their index.
    Some(BTreeSet<usize>),
}

impl Marks<'_> {
    fn whole(&mut self, id: TypeId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let id = self.layout.strip(id);
            match self.layout.get(id) {
                Type::Array { element, .. } => pending.push(*element),
                Type::Composite(composite) => {
                    let before = self.kept.insert(self.layout.first_of_tag(id), Members::All);
                    if !matches!(before, Some(Members::All)) {
                        pending.extend(composite.members.iter().map(|member| member.ty));
                    }
                }
                _ => {}
            }
        }
    }

    fn partial(&mut self, id: TypeId) -> Option<&mut Members> {
        let id = self.layout.strip(id);
        matches!(self.layout.get(id), Type::Composite(_)).then(|| {
            self.kept
                .entry(self.layout.first_of_tag(id))
                .or_insert_with(|| Members::Some(BTreeSet::new()))
        })
    }

    /// Keeps what the path `steps` leads to from `id`, which is known to lead somewhere.
    fn path(&mut self, mut id: TypeId, steps: &[Step]) {
        for step in steps {
            id = match (step, self.layout.get(self.layout.strip(id))) {
                (Step::Element(_), Type::Array { element, .. }) => *element,
                (Step::Member(name), Type::Composite(_)) => {
                    let mut way = Vec::new();
                    find(self.layout, id, name, &mut way);
                    for (owner, index, ty) in way {
                        if let Some(Members::Some(indices)) = self.partial(owner) {
                            indices.insert(index);
                        }
                        id = ty;
                    }
                    id
                }
                _ => return,
            };
        }
        self.whole(id);
    }
}

/// The way to member `name` through anonymous members: each owner, the index in it, and the type
/// of the member there.
fn find(
    layout: &Layout,
    owner: TypeId,
    name: &str,
    way: &mut Vec<(TypeId, usize, TypeId)>,
) -> bool {
    let owner = layout.strip(owner);
    let Type::Composite(composite) = layout.get(owner) else {
        return false;
    };
    for (index, member) in composite.members.iter().enumerate() {
        way.push((owner, index, member.ty));
        let found = match &member.name {
            Some(found) => found == name,
            None => find(layout, member.ty, name, way),
        };
        if found {
            return true;
        }
        way.pop();
    }
    false
}

/// Writes what is kept into a new layout.
struct Emit<'a> {
    layout: &'a Layout,
    kept: BTreeMap<TypeId, Members>,
    /// The tags of what is kept.
    tags: BTreeSet<&'a str>,
    builder: LayoutBuilder,
    /// Equal types are written once. (Looked up only; its order does not matter.)
    interned: HashMap<Type, TypeId>,
    /// New ids of kept composites, by their old ones.
    composites: BTreeMap<TypeId, TypeId>,
    /// Kept composites whose members are not written yet, old and new ids.
    pending: VecDeque<(TypeId, TypeId)>,
}

impl<'a> Emit<'a> {
    /// Writes a type that is contained.
    fn ty(&mut self, id: TypeId) -> TypeId {
        match self.layout.get(id) {
            Type::Composite(_) => self.composite(self.layout.first_of_tag(id)),
            Type::Array { element, count } => {
                let element = self.ty(*element);
                self.intern(Type::Array {
                    element,
                    count: *count,
                })
            }
            Type::Typedef { name, target } => {
                let target = self.ty(*target);
                self.intern(Type::Typedef {
                    name: name.clone(),
                    target,
                })
            }
            Type::Qualified { qualifier, target } => {
                let target = self.ty(*target);
                self.intern(Type::Qualified {
                    qualifier: qualifier.clone(),
                    target,
                })
            }
            _ => self.pointee(id, None),
        }
    }

    /// Writes a type that is pointed at. `typedef` is the name next to it.
    fn pointee(&mut self, id: TypeId, typedef: Option<&'a str>) -> TypeId {
        let layout = self.layout;
        let ty = match layout.get(id) {
            Type::Void => return TypeId::VOID,
            Type::Composite(composite) => {
                let first = layout.first_of_tag(id);
                if self.kept.contains_key(&first) {
                    return self.composite(first);
                }
                self.outline(composite, typedef)
            }
            Type::Pointer { target } => Type::Pointer {
                target: self.pointee(*target, None),
            },
            Type::Array { element, count } => Type::Array {
                element: self.element(*element),
                count: *count,
            },
            Type::Typedef { name, target } => Type::Typedef {
                name: name.clone(),
                target: self.pointee(*target, Some(name)),
            },
            Type::Qualified { qualifier, target } => Type::Qualified {
                qualifier: qualifier.clone(),
                target: self.pointee(*target, typedef),
            },
            Type::FunctionProto { .. } => Type::FunctionProto {
                returns: TypeId::VOID,
                parameters: Vec::new(),
            },
            scalar @ (Type::Int(_) | Type::Float { .. } | Type::Enum(_) | Type::Forward { .. }) => {
                scalar.clone()
            }
        };
        self.intern(ty)
    }

    /// Writes the element of an array that is pointed at: unlike a pointee, it needs a size.
    fn element(&mut self, id: TypeId) -> TypeId {
        let ty = match self.layout.get(id) {
            Type::Composite(composite)
                if !self.kept.contains_key(&self.layout.first_of_tag(id)) =>
            {
                Type::Composite(hollow(composite))
            }
            // An anonymous composite goes by its typedef.
            Type::Typedef { name, target } => Type::Typedef {
                name: name.clone(),
                target: self.element(*target),
            },
            Type::Qualified { qualifier, target } => Type::Qualified {
                qualifier: qualifier.clone(),
                target: self.element(*target),
            },
            _ => return self.pointee(id, None),
        };
        self.intern(ty)
    }

    /// What stands for a composite that is not kept.
    fn outline(&self, composite: &Composite, typedef: Option<&str>) -> Type {
        // An anonymous one goes by its typedef, as in the canonical form, unless that is also
        // the tag of another.
        let free = |name: &&str| !self.layout.composites.contains_key(*name);
        let name = composite.name.as_deref().or(typedef.filter(free));
        match name {
            // Another of the same tag is kept. It must not be taken for this one.
            Some(name) if self.tags.contains(name) => Type::Composite(hollow(composite)),
            Some(name) => Type::Forward {
                kind: composite.kind,
                name: name.to_owned(),
            },
            None => Type::Composite(hollow(composite)),
        }
    }

    fn composite(&mut self, id: TypeId) -> TypeId {
        if let Some(new) = self.composites.get(&id) {
            return *new;
        }
        let new = self.builder.reserve();
        self.composites.insert(id, new);
        self.pending.push_back((id, new));
        new
    }

    /// Writes the kept composites. They are not written where they are found, because the way
    /// from one to the next through pointers is of any length.
    fn members(&mut self) {
        while let Some((id, new)) = self.pending.pop_front() {
            let Type::Composite(composite) = self.layout.get(id) else {
                continue;
            };
            let mut members = Vec::new();
            for (index, member) in composite.members.iter().enumerate() {
                let kept = match self.kept.get(&id) {
                    Some(Members::All) => true,
                    Some(Members::Some(indices)) => indices.contains(&index),
                    None => false,
                };
                if kept {
                    members.push(Member {
                        ty: self.ty(member.ty),
                        ..member.clone()
                    });
                }
            }
            self.builder.set(
                new,
                Type::Composite(Composite {
                    members,
                    ..hollow(composite)
                }),
            );
        }
    }

    fn intern(&mut self, ty: Type) -> TypeId {
        if let Some(id) = self.interned.get(&ty) {
            return *id;
        }
        let id = self.builder.push(ty.clone());
        self.interned.insert(ty, id);
        id
    }
}

/// A composite without its members.
fn hollow(composite: &Composite) -> Composite {
    Composite {
        kind: composite.kind,
        name: composite.name.clone(),
        size: composite.size,
        members: Vec::new(),
    }
}
