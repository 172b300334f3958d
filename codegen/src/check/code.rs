//! Changed lines of watched functions: which saved fields and watched constants they name.

use super::change::{Change, Kind, Shown};
use super::compare::change;
use super::item::CodeLine;
use super::lex::is_name;
use super::saved::Saved;
use kernel_structs::layout::Type;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The changes in watched functions of one file. A field is named with its structure where the
/// declaration of the variable tells that; else with every saved structure that has such a field.
pub(super) fn code(
    old: &[CodeLine],
    new: &[CodeLine],
    saved: &Saved<'_>,
    file: &str,
) -> Vec<Change> {
    // A line that only moved is none.
    let mut count: BTreeMap<&str, i64> = BTreeMap::new();
    for line in new {
        *count.entry(&line.text).or_default() += 1;
    }
    for line in old {
        *count.entry(&line.text).or_default() -= 1;
    }
    let mut found: BTreeMap<(String, String), Change> = BTreeMap::new();
    let old = old.iter().map(|line| (line, false));
    for (line, is_new) in old.chain(new.iter().map(|line| (line, true))) {
        let left = count.get(line.text.as_str()).copied().unwrap_or(0);
        if left == 0 || (left > 0) != is_new {
            continue;
        }
        for (ty, field, detail) in names(line, saved) {
            let key = (line.function.clone(), format!("{ty}.{field}"));
            let entry = found.entry(key).or_insert_with(|| Change {
                detail: match line.function.as_str() {
                    "" => format!("in a function whose name the heading cuts off{detail}"),
                    function => format!("in {function}{detail}"),
                },
                ..change(Kind::Code, &ty, &field, file)
            });
            let side = match is_new {
                true => &mut entry.new,
                false => &mut entry.old,
            };
            if side.is_none() {
                *side = Some(Shown::new(&line.text, &line.place));
            }
        }
    }
    found.into_values().collect()
}

/// The fields that a line names, as type, field and what else there is to say; the watched constants
/// if it names no field.
fn names(line: &CodeLine, saved: &Saved<'_>) -> Vec<(String, String, String)> {
    let tokens: Vec<&str> = line.text.split(' ').collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        // A chain `p -> signal -> flags`, from the variable on.
        let starts = is_name(tokens[at]) && tokens.get(at + 1).is_some_and(|token| is_arrow(token));
        let loose = is_arrow(tokens[at]);
        if !starts && !loose {
            at += 1;
            continue;
        }
        let mut owner = starts.then(|| pointee(tokens[at], line)).flatten();
        at += usize::from(starts);
        while let [arrow, field, ..] = &tokens[at..]
            && is_arrow(arrow)
        {
            at += 2;
            let next = owner.as_deref().map(|ty| saved.pointee_of(ty, field));
            match &owner {
                Some(ty) if saved.is_live_member(ty, field) => {
                    found.push((ty.clone(), (*field).to_owned(), String::new()));
                }
                // It is in a structure that is not saved.
                Some(_) => {}
                None => found.extend(anyones(field, saved)),
            }
            owner = next.flatten();
        }
    }
    if found.is_empty() {
        let constants = tokens.into_iter().filter(|token| is_constant(token, saved));
        found.extend(constants.map(|name| (name.to_owned(), String::new(), String::new())));
    }
    found
}

fn is_arrow(token: &str) -> bool {
    matches!(token, "->" | ".")
}

/// The structure that a variable points at.
fn pointee(name: &str, line: &CodeLine) -> Option<String> {
    // The task that runs (include/asm-generic/current.h).
    let current = (name == "current").then(|| "task_struct".to_owned());
    current.or_else(|| line.pointees.get(name).cloned())
}

/// A field of which the structure is not known: one finding that names all that have it.
fn anyones(field: &str, saved: &Saved<'_>) -> Option<(String, String, String)> {
    let mut all = saved.with_member(field);
    let is_root = |ty: &&str| saved.map.types.get(*ty).is_some_and(|ty| ty.saved);
    // What is saved by itself before what is in something, and of these the largest, which most
    // code is about.
    let members = |ty: &str| saved.get(ty).map_or(0, |saved| saved.members.len());
    all.sort_by_key(|ty| (!is_root(ty), Reverse(members(ty))));
    let (first, others) = all.split_first()?;
    let others: Vec<String> = others.iter().map(|ty| format!("{ty}.{field}")).collect();
    let detail = match others.is_empty() {
        true => String::new(),
        false => format!(", or of {}", others.join(", ")),
    };
    Some(((*first).to_owned(), field.to_owned(), detail))
}

/// Whether `name` is a watched constant: one whose value a stored layout has, or of an entry whose
/// values none has. `PT_LOAD` of an ELF file is no bit of `task_struct.ptrace`.
fn is_constant(name: &str, saved: &Saved<'_>) -> bool {
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let Some(entry) = saved.map.watch.constant(name) else {
        return false;
    };
    name.bytes().all(capital) && (entry.meaning.is_none() || saved.has_constant(name))
}

impl Saved<'_> {
    /// Whether the live type `ty` has a member `field`.
    fn is_live_member(&self, ty: &str, field: &str) -> bool {
        self.with_member(field).contains(&ty)
    }

    /// The structure that the member `field` of `ty` is, or points at.
    fn pointee_of(&self, ty: &str, field: &str) -> Option<String> {
        let (layout, id) = self.member(ty, field).into_iter().next()?;
        let id = match layout.get(layout.strip(id)) {
            Type::Pointer { target } => *target,
            _ => id,
        };
        layout.names(id).last().map(|name| (*name).to_owned())
    }
}
