//! The running kernel: its memory through `/proc/kcore`, its symbols from its own tables or `/proc/kallsyms`, its
//! types from `/sys/kernel/btf/vmlinux`, and the memory of its tasks through `/proc/PID/mem`.

mod error;
mod files;
mod freezer;
mod others;
mod pages;
mod settle;
mod sockets;
mod stop;
mod tasks;
mod traces;

pub use error::StopError;
pub use tasks::with_descendants;

use crate::elf::{self, Core, ElfError, Load};
use crate::error::{Finding, Flaw, FreezeError, list};
use crate::freeze::{Kernel, Moving, OfRunning, Order, Summary, freeze_of_running};
use crate::judge::Judge;
use crate::kallsyms;
use crate::linux6;
use crate::memory::Memory;
use crate::modules;
use crate::paging::PageTables;
use crate::physical::Segments;
use crate::source::{FileOf, MemorySource, Peer, PresentPage, ReadError, Space, Standing};
use crate::symbols::Symbols;
use crate::vmcoreinfo::Info;
use crate::walk::{Selection, task_addresses};
use files::Files;
use kconv_image::{KernelAddr, Machine, TaskName, UserAddr};
use kconv_machine::{
    Identified, MachineError, cgroup_limits, cgroup_root, identify_running, read_some,
    running_types,
};
use kconv_objects::Names;
use kconv_resources::linux6::JournalStream;
use kconv_resources::{ReadFrom, Source};
use kernel_structs::btf;
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use pages::UserMemory;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use stop::{Stopped, Why};
use traces::Traces;

const KCORE: &str = "/proc/kcore";
const KALLSYMS: &str = "/proc/kallsyms";
const PTRACE_SCOPE: &str = "/proc/sys/kernel/yama/ptrace_scope";
/// Where a kernel has its name (`init/version.c`), which it says in `/proc/version` too.
const BANNER: &str = "linux_banner";
const VERSION: &str = "/proc/version";

/// The tasks to freeze. A process comes with all its threads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// Processes by their ids.
    Processes(&'a [i32]),
    /// Processes by their ids, with all that descend from them.
    Trees(&'a [i32]),
    /// All processes of a cgroup v2 and of those below it, by its folder. It is frozen until all
    /// threads are seized: they stop at once. If this process is killed (SIGKILL) in that time,
    /// the cgroup stays frozen.
    Cgroup(&'a Path),
}

/// What of the files that programs are made of an image has.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Programs {
    /// Their names, and what they are known by.
    Named,
    /// All that is in them as well.
    Kept,
}

/// What becomes of the tasks once the image is safe on disk.
pub enum Afterwards<'a> {
    /// They run on, as if nothing had been.
    RunOn,
    /// They are killed. What others would see of that is refused before.
    Kill,
    /// They are killed if this says so when the image is on disk and they still stand, and run on
    /// otherwise.
    KillIf(&'a mut dyn FnMut() -> bool),
}

/// What a freeze of running tasks did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen {
    /// What the image was made of.
    pub summary: Summary,
    /// How long the tasks stood still: until they were killed, or, where they run on anyway, until nothing
    /// of them was to be read any more.
    pub pause: Duration,
    /// Processes that were killed and have not ended in ten seconds. Their numbers and files are not free before they
    /// do.
    pub lingering: Vec<TaskName>,
}

/// Why the running kernel's tasks were not frozen. They run on.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// A file of the kernel's cannot be read, or nobody knows how its structures lie.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The kernel's memory is no core file.
    #[error("{KCORE}: {0}")]
    Core(#[from] ElfError),
    /// The kernel's memory is not what it says of itself.
    #[error("{KCORE} has not at the symbol {BANNER} what {VERSION} says")]
    Banner,
    /// Nobody may trace anybody.
    #[error("{PTRACE_SCOPE} is 3: nobody may trace another process")]
    Untraceable,
    /// The tasks could not be stopped.
    #[error(transparent)]
    Stop(#[from] StopError),
    /// The freeze failed.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// While the image was written others began to wait for what a kill would give them, or to be told of it. The
    /// image is there, and the tasks run on.
    #[error("others would see a kill: {}", list(.0))]
    Seen(Vec<Finding>),
}

impl RunningError {
    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            RunningError::Machine(error) => error.advice(),
            RunningError::Core(_) => "this is a fault of kconv; please report it",
            RunningError::Banner => {
                "use a kernel with CONFIG_KALLSYMS_ALL, and /proc of this machine; Debian's have it"
            }
            RunningError::Untraceable => {
                "it holds until the next boot: boot without kernel.yama.ptrace_scope = 3"
            }
            RunningError::Stop(error) => error.advice(),
            RunningError::Freeze(error) => error.advice(),
            RunningError::Seen(_) => "try again; each finding says what can be done",
        }
    }
}

