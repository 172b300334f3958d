//! `kconv forget`

use crate::arguments::Forget;
use crate::failure::Failure;
use crate::held;
use kconv_queue::Queue;

pub(crate) fn run(arguments: &Forget) -> Result<(), Failure> {
    let queue = Queue::new(&arguments.queue.folder);
    for entry in queue.named(&arguments.upgrades)? {
        entry.clone().remove()?;
        let (others, _) = queue.readable()?;
        held::forget(&entry, &others);
    }
    Ok(())
}
