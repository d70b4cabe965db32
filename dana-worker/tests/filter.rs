//! Every path through the compiled filter. Rows 2, 5, 6, 8 and 14 of the attack corpus.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use dana_worker::sandbox::filter::{
    ALLOW, ARCHITECTURE, ERRNO, Instruction, KILL_PROCESS, Machine, NUMBER, Program, argument, compile,
};
use dana_worker::sandbox::policy::syscalls::{CANARY, Check, Row, TABLE, Verdict};
use support::paths::explore;

/// A process id for the compiled filter that no other value in it could be taken for.
const PID: u32 = 0x0012_3456;

const MACHINES: [Machine; 2] = [Machine::X86_64, Machine::Aarch64];

/// The golden list is the whole truth about what the worker may ask of the kernel, in words.
#[test]
fn what_is_reachable_is_exactly_the_golden_list() {
    for machine in MACHINES {
        let libc = if cfg!(target_env = "musl") { "musl" } else { "gnu" };
        let name = format!("{machine:?}-{libc}.txt").to_lowercase();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(&name);
        let found = describe(&compile(TABLE, machine, PID), machine);
        if std::env::var_os("DANA_UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &found).expect("a writable tree");
        }
        let expected = std::fs::read_to_string(&golden).expect("a golden list");
        assert_eq!(found, expected, "{name}: if the change is meant, run again with DANA_UPDATE_GOLDEN=1");
    }
}

#[test]
fn few_calls_are_reachable_and_most_of_them_are_limited() {
    for machine in MACHINES {
        let reachable = reachable(&compile(TABLE, machine, PID), machine);
        let limited = reachable.values().filter(|ways| ways.iter().all(|way| !way.is_empty())).count();
        assert!(reachable.len() <= 22, "{}", reachable.len());
        assert!(2 * limited >= reachable.len(), "{limited} of {}", reachable.len());
    }
}

#[test]
fn no_other_architecture_and_no_x32_number_gets_through() {
    for machine in MACHINES {
        let (paths, _) = explore(compile(TABLE, machine, PID).as_slice());
        for path in paths.iter().filter(|path| path.verdict != KILL_PROCESS) {
            assert_eq!(path.word(ARCHITECTURE).exactly(), Some(machine.audit()), "{path:?}");
            let number = path.word(NUMBER).exactly().expect("one number");
            assert!(number < 0x4000_0000, "{path:?}");
        }
    }
}

/// The only verdicts are: go on, kill the process, and two errors.
#[test]
fn there_are_no_other_verdicts() {
    for machine in MACHINES {
        let (paths, _) = explore(compile(TABLE, machine, PID).as_slice());
        let verdicts: BTreeSet<_> = paths.iter().map(|path| path.verdict).collect();
        let errors = [ERRNO | u32::try_from(libc::EPERM).expect("small"), ERRNO | u32::from(CANARY.answer)];
        assert_eq!(verdicts, BTreeSet::from([ALLOW, KILL_PROCESS, errors[0], errors[1]]));
    }
}

/// Both halves of every limited argument are compared.
#[test]
fn limited_arguments_are_compared_in_full() {
    for machine in MACHINES {
        let (paths, _) = explore(compile(TABLE, machine, PID).as_slice());
        for path in paths.iter().filter(|path| path.verdict == ALLOW) {
            for index in 0..6 {
                let (low, high) = (path.word(argument(index)), path.word(argument(index) + 4));
                assert_eq!(low.exactly().is_some(), high.exactly() == Some(0), "argument {index}: {path:?}");
            }
        }
    }
}

#[test]
fn every_instruction_is_reached() {
    for machine in MACHINES {
        let program = compile(TABLE, machine, PID);
        let (_, visited) = explore(program.as_slice());
        assert_eq!(visited.len(), program.as_slice().len());
    }
}

/// Leaving out any one row changes what is reachable: none is shadowed, and none says what the default says.
#[test]
fn no_row_is_redundant() {
    for machine in MACHINES {
        let whole = describe(&compile(TABLE, machine, PID), machine);
        for row in TABLE {
            let rest: Vec<Row> = TABLE.iter().filter(|other| other.name != row.name).copied().collect();
            assert_ne!(describe(&compile(&rest, machine, PID), machine), whole, "{}", row.name);
        }
    }
}

#[test]
fn every_row_has_its_own_number_and_a_reason() {
    for machine in MACHINES {
        let numbers: BTreeSet<_> = TABLE.iter().map(|row| machine.number(row)).collect();
        assert_eq!(numbers.len(), TABLE.len());
    }
    assert!(TABLE.iter().all(|row| !row.reason.is_empty()));
}

