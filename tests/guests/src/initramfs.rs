//! What a guest runs from: an initramfs with busybox, the agent, the programs of this crate, and
//! whatever a test adds.

use crate::cpio::{self, Entry};
use crate::host;
use crate::{Error, Kernel};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The file system a guest starts with.
#[derive(Debug, Clone)]
pub struct Initramfs {
    entries: BTreeMap<String, Entry>,
}

impl Initramfs {
    /// Busybox, the first processes, and the test programs (in /bin).
    ///
    /// # Errors
    /// What is missing on the host, or does not compile.
    pub fn new() -> Result<Initramfs, Error> {
        let mut initramfs = Initramfs {
            entries: BTreeMap::new(),
        };
        initramfs.busybox()?;
        initramfs.add("/init", &host::home().join("guest/init"), 0o755)?;
        for folder in ["dev", "proc", "sys", "tmp", "run", "root", "etc"] {
            initramfs.folder(folder);
        }
        initramfs.file(
            "/etc/passwd",
            b"root:x:0:0:root:/root:/bin/sh\n".to_vec(),
            0o644,
        );
        initramfs.file("/etc/group", b"root:x:0:\n".to_vec(), 0o644);
        // Tests thaw one image as often as they like; what keeps others from that has a test of its own.
        initramfs.file(
            "/etc/kconv/policy.toml",
            b"[thaw]\nonce = false\n".to_vec(),
            0o644,
        );
        let made = tempfile::tempdir().map_err(Error::file("a temporary folder"))?;
        for (name, sources) in programs()? {
            let program = made.path().join(&name);
            host::compile(&sources, &program)?;
            initramfs.add(&format!("/bin/{name}"), &program, 0o755)?;
        }
        Ok(initramfs)
    }

    /// Debian's static busybox under all its names.
    fn busybox(&mut self) -> Result<(), Error> {
        const PACKAGE: &str = "busybox-static";
        let names = host::run(Command::new("busybox").arg("--list"), PACKAGE)?;
        let busybox = Path::new("/bin/busybox");
        // ldd fails for what has no dynamic section.
        if libraries(busybox).is_ok() {
            return Err(Error::Package {
                path: busybox.to_owned(),
                problem: format!("is not static: install {PACKAGE}"),
            });
        }
        self.add("/bin/busybox", busybox, 0o755)?;
        for name in String::from_utf8_lossy(&names).lines() {
            if name != "busybox" {
                self.link(&format!("/bin/{name}"), "busybox");
            }
        }
        Ok(())
    }

