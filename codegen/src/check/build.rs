//! Files that say how a kernel is built: what options are set to, and flags of the compiler by which
//! types lie otherwise. They are no C, and read for these two things alone.

use super::change::{Change, Kind, Shown};
use super::item::Place;
use super::lex::is_name;
use std::collections::BTreeMap;

/// What is read of a file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum BuildFile {
    /// Options with their defaults and dependencies (Documentation/kbuild/kconfig-language.rst).
    Kconfig,
    /// Options that are set, as in a `.config`.
    Configuration,
    /// Flags of the compiler.
    Makefile,
}

impl BuildFile {
    /// What the file at `path` is; `None` for any other.
    pub(super) fn of(path: &str) -> Option<BuildFile> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.starts_with("Kconfig") {
            Some(BuildFile::Kconfig)
        } else if name.ends_with("defconfig") || name.ends_with(".config") {
            Some(BuildFile::Configuration)
        } else if name.starts_with("Makefile") || name == "Kbuild" {
            Some(BuildFile::Makefile)
        } else {
            None
        }
    }
}

/// Flags, or their beginnings, by which the same declarations come to other bytes (GCC's manual,
/// "Options for Code Generation Conventions" and "x86 Options"; clang's `-frandomize-layout-seed`).
const FLAGS: [&str; 24] = [
    "-fpack-struct",
    "-fno-pack-struct",
    "-fshort-enums",
    "-fno-short-enums",
    "-fsigned-char",
    "-fno-signed-char",
    "-funsigned-char",
    "-fno-unsigned-char",
    "-fsigned-bitfields",
    "-funsigned-bitfields",
    "-frandomize-layout-seed",
    "-fplugin-arg-randomize_layout",
    "-malign-double",
    "-mno-align-double",
    "-mms-bitfields",
    "-mno-ms-bitfields",
    "-mabi=",
    "-m32",
    "-m64",
    "-mx32",
    "-D__GENKSYMS__",
    "-DCONFIG_",
    "-fms-extensions",
    "-fplan9-extensions",
];

/// A changed line that says what an option is set to, or under which other options.
struct Said {
    option: String,
    text: String,
    place: Place,
}

/// What both sides of one file say.
#[derive(Default)]
pub(super) struct BuildSides {
    sides: [BuildSide; 2],
}

#[derive(Default)]
struct BuildSide {
    /// The entry that is open; `None` if what is shown does not say.
    entry: Option<String>,
    said: Vec<Said>,
    flags: Vec<(String, Place)>,
    /// Something of an entry that is not shown.
    loose: Vec<(String, Place)>,
}

/// Lines kept of one file.
const LINES: usize = 10_000;

/// Lines of an entry of Kconfig that decide what the option is set to.
const DECIDES: [&str; 12] = [
    "default",
    "def_bool",
    "def_tristate",
    "select",
    "imply",
    "depends",
    "range",
    "bool",
    "tristate",
    "int",
    "hex",
    "string",
];

impl BuildSides {
    /// Begins a hunk under the heading `section`; nothing is known of what is open before it if
    /// there is none.
    pub(super) fn begin_hunk(&mut self, section: &str, at_top: bool) {
        for side in &mut self.sides {
            side.entry = match (section, at_top) {
                ("", true) => Some(String::new()),
                ("", false) => None,
                (section, _) => Some(entry_of(section).unwrap_or_default()),
            };
        }
    }

    /// Reads a line of one side.
    pub(super) fn line(&mut self, file: BuildFile, side: usize, text: &str, place: &Place) {
        let side = &mut self.sides[side];
        let full = side.said.len() + side.flags.len() + side.loose.len() > LINES;
        match file {
            BuildFile::Kconfig => {
                // What begins in the first column ends the entry before it.
                if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    side.entry = Some(entry_of(text).unwrap_or_default());
                }
                let first = text.split_whitespace().next().unwrap_or("");
                if !place.changed || full || !DECIDES.contains(&first) {
                    return;
                }
                let place = place.with(text);
                match &side.entry {
                    None => side.loose.push((words(text), place)),
                    Some(entry) => side.said.push(Said {
                        option: entry.clone(),
                        text: words(text),
                        place,
                    }),
                }
            }
            BuildFile::Configuration => {
                let plain = text.trim().trim_start_matches("# ");
                let end = plain.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &plain[..end.unwrap_or(plain.len())];
                if let Some(option) = name.strip_prefix("CONFIG_").filter(|_| !full)
                    && place.changed
                {
                    side.said.push(Said {
                        option: option.to_owned(),
                        text: words(text),
                        place: place.with(text),
                    });
                }
            }
            BuildFile::Makefile => {
                if !place.changed || full || text.trim_start().starts_with('#') {
                    return;
                }
                let apart =
                    |c: char| c.is_whitespace() || matches!(c, ',' | '(' | ')' | '"' | '\'');
                let is_flag = |word: &&str| FLAGS.iter().any(|flag| word.starts_with(flag));
                for word in text.split(apart).filter(is_flag) {
                    side.flags.push((word.to_owned(), place.with(text)));
                }
            }
        }
    }

    /// The options, with `CONFIG_`, of which lines that decide what they are set to changed.
    pub(super) fn decided(&self) -> impl Iterator<Item = String> + '_ {
        let said = self.sides.iter().flat_map(|side| &side.said);
        said.flat_map(about)
            .map(|option| format!("CONFIG_{option}"))
    }

    /// What changed. `counts` says whether saved state has to do with the option `CONFIG_…`.
    pub(super) fn changes(self, file: &str, counts: &dyn Fn(&str) -> bool) -> Vec<Change> {
        let [old, new] = self.sides;
        let mut found = flags(old.flags, new.flags, file);
        found.extend(options(old.said, new.said, file, counts));
        let mut loose = [old.loose, new.loose].map(Vec::into_iter);
        let loose = loose.each_mut().map(Iterator::next);
        if loose.iter().any(Option::is_some) {
            let [old, new] = loose.map(|one| one.map(|(text, place)| Shown::new(&text, &place)));
            found.push(change(Kind::Incomplete, "", old, new, file));
        }
        found
    }
}

