//! `kconv-gen`, the tool of those who maintain converters.
#![forbid(unsafe_code)]

mod cli;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Makes converters between kernel layouts, and keeps them true
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 clean; 1 findings, such as undecided fields; 2 wrong usage or unreadable input; 3 a fault of this program."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show, list, compare and add layouts
    #[command(subcommand)]
    Layout(Layout),
    /// Show what changed between two layouts
    Diff {
        /// A release, such as 2.4.36.8-up, a version, which means its standard flavour, or a file with BTF
        from: String,
        /// Another one
        to: String,
        /// The types to compare, with what they contain [default: the saved types]
        types: Vec<String>,
        /// Compare every structure and union that both have
        #[arg(long, conflicts_with = "types")]
        all: bool,
        /// Kernel family of files that do not tell
        #[arg(long)]
        family: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Write a page with both byte maps
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Show by which rule each field gets from one layout to the other
    Plan {
        /// A release, such as 2.4.36.8-up, or a file with BTF
        from: String,
        /// Another one
        to: String,
        /// Decisions to plan with [default: those of the converter between the two, if there is one]
        #[arg(long, value_name = "FILE")]
        overrides: Option<PathBuf>,
        /// Kernel family of files that do not tell
        #[arg(long)]
        family: Option<String>,
        /// Show the account of every bit instead
        #[arg(long)]
        coverage: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Write the plan to a file that `kconv --plan FILE` carries out, instead of showing it
        #[arg(short, long, value_name = "FILE", conflicts_with_all = ["coverage", "json"])]
        output: Option<PathBuf>,
    },
    /// Make a step in which only what a person has to decide is left open
    ///
    /// A version means all its flavours, but for those that a step between flavours and another pair
    /// convert as well.
    New {
        /// A release, such as 2.4.36.8-up, or a version, which means all its flavours
        from: String,
        /// Another one
        to: String,
        /// The patch from one to the other, a unified diff: its hunks are shown as evidence
        #[arg(long, value_name = "FILE")]
        patch: Option<PathBuf>,
        /// The step's folder, which steps are found by: converters/linux-FROM-TO
        #[arg(short, long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Show what is left to decide between two releases
    Status {
        /// A release, such as 2.4.36.8-up, or a version, which means all its flavours
        from: String,
        /// Another one
        to: String,
    },
    /// Print the function that converts a type from one release to another, whole
    Show {
        /// A release, or a version, which means its standard flavour
        from: String,
        /// Another one of the same family
        to: String,
        /// The type
        #[arg(value_name = "TYPE")]
        ty: String,
    },
    /// Make everything that is generated: views of structures, what is carried, pages of steps
    Generate {
        /// Write nothing; say what is not as it would be made now
        #[arg(long)]
        check: bool,
    },
    /// Make kernels known
    #[command(subcommand)]
    Release(Release),
    /// Say what a patch to the kernel does to saved state
    Check(cli::check::CheckArguments),
    /// Write down what a tree saves, for checks that need no other kernel, and accept its changes
    #[command(subcommand)]
    Baseline(Baseline),
    /// Check the state maps
    #[command(subcommand)]
    State(State),
}

#[derive(Subcommand)]
enum Baseline {
    /// Write down what a kernel saves
    Write {
        /// A vmlinuz, a file with BTF or DWARF, the folder of a configured header tree, or a release
        layout: String,
        /// The file, which is not there yet
        file: PathBuf,
        /// Kernel family, if the kernel does not tell
        #[arg(long)]
        family: Option<String>,
    },
    /// Accept what `check` calls open: the findings of patches, or what another kernel has, or both
    Accept(cli::baseline::AcceptArguments),
}

#[derive(Subcommand)]
enum Layout {
    /// Show types with offsets, sizes and holes
    #[command(group = clap::ArgGroup::new("kernel").required(true))]
    Show {
        /// The types
        #[arg(required = true)]
        types: Vec<String>,
        /// The release whose types are shown
        #[arg(long, group = "kernel")]
        release: Option<String>,
        /// The kernel whose types are shown: a vmlinuz, a file with BTF or DWARF, or the folder of a configured header tree
        #[arg(long, value_name = "FILE", group = "kernel")]
        btf: Option<PathBuf>,
        /// Kernel family of a file that does not tell
        #[arg(long)]
        family: Option<String>,
        /// Show the members of structures inside others, too
        #[arg(long)]
        expand: bool,
    },
    /// List the stored layouts and the releases that have them
    List,
    /// Hold the layouts of one kernel against each other that came by different routes
    Compare {
        /// A release, a vmlinuz, a file with BTF or DWARF, or the folder of a configured header tree
        left: String,
        /// Another one
        right: String,
        /// The types to compare, with what they contain [default: the saved types]
        types: Vec<String>,
        /// Kernel family of files that do not tell
        #[arg(long)]
        family: Option<String>,
    },
    /// Register kernels of which there are no more than the types, with their layouts where those are new
    #[command(alias = "import")]
    Add {
        /// Kernels: a vmlinuz, a file with BTF or DWARF, or the folder of a configured header tree
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The release's name [default: what the kernel calls itself, else the file's name]
        #[arg(long, value_name = "RELEASE")]
        release: Option<String>,
        /// Its version, such as 6.1.170 [default: what the kernel says, else what the name begins with]
        #[arg(long, value_name = "VERSION")]
        kernel_version: Option<String>,
        /// Its configuration, such as up or rt [default: what the name says, else standard]
        #[arg(long)]
        flavour: Option<String>,
        /// Its ticks a second
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        hz: Option<u32>,
        /// Where its layout was taken from, for the table [default: the file]
        #[arg(long, value_name = "TEXT")]
        source: Option<String>,
        /// Kernel family, if the file does not tell
        #[arg(long)]
        family: Option<String>,
        /// Let its layout take the place of another one that the release is registered with
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        constants: KernelHeaders,
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        project: PathBuf,
    },
    /// Compute the fingerprints of stored layouts anew, after a change of what the state map saves
    ///
    /// Layouts that do not have what the map asks for are named: their kernels have to be imported again.
    Renew {
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        project: PathBuf,
    },
    /// Give a stored layout the constants that its saved values are made of
    Constants {
        /// The layout, as `layout list` shows it
        layout: String,
        #[command(flatten)]
        constants: KernelHeaders,
        /// Where they were taken from, for the table [default: the packages, the folder or the release]
        #[arg(long, value_name = "TEXT")]
        source: Option<String>,
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        project: PathBuf,
    },
}

