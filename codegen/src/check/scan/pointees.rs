//! What the variables of a function point at: `struct task_struct *p` among its parameters or in its
//! body, where that is shown.

use std::collections::BTreeMap;

/// Variables kept of one function.
const VARIABLES: usize = 256;

/// The declarations of pointers to structures since the function began.
#[derive(Default)]
pub(super) struct Pointees {
    found: BTreeMap<String, String>,
    step: Step,
}

/// How much of a declaration was read.
#[derive(Default)]
enum Step {
    #[default]
    None,
    Keyword,
    Tag(String),
    Star(String),
}

impl Pointees {
    /// Reads one token.
    pub(super) fn token(&mut self, token: &str) {
        let is_name = token
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.step = match (std::mem::take(&mut self.step), token) {
            (_, "struct") => Step::Keyword,
            (Step::Keyword, tag) if is_name => Step::Tag(tag.to_owned()),
            (Step::Tag(tag), "*") => Step::Star(tag),
            (Step::Tag(tag) | Step::Star(tag), "const" | "__rcu") => Step::Star(tag),
            (Step::Star(tag), name) if is_name => {
                if self.found.len() < VARIABLES {
                    self.found.insert(name.to_owned(), tag.clone());
                }
                Step::Tag(tag)
            }
            // `struct task_struct *p, *q`.
            (Step::Tag(tag), ",") if !self.found.is_empty() => Step::Tag(tag),
            _ => Step::None,
        };
    }

    /// Those that `code`, tokens with spaces between them, names.
    pub(super) fn named_in(&self, code: &str) -> BTreeMap<String, String> {
        let words = code.split(' ');
        words
            .filter_map(|word| self.found.get_key_value(word))
            .map(|(name, tag)| (name.clone(), tag.clone()))
            .collect()
    }

    /// Forgets them: another function begins.
    pub(super) fn forget(&mut self) {
        self.found.clear();
        self.step = Step::None;
    }
}
