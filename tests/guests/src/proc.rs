//! What the guest's /proc says of a process, as read by guest/gather.c
//! (Documentation/filesystems/proc.rst of the kernel; fs/proc/array.c, fs/proc/base.c,
//! fs/proc/task_mmu.c, fs/proc/fd.c).

use crate::Error;
use std::collections::BTreeMap;

/// Names of the fields of /proc/PID/task/TID/stat in their order (fs/proc/array.c: do_task_stat).
const STAT: [&str; 52] = [
    "pid",
    "comm",
    "state",
    "ppid",
    "pgrp",
    "session",
    "tty_nr",
    "tpgid",
    "flags",
    "minflt",
    "cminflt",
    "majflt",
    "cmajflt",
    "utime",
    "stime",
    "cutime",
    "cstime",
    "priority",
    "nice",
    "num_threads",
    "itrealvalue",
    "starttime",
    "vsize",
    "rss",
    "rsslim",
    "startcode",
    "endcode",
    "startstack",
    "kstkesp",
    "kstkeip",
    "signal",
    "blocked",
    "sigignore",
    "sigcatch",
    "wchan",
    "nswap",
    "cnswap",
    "exit_signal",
    "processor",
    "rt_priority",
    "policy",
    "delayacct_blkio_ticks",
    "guest_time",
    "cguest_time",
    "start_data",
    "end_data",
    "start_brk",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
    "exit_code",
];

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proc {
    /// Its number.
    pub pid: u32,
    /// Its threads by number, itself among them.
    pub threads: BTreeMap<u32, Thread>,
    /// Its mappings by ascending address.
    pub mappings: Vec<Mapping>,
    /// Its open files by descriptor.
    pub files: BTreeMap<u64, OpenFile>,
    /// Soft and hard limits by number of the resource; [`u64::MAX`] is unlimited.
    pub limits: Vec<[u64; 2]>,
    /// Its timers of timer_create.
    pub timers: Vec<Timer>,
    /// Sizes in pages: program, resident, shared, text, library, data, dirty.
    pub statm: Vec<u64>,
    /// Arguments.
    pub cmdline: Vec<String>,
    /// Environment.
    pub environ: Vec<String>,
    /// Auxiliary vector without its end: type and value.
    pub auxv: Vec<(u64, u64)>,
    /// What cwd, root and exe lead to.
    pub links: BTreeMap<String, String>,
    /// Namespaces by name: their inode numbers.
    pub namespaces: BTreeMap<String, u64>,
    /// Files with one value: oom_score_adj, coredump_filter, timerslack_ns, cgroup.
    pub values: BTreeMap<String, String>,
    /// Number of CPUs that the machine can have.
    pub possible_cpus: u32,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The lines of `status`, by the name before the colon.
    pub status: BTreeMap<String, String>,
    /// The fields of `stat` by the names of proc(5).
    pub stat: BTreeMap<&'static str, String>,
    /// The system call it is in.
    pub syscall: Syscall,
    /// `personality`, as bits.
    pub personality: u64,
    /// Numbers of the children it made.
    pub children: Vec<u32>,
    /// The lines of `io`, by the name before the colon.
    pub io: BTreeMap<String, u64>,
    /// Nanoseconds on a CPU, of `schedstat`.
    pub runtime: u64,
    /// `loginuid` and `sessionid`, of the auditor.
    pub audit: [u64; 2],
}

/// Where a thread is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Syscall {
    /// On a CPU, or ready to be.
    Running,
    /// Stopped or asleep, in no system call.
    Outside {
        /// Stack pointer.
        sp: u64,
        /// Instruction pointer.
        pc: u64,
    },
    /// In a system call.
    Inside {
        /// Its number.
        number: u64,
        /// Its arguments.
        arguments: [u64; 6],
        /// Stack pointer.
        sp: u64,
        /// Instruction pointer.
        pc: u64,
    },
}

/// A mapping: a line of `maps`, and its VmFlags in `smaps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// As `rw-p`.
    pub permissions: String,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// Device of the file, as `fe:00`.
    pub device: String,
    /// Inode of the file, 0 for none.
    pub inode: u64,
    /// Path of the file, or a name in brackets, or nothing.
    pub path: String,
    /// The mnemonics of VmFlags.
    pub flags: Vec<String>,
    /// Pages that are there, by `Rss`.
    pub resident: u64,
}

