//! What pahole prints of a structure, held against a layout.

use kernel_structs::layout::{Composite, Layout, Type};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Offset in bits and width of a bit-field, by name; members of anonymous members included.
type Members = BTreeMap<String, (u64, Option<u64>)>;

/// Fails if pahole reads another size, or other members at other places, than `layout` has of one
/// of the structures `names`.
pub(crate) fn assert_agrees(btf: &Path, layout: &Layout, names: &[String]) {
    let output = Command::new("pahole")
        .args(["-F", "btf", "-C", &names.join(",")])
        .arg(btf)
        .output()
        .expect("pahole has to be installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut shown = BTreeMap::new();
    let mut block = String::new();
    for line in text.lines() {
        block += line;
        block.push('\n');
        // Only the last line of a structure begins with its brace.
        if line.starts_with('}') {
            let name = block.split_whitespace().nth(1).unwrap().to_owned();
            shown.insert(name, std::mem::take(&mut block));
        }
    }
    for name in names {
        let (_, composite) = layout
            .composite(name)
            .unwrap_or_else(|| panic!("{name} is no structure, or ambiguous"));
        let text = shown
            .get(name)
            .unwrap_or_else(|| panic!("pahole does not show {name}"));
        let size = format!("size: {},", composite.size);
        assert!(text.contains(&size), "{name}: not {size}\n{text}");
        let mut members = Members::new();
        collect(layout, composite, 0, &mut members);
        assert_eq!(printed(text), members, "{name}\n{text}");
    }
}

/// Members as pahole prints them, whose named members without a tag it prints in full:
///
/// ```text
///         unsigned int               in_execve:1;          /*  1112: 1  4 */
///         struct {
///                 int                x;                    /*    16     4 */
///         } y;                                             /*    16     8 */
/// ```
fn printed(text: &str) -> Members {
    let mut members = Members::new();
    // Where the members named inside an untagged structure begin to be its own.
    let mut open: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let code = line.trim();
        if code.starts_with("/*") || code.is_empty() {
            continue;
        }
        if code.split("/*").next().unwrap().trim_end().ends_with('{') {
            open.push(Vec::new());
            continue;
        }
        let Some((declaration, comment)) = code.split_once("/*") else {
            continue;
        };
        let closes = declaration.starts_with('}');
        let inner = if closes {
            open.pop().unwrap()
        } else {
            Vec::new()
        };
        let Some(name) = name(declaration) else {
            // An anonymous one: its members are those of what is around it.
            open.last_mut().unwrap().extend(inner);
            continue;
        };
        for name in inner {
            members.remove(&name);
        }
        let mut numbers = comment
            .split(|c: char| !c.is_ascii_digit())
            .filter(|n| !n.is_empty());
        let mut number = || numbers.next().and_then(|n| n.parse::<u64>().ok());
        let byte = number().unwrap();
        let width = declaration
            .rsplit_once(':')
            .filter(|_| !declaration.contains('('))
            .map(|(_, width)| width.trim().trim_end_matches(';').parse().unwrap());
        let bit = match width {
            Some(_) => number().unwrap(),
            None => 0,
        };
        members.insert(name.clone(), (byte * 8 + bit, width));
        if let Some(around) = open.last_mut() {
            around.push(name);
        }
    }
    members
}

/// The name that a declaration declares; `None` for an anonymous member.
fn name(declaration: &str) -> Option<String> {
    let declaration = declaration.split("__attribute__").next()?.trim_end();
    let declarator = match declaration.split_once("(*") {
        Some((_, pointer)) => pointer.split([')', '[']).next()?,
        None => declaration.split([':', ';', '[']).next()?,
    };
    let name = declarator
        .rsplit(|c: char| c.is_whitespace() || c == '*' || c == '}')
        .next()?;
    Some(name.to_owned()).filter(|name| !name.is_empty())
}

fn collect(layout: &Layout, composite: &Composite, base: u64, members: &mut Members) {
    for member in &composite.members {
        let offset = base + member.offset.0;
        match (&member.name, layout.get(layout.strip(member.ty))) {
            (Some(name), _) => {
                let width = member.bit_field.map(|width| width.0);
                members.insert(name.clone(), (offset, width));
            }
            (None, Type::Composite(inner)) => collect(layout, inner, offset, members),
            _ => {}
        }
    }
}
