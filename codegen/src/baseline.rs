//! A baseline: what one tree saves, as one text file beside its source, for patches to that tree to be
//! held against. It needs no kernel of anybody else's.
//!
//! The file has the layout as [`Layout`] has it, one member a line, sorted, so that a change of the
//! kernel is a change of its lines and two branches merge; and above it what people accepted, each with
//! the day and the reason. [`write()`] and [`read()`] mirror each other.
//!
//! ```text
//! kconv-baseline 1
//! family linux-6
//! pointer 8
//! source vmlinux of v6.1.170-acme3
//! accepted 2026-11-28 4a35703b856c added task_struct.fresh: set by nobody yet
//!
//! int 4 signed: int
//!
//! typedef pid_t: __kernel_pid_t
//!
//! struct task_struct 9792
//!   0 thread_info: struct thread_info
//!   352+4 flags: unsigned int
//! ```
//!
//! Sizes are in bytes, offsets and the widths of bit-fields (behind `+`) in bits. A type is what C says,
//! outside first: `ptr const struct cred`, `array 16 char`. A structure without a name is described
//! where it stands, its members two spaces further in; one that is named and nowhere described is only
//! pointed at.

mod read;
mod write;

pub use read::{BaselineError, read};
pub use write::write;

use kernel_structs::layout::Layout;

/// First word and version of the form.
const HEAD: &str = "kconv-baseline 1";

/// What a tree saves, and what of its changes people accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Kernel family, whose state map says what is saved.
    pub family: String,
    /// Where the layout was taken from, in words.
    pub source: String,
    /// The saved types, with the constants that their values are made of.
    pub layout: Layout,
    /// Types that would be saved and of which the kernel has no more than the name.
    pub lacks: Vec<String>,
    /// Changes that were accepted, the oldest first.
    pub accepted: Vec<Accepted>,
}

/// A change that a person accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The day, as `2026-11-28`.
    pub day: String,
    /// The finding that it was, by its id.
    pub id: String,
    /// What kind of a change it was.
    pub kind: String,
    /// The field, as `type.member`, the type or the constant.
    pub subject: String,
    /// Why it may be so.
    pub reason: String,
}

impl Baseline {
    /// The acceptance of the finding with this id.
    pub fn accepts(&self, id: &str) -> Option<&Accepted> {
        self.accepted.iter().find(|accepted| accepted.id == id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kernel_structs::releases::{Registry, prepare_layout};

    fn stored(id: &str) -> Baseline {
        let registry = Registry::builtin().unwrap();
        let entry = registry.layouts().find(|entry| entry.id.0 == id).unwrap();
        Baseline {
            family: entry.family.clone(),
            source: entry.source.clone(),
            layout: registry.layout(&entry.id).unwrap(),
            lacks: vec!["of_no_kernel".to_owned()],
            accepted: vec![Accepted {
                day: "2026-11-28".to_owned(),
                id: "4a35703b856c".to_owned(),
                kind: "added".to_owned(),
                subject: "task_struct.fresh".to_owned(),
                reason: "a reason: with a colon".to_owned(),
            }],
        }
    }

    /// Every stored layout comes back: its names with its text, all else with its fingerprint.
    #[test]
    fn a_baseline_is_read_as_it_was_written() {
        let registry = Registry::builtin().unwrap();
        for entry in registry.layouts() {
            let written = stored(&entry.id.0);
            let text = write(&written);
            let found = read(&text).unwrap();
            assert_eq!(write(&found), text);
            assert_eq!(
                (&found.family, &found.source, &found.accepted, &found.lacks),
                (
                    &written.family,
                    &written.source,
                    &written.accepted,
                    &written.lacks
                )
            );
            let map = registry.state_map(&entry.family).unwrap();
            let (_, fingerprint) = prepare_layout(&found.layout, &map).unwrap();
            assert_eq!(fingerprint, entry.fingerprint, "{}", entry.id);
        }
    }

    #[test]
    fn a_baseline_is_as_its_description_says() {
        let text = write(&stored("kho-luo5"));
        let start = "kconv-baseline 1\nfamily kho\npointer 8\nsource headers of ";
        assert!(text.starts_with(start), "{text}");
        for part in [
            "\nlacks of_no_kernel\naccepted 2026-11-28 4a35703b856c added task_struct.fresh: a reason: with a colon\n",
            "\nint 8 unsigned: long long unsigned int\n",
            "\ntypedef __u64: long long unsigned int\ntypedef u32: __u32\n",
            "\nenum kconv_constants 8 unsigned\n  F_SEAL_EXEC = 32\n",
            "\nstruct memfd_luo_folio_ser 16\n  0+52 pfn: u64\n  52+12 flags: u64\n  64 index: u64\n",
            "\nstruct kho_vmalloc 16\n  0 first: union 8\n    0 phys: u64\n    0 ptr: ptr struct kho_vmalloc_chunk\n  64 total_pages: unsigned int\n",
            "\nstruct luo_session_ser 80\n  0 name: array 64 char\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    /// A line that is not what stands there is an error that names it.
    #[test]
    fn a_wrong_line_is_told() {
        let text = write(&stored("kho-luo5"));
        for (find, with, said) in [
            ("kconv-baseline 1", "kconv-baseline 2", "line 1: "),
            ("pointer 8", "pointer eight", "line 3: `pointer eight`"),
            ("family kho\n", "", "no line `family"),
            (": a reason: with a colon", "", "line 6: `accepted "),
            (
                "struct memfd_luo_folio_ser 16",
                "struct memfd_luo_folio_ser",
                "the description of a type",
            ),
            (
                "struct memfd_luo_folio_ser 16",
                "struct memfd_luo_folio_ser x",
                "`struct NAME SIZE`",
            ),
            (
                "struct memfd_luo_folio_ser 16",
                "strukt memfd_luo_folio_ser 16",
                "the description of a type",
            ),
            ("  0+52 pfn: u64", "  0+52 pfn u64", "`OFFSET NAME: TYPE`"),
            ("  0+52 pfn: u64", "  0+x pfn: u64", "`OFFSET NAME: TYPE`"),
            (
                "  0+52 pfn: u64",
                "  0+52 pfn: u65",
                "no line describes `u65`",
            ),
            ("  0+52 pfn: u64", "  0+99 pfn: u64", "is no layout"),
            ("array 64 char", "array many char", "`array COUNT TYPE`"),
            ("  F_SEAL_EXEC = 32", "  F_SEAL_EXEC", "`NAME = VALUE`"),
            (
                "int 8 unsigned: long",
                "int 8 odd: long",
                "`int SIZE KIND: NAME`",
            ),
            (
                "typedef u32: __u32",
                "typedef u32: __u32\ntypedef u32: __u32",
                "a second time",
            ),
        ] {
            let wrong = text.replacen(find, with, 1);
            assert_ne!(wrong, text, "{find}");
            let error = read(&wrong).unwrap_err().to_string();
            assert!(error.contains(said), "{find}: {error}");
        }
        let deep: String = (0..1000)
            .map(|depth| format!("{:1$}0 -: struct 8\n", "", 2 * depth))
            .collect();
        let deep = format!("{text}\nstruct deep 8\n  {}", deep.replace('\n', "\n  "));
        assert!(read(&deep).is_err());
    }
}
