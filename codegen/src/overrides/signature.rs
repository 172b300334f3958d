//! What types a function of people has, as far as its source shows it, and what types a layout asks for.
//!
//! The compiler holds the one against the other in a generated page, which nobody wrote and nobody
//! corrects. What can be seen before is told before: a number of another width, a structure in place
//! of a number, an array of another length. What cannot be seen is left to the compiler.

use crate::ctype::{self, Shape};
use kernel_structs::layout::{Layout, TypeId};
use std::fmt;

/// The types of what a function makes and of what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Path of the file, below the folder of the decisions.
    pub(crate) file: String,
    /// What it makes.
    pub(crate) result: Seen,
    /// What it is given behind the context and the place.
    pub(crate) given: Vec<Seen>,
}

/// What a type can be seen to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A number of the views, or a `bool`.
    Word(String),
    /// An array, with its length if that is written as a number.
    Array(Box<Seen>, Option<u64>),
    /// A structure.
    Structure,
    /// A parameter that is no reference.
    ByValue,
    /// Nothing, where something has to be made.
    Nothing,
    /// Anything.
    Unknown,
}

/// The types that numbers of a layout have in the views.
const WORDS: [&str; 9] = ["bool", "u8", "i8", "U16", "I16", "U32", "I32", "U64", "I64"];

impl Signature {
    pub(super) fn of(file: String, function: &syn::Signature) -> Signature {
        let given = function.inputs.iter().skip(2);
        Signature {
            file,
            result: match &function.output {
                syn::ReturnType::Default => Seen::Nothing,
                syn::ReturnType::Type(_, ty) => Seen::of(ty),
            },
            given: given.map(Seen::of_argument).collect(),
        }
    }
}

impl Seen {
    fn of_argument(argument: &syn::FnArg) -> Seen {
        let syn::FnArg::Typed(argument) = argument else {
            return Seen::Unknown;
        };
        match &*argument.ty {
            syn::Type::Reference(reference) => Seen::of(&reference.elem),
            ty => match Seen::of(ty) {
                // Truth values, and the offsets.
                Seen::Word(word) if word == "bool" => Seen::Word(word),
                Seen::Array(..) | Seen::Unknown => Seen::Unknown,
                _ => Seen::ByValue,
            },
        }
    }

    fn of(ty: &syn::Type) -> Seen {
        match ty {
            syn::Type::Path(path) => {
                let Some(last) = path.path.segments.last() else {
                    return Seen::Unknown;
                };
                let word = last.ident.to_string();
                let plain = last.arguments.is_none();
                match path.path.segments.len() {
                    _ if !plain => Seen::Unknown,
                    1 if WORDS.contains(&word.as_str()) => Seen::Word(word),
                    // A parameter of the function, or another name of something.
                    1 => Seen::Unknown,
                    _ => Seen::Structure,
                }
            }
            syn::Type::Array(array) => {
                let length = length_of(array);
                Seen::Array(Box::new(Seen::of(&array.elem)), length)
            }
            _ => Seen::Unknown,
        }
    }

    /// What a value of type `ty` is in the views.
    pub(crate) fn in_views(layout: &Layout, ty: TypeId) -> Seen {
        let bytes = |count: u64| Seen::Array(Box::new(Seen::Word("u8".to_owned())), Some(count));
        match ctype::shape(layout, ty) {
            Shape::Scalar(scalar) | Shape::Enum(scalar) => Seen::Word(scalar.word().to_owned()),
            Shape::Array { element, count } => {
                Seen::Array(Box::new(Seen::in_views(layout, element)), Some(count))
            }
            Shape::Struct(..) => Seen::Structure,
            Shape::Union(..) => bytes(layout.size_of(ty).map_or(0, |size| size.0)),
            Shape::Opaque { bytes: count } => bytes(count),
        }
    }

    /// Whether a value that has to be this can be `found`.
    pub(crate) fn allows(&self, found: &Seen) -> bool {
        match (self, found) {
            (Seen::Unknown, _) | (_, Seen::Unknown) => true,
            (Seen::Word(word), Seen::Word(other)) => word == other,
            (Seen::Array(each, length), Seen::Array(other, found)) => {
                let lengths = length
                    .iter()
                    .zip(found)
                    .all(|(length, found)| length == found);
                lengths && each.allows(other)
            }
            // A structure that has no view of its own is its bytes.
            (Seen::Structure, Seen::Array(each, _)) => **each == Seen::Word("u8".to_owned()),
            (Seen::Structure, Seen::Structure) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Seen::Word(word) => f.write_str(word),
            Seen::Array(each, Some(length)) => write!(f, "[{each}; {length}]"),
            Seen::Array(each, None) => write!(f, "an array of {each}"),
            Seen::Structure => f.write_str("a structure"),
            Seen::ByValue => f.write_str("a value that is no reference"),
            Seen::Nothing => f.write_str("nothing"),
            Seen::Unknown => f.write_str("something"),
        }
    }
}

/// The number of an array's elements, where it is written as a number.
pub(super) fn length_of<N>(array: &syn::TypeArray) -> Option<N>
where
    N: std::str::FromStr<Err: fmt::Display>,
{
    match &array.len {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Int(length),
            ..
        }) => length.base10_parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn signature(text: &str) -> Signature {
        let function: syn::ItemFn = syn::parse_str(text).unwrap();
        Signature::of(String::from("f.rs"), &function.sig)
    }

    #[test]
    fn types_are_seen_as_far_as_they_show() {
        let seen = signature(
            "fn f(cx: &mut Context<'_>, at: &At<'_>, a: &U64, b: &[u8; 40], c: &old::s, d: bool,
             e: U32, f: &T, [g]: [usize; 1], h: &[U32; N]) -> [same::s; 4] {}",
        );
        let told: Vec<String> = seen.given.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "U64",
                "[u8; 40]",
                "a structure",
                "bool",
                "a value that is no reference",
                "something",
                "something",
                "an array of U32"
            ]
        );
        assert_eq!(seen.result.to_string(), "[a structure; 4]");
        assert_eq!(signature("fn f() {}").result, Seen::Nothing);
        assert_eq!(signature("fn f() -> Option<U64> {}").result, Seen::Unknown);
    }

    #[test]
    fn what_shows_to_be_another_type_is_none() {
        let word = |word: &str| Seen::Word(word.to_owned());
        let array = |each: Seen, length| Seen::Array(Box::new(each), length);
        assert!(word("U64").allows(&word("U64")) && word("U64").allows(&Seen::Unknown));
        for other in [
            word("I64"),
            Seen::Structure,
            Seen::ByValue,
            Seen::Nothing,
            array(word("U64"), Some(1)),
        ] {
            assert!(!word("U64").allows(&other), "{other}");
        }
        let four = array(word("u8"), Some(4));
        assert!(four.allows(&array(word("u8"), None)) && Seen::Structure.allows(&four));
        assert!(
            !four.allows(&array(word("u8"), Some(5))) && !four.allows(&array(word("i8"), Some(4)))
        );
        assert!(!Seen::Structure.allows(&word("U64")) && !four.allows(&Seen::Structure));
    }
}
