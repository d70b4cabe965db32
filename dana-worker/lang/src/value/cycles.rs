//! Garbage that holds itself: containers that lead back to themselves and that nothing else holds.
//!
//! A cycle is closed by a store into a container that exists already, so such a store, of a value that leads anywhere,
//! notes the container (weakly, once). A program without such stores pays one look at a tag. Now and then, as memory
//! grows, [`collect`] follows what the noted containers lead to and counts the references it finds: a container with
//! more references than that is held from outside, by a variable, the machine's stack, the host, and so is all it leads
//! to; the others are emptied. No root is enumerated, so it may run inside any operation: what an operation holds or
//! has borrowed counts as held.
//!
//! Costs in proportion to what is followed, charged as steps; memory grows by a share of itself between two rounds, so
//! the whole stays linear. Nothing recurses.

use std::cell::RefCell;
use std::mem::{self, ManuallyDrop};
use std::rc::{Rc, Weak};

use hashbrown::HashTable;

use super::promise::PromiseState;
use super::work::Walk;
use super::{
    CellObj, DictObj, ErrorObj, FuncObj, Iter, ListObj, ModuleObj, Namespace, PromiseObj, Raise, SetObj,
    StructObj, Value, memory, take,
};

/// Elements of a container that are looked at to see that it leads nowhere.
const FEW: usize = 8;
/// Notes before the dead ones among them are dropped for the first time.
const NOTES: usize = 256;
/// Notes in one block.
const BLOCK: usize = 1024;
/// Bytes that following one container takes.
const NODE: usize = 40;

/// A container that a value was stored into.
pub enum Note {
    List(Weak<ListObj>),
    Dict(Weak<DictObj>),
    Set(Weak<SetObj>),
    Struct(Weak<StructObj>),
    Cell(Weak<CellObj>),
    Error(Weak<ErrorObj>),
    Promise(Weak<PromiseObj>),
    Module(Weak<ModuleObj>),
}

impl Note {
    /// The container, if it still lives.
    fn value(&self) -> Option<Value> {
        match self {
            Note::List(it) => it.upgrade().map(Value::List),
            Note::Dict(it) => it.upgrade().map(Value::Dict),
            Note::Set(it) => it.upgrade().map(Value::Set),
            Note::Struct(it) => it.upgrade().map(Value::Struct),
            Note::Cell(it) => it.upgrade().map(Value::Cell),
            Note::Error(it) => it.upgrade().map(Value::Error),
            Note::Promise(it) => it.upgrade().map(Value::Promise),
            Note::Module(it) => it.upgrade().map(Value::Module),
        }
    }

    fn lives(&self) -> bool {
        let holders = match self {
            Note::List(it) => it.strong_count(),
            Note::Dict(it) => it.strong_count(),
            Note::Set(it) => it.strong_count(),
            Note::Struct(it) => it.strong_count(),
            Note::Cell(it) => it.strong_count(),
            Note::Error(it) => it.strong_count(),
            Note::Promise(it) => it.strong_count(),
            Note::Module(it) => it.strong_count(),
        };
        holders > 0
    }
}

/// What can be stored into after it was made.
pub trait Mutable {
    fn note(this: &Rc<Self>) -> Note;
}

macro_rules! mutable {
    ($($kind:ident $note:ident;)*) => {
        $(impl Mutable for $kind {
            fn note(this: &Rc<Self>) -> Note {
                Note::$note(Rc::downgrade(this))
            }
        })*
    };
}

mutable! {
    ListObj List;
    DictObj Dict;
    SetObj Set;
    StructObj Struct;
    CellObj Cell;
    ErrorObj Error;
    PromiseObj Promise;
    ModuleObj Module;
}

/// The containers of a session that were stored into. In blocks, so that one more takes little memory at once.
pub struct Notes {
    blocks: Vec<Vec<Note>>,
    count: usize,
    /// Notes at which the dead ones are dropped next.
    full: usize,
}

