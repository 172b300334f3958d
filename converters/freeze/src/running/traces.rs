//! What the end of a thread writes into memory that others see, and how a kill leaves none of it.
//!
//! A thread that ends marks each robust futex that it holds with FUTEX_OWNER_DIED, by a list in user
//! memory (`kernel/futex/core.c`: exit_robust_list, handle_futex_death; compat_exit_robust_list). A
//! mutex in a file or in shared memory would be broken for the others, and the file would not be the
//! one that the image knows. So the list is emptied before the kill: the head of it lies in memory of
//! the thread's own, which is in the image and dies with it.
//!
//! What cannot be undone like that is refused: a head that others see, a word in shared memory that
//! is cleared at the end (`kernel/fork.c`: mm_release), and a futex with priority inheritance for which others
//! wait: who gets it finds that its owner has died (`kernel/futex/core.c`: exit_pi_state_list;
//! `kernel/futex/pi.c`: fixup_pi_state_owner).

use super::tasks::{self, Mapped};
use crate::error::{Finding, Flaw};
use crate::memory::Memory;
use crate::walk::TaskAddress;
use kconv_codes::Code;
use kconv_image::KernelAddr;
use kconv_machine::read_some;
use kernel_structs_bits::little_endian;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

/// A bit of an entry of the list, beside its address: the futex has priority inheritance
/// (`kernel/futex/core.c`: fetch_robust_entry).
const PRIORITY: u64 = 1;

/// How wide the three words of the head of a list are: the first entry, where an entry has its futex,
/// and the entry that is being added or removed (`include/uapi/linux/futex.h`: robust_list_head;
/// `include/linux/compat.h`: compat_robust_list_head).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Width {
    Four,
    Eight,
}

impl Width {
    fn bytes(self) -> usize {
        match self {
            Width::Four => 4,
            Width::Eight => 8,
        }
    }

    fn head(self) -> usize {
        3 * self.bytes()
    }
}

/// The head of a list of robust futexes that has something in it.
#[derive(Debug)]
struct Head {
    process: i32,
    at: u64,
    width: Width,
    /// As it is in the image.
    bytes: Vec<u8>,
}

impl Head {
    /// Reads the head at `at`; `None` if the list is empty.
    fn read(process: i32, at: u64, width: Width) -> io::Result<Option<Head>> {
        let mut bytes = vec![0; width.head()];
        let memory = File::open(format!("/proc/{process}/mem"))?;
        if read_some(&memory, &mut bytes, at)? < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let word = |index: usize| {
            let start = index * width.bytes();
            little_endian(&bytes[start..start + width.bytes()])
        };
        let is_empty = word(0) & !PRIORITY == at && word(2) & !PRIORITY == 0;
        Ok((!is_empty).then_some(Head {
            process,
            at,
            width,
            bytes,
        }))
    }

    /// The head of a list in which nothing is, at the same place.
    fn emptied(&self) -> Vec<u8> {
        let width = self.width.bytes();
        let mut bytes = self.bytes.clone();
        bytes[..width].copy_from_slice(&self.at.to_le_bytes()[..width]);
        bytes[2 * width..].fill(0);
        bytes
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let path = format!("/proc/{}/mem", self.process);
        let memory = OpenOptions::new().write(true).open(path)?;
        memory.write_all_at(bytes, self.at)
    }
}

/// The lists of robust futexes of stopped threads that have something in them, each in memory of the
/// thread's own.
#[derive(Debug, Default)]
pub(super) struct RobustLists(Vec<Head>);

impl RobustLists {
    /// Empties all lists, or leaves them as they were.
    ///
    /// # Errors
    /// The process with the list that cannot be written, and why.
    pub(super) fn empty(&self) -> Result<(), (i32, io::Error)> {
        for (index, head) in self.0.iter().enumerate() {
            if let Err(error) = head.write(&head.emptied()) {
                // A head on two pages may have been written half.
                for written in self.0[..=index].iter().rev() {
                    // What was just written can be written again, and what could not is unchanged.
                    let _ = written.write(&written.bytes);
                }
                return Err((head.process, error));
            }
        }
        Ok(())
    }
}

