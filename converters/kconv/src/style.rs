//! The few colours there are.

pub(crate) use kconv_tasks::style::{FAINT, HEADING};

use anstyle::{AnsiColor, Style};
use std::io::Write;

/// An error's first word.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// A warning's first word.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Advice.
pub(crate) const ADVICE: Style = AnsiColor::Cyan.on_default();

/// Says what is no reason to stop.
pub(crate) fn warn(text: &impl std::fmt::Display) {
    let word = WARNING;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(anstream::stderr(), "{word}warning{word:#}: {text}");
}
