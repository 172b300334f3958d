//! Diffs as people see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fixture;

use kconv_codegen::diff::view::{Kind, TypeView, counts, view};
use kconv_codegen::diff::{ChangeKind, by_field, diff, enumerations, html, shared, side};
use kconv_codegen::generate::end;
use kernel_structs::layout::{
    Composite, CompositeKind, IntType, LayoutBuilder, Member, Target, Type,
};
use kernel_structs::releases::Registry;
use kernel_structs::units::{BitOffset, ByteSize};
use std::process::Command;

fn views(from: &str, to: &str, types: &[&str]) -> Vec<TypeView> {
    let registry = Registry::builtin().unwrap();
    let (from, to) = (end(registry, from).unwrap(), end(registry, to).unwrap());
    let diffs = diff(&from.layout, &to.layout, types).unwrap();
    diffs.iter().map(view).collect()
}

#[test]
fn declarations_stand_side_by_side() {
    let text = side::text(&views("2.4.36-up", "2.4.36-smp", &["files_struct", "file"]));
    assert!(text.contains('\u{1b}'), "no colours");
    insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string());
}

#[test]
fn removed_and_added_fields_that_look_alike_may_be_renamed() {
    let mut diffs = {
        let registry = Registry::builtin().unwrap();
        let (from, to) = (
            end(registry, "2.4.36.8-up").unwrap(),
            end(registry, "2.4.36.9-up").unwrap(),
        );
        diff(&from.layout, &to.layout, &["task_struct"]).unwrap()
    };
    let task = &mut diffs[0];
    assert_eq!(counts(&[view(task)]), [(Kind::Added, 1)].into());
    let mut removed = task.changes[0].clone();
    removed.kind = kconv_codegen::diff::ChangeKind::Removed;
    removed.field = "scm_works_list".to_owned();
    (removed.old, removed.new) = (removed.new.take(), None);
    task.changes.push(removed.clone());
    assert_eq!(counts(&[view(task)]), [(Kind::Renamed, 2)].into());
    task.changes[1].field = "x".to_owned();
    task.changes[1].old.as_mut().unwrap().declared = "int".to_owned();
    assert_eq!(
        counts(&[view(task)]),
        [(Kind::Added, 1), (Kind::Removed, 1)].into()
    );
}

#[test]
fn the_page_stands_alone_and_has_both_byte_maps() {
    let views = views("2.4.36-up", "2.4.36-smp", &["sigpending", "fs_struct"]);
    let page = html::page("<a>", "b", &views, &[], &[]);
    for foreign in ["<script", "http", "src=", "@import", "<link", "<a> "] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("class=\"map\"").count(), 2 * views.len());
    let body = page.split_once("</style>").unwrap().1;
    insta::assert_snapshot!(body);
}

#[test]
fn all_types_of_both_are_compared() {
    let registry = Registry::builtin().unwrap();
    let (from, to) = (
        end(registry, "2.4.36-up").unwrap(),
        end(registry, "2.4.36-smp").unwrap(),
    );
    let shared = shared(&from.layout, &to.layout);
    assert!(shared.both.contains(&"task_struct".to_owned()));
    let none = kconv_codegen::diff::shared(&from.layout, &from.layout);
    assert!(none.old.is_empty() && none.new.is_empty());
    let out = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
        .args(["diff", "2.4.36-up", "2.4.36-smp", "--all"])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success());
    assert!(
        text.contains(" types added: ") && !text.contains('\u{1b}'),
        "{text}"
    );
}

/// What two declarations of `s` look like beside each other.
fn shown(old: &str, new: &str) -> (String, String, Vec<TypeView>) {
    let (old, new) = (fixture::layout(old), fixture::layout(new));
    let views: Vec<TypeView> = diff(&old, &new, &["s"]).unwrap().iter().map(view).collect();
    let text = anstream::adapter::strip_str(&side::text(&views)).to_string();
    (text, html::page("old", "new", &views, &[], &[]), views)
}

/// A structure whose members are all as they were may have become longer.
#[test]
fn a_type_that_only_grew_has_changed() {
    let of_size = |size| {
        let mut builder = LayoutBuilder::new(Target { pointer_size: 4 });
        let int = builder.push(Type::Int(IntType {
            name: "int".to_owned(),
            size: ByteSize(4),
            signed: true,
            character: false,
            boolean: false,
        }));
        builder.push(Type::Composite(Composite {
            kind: CompositeKind::Struct,
            name: Some("s".to_owned()),
            size: ByteSize(size),
            members: vec![Member {
                name: Some("a".to_owned()),
                ty: int,
                offset: BitOffset(0),
                bit_field: None,
            }],
        }));
        builder.finish().unwrap()
    };
    let sizes = |from, to| {
        let diffs = diff(&of_size(from), &of_size(to), &["s"]).unwrap();
        let sizes = diffs.iter().map(|it| (it.from_size, it.to_size));
        sizes.collect::<Vec<_>>()
    };
    assert_eq!(sizes(8, 8), []);
    assert_eq!(sizes(8, 16), [(8, 16)]);
}

