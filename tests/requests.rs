//! Whatever a program can ask the kernel for has a fate: it is carried, and a part of the guests' program shows it; it is
//! refused, or told, with a code that there is; or it is said that it is lost. The table of the book is made of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codes::Code;
use kernel_structs::layout::FieldPath;
use kernel_structs::releases::Registry;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

const TABLE: &str = "tests/requests.toml";
const PAGE: &str = "book/src/requests.md";
const CALLS: &str = "converters/tasks/src/linux6/system_calls.rs";
const PROGRAM: &str = "tests/guests/programs/state";
const PARTS: &str = "tests/guests/tests/thaw/parts.rs";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    names: BTreeMap<String, String>,
    request: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    of: Vec<String>,
    fate: Fate,
    by: Option<String>,
    seen: Option<Seen>,
    because: Option<String>,
}

#[derive(Copy, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Carried,
    Refused,
    Told,
    Open,
    None,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Seen {
    One(String),
    Several(Vec<String>),
}

fn read(path: &str) -> String {
    fs::read_to_string(kconv_tests::root().join(path)).unwrap()
}

fn table() -> Table {
    toml::from_str(&read(TABLE)).unwrap()
}

/// All system calls that kconv has a name for.
fn system_calls() -> String {
    let text = read(CALLS);
    let list = |name: &str| {
        let begin = text.find(&format!("const {name}: &str = \"")).unwrap();
        let text = &text[begin..];
        let begin = text.find('"').unwrap() + 1;
        let end = begin + text[begin..].find('"').unwrap();
        text[begin..end].replace('\\', " ")
    };
    list("FIRST") + " " + &list("SECOND")
}

/// Everything that can be asked for, by the title of its table.
fn names(table: &Table) -> Vec<(&'static str, BTreeSet<String>)> {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let of = |name: &str| words(&table.names[name]);
    vec![
        ("System calls", words(&system_calls())),
        ("prctl(2)", of("prctl")),
        ("arch_prctl(2)", of("arch_prctl")),
        ("fcntl(2)", of("fcntl")),
        ("ioctl(2)", of("ioctl")),
        ("Files of /proc/PID", of("proc")),
    ]
}

/// The source of the guests' program that has a part of this name.
fn source_of(part: &str) -> Option<String> {
    let folder = fs::read_dir(kconv_tests::root().join(PROGRAM)).unwrap();
    let mut sources = folder.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    sources.find(|source| source.contains(&format!("= {{ \"{part}\", ")))
}

