//! `kconv thaw IMAGE`

use crate::arguments::Thaw;
use crate::failure::Failure;
use kconv_thaw::{Summary, ThawError};
use std::io::Write;

pub(crate) fn run(arguments: &Thaw) -> Result<(), Failure> {
    let thaw = kconv_thaw::Thaw::open(&arguments.image)?;
    let time = match arguments.dry_run {
        true => {
            let obstacles = thaw.obstacles();
            if !obstacles.is_empty() {
                return Err(ThawError::Obstacles(obstacles).into());
            }
            None
        }
        false => Some(thaw.run()?),
    };
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        print(out, &thaw.summary())?;
        match time {
            Some(time) => writeln!(out, "time      {:.1} ms", time.as_secs_f64() * 1000.0)?,
            None => writeln!(out, "nothing is in the way; nothing was made")?,
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, summary: &Summary) -> std::io::Result<()> {
    writeln!(
        out,
        "tasks     {} in {} processes, {} that have ended",
        summary.threads, summary.processes, summary.ended
    )?;
    writeln!(out, "mappings  {}", summary.mappings)?;
    writeln!(out, "pages     {}", summary.pages)?;
    writeln!(out, "files     {}", summary.files)
}
