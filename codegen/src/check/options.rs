//! What a kernel is configured with, and what conditions of the preprocessor come to under that.

use std::collections::BTreeSet;

/// What a condition asks for besides options, and whether the code of a kernel is compiled with it:
/// `__GENKSYMS__` is set where versions of symbols are computed and nowhere else.
const KNOWN: [(&str, bool); 7] = [
    ("0", false),
    ("1", true),
    ("__KERNEL__", true),
    ("__GENKSYMS__", false),
    ("__ASSEMBLY__", false),
    ("__ASSEMBLER__", false),
    ("__cplusplus", false),
];

/// What a kernel is configured with: options that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    set: BTreeSet<String>,
    /// Options of which the patch itself decides what they are set to.
    open: BTreeSet<String>,
}

impl Options {
    /// Reads a `.config` or an `autoconf.h`.
    pub fn parse(text: &str) -> Options {
        let name = |line: &str| -> Option<String> {
            let line = line.trim();
            if let Some(define) = line.strip_prefix("#define ") {
                return define
                    .split(' ')
                    .next()
                    .map(|name| name.trim_end_matches("_MODULE").to_owned());
            }
            let (name, value) = line.split_once('=')?;
            (!name.starts_with('#') && value != "n").then(|| name.to_owned())
        };
        let options = text
            .lines()
            .filter_map(name)
            .filter(|name| name.starts_with("CONFIG_"));
        Options {
            set: options.collect(),
            open: BTreeSet::new(),
        }
    }

    /// Whether no option is set, as in a file that is no configuration.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The same, but that nothing is known of the options `open`: a configuration of before a patch says
    /// nothing of options that the patch makes or changes.
    pub(super) fn without(&self, open: BTreeSet<String>) -> Options {
        Options {
            set: self.set.clone(),
            open,
        }
    }

    /// Whether `condition` holds under `options`; `None` if that cannot be told. Without options only
    /// what every kernel defines, or none, can be.
    pub(super) fn holds(options: Option<&Options>, condition: &str) -> Option<bool> {
        if condition.is_empty() {
            return Some(true);
        }
        let term = |term: &str| -> Option<bool> {
            let term = term.trim();
            let (plain, not) = match term.strip_prefix('!') {
                Some(plain) => (plain, true),
                None => (term, false),
            };
            let plain = plain
                .strip_prefix('(')
                .and_then(|p| p.strip_suffix(')'))
                .unwrap_or(plain);
            if let Some((_, defined)) = KNOWN.iter().find(|known| known.0 == plain) {
                return Some(*defined != not);
            }
            let option = plain.strip_prefix("CONFIG_")?;
            let is_name = option
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let options = options.filter(|options| !options.open.contains(plain))?;
            is_name.then_some(options.set.contains(plain) != not)
        };
        let all = |text: &str| -> Option<bool> {
            let terms: Vec<Option<bool>> = text.split("&&").map(term).collect();
            if terms.contains(&Some(false)) {
                return Some(false);
            }
            terms.iter().all(|term| *term == Some(true)).then_some(true)
        };
        if condition.contains("||") && condition.contains('(') {
            return None;
        }
        let parts: Vec<Option<bool>> = condition.split("||").map(all).collect();
        if parts.contains(&Some(true)) {
            return Some(true);
        }
        parts
            .iter()
            .all(|part| *part == Some(false))
            .then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn a_condition_holds_does_not_or_cannot_be_told() {
        let options = Options::parse("CONFIG_SMP=y\n# CONFIG_NUMA is not set\n");
        for (condition, told) in [
            ("CONFIG_SMP", Some(true)),
            ("CONFIG_NUMA", Some(false)),
            ("!CONFIG_NUMA && CONFIG_SMP", Some(true)),
            ("CONFIG_SMP && CONFIG_NUMA", Some(false)),
            ("CONFIG_NUMA || CONFIG_SMP", Some(true)),
            ("CONFIG_NUMA || !CONFIG_SMP", Some(false)),
            // What is no option may be anything.
            ("BITS_PER_LONG == 64", None),
            ("CONFIG_SMP && BITS_PER_LONG == 64", None),
            ("CONFIG_NUMA && BITS_PER_LONG == 64", Some(false)),
            ("CONFIG_NUMA || BITS_PER_LONG == 64", None),
            ("CONFIG_SMP || BITS_PER_LONG == 64", Some(true)),
            ("(CONFIG_SMP || CONFIG_NUMA) && CONFIG_SMP", None),
        ] {
            assert_eq!(
                Options::holds(Some(&options), condition),
                told,
                "{condition}"
            );
        }
    }

    #[test]
    fn nothing_is_known_of_an_option_that_the_patch_makes() {
        let options = Options::parse("CONFIG_SMP=y\n");
        let options = options.without(["CONFIG_FRESH".to_owned()].into());
        let holds = |condition: &str| Options::holds(Some(&options), condition);
        assert_eq!(holds("CONFIG_FRESH"), None);
        assert_eq!(holds("!CONFIG_FRESH && CONFIG_SMP"), None);
        assert_eq!(holds("CONFIG_FRESH && CONFIG_ANOTHER"), Some(false));
        assert!(Options::parse("hello\n").is_empty());
    }

    #[test]
    fn without_a_configuration_only_what_no_option_decides_is_told() {
        for (condition, told) in [
            ("", Some(true)),
            ("CONFIG_SMP", None),
            ("!CONFIG_SMP", None),
            ("__KERNEL__", Some(true)),
            ("!__GENKSYMS__", Some(true)),
            ("!__GENKSYMS__ && CONFIG_SMP", None),
            ("__ASSEMBLY__ && CONFIG_SMP", Some(false)),
            ("0", Some(false)),
        ] {
            assert_eq!(Options::holds(None, condition), told, "{condition}");
        }
    }
}
