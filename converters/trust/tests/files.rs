//! Whose the files are that decide, and what they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Machine, write};
use insta::assert_snapshot;
use kconv_trust::{Config, MachineKey, Signatures, nobody_else_writes};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        println!("SKIPPED: only root gives files away");
    }
    is
}

#[test]
fn a_new_key_is_its_owners_alone_and_is_not_overwritten() {
    let machine = Machine::new();
    let made = MachineKey::generate(&machine.etc(), "here").unwrap();
    let key = machine.etc().join("machine.key");
    assert_eq!(
        made.files[..2],
        [key.clone(), machine.etc().join("machine.pub")]
    );
    let modes = made
        .files
        .iter()
        .map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o7777);
    let modes: Vec<u32> = modes.collect();
    assert_eq!(modes[..2], [0o600, 0o644]);
    let before = fs::read(&key).unwrap();
    let error = MachineKey::generate(&machine.etc(), "here").err().unwrap();
    assert!(
        error.to_string().ends_with("machine.key: is there already"),
        "{error}"
    );
    // Nor is a key made whose public half would go over another's.
    fs::remove_file(&key).unwrap();
    let error = MachineKey::generate(&machine.etc(), "here").err().unwrap();
    assert!(
        error.to_string().ends_with("machine.pub: is there already"),
        "{error}"
    );
    assert!(!key.exists());
    fs::write(&key, before).unwrap();
    // Two keys are two.
    let other = MachineKey::generate(&machine.path("other"), "here").unwrap();
    assert_ne!(other.fingerprint, made.fingerprint);
}

#[test]
fn a_private_key_that_others_may_read_is_not_used() {
    let machine = Machine::with_key();
    let key = machine.etc().join("machine.key");
    for wrong in [0o640, 0o604, 0o620] {
        mode(&key, wrong);
        let error = machine.config().machine_key().err().unwrap();
        let said = error.to_string();
        assert!(
            said.contains(&format!("has mode {wrong:04o}: others than its owner may")),
            "{said}"
        );
        assert!(error.advice().contains("chmod go"), "{}", error.advice());
    }
    mode(&key, 0o400);
    assert!(machine.config().machine_key().unwrap().is_some());
}

/// What decides, below the folder of the configuration.
const CONFIGURED: [&str; 5] = [
    "",
    "trusted.d",
    "trusted.d/who",
    "policy.toml",
    "machine.pub",
];

/// A machine that has all of that.
fn configured() -> Machine {
    let machine = Machine::with_key();
    let key = fs::read(machine.etc().join("machine.pub")).unwrap();
    machine.configure("trusted.d/who", key);
    machine.configure("policy.toml", "");
    machine
}

#[test]
fn what_others_may_write_to_is_not_believed() {
    let machine = configured();
    for name in CONFIGURED {
        let path = machine.etc().join(name);
        let before = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        for more in [0o020, 0o002] {
            mode(&path, before | more);
            let said = machine.refused();
            let expected = format!(
                "has mode {:04o}: others than its owner may write to it",
                before | more
            );
            assert!(said.contains(&expected) && said.contains(name), "{said}");
        }
        mode(&path, before);
    }
    assert_eq!(
        machine.config().keys().len(),
        2 + usize::from(kconv_trust::HAS_OPENPGP)
    );
}

#[test]
fn what_belongs_to_somebody_else_is_not_believed() {
    if !is_root() {
        return;
    }
    let machine = configured();
    for name in CONFIGURED {
        let path = machine.etc().join(name);
        chown(&path, Some(65534), None).unwrap();
        let said = machine.refused();
        assert!(
            said.contains("belongs to user 65534, expected root"),
            "{said}"
        );
        chown(&path, Some(0), None).unwrap();
    }
    let key = machine.etc().join("machine.key");
    chown(&key, Some(65534), None).unwrap();
    let error = machine.config().machine_key().err().unwrap();
    assert!(
        error.to_string().contains("belongs to user 65534"),
        "{error}"
    );
}

