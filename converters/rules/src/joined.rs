//! Texts joined while a program is built.

/// Number of bytes of `parts`.
#[doc(hidden)]
pub const fn len(parts: &[&str]) -> usize {
    let (mut len, mut part) = (0, 0);
    while part < parts.len() {
        len += parts[part].len();
        part += 1;
    }
    len
}

/// The bytes of `parts`, which are `LEN`.
#[doc(hidden)]
pub const fn bytes<const LEN: usize>(parts: &[&str]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let (mut end, mut part) = (0, 0);
    while part < parts.len() {
        let text = parts[part].as_bytes();
        let mut byte = 0;
        while byte < text.len() {
            bytes[end] = text[byte];
            end += 1;
            byte += 1;
        }
        part += 1;
    }
    bytes
}

/// A text of several constant ones, one behind the other, that is constant itself: the reason of a
/// rule for a field of several constants, each of which has a reason of its own.
#[macro_export]
macro_rules! joined {
    ($($part:expr),+ $(,)?) => {{
        const PARTS: &[&str] = &[$($part),+];
        const BYTES: [u8; $crate::joined::len(PARTS)] = $crate::joined::bytes(PARTS);
        const TEXT: &str = match ::core::str::from_utf8(&BYTES) {
            Ok(text) => text,
            Err(_) => panic!("texts make a text"),
        };
        TEXT
    }};
}

#[cfg(test)]
mod tests {
    #[test]
    fn parts_stand_one_behind_the_other() {
        const SECOND: &str = "zwölf";
        const ALL: &str = joined!("one: ", SECOND, "", "; two");
        assert_eq!(ALL, "one: zwölf; two");
        assert_eq!(joined!(SECOND), SECOND);
    }
}
