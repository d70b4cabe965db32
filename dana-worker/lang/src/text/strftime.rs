//! `strftime`: a time by a format, as C's locale has it.

use std::fmt::Write as _;

use super::Fault;
use super::fault::fits;

/// What a format can show. A time of day alone stands on 1 January 1900, as in Python.
#[derive(Debug, Clone)]
pub struct Parts {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub micro: u32,
    /// Monday is 0.
    pub weekday: i64,
    /// From 1.
    pub day_of_year: i64,
    pub iso_year: i64,
    pub iso_week: i64,
    /// As `+HH:MM`, empty where there is none.
    pub offset: String,
    pub zone: String,
}

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn named<'a>(names: &[&'a str], at: i64) -> &'a str {
    usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or("")
}

/// The time by the format.
pub fn strftime(format: &str, parts: &Parts, room: usize) -> Result<String, Fault> {
    let mut out = String::new();
    put(&mut out, format, parts, room)?;
    Ok(out)
}

fn put(out: &mut String, format: &str, p: &Parts, room: usize) -> Result<(), Fault> {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        fits(out.len().saturating_add(64), room)?;
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut directive = chars.next().ok_or_else(|| Fault::Value("Invalid format string".to_owned()))?;
        // `%-d` has no zero before it.
        let bare = directive == '-';
        let colon = directive == ':';
        if bare || colon {
            directive = chars.next().ok_or_else(|| Fault::Value("Invalid format string".to_owned()))?;
        }
        let mut number = |number: i64, width: usize| {
            // Writing to a string cannot fail.
            let _ = if bare { write!(out, "{number}") } else { write!(out, "{number:0width$}") };
        };
        let twelve = if p.hour % 12 == 0 { 12 } else { p.hour % 12 };
        match directive {
            'Y' => number(p.year, 0),
            'G' => number(p.iso_year, 4),
            'C' => number(p.year / 100, 2),
            'y' => number(p.year % 100, 2),
            'g' => number(p.iso_year % 100, 2),
            'm' => number(p.month, 2),
            'd' => number(p.day, 2),
            'H' => number(p.hour, 2),
            'I' => number(twelve, 2),
            'M' => number(p.minute, 2),
            'S' => number(p.second, 2),
            'j' => number(p.day_of_year, 3),
            'u' => number(p.weekday + 1, 1),
            'w' => number((p.weekday + 1) % 7, 1),
            'V' => number(p.iso_week, 2),
            'U' => number((p.day_of_year + 6 - (p.weekday + 1) % 7) / 7, 2),
            'W' => number((p.day_of_year + 6 - p.weekday) / 7, 2),
            'f' => number(i64::from(p.micro), 6),
            'e' if bare => number(p.day, 0),
            'e' => {
                let _ = write!(out, "{:2}", p.day);
            }
            'k' => {
                let _ = write!(out, "{:2}", p.hour);
            }
            'l' => {
                let _ = write!(out, "{twelve:2}");
            }
            'p' => out.push_str(if p.hour < 12 { "AM" } else { "PM" }),
            'P' => out.push_str(if p.hour < 12 { "am" } else { "pm" }),
            'A' => out.push_str(named(&DAYS, p.weekday)),
            'a' => out.push_str(named(&DAYS, p.weekday).get(..3).unwrap_or("")),
            'B' => out.push_str(named(&MONTHS, p.month - 1)),
            'b' | 'h' => out.push_str(named(&MONTHS, p.month - 1).get(..3).unwrap_or("")),
            'z' if colon => out.push_str(&p.offset),
            'z' => out.push_str(&p.offset.replace(':', "")),
            'Z' => out.push_str(&p.zone),
            'n' => out.push('\n'),
            't' => out.push('\t'),
            '%' => out.push('%'),
            'F' => put(out, "%Y-%m-%d", p, room)?,
            'D' | 'x' => put(out, "%m/%d/%y", p, room)?,
            'T' | 'X' => put(out, "%H:%M:%S", p, room)?,
            'R' => put(out, "%H:%M", p, room)?,
            'r' => put(out, "%I:%M:%S %p", p, room)?,
            'c' => put(out, "%a %b %e %H:%M:%S %Y", p, room)?,
            other => return Err(Fault::Value(format!("unknown directive '%{other}' in a time format"))),
        }
    }
    Ok(())
}
