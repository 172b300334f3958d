//! What event loops wait with: eventfd, timerfd, signalfd and epoll. Nothing of their structures is saved; they are read as
//! the type information of the kernel itself has them.

use super::descriptors::Descriptor;
use super::{Linux6, not_carried, object_id};
use crate::error::{Fault, Flaw};
use crate::memory::{Memory, View};
use kconv_codes::Code;
use kconv_image::{KernelAddr, ResourceId};
use kconv_resources::Bare;
use kconv_resources::linux6::{EpollWatch, EventFd, Resource, SignalFd, TimerFd};
use kernel_structs_bits::little_endian;
use std::collections::BTreeMap;

/// The types that are read, besides what they contain.
pub(crate) const TYPES: [&str; 7] = [
    "eventfd_ctx",
    "timerfd_ctx",
    "hrtimer_clock_base",
    "signalfd_ctx",
    "eventpoll",
    "epitem",
    "eppoll_entry",
];

/// The most files that an epoll waits at: more than memory has room for (`fs/eventpoll.c`: eventpoll_init).
const MAX_WATCHES: usize = 1 << 22;

/// How often a timer is read until its expiry is not being handled.
const MAX_READS: usize = 1000;

/// Bits of `timerfd_ctx.settime_flags` (`include/uapi/linux/timerfd.h`).
const ABSOLUTE: u64 = 1;
const CANCEL_ON_SET: u64 = 2;

/// `include/uapi/linux/time.h`.
const CLOCK_REALTIME: i32 = 0;
const CLOCK_MONOTONIC: i32 = 1;
const CLOCK_BOOTTIME: i32 = 7;

/// `include/linux/ktime.h`: KTIME_MAX.
const NEVER: i64 = i64::MAX;

/// A state of a timer, as read at one moment.
#[derive(Clone, PartialEq, Eq)]
struct Timer {
    is_queued: bool,
    has_expired: bool,
    state: TimerFd,
}

