//! The clocks that begin anew with a machine go on for thawed tasks, and whatever they wait for comes
//! when it should: on the same kernel, and on the next by kexec and after a cold boot, where the machine
//! has not been up for as long as it was, or as a program was made to believe.

use super::mutation::Mutant;
use super::{LIMIT, convert, initramfs, machine, mount, number};
use kconv_guests::{Guest, Kernel, Machine};

/// Programs that wait, and what precedes their commands: a hundred days of uptime.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("young", "", "deadlines"),
    ("old", "late 8640000", "deadlines"),
    ("python", "late 8640000", "python3 /bin/sleeps.py"),
];

/// `pt_regs.orig_ax` of a thread that is not in a call.
const NO_CALL: u64 = u64::MAX;

/// A program that runs, and what is known of it.
struct Waiting {
    name: &'static str,
    pid: u32,
    /// How often it was asked.
    asked: u32,
    /// What its last thaw said.
    said: String,
}

impl Waiting {
    /// Starts a program whose output is no file of its own.
    fn start(guest: &mut Guest, (name, before, command): (&'static str, &str, &str)) -> Waiting {
        let command = format!("exec {before} {command} /disk/{name}.out >/dev/null 2>&1");
        let pid = guest
            .start(&format!("sh -c '{command}'"), "/run/start")
            .unwrap();
        Waiting {
            name,
            pid,
            asked: 0,
            said: String::new(),
        }
    }

    /// Waits until it has waited for everything that it waits for.
    fn ready(&self, guest: &mut Guest) {
        let out = format!("/disk/{}.out", self.name);
        let text = if self.name == "python" {
            "2 on"
        } else {
            "ready"
        };
        guest.says(self.pid, &out, text, LIMIT).unwrap();
    }

    fn freeze(&self, guest: &mut Guest) {
        let Waiting { name, pid, .. } = self;
        let freeze =
            format!("rm -f /disk/{name}.img; kconv freeze --kill {pid} -o /disk/{name}.img");
        println!("{name}: {}", guest.run(&freeze).unwrap());
    }

    /// Freezes it when each of its threads is in a call: a time that one has computed, and is not waiting for yet, is a
    /// number in its memory like any other, and on other clocks it waits for it as long as it says.
    fn freeze_waiting(&self, guest: &mut Guest) {
        let Waiting { name, pid, .. } = self;
        let image = format!("/disk/{name}.img");
        let freeze = format!("rm -f {image}; kconv freeze {pid} -o {image}");
        for _ in 0..20 {
            let said = guest.run(&freeze).unwrap();
            let saved = Mutant::new(guest.get(&image).unwrap());
            let registers = saved.objects("pt_regs");
            let mut calls = registers
                .into_iter()
                .map(|id| saved.get(id, "pt_regs", "orig_ax"));
            if calls.all(|call| call != NO_CALL) {
                println!("{name}: {said}");
                return self.end(guest);
            }
            println!("{name}: a thread does not wait; once more");
        }
        panic!("{name}: some thread never waits");
    }

    /// Thaws it, and gives what kconv says.
    fn thaw(&mut self, guest: &mut Guest, options: &str) -> String {
        let name = self.name;
        let said = guest.run(&format!("kconv thaw -v {options} /disk/{name}.img"));
        self.said = said.unwrap();
        println!("{name}: {}", self.said);
        self.said.clone()
    }

    /// Which timers kconv tells of: those that had missed some when their signal was taken last, and
    /// wait for the next to be taken.
    fn tells_of(&self, said: &str, timers: &[u32]) {
        for timer in 0..3 {
            let text = format!("timer {timer}: timer_getoverrun, which said ");
            let tells = self.name != "python" && timers.contains(&timer);
            assert_eq!(said.contains(&text), tells, "{timer}: {said}");
        }
    }

    /// Has it find out whether everything still comes when it should.
    fn goes_on(&mut self, guest: &mut Guest, signal: &str) {
        let (name, pid) = (self.name, self.pid);
        let out = format!("/disk/{name}.out");
        if name == "python" {
            let lines = guest.run(&format!("wc -l <{out}")).unwrap();
            let lines: u32 = lines.trim().parse().unwrap();
            guest
                .says(pid, &out, &format!("{} on", lines + 2), LIMIT)
                .unwrap();
            let jumps = guest.run(&format!("grep -v ' on$' {out}; true")).unwrap();
            assert_eq!(jumps, "", "{name}");
            return;
        }
        self.asked += 1;
        guest.run(&format!("kill -{signal} {pid}")).unwrap();
        let verdict = format!("verdict {}:", self.asked);
        guest.says(pid, &out, &verdict, LIMIT).unwrap();
        let text = guest.run(&format!("cat {out}")).unwrap();
        println!("{name}: {text}");
        let (_, last) = text.rsplit_once("asked\n").unwrap();
        let counts = last.trim_end().strip_prefix(&format!("{verdict} ok, "));
        let counts = counts.unwrap_or_else(|| panic!("{text}"));
        let counts = counts.strip_suffix(" not counted").unwrap();
        let (least, most) = counts.split_once(" to ").unwrap();
        if signal == "USR1" {
            let range = least.parse().unwrap()..=most.parse::<i64>().unwrap();
            let told = not_counted(&self.said);
            assert!(range.contains(&told), "{told}: {last}");
        }
    }

    fn end(&self, guest: &mut Guest) {
        let pid = self.pid;
        guest
            .run(&format!(
                "kill -9 {pid}; while [ -d /proc/{pid} ]; do usleep 20000; done"
            ))
            .unwrap();
    }
}

/// How many expiries of a timer are said not to be counted any more.
fn not_counted(said: &str) -> i64 {
    const TEXT: &str =
        " expiries from before this machine was booted: not counted by timer_getoverrun";
    let lines = said.lines().filter_map(|line| line.split_once("timer 2: "));
    // The code of what is dropped stands behind it.
    let counts = lines.filter_map(|(_, text)| text.split_once(TEXT));
    counts.map(|(count, _)| count.parse::<i64>().unwrap()).sum()
}

/// A freeze is refused with a text, and changes nothing.
fn refused(guest: &mut Guest, pids: &str, text: &str) {
    let freeze = format!("kconv freeze --kill {pids} -o /disk/refused.img");
    let said = guest.attempt(&freeze, LIMIT).unwrap();
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    guest
        .run(&format!("kill -0 {pids} && test ! -e /disk/refused.img"))
        .unwrap();
}

/// On the machine after the journey: all of them go on.
fn arrive(guest: &mut Guest, waiting: &mut [Waiting]) {
    mount(guest);
    let dropped = ["start times: ", "CPU time used, "];
    for program in &mut *waiting {
        let options = match program.name {
            "python" => "--clocks stopped",
            _ => "",
        };
        let said = program.thaw(guest, options);
        for dropped in dropped {
            assert!(said.contains(&format!("dropped   {dropped}")), "{said}");
        }
        program.tells_of(&said, &[2]);
    }
    for program in &mut *waiting {
        program.goes_on(guest, "USR1");
    }
}

#[test]
fn clocks_go_on_and_waits_end_in_time() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let mut initramfs = initramfs().clone();
    let script = include_bytes!("sleeps.py").to_vec();
    initramfs.file("/bin/sleeps.py", script, 0o644);
    let (machine, folder) = machine();
    let mut guest = machine.boot(&old, &initramfs).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    let mut waiting = PROGRAMS.map(|program| Waiting::start(&mut guest, program));
    for program in &waiting {
        program.ready(&mut guest);
    }
    // On the same kernel, from the clocks of the machine and from those of a namespace.
    for program in &mut waiting {
        program.freeze(&mut guest);
        let said = program.thaw(&mut guest, "");
        program.tells_of(&said, &[1]);
        program.goes_on(&mut guest, "USR1");
    }
    let pids = format!("{} {}", waiting[0].pid, waiting[1].pid);
    refused(
        &mut guest,
        &pids,
        "a time namespace other than that of the first task",
    );
    // And from those of the namespaces that a thaw made, to the next kernel.
    for program in &waiting {
        program.freeze_waiting(&mut guest);
        convert(&mut guest, program.name, &old, &new);
    }
    guest.run("umount /disk").unwrap();
    let disk = folder.path().join("another");
    std::fs::copy(&machine.disks[0], &disk).unwrap();
    let asked = waiting.each_ref().map(|program| program.asked);

