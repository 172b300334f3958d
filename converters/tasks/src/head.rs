//! What an image says beside its tasks.

use crate::values::value_json;
use crate::view::{View, symbol_text};
use serde_json::{Value, json};

/// All that an image says beside its tasks.
pub fn image(view: &View<'_>) -> Value {
    let head = view.objects.head();
    let identity = &head.identity;
    let kernel = |kernel: &kconv_image::KernelId| {
        json!({
            "release": kernel.release,
            "layout": kernel.layout,
            "fingerprint": kernel.fingerprint.to_string(),
            "build_id": value_json(&kconv_image::Value::Bytes(kernel.build_id.clone())),
        })
    };
    let facts: serde_json::Map<_, _> = head
        .facts
        .iter()
        .map(|(name, value)| (name.clone(), value_json(value)))
        .collect();
    let resources: Vec<_> = head
        .resources
        .iter()
        .map(|resource| {
            let attributes: serde_json::Map<_, _> = resource
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), value_json(value)))
                .collect();
            json!({ "kind": resource.kind, "attributes": attributes })
        })
        .collect();
    let provenance: Vec<_> = head
        .provenance
        .iter()
        .zip(0..)
        .map(|(step, number)| {
            let kept = head.remainder.iter().filter(|kept| kept.step == number);
            json!({
                "converter": step.converter,
                "tool": step.version,
                "from": kernel(&step.from),
                "to": kernel(&step.to),
                "objects": step.objects,
                "fields": step.fields,
                "kept": step.kept,
                "restored": step.restored,
                "remainder": kept.count(),
                "signers": step.signers,
            })
        })
        .collect();
    json!({
        "image": {
            "family": identity.family,
            "machine": identity.machine.name(),
            "kernel": kernel(&identity.kernel),
            "origin": kernel(&identity.origin),
            "fingerprint": identity.kernel.fingerprint.to_string(),
        },
        "clocks": {
            "hz": head.clocks.hz,
            "jiffies": head.clocks.jiffies,
            "realtime_seconds": head.clocks.realtime_seconds,
            "realtime_nanoseconds": head.clocks.realtime_nanoseconds,
            "boottime_nanoseconds": head.clocks.boottime_nanoseconds,
        },
        "facts": facts,
        "symbols": head.symbols.iter().map(symbol_text).collect::<Vec<_>>(),
        "resources": resources,
        "remainder": head.remainder.len(),
        "provenance": provenance,
    })
}
