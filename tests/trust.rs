//! Who is believed, from the command line: keys, signatures, and what is done with images that nobody vouches for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_tests::image;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder with a configuration and images.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("etc/trusted.d")).unwrap();
        Machine { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs kconv with the configuration. Gives its code and what it said, without what differs from run to run.
    fn kconv(&self, arguments: &[&str]) -> (i32, String) {
        let config = self.path("etc");
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(arguments);
        let ran = Command::new(kconv_tests::program("kconv"))
            .args(all)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let said = [&ran.stdout[..], &ran.stderr[..]].concat();
        let mut said = String::from_utf8(said).unwrap();
        said = said.replace(self.folder.path().to_str().unwrap(), "DIR");
        // What a key is called: 43 letters.
        let mut rest = 0;
        while let Some(at) = said[rest..].find("SHA256:") {
            rest += at + "SHA256:".len();
            if said.is_char_boundary(rest + 43) {
                said.replace_range(rest..rest + 43, "…");
            }
        }
        (ran.status.code().unwrap(), said)
    }

    /// The same, of what has to go well.
    fn done(&self, arguments: &[&str]) -> String {
        let (code, said) = self.kconv(arguments);
        assert_eq!(code, 0, "{said}");
        said
    }

    fn image(&self, name: &str) -> String {
        fs::copy(image("up"), self.path(name)).unwrap();
        name.to_owned()
    }

    fn key(&self) {
        self.done(&["keygen"]);
        // What OpenPGP makes of it is tested where it is known.
        let _ = fs::remove_file(self.path("etc/machine.asc"));
    }
}

fn append(path: &Path) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(b"x").unwrap();
}

