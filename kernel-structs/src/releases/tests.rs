//! Tests of the table of releases: the one built in, and broken ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::btf;
use crate::layout::FieldPath;
use std::borrow::Cow;
use std::collections::BTreeSet;

fn builtin() -> &'static Registry {
    Registry::builtin().unwrap()
}

#[test]
fn every_stored_layout_is_what_the_table_says() {
    let registry = builtin();
    let ids: Vec<LayoutId> = registry.layouts().map(|entry| entry.id.clone()).collect();
    assert_eq!(ids.len(), 38);
    for id in ids {
        let entry = registry.layout_entry(&id).unwrap();
        let map = registry.state_map(&entry.family).unwrap();
        let layout = registry.layout(&id).unwrap();
        // Nothing in it is more or less than the state map needs, and the file is in its one form.
        let (again, fingerprint) = prepare_layout(&layout, &map)
            .expect("after a change of the state map, make the layouts again: prepare_layout");
        assert_eq!(fingerprint, entry.fingerprint);
        let written = btf::write(&again).unwrap();
        assert_eq!(
            written,
            registry.files.layout(&entry.file).unwrap().as_ref()
        );
        // Arrays of BTF have a type of their indexes, which is there for them alone in some.
        assert_eq!(btf::read(&written).unwrap(), layout);
        assert_eq!(registry.layout_by_fingerprint(fingerprint), [entry]);
    }
}

#[test]
fn the_versions_of_2_4_are_all_there_in_both_flavours() {
    let registry = builtin();
    let dots = |version: &str, last: u32| {
        let dots = (1..=last).map(|dot| format!("{version}.{dot}"));
        [version.to_owned()]
            .into_iter()
            .chain(dots)
            .collect::<Vec<_>>()
    };
    let mut before = dots("2.4.32", 0);
    before.extend(dots("2.4.33", 7));
    before.extend(dots("2.4.34", 6));
    before.extend(dots("2.4.35", 5));
    before.extend(dots("2.4.36", 8));
    let mut after = vec!["2.4.36.9".to_owned()];
    after.extend(dots("2.4.37", 11));
    assert_eq!((before.len(), after.len()), (31, 13));
    for (versions, first) in [(before, "2.4.32"), (after, "2.4.36.9")] {
        for flavour in ["up", "smp"] {
            let id = LayoutId(format!("{first}-i386-{flavour}"));
            let of: Vec<&str> = registry
                .releases_of(&id)
                .map(|r| r.version.as_str())
                .collect();
            assert_eq!(of, versions);
            for version in &versions {
                let release = registry.release(version, Some(flavour), None).unwrap();
                assert_eq!(release.name, format!("{version}-{flavour}"));
                assert_eq!(release.layout, id);
            }
        }
    }
    let of_2_4 = |release: &&Release| release.version.starts_with("2.4.");
    assert_eq!(registry.releases().iter().filter(of_2_4).count(), 88);
}

#[test]
fn the_one_change_within_2_4_is_scm_work_list() {
    let registry = builtin();
    let load = |id: &str| registry.layout(&LayoutId(id.to_owned())).unwrap();
    let task = |id: &str| load(id).composite("task_struct").unwrap().1.size.0;
    assert_eq!(task("2.4.32-i386-up"), 1440);
    assert_eq!(task("2.4.36.9-i386-up"), 1440);
    assert_eq!(task("2.4.32-i386-smp"), 1696);
    assert_eq!(task("2.4.36.9-i386-smp"), 1712);
    for (flavour, offset) in [("up", Some(1432)), ("smp", None)] {
        let before = load(&format!("2.4.32-i386-{flavour}"));
        let after = load(&format!("2.4.36.9-i386-{flavour}"));
        let names = |layout: &Layout| -> BTreeSet<String> {
            let (_, task) = layout.composite("task_struct").unwrap();
            task.members
                .iter()
                .filter_map(|member| member.name.clone())
                .collect()
        };
        let new: Vec<String> = names(&after).difference(&names(&before)).cloned().collect();
        assert_eq!(new, ["scm_work_list"]);
        assert!(names(&before).is_subset(&names(&after)));
        let path = FieldPath::parse("scm_work_list").unwrap();
        let found = after
            .resolve(after.require("task_struct").unwrap(), &path)
            .unwrap();
        assert!(offset.is_none_or(|offset| found.offset.byte().0 == offset));
        assert_eq!(after.canonical_type(found.ty), "*struct list_head");
    }
}

