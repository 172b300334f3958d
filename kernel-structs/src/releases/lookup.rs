//! Which release someone means.

use super::{Called, Registry, Release};
use crate::nearest::nearest_few;
use std::collections::BTreeSet;
use thiserror::Error;

/// A name that stands for no release, or for several.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LookupError {
    /// There is no such release.
    #[error("there is no release `{query}`{}", on(arch))]
    Unknown {
        /// What was asked for.
        query: String,
        /// The machine it was asked for, if for one only.
        arch: Option<String>,
        /// The most similar names, best first.
        nearest: Vec<String>,
    },
    /// There is one, for another machine.
    #[error("`{query}` is a release for {found}, and one for {arch} is wanted")]
    OtherMachine {
        /// What was asked for.
        query: String,
        /// The machine it was asked for.
        arch: String,
        /// The machine that it is for.
        found: String,
    },
    /// It is what the versions of several begin with.
    #[error("`{query}` can be any of {count} releases; the newest are {}", newest.join(", "))]
    Series {
        /// What was asked for.
        query: String,
        /// How many there are, of builds that differ in nothing but their names one.
        count: usize,
        /// The names of some, the newest first.
        newest: Vec<String>,
    },
    /// There are several.
    #[error("`{query}` can be any of {}", candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        query: String,
        /// Their names, in the order of the table.
        candidates: Vec<String>,
    },
}

fn on(arch: &Option<String>) -> String {
    arch.as_ref()
        .map(|arch| format!(" for {arch}"))
        .unwrap_or_default()
}

/// Whether `query` reads like the name of a file and not of a release: it has a slash, an ending
/// such as `.btf`, or the name of a kernel image.
///
/// ```
/// use kernel_structs::releases::is_file_like;
/// assert!(is_file_like("./2.4.36") && is_file_like("tasks.img") && is_file_like("vmlinuz-6.1.0"));
/// assert!(!is_file_like("2.4.36-up") && !is_file_like("6.12.117+deb12-amd64"));
/// ```
pub fn is_file_like(query: &str) -> bool {
    // The numbers of a version are no ending.
    let ending = query.rsplit_once('.').is_some_and(|(_, ending)| {
        ending.starts_with(|c: char| c.is_ascii_alphabetic())
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
    });
    let images = ["vmlinux", "vmlinuz", "bzImage", "vmcore"];
    query.contains('/') || ending || images.iter().any(|image| query.starts_with(image))
}

impl LookupError {
    /// What the user can do about it.
    pub fn advice(&self) -> String {
        match self {
            LookupError::Unknown { nearest, .. } if nearest.is_empty() => {
                "name a release as in kernel-structs/releases.toml, such as 2.4.36 or 2.4.36-smp"
                    .to_owned()
            }
            LookupError::Unknown { nearest, .. } => {
                format!("the nearest are {}", nearest.join(", "))
            }
            LookupError::OtherMachine { arch, .. } => format!("name a release for {arch}"),
            LookupError::Ambiguous {
                candidates: names, ..
            }
            | LookupError::Series { newest: names, .. } => {
                let first = names.first().map_or("", String::as_str);
                format!("name one of them in full, such as {first}")
            }
        }
    }
}

/// Where the flavour stands among others: what most people run comes first.
pub fn flavour_order(flavour: &str) -> (bool, &str) {
    (!matches!(flavour, "standard" | "up"), flavour)
}

/// The numbers in a version, so that 6.12 comes after 6.1.
///
/// ```
/// use kernel_structs::releases::numbers;
/// assert!(numbers("6.12.117+deb13") > numbers("6.1.192"));
/// ```
pub fn numbers(version: &str) -> Vec<u64> {
    let numbers = version.split(|c: char| !c.is_ascii_digit());
    numbers.filter_map(|number| number.parse().ok()).collect()
}

impl Registry {
    /// The flavours of all releases, in the order of [`flavour_order`].
    pub fn flavours(&self) -> Vec<&str> {
        let mut flavours: Vec<&str> = self.releases.iter().map(|r| r.flavour.as_str()).collect();
        flavours.sort_unstable_by_key(|flavour| flavour_order(flavour));
        flavours.dedup();
        flavours
    }

    /// The releases that `version` means: for each machine and flavour the newest build of each
    /// layout, in the order of the table.
    pub fn of_version(&self, version: &str) -> Vec<&Release> {
        let all = self.releases.iter();
        newest_builds(all.filter(|release| release.version == version).collect())
    }

