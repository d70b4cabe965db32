//! Follows every path through a compiled filter, with constraints instead of values.

use std::collections::{BTreeMap, BTreeSet};

use dana_worker::sandbox::filter::{Instruction, JUMP_EQUAL, JUMP_GREATER_EQUAL, LOAD, RETURN};

/// What is known of one word of `struct seccomp_data` on a path: an inclusive range, less some values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Known {
    low: u32,
    high: u32,
    except: BTreeSet<u32>,
}

impl Known {
    const ANY: Known = Known { low: 0, high: u32::MAX, except: BTreeSet::new() };

    fn is_empty(&self) -> bool {
        let width = u64::from(self.high).wrapping_sub(u64::from(self.low)).wrapping_add(1);
        self.low > self.high || self.except.range(self.low..=self.high).count() as u64 == width
    }

    /// The value, if there is only one left.
    pub fn exactly(&self) -> Option<u32> {
        (self.low == self.high).then_some(self.low)
    }
}

/// One way through the program.
#[derive(Clone, Debug)]
pub struct Path {
    /// By offset into `struct seccomp_data`.
    pub known: BTreeMap<u32, Known>,
    pub verdict: u32,
}

impl Path {
    pub fn word(&self, offset: u32) -> Known {
        self.known.get(&offset).cloned().unwrap_or(Known::ANY)
    }
}

/// All feasible paths, and which instructions some path reaches.
pub fn explore(program: &[Instruction]) -> (Vec<Path>, BTreeSet<usize>) {
    let mut paths = Vec::new();
    let mut visited = BTreeSet::new();
    let mut pending = vec![(0, None, BTreeMap::new())];
    while let Some((at, loaded, known)) = pending.pop() {
        let step = program[at];
        visited.insert(at);
        match step.code {
            LOAD => pending.push((at + 1, Some(step.k), known)),
            RETURN => paths.push(Path { known, verdict: step.k }),
            JUMP_EQUAL | JUMP_GREATER_EQUAL => {
                let word: u32 = loaded.expect("a load comes first");
                let before: Known = known.get(&word).cloned().unwrap_or(Known::ANY);
                let (mut holds, mut fails) = (before.clone(), before);
                if step.code == JUMP_EQUAL {
                    let fits = (holds.low..=holds.high).contains(&step.k) && !holds.except.contains(&step.k);
                    (holds.low, holds.high) = if fits { (step.k, step.k) } else { (1, 0) };
                    fails.except.insert(step.k);
                } else {
                    holds.low = holds.low.max(step.k);
                    match step.k.checked_sub(1) {
                        Some(most) => fails.high = fails.high.min(most),
                        None => (fails.low, fails.high) = (1, 0),
                    }
                }
                for (skip, now) in [(step.jt, holds), (step.jf, fails)] {
                    if !now.is_empty() {
                        let mut known = known.clone();
                        known.insert(word, now);
                        pending.push((at + 1 + usize::from(skip), loaded, known));
                    }
                }
            }
            code => panic!("instruction {at} has an unexpected code {code:#x}"),
        }
    }
    (paths, visited)
}
