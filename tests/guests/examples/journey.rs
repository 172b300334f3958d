//! The whole journey in an emulated machine: processes live through a kernel upgrade.
//!
//! Two processes compute on Debian's oldest 6.1 kernel. `kconv upgrade` freezes them, converts
//! their image and starts the newest 6.12 kernel; `kconv retry` brings them back there, and they
//! finish. What they print has to be what they print when nobody interrupts them.
//!
//! Two arguments, names of packages as `linux-image-7.2.12+deb13-amd64`, are the kernels instead.
#![forbid(unsafe_code)]

use kconv_guests::{Error, Guest, Initramfs, Kernel, Machine, static_kconv};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// What runs, and the file it prints to.
const PROGRAMS: [(&str, &str); 2] = [
    ("busybox sha256sum /disk/large", "/disk/sum"),
    ("counter 4000000000", "/disk/turns"),
];
/// Longer than any step takes.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    match journey() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the programs came to the right results.
fn journey() -> Result<bool, Box<dyn std::error::Error>> {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let (oldest, newest) = match named.as_slice() {
        [] => (Kernel::oldest("6.1")?, Kernel::newest("6.12")?),
        [from, to] => (Kernel::named(from)?, Kernel::named(to)?),
        _ => return Err("give two packages, from and to, or none".into()),
    };
    let mut initramfs = Initramfs::new()?;
    initramfs.add("/bin/kconv", &static_kconv()?, 0o755)?;
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    ext4(&disk)?;
    let machine = Machine {
        disks: vec![disk],
        ..Machine::default()
    };

    let mut steps = Steps(Instant::now());
    let mut guest = machine.boot(&oldest, &initramfs)?;
    steps.done(&format!("booted {}", guest.release()));
    mount(&mut guest)?;
    guest.run("truncate -s 400M /disk/large")?;
    for (path, contents) in [
        ("/tmp/vmlinuz", std::fs::read(&newest.vmlinuz)?),
        ("/tmp/initrd", initramfs.archive(&newest)?),
    ] {
        guest.put(path, &contents, 0o600)?;
    }
    steps.done("a large file, and the next kernel, are there");
    // Above those that the next kernel gives to its own threads.
    guest.run("echo 1000 >/proc/sys/kernel/ns_last_pid")?;
    let mut pids = Vec::new();
    for (program, output) in PROGRAMS {
        let pid = guest.start(program, output)?;
        steps.done(&format!("started `{program}` as process {pid}"));
        pids.push(pid.to_string());
    }
    std::thread::sleep(Duration::from_secs(1));
    let upgrade = format!(
        "kconv upgrade --kernel /tmp/vmlinuz --initrd /tmp/initrd --queue /disk/queue \
         --report /disk/report.json {}",
        pids.join(" ")
    );
    guest.leaves(&upgrade, "/disk/upgrade.log", &newest)?;
    mount(&mut guest)?;
    steps.done(&format!("upgraded to {}", guest.release()));
    let told = guest.run("cat /disk/upgrade.log")?;
    println!("{}", indented(&told));
    let report: serde_json::Value = serde_json::from_slice(&guest.get("/disk/report.json")?)?;
    let mut right = report["outcome"] == "done" && report["figures"]["tasks"] == 2;
    right &= (5..=8).contains(&told.lines().count());
    steps.done(&format!(
        "the account has {} lines, and the report {} findings",
        told.lines().count(),
        report["findings"].as_array().map_or(0, Vec::len)
    ));
    let thawed = guest.run("kconv retry --queue /disk/queue")?;
    steps.done("thawed");
    println!("{}", indented(&thawed));

    for ((program, output), pid) in PROGRAMS.into_iter().zip(&pids) {
        guest.attempt(
            &format!("while [ -d /proc/{pid}/fd ]; do usleep 10000; done"),
            LIMIT,
        )?;
        let carried = guest.run(&format!("cat {output}"))?;
        steps.done(&format!("process {pid} says {}", carried.trim_end()));
        let expected = guest.attempt(program, LIMIT)?.stdout;
        right &= carried == expected;
        steps.done(&format!("uninterrupted: {}", expected.trim_end()));
    }
    guest.power_off()?;
    println!(
        "{}",
        match right {
            true => "the same",
            false => "NOT the same",
        }
    );
    Ok(right)
}

fn mount(guest: &mut Guest) -> Result<(), Error> {
    guest.run("mkdir -p /disk && mount -t ext4 /dev/vda /disk")?;
    Ok(())
}

/// An empty file system in a file.
fn ext4(path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    std::fs::File::create(path)?.set_len(256 << 20)?;
    let mke2fs = Command::new("/sbin/mke2fs")
        .args(["-q", "-F", "-t", "ext4"])
        .arg(path)
        .status()?;
    match mke2fs.success() {
        true => Ok(()),
        false => Err(format!("mke2fs: {mke2fs}").into()),
    }
}

/// Says what was done, and when.
struct Steps(Instant);

impl Steps {
    fn done(&mut self, what: &str) {
        println!("{:5.1} s  {what}", self.0.elapsed().as_secs_f64());
    }
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("         {line}"));
    lines.collect::<Vec<_>>().join("\n")
}
