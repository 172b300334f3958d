//! Patches in the older form, and hunks that fit otherwise than they say.

use super::gate::{SCHED, hunk};
use super::{MAP, SAVED, checked, patch, tree, words};
use kconv_codegen::check::{CheckError, Inputs, Patch, Project, Report, check, check_all, render};
use kconv_codegen::patch::{Event, PatchError, Reader, Sign};
use std::path::Path;

const FRESH: [&str; 1] = ["undecided added task_struct.fresh"];

fn middle() -> String {
    String::from_utf8(patch("field-in-the-middle")).unwrap()
}

/// A hunk to be written: the range of the old side, that of the new, and the lines of both.
type Written = (String, String, Vec<(Sign, String)>);

/// A patch in the form of `diff -crpN`.
pub(super) fn as_context(unified: &str) -> String {
    let mut reader = Reader::new(unified.as_bytes());
    let mut text = String::new();
    let mut open: Option<Written> = None;
    let mut ranges = Vec::new();
    for line in unified.lines().filter(|line| line.starts_with("@@ ")) {
        let range = |range: &str| {
            let (start, count) = range[1..].split_once(',').unwrap_or((&range[1..], "1"));
            let (start, count): (u64, u64) = (start.parse().unwrap(), count.parse().unwrap());
            match count {
                0 | 1 => start.to_string(),
                _ => format!("{start},{}", start + count - 1),
            }
        };
        let mut words = line.split(' ').skip(1);
        ranges.push([words.next(), words.next()].map(|word| range(word.unwrap())));
    }
    let mut ranges = ranges.into_iter();
    while let Some(event) = reader.next_event().unwrap() {
        match event {
            Event::File(file) => {
                close(&mut text, open.take());
                let name = |name: Option<String>| match name {
                    Some(name) => format!("linux-2.4.0/{name}\tThu Jan  4 22:00:00 2001"),
                    None => format!("linux-2.4.0/{}\tThu Jan  1 01:00:00 1970", file.path()),
                };
                let (old, new) = (name(file.old.clone()), name(file.new.clone()));
                text.push_str(&format!(
                    "diff -crpN {0} {0}\n*** {old}\n--- {new}\n",
                    file.path()
                ));
            }
            Event::Hunk(heading) => {
                close(&mut text, open.take());
                text.push_str(format!("*************** {}", heading.section).trim_end());
                text.push('\n');
                let [old, new] = ranges.next().unwrap();
                open = Some((old, new, Vec::new()));
            }
            Event::Line { sign, text, .. } => {
                let line = String::from_utf8_lossy(text).into_owned();
                open.as_mut().unwrap().2.push((sign, line));
            }
            Event::NotInPatch => {}
        }
    }
    close(&mut text, open);
    text
}

/// Writes a hunk.
fn close(text: &mut String, hunk: Option<Written>) {
    let Some((old, new, lines)) = hunk else {
        return;
    };
    let groups: Vec<&[(Sign, String)]> = lines
        .chunk_by(|a, b| (a.0 == Sign::Context) == (b.0 == Sign::Context))
        .collect();
    let side = |own: Sign, alone: char| {
        let mut side = String::new();
        for group in &groups {
            let has = |sign: Sign| group.iter().any(|(one, _)| *one == sign);
            let changed = has(Sign::Removed) && has(Sign::Added);
            for (sign, line) in group
                .iter()
                .filter(|(sign, _)| *sign == own || *sign == Sign::Context)
            {
                let mark = match sign {
                    Sign::Context => ' ',
                    _ if changed => '!',
                    _ => alone,
                };
                side.push_str(&format!("{mark} {line}\n"));
            }
        }
        let told = lines.iter().any(|(sign, _)| *sign == own);
        if told { side } else { String::new() }
    };
    text.push_str(&format!("*** {old} ****\n{}", side(Sign::Removed, '-')));
    text.push_str(&format!("--- {new} ----\n{}", side(Sign::Added, '+')));
}

fn found(patch: &str) -> Vec<String> {
    words(&checked(patch.as_bytes(), None).unwrap())
}

fn beside(patch: &str) -> Report {
    checked(patch.as_bytes(), Some(&tree())).unwrap()
}

