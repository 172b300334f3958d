//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use kconv_image::Holes;
use kconv_thaw::{Choice, ClockRule};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  kconv 2.4.36 2.4.37 tasks.img             carry the tasks in tasks.img to 2.4.37
  kconv 2.4.36 2.4.37-smp tasks.img -o out  the same, to an smp kernel
  kconv preflight tasks.img 2.4.37          would that work?
  kconv inspect tasks.img                   the tasks in the image, as ps would list them

Exit codes:
  0  done, nothing to report
  1  findings: a value that cannot be carried, an image that is damaged
  2  wrong usage, or input that cannot be read
  3  a fault of kconv itself: please report it";

/// Carries the saved state of frozen tasks from one Linux kernel to the next
#[derive(Parser)]
#[command(
    name = "kconv",
    version,
    after_help = EXAMPLES,
    subcommand_negates_reqs = true,
    override_usage = "kconv FROM TO IMAGE [-o OUT]\n       kconv COMMAND …"
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) convert: Convert,

    #[command(flatten)]
    pub(crate) colour: Colour,

    #[command(flatten)]
    pub(crate) config: Config,
}

/// Where keys and policy are.
#[derive(Args)]
pub(crate) struct Config {
    /// The folder with the machine's key, trusted keys and the policy [default: /etc/kconv]
    #[arg(id = "config", long, global = true, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

/// How much of an image has to be there.
#[derive(Args)]
pub(crate) struct Sparse {
    /// Take an image that is mostly holes, however long it says that it is
    #[arg(long = "sparse")]
    any: bool,
}

impl Sparse {
    /// Whether it may be mostly holes.
    pub(crate) fn holes(&self) -> Holes {
        match self.any {
            true => Holes::Any,
            false => Holes::Few,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what is in an image
    Inspect(Inspect),
    /// Check that images are whole and mean what they say, and tell who signed them
    Verify(Verify),
    /// Show which releases are known
    List(List),
    /// Show by which converters one release leads to another
    Path(Route),
    /// Say what becomes of a field between two releases, and why
    Explain(Explain),
    /// Convert in memory and report, without writing: the question to ask before a reboot
    Preflight(Preflight),
    /// Say what kconv can do on this machine: freeze, thaw, go over into another kernel
    Check,
    /// Save the state of tasks in an image
    Freeze(Freeze),
    /// Make the tasks of an image, which is of the running kernel, and let them run on
    Thaw(Thaw),
    /// Freeze tasks, convert them to another kernel, and start that kernel, which thaws them
    Upgrade(Upgrade),
    /// Say which upgrades were begun on this machine, and how far each came
    Status(Status),
    /// Thaw what upgrades froze and no thaw has brought back yet
    Retry(Retry),
    /// Throw away what upgrades froze, with the images
    Forget(Forget),
    /// Leave their numbers to the tasks that wait for their thaw, and have their services wait: early in a boot
    Reserve(Reserve),
    /// What systemd runs for a service that is thawed
    #[command(subcommand, hide = true)]
    Unit(Unit),
    /// Make this machine's own key, with which it signs what it freezes and converts
    Keygen,
    /// Sign an image
    Sign(Sign),
}

/// `kconv FROM TO IMAGE`
#[derive(Args)]
pub(crate) struct Convert {
    /// The release the image is of, such as 2.4.36; without a flavour, the image's own
    #[arg(required = true)]
    pub(crate) from: Option<String>,
    /// The release to convert to, such as 2.4.37 or 2.4.37-smp
    #[arg(required = true)]
    pub(crate) to: Option<String>,
    /// The image; it is never changed
    #[arg(required = true)]
    pub(crate) image: Option<PathBuf>,
    /// Take the image although no key that is trusted here signed it
    #[arg(long)]
    pub(crate) trust_file: bool,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// Where to write the result [default: beside the image, with the release in its name]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Convert by this plan, which `kconv-gen plan FROM TO -o FILE` wrote, and not by a converter of this program
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Write what is not carried, and what was done, as JSON; also if the command refuses
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The image
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// One task, with its mappings, files, signals and limits
    #[arg(long, value_name = "PID", conflicts_with_all = ["ty", "object"])]
    pub(crate) task: Option<i32>,
    /// The raw fields of every object of a type
    #[arg(long = "type", value_name = "TYPE", conflicts_with = "object")]
    pub(crate) ty: Option<String>,
    /// The raw fields of the object at, or around, a kernel address
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) object: Option<u64>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// The images
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// Print what is found of each as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Sign {
    /// The image
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// The private key: one of ssh, ed25519 and without a passphrase, or one of OpenPGP [default: this machine's]
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Name the signatures after this file, which is where the image is to be: OUT.sig, OUT.asc
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct List {
    /// Those of this name, version or series alone, such as 6.12
    #[arg(value_name = "RELEASE")]
    pub(crate) query: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Route {
    /// The release to start from
    pub(crate) from: String,
    /// The release to arrive at
    pub(crate) to: String,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Explain {
    /// The field, such as task_struct.scm_work_list
    #[arg(value_name = "TYPE.FIELD")]
    pub(crate) field: String,
    #[command(flatten)]
    pub(crate) route: Route,
}

#[derive(Args)]
pub(crate) struct Preflight {
    /// The image
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// The release to convert to
    pub(crate) to: String,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

/// How findings are printed.
#[derive(Copy, Clone, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// The report or the findings as JSON
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

#[derive(Args)]
pub(crate) struct Freeze {
    /// The processes to freeze, with all their threads; of a --dump all, if none are named
    #[arg(
        value_name = "PID",
        required_unless_present_any = ["dump", "cgroup"],
        conflicts_with = "cgroup",
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    pub(crate) pids: Vec<i32>,
    /// Take them from a dump of the whole machine: an ELF vmcore, or one that is compressed (kdump)
    #[arg(long, value_name = "FILE", conflicts_with = "dump")]
    pub(crate) core: Option<PathBuf>,
    /// Freeze their descendants as well
    #[arg(long, conflicts_with_all = ["dump", "core"])]
    pub(crate) tree: bool,
    /// Freeze all processes of a cgroup v2, with its freezer
    #[arg(long, value_name = "PATH", conflicts_with_all = ["dump", "core", "tree"])]
    pub(crate) cgroup: Option<PathBuf>,
    /// Let the processes run on afterwards, which they do unless they are to be killed
    #[arg(long, conflicts_with_all = ["dump", "core"])]
    pub(crate) leave_running: bool,
    /// Kill the processes once the image is safe on disk
    #[arg(long, conflicts_with_all = ["dump", "core", "leave_running"])]
    pub(crate) kill: bool,
    /// Kill them although this machine, as it is now, lacks something for a thaw
    #[arg(long, requires = "kill")]
    pub(crate) anyway: bool,
    /// Keep the programs, libraries and other files that are mapped in the image: a thaw then takes those that are
    /// not there any more as they were from it
    #[arg(long, conflicts_with_all = ["dump", "core"])]
    pub(crate) with_programs: bool,
    /// Take the tasks from a memory dump: the folder with its index.json
    #[arg(long, value_name = "DIR")]
    pub(crate) dump: Option<PathBuf>,
    /// The release that was running [default: the one the dump says it is of]
    #[arg(long, value_name = "RELEASE", requires = "dump")]
    pub(crate) release: Option<String>,
    /// The System.map of the kernel that was running, if it is not in the dump's folder
    #[arg(long, value_name = "FILE", requires = "dump")]
    pub(crate) symbols: Option<PathBuf>,
    /// Sign the image with this machine's key, which is done if there is one
    #[arg(long, conflicts_with = "no_sign")]
    pub(crate) sign: bool,
    /// Do not sign the image
    #[arg(long)]
    pub(crate) no_sign: bool,
    /// Where to write the image
    #[arg(short, long, value_name = "IMAGE")]
    pub(crate) output: PathBuf,
    /// Write what is not carried, and what was done, as JSON; also if the command refuses
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Say all of it: what is in the image by kind, and each thing that is not as it was
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Thaw {
    /// The image
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) sparse: Sparse,
    /// Make only these processes, with all their threads
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        conflicts_with = "except",
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    only: Vec<i32>,
    /// Make all processes but these
    #[arg(
        long,
        value_name = "PID",
        value_delimiter = ',',
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    except: Vec<i32>,
    #[command(flatten)]
    pub(crate) clocks: Clocks,
    /// Thaw the image although neither a key that is trusted here signed it, nor root alone could have written it
    #[arg(long)]
    pub(crate) trust_file: bool,
    /// Make processes again that were thawed from this image before
    #[arg(long)]
    pub(crate) again: bool,
    /// Check that all is there that the tasks need, and make nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what is not carried, and what was done, as JSON; also if the command refuses
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Say all of it: what is in the image by kind, and each thing that is not as it was
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// The clocks of thawed tasks.
#[derive(Args)]
pub(crate) struct Clocks {
    /// What CLOCK_MONOTONIC and CLOCK_BOOTTIME of the tasks read
    #[arg(long, value_enum, value_name = "RULE", default_value_t = ThawClocks::Suspended)]
    clocks: ThawClocks,
    /// The same as --clocks machine
    #[arg(long, conflicts_with = "clocks")]
    no_time_namespace: bool,
}

/// What the clocks of thawed tasks read.
#[derive(Copy, Clone, ValueEnum)]
enum ThawClocks {
    /// CLOCK_MONOTONIC goes on where it was, and CLOCK_BOOTTIME counts the time between freeze and
    /// thaw, as if the machine had been suspended
    Suspended,
    /// Both go on where they were
    Stopped,
    /// Those of this machine, in no time namespace; calls that wait are corrected
    Machine,
}

impl Thaw {
    /// The processes that are made.
    pub(crate) fn choice(&self) -> Choice {
        let pids = |of: &[i32]| of.iter().copied().collect();
        match (self.only.as_slice(), self.except.as_slice()) {
            ([], []) => Choice::All,
            ([], except) => Choice::Except(pids(except)),
            (only, _) => Choice::Only(pids(only)),
        }
    }
}

impl Clocks {
    /// The rule for the clocks of the tasks.
    pub(crate) fn rule(&self) -> ClockRule {
        match self.clocks {
            _ if self.no_time_namespace => ClockRule::Machine,
            clocks => clocks.rule(),
        }
    }

    /// What the rule is called.
    pub(crate) fn name(&self) -> String {
        let clocks = match self.no_time_namespace {
            true => ThawClocks::Machine,
            false => self.clocks,
        };
        let value = clocks.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// The rule of that name; what is usual if there is none.
    pub(crate) fn named(name: &str) -> ClockRule {
        let clocks = ThawClocks::from_str(name, false);
        clocks.unwrap_or(ThawClocks::Suspended).rule()
    }
}

impl ThawClocks {
    fn rule(self) -> ClockRule {
        match self {
            ThawClocks::Suspended => ClockRule::Suspended,
            ThawClocks::Stopped => ClockRule::Stopped,
            ThawClocks::Machine => ClockRule::Machine,
        }
    }
}

#[derive(Args)]
pub(crate) struct Upgrade {
    /// The processes to carry over, with all their threads; a service of systemd as that service
    #[arg(
        value_name = "PID",
        required_unless_present_any = ["unit", "slice"],
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    pub(crate) pids: Vec<i32>,
    /// Carry their descendants over as well
    #[arg(long)]
    pub(crate) tree: bool,
    /// Carry a service of systemd over, such as redis.service
    #[arg(long, value_name = "NAME")]
    pub(crate) unit: Vec<String>,
    /// Carry over all that runs in a slice of systemd, such as batch.slice
    #[arg(long, value_name = "NAME")]
    pub(crate) slice: Vec<String>,
    /// Carry processes of services over as no more than that: they go on in a scope
    #[arg(long, conflicts_with_all = ["unit", "slice"])]
    pub(crate) no_units: bool,
    /// What becomes of a service whose thaw is refused
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Refused::Wait)]
    pub(crate) if_refused: Refused,
    /// Keep the programs, libraries and other files that are mapped in the image: a thaw then takes those that are
    /// not there any more as they were from it
    #[arg(long)]
    pub(crate) with_programs: bool,
    /// The kernel to start, such as /boot/vmlinuz-6.12.117+deb12-amd64
    #[arg(long, value_name = "VMLINUZ")]
    pub(crate) kernel: PathBuf,
    /// Its initial file system, such as /boot/initrd.img-6.12.117+deb12-amd64
    #[arg(long, value_name = "INITRD")]
    pub(crate) initrd: PathBuf,
    /// Its command line [default: that of the running kernel]
    #[arg(long, value_name = "TEXT")]
    pub(crate) command_line: Option<String>,
    /// How the next kernel is started
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Start::Kexec)]
    pub(crate) start: Start,
    #[command(flatten)]
    pub(crate) queue: QueueFolder,
    /// Try everything but the last step: the tasks run on, and nothing is left behind
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what is not carried, and what was done, as JSON; also if the command refuses
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Say all of it: what is in the image by kind, and each thing that is not as it was
    #[arg(short, long, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How the next kernel is started.
#[derive(Copy, Clone, PartialEq, Eq, ValueEnum)]
pub(crate) enum Start {
    /// At once, without firmware and boot loader
    Kexec,
    /// By a reboot, whose boot loader has to choose it
    Reboot,
    /// Not by kconv
    None,
}

/// What becomes of a service whose thaw is refused.
#[derive(Copy, Clone, ValueEnum)]
pub(crate) enum Refused {
    /// It has failed, and waits in the queue
    Wait,
    /// It is started afresh, and its images are kept
    Fresh,
}

/// Where what upgrades froze waits for its thaw.
#[derive(Args)]
pub(crate) struct QueueFolder {
    /// Where upgrades leave what the next kernel thaws; on a disk that is there then
    #[arg(id = "queue", long, value_name = "FOLDER", default_value = kconv_queue::FOLDER)]
    pub(crate) folder: PathBuf,
}

#[derive(Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) queue: QueueFolder,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// Those to thaw, by the numbers that `kconv status` shows [default: all that wait]
    #[arg(value_name = "UPGRADE")]
    pub(crate) upgrades: Vec<String>,
    #[command(flatten)]
    pub(crate) queue: QueueFolder,
    #[command(flatten)]
    pub(crate) clocks: Clocks,
    /// Make processes again that were thawed before
    #[arg(long)]
    pub(crate) again: bool,
    /// Have services of systemd started, and do not wait for that
    #[arg(long)]
    pub(crate) no_block: bool,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// `kconv unit`
#[derive(Subcommand)]
pub(crate) enum Unit {
    /// Thaw the service of an upgrade, as its only command
    Thaw(OneUpgrade),
    /// Let it go on under its own settings, now that it has been started
    Settle(OneUpgrade),
}

#[derive(Args)]
pub(crate) struct OneUpgrade {
    /// Which, by the number that `kconv status` shows
    #[arg(value_name = "UPGRADE")]
    pub(crate) upgrade: String,
}

#[derive(Args)]
pub(crate) struct Forget {
    /// Which, by the numbers that `kconv status` shows
    #[arg(value_name = "UPGRADE", required = true)]
    pub(crate) upgrades: Vec<String>,
    #[command(flatten)]
    pub(crate) queue: QueueFolder,
}

#[derive(Args)]
pub(crate) struct Reserve {
    #[command(flatten)]
    pub(crate) queue: QueueFolder,
    /// Say nothing unless something is wrong
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// When to print in colour.
#[derive(Args)]
pub(crate) struct Colour {
    /// When to use colours; NO_COLOR and CLICOLOR are heeded
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = When::Auto)]
    color: When,
}

#[derive(Copy, Clone, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

impl Colour {
    pub(crate) fn write_global(&self) {
        match self.color {
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

fn address(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16).map_err(|_| {
        format!("`{text}` is not an address; write it in hexadecimal, such as 0xc10a6000")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::*;
    use clap::CommandFactory;
    use std::path::Path;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// An option of all commands and one of some are two, whatever both are called in here.
    #[test]
    fn the_queue_is_not_the_folder_of_the_keys() {
        for words in ["kconv status --queue q", "kconv retry 3 --queue q"] {
            let Ok(parsed) = Arguments::try_parse_from(words.split(' ')) else {
                panic!("{words}");
            };
            assert_eq!(parsed.config.folder, None, "{words}");
            let queue = match parsed.command {
                Some(Command::Status(status)) => status.queue,
                Some(Command::Retry(retry)) => retry.queue,
                _ => panic!("{words}"),
            };
            assert_eq!(queue.folder, Path::new("q"), "{words}");
        }
    }

    #[test]
    fn tasks_are_chosen_out_of_a_dump() {
        let parsed = |words: &str| Arguments::try_parse_from(words.split(' '));
        let words = "kconv freeze --dump d --symbols System.map 7 21 -o i";
        let Ok(Arguments {
            command: Some(Command::Freeze(freeze)),
            ..
        }) = parsed(words)
        else {
            panic!("{words}");
        };
        assert_eq!(freeze.pids, [7, 21]);
        assert!(parsed("kconv freeze --dump d -o i").is_ok());
        for wrong in [
            "kconv freeze -o i",
            "kconv freeze --core c -o i",
            "kconv freeze --cgroup c 7 -o i",
            "kconv freeze 7 --symbols m -o i",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processes_are_chosen_out_of_an_image() {
        let choice = |words: &str| {
            let parsed = Arguments::try_parse_from(words.split(' '));
            match parsed.map(|arguments| arguments.command) {
                Ok(Some(Command::Thaw(thaw))) => Some(thaw.choice()),
                _ => None,
            }
        };
        let set = |pids: &[i32]| pids.iter().copied().collect();
        for (words, expected) in [
            ("kconv thaw i", Choice::All),
            ("kconv thaw --only 7 i", Choice::Only(set(&[7]))),
            (
                "kconv thaw i --except 7,9 --except 8",
                Choice::Except(set(&[7, 8, 9])),
            ),
        ] {
            assert_eq!(choice(words), Some(expected), "{words}");
        }
        for wrong in ["kconv thaw --only 7 --except 8 i", "kconv thaw --only 0 i"] {
            assert_eq!(choice(wrong), None, "{wrong}");
        }
    }

    /// As a record of the queue has it.
    #[test]
    fn a_rule_of_clocks_is_named_and_found_by_its_name() {
        let retry = |words: &str| {
            let parsed = Arguments::try_parse_from(words.split(' '));
            match parsed.map(|arguments| arguments.command) {
                Ok(Some(Command::Retry(retry))) => retry.clocks,
                _ => panic!("{words}"),
            }
        };
        for (words, name, rule) in [
            ("kconv retry", "suspended", ClockRule::Suspended),
            (
                "kconv retry --clocks stopped",
                "stopped",
                ClockRule::Stopped,
            ),
            (
                "kconv retry --no-time-namespace",
                "machine",
                ClockRule::Machine,
            ),
        ] {
            let clocks = retry(words);
            assert_eq!((clocks.name().as_str(), clocks.rule()), (name, rule));
            assert_eq!(Clocks::named(name), rule);
        }
        assert_eq!(Clocks::named("of another kconv"), ClockRule::Suspended);
    }

    #[test]
    fn addresses_are_hexadecimal_with_or_without_a_prefix() {
        assert_eq!(address("0xc10a6000"), Ok(0xc10a_6000));
        assert_eq!(address("c10a6000"), Ok(0xc10a_6000));
        assert!(address("task 7").is_err());
    }
}
