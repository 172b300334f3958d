//! What tokens before a brace or around a declaration say: tags, names, macros, attributes.

use crate::check::declare;
use crate::check::item::TypeKind;
use crate::check::lex::is_name;
use crate::check::macros;

/// Kind and tag of the type whose members a brace opens behind `tokens`, and where it begins.
pub(super) fn type_head<'t>(tokens: &[&'t str]) -> Option<(TypeKind, &'t str, usize)> {
    if let Some((keyword, tag)) = macros::head(tokens) {
        let kind = match keyword {
            "union" => TypeKind::Union,
            "enum" => TypeKind::Enum,
            _ => TypeKind::Struct,
        };
        return Some((kind, tag, 0));
    }
    let at = tokens
        .iter()
        .rposition(|token| matches!(*token, "struct" | "union" | "enum"))?;
    let kind = match tokens[at] {
        "struct" => TypeKind::Struct,
        "union" => TypeKind::Union,
        _ => TypeKind::Enum,
    };
    let mut tag = "";
    let mut depth = 0usize;
    for token in &tokens[at + 1..] {
        match *token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            // The type of an enumeration: `enum tag : u8 {`.
            ":" if kind == TypeKind::Enum && depth == 0 => break,
            _ if depth > 0 => {}
            word if declare::places(word) => {}
            word if is_name(word) && tag.is_empty() => tag = word,
            _ => return None,
        }
    }
    Some((kind, tag, at))
}

/// The name before the first bracket that no attribute has.
pub(super) fn function_name<'t>(tokens: &[&'t str]) -> &'t str {
    let mut last = "";
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" if !declare::places(last) => return last,
            _ if is_name(token) => last = tokens[at],
            _ => {}
        }
    }
    last
}

/// Arguments of a `struct_group()` before its members; `None` for any other text.
pub(super) fn group_arguments(text: &str) -> Option<u8> {
    match text {
        "struct_group" => Some(1),
        "struct_group_attr" | "struct_group_tagged" => Some(2),
        "__struct_group" => Some(3),
        _ => None,
    }
}

/// Number of tokens at the start that are a macro without a semicolon, on a line of its own.
pub(super) fn macro_before(tokens: &[&str], alone: usize) -> Option<usize> {
    if alone == 0 || alone >= tokens.len() || !is_name(tokens[0]) {
        return None;
    }
    let one = alone == 1 || tokens.get(1) == Some(&"(") && tokens[alone - 1] == ")";
    let word = tokens[0];
    if !one
        || matches!(
            word,
            "struct" | "union" | "enum" | "unsigned" | "signed" | "const"
        )
    {
        return None;
    }
    // A type on its own line is followed by a name alone.
    let names = tokens[alone..]
        .iter()
        .take_while(|token| !matches!(**token, "[" | ":" | "("))
        .filter(|token| is_name(token));
    (names.count() >= 2).then_some(alone)
}

/// The attributes of a type among the tokens around its braces.
pub(super) fn whole(tokens: &[&str]) -> String {
    let tokens = tokens.strip_prefix(&["typedef"]).unwrap_or(tokens);
    let declared = declare::declared(tokens);
    declared
        .into_iter()
        .next()
        .map_or_else(String::new, |declared| declared.placed)
}
