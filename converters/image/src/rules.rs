//! What must hold between the parts of a head.

/// A rule that the parts of a [`Head`](crate::Head) break.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {}
