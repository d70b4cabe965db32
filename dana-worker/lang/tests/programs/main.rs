//! Small programs with what they print, one theme a file.

mod asks;
mod errors;
mod functions;
mod host;
mod limits;
mod modules;
mod results;
mod support;
mod types;

#[global_allocator]
static HEAP: dana_meter::Counting<std::alloc::System> = dana_meter::Counting::new(std::alloc::System);
