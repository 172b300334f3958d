//! What a tree of its own saves, written down, and patches held against that alone.

use super::kconv_gen;
use std::fs;

const FILE: &str = "kconv-baseline.txt";
const PATCH: &str = "--- a/include/linux/sched.h
+++ b/include/linux/sched.h
@@ -750,5 +750,6 @@ struct task_struct {
 	unsigned int			flags;
 	unsigned int			ptrace;
+	int				fresh;
 
 #ifdef CONFIG_SMP
 	int				on_cpu;
";

fn with_baseline() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = ["baseline", "write", "6.1.0-47-amd64", FILE];
    let (code, _, errors) = kconv_gen(folder.path(), &write);
    assert_eq!((code, errors.as_str()), (0, ""));
    fs::write(folder.path().join("a.patch"), PATCH).unwrap();
    folder
}

#[test]
fn a_change_is_accepted_once_and_by_its_id() {
    let folder = with_baseline();
    let here = folder.path();
    let check = ["check", "a.patch", "--baseline", FILE];
    assert_eq!(kconv_gen(here, &check).0, 1);
    let accept = [
        "baseline",
        "accept",
        FILE,
        "a.patch",
        "--reason",
        "set by nobody: yet",
    ];
    let (code, out, errors) = kconv_gen(here, &accept);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(out, "accepted: added task_struct.fresh (4a35703b856c)\n");
    let (code, out, _) = kconv_gen(here, &check);
    assert_eq!(code, 0, "{out}");
    let said = "decided by kconv-baseline.txt, accepted on 2026-11-28: set by nobody: yet";
    assert!(out.contains(said), "{out}");
    let text = fs::read_to_string(here.join(FILE)).unwrap();
    let line = "\naccepted 2026-11-28 4a35703b856c added task_struct.fresh: set by nobody: yet\n";
    assert!(text.contains(line), "{text}");
    // Another change of the same field is another one.
    let other = PATCH.replace("int				fresh", "long				fresh");
    fs::write(here.join("a.patch"), other).unwrap();
    assert_eq!(kconv_gen(here, &check).0, 1);
    // What is accepted already is not written again.
    fs::write(here.join("a.patch"), PATCH).unwrap();
    let (_, out, _) = kconv_gen(here, &accept);
    assert_eq!(out, "nothing is open; the baseline stays as it is\n");
    assert_eq!(fs::read_to_string(here.join(FILE)).unwrap(), text);
}

#[test]
fn another_kernel_is_held_against_it_and_accepted() {
    let folder = with_baseline();
    let here = folder.path();
    let check = ["check", "--baseline", FILE, "--to", "6.1.0-48-amd64"];
    let (code, out, _) = kconv_gen(here, &check);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("task_struct.user_dumpable is new"), "{out}");
    let accept = [
        "baseline",
        "accept",
        FILE,
        "--layout",
        "6.1.0-48-amd64",
        "--reason",
        "of 6.1.172",
    ];
    let (code, out, _) = kconv_gen(here, &accept);
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "accepted: added task_struct.user_dumpable (8b6d9c5fca1c)\n"
    );
    let (code, out, _) = kconv_gen(here, &check);
    assert_eq!(
        (code, out.as_str()),
        (0, "nothing saved is touched: two layouts\n")
    );
    // And the other way it is a change again.
    let back = ["check", "--baseline", FILE, "--to", "6.1.0-47-amd64"];
    let (code, out, _) = kconv_gen(here, &back);
    assert_eq!(code, 1);
    assert!(out.contains("task_struct.user_dumpable is gone"), "{out}");
}

/// Members that only changed places need no reason, and are written down where they lie.
#[test]
fn what_only_moved_is_written_down() {
    let folder = with_baseline();
    let here = folder.path();
    let text = fs::read_to_string(here.join(FILE)).unwrap();
    let umask = "  96 umask: int\n  128 in_exec: int\n";
    assert!(text.contains(umask));
    let other = text.replace(umask, "  96 in_exec: int\n  128 umask: int\n");
    fs::write(here.join(FILE), &other).unwrap();
    let accept = [
        "baseline",
        "accept",
        FILE,
        "--layout",
        "6.1.0-47-amd64",
        "--reason",
        "sorted",
    ];
    let (code, out, _) = kconv_gen(here, &accept);
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "nothing is open; what the kernel has now is written down\n"
    );
    assert_eq!(fs::read_to_string(here.join(FILE)).unwrap(), text);
}

