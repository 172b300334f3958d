//! `kconv-gen check` on the header packages of Debian's kernels, held against their BTF.
//!
//! The test downloads what the archive offers (some 1.2 GB), so that it is run by name:
//!
//! ```text
//! cargo test --release -p kconv-codegen --test check_real -- --ignored --nocapture
//! ```
//!
//! Needed are apt-get with Debian 12's main, security and backports archive, dpkg-deb, tar and
//! diff. What was unpacked is kept in cargo's target folder and used again. A kernel that the
//! archive no longer offers makes the test fail with a line that says so; put one that it offers
//! into [`RELEASES`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::check::{self, Grade, Inputs, Kind, Layouts, Project, Report, Saved, Verdict};
use kconv_codegen::diff::ChangeKind;
use kconv_codegen::overrides::Overrides;
use kconv_codegen::plan::{Pair, Plan, Side};
use kernel_structs::layout::Layout;
use kernel_structs::releases::Registry;
use kernel_structs_routes::bzimage::{DEFAULT_LIMIT, Kernel};
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Kernels whose headers the archive offers, without their flavour, in order.
const RELEASES: [&str; 11] = [
    "6.1.0-47",
    "6.1.0-50",
    "6.1.0-53",
    "6.1.0-54",
    "6.1.0-55",
    "6.1.0-56",
    "6.12.107+deb12",
    "6.12.111+deb12",
    "6.12.113+deb12",
    "6.12.115+deb12",
    "6.12.117+deb12",
];

/// A pair across series, of Debian 13's archive and its backports.
const ACROSS: [&str; 2] = ["6.12.117+deb13", "7.2.12+deb13"];

struct Unpacked {
    tree: PathBuf,
    layout: Layout,
}

fn unpacked(release: &str) -> Unpacked {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{release}"));
    fs::create_dir_all(&folder).unwrap();
    let tree = format!("usr/src/linux-headers-{release}-common");
    // From 6.19 on the image is a stub, and from 7.2 on the kernel lies beside its modules.
    let (image, vmlinuz) = match release.starts_with("7.") {
        true => ("binary", format!("usr/lib/modules/{release}-amd64/vmlinuz")),
        false => ("image", format!("boot/vmlinuz-{release}-amd64")),
    };
    for (package, wanted) in [
        (format!("linux-headers-{release}-common"), &tree),
        (format!("linux-{image}-{release}-amd64"), &vmlinuz),
    ] {
        if !folder.join(wanted).exists() {
            unpack(&package, wanted, &folder);
        }
    }
    let image = fs::read(folder.join(vmlinuz)).unwrap();
    let kernel = Kernel::read(&image, DEFAULT_LIMIT).unwrap();
    Unpacked {
        tree: folder.join(tree),
        layout: kernel.layout().unwrap(),
    }
}

fn unpack(package: &str, wanted: &str, folder: &Path) {
    let download = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let status = Command::new("apt-get")
        .args(["--quiet=2", "download", package])
        .current_dir(download.path())
        .status()
        .expect("apt-get has to be installed");
    assert!(
        status.success(),
        "{package} cannot be had from the archive: is it still offered? (apt-cache policy {package})"
    );
    let file = fs::read_dir(download.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("dpkg-deb has to be installed");
    let status = Command::new("tar")
        .args(["--extract", "--directory"])
        .arg(folder)
        .arg(format!("./{wanted}"))
        .stdin(archive.stdout.take().unwrap())
        .status()
        .expect("tar has to be installed");
    archive.wait().unwrap();
    assert!(status.success(), "{package} has no {wanted}");
}

/// The check of what `diff` finds between two trees.
fn report(from: &Unpacked, to: &Unpacked, saved: &Saved<'_>, inputs: &Inputs<'_>) -> Report {
    let mut diff = Command::new("diff")
        .arg("-urNp")
        .args([&from.tree, &to.tree])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("diff has to be installed");
    let mut patch = BufReader::new(diff.stdout.take().unwrap());
    let report = check::check(Some(&mut patch), saved, &Project::default(), inputs).unwrap();
    diff.wait().unwrap();
    report
}

/// What a pair of kernels came to.
#[derive(Default)]
struct Count {
    changes: usize,
    missed: Vec<String>,
    without_effect: Vec<String>,
    unnamed: usize,
}

fn count(from: &Unpacked, to: &Unpacked, saved: &Saved<'_>, tree: Option<&Path>) -> Count {
    let (old, new) = (&from.layout, &to.layout);
    let names = saved.map.saved_types();
    let fingerprint = |layout: &Layout| {
        let saved = saved.map.saved_in(layout);
        layout.fingerprint(&saved).unwrap()
    };
    let has_both = |name: &&str| old.has(name) && new.has(name);
    let names: Vec<&str> = names.into_iter().filter(has_both).collect();
    let side = |layout| Side {
        release: "one",
        layout_name: "one",
        fingerprint: fingerprint(layout),
        layout,
    };
    let made = Plan::make(&Pair {
        converter: "none",
        machine: "amd64",
        from: side(old),
        to: side(new),
        map: saved.map,
        overrides: &Overrides::default(),
    });
    let inputs = Inputs {
        tree,
        options: None,
        reverse: false,
        layouts: Some(Layouts {
            from: old,
            to: new,
            made: &made,
            overrides: &Overrides::default(),
        }),
    };
    let report = report(from, to, saved, &inputs);
    let found = kconv_codegen::diff::by_field(old, new, &names).unwrap();
    let found = check::genuine(old, new, found);
    let changes = found.iter().flat_map(|ty| &ty.changes);
    let real =
        changes.filter(|change| !matches!(change.kind, ChangeKind::Moved | ChangeKind::Inside));
    let mut count = Count {
        changes: real.count(),
        ..Count::default()
    };
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.grade != Grade::Meaning)
    {
        let line = format!("{} {}", finding.kind.name(), finding.subject);
        match &finding.verdict {
            // What is said of a whole type is the plan's, of a state map for other kernels.
            _ if finding.file.is_empty() && finding.subject.contains('.') => {
                count.missed.push(line)
            }
            _ if finding.file.is_empty() => {}
            _ if finding.grade <= Grade::Unknown => {
                count.unnamed += usize::from(finding.kind == Kind::Unnamed)
            }
            Verdict::Nothing { .. } => count.without_effect.push(line),
            _ => {}
        }
    }
    count
}

