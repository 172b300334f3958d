//! SARIF 2.1.0, the OASIS standard for findings, which code hosts and editors read.

use super::super::{Finding, Kind, Report, Verdict};
use serde_json::{Value, json};

/// The report as one run. What is acknowledged or allowed is a suppressed result with the reason;
/// what is decided passes.
///
/// # Errors
/// None that a report could cause.
pub fn sarif(report: &Report) -> Result<String, serde_json::Error> {
    let rules: Vec<Value> = Kind::ALL
        .iter()
        .map(|kind| {
            json!({
                "id": kind.name(),
                "shortDescription": { "text": kind.describe() },
                "defaultConfiguration": { "level": match kind.grade() {
                    super::Grade::Layout => "error",
                    super::Grade::Meaning | super::Grade::Unknown => "warning",
                    super::Grade::Note => "note",
                } },
            })
        })
        .collect();
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    let remarks: Vec<Value> = report
        .remarks
        .iter()
        .map(|remark| json!({ "level": "warning", "message": { "text": remark } }))
        .collect();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kconv-gen check",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "originalUriBaseIds": { "SRCROOT": { "description": { "text": "the top of the kernel tree" } } },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": remarks,
            }],
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&log)?))
}

fn result(finding: &Finding) -> Value {
    let mut text = format!("{}; {}", finding.sentence(), super::why(&finding.verdict));
    let help = super::help(&finding.verdict);
    if !help.is_empty() {
        text.push('\n');
        text.push_str(help);
    }
    let rule = Kind::ALL.iter().position(|kind| *kind == finding.kind);
    let open = finding.verdict.is_open();
    let suppressed = matches!(
        finding.verdict,
        Verdict::Acknowledged { .. } | Verdict::Allowed { .. }
    );
    let mut value = json!({
        "ruleId": finding.kind.name(),
        "ruleIndex": rule,
        "kind": if open || suppressed { "fail" } else { "pass" },
        "level": match (suppressed, finding.grade) {
            (true, super::Grade::Layout) => "error",
            (true, _) => "warning",
            (false, _) if open => super::level(finding),
            // A result that passes has no level.
            (false, _) => "none",
        },
        "message": { "text": text },
        "partialFingerprints": { "kconv/v1": finding.id },
        "properties": { "subject": finding.subject, "verdict": finding.verdict.name() },
    });
    if !finding.file.is_empty() {
        let mut region = json!({ "startLine": finding.line().max(1) });
        if let Some(side) = finding.side().filter(|side| !side.text.is_empty()) {
            region["snippet"] = json!({ "text": side.text });
        }
        value["locations"] = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&finding.file), "uriBaseId": "SRCROOT" },
            "region": region,
        } }]);
    }
    let suppression = match &finding.verdict {
        Verdict::Acknowledged { reason, expires } => Some(format!("{reason} (until {expires})")),
        Verdict::Allowed { by } => Some(format!("--allow {by}")),
        _ => None,
    };
    if let Some(justification) = suppression {
        value["suppressions"] = json!([{ "kind": "external", "justification": justification }]);
    }
    value
}

/// A path as a relative reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' | b'+' => {
                uri.push(byte as char);
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
