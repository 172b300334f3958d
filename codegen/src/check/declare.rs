//! Declarations of members and typedefs: which name, of which type, with which width or length.

use super::lex::is_name;

/// One declared name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Declared {
    /// The name; empty where there is none, as of padding bits.
    pub(super) name: String,
    /// The declaration without annotations that change no layout, one space between tokens.
    pub(super) text: String,
    /// What stands between brackets, and behind the colon of a bit-field.
    pub(super) length: String,
    /// The type: everything but name, length and annotations.
    pub(super) ty: String,
    /// Attributes that change where the member lies.
    pub(super) placed: String,
    /// It is a function, which no member is.
    pub(super) function: bool,
}

/// Words of a basic type.
const BASIC: [&str; 13] = [
    "void",
    "char",
    "short",
    "int",
    "long",
    "float",
    "double",
    "signed",
    "unsigned",
    "_Bool",
    "bool",
    "__signed__",
    "__int128",
];

/// Words that change no layout.
const NEUTRAL: [&str; 22] = [
    "const",
    "volatile",
    "restrict",
    "__restrict",
    "__const",
    "__volatile__",
    "__user",
    "__kernel",
    "__rcu",
    "__iomem",
    "__percpu",
    "__force",
    "__private",
    "__nocast",
    "__bitwise",
    "__safe",
    "__ro_after_init",
    "__read_mostly",
    "__maybe_unused",
    "__cacheline_group_begin",
    "extern",
    "static",
];

/// Annotations with an argument that change no layout.
const NEUTRAL_CALLS: [&str; 8] = [
    "__counted_by",
    "__counted_by_ptr",
    "__counted_by_le",
    "__counted_by_be",
    "__guarded_by",
    "__nonstring",
    "__diagnose_as",
    "__pt_guarded_by",
];

/// What attributes have in them by which a member or type lies otherwise, or is of another size.
const PLACING: [&str; 7] = [
    "align",
    "packed",
    "mode",
    "vector_size",
    "scalar_storage_order",
    "ms_struct",
    "gcc_struct",
];

/// Whether `token` says where something lies: `__packed`, `____cacheline_aligned`.
pub(super) fn places(token: &str) -> bool {
    token.starts_with("__") && (token.contains("aligned") || token.contains("packed"))
        || matches!(
            token,
            "__attribute__" | "__attribute" | "_Alignas" | "__randomize_layout"
        )
}

/// Splits a declaration without its semicolon into the names that it declares.
///
/// `inner` is how the text calls a structure that was declared in it, if there is one.
pub(super) fn declared(tokens: &[&str]) -> Vec<Declared> {
    let parts = split(tokens);
    let Some((first, rest)) = parts.split_first() else {
        return Vec::new();
    };
    let base = base_length(first);
    let mut all = vec![one(&first[..base], &first[base..])];
    all.extend(rest.iter().map(|part| one(&first[..base], part)));
    all
}

/// Splits at commas outside of brackets.
pub(super) fn split<'a, 'b>(tokens: &'a [&'b str]) -> Vec<&'a [&'b str]> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0usize, 0usize);
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < tokens.len() {
        parts.push(&tokens[start..]);
    }
    parts
}

/// Number of tokens that are the type, before the first name with its stars.
fn base_length(tokens: &[&str]) -> usize {
    let (mut at, mut typed) = (0, false);
    while let Some(token) = tokens.get(at) {
        match *token {
            "struct" | "union" | "enum" if !typed => {
                at += 1;
                while tokens.get(at).is_some_and(|token| is_annotation(token)) {
                    at = past(tokens, at);
                }
                at += 1;
                typed = true;
            }
            "typeof" | "__typeof__" | "_Atomic" if !typed => {
                at = past(tokens, at);
                typed = true;
            }
            word if BASIC.contains(&word) => {
                at += 1;
                typed = true;
            }
            word if is_annotation(word) => at = past(tokens, at),
            word if !typed && is_name(word) => {
                // A macro that declares a member by itself has no type before it.
                if tokens.get(at + 1) == Some(&"(") && past(tokens, at) >= tokens.len() {
                    return 0;
                }
                at += 1;
                typed = true;
            }
            _ => break,
        }
    }
    at.min(tokens.len())
}

/// Whether `token` is an annotation, which is no part of a type.
pub(super) fn is_annotation(token: &str) -> bool {
    NEUTRAL.contains(&token) || NEUTRAL_CALLS.contains(&token) || places(token)
}

/// Whether `name` is what guards a header: `_LINUX_SCHED_H`.
pub(super) fn is_guard(name: &str) -> bool {
    name.trim_end_matches('_').ends_with("_H")
}

