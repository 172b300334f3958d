//! The maintainers' tool.
#![forbid(unsafe_code)]

fn main() {
    let registry = kernel_structs::releases::Registry::builtin().unwrap();
    for dir in std::env::args().skip(1) {
        let dir = std::path::Path::new(&dir);
        match kconv_codegen::generate::generate(dir, &registry) {
            Ok(files) => println!("{:?}", kconv_codegen::generate::write(dir, &files)),
            Err(kconv_codegen::generate::GenerateError::Findings(f)) => println!("{f:#?}"),
            Err(e) => println!("{e}"),
        }
    }
}
