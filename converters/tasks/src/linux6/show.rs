//! A task of Linux 6 as text.

use super::Task;
use super::files::OpenFile;
use super::memory::{Mm, Vma};
use super::signals::QueuedSignal;
use super::timers::Timers;
use crate::show::{Row, heading, kib, limits, line, octal, printable, resources};
use crate::style::HEADING;
use kconv_image::Head;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Result, Write};

/// A line of the list of tasks. Threads follow their process, indented.
pub(crate) fn row(task: &Task) -> Row {
    let identity = &task.identity;
    let (size, resident) = match &task.mm {
        Some(mm) => (kib(mm.counts["total_vm"]), kib(mm.counts["rss"])),
        None => (0, 0),
    };
    let indent = if identity.pid == identity.tgid {
        ""
    } else {
        "  "
    };
    Row {
        pid: identity.pid,
        ppid: identity.ppid.unwrap_or(0),
        pgrp: identity.pgrp,
        session: identity.session,
        uid: task.credentials.uid[0],
        state: identity.letter,
        rt_priority: task.scheduling.rt_priority,
        nice: task.scheduling.nice,
        size,
        resident,
        files: task.files.open_fds.len(),
        command: format!("{indent}{}", identity.comm),
    }
}

/// One task with all there is.
pub(crate) fn one(out: &mut impl Write, head: &Head, task: &Task) -> Result<()> {
    let identity = &task.identity;
    writeln!(
        out,
        "{HEADING}task {} ({}){HEADING:#}, task_struct at {}",
        identity.pid, identity.comm, task.addr
    )?;
    who(out, task)?;
    may(out, task)?;
    runs(out, task)?;
    signals(out, task)?;
    timers(out, &task.timers)?;
    limits(out, &task.rlim)?;
    user(out, task)?;
    if let Some(mm) = &task.mm {
        memory(out, mm)?;
    }
    if !task.files.open_fds.is_empty() {
        heading(out, "files")?;
    }
    for (fd, open) in &task.files.open_fds {
        file(out, *fd, open)?;
    }
    resources(out, head, task.id)
}

/// `name value` of each, in one line.
fn listed<V: Display>(values: &BTreeMap<&'static str, V>) -> String {
    let all: Vec<_> = values
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    all.join(", ")
}

fn or_none<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| String::from("none"), T::to_string)
}

fn text_or_none(text: &Option<String>) -> String {
    text.as_ref()
        .map_or_else(|| String::from("none"), |text| printable(text))
}

fn who(out: &mut impl Write, task: &Task) -> Result<()> {
    let identity = &task.identity;
    let state = format!(
        "{} ({:#x}), {} threads",
        identity.state_name, identity.state, identity.threads
    );
    line(out, "state", &state)?;
    let ids = format!(
        "tgid {}, parent {}, group {}, session {}{}",
        identity.tgid,
        or_none(&identity.ppid),
        identity.pgrp,
        identity.session,
        if identity.leader != 0 {
            ", its leader"
        } else {
            ""
        }
    );
    line(out, "ids", &ids)?;
    let flags = format!(
        "{}, personality {}, exit signal {}, parent death signal {}",
        identity.flags, identity.personality, identity.exit_signal, identity.pdeath_signal
    );
    line(out, "flags", &flags)?;
    if let Some(tty) = &identity.tty {
        let shown = format!("{} ({}), foreground {}", tty.name, tty.device, tty.pgrp);
        line(out, "terminal", &shown)?;
    }
    line(out, "cgroup", &text_or_none(&identity.cgroup))?;
    line(out, "namespaces", &listed(&identity.namespaces))?;
    let files = &task.files;
    let directories = format!(
        "cwd {}, root {}, umask {}",
        text_or_none(&files.cwd),
        text_or_none(&files.root),
        octal(&or_none(&files.umask))
    );
    line(out, "directories", &directories)
}

fn may(out: &mut impl Write, task: &Task) -> Result<()> {
    let credentials = &task.credentials;
    let uid = format!("{:?} (real, effective, saved, fs)", credentials.uid);
    line(out, "uid", &uid)?;
    let gid = format!("{:?}, groups {:?}", credentials.gid, credentials.groups);
    line(out, "gid", &gid)?;
    line(out, "capabilities", &listed(&credentials.cap))?;
    let privileges = format!(
        "securebits {}, no_new_privs {}, seccomp mode {} with {} filters{}{}",
        credentials.securebits,
        u8::from(credentials.no_new_privs),
        credentials.seccomp,
        credentials.seccomp_filters,
        if credentials.atomic_flags.is_empty() {
            ""
        } else {
            ", "
        },
        credentials.atomic_flags.join(", ")
    );
    line(out, "privileges", &privileges)?;
    match credentials.keyrings.is_empty() {
        true => Ok(()),
        false => line(out, "keyrings", &listed(&credentials.keyrings)),
    }
}

