//! Patches as people have them, and what is none.

use super::gate::{SCHED, hunk};
use super::{SAVED, checked, patch, tree, words};
use kconv_codegen::check::{CheckError, Inputs, Project, check, render};
use kconv_codegen::patch::{Event, PatchError, Reader};

const FRESH: [&str; 1] = ["undecided added task_struct.fresh"];

fn middle() -> String {
    String::from_utf8(patch("field-in-the-middle")).unwrap()
}

fn found(patch: &str) -> Vec<String> {
    words(&checked(patch.as_bytes(), None).unwrap())
}

fn refused(patch: &[u8]) -> PatchError {
    match checked(patch, None) {
        Err(CheckError::Patch(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// The paths of all files, as `old>new`.
fn files(patch: &str) -> Vec<String> {
    let mut reader = Reader::new(patch.as_bytes());
    let mut files = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::File(file) = event {
            let name = |name: Option<String>| name.unwrap_or_default();
            files.push(format!("{}>{}", name(file.old), name(file.new)));
        }
    }
    files
}

#[test]
fn a_mailbox_of_two_patches() {
    let mail = |number: u32| {
        format!(
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n\
             From: A <a@example.org>\nDate: Tue, 1 Jan 2030 00:00:00 +0000\n\
             Subject: [PATCH {number}/2] a field\n\nA quotation of a hunk is no hunk:\n\n\
             @@ -1,6 +1,7 @@\n\n---\n include/linux/sched.h | 1 +\n 1 file changed\n\n{}-- \n2.39.5\n\n",
            middle()
        )
    };
    assert_eq!(found(&format!("{}{}", mail(1), mail(2))), FRESH);
}

#[test]
fn lines_that_end_as_on_other_systems() {
    assert_eq!(found(&middle().replace('\n', "\r\n")), FRESH);
}

#[test]
fn a_plain_diff_of_two_trees() {
    let plain: Vec<String> = middle()
        .lines()
        .filter(|line| !line.starts_with("diff ") && !line.starts_with("index "))
        .map(|line| match line.split_once(' ') {
            Some(("---", _)) => {
                "--- linux-6.1/include/linux/sched.h\t2030-01-01 00:00:00.000000000 +0000"
                    .to_owned()
            }
            Some(("+++", _)) => {
                "+++ linux-6.2/include/linux/sched.h\t2030-01-01 00:00:00.000000000 +0000"
                    .to_owned()
            }
            _ => line.to_owned(),
        })
        .collect();
    let plain = format!(
        "diff -ur linux-6.1/include/linux/sched.h linux-6.2/include/linux/sched.h\n{}\n",
        plain.join("\n")
    );
    assert_eq!(found(&plain), FRESH);
    assert_eq!(
        files(&plain),
        ["include/linux/sched.h>include/linux/sched.h"]
    );
    // Without -p the hunk does not say which structure it is in; its members do.
    let headings = plain.lines().map(|line| match line.split_once(" @@") {
        Some((ranges, _)) => format!("{ranges} @@\n"),
        None => format!("{line}\n"),
    });
    assert_eq!(found(&headings.collect::<String>()), FRESH);
}

#[test]
fn a_hunk_of_an_unnamed_structure_needs_the_tree() {
    let patch = "--- a/arch/x86/include/asm/mmu.h\n+++ b/arch/x86/include/asm/mmu.h\n@@ -5 +5 @@\n-\tunsigned short\t\tflags;\n+\tunsigned long\t\tflags;\n";
    assert_eq!(found(patch), ["unknown unnamed flags"]);
    let report = checked(patch.as_bytes(), Some(&tree())).unwrap();
    assert_eq!(words(&report), ["decided retyped mm_context_t.flags"]);
}

#[test]
fn files_without_hunks_and_strange_names() {
    let patch = "diff --git a/kernel/a.c b/kernel/b.c\nsimilarity index 100%\nrename from kernel/a.c\nrename to kernel/b.c\n\
        diff --git a/scripts/x b/scripts/x\nold mode 100644\nnew mode 100755\n\
        diff --git a/mm/new.c b/mm/new.c\nnew file mode 100644\nindex 0000000..e69de29\n\
        diff --git a/mm/gone.c b/mm/gone.c\ndeleted file mode 100644\nindex e69de29..0000000\n\
        diff --git a/fs/p.png b/fs/p.png\nindex 1..2 100644\nBinary files a/fs/p.png and b/fs/p.png differ\n\
        diff --git a/fs/q.png b/fs/q.png\nindex 1..2 100644\nGIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n\
        diff --git \"a/fs/\\303\\244 b.c\" \"b/fs/\\303\\244 b.c\"\n--- \"a/fs/\\303\\244 b.c\"\n+++ \"b/fs/\\303\\244 b.c\"\n@@ -1 +1 @@\n-int a;\n+int b;\n\\ No newline at end of file\n\
        diff --git a/kernel/c.c b/kernel/c.c\nnew file mode 100644\n--- /dev/null\n+++ b/kernel/c.c\n@@ -0,0 +1 @@\n+int c;\n";
    assert_eq!(
        files(patch),
        [
            "kernel/a.c>kernel/b.c",
            "scripts/x>scripts/x",
            ">mm/new.c",
            "mm/gone.c>",
            "fs/p.png>fs/p.png",
            "fs/q.png>fs/q.png",
            "fs/ä b.c>fs/ä b.c",
            ">kernel/c.c",
        ]
    );
    assert_eq!(found(patch), [""; 0]);
}

#[test]
fn a_renamed_file_is_read_in_the_tree_under_its_old_name() {
    let renamed = middle()
        .replace("b/include/linux/sched.h", "b/include/linux/sched_types.h")
        .replace("index ", "similarity index 98%\nrename from include/linux/sched.h\nrename to include/linux/sched_types.h\nindex ");
    let report = checked(renamed.as_bytes(), Some(&tree())).unwrap();
    assert_eq!(words(&report), FRESH);
}

/// `text` as quoted-printable (RFC 2045, 6.7), in lines so short that most are joined.
fn quoted(text: &str) -> String {
    let mut all = String::new();
    for line in text.lines() {
        let mut width = 0;
        for byte in line.bytes() {
            let plain = matches!(byte, b'!'..=b'<' | b'>'..=b'~' | b' ');
            let one = match plain {
                true => (byte as char).to_string(),
                false => format!("={byte:02X}"),
            };
            if width + one.len() > 12 {
                all.push_str("=\n");
                width = 0;
            }
            width += one.len();
            all.push_str(&one);
        }
        all.push('\n');
    }
    all
}

/// `text` as base64, in lines of 60 characters (RFC 2045, 6.8).
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks(3).map(|group| {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |at: u32| DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char;
        let digits = (0..4).map(|at| {
            if at as usize <= group.len() {
                digit(at)
            } else {
                '='
            }
        });
        digits.collect::<String>()
    });
    let groups: Vec<String> = groups.collect();
    groups.chunks(15).map(|line| line.concat() + "\n").collect()
}

const MAIL: &str = "From a@example.org Tue Jan  1 00:00:00 2030\nFrom: A <a@example.org>\nSubject: [PATCH] a field\n";

#[test]
fn a_mail_in_each_encoding() {
    let patch = format!("A word.\n---\n{}-- \n2.39.5\n", middle());
    let encoded = |encoding: &str, body: &str| {
        format!(
            "{MAIL}Content-Type: text/plain;\n charset=\"utf-8\"\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"
        )
    };
    assert_eq!(found(&encoded("8bit", &patch)), FRESH);
    let mail = encoded("quoted-printable", &quoted(&patch));
    assert!(!mail.contains("\tint"), "{mail}");
    assert_eq!(found(&mail), FRESH);
    let mail = encoded("Base64", &base64(&patch));
    assert!(!mail.contains("diff"), "{mail}");
    assert_eq!(found(&mail), FRESH);
    // Line by line nothing of the text is lost, with the ends of other systems, too.
    assert_eq!(found(&mail.replace('\n', "\r\n")), FRESH);
    assert_eq!(
        found(&encoded("base64", &base64(&patch.replace('\n', "\r\n")))),
        FRESH
    );
}

#[test]
fn a_mailbox_with_one_reply_that_is_encoded() {
    let patch = format!("{MAIL}\n---\n{}-- \n2.39.5\n\n", middle());
    for (encoding, body) in [
        (
            "quoted-printable",
            quoted("> +\tint fresh;\nI like that.\n"),
        ),
        ("base64", base64("> +\tint fresh;\nI like that.")),
    ] {
        let reply = format!("{MAIL}Content-Transfer-Encoding: {encoding}\n\n{body}\n");
        assert_eq!(found(&format!("{reply}{patch}")), FRESH, "{encoding}");
        assert_eq!(found(&format!("{patch}{reply}")), FRESH, "{encoding}");
    }
}

#[test]
fn a_patch_that_is_attached() {
    let part = |headers: &str, body: &str| format!("--=_of_tests\n{headers}\n\n{body}\n");
    let encoded = base64(&middle());
    let mail = |parts: &str| {
        format!(
            "{MAIL}Content-Type: multipart/mixed;\n boundary=\"=_of_tests\"\n\nA preamble.\n{parts}--=_of_tests--\nAn epilogue.\n"
        )
    };
    let text = part("Content-Type: text/plain", "See the patch.");
    let typed = |ty: &str| {
        part(
            &format!("Content-Type: {ty}; name=\"a.patch\"\nContent-Transfer-Encoding: base64"),
            &encoded,
        )
    };
    for ty in ["text/x-patch", "text/plain", "application/octet-stream"] {
        assert_eq!(found(&mail(&format!("{text}{}", typed(ty)))), FRESH, "{ty}");
    }
    // A picture and a page are no patch, and what follows them is read.
    let others = format!("{}{}", typed("image/png"), typed("text/html"));
    assert_eq!(
        found(&mail(&format!("{others}{}", typed("text/x-diff")))),
        FRESH
    );
    let report = checked(mail(&format!("{text}{others}")).as_bytes(), None);
    assert!(
        matches!(report, Err(CheckError::Patch(PatchError::NoHunks))),
        "{report:?}"
    );
    // Parts inside of parts, as with a signature.
    let inner = format!(
        "--outer\nContent-Type: multipart/mixed; boundary=\"=_of_tests\"\n\n{text}{}--=_of_tests--\n--outer\nContent-Type: application/pgp-signature\n\nx\n--outer--\n",
        typed("text/x-patch")
    );
    let signed = format!("{MAIL}Content-Type: multipart/signed; boundary=outer\n\n{inner}");
    assert_eq!(found(&signed), FRESH);
}

#[test]
fn a_patch_that_is_taken_back() {
    let back = |patch: &str| {
        let inputs = Inputs {
            reverse: true,
            ..Inputs::default()
        };
        let report = check(
            Some(&mut patch.as_bytes()),
            &SAVED,
            &Project::default(),
            &inputs,
        );
        words(&report.unwrap())
    };
    assert_eq!(back(&middle()), ["undecided removed task_struct.fresh"]);
    let removed = String::from_utf8(patch("field-removed")).unwrap();
    assert_eq!(back(&removed), ["undecided added task_struct.nivcsw"]);
}

#[test]
fn what_a_terminal_would_do_something_with_is_not_printed() {
    let evil = "\u{1b}[31m\u{202e}";
    let mut patch = middle().replace("int			fresh;", &format!("int fresh[{evil}4]; /* {evil} */"));
    assert!(patch.contains(evil), "{patch}");
    patch.push_str(&format!(
        "--- a/include/linux/{evil}.h\n+++ b/include/linux/{evil}.h\n@@ -1 +1 @@ struct task_struct {{\n-	A({evil});\n+	int z{evil};\n"
    ));
    let report = checked(patch.as_bytes(), None).unwrap();
    assert!(report.findings.len() > 2, "{:?}", words(&report));
    for text in [
        super::text(&report),
        render::summary(&report),
        render::github(&report),
        render::junit(&report),
    ] {
        let control = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!text.contains(control), "{text:?}");
    }
}

#[test]
fn an_empty_patch_touches_nothing() {
    let report = checked(b"", None).unwrap();
    assert!(report.is_clean());
    assert_eq!(
        super::text(&report),
        "nothing saved is touched: 0 files, 0 hunks\n"
    );
}

#[test]
fn what_is_no_diff_is_refused_with_its_line() {
    assert_eq!(refused(b"\x1f\x8b\x08 and so on"), PatchError::Compressed);
    assert_eq!(refused(b"some text\n"), PatchError::NoHunks);
    assert_eq!(refused(b"one\n\0two\n"), PatchError::NotText { line: 2 });
    assert_eq!(
        refused(b"@@ -1 +1 @@\n-a\n+b\n"),
        PatchError::NoFile { line: 1 }
    );
    let mail = b"From: A\nSubject: B\nContent-Transfer-Encoding: x-uuencode\n\nAAAA\n";
    assert!(matches!(refused(mail), PatchError::Encoded { line: 4, .. }));
    let merge = b"diff --cc x.c\n--- a/x.c\n+++ b/x.c\n@@@ -1,1 -1,1 +1,2 @@@\n";
    assert!(matches!(
        refused(merge),
        PatchError::OtherForm { line: 4, .. }
    ));
}

#[test]
fn a_hunk_that_is_not_as_long_as_it_says_is_refused_with_its_line() {
    let head = "--- a/kernel/x.c\n+++ b/kernel/x.c\n";
    let hunk = |text: &str| refused(format!("{head}{text}").as_bytes());
    assert_eq!(
        hunk("@@ -1,3 +1,3 @@\n a\n-b\n"),
        PatchError::Short {
            line: 5,
            heading: 3
        }
    );
    assert_eq!(
        hunk("@@ -1,1 +1,1 @@\n a\n+b\n"),
        PatchError::Long {
            line: 5,
            heading: 3
        }
    );
    assert!(matches!(
        hunk("@@ -1,1 +1,99999999999999999999 @@\n"),
        PatchError::Heading { line: 3, .. }
    ));
    assert!(matches!(
        hunk("@@ -1,18446744073709551615 +1 @@\n"),
        PatchError::Heading { line: 3, .. }
    ));
    assert!(matches!(
        hunk("@@ nonsense @@\n"),
        PatchError::Heading { line: 3, .. }
    ));
    let absurd = hunk("@@ -1,4000000000 +1,4000000000 @@\n a\n");
    assert_eq!(
        absurd,
        PatchError::Short {
            line: 4,
            heading: 3
        }
    );
}

#[test]
fn a_tree_that_the_patch_is_not_for_is_refused() {
    let other = middle().replace("static_prio", "statics_prio");
    let error = checked(other.as_bytes(), Some(&tree()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 10: include/linux/sched.h does not have this line at 55: ` int   statics_prio;` is expected, and ` int   static_prio;` is there; nor does"),
        "{error}"
    );
    let behind = hunk(SCHED, "", "-\tint gone;").replace("@@ -100", "@@ -101");
    let error = checked(behind.as_bytes(), Some(&tree())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("` int gone;` is expected, and the end of the file is there"),
        "{error}"
    );
    let none = checked(b"", Some(&super::folder()))
        .unwrap_err()
        .to_string();
    assert!(none.contains("no `include` here"), "{none}");
}

#[test]
fn other_machines_and_ignored_paths_are_counted() {
    let at = |path: &str| middle().replace("include/linux/sched.h", path);
    let patch = [
        at("arch/s390/include/asm/sched.h"),
        at("drivers/x/sched.h"),
        at("MAINTAINERS"),
    ]
    .concat();
    let report = checked(patch.as_bytes(), None).unwrap();
    assert_eq!(words(&report), [""; 0]);
    let counts = report.patch.unwrap();
    assert_eq!(
        (
            counts.other_machines,
            counts.ignored,
            counts.not_c,
            counts.files
        ),
        (1, 1, 1, 3)
    );
}

#[test]
fn a_patch_that_is_cut_behind_the_names_of_a_file() {
    let whole = middle();
    let cut = &whole[..whole.find("@@ ").unwrap()];
    let error = refused(cut.as_bytes());
    assert!(matches!(error, PatchError::NamesAlone { .. }), "{error}");
    // A file of which the mode alone changes has no such names.
    let mode = "diff --git a/kernel/a.c b/kernel/a.c\nold mode 100644\nnew mode 100755\n";
    assert_eq!(found(mode), [""; 0]);
    assert_eq!(found(&format!("{whole}{mode}")), FRESH);
}
