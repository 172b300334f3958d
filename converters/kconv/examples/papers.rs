//! Writes the man pages of `kconv` and what shells complete of its command line, as they lie under `share`:
//! `papers DIR`.
#![forbid(unsafe_code)]

// A program has no library; its command line needs nothing else of it.
#[allow(dead_code, reason = "what it was told is for the program")]
#[path = "../src/arguments.rs"]
mod arguments;

use arguments::Arguments;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// Which shells, and where each looks for what it completes.
const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/kconv"),
    (Shell::Zsh, "zsh/site-functions/_kconv"),
    (Shell::Fish, "fish/vendor_completions.d/kconv.fish"),
];

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let folder = match (arguments.next(), arguments.next()) {
        (Some(folder), None) if !folder.as_encoded_bytes().starts_with(b"-") => folder,
        _ => {
            eprintln!("error: name the folder to write to, and nothing else");
            eprintln!("  = such as `papers /usr/local/share`");
            return ExitCode::from(2);
        }
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", Path::new(&folder).display());
            ExitCode::from(2)
        }
    }
}

fn write(folder: &Path) -> io::Result<()> {
    let pages = folder.join("man/man1");
    fs::create_dir_all(&pages)?;
    clap_mangen::generate_to(Arguments::command(), &pages)?;
    for (shell, place) in SHELLS {
        let place = folder.join(place);
        fs::create_dir_all(place.parent().unwrap_or(folder))?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut offered(), "kconv", &mut text);
        fs::write(place, text)?;
    }
    Ok(())
}

/// The command line without what only systemd runs, which a shell would offer as well.
fn offered() -> Command {
    let whole = Arguments::command();
    let commands = whole.get_subcommands();
    Command::new("kconv")
        .version(env!("CARGO_PKG_VERSION"))
        .args(whole.get_arguments().cloned())
        .subcommands(commands.filter(|command| !command.is_hide_set()).cloned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::process;

    #[test]
    fn each_command_has_a_page_with_its_options_and_no_other_has() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let pages = folder.path().join("man/man1");
        let mut expected = vec![String::from("kconv.1")];
        for command in offered().get_subcommands() {
            let name = format!("kconv-{}.1", command.get_name());
            let page = fs::read_to_string(pages.join(&name)).unwrap();
            for option in command.get_arguments().filter_map(|one| one.get_long()) {
                let option = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(page.contains(&option), "{name}: {option}");
            }
            expected.push(name);
        }
        expected.sort();
        let mut names: Vec<String> = fs::read_dir(&pages)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, expected);
        let first = fs::read_to_string(pages.join("kconv.1")).unwrap();
        assert!(first.contains("Exit codes:"), "{first}");
    }

    /// Asked as a shell asks: what may stand at the end of these words.
    #[test]
    fn bash_completes_commands_options_and_values() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        let script = folder.path().join(SHELLS[0].1);
        let completed = |words: &str| {
            let asked = format!(
                "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                 _kconv kconv \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\"",
                script.display()
            );
            let ran = process::Command::new("bash").args(["-c", &asked]).output();
            let ran = ran.unwrap();
            assert!(ran.status.success(), "{ran:?}");
            String::from_utf8(ran.stdout).unwrap()
        };
        assert_eq!(completed("kconv ver").trim(), "verify");
        assert_eq!(completed("kconv verify --sp").trim(), "--sparse");
        assert_eq!(completed("kconv --color n").trim(), "never");
        let commands = completed("kconv ''");
        assert!(
            commands.contains(" upgrade ") && !commands.contains(" unit "),
            "{commands}"
        );
    }
}