fn runs(out: &mut impl Write, task: &Task) -> Result<()> {
    let scheduling = &task.scheduling;
    let shown = format!(
        "policy {}, priority {}, nice {}, cpus {}, memory nodes {}{}",
        scheduling.policy,
        scheduling.rt_priority,
        scheduling.nice,
        set(&scheduling.cpus_allowed),
        set(&scheduling.mems_allowed),
        scheduling
            .io_priority
            .map_or_else(String::new, |priority| format!(
                ", I/O priority {priority:#x}"
            ))
    );
    line(out, "scheduling", &shown)?;
    line(out, "times (ns)", &listed(&scheduling.times))?;
    line(out, "process (ns)", &listed(&scheduling.process_times))?;
    let started = format!(
        "{:.2} s after boot, timer slack {} ns",
        scheduling.start_boottime as f64 / 1e9,
        scheduling.timer_slack
    );
    line(out, "started", &started)?;
    line(out, "switches", &listed(&scheduling.switches))?;
    line(out, "faults", &listed(&scheduling.flt))?;
    line(out, "I/O", &listed(&scheduling.io))?;
    let adjusted = task.identity.oom_score_adj;
    line(out, "OOM score", &format!("adjusted by {adjusted}"))
}

/// A set as a number, if it is not just everything.
fn set(bits: &str) -> &str {
    let digits = bits.trim_start_matches("0x");
    match digits.len() > 16 && digits.trim_start_matches('f').is_empty() {
        true => "all",
        false => bits,
    }
}

fn signals(out: &mut impl Write, task: &Task) -> Result<()> {
    let signals = &task.signals;
    heading(out, "signals")?;
    writeln!(
        out,
        "  blocked {}, pending {}, of the process {}",
        signals.blocked.join(" "),
        signals.pending.join(" "),
        signals.shared_pending.join(" ")
    )?;
    let (ignored, caught) = (&signals.ignored, &signals.caught);
    writeln!(out, "  ignored {ignored}, caught {caught}")?;
    if let Some(mask) = &signals.saved_mask {
        writeln!(out, "  blocked after the system call {}", mask.join(" "))?;
    }
    for signal in &signals.pending_queue {
        queued(out, "queued", signal)?;
    }
    for signal in &signals.shared_pending_queue {
        queued(out, "queued for the process", signal)?;
    }
    let stack = &signals.alternate_stack;
    if stack.size != 0 {
        let (start, size) = (&stack.start, stack.size);
        writeln!(
            out,
            "  alternate stack of {size} bytes at {start}, flags {}",
            stack.flags
        )?;
    }
    for (number, action) in &signals.sigactions {
        writeln!(
            out,
            "  action {number}: handler {}, flags {}, mask {}",
            action.handler,
            action.flags,
            action.mask.join(" ")
        )?;
    }
    Ok(())
}

fn queued(out: &mut impl Write, what: &str, signal: &QueuedSignal) -> Result<()> {
    write!(
        out,
        "  {what} {} (code {}, errno {})",
        signal.signo, signal.code, signal.errno
    )?;
    if let Some(sender) = &signal.sender {
        let (pid, uid, value) = (sender.pid, sender.uid, &sender.value);
        write!(out, " from {pid} of user {uid}, value {value}")?;
    }
    if let Some(timer) = &signal.timer {
        write!(out, " from timer {}, value {}", timer.id, timer.value)?;
    }
    if let Some(address) = &signal.address {
        write!(out, " at {address}")?;
    }
    writeln!(out)
}

fn timers(out: &mut impl Write, timers: &Timers) -> Result<()> {
    let Timers {
        real,
        virtual_time,
        profiling,
        posix,
    } = timers;
    if real.is_none() && virtual_time.is_none() && profiling.is_none() && posix.is_empty() {
        return Ok(());
    }
    heading(out, "timers (ns)")?;
    if let Some(real) = real {
        let (expires, interval) = (real.expires, real.interval);
        writeln!(out, "  real: expires {expires}, interval {interval}")?;
    }
    for (name, timer) in [("virtual", virtual_time), ("profiling", profiling)] {
        if let Some(timer) = timer {
            let (expires, interval) = (timer.expires, timer.interval);
            writeln!(out, "  {name}: expires {expires}, interval {interval}")?;
        }
    }
    for timer in posix {
        writeln!(
            out,
            "  {:>3} clock {}: {} {}, interval {}, signal {} with {} to {} (notify {})",
            timer.id,
            timer.clock,
            if timer.armed { "expires" } else { "not set," },
            timer.expires,
            timer.interval,
            timer.signal,
            timer.value,
            or_none(&timer.target),
            timer.notify
        )?;
    }
    Ok(())
}

