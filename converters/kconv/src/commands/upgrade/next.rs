//! Who thaws the tasks when the next kernel has been booted.

use kconv_queue::FOLDER;
use std::fs;
use std::path::Path;

/// The unit that `converters/install` installs, which thaws what is in the queue.
const UNIT: &str = "kconv-thaw.service";

/// It, and those that have services and numbers wait for it; they are enabled with it.
const UNITS: [&str; 3] = [UNIT, "kconv-reserve.service", "kconv-hold.service"];

/// Where systemd keeps which units are enabled (systemctl(1)).
const ENABLED: &str = "etc/systemd/system";

/// Whether a unit of kconv thaws what waits in `queue`, on a machine whose files are below `root`.
pub(super) fn is_thawed_by_unit(root: &Path, queue: &Path) -> bool {
    queue == Path::new(FOLDER) && is_enabled(root)
}

/// Who thaws what waits in `queue`, on a machine whose files are below `root`: nobody by itself, unless the unit is
/// enabled.
pub(super) fn who_thaws(root: &Path, queue: &Path) -> String {
    match (queue == Path::new(FOLDER), is_enabled(root)) {
        (true, true) => format!("{UNIT}, which is enabled, thaws them there"),
        (true, false) => {
            format!("nobody thaws them by itself: enable {UNIT} now, or run `kconv retry` there")
        }
        (false, _) => format!(
            "nobody thaws them by itself: run `kconv retry --queue {}` there",
            queue.display()
        ),
    }
}

/// Whether all that have a part in it are enabled, and not masked.
fn is_enabled(root: &Path) -> bool {
    let enabled = root.join(ENABLED);
    let targets = fs::read_dir(&enabled).into_iter().flatten().flatten();
    let wants: Vec<_> = targets
        .filter(|target| target.file_name().to_string_lossy().ends_with(".wants"))
        .map(|target| target.path())
        .collect();
    UNITS.iter().all(|unit| {
        let is_wanted = wants
            .iter()
            .any(|wants| wants.join(unit).symlink_metadata().is_ok());
        let leads = fs::read_link(enabled.join(unit));
        is_wanted && leads.ok().as_deref() != Some(Path::new("/dev/null"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_unit_thaws_the_machines_queue_if_it_is_enabled() {
        let root = tempfile::tempdir().unwrap();
        let who = |queue: &str| who_thaws(root.path(), Path::new(queue));
        let nobody = "nobody thaws them by itself: enable kconv-thaw.service now, or run \
                      `kconv retry` there";
        assert_eq!(who(FOLDER), nobody);
        let wants = root
            .path()
            .join("etc/systemd/system/multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        assert_eq!(who(FOLDER), nobody);
        // Where it leads need not be there on this machine.
        for unit in UNITS {
            assert_eq!(who(FOLDER), nobody);
            std::os::unix::fs::symlink("/nowhere/unit", wants.join(unit)).unwrap();
        }
        assert!(is_thawed_by_unit(root.path(), Path::new(FOLDER)));
        assert!(!is_thawed_by_unit(root.path(), Path::new("/srv/queue")));
        assert_eq!(
            who(FOLDER),
            "kconv-thaw.service, which is enabled, thaws them there"
        );
        assert_eq!(
            who("/srv/queue"),
            "nobody thaws them by itself: run `kconv retry --queue /srv/queue` there"
        );
        let masked = root.path().join(ENABLED).join("kconv-hold.service");
        std::os::unix::fs::symlink("/dev/null", masked).unwrap();
        assert_eq!(who(FOLDER), nobody);
    }
}
