//! The page of the book about the kernels that are known: what is registered, what each layout changed, and which
//! journeys were made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kconv_runtime::chain::find_chain;
use kernel_structs::releases::{LayoutEntry, Registry, Release};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

const JOURNEYS: &str = "tests/journeys.toml";
const GUESTS: [&str; 2] = [
    "tests/guests/tests/thaw/journeys.rs",
    "tests/guests/tests/thaw/grand_tour.rs",
];
const PAGE: &str = "book/src/kernels.md";

/// Programs that were frozen under one kernel and lived on under another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Journey {
    from: String,
    to: String,
    how: String,
    test: String,
    date: String,
}

/// Programs that lived under one kernel after another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tour {
    stops: Vec<String>,
    how: String,
    took: String,
    test: String,
    date: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    journey: Vec<Journey>,
    tour: Vec<Tour>,
}

fn made() -> Made {
    let text = fs::read_to_string(kconv_tests::root().join(JOURNEYS)).unwrap();
    toml::from_str(&text).unwrap()
}

/// The numbers of a version, by which versions are sorted.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.filter_map(|part| part.parse().ok()).collect()
}

/// `6.1` of 6.1.170, and nothing of a version that is one number.
fn series(version: &str) -> String {
    match version.contains('.') {
        true => version.split('.').take(2).collect::<Vec<_>>().join("."),
        false => String::new(),
    }
}

/// The registered kernels of a layout, the oldest first.
fn releases<'r>(registry: &'r Registry, layout: &'r LayoutEntry) -> Vec<&'r Release> {
    let mut all: Vec<&Release> = registry.releases_of(&layout.id).collect();
    all.sort_by_key(|release| numbers(&release.version));
    all
}

/// First and last version, and how many kernels there are.
fn span(releases: &[&Release]) -> String {
    let (first, last) = (&releases[0].version, &releases[releases.len() - 1].version);
    match (first == last, releases.len()) {
        (true, 1) => first.clone(),
        (true, many) => format!("{first}, {many} kernels"),
        (false, many) => format!("{first} to {last}, {many} kernels"),
    }
}

/// The types of objects that are not as they were under the layout before, if a single step tells.
fn changed(before: &LayoutEntry, layout: &LayoutEntry) -> String {
    let chain = find_chain(kconv_steps::all(), &before.id.0, &layout.id.0);
    let Some([step]) = chain.as_deref() else {
        return String::new();
    };
    let types = step.changed.iter().filter(|ty| ty.convert.is_some());
    let types: Vec<String> = types.map(|ty| format!("`{}`", ty.rules.name)).collect();
    match types.len() {
        0 => "what bits mean".to_owned(),
        1..=4 => types.join(", "),
        many => format!("{many} types"),
    }
}

/// The journeys to and from the kernels of a layout.
fn travelled(journeys: &[Journey], releases: &[&Release]) -> String {
    let is_here = |name: &str| releases.iter().any(|release| release.name == name);
    let all = journeys.iter().filter_map(|journey| {
        let Journey {
            from,
            to,
            how,
            date,
            ..
        } = journey;
        match (is_here(from), is_here(to)) {
            (false, false) => None,
            (true, _) => Some(format!("to {to} ({how}, {date})")),
            (false, true) => Some(format!("from {from} ({how}, {date})")),
        }
    });
    let all = all.collect::<Vec<_>>();
    match all.is_empty() {
        true => "images only".to_owned(),
        false => all.join("; "),
    }
}

fn page(registry: &Registry, Made { journey, tour }: &Made) -> String {
    let mut text = "# Kernels that are known\n\n\
        Written by `cargo test -p kconv-tests --test kernels` from `kernel-structs/releases.toml`, from the converters, and \
        from `tests/journeys.toml`. Each row is a layout, and so a kernel that changed what is saved; *changed* says which \
        types of objects, against the row above. An image of any layout of a family is converted to every other of that family \
        (`kconv path`). *Tried* are journeys of programs under real kernels; where there was none, the tests convert images that are \
        made for the layout.\n\n\
        ## The grand tour\n\n\
        A tree of processes and a program that does nothing but ask for the time begin under the first of these kernels, are frozen at each and thawed at \
        the next, and come to the results that they have without an interruption; at every stop another program, frozen at the one \
        before, checks its own state from inside. By kexec it is in `tests/run`; `tests/tour` makes both.\n\n\
        | stops | how | took, in an emulated machine | when |\n|---|---|---|---|\n"
        .to_owned();
    for Tour {
        stops,
        how,
        took,
        date,
        ..
    } in tour
    {
        let stops = stops.join(" → ");
        writeln!(text, "| {stops} | {how} | {took} | {date} |").unwrap();
    }
    let mut groups: BTreeMap<(&str, Vec<u32>, String), Vec<&LayoutEntry>> = BTreeMap::new();
    for layout in registry.layouts() {
        let Some(first) = releases(registry, layout).first().copied() else {
            continue;
        };
        let series = series(&first.version);
        let group = (
            layout.family.as_str(),
            numbers(&series),
            layout.flavour.clone(),
        );
        groups.entry(group).or_default().push(layout);
    }
    for ((family, series, flavour), mut layouts) in groups {
        layouts.sort_by_key(|layout| numbers(&releases(registry, layout)[0].version));
        let series: Vec<String> = series.iter().map(u32::to_string).collect();
        let title = format!("{family}: {} {flavour}", series.join(".")).replace("  ", " ");
        write!(
            text,
            "\n## {title}\n\n| layout | kernels | changed | tried |\n|---|---|---|---|\n"
        )
        .unwrap();
        let mut before = None;
        for layout in layouts {
            let all = releases(registry, layout);
            let changed = before.map_or(String::new(), |before| changed(before, layout));
            let (span, tried) = (span(&all), travelled(journey, &all));
            writeln!(text, "| {} | {span} | {changed} | {tried} |", layout.id.0).unwrap();
            before = Some(layout);
        }
    }
    text
}

#[test]
fn the_page_of_the_book_has_every_kernel() {
    let registry = Registry::builtin().unwrap();
    let text = page(registry, &made());
    for layout in registry.layouts() {
        assert!(
            text.contains(&format!("| {} |", layout.id.0)),
            "{}",
            layout.id.0
        );
    }
    let page = kconv_tests::root().join(PAGE);
    if std::env::var_os("KCONV_BLESS").is_some() {
        fs::write(&page, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&page).unwrap_or_default() == text,
        "{PAGE} is not what is known: write it with KCONV_BLESS=1 cargo test -p kconv-tests --test kernels"
    );
}

/// A journey that nobody can make again is none.
#[test]
fn each_journey_is_of_known_kernels_and_a_test() {
    let registry = Registry::builtin().unwrap();
    let known: BTreeSet<&str> = registry
        .releases()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    let tests = GUESTS.map(|file| fs::read_to_string(kconv_tests::root().join(file)).unwrap());
    let tests = tests.concat();
    let Made { journey, tour } = made();
    let of_journeys = journey
        .iter()
        .map(|one| (vec![&one.from, &one.to], &one.test, &one.date));
    let of_tours = tour
        .iter()
        .map(|one| (one.stops.iter().collect(), &one.test, &one.date));
    for (kernels, test, date) in of_journeys.chain(of_tours) {
        for kernel in kernels {
            assert!(known.contains(kernel.as_str()), "{kernel}");
        }
        assert!(tests.contains(&format!("fn {test}()")), "{test}");
        assert_eq!(numbers(date).len(), 3, "{date}");
    }
}
