//! Functions that several pages of one step have alike, as the flavours of a kernel do: they are written
//! on the first of these, and the others use them.

use std::collections::BTreeMap;

/// A function for values of a type, as a page has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Printed {
    /// Its name in Rust.
    pub(super) function: String,
    /// Its text, on the page.
    pub(super) text: String,
    /// The macro of what both layouts carry alike, beside the page; empty without one.
    pub(super) alike: String,
}

/// The functions that are written on the pages of a step so far.
#[derive(Default)]
pub(super) struct Known(Vec<Function>);

struct Function {
    /// The type that it is for.
    ty: String,
    printed: Printed,
    /// The page that has it.
    module: String,
    /// The pages that have the functions it calls, by their names.
    calls: BTreeMap<String, String>,
}

impl Known {
    /// Adds the functions of the page `module`, by type and with those that others call first. Returns the
    /// page that each is written on: this one, or an earlier one that has the same, down to all
    /// that it calls.
    pub(super) fn add(
        &mut self,
        module: &str,
        functions: Vec<(&str, Printed)>,
    ) -> BTreeMap<String, String> {
        let mut written: BTreeMap<String, String> = BTreeMap::new();
        // By the names that they are called by.
        let mut pages: BTreeMap<String, String> = BTreeMap::new();
        for (ty, printed) in functions {
            let called = pages.iter().filter(|(name, _)| calls(&printed.text, name));
            let calls: BTreeMap<String, String> = called
                .map(|(name, page)| (name.clone(), page.clone()))
                .collect();
            let is_same = |known: &&Function| {
                known.ty == ty && known.printed == printed && known.calls == calls
            };
            let page = match self.0.iter().find(is_same) {
                Some(known) => known.module.clone(),
                None => module.to_owned(),
            };
            pages.insert(printed.function.clone(), page.clone());
            written.insert(ty.to_owned(), page.clone());
            if page == module {
                let (ty, module) = (ty.to_owned(), page);
                self.0.push(Function {
                    ty,
                    printed,
                    module,
                    calls,
                });
            }
        }
        written
    }
}

/// Whether the text of a function calls the function `name` of its page.
fn calls(text: &str, name: &str) -> bool {
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once("self::") {
        let after = behind.strip_prefix(name);
        let goes_on = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if after.is_some_and(|after| !after.starts_with(goes_on)) {
            return true;
        }
        rest = behind;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(function: &str, text: &str) -> Printed {
        Printed {
            function: function.to_owned(),
            text: text.to_owned(),
            alike: String::new(),
        }
    }

    fn written(known: &mut Known, module: &str, functions: &[(&'static str, &str)]) -> String {
        let functions = functions
            .iter()
            .map(|(ty, text)| (*ty, printed(ty, text)))
            .collect();
        let pages = known.add(module, functions).into_iter();
        pages
            .map(|(ty, page)| format!("{ty}:{page}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn what_is_the_same_is_written_once() {
        let mut known = Known::default();
        let standard = [("cred", "one"), ("fpu", "two"), ("task", "three")];
        assert_eq!(
            written(&mut known, "standard", &standard),
            "cred:standard fpu:standard task:standard"
        );
        let cloud = [("cred", "one"), ("fpu", "other"), ("mm", "three")];
        assert_eq!(
            written(&mut known, "cloud", &cloud),
            "cred:standard fpu:cloud mm:cloud"
        );
        let rt = [("cred", "one"), ("fpu", "other"), ("task", "three")];
        assert_eq!(
            written(&mut known, "rt", &rt),
            "cred:standard fpu:cloud task:standard"
        );
    }

    /// A function that calls another one is another function where that is.
    #[test]
    fn what_calls_something_else_is_something_else() {
        let mut known = Known::default();
        let outer = "self::inner(cx);";
        let standard = [("inner", "one"), ("outer", outer)];
        written(&mut known, "standard", &standard);
        let cloud = [("inner", "other"), ("outer", outer)];
        assert_eq!(
            written(&mut known, "cloud", &cloud),
            "inner:cloud outer:cloud"
        );
        let rt = [("inner", "other"), ("outer", outer)];
        assert_eq!(written(&mut known, "rt", &rt), "inner:cloud outer:cloud");
        // What is not on the page itself is the same for all of them, and a name that begins alike no call.
        let alike = [("inn", "third"), ("outer", outer)];
        assert_eq!(written(&mut Known::default(), "a", &alike), "inn:a outer:a");
        assert!(calls(outer, "inner") && !calls(outer, "inn") && !calls(outer, "nner"));
        assert!(calls("self::inn2(); self::inn(", "inn"));
    }

    /// The macro beside the page is a part of it.
    #[test]
    fn other_lines_in_common_are_another_function() {
        let mut known = Known::default();
        let with = |alike: &str| Printed {
            alike: alike.to_owned(),
            ..printed("cred", "one")
        };
        let mut page = |module: &str, alike: &str| {
            let written = known.add(module, vec![("cred", with(alike))]);
            written.into_values().collect::<String>()
        };
        assert_eq!(page("standard", "a"), "standard");
        assert_eq!(page("cloud", "b"), "cloud");
        assert_eq!(page("rt", "a"), "standard");
    }
}
