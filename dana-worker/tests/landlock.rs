//! Landlock by itself, without the system call filter in front of it. Rows 39 and 48 of the attack corpus. The layer
//! covers one thread, so each test locks the thread it runs on.

use std::io::ErrorKind::PermissionDenied;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;

use dana_worker::sandbox::landlock::deny_all;
use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::signal::kill;
use nix::unistd::{Pid, getppid};

/// Locks this thread; false, with a word, where the kernel has no Landlock.
fn locked(test: &str) -> bool {
    set_no_new_privs().expect("any kernel has it");
    match deny_all() {
        Ok(_) => true,
        Err(missing) => {
            eprintln!("{test}: skipped, {missing}");
            false
        }
    }
}

#[test]
fn no_file_is_read_made_or_run() {
    let own = std::env::current_exe().expect("a path");
    let scratch = std::env::temp_dir().join(format!("dana-landlock-{}", std::process::id()));
    std::fs::write(&scratch, "before").expect("a writable folder");
    let inside = scratch.clone();
    let verdict = std::thread::spawn(move || files_are_refused(&own, &inside)).join();
    assert_eq!(std::fs::read_to_string(&scratch).expect("the file"), "before");
    std::fs::remove_file(&scratch).expect("the file");
    verdict.expect("all refused");
}

fn files_are_refused(own: &Path, scratch: &Path) {
    if !locked("no_file_is_read_made_or_run") {
        return;
    }
    let refused = [
        std::fs::read("/etc/passwd").map(drop),
        std::fs::read("/proc/self/maps").map(drop),
        std::fs::read_dir("/").map(drop),
        std::fs::write(scratch, "after"),
        std::fs::write(scratch.with_extension("new"), ""),
        std::fs::remove_file(scratch),
        std::fs::rename(scratch, scratch.with_extension("moved")),
        std::fs::create_dir(scratch.with_extension("folder")),
        std::os::unix::fs::symlink("/etc/passwd", scratch.with_extension("link")),
        std::fs::OpenOptions::new().write(true).truncate(true).open(scratch).map(drop),
        std::process::Command::new(own).arg("--list").status().map(drop),
    ];
    for (index, result) in refused.into_iter().enumerate() {
        assert_eq!(result.map_err(|error| error.kind()), Err(PermissionDenied), "{index}");
    }
}

#[test]
fn no_tcp_port_is_bound_or_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    if locked("no_tcp_port_is_bound_or_reached") {
        assert_eq!(TcpStream::connect(address).map_err(|error| error.kind()).err(), Some(PermissionDenied));
        assert_eq!(
            TcpListener::bind("127.0.0.1:0").map_err(|error| error.kind()).err(),
            Some(PermissionDenied)
        );
    }
}

/// Both scopes, which Linux 6.12 and later have.
#[test]
fn no_abstract_socket_or_process_outside_is_reached() {
    let name = format!("dana-landlock-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).expect("an address");
    let _listener = UnixListener::bind_addr(&address).expect("a name");
    if locked("no_abstract_socket_or_process_outside_is_reached") {
        let reached = UnixStream::connect_addr(&address).map_err(|error| error.kind()).err();
        assert_eq!(reached, Some(PermissionDenied));
        assert_eq!(kill(getppid(), None), Err(Errno::EPERM));
        assert_eq!(kill(Pid::from_raw(1), None), Err(Errno::EPERM));
    }
}
