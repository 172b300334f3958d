//! Names of kernels as parts of Rust's names.

use std::fmt::Write;

/// The name of a layout, a release or a family as part of an identifier: `6_12_117_deb12_amd64`. No
/// two names have the same, whatever the case of its letters, and that of a name depends on nothing
/// but the name.
///
/// Releases are spelt in one way: up to three numbers with dots (in 2.x, four), `+` before Debian's
/// `deb12`, `-` before the rest. A name that is spelt in another way says how behind `__`: a letter
/// for each character that became `_`, and where its capitals are.
pub(crate) fn version(name: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_lowercase(),
        false => '_',
    };
    let plain: String = name.chars().map(plain).collect();
    if usual_spelling(&plain) == name {
        return plain;
    }
    let mut spelling = String::new();
    for (index, c) in name.char_indices() {
        match c {
            '.' => spelling.push('d'),
            '-' => spelling.push('m'),
            '+' => spelling.push('p'),
            '~' => spelling.push('t'),
            '_' => spelling.push('u'),
            'A'..='Z' => {
                // Writing to a string cannot fail.
                let _ = write!(spelling, "c{index}");
            }
            c if c.is_ascii_alphanumeric() => {}
            c => {
                let _ = write!(spelling, "x{}", u32::from(c));
            }
        }
    }
    format!("{plain}__{spelling}")
}

/// The name whose identifier `plain` is, if it is spelt as releases are.
fn usual_spelling(plain: &str) -> String {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let mut name = String::new();
    // Numbers that stand together, and how many of them have dots between.
    let (mut run, mut dotted) = (0, 3);
    for (index, word) in plain.split('_').enumerate() {
        let in_run = is_number(word) && run > 0 && run < dotted;
        if index > 0 {
            name.push(match in_run {
                true => '.',
                false if word.strip_prefix("deb").is_some_and(is_number) => '+',
                false => '-',
            });
        }
        match (in_run, is_number(word)) {
            (true, _) => run += 1,
            (false, true) if run == 0 => {
                run = 1;
                dotted = if word == "2" { 4 } else { 3 };
            }
            // A number behind a full run begins no other one.
            (false, true) => {}
            (false, false) => run = 0,
        }
        // Two separators in a row are never usual.
        if word.is_empty() {
            return String::new();
        }
        name.push_str(word);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_spelling_is_told_from_all_others() {
        let names = [
            ("linux-2.4", "linux_2_4"),
            ("linux-6", "linux_6"),
            ("2.4.36.9-i386-up", "2_4_36_9_i386_up"),
            ("6.1.0-47-cloud-amd64", "6_1_0_47_cloud_amd64"),
            ("6.12.117+deb12-rt-amd64", "6_12_117_deb12_rt_amd64"),
            ("6.12.117-deb12-rt-amd64", "6_12_117_deb12_rt_amd64__ddmmm"),
            ("6.1.0.47-amd64", "6_1_0_47_amd64__dddm"),
            ("6.1-RT", "6_1_rt__dmc4c5"),
            ("6.1--rt", "6_1__rt__dmm"),
            ("i386_up", "i386_up__u"),
        ];
        for (name, identifier) in names {
            assert_eq!(version(name), identifier);
        }
    }

    proptest! {
        #[test]
        fn no_two_names_have_one_identifier(
            one in "(1|2|6|deb12|rt|R|\\.|-|\\+|_|~|__|dd|c4){1,8}",
            other in "(1|2|6|deb12|rt|R|\\.|-|\\+|_|~|__|dd|c4){1,8}",
            signs in proptest::collection::vec(proptest::sample::select(&['.', '-', '+', '_', '~'][..]), 8),
        ) {
            let other_signs = one.chars().zip(signs).map(|(c, sign)| match c.is_alphanumeric() {
                true => c,
                false => sign,
            });
            for other in [other, other_signs.collect(), one.to_lowercase()] {
                let alike = version(&one).to_uppercase() == version(&other).to_uppercase();
                prop_assert_eq!(alike, one == other, "{} {}", one, other);
            }
        }
    }
}