fn user(out: &mut impl Write, task: &Task) -> Result<()> {
    let user = &task.user;
    if let Some(registers) = &user.pt_regs {
        heading(out, "registers")?;
        let all: Vec<_> = registers
            .iter()
            .map(|(name, value)| format!("{name:<7} {value}"))
            .collect();
        for row in all.chunks(3) {
            writeln!(out, "  {}", row.join("  "))?;
        }
    }
    heading(out, "thread")?;
    if let Some(call) = &user.system_call {
        let name = call.name.unwrap_or("unknown");
        let arguments = call.arguments.join(", ");
        let interrupted = call.interrupted.unwrap_or("no restart");
        let shown = format!("{name} ({}) with {arguments}; {interrupted}", call.number);
        line(out, "system call", &shown)?;
    }
    if let Some(restart) = &user.restart {
        line(out, "restarts with", restart)?;
    }
    line(out, "segments", &listed(&user.thread))?;
    line(out, "FPU", &listed(&user.fpu))?;
    line(out, "robust list", &user.robust_list)?;
    let rseq = format!("{}, signature {}", user.rseq.area, user.rseq.signature);
    line(out, "rseq", &rseq)?;
    let tid = format!("set {}, clear {}", user.set_child_tid, user.clear_child_tid);
    line(out, "child tid", &tid)
}

fn memory(out: &mut impl Write, mm: &Mm) -> Result<()> {
    heading(out, "memory (pages)")?;
    line(out, "program", &text_or_none(&mm.exe))?;
    line(out, "arguments", &printable(&mm.cmdline.join(" ")))?;
    let bounds = [
        ("code", "start_code", "end_code"),
        ("data", "start_data", "end_data"),
        ("heap", "start_brk", "brk"),
        ("arguments at", "arg_start", "arg_end"),
        ("environment", "env_start", "env_end"),
    ];
    for (name, start, end) in bounds {
        let shown = format!("{:#x}-{:#x}", mm.counts[start], mm.counts[end]);
        line(out, name, &shown)?;
    }
    line(
        out,
        "stack from",
        &format!("{:#x}", mm.counts["start_stack"]),
    )?;
    let count = |names: &[&'static str]| {
        let all: Vec<_> = names
            .iter()
            .map(|name| format!("{name} {}", mm.counts[name]))
            .collect();
        all.join(", ")
    };
    let sizes = [
        "total_vm",
        "data_vm",
        "exec_vm",
        "stack_vm",
        "locked_vm",
        "pinned_vm",
    ];
    line(out, "sizes", &count(&sizes))?;
    let resident = ["rss", "rss_anon", "rss_file", "rss_shmem", "swap"];
    line(out, "resident", &count(&resident))?;
    line(out, "highest", &count(&["hiwater_vm", "hiwater_rss"]))?;
    let flags = format!(
        "{}, dumpable {}, coredump filter {}",
        mm.flags, mm.dumpable, mm.coredump_filter
    );
    line(out, "flags", &flags)?;
    heading(out, "mappings")?;
    mm.vmas.iter().try_for_each(|vma| mapping(out, vma))
}

fn mapping(out: &mut impl Write, vma: &Vma) -> Result<()> {
    writeln!(
        out,
        "  {}-{} {} {:>10} {:>5} {:>4} pages  {}",
        vma.start.trim_start_matches("0x"),
        vma.end.trim_start_matches("0x"),
        vma.permissions,
        vma.flags,
        vma.pgoff,
        vma.present_pages,
        printable(vma.path.as_deref().unwrap_or(""))
    )
}

fn file(out: &mut impl Write, fd: u64, open: &OpenFile) -> Result<()> {
    writeln!(
        out,
        "  {fd:>4} {:<28} pos {:<8} flags {}{}",
        printable(open.path.as_deref().or(open.kind.as_deref()).unwrap_or("?")),
        open.pos,
        octal(&open.flags),
        if open.close_on_exec {
            ", close-on-exec"
        } else {
            ""
        }
    )?;
    if let Some(owner) = &open.owner {
        let (pid, kind, signal) = (owner.pid, owner.kind, owner.signal);
        writeln!(out, "       owner {pid} (kind {kind}), signal {signal}")?;
    }
    for lock in &open.locks {
        writeln!(out, "       lock {lock}")?;
    }
    Ok(())
}
