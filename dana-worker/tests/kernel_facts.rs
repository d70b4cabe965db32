//! The locked worker as the kernel describes it. Rows 15, 57, 62, 63, 70 and 105 of the attack corpus.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::{Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use support::facts::{descriptors, limits, mappings, status};
use support::{CPU, MEMORY, Worker, binary, is_root};

#[test]
fn status_shows_the_base_wall() {
    let worker = Worker::start();
    let status = status(worker.pid());
    let own = support::facts::status(std::process::id().cast_signed());
    for (field, expected) in [
        ("Threads", "1"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("SigBlk", "0000000000000000"),
        ("SigCgt", "0000000000000440"), // SIGSEGV and SIGBUS
        ("THP_enabled", "0"),
        ("Umask", "0077"),
    ] {
        assert_eq!(status[field], expected, "{field}");
    }
    assert_eq!(ignored(&status), PIPE_AND_XFSZ);
    let number = |text: &str| text.parse::<u32>().expect("a number");
    assert_eq!(number(&status["Seccomp_filters"]), number(&own["Seccomp_filters"]) + 1);
    assert_eq!(status["NSsid"], status["Pid"], "leads its own session");
}

#[test]
fn the_bounding_set_is_empty_where_it_can_be() {
    if is_root("the_bounding_set_is_empty_where_it_can_be") {
        let worker = Worker::start();
        assert_eq!(status(worker.pid())["CapBnd"], "0000000000000000");
    }
}

#[test]
fn limits_are_as_in_the_table() {
    let worker = Worker::start();
    let limits = limits(worker.pid());
    let both = |value: u64| (value.to_string(), value.to_string());
    for name in [
        "Max core file size",
        "Max file size",
        "Max processes",
        "Max locked memory",
        "Max msgqueue size",
        "Max realtime priority",
        "Max nice priority",
    ] {
        assert_eq!(limits[name], both(0), "{name}");
    }
    assert_eq!(limits["Max open files"], both(3));
    assert_eq!(limits["Max pending signals"], both(16));
    assert_eq!(limits["Max stack size"], both(8 << 20));
    let overhead = dana_worker::sandbox::policy::limits::OVERHEAD;
    assert_eq!(limits["Max address space"], both(MEMORY + MEMORY / 4 + overhead));
    assert_eq!(limits["Max cpu time"], (CPU.to_string(), (CPU + 1).to_string()));
}

#[test]
fn lifted_limits_are_left_alone() {
    let worker = Worker::from(support::command_for(&binary(), 0, 0));
    let own = limits(std::process::id().cast_signed());
    let theirs = limits(worker.pid());
    assert_eq!(theirs["Max address space"], own["Max address space"]);
    assert_eq!(theirs["Max cpu time"], own["Max cpu time"]);
}

/// The host holds many descriptors that it forgot to close on exec, one of them a listening socket.
#[test]
fn three_pipes_and_nothing_else_are_open() {
    if !is_root("three_pipes_and_nothing_else_are_open") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let files: Vec<_> = (0..100).map(|_| File::open("/etc/passwd").expect("a file")).collect();
    let leak = |fd: BorrowedFd<'_>| fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).expect("a descriptor");
    leak(listener.as_fd());
    for file in &files {
        leak(file.as_fd());
    }
    let worker = Worker::start();
    let open = descriptors(worker.pid());
    assert_eq!(open.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(open.values().all(|target| target.starts_with("pipe:[")), "{open:?}");
    let distinct: std::collections::BTreeSet<_> = open.values().collect();
    assert_eq!(distinct.len(), 3);
    assert!(files.iter().all(|file| file.as_raw_fd() > 2));
}

#[test]
fn nothing_is_writable_and_executable() {
    if !is_root("nothing_is_writable_and_executable") {
        return;
    }
    let worker = Worker::start();
    for (start, _, permissions, name) in mappings(worker.pid()) {
        assert!(!(permissions.contains('w') && permissions.contains('x')), "{start:x} {permissions} {name}");
    }
}

/// The worker is not traceable, so even its own user sees nothing but what `ps` shows.
#[test]
fn its_proc_files_belong_to_root() {
    use std::os::unix::fs::MetadataExt;
    let worker = Worker::start();
    for file in ["environ", "maps", "mem", "fd", "auxv", "stack", "exe", "cwd", "root"] {
        let meta = fs::symlink_metadata(format!("/proc/{}/{file}", worker.pid())).expect("a live process");
        assert_eq!((meta.uid(), meta.gid()), (0, 0), "{file}");
    }
}

#[test]
fn the_command_line_holds_six_numbers() {
    let worker = Worker::start();
    let line = fs::read_to_string(format!("/proc/{}/cmdline", worker.pid())).expect("a live process");
    let mut words = line.trim_end_matches('\0').split('\0').skip(1);
    assert_eq!(words.clone().count(), 6);
    assert!(words.all(|word| word.bytes().all(|byte| byte.is_ascii_digit())), "{line:?}");
}

/// A host, such as a daemon, may hand down ignored signals and open files. `env -i` undoes what the shell exports.
#[test]
fn a_host_that_meddled_with_signals_changes_nothing() {
    let script =
        "trap '' TERM INT CHLD XCPU ABRT SEGV USR1; exec 3</etc/passwd; exec /usr/bin/env -i \"$0\" \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).arg(binary());
    command.args([dana_wire::PROTOCOL.to_string(), std::process::id().to_string()]);
    command.args(["0", "0", "0", "1"]);
    command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let worker = Worker::from(command);
    assert_eq!(ignored(&status(worker.pid())), PIPE_AND_XFSZ);
}

const PIPE_AND_XFSZ: u64 = 1 << 12 | 1 << 24;

/// The ignored signals, without the two that C libraries keep for themselves (32 and 33).
fn ignored(status: &BTreeMap<String, String>) -> u64 {
    u64::from_str_radix(&status["SigIgn"], 16).expect("a mask") & !(1 << 31 | 1 << 32)
}
