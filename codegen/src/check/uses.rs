//! What the declarations of saved types in a source tree are made of: constants that size their
//! arrays, macros that stand among their members, conditions around them.
//!
//! Only headers are read, each once, line by line.

mod stored;

use super::item::{Item, Member, TypeKind};
use super::lex::is_name;
use super::saved::Saved;
use super::scan::Scanner;
use super::source::{CheckError, Lines, is_foreign};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

/// Files of a tree at most; a kernel has some 30000 headers.
const FILES: usize = 200_000;

/// The names that saved types use, and by which fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    names: BTreeMap<String, BTreeSet<String>>,
    /// The watched constants that are made of each name.
    makes: BTreeMap<String, BTreeSet<String>>,
    /// Types that no stored layout has inside of a saved one: the saved fields that they are in, each
    /// with the conditions around it.
    inside: BTreeMap<String, BTreeMap<String, String>>,
    /// Number of definitions of each saved type in the tree.
    definitions: BTreeMap<String, usize>,
}

impl Uses {
    /// The fields that depend on the constant, macro or option `name`.
    pub(super) fn of(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.names.get(name)
    }

    /// The watched constants whose values depend on the constant or macro `name`.
    pub(super) fn makes(&self, name: &str) -> Option<&BTreeSet<String>> {
        self.makes.get(name)
    }

    /// The saved fields that a type `name`, which no stored layout has, lies in.
    pub(super) fn inside(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.inside.get(name)
    }

    /// Whether values of the type `name` are saved: a layout has it, or it lies in a type that is saved.
    pub(super) fn is_saved(&self, name: &str, saved: &Saved<'_>) -> bool {
        saved.get(name).is_some() || self.inside(name).is_some()
    }

    /// Whether the type `name` is saved, or part of a format that the file at `path` declares.
    pub(super) fn matters(&self, name: &str, path: &str, saved: &Saved<'_>) -> bool {
        self.is_saved(name, saved) || saved.contract_of(name, path).is_some()
    }

    /// Number of definitions of the saved type `name` in the tree.
    pub(super) fn definitions(&self, name: &str) -> usize {
        self.definitions.get(name).copied().unwrap_or(0)
    }

    /// What is known of the family `family` without a tree.
    pub(super) fn of_family(family: &str) -> Uses {
        stored::of_family(family)
    }

    /// What `self` or `other` has.
    fn join(&mut self, other: Uses) {
        for (into, from) in [
            (&mut self.names, other.names),
            (&mut self.makes, other.makes),
        ] {
            for (name, users) in from {
                into.entry(name).or_default().extend(users);
            }
        }
        for (ty, fields) in other.inside {
            self.inside.entry(ty).or_default().extend(fields);
        }
    }

    /// Reads the headers of `tree`.
    pub(super) fn of_tree(tree: &Path, saved: &Saved<'_>) -> Result<Uses, CheckError> {
        if !tree.join("include").is_dir() {
            return Err(CheckError::NoTree {
                path: tree.to_owned(),
            });
        }
        let mut direct: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut bodies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut definitions = BTreeMap::new();
        let mut parts = Parts::default();
        let mut watched = BTreeSet::new();
        let none = BTreeSet::new();
        for path in headers(tree, saved)? {
            let mut scanner = Scanner::new(&none);
            let inside = path.strip_prefix(tree).unwrap_or(&path).to_string_lossy();
            let is_watched = |name: &str| saved.watched_in(name, &inside).is_some();
            let mut take = |item: Item| {
                let defined = match &item {
                    Item::Type(def) => Some(&def.name),
                    Item::Typedef(def) => Some(&def.name),
                    _ => None,
                };
                if let Some(name) = defined.filter(|name| saved.get(name).is_some()) {
                    *definitions.entry(name.clone()).or_default() += 1;
                }
                parts.note(&item);
                match &item {
                    Item::Constant(constant) if !constant.function => {
                        watched.extend(
                            Some(&constant.name)
                                .filter(|name| is_watched(name))
                                .cloned(),
                        );
                    }
                    Item::Type(def) if def.kind == TypeKind::Enum => {
                        let names = def.members.iter().map(|member| &member.name);
                        watched.extend(names.filter(|name| is_watched(name)).cloned());
                    }
                    _ => {}
                }
                note(item, saved, &mut direct, &mut bodies);
            };
            let mut lines = Lines::open(&path)?;
            while let Some((text, number)) = lines.next_line()? {
                let place = super::item::Place {
                    line: number,
                    ..Default::default()
                };
                scanner.line(text, &place, &mut take);
            }
            scanner.finish(&mut take);
        }
        let inside = parts.inside(saved);
        for (ty, fields) in &inside {
            for name in parts.depends.get(ty).into_iter().flatten() {
                let users = direct.entry(name.clone()).or_default();
                users.extend(fields.keys().cloned());
            }
        }
        let names = closure(direct, &bodies);
        let made = watched.iter().flat_map(|name| {
            let inner = bodies.get(name).into_iter().flatten();
            inner.map(|inner| (inner.clone(), BTreeSet::from([name.clone()])))
        });
        let makes = closure(made, &bodies);
        Ok(Uses {
            names,
            makes,
            inside,
            definitions,
        })
    }
}

