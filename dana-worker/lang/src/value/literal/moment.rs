//! Dates, times and durations, calculated as Python's `datetime` does.
//!
//! A zone's rules are not known here. A time in a zone keeps the offset that the host sent until it is moved; from then
//! on only its wall clock and its zone are known, which is all that Python's own arithmetic goes by, and what needs
//! the offset is an error.

use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::ToPrimitive as _;

use dana_wire::{Clock, DAY_MICROS, Day, Offset, Zone, days_in_month, is_duration};

use super::Literal;
use crate::value::arith::{self, Arith};
use crate::value::{Raise, Value};

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duration(pub i128);

#[derive(Debug, Clone)]
pub struct Time {
    pub clock: Clock,
    pub zone: Zone<Rc<str>>,
}

#[derive(Debug, Clone)]
pub struct DateTime {
    pub day: Day,
    pub clock: Clock,
    pub zone: Zone<Rc<str>>,
}

const MIDNIGHT: Clock = Clock { hour: 0, minute: 0, second: 0, micro: 0, fold: false };

/// Days since the day before 1 January of year 1.
pub fn ordinal(day: Day) -> i64 {
    let before = i64::from(day.year) - 1;
    let months: i64 = (1..day.month).map(|month| i64::from(days_in_month(day.year, month))).sum();
    before * 365 + before / 4 - before / 100 + before / 400 + months + i64::from(day.day)
}

/// The day with that ordinal.
pub fn day_of(ordinal: i64) -> Result<Day, Raise> {
    let out_of_range = || Raise::overflow("date value out of range");
    if !(1..=3_652_059).contains(&ordinal) {
        return Err(out_of_range());
    }
    let mut left = ordinal - 1;
    let centuries4 = left / 146_097;
    left %= 146_097;
    let centuries = (left / 36_524).min(3);
    left -= centuries * 36_524;
    let years4 = left / 1461;
    left %= 1461;
    let years = (left / 365).min(3);
    left -= years * 365;
    let year = centuries4 * 400 + centuries * 100 + years4 * 4 + years + 1;
    let year = u16::try_from(year).map_err(|_| out_of_range())?;
    let mut month = 1;
    while left >= i64::from(days_in_month(year, month)) {
        left -= i64::from(days_in_month(year, month));
        month += 1;
    }
    Day::new(year, month, u8::try_from(left + 1).unwrap_or(0)).ok_or_else(out_of_range)
}

/// Day of the week, Monday 0.
pub fn weekday(day: Day) -> i64 {
    (ordinal(day) + 6) % 7
}

/// Day of the year, from 1.
pub fn day_of_year(day: Day) -> i64 {
    ordinal(day) - ordinal(Day { month: 1, day: 1, ..day }) + 1
}

/// Year, week and day of the week as ISO 8601 counts them.
pub fn iso_calendar(day: Day) -> (i64, i64, i64) {
    let first = |year: i64| {
        // Monday of the week that has the first Thursday; years 0 and 10000 are reckoned on.
        let before = year - 1;
        let january =
            before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) + 1;
        let weekday = (january + 6).rem_euclid(7);
        let monday = january - weekday;
        if weekday > 3 { monday + 7 } else { monday }
    };
    let today = ordinal(day);
    let mut year = i64::from(day.year);
    if today < first(year) {
        year -= 1;
    } else if today >= first(year + 1) {
        year += 1;
    }
    let days = today - first(year);
    (year, days / 7 + 1, days % 7 + 1)
}

/// Microseconds since midnight.
fn since_midnight(clock: &Clock) -> i64 {
    let seconds = (i64::from(clock.hour) * 60 + i64::from(clock.minute)) * 60 + i64::from(clock.second);
    seconds * 1_000_000 + i64::from(clock.micro)
}

fn clock_of(micros: i64) -> Clock {
    let seconds = micros / 1_000_000;
    let part = |number: i64| u8::try_from(number).unwrap_or(0);
    Clock {
        hour: part(seconds / 3600),
        minute: part(seconds / 60 % 60),
        second: part(seconds % 60),
        micro: u32::try_from(micros % 1_000_000).unwrap_or(0),
        fold: false,
    }
}

