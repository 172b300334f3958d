//! Names and numbers in Rust.

use crate::ctype::{self, Field};
pub(super) use crate::identifier::version;
use kernel_structs::layout::{CompositeKind, Layout, Type};
use proc_macro2::Ident;
use quote::format_ident;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

/// A number without a suffix.
pub(super) fn literal(value: u64) -> proc_macro2::Literal {
    proc_macro2::Literal::u64_unsuffixed(value)
}

/// A C name as a Rust identifier: keywords raw, where that is possible.
pub(super) fn ident(name: &str) -> Ident {
    // A value would take the method of the prelude before the accessor of this name.
    if matches!(name, "into" | "try_into") {
        return format_ident!("{name}_");
    }
    match name {
        // A member that has this name itself is a clash, of which `clashes` tells.
        "self" | "super" | "crate" | "Self" | "_" => format_ident!("{name}_"),
        _ if !is_plain(name) => format_ident!("{}", sanitized(name)),
        _ if KEYWORDS.contains(&name) => format_ident!("r#{name}"),
        _ => format_ident!("{name}"),
    }
}

/// The keywords that may be names when they are written raw; `gen` is one of the 2024 edition, which syn takes for a name.
const KEYWORDS: [&str; 48] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// Whether `name` is an identifier but for being a keyword.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// A field's path as an identifier, which others may have as well: `rseq.len` is `rseq_len`.
pub(super) fn sanitized(name: &str) -> String {
    if is_plain(name) {
        return name.to_owned();
    }
    let mut plain = String::new();
    for c in name.replace('*', " pointer ").chars() {
        match c {
            '_' => plain.push('_'),
            c if c.is_ascii_alphanumeric() => plain.push(c),
            _ if plain.ends_with('_') => {}
            _ => plain.push('_'),
        }
    }
    let plain = plain.trim_end_matches('_');
    let first_is_digit = plain.starts_with(|c: char| c.is_ascii_digit());
    if plain.is_empty() || first_is_digit {
        format!("_{plain}")
    } else {
        plain.to_owned()
    }
}

/// What no module of a type can be called: what [`ident`] makes another name of, what is a file of every
/// folder, what is a module of its own beside those of the types, and what a page has beside the
/// functions that are named after their modules.
const RESERVED: [&str; 15] = [
    "into",
    "try_into",
    "self",
    "super",
    "crate",
    "Self",
    "mod",
    "layouts",
    "reasons",
    "runtime",
    "carry",
    "CHANGED",
    "CONVERTER",
    "kconv_runtime",
    "kernel_structs_views",
];

/// The module, or the function, of a type: also the name of its file. No two types have the same,
/// and that of a type depends on nothing but its name.
///
/// A name of C is its own, `file *` is `file_pointer`, `unsigned long` is `unsigned_long`, the second
/// structure that a plan calls `s` is `s__2`, and any other text has the characters that are no part
/// of an identifier behind `__x`. A name of C that reads like one of those, or that is reserved, has a
/// `_` more at its end.
pub(super) fn module_name(name: &str) -> String {
    if is_plain(name) {
        return match is_reserved(name) || reads_like_made(name) {
            true => format!("{name}_"),
            false => name.to_owned(),
        };
    }
    if let Some(target) = name.strip_suffix(" *").filter(|target| is_plain(target)) {
        return format!("{target}_pointer");
    }
    if name.contains(' ') && are_words_of_integers(name, ' ') {
        return name.replace(' ', "_");
    }
    let numbered = name
        .strip_suffix(')')
        .and_then(|name| name.split_once(" ("));
    if let Some((base, number)) = numbered.filter(|(base, number)| {
        is_plain(base) && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    }) {
        return format!("{base}__{number}");
    }
    let (mut plain, mut codes) = (String::new(), String::new());
    // One `_` more than there are codes tells this one from those of the text.
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        plain.push('_');
    }
    for byte in name.bytes() {
        match byte.is_ascii_alphanumeric() {
            true => plain.push(char::from(byte)),
            false => {
                plain.push('_');
                // Writing to a string cannot fail.
                let _ = write!(codes, "{byte:02x}");
            }
        }
    }
    format!("{plain}__x{codes}")
}

/// Whether the parts of a text are all words that C makes integer types of.
fn are_words_of_integers(text: &str, between: char) -> bool {
    let is_one = |word: &str| {
        matches!(
            word,
            "unsigned" | "signed" | "long" | "short" | "int" | "char"
        )
    };
    text.split(between).all(is_one)
}

fn is_reserved(name: &str) -> bool {
    let base = name.trim_end_matches('_');
    base.is_empty() || RESERVED.contains(&base)
}

/// Whether a name of C could be what [`module_name`] makes of a text that is none.
fn reads_like_made(name: &str) -> bool {
    let base = name.trim_end_matches('_');
    let end = base.rsplit_once("__").map(|(_, end)| end);
    let is_number = |end: &str| end.bytes().all(|byte| byte.is_ascii_digit());
    let is_codes = |end: &str| {
        let codes = end.strip_prefix('x');
        codes.is_some_and(|codes| codes.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let is_integer = base.contains('_') && are_words_of_integers(base, '_');
    is_integer
        || base.ends_with("_pointer")
        || end.is_some_and(|end| is_number(end) || is_codes(end))
}

/// Two things of one structure that would have one name in Rust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameClash {
    /// The structure.
    pub ty: String,
    /// What is called so.
    pub parts: [String; 2],
    /// The name.
    pub name: String,
}

impl fmt::Display for NameClash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = &self.parts;
        write!(
            f,
            "{}: {first} and {second} would both be `{}` in Rust",
            self.ty, self.name
        )
    }
}

