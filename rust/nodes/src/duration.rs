// SPDX-License-Identifier: Apache-2.0

//! Durations in Go's notation ("1.5s", "100ms", "1m30s"), as collector
//! configurations write them. The grammar is that of Go's `time.ParseDuration`;
//! negative durations are refused.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// For `#[serde(default, deserialize_with = "duration::deserialize")]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For an optional field, together with `#[serde(default)]`.
pub(crate) fn deserialize_option<'de, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    let parsed = text.map(|text| parse(&text)).transpose();
    parsed.map_err(serde::de::Error::custom)
}

/// Parses a duration. Exact; below a nanosecond it rounds down, as Go does.
fn parse(text: &str) -> Result<Duration, String> {
    if text == "0" || text == "+0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(format!("duration {text:?} must not be negative"));
    }
    let invalid =
        || format!("{text:?} is not a duration: write numbers with units such as \"1.5s\"");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_end = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let unit = unit_nanos(unit).ok_or_else(|| match unit {
            "" => format!("duration {text:?} has a number without a unit"),
            _ => format!("duration {text:?} has the unknown unit {unit:?}"),
        })?;
        total = part_nanos(whole, fraction, unit)
            .and_then(|part| total.checked_add(part))
            // Go's durations end here, and one that Go could not show is of no use.
            .filter(|total| *total <= i64::MAX as u128)
            .ok_or_else(|| format!("duration {text:?} is too long"))?;
        rest = after;
    }
    // Fits since the check above.
    Ok(Duration::from_nanos(total as u64))
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        // The micro sign and the Greek letter look the same.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `None` on overflow.
fn part_nanos(whole: &str, fraction: &str, unit: u64) -> Option<u128> {
    let unit = u128::from(unit);
    let whole: u128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut nanos = whole.checked_mul(unit)?;
    // The longest unit has 13 digits; what is further right is below a nanosecond.
    let fraction = &fraction[..fraction.len().min(20)];
    if !fraction.is_empty() {
        let scale = 10_u128.pow(fraction.len() as u32);
        nanos = nanos.checked_add(fraction.parse::<u128>().ok()? * unit / scale)?;
    }
    Some(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_accepts() {
        for (text, nanos) in [
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("0.000s", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("100ms", 100_000_000),
            ("1m30s", 90_000_000_000),
            ("1h15m30.918273645s", 4_530_918_273_645),
            ("30.9s10ms", 30_910_000_000),
            ("12us", 12_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("7ns", 7),
            ("0.9ns", 0),
            ("0.3333333333333333333h", 1_199_999_999_999),
            (
                "0.100000000000000000000000000000000000000000000000000001h",
                360_000_000_000,
            ),
            ("9223372036854775807ns", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for (text, says) in [
            ("", "not a duration"),
            ("+", "not a duration"),
            (".", "not a duration"),
            (".s", "not a duration"),
            ("s", "not a duration"),
            ("3", "without a unit"),
            ("1m30", "without a unit"),
            ("3 s", "unknown unit"),
            ("3d", "unknown unit"),
            ("3S", "unknown unit"),
            ("1e3s", "unknown unit"),
            ("1..5s", "without a unit"),
            ("-1s", "negative"),
            ("9223372036854775808ns", "too long"),
            ("2562048h", "too long"),
            ("99999999999999999999999999999999999999999s", "too long"),
            ("\u{661}s", "not a duration"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[derive(Debug, Deserialize)]
    struct Config {
        #[serde(default, deserialize_with = "deserialize")]
        delay: Duration,
        #[serde(default, deserialize_with = "deserialize_option")]
        retry_after: Option<Duration>,
    }

    #[test]
    fn as_fields_of_a_configuration() {
        let of = |json| serde_json::from_str::<Config>(json);
        let config = of(r#"{"delay": "1m", "retry_after": "2ms"}"#).expect("valid");
        assert_eq!(config.delay, Duration::from_secs(60));
        assert_eq!(config.retry_after, Some(Duration::from_millis(2)));
        let config = of("{}").expect("valid");
        assert_eq!((config.delay, config.retry_after), (Duration::ZERO, None));
        assert!(of(r#"{"delay": 5}"#).is_err());
        assert!(of(r#"{"retry_after": "5"}"#).is_err());
    }
}