/// Where the constants are that saved values are made of
#[derive(clap::Args)]
struct KernelHeaders {
    /// The headers that were built with the kernel: the folder of a configured tree, or the packages linux-headers-...
    #[arg(long, value_name = "PATH", conflicts_with = "constants_of", num_args = 1..)]
    headers: Vec<PathBuf>,
    /// A release that has the same constants, for a kernel whose headers cannot be had
    #[arg(long, value_name = "RELEASE")]
    constants_of: Option<String>,
}

impl KernelHeaders {
    fn said(&self) -> cli::constants::Said<'_> {
        cli::constants::Said {
            headers: &self.headers,
            of: self.constants_of.as_deref(),
        }
    }
}

#[derive(Subcommand)]
enum Release {
    /// Read kernels and register them, with their layouts where those are new
    Import {
        /// A kernel: its Debian package, a vmlinuz or an ELF vmlinux, which are read without the network; or the name of a package, linux-image-..., whose .deb lies here or is in the archive, with what it depends on
        #[arg(required = true)]
        kernels: Vec<String>,
        /// Let its layout take the place of another one that the release is registered with
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        constants: KernelHeaders,
        /// Instead of registering them in a project, make a folder for each below this one, with its layout and the plans to the nearest
        /// registered release and back: kconv finds it there without being built anew (/etc/kconv/kernels, KCONV_PATH)
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        project: PathBuf,
    },
    /// Print the kernels that the package archive offers and that are not registered; exit with 1 if there are any
    Missing {
        /// The project's folder
        #[arg(long, value_name = "DIR", default_value = ".")]
        project: PathBuf,
    },
}

