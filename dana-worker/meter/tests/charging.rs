//! Who is charged for what, with the counting allocator installed.

use std::alloc::System;

use dana_meter::{Counting, Meter, held, outside, peak};

#[global_allocator]
static ALLOCATOR: Counting<System> = Counting::new(System);

const MIB: usize = 1 << 20;

#[test]
fn a_turn_charges_its_session_and_nobody_else() {
    let (one, two) = (Meter::new(), Meter::new());
    let before = held();

    let turn = one.enter();
    assert!(held() < 1024);
    let first = vec![1_u8; MIB];
    assert!(held() >= MIB && held() < MIB + 1024);
    drop(turn);

    let turn = two.enter();
    assert!(held() < 1024);
    let second = vec![1_u8; 3 * MIB];
    drop(turn);

    assert!(one.held() >= MIB && one.held() < MIB + 1024);
    assert!(two.held() >= 3 * MIB && two.held() < 3 * MIB + 1024);
    assert!(held() < before + 1024);

    let turn = one.enter();
    drop(first);
    assert!(held() < 1024);
    assert!(peak() >= MIB);
    drop(turn);
    let turn = two.enter();
    drop(second);
    drop(turn);
    assert!(one.held() < 1024 && two.held() < 1024);
    assert!(one.peak() >= MIB && two.peak() >= 3 * MIB);
}

#[test]
fn turns_nest() {
    let (outer, inner) = (Meter::new(), Meter::new());
    let turn = outer.enter();
    let kept = vec![1_u8; MIB];
    let nested = inner.enter();
    let more = vec![1_u8; 2 * MIB];
    drop(nested);
    assert!(held() >= MIB && held() < MIB + 1024);
    drop(turn);
    assert!(inner.held() >= 2 * MIB && outer.held() < 2 * MIB);
    drop((kept, more));
}

#[test]
fn nobody_is_charged_outside() {
    let meter = Meter::new();
    let turn = meter.enter();
    let pause = outside();
    let hosts = vec![1_u8; MIB];
    drop(pause);
    assert!(held() < 1024);
    drop(turn);
    drop(hosts);
    assert_eq!(meter.held(), 0);
}

#[test]
fn a_thread_starts_from_nothing_and_counts_alone() {
    let here = vec![1_u8; MIB];
    let there = std::thread::spawn(|| {
        let meter = Meter::new();
        let turn = meter.enter();
        let start = held();
        let block = vec![1_u8; 2 * MIB];
        let grown = held();
        drop(block);
        drop(turn);
        (start, grown)
    });
    assert_eq!(there.join().unwrap(), (0, 2 * MIB));
    assert!(held() >= here.len());
}

#[test]
fn a_growing_vector_is_charged_what_it_reserves() {
    let meter = Meter::new();
    let turn = meter.enter();
    let mut grown: Vec<u8> = Vec::new();
    for _ in 0..100_000 {
        grown.extend([1, 2]);
    }
    assert_eq!(held(), grown.capacity());
    drop(grown);
    assert_eq!(held(), 0);
    drop(turn);
}
