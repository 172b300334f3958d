//! The report as it is.

use super::super::Report;

/// The report as JSON, indented.
///
/// # Errors
/// None that a report could cause.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(report)?;
    value["clean"] = report.is_clean().into();
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}
