//! The places in a type that a rule of the state map makes part of the walk.

mod walking;

use crate::error::Flaw;
use kconv_objects::FieldError;
use kernel_structs::layout::{Layout, Type, TypeId};
use kernel_structs::state::{
    self, Container, Go, Initial, Owner, Policy, RefusedPlace, Rule, Size, StateMap, TailPlace,
    Telling, Visit,
};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// A type of saved objects, or of the elements of saved arrays.
pub(crate) struct SavedType<'a> {
    /// Its name in the image: the tag, or the element type as the state map has it.
    pub(crate) name: String,
    pub(crate) shape: Shape,
    /// In bytes.
    pub(crate) size: u64,
    /// How many bytes an object has, where that is not `size`.
    pub(crate) extent: Option<Extent<'a>>,
    /// Pointers to follow, symbols and resources, in the order of their declaration.
    pub(crate) places: Vec<Place<'a>>,
    /// Where lists and trees begin, in the order of their declaration.
    pub(crate) containers: Vec<Head<'a>>,
    /// What is done to the bytes of a value that was read.
    pub(crate) edits: Vec<Edit<'a>>,
    /// Where state lies that is refused.
    pub(crate) refused: Vec<RefusedPlace<'a>>,
    /// The flexible array that objects end in.
    pub(crate) tail: Option<TailType<'a>>,
}

/// A flexible array at the end of a type.
pub(crate) struct TailType<'a> {
    pub(crate) at: TailPlace,
    /// How many elements the type itself has, and `places` of it covers: 0 or 1.
    declared: u64,
    /// Places in an element.
    places: Vec<Place<'a>>,
}

impl<'a> SavedType<'a> {
    /// The places in `bytes`, which are one value, with their offsets.
    pub(crate) fn places_in<'s>(
        &'s self,
        bytes: &[u8],
    ) -> impl Iterator<Item = (u64, &'s Place<'a>)> + use<'s, 'a> {
        let own = self.places.iter().map(|place| (place.offset, place));
        let room = bytes.len() as u64;
        let elements = self.tail.iter().flat_map(move |tail| {
            let end = room.saturating_sub(tail.at.offset) / tail.at.element_size;
            (tail.declared..end).flat_map(move |index| {
                let start = tail.at.offset + index * tail.at.element_size;
                let places = tail.places.iter();
                places.map(move |place| (start + place.offset, place))
            })
        });
        own.chain(elements)
    }
}

/// What says how many bytes an object has.
#[derive(Copy, Clone)]
pub(crate) struct Extent<'a> {
    pub(crate) rule: &'a Size,
    /// The type that the rule is of: its own, or that of the object in front of it.
    pub(crate) of: TypeId,
    /// Size of the object in front of it, whose memory the rule counts too; 0 if there is none.
    pub(crate) before: u64,
}

/// What a [`SavedType`] is.
pub(crate) enum Shape {
    /// A structure, a union or a typedef.
    Named(TypeId),
    /// A pointer to a type of this name.
    Pointer(String),
    /// An `unsigned long`.
    Word,
}

/// A pointer, or a number that is one in truth, and its rule.
pub(crate) struct Place<'a> {
    /// The way to it from the start of the value; empty for the value itself.
    pub(crate) path: String,
    /// In bytes from the start of the value.
    pub(crate) offset: u64,
    pub(crate) rule: &'a Rule,
    /// The structure that it is a member of, and where that begins in the value.
    pub(crate) owner: Option<(TypeId, u64)>,
    /// Names of the type pointed at, outermost first.
    pub(crate) target: Vec<String>,
}

/// Where a list or a tree begins.
#[derive(Clone)]
pub(crate) struct Head<'a> {
    /// The way to it from the start of the value.
    pub(crate) path: String,
    /// In bytes from the start of the value.
    pub(crate) offset: u64,
    pub(crate) kind: ContainerKind,
    pub(crate) container: &'a Container,
}

