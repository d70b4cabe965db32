//! The wall as a plain user has it, and what that user can do to the worker. Rows 52, 58 and 63 of the attack corpus.

mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;

use dana_worker::arguments::Wishes;
use support::facts::status;
use support::{NOBODY, is_root, nobodys_worker};

#[test]
fn a_plain_user_gets_the_base_wall_and_landlock() {
    if !is_root("a_plain_user_gets_the_base_wall_and_landlock") {
        return;
    }
    let worker = nobodys_worker(Wishes::LANDLOCK);
    let status = status(worker.pid());
    assert!(status["Uid"].split_whitespace().all(|uid| uid == "65534"));
    for (field, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2"), ("Threads", "1")] {
        assert_eq!(status[field], expected, "{field}");
    }
    for field in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[field], "0000000000000000", "{field}");
    }
    for layer in &worker.layers {
        // These two take a capability that this user does not have, and say so.
        match layer.name.as_str() {
            "securebits" => {
                assert_eq!(
                    (layer.applied, layer.detail.as_str()),
                    (false, "prctl PR_SET_SECUREBITS: EPERM: Operation not permitted")
                );
            }
            "bounding_set" => {
                assert_eq!(
                    (layer.applied, layer.detail.as_str()),
                    (false, "prctl PR_CAPBSET_DROP: EPERM: Operation not permitted")
                );
            }
            _ => assert!(layer.applied, "{layer:?}"),
        }
    }
    assert_eq!(worker.close().code(), Some(0));
}

/// A neighbour with the same user id sees what `ps` shows and no more.
#[test]
fn a_neighbour_cannot_look_inside() {
    if !is_root("a_neighbour_cannot_look_inside") {
        return;
    }
    let worker = nobodys_worker(Wishes::LANDLOCK);
    let pid = worker.pid();
    let may_read = |path: String| {
        let mut cat = Command::new("/bin/cat");
        let output = cat.arg(path).uid(NOBODY).gid(NOBODY).output().expect("cat runs");
        output.status.success()
    };
    assert!(may_read(format!("/proc/{pid}/status")), "the host needs this as evidence");
    assert!(may_read(format!("/proc/{pid}/limits")), "the host needs this as evidence");
    for file in
        ["environ", "maps", "mem", "auxv", "syscall", "stack", "io", "pagemap", "smaps", "personality"]
    {
        assert!(!may_read(format!("/proc/{pid}/{file}")), "{file}");
    }
    let mut list = Command::new("/bin/ls");
    let listed = list.arg(format!("/proc/{pid}/fd/")).uid(NOBODY).gid(NOBODY).output().expect("ls runs");
    assert!(!listed.status.success());
}
