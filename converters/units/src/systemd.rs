//! Asking and telling systemd, by systemctl(1).

use crate::error::UnitError;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// There where systemd is the first process (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The boot of the machine, by a number of its own (random(4)); empty if that cannot be read.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim_end().to_owned()
}

/// The systemd of the machine.
#[derive(Clone, Debug)]
pub struct Systemd {
    systemctl: PathBuf,
}

/// Whether one waits for the end of a job.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// One does.
    Yes,
    /// It is only given to systemd.
    No,
}

/// What systemd says of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    lines: Vec<(String, String)>,
}

impl Systemd {
    /// It, if it is the first process here.
    pub fn booted() -> Option<Systemd> {
        let is_there = Path::new(BOOTED).is_dir();
        is_there.then(|| Systemd::through(Path::new("systemctl")))
    }

    /// The one that a program as `systemctl` speaks to.
    pub fn through(systemctl: &Path) -> Systemd {
        Systemd {
            systemctl: systemctl.to_owned(),
        }
    }

    /// What it says of a unit, of which it need not know anything.
    ///
    /// # Errors
    /// If systemctl cannot be run, or fails.
    pub fn show(&self, unit: &str, properties: &[&str]) -> Result<Properties, UnitError> {
        let properties = format!("--property={}", properties.join(","));
        let said = self.run(&["show", &properties, "--", unit])?;
        let lines = said.lines().filter_map(|line| line.split_once('='));
        Ok(Properties {
            lines: lines
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    /// Has it read all files of units again.
    ///
    /// # Errors
    /// As [`Systemd::show`].
    pub fn reload(&self) -> Result<(), UnitError> {
        self.run(&["daemon-reload"]).map(drop)
    }

    /// Has a unit started.
    ///
    /// # Errors
    /// As [`Systemd::show`]; and if the unit is waited for and does not start.
    pub fn start(&self, unit: &str, wait: Wait) -> Result<(), UnitError> {
        let words: &[&str] = match wait {
            Wait::Yes => &["start", "--", unit],
            Wait::No => &["start", "--no-block", "--", unit],
        };
        self.run(words).map(drop)
    }

    fn run(&self, words: &[&str]) -> Result<String, UnitError> {
        let command = words.join(" ");
        let mut systemctl = Command::new(&self.systemctl);
        // Translated words are none that anybody looks for.
        let systemctl = systemctl
            .args(words.iter().map(OsStr::new))
            .env("LC_ALL", "C");
        let output = systemctl.stdin(Stdio::null()).output();
        let output = output.map_err(|source| UnitError::Run {
            command: command.clone(),
            source,
        })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => {
                let said = text(&output.stderr);
                let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
                Err(UnitError::Failed {
                    command,
                    said: match said.is_empty() {
                        true => said,
                        false => format!("{said}: "),
                    },
                    status: output.status,
                })
            }
        }
    }
}

impl Properties {
    /// The value of a property; empty if there is none.
    pub fn value(&self, name: &str) -> &str {
        let mut lines = self.lines.iter();
        let found = lines.find(|(line, _)| line == name);
        found.map_or("", |(_, value)| value)
    }

    /// All values of one that has several.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.lines.iter();
        let of = lines.filter(move |(line, _)| line == name);
        of.map(|(_, value)| value.as_str())
    }

    /// The value of a property that is a number; 0 if there is none.
    pub fn number(&self, name: &str) -> i32 {
        self.value(name).parse().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::service::tests::systemctl;

    #[test]
    fn what_systemd_says_of_a_unit_is_read() {
        let (_folder, systemd) =
            systemctl("echo Id=a.service; echo ExecStart=a; echo ExecStart=b=c");
        let said = systemd.show("a", &["Id", "ExecStart"]).unwrap();
        assert_eq!(said.value("Id"), "a.service");
        assert_eq!(said.values("ExecStart").collect::<Vec<_>>(), ["a", "b=c"]);
        assert_eq!((said.value("None"), said.number("MainPID")), ("", 0));
    }

    #[test]
    fn what_systemctl_is_asked_for_is_told_when_it_fails() {
        let (folder, systemd) = systemctl("echo \"Job for $4\n failed.\" >&2; exit 1");
        let told = systemd
            .start("a.service", Wait::No)
            .unwrap_err()
            .to_string();
        let expected =
            "systemctl start --no-block -- a.service: Job for a.service failed.: exit status: 1";
        assert_eq!(told, expected);
        let missing = Systemd::through(&folder.path().join("none"));
        let told = missing.reload().unwrap_err().to_string();
        assert!(told.starts_with("systemctl daemon-reload: "), "{told}");
    }
}
