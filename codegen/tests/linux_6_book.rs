//! The book's chapter on Linux 6.1 and 6.12, held against the project: its steps, that it has a word on
//! every decision, and that it says what is done.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::generate;
use kconv_codegen::overrides::{self, Changes, FlagDecision, Override, Overrides, OverridesFile};
use kconv_codegen::plan::{Action, FieldPlan, Made, Pair, Plan};
use kernel_structs::releases::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = include_str!("../../book/src/linux-6.1-6.12.md");
const FORTH: &str = "linux-6.1.192-6.12.117";
const BACK: &str = "linux-6.12.117-6.1.192";

/// The decisions of the family's converters, by folder.
fn converters() -> BTreeMap<String, OverridesFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap() {
        let dir = entry.unwrap();
        if let Ok(text) = fs::read_to_string(dir.path().join("step.toml")) {
            let file = overrides::parse(&text).unwrap();
            if file.family == "linux-6" {
                all.insert(dir.file_name().into_string().unwrap(), file);
            }
        }
    }
    all
}

/// The decisions for the first pair of a step, and its plan.
fn planned(registry: &Registry, file: &OverridesFile) -> (Overrides, Made) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/overrides");
    let changes = Changes::read(&folder, "linux-6").unwrap();
    let end = |name: &str| generate::end(registry, name).unwrap();
    let pair = &file.pairs[0];
    let (from, to) = (end(&pair.from), end(&pair.to));
    let overrides = generate::decided(&file.overrides, &changes, (&from, &to)).0;
    let made = Plan::make(&Pair {
        converter: "none",
        machine: &from.release.arch,
        from: from.side(),
        to: to.side(),
        map: &registry.state_map(from.family).unwrap(),
        overrides: &overrides,
    });
    (overrides, made)
}

fn decided(registry: &Registry, file: &OverridesFile) -> (Vec<Override>, Vec<FlagDecision>) {
    let (overrides, made) = planned(registry, file);
    let flags = made.needed_flags.iter();
    let flags = flags.map(|index| overrides.flags[*index].clone()).collect();
    (overrides.entries, flags)
}

