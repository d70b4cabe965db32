//! Dates, times, durations, decimals and UUIDs between Python and the wire.
//!
//! The rule: on the way out only objects of exactly these classes are read, and only zones whose classes are Python's
//! own, so that no code of a value runs. On the way in every part was checked by the wire, and a zone is one that this
//! host has sent: none is ever looked up by a name that the interpreter sent.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use dana_wire::{Clock, DECIMAL_DIGITS, Day, Decimal, Literal, LiteralKind, Size, Zone};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

/// Zones of different keys that a session may have been sent.
const ZONES: usize = 1024;

/// The zones that went out, by key.
#[derive(Default)]
pub(crate) struct Zones(Mutex<HashMap<String, Py<PyAny>>>);

impl Zones {
    /// Notes a zone that goes out. False if there are too many.
    fn note(&self, key: &str, zone: &Bound<'_, PyAny>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ZONES && !known.contains_key(key) {
            return false;
        }
        if !known.get(key).is_some_and(|known| known.is(zone)) {
            let before = known.insert(key.to_owned(), zone.clone().unbind());
            // Dropping a Python object may run code: not under the lock.
            drop(known);
            drop(before);
        }
        true
    }

    fn get<'py>(&self, py: Python<'py>, key: &str) -> Option<Bound<'py, PyAny>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).map(|zone| zone.bind(py).clone())
    }
}

/// Python's classes.
struct Classes {
    date: Py<PyType>,
    time: Py<PyType>,
    datetime: Py<PyType>,
    timedelta: Py<PyType>,
    timezone: Py<PyType>,
    utc: Py<PyAny>,
}

fn classes(py: Python<'_>) -> PyResult<&'static Classes> {
    static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();
    CLASSES.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let class = |name: &str| -> PyResult<Py<PyType>> {
            Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
        };
        let timezone = class("timezone")?;
        let utc = timezone.bind(py).getattr("utc")?.unbind();
        Ok(Classes {
            date: class("date")?,
            time: class("time")?,
            datetime: class("datetime")?,
            timedelta: class("timedelta")?,
            timezone,
            utc,
        })
    })
}

/// A class of a module, if that module was ever loaded.
fn loaded<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyType>>,
    module: &str,
    name: &str,
) -> PyResult<Option<&'static Py<PyType>>> {
    if let Some(class) = cell.get(py) {
        return Ok(Some(class));
    }
    let modules = py.import(intern!(py, "sys"))?.getattr(intern!(py, "modules"))?.cast_into::<PyDict>()?;
    let Some(module) = modules.get_item(module)? else { return Ok(None) };
    // Another thread may be in the middle of loading it.
    let Ok(class) = module.getattr(name) else { return Ok(None) };
    let class = class.cast_into::<PyType>()?.unbind();
    cell.get_or_try_init(py, || Ok(class)).map(Some)
}

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
static ZONE_INFO: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// What became of an object that may be a literal.
pub(crate) enum Found {
    /// Its kind and text.
    Text(LiteralKind, String),
    /// It is one, but cannot be sent.
    Refused(String),
    No,
}

/// The text of a date, a time, a duration, a decimal or a UUID.
pub(crate) fn text_of(value: &Bound<'_, PyAny>, zones: &Zones) -> PyResult<Found> {
    let py = value.py();
    let kind = value.get_type();
    let own = classes(py)?;
    let iso =
        |kind: LiteralKind| Ok(Found::Text(kind, value.call_method0(intern!(py, "isoformat"))?.extract()?));
    if kind.is(&own.datetime) || kind.is(&own.time) {
        let literal = if kind.is(&own.datetime) { LiteralKind::DateTime } else { LiteralKind::Time };
        return hung(value, literal, zones);
    }
    if kind.is(&own.date) {
        return iso(LiteralKind::Date);
    }
    if kind.is(&own.timedelta) {
        let part = |name: &str| -> PyResult<i128> { value.getattr(name)?.extract::<i64>().map(i128::from) };
        let seconds = part("days")? * 86_400 + part("seconds")?;
        let micros = seconds * 1_000_000 + part("microseconds")?;
        return Ok(Found::Text(LiteralKind::Duration, micros.to_string()));
    }
    if loaded(py, &DECIMAL, "decimal", "Decimal")?.is_some_and(|class| kind.is(class)) {
        let fits = |text: &String| Literal::parse(LiteralKind::Decimal, text).is_some();
        return Ok(match decimal_text(value.str()?.to_str()?).filter(fits) {
            Some(text) => Found::Text(LiteralKind::Decimal, text),
            None => Found::Refused(format!(
                "a Decimal of more than {DECIMAL_DIGITS} digits, or of such an exponent, cannot be sent to Dana"
            )),
        });
    }
    if loaded(py, &UUID, "uuid", "UUID")?.is_some_and(|class| kind.is(class)) {
        let bits: u128 = value.getattr(intern!(py, "int"))?.extract()?;
        return Ok(Found::Text(LiteralKind::Uuid, Literal::Uuid(bits).to_string()));
    }
    Ok(Found::No)
}