impl Time {
    /// The offset; a zone whose offset depends on the day gives none.
    pub fn offset(&self) -> Option<i64> {
        match self.zone {
            Zone::Naive => None,
            Zone::Offset(offset) => Some(offset),
            Zone::Named { offset, .. } => offset,
        }
    }

    pub fn compare(&self, other: &Time) -> Option<Ordering> {
        match (self.offset(), other.offset()) {
            (None, None) => Some(since_midnight(&self.clock).cmp(&since_midnight(&other.clock))),
            (Some(_), Some(_)) => Some(self.instant().cmp(&other.instant())),
            _ => None,
        }
    }

    /// The same for equal times.
    pub fn instant(&self) -> i128 {
        i128::from(since_midnight(&self.clock)) - i128::from(self.offset().unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.clock)?;
        self.offset().map_or(Ok(()), |offset| write!(f, "{}", Offset(offset)))
    }
}

impl DateTime {
    pub fn midnight(day: Day) -> DateTime {
        DateTime { day, clock: MIDNIGHT, zone: Zone::Naive }
    }

    /// Microseconds of its wall clock since the day before year 1.
    fn wall(&self) -> i128 {
        i128::from(ordinal(self.day)) * i128::from(DAY_MICROS) + i128::from(since_midnight(&self.clock))
    }

    /// The offset; none for a naive one, an error where it is not known any more.
    pub fn offset(&self) -> Result<Option<i64>, Raise> {
        match &self.zone {
            Zone::Naive => Ok(None),
            Zone::Offset(offset) => Ok(Some(*offset)),
            Zone::Named { offset: Some(offset), .. } => Ok(Some(*offset)),
            Zone::Named { key, offset: None } => Err(Raise::value_error(format!(
                "the UTC offset of {} is not known in Dana, which has no rules of time zones",
                self.text_in(key)
            ))
            .hint("do this on the host, or send times in UTC")),
        }
    }

    fn text_in(&self, key: &str) -> String {
        format!("{} {} in {key}", self.day, self.clock)
    }

    /// Both hang on the same zone, so that their wall clocks are all that counts.
    fn is_beside(&self, other: &DateTime) -> bool {
        match (&self.zone, &other.zone) {
            (Zone::Naive, Zone::Naive) => true,
            (Zone::Offset(a), Zone::Offset(b)) => a == b,
            (Zone::Named { key: a, .. }, Zone::Named { key: b, .. }) => a == b,
            _ => false,
        }
    }

    /// None when only one of them is naive.
    pub fn compare(&self, other: &DateTime) -> Result<Option<Ordering>, Raise> {
        if self.is_beside(other) {
            return Ok(Some(self.wall().cmp(&other.wall())));
        }
        if matches!(self.zone, Zone::Naive) != matches!(other.zone, Zone::Naive) {
            return Ok(None);
        }
        Ok(Some(self.utc()?.cmp(&other.utc()?)))
    }

    fn utc(&self) -> Result<i128, Raise> {
        Ok(self.wall() - i128::from(self.offset()?.unwrap_or(0)))
    }

    /// What it hashes as: whether it is naive, and a number that is the same for equal ones.
    pub fn instant(&self) -> Result<(u8, i128), Raise> {
        Ok((if matches!(self.zone, Zone::Naive) { 2 } else { 3 }, self.utc()?))
    }

    /// Seconds since 1970 in UTC.
    pub fn timestamp(&self) -> Result<f64, Raise> {
        if matches!(self.zone, Zone::Naive) {
            let message = "a naive datetime has no timestamp in Dana, which knows no local time";
            return Err(Raise::value_error(message));
        }
        const EPOCH: i128 = 719_163 * DAY_MICROS as i128;
        let micros = self.utc()? - EPOCH;
        Ok(micros.to_f64().unwrap_or(f64::NAN) / 1e6)
    }

