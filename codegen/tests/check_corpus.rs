//! `kconv-gen check` on edits that are made at random, held against what a compiler makes of them.
//!
//! The structures of stored layouts are written as C (bpftool), one of them is edited, both sides are
//! compiled, and their BTF says whether anything saved changed. The edit goes to the check as a patch,
//! with context and headings or without, with the tree before it or alone, most with a configuration:
//!
//! - what changed something saved is open, or decided by something that the report names: never
//!   without effect, and never without a finding;
//! - what changed nothing may have no open finding, but for a part of all edits.
//!
//! 200 edits are made here; more, and others, with
//!
//! ```text
//! KCONV_CORPUS=5000 KCONV_CORPUS_SEED=7 cargo test --release -p kconv-codegen --test check_corpus -- --nocapture
//! ```
//!
//! Needed are gcc (12 or later, for `-gbtf`) and bpftool.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::check::{self, Inputs, Options, Project, Saved, Verdict};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use kernel_structs_routes::bzimage::Kernel;
use similar::TextDiff;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const HEADER: &str = "include/linux/sched.h";

/// Macros as vendors have them, with `CONFIG_OFF_IN_TESTS` off.
const MACROS: &str = "#define RH_KABI_RESERVE(n) unsigned long rh_reserved##n;
#define RH_KABI_USE(n, new) union { new; unsigned long __rh_reserved##n; };
typedef int __s32_of_tests;
";

/// Lines that each edited structure has behind its first member, for edits that need them.
const OWN: [&str; 6] = [
    "\tRH_KABI_RESERVE(1)",
    "#ifdef CONFIG_OFF_IN_TESTS",
    "\tint member_that_is_off;",
    "#endif",
    "\tint array_of_tests[LENGTH_OF_TESTS];",
    "\tunsigned int bits_of_tests: 3;",
];

/// SplitMix64: the same edits on every machine (Steele, Lea, Flood: "Fast Splittable Pseudorandom
/// Number Generators").
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A header with the structures of one layout, its lines and the tags of those that may be edited.
struct Base {
    lines: Vec<String>,
    tags: Vec<String>,
    layout: Layout,
}

/// The structures of a stored layout as C.
fn base(id: &str, saved: &[&str], folder: &Path) -> Base {
    let btf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join(format!("kernel-structs/layouts/{id}.btf"));
    let output = Command::new("bpftool")
        .args(["btf", "dump", "file"])
        .arg(&btf)
        .args(["format", "c"])
        .output()
        .expect("bpftool has to be installed");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = vec![
        "#include <linux/vendor_of_tests.h>".to_owned(),
        "#define LENGTH_OF_TESTS 4".to_owned(),
        "#define __packed __attribute__((packed))".to_owned(),
        "struct unrelated_of_tests {".to_owned(),
        "\tint one;".to_owned(),
        "\tint two;".to_owned(),
        "};".to_owned(),
    ];
    let mut tags = Vec::new();
    let mut inside = "";
    for line in text.lines() {
        lines.push(line.to_owned());
        let tag = line
            .strip_prefix("struct ")
            .and_then(|rest| rest.strip_suffix(" {"));
        if let Some(tag) = tag {
            inside = tag;
        } else if line.starts_with('}') {
            inside = "";
        } else if saved.contains(&inside)
            && is_member(line)
            && !tags.iter().any(|tag| tag == inside)
        {
            tags.push(inside.to_owned());
            lines.extend(OWN.map(String::from));
        }
    }
    let layout = compiled(&lines, &tags, folder).unwrap_or_else(|error| panic!("{id}: {error}"));
    Base {
        lines,
        tags,
        layout,
    }
}

/// A line that declares one member of a structure by itself.
fn is_member(line: &str) -> bool {
    let inner = line
        .strip_prefix('\t')
        .and_then(|line| line.strip_suffix(';'));
    inner.is_some_and(|inner| {
        let plain = !inner.starts_with(['\t', '}']) && !inner.contains(['{', '}', '(']);
        // Padding has no name.
        plain
            && !inner.starts_with("long: ")
            && !inner.starts_with("int: ")
            && !inner.contains(": 0")
    })
}

