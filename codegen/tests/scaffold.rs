//! New steps, and what is left to decide.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::overrides::{Changes, OverrideProblem};
use kconv_codegen::patch::PatchError;
use kconv_codegen::plan::{Pair, Plan};
use kconv_codegen::routes::Routes;
use kconv_codegen::scaffold::hunks::{self, Touch, Wanted};
use kconv_codegen::scaffold::{self, NewStep, ScaffoldError, SelectError, Selection};
use kconv_codegen::status;
use kconv_codegen::steps::Steps;
use kernel_structs::releases::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn registry() -> &'static Registry {
    Registry::builtin().unwrap()
}

fn make(from: &str, to: &str) -> NewStep {
    make_with(from, to, Path::new("no decisions"))
}

fn make_with(from: &str, to: &str, decisions: &Path) -> NewStep {
    let registry = registry();
    let selection = scaffold::select(registry, from, to).unwrap();
    scaffold::make(registry, &selection, None, decisions).unwrap()
}

fn text_of<'a>(made: &'a NewStep, path: &str) -> &'a str {
    let file = made.files.iter().find(|file| file.0 == Path::new(path));
    &file.unwrap().1
}

fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    dir
}

/// The proposals for each file, with the first `#` taken from every line.
fn uncommented(made: &NewStep) -> BTreeMap<&str, String> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for proposal in &made.proposals {
        let text = proposal.text();
        let lines = text
            .lines()
            .map(|line| line.strip_prefix('#').unwrap_or(line));
        let text = files.entry(&proposal.file).or_default();
        text.push_str(&(lines.collect::<Vec<_>>().join("\n") + "\n"));
    }
    files
}

#[test]
fn a_new_step_has_what_is_known() {
    let made = make("6.1.0-47-amd64", "6.1.0-48-amd64");
    assert_eq!(made.undecided, 1);
    assert_eq!(made.converter, "convert-6.1.170-6.1.172");
    let files: Vec<_> = made.files.iter().map(|file| file.0.as_path()).collect();
    assert_eq!(files, [Path::new("step.toml")]);
    insta::assert_snapshot!("step.toml", text_of(&made, "step.toml"));
    assert_eq!(made.proposals[0].file, "task_struct.toml");
    insta::assert_snapshot!("proposal", made.proposals[0].text());
}

/// A step is called by versions, and by flavours where they differ; folder and converter alike.
#[test]
fn a_step_is_named_by_its_kernels() {
    let registry = registry();
    for (from, to, name) in [
        ("6.12.113", "6.12.115", "6.12.113-6.12.115"),
        (
            "6.12.113+deb12-amd64",
            "6.12.115+deb12-amd64",
            "6.12.113-6.12.115",
        ),
        (
            "6.12.117+deb12-amd64",
            "6.12.117+deb12-rt-amd64",
            "6.12.117-standard-6.12.117-rt",
        ),
        ("2.4.36-smp", "2.4.37-up", "2.4.36-smp-2.4.37-up"),
    ] {
        let selection = scaffold::select(registry, from, to).unwrap();
        let folder = scaffold::folder(&selection.from, &selection.to);
        assert_eq!(folder, format!("linux-{name}"));
        let made = scaffold::make(registry, &selection, None, Path::new("no decisions")).unwrap();
        assert_eq!(made.converter, format!("convert-{name}"));
        // What the step is called means the same layouts again, if not the same of two builds.
        let again = scaffold::select(registry, &selection.from, &selection.to).unwrap();
        let layouts = |selection: &Selection<'_>| -> Vec<(String, String)> {
            let pairs = selection.pairs.iter();
            let layout = |end: &kconv_codegen::generate::End<'_>| end.release.layout.0.clone();
            pairs.map(|p| (layout(&p.from), layout(&p.to))).collect()
        };
        for pair in layouts(&selection) {
            assert!(layouts(&again).contains(&pair), "{pair:?}");
        }
    }
}

