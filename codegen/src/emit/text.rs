//! Code as text: comments, which token streams cannot hold, and the names of what is outside of a
//! line.

use super::EmitError;
use super::entry::Entry;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

/// Longest line of a comment.
const WIDTH: usize = 96;

/// What stands in a line for what it does not know.
pub(super) struct Names<'a> {
    /// Before the names of a function's parameters: nothing, or `$` in a macro.
    pub(super) parameter: &'a str,
    /// Path of the engine's macros, up to and with the last colons.
    pub(super) runtime: &'a str,
    /// Path of the structures.
    pub(super) views: &'a str,
    /// Path of the functions of types that are carried.
    pub(super) carry: &'a str,
}

/// Puts names into `text`. What stands for them begins with a letter that no name in C has, so that
/// a member called `__new` is left alone.
pub(super) fn named(text: &str, names: &Names<'_>) -> String {
    let mut text = text.to_owned();
    for parameter in ["cx", "at", "old", "new"] {
        let name = format!("{}{parameter}", names.parameter);
        text = text.replace(&format!("ŋ{parameter}"), &name);
    }
    text.replace("ŋrt::", names.runtime)
        .replace("ŋviews", names.views)
        .replace("ŋcarry", names.carry)
}

/// Comments of a piece of code. A marker statement stands for each until the code is formatted.
#[derive(Default)]
pub(super) struct Comments {
    texts: Vec<String>,
}

impl Comments {
    /// A statement that becomes the comment `text`; nothing if the text is empty.
    fn statement(&mut self, text: &str) -> TokenStream {
        if text.is_empty() {
            return TokenStream::new();
        }
        let marker = format_ident!("{MARKER}{}", self.texts.len());
        self.texts.push(text.to_owned());
        quote!(#marker;)
    }

    /// The lines of entries, a comment above the first of those that share it.
    fn lines(&mut self, entries: &[&Entry]) -> TokenStream {
        let mut lines = TokenStream::new();
        let mut said = "";
        for entry in entries.iter().filter(|entry| !entry.code.is_empty()) {
            if entry.comment != said {
                lines.extend(self.statement(&entry.comment));
            }
            said = &entry.comment;
            lines.extend(entry.code.clone());
        }
        // What is done elsewhere may be all that there is to say.
        for entry in entries.iter().filter(|entry| entry.code.is_empty()) {
            if entry.is_tail {
                lines.extend(self.statement(&entry.comment));
            }
        }
        lines
    }
}

const MARKER: &str = "__kconv_comment_";

/// Formats code and puts its comments in.
fn rust(code: TokenStream, comments: &Comments) -> Result<String, EmitError> {
    let formatted = prettyplease::unparse(&syn::parse2(code)?);
    let mut text = String::with_capacity(formatted.len());
    for line in formatted.lines() {
        let code = line.trim_start();
        let number = code
            .strip_prefix(MARKER)
            .and_then(|rest| rest.strip_suffix(';'));
        let comment = number
            .and_then(|number| number.parse::<usize>().ok())
            .and_then(|number| comments.texts.get(number));
        match comment {
            Some(comment) => wrap(comment, line.len() - code.len(), &mut text),
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// The statements of `body`, formatted, indented by `indent` spaces.
fn statements(body: TokenStream, comments: &Comments, indent: usize) -> Result<String, EmitError> {
    let text = rust(quote!(fn f() { #body }), comments)?;
    let lines: Vec<&str> = text.lines().collect();
    let inner = lines.get(1..lines.len().saturating_sub(1));
    let mut text = String::new();
    for line in inner.unwrap_or_default() {
        let line = line.strip_prefix("    ").unwrap_or(line);
        if !line.is_empty() {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// The lines of entries, with their comments, indented by `indent` spaces.
pub(super) fn lines(entries: &[&Entry], indent: usize) -> Result<String, EmitError> {
    let mut comments = Comments::default();
    statements(comments.lines(entries), &comments, indent)
}

/// Writes `comment` as lines of `//`, indented.
fn wrap(comment: &str, indent: usize, text: &mut String) {
    let start = format!("{:indent$}//", "");
    let mut line = start.clone();
    for word in comment.split_whitespace() {
        if line.len() + 1 + word.chars().count() > WIDTH && line.len() > start.len() {
            text.push_str(&line);
            text.push('\n');
            line.clone_from(&start);
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

/// The part of a reason that a line of code needs: its first clause.
pub(super) fn short(reason: &str) -> &str {
    let end = [";", " ("]
        .iter()
        .filter_map(|mark| reason.find(mark))
        .min();
    &reason[..end.unwrap_or(reason.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_put_where_their_markers_stood() {
        let mut comments = Comments::default();
        let long = "word ".repeat(30);
        let (first, second) = (comments.statement("why"), comments.statement(&long));
        let code = quote!(#first a = b; #second c = d;);
        let text = statements(code, &comments, 4).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["    // why", "    a = b;"]);
        assert!(lines[2].starts_with("    // word word") && lines[2].len() <= WIDTH);
        assert!(lines[3].starts_with("    // word"));
        assert!(!text.contains(MARKER));
    }

    #[test]
    fn names_are_put_in_where_a_line_stands() {
        let names = Names {
            parameter: "$",
            runtime: "$crate::",
            views: "views",
            carry: "$crate::linux",
        };
        let text = "ŋnew.__new = ŋcarry::f(ŋcx, &ŋrt::at!(ŋat.__new), cx);";
        assert_eq!(
            named(text, &names),
            "$new.__new = $crate::linux::f($cx, &$crate::at!($at.__new), cx);"
        );
    }

    #[test]
    fn a_short_reason_is_the_first_clause() {
        assert_eq!(short("parent; the tracer while traced"), "parent");
        assert_eq!(short("unlocked (include/linux: X)"), "unlocked");
        assert_eq!(short("parent"), "parent");
    }
}