/// The layout that a compiler gives the structures; what it said if it does not take them.
fn compiled(lines: &[String], tags: &[String], folder: &Path) -> Result<Layout, String> {
    let mut source = format!("{}\n", lines.join("\n"));
    for tag in tags {
        writeln!(source, "struct {tag} value_{tag};").unwrap();
    }
    let linux = folder.join("include/linux");
    std::fs::create_dir_all(&linux).unwrap();
    std::fs::write(linux.join("vendor_of_tests.h"), MACROS).unwrap();
    let (input, output) = (folder.join("side.c"), folder.join("side.o"));
    std::fs::write(&input, source).unwrap();
    let run = Command::new("gcc")
        .args(["-g", "-gbtf", "-w", "-c", "-I"])
        .arg(folder.join("include"))
        .args([&input, Path::new("-o"), &output].map(Path::as_os_str))
        .output()
        .expect("gcc has to be installed");
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    let elf = std::fs::read(output).unwrap();
    Kernel::of_elf(elf)
        .layout()
        .map_err(|error| error.to_string())
}

/// The lines after an edit of the structure between two lines; `None` where it has no place for it.
type Edit = fn(&mut Random, &[String], (usize, usize)) -> Option<Vec<String>>;

const EDITS: [(&str, Edit); 24] = [
    ("add", |random, lines, of| {
        insert(random, lines, of, &["\tint fresh_of_tests;"])
    }),
    ("add a pointer", |random, lines, of| {
        insert(random, lines, of, &["\tvoid *fresh_of_tests;"])
    }),
    ("add a nested structure", |random, lines, of| {
        insert(
            random,
            lines,
            of,
            &["\tstruct {", "\t\tint one;", "\t} fresh_of_tests;"],
        )
    }),
    ("add a macro", |random, lines, of| {
        insert(random, lines, of, &["\tRH_KABI_RESERVE(9)"])
    }),
    ("remove", |random, lines, of| {
        replace(random, lines, of, |_| Some(Vec::new()))
    }),
    ("rename", |random, lines, of| {
        replace(random, lines, of, |line| Some(vec![renamed(line)?]))
    }),
    ("retype", |random, lines, of| {
        replace(random, lines, of, |line| {
            Some(vec![format!("\tstruct list_head *{}", declarator(line)?)])
        })
    }),
    ("widen", |random, lines, of| {
        replace(random, lines, of, |line| {
            let rest = line
                .strip_prefix("\tint ")
                .or(line.strip_prefix("\tunsigned int "))?;
            (!rest.contains(':')).then(|| vec![format!("\tlong {rest}")])
        })
    }),
    ("reorder", |random, lines, of| {
        let at = member(random, lines, of)?;
        let mut lines = lines.to_vec();
        is_member(&lines[at + 1]).then(|| lines.swap(at, at + 1))?;
        Some(lines)
    }),
    ("move to the end", |random, lines, of| {
        let at = member(random, lines, of)?;
        let mut lines = lines.to_vec();
        let line = lines.remove(at);
        lines.insert(of.1 - 1, line);
        Some(lines)
    }),
    ("behind an option", |random, lines, of| {
        replace(random, lines, of, |line| {
            let line = line.to_owned();
            Some(vec![
                "#ifdef CONFIG_OFF_IN_TESTS".to_owned(),
                line,
                "#endif".to_owned(),
            ])
        })
    }),
    ("no longer behind an option", |_, lines, of| {
        let at = position(lines, of, OWN[1])?;
        let mut lines = lines.to_vec();
        lines.remove(at + 2);
        lines.remove(at);
        Some(lines)
    }),
    ("another type and no option", |_, lines, of| {
        let at = position(lines, of, OWN[1])?;
        let mut lines = lines.to_vec();
        lines[at + 1] = "\tlong member_that_is_off;".to_owned();
        lines.remove(at + 2);
        lines.remove(at);
        Some(lines)
    }),
    ("into a union", |random, lines, of| {
        replace(random, lines, of, |line| {
            let line = format!("\tunion {{ {}", line.trim_start());
            Some(vec![
                line,
                "\t\tlong other_of_tests[9];".to_owned(),
                "\t};".to_owned(),
            ])
        })
    }),
    ("use a reserved member", |_, lines, of| {
        let at = position(lines, of, OWN[0])?;
        let mut lines = lines.to_vec();
        lines[at] = "\tRH_KABI_USE(1, unsigned int used_of_tests)".to_owned();
        Some(lines)
    }),
    ("packed", |random, lines, of| {
        let mut lines = lines.to_vec();
        let packed = *random.pick(&["} __attribute__((packed));", "} __packed;"]);
        (lines[of.1] == "};").then(|| lines[of.1] = packed.to_owned())?;
        Some(lines)
    }),
    ("aligned", |random, lines, of| {
        replace(random, lines, of, |line| {
            let line = line.strip_suffix(';').filter(|line| !line.contains(':'))?;
            Some(vec![format!("{line} __attribute__((aligned(64)));")])
        })
    }),
    ("a longer array", |_, lines, of| {
        let at = position(lines, of, OWN[4])?;
        let mut lines = lines.to_vec();
        lines[at] = "\tint array_of_tests[5];".to_owned();
        Some(lines)
    }),
    ("a wider bit-field", |_, lines, of| {
        let at = position(lines, of, OWN[5])?;
        let mut lines = lines.to_vec();
        lines[at] = "\tunsigned int bits_of_tests: 9;".to_owned();
        Some(lines)
    }),
    ("white space", |random, lines, of| {
        replace(random, lines, of, |line| {
            let (ty, name) = line.trim_start().rsplit_once(' ')?;
            Some(vec![format!("\t{ty}\t\t{name}")])
        })
    }),
    ("two lines", |random, lines, of| {
        replace(random, lines, of, |line| {
            let (ty, name) = line.trim_start().rsplit_once(' ')?;
            (!line.contains(':')).then(|| vec![format!("\t{ty}"), format!("\t\t{name}")])
        })
    }),
    ("another way to write a type", |random, lines, of| {
        replace(random, lines, of, |line| {
            let rest = line
                .strip_prefix("\tunsigned int ")
                .map(|rest| format!("\tunsigned {rest}"));
            let long = line.strip_prefix("\tlong unsigned int ");
            Some(vec![
                rest.or(long.map(|rest| format!("\tunsigned long {rest}")))?,
            ])
        })
    }),
    ("a structure that nobody saves", |_, lines, _| {
        let mut lines = lines.to_vec();
        lines.insert(4, "\tint fresh_of_tests;".to_owned());
        Some(lines)
    }),
    ("a prototype", |_, lines, of| {
        let mut lines = lines.to_vec();
        lines.insert(
            of.0,
            "int prototype_of_tests(int one, void *two);".to_owned(),
        );
        Some(lines)
    }),
];

