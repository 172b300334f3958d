#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use kernel_structs::layout::{Layout, LayoutBuilder, Type};

#[test]
fn flavours_are_read_from_names() {
    let flavours = [
        ("6.1.0-47-amd64", "standard"),
        ("6.1.0-47-cloud-amd64", "cloud"),
        ("6.12.117+deb12-rt-amd64", "rt"),
        ("6.12.117+deb12-amd64", "standard"),
        ("6.9.1", "standard"),
        ("6.9.1-mine", "mine"),
    ];
    for (uname, expected) in flavours {
        assert_eq!(flavour(uname, "amd64"), expected, "{uname}");
    }
}

/// A kernel with the layout of a stored one.
fn kernel(like: &str, uname: &str, version: &str) -> Kernel {
    let registry = Registry::builtin().unwrap();
    let layout = registry.layout(&LayoutId(like.to_owned())).unwrap();
    Kernel {
        name: uname.to_owned(),
        uname: Some(uname.to_owned()),
        version: version.to_owned(),
        arch: "amd64".to_owned(),
        flavour: flavour(uname, "amd64"),
        family: None,
        build_id: Some("ab".repeat(20)),
        hz: Some(250),
        source: "a test".to_owned(),
        layout,
        constants: Some("headers of a test".to_owned()),
        replace: false,
        apart: false,
    }
}

fn imported(kernel: &Kernel) -> Result<Imported, ImportError> {
    import(Files::builtin(), kernel, Path::new("none")).map_err(only)
}

/// The one thing that is wrong.
fn only(Refusals(mut wrong): Refusals) -> ImportError {
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    wrong.remove(0)
}

