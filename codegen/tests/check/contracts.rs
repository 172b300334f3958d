//! Formats that one kernel hands on to the next: what changes of them without another version.

use super::gate::hunk;
use super::{MAP, REGISTRY, SAVED, text, words};
use kconv_codegen::check::{Inputs, Options, Project, Report, Saved, check, check_all};
use kernel_structs::state::StateMap;
use std::path::Path;
use std::sync::LazyLock;

static KHO: LazyLock<StateMap> = LazyLock::new(|| REGISTRY.state_map("kho").unwrap());
/// What is looked at in the tree of a kernel of another family.
static LINUX: LazyLock<Saved<'static>> =
    LazyLock::new(|| Saved::new(&MAP, SAVED.layouts.clone()).with_contracts_of(&KHO));
/// What is looked at with `--family kho`.
static FORMATS: LazyLock<Saved<'static>> = LazyLock::new(|| {
    let entries = REGISTRY.layouts().filter(|entry| entry.family == "kho");
    let layouts = entries.map(|entry| REGISTRY.layout(&entry.id).unwrap());
    Saved::new(&KHO, layouts.collect())
});

const MEMFD: &str = "include/linux/kho/abi/memfd.h";
const LUO: &str = "include/linux/kho/abi/luo.h";
const BLOCK: &str = "include/linux/kho/abi/block.h";
const FDT: &str = "include/linux/kho/abi/kexec_handover.h";
const OTHER: &str = "include/linux/kho/abi/guest_memfd.h";
const UAPI: &str = "include/uapi/linux/liveupdate.h";

const SER: &str = "struct memfd_luo_ser {";
const RAISED: &str = "
 /* The compatibility string for memfd file handler */
-#define MEMFD_LUO_FH_COMPATIBLE	\"memfd-v1\"
+#define MEMFD_LUO_FH_COMPATIBLE	\"memfd-v2\"
 
 #endif /* _LINUX_KHO_ABI_MEMFD_H */
";
const SEALS: &str = "
 	u64 pos;
 	u64 size;
+	u32 seals;
+	u32 flags;
 	u64 nr_folios;
";

fn report(saved: &Saved<'_>, patch: &str) -> Report {
    let mut patch = patch.as_bytes();
    let inputs = Inputs::default();
    check(Some(&mut patch), saved, &Project::default(), &inputs).unwrap()
}

/// What is found, with and without the layouts of the formats: the same.
fn found(patch: &str) -> Vec<String> {
    let alone = words(&report(&LINUX, patch));
    assert_eq!(words(&report(&FORMATS, patch)), alone);
    alone
}

#[test]
fn a_member_needs_another_version() {
    let member = hunk(MEMFD, SER, SEALS);
    assert_eq!(
        found(&member),
        [
            "undecided added memfd_luo_ser.seals",
            "undecided added memfd_luo_ser.flags"
        ]
    );
    let version = hunk(MEMFD, "struct memfd_luo_ser {", RAISED);
    let both = found(&format!("{member}{version}"));
    assert_eq!(
        both,
        [
            "decided added memfd_luo_ser.seals",
            "decided added memfd_luo_ser.flags",
            "decided format-version MEMFD_LUO_FH_COMPATIBLE",
        ]
    );
    // A version by itself is nobody's trouble.
    assert_eq!(
        found(&version),
        ["decided format-version MEMFD_LUO_FH_COMPATIBLE"]
    );
    // Two patches of a series are one change, in whatever order.
    let named = |name: &str, text: &str| kconv_codegen::check::Patch {
        name: name.to_owned(),
        text: Box::new(std::io::Cursor::new(text.to_owned().into_bytes())),
    };
    for series in [[&member, &version], [&version, &member]] {
        let patches = series.map(|text| named("a.patch", text)).into();
        let inputs = Inputs::default();
        let report = check_all(patches, &LINUX, &Project::default(), &inputs).unwrap();
        assert!(report.is_clean(), "{}", text(&report));
    }
}

#[test]
fn what_is_said_names_the_version_and_its_texts() {
    let patch = hunk(MEMFD, SER, SEALS);
    let shown = text(&report(&LINUX, &patch));
    assert!(
        shown.contains("give MEMFD_LUO_FH_COMPATIBLE another text in the same patches"),
        "{shown}"
    );
    let patch = format!("{patch}{}", hunk(MEMFD, "", RAISED));
    let shown = text(&report(&LINUX, &patch));
    assert!(
        shown.contains("another MEMFD_LUO_FH_COMPATIBLE, \"memfd-v1\" -> \"memfd-v2\""),
        "{shown}"
    );
}

