//! All steps between kernel releases.
//!
//! A step is a folder `converters/linux-X-Y` with a generated page for each pair of layouts. This
//! crate finds them when it is built; nobody lists them.
#![forbid(unsafe_code)]

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
