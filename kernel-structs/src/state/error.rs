//! Why a state map cannot be used.

/// Why a state map cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not TOML, or not the shape of a state map.
    #[error("the state map is not well-formed: {0}")]
    Toml(#[from] toml::de::Error),
    /// A policy nobody knows.
    #[error(
        "{place}: unknown policy `{found}`; the policies are carry, follow, within, stack, symbol, user, resource and reset"
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
    /// A rule without a reason.
    #[error("{place}: the reason is empty; say why the policy is right")]
    NoReason {
        /// Where in the map.
        place: String,
    },
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
