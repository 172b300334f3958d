//! A report for KCIDB, the database of KernelCI (kcidb-io 141: kcidb_io/schema/v05_03.py, which is its
//! newest; the patterns of names and paths are in v03_00.py and v05_00.py). No crate knows the format;
//! its own library is for Python.
//!
//! A check is a test of a build, and the build with its checkout somebody has reported already: a report
//! has tests alone. One is for the whole, so that a check without findings is seen to have run, and
//! one is for each finding.

use super::super::{Finding, Report, Verdict};
use super::{file_and_line, headline, one_line, text, why};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;

/// Where the tests are in KCIDB's tree of tests.
const PATH: &str = "kconv.check";
/// Characters of an excerpt that KCIDB takes.
const EXCERPT: usize = 16384;

/// The name of a CI system in KCIDB: `[a-z0-9_]+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// A name that KCIDB does not take.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a CI system in KCIDB, of lower-case letters, digits and `_`")]
pub struct NoOrigin;

impl FromStr for Origin {
    type Err = NoOrigin;

    fn from_str(text: &str) -> Result<Origin, NoOrigin> {
        let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        match !text.is_empty() && text.chars().all(fits) {
            true => Ok(Origin(text.to_owned())),
            false => Err(NoOrigin),
        }
    }
}

/// The id of a build in KCIDB: `[a-z0-9_]+:[^\0]*`. That of another CI system is as good. One with
/// nothing behind the colon names no build, though the pattern has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildId(String);

/// An id that KCIDB does not take.
#[derive(Copy, Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected ORIGIN:ID as KCIDB has it: the name of the CI system that made the build, of lower-case letters, digits and `_`, a colon, and what the build is called there"
)]
pub struct NoBuildId;

impl FromStr for BuildId {
    type Err = NoBuildId;

    fn from_str(text: &str) -> Result<BuildId, NoBuildId> {
        let (origin, id) = text.split_once(':').ok_or(NoBuildId)?;
        let is_origin = origin.parse::<Origin>().is_ok();
        match is_origin && !id.is_empty() && !id.contains('\0') {
            true => Ok(BuildId(text.to_owned())),
            false => Err(NoBuildId),
        }
    }
}

/// The report as tests of the build, sent by `origin`. What is open fails; what is acknowledged or
/// allowed is skipped.
///
/// # Errors
/// None that a report could cause.
pub fn kcidb(
    report: &Report,
    origin: &Origin,
    build: &BuildId,
) -> Result<String, serde_json::Error> {
    // The same ids each time: a check that is sent twice is not two.
    let test = |name: &str, path: String, status: &str, comment: &str| {
        json!({
            "build_id": build.0,
            "id": format!("{}:{}:{name}", origin.0, build.0),
            "origin": origin.0,
            "path": path,
            "status": status,
            "comment": one_line(comment),
        })
    };
    let status = if report.is_clean() { "PASS" } else { "FAIL" };
    let mut whole = test("kconv", PATH.to_owned(), status, &headline(report));
    whole["log_excerpt"] = excerpt(&text(report)).into();
    whole["misc"] = json!({ "kconv": {
        "version": env!("CARGO_PKG_VERSION"),
        "family": report.family,
        "remarks": report.remarks.iter().map(|remark| one_line(remark)).collect::<Vec<_>>(),
    } });
    let mut tests = vec![whole];
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for finding in &report.findings {
        // One change in two files has one id.
        let again = seen.entry(&finding.id).or_default();
        *again += 1;
        let name = match *again {
            1 => format!("kconv:{}", finding.id),
            again => format!("kconv:{}:{again}", finding.id),
        };
        let path = format!("{PATH}.{}", finding.kind.name());
        let comment = format!(
            "{}: {}; {}",
            file_and_line(finding),
            finding.sentence(),
            why(&finding.verdict)
        );
        let mut value = test(&name, path, status_of(&finding.verdict), &comment);
        value["misc"] = misc(finding);
        tests.push(value);
    }
    let value = json!({ "version": { "major": 5, "minor": 3 }, "tests": tests });
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?))
}

/// A person has to look at what is open, also at what is unknown: it fails. KCIDB's `ERROR` and
/// `MISS` are of tests that did not run to their end.
fn status_of(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Undecided { .. } | Verdict::Unknown { .. } | Verdict::StaleOverride { .. } => {
            "FAIL"
        }
        Verdict::Acknowledged { .. } | Verdict::Allowed { .. } => "SKIP",
        Verdict::Decided { .. } | Verdict::Nothing { .. } => "PASS",
    }
}

/// What programs may want to know; a property that is not known is left out, for KCIDB has no null.
fn misc(finding: &Finding) -> Value {
    let mut known = json!({
        "id": finding.id,
        "kind": finding.kind.name(),
        "grade": finding.grade.name(),
        "subject": one_line(&finding.subject),
        "verdict": finding.verdict.name(),
    });
    if !finding.file.is_empty() {
        known["file"] = one_line(&finding.file).into();
    }
    if finding.line() > 0 {
        known["line"] = finding.line().into();
    }
    let help = super::help(&finding.verdict);
    if !help.is_empty() {
        known["help"] = excerpt(help).into();
    }
    json!({ "kconv": known })
}

/// As much of a text of several lines as KCIDB takes. Zero characters it does not, nor does the database
/// behind it, not even in `misc`.
fn excerpt(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(EXCERPT).collect()
}
