//! What a reason has to cite: the place in the kernel's source where it can be read.
//!
//! A citation is a file by its path from the top of the kernel tree and, behind a colon, the function
//! in it, or whatever else has a name there: `kernel/fork.c: copy_process`. A header alone says what
//! number a constant has, and nothing of what becomes of a value; so it is enough where nothing but
//! the number changed.

use super::OverrideProblem;

/// What a reason has to cite.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Cites {
    /// A name in a file.
    Name,
    /// At least a header.
    Header,
}

/// What is wrong with the reason of a decision about `field`.
pub(super) fn wrong(field: &str, reason: &str, cites: Cites) -> Option<OverrideProblem> {
    let field = || field.to_owned();
    if reason.trim().is_empty() {
        return Some(OverrideProblem::NoReason { field: field() });
    }
    let citations = citations(reason);
    let nameless = |one: &&Citation<'_>| !one.named && !one.file.ends_with(".h");
    if let Some(one) = citations.iter().find(nameless) {
        return Some(OverrideProblem::NoFunctionCited {
            field: field(),
            file: one.file.to_owned(),
        });
    }
    let enough = match cites {
        Cites::Name => citations.iter().any(|one| one.named),
        Cites::Header => !citations.is_empty(),
    };
    (!enough).then(|| OverrideProblem::NothingCited {
        field: field(),
        header: citations.first().map(|one| one.file.to_owned()),
    })
}

struct Citation<'a> {
    file: &'a str,
    /// Whether something in the file is named.
    named: bool,
}

/// The files of the kernel's source that `reason` names.
fn citations(reason: &str) -> Vec<Citation<'_>> {
    let words: Vec<&str> = reason.split_whitespace().collect();
    let begins = |next: &&str| next.starts_with(|c: char| c == '_' || c.is_alphabetic());
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let file = word
            .trim_start_matches(['(', '`', '"'])
            .trim_end_matches([':', ';', ',', '.', ')', '`', '"']);
        if is_source(file) {
            let named = word.ends_with(':') && words.get(at + 1).is_some_and(begins);
            found.push(Citation { file, named });
        }
    }
    found
}

/// Whether `file` is the path of a source file in the kernel's tree.
fn is_source(file: &str) -> bool {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let ending = file.rsplit_once('.').map(|(_, ending)| ending);
    file.contains('/')
        && !file.starts_with('/')
        && matches!(ending, Some("c" | "h" | "S"))
        && file.chars().all(is_of_path)
}

#[cfg(test)]
mod tests {
    use super::{Cites, wrong};

    fn told(reason: &str, cites: Cites) -> String {
        let problem = wrong("s.a", reason, cites);
        problem.map_or_else(String::new, |problem| problem.to_string())
    }

    #[test]
    fn a_reason_cites_the_source() {
        for reason in [
            "0 in a new task (kernel/fork.c: copy_process)",
            "asked for nowhere (include/linux/sched.h; 6.12 kernel/fork.c: copy_process, exec_mmap)",
            "the switch itself: arch/x86/entry/entry_64.S: __switch_to_asm",
            "a macro (6.12 include/linux/capability.h: BIT_ULL).",
        ] {
            assert_eq!(told(reason, Cites::Name), "", "{reason}");
            assert_eq!(told(reason, Cites::Header), "", "{reason}");
        }
        assert_eq!(told("bit 4 (include/linux/mm.h)", Cites::Header), "");
    }

    #[test]
    fn what_cites_no_source_is_no_reason() {
        for reason in [
            "because",
            "see kernel/fork.c.orig: copy_process",
            "copy_process says so",
            "fork.c: copy_process",
            "/usr/src/fork.c: copy_process",
            "kernel/: fork",
        ] {
            for cites in [Cites::Name, Cites::Header] {
                let told = told(reason, cites);
                assert!(told.contains("cites no source"), "{reason}: {told}");
            }
        }
        for reason in ["", "  "] {
            assert!(told(reason, Cites::Name).contains("reason"), "{reason:?}");
        }
    }

    #[test]
    fn a_file_of_code_is_cited_with_what_is_meant_in_it() {
        for reason in [
            "counted (6.12 mm/ksm.c)",
            "counted (6.12 mm/ksm.c: )",
            "counted (mm/memory.c: do_anonymous_page; mm/ksm.c)",
        ] {
            for cites in [Cites::Name, Cites::Header] {
                let told = told(reason, cites);
                assert!(told.contains("mm/ksm.c: function"), "{reason}: {told}");
            }
        }
        let header = told("bit 4 (include/linux/mm.h)", Cites::Name);
        assert!(header.contains("include/linux/mm.h alone"), "{header}");
    }
}
