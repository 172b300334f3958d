//! The numbers of constants, as the preprocessor and the compiler make them of the headers.
//!
//! The text of a header says only which names may be constants: what it defines without arguments,
//! and what stands where an enumerator does. Whether one is a constant, and of what value, the
//! compiler says: each is the value of an enumerator in a program that includes the headers. What
//! is not defined or does not compile as that is none.

use super::{HeaderError, Profile, ProfileError, Tree};
use bindgen::{BindgenError, Builder, CodegenConfig, EnumVariation, Formatter};
use kernel_structs::state::Watch;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Name of the program, by which errors in its lines are told from errors in headers.
const PROGRAM: &str = "kconv_constants.h";
/// What the enumeration of each constant is called, before the constant's name.
const ENUM: &str = "kconv_enum_";
/// What its enumerators are called, before the constant's name: whether it is one, and its value.
const KNOWN: &str = "kconv_known_";
const VALUE: &str = "kconv_value_";
/// How often names that are no constants are taken out of the program. Once is enough unless the
/// compiler gives up before it has named all.
const ROUNDS: usize = 8;

/// The values of the constants that `watch` says fields are made of, by name, out of the headers
/// that it names.
///
/// # Errors
/// If libclang is missing, the tree lacks something, or the headers do not compile.
pub fn constants(
    watch: &Watch,
    profile: &Profile,
    tree: &Tree,
) -> Result<BTreeMap<String, i128>, HeaderError> {
    let arguments = profile.arguments(tree)?;
    if !clang_sys::is_loaded() {
        clang_sys::load().map_err(HeaderError::NoLibclang)?;
    }
    // Those of the profile come first: they include what others take for granted.
    let mut headers = profile.headers.clone();
    let mut names = BTreeSet::new();
    for (entry, meaning) in watch.meanings() {
        for header in &meaning.headers {
            let texts = texts(profile, tree, header)?;
            if !texts.is_empty() && !headers.contains(header) {
                headers.push(header.clone());
            }
            for text in &texts {
                let named = candidates(text).filter(|(name, _)| entry.watches(name));
                names.extend(named.map(|(name, kind)| (name.to_owned(), kind)));
            }
        }
    }
    let mut names: Vec<(String, Kind)> = names.into_iter().collect();
    let mut taken_out = BTreeSet::new();
    for _ in 0..ROUNDS {
        let program = program(&headers, &names);
        let errors = match evaluate(&program, &arguments)? {
            Evaluated::Values(values) => return Ok(values),
            Evaluated::Errors(errors) => errors,
        };
        let wrong = named_in(&errors, &program);
        let before = names.len();
        names.retain(|(name, _)| !wrong.contains(name));
        if names.len() == before {
            return Err(HeaderError::Bindgen(errors));
        }
        taken_out = wrong;
    }
    let taken_out: Vec<String> = taken_out.into_iter().collect();
    Err(HeaderError::Bindgen(format!(
        "after {ROUNDS} rounds the compiler still finds watched names that are no constants, the last time {}; take what they have in common out of the [[watch]] entry with `except`",
        taken_out.join(", ")
    )))
}

/// The texts of `header` in all folders that are searched for headers. The one of a generic folder
/// is often included by the one of the machine, so all count.
fn texts(profile: &Profile, tree: &Tree, header: &str) -> Result<Vec<String>, ProfileError> {
    let mut texts = Vec::new();
    for folder in profile.folders(tree)? {
        let path = folder.join(header);
        if path.is_file() {
            let text = fs::read(&path)
                .map_err(|error| ProfileError::Unreadable(path.clone(), error.to_string()))?;
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
    }
    Ok(texts)
}

/// What a name that may be a constant is defined as.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Macro,
    Enumerator,
}

/// Names that a header may give a value: those that it defines as macros without arguments, and
/// those that stand where an enumerator does.
fn candidates(text: &str) -> impl Iterator<Item = (&str, Kind)> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let directive = line.strip_prefix('#').map(str::trim_start);
        let (line, kind) = match directive {
            Some(directive) => (directive.strip_prefix("define")?.trim_start(), Kind::Macro),
            None => (line, Kind::Enumerator),
        };
        let end = line.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let (name, rest) = line.split_at(end.unwrap_or(line.len()));
        let begins = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let goes_on = match kind {
            Kind::Macro => !rest.starts_with('('),
            Kind::Enumerator => {
                let rest = rest.trim_start();
                rest.is_empty() || rest.starts_with(['=', ',', '/', '}'])
            }
        };
        (begins && goes_on).then_some((name, kind))
    })
}

enum Evaluated {
    Values(BTreeMap<String, i128>),
    /// What the compiler says.
    Errors(String),
}

/// A program with a line for each header, and one with the value of each name, which for a macro
/// is there only if that is defined.
fn program(headers: &[String], names: &[(String, Kind)]) -> String {
    let mut program = String::new();
    for header in headers {
        program.push_str(&format!("#include <{header}>\n"));
    }
    for (name, kind) in names {
        // Of what is no constant, only whether it is one is asked.
        let known = format!("__builtin_constant_p({name})");
        let value = format!(
            "enum {ENUM}{name} {{ {KNOWN}{name} = {known}, \
             {VALUE}{name} = __builtin_choose_expr({known}, {name}, 0) }};\n"
        );
        program.push_str(&match kind {
            Kind::Macro => format!("#ifdef {name}\n{value}#endif\n"),
            Kind::Enumerator => value,
        });
    }
    program
}

