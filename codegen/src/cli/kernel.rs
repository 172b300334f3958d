//! A kernel that is to be imported: read as far as it can be, and all that is wrong with it.

use super::archive::{Missing, Places};
use super::constants::{self, Found, Headers, NoHeaders, Said};
use super::{CliError, kernel_package};
use kconv_codegen::import::{self, ImportError, Refusals};
use kernel_structs::releases::{Registry, build_id_digits};
use kernel_structs_routes::bzimage::{
    Compression, Config, DEFAULT_LIMIT, Identity, Kernel, KernelError,
};
use kernel_structs_routes::package::{self, Need};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A kernel as it was found.
pub(crate) struct Source {
    pub(crate) kernel: import::Kernel,
    pub(crate) config: Option<Config>,
    pub(crate) compression: Option<Compression>,
}

impl Source {
    fn with_constants(mut self, found: Found) -> Source {
        self.kernel.layout = self.kernel.layout.with_constants(&found.values);
        self.kernel.constants = Some(found.origin);
        self
    }
}

/// What was read of a kernel, as far as it can be, and all that is wrong with it.
pub(crate) struct Read {
    /// The kernel, if it is one.
    pub(crate) source: Option<Source>,
    /// Its headers, if they are nowhere.
    no_headers: Option<NoHeaders>,
    pub(crate) wrong: Vec<CliError>,
}

impl Read {
    /// Reads the kernel `name`.
    pub(crate) fn new(registry: &Registry, name: &str, said: Said<'_>, replace: bool) -> Read {
        let mut read = Read {
            source: None,
            no_headers: None,
            wrong: Vec::new(),
        };
        let mut places = match is_named(name) {
            true => Places::of_named(),
            false => Places::beside(Path::new(name)),
        };
        let Some(image) = image(name, &mut places, &mut read.wrong) else {
            return read;
        };
        let Some(identity) = image.identity(&mut read.wrong) else {
            return read;
        };
        let uname = identity.release.clone();
        let family = registry.family_of_version(&identity.version);
        let known = family.as_ref().ok().copied();
        read.source = image.source(identity, replace, &mut read.wrong);
        if let (None, Err(error)) = (&read.source, family) {
            // Nobody else says so if there is no layout.
            let error = ImportError::from(error);
            read.wrong.insert(0, CliError::Import(Box::new(error)));
        }
        match constants(registry, known, &uname, &mut places, said) {
            Ok(Constants::None) => {}
            Ok(Constants::Found(found)) => {
                read.source = read.source.map(|source| source.with_constants(found));
            }
            Ok(Constants::Missing(sought)) if known.is_some() => read.no_headers = Some(sought),
            Ok(Constants::Missing(sought)) => {
                let sought = Box::new(sought);
                read.wrong.push(CliError::NoHeadersEither(sought));
            }
            Err(error) => read.wrong.push(error),
        }
        read
    }

    /// Adds why the kernel is refused: first what all else follows from, and nothing that was told already.
    pub(crate) fn refuse(&mut self, refusals: Refusals) {
        let has_no_headers = self.no_headers.is_none() && !self.wrong.is_empty();
        let mut causes = 0;
        for error in refusals.0 {
            match error {
                // Why there are no constants was told.
                ImportError::NoConstants { .. } if has_no_headers => {}
                ImportError::NoConstants { .. } => {
                    let why = Box::new(error);
                    self.wrong.push(match self.no_headers.take() {
                        Some(sought) => CliError::NoConstants {
                            why,
                            sought: Box::new(sought),
                        },
                        None => CliError::Import(why),
                    });
                }
                ImportError::NoFamily(_) => {
                    self.wrong.insert(causes, CliError::Import(Box::new(error)));
                    causes += 1;
                }
                _ => self.wrong.push(CliError::Import(Box::new(error))),
            }
        }
    }
}

/// What became of the search for a kernel's constants.
enum Constants {
    /// None are needed, or which ones is not known.
    None,
    Found(Found),
    /// The headers are nowhere.
    Missing(NoHeaders),
}

/// The constants of the kernel `uname`. Without a family nothing says which they are, and the headers are looked for
/// alone.
fn constants(
    registry: &Registry,
    family: Option<&str>,
    uname: &str,
    places: &mut Places,
    said: Said<'_>,
) -> Result<Constants, CliError> {
    let map = family
        .map(|family| registry.state_map(family))
        .transpose()?;
    if map.as_ref().is_some_and(|map| !constants::has_any(map)) {
        return Ok(Constants::None);
    }
    let headers = match constants::locate(uname, places, said)? {
        Headers::Missing(sought) => return Ok(Constants::Missing(sought)),
        headers => headers,
    };
    let Some(map) = map else {
        return Ok(Constants::None);
    };
    let Some(found) = headers.evaluate(registry, &map, places)? else {
        return Ok(Constants::None);
    };
    match &found.uname {
        Some(found) if found != uname => Err(CliError::NotItsHeaders {
            found: found.clone(),
            uname: uname.to_owned(),
        }),
        _ => Ok(Constants::Found(found)),
    }
}

/// Whether `name` is the name of a package, and no file's. A folder of that name is what somebody
/// unpacked.
fn is_named(name: &str) -> bool {
    let starts = ["linux-image-", "linux-binary-"];
    let is_package = starts.iter().any(|start| name.starts_with(start));
    is_package && !name.contains('/') && !Path::new(name).is_file()
}

