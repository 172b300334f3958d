//! Programs and libraries that were patched meanwhile: a freeze that keeps them has the task go on with those that
//! it had, and one that does not names what is another.

use super::{LIMIT, convert, ended, initramfs, machine, mount, number};
use kconv_guests::{Guest, Initramfs, Kernel, Output};
use std::path::Path;
use std::process::Command;

/// What the task has, where it is in the guest, and what is there of it before and after the patch.
struct Parts {
    /// The library, the program, and what is mapped to be read.
    before: [Vec<u8>; 3],
    after: [Vec<u8>; 3],
}

const PATHS: [&str; 3] = ["/disk/lib/libpatched.so", "/disk/patched", "/disk/data"];

/// In an image that keeps files, and nowhere else in it.
const IN_THE_DATA: [u8; 64] = [b'b'; 64];

impl Parts {
    fn build(folder: &Path) -> Parts {
        let [library, program] = ["library.c", "main.c"]
            .map(|name| format!("{}/tests/thaw/patched/{name}", env!("CARGO_MANIFEST_DIR")));
        let gcc = |arguments: &[&str]| {
            let mut gcc = Command::new("gcc");
            gcc.current_dir(folder)
                .args(["-O1", "-Wall", "-Werror", "-Wl,--build-id"]);
            assert!(gcc.args(arguments).status().unwrap().success());
        };
        let built = |version: &str, build: &str| {
            let version = format!("-DVERSION=\"{version}\"");
            gcc(&[
                "-shared",
                "-fPIC",
                &version,
                "-o",
                "libpatched.so",
                &library,
            ]);
            let build = format!("-DBUILD=\"{build}\"");
            gcc(&[
                &build,
                "-o",
                "patched",
                &program,
                "-L.",
                "-lpatched",
                "-Wl,-rpath,/disk/lib",
            ]);
            ["libpatched.so", "patched"].map(|name| std::fs::read(folder.join(name)).unwrap())
        };
        let [other_library, other_program] = built("2", "other");
        let [library, program] = built("1", "first");
        let data = [b'a', b'b', b'c'].map(|byte| vec![byte; 4096]).concat();
        let other_data = vec![b'd'; 3 * 4096];
        Parts {
            before: [library, program, data],
            after: [other_library, other_program, other_data],
        }
    }

    /// Puts files in the places of those that are there, as a package manager does.
    fn install(guest: &mut Guest, parts: &[Vec<u8>; 3]) {
        guest.run("mkdir -p /disk/lib").unwrap();
        for (path, contents) in PATHS.iter().zip(parts) {
            guest.put(&format!("{path}.new"), contents, 0o755).unwrap();
            guest.run(&format!("mv {path}.new {path}")).unwrap();
        }
    }
}

#[test]
fn what_was_patched_meanwhile_is_kept_or_named() {
    let (old, new) = (
        Kernel::oldest("6.1").unwrap(),
        Kernel::newest("6.12").unwrap(),
    );
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts::build(folder.path());
    let mut initramfs: Initramfs = initramfs().clone();
    // For the loader and the C library.
    initramfs.program(&folder.path().join("patched")).unwrap();
    let (machine, _folder) = machine();
    let mut guest = machine.boot(&old, &initramfs).unwrap();
    mount(&mut guest);
    number(&mut guest, 20_000);

    Parts::install(&mut guest, &parts.before);
    let without = frozen(&mut guest, "without", "");
    let kept = frozen(&mut guest, "kept", "--with-programs");
    let next = frozen(&mut guest, "next", "--with-programs");
    let [running, upgraded] = ["running", "upgraded"].map(|name| start(&mut guest, name));
    Parts::install(&mut guest, &parts.after);
    named(&mut guest, "without", without);
    damaged(&mut guest, "kept");
    goes_on(&mut guest, "kept", kept, &parts);
    unlinked(&mut guest, "running", running);
    convert(&mut guest, "next", &old, &new);
    guest.run("kconv verify /disk/next.img").unwrap();

    upgrade(&mut guest, "upgraded", upgraded, (&new, &initramfs));
    mount(&mut guest);
    guest
        .run("ln /disk/upgraded/1/next.img /disk/upgraded.img")
        .unwrap();
    let said = guest.run("cat /disk/upgrade.log").unwrap();
    println!("{said}");
    assert!(
        said.contains(" files of programs; the tasks stood still"),
        "{said}"
    );
    ends(&mut guest, "upgraded", upgraded);
    goes_on(&mut guest, "next", next, &parts);
    guest.power_off().unwrap();
}

