//! The machine and the kernel: numbers in use, limits, addresses, what the CPU can do.

use super::found::Obstacles;
use crate::plan::Plan;
use crate::remote::TASK_SIZE;
use crate::sys;
use kconv_codes::Code;
use kconv_image::{Escaped, Head, PAGE_SIZE};
use kconv_machine::{TaskStat, has_five_levels, last_capability};
use kconv_resources::linux6::Cpu;
use kconv_tasks::model::Capabilities;
use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Instructions that programs choose by asking the CPU, by word of `cpuinfo_x86.x86_capability` and
/// bit (`arch/x86/include/asm/cpufeatures.h`).
const INSTRUCTIONS: [(usize, u32, &str); 38] = [
    (4, 0, "sse3"),
    (4, 1, "pclmulqdq"),
    (4, 9, "ssse3"),
    (4, 12, "fma"),
    (4, 13, "cx16"),
    (4, 19, "sse4_1"),
    (4, 20, "sse4_2"),
    (4, 22, "movbe"),
    (4, 23, "popcnt"),
    (4, 25, "aes"),
    (4, 28, "avx"),
    (4, 29, "f16c"),
    (4, 30, "rdrand"),
    (9, 0, "fsgsbase"),
    (9, 3, "bmi1"),
    (9, 5, "avx2"),
    (9, 8, "bmi2"),
    (9, 9, "erms"),
    (9, 11, "rtm"),
    (9, 16, "avx512f"),
    (9, 17, "avx512dq"),
    (9, 18, "rdseed"),
    (9, 19, "adx"),
    (9, 21, "avx512ifma"),
    (9, 23, "clflushopt"),
    (9, 28, "avx512cd"),
    (9, 29, "sha_ni"),
    (9, 30, "avx512bw"),
    (9, 31, "avx512vl"),
    (16, 1, "avx512vbmi"),
    (16, 3, "pku"),
    (16, 6, "avx512_vbmi2"),
    (16, 8, "gfni"),
    (16, 9, "vaes"),
    (16, 10, "vpclmulqdq"),
    (16, 11, "avx512_vnni"),
    (16, 14, "avx512_vpopcntdq"),
    (18, 4, "fsrm"),
];

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

pub(super) fn check(plan: &Plan, head: &Head, found: &mut Obstacles<'_>) {
    whatever_the_image(found);
    numbers(plan, found);
    threads(plan, found);
    standing(plan, head, found);
}

/// What keeps any image from being thawed.
pub(super) fn whatever_the_image(found: &mut Obstacles<'_>) {
    itself(found);
    kernel(found);
}

/// What of the kernel every thaw uses and it may be built without.
fn kernel(found: &mut Obstacles<'_>) {
    // linux/prctl.h. It says how large the structure is in which a process tells where its parts lie, where there is such
    // a call (kernel/sys.c: prctl_set_mm).
    const PR_SET_MM: u64 = 35;
    const PR_SET_MM_MAP_SIZE: u64 = 15;
    let mut size = 0u32;
    let into = std::ptr::from_mut(&mut size) as u64;
    if sys::call(libc::SYS_prctl, [PR_SET_MM, PR_SET_MM_MAP_SIZE, into, 0, 0]).is_err() {
        found.add(
            Code::MachineKernel,
            None,
            "the running kernel",
            "one that lets no process say where its parts lie (PR_SET_MM_MAP)",
            "one with CONFIG_CHECKPOINT_RESTORE",
            "use a kernel with this option; Debian's have it",
        );
    }
}