impl Default for Notes {
    fn default() -> Self {
        Notes::EMPTY
    }
}

impl Notes {
    pub const EMPTY: Notes = Notes { blocks: Vec::new(), count: 0, full: NOTES };

    fn add(&mut self, note: Note) {
        if self.count >= self.full {
            self.drop_dead();
        }
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(note),
            _ => self.blocks.push(vec![note]),
        }
        self.count += 1;
    }

    fn drop_dead(&mut self) {
        let blocks = mem::take(&mut self.blocks);
        self.count = 0;
        self.full = usize::MAX;
        for note in blocks.into_iter().flatten().filter(Note::lives) {
            self.add(note);
        }
        self.full = (self.count * 2).max(NOTES);
    }
}

thread_local! {
    // Never dropped, as the queue of `release`.
    static NOTED: ManuallyDrop<RefCell<Notes>> = const { ManuallyDrop::new(RefCell::new(Notes::EMPTY)) };
}

/// Makes `notes` those of this thread and returns those that were.
pub fn replace(notes: Notes) -> Notes {
    NOTED.with(|noted| noted.replace(notes))
}

/// To be called before `value` is stored into a container that others may hold.
#[inline(always)]
pub fn stored<T: Mutable>(into: &Rc<T>, value: &Value) {
    if leads(value) {
        stored_slow(into, value);
    }
}

/// The same for many values.
pub fn stored_all<'a, T: Mutable>(into: &Rc<T>, values: impl IntoIterator<Item = &'a Value>) {
    // To note one too many harms nothing, so this does not look into the values.
    if Rc::weak_count(into) == 0 && values.into_iter().any(leads) {
        note(into);
    }
}

#[inline(never)]
fn stored_slow<T: Mutable>(into: &Rc<T>, value: &Value) {
    let same = place(value).is_some_and(|at| at == Rc::as_ptr(into) as usize);
    if Rc::weak_count(into) == 0 && (same || !is_leaf(value)) {
        note(into);
    }
}

/// Notes a container, whatever is stored into it.
pub fn note<T: Mutable>(into: &Rc<T>) {
    if Rc::weak_count(into) == 0 {
        NOTED.with(|noted| noted.borrow_mut().add(T::note(into)));
    }
}

/// May lead to a container.
#[inline(always)]
fn leads(value: &Value) -> bool {
    !value.is_scalar()
        && !matches!(
            value,
            Value::Str(_)
                | Value::Big(_)
                | Value::Bytes(_)
                | Value::Range(_)
                | Value::Type(_)
                | Value::Literal(_)
                | Value::StructType(_)
        )
}

/// Surely leads to no other container now. When that changes, it is stored into.
fn is_leaf(value: &Value) -> bool {
    let flat = |items: &[Value]| items.len() <= FEW && !items.iter().any(leads);
    match value {
        Value::List(list) => list.items.try_borrow().is_ok_and(|items| flat(&items)),
        Value::Tuple(tuple) => flat(tuple.items()),
        Value::Struct(it) => it.fields.try_borrow().is_ok_and(|fields| flat(&fields)),
        Value::Dict(dict) => dict.table.try_borrow().is_ok_and(|table| {
            table.len() <= FEW && !table.iter().any(|entry| leads(&entry.key) || leads(&entry.value))
        }),
        Value::Set(set) => {
            set.table.try_borrow().is_ok_and(|table| table.len() <= FEW && !table.keys().any(leads))
        }
        Value::Func(func) => func.captures.is_empty() && flat(&func.defaults) && !is_noted(func),
        Value::Error(error) => error.cause.try_borrow().is_ok_and(|cause| cause.is_none()),
        Value::Cell(cell) => cell.0.try_borrow().is_ok_and(|value| !leads(&value)),
        Value::Grid(grid) => grid.values().next().is_none(),
        _ => false,
    }
}

