//! Files of a crate import in one direction.
//!
//! In each folder of a crate, the modules there (each with all that is below it) may import one
//! another only so that no way leads back. What a module has from another through a re-export
//! counts as from where it is defined. A module and those declared in it are one thing, and may
//! name each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Item, Meta, UseTree};

/// What people write in this workspace.
const CRATES: &[&str] = &[
    "codegen",
    "converters/codes",
    "converters/freeze",
    "converters/image",
    "converters/interpreter",
    "converters/kconv",
    "converters/kexec",
    "converters/machine",
    "converters/objects",
    "converters/overrides",
    "converters/plans",
    "converters/queue",
    "converters/resources",
    "converters/rules",
    "converters/runtime",
    "converters/tasks",
    "converters/thaw",
    "converters/trust",
    "converters/units",
    "kernel-structs",
    "kernel-structs/bits",
    "kernel-structs/routes",
    "tests/bench",
];

#[test]
fn no_module_imports_one_that_imports_it_back() {
    let mut circles = Vec::new();
    for name in CRATES {
        let source = kconv_tests::root().join(name).join("src");
        let roots = ["lib.rs", "main.rs"].map(|root| source.join(root));
        let there: Vec<&PathBuf> = roots.iter().filter(|root| root.exists()).collect();
        assert!(!there.is_empty(), "{name} has neither lib.rs nor main.rs");
        for root in there {
            let found = Crate::read(root).circles();
            circles.extend(found.into_iter().map(|circle| format!("{name}: {circle}")));
        }
    }
    assert!(
        circles.is_empty(),
        "{}\nmove what both need into a module below both",
        circles.join("\n")
    );
}

/// What is found in a crate of `tests/structure`.
fn found_in(fixture: &str) -> Vec<String> {
    let folder = kconv_tests::root().join("tests/structure").join(fixture);
    Crate::read(&folder.join("lib.rs")).circles()
}

#[test]
fn a_way_back_is_found_through_re_exports_aliases_and_paths_in_functions() {
    let expected = "first <-> second <-> third
  first -> second: made
  second -> third: Third, self
  third -> first: First";
    assert_eq!(found_in("circle"), [expected]);
}

#[test]
fn a_way_back_between_files_of_two_folders_is_found() {
    let expected = "back <-> front
  back::store -> front: Shown
  front::show -> back::store: Stored";
    assert_eq!(found_in("folders"), [expected]);
}

#[test]
fn a_module_and_its_children_are_one_thing_and_tests_may_import_whatever_they_test() {
    assert_eq!(found_in("tree"), Vec::<String>::new());
}

/// A path by its segments.
type Names = Vec<String>;

/// A module as far as imports go.
#[derive(Default)]
struct Module {
    /// Names that `use` brings into it, with where they come from.
    imports: BTreeMap<String, Names>,
    /// All paths written in it, those of `use` included.
    paths: Vec<Names>,
}

/// The modules of a crate by their paths.
struct Crate {
    modules: BTreeMap<Names, Module>,
}

/// What one module has from another: by the two modules, the names.
type Edges = BTreeMap<(Names, Names), BTreeSet<String>>;

impl Crate {
    /// The crate whose `lib.rs` or `main.rs` is `root`, without what is only there for tests.
    fn read(root: &Path) -> Crate {
        let mut read = Crate {
            modules: BTreeMap::new(),
        };
        read.file(root, root.parent().unwrap(), Names::new());
        read
    }

    /// Reads `file`, whose modules lie in `folder`.
    fn file(&mut self, file: &Path, folder: &Path, path: Names) {
        let text = fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.items(parsed.items, folder, path);
    }

    fn items(&mut self, items: Vec<Item>, folder: &Path, path: Names) {
        let mut module = Module::default();
        for item in items {
            match item {
                Item::Mod(inner) if is_for_tests(&inner.attrs) => {}
                Item::Mod(inner) => {
                    let name = inner.ident.to_string();
                    let path = [path.clone(), vec![name.clone()]].concat();
                    let below = folder.join(&name);
                    match inner.content {
                        Some((_, items)) => self.items(items, &below, path),
                        None => {
                            let file = folder.join(format!("{name}.rs"));
                            match file.exists() {
                                true => self.file(&file, &below, path),
                                false => self.file(&below.join("mod.rs"), &below, path),
                            }
                        }
                    }
                }
                Item::Use(import) => module.import(&import.tree, Names::new()),
                Item::Fn(function) if is_for_tests(&function.attrs) => {}
                Item::Impl(block) if is_for_tests(&block.attrs) => {}
                item => module.scan(item.into_token_stream(), &Names::new()),
            }
        }
        self.modules.insert(path, module);
    }

