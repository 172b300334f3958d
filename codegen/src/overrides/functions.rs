//! The functions of people that decisions call, looked for in their sources: without one the
//! decision is as good as none, and only the compiler of the generated code would say so, in words of
//! a page that nobody wrote.
//!
//! A function is given the context and the place, then what the decision names, and behind it the
//! offsets in one array. The number of parameters, the truth values and the array are held against the
//! decision here; the types of the others against the fields, when two layouts are known
//! ([`super::signature`]).

use super::signature::{Seen, Signature, length_of};
use super::{Function, OverrideProblem};
use crate::identifier::version;
use kernel_structs::nearest::nearest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The public functions of a family, by name. Of one name there are several only where the compiler
/// sees to it that one is meant.
pub(super) struct Functions(BTreeMap<String, Vec<Declared>>);

/// Why the functions of a family are not known.
pub(super) enum NoSources {
    /// A file cannot be read.
    Io(PathBuf, io::Error),
    /// A file is no Rust.
    NotRust {
        path: PathBuf,
        line: usize,
        said: String,
    },
}

/// A function as it is declared.
struct Declared {
    parameters: Vec<Parameter>,
    signature: Signature,
}

/// What a parameter can be seen to be.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Parameter {
    /// `bool`.
    Truth,
    /// `[usize; N]`.
    Offsets(usize),
    /// Values of constants, this many.
    Constants(usize),
    /// Anything else.
    Other,
}

/// How a decision calls its function.
#[derive(Copy, Clone, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// For a field: with the old fields it names, or with that of its own name.
    OfField(&'a Function),
    /// For a flag: with whether it was set, then with what the decision names.
    OfFlag(&'a Function),
}

/// The functions in the sources of a family: in `src/MODULE.rs` and what lies in `src/MODULE`, below
/// `folder`. `None` if there are no such sources.
///
/// # Errors
/// If a file cannot be read, or is no Rust: the functions in it would be missed, and decisions be
/// blamed for it.
pub(super) fn known(folder: &Path, family: &str) -> Result<Option<Functions>, NoSources> {
    let module = version(family);
    let mut files = vec![folder.join("src").join(format!("{module}.rs"))];
    let inside = folder.join("src").join(&module);
    if inside.is_dir() {
        let fail = |error| NoSources::Io(inside.clone(), error);
        for entry in fs::read_dir(&inside).map_err(fail)? {
            files.push(entry.map_err(fail)?.path());
        }
    }
    files.retain(|file| file.is_file());
    files.sort();
    if files.is_empty() {
        return Ok(None);
    }
    let mut functions: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
    for path in files {
        let text = fs::read_to_string(&path);
        let text = text.map_err(|error| NoSources::Io(path.clone(), error))?;
        let parsed = syn::parse_file(&text).map_err(|error| NoSources::NotRust {
            path: path.clone(),
            line: error.span().start().line,
            said: error.to_string(),
        })?;
        let file = path.strip_prefix(folder).unwrap_or(&path);
        for item in parsed.items {
            let syn::Item::Fn(function) = item else {
                continue;
            };
            let is_public = matches!(function.vis, syn::Visibility::Public(_));
            if is_public && !function.attrs.iter().any(is_for_tests) {
                let parameters = function.sig.inputs.iter().map(Parameter::of);
                let declared = Declared {
                    parameters: parameters.collect(),
                    signature: Signature::of(file.display().to_string(), &function.sig),
                };
                let name = function.sig.ident.to_string();
                functions.entry(name).or_default().push(declared);
            }
        }
    }
    Ok(Some(Functions(functions)))
}

impl Functions {
    /// What is wrong with a call.
    pub(super) fn wrong(&self, call: Call<'_>) -> Option<OverrideProblem> {
        let Functions(known) = self;
        let (Call::OfField(function) | Call::OfFlag(function)) = call;
        let name = &function.name;
        let Some(all) = known.get(name) else {
            return Some(OverrideProblem::NoFunction {
                name: name.clone(),
                nearest: nearest(name, known.keys().map(String::as_str)).map(String::from),
            });
        };
        let given = call.arguments();
        if let Some(declared) = all.iter().find(|declared| declared.takes(&given)) {
            let truth = Seen::Word("bool".to_owned());
            let result = &declared.signature.result;
            let is_wrong = matches!(call, Call::OfFlag(_)) && !truth.allows(result);
            return is_wrong.then(|| OverrideProblem::WrongTypes {
                name: name.clone(),
                file: declared.signature.file.clone(),
                expected: format!("{truth} made of it"),
                found: result.to_string(),
            });
        }
        let declared = all.first()?;
        Some(OverrideProblem::WrongArguments {
            name: name.clone(),
            file: declared.signature.file.clone(),
            expected: described(&given),
            found: described(&declared.parameters),
        })
    }
}

impl Functions {
    /// How the function of `call` is declared, if that can be told.
    pub(super) fn signature(&self, call: Call<'_>) -> Option<Signature> {
        let Functions(known) = self;
        let (Call::OfField(function) | Call::OfFlag(function)) = call;
        let given = call.arguments();
        let mut all = known.get(&function.name)?.iter();
        let declared = all.find(|declared| declared.takes(&given))?;
        Some(declared.signature.clone())
    }
}

/// Whether an attribute leaves a function out of everything but tests.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let is_cfg = attribute.path().is_ident("cfg");
    is_cfg
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|path| path.is_ident("test"))
}