/// An open file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// Path, or what stands for one (`pipe:[123]`).
    pub path: String,
    /// Position in bytes.
    pub position: i64,
    /// Flags of open(2) and O_CLOEXEC.
    pub flags: u64,
    /// Number of the mount.
    pub mount: u64,
    /// Inode.
    pub inode: u64,
    /// Locks, as /proc/locks shows them, and lines of special files.
    pub more: Vec<String>,
}

/// A timer of timer_create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// Its number.
    pub id: i64,
    /// The signal that it sends.
    pub signal: u64,
    /// The value that goes with it.
    pub value: u64,
    /// How and to whom, as `signal/pid.123`.
    pub notify: String,
    /// Its clock.
    pub clock: i64,
}

/// What was read of one path.
enum Read {
    File(Vec<u8>),
    Link(String),
    /// The error's number.
    Failed(i32),
}

/// The file of a process being read, for errors.
struct At<'a>(&'a str);

impl At<'_> {
    fn wrong(&self, problem: impl Into<String>) -> Error {
        Error::Proc {
            file: self.0.to_owned(),
            problem: problem.into(),
        }
    }

    fn number(&self, text: &str, radix: u32) -> Result<u64, Error> {
        let digits = text.trim().trim_start_matches("0x");
        u64::from_str_radix(digits, radix)
            .map_err(|_| self.wrong(format!("{text:?} where a number should be")))
    }

    fn signed(&self, text: &str) -> Result<i64, Error> {
        text.trim()
            .parse()
            .map_err(|_| self.wrong(format!("{text:?} where a number should be")))
    }
}

impl Proc {
    /// Puts together what guest/gather.c wrote of process `pid`.
    ///
    /// # Errors
    /// What is missing or cannot be understood.
    pub fn parse(pid: u32, gathered: &[u8]) -> Result<Proc, Error> {
        let read = split(gathered)?;
        let process = format!("/proc/{pid}");
        let text = |name: &str| text_of(&read, &format!("{process}/{name}"));
        let mut proc = Proc {
            pid,
            threads: BTreeMap::new(),
            mappings: mappings(&text("maps")?, &text("smaps")?)?,
            files: BTreeMap::new(),
            limits: limits(&text("limits")?)?,
            timers: timers(&text("timers")?)?,
            statm: text("statm")?
                .split_whitespace()
                .map(|size| At("statm").number(size, 10))
                .collect::<Result<_, _>>()?,
            cmdline: strings(&text("cmdline")?),
            environ: strings(&text("environ")?),
            auxv: auxv(bytes_of(&read, &format!("{process}/auxv"))?),
            links: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            values: BTreeMap::new(),
            possible_cpus: possible(&text_of(&read, "/sys/devices/system/cpu/possible")?)?,
        };
        for name in [
            "oom_score_adj",
            "coredump_filter",
            "timerslack_ns",
            "cgroup",
        ] {
            proc.values
                .insert(name.to_owned(), text(name)?.trim_end().to_owned());
        }
        for (path, what) in &read {
            let rest = path.strip_prefix(&process).unwrap_or(path);
            let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
            match (parts.as_slice(), what) {
                ([name @ ("cwd" | "root" | "exe")], Read::Link(to)) => {
                    proc.links.insert((*name).to_owned(), to.clone());
                }
                (["ns", name], Read::Link(to)) => {
                    let inode = to.split(['[', ']']).nth(1).unwrap_or_default();
                    proc.namespaces
                        .insert((*name).to_owned(), At(path).number(inode, 10)?);
                }
                (["fd", fd], Read::Link(to)) => {
                    let info = text_of(&read, &format!("{process}/fdinfo/{fd}"))?;
                    proc.files
                        .insert(At(path).number(fd, 10)?, open_file(to, &info)?);
                }
                (["task", tid, "status"], Read::File(_)) => {
                    let tid = At(path).number(tid, 10)? as u32;
                    let of = |name: &str| text_of(&read, &format!("{process}/task/{tid}/{name}"));
                    proc.threads.insert(tid, thread(&of)?);
                }
                _ => {}
            }
        }
        if !proc.threads.contains_key(&pid) {
            return Err(At(&process).wrong("has no first thread: the process has ended"));
        }
        Ok(proc)
    }
}

