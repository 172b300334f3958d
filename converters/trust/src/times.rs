//! Moments, as people read them: seconds since 1970 and `2026-11-27T04:05:06Z`.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// Now, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A moment in UTC.
pub(crate) fn text(seconds: u64) -> String {
    let (mut year, mut days) = (1970_u64, seconds / DAY);
    // Nothing that is dated here is later; a later one is told as that.
    while year < 9999 && days >= length_of(year) {
        days -= length_of(year);
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days >= length_of_month(year, month) {
        days -= length_of_month(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    format!(
        "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        days + 1
    )
}

/// The moment of `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ` (ssh-keygen(1), ALLOWED SIGNERS). Without
/// the Z it would be of whichever time zone the reader is in.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('Z')?;
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, length: usize| -> u64 {
        let part = digits.get(from..from + length);
        part.and_then(|part| part.parse().ok()).unwrap_or(0)
    };
    let (year, month, day) = (part(0, 4), part(4, 2), part(6, 2));
    let (hour, minute, second) = (part(8, 2), part(10, 2), part(12, 2));
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=length_of_month(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let days = (1970..year).map(length_of).sum::<u64>()
        + (1..month)
            .map(|month| length_of_month(year, month))
            .sum::<u64>()
        + (day - 1);
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn length_of(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn length_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_date() {
        for (seconds, said) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(text(seconds), said);
            let digits: String = said.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(parse(&format!("{digits}Z")), Some(seconds), "{said}");
        }
        assert_eq!(parse("20000229Z"), Some(951_782_400));
        assert_eq!(parse("200002290001Z"), Some(951_782_460));
        for wrong in [
            "20000229",
            "20000230Z",
            "20001301Z",
            "2000022924Z",
            "19691231Z",
            "2000é29Z",
            "Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert!(text(u64::MAX).starts_with("9999-"));
    }
}
