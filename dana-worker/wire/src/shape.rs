//! The grammar of nesting and the running costs, shared by reader and encoder: whatever the one
//! would refuse to read, the other refuses to write.

use crate::budget::{Budget, MAX_DEPTH, NODE_COST};
use crate::violation::{Allowance, KeyFault, Violation};

/// What an open container demands of its next item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Anything.
    Items,
    /// Hashable values only.
    Members,
    /// Keys and values in turn; keys hashable.
    Pairs,
    /// Field names and values in turn.
    Fields,
}

/// What is about to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A scalar other than the two below.
    Scalar,
    /// A string.
    Text,
    /// The float that is not equal to itself.
    Nan,
    /// An immutable container: hashable if its items are. Those of a set always are.
    Tuple,
    /// Never hashable.
    Unhashable,
}

/// An open container in four bytes, so that a fresh stack of them costs next to nothing: how many
/// items are left, what they must be, and whether all of them must be hashable.
#[derive(Clone, Copy, Debug)]
struct Open(u32);

impl Open {
    const HASHED: u32 = 1 << 31;
    const FORM: u32 = 29;
    const LEFT: u32 = (1 << Self::FORM) - 1;

    /// `None` for more items than the largest frame has bytes.
    #[inline]
    fn new(items: u32, form: Form, hashed: bool) -> Option<Self> {
        if items > Self::LEFT {
            return None;
        }
        Some(Open(items | (form as u32) << Self::FORM | if hashed { Self::HASHED } else { 0 }))
    }

    #[inline]
    fn left(self) -> u32 {
        self.0 & Self::LEFT
    }

    #[inline]
    fn form(self) -> Form {
        match (self.0 & !Self::HASHED) >> Self::FORM {
            0 => Form::Items,
            1 => Form::Members,
            2 => Form::Pairs,
            _ => Form::Fields,
        }
    }

    #[inline]
    fn is_hashed(self) -> bool {
        self.0 & Self::HASHED != 0
    }
}

/// Where in the nesting we are, and what is left of the budget.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    open: [Open; MAX_DEPTH],
    depth: usize,
    nodes_left: usize,
    memory_left: usize,
    complete: usize,
    budget: Budget,
}

impl Shape {
    #[inline]
    pub(crate) fn new(budget: &Budget) -> Self {
        Shape {
            open: [Open(0); MAX_DEPTH],
            depth: 0,
            nodes_left: budget.nodes,
            memory_left: budget.memory,
            complete: 0,
            budget: *budget,
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Containers open now.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Estimated bytes of memory of all that was placed.
    pub(crate) fn charged(&self) -> usize {
        self.budget.memory - self.memory_left
    }

    /// Values that stand by themselves and are finished.
    pub(crate) fn complete(&self) -> usize {
        self.complete
    }

    /// True where the next value is to be the name of a struct's field.
    #[inline]
    pub(crate) fn expects_name(&self) -> bool {
        let top = self.depth.checked_sub(1).and_then(|top| self.open.get(top));
        top.is_some_and(|open| open.form() == Form::Fields && open.left().is_multiple_of(2))
    }

    /// Places a value without items. `extra` bytes of memory beyond the node itself.
    #[inline]
    pub(crate) fn leaf(&mut self, place: Place, extra: usize, at: usize) -> Result<(), Violation> {
        self.place(place, extra, at)?;
        self.close();
        Ok(())
    }

    /// Places a container with `items` items to follow (pairs count twice).
    #[inline]
    pub(crate) fn container(
        &mut self,
        place: Place,
        form: Form,
        items: u32,
        at: usize,
    ) -> Result<(), Violation> {
        let hashed = self.place(place, 0, at)?;
        if items == 0 {
            self.close();
            return Ok(());
        }
        if self.depth >= self.budget.depth {
            return Err(Violation::Exceeded {
                what: Allowance::Depth,
                limit: self.budget.depth.min(MAX_DEPTH),
            });
        }
        // Refuse at the container's own header what its items could not be granted anyway.
        if items as usize > self.nodes_left {
            return Err(self.too_many_nodes());
        }
        let Some(open) = Open::new(items, form, hashed) else { return Err(self.too_many_nodes()) };
        let Some(slot) = self.open.get_mut(self.depth) else {
            return Err(Violation::Exceeded { what: Allowance::Depth, limit: MAX_DEPTH });
        };
        *slot = open;
        self.depth += 1;
        Ok(())
    }

    /// Refuses what memory is not left for, beyond a node.
    pub(crate) fn affords(&self, bytes: usize) -> Result<(), Violation> {
        if bytes > self.memory_left {
            return Err(Violation::Exceeded { what: Allowance::Memory, limit: self.budget.memory });
        }
        Ok(())
    }

    /// Charges memory that is not a node.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Violation> {
        match self.memory_left.checked_sub(bytes) {
            Some(left) => {
                self.memory_left = left;
                Ok(())
            }
            None => Err(Violation::Exceeded { what: Allowance::Memory, limit: self.budget.memory }),
        }
    }

    /// Returns whether the value stands where only hashable ones may.
    #[inline]
    fn place(&mut self, place: Place, extra: usize, at: usize) -> Result<bool, Violation> {
        let Some(nodes_left) = self.nodes_left.checked_sub(1) else {
            return Err(self.too_many_nodes());
        };
        self.nodes_left = nodes_left;
        self.charge(extra.saturating_add(NODE_COST))?;
        let Some(top) = self.depth.checked_sub(1).and_then(|top| self.open.get_mut(top)) else {
            return Ok(false);
        };
        let here = *top;
        let first_of_two = here.left().is_multiple_of(2);
        // An open container always has items left: `close` sees to it.
        *top = Open(here.0.wrapping_sub(1));
        let hashed = match here.form() {
            Form::Items => here.is_hashed(),
            Form::Members => true,
            Form::Pairs => first_of_two,
            Form::Fields if first_of_two => {
                return match place {
                    Place::Text => Ok(false),
                    _ => Err(Violation::Key { fault: KeyFault::Field, at }),
                };
            }
            Form::Fields => false,
        };
        if hashed {
            match place {
                Place::Nan => return Err(Violation::Key { fault: KeyFault::Nan, at }),
                Place::Unhashable => return Err(Violation::Key { fault: KeyFault::Unhashable, at }),
                Place::Scalar | Place::Text | Place::Tuple => {}
            }
        }
        Ok(hashed)
    }

    #[inline]
    fn close(&mut self) {
        while let Some(top) = self.depth.checked_sub(1) {
            if self.open.get(top).is_some_and(|open| open.left() != 0) {
                return;
            }
            self.depth = top;
        }
        self.complete += 1;
    }

    #[cold]
    fn too_many_nodes(&self) -> Violation {
        Violation::Exceeded { what: Allowance::Nodes, limit: self.budget.nodes }
    }
}
