//! A task of a 2.4 kernel put together from its objects, with the numbers `/proc` shows and those
//! it does not.

pub(super) mod show;

use super::raw::hex;
use super::values::{path_of, present};
use super::view::{View, symbol_text};
use kconv_image::{AddressSpace, ObjectId};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most queued signals, or VMAs, that are followed; a longer list is a broken image.
const LIST_LIMIT: usize = 1 << 20;

/// One task.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    #[serde(skip)]
    pub(crate) id: ObjectId,
    pub(crate) addr: String,
    pub(crate) pid: i64,
    pub(crate) tgid: i64,
    pub(crate) ppid: Option<i64>,
    pub(crate) pgrp: i64,
    pub(crate) session: i64,
    pub(crate) leader: i64,
    pub(crate) tty_old_pgrp: i64,
    pub(crate) comm: String,
    pub(crate) state: i64,
    pub(crate) state_name: &'static str,
    pub(crate) flags: String,
    pub(crate) ptrace: String,
    pub(crate) exit_code: i64,
    pub(crate) exit_signal: i64,
    pub(crate) pdeath_signal: i64,
    pub(crate) personality: String,
    pub(crate) nice: i64,
    pub(crate) policy: u64,
    pub(crate) rt_priority: u64,
    pub(crate) counter: i64,
    pub(crate) processor: i64,
    pub(crate) cpus_allowed: String,
    pub(crate) need_resched: i64,
    pub(crate) sigpending: i64,
    pub(crate) lock_depth: i64,
    pub(crate) addr_limit: String,
    pub(crate) did_exec: i64,
    pub(crate) swappable: i64,
    pub(crate) used_math: u64,
    pub(crate) blocked: Vec<String>,
    pub(crate) pending: Vec<String>,
    pub(crate) pending_queue: Vec<QueuedSignal>,
    pub(crate) pointers: BTreeMap<&'static str, String>,
    pub(crate) uid: [u64; 4],
    pub(crate) gid: [u64; 4],
    pub(crate) groups: Vec<u64>,
    pub(crate) cap: BTreeMap<&'static str, String>,
    pub(crate) keep_capabilities: i64,
    pub(crate) rlim: Vec<[u64; 2]>,
    pub(crate) times: BTreeMap<&'static str, i64>,
    pub(crate) start_time: u64,
    pub(crate) it: BTreeMap<&'static str, u64>,
    pub(crate) real_timer: RealTimer,
    pub(crate) per_cpu_utime: Vec<i64>,
    pub(crate) per_cpu_stime: Vec<i64>,
    pub(crate) flt: BTreeMap<&'static str, u64>,
    pub(crate) sas_ss: (String, u64),
    pub(crate) locks: u64,
    pub(crate) parent_exec_id: u64,
    pub(crate) self_exec_id: u64,
    pub(crate) thread: Thread,
    pub(crate) pt_regs: Option<BTreeMap<String, String>>,
    /// `null` under a layout that does not have the field.
    pub(crate) scm_work_list: Option<String>,
    pub(crate) max_fds: Option<u64>,
    pub(crate) open_fds: BTreeMap<u64, OpenFile>,
    pub(crate) cwd: Option<String>,
    pub(crate) root: Option<String>,
    pub(crate) umask: Option<String>,
    pub(crate) sig_count: Option<i64>,
    pub(crate) sigactions: BTreeMap<usize, SigAction>,
    pub(crate) mm: Option<Mm>,
}