/// Who mends one of these does not learn of the next by trying again.
#[test]
fn all_that_is_wrong_with_a_kernel_is_told_at_once() {
    let told = |kernel: &Kernel| {
        let error = import(Files::builtin(), kernel, Path::new("none")).unwrap_err();
        let lines: Vec<String> = error.0.iter().map(ToString::to_string).collect();
        lines
    };
    let mut bad = kernel("6.1.0-47-amd64", "9 9", "9.9");
    bad.flavour = "Standard".to_owned();
    let lines = told(&bad);
    // The cause is the first.
    assert!(
        lines[0].starts_with("no state map is for Linux 9.9"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("`9 9` is no name of a release"),
        "{lines:?}"
    );
    assert!(
        lines[2].starts_with("the flavour `standard` is known"),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 3);

    let mut bare = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    bare.layout = LayoutBuilder::new(bare.layout.target()).finish().unwrap();
    bare.flavour = "Standard".to_owned();
    let lines = told(&bare);
    assert_eq!(lines.len(), 3, "{lines:?}");
    let lacks = &lines[1];
    for lacking in ["`task_struct`", "`page`", "`mount`"] {
        assert!(lacks.contains(lacking), "{lacks}");
    }
    assert!(
        lines[2].starts_with("what bits of saved values mean"),
        "{lines:?}"
    );

    // What the map does not say of the rest is told, too, though some of it is lacking.
    let mut map = String::from_utf8(Files::builtin().states["linux-6.toml"].to_vec()).unwrap();
    map = map.replacen(
        "kernfs_node = [\"name\", \"parent|__parent\"]",
        "kernfs_node = [\"name\", \"mother\"]",
        1,
    );
    map = map.replacen("\nptrace_entry = ", "\nnot_ptrace_entry = ", 1);
    let mut files = Files::builtin();
    let states = &mut files.states;
    states.insert("linux-6.toml".to_owned(), Cow::Owned(map.into_bytes()));
    let lacking = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    let error = import(files, &lacking, Path::new("none")).unwrap_err();
    let [
        ImportError::Lacks { lacking, .. },
        ImportError::Unfit(findings),
    ] = &error.0[..]
    else {
        panic!("{error}");
    };
    assert_eq!(lacking.len(), 1);
    let finding = "not_ptrace_entry";
    assert!(
        findings.iter().any(|line| line.contains(finding)),
        "{error}"
    );

    let mut another = kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.171");
    another.hz = Some(1000);
    let lines = told(&another);
    for (line, what) in lines.iter().zip(["version", "build id", "ticks a second"]) {
        assert!(line.contains(&format!("with the {what} ")), "{lines:?}");
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_kernel_with_a_known_layout_gets_an_entry() {
    let kernel = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    let Imported { found, files, .. } = imported(&kernel).unwrap();
    assert_eq!(found, Found::Same(LayoutId("6.1.0-47-amd64".to_owned())));
    assert_eq!(files.layouts, Files::builtin().layouts);
    let registry = Registry::parse(files.clone()).unwrap();
    let release = registry.release("6.1.999", None, None).unwrap();
    assert_eq!(release.layout.0, "6.1.0-47-amd64");
    // The second time nothing changes.
    let again = import(files.clone(), &kernel, Path::new("none")).unwrap();
    assert_eq!(again.found, Found::Registered);
    assert_eq!(again.files, files);
}

/// Jiffies of another length mean something else under the same layout.
#[test]
fn a_kernel_with_other_ticks_gets_a_layout_of_its_own() {
    let kernel = Kernel {
        hz: Some(1000),
        ..kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999")
    };
    let Found::New { entry, step } = imported(&kernel).unwrap().found else {
        panic!("a layout of its own was expected");
    };
    assert_eq!(entry.id.0, "6.1.999-amd64");
    // Which fields hold ticks is not known: there is no step to make.
    assert!(step.is_none());
}

/// The same layout, in which a member of a structure lies 8 bytes further on.
fn moved(layout: &Layout, ty: &str, field: &str) -> Layout {
    let mut builder = LayoutBuilder::new(layout.target());
    for (_, each) in layout.types().skip(1) {
        let mut each = each.clone();
        if let Type::Composite(composite) = &mut each
            && composite.name.as_deref() == Some(ty)
        {
            composite.size.0 += 8;
            let all = composite.members.iter_mut();
            for member in all.filter(|member| member.name.as_deref() == Some(field)) {
                member.offset.0 += 64;
            }
        }
        builder.push(each);
    }
    builder.finish().unwrap()
}

/// A freeze reads a registered kernel by its stored layout, what it reads to name resources as well.
#[test]
fn a_kernel_that_is_read_otherwise_gets_a_layout_of_its_own() {
    let like = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    let other = Kernel {
        layout: moved(&like.layout, "mount", "mnt_id"),
        ..like.clone()
    };
    let new = |kernel: &Kernel| match imported(kernel).unwrap() {
        Imported {
            found: Found::New { entry, .. },
            files,
            ..
        } => (entry, files),
        Imported { found, .. } => panic!("{found:?}"),
    };
    let (entry, files) = new(&other);
    assert_eq!(entry.id.0, "6.1.999-amd64");
    let before = Registry::builtin().unwrap();
    let known = before.layout_entry(&LayoutId("6.1.0-47-amd64".to_owned()));
    let known = known.unwrap();
    assert_eq!(entry.fingerprint, known.fingerprint);
    let stored = Registry::parse(files).unwrap().layout(&entry.id).unwrap();
    let map = before.state_map("linux-6").unwrap();
    let disagreeing = |whole: &Layout| again::disagreeing(&stored, whole, &map);
    assert_eq!(disagreeing(&other.layout), [""; 0]);
    assert_eq!(disagreeing(&like.layout), ["mount"]);

    // What is read member by member may be longer; what is read one behind the other may not.
    let longer = |ty: &str| Kernel {
        layout: moved(&like.layout, ty, ""),
        ..like.clone()
    };
    let same = imported(&longer("super_block")).unwrap();
    assert!(matches!(same.found, Found::Same { .. }), "{:?}", same.found);
    assert_eq!(new(&longer("pipe_buffer")).0.id.0, "6.1.999-amd64");

    // By itself it is called after what is read, too.
    let apart = |layout: &Layout| Kernel {
        layout: layout.clone(),
        apart: true,
        ..like.clone()
    };
    let (one, _) = new(&apart(&other.layout));
    let (two, _) = new(&apart(&moved(&like.layout, "inode", "i_ino")));
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_ne!(one.id, two.id);
    assert_eq!(new(&apart(&other.layout)).0.id, one.id);

    // Nor is it what is registered by its name.
    let named = Kernel {
        build_id: Some("12f1e1ca032e499318c5cc64e024d3e617624bf6".to_owned()),
        layout: other.layout.clone(),
        ..kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170")
    };
    match imported(&named).unwrap_err() {
        ImportError::OtherLayout(other) => assert_eq!(other.differing, ["mount"]),
        error => panic!("{error}"),
    }
}

#[test]
fn the_nearest_release_is_of_the_same_series_and_flavour() {
    let registry = Registry::builtin().unwrap();
    let like = registry.release("2.4.36-up", None, None).unwrap();
    let nearest = |version: &str, flavour: &str, layout: &str| {
        let release = Release {
            name: "new".to_owned(),
            version: version.to_owned(),
            flavour: flavour.to_owned(),
            layout: LayoutId(layout.to_owned()),
            ..like.clone()
        };
        neighbour(registry, &release, "linux-2.4", |_| true)
            .unwrap()
            .name
            .clone()
    };
    assert_eq!(nearest("2.4.37.12", "up", "new"), "2.4.37.11-up");
    assert_eq!(nearest("2.4.36.3", "smp", "new"), "2.4.36.3-smp");
    // One that shares the layout is no neighbour.
    assert_eq!(nearest("2.4.37", "up", "2.4.36.9-i386-up"), "2.4.36.8-up");
    assert_eq!(nearest("2.4.1", "up", "new"), "2.4.32-up");
}

/// After a change of the state map the stored layouts are made again from their kernels.
#[test]
fn a_layout_that_the_state_map_needs_otherwise_is_stored_anew() {
    let kernel = Kernel {
        constants: None,
        build_id: Some("12f1e1ca032e499318c5cc64e024d3e617624bf6".to_owned()),
        ..kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170")
    };
    assert_eq!(imported(&kernel).unwrap().found, Found::Registered);
    let mut files = Files::builtin();
    let map = files.states.get_mut("linux-6.toml").unwrap();
    let text = std::str::from_utf8(map).unwrap();
    let changed = text.replacen(
        "[type.sigqueue]\nsaved = true",
        "[type.sigqueue]\nsaved = false",
        1,
    );
    assert_ne!(text, changed);
    *map = Cow::Owned(changed.into_bytes());
    let Imported { found, files, .. } = import(files, &kernel, Path::new("none")).unwrap();
    let Found::Renewed(entry) = found else {
        panic!("{found:?}");
    };
    let before = Registry::builtin().unwrap();
    assert_ne!(
        entry.fingerprint,
        before.layout_entry(&entry.id).unwrap().fingerprint
    );
    // It is what the table now says.
    let registry = Registry::parse(files.clone()).unwrap();
    registry.layout(&entry.id).unwrap();
    let again = import(files.clone(), &kernel, Path::new("none")).unwrap();
    assert_eq!((again.found, again.files), (Found::Registered, files));
}

#[test]
fn another_build_of_a_registered_name_is_refused() {
    let kernel = kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170");
    let error = imported(&kernel).unwrap_err();
    assert!(
        matches!(
            error,
            ImportError::Another {
                what: "build id",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_kernel_of_no_family_is_refused() {
    let kernel = kernel("6.1.0-47-amd64", "2.6.32-5-amd64", "2.6.32");
    let error = imported(&kernel).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no state map is for Linux 2.6.32; there are kho; linux-2.4 for 2.4; linux-6 for 5.10, 6, 7"
    );
}

/// Two flavours that differ in how they are spelt would be two kinds of kernels, which nobody wants.
#[test]
fn a_flavour_is_spelt_as_it_is_known() {
    let mut kernel = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    kernel.flavour = "Standard".to_owned();
    let error = imported(&kernel).unwrap_err().to_string();
    let said = "the flavour `standard` is known, and `Standard` would be another one; give it as it is known";
    assert_eq!(error, said);
    kernel.flavour = "mine".to_owned();
    assert!(imported(&kernel).is_ok());
}

/// No kernel says of itself that it is called longer than that.
#[test]
fn a_name_is_as_short_as_a_kernels() {
    for (length, right) in [(64, true), (65, false)] {
        let name = format!("6.1.999-{:0>1$}", "amd64", length - 8);
        let kernel = kernel("6.1.0-47-amd64", &name, "6.1.999");
        match imported(&kernel) {
            Ok(_) => assert!(right),
            Err(ImportError::Name { longest, .. }) => assert!(!right && longest == 64),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn names_and_versions_are_read_from_files_and_not_cut_at_dots() {
    let names = [
        ("2.4.38-up", "2.4.38-up", Some("2.4.38")),
        ("/x/2.4.38.1-up.btf", "2.4.38.1-up", Some("2.4.38.1")),
        (
            "6.12.117+deb12-amd64",
            "6.12.117+deb12-amd64",
            Some("6.12.117"),
        ),
        ("vmlinux-6.9.1.btf", "6.9.1", Some("6.9.1")),
        ("6.1.0-47-amd64.btf", "6.1.0-47-amd64", None),
        ("vmlinux", "vmlinux", None),
    ];
    for (file, name, version) in names {
        assert_eq!(name_of_file(Path::new(file)), name);
        assert_eq!(version_of_name(name).as_deref(), version, "{name}");
    }
}

/// What the fingerprint of a layout is renewed in may have comments of people.
#[test]
fn a_layout_is_stored_anew_under_a_comment() {
    let kernel = Kernel {
        build_id: None,
        ..kernel("6.1.0-47-amd64", "6.1.0-47-amd64", "6.1.170")
    };
    let mut files = Files::builtin();
    let map = files.states["linux-6.toml"].to_vec();
    let map = String::from_utf8(map).unwrap().replacen(
        "[type.sigqueue]\nsaved = true",
        "[type.sigqueue]\nsaved = false",
        1,
    );
    let states = &mut files.states;
    states.insert("linux-6.toml".to_owned(), Cow::Owned(map.into_bytes()));
    let entry = "id = \"6.1.0-47-amd64\"\n";
    let commented = format!("{entry}# Debian's oldest.\n");
    files.releases = Cow::Owned(files.releases.replacen(entry, &commented, 1));
    let imported = import(files, &kernel, Path::new("none")).unwrap();
    assert!(matches!(imported.found, Found::Renewed(_)));
    assert!(imported.files.releases.contains(&commented));
    let registry = Registry::parse(imported.files).unwrap();
    let id = LayoutId("6.1.0-47-amd64".to_owned());
    registry.layout(&id).unwrap();
}

#[test]
fn a_layout_takes_no_other_layouts_file() {
    let mut files = Files::builtin();
    let file = files.layouts.remove("6.1.0-47-amd64.btf").unwrap();
    files.layouts.insert("6.1.999-amd64.btf".to_owned(), file);
    let renamed = files
        .releases
        .replace("\"6.1.0-47-amd64.btf\"", "\"6.1.999-amd64.btf\"");
    files.releases = Cow::Owned(renamed);
    let kernel = Kernel {
        hz: Some(1000),
        ..kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999")
    };
    let error = only(import(files, &kernel, Path::new("none")).unwrap_err());
    assert!(matches!(error, ImportError::Taken { .. }), "{error}");
    for name in ["", "../up", "a b", "-x", "a\nb"] {
        for what in ["name", "version", "flavour"] {
            let mut kernel = kernel.clone();
            match what {
                "name" => kernel.name = name.to_owned(),
                "version" => kernel.version = name.to_owned(),
                _ => kernel.flavour = name.to_owned(),
            }
            // The family follows from the version.
            kernel.family = Some("linux-6".to_owned());
            let error = imported(&kernel).unwrap_err();
            let told = format!("is no {what} of a release");
            assert!(
                error.to_string().contains(&told),
                "{what} {name:?}: {error}"
            );
        }
    }
}

/// The same layout, a bit-field of which is called `name`.
fn renamed(layout: &Layout, field: &str, name: &str) -> Layout {
    let mut builder = LayoutBuilder::new(layout.target());
    for (_, ty) in layout.types().skip(1) {
        let mut ty = ty.clone();
        if let Type::Composite(composite) = &mut ty {
            let all = composite.members.iter_mut();
            for member in all.filter(|member| member.name.as_deref() == Some(field)) {
                member.name = Some(name.to_owned());
            }
        }
        builder.push(ty);
    }
    builder.finish().unwrap()
}

#[test]
fn a_kernel_whose_members_cannot_be_told_apart_in_rust_is_refused() {
    let kernel = kernel("6.1.0-47-amd64", "6.1.999-amd64", "6.1.999");
    let layout = renamed(
        &kernel.layout,
        "sched_migrated",
        "set_sched_contributes_to_load",
    );
    let error = imported(&Kernel { layout, ..kernel }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the layout cannot be stored: struct task_struct: the setter of the bit-field `sched_contributes_to_load` and the getter of the bit-field `set_sched_contributes_to_load` would both be `set_sched_contributes_to_load` in Rust; the names of generated code have to change first"
    );
}

#[test]
fn flavours_that_differ_in_signs_have_pages_of_their_own() {
    let mut files = Files::builtin();
    let text = files.releases.replace("= \"up\"", "= \"b-c\"");
    files.releases = Cow::Owned(text.replace("= \"smp\"", "= \"b_c\""));
    let registry = Registry::parse(files).unwrap();
    let selection = scaffold::select(&registry, "2.4.36.8", "2.4.36.9").unwrap();
    let modules: Vec<&str> = selection.pairs.iter().map(|pair| &*pair.module).collect();
    assert_eq!(modules, ["i386_b_c", "i386_b_c__u"]);
}
