//! The page of the book that says what came of a call.

use crate::machine::Machine;
use crate::pairs::Pair;
use crate::statistics::Spread;
use crate::suite::{
    CONVERSION_CPU, CONVERSION_WALL, Figures, Goal, LINEAR, MEMORY, Measured, VERIFICATION_WALL,
};
use std::fmt::{self, Write};
use std::time::Duration;

/// How it came about.
pub struct Call {
    /// The command that was given.
    pub command: String,
    /// The day, as `2026-01-31`.
    pub date: String,
    /// What it was measured on.
    pub machine: Machine,
    /// How many pairs of runs were made of each.
    pub pairs: usize,
}

/// Writes the page.
///
/// # Errors
/// What `out` fails with; a string never does.
pub fn write(out: &mut impl Write, call: &Call, figures: &Figures) -> fmt::Result {
    writeln!(out, "<!-- Written by `{}`; not by hand. -->", call.command)?;
    writeln!(out, "\n# Figures\n")?;
    writeln!(
        out,
        "What kconv takes for images of any number of tasks, each time beside a program that does as little as can be \
         done with the\nsame bytes: whole processes, from their start to their end, in turn. Each row is of {} pairs of \
         runs, after one that does not\ncount. A ratio is the median of those of the pairs, with the least and the \
         greatest behind it; times are medians, CPU time\nis that of all CPUs, in the program and in the kernel; memory \
         is the most that the process had at once in any run\n(`ru_maxrss`). Files that are read are in memory before, \
         and what is written is on disk when a command ends.\n",
        call.pairs
    )?;
    writeln!(
        out,
        "The images are made: of 2.4 the real image of the tests, repeated; of Linux 6 processes that the tests make, \
         repeated.\nA task of these has a page for each of a dozen mappings.\n"
    )?;
    writeln!(out, "```console\n$ {}\n```\n", call.command)?;
    writeln!(out, "{}, on {}.", call.date, call.machine)?;
    writeln!(out, "{}.\n", figures.versions.join("; "))?;
    writeln!(
        out,
        "To be reached: a conversion takes {CONVERSION_WALL} times what the copy takes, and {CONVERSION_CPU} times its \
         CPU time; `kconv verify` {VERIFICATION_WALL} times\nwhat `b3sum` takes; each has {} MiB of memory beyond the \
         length of the image, whatever that is; a task of the largest image\ntakes {LINEAR} times what one of the \
         smallest takes, of CPU time.\n",
        MEMORY >> 20
    )?;
    table(out, &figures.measured)?;
    let growth = figures.growth();
    if !growth.is_empty() {
        writeln!(out, "\nFrom the smallest image to the largest:\n")?;
        for Goal { said, reached } in &growth {
            let verdict = if *reached { "" } else { ", **not reached**" };
            writeln!(out, "- {said}{verdict}")?;
        }
    }
    if !figures.skipped.is_empty() {
        writeln!(out, "\nNot measured:\n")?;
        for skipped in &figures.skipped {
            writeln!(out, "- {skipped}")?;
        }
    }
    Ok(())
}

fn table(out: &mut impl Write, measured: &[Measured]) -> fmt::Result {
    writeln!(
        out,
        "| | tasks | reads | beside | wall | ratio | CPU | ratio | memory | to be reached |\n|---|--:|--:|---|--:|--:|--:|--:|--:|---|"
    )?;
    for row in measured {
        let tasks = row.tasks.map_or_else(String::new, grouped);
        let goals = row.goals();
        let missed: Vec<&str> = goals
            .iter()
            .filter(|goal| !goal.reached)
            .map(|goal| goal.said.as_str())
            .collect();
        let verdict = match (goals.is_empty(), missed.is_empty()) {
            (true, _) => String::new(),
            (_, true) => String::from("reached"),
            (_, false) => format!("**not reached**: {}", missed.join("; ")),
        };
        writeln!(
            out,
            "| {}, {} | {tasks} | {} | {} | {} | {} | {} | {} | {} | {verdict} |",
            row.work.name(),
            row.of,
            length(row.bytes),
            row.peer,
            times(&row.pairs, |pair| [pair.own.wall, pair.peer.wall]),
            ratio(row.wall()),
            times(&row.pairs, |pair| [pair.own.cpu, pair.peer.cpu]),
            ratio(row.cpu()),
            length(row.peak()),
        )?;
    }
    Ok(())
}

/// The medians of both sides.
fn times(pairs: &[Pair], of: impl Fn(&Pair) -> [Duration; 2]) -> String {
    let median = |side: usize| {
        let times = pairs.iter().map(|pair| of(pair)[side].as_secs_f64());
        Spread::of(times).map_or_else(String::new, |spread| seconds(spread.median))
    };
    format!("{} : {}", median(0), median(1))
}

