//! Ordered hash tables: dicts and sets.
//!
//! Entries stand in insertion order in one vector; removal leaves a hole (its key is [`Value::Unset`]), and
//! holes are closed up when they outnumber the entries. Up to eight entries are searched directly, more
//! through an index of positions.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;

use hashbrown::HashTable;

use super::release::release_with;
use super::work::Walk;
use super::{Raise, Value, eq, hash, memory, set_order};

const UNINDEXED: usize = 8;

pub struct Entry<V> {
    pub hash: u64,
    /// `Unset` marks a hole.
    pub key: Value,
    pub value: V,
}

pub struct Table<V> {
    entries: Vec<Entry<V>>,
    index: Option<Box<HashTable<u32>>>,
    live: u32,
    /// Before this position there are only holes.
    first: u32,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table { entries: Vec::new(), index: None, live: 0, first: 0 }
    }
}

impl<V> Table<V> {
    pub fn new() -> Self {
        Table::default()
    }

    pub fn with_capacity(count: usize) -> Self {
        let index = (count > UNINDEXED).then(|| Box::new(HashTable::with_capacity(count)));
        Table { entries: Vec::with_capacity(count), index, live: 0, first: 0 }
    }

    /// Bytes that a table with room for so many entries takes.
    pub fn bytes(count: usize) -> usize {
        let index = if count > UNINDEXED { 12 * count + 64 } else { 0 };
        count.saturating_mul(size_of::<Entry<V>>()).saturating_add(index)
    }

