//! Why a state map cannot be used.

/// Why a state map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// What is wrong at a line of the file. What [`super::StateMap::parse`] tells has one.
    #[error("{line}: {source}")]
    At {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        source: Box<StateError>,
    },
    /// Not TOML, or not the shape of a state map.
    #[error("the state map is not well-formed: {0}")]
    Toml(#[from] toml::de::Error),
    /// A policy nobody knows.
    #[error(
        "{place}: unknown policy `{found}`; the policies are carry, follow, within, stack, symbol, user, resource, reset and refuse"
    )]
    UnknownPolicy {
        /// Where in the map.
        place: String,
        /// The word found.
        found: String,
    },
    /// An attribute on a policy that has no such attribute.
    #[error("{place}: `{attribute}` does not belong to policy `{policy}`")]
    ForeignAttribute {
        /// Where in the map.
        place: String,
        /// The attribute.
        attribute: &'static str,
        /// The policy.
        policy: String,
    },
    /// An attribute that a policy needs is not there.
    #[error("{place}: policy `{policy}` needs `{attribute}`")]
    MissingAttribute {
        /// Where in the map.
        place: String,
        /// The attribute.
        attribute: &'static str,
        /// The policy.
        policy: String,
    },
    /// An attribute has a value it cannot have.
    #[error("{place}: `{attribute}` is `{found}`, expected {expected}")]
    BadValue {
        /// Where in the map.
        place: String,
        /// The attribute.
        attribute: &'static str,
        /// The value found.
        found: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A code that no finding has.
    #[error(
        "{place}: `code` is `{found}`, which is none of kconv's{}; correct it, or add it to converters/codes",
        .nearest.as_ref().map_or_else(String::new, |nearest| format!(" (the nearest is `{nearest}`)"))
    )]
    UnknownCode {
        /// Where in the map.
        place: String,
        /// The code found.
        found: String,
        /// The most similar that there is.
        nearest: Option<String>,
    },
    /// A rule without a reason.
    #[error("{place}: the reason is empty; say why the policy is right")]
    NoReason {
        /// Where in the map.
        place: String,
    },
}

impl StateError {
    /// This, at `line`, if it does not say one itself.
    pub(super) fn at(self, line: impl FnOnce(&StateError) -> usize) -> StateError {
        match self {
            StateError::At { .. } => self,
            _ => StateError::At {
                line: line(&self),
                source: Box::new(self),
            },
        }
    }

    /// The place in the map, as messages name it.
    pub(super) fn place(&self) -> Option<&str> {
        match self {
            StateError::At { .. } | StateError::Toml(_) => None,
            StateError::UnknownPolicy { place, .. }
            | StateError::ForeignAttribute { place, .. }
            | StateError::MissingAttribute { place, .. }
            | StateError::BadValue { place, .. }
            | StateError::UnknownCode { place, .. }
            | StateError::NoReason { place } => Some(place),
        }
    }
}

/// The reason of the entry at `place`, which has to say something.
pub(super) fn reason(place: impl FnOnce() -> String, reason: String) -> Result<String, StateError> {
    if reason.trim().is_empty() {
        return Err(StateError::NoReason { place: place() });
    }
    Ok(reason)
}

/// That `attribute` of the entry at `place` has a value that it cannot have.
pub(super) fn bad_value(
    place: &str,
    attribute: &'static str,
    found: &str,
    expected: &'static str,
) -> StateError {
    StateError::BadValue {
        place: place.to_owned(),
        attribute,
        found: found.to_owned(),
        expected,
    }
}
