//! How the program is linked.

fn main() {
    // What is relocated when the program starts is told in 1 % of the bytes (DT_RELR); a linker that cannot
    // do it warns and does without.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    println!("cargo:rerun-if-changed=build.rs");
}
