//! What takes several objects to carry: rings of threads and timers, and counters that the tasks of
//! an address space hold a part of. Whole images, both ways.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sample;

use kconv_image::{Image, KernelAddr};
use kconv_runtime::table::Converter;
use proptest::prelude::*;
use sample::{Sample, assert_same, get, refusals, through};

fn forth() -> &'static Converter {
    sample::step("convert-6.1.192-6.12.117")
}

fn back() -> &'static Converter {
    sample::step("convert-6.12.117-6.1.192")
}

/// A process: what each thread holds back of the counters, and its number of timers.
#[derive(Clone, Debug)]
struct Process {
    threads: Vec<[i32; 4]>,
    timers: usize,
    /// Whether it shares the address space of the process before, as after vfork.
    shares: bool,
}

fn process() -> impl Strategy<Value = Process> {
    let part = prop_oneof![3 => -64..64i32, 1 => Just(0), 1 => any::<i32>()];
    let parts = proptest::array::uniform4(part);
    (
        proptest::collection::vec(parts, 1..6),
        0..5usize,
        any::<bool>(),
    )
        .prop_map(|(threads, timers, shares)| Process {
            threads,
            timers,
            shares,
        })
}

/// The objects of a process in an image.
struct Made {
    threads: Vec<usize>,
    signal: usize,
    timers: Vec<usize>,
    mm: usize,
}

/// Links `nodes` to a ring: each has a pointer `next` and one `prev` at the place given.
fn ring(sample: &mut Sample, nodes: &[(usize, &str)]) {
    for (index, (object, path)) in nodes.iter().enumerate() {
        let other = |step: usize| {
            let (object, path) = nodes[(index + step) % nodes.len()];
            sample.place(object, path)
        };
        let (next, prev) = (other(1), other(nodes.len() - 1));
        sample.set(*object, &format!("{path}.next"), next);
        sample.set(*object, &format!("{path}.prev"), prev);
    }
}

/// Links `nodes` to a chain without end, as an hlist is.
fn chain(sample: &mut Sample, head: (usize, &str), nodes: &[(usize, &str)]) {
    let mut pprev = (head.0, format!("{}.first", head.1));
    for (object, path) in nodes {
        let node = sample.place(*object, path);
        sample.set(pprev.0, &pprev.1, node);
        let place = sample.place(pprev.0, &pprev.1);
        sample.set(*object, &format!("{path}.pprev"), place);
        pprev = (*object, format!("{path}.next"));
    }
}

fn make(sample: &mut Sample, old: bool, processes: &[Process], counts: [i64; 4]) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for process in processes {
        let threads: Vec<usize> = process
            .threads
            .iter()
            .map(|_| sample.add("task_struct"))
            .collect();
        let signal = sample.add("signal_struct");
        let timers: Vec<usize> = (0..process.timers)
            .map(|_| sample.add("k_itimer"))
            .collect();
        let shared = all.last().map(|made| made.mm).filter(|_| process.shares);
        let mm = shared.unwrap_or_else(|| {
            let mm = sample.add("mm_struct");
            for (index, count) in counts.iter().enumerate() {
                let path = match old {
                    true => format!("rss_stat.count[{index}].counter"),
                    false => format!("rss_stat[{index}].count"),
                };
                sample.set(mm, &path, *count as u64);
            }
            if old {
                sample.symbol(mm, "get_unmapped_area", "arch_get_unmapped_area_topdown");
                sample.set(mm, "pasid", u64::from(u32::MAX));
            }
            mm
        });
        let (leader, signal_at, mm_at) = (
            sample.address(threads[0]),
            sample.address(signal),
            sample.address(mm),
        );
        for (thread, parts) in threads.iter().zip(&process.threads) {
            sample.set(*thread, "group_leader", leader);
            sample.set(*thread, "signal", signal_at);
            sample.set(*thread, "mm", mm_at);
            for (index, part) in parts.iter().enumerate().filter(|_| old) {
                sample.set(*thread, &format!("rss_stat.count[{index}]"), *part as u64);
            }
        }
        let nodes: Vec<(usize, &str)> = [(signal, "thread_head")]
            .into_iter()
            .chain(threads.iter().map(|thread| (*thread, "thread_node")))
            .collect();
        ring(sample, &nodes);
        let links: Vec<(usize, &str)> = timers.iter().map(|timer| (*timer, "list")).collect();
        if old {
            let group: Vec<(usize, &str)> = threads.iter().map(|t| (*t, "thread_group")).collect();
            ring(sample, &group);
            let head = [(signal, "posix_timers")].into_iter();
            ring(sample, &head.chain(links).collect::<Vec<_>>());
        } else {
            chain(sample, (signal, "posix_timers"), &links);
        }
        for timer in &timers {
            sample.set(*timer, "it_signal", signal_at);
        }
        all.push(Made {
            threads,
            signal,
            timers,
            mm,
        });
    }
    all
}

