//! Initial values, and where a value of a type is at a symbol of the kernel image when nothing has
//! happened to it yet.

use super::{Declared, Initial, StateMap};
use crate::layout::{Composite, CompositeKind, FieldPath, Layout, Type, TypeId};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A place in the kernel image, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymbolPlace {
    /// Name of the symbol, as `/proc/kallsyms` has it.
    pub name: String,
    /// Bytes past the symbol.
    pub offset: u64,
}

/// A pointer that is at a symbol initially.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolSlot {
    /// The way to it from the value; empty for the value itself.
    pub path: String,
    /// In bytes from the start of the value.
    pub offset: u64,
    /// The symbol.
    pub symbol: SymbolPlace,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSymbol {
    symbol: String,
    #[serde(default)]
    offset: u64,
}

impl SymbolPlace {
    /// Reads `{ symbol = "name" }`, perhaps with an `offset`; `None` if `table` is anything else, or
    /// the name is none that a symbol can have.
    pub fn read(table: &toml::Table) -> Option<SymbolPlace> {
        let raw: RawSymbol = table.clone().try_into().ok()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        let named = !raw.symbol.is_empty() && raw.symbol.chars().all(is_name);
        named.then_some(SymbolPlace {
            name: raw.symbol,
            offset: raw.offset,
        })
    }
}

impl fmt::Display for SymbolPlace {
    /// As it is written in a listing: `name`, or `name+0x8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => f.write_str(&self.name),
            offset => write!(f, "{}+{offset:#x}", self.name),
        }
    }
}

impl Declared {
    /// The value under `layout`; `None` if that lacks the member, or declares it in another way
    /// than any that is known.
    pub fn under(&self, layout: &Layout) -> Option<&Initial> {
        let ty = self.ty(layout)?;
        let perhaps = || self.values.get(&format!("{ty}?"));
        self.values.get(&ty).or_else(perhaps)
    }

    /// As what `layout` declares the member, as C writes it; `None` if it lacks that.
    pub(super) fn ty(&self, layout: &Layout) -> Option<String> {
        let (ty, member) = self.member.split_once('.')?;
        let member = FieldPath::parse(member).ok()?;
        let found = layout.lookup(layout.find(ty)?, &member)?;
        Some(layout.type_name(found.ty))
    }
}

impl Initial {
    /// What this, said of a structure, says of its member `name`. An unnamed union goes by its
    /// first member: `union_lru`.
    pub fn of_member(&self, name: &str) -> Initial {
        let Initial::Members(members) = self else {
            return self.clone();
        };
        let first = name.strip_prefix("union_");
        let mut names = [Some(name), first].into_iter().flatten();
        let said = names.find_map(|name| {
            let perhaps = || members.get(&format!("{name}?"));
            members.get(name).or_else(perhaps)
        });
        if let Some(said) = said {
            return said.clone();
        }
        let prefix = format!("{name}.");
        let inner: BTreeMap<String, Initial> = members
            .iter()
            .filter_map(|(path, said)| Some((path.strip_prefix(&prefix)?.to_owned(), said.clone())))
            .collect();
        match inner.is_empty() {
            true => Initial::Default,
            false => Initial::Members(inner),
        }
    }
}

impl StateMap {
    /// The pointers in a value of type `ty` that are at a symbol if the value is `initial`, by
    /// ascending offset of the members they are in.
    ///
    /// Only a pointer, or an integer as large as one, can be at a symbol; that a map says it of
    /// something else is for the plan to refuse.
    pub fn symbol_slots(&self, layout: &Layout, ty: TypeId, initial: &Initial) -> Vec<SymbolSlot> {
        let mut found = Vec::new();
        self.find_slots(layout, ty, initial, (String::new(), 0), &mut found);
        found
    }