/// What a container is, by the type of the member it begins in.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    /// `list_head`: a ring of links, closed by the head.
    List,
    /// `hlist_head`: a chain of links that ends.
    Hlist,
    /// `rb_root` or `rb_root_cached`, which begins with one.
    Tree,
    /// `maple_tree`, whose root is at `ma_root`.
    Maple,
}

/// A member of a value.
#[derive(Clone)]
pub(crate) struct Field {
    /// In bytes from the start of the value.
    pub(crate) offset: u64,
    /// In bytes.
    pub(crate) width: u64,
}

impl Field {
    /// Where it lies in the bytes of the value.
    pub(crate) fn range(&self) -> Range<usize> {
        self.offset as usize..(self.offset + self.width) as usize
    }
}

/// What the bytes of a value do not say by themselves.
#[derive(Clone)]
pub(crate) enum Edit<'a> {
    /// A number of which every CPU has a part.
    Fold {
        number: Field,
        /// The per-CPU pointer at the parts.
        percpu: Field,
        /// Bytes of a part.
        part: u8,
        /// Whether parts have a sign.
        signed: bool,
    },
    /// A member that is in use only while a pointer leads to it.
    Embedded { field: Field, live: Field },
    /// A union with at most one member in use.
    Union { whole: Field, arms: Vec<Arm<'a>> },
}

/// A member of a union, and what tells that it is in use.
#[derive(Clone)]
pub(crate) struct Arm<'a> {
    pub(crate) live: Field,
    pub(crate) when: Field,
    /// Whether `when` has a sign.
    pub(crate) signed: bool,
    pub(crate) is: &'a Telling,
}

/// A place whose rule does not fit it.
pub(crate) struct BadPlace {
    pub(crate) path: String,
    pub(crate) flaw: Flaw,
}

/// The types met so far.
pub(crate) struct SavedTypes<'a> {
    layout: &'a Layout,
    map: &'a StateMap,
    types: Vec<Rc<SavedType<'a>>>,
    by_name: BTreeMap<String, usize>,
}

impl<'a> SavedTypes<'a> {
    pub(crate) fn new(layout: &'a Layout, map: &'a StateMap) -> SavedTypes<'a> {
        SavedTypes {
            layout,
            map,
            types: Vec::new(),
            by_name: BTreeMap::new(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Rc<SavedType<'a>> {
        Rc::clone(&self.types[index])
    }

    /// The type of this name, if it was met.
    pub(crate) fn known(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Names of all types, in the order in which they were met.
    pub(crate) fn names(&self) -> Vec<String> {
        self.types.iter().map(|ty| ty.name.clone()).collect()
    }

    /// The type that the state map means by `name`: a saved type, a pointer to one (`file *`),
    /// or `unsigned long`.
    pub(crate) fn find(&mut self, name: &str) -> Result<usize, BadPlace> {
        if let Some(index) = self.by_name.get(name) {
            return Ok(*index);
        }
        let word = u64::from(self.layout.target().pointer_size);
        let (mut extent, mut tail, mut refused) = (None, None, Vec::new());
        let (shape, size, found) = if let Some(target) = name.strip_suffix('*') {
            let target = target.trim_end();
            (
                Shape::Pointer(target.to_owned()),
                word,
                self.element(name, target)?,
            )
        } else if name == "unsigned long" {
            (Shape::Word, word, Found::default())
        } else {
            let unknown = || {
                bad(
                    String::new(),
                    FieldError::NoType {
                        ty: name.to_owned(),
                    },
                )
            };
            let id = self.layout.find(name).ok_or_else(unknown)?;
            let size = self
                .layout
                .size_of(id)
                .filter(|size| size.0 > 0)
                .ok_or_else(unknown)?;
            extent = self.extent(name, id);
            tail = self.tail(id)?;
            refused = self.map.refused_places(self.layout, id);
            (Shape::Named(id), size.0, self.members(id)?)
        };
        let index = self.types.len();
        self.types.push(Rc::new(SavedType {
            name: name.to_owned(),
            shape,
            size,
            extent,
            places: found.places,
            containers: found.containers,
            edits: found.edits,
            refused,
            tail,
        }));
        self.by_name.insert(name.to_owned(), index);
        Ok(index)
    }

    /// What says how many bytes an object of the type `name` has. Where another lies right behind
    /// it, what is said of its size is that of both.
    fn extent(&self, name: &str, id: TypeId) -> Option<Extent<'a>> {
        let rule = |name: &str| self.map.types.get(name)?.size.as_ref();
        if let Some(derived) = self.map.behind(self.layout, name) {
            let of = self.layout.find(&derived.owner)?;
            return Some(Extent {
                rule: rule(&derived.owner)?,
                of,
                before: self.layout.size_of(of)?.0,
            });
        }
        if self.map.follower(self.layout, name).is_some() {
            return None;
        }
        let names = self.layout.names(id);
        let rule = self.map.type_entry(&names)?.size.as_ref()?;
        Some(Extent {
            rule,
            of: id,
            before: 0,
        })
    }

    /// The only place in an array element that is itself a pointer.
    fn element(&self, name: &str, target: &str) -> Result<Found<'a>, BadPlace> {
        let rule = self.map.elements.get(name);
        let rule = rule.ok_or_else(|| bad(String::new(), Flaw::NoPolicy))?;
        let place = Place {
            path: String::new(),
            offset: 0,
            rule,
            owner: None,
            target: vec![target.to_owned()],
        };
        Ok(Found {
            places: vec![place],
            ..Found::default()
        })
    }

