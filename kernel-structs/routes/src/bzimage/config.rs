//! A kernel's configuration, as `/boot/config-*` and `/proc/config.gz` have it.

use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// What a kernel was configured with. Options that are not set are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    options: BTreeMap<String, Value>,
}

/// What an option is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `y`
    Yes,
    /// `m`
    Module,
    /// A number, in decimal or hexadecimal, as written.
    Number(String),
    /// A text, without its quotes.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Yes => f.write_str("y"),
            Value::Module => f.write_str("m"),
            Value::Number(number) => f.write_str(number),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A line that belongs in no configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The line is neither empty, nor a comment, nor `CONFIG_X=value`.
    #[error("line {line}: `{text}` is no CONFIG_X=value")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
    /// An option is there twice.
    #[error("line {line}: {option} is set a second time")]
    Twice {
        /// Number of the second line, from 1.
        line: usize,
        /// The option.
        option: String,
    },
    /// A configuration is UTF-8 text.
    #[error("the configuration is no UTF-8 text")]
    NotText,
    /// The compressed configuration inside a kernel cannot be unpacked.
    #[error("the compressed configuration is damaged: {0}")]
    Damaged(String),
}

impl Config {
    /// Parses the text of a configuration.
    ///
    /// # Errors
    /// At the first line that does not belong in one.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let mut options = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some((option, value)) = option(text) else {
                return Err(ConfigError::Line {
                    line,
                    text: text.chars().take(80).collect(),
                });
            };
            if options.insert(option.to_owned(), value).is_some() {
                return Err(ConfigError::Twice {
                    line,
                    option: option.to_owned(),
                });
            }
        }
        Ok(Config { options })
    }

    /// What `option` is set to, such as `CONFIG_HZ`.
    pub fn get(&self, option: &str) -> Option<&Value> {
        self.options.get(option)
    }

    /// Whether `option` is built in.
    pub fn is_yes(&self, option: &str) -> bool {
        self.get(option) == Some(&Value::Yes)
    }

    /// The number that `option` is set to.
    pub fn number(&self, option: &str) -> Option<u64> {
        match self.get(option)? {
            Value::Number(text) => match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
            _ => None,
        }
    }

    /// All options that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.options
            .iter()
            .map(|(option, value)| (option.as_str(), value))
    }
}

fn option(text: &str) -> Option<(&str, Value)> {
    let (option, value) = text.split_once('=')?;
    let known = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !option.starts_with("CONFIG_") || !option.chars().all(known) {
        return None;
    }
    let value = match value {
        "y" => Value::Yes,
        "m" => Value::Module,
        _ => match value
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            Some(text) => Value::Text(text.to_owned()),
            None if value.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Value::Number(value.to_owned())
            }
            None => return None,
        },
    };
    Some((option, value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn options_are_read_by_kind() {
        let text = "#\n# Linux/x86\n#\nCONFIG_SMP=y\nCONFIG_EXT4_FS=m\nCONFIG_HZ=250\n\
                    CONFIG_START=0x1000000\nCONFIG_NAME=\"a=b\"\n# CONFIG_OFF is not set\n";
        let config = Config::parse(text).unwrap();
        assert!(config.is_yes("CONFIG_SMP"));
        assert!(!config.is_yes("CONFIG_OFF"));
        assert_eq!(config.get("CONFIG_EXT4_FS"), Some(&Value::Module));
        assert_eq!(config.number("CONFIG_HZ"), Some(250));
        assert_eq!(config.number("CONFIG_START"), Some(0x100_0000));
        assert_eq!(
            config.get("CONFIG_NAME"),
            Some(&Value::Text("a=b".to_owned()))
        );
        assert_eq!(config.iter().count(), 5);
    }

    #[test]
    fn a_line_that_does_not_belong_is_named() {
        let error = |text| Config::parse(text).unwrap_err().to_string();
        assert_eq!(
            error("CONFIG_A=y\nhello"),
            "line 2: `hello` is no CONFIG_X=value"
        );
        assert_eq!(
            error("CONFIG_A=maybe"),
            "line 1: `CONFIG_A=maybe` is no CONFIG_X=value"
        );
        assert_eq!(
            error("CONFIG_A=y\nCONFIG_A=m"),
            "line 2: CONFIG_A is set a second time"
        );
    }
}
