//! What the kernel says of a worker, read from `/proc`.
//!
//! The rule: a file that cannot be read is no evidence, and says so. Every file but the first two is
//! read when a check asks for it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::recruit::Recipe;
use crate::worker::Worker;

/// Why a file of a living process seems not to exist.
const HIDDEN: &str = "; where /proc is mounted with hidepid=2, a user's locked processes are hidden from him: mount it \
                      without, or with gid= of one of his groups";

/// One process, and the thread of this one that started it, to compare.
#[derive(Debug)]
pub(crate) struct Facts {
    pid: i32,
    status: String,
    own_status: String,
    limits: String,
    group: Option<Result<String, String>>,
    /// What it may map, and for how many seconds it may compute, as this host told it.
    pub(crate) memory: Option<u64>,
    pub(crate) cpu: Option<u64>,
}

impl Facts {
    /// Reads what every check needs.
    pub(crate) fn read(worker: &Worker, recipe: &Recipe) -> Result<Facts, String> {
        let pid = worker.pid;
        let file = |path: String| {
            fs::read_to_string(&path).map_err(|error| {
                let hidden = match error.kind() {
                    io::ErrorKind::NotFound if path.starts_with(&format!("/proc/{pid}/")) => HIDDEN,
                    _ => "",
                };
                format!("{path} cannot be read: {error}{hidden}")
            })
        };
        // A /proc of another process namespace would show a stranger under this number.
        let descriptor = file(format!("/proc/thread-self/fdinfo/{}", worker.pidfd().as_raw_fd()))?;
        match field(&descriptor, "Pid") {
            Some(number) if number == pid.to_string() => {}
            number => {
                return Err(format!(
                    "/proc is of another process namespace: process {pid} is {} there",
                    number.unwrap_or("nothing")
                ));
            }
        }
        Ok(Facts {
            pid,
            // Of this thread: the worker inherited the filters of the thread that started it.
            own_status: file("/proc/thread-self/status".to_owned())?,
            status: file(format!("/proc/{pid}/status"))?,
            limits: file(format!("/proc/{pid}/limits"))?,
            group: worker.group_evidence(),
            memory: recipe.of_group,
            cpu: Some(recipe.of_kernel[1]).filter(|seconds| *seconds > 0),
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// What shows that it is in a control group of its own, if one was made for it.
    pub(crate) fn group(&self) -> Option<&Result<String, String>> {
        self.group.as_ref()
    }

    /// A field of its status.
    pub(crate) fn field(&self, name: &str) -> Result<&str, String> {
        field(&self.status, name).ok_or_else(|| format!("this kernel does not show {name}"))
    }

    /// The same of this host; empty if the kernel does not show it.
    pub(crate) fn own_field(&self, name: &str) -> &str {
        field(&self.own_status, name).unwrap_or("")
    }

    /// The soft and the hard limit of this name.
    pub(crate) fn limit(&self, name: &str) -> Result<[&str; 2], String> {
        let line = self.limits.lines().find_map(|line| line.strip_prefix(name));
        let mut columns =
            line.ok_or_else(|| format!("this kernel does not show '{name}'"))?.split_whitespace();
        Ok([columns.next().unwrap_or("nothing"), columns.next().unwrap_or("nothing")])
    }

    /// A file of its directory.
    pub(crate) fn text(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// The same file of this thread.
    pub(crate) fn own_text(name: &str) -> io::Result<String> {
        fs::read_to_string(own_path(name))
    }

    /// Where a link of its directory leads.
    pub(crate) fn link(&self, name: &str) -> io::Result<String> {
        fs::read_link(self.path(name)).map(|target| target.to_string_lossy().into_owned())
    }

    /// Where the same link of this thread leads.
    pub(crate) fn own_link(name: &str) -> io::Result<String> {
        fs::read_link(own_path(name)).map(|target| target.to_string_lossy().into_owned())
    }

    /// Its open descriptors and where they lead, if this host may look; otherwise their number, if the
    /// kernel tells it (Linux 6.2 and later).
    pub(crate) fn descriptors(&self) -> io::Result<Result<Vec<(String, String)>, u64>> {
        let folder = self.path("fd");
        let listed = fs::read_dir(&folder).and_then(|entries| {
            entries
                .map(|entry| {
                    let entry = entry?;
                    let target = fs::read_link(entry.path())?;
                    let text = |text: &OsStr| text.to_string_lossy().into_owned();
                    Ok((text(&entry.file_name()), text(target.as_os_str())))
                })
                .collect::<io::Result<Vec<_>>>()
        });
        match listed {
            Ok(listed) => Ok(Ok(listed)),
            Err(_) => fs::metadata(&folder).map(|found| Err(found.size())),
        }
    }

    /// Who owns its files under `/proc`: root, if it cannot be traced.
    pub(crate) fn owner(&self) -> io::Result<u32> {
        fs::metadata(self.path("mem")).map(|found| found.uid())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

fn own_path(name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/thread-self/{name}"))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}