/// Every change of a declaration counts, whether a layout has it or not.
#[test]
fn everything_in_the_header_is_part_of_it() {
    for (section, lines, expected) in [
        (
            SER,
            "\n 	u64 pos;\n-	u64 size;\n+	u32 size;\n 	u64 nr_folios;\n",
            "undecided retyped memfd_luo_ser.size",
        ),
        (
            SER,
            "\n 	u64 pos;\n-	u64 size;\n 	u64 nr_folios;\n",
            "undecided removed memfd_luo_ser.size",
        ),
        (
            "struct memfd_luo_folio_ser {",
            "\n-	u64 pfn:52;\n-	u64 flags:12;\n+	u64 pfn:50;\n+	u64 flags:14;\n 	u64 index;\n",
            "undecided resized memfd_luo_folio_ser.pfn",
        ),
        (
            SER,
            "\n 	struct kho_vmalloc folios;\n-} __packed;\n+};\n",
            "undecided realigned memfd_luo_ser",
        ),
        (
            "",
            "\n-#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)\n+#define MEMFD_LUO_FOLIO_DIRTY		BIT(1)\n",
            "undecided constant-renumbered MEMFD_LUO_FOLIO_DIRTY",
        ),
        (
            "",
            "\n+#define MEMFD_LUO_FOLIO_HUGE		BIT(2)\n",
            "undecided constant-added MEMFD_LUO_FOLIO_HUGE",
        ),
        (
            "",
            "\n-#define MEMFD_NODE_NAME	\"memfd\"\n+#define MEMFD_NODE_NAME	\"memfds\"\n",
            "undecided constant-renumbered MEMFD_NODE_NAME",
        ),
        (
            "",
            "\n-#define MEMFD_PTR(x)	((x) << 12)\n+#define MEMFD_PTR(x)	((x) << 13)\n",
            "undecided constant-renumbered MEMFD_PTR",
        ),
        (
            "",
            "\n enum {\n-	MEMFD_DEPTH = 5,\n+	MEMFD_DEPTH = 6,\n };\n",
            "undecided constant-renumbered MEMFD_DEPTH",
        ),
        (
            "",
            "\n enum memfd_consts {\n-	MEMFD_DEPTH = 5,\n+	MEMFD_DEPTH = 6,\n };\n",
            "undecided enumerator memfd_consts.MEMFD_DEPTH",
        ),
        (
            "",
            "\n struct memfd_of_no_layout {\n 	u64 a;\n+	u64 b;\n };\n",
            "undecided added memfd_of_no_layout.b",
        ),
        (
            "",
            "\n-struct memfd_of_no_layout {\n-	u64 a;\n-};\n",
            "undecided type-removed memfd_of_no_layout",
        ),
        (
            "",
            "\n-typedef u64 memfd_index_t;\n+typedef u32 memfd_index_t;\n",
            "undecided typedef memfd_index_t",
        ),
        (
            "",
            "\n typedef struct {\n 	u64 a;\n+	u64 b;\n } memfd_unnamed_t;\n",
            "undecided added memfd_unnamed_t.b",
        ),
    ] {
        let patch = hunk(MEMFD, section, lines);
        assert_eq!(found(&patch)[..1], [expected.to_owned()], "{lines}");
        let raised = format!("{patch}{}", hunk(MEMFD, "", RAISED));
        assert!(report(&LINUX, &raised).is_clean(), "{lines}");
        // The same lines elsewhere are not looked at.
        let elsewhere = patch.replace(MEMFD, "drivers/linux/kho/abi/memfd.h");
        assert_eq!(words(&report(&LINUX, &elsewhere)), [""; 0], "{lines}");
    }
}

/// What is read out of nothing is unknown there, and not nothing.
#[test]
fn lines_that_nothing_is_read_out_of_count() {
    for lines in [
        "\n+#pragma pack(2)\n struct kho_vmalloc {\n",
        "\n+#undef __packed\n #include <linux/types.h>\n",
        "\n+#define __packed\n #include <linux/types.h>\n",
        "\n 			     F_SEAL_GROW | \\\n-			     F_SEAL_EXEC)\n+			     F_SEAL_EXEC | F_SEAL_NEW)\n",
        "\n-		(dest).phys = virt_to_phys(v);    \\\n+		(dest).phys = __pa(v) >> 12;    \\\n",
        "\n-} __packed;\n+};\n",
        "\n+	u64 :0;\n",
        "\n-			     KHO_TABLE_SIZE_LOG2) + 1,\n+			     KHO_TABLE_SIZE_LOG2) + 2,\n",
        "\n-struct luo_flb_ser {\n+struct __attribute__((scalar_storage_order(\"big-endian\"))) luo_flb_ser {\n",
    ] {
        let patch = hunk(MEMFD, "", lines);
        let report = report(&LINUX, &patch);
        assert!(!report.is_clean(), "{lines}");
        let raised = format!("{patch}{}", hunk(MEMFD, "", RAISED));
        let words = words(&super::contracts::report(&LINUX, &raised));
        assert!(
            words.iter().all(|word| !word.starts_with("undecided")),
            "{words:?}"
        );
    }
}

