//! Patches that were damaged, by accident or on purpose: an error or a verdict, soon.

use super::{checked, patch, tree};
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