/// A time, with a day or without, and the zone it hangs on.
fn hung(value: &Bound<'_, PyAny>, kind: LiteralKind, zones: &Zones) -> PyResult<Found> {
    let py = value.py();
    let zone = value.getattr(intern!(py, "tzinfo"))?;
    let class = zone.get_type();
    let mut key = None;
    if !zone.is_none() && !class.is(&classes(py)?.timezone) {
        if !loaded(py, &ZONE_INFO, "zoneinfo", "ZoneInfo")?.is_some_and(|known| class.is(known)) {
            let name = class.fully_qualified_name()?;
            return Ok(Found::Refused(format!(
                "a time with a tzinfo of type {name} cannot be sent to Dana: use zoneinfo.ZoneInfo or datetime.timezone"
            )));
        }
        let Ok(name) = zone.getattr(intern!(py, "key"))?.extract::<String>() else {
            return Ok(Found::Refused(
                "a time in a ZoneInfo without a key cannot be sent to Dana".to_owned(),
            ));
        };
        if !dana_wire::is_zone_key(&name) {
            return Ok(Found::Refused(format!("a time in the zone {name:?} cannot be sent to Dana")));
        }
        if !zones.note(&name, &zone) {
            return Ok(Found::Refused(format!("a session takes times of at most {ZONES} zones")));
        }
        key = Some(name);
    }
    let mut text: String = value.call_method0(intern!(py, "isoformat"))?.extract()?;
    if let Some(key) = key {
        text.push('[');
        text.push_str(&key);
        text.push(']');
    }
    if value.getattr(intern!(py, "fold"))?.extract::<u8>()? == 1 {
        text.push('~');
    }
    Ok(Found::Text(kind, text))
}

/// The wire's text of a decimal, from Python's.
fn decimal_text(text: &str) -> Option<String> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => ("-", size),
        None => ("", text),
    };
    for name in ["Infinity", "NaN", "sNaN"] {
        // What a NaN carries does not cross.
        if size.strip_prefix(name).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
            return Some(format!("{sign}{name}"));
        }
    }
    let (mantissa, exponent) = size.split_once('E').unwrap_or((size, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    Some(format!("{sign}{digits}E{exponent}"))
}

/// The Python object of a literal; none for a zone that this host never sent.
pub(crate) fn object<'py>(
    py: Python<'py>,
    literal: &Literal<'_>,
    zones: &Zones,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let own = classes(py)?;
    Ok(Some(match literal {
        Literal::Date(Day { year, month, day }) => own.date.bind(py).call1((*year, *month, *day))?,
        Literal::Time(clock, zone) => {
            let Some(zone) = zone_of(py, zone, zones)? else { return Ok(None) };
            let Clock { hour, minute, second, micro, fold } = *clock;
            own.time.bind(py).call((hour, minute, second, micro, zone), folded(py, fold)?.as_ref())?
        }
        Literal::DateTime(Day { year, month, day }, clock, zone) => {
            let Some(zone) = zone_of(py, zone, zones)? else { return Ok(None) };
            let Clock { hour, minute, second, micro, fold } = *clock;
            let parts = (*year, *month, *day, hour, minute, second, micro, zone);
            own.datetime.bind(py).call(parts, folded(py, fold)?.as_ref())?
        }
        Literal::Duration(micros) => duration(py, *micros)?,
        Literal::Decimal(Decimal { negative, size }) => {
            let sign = if *negative { "-" } else { "" };
            let text = match size {
                Size::Finite { digits, exponent } => format!("{sign}{digits}E{exponent}"),
                Size::Infinite => format!("{sign}Infinity"),
                Size::Nan { signaling } => format!("{sign}{}NaN", if *signaling { "s" } else { "" }),
            };
            let class = DECIMAL.get_or_try_init(py, || class_of(py, "decimal", "Decimal"))?;
            class.bind(py).call1((text,))?
        }
        Literal::Uuid(bits) => {
            let keywords = PyDict::new(py);
            keywords.set_item("int", *bits)?;
            let class = UUID.get_or_try_init(py, || class_of(py, "uuid", "UUID"))?;
            class.bind(py).call((), Some(&keywords))?
        }
    }))
}

fn class_of(py: Python<'_>, module: &str, name: &str) -> PyResult<Py<PyType>> {
    Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
}

fn folded(py: Python<'_>, fold: bool) -> PyResult<Option<Bound<'_, PyDict>>> {
    if !fold {
        return Ok(None);
    }
    let keywords = PyDict::new(py);
    keywords.set_item("fold", 1)?;
    Ok(Some(keywords))
}

fn duration(py: Python<'_>, micros: i128) -> PyResult<Bound<'_, PyAny>> {
    const DAY: i128 = 86_400_000_000;
    let rest = micros.rem_euclid(DAY);
    let parts = [micros.div_euclid(DAY), rest / 1_000_000, rest % 1_000_000];
    let [days, seconds, micros] = parts.map(|part| i64::try_from(part).unwrap_or(0));
    classes(py)?.timedelta.bind(py).call1((days, seconds, micros))
}

fn zone_of<'py>(
    py: Python<'py>,
    zone: &Zone<&str>,
    zones: &Zones,
) -> PyResult<Option<Option<Bound<'py, PyAny>>>> {
    let own = classes(py)?;
    Ok(match zone {
        Zone::Naive => Some(None),
        Zone::Offset(0) => Some(Some(own.utc.bind(py).clone())),
        Zone::Offset(offset) => {
            Some(Some(own.timezone.bind(py).call1((duration(py, i128::from(*offset))?,))?))
        }
        Zone::Named { key, .. } => zones.get(py, key).map(Some),
    })
}
