//! The files of a registry, as given or as built in. The latter are packed: a program has all layouts
//! in it, and reads two or three of them.

use super::Files;
use super::files::builtin;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Where the files of a registry are.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// In memory.
    Given(Files),
    /// In the program; all of them unpacked, once somebody asked for all.
    Builtin(OnceLock<Files>),
    /// Those of another registry, and files of layouts that came to them.
    Extended {
        base: Arc<Held>,
        layouts: BTreeMap<String, Cow<'static, [u8]>>,
    },
}

impl Held {
    pub(super) fn builtin() -> Held {
        Held::Builtin(OnceLock::new())
    }

    /// All files of the table, which has none of those that came to it.
    pub(super) fn all(&self) -> &Files {
        match self {
            Held::Given(files) => files,
            Held::Builtin(files) => files.get_or_init(Files::builtin),
            Held::Extended { base, .. } => base.all(),
        }
    }

    /// The text of the table.
    pub(super) fn releases(&self) -> &str {
        match self {
            Held::Given(files) => &files.releases,
            Held::Builtin(_) => builtin::RELEASES,
            Held::Extended { base, .. } => base.releases(),
        }
    }

    /// The file of a layout, if it is there.
    pub(super) fn layout(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Held::Given(files) => files.layouts.get(name).map(|data| Cow::Borrowed(&**data)),
            Held::Builtin(_) => builtin::unpacked(builtin::LAYOUTS, name),
            // A file that came later takes the place of none that was there.
            Held::Extended { base, layouts } => base
                .layout(name)
                .or_else(|| layouts.get(name).map(|data| Cow::Borrowed(&**data))),
        }
    }

    /// The file of a state map, if it is there.
    pub(super) fn state(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match self {
            Held::Given(files) => files.states.get(name).map(|data| Cow::Borrowed(&**data)),
            Held::Builtin(_) => builtin::unpacked(builtin::STATES, name),
            Held::Extended { base, .. } => base.state(name),
        }
    }

    /// The files of layouts, by their names.
    pub(super) fn layouts(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Held::Given(files) => Box::new(files.layouts.keys().map(String::as_str)),
            Held::Builtin(_) => Box::new(builtin::LAYOUTS.iter().map(|file| file.name)),
            Held::Extended { base, layouts } => {
                Box::new(base.layouts().chain(layouts.keys().map(String::as_str)))
            }
        }
    }

    /// The files of state maps, by their names.
    pub(super) fn states(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Held::Given(files) => Box::new(files.states.keys().map(String::as_str)),
            Held::Builtin(_) => Box::new(builtin::STATES.iter().map(|file| file.name)),
            Held::Extended { base, .. } => base.states(),
        }
    }
}
