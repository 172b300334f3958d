//! What is wrong with an overrides file, and how it is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use fixture::Fixture;
use kconv_codegen::family::Family;
use kconv_codegen::generate::{self, GenerateError};
use kconv_codegen::needed::stale;
use kconv_codegen::overrides::{self, Changes, FOLDER, Overrides};
use kconv_codegen::show;
use kernel_structs::releases::Registry;
use std::path::{Path, PathBuf};

const HEAD: &str = "converter = \"c\"\nfamily = \"test\"\n";
const PAIR: &str = "[[pair]]\nmodule = \"m\"\nfrom = \"a\"\nto = \"b\"
from_fingerprint = \"0000000000000000000000000000000000000000000000000000000000000000\"
to_fingerprint = \"0000000000000000000000000000000000000000000000000000000000000000\"
";

fn parse(entries: &str) -> String {
    parse_file(&format!("{HEAD}{PAIR}{entries}"))
}

fn parse_file(text: &str) -> String {
    match overrides::parse(text) {
        Ok(file) => format!("{:?}", file.overrides),
        Err(findings) => findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[test]
fn every_wrong_entry_is_told_at_once() {
    insta::assert_snapshot!(parse(
        r#"
[[override]]
field = "s.nothing"
reason = "none (fs/a.c: f)"
[[override]]
field = "s.two"
init = 0
drop = "always"
reason = "both (fs/a.c: f)"
[[override]]
field = "s.reason"
init = 0
reason = "  "
[[override]]
field = "field"
init = 0
reason = "no type (fs/a.c: f)"
[[override]]
field = "s.word"
drop = "sometimes"
reason = "no such word (fs/a.c: f)"
[[override]]
field = "s.value"
init = 1.5
reason = "no number (fs/a.c: f)"
[[override]]
field = "s.from"
init = 0
from = ["a"]
reason = "from without call (fs/a.c: f)"
[[override]]
field = "s.call"
call = "not a name"
reason = "no name (fs/a.c: f)"
[[override]]
field = "s.offsets"
init = 0
new-offsets = ["s.a"]
reason = "offsets without call (fs/a.c: f)"
[[override]]
field = "s.places"
call = "f"
offsets = ["a"]
reason = "no type (fs/a.c: f)"
[[override]]
field = "s.constants"
init = 0
new-constants = ["A"]
reason = "constants without call (fs/a.c: f)"
[[override]]
field = "s.constant"
call = "f"
constants = ["a-b"]
reason = "no constant (fs/a.c: f)"
[[override]]
field = "s.source"
init = 0
reason = "because"
[[override]]
field = "s.file"
init = 0
reason = "cleared (mm/ksm.c)"
[[override]]
field = "s.header"
init = 0
reason = "cleared (include/linux/mm.h)"
[[override]]
field = "s.scale"
scale = { multiply = 1, divide = 0 }
reason = "no divisor (fs/a.c: f)"
[[override]]
field = "s.merge"
merge = "product"
reason = "no such word (fs/a.c: f)"
[[override]]
field = "s.twice"
init = 0
reason = "first (fs/a.c: f)"
[[override]]
field = "s.twice"
init = 1
reason = "second (fs/a.c: f)"
"#
    ));
}

#[test]
fn a_misspelt_key_is_an_error() {
    insta::assert_snapshot!(parse(
        "[[override]]\nfield = \"s.a\"\ninti = 0\nreason = \"x (fs/a.c: f)\"\n"
    ));
    insta::assert_snapshot!(parse("[[overide]]\nfield = \"s.a\"\n"));
    insta::assert_snapshot!(parse("[[override]]\nfield = \"s.a\"\ninit = 0\n"));
    insta::assert_snapshot!(parse("[[override]]\nfield = \n"));
    insta::assert_snapshot!(parse(
        "[[override]]\nfield = \"s.a\"\nsplit = \"x\"\nreason = \"no such action (fs/a.c: f)\"\n"
    ));
}

#[test]
fn a_file_needs_pairs_with_names_and_fingerprints() {
    insta::assert_snapshot!(parse_file(HEAD));
    insta::assert_snapshot!(parse_file(&format!("{HEAD}{PAIR}{PAIR}")));
    insta::assert_snapshot!(parse_file(&format!(
        "{HEAD}{}",
        PAIR.replace("= \"m\"", "= \"a b\"")
    )));
    insta::assert_snapshot!(parse_file(&format!(
        "{HEAD}{}",
        PAIR.replacen("0000", "000g", 1)
    )));
}

/// What making the plan, and looking for stale entries, says.
fn told(fixture: &Fixture) -> String {
    let made = fixture.make();
    let names = ("old".to_owned(), "new".to_owned());
    let undecided: Vec<_> = made
        .undecided
        .iter()
        .map(|open| (names.clone(), open.clone()))
        .collect();
    let mut text = show::undecided(&undecided);
    for finding in stale(&fixture.overrides, &[&made]) {
        text.push_str(&format!("{finding}\n"));
    }
    text
}

fn entry(field: &str, action: &str) -> String {
    format!("[[override]]\nfield = \"{field}\"\n{action}\nreason = \"because (fs/a.c: f)\"\n")
}

#[test]
fn stale_entries_are_errors_with_the_nearest_name() {
    let entries = [
        entry("s.bb", "init = 0"),
        entry("t.b", "init = 0"),
        entry("tusk.pid", "init = 0"),
        entry("s.moved_away", "init = 0"),
    ];
    let fixture = Fixture::of("struct s { int a; };", "struct s { int a; int b; };");
    insta::assert_snapshot!(told(&fixture.decided(&entries.concat())));
}

#[test]
fn an_entry_that_changes_nothing_is_an_error() {
    let lock = "[type.lock_t]\npolicy = \"reset\"\nreason = \"free\"\n";
    let fixture = Fixture::of(
        "typedef struct { int x; } lock_t; struct s { int a; lock_t gone; };",
        "typedef struct { int x; } lock_t; struct s { int a; };",
    );
    insta::assert_snapshot!(told(
        &fixture
            .rules(lock)
            .decided(&entry("s.gone", "drop = \"always\""))
    ));
    let fixture = Fixture::of(
        "typedef struct { int x; } lock_t; struct s { int a; lock_t gone; };",
        "typedef struct { int x; } lock_t; struct s { int a; };",
    );
    assert_eq!(
        told(
            &fixture
                .rules(lock)
                .decided(&entry("s.gone", "drop = \"only-if-initial\""))
        ),
        ""
    );
}

/// What would be without the decision is only looked at.
#[test]
fn a_decision_leaves_nothing_open_of_what_it_decides() {
    let fixture = Fixture::of(
        "struct p { int x; }; struct s { struct p a; };",
        "struct p { int x; int y; }; struct s { struct p a; };",
    );
    assert!(
        told(&Fixture {
            overrides: Overrides::default(),
            ..fixture
        })
        .contains("p.y is new")
    );
    let fixture = Fixture::of(
        "struct p { int x; }; struct s { struct p a; };",
        "struct p { int x; int y; }; struct s { struct p a; };",
    );
    assert_eq!(
        told(&fixture.decided(&entry("s.a", "call = \"grown\""))),
        ""
    );
    // Also where the decision is wrong, and nothing but that is told.
    let fixture = Fixture::of(
        "struct p { int x; }; struct s { struct p a; };",
        "struct p { int x; int y; }; struct s { struct p a; };",
    );
    let wrong = told(&fixture.decided(&entry("s.a", "init = 0")));
    assert!(wrong.contains("`init` needs a `drop`"), "{wrong}");
    assert!(!wrong.contains("p.y"), "{wrong}");
}

#[test]
fn an_action_that_does_not_fit_its_field_is_an_error() {
    let entries = [
        entry("s.a", "init = 0"),
        entry("s.b", "drop = \"always\""),
        entry("s.c", "rename = \"c\""),
        entry("s.new1", "rename = \"oldd\""),
        entry("s.new2", "init = \"null\""),
        entry("s.new3", "init = 256"),
        entry("s.new4", "init = \"empty-list\""),
        entry("s.new5", "init = \"self\""),
        entry("s.new6", "scale = { multiply = 2, divide = 1 }"),
        entry("s.d", "merge = \"sum\""),
        entry("s.e", "scale = { multiply = 2, divide = 1 }"),
        entry("s.new7", "call = \"f\"\nfrom = [\"nowhere\"]"),
        entry("s.old", "init = 0"),
        entry("s.new8", "drop = \"always\""),
        entry(
            "s.new9",
            "call = \"f\"\nfrom = [\"a\"]\noffsets = [\"p.z\"]",
        ),
        entry(
            "s.new10",
            "call = \"f\"\nfrom = [\"a\"]\nnew-offsets = [\"q.x\"]",
        ),
        entry(
            "s.new11",
            "call = \"f\"\nfrom = [\"a\"]\nnew-offsets = [\"s.new11\"]",
        ),
        entry("s.new12", "init = 7"),
        entry("s.new13", "init = 7"),
        entry("s.new14", "init = 3"),
        entry("s.new15", "init = 256"),
        entry("s.far", "scale = { offset = 1000 }"),
        entry("s.below", "scale = { offset = -300 }"),
    ];
    let fixture = Fixture::of(
        "struct n { unsigned char v; }; struct p { int x; int y; }; struct s { int a; int b; int c; int old; int d; struct p e; unsigned char far; struct n below; };",
        "enum e { A, B = 3 }; struct n { unsigned char v; }; struct p { int x; int y; }; struct s { int a; int b; int c; int new1; int new2; unsigned char new3; int new4; int new5; int new6; int new7; int new8; int new9; int new10; int new11 : 3; _Bool new12; enum e new13; enum e new14; struct n new15; int d; struct p e; unsigned char far; struct n below; };",
    );
    insta::assert_snapshot!(told(&fixture.decided(&entries.concat())));
}

/// Each of these is right by itself; only with the rules of the other fields an old value has two
/// fates, or none.
#[test]
fn an_old_value_has_one_fate() {
    let entries = [
        entry("s.b", "rename = \"a\""),
        entry(
            "s.d",
            "scale = { multiply = 2, divide = 1 }\nfrom = [\"c\"]",
        ),
        entry("s.f", "rename = \"e\""),
        entry("s.g", "rename = \"e\""),
        entry("s.h", "call = \"other\"\nfrom = [\"a\"]"),
        entry(
            "s.i",
            "scale = { multiply = 2, divide = 1 }\nfrom = [\"c\"]",
        ),
    ];
    let fixture = Fixture::of(
        "struct s { int a; int c; int e; int h; int i; };",
        "struct s { int a; int b; int c; int d; int f; int g; int h; int i; };",
    );
    insta::assert_snapshot!(told(&fixture.decided(&entries.concat())));
}

/// What only looks at a field that goes on, and what takes one whose name another field has now, leaves
/// every old value one fate.
#[test]
fn a_field_may_be_read_where_another_goes_on() {
    let told_of = |old: &str, new: &str, entries: &[String]| {
        told(&Fixture::of(old, new).decided(&entries.concat()))
    };
    let looked_at = [entry("s.b", "call = \"of\"\nfrom = [\"a\"]")];
    assert_eq!(
        told_of(
            "struct s { int a; };",
            "struct s { int a; int b; };",
            &looked_at
        ),
        ""
    );
    // The new `a` is made of another field, so the old one is free to become `b`.
    let swapped = [
        entry("s.a", "call = \"of\"\nfrom = [\"c\"]"),
        entry("s.b", "rename = \"a\""),
    ];
    assert_eq!(
        told_of(
            "struct s { int a; int c; };",
            "struct s { int a; int b; };",
            &swapped
        ),
        ""
    );
    // A number that is a member of a structure of its name now.
    let inside = [
        entry("s.r.at", "rename = \"r\""),
        entry("s.r.len", "rename = \"r_len\""),
    ];
    assert_eq!(
        told_of(
            "struct s { int r; int r_len; };",
            "struct r { int at; int len; }; struct s { struct r r; };",
            &inside
        ),
        ""
    );
}

/// What generating a step says, from its changed file and the decisions in `folder`.
fn generated(step: &str, folder: &Path, change: impl Fn(String) -> String) -> String {
    let dir = converters().join(step);
    let text = std::fs::read_to_string(dir.join("step.toml")).unwrap();
    let registry = Registry::builtin().unwrap();
    let name = overrides::parse(&text).unwrap().family;
    let family = Family::read(registry, &name).unwrap();
    let changes = Changes::read(folder, &name).unwrap();
    let house = family.house(&changes).unwrap();
    match generate::pages(&change(text), registry, &family, &house, &changes) {
        Ok(files) => format!("{} files", files.len()),
        Err(GenerateError::Findings(findings)) => show::findings("step.toml", &findings),
        Err(error) => error.to_string(),
    }
}

fn converters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters")
}

#[test]
fn decisions_are_pinned_to_the_layouts_they_were_made_for() {
    let folder = converters().join(FOLDER);
    let of_2_4 =
        |change: &dyn Fn(String) -> String| generated("linux-2.4.36.8-2.4.36.9", &folder, change);
    assert_eq!(of_2_4(&|text| text), "4 files");
    insta::assert_snapshot!(of_2_4(&|text| text.replacen("c38c", "c38d", 1)));
    insta::assert_snapshot!(of_2_4(
        &|text| text.replace("to = \"2.4.36.9-up\"", "to = \"2.4.36.99-up\"")
    ));
}

#[test]
fn without_its_decision_a_field_is_undecided_in_every_pair() {
    let nowhere = Path::new("no decisions");
    insta::assert_snapshot!(generated("linux-6.1.170-6.1.172", nowhere, |text| text));
}

/// A step that decides what its family decides too.
#[test]
fn a_field_decided_twice_is_told() {
    let own = "\n[[override]]\nfield = \"task_struct.user_dumpable\"\ninit = 0\nreason = \"r (fs/a.c: f)\"\n";
    let folder = converters().join(FOLDER);
    let told = generated("linux-6.1.170-6.1.172", &folder, |text| text + own);
    assert!(
        told.contains("`task_struct.user_dumpable` is decided for the whole family"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}

/// A function that is called and not there is told with the decision, and not by the compiler of what
/// is generated.
#[test]
fn a_call_of_a_function_that_is_not_there_is_told() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "a-1/s.toml",
        "[[change]]\nfields = [\"s.a\", \"s.b\"]\nappears = { call = \"made\", from = [\"c\"], reason = \"r (fs/a.c: f)\" }\ndisappears = { drop = \"always\", reason = \"r (fs/a.c: f)\" }\n\
         [[flags]]\nfield = \"s.flags\"\nnames = [\"A\", \"B\"]\nappears = { call = \"askt\", reason = \"r (fs/a.c: f)\" }\n",
    );
    let read = || Changes::read(folder.path(), "a-1");
    // Without sources there is nothing to look in.
    assert!(read().is_ok());
    write("src/a_1.rs", "mod inside; pub use inside::*; fn made() {}");
    write("src/a_1/inside.rs", "pub fn asked() -> bool { true }");
    let told = read().unwrap_err().to_string();
    let root = folder.path().display().to_string();
    insta::assert_snapshot!(told.replace(&root, "FOLDER"));
    write("src/a_1.rs", "pub fn made(_: C, _: A, c: &U32) {}");
    write(
        "src/a_1/inside.rs",
        "pub fn askt(_: C, _: A, was: bool) -> bool { was }",
    );
    read().unwrap();
}

/// So is one that is declared for other arguments.
#[test]
fn a_call_with_other_arguments_is_told() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let write = |file: &str, text: &str| {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let change = |field: &str, call: &str| {
        format!(
            "[[change]]\nfield = \"s.{field}\"\nappears = {{ {call}, reason = \"r (fs/a.c: f)\" }}\n"
        )
    };
    let calls = [
        ("a", "call = \"own\""),
        ("b", "call = \"two\", from = [\"x\", \"y\"]"),
        (
            "c",
            "call = \"placed\", from = [\"x\"], offsets = [\"s.x\"], new-offsets = [\"s.c\"]",
        ),
        ("d", "call = \"asked\", from = [\"flags:F\", \"x\"]"),
        (
            "e",
            "call = \"last\", from = [\"x\"], offsets = [\"s.x\"], constants = [\"F\"]",
        ),
    ];
    let changes: String = calls
        .iter()
        .map(|(field, call)| change(field, call))
        .collect();
    let flags = "[[flags]]\nfield = \"s.flags\"\nnames = [\"F\"]\nappears = { call = \"flag\", from = [\"x\"], reason = \"r (fs/a.c: f)\" }\n";
    write("a-1/s.toml", &(changes + flags));
    let read = || Changes::read(folder.path(), "a-1");
    write(
        "src/a_1.rs",
        "pub fn own(_: C, _: A) {}
         pub fn two(_: C, _: A, x: &U32) {}
         pub fn placed(_: C, _: A, x: &U32, [x]: [usize; 1]) {}
         pub fn asked(_: C, _: A, f: &U32, x: &U32) {}
         pub fn last(_: C, _: A, x: &U32, [x]: [usize; 1]) {}
         pub fn flag(_: C, _: A, x: &U32) -> bool { true }",
    );
    let told = read().unwrap_err().to_string();
    let root = folder.path().display().to_string();
    insta::assert_snapshot!(told.replace(&root, "FOLDER"));
    write(
        "src/a_1.rs",
        "pub fn own(_: C, _: A, a: &[usize; 2]) {}
         pub fn two(_: C, _: A, x: &U32, y: [usize; 2]) {}
         pub fn placed(_: C, _: A, x: &U32, [x, c]: [usize; 2]) {}
         pub fn asked(_: C, _: A, f: bool, x: &U32) {}
         pub fn last(_: C, _: A, x: &U32, [x]: [usize; 1], [f]: [u64; 1]) {}
         pub fn flag(_: C, _: A, was: bool, x: &U32) -> bool { was }",
    );
    read().unwrap();
}
