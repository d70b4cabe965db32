//! What the host keeps to itself never reaches the worker. Row 73 of the attack corpus.

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;

use support::facts::mappings;
use support::{Worker, is_root};

/// Every readable byte of the process.
fn memory(pid: i32) -> Vec<(u64, Vec<u8>)> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("root may read it");
    let readable = mappings(pid).into_iter().filter(|(_, _, permissions, name)| {
        permissions.starts_with('r') && !name.starts_with("[vvar") && name != "[vsyscall]"
    });
    readable
        .map(|(start, end, _, name)| {
            let mut bytes = vec![0; usize::try_from(end - start).expect("small")];
            memory.read_exact_at(&mut bytes, start).unwrap_or_else(|error| panic!("{name}: {error}"));
            (start, bytes)
        })
        .collect()
}

fn contains(memory: &[(u64, Vec<u8>)], needle: &str) -> bool {
    memory.iter().any(|(_, bytes)| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

/// The test runs itself again with 50 secrets in the environment; that run starts the worker.
#[test]
fn no_secret_of_the_host_is_in_the_workers_memory() {
    const NAME: &str = "no_secret_of_the_host_is_in_the_workers_memory";
    if !is_root(NAME) {
        return;
    }
    let secret = |index: u32| format!("sk-planted-{index:02}-{}", "x".repeat(24));
    if std::env::var_os("PLANTED_KEY_49").is_none() {
        let mut again = std::process::Command::new(std::env::current_exe().expect("a path"));
        again.args([NAME, "--exact", "--nocapture"]);
        again.envs((0..50).map(|index| (format!("PLANTED_KEY_{index:02}"), secret(index))));
        assert!(again.status().expect("it runs").success());
        return;
    }
    let own = memory(std::process::id().cast_signed());
    assert!(contains(&own, "PLANTED_KEY_"), "the search finds what is there");
    let worker = Worker::start();
    let theirs = memory(worker.pid());
    assert!(contains(&theirs, dana_wire::BUILD), "the search finds what is there");
    for part_of_all in ["planted-", "PLANTED_KEY_"] {
        assert!(!contains(&theirs, part_of_all), "{part_of_all}");
    }
}

/// Row 107: where things are differs from worker to worker.
#[test]
fn addresses_differ_between_workers() {
    if is_root("addresses_differ_between_workers") {
        let places = || -> Vec<u64> {
            let worker = Worker::start();
            mappings(worker.pid()).into_iter().map(|(start, ..)| start).collect()
        };
        let (one, other) = (places(), places());
        assert!(
            one.iter().all(|place| !other.contains(place) || *place == 0xffff_ffff_ff60_0000),
            "{one:x?} {other:x?}"
        );
    }
}
