//! Entries that are in the same functions, written down once.

use super::EmitError;
use super::entry::Entry;
use super::names::sanitized;
use super::text::{Names, lines, named};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Fewer entries are written out where they are needed.
pub(super) const SMALLEST_GROUP: usize = 3;

/// Entries that are in the same functions.
pub(super) struct Group {
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
    /// The functions, by their place in what is carried of the type.
    pub(super) members: Vec<usize>,
}

impl Group {
    /// A name after the first field of which no other group has its name. Its rules go by the name
    /// in capitals, so `taken` are capitals.
    pub(super) fn free_name(&self, always: bool, taken: &BTreeSet<String>) -> String {
        let first = self.entries[0].first;
        if always {
            return if first { "cleared" } else { "always" }.to_owned();
        }
        let named = |entry: &Entry| {
            let field = sanitized(&entry.field);
            let word = if first { "cleared" } else { "with" };
            format!("{word}_{}", field.trim_start_matches('_'))
        };
        let fields = self.entries.iter().filter(|entry| !entry.is_padding());
        let mut names: Vec<String> = fields.map(named).collect();
        let base = names
            .first()
            .cloned()
            .unwrap_or_else(|| "with_padding".to_owned());
        names.extend(
            (2..)
                .take(taken.len() + 1)
                .map(|number| format!("{base}_{number}")),
        );
        let is_free = |name: &String| !taken.contains(&name.to_uppercase());
        let free = names.into_iter().find(is_free);
        free.unwrap_or(base)
    }

    /// The macro with the lines, which the crate exports as `exported`, and the rules.
    pub(super) fn text(
        &self,
        exported: &str,
        [in_function, in_macro]: [&Names<'_>; 2],
    ) -> Result<String, EmitError> {
        let entries: Vec<&Entry> = self.entries.iter().collect();
        let body = lines(&entries, 8)?;
        let name = &self.name;
        let mut text = format!(
            "
#[doc(hidden)]
#[macro_export]
macro_rules! {exported} {{
    ($cx:ident, $at:ident, $old:ident, $new:ident) => {{
{}    }};
}}
pub use {exported} as {name};
",
            named(&body, in_macro)
        );
        let rules: Vec<&str> = self.rules().collect();
        if !rules.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\npub static {}: [FieldRule; {}] = [\n",
                name.to_uppercase(),
                rules.len()
            );
            for rule in rules {
                let _ = writeln!(text, "    {},", named(rule, in_function));
            }
            text.push_str("];\n");
        }
        Ok(text)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &str> {
        let rules = self.entries.iter().map(|entry| entry.rule.as_str());
        rules.filter(|rule| !rule.is_empty())
    }
}
