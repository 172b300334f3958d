//! A step that is there already, and a flavour of its releases that was registered later.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod registered;

use registered::Project;
use std::fs;
use std::path::Path;

const STEP: &str = "converters/linux-6.1.170-6.1.172";

#[test]
fn a_flavour_that_came_later_is_added_to_its_step() {
    let project = Project::new();
    project.decisions();
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(STEP);
    let whole = fs::read_to_string(committed.join("step.toml")).unwrap();
    // Without its last pair.
    let (before, last) = whole.rsplit_once("\n[[pair]]\n").unwrap();
    let module = last.split('"').nth(1).unwrap();
    let step = project.file(&format!("{STEP}/step.toml"));
    fs::create_dir_all(step.parent().unwrap()).unwrap();
    fs::write(&step, before).unwrap();
    let new = ["new", "6.1.170", "6.1.172"];
    let (_, out, errors) = project.run(&["status", "6.1.170", "6.1.172"]);
    let advice = "\nMake the converter: kconv-gen new 6.1.170 6.1.172\n";
    assert!(out.ends_with(advice), "{out}{errors}");
    let (code, out, errors) = project.run(&new);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("nothing is undecided"), "{out}");
    let text = fs::read_to_string(&step).unwrap();
    assert_eq!(text.trim_end(), whole.trim_end());
    for file in [format!("{module}.rs"), format!("rest/{module}.rs")] {
        let made = fs::read_to_string(project.file(&format!("{STEP}/{file}"))).unwrap();
        let page = fs::read_to_string(committed.join(&file)).unwrap();
        assert!(made == page, "{file}");
    }
    let (code, out, _) = project.run(&["status", "6.1.170", "6.1.172"]);
    assert_eq!(code, 0, "{out}");
    let (code, _, errors) = project.run(&new);
    let there = format!("kconv-gen: {STEP} is there already; nothing was written\n");
    assert_eq!((code, errors), (2, there));
}

/// What is wrong with it is told, and nothing is added.
#[test]
fn a_step_that_is_wrong_is_not_added_to() {
    let project = Project::new();
    project.decisions();
    let step = project.file(&format!("{STEP}/step.toml"));
    fs::create_dir_all(step.parent().unwrap()).unwrap();
    fs::write(&step, "converter = \"convert-6.1.170-6.1.172\"\n").unwrap();
    let (code, out, errors) = project.run(&["new", "6.1.170", "6.1.172"]);
    assert!(
        code == 1 && errors.contains("step.toml"),
        "{code}: {out}{errors}"
    );
    let kept = fs::read_to_string(&step).unwrap();
    assert_eq!(kept, "converter = \"convert-6.1.170-6.1.172\"\n");
}
