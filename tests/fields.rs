//! Nothing that is saved of a task of Linux 6 is forgotten: a thaw reads it by its name, or
//! `fates.toml` says what becomes of it. The table of the book is made of the two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kernel_structs::layout::{Layout, Type};
use kernel_structs::releases::Registry;
use kernel_structs::state::{Go, Place, Policy, Visit};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Where a thaw reads the objects of an image: what a task is, and what is to be made of it.
const READS: [&str; 2] = ["converters/tasks/src/model", "converters/thaw/src/plan"];
const FATES: &str = "tests/fates.toml";
const PAGE: &str = "book/src/fields.md";

/// What can become of a field, in the words of the book.
const KINDS: [(&str, &str); 5] = [
    ("restored", "given back"),
    ("made", "made anew by the kernel"),
    ("refused", "refused by a freeze, if it says something"),
    ("told", "dropped, and the thaw says so"),
    ("passing", "of the moment, or of the kernel alone"),
];

/// What the state map refuses: code, words and type, with the fields and perhaps their flags.
type Refused = BTreeMap<(String, String, String), BTreeSet<String>>;

/// What `fates.toml` says of fields.
#[derive(Debug)]
struct Fate {
    of: Vec<String>,
    kind: String,
    because: String,
}

/// The fields of a type that a conversion carries.
struct Carried<'a> {
    layout: &'a Layout,
    paths: BTreeSet<String>,
}

impl<'a> Visit<'a> for Carried<'a> {
    type Error = Infallible;

    fn place(&mut self, place: &Place<'_, 'a>) -> Result<Go, Infallible> {
        let rule = place.rule();
        if matches!(rule.map(|rule| &rule.policy), Some(Policy::Reset { .. })) {
            return Ok(Go::Past);
        }
        let is_composite =
            |ty| matches!(self.layout.get(self.layout.strip(ty)), Type::Composite(_));
        Ok(match self.layout.get(self.layout.strip(place.ty)) {
            Type::Composite(_) if rule.is_none() => Go::Inside,
            Type::Array { element, .. } if rule.is_none() && is_composite(*element) => Go::Element,
            _ => {
                self.paths.insert(place.path.to_owned());
                Go::Past
            }
        })
    }
}

/// All fields of saved types that any layout of the family carries, as `TYPE.PATH`.
fn carried() -> BTreeSet<String> {
    let registry = Registry::builtin().unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let mut fields = BTreeSet::new();
    for entry in registry.layouts().filter(|entry| entry.family == "linux-6") {
        let layout = registry.layout(&entry.id).unwrap();
        for ty in map.saved_in(&layout) {
            let mut carried = Carried {
                layout: &layout,
                paths: BTreeSet::new(),
            };
            let id = layout.find(ty).unwrap();
            let Ok(()) = map.visit(&layout, id, &mut carried);
            fields.extend(carried.paths.iter().map(|path| format!("{ty}.{path}")));
        }
    }
    fields
}

/// All that a freeze refuses by the state map alone, in any layout of the family.
fn refused() -> Refused {
    let registry = Registry::builtin().unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let mut refused = Refused::new();
    for entry in registry.layouts().filter(|entry| entry.family == "linux-6") {
        let layout = map.live(&registry.layout(&entry.id).unwrap());
        for ty in map.saved_in(&layout) {
            for place in map.refused_places(&layout, layout.find(ty).unwrap()) {
                let refusal = place.refusal;
                let code = refusal.code.name().to_owned();
                let entry = refused.entry((code, refusal.what.clone(), ty.to_owned()));
                let flags = match place.flags {
                    [] => String::new(),
                    flags => format!(" {}", flags.join(", ")),
                };
                entry
                    .or_default()
                    .insert(format!("`{ty}.{}`{flags}", place.path));
            }
        }
    }
    refused
}

/// The texts in the sources of a folder; `a|b` is either of the two.
fn texts(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts_in(fs::read_to_string(&path).unwrap().parse().unwrap(), into);
        }
    }
}

fn texts_in(tokens: TokenStream, into: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => texts_in(group.stream(), into),
            TokenTree::Literal(literal) => {
                if let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    into.extend(text.value().split('|').map(str::to_owned));
                }
            }
            _ => {}
        }
    }
}

/// Whether a field at `path` is read by one of these texts: by its own name, as a part of what is read
/// whole, or by a part of it. A name that fields of several types have counts for all of them.
fn is_read(path: &str, texts: &BTreeSet<String>) -> bool {
    let within = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    texts
        .iter()
        .any(|text| !text.is_empty() && (within(path, text) || within(text, path)))
}

/// Whether `text` is like `pattern`, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn fates() -> Vec<Fate> {
    let text = fs::read_to_string(kconv_tests::root().join(FATES)).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let entries = table["fate"].as_array().unwrap().iter();
    let fates = entries.map(|entry| {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        let of = entry["of"].as_array().unwrap().iter();
        Fate {
            of: of.map(|one| one.as_str().unwrap().to_owned()).collect(),
            kind: text("fate"),
            because: text("because"),
        }
    });
    fates.collect()
}

