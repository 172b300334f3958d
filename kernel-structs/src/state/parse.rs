//! State maps as TOML. The raw shapes mirror the file; [`parse`] turns them into the model and
//! refuses attributes that do not belong to their policy.

mod walking;

use super::contract::{self, RawContract};
use super::error::{StateError, bad_value, reason};
use super::indexes::{self, RawIndex};
use super::lines::{Lines, line};
use super::refusals::{self, RawRefuse};
use super::watch::{self, RawIgnored, RawWatched};
use super::{
    CountUnit, Declared, Derived, DerivedPlace, Follow, Initial, Missing, Policy, Root, Rule,
    StateMap, SymbolPlace, Tail, TypeEntry, Watch,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;
use walking::{RawChoice, RawContainer, RawCount, RawEmbedded, RawFold, RawSize, RawThreads};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    family: String,
    machines: Vec<String>,
    #[serde(default)]
    series: Vec<String>,
    #[serde(default)]
    root: Vec<Spanned<RawRoot>>,
    #[serde(default)]
    derived: Vec<Spanned<RawDerived>>,
    #[serde(rename = "type")]
    types: BTreeMap<String, RawType>,
    #[serde(default)]
    element: BTreeMap<String, RawRule>,
    #[serde(default)]
    walk: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    sized: Vec<String>,
    #[serde(default)]
    watch: Vec<Spanned<RawWatched>>,
    #[serde(default)]
    ignore: Vec<Spanned<RawIgnored>>,
    #[serde(default)]
    contract: Vec<Spanned<RawContract>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRoot {
    symbol: String,
    #[serde(rename = "type")]
    ty: String,
    ring: Option<String>,
    threads: Option<RawThreads>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDerived {
    #[serde(rename = "type")]
    ty: String,
    owner: String,
    base: Option<String>,
    end: Option<u64>,
    #[serde(default)]
    behind: bool,
    when: String,
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawType {
    #[serde(default)]
    saved: bool,
    extent: Option<u64>,
    policy: Option<String>,
    initial: Option<toml::Value>,
    reason: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, RawRule>,
    #[serde(default)]
    arms: BTreeMap<String, String>,
    #[serde(default)]
    indexes: BTreeMap<String, RawIndex>,
    #[serde(default)]
    refuse: Vec<Spanned<RawRefuse>>,
    #[serde(default)]
    arm: Vec<Spanned<RawChoice>>,
    size: Option<RawSize>,
    #[serde(default)]
    containers: BTreeMap<String, RawContainer>,
    #[serde(default)]
    folds: BTreeMap<String, RawFold>,
    #[serde(default)]
    embedded: BTreeMap<String, RawEmbedded>,
    tail: Option<RawTail>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTail {
    member: String,
    count: String,
    #[serde(default)]
    add: u64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    policy: String,
    reason: String,
    element: Option<String>,
    count: Option<RawCount>,
    unit: Option<String>,
    missing: Option<String>,
    kind: Option<String>,
    mount: Option<String>,
    initial: Option<toml::Value>,
    strict: Option<bool>,
    code: Option<String>,
    what: Option<String>,
}

pub(super) fn parse(text: &str) -> Result<StateMap, StateError> {
    let lines = Lines::of(text);
    let at = |error: &StateError| match (error, error.place()) {
        (StateError::Toml(error), _) => error.span().map_or(1, |span| line(text, span.start)),
        (_, place) => place.map_or(1, |place| lines.line(place)),
    };
    let parsed = parse_entries(text, &lines);
    parsed.map_err(|error| error.at(at))
}

/// An entry of an array of tables read, an error of it at the line that it begins in.
fn each<R, T>(
    text: &str,
    entries: Vec<Spanned<R>>,
    read: impl Fn(R) -> Result<T, StateError>,
) -> Result<Vec<T>, StateError> {
    let entries = entries.into_iter().map(|entry| {
        let start = entry.span().start;
        read(entry.into_inner()).map_err(|error| error.at(|_| line(text, start)))
    });
    entries.collect()
}

fn parse_entries(text: &str, lines: &Lines) -> Result<StateMap, StateError> {
    let raw: RawMap = toml::from_str(text)?;
    let mut types = BTreeMap::new();
    for (name, raw_type) in raw.types {
        let entry = type_entry(text, &name, raw_type)?;
        types.insert(name, entry);
    }
    let elements = raw
        .element
        .into_iter()
        .map(|(name, raw_rule)| {
            let place = format!("[element.{name:?}]");
            let rule = rule(&place, raw_rule)?;
            // Elements are pointers in an array that is an object; it is members that are refused.
            if rule.policy.refusal().is_some() {
                let expected = "a policy that says where the elements lead";
                return Err(bad_value(&place, "policy", "refuse", expected));
            }
            Ok((name, rule))
        })
        .collect::<Result<_, StateError>>()?;
    Ok(StateMap {
        family: raw.family,
        machines: raw.machines,
        series: raw.series,
        roots: each(text, raw.root, |root| {
            if root.symbol.trim().is_empty() {
                let expected = "the name of a symbol of the kernel";
                return Err(bad_value("[[root]]", "symbol", "\"\"", expected));
            }
            Ok(Root {
                reason: reason(|| format!("[[root]] {}", root.symbol), root.reason)?,
                symbol: root.symbol,
                ty: root.ty,
                ring: root.ring,
                threads: root.threads.map(RawThreads::into),
            })
        })?,
        derived: each(text, raw.derived, derived)?,
        types,
        elements,
        walk: raw.walk,
        sized: raw.sized,
        watch: Watch {
            entries: each(text, raw.watch, watch::watched)?,
            ignored: each(text, raw.ignore, watch::ignored)?,
        },
        contracts: each(text, raw.contract, contract::contract)?,
        lines: lines.clone(),
    })
}

fn derived(raw: RawDerived) -> Result<Derived, StateError> {
    let place = format!("[[derived]] {}", raw.ty);
    let wrong = |attribute, found: &str, expected| bad_value(&place, attribute, found, expected);
    let lies = match (raw.end, raw.behind) {
        (Some(end), false) => DerivedPlace::Ends {
            base: raw.base,
            end,
        },
        (None, true) if raw.base.is_none() => DerivedPlace::Behind,
        (None, true) => {
            return Err(wrong(
                "base",
                "there",
                "no base of what lies behind its owner",
            ));
        }
        (Some(_), true) => return Err(wrong("end", "there", "`end` or `behind`, not both")),
        (None, false) => return Err(wrong("end", "nowhere", "`end`, or `behind = true`")),
    };
    let is_member = |name: &&String| {
        name.split_once('.')
            .is_some_and(|(ty, member)| !ty.is_empty() && !member.is_empty())
    };
    for (attribute, names) in [("has", &raw.has), ("lacks", &raw.lacks)] {
        if let Some(found) = names.iter().find(|name| !is_member(name)) {
            return Err(wrong(attribute, found, "members, as `type.member`"));
        }
    }
    Ok(Derived {
        reason: reason(|| place.clone(), raw.reason)?,
        ty: raw.ty,
        owner: raw.owner,
        place: lies,
        when: raw.when,
        has: raw.has,
        lacks: raw.lacks,
    })
}

fn type_entry(text: &str, name: &str, raw: RawType) -> Result<TypeEntry, StateError> {
    let place = format!("[type.{name}]");
    let rule_of_type = match (raw.policy, raw.reason) {
        (Some(policy), text) => Some(rule(
            &place,
            RawRule {
                policy,
                reason: text.unwrap_or_default(),
                initial: raw.initial,
                ..RawRule::default()
            },
        )?),
        (None, _) if raw.initial.is_some() => {
            return Err(StateError::ForeignAttribute {
                place,
                attribute: "initial",
                policy: String::from("(none)"),
            });
        }
        (None, _) => None,
    };
    let mut fields = BTreeMap::new();
    for (field, raw_rule) in raw.fields {
        let rule = rule(&format!("[type.{name}.fields] {field}"), raw_rule)?;
        fields.insert(field, rule);
    }
    let arms = raw
        .arms
        .into_iter()
        .map(|(member, text)| {
            let place = || format!("[type.{name}.arms] {member}");
            let text = reason(place, text)?;
            Ok((member, text))
        })
        .collect::<Result<_, StateError>>()?;
    let tail = match raw.tail {
        // Elements are counted from 0, or but for one or two: no kernel leaves out more.
        Some(tail) if tail.add > MOST_ADDED => {
            let (place, found) = (format!("[type.{name}.tail]"), tail.add.to_string());
            return Err(bad_value(&place, "add", &found, "256 at most"));
        }
        tail => tail.map(|tail| Tail {
            member: tail.member,
            count: tail.count,
            add: tail.add,
        }),
    };
    Ok(TypeEntry {
        arms,
        indexes: walking::by_member(name, "indexes", raw.indexes, indexes::index)?,
        tail,
        saved: raw.saved,
        extent: raw.extent,
        rule: rule_of_type,
        fields,
        refused: each(text, raw.refuse, |refuse| refusals::flags(name, refuse))?,
        choices: each(text, raw.arm, |arm| {
            walking::choice(&format!("[[type.{name}.arm]]"), arm)
        })?,
        size: raw
            .size
            .map(|size| walking::size(&place, size))
            .transpose()?,
        containers: walking::by_member(name, "containers", raw.containers, walking::container)?,
        folds: walking::by_member(name, "folds", raw.folds, walking::fold)?,
        embedded: walking::by_member(name, "embedded", raw.embedded, walking::embedded)?,
    })
}

/// The most elements that a count may leave out.
const MOST_ADDED: u64 = 256;

fn rule(place: &str, mut raw: RawRule) -> Result<Rule, StateError> {
    let reason = reason(|| place.to_owned(), std::mem::take(&mut raw.reason))?;
    let policy = match raw.policy.as_str() {
        "carry" => Policy::Carry,
        "stack" => Policy::Stack,
        "symbol" => Policy::Symbol,
        "user" => Policy::User,
        "follow" => Policy::Follow(Follow {
            element: raw.element.take(),
            count: raw
                .count
                .take()
                .map(|count| walking::count(place, count))
                .transpose()?,
            unit: match raw.unit.take().as_deref() {
                None => CountUnit::Elements,
                Some("bits") => CountUnit::Bits,
                Some(found) => return Err(bad_value(place, "unit", found, "`bits`, or nothing")),
            },
        }),
        "within" => Policy::Within {
            missing: match raw.missing.take().as_deref() {
                None | Some("reset") => Missing::Reset,
                Some("refuse") => Missing::Refuse,
                Some(found) => {
                    return Err(bad_value(place, "missing", found, "`reset` or `refuse`"));
                }
            },
        },
        "resource" => Policy::Resource {
            kind: raw
                .kind
                .take()
                .ok_or_else(|| StateError::MissingAttribute {
                    place: place.to_owned(),
                    attribute: "kind",
                    policy: raw.policy.clone(),
                })?,
            mount: raw.mount.take(),
        },
        "reset" => Policy::Reset {
            initial: raw
                .initial
                .take()
                .map(|value| initial(place, value))
                .transpose()?,
            strict: raw.strict.take().unwrap_or(false),
            refusal: None,
        },
        "refuse" => {
            let needs = |attribute, found: Option<String>| {
                found.ok_or_else(|| StateError::MissingAttribute {
                    place: place.to_owned(),
                    attribute,
                    policy: raw.policy.clone(),
                })
            };
            let code = needs("code", raw.code.take())?;
            let what = needs("what", raw.what.take())?;
            Policy::Reset {
                initial: raw
                    .initial
                    .take()
                    .map(|value| initial(place, value))
                    .transpose()?,
                strict: true,
                refusal: Some(refusals::refusal(place, &code, what)?),
            }
        }
        found => {
            return Err(StateError::UnknownPolicy {
                place: place.to_owned(),
                found: found.to_owned(),
            });
        }
    };
    let left_over = [
        ("element", raw.element.is_some()),
        ("count", raw.count.is_some()),
        ("unit", raw.unit.is_some()),
        ("missing", raw.missing.is_some()),
        ("kind", raw.kind.is_some()),
        ("mount", raw.mount.is_some()),
        ("initial", raw.initial.is_some()),
        ("strict", raw.strict.is_some()),
        ("code", raw.code.is_some()),
        ("what", raw.what.is_some()),
    ];
    match left_over.into_iter().find(|(_, present)| *present) {
        Some((attribute, _)) => Err(StateError::ForeignAttribute {
            place: place.to_owned(),
            attribute,
            policy: raw.policy,
        }),
        None => Ok(Rule { policy, reason }),
    }
}

fn initial(place: &str, value: toml::Value) -> Result<Initial, StateError> {
    const EXPECTED: &str = "an integer, `\"null\"`, `\"zero\"`, `\"self\"`, `\"empty-list\"`, `{ symbol = \"name\" }`, `{ constant = \"NAME\" }`, `{ declared = \"type.member\", as = { … } }`, or a table of these by member path";
    match value {
        toml::Value::Integer(value) => Ok(Initial::Value(value)),
        toml::Value::String(text) => match word(&text) {
            Some(word) => Ok(word),
            None => Err(bad_value(place, "initial", &text, EXPECTED)),
        },
        // A member called `symbol` has no text for a value.
        toml::Value::Table(table) if table.get("symbol").is_some_and(toml::Value::is_str) => {
            let symbol = SymbolPlace::read(&table).filter(|symbol| word(&symbol.name).is_none());
            let found = toml::Value::Table(table);
            symbol.map(Initial::Symbol).ok_or_else(|| {
                const SYMBOL: &str =
                    "the name of a symbol of the kernel image, and perhaps an `offset` above zero";
                bad_value(place, "initial", &found.to_string(), SYMBOL)
            })
        }
        toml::Value::Table(table) if table.get("constant").is_some_and(toml::Value::is_str) => {
            let name = table.get("constant").and_then(toml::Value::as_str);
            match name.filter(|name| table.len() == 1 && word(name).is_none()) {
                Some(name) => Ok(Initial::Constant(name.to_owned())),
                None => {
                    let found = toml::Value::Table(table.clone()).to_string();
                    let expected = "the name of a constant that a [[watch]] entry has";
                    Err(bad_value(place, "initial", &found, expected))
                }
            }
        }
        toml::Value::Table(table) if table.get("declared").is_some_and(toml::Value::is_str) => {
            declared(place, table).map(Initial::Declared)
        }
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(member, value)| match initial(place, value)? {
                Initial::Members(_) => Err(bad_value(place, "initial", &member, EXPECTED)),
                one => Ok((member, one)),
            })
            .collect::<Result<_, _>>()
            .map(Initial::Members),
        other => Err(bad_value(place, "initial", &other.to_string(), EXPECTED)),
    }
}

/// Initial values by how a member is declared.
fn declared(place: &str, table: toml::Table) -> Result<Declared, StateError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawDeclared {
        declared: String,
        #[serde(rename = "as")]
        values: toml::Table,
    }
    const EXPECTED: &str =
        "`declared = \"type.member\"` and `as`, an initial value for each type of that member";
    let found = table.to_string();
    let raw: Option<RawDeclared> = table.try_into().ok();
    let is_whole = |raw: &RawDeclared| raw.declared.contains('.') && !raw.values.is_empty();
    let Some(raw) = raw.filter(is_whole) else {
        return Err(bad_value(place, "initial", &found, EXPECTED));
    };
    let of_type = |(ty, value)| match initial(place, value)? {
        Initial::Declared(_) => Err(bad_value(place, "initial", &found, EXPECTED)),
        value => Ok((ty, value)),
    };
    Ok(Declared {
        member: raw.declared,
        values: raw
            .values
            .into_iter()
            .map(of_type)
            .collect::<Result<_, _>>()?,
    })
}

/// An initial value that is one word.
fn word(text: &str) -> Option<Initial> {
    match text {
        "null" => Some(Initial::Null),
        "nowhere" => Some(Initial::Nowhere),
        "zero" => Some(Initial::Zero),
        "empty-list" => Some(Initial::EmptyList),
        "self" => Some(Initial::OwnAddress),
        _ => None,
    }
}