    fn tail(&self, id: TypeId) -> Result<Option<TailType<'a>>, BadPlace> {
        let Some(at) = self.map.tail(self.layout, id) else {
            return Ok(None);
        };
        let last = match self.layout.get(self.layout.strip(id)) {
            Type::Composite(composite) => composite.members.last(),
            _ => None,
        };
        let declared = last.map_or(0, |member| {
            match self.layout.get(self.layout.strip(member.ty)) {
                Type::Array { count, .. } => *count,
                _ => 0,
            }
        });
        let mut places = self.members(at.element)?.places;
        let name = last.and_then(|member| member.name.as_deref());
        for place in &mut places {
            place.path = format!("{}[].{}", name.unwrap_or_default(), place.path);
        }
        Ok(Some(TailType {
            at,
            declared,
            places,
        }))
    }

    fn members(&self, id: TypeId) -> Result<Found<'a>, BadPlace> {
        let mut search = Search {
            layout: self.layout,
            map: self.map,
            found: Found::default(),
        };
        self.map.visit(self.layout, id, &mut search)?;
        Ok(search.found)
    }
}

fn bad(path: String, flaw: impl Into<Flaw>) -> BadPlace {
    BadPlace {
        path,
        flaw: flaw.into(),
    }
}

/// What a type has for the walk.
#[derive(Default)]
struct Found<'a> {
    places: Vec<Place<'a>>,
    containers: Vec<Head<'a>>,
    edits: Vec<Edit<'a>>,
}

struct Search<'a> {
    layout: &'a Layout,
    map: &'a StateMap,
    found: Found<'a>,
}

