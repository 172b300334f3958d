//! From entries to types.

use super::attribute::{self, Entry};
use super::index::{self, Definition};
use super::place::Place;
use super::sections::Reader;
use super::{DwarfError, member};
use gimli::{AttributeValue, DwAt, Unit, UnitOffset};
use kernel_structs::layout::{
    Composite, CompositeKind, EnumType, IntType, Layout, LayoutBuilder, MAX_DEPTH, Qualifier,
    Target, Type, TypeId,
};
use kernel_structs::units::ByteSize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// A structure or union with a tag: what pointers to one of this name point at.
struct Named {
    id: TypeId,
    /// What the definition that it stands for looks like.
    defined: Option<String>,
}

/// Collects types, each with what it contains.
pub(super) struct Builder<'d, 'a> {
    dwarf: &'d gimli::Dwarf<Reader<'a>>,
    layout: LayoutBuilder,
    /// Units in use, by where they begin.
    units: BTreeMap<usize, Rc<Unit<Reader<'a>>>>,
    /// Types made, by the offset of their entry.
    made: HashMap<usize, TypeId>,
    /// Those of them that name a type which was only pointed at, and may not be defined yet.
    weak: HashSet<usize>,
    named: BTreeMap<(CompositeKind, String), Named>,
}

impl<'d, 'a> Builder<'d, 'a> {
    pub(super) fn new(dwarf: &'d gimli::Dwarf<Reader<'a>>, target: Target) -> Self {
        Builder {
            dwarf,
            layout: LayoutBuilder::new(target),
            units: BTreeMap::new(),
            made: HashMap::new(),
            weak: HashSet::new(),
            named: BTreeMap::new(),
        }
    }

    /// Adds a type that was asked for.
    pub(super) fn definition(&mut self, definition: Definition) -> Result<TypeId, DwarfError> {
        let unit = self.unit(definition.unit, definition.unit)?;
        let place = Place {
            unit,
            entry: definition.entry,
        };
        self.contained(&place, 0)
    }

    /// The layout. Structures and unions that were pointed at and not defined are declarations.
    pub(super) fn finish(mut self) -> Result<Layout, DwarfError> {
        for ((kind, name), named) in self.named {
            if named.defined.is_none() {
                self.layout.set(named.id, Type::Forward { kind, name });
            }
        }
        Ok(self.layout.finish()?)
    }

    /// A type of which a value is contained in another.
    fn contained(&mut self, place: &Place<'a>, depth: usize) -> Result<TypeId, DwarfError> {
        self.ty(place, true, depth)
    }

    fn ty(
        &mut self,
        place: &Place<'a>,
        contained: bool,
        depth: usize,
    ) -> Result<TypeId, DwarfError> {
        if depth > MAX_DEPTH {
            return Err(DwarfError::TooDeep { at: place.at() });
        }
        if let Some(id) = self.made.get(&place.at()).copied() {
            if contained && self.weak.remove(&place.at()) {
                let entry = place.unit.entry(place.entry)?;
                self.target(place, &entry, true, depth)?;
            }
            return Ok(id);
        }
        let entry = place.unit.entry(place.entry)?;
        match entry.tag() {
            gimli::DW_TAG_structure_type => {
                return self.composite(place, &entry, CompositeKind::Struct, contained, depth);
            }
            gimli::DW_TAG_union_type => {
                return self.composite(place, &entry, CompositeKind::Union, contained, depth);
            }
            gimli::DW_TAG_unspecified_type => return Ok(TypeId::VOID),
            // Says how a value is read, not how it lies in memory; BTF has no word for it.
            gimli::DW_TAG_atomic_type => return self.target(place, &entry, contained, depth),
            _ => {}
        }
        let id = self.layout.reserve();
        self.made.insert(place.at(), id);
        if !contained && names_another(entry.tag()) {
            self.weak.insert(place.at());
        }
        let ty = self.simple(place, &entry, contained, depth)?;
        self.layout.set(id, ty);
        Ok(id)
    }

    /// Every type but structures and unions.
    fn simple(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        contained: bool,
        depth: usize,
    ) -> Result<Type, DwarfError> {
        let qualifier = match entry.tag() {
            gimli::DW_TAG_base_type => return self.base(place, entry),
            gimli::DW_TAG_enumeration_type => return self.enumeration(place, entry),
            gimli::DW_TAG_pointer_type => {
                return Ok(Type::Pointer {
                    target: self.target(place, entry, false, depth)?,
                });
            }
            gimli::DW_TAG_array_type => return self.array(place, entry, depth),
            gimli::DW_TAG_subroutine_type => return self.function(place, entry, depth),
            gimli::DW_TAG_typedef => {
                return Ok(Type::Typedef {
                    name: self.required_name(place, entry)?,
                    target: self.target(place, entry, contained, depth)?,
                });
            }
            gimli::DW_TAG_const_type => Qualifier::Const,
            gimli::DW_TAG_volatile_type => Qualifier::Volatile,
            gimli::DW_TAG_restrict_type => Qualifier::Restrict,
            tag => {
                return Err(DwarfError::Kind {
                    at: place.at(),
                    tag,
                });
            }
        };
        Ok(Type::Qualified {
            qualifier,
            target: self.target(place, entry, contained, depth)?,
        })
    }

