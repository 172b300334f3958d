//! What is wrong with the files of a project is told with file and line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod registered;

use registered::Project;
use std::fs;
use std::path::Path;

/// The line of the only place where `text` stands in a file.
fn line_of(project: &Project, file: &str, text: &str) -> usize {
    let all = fs::read_to_string(project.file(file)).unwrap();
    let (before, after) = all.split_once(text).unwrap();
    assert!(!after.contains(text), "{text} is there twice");
    1 + before.matches('\n').count()
}

/// What each of the commands that read all of a project says, which has to be wrong.
fn told(project: &Project, commands: &[&[&str]]) -> Vec<String> {
    let each = commands.iter().map(|command| {
        let (code, out, errors) = project.run(command);
        assert!(code == 1 || code == 2, "{command:?}: {code}: {out}{errors}");
        out + &errors
    });
    each.collect()
}

const STATE: &[&str] = &["state", "check"];
const GENERATE: &[&str] = &["generate"];
const STATUS: &[&str] = &["status", "6.1.170", "6.1.172"];
const MAP: &str = "kernel-structs/state/linux-6.toml";

/// Errors of the file itself: a value, a word of an entry that is one of several, and what is no TOML.
#[test]
fn an_error_of_a_state_map_names_its_line() {
    let cases = [
        (
            "set_child_tid = { policy = \"user\"",
            "set_child_tid = { policy = \"used\"",
            "set_child_tid = { policy = \"used\"",
            "unknown policy `used`",
        ),
        (
            "[type.sigqueue]\nsaved = true",
            "[type.sigqueue]\nsafed = true",
            "safed = true",
            "unknown field `safed`",
        ),
        (
            "[type.sigqueue]\nsaved = true",
            "[type.sigqueue]\nsaved true",
            "saved true",
            "TOML parse error",
        ),
    ];
    for (from, to, place, expected) in cases {
        let project = Project::new();
        project.decisions();
        project.replace(MAP, from, to);
        let at = format!("state/linux-6.toml:{}: ", line_of(&project, MAP, place));
        for said in told(&project, &[STATE, GENERATE, STATUS]) {
            assert!(
                said.contains(&at) && said.contains(expected),
                "{at}{expected}: {said}"
            );
        }
    }
}

/// What does not fit the layouts: everything is told at once.
#[test]
fn a_finding_about_a_state_map_names_its_line() {
    let project = Project::new();
    project.decisions();
    let replaced = [
        (
            "[type.sigqueue]\nsaved = true",
            "[type.sigqeue]\nsaved = true\n[type.sigqueue]\nsaved = true",
        ),
        ("set_child_tid = { policy", "set_child_tidd = { policy"),
    ];
    for (from, to) in replaced {
        project.replace(MAP, from, to);
    }
    for said in told(&project, &[STATE]) {
        for (place, expected) in [
            ("[type.sigqeue]", "no layout has such a type"),
            ("set_child_tidd = ", "has no such member"),
        ] {
            let at = format!("state/linux-6.toml:{}: ", line_of(&project, MAP, place));
            let is_it = |line: &str| line.contains(&at) && line.contains(expected);
            assert!(said.lines().any(is_it), "{at}{expected}: {said}");
        }
    }
}

#[test]
fn a_source_that_is_no_rust_is_told_and_no_decision_is_blamed() {
    let project = Project::new();
    project.decisions();
    let file = "converters/overrides/src/linux_6/newer.rs";
    let path = project.file(file);
    let text = fs::read_to_string(&path).unwrap();
    let broken = text.replacen("pub fn ", "pub fnn ", 1);
    assert_ne!(text, broken);
    fs::write(path, broken).unwrap();
    let at = format!(
        "{file}:{}: this is no Rust: ",
        line_of(&project, file, "pub fnn ")
    );
    for said in told(&project, &[STATUS]) {
        assert!(said.contains(&at), "{at}: {said}");
        assert!(!said.contains(".toml"), "{said}");
    }
}

#[test]
fn a_file_of_an_unknown_family_is_told() {
    let map = Project::new();
    map.decisions();
    fs::copy(map.file(MAP), map.file("kernel-structs/state/linux-9.toml")).unwrap();
    for said in told(&map, &[STATE, GENERATE, STATUS]) {
        assert!(
            said.contains("kernel-structs/state/linux-9.toml: no layout of a family linux-9 is stored; the nearest is linux-6"),
            "{said}"
        );
    }

    let decisions = Project::new();
    decisions.decisions();
    let folder = decisions.file("converters/overrides/linux-7");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("task_struct.toml"), "").unwrap();
    for said in told(&decisions, &[STATE, GENERATE, STATUS]) {
        assert!(
            said.contains("converters/overrides/linux-7: no layout of a family linux-7 is stored; the nearest is linux-6"),
            "{said}"
        );
    }
}