#[test]
fn members_that_are_only_walked_agree_within_a_flavour() {
    let registry = builtin();
    let map = registry.state_map("linux-2.4").unwrap();
    assert!(!map.walk.is_empty());
    for flavour in ["up", "smp"] {
        let [before, after] = ["2.4.32", "2.4.36.9"].map(|version| {
            registry
                .layout(&LayoutId(format!("{version}-i386-{flavour}")))
                .unwrap()
        });
        for (name, paths) in &map.walk {
            for path in paths {
                let path = FieldPath::parse(path).unwrap();
                let [old, new] = [&before, &after].map(|layout| {
                    let found = layout
                        .resolve(layout.require(name).unwrap(), &path)
                        .unwrap();
                    (
                        found.offset,
                        found.bit_field,
                        layout.canonical_type(found.ty),
                    )
                });
                assert_eq!(old, new, "{name}.{path}");
            }
        }
    }
}

#[test]
fn a_release_is_found_by_name_version_and_flavour() {
    let registry = builtin();
    let name = |query: &str, flavour| match registry.release(query, flavour, Some("i386")) {
        Ok(release) => release.name.clone(),
        Err(error) => format!("{error}; {}", error.advice()),
    };
    assert_eq!(name("2.4.36-up", None), "2.4.36-up");
    assert_eq!(name("2.4.36-smp", Some("up")), "2.4.36-smp");
    assert_eq!(name("2.4.36", Some("smp")), "2.4.36-smp");
    insta::assert_snapshot!(name("2.4.36", None), @"`2.4.36` can be any of 2.4.36-up, 2.4.36-smp; name one of them in full, such as 2.4.36-up");
    insta::assert_snapshot!(name("2.4.36", Some("xen")), @"`2.4.36` can be any of 2.4.36-up, 2.4.36-smp; name one of them in full, such as 2.4.36-up");
    insta::assert_snapshot!(name("2.4.38", Some("up")), @"there is no release `2.4.38` for i386; the nearest are 2.4.37, 2.4.36, 2.4.35");
    insta::assert_snapshot!(name("2.4.37-spm", None), @"there is no release `2.4.37-spm` for i386; the nearest are 2.4.37-smp, 2.4.37-up, 2.4.36-smp");
    insta::assert_snapshot!(name("5.10", None), @"`5.10` is a release for amd64, and one for i386 is wanted; name a release for i386");
    insta::assert_snapshot!(name("5.11", None), @"there is no release `5.11` for i386; name a release as in kernel-structs/releases.toml, such as 2.4.36 or 2.4.36-smp");
    // A version with a flavour is a name as well.
    let misspelt = registry.release("6.1.170-standrad", None, None);
    let advice = misspelt.unwrap_err().advice();
    assert!(
        advice.starts_with("the nearest are 6.1.170-standard,"),
        "{advice}"
    );
    let error = registry
        .release("2.4.36", Some("up"), Some("x86_64"))
        .unwrap_err();
    insta::assert_snapshot!(format!("{error}; {}", error.advice()), @"`2.4.36` is a release for i386, and one for x86_64 is wanted; name a release for x86_64");
    insta::assert_snapshot!(name("6.1.170", None), @"`6.1.170` is a release for amd64, and one for i386 is wanted; name a release for i386");
}

