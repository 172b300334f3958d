//! Signatures of gpg, both ways.
#![cfg(feature = "openpgp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Machine, named, run};
use kconv_trust::{MachineKey, Reason, Standing};
use std::fs;
use std::path::Path;
use std::process::Command;

const IMAGE: &[u8] = b"\x7fELF and what tasks are made of";

/// gpg with keys of its own.
struct Gpg {
    home: tempfile::TempDir,
}

impl Gpg {
    fn new() -> Gpg {
        let home = tempfile::tempdir().unwrap();
        common::write(
            &home.path().join("gpg.conf"),
            "batch\nno-tty\npinentry-mode loopback\n",
            0o600,
        );
        Gpg { home }
    }

    fn command(&self, time: Option<&str>) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir")
            .arg(self.home.path())
            .args(["--passphrase", ""]);
        if let Some(time) = time {
            gpg.args(["--faked-system-time", time]);
        }
        gpg
    }

    /// Runs it, at a time if one is given.
    fn run_at(&self, time: Option<&str>, arguments: &[&str]) -> Vec<u8> {
        run(self.command(time).args(arguments)).stdout
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        self.run_at(None, arguments)
    }

    /// Makes a key.
    fn key(&self, user: &str, kind: &str, expires: &str) {
        self.run(&["--quick-generate-key", user, kind, "sign", expires]);
    }

    /// Has a machine trust a key.
    fn trusted(&self, machine: &Machine, user: &str) {
        machine.configure(
            &format!("trusted.d/{user}.asc"),
            self.run(&["--armor", "--export", user]),
        );
    }

    fn sign_at(&self, time: Option<&str>, user: &str, image: &Path) {
        let _ = fs::remove_file(named(image, ".asc"));
        let image = image.to_str().unwrap();
        self.run_at(
            time,
            &["--armor", "--local-user", user, "--detach-sign", image],
        );
    }

    fn sign(&self, user: &str, image: &Path) {
        self.sign_at(None, user, image);
    }

    fn verifies(&self, image: &Path) -> bool {
        let mut gpg = self.command(None);
        gpg.arg("--verify").arg(named(image, ".asc")).arg(image);
        gpg.output().unwrap().status.success()
    }

    fn fingerprint(&self, user: &str) -> String {
        let listed = self.run(&["--with-colons", "--list-keys", user]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        let _ = end
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--kill", "all"])
            .output();
    }
}

#[test]
fn gpg_verifies_what_the_machine_signed() {
    let machine = Machine::with_key();
    let image = machine.image("image", IMAGE);
    let places = machine.sign(&image);
    assert_eq!(places, [named(&image, ".sig"), named(&image, ".asc")]);
    assert_eq!(
        machine.standings(&image),
        [Standing::Trusted, Standing::Trusted]
    );
    let gpg = Gpg::new();
    assert!(!gpg.verifies(&image), "a key it does not have");
    gpg.run(&[
        "--import",
        machine.etc().join("machine.asc").to_str().unwrap(),
    ]);
    assert!(gpg.verifies(&image));
    let name = machine.verdicts(&image)[1].key.clone();
    assert_eq!(name, gpg.fingerprint("kconv on here"));
    fs::write(&image, b"another").unwrap();
    assert!(!gpg.verifies(&image));
    assert_eq!(
        machine.standings(&image),
        [
            Standing::Bad(Reason::DoesNotFit),
            Standing::Bad(Reason::DoesNotFit)
        ]
    );
}

#[test]
fn what_gpg_signed_is_verified_whatever_the_key() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", &IMAGE.repeat(5_000));
    for (user, kind) in [("ed", "ed25519"), ("three", "rsa3072"), ("four", "rsa4096")] {
        gpg.key(user, kind, "never");
        gpg.sign(user, &image);
        assert_eq!(
            machine.standings(&image),
            [Standing::Unknown(Reason::UnknownKey)],
            "{kind}"
        );
        gpg.trusted(&machine, user);
        let verdict = machine.verdicts(&image).remove(0);
        assert_eq!(verdict.standing, Standing::Trusted, "{kind}");
        assert_eq!(verdict.signer.as_deref(), Some(user));
        assert_eq!(verdict.key, gpg.fingerprint(user));
        assert!(verdict.made.unwrap().starts_with("20"), "{kind}");
    }
    // Binary keys and signatures as well.
    machine.configure("trusted.d/ed.asc", gpg.run(&["--export", "ed"]));
    let binary = gpg.run(&[
        "--local-user",
        "ed",
        "--detach-sign",
        "--output",
        "-",
        image.to_str().unwrap(),
    ]);
    fs::write(named(&image, ".asc"), &binary).unwrap();
    assert_eq!(machine.standings(&image), [Standing::Trusted]);
    fs::write(named(&image, ".asc"), [&binary[..], b"x"].concat()).unwrap();
    assert!(matches!(
        machine.standings(&image)[..],
        [.., Standing::Bad(_)]
    ));
}