/// The objects that a list leads to, and back to its head.
fn walk(image: &Image, head: (usize, &str), link: &str, step: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = get(image, head.0, &format!("{}.{step}", head.1));
    loop {
        let (object, _) = image.find(KernelAddr(at)).unwrap();
        let object = object.0 as usize;
        if object == head.0 {
            return found;
        }
        assert!(found.len() < 100, "the list goes round");
        found.push(object);
        at = get(image, object, &format!("{link}.{step}"));
    }
}

/// What 6.12 counts for an address space.
fn sum(processes: &[Process], made: &[Made], mm: usize, counts: [i64; 4]) -> [i64; 4] {
    let mut sums = counts;
    for (process, _) in processes.iter().zip(made).filter(|(_, made)| made.mm == mm) {
        for parts in &process.threads {
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum += i64::from(*part);
            }
        }
    }
    sums
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn threads_timers_and_counters_arrive_and_come_back(
        processes in proptest::collection::vec(process(), 1..4),
        counts in proptest::array::uniform4(-1000..1_000_000_000i64),
    ) {
        // From 6.1, where each thread is in a ring of its own and holds back a part.
        let mut sample = Sample::of(forth());
        let made = make(&mut sample, true, &processes, counts);
        let image = sample.image();
        let new = through(&image, &[forth()]).unwrap();
        for process in &made {
            let sums = sum(&processes, &made, process.mm, counts);
            for (index, sum) in sums.iter().enumerate() {
                let count = get(&new, process.mm, &format!("rss_stat[{index}].count"));
                prop_assert_eq!(count as i64, *sum);
            }
            let head = (process.signal, "thread_head");
            prop_assert_eq!(&walk(&new, head, "thread_node", "next"), &process.threads);
        }
        let home = through(&new, &[back()]).unwrap();
        assert_same(&home, &image);
        assert_same(&through(&home, &[forth()]).unwrap(), &new);

        // From 6.12, which has one list of the threads and all of a count in one place.
        let mut sample = Sample::of(back());
        let made = make(&mut sample, false, &processes, counts);
        let image = sample.image();
        let new = through(&image, &[back()]).unwrap();
        for process in &made {
            for (index, count) in counts.iter().enumerate() {
                let found = get(&new, process.mm, &format!("rss_stat.count[{index}].counter"));
                prop_assert_eq!(found as i64, *count);
            }
            // From any thread on, the ring has all the others in their order, both ways.
            for (index, thread) in process.threads.iter().enumerate() {
                let mut others = process.threads.clone();
                others.rotate_left(index);
                others.remove(0);
                let head = (*thread, "thread_group");
                prop_assert_eq!(&walk(&new, head, "thread_group", "next"), &others);
                others.reverse();
                prop_assert_eq!(&walk(&new, head, "thread_group", "prev"), &others);
                for part in 0..4 {
                    prop_assert_eq!(get(&new, *thread, &format!("rss_stat.count[{part}]")), 0);
                }
            }
            let head = (process.signal, "posix_timers");
            prop_assert_eq!(&walk(&new, head, "list", "next"), &process.timers);
        }
    let home = through(&new, &[forth()]).unwrap();
        assert_same(&home, &image);
    }
}

/// Threads that hold more than a counter can count stop the conversion; nothing wraps.
#[test]
fn a_sum_that_no_counter_holds_is_refused() {
    let mut sample = Sample::of(forth());
    let process = Process {
        threads: vec![[0, 1, 0, 0], [0, 1, 0, 0]],
        timers: 0,
        shares: false,
    };
    make(&mut sample, true, &[process], [0, i64::MAX - 1, 0, 0]);
    let told = refusals(&sample.image(), &[forth()]);
    assert_eq!(
        told,
        [
            "rss_stat[1]: 9223372036854775806 with what its tasks hold back, is more than a counter holds"
        ]
    );
}

