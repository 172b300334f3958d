//! Attributes of resources.

use kconv_image::{Resource, Value};

/// A number among the attributes of a resource.
pub(crate) fn number(resource: &Resource, name: &str) -> Option<i128> {
    match resource.get(name)? {
        Value::Unsigned(number) => Some(i128::from(*number)),
        Value::Signed(number) => Some(i128::from(*number)),
        _ => None,
    }
}
