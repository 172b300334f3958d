//! Maple trees: what is stored in them, by ascending index (`lib/maple_tree.c`,
//! `include/linux/maple_tree.h`).
//!
//! A pointer at a node has the node's type in bits 3 to 6, the node itself is aligned to 256
//! bytes; that at the root is told from an entry by its low bits. A node is an array of pivots, the highest index of each slot, and an array of slots;
//! the first pivot that is zero behind the first, or that reaches the node's own highest index,
//! ends it.

use super::containers::too_long;
use super::{MAX_ELEMENTS, Walked};
use crate::error::Flaw;
use kconv_image::KernelAddr;
use std::collections::BTreeSet;

/// `MAPLE_NODE_MASK`: what of a pointer at a node is not its address.
const NODE_MASK: u64 = 255;
/// Where a pointer at a node has its type, and how wide that is (`mte_node_type`).
const TYPE_SHIFT: u32 = 3;
const TYPE_MASK: u64 = 15;
/// Pointers below this are no nodes (`include/linux/xarray.h`: xa_is_node).
const FIRST_NODE: u64 = 4096;
/// The levels that a tree of at most 2^64 entries can have (`MAPLE_HEIGHT_MAX`).
const MAX_HEIGHT: usize = 31;

/// `enum maple_type`.
const DENSE: u64 = 0;
const LEAF_64: u64 = 1;
const RANGE_64: u64 = 2;
const ARANGE_64: u64 = 3;

/// A node whose slots are looked at.
struct Node {
    leaf: bool,
    /// Highest index of each slot but the last.
    pivots: Vec<u64>,
    slots: Vec<u64>,
    max: u64,
    next: usize,
}

impl Walked<'_> {
    /// The entries of the tree with the root `root`.
    pub(super) fn maple(&self, root: u64) -> Result<Vec<KernelAddr>, Flaw> {
        let mut found = Vec::new();
        if !is_node(root) {
            found.extend(entry(root));
            return Ok(found);
        }
        let mut seen = BTreeSet::new();
        let mut path = vec![self.node(root, u64::MAX, &mut seen)?];
        while let Some(node) = path.last_mut() {
            let Some((slot, max)) = node.advance() else {
                path.pop();
                continue;
            };
            if node.leaf {
                found.extend(entry(slot));
                if found.len() as u64 > MAX_ELEMENTS {
                    return Err(too_long());
                }
            } else if slot != 0 {
                if path.len() >= MAX_HEIGHT {
                    return Err(Flaw::Height { limit: MAX_HEIGHT });
                }
                let child = self.node(slot, max, &mut seen)?;
                path.push(child);
            }
        }
        Ok(found)
    }

    /// Reads a node that was not seen before.
    fn node(&self, pointer: u64, max: u64, seen: &mut BTreeSet<u64>) -> Result<Node, Flaw> {
        let address = pointer & !NODE_MASK;
        if !seen.insert(address) {
            return Err(Flaw::Loop);
        }
        let (ty, leaf) = match pointer >> TYPE_SHIFT & TYPE_MASK {
            LEAF_64 => ("maple_range_64", true),
            RANGE_64 => ("maple_range_64", false),
            ARANGE_64 => ("maple_arange_64", false),
            // No tree of mappings has any other (`DENSE` exists in name only).
            DENSE.. => return Err(Flaw::NotANode { found: pointer }),
        };
        let node = self.memory.read(ty, KernelAddr(address))?;
        Ok(Node {
            leaf,
            pivots: node.numbers("pivot")?,
            slots: node.numbers("slot")?,
            max,
            next: 0,
        })
    }
}

impl Node {
    /// The next slot and its highest index (`mas_logical_pivot`).
    fn advance(&mut self) -> Option<(u64, u64)> {
        let slot = *self.slots.get(self.next)?;
        let pivot = match self.pivots.get(self.next) {
            Some(0) if self.next > 0 => self.max,
            Some(pivot) => *pivot,
            None => self.max,
        };
        self.next = match pivot < self.max {
            true => self.next + 1,
            false => self.slots.len(),
        };
        Some((slot, pivot.min(self.max)))
    }
}

/// Whether the root is a node and no entry (`include/linux/xarray.h`: xa_is_node).
fn is_node(pointer: u64) -> bool {
    pointer & 3 == 2 && pointer > FIRST_NODE
}

/// What a slot of a leaf has: nothing, or an object. Values, zero entries and the like have one
/// of the low bits set (`include/linux/xarray.h`: xa_is_value, xa_is_internal).
fn entry(slot: u64) -> Option<KernelAddr> {
    (slot != 0 && slot & 3 == 0).then_some(KernelAddr(slot))
}
