//! A patch, and the tree that it is for if there is one, read into changes.
//!
//! Two scanners run over the lines, one over the old text and one over the new. With a tree they
//! see each touched file whole, and a hunk is where it fits in the file, be it at another line than
//! its heading says; without one they see the hunks, each by itself. What both sides
//! have alike is let go at the end of each file, so that memory grows with what changed of saved
//! types and not with the patch.

use super::Patch;
use super::beside::Beside;
use super::build::{BuildFile, BuildSides};
use super::change::Change;
use super::item::Place;
use super::keep::{Found, Keeper};
use super::pairing::Pairing;
use super::passed::Passed;
use super::saved::Saved;
use super::scan::{Around, Scanner};
use super::source::{CheckError, is_foreign};
use super::untold;
use super::uses::Uses;
use crate::patch::{Body, Event, FileChange, Heading, Reader, Sign, clean};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// How much of a patch was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Files.
    pub files: u64,
    /// Hunks.
    pub hunks: u64,
    /// Files for other machines.
    pub other_machines: u64,
    /// Files at paths that the state map ignores.
    pub ignored: u64,
    /// Files that are no C and say nothing of how a kernel is built.
    pub not_c: u64,
    /// Linker scripts among these.
    pub linker_scripts: u64,
    /// Files that one tree of a `diff -r` without `-N` has alone, so that they are not in it.
    pub not_in_patch: u64,
    /// Changed lines.
    pub lines: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) changes: Vec<Change>,
    pub(super) counts: Counts,
    pub(super) uses: Uses,
    /// Options of which the patches decide what they are set to.
    pub(super) decided: BTreeSet<String>,
    /// What is to be told besides.
    pub(super) remarks: Vec<String>,
}

struct Gatherer<'a, 'f> {
    saved: &'a Saved<'a>,
    pairs: Pairing<'a>,
    counts: Counts,
    decided: BTreeSet<String>,
    remarks: Vec<String>,
    sides: [Scanner<'f>; 2],
    found: [Found; 2],
    file: Option<Current>,
    hunk: u64,
    /// Hunks of the patch have headings.
    headings: bool,
}

struct Current {
    change: FileChange,
    path: String,
    hunks: u64,
    /// The old text, if the tree has it.
    tree: Option<Beside>,
    /// Lines of both sides to come: in the file if the tree has it, else in the hunk.
    lines: [u64; 2],
    first: bool,
    /// Nothing can be open where the hunk begins, if no heading says otherwise.
    at_top: bool,
    section: String,
    /// It is no C.
    build: Option<(BuildFile, BuildSides)>,
    /// Its changed lines, if every declaration in it is part of a format.
    passed: Option<Passed>,
}

/// Reads `patches`. `tree` is the source before them, or after them if they are taken back.
pub(super) fn gather(
    patches: Vec<Patch<'_>>,
    (tree, reverse): (Option<&Path>, bool),
    saved: &Saved<'_>,
) -> Result<Gathered, CheckError> {
    let watched = saved.map.watch.entries.iter();
    let functions: BTreeSet<String> = watched
        .flat_map(|entry| entry.functions.iter().cloned())
        .collect();
    let uses = match tree {
        Some(tree) => Uses::of_tree(tree, saved)?,
        None => Uses::of_family(&saved.map.family),
    };
    let mut gatherer = Gatherer {
        saved,
        pairs: Pairing::new(saved, uses),
        counts: Counts::default(),
        decided: BTreeSet::new(),
        remarks: Vec::new(),
        sides: [Scanner::new(&functions), Scanner::new(&functions)],
        found: Default::default(),
        file: None,
        hunk: 0,
        headings: false,
    };
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for patch in patches {
        let read = gatherer.patch(patch.text, (tree, reverse), &mut seen);
        // Text without a name is the caller's own.
        read.map_err(|error| match !patch.name.is_empty() {
            true => CheckError::Of {
                patch: patch.name,
                error: Box::new(error),
            },
            false => error,
        })?;
    }
    gatherer.pairs.settle();
    Ok(Gathered {
        changes: gatherer.pairs.changes,
        counts: gatherer.counts,
        uses: gatherer.pairs.uses,
        decided: gatherer.decided,
        remarks: gatherer.remarks,
    })
}

impl Current {
    /// Whether the file is removed and the patch does not show what was in it.
    fn goes_unseen(&self) -> bool {
        self.change.new.is_none() && self.hunks == 0 && !self.change.was_empty
    }

