//! `kconv check` says what can be done here, and what is in the way. It comes last: the machine does not go back.

use kconv_guests::{Guest, LIMIT};

/// What it exits with, and prints.
fn asked(guest: &mut Guest) -> (i32, String) {
    let answer = guest.attempt("kconv check", LIMIT).unwrap();
    (answer.code, format!("{}{}", answer.stdout, answer.stderr))
}

pub(super) fn of_what_can_be(guest: &mut Guest) {
    let (code, told) = asked(guest);
    assert_eq!(code, 0, "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("kernel    {}", guest.release()));
    assert!(lines[1].starts_with("freeze    yes, by layout "), "{told}");
    assert_eq!(lines[2..], ["thaw      yes", "kexec     yes"], "{told}");

    let names = |told: &str, line: &str, why: &str, advice: &str| {
        let (_, rest) = told.split_once(line).unwrap_or_else(|| panic!("{told}"));
        assert!(rest.lines().nth(1).unwrap().contains(why), "{told}");
        assert!(rest.contains(advice), "{told}");
    };
    let kernel = "/proc/sys/kernel";
    guest
        .run(&format!("echo 1 >{kernel}/kexec_load_disabled"))
        .unwrap();
    let (code, told) = asked(guest);
    assert_eq!(code, 1, "{told}");
    names(
        &told,
        "kexec     no",
        "does not load another one",
        "--start reboot",
    );
    assert!(told.contains("freeze    yes"), "{told}");

    guest
        .run(&format!("echo 3 >{kernel}/yama/ptrace_scope"))
        .unwrap();
    let (code, told) = asked(guest);
    assert_eq!(code, 1, "{told}");
    names(
        &told,
        "freeze    no",
        "nobody may trace",
        "until the next boot",
    );
    let refused = guest
        .attempt("kconv freeze 1 -o /tmp/none.img", LIMIT)
        .unwrap();
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("nobody may trace"),
        "{}",
        refused.stderr
    );

    let shell = "kconv check; echo $?";
    let told = guest
        .run(&format!("busybox unshare -n sh -c '{shell}'"))
        .unwrap();
    names(&told, "thaw      no", "net namespace", "in no container");
}
