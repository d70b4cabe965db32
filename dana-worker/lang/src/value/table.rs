//! Ordered hash tables: dicts and sets.
//!
//! Entries stand in insertion order in one vector; removal leaves a hole (its key is [`Value::Unset`]), and
//! holes are closed up when they outnumber the entries. Up to eight entries are searched directly, more
//! through an index of positions.

use std::cell::RefCell;
use std::mem;
use std::rc::Rc;

use hashbrown::HashTable;

use super::release::release_with;
use super::{Raise, Value, eq, hash};

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
    live: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table { entries: Vec::new(), index: None, live: 0 }
    }
}

impl<V> Table<V> {
    pub fn new() -> Self {
        Table::default()
    }

    pub fn with_capacity(count: usize) -> Self {
        let index = (count > UNINDEXED).then(|| Box::new(HashTable::with_capacity(count)));
        Table { entries: Vec::with_capacity(count), index, live: 0 }
    }

    /// Entries whose keys are known to differ, with their hashes.
    pub fn of_distinct(entries: impl ExactSizeIterator<Item = Entry<V>>) -> Self {
        let entries: Vec<Entry<V>> = entries.collect();
        let mut table = Table { live: entries.len(), entries, index: None };
        if table.live > UNINDEXED {
            table.build_index();
        }
        table
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.live
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Entries in insertion order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Entry<V>> {
        self.entries.iter().filter(|entry| !entry.key.is_unset())
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

    #[inline]
    fn find(&self, hash: u64, key: &Value) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|entry| entry.hash == hash && eq::keys(&entry.key, key)),
            Some(index) => index
                .find(hash, |&at| {
                    self.entries
                        .get(at as usize)
                        .is_some_and(|entry| entry.hash == hash && eq::keys(&entry.key, key))
                })
                .map(|&at| at as usize),
        }
    }

    pub fn get(&self, key: &Value) -> Result<Option<&V>, Raise> {
        Ok(self.get_hashed(hash::hash(key)?, key))
    }

    #[inline]
    pub fn get_hashed(&self, hash: u64, key: &Value) -> Option<&V> {
        self.find(hash, key).and_then(|at| self.entries.get(at)).map(|entry| &entry.value)
    }

    pub fn contains(&self, key: &Value) -> Result<bool, Raise> {
        Ok(self.get(key)?.is_some())
    }

    /// The value of a text key.
    pub fn get_str(&self, key: &str) -> Option<&V> {
        let key = Value::str(key);
        hash::hash(&key).ok().and_then(|hash| self.get_hashed(hash, &key))
    }

    /// Inserts or replaces; an existing key stays as it is. Gives the replaced value.
    pub fn insert(&mut self, key: Value, value: V) -> Result<Option<V>, Raise> {
        let key = if let Value::Promise(promise) = &key { promise.observe()? } else { key };
        let hash = hash::hash(&key)?;
        Ok(self.insert_hashed(hash, key, value))
    }

    #[inline]
    pub fn insert_hashed(&mut self, hash: u64, key: Value, value: V) -> Option<V> {
        if let Some(at) = self.find(hash, &key) {
            return self.entries.get_mut(at).map(|entry| mem::replace(&mut entry.value, value));
        }
        if self.entries.len() == self.entries.capacity() && self.live < self.entries.len() / 2 {
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
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &Value) -> Result<Option<(Value, V)>, Raise>
    where
        V: Default,
    {
        let hash = hash::hash(key)?;
        let Some(at) = self.find(hash, key) else { return Ok(None) };
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

    /// Takes the first entry out.
    pub fn pop_first(&mut self) -> Option<(Value, V)>
    where
        V: Default,
    {
        let at = self.entries.iter().position(|entry| !entry.key.is_unset())?;
        self.remove_at(at)
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
        if let Some(index) = &mut self.index
            && let Ok(found) = index.find_entry(hash, |&other| other as usize == at)
        {
            found.remove();
        }
        if self.live == 0 {
            self.clear();
        } else if self.entries.len() > 32 && self.live < self.entries.len() / 4 {
            self.compact();
        }
        Some((key, value))
    }

    pub fn clear(&mut self) {
        self.entries.clear();
        self.index = None;
        self.live = 0;
    }

    fn compact(&mut self) {
        self.entries.retain(|entry| !entry.key.is_unset());
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

    /// The value of an existing key, to change in place.
    pub fn get_mut_hashed(&mut self, hash: u64, key: &Value) -> Option<&mut V> {
        let at = self.find(hash, key)?;
        self.entries.get_mut(at).map(|entry| &mut entry.value)
    }
}

impl<V: Clone> Clone for Table<V> {
    fn clone(&self) -> Self {
        let mut copy = Table::with_capacity(self.live);
        for entry in self.iter() {
            copy.entries.push(Entry { hash: entry.hash, key: entry.key.clone(), value: entry.value.clone() });
        }
        copy.live = copy.entries.len();
        copy.index = None;
        if copy.live > UNINDEXED {
            copy.build_index();
        }
        copy
    }
}

impl Table<()> {
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
            super::memory::reserve(growth)?;
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
}

impl SetObj {
    pub fn new(table: Table<()>) -> SetObj {
        SetObj { table: RefCell::new(table) }
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
