//! From BTF to a layout.

use super::raw::{INT_BOOL, INT_CHAR, INT_SIGNED, Kind, Record, Sections};
use super::{BtfError, elf};
use crate::layout::{
    Composite, CompositeKind, EnumType, IntType, Layout, LayoutBuilder, MAX_DEPTH, Member,
    Qualifier, Target, Type, TypeId,
};
use crate::units::{BitOffset, BitSize, ByteSize};
use std::collections::{HashMap, HashSet};

/// Reads detached BTF, or the `.BTF` section of an ELF file.
///
/// The size of a pointer is that of the ELF file's class, else that of `long`.
///
/// # Errors
/// If `data` is neither, breaks a rule of BTF, or does not tell the size of a pointer.
pub fn read(data: &[u8]) -> Result<Layout, BtfError> {
    read_with(data, None)
}

/// As [`read`], for a machine that is known from elsewhere.
///
/// # Errors
/// If `data` is neither BTF nor ELF, or breaks a rule of BTF.
pub fn read_with(data: &[u8], target: Option<Target>) -> Result<Layout, BtfError> {
    read_parts(data, target, Asked::All)
}

/// As [`read`], for whoever asks for the types called `names` alone: what they contain is there, of what
/// they point at the names, without members or parameters, and nothing else. [`Layout::minimise`] gives
/// of this layout what it gives of the whole one, as long as it keeps none but these names. Nine
/// tenths of a kernel's types are others.
///
/// # Errors
/// As for [`read`], but for what is not read.
pub fn read_named(data: &[u8], names: &HashSet<&str>) -> Result<Layout, BtfError> {
    read_parts(data, None, Asked::Named(names))
}

/// As [`read_named`], for whoever asks for a few types that nobody else is called like: the first structure, union or
/// enumeration of each of `names`, and what it contains. Other types are not even named, which saves most of the time.
///
/// # Errors
/// As for [`read`], but for what is not read.
pub fn read_first(data: &[u8], names: &[&str]) -> Result<Layout, BtfError> {
    read_parts(data, None, Asked::First(names))
}

/// Which types of a file are asked for.
enum Asked<'a> {
    All,
    /// All of these names, held against all others.
    Named(&'a HashSet<&'a str>),
    /// The first structure, union or enumeration of each of these names, alone.
    First(&'a [&'a str]),
}

fn read_parts(data: &[u8], target: Option<Target>, asked: Asked<'_>) -> Result<Layout, BtfError> {
    let (data, target) = if data.starts_with(elf::MAGIC) {
        let (section, machine) = elf::section(data)?;
        (section, target.or(Some(machine)))
    } else if data.len() < 2 {
        return Err(BtfError::Magic {
            found: data.to_vec(),
        });
    } else {
        (data, target)
    };
    let sections = Sections::parse(data)?;
    let records = sections.records()?;
    let reader = Reader { sections, records };
    let parts = match asked {
        Asked::All => Parts::All,
        Asked::Named(names) => reader.parts(names)?,
        Asked::First(names) => reader.first(names)?,
    };
    let target = match target {
        Some(target) => target,
        None => reader.target()?,
    };
    reader.layout(target, &parts)
}

/// Of which types of a file it is read what is in them, by their ids.
enum Parts {
    All,
    /// How far each was reached.
    Some(Vec<Reached>),
}

/// How a type is reached from those that were asked for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Not,
    /// Through a pointer: what it is called counts, and not what it contains.
    Pointed,
    /// It is contained.
    Contained,
}

impl Parts {
    fn reached(&self, id: u32) -> Reached {
        match self {
            Parts::All => Reached::Contained,
            Parts::Some(reached) => reached[id as usize],
        }
    }
}

struct Reader<'data> {
    sections: Sections<'data>,
    /// Record `i` has the id `i + 1`; id 0 is `void`.
    records: Vec<Record<'data>>,
}

/// Which bits of an integer's bytes it has: "BTF_KIND_INT".
#[derive(Copy, Clone)]
struct IntBits {
    offset: u8,
    bits: u8,
}

