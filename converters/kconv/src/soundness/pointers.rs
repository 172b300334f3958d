//! Where the pointers of an image lead: to what they are declared to lead to, as many of it as is counted, and along
//! a chain to its end.

use super::Check;
use kconv_image::{ObjectId, ResourceId, SlotTarget, TypeIx};
use kconv_objects::Structure;
use kernel_structs::layout::{Type, TypeId};
use kernel_structs::state::{Count, CountUnit, Follow, Number};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The way to a pointer in its object, which is written down where there is something to say of it.
pub(super) enum Path<'p> {
    /// An element of an array of pointers.
    Element(u64),
    /// A field.
    Field {
        /// The way to the value that has it; none if that is the object.
        outer: &'p str,
        /// The way in the value.
        inner: &'p str,
    },
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Element(index) => write!(f, "[{index}]"),
            Path::Field { outer, inner } => {
                let is_apart = outer.is_empty() || inner.is_empty() || inner.starts_with('[');
                let between = if is_apart { "" } else { "." };
                write!(f, "{outer}{between}{inner}")
            }
        }
    }
}

/// A pointer that is followed.
pub(super) struct Followed<'p> {
    /// The object that has it.
    pub(super) id: ObjectId,
    /// The way to it in the object.
    pub(super) path: &'p Path<'p>,
    /// Its type; `None` for an element of an array of pointers.
    pub(super) ty: Option<TypeId>,
    /// The structure that it is in, and where that begins in the object.
    pub(super) owner: Option<(TypeId, u64)>,
    /// The address.
    pub(super) number: u64,
}

/// Chains, by the type of their objects and where in these the pointer is that leads from one to the next.
pub(super) type Chains = BTreeMap<(TypeIx, u64), Chain>;

/// Pointers from objects of a type to others of it, at one place in each.
pub(super) struct Chain {
    /// The way to the pointer.
    path: String,
    /// From where to where, by ascending number.
    next: Vec<(ObjectId, ObjectId)>,
}

impl Check<'_> {
    /// What is wrong with where a followed pointer, `at` bytes into its object, leads.
    pub(super) fn followed(
        &mut self,
        pointer: &Followed<'_>,
        at: u64,
        follow: &Follow,
    ) -> Option<String> {
        if pointer.number == 0 {
            return None;
        }
        let objects = &self.view.objects;
        let Some((target, into)) = objects.object_at(pointer.number) else {
            return Some(String::from("points at something that is not in the image"));
        };
        let found = || {
            let name = objects.type_name(target);
            match into {
                0 => name.to_owned(),
                into => format!("{name}+{into}"),
            }
        };
        match &follow.element {
            Some(element) => self.array(pointer, (target, into), element, follow),
            None => {
                let pointee = match pointer.ty {
                    Some(ty) => objects.names().pointee(ty),
                    None => self.element_pointee(pointer.id),
                };
                let pointee = pointee.filter(|ty| self.is_structure(*ty))?;
                if !objects.holds(target, into, pointee) {
                    let names = objects.layout().names(pointee);
                    let expected = names.first().copied().unwrap_or("its type");
                    return Some(format!("points at {}, not at {expected}", found()));
                }
                let ty = |id: ObjectId| objects.head().object(id).ty;
                let own = ty(pointer.id);
                if into == 0 && ty(target) == own {
                    let chain = self.chains.entry((own, at));
                    let chain = chain.or_insert_with(|| Chain {
                        path: pointer.path.to_string(),
                        next: Vec::new(),
                    });
                    chain.next.push((pointer.id, target));
                }
                None
            }
        }
    }

    /// What is wrong with the array that a pointer leads to: it has to have as many elements as are counted, or more.
    fn array(
        &self,
        pointer: &Followed<'_>,
        (target, into): (ObjectId, u64),
        element: &str,
        follow: &Follow,
    ) -> Option<String> {
        let objects = &self.view.objects;
        let word = u64::from(objects.layout().target().pointer_size);
        let size = match objects.layout().find(element) {
            Some(ty) => objects.layout().size_of(ty)?.0,
            None => word,
        };
        let counted = self.count(pointer, follow.count.as_ref()?)?;
        let counted = match follow.unit {
            CountUnit::Elements => counted,
            CountUnit::Bits => counted.div_ceil(8 * size.max(1)),
        };
        let room = objects.head().object(target).size.saturating_sub(into);
        let has = room / size.max(1);
        (counted > has).then(|| {
            format!("is counted to lead to {counted} elements ({element}), but there are {has}")
        })
    }

    /// The number that counts; `None` where only the kernel knew it.
    fn count(&self, pointer: &Followed<'_>, count: &Count) -> Option<u64> {
        let Number::Member(member) = &count.of else {
            return None;
        };
        let objects = &self.view.objects;
        let (ty, start) = pointer.owner?;
        let bytes = objects.bytes(pointer.id).get(start as usize..)?;
        let at = objects.head().object(pointer.id).address;
        let owner = Structure::new(objects.names(), ty, at, bytes);
        let number = owner.unsigned(member).ok()?;
        Some(number.div_ceil(count.divide.max(1)))
    }

    /// What an element of an array of pointers is declared to lead to.
    fn element_pointee(&self, array: ObjectId) -> Option<TypeId> {
        let objects = &self.view.objects;
        let name = objects.type_name(array).strip_suffix('*')?;
        objects.layout().find(name.trim_end())
    }

    fn is_structure(&self, ty: TypeId) -> bool {
        let layout = self.view.objects.layout();
        matches!(layout.get(layout.strip(ty)), Type::Composite(_))
    }

    /// What is wrong with chains: an object is on one of a kind once, and each comes to an end.
    pub(super) fn chains(&mut self) {
        let objects = &self.view.objects;
        let head = objects.head();
        let place = |id: ObjectId| head.object(id).address;
        for ((ty, _), Chain { path, next }) in &self.chains {
            let ty = head.types[ty.0 as usize].as_str();
            let mut reached: BTreeSet<ObjectId> = BTreeSet::new();
            for (from, to) in next {
                if !reached.insert(*to) {
                    self.findings.push(format!(
                        "{ty} at {}, {path}: leads to {}, and so does that of another {ty}",
                        place(*from),
                        place(*to)
                    ));
                }
            }
            // What no other leads to begins a chain; what is on none of these goes round.
            let index = |id: ObjectId| next.binary_search_by_key(&id, |(from, _)| *from).ok();
            let mut is_left = vec![true; next.len()];
            for (start, _) in next.iter().filter(|(from, _)| !reached.contains(from)) {
                let mut on = index(*start);
                while let Some(at) = on.filter(|at| std::mem::replace(&mut is_left[*at], false)) {
                    on = index(next[at].1);
                }
            }
            if let Some(first) = is_left.iter().position(|left| *left) {
                self.findings.push(format!(
                    "{ty} at {}, {path}: comes back to itself, and never to an end",
                    place(next[first].0)
                ));
            }
        }
    }

    /// What is wrong with the number of a pointer that is named: on the kernel of the freeze it is that of what it
    /// names, and on every other it is zero.
    pub(super) fn slot_number(&self, target: SlotTarget, number: u64) -> Option<String> {
        let head = self.view.objects.head();
        let expected = match (head.identity.is_at_origin(), target) {
            (false, _) => 0,
            (true, SlotTarget::Symbol(id)) => head.symbols.get(id.0 as usize)?.origin.0,
            (true, SlotTarget::Resource(ResourceId(id))) => {
                head.resources.get(id as usize)?.origin.0
            }
        };
        (number != expected)
            .then(|| format!("is named, and what it names has {expected:#x} on this kernel"))
    }
}
