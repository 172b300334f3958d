//! A file back as a plan.

use crate::check::check;
use crate::error::PlanError;
use crate::model::Plan;
use crate::{FORMAT_VERSION, LONGEST_FILE};
use serde::Deserialize;

/// A plan in which everything fits everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked(Plan);

impl Checked {
    /// Takes a plan that was not read from a file.
    ///
    /// # Errors
    /// As [`read`].
    pub fn of(plan: Plan) -> Result<Checked, PlanError> {
        check(&plan)?;
        Ok(Checked(plan))
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// The plan, to be kept.
    pub fn into_plan(self) -> Plan {
        self.0
    }
}

/// What of a file is read first: another version may have another form.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Version {
    kconv_plan: u32,
}

/// Reads the bytes of a file.
///
/// # Errors
/// [`PlanError`]: the file is no plan of this version, or something in it does not fit the rest.
pub fn read(bytes: &[u8]) -> Result<Checked, PlanError> {
    let length = bytes.len() as u64;
    if length > LONGEST_FILE {
        return Err(PlanError::TooLong {
            bytes: length,
            most: LONGEST_FILE,
        });
    }
    let version: Version = serde_json::from_slice(bytes)?;
    if version.kconv_plan != FORMAT_VERSION {
        return Err(PlanError::Version {
            found: version.kconv_plan,
            expected: FORMAT_VERSION,
        });
    }
    Checked::of(serde_json::from_slice(bytes)?)
}
