//! A service that runs, and whether it can be carried as itself.

use crate::error::UnitError;
use crate::owner::{Owner, owner_of};
use crate::systemd::{Properties, Systemd, boot_id};
use kconv_codes::Code;
use kconv_machine::cgroup_root;
use kconv_queue::{IfRefused, Unit, UnitFile};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where settings of units lie that are for this boot alone, and are made by nobody in the next one. (What generators
/// write is made in each.)
const OF_THIS_BOOT: [&str; 4] = [
    "/run/systemd/system",
    "/run/systemd/system.attached",
    "/run/systemd/system.control",
    "/run/systemd/transient",
];

const PROPERTIES: [&str; 13] = [
    "ActiveState",
    "ControlGroup",
    "ControlPID",
    "ExecStart",
    "ExecStartPost",
    "Id",
    "Job",
    "LoadState",
    "MainPID",
    "PIDFile",
    "SubState",
    "Type",
    "WatchdogUSec",
];

/// A service that runs.
#[derive(Clone, Debug)]
pub struct Service {
    /// What is written of it.
    pub unit: Unit,
    /// The folder of its control group.
    pub group: PathBuf,
    /// Its processes.
    pub processes: BTreeSet<i32>,
    /// Why it cannot be carried as itself.
    pub flaws: Vec<Flaw>,
}

/// Why a service cannot be carried as itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// systemd has no such service.
    Unknown,
    /// It does not run.
    NotRunning {
        /// What systemd says of it, such as `inactive (dead)`.
        state: String,
    },
    /// systemd is about to do something with it, or does it.
    Busy,
    /// systemd knows of no main process.
    NoMain,
    /// There are commands that systemd runs one by one, or after this one.
    Commands,
    /// It has groups of its own below the one that systemd makes.
    Groups {
        /// One of them.
        below: String,
    },
    /// systemd kills it when it is silent for a time, as it is while it is frozen.
    Watchdog,
    /// An upgrade has its processes, and waits.
    Waits {
        /// Which.
        upgrade: String,
    },
    /// kconv is one of its processes.
    Own,
    /// Some of its processes were named, and others were not.
    Partly {
        /// Those that were not.
        others: BTreeSet<i32>,
    },
    /// The units that start it in the next boot are not enabled.
    NotEnabled,
}

impl Flaw {
    /// What kind it is of.
    pub fn code(&self) -> Code {
        match self {
            Flaw::Unknown => Code::UnitUnknown,
            Flaw::NotRunning { .. } => Code::UnitNotRunning,
            Flaw::Busy => Code::UnitBusy,
            Flaw::NoMain => Code::UnitNoMain,
            Flaw::Commands => Code::UnitCommands,
            Flaw::Groups { .. } => Code::UnitGroups,
            Flaw::Watchdog => Code::UnitWatchdog,
            Flaw::Waits { .. } => Code::UnitWaits,
            Flaw::Own => Code::UnitOwn,
            Flaw::Partly { .. } => Code::UnitPartly,
            Flaw::NotEnabled => Code::UnitNotEnabled,
        }
    }

    /// What the user can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Flaw::Unknown => "`systemctl list-units` shows those that there are",
            Flaw::NotRunning { .. } => "nothing of it has to be carried; leave it out",
            Flaw::Busy => "wait until `systemctl status` says that it is running",
            Flaw::NoMain | Flaw::Groups { .. } => {
                "name its processes, with --no-units, and they go on in a scope"
            }
            Flaw::Commands => "wait until it is done",
            Flaw::Watchdog => {
                "set WatchdogSec=0 in a drop-in of it (`systemctl edit --runtime`) until it has been carried"
            }
            Flaw::Waits { .. } => {
                "it runs as a fresh copy: stop it and `kconv retry` the upgrade, or `kconv forget` that"
            }
            Flaw::Own => "run kconv in a session, or with systemd-run",
            Flaw::Partly { .. } => {
                "name the unit with --unit, or say --no-units, and they go on in a scope"
            }
            Flaw::NotEnabled => {
                "`systemctl enable kconv-thaw`, with the queue where it is by default; or say --no-units, and \
                 see that nobody starts a second copy"
            }
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Unknown => write!(f, "systemd knows no such service"),
            Flaw::NotRunning { state } => write!(f, "it does not run: it is {state}"),
            Flaw::Busy => write!(f, "a job or a command of systemd for it is under way"),
            Flaw::NoMain => write!(f, "systemd knows of no main process of it"),
            Flaw::Commands => write!(
                f,
                "it has other commands, which systemd runs when this one is done"
            ),
            Flaw::Groups { below } => write!(
                f,
                "it has a control group of its own below that of the unit, {below}, which nobody makes again"
            ),
            Flaw::Watchdog => write!(f, "it has to report to systemd in time (WatchdogSec=)"),
            Flaw::Waits { upgrade } => write!(f, "upgrade {upgrade} has its processes, and waits"),
            Flaw::Own => write!(f, "kconv is one of its processes"),
            Flaw::Partly { others } => {
                let others: Vec<String> = others.iter().map(i32::to_string).collect();
                write!(f, "it has other processes as well: {}", others.join(", "))
            }
            Flaw::NotEnabled => write!(
                f,
                "kconv-thaw, kconv-reserve and kconv-hold are not all enabled, so that the next boot would start a fresh \
                 copy of it"
            ),
        }
    }
}

