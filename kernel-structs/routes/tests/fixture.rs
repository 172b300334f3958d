//! A header with every hard construct, by every route: bindgen against gcc's debug information and
//! against the BTF that pahole makes of it, for i386 and x86-64, in gnu89 and gnu11.
//!
//! gcc (with `-m32`) and libclang have to be installed; they are the two compilers that are held
//! against each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kernel_structs::btf;
use kernel_structs::layout::Layout;
use kernel_structs_routes::compare::{Knowledge, compare};
use kernel_structs_routes::headers::{self, HeaderError, Profile, Tree};
use kernel_structs_routes::{dwarf, headers::Headers};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A way to compile the fixture.
struct Style {
    target: &'static str,
    gcc: &'static [&'static str],
    flags: &'static [&'static str],
}

const I386_OLD: Style = Style {
    target: "i386-linux-gnu",
    gcc: &["-m32"],
    flags: &["-std=gnu89"],
};
const I386_NEW: Style = Style {
    target: "i386-linux-gnu",
    gcc: &["-m32"],
    flags: &["-std=gnu11", "-funsigned-char"],
};
const X86_64_OLD: Style = Style {
    target: "x86_64-linux-gnu",
    gcc: &["-m64"],
    flags: &["-std=gnu89"],
};
const X86_64_NEW: Style = Style {
    target: "x86_64-linux-gnu",
    gcc: &["-m64"],
    flags: &["-std=gnu11", "-funsigned-char"],
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn profile(style: &Style) -> Profile {
    let text = fs::read_to_string(fixtures().join("fixture.toml")).unwrap();
    let mut profile = Profile::parse(&text).unwrap();
    profile.target = style.target.to_owned();
    profile.flags = style.flags.iter().map(|flag| (*flag).to_owned()).collect();
    profile
}

/// The fixture compiled by gcc with debug information of version `version`: every type of the
/// profile is used once, so that it is described.
fn object(style: &Style, version: &str, extra: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut program = "#include <linux/hard.h>\n".to_owned();
    for (number, name) in profile(style).types.iter().enumerate() {
        let name = match name.as_str() {
            "atomic_t" | "mm_segment_t" | "untagged_enum" => name.clone(),
            "mixed" => "union mixed".to_owned(),
            _ if name.contains(' ') => name.clone(),
            _ => format!("struct {name}"),
        };
        program += &format!("{name} value{number};\n");
    }
    let source = folder.path().join("fixture.c");
    let object = folder.path().join("fixture.o");
    fs::write(&source, program).unwrap();
    let status = Command::new("gcc")
        .args(style.gcc)
        .args(style.flags)
        .args(["-g", version, "-gno-record-gcc-switches", "-w", "-c"])
        .args(extra)
        .arg("-I")
        .arg(fixtures().join("tree/include"))
        .arg("-o")
        .args([&object, &source])
        .status()
        .expect("gcc has to be installed");
    assert!(status.success(), "gcc has to compile for {}", style.target);
    (folder, object)
}

fn dwarf_of(style: &Style, version: &str, extra: &[&str]) -> Layout {
    let (_folder, object) = object(style, version, extra);
    let profile = profile(style);
    dwarf::read_file(&object, &names(&profile)).unwrap()
}

fn names(profile: &Profile) -> Vec<&str> {
    profile.types.iter().map(String::as_str).collect()
}

fn headers_of(style: &Style) -> Headers {
    match headers::read(&profile(style), &Tree::one(&fixtures().join("tree"))) {
        Ok(headers) => headers,
        Err(error) => panic!("{error}; {}", error.advice().unwrap_or("no advice")),
    }
}

fn agree(style: &Style, left: &Layout, right: &Layout) {
    let profile = profile(style);
    let found = compare(left, right, &names(&profile), Knowledge::ALL).unwrap();
    let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(rows.is_empty(), "{}", rows.join("\n"));
    // What is saved as a layout is the same, too.
    assert_eq!(
        left.fingerprint(&names(&profile)).unwrap(),
        right.fingerprint(&names(&profile)).unwrap()
    );
}

fn headers_agree_with_gcc(style: &Style) {
    let headers = headers_of(style);
    agree(style, &headers.layout, &dwarf_of(style, "-gdwarf-5", &[]));
}

#[test]
fn headers_agree_with_gcc_on_i386_in_gnu89() {
    headers_agree_with_gcc(&I386_OLD);
}

#[test]
fn headers_agree_with_gcc_on_i386_in_gnu11() {
    headers_agree_with_gcc(&I386_NEW);
}

#[test]
fn headers_agree_with_gcc_on_x86_64_in_gnu89() {
    headers_agree_with_gcc(&X86_64_OLD);
}

#[test]
fn headers_agree_with_gcc_on_x86_64_in_gnu11() {
    headers_agree_with_gcc(&X86_64_NEW);
}

/// The doubts of the fixture are bindgen's known holes and nothing else.
#[test]
fn doubts_name_what_bindgen_lost() {
    let doubts = |style| {
        let doubts = headers_of(style).doubts;
        let rows: Vec<String> = doubts.iter().map(ToString::to_string).collect();
        rows.join("\n")
    };
    insta::assert_snapshot!("doubts_i386", doubts(&I386_NEW));
    insta::assert_snapshot!("doubts_x86_64", doubts(&X86_64_NEW));
}

/// Bit-fields are counted from another end before DWARF 4, member offsets are expressions in
/// DWARF 2, and strings lie elsewhere in DWARF 5.
#[test]
fn every_version_of_dwarf_says_the_same() {
    for style in [&I386_NEW, &X86_64_NEW] {
        let newest = dwarf_of(style, "-gdwarf-5", &[]);
        for version in ["-gdwarf-2", "-gdwarf-3", "-gdwarf-4"] {
            agree(
                style,
                &dwarf_of(style, version, &["-gstrict-dwarf"]),
                &newest,
            );
        }
        agree(style, &dwarf_of(style, "-gdwarf-5", &["-gz=zlib"]), &newest);
        agree(
            style,
            &dwarf_of(style, "-gdwarf-5", &["-gdwarf64"]),
            &newest,
        );
    }
}

#[test]
fn dwarf_agrees_with_pahole() {
    for style in [&I386_NEW, &X86_64_NEW] {
        let (folder, object) = object(style, "-gdwarf-5", &[]);
        let detached = folder.path().join("fixture.btf");
        let status = Command::new("pahole")
            // As the kernel's build does (scripts/pahole-flags.sh).
            .arg("--btf_gen_floats")
            .arg(format!("--btf_encode_detached={}", detached.display()))
            .arg(&object)
            .status()
            .expect("pahole has to be installed");
        assert!(status.success());
        let pahole = btf::read(&fs::read(&detached).unwrap()).unwrap();
        let profile = profile(style);
        let ours = dwarf::read_file(&object, &names(&profile)).unwrap();
        let found = compare(&ours, &pahole, &names(&profile), Knowledge::PAHOLE).unwrap();
        let rows: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(rows.is_empty(), "{}", rows.join("\n"));
    }
}

#[test]
fn the_configuration_decides() {
    let headers = headers_of(&X86_64_NEW);
    let (_, configured) = headers.layout.composite("configured").unwrap();
    let members: Vec<_> = configured
        .members
        .iter()
        .map(|member| member.name.as_deref().unwrap())
        .collect();
    assert_eq!(members, ["processor", "always"]);
}

#[test]
fn what_no_header_defines_is_named() {
    let tree = Tree::one(&fixtures().join("tree"));
    let error = |name: &str| {
        let mut profile = profile(&X86_64_NEW);
        profile.types = vec!["pointers".to_owned(), name.to_owned()];
        headers::read(&profile, &tree).unwrap_err()
    };
    let declared = error("declared");
    assert_eq!(
        declared.to_string(),
        "the headers do not define `declared`; they declare it only"
    );
    assert!(declared.advice().unwrap().contains(".c file"));
    assert_eq!(
        error("nowhere").to_string(),
        "the headers do not define `nowhere`"
    );
}

#[test]
fn headers_that_do_not_compile_say_why() {
    let mut profile = profile(&X86_64_NEW);
    profile.headers.push("linux/missing.h".to_owned());
    let error = headers::read(&profile, &Tree::one(&fixtures().join("tree"))).unwrap_err();
    assert!(matches!(error, HeaderError::Bindgen(_)), "{error}");
    assert!(error.to_string().contains("linux/missing.h"), "{error}");
}

#[test]
fn a_type_that_dwarf_only_declares_is_named() {
    let (_folder, object) = object(&X86_64_NEW, "-gdwarf-5", &[]);
    let error = |name| dwarf::read_file(&object, &[name]).unwrap_err().to_string();
    assert_eq!(
        error("declared"),
        "no unit defines `declared`; it is only declared"
    );
    assert_eq!(error("nowhere"), "no unit defines `nowhere`");
}

/// Old compilers wrote -1 for the bound of an array of none, in 4 or in 8 bytes and without a sign.
#[test]
fn an_array_to_minus_one_has_no_elements() {
    let entries = r#"
        .section .debug_abbrev
        # A unit, a structure, a member, an array, two kinds of bounds, a base type: tag, whether it
        # has children, attributes with their forms.
        .byte 1, 0x11, 1, 0, 0
        .byte 2, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b, 0, 0
        .byte 3, 0x0d, 0, 0x03, 0x08, 0x49, 0x13, 0x38, 0x0b, 0, 0
        .byte 4, 0x01, 1, 0x49, 0x13, 0, 0
        .byte 5, 0x21, 0, 0x2f, 0x06, 0, 0
        .byte 6, 0x21, 0, 0x2f, 0x07, 0, 0
        .byte 7, 0x24, 0, 0x03, 0x08, 0x3e, 0x0b, 0x0b, 0x0b, 0, 0
        .byte 0
        .section .debug_info
    unit:
        .long end - version
    version:
        .short 4
        .long .debug_abbrev
        .byte 8, 1, 2
        .asciz "s"
        .byte 4, 3
        .asciz "first"
        .long int - unit
        .byte 0, 3
        .asciz "four"
        .long four - unit
        .byte 4, 3
        .asciz "eight"
        .long eight - unit
        .byte 4, 0
    four:
        .byte 4
        .long int - unit
        .byte 5
        .long 0xffffffff
        .byte 0
    eight:
        .byte 4
        .long int - unit
        .byte 6
        .quad 0xffffffffffffffff
        .byte 0
    int:
        .byte 7
        .asciz "int"
        .byte 5, 4, 0
    end:
    "#;
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, debug: &str, text: &str| {
        let (source, object) = (folder.path().join(name), folder.path().join("out.o"));
        fs::write(&source, text).unwrap();
        let status = Command::new("gcc")
            .args(["-m64", debug, "-c", "-o"])
            .args([&object, &source])
            .status()
            .expect("gcc has to be installed");
        assert!(status.success());
        dwarf::read_file(&object, &["s"]).unwrap()
    };
    let now = read(
        "now.c",
        "-gdwarf-5",
        "struct s { int first; int four[0]; int eight[0]; } value;",
    );
    let old = read("old.s", "-g0", entries);
    assert_eq!(compare(&old, &now, &["s"], Knowledge::ALL).unwrap(), []);
}

/// Damaged debug information gives an error or a layout, never a panic or a hang.
#[test]
fn damaged_dwarf_gives_an_error() {
    let (_folder, object) = object(&X86_64_NEW, "-gdwarf-4", &[]);
    let data = fs::read(object).unwrap();
    let mut refused = 0;
    for at in (0..data.len()).step_by(3) {
        let mut damaged = data.clone();
        damaged[at] ^= 0x41;
        refused += u32::from(dwarf::read(&damaged, &["task_struct"]).is_err());
    }
    assert!(refused > 0);
    for end in (0..data.len()).step_by(97) {
        assert!(dwarf::read(&data[..end], &["task_struct"]).is_err());
    }
}
