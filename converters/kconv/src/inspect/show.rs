//! Tasks as text.

use super::task::{Task, Vma, path_of, value_json};
use crate::style::{FAINT, HEADING};
use kconv_image::{Clocks, Head, Value};
use std::io::{Result, Write};

/// What the image is, then its tasks as ps would list them.
pub(crate) fn list(out: &mut impl Write, head: &Head, tasks: &[Task]) -> Result<()> {
    let identity = &head.identity;
    write!(out, "{HEADING}{}{HEADING:#}", identity.kernel.release)?;
    write!(out, " ({}, {})", identity.family, identity.machine.name())?;
    if !identity.is_at_origin() {
        write!(out, ", frozen on {}", identity.origin.release)?;
    }
    let pages: u64 = head
        .address_spaces
        .iter()
        .flat_map(|space| &space.runs)
        .map(|run| run.pages)
        .sum();
    writeln!(
        out,
        ": {} tasks, {} objects, {pages} pages, {} resources",
        tasks.len(),
        head.objects.len(),
        head.resources.len()
    )?;
    let clocks = &head.clocks;
    writeln!(
        out,
        "{FAINT}frozen {}, {:.2} s after boot (jiffies {}, HZ {}){FAINT:#}",
        moment(clocks),
        clocks.boottime_nanoseconds as f64 / 1e9,
        clocks.jiffies,
        clocks.hz
    )?;
    writeln!(out)?;
    writeln!(
        out,
        "{HEADING}{:>5} {:>5} {:>5} {:>5} {:>6} {:<2} {:>3} {:>4} {:>8} {:>7} {:>4}  COMMAND{HEADING:#}",
        "PID", "PPID", "PGID", "SID", "UID", "S", "PRI", "NI", "VSZ", "RSS", "FDS"
    )?;
    for task in tasks {
        let (size, rss) = match &task.mm {
            Some(mm) => (4 * mm.counts["total_vm"], 4 * mm.counts["rss"]),
            None => (0, 0),
        };
        writeln!(
            out,
            "{:>5} {:>5} {:>5} {:>5} {:>6} {:<2} {:>3} {:>4} {:>8} {:>7} {:>4}  {}",
            task.pid,
            task.ppid.unwrap_or(0),
            task.pgrp,
            task.session,
            task.uid[0],
            letter(task),
            task.rt_priority,
            task.nice,
            size,
            rss,
            task.open_fds.len(),
            // Kernel threads have no memory of their own; ps writes them in brackets.
            if task.mm.is_some() || task.state == 4 {
                task.comm.clone()
            } else {
                format!("[{}]", task.comm)
            }
        )?;
    }
    Ok(())
}

/// The moment of the freeze, in UTC.
fn moment(clocks: &Clocks) -> String {
    let nanoseconds = i32::try_from(clocks.realtime_nanoseconds).unwrap_or(0);
    match jiff::Timestamp::new(clocks.realtime_seconds, nanoseconds) {
        Ok(moment) => moment.to_string(),
        Err(_) => format!("{} s after 1970", clocks.realtime_seconds),
    }
}

fn letter(task: &Task) -> char {
    match task.state_name {
        "RUNNING" => 'R',
        "INTERRUPTIBLE" => 'S',
        "UNINTERRUPTIBLE" => 'D',
        "ZOMBIE" => 'Z',
        "STOPPED" => 'T',
        _ => '?',
    }
}

/// One task with its mappings, files, signals and limits.
pub(crate) fn one(out: &mut impl Write, head: &Head, task: &Task) -> Result<()> {
    writeln!(
        out,
        "{HEADING}task {} ({}){HEADING:#}, task_struct at {}",
        task.pid, task.comm, task.addr
    )?;
    let line = |out: &mut dyn Write, name: &str, value: String| -> Result<()> {
        writeln!(out, "  {name:<14} {value}")
    };
    line(
        out,
        "state",
        format!("{} ({})", task.state_name, task.state),
    )?;
    let parent = task
        .ppid
        .map_or_else(|| String::from("none"), |pid| pid.to_string());
    line(
        out,
        "ids",
        format!(
            "tgid {}, parent {parent}, group {}, session {}",
            task.tgid, task.pgrp, task.session
        ),
    )?;
    line(
        out,
        "uid",
        format!("{:?} (real, effective, saved, fs)", task.uid),
    )?;
    line(
        out,
        "gid",
        format!("{:?}, groups {:?}", task.gid, task.groups),
    )?;
    let caps: Vec<_> = task
        .cap
        .iter()
        .map(|(set, bits)| format!("{set} {bits}"))
        .collect();
    line(out, "capabilities", caps.join(", "))?;
    line(
        out,
        "scheduling",
        format!(
            "policy {}, priority {}, nice {}, counter {}, cpus {}",
            task.policy, task.rt_priority, task.nice, task.counter, task.cpus_allowed
        ),
    )?;
    let times: Vec<_> = task
        .times
        .iter()
        .map(|(name, ticks)| format!("{name} {ticks}"))
        .collect();
    line(out, "times (ticks)", times.join(", "))?;
    line(
        out,
        "flags",
        format!("{}, personality {}", task.flags, task.personality),
    )?;
    if let Some(cwd) = &task.cwd {
        let root = task.root.as_deref().unwrap_or("?");
        let umask = task
            .umask
            .as_deref()
            .map_or_else(|| String::from("?"), octal);
        line(
            out,
            "directories",
            format!("cwd {cwd}, root {root}, umask {umask}"),
        )?;
    }
    signals(out, task)?;
    timers(out, task)?;
    limits(out, task)?;
    if let Some(registers) = &task.pt_regs {
        heading(out, "registers")?;
        let all: Vec<_> = registers
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        for row in all.chunks(4) {
            writeln!(out, "  {}", row.join("  "))?;
        }
    }
    if let Some(mm) = &task.mm {
        heading(out, "mappings")?;
        mm.vmas.iter().try_for_each(|vma| mapping(out, vma))?;
    }
    if !task.open_fds.is_empty() {
        heading(out, "files")?;
    }
    for (fd, file) in &task.open_fds {
        writeln!(
            out,
            "  {fd:>4} {:<28} pos {:<8} flags {}{}",
            file.path.as_deref().or(file.kind.as_deref()).unwrap_or("?"),
            file.pos,
            octal(&file.flags),
            if file.close_on_exec {
                ", close-on-exec"
            } else {
                ""
            }
        )?;
    }
    resources(out, head, task)
}

