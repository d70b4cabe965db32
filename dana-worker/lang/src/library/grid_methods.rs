//! Methods of tables and their columns. All give new tables; nothing changes one.

use std::rc::Rc;

use crate::session::Services;
use crate::value::grid::{Column, ColumnObj, Grid};
use crate::value::work::Walk;
use crate::value::{Raise, Table, Text, Value, memory, order, truth, work};

use super::args::{self, natives, walk};
use super::native::{Call, Continuation, Step};

natives! {
    /// In order of name: they are searched by halves.
    TABLE:
    "drop" ["self" Position, "names" Rest] Plain drop_columns;
    "head" ["self" Position, "n" Optional] Plain head;
    "select" ["self" Position, "names" Rest] Plain select;
    "sort" ["self" Position, "by" Either, "reverse" Optional] Plain sort;
    "tail" ["self" Position, "n" Optional] Plain tail;
    "to_dict" ["self" Position] Plain to_dict;
    "where" ["self" Position, "condition" Either] Steps filter;
    "with_column" ["self" Position, "name" Either, "values" Either] Plain with_column;
}

natives! {
    /// In order of name.
    COLUMN:
    "count" ["self" Position, "value" Position] Plain count;
    "to_list" ["self" Position] Plain to_list;
    "unique" ["self" Position] Plain unique;
}

natives! {
    /// A program may have its own of this name.
    replaceable FUNCTIONS:
    "table" ["rows" Position] Plain table;
}

fn grid<'a>(call: &Call<'a>) -> Result<&'a Rc<Grid>, Raise> {
    match call.arg(0) {
        Value::Grid(grid) => Ok(grid),
        _ => Err(args::misapplied(call, "table")),
    }
}

fn column<'a>(call: &Call<'a>) -> Result<&'a Rc<ColumnObj>, Raise> {
    match call.arg(0) {
        Value::Column(column) => Ok(column),
        _ => Err(args::misapplied(call, "column")),
    }
}

fn made(grid: Grid) -> Value {
    Value::Grid(Rc::new(grid))
}

fn rows(range: std::ops::Range<usize>) -> Result<Vec<usize>, Raise> {
    memory::reserve(range.len().saturating_mul(8))?;
    work::elements(range.len())?;
    Ok(range.collect())
}

/// The places of the columns that are named: texts, or lists of them.
fn places(grid: &Grid, names: &[Value]) -> Result<Vec<usize>, Raise> {
    let mut places = Vec::new();
    for name in names {
        let name = name.observe()?;
        if let Some(name) = name.as_text() {
            places.push(place(grid, &name)?);
            continue;
        }
        for name in walk(&name)?.collect()? {
            let name = name.observe()?;
            places.push(place(grid, &text(&name)?)?);
        }
    }
    let mut sorted = places.clone();
    sorted.sort_unstable();
    if sorted.array_windows().any(|[one, two]| one == two) {
        return Err(Raise::value_error("a column is named twice"));
    }
    Ok(places)
}

fn text(value: &Value) -> Result<Text<'_>, Raise> {
    args::text(value, "a column is named by a str")
}

fn place(grid: &Grid, name: &str) -> Result<usize, Raise> {
    grid.find(name)?.ok_or_else(|| no_column(grid, name))
}

/// There is no column of that name.
pub fn no_column(grid: &Grid, name: &str) -> Raise {
    let mut known = String::new();
    for (at, (_, column)) in grid.shown().take(10).enumerate() {
        known.push_str(if at > 0 { ", " } else { "" });
        known.push_str(&column.name().chars().take(40).collect::<String>());
    }
    let more = if grid.shown().count() > 10 { ", ..." } else { "" };
    let name: String = name.chars().take(100).collect();
    Raise::key_error(format!("the table has no column '{name}'; its columns: {known}{more}"))
}

fn select(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    Ok(made(grid.select(&places(grid, call.rest)?)))
}