/// What the headers of `trees` say of saved types, as the text of a file that is compiled in.
///
/// # Errors
/// [`CheckError`]: one of them is no source tree, or cannot be read.
pub fn stored_uses(trees: &[PathBuf], saved: &Saved<'_>) -> Result<String, CheckError> {
    let mut all = Uses::default();
    let mut names = Vec::new();
    for tree in trees {
        all.join(Uses::of_tree(tree, saved)?);
        let name = tree.file_name().unwrap_or(tree.as_os_str());
        names.push(name.to_string_lossy().into_owned());
    }
    let stored = stored::Stored::new(names, all, saved);
    Ok(stored.text()?)
}

/// Which types have values of which others as members.
#[derive(Default)]
struct Parts {
    /// Member, its conditions, and the name of its type, by type.
    members: BTreeMap<String, Vec<(String, String, String)>>,
    /// The names that size, place or hide members, or are their types, by type.
    depends: BTreeMap<String, BTreeSet<String>>,
    /// The structure that a typedef stands for.
    aliases: BTreeMap<String, String>,
}

impl Parts {
    fn note(&mut self, item: &Item) {
        match item {
            Item::Type(def) if !def.name.is_empty() => {
                let parts = self.members.entry(def.name.clone()).or_default();
                let names = def.members.iter().flat_map(depends).map(String::from);
                let mut names = names.peekable();
                if def.kind != TypeKind::Enum && names.peek().is_some() {
                    self.depends
                        .entry(def.name.clone())
                        .or_default()
                        .extend(names);
                }
                for member in &def.members {
                    if let Some(ty) = value_of(&member.ty) {
                        let (name, condition) = (member.name.clone(), member.condition.clone());
                        parts.push((name, condition, ty.to_owned()));
                    }
                }
            }
            Item::Typedef(typedef) => {
                let target = typedef.text.strip_suffix(typedef.name.as_str());
                if let Some(target) = target.and_then(|target| value_of(target.trim())) {
                    self.aliases.insert(typedef.name.clone(), target.to_owned());
                }
            }
            Item::Type(_) | Item::Constant(_) => {}
            Item::Code(_) | Item::Rest(_) | Item::Pragma(_) => {}
        }
    }

    /// The types inside of saved ones that no stored layout has.
    fn inside(&self, saved: &Saved<'_>) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut found: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut queue = VecDeque::new();
        for name in saved.names() {
            for (member, condition, ty) in self.members.get(name).into_iter().flatten() {
                queue.push_back((ty, format!("{name}.{member}"), condition.clone()));
            }
        }
        while let Some((ty, field, condition)) = queue.pop_front() {
            let ty = self.aliases.get(ty).unwrap_or(ty);
            let Some(parts) = self.members.get(ty).filter(|_| saved.get(ty).is_none()) else {
                continue;
            };
            let fields = found.entry(ty.clone()).or_default();
            if fields.insert(field.clone(), condition.clone()).is_some() {
                continue;
            }
            for (_, own, inner) in parts {
                let both = match (condition.as_str(), own.as_str()) {
                    (condition, "") => condition.to_owned(),
                    ("", own) => own.to_owned(),
                    (condition, own) => format!("{condition} && {own}"),
                };
                queue.push_back((inner, field.clone(), both));
            }
        }
        found
    }
}

/// The name of the type of which a member written with `ty` has a value; `None` for a pointer and for
/// what is certainly no structure.
fn value_of(ty: &str) -> Option<&str> {
    let mut words = ty.split(' ');
    let name = match (words.next()?, words.next()) {
        ("struct" | "union", Some(tag)) => tag,
        (name, None) => name,
        _ => return None,
    };
    (words.next().is_none() && is_name(name)).then_some(name)
}

