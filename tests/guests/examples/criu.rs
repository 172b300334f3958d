//! kconv beside CRIU, in one guest, with the same programs, one after the other in turns: how long their
//! commands take, how long the programs stand still, and how large the images are. Prints the tables
//! of the book's chapter on thawing: medians of kconv's figures by CRIU's, with the least and the most.
//!
//! `cargo run --release -p kconv-guests --example criu`, with Debian's package criu installed. Behind `--` the
//! names of programs can stand that are to be compared alone.
#![forbid(unsafe_code)]

use kconv_guests::{Error, Guest, Initramfs, Kernel, Machine, static_kconv};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

const PROGRAMS: [(&str, &str); 7] = [
    ("counter", "counter 1000000000000"),
    ("4 threads", "threads 4 100000000"),
    ("pipeline of 3", "pipeline 100000000"),
    ("sha256sum", "busybox sha256sum /dev/zero"),
    (
        "python3",
        "python3 -c 'x = list(range(300000))\nwhile True: x.reverse()'",
    ),
    (NOTHING, "reserve 0 0"),
    (MEMORY, "reserve 0 64"),
];
/// Two that differ by the pages that are there.
const NOTHING: &str = "nothing";
const MEMORY: &str = "64 MiB";
const PAGES: f64 = 16384.0;
/// One that reserves what it does not use, beside the one without.
const RESERVED: (&str, &str) = ("400 GiB reserved", "reserve 400 0");

const TURNS: usize = 3;
const LIMIT: Duration = Duration::from_secs(120);

/// A tool: how it freezes process `$pid` that runs on, how it freezes it and ends it, how it brings it back,
/// and where it says for how long the process stood still.
struct Tool {
    name: &'static str,
    look: &'static str,
    freeze: &'static str,
    thaw: &'static str,
    /// A command that prints the pause, and how it is read.
    pause: (&'static str, fn(&str) -> Option<f64>),
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "kconv",
        look: "kconv freeze --tree $pid -o $dir/image >/tmp/said",
        freeze: "kconv freeze --tree --kill $pid -o $dir/image >/tmp/said",
        thaw: "kconv thaw --quiet $dir/image",
        pause: ("grep ^pause /tmp/said", milliseconds),
    },
    Tool {
        name: "criu",
        look: "criu dump -v1 --tree $pid --images-dir $dir --shell-job --leave-running",
        freeze: "criu dump -v1 --tree $pid --images-dir $dir --shell-job",
        thaw: "criu restore -v1 --images-dir $dir --shell-job --restore-detached",
        pause: ("od -An -v -tu1 $dir/stats-dump", frozen_time),
    },
];

/// Seconds for the command that freezes and ends the process, the one that thaws, the pause of a process that runs
/// on and of one that is ended, and KiB of the image.
#[derive(Copy, Clone)]
struct Figures {
    freeze: f64,
    thaw: f64,
    pause: f64,
    last: f64,
    size: f64,
}

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
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    for kernel in [Kernel::oldest("6.1")?, Kernel::newest("6.12")?] {
        let mut guest = Machine::default().boot(&kernel, &initramfs)?;
        let version = guest.run("criu --version")?;
        let version = version.lines().next().unwrap_or_default();
        println!("\n{}, CRIU {version}, {TURNS} turns", kernel.release);
        println!(
            "| program | command to freeze | command to thaw | pause, running on | pause, ended | image |"
        );
        println!("|---|---|---|---|---|---|");
        let mut pauses: Vec<(&str, Pauses, Pauses)> = Vec::new();
        for (name, command) in PROGRAMS.into_iter().filter(|(name, _)| is_wanted(name)) {
            let [kconv, criu] = in_turns(&mut guest, command)?;
            match (kconv, criu) {
                (Ok(kconv), Ok(criu)) => {
                    let ratio = |of: fn(&Figures) -> f64| {
                        spread(kconv.iter().zip(&criu).map(|(a, b)| of(a) / of(b)))
                    };
                    println!(
                        "| {name} | {} | {} | {} | {} | {} |",
                        ratio(|figures| figures.freeze),
                        ratio(|figures| figures.thaw),
                        ratio(|figures| figures.pause),
                        ratio(|figures| figures.last),
                        ratio(|figures| figures.size),
                    );
                    pauses.push((name, Pauses::of(&kconv), Pauses::of(&criu)));
                }
                (kconv, criu) => {
                    for (tool, said) in [(&TOOLS[0], kconv.err()), (&TOOLS[1], criu.err())] {
                        if let Some(said) = said {
                            println!("| {name} | {} refused: {said} | | | | |", tool.name);
                        }
                    }
                }
            }
        }
        let of = |name: &str| pauses.iter().find(|(found, ..)| *found == name);
        if let (Some((_, none, criu_none)), Some((_, full, criu_full))) = (of(NOTHING), of(MEMORY))
        {
            for (which, pause) in [
                ("running on", (|all| all.pause) as fn(&Pauses) -> f64),
                ("ended", |all| all.last),
            ] {
                let kconv = (pause(full) - pause(none)) * 1e6 / PAGES;
                let criu = (pause(criu_full) - pause(criu_none)) * 1e6 / PAGES;
                let ratio = kconv / criu;
                println!(
                    "pause for a page, {which}: {ratio:.2} ({kconv:.1} us, CRIU {criu:.1} us)"
                );
            }
        }
        if is_wanted(RESERVED.0) {
            reserved(&mut guest)?;
        }
        guest.power_off()?;
    }
    Ok(())
}

