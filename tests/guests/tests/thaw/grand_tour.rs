//! The grand tour: trees of processes begin under 5.10, live under each newer series up to the newest kernel and on the
//! whole way back, and come to the results that they have without an interruption. At every stop a program that was
//! frozen at the one before checks its own state from inside.

use super::journeys::{check_state, freeze_state, with_four_levels};
use super::{
    HURRY, LIMIT, Program, convert, ended, freeze, initramfs, machine, mount, number, uninterrupted,
};
use kconv_guests::{Guest, Kernel, Machine};

/// Those who are on the whole way, with work for all stops: a tree, and threads that are nearly always in the code that
/// the kernel gave them.
const TRAVELLERS: [Program; 2] = [
    Program {
        name: "pipeline",
        command: "pipeline 4000",
        tree: true,
    },
    Program {
        name: "clocks",
        command: "clocks 3 100000000",
        tree: false,
    },
];

/// How one comes to the next kernel.
#[derive(Copy, Clone)]
enum Way {
    Kexec,
    ColdBoot,
}

/// The code that the kernels gave the programs, for the clocks above all, lies in as many places by the end.
#[test]
fn the_grand_tour_by_kexec() {
    tour(Way::Kexec);
}

#[test]
#[ignore = "minutes more than a run of all tests has: tests/tour"]
fn the_grand_tour_by_cold_boots() {
    tour(Way::ColdBoot);
}

/// The kernels, there and back.
fn stops() -> Vec<Kernel> {
    let series = [
        Kernel::linux_5_10().unwrap(),
        Some(Kernel::oldest("6.1").unwrap()),
        Some(Kernel::newest("6.12").unwrap()),
        Kernel::linux_7().unwrap(),
    ];
    let there = series.into_iter().flatten();
    let mut stops: Vec<Kernel> = there.collect();
    let back: Vec<Kernel> = stops.iter().rev().skip(1).cloned().collect();
    stops.extend(back);
    stops
}

/// One of them.
struct Traveller {
    program: &'static Program,
    pid: u32,
    /// What it has to come to.
    expected: String,
}

impl Traveller {
    /// Starts a program, and freezes it in its middle.
    fn begin(guest: &mut Guest, program: &'static Program) -> Traveller {
        Traveller {
            program,
            pid: freeze(guest, program),
            expected: uninterrupted(program.command),
        }
    }

    fn thaw(&self, guest: &mut Guest) {
        // Its cgroup is slow, lest it come to its end before the last stop.
        guest
            .run(&format!("kconv thaw /disk/{}.img", self.program.name))
            .unwrap();
    }

    /// Has it run for a moment, and freezes it again.
    fn freeze_again(&self, guest: &mut Guest) {
        let (Program { name, .. }, pid) = (self.program, self.pid);
        let again = format!(
            "sleep 1; rm /disk/{name}.img; \
             kconv freeze --tree --kill {pid} -o /disk/{name}.img && test ! -s /disk/{name}.out"
        );
        let frozen = guest.attempt(&again, LIMIT).unwrap();
        assert_eq!(frozen.code, 0, "{}{}", frozen.stdout, frozen.stderr);
    }
}

fn tour(way: Way) {
    let stops = stops();
    let (machine, _folder) = machine();
    let machine = with_four_levels(machine);
    let mut guest = machine.boot(&stops[0], initramfs()).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);
    let travellers = TRAVELLERS
        .iter()
        .map(|program| Traveller::begin(&mut guest, program));
    let travellers: Vec<Traveller> = travellers.collect();
    for (leg, pair) in stops.windows(2).enumerate() {
        let (from, to) = (&pair[0], &pair[1]);
        // Numbers that the travellers have nowhere.
        number(&mut guest, 21_000 + 100 * leg as u32);
        let state = freeze_state(&mut guest);
        let names = travellers.iter().map(|traveller| traveller.program.name);
        for name in names.chain(["state"]) {
            convert(&mut guest, name, from, to);
        }
        guest.run("umount /disk").unwrap();
        guest = arrive(guest, &machine, way, to);
        mount(&mut guest);
        guest.run("kconv thaw /disk/state.img").unwrap();
        let verdict = check_state(&mut guest, state);
        println!("{} -> {}: {verdict}", from.release, to.release);
        assert!(verdict.starts_with("ok, "), "{verdict}");
        guest
            .run("rm -r /disk/state /disk/state.out /disk/state.img")
            .unwrap();
        for traveller in &travellers {
            traveller.thaw(&mut guest);
        }
        if leg + 2 < stops.len() {
            for traveller in &travellers {
                traveller.freeze_again(&mut guest);
            }
        }
    }
    guest.run(HURRY).unwrap();
    for traveller in &travellers {
        let Traveller {
            program,
            pid,
            expected,
        } = traveller;
        assert_eq!(&ended(&mut guest, program.name, *pid), expected);
    }
    guest.power_off().unwrap();
}

fn arrive(mut guest: Guest, machine: &Machine, way: Way, to: &Kernel) -> Guest {
    match way {
        Way::Kexec => {
            guest.kexec(to, initramfs()).unwrap();
            guest
        }
        Way::ColdBoot => {
            guest.power_off().unwrap();
            machine.boot(to, initramfs()).unwrap()
        }
    }
}
