//! Why a rule is what it is.

use serde::{Serialize, Serializer};
use std::fmt;

/// The reasons of a rule: none where the rule says it all, one, or several, each about some of the
/// constants that a field is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    clauses: Vec<Clause>,
}

/// One reason, and what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Names of constants; empty for a reason of the whole field.
    pub about: Vec<String>,
    /// Why, as people wrote it.
    pub text: String,
}

impl Reason {
    /// The reason of a whole field.
    pub fn one(text: &str) -> Reason {
        let clause = Clause {
            about: Vec::new(),
            text: text.to_owned(),
        };
        Reason {
            clauses: vec![clause],
        }
    }

    /// What is said `about` constants, each once. A single reason is one of the whole field.
    pub(crate) fn of_constants<'a>(said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Reason {
        let mut clauses: Vec<Clause> = Vec::new();
        for (about, text) in said {
            let about = about.to_owned();
            match clauses.iter_mut().find(|clause| clause.text == text) {
                Some(clause) => clause.about.push(about),
                None => clauses.push(Clause {
                    about: vec![about],
                    text: text.to_owned(),
                }),
            }
        }
        if let [only] = clauses.as_mut_slice() {
            only.about.clear();
        }
        Reason { clauses }
    }

    /// The reasons.
    pub fn clauses(&self) -> &[Clause] {
        &self.clauses
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Clause { about, text }) in self.clauses.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match about.as_slice() {
                [] => f.write_str(text)?,
                about => write!(f, "{}: {text}", about.join(", "))?,
            }
        }
        Ok(())
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_that_share_a_reason_are_told_together() {
        let reason = Reason::of_constants([("A", "new"), ("B", "gone"), ("C", "new")]);
        assert_eq!(reason.to_string(), "A, C: new; B: gone");
        assert_eq!(
            Reason::of_constants([("A", "new"), ("B", "new")]),
            Reason::one("new")
        );
        assert_eq!(Reason::default().to_string(), "");
        assert!(Reason::of_constants([]).is_empty());
    }
}
