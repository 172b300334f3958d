//! What bpftool reads of a structure and of all that it contains, held against a layout.

use kernel_structs::layout::{Composite, CompositeKind, EnumType, Layout, Type, TypeId};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// bpftool's reading of a file's BTF, by type id.
pub(crate) struct Dump {
    types: Vec<Value>,
}

impl Dump {
    pub(crate) fn of(btf: &Path) -> Dump {
        // It lies in a folder that is not on everybody's PATH.
        let administrators = PathBuf::from("/usr/sbin/bpftool");
        let program = match administrators.exists() {
            true => administrators,
            false => "bpftool".into(),
        };
        let output = Command::new(program)
            .args(["-j", "btf", "dump", "file"])
            .arg(btf)
            .output()
            .expect("bpftool has to be installed");
        assert!(output.status.success(), "bpftool cannot read the BTF");
        let mut dump: Value = serde_json::from_slice(&output.stdout).unwrap();
        let Value::Array(mut types) = dump["types"].take() else {
            panic!("bpftool dumps no types");
        };
        types.insert(0, serde_json::json!({ "kind": "VOID" }));
        for (id, ty) in types.iter().enumerate().skip(1) {
            assert_eq!(ty["id"], id);
        }
        Dump { types }
    }

    /// Fails if bpftool reads `name`, or anything it contains, otherwise than `layout` has it.
    /// Gives the number of structures, unions and enumerations that were compared.
    pub(crate) fn assert_agrees(&self, layout: &Layout, name: &str) -> usize {
        let ours = layout.require(name).unwrap();
        let is_it = |ty: &&Value| {
            ty["name"] == name && matches!(kind(ty), "STRUCT" | "UNION" | "ENUM" | "TYPEDEF")
        };
        let theirs = self.types.iter().find(is_it).unwrap();
        let mut seen = BTreeSet::new();
        let mut open = vec![(ours, theirs, name.to_owned())];
        let mut compared = 0;
        while let Some((ours, theirs, path)) = open.pop() {
            if !seen.insert((ours, theirs["id"].as_u64())) {
                continue;
            }
            compared += usize::from(matches!(kind(theirs), "STRUCT" | "UNION" | "ENUM"));
            let contained = self.assert_equal(layout, ours, theirs, &path);
            let inside = |(ours, id, inner): (TypeId, &Value, String)| {
                (ours, self.get(id), format!("{path}{inner}"))
            };
            open.extend(contained.into_iter().map(inside));
        }
        compared
    }

    fn get(&self, id: &Value) -> &Value {
        &self.types[usize::try_from(id.as_u64().unwrap()).unwrap()]
    }

    /// Compares one type, and gives those that it contains.
    fn assert_equal<'a>(
        &self,
        layout: &Layout,
        ours: TypeId,
        theirs: &'a Value,
        path: &str,
    ) -> Vec<(TypeId, &'a Value, String)> {
        let mut contained = Vec::new();
        match layout.get(ours) {
            Type::Void => assert_eq!(kind(theirs), "VOID", "{path}"),
            Type::Int(int) => {
                assert_eq!(kind(theirs), "INT", "{path}");
                assert_eq!(theirs["name"], int.name, "{path}");
                assert_eq!(theirs["size"], int.size.0, "{path}");
                let signed = theirs["encoding"] == "SIGNED";
                assert_eq!(signed, int.signed, "{path}");
            }
            Type::Float { name, size } => {
                assert_eq!(kind(theirs), "FLOAT", "{path}");
                assert_eq!(theirs["name"], *name, "{path}");
                assert_eq!(theirs["size"], size.0, "{path}");
            }
            // What a pointer points at is another object.
            Type::Pointer { target } => {
                assert_eq!(kind(theirs), "PTR", "{path}");
                let pointee = self.get(&theirs["type_id"]);
                if let Type::Composite(Composite {
                    name: Some(tag), ..
                }) = layout.get(*target)
                {
                    assert_eq!(pointee["name"], *tag, "{path}");
                }
            }
            Type::Array { element, count } => {
                assert_eq!(kind(theirs), "ARRAY", "{path}");
                assert_eq!(theirs["nr_elems"], *count, "{path}");
                contained.push((*element, &theirs["type_id"], "[]".to_owned()));
            }
            Type::Composite(composite) => {
                let struct_or_union = match composite.kind {
                    CompositeKind::Struct => "STRUCT",
                    CompositeKind::Union => "UNION",
                };
                assert_eq!(kind(theirs), struct_or_union, "{path}");
                assert_eq!(theirs["name"], named(&composite.name), "{path}");
                assert_eq!(theirs["size"], composite.size.0, "{path}");
                let members = theirs["members"].as_array().unwrap();
                assert_eq!(members.len(), composite.members.len(), "{path}");
                for (theirs, ours) in members.iter().zip(&composite.members) {
                    let path = format!("{path}.{}", named(&ours.name));
                    assert_eq!(theirs["name"], named(&ours.name), "{path}");
                    assert_eq!(theirs["bits_offset"], ours.offset.0, "{path}");
                    let width = theirs["bitfield_size"].as_u64().filter(|width| *width != 0);
                    assert_eq!(width, ours.bit_field.map(|width| width.0), "{path}");
                    let inner = format!(".{}", named(&ours.name));
                    contained.push((ours.ty, &theirs["type_id"], inner));
                }
            }
            Type::Enum(EnumType {
                name,
                size,
                enumerators,
                ..
            }) => {
                assert!(kind(theirs).starts_with("ENUM"), "{path}");
                assert_eq!(theirs["name"], named(name), "{path}");
                assert_eq!(theirs["size"], size.0, "{path}");
                let values = theirs["values"].as_array().unwrap();
                let values = values.iter().map(|value| {
                    let number = value["val"].as_i64().map(i128::from);
                    let number = number.or(value["val"].as_u64().map(i128::from));
                    (value["name"].as_str().unwrap(), number.unwrap())
                });
                let ours = enumerators
                    .iter()
                    .map(|(name, value)| (name.as_str(), *value));
                assert!(values.eq(ours), "{path}");
            }
            Type::Typedef { name, target } => {
                assert_eq!(kind(theirs), "TYPEDEF", "{path}");
                assert_eq!(theirs["name"], *name, "{path}");
                contained.push((*target, &theirs["type_id"], String::new()));
            }
            Type::Qualified { target, .. } => {
                let qualified = ["CONST", "VOLATILE", "RESTRICT", "TYPE_TAG"];
                assert!(qualified.contains(&kind(theirs)), "{path}: {theirs}");
                contained.push((*target, &theirs["type_id"], String::new()));
            }
            Type::Forward { name, .. } => {
                assert_eq!(kind(theirs), "FWD", "{path}");
                assert_eq!(theirs["name"], *name, "{path}");
            }
            Type::FunctionProto { .. } => assert_eq!(kind(theirs), "FUNC_PROTO", "{path}"),
        }
        contained
    }
}

fn kind(ty: &Value) -> &str {
    ty["kind"].as_str().unwrap()
}

/// bpftool's word for a type or a member without a name.
fn named(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or("(anon)")
}
