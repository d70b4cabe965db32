//! A program made from the fuzzer's bytes says the same in Dana and in CPython.
#![no_main]

use std::alloc::System;
use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/differ/mod.rs"]
mod differ;

use differ::oracle::Oracle;
use differ::verdict::{self, Verdict};

#[global_allocator]
static ALLOCATOR: dana_meter::Counting<System> = dana_meter::Counting::new(System);

thread_local! {
    static ORACLE: RefCell<Oracle> = RefCell::new(Oracle::start().expect("python3 runs"));
}

fuzz_target!(|bytes: &[u8]| {
    let verdict = ORACLE.with_borrow_mut(|oracle| verdict::of(bytes, oracle).expect("an answer"));
    if let Verdict::Different(difference) = verdict {
        panic!("{difference}");
    }
});
