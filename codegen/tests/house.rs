//! What is alike stands once: the generated code of the families, looked at as a whole.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::emit::REST;
use kconv_codegen::family::{self, Family};
use kconv_codegen::generate;
use kconv_codegen::overrides::{self, Changes};
use kconv_codegen::plan::{Action, Pair, Plan};
use kconv_codegen::steps;
use kconv_rules::RuleKind;
use kernel_structs::layout::Step;
use kernel_structs::releases::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static REGISTRY: LazyLock<&Registry> = LazyLock::new(|| Registry::builtin().unwrap());

/// What stands behind `before` in the lines of `text`, up to `end`.
fn after<'a>(text: &'a str, before: &str, end: char) -> Vec<&'a str> {
    let lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(before));
    lines.map(|rest| rest.split(end).next().unwrap()).collect()
}

/// Macros are names of the whole crate; a group's rules go by its name in capitals.
#[test]
fn no_two_groups_of_lines_have_one_name() {
    let mut macros = BTreeSet::new();
    for family in family::families(&REGISTRY) {
        let family = Family::read(&REGISTRY, &family).unwrap();
        for (file, text) in family.house(&Changes::default()).unwrap().carry().unwrap() {
            if matches!(file.as_str(), "mod.rs" | "layouts.rs" | "reasons.rs") {
                continue;
            }
            let mut groups = Vec::new();
            for name in after(&text, "macro_rules! ", ' ') {
                assert!(macros.insert(name.to_owned()), "{name}");
                let alias = format!("pub use {name} as ");
                let [group] = after(&text, &alias, ';').try_into().unwrap();
                groups.push(group);
            }
            let mut statics = after(&text, "pub static ", ':');
            let functions = after(&text, "pub fn ", '(');
            for names in [&mut groups, &mut statics] {
                let all = names.len();
                names.sort();
                names.dedup_by_key(|name| name.to_uppercase());
                assert_eq!(names.len(), all, "{file}: {names:?}");
            }
            // One table for each function, and one list of rules for each group that has any.
            let tables = statics.iter().filter(|name| name.starts_with("V"));
            assert_eq!(tables.count(), functions.len(), "{file}");
            for group in statics.iter().filter(|name| !name.starts_with("V")) {
                let lower = groups.iter().filter(|name| name.to_uppercase() == **group);
                assert_eq!(lower.count(), 1, "{file}: {group}");
            }
        }
    }
    assert!(macros.len() > 20, "{}", macros.len());
}

/// Every line of a large type, whatever releases have it, is written down once.
#[test]
fn a_line_of_a_task_stands_once() {
    for (family, lines) in [
        (
            "linux-2.4",
            ["new.exit_code = $old.exit_code;", "new.pid = $old.pid;"],
        ),
        (
            "linux-6",
            ["new.exit_code = $old.exit_code;", "new.pid = $old.pid;"],
        ),
    ] {
        let family = Family::read(&REGISTRY, family).unwrap();
        let files = family.house(&Changes::default()).unwrap().carry().unwrap();
        let text = &files["task_struct.rs"];
        assert!(after(text, "pub fn ", '(').len() > 2);
        for line in lines {
            assert_eq!(text.matches(line).count(), 1, "{line}");
            let plain = line.replace('$', "");
            assert!(!text.contains(&plain), "{plain}");
        }
        for rule in [r#"Carry.of("exit_code")"#, r#"Carry.of("pid")"#] {
            assert_eq!(text.matches(rule).count(), 1, "{rule}");
        }
    }
}

/// The plan of the first pair of a step.
fn plan(family: &Family, step: &str) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let text = std::fs::read_to_string(root.join(step).join(steps::STEP)).unwrap();
    let file = overrides::parse(&text).unwrap();
    let pair = file.pairs.first().unwrap();
    let (from, to) = (
        generate::end(&REGISTRY, &pair.from).unwrap(),
        generate::end(&REGISTRY, &pair.to).unwrap(),
    );
    let changes = Changes::read(&root.join(overrides::FOLDER), &file.family).unwrap();
    let (decided, twice) = generate::decided(&file.overrides, &changes, (&from, &to));
    assert_eq!(twice, []);
    let made = Plan::make(&Pair {
        converter: &file.converter,
        machine: &from.release.arch,
        from: from.side(),
        to: to.side(),
        map: &family.map,
        overrides: &decided,
    });
    assert_eq!(made.undecided, []);
    made.plan
}

/// What stands beside a page, or nowhere because it is carried, is shown line by line.
#[test]
fn a_function_is_shown_whole() {
    for (family, step) in [
        ("linux-2.4", "linux-2.4.36-up-2.4.36-smp"),
        ("linux-6", "linux-6.1.192-6.12.117"),
        ("linux-6", "linux-6.1.192-standard-6.1.192-rt"),
    ] {
        let family = Family::read(&REGISTRY, family).unwrap();
        let house = family.house(&Changes::default()).unwrap();
        let plan = plan(&family, step);
        let page = house.pages(&[(&plan, "page")]).unwrap().remove(0).text;
        let alike = page
            .lines()
            .filter(|line| line.trim().starts_with("rest::") && line.contains("!(cx"));
        assert!(alike.count() > 0, "{step} has nothing alike");
        let (mut shown, mut carried) = (0, 0);
        for (name, ty) in &plan.types {
            let text = house.show(&plan, name).unwrap().unwrap();
            syn::parse_file(&text).unwrap();
            carried += usize::from(!page.contains(&format!("/// `{name}`, ")));
            for line in text.lines() {
                let line = line.trim();
                let is_group = line.ends_with("!(cx, at, old, new);");
                assert!(!is_group, "{step}, {name}: {line}");
            }
            let written = ty.fields.iter().filter(|field| {
                let of_none = matches!(field.action, Action::Tail { .. });
                field.rule != RuleKind::Padding && !of_none && !field.path.is_empty()
            });
            for field in written {
                let Some(Step::Member(last)) = field.path.steps().last() else {
                    continue;
                };
                let raw = format!("r#{last}");
                let says = |name: &str| {
                    let places = [
                        format!(".{name} = "),
                        format!(".{name})"),
                        format!(".{name},"),
                        format!(".{name}."),
                        format!(".{name}["),
                        format!(".set_{name}("),
                        format!("{name}_("),
                    ];
                    places.iter().any(|place| text.contains(place))
                };
                assert!(
                    says(last) || says(&raw),
                    "{step}: {name}.{} is not in\n{text}",
                    field.path
                );
                shown += 1;
            }
        }
        assert!(shown > 100 && carried > 5, "{step}: {shown}, {carried}");
        assert_eq!(house.show(&plan, "no_such_type").unwrap(), None);
    }
}

