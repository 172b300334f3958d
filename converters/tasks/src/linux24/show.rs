//! A task of a 2.4 kernel as text.

use super::{Task, Vma};
use crate::show::{Row, heading, kib, limits, line, octal, resources};
use crate::style::HEADING;
use kconv_image::Head;
use std::io::{Result, Write};

/// A line of the list of tasks.
pub(crate) fn row(task: &Task) -> Row {
    let (size, resident) = match &task.mm {
        Some(mm) => (kib(mm.counts["total_vm"]), kib(mm.counts["rss"])),
        None => (0, 0),
    };
    Row {
        pid: task.pid,
        ppid: task.ppid.unwrap_or(0),
        pgrp: task.pgrp,
        session: task.session,
        uid: task.uid[0],
        state: letter(task),
        rt_priority: task.rt_priority,
        nice: task.nice,
        size,
        resident,
        files: task.open_fds.len(),
        // Kernel threads have no memory of their own; ps writes them in brackets.
        command: if task.mm.is_some() || task.state == 4 {
            task.comm.clone()
        } else {
            format!("[{}]", task.comm)
        },
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
    line(
        out,
        "state",
        &format!("{} ({})", task.state_name, task.state),
    )?;
    let parent = task
        .ppid
        .map_or_else(|| String::from("none"), |pid| pid.to_string());
    line(
        out,
        "ids",
        &format!(
            "tgid {}, parent {parent}, group {}, session {}",
            task.tgid, task.pgrp, task.session
        ),
    )?;
    line(
        out,
        "uid",
        &format!("{:?} (real, effective, saved, fs)", task.uid),
    )?;
    line(
        out,
        "gid",
        &format!("{:?}, groups {:?}", task.gid, task.groups),
    )?;
    let caps: Vec<_> = task
        .cap
        .iter()
        .map(|(set, bits)| format!("{set} {bits}"))
        .collect();
    line(out, "capabilities", &caps.join(", "))?;
    line(
        out,
        "scheduling",
        &format!(
            "policy {}, priority {}, nice {}, counter {}, cpus {}",
            task.policy, task.rt_priority, task.nice, task.counter, task.cpus_allowed
        ),
    )?;
    let times: Vec<_> = task
        .times
        .iter()
        .map(|(name, ticks)| format!("{name} {ticks}"))
        .collect();
    line(out, "times (ticks)", &times.join(", "))?;
    line(
        out,
        "flags",
        &format!("{}, personality {}", task.flags, task.personality),
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
            &format!("cwd {cwd}, root {root}, umask {umask}"),
        )?;
    }
    signals(out, task)?;
    timers(out, task)?;
    limits(out, &task.rlim)?;
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
    resources(out, head, task.id)
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