#[test]
fn the_releases_of_a_series_come_the_newest_first() {
    let registry = builtin();
    let series = registry.of_series("6.12", None);
    let versions: Vec<_> = series.iter().map(|it| numbers(&it.version)).collect();
    assert!(versions.is_sorted_by(|a, b| a >= b) && versions.len() > 20);
    assert!(versions.iter().all(|version| version.starts_with(&[6, 12])));
    let first = series.first().unwrap();
    assert_eq!(first.flavour, "standard");
    // Those of 6.1 are others than those of 6.12 and 6.18; a series is whole numbers.
    assert!(
        registry
            .of_series("6.1", None)
            .iter()
            .all(|it| it.version.starts_with("6.1."))
    );
    for none in ["6.", "6.1x", "", "6.12.117", "6.13"] {
        assert!(registry.of_series(none, None).is_empty(), "{none}");
    }
    assert!(registry.of_series("2.4", Some("amd64")).is_empty());
    let error = registry.release("2.4", Some("up"), None).unwrap_err();
    insta::assert_snapshot!(format!("{error}; {}", error.advice()), @"`2.4` can be any of 88 releases; the newest are 2.4.37.11-up, 2.4.37.11-smp, 2.4.37.10-up; name one of them in full, such as 2.4.37.11-up");
}

/// A table like the one built in, with one part of its text replaced by another.
fn broken(from: &str, to: &str) -> Result<Registry, RegistryError> {
    let mut files = Files::builtin();
    let text = files.releases.replacen(from, to, 1);
    assert_ne!(text, files.releases, "nothing to replace");
    files.releases = Cow::Owned(text);
    Registry::parse(files)
}

