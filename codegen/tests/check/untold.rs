//! Patches that show too little: what cannot be told is unknown, with its place, and with the tree
//! before it the finding that it is. The patches are made by `diff -U0`, with `-p` and without.

use super::gate::{alone, hunk};
use super::small::expect;
use super::{checked, patch, text, tree, words};
use kconv_codegen::check::{Report, render};

macro_rules! patches {
    ($($test:ident $name:literal: $alone:expr, $with_tree:expr;)*) => {
        $(#[test]
        fn $test() {
            expect($name, &$alone, &$with_tree);
        })*
    };
}

const INCOMPLETE: &str = "unknown incomplete ";

patches! {
    added_without_a_heading "added-without-a-heading": ["unknown unnamed fresh"], ["undecided added task_struct.fresh"];
    comment_without_its_member "comment-without-its-member": ["unknown incomplete task_struct"], ["undecided comment task_struct.nvcsw"];
    condition_of_one_line "condition-of-one-line": ["unknown incomplete task_struct"], ["undecided condition task_struct.kcov_mode", "undecided condition task_struct.kcov_size"];
    end_of_a_struct "end-of-a-struct": ["undecided realigned task_struct"], ["undecided realigned task_struct"];
    moved_without_a_heading "moved-without-a-heading": ["undecided removed task_struct.exit_code", "unknown unnamed exit_code"], ["decided moved task_struct.exit_code"];
    removed_without_a_heading "removed-without-a-heading": ["undecided removed task_struct.exit_code"], ["undecided removed task_struct.exit_code"];
    statements_without_a_heading "statements-without-a-heading": [], [];
    struct_becomes_a_union "struct-becomes-a-union": ["unknown incomplete task_struct"], ["undecided regrouped task_struct.rcu", "decided regrouped task_struct.rcu_users"];
    two_lines_name "two-lines-name": ["unknown incomplete signal_struct"], ["undecided renamed signal_struct.flag_bits"];
    two_lines_type "two-lines-type": ["unknown incomplete signal_struct"], ["decided retyped signal_struct.flags"];
    two_lines_type_without_a_heading "two-lines-type-without-a-heading": [INCOMPLETE], ["decided retyped signal_struct.flags"];
    two_lines_typedef "two-lines-typedef": [INCOMPLETE], ["decided typedef pid_t"];
    two_lines_white_space "two-lines-white-space": [], [];
    unrelated_type_line "unrelated-type-line": [], [];
}

/// The notes of a patch alone, and how many findings there are with the tree.
fn told(name: &str) -> (Vec<String>, usize) {
    let patch = patch(name);
    let with_tree = checked(&patch, Some(&tree())).unwrap();
    (
        words(&checked(&patch, None).unwrap()),
        with_tree.findings.len(),
    )
}

#[test]
fn one_half_of_what_has_many_members_inside() {
    let condition = ["unknown incomplete task_struct".to_owned()];
    assert_eq!(
        told("condition-that-ends-elsewhere"),
        (condition.to_vec(), 6)
    );
    let nested = ["unknown incomplete mm_struct".to_owned()];
    assert_eq!(told("end-of-a-nested-struct"), (nested.to_vec(), 10));
    let one = ["undecided size PIDTYPE_FRESH".to_owned()];
    assert_eq!(told("enumerator-without-a-heading"), (one.to_vec(), 2));
}

/// Some of all these notes in one patch.
fn notes() -> Report {
    let names = [
        "added-without-a-heading",
        "two-lines-type-without-a-heading",
        "condition-of-one-line",
        "two-lines-type",
    ];
    let mut all: Vec<u8> = names.iter().flat_map(|name| patch(name)).collect();
    all.extend(UNREAD.as_bytes());
    checked(&all, None).unwrap()
}

#[test]
fn each_form_of_report_has_the_notes() {
    let mut report = notes();
    assert!(!report.is_clean());
    insta::assert_snapshot!("text_of_what_cannot_be_told", text(&report));
    insta::assert_snapshot!("reply_on_what_cannot_be_told", render::summary(&report));
    insta::assert_snapshot!("github_on_what_cannot_be_told", render::github(&report));
    let unread = |form: String| form.matches("include/linux/pid.h").count();
    assert!(unread(render::junit(&report)) > 0);
    assert!(unread(render::json(&report).unwrap()) > 0);
    assert!(unread(render::sarif(&report).unwrap()) > 0);
    report.remarks.push("a < b: hunk 2 fits".to_owned());
    let junit = render::junit(&report);
    let said = "</testcase>\n<system-out>a &lt; b: hunk 2 fits</system-out>\n</testsuite>\n";
    assert!(junit.contains(said), "{junit}");
}

