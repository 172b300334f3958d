//! `kconv inspect IMAGE`

use crate::arguments::Inspect;
use crate::failure::Failure;
use crate::releases::Known;
use crate::soundness;
use kconv_image::{Image, ObjectId, Verify};
use kconv_tasks::{Tasks, View, image, object, write_object};
use serde_json::{Value, json};
use std::io::Write;

/// An image that is damaged, or does not mean what it says, is shown as far as it can be; the first line says so, and
/// so does the exit code. Pages, which are not shown, are not read.
pub(crate) fn run(arguments: &Inspect) -> Result<(), Failure> {
    let image = super::open(&arguments.image, arguments.sparse.holes())?;
    let findings = soundness::of_image(&image, Verify::Objects)?;
    if let (Some(first), false) = (findings.first(), arguments.json) {
        let count = findings.len();
        let mut out = anstream::stdout().lock();
        writeln!(out, "DAMAGED, {count} findings, the first: {first}")?;
    }
    let shown = show(arguments, &image);
    if findings.is_empty() || matches!(&shown, Err(failure) if failure.is_closed_pipe()) {
        return shown;
    }
    let ended = shown.err().map(|failure| failure.to_string());
    Err(Failure::Damaged {
        image: arguments.image.clone(),
        findings,
        ended,
    })
}

fn show(arguments: &Inspect, image: &Image) -> Result<(), Failure> {
    let known = Known::new()?;
    let layout = known.layout_of(image)?;
    let map = known.registry.state_map(&image.head().identity.family)?;
    let view = View::new(image, &layout, &map)?;
    let mut out = std::io::BufWriter::new(anstream::stdout().lock());
    if let Some(ty) = &arguments.ty {
        let ids = view.objects.ids_of(ty);
        if ids.is_empty() {
            return Err(Failure::NoType {
                image: arguments.image.clone(),
                ty: ty.clone(),
                known: view.objects.head().types.join(", "),
            });
        }
        objects(&mut out, &view, ids, arguments.json)?;
    } else if let Some(address) = arguments.object {
        let Some((id, _)) = view.objects.object_at(address) else {
            return Err(Failure::NoObject {
                image: arguments.image.clone(),
                address,
            });
        };
        objects(&mut out, &view, &[id], arguments.json)?;
    } else {
        tasks(&mut out, &view, arguments)?;
    }
    Ok(out.flush()?)
}

fn tasks(out: &mut impl Write, view: &View<'_>, arguments: &Inspect) -> Result<(), Failure> {
    let mut tasks = Tasks::of(view)?;
    if let Some(pid) = arguments.task {
        let known: Vec<_> = tasks.pids().iter().map(i64::to_string).collect();
        tasks.keep(i64::from(pid));
        if tasks.pids().is_empty() {
            return Err(Failure::NoTask {
                image: arguments.image.clone(),
                pid,
                known: known.join(", "),
            });
        }
    }
    if arguments.json {
        let mut shown = match arguments.task {
            Some(_) => json!({}),
            None => image(view),
        };
        shown["tasks"] = tasks.json();
        writeln!(out, "{shown:#}")?;
    } else if arguments.task.is_some() {
        tasks.show(out, view.objects.head())?;
    } else {
        tasks.list(out, view.objects.head())?;
    }
    Ok(())
}

fn objects(
    out: &mut impl Write,
    view: &View<'_>,
    ids: &[ObjectId],
    as_json: bool,
) -> Result<(), Failure> {
    let shown: Vec<Value> = ids.iter().map(|id| object(view, *id)).collect();
    if as_json {
        writeln!(out, "{:#}", json!(shown))?;
        return Ok(());
    }
    for object in &shown {
        write_object(out, object)?;
    }
    Ok(())
}