/// What would be left of killed threads.
#[derive(Default)]
pub(super) struct Traces {
    /// What can be undone.
    pub(super) lists: RobustLists,
    /// What cannot.
    pub(super) findings: Vec<Finding>,
}

/// What the end of `tasks` would leave; `process` has those of them that are stopped.
pub(super) fn traces(
    memory: Memory<'_>,
    tasks: &[TaskAddress],
    process: impl Fn(i64) -> Option<i32>,
) -> Traces {
    let mut traces = Traces::default();
    let mut maps = BTreeMap::new();
    for task in tasks {
        // What has ended ends no more.
        let Some(process) = process(task.pid) else {
            continue;
        };
        if let Err((field, flaw)) = traces.of(memory, task, process, &mut maps) {
            traces.add(task, field, flaw);
        }
    }
    traces
}

impl Traces {
    /// Adds those of one task; an error is of a field.
    fn of(
        &mut self,
        memory: Memory<'_>,
        task: &TaskAddress,
        process: i32,
        maps: &mut BTreeMap<i32, Vec<Mapped>>,
    ) -> Result<(), (&'static str, Flaw)> {
        let view = memory.read("task_struct", task.at);
        let view = view.map_err(|fault| ("", Flaw::from(fault)))?;
        // A kernel can be built without what some of these are of.
        let number = |field| {
            let number = view.optional(field);
            let number = number.map_err(|error| (field, Flaw::from(error)))?;
            Ok::<_, (&'static str, Flaw)>(number.unwrap_or(0))
        };
        let of_io = |field| {
            move |error: io::Error| {
                let code = Code::MmUnreadable;
                let what = format!("its memory, which cannot be read ({error}),");
                (field, Flaw::LeavesTrace { code, what })
            }
        };
        let maps = match maps.entry(process) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert(tasks::mappings(process).map_err(of_io("mm"))?)
            }
        };
        for (field, width) in [
            ("futex.robust_list|robust_list", Width::Eight),
            ("futex.compat_robust_list|compat_robust_list", Width::Four),
        ] {
            let at = number(field)?;
            // No list, or none that the kernel could read: it gives up at the first fault.
            let Some(shared) = kind(maps, at, width.head()) else {
                continue;
            };
            let Some(head) = Head::read(process, at, width).map_err(of_io(field))? else {
                continue;
            };
            if shared.is_shared {
                let code = Code::FutexRobust;
                let what = format!("a list of robust futexes in shared memory (at {at:#x})");
                self.add(task, field, Flaw::LeavesTrace { code, what });
            } else {
                self.lists.0.push(head);
            }
        }
        let field = "clear_child_tid";
        let at = number(field)?;
        // Other threads need not be there: whoever reads the process in /proc counts as a user of
        // its memory (`kernel/fork.c`: get_task_mm).
        if kind(maps, at, 4).is_some_and(|memory| memory.is_shared && memory.is_writable) {
            let code = Code::FutexClearTid;
            let what = format!("a word in shared memory that is cleared at its end (at {at:#x})");
            self.add(task, field, Flaw::LeavesTrace { code, what });
        }
        let list = "futex.pi_state_list|pi_state_list";
        let first = number("futex.pi_state_list.next|pi_state_list.next")?;
        if first != 0 && view.address_of(list).ok() != Some(KernelAddr(first)) {
            let code = Code::FutexPi;
            let what = "a futex with priority inheritance, for which others wait,".to_owned();
            self.add(task, list, Flaw::LeavesTrace { code, what });
        }
        Ok(())
    }

    fn add(&mut self, task: &TaskAddress, field: &str, flaw: Flaw) {
        let mut place = task.place.clone();
        // The name that the kernels have had for the longest.
        let name = field.rsplit('|').next();
        place.field = name.unwrap_or(field).to_owned();
        self.findings.push(Finding { place, flaw });
    }
}

