//! Copies of programs and libraries that an image has: what the file is called that a thaw makes of one.
//!
//! It is a file in memory (memfd_create(2)), whose name says where the program was that it is a copy of. A
//! freeze that meets one knows by that what it is, and carries it as it was carried before.

/// What the names of copies begin with, before the path.
const MARK: &str = "kconv:";

/// What the kernel puts before a name that memfd_create is given (`mm/memfd.c`: MFD_NAME_PREFIX), and the most that a
/// name can have with it (NAME_MAX).
const PREFIX: &str = "memfd:";
const LONGEST: usize = 255;

/// The name to give to the copy of the file at `path`; `None` if it is too long for one.
pub fn name_of_copy(path: &str) -> Option<String> {
    let is_path = path.starts_with('/') && !path.contains('\0');
    let name = format!("{MARK}{path}");
    (is_path && PREFIX.len() + name.len() <= LONGEST).then_some(name)
}

/// The path of the file that a file in memory is a copy of, by the name that the kernel gives that.
pub fn path_of_copy(name: &str) -> Option<&str> {
    let path = name.strip_prefix(PREFIX)?.strip_prefix(MARK)?;
    path.starts_with('/').then_some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_copy_is_known_by_its_name() {
        let path = "/usr/lib/x86_64-linux-gnu/libc.so.6";
        let name = name_of_copy(path).unwrap();
        assert_eq!(path_of_copy(&format!("memfd:{name}")), Some(path));
        for other in ["memfd:memory", "memfd:kconv:memory", "kconv:/bin/sh", path] {
            assert_eq!(path_of_copy(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_that_is_too_long_is_none() {
        let longest = format!("/{}", "a".repeat(LONGEST - PREFIX.len() - MARK.len() - 1));
        assert!(name_of_copy(&longest).is_some());
        assert_eq!(name_of_copy(&format!("{longest}a")), None);
        assert_eq!(name_of_copy("relative"), None);
        assert_eq!(name_of_copy("/with\0nul"), None);
    }
}