fn flavours(registry: &Registry, file: &OverridesFile) -> String {
    let flavour = |name: &str| registry.release(name, None, None).unwrap().flavour.clone();
    let pairs = file.pairs.iter().map(|pair| {
        let (from, to) = (flavour(&pair.from), flavour(&pair.to));
        match from == to {
            true => from,
            false => format!("{from} → {to}"),
        }
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// A step that is made later needs no row: the chapter is about what was to be decided.
#[test]
fn what_is_in_the_table_is_a_step() {
    let registry = Registry::builtin().unwrap();
    let converters = converters();
    let rows = CHAPTER.lines().filter(|line| line.starts_with("| `linux-"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let name = cells[0].trim_matches(['|', ' ', '`']);
        let there = &converters[name];
        let is_back = |file: &OverridesFile| {
            let ends = |file: &OverridesFile| -> BTreeSet<(String, String)> {
                let ends = file.pairs.iter();
                ends.map(|pair| (pair.from.clone(), pair.to.clone()))
                    .collect()
            };
            let turned = ends(file).into_iter().map(|(from, to)| (to, from));
            turned.collect::<BTreeSet<_>>() == ends(there)
        };
        assert!(converters.values().any(is_back), "{name}");
        assert_eq!(cells[1], flavours(registry, there), "{name}");
        count += 1;
    }
    assert!(count >= 8, "{count}");
}

#[test]
fn the_counts_are_those_of_the_two_kernels() {
    // A version means its standard flavour.
    let difference = |from: &str, to: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["diff", from, to])
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let by_version = difference("6.1.192", "6.12.117");
    assert!(by_version == difference("6.1.0-56-amd64", "6.12.117+deb12-amd64"));
    let moved = by_version
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("moved"));
    let moved = moved.unwrap().trim();
    assert!(CHAPTER.contains(&format!("{moved}\nmembers of their saved types only moved")));
    assert!(CHAPTER.contains(&format!(
        "{moved} members of the saved types lie at another offset"
    )));
}

#[test]
fn every_decision_is_in_the_chapter() {
    // Words in the type of code, which names of members are.
    let quoted = CHAPTER.split('`').skip(1).step_by(2);
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = quoted
        .flat_map(|code| code.split(move |c| !of_a_name(c)))
        .collect();
    let registry = Registry::builtin().unwrap();
    let converters = converters();
    let mut missing = Vec::new();
    for name in [FORTH, BACK] {
        let (fields, flags) = decided(registry, &converters[name]);
        for entry in &fields {
            let field = &entry.field;
            let member = field.rsplit('.').next().unwrap();
            // An anonymous union goes by the name of its first member.
            let member = member.strip_prefix("union_").unwrap_or(member);
            let member = member.split('[').next().unwrap();
            if !words.contains(member) {
                missing.push(format!("{name}: {field}"));
            }
        }
        // What begins the names of a field's flags is said once.
        let told = |flag: &str| {
            let rest = flag.split_once('_').map_or(flag, |(_, rest)| rest);
            CHAPTER.contains(flag) || CHAPTER.contains(&format!(" {rest} "))
        };
        let flags = flags.iter().filter(|flag| !told(&flag.name));
        missing.extend(flags.map(|flag| format!("{name}: {}", flag.name)));
    }
    assert_eq!(missing, Vec::<String>::new());
}

/// The fields that a row is about, as `type.member`: the type is in the name, or in the heading above.
fn fields(heading: &str, cell: &str) -> Vec<String> {
    let mut ty = heading.to_owned();
    let mut all = Vec::new();
    for name in cell.split('`').skip(1).step_by(2) {
        match name.split_once('.') {
            Some(("", member)) => all.push(format!("{ty}.{member}")),
            Some((of, member)) => {
                ty = of.to_owned();
                all.push(format!("{ty}.{member}"));
            }
            None => all.push(format!("{ty}.{name}")),
        }
    }
    all
}

/// What a plan does with a field and all in it: `init N` of one number, or `drop` in its two ways; none for
/// anything else.
fn done(plan: &Plan, field: &str) -> Option<String> {
    let (ty, member) = field.split_once('.').unwrap();
    let of_field = |plan: &&FieldPlan| {
        let path = plan.path.to_string();
        let rest = path.strip_prefix(member);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let plan = plan.types.get(ty)?;
    let all = plan.fields.iter().chain(&plan.drops).filter(of_field);
    let words: BTreeSet<String> = all
        .map(|field| match &field.action {
            Action::Set { value } => format!("init {value}"),
            Action::Zero => "init 0".to_owned(),
            Action::Drop { strict, .. }
            | Action::DropLink { strict, .. }
            | Action::DropSymbol { strict, .. } => match strict {
                true => "drop only-if-initial".to_owned(),
                false => "drop always".to_owned(),
            },
            other => format!("{other:?}"),
        })
        .collect();
    match words.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// What a row says in the words of a decision is what is done.
#[test]
fn what_the_rows_say_is_done() {
    let registry = Registry::builtin().unwrap();
    let converters = converters();
    let [forth, back] = [FORTH, BACK].map(|name| planned(registry, &converters[name]).1.plan);
    let (mut heading, mut wrong, mut held) = ("", Vec::new(), 0);
    for line in CHAPTER.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            // Of several types, a name without one is of the first.
            heading = title.split(',').next().unwrap();
        }
        let cells: Vec<&str> = line.split(" | ").collect();
        let [names, old, _, there, back_again, ..] = cells.as_slice() else {
            continue;
        };
        // What came to a later 6.1 as well is decided by another step.
        if old.contains("6.1.192 has it") {
            continue;
        }
        for (plan, said) in [(&forth, there), (&back, back_again)] {
            let expected = match said.split_once(' ') {
                Some(("init", "null" | "zero" | "0")) => "init 0".to_owned(),
                Some(("init", number)) => match number.parse::<i64>() {
                    Ok(number) => format!("init {number}"),
                    Err(_) => continue,
                },
                Some(("drop", "always" | "only-if-initial")) => (*said).to_owned(),
                _ => continue,
            };
            for field in fields(heading, names) {
                held += 1;
                let found = done(plan, &field);
                if found.as_ref() != Some(&expected) {
                    wrong.push(format!("{field}: {said}, and it is {found:?}"));
                }
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(held > 80, "{held}");
}
