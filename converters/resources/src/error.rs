//! Why a resource cannot be understood.

use kconv_image::{Escaped, Resource, Value};
use std::fmt;

/// What helps whoever has an image with a resource that cannot be understood.
pub const ADVICE: &str = "freeze the tasks again with this version of kconv";

/// Why a resource, or what is known of the machine, cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: found {found}, expected {expected}")]
pub struct ResourceError {
    /// The resource: its kind, and its path or number if it has one.
    pub resource: String,
    /// The attribute that is wrong; `None` if the kind of the resource is.
    pub attribute: Option<String>,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

/// The value of an attribute, whatever it is.
pub(crate) fn attribute<'r>(resource: &'r Resource, name: &str) -> Option<&'r Value> {
    let mut attributes = resource.attributes.iter();
    attributes.find_map(|(key, value)| (key == name).then_some(value))
}

/// How a resource is called: by its path, or by its number.
pub(crate) fn name_of(resource: &Resource) -> String {
    let kind = &resource.kind;
    match (attribute(resource, "path"), attribute(resource, "inode")) {
        (Some(Value::Text(path)), _) => format!("{} {}", Escaped(kind), Escaped(path)),
        (_, Some(Value::Unsigned(number))) => format!("{} {number}", Escaped(kind)),
        _ => Escaped(kind).to_string(),
    }
}

/// A value in words.
pub(crate) struct Found<'v>(pub(crate) &'v Value);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The most of a text that is shown.
        const MOST: usize = 60;
        match self.0 {
            Value::Unsigned(number) => write!(f, "the unsigned number {number}"),
            Value::Signed(number) => write!(f, "the signed number {number}"),
            Value::Text(text) => {
                let start: String = text.chars().take(MOST).collect();
                let more = if start.len() < text.len() { "…" } else { "" };
                write!(f, "the text `{}{more}`", Escaped(&start))
            }
            Value::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Value::Object(id) => write!(f, "object {}", id.0),
            Value::Resource(id) => write!(f, "resource {}", id.0),
            Value::List(values) => write!(f, "a list of {}", values.len()),
        }
    }
}