    fn find_slots(
        &self,
        layout: &Layout,
        ty: TypeId,
        initial: &Initial,
        (path, offset): (String, u64),
        found: &mut Vec<SymbolSlot>,
    ) {
        let own;
        let initial = match initial {
            Initial::Default => {
                own = self.initial(layout, ty);
                &own
            }
            // How a layout without a value declares the member is for the plan to refuse.
            Initial::Declared(declared) => match declared.under(layout) {
                Some(said) => said,
                None => return,
            },
            said => said,
        };
        let size = |ty: TypeId| layout.size_of(ty).map_or(0, |size| size.0);
        match (layout.get(layout.strip(ty)), initial) {
            (Type::Pointer { .. } | Type::Int(_), Initial::Symbol(symbol))
                if size(ty) == u64::from(layout.target().pointer_size) =>
            {
                found.push(SymbolSlot {
                    path,
                    offset,
                    symbol: symbol.clone(),
                });
            }
            (Type::Composite(composite), Initial::Default | Initial::Members(_))
                if composite.kind == CompositeKind::Struct =>
            {
                self.find_in_members(layout, composite, initial, (&path, offset), found);
            }
            (Type::Array { element, count }, Initial::Default) if has_members(layout, *element) => {
                for index in 0..*count {
                    let at = (format!("{path}[{index}]"), offset + index * size(*element));
                    self.find_slots(layout, *element, initial, at, found);
                }
            }
            _ => {}
        }
    }

    fn find_in_members(
        &self,
        layout: &Layout,
        composite: &Composite,
        initial: &Initial,
        (path, offset): (&str, u64),
        found: &mut Vec<SymbolSlot>,
    ) {
        for member in composite.members.iter().filter(|m| m.bit_field.is_none()) {
            let at = offset + member.offset.byte().0;
            match (&member.name, layout.get(layout.strip(member.ty))) {
                (Some(name), _) => {
                    let inner = match path {
                        "" => name.clone(),
                        path => format!("{path}.{name}"),
                    };
                    let said = initial.of_member(name);
                    self.find_slots(layout, member.ty, &said, (inner, at), found);
                }
                // Members of an unnamed structure are members of the one around it; what a union
                // is reset to has no pointers.
                (None, Type::Composite(inner)) if inner.kind == CompositeKind::Struct => {
                    self.find_in_members(layout, inner, initial, (path, at), found);
                }
                (None, _) => {}
            }
        }
    }
}