/// What the names of a step mean are the layouts of which the step was made, also where a version was
/// built again since, or for another release of the distribution.
#[test]
fn the_names_of_a_step_mean_its_layouts() {
    let registry = registry();
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let steps = Steps::read(registry, &converters).unwrap();
    assert!(steps.wrong.is_empty());
    let routes = Routes::read(registry, &converters).unwrap();
    let (mut built_again, mut detours) = (0, Vec::new());
    for step in steps.files {
        let name = step.file.converter.strip_prefix("convert-").unwrap();
        let cuts = name.match_indices('-').map(|(at, _)| name.split_at(at));
        let mut meant =
            cuts.filter_map(|(from, to)| scaffold::select(registry, from, &to[1..]).ok());
        let mut meant = meant.next().unwrap();
        let left_out = scaffold::without_detours(&mut meant, &routes).unwrap();
        let meant: Vec<(&str, &str)> = meant
            .pairs
            .iter()
            .map(|pair| (&*pair.from.release.layout.0, &*pair.to.release.layout.0))
            .collect();
        let layout = |release: &str| &*registry.release(release, None, None).unwrap().layout.0;
        let own = step.file.pairs.iter();
        let own: Vec<(&str, &str)> = own
            .map(|pair| (layout(&pair.from), layout(&pair.to)))
            .collect();
        assert_eq!(meant, own, "{name}");
        let pairs = step.file.pairs.iter();
        built_again += pairs.filter(|pair| pair.to == "6.1.0-55-amd64").count();
        let between_flavours = left_out
            .iter()
            .map(|left| (name.to_owned(), left.from.clone(), left.step.clone()));
        detours.extend(between_flavours);
    }
    // From 6.12 on the standard and the cloud flavour have one layout.
    let to_cloud = "linux-6.1.192-standard-6.1.192-cloud";
    let from_cloud = "linux-6.1.192-cloud-6.1.192-standard";
    let expected = [
        ("6.1.192-6.12.117", "6.1.0-57-cloud-amd64", from_cloud),
        ("6.1.192-7.2.12", "6.1.0-57-cloud-amd64", from_cloud),
        ("6.1.192-7.3.4", "6.1.0-57-cloud-amd64", from_cloud),
        ("6.12.117-6.1.192", "6.12.117+deb13-cloud-amd64", to_cloud),
        ("7.2.12-6.1.192", "7.2.12+deb13-cloud-amd64", to_cloud),
        ("7.3.4-6.1.192", "7.3.4+deb13-cloud-amd64", to_cloud),
    ];
    let expected = expected
        .map(|(name, from, step)| (name.to_owned(), from.to_owned(), converters.join(step)));
    assert_eq!(detours, expected);
    assert_eq!(built_again, 2);
}

const UNDECIDED: [(&str, &str); 4] = [
    ("6.1.170", "6.1.172"),
    ("6.1.172", "6.1.170"),
    ("6.1.0-47-amd64", "6.12.117+deb12-amd64"),
    ("6.12.117+deb12-amd64", "6.1.0-47-amd64"),
];

#[test]
fn proposals_are_toml_without_their_comment_and_wait_for_a_reason() {
    for (from, to) in UNDECIDED {
        let made = make(from, to);
        let all = uncommented(&made);
        let files = || all.iter().map(|(file, text)| (*file, text.as_str()));
        let findings = Changes::parse(files()).unwrap_err();
        let waiting =
            |problem: &OverrideProblem| matches!(problem, OverrideProblem::NoReason { .. });
        assert!(findings.iter().all(|f| waiting(&f.problem)), "{findings:?}");
        let filled: Vec<(&str, String)> = files()
            .map(|(file, text)| {
                (
                    file,
                    text.replace("reason = \"\"", "reason = \"tested (fs/a.c: f)\""),
                )
            })
            .collect();
        let filled = filled.iter().map(|(file, text)| (*file, text.as_str()));
        let changes = Changes::parse(filled).unwrap();
        let directions = changes.entries.iter().map(|entry| entry.directions.len());
        let of_flags: BTreeSet<_> = changes.flags.iter().map(|f| (&f.file, f.line)).collect();
        assert_eq!(directions.sum::<usize>() + of_flags.len(), findings.len());
    }
}