#[test]
#[cfg(target_arch = "x86_64")]
fn numbers_are_those_of_the_kernel_headers() {
    for row in TABLE.iter().filter(|row| row.name != "canary") {
        let expected = match row.name {
            "read" => libc::SYS_read,
            "write" => libc::SYS_write,
            "mmap" => libc::SYS_mmap,
            "munmap" => libc::SYS_munmap,
            "mremap" => libc::SYS_mremap,
            "tkill" => libc::SYS_tkill,
            "tgkill" => libc::SYS_tgkill,
            "getpid" => libc::SYS_getpid,
            "gettid" => libc::SYS_gettid,
            "exit_group" => libc::SYS_exit_group,
            "rt_sigprocmask" => libc::SYS_rt_sigprocmask,
            other => panic!("{other} is not checked"),
        };
        assert_eq!(i64::from(row.x86_64), expected, "{}", row.name);
    }
}

/// One line a row: name, verdict, and the values each argument may have.
fn describe(program: &Program, machine: Machine) -> String {
    let mut text = String::new();
    for (number, ways) in reachable(program, machine) {
        let ways: Vec<_> = ways
            .into_iter()
            .map(|way| {
                way.into_iter()
                    .map(|(index, value)| format!("arg{index}={value}"))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        let _infallible = writeln!(text, "{number} {} allow {}", name(number, machine), ways.join(" | "));
    }
    let (paths, _) = explore(program.as_slice());
    for path in paths.iter().rev().filter(|path| path.verdict & 0xffff_0000 == ERRNO) {
        let number = path.word(NUMBER).exactly().expect("one number");
        let _infallible = writeln!(text, "{number} {} fail {}", name(number, machine), path.verdict & 0xffff);
    }
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// For each allowed number, the sets of exact values of its limited arguments.
fn reachable(program: &Program, machine: Machine) -> BTreeMap<u32, BTreeSet<Vec<(usize, String)>>> {
    let (paths, _) = explore(program.as_slice());
    let mut reachable = BTreeMap::<_, BTreeSet<_>>::new();
    for path in paths.iter().filter(|path| path.verdict == ALLOW) {
        assert_eq!(path.word(ARCHITECTURE).exactly(), Some(machine.audit()));
        let number = path.word(NUMBER).exactly().expect("one number");
        let values = (0..6).filter_map(|index| {
            let value = path.word(argument(index)).exactly()?;
            Some((index, if value == PID { "pid".to_owned() } else { value.to_string() }))
        });
        reachable.entry(number).or_default().insert(values.collect());
    }
    reachable
}

fn name(number: u32, machine: Machine) -> &'static str {
    TABLE.iter().find(|row| machine.number(row) == number).expect("a row").name
}

/// Leaving out any one check of a row lets more through.
#[test]
fn no_check_is_redundant() {
    for machine in MACHINES {
        let whole = describe(&compile(TABLE, machine, PID), machine);
        for (at, row) in TABLE.iter().enumerate() {
            let Verdict::Allow(checks) = row.verdict else { continue };
            for left_out in 0..checks.len() {
                let fewer: Vec<Check> = checks
                    .iter()
                    .enumerate()
                    .filter(|(at, _)| *at != left_out)
                    .map(|(_, check)| *check)
                    .collect();
                let mut table: Vec<Row> = TABLE.to_vec();
                table[at].verdict = Verdict::Allow(fewer.leak());
                assert_ne!(
                    describe(&compile(&table, machine, PID), machine),
                    whole,
                    "{} {left_out}",
                    row.name
                );
            }
        }
    }
}

/// The layout the kernel reads.
#[test]
fn an_instruction_is_eight_bytes() {
    assert_eq!(size_of::<Instruction>(), 8);
}

/// SECURITY.md shows the rows of the table, word for word.
#[test]
fn the_documentation_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../SECURITY.md");
    let text = std::fs::read_to_string(path).expect("the documentation");
    if std::env::var_os("DANA_UPDATE_GOLDEN").is_some() {
        TABLE.iter().for_each(|row| print!("{}", documented(row)));
    }
    for row in TABLE {
        let line = documented(row);
        assert!(text.contains(&line), "SECURITY.md lacks this line:\n{line}");
    }
}

fn documented(row: &Row) -> String {
    let rule = match row.verdict {
        Verdict::Fail(errno) => format!("fails with error {errno}"),
        Verdict::Allow([]) => "any".to_owned(),
        Verdict::Allow(checks) => checks.iter().map(in_words).collect::<Vec<_>>().join(", "),
    };
    format!("| `{}` | {} | {} | {rule} | {} |\n", row.name, row.x86_64, row.aarch64, row.reason)
}

fn in_words(check: &Check) -> String {
    match check {
        Check::OwnPid(index) => format!("arg {index} = own id"),
        Check::OneOf(index, values) => {
            format!("arg {index} = {}", values.iter().map(u32::to_string).collect::<Vec<_>>().join(" or "))
        }
    }
}