#[test]
fn every_saved_field_is_read_or_has_a_fate() {
    let fields = carried();
    assert!(fields.len() > 600, "{}", fields.len());
    let mut read = BTreeSet::new();
    for folder in READS {
        texts(&kconv_tests::root().join(folder), &mut read);
    }
    let fates = fates();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    // What becomes of each field: the number of an entry, or none if it is read.
    let mut table: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for field in &fields {
        let path = field.split_once('.').unwrap().1;
        if is_read(path, &read) {
            table.insert(field, None);
            continue;
        }
        let mut matching = Vec::new();
        for (number, fate) in fates.iter().enumerate() {
            for (index, pattern) in fate.of.iter().enumerate() {
                if is_like(field, pattern) {
                    used.insert((number, index));
                    matching.push(number);
                }
            }
        }
        matching.dedup();
        match matching[..] {
            [] => wrong.push(format!(
                "{field}: no thaw reads it, and no entry says why not"
            )),
            [one] => drop(table.insert(field, Some(one))),
            _ => wrong.push(format!("{field}: several entries say what becomes of it")),
        }
    }
    for (number, fate) in fates.iter().enumerate() {
        for (index, pattern) in fate.of.iter().enumerate() {
            if !used.contains(&(number, index)) {
                wrong.push(format!(
                    "{pattern}: no layout has such a field that no thaw reads"
                ));
            }
        }
        if !KINDS.iter().any(|(kind, _)| *kind == fate.kind) {
            wrong.push(format!("{}: nobody knows this fate", fate.kind));
        }
    }
    assert!(wrong.is_empty(), "{FATES}:\n{}", wrong.join("\n"));
    let page = kconv_tests::root().join(PAGE);
    let text = book(&table, &fates, &refused());
    if std::env::var_os("KCONV_BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == text,
        "{PAGE} is not what becomes of the fields: write it with KCONV_BLESS=1 cargo test -p kconv-tests --test fields"
    );
}

/// The page of the book.
fn book(table: &BTreeMap<&str, Option<usize>>, fates: &[Fate], refused: &Refused) -> String {
    let mut text = "# What becomes of each field\n\n\
        Of every field of Linux 6 that an image carries from one kernel to the next, what a thaw makes of it. This \
        page is written by `cargo test -p kconv-tests --test fields`, from the layouts, from what the thaw reads, and \
        from `tests/fates.toml`; a field of which nothing is said fails the test. (What a thaw reads is known by the name of \
        the field, which counts for all types that have one of it.) What the state map resets is not \
        here, but for what a freeze refuses: nothing of it is carried. `[]` stands for all elements of an array.\n\n\
        | what | how |\n|---|---|\n"
        .to_owned();
    for (kind, words) in KINDS {
        writeln!(text, "| {kind} | {words} |").unwrap();
    }
    for fate in [None]
        .into_iter()
        .chain(KINDS.iter().map(|(kind, _)| Some(*kind)))
    {
        let heading = match fate {
            None => "read by the thaw, and given back or told",
            Some("restored") => "restored, read in other ways",
            Some(kind) => kind,
        };
        write!(text, "\n## {heading}\n").unwrap();
        if heading == "refused" {
            text.push_str(&by_map(refused));
        }
        let of_kind = |number: &Option<usize>| number.map(|one| fates[one].kind.as_str()) == fate;
        let mut groups: BTreeMap<(Option<usize>, &str), Vec<&str>> = BTreeMap::new();
        for (field, number) in table.iter().filter(|(_, number)| of_kind(number)) {
            let (ty, path) = field.split_once('.').unwrap();
            groups.entry((*number, ty)).or_default().push(path);
        }
        let mut last = None;
        for ((number, ty), paths) in groups {
            if last != Some(number) {
                match number {
                    Some(number) => write!(text, "\n{}:\n\n", fates[number].because).unwrap(),
                    None => text.push('\n'),
                }
                last = Some(number);
            }
            let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
            writeln!(text, "- `{ty}`: {}", paths.join(", ")).unwrap();
        }
    }
    text
}

/// What the state map refuses.
fn by_map(refused: &Refused) -> String {
    let mut text = "\nBy the [state map](state-map.md#what-a-freeze-refuses), where a field says anything but its \
        initial value, or has one of the flags:\n\n| code | what | field |\n|---|---|---|\n"
        .to_owned();
    for ((code, what, _), fields) in refused {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        writeln!(text, "| `{code}` | {what} | {} |", fields.join(", ")).unwrap();
    }
    text
}

#[test]
fn patterns_stand_for_anything_between() {
    for (text, pattern) in [
        ("a.b", "a.b"),
        ("a.b", "a.*"),
        ("a.b", "*.b"),
        ("a.b.c", "a.*.c"),
        ("a.b.c.d", "a*b*d"),
        ("cred.cap_bset.val", "cred.cap_*"),
    ] {
        assert!(is_like(text, pattern), "{text} {pattern}");
    }
    for (text, pattern) in [("a.b", "a"), ("a.b", "*.c"), ("a.b", "b*"), ("ab", "a*b*b")] {
        assert!(!is_like(text, pattern), "{text} {pattern}");
    }
}

#[test]
fn a_field_is_read_by_its_name_its_whole_or_a_part() {
    let texts = ["se.a", "whole", "x.y[0]"].map(str::to_owned).into();
    for path in ["se.a", "whole", "whole.part", "whole[]", "x.y", "x"] {
        assert!(is_read(path, &texts), "{path}");
    }
    for path in ["se.ab", "s", "y", "part", "wholes"] {
        assert!(!is_read(path, &texts), "{path}");
    }
}
