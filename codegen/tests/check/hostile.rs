//! Patches that were damaged, by accident or on purpose: an error or a verdict, soon.

use super::gate::SCHED;
use super::shapes::as_context;
use super::{checked, patch, tree};
use kconv_codegen::check::CheckError;
use kconv_codegen::patch::{LARGEST_HUNK, PatchError};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn all() -> Vec<Vec<u8>> {
    let folder = super::folder().join("patches");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// An error or a verdict, with the tree and without it.
fn survives(patch: &[u8]) {
    let _ = checked(patch, None);
}

#[test]
fn cut_at_every_byte() {
    for name in [
        "field-in-a-nested-struct",
        "struct-to-another-header",
        "enum-value-inserted",
        "struct-group",
        "old-alignment",
    ] {
        let whole = patch(name);
        for end in 0..whole.len() {
            survives(&whole[..end]);
        }
    }
}

#[test]
fn lines_as_long_as_a_file() {
    let before = Instant::now();
    for filler in [
        "a",
        "(",
        "{",
        "struct x {",
        "*/ /*",
        "#if X \\",
        "\"",
        "\u{e4}",
        ",",
        "KABI_EXTEND(",
        "KABI_USE(1, ",
        "A() x ",
    ] {
        let long = filler.repeat(4_000_000 / filler.len());
        survives(format!("--- a/kernel/x.h\n+++ b/kernel/x.h\n@@ -1 +1 @@ struct task_struct {{\n-{long}\n+int {long};\n").as_bytes());
    }
    assert!(
        before.elapsed() < Duration::from_secs(60),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn many_lines_of_one_kind() {
    let before = Instant::now();
    for line in [
        "+\tint a;",
        "+{",
        "+}",
        "+#if A",
        "+#else",
        "+struct task_struct {",
        "+(",
        "+A,",
        "+/*",
        "+#define PF_A 1",
        "+enum { A,",
        "+\tKABI_EXTEND(",
        "+\tKABI_RESERVE(1)",
        "+\tANOTHER(1)",
        "+\tA() x A()",
    ] {
        let count = 100_000;
        let body = format!("{line}\n").repeat(count);
        survives(
            format!("--- a/kernel/x.h\n+++ b/kernel/x.h\n@@ -0,0 +1,{count} @@\n{body}").as_bytes(),
        );
    }
    assert!(
        before.elapsed() < Duration::from_secs(120),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn context_diffs_that_claim_more_than_they_have() {
    let before = Instant::now();
    let refused = |hunk: &str| {
        let patch = format!("*** a/{SCHED}\n--- b/{SCHED}\n***************\n{hunk}");
        for tree in [None, Some(tree())] {
            match checked(patch.as_bytes(), tree.as_deref()) {
                Err(CheckError::Patch(_)) => {}
                other => panic!("{hunk:.80}: {other:?}"),
            }
        }
    };
    let most = u64::MAX;
    for range in [
        "1,9223372036854775808".to_owned(),
        format!("1,{}", most - 2),
        format!("9223372036854775808,{}", most - 2),
        format!("1,{most}"),
        "1,99999999999999999999".to_owned(),
        "0,9223372036854775807".to_owned(),
    ] {
        refused(&format!("*** {range} ****\n"));
        refused(&format!("*** {range} ****\n  a\n"));
        refused(&format!("*** {range} ****\n! a\n--- {range} ----\n"));
        refused(&format!("*** {range} ****\n--- {range} ----\n"));
        refused(&format!("*** {range} ****\n--- {range} ----\n  a\n+ b\n"));
        refused(&format!("*** {range} ****\n- a\n--- {range} ----\n"));
        refused(&format!(
            "*** 1 ****\n! a\n--- {range} ----\n! b\nno sign\n"
        ));
    }
    for line in ["! a", "!", "- a", "", "  a", "\\"] {
        let lines = format!("{line}\n").repeat(2 * LARGEST_HUNK / 24);
        refused(&format!("*** 1,90000000 ****\n{lines}"));
        refused(&format!("*** 1 ****\n! a\n--- 1,90000000 ----\n{lines}"));
    }
    assert!(
        before.elapsed() < Duration::from_secs(60),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn a_context_diff_cut_at_every_byte() {
    for name in ["field-in-a-nested-struct", "enum-value-inserted"] {
        let whole = as_context(&String::from_utf8(patch(name)).unwrap());
        assert!(whole.contains(" ****\n"), "{whole}");
        for end in 0..whole.len() {
            survives(&whole.as_bytes()[..end]);
        }
    }
}

#[test]
fn a_hunk_too_large_for_a_tree_is_an_error() {
    let count = LARGEST_HUNK / 24 + 1;
    let hunk = format!("@@ -1 +1,{count} @@\n{}", "+\n".repeat(count));
    let patch = format!("--- a/{SCHED}\n+++ b/{SCHED}\n{hunk}");
    let refused = checked(patch.as_bytes(), Some(&tree())).unwrap_err();
    let large = |error: &CheckError| matches!(error, CheckError::Patch(PatchError::LargeHunk { line }) if *line as usize == count + 3);
    assert!(large(&refused), "{refused}");
}

#[test]
fn many_hunks_that_are_far_from_where_they_say() {
    let before = Instant::now();
    let hunk = "@@ -1,3 +1,4 @@\n \tunsigned long\t\tlast;\n+\n \tend;\n  };\n";
    let hunks = hunk.repeat(20_000);
    survives_beside(&format!("--- a/{SCHED}\n+++ b/{SCHED}\n{hunks}"));
    let long = "-\n".repeat(200_000);
    survives_beside(&format!(
        "--- a/{SCHED}\n+++ b/{SCHED}\n@@ -1,200000 +0,0 @@\n{long}"
    ));
    survives_beside(&format!(
        "--- a/{SCHED}\n+++ b/{SCHED}\n@@ -18446744073709551000,2 +1,1 @@\n-a\n b\n"
    ));
    assert!(
        before.elapsed() < Duration::from_secs(60),
        "{:?}",
        before.elapsed()
    );
}

fn survives_beside(patch: &str) {
    let _ = checked(patch.as_bytes(), Some(&tree()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn bytes_flipped(which in 0usize..71, flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut patch = all().swap_remove(which);
        for (at, byte) in flips {
            let at = at.index(patch.len());
            patch[at] = byte;
        }
        survives(&patch);
    }

    #[test]
    fn lines_shuffled_between_patches(a in 0usize..71, b in 0usize..71, picks in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..40)) {
        let all = all();
        let lines: Vec<Vec<&[u8]>> = [&all[a], &all[b]].iter().map(|patch| patch.split_inclusive(|byte| *byte == b'\n').collect()).collect();
        let mixed: Vec<u8> = picks.iter().flat_map(|(second, at)| {
            let lines = &lines[usize::from(*second)];
            lines[at.index(lines.len())].to_vec()
        }).collect();
        survives(&mixed);
    }

    /// Any text inside a hunk that is otherwise in order.
    #[test]
    fn any_c_in_a_hunk(lines in prop::collection::vec("[-+ ][ \t{}();:,=*#/\"'a-zA-Z0-9_\\[\\]\\\\]{0,40}", 1..60)) {
        let old = lines.iter().filter(|line| !line.starts_with('+')).count();
        let new = lines.iter().filter(|line| !line.starts_with('-')).count();
        let patch = format!(
            "--- a/include/linux/sched.h\n+++ b/include/linux/sched.h\n@@ -1,{old} +1,{new} @@ struct task_struct {{\n{}\n",
            lines.join("\n")
        );
        checked(patch.as_bytes(), None).unwrap();
    }

    /// Any text in a mail that says it is encoded.
    #[test]
    fn any_mail(lines in prop::collection::vec("[-+ =@A-Za-z0-9/\\t\"]{0,40}", 0..40), which in 0usize..3, ends in any::<bool>()) {
        let encoding = ["quoted-printable", "base64", "7bit"][which];
        let end = if ends { "--b--\n" } else { "" };
        let mail = format!(
            "From a Tue\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: {encoding}\n\n{}\n{end}From b Tue\n\n{}",
            lines.join("\n"),
            lines.join("\n--b\n")
        );
        survives(mail.as_bytes());
    }

    /// Any lines of context diffs, with the tree and without it.
    #[test]
    fn any_context_diff(lines in prop::collection::vec("([*]{3} [0-9]{1,2},[0-9]{2} [*]{4}|--- [0-9]{1,2},[0-9]{2} ----|[-+! ] \tint a;|[*]{15} struct s \\{|[*]{3} a/mm/x.c|--- b/mm/x.c|[-+! *0-9,]{0,12})", 0..30), beside in any::<bool>()) {
        let patch = format!("*** a/{SCHED}\n--- b/{SCHED}\n***************\n*** 1,9 ****\n{}\n", lines.join("\n"));
        let tree = tree();
        let _ = checked(patch.as_bytes(), beside.then_some(&tree));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        survives(&bytes);
    }
}

#[test]
fn a_damaged_patch_beside_its_tree() {
    let whole = patch("field-in-the-middle");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x15;
        // The dependencies of the tree are read anew each time; some places are enough.
        if at % 16 == 0 {
            let _ = checked(&damaged, Some(&tree()));
        }
    }
}