/// The module of a function was noted: its import failed. Others live as long as the session.
fn is_noted(func: &FuncObj) -> bool {
    Rc::weak_count(&func.module) > 0
}

/// Where a container is.
fn place(value: &Value) -> Option<usize> {
    Some(match value {
        Value::List(it) => Rc::as_ptr(it) as usize,
        Value::Dict(it) => Rc::as_ptr(it) as usize,
        Value::Set(it) => Rc::as_ptr(it) as usize,
        Value::Struct(it) => Rc::as_ptr(it) as usize,
        Value::Cell(it) => Rc::as_ptr(it) as usize,
        Value::Error(it) => Rc::as_ptr(it) as usize,
        Value::Promise(it) => Rc::as_ptr(it) as usize,
        Value::Module(it) => Rc::as_ptr(it) as usize,
        Value::Tuple(it) => Rc::as_ptr(it) as usize,
        Value::Func(it) => Rc::as_ptr(it) as usize,
        Value::Bound(it) => Rc::as_ptr(it) as usize,
        Value::Iter(it) => Rc::as_ptr(it) as usize,
        Value::View(it) => Rc::as_ptr(it) as usize,
        Value::Grid(it) => Rc::as_ptr(it) as usize,
        Value::Column(it) => Rc::as_ptr(it) as usize,
        _ => return None,
    })
}

/// How many hold a container.
fn holders(value: &Value) -> usize {
    match value {
        Value::List(it) => Rc::strong_count(it),
        Value::Dict(it) => Rc::strong_count(it),
        Value::Set(it) => Rc::strong_count(it),
        Value::Struct(it) => Rc::strong_count(it),
        Value::Cell(it) => Rc::strong_count(it),
        Value::Error(it) => Rc::strong_count(it),
        Value::Promise(it) => Rc::strong_count(it),
        Value::Module(it) => Rc::strong_count(it),
        Value::Tuple(it) => Rc::strong_count(it),
        Value::Func(it) => Rc::strong_count(it),
        Value::Bound(it) => Rc::strong_count(it),
        Value::Iter(it) => Rc::strong_count(it),
        Value::View(it) => Rc::strong_count(it),
        Value::Grid(it) => Rc::strong_count(it),
        Value::Column(it) => Rc::strong_count(it),
        _ => usize::MAX,
    }
}

type Visit<'a> = &'a mut dyn FnMut(&Value) -> Result<(), Raise>;

/// Shows what a container holds. False when it is in use, so that nobody can look into it.
fn contents(value: &Value, visit: Visit<'_>) -> Result<bool, Raise> {
    match value {
        Value::List(list) => match list.items.try_borrow() {
            Ok(items) => items.iter().try_for_each(visit)?,
            Err(_) => return Ok(false),
        },
        Value::Struct(it) => match it.fields.try_borrow() {
            Ok(fields) => fields.iter().try_for_each(visit)?,
            Err(_) => return Ok(false),
        },
        Value::Dict(dict) => match dict.table.try_borrow() {
            Ok(table) => {
                for entry in table.iter() {
                    visit(&entry.key)?;
                    visit(&entry.value)?;
                }
            }
            Err(_) => return Ok(false),
        },
        Value::Set(set) => match set.table.try_borrow() {
            Ok(table) => table.keys().try_for_each(visit)?,
            Err(_) => return Ok(false),
        },
        Value::Cell(cell) => match cell.0.try_borrow() {
            Ok(value) => visit(&value)?,
            Err(_) => return Ok(false),
        },
        Value::Error(error) => match error.cause.try_borrow() {
            Ok(cause) => {
                if let Some(cause) = &*cause {
                    visit(&Value::Error(Rc::clone(cause)))?;
                }
            }
            Err(_) => return Ok(false),
        },
        Value::Promise(promise) => match promise.state.try_borrow().as_deref() {
            Ok(PromiseState::Kept(value)) => visit(value)?,
            Ok(PromiseState::Broken(raise)) => {
                if let Some(error) = raise.as_error() {
                    visit(&Value::Error(Rc::clone(error)))?;
                }
            }
            Ok(PromiseState::Pending) => {}
            Err(_) => return Ok(false),
        },
        Value::Module(module) => {
            for space in [&module.locals, &module.private] {
                match space.slots.try_borrow() {
                    Ok(slots) => slots.iter().try_for_each(&mut *visit)?,
                    Err(_) => return Ok(false),
                }
            }
        }
        Value::Tuple(tuple) => tuple.items().iter().try_for_each(visit)?,
        Value::Func(func) => {
            for cell in &func.captures {
                visit(&Value::Cell(Rc::clone(cell)))?;
            }
            func.defaults.iter().try_for_each(&mut *visit)?;
            if is_noted(func) {
                visit(&Value::Module(Rc::clone(&func.module)))?;
            }
        }
        Value::Bound(bound) => {
            visit(&bound.receiver)?;
            visit(&bound.function)?;
        }
        Value::View(view) => visit(&Value::Dict(Rc::clone(&view.dict)))?,
        // Each table holds the values of its columns itself; the buffers lead nowhere.
        Value::Grid(grid) => grid.values().try_for_each(|values| visit(&values))?,
        Value::Column(column) => visit(&Value::Grid(Rc::clone(&column.grid)))?,
        Value::Iter(iter) => match iter.inner.try_borrow() {
            Ok(inner) => walked_over(&inner, visit)?,
            Err(_) => return Ok(false),
        },
        _ => {}
    }
    Ok(true)
}

