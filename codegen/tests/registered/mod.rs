//! A project's folder with a table of releases of its own.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a part of several tests, none of which uses all of it"
)]

use kernel_structs::btf;
use kernel_structs::layout::{LayoutBuilder, Type};
use kernel_structs::releases::{Files, LayoutId, Registry};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A project's folder with its own table of releases.
pub struct Project(tempfile::TempDir);

impl Project {
    pub fn new() -> Project {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel-structs");
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("kernel-structs");
        for part in ["layouts", "state"] {
            fs::create_dir_all(own.join(part)).unwrap();
            for entry in fs::read_dir(from.join(part)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, own.join(part).join(path.file_name().unwrap())).unwrap();
            }
        }
        fs::copy(from.join("releases.toml"), own.join("releases.toml")).unwrap();
        Project(folder)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn table(&self) -> String {
        fs::read_to_string(self.file("kernel-structs/releases.toml")).unwrap()
    }

    pub fn registry(&self) -> Registry {
        Registry::parse(Files::read(&self.file("kernel-structs")).unwrap()).unwrap()
    }

    /// Exit code, output and errors of the program in this folder.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        (code, text(output.stdout), text(output.stderr))
    }

    /// A file with the types of a stored layout, in which the task has `member` instead of another
    /// one: a layout of its own.
    pub fn types(&self, file: &str, like: &str, member: &str) {
        self.with_renamed(file, like, "need_resched", member);
    }

    /// As [`Project::types`], with `member` instead of a pointer.
    pub fn pointer(&self, file: &str, like: &str, member: &str) {
        self.with_renamed(file, like, "tty", member);
    }

    fn with_renamed(&self, file: &str, like: &str, known: &str, member: &str) {
        let layout = self.registry().layout(&LayoutId(like.to_owned())).unwrap();
        let mut builder = LayoutBuilder::new(layout.target());
        let task = layout.find("task_struct").unwrap();
        for (id, ty) in layout.types().skip(1) {
            let mut ty = ty.clone();
            if let Type::Composite(composite) = &mut ty
                && id == task
            {
                let members = &mut composite.members;
                let found = members
                    .iter_mut()
                    .find(|it| it.name.as_deref() == Some(known));
                found.unwrap().name = Some(member.to_owned());
            }
            builder.push(ty);
        }
        let data = btf::write(&builder.finish().unwrap()).unwrap();
        fs::write(self.file(file), data).unwrap();
    }

    /// The decisions of all families, and the functions that they call.
    pub fn decisions(&self) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/overrides");
        let to = self.file("converters/overrides");
        for part in ["kho", "linux-2.4", "linux-6", "src", "src/linux_6"] {
            fs::create_dir_all(to.join(part)).unwrap();
            for entry in fs::read_dir(from.join(part)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    fs::copy(&path, to.join(part).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
    }

    /// Replaces a text, which is there once, in a file.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.file(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }
}
