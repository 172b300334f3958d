//! Running bindgen.

use super::{HeaderError, Profile, Tree};
use bindgen::callbacks::{
    DiscoveredItem, DiscoveredItemId, FieldInfo, ParseCallbacks, SourceLocation,
};
use bindgen::{Builder, CodegenConfig, EnumVariation, Formatter, NonCopyUnionStyle};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

/// What members are called in bindgen's output: a prefix tells them from what bindgen adds, and
/// keeps names that are keywords in Rust.
pub(super) const MEMBER: &str = "c_";

/// What bindgen wrote.
pub(super) struct Output {
    /// Rust source.
    pub(super) text: String,
    /// The structures, unions and enumerations without a tag that bindgen named after a typedef.
    pub(super) untagged: BTreeSet<String>,
    /// Whether plain `char` is signed, which bindgen does not say.
    pub(super) signed_char: bool,
}

/// Where each structure, union and enumeration is defined, by the name that bindgen gave it.
type Origins = Rc<RefCell<BTreeMap<String, (String, usize)>>>;

#[derive(Debug)]
struct Watch {
    origins: Origins,
}

impl ParseCallbacks for Watch {
    fn field_name(&self, field: FieldInfo<'_>) -> Option<String> {
        Some(format!("{MEMBER}{}", field.field_name))
    }

    fn new_item_found(
        &self,
        _id: DiscoveredItemId,
        item: DiscoveredItem,
        location: Option<&SourceLocation>,
    ) {
        if let DiscoveredItem::Struct { final_name, .. }
        | DiscoveredItem::Union { final_name, .. }
        | DiscoveredItem::Enum { final_name } = item
            && let Some(location) = location
            && let Some(file) = &location.file_name
        {
            self.origins
                .borrow_mut()
                .insert(final_name, (file.clone(), location.byte_offset));
        }
    }
}

pub(super) fn bindgen(profile: &Profile, tree: &Tree) -> Result<Output, HeaderError> {
    let arguments = profile.arguments(tree)?;
    // bindgen panics if libclang is missing.
    if !clang_sys::is_loaded() {
        clang_sys::load().map_err(HeaderError::NoLibclang)?;
    }
    let origins = Origins::default();
    let mut builder = Builder::default()
        .header_contents("kernel.h", &profile.program())
        .clang_args(&arguments)
        .parse_callbacks(Box::new(Watch {
            origins: origins.clone(),
        }))
        .with_codegen_config(CodegenConfig::TYPES)
        .layout_tests(true)
        .c_naming(true)
        .default_enum_style(EnumVariation::NewType {
            is_bitfield: false,
            is_global: false,
        })
        .default_non_copy_union_style(NonCopyUnionStyle::ManuallyDrop)
        .prepend_enum_name(false)
        .size_t_is_usize(false)
        .generate_comments(false)
        .derive_copy(true)
        .derive_debug(false)
        .derive_default(false)
        .formatter(Formatter::None);
    for name in &profile.types {
        let name = name.trim_end_matches('?');
        let bare = name.split(' ').next_back().unwrap_or(name);
        builder = builder.allowlist_type(format!("(struct_|union_|enum_)?{bare}"));
    }
    // A panic of bindgen's on a strange header is a failure to read that header.
    let bindings = catch_unwind(AssertUnwindSafe(|| builder.generate()))
        .map_err(|_| HeaderError::Bindgen("it panicked".to_owned()))?
        .map_err(|error| HeaderError::Bindgen(error.to_string()))?;
    let origins = origins.take();
    Ok(Output {
        text: bindings.to_string(),
        untagged: untagged(&origins),
        signed_char: !arguments.iter().any(|flag| flag == "-funsigned-char"),
    })
}

/// bindgen gives a structure without a tag the name of its typedef, and then cannot tell
/// `typedef struct { … } name` from `typedef struct name { … } name`; the headers can: clang places
/// the former at its keyword, the latter at its tag.
fn untagged(origins: &BTreeMap<String, (String, usize)>) -> BTreeSet<String> {
    let mut files: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let mut untagged = BTreeSet::new();
    for (name, (file, offset)) in origins {
        // A file that is not there is the program above, which defines nothing.
        let text = files
            .entry(file)
            .or_insert_with(|| fs::read(file).unwrap_or_default());
        let word: Vec<u8> = text
            .iter()
            .skip(*offset)
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .copied()
            .collect();
        if matches!(word.as_slice(), b"struct" | b"union" | b"enum") {
            untagged.insert(name.clone());
        }
    }
    untagged
}
