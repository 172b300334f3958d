//! What came of a run.

use crate::list::Fault;
use crate::suite::Outcome;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What came of one fault.
#[derive(Clone, Debug)]
pub struct Result {
    /// The crate.
    pub package: String,
    /// The fault.
    pub fault: Fault,
    /// What the tests said of it.
    pub outcome: Outcome,
}

/// What is to be thought of a [`Result`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A test found it.
    Caught(String),
    /// No test found it, as the list says.
    Explained(String),
    /// No test found it.
    Survived,
    /// A test found what the list says none can.
    Wrongly(String),
    /// The fault is no fault: it does not compile.
    NotBuilt(String),
}

impl Result {
    /// What is to be thought of it.
    pub fn verdict(&self) -> Verdict {
        let explained = self.fault.survives.clone();
        match (&self.outcome, explained) {
            (Outcome::Passed, Some(why)) => Verdict::Explained(why),
            (Outcome::Passed, None) => Verdict::Survived,
            (Outcome::NotBuilt(error), _) => Verdict::NotBuilt(error.clone()),
            (Outcome::Failed(tests), None) => {
                Verdict::Caught(tests.first().cloned().unwrap_or_default())
            }
            (Outcome::Hung, None) => Verdict::Caught(String::from("(the tests do not end)")),
            (Outcome::Failed(tests), Some(_)) => {
                Verdict::Wrongly(tests.first().cloned().unwrap_or_default())
            }
            (Outcome::Hung, Some(_)) => Verdict::Wrongly(String::from("(the tests do not end)")),
        }
    }
}

impl Verdict {
    /// Whether nothing has to be done.
    pub fn is_good(&self) -> bool {
        match self {
            Verdict::Caught(_) | Verdict::Explained(_) => true,
            Verdict::Survived | Verdict::Wrongly(_) | Verdict::NotBuilt(_) => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Caught(test) => write!(f, "caught    {test}"),
            Verdict::Explained(why) => write!(f, "survives  {why}"),
            Verdict::Survived => write!(
                f,
                "SURVIVED  no test of the crate finds it; write one beside the code"
            ),
            Verdict::Wrongly(test) => write!(
                f,
                "WRONG     the list says that no test can find it, but {test} does; remove `survives`"
            ),
            Verdict::NotBuilt(error) => write!(
                f,
                "WRONG     it does not compile, so that no test has to find it: {error}"
            ),
        }
    }
}

/// All results of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which the faults were planted.
    pub results: Vec<Result>,
    /// How long it took.
    pub time: Duration,
}

impl Report {
    /// Whether every fault was caught, or survived as the list says.
    pub fn is_good(&self) -> bool {
        self.results.iter().all(|result| result.verdict().is_good())
    }
}

impl fmt::Display for Report {
    /// A line for each crate, one for each fault that needs a look, and a closing one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut crates: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
        let mut all = [0; 4];
        for result in &self.results {
            let column = match result.verdict() {
                Verdict::Caught(_) => 1,
                Verdict::Explained(_) => 2,
                Verdict::Survived | Verdict::Wrongly(_) | Verdict::NotBuilt(_) => 3,
            };
            for counts in [crates.entry(&result.package).or_default(), &mut all] {
                counts[0] += 1;
                counts[column] += 1;
            }
        }
        let mut row = |name: &str, cells: [String; 4]| {
            let [faults, caught, explained, open] = cells;
            writeln!(
                f,
                "{name:24} {faults:>7} {caught:>7} {explained:>10} {open:>5}"
            )
        };
        let heads = ["faults", "caught", "explained", "open"];
        row("crate", heads.map(String::from))?;
        for (name, counts) in crates {
            row(name, counts.map(|count| count.to_string()))?;
        }
        for result in &self.results {
            let verdict = result.verdict();
            if !matches!(verdict, Verdict::Caught(_)) {
                let Fault {
                    id, file, breaks, ..
                } = &result.fault;
                writeln!(f, "\n{id} in {} ({breaks})\n    {verdict}", file.display())?;
            }
        }
        let [faults, caught, explained, open] = all;
        let minutes = self.time.as_secs().div_ceil(60);
        write!(
            f,
            "\n{faults} faults: {caught} caught, {explained} survive as explained, {open} to look at; {minutes} min"
        )
    }
}
