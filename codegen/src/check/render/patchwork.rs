//! A check of patchwork, which shows it beside a patch of a mailing list: the body of a
//! `POST /api/patches/ID/checks/` (patchwork: docs/api/schemas/latest/patchwork.yaml, `CheckCreate`;
//! patchwork/models.py, `Check`).

use super::super::{Grade, Report};
use super::one_line;
use serde_json::json;
use std::str::FromStr;

/// What the check is called there. A slug: letters, digits, `-` and `_`, at most 255.
const CONTEXT: &str = "kconv-gen-check";
/// Characters of a description. Patchwork has no limit; more is no line of its table.
const DESCRIPTION: usize = 255;

/// Where people can read more: an address that patchwork takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link(String);

/// Patchwork would not take an address.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected http:// or https:// and a host, without spaces and of at most {} characters, which is all that patchwork keeps",
    Link::LONGEST
)]
pub struct NoLink;

impl Link {
    /// Characters that patchwork keeps of an address (Django's `URLField`).
    const LONGEST: usize = 200;
}

impl FromStr for Link {
    type Err = NoLink;

    fn from_str(text: &str) -> Result<Link, NoLink> {
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let has_host =
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']));
        let is_one_word = !text.contains(|c: char| c.is_whitespace() || c.is_control());
        match has_host && is_one_word && text.chars().count() <= Link::LONGEST {
            true => Ok(Link(text.to_owned())),
            false => Err(NoLink),
        }
    }
}

/// The check: `fail` if a layout is open, `warning` if anything else is, and one line.
///
/// # Errors
/// None that a report could cause.
pub fn patchwork(report: &Report, link: Option<&Link>) -> Result<String, serde_json::Error> {
    let mut value = json!({
        "state": state(report),
        "context": CONTEXT,
        "description": description(report),
    });
    if let Some(Link(url)) = link {
        value["target_url"] = url.as_str().into();
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

fn state(report: &Report) -> &'static str {
    let open = report
        .findings
        .iter()
        .filter(|finding| finding.verdict.is_open());
    match open.map(|finding| finding.grade).max() {
        Some(Grade::Layout) => "fail",
        Some(Grade::Meaning | Grade::Unknown | Grade::Note) => "warning",
        None => "success",
    }
}

/// The verdict on the whole, and the first finding that is open.
fn description(report: &Report) -> String {
    let mut text = super::headline(report);
    let mut all = report.findings.iter();
    if let Some(finding) = all.find(|finding| finding.verdict.is_open()) {
        text.push_str(&format!(": {}", finding.sentence()));
    }
    one_line(&text).chars().take(DESCRIPTION).collect()
}
