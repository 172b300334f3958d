//! `kconv thaw IMAGE`

use crate::arguments::Thaw;
use crate::failure::Failure;
use kconv_thaw::Summary;
use std::io::Write;

pub(crate) fn run(arguments: &Thaw) -> Result<(), Failure> {
    let thaw = kconv_thaw::Thaw::open(&arguments.image)?;
    let thaw = thaw
        .choose(&arguments.choice())?
        .with_clocks(arguments.rule());
    let thawed = match arguments.dry_run {
        true => {
            thaw.check()?;
            None
        }
        false => Some(thaw.run()?),
    };
    if !arguments.quiet {
        let out = &mut anstream::stdout().lock();
        print(out, &thaw.summary())?;
        for left_out in thaw.left_out() {
            writeln!(out, "left out  {left_out}")?;
        }
        let dropped = match &thawed {
            Some(thawed) => thawed.dropped.clone(),
            None => thaw.dropped(),
        };
        for dropped in dropped {
            writeln!(out, "dropped   {dropped}")?;
        }
        match thawed {
            Some(thawed) => {
                let time = thawed.time.as_secs_f64() * 1000.0;
                writeln!(out, "time      {time:.1} ms")?;
            }
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