#[test]
fn links_and_folders_are_no_keys() {
    let machine = Machine::with_key();
    let link = machine.etc().join("trusted.d/link");
    symlink(machine.etc().join("machine.pub"), &link).unwrap();
    assert!(
        machine
            .refused()
            .starts_with("DIR/etc/trusted.d/link: is no regular file")
    );
    fs::remove_file(&link).unwrap();
    fs::create_dir(machine.etc().join("trusted.d/folder")).unwrap();
    assert!(
        machine
            .refused()
            .starts_with("DIR/etc/trusted.d/folder: is no regular file")
    );
    let image = machine.image("image", b"");
    symlink("/dev/zero", common::named(&image, ".sig")).unwrap();
    assert!(Signatures::beside(&image).is_err());
    fs::remove_file(common::named(&image, ".sig")).unwrap();
    write(
        &common::named(&image, ".sig"),
        vec![b'x'; (1 << 20) + 1],
        0o644,
    );
    let error = Signatures::beside(&image).err().unwrap();
    assert!(
        error.to_string().contains("has more than 1048576 bytes"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_an_error_if_it_was_named() {
    assert!(Config::read(Some(Path::new("/nonexistent/kconv"))).is_err());
}

/// A process is made once of an image unless the policy says otherwise.
#[test]
fn a_policy_that_says_nothing_of_it_lets_a_process_be_made_once() {
    let machine = Machine::new();
    assert!(machine.config().policy.thaw.once);
    for (text, once, required) in [
        ("[thaw]\n", true, false),
        ("[thaw]\nrequire-signature = true\n", true, true),
        ("[thaw]\nonce = false\n", false, false),
        ("[convert]\nrequire-signature = true\n", true, false),
    ] {
        machine.configure("policy.toml", text);
        let thaw = machine.config().policy.thaw;
        assert_eq!(
            (thaw.once, thaw.require_signature),
            (once, required),
            "{text}"
        );
    }
}

#[test]
fn a_policy_is_read_strictly() {
    let machine = Machine::new();
    let said = |text: &str| {
        machine.configure("policy.toml", text);
        machine.refused()
    };
    assert_snapshot!(said("[thaw]\nrequire-signatur = true\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 2, column 1
      |
    2 | require-signatur = true
      | ^^^^^^^^^^^^^^^^
    unknown field `require-signatur`, expected `require-signature` or `once`
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[convert]\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 1, column 1
      |
    1 | [convert]
      | ^^^^^^^^^
    missing field `require-signature`
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[preflight]\nrequire-signature = true\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 1, column 2
      |
    1 | [preflight]
      |  ^^^^^^^^^
    unknown field `preflight`, expected one of `thaw`, `convert`, `signer`
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[convert]\nrequire-signature = 1\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 2, column 21
      |
    2 | require-signature = 1
      |                     ^
    invalid type: integer `1`, expected a boolean
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[[signer]]\nkey = \"SHA256:a\"\nuids = [1]\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 1, column 1
      |
    1 | [[signer]]
      | ^^^^^^^^^^
    missing field `gids`
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[[signer]]\nkey = \"SHA256:a\"\nuids = [\"9-1\"]\ngids = []\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 3, column 9
      |
    3 | uids = ["9-1"]
      |         ^^^^^
    invalid value: string "9-1", expected a number, or a range such as "1000-1999"
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[[signer]]\nkey = \"SHA256:a\"\nuids = [-1]\ngids = []\n"), @r#"
    DIR/etc/policy.toml: TOML parse error at line 3, column 9
      |
    3 | uids = [-1]
      |         ^^
    invalid value: a number below 0 or above 4294967295, expected a number, or a range such as "1000-1999"
    the book's chapter "Trust" has all that it can say
    "#);
    assert_snapshot!(said("[[signer]]\nkey = \"SHA256:a\"\nuids = []\ngids = []\n"), @r#"
    DIR/etc/policy.toml: a signer has key `SHA256:a`, and no key that is trusted is that; these are: none
    remove the entry, or put the key into trusted.d; `ssh-keygen -l -f FILE` and `gpg --show-keys` tell what a key is called
    "#);
}

#[test]
fn a_policy_says_who_may_thaw_whose() {
    let machine = Machine::with_key();
    let key = machine
        .config()
        .machine_key()
        .unwrap()
        .unwrap()
        .fingerprint();
    let entry =
        format!("[[signer]]\nkey = \"{key}\"\nuids = [1000, \"2000-2999\"]\ngids = [\"5-5\"]\n");
    machine.configure(
        "policy.toml",
        format!("[thaw]\nrequire-signature = true\n{entry}"),
    );
    let policy = machine.config().policy;
    assert!(policy.thaw.require_signature && !policy.convert.require_signature);
    let (uids, gids) = policy.bounds(&key).unwrap();
    let has = [0, 999, 1000, 1001, 1999, 2000, 2999, 3000].map(|id| uids.has(id));
    assert_eq!(has, [false, false, true, false, false, true, true, false]);
    assert!(gids.has(5) && !gids.has(4) && !gids.has(6));
    assert!(policy.bounds("SHA256:another").is_none());
    machine.configure("policy.toml", format!("{entry}{entry}"));
    assert!(machine.refused().contains("has two entries"));
}

#[test]
fn an_image_is_its_owners_alone_in_a_folder_that_is() {
    let machine = Machine::new();
    let folder = machine.path("folder");
    fs::create_dir(&folder).unwrap();
    mode(&folder, 0o755);
    let path = folder.join("image");
    let said = || {
        let file = File::open(&path).unwrap();
        match nobody_else_writes(&file, &path) {
            Ok(()) => String::new(),
            Err(error) => error
                .to_string()
                .replace(machine.folder.path().to_str().unwrap(), "DIR"),
        }
    };
    write(&path, "image", 0o600);
    // The folder is in one for all, which is sticky: what is in it can be moved by its owner alone.
    assert_eq!(said(), "");
    mode(&path, 0o644);
    assert_eq!(said(), "");
    for wrong in [0o620, 0o602, 0o666] {
        mode(&path, wrong);
        assert_eq!(
            said(),
            format!("others may write to DIR/folder/image (mode {wrong:04o})")
        );
    }
    mode(&path, 0o600);
    for wrong in [0o775, 0o777, 0o1777] {
        mode(&folder, wrong);
        assert_eq!(
            said(),
            format!("others may write to DIR/folder (mode {wrong:04o})")
        );
    }
    mode(&folder, 0o755);
    // A folder on the way, in which others could put another in the place of that folder.
    mode(machine.folder.path(), 0o777);
    assert_eq!(said(), "others may write to DIR (mode 0777)");
    mode(machine.folder.path(), 0o1777);
    assert_eq!(said(), "");
    mode(machine.folder.path(), 0o700);
    if is_root() {
        chown(&path, Some(65534), None).unwrap();
        assert_eq!(
            said(),
            "DIR/folder/image belongs to user 65534, expected root"
        );
        chown(&path, Some(0), None).unwrap();
        chown(&folder, Some(65534), None).unwrap();
        assert_eq!(said(), "DIR/folder belongs to user 65534, expected root");
        chown(&folder, Some(0), None).unwrap();
        mode(machine.folder.path(), 0o1777);
        chown(machine.folder.path(), Some(65534), None).unwrap();
        assert_eq!(said(), "DIR belongs to user 65534, expected root");
        chown(machine.folder.path(), Some(0), None).unwrap();
    }
}

#[test]
fn the_file_that_counts_is_the_one_that_was_opened() {
    let machine = Machine::new();
    let (path, link) = (machine.path("image"), machine.path("link"));
    write(&path, "image", 0o600);
    symlink(&path, &link).unwrap();
    let file = File::open(&link).unwrap();
    nobody_else_writes(&file, &link).unwrap();
    // Whoever puts another there meanwhile.
    fs::rename(&path, machine.path("moved")).unwrap();
    nobody_else_writes(&file, &link).unwrap();
    fs::remove_file(machine.path("moved")).unwrap();
    let error = nobody_else_writes(&file, &link).unwrap_err().to_string();
    assert!(error.contains("was moved or replaced"), "{error}");
}
