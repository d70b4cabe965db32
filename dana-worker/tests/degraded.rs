//! Each step of the lockdown made to fail, one at a time, by a filter that the worker inherits. Row 100 of the attack
//! corpus, and the honesty of the claims: the report names exactly that layer. Needs root to load such a filter.
#![cfg(target_arch = "x86_64")]

mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;

use dana_worker::arguments::Wishes;
use dana_worker::sandbox::filter::{ALLOW, ERRNO, Instruction, JUMP_EQUAL, LOAD, NUMBER, RETURN, argument};
use libc::{EINVAL, ENOSYS, EOPNOTSUPP, EPERM, c_int, c_long};
use support::{FIRST_USER, Worker, command, command_wishing, is_root, run};

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

const fn unshare(flag: c_int) -> Sabotage {
    Sabotage { call: libc::SYS_unshare, first: Some(flag), error: EPERM }
}

const fn pretending(flag: c_int) -> Sabotage {
    Sabotage { call: libc::SYS_unshare, first: Some(flag), error: 0 }
}

fn sabotaged(sabotage: Sabotage) -> Command {
    sabotaging(&[sabotage], command())
}

/// A worker with every layer that it can apply by itself.
fn sabotaged_fully(sabotages: &[Sabotage]) -> Command {
    let wishes = Wishes::LANDLOCK.and(Wishes::NAMESPACES).and(Wishes::SPECULATION);
    sabotaging(sabotages, command_wishing(FIRST_USER, wishes))
}

