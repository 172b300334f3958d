//! Macros that stand for declarations: reserved members of vendors' kernels and what takes their
//! place, enumerators, heads of types. Which there are is data, `macros.toml`.

use super::declare::split;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a macro comes to.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Is {
    Declares,
    Uses,
    Replaces,
    Members,
    Enumerator,
    Head,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "macro")]
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    names: Vec<String>,
    is: Is,
    #[serde(default, rename = "as")]
    forms: Vec<String>,
    /// Where a kernel defines it; for people.
    #[serde(rename = "header")]
    _header: String,
}

/// What the macros of one row come to.
struct Meaning {
    is: Is,
    forms: Vec<String>,
}

/// The table by name. It is part of the program, and a test reads it.
static MACROS: LazyLock<BTreeMap<String, Meaning>> = LazyLock::new(|| {
    let table: Result<Table, _> = toml::from_str(include_str!("macros.toml"));
    let mut all = BTreeMap::new();
    for row in table.map(|table| table.rows).unwrap_or_default() {
        for name in row.names {
            let (is, forms) = (row.is, row.forms.clone());
            all.insert(name, Meaning { is, forms });
        }
    }
    all
});

/// What stands in the place of a macro among members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    /// Declarations, as tokens, without a semicolon.
    pub(super) declarations: Vec<Vec<String>>,
    /// The members whose place they take.
    pub(super) takes: Vec<String>,
}

/// Whether `name` is a macro that stands among members.
pub(super) fn declares_members(name: &str) -> bool {
    let row = MACROS.get(name);
    row.is_some_and(|row| !matches!(row.is, Is::Enumerator | Is::Head))
}

/// What stands for `tokens`, a macro among members with its brackets.
pub(super) fn members(tokens: &[&str]) -> Option<Expanded> {
    let (row, arguments) = call(tokens)?;
    let owned = |tokens: &[&str]| tokens.iter().map(|token| (*token).to_owned()).collect();
    let all = |arguments: &[&[&str]]| arguments.iter().map(|argument| owned(argument)).collect();
    let filled = |form: &String| fill(form, &arguments);
    let is_number = |argument: &&&[&str]| {
        argument.len() == 1 && argument[0].bytes().all(|byte| byte.is_ascii_digit())
    };
    Some(match row.is {
        Is::Declares => Expanded {
            declarations: row.forms.iter().map(filled).collect(),
            takes: Vec::new(),
        },
        Is::Uses => {
            let numbers = arguments.iter().take_while(is_number).count();
            let form = row.forms.first()?;
            let taken = arguments[..numbers].iter();
            Expanded {
                takes: taken.map(|number| fill(form, &[number]).concat()).collect(),
                declarations: all(&arguments[numbers..]),
            }
        }
        Is::Replaces => {
            let (old, new) = arguments.split_first()?;
            // `ANDROID_KABI_REPLACE(type, name, new)`: the old declaration in two arguments.
            let old = super::declare::declared(old);
            let named = old.first().filter(|old| !old.name.is_empty());
            let (name, new) = match (named, new) {
                (Some(old), new) => (old.name.clone(), new),
                (None, [name, new @ ..]) => (name.concat(), new),
                (None, []) => return None,
            };
            Expanded {
                takes: vec![name],
                declarations: all(new),
            }
        }
        Is::Members => Expanded {
            declarations: all(&arguments),
            takes: Vec::new(),
        },
        Is::Enumerator | Is::Head => return None,
    })
}

/// The enumerator, as tokens with its value, that stands for a macro among enumerators.
pub(super) fn enumerator(tokens: &[&str]) -> Option<Vec<String>> {
    let (row, arguments) = call(tokens)?;
    let form = row.forms.first().filter(|_| row.is == Is::Enumerator)?;
    Some(fill(form, &arguments))
}

/// Whether `name` is a macro that stands for the head of a type.
pub(super) fn is_head(name: &str) -> bool {
    MACROS.get(name).is_some_and(|row| row.is == Is::Head)
}

/// The keyword and the tag of the type whose head stands in `tokens` as a macro.
pub(super) fn head<'t>(tokens: &[&'t str]) -> Option<(&'static str, &'t str)> {
    let (row, arguments) = call(tokens)?;
    let form = row.forms.first().filter(|_| row.is == Is::Head)?;
    let (keyword, tag) = form.split_once(' ')?;
    let number: usize = tag.trim_matches(['{', '}']).parse().ok()?;
    let argument = arguments.get(number.checked_sub(1)?)?;
    Some((keyword, argument.first()?))
}

/// The row of the macro that `tokens` call, and the arguments.
fn call<'a, 't>(tokens: &'a [&'t str]) -> Option<(&'static Meaning, Vec<&'a [&'t str]>)> {
    let (name, rest) = tokens.split_first()?;
    let inner = rest.strip_prefix(&["("])?.strip_suffix(&[")"])?;
    Some((MACROS.get(*name)?, split(inner)))
}

/// A form with its arguments in, as tokens.
fn fill(form: &str, arguments: &[&[&str]]) -> Vec<String> {
    let mut text = form.to_owned();
    for (at, argument) in arguments.iter().enumerate() {
        text = text.replace(&format!("{{{}}}", at + 1), &argument.join(" "));
    }
    text.split(' ').map(String::from).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn of(text: &str) -> Expanded {
        members(&text.split(' ').collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_table_is_whole() {
        let table: Table = toml::from_str(include_str!("macros.toml")).unwrap();
        let mut names: Vec<&String> = table.rows.iter().flat_map(|row| &row.names).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "one row for each name");
        for row in &table.rows {
            let forms = !matches!(row.is, Is::Replaces | Is::Members);
            assert_eq!(!row.forms.is_empty(), forms, "{:?}", row.names);
        }
    }

    #[test]
    fn macros_come_to_declarations() {
        let used = of("RH_KABI_USE ( 1 , 2 , struct part x )");
        assert_eq!(used.takes, ["rh_reserved1", "rh_reserved2"]);
        assert_eq!(used.declarations, [["struct", "part", "x"]]);
        let two = of("ANDROID_KABI_USE2 ( 3 , int a , int b )");
        assert_eq!(two.takes, ["android_kabi_reserved3"]);
        assert_eq!(two.declarations, [["int", "a"], ["int", "b"]]);
        let old = of("RH_KABI_REPLACE ( unsigned int x , unsigned long y )");
        assert_eq!(
            (old.takes.as_slice(), old.declarations.len()),
            (&["x".to_owned()][..], 1)
        );
        let old = of("ANDROID_KABI_REPLACE ( u32 , x , u64 y )");
        assert_eq!(
            (old.takes.as_slice(), old.declarations.len()),
            (&["x".to_owned()][..], 1)
        );
        let array = of("ANDROID_VENDOR_DATA_ARRAY ( 1 , 64 )");
        assert_eq!(
            array.declarations[0].join(" "),
            "u64 android_vendor_data1 [ 64 ]"
        );
        assert_eq!(members(&["ANOTHER", "(", ")"]), None);
    }
}