impl Declared {
    fn takes(&self, given: &[Parameter]) -> bool {
        let fits = |(parameter, given): (&Parameter, &Parameter)| match given {
            // The type of an old field is not known here; an array of numbers may be one.
            Parameter::Other => *parameter != Parameter::Truth,
            given => parameter == given,
        };
        self.parameters.len() == given.len() && self.parameters.iter().zip(given).all(fits)
    }
}

impl Call<'_> {
    /// What the function is given, by what of it can be seen.
    fn arguments(self) -> Vec<Parameter> {
        let mut given = vec![Parameter::Other; 2];
        let function = match self {
            Call::OfField(function) => {
                if function.from.is_empty() {
                    given.push(Parameter::Other);
                }
                function
            }
            Call::OfFlag(function) => {
                given.push(Parameter::Truth);
                function
            }
        };
        given.extend(function.from.iter().map(|name| match name.contains(':') {
            true => Parameter::Truth,
            false => Parameter::Other,
        }));
        match function.offsets.len() + function.new_offsets.len() {
            0 => {}
            offsets => given.push(Parameter::Offsets(offsets)),
        }
        match function.constants.len() + function.new_constants.len() {
            0 => {}
            constants => given.push(Parameter::Constants(constants)),
        }
        given
    }
}

impl Parameter {
    fn of(argument: &syn::FnArg) -> Parameter {
        let syn::FnArg::Typed(argument) = argument else {
            return Parameter::Other;
        };
        let is = |ty: &syn::Type, name: &str| match ty {
            syn::Type::Path(path) => path.path.is_ident(name),
            _ => false,
        };
        match &*argument.ty {
            ty if is(ty, "bool") => Parameter::Truth,
            syn::Type::Array(array) => match length_of(array) {
                Some(length) if is(&array.elem, "usize") => Parameter::Offsets(length),
                Some(length) if is(&array.elem, "u64") => Parameter::Constants(length),
                _ => Parameter::Other,
            },
            _ => Parameter::Other,
        }
    }
}

/// `4: the context, the place, a value, 2 offsets`.
fn described(parameters: &[Parameter]) -> String {
    let words = parameters.iter().enumerate().map(|(at, one)| match one {
        Parameter::Other if at == 0 => "the context".to_owned(),
        Parameter::Other if at == 1 => "the place".to_owned(),
        Parameter::Other => "a value".to_owned(),
        Parameter::Truth => "a bool".to_owned(),
        Parameter::Offsets(1) => "1 offset".to_owned(),
        Parameter::Offsets(number) => format!("{number} offsets"),
        Parameter::Constants(1) => "1 constant".to_owned(),
        Parameter::Constants(number) => format!("{number} constants"),
    });
    let words = words.collect::<Vec<_>>().join(", ");
    format!("{}: {words}", parameters.len())
}