#[derive(Debug, Serialize)]
pub(crate) struct QueuedSignal {
    pub(crate) signo: i64,
    pub(crate) errno: i64,
    pub(crate) code: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct RealTimer {
    pub(crate) expires: u64,
    pub(crate) data: String,
    pub(crate) function: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Thread {
    pub(crate) esp0: String,
    pub(crate) esp: String,
    pub(crate) eip: String,
    pub(crate) eip_sym: Option<String>,
    pub(crate) fs: u64,
    pub(crate) gs: u64,
    pub(crate) debugreg: Vec<String>,
    pub(crate) cr2: String,
    pub(crate) trap_no: u64,
    pub(crate) error_code: u64,
    pub(crate) ioperm: i64,
}

#[derive(Debug, Serialize)]
pub(crate) struct OpenFile {
    pub(crate) file: String,
    pub(crate) path: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) pos: i64,
    pub(crate) flags: String,
    pub(crate) close_on_exec: bool,
    pub(crate) fop: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SigAction {
    pub(crate) handler: String,
    pub(crate) flags: String,
    pub(crate) restorer: String,
    pub(crate) mask: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Mm {
    pub(crate) addr: String,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) vmas: Vec<Vma>,
    pub(crate) ldt_entries: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Vma {
    pub(crate) addr: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) flags: String,
    pub(crate) pgoff: u64,
    pub(crate) path: Option<String>,
    pub(crate) ops: Option<String>,
    pub(crate) present_pages: u64,
}

/// What belongs to a task or an address space without a pointer leading there.
struct Belongings<'a> {
    registers: BTreeMap<ObjectId, ObjectId>,
    spaces: BTreeMap<ObjectId, &'a AddressSpace>,
}

/// All tasks, in the order of the image.
pub(crate) fn tasks(view: &View) -> Vec<Task> {
    let belongings = Belongings {
        registers: view
            .of_type("pt_regs")
            .map(|id| (view.head().object(id).owner, id))
            .collect(),
        spaces: view
            .head()
            .address_spaces
            .iter()
            .map(|space| (space.mm, space))
            .collect(),
    };
    view.of_type("task_struct")
        .map(|id| task(view, &belongings, id))
        .collect()
}

fn task(view: &View, belongings: &Belongings<'_>, id: ObjectId) -> Task {
    let n = |path: &str| view.unsigned(id, path);
    let s = |path: &str| view.signed(id, path);
    let x = |path: &str| hex(view.unsigned(id, path));
    let words = |path: &str| -> Vec<String> {
        indexed(path)
            .map_while(|path| view.number(id, &path))
            .map(|word| format!("{word:#010x}"))
            .collect()
    };
    let signed_list = |path: &str| -> Vec<i64> {
        indexed(path)
            .map_while(|path| view.number(id, &path))
            .map(|value| value as i64)
            .collect()
    };
    let ids = |prefix: &str| ["", "e", "s", "fs"].map(|kind| n(&format!("{kind}{prefix}")));
    let files = view.pointee(id, "files");
    let fs = view.pointee(id, "fs");
    let sig = view.pointee(id, "sig");
    Task {
        id,
        addr: hex(view.head().object(id).address.0),
        pid: s("pid"),
        tgid: s("tgid"),
        ppid: view
            .pointee(id, "p_pptr")
            .map(|parent| view.signed(parent, "pid")),
        pgrp: s("pgrp"),
        session: s("session"),
        leader: s("leader"),
        tty_old_pgrp: s("tty_old_pgrp"),
        comm: view.text(id, "comm"),
        state: s("state"),
        state_name: state_name(s("state")),
        flags: format!("{:#010x}", n("flags")),
        ptrace: x("ptrace"),
        exit_code: s("exit_code"),
        exit_signal: s("exit_signal"),
        pdeath_signal: s("pdeath_signal"),
        personality: x("personality"),
        nice: s("nice"),
        policy: n("policy"),
        rt_priority: n("rt_priority"),
        counter: s("counter"),
        processor: s("processor"),
        cpus_allowed: x("cpus_allowed"),
        need_resched: s("need_resched"),
        sigpending: s("sigpending"),
        lock_depth: s("lock_depth"),
        addr_limit: x("addr_limit.seg"),
        did_exec: s("did_exec"),
        swappable: s("swappable"),
        used_math: n("used_math"),
        blocked: words("blocked.sig"),
        pending: words("pending.signal.sig"),
        pending_queue: queue(view, id),
        pointers: [
            "mm",
            "active_mm",
            "files",
            "fs",
            "sig",
            "user",
            "next_task",
            "prev_task",
            "p_opptr",
            "p_pptr",
            "p_cptr",
            "p_ysptr",
            "p_osptr",
            "namespace",
            "tty",
            "semundo",
            "vfork_done",
        ]
        .into_iter()
        .map(|field| (field, x(field)))
        .collect(),
        uid: ids("uid"),
        gid: ids("gid"),
        groups: indexed("groups")
            .take(n("ngroups").min(32) as usize)
            .map(|path| n(&path))
            .collect(),
        cap: BTreeMap::from([
            ("effective", format!("{:#010x}", n("cap_effective"))),
            ("inheritable", format!("{:#010x}", n("cap_inheritable"))),
            ("permitted", format!("{:#010x}", n("cap_permitted"))),
        ]),
        keep_capabilities: s("keep_capabilities"),
        rlim: (0..)
            .map_while(|index| {
                let current = view.number(id, &format!("rlim[{index}].rlim_cur"))?;
                let most = view.number(id, &format!("rlim[{index}].rlim_max"))?;
                Some([current as u64, most as u64])
            })
            .collect(),
        times: named(
            ["tms_utime", "tms_stime", "tms_cutime", "tms_cstime"],
            |field| s(&format!("times.{field}")),
        ),
        start_time: n("start_time"),
        it: named(
            [
                "it_real_value",
                "it_prof_value",
                "it_virt_value",
                "it_real_incr",
                "it_prof_incr",
                "it_virt_incr",
            ],
            n,
        ),
        real_timer: RealTimer {
            expires: n("real_timer.expires"),
            data: x("real_timer.data"),
            function: view.symbol(id, "real_timer.function").map(symbol_text),
        },
        per_cpu_utime: signed_list("per_cpu_utime"),
        per_cpu_stime: signed_list("per_cpu_stime"),
        flt: named(
            [
                "min_flt", "maj_flt", "nswap", "cmin_flt", "cmaj_flt", "cnswap",
            ],
            n,
        ),
        sas_ss: (x("sas_ss_sp"), n("sas_ss_size")),
        locks: n("locks"),
        parent_exec_id: n("parent_exec_id"),
        self_exec_id: n("self_exec_id"),
        thread: Thread {
            esp0: x("thread.esp0"),
            esp: x("thread.esp"),
            eip: x("thread.eip"),
            eip_sym: view.symbol(id, "thread.eip").map(symbol_text),
            fs: n("thread.fs"),
            gs: n("thread.gs"),
            debugreg: (0..8)
                .map(|i| x(&format!("thread.debugreg[{i}]")))
                .collect(),
            cr2: x("thread.cr2"),
            trap_no: n("thread.trap_no"),
            error_code: n("thread.error_code"),
            ioperm: s("thread.ioperm"),
        },
        pt_regs: belongings
            .registers
            .get(&id)
            .map(|regs| registers(view, *regs)),
        scm_work_list: view.number(id, "scm_work_list").map(|p| hex(p as u64)),
        max_fds: files.map(|files| view.unsigned(files, "max_fds")),
        open_fds: files
            .map(|files| open_files(view, files))
            .unwrap_or_default(),
        cwd: fs.and_then(|fs| view.resource(fs, "pwd")).and_then(path_of),
        root: fs
            .and_then(|fs| view.resource(fs, "root"))
            .and_then(path_of),
        umask: fs.map(|fs| format!("{:#o}", view.unsigned(fs, "umask"))),
        sig_count: sig.map(|sig| view.signed(sig, "count.counter")),
        sigactions: sig.map(|sig| actions(view, sig)).unwrap_or_default(),
        mm: view
            .pointee(id, "mm")
            .map(|mm| address_space(view, belongings, mm)),
    }
}

fn indexed(path: &str) -> impl Iterator<Item = String> + '_ {
    (0..).map(move |index| format!("{path}[{index}]"))
}