#[derive(Subcommand)]
enum State {
    /// Hold every state map against all stored layouts of its family
    Check,
    /// Print what the declarations of saved types are made of in header trees: the file that `check` has
    /// in the place of a tree
    Uses {
        /// The family
        #[arg(long)]
        family: String,
        /// Source trees, or unpacked header packages
        #[arg(required = true, value_name = "TREE")]
        trees: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Layout(Layout::Show {
            types,
            release,
            btf,
            family,
            expand,
        }) => cli::layout::show(
            &types,
            release.as_deref(),
            btf.as_deref(),
            family.as_deref(),
            expand,
        ),
        Command::Layout(Layout::List) => cli::layout::list(),
        Command::Layout(Layout::Compare {
            left,
            right,
            types,
            family,
        }) => cli::layout::compare([&left, &right], &types, family.as_deref()),
        Command::Layout(Layout::Add {
            files,
            release,
            kernel_version,
            flavour,
            hz,
            source,
            family,
            replace,
            constants,
            project,
        }) => {
            let said = cli::layout::Said {
                headers: &constants.headers,
                constants_of: constants.constants_of.as_deref(),
                release: release.as_deref(),
                version: kernel_version.as_deref(),
                flavour: flavour.as_deref(),
                hz,
                source: source.as_deref(),
                family: family.as_deref(),
                replace,
            };
            cli::layout::add(&files, &said, &project)
        }
        Command::Layout(Layout::Renew { project }) => cli::layout::renew(&project),
        Command::Layout(Layout::Constants {
            layout,
            constants,
            source,
            project,
        }) => cli::layout::constants(&layout, constants.said(), source.as_deref(), &project),
        Command::Diff {
            from,
            to,
            types,
            all,
            family,
            json,
            html,
        } => {
            let options = cli::plan::DiffOptions {
                types: &types,
                all,
                family: family.as_deref(),
                json,
                html: html.as_deref(),
            };
            cli::plan::diff(&from, &to, &options)
        }
        Command::Plan {
            from,
            to,
            overrides,
            family,
            coverage,
            json,
            output,
        } => {
            let shown = match (&output, coverage) {
                (Some(file), _) => cli::plan::Shown::File(file),
                (None, true) => cli::plan::Shown::Coverage { json },
                (None, false) => cli::plan::Shown::Plan { json },
            };
            cli::plan::plan(&from, &to, overrides.as_deref(), family.as_deref(), shown)
        }
        Command::New {
            from,
            to,
            patch,
            output,
        } => cli::new::new(&from, &to, patch.as_deref(), output),
        Command::Status { from, to } => cli::status::status(&from, &to),
        Command::Show { from, to, ty } => cli::show::show(&from, &to, &ty),
        Command::Generate { check } => cli::generate::generate(check),
        Command::Release(Release::Import {
            kernels,
            replace,
            constants,
            to,
            project,
        }) => match to {
            Some(to) => cli::folder::import(&kernels, constants.said(), replace, (&to, &project)),
            None => cli::release::import(&kernels, constants.said(), replace, &project),
        },
        Command::Release(Release::Missing { project }) => cli::release::missing(&project),
        Command::Check(arguments) => cli::check::check(&arguments),
        Command::Baseline(Baseline::Write {
            layout,
            file,
            family,
        }) => cli::baseline::write(&layout, &file, family.as_deref()),
        Command::Baseline(Baseline::Accept(arguments)) => cli::baseline::accept(&arguments),
        Command::State(State::Check) => cli::state::check(),
        Command::State(State::Uses { family, trees }) => cli::state::uses(&family, &trees),
    };
    cli::exit(ended)
}
