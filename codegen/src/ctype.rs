//! C types as the generator looks at them: members in order, scalars, declarations in words.
//!
//! It knows one layout at a time and nothing of pairs.

use kernel_structs::layout::{Composite, CompositeKind, FieldPath, Layout, Type, TypeId};

/// A member of a structure, members of anonymous structures in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name; an anonymous union goes by its first member: `union_lru`. A member of a structure
    /// that is looked at member by member goes by its path: `rseq.len`.
    pub name: String,
    /// Its type, typedefs included.
    pub ty: TypeId,
    /// First bit, from the start of the structure.
    pub offset: u64,
    /// Number of bits.
    pub len: u64,
    /// Whether it is a bit-field.
    pub bit_field: bool,
    /// The structure that `name` is a path into, if it is one.
    pub inside: Option<TypeId>,
}

impl Field {
    /// The path to it.
    pub fn path(&self) -> FieldPath {
        self.name
            .split('.')
            .fold(FieldPath::default(), |path, name| path.member(name))
    }
}

/// The members of `composite` in the order of their declaration.
///
/// Members of an anonymous structure are members of the one around it. The members of an
/// anonymous union stay together, as one field.
pub fn fields(layout: &Layout, composite: &Composite) -> Vec<Field> {
    let mut all = Vec::new();
    let mut made = Vec::new();
    collect(layout, composite, 0, &mut all, &mut made);
    // Names that C has are left as they are, and no two fields have one.
    for index in made {
        while all
            .iter()
            .enumerate()
            .any(|(other, field)| other != index && field.name == all[index].name)
        {
            all[index].name.push('_');
        }
    }
    all
}

/// `made` are the places in `all` of fields whose names are not those of C.
fn collect(
    layout: &Layout,
    composite: &Composite,
    base: u64,
    all: &mut Vec<Field>,
    made: &mut Vec<usize>,
) {
    for member in &composite.members {
        let offset = base + member.offset.0;
        let name = match (&member.name, layout.get(layout.strip(member.ty))) {
            (Some(name), _) => name.clone(),
            (None, Type::Composite(inner)) if inner.kind == CompositeKind::Struct => {
                collect(layout, inner, offset, all, made);
                continue;
            }
            (None, Type::Composite(inner)) => format!("union_{}", first_name(layout, inner)),
            (None, _) => format!("unnamed_{offset}"),
        };
        if member.name.is_none() {
            made.push(all.len());
        }
        all.push(Field {
            name,
            ty: member.ty,
            offset,
            len: member
                .bit_field
                .map_or_else(|| size_bits(layout, member.ty), |width| width.0),
            bit_field: member.bit_field.is_some(),
            inside: None,
        });
    }
}

/// The members of the structure that `field` is, by their paths; `None` if it is none.
pub fn members_of(layout: &Layout, field: &Field) -> Option<Vec<Field>> {
    let Shape::Struct(inside, composite) = shape(layout, field.ty) else {
        return None;
    };
    let members = fields(layout, composite).into_iter().map(|member| Field {
        name: format!("{}.{}", field.name, member.name),
        offset: field.offset + member.offset,
        inside: Some(member.inside.unwrap_or(inside)),
        ..member
    });
    Some(members.collect())
}

/// The number that a structure is a wrapper around, such as an `atomic_t`: the way to it, and its
/// type. It has every bit of the structure; `None` for anything else.
pub fn wrapped_number(layout: &Layout, ty: TypeId) -> Option<(FieldPath, TypeId)> {
    let (mut path, mut inner) = (FieldPath::default(), ty);
    loop {
        match shape(layout, inner) {
            Shape::Struct(_, composite) => {
                let members = fields(layout, composite);
                let [member] = members.as_slice() else {
                    return None;
                };
                if member.bit_field || member.len != size_bits(layout, ty) {
                    return None;
                }
                path = path.member(&member.name);
                inner = member.ty;
            }
            // A set of bits that fits into one word: `mm_flags_t`.
            Shape::Array { element, count: 1 } if !path.is_empty() => {
                path = path.element(0);
                inner = element;
            }
            Shape::Scalar(scalar) if scalar.kind == ScalarKind::Number && !path.is_empty() => {
                return Some((path, inner));
            }
            _ => return None,
        }
    }
}