impl Service {
    /// What systemd knows by that name; `.service` may be left out.
    ///
    /// # Errors
    /// If systemd cannot be asked, or the files of the service cannot be read.
    pub fn find(
        systemd: &Systemd,
        name: &str,
        if_refused: IfRefused,
    ) -> Result<Service, UnitError> {
        let groups = cgroup_root().unwrap_or_default();
        Service::find_in(systemd, name, if_refused, [&groups, Path::new("/")])
    }

    fn find_in(
        systemd: &Systemd,
        name: &str,
        if_refused: IfRefused,
        [groups, root]: [&Path; 2],
    ) -> Result<Service, UnitError> {
        let given = match name.contains('.') {
            true => name.to_owned(),
            false => format!("{name}.service"),
        };
        let said = match given.contains(['*', '?', '[']) {
            // To systemctl it is a pattern.
            true => Properties::default(),
            false => systemd.show(&given, &PROPERTIES)?,
        };
        let id = Some(said.value("Id")).filter(|id| !id.is_empty());
        let name = id.unwrap_or(&given).to_owned();
        let path = said.value("ControlGroup");
        let group = groups.join(path.trim_start_matches('/'));
        let (active, sub) = (said.value("ActiveState"), said.value("SubState"));
        let main = said.number("MainPID");
        let is_command = said.value("Type") == "oneshot";
        let is_loaded = said.value("LoadState") == "loaded" && name.ends_with(".service");
        let mut flaws = Vec::new();
        let mut processes = BTreeSet::new();
        let mut files = Vec::new();
        if !is_loaded {
            flaws.push(Flaw::Unknown);
        } else if path.is_empty() || !matches!(active, "active" | "activating") {
            let state = format!("{active} ({sub})");
            flaws.push(Flaw::NotRunning { state });
        } else {
            let mut below = None;
            processes_in(&group, &mut processes, &mut below).map_err(|source| UnitError::File {
                path: group.clone(),
                source,
            })?;
            files = files_of(root, &name)?;
            let runs = (active, sub) == ("active", "running") || (is_command && sub == "start");
            // A job that waits for a command to end is the one that began it.
            let has_job = !matches!(said.value("Job"), "" | "0") && sub != "start";
            if !runs || has_job || said.number("ControlPID") != 0 {
                flaws.push(Flaw::Busy);
            } else if !processes.contains(&main) {
                flaws.push(Flaw::NoMain);
            }
            let after = said.values("ExecStartPost").count();
            if is_command && said.values("ExecStart").count() + after > 1 {
                flaws.push(Flaw::Commands);
            }
            if !matches!(said.value("WatchdogUSec"), "" | "0" | "infinity") {
                flaws.push(Flaw::Watchdog);
            }
            flaws.extend(below.map(|below| Flaw::Groups { below }));
            let own = i32::try_from(std::process::id()).unwrap_or(0);
            if processes.contains(&own) {
                flaws.push(Flaw::Own);
            }
        }
        let pid_file = Some(said.value("PIDFile")).filter(|path| !path.is_empty());
        Ok(Service {
            unit: Unit {
                name,
                main,
                pid_file: pid_file.map(PathBuf::from),
                files,
                boot: boot_id(),
                if_refused,
                wish: None,
            },
            group,
            processes,
            flaws,
        })
    }

    /// The services that some of `processes` are of, each with those. What is not of a service is left.
    pub fn of_processes(processes: &BTreeSet<i32>) -> BTreeMap<String, BTreeSet<i32>> {
        let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
        for pid in processes {
            if let Some(Owner::Service(name)) = owner_of(*pid) {
                found.entry(name).or_default().insert(*pid);
            }
        }
        found
    }
}