    /// The wall clock moved by so many microseconds.
    fn moved(&self, micros: i128) -> Result<DateTime, Raise> {
        let wall = self.wall() + micros;
        let days = wall.div_euclid(i128::from(DAY_MICROS));
        let day = day_of(i64::try_from(days).unwrap_or(0))?;
        let rest = i64::try_from(wall.rem_euclid(i128::from(DAY_MICROS))).unwrap_or(0);
        let zone = match &self.zone {
            Zone::Named { key, .. } => Zone::Named { key: Rc::clone(key), offset: None },
            other => other.clone(),
        };
        Ok(DateTime { day, clock: clock_of(rest), zone })
    }

    /// As `isoformat` has it. An offset that is not known is said by the zone's name.
    pub fn text(&self, separator: char) -> String {
        let hung = match &self.zone {
            Zone::Naive => String::new(),
            Zone::Offset(offset) => Offset(*offset).to_string(),
            Zone::Named { offset: Some(offset), .. } => Offset(*offset).to_string(),
            Zone::Named { key, offset: None } => format!("[{key}]"),
        };
        format!("{}{separator}{}{hung}", self.day, self.clock)
    }
}

impl Duration {
    /// Days, seconds and microseconds, of which only days can be below zero.
    pub fn parts(self) -> (i64, i64, i64) {
        let day = i128::from(DAY_MICROS);
        let days = i64::try_from(self.0.div_euclid(day)).unwrap_or(0);
        let rest = i64::try_from(self.0.rem_euclid(day)).unwrap_or(0);
        (days, rest / 1_000_000, rest % 1_000_000)
    }

    pub fn seconds(self) -> f64 {
        // As Python: the nearest float to the microseconds, divided.
        let quotient = quotient(&BigInt::from(self.0), 1_000_000);
        if let Ok(Value::Float(seconds)) = quotient { seconds.get() } else { f64::NAN }
    }

    pub fn repr(self) -> String {
        let (days, seconds, micros) = self.parts();
        let parts = [("days", days), ("seconds", seconds), ("microseconds", micros)];
        let shown: Vec<String> = parts
            .iter()
            .filter(|(_, part)| *part != 0)
            .map(|(name, part)| format!("{name}={part}"))
            .collect();
        format!("datetime.timedelta({})", if shown.is_empty() { "0".to_owned() } else { shown.join(", ") })
    }

    fn of(micros: Option<i128>) -> Result<Value, Raise> {
        match micros.filter(|micros| is_duration(*micros)) {
            Some(micros) => Ok(Duration(micros).into()),
            None => Err(Raise::overflow("a timedelta has at most 999999999 days")),
        }
    }
}

fn quotient(over: &BigInt, under: i128) -> Result<Value, Raise> {
    arith::binary(Arith::Divide, &Value::big(over.clone()), &Value::big(BigInt::from(under)))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds, micros) = self.parts();
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros == 0 { Ok(()) } else { write!(f, ".{micros:06}") }
    }
}

/// `a op b` where one of them is a date, a time or a duration; none where there is no such operation.
pub fn binary(op: Arith, a: &Value, b: &Value) -> Result<Option<Value>, Raise> {
    if let (Value::Literal(a), Value::Literal(b)) = (a, b) {
        return both(op, a, b);
    }
    let (duration, other, first) = match (a, b) {
        (Value::Literal(literal), other) => (literal, other, true),
        (other, Value::Literal(literal)) => (literal, other, false),
        _ => return Ok(None),
    };
    let Literal::Duration(Duration(micros)) = **duration else { return Ok(None) };
    scaled(op, micros, other, first)
}

