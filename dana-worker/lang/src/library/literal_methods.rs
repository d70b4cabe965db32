//! Attributes and methods of dates, times, durations, decimals and UUIDs.

use std::rc::Rc;

use dana_wire::{Clock, Day, Offset, Zone};

use crate::text::{self, Parts};
use crate::value::literal::moment::{day_of_year, iso_calendar, ordinal, weekday};
use crate::value::literal::{DateTime, Decimal, Duration, Literal, Size, Time, decimal, zone_text};
use crate::value::{BigInt, Raise, Value, memory};

use super::args::{self, natives};
use super::native::{Call, Native};

natives! {
    /// In order of name: they are searched by halves.
    DATE:
    "ctime" ["self" Position] Plain |call| formatted(literal(call)?, "%c").map(Value::string);
    "isocalendar" ["self" Position] Plain calendar;
    "isoformat" ["self" Position] Plain |call| literal(call)?.display().map(Value::string);
    "isoweekday" ["self" Position] Plain |call| Ok(Value::Int(weekday(day(call)?) + 1));
    "replace" ["self" Position, "year" Optional, "month" Optional, "day" Optional] Plain replace_date;
    "strftime" ["self" Position, "format" Either] Plain strftime;
    "toordinal" ["self" Position] Plain |call| Ok(Value::Int(ordinal(day(call)?)));
    "weekday" ["self" Position] Plain |call| Ok(Value::Int(weekday(day(call)?)));
}

natives! {
    /// In order of name.
    DATE_TIME:
    "ctime" ["self" Position] Plain |call| formatted(literal(call)?, "%c").map(Value::string);
    "date" ["self" Position] Plain |call| Ok(Literal::Date(day(call)?).value());
    "isocalendar" ["self" Position] Plain calendar;
    "isoformat" ["self" Position, "sep" Optional] Plain iso_format;
    "isoweekday" ["self" Position] Plain |call| Ok(Value::Int(weekday(day(call)?) + 1));
    "replace" ["self" Position, "year" Optional, "month" Optional, "day" Optional, "hour" Optional, "minute" Optional,
        "second" Optional, "microsecond" Optional] Plain replace_moment;
    "strftime" ["self" Position, "format" Either] Plain strftime;
    "time" ["self" Position] Plain |call| time_of(call, false);
    "timestamp" ["self" Position] Plain |call| moment(call)?.timestamp().map(Value::float);
    "timetz" ["self" Position] Plain |call| time_of(call, true);
    "toordinal" ["self" Position] Plain |call| Ok(Value::Int(ordinal(day(call)?)));
    "utcoffset" ["self" Position] Plain |call| Ok(span(moment(call)?.offset()?));
    "weekday" ["self" Position] Plain |call| Ok(Value::Int(weekday(day(call)?)));
}

natives! {
    /// In order of name.
    TIME:
    "isoformat" ["self" Position] Plain |call| literal(call)?.display().map(Value::string);
    "replace" ["self" Position, "hour" Optional, "minute" Optional, "second" Optional, "microsecond" Optional] Plain replace_time;
    "strftime" ["self" Position, "format" Either] Plain strftime;
    "utcoffset" ["self" Position] Plain |call| Ok(span(time(call)?.offset()));
}

natives! {
    /// In order of name.
    DURATION:
    "total_seconds" ["self" Position] Plain |call| Ok(Value::float(duration(call)?.seconds()));
}

natives! {
    /// In order of name.
    DECIMAL:
    "adjusted" ["self" Position] Plain |call| Ok(Value::Int(number(call)?.adjusted()));
    "copy_abs" ["self" Position] Plain |call| Ok(number(call)?.absolute().into());
    "copy_negate" ["self" Position] Plain |call| Ok(number(call)?.negated().into());
    "is_finite" ["self" Position] Plain |call| Ok(Value::bool(number(call)?.is_finite()));
    "is_infinite" ["self" Position] Plain |call| Ok(Value::bool(number(call)?.size == Size::Infinite));
    "is_nan" ["self" Position] Plain |call| Ok(Value::bool(number(call)?.is_nan()));
    "is_signed" ["self" Position] Plain |call| Ok(Value::bool(number(call)?.negative));
    "is_zero" ["self" Position] Plain |call| Ok(Value::bool(number(call)?.is_zero()));
    "normalize" ["self" Position] Plain |call| number(call)?.normalized().map(Value::from);
    "quantize" ["self" Position, "exp" Either] Plain quantize;
    "sqrt" ["self" Position] Plain |call| number(call)?.root().map(Value::from);
    "to_integral_value" ["self" Position] Plain integral;
}

