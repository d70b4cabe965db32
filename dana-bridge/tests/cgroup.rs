//! Where groups of workers may be made, on emulated directories. The module is compiled in here: the extension's own
//! test program would need a libpython to link with.

#[path = "../src/cgroup/places.rs"]
#[expect(dead_code, reason = "the extension uses the rest")]
mod places;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use places::{CgroupError, joint, locate, parents, second_version, sweep};

const SECOND: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const FIRST: &str = "31 24 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n\
                     32 24 0:28 /box /cg/pids rw - cgroup cgroup rw,cpu,pids";

#[test]
fn own_groups_are_found() {
    let found = locate("0::/user.slice/a.scope\n", SECOND, None);
    assert_eq!(found, Some(("/sys/fs/cgroup/user.slice/a.scope".into(), "/user.slice/a.scope".to_owned())));
    assert_eq!(locate("0::/\n", SECOND, None), Some(("/sys/fs/cgroup/".into(), "/".to_owned())));
    let own = "4:memory:/a/b\n3:cpu,pids:/box/c\n0::/\n";
    assert_eq!(locate(own, FIRST, Some("memory")), Some(("/cg/memory/a/b".into(), "/a/b".to_owned())));
    assert_eq!(locate(own, FIRST, Some("pids")), Some(("/cg/pids/c".into(), "/box/c".to_owned())));
    assert_eq!(joint(own, "pids").as_deref(), Some("cpu,pids"));
    assert_eq!(locate("3:cpu,pids:/other/c\n", FIRST, Some("pids")), None);
    assert_eq!(locate("3:cpu,pids:/boxes\n", FIRST, Some("pids")), None);
    assert_eq!(locate("4:memory:/\n", "", Some("memory")), None);
    assert_eq!(locate("nonsense", "nonsense", None), None);
}

/// A directory that looks like a delegated group of version 2, whose files are made beforehand.
fn delegated(controls: &str) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("dana-cgroup-{}-{number}", std::process::id()));
    let own = folder.join("own");
    fs::create_dir_all(&own).unwrap();
    fs::write(folder.join("cgroup.subtree_control"), controls).unwrap();
    fs::write(own.join("cgroup.type"), "domain").unwrap();
    folder
}

#[test]
fn the_second_version_puts_workers_beside_their_host() {
    let folder = delegated("cpu memory pids\n");
    let parent = second_version(folder.join("own"), "/a/own", Some(1 << 20)).unwrap();
    assert_eq!((parent.folder.clone(), parent.shown.as_str()), (folder.clone(), "/a"));
    let files: Vec<_> = parent.limits.iter().map(|limit| (limit.file, limit.value)).collect();
    assert_eq!(files, [("memory.max", 1 << 20), ("memory.swap.max", 0), ("pids.max", 1)]);
    assert!(matches!(second_version(folder.join("own"), "/", None), Err(CgroupError::Topmost)));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_parent_that_gives_its_children_nothing_yet_has_controllers_all_the_same() {
    let folder = delegated("");
    let mounts = format!("30 24 0:26 / {} rw - cgroup2 cgroup2 rw", folder.display());
    fs::write(folder.join("own/cgroup.controllers"), "").unwrap();
    fs::write(folder.join("cgroup.controllers"), "cpu\n").unwrap();
    assert!(matches!(parents("0::/own\n", &mounts, None), Err(CgroupError::Controllers)));
    fs::write(folder.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
    let found = parents("0::/own\n", &mounts, None).unwrap();
    assert_eq!(found.iter().map(|parent| &parent.folder).collect::<Vec<_>>(), [&folder]);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn controllers_are_switched_on_for_the_children() {
    let folder = delegated("cpu\n");
    second_version(folder.join("own"), "/a/own", None).unwrap();
    let control = folder.join("cgroup.subtree_control");
    assert_eq!(fs::read_to_string(&control).unwrap(), "+memory +pids");
    fs::remove_file(&control).unwrap();
    let refused = second_version(folder.join("own"), "/a/own", None).unwrap_err();
    assert!(refused.to_string().starts_with("write "), "{refused}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn only_what_nobody_holds_is_swept() {
    let folder = delegated("");
    let [left, held, other] = ["dana-worker-1-0", "dana-worker-2-0", "somebody"].map(|name| {
        fs::create_dir(folder.join(name)).unwrap();
        folder.join(name)
    });
    let lock = File::open(&held).unwrap();
    lock.try_lock().unwrap();
    sweep(&folder);
    assert_eq!([left.exists(), held.exists(), other.exists()], [false, true, true]);
    drop(lock);
    sweep(&folder);
    assert!(!held.exists());
    fs::remove_dir_all(folder).unwrap();
}
