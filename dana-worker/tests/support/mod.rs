//! Starts the real worker the way a host does, and looks at it from outside.

#![expect(dead_code, unreachable_pub, reason = "each test file uses its own part of what is public here")]

pub mod facts;
pub mod paths;
pub mod tracer;

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use dana_wire::{
    Budget, Hello, LayerClaim, PROTOCOL, ToHost, ToWorker, open, read_frame, write_frame, write_header,
};
use dana_worker::arguments::Wishes;

/// Memory budget that the tests pass, in bytes.
pub const MEMORY: u64 = 64 << 20;
/// Processor budget that the tests pass, in seconds.
pub const CPU: u64 = 20;

/// The worker under test: the one cargo built, or the one that `DANA_WORKER_UNDER_TEST` names (the shipped one, say).
pub fn binary() -> PathBuf {
    std::env::var_os("DANA_WORKER_UNDER_TEST")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_dana-worker")), PathBuf::from)
}

/// First user id that the tests pass to workers that are to have their own.
pub const FIRST_USER: u32 = 2_000_000_000;

/// A command line as the host's for the level `landlocked`, with pipes and an empty environment.
pub fn command() -> Command {
    command_for(&binary(), MEMORY, CPU)
}

pub fn command_for(program: &Path, memory: u64, cpu: u64) -> Command {
    command_with(program, memory, cpu, 0, Wishes::LANDLOCK)
}

/// The same with these layers, and a user of its own if `first_user` is not 0.
pub fn command_wishing(first_user: u32, wishes: Wishes) -> Command {
    command_with(&binary(), MEMORY, CPU, first_user, wishes)
}

fn command_with(program: &Path, memory: u64, cpu: u64, first_user: u32, wishes: Wishes) -> Command {
    let mut command = Command::new(program);
    command
        .arg(PROTOCOL.to_string())
        .arg(std::process::id().to_string())
        .arg(memory.to_string())
        .arg(cpu.to_string())
        .arg(first_user.to_string())
        .arg(wishes.sum().to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A plain user.
pub const NOBODY: u32 = 65534;

/// A worker of a plain user with these layers. It runs a copy of the program, from where every user can reach it:
/// the project may lie in a folder that only root can enter.
pub fn nobodys_worker(wishes: Wishes) -> Worker {
    static COPIES: AtomicU32 = AtomicU32::new(0);
    let number = COPIES.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("dana-worker-tests-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder of our own");
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("our own folder");
    let program = folder.join("dana-worker");
    // By another process: while this one has the copy open for writing, a test on another thread may fork, and what
    // somebody has open for writing cannot be executed.
    let copied = Command::new("/bin/cp").arg(binary()).arg(&program).status().expect("cp runs");
    assert!(copied.success(), "a copy of the worker");
    let mut command = command_with(&program, MEMORY, CPU, 0, wishes);
    command.uid(NOBODY).gid(NOBODY);
    let worker = Worker::from(command);
    std::fs::remove_dir_all(folder).expect("our own folder");
    worker
}

/// A worker that has said Hello. Killed and reaped when dropped.
pub struct Worker {
    child: Child,
    pub requests: Option<ChildStdin>,
    pub replies: Option<ChildStdout>,
    pub last_words: ChildStderr,
    pub layers: Vec<LayerClaim>,
}

/// How a worker ended, and what it said on standard error.
#[derive(Debug)]
pub struct End {
    pub status: ExitStatus,
    pub last_words: String,
}

impl End {
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

impl Worker {
    pub fn start() -> Worker {
        Worker::from(command())
    }

    pub fn from(mut command: Command) -> Worker {
        let mut child = command.spawn().expect("the worker can be started");
        let requests = child.stdin.take();
        let mut replies = child.stdout.take().expect("a pipe");
        let mut last_words = child.stderr.take().expect("a pipe");
        let limit = Budget::FROM_WORKER.frame_bytes;
        let Some(body) = read_frame(&mut replies, limit).expect("a frame") else {
            let mut words = String::new();
            last_words.read_to_string(&mut words).expect("text");
            panic!("no Hello; {:?}: {words}", child.wait());
        };
        let (ToHost::Hello(Hello { protocol, build, layers }), _) = message(&body) else {
            panic!("no Hello")
        };
        assert_eq!(protocol, PROTOCOL);
        assert_eq!(build, dana_wire::BUILD);
        Worker { child, requests, replies: Some(replies), last_words, layers }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a pid")
    }

    pub fn send(&mut self, message: &ToWorker, payload: &[u8]) {
        let mut header = Vec::new();
        write_header(message, &mut header).expect("a message within its caps");
        let limit = Budget::FROM_HOST.frame_bytes;
        write_frame(self.requests.as_mut().expect("open"), &header, payload, limit)
            .expect("the worker reads");
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.requests.as_mut().expect("open").write_all(bytes).expect("the worker reads");
    }

    /// The next message; `None` when the worker is gone.
    pub fn receive(&mut self) -> Option<(ToHost, Vec<u8>)> {
        let body = read_frame(self.replies.as_mut().expect("open"), Budget::FROM_WORKER.frame_bytes)
            .expect("a frame")?;
        let (header, payload) = message(&body);
        Some((header, payload.to_vec()))
    }

    /// Closes the reply pipe, as a host that died would, and waits for the end. The request pipe stays open.
    pub fn stop_reading(mut self) -> End {
        self.replies = None;
        self.wait()
    }

    /// Closes the request pipe and waits for the end.
    pub fn close(mut self) -> End {
        drop(self.requests.take());
        self.wait()
    }

    /// What a worker that is gone said on standard error.
    pub fn words_so_far(&mut self) -> String {
        let mut words = String::new();
        self.last_words.read_to_string(&mut words).expect("text");
        words
    }

    /// How a worker that is gone has ended.
    pub fn ended(&mut self) -> End {
        let last_words = self.words_so_far();
        End { status: self.child.wait().expect("our child"), last_words }
    }

    /// Waits for the end, with the request pipe open.
    pub fn wait(mut self) -> End {
        self.ended()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _status = self.child.wait();
    }
}

fn message(body: &[u8]) -> (ToHost, &[u8]) {
    open(body, &Budget::FROM_WORKER).expect("a message")
}

/// Runs a command that is not expected to say Hello, with its request pipe closed at once.
pub fn run(mut command: Command) -> End {
    let output = command.spawn().and_then(Child::wait_with_output).expect("it can be started");
    End { status: output.status, last_words: String::from_utf8_lossy(&output.stderr).into_owned() }
}

/// Whether this test may look into other processes; says so when it may not.
pub fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("{test}: skipped, needs root");
    }
    root
}
