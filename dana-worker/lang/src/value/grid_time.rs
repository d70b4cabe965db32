//! Times of tables as values.
//!
//! The rule: nothing is rounded. What no date, datetime or timedelta can say (billionths of a second, years beyond 9999)
//! is a text or a number of seconds instead. Left out: time zones. A column that has one is shown in universal time, with
//! its offset.

use dana_wire::{Clock, Unit, Zone, is_duration};

use super::Value;
use super::literal::moment::day_of;
use super::literal::{DateTime, Duration, Literal};

/// The ordinal of 1 January 1970, counted from the day before year 1.
const EPOCH: i64 = 719_163;

/// Ticks of a second, or nothing for days.
fn rate(unit: Unit) -> (i128, usize) {
    match unit {
        Unit::Nanoseconds => (1_000_000_000, 9),
        Unit::Microseconds => (1_000_000, 6),
        Unit::Milliseconds => (1_000, 3),
        Unit::Seconds | Unit::Days => (1, 0),
    }
}

/// A time as a program has it.
pub(super) fn time(ticks: i64, unit: Unit, zoned: bool) -> Value {
    moment(ticks, unit, zoned).map_or_else(|| Value::string(iso(ticks, unit, zoned)), Literal::value)
}

/// A span as a program has it.
pub(super) fn span(ticks: i64, unit: Unit) -> Value {
    let (rate, day) = (rate(unit).0, if unit == Unit::Days { 86_400 } else { 1 });
    let micros = i128::from(ticks) * 1_000_000 * day;
    if micros % rate == 0 && is_duration(micros / rate) {
        return Literal::Duration(Duration(micros / rate)).value();
    }
    Value::float(seconds(ticks, unit))
}

fn moment(ticks: i64, unit: Unit, zoned: bool) -> Option<Literal> {
    if unit == Unit::Days {
        return Some(Literal::Date(day_of(ticks.checked_add(EPOCH)?).ok()?));
    }
    let (rate, ticks) = (rate(unit).0, i128::from(ticks));
    let (seconds, micros) = (ticks.div_euclid(rate), ticks.rem_euclid(rate) * 1_000_000);
    if micros % rate != 0 {
        return None;
    }
    let day = i64::try_from(seconds.div_euclid(86_400)).ok()?;
    let second = seconds.rem_euclid(86_400);
    let part = |number: i128| u8::try_from(number).ok();
    let clock = Clock {
        hour: part(second / 3600)?,
        minute: part(second / 60 % 60)?,
        second: part(second % 60)?,
        micro: u32::try_from(micros / rate).ok()?,
        fold: false,
    };
    let zone = if zoned { Zone::Offset(0) } else { Zone::Naive };
    Some(Literal::DateTime(DateTime { day: day_of(day.checked_add(EPOCH)?).ok()?, clock, zone }))
}

/// The ISO text of a time: `2024-05-01`, `2024-05-01T12:30:00.5`, `2024-05-01T12:30:00+00:00`.
fn iso(ticks: i64, unit: Unit, zoned: bool) -> String {
    if unit == Unit::Days {
        return date(i128::from(ticks));
    }
    let (rate, digits) = rate(unit);
    let seconds = i128::from(ticks).div_euclid(rate);
    let part = i128::from(ticks).rem_euclid(rate);
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
    let mut out = format!("{}T{hours:02}:{minutes:02}:{seconds:02}", date(day));
    if part != 0 {
        let part = format!(".{part:0digits$}");
        out.push_str(part.trim_end_matches('0'));
    }
    if zoned {
        out.push_str("+00:00");
    }
    out
}

/// The span in seconds.
fn seconds(ticks: i64, unit: Unit) -> f64 {
    match unit {
        Unit::Days => ticks as f64 * 86_400.0,
        unit => ticks as f64 / rate(unit).0 as f64,
    }
}

/// The date of a day after 1970, in the Gregorian calendar also before there was one. Years begin in March while we
/// count, so that a leap day is the last of its year.
fn date(day: i128) -> String {
    const CYCLE: i128 = 146_097;
    let day = day + 719_468;
    let (cycle, day) = (day.div_euclid(CYCLE), day.rem_euclid(CYCLE));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + cycle * 400 + i128::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_does() {
        // From CPython's datetime and numpy's datetime64.
        for (ticks, unit, zoned, text) in [
            (0, Unit::Days, false, "1970-01-01"),
            (19_782, Unit::Days, false, "2024-02-29"),
            (-1, Unit::Days, false, "1969-12-31"),
            (-719_162, Unit::Days, false, "0001-01-01"),
            (951_782_400, Unit::Seconds, false, "2000-02-29T00:00:00"),
            (951_868_799, Unit::Seconds, true, "2000-02-29T23:59:59+00:00"),
            (1_714_566_600_500, Unit::Milliseconds, false, "2024-05-01T12:30:00.5"),
            (-1, Unit::Microseconds, false, "1969-12-31T23:59:59.999999"),
            (1, Unit::Nanoseconds, true, "1970-01-01T00:00:00.000000001+00:00"),
            (i64::MAX, Unit::Nanoseconds, false, "2262-04-11T23:47:16.854775807"),
        ] {
            assert_eq!(iso(ticks, unit, zoned), text);
        }
        assert!(iso(i64::MAX, Unit::Days, false).starts_with("25252734927"));
        assert!(!iso(i64::MIN + 1, Unit::Seconds, true).is_empty());
    }

    #[test]
    fn times_are_the_values_that_python_has() {
        let shown = |value: Value| format!("{value:?}");
        for (ticks, unit, zoned, text) in [
            (0, Unit::Days, false, "datetime.date(1970, 1, 1)"),
            (-719_162, Unit::Days, false, "datetime.date(1, 1, 1)"),
            (
                951_868_799,
                Unit::Seconds,
                true,
                "datetime.datetime(2000, 2, 29, 23, 59, 59, tzinfo=datetime.timezone.utc)",
            ),
            (-1, Unit::Microseconds, false, "datetime.datetime(1969, 12, 31, 23, 59, 59, 999999)"),
            (1_000, Unit::Nanoseconds, false, "datetime.datetime(1970, 1, 1, 0, 0, 0, 1)"),
            (1, Unit::Nanoseconds, false, "'1970-01-01T00:00:00.000000001'"),
            (-719_163, Unit::Days, false, "'0000-12-31'"),
        ] {
            assert_eq!(shown(time(ticks, unit, zoned)), text);
        }
        for (ticks, unit, text) in [
            (-2, Unit::Days, "datetime.timedelta(days=-2)"),
            (1500, Unit::Milliseconds, "datetime.timedelta(seconds=1, microseconds=500000)"),
            (1500, Unit::Nanoseconds, "1.5e-06"),
            (i64::MAX, Unit::Days, "7.968993439842526e+23"),
        ] {
            assert_eq!(shown(span(ticks, unit)), text);
        }
    }
}
