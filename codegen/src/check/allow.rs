//! What `--allow` takes: a kind, a grade, or a subject.

use super::change::{Grade, Kind};
use super::report::Report;
use super::saved::Saved;
use kernel_structs::nearest::nearest;

/// A word that is neither a kind nor a grade, and that no finding can be about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no kind and no grade of findings, and nothing saved is called so{}; --allow takes a kind (comment), a grade (meaning) or a subject (task_struct.flags)", nearest.as_ref().map(|name| format!("; the nearest is `{name}`")).unwrap_or_default())]
pub struct UnknownAllowance {
    /// What was said.
    pub found: String,
    /// The most similar word.
    pub nearest: Option<String>,
}

/// Whether each of `allowed` can be of any effect, on this patch or another.
///
/// A member of a saved type is taken even if no layout has it: a patch may add it. A constant is
/// taken by its capitals, because which ones size a saved field only a tree tells.
///
/// # Errors
/// The first word that cannot.
pub fn check_allowed(
    allowed: &[String],
    saved: &Saved<'_>,
    report: &Report,
) -> Result<(), UnknownAllowance> {
    let kinds = Kind::ALL.into_iter().map(Kind::name);
    let words: Vec<&str> = kinds.chain(Grade::ALL.map(Grade::name)).collect();
    for name in allowed {
        let ty = name.split_once('.').map_or(name.as_str(), |(ty, _)| ty);
        let constant = saved.map.watch.concerning(name).is_some() || is_constant(name);
        let found = report.findings.iter();
        let subject = found
            .map(|finding| finding.subject.as_str())
            .any(|subject| subject == name);
        if words.contains(&name.as_str()) || saved.get(ty).is_some() || constant || subject {
            continue;
        }
        // A misspelt type is told as a whole, with the member that was meant.
        let near = match name.split_once('.') {
            Some((ty, field)) => nearest(ty, saved.names()).map(|ty| format!("{ty}.{field}")),
            None => nearest(name, words.iter().copied().chain(saved.names())).map(String::from),
        };
        return Err(UnknownAllowance {
            found: name.clone(),
            nearest: near,
        });
    }
    Ok(())
}

fn is_constant(name: &str) -> bool {
    let capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.bytes().all(capital)
}