impl Linux6<'_> {
    /// The kernel's memory, read by its own types.
    pub(super) fn own(&self) -> Option<Memory<'_>> {
        let names = self.own_types.as_ref()?;
        Some(Memory {
            source: self.walked.memory.source,
            names,
        })
    }

    /// What event loops wait with, if that is what the file of an anonymous inode is that is called `name` there; its kernel may
    /// not tell of its types.
    pub(super) fn event_file(
        &self,
        name: &str,
        dentry: KernelAddr,
    ) -> Result<Option<Resource>, Flaw> {
        let is_known = matches!(
            name,
            "[eventfd]" | "[timerfd]" | "[signalfd]" | "[eventpoll]"
        );
        let Some(memory) = self.own().filter(|_| is_known) else {
            return Ok(None);
        };
        let Some(at) = self.context_of(dentry)? else {
            return Ok(None);
        };
        Ok(Some(match name {
            "[eventfd]" => Resource::EventFd(eventfd(memory, at)?),
            "[timerfd]" => Resource::TimerFd(timerfd(memory, at)?),
            "[signalfd]" => Resource::SignalFd(signalfd(memory, at)?),
            _ => {
                epoll(memory, at)?;
                Resource::Epoll(Bare)
            }
        }))
    }

    /// What the one open file of a name of its own leads to (`fs/anon_inodes.c`: each has a dentry).
    fn context_of(&self, dentry: KernelAddr) -> Result<Option<KernelAddr>, Fault> {
        for file in self.walked.objects_of("file") {
            let view = self.walked.view(file)?;
            if view.pointer("f_path.dentry")? == Some(dentry) {
                return Ok(view.pointer("private_data")?);
            }
        }
        Ok(None)
    }

    /// What was named for an open file, if it was.
    pub(super) fn named(&self, file: &View<'_>) -> Result<Option<&Resource>, Fault> {
        let Some(dentry) = file.pointer("f_path.dentry")? else {
            return Ok(None);
        };
        let mount = file.pointer("f_path.mnt")?;
        let id: Option<ResourceId> = self.resources.known("file", dentry, mount);
        Ok(id.and_then(|id| self.resources.get(id)))
    }

    /// Names all that is waited for by the epoll that object `file` is, if it is one.
    pub(super) fn epoll_watches(&mut self, file: usize) -> Result<(), Flaw> {
        let view = self.walked.view(file)?;
        let is_epoll = matches!(self.named(&view)?, Some(Resource::Epoll(_)));
        let Some(memory) = self.own().filter(|_| is_epoll) else {
            return Ok(());
        };
        let mut watches = Vec::new();
        for at in watches_of(memory, view.address("private_data")?)? {
            watches.push((at, self.epoll_watch(memory, file, at)?));
        }
        for (at, watch) in watches {
            let watch = Resource::EpollWatch(watch);
            self.resources.add("epoll-watch", at, None, watch);
        }
        Ok(())
    }

    fn epoll_watch(
        &self,
        memory: Memory<'_>,
        epoll: usize,
        at: KernelAddr,
    ) -> Result<EpollWatch, Flaw> {
        let item = memory.read("epitem", at)?;
        let descriptor = item.unsigned("ffd.fd")? as u32;
        let elsewhere = |what: &str| {
            let what = format!("an epoll that waits at {what}, added as descriptor {descriptor},");
            not_carried(Code::FdEvents, what)
        };
        let file = item.pointer("ffd.file")?;
        let file = file.and_then(|file| self.walked.object_at("file", file));
        let file = file.ok_or_else(|| elsewhere("a file that no task of the image has open"))?;
        let process = match self.named(&self.walked.view(file)?)? {
            Some(Resource::SignalFd(_)) => {
                let process = self.who_has_signals(memory, &item)?;
                let other = "the signals of a process that is not in the image";
                Some(process.ok_or_else(|| elsewhere(other))?)
            }
            _ => None,
        };
        Ok(EpollWatch {
            epoll: object_id(epoll),
            file: object_id(file),
            descriptor,
            events: item.unsigned("event.events")? as u32,
            data: item.unsigned("event.data")?,
            process,
        })
    }

    /// The process for whose signals an epoll waits: a signalfd has it wait in the queue of whoever adds it
    /// (`fs/signalfd.c`: signalfd_poll), which is where its one entry leads.
    fn who_has_signals(&self, memory: Memory<'_>, item: &View<'_>) -> Result<Option<i32>, Fault> {
        // A list before 5.11 (fs/eventpoll.c: ep_ptable_queue_proc).
        let entry = match item.has("pwqlist.next") {
            true => item.pointer("pwqlist.next")?,
            false => item.pointer("pwqlist")?,
        };
        let Some(entry) = entry.filter(|at| item.address_of("pwqlist").ok() != Some(*at)) else {
            return Ok(None);
        };
        let Some(queue) = memory.read("eppoll_entry", entry)?.pointer("whead")? else {
            return Ok(None);
        };
        let into = self.walked.offset_of("sighand_struct", "signalfd_wqh")?;
        let signals = KernelAddr(queue.0.wrapping_sub(into));
        for task in 0..self.walked.tasks {
            let view = self.walked.view(task)?;
            if view.pointer("sighand")? == Some(signals) {
                return Ok(Some(view.int("tgid")?));
            }
        }
        Ok(None)
    }

    /// Event descriptors that others have as well: each would wait with one of its own.
    pub(super) fn shared_events(
        &self,
        descriptors: &[Descriptor],
        refuse: &mut dyn FnMut(usize, &str, Flaw),
    ) -> Result<(), Fault> {
        let mut own: BTreeMap<usize, (&Descriptor, u64)> = BTreeMap::new();
        for open in descriptors {
            own.entry(open.file).or_insert((open, 0)).1 += 1;
        }
        for (file, (open, count)) in own {
            let view = self.walked.view(file)?;
            let what = match self.named(&view)? {
                Some(Resource::EventFd(_)) => "an eventfd",
                Some(Resource::TimerFd(_)) => "a timerfd",
                Some(Resource::SignalFd(_)) => "a signalfd",
                Some(Resource::Epoll(_)) => "an epoll",
                _ => continue,
            };
            if references(&view)? > count {
                let number = open.number;
                let what = format!("descriptor {number}, {what} that others have open as well,");
                refuse(open.task, "files", not_carried(Code::FdEvents, what));
            }
        }
        Ok(())
    }
}

