//! What fields and functions can be called.

use super::OverrideProblem;
use kernel_structs::nearest::nearest;

/// Whether `field` is `type.member`.
pub(super) fn is_field(field: &str) -> bool {
    field.split_once('.').is_some_and(|(ty, member)| {
        !ty.is_empty() && !member.is_empty() && !field.contains(char::is_whitespace)
    })
}

/// Whether a function can have the name.
pub(super) fn is_identifier(name: &str) -> bool {
    syn::parse_str::<syn::Ident>(name).is_ok()
}

/// Whether `field` stands in the file of its type.
pub(super) fn in_its_file(field: &str, file: &str) -> Result<(), OverrideProblem> {
    let Some((ty, member)) = field.split_once('.') else {
        return Ok(());
    };
    let expected = format!("{ty}.toml");
    match file == expected {
        true => Ok(()),
        false => Err(OverrideProblem::WrongFile {
            field: field.to_owned(),
            expected,
            meant: nearest(ty, file.strip_suffix(".toml")).map(|ty| format!("{ty}.{member}")),
        }),
    }
}