fn drop_columns(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    let gone = places(grid, call.rest)?;
    let left: Vec<usize> = grid.shown().map(|(at, _)| at).filter(|at| !gone.contains(at)).collect();
    Ok(made(grid.select(&left)))
}

/// How many rows `head` and `tail` give; negative counts leave so many out, as in pandas.
fn wanted(call: &Call<'_>, all: usize) -> Result<usize, Raise> {
    let count = match args::some(call, 1) {
        Some(count) => args::index(count)?,
        None => 5,
    };
    Ok(match usize::try_from(count) {
        Ok(count) => count.min(all),
        Err(_) => all.saturating_sub(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)),
    })
}

fn head(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    Ok(made(grid.pick(&rows(0..wanted(call, grid.rows)?)?)?))
}

fn tail(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    Ok(made(grid.pick(&rows(grid.rows - wanted(call, grid.rows)?..grid.rows)?)?))
}

/// By the cells of one column, which are all texts or all numbers; what is missing, or no number, comes last.
fn sort(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    let reverse = args::flag(call.given(2))?;
    let name = text(call.arg(1))?;
    let at = place(grid, &name)?;
    let Some(by) = grid.columns.get(at) else { return Ok(call.arg(0).clone()) };
    memory::reserve_values(grid.rows.saturating_mul(3))?;
    let mut keyed: Vec<(usize, Value)> = Vec::with_capacity(grid.rows);
    let mut missing = Vec::new();
    let (mut pace, mut bytes, mut texts) = (Walk::default(), 0_usize, 0);
    for row in 0..grid.rows {
        pace.step()?;
        let cell = by.cell(row)?;
        match &cell {
            Value::None => missing.push(row),
            Value::Float(float) if float.get().is_nan() => missing.push(row),
            Value::Int(_) | Value::Big(_) | Value::Float(_) | Value::True | Value::False => {
                keyed.push((row, cell));
            }
            other => {
                let Some(length) = other.as_text().map(|text| text.len()) else {
                    return Err(unsortable(&name));
                };
                bytes = bytes.saturating_add(length);
                texts += 1;
                keyed.push((row, cell));
            }
        }
    }
    if texts > 0 && texts < keyed.len() {
        return Err(unsortable(&name));
    }
    // Charged at once: what compares must not fail.
    let rounds = keyed.len().checked_ilog2().unwrap_or(0) as usize + 1;
    work::elements(keyed.len().saturating_mul(rounds))?;
    work::bytes(bytes.saturating_mul(rounds))?;
    keyed.sort_by(|(_, a), (_, b)| {
        let (a, b) = if reverse { (b, a) } else { (a, b) };
        match (a.as_text(), b.as_text()) {
            (Some(a), Some(b)) => (*a).cmp(&*b),
            _ => order::compare(a, b, "<").ok().flatten().unwrap_or(std::cmp::Ordering::Equal),
        }
    });
    let order: Vec<usize> = keyed.into_iter().map(|(row, _)| row).chain(missing).collect();
    Ok(made(grid.pick(&order)?))
}

fn unsortable(name: &str) -> Raise {
    let name: String = name.chars().take(100).collect();
    Raise::type_error(format!(
        "the column '{name}' is neither of texts nor of numbers, so a table cannot be sorted by it"
    ))
}

/// A dict of the columns, as lists.
fn to_dict(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    let mut table = Table::new();
    for (_, column) in grid.shown() {
        table.insert(column.name.clone(), Value::list(cells(column, grid.rows)?))?;
    }
    Ok(Value::dict(table))
}

fn cells(column: &Column, rows: usize) -> Result<Vec<Value>, Raise> {
    memory::reserve_values(rows)?;
    let mut cells = Vec::with_capacity(rows);
    let mut pace = Walk::default();
    for row in 0..rows {
        pace.step()?;
        cells.push(column.cell(row)?);
    }
    Ok(cells)
}