/// It says what the tree has: a member that Debian's kernels have and this one lacks is new in it, and
/// one that they lack is known.
#[test]
fn the_baseline_counts_and_not_what_others_have() {
    let folder = with_baseline();
    let here = folder.path();
    let text = fs::read_to_string(here.join(FILE)).unwrap();
    // A member of this tree's own, in place of one that Debian's kernels have.
    let own = text.replacen(" in_exec: int", " acme: int", 1);
    assert_ne!(own, text);
    fs::write(here.join(FILE), own).unwrap();
    let patch = "--- a/include/linux/fs_struct.h
+++ b/include/linux/fs_struct.h
@@ -10,4 +10,3 @@
 	int umask;
-	int acme;
 	struct path root, pwd;
 } __randomize_layout;
";
    fs::write(here.join("a.patch"), patch).unwrap();
    let (code, out, _) = kconv_gen(here, &["check", "a.patch", "--baseline", FILE]);
    assert_eq!(code, 1);
    // Its members tell which structure it is.
    assert!(out.contains("fs_struct.acme is gone"), "{out}");
}

/// A type that a merge took out, and a file that was cut, would let everything pass.
#[test]
fn a_baseline_without_a_saved_type_is_refused() {
    let folder = with_baseline();
    let here = folder.path();
    let text = fs::read_to_string(here.join(FILE)).unwrap();
    let block = |name: &str| {
        let start = text.find(&format!("\nstruct {name} ")).unwrap();
        let end = start + 1 + text[start + 1..].find("\n\n").unwrap();
        text[start..end].to_owned()
    };
    for (with, said) in [
        (text.replace(&block("cred"), ""), "cred is saved"),
        (
            text.lines().take(4).collect::<Vec<_>>().join("\n"),
            "task_struct",
        ),
    ] {
        fs::write(here.join(FILE), with).unwrap();
        let (code, out, errors) = kconv_gen(here, &["check", "a.patch", "--baseline", FILE]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(errors.contains(said), "{errors}");
    }
}

#[test]
fn wrong_usage_is_told() {
    let folder = with_baseline();
    let here = folder.path();
    let before = fs::read_to_string(here.join(FILE)).unwrap();
    for (arguments, said) in [
        (
            &["baseline", "write", "6.1.0-47-amd64", FILE][..],
            "is there already",
        ),
        (
            &["baseline", "write", "6.1.0-47-amd64", "none/there.txt"],
            "none/there.txt",
        ),
        (
            &["baseline", "accept", FILE, "a.patch", "--reason", " "],
            "an empty one says nothing",
        ),
        (
            &["baseline", "accept", FILE, "a.patch", "--reason", "a\nb"],
            "in one line",
        ),
        (&["baseline", "accept", FILE, "a.patch"], "--reason <TEXT>"),
        (
            &["baseline", "accept", FILE, "--reason", "a"],
            "name the patches",
        ),
        (
            &["baseline", "accept", "none.txt", "a.patch", "--reason", "a"],
            "none.txt",
        ),
        (
            &["check", "a.patch", "--baseline", "a.patch"],
            "a.patch: line 1: `kconv-baseline 1` is expected",
        ),
        (
            &["check", "--to", "6.1.0-48-amd64"],
            "the one before it is --from, or a --baseline",
        ),
        (
            &[
                "check",
                "a.patch",
                "--baseline",
                FILE,
                "--family",
                "linux-6",
            ],
            "cannot be used with",
        ),
        (
            &["check", "--baseline", FILE, "--to", "2.4.36-up"],
            "linux-2.4",
        ),
    ] {
        let (code, out, errors) = kconv_gen(here, arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    assert_eq!(fs::read_to_string(here.join(FILE)).unwrap(), before);
}

/// A merge may cut any type, and any of them may be what the next patch changes.
#[test]
fn a_baseline_that_lacks_a_saved_type_is_refused() {
    let folder = with_baseline();
    let here = folder.path();
    let whole = fs::read_to_string(here.join(FILE)).unwrap();
    for head in ["struct vm_area_struct ", "struct k_itimer ", "struct cred "] {
        let blocks = whole.split("\n\n");
        let kept: Vec<&str> = blocks.filter(|block| !block.starts_with(head)).collect();
        let cut = kept.join("\n\n");
        assert_ne!(cut, whole, "{head}");
        fs::write(here.join(FILE), cut).unwrap();
        let (code, _, errors) = kconv_gen(here, &["check", "a.patch", "--baseline", FILE]);
        assert_eq!(code, 2, "{head}");
        let name = head.split(' ').nth(1).unwrap();
        assert!(errors.contains(name), "{errors}");
    }
}
