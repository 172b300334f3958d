//! Patches that a gate must not let pass, each with a near miss that it must.

use super::{SAVED, checked, options, tree, words};
use kconv_codegen::check::{Inputs, Options, Project, check};

pub(super) const SCHED: &str = "include/linux/sched.h";

/// A hunk of `path` under the heading `section`, of lines that begin with a space, `-` or `+`; at
/// the lines of the small tree where that has the old side.
pub(super) fn hunk(path: &str, section: &str, lines: &str) -> String {
    let lines = lines.trim_matches('\n').replace("\n\n", "\n \n");
    let count = |skip: char| lines.lines().filter(|line| !line.starts_with(skip)).count();
    let old: Vec<&str> = lines
        .lines()
        .filter(|line| !line.starts_with('+'))
        .collect();
    let text = std::fs::read_to_string(tree().join(path)).unwrap_or_default();
    let text: Vec<&str> = text.lines().collect();
    let is_here = |window: &[&str]| {
        window
            .iter()
            .zip(&old)
            .all(|(line, old)| *line == &old[1..])
    };
    let at = text.windows(old.len().max(1)).position(is_here);
    let at = at.map_or(100, |at| at + 1);
    let section = match section {
        "" => String::new(),
        section => format!(" {section}"),
    };
    format!(
        "--- a/{path}\n+++ b/{path}\n@@ -{at},{} +{at},{} @@{section}\n{lines}\n",
        count('+'),
        count('-')
    )
}

pub(super) fn alone(patch: &str) -> Vec<String> {
    words(&checked(patch.as_bytes(), None).unwrap())
}

pub(super) fn beside_the_tree(patch: &str) -> Vec<String> {
    words(&checked(patch.as_bytes(), Some(&tree())).unwrap())
}

fn under(patch: &str, options: &Options) -> Vec<String> {
    let inputs = Inputs {
        options: Some(options),
        ..Inputs::default()
    };
    words(
        &check(
            Some(&mut patch.as_bytes()),
            &SAVED,
            &Project::default(),
            &inputs,
        )
        .unwrap(),
    )
}

const TASK: &str = "struct task_struct {";

#[test]
fn a_member_that_loses_its_option_and_has_another_type() {
    let patch = hunk(
        SCHED,
        TASK,
        "
 	size_t			sas_ss_size;
-#ifdef CONFIG_KCOV
-	unsigned int		kcov_mode;
+	unsigned long		kcov_mode;
+#ifdef CONFIG_KCOV
 	unsigned int		kcov_size;
 #endif
",
    );
    let expected = [
        "undecided condition task_struct.kcov_mode",
        "decided retyped task_struct.kcov_mode",
    ];
    assert_eq!(alone(&patch), expected);
    assert_eq!(beside_the_tree(&patch), expected);
    // With a configuration it is known whether the member came.
    let off = options("CONFIG_SMP=y\n");
    assert_eq!(under(&patch, &off), expected);
    let on = options("CONFIG_KCOV=y\n");
    let found = under(&patch, &on);
    assert_eq!(
        found,
        [
            "decided retyped task_struct.kcov_mode",
            "no effect condition task_struct.kcov_mode"
        ]
    );
}

#[test]
fn a_second_difference_is_not_hidden_behind_the_first() {
    // A number that is wider, which a rule decides, and in a union, which nothing does.
    let patch = hunk(
        SCHED,
        TASK,
        "
-	unsigned int		ptrace;
-	int			prio;
+	union {
+		unsigned long	ptrace;
+		int		prio;
+	};
",
    );
    assert_eq!(
        alone(&patch),
        [
            "undecided regrouped task_struct.ptrace",
            "undecided regrouped task_struct.prio",
            "decided retyped task_struct.ptrace",
        ]
    );
}

#[test]
fn a_member_that_no_stored_layout_has_goes() {
    let patch = hunk(
        SCHED,
        TASK,
        "
 	int			static_prio;
-	unsigned long		vendors_own;
 	int			normal_prio;
",
    );
    assert_eq!(alone(&patch), ["undecided removed task_struct.vendors_own"]);
    // Another type's is none of ours.
    let unrelated = patch.replace("task_struct", "unrelated");
    assert_eq!(alone(&unrelated), [""; 0]);
}

#[test]
fn what_one_patch_of_a_series_adds_and_the_next_removes() {
    let added = hunk(
        SCHED,
        TASK,
        "
 	int			static_prio;
+	int			fresh;
 	int			normal_prio;
",
    );
    let removed = hunk(
        SCHED,
        TASK,
        "
 	int			static_prio;
-	int			fresh;
 	int			normal_prio;
",
    );
    assert_eq!(
        alone(&format!("{added}{removed}")),
        [
            "undecided added task_struct.fresh",
            "undecided removed task_struct.fresh"
        ]
    );
}

#[test]
fn an_option_of_which_nothing_says_whether_it_is_set() {
    let patch = hunk(
        SCHED,
        TASK,
        "
 	size_t			sas_ss_size;
 #ifdef CONFIG_KCOV
 	unsigned int		kcov_mode;
-	unsigned int		kcov_size;
+	struct list_head	kcov_size;
 #endif
",
    );
    assert_eq!(alone(&patch), ["unknown retyped task_struct.kcov_size"]);
    assert_eq!(
        beside_the_tree(&patch),
        ["unknown retyped task_struct.kcov_size"]
    );
    let off = options("CONFIG_SMP=y\n");
    assert_eq!(
        under(&patch, &off),
        ["no effect retyped task_struct.kcov_size"]
    );
    let on = options("CONFIG_KCOV=y\n");
    assert_eq!(
        under(&patch, &on),
        ["undecided retyped task_struct.kcov_size"]
    );
    // A comment of such a member, likewise.
    let comment = patch.replace(
        "+	struct list_head	kcov_size;",
        "+	unsigned int		kcov_size;	/* in words, not in bytes */",
    );
    assert_eq!(alone(&comment), ["unknown comment task_struct.kcov_size"]);
    assert_eq!(
        under(&comment, &off),
        ["no effect comment task_struct.kcov_size"]
    );
}

#[test]
fn what_versions_of_symbols_alone_see_is_in_no_kernel() {
    let patch = |guard: &str| {
        let lines = "
 	int			static_prio;
+#ifdef __GENKSYMS__
+	int			fresh;
+#endif
 	int			normal_prio;
";
        hunk(SCHED, TASK, &lines.replace("#ifdef", guard))
    };
    assert_eq!(
        alone(&patch("#ifdef")),
        ["no effect added task_struct.fresh"]
    );
    assert_eq!(
        alone(&patch("#ifndef")),
        ["undecided added task_struct.fresh"]
    );
}

#[test]
fn enumerators_behind_another_condition() {
    let patch = hunk(
        "include/linux/pid.h",
        "enum pid_type {",
        "
 	PIDTYPE_PID,
+#ifdef CONFIG_FRESH
 	PIDTYPE_TGID,
+#endif
 	PIDTYPE_PGID,
",
    );
    assert_eq!(alone(&patch), ["undecided size PIDTYPE_TGID"]);
}