/// Structures that have a tag since 7.2, and so another shape, and are carried by the same rules.
const TAGGED: [&str; 2] = ["rwlock_t", "seqlock_t"];

/// What a page has is what differs: every type that is not there is carried between releases of
/// either layout by one function, or in no value of the step: those around it say what becomes of its
/// members one by one.
#[test]
fn a_page_has_the_types_that_differ() {
    for converter in kconv_steps::all() {
        let identity = kconv_steps::identity(converter.from.layout).unwrap();
        let there = kconv_steps::identity(converter.to.layout).unwrap();
        let changed: BTreeSet<&str> = converter.changed.iter().map(|ty| ty.name).collect();
        assert!(!changed.is_empty(), "{}", converter.name);
        let carried: BTreeMap<&str, _> = identity.types().map(|ty| (ty.name, ty)).collect();
        for ty in there.types().filter(|ty| !changed.contains(ty.name)) {
            let Some(old) = carried.get(ty.name) else {
                continue;
            };
            let tagged = TAGGED.contains(&ty.name);
            let alike = || format!("{:?}", old.rules) == format!("{:?}", ty.rules);
            let nowhere = || {
                let mut rules = converter.types().flat_map(|of| of.rules.rules());
                ty.convert.is_none() && rules.all(|rule| rule.nested != Some(ty.name))
            };
            assert!(
                std::ptr::eq(*old, ty) || tagged && alike() || nowhere(),
                "{}: {} is not on the page, but carried in two ways",
                converter.name,
                ty.name
            );
        }
    }
}

/// All generated code of the converters, by path.
fn converters() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = generate::generate(&root, &REGISTRY).unwrap();
    let files = files.into_iter().map(|file| (file.path, file.text));
    files
        .filter(|(path, _)| path.starts_with(overrides::CONVERTERS))
        .collect()
}

/// A reason is written down where people gave it, and once in what is generated: rules name it.
#[test]
fn a_reason_stands_once() {
    let mut named = 0;
    for (path, text) in converters() {
        if path.ends_with("reasons.rs") {
            let reasons = after(&text, "pub const ", '=').len();
            let texts: Vec<&str> = text
                .lines()
                .filter_map(|line| line.split(" = ").nth(1))
                .collect();
            let distinct: BTreeSet<&str> = texts.iter().copied().collect();
            assert_eq!((texts.len(), distinct.len()), (reasons, reasons));
            continue;
        }
        for by in [".by_map(", ".by_override("] {
            for (start, _) in text.match_indices(by) {
                let reason = &text[start + by.len()..];
                let is_named = ["super::reasons::", "carry::reasons::", "joined!("]
                    .iter()
                    .any(|name| reason.starts_with(name));
                assert!(is_named, "{}: {:.60}", path.display(), reason);
                named += 1;
            }
        }
    }
    assert!(named > 2000, "{named}");
}

/// A page is what differs: a field that both layouts carry alike stands beside it, and what is said
/// of the type is one line. The step with one changed field is a page that is read at once.
#[test]
fn a_page_holds_what_differs() {
    let files = converters();
    let page = |step: &str, name: &str| {
        let folder = Path::new(overrides::CONVERTERS).join(step);
        let texts = [folder.join(name), folder.join(REST).join(name)];
        texts.map(|path| files[&path].clone())
    };
    let [page_text, rest] = page("linux-6.1.170-6.1.172", "amd64_standard.rs");
    let body: Vec<&str> = page_text.lines().map(str::trim).collect();
    assert!(body.contains(&"rest::task_struct!(cx, at, old, new);"));
    assert!(body.contains(&"new.set_user_dumpable(0);"));
    assert!(body.len() < 60, "{}", body.len());
    // Neither plain copies nor rules are on the page.
    let copies = body
        .iter()
        .filter(|line| line.starts_with("new.") && line.contains(" = old."));
    assert_eq!(copies.count(), 0);
    assert!(!page_text.contains("RuleKind::"));
    assert!(rest.contains("$new.flags = $old.flags;") && rest.contains("RuleKind::"));
    // Few lines that are alike are not worth a macro.
    let [page_text, rest] = page("linux-6.1.192-6.12.117", "amd64_standard.rs");
    assert!(page_text.contains("new.ngroups = old.ngroups;"));
    assert!(!rest.contains("macro_rules! group_info "));
    assert!(rest.contains("macro_rules! cred ") && !page_text.contains("new.fsuid = "));
}
