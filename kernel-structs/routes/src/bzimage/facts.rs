//! What a kernel says of itself: version, build id, machine, configuration.

use super::{Compression, Config, ConfigError, KernelError};
use kernel_structs::units::ByteSize;
use memchr::memmem;
use object::read::elf::ElfFile;
use object::{Architecture, Endianness, FileKind, Object};

/// Which kernel this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `uname -r`, such as `6.1.0-47-amd64`.
    pub release: String,
    /// The version of the source, such as `6.1.170`. Debian names it in the banner (`uname -v`);
    /// elsewhere it is what the release begins with.
    pub version: String,
    /// The whole banner, `Linux version …`.
    pub banner: String,
    /// The GNU build id; kernels have one from 2.6.23 on.
    pub build_id: Option<Vec<u8>>,
    /// `i386` or `x86_64`.
    pub machine: &'static str,
}

/// `init/version.c`: `linux_banner`.
const BANNER: &[u8] = b"Linux version ";
/// A banner is one line; builders' and compilers' names make it some hundred bytes long.
const LONGEST_BANNER: usize = 1024;
/// `kernel/configs.c`: the configuration, compressed, lies between these.
const CONFIG_START: &[u8] = b"IKCFG_ST";
const CONFIG_END: &[u8] = b"IKCFG_ED";
const CONFIG_LIMIT: ByteSize = ByteSize(16 << 20);

pub(super) fn identity(elf: &[u8], header: Option<&str>) -> Result<Identity, KernelError> {
    let (machine, build_id) = match FileKind::parse(elf)? {
        FileKind::Elf32 => machine(&ElfFile::<object::elf::FileHeader32<Endianness>>::parse(
            elf,
        )?)?,
        _ => machine(&ElfFile::<object::elf::FileHeader64<Endianness>>::parse(
            elf,
        )?)?,
    };
    let banner = banner(elf).ok_or(KernelError::NoBanner)?;
    let release = first_word(&banner[BANNER.len()..]);
    if let Some(header) = header.map(first_word)
        && header != release
    {
        return Err(KernelError::Versions {
            header: header.to_owned(),
            banner: release.to_owned(),
        });
    }
    Ok(Identity {
        release: release.to_owned(),
        version: version(banner).ok_or_else(|| KernelError::NoVersion(banner.to_owned()))?,
        banner: banner.to_owned(),
        build_id,
        machine,
    })
}

pub(super) fn config(elf: &[u8]) -> Result<Option<Config>, KernelError> {
    let Some(start) = memmem::find(elf, CONFIG_START) else {
        return Ok(None);
    };
    let rest = &elf[start + CONFIG_START.len()..];
    let damaged = |why: &str| ConfigError::Damaged(why.to_owned());
    let end = memmem::find(rest, CONFIG_END).ok_or_else(|| damaged("it has no end"))?;
    let text = Compression::Gzip
        .unpack(&rest[..end], CONFIG_LIMIT)
        .map_err(|error| damaged(&error.to_string()))?;
    let text = std::str::from_utf8(&text).map_err(|_| ConfigError::NotText)?;
    Ok(Some(Config::parse(text)?))
}

type MachineAndBuild = (&'static str, Option<Vec<u8>>);

fn machine<'data>(file: &impl Object<'data>) -> Result<MachineAndBuild, KernelError> {
    let machine = match file.architecture() {
        Architecture::I386 => "i386",
        Architecture::X86_64 => "x86_64",
        other => return Err(KernelError::Machine(format!("{other:?}"))),
    };
    Ok((machine, file.build_id()?.map(<[u8]>::to_vec)))
}

/// The first line that begins like a banner and goes on with a digit: the format string of
/// `/proc/version` begins like one, too.
fn banner(elf: &[u8]) -> Option<&str> {
    memmem::find_iter(elf, BANNER).find_map(|start| {
        let line = elf.get(start..)?;
        let line = &line[..line.len().min(LONGEST_BANNER)];
        let end = line.iter().position(|byte| matches!(byte, b'\n' | 0))?;
        let line = std::str::from_utf8(&line[..end]).ok()?;
        line[BANNER.len()..]
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(line)
    })
}

fn first_word(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

/// `6.1.170` of `… Debian 6.1.170-3 (2026-05-08)`, else of the release.
fn version(banner: &str) -> Option<String> {
    let debian = banner
        .rsplit_once(" Debian ")
        .and_then(|(_, rest)| numbers(rest));
    debian.or_else(|| numbers(&banner[BANNER.len()..]))
}

fn numbers(text: &str) -> Option<String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let numbers = text[..end].trim_end_matches('.');
    numbers.contains('.').then(|| numbers.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_version_is_that_of_the_source() {
        let debian = "Linux version 6.1.0-47-amd64 (a@b) (gcc (Debian 12.2.0-14) 12.2.0) #1 SMP \
                      PREEMPT_DYNAMIC Debian 6.1.170-3 (2026-05-08)";
        assert_eq!(version(debian).unwrap(), "6.1.170");
        assert_eq!(version("Linux version 2.4.36 (a@b)").unwrap(), "2.4.36");
        assert_eq!(version("Linux version 6.12.0-rc1+ (a)").unwrap(), "6.12.0");
        assert_eq!(version("Linux version x"), None);
    }

    #[test]
    fn the_format_string_is_not_taken_for_the_banner() {
        let data = b"\0Linux version %s (a)\n\0Linux version 6.1.2 (b)\n\0";
        assert_eq!(banner(data), Some("Linux version 6.1.2 (b)"));
    }

    #[test]
    fn the_header_names_the_release_of_the_banner() {
        // The header of an ELF file for x86-64 that has neither segments nor sections.
        let mut elf = vec![0; 64];
        elf[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        for (at, value) in [(16, 2), (18, 62), (20, 1), (52, 64)] {
            elf[at] = value;
        }
        elf.extend(b"Linux version 6.1.0-47-amd64 (a@b) #1 SMP Debian 6.1.170-3\n\0");
        let of = |header| identity(&elf, header);
        for header in [None, Some("6.1.0-47-amd64 (c@d) #1 SMP")] {
            let found = of(header).unwrap();
            assert_eq!(found.release, "6.1.0-47-amd64");
            assert_eq!(found.version, "6.1.170");
            assert_eq!((found.machine, found.build_id), ("x86_64", None));
        }
        let error = of(Some("6.1.0-48-amd64 (a@b)")).unwrap_err();
        assert!(
            matches!(
                &error,
                KernelError::Versions { header, banner }
                    if header == "6.1.0-48-amd64" && banner == "6.1.0-47-amd64"
            ),
            "{error}"
        );
    }

    #[test]
    fn the_configuration_inside_a_kernel_is_found() {
        let mut elf = b"....".to_vec();
        elf.extend(CONFIG_START);
        elf.extend(pack(b"CONFIG_SMP=y\n"));
        elf.extend(CONFIG_END);
        assert!(config(&elf).unwrap().unwrap().is_yes("CONFIG_SMP"));
        assert_eq!(config(b"....").unwrap(), None);
        elf.truncate(elf.len() - 1);
        let error = config(&elf).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("configuration inside the kernel")
        );
    }

    fn pack(data: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }
}