/// The methods of a literal's type.
pub(super) fn methods(literal: &Literal) -> &'static [Native] {
    match literal {
        Literal::Date(_) => DATE,
        Literal::DateTime(_) => DATE_TIME,
        Literal::Time(_) => TIME,
        Literal::Duration(_) => DURATION,
        Literal::Decimal(_) => DECIMAL,
        Literal::Uuid(_) => &[],
    }
}

/// The names of the attributes that are no methods, for suggestions.
pub fn properties(literal: &Literal) -> &'static [&'static str] {
    const MOMENT: &[&str] =
        &["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo", "fold"];
    match literal {
        Literal::Date(_) => MOMENT.get(..3).unwrap_or_default(),
        Literal::DateTime(_) => MOMENT,
        Literal::Time(_) => MOMENT.get(3..).unwrap_or_default(),
        Literal::Duration(_) => &["days", "seconds", "microseconds"],
        Literal::Decimal(_) => &[],
        Literal::Uuid(_) => &["hex", "int", "urn", "bytes", "version"],
    }
}

/// An attribute that is no method.
pub fn property(literal: &Literal, name: &str) -> Option<Value> {
    match literal {
        Literal::Date(day) => of_day(*day, name),
        Literal::DateTime(DateTime { day, clock, zone }) => {
            of_day(*day, name).or_else(|| of_clock(clock, name)).or_else(|| of_zone(zone, name))
        }
        Literal::Time(Time { clock, zone }) => of_clock(clock, name).or_else(|| of_zone(zone, name)),
        Literal::Duration(duration) => {
            let (days, seconds, micros) = duration.parts();
            match name {
                "days" => Some(Value::Int(days)),
                "seconds" => Some(Value::Int(seconds)),
                "microseconds" => Some(Value::Int(micros)),
                _ => None,
            }
        }
        Literal::Decimal(_) => None,
        Literal::Uuid(bits) => match name {
            "hex" => Some(Value::string(format!("{bits:032x}"))),
            "int" => Some(Value::big(BigInt::from(*bits))),
            "urn" => Some(Value::string(format!("urn:uuid:{}", dana_wire::Literal::Uuid(*bits)))),
            "bytes" => Some(Value::bytes(bits.to_be_bytes().to_vec())),
            "version" => Some(match (bits >> 62 & 3, bits >> 76 & 15) {
                (2, version) => Value::Int(i64::try_from(version).unwrap_or(0)),
                _ => Value::None,
            }),
            _ => None,
        },
    }
}

fn of_day(day: Day, name: &str) -> Option<Value> {
    Some(Value::Int(match name {
        "year" => i64::from(day.year),
        "month" => i64::from(day.month),
        "day" => i64::from(day.day),
        _ => return None,
    }))
}

fn of_clock(clock: &Clock, name: &str) -> Option<Value> {
    Some(Value::Int(match name {
        "hour" => i64::from(clock.hour),
        "minute" => i64::from(clock.minute),
        "second" => i64::from(clock.second),
        "microsecond" => i64::from(clock.micro),
        "fold" => i64::from(clock.fold),
        _ => return None,
    }))
}

fn of_zone(zone: &Zone<Rc<str>>, name: &str) -> Option<Value> {
    (name == "tzinfo").then(|| zone_text(zone))
}

fn literal<'a>(call: &Call<'a>) -> Result<&'a Literal, Raise> {
    match call.arg(0) {
        Value::Literal(literal) => Ok(literal),
        _ => Err(args::misapplied(call, "literal")),
    }
}

fn day(call: &Call<'_>) -> Result<Day, Raise> {
    match literal(call)? {
        Literal::Date(day) => Ok(*day),
        Literal::DateTime(moment) => Ok(moment.day),
        _ => Err(args::misapplied(call, "date")),
    }
}

fn moment<'a>(call: &Call<'a>) -> Result<&'a DateTime, Raise> {
    match literal(call)? {
        Literal::DateTime(moment) => Ok(moment),
        _ => Err(args::misapplied(call, "datetime")),
    }
}

fn time<'a>(call: &Call<'a>) -> Result<&'a Time, Raise> {
    match literal(call)? {
        Literal::Time(time) => Ok(time),
        _ => Err(args::misapplied(call, "time")),
    }
}

fn duration(call: &Call<'_>) -> Result<Duration, Raise> {
    match literal(call)? {
        Literal::Duration(duration) => Ok(*duration),
        _ => Err(args::misapplied(call, "timedelta")),
    }
}

fn number<'a>(call: &Call<'a>) -> Result<&'a Decimal, Raise> {
    match literal(call)? {
        Literal::Decimal(number) => Ok(number),
        _ => Err(args::misapplied(call, "Decimal")),
    }
}