fn member(random: &mut Random, lines: &[String], (start, end): (usize, usize)) -> Option<usize> {
    let members: Vec<usize> = (start + 1..end)
        .filter(|at| is_member(&lines[*at]))
        .collect();
    (!members.is_empty()).then(|| *random.pick(&members))
}

fn insert(
    random: &mut Random,
    lines: &[String],
    of: (usize, usize),
    fresh: &[&str],
) -> Option<Vec<String>> {
    let at = member(random, lines, of)?;
    let mut lines = lines.to_vec();
    lines.splice(at..at, fresh.iter().map(|line| (*line).to_owned()));
    Some(lines)
}

fn replace(
    random: &mut Random,
    lines: &[String],
    of: (usize, usize),
    with: impl Fn(&str) -> Option<Vec<String>>,
) -> Option<Vec<String>> {
    let at = member(random, lines, of)?;
    let mut lines = lines.to_vec();
    let fresh = with(&lines[at])?;
    lines.splice(at..=at, fresh);
    Some(lines)
}

fn position(lines: &[String], (start, end): (usize, usize), line: &str) -> Option<usize> {
    (start..end).find(|at| lines[*at] == line)
}

/// The name of a member with its array and semicolon.
fn declarator(line: &str) -> Option<&str> {
    let rest = line.trim_start().rsplit_once([' ', '*'])?.1;
    (!line.contains(':')).then_some(rest)
}

fn renamed(line: &str) -> Option<String> {
    let name = declarator(line)?;
    Some(format!("{}zz_{name}", line.strip_suffix(name)?))
}

/// The edit as `diff -u` would write it, with so many lines around it and headings or none.
fn patch(old: &[String], new: &[String], context: usize, headings: bool) -> String {
    let (was, is) = (old.join("\n") + "\n", new.join("\n") + "\n");
    let diff = TextDiff::from_lines(&was, &is);
    let mut unified = diff.unified_diff();
    unified.context_radius(context);
    let (a, b) = (format!("a/{HEADER}"), format!("b/{HEADER}"));
    let text = unified.header(&a, &b).to_string();
    let with_heading = |line: &str| -> String {
        let start = line.strip_prefix("@@ -").filter(|_| headings);
        let number = start.and_then(|rest| rest.split([',', ' ']).next()?.parse::<usize>().ok());
        let heading = number.and_then(|number| {
            // An insertion without context stands behind the line that it names.
            let before = if line.contains(",0 +") {
                number
            } else {
                number - 1
            };
            let begins = |line: &&String| line.starts_with(|c: char| c.is_ascii_alphabetic());
            old[..before].iter().rev().find(begins)
        });
        match heading {
            Some(heading) => format!("{line} {heading}\n"),
            None => format!("{line}\n"),
        }
    };
    text.lines().map(with_heading).collect()
}