/// What does not change when the tasks that were frozen go.
pub(super) fn standing(plan: &Plan, head: &Head, found: &mut Obstacles<'_>) {
    addresses(plan, found);
    limits(plan, found);
    cpu(plan, head, found);
    // A kernel that does not say which it knows gives kconv none either, which is told.
    if let Ok(last) = last_capability() {
        capabilities(plan, last, found);
    }
    ports(plan, found);
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A number that the machine is set to. One that does not say is no machine to thaw on.
fn setting(path: &str, found: &mut Obstacles<'_>) -> Option<u64> {
    let text = read(path);
    let number = text.trim().parse().ok();
    if number.is_none() {
        let is = match text.is_empty() {
            true => "nothing that can be read".to_owned(),
            false => Escaped(text.trim()).to_string(),
        };
        let advice = "mount /proc, and run kconv as root, in no container";
        found.add(Code::MachineKconv, None, path, is, "a number", advice);
    }
    number
}

/// The capabilities with the numbers up to `last`.
fn up_to(last: u32) -> u64 {
    u64::MAX >> (63 - last.min(63))
}

/// Of the capabilities in any of the sets those with a number above `last`.
fn unknown(sets: &Capabilities, last: u32) -> u64 {
    let Capabilities {
        effective,
        permitted,
        inheritable,
        bounding,
        ambient,
    } = *sets;
    (effective | permitted | inheritable | bounding | ambient) & !up_to(last)
}

/// A kernel takes no notice of bits that it does not know (`kernel/capability.c`: capset).
fn capabilities(plan: &Plan, last: u32, found: &mut Obstacles<'_>) {
    for thread in plan.processes.iter().flat_map(|process| &process.threads) {
        let unknown = unknown(&thread.credentials.capabilities, last);
        if unknown != 0 {
            found.add(
                Code::MachineCapability,
                Some(thread.tid),
                "capabilities",
                format!("those up to number {last} (kernel.cap_last_cap)"),
                format!("also {unknown:#x}"),
                "thaw on the kernel that it was frozen on, or a newer one",
            );
        }
    }
}

/// What of this nobody gives up any more, and hands on to whom it makes: what PR_GET_MDWE and PR_GET_SECUREBITS give.
fn for_good(execution: u64, bits: u64) -> Vec<&'static str> {
    // linux/prctl.h: PR_MDWE_; linux/securebits.h: the lock of a bit is the one above it.
    const REFUSE_EXEC_GAIN: u64 = 1;
    const NO_INHERIT: u64 = 2;
    const LOCKS: u64 = 0xaa;
    let mut all = Vec::new();
    if execution & (REFUSE_EXEC_GAIN | NO_INHERIT) == REFUSE_EXEC_GAIN {
        all.push("memory that cannot become executable (PR_SET_MDWE)");
    }
    if bits & LOCKS != 0 {
        all.push("secure bits that are locked (PR_SET_SECUREBITS)");
    }
    all
}

/// What thawed tasks would inherit from kconv.
fn itself(found: &mut Obstacles<'_>) {
    const ADVICE: &str = "run kconv as root, in no container, outside of any sandbox";
    let status = read("/proc/self/status");
    let field = |name: &str| {
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let value = lines.find(|(key, _)| *key == name);
        value.map_or("", |(_, value)| value.trim()).to_owned()
    };
    let effective = u64::from_str_radix(&field("CapEff"), 16).unwrap_or(0);
    // One that does not say which it knows is no kernel to thaw on.
    let all = last_capability().map_or(u64::MAX, up_to);
    if effective & all != all {
        let text = format!("capabilities {effective:#x}");
        found.add(
            Code::MachineKconv,
            None,
            "kconv itself",
            text,
            format!("all of them, {all:#x}"),
            ADVICE,
        );
    }
    for (name, what) in [
        ("Seccomp", "a seccomp filter"),
        ("NoNewPrivs", "no new privileges"),
    ] {
        if !matches!(field(name).as_str(), "0" | "") {
            found.add(
                Code::MachineKconv,
                None,
                "kconv itself",
                what,
                "none",
                ADVICE,
            );
        }
    }
    // linux/prctl.h. A kernel that does not know it has none.
    const PR_GET_MDWE: u64 = 66;
    let get = |option: u64| sys::call(libc::SYS_prctl, [option, 0, 0, 0, 0]).unwrap_or(0) as u64;
    let (execution, bits) = (get(PR_GET_MDWE), get(libc::PR_GET_SECUREBITS as u64));
    for what in for_good(execution, bits) {
        found.add(
            Code::MachineKconv,
            None,
            "kconv itself",
            what,
            "none",
            ADVICE,
        );
    }
    for name in ["Speculation_Store_Bypass", "SpeculationIndirectBranch"] {
        // Nobody switches it on again (PR_SPEC_FORCE_DISABLE).
        if field(name).contains("force") {
            let text = format!("{name}, switched off for good");
            found.add(
                Code::MachineKconv,
                None,
                "kconv itself",
                text,
                "speculation as the machine has it",
                ADVICE,
            );
        }
    }
    let label = read("/proc/self/attr/current");
    let label = label.trim_end_matches(['\0', '\n']);
    if !matches!(label, "" | "unconfined") {
        let text = format!("the label {label} of a security module");
        found.add(
            Code::MachineKconv,
            None,
            "kconv itself",
            text,
            "none",
            ADVICE,
        );
    }
    for namespace in NAMESPACES {
        // A kernel may be without one of a kind; what cannot be read is not the same as anything.
        let link = |process: &str| match fs::read_link(format!("/proc/{process}/ns/{namespace}")) {
            Ok(link) => Some(Some(link)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(_) => None,
        };
        let (own, first) = (link("self"), link("1"));
        if own.is_none() || own != first {
            found.add(
                Code::MachineKconv,
                None,
                format!("{namespace} namespace"),
                "one of kconv's own",
                "the one the machine starts with",
                ADVICE,
            );
        }
    }
}

/// Who has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    text: String,
    /// Whether it is a thread of the kernel, which nobody can end.
    is_of_kernel: bool,
}