/// How many hold a `file`.
pub(super) fn references(file: &View<'_>) -> Result<u64, Fault> {
    Ok(match file.optional("f_count.counter")? {
        Some(all) => all,
        // One is counted as 0 (6.13 include/linux/file_ref.h: FILE_REF_ONEREF).
        None => file.unsigned("f_ref.refcnt.counter")?.saturating_add(1),
    })
}

/// `fs/eventfd.c`: do_eventfd.
fn eventfd(memory: Memory<'_>, at: KernelAddr) -> Result<EventFd, Flaw> {
    /// `include/uapi/linux/eventfd.h`: EFD_SEMAPHORE.
    const SEMAPHORE: u64 = 1;
    let context = memory.read("eventfd_ctx", at)?;
    // Who has it without a file: asynchronous I/O, io_uring, virtual machines, cgroups (fs/eventfd.c: eventfd_ctx_fdget).
    if context.unsigned("kref.refcount.refs.counter")? != 1 {
        let what = "an eventfd that the kernel itself adds to";
        return Err(not_carried(Code::FdEvents, what));
    }
    let count = context.unsigned("count")?;
    // Which the kernel alone can bring about, and no program (fs/eventfd.c: eventfd_signal_mask, eventfd_write).
    if count == u64::MAX {
        let what = "an eventfd that has counted further than it can";
        return Err(not_carried(Code::FdEvents, what));
    }
    Ok(EventFd {
        count,
        is_semaphore: context.unsigned("flags")? & SEMAPHORE != 0,
    })
}

/// `fs/timerfd.c`. The timer runs on while its tasks stand still. One that expires is taken off its queue, noted as running,
/// and then counted (`kernel/time/hrtimer.c`: __run_hrtimer): between the first and the last it looks as if it had been set
/// by nobody.
fn timerfd(memory: Memory<'_>, at: KernelAddr) -> Result<TimerFd, Flaw> {
    for _ in 0..MAX_READS {
        let view = memory.read("timerfd_ctx", at)?;
        let timer = timer_of(&view)?;
        let is_handled = match view.pointer("t.tmr.base")? {
            Some(base) if !timer.is_queued => {
                let running = memory
                    .read("hrtimer_clock_base", base)?
                    .pointer("running")?;
                running == Some(view.address_of("t.tmr")?)
            }
            _ => false,
        };
        if !is_handled && timer == timer_of(&memory.read("timerfd_ctx", at)?)? {
            return Ok(timer.state);
        }
    }
    let what = "a timerfd that expires all the time";
    Err(not_carried(Code::FdEvents, what))
}

fn timer_of(view: &View<'_>) -> Result<Timer, Flaw> {
    let clock = view.int("clockid")?;
    if !matches!(clock, CLOCK_REALTIME | CLOCK_MONOTONIC | CLOCK_BOOTTIME) {
        let what = format!("a timerfd that wakes the machine up (clock {clock})");
        return Err(not_carried(Code::FdEvents, what));
    }
    let flags = view.unsigned("settime_flags")?;
    let ends_when_set = flags & CANCEL_ON_SET != 0;
    if ends_when_set && view.signed("moffs")? == NEVER {
        let what = "a timerfd whose clock was set, which its program has not been told";
        return Err(not_carried(Code::FdEvents, what));
    }
    let is_queued = view.unsigned("t.tmr.is_queued|t.tmr.state")? & 1 != 0;
    let has_expired = view.unsigned("expired")? != 0;
    let interval = view.signed("tintv")?.max(0) as u64;
    let expires = view.signed("t.tmr.node.expires")?.max(0) as u64;
    Ok(Timer {
        is_queued,
        has_expired,
        state: TimerFd {
            clock,
            expires: match (is_queued, has_expired) {
                (true, _) => Some(expires),
                // It goes on when it is read, with its beat (fs/timerfd.c: timerfd_read).
                (false, true) if interval > 0 => Some(expires.saturating_add(interval)),
                (false, _) => None,
            },
            interval,
            ticks: view.unsigned("ticks")?,
            is_absolute: flags & ABSOLUTE != 0,
            ends_when_set,
        },
    })
}