fn span(micros: Option<i64>) -> Value {
    micros.map_or(Value::None, |micros| Duration(i128::from(micros)).into())
}

fn calendar(call: &mut Call<'_>) -> Result<Value, Raise> {
    let (year, week, day) = iso_calendar(day(call)?);
    Ok(Value::tuple(vec![Value::Int(year), Value::Int(week), Value::Int(day)]))
}

fn time_of(call: &Call<'_>, with_zone: bool) -> Result<Value, Raise> {
    let moment = moment(call)?;
    let zone = match &moment.zone {
        // Which offset a zone has, a time of day alone does not say.
        Zone::Named { key, .. } if with_zone => Zone::Named { key: Rc::clone(key), offset: None },
        other if with_zone => other.clone(),
        _ => Zone::Naive,
    };
    Ok(Literal::Time(Time { clock: moment.clock, zone }).value())
}

fn iso_format(call: &mut Call<'_>) -> Result<Value, Raise> {
    let separator = match call.given(1) {
        None => 'T',
        Some(separator) => {
            let separator = args::text(separator, "isoformat() argument 1 must be a unicode character")?;
            let mut chars = separator.chars();
            match (chars.next(), chars.next()) {
                (Some(separator), None) => separator,
                _ => return Err(Raise::type_error("isoformat() argument 1 must be a unicode character")),
            }
        }
    };
    Ok(Value::string(moment(call)?.text(separator)))
}

/// The number given for a part, or what it was.
fn part<T: Copy + TryFrom<i64>>(call: &Call<'_>, at: usize, was: T, name: &str) -> Result<T, Raise> {
    match call.given(at) {
        None => Ok(was),
        Some(given) => {
            let number = args::index(given)?;
            T::try_from(number).map_err(|_| Raise::value_error(format!("{name} is out of range")))
        }
    }
}

fn replaced_day(call: &Call<'_>, was: Day) -> Result<Day, Raise> {
    let year = part(call, 1, was.year, "year")?;
    let month = part(call, 2, was.month, "month")?;
    let day = part(call, 3, was.day, "day")?;
    Day::new(year, month, day).ok_or_else(|| {
        let message = match (year, month) {
            (0, _) | (10_000.., _) => format!("year {year} is out of range"),
            (_, 0 | 13..) => "month must be in 1..12".to_owned(),
            _ => "day is out of range for month".to_owned(),
        };
        Raise::value_error(message)
    })
}

fn replaced_clock(call: &Call<'_>, first: usize, was: Clock) -> Result<Clock, Raise> {
    let hour = part(call, first, was.hour, "hour")?;
    let minute = part(call, first + 1, was.minute, "minute")?;
    let second = part(call, first + 2, was.second, "second")?;
    let micro = part(call, first + 3, was.micro, "microsecond")?;
    let wrong = [
        (hour > 23, "hour must be in 0..23"),
        (minute > 59, "minute must be in 0..59"),
        (second > 59, "second must be in 0..59"),
        (micro > 999_999, "microsecond must be in 0..999999"),
    ];
    match wrong.iter().find(|(wrong, _)| *wrong) {
        Some((_, message)) => Err(Raise::value_error(*message)),
        None => Ok(Clock { hour, minute, second, micro, fold: was.fold }),
    }
}

fn replace_date(call: &mut Call<'_>) -> Result<Value, Raise> {
    Ok(Literal::Date(replaced_day(call, day(call)?)?).value())
}

fn replace_moment(call: &mut Call<'_>) -> Result<Value, Raise> {
    let was = moment(call)?;
    let zone = match &was.zone {
        Zone::Named { key, .. } => Zone::Named { key: Rc::clone(key), offset: None },
        other => other.clone(),
    };
    Ok(DateTime { day: replaced_day(call, was.day)?, clock: replaced_clock(call, 4, was.clock)?, zone }
        .into())
}

fn replace_time(call: &mut Call<'_>) -> Result<Value, Raise> {
    let was = time(call)?;
    Ok(Literal::Time(Time { clock: replaced_clock(call, 1, was.clock)?, zone: was.zone.clone() }).value())
}

fn strftime(call: &mut Call<'_>) -> Result<Value, Raise> {
    let format = args::text(call.arg(1), "strftime() argument 1 must be str")?;
    formatted(literal(call)?, &format).map(Value::string)
}