/// What generated code calls on every structure, which an accessor of the same name would hide.
const CALLED: [&str; 3] = ["as_bytes", "as_mut_bytes", "zeroed"];

/// Members of the structures of `layout` that cannot be told apart in Rust: those whose names become
/// one because a word of Rust is among them, and bit-fields whose accessors have the name of another's
/// or of what generated code calls. Kernels have none so far; whoever adds one that has is told, before
/// the compiler says it of a file that nobody wrote.
pub fn clashes(layout: &Layout) -> Vec<NameClash> {
    let mut clashes = Vec::new();
    for (id, ty) in layout.types() {
        if let Type::Composite(composite) = ty
            && composite.kind == CompositeKind::Struct
        {
            let fields = ctype::fields(layout, composite);
            clashes.extend(clashes_of(&layout.type_name(id), &fields));
        }
    }
    clashes
}

fn clashes_of(ty: &str, fields: &[Field]) -> Vec<NameClash> {
    let mut clashes = Vec::new();
    let mut members: BTreeMap<String, String> = BTreeMap::new();
    let mut accessors: BTreeMap<String, String> = CALLED
        .iter()
        .map(|name| {
            (
                (*name).to_owned(),
                "what is called on every structure".to_owned(),
            )
        })
        .collect();
    let mut add = |taken: &mut BTreeMap<String, String>, name: String, part: String| {
        if let Some(first) = taken.get(&name) {
            clashes.push(NameClash {
                ty: ty.to_owned(),
                parts: [first.clone(), part],
                name,
            });
        } else {
            taken.insert(name, part);
        }
    };
    for field in fields {
        let name = ident(&field.name).to_string();
        if field.bit_field {
            let [getter, setter] = [
                (
                    name,
                    format!("the getter of the bit-field `{}`", field.name),
                ),
                (
                    format!("set_{}", field.name),
                    format!("the setter of the bit-field `{}`", field.name),
                ),
            ];
            add(&mut accessors, getter.0, getter.1);
            add(&mut accessors, setter.0, setter.1);
        } else {
            add(&mut members, name, format!("the member `{}`", field.name));
        }
    }
    clashes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kernel_structs::releases::Registry;
    use proptest::prelude::*;

    #[test]
    fn a_word_is_raw_if_it_is_no_name_by_itself() {
        for word in KEYWORDS {
            let parsed = syn::parse_str::<Ident>(word);
            assert!(parsed.is_err() || word == "gen", "{word}");
            let raw = syn::parse_str::<Ident>(&format!("r#{word}"));
            assert_eq!(ident(word), raw.unwrap(), "{word}");
        }
        for name in [
            "union",
            "auto",
            "safe",
            "raw",
            "macro_rules",
            "default",
            "dynamic",
            "genre",
        ] {
            let parsed: Ident = syn::parse_str(name).unwrap();
            assert_eq!(ident(name), parsed, "{name}");
        }
    }

    #[test]
    fn a_module_is_named_as_its_file_and_not_as_another() {
        let names = [
            ("bits", "bits"),
            ("type", "type"),
            ("self", "self_"),
            ("into", "into_"),
            ("try_into", "try_into_"),
            ("self_", "self__"),
            ("mod", "mod_"),
            ("layouts", "layouts_"),
            ("runtime", "runtime_"),
            ("reasons", "reasons_"),
            ("file *", "file_pointer"),
            ("file_pointer", "file_pointer_"),
            ("s (2)", "s__2"),
            ("s__2", "s__2_"),
            ("unsigned long", "unsigned_long"),
            ("unsigned_long", "unsigned_long_"),
            ("unsigned  long", "unsigned__long__x2020"),
            ("unsigned_long__x20", "unsigned_long__x20_"),
            ("8bit", "_8bit__x"),
            ("", "___x"),
        ];
        for (name, module) in names {
            assert_eq!(module_name(name), module);
            let ident = ident(module).to_string();
            assert_eq!(ident.trim_start_matches("r#"), module);
        }
    }

    #[test]
    fn words_of_rust_are_raw_and_what_is_no_name_becomes_one() {
        let all = ["gen", "type", "self", "file *", "8bit", "__state"];
        let names = all.map(|name| ident(name).to_string());
        assert_eq!(
            names,
            [
                "r#gen",
                "r#type",
                "self_",
                "file_pointer",
                "_8bit",
                "__state"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_two_types_have_one_module(
            one in "(a|_|s|long|int|8|\\*| |\\(|\\)|2|_pointer|__2|__x|20|self|mod){0,5}",
            other in "(a|_|s|long|int|8|\\*| |\\(|\\)|2|_pointer|__2|__x|20|self|mod){0,5}",
        ) {
            let names = [&one, &other].map(|name| module_name(name));
            prop_assert_eq!(names[0] == names[1], one == other, "{:?}", names);
            for name in names {
                let ident = ident(&name).to_string();
                prop_assert_eq!(ident.trim_start_matches("r#"), name);
            }
        }
    }

    /// None of the kernels that are known has members that cannot be told apart.
    #[test]
    fn stored_layouts_have_no_clashes() {
        let registry = Registry::builtin().unwrap();
        for entry in registry.layouts() {
            let layout = registry.layout(&entry.id).unwrap();
            let live = registry.state_map(&entry.family).unwrap().live(&layout);
            assert_eq!(clashes(&live), [], "{}", entry.id);
        }
    }
}