    fn composite(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        kind: CompositeKind,
        contained: bool,
        depth: usize,
    ) -> Result<TypeId, DwarfError> {
        let name = self.name(place, entry)?;
        let declaration = attribute::flag(entry, gimli::DW_AT_declaration);
        let id = match &name {
            None => self.layout.reserve(),
            Some(name) => {
                let layout = &mut self.layout;
                let named = self
                    .named
                    .entry((kind, name.clone()))
                    .or_insert_with(|| Named {
                        id: layout.reserve(),
                        defined: None,
                    });
                if !contained || declaration {
                    return Ok(named.id);
                }
                let appearance = index::appearance(self.dwarf, &place.unit, place.entry)?;
                match &named.defined {
                    None => {
                        named.defined = Some(appearance);
                        named.id
                    }
                    Some(known) if *known == appearance => {
                        let id = named.id;
                        self.made.insert(place.at(), id);
                        return Ok(id);
                    }
                    // Another structure of the same name, of another file.
                    Some(_) => self.layout.reserve(),
                }
            }
        };
        self.made.insert(place.at(), id);
        let size = self.required(place, entry, gimli::DW_AT_byte_size)?;
        let mut members = Vec::new();
        for child in children(place)? {
            let entry = child.unit.entry(child.entry)?;
            if entry.tag() != gimli::DW_TAG_member {
                continue;
            }
            let Some(ty) = self.reference(&child, &entry)? else {
                return Err(child.lacks(&entry, gimli::DW_AT_type));
            };
            let name = self.name(&child, &entry)?;
            let location = member::location(&child, &entry, || self.scalar_size(ty.clone()))?;
            if name.is_none() && location.bit_field.is_some() {
                // An unnamed bit-field is padding.
                continue;
            }
            let ty = self.contained(&ty, depth + 1)?;
            members.push(location.member(name, ty));
        }
        self.layout.set(
            id,
            Type::Composite(Composite {
                kind,
                name,
                size: ByteSize(size),
                members,
            }),
        );
        Ok(id)
    }

    fn base(&self, place: &Place<'a>, entry: &Entry<'a>) -> Result<Type, DwarfError> {
        let name = self.required_name(place, entry)?;
        let size = ByteSize(self.required(place, entry, gimli::DW_AT_byte_size)?);
        let Some(AttributeValue::Encoding(encoding)) = entry.attr_value(gimli::DW_AT_encoding)
        else {
            return Err(place.lacks(entry, gimli::DW_AT_encoding));
        };
        let (signed, boolean) = match encoding {
            gimli::DW_ATE_signed | gimli::DW_ATE_signed_char => (true, false),
            gimli::DW_ATE_unsigned | gimli::DW_ATE_unsigned_char | gimli::DW_ATE_UTF => {
                (false, false)
            }
            gimli::DW_ATE_boolean => (false, true),
            gimli::DW_ATE_float => return Ok(Type::Float { name, size }),
            _ => {
                return Err(DwarfError::Attribute {
                    at: place.at(),
                    attribute: gimli::DW_AT_encoding,
                });
            }
        };
        Ok(Type::Int(IntType {
            size,
            signed,
            // `signed char` and `unsigned char` have an encoding of characters, too.
            character: name == "char",
            boolean,
            name,
        }))
    }

    fn enumeration(&self, place: &Place<'a>, entry: &Entry<'a>) -> Result<Type, DwarfError> {
        let mut enumerators = Vec::new();
        for child in children(place)? {
            let entry = child.unit.entry(child.entry)?;
            if entry.tag() == gimli::DW_TAG_enumerator {
                let value = attribute::constant(&entry, gimli::DW_AT_const_value)
                    .ok_or_else(|| child.lacks(&entry, gimli::DW_AT_const_value))?;
                enumerators.push((self.required_name(&child, &entry)?, value));
            }
        }
        Ok(Type::Enum(EnumType {
            name: self.name(place, entry)?,
            size: ByteSize(self.required(place, entry, gimli::DW_AT_byte_size)?),
            // The underlying type says what the compiler would compare with; BTF asks whether any
            // value is negative, and so do we.
            signed: enumerators.iter().any(|(_, value)| *value < 0),
            enumerators,
        }))
    }

    /// Each `DW_TAG_subrange_type` is one dimension, the outermost first (5.5).
    fn array(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        depth: usize,
    ) -> Result<Type, DwarfError> {
        let mut counts = Vec::new();
        for child in children(place)? {
            let entry = child.unit.entry(child.entry)?;
            if entry.tag() == gimli::DW_TAG_subrange_type {
                counts.push(member::count(&child, &entry)?);
            }
        }
        // C has no arrays of incomplete types, wherever they are pointed at from.
        let mut element = self.target(place, entry, true, depth)?;
        let outermost = match counts.split_first() {
            Some((outermost, inner)) => {
                for count in inner.iter().rev() {
                    element = self.layout.push(Type::Array {
                        element,
                        count: *count,
                    });
                }
                *outermost
            }
            None => 0,
        };
        Ok(Type::Array {
            element,
            count: outermost,
        })
    }

