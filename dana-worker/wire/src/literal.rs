//! Values that cross as text: dates, times, durations, decimals and UUIDs.
//!
//! The rule: a literal has one text, which is what `Display` writes and the only one that [`Literal::parse`] reads.
//! Whatever is parsed can be built by Python's `datetime`, `decimal` and `uuid` without an error. Left out: what a
//! zone's rules are. A worker knows a zone by the key that its host sent, and the offset of a moment if the host said.

use std::fmt;

/// Most digits of a decimal's coefficient: what Python reads as an int from text.
pub const DECIMAL_DIGITS: usize = 4300;
/// The largest exponent of a decimal, either way: Python has a little more.
pub const DECIMAL_EXPONENT: i64 = 100_000_000_000_000_000;
/// Bytes of a time zone's key.
pub const ZONE_BYTES: usize = 64;
/// Microseconds of a day.
pub const DAY_MICROS: i64 = 86_400_000_000;

/// Bytes of memory a literal takes beyond its node and its text: a Python Decimal or UUID is larger than other values.
pub(crate) const LITERAL_COST: usize = 64;

/// Days of the longest duration, either way.
const DURATION_DAYS: i128 = 999_999_999;

/// What a literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    Date,
    Time,
    DateTime,
    Duration,
    Decimal,
    Uuid,
}

impl LiteralKind {
    /// The tag it travels under.
    pub(crate) fn tag(self) -> u8 {
        match self {
            LiteralKind::Date => b'd',
            LiteralKind::Time => b'h',
            LiteralKind::DateTime => b'm',
            LiteralKind::Duration => b'l',
            LiteralKind::Decimal => b'n',
            LiteralKind::Uuid => b'u',
        }
    }

    pub(crate) fn tagged(tag: u8) -> Option<Self> {
        Some(match tag {
            b'd' => LiteralKind::Date,
            b'h' => LiteralKind::Time,
            b'm' => LiteralKind::DateTime,
            b'l' => LiteralKind::Duration,
            b'n' => LiteralKind::Decimal,
            b'u' => LiteralKind::Uuid,
            _ => return None,
        })
    }

    /// What messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            LiteralKind::Date => "date",
            LiteralKind::Time => "time",
            LiteralKind::DateTime => "datetime",
            LiteralKind::Duration => "duration",
            LiteralKind::Decimal => "decimal",
            LiteralKind::Uuid => "UUID",
        }
    }
}

/// A literal, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'a> {
    Date(Day),
    Time(Clock, Zone<&'a str>),
    DateTime(Day, Clock, Zone<&'a str>),
    /// Microseconds.
    Duration(i128),
    Decimal(Decimal<'a>),
    Uuid(u128),
}

/// A day of the years 1 to 9999, by the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl Day {
    /// The day, if there is one.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Day> {
        let exists = (1..=9999).contains(&year) && (1..=12).contains(&month);
        (exists && (1..=days_in_month(year, month)).contains(&day)).then_some(Day { year, month, day })
    }
}

/// Days of a month of the Gregorian calendar.
pub fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a year of the Gregorian calendar has 366 days.
pub fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micro: u32,
    /// The second of two times that a zone's clock shows twice.
    pub fold: bool,
}

/// Where a clock hangs. `K` is the text of a zone's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Zone<K> {
    /// Nobody says.
    Naive,
    /// So many microseconds east of Greenwich, less than a day.
    Offset(i64),
    /// In a zone by its key. The offset is known if the host said so: not after arithmetic.
    Named { key: K, offset: Option<i64> },
}

impl<K: Copy> Copy for Zone<K> {}

/// A decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal<'a> {
    pub negative: bool,
    pub size: Size<'a>,
}

/// A decimal number without its sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size<'a> {
    /// Digits without leading zeros, times ten to the exponent.
    Finite {
        digits: &'a str,
        exponent: i64,
    },
    Infinite,
    /// No number. A signaling one is an error wherever it is used.
    Nan {
        signaling: bool,
    },
}

impl<'a> Literal<'a> {
    pub fn kind(&self) -> LiteralKind {
        match self {
            Literal::Date(_) => LiteralKind::Date,
            Literal::Time(..) => LiteralKind::Time,
            Literal::DateTime(..) => LiteralKind::DateTime,
            Literal::Duration(_) => LiteralKind::Duration,
            Literal::Decimal(_) => LiteralKind::Decimal,
            Literal::Uuid(_) => LiteralKind::Uuid,
        }
    }

