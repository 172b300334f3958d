//! The text around packets (RFC 9580, section 6.2).

use base64ct::{Base64, Encoding};

/// The packets in a file: as they are, or in armor of this kind. Nothing stands behind them.
pub(super) enum Dearmored {
    Packets(Vec<u8>),
    /// Something does, at this byte.
    Trailing(usize),
}

pub(super) fn packets(bytes: &[u8], what: &str) -> Result<Dearmored, String> {
    if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        return Ok(Dearmored::Packets(bytes.to_vec()));
    }
    let text =
        std::str::from_utf8(bytes).map_err(|_| "it is neither text nor OpenPGP".to_owned())?;
    let begin = format!("-----BEGIN PGP {what}-----");
    let end = format!("-----END PGP {what}-----");
    let mut lines = text.split_inclusive('\n');
    let mut at = 0;
    let mut next = || {
        let line = lines.next()?;
        at += line.len();
        Some((line.trim_end_matches(['\n', '\r']), at))
    };
    if next().is_none_or(|(line, _)| line != begin) {
        return Err(format!("it does not begin with `{begin}`"));
    }
    // Headers, which say nothing that is believed, and an empty line behind them.
    loop {
        match next() {
            Some(("", _)) => break,
            Some((line, _)) if line.contains(": ") => {}
            _ => return Err("there is no empty line behind its headers".to_owned()),
        }
    }
    let mut letters = String::new();
    let mut sum = None;
    let behind = loop {
        match next() {
            Some((line, at)) if line == end => break at,
            Some((line, _)) if line.starts_with('=') && sum.is_none() => sum = Some(line),
            Some((line, _)) if sum.is_none() => letters.push_str(line),
            _ => return Err(format!("there is no line `{end}`")),
        }
    };
    let packets = Base64::decode_vec(&letters).map_err(|_| "it is not base64".to_owned())?;
    if let Some(sum) = sum {
        let found = Base64::decode_vec(sum.get(1..).unwrap_or(""));
        if found.ok().as_deref() != Some(&crc24(&packets).to_be_bytes()[1..]) {
            return Err("its checksum is wrong: it is damaged".to_owned());
        }
    }
    match text[behind..].trim().is_empty() {
        true => Ok(Dearmored::Packets(packets)),
        false => Ok(Dearmored::Trailing(behind)),
    }
}

/// The checksum of armor (RFC 9580, section 6.1).
fn crc24(bytes: &[u8]) -> u32 {
    let mut sum = 0x00b7_04ce_u32;
    for byte in bytes {
        sum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            sum <<= 1;
            if sum & 0x0100_0000 != 0 {
                sum ^= 0x0186_4cfb;
            }
        }
    }
    sum & 0x00ff_ffff
}
