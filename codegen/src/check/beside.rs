//! A file of the tree beside the hunks that change it.

use super::fit::{Fit, Fits, Misfit, Told};
use super::source::{CheckError, Text};
use crate::patch::{Body, Heading, Sign, shown};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file, and what of the patch waits for it.
#[derive(Default)]
pub(super) struct Beside {
    pub(super) text: Text,
    fits: Fits,
    told: Told,
    /// The hunk whose place is looked for when its last line is read.
    pub(super) hunk: Option<(Heading, Body<Sign>)>,
    /// Lines of the patch at which lines to come of the old text stand as context.
    pub(super) context: BTreeMap<u64, u64>,
}

impl Beside {
    pub(super) fn open(path: &Path) -> Result<Beside, CheckError> {
        Ok(Beside {
            text: Text::open(path)?,
            ..Beside::default()
        })
    }

    /// Where the hunk fits that is the file's `number`th, from 1.
    pub(super) fn place(
        &mut self,
        path: &str,
        number: u64,
        heading: &Heading,
        body: &Body<Sign>,
    ) -> Result<Fit, CheckError> {
        let found = self.fits.find(body, heading.old_start, &self.text);
        let fit = found.map_err(|misfit| self.refused(path, heading, body, misfit))?;
        self.told.take(number, fit);
        Ok(fit)
    }

    /// What is to be told of hunks that fit otherwise than they say.
    pub(super) fn remark(&self, path: &str) -> Option<String> {
        self.told.remark(path)
    }

    fn refused(
        &self,
        path: &str,
        heading: &Heading,
        body: &Body<Sign>,
        misfit: Misfit,
    ) -> CheckError {
        let path = PathBuf::from(path);
        let mut old = body.iter().filter(|line| line.mark != Sign::Added);
        let differs = misfit
            .differs
            .and_then(|at| old.nth(at).map(|line| (at, line)));
        let Some((at, line)) = differs else {
            return CheckError::Overlap {
                patch_line: heading.line,
                path,
                line: misfit.line,
            };
        };
        let number = misfit.line + at as u64;
        CheckError::NotTheTree {
            patch_line: line.line,
            path,
            line: number,
            expected: shown(line.text),
            there: self.text.line(number).map(shown),
        }
    }
}
