//! kconv beside CRIU, in one guest, with the same programs: how long they do not run, and how
//! large the image is. For each program a line of a table, as the book's chapter on thawing has it.
//!
//! `cargo run --release -p kconv-guests --example criu`, with Debian's package criu installed.
#![forbid(unsafe_code)]

use kconv_guests::{Error, Guest, Initramfs, Kernel, Machine, static_kconv};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const PROGRAMS: [(&str, &str); 5] = [
    ("counter", "counter 1000000000000"),
    ("threads", "threads 4 100000000"),
    ("pipeline", "pipeline 100000000"),
    ("sha256sum", "busybox sha256sum /dev/zero"),
    (
        "python3",
        "python3 -c 'x = list(range(300000))\nwhile True: x.reverse()'",
    ),
];
const LIMIT: Duration = Duration::from_secs(120);

/// A tool, how it freezes process `$pid` and ends it, and how it brings it back.
const TOOLS: [(&str, &str, &str); 2] = [
    (
        "kconv",
        "kconv freeze --quiet --tree --kill $pid -o $dir/image",
        "kconv thaw --quiet $dir/image",
    ),
    (
        "criu",
        "criu dump -v1 --tree $pid --images-dir $dir --shell-job",
        "criu restore -v1 --images-dir $dir --shell-job --restore-detached",
    ),
];

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), Error> {
    let mut initramfs = Initramfs::new()?;
    initramfs.add("/bin/kconv", &static_kconv()?, 0o755)?;
    initramfs.program(Path::new("/usr/sbin/criu"))?;
    initramfs.link("/bin/criu", "../usr/sbin/criu");
    initramfs.python()?;
    for kernel in [Kernel::oldest("6.1")?, Kernel::newest("6.12")?] {
        let mut guest = Machine::default().boot(&kernel, &initramfs)?;
        println!(
            "{}, {}",
            kernel.release,
            guest
                .run("criu --version")?
                .lines()
                .next()
                .unwrap_or_default()
        );
        println!("program     tool   freeze s  thaw s  frozen to running s  image KiB");
        for (name, command) in PROGRAMS {
            for tool in TOOLS {
                match once(&mut guest, command, tool)? {
                    Ok([frozen, thawed, size]) => println!(
                        "{name:<11} {:<6} {frozen:>8.2}  {thawed:>6.2}  {:>19.2}  {size:>9}",
                        tool.0,
                        frozen + thawed
                    ),
                    Err(said) => println!("{name:<11} {:<6} refused: {said}", tool.0),
                }
            }
        }
        guest.power_off()?;
    }
    Ok(())
}

/// Seconds that a freeze and a thaw take, and KiB of the image; or what the tool said.
fn once(
    guest: &mut Guest,
    command: &str,
    (tool, freeze, thaw): (&str, &str, &str),
) -> Result<Result<[f64; 3], String>, Error> {
    let pid = guest.start(command, "/tmp/out")?;
    let script = format!(
        "pid={pid}; dir=/tmp/{tool}; rm -rf $dir; mkdir $dir; sleep 2; now() {{ cut -d' ' -f1 /proc/uptime; }}; \
         a=$(now); {freeze} >&2 || exit 1; b=$(now); {thaw} >&2 || exit 1; c=$(now); \
         [ -d /proc/$pid/fd ] || exit 1; echo $a $b $c $(du -k $dir | cut -f1)"
    );
    let output = guest.attempt(&script, LIMIT)?;
    guest.attempt(
        &format!("kill -9 {pid}; killall -9 pipeline; sleep 1"),
        LIMIT,
    )?;
    let numbers: Vec<f64> = output
        .stdout
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    Ok(match (output.code, numbers.as_slice()) {
        (0, &[before, between, after, size]) => Ok([between - before, after - between, size]),
        _ => {
            // Of the modules that it looks for at its start no program here needs one.
            let said = output
                .stderr
                .lines()
                .filter(|line| !line.contains("Diag module"));
            Err(said.collect::<Vec<_>>().join("; "))
        }
    })
}
