//! Signatures of ssh-keygen, both ways.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Machine, named, run, ssh_key, ssh_sign};
use kconv_trust::{MachineKey, Reason, Standing};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

const IMAGE: &[u8] = b"\x7fELF and what tasks are made of";

/// Whether ssh-keygen verifies the signature that lies beside an image, by a line of allowed signers.
fn ssh_verifies(machine: &Machine, image: &Path, line: &str) -> bool {
    let allowed = machine.path("allowed_signers");
    fs::write(&allowed, line).unwrap();
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-Y", "verify", "-n", "kconv-image", "-I", "who@here", "-f"]);
    keygen.arg(&allowed).arg("-s").arg(named(image, ".sig"));
    keygen.stdin(File::open(image).unwrap());
    keygen.output().unwrap().status.success()
}

#[test]
fn ssh_keygen_verifies_what_the_machine_signed() {
    let machine = Machine::with_key();
    let image = machine.image("image", IMAGE);
    assert_eq!(machine.sign(&image)[0], machine.path("image.sig"));
    let public = fs::read_to_string(machine.etc().join("machine.pub")).unwrap();
    let line = format!("who@here {public}");
    assert!(ssh_verifies(&machine, &image, &line));
    fs::write(&image, b"another").unwrap();
    assert!(!ssh_verifies(&machine, &image, &line));

    let shown = run(Command::new("ssh-keygen")
        .args(["-l", "-f"])
        .arg(machine.etc().join("machine.key")));
    let key = machine.config().machine_key().unwrap().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(
        shown.trim(),
        format!("256 {} kconv@here (ED25519)", key.fingerprint())
    );
}

#[test]
fn what_ssh_keygen_signed_is_verified() {
    let machine = Machine::new();
    let image = machine.image("image", IMAGE);
    let key = machine.path("key");
    ssh_key(&key, "who@there");
    ssh_sign(&key, "kconv-image", &image);
    assert_eq!(
        machine.standings(&image),
        [Standing::Unknown(Reason::UnknownKey)]
    );

    let public = fs::read_to_string(machine.path("key.pub")).unwrap();
    for text in [
        public.clone(),
        format!("# who is trusted\n\nwho@there namespaces=\"kconv-image\" {public}"),
    ] {
        machine.configure("trusted.d/who", text);
        let verdict = machine.verdicts(&image).remove(0);
        assert_eq!(verdict.standing, Standing::Trusted);
        assert_eq!(verdict.signer.as_deref(), Some("who@there"));
        assert_eq!(verdict.place, machine.path("image.sig"));
        assert!(verdict.key.starts_with("SHA256:") && verdict.made.is_none());
    }
    machine.configure(
        "trusted.d/who",
        format!("who valid-before=20200101Z {public}"),
    );
    let expired = Reason::KeyExpired("2020-01-01T00:00:00Z".to_owned());
    assert_eq!(machine.standings(&image), [Standing::Bad(expired)]);
    // One line that holds is enough.
    machine.configure("trusted.d/whom", public.clone());
    assert_eq!(machine.standings(&image), [Standing::Trusted]);
    fs::remove_file(machine.etc().join("trusted.d/whom")).unwrap();
    machine.configure("trusted.d/who", format!("who namespaces=\"git\" {public}"));
    assert_eq!(
        machine.standings(&image),
        [Standing::Unknown(Reason::UnknownKey)]
    );
}

#[test]
fn both_hashes_of_ssh_keygen_are_known() {
    let machine = Machine::new();
    let image = machine.image("image", &IMAGE.repeat(10_000));
    let key = machine.path("key");
    ssh_key(&key, "who@there");
    machine.configure("trusted.d/who", fs::read(machine.path("key.pub")).unwrap());
    for hash in ["sha256", "sha512"] {
        let _ = fs::remove_file(named(&image, ".sig"));
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-Y", "sign", "-n", "kconv-image", "-O"]);
        run(keygen
            .arg(format!("hashalg={hash}"))
            .arg("-f")
            .arg(&key)
            .arg(&image));
        assert_eq!(machine.standings(&image), [Standing::Trusted], "{hash}");
    }
}