fn named<T, const N: usize>(
    names: [&'static str; N],
    read: impl Fn(&str) -> T,
) -> BTreeMap<&'static str, T> {
    names.into_iter().map(|name| (name, read(name))).collect()
}

/// The letters and words of `fs/proc/array.c`'s table of states.
fn state_name(state: i64) -> &'static str {
    match state {
        0 => "RUNNING",
        1 => "INTERRUPTIBLE",
        2 => "UNINTERRUPTIBLE",
        4 => "ZOMBIE",
        8 => "STOPPED",
        _ => "UNKNOWN",
    }
}

fn queue(view: &View, task: ObjectId) -> Vec<QueuedSignal> {
    let mut queue = Vec::new();
    let mut next = view.pointee(task, "pending.head");
    while let Some(entry) = next.filter(|_| queue.len() < LIST_LIMIT) {
        queue.push(QueuedSignal {
            signo: view.signed(entry, "info.si_signo"),
            errno: view.signed(entry, "info.si_errno"),
            code: view.signed(entry, "info.si_code"),
        });
        next = view.pointee(entry, "next");
    }
    queue
}

fn registers(view: &View, regs: ObjectId) -> BTreeMap<String, String> {
    let composite = view.layout.composite("pt_regs");
    composite
        .into_iter()
        .flat_map(|(_, composite)| &composite.members)
        .filter_map(|member| member.name.clone())
        .map(|name| {
            // The registers are declared as signed longs.
            let value = view.number(regs, &name).unwrap_or(0) as u32;
            (name, format!("{value:#010x}"))
        })
        .collect()
}