/// A date or a time by a format of `strftime`.
fn formatted(literal: &Literal, format: &str) -> Result<String, Raise> {
    let (day, clock, zone) = match literal {
        Literal::Date(day) => (*day, DateTime::midnight(*day).clock, Zone::Naive),
        Literal::DateTime(moment) => (moment.day, moment.clock, moment.zone.clone()),
        Literal::Time(time) => (Day { year: 1900, month: 1, day: 1 }, time.clock, time.zone.clone()),
        other => return Err(Raise::type_error(format!("{} has no strftime", other.type_name()))),
    };
    let (iso_year, iso_week, _) = iso_calendar(day);
    // Only a format that shows the offset needs it.
    let offset = match literal {
        Literal::DateTime(moment) if format.contains('z') => moment.offset()?,
        Literal::Time(time) => time.offset(),
        _ => None,
    };
    let zone = match &zone {
        Zone::Naive => String::new(),
        other => zone_text(other).as_text().map_or_else(String::new, |text| text.to_string()),
    };
    let parts = Parts {
        year: i64::from(day.year),
        month: i64::from(day.month),
        day: i64::from(day.day),
        hour: i64::from(clock.hour),
        minute: i64::from(clock.minute),
        second: i64::from(clock.second),
        micro: clock.micro,
        weekday: weekday(day),
        day_of_year: day_of_year(day),
        iso_year,
        iso_week,
        offset: offset.map_or_else(String::new, |offset| Offset(offset).to_string()),
        zone,
    };
    Ok(text::strftime(format, &parts, memory::room())?)
}

/// `format(literal, spec)` where the spec says something.
pub(super) fn format(literal: &Literal, spec: &str) -> Result<String, Raise> {
    match literal {
        Literal::Date(_) | Literal::Time(_) | Literal::DateTime(_) => formatted(literal, spec),
        Literal::Decimal(number) => {
            let spec = text::Spec::parse(spec, "decimal.Decimal")?;
            Ok(super::decimal_format::format(number, &spec, memory::room())?)
        }
        Literal::Duration(_) | Literal::Uuid(_) => {
            let name = literal.type_name();
            Err(Raise::type_error(format!("unsupported format string passed to {name}.__format__")))
        }
    }
}

fn quantize(call: &mut Call<'_>) -> Result<Value, Raise> {
    let number = number(call)?;
    let Some(like) = decimal::operand(call.arg(1))? else {
        let kind = call.arg(1).type_name();
        return Err(Raise::type_error(format!("conversion from {kind} to Decimal is not supported")));
    };
    let wrong = || Raise::new("InvalidOperation", "the quantized number has more than 28 digits");
    match (&number.size, &like.size) {
        (Size::Infinite, Size::Infinite) => Ok(number.clone().into()),
        (Size::Nan { .. }, _) => number.plus().map(Value::from),
        (Size::Finite { .. }, Size::Finite { exponent, .. }) => {
            number.quantized(*exponent).map(Value::from).ok_or_else(wrong)
        }
        _ => Err(Raise::new("InvalidOperation", "quantize with one Infinity")),
    }
}

fn integral(call: &mut Call<'_>) -> Result<Value, Raise> {
    let number = number(call)?;
    Ok(match &number.size {
        Size::Finite { exponent, .. } if *exponent < 0 => number.places(0).into(),
        _ => number.clone().into(),
    })
}

/// `round(number, places)`; without places an integer.
pub(super) fn round(number: &Decimal, places: Option<i64>) -> Result<Value, Raise> {
    match (places, &number.size) {
        (None, Size::Finite { exponent, .. }) => {
            let whole = if *exponent < 0 { number.places(0) } else { number.clone() };
            whole.to_int().map(Value::big)
        }
        (None, _) => number.to_int().map(Value::big),
        (Some(places), Size::Finite { .. }) => {
            let quantized = places.checked_neg().and_then(|exponent| number.quantized(exponent));
            let wrong = || Raise::new("InvalidOperation", "the rounded number has more than 28 digits");
            quantized.map(Value::from).ok_or_else(wrong)
        }
        (Some(_), Size::Infinite) => Err(Raise::new("InvalidOperation", "an Infinity cannot be rounded")),
        (Some(_), Size::Nan { .. }) => number.plus().map(Value::from),
    }
}

/// `abs(literal)`.
pub(super) fn abs(literal: &Literal) -> Option<Result<Value, Raise>> {
    match literal {
        Literal::Decimal(number) => Some(number.size().map(Value::from)),
        Literal::Duration(Duration(micros)) => Some(negated_span(micros.unsigned_abs())),
        _ => None,
    }
}

fn negated_span(micros: u128) -> Result<Value, Raise> {
    match i128::try_from(micros).ok().filter(|micros| dana_wire::is_duration(*micros)) {
        Some(micros) => Ok(Duration(micros).into()),
        None => Err(Raise::overflow("a timedelta has at most 999999999 days")),
    }
}