fn start(guest: &mut Guest, name: &str) -> u32 {
    let out = format!("/disk/{name}.out");
    // What is written behind the freeze is in no thaw's way.
    let command = format!("sh -c 'exec /disk/patched /disk/data >>{out} 2>&1'");
    let pid = guest.start(&command, "/tmp/start").unwrap();
    guest.says(pid, &out, "ready with 1", LIMIT).unwrap();
    pid
}

fn frozen(guest: &mut Guest, name: &str, option: &str) -> u32 {
    let pid = start(guest, name);
    let freeze = format!("kconv freeze {option} --kill {pid} -o /disk/{name}.img");
    let said = guest.run(&freeze).unwrap();
    println!("{name}: {said}");
    assert_eq!(said.contains("\nprograms  "), !option.is_empty(), "{said}");
    pid
}

/// A command that is refused, with what it says.
fn refused(guest: &mut Guest, command: &str, texts: &[&str]) -> Output {
    let said = guest.attempt(command, LIMIT).unwrap();
    println!("# {command}\n{}", said.stderr);
    assert_eq!(said.code, 1, "{}{}", said.stdout, said.stderr);
    for text in texts {
        assert!(said.stderr.contains(text), "{text}: {}", said.stderr);
    }
    said
}

/// Without the files in the image, all that is another is told, and which option would have kept it.
fn named(guest: &mut Guest, name: &str, pid: u32) {
    guest
        .run(
            "mkdir -p /var/lib/dpkg/info; echo /disk/lib/libpatched.so \
             >/var/lib/dpkg/info/libpatched1:amd64.list",
        )
        .unwrap();
    let told = [
        format!("task {pid} (patched): regular file /disk/lib/libpatched.so"),
        format!("task {pid} (patched): regular file /disk/patched"),
        format!("task {pid} (patched): regular file /disk/data"),
        "(package libpatched1), expected build ID ".to_owned(),
        "a freeze with --with-programs keeps it in the image".to_owned(),
        "[file.build-id]".to_owned(),
        "nothing was made".to_owned(),
    ];
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    refused(guest, &format!("kconv thaw /disk/{name}.img"), &told);
}

/// A file in the image that is not as it was is told before anything is made.
fn damaged(guest: &mut Guest, name: &str) {
    let mut image = guest.get(&format!("/disk/{name}.img")).unwrap();
    let at = image
        .windows(IN_THE_DATA.len())
        .position(|part| part == IN_THE_DATA);
    image[at.unwrap()] ^= 1;
    guest.put("/disk/damaged.img", &image, 0o600).unwrap();
    refused(guest, "kconv verify /disk/damaged.img", &["the user pages"]);
    let said = guest
        .attempt("kconv thaw /disk/damaged.img", LIMIT)
        .unwrap();
    assert!(
        said.code != 0 && said.stderr.contains("the user pages"),
        "{said:?}"
    );
    guest.run("rm /disk/damaged.img").unwrap();
}