fn refused(patch: &str) -> CheckError {
    checked(patch.as_bytes(), Some(&tree())).unwrap_err()
}

#[test]
fn a_context_diff_as_a_unified_one() {
    let context = "diff -crp linux-2.4.0/include/linux/sched.h linux/include/linux/sched.h
*** linux-2.4.0/include/linux/sched.h\tThu Jan  4 22:00:00 2001
--- linux/include/linux/sched.h\tFri Jan  5 22:00:00 2001
*************** struct task_struct {
*** 52,57 ****
--- 52,58 ----
  \tunsigned int\t\tflags;
  \tunsigned int\t\tptrace;
  \tint\t\t\tprio;
+ \tint\t\t\tfresh;
  \tint\t\t\tstatic_prio;
  \tint\t\t\tnormal_prio;
  \tunsigned int\t\trt_priority;
";
    assert_eq!(found(context), FRESH);
    assert_eq!(words(&beside(context)), FRESH);
    let report = checked(context.as_bytes(), None).unwrap();
    assert_eq!(report.findings[0].line(), 55);
    assert!(
        super::text(&report).contains("   10 | + \tint")
            || super::text(&report).contains("   10 | +"),
        "{}",
        super::text(&report)
    );
    // In a mail, with the ends of lines of other systems, and taken back.
    let mail =
        format!("From a Tue\nSubject: [PATCH] b\n\n*** Words. ***\n---\n{context}-- \n2.0\n");
    assert_eq!(found(&mail), FRESH);
    assert_eq!(found(&context.replace('\n', "\r\n")), FRESH);
    let inputs = Inputs {
        reverse: true,
        ..Inputs::default()
    };
    let back = check(
        Some(&mut context.as_bytes()),
        &SAVED,
        &Project::default(),
        &inputs,
    );
    assert_eq!(
        words(&back.unwrap()),
        ["undecided removed task_struct.fresh"]
    );
}

#[test]
fn every_patch_has_the_same_findings_in_both_forms() {
    let folder = super::folder().join("patches");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let unified = std::fs::read_to_string(&path).unwrap();
        // What has no hunk is not written as a context diff.
        if unified.contains("rename from")
            || unified.contains("Binary files")
            || !unified.contains("\n@@ ")
        {
            continue;
        }
        let context = as_context(&unified);
        assert!(!context.contains("\n@@ "), "{context}");
        let name = path.display();
        assert_eq!(found(&context), found(&unified), "{name}\n{context}");
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_new_file_and_one_that_is_gone() {
    let unified = "--- /dev/null\n+++ b/include/linux/fresh.h\n@@ -0,0 +1,3 @@\n+struct sysv_shm {\n+\tint fresh;\n+};\n\
        --- a/include/linux/gone.h\n+++ /dev/null\n@@ -1,3 +0,0 @@\n-struct sysv_sem {\n-\tstruct sem_undo_list\t*undo_list;\n-};\n";
    let context = as_context(unified);
    assert!(
        context.contains("*** 0 ****\n---") && context.contains("--- 0 ----\n"),
        "{context}"
    );
    assert_eq!(found(&context), found(unified));
    assert!(
        found(unified).contains(&"undecided type-removed sysv_sem".to_owned()),
        "{:?}",
        found(unified)
    );
}

#[test]
fn a_series_of_which_one_patch_is_a_context_diff() {
    let series = [
        as_context(&middle()),
        String::from_utf8(patch("field-removed")).unwrap(),
    ];
    let all = [FRESH[0], "undecided removed task_struct.nivcsw"];
    assert_eq!(found(&series.concat()), all);
    let patches = series.iter().map(|text| Patch {
        name: "one".to_owned(),
        text: Box::new(text.as_bytes()),
    });
    let report = check_all(
        patches.collect(),
        &SAVED,
        &Project::default(),
        &Inputs::default(),
    );
    assert_eq!(words(&report.unwrap()), all);
}

#[test]
fn a_context_diff_whose_sides_differ_is_refused() {
    let wrong = as_context(&middle()).replace("+ \tint\t\t\tfresh;", "! \tint\t\t\tfresh;");
    match refused(&wrong) {
        CheckError::Patch(PatchError::Sides { line: 10, .. }) => {}
        other => panic!("{other}"),
    }
}

/// A tree of its own with `text` as the header of tasks.
fn with_sched(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SCHED);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    folder
}

fn sched() -> String {
    std::fs::read_to_string(tree().join(SCHED)).unwrap()
}

fn in_tree(patch: &str, tree: &Path) -> Report {
    checked(patch.as_bytes(), Some(tree)).unwrap()
}

#[test]
fn a_hunk_that_fits_at_another_line() {
    let moved =
        with_sched(&sched().replace("/* Bits of flags: */", "/*\n * Bits\n * of flags: */"));
    for patch in [middle(), as_context(&middle())] {
        let report = in_tree(&patch, moved.path());
        assert_eq!(words(&report), FRESH);
        // The line of the file that there will be.
        assert_eq!(report.findings[0].line(), 57);
        assert_eq!(
            report.remarks,
            ["include/linux/sched.h: hunk 1 fits 2 lines further down"]
        );
        assert!(super::text(&report).contains("remark: include/linux/sched.h: hunk 1"));
    }
    let earlier = with_sched(&sched().replace("#include <linux/types.h>\n", ""));
    let report = in_tree(&middle(), earlier.path());
    assert_eq!(report.findings[0].line(), 54);
    assert_eq!(
        report.remarks,
        ["include/linux/sched.h: hunk 1 fits 1 line further up"]
    );
    assert!(beside(&middle()).remarks.is_empty());
}

#[test]
fn the_member_is_that_of_the_place_where_the_hunk_fits() {
    // Both types have these members; the heading says nothing, the line is that of the other one.
    let twice = "struct other {\n\tint one;\n\tint two;\n\tint three;\n};\n\nstruct sysv_sem {\n\tint one;\n\tint two;\n\tint three;\n};\n";
    let patch = |start: u64| {
        format!(
            "--- a/{SCHED}\n+++ b/{SCHED}\n@@ -{start},3 +{start},4 @@\n \tint one;\n \tint two;\n+\tint fresh;\n \tint three;\n"
        )
    };
    let folder = with_sched(twice);
    let report = in_tree(&patch(7), folder.path());
    assert_eq!(words(&report), ["undecided added sysv_sem.fresh"]);
    assert_eq!(report.findings[0].line(), 10);
    assert_eq!(words(&in_tree(&patch(3), folder.path())), [""; 0]);
}

#[test]
fn a_hunk_that_fits_with_fuzz_has_the_text_of_the_tree() {
    // What the patch has as context is not what the file has: its member is no change.
    let other = sched().replace(
        "unsigned int\t\trt_priority;",
        "unsigned long\t\trt_priority;",
    );
    let folder = with_sched(&other.replace("unsigned int\t\tflags;", "unsigned long\t\tflags;"));
    let report = in_tree(&middle(), folder.path());
    assert_eq!(words(&report), FRESH);
    assert_eq!(report.findings[0].line(), 55);
    assert_eq!(
        report.remarks,
        ["include/linux/sched.h: hunk 1 fits with fuzz 1"]
    );
    // Behind a condition that the tree alone has.
    let within = sched()
        .replace("\tunsigned int\t\tflags;\n", "#ifdef CONFIG_KCOV\n")
        .replace("\tunsigned int\t\trt_priority;\n", "#endif\n");
    let folder = with_sched(&within);
    let report = in_tree(&middle(), folder.path());
    assert!(
        super::text(&report).contains("CONFIG_KCOV"),
        "{}",
        super::text(&report)
    );
    // The third line of context counts.
    let third = with_sched(&sched().replace("static_prio;", "statics_prio;"));
    match checked(middle().as_bytes(), Some(third.path())) {
        Err(CheckError::NotTheTree {
            patch_line: 10,
            line: 55,
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn hunks_of_a_file_follow_each_other() {
    let nivcsw = hunk(
        SCHED,
        "struct task_struct {",
        "\n-\tunsigned long\t\tnivcsw;\n",
    );
    let (_, second) = nivcsw.split_once("+++ b/include/linux/sched.h\n").unwrap();
    let both = format!("{}{second}", middle());
    let expected = [FRESH[0], "undecided removed task_struct.nivcsw"];
    assert_eq!(words(&beside(&both)), expected);
    // The second is searched for from where the first one was found.
    let moved = with_sched(&format!("\n\n{}", sched()));
    let report = in_tree(&both, moved.path());
    assert_eq!(words(&report), expected);
    assert_eq!(
        report.remarks,
        ["include/linux/sched.h: hunks 1 to 2 fit 2 lines further down"]
    );
    // Twice at one line is an error.
    let twice = format!("{nivcsw}{second}");
    assert!(
        refused(&twice)
            .to_string()
            .contains("the hunk before it has already changed"),
        "{}",
        refused(&twice)
    );
    // Contexts may overlap: what the first has behind its change, the second has before its own.
    let overlap = format!(
        "{}@@ -55,5 +56,4 @@ struct task_struct {{\n \tint\t\t\tstatic_prio;\n \tint\t\t\tnormal_prio;\n-\tunsigned int\t\trt_priority;\n \tstruct sched_info\tsched_info;\n\n",
        middle()
    );
    let report = beside(&overlap);
    assert_eq!(
        words(&report),
        [FRESH[0], "undecided removed task_struct.rt_priority"]
    );
    assert_eq!(report.remarks, [""; 0]);
}

#[test]
fn a_file_of_the_tree_is_read_up_to_a_limit() {
    let large = with_sched(&"\n".repeat((32 << 20) + 1));
    let refused = checked(middle().as_bytes(), Some(large.path())).unwrap_err();
    assert!(matches!(refused, CheckError::LargeFile { .. }), "{refused}");
}

#[test]
fn a_remark_is_in_each_form_of_the_report() {
    let moved = with_sched(&format!("\n{}", sched()));
    let report = in_tree(&middle(), moved.path());
    let remark = "hunk 1 fits 1 line";
    for text in [
        super::text(&report),
        render::summary(&report),
        render::github(&report),
        render::sarif(&report).unwrap(),
    ] {
        assert!(text.replace("\n  ", " ").contains(remark), "{text}");
    }
    assert_eq!(report.family, MAP.family);
}

#[test]
fn a_patch_that_is_taken_back_from_a_tree_that_is_elsewhere() {
    let after = sched().replace(
        "\tint\t\t\tprio;\n",
        "\tint\t\t\tprio;\n\tint\t\t\tfresh;\n",
    );
    let moved = with_sched(&format!("\n{after}"));
    for patch in [middle(), as_context(&middle())] {
        let inputs = Inputs {
            reverse: true,
            tree: Some(moved.path()),
            ..Inputs::default()
        };
        let report = check(
            Some(&mut patch.as_bytes()),
            &SAVED,
            &Project::default(),
            &inputs,
        );
        let report = report.unwrap();
        assert_eq!(words(&report), ["undecided removed task_struct.fresh"]);
        assert_eq!(
            report.remarks,
            ["include/linux/sched.h: hunk 1 fits 1 line further down"]
        );
    }
    assert!(checked(middle().as_bytes(), Some(moved.path())).is_err());
}

#[test]
fn a_line_of_context_has_its_place_in_the_patch_beside_a_tree_too() {
    let lines = "\n \tunsigned int\t\tptrace;\n \tint\t\t\tprio;\n+#ifdef CONFIG_FRESH\n \tint\t\t\tstatic_prio;\n+#endif\n \tint\t\t\tnormal_prio;\n \tunsigned int\t\trt_priority;\n";
    let patch = hunk(SCHED, "struct task_struct {", lines);
    let places = |report: &Report| -> Vec<String> {
        let shown = super::text(report);
        let places = shown.lines().filter(|line| line.contains(" | "));
        places.map(str::to_owned).collect()
    };
    let report = beside(&patch);
    assert_eq!(
        words(&report),
        ["undecided condition task_struct.static_prio"]
    );
    assert_eq!(report.remarks, [""; 0]);
    let alone = checked(patch.as_bytes(), None).unwrap();
    assert!(!places(&alone).is_empty(), "{}", super::text(&alone));
    assert_eq!(places(&report), places(&alone));
}
