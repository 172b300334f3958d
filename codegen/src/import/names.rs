//! The names of releases, and what they say.

use std::path::Path;

/// The longest name of a release, in characters: `uname -r` prints no longer one (`__NEW_UTS_LEN`).
pub(super) const LONGEST: usize = 64;

/// Whether a release, a layout and a file can have this name.
pub(super) fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_' | '~');
    let is_short = name.len() <= LONGEST;
    is_short && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(good)
}

/// The name of the release whose types are in a file of this name: all of it but the ending that
/// says what is in it. The numbers of a version are no ending.
pub fn name_of_file(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = [".btf", ".elf", ".debug", ".dbg", ".o"]
        .into_iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    let kernel = ["vmlinux-", "vmlinuz-", "linux-"].into_iter();
    let mut bare = kernel.filter_map(|start| name.strip_prefix(start));
    bare.next().unwrap_or(name).to_owned()
}

/// `2.4.38` of `2.4.38-up`. Of a name that goes on with numbers, as `6.1.0-47-amd64`, nobody can
/// tell by looking at it: Debian counts in them what it called 6.1.170.
pub fn version_of_name(name: &str) -> Option<String> {
    let end = name.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (version, rest) = name.split_at(end.unwrap_or(name.len()));
    let counted = rest
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let numbers = version.split('.').all(|number| !number.is_empty());
    (numbers && version.contains('.') && !counted).then(|| version.to_owned())
}

/// `cloud` of `6.1.0-47-cloud-amd64`, and `standard` of `6.1.0-47-amd64`.
pub fn flavour(uname: &str, arch: &str) -> String {
    let rest = uname
        .strip_suffix(arch)
        .unwrap_or(uname)
        .trim_end_matches('-');
    let last = rest.rsplit('-').next().unwrap_or_default();
    match last.starts_with(|c: char| c.is_ascii_alphabetic()) && last != rest {
        true => last.to_owned(),
        false => "standard".to_owned(),
    }
}