/// A kernel's image, and what came with it.
struct Image {
    /// The file, for those who read of it.
    path: PathBuf,
    kernel: Kernel,
    /// The kernel that its file in a package is called after.
    called: Option<String>,
    config: Option<Config>,
    /// The package that it is from.
    origin: Option<String>,
}

/// Reads the image of `name`: a package, a vmlinuz or an ELF vmlinux; a name that is no file is a package, whose
/// `.deb` lies in this folder or is in the distribution's archive.
fn image(name: &str, places: &mut Places, wrong: &mut Vec<CliError>) -> Option<Image> {
    match try_image(name, places, wrong) {
        Ok(image) => image,
        Err(error) => {
            wrong.push(error);
            None
        }
    }
}

fn try_image(
    name: &str,
    places: &mut Places,
    wrong: &mut Vec<CliError>,
) -> Result<Option<Image>, CliError> {
    let path = match is_named(name) {
        false => PathBuf::from(name),
        true => {
            let need = Need {
                name: name.to_owned(),
                version: None,
            };
            places.find(&need)?.map_err(|missing| CliError::Download {
                package: need.name,
                said: match missing {
                    Missing::NotOffered(said) => said,
                    Missing::NotAsked => "it was not asked".to_owned(),
                },
            })?
        }
    };
    let read = |path: PathBuf, data: &[u8]| match Kernel::read(data, DEFAULT_LIMIT) {
        Ok(kernel) => Ok((path, kernel)),
        Err(error) => Err(CliError::Kernel { path, error }),
    };
    let mut start = Vec::new();
    let magic = File::open(&path).and_then(|file| {
        let length = package::MAGIC.len() as u64;
        file.take(length).read_to_end(&mut start)
    });
    magic.map_err(|error| CliError::io(&path, error))?;
    if start != package::MAGIC {
        let data = super::read_file(&path)?;
        let (path, kernel) = read(path, &data)?;
        let config = config_beside(&path)?;
        return Ok(Some(Image {
            path,
            kernel,
            called: None,
            config,
            origin: None,
        }));
    }
    let Some(packed) = kernel_package::read(&path, places, wrong) else {
        return Ok(None);
    };
    let (path, kernel) = read(packed.path, &packed.vmlinuz.data)?;
    Ok(Some(Image {
        path: path.join(&packed.vmlinuz.path),
        kernel,
        called: Some(packed.vmlinuz.release),
        config: packed.config,
        origin: Some(format!("BTF of Debian's {}", packed.package)),
    }))
}

/// The configuration that lies beside a kernel as in `/boot`: `config-X` beside `vmlinuz-X`.
fn config_beside(kernel: &Path) -> Result<Option<Config>, CliError> {
    let name = kernel.file_name().unwrap_or_default().to_string_lossy();
    let starts = ["vmlinuz-", "vmlinux-"].into_iter();
    let release = starts.filter_map(|start| name.strip_prefix(start)).next();
    let path = release.map(|release| kernel.with_file_name(format!("config-{release}")));
    let Some(path) = path.filter(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = fs::read_to_string(&path).map_err(|error| CliError::io(&path, error))?;
    match Config::parse(&text) {
        Ok(config) => Ok(Some(config)),
        Err(error) => Err(CliError::Config { path, error }),
    }
}

impl Image {
    /// Takes `result`, or adds what is wrong with it.
    fn take<T>(&self, result: Result<T, KernelError>, wrong: &mut Vec<CliError>) -> Option<T> {
        let path = self.path.clone();
        let failed = |error| wrong.push(CliError::Kernel { path, error });
        result.map_err(failed).ok()
    }

    /// What the kernel says of itself.
    fn identity(&self, wrong: &mut Vec<CliError>) -> Option<Identity> {
        let identity = self.take(self.kernel.identity(), wrong)?;
        if let Some(called) = self.called.as_ref().filter(|it| **it != identity.release) {
            wrong.push(CliError::MisnamedKernel {
                path: self.path.clone(),
                called: called.clone(),
                found: identity.release.clone(),
            });
        }
        Some(identity)
    }

    fn source(
        self,
        identity: Identity,
        replace: bool,
        wrong: &mut Vec<CliError>,
    ) -> Option<Source> {
        let own = match self.config {
            Some(_) => None,
            None => self.take(self.kernel.config(), wrong).flatten(),
        };
        let layout = self.take(self.kernel.layout(), wrong)?;
        let config = self.config.or(own);
        let arch = match identity.machine {
            "x86_64" => "amd64",
            machine => machine,
        };
        let hz = config
            .as_ref()
            .and_then(|config| config.number("CONFIG_HZ"));
        Some(Source {
            kernel: import::Kernel {
                build_id: build_id(&identity),
                source: self
                    .origin
                    .unwrap_or_else(|| format!("BTF of {}", identity.banner)),
                flavour: import::flavour(&identity.release, arch),
                name: identity.release.clone(),
                uname: Some(identity.release),
                version: identity.version,
                arch: arch.to_owned(),
                family: None,
                hz: hz.and_then(|hz| u32::try_from(hz).ok()),
                layout,
                constants: None,
                replace,
                apart: false,
            },
            config,
            compression: self.kernel.compression(),
        })
    }
}

/// The build id of a kernel in hexadecimal digits.
pub(super) fn build_id(identity: &Identity) -> Option<String> {
    identity.build_id.as_deref().map(build_id_digits)
}
