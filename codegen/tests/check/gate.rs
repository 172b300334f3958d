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
fn a_whole_type_behind_an_option() {
    let upid = "
+#ifdef CONFIG_FRESH
 struct upid {
 	int			nr;
 	struct pid_namespace	*ns;
 };
+#endif
 
";
    let patch = hunk("include/linux/pid.h", "enum pid_type", upid);
    assert_eq!(alone(&patch), ["undecided condition upid"]);
    assert_eq!(beside_the_tree(&patch), ["undecided condition upid"]);
    // Its end need not be in the hunk.
    let begins = hunk(
        "include/linux/pid.h",
        "",
        "\n \n+#ifdef CONFIG_FRESH\n struct upid {\n 	int			nr;\n",
    );
    assert_eq!(alone(&begins)[0], "undecided condition upid");
    assert_eq!(alone(&patch.replace("upid", "unrelated")), [""; 0]);
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

/// A tree with the one header `include/linux/sched.h`.
pub(super) fn tree_of(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let linux = folder.path().join("include/linux");
    std::fs::create_dir_all(&linux).unwrap();
    std::fs::write(linux.join("sched.h"), text).unwrap();
    folder
}

/// `old` becomes `new`, as one hunk of the whole.
pub(super) fn rewritten(old: &str, new: &str) -> String {
    let lines = |text: &str, sign: char| -> String {
        text.lines().map(|line| format!("{sign}{line}\n")).collect()
    };
    format!(
        "--- a/{SCHED}\n+++ b/{SCHED}\n@@ -1,{} +1,{} @@\n{}{}",
        old.lines().count(),
        new.lines().count(),
        lines(old, '-'),
        lines(new, '+')
    )
}

const PARTS: &str = "#define LEVELS 4
struct part_of_part {
	int			level;
	int			levels[LEVELS];
};
typedef struct part_of_part part_t;
struct fresh_part {
	part_t			inner;
	struct unrelated	*other;
};
struct unrelated {
	int			level;
};
struct task_struct {
	int			prio;
#ifdef CONFIG_FRESH
	struct fresh_part	part;
#endif
};
";

#[test]
fn a_type_that_no_stored_layout_has_inside_of_a_saved_one() {
    let tree = tree_of(PARTS);
    let found = |old: &str, new: &str, config: Option<&Options>| {
        let patch = rewritten(PARTS, &PARTS.replacen(old, new, 1));
        let inputs = Inputs {
            tree: Some(tree.path()),
            options: config,
            ..Inputs::default()
        };
        let project = Project::default();
        let report = check(Some(&mut patch.as_bytes()), &SAVED, &project, &inputs).unwrap();
        (words(&report), super::text(&report))
    };
    let (words, text) = found("	int			level;", "	int			level;\n	int			fresh;", None);
    assert_eq!(words, ["undecided added part_of_part.fresh"]);
    assert!(text.contains("it lies in task_struct.part"), "{text}");
    let (words, text) = found("#define LEVELS 4", "#define LEVELS 5", None);
    assert_eq!(words, ["undecided size LEVELS"]);
    assert!(text.contains("task_struct.part"), "{text}");
    let off = options("CONFIG_SMP=y\n");
    let (words, _) = found("	int			level;", "	int			level;\n	int			fresh;", Some(&off));
    assert_eq!(words, ["no effect added part_of_part.fresh"]);
    // What is pointed at is none of it.
    let unrelated = "struct unrelated {\n	int			level;";
    let (words, _) = found(unrelated, &format!("{unrelated}\n	int			fresh;"), None);
    assert_eq!(words, [""; 0]);
}

/// What the headers of known kernels say of it is known without a tree, also where no stored layout has it.
#[test]
fn a_type_inside_of_a_saved_one_without_a_tree() {
    let patch = |path: &str, heading: &str, lines: &str| {
        let report = checked(hunk(path, heading, lines).as_bytes(), None).unwrap();
        (words(&report), super::text(&report))
    };
    let lines = "\n 	u32			sticky_cpu;\n+	u32			fresh;\n 	u64			ddsp_dsq_id;\n";
    let ext = "include/linux/sched/ext.h";
    let (found, text) = patch(ext, "struct sched_ext_entity {", lines);
    // The state map has all of it made anew.
    assert_eq!(found, ["decided added sched_ext_entity.fresh"]);
    assert!(text.contains("sched_ext_entity"), "{text}");
    // 7.x has it, and its layouts are stored.
    let (found, _) = patch("include/linux/a.h", "struct rseq_data {", lines);
    assert_eq!(found, ["undecided added rseq_data.fresh"]);
    // 5.10 alone has this one, which is made anew.
    let (found, _) = patch("include/linux/a.h", "struct vmacache {", lines);
    assert_eq!(found, ["decided added vmacache.fresh"]);
    let (found, _) = patch(ext, "struct sched_ext_ops {", lines);
    assert_eq!(found, [""; 0]);
    // Neither does a patch show how many there are of an array that a constant of another header sizes.
    let constant = "\n-#define CONTEXTS 4\n+#define CONTEXTS 5\n";
    let (found, _) = patch(
        "include/linux/uprobes.h",
        "",
        &constant.replace("CONTEXTS", "UPROBES_OF_TESTS"),
    );
    assert_eq!(found, [""; 0]);
    let (found, _) = patch(
        "include/linux/latencytop.h",
        "",
        &constant.replace("CONTEXTS", "LT_SAVECOUNT"),
    );
    assert_eq!(found, ["undecided size LT_SAVECOUNT"]);
}

#[test]
fn a_hunk_without_a_heading_is_of_the_one_type_that_has_its_member() {
    use kconv_codegen::check::Saved;
    let map = super::REGISTRY.state_map("linux-2.4").unwrap();
    let entries = super::REGISTRY
        .layouts()
        .filter(|entry| entry.family == "linux-2.4");
    let layouts = entries.map(|entry| super::REGISTRY.layout(&entry.id).unwrap());
    let saved = Saved::new(&map, layouts.collect());
    let patch = hunk(
        SCHED,
        "",
        "
 	void *journal_info;
+	struct fresh *fresh_list;
 };
 
 #define FRESH 1
",
    );
    let found = |patch: &str| {
        let report = check(
            Some(&mut patch.as_bytes()),
            &saved,
            &Project::default(),
            &Inputs::default(),
        );
        words(&report.unwrap())
    };
    assert_eq!(found(&patch), ["undecided added task_struct.fresh_list"]);
    // Several types have such a member, and nothing tells which this is.
    let several = patch.replace("void *journal_info", "atomic_t count");
    assert_eq!(found(&several), ["unknown unnamed count"]);
    // That no stored layout has the member says nothing of other kernels.
    let other = patch.replace("journal_info", "journal_of_another");
    assert_eq!(found(&other), ["unknown unnamed fresh_list"]);
    let retyped = hunk(SCHED, "", "\n-	int unseen;\n+	long unseen;\n");
    assert_eq!(found(&retyped), ["unknown unnamed unseen"]);
    // The heading names another, or there are statements.
    let named = patch.replace("@@\n", "@@ struct handle {\n");
    assert_eq!(found(&named), [""; 0]);
    let code = hunk(
        "kernel/sys.c",
        "",
        "\n-	int unseen;\n+	long unseen;\n 	return 0;\n",
    );
    assert_eq!(found(&code), [""; 0]);
}