fn first_name<'a>(layout: &'a Layout, composite: &'a Composite) -> &'a str {
    let first = layout.flat_members(composite).into_iter().next();
    first
        .and_then(|(_, member)| member.name.as_deref())
        .unwrap_or("empty")
}

/// Size of a value of type `id` in bits; 0 for what has none.
pub fn size_bits(layout: &Layout, id: TypeId) -> u64 {
    layout.size_of(id).map_or(0, |size| size.0 * 8)
}

/// What a type is, looked at from where a value of it is converted.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Shape<'a> {
    /// An integer, a character or a pointer.
    Scalar(Scalar),
    /// An enumeration, stored as this integer.
    Enum(Scalar),
    /// A structure.
    Struct(TypeId, &'a Composite),
    /// A union, whose members cannot be told apart.
    Union(TypeId, &'a Composite),
    /// An array.
    Array {
        /// Type of the elements.
        element: TypeId,
        /// Number of elements.
        count: u64,
    },
    /// Bytes that are carried or nothing: a floating-point number, a wide integer.
    Opaque {
        /// Their number.
        bytes: u64,
    },
}

/// An integer as it is stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scalar {
    /// 1, 2, 4 or 8.
    pub bytes: u64,
    /// Whether it is signed.
    pub signed: bool,
    /// What it stands for.
    pub kind: ScalarKind,
}

impl Scalar {
    /// The type that it has in the views.
    pub const fn word(self) -> &'static str {
        match (self.bytes, self.signed) {
            (1, false) => "u8",
            (1, true) => "i8",
            (2, false) => "U16",
            (2, true) => "I16",
            (4, false) => "U32",
            (4, true) => "I32",
            (_, false) => "U64",
            (_, true) => "I64",
        }
    }
}

/// What an integer stands for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScalarKind {
    /// A number.
    Number,
    /// A `_Bool`.
    Bool,
    /// An address.
    Pointer,
}

/// What the type `id` is.
pub fn shape(layout: &Layout, id: TypeId) -> Shape<'_> {
    let inner = layout.strip(id);
    match layout.get(inner) {
        Type::Int(int) if matches!(int.size.0, 1 | 2 | 4 | 8) => Shape::Scalar(Scalar {
            bytes: int.size.0,
            signed: int.signed || int.is_plain_char(),
            kind: if int.boolean {
                ScalarKind::Bool
            } else {
                ScalarKind::Number
            },
        }),
        Type::Pointer { .. } => Shape::Scalar(Scalar {
            bytes: u64::from(layout.target().pointer_size),
            signed: false,
            kind: ScalarKind::Pointer,
        }),
        Type::Enum(e) => Shape::Enum(Scalar {
            bytes: e.size.0,
            signed: e.signed,
            kind: ScalarKind::Number,
        }),
        Type::Composite(composite) => match composite.kind {
            CompositeKind::Struct => Shape::Struct(inner, composite),
            CompositeKind::Union => Shape::Union(inner, composite),
        },
        Type::Array { element, count } => Shape::Array {
            element: *element,
            count: *count,
        },
        _ => Shape::Opaque {
            bytes: layout.size_of(inner).map_or(0, |size| size.0),
        },
    }
}

/// Whether a value can hold an address: a pointer, or an integer as large as one.
pub fn holds_pointer(layout: &Layout, ty: TypeId, bit_field: bool) -> bool {
    let pointer = u64::from(layout.target().pointer_size);
    match shape(layout, ty) {
        Shape::Scalar(scalar) => {
            let number = scalar.kind == ScalarKind::Number && scalar.bytes == pointer;
            !bit_field && (scalar.kind == ScalarKind::Pointer || number)
        }
        _ => false,
    }
}