impl Holder {
    fn advice(&self) -> &'static str {
        match self.is_of_kernel {
            // kernel/workqueue.c: IDLE_WORKER_TIMEOUT.
            true => {
                "wait: a kworker that has nothing to do ends within some minutes; else boot once more and thaw then"
            }
            false => "end what has this number, or thaw right after a boot",
        }
    }
}

/// Numbers of processes, threads, groups and sessions, and who has them.
pub(crate) fn numbers_in_use() -> BTreeMap<i32, Holder> {
    let mut used: BTreeMap<i32, Holder> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.parse::<i32>().is_err() {
            continue;
        }
        let stat = read(&format!("/proc/{name}/stat"));
        let Some(task) = TaskStat::parse(&stat) else {
            continue;
        };
        let name_and_more = stat.split_once('(').map_or("", |(_, rest)| rest);
        let command = name_and_more.rsplit_once(')').map_or("", |(name, _)| name);
        let holder = |text| Holder {
            text,
            is_of_kernel: task.is_of_kernel(),
        };
        let command = Escaped(command);
        for (number, what) in [(task.group, "process group"), (task.session, "session")] {
            used.entry(number)
                .or_insert_with(|| holder(format!("the {what} of {command}")));
        }
        let tasks = fs::read_dir(format!("/proc/{name}/task"));
        for entry in tasks.into_iter().flatten().flatten() {
            let tid = entry.file_name().to_string_lossy().parse().unwrap_or(0);
            used.insert(tid, holder(used_by(&task, &command)));
        }
    }
    used
}

/// A task that has its own number.
fn used_by(task: &TaskStat, command: &Escaped<'_>) -> String {
    match (task.is_of_kernel(), task.has_ended()) {
        (true, _) => format!("in use: kernel thread {command}"),
        (false, true) => format!("in use: {command} has ended, and its parent has not looked"),
        (false, false) => format!("in use: {command}"),
    }
}

fn numbers(plan: &Plan, found: &mut Obstacles<'_>) {
    let used = numbers_in_use();
    let most = setting("/proc/sys/kernel/pid_max", found).unwrap_or(u64::MAX);
    for process in &plan.processes {
        let threads = process.threads.iter().map(|thread| thread.tid);
        for tid in std::iter::once(process.pid).chain(threads) {
            if let Some(by) = used.get(&tid) {
                found.add(
                    Code::PidInUse,
                    Some(tid),
                    format!("number {tid}"),
                    by.text.clone(),
                    "free",
                    by.advice(),
                );
            }
            if tid as u64 >= most {
                found.add(
                    Code::PidLimit,
                    Some(tid),
                    "kernel.pid_max",
                    most.to_string(),
                    format!("more than {tid}"),
                    "set it higher with sysctl",
                );
            }
        }
    }
}

/// Past the last address that a program can ask for: with page tables of five levels there are
/// more (`arch/x86/include/asm/page_64_types.h`: TASK_SIZE_MAX).
fn past_last_address() -> u64 {
    const WITH_FIVE_LEVELS: u64 = (1 << 56) - PAGE_SIZE;
    match has_five_levels() {
        Ok(true) => WITH_FIVE_LEVELS,
        // One that does not say has what every one has.
        Ok(false) | Err(_) => TASK_SIZE,
    }
}