impl<'a> Visit<'a> for Search<'a> {
    type Error = BadPlace;

    fn structure(&mut self, owner: &Owner<'a>) {
        self.walking(owner);
    }

    fn place(&mut self, place: &state::Place<'_, 'a>) -> Result<Go, BadPlace> {
        let rule = place.rule();
        let policy = rule.map(|rule| &rule.policy);
        if let (Some(rule), Some(Policy::Reset { initial, .. })) = (rule, policy) {
            self.at_symbols(place, rule, initial.as_ref());
            return Ok(Go::Past);
        }
        let walked = match policy {
            Some(Policy::Follow(_) | Policy::Symbol | Policy::Resource { .. }) => true,
            Some(_) => return Ok(Go::Past),
            None => false,
        };
        let layout = self.layout;
        let path = || place.path.to_owned();
        Ok(match (layout.get(layout.strip(place.ty)), rule) {
            // A long array of numbers is not looked at one by one.
            (Type::Array { .. }, _) => match walked || layout.can_hold_pointers(place.ty) {
                true => Go::Inside,
                false => Go::Past,
            },
            (Type::Pointer { target }, Some(rule)) => {
                let names = layout.names(*target);
                let target = names.into_iter().map(str::to_owned).collect();
                self.push(place, rule, target);
                Go::Past
            }
            (Type::Int(int), Some(rule))
                if int.size.0 == u64::from(layout.target().pointer_size) =>
            {
                self.push(place, rule, Vec::new());
                Go::Past
            }
            (Type::Pointer { .. }, None) => return Err(bad(path(), Flaw::NoPolicy)),
            (_, Some(rule)) => {
                let policy = rule.policy.name();
                return Err(bad(path(), Flaw::NotAPointer { policy }));
            }
            (Type::Composite(_), None) => Go::Inside,
            _ => Go::Past,
        })
    }
}

impl<'a> Search<'a> {
    /// The pointers in what is reset that are at a symbol initially: whether one is, its name
    /// tells.
    fn at_symbols(
        &mut self,
        place: &state::Place<'_, 'a>,
        rule: &'a Rule,
        initial: Option<&Initial>,
    ) {
        let initial = initial.unwrap_or(&Initial::Default);
        for slot in self.map.symbol_slots(self.layout, place.ty, initial) {
            let inner = match slot.path.as_str() {
                inner if inner.is_empty() || inner.starts_with('[') => inner.to_owned(),
                inner => format!(".{inner}"),
            };
            self.found.places.push(Place {
                path: format!("{}{inner}", place.path),
                offset: place.offset.byte().0 + slot.offset,
                rule,
                owner: Some((place.owner.ty, place.owner.base.byte().0)),
                target: Vec::new(),
            });
        }
    }

    fn push(&mut self, place: &state::Place<'_, 'a>, rule: &'a Rule, target: Vec<String>) {
        self.found.places.push(Place {
            path: place.path.to_owned(),
            offset: place.offset.byte().0,
            rule,
            owner: Some((place.owner.ty, place.owner.base.byte().0)),
            target,
        });
    }
}

/// Whether a value of type `id` has, `offset` bytes from its start, `size` bytes of values of
/// type `wanted` and nothing else.
pub(crate) fn holds(
    layout: &Layout,
    id: TypeId,
    offset: u64,
    wanted: &SavedType<'_>,
    size: u64,
) -> bool {
    let inner = layout.strip(id);
    let size_of = |id| layout.size_of(id).map_or(0, |size| size.0);
    if offset == 0 && size_of(id) == size && is(layout, id, wanted) {
        return true;
    }
    match layout.get(inner) {
        Type::Composite(composite) => composite.members.iter().any(|member| {
            let start = member.offset.byte().0;
            let inside = offset.checked_sub(start);
            member.bit_field.is_none()
                && inside.is_some_and(|inside| {
                    inside < size_of(member.ty) && holds(layout, member.ty, inside, wanted, size)
                })
        }),
        Type::Array { element, count } => {
            let each = size_of(*element);
            if each == 0 || offset.saturating_add(size) > each.saturating_mul(*count) {
                return false;
            }
            if is(layout, *element, wanted) {
                return offset.is_multiple_of(each) && size.is_multiple_of(each);
            }
            holds(layout, *element, offset % each, wanted, size)
        }
        _ => false,
    }
}

fn is(layout: &Layout, id: TypeId, wanted: &SavedType<'_>) -> bool {
    match (&wanted.shape, layout.get(layout.strip(id))) {
        (Shape::Named(_), _) => layout.names(id).contains(&wanted.name.as_str()),
        (Shape::Pointer(target), Type::Pointer { target: found }) => {
            layout.names(*found).contains(&target.as_str())
        }
        (Shape::Word, Type::Int(int)) => int.size.0 == wanted.size,
        _ => false,
    }
}