/// Members that all moved by the same amount are one row, of which both the text and the page say
/// how many they are, how far they went, and the first and the last.
#[test]
fn members_that_moved_together_are_one_row() {
    let (text, page, views) = shown(
        "struct s { int a; int b; int c; int d; int e; };",
        "struct s { int a; int fresh; int b; int c; int more; int d; int e; };",
    );
    insta::assert_snapshot!(text);
    for line in ["2 members +4: b and c", "2 members +8: d and e"] {
        assert_eq!(page.matches(line).count(), 1, "{line}");
    }
    assert!(page.contains("title=\"b, c\""), "{page}");
    assert_eq!(counts(&views), [(Kind::Added, 2), (Kind::Moved, 4)].into());
    // Every field of the byte maps leads to a row that is there.
    for (_, rest) in page
        .match_indices("href=\"#t0r")
        .map(|(at, it)| page.split_at(at + it.len()))
    {
        let number = rest.split_once('"').unwrap().0;
        assert!(page.contains(&format!("id=\"t0r{number}\"")), "{number}");
    }
}

/// One that moved alone, or by another amount, is a row of its own.
#[test]
fn a_member_that_moved_alone_stays_alone() {
    let (text, ..) = shown(
        "struct s { int a; int b; char c; int d; };",
        "struct s { int fresh; int a; long long x; int b; char c; int more; int d; };",
    );
    assert!(text.contains("2 members +12: b and c"), "{text}");
    let alone = |name: &str| {
        text.lines()
            .any(|line| line.ends_with(&format!(" int {name}")))
    };
    assert!(alone("a") && alone("d"), "{text}");
}

/// A member in a new anonymous union is the member that was there before it.
#[test]
fn a_wrapped_member_is_regrouped() {
    let plain = "struct s { int a; long b; int c; };";
    let wrapped = "struct s { int a; union { long b; struct { short x; short y; }; }; int c; };";
    let (text, page, views) = shown(plain, wrapped);
    insta::assert_snapshot!(text);
    assert!(page.contains("now in a union with x, y"), "{page}");
    assert_eq!(
        counts(&views),
        [(Kind::Added, 2), (Kind::Regrouped, 1)].into()
    );
    let (text, _, views) = shown(wrapped, plain);
    assert!(text.contains("was in a union with x, y"), "{text}");
    assert_eq!(
        counts(&views),
        [(Kind::Removed, 2), (Kind::Regrouped, 1)].into()
    );
    // A plan decides about the union as a whole, and so does a check.
    let (old, new) = (fixture::layout(plain), fixture::layout(wrapped));
    let whole = by_field(&old, &new, &["s"]).unwrap();
    let changes = whole[0].changes.iter();
    let changes: Vec<_> = changes.map(|it| (it.field.as_str(), it.kind)).collect();
    assert_eq!(
        changes,
        [("union_b", ChangeKind::Added), ("b", ChangeKind::Removed)]
    );
}

/// The near misses: a member of another type in a union, one that goes from union to union, and a
/// union that has nothing of what went.
#[test]
fn what_only_looks_wrapped_is_not_regrouped() {
    let kinds = |old: &str, new: &str| {
        let (_, _, views) = shown(old, new);
        counts(&views)
    };
    assert_eq!(
        kinds(
            "struct s { int a; };",
            "struct s { union { char a[4]; short x; }; };"
        ),
        [(Kind::Retyped, 1), (Kind::Added, 1)].into()
    );
    assert_eq!(
        kinds(
            "struct s { union { int a; short x; }; };",
            "struct s { union { long long y; int a; short x; }; };"
        ),
        [(Kind::Added, 1)].into()
    );
    assert_eq!(
        kinds(
            "struct s { int count; };",
            "struct s { union { char b[4]; short x; }; };"
        ),
        [(Kind::Added, 1), (Kind::Removed, 1)].into()
    );
}

