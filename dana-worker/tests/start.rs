//! What the worker refuses to start with, and how it ends when nothing went wrong.

mod support;

use std::fs::File;
use std::process::{Command, Stdio};

use support::{Worker, binary, command, run};

const USAGE: Option<i32> = Some(64);
const SETUP: Option<i32> = Some(70);

#[test]
fn hello_claims_every_layer() {
    let worker = Worker::start();
    let claimed: Vec<_> = worker.layers.iter().map(|layer| layer.name.as_str()).collect();
    let expected = [
        "threads",
        "fds",
        "environment",
        "session",
        "securebits",
        "bounding_set",
        "capabilities",
        "dumpable",
        "no_new_privs",
        "mdwe",
        "huge_pages",
        "landlock",
        "rlimits",
        "seccomp",
    ];
    assert_eq!(claimed, expected);
    for layer in &worker.layers {
        let may_lack = matches!(layer.name.as_str(), "securebits" | "bounding_set" | "mdwe" | "landlock");
        assert!(layer.applied || may_lack, "{layer:?}");
    }
}

#[test]
fn end_of_file_is_a_clean_end() {
    let end = Worker::start().close();
    assert_eq!((end.code(), end.last_words.as_str()), (Some(0), ""));
}

#[test]
fn other_arguments_are_refused() {
    let bare = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        run(command)
    };
    let own = std::process::id().to_string();
    for arguments in [
        &[][..],
        &["--help"],
        &["1", &own, "0", "0"],
        &["1", &own, "0", "0", "0", "1", "0"],
        &["x", &own, "0", "0", "0", "1"],
        &["1", &own, "0", "0", "0", "32"],
    ] {
        let end = bare(arguments);
        assert_eq!(end.code(), USAGE, "{arguments:?}: {end:?}");
    }
    let end = bare(&["4000000000", &own, "0", "0", "0", "1"]);
    assert_eq!(end.code(), USAGE);
    assert!(end.last_words.contains("4000000000 asked"), "{end:?}");
}

#[test]
fn a_stranger_as_parent_is_refused() {
    let mut command = Command::new(binary());
    command.args([&dana_wire::PROTOCOL.to_string(), "1", "0", "0", "0", "1"]).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let end = run(command);
    assert_eq!(end.code(), SETUP);
    assert!(end.last_words.starts_with("dana-worker: layer session failed: parent is"), "{end:?}");
}

#[test]
fn descriptors_that_are_no_pipes_are_refused() {
    let file = || File::open("/dev/null").expect("a device");
    let mut commands = [command(), command(), command(), command()];
    commands[0].stdin(file());
    commands[1].stdout(File::create("/dev/null").expect("a device"));
    commands[2].stderr(File::create("/dev/null").expect("a device"));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    commands[3].stdin(writer);
    for (index, command) in commands.into_iter().enumerate() {
        let end = run(command);
        assert_eq!(end.code(), SETUP, "{index}: {end:?}");
        assert!(index == 2 || end.last_words.starts_with("dana-worker: layer fds failed: fd "), "{end:?}");
    }
    drop(reader);
}

#[test]
fn a_regular_file_as_reply_pipe_is_refused() {
    let path = std::env::temp_dir().join(format!("dana-worker-reply-{}", std::process::id()));
    let mut command = command();
    command.stdout(File::create(&path).expect("a file"));
    let end = run(command);
    assert_eq!(end.code(), SETUP);
    assert_eq!(end.last_words, "dana-worker: layer fds failed: fd 1 is not a pipe\n");
    assert_eq!(std::fs::read(&path).expect("the file"), b"");
    std::fs::remove_file(&path).expect("the file");
}

#[test]
fn an_environment_is_refused() {
    let mut command = command();
    command.env("API_KEY", "secret");
    let end = run(command);
    assert_eq!(end.code(), SETUP);
    assert!(end.last_words.contains("environment") && !end.last_words.contains("API_KEY"), "{end:?}");
}

#[test]
fn bad_frames_end_it_with_a_protocol_status() {
    let cases: [(&str, &[u8]); 6] = [
        ("empty frame", &[0, 0, 0, 0]),
        ("length over every limit", &[0xff, 0xff, 0xff, 0xff]),
        ("not a message", &[1, 0, 0, 0, 0xc0]),
        ("reserved marker", &[1, 0, 0, 0, 0xc1]),
        ("a huge array", &[5, 0, 0, 0, 0xdd, 0xff, 0xff, 0xff, 0xff]),
        ("a host message", b"\x08\0\0\0\xa7Started"),
    ];
    for (what, bytes) in cases {
        let mut worker = Worker::start();
        worker.send_raw(bytes);
        let end = worker.wait();
        assert_eq!(end.code(), Some(65), "{what}: {end:?}");
    }
}

#[test]
fn a_host_that_goes_away_inside_a_frame_is_lost() {
    for cut in [&[1][..], &[200, 0, 0, 0], &[200, 0, 0, 0, 1, 2, 3]] {
        let mut worker = Worker::start();
        worker.send_raw(cut);
        assert_eq!(worker.close().code(), Some(74), "{cut:?}");
    }
}