/// A futex wait that goes on keeps its flags under their new numbers, and comes back.
#[test]
fn the_flags_of_a_futex_wait_change_their_numbers() {
    for (old, new) in [(0, 0x02), (1, 0x12), (2, 0x22), (4, 0x42), (7, 0x72)] {
        for (value, wanted, [there, again]) in
            [(old, new, [forth(), back()]), (new, old, [back(), forth()])]
        {
            let mut sample = Sample::of(there);
            sample.symbol(0, "restart_block.fn", "futex_wait_restart");
            sample.set(0, "restart_block.futex.flags", value);
            sample.set(0, "restart_block.futex.val", 0x1234_5678);
            sample.set(0, "restart_block.futex.uaddr", 0x7fff_0000_1000);
            sample.set(0, "restart_block.futex.time", u64::MAX - 5);
            let image = sample.image();
            let converted = through(&image, &[there]).unwrap();
            assert_eq!(get(&converted, 0, "restart_block.futex.flags"), wanted);
            assert_eq!(get(&converted, 0, "restart_block.futex.val"), 0x1234_5678);
            assert_eq!(get(&converted, 0, "restart_block.futex.time"), u64::MAX - 5);
            assert_same(&through(&converted, &[again]).unwrap(), &image);
        }
    }
    // Any other restart has a number there, which is nobody's flags.
    let mut sample = Sample::of(forth());
    sample.symbol(0, "restart_block.fn", "do_no_restart_syscall");
    sample.set(0, "restart_block.futex.flags", 7);
    let converted = through(&sample.image(), &[forth()]).unwrap();
    assert_eq!(get(&converted, 0, "restart_block.futex.flags"), 7);
}

/// What the other kernel has no word for is refused: a flag of 6.1 that there is none of, and of
/// 6.12 another size (0, 1, 3), NUMA (0x80) and STRICT (0x100).
#[test]
fn a_futex_wait_that_the_other_kernel_does_not_know_is_refused() {
    let wrong = [(forth(), 8), (forth(), 0x8000_0001)];
    let back = [0x10, 0x11, 0x13, 0x82, 0x102, 0x8000_0002].map(|flags| (back(), flags));
    for (there, flags) in wrong.into_iter().chain(back) {
        let mut sample = Sample::of(there);
        sample.symbol(0, "restart_block.fn", "futex_wait_restart");
        sample.set(0, "restart_block.futex.flags", flags);
        let told = refusals(&sample.image(), &[there]);
        assert_eq!(told.len(), 1, "{flags:#x}: {told:?}");
        assert!(
            told[0].contains(&format!("futex.flags: {flags:#x}")),
            "{told:?}"
        );
    }
}

/// Capabilities are the same bits in one word or two, up to CAP_LAST_CAP.
#[test]
fn capabilities_keep_their_bits_and_none_is_above_the_last() {
    const SETS: [&str; 5] = ["inheritable", "permitted", "effective", "bset", "ambient"];
    let set = |sample: &mut Sample, cred: usize, name: &str, old: bool, value: u64| match old {
        true => {
            sample.set(cred, &format!("cap_{name}.cap[0]"), value);
            sample.set(cred, &format!("cap_{name}.cap[1]"), value >> 32);
        }
        false => sample.set(cred, &format!("cap_{name}.val"), value),
    };
    for (there, again, old) in [(forth(), back(), true), (back(), forth(), false)] {
        for bit in 0..64 {
            let value = 1u64 << bit;
            for name in SETS {
                let mut sample = Sample::of(there);
                let cred = sample.add("cred");
                set(&mut sample, cred, name, old, value);
                let image = sample.image();
                if bit > 40 {
                    let told = refusals(&image, &[there]);
                    assert_eq!(told.len(), 1, "{told:?}");
                    let start = format!("cap_{name}: {value:#x} has a bit above CAP_LAST_CAP");
                    assert!(told[0].starts_with(&start), "{told:?}");
                    continue;
                }
                if bit % 8 != 0 {
                    continue;
                }
                let new = through(&image, &[there]).unwrap();
                let found = match old {
                    true => get(&new, cred, &format!("cap_{name}.val")),
                    false => {
                        get(&new, cred, &format!("cap_{name}.cap[0]"))
                            | get(&new, cred, &format!("cap_{name}.cap[1]")) << 32
                    }
                };
                assert_eq!(found, value);
                assert_same(&through(&new, &[again]).unwrap(), &image);
            }
        }
    }
}