/// The table with a column replaced, or added at its end.
fn with_column(call: &mut Call<'_>) -> Result<Value, Raise> {
    let grid = grid(call)?;
    let name = text(call.arg(1))?;
    if name.len() > dana_wire::LABEL_BYTES {
        return Err(Raise::value_error("the name of a column is too long"));
    }
    let new = match call.arg(2) {
        Value::Column(column) => match column.column() {
            Some(old) if column.len() == grid.rows => {
                Column { name: call.arg(1).clone(), index: false, ..old.clone() }
            }
            _ => return Err(uneven(column.len(), grid.rows)),
        },
        values => {
            let values = observed(walk(values)?.collect()?)?;
            if values.len() != grid.rows {
                return Err(uneven(values.len(), grid.rows));
            }
            Column::made(call.arg(1).clone(), values)?
        }
    };
    let mut columns = grid.columns.clone();
    match grid.find(&name)?.and_then(|at| columns.get_mut(at)) {
        Some(old) => *old = new,
        None => {
            check_count(columns.len() + 1)?;
            columns.push(new);
        }
    }
    Ok(made(Grid { rows: grid.rows, note: Rc::clone(&grid.note), columns }))
}

fn uneven(given: usize, rows: usize) -> Raise {
    Raise::value_error(format!("{given} values for a table of {rows} rows"))
}

fn check_count(columns: usize) -> Result<(), Raise> {
    let most = dana_wire::COLUMNS;
    if columns > most {
        return Err(Raise::value_error(format!("a table has at most {most} columns")));
    }
    Ok(())
}

fn observed(values: Vec<Value>) -> Result<Vec<Value>, Raise> {
    if !values.iter().any(|value| matches!(value, Value::Promise(_))) {
        return Ok(values);
    }
    memory::reserve_values(values.len())?;
    values.iter().map(Value::observe).collect()
}

/// A table of a list of dicts, or of a dict of lists. Keys that a row lacks are `None` there.
fn table(call: &mut Call<'_>) -> Result<Value, Raise> {
    let mut named: Vec<(Value, Vec<Value>)> = Vec::new();
    let mut rows = 0;
    match call.arg(0) {
        same @ Value::Grid(_) => return Ok(same.clone()),
        Value::Dict(dict) => {
            for entry in dict.table.borrow().iter() {
                let values = observed(walk(&entry.value)?.collect()?)?;
                if !named.is_empty() && values.len() != rows {
                    return Err(uneven(values.len(), rows));
                }
                rows = values.len();
                check_name(&entry.key)?;
                memory::push(&mut named, (entry.key.clone(), values))?;
            }
        }
        list => {
            let mut places: Table<usize> = Table::new();
            let mut pace = Walk::default();
            for row in walk(list)?.collect()? {
                let row = row.observe()?;
                let Value::Dict(dict) = &row else {
                    let kind = row.type_name();
                    return Err(Raise::type_error(format!("a row of a table is a dict, not '{kind}'")));
                };
                for entry in dict.table.borrow().iter() {
                    pace.step()?;
                    let value = entry.value.observe()?;
                    let place = match places.get(&entry.key)? {
                        Some(place) => *place,
                        None => {
                            check_name(&entry.key)?;
                            check_count(named.len() + 1)?;
                            places.insert(entry.key.clone(), named.len())?;
                            memory::push(&mut named, (entry.key.clone(), Vec::new()))?;
                            named.len() - 1
                        }
                    };
                    if let Some((_, values)) = named.get_mut(place) {
                        fill(values, rows, value)?;
                    }
                }
                rows += 1;
            }
        }
    }
    check_count(named.len())?;
    let mut columns = Vec::with_capacity(named.len());
    for (name, mut values) in named {
        pad(&mut values, rows)?;
        columns.push(Column::made(name, values)?);
    }
    let rows = if columns.is_empty() { 0 } else { rows };
    Ok(made(Grid { rows, note: "".into(), columns }))
}

