//! Interned names: equal identifiers of a module are the same small number.
//!
//! The hash is that of the session's texts, keyed by its seed: no source can aim at collisions.

use crate::value::hash;

/// An identifier, numbered densely from 0 in order of first appearance within its [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

impl Name {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// All identifiers of a module.
#[derive(Debug, Default)]
pub struct Names {
    text: String,
    /// End of each name in `text`; it starts where the one before ends.
    ends: Vec<u32>,
    /// Open addressing, a power of two; 0 is free, else name + 1 and the upper half of its hash.
    slots: Vec<(u32, u32)>,
}

impl Names {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn text(&self, name: Name) -> &str {
        let end = self.ends.get(name.index()).copied().unwrap_or(0);
        let start = name.index().checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(0);
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    /// All names in order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &str)> {
        (0..self.ends.len() as u32).map(|number| (Name(number), self.text(Name(number))))
    }

    pub fn find(&self, text: &str) -> Option<Name> {
        if self.slots.is_empty() {
            return None;
        }
        self.probe(text, hash::bytes(text.as_bytes())).ok()
    }

    pub(crate) fn intern(&mut self, text: &str) -> Name {
        if self.slots.len() <= self.ends.len() * 2 {
            self.grow();
        }
        let hash = hash::bytes(text.as_bytes());
        match self.probe(text, hash) {
            Ok(name) => name,
            Err(slot) => {
                let name = Name(self.ends.len() as u32);
                self.text.push_str(text);
                self.ends.push(self.text.len() as u32);
                self.slots[slot] = (name.0 + 1, (hash >> 32) as u32);
                name
            }
        }
    }

    fn probe(&self, text: &str, hash: u64) -> Result<Name, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let (number, tag) = self.slots[slot];
            if number == 0 {
                return Err(slot);
            }
            if tag == (hash >> 32) as u32 && self.text(Name(number - 1)) == text {
                return Ok(Name(number - 1));
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(64);
        self.slots = vec![(0, 0); size];
        for number in 0..self.ends.len() as u32 {
            let hash = hash::bytes(self.text(Name(number)).as_bytes());
            let mut slot = hash as usize & (size - 1);
            while self.slots[slot].0 != 0 {
                slot = (slot + 1) & (size - 1);
            }
            self.slots[slot] = (number + 1, (hash >> 32) as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one() {
        let mut names = Names::default();
        let all: Vec<_> = (0..1000).map(|i| names.intern(&format!("n{i}"))).collect();
        for (i, name) in all.iter().enumerate() {
            assert_eq!(name.index(), i);
            assert_eq!(names.text(*name), format!("n{i}"));
            assert_eq!(names.intern(&format!("n{i}")), *name);
            assert_eq!(names.find(&format!("n{i}")), Some(*name));
        }
        assert_eq!(names.find("absent"), None);
        assert_eq!(names.len(), 1000);
    }
}