fn message(result: Result<Registry, RegistryError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_uname_leads_to_its_release() {
    let registry = broken(
        "name = \"2.4.33-up\"\n",
        "name = \"2.4.33-up\"\nuname = \"2.4.33-debian1\"\nbuild_id = \"00ff\"\n",
    )
    .unwrap();
    assert_eq!(
        registry.release("2.4.33-debian1", None, None).unwrap().name,
        "2.4.33-up"
    );
}

#[test]
fn flavours_are_appended_to_versions_whatever_the_name() {
    let registry = broken("name = \"2.4.33-up\"", "name = \"woody\"").unwrap();
    assert_eq!(
        registry.release("2.4.33-up", None, None).unwrap().name,
        "woody"
    );
    assert_eq!(
        registry.release("woody", None, None).unwrap().version,
        "2.4.33"
    );
}

/// 6.1.192 was built three times, in three flavours.
#[test]
fn of_builds_of_one_version_and_layout_the_newest_is_meant() {
    let registry = builtin();
    let name = |query: &str, flavour| registry.release(query, flavour, None).unwrap().name.clone();
    assert_eq!(name("6.1.192", Some("standard")), "6.1.0-57-amd64");
    assert_eq!(name("6.1.192", Some("rt")), "6.1.0-57-rt-amd64");
    assert_eq!(name("6.1.192-cloud", None), "6.1.0-57-cloud-amd64");
    assert_eq!(name("6.1.0-55-amd64", None), "6.1.0-55-amd64");
    // A version alone still does not tell the flavour.
    let error = registry.release("6.1.192", None, None).unwrap_err();
    insta::assert_snapshot!(error, @"`6.1.192` can be any of 6.1.0-57-amd64, 6.1.0-57-cloud-amd64, 6.1.0-57-rt-amd64");
    let names = |registry: &Registry| -> Vec<String> {
        let all = registry.of_version("6.1.192").into_iter();
        all.map(|release| release.name.clone()).collect()
    };
    let newest = [
        "6.1.0-57-amd64",
        "6.1.0-57-cloud-amd64",
        "6.1.0-57-rt-amd64",
    ];
    assert_eq!(names(registry), newest);

    // Builds with different layouts are different kernels, and nobody can guess which is meant.
    let one = |layout: &str| {
        format!(
            "arch = \"amd64\"\nflavour = \"standard\"\nlayout = \"{layout}\"\nuname = \"6.1.0-55-amd64\""
        )
    };
    let parted = broken(&one("6.1.0-55-amd64"), &one("6.1.0-50-amd64")).unwrap();
    assert_eq!(names(&parted).len(), 4);
    let error = parted
        .release("6.1.192", Some("standard"), None)
        .unwrap_err();
    insta::assert_snapshot!(error, @"`6.1.192` can be any of 6.1.0-55-amd64, 6.1.0-57-amd64");
}

/// What 6.12.105 renumbered has the types of before: the kernels' own code tells the two apart, and
/// a layout that took its constants of a later kernel would not.
#[test]
fn bits_of_f_mode_have_other_numbers_since_6_12_105() {
    let registry = builtin();
    let bit = |release: &str, flavour: &str, name: &str| {
        let release = registry.release(release, Some(flavour), None).unwrap();
        let layout = registry.layout(&release.layout).unwrap();
        layout.constant(name)
    };
    for flavour in ["standard", "cloud", "rt"] {
        for before in ["6.12.95", "6.12.96", "6.12.100", "6.12.101"] {
            assert_eq!(bit(before, flavour, "FMODE_BACKING"), Some(1 << 25));
            assert_eq!(bit(before, flavour, "FMODE_NONOTIFY"), Some(1 << 26));
            assert_eq!(bit(before, flavour, "FMODE_NONOTIFY_PERM"), None);
        }
        for after in ["6.12.105", "6.12.107", "6.12.113", "6.12.118"] {
            assert_eq!(bit(after, flavour, "FMODE_BACKING"), Some(1 << 24));
            assert_eq!(bit(after, flavour, "FMODE_NONOTIFY"), Some(1 << 25));
            assert_eq!(bit(after, flavour, "FMODE_NONOTIFY_PERM"), Some(1 << 26));
        }
    }
}

/// An image says the name and the fingerprint of its kernel's layout, and a thaw and a converter ask
/// for both.
#[test]
fn layouts_keep_the_names_under_which_images_were_written() {
    let registry = builtin();
    // The first kernel that had it when it was stored turned out to have other constants.
    for (id, begins, first) in [
        ("6.12.100+deb12-amd64", "a06622f0", "6.12.105+deb13-amd64"),
        (
            "6.12.100+deb12-rt-amd64",
            "4279680c",
            "6.12.105+deb13-rt-amd64",
        ),
    ] {
        let id = LayoutId(id.to_owned());
        let entry = registry.layout_entry(&id).unwrap();
        assert!(entry.fingerprint.to_string().starts_with(begins));
        assert_eq!(registry.releases_of(&id).next().unwrap().name, first);
    }
}

/// A command that was killed leaves the file of a layout that is in no table yet.
#[test]
fn a_file_that_no_layout_has_is_told_and_does_no_harm() {
    let mut files = Files::builtin();
    let (_, data) = files.layouts.iter().next().unwrap();
    let data = data.clone();
    files.layouts.insert("2.4.38-up.btf".to_owned(), data);
    let registry = Registry::parse(files).unwrap();
    assert_eq!(registry.strays().collect::<Vec<_>>(), ["2.4.38-up.btf"]);
}

#[test]
fn broken_tables_are_refused() {
    let first = "layout = \"2.4.32-i386-up\"";
    insta::assert_snapshot!(
        message(broken(first, "layout = \"2.4.33-i386-up\"")),
        @"release 2.4.32-up: there is no layout `2.4.33-i386-up`; the nearest is `2.4.32-i386-up`"
    );
    insta::assert_snapshot!(message(broken("2.4.33-up\"", "2.4.32-up\"")), @"releases.toml: release `2.4.32-up` is there twice");
    insta::assert_snapshot!(message(broken("\nid = \"2.4.32-i386-smp", "\nid = \"2.4.32-i386-up")), @"releases.toml: layout `2.4.32-i386-up` is there twice");
    insta::assert_snapshot!(message(broken("file = \"2.4.32-i386-up", "file = \"2.4.31-i386-up")), @"layout 2.4.32-i386-up: there is no file layouts/2.4.31-i386-up.btf; take the file and releases.toml from version control, or remove the layout and its releases from releases.toml and import them again");
    insta::assert_snapshot!(
        message(broken("file = \"2.4.32-i386-up", "file = \"2.4.32-i386-smp")),
        @"releases.toml: file `2.4.32-i386-smp.btf` is there twice"
    );
    insta::assert_snapshot!(message(broken("linux-2.4\"", "linux-2.2\"")), @"layout 2.4.32-i386-up needs the file linux-2.2.toml, which is not there");
    let (one, other) = (
        "12f1e1ca032e499318c5cc64e024d3e617624bf6",
        "764949bbe8b7a9241512fbf3b0d66d0ba34686a8",
    );
    insta::assert_snapshot!(message(broken(one, other)), @"releases.toml: build id `764949bbe8b7a9241512fbf3b0d66d0ba34686a8` is there twice");
    let no_ticks = message(broken("hz = 250", "hz = 0"));
    assert!(no_ticks.contains("expected a nonzero u32"), "{no_ticks}");
    let no_fingerprint = message(broken("fingerprint = \"", "fingerprint = \"x"));
    assert!(
        no_fingerprint.contains("64 hexadecimal digits"),
        "{no_fingerprint}"
    );
    insta::assert_snapshot!(
        message(broken("\"2.4.36\"\narch = \"i386\"", "\"2.4.36\"\narch = \"alpha\"")),
        @"releases.toml: release 2.4.36-up is for alpha, its layout 2.4.32-i386-up for i386"
    );
    insta::assert_snapshot!(message(broken("version = \"2.4.36\"", "version = \"\"")), @"releases.toml: release 2.4.36-up has an empty `version`");
    assert!(matches!(
        broken("source = ", "sauce = "),
        Err(RegistryError::Toml(_))
    ));
}

#[test]
fn a_layout_that_is_not_the_one_meant_is_refused() {
    let id = LayoutId("2.4.32-i386-up".to_owned());
    let mut files = Files::builtin();
    let other = files.layouts["2.4.36.9-i386-up.btf"].clone();
    files.layouts.insert("2.4.32-i386-up.btf".to_owned(), other);
    let error = Registry::parse(files.clone())
        .unwrap()
        .layout(&id)
        .unwrap_err();
    assert!(matches!(error, RegistryError::Changed { .. }), "{error}");
    files.layouts.insert(
        "2.4.32-i386-up.btf".to_owned(),
        Cow::Borrowed(b"\x9f\xeb\x01\x00"),
    );
    let error = Registry::parse(files).unwrap().layout(&id).unwrap_err();
    assert!(matches!(error, RegistryError::Btf { .. }), "{error}");
    let error = builtin()
        .layout(&LayoutId("2.4.32-i386-pu".to_owned()))
        .unwrap_err();
    insta::assert_snapshot!(error.to_string(), @"the table of releases: there is no layout `2.4.32-i386-pu`; the nearest is `2.4.32-i386-up`");
}

#[test]
fn a_state_map_is_of_the_family_it_is_named_after() {
    let mut files = Files::builtin();
    let map = files.states["linux-2.4.toml"].clone();
    files.states.insert("linux-6.toml".to_owned(), map);
    let registry = Registry::parse(files).unwrap();
    assert!(matches!(
        registry.state_map("linux-6"),
        Err(RegistryError::Family { .. })
    ));
    assert!(matches!(
        registry.state_map("linux-3"),
        Err(RegistryError::NoFile { .. })
    ));
}

#[test]
fn the_files_of_the_crate_are_those_built_in() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(Files::read(folder).unwrap(), Files::builtin());
    let error = Files::read(&folder.join("nowhere")).unwrap_err();
    assert!(
        error.to_string().contains("nowhere/releases.toml"),
        "{error}"
    );
}