/// What is wrong with an entry.
fn flaws(request: &Request, parts: &str, codes: &BTreeSet<&str>) -> Vec<String> {
    let by = request.by.as_deref().unwrap_or_default();
    let has_reason = request.because.is_some();
    match request.fate {
        Fate::Refused | Fate::Told if !codes.contains(by) => vec![format!("no code {by}")],
        Fate::None | Fate::Open if !has_reason => vec!["no reason".to_owned()],
        Fate::None | Fate::Open if request.by.is_some() => vec!["nobody is asked".to_owned()],
        Fate::Carried if !parts.contains(&format!("    \"{by}\",\n")) => {
            vec![format!("{PARTS} runs no part {by}")]
        }
        Fate::Carried => {
            let source = source_of(by).unwrap_or_default();
            let seen = match &request.seen {
                None => request.of.clone(),
                Some(Seen::One(word)) => vec![word.clone()],
                Some(Seen::Several(words)) => words.clone(),
            };
            let unseen = seen.into_iter().filter(|word| !source.contains(word));
            unseen
                .map(|word| format!("the part {by} has no {word}"))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn whatever_a_program_asks_for_has_a_fate() {
    let table = table();
    let parts = read(PARTS);
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let mut wrong = Vec::new();
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &table.request {
        let flaws = flaws(request, &parts, &codes);
        wrong.extend(
            flaws
                .iter()
                .map(|flaw| format!("{}: {flaw}", request.of[0])),
        );
        for name in &request.of {
            *said.entry(name).or_default() += 1;
        }
    }
    let names = names(&table);
    let all: BTreeSet<&String> = names.iter().flat_map(|(_, names)| names).collect();
    for name in &all {
        match said.get(name.as_str()) {
            None => wrong.push(format!("{name}: nothing says what becomes of it")),
            Some(1) => {}
            Some(_) => wrong.push(format!("{name}: several entries say what becomes of it")),
        }
    }
    let known = |name: &&&str| !all.iter().any(|one| one.as_str() == **name);
    wrong.extend(
        said.keys()
            .filter(known)
            .map(|name| format!("{name}: nobody asks for it")),
    );
    assert!(wrong.is_empty(), "{TABLE}:\n{}", wrong.join("\n"));
    let text = book(&table, &names);
    let page = kconv_tests::root().join(PAGE);
    if std::env::var_os("KCONV_BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == text,
        "{PAGE} is not what the table says: write it with KCONV_BLESS=1 cargo test -p kconv-tests --test requests"
    );
}

/// The page of the book.
fn book(table: &Table, names: &[(&str, BTreeSet<String>)]) -> String {
    let mut text = "# What becomes of what was asked for\n\n\
        Of every system call of x86-64, and of every option of prctl(2), arch_prctl(2) and fcntl(2) and every file of /proc/PID \
        by which a program sets something, whether a thawed task has it. This page is written by `cargo test -p kconv-tests \
        --test requests` from `tests/requests.toml`; a request of which nothing is said fails the test, and so does one that is \
        said to be carried where no part of the program that checks itself in the guests (`tests/guests/programs/state`) sets \
        it.\n"
        .to_owned();
    for (title, names) in names {
        write!(
            text,
            "\n## {title}\n\n| what | becomes | |\n|---|---|---|\n"
        )
        .unwrap();
        let of = |request: &&Request| request.of.iter().any(|name| names.contains(name));
        let mut requests: Vec<&Request> = table.request.iter().filter(of).collect();
        requests.sort_by_key(|request| request.fate);
        for request in requests {
            let own = request.of.iter().filter(|name| names.contains(*name));
            let own: Vec<String> = own.map(|name| format!("`{name}`")).collect();
            let by = request.by.as_deref().unwrap_or_default();
            let becomes = match request.fate {
                Fate::Carried => format!("carried (part `{by}`)"),
                Fate::Refused => format!("refused, [`{by}`](refusals.md#all-codes)"),
                Fate::Told => format!("dropped, and told, [`{by}`](refusals.md#all-codes)"),
                Fate::Open => "**lost, and nobody is told**, or not tested".to_owned(),
                Fate::None => "no state of a task".to_owned(),
            };
            let because = request.because.as_deref().unwrap_or_default();
            writeln!(text, "| {} | {becomes} | {because} |", own.join(", ")).unwrap();
        }
    }
    text
}

/// The headers of this machine can be those of a newer kernel than the table knows.
#[test]
#[ignore = "asks the headers of the machine it runs on"]
fn the_headers_of_this_machine_have_nothing_else() {
    let table = table();
    let mut unknown = Vec::new();
    for (list, header, prefixes) in [
        (
            "prctl",
            "/usr/include/linux/prctl.h",
            &["PR_SET_", "PR_CAP"][..],
        ),
        (
            "fcntl",
            "/usr/include/linux/fcntl.h",
            &["F_SET", "F_ADD", "F_NOTIFY"],
        ),
        (
            "fcntl",
            "/usr/include/asm-generic/fcntl.h",
            &["F_SET", "F_OFD_SET"],
        ),
        (
            "ioctl",
            "/usr/include/asm-generic/ioctls.h",
            &["FIO", "TC", "TIOC"],
        ),
        (
            "ioctl",
            "/usr/include/linux/fs.h",
            &["FIF", "FIT", "FIC", "FID", "FS_IOC_", "BLK"],
        ),
        (
            "arch_prctl",
            "/usr/include/x86_64-linux-gnu/asm/prctl.h",
            &["ARCH_"],
        ),
    ] {
        let mut names: BTreeSet<&str> = table.names[list].split_whitespace().collect();
        let asks = table.names.get(&format!("{list}_asks"));
        names.extend(asks.iter().flat_map(|asks| asks.split_whitespace()));
        let text = fs::read_to_string(header).unwrap();
        let defined = text
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("#define "));
        let defined = defined.filter_map(|line| line.split_whitespace().next());
        // What stands for another, asks, or is a value of an option.
        let is_value = |name: &str| {
            name.contains("_GET")
                || name.ends_with("_READ")
                || name.ends_with("64") && list == "fcntl"
                || {
                    let of = names
                        .iter()
                        .any(|known| name.len() > known.len() && name.starts_with(known));
                    of && !names.contains(name)
                }
        };
        let of = defined.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
        unknown.extend(
            of.filter(|name| !names.contains(name) && !is_value(name))
                .map(str::to_owned),
        );
    }
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// What is said of all layouts is so.
#[test]
fn no_layout_has_what_none_is_said_to_have() {
    const SAID: &str = "no layout has ";
    let registry = Registry::builtin().unwrap();
    let mut members = Vec::new();
    for request in table().request {
        let because = request.because.unwrap_or_default();
        let said = because.split(SAID).skip(1);
        members.extend(said.map(|rest| rest.split(' ').next().unwrap().to_owned()));
    }
    assert_eq!(members, ["task_struct.core_cookie"]);
    for member in &members {
        let (ty, member) = member.split_once('.').unwrap();
        for entry in registry.layouts().filter(|entry| entry.family == "linux-6") {
            let layout = registry.layout(&entry.id).unwrap();
            let task = layout.find(ty).unwrap();
            let path = FieldPath::parse(member).unwrap();
            assert!(layout.lookup(task, &path).is_none(), "{}", entry.id);
        }
    }
}
