//! Which images are of one freeze.
#![allow(clippy::unwrap_used)]

mod common;

use kconv_image::{Head, Machine};

#[test]
fn another_kernel_or_another_moment_is_another_freeze() {
    let head = common::sample(Machine::X86_64).head;
    let freeze = head.freeze();
    let other = |change: &dyn Fn(&mut Head)| {
        let mut head = head.clone();
        change(&mut head);
        head.freeze()
    };
    let changes: [&dyn Fn(&mut Head); 6] = [
        &|head| head.identity.origin.release.push('1'),
        &|head| head.identity.origin.fingerprint.0[31] ^= 1,
        &|head| head.identity.origin.build_id.push(0),
        &|head| head.clocks.realtime_seconds += 1,
        &|head| head.clocks.realtime_nanoseconds += 1,
        &|head| head.clocks.boottime_nanoseconds += 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_ne!(other(change), freeze, "change {number}");
    }
    // What a conversion changes, and what was chosen to be saved.
    let same = other(&|head| {
        head.identity.kernel.release.push('1');
        head.objects.clear();
        head.provenance.clear();
    });
    assert_eq!(same, freeze);
}
