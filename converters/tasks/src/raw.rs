//! Every field of an object as a tree, by name.

use crate::view::{View, symbol_text};
use kconv_image::{ObjectId, Resource, SlotTarget};
use kconv_objects::number_at;
use kconv_resources::any;
use kernel_structs::layout::{Composite, CompositeKind, Resolved, Type, TypeId};
use kernel_structs::units::BitOffset;
use serde_json::{Map, Value, json};
use std::io::Write;

/// An object: where it is, what it is, and its fields.
pub fn object(view: &View<'_>, id: ObjectId) -> Value {
    let object = view.objects.head().object(id);
    let name = view.objects.type_name(id);
    let element_size = object.size / u64::from(object.count.max(1));
    let fields = if object.count == 1 {
        element(view, id, name, 0)
    } else {
        (0..u64::from(object.count))
            .map(|index| element(view, id, name, index * element_size))
            .collect()
    };
    let mut shown = json!({
        "type": name,
        "address": hex(object.address.0),
        "size": object.size,
        "owner": hex(view.objects.head().object(object.owner).address.0),
    });
    if object.count != 1 {
        shown["count"] = json!(object.count);
    }
    if object.home != object.address {
        shown["home"] = json!(hex(object.home.0));
    }
    shown["fields"] = fields;
    shown
}

/// One element of an object, which begins `offset` bytes into it.
fn element(view: &View<'_>, id: ObjectId, name: &str, offset: u64) -> Value {
    let bit = BitOffset(8 * offset);
    match view.objects.ty(id) {
        Some(ty) => {
            let mut fields = value(view, id, ty, bit, None);
            if let (Some(tail), Value::Object(fields)) = (view.tail(id), &mut fields) {
                let room = view.objects.bytes(id).len() as u64 / tail.place.element_size.max(1);
                let start = BitOffset(8 * tail.place.offset);
                let elements = tail.elements.min(room);
                let shown = array(view, id, tail.place.element, elements, start);
                fields.insert(tail.member.to_owned(), shown);
            }
            fields
        }
        // An array of pointers or of words has no type of that name in the layout.
        None if name.ends_with('*') => pointer(view, id, offset),
        None => {
            let bytes = view.objects.bytes(id);
            let word = bytes.get(offset as usize..).unwrap_or_default();
            let size = usize::from(view.objects.layout().target().pointer_size).min(word.len());
            json!(
                word[..size]
                    .iter()
                    .rev()
                    .fold(0u64, |n, b| n << 8 | u64::from(*b))
            )
        }
    }
}

fn value(
    view: &View<'_>,
    id: ObjectId,
    ty: TypeId,
    offset: BitOffset,
    bit_field: Option<kernel_structs::units::BitSize>,
) -> Value {
    let layout = view.objects.layout();
    match layout.get(layout.strip(ty)) {
        Type::Composite(composite) => fields(view, id, composite, offset),
        Type::Array { element, count } => array(view, id, *element, *count, offset),
        Type::Pointer { .. } => pointer(view, id, offset.byte().0),
        Type::Enum(e) => {
            let number = scalar(view, id, ty, offset, bit_field);
            let named = e
                .enumerators
                .iter()
                .find(|(_, value)| Some(*value) == number);
            match (named, number) {
                (Some((name, _)), _) => json!(name),
                (None, number) => number_json(number),
            }
        }
        _ => number_json(scalar(view, id, ty, offset, bit_field)),
    }
}

fn scalar(
    view: &View<'_>,
    id: ObjectId,
    ty: TypeId,
    offset: BitOffset,
    bit_field: Option<kernel_structs::units::BitSize>,
) -> Option<i128> {
    let field = Resolved {
        ty,
        offset,
        bit_field,
    };
    number_at(view.objects.names(), view.objects.bytes(id), field)
}

fn number_json(number: Option<i128>) -> Value {
    match number {
        None => Value::Null,
        Some(number) => match (u64::try_from(number), i64::try_from(number)) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            _ => json!(number.to_string()),
        },
    }
}

fn fields(view: &View<'_>, id: ObjectId, composite: &Composite, start: BitOffset) -> Value {
    let mut map = Map::new();
    add_fields(view, id, composite, start, &mut map);
    Value::Object(map)
}

fn add_fields(
    view: &View<'_>,
    id: ObjectId,
    composite: &Composite,
    start: BitOffset,
    map: &mut Map<String, Value>,
) {
    for member in &composite.members {
        let Some(offset) = start.checked_add(member.offset) else {
            continue;
        };
        if !begins_in(view, id, offset) {
            continue;
        }
        let inner = view
            .objects
            .layout()
            .get(view.objects.layout().strip(member.ty));
        match (&member.name, inner) {
            (Some(name), _) => {
                let shown = value(view, id, member.ty, offset, member.bit_field);
                map.insert(name.clone(), shown);
            }
            (None, Type::Composite(inner)) => add_fields(view, id, inner, offset, map),
            (None, _) => {}
        }
    }
    if composite.kind == CompositeKind::Union && composite.members.is_empty() {
        map.insert(String::from("(empty)"), Value::Null);
    }
}