    /// Adds a file; folders on the way to it are made.
    pub fn file(&mut self, path: &str, contents: Vec<u8>, mode: u32) {
        let path = path.trim_start_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder);
        }
        self.entries
            .insert(path.to_owned(), Entry::File { contents, mode });
    }

    /// The contents of a file that was added; `None` if none was.
    pub fn contents(&self, path: &str) -> Option<&[u8]> {
        match self.entries.get(path.trim_start_matches('/')) {
            Some(Entry::File { contents, .. }) => Some(contents),
            _ => None,
        }
    }

    /// Adds a file of the host.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn add(&mut self, path: &str, from: &Path, mode: u32) -> Result<(), Error> {
        let contents = std::fs::read(from).map_err(Error::file(from))?;
        self.file(path, contents, mode);
        Ok(())
    }

    /// Adds a program of the host with the shared libraries that it needs, all where they are on
    /// the host.
    ///
    /// # Errors
    /// That one of them cannot be read.
    pub fn program(&mut self, program: &Path) -> Result<(), Error> {
        for file in [program.to_owned()].into_iter().chain(libraries(program)?) {
            self.add(&file.to_string_lossy(), &file, 0o755)?;
        }
        Ok(())
    }

    /// Adds Debian's python3 with the part of its library that programs without a network or a
    /// screen use.
    ///
    /// # Errors
    /// That it is not installed.
    pub fn python(&mut self) -> Result<(), Error> {
        const PACKAGE: &str = "python3";
        let python = Path::new("/usr/bin/python3");
        let ask = "import sys, sysconfig; print(sysconfig.get_path('stdlib')); \
                   print(sys.implementation.cache_tag); print(sys.executable)";
        let answer = host::run(Command::new(python).args(["-I", "-c", ask]), PACKAGE)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let mut lines = answer.lines().map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        let (library, tag) = (PathBuf::from(next()), next());
        self.program(python)?;
        let below = [
            "",
            "asyncio",
            "collections",
            "concurrent",
            "concurrent/futures",
        ];
        let more = [
            "encodings",
            "importlib",
            "importlib/metadata",
            "json",
            "logging",
            "re",
        ];
        for folder in below.into_iter().chain(more) {
            let folder = library.join(folder);
            if folder.is_dir() {
                self.python_modules(&folder, &tag)?;
            }
        }
        // Without the folder, python3 warns at each start.
        let extensions = library.join("lib-dynload");
        self.folder(extensions.to_string_lossy().trim_start_matches('/'));
        for entry in std::fs::read_dir(&extensions).map_err(Error::file(&extensions))? {
            let extension = entry.map_err(Error::file(&extensions))?;
            let name = extension.file_name().to_string_lossy().into_owned();
            // What asyncio needs that is no part of the program itself.
            if name.starts_with("_asyncio.") || name.starts_with("_contextvars.") {
                self.program(&extension.path())?;
            }
        }
        Ok(())
    }

    /// The modules of one folder: compiled where Debian has compiled them, which is the greater part
    /// of the time that an emulated machine needs to start python3.
    fn python_modules(&mut self, folder: &Path, tag: &str) -> Result<(), Error> {
        for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
            let source = entry.map_err(Error::file(folder))?.path();
            if source.extension().is_none_or(|extension| extension != "py") {
                continue;
            }
            let stem = source.file_stem().unwrap_or_default().to_string_lossy();
            let compiled = folder.join(format!("__pycache__/{stem}.{tag}.pyc"));
            let (from, to) = if compiled.exists() {
                (compiled, source.with_extension("pyc"))
            } else {
                (source.clone(), source)
            };
            self.add(&to.to_string_lossy(), &from, 0o644)?;
        }
        Ok(())
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        let target = target.to_owned();
        self.entries.insert(
            path.trim_start_matches('/').to_owned(),
            Entry::Link { target },
        );
    }

    fn folder(&mut self, path: &str) {
        for (slash, _) in path.match_indices('/') {
            self.entries
                .entry(path[..slash].to_owned())
                .or_insert(Entry::Folder);
        }
        self.entries.insert(path.to_owned(), Entry::Folder);
    }

    /// The archive for one kernel, with its modules.
    ///
    /// # Errors
    /// That the kernel's modules cannot be read.
    pub fn archive(&self, kernel: &Kernel) -> Result<Vec<u8>, Error> {
        let mut whole = self.clone();
        let folder = format!("/lib/modules/{}", kernel.release);
        let mut load = String::new();
        for module in &kernel.modules {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            whole.add(&format!("{folder}/{name}"), module, 0o644)?;
            load.push_str(&name);
            load.push('\n');
        }
        whole.file(&format!("{folder}/load"), load.into_bytes(), 0o644);
        Ok(cpio::archive(
            whole
                .entries
                .iter()
                .map(|(path, entry)| (path.as_str(), entry)),
        ))
    }
}

/// The programs of this crate and their sources: a file is one program, a folder another.
fn programs() -> Result<BTreeMap<String, Vec<PathBuf>>, Error> {
    let mut programs = BTreeMap::new();
    for folder in ["guest", "programs"] {
        for path in files(&host::home().join(folder))? {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let sources = if path.is_dir() {
                files(&path)?
            } else {
                vec![path.clone()]
            };
            let c = |path: &PathBuf| {
                path.extension()
                    .is_some_and(|extension| extension == "c" || extension == "S")
            };
            let sources: Vec<PathBuf> = sources.into_iter().filter(c).collect();
            if !sources.is_empty() {
                programs.insert(name.into_owned(), sources);
            }
        }
    }
    Ok(programs)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::file(folder))? {
        files.push(entry.map_err(Error::file(folder))?.path());
    }
    files.sort();
    Ok(files)
}

/// The shared libraries of a program and its loader, as `ldd` finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = host::run(Command::new("ldd").arg(program), "libc-bin")?;
    Ok(String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect())
}
