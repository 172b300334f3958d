//! `kconv list`

use crate::arguments::List;
use crate::failure::Failure;
use crate::releases::Known;
use crate::style::HEADING;
use kernel_structs::releases::{LookupError, Registry, Release, is_of_series};
use serde_json::json;
use std::io::{self, Write};

pub(crate) fn run(arguments: &List) -> Result<(), Failure> {
    let known = Known::new()?;
    let found = found(known.registry, arguments.query.as_deref())?;
    let out = &mut anstream::stdout().lock();
    match arguments.json {
        true => {
            let all = found.iter().map(|release| in_json(known.registry, release));
            let all = all.collect::<Vec<_>>();
            serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
            writeln!(out)?;
        }
        false => print(out, &found)?,
    }
    out.flush()?;
    Ok(())
}

/// What `query` means, in the order of the table; all, if nothing is asked for.
fn found<'a>(registry: &'a Registry, query: Option<&str>) -> Result<Vec<&'a Release>, LookupError> {
    let all = registry.releases().iter();
    let Some(query) = query else {
        return Ok(all.collect());
    };
    let is_called_so = |release: &&Release| release.called(query).is_some();
    let is_of_series = |release: &&Release| is_of_series(&release.version, query);
    let called_so: Vec<&Release> = all.clone().filter(is_called_so).collect();
    let of_series: Vec<&Release> = all.filter(is_of_series).collect();
    match [called_so, of_series]
        .into_iter()
        .find(|meant| !meant.is_empty())
    {
        Some(meant) => Ok(meant),
        None => registry.release(query, None, None).map(|one| vec![one]),
    }
}

fn in_json(registry: &Registry, release: &Release) -> serde_json::Value {
    let entry = registry.layout_entry(&release.layout);
    json!({
        "name": release.name,
        "version": release.version,
        "arch": release.arch,
        "flavour": release.flavour,
        "family": entry.ok().map(|entry| &entry.family),
        "layout": release.layout.0,
        "uname": release.uname,
        "build-id": release.build_id,
        "hz": release.hz,
    })
}

/// A line for each, below headings, in columns.
fn print(out: &mut impl Write, found: &[&Release]) -> io::Result<()> {
    let headings = ["RELEASE", "VERSION", "FLAVOUR", "LAYOUT"];
    let rows = found.iter().map(|release| {
        let Release {
            name,
            version,
            flavour,
            layout,
            ..
        } = release;
        [name, version, flavour, &layout.0].map(String::as_str)
    });
    let rows: Vec<[&str; 4]> = rows.collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.chain([headings[column].len()]).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[&str; 4]| {
        let [first, second, third] = widths;
        let [name, version, flavour, layout] = row;
        format!("{name:<first$}  {version:<second$}  {flavour:<third$}  {layout}")
    };
    writeln!(out, "{HEADING}{}{HEADING:#}", line(&headings))?;
    for row in &rows {
        writeln!(out, "{}", line(row))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn names(query: &str) -> Vec<&'static str> {
        let registry = Registry::builtin().unwrap();
        let found = found(registry, Some(query)).unwrap_or_default();
        found.iter().map(|release| release.name.as_str()).collect()
    }

    #[test]
    fn releases_are_listed_by_name_version_and_series() {
        let registry = Registry::builtin().unwrap();
        assert_eq!(
            found(registry, None).unwrap().len(),
            registry.releases().len()
        );
        assert_eq!(names("2.4.36"), ["2.4.36-up", "2.4.36-smp"]);
        assert_eq!(names("2.4.36-smp"), ["2.4.36-smp"]);
        assert_eq!(
            names("6.1.192-cloud"),
            [
                "6.1.0-55-cloud-amd64",
                "6.1.0-56-cloud-amd64",
                "6.1.0-57-cloud-amd64"
            ]
        );
        let series = names("6.1");
        assert!(series.len() > 20, "{series:?}");
        assert!(
            series.iter().all(|name| name.starts_with("6.1.0-")),
            "{series:?}"
        );
        assert_eq!(names("6.2"), [""; 0]);
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let registry = Registry::builtin().unwrap();
        let mut out = Vec::new();
        print(&mut out, &found(registry, Some("2.4.36")).unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(anstream::adapter::strip_str(&text), @r"
        RELEASE     VERSION  FLAVOUR  LAYOUT
        2.4.36-up   2.4.36   up       2.4.32-i386-up
        2.4.36-smp  2.4.36   smp      2.4.32-i386-smp
        ");
    }
}
