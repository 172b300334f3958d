//! What makes people switch a gate off: findings of what nobody saves, and sentences that say nothing.

use super::gate::{SCHED, alone, beside_the_tree, hunk};
use super::{checked, text};

const PID: &str = "include/linux/pid.h";

#[test]
fn names_that_only_begin_like_those_of_a_task() {
    let defined =
        |path: &str, line: &str| alone(&hunk(path, "", &format!("\n #define X 1\n+{line}\n \n")));
    assert_eq!(
        defined(SCHED, "#define PF_FRESH 0x100"),
        ["undecided constant-added PF_FRESH"]
    );
    let asm = "include/uapi/asm-generic/signal.h";
    assert_eq!(
        defined(asm, "#define SIGFRESH 77"),
        ["undecided constant-added SIGFRESH"]
    );
    for (path, line) in [
        ("include/linux/page-flags.h", "#define PF_FRESH 0x100"),
        ("include/uapi/gpu/fresh.h", "#define PR_FRESH_0 4"),
        ("include/uapi/linux/prctl.h", "#define PR_SET_FRESH 99"),
        ("include/linux/mfd/fresh.h", "#define CLOCK_FRESH 3"),
        ("include/linux/mfd/fresh.h", "#define SIG1FRESH 3"),
        // A text is no value.
        (SCHED, "#define SCHED_AUTHOR_OF_TESTS \"A\""),
    ] {
        assert_eq!(defined(path, line), [""; 0], "{path}: {line}");
    }
    // A constant whose number is stored is watched wherever it goes.
    let elsewhere = "include/linux/task_flags.h";
    let line = "#define PF_KTHREAD 0x00000008";
    assert_eq!(
        defined(elsewhere, line),
        ["undecided constant-added PF_KTHREAD"]
    );
}

#[test]
fn a_value_that_is_written_otherwise() {
    let changed = |old: &str, new: &str| {
        let lines = format!("\n #define X 1\n-#define {old}\n+#define {new}\n \n");
        alone(&hunk("include/linux/fs.h", "", &lines))
    };
    let old = "FMODE_READ ((__force fmode_t)0x10)";
    assert_eq!(
        changed(old, "FMODE_READ ((__force fmode_t)(1 << 4))"),
        [""; 0]
    );
    assert_eq!(
        changed(old, "FMODE_READ ((__force fmode_t)(1 << 5))"),
        ["undecided constant-renumbered FMODE_READ"]
    );
    // What takes arguments is code and no value.
    let old = "FMODE_OF_TESTS(mode) ((mode) & 1)";
    assert_eq!(changed(old, "FMODE_OF_TESTS(mode) ((mode) & 2)"), [""; 0]);
}

#[test]
fn a_hunk_that_begins_in_a_comment() {
    let patch = |first: &str| {
        let lines = format!("\n {first}\n  *	struct part;\n+ *	int fresh;\n  */\n int f(void);\n");
        alone(&hunk("include/linux/input.h", "", &lines))
    };
    for first in [" *	words", " * words;", " *"] {
        assert_eq!(patch(first), [""; 0], "{first}");
    }
}

#[test]
fn a_comment_of_a_directive_is_no_members() {
    let patch = hunk(
        SCHED,
        "struct task_struct {",
        "
 	u64			start_time;
-#endif
+#endif /* CONFIG_FRESH
+	 * and more of it */
 	char			comm[TASK_COMM_LEN];
",
    );
    let found = alone(&patch);
    let comments = found.iter().filter(|word| word.contains("comment"));
    assert_eq!(comments.count(), 0, "{found:?}");
}

#[test]
fn the_comment_that_changed_is_shown() {
    let patch = hunk(
        SCHED,
        "struct task_struct {",
        "
-	/* switches between tasks */
+	/* switches between tasks, in thousands */
 	unsigned long		nvcsw;
",
    );
    let report = checked(patch.as_bytes(), None).unwrap();
    let text = text(&report);
    assert!(text.contains("- switches between tasks\n"), "{text}");
    assert!(
        text.contains("+ switches between tasks, in thousands\n"),
        "{text}"
    );
    // Another comment is another change, with an id of its own.
    let other = patch.replace("in thousands", "in millions");
    let other = checked(other.as_bytes(), None).unwrap();
    assert_ne!(report.findings[0].id, other.findings[0].id);
}

#[test]
fn the_guard_of_a_header_is_no_condition() {
    let header = |guard: &str, body: &str| {
        let lines = format!("#ifndef {guard}\n#define {guard}\n\n{body}\n#endif /* {guard} */\n");
        lines
            .lines()
            .map(|line| format!("+{line}\n"))
            .collect::<String>()
    };
    let moved = |body: &str, fresh: &str| {
        let added = header("_LINUX_FRESH_TYPES_H", fresh);
        let removed: String = body.lines().map(|line| format!("-{line}\n")).collect();
        let gone = format!(
            "--- a/{PID}\n+++ b/{PID}\n@@ -1,{} +1,2 @@\n #ifndef _LINUX_PID_H\n #define _LINUX_PID_H\n{removed}",
            removed.lines().count() + 2
        );
        let path = "include/linux/fresh_types.h";
        let count = added.lines().count();
        alone(&format!(
            "{gone}--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{count} @@\n{added}"
        ))
    };
    let typedef = "typedef unsigned int fresh_type;\ntypedef int pid_t;";
    assert_eq!(moved(typedef, typedef), [""; 0]);
    let upid = "struct upid {\n	int	nr;\n};";
    assert_eq!(moved(upid, upid), ["no effect moved-header upid"]);
    let define = "#define PIDTYPE_OF_TESTS 3";
    assert_eq!(moved(define, define), [""; 0]);
    // A condition that the definition has itself is one.
    let behind = format!("#ifdef CONFIG_FRESH\n{upid}\n#endif");
    assert_eq!(moved(upid, &behind), ["undecided condition upid"]);
}