/// Which kernel of `registry` is running, if tasks of it can be frozen here: all that a freeze reads of the kernel is opened, and a
/// symbol of it looked up and read in its memory.
///
/// # Errors
/// What is missing.
pub fn may_freeze(registry: &Registry) -> Result<Identified, RunningError> {
    traceable()?;
    let identified = identify_running(registry)?;
    let running = Running::open()?;
    let said = std::fs::read(VERSION)
        .map_err(|source| MachineError::unopened(VERSION, "CONFIG_PROC_FS", source))?;
    let at = running.symbol(BANNER).ok_or(RunningError::Banner)?;
    let mut banner = vec![0; said.len()];
    match running.read(at, &mut banner) {
        Ok(()) if banner == said => Ok(identified),
        _ => Err(RunningError::Banner),
    }
}

/// That processes may be traced at all (Documentation/admin-guide/LSM/Yama.rst).
fn traceable() -> Result<(), RunningError> {
    // A kernel without Yama has no such file.
    let scope = std::fs::read_to_string(PTRACE_SCOPE).unwrap_or_default();
    match scope.trim() {
        "3" => Err(RunningError::Untraceable),
        _ => Ok(()),
    }
}

/// Saves the chosen processes in an image at `destination`, if `judge` has nothing against it. The running kernel has to be
/// one of `registry`, or lie like one.
///
/// # Errors
/// If they cannot be saved; then there is no image, and they run on. They also run on if it shows
/// when the image is whole that they cannot be killed ([`StopError::Kept`], [`RunningError::Seen`]).
pub fn freeze_running(
    registry: &Registry,
    chosen: Chosen<'_>,
    programs: Programs,
    judge: &mut Judge<'_>,
    afterwards: Afterwards<'_>,
    destination: &Path,
) -> Result<Frozen, RunningError> {
    traceable()?;
    let Identified {
        layout,
        map,
        id,
        hz,
    } = identify_running(registry)?;
    let running = Running::open()?;
    let stopped = Stopped::stop(chosen)?;
    let processes: BTreeSet<i64> = stopped.processes().map(i64::from).collect();
    let selection = Selection::Processes(processes);
    let live = map.live(&layout);
    let memory = Memory {
        source: &running,
        names: &Names::new(&live),
    };
    let tasks = task_addresses(memory, &map, &selection);
    let tasks = tasks.map_err(|finding| FreezeError::Refused(vec![*finding]))?;
    let threads = stopped.by_process();
    let seen = || others::findings(memory, &map, &tasks, &threads);
    let traces = match afterwards {
        Afterwards::RunOn => Traces::default(),
        Afterwards::Kill | Afterwards::KillIf(_) => {
            let mut traces =
                traces::traces(memory, &tasks, |thread| stopped.process(thread as i32));
            traces.findings.extend(seen());
            traces
        }
    };
    let changes = settle::changes(memory, &tasks, &stopped);
    let mut changes = changes.map_err(|finding| FreezeError::Refused(vec![*finding]))?;
    changes.sort_by_key(|(at, _)| *at);
    running.settled.replace(changes);
    let kernel = Kernel {
        layout: &layout,
        map: &map,
        machine: Machine::X86_64,
        id,
        hz,
    };
    let moving = stopped.moving().iter();
    let moving = moving.map(|(thread, moving)| Moving {
        process: moving.process.into(),
        thread: (*thread).into(),
        flaw: match moving.why {
            Why::Traced(tracer) => Flaw::Traced {
                process: moving.process.into(),
                tracer: Some(tasks::name(tracer)),
                threads: 1,
            },
            Why::Stuck(state) => Flaw::Stuck { state },
        },
    });
    let order = Order {
        selection: &selection,
        keeps_programs: programs == Programs::Kept,
        judge,
        destination,
    };
    let Traces { lists, findings } = traces;
    let moving = moving.collect();
    let run_on = matches!(afterwards, Afterwards::RunOn);
    let mut stopped = Some(stopped);
    let mut pause = None;
    let of_running = OfRunning {
        moving,
        found: findings,
        run_on,
        // Who runs on anyway does not wait for the disk.
        all_read: &mut || {
            if run_on {
                pause = stopped.take().map(Stopped::run_on);
            }
        },
    };
    let summary = freeze_of_running(&running, &kernel, order, of_running)?;
    let is_killed = match afterwards {
        Afterwards::RunOn => false,
        Afterwards::Kill => true,
        Afterwards::KillIf(decide) => decide(),
    };
    let mut lingering = Vec::new();
    let pause = match (stopped, is_killed) {
        (Some(stopped), true) => {
            // The others have run on all the time.
            let seen = seen();
            if !seen.is_empty() {
                return Err(RunningError::Seen(seen));
            }
            let killed = stopped.kill(&lists)?;
            lingering = killed.lingering.into_iter().map(tasks::name).collect();
            killed.pause
        }
        (Some(stopped), false) => stopped.run_on(),
        (None, _) => pause.unwrap_or_default(),
    };
    Ok(Frozen {
        summary,
        pause,
        lingering,
    })
}