/// The records of guest/gather.c by path.
fn split(mut gathered: &[u8]) -> Result<BTreeMap<String, Read>, Error> {
    let at = At("gathered");
    let cut = || at.wrong("the output of gather is cut off");
    let mut read = BTreeMap::new();
    while !gathered.is_empty() {
        let end = gathered.iter().position(|byte| *byte == b'\n');
        let (head, rest) = gathered.split_at(end.ok_or_else(cut)?);
        gathered = &rest[1..];
        let head = String::from_utf8_lossy(head);
        let mut words = head.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default();
        let (kind, number, path) = (next(), at.signed(next())?, next().to_owned());
        if kind == "E" {
            read.insert(path, Read::Failed(number as i32));
            continue;
        }
        let size = usize::try_from(number).map_err(|_| cut())?;
        let (contents, rest) = gathered.split_at_checked(size + 1).ok_or_else(cut)?;
        let contents = &contents[..size];
        gathered = rest;
        let what = match kind {
            "F" => Read::File(contents.to_vec()),
            "L" => Read::Link(String::from_utf8_lossy(contents).into_owned()),
            other => return Err(at.wrong(format!("a record of kind {other:?}"))),
        };
        read.insert(path, what);
    }
    Ok(read)
}

fn bytes_of<'a>(read: &'a BTreeMap<String, Read>, path: &str) -> Result<&'a [u8], Error> {
    match read.get(path) {
        Some(Read::File(bytes)) => Ok(bytes),
        Some(Read::Failed(error)) => {
            let error = std::io::Error::from_raw_os_error(*error);
            Err(At(path).wrong(format!("cannot be read: {error}")))
        }
        _ => Err(At(path).wrong("was not read")),
    }
}

fn text_of(read: &BTreeMap<String, Read>, path: &str) -> Result<String, Error> {
    Ok(String::from_utf8_lossy(bytes_of(read, path)?).into_owned())
}

fn strings(text: &str) -> Vec<String> {
    let text = text.strip_suffix('\0').unwrap_or(text);
    text.split('\0').map(str::to_owned).collect()
}

fn auxv(bytes: &[u8]) -> Vec<(u64, u64)> {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    bytes
        .chunks_exact(16)
        .map(|pair| (word(&pair[..8]), word(&pair[8..])))
        .take_while(|(kind, _)| *kind != 0)
        .collect()
}

/// How many CPUs `0-3` are.
fn possible(list: &str) -> Result<u32, Error> {
    let last = list.trim().rsplit(['-', ',']).next().unwrap_or_default();
    Ok(At("possible").number(last, 10)? as u32 + 1)
}

fn thread(text: &dyn Fn(&str) -> Result<String, Error>) -> Result<Thread, Error> {
    let status = text("status")?
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let children = text("children")?
        .split_whitespace()
        .map(|pid| Ok(At("children").number(pid, 10)? as u32))
        .collect::<Result<_, Error>>()?;
    let number = |name: &str| {
        let text = text(name)?;
        At(name).number(text.split(' ').next().unwrap_or_default(), 10)
    };
    let io = text("io")?
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| Ok((name.to_owned(), At("io").number(value, 10)?)))
        .collect::<Result<_, Error>>()?;
    Ok(Thread {
        io,
        runtime: number("schedstat")?,
        audit: [number("loginuid")?, number("sessionid")?],
        status,
        stat: stat(&text("stat")?)?,
        syscall: syscall(&text("syscall")?)?,
        personality: At("personality").number(&text("personality")?, 16)?,
        children,
    })
}

fn stat(text: &str) -> Result<BTreeMap<&'static str, String>, Error> {
    let at = At("stat");
    // The name is in parentheses and may have some itself.
    let parts = text.split_once(" (").and_then(|(pid, rest)| {
        let (comm, rest) = rest.rsplit_once(") ")?;
        Some([pid, comm].into_iter().chain(rest.split_whitespace()))
    });
    let values: Vec<&str> = parts.ok_or_else(|| at.wrong("has no name"))?.collect();
    if values.len() != STAT.len() {
        return Err(at.wrong(format!("{} fields, not {}", values.len(), STAT.len())));
    }
    let named = STAT.into_iter().zip(values);
    Ok(named
        .map(|(name, value)| (name, value.to_owned()))
        .collect())
}

