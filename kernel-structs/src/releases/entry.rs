//! Entries of `releases.toml` as text, and a table with entries added to it.

use super::{LayoutEntry, Release};
use std::fmt::Write;

impl LayoutEntry {
    /// The entry as it stands in `releases.toml`.
    pub fn to_toml(&self) -> String {
        let mut fields = vec![
            ("id", self.id.0.clone()),
            ("family", self.family.clone()),
            ("arch", self.arch.clone()),
            ("flavour", self.flavour.clone()),
        ];
        fields.extend(self.identity());
        fields.push(("file", self.file.clone()));
        fields.push(("source", self.source.clone()));
        fields.extend(self.constants.clone().map(|from| ("constants", from)));
        let fields: Vec<_> = fields.iter().map(|(key, value)| (*key, value)).collect();
        block("layout", &fields)
    }

    /// The fingerprints, that of the types alone where it is another one.
    fn identity(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("fingerprint", self.fingerprint.to_string())];
        if self.types != self.fingerprint {
            fields.push(("types", self.types.to_string()));
        }
        fields
    }
}

impl Release {
    /// The entry as it stands in `releases.toml`.
    pub fn to_toml(&self) -> String {
        let mut fields = vec![
            ("name", &self.name),
            ("version", &self.version),
            ("arch", &self.arch),
            ("flavour", &self.flavour),
            ("layout", &self.layout.0),
        ];
        fields.extend(self.uname.as_ref().map(|uname| ("uname", uname)));
        fields.extend(self.build_id.as_ref().map(|id| ("build_id", id)));
        let mut text = block("release", &fields);
        if let Some(hz) = self.hz {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "hz = {hz}");
        }
        text
    }
}

fn block(table: &str, fields: &[(&str, &String)]) -> String {
    let mut text = format!("[[{table}]]\n");
    for (key, value) in fields {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = {}", toml::Value::String((*value).clone()));
    }
    text
}

/// The text of a `releases.toml` with entries added: layouts after the last one, and releases at
/// the end. The rest, comments included, stays as it is.
pub fn with_entries(text: &str, layouts: &[LayoutEntry], releases: &[Release]) -> String {
    let end_of_layouts = match start_of_line(text, "[[release]]") {
        // Comments above the first release belong to it.
        Some(first) => text[..first].rfind("\n\n").map_or(first, |blank| blank + 2),
        None => text.len(),
    };
    let (mut all, rest) = (text[..end_of_layouts].to_owned(), &text[end_of_layouts..]);
    let add = |all: &mut String, entry: String| {
        all.truncate(all.trim_end().len());
        if !all.is_empty() {
            all.push_str("\n\n");
        }
        all.push_str(&entry);
    };
    for layout in layouts {
        add(&mut all, layout.to_toml());
    }
    if !rest.is_empty() {
        add(&mut all, rest.to_owned());
    }
    for release in releases {
        add(&mut all, release.to_toml());
    }
    all
}

/// The text of a `releases.toml` with other fingerprints, and another origin of types and constants,
/// for the layout of `entry`: those of `entry`. The rest, comments included, stays as it is. `None` if
/// the layout is not there.
pub fn with_fingerprint(text: &str, entry: &LayoutEntry) -> Option<String> {
    let id = format!("id = {}", toml::Value::String(entry.id.0.clone()));
    let string = |value: &str| toml::Value::String(value.to_owned());
    let mut all = String::with_capacity(text.len() + 256);
    let mut found = false;
    for (inside, line) in lines_of(text, id) {
        let bare = line.trim();
        match bare.split('=').next().map(str::trim) {
            Some("fingerprint") if inside => {
                found = true;
                for (key, value) in entry.identity() {
                    // Writing to a string cannot fail.
                    let _ = writeln!(all, "{key} = {}", string(&value));
                }
            }
            Some("types" | "constants") if inside => {}
            Some("source") if inside => {
                let is_same = bare.parse::<toml::Table>().is_ok_and(|line| {
                    line.get("source").and_then(toml::Value::as_str) == Some(&*entry.source)
                });
                match is_same {
                    true => all.push_str(line),
                    // Writing to a string cannot fail.
                    false => drop(writeln!(all, "source = {}", string(&entry.source))),
                }
                if let Some(from) = &entry.constants {
                    let _ = writeln!(all, "constants = {}", string(from));
                }
            }
            _ => all.push_str(line),
        }
    }
    found.then_some(all)
}

