//! A plan as Rust for people to read.
//!
//! A generated file has, in this order: where it came from; one function per type, one line per
//! field in the order of the target structure; the structures under both layouts, with
//! compile-time assertions of every size and offset; the tables of the runtime. Its text depends
//! on the plan and the layouts and on nothing else.

mod functions;
mod lines;
mod structs;
mod tables;
mod text;

use crate::coverage::{self, CoverageFinding};
use crate::plan::Plan;
use kernel_structs::layout::Layout;
use quote::quote;
use structs::Structs;

/// Name and version of the generator, as generated files carry it.
pub const TOOL: &str = concat!("kconv-gen ", env!("CARGO_PKG_VERSION"));

/// Why a plan was not written out.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The plan is not total.
    #[error("the plan is not total: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotTotal(Vec<CoverageFinding>),
    /// A type of the plan that the layouts have no structure for.
    #[error("{ty}: the layouts have no such structure")]
    NoStructure {
        /// The type.
        ty: String,
    },
    /// A rule that has no form in Rust.
    #[error("{ty}.{field}: the rule `{rule}` cannot be written for this field")]
    NoForm {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The rule.
        rule: &'static str,
    },
    /// A machine that the runtime does not know.
    #[error("the runtime knows no machine `{machine}`")]
    NoMachine {
        /// Its name.
        machine: String,
    },
    /// A number that the runtime's tables have no room for.
    #[error("{ty}: {value} does not fit the tables")]
    TooLarge {
        /// The type.
        ty: String,
        /// The number.
        value: u64,
    },
    /// The text is not Rust. This is a fault of the generator.
    #[error("the generated text is not Rust: {0}")]
    NotRust(#[from] syn::Error),
}

/// The generated file for `plan`, whose layouts are `old` and `new`.
///
/// # Errors
/// If the plan is not total, or asks for something that cannot be written.
pub fn emit(plan: &Plan, old: &Layout, new: &Layout) -> Result<String, EmitError> {
    let findings = coverage::check(plan, old, new);
    if !findings.is_empty() {
        return Err(EmitError::NotTotal(findings));
    }
    let structs = Structs::collect(plan, old, new);
    let mut comments = text::Comments::default();
    let functions = functions::functions(plan, &structs, &mut comments)?;
    let modules = structs.modules();
    let imports = imports(&functions.to_string());

    let mut file = text::header(plan);
    file.push_str(&text::rust(quote!(#imports), &comments)?);
    file.push('\n');
    file.push_str(&text::rust(functions, &comments)?);
    file.push('\n');
    file.push_str(&text::rust(modules, &comments)?);
    file.push('\n');
    file.push_str(&tables::tables(plan)?);
    syn::parse_file(&file)?;
    Ok(file)
}

fn imports(code: &str) -> proc_macro2::TokenStream {
    let at = code.contains("at !").then(|| {
        quote!(
            use kconv_runtime::at;
        )
    });
    let offsets = code.contains("offset_of !").then(|| {
        quote!(
            use core::mem::offset_of;
        )
    });
    let overrides = code.contains("overrides ::").then(|| {
        quote!(
            use crate::overrides;
        )
    });
    quote! {
        #overrides
        #offsets
        #at
        use kconv_runtime::prelude::*;
    }
}