/// The place behind the word at `at` and the brackets that follow it.
fn past(tokens: &[&str], at: usize) -> usize {
    if tokens.get(at + 1) != Some(&"(") {
        return at + 1;
    }
    let mut depth = 0usize;
    for (place, token) in tokens.iter().enumerate().skip(at + 1) {
        match *token {
            "(" => depth += 1,
            ")" if depth <= 1 => return place + 1,
            ")" => depth -= 1,
            _ => {}
        }
    }
    tokens.len()
}

fn one(base: &[&str], declarator: &[&str]) -> Declared {
    let mut declared = Declared::default();
    let mut ty: Vec<&str> = Vec::new();
    plain(base, &mut ty, &mut declared.placed);
    let mut own: Vec<&str> = Vec::new();
    plain(declarator, &mut own, &mut declared.placed);
    if let [
        "DECLARE_FLEX_ARRAY" | "__DECLARE_FLEX_ARRAY",
        "(",
        arguments @ ..,
        ")",
    ] = own.as_slice()
        && let [element, [name]] = split(arguments).as_slice()
    {
        // include/uapi/linux/stddef.h: an array where C allows none.
        declared.name = (*name).to_owned();
        declared.ty = canonical(element);
        declared.length = "[ ]".to_owned();
        declared.text = format!("{} {name} [ ]", declared.ty);
        return declared;
    }
    if let Some((name, arguments)) = macro_call(base, &own) {
        declared.name = name;
        declared.text = own.join(" ");
        declared.ty = own.first().copied().unwrap_or_default().to_owned();
        declared.length = arguments;
        return declared;
    }
    let name = own.iter().position(|token| is_name(token));
    let end = own.len();
    // A macro may stand for a name, and macros are in capitals.
    declared.function = name.is_some_and(|name| {
        let lower = own[name].bytes().any(|byte| byte.is_ascii_lowercase());
        lower && own.get(name + 1) == Some(&"(") && !base.is_empty()
    });
    let from = name.map_or(0, |name| name + 1);
    let bits = own[from.min(end)..].iter().position(|token| *token == ":");
    let array = own[from.min(end)..].iter().position(|token| *token == "[");
    let cut = from + bits.or(array).unwrap_or(end - from.min(end));
    declared.name = name.map_or("", |name| own[name]).to_owned();
    declared.length = own[cut.min(end)..].join(" ");
    let before = own[..name.unwrap_or(cut).min(end)].iter();
    ty.extend(before.chain(&own[from.min(cut).min(end)..cut.min(end)]));
    declared.ty = canonical(&ty);
    declared.text = [declared.ty.as_str(), &declared.name, &declared.length]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    declared
}

/// The integers that the kernel and its users call by several names: the same type, whichever is
/// written (`include/uapi/asm-generic/int-ll64.h`, `include/asm-generic/int-ll64.h`,
/// `include/linux/types.h`).
pub(super) fn integer(word: &str) -> Option<&'static str> {
    Some(match word {
        "__u8" | "uint8_t" | "u_int8_t" => "u8",
        "__u16" | "uint16_t" | "u_int16_t" => "u16",
        "__u32" | "uint32_t" | "u_int32_t" => "u32",
        "__u64" | "uint64_t" | "u_int64_t" => "u64",
        "__s8" | "int8_t" => "s8",
        "__s16" | "int16_t" => "s16",
        "__s32" | "int32_t" => "s32",
        "__s64" | "int64_t" => "s64",
        _ => return None,
    })
}

/// A type in one of the ways to write it.
fn canonical(ty: &[&str]) -> String {
    if let Some((name, rest)) = ty.split_first()
        && let Some(name) = integer(name)
    {
        return [&[name], rest].concat().join(" ");
    }
    let count = ty.iter().take_while(|word| BASIC.contains(word)).count();
    let (basic, rest) = ty.split_at(count);
    if basic.len() < 2 && !matches!(basic.first(), Some(&"unsigned" | &"signed")) {
        return ty.join(" ");
    }
    let has = |word: &str| basic.contains(&word);
    let longs = basic.iter().filter(|word| **word == "long").count();
    let size = match longs {
        _ if has("char") => "char",
        _ if has("short") => "short",
        0 => "int",
        1 => "long",
        _ => "long long",
    };
    let size = if has("__int128") { "__int128" } else { size };
    let sign = match (has("unsigned"), has("char") && has("signed")) {
        (true, _) => "unsigned ",
        (_, true) => "signed ",
        _ => "",
    };
    std::iter::once(format!("{sign}{size}"))
        .chain(rest.iter().map(|word| (*word).to_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The tokens that are part of no annotation.
pub(super) fn without_annotations<'t>(tokens: &[&'t str]) -> Vec<&'t str> {
    let mut kept = Vec::new();
    plain(tokens, &mut kept, &mut String::new());
    kept
}

