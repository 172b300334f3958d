//! `kconv path FROM TO`

use crate::arguments::Route;
use crate::failure::Failure;
use crate::releases::Known;
use serde_json::json;
use std::io::Write;

pub(crate) fn run(arguments: &Route) -> Result<(), Failure> {
    let known = Known::new()?;
    let pairs = known.pairs(&arguments.from, &arguments.to)?;
    let mut chains = Vec::new();
    for (from, to) in pairs {
        chains.push((from, to, known.chain(from, to)?));
    }
    let mut out = anstream::stdout().lock();
    if arguments.json {
        let shown: Vec<_> = chains
            .iter()
            .map(|(from, to, chain)| {
                let steps: Vec<_> = chain
                    .iter()
                    .map(|step| {
                        json!({
                            "converter": step.name,
                            "from": step.from.layout,
                            "to": step.to.layout,
                        })
                    })
                    .collect();
                json!({ "from": from.name, "to": to.name, "steps": steps })
            })
            .collect();
        writeln!(out, "{:#}", json!(shown))?;
        return Ok(());
    }
    for (from, to, chain) in &chains {
        writeln!(out, "{} -> {}", from.name, to.name)?;
        if chain.is_empty() {
            writeln!(
                out,
                "  same layout ({}): no step, its resets alone",
                from.layout.0
            )?;
        }
        for step in chain {
            let (before, after) = (step.from.layout, step.to.layout);
            writeln!(out, "  {}  (layout {before} -> {after})", step.name)?;
        }
    }
    Ok(())
}
