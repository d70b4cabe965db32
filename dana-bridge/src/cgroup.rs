//! A control group of a worker's own, with limits, where this process may make one.
//!
//! The rule: a group is made beside this process's own (below it in version 1 and at the very top),
//! holds one worker ever, and is removed when that one has ended. The group of a host that died is
//! removed by the next host: it is locked by whoever made it, for as long as that process lives.
//! Left out: changing anything about groups that others made, except switching on the two
//! controllers for the children of the parent, which version 2 asks for.

mod places;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use places::{PREFIX, Parent, refused, sweep, write};

pub(crate) use places::CgroupError;

use crate::facts::Facts;
use crate::sys::{PerProcess, process};

/// The group of one worker: one directory in version 2, one a controller in version 1.
#[derive(Debug)]
pub(crate) struct Cgroup {
    host: u32,
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    parent: Parent,
    name: String,
    /// Open and locked for as long as this process lives.
    _lock: File,
}

impl Cgroup {
    /// Makes a group for one process and this many bytes; `None` leaves memory without a limit.
    pub(crate) fn make(memory: Option<u64>) -> Result<Cgroup, CgroupError> {
        let own = Facts::own_text("cgroup").map_err(CgroupError::Own)?;
        let mounts = Facts::own_text("mountinfo").map_err(CgroupError::Own)?;
        let parents = places::parents(&own, &mounts, memory)?;
        sweep_once(&parents);
        let mut group = Cgroup { host: process(), places: Vec::new() };
        for parent in parents {
            // What was made so far is removed when `group` is dropped.
            let place = parent.place()?;
            group.places.push(place);
            if let Some(place) = group.places.last() {
                place.limit()?;
            }
        }
        Ok(group)
    }

    /// The files through which a process moves itself into the group.
    pub(crate) fn doors(&self) -> Result<Vec<OwnedFd>, CgroupError> {
        let open = |place: &Place| {
            let path = place.folder().join("cgroup.procs");
            let file = OpenOptions::new().write(true).open(&path).map_err(refused("open", &path))?;
            Ok(file.into())
        };
        self.places.iter().map(open).collect()
    }

    /// Whether the process is in the group, and the limits hold: the kernel's word.
    pub(crate) fn evidence(&self, pid: i32) -> Result<String, String> {
        let table = fs::read_to_string(format!("/proc/{pid}/cgroup"))
            .map_err(|error| format!("its groups cannot be read: {error}"))?;
        let mut shown = Vec::new();
        for place in &self.places {
            let line = format!(":{}:{}", place.parent.controllers, place.shown());
            if !table.lines().any(|found| found.trim_start_matches(|c: char| c.is_ascii_digit()) == line) {
                return Err(format!("it is not in the group {}", place.shown()));
            }
            for limit in place.parent.limits.iter().filter(|limit| limit.required) {
                let path = place.folder().join(limit.file);
                let found = fs::read_to_string(&path)
                    .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
                let found = found.trim();
                if !found.parse::<u64>().is_ok_and(|value| value <= limit.value) {
                    return Err(format!("{} is {found}, not {}", limit.file, limit.value));
                }
                shown.push(format!("{} {found}", limit.file));
            }
        }
        Ok(format!("{}, its own group", shown.join(", ")))
    }

    /// Whether the kernel ended a process of the group for the memory it took.
    pub(crate) fn ran_out(&self) -> bool {
        ["memory.events", "memory.oom_control"].iter().any(|file| {
            self.places.iter().any(|place| {
                let text = fs::read_to_string(place.folder().join(file)).unwrap_or_default();
                text.lines()
                    .any(|line| line.strip_prefix("oom_kill ").is_some_and(|count| count.trim() != "0"))
            })
        })
    }
}

/// Only in the process that made it, once the worker has ended: until then the kernel refuses.
impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.host == process() {
            for place in &self.places {
                // Fails if something is still inside; then the next host finds it empty and unlocked.
                let _ = fs::remove_dir(place.folder());
            }
        }
    }
}

/// How many directories may be taken from under our hands before we give up.
const TRIES: u32 = 1000;

impl Parent {
    /// Makes a directory that no other host removes.
    fn place(self) -> Result<Place, CgroupError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        for _ in 0..TRIES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{number}", process());
            let folder = self.folder.join(&name);
            match fs::create_dir(&folder) {
                // Of a host that had our number and died.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(refused("mkdir", &folder))?,
            }
            // Until it is locked, another host may take it for a leftover.
            match File::open(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let _ = fs::remove_dir(&folder);
                    return Err(refused("open", &folder)(error));
                }
                Ok(lock) => match lock.try_lock() {
                    Ok(()) if folder.exists() => return Ok(Place { parent: self, name, _lock: lock }),
                    Ok(()) => {}
                    // Another host removes it just now, or somebody holds on to it who should not.
                    Err(TryLockError::WouldBlock) => {
                        let _ = fs::remove_dir(&folder);
                    }
                    Err(TryLockError::Error(error)) => {
                        let _ = fs::remove_dir(&folder);
                        return Err(refused("lock", &folder)(error));
                    }
                },
            }
        }
        let all = self.folder.join(format!("{PREFIX}{}-*", process()));
        Err(refused("lock", &all)(io::ErrorKind::WouldBlock.into()))
    }
}

impl Place {
    fn folder(&self) -> PathBuf {
        self.parent.folder.join(&self.name)
    }

    fn shown(&self) -> String {
        format!("{}/{}", self.parent.shown.trim_end_matches('/'), self.name)
    }

    fn limit(&self) -> Result<(), CgroupError> {
        for limit in &self.parent.limits {
            let path = self.folder().join(limit.file);
            match write(&path, limit.value) {
                Err(_) if !limit.required => {}
                written => written.map_err(refused("write", &path))?,
            }
        }
        Ok(())
    }
}

/// Removes what hosts that died left behind, once in the life of this process.
fn sweep_once(parents: &[Parent]) {
    static SWEPT: PerProcess<AtomicBool> = PerProcess::new();
    if !SWEPT.get().swap(true, Ordering::Relaxed) {
        parents.iter().for_each(|parent| sweep(&parent.folder));
    }
}