/// Leaves out annotations; what places a member goes to `placed`.
fn plain<'a>(tokens: &[&'a str], kept: &mut Vec<&'a str>, placed: &mut String) {
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        if !is_annotation(token) {
            kept.push(token);
            at += 1;
            continue;
        }
        let end = past(tokens, at);
        let is_placing = |text: &String| PLACING.iter().any(|word| text.contains(word));
        let texts = attributes(&tokens[at..end]).into_iter();
        for text in texts.filter(|_| places(token)).filter(is_placing) {
            if !placed.is_empty() {
                placed.push(' ');
            }
            placed.push_str(&text);
        }
        at = end;
    }
}

/// The attributes of one annotation, each as the macro for it is written
/// (`include/linux/compiler_attributes.h`).
fn attributes(tokens: &[&str]) -> Vec<String> {
    let inside = |from: usize| tokens.get(from..tokens.len().saturating_sub(from - 1));
    match tokens {
        ["__attribute__" | "__attribute", "(", "(", .., ")", ")"] => {
            let each = split(inside(3).unwrap_or_default()).into_iter();
            each.map(|attribute| {
                let (name, arguments) = attribute.split_first().unwrap_or((&"", &[]));
                let name = name.trim_matches('_');
                let words = std::iter::once(format!("__{name}"));
                let words = words.chain(arguments.iter().map(|word| (*word).to_owned()));
                words.collect::<Vec<_>>().join(" ")
            })
            .collect()
        }
        ["_Alignas", arguments @ ..] => vec![format!("__aligned {}", arguments.join(" "))],
        _ => vec![tokens.join(" ")],
    }
}

/// The name in a macro that declares a member, and its arguments: `DECLARE_BITMAP(name, bits)`.
fn macro_call(base: &[&str], own: &[&str]) -> Option<(String, String)> {
    let (name, rest) = own.split_first()?;
    if !base.is_empty() || !is_name(name) || rest.first() != Some(&"(") {
        return None;
    }
    if rest.get(1) == Some(&"*") {
        return None;
    }
    let inner = &rest[1..rest.len().saturating_sub(1).max(1)];
    let arguments: Vec<String> = split(inner).iter().map(|part| part.join(" ")).collect();
    let named = match *name {
        name if name.starts_with("DECLARE_") => arguments.first(),
        _ => None,
    };
    let text = inner.join(" ");
    Some((
        named.cloned().unwrap_or_else(|| format!("{name}({text})")),
        text,
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(text: &str) -> Vec<(String, String)> {
        let tokens: Vec<&str> = text.split(' ').collect();
        let all = declared(&tokens);
        all.into_iter().map(|one| (one.name, one.text)).collect()
    }

    fn one_of(text: &str, name: &str, declared: &str) {
        assert_eq!(of(text), [(name.to_owned(), declared.to_owned())], "{text}");
    }

    #[test]
    fn names_are_found_among_annotations() {
        one_of(
            "struct task_struct __rcu * real_parent",
            "real_parent",
            "struct task_struct * real_parent",
        );
        one_of("unsigned int __state", "__state", "unsigned int __state");
        one_of("__u32 __reserved", "__reserved", "u32 __reserved");
        one_of(
            "spinlock_t lock ____cacheline_aligned_in_smp",
            "lock",
            "spinlock_t lock",
        );
        one_of(
            "int ( * fn ) ( struct foo * , int )",
            "fn",
            "int ( * ) ( struct foo * , int ) fn",
        );
        one_of(
            "unsigned dumpable : 2",
            "dumpable",
            "unsigned int dumpable : 2",
        );
        one_of(
            "char comm [ TASK_COMM_LEN ]",
            "comm",
            "char comm [ TASK_COMM_LEN ]",
        );
        one_of(
            "DECLARE_BITMAP ( bits , 64 )",
            "bits",
            "DECLARE_BITMAP ( bits , 64 )",
        );
        one_of("long unsigned int x", "x", "unsigned long x");
        one_of("unsigned : 0", "", "unsigned int : 0");
        one_of(
            "struct foo x [ ] __counted_by ( n )",
            "x",
            "struct foo x [ ]",
        );
    }

    #[test]
    fn one_declaration_has_several_names() {
        let all: Vec<String> = of("unsigned long a , * b , c [ 3 ]")
            .into_iter()
            .map(|one| one.1)
            .collect();
        assert_eq!(
            all,
            [
                "unsigned long a",
                "unsigned long * b",
                "unsigned long c [ 3 ]"
            ]
        );
    }
}
