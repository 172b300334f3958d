//! A plan as the text of a file.

use super::{EmitError, data};
use crate::plan::Plan;
use kernel_structs::layout::Layout;

/// The text of a file with the plan. `layouts` are those that it reads and writes, with each union as its arm in use.
///
/// # Errors
/// If the plan is not total, has a rule that is no data, or would be a file that nobody could read.
pub fn plan_file(plan: &Plan, layouts: [&Layout; 2]) -> Result<String, EmitError> {
    let text = kconv_plans::write(&data(plan, layouts)?);
    let text = text.map_err(|error| EmitError::NotReadable(error.to_string()))?;
    kconv_plans::read(text.as_bytes())
        .map_err(|error| EmitError::NotReadable(error.to_string()))?;
    Ok(text)
}