/// What came of one kind of edit.
#[derive(Default)]
struct Count {
    made: usize,
    changed: usize,
    open: usize,
    decided: usize,
    alarms: usize,
}

fn number(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn what_changes_saved_bytes_is_never_without_a_finding() {
    let registry = Registry::builtin().unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let entries: Vec<_> = registry
        .layouts()
        .filter(|entry| entry.family == "linux-6")
        .collect();
    let layouts = entries
        .iter()
        .map(|entry| registry.layout(&entry.id).unwrap());
    let saved = Saved::new(&map, layouts.collect());
    let folder = tempfile::tempdir().unwrap();
    let names = map.saved_types();
    let (first, last) = (entries.first().unwrap(), entries.last().unwrap());
    let bases = [first, last].map(|entry| base(&entry.id.to_string(), &names, folder.path()));
    let edits = usize::try_from(number("KCONV_CORPUS", 200)).unwrap();
    let options = Options::parse("# CONFIG_OFF_IN_TESTS is not set\n");
    let mut random = Random(number("KCONV_CORPUS_SEED", 1));
    let mut counts: BTreeMap<&str, Count> = BTreeMap::new();
    let (mut missed, mut alarms, mut made) = (Vec::new(), Vec::new(), 0);
    while made < edits {
        let base = random.pick(&bases);
        let tag = random.pick(&base.tags);
        let start = base
            .lines
            .iter()
            .position(|line| *line == format!("struct {tag} {{"))
            .unwrap();
        let end = (start..)
            .find(|at| base.lines[*at].starts_with('}'))
            .unwrap();
        let (name, edit) = random.pick(&EDITS);
        let (context, headings) = (*random.pick(&[0, 1, 3, 3]), random.below(4) > 0);
        let with_tree = random.below(2) == 0;
        let Some(lines) = edit(&mut random, &base.lines, (start, end)) else {
            continue;
        };
        let Ok(layout) = compiled(&lines, &base.tags, folder.path()) else {
            continue;
        };
        made += 1;
        let tags: Vec<&str> = base.tags.iter().map(String::as_str).collect();
        let changed = base.layout.fingerprint(&tags).unwrap() != layout.fingerprint(&tags).unwrap();
        let patch = patch(&base.lines, &lines, context, headings);
        std::fs::write(folder.path().join(HEADER), base.lines.join("\n") + "\n").unwrap();
        // Without a configuration nobody knows whether an option is set.
        let with_options = random.below(4) > 0;
        let inputs = Inputs {
            options: with_options.then_some(&options),
            tree: with_tree.then_some(folder.path()),
            ..Inputs::default()
        };
        let report = check::check(
            Some(&mut patch.as_bytes()),
            &saved,
            &Project::default(),
            &inputs,
        );
        let report = report.unwrap_or_else(|error| panic!("{error}\n{patch}"));
        let count = counts.entry(name).or_default();
        count.made += 1;
        count.changed += usize::from(changed);
        let is_of_it =
            |finding: &check::Finding| finding.subject.split('.').next() == Some(tag.as_str());
        let decided = |finding: &check::Finding| {
            matches!(finding.verdict, Verdict::Decided { .. }) && is_of_it(finding)
        };
        let told = || {
            let tree = if with_tree { "with the tree" } else { "alone" };
            format!(
                "{name} in {tag}, {tree}:\n{patch}{}",
                check::render::text(&report)
            )
        };
        match (changed, report.is_clean()) {
            (true, false) => count.open += 1,
            // What decides it is named; the generator does the same with the layouts.
            (true, true) if report.findings.iter().any(decided) => count.decided += 1,
            (true, true) => missed.push(told()),
            (false, true) => {}
            (false, false) => {
                count.alarms += 1;
                alarms.push(told());
            }
        }
    }
    println!(
        "{:28} {:>5} {:>8} {:>5} {:>8} {:>7}",
        "edit", "made", "changed", "open", "decided", "alarms"
    );
    for (name, count) in &counts {
        println!(
            "{name:28} {:>5} {:>8} {:>5} {:>8} {:>7}",
            count.made, count.changed, count.open, count.decided, count.alarms
        );
    }
    for alarm in &alarms {
        println!("false alarm: {alarm}");
    }
    println!(
        "{made} edits, {} missed, {} false alarms",
        missed.len(),
        alarms.len()
    );
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
    let share = alarms.len() as f64 / made as f64;
    assert!(share < 0.05, "{} of {made} are false alarms", alarms.len());
}
