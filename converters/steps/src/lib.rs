//! All steps between kernel releases.
//!
//! A step is a folder `converters/linux-X-Y` with a generated page for each pair of layouts. This
//! crate finds them when it is built; nobody lists them.
//!
//! What a file of a plan says is carried out here, too ([`load`]): the functions that people wrote are
//! linked with the steps.
#![forbid(unsafe_code)]

mod functions;

pub use kconv_interpreter::LoadError;
pub use kconv_plans::{LONGEST_FILE as LONGEST_PLAN, PlanError};

use kconv_plans::Checked;
use kconv_runtime::table::Converter;

/// The pages of the steps.
#[rustfmt::skip]
#[allow(missing_docs, reason = "names are those of the kernel")]
#[allow(non_snake_case, reason = "which has capitals in some")]
#[allow(unreachable_pub, reason = "a page does not know where it is linked in")]
#[allow(unused_variables, reason = "not every function needs all of its parameters")]
#[allow(unused_imports, reason = "nor every page what all of them import")]
mod pages {
    use kconv_runtime::table::Converter;

    include!(concat!(env!("OUT_DIR"), "/steps.rs"));

    pub(super) fn all() -> &'static [&'static Converter] {
        ALL
    }
}

/// The converters of all steps, in the order of the names of their folders. A chain of equal length
/// is chosen by this order.
pub fn all() -> &'static [&'static Converter] {
    pages::all()
}

/// The converter between releases of the layout `id`, if there is one.
pub fn identity(id: &str) -> Option<&'static Converter> {
    kconv_carry::identities().find(|converter| converter.from.layout == id)
}

/// The converters of the step that is called `name`, such as `convert-2.4.36.8-2.4.36.9`.
pub fn called(name: &str) -> Vec<&'static Converter> {
    let named = all()
        .iter()
        .copied()
        .filter(|converter| converter.name == name);
    named.collect()
}

/// Why the bytes of a file give no converter.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// They are no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// This program cannot carry it out.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// The converter that carries out the plan in the bytes of a file. Both stay in memory as long as the
/// program runs.
///
/// # Errors
/// [`PlanFileError`].
pub fn read(bytes: &[u8]) -> Result<&'static Converter, PlanFileError> {
    Ok(load(kconv_plans::read(bytes)?)?)
}

/// The converter that carries out a plan.
///
/// # Errors
/// [`LoadError`].
pub fn load(plan: Checked) -> Result<&'static Converter, LoadError> {
    let functions = functions::of_family(&plan.plan().family);
    kconv_interpreter::converter(plan, functions)
}