fn sabotaging(sabotages: &[Sabotage], mut command: Command) -> Command {
    let step = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let mut code = Vec::new();
    for sabotage in sabotages {
        let verdict = ERRNO | sabotage.error.cast_unsigned();
        let number = u32::try_from(sabotage.call).expect("small");
        let first = sabotage.first.map_or(0, c_int::cast_unsigned);
        code.extend([
            step(LOAD, 0, 0, NUMBER),
            step(JUMP_EQUAL, 0, 3, number),
            step(LOAD, 0, 0, argument(0)),
            // Without a first argument to look for, both ways lead to the verdict.
            step(JUMP_EQUAL, 0, u8::from(sabotage.first.is_some()), first),
            step(RETURN, 0, 0, verdict),
        ]);
    }
    code.push(step(RETURN, 0, 0, ALLOW));
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
        (call(libc::SYS_sched_getscheduler, EPERM), "session", "sched_setscheduler: EPERM"),
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
        (prctl(libc::PR_SET_SECUREBITS, EPERM), "securebits", "PR_SET_SECUREBITS: EPERM"),
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

/// The layers that go beyond the base wall, one call of theirs at a time. Two speculation controls are answered for the
/// kernel, so that the outcome does not depend on the processor.
#[test]
fn each_step_of_the_higher_levels_is_named_by_its_layer() {
    if !is_root("each_step_of_the_higher_levels_is_named_by_its_layer") {
        return;
    }
    const GET_SPECULATION: c_int = 52;
    const SET_SPECULATION: c_int = 53;
    let harmless = prctl(GET_SPECULATION, 0);
    let mut cases = vec![
        (call(libc::SYS_setgroups, EPERM), vec!["own_user"], "setgroups: EPERM"),
        (call(libc::SYS_setresgid, EPERM), vec!["own_user"], "setresgid: EPERM"),
        (call(libc::SYS_setresuid, EINVAL), vec!["own_user"], "setresuid: EINVAL"),
        (prctl(libc::PR_SET_SECUREBITS, EPERM), vec!["own_user", "securebits"], "PR_SET_SECUREBITS: EPERM"),
        (unshare(libc::CLONE_NEWUSER), vec!["user_namespace"], "unshare CLONE_NEWUSER: EPERM"),
        (unshare(libc::CLONE_NEWUTS), vec!["uts_namespace"], "unshare CLONE_NEWUTS: EPERM"),
        (call(libc::SYS_sethostname, EPERM), vec!["uts_namespace"], "sethostname: EPERM"),
        (unshare(libc::CLONE_NEWIPC), vec!["ipc_namespace"], "unshare CLONE_NEWIPC: EPERM"),
        (unshare(libc::CLONE_NEWCGROUP), vec!["cgroup_namespace"], "unshare CLONE_NEWCGROUP: EPERM"),
        (unshare(libc::CLONE_NEWNET), vec!["net_namespace"], "unshare CLONE_NEWNET: EPERM"),
        (unshare(libc::CLONE_NEWNS), vec!["mount_namespace"], "unshare CLONE_NEWNS: EPERM"),
        (call(libc::SYS_mount, EPERM), vec!["mount_namespace"], "mount MS_PRIVATE: EPERM"),
        (call(libc::SYS_pivot_root, EINVAL), vec!["mount_namespace"], "pivot_root: EINVAL"),
        (call(libc::SYS_umount2, EPERM), vec!["mount_namespace"], "umount2: EPERM"),
        (prctl(libc::PR_CAPBSET_DROP, EPERM), vec!["bounding_set"], "PR_CAPBSET_DROP: EPERM"),
    ];
    if cfg!(target_env = "musl") {
        // The glibc build opens its libraries, too.
        cases.push((
            call(libc::SYS_open, libc::EACCES),
            vec!["user_namespace"],
            "/proc/self/setgroups: EACCES",
        ));
        let links = [
            "own_user",
            "user_namespace",
            "uts_namespace",
            "ipc_namespace",
            "cgroup_namespace",
            "net_namespace",
            "mount_namespace",
        ];
        cases.push((call(libc::SYS_readlink, libc::ENOENT), links.to_vec(), ": ENOENT"));
    }
    let check = |sabotages: &[Sabotage], layers: &[&str], detail: &str| {
        let worker = Worker::from(sabotaged_fully(sabotages));
        for claim in &worker.layers {
            assert_eq!(claim.applied, !layers.contains(&claim.name.as_str()), "{sabotages:?}: {claim:?}");
            assert!(claim.applied || claim.detail.contains(detail), "{sabotages:?}: {claim:?}");
        }
        assert_eq!(worker.close().code(), Some(0));
    };
    // What says yes and does nothing is noticed.
    for (call, layer) in [
        (call(libc::SYS_setresuid, 0), "own_user"),
        (call(libc::SYS_setresgid, 0), "own_user"),
        (pretending(libc::CLONE_NEWUSER), "user_namespace"),
        (pretending(libc::CLONE_NEWUTS), "uts_namespace"),
        (pretending(libc::CLONE_NEWIPC), "ipc_namespace"),
        (pretending(libc::CLONE_NEWCGROUP), "cgroup_namespace"),
        (pretending(libc::CLONE_NEWNET), "net_namespace"),
        (pretending(libc::CLONE_NEWNS), "mount_namespace"),
    ] {
        cases.push((call, vec![layer], "did not hold"));
    }
    check(&[harmless], &[], "");
    for (sabotage, layers, detail) in cases {
        check(&[harmless, sabotage], &layers, detail);
    }
    let vulnerable = prctl(GET_SPECULATION, EINVAL);
    check(&[vulnerable, prctl(SET_SPECULATION, EPERM)], &["speculation"], "PR_SPEC_STORE_BYPASS: EPERM");
    check(&[vulnerable, prctl(SET_SPECULATION, 0)], &["speculation"], "did not hold");
}

/// What the host asks for when it accepts a worker without the base wall.
#[test]
fn a_lenient_worker_goes_on_without_the_layer_and_says_so() {
    if !is_root("a_lenient_worker_goes_on_without_the_layer_and_says_so") {
        return;
    }
    for (sabotage, layer) in [
        (call(libc::SYS_capset, EPERM), "capabilities"),
        (prctl(libc::PR_SET_DUMPABLE, EINVAL), "dumpable"),
        (call(libc::SYS_prlimit64, EPERM), "rlimits"),
        (call(libc::SYS_seccomp, ENOSYS), "seccomp"),
    ] {
        let worker = Worker::from(sabotaging(&[sabotage], command_wishing(0, Wishes::LENIENT)));
        for claim in &worker.layers {
            assert_eq!(claim.applied, claim.name != layer, "{sabotage:?}: {claim:?}");
        }
        assert_eq!(worker.close().code(), Some(0));
    }
    // Not even such a worker runs with what its host forgot to close.
    let unclosed = call(libc::SYS_close_range, ENOSYS);
    let end = run(sabotaging(&[unclosed], command_wishing(0, Wishes::LENIENT)));
    assert_eq!(end.code(), Some(70), "{end:?}");
}