#[test]
fn packing_of_a_type_of_which_the_heading_alone_tells() {
    let packed = |end: &str| {
        let lines = format!("\n 	unsigned long long	last_arrival;\n-}};\n+}} {end};\n \n");
        hunk(SCHED, "struct sched_info {", &lines)
    };
    for end in [
        "__packed",
        "__attribute__((packed, aligned(4)))",
        "__aligned(64)",
        "____cacheline_aligned",
    ] {
        let patch = packed(end);
        assert_eq!(alone(&patch), ["undecided realigned sched_info"], "{end}");
        let text = super::text(&checked(patch.as_bytes(), None).unwrap());
        assert!(text.contains(&format!("+ }} {end};")), "{text}");
    }
    assert_eq!(alone(&packed("__randomize_layout")), [""; 0]);
    let other = packed("__packed").replace("struct sched_info {", "struct unrelated {");
    assert_eq!(alone(&other), [""; 0]);
}

#[test]
fn a_prototype_behind_the_type_of_the_heading_is_no_member() {
    let prototype = hunk(
        SCHED,
        "struct sched_info {",
        "\n+extern int f(int a, void *b);\n+void *g(void);\n",
    );
    assert_eq!(alone(&prototype), [""; 0]);
    let pointer = hunk(
        SCHED,
        "struct sched_info {",
        "\n+	int (*f)(int a, void *b);\n",
    );
    assert_eq!(alone(&pointer), ["undecided added sched_info.f"]);
}

