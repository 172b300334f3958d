//! Macros among members, as vendors' kernels have them: reserved members and what takes their place.

use super::gate::{SCHED, alone, hunk, tree_of};
use super::{checked, text, words};

const TASK: &str = "struct task_struct {";

fn task(lines: &str) -> String {
    hunk(SCHED, TASK, lines)
}

#[test]
fn a_member_takes_the_place_of_a_reserved_one() {
    for (reserved, used, name) in [
        (
            "RH_KABI_RESERVE(7)",
            "RH_KABI_USE(7, unsigned long x)",
            "rh_reserved7",
        ),
        (
            "RH_KABI_RESERVE(7)",
            "RH_KABI_USE(7, struct {\n+		int	x;\n+	} x)",
            "rh_reserved7",
        ),
        (
            "ANDROID_KABI_RESERVE(7);",
            "ANDROID_KABI_USE(7, u64 x);",
            "android_kabi_reserved7",
        ),
        ("KABI_RESERVE(7)", "KABI_USE(7, u64 x)", "kabi_reserved7"),
        (
            "DEEPIN_KABI_RESERVE(7)",
            "DEEPIN_KABI_USE(7, u64 x)",
            "deepin_reserved7",
        ),
        (
            "unsigned int old_x;",
            "RH_KABI_REPLACE(unsigned int old_x, u64 x)",
            "old_x",
        ),
    ] {
        // At the end of the type nothing follows that would end a macro without a semicolon.
        let patch = task(&format!("\n 	int			prio;\n-	{reserved}\n+	{used}\n }};\n"));
        let report = checked(patch.as_bytes(), None).unwrap();
        let nested = if used.contains("struct") { "x.x" } else { "x" };
        assert_eq!(
            words(&report),
            [format!("undecided reused task_struct.{nested}")],
            "{used}"
        );
        let said = format!("{name} -> task_struct.{nested}, same place: ");
        assert!(text(&report).contains(&said), "{}", text(&report));
        // And back.
        let back = task(&format!(
            "\n 	int			prio;\n-	{}\n+	{reserved}\n }};\n",
            used.replace("\n+", "\n-")
        ));
        let report = words(&checked(back.as_bytes(), None).unwrap());
        assert!(
            report[0].starts_with("undecided reused task_struct."),
            "{report:?}"
        );
        // Another type's is none of ours.
        assert_eq!(alone(&patch.replace(TASK, "struct unrelated {")), [""; 0]);
    }
}

#[test]
fn two_members_take_one_place() {
    let patch =
        task("\n 	int			prio;\n-	RH_KABI_RESERVE(1)\n+	RH_KABI_USE2(1, u32 x, u32 y)\n };\n");
    assert_eq!(
        alone(&patch),
        [
            "undecided reused task_struct.x",
            "undecided reused task_struct.y"
        ]
    );
    let patch = task(
        "\n 	int			prio;\n-	RH_KABI_RESERVE(1)\n-	RH_KABI_RESERVE(2)\n+	RH_KABI_USE(1, 2, u64 x[2])\n };\n",
    );
    // The second reserved member is gone, and the place of both is that of the new one.
    assert_eq!(
        alone(&patch),
        [
            "undecided reused task_struct.x",
            "undecided removed task_struct.rh_reserved2"
        ]
    );
}

#[test]
fn a_lock_in_a_reserved_place_is_reset_wherever_it_is() {
    let patch = task("\n 	int			prio;\n+	RH_KABI_EXTEND(spinlock_t fresh_lock)\n };\n");
    assert_eq!(alone(&patch), ["decided added task_struct.fresh_lock"]);
    let patch = task("\n 	int			prio;\n+	RH_KABI_EXTEND(u64 fresh)\n };\n");
    assert_eq!(alone(&patch), ["undecided added task_struct.fresh"]);
}