/// The processes of a slice of systemd and those below it; none if nothing of it runs.
///
/// # Errors
/// If systemd cannot be asked, or the control group cannot be read.
pub fn processes_of_slice(systemd: &Systemd, slice: &str) -> Result<BTreeSet<i32>, UnitError> {
    let said = systemd.show(slice, &["ControlGroup"])?;
    let path = said.value("ControlGroup").trim_start_matches('/');
    let mut processes = BTreeSet::new();
    if !path.is_empty() {
        let group = cgroup_root().unwrap_or_default().join(path);
        let read = processes_in(&group, &mut processes, &mut None);
        read.map_err(|source| UnitError::File {
            path: group,
            source,
        })?;
    }
    Ok(processes)
}

/// The processes of a group and those below it, and the name of one of these.
fn processes_in(
    group: &Path,
    processes: &mut BTreeSet<i32>,
    below: &mut Option<String>,
) -> io::Result<()> {
    let text = fs::read_to_string(group.join("cgroup.procs"))?;
    processes.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            *below = Some(entry.file_name().to_string_lossy().into_owned());
            processes_in(&entry.path(), processes, below)?;
        }
    }
    Ok(())
}

/// The files of a unit that a boot wipes, on a machine whose files are below `root`; those of kconv are not its own. One of a
/// template has that of the template as well (systemd.unit(5)).
fn files_of(root: &Path, unit: &str) -> Result<Vec<UnitFile>, UnitError> {
    let template = unit
        .split_once('@')
        .map(|(name, _)| format!("{name}@.service"));
    let names: Vec<&str> = std::iter::once(unit).chain(template.as_deref()).collect();
    let mut paths = Vec::new();
    for folder in OF_THIS_BOOT.map(Path::new) {
        for name in &names {
            let file = folder.join(name);
            if in_root(root, &file).is_file() {
                paths.push(file);
            }
            let drop_ins = folder.join(format!("{name}.d"));
            for entry in fs::read_dir(in_root(root, &drop_ins)).into_iter().flatten() {
                let entry = entry.map_err(|source| UnitError::File {
                    path: drop_ins.clone(),
                    source,
                })?;
                let name = entry.file_name();
                if name != DROP_IN && name.to_string_lossy().ends_with(".conf") {
                    paths.push(drop_ins.join(name));
                }
            }
        }
    }
    paths.sort();
    let files = paths
        .into_iter()
        .map(|path| match fs::read_to_string(in_root(root, &path)) {
            Ok(text) => Ok(UnitFile { path, text }),
            Err(source) => Err(UnitError::File { path, source }),
        });
    files.collect()
}