    /// The releases whose versions begin with the numbers of `series`, such as 6.12, the newest first; of builds that
    /// differ in nothing but their names and when they were made, the newest one. Releases for other machines than
    /// `arch` are not looked at, if that is given.
    pub fn of_series(&self, series: &str, arch: Option<&str>) -> Vec<&Release> {
        let all = self.releases.iter();
        let all = all.filter(|release| is_for(release, arch));
        let of_series = all.filter(|release| is_of_series(&release.version, series));
        let mut found = newest_builds(of_series.collect());
        found.sort_by(|a, b| {
            let newer = numbers(&b.version).cmp(&numbers(&a.version));
            newer.then_with(|| flavour_order(&a.flavour).cmp(&flavour_order(&b.flavour)))
        });
        found
    }

    /// The release that `query` means: the one of that name; else the one on which `uname -r`
    /// prints it; else the one of that version, of several the one with `default_flavour`; else
    /// the one that it names as `version-flavour`. Of builds that differ in nothing but their
    /// names and when they were made, the newest is meant.
    ///
    /// Releases for other machines than `arch` are not looked at, if that is given.
    ///
    /// # Errors
    /// If there is none, or if it cannot be told which of several is meant.
    pub fn release(
        &self,
        query: &str,
        default_flavour: Option<&str>,
        arch: Option<&str>,
    ) -> Result<&Release, LookupError> {
        let known = self.releases.iter();
        let known: Vec<&Release> = known.filter(|release| is_for(release, arch)).collect();
        for called in Called::ALL {
            let is_called = |release: &&Release| release.called(query) == Some(called);
            let mut found: Vec<&Release> = known.iter().copied().filter(is_called).collect();
            if found.len() > 1 {
                let preferred = |release: &&Release| Some(&*release.flavour) == default_flavour;
                if found.iter().any(preferred) {
                    found.retain(preferred);
                }
            }
            let found = newest_builds(found);
            match found.as_slice() {
                [] => {}
                [release] => return Ok(release),
                several => {
                    return Err(LookupError::Ambiguous {
                        query: query.to_owned(),
                        candidates: several.iter().map(|release| release.name.clone()).collect(),
                    });
                }
            }
        }
        let of_series = self.of_series(query, arch);
        if !of_series.is_empty() {
            let newest = of_series.iter().take(3);
            return Err(LookupError::Series {
                query: query.to_owned(),
                count: of_series.len(),
                newest: newest.map(|release| release.name.clone()).collect(),
            });
        }
        if let Some(arch) = arch
            && let Some(other) = self.of_any_machine(query)
        {
            return Err(LookupError::OtherMachine {
                query: query.to_owned(),
                arch: arch.to_owned(),
                found: other.arch.clone(),
            });
        }
        // A version that is not known is nearer to other versions than to full names.
        let names: BTreeSet<String> = match query.contains('-') {
            true => {
                let flavoured =
                    |release: &&Release| format!("{}-{}", release.version, release.flavour);
                let names = known.iter().map(|release| release.name.clone());
                names.chain(known.iter().map(flavoured)).collect()
            }
            false => known
                .iter()
                .map(|release| release.version.clone())
                .collect(),
        };
        Err(LookupError::Unknown {
            query: query.to_owned(),
            arch: arch.map(String::from),
            // Of equally near ones, the newest.
            nearest: nearest_few(query, names.iter().map(String::as_str).rev(), 3)
                .into_iter()
                .map(String::from)
                .collect(),
        })
    }

    /// The release that `query` means, or the first of several, whatever machine it is for.
    fn of_any_machine(&self, query: &str) -> Option<&Release> {
        match self.release(query, None, None) {
            Ok(release) => Some(release),
            Err(LookupError::Ambiguous { candidates, .. }) => {
                let first = candidates.first()?;
                self.releases.iter().find(|release| release.name == *first)
            }
            Err(LookupError::Series { query, .. }) => self.of_series(&query, None).first().copied(),
            Err(LookupError::Unknown { .. } | LookupError::OtherMachine { .. }) => None,
        }
    }
}

/// Whether a release is for the machine that is asked for, if one is.
fn is_for(release: &Release, arch: Option<&str>) -> bool {
    arch.is_none_or(|arch| release.arch == arch)
}

/// Whether `version` begins with the numbers of `series` and has more of them.
pub fn is_of_series(version: &str, series: &str) -> bool {
    let rest = version.strip_prefix(series);
    let is_number = series.ends_with(|c: char| c.is_ascii_digit());
    is_number && rest.is_some_and(|rest| rest.starts_with('.'))
}

/// `releases` without those of which a later one is another build: a distribution builds a version
/// again, and nothing that matters here changes.
fn newest_builds(releases: Vec<&Release>) -> Vec<&Release> {
    let same = |a: &Release, b: &Release| {
        (&a.version, &a.arch, &a.flavour, &a.layout) == (&b.version, &b.arch, &b.flavour, &b.layout)
    };
    let later = |index: usize| &releases[index + 1..];
    let newest = releases
        .iter()
        .enumerate()
        .filter(|(index, release)| !later(*index).iter().any(|other| same(other, release)));
    newest.map(|(_, release)| *release).collect()
}
