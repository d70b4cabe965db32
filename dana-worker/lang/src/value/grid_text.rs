//! Tables as texts: aligned for people, dense for a model. Both are short whatever the table's size, and say what they
//! leave out.

use std::fmt::Write as _;

use super::grid::{Column, Grid};
use super::{ColumnObj, Raise, Value, memory, repr};
use crate::text;

/// Rows printed: more than this, and the middle is left out.
const ROWS: usize = 20;
/// Of those, rows from the end.
const LAST: usize = 5;
/// Columns printed.
const COLUMNS: usize = 20;
/// Characters of a cell that are printed.
const CELL: usize = 40;
/// Cells of a column that are printed.
const ITEMS: usize = 100;

/// Bytes of one table for a model.
pub const MODEL_BYTES: usize = 16 << 10;
/// Characters of a cell for a model.
const MODEL_CELL: usize = 200;

/// A table as aligned columns.
pub fn aligned(out: &mut String, grid: &Grid) -> Result<(), Raise> {
    let shown = grid.shown().count();
    let columns: Vec<&Column> =
        grid.index().chain(grid.shown().map(|(_, column)| column).take(COLUMNS)).collect();
    let (first, last) = if grid.rows > ROWS { (ROWS - LAST, LAST) } else { (grid.rows, 0) };
    memory::reserve(columns.len().saturating_mul((ROWS + 2) * (CELL * 4 + 64)))?;
    let mut laid: Vec<(Vec<String>, bool, usize)> = Vec::with_capacity(columns.len());
    for column in &columns {
        let mut cells = vec![cut(&column.name(), CELL)];
        for row in (0..first).chain(grid.rows - last..grid.rows) {
            cells.push(match column.cell(row)? {
                Value::Float(float) => short(float.get()),
                _ => cut(&cell_text(column, row)?, CELL),
            });
        }
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
        laid.push((cells, column.is_number(), width));
    }
    for line in 0..=first + last {
        if line == first + 1 {
            let left_out = grid.rows - first - last;
            let _ = writeln!(out, "... {left_out} more rows ...");
        }
        for (at, (cells, right, width)) in laid.iter().enumerate() {
            let cell = cells.get(line).map_or("", String::as_str);
            let pad = width - cell.chars().count();
            out.push_str(if at > 0 { "  " } else { "" });
            if *right {
                out.extend(std::iter::repeat_n(' ', pad));
            }
            out.push_str(cell);
            if !*right && at + 1 < laid.len() {
                out.extend(std::iter::repeat_n(' ', pad));
            }
        }
        out.push('\n');
    }
    if let Some(more) = shown.checked_sub(COLUMNS).filter(|more| *more > 0) {
        let _ = writeln!(out, "... {more} more columns ...");
    }
    let _ = write!(out, "[{}]", size(grid));
    Ok(())
}

/// A table inside something else that is printed.
pub fn brief(out: &mut String, grid: &Grid) {
    let _ = write!(out, "<table of {}: ", size(grid));
    for (at, (_, column)) in grid.shown().take(COLUMNS).enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        out.push_str(&cut(&column.name(), CELL));
    }
    out.push_str(if grid.shown().count() > COLUMNS { ", ...>" } else { ">" });
}

fn size(grid: &Grid) -> String {
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!("{} x {}", plural(grid.rows, "row"), plural(grid.shown().count(), "column"))
}

/// A column as a list of its first cells.
pub fn listed(out: &mut String, column: &ColumnObj, depth: usize) -> Result<(), Raise> {
    if depth > 0 {
        let _ = write!(out, "<column of {} values>", column.len());
        return Ok(());
    }
    out.push('[');
    for at in 0..column.len().min(ITEMS) {
        out.push_str(if at > 0 { ", " } else { "" });
        out.push_str(&repr::shown(&column.get(at)?.unwrap_or(Value::None))?);
    }
    match column.len().saturating_sub(ITEMS) {
        0 => out.push(']'),
        more => {
            let _ = write!(out, ", ... {more} more]");
        }
    }
    Ok(())
}

