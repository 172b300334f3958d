//! `kconv forget`

use crate::arguments::Forget;
use crate::failure::Failure;
use crate::held;
use kconv_queue::Queue;

pub(crate) fn run(arguments: &Forget) -> Result<(), Failure> {
    let entries = Queue::new(&arguments.queue.folder).named(&arguments.upgrades)?;
    for entry in &entries {
        entry.clone().remove()?;
    }
    held::forget(&entries.iter().collect::<Vec<_>>());
    Ok(())
}