/// An octal number as C writes it.
fn octal(number: &str) -> String {
    number.replace("0o", "0")
}

fn heading(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "{HEADING}{text}{HEADING:#}")
}

fn signals(out: &mut impl Write, task: &Task) -> Result<()> {
    heading(out, "signals")?;
    writeln!(
        out,
        "  blocked {}, pending {}",
        task.blocked.join(" "),
        task.pending.join(" ")
    )?;
    for signal in &task.pending_queue {
        writeln!(
            out,
            "  queued {} (code {}, errno {})",
            signal.signo, signal.code, signal.errno
        )?;
    }
    for (number, action) in &task.sigactions {
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

fn timers(out: &mut impl Write, task: &Task) -> Result<()> {
    let armed: Vec<_> = task
        .it
        .iter()
        .filter(|(_, ticks)| **ticks != 0)
        .map(|(name, ticks)| format!("{name} {ticks}"))
        .collect();
    if armed.is_empty() {
        return Ok(());
    }
    heading(out, "interval timers (ticks)")?;
    writeln!(out, "  {}", armed.join(", "))
}

/// Names of the limits, in the order of `include/asm-i386/resource.h`.
const LIMITS: [&str; 11] = [
    "cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as", "locks",
];

fn limits(out: &mut impl Write, task: &Task) -> Result<()> {
    heading(out, "limits")?;
    // A limit of all ones is none, on either word size.
    let shown = |limit: u64| match limit {
        0xffff_ffff | u64::MAX => String::from("unlimited"),
        limit => limit.to_string(),
    };
    for (index, [soft, hard]) in task.rlim.iter().enumerate() {
        let name = LIMITS.get(index).copied().unwrap_or("?");
        writeln!(out, "  {name:<8} {:>12} {:>12}", shown(*soft), shown(*hard))?;
    }
    Ok(())
}

fn mapping(out: &mut impl Write, vma: &Vma) -> Result<()> {
    let flags = u64::from_str_radix(vma.flags.trim_start_matches("0x"), 16).unwrap_or(0);
    let access: String = [(1, 'r'), (2, 'w'), (4, 'x')]
        .into_iter()
        .map(|(bit, letter)| if flags & bit != 0 { letter } else { '-' })
        .chain([if flags & 8 != 0 { 's' } else { 'p' }])
        .collect();
    writeln!(
        out,
        "  {}-{} {access} {:>5} {:>3} pages  {}",
        vma.start.trim_start_matches("0x"),
        vma.end.trim_start_matches("0x"),
        vma.pgoff,
        vma.present_pages,
        vma.path.as_deref().unwrap_or("")
    )
}

/// Resources that belong to this task and are neither files nor directories.
fn resources(out: &mut impl Write, head: &Head, task: &Task) -> Result<()> {
    let mut first = true;
    for slot in head.slots_of(task.id) {
        let kconv_image::SlotTarget::Resource(id) = slot.target else {
            continue;
        };
        if std::mem::take(&mut first) {
            heading(out, "held outside the image")?;
        }
        let resource = &head.resources[id.0 as usize];
        let attributes: Vec<_> = resource
            .attributes
            .iter()
            .map(|(name, value)| format!("{name} {}", shown(head, value)))
            .collect();
        writeln!(out, "  {}: {}", resource.kind, attributes.join(", "))?;
    }
    Ok(())
}

/// A resource's attribute for people: what it refers to rather than its index.
fn shown(head: &Head, value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Object(id) => {
            let object = head.object(*id);
            format!("{} at {}", head.type_name(object), object.address)
        }
        Value::Resource(id) => {
            let resource = &head.resources[id.0 as usize];
            path_of(resource).unwrap_or_else(|| resource.kind.clone())
        }
        Value::List(values) => {
            let all: Vec<_> = values.iter().map(|value| shown(head, value)).collect();
            format!("[{}]", all.join(", "))
        }
        other => value_json(other).to_string(),
    }
}