/// What is proposed loses no value, refuses no task, and can be carried out.
#[test]
fn a_proposal_does_no_harm() {
    let registry = registry();
    for (from, to) in UNDECIDED {
        let made = make(from, to);
        let filled: Vec<(String, String)> = uncommented(&made)
            .into_iter()
            .map(|(file, text)| {
                (
                    file.to_owned(),
                    text.replace("reason = \"\"", "reason = \"r (fs/a.c: f)\""),
                )
            })
            .collect();
        assert!(
            !filled
                .iter()
                .any(|(_, text)| text.contains("only-if-initial"))
        );
        let changes = Changes::parse(filled.iter().map(|(f, t)| (f.as_str(), t.as_str()))).unwrap();
        let selection = scaffold::select(registry, from, to).unwrap();
        let pair = &selection.pairs[0];
        let overrides = changes.between(&pair.from.layout, &pair.to.layout);
        let plan = Plan::make(&Pair {
            converter: "none",
            machine: &pair.from.release.arch,
            from: pair.from.side(),
            to: pair.to.side(),
            map: &registry.state_map(pair.from.family).unwrap(),
            overrides: &overrides,
        });
        let left = plan.undecided.iter();
        let left: Vec<String> = left
            .map(|open| format!("{}.{}", open.ty, open.field))
            .collect();
        // What the state map means another way, and what is in a union with what it became.
        let other = [
            "k_itimer.list",
            "pt_regs.cs",
            "pt_regs.ss",
            "signal_struct.posix_timers",
        ];
        assert!(
            left.iter().all(|field| other.contains(&field.as_str())),
            "{left:?}"
        );
    }
}

#[test]
fn proposals_are_added_to_the_family_once() {
    let folder = folder("proposals");
    let made = make("6.1.0-47-amd64", "6.1.0-48-amd64");
    for _ in 0..2 {
        let files = scaffold::propose(&folder, &made).unwrap();
        assert_eq!(files, [folder.join("linux-6/task_struct.toml")]);
        assert_eq!(
            fs::read_to_string(&files[0]).unwrap(),
            made.proposals[0].text()
        );
    }
    // The way back finds the field in the file.
    let back = make("6.1.0-48-amd64", "6.1.0-47-amd64");
    let files = scaffold::propose(&folder, &back).unwrap();
    assert_eq!(
        fs::read_to_string(&files[0]).unwrap(),
        made.proposals[0].text()
    );
}

/// What another patch says of the field comes in, and another decision about it does.
#[test]
fn what_is_new_of_a_proposal_is_added() {
    let folder = folder("proposals-again");
    let mut made = make("6.1.0-47-amd64", "6.1.0-48-amd64");
    made.proposals.truncate(1);
    let entry = made.proposals[0].entry.clone();
    let first = made.proposals[0].text();
    let add = |made: &NewStep| {
        let files = scaffold::propose(&folder, made).unwrap();
        fs::read_to_string(&files[0]).unwrap()
    };
    assert_eq!(add(&made), first);
    made.proposals[0].evidence = "##   patch, line 4: s.h\n".to_owned();
    let known = &made.proposals[0].known;
    let second =
        format!("{first}\n{known}##   patch, line 4: s.h\n##   the entry for it stands above\n");
    assert_eq!(add(&made), second);
    assert_eq!(add(&made), second, "once");
    made.proposals[0].entry = entry.replace("appears", "to-one");
    assert_eq!(
        add(&made),
        format!("{second}\n{}", made.proposals[0].text())
    );
}