/// Where the patch does not show what a change is in, it is unknown no less.
#[test]
fn a_part_that_nothing_names_counts() {
    let patch = hunk(MEMFD, "", "\n 	u64 one;\n+	u64 two;\n 	u64 three;\n");
    let found = words(&report(&LINUX, &patch));
    assert_eq!(found, ["undecided unnamed two"]);
    let raised = format!("{patch}{}", hunk(MEMFD, "", RAISED));
    assert!(report(&LINUX, &raised).is_clean());
}

#[test]
fn a_text_that_stays_or_goes_is_no_other_version() {
    let member = hunk(MEMFD, SER, SEALS);
    for lines in [
        // The macro alone has another name.
        "\n-#define MEMFD_LUO_FH_COMPATIBLE	\"memfd-v1\"\n+#define MEMFD_LUO_COMPATIBLE	\"memfd-v1\"\n",
        "\n-#define MEMFD_LUO_FH_COMPATIBLE	\"memfd-v1\"\n",
        "\n-#define MEMFD_LUO_FH_COMPATIBLE \"memfd-v1\"\n+#define MEMFD_LUO_FH_COMPATIBLE		\"memfd-v1\"\n",
    ] {
        let patch = format!("{member}{}", hunk(MEMFD, "", lines));
        let report = report(&LINUX, &patch);
        assert!(
            words(&report).contains(&"undecided added memfd_luo_ser.seals".to_owned()),
            "{lines}"
        );
    }
    // Another format's version is none of this one.
    let luo = "\n-#define LUO_ABI_COMPATIBLE	\"luo-v5\"\n+#define LUO_ABI_COMPATIBLE	\"luo-v6\"\n";
    let patch = format!("{member}{}", hunk(LUO, "", luo));
    assert!(!report(&LINUX, &patch).is_clean());
}

/// Blocks go by the version of the tree that leads to them, which another header has.
#[test]
fn the_version_may_stand_in_another_header() {
    let block = hunk(
        BLOCK,
        "struct kho_block_header_ser {",
        "\n 	u64 next;\n-	u64 count;\n+	u32 count;\n+	u32 flags;\n",
    );
    let version =
        "\n-#define KHO_FDT_COMPATIBLE \"kho-v4\"\n+#define KHO_FDT_COMPATIBLE \"kho-v5\"\n";
    assert!(!report(&LINUX, &block).is_clean());
    let patch = format!("{block}{}", hunk(FDT, "", version));
    assert!(report(&LINUX, &patch).is_clean());
}

/// A format that the map does not name goes by the version in its own header.
#[test]
fn a_header_of_a_new_format_is_looked_after() {
    let member = hunk(OTHER, "struct gmem_ser {", "\n 	u64 a;\n+	u64 b;\n");
    assert_eq!(found(&member), ["undecided added gmem_ser.b"]);
    let version = "\n-#define GMEM_COMPATIBLE \"gmem-v1\"\n+#define GMEM_COMPATIBLE \"gmem-v2\"\n";
    let own = format!("{member}{}", hunk(OTHER, "", version));
    assert!(report(&LINUX, &own).is_clean());
    let elsewhere = "include/linux/kho/abi/another.h";
    let other = format!("{member}{}", hunk(elsewhere, "", version));
    assert!(!report(&LINUX, &other).is_clean());
}

/// Of a header with other things in it, that which the format is made of counts.
#[test]
fn one_constant_of_a_header() {
    let length = "\n-#define LIVEUPDATE_SESSION_NAME_LENGTH 64\n+#define LIVEUPDATE_SESSION_NAME_LENGTH 128\n";
    let patch = hunk(UAPI, "", length);
    let found = words(&report(&LINUX, &patch));
    assert_eq!(
        found,
        ["undecided constant-renumbered LIVEUPDATE_SESSION_NAME_LENGTH"]
    );
    let other = hunk(
        UAPI,
        "struct liveupdate_session_finish {",
        "\n 	__u32 size;\n+	__u32 more;\n",
    );
    assert_eq!(words(&report(&LINUX, &other)), [""; 0]);
}

