//! Lines of keys: `ssh-ed25519 AAAA… comment` (sshd(8)), and those of ssh-keygen(1), ALLOWED SIGNERS:
//! `principals [options] ssh-ed25519 AAAA… [comment]`.

use crate::ssh::PublicKey;
use crate::{NAMESPACE, Reason, times};
use base64ct::{Base64, Encoding};

/// A key, whose it is, and when and for what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) key: PublicKey,
    valid_after: Option<u64>,
    valid_before: Option<u64>,
}

impl Line {
    /// That the key may sign images now.
    pub(crate) fn valid_at(&self, now: u64) -> Result<(), Reason> {
        match (self.valid_after, self.valid_before) {
            (Some(after), _) if now < after => Err(Reason::KeyNotYet(times::text(after))),
            (_, Some(before)) if now >= before => Err(Reason::KeyExpired(times::text(before))),
            _ => Ok(()),
        }
    }
}

/// The key of a line; `None` of one that is empty or a comment. A key that is not for images is none here.
pub(crate) fn parse(line: &str) -> Result<Option<Line>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (first, mut rest) = word(line)?;
    let mut found = Line {
        name: String::new(),
        key: PublicKey([0; 32]),
        valid_after: None,
        valid_before: None,
    };
    let mut is_for_images = true;
    let kind = match is_kind(first) {
        true => first,
        false => {
            found.name = unquoted(first).to_owned();
            let (second, behind) = word(rest)?;
            rest = behind;
            match is_kind(second) {
                true => second,
                false => {
                    is_for_images = options(second, &mut found)?;
                    let (third, behind) = word(rest)?;
                    rest = behind;
                    third
                }
            }
        }
    };
    if kind != "ssh-ed25519" {
        return Err(match is_kind(kind) {
            true => format!("keys of kind {kind} are not known here, ssh-ed25519 alone is"),
            false => format!("`{}` is no kind of key", shown(kind)),
        });
    }
    let (letters, comment) = word(rest)?;
    let blob = Base64::decode_vec(letters).map_err(|_| "the key is not base64".to_owned())?;
    found.key = PublicKey::from_blob(&blob)?;
    if found.name.is_empty() {
        found.name = comment.trim().to_owned();
    }
    Ok(is_for_images.then_some(found))
}

/// Takes the options of a key; whether it is for images.
fn options(text: &str, line: &mut Line) -> Result<bool, String> {
    let mut is_for_images = true;
    for option in split(text) {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value))),
            None => (option, None),
        };
        let moment = || {
            value.and_then(times::parse).ok_or_else(|| {
                format!(
                    "`{}` is no moment such as 20270101Z",
                    shown(value.unwrap_or(""))
                )
            })
        };
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => is_for_images = is_one_of(value.unwrap_or(""))?,
            "valid-after" => line.valid_after = Some(moment()?),
            "valid-before" => line.valid_before = Some(moment()?),
            "cert-authority" => {
                return Err(
                    "certificates of ssh are not known here; name the keys themselves".to_owned(),
                );
            }
            other => return Err(format!("option `{}` is not known", shown(other))),
        }
    }
    Ok(is_for_images)
}

/// Whether images are among the namespaces of a pattern.
fn is_one_of(patterns: &str) -> Result<bool, String> {
    let mut found = false;
    for pattern in patterns.split(',') {
        if pattern.contains(['!', '?']) || (pattern.contains('*') && pattern != "*") {
            return Err(format!(
                "the pattern `{}` of namespaces is not known here; write {NAMESPACE} itself",
                shown(pattern)
            ));
        }
        found |= pattern == "*" || pattern == NAMESPACE;
    }
    Ok(found)
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|beginning| word.starts_with(beginning))
        && !word.contains(['@', '='])
        || word.ends_with("@openssh.com") && word.starts_with("sk-")
}

/// The first word of a line, in which quotes keep blanks, and the rest.
fn word(line: &str) -> Result<(&str, &str), String> {
    let line = line.trim_start();
    let mut quoted = false;
    let end = line.find(|letter: char| {
        quoted ^= letter == '"';
        !quoted && letter.is_ascii_whitespace()
    });
    if quoted && end.is_none() {
        return Err("a quote is not closed".to_owned());
    }
    match line.split_at(end.unwrap_or(line.len())) {
        ("", _) => Err("the line ends before its key".to_owned()),
        found => Ok(found),
    }
}

/// Options: those between commas that are not in quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |letter: char| {
        quoted ^= letter == '"';
        !quoted && letter == ','
    })
}

fn unquoted(text: &str) -> &str {
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.unwrap_or(text)
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key() -> String {
        PublicKey([7; 32]).line("").trim().to_owned()
    }

    #[test]
    fn keys_stand_in_lines_with_and_without_principals() {
        let key = key();
        let name = |line: &str| parse(line).unwrap().map(|line| line.name);
        assert_eq!(
            name(&format!("{key} admin@here\n")),
            Some("admin@here".to_owned())
        );
        assert_eq!(name(&key), Some(String::new()));
        assert_eq!(
            name(&format!("a@b,c@d {key} comment")),
            Some("a@b,c@d".to_owned())
        );
        for options in [
            "namespaces=\"git,kconv-image\"",
            "namespaces=\"*\"",
            "namespaces=\"kconv-image\",valid-before=\"20990101Z\"",
            "valid-after=20200101Z,valid-before=20990101Z",
        ] {
            assert_eq!(
                name(&format!("a@b {options} {key}")),
                Some("a@b".to_owned()),
                "{options}"
            );
        }
        for nothing in ["", "  ", "# a key", &format!("a namespaces=\"git\" {key}")] {
            assert_eq!(name(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_is_no_line_says_why() {
        let key = key();
        for (line, why) in [
            ("ssh-rsa AAAA".to_owned(), "keys of kind ssh-rsa"),
            ("ecdsa-sha2-nistp256 AAAA".to_owned(), "ecdsa-sha2-nistp256"),
            (
                "sk-ssh-ed25519@openssh.com AAAA".to_owned(),
                "keys of kind sk-ssh-ed25519@openssh.com",
            ),
            ("ssh-ed25519".to_owned(), "ends before"),
            ("ssh-ed25519 AAAA".to_owned(), "are left"),
            ("ssh-ed25519 A*".to_owned(), "not base64"),
            (format!("a cert-authority {key}"), "certificates"),
            (format!("a valid-before=20270101 {key}"), "no moment"),
            (format!("a colour=\"red\" {key}"), "option `colour`"),
            (format!("a namespaces=\"kconv*\" {key}"), "pattern"),
            (format!("a namespaces=\"git {key}"), "quote"),
            ("a b c".to_owned(), "option `b`"),
            ("a namespaces=* c".to_owned(), "no kind of key"),
        ] {
            let found = parse(&line).unwrap_err();
            assert!(found.contains(why), "{line}: {found}");
        }
    }

    #[test]
    fn a_line_holds_for_its_time() {
        let key = key();
        let line = format!("a valid-after=20260101Z,valid-before=20270101Z {key}");
        let line = parse(&line).unwrap().unwrap();
        let at = |moment: &str| line.valid_at(times::parse(moment).unwrap());
        assert!(matches!(at("20251231235959Z"), Err(Reason::KeyNotYet(_))));
        assert_eq!(at("20260101Z"), Ok(()));
        assert_eq!(at("20261231235959Z"), Ok(()));
        assert!(matches!(at("20270101Z"), Err(Reason::KeyExpired(_))));
    }
}