fn addresses(plan: &Plan, found: &mut Obstacles<'_>) {
    let least = setting("/proc/sys/vm/mmap_min_addr", found).unwrap_or(0);
    let most = past_last_address();
    for process in &plan.processes {
        let Some(memory) = &process.memory else {
            continue;
        };
        let vdso = memory.vdso.iter().copied();
        let ranges = memory.mappings.iter().map(|one| (one.start, one.end));
        let ranges: Vec<(u64, u64)> = ranges.chain(vdso).collect();
        let name = |(start, end): (u64, u64)| format!("memory at {start:#x}-{end:#x}");
        // The outermost speak for those between.
        let lowest = ranges.iter().copied().min().filter(|one| one.0 < least);
        if let Some(range) = lowest {
            found.add(
                Code::MmLowest,
                Some(process.pid),
                name(range),
                format!("vm.mmap_min_addr = {least:#x}"),
                format!("at most {:#x}", range.0),
                "set it lower with sysctl",
            );
        }
        let highest = ranges.iter().copied().max().filter(|one| one.1 > most);
        if let Some(range) = highest {
            found.add(
                Code::MmHighest,
                Some(process.pid),
                name(range),
                format!("addresses up to {most:#x}"),
                format!("up to {:#x}", range.1),
                "thaw on a CPU with 5-level page tables (la57), and boot without no5lvl",
            );
        }
    }
}

fn limits(plan: &Plan, found: &mut Obstacles<'_>) {
    const RLIMIT_NOFILE: usize = 7;
    /// Those that the kernel makes itself (the vDSO and what it reads), and those that a process in the making has
    /// besides: the trampoline of calls, and parts of mappings for as long as these are not whole.
    const MAPPINGS_OF_KCONV: u64 = 16;
    let open = setting("/proc/sys/fs/nr_open", found).unwrap_or(u64::MAX);
    let maps = setting("/proc/sys/vm/max_map_count", found).unwrap_or(u64::MAX);
    for process in &plan.processes {
        let mut exceeds = |code, setting: &str, has: u64, needs: u64| {
            if needs > has {
                found.add(
                    code,
                    Some(process.pid),
                    setting,
                    has.to_string(),
                    format!("at least {needs}"),
                    "set it higher with sysctl",
                );
            }
        };
        let files = process
            .limits
            .get(RLIMIT_NOFILE)
            .map_or(0, |limit| limit.hard);
        // One that was opened before the limit was set.
        let descriptors = process.descriptors.iter();
        let highest = descriptors.map(|open| open.number as u64 + 1).max();
        let files = files.max(highest.unwrap_or(0));
        exceeds(Code::LimitFiles, "fs.nr_open", open, files);
        if let Some(memory) = &process.memory {
            let mappings = memory.mappings.len() as u64 + MAPPINGS_OF_KCONV;
            exceeds(Code::LimitMappings, "vm.max_map_count", maps, mappings);
        }
    }
}

fn threads(plan: &Plan, found: &mut Obstacles<'_>) {
    let threads = setting("/proc/sys/kernel/threads-max", found).unwrap_or(u64::MAX);
    // Load averages, and threads: how many run of how many there are.
    let load = read("/proc/loadavg");
    let there_are = load.split_once('/').and_then(|(_, rest)| {
        let number = rest.split(' ').next()?;
        number.parse::<u64>().ok()
    });
    let own = plan.processes.iter().map(|one| one.threads.len() as u64);
    let wanted = there_are.unwrap_or(0) + own.sum::<u64>();
    if wanted > threads {
        found.add(
            Code::LimitThreads,
            None,
            "kernel.threads-max",
            threads.to_string(),
            format!("at least {wanted}"),
            "set it higher with sysctl",
        );
    }
}

/// A kernel that is locked down gives nobody I/O ports (`arch/x86/kernel/ioport.c`: ksys_ioperm).
fn ports(plan: &Plan, found: &mut Obstacles<'_>) {
    let lockdown = read("/sys/kernel/security/lockdown");
    if lockdown.is_empty() || lockdown.contains("[none]") {
        return;
    }
    for thread in plan.processes.iter().flat_map(|process| &process.threads) {
        if !thread.ports.is_empty() || thread.port_level != 0 {
            found.add(
                Code::MachineLockdown,
                Some(thread.tid),
                "I/O ports",
                "a kernel that is locked down",
                "one that gives programs ports",
                "boot without lockdown, and without Secure Boot",
            );
        }
    }
}