#[test]
fn a_signing_subkey_signs_for_its_key() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", IMAGE);
    gpg.run(&["--quick-generate-key", "who", "ed25519", "cert", "never"]);
    let name = gpg.fingerprint("who");
    gpg.run(&["--quick-add-key", &name, "rsa3072", "sign", "never"]);
    gpg.trusted(&machine, "who");
    gpg.sign("who", &image);
    let verdict = machine.verdicts(&image).remove(0);
    assert_eq!(
        (verdict.standing, verdict.key),
        (Standing::Trusted, name.clone())
    );

    // One that only encrypts is there too, and does not matter.
    gpg.run(&["--quick-add-key", &name, "cv25519", "encr", "never"]);
    gpg.trusted(&machine, "who");
    assert_eq!(machine.standings(&image), [Standing::Trusted]);

    // The private key that gpg exports signs with that subkey.
    let secret = machine.image(
        "secret",
        &gpg.run(&["--armor", "--export-secret-keys", "who"]),
    );
    common::sign(&MachineKey::read(&secret).unwrap().unwrap(), &image);
    assert!(gpg.verifies(&image));
    assert_eq!(machine.standings(&image), [Standing::Trusted]);

    let subkey = {
        let listed = gpg.run(&["--with-colons", "--list-keys", "who"]);
        let listed = String::from_utf8(listed).unwrap();
        let mut names = listed.lines().filter(|line| line.starts_with("fpr:"));
        names.nth(1).unwrap().split(':').nth(9).unwrap().to_owned()
    };
    // Revoked, it makes its signatures bad, and those of the others do not suffer.
    let mut edit = gpg.command(None);
    edit.args([
        "--no-batch",
        "--yes",
        "--command-fd",
        "0",
        "--status-fd",
        "2",
        "--edit-key",
        "who",
    ]);
    edit.stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut running = edit.spawn().unwrap();
    use std::io::Write;
    let asked = format!("key {subkey}\nrevkey\ny\n0\n\ny\nsave\n");
    running
        .stdin
        .take()
        .unwrap()
        .write_all(asked.as_bytes())
        .unwrap();
    assert!(running.wait().unwrap().success());
    gpg.trusted(&machine, "who");
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::KeyRevoked)]
    );
}

#[test]
fn keys_that_expired_or_were_revoked_make_their_signatures_bad() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", IMAGE);
    let then = Some("20200101T000000!");
    gpg.run_at(
        then,
        &["--quick-generate-key", "old", "ed25519", "sign", "1d"],
    );
    gpg.sign_at(then, "old", &image);
    gpg.trusted(&machine, "old");
    let expired = Reason::KeyExpired("2020-01-02T00:00:00Z".to_owned());
    assert_eq!(machine.standings(&image), [Standing::Bad(expired)]);

    gpg.key("gone", "ed25519", "never");
    gpg.sign("gone", &image);
    gpg.trusted(&machine, "gone");
    assert_eq!(machine.standings(&image), [Standing::Trusted]);
    let name = gpg.fingerprint("gone");
    let file = gpg.home.path().join(format!("openpgp-revocs.d/{name}.rev"));
    let revocation = fs::read_to_string(file)
        .unwrap()
        .replace(":-----BEGIN", "-----BEGIN");
    let revocation = machine.image("revocation", revocation.as_bytes());
    gpg.run(&["--import", revocation.to_str().unwrap()]);
    gpg.trusted(&machine, "gone");
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::KeyRevoked)]
    );
}

#[test]
fn signatures_have_their_time() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", IMAGE);
    let then = Some("20200101T000000!");
    gpg.run_at(
        then,
        &["--quick-generate-key", "who", "ed25519", "sign", "never"],
    );
    gpg.trusted(&machine, "who");
    gpg.sign_at(then, "who", &image);
    let verdict = machine.verdicts(&image).remove(0);
    assert_eq!(verdict.standing, Standing::Trusted);
    assert_eq!(verdict.made.as_deref(), Some("2020-01-01T00:00:00Z"));

    let _ = fs::remove_file(named(&image, ".asc"));
    let path = image.to_str().unwrap();
    gpg.run_at(
        then,
        &[
            "--armor",
            "--default-sig-expire",
            "1d",
            "--detach-sign",
            path,
        ],
    );
    let expired = Reason::Expired("2020-01-02T00:00:00Z".to_owned());
    assert_eq!(machine.standings(&image), [Standing::Bad(expired)]);

    gpg.sign_at(Some("20900101T000000!"), "who", &image);
    let to_come = Reason::NotYet("2090-01-01T00:00:00Z".to_owned());
    assert_eq!(machine.standings(&image), [Standing::Unknown(to_come)]);
}

