//! A diff as one page that needs nothing else: no script, no other file, light and dark.

use super::numbers::shown;
use super::view::{Kind, Line, TypeView, counts};
use super::{EnumDiff, NumberChange};
use crate::plan::Declaration;
use std::fmt::Write;

/// Bytes in a row of a byte map.
const ROW: u64 = 16;

const STYLE: &str = include_str!("page.css");

// Writing to a string cannot fail; results of `write!` are ignored in this file.

/// The page for the changes from the layout called `from` to that called `to`: of types, of
/// enumerations, and of the constants that saved values are made of.
pub fn page(
    from: &str,
    to: &str,
    views: &[TypeView],
    enumerations: &[EnumDiff],
    constants: &[NumberChange],
) -> String {
    let title = format!("{} → {}", escape(from), escape(to));
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let counts = counts(views);
    let _ = write!(
        text,
        "<p>{} changed types.</p>\n<ul class=\"legend\">\n",
        views.len()
    );
    for kind in Kind::ALL {
        let count = counts.get(&kind).copied().unwrap_or(0);
        let _ = writeln!(
            text,
            "<li class=\"{}\"><b>{count}</b> {}</li>",
            class(Some(kind)),
            kind.name()
        );
    }
    text.push_str("<li class=\"hole\">padding</li>\n</ul>\n<nav><ul>\n");
    for (at, view) in views.iter().enumerate() {
        let _ = writeln!(
            text,
            "<li><a href=\"#t{at}\">{}</a> <small>{}</small></li>",
            escape(&view.ty),
            view.changes.len()
        );
    }
    text.push_str("</ul></nav>\n");
    for (at, view) in views.iter().enumerate() {
        section(&mut text, at, view, (from, to));
    }
    for of in enumerations {
        let title = format!(
            "enum {} <small>{} → {} bytes</small>",
            escape(&of.name),
            of.from_size,
            of.to_size
        );
        numbers(&mut text, &title, &of.changes, (from, to));
    }
    if !constants.is_empty() {
        let title = "Constants that saved values are made of";
        numbers(&mut text, title, constants, (from, to));
    }
    text.push_str("</body>\n</html>\n");
    text
}

/// Names with their numbers on both sides, under a title that is HTML.
fn numbers(text: &mut String, title: &str, changes: &[NumberChange], (from, to): (&str, &str)) {
    let _ = write!(
        text,
        "<section>\n<h2>{title}</h2>\n<table>\n<thead><tr><th></th><th>name</th><th>{}</th>\
         <th>{}</th></tr></thead>\n<tbody>\n",
        escape(from),
        escape(to)
    );
    for NumberChange { name, old, new } in changes {
        let kind = match (old, new) {
            (None, _) => Kind::Added,
            (_, None) => Kind::Removed,
            _ => Kind::Retyped,
        };
        let word = match kind {
            Kind::Retyped => "renumbered",
            kind => kind.name(),
        };
        let _ = writeln!(
            text,
            "<tr class=\"{}\"><td>{word}</td><td><code>{}</code></td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            class(Some(kind)),
            escape(name),
            shown(*old),
            shown(*new)
        );
    }
    text.push_str("</tbody>\n</table>\n</section>\n");
}

fn section(text: &mut String, at: usize, view: &TypeView, (from, to): (&str, &str)) {
    let _ = write!(
        text,
        "<section id=\"t{at}\">\n<h2>{} <small>{} → {} bytes</small></h2>\n\
         <table>\n<thead><tr><th></th><th>offset</th><th>size</th><th>{}</th>\
         <th>offset</th><th>size</th><th>{}</th></tr></thead>\n<tbody>\n",
        escape(&view.ty),
        view.from_size,
        view.to_size,
        escape(from),
        escape(to)
    );
    for (number, line) in view.lines() {
        let row = match (line, line.summary()) {
            (Line::Row(row), _) => row,
            (Line::Moved(rows, _), summary) => {
                let names = rows.iter().filter_map(|row| row.new.as_ref());
                let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
                let _ = writeln!(
                    text,
                    "<tr id=\"t{at}r{number}\" class=\"{}\"><td>{}</td><td colspan=\"6\" title=\"{}\">{}</td></tr>",
                    class(line.kind()),
                    Kind::Moved.name(),
                    escape(&names.join(", ")),
                    escape(&summary.unwrap_or_default())
                );
                continue;
            }
        };
        let guess = match (&row.perhaps, &row.remark) {
            (Some((name, percent)), _) => format!(" <small>{}, {percent}%</small>", escape(name)),
            (None, Some(remark)) => format!(" <small>{}</small>", escape(&remark.to_string())),
            (None, None) => String::new(),
        };
        let _ = write!(
            text,
            "<tr id=\"t{at}r{number}\" class=\"{}\"><td>{}{guess}</td>",
            class(row.kind),
            row.kind.map_or("", Kind::name)
        );
        for side in [&row.old, &row.new] {
            match side {
                Some((name, declaration)) => {
                    let _ = write!(
                        text,
                        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td><code>{} <b>{}</b></code></td>",
                        place(declaration),
                        size(declaration),
                        escape(&declaration.declared),
                        escape(name)
                    );
                }
                None => text.push_str("<td></td><td></td><td></td>"),
            }
        }
        text.push_str("</tr>\n");
    }
    text.push_str(
        "</tbody>\n</table>\n<details open><summary>Bytes</summary>\n<div class=\"maps\">\n",
    );
    map(text, at, view, false, from);
    map(text, at, view, true, to);
    text.push_str("</div>\n</details>\n</section>\n");
}

