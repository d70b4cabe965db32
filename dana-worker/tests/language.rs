//! Every program of the language's test suite, behind the wall: whatever it prints or raises, the worker lives on.

#[path = "../lang/tests/script/mod.rs"]
mod script;
mod support;

use std::path::Path;

use dana_wire::{SessionLimits, Start, ToHost, ToWorker};
use script::Script;
use support::Worker;

#[test]
fn no_program_of_the_suite_trips_over_the_wall() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/language");
    let mut programs = 0;
    for entry in std::fs::read_dir(folder).expect("the language suite") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "na") {
            continue;
        }
        let source = std::fs::read_to_string(&path).expect("a program");
        programs += 1;
        let mut worker = Worker::start();
        let limits =
            SessionLimits { steps: Some(20_000_000), memory: Some(256 << 20), depth: 500, output: None };
        worker.send(&ToWorker::Start(Start { limits, seed: [3, 4], functions: Vec::new() }), &[]);
        worker.send(&ToWorker::Run { turn: 1, filename: None, source }, &[]);
        converse(&mut worker, &path);
        let end = worker.close();
        assert_eq!((end.code(), end.last_words.as_str()), (Some(0), ""), "{}", path.display());
    }
    assert!(programs > 20, "{programs} programs");
}

/// Answers what is asked by the program's script, to the end of the turn.
fn converse(worker: &mut Worker, path: &Path) {
    let mut script = Script::beside(path);
    loop {
        match worker.receive() {
            Some((ToHost::Done { .. } | ToHost::Failed { .. }, _)) => return,
            Some((ToHost::Ask { ask, question }, _)) => {
                let (outcome, payload) = script.answer(&question);
                worker.send(&ToWorker::Answer { ask, outcome }, &payload);
            }
            Some(_) => {}
            None => panic!("{}: the worker ended: {:?}", path.display(), worker.ended()),
        }
    }
}
