//! Where the entries of a state map stand in its file, by the words that messages name them with.

use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The line, from 1, of the byte at `offset` of `text`.
pub(super) fn line(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
}

/// Where the lines of a text end, so that a thousand places are not each counted from its start.
struct Ends(Vec<usize>);

impl Ends {
    fn of(text: &str) -> Ends {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Ends(ends.map(|(at, _)| at).collect())
    }

    /// As [`line`].
    fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

/// Lines by place: `[type.mm_struct.fields] pgd` for a key, `[type.mm_struct]` for a table, and
/// `[[root]] init_task` for a text in an entry of an array of tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines(BTreeMap<String, usize>);

impl Lines {
    /// Those of a text that is TOML; none of another.
    pub(super) fn of(text: &str) -> Lines {
        let mut lines = Lines::default();
        if let Ok(table) = DeTable::parse(text) {
            lines.table(&Ends::of(text), "", table.get_ref());
        }
        lines
    }

    fn table(&mut self, ends: &Ends, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = ends.line(key.span().start);
            let name: &str = key.get_ref();
            self.add(format!("[{path}] {name}"), at);
            let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let name = match name.chars().all(is_bare) {
                true => name.to_owned(),
                false => format!("{name:?}"),
            };
            let inner = match path {
                "" => name,
                path => format!("{path}.{name}"),
            };
            match value.get_ref() {
                DeValue::Table(table) => {
                    self.add(format!("[{inner}]"), at);
                    self.table(ends, &inner, table);
                }
                DeValue::Array(entries) => self.entries(ends, &inner, entries),
                _ => {}
            }
        }
    }

    fn entries(&mut self, ends: &Ends, path: &str, entries: &DeArray<'_>) {
        for entry in entries.iter() {
            if let DeValue::Table(table) = entry.get_ref() {
                for value in table.values() {
                    self.texts(ends, path, value);
                }
            }
        }
    }

    fn texts(&mut self, ends: &Ends, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(word) => {
                self.add(format!("[[{path}]] {word}"), ends.line(value.span().start));
            }
            DeValue::Array(all) => {
                for one in all.iter() {
                    self.texts(ends, path, one);
                }
            }
            _ => {}
        }
    }

    /// What is named twice is where it is named first.
    fn add(&mut self, place: String, line: usize) {
        self.0.entry(place).or_insert(line);
    }

    /// The line of a place, or of the nearest table around it; the first of the file, if there is
    /// none.
    pub(super) fn line(&self, place: &str) -> usize {
        if let Some(line) = self.0.get(place) {
            return *line;
        }
        // `[a.b] c.d`, `[a.b] c`, `[a.b]`, `[a]`.
        let outer = match place.split_once("] ") {
            Some((table, member)) => match member.rsplit_once('.') {
                Some((outer, _)) => format!("{table}] {outer}"),
                None => format!("{table}]"),
            },
            None => match place.trim_end_matches(']').rsplit_once('.') {
                Some((outer, _)) => format!("{outer}]"),
                None => return 1,
            },
        };
        self.line(&outer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "family = \"x\"

[[root]]
symbol = \"init_task\"
[type.task]
saved = true
[type.task.fields]
pid = { policy = \"carry\" }
[element.\"file *\"]
policy = \"follow\"
[[root]]
reason = \"task\"
";

    #[test]
    fn a_place_has_the_line_of_what_it_names() {
        let lines = Lines::of(TEXT);
        let places = [
            ("[type.task]", 5),
            ("[type.task.fields] pid", 8),
            ("[type.task.fields] pid.val", 8),
            ("[type.task.fields] comm", 7),
            ("[type.task.tail]", 5),
            ("[type.other]", 5),
            ("[element.\"file *\"]", 9),
            ("[[root]] init_task", 4),
            ("[[root]] task", 12),
            ("[[derived]] fpu", 1),
        ];
        for (place, line) in places {
            assert_eq!(lines.line(place), line, "{place}");
        }
        assert_eq!(Lines::of("no TOML"), Lines::default());
    }
}
