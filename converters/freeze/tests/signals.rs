//! Timers and signals go on while their tasks stand still: what comes while tasks are read is read again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod frozen;

use frozen::{Frozen, dump, freeze_all};
use kconv_freeze::{Dump, MemorySource, PresentPage, ReadError, Space, anything};
use kconv_image::{KernelAddr, UserAddr};
use kconv_resources::Source;
use std::cell::Cell;
use std::path::Path;

/// SIGALRM, as a bit of a set of signals.
const ALARM: u8 = 1 << (14 - 1 - 8);

/// A dump as a kernel that runs on. While its tasks are walked, and again and again as often as `expiries` says, a
/// timer of one of them expires: once the task has been read, its set of waiting signals changes.
struct Expiring {
    dump: Dump,
    runs: bool,
    /// Where the task lies, and its size.
    task: (u64, u64),
    /// Where in memory the byte of its waiting signals lies that has SIGALRM.
    pending: u64,
    expiries: u32,
    /// How often the task was read.
    walks: Cell<u32>,
}

impl Expiring {
    fn new(runs: bool, expiries: u32) -> Expiring {
        let frozen = Frozen::open(&frozen::image("2.4.36-i386-up"));
        let task = frozen.of_type("task_struct")[3];
        let at = frozen.head().object(task).address.0;
        Expiring {
            dump: Dump::open(&dump("2.4.36-i386-up")).unwrap(),
            runs,
            task: (at, frozen.bytes(task).len() as u64),
            pending: at + frozen.offset(task, "pending.signal") + 1,
            expiries,
            walks: Cell::new(0),
        }
    }
}

impl MemorySource for Expiring {
    fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
        self.dump.read(at, into)?;
        let is_walk = (at.0, into.len() as u64) == self.task;
        if is_walk {
            self.walks.set(self.walks.get() + 1);
        }
        // Each expiry turns the bit over, so that each is seen as another state than the one before.
        let told = self.walks.get().min(self.expiries + 1);
        let expired = if is_walk {
            told - 1
        } else {
            told.min(self.expiries)
        };
        let byte = self.pending.checked_sub(at.0).map(|byte| byte as usize);
        if let Some(byte) = byte.and_then(|byte| into.get_mut(byte))
            && expired % 2 == 1
        {
            *byte |= ALARM;
        }
        Ok(())
    }

    fn symbol(&self, name: &str) -> Option<KernelAddr> {
        self.dump.symbol(name)
    }

    fn symbolise(&self, at: KernelAddr) -> Option<(String, u64)> {
        self.dump.symbolise(at)
    }

    fn object_size(&self, at: KernelAddr) -> Option<u64> {
        self.dump.object_size(at)
    }

    fn is_running(&self) -> bool {
        self.runs
    }

    fn pages(&self, space: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
        self.dump.pages(space)
    }

    fn read_pages(
        &self,
        space: &Space<'_>,
        at: UserAddr,
        into: &mut [u8],
    ) -> Result<(), ReadError> {
        self.dump.read_pages(space, at, into)
    }

    fn tick_rate(&self) -> Option<u32> {
        self.dump.tick_rate()
    }

    fn facts(&self) -> Source {
        self.dump.facts()
    }
}

/// How often the task was walked, and whether SIGALRM waits for it in the image.
fn walked(source: &Expiring, made: &Path) -> (u32, bool) {
    freeze_all(source, &mut anything, made).unwrap();
    let image = Frozen::open(made);
    let task = image.at(source.task.0).unwrap();
    let pending = image.slice(task, "pending.signal")[1];
    (source.walks.get(), pending & ALARM != 0)
}

#[test]
fn tasks_are_walked_again_where_a_signal_came_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    assert_eq!(walked(&Expiring::new(true, 0), &made), (1, false));
    assert_eq!(walked(&Expiring::new(true, 1), &made), (2, true));
    assert_eq!(walked(&Expiring::new(true, 2), &made), (3, false));
    // In a dump nothing comes, and nothing is asked twice.
    assert_eq!(walked(&Expiring::new(false, 1), &made), (1, false));
}

#[test]
fn signals_that_never_end_do_not_keep_the_freeze() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("image");
    let (walks, _) = walked(&Expiring::new(true, u32::MAX - 1), &made);
    assert_eq!(walks, 21);
}
