//! `kconv forget`

use crate::arguments::Forget;
use crate::failure::Failure;
use kconv_queue::Queue;

pub(crate) fn run(arguments: &Forget) -> Result<(), Failure> {
    for entry in Queue::new(&arguments.queue.folder).named(&arguments.upgrades)? {
        entry.remove()?;
    }
    Ok(())
}
