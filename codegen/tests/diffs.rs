//! Diffs as people see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_codegen::diff::view::{Kind, TypeView, counts, view};
use kconv_codegen::diff::{diff, html, shared, side};
use kconv_codegen::generate::end;
use kernel_structs::releases::Registry;
use std::process::Command;

fn views(from: &str, to: &str, types: &[&str]) -> Vec<TypeView> {
    let registry = Registry::builtin().unwrap();
    let (from, to) = (end(&registry, from).unwrap(), end(&registry, to).unwrap());
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
            end(&registry, "2.4.36.8-up").unwrap(),
            end(&registry, "2.4.36.9-up").unwrap(),
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
    let page = html::page("<a>", "b", &views);
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
        end(&registry, "2.4.36-up").unwrap(),
        end(&registry, "2.4.36-smp").unwrap(),
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