/// What the memory of `size` bytes at `at` is; `None` if not all of it can be reached by the program. Of
/// neighbours that differ it is what is seen most widely.
fn kind(maps: &[Mapped], at: u64, size: usize) -> Option<Mapped> {
    let last = at.checked_add(size as u64 - 1)?;
    let of = |at: u64| {
        let after = maps.partition_point(|mapped| mapped.start <= at);
        let mapped = maps[..after].last()?;
        (at < mapped.end && mapped.is_accessible).then_some(*mapped)
    };
    let (first, last) = (of(at)?, of(last)?);
    Some(Mapped {
        is_shared: first.is_shared || last.is_shared,
        is_writable: first.is_writable || last.is_writable,
        ..first
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn own() -> i32 {
        std::process::id() as i32
    }

    fn seen(at: u64, size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let memory = File::open("/proc/self/mem").unwrap();
        memory.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    /// A head in the memory of this process, and its address. The first word is an offset from the
    /// address, or a number of its own.
    fn head(first: impl Fn(u64) -> u64, pending: u64) -> (Box<[u64; 3]>, u64) {
        let mut words = Box::new([0, 40, pending]);
        let at = words.as_ptr() as u64;
        words[0] = first(at);
        (words, at)
    }

    #[test]
    fn a_list_that_is_empty_is_left_alone() {
        for (first, pending, is_empty) in [
            (0, 0, true),
            (PRIORITY, 0, true),
            (8, 0, false),
            (0, 0x1000, false),
        ] {
            let (words, at) = head(|at| at | first, pending);
            let read = Head::read(own(), at, Width::Eight).unwrap();
            assert_eq!(read.is_none(), is_empty, "{words:?}");
        }
    }

    #[test]
    fn a_list_is_emptied_and_keeps_where_its_futexes_are() {
        let (_words, at) = head(|_| 0x1000, 0x2000);
        let head = Head::read(own(), at, Width::Eight).unwrap().unwrap();
        RobustLists(vec![head]).empty().unwrap();
        let expected = [at, 40, 0].map(u64::to_le_bytes).concat();
        assert_eq!(seen(at, 24), expected);
        assert!(Head::read(own(), at, Width::Eight).unwrap().is_none());
    }

    #[test]
    fn the_words_of_a_32_bit_program_are_narrower() {
        let head = Head {
            process: own(),
            at: 0x8000_1000,
            width: Width::Four,
            bytes: [0x8000_2000u32, 40, 0x8000_3000]
                .map(u32::to_le_bytes)
                .concat(),
        };
        let expected = [0x8000_1000u32, 40, 0].map(u32::to_le_bytes).concat();
        assert_eq!(head.emptied(), expected);
    }

    #[test]
    fn lists_of_which_one_cannot_be_emptied_stay_as_they_were() {
        let (_words, at) = head(|_| 0x1000, 0x2000);
        let good = Head::read(own(), at, Width::Eight).unwrap().unwrap();
        let before = seen(at, 24);
        // Nothing is mapped in the first page.
        let bad = Head {
            process: own(),
            at: 8,
            width: Width::Eight,
            bytes: vec![1; 24],
        };
        assert!(RobustLists(vec![good, bad]).empty().is_err());
        assert_eq!(seen(at, 24), before);
    }

    #[test]
    fn memory_is_as_widely_seen_as_its_widest_part() {
        let mapped = |start, is_shared, is_accessible| Mapped {
            start,
            end: start + 0x1000,
            is_accessible,
            is_writable: is_accessible,
            is_shared,
        };
        let maps = [
            mapped(0x1000, false, true),
            mapped(0x2000, true, true),
            mapped(0x3000, false, false),
        ];
        let is_shared = |at| kind(&maps, at, 24).map(|memory| memory.is_shared);
        assert_eq!(is_shared(0xff8), None);
        assert_eq!(is_shared(0x1fe8), Some(false));
        assert_eq!(is_shared(0x1ff0), Some(true));
        assert_eq!(is_shared(0x2fe8), Some(true));
        // The kernel cannot read all of it either.
        assert_eq!(is_shared(0x2ff0), None);
        assert_eq!(is_shared(u64::MAX - 8), None);
    }
}
