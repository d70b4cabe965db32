//! A literal in the interpreter: what it is called, printed, compared and hashed as.

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::BigUint;

use dana_wire::{self as wire, Offset, Zone};

use super::decimal::{self, Decimal, Size};
use super::moment::{DateTime, Duration, Time};
use crate::value::{BigInt, Raise, Value, memory, work};

/// A value that came from the host as text, or was calculated from such values.
pub enum Literal {
    Date(wire::Day),
    Time(Time),
    DateTime(DateTime),
    Duration(Duration),
    Decimal(Decimal),
    Uuid(u128),
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Literal::Decimal(number).value()
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Literal::Duration(duration).value()
    }
}

impl From<DateTime> for Value {
    fn from(moment: DateTime) -> Self {
        Literal::DateTime(moment).value()
    }
}

fn owned(zone: &Zone<&str>) -> Zone<Rc<str>> {
    match zone {
        Zone::Naive => Zone::Naive,
        Zone::Offset(offset) => Zone::Offset(*offset),
        Zone::Named { key, offset } => Zone::Named { key: (*key).into(), offset: *offset },
    }
}

fn lent(zone: &Zone<Rc<str>>) -> Zone<&str> {
    match zone {
        Zone::Naive => Zone::Naive,
        Zone::Offset(offset) => Zone::Offset(*offset),
        Zone::Named { key, offset } => Zone::Named { key, offset: *offset },
    }
}

impl Literal {
    pub fn value(self) -> Value {
        Value::Literal(Rc::new(self))
    }

    /// The literal that came over the wire.
    pub fn received(literal: &wire::Literal<'_>) -> Literal {
        match literal {
            wire::Literal::Date(day) => Literal::Date(*day),
            wire::Literal::Time(clock, zone) => Literal::Time(Time { clock: *clock, zone: owned(zone) }),
            wire::Literal::DateTime(day, clock, zone) => {
                Literal::DateTime(DateTime { day: *day, clock: *clock, zone: owned(zone) })
            }
            wire::Literal::Duration(micros) => Literal::Duration(Duration(*micros)),
            wire::Literal::Uuid(bits) => Literal::Uuid(*bits),
            wire::Literal::Decimal(number) => {
                let size = match number.size {
                    wire::Size::Infinite => Size::Infinite,
                    wire::Size::Nan { signaling } => Size::Nan { signaling },
                    wire::Size::Finite { digits, exponent } => {
                        let digits = BigUint::parse_bytes(digits.as_bytes(), 10).unwrap_or_default();
                        Size::Finite { digits, exponent }
                    }
                };
                Literal::Decimal(Decimal { negative: number.negative, size })
            }
        }
    }

