//! A diff for a terminal: both declarations side by side.
//!
//! The text has colours as escape sequences; whoever prints it where none belong strips them.

use super::view::{Kind, Line, Row, TypeView};
use super::{EnumDiff, NumberChange};
use crate::plan::Declaration;
use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write;

/// Characters of a column at most.
const WIDEST: usize = 64;
/// Unchanged rows shown beside changed ones.
const CONTEXT: usize = 2;

// Writing to a string cannot fail; results of `writeln!` are ignored in this file.

/// All types, one after the other.
pub fn text(views: &[TypeView]) -> String {
    let mut text = String::new();
    for view in views {
        one(&mut text, view);
        text.push('\n');
    }
    for (kind, count) in super::view::counts(views) {
        let style = style(kind);
        let _ = writeln!(text, "{style}{:9}{style:#}{count:>6}", kind.name());
    }
    text
}

/// Enumerations with their changes, then the constants that saved values are made of.
pub fn numbers(enumerations: &[EnumDiff], constants: &[NumberChange]) -> String {
    let mut text = String::new();
    for of in enumerations {
        let bold = Style::new().bold();
        let sizes = match of.from_size == of.to_size {
            true => format!("{} bytes", of.to_size),
            false => format!("{} -> {} bytes", of.from_size, of.to_size),
        };
        let _ = writeln!(text, "{bold}enum {}{bold:#} ({sizes})", of.name);
        for change in &of.changes {
            let _ = writeln!(text, "  {change}");
        }
    }
    if !constants.is_empty() {
        text.push_str("constants that saved values are made of:\n");
    }
    for change in constants {
        let _ = writeln!(text, "  {change}");
    }
    text
}

fn one(text: &mut String, view: &TypeView) {
    let bold = Style::new().bold();
    let sizes = match view.from_size == view.to_size {
        true => format!("{} bytes", view.to_size),
        false => format!("{} -> {} bytes", view.from_size, view.to_size),
    };
    let _ = writeln!(text, "{bold}{}{bold:#} ({sizes})", view.ty);
    let lines = view.lines();
    let widths = lines.iter().filter_map(|(_, line)| match line {
        Line::Row(row) => row.old.as_ref(),
        Line::Moved(..) => None,
    });
    let width = widths.map(|cell| plain(cell).chars().count()).max();
    let width = width.unwrap_or(0).clamp(16, WIDEST);
    let near = |at: usize| {
        let range = at.saturating_sub(CONTEXT)..lines.len().min(at + CONTEXT + 1);
        lines[range].iter().any(|(_, line)| line.kind().is_some())
    };
    let mut skipped = 0;
    for (at, (_, shown)) in lines.iter().enumerate() {
        if !near(at) {
            skipped += 1;
            continue;
        }
        left_out(text, &mut skipped);
        match (shown, shown.summary()) {
            (Line::Row(row), _) => line(text, row, width),
            (Line::Moved(..), summary) => {
                let (style, word) = (style(Kind::Moved), Kind::Moved.name());
                let summary = summary.unwrap_or_default();
                let _ = writeln!(text, "  {style}{word:9}{style:#} {style}{summary}{style:#}");
            }
        }
    }
    left_out(text, &mut skipped);
}

fn left_out(text: &mut String, skipped: &mut usize) {
    if *skipped > 0 {
        let dim = Style::new().dimmed();
        let _ = writeln!(text, "            {dim}… {skipped} unchanged{dim:#}");
    }
    *skipped = 0;
}

fn line(text: &mut String, row: &Row, width: usize) {
    let style = row.kind.map_or(Style::new(), style);
    let word = row.kind.map_or("", Kind::name);
    let old = row.old.as_ref().map(|cell| clip(&plain(cell), width));
    let new = row.new.as_ref().map(|cell| clip(&plain(cell), WIDEST));
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let pad = " ".repeat(width - old.chars().count().min(width));
    let (left, right) = match row.kind {
        Some(_) if !old.is_empty() && !new.is_empty() => emphasised(&old, &new, style),
        _ => (
            format!("{style}{old}{style:#}"),
            format!("{style}{new}{style:#}"),
        ),
    };
    let guess = match (&row.perhaps, &row.remark) {
        (Some((name, percent)), _) => format!("  ({name}, {percent}% alike)"),
        (None, Some(remark)) => format!("  ({remark})"),
        (None, None) => String::new(),
    };
    let line = format!("  {style}{word:9}{style:#} {left}{pad} | {right}{guess}");
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Both sides in `style`, words that differ in bold.
fn emphasised(old: &str, new: &str, style: Style) -> (String, String) {
    let (mut left, mut right) = (String::new(), String::new());
    let strong = style.bold();
    for change in TextDiff::from_words(old, new).iter_all_changes() {
        let (sides, style): (&mut [&mut String], Style) = match change.tag() {
            ChangeTag::Equal => (&mut [&mut left, &mut right], style),
            ChangeTag::Delete => (&mut [&mut left], strong),
            ChangeTag::Insert => (&mut [&mut right], strong),
        };
        for side in sides {
            let _ = write!(side, "{style}{}{style:#}", change.value());
        }
    }
    (left, right)
}

/// A field as it is shown: offset, size, type and name.
fn plain((name, declaration): &(String, Declaration)) -> String {
    let (byte, bit) = (declaration.offset_bits / 8, declaration.offset_bits % 8);
    let at = match bit {
        0 => byte.to_string(),
        bit => format!("{byte}:{bit}"),
    };
    let size = match declaration.size_bits % 8 {
        0 => (declaration.size_bits / 8).to_string(),
        _ => format!("{}b", declaration.size_bits),
    };
    format!("{at:>6} {size:>5} {} {name}", declaration.declared)
}

fn clip(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn style(kind: Kind) -> Style {
    let colour = match kind {
        Kind::Added => AnsiColor::Green,
        Kind::Removed => AnsiColor::Red,
        Kind::Renamed => AnsiColor::Magenta,
        Kind::Moved | Kind::Regrouped => AnsiColor::Blue,
        Kind::Resized | Kind::Retyped => AnsiColor::Yellow,
        Kind::Inside => AnsiColor::Cyan,
    };
    colour.on_default()
}