#[test]
fn an_insertion_without_context_is_behind_the_line_that_it_names() {
    // As `diff -U0` has it: nothing is of the old side.
    let at = std::fs::read_to_string(tree().join(SCHED)).unwrap();
    let line = at
        .lines()
        .position(|line| line == "struct sched_info {")
        .unwrap()
        + 1;
    let patch = |line: usize| {
        let next = line + 1;
        format!("--- a/{SCHED}\n+++ b/{SCHED}\n@@ -{line},0 +{next} @@\n+	int fresh;\n")
    };
    assert_eq!(
        beside_the_tree(&patch(line)),
        ["undecided added sched_info.fresh"]
    );
    assert_eq!(beside_the_tree(&patch(line - 1)), [""; 0]);
}

#[test]
fn a_nested_structure_in_a_hunk_without_a_heading() {
    let nested = "\n 	int			prio;\n+	struct {\n+		int one;\n+	} fresh;\n 	int			static_prio;\n";
    assert_eq!(
        alone(&hunk(SCHED, "", nested)),
        ["undecided added task_struct.fresh.one"]
    );
    let variable = "\n+static struct {\n+	int one;\n+} fresh;\n \n";
    assert_eq!(alone(&hunk(SCHED, "", variable)), [""; 0]);
}

#[test]
fn two_braces_on_one_line() {
    let patch = hunk(
        SCHED,
        "struct task_struct {",
        "
 	int			exit_state;
+	union { struct {
 	int			exit_code;
 	unsigned int		personality;
+	}; u64 both; };
 
",
    );
    let expected = [
        "undecided regrouped task_struct.exit_code",
        "undecided regrouped task_struct.personality",
        "undecided added task_struct.both",
    ];
    assert_eq!(alone(&patch), expected);
    assert_eq!(beside_the_tree(&patch), expected);
}

#[test]
fn a_line_of_a_watched_function_that_names_a_flag_alone() {
    let line = |line: &str, function: &str| {
        let lines = format!("\n 	int flags = 0;\n+{line}\n 	return 0;\n");
        alone(&hunk("kernel/fork.c", function, &lines))
    };
    let copy = "static struct task_struct *copy_process(";
    let found = line("	flags |= PF_KTHREAD;", copy);
    assert_eq!(found, ["undecided code PF_KTHREAD"]);
    assert_eq!(
        line("	flags |= PF_KTHREAD;", "int elsewhere(void)"),
        [""; 0]
    );
    // A constant that nobody watches, and one of a file format whose name is like that of a flag.
    assert_eq!(line("	flags |= ANOTHERS_FLAG;", copy), [""; 0]);
    let load = "static int load_elf_binary(struct linux_binprm *bprm)";
    assert_eq!(line("	if (type != PT_LOAD)", load), [""; 0]);
    assert_eq!(
        line("	p->ptrace |= PT_PTRACED;", copy),
        ["undecided code task_struct.ptrace"]
    );
}

/// GNU diff has forty characters of the line that a function begins with.
#[test]
fn a_watched_function_whose_name_the_heading_cuts_off() {
    let line = |path: &str, heading: &str| {
        let lines = "\n 	int flags = 0;\n+	p->exit_state = 1;\n 	return 0;\n";
        let report = checked(hunk(path, heading, lines).as_bytes(), None).unwrap();
        (words(&report), super::text(&report))
    };
    let cut = "static __latent_entropy struct task_stru";
    assert_eq!(cut.len(), 40);
    let (found, text) = line("kernel/fork.c", cut);
    assert_eq!(found, ["undecided code task_struct.exit_state"]);
    let said = "in a function whose name the heading cuts off";
    assert!(text.contains(said), "{text}");
    let newer = "__latent_entropy struct task_struct *cop";
    assert_eq!(line("kernel/fork.c", newer).0.len(), 1);
    for (path, heading) in [
        // Other files have no watched function with such a head.
        ("kernel/exit.c", cut),
        // The name is there.
        ("kernel/fork.c", "static void posix_cpu_timers_init(struct"),
        ("kernel/fork.c", "static int elsewhere"),
    ] {
        assert_eq!(line(path, heading).0, [""; 0], "{path} {heading}");
    }
}

