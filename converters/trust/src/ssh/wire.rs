//! The wire encoding (RFC 4251, section 5): strings behind their length as a big-endian u32.

/// Bytes that are left to be read.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], String> {
        match self.0.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.0 = rest;
                Ok(bytes)
            }
            None => Err(format!(
                "{length} bytes are wanted, {} are left",
                self.0.len()
            )),
        }
    }

    pub(crate) fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.bytes(4)?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    pub(crate) fn string(&mut self) -> Result<&'a [u8], String> {
        let length = self.u32()?;
        self.bytes(length as usize)
    }

    /// That this string comes next.
    pub(crate) fn expect(&mut self, expected: &str, what: &str) -> Result<(), String> {
        let found = self.string()?;
        match found == expected.as_bytes() {
            true => Ok(()),
            false => Err(format!(
                "{what} is `{}`, expected `{expected}`",
                printable(found)
            )),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], String> {
        let found = self.string()?;
        found
            .try_into()
            .map_err(|_| format!("{what} has {} bytes, expected {N}", found.len()))
    }

    pub(crate) fn end(&self) -> Result<(), String> {
        match self.0.len() {
            0 => Ok(()),
            left => Err(format!("{left} bytes are left after the last field")),
        }
    }
}

/// Appends a string.
pub(crate) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    // Whatever is written here is a few hundred bytes long.
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}

/// Bytes of a stranger for a message: a few of them, none that a terminal obeys.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text: String = bytes
        .iter()
        .take(40)
        .map(|byte| byte.escape_ascii().to_string())
        .collect();
    match bytes.len() > 40 {
        true => text + "…",
        false => text,
    }
}

/// The lines between `-----BEGIN WHAT-----` and its end, decoded; and what stands behind.
pub(crate) fn dearmor<'a>(text: &'a str, what: &str) -> Result<(Vec<u8>, &'a str), String> {
    let (begin, end) = (
        format!("-----BEGIN {what}-----\n"),
        format!("\n-----END {what}-----"),
    );
    let rest = text
        .strip_prefix(begin.as_str())
        .ok_or_else(|| format!("it does not begin with `{}`", begin.trim_end()))?;
    let (body, rest) = rest
        .split_once(end.as_str())
        .ok_or_else(|| format!("there is no line `{}`", end.trim_start()))?;
    // The end of the last line is optional, as at the end of any text.
    let rest = match rest.strip_prefix('\n') {
        Some(rest) => rest,
        None if rest.is_empty() => rest,
        None => return Err(format!("`{}` is no line of its own", end.trim_start())),
    };
    let letters: String = body.split('\n').collect();
    let bytes = decode(&letters)?;
    // Where lines are broken is free to whoever writes; what they say is not.
    Ok((bytes, rest))
}

/// The same, written.
pub(crate) fn armor(bytes: &[u8], what: &str) -> String {
    use base64ct::{Base64, Encoding};
    let letters = Base64::encode_string(bytes);
    let mut text = format!("-----BEGIN {what}-----\n");
    let mut rest = letters.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(70));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + "-----END " + what + "-----\n"
}

/// Base64 with its padding, and no other letter.
pub(crate) fn decode(letters: &str) -> Result<Vec<u8>, String> {
    use base64ct::{Base64, Encoding};
    Base64::decode_vec(letters).map_err(|_| "it is not base64".to_owned())
}
