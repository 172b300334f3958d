//! The types of members in bindgen's Rust.

use super::HeaderError;
use super::expression::unsigned;
use syn::{GenericArgument, PathArguments, ReturnType, Type};

/// A type as bindgen writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RustType {
    Void,
    /// An integer, `bool` or a float, by its C name.
    Scalar(Scalar),
    Pointer {
        target: Box<RustType>,
        constant: bool,
    },
    Array {
        element: Box<RustType>,
        count: u64,
    },
    /// `a[]` or `a[0]`.
    Flexible(Box<RustType>),
    Function {
        returns: Box<RustType>,
        parameters: Vec<RustType>,
        variadic: bool,
    },
    /// The bytes that hold bit-fields.
    BitFields {
        bytes: u64,
    },
    /// Another item.
    Item(String),
}

/// A scalar type of C.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Scalar {
    pub(super) name: &'static str,
    /// Size in bytes where `long` has 8 bytes.
    pub(super) size: u8,
    pub(super) kind: ScalarKind,
}

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum ScalarKind {
    Signed,
    Unsigned,
    /// Has the size of a pointer.
    SignedLong,
    /// Has the size of a pointer.
    UnsignedLong,
    Bool,
    Char,
    Float,
}

fn scalar(name: &str) -> Option<Scalar> {
    use ScalarKind::{Bool, Char, Float, Signed, SignedLong, Unsigned, UnsignedLong};
    // Names as gcc has them in its debug information.
    let (name, size, kind) = match name {
        "c_char" => ("char", 1, Char),
        "c_schar" | "i8" => ("signed char", 1, Signed),
        "c_uchar" | "u8" => ("unsigned char", 1, Unsigned),
        "c_short" | "i16" => ("short int", 2, Signed),
        "c_ushort" | "u16" => ("short unsigned int", 2, Unsigned),
        "c_int" | "i32" => ("int", 4, Signed),
        "c_uint" | "u32" => ("unsigned int", 4, Unsigned),
        "c_long" | "isize" => ("long int", 8, SignedLong),
        "c_ulong" | "usize" => ("long unsigned int", 8, UnsignedLong),
        "c_longlong" | "i64" => ("long long int", 8, Signed),
        "c_ulonglong" | "u64" => ("long long unsigned int", 8, Unsigned),
        "i128" => ("__int128", 16, Signed),
        "u128" => ("unsigned __int128", 16, Unsigned),
        "bool" => ("_Bool", 1, Bool),
        "f32" | "c_float" => ("float", 4, Float),
        "f64" | "c_double" => ("double", 8, Float),
        _ => return None,
    };
    Some(Scalar { name, size, kind })
}

impl RustType {
    /// Reads a type; `place` is the item and member that has it.
    pub(super) fn parse(ty: &Type, place: &str) -> Result<RustType, HeaderError> {
        let inner = |ty: &Type| Ok::<_, HeaderError>(Box::new(RustType::parse(ty, place)?));
        match ty {
            Type::Paren(paren) => RustType::parse(&paren.elem, place),
            Type::Group(group) => RustType::parse(&group.elem, place),
            Type::Never(_) => Ok(RustType::Void),
            Type::Tuple(tuple) if tuple.elems.is_empty() => Ok(RustType::Void),
            Type::Ptr(pointer) => Ok(RustType::Pointer {
                target: inner(&pointer.elem)?,
                constant: matches!(pointer.mutability, syn::PointerMutability::Const(_)),
            }),
            Type::Array(array) => Ok(RustType::Array {
                element: inner(&array.elem)?,
                count: unsigned(&array.len).ok_or_else(|| unexpected(ty, place, "a length"))?,
            }),
            Type::FnPtr(function) => Ok(RustType::Function {
                returns: match &function.output {
                    ReturnType::Default => Box::new(RustType::Void),
                    ReturnType::Type(_, ty) => inner(ty)?,
                },
                parameters: function
                    .inputs
                    .iter()
                    .map(|input| RustType::parse(&input.ty, place))
                    .collect::<Result<_, _>>()?,
                variadic: function.variadic.is_some(),
            }),
            Type::Path(path) => RustType::path(ty, path, place),
            _ => Err(unexpected(ty, place, "a type of C")),
        }
    }

    fn path(ty: &Type, path: &syn::TypePath, place: &str) -> Result<RustType, HeaderError> {
        let Some(last) = path.path.segments.last() else {
            return Err(unexpected(ty, place, "a path"));
        };
        let name = last.ident.to_string();
        let argument = match &last.arguments {
            PathArguments::None => None,
            PathArguments::AngleBracketed(arguments) => match arguments.args.first() {
                Some(GenericArgument::Type(argument)) => Some(RustType::parse(argument, place)?),
                _ => return Err(unexpected(ty, place, "a type argument")),
            },
            PathArguments::Parenthesized(_) => return Err(unexpected(ty, place, "a type")),
        };
        match (name.as_str(), argument) {
            ("c_void", None) => Ok(RustType::Void),
            (_, None) => Ok(scalar(&name).map_or(RustType::Item(name), RustType::Scalar)),
            // A function pointer that may be null.
            ("Option", Some(function @ RustType::Function { .. })) => Ok(RustType::Pointer {
                target: Box::new(function),
                constant: false,
            }),
            ("ManuallyDrop" | "__BindgenOpaqueArray", Some(inner)) => Ok(inner),
            ("__IncompleteArrayField", Some(element)) => Ok(RustType::Flexible(Box::new(element))),
            ("__BindgenBitfieldUnit", Some(RustType::Array { count, .. })) => {
                Ok(RustType::BitFields { bytes: count })
            }
            _ => Err(unexpected(ty, place, "a type of C")),
        }
    }
}

fn unexpected(ty: &Type, place: &str, expected: &'static str) -> HeaderError {
    use quote::ToTokens as _;
    HeaderError::Unexpected {
        place: place.to_owned(),
        text: ty.to_token_stream().to_string(),
        expected,
    }
}
