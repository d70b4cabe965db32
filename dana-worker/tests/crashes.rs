//! How things end inside the wall. This program starts itself again, locks that process with the very policy and the
//! very heap of the worker, and lets it go wrong in one way: a bug must not look like an attack, nor an attack like a
//! bug. It has its own `main`, because a test harness has threads and the wall asserts that there is one.

#![deny(unsafe_code)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};

use dana_worker::arguments::{Arguments, Budget, Wishes};
use dana_worker::heap::Heap;
use dana_worker::{crash, sandbox};
use nix::sys::signal::Signal;
use nix::unistd::getppid;

#[global_allocator]
#[expect(unsafe_code, reason = "the promise that the heap asks for")]
// SAFETY: neither part of this program starts a thread, but for the case that is killed for trying.
static HEAP: Heap = unsafe { Heap::single_threaded() };

/// One way to go wrong, the signal it must end in, and how its last words begin.
struct Case {
    name: &'static str,
    go_wrong: fn(),
    signal: Signal,
    last_words: &'static str,
}

const CASES: &[Case] = &[
    Case {
        name: "panic",
        go_wrong: || panic!("{}", "boom ".repeat(1000)),
        signal: Signal::SIGABRT,
        last_words: "dana-worker: bug at dana-worker/tests/crashes.rs:",
    },
    Case {
        name: "out of memory",
        go_wrong: || drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 40))),
        signal: Signal::SIGABRT,
        last_words: "memory allocation of 1099511627776 bytes failed",
    },
    Case {
        name: "out of memory bit by bit",
        go_wrong: || {
            let mut all = Vec::new();
            loop {
                all.push(std::hint::black_box(vec![1_u8; 100]));
            }
        },
        signal: Signal::SIGABRT,
        last_words: "memory allocation of ",
    },
    Case {
        name: "stack overflow",
        go_wrong: || _ = dig(1),
        signal: Signal::SIGABRT,
        last_words: "dana-worker: stack overflow\n",
    },
    Case { name: "abort", go_wrong: || std::process::abort(), signal: Signal::SIGABRT, last_words: "" },
    Case {
        name: "file",
        go_wrong: || drop(std::fs::read("/etc/passwd")),
        signal: Signal::SIGSYS,
        last_words: "",
    },
    Case {
        name: "socket",
        go_wrong: || drop(std::net::UdpSocket::bind("127.0.0.1:0")),
        signal: Signal::SIGSYS,
        last_words: "",
    },
    Case {
        name: "thread",
        go_wrong: || drop(std::thread::Builder::new().spawn(|| ())),
        signal: Signal::SIGSYS,
        last_words: "",
    },
    Case {
        name: "process",
        go_wrong: || drop(Command::new("/bin/true").status()),
        signal: Signal::SIGSYS,
        last_words: "",
    },
    Case {
        name: "sleep",
        go_wrong: || std::thread::sleep(std::time::Duration::from_millis(1)),
        signal: Signal::SIGSYS,
        last_words: "",
    },
];

fn dig(depth: u64) -> u64 {
    let here = std::hint::black_box([depth; 64]);
    if here[0] == 0 { 0 } else { dig(depth + 1) + here[63] }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--locked") {
        return locked(&arguments.next().unwrap_or_default());
    }
    let mut passed = true;
    for case in CASES {
        let verdict = check(case);
        println!("test {} ... {}", case.name, verdict.as_ref().map_or_else(String::as_str, |()| "ok"));
        passed &= verdict.is_ok();
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Locks this process and goes wrong as told.
fn locked(name: &str) -> ExitCode {
    let Some(case) = CASES.iter().find(|case| case.name == name) else { return ExitCode::FAILURE };
    crash::report_panics();
    let budget = Budget { memory: Some(1 << 20), cpu: Some(20) };
    if let Err(broken) = sandbox::lock(&Arguments {
        protocol: dana_wire::PROTOCOL,
        host: getppid(),
        budget,
        first_user: None,
        wishes: Wishes::LANDLOCK,
    }) {
        crash::say_line(format_args!("{broken}"));
        return ExitCode::FAILURE;
    }
    // What an interpreter does all day is allowed.
    let map: std::collections::HashMap<_, _> =
        (0..10_000).map(|number| (number, number.to_string())).collect();
    assert_eq!(std::hint::black_box(map).len(), 10_000);
    (case.go_wrong)();
    ExitCode::SUCCESS
}

fn check(case: &Case) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--locked", case.name]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| error.to_string())?;
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.signal() == Some(case.signal as i32)
        && words.trim_start().starts_with(case.last_words)
        && words.is_empty() == case.last_words.is_empty()
    {
        return Ok(());
    }
    Err(format!("FAILED: {:?}: {words}", output.status))
}
