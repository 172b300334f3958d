//! An image is a core file like the one that the kernel itself writes of the same program at the
//! same place: gdb shows the same backtraces, registers, mappings and auxiliary vector, and the
//! notes are the same to the byte.

use super::LIMIT;
use super::frozen::kconv;
use kconv_guests::Guest;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const NT_PRSTATUS: u32 = 1;
const NT_FPREGSET: u32 = 2;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_X86_XSTATE: u32 = 0x202;
const NT_SIGINFO: u32 = 0x5349_4749;
const NT_FILE: u32 = 0x4649_4c45;

/// Threads of programs/chains.c.
const THREADS: usize = 4;

/// Freezes programs/chains.c, has the kernel dump it, and compares both, the image also after a
/// conversion to the kernel `to`.
pub(super) fn debugger(guest: &mut Guest, to: &str) {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    guest
        .run(
            "echo /tmp/core >/proc/sys/kernel/core_pattern; echo 0 >/proc/sys/kernel/core_uses_pid",
        )
        .unwrap();
    let start = "sh -c 'ulimit -c unlimited; exec chains'";
    let pid = guest.start(start, "/tmp/chains").unwrap();
    guest.says(pid, "/tmp/chains", "ready", LIMIT).unwrap();
    guest
        .run(&format!("kconv freeze {pid} -o /tmp/image"))
        .unwrap();
    guest
        .run(&format!(
            "kill -STOP {pid}; until grep -q 'State:.*T' /proc/{pid}/status; do usleep 1000; done; \
             kconv freeze {pid} -o /tmp/stopped.image && kill -TSTP {pid} && \
             kconv freeze {pid} -o /tmp/pending.image"
        ))
        .unwrap();
    guest
        .run(&format!(
            "kill -CONT {pid}; usleep 200000; kill -ABRT {pid}; while [ -d /proc/{pid}/fd ]; do usleep 10000; done"
        ))
        .unwrap();
    for (name, path) in [
        ("image", "/tmp/image"),
        ("stopped", "/tmp/stopped.image"),
        ("pending", "/tmp/pending.image"),
        ("core", "/tmp/core"),
        ("chains", "/bin/chains"),
    ] {
        std::fs::write(at(name), guest.get(path).unwrap()).unwrap();
    }
    guest
        .run("rm /tmp/image /tmp/stopped.image /tmp/pending.image /tmp/core /tmp/chains")
        .unwrap();
    let (image, converted) = (at("image"), at("converted"));
    kconv(&[
        guest.release(),
        to,
        image.to_str().unwrap(),
        "-o",
        converted.to_str().unwrap(),
    ]);
    signals(&at("stopped"), |signal, _, _| signal == 19);
    // A stopped process gets its signals when it goes on, but SIGCONT takes back this one, which is
    // of a command in the guest.
    signals(&at("pending"), |signal, code, sender| {
        (signal, code) == (20, 0) && sender > 0 && sender != pid
    });
    let (core, program) = (at("core"), at("chains"));
    for image in [image, converted] {
        same_notes(&core, &image);
        same_in_gdb(&program, &core, &image);
    }
}

/// Signal, code and sender in the NT_SIGINFO of every thread.
fn signals(image: &Path, right: impl Fn(u32, u32, u32) -> bool) {
    let notes = notes(image);
    let infos = notes.iter().filter(|((_, kind), _)| *kind == NT_SIGINFO);
    let mut threads = 0;
    for ((thread, _), info) in infos {
        let [signal, code, sender] = [0, 8, 16].map(|at| number(info, at));
        let shown = format!("{signal} {code} {sender} of {thread}");
        assert!(right(signal, code, sender), "{}: {shown}", image.display());
        threads += 1;
    }
    assert_eq!(threads, THREADS);
}

/// The notes of a core file by the number of the thread and the kind. Those of the process, which
/// are among those of the thread that comes first, have the number 0.
fn notes(path: &Path) -> BTreeMap<(u32, u32), Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let bytes = bytes.as_slice();
    let header = FileHeader64::<object::LittleEndian>::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let mut found = BTreeMap::new();
    let mut thread = 0;
    for segment in header.program_headers(endian, bytes).unwrap() {
        let Some(mut notes) = segment.notes(endian, bytes).unwrap() else {
            continue;
        };
        while let Some(note) = notes.next().unwrap() {
            if note.name() != b"CORE" && note.name() != b"LINUX" {
                continue;
            }
            let (kind, desc) = (note.n_type(endian), note.desc().to_vec());
            if kind == NT_PRSTATUS {
                thread = number(&desc, 32);
            }
            let of_process = [NT_PRPSINFO, NT_AUXV, NT_FILE].contains(&kind);
            found.insert((if of_process { 0 } else { thread }, kind), desc);
        }
    }
    found
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().unwrap())
}

