//! `kconv freeze`

use crate::arguments::Freeze;
use crate::failure::Failure;
use kconv_freeze::{Summary, freeze_dump};
use std::collections::BTreeMap;
use std::io::Write;

pub(crate) fn run(arguments: &Freeze) -> Result<(), Failure> {
    let summary = freeze_dump(
        &arguments.dump,
        arguments.release.as_deref(),
        &arguments.output,
    )?;
    if !arguments.quiet {
        print(&mut anstream::stdout().lock(), &summary)?;
    }
    Ok(())
}

fn print(out: &mut impl Write, summary: &Summary) -> std::io::Result<()> {
    writeln!(out, "tasks     {}", summary.tasks)?;
    writeln!(
        out,
        "objects   {} bytes: {}",
        summary.object_bytes,
        counts(&summary.objects)
    )?;
    writeln!(out, "pages     {}", summary.pages)?;
    writeln!(out, "symbols   {}", summary.symbols)?;
    writeln!(out, "resources {}", counts(&summary.resources))
}

fn counts(of: &BTreeMap<String, usize>) -> String {
    of.iter()
        .map(|(name, number)| format!("{number} {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}