/// The memory of the running kernel.
pub(crate) struct Running {
    kcore: File,
    /// By address.
    loads: Vec<Load>,
    vmcoreinfo: Option<Vec<u8>>,
    /// The same memory by physical address.
    physical: Segments,
    /// Where in it page tables lead, if the kernel says of what kind they are.
    tables: Option<PageTables>,
    symbols: Symbols,
    /// Of the types of the kernel those that are read as it has them.
    types: Option<Layout>,
    user: UserMemory,
    files: Files,
    /// What was changed in the tasks by stopping them, as it was before, by address.
    settled: RefCell<Vec<(KernelAddr, Vec<u8>)>>,
}

impl Running {
    fn open() -> Result<Running, RunningError> {
        let failed = |source| MachineError::unopened(KCORE, "CONFIG_PROC_KCORE", source);
        let kcore = File::open(KCORE).map_err(failed)?;
        let Core { mut loads, notes } = elf::read(&kcore)?;
        loads.sort_by_key(|load| load.virt);
        // What lies at no physical address has the highest (fs/proc/kcore.c: read_kcore).
        let physical = loads.iter().filter(|load| load.phys != u64::MAX);
        let physical = physical.copied().collect();
        let physical = Segments::new(File::open(KCORE).map_err(failed)?, physical);
        let vmcoreinfo = notes.into_iter().find(|note| note.owner == "VMCOREINFO");
        let vmcoreinfo = vmcoreinfo.map(|note| note.bytes);
        let info = vmcoreinfo.as_deref().map(Info::parse);
        let tables = info.as_ref().and_then(|info| PageTables::of(info).ok());
        let mut running = Running {
            kcore,
            loads,
            vmcoreinfo,
            physical,
            tables,
            symbols: Symbols::default(),
            types: own_types(),
            user: UserMemory::default(),
            files: Files::default(),
            settled: RefCell::default(),
        };
        let own = info.and_then(|info| running.told(&info));
        running.symbols = match own {
            Some(symbols) => symbols,
            None => listed()?,
        };
        Ok(running)
    }
    /// All symbols, out of the kernel's own tables, where it says their places (since 6.0, `kernel/crash_core.c`:
    /// crash_save_vmcoreinfo_init). To read them takes a fraction of what the kernel needs to make text of them.
    fn told(&self, info: &Info) -> Option<Symbols> {
        let mut symbols = kallsyms::read(self, info).ok()?;
        modules::add(self, self.types.as_ref()?, &mut symbols);
        Some(symbols)
    }
}

/// What the kernel tells of the types of modules, and of those that nothing is saved of.
fn own_types() -> Option<Layout> {
    let mut names = linux6::own_types();
    names.extend(modules::TYPES);
    btf::read_first(&running_types().ok()?, &names).ok()
}

/// All symbols, as text that the kernel makes of its tables for each reader.
fn listed() -> Result<Symbols, MachineError> {
    let text = std::fs::read_to_string(KALLSYMS)
        .map_err(|source| MachineError::unopened(KALLSYMS, "CONFIG_KALLSYMS", source))?;
    let symbols = Symbols::parse(text);
    match symbols.are_hidden() {
        true => Err(MachineError::Privileges { path: KALLSYMS }),
        false => Ok(symbols),
    }
}