fn both(op: Arith, a: &Literal, b: &Literal) -> Result<Option<Value>, Raise> {
    use Arith::{Add, Divide, FloorDivide, Modulo, Subtract};
    use Literal::{Date, DateTime as Moment, Duration as Span};
    Ok(Some(match (op, a, b) {
        (Add | Subtract, Span(x), Span(y)) => {
            let sum = if op == Add { x.0.checked_add(y.0) } else { x.0.checked_sub(y.0) };
            Duration::of(sum)?
        }
        (Divide, Span(x), Span(y)) => {
            nonzero(y.0)?;
            quotient(&BigInt::from(x.0), y.0)?
        }
        (FloorDivide, Span(x), Span(y)) => {
            nonzero(y.0)?;
            Value::big(arith::floor_divide(&BigInt::from(x.0), &BigInt::from(y.0)).0)
        }
        (Modulo, Span(x), Span(y)) => {
            nonzero(y.0)?;
            let rest = arith::floor_divide(&BigInt::from(x.0), &BigInt::from(y.0)).1;
            Duration::of(rest.to_i128())?
        }
        (Add, Date(day), Span(span)) | (Add, Span(span), Date(day)) => {
            Date(day_of(ordinal(*day).saturating_add(span.parts().0))?).value()
        }
        (Subtract, Date(day), Span(span)) => {
            // By days, of which a negative duration has one less.
            Date(day_of(ordinal(*day).saturating_sub(span.parts().0))?).value()
        }
        (Subtract, Date(x), Date(y)) => {
            Duration::of(Some(i128::from(ordinal(*x) - ordinal(*y)) * i128::from(DAY_MICROS)))?
        }
        (Add, Moment(moment), Span(span)) | (Add, Span(span), Moment(moment)) => moment.moved(span.0)?.into(),
        (Subtract, Moment(moment), Span(span)) => moment.moved(-span.0)?.into(),
        (Subtract, Moment(x), Moment(y)) => {
            if matches!(x.zone, Zone::Naive) != matches!(y.zone, Zone::Naive) {
                return Err(Raise::type_error("can't subtract offset-naive and offset-aware datetimes"));
            }
            let apart = if x.is_beside(y) { x.wall() - y.wall() } else { x.utc()? - y.utc()? };
            Duration::of(Some(apart))?
        }
        _ => return Ok(None),
    }))
}

fn nonzero(micros: i128) -> Result<(), Raise> {
    if micros == 0 { Err(Raise::zero_division("division by zero")) } else { Ok(()) }
}

/// A duration and a number. `first` says that the duration comes first.
fn scaled(op: Arith, micros: i128, other: &Value, first: bool) -> Result<Option<Value>, Raise> {
    let micros = BigInt::from(micros);
    // The number as a fraction.
    let (over, under) = match other {
        Value::Float(float) if op != Arith::FloorDivide => {
            let exact = super::Decimal::of_float(float.get());
            let super::Size::Finite { digits, exponent } = exact.size else {
                return Err(Raise::value_error("cannot convert infinity or NaN to integer ratio"));
            };
            let sign = if exact.negative { num_bigint::Sign::Minus } else { num_bigint::Sign::Plus };
            let unit = BigInt::from(10).pow(u32::try_from(-exponent).unwrap_or(0));
            (BigInt::from_biguint(sign, digits), unit)
        }
        Value::Big(big) if big.bits() < 1024 => ((**big).clone(), BigInt::from(1)),
        Value::Big(_) if op == Arith::Multiply => {
            return Err(Raise::overflow("a timedelta has at most 999999999 days"));
        }
        Value::Big(_) => return Ok(None),
        other => match other.as_index() {
            Some(number) => (BigInt::from(number), BigInt::from(1)),
            None => return Ok(None),
        },
    };
    let (over, under) = match op {
        Arith::Multiply => (over, under),
        Arith::Divide | Arith::FloorDivide if first => (under, over),
        _ => return Ok(None),
    };
    if under == BigInt::ZERO {
        return Err(Raise::zero_division("division by zero"));
    }
    let (over, under) = if under < BigInt::ZERO { (-over, -under) } else { (over, under) };
    let (quotient, rest) = arith::floor_divide(&(micros * over), &under);
    let doubled: BigInt = rest * 2;
    let up = op != Arith::FloorDivide && (doubled > under || doubled == under && quotient.bit(0));
    Duration::of((if up { quotient + 1 } else { quotient }).to_i128()).map(Some)
}