#[test]
fn with_nothing_undecided_the_code_is_there() {
    let decisions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters/overrides");
    let made = make_with("2.4.36-up", "2.4.36-smp", &decisions);
    assert_eq!(made.undecided, 0);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../converters/linux-2.4.36-up-2.4.36-smp/i386.rs");
    assert!(text_of(&made, "i386.rs") == fs::read_to_string(committed).unwrap());
}

#[test]
fn a_step_is_not_overwritten() {
    let dir = folder("not-overwritten");
    let made = make("2.4.36-up", "2.4.36-smp");
    scaffold::write(&dir, &made).unwrap();
    fs::write(dir.join("step.toml"), "a person's").unwrap();
    let error = scaffold::write(&dir, &made).unwrap_err();
    assert!(matches!(error, ScaffoldError::Exists { .. }), "{error}");
    assert_eq!(fs::read(dir.join("step.toml")).unwrap(), b"a person's");
}

#[test]
fn names_that_mean_no_conversion_are_refused() {
    let registry = registry();
    let alike = scaffold::select(registry, "2.4.36", "2.4.36.8").unwrap();
    let error = scaffold::make(registry, &alike, None, Path::new("no decisions")).unwrap_err();
    assert!(
        matches!(error, ScaffoldError::NothingToConvert { .. }),
        "{error}"
    );
    let unknown = scaffold::select(registry, "2.4.36", "2.4.99");
    assert!(matches!(unknown, Err(SelectError::Generate(_))));
}

#[test]
fn status_follows_chains_and_names_what_is_missing() {
    let registry = registry();
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let show = |from: &str, to: &str, dir: &Path| {
        let selection = scaffold::select(registry, from, to).unwrap();
        let status = status::status(registry, &selection, dir).unwrap();
        let text = status::text(&status).replace(&format!("{}/", dir.display()), "");
        (status.is_complete(), text)
    };
    let (complete, text) = show("2.4.32-up", "2.4.37.11-smp", &converters);
    assert!(complete, "{text}");
    insta::assert_snapshot!("status_of_a_chain", text);
    let (complete, text) = show("2.4.32-up", "2.4.37.11-smp", Path::new("no such folder"));
    assert!(!complete);
    insta::assert_snapshot!("status_without_converters", text);
    let (complete, text) = show("2.4.36", "2.4.36.8", &converters);
    assert!(complete, "{text}");
}

/// Between any two stored layouts of one machine and family there is a way on which nothing is left.
#[test]
fn nothing_is_left_to_decide_between_any_two_layouts() {
    let registry = registry();
    let converters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../converters");
    let mut pairs = Vec::new();
    for from in registry.layouts() {
        for to in registry.layouts() {
            let related = from.family == to.family && from.arch == to.arch;
            if related && from.id != to.id {
                let name = |id| &registry.releases_of(id).next().unwrap().name;
                let mut one = scaffold::select(registry, name(&from.id), name(&to.id)).unwrap();
                pairs.append(&mut one.pairs);
            }
        }
    }
    assert_eq!(pairs.len(), 4 * 3 + 31 * 30 + 3 * 2);
    let selection = Selection {
        from: String::from("any"),
        to: String::from("any other"),
        pairs,
        alike: Vec::new(),
    };
    let status = status::status(registry, &selection, &converters).unwrap();
    assert!(status.is_complete(), "{}", status::text(&status));
}

#[test]
fn an_override_that_nothing_needs_is_left_to_correct() {
    let registry = registry();
    let converters = folder("stale-status");
    let made = make("2.4.36-up", "2.4.36-smp");
    let dir = converters.join("linux-2.4.36-up-2.4.36-smp");
    scaffold::write(&dir, &made).unwrap();
    let text = text_of(&made, "step.toml").to_owned()
        + "\n[[override]]\nfield = \"task_struct.no_such\"\ninit = \"null\"\nreason = \"none (fs/a.c: f)\"\n";
    fs::write(dir.join("step.toml"), text).unwrap();
    let selection = scaffold::select(registry, "2.4.36-up", "2.4.36-smp").unwrap();
    let status = status::status(registry, &selection, &converters).unwrap();
    assert!(!status.is_complete());
    assert!(
        status::text(&status).contains("no_such"),
        "{}",
        status::text(&status)
    );
}

