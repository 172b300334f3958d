//! Measures kconv beside programs that do as little as can be done, and makes images to measure it with.
#![forbid(unsafe_code)]

use clap::{Args, Parser, Subcommand};
use kconv_bench::machine::Machine;
use kconv_bench::page::{self, Call};
use kconv_bench::suite::{Wanted, many, measure};
use kconv_bench::tools::Programs;
use kconv_bench::{linux6, once};
use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Measures kconv beside programs that do as little as can be done, and makes images to measure it with.
#[derive(Parser)]
#[command(name = "kconv-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and say what came of it as a page of Markdown.
    Measure(Measure),
    /// Write an image with so many tasks, by repeating the objects of another.
    Repeat {
        /// The image of a freeze.
        image: PathBuf,
        /// How many tasks there are to be; of these a few more, if it has several.
        #[arg(long, value_name = "NUMBER")]
        tasks: u64,
        /// Where the new image is written.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Write an image of some processes of Linux 6.
    Make {
        /// Release of the kernel, such as 6.1.0-47-amd64.
        release: String,
        /// Where the image is written.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Run a command and say what it took: wall clock and CPU time in nanoseconds, and memory in bytes.
    Once {
        /// The command.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
struct Measure {
    /// Numbers of tasks that images have.
    #[arg(long, value_name = "NUMBER", value_delimiter = ',', default_values_t = [1000, 10_000, 100_000])]
    tasks: Vec<u64>,
    /// How many pairs of runs are made of each.
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Where images are made, some gigabytes; on the disk that is to be measured.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Two files with type information (BTF), of which `kconv-gen diff` says what differs; else that of the running
    /// kernel twice, where it has any, or that of two stored layouts.
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 2)]
    types: Option<Vec<PathBuf>>,
    /// Write the page into the book.
    #[arg(long)]
    book: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kconv-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Measure(arguments) => figures(arguments),
        Command::Repeat {
            image,
            tasks,
            output,
        } => {
            let tasks = many(&image, tasks, &output)?;
            println!("{}: {tasks} tasks", output.display());
            Ok(())
        }
        Command::Make { release, output } => Ok(linux6::write(&release, &output)?),
        Command::Once { command } => {
            println!("{}", once::here(&command)?);
            Ok(())
        }
    }
}

fn figures(arguments: Measure) -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let programs = Programs::build(&root)?;
    let folder = arguments
        .folder
        .unwrap_or_else(|| programs.target.join("bench"));
    let stored = |name: &str| root.join("kernel-structs/layouts").join(name);
    let running = Path::new("/sys/kernel/btf/vmlinux");
    let types = match arguments.types.as_deref() {
        Some([old, new]) => [old.clone(), new.clone()],
        _ if running.exists() => [running, running].map(Path::to_owned),
        _ => ["6.1.0-47-amd64.btf", "6.12.117+deb12-amd64.btf"].map(stored),
    };
    let mut tasks = arguments.tasks;
    tasks.sort_unstable();
    let wanted = Wanted {
        root: root.clone(),
        folder,
        tasks,
        pairs: arguments.pairs.into(),
        types,
    };
    std::fs::create_dir_all(&wanted.folder)?;
    let machine = Machine::here(&wanted.folder.canonicalize()?);
    let figures = measure(&wanted, &programs, &mut |next| eprintln!("{next}"))?;
    let call = Call {
        command: given(),
        date: jiff::Timestamp::now().strftime("%F").to_string(),
        machine,
        pairs: wanted.pairs,
    };
    let mut text = String::new();
    page::write(&mut text, &call, &figures)?;
    match arguments.book {
        true => {
            let page = root.join("book/src/figures.md");
            std::fs::write(&page, text)?;
            println!("{}", page.display());
        }
        false => print!("{text}"),
    }
    Ok(())
}

/// The command as people would give it again.
fn given() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let words = ["cargo run --release -p kconv-bench --".to_owned()];
    words
        .into_iter()
        .chain(arguments)
        .collect::<Vec<_>>()
        .join(" ")
}