/// An enumeration that is named is compared by its enumerators, and a type beside it as ever.
#[test]
fn a_named_enumeration_is_compared_by_names_and_numbers() {
    let old = fixture::layout("enum e { A, B, C, D = 9 }; struct s { enum e e; };");
    let new = fixture::layout("enum e { A, B2, C, D = 10 }; struct s { enum e e; int more; };");
    for name in ["enum e", "e"] {
        let found = enumerations(&old, &new, &[name, "s"]).unwrap();
        let changes: Vec<String> = found[0].changes.iter().map(ToString::to_string).collect();
        assert_eq!(
            changes,
            ["B 0x1 | none", "B2 none | 0x1", "D 0x9 | 0xa"],
            "{name}"
        );
        assert_eq!((found.len(), &*found[0].name), (1, "e"));
        let text = side::numbers(&found, &[]);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "enum e (4 bytes)\n  B 0x1 | none\n  B2 none | 0x1\n  D 0x9 | 0xa\n"
        );
        let page = html::page("old", "new", &[], &found, &[]);
        for part in ["<h2>enum e ", "<code>B2</code>", ">0x9</td>", "renumbered"] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
    assert_eq!(enumerations(&old, &old, &["enum e"]).unwrap(), []);
    let unknown = enumerations(&old, &new, &["enum f"]).unwrap_err();
    assert_eq!(unknown.name, "enum f");
}

/// The constants that saved values are made of are in every form of a diff.
#[test]
fn constants_are_shown_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let run = |more: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_kconv-gen"))
            .args(["diff", "6.1.0-47-amd64", "6.12.117+deb12-amd64"])
            .args(more)
            .output()
            .unwrap();
        assert!(out.status.success());
        String::from_utf8(out.stdout).unwrap()
    };
    let (_, told) = run(&[])
        .split_once("constants that saved values are made of:\n")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert!(
        told.len() > 3 && told.iter().any(|line| line.contains("PF_")),
        "{told:?}"
    );
    let json: serde_json::Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(run(&["--html", file.to_str().unwrap()]), "");
    let page = std::fs::read_to_string(file).unwrap();
    let constants = json["constants"].as_array().unwrap();
    assert_eq!(constants.len(), told.len());
    let number = |side: &serde_json::Value| match side.as_u64() {
        Some(number) => format!("{number:#x}"),
        None => String::from("none"),
    };
    for (one, line) in constants.iter().zip(told) {
        let (name, old, new) = (
            one["name"].as_str().unwrap(),
            number(&one["old"]),
            number(&one["new"]),
        );
        assert_eq!(line.trim(), format!("{name} {old} | {new}"));
        assert!(
            page.contains(&format!(
                "<code>{name}</code></td><td class=\"n\">{old}</td><td class=\"n\">{new}</td>"
            )),
            "{name}"
        );
    }
    // Of types that are named the constants are no part.
    let named: serde_json::Value = serde_json::from_str(&run(&["task_struct", "--json"])).unwrap();
    assert_eq!(named["constants"].as_array().unwrap().len(), 0);
}

/// A typedef that stands for something else reads as before: what is beneath is shown.
#[test]
fn what_lies_beneath_a_name_is_shown() {
    let (text, page, views) = shown(
        "typedef struct caps { unsigned int cap[2]; } caps_t; struct s { caps_t caps; };",
        "typedef struct { unsigned long val; } caps_t; struct s { caps_t caps; };",
    );
    let said = "`struct caps { unsigned int [2] cap; }` became `struct { unsigned long val; }`";
    assert!(text.contains(said), "{text}");
    assert!(page.contains(said), "{page}");
    assert_eq!(counts(&views).get(&Kind::Retyped), Some(&1));
}

/// A field that is gone here and new there, in another structure or in one of its own.
#[test]
fn a_field_that_went_to_another_structure() {
    let two = |old: &str, new: &str| {
        let (old, new) = (fixture::layout(old), fixture::layout(new));
        let views = diff(&old, &new, &["s", "t"]).unwrap();
        let views: Vec<TypeView> = views.iter().map(view).collect();
        anstream::adapter::strip_str(&side::text(&views)).to_string()
    };
    let moved = two(
        "struct s { int a; long cookie; }; struct t { int b; };",
        "struct s { int a; }; struct t { int b; long cookie; };",
    );
    assert!(moved.contains("went to t.cookie, it seems"), "{moved}");
    assert!(moved.contains("came from s.cookie, it seems"), "{moved}");
    let inside = two(
        "struct s { int a; unsigned int rseq_len; }; struct t { int b; };",
        "struct r { int q; unsigned int len; }; struct s { int a; struct r rseq; }; struct t { int b; };",
    );
    assert!(inside.contains("went to s.rseq.len, it seems"), "{inside}");
    assert!(
        inside.contains("came from s.rseq_len, it seems"),
        "{inside}"
    );
    // Of two that fit nobody knows which, and what is declared otherwise is none.
    for new in [
        "struct s { int a; }; struct t { int b; struct { long cookie; } x; struct { long cookie; } y; };",
        "struct s { int a; }; struct t { int b; int cookie; };",
    ] {
        let text = two(
            "struct s { int a; long cookie; }; struct t { int b; };",
            new,
        );
        assert!(!text.contains("it seems"), "{text}");
    }
}
