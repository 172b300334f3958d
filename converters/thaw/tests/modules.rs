//! The modules of this crate stand in layers: none imports one that imports it back, by whatever way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Sources by path of the module, `make::files`; that of the crate itself is empty.
type Sources = BTreeMap<String, String>;

fn read(folder: &Path, above: &str, sources: &mut Sources) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = match (above, name.as_str()) {
            ("", "lib") => String::new(),
            ("", _) => name,
            _ => format!("{above}::{name}"),
        };
        if path.is_dir() {
            read(&path, &module, sources);
        } else if !module.ends_with("tests") {
            sources.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The paths that a `use` names: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').unwrap().0;
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in inner.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(letter);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    let full = parts.flat_map(|part| paths(&format!("{}{}", prefix.trim(), part.trim())));
    full.collect()
}

/// What each module imports, and the modules that it is made of.
fn imports(sources: &Sources) -> BTreeMap<&str, BTreeSet<String>> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in sources {
        let own = found.entry(module).or_default();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let statements = code.split(';').filter_map(|one| one.rsplit_once("use "));
        let mut named: Vec<String> = statements.flat_map(|(_, tree)| paths(tree)).collect();
        let inline = code.split("crate::").skip(1).map(|rest| {
            let word = |letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':';
            format!("crate::{}", rest.split(word).next().unwrap())
        });
        named.extend(inline);
        for path in named {
            let mut steps: Vec<&str> = path.split("::").collect();
            let mut base: Vec<&str> = module.split("::").filter(|step| !step.is_empty()).collect();
            match steps[0] {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                "self" => {}
                _ => steps.insert(0, "self"),
            }
            base.extend(&steps[1..]);
            // The item itself is in the module of the longest name that there is.
            let names = (0..=base.len())
                .rev()
                .map(|length| base[..length].join("::"));
            let target = names
                .into_iter()
                .find(|name| sources.contains_key(name))
                .unwrap();
            if target != *module {
                own.insert(target);
            }
        }
        let below = sources.keys().filter(|name| match name.rsplit_once("::") {
            Some((above, _)) => above == module,
            None => module.is_empty() && !name.is_empty(),
        });
        own.extend(below.cloned());
    }
    found
}

/// A way from a module back to itself.
fn circle(sources: &Sources) -> Option<Vec<String>> {
    let imports = imports(sources);
    for start in imports.keys() {
        let mut ways = vec![vec![(*start).to_owned()]];
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            for next in &imports[way.last().unwrap().as_str()] {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    ways.push(way.iter().chain([next]).cloned().collect());
                }
            }
        }
    }
    None
}

#[test]
fn no_module_imports_one_that_imports_it() {
    let mut sources = Sources::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&folder, "", &mut sources);
    assert!(sources.len() > 20, "{:?}", sources.keys());
    assert_eq!(circle(&sources), None);
}

fn sources(modules: &[(&str, &str)]) -> Sources {
    let modules = modules.iter();
    modules
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

#[test]
fn circles_are_found_by_every_kind_of_import() {
    let way = |modules: &[(&str, &str)]| circle(&sources(modules));
    let through = |names: [&str; 2]| Some(names.map(str::to_owned).to_vec());
    let layers = [
        ("", "mod a;\nmod b;\npub use a::A;"),
        ("a", "use crate::b::{self, B};"),
        (
            "b",
            "// use crate::a::A;\npub struct B;\n#[cfg(test)]\nuse crate::a::A;",
        ),
    ];
    assert_eq!(way(&layers), None);
    let back = [layers[0], layers[1], ("b", "use crate::{a::{A, C}, D};")];
    assert!(way(&back).is_some());
    let back = [layers[1], ("", ""), ("b", "fn b() -> crate::a::A {}")];
    assert_eq!(way(&back), through(["a", "b"]));
    // From a part of a module to what stands in the whole.
    let part = [("", ""), ("a", "mod c;"), ("a::c", "use super::A;")];
    assert_eq!(way(&part), through(["a", "a::c"]));
    let parts = [
        ("", ""),
        ("a", "use c::C;"),
        ("a::c", "use super::d::D;"),
        ("a::d", ""),
    ];
    assert_eq!(way(&parts), None);
}
