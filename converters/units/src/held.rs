//! A service that waits for its thaw: to start it is to thaw it.

use crate::error::UnitError;
use crate::service::DROP_IN;
use kconv_queue::Unit;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// kconv has no limits of its service; a thaw gives tasks those that they had.
const LIMITS: &str = "LimitAS=infinity\nLimitCPU=infinity\nLimitDATA=infinity\nLimitFSIZE=infinity\nLimitMEMLOCK=infinity\n\
                      LimitNOFILE=infinity\nLimitNPROC=infinity\nLimitSTACK=infinity\n";

/// The files that have a service wait for its thaw.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    root: &'a Path,
    upgrade: &'a str,
    unit: &'a Unit,
}

impl<'a> Held<'a> {
    /// Those of a unit of an upgrade, by its name in the queue.
    pub fn new(upgrade: &'a str, unit: &'a Unit) -> Held<'a> {
        Held::below(Path::new("/"), upgrade, unit)
    }

    fn below(root: &'a Path, upgrade: &'a str, unit: &'a Unit) -> Held<'a> {
        Held {
            root,
            upgrade,
            unit,
        }
    }

    /// The unit that lets the service go on under its own settings, once it has been started.
    pub fn settles(&self) -> String {
        format!("kconv-settle-{}.service", self.upgrade)
    }

    /// Writes them, so that `program`, which is kconv, thaws the service when it is started; with those of its own
    /// that a boot wipes. Returns whether one was not there, of which systemd has to be [told](crate::Systemd::reload).
    ///
    /// # Errors
    /// If one cannot be written; then none of kconv's is there.
    pub fn write(&self, program: &Path) -> Result<bool, UnitError> {
        let written = self.write_all(program);
        if written.is_err() {
            let _ = self.remove();
        }
        written
    }

    fn write_all(&self, program: &Path) -> Result<bool, UnitError> {
        let mut is_new = false;
        for file in &self.unit.files {
            let path = self.in_root(&file.path);
            if !path.exists() {
                is_new |= put(&path, &file.text)?;
            }
        }
        is_new |= put(&self.drop_in(), &self.drop_in_text(program))?;
        Ok(is_new | put(&self.settle_unit(), &self.settle_text(program))?)
    }

    /// Removes those of kconv, of which systemd has to be told. What another upgrade of the unit has there stays.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove(&self) -> Result<(), UnitError> {
        if self.is_there() {
            remove(self.drop_in())?;
        }
        remove(self.settle_unit())?;
        remove(self.pid_file())?;
        // It is there for others as well, if there are others.
        let _ = fs::remove_dir(self.drop_in().with_file_name(""));
        Ok(())
    }

    /// Whether the unit waits for the thaw of this upgrade.
    pub fn is_there(&self) -> bool {
        let text = fs::read_to_string(self.drop_in()).unwrap_or_default();
        let command = format!(" unit thaw {}", self.upgrade);
        text.lines().any(|line| line.ends_with(&command))
    }

    /// Removes the files that were [written](Held::write) as the unit's own.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn remove_own(&self) -> Result<(), UnitError> {
        let mut files = self.unit.files.iter();
        files.try_for_each(|file| remove(self.in_root(&file.path)))
    }

    /// Says which process is the main one, where systemd looks for it when kconv has ended. It has to be there before
    /// the process is: if it cannot be, nobody is made.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn say_main(&self) -> Result<(), UnitError> {
        put(&self.pid_file(), &format!("{}\n", self.unit.main)).map(drop)
    }

    /// Puts the file back in which the service itself had the number of its main process, if a boot wiped it. Its folder
    /// is systemd's to make (`RuntimeDirectory=`).
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put_own_pid_file(&self) -> Result<(), UnitError> {
        let Some(path) = self.unit.pid_file.as_ref().map(|path| self.in_root(path)) else {
            return Ok(());
        };
        let number = format!("{}\n", self.unit.main);
        // The folder may be of the service's user, whose links root does not follow.
        let made = File::options().write(true).create_new(true).open(&path);
        match made.and_then(|mut file| file.write_all(number.as_bytes())) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(UnitError::File { path, source })
            }
            _ => Ok(()),
        }
    }

    fn in_root(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn drop_in(&self) -> PathBuf {
        let folder = format!("/run/systemd/system/{}.d", self.unit.name);
        self.in_root(&Path::new(&folder).join(DROP_IN))
    }

    fn settle_unit(&self) -> PathBuf {
        self.in_root(&Path::new("/run/systemd/system").join(self.settles()))
    }

    fn pid_file(&self) -> PathBuf {
        self.in_root(&self.pid_path())
    }

    fn pid_path(&self) -> PathBuf {
        PathBuf::from(format!("/run/kconv/{}.pid", self.upgrade))
    }

    /// It is in force from before the kill: the death of the service is none that systemd does anything about, and its
    /// start is kconv's. Nothing of what the service is confined to, or finds around it, is kconv's (`+`, and what is
    /// reset); what kconv says is not the service's output, whose file would be emptied with `truncate:`.
    fn drop_in_text(&self, program: &Path) -> String {
        let Held { upgrade, .. } = self;
        let program = quoted(program);
        let pid_path = self.pid_path();
        let pid_path = pid_path.display();
        format!(
            "# Written by kconv. Upgrade {upgrade} has the processes of this unit, which wait for their thaw: to start it is to \
             thaw them.\n\
             # `kconv status` tells of them; with `kconv forget {upgrade}` they are given up, and this file is gone.\n\
             [Unit]\n\
             ConditionPathExists=\n\
             AssertPathExists=\n\
             SuccessAction=none\n\
             FailureAction=none\n\
             StartLimitAction=none\n\
             StartLimitIntervalSec=0\n\
             RefuseManualStart=no\n\
             \n\
             [Service]\n\
             Type=forking\n\
             PIDFile={pid_path}\n\
             ExecCondition=\n\
             ExecStartPre=\n\
             ExecStart=\n\
             ExecStart=+{program} unit thaw {upgrade}\n\
             ExecStartPost=\n\
             ExecStop=\n\
             ExecStopPost=\n\
             Restart=no\n\
             RemainAfterExit=no\n\
             RuntimeDirectoryPreserve=yes\n\
             SuccessExitStatus=SIGKILL\n\
             TimeoutStartSec=infinity\n\
             Environment=\n\
             EnvironmentFile=\n\
             PassEnvironment=\n\
             UnsetEnvironment=\n\
             WorkingDirectory=\n\
             RootDirectory=\n\
             RootImage=\n\
             UMask=0077\n\
             {LIMITS}\
             StandardInput=null\n\
             StandardOutput=journal\n\
             StandardError=journal\n\
             SyslogIdentifier=kconv\n"
        )
    }

    fn settle_text(&self, program: &Path) -> String {
        let Held { upgrade, unit, .. } = self;
        let program = quoted(program);
        format!(
            "# Written by kconv.\n\
             [Unit]\n\
             Description=Let {name} go on under its own settings\n\
             After={name}\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             ExecStart={program} unit settle {upgrade}\n",
            name = unit.name.replace('%', "%%"),
        )
    }
}