    guest.kexec(&new, &initramfs).unwrap();
    arrive(&mut guest, &mut waiting);
    for program in &mut waiting[..2] {
        program.end(&mut guest);
        let said = program.thaw(&mut guest, "--no-time-namespace");
        let dropped = "dropped   CLOCK_MONOTONIC and CLOCK_BOOTTIME: those of this machine";
        assert!(said.contains(dropped), "{said}");
        program.asked = asked[0];
        guest.run(&format!(">/disk/{}.out", program.name)).unwrap();
        program.goes_on(&mut guest, "USR2");
    }
    guest.power_off().unwrap();

    let machine = Machine {
        disks: vec![disk],
        ..machine
    };
    let mut guest = machine.boot(&new, &initramfs).unwrap();
    for (program, asked) in waiting.iter_mut().zip(asked) {
        program.asked = asked;
    }
    let limit = "/proc/sys/user/max_time_namespaces";
    guest
        .run(&format!("mkdir -p /disk && mount -t ext4 /dev/vda /disk; cat {limit} >/run/limit; echo 0 >{limit}"))
        .unwrap();
    let said = guest.attempt("kconv thaw /disk/old.img", LIMIT).unwrap();
    let text = "user.max_time_namespaces: found 0, expected at least 1";
    assert!(
        said.code == 1 && said.stderr.contains(text),
        "{}",
        said.stderr
    );
    guest
        .run(&format!("cat /run/limit >{limit}; umount /disk"))
        .unwrap();
    arrive(&mut guest, &mut waiting);
    guest.power_off().unwrap();
}
