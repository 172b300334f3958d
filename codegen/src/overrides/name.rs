//! What fields and functions can be called.

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