fn remove(path: PathBuf) -> Result<(), UnitError> {
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(UnitError::File { path, source })
        }
        _ => Ok(()),
    }
}

/// A path as a command of a unit has it (systemd.service(5), "Command lines").
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for letter in path.to_string_lossy().chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '%' => text.push_str("%%"),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text
}

/// Puts a file where it is not there with that text already. Returns whether it was not.
fn put(path: &Path, text: &str) -> Result<bool, UnitError> {
    if fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    let failed = |source| UnitError::File {
        path: path.to_owned(),
        source,
    };
    let folder = path.with_file_name("");
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o755);
    builder.create(folder).map_err(failed)?;
    fs::write(path, text).map_err(failed)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use kconv_queue::{IfRefused, UnitFile};

    fn unit() -> Unit {
        Unit {
            name: "dev-a\\x2db%c.service".to_owned(),
            main: 4711,
            pid_file: Some("/run/a.pid".into()),
            files: vec![UnitFile {
                path: "/run/systemd/transient/a.service".into(),
                text: "[Service]\n".to_owned(),
            }],
            boot: String::new(),
            if_refused: IfRefused::Wait,
            wish: None,
        }
    }

    fn files(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
                }
            }
        }
        found.sort();
        found
    }

    #[test]
    fn to_start_a_unit_that_is_held_is_to_thaw_it() {
        let root = tempfile::tempdir().unwrap();
        let unit = unit();
        let held = Held::below(root.path(), "3", &unit);
        let program = Path::new("/opt/a %b/kconv");
        assert!(held.write(program).unwrap());
        // systemd knows them.
        assert!(!held.write(program).unwrap());
        let mut text = String::new();
        for file in files(root.path()) {
            let contents = fs::read_to_string(root.path().join(&file)).unwrap();
            text.push_str(&format!("==> {file}\n{contents}"));
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn nothing_of_kconv_is_left_and_what_is_the_units_own_is() {
        let root = tempfile::tempdir().unwrap();
        let unit = unit();
        let held = Held::below(root.path(), "3", &unit);
        held.remove().unwrap();
        held.write(Path::new("/usr/bin/kconv")).unwrap();
        held.say_main().unwrap();
        let main = fs::read_to_string(root.path().join("run/kconv/3.pid"));
        assert_eq!(main.unwrap(), "4711\n");
        // Nobody has root write elsewhere.
        let link = root.path().join("run/a.pid");
        std::os::unix::fs::symlink("elsewhere", &link).unwrap();
        held.put_own_pid_file().unwrap();
        assert!(!root.path().join("run/elsewhere").exists());
        fs::remove_file(&link).unwrap();
        held.put_own_pid_file().unwrap();
        let own = fs::read_to_string(&link);
        assert_eq!(own.unwrap(), "4711\n");
        fs::write(root.path().join("run/a.pid"), "another\n").unwrap();
        held.put_own_pid_file().unwrap();
        let own = fs::read_to_string(root.path().join("run/a.pid"));
        assert_eq!(own.unwrap(), "another\n");
        // That of another upgrade of the unit stays.
        assert!(held.is_there());
        let other = Held::below(root.path(), "31", &unit);
        other.remove().unwrap();
        assert!(held.is_there() && !other.is_there());
        held.say_main().unwrap();
        held.remove().unwrap();
        let transient = "run/systemd/transient/a.service";
        assert_eq!(files(root.path()), ["run/a.pid", transient]);
        assert!(
            !root
                .path()
                .join("run/systemd/system/dev-a\\x2db%c.service.d")
                .exists()
        );
        held.remove_own().unwrap();
        assert_eq!(files(root.path()), ["run/a.pid"]);
        held.remove_own().unwrap();
    }

    #[test]
    fn what_is_half_written_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let unit = unit();
        let held = Held::below(root.path(), "3", &unit);
        // In the place of the last one.
        fs::create_dir_all(held.settle_unit()).unwrap();
        let told = held
            .write(Path::new("/usr/bin/kconv"))
            .unwrap_err()
            .to_string();
        assert!(told.contains("kconv-settle-3.service: "), "{told}");
        assert_eq!(files(root.path()), ["run/systemd/transient/a.service"]);
    }
}