    /// Gives the literal to a writer of the wire.
    pub fn send<T>(&self, write: impl FnOnce(&wire::Literal<'_>) -> T) -> T {
        match self {
            Literal::Date(day) => write(&wire::Literal::Date(*day)),
            Literal::Time(time) => write(&wire::Literal::Time(time.clock, lent(&time.zone))),
            Literal::DateTime(moment) => {
                write(&wire::Literal::DateTime(moment.day, moment.clock, lent(&moment.zone)))
            }
            Literal::Duration(duration) => write(&wire::Literal::Duration(duration.0)),
            Literal::Uuid(bits) => write(&wire::Literal::Uuid(*bits)),
            Literal::Decimal(number) => {
                let text;
                let size = match &number.size {
                    Size::Infinite => wire::Size::Infinite,
                    Size::Nan { signaling } => wire::Size::Nan { signaling: *signaling },
                    Size::Finite { digits, exponent } => {
                        text = digits.to_string();
                        wire::Size::Finite { digits: &text, exponent: *exponent }
                    }
                };
                write(&wire::Literal::Decimal(wire::Decimal { negative: number.negative, size }))
            }
        }
    }

    /// Python's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Literal::Date(_) => "date",
            Literal::Time(_) => "time",
            Literal::DateTime(_) => "datetime",
            Literal::Duration(_) => "timedelta",
            Literal::Decimal(_) => "Decimal",
            Literal::Uuid(_) => "UUID",
        }
    }

    pub fn is_true(&self) -> bool {
        match self {
            Literal::Duration(duration) => duration.0 != 0,
            Literal::Decimal(number) => !number.is_zero(),
            _ => true,
        }
    }

    /// `str(value)`.
    pub fn display(&self) -> Result<String, Raise> {
        Ok(match self {
            Literal::Date(day) => day.to_string(),
            Literal::Time(time) => time.to_string(),
            Literal::DateTime(moment) => moment.text(' '),
            Literal::Duration(duration) => duration.to_string(),
            Literal::Decimal(number) => {
                memory::reserve(8192)?;
                let text = number.text();
                work::bytes(text.len())?;
                text
            }
            Literal::Uuid(bits) => wire::Literal::Uuid(*bits).to_string(),
        })
    }

    /// `repr(value)`.
    pub fn repr(&self) -> Result<String, Raise> {
        Ok(match self {
            Literal::Date(day) => format!("datetime.date({}, {}, {})", day.year, day.month, day.day),
            Literal::Time(time) => {
                let parts = time_parts(&time.clock);
                format!("datetime.time({}{})", parts, hung(&time.clock, &time.zone))
            }
            Literal::DateTime(DateTime { day, clock, zone }) => {
                let (parts, hung) = (time_parts(clock), hung(clock, zone));
                format!("datetime.datetime({}, {}, {}, {parts}{hung})", day.year, day.month, day.day)
            }
            Literal::Duration(duration) => duration.repr(),
            Literal::Decimal(_) => format!("Decimal('{}')", self.display()?),
            Literal::Uuid(_) => format!("UUID('{}')", self.display()?),
        })
    }
}

/// Hour and minute, and the parts behind them that are not zero.
fn time_parts(clock: &wire::Clock) -> String {
    let mut out = format!("{}, {}", clock.hour, clock.minute);
    if clock.second != 0 || clock.micro != 0 {
        out.push_str(&format!(", {}", clock.second));
    }
    if clock.micro != 0 {
        out.push_str(&format!(", {}", clock.micro));
    }
    out
}

/// The arguments for a fold and a zone.
fn hung(clock: &wire::Clock, zone: &Zone<Rc<str>>) -> String {
    let fold = if clock.fold { ", fold=1" } else { "" };
    match zone {
        Zone::Naive => fold.to_owned(),
        Zone::Offset(0) => format!("{fold}, tzinfo=datetime.timezone.utc"),
        Zone::Offset(offset) => {
            let offset = Duration(i128::from(*offset)).repr();
            format!("{fold}, tzinfo=datetime.timezone({offset})")
        }
        Zone::Named { key, .. } => format!("{fold}, tzinfo=zoneinfo.ZoneInfo(key='{key}')"),
    }
}

/// What `tzinfo` shows of a zone: Dana has no such objects.
pub fn zone_text(zone: &Zone<Rc<str>>) -> Value {
    match zone {
        Zone::Naive => Value::None,
        Zone::Offset(0) => Value::str("UTC"),
        Zone::Offset(offset) => Value::string(format!("UTC{}", Offset(*offset))),
        Zone::Named { key, .. } => Value::str(key),
    }
}

/// `a == b` where one is a literal.
pub fn equal(a: &Value, b: &Value) -> Result<bool, Raise> {
    if let (Value::Literal(a), Value::Literal(b)) = (a, b) {
        return Ok(match (&**a, &**b) {
            (Literal::Date(a), Literal::Date(b)) => a == b,
            (Literal::Uuid(a), Literal::Uuid(b)) => a == b,
            (Literal::Duration(a), Literal::Duration(b)) => a.0 == b.0,
            (Literal::Time(a), Literal::Time(b)) => a.compare(b).is_some_and(Ordering::is_eq),
            (Literal::DateTime(a), Literal::DateTime(b)) => a.compare(b)?.is_some_and(Ordering::is_eq),
            (Literal::Decimal(a), Literal::Decimal(b)) => numbers_equal(a, b)?,
            _ => false,
        });
    }
    Ok(against_number(a, b, false)?.flatten().is_some_and(Ordering::is_eq))
}

