//! A function and its rules, as they are written down.

use super::EmitError;
use super::entry::Entry;
use super::group::Group;
use super::text::lines;
use proc_macro2::TokenStream;
use std::fmt::Write;

/// A function and its rules: whole groups first, then what is left.
pub(super) struct Written<'a> {
    pub(super) function: &'a str,
    pub(super) types: [&'a TokenStream; 2],
    pub(super) entries: &'a [Entry],
    /// Groups all of whose entries are among `entries`.
    pub(super) groups: &'a [&'a Group],
    /// Path of the groups' macros, and of their rules.
    pub(super) path: &'a str,
}

impl Written<'_> {
    pub(super) fn left(&self, first: bool) -> Vec<&Entry> {
        let in_group = |entry: &&Entry| {
            let mut all = self.groups.iter().flat_map(|group| &group.entries);
            all.any(|grouped| grouped.text == entry.text)
        };
        let entries = self.entries.iter().filter(|entry| entry.first == first);
        entries.filter(|entry| !in_group(entry)).collect()
    }

    /// The function, around its lines.
    pub(super) fn function(&self, body: &str) -> String {
        let [old, new] = self.types.map(|ty| ty.to_string().replace(" :: ", "::"));
        let [old, new] = [old, new].map(|ty| ty.replace(" ; ", "; "));
        let mut text = format!(
            "pub fn {}(ŋcx: &mut Context<'_>, ŋat: &At<'_>, ŋold: &{old}, ŋnew: &mut {new}) {{\n",
            self.function
        );
        for (name, ty) in [("Old", &old), ("New", &new)] {
            if ty.contains("::") {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "    use {ty} as {name};");
            }
        }
        text.push_str(body);
        text.push_str("}\n");
        text
    }

    /// The lines of the function, indented by `indent` spaces.
    pub(super) fn body(&self, indent: usize) -> Result<String, EmitError> {
        let mut text = String::new();
        for first in [true, false] {
            for group in self.groups.iter().filter(|g| g.entries[0].first == first) {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{:indent$}{}{}!(ŋcx, ŋat, ŋold, ŋnew);",
                    "", self.path, group.name
                );
            }
            text.push_str(&lines(&self.left(first), indent)?);
        }
        Ok(text)
    }

    /// The groups of rules.
    pub(super) fn rules(&self) -> String {
        let mut text = String::from("&[");
        for group in self.groups.iter().filter(|g| g.rules().next().is_some()) {
            // Writing to a string cannot fail.
            let _ = write!(text, "&{}{}, ", self.path, group.name.to_uppercase());
        }
        let left = [self.left(true), self.left(false)].concat();
        let left: Vec<&str> = left
            .into_iter()
            .map(|entry| entry.rule.as_str())
            .filter(|rule| !rule.is_empty())
            .collect();
        match left.as_slice() {
            [] => text.push(']'),
            left => {
                text.push_str("&[\n");
                for rule in left {
                    let _ = writeln!(text, "                {rule},");
                }
                text.push_str("            ]]");
            }
        }
        text
    }
}