/// A header as git has it under `git diff --irreversible-delete`, one as binary, one as a binary
/// patch, and one as `diff -r` tells of it.
const UNREAD: &str = "\
diff --git a/include/linux/pid.h b/include/linux/pid.h
deleted file mode 100644
index 2df1be4..0000000
diff --git a/include/linux/sched.h b/include/linux/sched.h
index 2df1be4..3558155 100644
Binary files a/include/linux/sched.h and b/include/linux/sched.h differ
diff --git a/include/linux/cred.h b/include/linux/cred.h
index 2df1be4..3558155 100644
GIT binary patch
literal 3
KcmZQzWMT#Y01f~L

literal 0
HcmV?d00001

Binary files linux-6.1/include/linux/mm_types.h and linux-6.2/include/linux/mm_types.h differ
";

const UNREAD_FILES: [&str; 4] = [
    "unknown unread include/linux/cred.h",
    "unknown unread include/linux/mm_types.h",
    "unknown unread include/linux/pid.h",
    "unknown unread include/linux/sched.h",
];

#[test]
fn a_file_without_its_text_is_told() {
    // What plain `diff` says stands before the next file of git.
    let (git, plain) = UNREAD.split_at(UNREAD.rfind("Binary").unwrap());
    let patch = format!("{plain}{git}");
    assert_eq!(
        words(&checked(patch.as_bytes(), None).unwrap()),
        UNREAD_FILES
    );
    let report = checked(patch.as_bytes(), None).unwrap();
    assert_eq!(report.patch.unwrap().files, 4);
    // Of one that was empty, that moved as it is, or that is no C, there is nothing to tell.
    let nothing = "diff --git a/include/linux/pid.h b/include/linux/pid.h\ndeleted file mode 100644\nindex e69de29bb2d1..0000000\n\
        diff --git a/include/linux/cred.h b/include/linux/creds.h\nsimilarity index 100%\nrename from include/linux/cred.h\nrename to include/linux/creds.h\n\
        Binary files a/fs/p.png and b/fs/p.png differ\n";
    assert_eq!(words(&checked(nothing.as_bytes(), None).unwrap()), [""; 0]);
}

#[test]
fn a_header_that_goes_without_its_text_is_read_in_the_tree() {
    let end = UNREAD.find("diff --git a/include/linux/sched.h").unwrap();
    let report = checked(&UNREAD.as_bytes()[..end], Some(&tree())).unwrap();
    let found = words(&report);
    for gone in ["undecided type-removed pid", "undecided type-removed upid"] {
        assert!(found.iter().any(|word| word == gone), "{found:?}");
    }
}

#[test]
fn a_mail_that_speaks_of_binary_files_changes_none() {
    let mail = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n\
        From: A <a@example.org>\nSubject: [PATCH] x\n\n\
        Binary files a/include/linux/sched.h and b/include/linux/sched.h differ\n\n---\n";
    let first = "diff --git a/kernel/a.c b/kernel/b.c\nsimilarity index 100%\nrename from kernel/a.c\nrename to kernel/b.c\n";
    let report = checked(format!("{mail}{first}{mail}{first}").as_bytes(), None).unwrap();
    assert_eq!(words(&report), [""; 0]);
    assert_eq!(report.patch.unwrap().files, 2);
}

/// What stands behind the brace is a structure's also where no heading names it: its members do.
#[test]
fn packing_without_a_heading() {
    for end in ["__packed", "__attribute__((packed, aligned(4)))"] {
        let lines =
            format!("\n 	int umask;\n 	int in_exec;\n 	struct path root, pwd;\n-}};\n+}} {end};\n");
        let patch = hunk("include/linux/fs_struct.h", "", &lines);
        assert_eq!(alone(&patch), ["undecided realigned fs_struct"], "{end}");
        let of_none = patch
            .replace("umask", "x")
            .replace("in_exec", "y")
            .replace("root, pwd", "z");
        assert_eq!(alone(&of_none).len(), 1, "{end}");
    }
}

/// A hunk that has the end of a structure and nothing that says of which.
#[test]
fn packing_behind_a_brace_alone() {
    for end in ["__packed", "__attribute__((packed))"] {
        for before in ["", " 		nodemask_t user_nodemask;\n 	} w;\n"] {
            let lines = format!("\n{before}-}};\n+}} {end};\n");
            let patch = hunk("include/linux/mempolicy.h", "", &lines);
            assert_eq!(alone(&patch), ["unknown incomplete "], "{lines}");
        }
    }
}

/// Attributes before the brace of a structure whose end the hunk does not have.
#[test]
fn packing_before_the_brace() {
    for attribute in ["__packed", "__attribute__((packed))"] {
        let lines = format!(
            "\n-struct fs_struct {{\n+struct {attribute} fs_struct {{\n 	int users;\n 	spinlock_t lock;\n"
        );
        let patch = hunk("include/linux/fs_struct.h", "", &lines);
        assert_eq!(
            alone(&patch),
            ["undecided realigned fs_struct"],
            "{attribute}"
        );
        let of_none = patch.replace("fs_struct {", "unrelated {");
        assert_eq!(alone(&of_none), [""; 0], "{attribute}");
    }
}
