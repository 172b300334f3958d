//! The data files that releases are made of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

/// The text of `releases.toml` and the files it names, by file name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The text of `releases.toml`.
    pub releases: Cow<'static, str>,
    /// `layouts/*.btf`.
    pub layouts: BTreeMap<String, Cow<'static, [u8]>>,
    /// `state/*.toml`.
    pub states: BTreeMap<String, Cow<'static, [u8]>>,
}

/// What the build script packed into the library.
pub(super) mod builtin {
    use std::borrow::Cow;

    /// A file.
    pub(in crate::releases) struct Packed {
        pub(in crate::releases) name: &'static str,
        /// Bytes that it has, unpacked.
        length: usize,
        /// As DEFLATE has it (RFC 1951).
        data: &'static [u8],
    }

    // It writes LAYOUTS, STATES and USES, each in order of the names.
    include!(concat!(env!("OUT_DIR"), "/files.rs"));

    pub(in crate::releases) const RELEASES: &str = include_str!("../../releases.toml");

    impl Packed {
        /// The file as it was; cut where a program is damaged.
        pub(super) fn unpack(&self) -> Vec<u8> {
            match miniz_oxide::inflate::decompress_to_vec_with_limit(self.data, self.length) {
                Ok(data) => data,
                Err(error) => error.output,
            }
        }
    }

    /// The file `name` of a table.
    pub(in crate::releases) fn unpacked(
        files: &[Packed],
        name: &str,
    ) -> Option<Cow<'static, [u8]>> {
        let at = files.binary_search_by(|file| file.name.cmp(name)).ok()?;
        Some(Cow::Owned(files[at].unpack()))
    }
}

/// What the headers of known kernels say of the declarations of saved types, by family: texts of
/// `kconv-gen state uses`, which alone knows their form. They are apart from [`Files`], for whoever converts
/// needs none of it.
pub fn header_uses() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let family = |name: &'static str| name.strip_suffix(".toml").unwrap_or(name);
    let all = builtin::USES.iter();
    all.map(move |file| (family(file.name), file.unpack()))
}

impl Files {
    /// The files built into this library.
    pub fn builtin() -> Files {
        let table = |files: &'static [builtin::Packed]| {
            let files = files.iter();
            files
                .map(|file| (file.name.to_owned(), Cow::Owned(file.unpack())))
                .collect()
        };
        Files {
            releases: Cow::Borrowed(builtin::RELEASES),
            layouts: table(builtin::LAYOUTS),
            states: table(builtin::STATES),
        }
    }

    /// The files in `folder`, which is laid out like this crate's own. Needed by tools that add
    /// to them.
    ///
    /// # Errors
    /// If a file cannot be read, with its path in the message.
    pub fn read(folder: &Path) -> io::Result<Files> {
        let releases = folder.join("releases.toml");
        Ok(Files {
            releases: Cow::Owned(
                fs::read_to_string(&releases).map_err(|error| named(&releases, &error))?,
            ),
            layouts: all(&folder.join("layouts"), "btf")?,
            states: all(&folder.join("state"), "toml")?,
        })
    }
}

/// Files of `folder` with an extension, by name.
fn all(folder: &Path, extension: &str) -> io::Result<BTreeMap<String, Cow<'static, [u8]>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(|error| named(folder, &error))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            // Whatever else has the name, such as a pipe, might never end.
            if !path.is_file() {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "no regular file");
                return Err(named(&path, &error));
            }
            let data = fs::read(&path).map_err(|error| named(&path, &error))?;
            let name = path.file_name().unwrap_or_default();
            files.insert(name.to_string_lossy().into_owned(), Cow::Owned(data));
        }
    }
    Ok(files)
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