#[test]
fn a_signature_of_another_file_or_kind_is_bad() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let (image, other) = (
        machine.image("image", IMAGE),
        machine.image("other", b"other"),
    );
    gpg.key("who", "ed25519", "never");
    gpg.trusted(&machine, "who");
    gpg.sign("who", &other);
    fs::rename(named(&other, ".asc"), named(&image, ".asc")).unwrap();
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::DoesNotFit)]
    );

    let path = image.to_str().unwrap();
    let text = gpg.run(&[
        "--armor",
        "--textmode",
        "--detach-sign",
        "--output",
        "-",
        path,
    ]);
    fs::write(named(&image, ".asc"), text).unwrap();
    assert!(matches!(
        &machine.standings(&image)[..],
        [Standing::Bad(Reason::Unsupported { .. })]
    ));

    let weak = gpg.run(&[
        "--armor",
        "--digest-algo",
        "SHA224",
        "--detach-sign",
        "--output",
        "-",
        path,
    ]);
    fs::write(named(&image, ".asc"), weak).unwrap();
    assert!(matches!(
        &machine.standings(&image)[..],
        [Standing::Bad(Reason::Weak(_))]
    ));
    // A certificate is no signature.
    fs::write(named(&image, ".asc"), gpg.run(&["--export", "who"])).unwrap();
    assert!(matches!(
        &machine.standings(&image)[..],
        [Standing::Bad(Reason::Malformed(_))]
    ));
    // A key that only certifies does not sign.
    fs::write(named(&image, ".asc"), "").unwrap();
    assert_eq!(machine.standings(&image), [Standing::Bad(Reason::Empty)]);
}

#[test]
fn each_of_several_signatures_is_told() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", IMAGE);
    gpg.key("one", "ed25519", "never");
    gpg.key("two", "ed25519", "never");
    gpg.trusted(&machine, "two");
    let path = image.to_str().unwrap();
    let both = [
        "--armor",
        "--local-user",
        "one",
        "--local-user",
        "two",
        "--detach-sign",
        path,
    ];
    gpg.run(&both);
    let unknown = Standing::Unknown(Reason::UnknownKey);
    let mut standings = machine.standings(&image);
    standings.sort_by_key(|standing| *standing == Standing::Trusted);
    assert_eq!(standings, [unknown, Standing::Trusted]);
    // What stands behind is told.
    let place = named(&image, ".asc");
    let text = fs::read_to_string(&place).unwrap();
    fs::write(&place, format!("{text}more\n")).unwrap();
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::Trailing(text.len()))]
    );
    fs::write(&place, format!("{text}\n")).unwrap();
    assert_eq!(machine.standings(&image).len(), 2);
}

/// Every bit of a signature by gpg and of one by kconv, in binary and in armor.
#[test]
fn no_bit_of_a_signature_is_turned_unseen() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let image = machine.image("image", IMAGE);
    gpg.key("who", "ed25519", "never");
    gpg.trusted(&machine, "who");
    MachineKey::generate(&machine.path("own"), "here").unwrap();
    machine.configure(
        "trusted.d/own.asc",
        fs::read(machine.path("own/machine.asc")).unwrap(),
    );
    let own = MachineKey::read(&machine.path("own/machine.key"))
        .unwrap()
        .unwrap();
    common::sign(&own, &image);
    let _ = fs::remove_file(named(&image, ".sig"));
    let place = named(&image, ".asc");
    let own = fs::read(&place).unwrap();
    let path = image.to_str().unwrap();
    let armored = gpg.run(&["--armor", "--detach-sign", "--output", "-", path]);
    let binary = gpg.run(&["--detach-sign", "--output", "-", path]);
    for (of, signature) in [("kconv", own), ("gpg, armored", armored), ("gpg", binary)] {
        fs::write(&place, &signature).unwrap();
        assert_eq!(machine.standings(&image), [Standing::Trusted], "{of}");
        let mut seen = Vec::new();
        for bit in 0..signature.len() * 8 {
            let mut turned = signature.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            fs::write(&place, &turned).unwrap();
            let standings = machine.standings(&image);
            if standings.contains(&Standing::Trusted) {
                seen.push((bit / 8, bit % 8));
            }
        }
        assert_eq!(seen, [], "{of}");
    }
}

#[test]
fn a_private_key_with_a_passphrase_is_not_used_unattended() {
    let (machine, gpg) = (Machine::new(), Gpg::new());
    let mut keygen = Command::new("gpg");
    keygen
        .arg("--homedir")
        .arg(gpg.home.path())
        .args(["--passphrase", "secret"]);
    run(keygen.args(["--quick-generate-key", "who", "ed25519", "sign", "never"]));
    let mut export = Command::new("gpg");
    export
        .arg("--homedir")
        .arg(gpg.home.path())
        .args(["--passphrase", "secret"]);
    let exported = run(export.args(["--armor", "--export-secret-keys", "who"])).stdout;
    let secret = machine.image("secret", &exported);
    let error = MachineKey::read(&secret).err().unwrap().to_string();
    assert!(error.contains("has a passphrase"), "{error}");
}

#[test]
fn a_certificate_of_another_key_beside_the_machines_is_an_error() {
    let (machine, other) = (Machine::with_key(), Machine::with_key());
    let theirs = fs::read(other.etc().join("machine.asc")).unwrap();
    machine.configure("machine.asc", theirs);
    let error = machine.config().machine_key().err().unwrap().to_string();
    assert!(error.contains("is a certificate of another key"), "{error}");
}
