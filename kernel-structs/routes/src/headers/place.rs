//! The C rules of placing members, for the target and not for the host.
//!
//! They are those of the System V ABI, i386 and x86-64 supplements, "Fundamental Types" and
//! "Aggregates and Unions".

use super::bindings::{Asserted, Bindings, BitField, Composite};
use super::doubt::Doubt;
use super::rust_type::{RustType, ScalarKind};
use super::{HeaderError, run};
use kernel_structs::layout::{CompositeKind, MAX_DEPTH};
use kernel_structs::units::{BitOffset, BitSize, ByteOffset, ByteSize};
use std::collections::{BTreeMap, BTreeSet};

/// Sizes and alignments of a machine's scalars.
#[derive(Copy, Clone, Debug)]
pub(super) struct Machine {
    pub(super) pointer_size: u8,
    /// Alignment in bytes of integers and floats of 8 bytes inside a structure.
    wide_align: u64,
}

impl Machine {
    /// The machine of a clang triple.
    pub(super) fn of(target: &str) -> Option<Machine> {
        match target.split('-').next()? {
            "x86_64" => Some(Machine {
                pointer_size: 8,
                wide_align: 8,
            }),
            // "i386 supplement": double and long long are aligned at a word.
            "i386" | "i486" | "i586" | "i686" => Some(Machine {
                pointer_size: 4,
                wide_align: 4,
            }),
            _ => None,
        }
    }
}

/// Size and alignment in bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) size: u64,
    pub(super) align: u64,
}

/// A structure or union with its fields in their places.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) extent: Extent,
    /// Offset in bytes of each field of [`Composite::fields`].
    pub(super) offsets: Vec<u64>,
}

/// Places fields, and notes where clang does not agree.
pub(super) struct Places<'a> {
    bindings: &'a Bindings,
    machine: Machine,
    placed: BTreeMap<String, Placed>,
    pub(super) doubts: BTreeSet<Doubt>,
}