    fn function(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        depth: usize,
    ) -> Result<Type, DwarfError> {
        let mut parameters = Vec::new();
        for child in children(place)? {
            let entry = child.unit.entry(child.entry)?;
            match entry.tag() {
                gimli::DW_TAG_formal_parameter => {
                    let name = self.name(&child, &entry)?.unwrap_or_default();
                    parameters.push((name, self.target(&child, &entry, false, depth)?));
                }
                gimli::DW_TAG_unspecified_parameters => {
                    parameters.push((String::new(), TypeId::VOID));
                }
                _ => {}
            }
        }
        Ok(Type::FunctionProto {
            returns: self.target(place, entry, false, depth)?,
            parameters,
        })
    }

    /// The type that an entry refers to; `void` if to none.
    fn target(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        contained: bool,
        depth: usize,
    ) -> Result<TypeId, DwarfError> {
        match self.reference(place, entry)? {
            Some(target) => self.ty(&target, contained, depth + 1),
            None => Ok(TypeId::VOID),
        }
    }

    /// Size in bytes of the integer or enumeration at `place`, behind its typedefs.
    fn scalar_size(&mut self, mut place: Place<'a>) -> Result<u64, DwarfError> {
        for _ in 0..=MAX_DEPTH {
            let entry = place.unit.entry(place.entry)?;
            if let Some(size) = attribute::unsigned(&entry, gimli::DW_AT_byte_size) {
                return Ok(size);
            }
            place = self
                .reference(&place, &entry)?
                .ok_or_else(|| place.lacks(&entry, gimli::DW_AT_byte_size))?;
        }
        Err(DwarfError::TooDeep { at: place.at() })
    }

    /// Where the type of an entry is.
    fn reference(
        &mut self,
        place: &Place<'a>,
        entry: &Entry<'a>,
    ) -> Result<Option<Place<'a>>, DwarfError> {
        match entry.attr_value(gimli::DW_AT_type) {
            None => Ok(None),
            Some(AttributeValue::UnitRef(offset)) => Ok(Some(Place {
                unit: place.unit.clone(),
                entry: offset,
            })),
            Some(AttributeValue::DebugInfoRef(offset)) => {
                let unit = self.unit(offset.0, place.at())?;
                let entry = UnitOffset(offset.0 - index::start(&unit.header));
                Ok(Some(Place { unit, entry }))
            }
            Some(_) => Err(DwarfError::Attribute {
                at: place.at(),
                attribute: gimli::DW_AT_type,
            }),
        }
    }

    /// The unit that holds the byte `target` of `.debug_info`, which `from` refers to.
    fn unit(&mut self, target: usize, from: usize) -> Result<Rc<Unit<Reader<'a>>>, DwarfError> {
        if let Some((start, unit)) = self.units.range(..=target).next_back()
            && target - start < unit.header.length_including_self()
        {
            return Ok(unit.clone());
        }
        let mut headers = self.dwarf.units();
        while let Some(header) = headers.next()? {
            let start = index::start(&header);
            if (start..start + header.length_including_self()).contains(&target) {
                let unit = Rc::new(self.dwarf.unit(header)?);
                self.units.insert(start, unit.clone());
                return Ok(unit);
            }
        }
        Err(DwarfError::Reference { at: from, target })
    }

    fn name(&self, place: &Place<'a>, entry: &Entry<'a>) -> Result<Option<String>, DwarfError> {
        attribute::name(self.dwarf, &place.unit, entry)
    }

    fn required_name(&self, place: &Place<'a>, entry: &Entry<'a>) -> Result<String, DwarfError> {
        self.name(place, entry)?
            .ok_or_else(|| place.lacks(entry, gimli::DW_AT_name))
    }

    fn required(
        &self,
        place: &Place<'a>,
        entry: &Entry<'a>,
        attribute: DwAt,
    ) -> Result<u64, DwarfError> {
        attribute::unsigned(entry, attribute).ok_or_else(|| place.lacks(entry, attribute))
    }
}

/// Whether a type contains another as a whole, by another name.
fn names_another(tag: gimli::DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_typedef
            | gimli::DW_TAG_const_type
            | gimli::DW_TAG_volatile_type
            | gimli::DW_TAG_restrict_type
    )
}

/// The entries directly below `place`.
fn children<'a>(place: &Place<'a>) -> Result<Vec<Place<'a>>, DwarfError> {
    let mut entries = place.unit.entries_at_offset(place.entry)?;
    let Some(parent) = entries.next_dfs()? else {
        return Ok(Vec::new());
    };
    let depth = parent.depth();
    let mut children = Vec::new();
    while let Some(entry) = entries.next_dfs()?.filter(|entry| entry.depth() > depth) {
        if entry.depth() == depth + 1 {
            children.push(Place {
                unit: place.unit.clone(),
                entry: entry.offset(),
            });
        }
    }
    Ok(children)
}
