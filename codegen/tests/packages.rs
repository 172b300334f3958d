//! `release import` takes kernels in every shape in which Debian packs them, without the network but for packages that
//! are named, and says all that is wrong at once.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod registered;

use kconv_made::packed::{self, Machine, deb};
use kernel_structs::btf;
use kernel_structs::releases::{LayoutId, Registry};
use registered::Project;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A kernel of the family that has constants.
const NAME: &str = "6.1.0-99-amd64";
const VERSION: &str = "6.1.999-1";
const CONFIG: &[u8] = b"CONFIG_HZ=250\nCONFIG_SMP=y\n";
const CONSTANTS: [&str; 2] = ["--constants-of", "6.1.0-47-amd64"];

/// A project's folder, and an archive that `apt-get` downloads from, which writes down what it is asked for.
struct World(Project);

impl World {
    fn new() -> World {
        let project = Project::new();
        project.decisions();
        for folder in ["archive", "bin"] {
            fs::create_dir(project.file(folder)).unwrap();
        }
        let program = project.file("bin/apt-get");
        let text = "#!/bin/sh\n\
                    # apt-get --quiet=2 download PACKAGE[=VERSION]\n\
                    archive=${0%/bin/apt-get}/archive\n\
                    echo \"$3\" >> \"$archive.log\"\n\
                    name=${3%%=*}\n\
                    if ! /bin/cp \"$archive/${name}_\"*.deb . 2> /dev/null; then\n\
                    echo \"E: Unable to locate package $name\" >&2\n\
                    echo \"E: Couldn't find any package by glob '$name'\" >&2\n\
                    exit 100\n\
                    fi\n";
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        World(project)
    }

    /// Puts a package of [`VERSION`] into a folder.
    fn put(&self, folder: &str, name: &str, depends: &str, files: &[(&str, &[u8])]) {
        self.put_version(folder, name, VERSION, depends, files);
    }

    fn put_version(
        &self,
        folder: &str,
        name: &str,
        version: &str,
        depends: &str,
        files: &[(&str, &[u8])],
    ) {
        let folder = self.0.file(folder);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}_{version}_amd64.deb"));
        fs::write(file, deb(name, version, depends, files)).unwrap();
    }

    /// Exit code, output and errors of `release import`.
    fn import(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["release", "import"])
            .args(arguments)
            // No other apt-get is there.
            .env("PATH", self.0.file("bin"))
            .current_dir(self.0.file(""))
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    /// What the archive was asked for.
    fn asked(&self) -> String {
        fs::read_to_string(self.0.file("archive.log")).unwrap_or_default()
    }

    /// What `release import` says of what it refuses; nothing is written then.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.files();
        let (code, out, errors) = self.import(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{errors}");
        assert!(self.files() == before, "{errors}");
        errors
    }

    /// The table and the layouts, by name.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let layouts = fs::read_dir(self.0.file("kernel-structs/layouts")).unwrap();
        let layouts = layouts.map(|file| file.unwrap().path());
        layouts
            .chain([self.0.file("kernel-structs/releases.toml")])
            .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
            .collect()
    }

    /// Asserts that the kernel was registered, with what its configuration says.
    fn is_registered(&self, package: &str) {
        let registry = self.0.registry();
        let release = registry.release(NAME, None, None).unwrap();
        assert_eq!(release.version, "6.1.999");
        assert_eq!(release.hz, Some(250));
        assert_eq!(release.layout.0, "6.1.0-47-amd64", "of {package}");
    }
}

/// A kernel with the layout of Debian's oldest, without constants, as real ones are.
fn image(release: &str) -> Vec<u8> {
    image_of(Machine::Amd64, "6.1.0-47-amd64", release, "6.1.999")
}

fn image_of(machine: Machine, like: &str, release: &str, version: &str) -> Vec<u8> {
    let registry = Registry::builtin().unwrap();
    let layout = registry.layout(&LayoutId(like.to_owned())).unwrap();
    let types = btf::write(&layout.with_constants(&BTreeMap::new())).unwrap();
    packed::kernel(machine, release, version, &types)
}

fn in_boot(file: &str) -> String {
    format!("boot/{file}-{NAME}")
}

fn in_modules(file: &str) -> String {
    format!("usr/lib/modules/{NAME}/{file}")
}