fn check_name(name: &Value) -> Result<(), Raise> {
    let name = text(name)?;
    if name.len() > dana_wire::LABEL_BYTES {
        return Err(Raise::value_error("the name of a column is too long"));
    }
    Ok(())
}

/// Appends the value of a row to a column that lacks those before.
fn fill(values: &mut Vec<Value>, row: usize, value: Value) -> Result<(), Raise> {
    pad(values, row)?;
    memory::push(values, value)
}

fn pad(values: &mut Vec<Value>, rows: usize) -> Result<(), Raise> {
    let lacking = rows.saturating_sub(values.len());
    work::elements(lacking)?;
    memory::grow(values, lacking)?;
    values.resize(values.len() + lacking, Value::None);
    Ok(())
}

fn to_list(call: &mut Call<'_>) -> Result<Value, Raise> {
    let column = column(call)?;
    column.column().map_or(Ok(Vec::new()), |it| cells(it, column.len())).map(Value::list)
}

fn unique(call: &mut Call<'_>) -> Result<Value, Raise> {
    let column = column(call)?;
    let mut seen: Table<()> = Table::new();
    let mut found = Vec::new();
    let mut pace = Walk::default();
    for at in 0..column.len() {
        pace.step()?;
        let cell = column.get(at)?.unwrap_or(Value::None);
        memory::reserve(seen.growth())?;
        if seen.add(cell.clone())? {
            memory::push(&mut found, cell)?;
        }
    }
    Ok(Value::list(found))
}

fn count(call: &mut Call<'_>) -> Result<Value, Raise> {
    let column = column(call)?;
    let mut count = 0;
    let mut pace = Walk::default();
    for at in 0..column.len() {
        pace.step()?;
        let cell = column.get(at)?.unwrap_or(Value::None);
        count += i64::from(crate::value::eq::equal(&cell, call.arg(1))?);
    }
    Ok(Value::Int(count))
}

/// The rows for which a function is true, or a list of truths, one a row.
fn filter(call: &mut Call<'_>) -> Result<Step, Raise> {
    let grid = Rc::clone(grid(call)?);
    let condition = call.arg(1);
    if condition.is_callable() {
        let filtering = Filtering { grid, function: condition.clone(), at: 0, kept: Vec::new() };
        return Box::new(filtering).next();
    }
    let truths = observed(walk(condition)?.collect()?)?;
    if truths.len() != grid.rows {
        return Err(uneven(truths.len(), grid.rows));
    }
    memory::reserve(grid.rows.saturating_mul(8))?;
    let mut kept = Vec::new();
    for (row, holds) in truths.iter().enumerate() {
        if truth::plain(holds)? {
            kept.push(row);
        }
    }
    Ok(Step::Done(made(grid.pick(&kept)?)))
}

struct Filtering {
    grid: Rc<Grid>,
    function: Value,
    /// The row that is asked about next.
    at: usize,
    kept: Vec<usize>,
}

impl Filtering {
    fn next(mut self: Box<Self>) -> Result<Step, Raise> {
        if self.at >= self.grid.rows {
            return Ok(Step::Done(made(self.grid.pick(&self.kept)?)));
        }
        let row = self.grid.row(self.at)?;
        self.at += 1;
        Ok(Step::Call { function: self.function.clone(), args: vec![row], keywords: Vec::new(), then: self })
    }
}

impl Continuation for Filtering {
    fn resume(mut self: Box<Self>, result: Value, _services: &mut Services) -> Result<Step, Raise> {
        if let Value::Promise(promise) = &result
            && promise.is_pending()
        {
            return Ok(Step::Wait { promise: Rc::clone(promise), then: self });
        }
        if truth::plain(&result)? {
            let row = self.at.saturating_sub(1);
            memory::push(&mut self.kept, row)?;
        }
        self.next()
    }
}