    /// Not equal to itself.
    pub(crate) fn is_nan(&self) -> bool {
        matches!(self, Literal::Decimal(Decimal { size: Size::Nan { .. }, .. }))
    }

    /// Reads the one text that a literal of this kind has; none for anything else.
    pub fn parse(kind: LiteralKind, text: &'a str) -> Option<Literal<'a>> {
        let mut rest = text;
        let literal = match kind {
            LiteralKind::Date => Literal::Date(day(&mut rest)?),
            LiteralKind::Time => {
                let (clock, zone) = clock(&mut rest)?;
                Literal::Time(clock, zone)
            }
            LiteralKind::DateTime => {
                let day = day(&mut rest)?;
                skip(&mut rest, "T")?;
                let (clock, zone) = clock(&mut rest)?;
                Literal::DateTime(day, clock, zone)
            }
            LiteralKind::Duration => {
                let negative = skip(&mut rest, "-").is_some();
                let micros: i128 = whole(&mut rest, 20)?.parse().ok()?;
                let micros = if negative && micros != 0 { -micros } else { micros };
                let fits = is_duration(micros) && !(negative && micros == 0);
                Literal::Duration(fits.then_some(micros)?)
            }
            LiteralKind::Decimal => Literal::Decimal(decimal(&mut rest)?),
            LiteralKind::Uuid => {
                let mut bits = 0_u128;
                for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    if at > 0 {
                        skip(&mut rest, "-")?;
                    }
                    let part = take(&mut rest, length)?;
                    if !part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                        return None;
                    }
                    bits = bits << (4 * length) | u128::from_str_radix(part, 16).ok()?;
                }
                Literal::Uuid(bits)
            }
        };
        rest.is_empty().then_some(literal)
    }
}

/// Whether so many microseconds are a duration of Python's.
pub fn is_duration(micros: i128) -> bool {
    let most = (DURATION_DAYS + 1) * i128::from(DAY_MICROS);
    (-DURATION_DAYS * i128::from(DAY_MICROS)..most).contains(&micros)
}

/// Whether a zone may have this key.
pub fn is_zone_key(key: &str) -> bool {
    (1..=ZONE_BYTES).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']'))
}

fn take<'a>(rest: &mut &'a str, length: usize) -> Option<&'a str> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

fn skip(rest: &mut &str, mark: &str) -> Option<()> {
    *rest = rest.strip_prefix(mark)?;
    Some(())
}

/// A number of exactly so many digits.
fn fixed(rest: &mut &str, length: usize) -> Option<u32> {
    let digits = take(rest, length)?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn below(rest: &mut &str, limit: u8) -> Option<u8> {
    u8::try_from(fixed(rest, 2)?).ok().filter(|part| *part < limit)
}

/// The digits of a whole number, without leading zeros.
fn whole<'a>(rest: &mut &'a str, most: usize) -> Option<&'a str> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let digits = take(rest, length)?;
    let leads = digits.len() > 1 && digits.starts_with('0');
    ((1..=most).contains(&length) && !leads).then_some(digits)
}

fn day(rest: &mut &str) -> Option<Day> {
    let year = u16::try_from(fixed(rest, 4)?).ok()?;
    skip(rest, "-")?;
    let month = u8::try_from(fixed(rest, 2)?).ok()?;
    skip(rest, "-")?;
    Day::new(year, month, u8::try_from(fixed(rest, 2)?).ok()?)
}

/// `.ffffff`, which stands only where it is not zero.
fn micros(rest: &mut &str) -> Option<u32> {
    if skip(rest, ".").is_none() {
        return Some(0);
    }
    fixed(rest, 6).filter(|micros| *micros != 0)
}

fn clock<'a>(rest: &mut &'a str) -> Option<(Clock, Zone<&'a str>)> {
    let hour = below(rest, 24)?;
    skip(rest, ":")?;
    let minute = below(rest, 60)?;
    skip(rest, ":")?;
    let second = below(rest, 60)?;
    let micro = micros(rest)?;
    let offset = offset(rest)?;
    let key = match skip(rest, "[") {
        None => None,
        Some(()) => {
            let end = rest.find(']')?;
            let key = take(rest, end).filter(|key| is_zone_key(key))?;
            skip(rest, "]")?;
            Some(key)
        }
    };
    let zone = match (key, offset) {
        (Some(key), offset) => Zone::Named { key, offset },
        (None, Some(offset)) => Zone::Offset(offset),
        (None, None) => Zone::Naive,
    };
    let fold = skip(rest, "~").is_some();
    Some((Clock { hour, minute, second, micro, fold }, zone))
}