/// What an iterator holds.
fn walked_over(iter: &Iter, visit: Visit<'_>) -> Result<(), Raise> {
    match iter {
        Iter::List { list, .. } => visit(&Value::List(Rc::clone(list))),
        Iter::Tuple { tuple, .. } => visit(&Value::Tuple(Rc::clone(tuple))),
        Iter::Dict { dict, .. } => visit(&Value::Dict(Rc::clone(dict))),
        Iter::Set { set, .. } => visit(&Value::Set(Rc::clone(set))),
        Iter::Shared(shared) => visit(&Value::Iter(Rc::clone(shared))),
        Iter::Reversed { of, .. } | Iter::Rows { of, .. } => visit(of),
        Iter::Enumerate { inner, .. } => walked_over(inner, visit),
        Iter::Zip(inner) => inner.iter().try_for_each(|inner| walked_over(inner, &mut *visit)),
        Iter::Values(values) => values.as_slice().iter().try_for_each(visit),
        Iter::Text { .. } | Iter::Bytes { .. } | Iter::Range { .. } => Ok(()),
    }
}

/// Empties a container that nobody can reach.
fn empty(value: &Value) {
    match value {
        Value::List(list) => drop(list.items.take()),
        Value::Struct(it) => drop(it.fields.take()),
        Value::Dict(dict) => drop(dict.table.take()),
        Value::Set(set) => drop(set.table.take()),
        Value::Cell(cell) => drop(cell.0.replace(Value::Unset)),
        Value::Error(error) => drop(error.cause.take()),
        Value::Promise(promise) => drop(promise.state.replace(PromiseState::Kept(Value::None))),
        Value::Iter(iter) => drop(iter.inner.replace(Iter::END)),
        Value::Module(module) => {
            empty_space(&module.locals);
            empty_space(&module.private);
        }
        // The others never change: each cycle goes through one that does.
        _ => {}
    }
}

fn empty_space(space: &Namespace) {
    let held: Vec<Value> = space.slots.borrow_mut().iter_mut().map(take).collect();
    drop(held);
}

/// The containers that were followed.
#[derive(Default)]
struct Graph {
    nodes: Vec<Value>,
    /// For each, the references from the others.
    inner: Vec<u32>,
    index: HashTable<u32>,
}

/// There is no memory left to follow more.
struct Full;

