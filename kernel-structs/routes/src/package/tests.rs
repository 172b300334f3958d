#![allow(clippy::unwrap_used)]

use super::{Headers, LARGEST_TEXT, MAGIC, Need, Package, PackageError};
use std::io::Write;

const CONTROL: &str = "Package: linux-image-6.1.0-1-amd64\nVersion: 6.1.4-1\nSize: 7\n";

/// A tar file.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path, *data).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

/// An `ar` archive: a header of 60 bytes and an even number of bytes for each member.
fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut data = MAGIC.to_vec();
    for (name, bytes) in members {
        writeln!(
            data,
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`",
            0,
            0,
            0,
            100644,
            bytes.len()
        )
        .unwrap();
        data.extend_from_slice(bytes);
        data.resize(data.len().next_multiple_of(2), b'\n');
    }
    data
}

fn package(files: &[(&str, &[u8])]) -> Vec<u8> {
    let control = gzip(&tar(&[("./control", CONTROL.as_bytes())]));
    let files = gzip(&tar(files));
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", &control),
        ("data.tar.gz", &files),
    ])
}

const FILES: [(&str, &[u8]); 4] = [
    ("./boot/System.map-6.1.0-1-amd64", b"0 T _text\n"),
    (
        "./boot/config-6.1.0-1-amd64",
        b"CONFIG_HZ=250\nCONFIG_SMP=y\n",
    ),
    ("./boot/vmlinuz-6.1.0-1-amd64", b"kernel"),
    ("./lib/modules/6.1.0-1-amd64/modules.order", b""),
];

#[test]
fn a_package_gives_its_kernel_and_its_configuration() {
    let package = Package::read(&package(&FILES)).unwrap();
    assert_eq!(
        (package.name.as_str(), package.version.as_str()),
        ("linux-image-6.1.0-1-amd64", "6.1.4-1")
    );
    let (vmlinuz, config) = (package.vmlinuz.unwrap(), package.config.unwrap());
    assert_eq!(vmlinuz.data, b"kernel");
    assert_eq!(vmlinuz.path, "boot/vmlinuz-6.1.0-1-amd64");
    assert_eq!(config.data.number("CONFIG_HZ"), Some(250));
    for release in [vmlinuz.release, config.release] {
        assert_eq!(release, "6.1.0-1-amd64");
    }
}

/// From 7.2 on they lie with the modules, and before, other files of these names did not.
#[test]
fn a_kernel_may_lie_with_its_modules() {
    for folder in ["./usr/lib/modules/7.2.1-amd64", "lib/modules/7.2.1-amd64"] {
        let path = |file: &str| format!("{folder}/{file}");
        let package = Package::read(&package(&[
            ("./boot/grub/vmlinuz-7.2.1-amd64", b""),
            ("./usr/share/vmlinuz", b""),
            (&path("kernel/config"), b""),
            (&path("config"), b"CONFIG_HZ=250\n"),
            (&path("vmlinuz"), b"kernel"),
        ]));
        let package = package.unwrap();
        let (vmlinuz, config) = (package.vmlinuz.unwrap(), package.config.unwrap());
        assert_eq!(vmlinuz.data, b"kernel");
        assert_eq!(vmlinuz.release, "7.2.1-amd64");
        assert_eq!(config.release, "7.2.1-amd64");
    }
}

/// A stub has no kernel, and says where the parts are: the image first, and nothing but what may have a part.
#[test]
fn a_stub_names_the_packages_with_its_parts() {
    let control = "Package: linux-image-7.2.1-amd64\nVersion: 7.2.1-1\nDepends: dracut | initramfs-tools (>= 0.120),\n \
                   linux-base-7.2.1-amd64 (= 7.2.1-1), linux-base (>= 4.3~),\n linux-modules-7.2.1-amd64 (= 7.2.1-1),\n\t\
                   linux-binary-7.2.1-amd64:any ( = 7.2.1-1 )\nDescription: x\n linux-base-x (= 1)\n";
    let stub = ar(&[
        (
            "control.tar.gz",
            &gzip(&tar(&[("./control", control.as_bytes())])),
        ),
        ("data.tar.gz", &gzip(&tar(&[("./usr/share/doc/x", b"")]))),
    ]);
    let stub = Package::read(&stub).unwrap();
    assert!(stub.vmlinuz.is_none() && stub.config.is_none());
    let need = |name: &str| Need {
        name: name.to_owned(),
        version: Some("7.2.1-1".to_owned()),
    };
    let expected = ["linux-binary-7.2.1-amd64", "linux-base-7.2.1-amd64"].map(need);
    assert_eq!(stub.needs, expected);
    assert_eq!(
        stub.needs[0].to_string(),
        "linux-binary-7.2.1-amd64 (= 7.2.1-1)"
    );
}

/// Of two, nobody can tell which one is meant.
#[test]
fn a_package_with_two_kernels_is_refused() {
    for (path, part) in [
        ("./boot/vmlinuz-6.1.0-2-amd64", "the image"),
        ("./boot/config-6.1.0-2-amd64", "the configuration"),
    ] {
        let mut files = FILES.to_vec();
        files.insert(3, (path, b"CONFIG_HZ=100\n"));
        let error = Package::read(&package(&files)).unwrap_err().to_string();
        assert!(error.starts_with(part), "{error}");
        assert!(error.contains(path.trim_start_matches("./")), "{error}");
    }
}

/// What comes after the kernel is not unpacked: a package whose rest is cut off is read as well.
#[test]
fn a_package_is_unpacked_as_far_as_its_kernel() {
    let mut files = FILES.to_vec();
    // Bytes that do not compress, so that the cut is after the kernel.
    let noise: Vec<u8> = (0..1u32 << 18)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    files.push(("./lib/modules/large", &noise));
    let data = gzip(&tar(&files));
    let control = gzip(&tar(&[("./control", CONTROL.as_bytes())]));
    let cut = ar(&[
        ("control.tar.gz", &control),
        ("data.tar.gz", &data[..data.len() / 2]),
    ]);
    let vmlinuz = Package::read(&cut).unwrap().vmlinuz.unwrap();
    assert_eq!(vmlinuz.data, b"kernel");
}

/// What it lacks may be in another package.
#[test]
fn a_package_without_a_kernel_has_what_it_has() {
    let package = Package::read(&package(&FILES[..2])).unwrap();
    assert!(package.vmlinuz.is_none());
    assert!(package.config.is_some());
}

#[test]
fn a_configuration_larger_than_any_is_refused() {
    let large = vec![b'#'; LARGEST_TEXT as usize + 1];
    let mut files = FILES;
    files[1].1 = &large;
    let error = Package::read(&package(&files)).unwrap_err();
    assert!(
        matches!(
            error,
            PackageError::TooLarge {
                limit: LARGEST_TEXT,
                ..
            }
        ),
        "{error}"
    );
}

/// Cut short at any byte, or with any byte changed, it is read or refused.
#[test]
fn damage_is_an_error() {
    let whole = package(&FILES);
    for end in 0..whole.len() {
        let _ = Package::read(&whole[..end]);
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        let _ = Package::read(&damaged);
    }
    assert!(matches!(
        Package::read(b"!<arch>\n").unwrap_err(),
        PackageError::NoMember(_)
    ));
    assert!(matches!(
        Package::read(b"").unwrap_err(),
        PackageError::Archive(_)
    ));
}

const HEADERS: &str = "Package: linux-headers-6.1.0-1-amd64\nVersion: 6.1.4-1\n\
                       Depends: linux-headers-6.1.0-1-common (= 6.1.4-1), linux-kbuild-6.1, gcc-12\n";

#[test]
fn headers_are_unpacked_and_nothing_else_is() {
    let files: [(&str, &[u8]); 5] = [
        ("./usr/src/linux-headers-1/Makefile", b"include"),
        ("./usr/src/linux-headers-1/include/linux/a.h", b"a"),
        ("./usr/src/linux-headers-1/arch/x86/include/asm/b.h", b"b"),
        ("./usr/src/linux-headers-1/scripts/c.h", b"c"),
        ("./usr/share/doc/include/d.h", b"d"),
    ];
    let data = ar(&[
        ("debian-binary", b"2.0\n"),
        (
            "control.tar.gz",
            &gzip(&tar(&[("./control", HEADERS.as_bytes())])),
        ),
        ("data.tar.gz", &gzip(&tar(&files))),
    ]);
    assert_eq!(
        Headers::read(&data).unwrap(),
        Headers {
            name: "linux-headers-6.1.0-1-amd64".to_owned(),
            version: "6.1.4-1".to_owned(),
            needs: vec![Need {
                name: "linux-headers-6.1.0-1-common".to_owned(),
                version: Some("6.1.4-1".to_owned()),
            }],
        }
    );
    let folder = tempfile::tempdir().unwrap();
    Headers::unpack(&data, folder.path()).unwrap();
    let there = |path: &str| folder.path().join(path).is_file();
    let unpacked = files.map(|(path, _)| there(path));
    assert_eq!(unpacked, [true, true, true, false, false]);
    let cut = &data[..data.len() - 40];
    assert!(Headers::unpack(cut, folder.path()).is_err());
}