/// A task that was frozen with its files goes on with them: it is thawed, frozen again as it is then, thawed again,
/// and finds all as it was.
fn goes_on(guest: &mut Guest, name: &str, pid: u32, parts: &Parts) {
    let said = from_the_image(guest, name, pid);
    assert!(said.contains("found build ID "), "{said}");
    // Its files have no path now, and are kept because of that.
    let again =
        format!("kconv freeze --kill {pid} -o /disk/again.img && kconv verify /disk/again.img");
    let said = guest.run(&again).unwrap();
    assert!(said.contains("\nprograms  3 files"), "{said}");
    from_the_image(guest, "again", pid);
    // The program of a descriptor would have to be there.
    let out = format!("/disk/{name}.out");
    guest.run(&format!("kill -USR2 {pid}")).unwrap();
    guest.says(pid, &out, "opened", LIMIT).unwrap();
    let freeze = format!("kconv freeze --kill {pid} -o /disk/never.img");
    let text = "/disk/patched, to which no path leads any more, and which is open as descriptor 3,";
    refused(guest, &freeze, &[text, "[fd.unlinked]"]);
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    assert_eq!(ended(guest, name, pid), "ready with 1\nopened\nright\n");
    // What is there again is taken from there.
    Parts::install(guest, &parts.before);
    let said = guest.run("kconv thaw -v /disk/again.img").unwrap();
    assert!(!said.contains("[file.kept]"), "{said}");
    let maps = guest.run(&format!("cat /proc/{pid}/maps")).unwrap();
    assert!(
        !maps.contains("memfd:") && maps.contains(PATHS[0]),
        "{maps}"
    );
    guest
        .run(&format!("kill -USR1 {pid}; rm /disk/again.img"))
        .unwrap();
    assert!(ended(guest, name, pid).ends_with("right\nright\n"));
    Parts::install(guest, &parts.after);
}

/// Thaws a task whose three files are not there any more as they were.
fn from_the_image(guest: &mut Guest, name: &str, pid: u32) -> String {
    let report = "--report /tmp/report.json";
    let said = guest
        .run(&format!("kconv thaw -v {report} /disk/{name}.img"))
        .unwrap();
    println!("{name}: {said}");
    let maps = guest
        .run(&format!(
            "cat /proc/{pid}/maps; readlink /proc/{pid}/exe; cat /tmp/report.json"
        ))
        .unwrap();
    for path in PATHS {
        let told = format!(
            "dropped   task {pid} (patched): {path}, which is mapped: the copy that the image has, \
             which /proc calls /memfd:kconv:{path}; found "
        );
        assert!(said.contains(&told), "{told}: {said}");
        assert!(
            maps.contains(&format!("/memfd:kconv:{path} (deleted)")),
            "{maps}"
        );
        assert!(!maps.contains(&format!(" {path}\n")), "{maps}");
    }
    assert_eq!(said.matches("[file.kept]").count(), 3, "{said}");
    assert!(maps.contains("\"file.kept\""), "{maps}");
    said
}

/// Goes over to the next kernel with a process of which the files are in no folder any more.
fn upgrade(guest: &mut Guest, name: &str, pid: u32, (kernel, initramfs): (&Kernel, &Initramfs)) {
    for (path, contents) in [
        ("/tmp/vmlinuz", std::fs::read(&kernel.vmlinuz).unwrap()),
        ("/tmp/initrd", initramfs.archive(kernel).unwrap()),
    ] {
        guest.put(path, &contents, 0o600).unwrap();
    }
    let upgrade = format!(
        "kconv upgrade --with-programs --kernel /tmp/vmlinuz --initrd /tmp/initrd \
         --queue /disk/{name} {pid}"
    );
    guest
        .leaves(&upgrade, "/disk/upgrade.log", kernel)
        .unwrap_or_else(|error| panic!("{error}"));
}

/// What was patched before the freeze is in no folder any more.
fn unlinked(guest: &mut Guest, name: &str, pid: u32) {
    let freeze = format!("kconv freeze --kill {pid} -o /disk/{name}.img");
    let text = "/disk/lib/libpatched.so, which was unlinked while it was open cannot be carried";
    refused(guest, &freeze, &[text]);
    let freeze = format!("kconv freeze --with-programs --kill {pid} -o /disk/{name}.img");
    let said = guest.run(&freeze).unwrap();
    assert!(said.contains("\nprograms  "), "{said}");
    ends(guest, name, pid);
}

/// Thaws a task with the files that the image has, and has it check them.
fn ends(guest: &mut Guest, name: &str, pid: u32) {
    from_the_image(guest, name, pid);
    guest.run(&format!("kill -USR1 {pid}")).unwrap();
    assert_eq!(ended(guest, name, pid), "ready with 1\nright\n");
}
