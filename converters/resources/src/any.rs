//! What is asked of a resource whatever the kernel family is.

use crate::{Kind, linux6, linux24};
use kconv_image::{Head, Resource, Value};

/// The path of a resource that has one, to show it.
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

/// The name of a controlling terminal of this image, if it is known, and the session whose it is; `None` if the
/// resource is another.
pub fn terminal(head: &Head, resource: &Resource) -> Option<(String, i64)> {
    match head.identity.family.as_str() {
        linux6::FAMILY => match linux6::Resource::read(resource).ok()? {
            linux6::Resource::Terminal(terminal) => Some((terminal.name, terminal.session)),
            _ => None,
        },
        linux24::FAMILY => match linux24::Resource::read(resource).ok()? {
            linux24::Resource::Terminal(terminal) => Some((terminal.name?, terminal.session)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether this image has what is in a file for the programs that have it mapped.
pub fn is_kept(head: &Head, resource: &Resource) -> bool {
    head.identity.family == linux6::FAMILY
        && matches!(
            linux6::Resource::read(resource),
            Ok(linux6::Resource::File(file)) if file.is_kept()
        )
}
