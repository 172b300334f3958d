//! Two things at once.

use std::panic::resume_unwind;
use std::thread;

/// What `one` and `other` give, done at once; one after the other where there can be no more threads.
pub(crate) fn both<A: Send, B>(one: &(impl Fn() -> A + Sync), other: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, one);
        let second = other();
        let first = match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(_) => one(),
        };
        (first, second)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::both;
    use std::sync::Barrier;

    #[test]
    fn both_are_done_at_once() {
        let barrier = Barrier::new(2);
        let wait = || barrier.wait().is_leader();
        let (first, second) = both(&wait, wait);
        assert!(first != second);
    }
}