#[test]
fn a_key_of_ssh_keygen_signs() {
    let machine = Machine::new();
    let image = machine.image("image", IMAGE);
    let key = machine.path("key");
    ssh_key(&key, "who@here");
    let public = fs::read_to_string(machine.path("key.pub")).unwrap();
    let read = MachineKey::read(&key).unwrap().unwrap();
    common::sign(&read, &image);
    assert!(ssh_verifies(
        &machine,
        &image,
        &format!("who@here {public}")
    ));
}

#[test]
fn what_is_signed_for_something_else_or_is_of_another_image_is_bad() {
    let machine = Machine::new();
    let (image, other) = (
        machine.image("image", IMAGE),
        machine.image("other", b"other"),
    );
    let key = machine.path("key");
    ssh_key(&key, "who@there");
    machine.configure("trusted.d/who", fs::read(machine.path("key.pub")).unwrap());
    ssh_sign(&key, "file", &image);
    let namespace = Reason::Namespace {
        found: "file".to_owned(),
        expected: "kconv-image",
    };
    assert_eq!(machine.standings(&image), [Standing::Bad(namespace)]);
    ssh_sign(&key, "kconv-image", &other);
    fs::rename(named(&other, ".sig"), named(&image, ".sig")).unwrap();
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::DoesNotFit)]
    );
    // Also if nobody trusts the key.
    fs::remove_file(machine.etc().join("trusted.d/who")).unwrap();
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::DoesNotFit)]
    );
}

#[test]
fn each_of_several_signatures_is_told_and_nothing_stands_behind_them() {
    let machine = Machine::with_key();
    let image = machine.image("image", IMAGE);
    let key = machine.path("key");
    ssh_key(&key, "who@there");
    ssh_sign(&key, "kconv-image", &image);
    let place = named(&image, ".sig");
    let theirs = fs::read_to_string(&place).unwrap();
    let own = fs::read_to_string(&machine.sign(&image)[0]).unwrap();
    let _ = fs::remove_file(named(&image, ".asc"));
    let unknown = Standing::Unknown(Reason::UnknownKey);
    for (text, expected) in [
        (
            format!("{own}{theirs}"),
            vec![Standing::Trusted, unknown.clone()],
        ),
        (format!("{theirs}{own}"), vec![unknown, Standing::Trusted]),
        (
            format!("{own}\n"),
            vec![
                Standing::Trusted,
                Standing::Bad(Reason::Trailing(own.len())),
            ],
        ),
        (
            format!("{own}x"),
            vec![
                Standing::Trusted,
                Standing::Bad(Reason::Trailing(own.len())),
            ],
        ),
        (String::new(), vec![Standing::Bad(Reason::Empty)]),
    ] {
        fs::write(&place, &text).unwrap();
        assert_eq!(machine.standings(&image), expected, "{text}");
    }
}

#[test]
fn kinds_of_keys_and_hashes_that_are_not_known_say_so() {
    let machine = Machine::new();
    let image = machine.image("image", IMAGE);
    let key = machine.path("key");
    let mut keygen = Command::new("ssh-keygen");
    run(keygen.args(["-q", "-t", "ecdsa", "-N", "", "-f"]).arg(&key));
    ssh_sign(&key, "kconv-image", &image);
    let unsupported = Reason::Unsupported {
        what: "a key of kind ecdsa-sha2-nistp256".to_owned(),
    };
    assert_eq!(machine.standings(&image), [Standing::Bad(unsupported)]);
    machine.configure(
        "trusted.d/who.pub",
        fs::read(machine.path("key.pub")).unwrap(),
    );
    let said = machine.refused();
    assert!(
        said.starts_with("DIR/etc/trusted.d/who.pub, line 1: keys of kind ecdsa-sha2-nistp256"),
        "{said}"
    );
}