fn in_root(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What kconv's own drop-in of a unit is called: it comes behind those of all others, whose settings it resets.
pub(crate) const DROP_IN: &str = "zzzz-kconv.conf";

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::process::Command;

    /// A systemctl that says what a shell script says. Another process writes it: what this one has open to be written
    /// to, each process that another thread starts has too until it runs its own program, and nobody may run a
    /// file meanwhile (`ETXTBSY`).
    pub(crate) fn systemctl(script: &str) -> (tempfile::TempDir, Systemd) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("systemctl");
        let written = Command::new("sh")
            .args(["-c", "printf '%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\""])
            .arg(&program)
            .arg(format!("#!/bin/sh\n{script}"))
            .status();
        assert!(written.unwrap().success());
        let systemd = Systemd::through(&program);
        (folder, systemd)
    }

    const RUNS: &str = "Id=a.service LoadState=loaded ActiveState=active SubState=running Type=simple \
                        MainPID=7 ControlPID=0 Job= ControlGroup=/system.slice/a.service ExecStart=x";

    /// What is found of a service with processes 7 and 8, where systemd says RUNS with these changes.
    fn found(changes: &[(&str, &str)], more: impl FnOnce(&Path)) -> Service {
        let mut said = RUNS.to_owned();
        for (from, to) in changes {
            assert!(said.contains(from), "{from}");
            said = said.replace(from, to);
        }
        let lines = said.split(' ').map(|line| format!("echo '{line}'"));
        let lines = lines.map(|line| line.replace('_', " "));
        let (folder, systemd) = systemctl(&lines.collect::<Vec<_>>().join("\n"));
        let group = folder.path().join("system.slice/a.service");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("cgroup.procs"), "7\n8\n").unwrap();
        more(&group);
        let root = folder.path();
        Service::find_in(&systemd, "a", IfRefused::Wait, [root, root]).unwrap()
    }

    #[test]
    fn a_service_that_runs_is_found_with_its_processes() {
        let service = found(&[], |_| ());
        assert_eq!(service.flaws, []);
        assert_eq!(service.unit.name, "a.service");
        assert_eq!((service.unit.main, &service.unit.pid_file), (7, &None));
        assert_eq!(service.processes, BTreeSet::from([7, 8]));
        let running = [
            ("simple", "oneshot"),
            ("=running", "=start"),
            ("=active", "=activating"),
            ("Job=", "Job=77"),
        ];
        assert_eq!(found(&running, |_| ()).flaws, []);
        let alias = [("Id=a", "Id=b"), ("=x", "=x PIDFile=/run/a.pid")];
        let unit = found(&alias, |_| ()).unit;
        assert_eq!(unit.name, "b.service");
        assert_eq!(unit.pid_file.as_deref(), Some(Path::new("/run/a.pid")));
    }

    #[test]
    fn one_that_cannot_be_carried_as_itself_says_why() {
        let own = std::process::id().to_string();
        let mut told = Vec::new();
        for changes in [
            &[("=loaded", "=not-found")][..],
            &[("a.service Load", "a.timer Load")],
            &[("=active", "=failed"), ("=running", "=failed")],
            &[("=running", "=stop-sigterm")],
            &[("Job=", "Job=77")],
            &[("ControlPID=0", "ControlPID=9")],
            &[("MainPID=7", "MainPID=0")],
            &[("MainPID=7", "MainPID=9")],
            &[("simple", "oneshot"), ("=x", "=x ExecStart=y")],
            &[("simple", "oneshot"), ("=x", "=x ExecStartPost=y")],
            &[("=x", "=x WatchdogUSec=30s")],
        ] {
            told.extend(found(changes, |_| ()).flaws);
        }
        told.extend(
            found(&[], |group| {
                fs::create_dir(group.join("own")).unwrap();
                fs::write(group.join("own/cgroup.procs"), own).unwrap();
            })
            .flaws,
        );
        let others = BTreeSet::from([7, 8]);
        let upgrade = "3".to_owned();
        told.extend([
            Flaw::Waits { upgrade },
            Flaw::Partly { others },
            Flaw::NotEnabled,
        ]);
        let told = told.iter().map(|flaw| {
            let (code, advice) = (flaw.code().name(), flaw.advice());
            format!("{flaw} [{code}]\n  = {advice}\n")
        });
        insta::assert_snapshot!(told.collect::<String>());
    }

    #[test]
    fn files_that_a_boot_wipes_are_those_of_this_boot_alone() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("etc/systemd/system/a@b.service", "no"),
            ("run/systemd/generator/a@b.service.d/c.conf", "no"),
            ("run/systemd/system/a@b.service.d/zzzz-kconv.conf", "no"),
            ("run/systemd/system/a@b.service.d/README", "no"),
            ("run/systemd/system/a@c.service.d/c.conf", "no"),
            ("run/systemd/system/a@.service", "template"),
            (
                "run/systemd/system.control/a@.service.d/50-x.conf",
                "limits",
            ),
            ("run/systemd/transient/a@b.service", "unit"),
            ("run/systemd/transient/a@b.service.d/x y\\x2d.conf", "odd"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let files = files_of(root.path(), "a@b.service").unwrap();
        let texts: Vec<&str> = files.iter().map(|file| file.text.as_str()).collect();
        assert_eq!(texts, ["template", "limits", "unit", "odd"]);
        assert!(
            files
                .iter()
                .all(|file| file.path.starts_with("/run/systemd"))
        );
        assert_eq!(files_of(root.path(), "d.service").unwrap(), []);
    }

    #[test]
    fn a_pattern_is_the_name_of_no_service() {
        let (folder, systemd) = systemctl("exit 7");
        let root = folder.path();
        let found = Service::find_in(&systemd, "a*", IfRefused::Wait, [root, root]).unwrap();
        assert_eq!(found.flaws, [Flaw::Unknown]);
        assert_eq!(found.unit.name, "a*.service");
    }

    #[test]
    fn a_process_that_is_gone_is_of_no_service() {
        assert!(Service::of_processes(&BTreeSet::from([0])).is_empty());
    }
}
