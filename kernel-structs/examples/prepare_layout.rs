//! Makes a layout file for `layouts/` from the BTF of a kernel, and prints its fingerprint.
//!
//! `cargo run -p kernel-structs --example prepare_layout -- STATE_MAP KERNEL_BTF LAYOUT_BTF`

use kernel_structs::{btf, releases, state::StateMap};
use std::error::Error;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [map, kernel, stored] = arguments.as_slice() else {
        return Err("usage: prepare_layout STATE_MAP KERNEL_BTF LAYOUT_BTF".into());
    };
    let map = StateMap::parse(&fs::read_to_string(map)?)?;
    let full = btf::read(&fs::read(kernel)?)?;
    let (layout, fingerprint) = releases::prepare_layout(&full, &map)?;
    fs::write(stored, btf::write(&layout)?)?;
    println!("{fingerprint}");
    Ok(())
}