/// A function whose types are not those of the fields: the compiler would say so of a generated page.
#[test]
fn a_function_of_other_types_is_told_with_its_decision() {
    let declared = "rseq: &U64) -> U32 {";
    let cases = [
        (
            "rseq: &U64) -> U64 {",
            "want U32 made of it; the function has U64",
        ),
        (
            "rseq: &U64) {",
            "want U32 made of it; the function has nothing",
        ),
        (
            "rseq: &I64) -> U32 {",
            "want U64 for `rseq`; the function has I64",
        ),
        (
            "rseq: U64) -> U32 {",
            "want U64 for `rseq`; the function has a value that is no reference",
        ),
        (
            "rseq: &old::fs_struct) -> U32 {",
            "want U64 for `rseq`; the function has a structure",
        ),
    ];
    let decisions = "converters/overrides/linux-6/task_struct.toml";
    for (other, expected) in cases {
        let project = Project::new();
        project.decisions();
        project.replace("converters/overrides/src/linux_6/newer.rs", declared, other);
        let line = line_of(&project, decisions, "to-other = { call = \"rseq_len\"");
        let place = format!("task_struct.rseq_len has an entry on line {line} of {decisions}");
        let said = told(&project, &[&["status", "6.1.192", "6.12.117"]]).concat();
        assert!(
            said.contains(&place) && said.contains(expected),
            "{place} {expected}: {said}"
        );
    }
}

/// A number of bytes that cannot be is told with its line by all that read the map.
#[test]
fn impossible_sizes_are_told() {
    let map = "kernel-structs/state/linux-2.4.toml";
    for (from, to, line, expected) in [
        (
            "extent = 8192",
            "extent = 16",
            "extent = 16",
            "[type.task_struct] extent: 16 bytes",
        ),
        (
            "\nend = 8192",
            "\nend = 3",
            "type = \"pt_regs\"",
            "[[derived]] pt_regs end: 3 bytes",
        ),
        (
            "\nend = 8192",
            "\nend = 9000",
            "type = \"pt_regs\"",
            "8192 at most",
        ),
        (
            "\nend = 8192",
            "\nend = 8190",
            "type = \"pt_regs\"",
            "a multiple of 4",
        ),
    ] {
        let project = Project::new();
        project.decisions();
        project.replace(map, from, to);
        let at = format!("state/linux-2.4.toml:{}: ", line_of(&project, map, line));
        let status: &[&str] = &["status", "2.4.36.8", "2.4.36.9"];
        for said in told(&project, &[STATE, GENERATE, status]) {
            let is_it = |line: &str| line.contains(&at) && line.contains(expected);
            assert!(said.lines().any(is_it), "{at}{expected}: {said}");
        }
    }
}

/// What nobody would ever read in a folder of decisions is told by name.
#[test]
fn what_is_no_file_of_decisions_is_told() {
    let project = Project::new();
    project.decisions();
    let folder = project.file("converters/overrides/linux-6");
    fs::create_dir(folder.join("sub")).unwrap();
    for name in [
        "sub/x.toml",
        "x.tml",
        "cred.toml.bak",
        ".cred.toml.swp",
        "new.toml",
    ] {
        fs::write(folder.join(name), "").unwrap();
    }
    for said in told(&project, &[STATE, GENERATE, STATUS]) {
        for name in ["sub", "x.tml", "cred.toml.bak", "new.toml"] {
            let told = format!("converters/overrides/linux-6/{name}: no file of decisions");
            assert!(said.contains(&told), "{told}: {said}");
        }
        assert!(!said.contains("swp"), "{said}");
    }
}