/// What the stub depends on, as Debian's from 6.19 on.
fn needs(parts: &[&str]) -> String {
    let parts = parts
        .iter()
        .map(|part| format!(", linux-{part}-{NAME} (= {VERSION})"));
    format!(
        "dracut | initramfs-tools (>= 0.120) | linux-initramfs-tool{}",
        parts.collect::<String>()
    )
}

const STUB: [&str; 3] = ["base", "binary", "modules"];

/// The packages of a kernel, in the shape that Debian has from 7.2 on, but for those left out.
fn split(world: &World, folder: &str, left_out: &[&str]) {
    let package = |part: &str, depends: &str, files: &[(&str, &[u8])]| {
        if !left_out.contains(&part) {
            world.put(folder, &format!("linux-{part}-{NAME}"), depends, files);
        }
    };
    package("image", &needs(&STUB), &[("usr/share/doc/x", b"")]);
    package(
        "binary",
        &needs(&["base"]),
        &[(&in_modules("vmlinuz"), &image(NAME))],
    );
    package(
        "base",
        "",
        &[
            (&in_modules("System.map"), b""),
            (&in_modules("config"), CONFIG),
        ],
    );
}

#[test]
fn a_package_with_kernel_and_configuration_is_read_alone() {
    let world = World::new();
    let name = format!("linux-image-{NAME}");
    let files: [(&str, &[u8]); 3] = [
        (&in_boot("System.map"), b""),
        (&in_boot("config"), CONFIG),
        (&in_boot("vmlinuz"), &image(NAME)),
    ];
    // As those of 6.18, which depend on a package that the archive has no more.
    world.put("debs", &name, &needs(&["base"]), &files);
    let deb = format!("debs/{name}_{VERSION}_amd64.deb");
    let (code, out, errors) = world.import(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    world.is_registered(&deb);
    assert_eq!(world.asked(), "");
}

/// As from 6.19 to 7.1: the image is a stub, and the files are in `boot`.
#[test]
fn a_stub_leads_to_the_packages_with_its_parts_beside_it() {
    let world = World::new();
    let stub = format!("linux-image-{NAME}");
    world.put("debs", &stub, &needs(&STUB), &[("usr/share/doc/x", b"")]);
    let binary = [(&*in_boot("vmlinuz"), &*image(NAME))];
    world.put(
        "debs",
        &format!("linux-binary-{NAME}"),
        &needs(&["base"]),
        &binary,
    );
    let base = [(&*in_boot("config"), CONFIG)];
    world.put("debs", &format!("linux-base-{NAME}"), "", &base);
    let deb = format!("debs/{stub}_{VERSION}_amd64.deb");
    let (code, out, errors) = world.import(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    assert!(out.contains("CONFIG_HZ=250 CONFIG_SMP=y"), "{out}");
    world.is_registered(&deb);
    // A file is read without the network.
    assert_eq!(world.asked(), "");
}

/// As from 7.2 on: the files are in the folder of the modules. The package with the image can be named as well.
#[test]
fn the_kernel_may_lie_with_its_modules() {
    for first in ["image", "binary"] {
        let world = World::new();
        split(&world, "debs", &[]);
        let deb = format!("debs/linux-{first}-{NAME}_{VERSION}_amd64.deb");
        let (code, out, errors) = world.import(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
        assert_eq!((code, errors.as_str()), (0, ""), "{out}");
        world.is_registered(&deb);
        assert_eq!(world.asked(), "");
    }
}

#[test]
fn of_a_package_that_is_named_all_that_is_needed_is_downloaded_and_no_more() {
    let world = World::new();
    split(&world, "archive", &[]);
    world.put("archive", &format!("linux-modules-{NAME}"), "", &[]);
    let name = format!("linux-image-{NAME}");
    let (code, out, errors) = world.import(&[&name, CONSTANTS[0], CONSTANTS[1]]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    world.is_registered(&name);
    let asked = format!("{name}\nlinux-binary-{NAME}={VERSION}\nlinux-base-{NAME}={VERSION}\n");
    assert_eq!(world.asked(), asked);
}

#[test]
fn of_two_packages_with_one_name_none_is_taken() {
    let world = World::new();
    let debs = ["1_amd64", "2_amd64"].map(|end| format!("linux-image-6.99-amd64_6.99-{end}.deb"));
    for deb in &debs {
        fs::write(world.0.file(deb), "").unwrap();
    }
    let errors = world.refused(&["linux-image-6.99-amd64"]);
    assert_eq!(
        errors,
        format!(
            "kconv-gen: several files here are linux-image-6.99-amd64; name one: {}\n",
            debs.join(", ")
        )
    );
}

/// Without a project nothing is downloaded.
#[test]
fn the_archive_is_not_asked_for_what_cannot_be_stored() {
    let world = World::new();
    let name = format!("linux-image-{NAME}");
    let (code, _, errors) = world.import(&[&name, "--project", "nowhere"]);
    assert_eq!((code, world.asked().as_str()), (2, ""), "{errors}");
    assert!(
        errors.contains("nowhere/kernel-structs: there is no such folder"),
        "{errors}"
    );
}

/// The package of whatever kernel is the newest depends on that one's.
#[test]
fn a_package_without_a_version_leads_to_the_kernel() {
    let world = World::new();
    split(&world, ".", &[]);
    let needs = format!("linux-image-{NAME} (= {VERSION})");
    world.put("archive", "linux-image-amd64", &needs, &[]);
    let (code, out, errors) = world.import(&["linux-image-amd64", CONSTANTS[0], CONSTANTS[1]]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    world.is_registered("linux-image-amd64");
    assert_eq!(world.asked(), "linux-image-amd64\n");
}

#[test]
fn every_part_that_is_missing_is_told_with_how_to_get_it() {
    let world = World::new();
    split(&world, "debs", &["binary", "base"]);
    let deb = format!("debs/linux-image-{NAME}_{VERSION}_amd64.deb");
    let errors = world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    let part = |part: &str| {
        format!(
            "  {deb}: neither kernel nor configuration is in it, and linux-{part}-{NAME} (= {VERSION}), which it depends on, \
             is not in debs; get it with `apt-get download linux-{part}-{NAME}={VERSION}` and put it there\n"
        )
    };
    assert_eq!(
        errors,
        format!(
            "kconv-gen: nothing was imported\n{deb}: 2 things are wrong\n{}{}",
            part("binary"),
            part("base")
        )
    );
    assert_eq!(world.asked(), "");
}

/// The kernel is read all the same: what else is wrong with it is told, too.
#[test]
fn what_the_archive_has_no_more_is_told_in_its_words_with_all_else() {
    let world = World::new();
    split(&world, "archive", &["base"]);
    let name = format!("linux-image-{NAME}");
    let errors = world.refused(&[&name]);
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines[1], format!("{name}: 2 things are wrong"), "{errors}");
    let base =
        format!("the archive does not offer it: E: Unable to locate package linux-base-{NAME}");
    assert!(lines[2].ends_with(&base), "{errors}");
    let headers =
        format!("the archive does not offer it: E: Unable to locate package linux-headers-{NAME}");
    assert!(
        lines[3].contains("what bits of saved values mean"),
        "{errors}"
    );
    assert!(lines[3].ends_with(&headers), "{errors}");
    assert_eq!(lines.len(), 4, "{errors}");
}

#[test]
fn a_part_of_another_version_is_not_taken() {
    let world = World::new();
    split(&world, "debs", &["binary"]);
    let binary = format!("linux-binary-{NAME}");
    let files = [(&*in_modules("vmlinuz"), &*image(NAME))];
    world.put_version("debs", &binary, "6.1.998-1", "", &files);
    let deb = format!("debs/linux-image-{NAME}_{VERSION}_amd64.deb");
    let errors = world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert_eq!(
        errors,
        format!(
            "kconv-gen: debs/{binary}_6.1.998-1_amd64.deb: this is {binary} 6.1.998-1, and {deb} depends on {binary} (= {VERSION}); \
             get it with `apt-get download {binary}={VERSION}` and put it there\n"
        )
    );
}

#[test]
fn of_several_kernels_none_is_taken() {
    let world = World::new();
    split(&world, "debs", &["binary"]);
    let another = "usr/lib/modules/6.1.0-98-amd64/vmlinuz";
    let (name, image) = (format!("linux-binary-{NAME}"), image(NAME));
    let files: [(&str, &[u8]); 2] = [(&in_modules("vmlinuz"), &image), (another, &image)];
    world.put("debs", &name, &needs(&["base"]), &files);
    let deb = format!("debs/{name}_{VERSION}_amd64.deb");
    let errors = world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert!(
        errors.contains("linux-binary-6.1.0-99-amd64 has several: "),
        "{errors}"
    );
    assert!(errors.contains(another), "{errors}");
    // One in each of two packages is no better.
    let world = World::new();
    split(&world, "debs", &["base"]);
    let files: [(&str, &[u8]); 2] = [
        (&in_modules("vmlinuz"), &image),
        (&in_modules("config"), CONFIG),
    ];
    world.put("debs", &format!("linux-base-{NAME}"), "", &files);
    let errors = world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert!(
        errors.ends_with("are two kernels; name the package of one\n"),
        "{errors}"
    );
}

#[test]
fn a_kernel_of_packages_has_its_own_configuration() {
    let base = format!("linux-base-{NAME}");
    let deb = format!("debs/linux-image-{NAME}_{VERSION}_amd64.deb");
    let refused = |files: &[(&str, &[u8])]| {
        let world = World::new();
        split(&world, "debs", &["base"]);
        world.put("debs", &base, "", files);
        world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]])
    };
    let errors = refused(&[(&in_modules("System.map"), b"")]);
    let looked = format!("(looked at: linux-image-{NAME}, linux-binary-{NAME}, {base})");
    assert!(
        errors.contains("no configuration of the kernel in it"),
        "{errors}"
    );
    assert!(errors.contains(&looked), "{errors}");
    let errors = refused(&[("usr/lib/modules/6.1.0-98-amd64/config", CONFIG)]);
    assert!(
        errors.contains("this is of the kernel 6.1.0-98-amd64, and "),
        "{errors}"
    );
    let errors = refused(&[(&in_modules("config"), b"CONFIG_HZ=1\nCONFIG_HZ=2\n")]);
    assert!(errors.contains("CONFIG_HZ"), "{errors}");
}

#[test]
fn a_kernel_is_the_one_that_its_file_is_called_after() {
    let world = World::new();
    split(&world, "debs", &["binary"]);
    let files = [(&*in_modules("vmlinuz"), &*image("6.1.0-98-amd64"))];
    world.put("debs", &format!("linux-binary-{NAME}"), "", &files);
    let deb = format!("debs/linux-image-{NAME}_{VERSION}_amd64.deb");
    let errors = world.refused(&[&deb, CONSTANTS[0], CONSTANTS[1]]);
    assert!(
        errors.contains(
            "called after the kernel 6.1.0-99-amd64, and it says that it is 6.1.0-98-amd64"
        ),
        "{errors}"
    );
}

#[test]
fn a_package_without_anything_of_a_kernel_is_told() {
    let world = World::new();
    world.put(
        "debs",
        "linux-image-mine",
        "dracut, linux-base (>= 4.3~)",
        &[],
    );
    let errors = world.refused(&["debs/linux-image-mine_6.1.999-1_amd64.deb"]);
    assert!(
        errors.contains("no kernel in it, nor in what it depends on"),
        "{errors}"
    );
    assert!(
        errors.contains("usr/lib/modules/VERSION/vmlinuz is expected"),
        "{errors}"
    );
}

/// Headers of the kernel lie beside it, and the package that they need does not.
#[test]
fn headers_that_are_half_there_are_told() {
    let world = World::new();
    split(&world, "debs", &[]);
    let (own, common) = (
        format!("linux-headers-{NAME}"),
        "linux-headers-6.1.0-99-common",
    );
    let needs = format!("{common} (= {VERSION}), linux-kbuild-6.1");
    world.put("debs", &own, &needs, &[("usr/src/x/Makefile", b"")]);
    let deb = format!("debs/linux-image-{NAME}_{VERSION}_amd64.deb");
    let errors = world.refused(&[&deb]);
    assert_eq!(
        errors,
        format!(
            "kconv-gen: debs/{own}_{VERSION}_amd64.deb: needs {common} (= {VERSION}), which does not lie beside it; \
             get it with `apt-get download {common}={VERSION}` and put it there\n"
        )
    );
    assert_eq!(world.asked(), "");
}

/// The cause is the first: without a state map nobody knows which constants the headers are needed for.
#[test]
fn all_that_stands_in_the_way_of_a_kernel_is_told_at_once() {
    let world = World::new();
    let name = "9.9.9-amd64";
    let image = image_of(Machine::Amd64, "6.1.0-47-amd64", name, "9.9.9");
    let stub = format!("linux-binary-{name} (= {VERSION}), linux-base-{name} (= {VERSION})");
    world.put("debs", &format!("linux-image-{name}"), &stub, &[]);
    let vmlinuz = format!("usr/lib/modules/{name}/vmlinuz");
    world.put(
        "debs",
        &format!("linux-binary-{name}"),
        "",
        &[(&vmlinuz, &image)],
    );
    let errors = world.refused(&["debs/linux-image-9.9.9-amd64_6.1.999-1_amd64.deb"]);
    let starts = [
        "kconv-gen: nothing was imported",
        "debs/linux-image-9.9.9-amd64_6.1.999-1_amd64.deb: 3 things are wrong",
        "  no state map is for Linux 9.9.9; ",
        "  debs/linux-image-9.9.9-amd64_6.1.999-1_amd64.deb: the configuration is not in it, and linux-base-9.9.9-amd64 ",
        "  linux-headers-9.9.9-amd64 is not in debs, nor installed in /usr/src; get it with `apt-get download linux-headers-9.9.9-amd64` ",
    ];
    for (line, start) in errors.lines().zip(starts) {
        assert!(line.starts_with(start), "{errors}");
    }
    assert_eq!(errors.lines().count(), starts.len(), "{errors}");
    assert_eq!(world.asked(), "");
}

/// Puts a kernel of 2.4, of which no constants are known, into a file.
fn old_kernel(world: &World, name: &str) {
    let version = name.trim_end_matches("-up");
    let image = image_of(Machine::I386, "2.4.36.9-i386-up", name, version);
    fs::write(world.0.file(name), image).unwrap();
}

#[test]
fn of_several_kernels_all_are_imported_or_none() {
    let world = World::new();
    let name = format!("linux-image-{NAME}");
    old_kernel(&world, "2.4.38-up");
    old_kernel(&world, "2.5.1-up");
    let given = ["2.4.38-up", "2.5.1-up", &name, "nowhere"];
    let errors = world.refused(&given);
    let starts = [
        "kconv-gen: nothing was imported",
        "2.4.38-up: nothing is wrong with this one",
        "2.5.1-up: 2 things are wrong",
        "  no state map is for Linux 2.5.1; ",
        "  linux-headers-2.5.1-up is not in ., nor installed",
        &format!("{name}:"),
        &format!("  {name} cannot be had from the archive: E: Unable to locate"),
        "    E: Couldn't find",
        "    Is it still offered?",
        "nowhere:",
        "  nowhere: there is no such file",
    ];
    for (line, start) in errors.lines().zip(starts) {
        assert!(line.starts_with(start), "{start}\n{errors}");
    }
    old_kernel(&world, "2.4.39-up");
    let (code, out, errors) = world.import(&["2.4.38-up", "2.4.39-up"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{out}");
    let registry = world.0.registry();
    for name in ["2.4.38-up", "2.4.39-up"] {
        let release = registry.release(name, None, None).unwrap();
        assert_eq!(release.layout.0, "2.4.36.9-i386-up");
    }
}

/// The second has the layout that came with the first.
#[test]
fn kernels_that_are_imported_together_know_of_each_other() {
    let world = World::new();
    world.0.types("types", "2.4.36.9-i386-up", "fresh");
    let types = fs::read(world.0.file("types")).unwrap();
    for name in ["2.4.38-up", "2.4.39-up"] {
        let image = packed::kernel(Machine::I386, name, name.trim_end_matches("-up"), &types);
        fs::write(world.0.file(name), image).unwrap();
    }
    let (code, out, errors) = world.import(&["2.4.38-up", "2.4.39-up"]);
    assert_eq!((code, errors.as_str()), (1, ""), "{out}");
    assert!(
        out.contains("  the same layout as 2.4.38-up; registered in"),
        "{out}"
    );
    let registry = world.0.registry();
    let release = registry.release("2.4.39-up", None, None).unwrap();
    registry.layout(&release.layout).unwrap();
    assert_eq!(release.layout.0, "2.4.38-up");
    assert!(Path::new(&world.0.file("kernel-structs/layouts/2.4.38-up.btf")).is_file());
}
