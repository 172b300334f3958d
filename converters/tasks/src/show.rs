//! Tasks as text: the list of them, and what all families show alike.

use crate::style::{FAINT, HEADING};
use crate::values::value_json;
use kconv_image::{Clocks, Head, ObjectId, Value};
use kconv_resources::any;
use std::io::{Result, Write};
use std::time::{Duration, UNIX_EPOCH};

/// The end of the year 9999, in seconds since 1970.
const LAST_SECOND: u64 = 253_402_300_799;

/// A task as `ps` would list it. Sizes are in KiB.
pub(crate) struct Row {
    pub(crate) pid: i64,
    pub(crate) ppid: i64,
    pub(crate) pgrp: i64,
    pub(crate) session: i64,
    pub(crate) uid: u64,
    pub(crate) state: char,
    pub(crate) rt_priority: u64,
    pub(crate) nice: i64,
    pub(crate) size: u64,
    pub(crate) resident: u64,
    pub(crate) files: usize,
    pub(crate) command: String,
}

/// What the image is, then its tasks as ps would list them.
pub(crate) fn list(out: &mut impl Write, head: &Head, rows: &[Row]) -> Result<()> {
    let identity = &head.identity;
    write!(out, "{HEADING}{}{HEADING:#}", identity.kernel.release)?;
    write!(out, " ({}, {})", identity.family, identity.machine.name())?;
    if !identity.is_at_origin() {
        write!(out, ", frozen on {}", identity.origin.release)?;
    }
    let pages = head.pages();
    writeln!(
        out,
        ": {} tasks, {} objects, {pages} pages, {} resources",
        rows.len(),
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
    for row in rows {
        writeln!(
            out,
            "{:>5} {:>5} {:>5} {:>5} {:>6} {:<2} {:>3} {:>4} {:>8} {:>7} {:>4}  {}",
            row.pid,
            row.ppid,
            row.pgrp,
            row.session,
            row.uid,
            row.state,
            row.rt_priority,
            row.nice,
            row.size,
            row.resident,
            row.files,
            row.command
        )?;
    }
    Ok(())
}

/// The moment of the freeze, in UTC, to the millisecond.
fn moment(clocks: &Clocks) -> String {
    let seconds = u64::try_from(clocks.realtime_seconds).ok();
    // An image may say anything; years of more than four digits have no form in RFC 3339.
    let moment = seconds
        .filter(|seconds| *seconds <= LAST_SECOND)
        .map(|seconds| {
            let since = Duration::new(seconds, clocks.realtime_nanoseconds.min(999_999_999));
            humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
        });
    moment.unwrap_or_else(|| format!("{} s after 1970", clocks.realtime_seconds))
}

/// So many pages, in KiB. An image may claim any number.
pub(super) fn kib(pages: u64) -> u64 {
    pages.saturating_mul(4)
}

/// A line of a task: what it is, and its value.
pub(super) fn line(out: &mut impl Write, name: &str, value: &str) -> Result<()> {
    writeln!(out, "  {name:<14} {value}")
}

/// An octal number as C writes it.
pub(super) fn octal(number: &str) -> String {
    number.replace("0o", "0")
}

/// Text of the tasks, which may have anything in it, for a terminal.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character.is_control() {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

pub(super) fn heading(out: &mut impl Write, text: &str) -> Result<()> {
    writeln!(out, "{HEADING}{text}{HEADING:#}")
}

/// Names of the limits, in the order of `include/uapi/asm-generic/resource.h`; 2.4 has the first
/// eleven.
const LIMITS: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

pub(super) fn limits(out: &mut impl Write, limits: &[[u64; 2]]) -> Result<()> {
    heading(out, "limits")?;
    // A limit of all ones is none, on either word size.
    let shown = |limit: u64| match limit {
        0xffff_ffff | u64::MAX => String::from("unlimited"),
        limit => limit.to_string(),
    };
    for (index, [soft, hard]) in limits.iter().enumerate() {
        let name = LIMITS.get(index).copied().unwrap_or("?");
        writeln!(out, "  {name:<8} {:>12} {:>12}", shown(*soft), shown(*hard))?;
    }
    Ok(())
}

/// Resources that belong to this task and are neither files nor directories.
pub(super) fn resources(out: &mut impl Write, head: &Head, task: ObjectId) -> Result<()> {
    let mut first = true;
    for slot in head.slots_of(task) {
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
            any::name(resource).to_owned()
        }
        Value::List(values) => {
            let all: Vec<_> = values.iter().map(|value| shown(head, value)).collect();
            format!("[{}]", all.join(", "))
        }
        other => value_json(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{moment, printable};
    use kconv_image::Clocks;

    #[test]
    fn a_name_cannot_write_to_the_terminal() {
        assert_eq!(
            printable("a b\u{1b}[2J\nc\u{e4}"),
            "a b\\u{1b}[2J\\nc\u{e4}"
        );
    }

    #[test]
    fn a_moment_is_told_whatever_the_image_says() {
        let at = |realtime_seconds, realtime_nanoseconds| {
            moment(&Clocks {
                hz: 100,
                jiffies: 0,
                realtime_seconds,
                realtime_nanoseconds,
                boottime_nanoseconds: 0,
            })
        };
        assert_eq!(at(1_764_009_110, 690_000_000), "2025-11-24T18:31:50.690Z");
        assert_eq!(at(0, 0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(253_402_300_799, u32::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(at(253_402_300_800, 0), "253402300800 s after 1970");
        assert_eq!(at(-1, 0), "-1 s after 1970");
    }
}
