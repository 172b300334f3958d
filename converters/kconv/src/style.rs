//! The few colours there are.

use anstyle::{AnsiColor, Style};

/// An error's first word.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// A warning's first word.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Advice.
pub(crate) const ADVICE: Style = AnsiColor::Cyan.on_default();
/// A heading.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();