/// What depends on each name: on those in `direct`, and on what their definitions name.
fn closure(
    direct: impl IntoIterator<Item = (String, BTreeSet<String>)>,
    bodies: &BTreeMap<String, BTreeSet<String>>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut queue: VecDeque<(String, BTreeSet<String>)> = direct.into_iter().collect();
    while let Some((name, users)) = queue.pop_front() {
        let known = names.entry(name.clone()).or_default();
        let before = known.len();
        known.extend(users.iter().cloned());
        if known.len() == before {
            continue;
        }
        for inner in bodies.get(&name).into_iter().flatten() {
            queue.push_back((inner.clone(), users.clone()));
        }
    }
    names
}

fn note(
    item: Item,
    saved: &Saved<'_>,
    direct: &mut BTreeMap<String, BTreeSet<String>>,
    bodies: &mut BTreeMap<String, BTreeSet<String>>,
) {
    match item {
        Item::Type(def) => {
            if saved.get(&def.name).is_some() {
                for member in &def.members {
                    let field = format!("{}.{}", def.name, member.name);
                    for name in depends(member) {
                        direct
                            .entry(name.to_owned())
                            .or_default()
                            .insert(field.clone());
                    }
                }
                let outer = words(&def.condition).chain(words(&def.placed));
                for name in outer {
                    direct
                        .entry(name.to_owned())
                        .or_default()
                        .insert(def.name.clone());
                }
            }
            // An enumerator's value depends on those before it.
            if def.kind == TypeKind::Enum {
                for member in &def.members {
                    let inner = words(&member.length).map(String::from);
                    let mut inner = inner.peekable();
                    if inner.peek().is_some() {
                        bodies.entry(member.name.clone()).or_default().extend(inner);
                    }
                }
            }
        }
        Item::Typedef(typedef) => {
            if let Some(ty) = saved.get(&typedef.name) {
                for name in words(&typedef.text).chain(words(&typedef.condition)) {
                    if saved.get(name).is_none() && name != typedef.name {
                        let users = direct.entry(name.to_owned()).or_default();
                        users.extend(ty.used_by.iter().cloned());
                    }
                }
            }
        }
        Item::Constant(constant) => {
            let mut inner = words(&constant.body).peekable();
            if inner.peek().is_some() {
                let inner = inner.map(String::from);
                bodies
                    .entry(constant.name.clone())
                    .or_default()
                    .extend(inner);
            }
        }
        Item::Code(_) | Item::Rest(_) | Item::Pragma(_) => {}
    }
}

/// The names that size, place or hide a member.
fn depends(member: &Member) -> impl Iterator<Item = &str> {
    // A macro may be the type of a member, or the whole of it.
    let bare = if member.ty.is_empty() {
        member.name.as_str()
    } else {
        ""
    };
    words(&member.length)
        .chain(words(bare))
        .chain(words(&member.placed))
        .chain(words(&member.condition))
        .chain(words(&member.ty))
}

/// The names in a text that are no words of the language.
fn words(text: &str) -> impl Iterator<Item = &str> {
    const LANGUAGE: [&str; 18] = [
        "sizeof",
        "struct",
        "union",
        "enum",
        "unsigned",
        "signed",
        "long",
        "int",
        "short",
        "char",
        "void",
        "const",
        "volatile",
        "do",
        "while",
        "if",
        "return",
        "__attribute__",
    ];
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| is_name(word) && !LANGUAGE.contains(word))
}

/// The headers of a tree that can declare what is saved.
fn headers(tree: &Path, saved: &Saved<'_>) -> Result<Vec<PathBuf>, CheckError> {
    let mut found = Vec::new();
    let mut folders = vec![tree.join("include"), tree.join("arch")];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(_) if folder.parent() == Some(tree) && folder.ends_with("arch") => continue,
            Err(error) => return Err(CheckError::io(&folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| CheckError::io(&folder, error))?;
            let path = entry.path();
            let kind = entry
                .file_type()
                .map_err(|error| CheckError::io(&path, error))?;
            let inside = path.strip_prefix(tree).unwrap_or(&path);
            let inside = inside.to_string_lossy();
            // A trailing slash, as files in it have it.
            if is_foreign(&format!("{inside}/"), &saved.map.machines) {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|end| end == "h") {
                found.push(path);
            }
            if found.len() > FILES {
                return Ok(found);
            }
        }
    }
    found.sort();
    Ok(found)
}