    /// Entries whose keys are known to differ, with their hashes.
    pub fn of_distinct(entries: impl ExactSizeIterator<Item = Entry<V>>) -> Self {
        let entries: Vec<Entry<V>> = entries.collect();
        let mut table = Table { live: entries.len() as u32, entries, index: None, first: 0 };
        if table.len() > UNINDEXED {
            table.build_index();
        }
        table
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.live as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Entries in insertion order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry<V>> {
        let entries = self.entries.get(self.first as usize..).unwrap_or_default();
        entries.iter().filter(|entry| !entry.key.is_unset())
    }

    /// The first position that may hold an entry.
    pub fn first(&self) -> usize {
        self.first as usize
    }

    /// Positions, holes included, for a cursor that lives across steps of a program.
    pub fn slots(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a position; none for a hole or beyond the end.
    pub fn slot(&self, at: usize) -> Option<&Entry<V>> {
        self.entries.get(at).filter(|entry| !entry.key.is_unset())
    }

    /// Bytes that inserting one more may take at once.
    #[inline]
    pub fn growth(&self) -> usize {
        if self.entries.len() < self.entries.capacity() {
            0
        } else {
            self.entries.capacity() * (size_of::<Entry<V>>() + 8)
        }
    }

    /// Comparing keys can fail: they may be too large or nested too deeply.
    #[inline]
    fn find(&self, hash: u64, key: &Value) -> Result<Option<usize>, Raise> {
        let mut failed = None;
        let mut matches = |entry: &Entry<V>| {
            entry.hash == hash
                && eq::keys(&entry.key, key).unwrap_or_else(|raise| {
                    failed = Some(raise);
                    true
                })
        };
        let found = match &self.index {
            None => self.entries.iter().position(matches),
            Some(index) => {
                let at = index.find(hash, |&at| self.entries.get(at as usize).is_some_and(&mut matches));
                at.map(|&at| at as usize)
            }
        };
        match failed {
            None => Ok(found),
            Some(raise) => Err(raise),
        }
    }

    pub fn get(&self, key: &Value) -> Result<Option<&V>, Raise> {
        self.get_hashed(hash::hash(key)?, key)
    }

    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &Value) -> Result<Option<&V>, Raise> {
        Ok(self.find(hash, key)?.and_then(|at| self.entries.get(at)).map(|entry| &entry.value))
    }

    pub fn contains(&self, key: &Value) -> Result<bool, Raise> {
        Ok(self.get(key)?.is_some())
    }

    /// The value of a text key.
    pub fn get_str(&self, key: &str) -> Option<&V> {
        // Hashing and comparing a text cannot fail.
        self.get(&Value::str(key)).ok().flatten()
    }

    /// Inserts or replaces; an existing key stays as it is. Gives the replaced value.
    pub fn insert(&mut self, key: Value, value: V) -> Result<Option<V>, Raise> {
        let key = if let Value::Promise(promise) = &key { promise.observe()? } else { key };
        let hash = hash::hash(&key)?;
        self.insert_hashed(hash, key, value)
    }

    #[inline]
    pub fn insert_hashed(&mut self, hash: u64, key: Value, value: V) -> Result<Option<V>, Raise> {
        if let Some(at) = self.find(hash, &key)? {
            return Ok(self.entries.get_mut(at).map(|entry| mem::replace(&mut entry.value, value)));
        }
        if self.entries.len() == self.entries.capacity() && self.len() < self.entries.len() / 2 {
            self.compact();
        }
        let at = self.entries.len() as u32;
        self.entries.push(Entry { hash, key, value });
        self.live += 1;
        match &mut self.index {
            Some(index) => {
                let entries = &self.entries;
                index.insert_unique(hash, at, |&at| entries.get(at as usize).map_or(0, |entry| entry.hash));
            }
            None if self.entries.len() > UNINDEXED => self.build_index(),
            None => {}
        }
        Ok(None)
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &Value) -> Result<Option<(Value, V)>, Raise>
    where
        V: Default,
    {
        let hash = hash::hash(key)?;
        let Some(at) = self.find(hash, key)? else { return Ok(None) };
        Ok(self.remove_at(at))
    }

    /// Takes the last entry out.
    pub fn pop(&mut self) -> Option<(Value, V)>
    where
        V: Default,
    {
        let at = self.entries.iter().rposition(|entry| !entry.key.is_unset())?;
        let taken = self.remove_at(at);
        self.entries.truncate(at);
        taken
    }

    fn remove_at(&mut self, at: usize) -> Option<(Value, V)>
    where
        V: Default,
    {
        let entry = self.entries.get_mut(at)?;
        let key = mem::replace(&mut entry.key, Value::Unset);
        let value = mem::take(&mut entry.value);
        let hash = entry.hash;
        self.live -= 1;
        // Taken from the front again and again, the holes there are looked at once.
        while self.entries.get(self.first as usize).is_some_and(|entry| entry.key.is_unset()) {
            self.first += 1;
        }
        if let Some(index) = &mut self.index
            && let Ok(found) = index.find_entry(hash, |&other| other as usize == at)
        {
            found.remove();
        }
        if self.live == 0 {
            self.clear();
        } else if self.entries.len() > 32 && self.len() < self.entries.len() / 4 {
            self.compact();
        }
        Some((key, value))
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.index = None;
        self.live = 0;
        self.first = 0;
    }

    fn compact(&mut self) {
        self.entries.retain(|entry| !entry.key.is_unset());
        self.first = 0;
        self.index = None;
        if self.entries.len() > UNINDEXED {
            self.build_index();
        }
    }

    #[inline(never)]
    fn build_index(&mut self) {
        let entries = &self.entries;
        let mut index = Box::new(HashTable::with_capacity(entries.capacity()));
        for (at, entry) in entries.iter().enumerate() {
            if !entry.key.is_unset() {
                index.insert_unique(entry.hash, at as u32, |&at: &u32| {
                    entries.get(at as usize).map_or(0, |entry| entry.hash)
                });
            }
        }
        self.index = Some(index);
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Value> {
        self.iter().map(|entry| &entry.key)
    }
}

impl<V: Clone> Table<V> {
    /// A copy, within the memory limit and charged as work.
    pub fn copied(&self) -> Result<Self, Raise> {
        memory::reserve(self.len().saturating_mul(size_of::<Entry<V>>() + 16))?;
        let mut copy = Table::with_capacity(self.len());
        let mut walk = Walk::default();
        for entry in self.iter() {
            walk.step()?;
            let (key, value) = (entry.key.clone(), entry.value.clone());
            copy.entries.push(Entry { hash: entry.hash, key, value });
        }
        copy.live = self.live;
        copy.index = None;
        if copy.len() > UNINDEXED {
            copy.build_index();
        }
        Ok(copy)
    }
}

impl Table<()> {
    /// Takes the first member out.
    pub fn pop_first(&mut self) -> Option<(Value, ())> {
        let holes = self.entries.get(self.first()..)?.iter().position(|entry| !entry.key.is_unset())?;
        self.remove_at(self.first() + holes)
    }

    /// Brings members that are all integers into CPython's order.
    fn arrange(&mut self) {
        let mut numbers = Vec::new();
        if self.len() <= set_order::LARGEST {
            for key in self.keys() {
                match key {
                    Value::Int(number) => numbers.push(*number),
                    Value::True | Value::False => numbers.push(i64::from(matches!(key, Value::True))),
                    _ => return,
                }
            }
        }
        let order = set_order::order(&numbers);
        if order.iter().zip(0..).all(|(at, place)| *at == place) {
            return;
        }
        self.compact();
        let mut taken: Vec<Option<Entry<()>>> = self.entries.drain(..).map(Some).collect();
        let placed = order.iter().filter_map(|at| taken.get_mut(*at as usize)?.take());
        self.entries.extend(placed);
        self.index = None;
        if self.entries.len() > UNINDEXED {
            self.build_index();
        }
    }

    /// Adds a member; false when it was there.
    pub fn add(&mut self, member: Value) -> Result<bool, Raise> {
        Ok(self.insert(member, ())?.is_none())
    }
}

#[derive(Default)]
pub struct DictObj {
    pub table: RefCell<Table<Value>>,
}

impl DictObj {
    pub fn new(table: Table<Value>) -> DictObj {
        DictObj { table: RefCell::new(table) }
    }

    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn get(&self, key: &Value) -> Result<Option<Value>, Raise> {
        Ok(self.table.borrow().get(key)?.cloned())
    }

    pub fn get_str(&self, key: &str) -> Option<Value> {
        self.table.borrow().get_str(key).cloned()
    }

    pub fn insert(&self, key: Value, value: Value) -> Result<(), Raise> {
        let mut table = self.table.borrow_mut();
        let growth = table.growth();
        if growth > 0 {
            memory::reserve(growth)?;
        }
        let old = table.insert(key, value)?;
        drop(table);
        drop(old);
        Ok(())
    }
}

impl Drop for DictObj {
    fn drop(&mut self) {
        let table = mem::take(self.table.get_mut());
        if table.entries.iter().any(|entry| !entry.value.is_scalar()) {
            release_with(table.entries, |entries| {
                entries.into_iter().map(|entry| entry.value).filter(|value| !value.is_scalar()).collect()
            });
        }
    }
}

#[derive(Default)]
pub struct SetObj {
    pub table: RefCell<Table<()>>,
    /// Places of the table when its members were last put in order.
    settled: Cell<usize>,
    /// It never changes, so that it can be a key.
    pub frozen: bool,
}

impl SetObj {
    pub fn new(table: Table<()>) -> SetObj {
        SetObj { table: RefCell::new(table), ..SetObj::default() }
    }

    pub fn frozen(table: Table<()>) -> SetObj {
        SetObj { frozen: true, ..SetObj::new(table) }
    }

    /// One of the same kind, frozen or not.
    pub fn alike(&self, table: Table<()>) -> SetObj {
        SetObj { frozen: self.frozen, ..SetObj::new(table) }
    }

    /// Before the members are shown or visited: their order is that of [`set_order`].
    pub fn settle(&self) {
        if let Ok(mut table) = self.table.try_borrow_mut()
            && self.settled.get() != table.slots()
        {
            table.arrange();
            self.settled.set(table.slots());
        }
    }

    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewKind {
    Keys,
    Values,
    Items,
}

impl ViewKind {
    pub fn type_name(self) -> &'static str {
        match self {
            ViewKind::Keys => "dict_keys",
            ViewKind::Values => "dict_values",
            ViewKind::Items => "dict_items",
        }
    }
}

/// A live view of a dict.
pub struct ViewObj {
    pub dict: Rc<DictObj>,
    pub which: ViewKind,
}

impl ViewObj {
    /// The element an entry shows.
    pub fn element(which: ViewKind, entry: &Entry<Value>) -> Value {
        match which {
            ViewKind::Keys => entry.key.clone(),
            ViewKind::Values => entry.value.clone(),
            ViewKind::Items => Value::tuple(vec![entry.key.clone(), entry.value.clone()]),
        }
    }
}