/// Medians.
struct Pauses {
    pause: f64,
    last: f64,
}

impl Pauses {
    fn of(all: &[Figures]) -> Pauses {
        Pauses {
            pause: median(all.iter().map(|one| one.pause).collect()),
            last: median(all.iter().map(|one| one.last).collect()),
        }
    }
}

/// The pause of a program that reserves address space by that of one that does not, in turns.
fn reserved(guest: &mut Guest) -> Result<(), Error> {
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let mut pause = |command| -> Result<Option<f64>, Error> {
            Ok(once(guest, command, &TOOLS[0])?.ok().map(|one| one.pause))
        };
        let (without, with) = (pause("reserve 0 0")?, pause(RESERVED.1)?);
        ratios.extend(with.zip(without).map(|(with, without)| with / without));
    }
    println!(
        "pause of kconv, {} by none: {}",
        RESERVED.0,
        spread(ratios.into_iter())
    );
    Ok(())
}

/// What each tool took for a program, in turns, or what it said when it could not.
fn in_turns(guest: &mut Guest, command: &str) -> Result<[Result<Vec<Figures>, String>; 2], Error> {
    let mut all = [Ok(Vec::new()), Ok(Vec::new())];
    for _ in 0..TURNS {
        for (tool, kept) in TOOLS.iter().zip(&mut all) {
            if let Ok(figures) = kept {
                match once(guest, command, tool)? {
                    Ok(found) => figures.push(found),
                    Err(said) => *kept = Err(said),
                }
            }
        }
    }
    Ok(all)
}

/// What a tool took for a program once, or what it said.
fn once(guest: &mut Guest, command: &str, tool: &Tool) -> Result<Result<Figures, String>, Error> {
    let Tool {
        name,
        look,
        freeze,
        thaw,
        pause: (asked, read),
    } = tool;
    let pid = guest.start(command, "/tmp/out")?;
    let script = format!(
        "pid={pid}; dir=/tmp/{name}; rm -rf $dir; mkdir $dir; sleep 2; now() {{ cut -d' ' -f1 /proc/uptime; }}; \
         {look} || exit 1; {asked}; rm -rf $dir; mkdir $dir; \
         a=$(now); {freeze} || exit 1; b=$(now); {thaw} >&2 || exit 1; c=$(now); \
         [ -d /proc/$pid/fd ] || exit 1; echo +; {asked}; echo +; echo $a $b $c $(du -k $dir | cut -f1)"
    );
    let output = guest.attempt(&script, LIMIT)?;
    guest.attempt(
        &format!("kill -9 {pid}; killall -9 pipeline; sleep 1"),
        LIMIT,
    )?;
    let mut parts = output.stdout.split("+\n");
    let mut part = || parts.next().unwrap_or_default();
    let (pause, last, times) = (read(part()), read(part()), part());
    let words = times.split_ascii_whitespace();
    let numbers: Vec<f64> = words.filter_map(|word| word.parse().ok()).collect();
    Ok(match (output.code, numbers.as_slice(), pause.zip(last)) {
        (0, &[before, between, after, size], Some((pause, last))) => Ok(Figures {
            freeze: between - before,
            thaw: after - between,
            pause,
            last,
            size,
        }),
        _ => {
            // Of the modules that it looks for at its start no program here needs one.
            let said = output.stderr.lines();
            let said = said.filter(|line| !line.contains("Diag module"));
            Err(said.collect::<Vec<_>>().join("; "))
        }
    })
}

/// The median, and the least and the most.
fn spread(ratios: impl Iterator<Item = f64>) -> String {
    let ratios: Vec<f64> = ratios.collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    format!("{:.2} ({least:.2}–{most:.2})", median(ratios))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Seconds, of kconv's line `pause 12.3 ms`.
fn milliseconds(said: &str) -> Option<f64> {
    let number = said.split_ascii_whitespace().nth(1)?;
    Some(number.parse::<f64>().ok()? / 1e3)
}

/// Seconds, of CRIU's statistics (images/stats.proto: DumpStatsEntry.frozen_time, in microseconds), which
/// stand behind two magic numbers and a length.
fn frozen_time(said: &str) -> Option<f64> {
    let words = said.split_ascii_whitespace();
    let bytes: Vec<u8> = words.filter_map(|word| word.parse().ok()).collect();
    let mut rest = bytes.get(12..)?.iter();
    let mut number = || {
        let mut found = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *rest.next()?;
            found |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(found);
            }
        }
        None
    };
    // The entry of a dump is field 1, of bytes; all in it are numbers, the frozen time field 2.
    if number()? != (1 << 3 | 2) {
        return None;
    }
    number()?;
    loop {
        match (number()?, number()?) {
            (key, value) if key == 2 << 3 => return Some(value as f64 / 1e6),
            _ => {}
        }
    }
}
