//! Plants faults, one at a time, and looks whether the tests of the crate find them.
//!
//! It works in a copy of the sources in `target/faults`, where it also builds.
#![forbid(unsafe_code)]

use clap::Parser;
use kconv_faults::batch::{Settled, batches, settled};
use kconv_faults::list::{self, Fault, Judge, Package};
use kconv_faults::report::{Report, Result as FaultResult};
use kconv_faults::suite::{Outcome, Suite, patience};
use kconv_faults::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Plants the faults of tests/faults/lists, one at a time, and runs the tests of their crate.
///
/// Exit code 0 if each was caught or survived as its list says, 1 if not, 2 if there was no run.
#[derive(Parser)]
#[command(name = "kconv-faults")]
struct Arguments {
    /// Only these faults.
    #[arg(long, value_name = "ID", num_args = 1..)]
    only: Vec<String>,
    /// Only the faults of these crates.
    #[arg(long, value_name = "PACKAGE", num_args = 1..)]
    package: Vec<String>,
    /// Where the copy of the sources is made and built; it can be used again.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Those of tests/faults/guests instead: they are judged by tests in emulated machines, which takes minutes each.
    #[arg(long)]
    guests: bool,
    /// Say which faults there are, and plant none.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("kconv-faults: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, Box<dyn Error>> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().nth(2).unwrap_or(own);
    let told = |errors: Vec<list::ListError>| -> Box<dyn Error> {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n").into()
    };
    let lists = if arguments.guests { "guests" } else { "lists" };
    let mut packages = list::read(&own.join(lists)).map_err(told)?;
    let errors = list::applies(&packages, root);
    if !errors.is_empty() {
        return Err(told(errors));
    }
    choose(&mut packages, arguments)?;
    if arguments.list {
        for package in &packages {
            println!("{}", package.name);
            for fault in &package.faults {
                println!("  {:44} {}", fault.id, fault.breaks);
            }
        }
        return Ok(true);
    }
    let folder = match &arguments.folder {
        Some(folder) => std::path::absolute(folder)?,
        None => root.join("target/faults"),
    };
    let report = plant(&packages, root, &folder)?;
    println!("\n{report}");
    Ok(report.is_good())
}

/// Leaves the faults that were asked for.
fn choose(packages: &mut Vec<Package>, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let known = |id: &String| {
        let mut faults = packages.iter().flat_map(|package| &package.faults);
        faults.any(|fault| fault.id == *id)
    };
    if let Some(id) = arguments.only.iter().find(|id| !known(id)) {
        return Err(format!("there is no fault `{id}`; --list has them all").into());
    }
    let there = |name: &String| packages.iter().any(|package| package.name == *name);
    if let Some(name) = arguments.package.iter().find(|name| !there(name)) {
        return Err(format!("there is no list of faults for `{name}`").into());
    }
    if !arguments.package.is_empty() {
        packages.retain(|package| arguments.package.contains(&package.name));
    }
    if !arguments.only.is_empty() {
        for package in packages.iter_mut() {
            let wanted = |fault: &list::Fault| arguments.only.contains(&fault.id);
            package.faults.retain(wanted);
        }
    }
    packages.retain(|package| !package.faults.is_empty());
    Ok(())
}

fn plant(packages: &[Package], root: &Path, folder: &Path) -> Result<Report, Box<dyn Error>> {
    let start = Instant::now();
    let tree = Tree::copy(root, &folder.join("tree"))?;
    let suite = Suite {
        tree: tree.root().to_owned(),
        target: folder.join("target"),
        log: folder.join("log"),
        kernels: match std::env::var_os("KCONV_KERNELS") {
            Some(kernels) => std::path::absolute(kernels)?,
            None => root.join("target/kernels"),
        },
    };
    let mut report = Report::default();
    let total: usize = packages.iter().map(|package| package.faults.len()).sum();
    for package in packages {
        println!("{}", package.name);
        let mut limits = Limits::default();
        let together = planted_together(package, &tree, &suite, &mut limits)?;
        for (at, fault) in package.faults.iter().enumerate() {
            let mut tell = |outcome| {
                let result = FaultResult {
                    package: package.name.clone(),
                    fault: fault.clone(),
                    outcome,
                };
                let number = report.results.len() + 1;
                println!("{number:3}/{total} {:44} {}", fault.id, result.verdict());
                report.results.push(result);
            };
            if let Some(line) = together.get(&at) {
                tell(Outcome::Failed(vec![line.clone()]));
                continue;
            }
            let text = tree.read(&fault.file)?;
            let judge = package.judge.clone().map(|judge| Judge {
                test: fault.test.clone().unwrap_or(judge.test),
                ..judge
            });
            // Before the fault is planted.
            match &judge {
                Some(judge) => limits.of_judge(&suite, judge, &parts(package))?,
                None => limits.of(&suite, package, &fault.tests)?,
            }
            tree.write(&fault.file, &fault.planted(&text)?)?;
            let mut outcome = match &judge {
                Some(judge) => {
                    limits.judge(&suite, judge, fault.part.as_deref().unwrap_or_default())
                }
                None => limits.run(&suite, package, &fault.tests),
            };
            if judge.is_none() && !fault.tests.is_empty() && matches!(outcome, Ok(Outcome::Passed))
            {
                tree.write(&fault.file, &text)?;
                limits.of(&suite, package, &[])?;
                tree.write(&fault.file, &fault.planted(&text)?)?;
                outcome = limits.run(&suite, package, &[]);
            }
            tree.write(&fault.file, &text)?;
            tell(outcome?);
        }
    }
    report.time = start.elapsed();
    Ok(report)
}