#[test]
fn whose_field_a_line_names_is_as_the_variable_is_declared() {
    let body = |declared: &str, line: &str| {
        let lines =
            format!("\n static int copy_process({declared})\n {{\n+	{line}\n 	return 0;\n }}\n");
        let report = checked(hunk("kernel/fork.c", "", &lines).as_bytes(), None).unwrap();
        (words(&report), super::text(&report))
    };
    let (found, text) = body("struct task_struct *p", "p->pid = 0;");
    assert_eq!(found, ["undecided code task_struct.pid"]);
    assert!(!text.contains("or of"), "{text}");
    let (found, _) = body("struct fown_struct *f", "f->pid = 0;");
    assert_eq!(found, ["undecided code fown_struct.pid"]);
    let (found, _) = body("struct task_struct *p", "p->signal->flags = 0;");
    assert_eq!(
        found,
        [
            "undecided code signal_struct.flags",
            "undecided code task_struct.signal"
        ]
    );
    // That of a structure that is not saved is nobody's.
    assert_eq!(body("struct anothers *p", "p->pid = 0;").0, [""; 0]);
    // Where nothing tells whose it is, all that have it are named.
    let (found, text) = body("void *v", "x->pid = 0;");
    assert_eq!(found, ["undecided code task_struct.pid"]);
    assert!(text.contains("or of fown_struct.pid"), "{text}");
}

