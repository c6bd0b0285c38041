//! "30s", "1h 30m".

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DurationError {
    /// A number without a unit.
    NoUnit,
    /// A unit that does not exist.
    UnknownUnit(String),
    /// Something else than numbers and units.
    Malformed,
    /// Zero, or more than a century.
    OutOfRange,
}

/// Numbers with a unit each, added up.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    let mut total = 0_u64;
    if !rest.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(DurationError::Malformed);
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| DurationError::Malformed)?;
        let after = after.trim_start();
        let letters = after.find(|character: char| !character.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" if after.is_empty() => return Err(DurationError::NoUnit),
            "" => return Err(DurationError::Malformed),
            other => return Err(DurationError::UnknownUnit(other.to_owned())),
        };
        let part = number.checked_mul(millis).ok_or(DurationError::OutOfRange)?;
        total = total.checked_add(part).ok_or(DurationError::OutOfRange)?;
        rest = after.trim_start();
    }
    const CENTURY: u64 = 100 * 365 * 86_400_000;
    if total == 0 || total > CENTURY {
        return Err(DurationError::OutOfRange);
    }
    Ok(Duration::from_millis(total))
}

/// As people write it: `1h 30m`.
pub(crate) fn show(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut parts = Vec::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if rest >= millis {
            parts.push(format!("{}{unit}", rest / millis));
        }
        rest %= millis;
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["90d", "1h 30m", "5m", "1s 250ms", "1d 2h 3m 4s 5ms"] {
            assert_eq!(parse(text).map(show), Ok(text.to_owned()));
        }
        assert_eq!(parse("90s").map(show), Ok("1m 30s".to_owned()));
    }

    #[test]
    fn durations_are_numbers_with_units() {
        let check = |text: &str, expected: Result<u64, DurationError>| {
            assert_eq!(parse(text), expected.map(Duration::from_millis), "{text}");
        };
        check("90s", Ok(90_000));
        check("1h 30m", Ok(5_400_000));
        check("1h30m", Ok(5_400_000));
        check(" 7 d ", Ok(604_800_000));
        check("250ms", Ok(250));
        check("60", Err(DurationError::NoUnit));
        check("1h 30", Err(DurationError::NoUnit));
        check("5 min", Err(DurationError::UnknownUnit("min".to_owned())));
        check("1.5h", Err(DurationError::Malformed));
        check("-1s", Err(DurationError::Malformed));
        check("", Err(DurationError::Malformed));
        check("0s", Err(DurationError::OutOfRange));
        check("99999999999999d", Err(DurationError::OutOfRange));
        check("36501d", Err(DurationError::OutOfRange));
    }
}
