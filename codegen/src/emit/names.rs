//! Names and numbers in Rust.

use proc_macro2::Ident;
use quote::format_ident;

/// A number without a suffix.
pub(super) fn literal(value: u64) -> proc_macro2::Literal {
    proc_macro2::Literal::u64_unsuffixed(value)
}

/// A C name as a Rust identifier: keywords raw, where that is possible.
pub(super) fn ident(name: &str) -> Ident {
    // A word of the 2024 edition that syn takes for a name.
    if name != "gen" && syn::parse_str::<Ident>(name).is_ok() {
        return format_ident!("{name}");
    }
    match name {
        "self" | "super" | "crate" | "Self" | "_" => format_ident!("{name}_"),
        _ if is_plain(name) => format_ident!("r#{name}"),
        _ => format_ident!("{}", sanitized(name)),
    }
}

/// Whether `name` is an identifier but for being a keyword.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c == '_' || c.is_ascii_alphabetic())
        && chars.all(|c| c == '_' || c.is_ascii_alphanumeric())
}

/// A type's name as an identifier: `file *` is `file_pointer`.
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

/// The module, or the function, of a type: also the name of its file.
pub(super) fn module_name(name: &str) -> String {
    match sanitized(name) {
        // What no raw identifier can be, what is a file of every folder, and what is a module of its
        // own beside those of the types.
        name if matches!(
            name.as_str(),
            "self" | "super" | "crate" | "Self" | "_" | "mod" | "layouts" | "reasons" | "runtime"
        ) =>
        {
            format!("{name}_")
        }
        name => name,
    }
}

/// The name of a layout or release as part of an identifier: `6_12_117_deb12_amd64`.
pub(crate) fn version(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_named_as_its_file_and_not_as_another() {
        let all = [
            "bits", "type", "self", "mod", "layouts", "runtime", "file *",
        ];
        let names = all.map(module_name);
        assert_eq!(
            names,
            [
                "bits",
                "type",
                "self_",
                "mod_",
                "layouts_",
                "runtime_",
                "file_pointer"
            ]
        );
        for name in names {
            let ident = ident(&name).to_string();
            assert_eq!(ident.trim_start_matches("r#"), name);
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
        assert_eq!(
            version("6.12.117+deb12-rt-amd64"),
            "6_12_117_deb12_rt_amd64"
        );
    }
}