/// Whether values of a type, or the elements of an array of it, have members: a long array of
/// numbers is not looked at one by one.
fn has_members(layout: &Layout, mut ty: TypeId) -> bool {
    loop {
        ty = layout.strip(ty);
        match layout.get(ty) {
            Type::Array { element, .. } => ty = *element,
            Type::Composite(_) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::layout::testing::{I386, int, member, structure, union};
    use crate::layout::{LayoutBuilder, Type};

    /// `struct work { struct { void *func; int n; }; union { void *u; }; }` in
    /// `struct s { struct work one; struct work two[2]; void *plain; void *many[2]; short narrow; }`.
    fn layout() -> (Layout, TypeId) {
        let mut builder = LayoutBuilder::new(I386);
        let number = builder.push(int("int", 4, true));
        let short = builder.push(int("short", 2, true));
        let pointer = builder.push(Type::Pointer {
            target: TypeId::VOID,
        });
        let inner = structure(
            "",
            8,
            vec![member("func", 0, pointer), member("n", 32, number)],
        );
        let inner = builder.push(inner);
        let either = builder.push(union("", 4, vec![member("u", 0, pointer)]));
        let members = vec![member("", 0, inner), member("", 64, either)];
        let work = builder.push(structure("work", 12, members));
        let two = builder.push(Type::Array {
            element: work,
            count: 2,
        });
        let many = builder.push(Type::Array {
            element: pointer,
            count: 2,
        });
        let members = vec![
            member("one", 0, work),
            member("two", 96, two),
            member("plain", 288, pointer),
            member("many", 320, many),
            member("narrow", 384, short),
        ];
        let s = builder.push(structure("s", 52, members));
        (builder.finish().unwrap(), s)
    }

    fn map(types: &str) -> StateMap {
        let head = "family = \"f\"\nmachines = []\n[type.s]\nsaved = true\n";
        StateMap::parse(&format!("{head}{types}")).unwrap()
    }

    fn parsed(initial: &str) -> Result<Initial, String> {
        let rule = format!("[type.x]\npolicy = \"reset\"\ninitial = {initial}\nreason = \"r\"\n");
        let head = "family = \"f\"\nmachines = []\n";
        let map = StateMap::parse(&format!("{head}{rule}")).map_err(|error| error.to_string())?;
        match map.types["x"].rule.as_ref().map(|rule| &rule.policy) {
            Some(super::super::Policy::Reset {
                initial: Some(initial),
                ..
            }) => Ok(initial.clone()),
            other => Err(format!("{other:?}")),
        }
    }

    fn slots(types: &str, initial: &Initial) -> Vec<(String, u64, String)> {
        let (layout, s) = layout();
        let found = map(types).symbol_slots(&layout, s, initial);
        let slots = found.into_iter();
        slots
            .map(|slot| (slot.path, slot.offset, slot.symbol.to_string()))
            .collect()
    }

    fn owned(slots: &[(&str, u64, &str)]) -> Vec<(String, u64, String)> {
        let slots = slots.iter();
        slots
            .map(|(path, offset, symbol)| ((*path).to_owned(), *offset, (*symbol).to_owned()))
            .collect()
    }

    #[test]
    fn a_symbol_is_a_table_of_its_name_and_perhaps_an_offset() {
        let symbol = |name: &str, offset| {
            Ok(Initial::Symbol(SymbolPlace {
                name: name.to_owned(),
                offset,
            }))
        };
        assert_eq!(parsed("{ symbol = \"ops\" }"), symbol("ops", 0));
        assert_eq!(
            parsed("{ symbol = \"ops.cold\", offset = 8 }"),
            symbol("ops.cold", 8)
        );
        // A member may be called so.
        let members = BTreeMap::from([(String::from("symbol"), Initial::Value(1))]);
        assert_eq!(parsed("{ symbol = 1 }"), Ok(Initial::Members(members)));
        for wrong in [
            "{ symbol = \"\" }",
            "{ symbol = \"two words\" }",
            "{ symbol = \"null\" }",
            "{ symbol = \"ops\", offset = -8 }",
            "{ symbol = \"ops\", ofset = 8 }",
            "{ symbol = \"ops\", member = 1 }",
            "{ ops = { symbol = \"ops\", member = 1 } }",
        ] {
            let error = parsed(wrong).unwrap_err();
            assert!(
                error.contains("the name of a symbol of the kernel image"),
                "{wrong}: {error}"
            );
        }
    }

    #[test]
    fn symbols_are_found_by_member_and_by_type() {
        let initial =
            parsed("{ plain = { symbol = \"a\" }, \"one.func\" = { symbol = \"b\", offset = 4 } }");
        assert_eq!(
            slots("", &initial.unwrap()),
            owned(&[("one.func", 0, "b+0x4"), ("plain", 36, "a")])
        );
        let work = "[type.work]\npolicy = \"reset\"\ninitial = { func = { symbol = \"w\" } }\nreason = \"r\"\n";
        assert_eq!(
            slots(work, &Initial::Default),
            owned(&[
                ("one.func", 0, "w"),
                ("two[0].func", 12, "w"),
                ("two[1].func", 24, "w")
            ])
        );
        // What is said of the member counts before what is said of its type.
        let zero = parsed("{ one = \"zero\", two = \"zero\" }").unwrap();
        assert_eq!(slots(work, &zero), []);
    }

    #[test]
    fn only_what_can_hold_an_address_is_at_a_symbol() {
        let initial = parsed(
            "{ narrow = { symbol = \"a\" }, one = { symbol = \"a\" }, many = { symbol = \"a\" } }",
        );
        assert_eq!(slots("", &initial.unwrap()), []);
        // Nor is a member of a union, which is reset as a whole.
        let in_union = parsed("{ \"one.u\" = { symbol = \"a\" } }").unwrap();
        assert_eq!(slots("", &in_union), []);
    }

    #[test]
    fn a_value_follows_from_a_declaration() {
        let (layout, _) = layout();
        let number = |member: &str, ty: &str| {
            let values = [(ty, 3), ("none", 4)].map(|(ty, n)| (ty.to_owned(), Initial::Value(n)));
            let member = member.to_owned();
            let values = values.into();
            Declared { member, values }.under(&layout).cloned()
        };
        assert_eq!(number("s.narrow", "short"), Some(Initial::Value(3)));
        assert_eq!(number("work.n", "int"), Some(Initial::Value(3)));
        assert_eq!(number("s.narrow", "int"), None);
        for missing in ["s.none", "t.narrow", "narrow"] {
            assert_eq!(number(missing, "short"), None);
        }
    }

    #[test]
    fn a_symbol_may_follow_from_a_declaration() {
        let initial = |ty: &str| {
            parsed(&format!(
                "{{ plain = {{ declared = \"s.narrow\", as = {{ {ty} = {{ symbol = \"a\" }} }} }} }}"
            ))
            .unwrap()
        };
        assert_eq!(slots("", &initial("short")), owned(&[("plain", 36, "a")]));
        assert_eq!(slots("", &initial("int")), []);
    }
}