fn ratio(spread: Option<Spread>) -> String {
    let Some(spread) = spread else {
        return String::new();
    };
    let Spread {
        least,
        median,
        greatest,
    } = spread;
    format!("{median:.2} ({least:.2} to {greatest:.2})")
}

/// `12.3 ms`, `1.23 s`
fn seconds(seconds: f64) -> String {
    match seconds {
        short if short < 1.0 => format!("{:.1} ms", short * 1e3),
        long => format!("{long:.2} s"),
    }
}

/// `93 KiB`, `12 MiB`; two digits at least.
fn length(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes >> shift >= 10);
    match unit {
        Some((shift, name)) => format!("{} {name}", bytes >> shift),
        None => format!("{bytes} B"),
    }
}

/// `100,000`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::once::Usage;
    use crate::suite::Work;

    fn usage(wall: u64, cpu: u64, peak: u64) -> Usage {
        Usage {
            wall: Duration::from_millis(wall),
            cpu: Duration::from_millis(cpu),
            peak,
        }
    }

    fn row(work: Work, tasks: u64, own: Usage) -> Measured {
        Measured {
            work,
            of: String::from("a to b"),
            tasks: Some(tasks),
            bytes: 100 << 20,
            peer: "`cp`",
            pairs: vec![
                Pair {
                    own,
                    peer: usage(1000, 100, 1 << 20),
                };
                3
            ],
        }
    }

    fn page(figures: &Figures) -> String {
        let call = Call {
            command: String::from("measure"),
            date: String::from("2026-01-31"),
            machine: Machine {
                cpu: String::from("a CPU"),
                cpus: 2,
                memory: 8 << 30,
                kernel: String::from("6.12"),
                file_system: String::from("ext4"),
                load: String::from("0.50"),
            },
            pairs: 3,
        };
        let mut text = String::new();
        write(&mut text, &call, figures).unwrap();
        text
    }

    #[test]
    fn a_row_says_what_is_not_reached_and_no_more() {
        let figures = Figures {
            measured: vec![
                row(Work::Conversion, 1000, usage(1500, 300, 164 << 20)),
                row(Work::Conversion, 10_000, usage(1500, 400, 165 << 20)),
                row(Work::Verification, 1000, usage(1400, 900, 1)),
                row(Work::Difference, 1000, usage(90_000, 900, 1 << 40)),
            ],
            ..Figures::default()
        };
        let page = page(&figures);
        let ends: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| line.trim_end_matches(" |").rsplit("| ").next().unwrap())
            .collect();
        assert_eq!(
            ends,
            [
                "reached",
                "**not reached**: CPU 4.00 of 3.0; memory 65 MiB of 64 beyond the image",
                "**not reached**: wall 1.40 of 1.3",
                "",
            ]
        );
        assert!(page.contains("| 10,000 | 100 MiB | `cp` | 1.50 s : 1.00 s | 1.50 (1.50 to 1.50) | 400.0 ms : 100.0 ms | 4.00 (4.00 to 4.00) | 165 MiB |"), "{page}");
    }

    #[test]
    fn what_a_task_takes_is_told_of_the_smallest_and_the_largest() {
        let figures = Figures {
            measured: vec![
                row(Work::Conversion, 1000, usage(1, 100, 1)),
                row(Work::Conversion, 10_000, usage(1, 5000, 1)),
                row(Work::Conversion, 100_000, usage(1, 12_000, 1)),
                row(Work::Verification, 1000, usage(1, 100, 1)),
            ],
            ..Figures::default()
        };
        let growth = figures.growth();
        assert_eq!(growth.len(), 1, "{growth:?}");
        assert!(growth[0].reached, "{growth:?}");
        assert!(
            growth[0].said.ends_with(
                "120.0 µs of CPU for a task of 100000, 100.0 µs for one of 1000: 1.20 of 1.2"
            ),
            "{growth:?}"
        );
        let mut worse = figures;
        worse.measured[2].pairs[0].own.cpu *= 2;
        worse.measured[2].pairs[1].own.cpu *= 2;
        assert!(!worse.growth()[0].reached);
        assert!(page(&worse).contains("**not reached**"));
    }

    #[test]
    fn what_was_not_measured_is_told() {
        let figures = Figures {
            skipped: vec![String::from("pahole is not installed")],
            ..Figures::default()
        };
        assert!(page(&figures).contains("Not measured:\n\n- pahole is not installed"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [9, 12 << 10, 10 << 30].map(length),
            ["9 B", "12 KiB", "10 GiB"]
        );
        assert_eq!(
            [0, 999, 1000, 1_012_000].map(grouped),
            ["0", "999", "1,000", "1,012,000"]
        );
        assert_eq!([0.0123, 12.345].map(seconds), ["12.3 ms", "12.35 s"]);
    }
}