#[test]
fn releases_of_one_layout_count_in_the_same_ticks() {
    let mut files = Files::builtin();
    let registry = builtin();
    let twin = |name: &str, hz| {
        let release = registry.release("2.4.36-up", None, None).unwrap();
        Release {
            name: name.to_owned(),
            hz: Some(hz),
            ..release.clone()
        }
    };
    let text = with_entries(&files.releases, &[], &[twin("a", 100), twin("b", 1000)]);
    files.releases = Cow::Owned(text);
    let error = Registry::parse(files).unwrap_err();
    assert!(
        matches!(
            error,
            RegistryError::Ticks {
                first_hz: 100,
                second_hz: 1000,
                ..
            }
        ),
        "{error}"
    );
}

/// A table that comes later adds to the one that is there, and takes nothing of it.
#[test]
fn a_registry_is_extended() {
    let registry = builtin();
    let known = registry.release("2.4.36-up", None, None).unwrap();
    let entry = registry.layout_entry(&known.layout).unwrap();
    let data = registry.files.layout(&entry.file).unwrap().into_owned();
    let mut layout = entry.clone();
    layout.id = LayoutId("later".to_owned());
    layout.file = "later.btf".to_owned();
    let mut release = known.clone();
    release.name = "2.4.36-later".to_owned();
    release.layout = layout.id.clone();
    release.build_id = Some("0123".to_owned());
    let table = |layouts: &[LayoutEntry], releases: &[Release]| with_entries("", layouts, releases);
    let files = || BTreeMap::from([("later.btf".to_owned(), Cow::Owned(data.clone()))]);
    let text = table(
        std::slice::from_ref(&layout),
        std::slice::from_ref(&release),
    );
    let extended = registry.with(&text, files()).unwrap();
    assert_eq!(extended.releases().len(), registry.releases().len() + 1);
    assert_eq!(
        extended.layout(&layout.id).unwrap(),
        registry.layout(&known.layout).unwrap()
    );
    let found = extended.release("2.4.36-later", None, None).unwrap();
    assert_eq!(found.build_id_bytes(), [0x01, 0x23]);
    assert_eq!(build_id_digits(&found.build_id_bytes()), "0123");
    // The same once more changes nothing, a registered layout needs no file, and what is there stays.
    let again = extended.with(&text, files()).unwrap();
    assert_eq!(again.releases(), extended.releases());
    let mut plain = release.clone();
    plain.layout = known.layout.clone();
    plain.name = "2.4.36-plain".to_owned();
    plain.build_id = None;
    let plain = registry.with(&table(&[], &[plain]), BTreeMap::new());
    assert_eq!(plain.unwrap().layouts().count(), registry.layouts().count());
    let refused = |layout: &LayoutEntry, release: &Release| {
        let text = table(std::slice::from_ref(layout), std::slice::from_ref(release));
        extended.with(&text, files()).unwrap_err()
    };
    let mut other = release.clone();
    other.build_id = Some("4567".to_owned());
    assert!(matches!(
        refused(&layout, &other),
        RegistryError::Duplicate {
            what: "release",
            ..
        }
    ));
    // Of two without a build id the layout tells.
    let mut bare = registry.release("2.4.36-smp", None, None).unwrap().clone();
    assert_eq!(bare.build_id, None);
    let same = registry.with(&table(&[], std::slice::from_ref(&bare)), BTreeMap::new());
    assert_eq!(same.unwrap().releases(), registry.releases());
    bare.layout = known.layout.clone();
    assert!(matches!(
        registry.with(&table(&[], &[bare]), BTreeMap::new()),
        Err(RegistryError::Duplicate {
            what: "release",
            ..
        })
    ));
    // A file takes the place of none.
    let shadow = BTreeMap::from([(entry.file.clone(), Cow::Borrowed(&b"other"[..]))]);
    let beside = registry.with("", shadow).unwrap();
    assert!(beside.layout(&known.layout).is_ok());
    let mut changed = layout.clone();
    changed.fingerprint = "0".repeat(64).parse().unwrap();
    assert!(matches!(
        refused(&changed, &release),
        RegistryError::Duplicate { what: "layout", .. }
    ));
}
