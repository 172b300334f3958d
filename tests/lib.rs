//! What the workspace tests share: where things are, and how to run the programs.
//!
//! A test that needs a program fails when it is missing and names the package.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use kconv_image::{Head, Image, ImageWriter, ObjectId, PageSource};
use kernel_structs::releases::Registry;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The committed image of the 2.4.36 kernel of `flavour`.
pub fn image(flavour: &str) -> PathBuf {
    root().join(format!("tests/images/2.4.36-i386-{flavour}.img"))
}

/// The dump that it is an image of.
pub fn dump(flavour: &str) -> PathBuf {
    root().join(format!("tests/dumps/2.4.36-i386-{flavour}"))
}

/// What that kernel's own /proc and an independent reader said of its tasks.
pub fn facts(flavour: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dump(flavour).join("facts.json")).unwrap()).unwrap()
}

/// A program of this workspace, built once in the profile of the tests.
///
/// It is built as the tests of the whole workspace have built it, and so is there already. With the features of its
/// own package alone much would be built, and stored, twice.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<std::sync::Mutex<std::collections::BTreeSet<String>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Default::default).lock().unwrap();
    if built.insert(name.to_owned()) {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--workspace", "--bin", name])
            .args(["--features", "kconv/openpgp"])
            // A target that needs dev-dependencies makes cargo look at everybody's.
            .args(["--test", "destination"])
            .current_dir(root())
            .status()
            .unwrap();
        assert!(status.success(), "cargo build --bin {name} failed");
    }
    // Tests lie in TARGET/debug/deps.
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join(name)
}

/// Runs `kconv` with `arguments`.
pub fn kconv<I: AsRef<std::ffi::OsStr>>(arguments: &[I]) -> Output {
    Command::new(program("kconv"))
        .args(arguments)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// Runs `kconv FROM TO IMAGE -o OUT`, which has to succeed.
pub fn convert(from: &str, to: &str, image: &Path, out: &Path) {
    let ran = kconv(&[
        from.as_ref(),
        to.as_ref(),
        image.as_os_str(),
        "-o".as_ref(),
        out.as_os_str(),
        "--quiet".as_ref(),
    ]);
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// What `kconv inspect --json` says, with further arguments.
pub fn inspect(image: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["inspect".as_ref(), image.as_os_str(), "--json".as_ref()];
    arguments.extend(more.iter().map(std::ffi::OsStr::new));
    let ran = kconv(&arguments);
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Runs another program, which has to be there and to succeed.
pub fn tool(name: &str, package: &str, command: &mut Command) -> Output {
    let ran = command
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; install the package {package}"));
    assert!(
        ran.status.success(),
        "{name} failed: {}",
        String::from_utf8_lossy(&ran.stderr)
    );
    ran
}

/// The bytes of every object, by id.
pub fn objects(image: &Image) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut objects = image.objects();
    while let Some((_, bytes)) = objects.next_object().unwrap() {
        all.push(bytes.to_vec());
    }
    all
}

/// Writes a copy of `from` with the objects and the head as `change` leaves them.
pub fn altered(from: &Path, to: &Path, change: impl FnOnce(&mut Head, &mut Vec<Vec<u8>>)) {
    let image = Image::open(from).unwrap();
    let mut head = image.head().clone();
    let mut bytes = objects(&image);
    change(&mut head, &mut bytes);
    let mut writer =
        ImageWriter::create(to, head.identity.machine, &head.objects, head.page_index()).unwrap();
    for object in &bytes {
        writer.object(object).unwrap();
    }
    writer
        .finish(&head, PageSource::Copy { from: &image })
        .unwrap();
}

/// Ids of the objects of a type.
pub fn of_type<'a>(head: &'a Head, ty: &'a str) -> impl Iterator<Item = ObjectId> + 'a {
    (0..head.objects.len() as u32)
        .map(ObjectId)
        .filter(move |id| head.type_name(head.object(*id)) == ty)
}

/// Sets scm_work_list of the tasks with `pids` in an image of 2.4.37.
pub fn with_work_list(from: &Path, to: &Path, release: &str, pids: &[i32]) {
    let registry = Registry::builtin().unwrap();
    let release = registry.release(release, None, None).unwrap();
    let layout = registry.layout(&release.layout).unwrap();
    let (_, task) = layout.composite("task_struct").unwrap();
    let offset = |name: &str| {
        let member = task
            .members
            .iter()
            .find(|m| m.name.as_deref() == Some(name));
        member.unwrap().offset.byte().0 as usize
    };
    let (pid, list) = (offset("pid"), offset("scm_work_list"));
    altered(from, to, |head, bytes| {
        let ids: Vec<_> = of_type(head, "task_struct").collect();
        for id in ids {
            let stack = head.object(id).address.0 as u32 + 0x1f00;
            let task = &mut bytes[id.0 as usize];
            let own = i32::from_le_bytes(task[pid..pid + 4].try_into().unwrap());
            if pids.contains(&own) {
                task[list..list + 4].copy_from_slice(&stack.to_le_bytes());
            }
        }
    });
}

/// Whether root runs the tests, who alone may give files away.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self");
    own.is_ok_and(|own| own.uid() == 0)
}