/// A key or a signature with room for what nobody reads could be written in several ways.
#[test]
fn nothing_is_left_behind_the_last_field() {
    use base64ct::{Base64, Encoding};
    let machine = Machine::with_key();
    let _ = fs::remove_file(machine.etc().join("machine.asc"));
    let image = machine.image("image", IMAGE);
    let place = machine.sign(&image).remove(0);
    let more = |letters: &str| {
        let mut bytes = Base64::decode_vec(&letters.replace('\n', "")).unwrap();
        bytes.push(0);
        Base64::encode_string(&bytes)
    };
    let text = fs::read_to_string(&place).unwrap();
    let body = text.split("-----\n").nth(1).unwrap();
    let body = body.split("-----END").next().unwrap();
    let longer = text.replace(body, &format!("{}\n", more(body)));
    fs::write(&place, longer).unwrap();
    let left = "1 bytes are left after the last field".to_owned();
    assert_eq!(
        machine.standings(&image),
        [Standing::Bad(Reason::Malformed(left.clone()))]
    );

    let public = fs::read_to_string(machine.etc().join("machine.pub")).unwrap();
    let letters = public.split(' ').nth(1).unwrap();
    machine.configure("trusted.d/who", public.replace(letters, &more(letters)));
    let said = machine.refused();
    assert!(said.contains(&left), "{said}");
}

/// Every byte of the image, of the signature and of the public key, with every bit turned.
#[test]
fn no_byte_of_image_signature_or_key_is_changed_unseen() {
    let machine = Machine::with_key();
    let image = machine.image("image", IMAGE);
    let _ = machine.sign(&image);
    let _ = fs::remove_file(named(&image, ".asc"));
    let _ = fs::remove_file(machine.etc().join("machine.asc"));
    assert_eq!(machine.standings(&image), [Standing::Trusted]);

    for (at, flipped) in flips(IMAGE) {
        fs::write(&image, flipped).unwrap();
        let standings = machine.standings(&image);
        assert_eq!(
            standings,
            [Standing::Bad(Reason::DoesNotFit)],
            "byte {at} of the image"
        );
    }
    fs::write(&image, IMAGE).unwrap();

    let place = named(&image, ".sig");
    let signature = fs::read(&place).unwrap();
    for (at, flipped) in flips(&signature) {
        fs::write(&place, flipped).unwrap();
        let standings = machine.standings(&image);
        let refused = standings
            .iter()
            .any(|standing| matches!(standing, Standing::Bad(_)));
        assert!(refused, "byte {at} of the signature: {standings:?}");
    }
    fs::write(&place, signature).unwrap();

    let public = machine.etc().join("machine.pub");
    let line = fs::read(&public).unwrap();
    let comment = line.iter().rposition(|byte| *byte == b' ').unwrap();
    for (at, flipped) in flips(&line[..comment]) {
        fs::write(&public, flipped).unwrap();
        // A line that is none any more, or is another's.
        match kconv_trust::Config::read(Some(&machine.etc())) {
            Err(_) => {}
            Ok(_) => assert_eq!(
                machine.standings(&image),
                [Standing::Unknown(Reason::UnknownKey)],
                "byte {at} of the key"
            ),
        }
    }
}

/// The bytes with each bit turned, one at a time.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}

#[test]
fn every_byte_of_the_private_key_counts() {
    let machine = Machine::with_key();
    let path = machine.etc().join("machine.key");
    let _ = fs::remove_file(machine.etc().join("machine.asc"));
    let key = fs::read(&path).unwrap();
    let own = machine
        .config()
        .machine_key()
        .unwrap()
        .unwrap()
        .fingerprint();
    let mut kept = 0;
    for (at, flipped) in flips(&key) {
        common::write(&path, &flipped, 0o600);
        match MachineKey::read(&path) {
            Err(_) => {}
            // What whoever made it calls it, and two check numbers that are turned alike, are no part of the key.
            Ok(read) => {
                kept += 1;
                assert_eq!(read.unwrap().fingerprint(), own, "byte {at}");
            }
        }
    }
    // The comment `kconv@here`, of which the letters of base64 hold 80 bits.
    assert!(kept <= 110, "{kept}");
}