/// The kernel keeps those that are not asked for (`fs/signalfd.c`: do_signalfd4).
fn signalfd(memory: Memory<'_>, at: KernelAddr) -> Result<SignalFd, Flaw> {
    let context = memory.read("signalfd_ctx", at)?;
    let others = little_endian(context.bytes("sigmask")?);
    Ok(SignalFd { signals: !others })
}

/// What of an epoll is set with it, and not with what it waits for (`fs/eventpoll.c`: ep_eventpoll_bp_ioctl).
fn epoll(memory: Memory<'_>, at: KernelAddr) -> Result<(), Flaw> {
    let epoll = memory.read("eventpoll", at)?;
    for set in ["busy_poll_usecs", "busy_poll_budget", "prefer_busy_poll"] {
        if epoll.optional(set)?.unwrap_or(0) != 0 {
            let what = format!("an epoll with {set} (EPIOCSPARAMS)");
            return Err(not_carried(Code::FdEvents, what));
        }
    }
    Ok(())
}

/// All that the `eventpoll` at `at` waits for, in the order of its tree.
fn watches_of(memory: Memory<'_>, at: KernelAddr) -> Result<Vec<KernelAddr>, Flaw> {
    let epoll = memory.read("eventpoll", at)?;
    let into = memory.names.find("epitem")?;
    let into = memory.names.offset_in(into, "rbn")?;
    let mut watches = Vec::new();
    let mut pending = Vec::from_iter(epoll.pointer("rbr.rb_root.rb_node")?);
    while let Some(node) = pending.pop() {
        if watches.len() == MAX_WATCHES {
            let limit = MAX_WATCHES;
            let what = "files that an epoll waits at";
            return Err(Fault::Chain { what, at, limit }.into());
        }
        let item = KernelAddr(node.0.wrapping_sub(into));
        let view = memory.read("epitem", item)?;
        pending.extend(view.pointer("rbn.rb_right")?);
        pending.extend(view.pointer("rbn.rb_left")?);
        watches.push(item);
    }
    Ok(watches)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::source::{MemorySource, PresentPage, ReadError, Space};
    use kconv_image::UserAddr;
    use kconv_objects::Names;
    use kconv_resources::Source;
    use kernel_structs::layout::{
        Composite, CompositeKind, IntType, Layout, LayoutBuilder, Member, Target, Type, TypeId,
    };
    use kernel_structs::units::{BitOffset, ByteSize};
    use std::cell::RefCell;
    use std::collections::VecDeque;

    const AT: u64 = 0xffff_8880_0000_1000;
    const BASE: u64 = 0xffff_8880_0000_2000;

    /// What lies at an address: one after the other, the last of them from then on.
    struct Made(BTreeMap<u64, RefCell<VecDeque<Vec<u8>>>>);

    impl MemorySource for Made {
        fn read(&self, at: KernelAddr, into: &mut [u8]) -> Result<(), ReadError> {
            let size = into.len() as u64;
            let found = self.0.get(&at.0).ok_or(ReadError::Missing { at, size })?;
            let mut found = found.borrow_mut();
            into.copy_from_slice(&found[0]);
            if found.len() > 1 {
                found.pop_front();
            }
            Ok(())
        }

        fn symbol(&self, _: &str) -> Option<KernelAddr> {
            None
        }

        fn symbolise(&self, _: KernelAddr) -> Option<(String, u64)> {
            None
        }

        fn pages(&self, _: &Space<'_>) -> Result<Vec<PresentPage>, ReadError> {
            Ok(Vec::new())
        }

        fn read_pages(
            &self,
            space: &Space<'_>,
            at: UserAddr,
            _: &mut [u8],
        ) -> Result<(), ReadError> {
            Err(ReadError::NoPage { mm: space.mm, at })
        }

        fn tick_rate(&self) -> Option<u32> {
            None
        }

        fn facts(&self) -> Source {
            Source::default()
        }
    }

    fn integer(builder: &mut LayoutBuilder, size: u64, signed: bool) -> TypeId {
        builder.push(Type::Int(IntType {
            name: format!("{}{size}", if signed { "s" } else { "u" }),
            size: ByteSize(size),
            signed,
            character: false,
            boolean: false,
        }))
    }

    fn structure(
        builder: &mut LayoutBuilder,
        name: &str,
        size: u64,
        members: &[(&str, TypeId, u64)],
    ) -> TypeId {
        let members = members.iter().map(|(name, ty, offset)| Member {
            name: Some((*name).to_owned()),
            ty: *ty,
            offset: BitOffset(offset * 8),
            bit_field: None,
        });
        builder.push(Type::Composite(Composite {
            kind: CompositeKind::Struct,
            name: Some(name.to_owned()),
            size: ByteSize(size),
            members: members.collect(),
        }))
    }

    fn layout() -> Layout {
        let mut builder = LayoutBuilder::new(Target { pointer_size: 8 });
        let all = &mut builder;
        let (s64, u64) = (integer(all, 8, true), integer(all, 8, false));
        let (int, u16, u8) = (
            integer(all, 4, true),
            integer(all, 2, false),
            integer(all, 1, false),
        );
        let counter = structure(all, "atomic_t", 4, &[("counter", int, 0)]);
        let refs = structure(all, "refcount_struct", 4, &[("refs", counter, 0)]);
        let kref = structure(all, "kref", 4, &[("refcount", refs, 0)]);
        let members = [("kref", kref, 0), ("count", u64, 8), ("flags", int, 16)];
        structure(all, "eventfd_ctx", 24, &members);
        let node = structure(all, "timerqueue_node", 8, &[("expires", s64, 0)]);
        let base = structure(all, "hrtimer_clock_base", 8, &[("running", u64, 0)]);
        let base = all.push(Type::Pointer { target: base });
        let members = [("node", node, 0), ("base", base, 8), ("state", u8, 16)];
        let timer = structure(all, "hrtimer", 24, &members);
        let kinds = structure(all, "kinds", 24, &[("tmr", timer, 0)]);
        let members = [
            ("t", kinds, 0),
            ("tintv", s64, 24),
            ("moffs", s64, 32),
            ("ticks", u64, 40),
            ("clockid", int, 48),
            ("expired", u16, 52),
            ("settime_flags", u16, 54),
        ];
        structure(all, "timerfd_ctx", 56, &members);
        builder.finish().unwrap()
    }

    fn read<T>(
        objects: Vec<(u64, Vec<Vec<u8>>)>,
        read: impl Fn(Memory<'_>, KernelAddr) -> Result<T, Flaw>,
    ) -> Result<T, String> {
        let objects = objects.into_iter();
        let source = Made(
            objects
                .map(|(at, all)| (at, RefCell::new(VecDeque::from(all))))
                .collect(),
        );
        let layout = layout();
        let names = Names::new(&layout);
        let memory = Memory {
            source: &source,
            names: &names,
        };
        read(memory, KernelAddr(AT)).map_err(|flaw| {
            assert_eq!(flaw.code(), Code::FdEvents, "{flaw}");
            flaw.to_string()
        })
    }

    #[derive(Copy, Clone)]
    struct Raw {
        expires: i64,
        is_queued: bool,
        interval: i64,
        offset: i64,
        ticks: u64,
        clock: i32,
        expired: u16,
        flags: u16,
    }

    const IDLE: Raw = Raw {
        expires: 500,
        is_queued: false,
        interval: 0,
        offset: 0,
        ticks: 0,
        clock: CLOCK_MONOTONIC,
        expired: 0,
        flags: 0,
    };

    impl Raw {
        fn bytes(self) -> Vec<u8> {
            let mut bytes = self.expires.to_le_bytes().to_vec();
            bytes.extend(BASE.to_le_bytes());
            bytes.extend(u64::from(self.is_queued).to_le_bytes());
            bytes.extend(self.interval.to_le_bytes());
            bytes.extend(self.offset.to_le_bytes());
            bytes.extend(self.ticks.to_le_bytes());
            bytes.extend(self.clock.to_le_bytes());
            bytes.extend(self.expired.to_le_bytes());
            bytes.extend(self.flags.to_le_bytes());
            bytes
        }
    }

    /// A timer that looks so, one after the other, while these are the timers that expire.
    fn timer(states: &[Raw], running: &[u64]) -> Result<TimerFd, String> {
        let states = states.iter().map(|state| state.bytes()).collect();
        let running = running.iter().map(|one| one.to_le_bytes().to_vec());
        read(vec![(AT, states), (BASE, running.collect())], timerfd)
    }

    fn expires(state: Raw) -> (Option<u64>, u64) {
        let timer = timer(&[state], &[0]).unwrap();
        (timer.expires, timer.ticks)
    }

    #[test]
    fn a_timer_is_known_by_its_queue_and_by_what_it_has_counted() {
        let beats = Raw {
            interval: 10,
            ..IDLE
        };
        assert_eq!(expires(IDLE), (None, 0));
        let queued = Raw {
            is_queued: true,
            ticks: 3,
            ..beats
        };
        assert_eq!(expires(queued), (Some(500), 3));
        let over = |state| Raw {
            ticks: 1,
            expired: 1,
            ..state
        };
        assert_eq!(expires(over(IDLE)), (None, 1));
        assert_eq!(expires(over(beats)), (Some(510), 1));
        let timer = timer(&[Raw { flags: 3, ..queued }], &[0]).unwrap();
        assert!(timer.is_absolute && timer.ends_when_set);
    }

    #[test]
    fn a_timer_that_expires_just_now_is_read_when_it_has() {
        let over = Raw {
            ticks: 1,
            expired: 1,
            ..IDLE
        };
        let found = timer(&[IDLE, over], &[AT, 0]).unwrap();
        assert_eq!(found.ticks, 1);
        // One that has between two looks.
        let found = timer(&[IDLE, over], &[0]).unwrap();
        assert_eq!(found.ticks, 1);
        let error = timer(&[IDLE], &[AT]).unwrap_err();
        assert!(error.contains("expires all the time"), "{error}");
        // Another one is nothing to it.
        assert_eq!(timer(&[IDLE], &[AT + 8]).unwrap().ticks, 0);
    }

    #[test]
    fn timers_that_nobody_can_make_are_refused() {
        let refused = |state| timer(&[state], &[0]).unwrap_err();
        let error = refused(Raw { clock: 9, ..IDLE });
        assert!(error.contains("wakes the machine up (clock 9)"), "{error}");
        let set = Raw {
            flags: 3,
            offset: i64::MAX,
            ..IDLE
        };
        let error = refused(set);
        assert!(error.contains("whose clock was set"), "{error}");
    }

    #[test]
    fn a_counter_is_its_programs_alone() {
        let counter = |holders: i32, count: u64, flags: i32| {
            let mut bytes = u64::from(holders as u32).to_le_bytes().to_vec();
            bytes.extend(count.to_le_bytes());
            bytes.extend(u64::from(flags as u32).to_le_bytes());
            read(vec![(AT, vec![bytes])], eventfd)
        };
        let plain = EventFd {
            count: 7,
            is_semaphore: false,
        };
        assert_eq!(counter(1, 7, 0o2000), Ok(plain.clone()));
        let semaphore = EventFd {
            is_semaphore: true,
            ..plain
        };
        assert_eq!(counter(1, 7, 1), Ok(semaphore));
        let error = counter(2, 7, 0).unwrap_err();
        assert!(error.contains("that the kernel itself adds to"), "{error}");
        let error = counter(1, u64::MAX, 0).unwrap_err();
        assert!(error.contains("further than it can"), "{error}");
    }
}
