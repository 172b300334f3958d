//! `kconv forget`

use crate::arguments::Forget;
use crate::failure::Failure;
use crate::held;
use crate::style;
use kconv_queue::Queue;

pub(crate) fn run(arguments: &Forget) -> Result<(), Failure> {
    let queue = Queue::new(&arguments.queue.folder);
    let damaged = queue.damaged(&arguments.upgrades)?;
    let names = arguments.upgrades.iter();
    let names: Vec<String> = names
        .filter(|name| !damaged.contains(name))
        .cloned()
        .collect();
    let entries = queue.named(&names)?;
    for name in damaged {
        queue.remove_damaged(&name)?;
        style::warn(&format!(
            "upgrade {name} is gone, with its images; its record could not be read: a service that waited for it has its own settings again after a reboot"
        ));
    }
    for entry in entries {
        entry.clone().remove()?;
        let (others, _) = queue.readable()?;
        held::forget(&entry, &others);
    }
    Ok(())
}