fn wanted(ty: &str, member: &str) -> Wanted {
    Wanted {
        ty: ty.to_owned(),
        member: member.to_owned(),
    }
}

const PATCH: &str = "\
diff --git a/s.h b/s.h
--- a/s.h\t2008-01-01
+++ b/s.h\t2008-01-02
@@ -1,4 +1,5 @@
 struct s {
 \tint kept;
+\tint member;
 };
-int member_of_none;
+int member_of_nobody;
@@ -20,3 +21,3 @@ struct t {
 \tint a;
-\tint member;
+\tlong other;
 };
--- a/gone.c
+++ /dev/null
@@ -1 +0,0 @@
-x->member = 0;
";

#[test]
fn hunks_are_found_by_structure_and_by_name() {
    let fields = [
        wanted("s", "member"),
        wanted("t", "absent"),
        wanted("u", "none"),
    ];
    let found = hunks::find(PATCH.as_bytes(), &fields).unwrap();
    let of_s: Vec<_> = found[&fields[0]]
        .hunks
        .iter()
        .map(|h| (h.touch, h.line, h.file.as_str()))
        .collect();
    assert_eq!(
        of_s,
        [
            (Touch::Member, 4, "s.h"),
            (Touch::Name, 11, "s.h"),
            (Touch::Name, 18, "gone.c")
        ]
    );
    assert_eq!(found[&fields[1]].hunks[0].touch, Touch::Structure);
    assert!(!found.contains_key(&fields[2]));
}

#[test]
fn what_is_kept_of_a_patch_is_bounded() {
    let hunk = "@@ -1 +1 @@ struct s {\n-\tint a;\n+\tint b;\n";
    let long = format!(
        "@@ -0,0 +1,1000 @@ struct s {{\n{}",
        "+\tint x\u{7};\n".repeat(1000)
    );
    let wide = format!("@@ -0,0 +1 @@ struct s {{\n+{}\n", "\u{e9}".repeat(100_000));
    let names = "--- a/x.h\n+++ b/x.h\n";
    let patch = format!("{names}{wide}{long}{}", hunk.repeat(500));
    let field = wanted("s", "");
    let evidence = hunks::find(patch.as_bytes(), std::slice::from_ref(&field))
        .unwrap()
        .remove(&field)
        .unwrap();
    assert_eq!(
        (evidence.hunks.len(), evidence.more),
        (hunks::KEPT, 502 - hunks::KEPT)
    );
    for hunk in &evidence.hunks {
        assert!(hunk.text.len() <= hunks::LINES, "{}", hunk.text.len());
        assert!(
            hunk.text
                .iter()
                .all(|line| line.chars().count() <= 110 && !line.contains(char::is_control))
        );
    }
}

#[test]
fn what_is_no_patch_is_refused() {
    let refused = |patch: &[u8]| hunks::find(patch, &[]).unwrap_err();
    assert_eq!(refused(b"\x1f\x8b\x08"), PatchError::Compressed);
    assert_eq!(refused(b"hello\n"), PatchError::NoHunks);
    let hunk = |text: &str| refused(format!("--- a/x.c\n+++ b/x.c\n{text}").as_bytes());
    let heading = 3;
    assert!(matches!(
        hunk("@@ -x +1 @@\n"),
        PatchError::Heading { line: 3, .. }
    ));
    assert_eq!(
        hunk("@@ -1,3 +1,3 @@\n a\n"),
        PatchError::Short { line: 4, heading }
    );
    assert_eq!(
        hunk("@@ -1 +1 @@\n-a\n-a\n"),
        PatchError::Short { line: 5, heading }
    );
    let count = u64::MAX;
    let huge = format!("@@ -1,{count} +1,{count} @@\n a\n");
    assert!(matches!(hunk(&huge), PatchError::Heading { line: 3, .. }));
}
