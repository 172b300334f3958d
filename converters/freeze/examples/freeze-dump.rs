//! Makes an image of a dump: `freeze-dump DUMP IMAGE`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dump, image] = arguments.as_slice() else {
        eprintln!("usage: freeze-dump DUMP IMAGE");
        return ExitCode::from(2);
    };
    match kconv_freeze::freeze_dump(
        Path::new(dump),
        &kconv_freeze::OfDump::default(),
        &mut kconv_freeze::anything,
        Path::new(image),
    ) {
        Ok(summary) => {
            println!("{summary:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