    fn open_hunk(&mut self, heading: Heading, headings: bool) {
        let first = heading.old_start <= 1 && heading.new_start <= 1;
        self.at_top = first || headings;
        if let Some((_, sides)) = &mut self.build {
            sides.begin_hunk(&heading.section, first);
        }
        self.section = heading.section;
    }

    /// Notes that line `at` of the tree's file, if it is to come, is context at the line `patch`.
    fn is_context(&mut self, at: u64, patch: u64) {
        if let Some(tree) = self.tree.as_mut().filter(|_| at >= self.lines[0]) {
            tree.context.insert(at, patch);
        }
    }
}

impl Gatherer<'_, '_> {
    /// Reads one patch. `seen` are the files that it and those before it change.
    fn patch(
        &mut self,
        patch: impl BufRead,
        (tree, reverse): (Option<&Path>, bool),
        seen: &mut BTreeSet<String>,
    ) -> Result<(), CheckError> {
        let mut reader = Reader::new(patch);
        while let Some(mut event) = reader.next_event()? {
            if reverse {
                event = event.reversed();
            }
            match event {
                Event::File(file) => {
                    self.end_file()?;
                    self.counts.files += 1;
                    if self.matters(&file) {
                        // A second patch to a file is not for the tree as it is.
                        let again = !seen.insert(file.path().to_owned());
                        self.begin_file(&file, (tree, again))?;
                    }
                }
                Event::Hunk(heading) => {
                    self.counts.hunks += 1;
                    self.begin_hunk(heading)?;
                }
                Event::Line { sign, text, line } => self.line(sign, text, line)?,
                Event::NotInPatch => self.counts.not_in_patch += 1,
            }
        }
        self.end_file()
    }

    fn matters(&mut self, file: &FileChange) -> bool {
        let path = file.path();
        let counts = &mut self.counts;
        let is_c = path.ends_with(".h") || path.ends_with(".c");
        let build = BuildFile::of(path);
        // How the whole is compiled is said there, though nothing of it runs.
        let build_itself = build == Some(BuildFile::Makefile) && path.starts_with("scripts/");
        let count = if !is_c && build.is_none() {
            let script = path.ends_with(".lds") || path.ends_with(".lds.S");
            counts.linker_scripts += u64::from(script);
            &mut counts.not_c
        } else if build_itself {
            return true;
        } else if self.saved.map.watch.is_ignored(path) {
            &mut counts.ignored
        } else if is_foreign(path, &self.saved.map.machines) {
            &mut counts.other_machines
        } else {
            return true;
        };
        *count += 1;
        false
    }

    fn begin_file(
        &mut self,
        file: &FileChange,
        (tree, again): (Option<&Path>, bool),
    ) -> Result<(), CheckError> {
        let path = tree
            .filter(|_| !again)
            .zip(file.old.as_ref())
            .map(|(tree, old)| tree.join(old));
        // A header package does not have the `.c` files.
        let inside = path.filter(|path: &PathBuf| path.is_file());
        self.file = Some(Current {
            change: file.clone(),
            path: file.path().to_owned(),
            hunks: 0,
            tree: inside.map(|path| Beside::open(&path)).transpose()?,
            lines: [1, 1],
            first: false,
            at_top: false,
            section: String::new(),
            build: BuildFile::of(file.path()).map(|file| (file, BuildSides::default())),
            passed: self.saved.is_format(file.path()).then(Passed::default),
        });
        // What a header package lacks are sources.
        let missing = tree.is_some() && file.old.is_some() && !again && file.path().ends_with(".h");
        if missing && self.file.as_ref().is_some_and(|file| file.tree.is_none()) {
            self.remarks.push(format!(
                "{} is not in the tree: what the patch shows of it is read by itself",
                file.path()
            ));
        }
        Ok(())
    }

