//! The folders of the queue.

use crate::error::QueueError;
use crate::record::{Record, State};
use kconv_image::remove_file;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where the queue is.
pub const FOLDER: &str = "/var/lib/kconv/queue";

const RECORD: &str = "upgrade.json";
const FROZEN: &str = "frozen.img";
const NEXT: &str = "next.img";

/// The upgrades that were begun on this machine.
#[derive(Clone, Debug)]
pub struct Queue {
    folder: PathBuf,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Entry {
    folder: PathBuf,
    number: u64,
    /// What is written of it.
    pub record: Record,
}

impl Queue {
    /// The queue in a folder, which need not be there.
    pub fn new(folder: &Path) -> Queue {
        Queue {
            folder: folder.to_owned(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Begins an upgrade in a folder of its own, which nobody but root enters. The records of those that were thawed
    /// are removed: what they tell is known.
    ///
    /// # Errors
    /// If the folder cannot be made, or what is in the queue cannot be read.
    pub fn begin(&self, record: Record) -> Result<Entry, QueueError> {
        let make = |folder: &Path, all: bool| {
            let made = DirBuilder::new().recursive(all).mode(0o700).create(folder);
            made.map_err(|source| failed(folder, source))
        };
        make(&self.folder, true)?;
        let entries = self.entries()?;
        let mut number = self.numbers()?.last().map_or(1, |last| last + 1);
        for entry in entries {
            if matches!(entry.record.state, State::Thawed { .. }) && entry.is_settled() {
                entry.remove()?;
            }
        }
        let folder = loop {
            let folder = self.folder.join(number.to_string());
            match make(&folder, false) {
                Ok(()) => break folder,
                // Another upgrade began at the same time.
                Err(QueueError::Io { source, .. })
                    if source.kind() == io::ErrorKind::AlreadyExists =>
                {
                    number += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let entry = Entry {
            folder,
            number,
            record,
        };
        entry.write()?;
        Ok(entry)
    }

    /// All upgrades, in the order in which they began.
    ///
    /// # Errors
    /// If one of their records cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, QueueError> {
        let (entries, errors) = self.readable()?;
        errors.into_iter().next().map_or(Ok(entries), Err)
    }

    /// Those upgrades whose records can be read, and why others cannot be.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn readable(&self) -> Result<(Vec<Entry>, Vec<QueueError>), QueueError> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for number in self.numbers()? {
            let folder = self.folder.join(number.to_string());
            match Record::read(&folder.join(RECORD)) {
                Ok(record) => entries.push(Entry {
                    folder,
                    number,
                    record,
                }),
                // It ended before it had begun.
                Err(QueueError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && is_empty(&folder)? => {}
                Err(error) => errors.push(error),
            }
        }
        Ok((entries, errors))
    }

    /// The upgrades of these names.
    ///
    /// # Errors
    /// If there is none of a name; or if one cannot be found, and there are records that cannot be read.
    pub fn named(&self, names: &[String]) -> Result<Vec<Entry>, QueueError> {
        let (mut entries, errors) = self.readable()?;
        let is_there = |name: &String| entries.iter().any(|entry| entry.name() == *name);
        if !names.iter().all(is_there)
            && let Some(error) = errors.into_iter().next()
        {
            return Err(error);
        }
        let all: Vec<String> = entries.iter().map(Entry::name).collect();
        if let Some(name) = names.iter().find(|name| !all.contains(name)) {
            return Err(QueueError::NoEntry {
                queue: self.folder.clone(),
                name: name.clone(),
                there: all,
            });
        }
        entries.retain(|entry| names.contains(&entry.name()));
        Ok(entries)
    }

    /// Those of the upgrades of these names whose records are none. A record of another format is one that another
    /// kconv reads.
    ///
    /// # Errors
    /// If the queue cannot be read.
    pub fn damaged(&self, names: &[String]) -> Result<Vec<String>, QueueError> {
        let there = self.numbers()?.into_iter().map(|number| number.to_string());
        let is_damaged = |name: &String| {
            let record = Record::read(&self.folder.join(name).join(RECORD));
            matches!(record, Err(QueueError::Record { .. }))
        };
        let named = there.filter(|name| names.contains(name));
        Ok(named.filter(is_damaged).collect())
    }

    /// Removes the upgrade of a name that [`Queue::damaged`] gave, with its images: nobody can say what it is of.
    ///
    /// # Errors
    /// If something of it cannot be removed.
    pub fn remove_damaged(&self, name: &str) -> Result<(), QueueError> {
        remove_folder(&self.folder.join(name))
    }

    /// The numbers of all folders, ascending.
    fn numbers(&self) -> Result<Vec<u64>, QueueError> {
        let read = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.map_err(|source| failed(&self.folder, source))?,
        };
        let mut numbers = Vec::new();
        for entry in read {
            let name = entry.map_err(|source| failed(&self.folder, source))?;
            let name = name.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

impl Entry {
    /// What it is called in the queue.
    pub fn name(&self) -> String {
        self.number.to_string()
    }

    /// The image as the processes were frozen.
    pub fn frozen(&self) -> PathBuf {
        self.folder.join(FROZEN)
    }

    /// The image for the kernel that was to be started.
    pub fn next(&self) -> PathBuf {
        self.folder.join(NEXT)
    }

    /// The image for another kernel than the two.
    pub fn other(&self, release: &str) -> PathBuf {
        self.folder.join(format!("for-{release}.img"))
    }

    /// Whether nothing of it is to be done but to remove the record, if it was thawed: the images of a service are there
    /// until it goes on under its own settings.
    pub fn is_settled(&self) -> bool {
        self.record.unit.is_none() || !self.frozen().exists()
    }

    /// Notes how far it came.
    ///
    /// # Errors
    /// If the record cannot be written; it is what it was before.
    pub fn write(&self) -> Result<(), QueueError> {
        self.record.write(&self.folder.join(RECORD))
    }

    /// Removes the images with all that lies beside them, but for the record.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_images(&self) -> Result<(), QueueError> {
        remove_images(&self.folder)
    }

    /// Removes it from the queue, with its images.
    ///
    /// # Errors
    /// If something of it cannot be removed.
    pub fn remove(self) -> Result<(), QueueError> {
        remove_folder(&self.folder)
    }
}

/// Removes the folder of an upgrade with what is in it, the record at last.
fn remove_folder(folder: &Path) -> Result<(), QueueError> {
    remove_images(folder)?;
    remove_file(&folder.join(RECORD))?;
    fs::remove_dir(folder).map_err(|source| failed(folder, source))
}

/// Removes all that is in the folder of an upgrade but for the record.
fn remove_images(folder: &Path) -> Result<(), QueueError> {
    for path in files(folder)? {
        if path.file_name().is_some_and(|name| name != RECORD) {
            remove_file(&path)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, QueueError> {
    let read = fs::read_dir(folder).map_err(|source| failed(folder, source))?;
    let paths = read.map(|entry| entry.map(|entry| entry.path()));
    let paths: io::Result<Vec<PathBuf>> = paths.collect();
    paths.map_err(|source| failed(folder, source))
}

fn is_empty(folder: &Path) -> Result<bool, QueueError> {
    Ok(files(folder)?.is_empty())
}

fn failed(path: &Path, source: io::Error) -> QueueError {
    QueueError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::record::{IfRefused, Task, Unit, UnitFile, Wish};
    use std::os::unix::fs::PermissionsExt;

    fn queue() -> (tempfile::TempDir, Queue) {
        let folder = tempfile::tempdir().unwrap();
        let queue = Queue::new(&folder.path().join("kconv/queue"));
        (folder, queue)
    }

    fn record() -> Record {
        Record::new("6.1.0-47-amd64", "6.12.117+deb12-amd64")
    }

    fn unit() -> Unit {
        Unit {
            name: "dev-sda\\x2d1@a.service".to_owned(),
            main: 4711,
            pid_file: Some("/run/a.pid".into()),
            files: vec![UnitFile {
                path: "/run/systemd/transient/a.service".into(),
                text: "[Service]\n".to_owned(),
            }],
            boot: "0".to_owned(),
            if_refused: IfRefused::Fresh,
            wish: Some(Wish {
                again: true,
                clocks: "stopped".to_owned(),
            }),
        }
    }

    fn names(queue: &Queue) -> Vec<String> {
        queue.entries().unwrap().iter().map(Entry::name).collect()
    }

    #[test]
    fn each_upgrade_has_a_folder_that_is_roots_alone() {
        let (_folder, queue) = queue();
        assert_eq!(names(&queue), [""; 0]);
        let first = queue.begin(record()).unwrap();
        let second = queue.begin(record()).unwrap();
        assert_eq!((first.name(), second.name()), ("1".into(), "2".into()));
        assert_ne!(first.frozen(), second.frozen());
        for folder in [queue.folder(), first.next().parent().unwrap()] {
            let mode = fs::metadata(folder).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700);
        }
        first.remove().unwrap();
        // A number is not given to another one while a later one is there.
        assert_eq!(queue.begin(record()).unwrap().name(), "3");
        assert_eq!(names(&queue), ["2", "3"]);
    }

    #[test]
    fn what_is_noted_is_read_again() {
        let (_folder, queue) = queue();
        let mut entry = queue.begin(record()).unwrap();
        entry.record.tasks = vec![Task {
            pid: 4711,
            comm: "co\nunter".to_owned(),
        }];
        entry.record.stopped = 1_700_000_000_123;
        entry.record.unit = Some(unit());
        for state in [
            State::Converted,
            State::Replaced {
                kernel: "6.12.117+deb12-amd64".to_owned(),
                why: vec!["obstacle: a pid".to_owned()],
            },
            State::Refused {
                kernel: "6.12.117+deb12-amd64".to_owned(),
                why: vec!["obstacle: a pid".to_owned()],
            },
            State::Thawed {
                kernel: "6.12.117+deb12-amd64".to_owned(),
                after: 41_000,
            },
        ] {
            entry.record.state = state;
            entry.write().unwrap();
            assert_eq!(queue.entries().unwrap()[0].record, entry.record);
        }
        insta::assert_snapshot!(fs::read_to_string(entry.folder.join(RECORD)).unwrap());
    }

    #[test]
    fn what_nobody_can_read_is_removed_by_name() {
        let (_folder, queue) = queue();
        let entries: Vec<Entry> = (0..3).map(|_| queue.begin(record()).unwrap()).collect();
        for entry in &entries {
            fs::write(entry.frozen(), "an image").unwrap();
        }
        fs::write(entries[1].folder.join(RECORD), "{ \"format\": 2, ").unwrap();
        let mut newer = serde_json::to_value(&entries[2].record).unwrap();
        newer["format"] = 99.into();
        fs::write(entries[2].folder.join(RECORD), newer.to_string()).unwrap();
        assert_eq!(queue.readable().unwrap().1.len(), 2);
        // Neither one that is whole, nor one that another kconv knows, nor one that is none.
        let all = ["1", "2", "3", "4"].map(str::to_owned);
        assert_eq!(queue.damaged(&all[..1]).unwrap(), [""; 0]);
        assert_eq!(queue.damaged(&all).unwrap(), ["2"]);
        queue.remove_damaged("2").unwrap();
        let there = |entry: &Entry| entry.frozen().exists();
        assert_eq!(
            entries.iter().map(there).collect::<Vec<_>>(),
            [true, false, true]
        );
        assert!(!entries[1].folder.exists());
    }

    #[test]
    fn what_was_thawed_leaves_the_queue_with_the_next_upgrade_and_all_else_stays() {
        let (_folder, queue) = queue();
        let states = [
            State::Frozen,
            State::Converted,
            State::Refused {
                kernel: String::new(),
                why: Vec::new(),
            },
            State::Thawed {
                kernel: String::new(),
                after: 1,
            },
            State::Replaced {
                kernel: String::new(),
                why: Vec::new(),
            },
        ];
        let waits = states.clone().map(|state| state.waits());
        assert_eq!(waits, [false, true, true, false, false]);
        let mut entries = states.clone().map(|_| queue.begin(record()).unwrap());
        for (entry, state) in entries.iter_mut().zip(states) {
            entry.record.state = state;
            entry.write().unwrap();
            fs::write(entry.next(), "image").unwrap();
        }
        queue.begin(record()).unwrap();
        assert_eq!(names(&queue), ["1", "2", "3", "5", "6"]);
    }

    #[test]
    fn a_service_that_was_thawed_stays_until_its_images_are_gone() {
        let (_folder, queue) = queue();
        let mut entry = queue.begin(record()).unwrap();
        entry.record.unit = Some(unit());
        entry.record.state = State::Thawed {
            kernel: String::new(),
            after: 1,
        };
        entry.write().unwrap();
        fs::write(entry.frozen(), "image").unwrap();
        queue.begin(record()).unwrap();
        assert_eq!(names(&queue), ["1", "2"]);
        entry.remove_images().unwrap();
        queue.begin(record()).unwrap();
        assert_eq!(names(&queue), ["2", "3"]);
    }

    #[test]
    fn images_go_with_their_signatures_and_the_record_stays() {
        let (_folder, queue) = queue();
        let entry = queue.begin(record()).unwrap();
        let other = entry.other("6.12.115");
        for image in [entry.frozen(), entry.next(), other] {
            fs::write(&image, "image").unwrap();
            fs::write(image.with_extension("img.sig"), "signature").unwrap();
        }
        entry.remove_images().unwrap();
        let left = files(&entry.folder).unwrap();
        assert_eq!(left, [entry.folder.join(RECORD)]);
        entry.clone().remove().unwrap();
        assert!(!entry.folder.exists());
    }

    #[test]
    fn an_upgrade_that_is_not_there_is_told_with_those_that_are() {
        let (_folder, queue) = queue();
        let told = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            queue
                .named(&names)
                .map(|found| found.len())
                .map_err(|error| {
                    let text = error.to_string();
                    text.split_once(": ").unwrap().1.to_owned()
                })
        };
        let none = "there is no upgrade 7 here, and no other";
        assert_eq!(told(&["7"]), Err(none.to_owned()));
        queue.begin(record()).unwrap();
        queue.begin(record()).unwrap();
        let two = "there is no upgrade 7 here; there are 1, 2";
        assert_eq!(told(&["1", "7"]), Err(two.to_owned()));
        assert_eq!(told(&["2"]), Ok(1));
    }

    /// One that waits while kconv itself is upgraded.
    #[test]
    fn a_record_of_a_kconv_that_knew_no_units_is_read() {
        let (_folder, queue) = queue();
        let entry = queue.begin(record()).unwrap();
        let path = entry.folder.join(RECORD);
        let text = fs::read_to_string(&path).unwrap();
        let before = text.replace("\"format\": 2", "\"format\": 1");
        let before = before.replace("  \"unit\": null,\n", "");
        assert_eq!(before.lines().count() + 1, text.lines().count());
        fs::write(&path, before).unwrap();
        assert_eq!(queue.entries().unwrap()[0].record, entry.record);
    }

    #[test]
    fn a_record_is_read_strictly_and_one_that_never_was_is_none() {
        let (_folder, queue) = queue();
        let entry = queue.begin(record()).unwrap();
        let path = entry.folder.join(RECORD);
        let text = fs::read_to_string(&path).unwrap();
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = queue.entries().unwrap_err();
            error.to_string().split_once(": ").unwrap().1.to_owned()
        };
        let later = told(&text.replace("\"format\": 2", "\"format\": 3"));
        assert_eq!(later, "a record of format 3; this kconv knows 2");
        for wrong in [
            text.replace("\"to\"", "\"too\""),
            text.replace("\"frozen\"", "\"melted\""),
            text[..text.len() / 2].to_owned(),
            String::new(),
        ] {
            let said = told(&wrong);
            assert!(said.starts_with("not the record of an upgrade"), "{said}");
        }
        // A power cut between the folder and the record; and what others put there.
        fs::remove_file(&path).unwrap();
        fs::write(queue.folder().join("README"), "").unwrap();
        assert_eq!(names(&queue), [""; 0]);
        fs::write(entry.frozen(), "image").unwrap();
        assert!(queue.entries().is_err());
        // It keeps nobody from the others.
        let other = queue.folder().join("7");
        fs::create_dir(&other).unwrap();
        record().write(&other.join(RECORD)).unwrap();
        let (entries, errors) = queue.readable().unwrap();
        assert_eq!((entries.len(), errors.len()), (1, 1));
        let named = |name: &str| queue.named(&[name.to_owned()]);
        assert_eq!(named("7").unwrap().len(), 1);
        let broken = named("1").unwrap_err().to_string();
        assert!(broken.contains(RECORD), "{broken}");
    }
}
