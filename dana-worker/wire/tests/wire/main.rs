//! What the wire lets through and what it does not, seen from outside the crate.

use std::alloc::System;

mod bodies;
mod costs;
mod documented;
mod frames;
mod hostile;
mod samples;
mod schema;
mod tables;
mod values;

/// So that tests can say what reading costs.
#[global_allocator]
static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);
