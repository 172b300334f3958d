//! Types of every shape, through gcc and pahole to BTF and back.

use super::*;
use kernel_structs::btf;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/shapes.c");

const NAMES: [&str; 9] = [
    "bits",
    "anonymous",
    "packed",
    "aligned",
    "pointers",
    "everything",
    "list",
    "lock_t",
    "empty_t",
];

/// The layout of the shapes on a machine, and the file of detached BTF that it was read from.
fn shapes(pointer_size: u8, of: &str) -> (Layout, String) {
    let object = scratch(&format!("{of}-{pointer_size}.o"));
    let detached = scratch(&format!("{of}-{pointer_size}.btf"));
    gcc(
        pointer_size,
        &["-g", "-gdwarf-4", "-c", SOURCE, "-o", &object],
    );
    let encode = format!("--btf_encode_detached={detached}");
    pahole(&["--btf_encode_force", "--btf_gen_floats", &encode, &object]);
    let layout = btf::read(&std::fs::read(&detached).unwrap()).unwrap();
    (layout, detached)
}

fn names() -> Vec<String> {
    NAMES.map(String::from).to_vec()
}

#[test]
fn every_member_is_where_gcc_has_it() {
    for pointer_size in [4, 8] {
        let (layout, _) = shapes(pointer_size, "offsets");
        assert_eq!(layout.target().pointer_size, pointer_size);
        let source = scratch(&format!("offsets-{pointer_size}.c"));
        let text =
            std::fs::read_to_string(SOURCE).unwrap() + &assertions(&layout, &names(), &names());
        std::fs::write(&source, text).unwrap();
        gcc(pointer_size, &["-fsyntax-only", &source]);
    }
}

#[test]
fn gcc_takes_our_spelling_of_a_type_for_the_type() {
    let (layout, _) = shapes(8, "spelling");
    let mut text = std::fs::read_to_string(SOURCE).unwrap();
    for owner in ["pointers", "odd", "aligned"] {
        let (_, composite) = layout.composite(owner).unwrap();
        for member in &composite.members {
            let name = member.name.as_ref().unwrap();
            let spelled = layout.type_name(member.ty);
            text += &format!(
                "_Static_assert(__builtin_types_compatible_p(\
                 __typeof__(((struct {owner} *)0)->{name}), {spelled}), \"{owner}.{name}\");\n"
            );
        }
    }
    let source = scratch("spelling.c");
    std::fs::write(&source, text).unwrap();
    gcc(8, &["-fsyntax-only", &source]);
}

#[test]
fn every_shape_looks_as_pahole_shows_it() {
    for pointer_size in [4, 8] {
        let (layout, file) = shapes(pointer_size, "rendered");
        compare_with_pahole(&layout, &file, &names());
    }
}

#[test]
fn the_same_is_read_from_the_section_of_an_elf_file() {
    for pointer_size in [4, 8] {
        let (detached, _) = shapes(pointer_size, "section");
        let object = scratch(&format!("section-{pointer_size}.o"));
        pahole(&["--btf_encode_force", "--btf_gen_floats", "-J", &object]);
        let data = std::fs::read(&object).unwrap();
        assert!(data.starts_with(b"\x7fELF"));
        assert_eq!(btf::read(&data).unwrap(), detached);
    }
}

#[test]
fn what_we_write_others_read_as_before() {
    for pointer_size in [4, 8] {
        let (layout, before) = shapes(pointer_size, "again");
        let after = scratch(&format!("again-{pointer_size}-written.btf"));
        std::fs::write(&after, btf::write(&layout).unwrap()).unwrap();
        let show = |file: &str| pahole_types(file, &names());
        assert_eq!(show(&before), show(&after));
        assert_eq!(show(&before).len(), NAMES.len());
        let dump = |file: &str| bpftool(&["btf", "dump", "file", file, "format", "c"]);
        assert_eq!(dump(&before), dump(&after));
    }
}

#[test]
fn the_two_machines_differ() {
    let [small, large] = [4, 8].map(|pointer_size| shapes(pointer_size, "machines").0);
    let fingerprint = |layout: &Layout| layout.fingerprint(&["everything"]).unwrap();
    assert_ne!(fingerprint(&small), fingerprint(&large));
}
