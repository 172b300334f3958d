//! Files that are no C: options, flags of the compiler, and what is not read.

use super::gate::{alone, hunk};
use super::{SAVED, checked, options, text, words};
use kconv_codegen::check::{Inputs, Project, check};

const HZ: &str = "kernel/Kconfig.hz";

#[test]
fn what_an_option_is_set_to_of_which_constants_are_made() {
    let patch = |section: &str| {
        hunk(
            HZ,
            section,
            "\n 	int\n-	default 250 if HZ_250\n+	default 300 if HZ_250\n \n",
        )
    };
    assert_eq!(alone(&patch("config HZ")), ["undecided option CONFIG_HZ"]);
    // In its hunk the entry is named, too.
    let named = hunk(
        HZ,
        "",
        "\n config HZ\n 	int\n-	default 250\n+	default 300\n \n",
    );
    assert_eq!(alone(&named), ["undecided option CONFIG_HZ"]);
    // Of an entry that nothing names nobody knows which it is.
    assert_eq!(alone(&patch("")), ["unknown incomplete "]);
    // Others' options, and words for people, are none of it.
    assert_eq!(alone(&patch("config ANOTHERS")), [""; 0]);
    let help = hunk(HZ, "config HZ_250", "\n 	help\n-	 One.\n+	 Another.\n \n");
    assert_eq!(alone(&help), [""; 0]);
    // What is set is known from a configuration.
    let set = options("CONFIG_HZ=250\n");
    let inputs = Inputs {
        options: Some(&set),
        ..Inputs::default()
    };
    let patch = patch("config HZ");
    let report = check(
        Some(&mut patch.as_bytes()),
        &SAVED,
        &Project::default(),
        &inputs,
    );
    assert_eq!(words(&report.unwrap()), ["no effect option CONFIG_HZ"]);
}

#[test]
fn what_a_choice_or_another_option_sets() {
    let choice = hunk(
        HZ,
        "choice",
        "\n 	prompt \"Timer\"\n-	default HZ_250\n+	default HZ_300\n \n",
    );
    assert_eq!(
        alone(&choice),
        [
            "undecided option CONFIG_HZ_250",
            "undecided option CONFIG_HZ_300"
        ]
    );
    let select = hunk(
        "arch/x86/Kconfig",
        "config ANOTHERS",
        "\n 	bool\n+	select HZ_300\n \n",
    );
    assert_eq!(alone(&select), ["undecided option CONFIG_HZ_300"]);
    let none = hunk(
        "arch/x86/Kconfig",
        "config ANOTHERS",
        "\n 	bool\n+	select ANOTHER\n \n",
    );
    assert_eq!(alone(&none), [""; 0]);
    let set = hunk(
        "arch/x86/configs/x86_64_defconfig",
        "",
        "\n CONFIG_A=y\n-CONFIG_HZ=250\n+CONFIG_HZ=300\n",
    );
    assert_eq!(alone(&set), ["undecided option CONFIG_HZ"]);
}

#[test]
fn an_option_on_which_a_member_depends() {
    let patch = hunk(
        "kernel/Kconfig",
        "config KCOV",
        "\n 	bool\n+	default y\n \n",
    );
    // What the headers of known kernels say of it is known without a tree.
    assert_eq!(alone(&patch), ["undecided option CONFIG_KCOV"]);
    assert_eq!(
        super::gate::beside_the_tree(&patch),
        ["undecided option CONFIG_KCOV"]
    );
    let another = patch.replace("KCOV", "ANOTHERS");
    assert_eq!(super::gate::beside_the_tree(&another), [""; 0]);
}