    fn begin_hunk(&mut self, heading: Heading) -> Result<(), CheckError> {
        self.settle_hunk()?;
        self.hunk += 1;
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.hunks += 1;
        if let Some(passed) = &mut file.passed {
            passed.end();
        }
        self.headings |= !heading.section.is_empty();
        if let Some(tree) = &mut file.tree {
            tree.hunk = Some((heading, Body::default()));
            return Ok(());
        }
        self.end_hunk();
        if let Some(file) = &mut self.file {
            file.lines = [heading.old_start, heading.new_start];
            file.first = true;
            file.open_hunk(heading, self.headings);
        }
        Ok(())
    }

    /// Reads the hunk that was kept, at the place where it fits in the tree's file.
    fn settle_hunk(&mut self) -> Result<(), CheckError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let Some(tree) = &mut file.tree else {
            return Ok(());
        };
        let Some((heading, body)) = tree.hunk.take() else {
            return Ok(());
        };
        let fit = tree.place(&file.path, file.hunks, &heading, &body)?;
        self.skip_to(fit.line);
        if let Some(file) = &mut self.file {
            file.open_hunk(heading, self.headings);
        }
        let mut at = fit.line;
        for line in body.iter() {
            if line.mark == Sign::Context {
                // The file has it as it has it: with fuzz it may be another.
                if let Some(file) = &mut self.file {
                    file.is_context(at, line.line);
                }
            } else {
                self.skip_to(at);
                let text = String::from_utf8_lossy(line.text);
                self.feed(line.mark, &readable(&text), line.line);
            }
            at += u64::from(line.mark != Sign::Added);
        }
        Ok(())
    }

    /// Reads what stands in both files before line `to` of the old one.
    fn skip_to(&mut self, to: u64) {
        let Some(file) = &mut self.file else {
            return;
        };
        // A file that goes without its text is in the tree alone.
        let sign = match file.goes_unseen() {
            true => Sign::Removed,
            false => Sign::Context,
        };
        let Some(mut tree) = file.tree.take() else {
            return;
        };
        let mut at = file.lines[0];
        while at < to {
            let Some(text) = tree.text.line(at) else {
                break;
            };
            let text = String::from_utf8_lossy(text);
            match tree.context.remove(&at) {
                Some(patch) => self.read(sign, false, &readable(&text), patch),
                None => self.read(sign, false, &text, 0),
            }
            at += 1;
        }
        if let Some(file) = &mut self.file {
            file.tree = Some(tree);
        }
    }

    fn line(&mut self, sign: Sign, text: &[u8], patch: u64) -> Result<(), CheckError> {
        self.counts.lines += u64::from(sign != Sign::Context);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if let Some(passed) = &mut file.passed {
            passed.line(sign, &readable(&String::from_utf8_lossy(text)), patch);
        }
        if let Some((_, body)) = file.tree.as_mut().and_then(|tree| tree.hunk.as_mut()) {
            return Ok(body.push(sign, text, patch)?);
        }
        let text = String::from_utf8_lossy(text);
        let text = readable(&text);
        if std::mem::take(&mut file.first) && file.build.is_none() {
            for (scanner, found) in self.sides.iter_mut().zip(&mut self.found) {
                let keeper = Keeper {
                    saved: self.saved,
                    uses: &self.pairs.uses,
                    path: &file.path,
                    hunk: self.hunk,
                };
                let around = Around {
                    at_top: file.at_top,
                    long_heads: self.saved.map.watch.has_long_heads(&file.path),
                };
                scanner.start_hunk(&file.section, &text, around, &mut |item| {
                    keeper.keep(item, found);
                });
            }
        }
        self.feed(sign, &text, patch);
        Ok(())
    }

    /// Reads a line of the patch.
    fn feed(&mut self, sign: Sign, text: &str, patch: u64) {
        self.read(sign, sign != Sign::Context, text, patch);
    }

