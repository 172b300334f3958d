//! Where the entries of a state map stand in its file, by the words that messages name them with.

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Arc, OnceLock};
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

/// Lines by place: `[type.mm_struct.fields] pgd` for a key, `[type.mm_struct]` for a table, and
/// `[[root]] init_task` for a text in an entry of an array of tables. They are looked for when the first
/// is asked for, which nobody does of a map without mistakes.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    text: Arc<str>,
    found: OnceLock<BTreeMap<String, usize>>,
}

impl PartialEq for Lines {
    fn eq(&self, other: &Lines) -> bool {
        self.text == other.text
    }
}

impl Eq for Lines {}

impl Lines {
    /// Those of a text that is TOML; none of another.
    pub(super) fn of(text: &str) -> Lines {
        Lines {
            text: text.into(),
            found: OnceLock::new(),
        }
    }

    /// The line of a place, or of the nearest table around it; the first of the file, if there is
    /// none.
    pub(super) fn line(&self, place: &str) -> usize {
        let lines = self.found.get_or_init(|| Finder::lines(&self.text));
        let mut place = place.to_owned();
        loop {
            if let Some(line) = lines.get(&place) {
                return *line;
            }
            // `[a.b] c.d`, `[a.b] c`, `[a.b]`, `[a]`.
            place = match place.split_once("] ") {
                Some((table, member)) => match member.rsplit_once('.') {
                    Some((outer, _)) => format!("{table}] {outer}"),
                    None => format!("{table}]"),
                },
                None => match place.trim_end_matches(']').rsplit_once('.') {
                    Some((outer, _)) => format!("{outer}]"),
                    None => return 1,
                },
            };
        }
    }
}

/// Goes through a text.
struct Finder {
    /// Where each line of it begins, in bytes.
    starts: Vec<usize>,
    found: BTreeMap<String, usize>,
}

impl Finder {
    fn lines(text: &str) -> BTreeMap<String, usize> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut finder = Finder {
            starts: iter::once(0).chain(ends.map(|(end, _)| end + 1)).collect(),
            found: BTreeMap::new(),
        };
        if let Ok(table) = DeTable::parse(text) {
            finder.table("", table.get_ref());
        }
        finder.found
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = key.span().start;
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
                    self.table(&inner, table);
                }
                DeValue::Array(entries) => self.entries(&inner, entries),
                _ => {}
            }
        }
    }

    fn entries(&mut self, path: &str, entries: &DeArray<'_>) {
        for entry in entries.iter() {
            if let DeValue::Table(table) = entry.get_ref() {
                for (key, value) in table {
                    self.texts(path, value);
                    if let DeValue::Table(inner) = value.get_ref() {
                        for value in inner.values() {
                            self.texts(&format!("{path}.{}", key.get_ref()), value);
                        }
                    }
                }
            }
        }
    }

    fn texts(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(word) => self.add(format!("[[{path}]] {word}"), value.span().start),
            DeValue::Array(all) => {
                for one in all.iter() {
                    self.texts(path, one);
                }
            }
            _ => {}
        }
    }

    /// A place that begins at a byte. What is named twice is where it is named first.
    fn add(&mut self, place: String, start: usize) {
        let line = self.starts.partition_point(|first| *first <= start);
        self.found.entry(place).or_insert(line);
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
        assert_eq!(Lines::of("no TOML").line("[type.task]"), 1);
        assert_ne!(Lines::of("no TOML"), lines);
    }
}
