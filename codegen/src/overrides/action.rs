//! What an entry says is to be done, as it is written: in `step.toml` of a step, or for one
//! direction of a change.

use super::name::{is_field, is_identifier};
use super::{Function, Init, OverrideAction, OverrideProblem};
use kernel_structs::state::SymbolPlace;
use serde::Deserialize;

/// The keys of an entry that say what is done. Serde knows no shared set of keys that is strict,
/// so each kind of entry has them, and hands them over here.
pub(super) struct Written {
    pub(super) rename: Option<String>,
    pub(super) init: Option<toml::Value>,
    pub(super) drop: Option<String>,
    pub(super) make: Option<String>,
    pub(super) fold: Option<String>,
    pub(super) scale: Option<RawScale>,
    pub(super) merge: Option<String>,
    pub(super) rest: Option<i64>,
    pub(super) call: Option<String>,
    pub(super) from: Option<Vec<String>>,
    pub(super) places: Places,
}

/// What a function of people is given beside values: where members lie, and what constants are.
#[derive(Default)]
pub(super) struct Places {
    pub(super) offsets: Vec<String>,
    pub(super) new_offsets: Vec<String>,
    pub(super) constants: Vec<String>,
    pub(super) new_constants: Vec<String>,
    pub(super) ends: Option<String>,
}

/// Takes the keys of [`Written`] out of an entry.
macro_rules! written {
    ($raw:expr) => {
        $crate::overrides::action::Written {
            rename: $raw.rename,
            init: $raw.init,
            drop: $raw.drop,
            make: $raw.make,
            fold: $raw.fold,
            scale: $raw.scale,
            merge: $raw.merge,
            rest: $raw.rest,
            call: $raw.call,
            from: $raw.from,
            places: $crate::overrides::action::Places {
                offsets: $raw.offsets,
                new_offsets: $raw.new_offsets,
                constants: $raw.constants,
                new_constants: $raw.new_constants,
                ends: $raw.ends,
            },
        }
    };
}
pub(super) use written;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawScale {
    #[serde(default = "one")]
    multiply: i64,
    #[serde(default = "one")]
    divide: i64,
    #[serde(default)]
    offset: i64,
}

const fn one() -> i64 {
    1
}

impl Written {
    /// The actions, in the order of the book; there may be any number. `field` is for messages.
    pub(super) fn actions(self, field: &str) -> Result<Vec<OverrideAction>, Vec<OverrideProblem>> {
        let mut problems = Vec::new();
        let mut actions = Vec::new();
        let takes_from = self.call.is_some() || self.scale.is_some();
        if self.from.is_some() && !takes_from {
            problems.push(OverrideProblem::ForeignAttribute {
                field: field.to_owned(),
            });
        }
        if self.call.is_none() {
            problems.extend(self.places.without_call(field));
        }
        let from = self.from.unwrap_or_default();
        if self.call.is_none() && from.len() > 1 {
            problems.push(OverrideProblem::SeveralForOne {
                field: field.to_owned(),
            });
        }
        let all: [Option<Result<OverrideAction, OverrideProblem>>; 9] = [
            self.rename.map(|old| Ok(OverrideAction::Rename { old })),
            self.init
                .map(|value| init(field, &value).map(OverrideAction::Init)),
            self.drop.map(|word| dropped(field, &word)),
            self.make.map(|ty| Ok(OverrideAction::Make { ty })),
            self.fold.map(|ty| Ok(OverrideAction::Fold { ty })),
            self.scale.map(|scale| scaled(field, &scale, from.clone())),
            self.merge.map(|word| match word.as_str() {
                "sum" => Ok(OverrideAction::MergeSum),
                _ => Err(bad(field, "merge", &word, "\"sum\"")),
            }),
            self.rest.map(|value| Ok(OverrideAction::Rest { value })),
            self.call.map(|name| {
                Function::new(field, name, from, self.places).map(OverrideAction::Call)
            }),
        ];
        for one in all.into_iter().flatten() {
            match one {
                Ok(action) => actions.push(action),
                Err(problem) => problems.push(problem),
            }
        }
        match problems.is_empty() {
            true => Ok(actions),
            false => Err(problems),
        }
    }
}

