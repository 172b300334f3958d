//! What is carried together: the processes of a service, or those that were named and are of none.

use super::next;
use crate::arguments::{Refused, Upgrade};
use crate::failure::Failure;
use crate::told::{Severity, Told};
use kconv_freeze::{Chosen, with_descendants};
use kconv_queue::{IfRefused, Queue, Record, Unit};
use kconv_units::{Flaw, Owner, Service, Systemd, UnitError, owner_of, processes_of_slice};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What has an image of its own.
#[derive(Debug)]
pub(super) struct Group {
    who: Who,
    /// The service that it is.
    pub(super) unit: Option<Unit>,
}

/// The processes.
#[derive(Debug)]
enum Who {
    /// All of a control group.
    Of(PathBuf),
    Processes(Vec<i32>),
    Trees(Vec<i32>),
}

impl Group {
    /// The processes, to be frozen.
    pub(super) fn chosen(&self) -> Chosen<'_> {
        match &self.who {
            Who::Of(folder) => Chosen::Cgroup(folder),
            Who::Processes(pids) => Chosen::Processes(pids),
            Who::Trees(pids) => Chosen::Trees(pids),
        }
    }
}

/// What is asked for.
///
/// # Errors
/// If it is of systemd, and that is not here or cannot be asked; if a service cannot be carried as that.
pub(super) fn groups(arguments: &Upgrade, queue: &Queue) -> Result<Vec<Group>, Failure> {
    let asked = (&arguments.unit, &arguments.slice);
    let systemd = match Systemd::booted() {
        Some(systemd) if !arguments.no_units => systemd,
        None if !asked.0.is_empty() || !asked.1.is_empty() => return Err(Failure::NoSystemd),
        _ => {
            let who = named(&arguments.pids, arguments.tree);
            return Ok(vec![Group { who, unit: None }]);
        }
    };
    let is_enabled = next::is_thawed_by_unit(Path::new("/"), &arguments.queue.folder);
    let if_refused = match arguments.if_refused {
        Refused::Wait => IfRefused::Wait,
        Refused::Fresh => IfRefused::Fresh,
    };
    let find = |name: &str| Service::find(&systemd, name, if_refused);
    let mut pids: BTreeSet<i32> = arguments.pids.iter().copied().collect();
    if arguments.tree {
        pids = with_descendants(&pids).map_err(|source| Failure::Path {
            path: "/proc".to_owned(),
            source,
        })?;
    }
    let services = arguments.unit.iter().map(|name| find(name));
    let mut services = services.collect::<Result<Vec<Service>, UnitError>>()?;
    let mut of_slices = BTreeSet::new();
    for slice in &arguments.slice {
        let slice = match slice.ends_with(".slice") {
            true => slice.clone(),
            false => format!("{slice}.slice"),
        };
        let processes = processes_of_slice(&systemd, &slice)?;
        if processes.is_empty() {
            return Err(Failure::EmptySlice { slice });
        }
        of_slices.extend(processes);
    }
    for (name, _) in Service::of_processes(&of_slices) {
        services.push(find(&name)?);
    }
    let of_units = |services: &[Service]| -> BTreeSet<i32> {
        let processes = services.iter().flat_map(|service| &service.processes);
        processes.copied().collect()
    };
    for (name, chosen) in Service::of_processes(&(&pids - &of_units(&services))) {
        let mut service = find(&name)?;
        let others: BTreeSet<i32> = &service.processes - &chosen;
        if !others.is_empty() {
            service.flaws.push(Flaw::Partly { others });
        }
        services.push(service);
    }
    let (entries, _) = queue.readable()?;
    for service in &mut services {
        let waiting = entries.iter().filter(|entry| entry.record.state.waits());
        let mut of_unit = waiting.filter(|entry| {
            let unit = entry.record.unit.as_ref();
            unit.is_some_and(|unit| unit.name == service.unit.name)
        });
        let waits = of_unit.next().map(|entry| Flaw::Waits {
            upgrade: entry.name(),
        });
        service.flaws.extend(waits);
    }
    let all = &pids | &of_slices;
    let mut rest = &all - &of_units(&services);
    // What was born in a service of a slice since is its own.
    rest.retain(|pid| pids.contains(pid) || owner_of(*pid) == Some(Owner::Other));
    divided(services, rest.into_iter().collect(), arguments, is_enabled)
}

/// That the service of an upgrade, which stands still, is the one that it was before: its main process is frozen, and systemd is
/// not about to do anything with it.
///
/// # Errors
/// If it is not; if systemd cannot be asked.
pub(super) fn still(record: &Record) -> Result<(), Failure> {
    let (Some(unit), Some(systemd)) = (&record.unit, Systemd::booted()) else {
        return Ok(());
    };
    let now = Service::find(&systemd, &unit.name, unit.if_refused)?;
    let is_frozen = record.tasks.iter().any(|task| task.pid == unit.main);
    let mut flaws = now.flaws;
    if flaws.is_empty() && (now.unit.main != unit.main || !is_frozen) {
        flaws.push(Flaw::Busy);
    }
    match flaws.is_empty() {
        true => Ok(()),
        false => {
            let refused = flaws.iter().map(|flaw| told(&unit.name, flaw));
            Err(Failure::Units(refused.collect()))
        }
    }
}

