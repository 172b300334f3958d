//! Kernels that came after kconv: `kconv-gen release import --to` makes a folder of one, and kconv finds it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_image::Image;
use kconv_made::packed::{self, Machine};
use kconv_tests::{image, objects, program};
use kernel_structs::btf;
use kernel_structs::layout::{Layout, LayoutBuilder, Member, Type};
use kernel_structs::releases::Registry;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for kernels, and images in another.
struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        World { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn kernels(&self) -> PathBuf {
        self.file("kernels")
    }

    /// An ELF file of a kernel called `release`, whose structures lie as `change` leaves those of `like`.
    fn kernel(&self, release: &str, like: &str, change: impl FnOnce(&mut [Member])) -> PathBuf {
        self.kernel_of(Machine::I386, 100, release, like, change)
    }

    fn kernel_of(
        &self,
        machine: Machine,
        hz: u32,
        release: &str,
        like: &str,
        change: impl FnOnce(&mut [Member]),
    ) -> PathBuf {
        let types = btf::write(&changed(like, change)).unwrap();
        let version = release.split('-').next().unwrap();
        let [path, config] =
            ["vmlinux", "config"].map(|part| self.file(&format!("{part}-{release}")));
        let kernel = packed::kernel(machine, release, version, &types);
        fs::write(&path, kernel).unwrap();
        // Of Linux 2.4 the option is another; the ticks are these.
        fs::write(config, format!("CONFIG_HZ={hz}\n")).unwrap();
        path
    }

    /// `kconv-gen release import --to` with the kernels and options of `more`, where no project is.
    fn import(&self, more: &[&Path]) -> Output {
        Command::new(program("kconv-gen"))
            .args(["release", "import", "--to"])
            .arg(self.kernels())
            .args(more)
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn imported(&self, kernels: &[&Path]) -> String {
        let ran = self.import(kernels);
        assert!(ran.status.success(), "{}", text(&ran.stderr));
        text(&ran.stdout)
    }

    fn kconv(&self, arguments: &[&str]) -> Output {
        Command::new(program("kconv"))
            .args(arguments)
            .env("NO_COLOR", "1")
            .env("KCONV_PATH", self.kernels())
            .output()
            .unwrap()
    }

    /// Runs kconv, which has to succeed and to warn of nothing.
    fn runs(&self, arguments: &[&str]) -> String {
        let ran = self.kconv(arguments);
        assert!(ran.status.success(), "{arguments:?}: {}", text(&ran.stderr));
        assert_eq!(text(&ran.stderr), "");
        text(&ran.stdout)
    }

    fn convert(&self, from: &str, to: &str, image: &Path, name: &str) -> PathBuf {
        let out = self.file(name);
        let [image, written] = [image, &out].map(|path| path.to_str().unwrap());
        self.runs(&[from, to, image, "-o", written, "--quiet"]);
        out
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The stored layout of a release with other members of `task_struct`.
fn changed(like: &str, change: impl FnOnce(&mut [Member])) -> Layout {
    let registry = Registry::builtin().unwrap();
    let release = registry.release(like, None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let task = layout.find("task_struct").unwrap();
    let mut builder = LayoutBuilder::new(layout.target());
    let mut change = Some(change);
    for (id, ty) in layout.types().skip(1) {
        let mut ty = ty.clone();
        if let (true, Type::Composite(composite)) = (id == task, &mut ty)
            && let Some(change) = change.take()
        {
            change(&mut composite.members);
        }
        builder.push(ty);
    }
    // Those that are stored with it are of its headers, and in no kernel.
    let layout = builder.finish().unwrap();
    layout.with_constants(&BTreeMap::new())
}

/// Two members of one size in each other's place.
fn swapped(members: &mut [Member]) {
    let at = |name: &str| {
        let mut members = members.iter();
        members
            .position(|it| it.name.as_deref() == Some(name))
            .unwrap()
    };
    let (one, other) = (at("pid"), at("tgid"));
    let offset = members[one].offset;
    members[one].offset = members[other].offset;
    members[other].offset = offset;
    members.swap(one, other);
}

fn same_objects(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| Image::open(path).unwrap());
    let [head, other_head] = [&one, &other].map(|image| image.head());
    (&head.objects, &head.slots) == (&other_head.objects, &other_head.slots)
        && objects(&one) == objects(&other)
}

#[test]
fn a_kernel_that_came_later_is_converted_to_and_from() {
    let world = World::new();
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    let said = world.imported(&[&kernel]);
    assert!(said.contains("a layout of its own, linux-2.4-"), "{said}");
    assert!(said.contains("plans to 2.4.36-up and back"), "{said}");
    assert!(world.runs(&["list", "2.4.36-mine"]).contains("linux-2.4-"));
    let path = world.runs(&["path", "2.4.36-mine", "2.4.37.11-up"]);
    assert!(path.contains("convert-2.4.36-mine-2.4.36-up"), "{path}");

    let there = world.convert("2.4.36", "2.4.36-mine", &image("up"), "there.img");
    assert!(
        !same_objects(&image("up"), &there),
        "pid and tgid are elsewhere"
    );
    let name = there.to_str().unwrap();
    world.runs(&["verify", name]);
    let shown = world.runs(&["inspect", name]);
    assert!(shown.contains("2.4.36-mine"), "{shown}");
    let back = world.convert("2.4.36-mine", "2.4.36-up", &there, "back.img");
    assert!(same_objects(&image("up"), &back));
    assert_eq!(Image::open(&back).unwrap().head().remainder, []);
    // Through others, too.
    let far = world.convert("2.4.36-mine", "2.4.37-up", &there, "far.img");
    let direct = world.convert("2.4.36", "2.4.37", &image("up"), "direct.img");
    assert!(same_objects(&far, &direct));
}

/// A kernel built again, and one whose structures lie as those of a registered one, cost an entry.
#[test]
fn kernels_of_one_layout_are_carried_by_its_own_rules() {
    let world = World::new();
    let first = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    let again = world.kernel("2.4.36-mine2", "2.4.36-up", swapped);
    let plain = world.kernel("2.4.36-plain", "2.4.36-up", |_| {});
    let said = world.imported(&[&first, &again, &plain]);
    assert!(said.contains("the same layout as 2.4.32-i386-up"), "{said}");
    let there = world.convert("2.4.36", "2.4.36-mine", &image("up"), "there.img");
    let other = world.convert("2.4.36-mine", "2.4.36-mine2", &there, "other.img");
    let identity = &Image::open(&other).unwrap().head().identity.clone();
    assert_eq!(identity.kernel.release, "2.4.36-mine2");
    assert!(same_objects(&there, &other));
    let plain = world.convert("2.4.36-mine2", "2.4.36-plain", &other, "plain.img");
    // What was kept on the kernel that it was frozen on is not put back on another.
    let direct = world.convert("2.4.36", "2.4.36-plain", &image("up"), "direct.img");
    assert!(same_objects(&direct, &plain));
    // Each folder is whole: the one does without the other.
    fs::remove_dir_all(world.kernels().join("2.4.36-mine")).unwrap();
    world.convert("2.4.36-mine2", "2.4.36-up", &other, "back.img");
}

/// What bits mean is not in the image of a kernel of Linux 6, and has to be said.
#[test]
fn a_kernel_of_linux_6_comes_with_its_constants() {
    let world = World::new();
    let like = "6.12.117+deb12-amd64";
    let kernel = world.kernel_of(Machine::Amd64, 250, "6.12.117-mine", like, swapped);
    let ran = world.import(&[&kernel]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(
        text(&ran.stderr).contains("--constants-of"),
        "{}",
        text(&ran.stderr)
    );
    let said = world.imported(&[&kernel, "--constants-of".as_ref(), like.as_ref()]);
    assert!(said.contains("a layout of its own, linux-6-"), "{said}");
    let path = world.runs(&["path", "6.1.0-47-amd64", "6.12.117-mine"]);
    assert!(path.trim_end().ends_with(')'), "{path}");
    assert!(path.contains("-> linux-6-"), "{path}");
    // One that counts time otherwise would have other times in its fields.
    let fast = world.kernel_of(Machine::Amd64, 1000, "6.12.117-fast", like, swapped);
    let ran = world.import(&[&fast, "--constants-of".as_ref(), like.as_ref()]);
    assert_eq!(ran.status.code(), Some(2));
    let told = text(&ran.stderr);
    assert!(
        told.contains("has the ticks of this kernel (1000 a second)"),
        "{told}"
    );
}

#[test]
fn what_is_undecided_is_told_and_nothing_is_written() {
    let world = World::new();
    let renamed = |members: &mut [Member]| {
        let mut members = members.iter_mut();
        let found = members.find(|it| it.name.as_deref() == Some("need_resched"));
        found.unwrap().name = Some("must_resched".to_owned());
    };
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", renamed);
    let ran = world.import(&[&kernel]);
    assert_eq!(ran.status.code(), Some(1));
    let told = text(&ran.stderr);
    assert!(told.contains("must_resched"), "{told}");
    assert!(told.contains("nothing was written"), "{told}");
    assert!(!world.kernels().exists());
}

#[test]
fn a_folder_is_replaced_only_when_asked() {
    let world = World::new();
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    world.imported(&[&kernel]);
    world.imported(&[&kernel]);
    let other = world.kernel("2.4.36-mine", "2.4.36-up", |_| {});
    let ran = world.import(&[&other]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(
        text(&ran.stderr).contains("--replace"),
        "{}",
        text(&ran.stderr)
    );
    // With another one: neither is written.
    let second = world.kernel("2.4.36-first", "2.4.36-up", swapped);
    assert_eq!(world.import(&[&second, &other]).status.code(), Some(2));
    assert_eq!(fs::read_dir(world.kernels()).unwrap().count(), 1);
    world.imported(&["--replace".as_ref(), &other]);
    let folder = world.kernels().join("2.4.36-mine");
    let files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    assert_eq!(files, ["releases.toml"]);
    assert_eq!(
        fs::read_dir(world.kernels()).unwrap().count(),
        1,
        "nothing is left over"
    );
}

/// What is wrong with one kernel is told, and keeps nobody from converting between others.
#[test]
fn a_folder_that_cannot_be_used_is_left_out() {
    let world = World::new();
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    world.imported(&[&kernel]);
    let folder = world.kernels().join("2.4.36-mine");
    let table = folder.join("releases.toml");
    let whole = fs::read_to_string(&table).unwrap();
    let left_out = |why: &str| {
        let out = world.file("other.img");
        let (image, out) = (image("up"), out.to_str().unwrap());
        let image = image.to_str().unwrap();
        let ran = world.kconv(&["2.4.36", "2.4.37", image, "-o", out, "--quiet"]);
        let told = text(&ran.stderr);
        assert!(ran.status.success(), "{told}");
        assert!(told.contains("2.4.36-mine is left out: "), "{told}");
        assert!(told.contains(why), "{told}");
        assert!(!world.kconv(&["list", "2.4.36-mine"]).status.success());
    };
    let broken = |from: &str, to: &str, why: &str| {
        assert!(whole.contains(from), "{whole}");
        fs::write(&table, whole.replace(from, to)).unwrap();
        left_out(why);
        fs::write(&table, &whole).unwrap();
    };
    broken("[[release]]", "[[relase]]", "not well-formed");
    let arch = "arch = \"i386\"\nflavour = \"mine\"\nlayout";
    let other = arch.replace("i386", "m68k");
    broken(arch, &other, "is for m68k, its layout");
    let digits = "fingerprint = \"";
    broken(digits, &format!("{digits}0"), "fingerprint");
    let fingerprint = whole
        .split(digits)
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    broken(fingerprint, &"0".repeat(64), "another version of kconv-gen");
    broken(&whole, &"#".repeat(1 << 17), "longer than 65536 bytes");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    left_out("have root own the folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(folder.join("layouts")).unwrap();
    left_out("there is no file layouts/");
}

#[test]
fn a_plan_for_other_layouts_is_refused() {
    let world = World::new();
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    world.imported(&[&kernel]);
    let plans = world.kernels().join("2.4.36-mine/plans");
    let plan = plans.join("convert-2.4.36-mine-2.4.36-up.plan");
    let whole = fs::read_to_string(&plan).unwrap();
    let there = world.convert("2.4.36", "2.4.36-mine", &image("up"), "there.img");
    let out = world.file("back.img");
    let refused = |why: &str| {
        let (image, out) = (there.to_str().unwrap(), out.to_str().unwrap());
        let ran = world.kconv(&["2.4.36-mine", "2.4.36-up", image, "-o", out]);
        assert_eq!(ran.status.code(), Some(2));
        let told = text(&ran.stderr);
        assert!(told.contains(why), "{told}");
        assert!(!Path::new(out).exists());
    };
    let registry = Registry::builtin().unwrap();
    let release = registry.release("2.4.36-up", None, None).unwrap();
    let entry = registry.layout_entry(&release.layout).unwrap();
    let fingerprint = entry.fingerprint.to_string();
    fs::write(&plan, whole.replace(&fingerprint, &"0".repeat(64))).unwrap();
    refused("the plan is for the layout 2.4.32-i386-up of the fingerprint 000");
    fs::write(&plan, &whole[..whole.len() / 2]).unwrap();
    refused("convert-2.4.36-mine-2.4.36-up.plan: ");
    fs::remove_file(&plan).unwrap();
    refused("no converter leads from 2.4.36-mine");
}

/// An image of a kernel whose folder is gone is told as such.
#[test]
fn an_image_of_a_kernel_that_was_removed_is_told() {
    let world = World::new();
    let kernel = world.kernel("2.4.36-mine", "2.4.36-up", swapped);
    world.imported(&[&kernel]);
    let there = world.convert("2.4.36", "2.4.36-mine", &image("up"), "there.img");
    fs::remove_dir_all(world.kernels()).unwrap();
    let ran = world.kconv(&["verify", there.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(2));
    let told = text(&ran.stderr);
    assert!(told.contains("2.4.36-mine"), "{told}");
    assert!(told.contains("release import --to"), "{told}");
}
