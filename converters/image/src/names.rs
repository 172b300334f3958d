//! Names that others gave, of tasks and files, as messages show them.

use std::fmt::{self, Write};

/// A name in which nothing ends the line, moves the cursor or turns the direction of the text:
/// such characters, and the backslash that an escape begins with, are written as Rust escapes them.
#[derive(Copy, Clone, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character == '\\' || character.is_control() || is_invisible(character) {
                true => write!(f, "{}", character.escape_default())?,
                false => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Characters that separate lines or turn the direction of the text (Unicode Standard Annex #9,
/// table 4; chapter 23.2).
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A task by pid and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskName {
    /// Its pid.
    pub pid: i64,
    /// Its name (`task_struct.comm`); empty if it is not known.
    pub comm: String,
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}", self.pid)?;
        match self.comm.as_str() {
            "" => Ok(()),
            comm => write!(f, " ({})", Escaped(comm)),
        }
    }
}

/// The tasks that something is said of, before what is said: the first few by name, of more how many;
/// nothing if it is said of all.
#[derive(Copy, Clone, Debug)]
pub struct TaskNames<'a>(pub &'a [TaskName]);

/// How many tasks are named.
const NAMED: usize = 3;

impl fmt::Display for TaskNames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = &self.0[..self.0.len().min(NAMED)];
        for (index, task) in named.iter().enumerate() {
            let before = if index == 0 { "" } else { ", " };
            write!(f, "{before}{task}")?;
        }
        match self.0.len() - named.len() {
            0 if named.is_empty() => Ok(()),
            0 => f.write_str(": "),
            more => write!(f, " and {more} more: "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line() {
        let shown = |name: &str| Escaped(name).to_string();
        assert_eq!(shown("/srv/a b.txt"), "/srv/a b.txt");
        assert_eq!(shown("größer 東京"), "größer 東京");
        assert_eq!(
            shown("a\nrefused: \x1b[2K\u{85}"),
            "a\\nrefused: \\u{1b}[2K\\u{85}"
        );
        assert_eq!(shown("a\u{202e}b\u{2028}c"), "a\\u{202e}b\\u{2028}c");
        // A backslash of the name is told from that of an escape.
        assert_eq!(shown("a\\n"), "a\\\\n");
    }

    #[test]
    fn a_task_has_a_number_and_perhaps_a_name() {
        let task = |comm: &str| {
            TaskName {
                pid: 7,
                comm: comm.to_owned(),
            }
            .to_string()
        };
        assert_eq!(task("sh"), "task 7 (sh)");
        assert_eq!(task("s\th"), "task 7 (s\\th)");
        assert_eq!(task(""), "task 7");
    }

    #[test]
    fn of_many_tasks_a_few_are_named() {
        let shown = |number: i64| {
            let task = |pid: i64| TaskName {
                pid,
                comm: String::new(),
            };
            let tasks: Vec<TaskName> = (1..=number).map(task).collect();
            TaskNames(&tasks).to_string()
        };
        assert_eq!(shown(0), "");
        assert_eq!(shown(1), "task 1: ");
        assert_eq!(shown(3), "task 1, task 2, task 3: ");
        assert_eq!(shown(5), "task 1, task 2, task 3 and 2 more: ");
    }
}