impl Graph {
    fn find(&self, at: usize) -> Option<u32> {
        let here = |node: &u32| self.nodes.get(*node as usize).and_then(place) == Some(at);
        self.index.find(spread(at), here).copied()
    }

    /// The number of a container, a new one if it was not met before. None for what leads nowhere.
    fn meet(&mut self, value: &Value) -> Result<Option<u32>, Full> {
        let Some(at) = place(value) else { return Ok(None) };
        if is_leaf(value) {
            return Ok(None);
        }
        if let Some(known) = self.find(at) {
            return Ok(Some(known));
        }
        if self.nodes.len() == self.nodes.capacity() && !memory::has_room(self.nodes.len() * 2 * NODE) {
            return Err(Full);
        }
        let number = u32::try_from(self.nodes.len()).map_err(|_| Full)?;
        self.nodes.push(value.clone());
        self.inner.push(0);
        let nodes = &self.nodes;
        let again = |node: &u32| spread(nodes.get(*node as usize).and_then(place).unwrap_or(0));
        self.index.insert_unique(spread(at), number, again);
        Ok(Some(number))
    }
}

/// Addresses differ in their middle bits; a table looks at the low and the highest.
fn spread(at: usize) -> u64 {
    let product = (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 32
}

/// Whether there is anything to look into.
pub fn is_idle() -> bool {
    NOTED.with(|noted| noted.try_borrow().is_ok_and(|noted| noted.count == 0))
}

/// Empties the containers that only hold each other. Fails when the turn is to end, having emptied nothing.
pub fn collect() -> Result<(), Raise> {
    let count = NOTED.with(|noted| {
        let mut noted = noted.borrow_mut();
        noted.drop_dead();
        noted.count
    });
    if !memory::has_room(count * size_of::<Value>()) {
        return Ok(());
    }
    let mut starts: Vec<Value> = Vec::with_capacity(count);
    NOTED.with(|noted| starts.extend(noted.borrow().blocks.iter().flatten().filter_map(Note::value)));
    let mut graph = Graph::default();
    let mut full = false;
    for start in &starts {
        full |= graph.meet(start).is_err();
    }
    drop(starts);
    let mut walk = Walk::default();
    let mut in_use: Vec<usize> = Vec::new();
    let mut at = 0;
    while let (Some(node), false) = (graph.nodes.get(at).cloned(), full) {
        let open = contents(&node, &mut |value| {
            walk.step()?;
            if leads(value) {
                match graph.meet(value) {
                    Ok(Some(number)) => {
                        if let Some(count) = graph.inner.get_mut(number as usize) {
                            *count += 1;
                        }
                    }
                    Ok(None) => {}
                    Err(Full) => full = true,
                }
            }
            Ok(())
        })?;
        if !open {
            in_use.push(at);
        }
        at += 1;
    }
    if full {
        return Ok(());
    }
    // The graph holds each once itself.
    let counted = graph.nodes.iter().zip(&graph.inner);
    let mut live: Vec<bool> = counted.map(|(node, inner)| holders(node) > *inner as usize + 1).collect();
    for at in in_use {
        if let Some(live) = live.get_mut(at) {
            *live = true;
        }
    }
    let mut held: Vec<u32> = (0_u32..).zip(&live).filter(|(_, live)| **live).map(|(node, _)| node).collect();
    while let Some(number) = held.pop() {
        let Some(node) = graph.nodes.get(number as usize) else { continue };
        contents(node, &mut |value| {
            walk.step()?;
            if leads(value)
                && let Some(inner) = place(value).and_then(|at| graph.find(at))
                && let Some(live @ false) = live.get_mut(inner as usize)
            {
                *live = true;
                held.push(inner);
            }
            Ok(())
        })?;
    }
    for (node, live) in graph.nodes.iter().zip(&live) {
        if !live {
            empty(node);
        }
    }
    drop(graph);
    NOTED.with(|noted| noted.borrow_mut().drop_dead());
    Ok(())
}