/// A step in the middle that is gone cuts the kernels before it off from those behind it.
#[test]
fn a_chain_without_a_step_in_the_middle_is_told() {
    let project = Project::new();
    project.decisions();
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let step = |name: &str| {
        let to = project.file("converters").join(name);
        fs::create_dir_all(&to).unwrap();
        let text = fs::read(converters.join(name).join("step.toml")).unwrap();
        fs::write(to.join("step.toml"), text).unwrap();
    };
    let all = fs::read_dir(&converters).unwrap();
    let all = all.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let middle = "linux-6.1.174-6.1.176";
    for name in all.filter(|name| name.starts_with("linux-")) {
        if !matches!(&*name, "linux-6.1.176-6.1.174" | "linux-6.1.174-6.1.176") {
            step(&name);
        }
    }
    let (code, _, errors) = project.run(GENERATE);
    let said = "no step leads from 6.1.174 to 6.1.176, so that no image of the kernels before can become one of those behind; make it: kconv-gen new 6.1.174 6.1.176\n";
    assert_eq!((code, errors.as_str()), (1, said));
    // Back alone is no way there; there alone is.
    step("linux-6.1.176-6.1.174");
    let (code, _, errors) = project.run(GENERATE);
    assert_eq!((code, errors.as_str()), (1, said));
    fs::remove_dir_all(project.file("converters/linux-6.1.176-6.1.174")).unwrap();
    step(middle);
    let (code, _, errors) = project.run(GENERATE);
    assert_eq!((code, errors.as_str()), (0, ""));
    // Beside the pages is nothing else than what is made, and a step leads somewhere.
    let rest = project.file("converters").join(middle).join("rest");
    fs::write(rest.join("own.rs"), "").unwrap();
    let nothing = project.file("converters/overrides/linux-6/nothing.toml");
    fs::write(&nothing, "# nothing yet\n").unwrap();
    let (code, _, errors) = project.run(GENERATE);
    let strange = "overrides/linux-6/nothing.toml:1: no kernel of the family has a type `nothing`";
    assert!(code == 1 && errors.contains(strange), "{errors}");
    fs::remove_file(nothing).unwrap();
    let (code, _, errors) = project.run(GENERATE);
    let strange = "rest/own.rs is nothing that kconv-gen makes";
    assert!(code == 1 && errors.contains(strange), "{errors}");
    let file = project.file("converters").join(middle).join("step.toml");
    let text = fs::read_to_string(&file).unwrap();
    let to = text.lines().find(|line| line.starts_with("to = "));
    let from = text.lines().find(|line| line.starts_with("from = "));
    let same = from.unwrap().replacen("from", "to", 1);
    fs::write(&file, text.replacen(to.unwrap(), &same, 1)).unwrap();
    for said in told(&project, &[GENERATE, &["status", "6.1.174", "6.1.176"]]) {
        assert!(said.contains("have one layout,"), "{said}");
    }
}

/// A pipe that nobody writes into is not waited for.
#[test]
fn a_pipe_is_not_read() {
    let pipes = [
        "converters/overrides/linux-6/cred.toml",
        "converters/linux-6.1.170-6.1.172/step.toml",
        MAP,
    ];
    for file in pipes {
        let project = Project::new();
        project.decisions();
        let path = project.file(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let plan: &[&str] = &["plan", "6.1.170", "6.1.172"];
        let commands: &[&[&str]] = match file.starts_with("converters/overrides") {
            true => &[STATUS, GENERATE, plan],
            false => &[STATUS, GENERATE],
        };
        for said in told(&project, commands) {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(
                said.contains(name) && said.contains("regular file"),
                "{said}"
            );
        }
    }
}

/// What to do next is to correct what is wrong, where that is.
#[test]
fn a_step_that_is_wrong_is_named_at_the_end() {
    let project = Project::new();
    project.decisions();
    let folder = "converters/linux-2.4.36.8-2.4.36.9";
    let from = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    fs::create_dir_all(project.file(folder)).unwrap();
    let step = format!("{folder}/step.toml");
    fs::copy(from.join("step.toml"), project.file(&step)).unwrap();
    let text = fs::read_to_string(project.file(&step)).unwrap();
    let pinned = text.split("from_fingerprint = \"").nth(1).unwrap();
    let wrong = text.replace(&pinned[..8], "00000000");
    fs::write(project.file(&step), wrong).unwrap();
    let said = told(&project, &[&["status", "2.4.36.8-up", "2.4.36.9-up"]]).concat();
    assert!(
        said.contains("but the decisions were made for 00000000"),
        "{said}"
    );
    assert!(said.ends_with(&format!("\nCorrect {step}.\n")), "{said}");

    // A misspelt type is told with the one that may be meant, wherever it stands.
    let entry = "\n[[change]]\nfield = \"tsk_struct.x\"\nappears = { init = 0, reason = \"r (fs/a.c: f)\" }\n";
    let misspelt = "converters/overrides/linux-2.4/tsk_struct.toml";
    fs::write(project.file(misspelt), entry).unwrap();
    let said = told(&project, &[&["status", "2.4.36.8-up", "2.4.36.9-up"]]).concat();
    let line = format!(
        "{misspelt}:2: `tsk_struct.x`: no planned type is called `tsk_struct`; the nearest name is `task_struct`"
    );
    assert!(said.contains(&line), "{said}");
    assert!(
        said.ends_with(&format!(
            "\nCorrect {step}.\nDecide the rest in converters/overrides.\n"
        )),
        "{said}"
    );
    fs::remove_file(project.file(misspelt)).unwrap();
    let file = project.file("converters/overrides/linux-2.4/task_struct.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text + entry).unwrap();
    let said = told(&project, &[&["status", "2.4.36.8-up", "2.4.36.9-up"]]).concat();
    assert!(
        said.contains("`tsk_struct.x` belongs to tsk_struct.toml; or is `task_struct.x` meant?"),
        "{said}"
    );
}
