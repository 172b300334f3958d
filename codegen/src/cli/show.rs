//! `kconv-gen show`.

use super::plan::{decided, stored_overrides};
use super::{CliError, Ended, end, print, registry, tell};
use kconv_codegen::family::Family;
use kconv_codegen::generate::GenerateError;
use kconv_codegen::overrides::{CONVERTERS, Changes, FOLDER};
use kconv_codegen::plan::{Pair, Plan};
use kconv_codegen::show;
use kernel_structs::nearest::nearest;
use std::path::Path;

pub(crate) fn show(from: &str, to: &str, ty: &str) -> Result<Ended, CliError> {
    let registry = registry()?;
    let (from, to) = (end(&registry, from)?, end(&registry, to)?);
    if from.family != to.family {
        return Err(GenerateError::Families {
            from: from.release.name.clone(),
            to: to.release.name.clone(),
            from_family: from.family.to_owned(),
            to_family: to.family.to_owned(),
        }
        .into());
    }
    let family = Family::read(&registry, from.family)?;
    let named = [&from, &to].map(super::Named::of_release);
    let converters = Path::new(CONVERTERS);
    let file = stored_overrides(&registry, converters, &named[0], &named[1])?;
    let overrides = decided(
        file.as_ref(),
        &converters.join(FOLDER),
        &named[0],
        &named[1],
    )?;
    let made = Plan::make(&Pair {
        converter: "show",
        machine: &from.release.arch,
        from: from.side(),
        to: to.side(),
        map: &family.map,
        overrides: &overrides,
    });
    if !made.undecided.is_empty() {
        let names = (from.release.name.clone(), to.release.name.clone());
        let undecided = made.undecided.into_iter();
        let undecided: Vec<_> = undecided.map(|each| (names.clone(), each)).collect();
        tell(&show::undecided(&undecided));
        return Ok(Ended::Findings);
    }
    // What people said stands in the text as it is, under no name.
    let named = Changes::default();
    let house = family.house(&named).map_err(GenerateError::from)?;
    let text = house.show(&made.plan, ty).map_err(GenerateError::from)?;
    let Some(text) = text else {
        let types = made.plan.types.keys().map(String::as_str);
        return Err(CliError::NoSuchType {
            ty: ty.to_owned(),
            nearest: nearest(ty, types).map(String::from),
        });
    };
    print(&text)?;
    Ok(Ended::Clean)
}