fn numbers_equal(a: &Decimal, b: &Decimal) -> Result<bool, Raise> {
    if a.is_signaling() || b.is_signaling() {
        return Err(Raise::new("InvalidOperation", "comparison involving sNaN"));
    }
    Ok(decimal::compare(a, b)?.is_some_and(Ordering::is_eq))
}

/// A decimal against an integer or a float; none when it is neither.
fn against_number(a: &Value, b: &Value, ordered: bool) -> Result<Option<Option<Ordering>>, Raise> {
    let (number, other, turned) = match (a, b) {
        (Value::Literal(literal), other) => (literal, other, false),
        (other, Value::Literal(literal)) => (literal, other, true),
        _ => return Ok(None),
    };
    let Literal::Decimal(number) = &**number else { return Ok(None) };
    let order = match other {
        Value::Big(big) => decimal::compare_int(number, big)?,
        Value::Float(float) => decimal::compare(number, &Decimal::of_float(float.get()))?,
        other => match other.as_index() {
            Some(int) => decimal::compare(number, &Decimal::of_int(&BigInt::from(int)))?,
            None => return Ok(None),
        },
    };
    if number.is_signaling() || ordered && order.is_none() {
        return Err(Raise::new("InvalidOperation", "comparison involving NaN"));
    }
    Ok(Some(if turned { order.map(Ordering::reverse) } else { order }))
}

/// How `a` stands to `b` where one is a literal; none when they have no order.
pub fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, Raise> {
    if let (Value::Literal(a), Value::Literal(b)) = (a, b) {
        return Ok(match (&**a, &**b) {
            (Literal::Date(a), Literal::Date(b)) => Some(a.cmp(b)),
            (Literal::Uuid(a), Literal::Uuid(b)) => Some(a.cmp(b)),
            (Literal::Duration(a), Literal::Duration(b)) => Some(a.0.cmp(&b.0)),
            (Literal::Time(a), Literal::Time(b)) => Some(a.compare(b).ok_or_else(|| mixed("times"))?),
            (Literal::DateTime(a), Literal::DateTime(b)) => {
                Some(a.compare(b)?.ok_or_else(|| mixed("datetimes"))?)
            }
            (Literal::Decimal(a), Literal::Decimal(b)) => {
                let order = decimal::compare(a, b)?;
                Some(order.ok_or_else(|| Raise::new("InvalidOperation", "comparison involving NaN"))?)
            }
            _ => None,
        });
    }
    Ok(against_number(a, b, true)?.flatten())
}

fn mixed(what: &str) -> Raise {
    Raise::type_error(format!("can't compare offset-naive and offset-aware {what}"))
}

/// What hashing a literal comes to.
pub enum Key {
    Number(decimal::Hashed),
    /// Bytes that are the same for equal ones, of a kind that no other literal has.
    Bytes(u8, [u8; 16]),
    /// Only itself is equal to it.
    Own,
}

impl Literal {
    pub fn key(&self) -> Result<Key, Raise> {
        Ok(match self {
            Literal::Date(day) => Key::Bytes(0, i128::from(super::moment::ordinal(*day)).to_le_bytes()),
            Literal::Time(time) => Key::Bytes(1, time.instant().to_le_bytes()),
            Literal::DateTime(moment) => {
                let (kind, instant) = moment.instant()?;
                Key::Bytes(kind, instant.to_le_bytes())
            }
            Literal::Duration(duration) => Key::Bytes(4, duration.0.to_le_bytes()),
            Literal::Uuid(bits) => Key::Bytes(5, bits.to_le_bytes()),
            Literal::Decimal(number) if number.is_signaling() => {
                return Err(Raise::type_error("Cannot hash a signaling NaN value"));
            }
            Literal::Decimal(number) => number.hashed()?.map_or(Key::Own, Key::Number),
        })
    }
}
