//! What `--allow` takes: a kind, a grade, or a subject.

use super::change::{Grade, Kind};
use super::report::Report;
use super::saved::Saved;
use kernel_structs::nearest::nearest;

/// A word that allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownAllowance {
    /// It is neither a kind nor a grade, and no finding can be about it.
    #[error(
        "`{found}` is no kind and no grade of findings, and nothing saved is called so{}; --allow takes a kind (comment), a grade (meaning) or a subject (task_struct.flags)",
        said(nearest)
    )]
    Word {
        /// What was said.
        found: String,
        /// The most similar word.
        nearest: Option<String>,
    },
    /// A finding could be about it, and none of this patch is.
    #[error(
        "no finding of this patch is about `{found}`{}; remove what lets nothing stand",
        said(nearest)
    )]
    Nothing {
        /// What was said.
        found: String,
        /// The most similar subject of a finding.
        nearest: Option<String>,
    },
}

fn said(nearest: &Option<String>) -> String {
    let nearest = nearest.as_ref();
    nearest.map_or(String::new(), |name| format!("; the nearest is `{name}`"))
}

/// Whether each of `allowed` is of any effect: a kind or a grade, which may stand in a pipeline for
/// patches to come, or the subject of a finding of this patch.
///
/// # Errors
/// The first word that is not.
pub fn check_allowed(
    allowed: &[String],
    saved: &Saved<'_>,
    report: &Report,
) -> Result<(), UnknownAllowance> {
    let kinds = Kind::ALL.into_iter().map(Kind::name);
    let words: Vec<&str> = kinds.chain(Grade::ALL.map(Grade::name)).collect();
    let findings = report.findings.iter();
    let subjects: Vec<&str> = findings.map(|finding| finding.subject.as_str()).collect();
    for name in allowed {
        if words.contains(&name.as_str()) || subjects.contains(&name.as_str()) {
            continue;
        }
        let ty = name.split_once('.').map_or(name.as_str(), |(ty, _)| ty);
        let constant = saved.map.watch.concerning(name).is_some() || is_constant(name);
        // What another patch may be about.
        if saved.get(ty).is_some() || constant {
            return Err(UnknownAllowance::Nothing {
                found: name.clone(),
                nearest: nearest(name, subjects.iter().copied()).map(String::from),
            });
        }
        // A misspelt type is told as a whole, with the member that was meant.
        let near = match name.split_once('.') {
            Some((ty, field)) => nearest(ty, saved.names()).map(|ty| format!("{ty}.{field}")),
            None => nearest(name, words.iter().copied().chain(saved.names())).map(String::from),
        };
        return Err(UnknownAllowance::Word {
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