/// Plants faults of a package that has a judge in groups, and gives what was said of those that were found
/// so, by their place in the list. The others are planted alone.
fn planted_together(
    package: &Package,
    tree: &Tree,
    suite: &Suite,
    limits: &mut Limits,
) -> Result<BTreeMap<usize, String>, Box<dyn Error>> {
    let mut found = BTreeMap::new();
    let Some(judge) = &package.judge else {
        return Ok(found);
    };
    let all = parts(package);
    let parts: Vec<&str> = all.split(',').collect();
    for group in batches(&package.faults) {
        limits.of_judge(suite, judge, &all)?;
        let faults: Vec<&Fault> = group.iter().map(|at| &package.faults[*at]).collect();
        let mut before = BTreeMap::new();
        let mut planted = BTreeMap::new();
        let mut fits = true;
        for fault in &faults {
            let text = tree.read(&fault.file)?;
            before.entry(&fault.file).or_insert_with(|| text.clone());
            let text = planted.entry(&fault.file).or_insert(text);
            match fault.planted(text) {
                Ok(with) => *text = with,
                // Two of them change the same text.
                Err(_) => fits = false,
            }
        }
        if !fits {
            continue;
        }
        for (file, text) in &planted {
            tree.write(file, text)?;
        }
        let outcome = limits.judge(suite, judge, &all);
        for (file, text) in &before {
            tree.write(file, text)?;
        }
        let said = settled(&faults, &parts, &outcome?);
        let ids: Vec<&str> = faults.iter().map(|fault| fault.id.as_str()).collect();
        println!(
            "{}: {}",
            match &said {
                Settled::Caught(_) => "found, each by its part",
                Settled::Open => "not told apart, to be planted alone",
            },
            ids.join(" ")
        );
        if let Settled::Caught(lines) = said {
            found.extend(group.into_iter().zip(lines));
        }
    }
    Ok(found)
}

/// The parts of the state that the faults of a package are of, as its judge takes them. A test that a fault names for
/// itself looks at what it looks at.
fn parts(package: &Package) -> String {
    let judged = package.faults.iter().filter(|fault| fault.test.is_none());
    let parts: BTreeSet<&str> = judged.filter_map(|fault| fault.part.as_deref()).collect();
    parts.into_iter().collect::<Vec<_>>().join(",")
}

/// How long tests of a crate may run: the test targets, none for all of them.
#[derive(Default)]
struct Limits(BTreeMap<Vec<String>, Duration>, BTreeMap<Judge, Duration>);

impl Limits {
    /// Runs tests without a fault, where that was not done yet: they have to pass, and a fault may
    /// make them so much longer.
    fn of(
        &mut self,
        suite: &Suite,
        package: &Package,
        targets: &[String],
    ) -> Result<(), Box<dyn Error>> {
        if self.0.contains_key(targets) {
            return Ok(());
        }
        let run = suite.run(&package.name, targets, Duration::from_secs(3600))?;
        let why = match run.outcome {
            Outcome::Passed => {
                let targets = targets.to_vec();
                self.0.insert(targets, patience(run.time));
                return Ok(());
            }
            Outcome::Failed(tests) => format!("{} fail", tests.join(", ")),
            Outcome::Hung => String::from("they do not end"),
            Outcome::NotBuilt(error) => error,
        };
        let log = suite.log.display();
        let name = &package.name;
        Err(format!("the tests of {name} without a fault: {why}; see {log}").into())
    }

    /// As [`Limits::of`], of a test in a machine: of all `parts` of the state at once.
    fn of_judge(
        &mut self,
        suite: &Suite,
        judge: &Judge,
        parts: &str,
    ) -> Result<(), Box<dyn Error>> {
        if self.1.contains_key(judge) {
            return Ok(());
        }
        let run = suite.judge(judge, parts, Duration::from_secs(3600))?;
        let why = match run.outcome {
            Outcome::Passed => {
                self.1.insert(judge.clone(), patience(run.time));
                return Ok(());
            }
            Outcome::Failed(lines) => lines.join(", "),
            Outcome::Hung => String::from("it does not end"),
            Outcome::NotBuilt(error) => error,
        };
        let log = suite.log.display();
        let test = &judge.test;
        Err(format!("the test {test} without a fault: {why}; see {log}").into())
    }

    fn judge(&self, suite: &Suite, judge: &Judge, parts: &str) -> io::Result<Outcome> {
        let limit = self.1.get(judge).copied();
        let limit = limit.unwrap_or_else(|| patience(Duration::ZERO));
        Ok(suite.judge(judge, parts, limit)?.outcome)
    }

    fn run(&self, suite: &Suite, package: &Package, targets: &[String]) -> io::Result<Outcome> {
        let limit = self.0.get(targets).copied();
        let limit = limit.unwrap_or_else(|| patience(Duration::ZERO));
        Ok(suite.run(&package.name, targets, limit)?.outcome)
    }
}
