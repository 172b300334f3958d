//! The codes of what is not carried: the table of the book has those that the code has, and each of
//! them is decided somewhere.
#![allow(clippy::unwrap_used)]

use kconv_codes::Code;
use kernel_structs::releases::Registry;
use std::fs;
use std::path::Path;

const PAGE: &str = "book/src/refusals.md";

/// A row of the table: code, what it is, what to do.
type Row<'a> = [&'a str; 3];

fn rows(page: &str) -> Vec<Row<'_>> {
    let lines = page.lines().skip_while(|line| *line != "## All codes");
    let rows = lines.filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" |").map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| {
            let [code, meaning, advice] = <[&str; 3]>::try_from(cells).unwrap();
            [code.trim_end_matches('`'), meaning, advice]
        })
        .collect()
}

/// What is wrong with a page, as one is told of it.
fn faults(page: &str) -> Vec<String> {
    let rows = rows(page);
    let mut faults = Vec::new();
    for code in Code::ALL {
        let name = code.name();
        match rows.iter().filter(|row| row[0] == name).count() {
            1 => {}
            0 => faults.push(format!("`{name}` has no row")),
            count => faults.push(format!("`{name}` has {count} rows")),
        }
    }
    for [name, meaning, advice] in &rows {
        match Code::ALL.iter().find(|code| code.name() == *name) {
            None => faults.push(format!("`{name}` is no code")),
            Some(code) if code.meaning() != *meaning => {
                faults.push(format!("`{name}` is {}, not {meaning}", code.meaning()));
            }
            Some(_) if advice.is_empty() => {
                faults.push(format!("`{name}`: nothing is said to do"));
            }
            Some(_) => {}
        }
    }
    faults
}

fn page() -> String {
    fs::read_to_string(kconv_tests::root().join(PAGE)).unwrap()
}

#[test]
fn the_table_of_the_book_has_all_codes_and_no_other() {
    let faults = faults(&page());
    assert!(
        faults.is_empty(),
        "{}\ncorrect the table in {PAGE}",
        faults.join("\n")
    );
}

#[test]
fn a_table_that_differs_is_found() {
    let page = page();
    let row = page
        .lines()
        .find(|line| line.starts_with("| `fd.socket.tcp`"))
        .unwrap();
    let without = page.replace(&format!("{row}\n"), "");
    assert_eq!(faults(&without), ["`fd.socket.tcp` has no row"]);
    let twice = page.replace(row, &format!("{row}\n{row}"));
    assert_eq!(faults(&twice), ["`fd.socket.tcp` has 2 rows"]);
    let other = page.replace(row, &format!("{row}\n| `fd.socket.sctp` | a | b |"));
    assert_eq!(faults(&other), ["`fd.socket.sctp` is no code"]);
    let meaning = Code::FdSocketTcp.meaning();
    let other = page.replace(meaning, "a socket");
    assert_eq!(
        faults(&other),
        [format!("`fd.socket.tcp` is {meaning}, not a socket")]
    );
    let silent = page.replace(row, &format!("| `fd.socket.tcp` | {meaning} |  |"));
    assert_eq!(faults(&silent), ["`fd.socket.tcp`: nothing is said to do"]);
}

/// All that is written by people in a folder of Rust code, but for tests.
fn source(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if path.is_dir() && !is_test {
            source(&path, into);
        } else if path.extension().is_some_and(|one| one == "rs") && !is_test {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next();
            into.push_str(code.unwrap_or_default());
        }
    }
}

#[test]
fn every_code_is_decided_somewhere() {
    let mut text = String::new();
    for name in ["freeze", "kconv", "runtime", "thaw", "units"] {
        let folder = kconv_tests::root().join("converters").join(name);
        source(&folder.join("src"), &mut text);
    }
    let mut refused = std::collections::BTreeSet::new();
    for family in ["linux-2.4", "linux-6"] {
        let map = Registry::builtin().unwrap().state_map(family).unwrap();
        for entry in map.types.values() {
            let of_fields = entry
                .fields
                .values()
                .filter_map(|rule| rule.policy.refusal());
            let of_flags = entry.refused.iter().map(|flags| &flags.refusal);
            refused.extend(of_fields.chain(of_flags).map(|refusal| refusal.code));
        }
    }
    let words: std::collections::BTreeSet<&str> = text
        .split(|one: char| !one.is_alphanumeric() && one != '_' && one != ':')
        .filter_map(|word| word.strip_prefix("Code::"))
        .collect();
    let unused: Vec<&str> = Code::ALL
        .iter()
        .filter(|code| !words.contains(code.variant()) && !refused.contains(code))
        .map(|code| code.name())
        .collect();
    assert!(unused.is_empty(), "nothing finds {unused:?}: remove them");
}