/// The text of a `releases.toml` with another layout for `release`: that which it has. The rest,
/// comments included, stays as it is. `None` if the release is not there.
pub fn with_layout_of(text: &str, release: &Release) -> Option<String> {
    let string = |value: &str| toml::Value::String(value.to_owned());
    let name = format!("name = {}", string(&release.name));
    let mut all = String::with_capacity(text.len() + 64);
    let mut found = false;
    for (inside, line) in lines_of(text, name) {
        let bare = line.trim();
        match bare.split('=').next().map(str::trim) {
            Some("layout") if inside => {
                found = true;
                // Writing to a string cannot fail.
                let _ = writeln!(all, "layout = {}", string(&release.layout.0));
            }
            _ => all.push_str(line),
        }
    }
    found.then_some(all)
}

/// The lines of a `releases.toml`, and whether each is in the entry that is named by the line `named`,
/// from that on.
fn lines_of(text: &str, named: String) -> impl Iterator<Item = (bool, &str)> {
    let mut inside = false;
    text.split_inclusive('\n').map(move |line| {
        let bare = line.trim();
        match bare.starts_with('[') {
            true => inside = false,
            false => inside |= bare == named,
        }
        (inside, line)
    })
}

/// Where the first line that is `line` begins.
fn start_of_line(text: &str, line: &str) -> Option<usize> {
    let mut start = 0;
    for found in text.split_inclusive('\n') {
        if found.trim_end() == line {
            return Some(start);
        }
        start += found.len();
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Files, LayoutId, Registry};
    use super::*;
    use crate::layout::Fingerprint;
    use std::borrow::Cow;

    #[test]
    fn what_is_added_is_read_again() {
        let builtin = Files::builtin();
        let fingerprint: Fingerprint = "0".repeat(64).parse().unwrap();
        let layout = LayoutEntry {
            id: LayoutId("new".to_owned()),
            family: "linux-6".to_owned(),
            arch: "amd64".to_owned(),
            flavour: "cloud".to_owned(),
            fingerprint,
            types: "1".repeat(64).parse().unwrap(),
            file: "new.btf".to_owned(),
            source: "a \"quoted\" source with \\".to_owned(),
            constants: Some("headers".to_owned()),
        };
        let release = Release {
            name: "6.99-cloud-amd64".to_owned(),
            version: "6.99".to_owned(),
            arch: "amd64".to_owned(),
            flavour: "cloud".to_owned(),
            layout: layout.id.clone(),
            uname: Some("6.99-cloud".to_owned()),
            build_id: None,
            hz: Some(300),
        };
        let (layouts, releases) = (
            std::slice::from_ref(&layout),
            std::slice::from_ref(&release),
        );
        let text = with_entries(&builtin.releases, layouts, releases);
        let mut files = builtin.clone();
        files.releases = Cow::Owned(text.clone());
        files
            .layouts
            .insert("new.btf".to_owned(), Cow::Borrowed(&[]));
        let registry = Registry::parse(files).unwrap();
        assert_eq!(registry.layout_entry(&layout.id).unwrap(), &layout);
        assert_eq!(registry.releases().last(), Some(&release));
        // Nothing but the entries was added.
        let without = text.replace(&format!("{}\n", layout.to_toml()), "");
        let without = without.replace(&format!("\n{}", release.to_toml()), "");
        assert_eq!(without, builtin.releases);
    }

    #[test]
    fn the_entries_that_are_there_are_in_this_form() {
        let registry = Registry::builtin().unwrap();
        let text = Files::builtin().releases;
        for layout in registry.layouts() {
            assert!(text.contains(&layout.to_toml()), "{}", layout.to_toml());
        }
        for release in registry.releases() {
            assert!(text.contains(&release.to_toml()), "{}", release.to_toml());
        }
    }

    /// Comments stay, wherever they are, and one that speaks of a table is none.
    #[test]
    fn comments_stay_and_are_no_tables() {
        let builtin = Files::builtin();
        let comments = format!("# [[release]] entries come last.\n\n{}", builtin.releases);
        let registry = Registry::builtin().unwrap();
        let mut layout = registry.layouts().last().unwrap().clone();
        layout.id = LayoutId("new".to_owned());
        let text = with_entries(&comments, std::slice::from_ref(&layout), &[]);
        let without = text.replace(&format!("{}\n", layout.to_toml()), "");
        assert_eq!(without, comments);
        assert!(text.starts_with("# [[release]] entries come last.\n\n# "));
    }

    /// An entry that has it above its id, or not at all, does not take that of another.
    #[test]
    fn a_fingerprint_of_another_entry_is_left_alone() {
        let registry = Registry::builtin().unwrap();
        let mut layout = registry.layouts().last().unwrap().clone();
        layout.id = LayoutId("one".to_owned());
        layout.types = layout.fingerprint;
        layout.constants = None;
        let two = "[[layout]]\nid = \"two\"\nfingerprint = \"2\"\n";
        let text = format!("[[layout]]\nfingerprint = \"1\"\nid = \"one\"\n{two}");
        assert_eq!(with_fingerprint(&text, &layout), None);
        layout.id = LayoutId("two".to_owned());
        let new = with_fingerprint(&text, &layout).unwrap();
        assert_eq!(
            new,
            text.replace("\"2\"", &format!("\"{}\"", layout.fingerprint))
        );
    }

    #[test]
    fn a_fingerprint_is_renewed_where_a_person_wrote_beside_it() {
        let registry = Registry::builtin().unwrap();
        let id = LayoutId("6.1.0-47-amd64".to_owned());
        let mut layout = registry.layout_entry(&id).unwrap().clone();
        let commented = layout
            .to_toml()
            .replace("family =", "# Debian's oldest.\nfamily =");
        let text = Files::builtin()
            .releases
            .replace(&layout.to_toml(), &commented);
        let before = commented.clone();
        layout.fingerprint = "0".repeat(64).parse().unwrap();
        layout.types = "1".repeat(64).parse().unwrap();
        layout.constants = Some("other headers".to_owned());
        let new = with_fingerprint(&text, &layout).unwrap();
        let after = layout
            .to_toml()
            .replace("family =", "# Debian's oldest.\nfamily =");
        assert_eq!(new, text.replace(&before, &after));
        layout.id = LayoutId("none".to_owned());
        assert_eq!(with_fingerprint(&text, &layout), None);
    }

    /// One release has another layout; the comments and the others stay, also one that has its name.
    #[test]
    fn a_release_gets_another_layout() {
        let registry = Registry::builtin().unwrap();
        let mut release = registry.releases()[0].clone();
        let text = Files::builtin().releases;
        let commented = release
            .to_toml()
            .replace("layout =", "# Its own.\nlayout =");
        let text = text.replace(&release.to_toml(), &commented);
        release.layout = LayoutId("other".to_owned());
        let new = with_layout_of(&text, &release).unwrap();
        let after = release
            .to_toml()
            .replace("layout =", "# Its own.\nlayout =");
        assert_eq!(new, text.replace(&commented, &after));
        release.name = "none".to_owned();
        assert_eq!(with_layout_of(&text, &release), None);
    }

    /// The origin of a layout that another one takes the place of goes with it.
    #[test]
    fn a_source_is_renewed() {
        let registry = Registry::builtin().unwrap();
        let mut layout = registry.layouts().last().unwrap().clone();
        let text = Files::builtin().releases;
        let before = layout.to_toml();
        layout.source = "another kernel".to_owned();
        let new = with_fingerprint(&text, &layout).unwrap();
        assert_eq!(new, text.replace(&before, &layout.to_toml()));
    }
}