fn syscall(text: &str) -> Result<Syscall, Error> {
    let at = At("syscall");
    let words: Vec<&str> = text.split_whitespace().collect();
    let hex = |place: usize| at.number(words[place], 16);
    match words.as_slice() {
        ["running"] => Ok(Syscall::Running),
        ["-1", _, _] => Ok(Syscall::Outside {
            sp: hex(1)?,
            pc: hex(2)?,
        }),
        [number, _, _, _, _, _, _, _, _] => Ok(Syscall::Inside {
            number: at.number(number, 10)?,
            arguments: [hex(1)?, hex(2)?, hex(3)?, hex(4)?, hex(5)?, hex(6)?],
            sp: hex(7)?,
            pc: hex(8)?,
        }),
        _ => Err(at.wrong(format!("{text:?}"))),
    }
}

fn mappings(maps: &str, smaps: &str) -> Result<Vec<Mapping>, Error> {
    let at = At("maps");
    let flags: Vec<Vec<String>> = smaps
        .lines()
        .filter_map(|line| line.strip_prefix("VmFlags:"))
        .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
        .collect();
    let resident: Vec<u64> = smaps
        .lines()
        .filter_map(|line| line.strip_prefix("Rss:")?.strip_suffix("kB"))
        .map(|size| Ok(At("smaps").number(size, 10)? / 4))
        .collect::<Result<_, Error>>()?;
    if flags.len() != maps.lines().count() || resident.len() != flags.len() {
        return Err(At("smaps").wrong("does not have the mappings of maps: the process runs"));
    }
    maps.lines()
        .zip(flags.into_iter().zip(resident))
        .map(|(line, (flags, resident))| {
            // The path is the rest, spaces and all, behind some to align it.
            let mut words = line.splitn(6, ' ');
            let mut next = || words.next().unwrap_or_default();
            let (range, permissions, offset) = (next(), next(), next());
            let (device, inode, path) = (next(), next(), next());
            let (start, end) = range
                .split_once('-')
                .ok_or_else(|| at.wrong(format!("{line:?}")))?;
            Ok(Mapping {
                start: at.number(start, 16)?,
                end: at.number(end, 16)?,
                permissions: permissions.to_owned(),
                offset: at.number(offset, 16)?,
                device: device.to_owned(),
                inode: at.number(inode, 10)?,
                path: path.trim_start().to_owned(),
                flags,
                resident,
            })
        })
        .collect()
}

fn limits(text: &str) -> Result<Vec<[u64; 2]>, Error> {
    let at = At("limits");
    text.lines()
        .skip(1)
        .map(|line| {
            // Columns (fs/proc/base.c: proc_pid_limits): the name has spaces.
            let limit = |from: usize| -> Result<u64, Error> {
                match line.get(from..from + 20).map(str::trim) {
                    Some("unlimited") => Ok(u64::MAX),
                    Some(number) => at.number(number, 10),
                    None => Err(at.wrong(format!("{line:?}"))),
                }
            };
            Ok([limit(26)?, limit(47)?])
        })
        .collect()
}

fn timers(text: &str) -> Result<Vec<Timer>, Error> {
    let at = At("timers");
    let lines: Vec<&str> = text.lines().collect();
    lines
        .chunks(4)
        .map(|lines| {
            let value = |place: usize, name: &str| {
                lines
                    .get(place)
                    .and_then(|line| line.strip_prefix(name))
                    .map(str::trim)
                    .ok_or_else(|| at.wrong(format!("{lines:?} without {name}")))
            };
            let signal = value(1, "signal:")?;
            let (number, sent) = signal
                .split_once('/')
                .ok_or_else(|| at.wrong(format!("{signal:?}")))?;
            Ok(Timer {
                id: at.signed(value(0, "ID:")?)?,
                signal: at.number(number, 10)?,
                value: at.number(sent, 16)?,
                notify: value(2, "notify:")?.to_owned(),
                clock: at.signed(value(3, "ClockID:")?)?,
            })
        })
        .collect()
}

fn open_file(path: &str, info: &str) -> Result<OpenFile, Error> {
    let at = At("fdinfo");
    let mut file = OpenFile {
        path: path.to_owned(),
        position: 0,
        flags: 0,
        mount: 0,
        inode: 0,
        more: Vec::new(),
    };
    for line in info.lines() {
        match line.split_once(':') {
            Some(("pos", value)) => file.position = at.signed(value)?,
            Some(("flags", value)) => file.flags = at.number(value, 8)?,
            Some(("mnt_id", value)) => file.mount = at.number(value, 10)?,
            Some(("ino", value)) => file.inode = at.number(value, 10)?,
            _ => file.more.push(line.to_owned()),
        }
    }
    Ok(file)
}