/// Behind a pragma types lie otherwise: in headers that the whole kernel can include, wherever it goes.
#[test]
fn pragmas_by_which_types_lie_otherwise() {
    let header = "include/linux/fs_struct.h";
    let of = |path: &str, lines: &str| alone(&hunk(path, "", lines));
    let added = "\n+#pragma pack(1)\n struct fs_struct {\n";
    assert_eq!(of(header, added), ["undecided build #pragma pack(1)"]);
    assert_eq!(
        of("arch/x86/include/asm/mmu.h", added),
        ["undecided build #pragma pack(1)"]
    );
    let spaced = "\n-  #  pragma pack ( push, 1 )\n struct fs_struct {\n";
    assert_eq!(of(header, spaced), ["undecided build #pragma pack(push,1)"]);
    let moved = "\n-#pragma pack(1)\n struct a;\n+#pragma pack(1)\n struct b;\n";
    assert_eq!(of(header, moved), ["undecided build #pragma pack(1)"]);
    let report = checked(hunk(header, "", moved).as_bytes(), None).unwrap();
    assert!(text(&report).contains("`#pragma pack(1)` is at another place"));
    // With the tree it is seen whether a saved type is in the header.
    for (ty, found) in [("task_struct", 1), ("of_nobody", 0)] {
        let old = format!("struct {ty} {{\n	int prio;\n}};\n");
        let tree = super::gate::tree_of(&old);
        let patch = super::gate::rewritten(&old, &format!("#pragma pack(1)\n{old}"));
        let report = checked(patch.as_bytes(), Some(tree.path())).unwrap();
        assert_eq!(report.findings.len(), found, "{ty}");
    }
    // None of these is one.
    for (path, lines) in [
        ("drivers/a/wire.h", added),
        ("drivers/a/wire.c", added),
        (
            header,
            "\n+/*\n+#pragma pack(1)\n+*/\n struct fs_struct {\n",
        ),
        (header, "\n+#pragma once\n struct fs_struct {\n"),
        (header, "\n #pragma pack(1)\n-\n struct a;\n"),
    ] {
        assert_eq!(of(path, lines), [""; 0], "{path}: {lines}");
    }
}

#[test]
fn flags_by_which_types_lie_otherwise() {
    let flag = |path: &str, flag: &str| {
        alone(&hunk(
            path,
            "",
            &format!("\n KBUILD_CFLAGS += -O2\n+KBUILD_CFLAGS += {flag}\n \n"),
        ))
    };
    for name in [
        "-fpack-struct",
        "-fpack-struct=4",
        "-fshort-enums",
        "-funsigned-char",
    ] {
        assert_eq!(flag("Makefile", name), [format!("undecided build {name}")]);
    }
    let inner = "$(call cc-option,-fshort-enums)";
    assert_eq!(
        flag("arch/x86/Makefile", inner),
        ["undecided build -fshort-enums"]
    );
    assert_eq!(
        flag("scripts/Makefile.fresh", "-fshort-enums"),
        ["undecided build -fshort-enums"]
    );
    for (path, name) in [
        ("Makefile", "-fno-strict-aliasing"),
        ("Makefile", "-Wno-packed"),
        ("arch/s390/Makefile", "-fpack-struct"),
        ("drivers/net/Makefile", "-fpack-struct"),
    ] {
        assert_eq!(flag(path, name), [""; 0], "{path} {name}");
    }
    // A line that is written otherwise.
    let moved = hunk(
        "Makefile",
        "",
        "\n-A := -fshort-enums -O2\n+A := -O2 -fshort-enums\n",
    );
    assert_eq!(alone(&moved), [""; 0]);
}

#[test]
fn what_is_not_read_is_said() {
    let at = |path: &str| hunk(path, "", "\n a\n-b\n+c\n");
    let patch = [
        at("arch/s390/include/asm/x.h"),
        at("drivers/x.c"),
        at("MAINTAINERS"),
        at("arch/x86/kernel/vmlinux.lds.S"),
        "Only in b/kernel: x.c\n".to_owned(),
    ];
    let report = checked(patch.concat().as_bytes(), None).unwrap();
    assert!(
        text(&report).ends_with(
            "nothing saved is touched: 4 files, 4 hunks; not read: 1 for other machines, 1 at paths that the state map ignores, 2 of no C (1 linker script), 1 that the patch does not have\n"
        ),
        "{}",
        text(&report)
    );
}

/// With it every structure lies otherwise, whatever it is.
#[test]
fn the_order_of_members_by_chance() {
    let set = hunk(
        "arch/x86/configs/x86_64_defconfig",
        "",
        "\n CONFIG_A=y\n+CONFIG_RANDSTRUCT_FULL=y\n",
    );
    assert_eq!(alone(&set), ["undecided option CONFIG_RANDSTRUCT_FULL"]);
}

#[test]
fn where_the_registers_of_a_task_lie() {
    let changed = |path: &str, old: &str, new: &str| {
        let lines = format!("\n #define A 1\n-#define {old}\n+#define {new}\n \n");
        alone(&hunk(path, "", &lines))
    };
    let header = "arch/x86/include/asm/page_64_types.h";
    assert_eq!(
        changed(
            header,
            "THREAD_SIZE_ORDER (2 + K)",
            "THREAD_SIZE_ORDER (3 + K)"
        ),
        ["undecided constant-renumbered THREAD_SIZE_ORDER"]
    );
}
