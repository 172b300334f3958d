//! Work that is done by all processors.

use std::sync::Mutex;
use std::thread;

/// How many things are done at once.
pub(crate) fn workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What `make` makes of each of the items, in their order. Each worker takes the next item when it is done with one.
///
/// # Panics
/// If `make` does.
pub(crate) fn side_by_side<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let left = Mutex::new(items.iter().enumerate());
    let next = || match left.lock() {
        Ok(mut left) => left.next(),
        // Nothing that can panic is done while it is held.
        Err(_) => None,
    };
    let work = || {
        let mut made = Vec::new();
        while let Some((number, item)) = next() {
            made.push((number, make(item)));
        }
        made
    };
    let mut made = thread::scope(|scope| {
        let started: Vec<_> = (0..workers().min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let ended = started.into_iter().flat_map(|worker| match worker.join() {
            Ok(made) => made,
            Err(fault) => std::panic::resume_unwind(fault),
        });
        ended.collect::<Vec<_>>()
    });
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::side_by_side;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let made = side_by_side(&items, |item| {
            // The first ones take longest.
            std::thread::sleep(std::time::Duration::from_micros(1000 / (1 + item)));
            item * 2
        });
        assert_eq!(made, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert!(side_by_side(&[] as &[u64], |item| *item).is_empty());
    }
}