fn cpu(plan: &Plan, head: &Head, found: &mut Obstacles<'_>) {
    const ADVICE: &str = "thaw on a machine with the CPU that it was frozen on, or a newer one";
    let enabled = sys::enabled_components();
    for thread in plan.processes.iter().flat_map(|process| &process.threads) {
        if thread.xfeatures & !enabled != 0 {
            found.add(
                Code::MachineXstate,
                Some(thread.tid),
                "register state (XCR0)",
                format!("{enabled:#x}"),
                format!("all of {:#x}", thread.xfeatures),
                ADVICE,
            );
        }
    }
    // What is wrong with what the image knows of it is for `image` to say.
    let Ok(cpu) = Cpu::read(&head.facts) else {
        return;
    };
    // A kernel has as many words as it knows capabilities.
    let had = |word: usize| cpu.capabilities.get(word).map_or(0, |bits| *bits as u32);
    let has: BTreeMap<usize, u32> = sys::cpu_features().into_iter().collect();
    let missing: Vec<&str> = INSTRUCTIONS
        .iter()
        .filter(|(word, bit, _)| {
            let lost = had(*word) & !has.get(word).copied().unwrap_or(0);
            lost >> bit & 1 == 1
        })
        .map(|(_, _, name)| *name)
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        found.add(
            Code::MachineCpu,
            None,
            "the CPU",
            format!("no {missing}"),
            missing,
            ADVICE,
        );
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_that_a_thread_of_the_kernel_has_is_waited_for() {
        let told = |line: &str, command| {
            let task = TaskStat::parse(line).unwrap();
            let text = used_by(&task, &Escaped(command));
            let is_of_kernel = task.is_of_kernel();
            let advice = Holder { text, is_of_kernel };
            format!("{} = {}", advice.text, advice.advice())
        };
        let line = |state: &str, flags: u32| {
            format!("124 (x) {state} 2 0 0 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 81 0 0")
        };
        assert_eq!(
            told(&line("I", 0x420_8060), "kworker/u8:4"),
            "in use: kernel thread kworker/u8:4 = wait: a kworker that has nothing to do ends within some \
             minutes; else boot once more and thaw then"
        );
        let end = "end what has this number, or thaw right after a boot";
        assert_eq!(
            told(&line("S", 0x40_0000), "sh"),
            format!("in use: sh = {end}")
        );
        assert_eq!(
            told(&line("Z", 0x40_0000), "sh"),
            format!("in use: sh has ended, and its parent has not looked = {end}")
        );
        let own = numbers_in_use()
            .remove(&(std::process::id() as i32))
            .unwrap();
        assert!(
            own.text.starts_with("in use: ") && !own.is_of_kernel,
            "{own:?}"
        );
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_told() {
        let plan = Plan::default();
        let mut found = Obstacles::of(&plan, crate::obstacle::ObstacleOf::Machine);
        assert!(setting("/proc/sys/kernel/pid_max", &mut found).is_some());
        assert_eq!(setting("/proc/sys/kernel/ostype", &mut found), None);
        assert_eq!(setting("/proc/sys/kernel/nothing", &mut found), None);
        let found = found.into_list().into_iter();
        let found: Vec<String> = found.map(|one| one.text()).collect();
        let said = [
            "/proc/sys/kernel/ostype: found Linux, expected a number",
            "/proc/sys/kernel/nothing: found nothing that can be read, expected a number",
        ];
        assert_eq!(found, said);
    }

    #[test]
    fn what_nobody_gives_up_is_known() {
        let execution = "memory that cannot become executable (PR_SET_MDWE)";
        let bits = "secure bits that are locked (PR_SET_SECUREBITS)";
        assert!(for_good(0, 0).is_empty());
        assert_eq!(for_good(1, 0), [execution]);
        // Who is made does not have it.
        assert!(for_good(3, 0).is_empty());
        // Set, and not locked; locked, set or not.
        assert!(for_good(0, 0x55).is_empty());
        for lock in [0x2, 0x8, 0x20, 0x80, 0xff] {
            assert_eq!(for_good(0, lock), [bits]);
        }
        assert_eq!(for_good(1, 0x0c), [execution, bits]);
    }

    #[test]
    fn capabilities_above_the_last_are_unknown_in_every_set() {
        assert_eq!(up_to(0), 1);
        assert_eq!(up_to(40), 0x1ff_ffff_ffff);
        assert_eq!(up_to(63), u64::MAX);
        let none = Capabilities {
            effective: 0,
            permitted: 0,
            inheritable: 0,
            bounding: up_to(40),
            ambient: 0,
        };
        assert_eq!(unknown(&none, 40), 0);
        assert_eq!(unknown(&none, 39), 1 << 40);
        let new = 1 << 41;
        for changed in [
            Capabilities {
                effective: new,
                ..none
            },
            Capabilities {
                permitted: new,
                ..none
            },
            Capabilities {
                inheritable: new,
                ..none
            },
            Capabilities {
                bounding: new,
                ..none
            },
            Capabilities {
                ambient: new,
                ..none
            },
        ] {
            assert_eq!(unknown(&changed, 40), new);
        }
    }
}