#[test]
fn what_changes_nothing_is_no_finding() {
    for lines in [
        // A guard, white space, and a comment above.
        "\n-#define _LINUX_KHO_ABI_MEMFD_H\n+#define __KHO_ABI_MEMFD_H\n",
        "\n-#define MEMFD_LUO_FOLIO_DIRTY BIT(0)\n+#define MEMFD_LUO_FOLIO_DIRTY		BIT(0)\n",
        "\n-#include <linux/types.h>\n+#include <linux/bits.h>\n+#include <linux/types.h>\n",
        "\n /**\n- * A note\n+ * Another note\n  */\n",
        "\n-#ifndef _LINUX_KHO_ABI_MEMFD_H\n-#define _LINUX_KHO_ABI_MEMFD_H\n+#ifndef __KHO_ABI_MEMFD_H\n+#define __KHO_ABI_MEMFD_H\n \n #include <linux/types.h>\n",
        // The same types and attributes under other names.
        "\n struct memfd_luo_folio_ser {\n-	u64 pfn:52;\n+	__u64 pfn:52;\n 	u64 flags:12;\n",
        "\n 	u64 flags:12;\n-} __packed;\n+} __attribute__((packed));\n",
        // A new structure is not read by any kernel yet.
        "\n+struct memfd_new_ser {\n+	u64 a;\n+};\n",
    ] {
        assert_eq!(found(&hunk(MEMFD, "", lines)), [""; 0], "{lines}");
    }
    // What a configuration leaves out.
    let patch = hunk(
        LUO,
        "struct luo_ser {",
        "\n 	u64 sessions_pa;\n+#ifdef CONFIG_LIVEUPDATE_TEST\n+	u64 test;\n+#endif\n 	u64 flbs_pa;\n",
    );
    let options = Options::parse("# CONFIG_LIVEUPDATE_TEST is not set\nCONFIG_X=y\n");
    let inputs = Inputs {
        options: Some(&options),
        ..Inputs::default()
    };
    let report = check(
        Some(&mut patch.as_bytes()),
        &LINUX,
        &Project::default(),
        &inputs,
    );
    assert!(report.unwrap().is_clean());
}

/// A type that goes from one header to another as it is changes nothing.
#[test]
fn a_type_that_moved_as_it_is() {
    let gone = "\n-struct kho_block_header_ser {\n-	u64 next;\n-	u64 count;\n-} __packed;\n";
    let come = gone.replace("\n-", "\n+");
    let patch = format!("{}{}", hunk(BLOCK, "", gone), hunk(FDT, "", &come));
    assert_eq!(
        words(&report(&LINUX, &patch)),
        ["no effect moved-header kho_block_header_ser"]
    );
}

/// With the tree, what comes before and behind a hunk is known.
#[test]
fn beside_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(MEMFD);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let before = "struct memfd_luo_ser {\n	u64 pos;\n	u64 size;\n	u64 nr_folios;\n} __packed;\n\n#define MEMFD_LUO_FH_COMPATIBLE \"memfd-v1\"\n";
    std::fs::write(&path, before).unwrap();
    let patch =
        |lines: &str, at: &str| format!("--- a/{MEMFD}\n+++ b/{MEMFD}\n@@ {at} @@\n{lines}");
    let member = patch(" 	u64 size;\n+	u32 seals;\n 	u64 nr_folios;\n", "-3,2 +3,3");
    let version = "@@ -7 +8 @@\n-#define MEMFD_LUO_FH_COMPATIBLE \"memfd-v1\"\n+#define MEMFD_LUO_FH_COMPATIBLE \"memfd-v2\"\n";
    let check = |patch: &str| {
        let inputs = Inputs {
            tree: Some(folder.path() as &Path),
            ..Inputs::default()
        };
        words(
            &check(
                Some(&mut patch.as_bytes()),
                &LINUX,
                &Project::default(),
                &inputs,
            )
            .unwrap(),
        )
    };
    assert_eq!(check(&member), ["undecided added memfd_luo_ser.seals"]);
    assert_eq!(
        check(&format!("{member}{version}")),
        [
            "decided added memfd_luo_ser.seals",
            "decided format-version MEMFD_LUO_FH_COMPATIBLE"
        ]
    );
}