/// A table for a model: what it is, then comma-separated rows up to `most` bytes, and what was left out.
pub fn for_model(grid: &Grid, most: usize) -> Result<String, Raise> {
    let mut out = format!("Table of {}.", size(grid));
    let columns: Vec<&Column> = grid.index().chain(grid.shown().map(|(_, column)| column)).collect();
    let mut header = String::new();
    let mut kept = 0;
    for column in &columns {
        let name = quoted(&column.name());
        if out.len() + header.len() + name.len() + 1 > most / 2 && kept > 0 {
            break;
        }
        header.push_str(if kept > 0 { "," } else { "" });
        header.push_str(&name);
        kept += 1;
    }
    let _ = write!(out, "\n{header}");
    let columns = columns.get(..kept).unwrap_or_default();
    let mut rows = 0;
    let mut line = String::new();
    while rows < grid.rows {
        line.clear();
        for (at, column) in columns.iter().enumerate() {
            line.push(if at > 0 { ',' } else { '\n' });
            line.push_str(&quoted(&cell_text(column, rows)?));
            if out.len() + line.len() > most {
                break;
            }
        }
        if out.len() + line.len() > most {
            break;
        }
        out.push_str(&line);
        rows += 1;
    }
    if rows < grid.rows {
        let _ = write!(out, "\n... {} more rows are left out", grid.rows - rows);
    }
    let all = grid.columns.len();
    if kept < all {
        let _ = write!(out, "\n... {} more columns are left out", all - kept);
    }
    Ok(out)
}

/// A cell of comma-separated values.
fn quoted(cell: &str) -> String {
    let cell = cut(cell, MODEL_CELL);
    if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn cell_text(column: &Column, row: usize) -> Result<String, Raise> {
    match column.cell(row)? {
        Value::None => Ok(String::new()),
        Value::Literal(literal) => literal.display(),
        value => match value.as_text() {
            Some(text) => Ok(text::beginning(&text, MODEL_CELL + 1).to_owned()),
            None => repr::shown(&value),
        },
    }
}

/// A float in about eight characters, as tables of figures are read.
fn short(float: f64) -> String {
    let exact = text::repr_float(float);
    if exact.len() <= 8 || !float.is_finite() {
        return exact;
    }
    if !(1e-4..1e9).contains(&float.abs()) {
        return format!("{float:.5e}");
    }
    // Six digits behind the point, fewer behind large numbers.
    let places = 6_usize.saturating_sub(format!("{:.0}", float.abs()).len().saturating_sub(1));
    format!("{float:.places$}")
}

/// The beginning of a text, on one line.
fn cut(cell: &str, most: usize) -> String {
    let mut out = String::new();
    let mut chars = cell.chars();
    for char in chars.by_ref().take(most) {
        match char {
            '\n' => out.push_str("\\n"),
            char if char.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            char => out.push(char),
        }
    }
    if chars.next().is_some() {
        out.push_str("...");
    }
    out
}

/// Any value for a model, in at most about `most` bytes. A dict of tables and other things is written entry by entry.
pub fn data(value: &Value, most: usize) -> Result<String, Raise> {
    match value {
        Value::Dict(dict) if dict.table.borrow().iter().any(|entry| is_table(&entry.value)) => {
            let entries: Vec<(Value, Value)> =
                dict.table.borrow().iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
            let mut out = String::new();
            for (at, (key, value)) in entries.iter().enumerate() {
                if out.len() >= most {
                    let _ = write!(out, "\n... {} more entries are left out", entries.len() - at);
                    break;
                }
                out.push_str(if at > 0 { "\n\n" } else { "" });
                let _ = write!(out, "{}:\n{}", repr::display(key)?, entry(value, most - out.len())?);
            }
            Ok(out)
        }
        value => entry(value, most),
    }
}

fn entry(value: &Value, most: usize) -> Result<String, Raise> {
    match value {
        Value::Grid(grid) => for_model(grid, most.min(MODEL_BYTES)),
        Value::Column(column) => for_model(&column.alone(), most.min(MODEL_BYTES)),
        value => {
            let text = repr::display(value)?;
            if text.len() <= most {
                return Ok(text);
            }
            let kept = text.floor_char_boundary(most);
            let left_out = text.len() - kept;
            Ok(format!("{}\n... {left_out} more bytes are left out", text.get(..kept).unwrap_or_default()))
        }
    }
}

fn is_table(value: &Value) -> bool {
    matches!(value, Value::Grid(_) | Value::Column(_))
}
