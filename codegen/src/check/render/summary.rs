//! A reply to the mail with the patch: short, no line wider than 72 characters.

use super::super::{Finding, Report};
use std::fmt::Write;

const WIDTH: usize = 72;
/// Findings that are quoted; a longer mail is not read.
const QUOTED: usize = 12;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// The open findings under the lines of the patch that they are about.
pub fn summary(report: &Report) -> String {
    let mut text = String::new();
    wrap(
        &mut text,
        &format!(
            "kconv check ({}): {}",
            report.family,
            super::headline(report)
        ),
    );
    let quoted: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.verdict.is_open())
        .collect();
    let mut file = "";
    for finding in quoted.iter().take(QUOTED) {
        text.push('\n');
        if finding.file != file {
            file = &finding.file;
            cut(&mut text, &format!("> +++ b/{file}"));
        }
        for (side, sign) in [(&finding.old, '-'), (&finding.new, '+')] {
            if let Some(side) = side.as_ref().filter(|side| !side.text.is_empty()) {
                let sign = if side.changed { sign } else { ' ' };
                cut(&mut text, &format!("> {sign}{}", side.text));
            }
        }
        wrap(
            &mut text,
            &format!(
                "{}: {} [{}]",
                super::why(&finding.verdict),
                finding.sentence(),
                finding.id
            ),
        );
    }
    if quoted.len() > QUOTED {
        let _ = writeln!(text, "\n... and {} more.", quoted.len() - QUOTED);
    }
    for remark in &report.remarks {
        text.push('\n');
        wrap(&mut text, remark);
    }
    text
}

fn cut(text: &mut String, line: &str) {
    let line: String = line.chars().take(WIDTH).collect();
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Breaks at spaces; a word wider than a line is cut.
fn wrap(text: &mut String, paragraph: &str) {
    let mut width = 0;
    for word in paragraph.split_whitespace() {
        let word: String = word.chars().take(WIDTH).collect();
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            text.push('\n');
            width = 0;
        } else if width > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(&word);
        width += length;
    }
    text.push('\n');
}