/// Every note says what the kernel's own core says.
fn same_notes(core: &Path, image: &Path) {
    let (core, image) = (notes(core), notes(image));
    let threads = |notes: &BTreeMap<(u32, u32), Vec<u8>>| -> Vec<u32> {
        let all = notes.keys().filter(|(_, kind)| *kind == NT_PRSTATUS);
        all.map(|(thread, _)| *thread).collect()
    };
    assert_eq!(threads(&core), threads(&image));
    assert_eq!(threads(&image).len(), THREADS);
    for thread in threads(&image) {
        for kind in [NT_FPREGSET, NT_X86_XSTATE] {
            let (theirs, ours) = (&core[&(thread, kind)], &image[&(thread, kind)]);
            assert!(
                theirs == ours,
                "{kind:#x} of {thread}: {theirs:x?}\n{ours:x?}"
            );
        }
        let (theirs, ours) = (
            &core[&(thread, NT_PRSTATUS)],
            &image[&(thread, NT_PRSTATUS)],
        );
        // pr_sighold, the four numbers, then, behind the times, the registers and pr_fpvalid.
        assert_eq!(theirs[24..48], ours[24..48], "ids of {thread}");
        assert_eq!(theirs[112..], ours[112..], "registers of {thread}");
        // The core is of a signal, the image of none.
        assert_eq!(number(ours, 12), 0, "pr_cursig of {thread}");
        let siginfo = &image[&(thread, NT_SIGINFO)];
        let [signal, code, sender] = [0, 8, 16].map(|at| number(siginfo, at));
        assert_eq!((signal, code, sender), (5, 5 | 128 << 8, thread));
    }
    for kind in [NT_AUXV, NT_FILE] {
        assert_eq!(core[&(0, kind)], image[&(0, kind)], "{kind:#x}");
    }
    let (theirs, ours) = (&core[&(0, NT_PRPSINFO)], &image[&(0, NT_PRPSINFO)]);
    // The kernel has it running, on its way out; a frozen task sleeps.
    assert_eq!(ours[..4], [1, b'S', 0, 0]);
    assert_eq!(theirs[16..], ours[16..], "{theirs:x?}\n{ours:x?}");
}

/// What gdb says of a core file.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// Names of the functions by thread, the innermost first.
    calls: BTreeMap<u32, Vec<String>>,
    /// Lines of `info registers` by thread.
    registers: BTreeMap<u32, Vec<String>>,
    mappings: Vec<String>,
    auxv: Vec<String>,
    siginfo: Vec<String>,
}

fn same_in_gdb(program: &Path, core: &Path, image: &Path) {
    let (mut theirs, mut ours) = (shown(program, core), shown(program, image));
    // The kernel's core is of a signal.
    theirs.siginfo.clear();
    let siginfo = std::mem::take(&mut ours.siginfo);
    let traps = siginfo.iter().filter(|line| line.ends_with(" = 5"));
    assert_eq!(traps.count(), THREADS, "{siginfo:?}");
    assert_eq!(theirs.calls.len(), THREADS);
    println!(
        "gdb: {:?}",
        ours.calls.values().map(Vec::len).collect::<Vec<_>>()
    );
    assert_eq!(theirs, ours);
    let all: Vec<&String> = ours.calls.values().flatten().collect();
    for function in ["main", "wait_for_bytes", "first_reader", "recursive_waiter"] {
        assert!(all.iter().any(|name| *name == function), "{all:?}");
    }
    let depths = all
        .iter()
        .filter(|name| **name == "wait_for_condition")
        .count();
    assert_eq!(depths, 4 + 8);
    assert!(
        ours.mappings
            .iter()
            .any(|line| line.contains("/bin/chains"))
    );
    assert!(ours.auxv.iter().any(|line| line.contains("AT_EXECFN")));
}

/// Has gdb open a core file.
fn shown(program: &Path, core: &Path) -> Shown {
    let mut gdb = Command::new("gdb");
    gdb.args(["--batch", "--nx", "-ex", "set width 0", "-ex"])
        .arg(format!("core-file {}", core.display()));
    for command in [
        "echo \\n== calls\\n",
        "thread apply all backtrace",
        "echo \\n== registers\\n",
        "thread apply all info registers",
        "echo \\n== mappings\\n",
        "info proc mappings",
        "echo \\n== auxv\\n",
        "info auxv",
        "echo \\n== siginfo\\n",
        "thread apply all -s print $_siginfo.si_signo",
    ] {
        gdb.args(["-ex", command]);
    }
    let ran = gdb.arg(program).output().expect("gdb: install gdb");
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{ran:?}");
    let part = |name: &str| -> Vec<String> {
        let start = text.split(&format!("== {name}\n")).nth(1);
        let part = start.unwrap_or_else(|| panic!("no {name}: {ran:?}"));
        let part = part.split("\n== ").next().unwrap_or_default();
        part.lines().map(str::to_owned).collect()
    };
    Shown {
        calls: by_thread(&part("calls"), |line| {
            // `#1  0x000000000040189c in wait_for_bytes ()`, or without an address.
            let line = line.strip_prefix('#')?;
            let name = line.split_once(" in ").map_or_else(
                || line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' '),
                |(_, name)| name,
            );
            Some(name.split(" (").next()?.to_owned())
        }),
        registers: by_thread(&part("registers"), |line| {
            (!line.is_empty()).then(|| line.to_owned())
        }),
        mappings: part("mappings"),
        auxv: part("auxv"),
        siginfo: part("siginfo"),
    }
}

/// Lines behind `Thread 2 (LWP 157):`, by the number of the thread.
fn by_thread(
    lines: &[String],
    read: impl Fn(&str) -> Option<String>,
) -> BTreeMap<u32, Vec<String>> {
    let mut found: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut thread = 0;
    for line in lines {
        if let Some((_, rest)) = line
            .split_once("LWP ")
            .filter(|_| line.starts_with("Thread "))
        {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            thread = digits.unwrap_or_default().parse().unwrap();
        } else if let Some(read) = read(line) {
            found.entry(thread).or_default().push(read);
        }
    }
    found
}