/// The name by which plans, tables and generated code call a structure: its tag, else the
/// typedef next to it; `None` for one that has neither.
pub fn type_name(layout: &Layout, mut id: TypeId) -> Option<&str> {
    let mut typedef = None;
    loop {
        match layout.get(id) {
            Type::Typedef { name, target } => {
                typedef = Some(name.as_str());
                id = *target;
            }
            Type::Qualified { target, .. } => id = *target,
            Type::Composite(composite) => return composite.name.as_deref().or(typedef),
            _ => return typedef,
        }
    }
}

/// How a field is declared, without its name: `char [16]`, and `int:1` for a bit-field.
pub fn declared(layout: &Layout, field: &Field) -> String {
    let text = layout.type_name(field.ty);
    if field.bit_field {
        format!("{text}:{}", field.len)
    } else {
        text
    }
}

/// What a type is without the names that typedefs give it: `struct kernel_cap_struct { u32 cap[2]; }`,
/// with the first members of a structure, and as many brackets as an array has dimensions.
pub fn beneath(layout: &Layout, ty: TypeId) -> String {
    /// Members that are shown.
    const SHOWN: usize = 3;
    let id = layout.strip(ty);
    let described = match layout.get(id) {
        Type::Array { element, count } => return format!("{}[{count}]", beneath(layout, *element)),
        Type::Composite(composite) => composite,
        _ => return layout.type_name(id),
    };
    let shown = described.members.iter().take(SHOWN).map(|member| {
        let name = member.name.as_deref().unwrap_or("…");
        format!(" {} {name};", layout.type_name(member.ty))
    });
    let shown: String = shown.collect();
    let more = match described.members.len() > SHOWN {
        true => " …",
        false => "",
    };
    let tag = described.name.as_deref().map(|name| format!("{name} "));
    format!(
        "{} {}{{{shown}{more} }}",
        described.kind.keyword(),
        tag.unwrap_or_default()
    )
}

/// The two links of a `list_head`: a structure of two pointers to its own kind, `next` and
/// `prev`.
pub fn list_links<'a>(layout: &Layout, composite: &'a Composite) -> Option<[&'a str; 2]> {
    let [next, prev] = composite.members.as_slice() else {
        return None;
    };
    let is_link = |ty: TypeId| match layout.get(layout.strip(ty)) {
        Type::Pointer { target } => match layout.get(layout.strip(*target)) {
            Type::Composite(inner) => inner.name.is_some() && inner.name == composite.name,
            Type::Forward { name, .. } => Some(name) == composite.name.as_ref(),
            _ => false,
        },
        _ => false,
    };
    match (next.name.as_deref(), prev.name.as_deref()) {
        (Some("next"), Some("prev")) if is_link(next.ty) && is_link(prev.ty) => {
            Some(["next", "prev"])
        }
        _ => None,
    }
}

/// The integer or pointer that an element type of the state map stands for, such as `file *` or
/// `unsigned long`; `None` for any other text.
pub fn element_scalar(layout: &Layout, element: &str) -> Option<Scalar> {
    let pointer = u64::from(layout.target().pointer_size);
    if element.ends_with('*') {
        return Some(Scalar {
            bytes: pointer,
            signed: false,
            kind: ScalarKind::Pointer,
        });
    }
    let (bytes, signed) = match element {
        "unsigned long" => (pointer, false),
        "long" => (pointer, true),
        "unsigned int" => (4, false),
        "int" => (4, true),
        "unsigned short" => (2, false),
        "short" => (2, true),
        "unsigned char" => (1, false),
        "char" | "signed char" => (1, true),
        _ => return None,
    };
    Some(Scalar {
        bytes,
        signed,
        kind: ScalarKind::Number,
    })
}

/// Whether an integer of `bits` bits holds `value`.
pub(crate) fn fits(value: i64, bits: u64, signed: bool) -> bool {
    u32::try_from(bits)
        .is_ok_and(|bits| bits > 0 && kernel_structs_bits::fits(i128::from(value), bits, signed))
}
