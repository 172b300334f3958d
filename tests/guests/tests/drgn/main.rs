//! drgn, with a kernel's own debug information, reads in an image what the kernel's /proc said of the
//! tasks: as it was frozen, and converted, with the debug information of the other kernel.
//!
//! Two packages of 900 MB are downloaded for it, and drgn from PyPI: `tests/drgn` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_guests::{Initramfs, Kernel, LIMIT, Machine, static_kconv};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[test]
#[ignore = "downloads 2 GB; tests/drgn runs it"]
fn drgn_reads_what_was_frozen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let from = Kernel::oldest("6.1").unwrap();
    let to = Kernel::newest("6.12").unwrap();
    let kconv = static_kconv().unwrap();
    let mut initramfs = Initramfs::new().unwrap();
    initramfs.add("/bin/kconv", &kconv, 0o755).unwrap();
    let mut guest = Machine::default().boot(&from, &initramfs).unwrap();
    let mut pids = vec![
        guest.start("kept huge", "/tmp/kept").unwrap(),
        guest.start("threads 4 1000000000", "/tmp/threads").unwrap(),
        guest
            .start("sh -c 'umask 027; ulimit -n 77; sleep 1000; :'", "/tmp/sh")
            .unwrap(),
    ];
    guest.wait_for("/tmp/kept", "ready", LIMIT).unwrap();
    let children = guest
        .run(&format!("cat /proc/{0}/task/{0}/children", pids[2]))
        .unwrap();
    pids.extend(
        children
            .split_whitespace()
            .map(|pid| pid.parse::<u32>().unwrap()),
    );
    let mut said = BTreeMap::new();
    for pid in &pids {
        let status = guest.run(&format!("cat /proc/{pid}/status")).unwrap();
        let limit = guest.run(&format!("grep 'Max open files' /proc/{pid}/limits"));
        said.insert(u64::from(*pid), facts(&status, &limit.unwrap()));
    }
    let list: Vec<String> = pids.iter().map(u32::to_string).collect();
    guest
        .run(&format!("kconv freeze {} -o /tmp/image", list.join(" ")))
        .unwrap();
    let frozen = folder.join("frozen.img");
    std::fs::write(&frozen, guest.get("/tmp/image").unwrap()).unwrap();
    drop(guest);
    let converted = folder.join("converted.img");
    let mut convert = Command::new(&kconv);
    convert.args([&from.release, &to.release]).arg(&frozen);
    output(convert.arg("-o").arg(&converted));

    let python = drgn(folder);
    for (image, kernel) in [(&frozen, &from), (&converted, &to)] {
        let vmlinux = vmlinux(&kernel.release, folder);
        let inspected = output(Command::new(&kconv).args(["inspect", "--json"]).arg(image));
        let inspected: Value = serde_json::from_slice(&inspected).unwrap();
        let tasks = inspected["tasks"].as_array().unwrap();
        let tasks: Vec<&Value> = tasks
            .iter()
            .filter(|task| said.contains_key(&task["pid"].as_u64().unwrap()))
            .collect();
        assert_eq!(tasks.len(), 4);
        let mut script = Command::new(&python);
        script
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/drgn/tasks.py"))
            .args([image, &vmlinux])
            .args(tasks.iter().map(|task| task["addr"].as_str().unwrap()));
        let read: Value = serde_json::from_slice(&output(&mut script)).unwrap();
        for (task, read) in tasks.iter().zip(read.as_array().unwrap()) {
            println!("{}: {read}", kernel.release);
            let said = &said[&task["pid"].as_u64().unwrap()];
            for (name, value) in said {
                assert_eq!(read[name], *value, "{name} of {task}");
            }
            assert_eq!(said.len(), 10);
        }
    }
}

/// What /proc says, as drgn will have it.
fn facts(status: &str, limit: &str) -> BTreeMap<&'static str, Value> {
    let line = |name: &str| {
        let mut lines = status.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap().trim().to_owned()
    };
    let number = |text: &str, radix| {
        let first = text.split_whitespace().next().unwrap();
        Value::from(u64::from_str_radix(first, radix).unwrap())
    };
    let mut facts = BTreeMap::from([("Name", Value::from(line("Name")))]);
    for name in ["Pid", "Tgid", "VmSize", "VmStk", "Uid", "Threads"] {
        facts.insert(name, number(&line(name), 10));
    }
    facts.insert("SigBlk", number(&line("SigBlk"), 16));
    facts.insert("Umask", number(&line("Umask"), 8));
    facts.insert("open files", number(&limit["Max open files".len()..], 10));
    facts
}

/// A python with drgn.
fn drgn(folder: &Path) -> PathBuf {
    let venv = folder.join("venv");
    output(Command::new("python3").args(["-m", "venv"]).arg(&venv));
    let python = venv.join("bin/python3");
    output(Command::new(&python).args(["-m", "pip", "install", "--quiet", "drgn"]));
    python
}

/// The kernel of a release with its debug information.
fn vmlinux(release: &str, folder: &Path) -> PathBuf {
    let name = format!("vmlinux-{release}");
    if let Some(kept) = std::env::var_os("KCONV_VMLINUX") {
        let kept = PathBuf::from(kept).join(&name);
        if kept.exists() {
            return kept;
        }
    }
    let package = format!("linux-image-{release}-dbg");
    output(
        Command::new("apt-get")
            .args(["download", "--quiet", &package])
            .current_dir(folder),
    );
    let mut files = std::fs::read_dir(folder).unwrap();
    let deb = files.find_map(|file| {
        let path = file.unwrap().path();
        let is_it = path.file_name()?.to_str()?.starts_with(&package);
        is_it.then_some(path)
    });
    let deb = deb.unwrap();
    let mut unpack = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(&deb)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut tar = Command::new("tar");
    tar.arg("-x").arg("-C").arg(folder);
    tar.arg(format!("./usr/lib/debug/boot/{name}"));
    output(tar.stdin(unpack.stdout.take().unwrap()));
    assert!(unpack.wait().unwrap().success());
    std::fs::remove_file(deb).unwrap();
    folder.join("usr/lib/debug/boot").join(name)
}

/// The standard output of a command that has to succeed.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}
