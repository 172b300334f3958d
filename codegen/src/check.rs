//! What a patch does to saved state, for whoever reviews the patch.
//!
//! Three sides, each optional: the patch alone, whose hunks are read as C; the source tree before
//! it, with which each touched file is read whole and constants and macros are followed to the
//! fields that use them; two finished layouts, with the plan between them. Each change of a saved
//! type, and of what gives saved values their meaning, is a [`Finding`] with a [`Verdict`] by the
//! state map, the automatic rules and the overrides of the project's converters.
//!
//! Hostile input gives an error with its line, or a verdict. Memory grows with what changed of
//! saved types, not with the patch; time with its length.

mod acknowledge;
mod allow;
mod beside;
mod build;
mod change;
mod code;
mod compare;
mod contract;
mod declare;
mod fit;
mod gather;
mod item;
mod keep;
mod layouts;
mod lex;
mod macros;
mod number;
mod options;
mod pairing;
mod passed;
mod project;
pub mod render;
mod report;
mod saved;
mod scan;
mod source;
mod untold;
mod uses;
mod verdict;

pub use acknowledge::{AcknowledgeFinding, AcknowledgeProblem, Acknowledgement, Acknowledgements};
pub use allow::{UnknownAllowance, check_allowed};
pub use change::{Grade, Kind, Shown};
pub use gather::Counts;
pub use layouts::{Layouts, genuine};
pub use options::Options;
pub use project::Project;
pub use report::{Finding, Report};
pub use saved::Saved;
pub use source::CheckError;
pub use uses::stored_uses;
pub use verdict::Verdict;

use contract::Versions;
use gather::Gathered;
use std::io::BufRead;
use std::path::Path;
use verdict::Judge;

/// What a check looks at besides the saved types.
#[derive(Default)]
pub struct Inputs<'a> {
    /// The top of the source tree before the patch.
    pub tree: Option<&'a Path>,
    /// The configuration that counts.
    pub options: Option<&'a Options>,
    /// Layouts before and after.
    pub layouts: Option<Layouts<'a>>,
    /// The patches are taken back: what they add goes, and the tree is the one after them.
    pub reverse: bool,
}

/// A patch to be checked.
pub struct Patch<'a> {
    /// What it is called, in errors.
    pub name: String,
    /// Its text.
    pub text: Box<dyn BufRead + 'a>,
}

/// Checks a patch, or layouts without a patch.
///
/// # Errors
/// [`CheckError`]: the patch or the tree cannot be read, or do not belong together.
pub fn check(
    patch: Option<&mut dyn BufRead>,
    saved: &Saved<'_>,
    project: &Project,
    inputs: &Inputs<'_>,
) -> Result<Report, CheckError> {
    let patch = patch.map(|text| Patch {
        name: String::new(),
        text: Box::new(text),
    });
    check_all(Vec::from_iter(patch), saved, project, inputs)
}

/// Checks the patches of a series, in their order, or layouts without a patch.
///
/// # Errors
/// As of [`check`]; of a patch with a name the error says in which.
pub fn check_all(
    patches: Vec<Patch<'_>>,
    saved: &Saved<'_>,
    project: &Project,
    inputs: &Inputs<'_>,
) -> Result<Report, CheckError> {
    let with_patch = !patches.is_empty();
    let Gathered {
        changes,
        counts,
        uses,
        decided,
        remarks,
    } = match with_patch {
        true => gather::gather(patches, (inputs.tree, inputs.reverse), saved)?,
        false => Gathered::default(),
    };
    let classified = changes
        .into_iter()
        .filter_map(|change| verdict::classify(change, saved, &uses));
    let classified: Vec<_> = classified.collect();
    let options = inputs.options.map(|options| options.without(decided));
    let judge = Judge {
        saved,
        project,
        uses: &uses,
        options: options.as_ref(),
        versions: &Versions::of(&classified, options.as_ref()),
    };
    let mut findings: Vec<Finding> = classified
        .into_iter()
        .map(|change| {
            let verdict = judge.judge(&change);
            Finding::new(change, verdict)
        })
        .collect();
    if let Some(layouts) = &inputs.layouts {
        layouts::confirm(layouts, saved, project, &mut findings, &|name| {
            judge.users(name)
        })?;
    }
    let mut report = Report {
        family: saved.map.family.clone(),
        patch: with_patch.then_some(counts),
        findings,
        remarks,
    };
    if let Some(counts) = report
        .patch
        .as_ref()
        .filter(|counts| counts.not_in_patch > 0)
    {
        report.remarks.push(format!(
            "{} files are in one tree alone and so not in the patch; make it with `diff -urNp`",
            counts.not_in_patch
        ));
    }
    report.sort();
    Ok(report)
}