impl MemorySource for Running {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        let size = into.len() as u64;
        let missing = || ReadError::Missing { at, size };
        let after = self.loads.partition_point(|load| load.virt <= at.0);
        let load = self.loads[..after].last().ok_or_else(missing)?;
        let skip = at.0 - load.virt;
        if size > load.size.saturating_sub(skip) {
            return Err(missing());
        }
        if read_some(&self.kcore, into, load.offset + skip)? < into.len() {
            return Err(missing());
        }
        let settled = self.settled.borrow();
        for (start, bytes) in around(&settled, at.0, into.len()) {
            overlay(at.0, into, start.0, bytes);
        }
        Ok(())
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.symbols.symbol(name)
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        self.symbols.symbolise(at)
    }

    fn types(&self) -> Option<&Layout> {
        self.types.as_ref()
    }

    fn standing(&self, process: i64, thread: i64) -> Option<Standing> {
        Some(tasks::standing(process, thread))
    }

    fn cgroup_limits(&self, path: &str) -> Option<BTreeMap<String, String>> {
        Some(cgroup_limits(&cgroup_root()?, path))
    }

    fn mount_at(&self, path: &str) -> Option<io::Result<u64>> {
        let path = format!("/proc/1/root{path}");
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let found = statx(CWD, path, flags, StatxFlags::MNT_ID);
        Some(found.map(|found| found.stx_mnt_id).map_err(io::Error::from))
    }

    fn other_name(&self, folder: &str, inode: u64) -> Option<String> {
        files::name_of(folder, inode)
    }

    fn peer_of(&self, socket: u64) -> Option<io::Result<Peer>> {
        Some(sockets::peer_of(socket))
    }

    fn journal_stream(&self, socket: u64, peer: &Peer) -> Option<io::Result<JournalStream>> {
        Some(sockets::journal_stream(socket, peer))
    }

    fn data_of(&self, file: &FileOf) -> Option<io::Result<Vec<Range<u64>>>> {
        Some(self.files.data(file))
    }

    fn read_file(&self, file: &FileOf, offset: u64, into: &mut [u8]) -> Result<(), ReadError> {
        Ok(self.files.read(file, offset, into)?)
    }

    fn sync(&self, file: &FileOf) -> Option<io::Result<()>> {
        Some(self.files.sync(file))
    }

    fn is_running(&self) -> bool {
        true
    }

    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        let occupied = match (&self.tables, space.page_tables) {
            (Some(tables), Some(pgd)) => {
                let process = space.process;
                Some(pages::occupied(&self.physical, tables, process, pgd)?)
            }
            _ => None,
        };
        Ok(self.user.pages(space, occupied.as_deref())?)
    }

    fn read_pages(
        &self,
        space: &Space<'_>,
        at: UserAddr,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        Ok(self.user.read(space.process, at, into)?)
    }

    fn tick_rate(&self) -> Option<u32> {
        None
    }

    fn vmcoreinfo(&self) -> Option<Vec<u8>> {
        self.vmcoreinfo.clone()
    }

    fn facts(&self) -> Source {
        Source::read_from(ReadFrom::RunningKernel)
    }
}

/// Those of `changes`, which are sorted and of eight bytes at most, that may lie in `size` bytes at `at`: there are
/// some for each thread, and each thread is read.
fn around(changes: &[(KernelAddr, Vec<u8>)], at: u64, size: usize) -> &[(KernelAddr, Vec<u8>)] {
    let from = |least: u64| changes.partition_point(|(start, _)| start.0 < least);
    let last = from(at.saturating_add(size as u64));
    &changes[from(at.saturating_sub(7)).min(last)..last]
}

/// Puts what of `bytes` at `start` lies in `into`, read at `at`, in its place.
fn overlay(at: u64, into: &mut [u8], start: u64, bytes: &[u8]) {
    for (index, byte) in (start..).zip(bytes) {
        let place = index
            .checked_sub(at)
            .and_then(|place| into.get_mut(place as usize));
        if let Some(place) = place {
            *place = *byte;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_covers_what_it_meets() {
        for (start, expected) in [
            (8, [0, 0, 0, 0]),
            (9, [2, 0, 0, 0]),
            (11, [0, 1, 2, 0]),
            (13, [0, 0, 0, 1]),
            (14, [0, 0, 0, 0]),
        ] {
            let mut into = [0; 4];
            overlay(10, &mut into, start, &[1, 2]);
            assert_eq!(into, expected, "{start}");
        }
    }

    #[test]
    fn only_changes_that_can_meet_are_laid_over() {
        let changes: Vec<(KernelAddr, Vec<u8>)> = [0, 1, 9, 14, 16, 30]
            .map(|at| (KernelAddr(at), vec![1; 8]))
            .to_vec();
        let met = |at, size| -> Vec<u64> {
            let met = around(&changes, at, size).iter();
            met.map(|(start, _)| start.0).collect()
        };
        assert_eq!(met(8, 8), [1, 9, 14]);
        assert_eq!(met(0, 1), [0]);
        assert_eq!(met(23, 7), [16]);
        assert_eq!(met(24, 6), [] as [u64; 0]);
        assert_eq!(met(u64::MAX - 3, 8), [] as [u64; 0]);
        // All that are left out would have changed nothing.
        for at in 0..40 {
            for size in 0..10 {
                let (mut all, mut some) = (vec![0; size], vec![0; size]);
                for (start, bytes) in &changes {
                    overlay(at, &mut all, start.0, bytes);
                }
                for (start, bytes) in around(&changes, at, size) {
                    overlay(at, &mut some, start.0, bytes);
                }
                assert_eq!(all, some, "{size} bytes at {at}");
            }
        }
    }
}