#[test]
fn a_key_is_made_once() {
    let machine = Machine::new();
    let said = machine.done(&["keygen"]);
    assert!(said.starts_with("key       SHA256:…\n"), "{said}");
    assert!(
        said.contains("wrote     DIR/etc/machine.key\nwrote     DIR/etc/machine.pub\n"),
        "{said}"
    );
    let (code, said) = machine.kconv(&["keygen"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @r#"
    error: DIR/etc/machine.key: is there already
      = it signs what this machine freezes; if it is to go, move it away: DIR/etc/machine.key
    "#);
}

#[test]
fn an_image_is_signed_and_verified() {
    let machine = Machine::new();
    machine.key();
    let image = machine.image("a.img");
    insta::assert_snapshot!(machine.done(&["verify", &image]), @r#"
    a.img: whole; every digest, object and pointer is in order
    nobody signed it
    "#);
    insta::assert_snapshot!(machine.done(&["sign", &image]), @r#"
    key       SHA256:…
    wrote     a.img.sig
    "#);
    let said = machine.done(&["verify", &image]);
    let host = fs::read_to_string(machine.path("etc/machine.pub")).unwrap();
    let host = host.trim().rsplit(' ').next().unwrap().to_owned();
    insta::assert_snapshot!(said.replace(&host, "kconv@HOST"), @r#"
    a.img: whole; every digest, object and pointer is in order
    a.img.sig: signed by kconv@HOST (key SHA256:…), who is trusted here
    "#);
    let json: Value = serde_json::from_str(&machine.done(&["verify", "--json", &image])).unwrap();
    assert_eq!(json[0]["signatures"][0]["standing"], "trusted");
    assert_eq!(json[0]["signatures"][0]["signer"], host);

    append(&machine.path("a.img"));
    let (code, said) = machine.kconv(&["verify", &image]);
    assert_eq!(code, 1);
    assert!(said.contains("does not fit"), "{said}");

    // Of several each is told, and the gravest has the exit code.
    let other = machine.image("b.img");
    let (code, said) = machine.kconv(&["verify", &other, &image]);
    assert_eq!(code, 1);
    assert!(said.contains("b.img: whole; "), "{said}");
    assert!(
        said.contains("error: 1 of 2 images are not in order\n"),
        "{said}"
    );
    let (code, said) = machine.kconv(&["verify", &image, "no.img", &other]);
    assert_eq!(code, 2);
    assert!(
        said.contains("does not fit") && said.contains("error: no.img: "),
        "{said}"
    );
    assert!(
        said.contains("error: 2 of 3 images are not in order\n"),
        "{said}"
    );
    let json = machine.kconv(&["verify", "--json", "-q", &image, "no.img", &other]);
    assert_eq!(json.0, 2);
    let end = json.1.rfind("\n]").unwrap() + 2;
    let start = json.1.find("[\n").unwrap();
    let all: Value = serde_json::from_str(&json.1[start..end]).unwrap();
    assert!(!all[0]["findings"].as_array().unwrap().is_empty());
    assert!(all[1]["error"].as_str().unwrap().contains("no.img"));
    assert!(all[2]["findings"].as_array().unwrap().is_empty());
    let (code, said) = machine.kconv(&["sign", &image]);
    assert_eq!(code, 1, "what is damaged is not signed: {said}");
}

#[test]
fn without_a_key_nothing_is_signed() {
    let machine = Machine::new();
    let image = machine.image("a.img");
    let (code, said) = machine.kconv(&["sign", &image]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(said, @r#"
    error: there is no key to sign with in DIR/etc
      = `kconv keygen` makes one; or name another with --key
    "#);
    machine.done(&["2.4.36", "2.4.37", &image, "-o", "b.img", "-q"]);
    assert!(!machine.path("b.img.sig").exists());
}

#[test]
fn a_conversion_verifies_signs_and_tells_who_had_signed() {
    let machine = Machine::new();
    machine.key();
    let image = machine.image("a.img");
    // What nobody signed is converted, and what is written over had another signature.
    fs::write(machine.path("b.img"), "old").unwrap();
    fs::write(machine.path("b.img.sig"), "old").unwrap();
    fs::write(machine.path("b.img.asc"), "old").unwrap();
    let said = machine.done(&["2.4.36", "2.4.37", &image, "-o", "b.img"]);
    assert!(
        said.ends_with("wrote    b.img, and read it back\nsigned   b.img.sig\n"),
        "{said}"
    );
    assert!(!machine.path("b.img.asc").exists());
    machine.done(&["verify", "b.img"]);
    let signers = |name: &str| -> Value {
        let shown: Value =
            serde_json::from_str(&machine.done(&["inspect", "--json", name])).unwrap();
        shown["provenance"][0]["signers"].clone()
    };
    assert_eq!(signers("b.img"), serde_json::json!([]));

    machine.done(&["sign", &image, "-q"]);
    machine.done(&["2.4.36", "2.4.37", &image, "-o", "c.img", "-q"]);
    assert_eq!(signers("c.img"), serde_json::json!(["SHA256:…"]));

    append(&machine.path("a.img"));
    let (code, said) = machine.kconv(&["2.4.36", "2.4.37", &image, "-o", "d.img"]);
    assert_eq!(code, 1, "before it is parsed: {said}");
    insta::assert_snapshot!(said, @r#"
    error: a.img: a.img.sig (key SHA256:…): does not fit: the image was changed after it was signed, or it is the signature of another file
      = fetch image and signature again from where they were made, and find out who changed them
    "#);
    let (code, _) = machine.kconv(&["2.4.36", "2.4.37", "--trust-file", &image, "-o", "d.img"]);
    assert_eq!(
        code, 1,
        "a signature that does not fit is refused whatever is said"
    );
    assert!(!machine.path("d.img").exists());
}

#[test]
fn a_key_that_nobody_trusts_is_not_enough() {
    let (machine, other) = (Machine::new(), Machine::new());
    other.key();
    let image = machine.image("a.img");
    let path = machine.path("a.img").to_str().unwrap().to_owned();
    other.done(&["sign", &path, "-q"]);
    let convert = ["2.4.36", "2.4.37", &image, "-o", "b.img", "-q"];
    let (code, said) = machine.kconv(&convert);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
    error: a.img: a.img.sig (key SHA256:…): its key is not trusted here
      = if you know whose key it is, put its public half into trusted.d of /etc/kconv; or say --trust-file
    "#);
    assert_eq!(machine.kconv(&["verify", &image]).0, 1);
    machine.done(&[
        "2.4.36",
        "2.4.37",
        "--trust-file",
        &image,
        "-o",
        "b.img",
        "-q",
    ]);
    machine.done(&["inspect", "b.img"]);

    fs::copy(
        other.path("etc/machine.pub"),
        machine.path("etc/trusted.d/other.pub"),
    )
    .unwrap();
    machine.done(&convert);
    machine.done(&["verify", &image]);
}

#[test]
fn a_policy_asks_for_signatures() {
    let machine = Machine::new();
    let image = machine.image("a.img");
    let policy = |text: &str| fs::write(machine.path("etc/policy.toml"), text).unwrap();
    let convert = [
        "2.4.36",
        "2.4.37",
        "--trust-file",
        &image,
        "-o",
        "b.img",
        "-q",
    ];
    policy("[thaw]\nrequire-signature = true\n");
    machine.done(&convert);
    let (code, said) = machine.kconv(&["thaw", "--trust-file", &image]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
    error: a.img: it is not signed, and policy.toml asks for a signature
      = sign it: kconv sign IMAGE
    "#);
    policy("[convert]\nrequire-signature = true\n");
    assert_eq!(machine.kconv(&convert).0, 1);
    machine.key();
    machine.done(&["sign", &image, "-q"]);
    machine.done(&convert);
    policy("[convert]\nrequire-signatures = true\n");
    let (code, said) = machine.kconv(&convert);
    assert_eq!(code, 2);
    assert!(
        said.contains("line 2") && said.contains("unknown field"),
        "{said}"
    );
}

/// Images of 2.4 are never thawed: that is said once an image is believed.
#[test]
fn a_thaw_takes_what_is_its_owners_alone() {
    let machine = Machine::new();
    let image = machine.image("a.img");
    let path = machine.path("a.img");
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let believed = "error: the image is of linux-2.4 on i386; only linux-6 on amd64 is thawed";
    mode(&path, 0o600);
    let (code, said) = machine.kconv(&["thaw", &image]);
    assert_eq!(code, 2);
    assert!(said.starts_with(believed), "{said}");

    mode(&path, 0o666);
    let (code, said) = machine.kconv(&["thaw", &image]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
    error: a.img: it is not signed, and others may write to DIR/a.img (mode 0666)
      = if you know what is in it: move it to a folder that root alone writes to and give it to root, sign it with `kconv sign`, or say --trust-file
    "#);
    let (_, said) = machine.kconv(&["thaw", "--trust-file", &image]);
    assert!(said.starts_with(believed), "{said}");
    // With a signature it does not matter who could have written it.
    machine.key();
    machine.done(&["sign", &image, "-q"]);
    let (_, said) = machine.kconv(&["thaw", &image]);
    assert!(said.starts_with(believed), "{said}");
    fs::remove_file(machine.path("a.img.sig")).unwrap();
    mode(&path, 0o600);

    let sticky = machine.path("sticky");
    fs::create_dir(&sticky).unwrap();
    mode(&sticky, 0o1777);
    fs::copy(&path, sticky.join("a.img")).unwrap();
    let (code, said) = machine.kconv(&["thaw", "sticky/a.img"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("others may write to DIR/sticky (mode 1777)"),
        "{said}"
    );

    if kconv_tests::is_root() {
        chown(&path, Some(65534), None).unwrap();
        let (code, said) = machine.kconv(&["thaw", &image]);
        assert_eq!(code, 1);
        assert!(
            said.contains("belongs to user 65534, expected root"),
            "{said}"
        );
    } else {
        println!("SKIPPED: only root gives files away");
    }
}

#[test]
fn a_stand_alone_converter_is_as_strict() {
    let machine = Machine::new();
    let link = machine.path("convert-2.4.36.8-2.4.36.9");
    std::os::unix::fs::symlink(kconv_tests::program("kconv"), &link).unwrap();
    machine.image("a.img");
    let run = || {
        Command::new(&link)
            .arg("a.img")
            .current_dir(machine.folder.path())
            .output()
            .unwrap()
    };
    assert!(run().status.success());
    fs::write(machine.path("a.img.sig"), "no signature").unwrap();
    let ran = run();
    assert_eq!(ran.status.code(), Some(1));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.contains("is no signature that can be read"), "{said}");
}
