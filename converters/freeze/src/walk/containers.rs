//! The elements of lists and trees, in their order.

use super::{MAX_ELEMENTS, Span, Walked};
use crate::error::{Fault, Flaw, Place};
use crate::places::{ContainerKind, Head};
use crate::source::ReadError;
use kconv_image::KernelAddr;
use kernel_structs_bits::little_endian;
use std::collections::{BTreeSet, VecDeque};

impl<'a> Walked<'a> {
    /// Reaches the elements of the container that begins at `head` of the value at `start` of
    /// `span`.
    pub(super) fn contents(
        &mut self,
        span: &Span,
        start: u64,
        head: &Head<'a>,
        task: usize,
        queue: &mut VecDeque<Span>,
    ) {
        let word = self.memory.layout().target().pointer_size;
        let first = self.number(span.object, start + head.offset, word, &head.path);
        let place = |walked: &Self, value| -> Place {
            walked.place(span.object, head.path.clone(), Some(value))
        };
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                let place = self.place(span.object, head.path.clone(), None);
                return self.findings.push(crate::error::Finding {
                    place,
                    flaw: Fault::from(error).into(),
                });
            }
        };
        let ty = match self.types.find(&head.container.element) {
            Ok(ty) => ty,
            Err(bad) => {
                let place = place(self, first);
                return self.findings.push(crate::error::Finding {
                    place,
                    flaw: bad.flaw,
                });
            }
        };
        let at = KernelAddr(self.objects[span.object].at.0 + start + head.offset);
        let elements = match self.elements(head, at, first) {
            Ok(elements) => elements,
            Err(flaw) => {
                let place = place(self, first);
                return self.findings.push(crate::error::Finding { place, flaw });
            }
        };
        for element in elements {
            let found = self.reach(ty, 1, element, task);
            let found = found.map_err(|flaw| (Some(element.0), flaw));
            self.enqueue(found, queue, |walked, value| {
                place(walked, value.unwrap_or_default())
            });
        }
    }

    fn elements(
        &self,
        head: &Head<'a>,
        at: KernelAddr,
        first: u64,
    ) -> Result<Vec<KernelAddr>, Flaw> {
        let offset = match &head.container.link {
            None => 0,
            Some(link) => self.offset_of(&head.container.element, link)?,
        };
        let pointer = (first != 0).then_some(KernelAddr(first));
        match head.kind {
            ContainerKind::List => self.list(at, pointer, offset),
            ContainerKind::Hlist => self.chain(pointer, offset),
            ContainerKind::Tree => self.tree(pointer, offset),
            ContainerKind::Maple => self.maple(first),
        }
    }

    /// The objects on the list with its head at `head`, which leads to `first`; each has its link
    /// at `offset` (`include/linux/list.h`: list_for_each_entry).
    pub(crate) fn list(
        &self,
        head: KernelAddr,
        first: Option<KernelAddr>,
        offset: u64,
    ) -> Result<Vec<KernelAddr>, Flaw> {
        let mut found = Elements::new(offset);
        let mut next = first;
        while next != Some(head) {
            let link = next.ok_or(Flaw::EndOfList)?;
            found.add(link)?;
            next = self.pointer_at(link, "list_head", "next")?;
        }
        Ok(found.list)
    }

    /// The objects on the hash chain that begins with `next` (`include/linux/list.h`:
    /// hlist_for_each_entry).
    fn chain(&self, mut next: Option<KernelAddr>, offset: u64) -> Result<Vec<KernelAddr>, Flaw> {
        let mut found = Elements::new(offset);
        while let Some(link) = next {
            found.add(link)?;
            next = self.pointer_at(link, "hlist_node", "next")?;
        }
        Ok(found.list)
    }

    /// The objects in the red-black tree with the root node `root`, from left to right
    /// (`lib/rbtree.c`: rb_first, rb_next).
    fn tree(&self, root: Option<KernelAddr>, offset: u64) -> Result<Vec<KernelAddr>, Flaw> {
        let mut found = Elements::new(offset);
        let mut seen = BTreeSet::new();
        let mut above = Vec::new();
        let mut next = root;
        loop {
            while let Some(node) = next {
                if !seen.insert(node) {
                    return Err(Flaw::Loop);
                }
                if seen.len() as u64 > MAX_ELEMENTS {
                    return Err(too_long());
                }
                above.push(node);
                next = self.pointer_at(node, "rb_node", "rb_left")?;
            }
            let Some(node) = above.pop() else {
                return Ok(found.list);
            };
            found.add(node)?;
            next = self.pointer_at(node, "rb_node", "rb_right")?;
        }
    }

    /// The pointer in `member` of the `ty` at `at`.
    fn pointer_at(
        &self,
        at: KernelAddr,
        ty: &str,
        member: &str,
    ) -> Result<Option<KernelAddr>, Flaw> {
        let offset = self.offset_of(ty, member)?;
        let place = at
            .checked_add(offset)
            .ok_or(ReadError::Missing { at, size: offset })?;
        let word = u64::from(self.memory.layout().target().pointer_size);
        let value = little_endian(&self.memory.bytes(place, word)?);
        Ok((value != 0).then_some(KernelAddr(value)))
    }

    /// Where `member` of `ty` begins, in bytes; of `a|b` the first that the layout has.
    pub(crate) fn offset_of(&self, ty: &str, member: &str) -> Result<u64, Fault> {
        let names = self.memory.names;
        Ok(names.offset_in(names.find(ty)?, member)?)
    }
}

/// Elements found so far, each once.
struct Elements {
    list: Vec<KernelAddr>,
    seen: BTreeSet<KernelAddr>,
    /// Where the link lies in an element.
    offset: u64,
}

impl Elements {
    fn new(offset: u64) -> Elements {
        Elements {
            list: Vec::new(),
            seen: BTreeSet::new(),
            offset,
        }
    }

    fn add(&mut self, link: KernelAddr) -> Result<(), Flaw> {
        if !self.seen.insert(link) {
            return Err(Flaw::Loop);
        }
        if self.list.len() as u64 >= MAX_ELEMENTS {
            return Err(too_long());
        }
        let missing = ReadError::Missing { at: link, size: 1 };
        let element = link.0.checked_sub(self.offset).ok_or(missing)?;
        self.list.push(KernelAddr(element));
        Ok(())
    }
}

pub(super) fn too_long() -> Flaw {
    Flaw::LongList {
        limit: MAX_ELEMENTS,
    }
}
