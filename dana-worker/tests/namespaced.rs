//! A worker in namespaces of its own, as the kernel describes it. Rows 40, 45, 57 and 63 of the attack corpus.

mod support;

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use dana_worker::arguments::Wishes;
use support::facts::status;
use support::{FIRST_USER, NOBODY, Worker, command_wishing, is_root, nobodys_worker};

const KINDS: [&str; 6] = ["user", "uts", "ipc", "cgroup", "net", "mnt"];

fn wall() -> Wishes {
    Wishes::LANDLOCK.and(Wishes::NAMESPACES)
}

fn namespace(pid: impl std::fmt::Display, kind: &str) -> String {
    fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("root may look").to_string_lossy().into_owned()
}

#[test]
fn no_namespace_is_the_hosts_nor_a_siblings() {
    if !is_root("no_namespace_is_the_hosts_nor_a_siblings") {
        return;
    }
    let workers = [0; 2].map(|_| Worker::from(command_wishing(FIRST_USER, wall())));
    for kind in KINDS {
        let own = namespace("self", kind);
        let [first, second] = [0, 1].map(|index: usize| namespace(workers[index].pid(), kind));
        assert!(own != first && own != second && first != second, "{kind}: {own} {first} {second}");
    }
    assert_eq!(namespace(workers[0].pid(), "pid"), namespace("self", "pid"));
}

#[test]
fn the_root_directory_has_no_entry_and_is_the_only_mount() {
    if !is_root("the_root_directory_has_no_entry_and_is_the_only_mount") {
        return;
    }
    let worker = Worker::from(command_wishing(FIRST_USER, wall()));
    let pid = worker.pid();
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("a live process");
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains(" / / ro,nosuid,nodev,noexec,") && mounts.contains(" tmpfs "), "{mounts}");
    assert_eq!(fs::read_dir(format!("/proc/{pid}/root/")).expect("root may look").count(), 0);
    assert!(fs::write(format!("/proc/{pid}/root/file"), "").is_err());
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("root may look").to_string_lossy(), "/");
}

#[test]
fn the_network_is_a_loopback_that_is_down() {
    if !is_root("the_network_is_a_loopback_that_is_down") {
        return;
    }
    let worker = Worker::from(command_wishing(FIRST_USER, wall()));
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/{}/net/{name}", worker.pid())).expect("a live process")
    };
    let table = read("dev");
    let names: Vec<_> =
        table.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    assert_eq!(names, ["lo"]);
    // An interface that is up has addresses and routes.
    assert_eq!(read("fib_trie").matches("LOCAL").count(), 0);
    assert_eq!(read("route").lines().skip(1).count(), 0);
}

#[test]
fn a_user_of_its_own_without_groups_or_capabilities() {
    if !is_root("a_user_of_its_own_without_groups_or_capabilities") {
        return;
    }
    for wishes in [Wishes::LANDLOCK, wall()] {
        let worker = Worker::from(command_wishing(FIRST_USER, wishes));
        let id = (FIRST_USER + worker.pid().unsigned_abs()).to_string();
        let status = status(worker.pid());
        for field in ["Uid", "Gid"] {
            assert!(status[field].split_whitespace().all(|found| found == id), "{field} {}", status[field]);
        }
        assert_eq!(status["Groups"], "");
        for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status[field], "0000000000000000", "{field}");
        }
        for layer in &worker.layers {
            assert!(layer.applied, "{layer:?}");
        }
        // Non-dumpable, so its files are root's though it is not.
        let owner = std::os::unix::fs::MetadataExt::uid(
            &fs::metadata(format!("/proc/{}/mem", worker.pid())).expect("a live process"),
        );
        assert_eq!(owner, 0);
    }
}

/// A plain user has the namespaces through a user namespace, and in it an empty bounding set as well.
#[test]
fn a_plain_user_has_them_too() {
    if !is_root("a_plain_user_has_them_too") {
        return;
    }
    let worker = nobodys_worker(wall());
    for layer in &worker.layers {
        assert!(layer.applied, "{layer:?}");
    }
    for kind in KINDS {
        assert_ne!(namespace("self", kind), namespace(worker.pid(), kind), "{kind}");
    }
    assert_eq!(status(worker.pid())["CapBnd"], "0000000000000000");
    let map = fs::read_to_string(format!("/proc/{}/uid_map", worker.pid())).expect("a live process");
    assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["65534", "65534", "1"]);
    // Its user may not even see which namespaces these are.
    let mut look = Command::new("/bin/readlink");
    look.arg(format!("/proc/{}/ns/net", worker.pid())).uid(NOBODY).gid(NOBODY);
    assert!(!look.output().expect("readlink runs").status.success());
}