/// A group for each of the services, and one for the processes that are of none.
fn divided(
    mut services: Vec<Service>,
    rest: Vec<i32>,
    arguments: &Upgrade,
    is_enabled: bool,
) -> Result<Vec<Group>, Failure> {
    services.sort_by(|a, b| a.unit.name.cmp(&b.unit.name));
    services.dedup_by(|a, b| a.unit.name == b.unit.name);
    let mut refused: Vec<Told> = Vec::new();
    for service in &mut services {
        if !is_enabled {
            service.flaws.push(Flaw::NotEnabled);
        }
        let flaws = service.flaws.iter();
        refused.extend(flaws.map(|flaw| told(&service.unit.name, flaw)));
    }
    if !refused.is_empty() {
        return Err(Failure::Units(refused));
    }
    let no_services = services.is_empty();
    let of_unit = |service: Service| Group {
        who: Who::Of(service.group),
        unit: Some(service.unit),
    };
    let mut groups: Vec<Group> = services.into_iter().map(of_unit).collect();
    if !rest.is_empty() {
        let who = match no_services && arguments.slice.is_empty() {
            // What is born meanwhile comes with its parents.
            true => named(&arguments.pids, arguments.tree),
            false => Who::Processes(rest),
        };
        groups.push(Group { who, unit: None });
    }
    Ok(groups)
}

fn named(pids: &[i32], tree: bool) -> Who {
    match tree {
        true => Who::Trees(pids.to_vec()),
        false => Who::Processes(pids.to_vec()),
    }
}

fn told(unit: &str, flaw: &Flaw) -> Told {
    Told {
        severity: Severity::Refused,
        code: flaw.code(),
        tasks: Vec::new(),
        object: Some(unit.to_owned()),
        field: None,
        text: format!("{unit}: {flaw}"),
        advice: Some(flaw.advice().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::arguments::{Arguments, Command};
    use clap::Parser;

    fn arguments(words: &str) -> Upgrade {
        let words = format!("kconv upgrade --kernel k --initrd i {words}");
        match Arguments::try_parse_from(words.split(' ')) {
            Ok(Arguments {
                command: Some(Command::Upgrade(upgrade)),
                ..
            }) => upgrade,
            Ok(_) => panic!("{words}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn service(name: &str, flaws: Vec<Flaw>) -> Service {
        Service {
            unit: Unit {
                name: name.to_owned(),
                main: 7,
                pid_file: None,
                files: Vec::new(),
                boot: String::new(),
                if_refused: IfRefused::Wait,
                wish: None,
            },
            group: PathBuf::from("/group").join(name),
            processes: BTreeSet::from([7]),
            flaws,
        }
    }

    /// The groups, each in a line.
    fn of(services: &[&str], rest: &[i32], words: &str) -> Vec<String> {
        let services = services.iter().map(|name| service(name, Vec::new()));
        let groups = divided(services.collect(), rest.to_vec(), &arguments(words), true);
        let line = |group: &Group| {
            let unit = group.unit.as_ref().map(|unit| unit.name.as_str());
            format!("{}: {:?}", unit.unwrap_or("-"), group.chosen())
        };
        groups.unwrap().iter().map(line).collect()
    }

    #[test]
    fn each_service_is_a_group_and_what_is_of_none_is_one() {
        assert_eq!(of(&[], &[7, 9], "7 9"), ["-: Processes([7, 9])"]);
        assert_eq!(of(&[], &[7, 9], "7 --tree"), ["-: Trees([7])"]);
        assert_eq!(
            of(&["b.service", "a.service", "b.service"], &[9], "7 9 --tree"),
            [
                "a.service: Cgroup(\"/group/a.service\")",
                "b.service: Cgroup(\"/group/b.service\")",
                "-: Processes([9])"
            ]
        );
        // The processes of a scope in it.
        assert_eq!(of(&[], &[9], "--slice batch"), ["-: Processes([9])"]);
        assert_eq!(of(&["a.service"], &[], "--unit a").len(), 1);
    }

    #[test]
    fn all_that_is_in_the_way_of_services_is_told_at_once() {
        let services = || {
            let others = BTreeSet::from([8]);
            let busy = service("a.service", vec![Flaw::Busy, Flaw::Partly { others }]);
            vec![service("b.service", Vec::new()), busy]
        };
        let codes = |is_enabled| {
            let failure = divided(services(), Vec::new(), &arguments("--unit a"), is_enabled);
            let told = failure.unwrap_err().told();
            let lines = told
                .iter()
                .map(|one| format!("{} {}", one.text, one.code.name()));
            lines.collect::<Vec<_>>()
        };
        let busy = "a.service: a job or a command of systemd for it is under way unit.busy";
        let partly = "a.service: it has other processes as well: 8 unit.partly";
        assert_eq!(codes(true), [busy, partly]);
        let enabled = codes(false)
            .into_iter()
            .filter(|line| line.ends_with("unit.not-enabled"));
        assert_eq!(enabled.count(), 2);
    }
}
