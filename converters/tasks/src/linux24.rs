//! A task of a 2.4 kernel put together from its objects, with the numbers `/proc` shows and those
//! it does not.

pub(crate) mod show;

use crate::raw::hex;
use crate::values::{path_of, present};
use crate::view::symbol_text;
use kconv_image::{AddressSpace, ObjectId};
use kconv_objects::{FieldError, Objects, Saved};
use kernel_structs_bits::little_endian;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;

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
    registers: BTreeMap<ObjectId, Saved<'a>>,
    spaces: BTreeMap<ObjectId, &'a AddressSpace>,
}

/// Gives `take` each task whose place among them is in `which`, in the order of the image.
///
/// # Errors
/// A field that the layout does not have, or an object that is too short.
pub(crate) fn each_task(
    objects: &Objects<'_>,
    which: Range<usize>,
    take: &mut dyn FnMut(Task),
) -> Result<(), FieldError> {
    let head = objects.head();
    let registers = objects.of_type("pt_regs")?.into_iter();
    let belongings = Belongings {
        registers: registers
            .map(|registers| (head.object(registers.id()).owner, registers))
            .collect(),
        spaces: head
            .address_spaces
            .iter()
            .map(|space| (space.mm, space))
            .collect(),
    };
    let tasks = objects.of_type("task_struct")?.into_iter();
    for of in tasks.take(which.end).skip(which.start) {
        take(task(&of, &belongings)?);
    }
    Ok(())
}

fn task(of: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Task, FieldError> {
    let n = |path: &str| of.unsigned(path);
    let s = |path: &str| of.signed(path);
    let x = |path: &str| Ok::<_, FieldError>(hex(of.unsigned(path)?));
    let x8 = |path: &str| Ok::<_, FieldError>(format!("{:#010x}", of.unsigned(path)?));
    let signed_list = |path: &str| -> Result<Vec<i64>, FieldError> {
        let elements = of.elements(path)?;
        elements.iter().map(|element| element.signed("")).collect()
    };
    let ids = |name: &str| -> Result<[u64; 4], FieldError> {
        Ok([
            of.unsigned(name)?,
            of.unsigned(&format!("e{name}"))?,
            of.unsigned(&format!("s{name}"))?,
            of.unsigned(&format!("fs{name}"))?,
        ])
    };
    let files = of.follow("files")?;
    let fs = of.follow("fs")?;
    let sig = of.follow("sig")?;
    let groups = of.numbers("groups")?;
    Ok(Task {
        id: of.id(),
        addr: hex(of.at().0),
        pid: s("pid")?,
        tgid: s("tgid")?,
        ppid: match of.follow("p_pptr")? {
            Some(parent) => Some(parent.signed("pid")?),
            None => None,
        },
        pgrp: s("pgrp")?,
        session: s("session")?,
        leader: s("leader")?,
        tty_old_pgrp: s("tty_old_pgrp")?,
        comm: of.text("comm")?.escape_ascii().to_string(),
        state: s("state")?,
        state_name: state_name(s("state")?),
        flags: x8("flags")?,
        ptrace: x("ptrace")?,
        exit_code: s("exit_code")?,
        exit_signal: s("exit_signal")?,
        pdeath_signal: s("pdeath_signal")?,
        personality: x("personality")?,
        nice: s("nice")?,
        policy: n("policy")?,
        rt_priority: n("rt_priority")?,
        counter: s("counter")?,
        processor: s("processor")?,
        cpus_allowed: x("cpus_allowed")?,
        need_resched: s("need_resched")?,
        sigpending: s("sigpending")?,
        lock_depth: s("lock_depth")?,
        addr_limit: x("addr_limit.seg")?,
        did_exec: s("did_exec")?,
        swappable: s("swappable")?,
        used_math: n("used_math")?,
        blocked: words(of.numbers("blocked.sig")?),
        pending: words(of.numbers("pending.signal.sig")?),
        pending_queue: queue(of)?,
        pointers: named(
            [
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
            ],
            x,
        )?,
        uid: ids("uid")?,
        gid: ids("gid")?,
        groups: groups
            .into_iter()
            .take(n("ngroups")?.min(32) as usize)
            .collect(),
        cap: BTreeMap::from([
            ("effective", x8("cap_effective")?),
            ("inheritable", x8("cap_inheritable")?),
            ("permitted", x8("cap_permitted")?),
        ]),
        keep_capabilities: s("keep_capabilities")?,
        rlim: limits(of)?,
        times: named(
            ["tms_utime", "tms_stime", "tms_cutime", "tms_cstime"],
            |field| s(&format!("times.{field}")),
        )?,
        start_time: n("start_time")?,
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
        )?,
        real_timer: RealTimer {
            expires: n("real_timer.expires")?,
            data: x("real_timer.data")?,
            function: of.symbol("real_timer.function")?.map(symbol_text),
        },
        per_cpu_utime: signed_list("per_cpu_utime")?,
        per_cpu_stime: signed_list("per_cpu_stime")?,
        flt: named(
            [
                "min_flt", "maj_flt", "nswap", "cmin_flt", "cmaj_flt", "cnswap",
            ],
            n,
        )?,
        sas_ss: (x("sas_ss_sp")?, n("sas_ss_size")?),
        locks: n("locks")?,
        parent_exec_id: n("parent_exec_id")?,
        self_exec_id: n("self_exec_id")?,
        thread: Thread {
            esp0: x("thread.esp0")?,
            esp: x("thread.esp")?,
            eip: x("thread.eip")?,
            eip_sym: of.symbol("thread.eip")?.map(symbol_text),
            fs: n("thread.fs")?,
            gs: n("thread.gs")?,
            debugreg: of
                .numbers("thread.debugreg")?
                .into_iter()
                .map(hex)
                .collect(),
            cr2: x("thread.cr2")?,
            trap_no: n("thread.trap_no")?,
            error_code: n("thread.error_code")?,
            ioperm: s("thread.ioperm")?,
        },
        pt_regs: belongings
            .registers
            .get(&of.id())
            .map(registers)
            .transpose()?,
        scm_work_list: of.optional("scm_work_list")?.map(hex),
        max_fds: match files {
            Some(files) => Some(files.unsigned("max_fds")?),
            None => None,
        },
        open_fds: match files {
            Some(files) => open_files(&files)?,
            None => BTreeMap::new(),
        },
        cwd: folder(fs, "pwd")?,
        root: folder(fs, "root")?,
        umask: match fs {
            Some(fs) => Some(format!("{:#o}", fs.unsigned("umask")?)),
            None => None,
        },
        sig_count: match sig {
            Some(sig) => Some(sig.signed("count.counter")?),
            None => None,
        },
        sigactions: match sig {
            Some(sig) => actions(&sig)?,
            None => BTreeMap::new(),
        },
        mm: match of.follow("mm")? {
            Some(mm) => Some(address_space(&mm, belongings)?),
            None => None,
        },
    })
}

