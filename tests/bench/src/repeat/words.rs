//! Which words of an object are pointers that may lead to saved objects.

use super::Meaning;
use kernel_structs::layout::{Type, TypeId};
use kernel_structs::state::{Go, Place, Policy, TailPlace, Visit};
use std::convert::Infallible;

/// Whether an address right behind what an object lies in is one in it.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Edge {
    /// Not: it is where the next begins.
    Out,
    /// It is, of stacks, which begin there.
    In,
}

/// The pointers in objects of one type.
#[derive(Default)]
pub(super) struct Words {
    /// Size of an element, in bytes.
    size: u64,
    /// In each element, in bytes from its start.
    each: Vec<(u64, Edge)>,
    /// The flexible array behind it, and what is in each of its elements.
    tail: Option<(TailPlace, Vec<(u64, Edge)>)>,
}

impl Words {
    /// Those of each type of an image, as it names them.
    pub(super) fn of_types(names: &[String], meaning: Meaning<'_>) -> Vec<Words> {
        let each = names.iter();
        each.map(|name| Words::of(name, meaning)).collect()
    }

    fn of(name: &str, meaning: Meaning<'_>) -> Words {
        let Meaning { layout, map } = meaning;
        let Some(ty) = layout.find(name) else {
            let rule = map.elements.get(name);
            let moves = rule.is_some_and(|rule| edge(&rule.policy).is_some());
            return Words {
                size: u64::from(layout.target().pointer_size),
                each: moves.then_some((0, Edge::Out)).into_iter().collect(),
                tail: None,
            };
        };
        let tail = map.tail(layout, ty);
        let tail = tail.map(|tail| (tail, of_type(tail.element, meaning)));
        Words {
            size: layout.size_of(ty).map_or(0, |size| size.0),
            each: of_type(ty, meaning),
            tail,
        }
    }

    /// Shows where each begins in an object of so many elements, in bytes.
    pub(super) fn each(&self, count: u32, bytes: &[u8], mut show: impl FnMut(usize, Edge)) {
        for element in 0..u64::from(count) {
            for (at, edge) in &self.each {
                show((element * self.size + at) as usize, *edge);
            }
        }
        let Some((tail, words)) = &self.tail else {
            return;
        };
        for element in 0..tail.elements(bytes).unwrap_or(0) {
            let start = tail.offset + element * tail.element_size;
            if start >= bytes.len() as u64 {
                return;
            }
            for (at, edge) in words {
                show((start + at) as usize, *edge);
            }
        }
    }
}

fn of_type(ty: TypeId, meaning: Meaning<'_>) -> Vec<(u64, Edge)> {
    let mut found = Find {
        meaning,
        words: Vec::new(),
    };
    let Ok(()) = meaning.map.visit(meaning.layout, ty, &mut found);
    found.words
}

/// Whether pointers of this policy may lead to saved objects.
fn edge(policy: &Policy) -> Option<Edge> {
    match policy {
        Policy::Follow(_) | Policy::Within { .. } | Policy::Reset { .. } => Some(Edge::Out),
        Policy::Stack => Some(Edge::In),
        Policy::Carry | Policy::Symbol | Policy::User | Policy::Resource { .. } => None,
    }
}

struct Find<'m> {
    meaning: Meaning<'m>,
    words: Vec<(u64, Edge)>,
}

impl<'m> Visit<'m> for Find<'_> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'm>) -> Result<Go, Infallible> {
        let layout = self.meaning.layout;
        let ty = layout.get(layout.strip(place.ty));
        let has_parts = matches!(ty, Type::Composite(_) | Type::Array { .. });
        let Some(rule) = place.rule() else {
            let inside = has_parts && layout.can_hold_pointers(place.ty);
            return Ok(if inside { Go::Inside } else { Go::Past });
        };
        let Some(edge) = edge(&rule.policy) else {
            return Ok(Go::Past);
        };
        if has_parts {
            return Ok(Go::Inside);
        }
        let is_pointer = matches!(ty, Type::Pointer { .. });
        // A counter that is reset is not to be taken for an address.
        let is_reset = matches!(rule.policy, Policy::Reset { .. });
        let size = layout.size_of(place.ty).map_or(0, |size| size.0);
        let is_word = place.bit_field.is_none() && size == u64::from(layout.target().pointer_size);
        if is_pointer || (is_word && !is_reset) {
            self.words.push((place.offset.byte().0, edge));
        }
        Ok(Go::Past)
    }
}