fn evaluate(program: &str, arguments: &[String]) -> Result<Evaluated, HeaderError> {
    let builder = Builder::default()
        .header_contents(PROGRAM, program)
        .clang_args(arguments)
        .clang_arg("-ferror-limit=0")
        .with_codegen_config(CodegenConfig::TYPES)
        .default_enum_style(EnumVariation::Consts)
        .prepend_enum_name(false)
        .layout_tests(false)
        .generate_comments(false)
        .formatter(Formatter::None)
        .allowlist_type(format!("(enum_)?{ENUM}.*"));
    // A panic of bindgen's on a strange header is a failure to read that header.
    let generated = catch_unwind(AssertUnwindSafe(|| builder.generate()));
    match generated.map_err(|_| HeaderError::Bindgen("it panicked".to_owned()))? {
        Ok(bindings) => values(&bindings.to_string()).map(Evaluated::Values),
        Err(BindgenError::ClangDiagnostic(errors)) => Ok(Evaluated::Errors(errors)),
        Err(error) => Err(HeaderError::Bindgen(error.to_string())),
    }
}

/// The names that errors are about. The compiler names the line of the program, or that of the
/// macro's definition.
fn named_in(errors: &str, program: &str) -> BTreeSet<String> {
    let located = errors.lines().filter_map(|line| {
        let (place, _) = line.split_once(": error:")?;
        let mut parts = place.rsplitn(3, ':');
        let (_column, line, file) = (parts.next()?, parts.next()?, parts.next()?);
        let line = line.parse::<usize>().ok()?.checked_sub(1)?;
        if file.ends_with(PROGRAM) {
            let line = program.lines().nth(line)?.strip_prefix("enum ")?;
            let name = line.strip_prefix(ENUM)?.split(' ').next()?;
            return Some(name.to_owned());
        }
        let text = fs::read(file).ok()?;
        let text = String::from_utf8_lossy(&text);
        let (name, _) = candidates(text.lines().nth(line)?).next()?;
        Some(name.to_owned())
    });
    located.collect()
}

/// The values in what bindgen wrote.
fn values(text: &str) -> Result<BTreeMap<String, i128>, HeaderError> {
    let file = syn::parse_file(text)?;
    let mut values = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for item in &file.items {
        let syn::Item::Const(item) = item else {
            continue;
        };
        let ident = item.ident.to_string();
        let value = number(&item.expr).ok_or_else(|| HeaderError::Unexpected {
            place: ident.clone(),
            text: quote::ToTokens::to_token_stream(&item.expr).to_string(),
            expected: "a number",
        })?;
        if let Some(name) = ident.strip_prefix(VALUE) {
            values.insert(name.to_owned(), value);
        }
        if let Some(name) = ident.strip_prefix(KNOWN).filter(|_| value == 0) {
            unknown.insert(name.to_owned());
        }
    }
    values.retain(|name, _| !unknown.contains(name));
    Ok(values)
}

fn number(expr: &syn::Expr) -> Option<i128> {
    match expr {
        syn::Expr::Lit(syn::ExprLit {
            lit: syn::Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        syn::Expr::Unary(syn::ExprUnary {
            op: syn::UnOp::Neg(_),
            expr,
            ..
        }) => number(expr).map(|number| -number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use kernel_structs::state::StateMap;
    use std::path::Path;

    const HEADER: &str = "
#define PF_ONE 0x1
#  define PF_HIGH (1ULL << 63)
#define PF_NEGATIVE (-2)
#ifdef CONFIG_TWO
# define PF_TWO 2
#else
# define PF_TWO 4
#endif
#define PF_FUNCTION(x) (x)
#define PF_TEXT \"text\"
static inline int state(void) { return 1; }
#define PF_STATE (state() | 1)
#define PF_EXCEPT 8
#define OTHER 9
enum {
\tPF_ENUMERATOR = PF_ONE + 1,
\tPF_NEXT,
};
";

    fn watch(headers: &str) -> Watch {
        let map = format!(
            "family = \"f\"\nmachines = []\n[type.a]\nsaved = true\n\
             [[watch]]\nconstants = [\"PF_*\"]\nexcept = [\"PF_EX*\"]\nas = \"masks\"\n\
             fields = [\"a.b\"]\nheaders = {headers}\nreason = \"r\"\n"
        );
        StateMap::parse(&map).unwrap().watch
    }

    fn profile(defines: &str) -> Profile {
        let text = format!(
            "family = \"f\"\ntarget = \"x86_64-linux-gnu\"\nflags = [\"-w\"]\nmakefile-flags = []\n\
             defines = {defines}\ninclude = [\"source/include\"]\npreinclude = []\nheaders = []\ntypes = []\n"
        );
        Profile::parse(&text).unwrap()
    }

    fn tree(folder: &Path, header: &str) -> Tree {
        std::fs::create_dir_all(folder.join("include/linux")).unwrap();
        std::fs::write(folder.join("include/linux/a.h"), header).unwrap();
        Tree::one(folder)
    }

    #[test]
    fn the_preprocessor_decides_and_the_compiler_counts() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path(), HEADER);
        let watch = watch("[\"linux/a.h\", \"linux/of-another-release.h\"]");
        let found = |defines| constants(&watch, &profile(defines), &tree).unwrap();
        let expected = [
            ("PF_ENUMERATOR", 2),
            ("PF_HIGH", 1 << 63),
            ("PF_NEGATIVE", -2),
            ("PF_NEXT", 3),
            ("PF_ONE", 1),
            ("PF_TWO", 4),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(found("[]").into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(found("[\"CONFIG_TWO\"]")["PF_TWO"], 2);
    }

    #[test]
    fn headers_that_do_not_compile_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tree = tree(folder.path(), "#define PF_ONE 1\n#error no\n");
        let error = constants(&watch("[\"linux/a.h\"]"), &profile("[]"), &tree).unwrap_err();
        assert!(error.to_string().contains("error: no"), "{error}");
    }
}