/// Word `index` of what the pointer in `path` points at: a separate array, or a place inside
/// `files` itself.
fn word(view: &View, files: ObjectId, path: &str, index: u64) -> u64 {
    let size = u64::from(view.layout.target().pointer_size);
    let Some((object, into)) = view.object_at(view.unsigned(files, path)) else {
        return 0;
    };
    let start = (into + index * size) as usize;
    let bytes = view.bytes(object).get(start..start + size as usize);
    bytes
        .unwrap_or_default()
        .iter()
        .rev()
        .fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn open_files(view: &View, files: ObjectId) -> BTreeMap<u64, OpenFile> {
    let bits = 8 * u64::from(view.layout.target().pointer_size);
    let in_set = |path, fd: u64| word(view, files, path, fd / bits) >> (fd % bits) & 1 == 1;
    let mut open = BTreeMap::new();
    for fd in 0..view.unsigned(files, "max_fds").min(LIST_LIMIT as u64) {
        let address = word(view, files, "fd", fd);
        let Some((file, 0)) = view.object_at(address) else {
            continue;
        };
        let resource = view.resource(file, "f_dentry");
        let shown = OpenFile {
            file: hex(address),
            path: resource.and_then(path_of),
            kind: resource.map(|resource| resource.kind.clone()),
            pos: view.signed(file, "f_pos"),
            flags: format!("{:#o}", view.unsigned(file, "f_flags")),
            close_on_exec: in_set("close_on_exec", fd),
            fop: view.symbol(file, "f_op").map(symbol_text),
        };
        open.insert(fd, shown);
    }
    open
}

fn actions(view: &View, sig: ObjectId) -> BTreeMap<usize, SigAction> {
    let mut actions = BTreeMap::new();
    for index in 0.. {
        let field = |name: &str| view.number(sig, &format!("action[{index}].sa.{name}"));
        let Some(handler) = field("sa_handler") else {
            break;
        };
        let of = |name: &str| format!("{:#010x}", field(name).unwrap_or(0));
        let mask: Vec<String> = (0..)
            .map_while(|word| field(&format!("sa_mask.sig[{word}]")))
            .map(|word| format!("{word:#010x}"))
            .collect();
        let default = handler == 0
            && field("sa_flags") == Some(0)
            && field("sa_restorer") == Some(0)
            && mask.iter().all(|word| word == "0x00000000");
        if !default {
            let action = SigAction {
                handler: format!("{handler:#010x}"),
                flags: of("sa_flags"),
                restorer: of("sa_restorer"),
                mask,
            };
            actions.insert(index + 1, action);
        }
    }
    actions
}

fn address_space(view: &View, belongings: &Belongings<'_>, mm: ObjectId) -> Mm {
    let counts = [
        "map_count",
        "rss",
        "total_vm",
        "locked_vm",
        "start_code",
        "end_code",
        "start_data",
        "end_data",
        "start_brk",
        "brk",
        "start_stack",
        "arg_start",
        "arg_end",
        "env_start",
        "env_end",
    ];
    let mut counts = named(counts, |field| view.unsigned(mm, field));
    counts.insert("mm_users", view.unsigned(mm, "mm_users.counter"));
    counts.insert("mm_count", view.unsigned(mm, "mm_count.counter"));
    let space = belongings.spaces.get(&mm).copied();
    let mut vmas = Vec::new();
    let mut next = view.pointee(mm, "mmap");
    while let Some(vma) = next.filter(|_| vmas.len() < LIST_LIMIT) {
        vmas.push(mapping(view, space, vma));
        next = view.pointee(vma, "vm_next");
    }
    Mm {
        addr: hex(view.head().object(mm).address.0),
        counts,
        vmas,
        ldt_entries: view.unsigned(mm, "context.size"),
    }
}

fn mapping(view: &View, space: Option<&AddressSpace>, vma: ObjectId) -> Vma {
    let (start, end) = (view.unsigned(vma, "vm_start"), view.unsigned(vma, "vm_end"));
    let file = view.pointee(vma, "vm_file");
    Vma {
        addr: hex(view.head().object(vma).address.0),
        start: format!("{start:#010x}"),
        end: format!("{end:#010x}"),
        flags: hex(view.unsigned(vma, "vm_flags")),
        pgoff: view.unsigned(vma, "vm_pgoff"),
        path: file
            .and_then(|file| view.resource(file, "f_dentry"))
            .and_then(path_of),
        ops: view.symbol(vma, "vm_ops").map(symbol_text),
        present_pages: space.map_or(0, |space| present(space, start, end)),
    }
}
