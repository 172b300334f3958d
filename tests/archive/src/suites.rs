//! Suites of Debian's archive that the machine itself takes no packages from.
//!
//! apt has a configuration, lists and a state of its own for them, in `suites` in the folder where packages are kept.
//! The machine's are only read: the archive is asked where the machine asks it.

use crate::{Error, run};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The suites, of which a kernel that the machine's own suites lack may be, each with the label of the archive that has it.
const SUITES: [(&str, &str); 3] = [
    ("Debian", "trixie-backports"),
    ("Debian", "bullseye"),
    ("Debian-Security", "bullseye-security"),
];

/// What Debian's archive is signed with, of the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How old lists may be. What they name and the archive no longer has cannot be downloaded.
const FRESH: Duration = Duration::from_secs(6 * 3600);

/// `program` of apt, which will know the packages of the suites, whose lists are in `cache`.
pub(crate) fn command(program: &str, cache: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("APT_CONFIG", cache.join("suites/apt.conf"));
    command
}

/// Makes the lists in `cache`, if those that are there are old.
pub(crate) fn update(cache: &Path) -> Result<(), Error> {
    let folder = cache.join("suites");
    let stamp = folder.join("updated");
    let age = stamp.metadata().and_then(|stamp| stamp.modified());
    let age = age.ok().and_then(|time| time.elapsed().ok());
    if age.is_some_and(|age| age < FRESH) {
        return Ok(());
    }
    let format = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(CREATED_BY)|$(REPO_URI)";
    let mut targets = Command::new("apt-get");
    targets.args(["indextargets", "--format", format]);
    let targets = run(&mut targets, "apt")?;
    let targets = String::from_utf8_lossy(&targets);
    let key = Path::new(KEYRING).exists().then_some(KEYRING);
    let sources = sources(&targets, key);
    if sources.is_empty() {
        let suites = SUITES.map(|(_, suite)| suite).join(", ");
        return Err(Error::NoArchive { suites });
    }
    for folder in ["lists/partial", "cache/archives/partial", "preferences"] {
        let folder = cache.join("suites").join(folder);
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    let conf = configuration(&folder);
    for (name, text) in [
        ("apt.conf", conf),
        ("sources.list", sources),
        ("status", String::new()),
    ] {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(Error::file(&file))?;
    }
    let mut update = command("apt-get", cache);
    update.args(["update", "--quiet", "--error-on=any"]);
    let updated = run(&mut update, "apt");
    // A suite leaves the archive one day, and the others are to be had without it.
    let mut kernels = command("apt-cache", cache);
    kernels.args(["pkgnames", "linux-image-"]);
    if run(&mut kernels, "apt")?.is_empty() {
        updated?;
    }
    std::fs::write(&stamp, "").map_err(Error::file(&stamp))
}

/// Where the machine takes Debian's packages of the archive called `label` from, of what apt says of its lists.
fn archive<'a>(targets: &'a str, label: &str) -> Option<&'a str> {
    let packages = format!("Debian|{label}|main|Packages|");
    let mut lines = targets.lines();
    lines.find_map(|line| line.strip_prefix(&packages))
}

/// A line for each suite whose archive is known.
fn sources(targets: &str, key: Option<&str>) -> String {
    let signed = key.map_or_else(String::new, |key| format!(" [signed-by={key}]"));
    let mut sources = String::new();
    for (label, suite) in SUITES {
        if let Some(archive) = archive(targets, label) {
            // A `String` takes all that is written to it.
            let _ = writeln!(sources, "deb{signed} {archive} {suite} main");
        }
    }
    sources
}

fn configuration(folder: &Path) -> String {
    let mut text = String::new();
    for (key, value) in [
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::Etc::sourceparts", "none"),
        ("Dir::Etc::preferences", "none"),
        ("Dir::Etc::preferencesparts", "preferences"),
        ("Dir::State::lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
    ] {
        let _ = writeln!(text, "{key} \"{}\";", folder.join(value).display());
    }
    // Root downloads as itself: the folder need not be another user's to read.
    text + "APT::Sandbox::User \"root\";\nAPT::Architecture \"amd64\";\n"
}

#[cfg(test)]
mod tests {
    use super::{archive, sources};

    #[test]
    fn the_archive_is_where_the_machine_takes_debians_packages_from() {
        let targets = "other|other|main|Packages|https://example.org/\n\
            Debian|Debian-Security|main|Packages|http://a.example/security/\n\
            Debian|Debian|main|DEP-11|http://no.example/\n\
            Debian|Debian|main|Packages|http://b.example/debian/\n\
            Debian|Debian|main|Packages|http://c.example/debian/\n";
        assert_eq!(archive(targets, "Debian"), Some("http://b.example/debian/"));
        let security = Some("http://a.example/security/");
        assert_eq!(archive(targets, "Debian-Security"), security);
        let other = "other|other|main|Packages|https://example.org/\n";
        assert_eq!(archive(other, "Debian"), None);
    }

    #[test]
    fn a_source_names_its_key_if_that_is_there() {
        let targets = "Debian|Debian|main|Packages|http://b.example/debian/\n";
        let with = sources(targets, Some("/key"));
        assert_eq!(
            with,
            "deb [signed-by=/key] http://b.example/debian/ trixie-backports main\n\
             deb [signed-by=/key] http://b.example/debian/ bullseye main\n"
        );
        let security = "Debian|Debian-Security|main|Packages|http://b.example/security/\n";
        let without = sources(security, None);
        assert_eq!(
            without,
            "deb http://b.example/security/ bullseye-security main\n"
        );
        assert_eq!(sources("", None), "");
    }
}
