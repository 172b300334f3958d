//! Memory that is not simply there: swapped out, in huge pages, or in the middle of much that is only
//! reserved. And a program under a filter.

use super::{LIMIT, freeze, verified};
use kconv_guests::Guest;
use object::{Object, ObjectSegment};

/// What `kept` maps, and what it has there.
const SIZE: u64 = 4 << 20;

fn byte_of(at: u64) -> u8 {
    (at * 7 + at / 4096 + 1) as u8
}

/// `proof` has to hold before the first freeze. Gives the image of the last, and the shortest pause in
/// milliseconds: where the host is busy, the others say how busy.
fn kept(guest: &mut Guest, how: &str, proof: &str, freezes: usize) -> (serde_json::Value, f64) {
    let (out, file) = (format!("/tmp/{how}"), format!("/tmp/{how}.img"));
    let pid = guest.start(&format!("kept {how}"), &out).unwrap();
    guest.says(pid, &out, "ready", LIMIT).unwrap();
    let said = guest.run(&format!("cat {out}")).unwrap();
    let at = said.trim().strip_prefix("ready 0x").unwrap();
    let at = u64::from_str_radix(at, 16).unwrap();
    guest.run(&proof.replace("PID", &pid.to_string())).unwrap();
    let mut pauses: Vec<f64> = (0..freezes)
        .map(|_| freeze(guest, &pid.to_string(), &file))
        .collect();
    pauses.sort_by(f64::total_cmp);
    let inspected = verified(guest, &file);
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    guest.says(pid, &out, "ok", LIMIT).unwrap();
    let image = guest.get(&file).unwrap();
    let elf = object::File::parse(image.as_slice()).unwrap();
    let mut right = 0;
    for segment in elf.segments() {
        let start = segment.address().max(at);
        let end = (segment.address() + segment.size()).min(at + SIZE);
        for here in start..end {
            let found = segment.data().unwrap()[(here - segment.address()) as usize];
            right += u64::from(found == byte_of(here - at));
        }
    }
    assert_eq!(right, SIZE, "{how}");
    println!("{how}: pauses of {pauses:?} ms");
    (inspected, pauses[0])
}

pub(crate) fn of_all_kinds(guest: &mut Guest) {
    guest
        .run(
            "dd if=/dev/zero of=/disk/swap bs=1M count=16 2>/dev/null; chmod 600 /disk/swap; \
              mkswap /disk/swap >/dev/null; swapon /disk/swap",
        )
        .unwrap();
    kept(
        guest,
        "swapped",
        "awk '/^VmSwap/ { exit $2 < 4096 }' /proc/PID/status",
        1,
    );
    guest.run("swapoff /disk/swap").unwrap();
    kept(
        guest,
        "huge",
        "awk '/^AnonHugePages/ { exit $2 < 4096 }' /proc/PID/smaps_rollup",
        1,
    );
    let (_, plain) = kept(guest, "plain", "true", 5);
    let proof = "awk '/^VmSize/ { exit $2 < 400 * 1024 * 1024 }' /proc/PID/status";
    let (_, reserved) = kept(guest, "reserved", proof, 5);
    // To look at each page that could be takes thirty times as long.
    assert!(
        reserved < 4.0 * plain,
        "{reserved} ms, and {plain} ms without"
    );
    let proof = "grep -q 'Seccomp:.2' /proc/PID/status";
    let (inspected, _) = kept(guest, "filtered", proof, 1);
    let filters = inspected["resources"].as_array().unwrap().iter();
    let filters: Vec<_> = filters
        .filter(|resource| resource["kind"] == "seccomp-filter")
        .collect();
    assert_eq!(filters.len(), 1, "{}", inspected["resources"]);
}