#[test]
fn an_annotation_for_those_who_have_none() {
    let path = "include/uapi/linux/stddef.h";
    let fallback = hunk(
        path,
        "",
        "
 #define X 1
+#ifndef __aligned
+#define __aligned(x) __attribute__((aligned(x)))
+#endif
 
",
    );
    assert_eq!(beside_the_tree(&fallback), [""; 0]);
}

#[test]
fn an_enumerator_is_renumbered_from_a_number_to_a_number() {
    let patch = |lines: &str| {
        let patch = hunk(PID, "enum pid_type {", lines);
        text(&checked(patch.as_bytes(), None).unwrap())
    };
    // The layouts know what the first enumerator of the hunk is.
    let shown = patch("\n 	PIDTYPE_PGID,\n+	PIDTYPE_FRESH,\n 	PIDTYPE_SID,\n");
    assert!(
        shown.contains("PIDTYPE_SID changed from `PIDTYPE_SID = 3` to `PIDTYPE_SID = 4`"),
        "{shown}"
    );
    // What comes first has the number of what came first.
    let swapped = patch(
        "\n-	PIDTYPE_TGID,\n-	PIDTYPE_PGID,\n+	PIDTYPE_PGID,\n+	PIDTYPE_TGID,\n 	PIDTYPE_SID,\n",
    );
    for line in [
        "PIDTYPE_TGID changed from `PIDTYPE_TGID = 1` to `PIDTYPE_TGID = 2`",
        "PIDTYPE_PGID changed from `PIDTYPE_PGID = 2` to `PIDTYPE_PGID = 1`",
    ] {
        assert!(swapped.contains(line), "{swapped}");
    }
    let unknown = patch("\n 	PIDTYPE_OF_TESTS,\n+	PIDTYPE_FRESH,\n 	PIDTYPE_OTHER,\n");
    assert!(unknown.contains("(renumbered by +1)"), "{unknown}");
}

#[test]
fn a_declaration_that_is_written_otherwise() {
    let member = |old: &str, new: &str| {
        let lines = format!("\n 	int			prio;\n-	{old};\n+	{new};\n");
        alone(&hunk(SCHED, "struct task_struct {", &lines))
    };
    for (old, new) in [
        ("u64 x", "__u64 x"),
        ("uint32_t x[4]", "u32 x[4]"),
        ("int8_t *x", "s8 *x"),
        ("int x __packed", "int x __attribute__((packed))"),
        (
            "int x __aligned(8)",
            "int x __attribute__((__aligned__(8)))",
        ),
        (
            "int x __packed __aligned(4)",
            "int x __attribute__((packed, aligned(4)))",
        ),
        ("_Alignas(16) int x", "int x __aligned(16)"),
    ] {
        assert_eq!(member(old, new), [""; 0], "{old} {new}");
        assert_eq!(member(new, old), [""; 0], "{new} {old}");
    }
    for (old, new, found) in [
        ("u32 x", "__u64 x", "retyped"),
        ("u64 x", "__le64 x", "retyped"),
        ("u32 x", "s32 x", "retyped"),
        (
            "int x __packed",
            "int x __attribute__((packed, aligned(2)))",
            "realigned",
        ),
    ] {
        let all = member(old, new);
        let found = format!("{found} task_struct.x");
        assert!(
            all.len() == 1 && all[0].ends_with(&found),
            "{old} {new}: {all:?}"
        );
    }
}

#[test]
fn a_comment_above_a_member_is_not_the_one_behind_the_member_before() {
    let lines = "\n 	int			prio; /* one */\n+	/* two */\n+	int			fresh;\n 	int			static_prio;\n";
    let patch = hunk(SCHED, "struct task_struct {", lines);
    assert_eq!(alone(&patch), ["undecided added task_struct.fresh"]);
    // One that goes on is.
    let lines = "\n 	int			prio; /* one\n-	* two */\n+	* three */\n 	int			static_prio;\n";
    let patch = hunk(SCHED, "struct task_struct {", lines);
    assert_eq!(alone(&patch), ["undecided comment task_struct.prio"]);
}

#[test]
fn the_conditions_that_changed_are_shown() {
    let lines = "\n 	int			prio;\n-#ifdef CONFIG_KCOV\n 	int			static_prio;\n-#endif\n 	int			normal_prio;\n";
    let patch = hunk(SCHED, "struct task_struct {", lines);
    let shown = text(&checked(patch.as_bytes(), None).unwrap());
    let said = "is behind other conditions: `CONFIG_KCOV` before, none now";
    assert!(shown.contains(said), "{shown}");
    assert_eq!(shown.matches("static_prio;").count(), 1, "{shown}");
}

#[test]
fn a_statement_is_no_member() {
    for lines in [
        // It was a member of one side alone.
        "\n 	return ns;\n }\n+{\n extern void of(int a);\n",
        "\n 	return ns;\n }\n \n+static inline int of(struct pid_namespace *ns)\n+{\n+	return 0;\n+}\n",
        "\n 	return ns;\n }\n \n+#else\n+static inline int of(int ns)\n+{\n+	return ns;\n+}\n #endif\n",
        "\n-	return ns;\n+	return 0;\n }\n",
    ] {
        let patch = hunk("include/linux/pid_namespace.h", "", lines);
        assert_eq!(alone(&patch), [""; 0], "{lines}");
    }
}
