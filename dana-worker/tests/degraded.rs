//! Each step of the lockdown made to fail, one at a time, by a filter that the worker inherits. Row 100 of the attack
//! corpus, and the honesty of the claims: the report names exactly that layer. Needs root to load such a filter.
#![cfg(target_arch = "x86_64")]

mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;

use dana_worker::sandbox::filter::{ALLOW, ERRNO, Instruction, JUMP_EQUAL, LOAD, NUMBER, RETURN, argument};
use libc::{EINVAL, ENOSYS, EOPNOTSUPP, EPERM, c_int, c_long};
use support::{Worker, command, is_root, run};

/// What the kernel seems to say to one call: an error, or (with error 0) that it did what it did not do.
#[derive(Clone, Copy, Debug)]
struct Sabotage {
    call: c_long,
    /// The first argument it applies to; `None` for all.
    first: Option<c_int>,
    error: c_int,
}

const fn call(call: c_long, error: c_int) -> Sabotage {
    Sabotage { call, first: None, error }
}

const fn prctl(option: c_int, error: c_int) -> Sabotage {
    Sabotage { call: libc::SYS_prctl, first: Some(option), error }
}

fn sabotaged(sabotage: Sabotage) -> Command {
    let verdict = ERRNO | sabotage.error.cast_unsigned();
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let number = u32::try_from(sabotage.call).expect("small");
    let first = sabotage.first.map_or(0, c_int::cast_unsigned);
    let code = [
        step(LOAD, 0, 0, NUMBER),
        step(JUMP_EQUAL, 0, 3, number),
        step(LOAD, 0, 0, argument(0)),
        // Without a first argument to look for, both ways lead to the verdict.
        step(JUMP_EQUAL, 0, u8::from(sabotage.first.is_some()), first),
        step(RETURN, 0, 0, verdict),
        step(RETURN, 0, 0, ALLOW),
    ];
    let mut command = command();
    // SAFETY: only a system call is made between fork and exec.
    unsafe { command.pre_exec(move || load(&code)) };
    command
}

fn load(code: &[Instruction]) -> std::io::Result<()> {
    let program = libc::sock_fprog { len: code.len() as u16, filter: code.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has the layout of `struct sock_filter`; the kernel copies the program.
    match unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[test]
fn a_base_layer_that_fails_is_named_and_nothing_runs() {
    if !is_root("a_base_layer_that_fails_is_named_and_nothing_runs") {
        return;
    }
    let cases = [
        (call(libc::SYS_close_range, ENOSYS), "fds", "close_range: ENOSYS"),
        (call(libc::SYS_chdir, EPERM), "session", "chdir /: EPERM"),
        (call(libc::SYS_setsid, EPERM), "session", "setsid: EPERM"),
        (call(libc::SYS_capset, EPERM), "capabilities", "capset"),
        (prctl(libc::PR_SET_DUMPABLE, EINVAL), "dumpable", "EINVAL"),
        (prctl(libc::PR_SET_NO_NEW_PRIVS, EINVAL), "no_new_privs", "EINVAL"),
        (call(libc::SYS_prlimit64, EPERM), "rlimits", "RLIMIT_CORE: EPERM"),
        (call(libc::SYS_seccomp, EPERM), "seccomp", "EPERM"),
        (call(libc::SYS_seccomp, ENOSYS), "seccomp", "ENOSYS"),
        (call(libc::SYS_seccomp, EINVAL), "seccomp", "EINVAL"),
    ];
    for (sabotage, layer, detail) in cases {
        let end = run(sabotaged(sabotage));
        assert_eq!(end.code(), Some(70), "{sabotage:?}: {end:?}");
        let named = end.last_words.starts_with(&format!("dana-worker: layer {layer} failed: "));
        assert!(named && end.last_words.contains(detail), "{sabotage:?}: {end:?}");
    }
}

/// A kernel, or whatever stands before it, that says yes and does nothing.
#[test]
fn a_base_layer_that_only_seems_to_work_is_noticed() {
    if !is_root("a_base_layer_that_only_seems_to_work_is_noticed") {
        return;
    }
    let cases = [
        (call(libc::SYS_capset, 0), "capabilities", "set is not empty"),
        (prctl(libc::PR_SET_DUMPABLE, 0), "dumpable", "still dumpable"),
        (prctl(libc::PR_SET_NO_NEW_PRIVS, 0), "no_new_privs", "did not hold"),
        (call(libc::SYS_seccomp, 0), "seccomp", "the canary got error 38"),
    ];
    for (sabotage, layer, detail) in cases {
        let end = run(sabotaged(sabotage));
        assert_eq!(end.code(), Some(70), "{sabotage:?}: {end:?}");
        let named = end.last_words.starts_with(&format!("dana-worker: layer {layer} failed: "));
        assert!(named && end.last_words.contains(detail), "{sabotage:?}: {end:?}");
    }
}

#[test]
fn a_further_layer_that_fails_is_claimed_as_missing_and_no_other() {
    if !is_root("a_further_layer_that_fails_is_claimed_as_missing_and_no_other") {
        return;
    }
    let cases = [
        (prctl(libc::PR_SET_SECUREBITS, EPERM), "bounding_set", "PR_SET_SECUREBITS: EPERM"),
        (prctl(libc::PR_CAPBSET_DROP, EPERM), "bounding_set", "PR_CAPBSET_DROP: EPERM"),
        (prctl(libc::PR_SET_MDWE, EINVAL), "mdwe", "PR_SET_MDWE: EINVAL"),
        (prctl(libc::PR_SET_THP_DISABLE, EINVAL), "huge_pages", "PR_SET_THP_DISABLE: EINVAL"),
        (call(libc::SYS_landlock_create_ruleset, ENOSYS), "landlock", "NotImplemented"),
        (call(libc::SYS_landlock_create_ruleset, EOPNOTSUPP), "landlock", "NotEnabled"),
        (call(libc::SYS_landlock_restrict_self, EPERM), "landlock", "landlock: "),
    ];
    for (sabotage, layer, detail) in cases {
        let worker = Worker::from(sabotaged(sabotage));
        for claim in &worker.layers {
            assert_eq!(claim.applied, claim.name != layer, "{sabotage:?}: {claim:?}");
            assert!(claim.applied || claim.detail.contains(detail), "{sabotage:?}: {claim:?}");
        }
        assert_eq!(worker.close().code(), Some(0));
    }
}