#[test]
fn numbers_of_bits_that_are_swapped() {
    let swapped = |path: &str, section: &str, first: &str, second: &str, a: &str, b: &str| {
        let line = |sign: char, form: &str, number: &str| {
            format!("{sign}{}\n", form.replace("{}", number))
        };
        let lines = [
            line('-', first, a),
            line('-', second, b),
            line('+', first, b),
            line('+', second, a),
        ];
        alone(&hunk(path, section, &lines.concat()))
    };
    let jobctl = "include/linux/sched/jobctl.h";
    let found = swapped(
        jobctl,
        "",
        "#define JOBCTL_AA_BIT	{}",
        "#define JOBCTL_BB_BIT	{}",
        "21",
        "22",
    );
    let expected = [
        "undecided constant-renumbered JOBCTL_AA_BIT",
        "undecided constant-renumbered JOBCTL_BB_BIT",
    ];
    assert_eq!(found, expected);
    let found = swapped(
        jobctl,
        "",
        "#define JOBCTL_AA	(1UL << {})",
        "#define JOBCTL_BB	(1UL << {})",
        "JOBCTL_AA_BIT",
        "JOBCTL_BB_BIT",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let found = swapped(
        "include/linux/mm.h",
        "enum {",
        "	VM_AA = BIT({}),",
        "	VM_BB = BIT({}),",
        "3",
        "4",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    let found = swapped(
        "include/linux/mm.h",
        "enum {",
        "	DECLARE_VMA_BIT(AA, {}),",
        "	DECLARE_VMA_BIT(BB, {}),",
        "13",
        "14",
    );
    let expected = [
        "undecided constant-renumbered VMA_AA_BIT",
        "undecided constant-renumbered VMA_BB_BIT",
    ];
    assert_eq!(found, expected);
    // Bits of nobody.
    let found = swapped(
        "include/linux/mm.h",
        "enum {",
        "	DECLARE_ANOTHERS_BIT(AA, {}),",
        "	DECLARE_ANOTHERS_BIT(BB, {}),",
        "13",
        "14",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_constant_that_watched_ones_are_made_of() {
    let header = "#define FIRST_OF_TESTS	3
#define SECOND_OF_TESTS	FIRST_OF_TESTS
#define PF_TESTED	(1 << SECOND_OF_TESTS)
#define NOBODYS_OF_TESTS	4
struct task_struct {
	int			prio;
};
";
    let tree = tree_of(header);
    let found = |old: &str, new: &str| {
        let patch = rewritten(header, &header.replacen(old, new, 1));
        let report = checked(patch.as_bytes(), Some(tree.path())).unwrap();
        (words(&report), super::text(&report))
    };
    let (words, text) = found("TESTS	3", "TESTS	5");
    assert_eq!(words, ["undecided constant-renumbered FIRST_OF_TESTS"]);
    assert!(text.contains("PF_TESTED is made of it"), "{text}");
    assert_eq!(found("TESTS	4", "TESTS	5").0, [""; 0]);
}

fn in_a_task(lines: &str) -> Vec<String> {
    alone(&hunk(
        SCHED,
        TASK,
        &format!("\n 	int			prio;\n{lines}\n 	int			static_prio;\n"),
    ))
}

/// With -fms-extensions that is the members of the structure (7.2's headers need the flag).
#[test]
fn a_structure_with_a_tag_and_no_name_is_its_members() {
    for (lines, name) in [
        ("+	struct callback_head;", "callback_head"),
        ("+	struct z { int a; };", "z"),
        ("+	union z {\n+		int a;\n+		long b;\n+	};", "z"),
    ] {
        let found = in_a_task(lines);
        let ends = format!("decided added task_struct.{name}");
        assert!(
            found.len() == 1 && found[0].ends_with(&ends),
            "{lines}: {found:?}"
        );
    }
    assert_eq!(in_a_task("+	enum z { A, B };"), [""; 0]);
    // Outside of a structure it declares one.
    let outside = "\n struct a;\n+struct callback_head;\n struct b;\n";
    assert_eq!(alone(&hunk(SCHED, "", outside)), [""; 0]);
}

#[test]
fn what_is_no_member_or_declares_the_same_is_no_finding() {
    for lines in [
        "+	_Static_assert(1, \"x;\");",
        "+	static_assert(sizeof(int) == 4);",
        "-	kgid_t gid[];\n+	DECLARE_FLEX_ARRAY(kgid_t, gid);",
        "-	struct file **fd;\n+	struct file **fd __counted_by_ptr(max_fds);",
    ] {
        assert_eq!(in_a_task(lines), [""; 0], "{lines}");
    }
    let other = in_a_task("-	kgid_t gid[];\n+	DECLARE_FLEX_ARRAY(kuid_t, gid);");
    assert_eq!(other.len(), 1, "{other:?}");
}

/// Attributes of a typedef are those of every member that is one.
#[test]
fn a_typedef_that_lies_otherwise_or_goes() {
    let typedef = |old: &str, new: &str| {
        let line = |sign: &str, text: &str| match text {
            "" => String::new(),
            text => format!("{sign}typedef {text};\n"),
        };
        let lines = format!(
            "\n #define A 1\n{}{} #define B 2\n",
            line("-", old),
            line("+", new)
        );
        alone(&hunk("include/linux/types.h", "", &lines))
    };
    let old = "__kernel_pid_t pid_t";
    for new in [
        "__kernel_pid_t pid_t __aligned(16)",
        "__kernel_pid_t pid_t __attribute__((mode(DI)))",
        "long pid_t",
    ] {
        let found = typedef(old, new);
        assert!(
            found.len() == 1 && found[0].ends_with("typedef pid_t"),
            "{new}: {found:?}"
        );
    }
    let gone = typedef(old, "");
    assert!(
        gone.len() == 1 && gone[0].ends_with("type-removed pid_t"),
        "{gone:?}"
    );
    assert_eq!(typedef("int a_typedef_of_tests", ""), [""; 0]);
    assert_eq!(typedef(old, old), [""; 0]);
}

/// A macro that is the type of a member, or all members of a type.
#[test]
fn macros_of_which_members_are_made() {
    let text = "#define VENDOR_TYPE unsigned int\n#define VENDOR_TWO \\\n	int a; \\\n	long b;\n#define ANOTHER int\nstruct task_struct {\n	int prio;\n	VENDOR_TYPE tt;\n	VENDOR_TWO;\n};\n";
    let tree = tree_of(text);
    let found = |old: &str, new: &str| {
        let patch = rewritten(text, &text.replacen(old, new, 1));
        words(&checked(patch.as_bytes(), Some(tree.path())).unwrap())
    };
    let found_type = found(
        "#define VENDOR_TYPE unsigned int",
        "#define VENDOR_TYPE unsigned long",
    );
    assert_eq!(found_type, ["undecided size VENDOR_TYPE"]);
    assert_eq!(
        found("	int a; \\\n", "	long a; \\\n"),
        ["undecided size VENDOR_TWO"]
    );
    assert_eq!(
        found("#define ANOTHER int", "#define ANOTHER long"),
        [""; 0]
    );
}

/// A configuration of before the patch knows nothing of an option that the patch makes.
#[test]
fn an_option_that_the_patch_makes_is_not_off() {
    let member = hunk(
        SCHED,
        TASK,
        "\n 	int			prio;\n+#ifdef CONFIG_ZORKY\n+	int			fresh;\n+#endif\n 	int			static_prio;\n",
    );
    let off = options("CONFIG_SMP=y\n");
    assert_eq!(under(&member, &off), ["no effect added task_struct.fresh"]);
    let made = hunk(
        "init/Kconfig",
        "",
        "\n \n+config ZORKY\n+	def_bool y\n+\n config OTHER\n",
    );
    let both = format!("{member}{made}");
    assert!(
        under(&both, &off)[0].starts_with("un"),
        "{:?}",
        under(&both, &off)
    );
}
