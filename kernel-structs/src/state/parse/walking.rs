//! The words of the walk as TOML.

use super::{StateError, bad_value, reason};
use crate::state::{Choice, Container, Count, Embedded, Fold, Number, Size, Telling, Threads};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawThreads {
    head: String,
    link: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawContainer {
    element: String,
    link: Option<String>,
    reason: String,
}

/// A count is a member's name, or a table that says more.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct RawCount(toml::Value);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCountTable {
    member: Option<String>,
    variable: Option<String>,
    divide: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSize {
    member: Option<String>,
    variable: Option<String>,
    from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFold {
    percpu: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmbedded {
    live: String,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChoice {
    live: String,
    when: String,
    is: toml::Value,
    reason: String,
}

impl From<RawThreads> for Threads {
    fn from(RawThreads { head, link }: RawThreads) -> Threads {
        Threads { head, link }
    }
}

/// Entries of a table below a type, by member.
pub(super) fn by_member<R, T>(
    ty: &str,
    table: &str,
    raw: BTreeMap<String, R>,
    read: fn(&str, R) -> Result<T, StateError>,
) -> Result<BTreeMap<String, T>, StateError> {
    raw.into_iter()
        .map(|(member, raw)| {
            let read = read(&format!("[type.{ty}.{table}] {member}"), raw)?;
            Ok((member, read))
        })
        .collect()
}

pub(super) fn container(place: &str, raw: RawContainer) -> Result<Container, StateError> {
    Ok(Container {
        element: raw.element,
        link: raw.link,
        reason: reason(|| place.to_owned(), raw.reason)?,
    })
}

pub(super) fn fold(place: &str, raw: RawFold) -> Result<Fold, StateError> {
    Ok(Fold {
        percpu: raw.percpu,
        reason: reason(|| place.to_owned(), raw.reason)?,
    })
}

pub(super) fn embedded(place: &str, raw: RawEmbedded) -> Result<Embedded, StateError> {
    Ok(Embedded {
        live: raw.live,
        reason: reason(|| place.to_owned(), raw.reason)?,
    })
}

pub(super) fn count(place: &str, RawCount(value): RawCount) -> Result<Count, StateError> {
    let table = match value {
        toml::Value::String(member) => {
            return Ok(Count {
                of: Number::Member(member),
                divide: 1,
            });
        }
        other => other.try_into::<RawCountTable>()?,
    };
    let divide = table.divide.unwrap_or(1);
    if divide == 0 {
        return Err(bad_value(place, "divide", "0", "a number above zero"));
    }
    let of = number(place, "count", table.member, table.variable)?;
    Ok(Count { of, divide })
}

pub(super) fn size(place: &str, raw: RawSize) -> Result<Size, StateError> {
    Ok(Size {
        of: number(place, "size", raw.member, raw.variable)?,
        from: raw.from,
    })
}

fn number(
    place: &str,
    attribute: &'static str,
    member: Option<String>,
    variable: Option<String>,
) -> Result<Number, StateError> {
    let expected = "either `member` or `variable`";
    match (member, variable) {
        (Some(member), None) => Ok(Number::Member(member)),
        (None, Some(variable)) => Ok(Number::Variable(variable)),
        (Some(_), Some(_)) => Err(bad_value(place, attribute, "both", expected)),
        (None, None) => Err(bad_value(place, attribute, "neither", expected)),
    }
}

pub(super) fn choice(place: &str, raw: RawChoice) -> Result<Choice, StateError> {
    Ok(Choice {
        is: telling(place, raw.is)?,
        live: raw.live,
        when: raw.when,
        reason: reason(|| place.to_owned(), raw.reason)?,
    })
}

fn telling(place: &str, value: toml::Value) -> Result<Telling, StateError> {
    let bad = |found: &toml::Value| {
        let expected = "a list of symbols, a list of integers, `\"negative\"` or `\"other\"`";
        bad_value(place, "is", &found.to_string(), expected)
    };
    let values = match &value {
        toml::Value::String(word) if word == "negative" => return Ok(Telling::Negative),
        toml::Value::String(word) if word == "other" => return Ok(Telling::Other),
        toml::Value::Array(values) if !values.is_empty() => values,
        _ => return Err(bad(&value)),
    };
    let symbols: Option<Vec<String>> = values
        .iter()
        .map(|value| value.as_str().map(str::to_owned))
        .collect();
    let numbers: Option<Vec<i64>> = values.iter().map(toml::Value::as_integer).collect();
    match (symbols, numbers) {
        (Some(symbols), _) => Ok(Telling::Symbols(symbols)),
        (None, Some(numbers)) => Ok(Telling::Numbers(numbers)),
        (None, None) => Err(bad(&value)),
    }
}