impl<'data> Reader<'data> {
    /// The size of a pointer is that of `long`, as in libbpf (tools/lib/bpf/btf.c:
    /// determine_ptr_size).
    fn target(&self) -> Result<Target, BtfError> {
        for (id, record) in (1..).zip(&self.records) {
            if record.kind == Kind::Int
                && is_long(self.name(id, record.name)?)
                && let pointer_size @ (4 | 8) = record.size_or_type
            {
                return Ok(Target {
                    pointer_size: pointer_size as u8,
                });
            }
        }
        Err(BtfError::PointerSize)
    }

    fn layout(&self, target: Target, parts: &Parts) -> Result<Layout, BtfError> {
        let mut builder = LayoutBuilder::new(target);
        let mut ids = vec![Some(TypeId::VOID)];
        ids.extend(
            (1..)
                .zip(&self.records)
                .map(|(id, record)| match record.kind {
                    Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => None,
                    _ => (parts.reached(id) != Reached::Not).then(|| builder.reserve()),
                }),
        );
        for (id, record) in (1..).zip(&self.records) {
            if let Some(own) = ids[id as usize] {
                let record = match parts.reached(id) {
                    Reached::Contained => *record,
                    _ => record.without_contents(),
                };
                builder.set(own, self.ty(id, &record, &ids)?);
            }
        }
        Ok(builder.finish()?)
    }

    /// What is reached from the types called `names`. Composites of one tag are reached together: the
    /// first of equal ones stands for all. That there is a tag counts, also if nothing leads to it.
    fn parts(&self, names: &HashSet<&str>) -> Result<Parts, BtfError> {
        let mut tags: HashMap<&str, Vec<u32>> = HashMap::new();
        let mut reached = vec![Reached::Not; self.records.len() + 1];
        let mut pending = Vec::new();
        for (id, record) in (1..).zip(&self.records) {
            let is_composite = record.is_composite();
            let has_name = matches!(record.kind, Kind::Typedef | Kind::Enum | Kind::Enum64);
            if record.name == 0 || !(is_composite || has_name) {
                continue;
            }
            let name = self.name(id, record.name)?;
            if is_composite {
                reached[id as usize] = Reached::Pointed;
                tags.entry(name).or_default().push(id);
            }
            if names.contains(name) {
                pending.push((id, Reached::Contained));
            }
        }
        self.reach(pending, &mut reached, |name| {
            tags.get(name).map(Vec::as_slice).unwrap_or_default()
        })?;
        Ok(Parts::Some(reached))
    }

    /// What is reached from the first composite or enumeration of each of `names`.
    fn first(&self, names: &[&str]) -> Result<Parts, BtfError> {
        let mut sought = names.to_vec();
        let mut pending = Vec::new();
        for (id, record) in (1..).zip(&self.records) {
            if sought.is_empty() {
                break;
            }
            let has_tag = record.is_composite() || matches!(record.kind, Kind::Enum | Kind::Enum64);
            if record.name != 0 && has_tag {
                let name = self.name(id, record.name)?;
                if let Some(index) = sought.iter().position(|it| *it == name) {
                    sought.swap_remove(index);
                    pending.push((id, Reached::Contained));
                }
            }
        }
        let mut reached = vec![Reached::Not; self.records.len() + 1];
        self.reach(pending, &mut reached, |_| &[])?;
        Ok(Parts::Some(reached))
    }