fn array(view: &View<'_>, id: ObjectId, element: TypeId, count: u64, start: BitOffset) -> Value {
    let layout = view.objects.layout();
    let size = layout.size_of(element).map_or(0, |size| size.0);
    if let Type::Int(int) = layout.get(layout.strip(element))
        && int.character
    {
        let first = start.byte().0 as usize;
        let bytes = view
            .objects
            .bytes(id)
            .get(first..first + (count * size) as usize);
        let text = bytes.unwrap_or_default();
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        return json!(text.escape_ascii().to_string());
    }
    (0..count)
        .map_while(|index| start.checked_add(BitOffset(8 * index * size)))
        .take_while(|offset| begins_in(view, id, *offset))
        .map(|offset| value(view, id, element, offset, None))
        .collect()
}

/// Whether what is at `offset` begins in the object. What is behind the end of one that is shorter than its type is
/// not shown: a line for each field of that would be much more than what the image has.
fn begins_in(view: &View<'_>, id: ObjectId, offset: BitOffset) -> bool {
    offset.byte().0 < view.objects.bytes(id).len() as u64
}

/// A pointer: its number, and what it means.
fn pointer(view: &View<'_>, id: ObjectId, offset: u64) -> Value {
    let size = usize::from(view.objects.layout().target().pointer_size);
    let bytes = view
        .objects
        .bytes(id)
        .get(offset as usize..)
        .unwrap_or_default();
    let bytes = &bytes[..size.min(bytes.len())];
    let number = bytes
        .iter()
        .rev()
        .fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    match view.objects.slot(id, offset) {
        Some(SlotTarget::Symbol(symbol)) => {
            let symbol = &view.objects.head().symbols[symbol.0 as usize];
            json!({ "symbol": symbol_text(symbol), "value": hex(number) })
        }
        Some(SlotTarget::Resource(resource)) => {
            let named = view.objects.head().resources.get(resource.0 as usize);
            let named = named.map(resource_text);
            json!({ "resource": resource.0, "named": named, "value": hex(number) })
        }
        None => match view.objects.object_at(number) {
            Some((target, 0)) => {
                json!({ "to": view.objects.type_name(target), "value": hex(number) })
            }
            Some((target, into)) => json!({
                "to": format!("{}+{into}", view.objects.type_name(target)),
                "value": hex(number),
            }),
            None => json!(hex(number)),
        },
    }
}

/// A resource in a few words: its kind, and its path if it has one.
fn resource_text(resource: &Resource) -> String {
    match any::path(resource) {
        Some(path) => format!("{} {path}", resource.kind),
        None => resource.kind.clone(),
    }
}

/// An address as people write it.
pub(crate) fn hex(number: u64) -> String {
    format!("{number:#x}")
}

/// Writes an object as text, of which [`object`] is the JSON.
///
/// # Errors
/// If it cannot be written.
pub fn write_object(out: &mut impl Write, object: &Value) -> std::io::Result<()> {
    let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
    writeln!(
        out,
        "{} at {} ({} bytes)",
        text("type"),
        text("address"),
        object["size"]
    )?;
    tree(out, &object["fields"], 1)
}

/// Prints fields one a line, nested ones indented.
fn tree(out: &mut impl Write, fields: &Value, depth: usize) -> std::io::Result<()> {
    let indent = "  ".repeat(depth);
    let Value::Object(map) = fields else {
        return writeln!(out, "{indent}{}", leaf(fields));
    };
    for (name, value) in map {
        match value {
            Value::Object(inner) if !inner.contains_key("value") => {
                writeln!(out, "{indent}{name}")?;
                tree(out, value, depth + 1)?;
            }
            Value::Array(elements) if elements.iter().any(Value::is_object) => {
                for (index, element) in elements.iter().enumerate() {
                    match element {
                        Value::Object(inner) if !inner.contains_key("value") => {
                            writeln!(out, "{indent}{name}[{index}]")?;
                            tree(out, element, depth + 1)?;
                        }
                        element => writeln!(out, "{indent}{name}[{index}] = {}", leaf(element))?,
                    }
                }
            }
            value => writeln!(out, "{indent}{name} = {}", leaf(value))?,
        }
    }
    Ok(())
}

/// One value: a pointer with what it means behind its number.
fn leaf(value: &Value) -> String {
    let Value::Object(pointer) = value else {
        return match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
    };
    let number = pointer["value"].as_str().unwrap_or_default();
    let meaning = ["symbol", "to", "named"]
        .into_iter()
        .find_map(|key| pointer.get(key)?.as_str())
        .unwrap_or("?");
    format!("{number} ({meaning})")
}
