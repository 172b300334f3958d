//! A plan as the text of a file: JSON, with a line for each reason, type and field.

use crate::model::Plan;
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io;

/// The text of a plan.
///
/// # Errors
/// None that a plan can cause: that of the serializer is handed on.
pub fn write(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let lines = Lines { arrays: 0 };
    plan.serialize(&mut Serializer::with_formatter(&mut bytes, lines))?;
    bytes.push(b'\n');
    // JSON is UTF-8.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Puts elements of outer arrays on lines of their own, so that two plans can be compared line by line.
struct Lines {
    /// How many arrays are open.
    arrays: usize,
}

/// The elements of arrays in so many others have lines of their own: the fields of types.
const OUTER: usize = 2;

impl Lines {
    fn breaks(&self) -> bool {
        (1..=OUTER).contains(&self.arrays)
    }
}

impl Formatter for Lines {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.arrays += 1;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.arrays -= 1;
        writer.write_all(b"]")
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match self.breaks() {
            true => writer.write_all(b"\n"),
            false => Ok(()),
        }
    }
}