impl Function {
    /// The function `name` of people, if its name and the members it asks for are such.
    pub(super) fn new(
        field: &str,
        name: String,
        from: Vec<String>,
        places: Places,
    ) -> Result<Function, OverrideProblem> {
        if !is_identifier(&name) {
            return Err(OverrideProblem::BadName {
                found: name,
                what: "function",
            });
        }
        let constant = |name: &str| is_field(name) || (!name.contains('.') && is_identifier(name));
        for (key, names) in places.by_key() {
            let (right, expected): (&dyn Fn(&str) -> bool, _) = match key.ends_with("offsets") {
                true => (&is_field, "`type.member`"),
                false => (
                    &constant,
                    "the name of a constant, or an array as `type.member`",
                ),
            };
            if let Some(name) = names.iter().find(|name| !right(name)) {
                return Err(bad(field, key, &format!("`{name}`"), expected));
            }
        }
        let Places {
            offsets,
            new_offsets,
            constants,
            new_constants,
            ends,
        } = places;
        if let Some(name) = ends.as_ref().filter(|name| !from.contains(name)) {
            return Err(bad(
                field,
                "ends",
                &format!("`{name}`"),
                "a member of `from`",
            ));
        }
        Ok(Function {
            name,
            from,
            offsets,
            new_offsets,
            constants,
            new_constants,
            ends,
            signature: None,
        })
    }
}

impl Places {
    fn by_key(&self) -> [(&'static str, &[String]); 4] {
        [
            ("offsets", &self.offsets),
            ("new-offsets", &self.new_offsets),
            ("constants", &self.constants),
            ("new-constants", &self.new_constants),
        ]
    }

    /// That somebody asks for them where no function is called.
    pub(super) fn without_call(&self, field: &str) -> Option<OverrideProblem> {
        let asked = |(_, names): &(&str, &[String])| !names.is_empty();
        let ends = self.ends.as_slice();
        let mut all = self.by_key().into_iter().chain([("ends", ends)]);
        let (key, names) = all.find(asked)?;
        let found = format!("`{}`", names.join("`, `"));
        Some(bad(field, key, &found, "a `call` beside it"))
    }
}

fn bad(
    field: &str,
    key: &'static str,
    found: &dyn std::fmt::Display,
    expected: &'static str,
) -> OverrideProblem {
    OverrideProblem::BadValue {
        field: field.to_owned(),
        key,
        found: found.to_string(),
        expected,
    }
}

fn init(field: &str, value: &toml::Value) -> Result<Init, OverrideProblem> {
    const EXPECTED: &str = "\"null\", \"zero\", \"empty-list\", \"self\", \"container\", { symbol = \"name\" } or an integer";
    let unknown = || Err(bad(field, "init", value, EXPECTED));
    match value {
        toml::Value::Integer(value) => Ok(Init::Value(*value)),
        toml::Value::String(word) => match word.as_str() {
            "null" => Ok(Init::Null),
            "zero" => Ok(Init::Zero),
            "empty-list" => Ok(Init::EmptyList),
            "self" => Ok(Init::Object),
            "container" => Ok(Init::Container),
            _ => unknown(),
        },
        toml::Value::Table(table) => match SymbolPlace::read(table) {
            Some(symbol) => Ok(Init::Symbol(symbol)),
            None => unknown(),
        },
        _ => unknown(),
    }
}

fn dropped(field: &str, word: &str) -> Result<OverrideAction, OverrideProblem> {
    match word {
        "only-if-initial" => Ok(OverrideAction::Drop {
            only_if_initial: true,
        }),
        "always" => Ok(OverrideAction::Drop {
            only_if_initial: false,
        }),
        "container" => Ok(OverrideAction::DropContainer),
        _ => Err(bad(
            field,
            "drop",
            &word,
            "\"only-if-initial\", \"always\" or \"container\"",
        )),
    }
}

fn scaled(
    field: &str,
    scale: &RawScale,
    from: Vec<String>,
) -> Result<OverrideAction, OverrideProblem> {
    let RawScale {
        multiply,
        divide,
        offset,
    } = *scale;
    let another = multiply != divide || offset != 0;
    match multiply > 0 && divide > 0 && another {
        true => Ok(OverrideAction::Scale {
            multiply,
            divide,
            offset,
            from: from.into_iter().next(),
        }),
        false => Err(bad(
            field,
            "scale",
            &format!("{multiply} / {divide}"),
            "a multiplier and a divisor above 0 that make another number of it, or an offset",
        )),
    }
}