    /// Follows what is `pending` to all that it leads to. A composite is reached together with those that `others` has
    /// for its tag.
    fn reach<'a>(
        &self,
        mut pending: Vec<(u32, Reached)>,
        reached: &mut [Reached],
        others: impl Fn(&str) -> &'a [u32],
    ) -> Result<(), BtfError> {
        while let Some((id, how)) = pending.pop() {
            let record = (id as usize)
                .checked_sub(1)
                .and_then(|i| self.records.get(i));
            let Some(record) = record.filter(|_| reached[id as usize] < how) else {
                continue;
            };
            reached[id as usize] = how;
            match record.kind {
                Kind::Struct | Kind::Union if how == Reached::Contained => {
                    pending.extend(record.entries().map(|[_, ty, _]| (ty, how)));
                    let others = others(self.name(id, record.name)?);
                    pending.extend(others.iter().map(|other| (*other, how)));
                }
                Kind::Ptr | Kind::FuncProto => {
                    pending.push((record.size_or_type, Reached::Pointed));
                }
                Kind::Array => {
                    let [element, ..] = record.entries::<3>().next().unwrap_or_default();
                    pending.push((element, how));
                }
                kind if kind.is_name() => pending.push((record.size_or_type, how)),
                _ => {}
            }
        }
        Ok(())
    }

    fn ty(
        &self,
        id: u32,
        record: &Record<'data>,
        ids: &[Option<TypeId>],
    ) -> Result<Type, BtfError> {
        let name = || Ok::<_, BtfError>(self.name(id, record.name)?.to_owned());
        let to = |target: u32| match ids.get(target as usize) {
            Some(Some(own)) => Ok(*own),
            Some(None) => {
                let kind = self.records[target as usize - 1].kind.name();
                Err(BtfError::NotData { id, target, kind })
            }
            None => Err(BtfError::Reference { id, target }),
        };
        let target = || to(record.size_or_type);
        let size = ByteSize(record.size_or_type.into());
        let qualified = |qualifier| {
            Ok::<_, BtfError>(Type::Qualified {
                qualifier,
                target: target()?,
            })
        };
        Ok(match record.kind {
            Kind::Int => self.int(id, record)?,
            Kind::Float => Type::Float {
                name: name()?,
                size,
            },
            Kind::Ptr => Type::Pointer { target: target()? },
            Kind::Array => {
                let [element, _index_type, count] = record.entries().next().unwrap_or_default();
                if let Some(IntBits { bits, .. }) = self.partial_int(element)? {
                    return Err(BtfError::ArrayOfBits { id, bits });
                }
                Type::Array {
                    element: to(element)?,
                    count: count.into(),
                }
            }
            Kind::Struct | Kind::Union => Type::Composite(Composite {
                kind: match record.kind {
                    Kind::Union => CompositeKind::Union,
                    _ => CompositeKind::Struct,
                },
                name: Some(name()?).filter(|name| !name.is_empty()),
                size,
                members: self.members(id, record, to)?,
            }),
            Kind::Enum | Kind::Enum64 => Type::Enum(EnumType {
                name: Some(name()?).filter(|name| !name.is_empty()),
                size,
                signed: record.kind_flag,
                enumerators: self.enumerators(id, record)?,
            }),
            Kind::Fwd => Type::Forward {
                kind: match record.kind_flag {
                    true => CompositeKind::Union,
                    false => CompositeKind::Struct,
                },
                name: name()?,
            },
            Kind::Typedef => Type::Typedef {
                name: name()?,
                target: target()?,
            },
            Kind::Volatile => qualified(Qualifier::Volatile)?,
            Kind::Const => qualified(Qualifier::Const)?,
            Kind::Restrict => qualified(Qualifier::Restrict)?,
            Kind::TypeTag => qualified(Qualifier::TypeTag(name()?))?,
            Kind::FuncProto => Type::FunctionProto {
                returns: target()?,
                parameters: record
                    .entries()
                    .map(|[name, ty]| Ok((self.name(id, name)?.to_owned(), to(ty)?)))
                    .collect::<Result<_, BtfError>>()?,
            },
            // Left out by `layout`.
            Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => Type::Void,
        })
    }

    fn int(&self, id: u32, record: &Record<'data>) -> Result<Type, BtfError> {
        self.int_bits(id, record)?;
        let name = self.name(id, record.name)?;
        let [word] = record.entries().next().unwrap_or_default();
        let encoding = (word >> 24) as u8 & 0x0f;
        Ok(Type::Int(IntType {
            name: name.to_owned(),
            size: ByteSize(record.size_or_type.into()),
            signed: encoding & INT_SIGNED != 0,
            // pahole and LLVM never set INT_CHAR; the name is all there is.
            character: encoding & INT_CHAR != 0 || name == "char",
            boolean: encoding & INT_BOOL != 0,
        }))
    }

    fn int_bits(&self, id: u32, record: &Record<'data>) -> Result<IntBits, BtfError> {
        let [word] = record.entries().next().unwrap_or_default();
        let int = IntBits {
            offset: (word >> 16) as u8,
            bits: word as u8,
        };
        let size = record.size_or_type;
        let end = u64::from(int.offset) + u64::from(int.bits);
        if int.bits == 0 || end > u64::from(size) * 8 {
            return Err(BtfError::IntBits {
                id,
                bits: int.bits,
                offset: int.offset,
                size,
            });
        }
        Ok(int)
    }

    /// The bits of the integer that `id` is a name of, if those are not all bits of its bytes:
    /// how bit-fields were encoded before `kind_flag`.
    fn partial_int(&self, id: u32) -> Result<Option<IntBits>, BtfError> {
        let Some((id, record)) = self
            .strip(id)
            .filter(|(_, record)| record.kind == Kind::Int)
        else {
            return Ok(None);
        };
        let int = self.int_bits(id, record)?;
        let whole = int.offset == 0 && u32::from(int.bits) == record.size_or_type * 8;
        Ok(Some(int).filter(|_| !whole))
    }

    /// `id` without typedefs and qualifiers around it; `None` for `void` and for what does not
    /// exist or is nested too deep, which `LayoutBuilder::finish` reports.
    fn strip(&self, mut id: u32) -> Option<(u32, &Record<'data>)> {
        for _ in 0..=MAX_DEPTH {
            let record = self.records.get((id as usize).checked_sub(1)?)?;
            match record.kind.is_name() {
                true => id = record.size_or_type,
                false => return Some((id, record)),
            }
        }
        None
    }

    fn members(
        &self,
        id: u32,
        record: &Record<'data>,
        to: impl Fn(u32) -> Result<TypeId, BtfError>,
    ) -> Result<Vec<Member>, BtfError> {
        let mut members = Vec::new();
        for [name, ty, offset] in record.entries() {
            // "BTF_KIND_STRUCT": with kind_flag, bits 24-31 are the width of a bit-field.
            let (mut offset, width) = match record.kind_flag {
                true => (offset & 0xff_ffff, offset >> 24),
                false => (offset, 0),
            };
            let mut bit_field = Some(BitSize(width.into())).filter(|width| width.0 != 0);
            if bit_field.is_none()
                && let Some(int) = self.partial_int(ty)?
            {
                offset = offset.saturating_add(int.offset.into());
                bit_field = Some(BitSize(int.bits.into()));
            }
            let name = self.name(id, name)?;
            if name.is_empty() && bit_field.is_some() {
                // An unnamed bit-field is padding.
                continue;
            }
            members.push(Member {
                name: Some(name.to_owned()).filter(|name| !name.is_empty()),
                ty: to(ty)?,
                offset: BitOffset(offset.into()),
                bit_field,
            });
        }
        Ok(members)
    }

    fn enumerators(
        &self,
        id: u32,
        record: &Record<'data>,
    ) -> Result<Vec<(String, i128)>, BtfError> {
        let signed = record.kind_flag;
        let named = |name, value| Ok((self.name(id, name)?.to_owned(), value));
        if record.kind == Kind::Enum {
            let value = |word: u32| {
                if signed {
                    (word as i32).into()
                } else {
                    word.into()
                }
            };
            return record
                .entries()
                .map(|[name, word]| named(name, value(word)))
                .collect();
        }
        let value = |low: u32, high: u32| {
            let word = u64::from(high) << 32 | u64::from(low);
            if signed {
                (word as i64).into()
            } else {
                word.into()
            }
        };
        record
            .entries()
            .map(|[name, low, high]| named(name, value(low, high)))
            .collect()
    }

    fn name(&self, id: u32, offset: u32) -> Result<&'data str, BtfError> {
        self.sections.name(id, offset)
    }
}

/// Whether an integer is `long` or `unsigned long`, by any order of the words.
pub(super) fn is_long(name: &str) -> bool {
    let words: Vec<&str> = name.split(' ').collect();
    words.iter().filter(|word| **word == "long").count() == 1
        && words
            .iter()
            .all(|word| matches!(*word, "long" | "int" | "unsigned" | "signed"))
}
