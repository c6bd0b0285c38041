//! "30s", "1h 30m".

use std::time::Duration;

/// Why a text is not a duration.
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

/// The text as it was meant: `1h` for `1 hour`, `1h 30m` for `1.5h`.
pub(crate) fn meant(text: &str) -> Option<String> {
    let is_number = |character: char| character.is_ascii_digit() || character == '.';
    let mut rest = text.trim();
    let (mut parts, mut total, mut whole) = (Vec::new(), 0.0, true);
    while !rest.is_empty() {
        let (number, after) =
            rest.split_at(rest.find(|character| !is_number(character)).unwrap_or(rest.len()));
        let after = after.trim_start();
        let (unit, after) =
            after.split_at(after.find(|character: char| !character.is_alphabetic()).unwrap_or(after.len()));
        let number: f64 = number.parse().ok()?;
        let (unit, factor, millis) = unit_meant(&unit.to_lowercase())?;
        total += number * factor * millis;
        whole &= number.fract() == 0.0;
        parts.push(format!("{}{unit}", number * factor));
        rest = after.trim_start_matches(|character: char| character.is_whitespace() || character == ',');
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    let text = if whole { parts.join(" ") } else { show(Duration::try_from_secs_f64(total / 1000.0).ok()?) };
    parse(&text).is_ok().then_some(text)
}

/// The unit that a word means, how many of it, and its milliseconds.
fn unit_meant(word: &str) -> Option<(&'static str, f64, f64)> {
    const DAY: f64 = 86_400_000.0;
    Some(match word {
        "ms" | "msec" | "msecs" | "milli" | "millis" | "millisecond" | "milliseconds" => ("ms", 1.0, 1.0),
        "s" | "sec" | "secs" | "second" | "seconds" => ("s", 1.0, 1_000.0),
        "m" | "min" | "mins" | "minute" | "minutes" => ("m", 1.0, 60_000.0),
        "h" | "hr" | "hrs" | "hour" | "hours" => ("h", 1.0, 3_600_000.0),
        "d" | "day" | "days" => ("d", 1.0, DAY),
        "w" | "week" | "weeks" => ("d", 7.0, DAY),
        "month" | "months" => ("d", 30.0, DAY),
        "y" | "year" | "years" => ("d", 365.0, DAY),
        _ => return None,
    })
}

/// What is wrong with the value of `option`, and what to type.
pub(crate) fn mistake(option: &str, text: &str, error: DurationError, example: &str) -> (String, String) {
    const UNITS: &str = "(`ms`, `s`, `m`, `h`, `d`)";
    let wrong = match error {
        DurationError::NoUnit => format!("`{option}` needs a unit"),
        DurationError::UnknownUnit(unit) => format!("`{option}` has the unknown unit `{unit}`"),
        DurationError::OutOfRange => format!("`{option}` is zero or longer than a century"),
        DurationError::Malformed => format!("`{option}` is not a duration"),
    };
    let number = text.trim();
    let meant = match number.chars().all(|character| character.is_ascii_digit()) && !number.is_empty() {
        true => meant(&format!("{number}s")),
        false => meant(text),
    };
    let help = match meant {
        Some(meant) => format!("write `{option} = \"{meant}\"` {UNITS}"),
        None => format!("write `{option} = {example}` {UNITS}"),
    };
    (wrong, help)
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
    fn a_duration_in_words_is_understood_to_be_proposed() {
        for (text, expected) in [
            ("1 hour", Some("1h")),
            ("60 seconds", Some("60s")),
            ("5min", Some("5m")),
            ("1H 30M", Some("1h 30m")),
            ("1 hour and 30 minutes", Some("1h 30m")),
            ("2 weeks, 1 day", Some("14d 1d")),
            ("1.5h", Some("1h 30m")),
            ("0.5 s", Some("500ms")),
            ("an hour", None),
            ("5 parsecs", None),
            ("0 minutes", None),
        ] {
            assert_eq!(meant(text).as_deref(), expected, "{text}");
        }
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