impl<'a> Places<'a> {
    pub(super) fn new(bindings: &'a Bindings, machine: Machine) -> Places<'a> {
        Places {
            bindings,
            machine,
            placed: BTreeMap::new(),
            doubts: BTreeSet::new(),
        }
    }

    pub(super) fn machine(&self) -> Machine {
        self.machine
    }

    /// Places the fields of the structure or union `name`.
    pub(super) fn composite(
        &mut self,
        name: &str,
        composite: &Composite,
        depth: usize,
    ) -> Result<Placed, HeaderError> {
        if let Some(placed) = self.placed.get(name) {
            return Ok(placed.clone());
        }
        let unknown = Asserted::default();
        let asserted = self.bindings.asserted.get(name).unwrap_or(&unknown);
        let packed = match (composite.packed, composite.align) {
            // bindgen's way of writing `__attribute__((packed, aligned(n)))`.
            (Some(packed), Some(align)) if packed == align => Some(1),
            (packed, _) => packed,
        };
        let mut extent = Extent { size: 0, align: 1 };
        let mut offsets = Vec::new();
        let mut end = 0;
        for (field, ty) in &composite.fields {
            let inner = self.extent(ty, depth + 1)?;
            let align = packed
                .map_or(inner.align, |packed| inner.align.min(packed))
                .max(1);
            let rules = match composite.kind {
                CompositeKind::Struct => round_up(end, align),
                CompositeKind::Union => Some(0),
            };
            let rules = rules.ok_or_else(|| HeaderError::TooDeep(name.to_owned()))?;
            let offset = match asserted.offsets.get(field) {
                Some(&clang) if clang != rules => {
                    self.doubts.insert(Doubt::Offset {
                        ty: name.to_owned(),
                        member: field.strip_prefix(run::MEMBER).unwrap_or(field).to_owned(),
                        clang: ByteOffset(clang),
                        rules: ByteOffset(rules),
                    });
                    clang
                }
                _ => rules,
            };
            offsets.push(offset);
            end = offset.saturating_add(inner.size);
            extent.size = extent.size.max(end);
            extent.align = extent.align.max(align);
            if field == "_bindgen_opaque_blob" {
                self.doubts.insert(Doubt::Opaque {
                    ty: name.to_owned(),
                });
            }
        }
        extent.align = extent.align.max(composite.align.unwrap_or(1));
        extent.size = round_up(extent.size, extent.align)
            .ok_or_else(|| HeaderError::TooDeep(name.to_owned()))?;
        let extent = self.held(name, asserted, extent);
        let placed = Placed { extent, offsets };
        for (unit, field) in &composite.bit_fields {
            self.check_bit_field(name, composite, &placed, packed, unit, field, depth)?;
        }
        self.placed.insert(name.to_owned(), placed.clone());
        Ok(placed)
    }

    /// Holds what the rules give against what clang says, which wins.
    fn held(&mut self, name: &str, asserted: &Asserted, rules: Extent) -> Extent {
        let ty = name.to_owned();
        let (Some(size), Some(align)) = (asserted.size, asserted.align) else {
            self.doubts.insert(Doubt::Unasserted { ty });
            return rules;
        };
        if align != rules.align {
            self.doubts.insert(Doubt::Alignment {
                ty: ty.clone(),
                clang: align,
                rules: rules.align,
            });
        }
        if size != rules.size {
            self.doubts.insert(Doubt::Size {
                ty,
                clang: ByteSize(size),
                rules: ByteSize(rules.size),
            });
        }
        Extent { size, align }
    }

    /// A bit-field lies within its unit, and unless it is packed, it does not straddle more of its
    /// type's storage than a value of the type would.
    #[allow(clippy::too_many_arguments)]
    fn check_bit_field(
        &mut self,
        name: &str,
        composite: &Composite,
        placed: &Placed,
        packed: Option<u64>,
        unit: &str,
        field: &BitField,
        depth: usize,
    ) -> Result<(), HeaderError> {
        let Some((offset, bytes)) = bit_field_unit(composite, placed, unit) else {
            return Err(HeaderError::Unexpected {
                place: format!("{name}.{}", field.name),
                text: unit.to_owned(),
                expected: "the name of a unit of bit-fields",
            });
        };
        let storage = self.extent(&field.ty, depth + 1)?;
        let (size, align) = (storage.size * 8, storage.align.max(1) * 8);
        let start = offset.saturating_mul(8).saturating_add(field.offset);
        let last = start.saturating_add(field.width.saturating_sub(1));
        let past = field.offset.saturating_add(field.width) > bytes.saturating_mul(8);
        let straddles = packed.is_none() && last / align - start / align >= (size / align).max(1);
        if past || straddles {
            self.doubts.insert(Doubt::BitField {
                ty: name.to_owned(),
                member: field.name.clone(),
                offset: BitOffset(start),
                width: BitSize(field.width),
            });
        }
        Ok(())
    }

    /// Size and alignment of a value of a type.
    pub(super) fn extent(&mut self, ty: &RustType, depth: usize) -> Result<Extent, HeaderError> {
        if depth > MAX_DEPTH {
            return Err(HeaderError::TooDeep(format!("{ty:?}")));
        }
        let same = |size: u64| Extent { size, align: size };
        let pointer = u64::from(self.machine.pointer_size);
        Ok(match ty {
            RustType::Scalar(scalar) => match scalar.kind {
                ScalarKind::SignedLong | ScalarKind::UnsignedLong => same(pointer),
                _ if scalar.size == 8 => Extent {
                    size: 8,
                    align: self.machine.wide_align,
                },
                _ => same(scalar.size.into()),
            },
            RustType::Pointer { .. } => same(pointer),
            RustType::Array { element, count } => {
                let element = self.extent(element, depth + 1)?;
                Extent {
                    size: element.size.saturating_mul(*count),
                    align: element.align,
                }
            }
            RustType::Flexible(element) => Extent {
                size: 0,
                align: self.extent(element, depth + 1)?.align,
            },
            RustType::BitFields { bytes } => Extent {
                size: *bytes,
                align: 1,
            },
            RustType::Item(name) => {
                let bindings = self.bindings;
                if let Some(composite) = bindings.composites.get(name) {
                    self.composite(name, composite, depth + 1)?.extent
                } else if let Some(e) = bindings.enums.get(name) {
                    self.extent(&e.repr, depth + 1)?
                } else if let Some(alias) = bindings.aliases.get(name) {
                    self.extent(alias, depth + 1)?
                } else {
                    return Err(HeaderError::Undefined {
                        name: name.clone(),
                        declared: true,
                    });
                }
            }
            RustType::Void | RustType::Function { .. } => {
                return Err(HeaderError::Unexpected {
                    place: "a member".to_owned(),
                    text: format!("{ty:?}"),
                    expected: "a type with a size",
                });
            }
        })
    }
}

/// Offset and size in bytes of a unit of bit-fields.
pub(super) fn bit_field_unit(
    composite: &Composite,
    placed: &Placed,
    unit: &str,
) -> Option<(u64, u64)> {
    composite
        .fields
        .iter()
        .zip(&placed.offsets)
        .find_map(|((name, ty), offset)| match ty {
            RustType::BitFields { bytes } if name == unit => Some((*offset, *bytes)),
            _ => None,
        })
}

fn round_up(offset: u64, align: u64) -> Option<u64> {
    offset.checked_next_multiple_of(align.max(1))
}

#[cfg(test)]
mod tests;
