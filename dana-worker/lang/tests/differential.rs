//! Dana against CPython on programs made from numbered seeds.
//!
//! `DANA_DIFFER=0..100000` tries other seeds than the usual ones, `DANA_DIFFER_PYTHON` another Python.

mod differ;
#[path = "differ/shrink.rs"]
mod shrink;

use differ::oracle::Oracle;
use differ::verdict::{self, Verdict};
use shrink::shrunk;

#[global_allocator]
static HEAP: dana_meter::Counting<std::alloc::System> = dana_meter::Counting::new(std::alloc::System);

/// Differences that are shown before a run gives up.
const SHOWN: usize = 12;

fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("DANA_DIFFER") else { return 0..1000 };
    let (from, to) = range.split_once("..").expect("DANA_DIFFER is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn both_say_the_same() {
    let mut oracle = Oracle::start().expect("python3 runs");
    let (mut same, mut skipped, mut shown) = (0_u32, 0_u32, 0);
    for seed in seeds() {
        let bytes = bytes_of(seed);
        match verdict::of(&bytes, &mut oracle).expect("an answer") {
            Verdict::Same => same += 1,
            Verdict::Skipped => skipped += 1,
            Verdict::Different(_) => {
                let small = shrunk(&bytes, &mut oracle).expect("answers");
                if let Verdict::Different(difference) = verdict::of(&small, &mut oracle).expect("an answer") {
                    println!("=== seed {seed}\n{difference}");
                }
                shown += 1;
                if shown == SHOWN {
                    break;
                }
            }
        }
    }
    println!("{same} the same, {skipped} skipped, against Python 3.{}", oracle.minor);
    assert_eq!(shown, 0, "programs mean different things");
    assert!(skipped * 4 < same, "most programs are compared");
}

/// Bytes for a numbered case (splitmix64).
fn bytes_of(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let words = 8 + next() % 60;
    (0..words).flat_map(|_| next().to_le_bytes()).collect()
}
