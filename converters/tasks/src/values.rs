//! What the resources and address spaces of an image say, as values to show.

use kconv_image::{AddressSpace, PAGE_SIZE, Resource, Value};
use kconv_resources::any;

/// The path of a file resource.
pub(crate) fn path_of(resource: &Resource) -> Option<String> {
    any::path(resource).map(str::to_owned)
}

/// Number of saved pages from `start` to `end`.
pub(crate) fn present(space: &AddressSpace, start: u64, end: u64) -> u64 {
    let after = space.runs.partition_point(|run| run.start.0 < end);
    space.runs[..after]
        .iter()
        .rev()
        .map(|run| {
            let run_end = run.start.0 + run.pages * PAGE_SIZE;
            run_end.min(end).saturating_sub(run.start.0.max(start)) / PAGE_SIZE
        })
        .take_while(|pages| *pages > 0)
        .sum()
}

/// A resource's or a fact's value as JSON.
pub(crate) fn value_json(value: &Value) -> serde_json::Value {
    use serde_json::json;
    match value {
        Value::Unsigned(number) => json!(number),
        Value::Signed(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        Value::Object(id) => json!({ "object": id.0 }),
        Value::Resource(id) => json!({ "resource": id.0 }),
        Value::List(values) => values.iter().map(value_json).collect(),
    }
}