/// The members behind a macro without a semicolon keep their names and types.
#[test]
fn a_macro_without_a_semicolon_takes_nothing_with_it() {
    let header = |macros: &str, ty: &str| {
        format!(
            "struct task_struct {{\n	int			prio;\n{macros}	struct mm_struct	*mm;\n	{ty}		flags;\n{macros}}};\n"
        )
    };
    for macros in [
        "",
        "	RH_KABI_RESERVE(1)\n",
        "	RH_KABI_USE(1, unsigned long x)\n	RH_KABI_RESERVE(2)\n",
        "	NOBODY_KNOWS_THIS(1, unsigned long x)\n",
        "	randomized_struct_fields_start\n",
        "	DECLARE_BITMAP(bits_of_tests, 4)\n		__aligned(8);\n",
    ] {
        let (old, new) = (header(macros, "int"), header(macros, "u64"));
        let tree = tree_of(&old);
        let changed = |text: &str, sign: char| -> String {
            let lines = text.lines();
            lines.map(|line| format!("{sign}{line}\n")).collect()
        };
        let count = old.lines().count();
        let patch = format!(
            "--- a/{SCHED}\n+++ b/{SCHED}\n@@ -1,{count} +1,{count} @@\n{}{}",
            changed(&old, '-'),
            changed(&new, '+')
        );
        let report = checked(patch.as_bytes(), Some(tree.path())).unwrap();
        assert_eq!(
            words(&report),
            ["decided retyped task_struct.flags"],
            "{macros}"
        );
    }
}

#[test]
fn a_macro_that_nobody_knows_is_a_member_of_its_own() {
    for line in [
        "NOBODY_KNOWS_THIS(1, unsigned long x)",
        "NOBODY_KNOWS_THIS(1);",
    ] {
        let patch = task(&format!("\n 	int			prio;\n+	{line}\n }};\n"));
        let found = alone(&patch);
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(
            found[0].starts_with("undecided added task_struct.NOBODY_KNOWS_THIS"),
            "{found:?}"
        );
    }
}

#[test]
fn a_structure_whose_head_is_a_macro() {
    let patch = hunk(
        "include/linux/pid.h",
        "",
        "
 context_lock_struct(pid) {
 	refcount_t		count;
+	int			fresh;
 	unsigned int		level;
 };
",
    );
    assert_eq!(alone(&patch), ["undecided added pid.fresh"]);
    let heading = hunk(
        "include/linux/pid.h",
        "context_lock_struct(pid, with_a_flag) {",
        "
 	refcount_t		count;
+	int			fresh;
 	unsigned int		level;
",
    );
    assert_eq!(alone(&heading), ["undecided added pid.fresh"]);
    assert_eq!(alone(&heading.replace("(pid,", "(unrelated,")), [""; 0]);
    assert_eq!(alone(&patch.replace("(pid)", "(unrelated)")), [""; 0]);
}

/// Without any macro, too: by the name of the member that was kept for later, if the other is as large.
#[test]
fn a_plain_reserved_member_is_used() {
    for (reserved, used, found) in [
        ("unsigned long reserved7;", "unsigned long x;", "reused"),
        ("unsigned long	reserved7;", "struct file *x;", "reused"),
        ("u64 __kabi_reserved_1;", "s64 x;", "reused"),
        ("int spare;", "atomic_t x;", "reused"),
        ("u64 reserved[4];", "u64 x[4];", "reused"),
        // Another size on one machine or the other.
        ("u64 reserved7;", "unsigned long x;", "removed"),
        ("u32 reserved7;", "struct page_frag x;", "removed"),
        ("u64 reserved[4];", "u64 x[3];", "removed"),
        ("int preserved;", "atomic_t x;", "removed"),
    ] {
        let patch = task(&format!("\n 	int			prio;\n-	{reserved}\n+	{used}\n }};\n"));
        let report = checked(patch.as_bytes(), None).unwrap();
        let kinds: Vec<String> = report
            .findings
            .iter()
            .map(|finding| finding.kind.name().to_owned())
            .collect();
        assert_eq!(kinds[0], found, "{reserved} {used}: {kinds:?}");
        assert_eq!(kinds.len(), 1 + usize::from(found != "reused"), "{kinds:?}");
    }
    let patch = task("\n 	int			prio;\n-	unsigned long	reserved7;\n+	long		x;\n };\n");
    let report = checked(patch.as_bytes(), None).unwrap();
    let said = "reserved7 -> task_struct.x, same place: `long x`";
    assert!(text(&report).contains(said), "{}", text(&report));
}