/// A run of bytes of one field, or of several bit-fields that share bytes.
struct Run {
    start: u64,
    end: u64,
    names: Vec<String>,
    kind: Option<Kind>,
    /// Row of the table; `None` for padding.
    row: Option<usize>,
}

/// The bytes of one side, in rows of [`ROW`]; whole rows of one field are shown once.
fn map(text: &mut String, at: usize, view: &TypeView, new: bool, title: &str) {
    let total = if new { view.to_size } else { view.from_size };
    let _ = writeln!(text, "<div class=\"map\"><h3>{}</h3>", escape(title));
    for run in runs(view, new, total) {
        let what = match run.row {
            Some(_) => run.names.join(", "),
            None => "padding".to_owned(),
        };
        let hint = format!("{what}: bytes {} to {}", run.start, run.end - 1);
        let mut start = run.start;
        while start < run.end {
            let rows = match start % ROW {
                0 => ((run.end - start) / ROW).max(1),
                _ => 1,
            };
            // A run of whole rows is one block, at most three rows high.
            let end = match rows {
                1 => run.end.min((start / ROW + 1) * ROW),
                rows => start + rows * ROW,
            };
            let columns = match rows {
                1 => (start % ROW + 1, start % ROW + 1 + (end - start)),
                _ => (1, ROW + 1),
            };
            let first = start == run.start;
            let label = match (first, rows) {
                (true, 1) => escape(&what),
                (_, 1) => "&nbsp;".to_owned(),
                (_, rows) => format!("{} <small>{} rows</small>", escape(&what), rows),
            };
            let at_start = match columns.0 {
                1 => format!("<i>{start}</i>"),
                _ => String::new(),
            };
            let style = format!("grid-column:{}/{}", columns.0 + 1, columns.1 + 1);
            let class = if run.row.is_some() {
                class(run.kind)
            } else {
                "hole"
            };
            let _ = match run.row {
                Some(row) => writeln!(
                    text,
                    "{at_start}<a class=\"{class}\" style=\"{style}\" title=\"{}\" href=\"#t{at}r{row}\">{label}</a>",
                    escape(&hint)
                ),
                None => writeln!(
                    text,
                    "{at_start}<span class=\"{class}\" style=\"{style}\" title=\"{}\">&nbsp;</span>",
                    escape(&hint)
                ),
            };
            start = end;
        }
    }
    text.push_str("</div>\n");
}

fn runs(view: &TypeView, new: bool, total: u64) -> Vec<Run> {
    let mut fields: Vec<(u64, u64, &str, Option<Kind>, usize)> = Vec::new();
    let lines = view.lines();
    for (at, row) in view.rows.iter().enumerate() {
        // A row that is shown with others is found where these begin.
        let line = lines.partition_point(|(first, _)| *first <= at) - 1;
        let number = lines[line].0;
        let side = if new { &row.new } else { &row.old };
        if let Some((name, declaration)) = side {
            let start = declaration.offset_bits / 8;
            let end = (declaration.offset_bits + declaration.size_bits).div_ceil(8);
            if end > start && start < total {
                fields.push((start, end.min(total), name, row.kind, number));
            }
        }
    }
    fields.sort_by_key(|field| (field.0, field.4));
    let mut runs: Vec<Run> = Vec::new();
    let mut end = 0;
    let hole = |start, end| Run {
        start,
        end,
        names: Vec::new(),
        kind: None,
        row: None,
    };
    for (start, stop, name, kind, row) in fields {
        if start > end {
            runs.push(hole(end, start));
        }
        match runs.last_mut() {
            // Bit-fields, or members of a union, in the same bytes.
            Some(last) if start < end => {
                last.end = last.end.max(stop);
                last.names.push(name.to_owned());
                last.kind = last.kind.or(kind);
            }
            _ => runs.push(Run {
                start,
                end: stop,
                names: vec![name.to_owned()],
                kind,
                row: Some(row),
            }),
        }
        end = end.max(stop);
    }
    if total > end {
        runs.push(hole(end, total));
    }
    runs
}

fn place(declaration: &Declaration) -> String {
    match declaration.offset_bits % 8 {
        0 => (declaration.offset_bits / 8).to_string(),
        bit => format!("{}:{bit}", declaration.offset_bits / 8),
    }
}

fn size(declaration: &Declaration) -> String {
    match declaration.size_bits % 8 {
        0 => (declaration.size_bits / 8).to_string(),
        _ => format!("{} bits", declaration.size_bits),
    }
}

fn class(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Renamed) => "renamed",
        Some(kind) => kind.name(),
        None => "same",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