    /// Reads a line on the sides that have it.
    fn read(&mut self, sign: Sign, changed: bool, text: &str, patch: u64) {
        let Some(file) = &mut self.file else {
            return;
        };
        for side in 0..2 {
            let own = match side {
                0 => sign != Sign::Added,
                _ => sign != Sign::Removed,
            };
            if !own {
                continue;
            }
            let place = Place {
                line: file.lines[side],
                patch,
                changed,
                text: String::new(),
            };
            file.lines[side] = file.lines[side].saturating_add(1);
            if let Some((build, sides)) = &mut file.build {
                sides.line(*build, side, text, &place);
                continue;
            }
            let (scanner, found) = (&mut self.sides[side], &mut self.found[side]);
            let keeper = Keeper {
                saved: self.saved,
                uses: &self.pairs.uses,
                path: &file.path,
                hunk: self.hunk,
            };
            scanner.line(text, &place, &mut |item| keeper.keep(item, found));
        }
    }

    /// Ends a hunk that stands by itself.
    fn end_hunk(&mut self) {
        let path = self.file.as_ref().map_or("", |file| file.path.as_str());
        let keeper = Keeper {
            saved: self.saved,
            uses: &self.pairs.uses,
            path,
            hunk: self.hunk.saturating_sub(1),
        };
        for (scanner, found) in self.sides.iter_mut().zip(&mut self.found) {
            scanner.finish(&mut |item| keeper.keep(item, found));
        }
    }

    fn end_file(&mut self) -> Result<(), CheckError> {
        if self.file.is_none() {
            return Ok(());
        }
        self.settle_hunk()?;
        self.skip_to(u64::MAX);
        self.hunk += 1;
        self.end_hunk();
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let functions = self.sides[0].functions();
        self.sides = [Scanner::new(functions), Scanner::new(functions)];
        let [old, new] = std::mem::take(&mut self.found);
        self.unread(&file);
        let tree = file.tree.as_ref();
        let remark = tree.and_then(|tree| tree.remark(&file.path));
        self.remarks.extend(remark);
        let in_tree = tree.is_some();
        let path = file.path;
        if let Some((_, sides)) = file.build {
            let (saved, uses) = (self.saved, &self.pairs.uses);
            let counts = |option: &str| {
                saved.map.watch.concerning(option).is_some() || uses.of(option).is_some()
            };
            self.decided.extend(sides.decided());
            self.pairs.changes.extend(sides.changes(&path, &counts));
            return Ok(());
        }
        // Of a new or removed file all is seen.
        let whole = file.change.old.is_none() || file.change.new.is_none();
        let passed = file.passed.filter(|_| !whole).and_then(Passed::first);
        let passed = passed.map(|(text, patch, is_new)| untold::line(&text, patch, is_new, &path));
        self.pairs
            .file((old, new), passed, &path, (whole, whole || in_tree));
        Ok(())
    }

    /// Tells of a file whose text neither the patch nor the tree has.
    fn unread(&mut self, file: &Current) {
        let gone = file.goes_unseen() && file.tree.is_none();
        if !file.change.binary && !gone {
            return;
        }
        let detail = match (file.change.binary, &file.change.new) {
            (_, None) => "it is removed",
            (true, _) => "it is there as binary",
            (false, _) => "",
        };
        let detail = format!("{detail}, line {} of the patch", file.change.line);
        self.pairs.changes.push(untold::unread(&file.path, detail));
    }
}

/// A line of C without what a terminal would do something with: what is read of it is shown. Other
/// white space than spaces and tabs is a space, as it is in C.
fn readable(text: &str) -> Cow<'_, str> {
    let text = text.strip_suffix('\r').unwrap_or(text);
    let plain = |c: char| c == '\t' || c == ' ' || !c.is_whitespace();
    let parts = || text.split('\t');
    if text.chars().all(plain) && parts().all(|part| clean(part) == part) {
        return Cow::Borrowed(text);
    }
    let spaced = |part: &str| clean(&part.replace(char::is_whitespace, " "));
    Cow::Owned(parts().map(spaced).collect::<Vec<_>>().join("\t"))
}
