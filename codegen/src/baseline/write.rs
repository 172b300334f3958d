//! Baselines as text.

use super::{Baseline, HEAD};
use kernel_structs::layout::{Composite, EnumType, Layout, Qualifier, Type, TypeId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

// Writing to a string cannot fail; results of `write!` are ignored in this file.

/// The text of a baseline.
pub fn write(baseline: &Baseline) -> String {
    let layout = &baseline.layout;
    let mut text = format!(
        "{HEAD}\nfamily {}\npointer {}\nsource {}\n",
        baseline.family,
        layout.target().pointer_size,
        baseline.source
    );
    for name in &baseline.lacks {
        let _ = writeln!(text, "lacks {name}");
    }
    for accepted in &baseline.accepted {
        let _ = writeln!(
            text,
            "accepted {} {} {} {}: {}",
            accepted.day, accepted.id, accepted.kind, accepted.subject, accepted.reason
        );
    }
    let writer = Writer {
        layout,
        names: names(layout),
    };
    for block in writer.blocks() {
        text.push('\n');
        text.push_str(&block);
    }
    text
}

struct Writer<'a> {
    layout: &'a Layout,
    /// How the types are called that are described by themselves.
    names: BTreeMap<TypeId, String>,
}

/// The words for structures, unions, enumerations and typedefs with names. Of several different ones
/// with one name the second is `name#2`.
fn names(layout: &Layout) -> BTreeMap<TypeId, String> {
    let mut known: BTreeMap<(&str, &str), Vec<(String, TypeId)>> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (id, ty) in layout.types() {
        let (keyword, name) = match ty {
            Type::Composite(Composite {
                kind,
                name: Some(name),
                ..
            }) => (kind.keyword(), name),
            Type::Enum(EnumType {
                name: Some(name), ..
            }) => ("enum", name),
            Type::Typedef { name, .. } => ("typedef", name),
            _ => continue,
        };
        let same = known.entry((keyword, name)).or_default();
        let spelt = layout.canonical_type(id);
        let first = same.iter().find(|(other, _)| *other == spelt);
        if let Some((_, first)) = first {
            if let Some(name) = names.get(first).cloned() {
                names.insert(id, name);
            }
            continue;
        }
        same.push((spelt, id));
        let number = match same.len() {
            1 => String::new(),
            number => format!("#{number}"),
        };
        names.insert(id, format!("{name}{number}"));
    }
    names
}

impl Writer<'_> {
    /// Descriptions: numbers, typedefs, then enumerations, structures and unions, each by name.
    fn blocks(&self) -> Vec<String> {
        let (mut numbers, mut typedefs) = (BTreeSet::new(), BTreeMap::new());
        let mut named: BTreeMap<(&str, &str), String> = BTreeMap::new();
        for (id, ty) in self.layout.types() {
            let name = self.names.get(&id).map(String::as_str);
            match (ty, name) {
                (Type::Int(int), _) => {
                    let kind = match (int.boolean, int.character, int.signed) {
                        (true, ..) => "bool",
                        (_, true, true) => "signed character",
                        (_, true, false) => "character",
                        (_, _, true) => "signed",
                        _ => "unsigned",
                    };
                    numbers.insert(format!("int {} {kind}: {}\n", int.size.0, int.name));
                }
                (Type::Float { name, size }, _) => {
                    numbers.insert(format!("float {}: {name}\n", size.0));
                }
                (Type::Typedef { target, .. }, Some(name)) => {
                    let mut text = format!("typedef {name}: ");
                    self.spell(*target, 0, &mut text);
                    typedefs.entry(name).or_insert(text);
                }
                (Type::Composite(composite), Some(name)) => {
                    let keyword = composite.kind.keyword();
                    let mut text = format!("{keyword} {name} {}\n", composite.size.0);
                    self.members(composite, 1, &mut text);
                    named.entry((keyword, name)).or_insert(text);
                }
                (Type::Enum(own), Some(name)) => {
                    let mut text = format!("enum {name} {}\n", head(own));
                    enumerators(own, 1, &mut text);
                    named.entry(("enum", name)).or_insert(text);
                }
                _ => {}
            }
        }
        let lists = [
            numbers.into_iter().collect::<String>(),
            typedefs.into_values().collect(),
        ];
        let lists = lists.into_iter().filter(|list| !list.is_empty());
        lists.chain(named.into_values()).collect()
    }

    /// A type, and its members behind it if it is described where it stands, `depth` levels in.
    fn spell(&self, mut id: TypeId, depth: usize, text: &mut String) {
        loop {
            let name = self.names.get(&id);
            id = match (self.layout.get(id), name) {
                (Type::Void, _) => {
                    text.push_str("void\n");
                    return;
                }
                (Type::Int(int), _) => {
                    let _ = writeln!(text, "{}", int.name);
                    return;
                }
                (Type::Float { name, .. }, _) => {
                    let _ = writeln!(text, "{name}");
                    return;
                }
                (Type::Typedef { target, .. }, None) => *target,
                (Type::Typedef { .. }, Some(name)) => {
                    let _ = writeln!(text, "{name}");
                    return;
                }
                (Type::Forward { kind, name }, _) => {
                    let _ = writeln!(text, "{} {name}", kind.keyword());
                    return;
                }
                (Type::Composite(composite), Some(name)) => {
                    let _ = writeln!(text, "{} {name}", composite.kind.keyword());
                    return;
                }
                (Type::Composite(composite), None) => {
                    let _ = writeln!(text, "{} {}", composite.kind.keyword(), composite.size.0);
                    self.members(composite, depth + 1, text);
                    return;
                }
                (Type::Enum(_), Some(name)) => {
                    let _ = writeln!(text, "enum {name}");
                    return;
                }
                (Type::Enum(own), None) => {
                    let _ = writeln!(text, "enum {}", head(own));
                    enumerators(own, depth + 1, text);
                    return;
                }
                (Type::Pointer { target }, _) => {
                    text.push_str("ptr ");
                    *target
                }
                (Type::Array { element, count }, _) => {
                    let _ = write!(text, "array {count} ");
                    *element
                }
                (Type::Qualified { qualifier, target }, _) => {
                    match qualifier {
                        Qualifier::Const => text.push_str("const "),
                        Qualifier::Volatile => text.push_str("volatile "),
                        Qualifier::Restrict => text.push_str("restrict "),
                        Qualifier::TypeTag(tag) => drop(write!(text, "tag {tag} ")),
                    }
                    *target
                }
                (Type::FunctionProto { returns, .. }, _) => {
                    text.push_str("fn ");
                    *returns
                }
            };
        }
    }

    fn members(&self, composite: &Composite, depth: usize, text: &mut String) {
        for member in &composite.members {
            let _ = write!(text, "{:1$}{2}", "", 2 * depth, member.offset.0);
            if let Some(width) = member.bit_field {
                let _ = write!(text, "+{}", width.0);
            }
            let _ = write!(text, " {}: ", member.name.as_deref().unwrap_or("-"));
            self.spell(member.ty, depth, text);
        }
    }
}

/// Size and sign of an enumeration.
fn head(own: &EnumType) -> String {
    let sign = if own.signed { "signed" } else { "unsigned" };
    format!("{} {sign}", own.size.0)
}

fn enumerators(own: &EnumType, depth: usize, text: &mut String) {
    for (name, value) in &own.enumerators {
        let _ = writeln!(text, "{:1$}{name} = {value}", "", 2 * depth);
    }
}
