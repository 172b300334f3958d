//! What is done with one field, in code and as a rule.

use crate::plan::padding_path;
use proc_macro2::TokenStream;

/// What is done with one field: a line of code, and the rule that it carries out. Entries with
/// equal text are the same wherever they stand.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Whether it has to come before all others that are not.
    pub(super) first: bool,
    /// Name of the field.
    pub(super) field: String,
    /// Comment above the line.
    pub(super) comment: String,
    /// The line; empty if the rule needs none.
    pub(super) code: TokenStream,
    /// The rule, as Rust; empty for a line that prepares others.
    pub(super) rule: String,
    /// Whether it is the flexible array that an object ends in, whose elements are no line's matter.
    pub(super) is_tail: bool,
    /// All of it in writing.
    pub(super) text: String,
}

impl Entry {
    /// Whether it is about bytes between members.
    pub(super) fn is_padding(&self) -> bool {
        self.field == padding_path().to_string()
    }

    pub(super) fn new(
        first: bool,
        field: String,
        comment: String,
        code: TokenStream,
        rule: String,
    ) -> Entry {
        let text = format!("{first} // {comment}\n{code}\n{rule}");
        Entry {
            first,
            field,
            comment,
            code,
            rule,
            is_tail: false,
            text,
        }
    }
}