/// None outside for one that is malformed, inside where there is none.
fn offset(rest: &mut &str) -> Option<Option<i64>> {
    let negative = match (skip(rest, "+"), skip(rest, "-")) {
        (Some(()), None) => false,
        (None, Some(())) => true,
        (None, None) => return Some(None),
        _ => return None,
    };
    let hours = below(rest, 24)?;
    skip(rest, ":")?;
    let minutes = below(rest, 60)?;
    let (mut seconds, mut fraction) = (0, 0);
    if skip(rest, ":").is_some() {
        seconds = below(rest, 60)?;
        fraction = micros(rest)?;
        if seconds == 0 && fraction == 0 {
            return None;
        }
    }
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    let size = seconds * 1_000_000 + i64::from(fraction);
    if negative && size == 0 {
        return None;
    }
    Some(Some(if negative { -size } else { size }))
}

fn decimal<'a>(rest: &mut &'a str) -> Option<Decimal<'a>> {
    let negative = skip(rest, "-").is_some();
    let special = match *rest {
        "Infinity" => Some(Size::Infinite),
        "NaN" => Some(Size::Nan { signaling: false }),
        "sNaN" => Some(Size::Nan { signaling: true }),
        _ => None,
    };
    if let Some(size) = special {
        *rest = "";
        return Some(Decimal { negative, size });
    }
    let digits = whole(rest, DECIMAL_DIGITS)?;
    skip(rest, "E")?;
    let below_one = skip(rest, "-").is_some();
    let size: i64 = whole(rest, 18)?.parse().ok()?;
    if size > DECIMAL_EXPONENT || below_one && size == 0 {
        return None;
    }
    let exponent = if below_one { -size } else { size };
    Some(Decimal { negative, size: Size::Finite { digits, exponent } })
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// `HH:MM:SS`, with microseconds where there are any.
impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}:{:02}", self.hour, self.minute, self.second)?;
        if self.micro == 0 { Ok(()) } else { write!(f, ".{:06}", self.micro) }
    }
}

/// An offset as it is written behind a time.
#[derive(Clone, Copy, Debug)]
pub struct Offset(pub i64);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        let (seconds, micros) = (size / 1_000_000, size % 1_000_000);
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60)?;
        if seconds % 60 != 0 || micros != 0 {
            write!(f, ":{:02}", seconds % 60)?;
        }
        if micros == 0 { Ok(()) } else { write!(f, ".{micros:06}") }
    }
}

fn hung(f: &mut fmt::Formatter<'_>, clock: &Clock, zone: &Zone<&str>) -> fmt::Result {
    write!(f, "{clock}")?;
    match zone {
        Zone::Naive => {}
        Zone::Offset(offset) => write!(f, "{}", Offset(*offset))?,
        Zone::Named { key, offset } => {
            if let Some(offset) = offset {
                write!(f, "{}", Offset(*offset))?;
            }
            write!(f, "[{key}]")?;
        }
    }
    f.write_str(if clock.fold { "~" } else { "" })
}

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Date(day) => write!(f, "{day}"),
            Literal::Time(clock, zone) => hung(f, clock, zone),
            Literal::DateTime(day, clock, zone) => {
                write!(f, "{day}T")?;
                hung(f, clock, zone)
            }
            Literal::Duration(micros) => write!(f, "{micros}"),
            Literal::Decimal(Decimal { negative, size }) => {
                f.write_str(if *negative { "-" } else { "" })?;
                match size {
                    Size::Finite { digits, exponent } => write!(f, "{digits}E{exponent}"),
                    Size::Infinite => f.write_str("Infinity"),
                    Size::Nan { signaling } => f.write_str(if *signaling { "sNaN" } else { "NaN" }),
                }
            }
            Literal::Uuid(bits) => {
                let hex = format!("{bits:032x}");
                let mut rest = hex.as_str();
                for (at, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
                    let part = take(&mut rest, length).unwrap_or_default();
                    write!(f, "{}{part}", if at == 0 { "" } else { "-" })?;
                }
                Ok(())
            }
        }
    }
}