fn named<T, const N: usize>(
    names: [&'static str; N],
    read: impl Fn(&str) -> Result<T, FieldError>,
) -> Result<BTreeMap<&'static str, T>, FieldError> {
    let read = names.into_iter().map(|name| Ok((name, read(name)?)));
    read.collect()
}

fn words(words: Vec<u64>) -> Vec<String> {
    let words = words.into_iter();
    words.map(|word| format!("{word:#010x}")).collect()
}

fn limits(task: &Saved<'_>) -> Result<Vec<[u64; 2]>, FieldError> {
    let limits = task.elements("rlim")?;
    let limits = limits
        .iter()
        .map(|limit| Ok([limit.unsigned("rlim_cur")?, limit.unsigned("rlim_max")?]));
    limits.collect()
}

fn folder(fs: Option<Saved<'_>>, path: &str) -> Result<Option<String>, FieldError> {
    Ok(match fs {
        Some(fs) => fs.resource(path)?.and_then(path_of),
        None => None,
    })
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

fn queue(task: &Saved<'_>) -> Result<Vec<QueuedSignal>, FieldError> {
    let entries = task.chain("pending.head", "next")?.into_iter();
    let queue = entries.map(|entry| {
        Ok(QueuedSignal {
            signo: entry.signed("info.si_signo")?,
            errno: entry.signed("info.si_errno")?,
            code: entry.signed("info.si_code")?,
        })
    });
    queue.collect()
}

fn registers(registers: &Saved<'_>) -> Result<BTreeMap<String, String>, FieldError> {
    let composite = registers.objects().layout().composite("pt_regs");
    let members = composite.into_iter().flat_map(|(_, all)| &all.members);
    let names = members.filter_map(|member| member.name.clone());
    names
        .map(|name| {
            // The registers are declared as signed longs.
            let value = registers.unsigned(&name)? as u32;
            Ok((name, format!("{value:#010x}")))
        })
        .collect()
}

fn open_files(files: &Saved<'_>) -> Result<BTreeMap<u64, OpenFile>, FieldError> {
    let objects = files.objects();
    let word = u64::from(objects.layout().target().pointer_size);
    let most = files.unsigned("max_fds")?;
    let pointers = files.bytes_at("fd", word.saturating_mul(most))?;
    let closes = files.bytes_at("close_on_exec", most.div_ceil(8 * word) * word)?;
    let mut open = BTreeMap::new();
    for (fd, pointer) in (0u64..).zip(pointers.chunks_exact(word as usize)) {
        let address = little_endian(pointer);
        let Some((id, 0)) = objects.object_at(address) else {
            continue;
        };
        let file = objects.object(id)?;
        let resource = file.resource("f_dentry")?;
        let shown = OpenFile {
            file: hex(address),
            path: resource.and_then(path_of),
            kind: resource.map(|resource| resource.kind.clone()),
            pos: file.signed("f_pos")?,
            flags: format!("{:#o}", file.unsigned("f_flags")?),
            close_on_exec: closes[(fd / 8) as usize] >> (fd % 8) & 1 == 1,
            fop: file.symbol("f_op")?.map(symbol_text),
        };
        open.insert(fd, shown);
    }
    Ok(open)
}

fn actions(sig: &Saved<'_>) -> Result<BTreeMap<usize, SigAction>, FieldError> {
    let mut actions = BTreeMap::new();
    for (index, action) in sig.elements("action")?.iter().enumerate() {
        let field = |name: &str| action.unsigned(name);
        let (handler, flags) = (field("sa.sa_handler")?, field("sa.sa_flags")?);
        let restorer = field("sa.sa_restorer")?;
        let mask = action.numbers("sa.sa_mask.sig")?;
        let default = handler == 0 && flags == 0 && restorer == 0;
        if !default || mask.iter().any(|word| *word != 0) {
            let action = SigAction {
                handler: format!("{handler:#010x}"),
                flags: format!("{flags:#010x}"),
                restorer: format!("{restorer:#010x}"),
                mask: words(mask),
            };
            actions.insert(index + 1, action);
        }
    }
    Ok(actions)
}

fn address_space(mm: &Saved<'_>, belongings: &Belongings<'_>) -> Result<Mm, FieldError> {
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
    let mut counts = named(counts, |field| mm.unsigned(field))?;
    counts.insert("mm_users", mm.unsigned("mm_users.counter")?);
    counts.insert("mm_count", mm.unsigned("mm_count.counter")?);
    let space = belongings.spaces.get(&mm.id()).copied();
    let vmas = mm.chain("mmap", "vm_next")?;
    let found = counts["map_count"];
    if found != vmas.len() as u64 {
        return Err(mm.absurd("map_count", found, "there are as many mappings in the list"));
    }
    let mut end = 0;
    for vma in &vmas {
        let start = vma.unsigned("vm_start")?;
        if start < end {
            return Err(vma.absurd("vm_start", start, "mappings ascend and do not overlap"));
        }
        end = vma.unsigned("vm_end")?;
        if end <= start {
            return Err(vma.absurd("vm_end", end, "a mapping ends behind its beginning"));
        }
    }
    let vmas = vmas.iter().map(|vma| mapping(vma, space));
    Ok(Mm {
        addr: hex(mm.at().0),
        counts,
        vmas: vmas.collect::<Result<_, _>>()?,
        ldt_entries: mm.unsigned("context.size")?,
    })
}

fn mapping(vma: &Saved<'_>, space: Option<&AddressSpace>) -> Result<Vma, FieldError> {
    let (start, end) = (vma.unsigned("vm_start")?, vma.unsigned("vm_end")?);
    Ok(Vma {
        addr: hex(vma.at().0),
        start: format!("{start:#010x}"),
        end: format!("{end:#010x}"),
        flags: hex(vma.unsigned("vm_flags")?),
        pgoff: vma.unsigned("vm_pgoff")?,
        path: match vma.follow("vm_file")? {
            Some(file) => file.resource("f_dentry")?.and_then(path_of),
            None => None,
        },
        ops: vma.symbol("vm_ops")?.map(symbol_text),
        present_pages: space.map_or(0, |space| present(space, start, end)),
    })
}