#[test]
#[ignore = "downloads 1.2 GB: cargo test --release -p kconv-codegen --test check_real -- --ignored"]
fn every_change_that_btf_shows_is_found_in_the_patch() {
    let neighbours = (0..RELEASES.len() - 1).map(|at| (at, at + 1));
    none_is_missed(&RELEASES, neighbours.chain([(0, RELEASES.len() - 1)]));
}

/// Needed are lists of packages with Debian 13's archive and its backports (`APT_CONFIG`).
#[test]
#[ignore = "downloads 220 MB: cargo test --release -p kconv-codegen --test check_real -- --ignored across"]
fn nothing_is_missed_across_series() {
    none_is_missed(&ACROSS, [(0, 1)]);
}

/// Of the headers of 6.1 and 6.12, with the tree and without layouts.
#[test]
#[ignore = "downloads 220 MB: cargo test --release -p kconv-codegen --test check_real -- --ignored sixty"]
fn fewer_than_sixty_constants_are_to_be_read() {
    with_saved(|saved| {
        let [from, to] = [RELEASES[0], RELEASES[RELEASES.len() - 1]].map(unpacked);
        let inputs = Inputs {
            tree: Some(&from.tree),
            ..Inputs::default()
        };
        let report = report(&from, &to, saved, &inputs);
        let open = report.findings.iter();
        let open = open.filter(|finding| finding.verdict.is_open());
        let (constants, others): (Vec<_>, Vec<_>) = open.partition(|finding| {
            let kinds = [
                Kind::ConstantAdded,
                Kind::ConstantRemoved,
                Kind::ConstantRenumbered,
            ];
            kinds.contains(&finding.kind)
        });
        let names: Vec<&str> = constants.iter().map(|one| one.subject.as_str()).collect();
        println!(
            "{} constants, {} layouts, comments, conditions and unknown: {}",
            constants.len(),
            others.len(),
            names.join(" ")
        );
        assert!(!constants.is_empty());
        assert!(constants.len() < 60, "{}", constants.len());
    });
}

/// Calls `with` with what the stored layouts save.
fn with_saved<T>(with: impl FnOnce(&Saved<'_>) -> T) -> T {
    let registry = Registry::builtin().unwrap();
    let map = registry.state_map("linux-6").unwrap();
    let entries = registry.layouts().filter(|entry| entry.family == "linux-6");
    let layouts = entries.map(|entry| registry.layout(&entry.id).unwrap());
    with(&Saved::new(&map, layouts.collect()))
}

/// Holds the check of pairs of these kernels against their BTF.
fn none_is_missed(releases: &[&str], pairs: impl IntoIterator<Item = (usize, usize)>) {
    with_saved(|saved| none_of(releases, pairs, saved));
}

fn none_of(releases: &[&str], pairs: impl IntoIterator<Item = (usize, usize)>, saved: &Saved<'_>) {
    let all: Vec<Unpacked> = releases.iter().map(|release| unpacked(release)).collect();
    let mut missed = Vec::new();
    for (a, b) in pairs {
        let pair = format!("{} -> {}", releases[a], releases[b]);
        for tree in [None, Some(all[a].tree.as_path())] {
            let before = Instant::now();
            let count = count(&all[a], &all[b], saved, tree);
            println!(
                "{pair}, {}: {} changes, {} missed, {} findings without effect, {} unnamed, {:.1?}",
                if tree.is_some() {
                    "with the tree"
                } else {
                    "the patch alone"
                },
                count.changes,
                count.missed.len(),
                count.without_effect.len(),
                count.unnamed,
                before.elapsed(),
            );
            for line in &count.without_effect {
                println!("  without effect: {line}");
            }
            for line in &count.missed {
                println!("  missed: {line}");
            }
            if tree.is_some() {
                missed.extend(count.missed.iter().map(|line| format!("{pair}: {line}")));
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
