//! What the kernel says of a task in one line (proc_pid_stat(5)).

use std::fs;

/// `PF_KTHREAD` (`include/linux/sched.h`).
const OF_KERNEL: u64 = 0x20_0000;

/// Numbers below it are given once, from the boot on, and not again when all numbers have been given (`kernel/pid.c`:
/// RESERVED_PIDS).
const RESERVED: i32 = 300;

/// What `/proc/PID/stat` says of a task.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct TaskStat {
    /// Letter of its state.
    pub state: u8,
    /// The process that made it, or that has it since that one ended.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// Its controlling terminal, as `new_encode_dev` (`include/linux/kdev_t.h`) puts the number of a device together; 0 if
    /// it has none.
    pub terminal: u32,
    /// `task_struct.flags`.
    pub flags: u64,
    /// When it was started, in clock ticks since the boot.
    pub started: u64,
}

impl TaskStat {
    /// Reads a line of `/proc/PID/stat`: the name in it can have blanks and parentheses. `None` if it is none.
    pub fn parse(line: &str) -> Option<TaskStat> {
        let mut rest = line.rsplit_once(')')?.1.split_ascii_whitespace();
        Some(TaskStat {
            state: *rest.next()?.as_bytes().first()?,
            parent: rest.next()?.parse().ok()?,
            group: rest.next()?.parse().ok()?,
            session: rest.next()?.parse().ok()?,
            // It is printed with its sign (fs/proc/array.c: do_task_stat).
            terminal: rest.next()?.parse::<i32>().ok()? as u32,
            flags: rest.nth(1)?.parse().ok()?,
            started: rest.nth(12)?.parse().ok()?,
        })
    }

    /// That of a task, called as in `/proc`: `17`, `self`, `17/task/18`. `None` if there is none.
    pub fn of(task: &str) -> Option<TaskStat> {
        TaskStat::parse(&fs::read_to_string(format!("/proc/{task}/stat")).ok()?)
    }

    /// Whether it only waits to be waited for.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether it is a thread of the kernel, which has no user mode.
    pub fn is_of_kernel(&self) -> bool {
        self.flags & OF_KERNEL != 0
    }
}

/// The highest number that a thread of the kernel may have before anything can keep it free, as the boot of this
/// machine says, if it can be read in `/proc`.
pub fn highest_of_boot() -> i32 {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let tasks = entries.filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        Some((name.parse().ok()?, TaskStat::of(name)?))
    });
    highest(&tasks.collect::<Vec<_>>())
}

/// That of `tasks`, which are all that there are: those of kernel threads that were there before the first process that still
/// runs. Process 1 is there before any of them.
fn highest(tasks: &[(i32, TaskStat)]) -> i32 {
    let processes = tasks
        .iter()
        .filter(|(number, stat)| *number != 1 && !stat.is_of_kernel());
    let first = processes.map(|(_, stat)| stat.started).min();
    let of_boot = tasks.iter().filter(|(_, stat)| {
        stat.is_of_kernel() && first.is_some_and(|first| stat.started <= first)
    });
    let numbers = of_boot.map(|(number, _)| *number);
    numbers.fold(RESERVED - 1, i32::max)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_can_have_parentheses_and_blanks() {
        let stat = TaskStat::parse(
            "17 (a) S 1) T 4 17 18 1025 -1 4194560 99 0 0 0 5 6 0 0 20 0 1 0 1234 2400256 300\n",
        );
        assert_eq!(
            stat,
            Some(TaskStat {
                state: b'T',
                parent: 4,
                group: 17,
                session: 18,
                terminal: 1025,
                flags: 4_194_560,
                started: 1234,
            })
        );
        let far = "18 (sh) S 17 18 18 -2147448831 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 9 0 0";
        let far = TaskStat::parse(far).unwrap();
        assert_eq!(far.terminal, 0x8000_8801);
        assert_eq!(TaskStat::parse("17 (sh"), None);
        assert_eq!(TaskStat::parse("17 (sh) S"), None);
    }

    #[test]
    fn a_running_task_has_what_the_kernel_says_otherwise() {
        let own = TaskStat::of("self").unwrap();
        assert!(!own.is_of_kernel() && !own.has_ended());
        assert_eq!(own.parent as u32, std::os::unix::process::parent_id());
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        // 100 ticks a second (USER_HZ), on all that Linux runs on but two.
        assert!((own.started as f64 / 100.0) <= seconds + 1.0);
    }

    #[test]
    fn numbers_of_a_boot_are_those_of_threads_older_than_all_processes() {
        let task = |number, flags, started| {
            let stat = TaskStat {
                state: b'S',
                parent: 2,
                group: 0,
                session: 0,
                terminal: 0,
                flags,
                started,
            };
            (number, stat)
        };
        let init = task(1, 0, 2);
        // A machine of few CPUs has fewer threads than the kernel keeps numbers for.
        let small = [init, task(120, OF_KERNEL, 90), task(140, 0, 100)];
        assert_eq!(highest(&small), 299);
        let large = [
            init,
            task(2, OF_KERNEL, 2),
            task(900, OF_KERNEL | 0x40, 300),
            task(901, 0, 300),
            // It came later, and the number was free when the processes were.
            task(1500, OF_KERNEL, 301),
            task(2000, 0, 400),
        ];
        assert_eq!(highest(&large), 900);
        assert_eq!(highest(&large[..3]), 299);
    }
}