    /// The module in which what `path` means in `from` is defined, and its name there; `None` for
    /// what is not of this crate.
    fn resolve(&self, from: &Names, path: &[String], depth: usize) -> Option<(Names, String)> {
        // Re-exports do not go deeper, unless in a circle.
        let depth = depth.checked_sub(1)?;
        let child = |of: &Names, name: &String| [of.clone(), vec![name.clone()]].concat();
        let (mut module, mut rest) = (from.clone(), path);
        match path.first()?.as_str() {
            "crate" => (module, rest) = (Names::new(), &path[1..]),
            "self" => rest = &path[1..],
            "super" => {}
            _ if self.modules.contains_key(&child(from, &path[0])) => {}
            name => {
                let import = self.modules[from].imports.get(name)?;
                // A name of another crate that is imported by itself.
                if import[0] == name || path.len() == 1 {
                    return None;
                }
                let whole = [import, &path[1..]].concat();
                return self.resolve(from, &whole, depth);
            }
        }
        while rest.first().is_some_and(|name| name == "super") {
            module.pop()?;
            rest = &rest[1..];
        }
        while let Some(name) = rest.first()
            && self.modules.contains_key(&child(&module, name))
        {
            module = child(&module, name);
            rest = &rest[1..];
        }
        let name = rest.first().cloned().unwrap_or_else(|| "self".into());
        let handed_on = self.modules[&module].imports.get(&name);
        let whole = handed_on.map(|import| [import, &rest[1..]].concat());
        let defined = whole.and_then(|whole| self.resolve(&module, &whole, depth));
        Some(defined.unwrap_or((module, name)))
    }

    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for (from, module) in &self.modules {
            for path in &module.paths {
                if let Some((to, name)) = self.resolve(from, path, 16)
                    && to != *from
                {
                    edges.entry((from.clone(), to)).or_default().insert(name);
                }
            }
        }
        edges
    }

    /// The circles of every folder, each with what ties it.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let mut found = Vec::new();
        for folder in self.modules.keys() {
            // Modules declared in `folder`, each with all that is below it.
            let place = |module: &Names| match module.strip_prefix(folder.as_slice()) {
                Some([name, ..]) => Some(name.clone()),
                _ => None,
            };
            let mut ties: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (from, to) in edges.keys() {
                if let (Some(from), Some(to)) = (place(from), place(to))
                    && from != to
                {
                    ties.entry(from).or_default().insert(to);
                }
            }
            for circle in circles(&ties) {
                let in_circle = |module: &Names| place(module).filter(|name| circle.contains(name));
                let tied = edges.iter().filter(|((from, to), _)| {
                    let ends = (in_circle(from), in_circle(to));
                    ends.0.is_some() && ends.1.is_some() && ends.0 != ends.1
                });
                let lines = tied.map(|((from, to), names)| {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let names = names.join(", ");
                    format!("\n  {} -> {}: {names}", from.join("::"), to.join("::"))
                });
                let all: Vec<&str> = circle.iter().map(String::as_str).collect();
                found.push(format!(
                    "{}{}",
                    all.join(" <-> "),
                    lines.collect::<String>()
                ));
            }
        }
        found
    }
}

impl Module {
    /// Takes in what a `use` imports, all of which begins with `prefix`.
    fn import(&mut self, tree: &UseTree, mut prefix: Names) {
        let (name, alias) = match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                return self.import(&path.tree, prefix);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix.clone());
                }
                return;
            }
            UseTree::Name(name) => (name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                let alias = Some(rename.rename.to_string());
                (rename.ident.to_string(), alias)
            }
            UseTree::Glob(_) => (String::from("*"), None),
        };
        if name != "self" || prefix.is_empty() {
            prefix.push(name);
        }
        let known = alias.or_else(|| prefix.last().cloned());
        self.paths.push(prefix.clone());
        self.imports.insert(known.unwrap(), prefix);
    }

    /// Takes in the paths among `tokens`, those of macros and of imports in functions included.
    fn scan(&mut self, tokens: TokenStream, prefix: &Names) {
        let mut path = prefix.clone();
        // How many colons stand behind the path.
        let mut colons = if prefix.is_empty() { 0 } else { 2 };
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end(&mut path, prefix);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    let continues = colons == 2 && group.delimiter() == Delimiter::Brace;
                    let before = if continues {
                        path.clone()
                    } else {
                        Names::new()
                    };
                    self.scan(group.stream(), &before);
                    self.end(&mut path, prefix);
                    colons = 0;
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.end(&mut path, prefix);
                    colons = if prefix.is_empty() { 0 } else { 2 };
                }
            }
        }
        self.end(&mut path, prefix);
    }

    fn end(&mut self, path: &mut Names, prefix: &Names) {
        let ended = std::mem::replace(path, prefix.clone());
        if ended.len() > 1 {
            self.paths.push(ended);
        }
    }
}

/// Whether an item is there for tests alone.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(path) => path.is_ident("test"),
        Meta::NameValue(_) => false,
    })
}

/// The largest sets of more than one place that all lead to each other.
fn circles(ties: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reachable: BTreeMap<&String, BTreeSet<&String>> = ties
        .keys()
        .map(|from| (from, reached(ties, from)))
        .collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (from, there) in &reachable {
        if !there.contains(from) || found.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let back = |place: &&&String| {
            let from_there = reachable.get(**place);
            from_there.is_some_and(|reached| reached.contains(from))
        };
        found.push(
            there
                .iter()
                .filter(back)
                .map(|place| (*place).clone())
                .collect(),
        );
    }
    found
}

/// All places that `ties` lead to from `from`.
fn reached<'t>(
    ties: &'t BTreeMap<String, BTreeSet<String>>,
    from: &'t String,
) -> BTreeSet<&'t String> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from];
    while let Some(next) = left.pop() {
        let there = ties.get(next).into_iter().flatten();
        left.extend(there.filter(|place| reached.insert(*place)));
    }
    reached
}