/// The option of the entry that a line begins; empty for a choice, `None` for what is none.
fn entry_of(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    match words.next()? {
        "config" | "menuconfig" => words.next().map(String::from),
        _ => None,
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn change(kind: Kind, subject: &str, old: Option<Shown>, new: Option<Shown>, file: &str) -> Change {
    Change {
        kind,
        ty: subject.to_owned(),
        field: String::new(),
        was: String::new(),
        file: file.to_owned(),
        old,
        new,
        condition: String::new(),
        detail: String::new(),
    }
}

/// Flags that one side has more often than the other.
fn flags(mut old: Vec<(String, Place)>, mut new: Vec<(String, Place)>, file: &str) -> Vec<Change> {
    old.retain(|(flag, _)| {
        let same = new.iter().position(|(other, _)| other == flag);
        same.map(|at| new.remove(at)).is_none()
    });
    let shown = |flag: &str, place: &Place| Some(Shown::new(flag, place));
    let gone = old
        .iter()
        .map(|(flag, place)| (flag, shown(flag, place), None));
    let come = new
        .iter()
        .map(|(flag, place)| (flag, None, shown(flag, place)));
    gone.chain(come)
        .map(|(flag, old, new)| change(Kind::Build, flag, old, new, file))
        .collect()
}

/// What is said otherwise of options that count: one change for each option.
fn options(
    mut old: Vec<Said>,
    mut new: Vec<Said>,
    file: &str,
    counts: &dyn Fn(&str) -> bool,
) -> Vec<Change> {
    old.retain(|said| {
        let is_same = |other: &Said| other.option == said.option && other.text == said.text;
        let same = new.iter().position(is_same);
        same.map(|at| new.remove(at)).is_none()
    });
    let mut found: BTreeMap<String, [Option<Shown>; 2]> = BTreeMap::new();
    for (side, all) in [old, new].into_iter().enumerate() {
        for said in all {
            for option in about(&said).filter(|option| counts(&format!("CONFIG_{option}"))) {
                let shown = &mut found.entry(format!("CONFIG_{option}")).or_default()[side];
                if shown.is_none() {
                    *shown = Some(Shown::new(&said.text, &said.place));
                }
            }
        }
    }
    found
        .into_iter()
        .map(|(option, [old, new])| change(Kind::Option, &option, old, new, file))
        .collect()
}

/// The options that a line decides: that of its entry, and those that it selects or a choice
/// defaults to.
fn about(said: &Said) -> impl Iterator<Item = &str> {
    let mut words = said.text.split(' ');
    let first = words.next().unwrap_or("");
    let names_another = matches!(first, "select" | "imply") || said.option.is_empty();
    let other = words.next().filter(|word| names_another && is_name(word));
    let own = Some(said.option.as_str()).filter(|own| !own.is_empty());
    own.into_iter().chain(other)
}

#[cfg(test)]
mod tests {
    use super::BuildFile;

    #[test]
    fn files_by_their_names() {
        for (path, file) in [
            ("kernel/Kconfig.hz", Some(BuildFile::Kconfig)),
            ("arch/x86/Kconfig", Some(BuildFile::Kconfig)),
            ("Makefile", Some(BuildFile::Makefile)),
            ("scripts/Makefile.extrawarn", Some(BuildFile::Makefile)),
            (
                "arch/x86/configs/x86_64_defconfig",
                Some(BuildFile::Configuration),
            ),
            (
                "kernel/configs/debug.config",
                Some(BuildFile::Configuration),
            ),
            ("include/linux/kconfig.h", None),
            ("kernel/fork.c", None),
        ] {
            assert_eq!(BuildFile::of(path), file, "{path}");
        }
    }
}
