//! What is asked of a resource whatever the kernel family is: how it is shown.

use kconv_image::{Resource, Value};

/// The path of a resource that has one.
pub fn path(resource: &Resource) -> Option<&str> {
    match resource.get("path")? {
        Value::Text(path) => Some(path),
        _ => None,
    }
}

/// What a resource is shown by: its path, or its kind.
pub fn name(resource: &Resource) -> &str {
    path(resource).unwrap_or(&resource.kind)
}
